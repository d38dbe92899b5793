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

/** Bytes in both directions, as a terminal gives them. */
export interface ByteStream extends ByteSink {
  /** Calls `listener` with bytes as they come; the function returned stops that. */
  onBytes(listener: (bytes: Uint8Array) => void): () => void;
  /** Stops or restarts the flow of incoming bytes: back pressure. */
  pause(): void;
  resume(): void;
}

/** A disk image: sectors by number, written in place. */
export interface BlockStore {
  readonly sectorBytes: number;
  readonly sectors: number;
  readonly readOnly: boolean;
  /** Fills `into`, whose length is a multiple of `sectorBytes`, from `sector` on. */
  read(sector: number, into: Uint8Array): void;
  write(sector: number, from: Uint8Array): void;
  /** Returns when everything written is stable. */
  flush(): void;
}
