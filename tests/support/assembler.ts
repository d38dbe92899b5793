// A small assembler for guests written by hand: bytes, labels and their addresses, nothing that knows instructions.

/** The bytes of a 32-bit number. */
export const word = (n: number): number[] => [n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, (n >> 24) & 0xff];

type Fixup = { readonly at: number; readonly label: string; readonly relative: boolean };

export class Assembler {
  readonly #bytes: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #fixups: Fixup[] = [];
  #names = 0;

  constructor(readonly origin: number) {}

  get here(): number {
    return this.origin + this.#bytes.length;
  }
  bytes(...values: number[]): this {
    this.#bytes.push(...values);
    return this;
  }
  dword(value: number): this {
    return this.bytes(...word(value));
  }
  /** The address of a label, 32 bits. */
  address(label: string): this {
    this.#fixups.push({ at: this.#bytes.length, label, relative: false });
    return this.dword(0);
  }
  /** The distance of a label from the end of this field, 32 bits. */
  distance(label: string): this {
    this.#fixups.push({ at: this.#bytes.length, label, relative: true });
    return this.dword(0);
  }
  label(name: string): this {
    this.#labels.set(name, this.here);
    return this;
  }
  /** A name that no other label has. */
  name(): string {
    return `.${this.#names++}`;
  }
  align(size: number): this {
    while (this.here % size !== 0) this.bytes(0);
    return this;
  }
  at(label: string): number {
    const value = this.#labels.get(label);
    if (value === undefined) throw new Error(`no label '${label}'`);
    return value;
  }
  image(): Uint8Array {
    const out = Uint8Array.from(this.#bytes);
    const view = new DataView(out.buffer);
    for (const f of this.#fixups) {
      const target = this.at(f.label);
      view.setUint32(f.at, (f.relative ? target - (this.origin + f.at + 4) : target) >>> 0, true);
    }
    return out;
  }
}
