// CpuState to and from KVM's register blocks. Linux api.rst, "KVM_GET_REGS", "KVM_GET_SREGS", "KVM_GET_VCPU_EVENTS";
// access rights after Intel SDM Vol. 3C, "Format of Access Rights".
import type { CpuState, SegmentName, SegmentState } from '../vmx/index.js';
import { EVENTS_VALID, Events, GPR_PLACE, Regs, SEGMENT_BYTES, Segment, SHADOW, SREGS_SEGMENTS, Sregs } from './abi.js';

const UNUSABLE = 1 << 16;
/** IA32_APIC_BASE as KVM's CPUID sees it: enabled, at its usual place. The monitor keeps the guest's own. */
const APIC_BASE = 0xfee0_0800n;
const APIC_BSP = 0x100n;

function readSegment(v: DataView, at: number): SegmentState {
  const bit = (field: number, shift: number): number => v.getUint8(at + field) << shift;
  const unusable = v.getUint8(at + Segment.unusable) !== 0;
  const accessRights =
    v.getUint8(at + Segment.type) |
    bit(Segment.s, 4) |
    bit(Segment.dpl, 5) |
    bit(Segment.present, 7) |
    bit(Segment.avl, 12) |
    bit(Segment.l, 13) |
    bit(Segment.db, 14) |
    bit(Segment.g, 15);
  return {
    selector: v.getUint16(at + Segment.selector, true),
    base: v.getBigUint64(at + Segment.base, true),
    limit: v.getUint32(at + Segment.limit, true),
    accessRights: unusable ? UNUSABLE : accessRights,
  };
}
function writeSegment(v: DataView, at: number, s: SegmentState): void {
  const ar = s.accessRights;
  v.setBigUint64(at + Segment.base, s.base, true);
  v.setUint32(at + Segment.limit, s.limit, true);
  v.setUint16(at + Segment.selector, s.selector, true);
  v.setUint8(at + Segment.type, ar & 15);
  v.setUint8(at + Segment.s, (ar >> 4) & 1);
  v.setUint8(at + Segment.dpl, (ar >> 5) & 3);
  v.setUint8(at + Segment.present, (ar >> 7) & 1);
  v.setUint8(at + Segment.avl, (ar >> 12) & 1);
  v.setUint8(at + Segment.l, (ar >> 13) & 1);
  v.setUint8(at + Segment.db, (ar >> 14) & 1);
  v.setUint8(at + Segment.g, (ar >> 15) & 1);
  v.setUint8(at + Segment.unusable, (ar >> 16) & 1);
  v.setUint8(at + Segment.unusable + 1, 0);
}

const CONTROL = ['cr0', 'cr2', 'cr3', 'cr4', 'cr8', 'efer'] as const;
type SregsState = Pick<CpuState, 'segments' | 'gdtr' | 'idtr' | (typeof CONTROL)[number]>;

export function readSregs(v: DataView): SregsState {
  const segments = {} as Record<SegmentName, SegmentState>;
  SREGS_SEGMENTS.forEach((name, n) => {
    segments[name] = readSegment(v, n * SEGMENT_BYTES);
  });
  const control = {} as Record<(typeof CONTROL)[number], bigint>;
  for (const name of CONTROL) control[name] = v.getBigUint64(Sregs[name], true);
  const table = (at: number) => ({ base: v.getBigUint64(at, true), limit: v.getUint16(at + 8, true) });
  return { ...control, segments, gdtr: table(Sregs.gdt), idtr: table(Sregs.idt) };
}
export function writeSregs(v: DataView, s: CpuState, isBoot: boolean): void {
  SREGS_SEGMENTS.forEach((name, n) => {
    writeSegment(v, n * SEGMENT_BYTES, s.segments[name]);
  });
  for (const name of CONTROL) v.setBigUint64(Sregs[name], s[name], true);
  for (const [at, t] of [
    [Sregs.gdt, s.gdtr],
    [Sregs.idt, s.idtr],
  ] as const) {
    v.setBigUint64(at, t.base, true);
    v.setUint16(at + 8, t.limit, true);
  }
  v.setBigUint64(Sregs.apicBase, isBoot ? APIC_BASE | APIC_BSP : APIC_BASE, true);
  for (let i = 0; i < 4; i++) v.setBigUint64(Sregs.interruptBitmap + 8 * i, 0n, true);
}

/** `at` is where kvm_regs begins in the view. */
export const readGprs = (v: DataView, at: number): bigint[] => GPR_PLACE.map((p) => v.getBigUint64(at + 8 * p, true));
export function writeRegs(v: DataView, at: number, s: CpuState): void {
  GPR_PLACE.forEach((p, n) => {
    v.setBigUint64(at + 8 * p, s.gpr[n] as bigint, true);
  });
  v.setBigUint64(at + Regs.rip, s.rip, true);
  v.setBigUint64(at + Regs.rflags, s.rflags, true);
}

/** SDM interruptibility state from struct kvm_vcpu_events at `at`. */
export function readInterruptibility(v: DataView, at: number): number {
  const shadow = v.getUint8(at + Events.interruptShadow);
  return (
    (shadow & SHADOW.STI ? 1 : 0) | (shadow & SHADOW.MOV_SS ? 2 : 0) | (v.getUint8(at + Events.nmiMasked) !== 0 ? 8 : 0)
  );
}
/** Nothing under way, and this interruptibility. */
export function writeEvents(v: DataView, at: number, interruptibility: number): void {
  for (let i = 0; i < Events.sizeBytes; i++) v.setUint8(at + i, 0);
  v.setUint8(
    at + Events.interruptShadow,
    (interruptibility & 1 ? SHADOW.STI : 0) | (interruptibility & 2 ? SHADOW.MOV_SS : 0),
  );
  v.setUint8(at + Events.nmiMasked, (interruptibility >> 3) & 1);
  v.setUint32(at + Events.flags, EVENTS_VALID.SHADOW | EVENTS_VALID.NMI_PENDING, true);
}
