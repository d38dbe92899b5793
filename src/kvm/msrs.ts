// MSRs of CpuState through KVM_GET_MSRS and KVM_SET_MSRS, and the MSR bitmap as KVM's filter.
// Linux api.rst, "KVM_SET_MSRS", "KVM_X86_SET_MSR_FILTER"; Intel SDM Vol. 3C, "MSR-Bitmap Address".
import { Msr } from '../arch/index.js';
import { HostError, hex } from '../base/index.js';
import type { CpuState } from '../vmx/index.js';
import { Ioctl, MSR_FILTER } from './abi.js';
import type { Libc } from './libc.js';

const HEADER = 8;
const ENTRY = 16;

/** MSRs that CpuState has as fields, in order. */
const STATE_MSRS = [
  [Msr.IA32_SYSENTER_CS, 'sysenterCs'],
  [Msr.IA32_SYSENTER_ESP, 'sysenterEsp'],
  [Msr.IA32_SYSENTER_EIP, 'sysenterEip'],
  [Msr.IA32_PAT, 'pat'],
  [Msr.IA32_STAR, 'star'],
  [Msr.IA32_LSTAR, 'lstar'],
  [Msr.IA32_CSTAR, 'cstar'],
  [Msr.IA32_FMASK, 'fmask'],
  [Msr.IA32_KERNEL_GS_BASE, 'kernelGsBase'],
  [Msr.IA32_TSC_AUX, 'tscAux'],
] as const;
export type MsrFields = Pick<CpuState, (typeof STATE_MSRS)[number][1]>;

/** Reads and writes MSRs of one vCPU. */
export class MsrAccess {
  constructor(
    private readonly libc: Libc,
    private readonly fd: number,
  ) {}

  /** The value, or null where KVM does not know the MSR. */
  read(index: number): bigint | null {
    const block = this.#block([[index, 0n]]);
    if (this.libc.ioctlBytes(this.fd, Ioctl.GET_MSRS, block) !== 1) return null;
    return block.getBigUint64(HEADER + 8, true);
  }
  /** False where KVM refuses. */
  write(index: number, value: bigint): boolean {
    return this.libc.ioctlBytes(this.fd, Ioctl.SET_MSRS, this.#block([[index, value]])) === 1;
  }

  readState(): MsrFields {
    const block = this.#block(STATE_MSRS.map(([index]) => [index, 0n]));
    const all = this.libc.ioctlBytes(this.fd, Ioctl.GET_MSRS, block) === STATE_MSRS.length;
    const values = STATE_MSRS.map(([index], n) =>
      // KVM stops at the first one that this processor lacks: then one by one
      all ? block.getBigUint64(HEADER + n * ENTRY + 8, true) : (this.read(index) ?? 0n),
    );
    const out: Record<string, bigint | number> = {};
    STATE_MSRS.forEach(([, field], n) => {
      const value = values[n] as bigint;
      out[field] = field === 'sysenterCs' ? Number(value & 0xffff_ffffn) : value;
    });
    return out as unknown as MsrFields;
  }
  writeState(s: CpuState): void {
    const rows = STATE_MSRS.map(([index, field]): [number, bigint] => [index, BigInt(s[field])]);
    if (this.libc.ioctlBytes(this.fd, Ioctl.SET_MSRS, this.#block(rows)) === rows.length) return;
    for (const [index, value] of rows) {
      // an MSR that the processor lacks reads as zero and need not be written
      if (this.write(index, value) || value === 0n) continue;
      const message = `KVM refuses ${hex(value)} for MSR ${hex(index)} of the processor's state`;
      throw new HostError('KVM_MSR', message, { index, value: hex(value) });
    }
  }

  #block(rows: readonly (readonly [number, bigint])[]): DataView {
    const v = new DataView(new ArrayBuffer(HEADER + rows.length * ENTRY));
    v.setUint32(0, rows.length, true);
    rows.forEach(([index, value], n) => {
      v.setUint32(HEADER + n * ENTRY, index, true);
      v.setBigUint64(HEADER + n * ENTRY + 8, value, true);
    });
    return v;
  }
}

const QUARTER = 1024;
/** Quarters of the SDM's MSR bitmap: which MSRs, for what. */
const QUARTERS = [
  { base: 0, flags: MSR_FILTER.READ },
  { base: 0xc000_0000, flags: MSR_FILTER.READ },
  { base: 0, flags: MSR_FILTER.WRITE },
  { base: 0xc000_0000, flags: MSR_FILTER.WRITE },
] as const;
/** KVM takes at most 600H bytes a range. */
const RANGE_MSRS = QUARTER * 8;

/** The filter of a VM: an access exits exactly where a bit of the SDM's bitmap is set, or outside of it. */
export class MsrFilter {
  /** A one lets an access through here, and makes it exit in the SDM's bitmap. KVM copies it while it is set. */
  readonly #allow = new Uint8Array(QUARTERS.length * QUARTER);
  readonly #block = new DataView(new ArrayBuffer(MSR_FILTER.sizeBytes));

  constructor(
    private readonly libc: Libc,
    private readonly vmFd: number,
  ) {}

  set(msrBitmap: Uint8Array): void {
    const v = this.#block;
    const base = this.libc.address(this.#allow);
    msrBitmap.forEach((b, i) => {
      this.#allow[i] = ~b;
    });
    v.setUint32(0, MSR_FILTER.DEFAULT_DENY, true);
    QUARTERS.forEach((q, n) => {
      const at = MSR_FILTER.ranges + n * MSR_FILTER.rangeBytes;
      v.setUint32(at, q.flags, true);
      v.setUint32(at + 4, RANGE_MSRS, true);
      v.setUint32(at + 8, q.base, true);
      v.setBigUint64(at + 16, base + BigInt(n * QUARTER), true);
    });
    this.libc.check(this.libc.ioctlBytes(this.vmFd, Ioctl.X86_SET_MSR_FILTER, v), 'KVM_X86_SET_MSR_FILTER');
  }
}
