// What the x87 declarations share: the check for pending exceptions, and addresses of memory operands.
// Intel SDM Vol. 1, ch. 8 "Programming with the x87 FPU".
import { type Encoding, type EncodingOptions, enc, type Instruction, insn } from '../../declare.js';
import type { OperandSpec } from '../../operands.js';
import type { Operand, Sem } from '../../sem.js';

export type Execute = <V>(s: Sem<V>, ...operands: Operand[]) => void;

const declare = (
  name: string,
  sdm: string,
  check: string,
  encodings: readonly Encoding[],
  execute: Execute,
): Instruction =>
  insn(name, {
    sdm: `SDM 2A "${sdm}"`,
    encodings,
    execute(s, ...operands) {
      s.call(check);
      execute(s, ...operands);
    },
  });
/** An instruction that waits: #NM, then #MF of an earlier one, come first. */
export const x87 = (name: string, sdm: string, encodings: readonly Encoding[], execute: Execute): Instruction =>
  declare(name, sdm, 'fpu_check', encodings, execute);
/** A control instruction that does not wait: #NM only. */
export const noWait = (name: string, sdm: string, encodings: readonly Encoding[], execute: Execute): Instruction =>
  declare(name, sdm, 'fpu_check_nowait', encodings, execute);

export const fpu = (opcode: string, operands: readonly OperandSpec[] = [], options: EncodingOptions = {}): Encoding =>
  enc(opcode, operands, { feature: 'fpu', ...options });

/** Effective address of a memory operand, for FDP. */
export const offset = <V>(s: Sem<V>, operand: Operand): V => {
  const address = s.effectiveAddress(operand);
  return s.widthOf(address) < 64 ? s.zext(address, 64) : address;
};
export const number32 = <V>(s: Sem<V>, n: number): V => s.const(n, 32);
/** A signed integer operand of 16 or 32 bits as 32 bits. */
export const signed32 = <V>(s: Sem<V>, operand: Operand): V => {
  const v = s.read(operand);
  return operand.bits < 32 ? s.sext(v, 32) : v;
};
/** Calls a procedure without arguments. */
export const plain =
  (procedure: string): Execute =>
  (s) => {
    s.call(procedure);
  };
