// CPUID leaves as a table over a model, the engine's features and the board's facts.
// Intel SDM Vol. 2A, "CPUID—CPU Identification"; leaves 40000000H and 40000010H follow the common hypervisor convention.
import {
  type CpuFeature,
  CpuidLeaf,
  type CpuidRegister,
  type CpuidResult,
  cpuidSignature,
  cpuidText,
  featureMask,
  XCR0,
} from '../arch/index.js';
import { type CpuModel, MONITOR_FEATURES } from './cpu-models.js';

export interface CpuidOptions {
  readonly model: CpuModel;
  /** What the engine implements; nothing else is announced (see MONITOR_FEATURES for the board's part). */
  readonly engineFeatures: ReadonlySet<CpuFeature>;
  /** Features of the model that this domain does not want, or extra ones that the engine has. */
  readonly without?: readonly CpuFeature[];
  readonly extra?: readonly CpuFeature[];
  readonly vcpus: number;
  readonly apicId: number;
  readonly tscHz: number;
  /** Frequency that feeds the local APIC timer; the core crystal clock of leaf 15H. */
  readonly apicBusHz: number;
  readonly physicalAddressBits?: number;
}

/** State that some leaves show. */
export interface CpuidDynamic {
  /** CR4.OSXSAVE. */
  readonly osxsave: boolean;
  /** IA32_APIC_BASE enables the local APIC. */
  readonly apicEnabled: boolean;
  readonly xcr0: number;
}

const HYPERVISOR_SIGNATURE = 'PcanelPcanel';
const LINEAR_ADDRESS_BITS = 48;
const CACHE_LINE_BYTES = 64;
const XSAVE_LEGACY_BYTES = 512;
const XSAVE_HEADER_BYTES = 64;
const AVX_BYTES = 256;

interface Cache {
  readonly type: 1 | 2 | 3;
  readonly level: number;
  readonly ways: number;
  readonly sets: number;
  readonly shared: boolean;
}
/** Leaf 4: 32 KiB data, 32 KiB instruction, 256 KiB unified, 4 MiB shared. */
const CACHES: readonly Cache[] = [
  { type: 1, level: 1, ways: 8, sets: 64, shared: false },
  { type: 2, level: 1, ways: 8, sets: 64, shared: false },
  { type: 3, level: 2, ways: 8, sets: 512, shared: false },
  { type: 3, level: 3, ways: 16, sets: 4096, shared: true },
];

const result = (eax = 0, ebx = 0, ecx = 0, edx = 0): CpuidResult => ({
  eax: eax >>> 0,
  ebx: ebx >>> 0,
  ecx: ecx >>> 0,
  edx: edx >>> 0,
});
const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
const log2Ceil = (n: number): number => (n <= 1 ? 0 : 32 - Math.clz32(n - 1));

type Leaf = (p: CpuidPolicy, subleaf: number, d: CpuidDynamic) => CpuidResult;

const featuresOf = (p: CpuidPolicy, leaf: number, subleaf = 0): CpuidResult => p.featuresOf(leaf, subleaf);
const brand =
  (part: number): Leaf =>
  (p) => {
    const text = p.options.model.brand.slice(0, 47);
    const at = (i: number): number => cpuidText(text.slice(part * 16 + i * 4, part * 16 + i * 4 + 4));
    return result(at(0), at(1), at(2), at(3));
  };

/** XCR0 bits that the features allow. */
const xcr0Supported = (features: ReadonlySet<CpuFeature>): number =>
  features.has('xsave') ? XCR0.X87 | XCR0.SSE | (features.has('avx') ? XCR0.AVX : 0) : 0;
const xsaveBytes = (xcr0: number): number =>
  XSAVE_LEGACY_BYTES + XSAVE_HEADER_BYTES + (xcr0 & XCR0.AVX ? AVX_BYTES : 0);

const LEAVES: ReadonlyMap<number, Leaf> = new Map<number, Leaf>([
  [CpuidLeaf.VENDOR, (p) => result(p.options.model.maxBasic, cpuidText('Genu'), cpuidText('ntel'), cpuidText('ineI'))],
  [
    CpuidLeaf.FEATURES,
    (p, _subleaf, d) => {
      const { model, vcpus, apicId } = p.options;
      const f = featuresOf(p, CpuidLeaf.FEATURES);
      const osxsave = d.osxsave && p.features.has('xsave') ? 1 << 27 : 0;
      const apicBit = d.apicEnabled ? 0 : 1 << 9;
      return result(
        cpuidSignature(model.family, model.model, model.stepping),
        (apicId << 24) | (vcpus << 16) | (p.features.has('clfsh') ? (CACHE_LINE_BYTES / 8) << 8 : 0),
        f.ecx | osxsave,
        f.edx & ~apicBit,
      );
    },
  ],
  // 5AH, 03H, 76H, B2H, CAH: TLBs; F0H: 64-byte prefetch; FFH: caches are in leaf 4.
  [CpuidLeaf.CACHE_DESCRIPTORS, () => result(0x7603_5a01, 0x00f0_b2ff, 0, 0x00ca_0000)],
  [
    CpuidLeaf.DETERMINISTIC_CACHE,
    (p, subleaf) => {
      const c = CACHES[subleaf];
      if (!c) return result();
      const sharing = c.shared ? (1 << log2Ceil(p.options.vcpus)) - 1 : 0;
      const cores = (1 << log2Ceil(p.options.vcpus)) - 1;
      return result(
        c.type | (c.level << 5) | (1 << 8) | (sharing << 14) | (cores << 26),
        (CACHE_LINE_BYTES - 1) | ((c.ways - 1) << 22),
        c.sets - 1,
        0,
      );
    },
  ],
  [CpuidLeaf.THERMAL_POWER, (p) => featuresOf(p, CpuidLeaf.THERMAL_POWER)],
  [
    CpuidLeaf.EXTENDED_FEATURES,
    (p, subleaf) => {
      if (subleaf > 2) return result();
      const leaf = featuresOf(p, CpuidLeaf.EXTENDED_FEATURES, subleaf);
      const last = p.features.has('bhiCtrl') ? 2 : 0;
      return subleaf === 0 ? { ...leaf, eax: last } : leaf;
    },
  ],
  [
    CpuidLeaf.TOPOLOGY,
    (p, subleaf) => {
      const { vcpus, apicId } = p.options;
      // Level types: 1 SMT (one thread per core), 2 core.
      if (subleaf === 0) return result(0, 1, 0x100, apicId);
      if (subleaf === 1) return result(log2Ceil(vcpus), vcpus, 0x201, apicId);
      return result(0, 0, subleaf & 0xff, apicId);
    },
  ],
  [
    CpuidLeaf.XSAVE,
    (p, subleaf, d) => {
      const supported = xcr0Supported(p.features);
      if (supported === 0) return result();
      if (subleaf === 0) return result(supported, xsaveBytes(d.xcr0), xsaveBytes(supported), 0);
      if (subleaf === 1) {
        const { eax } = p.featuresOf(CpuidLeaf.XSAVE, 1);
        return result(eax, p.features.has('xsavec') ? xsaveBytes(d.xcr0) : 0);
      }
      if (subleaf === 2 && supported & XCR0.AVX) {
        return result(AVX_BYTES, XSAVE_LEGACY_BYTES + XSAVE_HEADER_BYTES);
      }
      return result();
    },
  ],
  [
    CpuidLeaf.TSC,
    (p) => {
      const { tscHz, apicBusHz } = p.options;
      // Guests compute crystal kHz * numerator in 32 bits: only whole-megahertz frequencies keep that exact.
      if (!p.features.has('invariantTsc') || tscHz % 1e6 !== 0 || apicBusHz % 1e6 !== 0) return result();
      const g = gcd(tscHz, apicBusHz);
      return result(apicBusHz / g, tscHz / g, apicBusHz);
    },
  ],
  [
    CpuidLeaf.FREQUENCY,
    (p) => {
      const mhz = Math.round(p.options.tscHz / 1e6);
      return result(mhz, mhz, 100);
    },
  ],
  [
    CpuidLeaf.HYPERVISOR_VENDOR,
    () =>
      result(
        CpuidLeaf.HYPERVISOR_TIMING,
        cpuidText(HYPERVISOR_SIGNATURE),
        cpuidText(HYPERVISOR_SIGNATURE.slice(4)),
        cpuidText(HYPERVISOR_SIGNATURE.slice(8)),
      ),
  ],
  [
    CpuidLeaf.HYPERVISOR_TIMING,
    (p) => result(Math.round(p.options.tscHz / 1000), Math.round(p.options.apicBusHz / 1000)),
  ],
  [CpuidLeaf.EXTENDED_MAX, (p) => result(p.options.model.maxExtended)],
  [CpuidLeaf.EXTENDED_SIGNATURE, (p) => featuresOf(p, CpuidLeaf.EXTENDED_SIGNATURE)],
  [CpuidLeaf.BRAND_0, brand(0)],
  [CpuidLeaf.BRAND_1, brand(1)],
  [CpuidLeaf.BRAND_2, brand(2)],
  // L2: 256 KiB, 8-way (code 6), 64-byte lines.
  [CpuidLeaf.EXTENDED_CACHE, () => result(0, 0, (256 << 16) | (6 << 12) | CACHE_LINE_BYTES)],
  [CpuidLeaf.EXTENDED_POWER, (p) => featuresOf(p, CpuidLeaf.EXTENDED_POWER)],
  [CpuidLeaf.ADDRESS_SIZES, (p) => result(p.physicalAddressBits | (LINEAR_ADDRESS_BITS << 8))],
]);

/** Subleaves of the leaves that have several, the empty one that ends a list included. */
const SUBLEAVES: Readonly<Record<number, number>> = {
  [CpuidLeaf.DETERMINISTIC_CACHE]: CACHES.length + 1,
  [CpuidLeaf.EXTENDED_FEATURES]: 1,
  [CpuidLeaf.TOPOLOGY]: 3,
  [CpuidLeaf.XSAVE]: 3,
};

/** Requirements between features: the left one is dropped without the right one. */
const NEEDS: readonly (readonly [CpuFeature, CpuFeature])[] = [
  ['sse', 'fxsr'],
  ['sse2', 'sse'],
  ['sse3', 'sse2'],
  ['ssse3', 'sse3'],
  ['sse4_1', 'ssse3'],
  ['sse4_2', 'sse4_1'],
  ['avx', 'xsave'],
  ['avx2', 'avx'],
  ['fma', 'avx'],
  ['f16c', 'avx'],
  ['xsaveopt', 'xsave'],
  ['xsavec', 'xsave'],
  ['xgetbv1', 'xsavec'],
  ['lm', 'pae'],
  ['page1gb', 'lm'],
  ['pcid', 'lm'],
  ['invpcid', 'pcid'],
  ['x2apic', 'apic'],
  ['tscDeadline', 'apic'],
  ['arat', 'apic'],
];

/** The features a guest sees. */
export function guestFeatures(o: Omit<CpuidOptions, 'apicId'>): ReadonlySet<CpuFeature> {
  const out = new Set<CpuFeature>();
  for (const f of [...o.model.features, ...(o.extra ?? [])]) {
    if (o.without?.includes(f)) continue;
    if (MONITOR_FEATURES.has(f) || o.engineFeatures.has(f)) out.add(f);
  }
  if (o.vcpus < 2) out.delete('htt');
  for (let changed = true; changed; ) {
    changed = false;
    for (const [f, needed] of NEEDS) if (out.has(f) && !out.has(needed)) changed = out.delete(f);
  }
  return out;
}

/** Answers CPUID for one vCPU. */
export class CpuidPolicy {
  readonly features: ReadonlySet<CpuFeature>;
  readonly physicalAddressBits: number;
  /** XCR0 bits a guest may set; 0 without XSAVE. */
  readonly xcr0Supported: number;
  /** EAX of leaf 1, also the initial EDX of a processor. */
  readonly signature: number;
  /** Feature bits by leaf and subleaf: programs ask whenever they start. */
  readonly #featureBits = new Map<number, CpuidResult>();

  constructor(readonly options: CpuidOptions) {
    this.features = guestFeatures(options);
    this.physicalAddressBits = options.physicalAddressBits ?? 40;
    this.xcr0Supported = xcr0Supported(this.features);
    this.signature = cpuidSignature(options.model.family, options.model.model, options.model.stepping);
  }

  /** The registers of a leaf with the bits of the guest's features. */
  featuresOf(leaf: number, subleaf: number): CpuidResult {
    const key = leaf * 4 + subleaf;
    const known = this.#featureBits.get(key);
    if (known !== undefined) return known;
    const of = (register: CpuidRegister): number => featureMask(this.features, leaf, subleaf, register);
    const bits = { eax: of('eax'), ebx: of('ebx'), ecx: of('ecx'), edx: of('edx') };
    this.#featureBits.set(key, bits);
    return bits;
  }
  /** True when the answer depends on CpuidDynamic. */
  isDynamic(leaf: number): boolean {
    return leaf === CpuidLeaf.FEATURES || leaf === CpuidLeaf.XSAVE || !this.#inRange(leaf);
  }

  /** True when the answer depends on the subleaf. */
  hasSubleaves(leaf: number): boolean {
    return SUBLEAVES[this.#effective(leaf)] !== undefined;
  }

  /** The answer; leaves beyond the highest basic one read like that one (SDM "Input EAX out of range"). */
  answer(leaf: number, subleaf: number, dynamic: CpuidDynamic): CpuidResult {
    return LEAVES.get(this.#effective(leaf))?.(this, subleaf, dynamic) ?? result();
  }

  /** Every leaf and subleaf that has an answer of its own, for engines that keep them as a table. */
  questions(): { readonly leaf: number; readonly subleaf: number }[] {
    const leaves = [...LEAVES.keys()].filter((leaf) => this.#inRange(leaf));
    return leaves.flatMap((leaf) => Array.from({ length: SUBLEAVES[leaf] ?? 1 }, (_, subleaf) => ({ leaf, subleaf })));
  }

  #effective(leaf: number): number {
    return this.#inRange(leaf) ? leaf : this.options.model.maxBasic;
  }
  #inRange(leaf: number): boolean {
    const { maxBasic, maxExtended } = this.options.model;
    if (leaf <= maxBasic) return true;
    if (leaf >= 0x8000_0000) return maxExtended !== 0 && leaf <= maxExtended;
    if (leaf >= 0x4000_0000 && leaf <= 0x4000_00ff) return this.features.has('hypervisor');
    return false;
  }
}
