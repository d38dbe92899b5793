// What the dashboard knows: domains, the host, and rates over the last minutes, made from the server's counters.

import { computed, signal } from '@preact/signals';
import { ApiError, api, type DomainView, type HostView } from './api.js';
import { type CpuStat, type DomainStat, type LiveOf, live } from './live.js';

export const TABS = ['overview', 'console', 'screen', 'exits', 'scheduler', 'latency', 'details'] as const;
export type Tab = (typeof TABS)[number];

export const domains = signal<readonly DomainView[]>([]);
export const host = signal<HostView | null>(null);
export const rssBytes = signal(0);
/** Seconds since the server started. */
export const uptimeS = signal(0);
let bootTimeMs = 0;
export const needsToken = signal(false);
export const notice = signal<{ readonly text: string; readonly bad: boolean } | null>(null);
export const tab = signal<Tab>('overview');
export const selectedName = signal<string | null>(null);
export const selected = computed(
  () => domains.value.find((d) => d.name === selectedName.value) ?? domains.value[0] ?? null,
);

// ---- rates ----

/** Points kept: four minutes at two a second. */
const KEEP = 480;
export interface Rates {
  readonly exitsPerS: number;
  readonly interruptsPerS: number;
  readonly mips: number;
  /** Host time spent in the domain, of one CPU, 0..1. */
  readonly cpu: number;
  /** The part of it that handled exits. */
  readonly exitCpu: number;
  readonly byReason: ReadonlyMap<string, number>;
}
export interface Point {
  /** Seconds of the server's clock. */
  readonly t: number;
  readonly domains: ReadonlyMap<string, Rates>;
  /** Share of time in which a physical CPU ran domains. */
  readonly cpus: ReadonlyMap<number, number>;
}
export const history = signal<readonly Point[]>([]);
export const stats = signal<ReadonlyMap<string, DomainStat>>(new Map());
export const cpuStats = signal<readonly CpuStat[]>([]);

const ZERO: Rates = { exitsPerS: 0, interruptsPerS: 0, mips: 0, cpu: 0, exitCpu: 0, byReason: new Map() };
export const ratesOf = (name: string): Rates => history.value.at(-1)?.domains.get(name) ?? ZERO;

/** Differences of two sets of counters; a domain that was reset counts from nothing. */
function rates(now: DomainStat, before: DomainStat | undefined, seconds: number): Rates {
  const a = now.machine;
  const b = before !== undefined && before.machine.exitsTotal <= a.exitsTotal ? before.machine : null;
  const per = (x: number, y: number | undefined): number => Math.max(0, x - (y ?? 0)) / seconds;
  const old = new Map(b?.exits.map((e) => [e.name, e.count]));
  const byReason = new Map<string, number>();
  for (const e of a.exits) {
    const rate = per(e.count, old.get(e.name));
    if (rate > 0) byReason.set(e.name, rate);
  }
  return {
    exitsPerS: per(a.exitsTotal, b?.exitsTotal),
    interruptsPerS: per(a.interrupts, b?.interrupts),
    mips: per(a.instructions, b?.instructions) / 1e6,
    cpu: per(a.hostNs, b?.hostNs) / 1e9,
    exitCpu: per(a.hostExitNs, b?.hostExitNs) / 1e9,
    byReason,
  };
}

let last: LiveOf<'stat'> | null = null;
function takeStat(message: LiveOf<'stat'>): void {
  const before = last;
  last = message;
  rssBytes.value = message.rssBytes;
  uptimeS.value = Math.floor((Date.now() - bootTimeMs) / 1000);
  cpuStats.value = message.cpus;
  const all = message.cpus.flatMap((c) => c.domains);
  const old = stats.value;
  stats.value = new Map(all.map((d) => [d.name, d]));
  if (before === null || message.timeMs <= before.timeMs) return;
  const seconds = (message.timeMs - before.timeMs) / 1000;
  // a domain seen for the first time has no rate yet
  const known = all.filter((d) => old.has(d.name));
  const cpus = message.cpus.map((c): [number, number] => {
    const then = before.cpus.find((o) => o.cpu === c.cpu);
    return [c.cpu, Math.min(1, Math.max(0, c.busyNs - (then?.busyNs ?? c.busyNs)) / 1e9 / seconds)];
  });
  const point: Point = {
    t: message.timeMs / 1000,
    domains: new Map(known.map((d) => [d.name, rates(d, old.get(d.name), seconds)])),
    cpus: new Map(cpus),
  };
  history.value = [...history.value.slice(-KEEP + 1), point];
}

function takeEvent({ event }: LiveOf<'event'>): void {
  if (event.kind === 'removed') domains.value = domains.value.filter((d) => d.name !== event.name);
  else if (event.kind === 'domain') {
    const { domain } = event;
    const at = domains.value.findIndex((d) => d.name === domain.name);
    domains.value = at < 0 ? [...domains.value, domain] : domains.value.with(at, domain);
  }
}

// ---- the address: #/NAME/TAB ----

export function go(to: { name?: string; tab?: Tab }): void {
  const name = to.name ?? selected.value?.name ?? '-';
  location.hash = `#/${name}/${to.tab ?? tab.value}`;
}
function readAddress(): void {
  const [, name, view] = location.hash.split('/');
  if (name !== undefined && name !== '-') selectedName.value = decodeURIComponent(name);
  tab.value = TABS.find((t) => t === view) ?? 'overview';
}

// ---- start ----

/** Shows what went wrong (or right) at the foot of the page. */
export function tell(text: string, bad = true): void {
  notice.value = { text, bad };
}
export const report = (error: unknown): void => tell(error instanceof Error ? error.message : String(error));

export async function start(): Promise<void> {
  try {
    host.value = await api.host();
    bootTimeMs = Date.now() - host.value.uptimeS * 1000;
    uptimeS.value = host.value.uptimeS;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) needsToken.value = true;
    else report(error);
    return;
  }
  needsToken.value = false;
  live.subscribe({ topic: 'events' }, (m) => m.type === 'event' && takeEvent(m));
  live.subscribe({ topic: 'stat', intervalMs: 500 }, (m) => m.type === 'stat' && takeStat(m));
  live.open();
}

addEventListener('hashchange', readAddress);
readAddress();

// ---- colours ----

const HUES = 8;
const places = new Map<string, number>();
/** Every domain keeps its colour while the page is open: a CSS variable. */
export function colourOf(name: string): string {
  let place = places.get(name);
  if (place === undefined) {
    place = places.size % HUES;
    places.set(name, place);
  }
  return `var(--hue-${place + 1})`;
}
