// What the decoder gives: rows and forms of the declarations, and the result of one decode.
import type { Encoding, Instruction } from './declare.js';
import type { Operand } from './sem.js';

/** Decoding mode: default operand and address size of the code segment, or 64-bit mode. */
export interface DecodeMode {
  readonly codeBits: 16 | 32 | 64;
}

/**
 * One decoded operand. Immediates are zero-extended from `bits` to 64 bits in immHi:immLo (both i32); `rel` has its signed
 * displacement in immLo; `far` has the offset in immLo and the selector in immHi.
 */
export interface DecodedOperand {
  kind: number;
  bits: number;
  /** Register number with REX extension; for AH, CH, DH, BH the number 0..3 with `high` = 1. */
  register: number;
  high: number;
  immLo: number;
  immHi: number;
}

/** One row per declared encoding. */
export interface Row {
  readonly number: number;
  readonly instruction: Instruction;
  readonly encoding: Encoding;
  readonly encodingIndex: number;
}

/** An operand form: a row at one operand size, with the static operand list that `execute` is given. */
export interface Form {
  readonly number: number;
  readonly row: Row;
  readonly instruction: Instruction;
  readonly opBits: 16 | 32 | 64;
  readonly long: boolean;
  /** ModRM names memory (or the operand is a memory offset). */
  readonly mem: boolean;
  /** What execute gets: the operands that are not implied. */
  readonly operands: readonly Operand[];
  /** @internal operands as declared, implied ones included */
  readonly declared: number;
  /** @internal LOCK allowed */
  readonly lockable: boolean;
  /** @internal implicit LOCK */
  readonly locked: boolean;
  /** @internal repeat prefixes act */
  readonly rep: boolean;
  /** @internal added to the displacement of rSP-based operands */
  readonly popBytes: number;
}

/** Result of a decode; reused. */
export class Decoded {
  /** The matching form; undefined when invalid. */
  form: Form | undefined = undefined;
  /** Total length in bytes. */
  length = 0;
  /** No such instruction (or an illegal prefix): #UD. */
  invalid = false;
  /** Longer than 15 bytes: #GP(0). */
  tooLong = false;
  opBits: 16 | 32 | 64 = 32;
  addrBits: 16 | 32 | 64 = 32;
  /** LOCK semantics are in force (prefix, or implied by the instruction). */
  lock = false;
  /** Repeat prefix where it acts (string instructions): 0 none, 1 REP/REPE, 2 REPNE. */
  rep = 0;
  /** Repeat prefix as written: 0 none, 1 F3, 2 F2. */
  repPrefix = 0;
  has66 = false;
  has67 = false;
  /** The LOCK prefix as written. */
  hasLock = false;
  /** Segment prefix in force: 0 ES, 1 CS, 2 SS, 3 DS, 4 FS, 5 GS; -1 none. */
  segmentOverride = -1;
  /** REX byte in force, 0 if none. */
  rex = 0;
  opcode = 0;
  /** 0 one-byte map, 1 0F, 2 0F38, 3 0F3A. */
  map = 0;
  hasModrm = false;
  mod = 0;
  /** ModRM.reg and ModRM.rm with their REX extensions. */
  reg = 0;
  rm = 0;
  hasMem = false;
  /** GPR numbers, -1 if absent. */
  base = -1;
  index = -1;
  /** log2 of the factor. */
  scale = 0;
  /** Displacement; sign-extended into dispHi except for 64-bit memory offsets. */
  disp = 0;
  dispHi = 0;
  ripRelative = false;
  /** Segment of the memory operand, override applied. */
  segment = 3;
  /** Number of declared operands (implied ones included); the first of `operands` are valid. */
  operandCount = 0;
  readonly operands: readonly DecodedOperand[] = [0, 1, 2, 3].map(() => ({
    kind: 0,
    bits: 0,
    register: 0,
    high: 0,
    immLo: 0,
    immHi: 0,
  }));
  get instruction(): Instruction {
    return (this.form as Form).instruction;
  }
  get encodingIndex(): number {
    return (this.form as Form).row.encodingIndex;
  }
}
