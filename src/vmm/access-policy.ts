// The domain's own say over a guest's access to hardware: observe, deny or fake ports, MMIO ranges, MSRs, CPUID leaves.
import type { CpuidResult } from '../arch/index.js';
import { ConfigError } from '../base/index.js';
import { setMsrBitmap, type VcpuControls } from '../vmx/index.js';

export type AccessKind = 'port' | 'mmio' | 'msr' | 'cpuid';

/** One access of a guest. Copy what you keep: the object is reused. */
export interface GuestAccess {
  kind: AccessKind;
  vcpu: number;
  /** Port, guest-physical address, MSR index or CPUID leaf. */
  address: number;
  /** CPUID subleaf, else 0. */
  subleaf: number;
  sizeBytes: number;
  isWrite: boolean;
  /** The data: of a write before it happens, of a read after it (0 for CPUID). */
  value: bigint;
}

/**
 * What happens to an access. `allow`: as without a rule. `deny`: ports and MMIO read all ones and drop writes, MSRs raise
 * #GP(0), CPUID answers zeros. `fake`: a read gives `value` (CPUID: `cpuid`), a write is swallowed.
 */
export type Verdict =
  | 'allow'
  | 'deny'
  | { readonly fake: bigint | number }
  | { readonly fakeCpuid: Partial<CpuidResult> };

export interface AccessRule {
  readonly kind: AccessKind;
  /** First address and number of addresses. */
  readonly range: readonly [start: number, count: number];
  /** Default: both. */
  readonly access?: 'read' | 'write';
  /** A fixed verdict (`allow` only observes), or a function that decides each time. */
  readonly verdict: Verdict | ((access: Readonly<GuestAccess>) => Verdict);
}

export interface AccessPolicyOptions {
  /** Tried in order; the first that matches decides. */
  readonly rules?: readonly AccessRule[];
  /** Told of every access that a rule matched, after it happened. */
  readonly observe?: (access: Readonly<GuestAccess>, verdict: Verdict, rule: AccessRule) => void;
}

const KINDS: readonly AccessKind[] = ['port', 'mmio', 'msr', 'cpuid'];

interface Matched {
  readonly rule: AccessRule;
  readonly end: number;
  hits: number;
}

/** Rules of one domain. `watches(kind)` is false where there are none, which costs one comparison per exit. */
export class AccessPolicy {
  readonly #rules: Record<AccessKind, Matched[]> = { port: [], mmio: [], msr: [], cpuid: [] };
  readonly #observe: AccessPolicyOptions['observe'];
  readonly #access: GuestAccess = {
    kind: 'port',
    vcpu: 0,
    address: 0,
    subleaf: 0,
    sizeBytes: 0,
    isWrite: false,
    value: 0n,
  };
  #matched: Matched | null = null;

  constructor(options: AccessPolicyOptions = {}) {
    this.#observe = options.observe;
    for (const rule of options.rules ?? []) {
      const [start, count] = rule.range;
      if (!KINDS.includes(rule.kind)) {
        throw new ConfigError('POLICY_RULE', `access rule of kind '${rule.kind}', expected one of ${KINDS.join(', ')}`);
      }
      if (!Number.isSafeInteger(start) || !Number.isSafeInteger(count) || start < 0 || count < 1) {
        throw new ConfigError(
          'POLICY_RULE',
          `access rule of kind '${rule.kind}' has range [${start}, ${count}], expected [start >= 0, count >= 1]`,
        );
      }
      this.#rules[rule.kind].push({ rule, end: start + count, hits: 0 });
    }
  }

  watches(kind: AccessKind): boolean {
    return this.#rules[kind].length !== 0;
  }

  /** Makes the MSRs that a rule names exit even where the processor keeps them. */
  applyTo(controls: VcpuControls): void {
    for (const { rule, end } of this.#rules.msr) {
      for (const [low, high] of [
        [0, 0x2000],
        [0xc000_0000, 0xc000_2000],
      ] as const) {
        for (let i = Math.max(low, rule.range[0]); i < Math.min(high, end); i++) {
          setMsrBitmap(controls.msrBitmap, i, rule.access ?? 'both', true);
        }
      }
    }
  }

  /** The verdict on an access that is about to happen; null where no rule matches. */
  decide(
    kind: AccessKind,
    vcpu: number,
    address: number,
    sizeBytes: number,
    isWrite: boolean,
    value: bigint,
    subleaf = 0,
  ): Verdict | null {
    this.#matched = null;
    for (const m of this.#rules[kind]) {
      const { rule } = m;
      const last = kind === 'port' || kind === 'mmio' ? address + sizeBytes : address + 1;
      if (last <= rule.range[0] || address >= m.end) continue;
      if (rule.access !== undefined && (rule.access === 'write') !== isWrite) continue;
      m.hits++;
      this.#matched = m;
      Object.assign(this.#access, { kind, vcpu, address, subleaf, sizeBytes, isWrite, value });
      return typeof rule.verdict === 'function' ? rule.verdict(this.#access) : rule.verdict;
    }
    return null;
  }

  /** Tells the observer what became of the access that `decide` matched last. */
  done(verdict: Verdict, value: bigint): void {
    if (this.#matched === null || this.#observe === undefined) return;
    this.#access.value = value;
    this.#observe(this.#access, verdict, this.#matched.rule);
  }

  /** How often each rule matched, in the order of the kinds and rules. */
  hits(): readonly { readonly rule: AccessRule; readonly hits: number }[] {
    return KINDS.flatMap((k) => this.#rules[k].map(({ rule, hits }) => ({ rule, hits })));
  }
}
