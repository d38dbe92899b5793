// What code is found by before it is compared: a hash of how a block begins, and a small filter of the hashes that are known.
import { PAGE } from './discover.js';
import { mayRelocate, steadyBits } from './relocation.js';

/** Bytes at the beginning of a block that go into its key, where its page has so many. */
const HEAD_BYTES = 16;
const FNV_PRIME = 0x0100_0193;
const FNV_OFFSET = 0x811c_9dc5;

/** A number for what code depends on besides its bytes. FNV-1a. */
export function seedOf(text: string): number {
  let h = FNV_OFFSET;
  for (let n = 0; n < text.length; n++) h = Math.imul(h ^ text.charCodeAt(n), FNV_PRIME);
  return h >>> 0;
}
/** The key of a block: of its mode, its place in the page and what stays of its first bytes; `at`: where they lie, as far from a page's start. */
export function codeKey(seed: number, mode: number, bytes: Uint8Array, at: number): number {
  const pageEnd = (at | (PAGE - 1)) + 1;
  const end = Math.min(at + HEAD_BYTES, pageEnd);
  const moves = mayRelocate(mode);
  let h = Math.imul(seed ^ mode, FNV_PRIME);
  h = Math.imul(h ^ (at & (PAGE - 1)), FNV_PRIME);
  for (let n = at; n < end; n++)
    h = Math.imul(h ^ (moves ? steadyBits(bytes, at, pageEnd, n, mode) : (bytes[n] as number)), FNV_PRIME);
  return (h ^ (h >>> 15)) >>> 0;
}

/** Bytes of a filter: a bit for each of 65,536 keys' classes. */
export const FILTER_BYTES = 8192;
/** Notes a key. */
export function filterAdd(filter: Uint8Array, key: number): void {
  const at = (key >>> 3) & (FILTER_BYTES - 1);
  filter[at] = (filter[at] as number) | (1 << (key & 7));
}
/** False: the key was not noted; true: perhaps. */
export const filterHas = (filter: Uint8Array, key: number): boolean =>
  (((filter[(key >>> 3) & (FILTER_BYTES - 1)] as number) >> (key & 7)) & 1) === 1;
