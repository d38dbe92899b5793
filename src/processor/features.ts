// What the software processor implements of CPUID's feature list, and the CR4 bits and address width that go with a model.
// Intel SDM Vol. 2A, "CPUID—CPU Identification"; Vol. 3A, "Control Registers".
import type { CpuFeature } from '../arch/index.js';

/** Features of the processor itself; those of the board and the monitor are theirs to announce. */
export const PROCESSOR_FEATURES: ReadonlySet<CpuFeature> = new Set<CpuFeature>([
  ...(['fpu', 'vme', 'de', 'pse', 'tsc', 'msr', 'pae', 'cx8', 'sep', 'pge', 'cmov', 'pat', 'pse36', 'clfsh'] as const),
  ...(['mmx', 'fxsr', 'sse', 'sse2', 'sse3', 'ssse3', 'sse4_1', 'sse4_2', 'pclmulqdq', 'aes', 'sha'] as const),
  ...(['monitor', 'cmpxchg16b', 'pcid', 'movbe', 'popcnt', 'xsave', 'xsaveopt', 'rdrand', 'rdseed', 'rdtscp'] as const),
  ...(['fsgsbase', 'smep', 'smap', 'umip', 'erms', 'fsrm', 'invpcid', 'clflushopt', 'clwb', 'prefetchw'] as const),
  ...(['lahf', 'syscall', 'nx', 'page1gb', 'lm'] as const),
]);

const CR4_BITS: readonly (readonly [CpuFeature, number])[] = [
  ['vme', 0],
  ['vme', 1],
  ['tsc', 2],
  ['de', 3],
  ['pse', 4],
  ['pae', 5],
  ['mce', 6],
  ['pge', 7],
  ['mmx', 8],
  ['fxsr', 9],
  ['sse', 10],
  ['umip', 11],
  ['fsgsbase', 16],
  ['pcid', 17],
  ['xsave', 18],
  ['smep', 20],
  ['smap', 21],
];
/** CR4 bits that are reserved without these features. */
export function absentCr4(features: ReadonlySet<string>): bigint {
  let absent = 0n;
  for (const [feature, bit] of CR4_BITS) if (!features.has(feature)) absent |= 1n << BigInt(bit);
  return absent;
}
/** MAXPHYADDR: 32 without PAE and PSE-36, 36 without 64-bit mode, else 40. */
export const physicalBits = (features: ReadonlySet<string> | undefined): bigint => {
  if (features === undefined || features.has('lm')) return 40n;
  return features.has('pae') || features.has('pse36') ? 36n : 32n;
};
