// The last bytes of a stream.

export class History {
  #parts: Uint8Array[] = [];
  #bytes = 0;

  /** Keeps at least the last `limit` bytes, if there were that many. */
  constructor(readonly limit: number) {}

  push(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#bytes += bytes.length;
    // Many small parts become one, so that neither their number nor the sum of moves grows.
    if (this.#bytes > 2 * this.limit || this.#parts.length > 256) this.#parts = [this.#last()];
    this.#bytes = this.#parts.reduce((sum, p) => sum + p.length, 0);
  }

  /** The last `limit` bytes. */
  bytes(): Uint8Array {
    this.#parts = [this.#last()];
    this.#bytes = this.#parts[0]?.length ?? 0;
    return this.#parts[0] ?? new Uint8Array(0);
  }

  #last(): Uint8Array {
    const total = this.#parts.reduce((sum, p) => sum + p.length, 0);
    const all = new Uint8Array(total);
    let at = 0;
    for (const p of this.#parts) {
      all.set(p, at);
      at += p.length;
    }
    return total > this.limit ? all.slice(total - this.limit) : all;
  }
}
