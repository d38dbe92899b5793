// Guest states to start from. Intel SDM Vol. 3A, "Processor State After Reset" (table "IA-32 and Intel 64 Processor
// States Following Power-up, Reset, or INIT"), "Initializing IA-32e Mode".
import { CR0, CR4, DR6_FIXED1, DR7_FIXED1, EFER, Gpr, MXCSR_DEFAULT, PAT_DEFAULT, XCR0 } from '../arch/index.js';
import { IO_BITMAP_BYTES, MSR_BITMAP_BYTES } from './controls.js';
import type { CpuState, FpuState, SegmentName, SegmentState } from './cpu-state.js';
import type { VcpuControls } from './engine.js';

/** Access rights of usual segments, VMCS format. */
const DATA16 = 0x0093;
const DATA32 = 0xc093;
const CODE32 = 0xc09b;
const CODE64 = 0xa09b;
const LDT = 0x0082;
const TSS_BUSY = 0x008b;
const UNUSABLE = 0x1_0000;

const segment = (selector: number, base: bigint, limit: number, accessRights: number): SegmentState => ({
  selector,
  base,
  limit,
  accessRights,
});

/** VM-execution controls that intercept nothing. */
export const emptyControls = (): VcpuControls => ({
  pinBased: 0,
  primary: 0,
  secondary: 0,
  exceptionBitmap: 0,
  ioBitmap: new Uint8Array(IO_BITMAP_BYTES),
  msrBitmap: new Uint8Array(MSR_BITMAP_BYTES),
  cr0GuestHostMask: 0n,
  cr0ReadShadow: 0n,
  cr4GuestHostMask: 0n,
  cr4ReadShadow: 0n,
  tscOffset: 0n,
});

/** x87 and SSE as FNINIT and RESET leave them: every tag empty, all exceptions masked. */
export const resetFpu = (): FpuState => ({
  fcw: 0x0040,
  fsw: 0,
  ftw: 0x5555,
  fop: 0,
  fip: 0n,
  fdp: 0n,
  registers: new Array<bigint>(8).fill(0n),
  xmm: new Array<bigint>(16).fill(0n),
  mxcsr: MXCSR_DEFAULT,
});
/** The x87 state after FNINIT. */
export const finitFpu = (): FpuState => ({ ...resetFpu(), fcw: 0x037f, ftw: 0xffff });

/** The processor after RESET: real mode, first instruction at physical FFFFFFF0H. EDX holds the CPUID signature. */
export function resetState(signature = 0): CpuState {
  const data = () => segment(0, 0n, 0xffff, DATA16);
  return {
    version: 1,
    gpr: Array.from({ length: 16 }, (_, i) => (i === Gpr.RDX ? BigInt(signature) : 0n)),
    rip: 0xfff0n,
    rflags: 2n,
    cr0: BigInt(CR0.CD + CR0.NW + CR0.ET),
    cr2: 0n,
    cr3: 0n,
    cr4: 0n,
    cr8: 0n,
    dr: [0n, 0n, 0n, 0n, BigInt(DR6_FIXED1), BigInt(DR7_FIXED1)],
    efer: 0n,
    segments: {
      es: data(),
      cs: segment(0xf000, 0xffff_0000n, 0xffff, 0x009b),
      ss: data(),
      ds: data(),
      fs: data(),
      gs: data(),
      ldtr: segment(0, 0n, 0xffff, LDT),
      tr: segment(0, 0n, 0xffff, TSS_BUSY),
    },
    gdtr: { base: 0n, limit: 0xffff },
    idtr: { base: 0n, limit: 0xffff },
    star: 0n,
    lstar: 0n,
    cstar: 0n,
    fmask: 0n,
    kernelGsBase: 0n,
    sysenterCs: 0,
    sysenterEsp: 0n,
    sysenterEip: 0n,
    pat: PAT_DEFAULT,
    tscAux: 0n,
    xcr0: BigInt(XCR0.X87),
    fpu: resetFpu(),
    activity: 'active',
    interruptibility: 0,
  };
}

/** The processor after INIT: as after RESET but for what INIT leaves alone (caching mode, x87 and SSE, XCR0, MSRs). */
export function initState(before: CpuState, signature = 0): CpuState {
  const s = resetState(signature);
  const { star, lstar, cstar, fmask, kernelGsBase, sysenterCs, sysenterEsp, sysenterEip, pat, tscAux, xcr0, fpu } =
    before;
  s.cr0 = BigInt(CR0.ET) | (before.cr0 & BigInt(CR0.CD + CR0.NW));
  return {
    ...s,
    star,
    lstar,
    cstar,
    fmask,
    kernelGsBase,
    sysenterCs,
    sysenterEsp,
    sysenterEip,
    pat,
    tscAux,
    xcr0,
    fpu,
  };
}

/** A processor that waited for a start-up IPI begins in real mode at 000VV000H (SDM "Start-up IPI"). */
export function startupState(before: CpuState, vector: number): CpuState {
  const s = cloneState(before);
  s.segments.cs = segment(vector << 8, BigInt(vector) << 12n, 0xffff, 0x009b);
  s.rip = 0n;
  return s;
}

/** Real mode with all segments at `base` (a multiple of 16 below 1 MiB) and IP = `ip`. */
export function realModeState(base = 0, ip = 0): CpuState {
  const s = resetState();
  for (const name of ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const) {
    s.segments[name] = segment(base >> 4, BigInt(base), 0xffff, name === 'cs' ? 0x009b : DATA16);
  }
  s.cr0 = BigInt(CR0.ET);
  s.rip = BigInt(ip);
  s.fpu = finitFpu();
  return s;
}

const setFlat = (s: CpuState, code: number): void => {
  for (const name of ['es', 'ss', 'ds', 'fs', 'gs'] as const) {
    s.segments[name] = segment(0x10, 0n, 0xffff_ffff, DATA32);
  }
  s.segments.cs = segment(0x08, 0n, 0xffff_ffff, code);
  s.segments.ldtr = segment(0, 0n, 0, UNUSABLE);
  s.segments.tr = segment(0, 0n, 0xffff, TSS_BUSY);
};

/** 32-bit protected mode, flat 4 GiB segments (CS 08H, data 10H), paging off, at `eip`. */
export function flatProtectedState(eip: number, esp = 0): CpuState {
  const s = realModeState();
  setFlat(s, CODE32);
  s.cr0 = BigInt(CR0.PE | CR0.ET);
  s.rip = BigInt(eip);
  s.gpr[Gpr.RSP] = BigInt(esp);
  return s;
}

/** 64-bit mode at `rip` with the 4-level page tables at `cr3`; SSE enabled. */
export function longModeState(rip: bigint, cr3: number, rsp = 0n): CpuState {
  const s = realModeState();
  setFlat(s, CODE64);
  s.cr0 = BigInt(CR0.PE + CR0.MP + CR0.ET + CR0.NE + CR0.WP + CR0.PG);
  s.cr3 = BigInt(cr3);
  s.cr4 = BigInt(CR4.PAE | CR4.PGE | CR4.OSFXSR | CR4.OSXMMEXCPT);
  s.efer = BigInt(EFER.LME | EFER.LMA | EFER.SCE | EFER.NXE);
  s.rip = rip;
  s.gpr[Gpr.RSP] = rsp;
  return s;
}

/** A deep copy. */
export function cloneState(s: CpuState): CpuState {
  const segments = {} as Record<SegmentName, SegmentState>;
  for (const name of Object.keys(s.segments) as SegmentName[]) segments[name] = { ...s.segments[name] };
  return {
    ...s,
    gpr: [...s.gpr],
    dr: [...s.dr],
    segments,
    gdtr: { ...s.gdtr },
    idtr: { ...s.idtr },
    fpu: {
      ...s.fpu,
      registers: [...s.fpu.registers],
      xmm: [...s.fpu.xmm],
      ...(s.fpu.ymmHigh && { ymmHigh: [...s.fpu.ymmHigh] }),
    },
  };
}
