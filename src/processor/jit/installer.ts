// Compiled regions into a vCPU: instances of their modules, the cache by content, and what each installed region was made of.
import type { Interpreter, Procedures } from '../modules.js';
import { CodeCache, type CompiledRegion } from './code-cache.js';
import type { RegionPlan } from './region.js';
import { type Hot, hostOfKey, modeOf } from './region-source.js';
import type { RegionFunction, RegionPlace, RegionTable } from './region-table.js';
import type { Relocation } from './relocation.js';

/** What is known of a region once its code lies in a module. */
export type PlanFacts = Omit<RegionPlan, 'code' | 'counts'>;
export interface NewRegion {
  /** Number in its module. */
  readonly index: number;
  readonly hot: Hot;
  readonly plan: PlanFacts;
  /** What was translated, by the plan's pages. */
  readonly contents: readonly Uint8Array[];
  /** Times the block was translated before for the sake of jump targets. */
  readonly again: number;
  /** Functions that it calls were translated with it. */
  readonly deep: boolean;
}
/** A region of a module that nobody asked for yet: it waits in the cache. */
export interface OtherRegion {
  readonly index: number;
  /** Of its entry (code-key.ts). */
  readonly key: number;
  readonly instructions: number;
  readonly pages: readonly { readonly page: number; readonly lines: bigint }[];
  readonly relocations: readonly Relocation[];
  readonly contents: readonly Uint8Array[];
  readonly again: number;
  readonly deep: boolean;
}
export interface NewModule {
  /** Exports its regions as r0, r1, ... */
  readonly module: WebAssembly.Module;
  /** Its size. */
  readonly codeBytes: number;
  readonly regions: readonly NewRegion[];
  readonly others: readonly OtherRegion[];
  /** Number of a module that comes from an earlier run, else 0. */
  readonly stored: number;
}
interface Installed {
  readonly hot: Hot;
  /** Jumps to unknown places, and whether one of them was not known when it was translated. */
  misses: number;
  learned: boolean;
  readonly again: number;
  deep: boolean;
}

/** All code is dropped when more WebAssembly than this is alive; machine code takes up to four times as much. */
const MAX_CODE_BYTES = 24 << 20;

export class RegionInstaller {
  readonly cache: CodeCache;
  private readonly bytes: Uint8Array;
  /** By place of the region. */
  readonly installed = new Map<number, Installed>();
  private readonly imports: WebAssembly.Imports;
  /** Of modules from earlier runs, which may be asked for again. */
  private readonly exportsOf = new Map<number, WebAssembly.Instance['exports']>();

  constructor(
    parts: {
      readonly memory: WebAssembly.Memory;
      readonly procedures: Procedures;
      readonly interpreter: Interpreter;
    },
    private readonly table: RegionTable,
    private readonly isCurrent: (hot: Hot) => boolean,
    seed: number,
  ) {
    this.bytes = new Uint8Array(parts.memory.buffer);
    this.cache = new CodeCache(this.bytes, seed);
    this.imports = {
      env: { memory: parts.memory },
      procedures: parts.procedures as unknown as Record<string, never>,
      interpreter: parts.interpreter as unknown as Record<string, never>,
    };
  }

  /** Installs the regions of a module that were asked for. Returns those that are stale. */
  add({ module, codeBytes, regions, others, stored }: NewModule): readonly NewRegion[] {
    if (this.cache.codeBytes + codeBytes > MAX_CODE_BYTES) this.clear();
    const known = this.exportsOf.get(stored);
    const exports = known ?? new WebAssembly.Instance(module, this.imports).exports;
    if (stored !== 0) this.exportsOf.set(stored, exports);
    const shareBytes = known === undefined ? codeBytes / (regions.length + others.length) : 0;
    const regionOf = (
      r: OtherRegion | (NewRegion & Pick<PlanFacts, 'instructions' | 'pages' | 'relocations'>),
    ): CompiledRegion => ({
      run: exports[`r${r.index}`] as RegionFunction,
      instructions: r.instructions,
      codeBytes: shareBytes,
      again: r.again,
      deep: r.deep,
      relocations: r.relocations,
      pages: r.pages.map(({ page, lines }, k) => ({ page, lines, content: r.contents[k] as Uint8Array })),
    });
    if (known === undefined) for (const other of others) this.cache.add(other.key, regionOf(other));
    return regions.filter((asked) => {
      const { hot, plan } = asked;
      const region = regionOf({ ...asked, ...plan });
      const current = this.isCurrent(hot);
      const held = current ? this.install(hot, region, plan.pages) : this.cache.slide(region, plan.pages) !== null;
      if (held) this.cache.add(this.cache.keyOf(modeOf(hot.key), hostOfKey(hot.key)), region);
      return !(current && held);
    });
  }
  /** Installs what was compiled before from the code that lies there now; false: nothing was. */
  reuse(hot: Hot, host: (page: number) => number): boolean {
    const found = this.cache.find(modeOf(hot.key), hostOfKey(hot.key), host);
    return found !== null && this.install(hot, found.region, found.places);
  }
  private install(hot: Hot, region: CompiledRegion, places: readonly RegionPlace[]): boolean {
    const { again, deep } = region;
    const before = this.table.regionOf(hot.record);
    if (before !== 0) this.remove(before);
    const place = this.table.install(hot.record, region.run, region.instructions, places);
    this.installed.set(place, { hot, misses: 0, learned: false, again, deep });
    // marked as code by now: what was written before that shows here, what is written later drops the region
    const slide = this.cache.slide(region, places);
    if (slide === null) this.remove(place);
    else this.table.setSlide(place, slide);
    return slide !== null;
  }
  remove(place: number): void {
    this.table.remove(place);
    this.installed.delete(place);
  }
  private clear(): void {
    this.table.clear();
    this.cache.clear();
    this.exportsOf.clear();
    this.installed.clear();
  }
}
