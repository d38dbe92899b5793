// The code that a region was made from: what it is compared by before it runs at another place or in another run.
import type { Relocation } from './relocation.js';

const LINE = 64;
/** A line's bytes, then a bit for each that counts: it belongs to an instruction of the region, and stays when code moves. */
const ENTRY = LINE + LINE / 8;

/** The code of one of a region's pages: entries of its lines, one after the other. */
export interface PageContent {
  readonly lines: bigint;
  readonly content: Uint8Array;
}
/** Bytes of the content of that many lines. */
export const contentBytes = (lines: bigint): number =>
  (bitsIn(Number(lines & 0xffff_ffffn)) + bitsIn(Number(lines >> 32n))) * ENTRY;
/** Bits that are set in a number of 32 bits. */
function bitsIn(n: number): number {
  let pairs = n - ((n >>> 1) & 0x5555_5555);
  pairs = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333);
  return Math.imul((pairs + (pairs >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

const isIn = (lines: bigint, line: number): boolean => ((lines >> BigInt(line)) & 1n) === 1n;

/** The lines of a page that begins at `offset`; `counts`: a bit for each byte of the page. */
export function contentOf(bytes: Uint8Array, offset: number, lines: bigint, counts: Uint8Array): Uint8Array {
  const out = new Uint8Array(contentBytes(lines));
  let at = 0;
  for (let line = 0; line < 64; line++) {
    if (!isIn(lines, line)) continue;
    out.set(bytes.subarray(offset + line * LINE, offset + (line + 1) * LINE), at);
    out.set(counts.subarray((line * LINE) / 8, ((line + 1) * LINE) / 8), at + LINE);
    at += ENTRY;
  }
  return out;
}

/** The page at a host address holds, where it counts, what was translated. */
function holds(bytes: Uint8Array, host: number, { lines, content }: PageContent): boolean {
  let at = 0;
  for (let half = 0; half < 2; half++) {
    let bits = Number((lines >> BigInt(half * 32)) & 0xffff_ffffn);
    for (let line = half * 32; bits !== 0; line++, bits >>>= 1) {
      if ((bits & 1) === 0) continue;
      const from = host + line * LINE;
      for (let n = 0; n < LINE; n++) {
        const counts = ((content[at + LINE + (n >> 3)] as number) >> (n & 7)) & 1;
        if (counts === 1 && bytes[from + n] !== content[at + n]) return false;
      }
      at += ENTRY;
    }
  }
  return true;
}

const PAGE = 4096;
const at32 = (byte: (n: number) => number): number => byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24);

/** The word at a page offset, as it was when the page was translated. */
function wordThen({ lines, content }: PageContent, offset: number): number {
  const line = offset >> 6;
  const entry = contentBytes(lines & ((1n << BigInt(line)) - 1n));
  // what reaches into the next line goes on in the next entry
  return at32((n) => {
    const inLine = offset + n - line * LINE;
    return content[entry + (inLine < LINE ? inLine : ENTRY + inLine - LINE)] as number;
  });
}

/**
 * How far the words that follow its address have moved since a region was translated, where its pages now lie at these host
 * addresses; null: it was made from other code.
 */
export function slideOf(
  bytes: Uint8Array,
  pages: readonly (PageContent & { readonly page: number })[],
  hosts: readonly number[],
  relocations: readonly Relocation[],
): number | null {
  if (!pages.every((page, n) => holds(bytes, hosts[n] as number, page))) return null;
  let slide: number | null = null;
  for (const { offset, sign } of relocations) {
    const index = pages.findIndex(({ page }) => page === Math.floor(offset / PAGE));
    const inPage = offset & (PAGE - 1);
    const now = at32((n) => bytes[(hosts[index] as number) + inPage + n] as number);
    const moved = Math.imul(now - wordThen(pages[index] as PageContent, inPage), sign);
    if (slide !== null && moved !== slide) return null;
    slide = moved;
  }
  return slide ?? 0;
}
