// CR0, CR4, EFER, XCR0, DR6, DR7 and MXCSR bits. Masks are unsigned numbers (BigInt() them for CpuState).
// Intel SDM Vol. 3A, "Control Registers", "Extended Control Registers", "Debug Registers"; Vol. 4 (IA32_EFER).
import { bits } from '../base/index.js';

export const CR0 = {
  PE: 0x0000_0001,
  MP: 0x0000_0002,
  EM: 0x0000_0004,
  TS: 0x0000_0008,
  ET: 0x0000_0010,
  NE: 0x0000_0020,
  WP: 0x0001_0000,
  AM: 0x0004_0000,
  NW: 0x2000_0000,
  CD: 0x4000_0000,
  PG: 0x8000_0000,
} as const;
/** Every CR0 bit that exists; others are ignored on writes and read as zero (bits 63:32 must be zero). */
export const CR0_DEFINED = 0xe005_003f;
export const CR0_LAYOUT = bits({
  PE: 0,
  MP: 1,
  EM: 2,
  TS: 3,
  ET: 4,
  NE: 5,
  WP: 16,
  AM: 18,
  NW: 29,
  CD: 30,
  PG: 31,
});

export const CR4 = {
  VME: 1 << 0,
  PVI: 1 << 1,
  TSD: 1 << 2,
  DE: 1 << 3,
  PSE: 1 << 4,
  PAE: 1 << 5,
  MCE: 1 << 6,
  PGE: 1 << 7,
  PCE: 1 << 8,
  OSFXSR: 1 << 9,
  OSXMMEXCPT: 1 << 10,
  UMIP: 1 << 11,
  LA57: 1 << 12,
  VMXE: 1 << 13,
  SMXE: 1 << 14,
  FSGSBASE: 1 << 16,
  PCIDE: 1 << 17,
  OSXSAVE: 1 << 18,
  KL: 1 << 19,
  SMEP: 1 << 20,
  SMAP: 1 << 21,
  PKE: 1 << 22,
  CET: 1 << 23,
  PKS: 1 << 24,
} as const;
export const CR4_LAYOUT = bits({
  VME: 0,
  PVI: 1,
  TSD: 2,
  DE: 3,
  PSE: 4,
  PAE: 5,
  MCE: 6,
  PGE: 7,
  PCE: 8,
  OSFXSR: 9,
  OSXMMEXCPT: 10,
  UMIP: 11,
  LA57: 12,
  VMXE: 13,
  SMXE: 14,
  FSGSBASE: 16,
  PCIDE: 17,
  OSXSAVE: 18,
  KL: 19,
  SMEP: 20,
  SMAP: 21,
  PKE: 22,
  CET: 23,
  PKS: 24,
});

/** Bits of CR3. Intel SDM Vol. 3A, "Paging". */
export const CR3 = { PWT: 1 << 3, PCD: 1 << 4, PCID: 0xfff } as const;

export const EFER = { SCE: 1 << 0, LME: 1 << 8, LMA: 1 << 10, NXE: 1 << 11 } as const;
/** Every EFER bit that exists. */
export const EFER_DEFINED = EFER.SCE | EFER.LME | EFER.LMA | EFER.NXE;
export const EFER_LAYOUT = bits({ SCE: 0, LME: 8, LMA: 10, NXE: 11 });

export const XCR0 = {
  X87: 1 << 0,
  SSE: 1 << 1,
  AVX: 1 << 2,
  BNDREGS: 1 << 3,
  BNDCSR: 1 << 4,
  OPMASK: 1 << 5,
  ZMM_HI256: 1 << 6,
  HI16_ZMM: 1 << 7,
  PKRU: 1 << 9,
} as const;
export const XCR0_LAYOUT = bits({
  X87: 0,
  SSE: 1,
  AVX: 2,
  BNDREGS: 3,
  BNDCSR: 4,
  OPMASK: 5,
  ZMM_HI256: 6,
  HI16_ZMM: 7,
  PKRU: 9,
});

/** DR6. BLD (11) is active low on processors that have it and RTM (16) likewise: both read as one here. */
export const DR6 = { B0: 1, B1: 2, B2: 4, B3: 8, BD: 1 << 13, BS: 1 << 14, BT: 1 << 15 } as const;
/** Bits that always read as one, and the value after RESET. */
export const DR6_FIXED1 = 0xffff_0ff0;
export const DR6_LAYOUT = bits({ B0: 0, B1: 1, B2: 2, B3: 3, BD: 13, BS: 14, BT: 15 });

export const DR7 = {
  L0: 1 << 0,
  G0: 1 << 1,
  L1: 1 << 2,
  G1: 1 << 3,
  L2: 1 << 4,
  G2: 1 << 5,
  L3: 1 << 6,
  G3: 1 << 7,
  LE: 1 << 8,
  GE: 1 << 9,
  GD: 1 << 13,
} as const;
/** Bit 10 always reads as one; the value after RESET. */
export const DR7_FIXED1 = 0x400;
export const DR7_LAYOUT = bits({
  L0: 0,
  G0: 1,
  L1: 2,
  G1: 3,
  L2: 4,
  G2: 5,
  L3: 6,
  G3: 7,
  LE: 8,
  GE: 9,
  GD: 13,
  RW0: [16, 17],
  LEN0: [18, 19],
  RW1: [20, 21],
  LEN1: [22, 23],
  RW2: [24, 25],
  LEN2: [26, 27],
  RW3: [28, 29],
  LEN3: [30, 31],
});
/** R/Wn of DR7. */
export const BreakpointType = { EXECUTE: 0, WRITE: 1, IO: 2, READ_WRITE: 3 } as const;
/** Bytes covered by LENn of DR7 (10b is 8 bytes). */
export const BREAKPOINT_LENGTH_BYTES = [1, 2, 8, 4] as const;

/** MXCSR. Intel SDM Vol. 1, "MXCSR Control and Status Register". */
export const MXCSR_LAYOUT = bits({
  IE: 0,
  DE: 1,
  ZE: 2,
  OE: 3,
  UE: 4,
  PE: 5,
  DAZ: 6,
  IM: 7,
  DM: 8,
  ZM: 9,
  OM: 10,
  UM: 11,
  PM: 12,
  RC: [13, 14],
  FZ: 15,
});
export const MXCSR_DEFAULT = 0x1f80;
/** MXCSR_MASK as FXSAVE stores it: DAZ supported. */
export const MXCSR_MASK = 0xffff;

/** Processor operating modes. Intel SDM Vol. 3A, "Modes of Operation". */
export type OperatingMode = 'real' | 'virtual8086' | 'protected' | 'compatibility' | 'long64';

/** Mode from CR0, EFER, EFLAGS and CS.L (low words of the registers). */
export function operatingMode(cr0: number, efer: number, eflags: number, csL: boolean): OperatingMode {
  if ((cr0 & CR0.PE) === 0) return 'real';
  if ((efer & EFER.LMA) !== 0) return csL ? 'long64' : 'compatibility';
  return (eflags & (1 << 17)) !== 0 ? 'virtual8086' : 'protected';
}
