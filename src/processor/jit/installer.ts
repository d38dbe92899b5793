// Compiled regions into a vCPU: instances of their modules, the cache by content, and what each installed region was made of.
import type { Interpreter, Procedures } from '../modules.js';
import { CodeCache, type CompiledRegion } from './code-cache.js';
import type { RegionPlan } from './region.js';
import { type Hot, hostOfKey, modeOf } from './region-source.js';
import type { RegionFunction, RegionPlace, RegionTable } from './region-table.js';

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
export interface NewModule {
  /** Exports its regions as r0, r1, ... */
  readonly module: WebAssembly.Module;
  /** Its size. */
  readonly codeBytes: number;
  readonly regions: readonly NewRegion[];
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
  /** An earlier run made it, often with more knowledge than this run has yet: it is not translated again. */
  readonly kept: boolean;
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

  /** The module of an earlier run is in use already. */
  uses(stored: number): boolean {
    return this.exportsOf.has(stored);
  }
  /** Installs the regions of a module that were asked for. Returns those that are stale. */
  add({ module, codeBytes, regions, stored }: NewModule): readonly NewRegion[] {
    const known = this.exportsOf.get(stored);
    const newBytes = known === undefined ? codeBytes : 0;
    if (this.cache.codeBytes + newBytes > MAX_CODE_BYTES) this.clear();
    const exports = known ?? new WebAssembly.Instance(module, this.imports).exports;
    if (stored !== 0) this.exportsOf.set(stored, exports);
    return regions.filter(({ index, hot, plan, contents, again, deep }) => {
      const region: CompiledRegion = {
        run: exports[`r${index}`] as RegionFunction,
        instructions: plan.instructions,
        codeBytes: newBytes / regions.length,
        again,
        deep,
        kept: stored !== 0,
        relocations: plan.relocations,
        pages: plan.pages.map(({ page, lines }, k) => ({ page, lines, content: contents[k] as Uint8Array })),
      };
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
    const { again, deep, kept } = region;
    const before = this.table.regionOf(hot.record);
    if (before !== 0) this.remove(before);
    const place = this.table.install(hot.record, region.run, region.instructions, places);
    this.installed.set(place, { hot, misses: 0, learned: false, again, deep, kept });
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
