// The scheduler of one physical CPU: reservations by fixed priority first, weighted fair share for the rest.
// Sources: Lehoczky, Sha, Strosnider "Enhanced Aperiodic Responsiveness in Hard Real-Time Environments" (deferrable
// server); Joseph, Pandya "Finding Response Times in a Real-Time System" (admission); Waldspurger "Stride Scheduling".

import { ConfigError } from '../base/index.js';
import type { StepResult } from '../machine/index.js';
import { DEFAULT_WEIGHT } from './config.js';

/** What is scheduled: a machine, or a fake of a test. */
export interface Schedulable {
  readonly name: string;
  readonly state: StepResult['state'];
  /** Runs for at most `budgetNs`. */
  step(nowNs: number, budgetNs: number): StepResult;
  /** When it wants to run though halted. */
  nextDeadlineNs(): number | null;
}

export interface Reservation {
  readonly priority: number;
  readonly periodNs: number;
  readonly budgetNs: number;
}

/** Counters of one entity. */
export interface SchedulingStats {
  readonly ranNs: number;
  readonly dispatches: number;
  /** Periods that ended before a ready domain had its budget. */
  readonly misses: number;
  /** Periods in which the domain wanted more than its budget. */
  readonly overruns: number;
  /** Longest time from a deadline to running for it. */
  readonly maxLatencyNs: number;
}

export interface Entity<T extends Schedulable = Schedulable> {
  readonly task: T;
  readonly reservation: Reservation | null;
  readonly weight: number;
  /** Not to be run: paused, or its console is full. */
  suspended: boolean;
  readonly stats: SchedulingStats;
}

interface Entry<T extends Schedulable> extends Entity<T> {
  stats: {
    ranNs: number;
    dispatches: number;
    misses: number;
    overruns: number;
    maxLatencyNs: number;
  };
  vruntime: number;
  /** Since when it has been ready without a break; Infinity while it is not. */
  readySinceNs: number;
  periodStartNs: number;
  budgetLeftNs: number;
}

interface Slice<T extends Schedulable> {
  readonly entry: Entry<T>;
  readonly endNs: number;
  /** It runs on its reservation's budget. */
  readonly charged: boolean;
}

/** The time that a scheduler's domains read. */
export interface Timeline {
  now(): number;
  /** A domain has run for `ns`. */
  advance(ns: number): void;
}

/** Virtual time: moves only by what domains use, and by jumps over idle time. */
export class VirtualTimeline implements Timeline {
  #now = 0;
  now(): number {
    return this.#now;
  }
  advance(ns: number): void {
    this.#now += ns;
  }
  jumpTo(ns: number): void {
    if (ns > this.#now) this.#now = ns;
  }
}

/** Real time: the host's monotonic clock. */
export const realTimeline = (nowNs: () => number): Timeline => ({ now: () => Math.floor(nowNs()), advance: () => {} });

export type Dispatch<T extends Schedulable> =
  | {
      readonly kind: 'ran';
      readonly entity: Entity<T>;
      readonly startNs: number;
      readonly usedNs: number;
      /** On the budget of its reservation. */
      readonly charged: boolean;
    }
  /** Nobody is ready; `untilNs` is the next deadline, null when there is none. */
  | { readonly kind: 'idle'; readonly untilNs: number | null };

/** The longest time for which one domain runs without the scheduler being asked. */
export const SLICE_NS = 1_000_000;
const WEIGHT_UNIT = DEFAULT_WEIGHT;

/** Whether every reservation gets its budget in each period at the worst time; names the first that does not. */
export function admissionFailure(reservations: readonly (Reservation & { readonly name: string })[]): string | null {
  for (const r of reservations) {
    const rivals = reservations.filter((o) => o !== r && o.priority >= r.priority);
    let response = r.budgetNs;
    for (;;) {
      const next = rivals.reduce((sum, o) => sum + Math.ceil(response / o.periodNs) * o.budgetNs, r.budgetNs);
      if (next > r.periodNs) return r.name;
      if (next === response) break;
      response = next;
    }
  }
  return null;
}

export class Scheduler<T extends Schedulable = Schedulable> {
  readonly #timeline: Timeline;
  #entries: Entry<T>[] = [];
  #minVruntime = 0;
  /** A slice that has begun; a kick in its middle changes no decision. */
  #current: Slice<T> | null = null;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  get entities(): readonly Entity<T>[] {
    return this.#entries;
  }

  /** Takes a domain in; a reservation that cannot be kept is refused. */
  add(task: T, options: { readonly reservation?: Reservation | null; readonly weight?: number } = {}): Entity<T> {
    const reservation = options.reservation ?? null;
    if (reservation !== null) {
      const all = [
        ...this.#entries.map((e) => ({ name: e.task.name, r: e.reservation })),
        { name: task.name, r: reservation },
      ];
      const loser = admissionFailure(all.flatMap(({ name, r }) => (r === null ? [] : [{ ...r, name }])));
      if (loser !== null) {
        const us = (ns: number): number => ns / 1000;
        throw new ConfigError(
          'ADMISSION',
          `domain '${task.name}' with ${us(reservation.budgetNs)} us in every ${us(reservation.periodNs)} us is refused: ` +
            `'${loser}' would miss its period, expected reservations that fit their physical CPU together`,
          { domain: task.name, loser },
        );
      }
    }
    const entry: Entry<T> = {
      task,
      reservation,
      weight: options.weight ?? DEFAULT_WEIGHT,
      suspended: false,
      stats: { ranNs: 0, dispatches: 0, misses: 0, overruns: 0, maxLatencyNs: 0 },
      vruntime: this.#minVruntime,
      readySinceNs: Number.POSITIVE_INFINITY,
      periodStartNs: this.#timeline.now(),
      budgetLeftNs: reservation?.budgetNs ?? 0,
    };
    this.#entries.push(entry);
    this.changed();
    return entry;
  }

  remove(entity: Entity<T>): void {
    this.#entries = this.#entries.filter((e) => e !== entity);
    this.changed();
  }

  /** Something from outside (input, a command) may have made another domain ready: the slice ends. */
  changed(): void {
    this.#current = null;
  }

  /** Runs the most urgent domain until its slice ends or a more urgent one wants the processor. */
  dispatch(): Dispatch<T> {
    const now = this.#timeline.now();
    for (let i = 0; i < this.#entries.length; i++) this.#replenish(this.#entries[i] as Entry<T>, now);
    const slice = this.#continued(now) ?? this.#choose(now);
    if (slice === null) return { kind: 'idle', untilNs: this.#nextDeadline() };
    const { entry, endNs, charged } = slice;
    this.#current = slice;
    if (entry.task.state === 'halted') {
      const deadline = entry.task.nextDeadlineNs();
      const latency = deadline === null ? 0 : Math.max(0, now - deadline);
      if (latency > entry.stats.maxLatencyNs) entry.stats.maxLatencyNs = latency;
    }
    const { usedNs, state } = entry.task.step(now, endNs - now);
    this.#timeline.advance(usedNs);
    entry.stats.ranNs += usedNs;
    entry.stats.dispatches++;
    if (entry.reservation === null) {
      entry.vruntime += (usedNs * WEIGHT_UNIT) / entry.weight;
    } else if (charged) {
      const before = entry.budgetLeftNs;
      entry.budgetLeftNs -= usedNs;
      if (before > 0 && entry.budgetLeftNs <= 0 && state === 'running') entry.stats.overruns++;
    }
    if (state !== 'running') {
      this.#current = null;
      entry.readySinceNs = Number.POSITIVE_INFINITY;
    }
    return { kind: 'ran', entity: entry, startNs: now, usedNs, charged };
  }

  // ---- internals ----

  #ready(e: Entry<T>, now: number): boolean {
    if (e.suspended) return false;
    const { state } = e.task;
    if (state === 'running') return true;
    if (state === 'stopped') return false;
    const deadline = e.task.nextDeadlineNs();
    return deadline !== null && deadline <= now;
  }

  #replenish(e: Entry<T>, now: number): void {
    const r = e.reservation;
    if (r === null || now < e.periodStartNs + r.periodNs) return;
    const periods = Math.floor((now - e.periodStartNs) / r.periodNs);
    if (e.budgetLeftNs > 0 && e.readySinceNs <= e.periodStartNs && this.#ready(e, now)) e.stats.misses += periods;
    e.periodStartNs += periods * r.periodNs;
    e.budgetLeftNs = r.budgetNs;
  }

  #continued(now: number): Slice<T> | null {
    const c = this.#current;
    return c !== null && now < c.endNs && this.#ready(c.entry, now) ? c : null;
  }

  #choose(now: number): Slice<T> | null {
    let reserved: Entry<T> | null = null;
    let fair: Entry<T> | null = null;
    let background: Entry<T> | null = null;
    for (const e of this.#entries) {
      const ready = this.#ready(e, now);
      if (e.reservation === null) {
        // Who comes back from sleep keeps at most one slice of credit.
        if (ready && e.readySinceNs > now) e.vruntime = Math.max(e.vruntime, this.#minVruntime - SLICE_NS);
        if (ready && (fair === null || e.vruntime < fair.vruntime)) fair = e;
      } else if (ready) {
        const better = (o: Entry<T> | null): boolean =>
          o === null || e.reservation!.priority > (o.reservation?.priority ?? 0);
        if (e.budgetLeftNs > 0) {
          if (better(reserved)) reserved = e;
        } else if (better(background)) background = e;
      }
      if (!ready) e.readySinceNs = Number.POSITIVE_INFINITY;
      else if (e.readySinceNs > now) e.readySinceNs = now;
    }
    const entry = reserved ?? fair ?? background;
    if (entry === null) return null;
    if (entry === fair) this.#minVruntime = Math.max(this.#minVruntime, entry.vruntime);
    const charged = entry === reserved;
    let endNs = now + SLICE_NS;
    if (charged) endNs = Math.min(endNs, now + entry.budgetLeftNs);
    for (const e of this.#entries) {
      if (e !== entry || !charged) endNs = Math.min(endNs, this.#preemptionNs(e, entry, charged, now));
    }
    return { entry, endNs, charged };
  }

  /** When `e` would take the processor from `running`; Infinity when it cannot. */
  #preemptionNs(e: Entry<T>, running: Entry<T>, charged: boolean, now: number): number {
    if (e.suspended || e.task.state === 'stopped') return Number.POSITIVE_INFINITY;
    const r = e.reservation;
    if (charged && (r === null || r.priority <= (running.reservation?.priority ?? 0))) return Number.POSITIVE_INFINITY;
    if (e === running && r === null) return Number.POSITIVE_INFINITY;
    const wake = e.task.state === 'running' ? now : (e.task.nextDeadlineNs() ?? Number.POSITIVE_INFINITY);
    if (r !== null && e.budgetLeftNs <= 0) return Math.max(wake, e.periodStartNs + r.periodNs);
    return wake > now ? wake : Number.POSITIVE_INFINITY; // it is ready and was not chosen
  }

  #nextDeadline(): number | null {
    let next = Number.POSITIVE_INFINITY;
    for (const e of this.#entries) {
      if (e.suspended || e.task.state !== 'halted') continue;
      next = Math.min(next, e.task.nextDeadlineNs() ?? next);
    }
    return next === Number.POSITIVE_INFINITY ? null : next;
  }
}
