// How an instruction is declared: name, manual section, encodings, semantics. Everything else is derived from this.
import type { OperandSpec } from './operands.js';
import type { Operand, Sem } from './sem.js';

export interface EncodingOptions {
  /** LOCK prefix allowed when the first operand is memory. */
  readonly lock?: boolean;
  /** Default operand size is 64 in 64-bit mode (PUSH, POP, near branches, ...); `f64`: 66 prefix ignored there. */
  readonly d64?: boolean;
  readonly f64?: boolean;
  /** Invalid in 64-bit mode / only valid in 64-bit mode. */
  readonly i64?: boolean;
  readonly o64?: boolean;
  /** Repeat prefixes act on it (string instructions). */
  readonly rep?: boolean;
  /** Operand size fixed to this many bits regardless of 66 and REX.W. */
  readonly opBits?: 16 | 32 | 64;
  /** Only with this operand size (CBW/CWDE/CDQE share an opcode). */
  readonly onlyOpBits?: 16 | 32 | 64;
  /** The memory form is locked even without a LOCK prefix (XCHG). */
  readonly locked?: boolean;
  /** The memory operand is never accessed, so its segment and page are not checked (LEA, NOP, PREFETCH, INVLPG). */
  readonly noAccess?: boolean;
  /** The address of the memory operand is computed after rSP was incremented (POP): the decoder adds it to the displacement. */
  readonly afterPop?: boolean;
  /** Needs this CPUID feature (name of arch/cpuid), else #UD. */
  readonly feature?: string;
  /** The 16-byte memory operand must be aligned on 16 bytes, else #GP(0). */
  readonly aligned?: boolean;
}

/**
 * One encoding: the SDM's opcode column in lower case: mandatory prefix ("66", "f2", "f3", or "np" for none of these),
 * opcode bytes ("0f 38 00"), "/r" or "/0".."/7", "+r" (register in opcode: "50+r"), "ib" and others are implied by the
 * operands; "rex.w" / "rex.w0" require REX.W set / clear; "mod=3" / "mod!=3" restrict ModRM.mod; a whole fixed ModRM
 * byte is written as "/c1" style two hex digits: "0f 01 /c1", x87 "d9 /e8"; "/c0+i" is ModRM c0..c7 with a register (x87)
 * in the low three bits. "rex.b0" requires REX.B clear (NOP, which is XCHG r8 with it).
 */
export interface Encoding extends EncodingOptions {
  readonly opcode: string;
  readonly operands: readonly OperandSpec[];
}
export const enc = (
  opcode: string,
  operands: readonly OperandSpec[] = [],
  options: EncodingOptions = {},
): Encoding => ({
  opcode,
  operands,
  ...options,
});

export interface Instruction {
  readonly name: string;
  /** Manual and section title. */
  readonly sdm: string;
  readonly encodings: readonly Encoding[];
  /** Status flags left undefined: masked in differential tests. */
  readonly undefinedFlags?: readonly ('c' | 'p' | 'a' | 'z' | 's' | 'o')[];
  /** Common enough to be worth a place in the interpreter's main switch. */
  readonly hot?: boolean;
  /** Execution ends the block of decoded records although no branch is taken (mode, mapping or code may have changed). */
  readonly serializes?: boolean;
  execute<V>(s: Sem<V>, ...operands: Operand[]): void;
}

/** Declares an instruction. */
export const insn = (name: string, declaration: Omit<Instruction, 'name'>): Instruction => ({ name, ...declaration });
