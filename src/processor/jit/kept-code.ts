// Regions that earlier runs made, for one vCPU, on its own thread: with their machine code they are at hand in less than a
// millisecond, where an answer of the translator's thread takes five. See docs/decisions/0017-code-between-runs.md.
import { codeKey, filterHas } from './code-key.js';
import type { KeptRegion } from './code-pack.js';
import type { CodeStore, ModuleName, UsedModule } from './code-store.js';
import type { NewModule } from './installer.js';
import type { Hot, RegionSource } from './region-source.js';

/** What happens to modules of earlier runs. */
export interface KeptCodeEvents {
  /** A region was taken from it. */
  used(module: UsedModule): void;
  /** A region would have been, if it had machine code. */
  missed(module: ModuleName): void;
}

export class KeptCode {
  private readonly filter: Uint8Array;

  constructor(
    private readonly store: CodeStore,
    private readonly seed: number,
    private readonly events: KeptCodeEvents,
  ) {
    this.filter = store.filter;
  }

  /** The block at `host`, in this mode, may begin like a region that is kept: it is worth a look soon. */
  has(mode: number, bytes: Uint8Array, host: number): boolean {
    return filterHas(this.filter, codeKey(this.seed, mode, bytes, host));
  }
  /** The module with the region of a hot block; null: none was made of the code that lies there now. */
  take(hot: Hot, source: RegionSource): NewModule | null {
    const found = this.store.find(source.keyOf(hot, this.seed), (kept, contents) => source.fit(hot, kept, contents));
    const module = found && this.store.compiled(found.stored);
    if (found === null || module === null) return null;
    const used = this.store.usedModule(found.stored);
    if (used !== null) this.events.used(used);
    const { stored, index, fits, unfinished } = found;
    if (unfinished !== null) this.events.missed(unfinished);
    source.cover(fits);
    const { again, deep } = stored.packed.regions[index] as KeptRegion;
    const contents = this.store.contents(stored, index) ?? [];
    const regions = [{ index, hot, plan: fits, contents, again, deep }];
    return { module, regions, codeBytes: stored.packed.wasmBytes, stored: stored.id };
  }
}
