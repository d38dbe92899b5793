// Compiled regions by the code they were made from: a page that is read in again, a flushed record arena or another process
// with the same text find their regions without translating anything.
import { codeKey } from './code-key.js';
import { type PageContent, slideOf } from './region-content.js';
import type { RegionFunction, RegionPlace } from './region-table.js';
import type { Relocation } from './relocation.js';

export interface CompiledRegion {
  readonly run: RegionFunction;
  readonly instructions: number;
  /** Bytes of generated code it shares a module with, divided by their number. */
  readonly codeBytes: number;
  /** Times it was translated before for the sake of jump targets; functions that it calls were translated with it. */
  readonly again: number;
  readonly deep: boolean;
  /** An earlier run made it. */
  readonly kept: boolean;
  readonly pages: readonly (PageContent & { readonly page: number })[];
  readonly relocations: readonly Relocation[];
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
    const places = region.pages.map(({ page, lines }): RegionPlace => ({ page, host: host(page), lines }));
    return places.every((place) => place.host !== 0) && this.slide(region, places) !== null ? places : null;
  }
  /** How far the code there has moved since the region was translated; null: it is other code. */
  slide({ pages, relocations }: CompiledRegion, places: readonly RegionPlace[]): number | null {
    const hosts = places.map((place) => place.host);
    return slideOf(this.bytes, pages, hosts, relocations);
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
