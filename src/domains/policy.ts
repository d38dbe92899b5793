// A domain's access policy as configured: tables, or a module that the thread of the physical CPU loads.
// A policy is asked during a VM exit, on the thread of the guest; so it must be data, or code that lives there.

import { ConfigError } from '../base/index.js';
import type { AccessKind, AccessPolicyOptions, AccessRule, GuestAccess, Verdict } from '../machine/index.js';

/** A rule whose verdict is fixed. */
export interface PolicyRule extends Omit<AccessRule, 'verdict'> {
  readonly verdict: Verdict;
}

/** Code for a policy: an ES module, imported on the thread of the domain's physical CPU. */
export interface PolicyModule {
  /** `file:` URL or absolute path; in a browser any URL that the page may import. */
  readonly url: string;
  /** Name of the exported function; `policy` by default. It gets `argument` and returns `AccessPolicyOptions`. */
  readonly exportName?: string;
  /** Plain data. */
  readonly argument?: unknown;
}

/**
 * The rules here come before those of the module. Verdicts that are functions, and `observe`, need physical CPUs on the
 * caller's own thread: they cannot be sent to another.
 */
export interface PolicyConfig extends AccessPolicyOptions {
  readonly module?: PolicyModule;
}

/** An access that a rule matched. 64-bit values as hexadecimal text. */
export interface AccessRecord {
  /** Counts the matched accesses of a domain, from 0. */
  readonly sequence: number;
  /** Domain time in nanoseconds. */
  readonly timeNs: number;
  readonly kind: AccessKind;
  readonly vcpu: number;
  /** Port, guest-physical address, MSR or CPUID leaf. */
  readonly address: number;
  readonly subleaf: number;
  readonly sizeBytes: number;
  readonly isWrite: boolean;
  readonly value: string;
  readonly verdict: 'allow' | 'deny' | 'fake';
}

export interface AccessBatch {
  readonly records: readonly AccessRecord[];
  /** Sequence number to read from next time. */
  readonly next: number;
  /** Records that were overwritten before they were read. */
  readonly lost: number;
}

/** Records kept for the next `read`. */
export const ACCESS_KEEP = 4096;

/** The last accesses that rules matched. */
export class AccessLog {
  #records: AccessRecord[] = [];
  #next = 0;

  put(access: Readonly<GuestAccess>, verdict: Verdict, timeNs: number): void {
    const { kind, vcpu, address, subleaf, sizeBytes, isWrite, value } = access;
    this.#records.push({
      ...{ sequence: this.#next++, timeNs, kind, vcpu, address, subleaf, sizeBytes, isWrite },
      value: `0x${value.toString(16)}`,
      verdict: typeof verdict === 'string' ? verdict : 'fake',
    });
    if (this.#records.length >= 2 * ACCESS_KEEP) this.#records = this.#records.slice(-ACCESS_KEEP);
  }

  read(since = 0): AccessBatch {
    const kept = this.#records.slice(-ACCESS_KEEP);
    const first = kept[0]?.sequence ?? this.#next;
    const from = Math.max(since, first);
    return { records: kept.slice(from - first), next: this.#next, lost: Math.max(0, from - since) };
  }
}

/** Loads a module by URL. */
export type ModuleLoader = (url: string) => Promise<Readonly<Record<string, unknown>>>;

async function fromModule(m: PolicyModule, load: ModuleLoader | undefined): Promise<AccessPolicyOptions> {
  const name = m.exportName ?? 'policy';
  const refuse = (why: string, cause?: unknown): never => {
    const message = `policy module '${m.url}' ${why}`;
    throw new ConfigError('POLICY_MODULE', message, { url: m.url }, { cause });
  };
  if (load === undefined) return refuse('cannot be loaded: this host loads no modules');
  const module = await load(m.url).catch((error: unknown) =>
    refuse(`cannot be loaded: ${error instanceof Error ? error.message : String(error)}`, error),
  );
  const make = module[name];
  if (typeof make !== 'function') return refuse(`has no function '${name}', expected one`);
  try {
    const made: unknown = await make(m.argument);
    if (typeof made !== 'object' || made === null) return refuse(`gave ${String(made)}, expected { rules, observe }`);
    return made as AccessPolicyOptions;
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    return refuse(`failed: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

/** The policy that a configuration describes; every matched access is told to `observed`. */
export async function loadPolicy(
  config: PolicyConfig,
  load: ModuleLoader | undefined,
  observed: (access: Readonly<GuestAccess>, verdict: Verdict) => void,
): Promise<AccessPolicyOptions> {
  const module = config.module === undefined ? {} : await fromModule(config.module, load);
  return {
    rules: [...(config.rules ?? []), ...(module.rules ?? [])],
    observe: (access, verdict, rule) => {
      observed(access, verdict);
      config.observe?.(access, verdict, rule);
      module.observe?.(access, verdict, rule);
    },
  };
}
