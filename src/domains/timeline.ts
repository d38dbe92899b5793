// Who ran when on one physical CPU: the last slices and missed deadlines, for whoever looks.

/** A stretch of time in which a physical CPU ran one domain. Times are of the CPU's timeline, in nanoseconds. */
export interface TimelineSlice {
  readonly startNs: number;
  readonly endNs: number;
  readonly domain: string;
  /** It ran on the budget of its reservation. */
  readonly reserved: boolean;
}

/** Something that a domain's reservation did not get (`miss`) or wanted beyond it (`overrun`). */
export interface TimelineMark {
  readonly timeNs: number;
  readonly domain: string;
  readonly kind: 'miss' | 'overrun';
  /** Periods. */
  readonly count: number;
}

export interface TimelineBatch {
  readonly cpu: number;
  /** End of what is covered: between slices the CPU was idle. */
  readonly nowNs: number;
  readonly slices: readonly TimelineSlice[];
  readonly marks: readonly TimelineMark[];
  /** Position to read from next time. */
  readonly next: number;
  /** Entries that were overwritten before they were read. */
  readonly lost: number;
}

/** Slices and marks kept for the next `read`. */
export const TIMELINE_KEEP = 8192;

type Entry = { readonly at: number } & (
  | { kind: 'slice'; slice: { -readonly [K in keyof TimelineSlice]: TimelineSlice[K] } }
  | { kind: 'mark'; mark: TimelineMark }
);

/** What of a scheduled domain is recorded. */
export interface TimelineTask {
  readonly name: string;
  readonly misses: number;
  readonly overruns: number;
}

export class CpuTimeline {
  #entries: Entry[] = [];
  #next = 0;
  /** The last slice and whether a reader has had it. */
  #open: Extract<Entry, { kind: 'slice' }> | null = null;
  readonly #seen = new Map<string, { misses: number; overruns: number }>();

  #push(entry: Omit<Extract<Entry, { kind: 'slice' }>, 'at'> | Omit<Extract<Entry, { kind: 'mark' }>, 'at'>): Entry {
    const whole: Entry = { ...entry, at: this.#next++ };
    this.#entries.push(whole);
    if (this.#entries.length >= 2 * TIMELINE_KEEP) this.#entries = this.#entries.slice(-TIMELINE_KEEP);
    return whole;
  }

  /** `domain` has run. Goes on with the slice before when nothing was in between. */
  ran(domain: string, startNs: number, endNs: number, reserved: boolean): void {
    if (endNs <= startNs) return;
    const last = this.#open?.slice;
    if (last !== undefined && last.domain === domain && last.reserved === reserved && last.endNs === startNs) {
      last.endNs = endNs;
      return;
    }
    const entry = this.#push({ kind: 'slice', slice: { startNs, endNs, domain, reserved } });
    this.#open = entry.kind === 'slice' ? entry : null;
  }

  /** Notes misses and overruns that the scheduler has counted since the last call. */
  note(timeNs: number, task: TimelineTask): void {
    const { name: domain, misses, overruns } = task;
    const before = this.#seen.get(domain);
    if (before === undefined) {
      this.#seen.set(domain, { misses, overruns });
      return;
    }
    // Fewer than before: it is another domain of that name.
    if (misses > before.misses)
      this.#push({ kind: 'mark', mark: { timeNs, domain, kind: 'miss', count: misses - before.misses } });
    if (overruns > before.overruns) {
      this.#push({ kind: 'mark', mark: { timeNs, domain, kind: 'overrun', count: overruns - before.overruns } });
    }
    before.misses = misses;
    before.overruns = overruns;
  }

  /** What has happened since `since`, which is 0 or the `next` of the read before. */
  read(cpu: number, nowNs: number, since = 0): TimelineBatch {
    this.#open = null; // what has been read does not grow any more
    const kept = this.#entries.slice(-TIMELINE_KEEP);
    const first = kept[0]?.at ?? this.#next;
    const from = Math.max(first, since);
    const entries = kept.slice(from - first);
    return {
      cpu,
      nowNs,
      slices: entries.flatMap((e) => (e.kind === 'slice' ? [{ ...e.slice }] : [])),
      marks: entries.flatMap((e) => (e.kind === 'mark' ? [e.mark] : [])),
      next: this.#next,
      lost: Math.max(0, from - since),
    };
  }
}
