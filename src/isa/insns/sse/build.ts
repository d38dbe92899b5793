// What the SSE declarations share: the check every SSE instruction begins with, and low parts of XMM operands.
// Intel SDM Vol. 1, ch. 10 "Programming with Intel SSE"; Vol. 2A, "Instruction Set Reference".
import { type Encoding, type EncodingOptions, enc, type Instruction, insn } from '../../declare.js';
import type { OperandSpec } from '../../operands.js';
import type { Bits, Operand, Sem, StatusFlag } from '../../sem.js';

export type Execute = <V>(s: Sem<V>, ...operands: Operand[]) => void;

/** An instruction on XMM registers: #UD and #NM come before everything else. */
export const sse = (
  name: string,
  sdm: string,
  encodings: readonly Encoding[],
  execute: Execute,
  rest: { readonly hot?: boolean; readonly undefinedFlags?: readonly StatusFlag[] } = {},
): Instruction =>
  insn(name, {
    sdm,
    encodings,
    ...rest,
    execute(s, ...operands) {
      s.call('sse_check');
      execute(s, ...operands);
    },
  });

/** An encoding that needs a CPUID feature. */
export const by = (
  feature: string,
  opcode: string,
  operands: readonly OperandSpec[],
  options: EncodingOptions = {},
): Encoding => enc(opcode, operands, { feature, ...options });
/** Likewise, and its 16-byte memory operand must be aligned. */
export const alignedBy = (feature: string, opcode: string, operands: readonly OperandSpec[]): Encoding =>
  enc(opcode, operands, { feature, aligned: true });

/** The operand's low `bits`: an XMM register reads 128 bits, memory as many as it has. */
export const low = <V>(s: Sem<V>, operand: Operand, bits: Bits): V => {
  const v = s.read(operand);
  return s.widthOf(v) > bits ? s.trunc(v, bits) : v;
};

/** dst = src. */
export const copy: Execute = (s, dst, src) => s.write(dst, s.read(src));

/** A numeric procedure on the destination register and the source. */
export const numeric =
  (procedure: string): Execute =>
  (s, dst, src) => {
    s.call(procedure, s.pointer(dst), s.pointer(src));
  };
/** The same with an immediate. */
export const numericImmediate =
  (procedure: string): Execute =>
  (s, dst, src, imm) => {
    s.call(procedure, s.pointer(dst), s.pointer(src), s.zext(s.read(imm), 32));
  };
