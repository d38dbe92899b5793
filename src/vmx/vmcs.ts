// A VMCS as an object: read and written by field encoding, converted from and to CpuState, for debuggers and nested VMX.
// Intel SDM Vol. 3C, "Virtual Machine Control Structures"; error numbers: "VM Instruction Error Numbers".
import { BugError, hex } from '../base/index.js';
import { type CpuState, SEGMENT_NAMES, type SegmentName } from './cpu-state.js';
import { cloneState } from './default-state.js';
import type { VcpuControls } from './engine.js';
import { REASON_OF_EXIT } from './exit-reasons.js';
import type { VmExit } from './exits.js';
import { ACTIVITY_STATES, qualificationOf } from './qualifications.js';
import {
  VMCS_FIELD_NAMES,
  type VmcsEncoding,
  VmcsField,
  vmcsFieldName,
  vmcsReadOnly,
  vmcsWidth,
  vmcsWidthBits,
} from './vmcs-fields.js';

/** Errors of VMREAD and VMWRITE. */
export const VmInstructionError = { UNSUPPORTED_COMPONENT: 12, WRITE_TO_READ_ONLY: 13 } as const;
export type VmWriteError = (typeof VmInstructionError)[keyof typeof VmInstructionError];

const SEGMENT_FIELDS = Object.fromEntries(
  SEGMENT_NAMES.map((n) => {
    const u = n.toUpperCase() as Uppercase<SegmentName>;
    return [
      n,
      {
        selector: VmcsField[`GUEST_${u}_SELECTOR`],
        base: VmcsField[`GUEST_${u}_BASE`],
        limit: VmcsField[`GUEST_${u}_LIMIT`],
        accessRights: VmcsField[`GUEST_${u}_ACCESS_RIGHTS`],
      },
    ];
  }),
) as unknown as Record<SegmentName, Record<'selector' | 'base' | 'limit' | 'accessRights', VmcsEncoding>>;

/** One virtual-machine control structure. Fields that were never written read as zero. */
export class Vmcs {
  readonly #values = new Map<number, bigint>();

  /** VMREAD: the value, or null for an encoding that names no field. Odd encodings read bits 63:32 of 64-bit fields. */
  vmread(encoding: number): bigint | null {
    const high = (encoding & 1) === 1;
    const full = encoding & ~1;
    if (vmcsFieldName(full) === null || (high && vmcsWidth(full) !== 64)) return null;
    const value = this.#values.get(full) ?? 0n;
    return high ? value >> 32n : value;
  }

  /** VMWRITE: 0, or the VM-instruction error. Values are cut to the field's width. */
  vmwrite(encoding: number, value: bigint): 0 | VmWriteError {
    const high = (encoding & 1) === 1;
    const full = encoding & ~1;
    if (vmcsFieldName(full) === null || (high && vmcsWidth(full) !== 64)) {
      return VmInstructionError.UNSUPPORTED_COMPONENT;
    }
    if (vmcsReadOnly(full)) return VmInstructionError.WRITE_TO_READ_ONLY;
    const old = this.#values.get(full) ?? 0n;
    this.#values.set(
      full,
      high ? (old & 0xffff_ffffn) | (BigInt.asUintN(32, value) << 32n) : BigInt.asUintN(vmcsWidthBits(full), value),
    );
    return 0;
  }

  /** Reads a field that exists. */
  get(field: VmcsEncoding): bigint {
    return this.#values.get(field) ?? 0n;
  }

  /** Sets any field, exit information too, as the processor does; a value too wide is our mistake. */
  set(field: VmcsEncoding, value: bigint | number): void {
    const v = BigInt(value);
    if (v < 0n || v >> BigInt(vmcsWidthBits(field)) !== 0n) {
      const name = vmcsFieldName(field);
      throw new BugError('VMCS_VALUE', `${name} cannot hold ${hex(v)}, expected ${vmcsWidthBits(field)} bits`);
    }
    this.#values.set(field, v);
  }

  /** Takes the guest-state area from `s`. */
  fromCpuState(s: CpuState): this {
    const f = VmcsField;
    this.set(f.GUEST_CR0, s.cr0);
    this.set(f.GUEST_CR3, s.cr3);
    this.set(f.GUEST_CR4, s.cr4);
    this.set(f.GUEST_DR7, s.dr[5] as bigint);
    this.set(f.GUEST_RSP, s.gpr[4] as bigint);
    this.set(f.GUEST_RIP, s.rip);
    this.set(f.GUEST_RFLAGS, s.rflags);
    for (const name of SEGMENT_NAMES) {
      const from = s.segments[name];
      const to = SEGMENT_FIELDS[name];
      this.set(to.selector, from.selector);
      this.set(to.base, from.base);
      this.set(to.limit, from.limit);
      this.set(to.accessRights, from.accessRights);
    }
    this.set(f.GUEST_GDTR_BASE, s.gdtr.base);
    this.set(f.GUEST_GDTR_LIMIT, s.gdtr.limit);
    this.set(f.GUEST_IDTR_BASE, s.idtr.base);
    this.set(f.GUEST_IDTR_LIMIT, s.idtr.limit);
    this.set(f.GUEST_IA32_SYSENTER_CS, s.sysenterCs);
    this.set(f.GUEST_IA32_SYSENTER_ESP, s.sysenterEsp);
    this.set(f.GUEST_IA32_SYSENTER_EIP, s.sysenterEip);
    this.set(f.GUEST_IA32_PAT, s.pat);
    this.set(f.GUEST_IA32_EFER, s.efer);
    this.set(f.GUEST_ACTIVITY_STATE, ACTIVITY_STATES.indexOf(s.activity));
    this.set(f.GUEST_INTERRUPTIBILITY_STATE, s.interruptibility);
    this.set(f.VMCS_LINK_POINTER, 0xffff_ffff_ffff_ffffn);
    return this;
  }

  /** `base` with its guest-state area replaced by this VMCS; what a VMCS does not hold (RAX, CR2, x87...) stays. */
  toCpuState(base: CpuState): CpuState {
    const f = VmcsField;
    const s = cloneState(base);
    const number = (field: VmcsEncoding): number => Number(this.get(field));
    s.cr0 = this.get(f.GUEST_CR0);
    s.cr3 = this.get(f.GUEST_CR3);
    s.cr4 = this.get(f.GUEST_CR4);
    s.dr[5] = this.get(f.GUEST_DR7);
    s.gpr[4] = this.get(f.GUEST_RSP);
    s.rip = this.get(f.GUEST_RIP);
    s.rflags = this.get(f.GUEST_RFLAGS);
    for (const name of SEGMENT_NAMES) {
      const from = SEGMENT_FIELDS[name];
      s.segments[name] = {
        selector: number(from.selector),
        base: this.get(from.base),
        limit: number(from.limit),
        accessRights: number(from.accessRights),
      };
    }
    s.gdtr = { base: this.get(f.GUEST_GDTR_BASE), limit: number(f.GUEST_GDTR_LIMIT) };
    s.idtr = { base: this.get(f.GUEST_IDTR_BASE), limit: number(f.GUEST_IDTR_LIMIT) };
    s.sysenterCs = number(f.GUEST_IA32_SYSENTER_CS);
    s.sysenterEsp = this.get(f.GUEST_IA32_SYSENTER_ESP);
    s.sysenterEip = this.get(f.GUEST_IA32_SYSENTER_EIP);
    s.pat = this.get(f.GUEST_IA32_PAT);
    s.efer = this.get(f.GUEST_IA32_EFER);
    s.activity = ACTIVITY_STATES[number(f.GUEST_ACTIVITY_STATE)] ?? 'active';
    s.interruptibility = number(f.GUEST_INTERRUPTIBILITY_STATE);
    return s;
  }

  /** Takes the VM-execution controls (the bitmaps are memory, not fields). */
  fromControls(c: VcpuControls): this {
    const f = VmcsField;
    this.set(f.PIN_BASED_CONTROLS, c.pinBased >>> 0);
    this.set(f.PRIMARY_PROCESSOR_BASED_CONTROLS, c.primary >>> 0);
    this.set(f.SECONDARY_PROCESSOR_BASED_CONTROLS, c.secondary >>> 0);
    this.set(f.EXCEPTION_BITMAP, c.exceptionBitmap >>> 0);
    this.set(f.CR0_GUEST_HOST_MASK, c.cr0GuestHostMask);
    this.set(f.CR0_READ_SHADOW, c.cr0ReadShadow);
    this.set(f.CR4_GUEST_HOST_MASK, c.cr4GuestHostMask);
    this.set(f.CR4_READ_SHADOW, c.cr4ReadShadow);
    this.set(f.TSC_OFFSET, BigInt.asUintN(64, c.tscOffset));
    return this;
  }

  /** Takes the exit information of a VM exit. */
  fromExit(exit: VmExit): this {
    const f = VmcsField;
    const reason = REASON_OF_EXIT[exit.name];
    const failure = exit.name === 'entryFailureGuestState' ? 0x8000_0000 : 0;
    this.set(f.EXIT_REASON, reason === null ? 0xffff : reason + failure);
    this.set(f.EXIT_QUALIFICATION, BigInt.asUintN(64, qualificationOf(exit)));
    if (exit.name === 'eptViolation') this.set(f.GUEST_PHYSICAL_ADDRESS, exit.gpa);
    return this;
  }

  /** Every non-zero field as "NAME value" lines in encoding order. */
  format(): string {
    return VMCS_FIELD_NAMES.filter((n) => this.get(VmcsField[n]) !== 0n)
      .map((n) => `${n} ${hex(this.get(VmcsField[n]))}`)
      .join('\n');
  }
}
