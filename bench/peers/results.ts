// What a comparison has measured, as plain data (the JSON file), and the arithmetic on it: medians, ratios, means.
import type { HostDetails } from '../output.js';
import { BOOT, GROUPS, type Group, LIMIT_QEMU } from './programs.js';
import type { BootRun } from './run.js';

export type ClockOfHost = 'wall' | 'cpu';

/** All boots of one peer with one guest. */
export interface PeerResult {
  readonly peer: string;
  readonly label: string;
  readonly version: string;
  /** Host seconds per program (and `boot`), one per boot that came to its end. */
  readonly wall: Record<string, number[]>;
  /** Processor seconds likewise; empty where the host does not tell. */
  readonly cpu: Record<string, number[]>;
  readonly peakMib: number[];
  /** Programs whose checksum is not the native one. */
  readonly wrong: string[];
  readonly failures: string[];
}
export interface GuestResult {
  readonly bits: '32' | '64';
  readonly kernel: string;
  readonly native: Record<string, { readonly seconds: number; readonly checksum: string }>;
  readonly peers: PeerResult[];
}
export interface Comparison {
  readonly host: HostDetails;
  readonly command: string;
  /** Cores that each peer might use; null: all. */
  readonly cores: number | null;
  readonly boots: number;
  readonly divisor: number;
  readonly guests: GuestResult[];
  /** Peers that could not be had, with their reasons. */
  readonly skipped: string[];
}

export const emptyResult = (peer: string, label: string, version: string): PeerResult => ({
  peer,
  label,
  version,
  wall: {},
  cpu: {},
  peakMib: [],
  wrong: [],
  failures: [],
});

/** Adds a boot; a checksum that is not the native one is noted; its time is left out, as is one that could not be taken. */
export function addBoot(result: PeerResult, boot: BootRun, native: GuestResult['native']): void {
  if (boot.failure !== null) {
    result.failures.push(boot.failure);
    return;
  }
  const add = (to: Record<string, number[]>, name: string, value: number | null): void => {
    if (value === null) return;
    to[name] ??= [];
    to[name].push(value);
  };
  add(result.wall, BOOT, boot.bootSeconds);
  add(result.cpu, BOOT, boot.bootCpuSeconds);
  if (boot.peakMib !== null) result.peakMib.push(boot.peakMib);
  for (const [name, p] of boot.programs) {
    if (p.checksum !== native[name]?.checksum) {
      if (!result.wrong.includes(name)) result.wrong.push(name);
      continue;
    }
    // Both markers came at once: the host had no time to read the first before the program had ended.
    if (p.seconds === 0) continue;
    add(result.wall, name, p.seconds);
    add(result.cpu, name, p.cpuSeconds);
  }
}

/** The middle value, or null of none. */
export function median(values: readonly number[] | undefined): number | null {
  if (values === undefined || values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  return ((sorted[(n - 1) >> 1] as number) + (sorted[n >> 1] as number)) / 2;
}
/** Processor time is known in steps of 10 ms: what shows as none took half a step. Seconds. */
const HALF_CPU_STEP = 0.005;
export function timeOf(peer: PeerResult, program: string, clock: ClockOfHost): number | null {
  const time = median(peer[clock][program]);
  return time === null || clock === 'wall' ? time : Math.max(HALF_CPU_STEP, time);
}

/** a's time divided by b's. */
export function ratio(a: PeerResult, b: PeerResult, program: string, clock: ClockOfHost): number | null {
  const x = timeOf(a, program, clock);
  const y = timeOf(b, program, clock);
  return x === null || y === null || y === 0 ? null : x / y;
}
export function geometricMean(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.exp(values.reduce((sum, v) => sum + Math.log(v), 0) / values.length);
}
/** Geometric mean of the ratios of the programs that both have run. */
export function meanRatio(
  a: PeerResult,
  b: PeerResult,
  programs: readonly string[],
  clock: ClockOfHost,
): number | null {
  return geometricMean(programs.map((p) => ratio(a, b, p, clock)).filter((r) => r !== null && r > 0) as number[]);
}

/** a's time over b's for a group: the geometric mean, or the worst program where each has to meet the target. */
export function groupRatio(a: PeerResult, b: PeerResult, group: Group, clock: ClockOfHost): number | null {
  if (!group.each) return meanRatio(a, b, group.programs, clock);
  const ratios = group.programs.map((p) => ratio(a, b, p, clock)).filter((r) => r !== null);
  return ratios.length === 0 ? null : Math.max(...ratios);
}
const ALL = GROUPS.flatMap((g) => g.programs);
/** a's time over b's over everything that both have run, boot included. */
export const overallRatio = (a: PeerResult, b: PeerResult, clock: ClockOfHost): number | null =>
  meanRatio(a, b, ALL, clock);

/** Virtual time may cost this many times the host time of real time. */
export const LIMIT_VIRTUAL = 1.3;
export interface VirtualCost {
  /** Geometric mean over the programs; the boot waits in real time and is left out. */
  readonly mean: number;
  readonly worst: string;
  readonly worstRatio: number;
}
/** What Pcanel's virtual time costs over its real time with the same programs, or null without both. */
export function virtualCost(guest: GuestResult, clock: ClockOfHost): VirtualCost | null {
  const of = (time: string): PeerResult | undefined => guest.peers.find((p) => p.peer === `pcanel-${time}`);
  const [virtual, real] = [of('virtual'), of('real')];
  if (virtual === undefined || real === undefined) return null;
  const programs = ALL.filter((p) => p !== BOOT);
  const mean = meanRatio(virtual, real, programs, clock);
  if (mean === null) return null;
  const list = programs.map((worst) => ({ worst, worstRatio: ratio(virtual, real, worst, clock) ?? 0 }));
  return { mean, ...list.reduce((a, b) => (b.worstRatio > a.worstRatio ? b : a)) };
}

/** How many cores a peer might use, in words. */
export const coresText = (c: Comparison): string =>
  c.cores === null ? `all ${c.host.cores} cores` : `${c.cores} core${c.cores === 1 ? '' : 's'}`;

/** The target of a group against a peer, or null. */
export const targetOf = (group: Group, peer: string): number | null =>
  peer === 'qemu' ? group.targetQemu : peer === 'v86' ? group.targetV86 : null;

/** Programs of Pcanel that take longer than LIMIT_QEMU times QEMU's time. */
export function tooSlow(
  pcanel: PeerResult,
  qemu: PeerResult,
  clock: ClockOfHost,
): { program: string; ratio: number }[] {
  return GROUPS.flatMap((g) => g.programs)
    .map((program) => ({ program, ratio: ratio(pcanel, qemu, program, clock) ?? 0 }))
    .filter((r) => r.ratio > LIMIT_QEMU)
    .sort((a, b) => b.ratio - a.ratio);
}
