// How the decoder finds an operand, and what it is. Intel SDM Vol. 2D, Appendix A "Opcode Map" (operand codes).
import type { Encoding } from './declare.js';
import type { OperandSpec, OperandType } from './operands.js';
import type { Operand } from './sem.js';

/** What a decoded operand is; the numeric twin of Operand.kind. `implied` operands (X, Y, ONE) take no part in execute. */
export const OPERAND_KIND = {
  implied: 0,
  gpr: 1,
  mem: 2,
  imm: 3,
  rel: 4,
  far: 5,
  mmx: 6,
  xmm: 7,
  segment: 8,
  control: 9,
  debug: 10,
  x87: 11,
} as const;
type KindName = keyof typeof OPERAND_KIND;

// How the decoder fills an operand: registers first, then what follows the ModRM byte.
export const CODE = {
  gprReg: 0,
  gprRm: 1,
  gprFixed: 2,
  mmxReg: 3,
  mmxRm: 4,
  xmmReg: 5,
  xmmRm: 6,
  segmentReg: 7,
  segmentFixed: 8,
  controlReg: 9,
  debugReg: 10,
  x87Rm: 11,
  x87Fixed: 12,
  mem: 13,
  implied: 14,
  offset: 15,
  imm: 16,
  immSigned: 17,
  rel: 18,
  far: 19,
} as const;
/** Codes from here on take bytes of the instruction. */
export const FIRST_IMMEDIATE = CODE.offset;
type CodeName = keyof typeof CODE;
export const KIND_OF: Record<CodeName, KindName> = {
  gprReg: 'gpr',
  gprRm: 'gpr',
  gprFixed: 'gpr',
  mmxReg: 'mmx',
  mmxRm: 'mmx',
  xmmReg: 'xmm',
  xmmRm: 'xmm',
  segmentReg: 'segment',
  segmentFixed: 'segment',
  controlReg: 'control',
  debugReg: 'debug',
  x87Rm: 'x87',
  x87Fixed: 'x87',
  mem: 'mem',
  implied: 'implied',
  offset: 'mem',
  imm: 'imm',
  immSigned: 'imm',
  rel: 'rel',
  far: 'far',
};
/** OPERAND_KIND by code. */
export const KINDS = Uint8Array.from(Object.keys(CODE) as CodeName[], (code) => OPERAND_KIND[KIND_OF[code]]);
/** A form's operands as the decoder wants them: code, width in bits, fixed register, bytes that it takes; a byte each. */
export const pack = (code: CodeName, bits: number, fixed: number, bytes: number): number =>
  CODE[code] | (bits << 8) | (fixed << 16) | (bytes << 24);
export const MOST_OPERANDS = 4;

/** Width in bits of an operand type at an operand size. */
export function typeBits(type: OperandType, opBits: number, long: boolean): number {
  switch (type) {
    case 'b':
      return 8;
    case 'w':
      return 16;
    case 'd':
      return 32;
    case 'q':
      return 64;
    case 'dq':
      return 128;
    case 'v':
    case 'sb':
      return opBits;
    case 'z':
      return Math.min(opBits, 32);
    case 'y':
      return opBits === 64 ? 64 : 32;
    case 'c':
      return long ? 64 : 32;
    case 't':
      return 80;
    case 'p':
      return opBits + 16;
    case 'a':
      return opBits * 2;
    case 'm':
    case 's':
      return 0;
  }
}

/** How operand `spec` is found for a memory or register ModRM. */
export function operandCode(spec: OperandSpec, mem: boolean): CodeName {
  switch (spec.method) {
    case 'E':
      return mem ? 'mem' : 'gprRm';
    case 'R':
    case 'Z':
      return 'gprRm';
    case 'M':
      return 'mem';
    case 'G':
      return 'gprReg';
    case 'K':
      if (spec.type === 't') return 'x87Fixed';
      return spec.segment ? 'segmentFixed' : 'gprFixed';
    case 'I':
      return spec.type === 'sb' || spec.type === 'z' ? 'immSigned' : 'imm';
    case 'J':
      return 'rel';
    case 'O':
      return 'offset';
    case 'A':
      return 'far';
    case 'C':
      return 'controlReg';
    case 'D':
      return 'debugReg';
    case 'S':
      return 'segmentReg';
    case 'P':
      return 'mmxReg';
    case 'Q':
      return mem ? 'mem' : 'mmxRm';
    case 'N':
      return 'mmxRm';
    case 'V':
      return 'xmmReg';
    case 'W':
      return mem ? 'mem' : 'xmmRm';
    case 'U':
      return 'xmmRm';
    case 'F':
      return 'x87Rm';
    case 'X':
    case 'Y':
    case 'ONE':
      return 'implied';
  }
}

/** Bytes of the instruction that an operand of `bits` takes behind the ModRM byte and its displacement. */
export function operandBytes(spec: OperandSpec, bits: number): number {
  switch (spec.method) {
    case 'I':
      if (spec.type === 'sb') return 1;
      return spec.type === 'z' ? Math.min(bits, 32) / 8 : bits / 8;
    case 'J':
      return spec.type === 'b' ? 1 : Math.min(bits, 32) / 8;
    case 'A':
      return Math.min(bits, 32) / 8 + 2;
    default:
      return 0; // of a memory offset: as many as an address has
  }
}

/** Width of an operand. Immediates of type z count as operand-sized: they are sign-extended. */
export function operandBits(spec: OperandSpec, kind: KindName, opBits: number, long: boolean): number {
  if (kind === 'mem' && spec.memBits !== undefined) return spec.memBits;
  if (spec.method === 'I' && spec.type === 'z') return opBits;
  if (kind === 'rel' || kind === 'far') return opBits;
  return typeBits(spec.type, opBits, long);
}

/** The operands `execute` gets for an encoding in one specialisation (`mem`: ModRM.mod is not 3). */
export function operandForm(
  encoding: Encoding,
  facts: { readonly opBits: 16 | 32 | 64; readonly long: boolean; readonly mem: boolean },
): Operand[] {
  const list: Operand[] = [];
  encoding.operands.forEach((spec, index) => {
    const kind = KIND_OF[operandCode(spec, facts.mem)];
    if (kind !== 'implied') list.push({ index, kind, bits: operandBits(spec, kind, facts.opBits, facts.long) });
  });
  return list;
}
