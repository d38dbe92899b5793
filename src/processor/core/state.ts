// Short names for the state area and the architecture's bits. Intel SDM Vol. 3A, "Control Registers",
// "Segment Descriptors"; Vol. 1 "EFLAGS Register". Offsets come from ../state-layout.ts only.
import { ST } from './env';
import {
  S_CPL,
  S_CR0,
  S_CR4,
  S_EFER,
  S_GPR,
  S_LMA,
  S_MODE_KEY,
  S_RFLAGS,
  S_SEGMENTS,
  SEGMENT_ACCESS,
  SEGMENT_BASE,
  SEGMENT_LIMIT,
  SEGMENT_SELECTOR,
  SEGMENT_SIZE_BYTES,
} from './generated/layout';

export const RAX: u32 = 0;
export const RCX: u32 = 1;
export const RDX: u32 = 2;
export const RBX: u32 = 3;
export const RSP: u32 = 4;
export const RBP: u32 = 5;
export const RSI: u32 = 6;
export const RDI: u32 = 7;
export const R11: u32 = 11;

export const ES: u32 = 0;
export const CS: u32 = 1;
export const SS: u32 = 2;
export const DS: u32 = 3;
export const FS: u32 = 4;
export const GS: u32 = 5;
export const LDTR: u32 = 6;
export const TR: u32 = 7;

export const CR0_PE: u64 = 1;
export const CR0_MP: u64 = 2;
export const CR0_EM: u64 = 4;
export const CR0_TS: u64 = 8;
export const CR0_ET: u64 = 0x10;
export const CR0_NE: u64 = 0x20;
export const CR0_WP: u64 = 0x1_0000;
export const CR0_AM: u64 = 0x4_0000;
export const CR0_NW: u64 = 0x2000_0000;
export const CR0_CD: u64 = 0x4000_0000;
export const CR0_PG: u64 = 0x8000_0000;

export const CR4_VME: u64 = 1;
export const CR4_PVI: u64 = 1 << 1;
export const CR4_TSD: u64 = 1 << 2;
export const CR4_DE: u64 = 1 << 3;
export const CR4_PSE: u64 = 1 << 4;
export const CR4_PAE: u64 = 1 << 5;
export const CR4_PGE: u64 = 1 << 7;
export const CR4_PCE: u64 = 1 << 8;
export const CR4_OSFXSR: u64 = 1 << 9;
export const CR4_UMIP: u64 = 1 << 11;
export const CR4_FSGSBASE: u64 = 1 << 16;
export const CR4_PCIDE: u64 = 1 << 17;
export const CR4_OSXSAVE: u64 = 1 << 18;
export const CR4_SMEP: u64 = 1 << 20;
export const CR4_SMAP: u64 = 1 << 21;

export const EFER_SCE: u64 = 1;
export const EFER_LME: u64 = 1 << 8;
export const EFER_LMA: u64 = 1 << 10;
export const EFER_NXE: u64 = 1 << 11;

export const FLAG_CF: u64 = 1;
export const FLAG_PF: u64 = 4;
export const FLAG_AF: u64 = 0x10;
export const FLAG_ZF: u64 = 0x40;
export const FLAG_SF: u64 = 0x80;
export const FLAG_TF: u64 = 0x100;
export const FLAG_IF: u64 = 0x200;
export const FLAG_DF: u64 = 0x400;
export const FLAG_OF: u64 = 0x800;
export const FLAG_IOPL: u64 = 0x3000;
export const FLAG_NT: u64 = 0x4000;
export const FLAG_RF: u64 = 0x1_0000;
export const FLAG_VM: u64 = 0x2_0000;
export const FLAG_AC: u64 = 0x4_0000;
export const FLAG_VIF: u64 = 0x8_0000;
export const FLAG_VIP: u64 = 0x10_0000;
export const FLAG_ID: u64 = 0x20_0000;
export const STATUS_FLAGS: u64 = 0x8d5;

/** Access rights as in the VMCS: type 0-3, S 4, DPL 5-6, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16. */
export const AR_S: u32 = 0x10;
export const AR_P: u32 = 0x80;
export const AR_L: u32 = 0x2000;
export const AR_DB: u32 = 0x4000;
export const AR_UNUSABLE: u32 = 0x1_0000;

/** Mode-key bits. */
export const KEY_STACK32: u32 = 4;
export const KEY_FLAT: u32 = 8;
export const KEY_REAL: u32 = 0x10;
export const KEY_PROTECTED: u32 = 0x20;
/** A breakpoint is enabled: every instruction has a breakpoint record, accesses to watched pages take the slow path. */
export const KEY_DEBUG: u32 = 0x40;
/** CPL 3: translated code has the address of that TLB in it. */
export const KEY_USER: u32 = 0x80;

export const DE_FAULT: u32 = 0;
export const DB: u32 = 1;
export const NMI: u32 = 2;
export const BP: u32 = 3;
export const OF: u32 = 4;
export const BR: u32 = 5;
export const UD: u32 = 6;
export const NM: u32 = 7;
export const DF: u32 = 8;
export const TS: u32 = 10;
export const NP: u32 = 11;
export const SS_FAULT: u32 = 12;
export const GP: u32 = 13;
export const PF: u32 = 14;
export const MF: u32 = 16;
export const AC: u32 = 17;

export function gpr(n: u32): u64 {
  return load<u64>(ST + (n << 3), S_GPR);
}
export function set_gpr(n: u32, value: u64): void {
  store<u64>(ST + (n << 3), value, S_GPR);
}
/** Writes a register by operand size: 16 keeps the rest, 32 clears the upper half. */
export function set_gpr_bits(n: u32, value: u64, bits: u32): void {
  if (bits == 16) store<u16>(ST + (n << 3), value as u16, S_GPR);
  else if (bits == 32) set_gpr(n, value & 0xffff_ffff);
  else set_gpr(n, value);
}
export function seg(n: u32): usize {
  return ST + S_SEGMENTS + n * (SEGMENT_SIZE_BYTES as u32);
}
export function seg_selector(n: u32): u32 {
  return load<u32>(seg(n), SEGMENT_SELECTOR);
}
export function seg_access(n: u32): u32 {
  return load<u32>(seg(n), SEGMENT_ACCESS);
}
export function seg_base(n: u32): u64 {
  return load<u64>(seg(n), SEGMENT_BASE);
}
export function seg_limit(n: u32): u32 {
  return load<u32>(seg(n), SEGMENT_LIMIT);
}
export function set_seg(n: u32, selector: u32, base: u64, limit: u32, access: u32): void {
  const s = seg(n);
  store<u32>(s, selector, SEGMENT_SELECTOR);
  store<u32>(s, access, SEGMENT_ACCESS);
  store<u64>(s, base, SEGMENT_BASE);
  store<u64>(s, limit as u64, SEGMENT_LIMIT);
}
export function cr0(): u64 {
  return load<u64>(ST, S_CR0);
}
export function cr4(): u64 {
  return load<u64>(ST, S_CR4);
}
export function efer(): u64 {
  return load<u64>(ST, S_EFER);
}
export function cpl(): u32 {
  return load<u32>(ST, S_CPL);
}
/** RFLAGS without the status flags. */
export function rflags(): u64 {
  return load<u64>(ST, S_RFLAGS);
}
export function iopl(): u32 {
  return (rflags() >> 12) as u32 & 3;
}
/** IA-32e mode is active. */
export function ia32e(): bool {
  return load<u32>(ST, S_LMA) != 0;
}
export function mode_key(): u32 {
  return load<u32>(ST, S_MODE_KEY);
}
/** CS is a 64-bit code segment. */
export function long64(): bool {
  return (mode_key() & 3) == 2;
}
export function protected_mode(): bool {
  return (cr0() & CR0_PE) != 0;
}
export function v86(): bool {
  return (rflags() & FLAG_VM) != 0;
}
export function real_or_v86(): bool {
  return !protected_mode() || v86();
}
export function canonical(linear: u64): bool {
  return ((((linear << 16) as i64) >> 16) as u64) == linear;
}
/** Mask of the stack pointer: by mode and SS.B. */
export function stack_mask(): u64 {
  const key = mode_key();
  return (key & 3) == 2 ? ~(0 as u64) : key & KEY_STACK32 ? 0xffff_ffff : 0xffff;
}
/** Writes rSP in the stack's width. */
export function set_sp(value: u64): void {
  const mask = stack_mask();
  if (mask == 0xffff) store<u16>(ST + RSP * 8, value as u16, S_GPR);
  else set_gpr(RSP, value & mask);
}
