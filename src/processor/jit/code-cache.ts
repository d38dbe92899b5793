// Compiled regions by the code they were made from: a page that is read in again, a flushed record arena or another process
// with the same text find their regions without translating anything.
import { codeKey } from './code-key.js';
import type { RegionFunction, RegionPlace } from './region-table.js';

export interface CompiledRegion {
  readonly run: RegionFunction;
  readonly instructions: number;
  /** Bytes of generated code it shares a module with, divided by their number. */
  readonly codeBytes: number;
  /** Times it was translated before for the sake of jump targets; functions that it calls were translated with it. */
  readonly again: number;
  readonly deep: boolean;
  readonly pages: readonly { readonly page: number; readonly lines: bigint; readonly content: Uint8Array }[];
}

/** The lines of a page that begins at `offset`, one after the other. */
export function linesOf(bytes: Uint8Array, offset: number, lines: bigint): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let line = 0; line < 64; line++)
    if (((lines >> BigInt(line)) & 1n) === 1n) parts.push(bytes.subarray(offset + line * 64, offset + line * 64 + 64));
  const out = new Uint8Array(parts.length * 64);
  parts.forEach((part, n) => {
    out.set(part, n * 64);
  });
  return out;
}

/** The page at a host address holds, in these lines, what was translated. */
export function holds(bytes: Uint8Array, host: number, lines: bigint, content: Uint8Array): boolean {
  let at = 0;
  for (let half = 0; half < 2; half++) {
    let bits = Number((lines >> BigInt(half * 32)) & 0xffff_ffffn);
    for (let line = half * 32; bits !== 0; line++, bits >>>= 1) {
      if ((bits & 1) === 0) continue;
      const from = host + line * 64;
      for (let n = 0; n < 64; n++) if (bytes[from + n] !== content[at + n]) return false;
      at += 64;
    }
  }
  return true;
}

/** Of several regions that were made from the same code the one that more was known for comes first. */
export const rank = ({ again, deep }: { readonly again: number; readonly deep: boolean }): number =>
  (deep ? 1000 : 0) + again;

export class CodeCache {
  private readonly byKey = new Map<number, CompiledRegion[]>();
  codeBytes = 0;

  constructor(
    private readonly bytes: Uint8Array,
    /** Of the keys (code-key.ts). */
    private readonly seed: number,
  ) {}

  /** Of the block at a host address. */
  keyOf(mode: number, host: number): number {
    return codeKey(this.seed, mode, this.bytes, host);
  }
  private matches(region: CompiledRegion, host: (page: number) => number): RegionPlace[] | null {
    const places: RegionPlace[] = [];
    for (const { page, lines, content } of region.pages) {
      const where = host(page);
      if (where === 0 || !holds(this.bytes, where, lines, content)) return null;
      places.push({ page, host: where, lines });
    }
    return places;
  }
  /** A region made from what now lies at `entry` (host address) and the pages around. */
  find(
    mode: number,
    entry: number,
    host: (page: number) => number,
  ): { region: CompiledRegion; places: RegionPlace[] } | null {
    for (const region of this.byKey.get(this.keyOf(mode, entry)) ?? []) {
      const places = this.matches(region, host);
      if (places !== null) return { region, places };
    }
    return null;
  }
  add(key: number, region: CompiledRegion): void {
    const known = this.byKey.get(key);
    if (known === undefined) this.byKey.set(key, [region]);
    else known.splice(known.findIndex((other) => rank(other) <= rank(region)) >>> 0, 0, region);
    this.codeBytes += region.codeBytes;
  }
  clear(): void {
    this.byKey.clear();
    this.codeBytes = 0;
  }
}
