// The names of a Linux kernel's functions, read from its own table in guest memory (CONFIG_KALLSYMS), so that a profile
// needs no symbol file. Source: Linux, Documentation of kernel/kallsyms_internal.h and of the order that scripts/kallsyms
// writes: up to 6.3 offsets, base, count, names, markers, [sequences,] tokens; from 6.4 count, names, markers, tokens,
// offsets, base.
import type { GuestMemory } from '../../memory/index.js';

/** Names by address, the nearest at or below. */
export interface KernelSymbols {
  readonly count: number;
  /** 'name', or null outside the kernel's text. */
  nameOf(address: bigint): string | null;
  addressOf(name: string): bigint | null;
}

const TOKENS = 256;
const MARKER_EVERY = 256;
/** Token 0x30 is the text "0", and so on to "9": digits are never replaced by longer tokens. */
const DIGITS = Array.from('0123456789', (c) => c.charCodeAt(0));
const MAX_TOKEN_TABLE = 8192;
/** Bytes that 256 names take at least and at most. */
const MIN_BLOCK = 256 * 2;
const MAX_BLOCK = 256 * 128;
const MIN_MARKERS = 4;
/** Between markers and tokens there may be three bytes per symbol: the order of the names. */
const MAX_SEQUENCES = 4 << 20;
/** A function is not longer than this: addresses beyond the last symbol have no name. Bytes. */
const MAX_FUNCTION = 1 << 20;

const align = (n: number, to: number): number => Math.ceil(n / to) * to;

/** One slot of guest memory as bytes and little-endian numbers. */
class Bytes {
  readonly view: DataView;
  constructor(readonly data: Uint8Array) {
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }
  u16(at: number): number {
    return this.view.getUint16(at, true);
  }
  u32(at: number): number {
    return at >= 0 && at + 4 <= this.data.length ? this.view.getUint32(at, true) : 0;
  }
}

interface Tokens {
  readonly start: number;
  /** First byte behind the index. */
  readonly end: number;
  readonly text: readonly string[];
}

/** The tokens whose "0" is at `digit`. */
function tokensAt(m: Bytes, digit: number): Tokens | null {
  let end = digit;
  for (let n = DIGITS[0] as number; n < TOKENS; n++) {
    end = m.data.indexOf(0, end) + 1;
    if (end === 0 || end - digit > MAX_TOKEN_TABLE) return null;
  }
  // The index is aligned by 8 (64-bit) or 4.
  for (const by of [8, 4]) {
    const index = align(end, by);
    if (index + 2 * TOKENS > m.data.length || m.u16(index) !== 0) continue;
    const start = digit - m.u16(index + 2 * (DIGITS[0] as number));
    let good = start >= 0;
    for (let n = 1; n < TOKENS && good; n++) {
      const at = m.u16(index + 2 * n);
      good = at > m.u16(index + 2 * (n - 1)) && m.data[start + at - 1] === 0;
    }
    if (!good) continue;
    const text = Array.from({ length: TOKENS }, (_, n) => {
      const at = start + m.u16(index + 2 * n);
      return String.fromCharCode(...m.data.subarray(at, m.data.indexOf(0, at)));
    });
    return { start, end: index + 2 * TOKENS, text };
  }
  return null;
}

/** Length of a name in tokens and where its tokens start; from Linux 6.2 in one or two bytes. */
function lengthAt(m: Bytes, at: number): { length: number; from: number } {
  const first = m.data[at] ?? 0;
  if ((first & 0x80) === 0) return { length: first, from: at + 1 };
  return { length: (first & 0x7f) | ((m.data[at + 1] ?? 0) << 7), from: at + 2 };
}

interface Names {
  readonly start: number;
  readonly count: number;
  /** Offset of the count before the names: 8 where labels are aligned by 8, else 4. */
  readonly pointerBytes: 8 | 4;
}

/** Walks the names from `start`: the markers must agree. */
function namesFit(m: Bytes, start: number, count: number, markers: number): boolean {
  let at = start;
  for (let n = 0; n < count; n++) {
    if (n % MARKER_EVERY === 0 && m.u32(markers + (n / MARKER_EVERY) * 4) !== at - start) return false;
    const { length, from } = lengthAt(m, at);
    if (length === 0) return false;
    at = from + length;
    if (at > markers) return false;
  }
  return markers - at < 8;
}

/** Places before the tokens that look like markers: zero, then numbers that rise by what 256 names take. */
function* markersBefore(m: Bytes, tokens: number): Generator<{ markers: number; count: number }> {
  const step = (at: number): number => m.u32(at + 4) - m.u32(at);
  const rises = (at: number): boolean => at + 8 <= tokens && step(at) >= MIN_BLOCK && step(at) <= MAX_BLOCK;
  for (let at = tokens - 8; at >= Math.max(0, tokens - MAX_SEQUENCES); at -= 4) {
    if (m.u32(at) !== 0 || !rises(at) || !rises(at + 4)) continue;
    let count = 1;
    while (rises(at + (count - 1) * 4)) count++;
    if (count >= MIN_MARKERS) yield { markers: at, count };
  }
}

/** The names lie before their markers, and their number before them. */
function namesBefore(m: Bytes, tokens: number): Names | null {
  for (const { markers, count } of markersBefore(m, tokens)) {
    // What follows the markers may happen to look like one more.
    for (const blocks of [count, count - 1]) {
      const last = m.u32(markers + (blocks - 1) * 4);
      for (let start = align(markers - last - MAX_BLOCK, 4); start < markers - last; start += 4) {
        for (const pointerBytes of [8, 4] as const) {
          const symbols = m.u32(start - pointerBytes);
          if (Math.ceil(symbols / MARKER_EVERY) !== blocks) continue;
          if (namesFit(m, start, symbols, markers)) return { start, count: symbols, pointerBytes };
        }
      }
    }
  }
  return null;
}

function nameAt(m: Bytes, at: number, tokens: Tokens): { text: string; next: number } {
  const { length, from } = lengthAt(m, at);
  let text = '';
  for (let n = 0; n < length; n++) text += tokens.text[m.data[from + n] as number];
  return { text, next: from + length };
}

/** Base address and offsets, before the count (old order) or behind the tokens (new order). */
function* addressTables(m: Bytes, names: Names, tokens: Tokens): Generator<{ base: bigint; offsets: number }> {
  const { pointerBytes: p, count } = names;
  const read = (at: number): bigint => (p === 8 ? m.view.getBigUint64(at, true) : BigInt(m.u32(at)));
  const baseBefore = names.start - 2 * p;
  const before = baseBefore - align(count * 4, p);
  if (before >= 0) yield { base: read(baseBefore), offsets: before };
  const behind = align(tokens.end, p);
  const baseBehind = align(behind + count * 4, p);
  if (baseBehind + p <= m.data.length) yield { base: read(baseBehind), offsets: behind };
}

const TEXT = new Set('tTwW');

function symbolsOf(m: Bytes, tokens: Tokens): KernelSymbols | null {
  const names = namesBefore(m, tokens.start);
  if (names === null) return null;
  for (const { base, offsets } of addressTables(m, names, tokens)) {
    if (base === 0n || (base & 0xfffn) !== 0n) continue;
    const found: { address: bigint; name: string }[] = [];
    let negative = 0;
    for (let n = 0; n < names.count; n++) if (m.u32(offsets + n * 4) >= 0x8000_0000) negative++;
    // With absolute per-CPU symbols, all others are stored as -1 - offset.
    const inverted = negative > names.count / 2;
    let at = names.start;
    let ordered = 0;
    for (let n = 0; n < names.count; n++) {
      const { text, next } = nameAt(m, at, tokens);
      at = next;
      const raw = m.u32(offsets + n * 4);
      if (inverted && raw < 0x8000_0000) continue;
      const address = base + BigInt(inverted ? ~raw >>> 0 : raw);
      if (!TEXT.has(text[0] as string)) continue;
      if (found.length === 0 || address >= (found.at(-1) as { address: bigint }).address) ordered++;
      found.push({ address, name: text.slice(1) });
    }
    // The kernel keeps them in order: another table would not be.
    if (found.length < 16 || ordered < found.length * 0.99) continue;
    found.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
    return table(found);
  }
  return null;
}

function table(found: readonly { address: bigint; name: string }[]): KernelSymbols {
  return {
    count: found.length,
    nameOf(address) {
      let low = 0;
      let high = found.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((found[middle] as { address: bigint }).address <= address) low = middle + 1;
        else high = middle;
      }
      const s = found[low - 1];
      return s === undefined || address - s.address > BigInt(MAX_FUNCTION) ? null : s.name;
    },
    addressOf: (name) => found.find((s) => s.name === name)?.address ?? null,
  };
}

/** Looks through guest memory for the kernel's table; null where there is none (yet). */
export function findKernelSymbols(memory: GuestMemory): KernelSymbols | null {
  for (const slot of memory.slots) {
    const m = new Bytes(new Uint8Array(memory.buffer, slot.bufferOffset, slot.sizeBytes));
    const { data } = m;
    const [zero, one] = DIGITS as [number, number];
    for (let at = data.indexOf(one); at >= 2; at = data.indexOf(one, at + 1)) {
      if (data[at - 1] !== 0 || data[at - 2] !== zero || data[at + 1] !== 0) continue;
      const digit = at - 2;
      if (!DIGITS.every((c, n) => data[digit + 2 * n] === c && data[digit + 2 * n + 1] === 0)) continue;
      const tokens = tokensAt(m, digit);
      const symbols = tokens === null ? null : symbolsOf(m, tokens);
      if (symbols !== null) return symbols;
    }
  }
  return null;
}
