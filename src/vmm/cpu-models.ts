// Processor models as table rows: identity, highest leaves and the features a guest may see.
// Intel SDM Vol. 2A, "CPUID—CPU Identification"; the x86-64 psABI, "Micro-Architecture Levels".
import type { CpuFeature } from '../arch/index.js';
import { ConfigError } from '../base/index.js';

export interface CpuModel {
  readonly name: string;
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  /** Highest basic leaf. */
  readonly maxBasic: number;
  /** Highest extended leaf, or 0 for none. */
  readonly maxExtended: number;
  /** Leaves 80000002H..80000004H, at most 47 characters. */
  readonly brand: string;
  readonly features: readonly CpuFeature[];
}

const PENTIUM = ['fpu', 'vme', 'de', 'pse', 'tsc', 'msr', 'mce', 'cx8', 'apic'] as const;
const I686 = [...PENTIUM, 'pae', 'sep', 'mtrr', 'pge', 'mca', 'cmov', 'pat', 'pse36', 'mmx', 'fxsr', 'sse'] as const;
const CORE2 = [
  ...I686,
  'clfsh',
  'sse2',
  'htt',
  'sse3',
  'ssse3',
  'cmpxchg16b',
  'lahf',
  'syscall',
  'nx',
  'lm',
  'hypervisor',
] as const;
/** x86-64-v2 and what Linux uses to keep time and to leave out work-arounds for processors that need them. */
const V2 = [
  ...CORE2,
  'sse4_1',
  'sse4_2',
  'popcnt',
  'rdtscp',
  'page1gb',
  'invariantTsc',
  'arat',
  'tscAdjust',
  'tscDeadline',
  'x2apic',
  'fsgsbase',
  'smep',
  'smap',
  'erms',
  'fsrm',
  'xsave',
  'pcid',
  'invpcid',
  'umip',
  'archCapabilities',
  'specCtrl',
  'bhiCtrl',
] as const;
/** Everything that an engine may offer beyond v2. */
const MAX = [
  ...V2,
  'pclmulqdq',
  'aes',
  'movbe',
  'rdrand',
  'rdseed',
  'adx',
  'bmi1',
  'bmi2',
  'lzcnt',
  'prefetchw',
  'sha',
  'rdpid',
  'fma',
  'avx',
  'avx2',
  'f16c',
  'xsaveopt',
  'xsavec',
  'xgetbv1',
  'clflushopt',
  'clwb',
] as const;

/** Leaf 16H is the highest basic leaf of the newer models, so that guests learn the TSC frequency from leaf 15H. */
export const CPU_MODELS: readonly CpuModel[] = [
  {
    name: '486',
    family: 4,
    model: 8,
    stepping: 0,
    maxBasic: 1,
    maxExtended: 0,
    brand: '',
    features: ['fpu', 'vme'],
  },
  {
    name: 'pentium',
    family: 5,
    model: 2,
    stepping: 12,
    maxBasic: 1,
    maxExtended: 0,
    brand: '',
    features: PENTIUM,
  },
  {
    name: 'i686',
    family: 6,
    model: 8,
    stepping: 6,
    maxBasic: 2,
    maxExtended: 0,
    brand: '',
    features: I686,
  },
  {
    name: 'core2',
    family: 6,
    model: 15,
    stepping: 11,
    maxBasic: 0xb,
    maxExtended: 0x8000_0008,
    brand: 'Pcanel Virtual Processor (core2)',
    features: CORE2,
  },
  {
    name: 'x86-64-v2',
    family: 6,
    model: 26,
    stepping: 3,
    maxBasic: 0x16,
    maxExtended: 0x8000_0008,
    brand: 'Pcanel Virtual Processor (x86-64-v2)',
    features: V2,
  },
  {
    name: 'max',
    family: 6,
    model: 26,
    stepping: 3,
    maxBasic: 0x16,
    maxExtended: 0x8000_0008,
    brand: 'Pcanel Virtual Processor',
    features: MAX,
  },
];
export const DEFAULT_CPU_MODEL = 'x86-64-v2';

/** The row named `name`. */
export function cpuModel(name: string): CpuModel {
  const model = CPU_MODELS.find((m) => m.name === name);
  if (model) return model;
  const known = CPU_MODELS.map((m) => m.name).join(', ');
  throw new ConfigError('CPU_MODEL', `CPU model '${name}' is unknown, expected one of ${known}`, { model: name });
}

/** Features that the monitor and the board provide; all others must be listed by the engine. */
export const MONITOR_FEATURES: ReadonlySet<CpuFeature> = new Set<CpuFeature>([
  'apic',
  'x2apic',
  'tscDeadline',
  'tscAdjust',
  'mtrr',
  'mce',
  'mca',
  'arat',
  'invariantTsc',
  'hypervisor',
  'htt',
  'archCapabilities',
  'specCtrl',
  'bhiCtrl',
]);
