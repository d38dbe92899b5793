// A domain as configured: plain data that goes to the thread of its physical CPU.

import { ConfigError } from '../base/index.js';
import type { MachineConfig } from '../machine/index.js';
import type { PolicyConfig } from './policy.js';

/** A reservation of processor time: at most `budgetUs` in every `periodUs`, before domains of lower priority. */
export interface RealtimeConfig {
  /** 0..99; the larger is the more urgent. */
  readonly priority: number;
  readonly periodUs: number;
  /** The whole period unless given. */
  readonly budgetUs?: number;
}

/** One step of a script: waits for text, then for time, then types. */
export interface ScriptStep {
  /** Regular expression over what the guest has sent since the last match. */
  readonly expect?: string;
  /** Seconds of domain time to wait before typing. */
  readonly delayS?: number;
  readonly send?: string;
  /** Seconds of domain time that `expect` or `ended` may take; 60 by default. */
  readonly timeoutS?: number;
  /** Stops the domain, as a success. */
  readonly stop?: boolean;
  /** Waits until the guest has ended by itself (power off, debug exit). */
  readonly ended?: boolean;
}

/** An image file on the host that is a medium of a domain. */
export interface MediaFile {
  readonly path: string;
  /** The guest finds it write-protected. CD-ROMs always are. */
  readonly readOnly?: boolean;
}
/** What is in a domain's drives, as files: the thread of the physical CPU opens them. */
export interface MediaFiles {
  readonly disks?: readonly MediaFile[];
  readonly cdrom?: MediaFile;
  readonly floppies?: readonly MediaFile[];
}

export interface DomainConfig extends MachineConfig {
  readonly media?: MediaFiles;
  /** Reports what firmware writes to its debug port, line by line. */
  readonly debugPort?: boolean;
  /** Engine by name; `auto` takes `kvm` for real time where its self-test passes, else `software`. */
  readonly engine?: 'software' | 'kvm' | 'auto';
  /** False: an engine named by `engine` runs this guest though its self-test failed. */
  readonly selfTest?: boolean;
  /** Physical CPU, from 0. */
  readonly cpu?: number;
  /**
   * Physical CPUs that run the processors at the same time, dealt out in turn: processor 0 and the devices are on the
   * first. Instead of `cpu`; real time only.
   */
  readonly pcpus?: readonly number[];
  readonly realtime?: RealtimeConfig;
  /** Share among the domains without reservation; 100 by default. */
  readonly weight?: number;
  readonly script?: readonly ScriptStep[];
  /** Milliseconds since 1970 at power-on. Default: the host's in real time, a fixed date in virtual time. */
  readonly wallClockMs?: number;
  /** Domain time after which the domain is stopped with an error. */
  readonly limitS?: number;
  /** What the domain may do with hardware. */
  readonly policy?: PolicyConfig;
}

export const DEFAULT_WEIGHT = 100;
export const DEFAULT_TIMEOUT_S = 60;
/** 2026-01-01T00:00:00Z: what a virtual-time guest takes for the date, so that two runs are equal. */
export const VIRTUAL_WALL_CLOCK_MS = 1_767_225_600_000;
export const MAX_CPUS = 64;
export const DOMAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/;

const refuse = (code: string, message: string, domain: string): never => {
  throw new ConfigError(code, message, { domain });
};

/** The physical CPU of a domain's devices and boot processor. */
export const homeCpu = (c: DomainConfig): number => c.pcpus?.[0] ?? c.cpu ?? 0;

function checkPcpus(c: DomainConfig): void {
  const { name, pcpus } = c;
  if (pcpus === undefined) return;
  const list = `[${pcpus.join(', ')}]`;
  if (
    pcpus.length === 0 ||
    pcpus.some((p) => !Number.isInteger(p) || p < 0 || p >= MAX_CPUS) ||
    new Set(pcpus).size !== pcpus.length
  ) {
    refuse('DOMAIN_PCPUS', `domain '${name}' has pcpus ${list}, expected different ones of 0..${MAX_CPUS - 1}`, name);
  }
  const cpus = c.cpus ?? 1;
  if (pcpus.length > cpus) {
    refuse('DOMAIN_PCPUS', `domain '${name}' has pcpus ${list} for ${cpus} processors, expected at most ${cpus}`, name);
  }
  if (c.cpu !== undefined && c.cpu !== pcpus[0]) {
    refuse('DOMAIN_PCPUS', `domain '${name}' has pcpus ${list} and cpu ${c.cpu}, expected one of them`, name);
  }
  if (pcpus.length === 1) return;
  const other = c.time !== 'real' ? `time '${c.time}'` : c.realtime ? "'realtime'" : c.policy ? "a 'policy'" : null;
  if (other === null) return;
  const expected = c.time !== 'real' ? "time 'real'" : 'one physical CPU';
  refuse('DOMAIN_PCPUS', `domain '${name}' has pcpus ${list} and ${other}, expected ${expected}`, name);
}

/** Refuses what no machine or scheduler can make sense of. */
export function checkDomainConfig(c: DomainConfig): void {
  const { name } = c;
  if (!DOMAIN_NAME.test(name)) {
    refuse(
      'DOMAIN_NAME',
      `domain name '${name}', expected a letter or digit, then letters, digits, '_', '.', '-'`,
      name,
    );
  }
  const cpu = c.cpu ?? 0;
  if (!Number.isInteger(cpu) || cpu < 0 || cpu >= MAX_CPUS) {
    refuse('DOMAIN_CPU', `domain '${name}' is on cpu ${cpu}, expected 0..${MAX_CPUS - 1}`, name);
  }
  checkPcpus(c);
  const weight = c.weight ?? DEFAULT_WEIGHT;
  if (!(weight >= 1 && weight <= 10000)) {
    refuse('DOMAIN_WEIGHT', `domain '${name}' has weight ${weight}, expected 1..10000`, name);
  }
  if (c.realtime !== undefined && c.weight !== undefined) {
    refuse('DOMAIN_SCHEDULING', `domain '${name}' has both 'realtime' and 'weight', expected one of them`, name);
  }
  const rt = c.realtime;
  if (rt !== undefined) {
    if (!Number.isInteger(rt.priority) || rt.priority < 0 || rt.priority > 99) {
      refuse('DOMAIN_PRIORITY', `domain '${name}' has real-time priority ${rt.priority}, expected 0..99`, name);
    }
    if (!(rt.periodUs >= 10 && rt.periodUs <= 10_000_000)) {
      refuse('DOMAIN_PERIOD', `domain '${name}' has periodUs ${rt.periodUs}, expected 10..10000000`, name);
    }
    const budget = rt.budgetUs ?? rt.periodUs;
    if (!(budget >= 1 && budget <= rt.periodUs)) {
      refuse('DOMAIN_BUDGET', `domain '${name}' has budgetUs ${budget}, expected 1..${rt.periodUs} (periodUs)`, name);
    }
  }
  for (const [i, step] of (c.script ?? []).entries()) {
    try {
      if (step.expect !== undefined) new RegExp(step.expect, 'm');
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      refuse('SCRIPT_EXPECT', `domain '${name}', script step ${i + 1}: expect '${step.expect}': ${why}`, name);
    }
  }
}
