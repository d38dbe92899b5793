// Reads the latency histogram that the real-time kernel's shell prints for `lat` (guests/rtos/app/latency.c) out of its
// console, whoever typed it.

import type { LatencyView } from './schemas.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Table = Mutable<Omit<LatencyView, 'measuredAt'>>;

const HEAD = /^tPeriodic: period ([\d.]+) us, (\d+) runs, missed ticks (\d+)$/;
const SUMMARY = /^timer to (ISR|task): +min ([\d.]+) avg ([\d.]+) max ([\d.]+) us$/;
const PERCENTILES = /^percentiles: p50 (\d+) p99 (\d+) p99\.9 (\d+) us$/;
const COLUMNS = /^\s+from us\s+to us\s+count\s+percent$/;
const ROW = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+[\d.]+ #*$/;
const MAX_LINE = 512;

/** A parser of console output. */
export class LatencyReader {
  /** The last complete table. */
  last: LatencyView | null = null;
  #line = '';
  #table: Table | null = null;
  #complete = false;
  readonly #onTable: (table: LatencyView) => void;
  readonly #now: () => Date;

  constructor(onTable: (table: LatencyView) => void = () => {}, now: () => Date = () => new Date()) {
    this.#onTable = onTable;
    this.#now = now;
  }

  feed(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte === 0x0a) {
        this.#take(this.#line.replace(/\r+$/, ''));
        this.#line = '';
      } else if (this.#line.length < MAX_LINE) this.#line += String.fromCharCode(byte);
    }
    // The prompt has no end of line; rows and their heading are indented or numbers.
    if (this.#complete && /^[^\s\d]/.test(this.#line)) this.#finish();
  }

  #take(line: string): void {
    const head = HEAD.exec(line);
    if (head !== null) {
      const none = { min: 0, avg: 0, max: 0 };
      const [periodUs, runs, missedTicks] = head.slice(1).map(Number) as [number, number, number];
      this.#table = {
        ...{ periodUs, runs, missedTicks, toIsrUs: null, toTaskUs: none, p50Us: 0, p99Us: 0, p999Us: 0 },
        buckets: [],
      };
      this.#complete = false;
      return;
    }
    const table = this.#table;
    if (table === null) return;
    const summary = SUMMARY.exec(line);
    if (summary !== null) {
      const [min, avg, max] = summary.slice(2).map(Number) as [number, number, number];
      if (summary[1] === 'ISR') table.toIsrUs = { min, avg, max };
      else table.toTaskUs = { min, avg, max };
      return;
    }
    const percentiles = PERCENTILES.exec(line);
    if (percentiles !== null) {
      [table.p50Us, table.p99Us, table.p999Us] = percentiles.slice(1).map(Number) as [number, number, number];
      this.#complete = true;
      return;
    }
    if (!this.#complete || COLUMNS.test(line)) return;
    const row = ROW.exec(line);
    if (row === null) this.#finish();
    else {
      const [fromUs, toUs, count] = row.slice(1).map(Number) as [number, number, number];
      table.buckets.push({ fromUs, toUs, count });
    }
  }

  #finish(): void {
    if (this.#table === null) return;
    this.last = { measuredAt: this.#now().toISOString(), ...this.#table };
    this.#table = null;
    this.#complete = false;
    this.#onTable(this.last);
  }
}
