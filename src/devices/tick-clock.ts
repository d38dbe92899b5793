// Exact conversion between domain nanoseconds and the ticks of a crystal, for any uptime below 2^53 ns (104 days).

/** A counter of fixed frequency that started with the domain's clock. */
export interface TickClock {
  /** Whole ticks at `ns`. */
  ticks(ns: number): number;
  /** The first nanosecond at which `ticks` have passed. */
  ns(ticks: number): number;
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** A clock of `hz` ticks per second (below 2^22 Hz, so that products stay exact). */
export function tickClock(hz: number): TickClock {
  const g = gcd(hz, 1e9);
  const perBlock = hz / g; // ticks in a block of `blockNs` nanoseconds
  const blockNs = 1e9 / g;
  return {
    ticks(ns) {
      const block = Math.floor(ns / blockNs);
      return block * perBlock + Math.floor(((ns - block * blockNs) * perBlock) / blockNs);
    },
    ns(ticks) {
      const block = Math.floor(ticks / perBlock);
      return block * blockNs + Math.ceil(((ticks - block * perBlock) * blockNs) / perBlock);
    },
  };
}
