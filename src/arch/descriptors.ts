// Segment and gate descriptors, selectors, TSS layout.
// Intel SDM Vol. 3A, "Segment Descriptors", "System Descriptor Types", "IDT Descriptors", "Task Management";
// access rights are packed as in the VMCS: Vol. 3C, "Guest Register State", table "Format of Access Rights".
import { bits } from '../base/index.js';

/** Access rights as the VMCS stores them (and CpuState.segments). */
export const ACCESS_RIGHTS = bits({
  type: [0, 3],
  S: 4,
  DPL: [5, 6],
  P: 7,
  AVL: 12,
  L: 13,
  DB: 14,
  G: 15,
  unusable: 16,
});
export const AccessRights = {
  TYPE: 0xf,
  ACCESSED: 1 << 0,
  /** Writable (data) or readable (code). */
  RW: 1 << 1,
  /** Expand-down (data) or conforming (code). */
  EXPAND_DOWN_CONFORMING: 1 << 2,
  CODE: 1 << 3,
  S: 1 << 4,
  DPL: 3 << 5,
  P: 1 << 7,
  AVL: 1 << 12,
  L: 1 << 13,
  DB: 1 << 14,
  G: 1 << 15,
  UNUSABLE: 1 << 16,
  /** Bits that must be zero in a VMCS. */
  RESERVED: 0xfffe_0f00,
} as const;
export const ACCESS_RIGHTS_DPL_SHIFT = 5;

/** System-segment and gate types (S = 0). The same numbers in IA-32e mode, where 16-bit ones are reserved. */
export const SystemType = {
  TSS16_AVAILABLE: 1,
  LDT: 2,
  TSS16_BUSY: 3,
  CALL_GATE16: 4,
  TASK_GATE: 5,
  INTERRUPT_GATE16: 6,
  TRAP_GATE16: 7,
  TSS32_AVAILABLE: 9,
  TSS32_BUSY: 11,
  CALL_GATE32: 12,
  INTERRUPT_GATE32: 14,
  TRAP_GATE32: 15,
} as const;

/** Code- and data-segment types with the accessed bit set, as usual initial values. */
export const SegmentType = { DATA_RW: 3, DATA_RW_EXPAND_DOWN: 7, CODE_XR: 11, CODE_XR_CONFORMING: 15 } as const;

export const SELECTOR = bits({ RPL: [0, 1], TI: 2, index: [3, 15] });

export interface SegmentDescriptor {
  base: bigint;
  /** Byte-granular limit (G applied). */
  limit: number;
  /** VMCS format. */
  accessRights: number;
}
/** Access rights (VMCS format) from the high dword of a descriptor. */
export const accessRightsOf = (high: number): number => (high >>> 8) & 0xf0ff;
/** Byte-granular limit from both dwords. */
export function limitOf(low: number, high: number): number {
  const raw = (low & 0xffff) | (high & 0xf0000);
  return high & 0x0080_0000 ? ((raw << 12) | 0xfff) >>> 0 : raw;
}
/** Decodes an 8-byte segment descriptor. */
export function decodeDescriptor(word: bigint): SegmentDescriptor {
  const low = Number(word & 0xffff_ffffn);
  const high = Number((word >> 32n) & 0xffff_ffffn);
  const base = ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff00_0000)) >>> 0;
  return { base: BigInt(base), limit: limitOf(low, high), accessRights: accessRightsOf(high) };
}
/** Decodes a 16-byte system descriptor of IA-32e mode (LDT, TSS). */
export function decodeDescriptor16(low: bigint, high: bigint): SegmentDescriptor {
  const d = decodeDescriptor(low);
  return { ...d, base: d.base | ((high & 0xffff_ffffn) << 32n) };
}
/** Encodes an 8-byte descriptor; the limit is given in bytes and rounded by G. */
export function encodeDescriptor(d: SegmentDescriptor): bigint {
  const g = (d.accessRights & AccessRights.G) !== 0;
  const limit = BigInt(g ? d.limit >>> 12 : d.limit);
  const ar = BigInt(d.accessRights & 0xf0ff);
  const base = d.base & 0xffff_ffffn;
  return (
    (limit & 0xffffn) |
    ((base & 0xff_ffffn) << 16n) |
    (ar << 40n) |
    (((limit >> 16n) & 0xfn) << 48n) |
    ((base >> 24n) << 56n)
  );
}

export interface GateDescriptor {
  selector: number;
  offset: bigint;
  /** System type, 4 bits. */
  type: number;
  dpl: number;
  present: boolean;
  /** Parameter count of a call gate (legacy), IST of a long-mode interrupt gate: bits 4:0 of byte 4. */
  parameterOrIst: number;
}
/** Decodes an 8-byte gate; `high` gives bits 63:32 of the offset in IA-32e mode. */
export function decodeGate(low: bigint, high = 0n): GateDescriptor {
  return {
    selector: Number((low >> 16n) & 0xffffn),
    offset: (low & 0xffffn) | ((low >> 32n) & 0xffff_0000n) | ((high & 0xffff_ffffn) << 32n),
    type: Number((low >> 40n) & 0xfn),
    dpl: Number((low >> 45n) & 3n),
    present: ((low >> 47n) & 1n) === 1n,
    parameterOrIst: Number((low >> 32n) & 0x1fn),
  };
}

/** Byte offsets in a 32-bit TSS. SDM Vol. 3A, "Task-State Segment (TSS)". */
export const TSS32 = {
  LINK: 0x00,
  ESP0: 0x04,
  SS0: 0x08,
  ESP1: 0x0c,
  SS1: 0x10,
  ESP2: 0x14,
  SS2: 0x18,
  CR3: 0x1c,
  EIP: 0x20,
  EFLAGS: 0x24,
  EAX: 0x28,
  ES: 0x48,
  CS: 0x4c,
  SS: 0x50,
  DS: 0x54,
  FS: 0x58,
  GS: 0x5c,
  LDT: 0x60,
  TRAP: 0x64,
  IO_MAP: 0x66,
  SIZE: 0x68,
} as const;
/** Byte offsets in a 16-bit TSS. */
export const TSS16 = {
  LINK: 0x00,
  SP0: 0x02,
  SS0: 0x04,
  IP: 0x0e,
  FLAGS: 0x10,
  AX: 0x12,
  ES: 0x22,
  CS: 0x24,
  SS: 0x26,
  DS: 0x28,
  LDT: 0x2a,
  SIZE: 0x2c,
} as const;
/** Byte offsets in a 64-bit TSS. */
export const TSS64 = { RSP0: 0x04, IST1: 0x24, IO_MAP: 0x66, SIZE: 0x68 } as const;
