// Compiled regions into a vCPU: instances of their modules, the cache by content, and what each installed region was made of.
import type { Interpreter, Procedures } from '../modules.js';
import { CodeCache, type CompiledRegion } from './code-cache.js';
import type { RegionPlan } from './region.js';
import { type Hot, hostOfKey, modeOf } from './region-source.js';
import type { RegionFunction, RegionPlace, RegionTable } from './region-table.js';

/** What is known of a region once its code lies in a module. */
export type PlanFacts = Omit<RegionPlan, 'code'>;
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
  /** By place of the region. */
  readonly installed = new Map<number, Installed>();
  private readonly imports: WebAssembly.Imports;

  constructor(
    parts: {
      readonly memory: WebAssembly.Memory;
      readonly procedures: Procedures;
      readonly interpreter: Interpreter;
    },
    private readonly table: RegionTable,
    private readonly isCurrent: (hot: Hot) => boolean,
  ) {
    this.cache = new CodeCache(new Uint8Array(parts.memory.buffer));
    this.imports = {
      env: { memory: parts.memory },
      procedures: parts.procedures as unknown as Record<string, never>,
      interpreter: parts.interpreter as unknown as Record<string, never>,
    };
  }

  /** Installs the regions of a module, which exports them as r0, r1, ...; `codeBytes`: its size. Returns those that are stale. */
  add(module: WebAssembly.Module, codeBytes: number, regions: readonly NewRegion[]): readonly NewRegion[] {
    if (this.cache.codeBytes + codeBytes > MAX_CODE_BYTES) this.clear();
    const { exports } = new WebAssembly.Instance(module, this.imports);
    return regions.filter(({ index, hot, plan, contents, again, deep }) => {
      const region: CompiledRegion = {
        run: exports[`r${index}`] as RegionFunction,
        instructions: plan.instructions,
        codeBytes: codeBytes / regions.length,
        pages: plan.pages.map(({ page, lines }, k) => ({ page, lines, content: contents[k] as Uint8Array })),
      };
      const current = this.isCurrent(hot);
      const holds = current ? this.install(hot, region, plan.pages, again, deep) : this.holds(region, plan.pages);
      if (holds) this.cache.add(modeOf(hot.key), hostOfKey(hot.key), region);
      return !(current && holds);
    });
  }
  /** Installs what was compiled before from the code that lies there now; false: nothing was. */
  reuse(hot: Hot, host: (page: number) => number): boolean {
    const found = this.cache.find(modeOf(hot.key), hostOfKey(hot.key), host);
    return found !== null && this.install(hot, found.region, found.places, 0, false);
  }
  private install(
    hot: Hot,
    region: CompiledRegion,
    places: readonly RegionPlace[],
    again: number,
    deep: boolean,
  ): boolean {
    const before = this.table.regionOf(hot.record);
    if (before !== 0) this.remove(before);
    const place = this.table.install(hot.record, region.run, region.instructions, places);
    this.installed.set(place, { hot, misses: 0, learned: false, again, deep });
    // marked as code by now: what was written before that shows here, what is written later drops the region
    if (this.holds(region, places)) return true;
    this.remove(place);
    return false;
  }
  private holds(region: CompiledRegion, places: readonly RegionPlace[]): boolean {
    return places.every(({ host, lines }, n) => this.cache.holds(host, lines, region.pages[n]?.content as Uint8Array));
  }
  remove(place: number): void {
    this.table.remove(place);
    this.installed.delete(place);
  }
  private clear(): void {
    this.table.clear();
    this.cache.clear();
    this.installed.clear();
  }
}
