// How a machine's host time divides between interpreted code, translated code and VM exits. An engine that switches
// between them thousands of times a step cannot be timed piece by piece: the cost of each is estimated from many steps
// of different mixture, by weighted least squares (steps that ran n instructions weigh 1/n).
import type { EngineStatistics } from '../vmx/index.js';

/** What one step has done. */
export interface StepSample {
  readonly hostNs: number;
  readonly instructions: number;
  readonly exits: number;
  /** Running totals of all vCPUs: instructions that ran translated, milliseconds that their threads spent on translating. */
  readonly retired: number;
  readonly spentMs: number;
}
/** Estimated shares of host time, nanoseconds. */
export interface EngineTime {
  readonly interpreterNs: number;
  readonly translatedNs: number;
  readonly exitsNs: number;
  /** Measured by the engine, not estimated. */
  readonly translatorNs: number;
}

const PARTS = 3;
/** Fewer steps say nothing. */
const MIN_STEPS = 8;

/** Solves a x = b by elimination; null where the mixture never changed. */
function solve(a: readonly (readonly number[])[], b: readonly number[]): number[] | null {
  const m = a.map((row, i) => [...row, b[i] as number]);
  const scale = Math.max(...m.map((row, i) => Math.abs(row[i] as number)));
  for (let i = 0; i < m.length; i++) {
    const rest = m.slice(i);
    const pivot = rest.reduce((best, row) => (Math.abs(row[i] as number) > Math.abs(best[i] as number) ? row : best));
    if (Math.abs(pivot[i] as number) <= scale * 1e-12) return null;
    const at = m.indexOf(pivot);
    [m[i], m[at]] = [pivot, m[i] as number[]];
    for (let r = 0; r < m.length; r++) {
      if (r === i) continue;
      const row = m[r] as number[];
      const factor = (row[i] as number) / (pivot[i] as number);
      for (let c = i; c <= m.length; c++) row[c] = (row[c] as number) - factor * (pivot[c] as number);
    }
  }
  return m.map((row, i) => (row[m.length] as number) / (row[i] as number));
}

export class EngineTimes {
  #steps = 0;
  /** Sums of products of the parts (interpreted, translated, exits), and of each with the host time. */
  readonly #products = Array.from({ length: PARTS }, () => new Array<number>(PARTS).fill(0));
  readonly #withTime = new Array<number>(PARTS).fill(0);
  readonly #totals = new Array<number>(PARTS).fill(0);
  #guestNs = 0;
  #translatorNs = 0;
  #lastRetired = 0;
  #lastSpentMs = 0;

  add({ hostNs, instructions, exits, retired, spentMs }: StepSample): void {
    const translated = Math.min(instructions, Math.max(0, retired - this.#lastRetired));
    const busyNs = Math.max(0, spentMs - this.#lastSpentMs) * 1e6;
    this.#lastRetired = retired;
    this.#lastSpentMs = spentMs;
    this.#translatorNs += busyNs;
    const ns = Math.max(0, hostNs - busyNs);
    this.#guestNs += ns;
    const parts = [instructions - translated, translated, exits];
    for (let i = 0; i < PARTS; i++) this.#totals[i] = (this.#totals[i] as number) + (parts[i] as number);
    const weight = 1 / (instructions + exits);
    if (!Number.isFinite(weight)) return;
    this.#steps++;
    for (let i = 0; i < PARTS; i++) {
      const part = (parts[i] as number) * weight;
      const row = this.#products[i] as number[];
      for (let j = 0; j < PARTS; j++) row[j] = (row[j] as number) + part * (parts[j] as number);
      this.#withTime[i] = (this.#withTime[i] as number) + part * ns;
    }
  }

  /** The estimate so far; null where no step had translated code or all steps were alike. */
  estimate(): EngineTime | null {
    if (this.#steps < MIN_STEPS || this.#totals[1] === 0) return null;
    // Parts whose cost comes out negative cost too little to be seen: they are left out.
    let used = [0, 1, 2].filter((i) => (this.#totals[i] as number) > 0);
    for (;;) {
      const at = (i: number, j: number): number => (this.#products[i] as number[])[j] as number;
      const costs = solve(
        used.map((i) => used.map((j) => at(i, j))),
        used.map((i) => this.#withTime[i] as number),
      );
      if (costs === null) return null;
      const positive = used.filter((_, n) => (costs[n] as number) > 0);
      if (positive.length < used.length) {
        used = positive;
        continue;
      }
      const ns = [0, 0, 0];
      for (const [n, i] of used.entries()) ns[i] = (costs[n] as number) * (this.#totals[i] as number);
      const sum = ns.reduce((a, b) => a + b, 0);
      if (sum === 0) return null;
      const [interpreterNs, translatedNs, exitsNs] = ns.map((v) => Math.round((v / sum) * this.#guestNs)) as [
        number,
        number,
        number,
      ];
      return { interpreterNs, translatedNs, exitsNs, translatorNs: Math.round(this.#translatorNs) };
    }
  }
}

/** Adds the counters of several vCPUs. */
export function addStatistics(all: readonly (EngineStatistics | null | undefined)[]): EngineStatistics {
  const sum: Record<string, number> = {};
  for (const one of all) for (const [name, n] of Object.entries(one ?? {})) sum[name] = (sum[name] ?? 0) + n;
  return sum;
}
