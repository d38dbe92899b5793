// Exit counters by reason, and a histogram of the host time that handling takes (sampled).
import { EXIT_INDEX, EXIT_NAMES, type ExitName } from '../vmx/index.js';

/** Buckets are powers of two of nanoseconds: bucket b holds times in [2^b, 2^(b+1)). */
export const HISTOGRAM_BUCKETS = 32;
/** One exit in this many is timed. */
export const SAMPLE_EVERY = 64;

export interface ExitStatistic {
  readonly name: ExitName;
  readonly count: number;
  /** How many of them were timed. */
  readonly samples: number;
  /** Host time of the timed ones in nanoseconds. */
  readonly sampledNs: number;
  /** Timed exits by power of two of nanoseconds. */
  readonly histogram: readonly number[];
}

/** Counts every exit; the one place where exits are counted. */
export class ExitStatistics {
  readonly counts = new Float64Array(EXIT_NAMES.length);
  readonly #samples = new Float64Array(EXIT_NAMES.length);
  readonly #ns = new Float64Array(EXIT_NAMES.length);
  readonly #histogram = new Float64Array(EXIT_NAMES.length * HISTOGRAM_BUCKETS);
  #untilSample = 1;

  /** Counts an exit; true when it should be timed. */
  count(name: ExitName): boolean {
    const i = EXIT_INDEX[name];
    this.counts[i] = (this.counts[i] as number) + 1;
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

  /** All exits together. */
  total(): number {
    return this.counts.reduce((a, b) => a + b, 0);
  }

  /** Reasons that occurred, most frequent first. */
  list(): ExitStatistic[] {
    return EXIT_NAMES.map((name, i) => ({
      name,
      count: this.counts[i] as number,
      samples: this.#samples[i] as number,
      sampledNs: this.#ns[i] as number,
      histogram: [...this.#histogram.subarray(i * HISTOGRAM_BUCKETS, (i + 1) * HISTOGRAM_BUCKETS)],
    }))
      .filter((s) => s.count > 0)
      .sort((a, b) => b.count - a.count);
  }
}
