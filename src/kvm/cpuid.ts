// CPUID under KVM: the guest's answers are a table in the kernel. Linux api.rst, "KVM_SET_CPUID2",
// "KVM_GET_SUPPORTED_CPUID".
import { CPU_FEATURE_NAMES, CPUID_FEATURES, type CpuFeature, CpuidLeaf, type CpuidRegister } from '../arch/index.js';
import type { CpuidEntry } from '../vmx/index.js';
import { CPUID_ENTRY_BYTES, CPUID_SIGNIFICANT_INDEX, Ioctl } from './abi.js';
import type { Libc } from './libc.js';

const MAX_ENTRIES = 256;
const HEADER = 8;
/** Leaves whose answer depends on ECX. */
const INDEXED: ReadonlySet<number> = new Set([
  CpuidLeaf.DETERMINISTIC_CACHE,
  CpuidLeaf.EXTENDED_FEATURES,
  CpuidLeaf.TOPOLOGY,
  CpuidLeaf.XSAVE,
  0x12,
  0x14,
  0x17,
  0x18,
  0x1d,
  0x1e,
  0x1f,
]);

/** What KVM and the host's processor can give a guest. */
export function supportedCpuid(libc: Libc, kvmFd: number): CpuidEntry[] {
  const v = new DataView(new ArrayBuffer(HEADER + MAX_ENTRIES * CPUID_ENTRY_BYTES));
  v.setUint32(0, MAX_ENTRIES, true);
  libc.check(libc.ioctlBytes(kvmFd, Ioctl.GET_SUPPORTED_CPUID, v), 'KVM_GET_SUPPORTED_CPUID');
  return Array.from({ length: v.getUint32(0, true) }, (_, n) => {
    const at = HEADER + n * CPUID_ENTRY_BYTES;
    const word = (k: number): number => v.getUint32(at + 4 * k, true);
    return { leaf: word(0), subleaf: word(1), eax: word(3), ebx: word(4), ecx: word(5), edx: word(6) };
  });
}

/** The features that a table announces. */
export function featuresIn(entries: readonly CpuidEntry[]): ReadonlySet<CpuFeature> {
  return new Set(
    CPU_FEATURE_NAMES.filter((name) => {
      const f = CPUID_FEATURES[name];
      const e = entries.find((x) => x.leaf === f.leaf && x.subleaf === f.subleaf);
      return e !== undefined && ((e[f.register] >>> f.bit) & 1) === 1;
    }),
  );
}

/** A table with the feature bits that we name cut down to `features`. */
export function restrict(entries: readonly CpuidEntry[], features: ReadonlySet<string>): CpuidEntry[] {
  return entries.map((e) => {
    const out = { ...e };
    for (const name of CPU_FEATURE_NAMES) {
      const f = CPUID_FEATURES[name];
      const register: CpuidRegister = f.register;
      if (f.leaf === e.leaf && f.subleaf === e.subleaf && !features.has(name)) {
        out[register] = (out[register] & ~(1 << f.bit)) >>> 0;
      }
    }
    return out;
  });
}

/** Gives a vCPU its answers. */
export function loadCpuid(libc: Libc, vcpuFd: number, entries: readonly CpuidEntry[]): void {
  const v = new DataView(new ArrayBuffer(HEADER + entries.length * CPUID_ENTRY_BYTES));
  v.setUint32(0, entries.length, true);
  entries.forEach((e, n) => {
    const at = HEADER + n * CPUID_ENTRY_BYTES;
    const flags = INDEXED.has(e.leaf) ? CPUID_SIGNIFICANT_INDEX : 0;
    [e.leaf, e.subleaf, flags, e.eax, e.ebx, e.ecx, e.edx].forEach((word, k) => {
      v.setUint32(at + 4 * k, word >>> 0, true);
    });
  });
  libc.check(libc.ioctlBytes(vcpuFd, Ioctl.SET_CPUID2, v), `KVM_SET_CPUID2 with ${entries.length} entries`);
}
