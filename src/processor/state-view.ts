// JavaScript's view of a vCPU's state area, and the conversion to and from the engine-neutral CpuState.
import { type CpuState, SEGMENT_NAMES, type SegmentName, type SegmentState } from '../vmx/index.js';
import { at, fprOffset, gprOffset, SEGMENT_ENTRY, segmentOffset, xmmOffset } from './state-layout.js';

const ACTIVITY = ['active', 'hlt', 'shutdown', 'waitForSipi'] as const;
/** The 64-bit fields that CpuState carries under the same name. */
const PLAIN = [
  'rip',
  'cr0',
  'cr2',
  'cr3',
  'cr4',
  'cr8',
  'efer',
  'star',
  'lstar',
  'cstar',
  'fmask',
  'kernelGsBase',
  'sysenterEsp',
  'sysenterEip',
  'pat',
  'tscAux',
  'xcr0',
] as const;
const STATUS_FLAGS = 0x8d5n;

export class StateView {
  private readonly view: DataView;
  constructor(
    buffer: ArrayBufferLike,
    /** Host address of the state area. */
    readonly base: number,
  ) {
    this.view = new DataView(buffer, base);
  }
  u8(offset: number): number {
    return this.view.getUint8(offset);
  }
  u16(offset: number): number {
    return this.view.getUint16(offset, true);
  }
  u32(offset: number): number {
    return this.view.getUint32(offset, true);
  }
  i32(offset: number): number {
    return this.view.getInt32(offset, true);
  }
  u64(offset: number): bigint {
    return this.view.getBigUint64(offset, true);
  }
  setU8(offset: number, v: number): void {
    this.view.setUint8(offset, v);
  }
  setU16(offset: number, v: number): void {
    this.view.setUint16(offset, v, true);
  }
  setU32(offset: number, v: number): void {
    this.view.setUint32(offset, v >>> 0, true);
  }
  setU64(offset: number, v: bigint): void {
    this.view.setBigUint64(offset, BigInt.asUintN(64, v), true);
  }
  setF64(offset: number, v: number): void {
    this.view.setFloat64(offset, v, true);
  }
  /** A 64-bit count, below 2^53, as a number: no BigInt is made. */
  counter(offset: number): number {
    return this.view.getUint32(offset + 4, true) * 0x1_0000_0000 + this.view.getUint32(offset, true);
  }
  setCounter(offset: number, v: number): void {
    this.view.setUint32(offset, v >>> 0, true);
    this.view.setUint32(offset + 4, Math.floor(v / 0x1_0000_0000), true);
  }
  private segment(n: number): SegmentState {
    const o = segmentOffset(n);
    return {
      selector: this.u32(o + SEGMENT_ENTRY.selector),
      base: this.u64(o + SEGMENT_ENTRY.base),
      limit: this.u32(o + SEGMENT_ENTRY.limit),
      accessRights: this.u32(o + SEGMENT_ENTRY.access),
    };
  }
  private setSegment(n: number, s: SegmentState): void {
    const o = segmentOffset(n);
    this.setU32(o + SEGMENT_ENTRY.selector, s.selector);
    this.setU64(o + SEGMENT_ENTRY.base, s.base);
    this.setU32(o + SEGMENT_ENTRY.limit, s.limit);
    this.setU32(o + SEGMENT_ENTRY.access, s.accessRights);
  }

  /** `status`: the six status flags as a word, which live lazily; `interruptibility`: as computed by the vCPU. */
  read(status: number, interruptibility: number): CpuState {
    const segments = {} as Record<SegmentName, SegmentState>;
    SEGMENT_NAMES.forEach((name, n) => {
      segments[name] = this.segment(n);
    });
    const plain = {} as Record<(typeof PLAIN)[number], bigint>;
    for (const name of PLAIN) plain[name] = this.u64(at(name));
    return {
      version: 1,
      ...plain,
      gpr: Array.from({ length: 16 }, (_, n) => this.u64(gprOffset(n))),
      rflags: (this.u64(at('rflags')) & ~STATUS_FLAGS) | (BigInt(status) & STATUS_FLAGS) | 2n,
      dr: [0, 1, 2, 3, 6, 7].map((n) => this.u64(at('dr') + n * 8)),
      segments,
      gdtr: { base: this.u64(at('gdtrBase')), limit: this.u32(at('gdtrLimit')) },
      idtr: { base: this.u64(at('idtrBase')), limit: this.u32(at('idtrLimit')) },
      sysenterCs: Number(this.u64(at('sysenterCs')) & 0xffffffffn),
      fpu: {
        fcw: this.u32(at('fcw')),
        fsw: this.u32(at('fsw')),
        ftw: this.fullTags(),
        fop: this.u32(at('fop')),
        fip: this.u64(at('fip')),
        fdp: this.u64(at('fdp')),
        registers: Array.from(
          { length: 8 },
          (_, n) => this.u64(fprOffset(n)) | (BigInt(this.u16(fprOffset(n) + 8)) << 64n),
        ),
        xmm: Array.from({ length: 16 }, (_, n) => this.u64(xmmOffset(n)) | (this.u64(xmmOffset(n) + 8) << 64n)),
        mxcsr: this.u32(at('mxcsr')),
      },
      activity: ACTIVITY[this.u32(at('activity')) & 3] as CpuState['activity'],
      interruptibility,
    };
  }
  /** Two-bit tags from the register contents. SDM Vol. 1 "x87 FPU Tag Word". */
  private fullTags(): number {
    const present = this.u32(at('ftags'));
    let word = 0;
    for (let n = 0; n < 8; n++) {
      let tag = 3;
      if ((present >> n) & 1) {
        const exponent = this.u16(fprOffset(n) + 8) & 0x7fff;
        const significand = this.u64(fprOffset(n));
        if (exponent === 0 && significand === 0n) tag = 1;
        else if (exponent === 0x7fff || exponent === 0 || significand >> 63n === 0n) tag = 2;
        else tag = 0;
      }
      word |= tag << (2 * n);
    }
    return word;
  }
  /** Writes everything but the lazy status flags (the caller sets them). */
  write(s: CpuState): void {
    for (const name of PLAIN) this.setU64(at(name), s[name]);
    s.gpr.forEach((v, n) => {
      this.setU64(gprOffset(n), v);
    });
    this.setU64(at('rflags'), (s.rflags & ~STATUS_FLAGS) | 2n);
    [0, 1, 2, 3, 6, 7].forEach((n, i) => {
      this.setU64(at('dr') + n * 8, s.dr[i] as bigint);
    });
    SEGMENT_NAMES.forEach((name, n) => {
      this.setSegment(n, s.segments[name]);
    });
    this.setU64(at('gdtrBase'), s.gdtr.base);
    this.setU32(at('gdtrLimit'), s.gdtr.limit);
    this.setU64(at('idtrBase'), s.idtr.base);
    this.setU32(at('idtrLimit'), s.idtr.limit);
    this.setU64(at('sysenterCs'), BigInt(s.sysenterCs));
    // SDM Vol. 3C: the CPL is the DPL of SS
    this.setU32(at('cpl'), (s.segments.ss.accessRights >> 5) & 3);
    const { fpu } = s;
    this.setU32(at('fcw'), fpu.fcw);
    this.setU32(at('fsw'), fpu.fsw);
    let tags = 0;
    for (let n = 0; n < 8; n++) if (((fpu.ftw >> (2 * n)) & 3) !== 3) tags |= 1 << n;
    this.setU32(at('ftags'), tags);
    this.setU32(at('fop'), fpu.fop);
    this.setU64(at('fip'), fpu.fip);
    this.setU64(at('fdp'), fpu.fdp);
    fpu.registers.forEach((v, n) => {
      this.setU64(fprOffset(n), v);
      this.setU16(fprOffset(n) + 8, Number((v >> 64n) & 0xffffn));
    });
    fpu.xmm.forEach((v, n) => {
      this.setU64(xmmOffset(n), v);
      this.setU64(xmmOffset(n) + 8, v >> 64n);
    });
    this.setU32(at('mxcsr'), fpu.mxcsr);
    this.setU32(at('activity'), ACTIVITY.indexOf(s.activity));
  }
}
