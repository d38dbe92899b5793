// Model-specific registers as a table: name, read, write over a plain per-vCPU state. Intel SDM Vol. 4.
// Reads give null and writes give false for #GP(0).
import {
  APIC_BASE,
  EFER,
  EFER_DEFINED,
  isCanonical,
  MemoryType,
  MISC_ENABLE,
  Msr,
  msrName,
  X2APIC_MSR_FIRST,
  X2APIC_MSR_LAST,
} from '../arch/index.js';
import type { CpuState, Vcpu } from '../vmx/index.js';
import type { CpuidPolicy } from './cpuid-policy.js';
import type { LocalApicPort } from './ports.js';

const MTRR_VARIABLE = 8;
const MACHINE_CHECK_BANKS = 4;
const MICROCODE_REVISION = 1n;

/** What the monitor itself keeps for one vCPU. */
export interface MsrState {
  version: 1;
  tscAdjust: bigint;
  miscEnable: bigint;
  mtrrDefType: bigint;
  /** IA32_MTRR_PHYSBASEn and PHYSMASKn alternating. */
  mtrrVariable: bigint[];
  mtrrFixed: bigint[];
  mcgStatus: bigint;
  /** IA32_MCi_CTL. */
  mcCtl: bigint[];
  /** IA32_MCi_ADDR and IA32_MCi_MISC alternating. */
  mcDetail: bigint[];
  specCtrl: bigint;
  debugCtl: bigint;
  /** Unknown MSRs touched, by index: how often. */
  unknown: Record<number, number>;
}

export const resetMsrState = (): MsrState => ({
  version: 1,
  tscAdjust: 0n,
  miscEnable: BigInt(MISC_ENABLE.FAST_STRING | MISC_ENABLE.BTS_UNAVAILABLE | MISC_ENABLE.PEBS_UNAVAILABLE),
  mtrrDefType: 0n,
  mtrrVariable: new Array<bigint>(2 * MTRR_VARIABLE).fill(0n),
  mtrrFixed: new Array<bigint>(11).fill(0n),
  mcgStatus: 0n,
  mcCtl: new Array<bigint>(MACHINE_CHECK_BANKS).fill(0n),
  mcDetail: new Array<bigint>(2 * MACHINE_CHECK_BANKS).fill(0n),
  specCtrl: 0n,
  debugCtl: 0n,
  unknown: {},
});

export interface MsrContext {
  readonly state: MsrState;
  readonly vcpu: Vcpu;
  readonly cpuid: CpuidPolicy;
  readonly apic: LocalApicPort | null;
  readonly tscHz: number;
}

export interface MsrRow {
  readonly index: number;
  readonly name: string;
  /** Absent: the processor lacks the MSR unless this holds. */
  readonly when?: (c: MsrContext) => boolean;
  readonly read?: (c: MsrContext) => bigint | null;
  /** Absent: read-only (#GP on write). */
  readonly write?: (c: MsrContext, value: bigint) => boolean;
}

const row = (index: number, rest: Omit<MsrRow, 'index' | 'name'>, name?: string): MsrRow => ({
  index,
  name: name ?? msrName(index) ?? `MSR ${index.toString(16)}`,
  ...rest,
});
const constant = (value: bigint) => (): bigint => value;
const ignore = (): boolean => true;
/** A numbered field of the state where only `mask` bits may be set. */
const stored = (
  field: 'miscEnable' | 'mtrrDefType' | 'mcgStatus' | 'specCtrl' | 'debugCtl',
  ok: (value: bigint, c: MsrContext) => boolean,
): Pick<MsrRow, 'read' | 'write'> => ({
  read: (c) => c.state[field],
  write: (c, v) => {
    if (!ok(v, c)) return false;
    c.state[field] = v;
    return true;
  },
});
/** An MSR that lives in the processor; reached here only when the MSR bitmap makes it exit. */
const inProcessor = (
  read: (s: CpuState) => bigint,
  write: (s: CpuState, value: bigint) => boolean,
): Pick<MsrRow, 'read' | 'write'> => ({
  read: (c) => read(c.vcpu.readState()),
  write: (c, v) => {
    const s = c.vcpu.readState();
    if (!write(s, v)) return false;
    c.vcpu.writeState(s);
    return true;
  },
});

const MTRR_TYPES: readonly number[] = [MemoryType.UC, MemoryType.WC, MemoryType.WT, MemoryType.WP, MemoryType.WB];
const PAT_TYPES: readonly number[] = Object.values(MemoryType);
const byteTypes = (v: bigint, types: readonly number[]): boolean => {
  for (let i = 0n; i < 64n; i += 8n) if (!types.includes(Number((v >> i) & 0xffn))) return false;
  return true;
};
const within = (v: bigint, mask: bigint): boolean => (v & ~mask) === 0n;
const addressMask = (c: MsrContext): bigint => (1n << BigInt(c.cpuid.physicalAddressBits)) - 0x1000n;
const setTsc = (c: MsrContext, value: bigint): void => c.vcpu.writeTsc(BigInt.asUintN(64, value));

/** Fixed-range MTRRs in the order of MsrState.mtrrFixed. */
const FIXED_MTRRS = [
  Msr.IA32_MTRR_FIX64K_00000,
  Msr.IA32_MTRR_FIX16K_80000,
  Msr.IA32_MTRR_FIX16K_A0000,
  ...Array.from({ length: 8 }, (_, i) => Msr.IA32_MTRR_FIX4K_C0000 + i),
];

const MISC_ENABLE_WRITABLE = BigInt(
  MISC_ENABLE.FAST_STRING +
    MISC_ENABLE.THERMAL_CONTROL +
    MISC_ENABLE.ENHANCED_SPEEDSTEP +
    MISC_ENABLE.MONITOR +
    MISC_ENABLE.LIMIT_CPUID +
    MISC_ENABLE.XTPR_DISABLE +
    MISC_ENABLE.XD_DISABLE,
);
/** Bits of IA32_ARCH_CAPABILITIES that tell a guest which work-arounds our processor does not need. */
const ARCH_CAPABILITIES =
  (1n << 0n) | // RDCL_NO
  (1n << 1n) | // IBRS_ALL
  (1n << 3n) | // SKIP_L1DFL_VMENTRY
  (1n << 4n) | // SSB_NO
  (1n << 5n) | // MDS_NO
  (1n << 6n) | // IF_PSCHANGE_MC_NO
  (1n << 8n) | // TAA_NO
  (1n << 13n) | // SBDR_SSDP_NO
  (1n << 14n) | // FBSDP_NO
  (1n << 15n) | // PSDP_NO
  (1n << 20n) | // BHI_NO
  (1n << 24n) | // PBRSB_NO
  (1n << 26n) | // GDS_NO
  (1n << 27n) | // RFDS_NO
  (1n << 62n); // ITS_NO

export const MSR_ROWS: readonly MsrRow[] = [
  row(Msr.IA32_P5_MC_ADDR, { read: constant(0n), write: ignore }),
  row(Msr.IA32_P5_MC_TYPE, { read: constant(0n), write: ignore }),
  row(Msr.IA32_TIME_STAMP_COUNTER, {
    when: (c) => c.cpuid.features.has('tsc'),
    read: (c) => c.vcpu.readTsc(),
    write: (c, v) => {
      c.state.tscAdjust = BigInt.asUintN(64, c.state.tscAdjust + v - c.vcpu.readTsc());
      setTsc(c, v);
      return true;
    },
  }),
  row(Msr.IA32_TSC_ADJUST, {
    when: (c) => c.cpuid.features.has('tscAdjust'),
    read: (c) => c.state.tscAdjust,
    write: (c, v) => {
      setTsc(c, c.vcpu.readTsc() + v - c.state.tscAdjust);
      c.state.tscAdjust = v;
      return true;
    },
  }),
  row(Msr.IA32_PLATFORM_ID, { read: constant(0n) }),
  row(Msr.IA32_APIC_BASE, {
    when: (c) => c.apic !== null,
    read: (c) => c.apic?.base() ?? null,
    write: (c, v) => {
      const allowed = BigInt(APIC_BASE.BSP | APIC_BASE.EN) | addressMask(c);
      const x2apic = c.cpuid.features.has('x2apic') ? BigInt(APIC_BASE.EXTD) : 0n;
      return within(v, allowed | x2apic) && (c.apic?.setBase(v) ?? false);
    },
  }),
  row(Msr.EBL_CR_POWERON, { read: constant(0n), write: ignore }),
  row(Msr.IA32_FEATURE_CONTROL, { read: constant(1n) }), // locked, VMX off
  row(Msr.IA32_SPEC_CTRL, {
    when: (c) => c.cpuid.features.has('specCtrl'),
    ...stored('specCtrl', (v, c) => within(v, c.cpuid.features.has('bhiCtrl') ? 0x407n : 7n)),
  }),
  row(Msr.IA32_PRED_CMD, { when: (c) => c.cpuid.features.has('specCtrl'), write: (_c, v) => within(v, 1n) }),
  row(Msr.IA32_BIOS_UPDT_TRIG, { write: ignore }),
  row(Msr.IA32_BIOS_SIGN_ID, { read: constant(MICROCODE_REVISION << 32n), write: ignore }),
  row(Msr.MSR_PLATFORM_INFO, { read: (c) => BigInt(Math.min(255, Math.round(c.tscHz / 1e8))) << 8n }),
  row(Msr.IA32_MTRRCAP, {
    when: (c) => c.cpuid.features.has('mtrr'),
    read: constant(BigInt(MTRR_VARIABLE | (1 << 8) | (1 << 10))), // fixed ranges and write combining
  }),
  row(Msr.IA32_ARCH_CAPABILITIES, {
    when: (c) => c.cpuid.features.has('archCapabilities'),
    read: constant(ARCH_CAPABILITIES),
  }),
  row(Msr.IA32_MCG_CAP, { when: (c) => c.cpuid.features.has('mca'), read: constant(BigInt(MACHINE_CHECK_BANKS)) }),
  row(Msr.IA32_MCG_STATUS, { when: (c) => c.cpuid.features.has('mca'), ...stored('mcgStatus', (v) => within(v, 7n)) }),
  row(Msr.IA32_PERF_STATUS, { read: constant(0n) }),
  row(Msr.IA32_PERF_CTL, { read: constant(0n), write: ignore }),
  row(Msr.IA32_MISC_ENABLE, {
    read: (c) => c.state.miscEnable,
    write: (c, v) => {
      // Stored without effect; the read-only bits keep their values, the others are not there.
      c.state.miscEnable = (c.state.miscEnable & ~MISC_ENABLE_WRITABLE) | (v & MISC_ENABLE_WRITABLE);
      return true;
    },
  }),
  row(
    Msr.IA32_DEBUGCTL,
    stored('debugCtl', (v) => v === 0n),
  ),
  ...FIXED_MTRRS.map((index, i) =>
    row(
      index,
      {
        when: (c) => c.cpuid.features.has('mtrr'),
        read: (c) => c.state.mtrrFixed[i] as bigint,
        write: (c, v) => {
          if (!byteTypes(v, MTRR_TYPES)) return false;
          c.state.mtrrFixed[i] = v;
          return true;
        },
      },
      msrName(index) ?? `IA32_MTRR_FIX4K_${(0xc0000 + (i - 3) * 0x8000).toString(16).toUpperCase()}`,
    ),
  ),
  ...Array.from({ length: 2 * MTRR_VARIABLE }, (_, i) =>
    row(
      Msr.IA32_MTRR_PHYSBASE0 + i,
      {
        when: (c) => c.cpuid.features.has('mtrr'),
        read: (c) => c.state.mtrrVariable[i] as bigint,
        write: (c, v) => {
          const isMask = i % 2 === 1;
          if (!within(v, addressMask(c) | (isMask ? 0x800n : 0xffn))) return false;
          if (!isMask && !MTRR_TYPES.includes(Number(v & 0xffn))) return false;
          c.state.mtrrVariable[i] = v;
          return true;
        },
      },
      `IA32_MTRR_PHYS${i % 2 ? 'MASK' : 'BASE'}${i >> 1}`,
    ),
  ),
  row(Msr.IA32_MTRR_DEF_TYPE, {
    when: (c) => c.cpuid.features.has('mtrr'),
    ...stored('mtrrDefType', (v) => within(v, 0xcffn) && MTRR_TYPES.includes(Number(v & 0xffn))),
  }),
  ...Array.from({ length: MACHINE_CHECK_BANKS }, (_, bank): MsrRow[] => {
    const when = (c: MsrContext): boolean => c.cpuid.features.has('mca');
    const zeroOnly = { when, read: constant(0n), write: (_c: MsrContext, v: bigint): boolean => v === 0n };
    const detail = (n: number): Omit<MsrRow, 'index' | 'name'> => ({
      when,
      read: (c) => c.state.mcDetail[n] as bigint,
      write: (c, v) => {
        c.state.mcDetail[n] = v;
        return true;
      },
    });
    const base = Msr.IA32_MC0_CTL + 4 * bank;
    return [
      row(
        base,
        {
          when,
          read: (c) => c.state.mcCtl[bank] as bigint,
          write: (c, v) => {
            if (v !== 0n && v !== 0xffff_ffff_ffff_ffffn) return false;
            c.state.mcCtl[bank] = v;
            return true;
          },
        },
        `IA32_MC${bank}_CTL`,
      ),
      row(base + 1, zeroOnly, `IA32_MC${bank}_STATUS`),
      row(base + 2, detail(2 * bank), `IA32_MC${bank}_ADDR`),
      row(base + 3, detail(2 * bank + 1), `IA32_MC${bank}_MISC`),
    ];
  }).flat(),
  row(Msr.IA32_TSC_DEADLINE, {
    when: (c) => c.cpuid.features.has('tscDeadline') && c.apic !== null,
    read: (c) => c.apic?.tscDeadline() ?? null,
    write: (c, v) => {
      c.apic?.setTscDeadline(v);
      return true;
    },
  }),
  ...Array.from({ length: X2APIC_MSR_LAST - X2APIC_MSR_FIRST + 1 }, (_, register) =>
    row(X2APIC_MSR_FIRST + register, {
      when: (c) => c.cpuid.features.has('x2apic') && c.apic !== null,
      read: (c) => c.apic?.readX2apic(register) ?? null,
      write: (c, v) => c.apic?.writeX2apic(register, v) ?? false,
    }),
  ),

  // Kept by the processor; they exit only when an access policy watches them.
  row(
    Msr.IA32_SYSENTER_CS,
    inProcessor(
      (s) => BigInt(s.sysenterCs),
      (s, v) => {
        s.sysenterCs = Number(v & 0xffff_ffffn);
        return true;
      },
    ),
  ),
  ...(
    [
      [Msr.IA32_SYSENTER_ESP, 'sysenterEsp'],
      [Msr.IA32_SYSENTER_EIP, 'sysenterEip'],
      [Msr.IA32_LSTAR, 'lstar'],
      [Msr.IA32_CSTAR, 'cstar'],
      [Msr.IA32_KERNEL_GS_BASE, 'kernelGsBase'],
    ] as const
  ).map(([index, field]) =>
    row(
      index,
      inProcessor(
        (s) => s[field],
        (s, v) => {
          if (!isCanonical(v)) return false;
          s[field] = v;
          return true;
        },
      ),
    ),
  ),
  ...(
    [
      [Msr.IA32_FS_BASE, 'fs'],
      [Msr.IA32_GS_BASE, 'gs'],
    ] as const
  ).map(([index, segment]) =>
    row(
      index,
      inProcessor(
        (s) => s.segments[segment].base,
        (s, v) => {
          if (!isCanonical(v)) return false;
          s.segments[segment].base = v;
          return true;
        },
      ),
    ),
  ),
  row(
    Msr.IA32_STAR,
    inProcessor(
      (s) => s.star,
      (s, v) => {
        s.star = v;
        return true;
      },
    ),
  ),
  row(
    Msr.IA32_FMASK,
    inProcessor(
      (s) => s.fmask,
      (s, v) => {
        if (v >> 32n !== 0n) return false;
        s.fmask = v;
        return true;
      },
    ),
  ),
  row(
    Msr.IA32_TSC_AUX,
    inProcessor(
      (s) => s.tscAux,
      (s, v) => {
        if (v >> 32n !== 0n) return false;
        s.tscAux = v;
        return true;
      },
    ),
  ),
  row(
    Msr.IA32_PAT,
    inProcessor(
      (s) => s.pat,
      (s, v) => {
        if (!byteTypes(v, PAT_TYPES)) return false;
        s.pat = v;
        return true;
      },
    ),
  ),
  row(Msr.IA32_EFER, {
    read: (c) => c.vcpu.readState().efer,
    write: (c, v) => {
      const s = c.vcpu.readState();
      const f = c.cpuid.features;
      let allowed = EFER_DEFINED;
      if (!f.has('lm')) allowed &= ~EFER.LME & ~EFER.LMA;
      if (!f.has('nx')) allowed &= ~EFER.NXE;
      if (!f.has('syscall')) allowed &= ~EFER.SCE;
      if (!within(v, BigInt(allowed))) return false;
      const paging = (s.cr0 >> 31n) & 1n;
      if (paging && ((v ^ s.efer) & BigInt(EFER.LME)) !== 0n) return false;
      const lma = BigInt(EFER.LMA);
      s.efer = (v & ~lma) | (s.efer & lma);
      c.vcpu.writeState(s);
      return true;
    },
  }),
];

const byIndex: ReadonlyMap<number, MsrRow> = new Map(MSR_ROWS.map((r) => [r.index, r]));

/** MSRs that the processor keeps itself: accesses pass through by default. */
export const PROCESSOR_MSRS: readonly number[] = [
  Msr.IA32_SYSENTER_CS,
  Msr.IA32_SYSENTER_ESP,
  Msr.IA32_SYSENTER_EIP,
  Msr.IA32_PAT,
  Msr.IA32_EFER,
  Msr.IA32_STAR,
  Msr.IA32_LSTAR,
  Msr.IA32_CSTAR,
  Msr.IA32_FMASK,
  Msr.IA32_FS_BASE,
  Msr.IA32_GS_BASE,
  Msr.IA32_KERNEL_GS_BASE,
  Msr.IA32_TSC_AUX,
];

const countUnknown = (c: MsrContext, index: number): void => {
  c.state.unknown[index] = (c.state.unknown[index] ?? 0) + 1;
};
const find = (c: MsrContext, index: number): MsrRow | null => {
  const r = byIndex.get(index);
  if (r !== undefined && (r.when?.(c) ?? true)) return r;
  countUnknown(c, index);
  return null;
};

/** RDMSR: the value, or null for #GP(0). */
export const readMsr = (c: MsrContext, index: number): bigint | null => find(c, index)?.read?.(c) ?? null;
/** WRMSR: false for #GP(0). */
export const writeMsr = (c: MsrContext, index: number, value: bigint): boolean =>
  find(c, index)?.write?.(c, value) ?? false;
