// Emulation of MOV to CR, LMSW, CLTS and XSETBV where a control makes them exit.
// Intel SDM Vol. 2B, "MOV—Move to/from Control Registers"; Vol. 3C, "Guest/Host Masks and Read Shadows for CR0 and CR4".
import { CR0, CR0_DEFINED, CR3, CR4, EFER, XCR0 } from '../arch/index.js';
import type { CpuState, VcpuControls } from '../vmx/index.js';

const has = (word: bigint, mask: number): boolean => (word & BigInt(mask)) !== 0n;
const csIs64 = (s: CpuState): boolean => has(s.efer, EFER.LMA) && (s.segments.cs.accessRights & (1 << 13)) !== 0;

/** Loads CR0 as MOV to CR0 does; false: #GP(0). */
export function loadCr0(s: CpuState, value: bigint): boolean {
  if (value >> 32n !== 0n) return false;
  const v = (value & BigInt(CR0_DEFINED)) | BigInt(CR0.ET);
  if (has(v, CR0.PG) && !has(v, CR0.PE)) return false;
  if (has(v, CR0.NW) && !has(v, CR0.CD)) return false;
  const was = has(s.cr0, CR0.PG);
  const now = has(v, CR0.PG);
  if (!was && now && has(s.efer, EFER.LME)) {
    if (!has(s.cr4, CR4.PAE) || (s.segments.cs.accessRights & (1 << 13)) !== 0) return false;
    s.efer |= BigInt(EFER.LMA);
  }
  if (was && !now) {
    if (csIs64(s) || has(s.cr4, CR4.PCIDE)) return false;
    s.efer &= ~BigInt(EFER.LMA);
  }
  s.cr0 = v;
  return true;
}

/** Loads CR4; `allowed` are the bits the processor has. False: #GP(0). */
export function loadCr4(s: CpuState, value: bigint, allowed: bigint): boolean {
  if ((value & ~allowed) !== 0n) return false;
  const long = has(s.efer, EFER.LMA);
  if (long && !has(value, CR4.PAE)) return false;
  if (has(value, CR4.PCIDE) && !has(s.cr4, CR4.PCIDE) && (!long || (s.cr3 & BigInt(CR3.PCID)) !== 0n)) return false;
  s.cr4 = value;
  return true;
}

/** Loads CR3; bit 63 (no invalidation, with PCIDs) is not stored. */
export function loadCr3(s: CpuState, value: bigint, physicalAddressBits: number): boolean {
  const v = has(s.cr4, CR4.PCIDE) ? value & ~(1n << 63n) : value;
  if (v >> BigInt(physicalAddressBits) !== 0n && has(s.efer, EFER.LMA)) return false;
  s.cr3 = has(s.efer, EFER.LMA) ? v : v & 0xffff_ffffn;
  return true;
}

/** Loads XCR0; false: #GP(0). */
export function loadXcr0(s: CpuState, index: number, value: bigint, supported: number): boolean {
  if (index !== 0 || supported === 0 || (value & ~BigInt(supported)) !== 0n) return false;
  if (!has(value, XCR0.X87) || (has(value, XCR0.AVX) && !has(value, XCR0.SSE))) return false;
  s.xcr0 = value;
  return true;
}

/**
 * CR0 or CR4 as the guest sees them: host-owned bits come from the read shadow.
 */
export const guestView = (value: bigint, mask: bigint, shadow: bigint): bigint => (value & ~mask) | (shadow & mask);

/** The value of CR0 after LMSW with `source`: bits 3:0, and PE cannot be cleared. */
export const lmsw = (cr0: bigint, source: bigint): bigint => (cr0 & ~0xen) | (source & 0xfn);

/** The read shadow that shows the guest what it wrote. */
export function updateShadow(c: VcpuControls, register: 0 | 4, value: bigint): void {
  if (register === 0) c.cr0ReadShadow = value;
  else c.cr4ReadShadow = value;
}
