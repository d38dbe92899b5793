// CPUID feature bits by leaf, subleaf, register and bit. Intel SDM Vol. 2A, "CPUID—CPU Identification".

export type CpuidRegister = 'eax' | 'ebx' | 'ecx' | 'edx';
export interface CpuidBit {
  readonly leaf: number;
  readonly subleaf: number;
  readonly register: CpuidRegister;
  readonly bit: number;
}
/** One answer of CPUID; unsigned 32-bit numbers. */
export interface CpuidResult {
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

/** Every feature flag we name. Keys are the SDM's mnemonics in camel case. */
export const CPUID_FEATURES = {
  fpu: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 0 },
  vme: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 1 },
  de: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 2 },
  pse: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 3 },
  tsc: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 4 },
  msr: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 5 },
  pae: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 6 },
  mce: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 7 },
  cx8: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 8 },
  apic: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 9 },
  sep: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 11 },
  mtrr: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 12 },
  pge: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 13 },
  mca: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 14 },
  cmov: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 15 },
  pat: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 16 },
  pse36: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 17 },
  psn: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 18 },
  clfsh: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 19 },
  ds: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 21 },
  acpi: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 22 },
  mmx: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 23 },
  fxsr: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 24 },
  sse: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 25 },
  sse2: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 26 },
  ss: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 27 },
  htt: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 28 },
  tm: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 29 },
  pbe: { leaf: 0x1, subleaf: 0, register: 'edx', bit: 31 },
  sse3: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 0 },
  pclmulqdq: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 1 },
  dtes64: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 2 },
  monitor: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 3 },
  dsCpl: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 4 },
  vmx: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 5 },
  smx: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 6 },
  eist: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 7 },
  tm2: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 8 },
  ssse3: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 9 },
  cnxtId: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 10 },
  sdbg: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 11 },
  fma: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 12 },
  cmpxchg16b: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 13 },
  xtpr: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 14 },
  pdcm: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 15 },
  pcid: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 17 },
  dca: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 18 },
  sse4_1: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 19 },
  sse4_2: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 20 },
  x2apic: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 21 },
  movbe: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 22 },
  popcnt: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 23 },
  tscDeadline: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 24 },
  aes: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 25 },
  xsave: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 26 },
  osxsave: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 27 },
  avx: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 28 },
  f16c: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 29 },
  rdrand: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 30 },
  hypervisor: { leaf: 0x1, subleaf: 0, register: 'ecx', bit: 31 },
  digitalThermalSensor: { leaf: 0x6, subleaf: 0, register: 'eax', bit: 0 },
  arat: { leaf: 0x6, subleaf: 0, register: 'eax', bit: 2 },
  fsgsbase: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 0 },
  tscAdjust: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 1 },
  sgx: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 2 },
  bmi1: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 3 },
  hle: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 4 },
  avx2: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 5 },
  fdpExceptionOnly: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 6 },
  smep: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 7 },
  bmi2: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 8 },
  erms: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 9 },
  invpcid: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 10 },
  rtm: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 11 },
  fcsDsDeprecated: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 13 },
  mpx: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 14 },
  avx512f: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 16 },
  rdseed: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 18 },
  adx: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 19 },
  smap: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 20 },
  clflushopt: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 23 },
  clwb: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 24 },
  sha: { leaf: 0x7, subleaf: 0, register: 'ebx', bit: 29 },
  prefetchwt1: { leaf: 0x7, subleaf: 0, register: 'ecx', bit: 0 },
  umip: { leaf: 0x7, subleaf: 0, register: 'ecx', bit: 2 },
  pku: { leaf: 0x7, subleaf: 0, register: 'ecx', bit: 3 },
  ospke: { leaf: 0x7, subleaf: 0, register: 'ecx', bit: 4 },
  waitpkg: { leaf: 0x7, subleaf: 0, register: 'ecx', bit: 5 },
  gfni: { leaf: 0x7, subleaf: 0, register: 'ecx', bit: 8 },
  vaes: { leaf: 0x7, subleaf: 0, register: 'ecx', bit: 9 },
  vpclmulqdq: { leaf: 0x7, subleaf: 0, register: 'ecx', bit: 10 },
  la57: { leaf: 0x7, subleaf: 0, register: 'ecx', bit: 16 },
  rdpid: { leaf: 0x7, subleaf: 0, register: 'ecx', bit: 22 },
  fsrm: { leaf: 0x7, subleaf: 0, register: 'edx', bit: 4 },
  mdClear: { leaf: 0x7, subleaf: 0, register: 'edx', bit: 10 },
  serialize: { leaf: 0x7, subleaf: 0, register: 'edx', bit: 14 },
  specCtrl: { leaf: 0x7, subleaf: 0, register: 'edx', bit: 26 },
  stibp: { leaf: 0x7, subleaf: 0, register: 'edx', bit: 27 },
  l1dFlush: { leaf: 0x7, subleaf: 0, register: 'edx', bit: 28 },
  archCapabilities: { leaf: 0x7, subleaf: 0, register: 'edx', bit: 29 },
  ssbd: { leaf: 0x7, subleaf: 0, register: 'edx', bit: 31 },
  bhiCtrl: { leaf: 0x7, subleaf: 2, register: 'edx', bit: 4 },
  xsaveopt: { leaf: 0xd, subleaf: 1, register: 'eax', bit: 0 },
  xsavec: { leaf: 0xd, subleaf: 1, register: 'eax', bit: 1 },
  xgetbv1: { leaf: 0xd, subleaf: 1, register: 'eax', bit: 2 },
  xsaves: { leaf: 0xd, subleaf: 1, register: 'eax', bit: 3 },
  lahf: { leaf: 0x80000001, subleaf: 0, register: 'ecx', bit: 0 },
  lzcnt: { leaf: 0x80000001, subleaf: 0, register: 'ecx', bit: 5 },
  prefetchw: { leaf: 0x80000001, subleaf: 0, register: 'ecx', bit: 8 },
  syscall: { leaf: 0x80000001, subleaf: 0, register: 'edx', bit: 11 },
  nx: { leaf: 0x80000001, subleaf: 0, register: 'edx', bit: 20 },
  page1gb: { leaf: 0x80000001, subleaf: 0, register: 'edx', bit: 26 },
  rdtscp: { leaf: 0x80000001, subleaf: 0, register: 'edx', bit: 27 },
  lm: { leaf: 0x80000001, subleaf: 0, register: 'edx', bit: 29 },
  invariantTsc: { leaf: 0x80000007, subleaf: 0, register: 'edx', bit: 8 },
} as const satisfies Record<string, CpuidBit>;
export type CpuFeature = keyof typeof CPUID_FEATURES;
export const CPU_FEATURE_NAMES = Object.keys(CPUID_FEATURES) as readonly CpuFeature[];

/** True when `text` names a feature. */
export const isCpuFeature = (text: string): text is CpuFeature => Object.hasOwn(CPUID_FEATURES, text);

/** Mask of the given features that live in one register of one leaf. */
export function featureMask(
  features: ReadonlySet<CpuFeature>,
  leaf: number,
  subleaf: number,
  register: CpuidRegister,
): number {
  let mask = 0;
  for (const name of features) {
    const f: CpuidBit = CPUID_FEATURES[name];
    if (f.leaf === leaf && f.subleaf === subleaf && f.register === register) mask |= 1 << f.bit;
  }
  return mask >>> 0;
}

/** CPUID leaf numbers by content. */
export const CpuidLeaf = {
  VENDOR: 0x0,
  FEATURES: 0x1,
  CACHE_DESCRIPTORS: 0x2,
  DETERMINISTIC_CACHE: 0x4,
  MONITOR: 0x5,
  THERMAL_POWER: 0x6,
  EXTENDED_FEATURES: 0x7,
  PERFORMANCE_MONITORING: 0xa,
  TOPOLOGY: 0xb,
  XSAVE: 0xd,
  TSC: 0x15,
  FREQUENCY: 0x16,
  HYPERVISOR_VENDOR: 0x4000_0000,
  HYPERVISOR_TIMING: 0x4000_0010,
  EXTENDED_MAX: 0x8000_0000,
  EXTENDED_SIGNATURE: 0x8000_0001,
  BRAND_0: 0x8000_0002,
  BRAND_1: 0x8000_0003,
  BRAND_2: 0x8000_0004,
  EXTENDED_CACHE: 0x8000_0006,
  EXTENDED_POWER: 0x8000_0007,
  ADDRESS_SIZES: 0x8000_0008,
} as const;

/** Four ASCII bytes as CPUID returns text, first character lowest. */
export const cpuidText = (text: string): number => {
  let word = 0;
  for (let i = 0; i < 4; i++) word |= ((text.charCodeAt(i) || 0) & 0xff) << (8 * i);
  return word >>> 0;
};

/** Family/model/stepping as leaf 1's EAX. Intel SDM Vol. 2A, "Version Information in EAX". */
export function cpuidSignature(family: number, model: number, stepping: number): number {
  const extendedFamily = family > 0xf ? family - 0xf : 0;
  const baseFamily = Math.min(family, 0xf);
  return (
    ((extendedFamily << 20) | ((model >> 4) << 16) | (baseFamily << 8) | ((model & 0xf) << 4) | (stepping & 0xf)) >>> 0
  );
}
