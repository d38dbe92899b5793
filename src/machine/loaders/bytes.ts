// Byte buffers that grow, little-endian writes, text to bytes and back: shared by the loaders and table builders.

/** Bytes of `text`; every code unit must be below 0x100 (command lines, names). Others become '?'. */
export const latin1 = (text: string): Uint8Array =>
  Uint8Array.from(text, (c) => {
    const code = c.charCodeAt(0);
    return code < 0x100 ? code : 0x3f;
  });

/** UTF-8 bytes of `text` (file names and contents). */
export function utf8(text: string): Uint8Array {
  const out: number[] = [];
  for (const c of text) {
    const p = c.codePointAt(0) ?? 0xfffd;
    if (p < 0x80) out.push(p);
    else if (p < 0x800) out.push(0xc0 | (p >> 6), 0x80 | (p & 63));
    else if (p < 0x10000) out.push(0xe0 | (p >> 12), 0x80 | ((p >> 6) & 63), 0x80 | (p & 63));
    else out.push(0xf0 | (p >> 18), 0x80 | ((p >> 12) & 63), 0x80 | ((p >> 6) & 63), 0x80 | (p & 63));
  }
  return Uint8Array.from(out);
}

/** Text of UTF-8 bytes that `utf8` made. */
export function fromUtf8(data: Uint8Array): string {
  let out = '';
  for (let i = 0; i < data.length; ) {
    const b = data[i++] ?? 0;
    const more = b < 0x80 ? 0 : b < 0xe0 ? 1 : b < 0xf0 ? 2 : 3;
    let point = more === 0 ? b : b & (0x3f >> more);
    for (let k = 0; k < more; k++) point = (point << 6) | ((data[i++] ?? 0) & 63);
    out += String.fromCodePoint(Math.min(point, 0x10ffff));
  }
  return out;
}

/** A byte buffer that grows. All numbers are little endian. */
export class ByteWriter {
  #data = new Uint8Array(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }
  #room(more: number): void {
    if (this.#length + more <= this.#data.length) return;
    const bigger = new Uint8Array(Math.max(this.#data.length * 2, this.#length + more));
    bigger.set(this.#data.subarray(0, this.#length));
    this.#data = bigger;
  }
  bytes(data: ArrayLike<number>): this {
    this.#room(data.length);
    this.#data.set(data, this.#length);
    this.#length += data.length;
    return this;
  }
  zeros(count: number): this {
    this.#room(count);
    this.#length += count;
    return this;
  }
  /** Zeros up to a multiple of `alignment`. */
  align(alignment: number): this {
    return this.zeros((alignment - (this.#length % alignment)) % alignment);
  }
  u8(value: number): this {
    return this.bytes([value & 0xff]);
  }
  u16(value: number): this {
    return this.bytes([value & 0xff, (value >> 8) & 0xff]);
  }
  u32(value: number): this {
    const v = value >>> 0;
    return this.bytes([v & 0xff, (v >>> 8) & 0xff, (v >>> 16) & 0xff, v >>> 24]);
  }
  u64(value: number | bigint): this {
    const v = BigInt(value);
    return this.u32(Number(v & 0xffffffffn)).u32(Number((v >> 32n) & 0xffffffffn));
  }
  /** Text cut or padded with `pad` to exactly `size` bytes. */
  text(text: string, size: number, pad = 0x20): this {
    const field = new Uint8Array(size).fill(pad);
    field.set(latin1(text).subarray(0, size));
    return this.bytes(field);
  }
  /** A copy of the bytes so far. */
  done(): Uint8Array {
    return this.#data.slice(0, this.#length);
  }
}

/** Sets byte `at` so that all bytes add up to 0 modulo 256. */
export function setChecksum(data: Uint8Array, at: number, length = data.length): void {
  data[at] = 0;
  data[at] = -sum8(data.subarray(0, length)) & 0xff;
}
/** Sum of all bytes modulo 256. */
export const sum8 = (data: Uint8Array): number => data.reduce((sum, b) => (sum + b) & 0xff, 0);

export const alignUp = (n: number, to: number): number => Math.ceil(n / to) * to;
export const alignDown = (n: number, to: number): number => Math.floor(n / to) * to;
