// General-purpose registers, EFLAGS and segment register numbers.
// Intel SDM Vol. 1, "Basic Program Execution Registers"; Vol. 2A, "ModR/M and SIB Bytes" (register encodings).
import { bits } from '../base/index.js';

/** 64-bit names in encoding order (the order of CpuState.gpr). */
export const GPR_NAMES = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
] as const;
export type GprName = (typeof GPR_NAMES)[number];

/** Encoding numbers of the general-purpose registers. */
export const Gpr = {
  RAX: 0,
  RCX: 1,
  RDX: 2,
  RBX: 3,
  RSP: 4,
  RBP: 5,
  RSI: 6,
  RDI: 7,
  R8: 8,
  R9: 9,
  R10: 10,
  R11: 11,
  R12: 12,
  R13: 13,
  R14: 14,
  R15: 15,
} as const;

const EXTENDED = ['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const;
/** Names by operand size in bytes; 8-bit names are those with a REX prefix (SPL..DIL instead of AH..BH). */
export const GPR_NAMES_BY_SIZE: Readonly<Record<1 | 2 | 4 | 8, readonly string[]>> = {
  1: ['al', 'cl', 'dl', 'bl', 'spl', 'bpl', 'sil', 'dil', ...EXTENDED.map((r) => `${r}b`)],
  2: ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di', ...EXTENDED.map((r) => `${r}w`)],
  4: ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi', ...EXTENDED.map((r) => `${r}d`)],
  8: GPR_NAMES,
};
/** 8-bit registers without a REX prefix. */
export const GPR8_LEGACY_NAMES = ['al', 'cl', 'dl', 'bl', 'ah', 'ch', 'dh', 'bh'] as const;

/** Segment register encodings (Sreg field). */
export const Segment = { ES: 0, CS: 1, SS: 2, DS: 3, FS: 4, GS: 5 } as const;
export const SEGMENT_REGISTER_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;

/** EFLAGS masks. Intel SDM Vol. 3A, "System Flags and Fields in the EFLAGS Register". */
export const EFLAGS = {
  CF: 1 << 0,
  /** Bit 1 reads as one. */
  FIXED1: 1 << 1,
  PF: 1 << 2,
  AF: 1 << 4,
  ZF: 1 << 6,
  SF: 1 << 7,
  TF: 1 << 8,
  IF: 1 << 9,
  DF: 1 << 10,
  OF: 1 << 11,
  IOPL: 3 << 12,
  NT: 1 << 14,
  RF: 1 << 16,
  VM: 1 << 17,
  AC: 1 << 18,
  VIF: 1 << 19,
  VIP: 1 << 20,
  ID: 1 << 21,
} as const;
/** Position of the two-bit IOPL field. */
export const EFLAGS_IOPL_SHIFT = 12;
/** The six arithmetic flags. */
export const EFLAGS_STATUS = EFLAGS.CF | EFLAGS.PF | EFLAGS.AF | EFLAGS.ZF | EFLAGS.SF | EFLAGS.OF;
/** Every flag that exists (bit 1 not included). */
export const EFLAGS_DEFINED =
  EFLAGS_STATUS |
  EFLAGS.TF |
  EFLAGS.IF |
  EFLAGS.DF |
  EFLAGS.IOPL |
  EFLAGS.NT |
  EFLAGS.RF |
  EFLAGS.VM |
  EFLAGS.AC |
  EFLAGS.VIF |
  EFLAGS.VIP |
  EFLAGS.ID;
/** Bits that must be zero. */
export const EFLAGS_RESERVED = 0xffc08028;

export const EFLAGS_LAYOUT = bits({
  CF: 0,
  PF: 2,
  AF: 4,
  ZF: 6,
  SF: 7,
  TF: 8,
  IF: 9,
  DF: 10,
  OF: 11,
  IOPL: [12, 13],
  NT: 14,
  RF: 16,
  VM: 17,
  AC: 18,
  VIF: 19,
  VIP: 20,
  ID: 21,
});

/** Condition codes of Jcc/SETcc/CMOVcc in encoding order. Intel SDM Vol. 1, "EFLAGS Condition Codes". */
export const CONDITION_NAMES = [
  'o',
  'no',
  'b',
  'nb',
  'z',
  'nz',
  'be',
  'nbe',
  's',
  'ns',
  'p',
  'np',
  'l',
  'nl',
  'le',
  'nle',
] as const;
export type ConditionName = (typeof CONDITION_NAMES)[number];
