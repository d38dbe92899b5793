// A byte queue between two threads over shared memory: one writer, one reader, bounded, never blocking. On unshared memory
// it serves within one thread.
// Source: ECMAScript "Memory Model", "The Atomics Object".

const HEAD = 0;
const TAIL = 1;
/** The reader has been told that there is something to read. */
const SIGNALLED = 2;
/** The writer waits for room. */
const WAITING = 3;
const HEADER_BYTES = 32;

/** Capacity of a console in either direction. */
export const CONSOLE_BYTES = 1 << 16;

export class ConsoleRing {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #mask: number;

  /** Views the ring in `shared`; both sides make their own view. */
  constructor(readonly shared: SharedArrayBuffer | ArrayBuffer) {
    this.#words = new Int32Array(shared, 0, HEADER_BYTES / 4);
    this.#bytes = new Uint8Array(shared, HEADER_BYTES);
    this.#mask = this.#bytes.length - 1;
  }

  /** A new ring; `sizeBytes` is a power of two. */
  static create(sizeBytes = CONSOLE_BYTES): ConsoleRing {
    if (sizeBytes < 2 || (sizeBytes & (sizeBytes - 1)) !== 0) {
      throw new RangeError(`ring of ${sizeBytes} bytes, expected a power of two`);
    }
    const Memory = typeof SharedArrayBuffer === 'undefined' ? ArrayBuffer : SharedArrayBuffer;
    return new ConsoleRing(new Memory(HEADER_BYTES + sizeBytes));
  }

  get capacity(): number {
    return this.#bytes.length;
  }
  /** Bytes that wait for the reader. */
  get length(): number {
    return (Atomics.load(this.#words, HEAD) - Atomics.load(this.#words, TAIL)) >>> 0;
  }
  /** Bytes that the writer may add. */
  get room(): number {
    return this.capacity - this.length;
  }

  /** Writer: adds one byte; false when full. */
  push(byte: number): boolean {
    const head = Atomics.load(this.#words, HEAD);
    if ((head - Atomics.load(this.#words, TAIL)) >>> 0 >= this.capacity) return false;
    this.#bytes[head & this.#mask] = byte;
    Atomics.store(this.#words, HEAD, (head + 1) | 0);
    return true;
  }
  /** Writer: adds what fits; tells how much. */
  write(data: ArrayLike<number>): number {
    const count = Math.min(data.length, this.room);
    const head = Atomics.load(this.#words, HEAD);
    for (let i = 0; i < count; i++) this.#bytes[(head + i) & this.#mask] = data[i] as number;
    Atomics.store(this.#words, HEAD, (head + count) | 0);
    return count;
  }
  /** Reader: takes at most `max` bytes. */
  read(max = this.capacity): Uint8Array {
    const count = Math.min(max, this.length);
    const tail = Atomics.load(this.#words, TAIL);
    const out = new Uint8Array(count);
    for (let i = 0; i < count; i++) out[i] = this.#bytes[(tail + i) & this.#mask] as number;
    Atomics.store(this.#words, TAIL, (tail + count) | 0);
    return out;
  }

  /** Writer: true when the reader must be told that there is something new. */
  signal(): boolean {
    return this.length > 0 && Atomics.exchange(this.#words, SIGNALLED, 1) === 0;
  }
  /** Reader: from now on new bytes are signalled again. Call before `read`. */
  acknowledge(): void {
    Atomics.store(this.#words, SIGNALLED, 0);
  }
  /** Writer: says whether it waits for room. */
  setWaiting(on: boolean): void {
    Atomics.store(this.#words, WAITING, on ? 1 : 0);
  }
  /** Reader: whether the writer must be told that there is room. */
  get waiting(): boolean {
    return Atomics.load(this.#words, WAITING) !== 0;
  }
}
