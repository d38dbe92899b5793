// Exit counters by reason, and a histogram of the host time that handling takes (sampled). What the engine answers on the
// monitor's behalf (CPUID) counts as the exit that it is to the guest, and beside that as answered.
import { EXIT_INDEX, EXIT_NAMES, type ExitName } from '../vmx/index.js';

/** Buckets are powers of two of nanoseconds: bucket b holds times in [2^b, 2^(b+1)). */
export const HISTOGRAM_BUCKETS = 32;
/** One exit in this many is timed. */
export const SAMPLE_EVERY = 64;

export interface ExitStatistic {
  readonly name: ExitName;
  readonly count: number;
  /** Of them, how many the engine answered on the monitor's behalf: no host time was spent on them. */
  readonly answered: number;
  /** How many of them were timed. */
  readonly samples: number;
  /** Host time of the timed ones in nanoseconds. */
  readonly sampledNs: number;
  /** Timed exits by power of two of nanoseconds. */
  readonly histogram: readonly number[];
}

/** Host time of all exits of a reason in nanoseconds, by those that were timed. */
export const estimatedNs = (e: ExitStatistic): number =>
  e.samples === 0 ? 0 : (e.sampledNs / e.samples) * (e.count - e.answered);
/** Of two vCPUs or more. */
export function addExits(all: Iterable<ExitStatistic>): ExitStatistic[] {
  const sums = new Map<ExitName, ExitStatistic>();
  for (const e of all) {
    const s = sums.get(e.name);
    const sum: ExitStatistic =
      s === undefined
        ? e
        : {
            name: e.name,
            count: s.count + e.count,
            answered: s.answered + e.answered,
            samples: s.samples + e.samples,
            sampledNs: s.sampledNs + e.sampledNs,
            histogram: s.histogram.map((n, i) => n + (e.histogram[i] ?? 0)),
          };
    sums.set(e.name, sum);
  }
  return [...sums.values()].sort((a, b) => b.count - a.count);
}

/** Counts every exit; the one place where exits are counted. */
export class ExitStatistics {
  /** Exits handled here, by reason. */
  readonly counts = new Float64Array(EXIT_NAMES.length);
  readonly #samples = new Float64Array(EXIT_NAMES.length);
  readonly #ns = new Float64Array(EXIT_NAMES.length);
  readonly #histogram = new Float64Array(EXIT_NAMES.length * HISTOGRAM_BUCKETS);
  #untilSample = 1;
  #handled = 0;

  /** How many the engine has answered, by reason. */
  constructor(private readonly answered: Partial<Record<ExitName, () => number>> = {}) {}

  /** Counts an exit; true when it should be timed. */
  count(name: ExitName): boolean {
    const i = EXIT_INDEX[name];
    this.counts[i] = (this.counts[i] as number) + 1;
    this.#handled++;
    if (--this.#untilSample > 0) return false;
    this.#untilSample = SAMPLE_EVERY;
    return true;
  }

  /** Records how long a timed exit took. */
  time(name: ExitName, elapsedNs: number): void {
    const i = EXIT_INDEX[name];
    const ns = Math.max(0, Math.round(elapsedNs));
    const bucket = Math.min(HISTOGRAM_BUCKETS - 1, ns < 1 ? 0 : Math.floor(Math.log2(ns)));
    this.#samples[i] = (this.#samples[i] as number) + 1;
    this.#ns[i] = (this.#ns[i] as number) + ns;
    const at = i * HISTOGRAM_BUCKETS + bucket;
    this.#histogram[at] = (this.#histogram[at] as number) + 1;
  }

  /** All exits that were handled here. */
  get handled(): number {
    return this.#handled;
  }
  /** All exits together. */
  total(): number {
    return this.list().reduce((sum, e) => sum + e.count, 0);
  }

  /** Reasons that occurred, most frequent first. */
  list(): ExitStatistic[] {
    return EXIT_NAMES.map((name, i) => {
      const answered = this.answered[name]?.() ?? 0;
      return {
        name,
        count: (this.counts[i] as number) + answered,
        answered,
        samples: this.#samples[i] as number,
        sampledNs: this.#ns[i] as number,
        histogram: [...this.#histogram.subarray(i * HISTOGRAM_BUCKETS, (i + 1) * HISTOGRAM_BUCKETS)],
      };
    })
      .filter((s) => s.count > 0)
      .sort((a, b) => b.count - a.count);
  }
}
