// Room `host`: interfaces of what a host gives. Implementations live in host/node and host/browser.

/** A monotonic clock. */
export interface Clock {
  /** Nanoseconds since an arbitrary start; never goes back. */
  nowNs(): number;
}

/** Wall-clock time, for real-time clocks. */
export interface WallClock {
  /** Milliseconds since 1970-01-01 UTC. */
  nowMs(): number;
}

/** Where a serial line or a console sends its bytes. */
export interface ByteSink {
  /** Takes one byte, 0..255. */
  write(byte: number): void;
}
