// What a translator's thread does while nobody asks for anything: it makes regions, for later runs, of blocks that are not hot.
// A guest that runs again finds them ready; making them while it waits would cost it more than they are worth.
// Before that it finishes modules of earlier runs that they had no time to compile. See docs/decisions/0017-code-between-runs.md.

import type { KeptRegion } from './code-pack.js';
import type { CodeStore, MadeModule, ModuleName } from './code-store.js';
import { NOTE_SHARE } from './counting.js';
import { hostMs } from './host-clock.js';
import type { RegionPlan, RegionTranslator } from './region.js';
import { type Hot, RegionSource, type Translated } from './region-source.js';
import type { Subject } from './translation-messages.js';

/** Regions of a module: every module costs memory and time of its own. */
const BATCH = 16;
/** It translates for so long at a time, milliseconds. */
const STEP_MS = 10;
/** Blocks of a vCPU that wait; those that come later are dropped. */
const MAX_NOTED = 16_384;
/** The blocks that wait are put in order so often, milliseconds. */
const ORDER_MS = 500;
/** WebAssembly that is made so in one run, bytes. */
const MAX_BYTES = 8 << 20;

/** A vCPU's code as it is seen here: apart from the regions that the vCPU asks for. */
interface Noting {
  readonly source: RegionSource;
  readonly translator: RegionTranslator;
  readonly seed: number;
  /** In order, and those that have come since. */
  ordered: Hot[];
  fresh: Hot[];
  /** Translated, for the next module. */
  ready: Ready[];
  /** Host time from which on they are put in order again. */
  orderAt: number;
}
interface Ready {
  readonly plan: RegionPlan;
  readonly kept: KeptRegion;
  readonly contents: readonly Uint8Array[];
}
interface Unfinished {
  /** null: the store has it. */
  readonly made: MadeModule | null;
  /** Compiles one function more at each step. */
  readonly compiling: Iterator<void>;
}

export class WorkAhead {
  private readonly clients = new Map<number, Noting>();
  /** Keys (code-key.ts) of the code that regions were made of: other processes run the same. */
  private readonly done = new Set<number>();
  private unfinished: Unfinished | null = null;
  /** Modules of earlier runs that are to be finished. */
  private readonly asked: ModuleName[] = [];
  private bytes = 0;

  constructor(private readonly store: CodeStore) {}

  attach(client: number, subject: Subject, translator: RegionTranslator): void {
    const source = new RegionSource(subject, translator);
    this.clients.set(client, { source, translator, seed: subject.seed, ordered: [], fresh: [], ready: [], orderAt: 0 });
  }
  detach(client: number): void {
    this.clients.delete(client);
  }
  note(client: number, blocks: readonly Hot[]): void {
    const noting = this.clients.get(client);
    if (noting !== undefined && noting.ordered.length + noting.fresh.length < MAX_NOTED) noting.fresh.push(...blocks);
  }

  /** A module of an earlier run is worth its machine code. */
  finish(module: ModuleName): void {
    this.asked.push(module);
  }

  /** Works for some milliseconds, on what was entered most; false: nothing is left to do. */
  step(): boolean {
    if (this.unfinished !== null) {
      if (this.unfinished.compiling.next().done === true) {
        if (this.unfinished.made !== null) this.store.add(this.unfinished.made);
        this.unfinished = null;
      }
      return true;
    }
    if (this.bytes > MAX_BYTES) return false;
    const asked = this.asked.pop();
    if (asked !== undefined) {
      this.load(asked);
      return true;
    }
    for (const client of this.clients.values())
      if (client.ordered.length + client.fresh.length + client.ready.length > 0) {
        this.translate(client);
        return true;
      }
    return false;
  }
  /** A module of an earlier run, to be compiled. */
  private load(name: ModuleName): void {
    const stored = this.store.named(name);
    const module = stored && this.store.compiled(stored);
    if (stored === null || module === null) return;
    this.bytes += stored.packed.wasmBytes;
    this.unfinished = { made: null, compiling: this.store.compiling(module) };
  }
  /**
   * What was entered most comes first; of what was entered about as often, what ran first: its region goes on to the rest. What
   * has become hot meanwhile, or is gone, is left out.
   */
  private order(client: Noting, now: number): void {
    const weights = new Map<Hot, number>();
    for (const block of [...client.ordered, ...client.fresh]) {
      const entries = client.source.entriesOf(block);
      if (entries >= 0) weights.set(block, Math.floor(Math.log2(entries + 1)));
    }
    client.ordered = [...weights].sort(([, a], [, b]) => b - a).map(([block]) => block);
    client.fresh = [];
    client.orderAt = now + ORDER_MS;
  }
  private translate(client: Noting): void {
    const { source, seed, ready } = client;
    const start = hostMs();
    if (client.ordered.length === 0 || start >= client.orderAt) this.order(client, start);
    while (ready.length < BATCH && hostMs() - start < STEP_MS) {
      const hot = client.ordered.shift();
      if (hot === undefined) break;
      const translated = this.region(client, hot);
      if (translated === null) continue;
      const { plan, contents } = translated;
      ready.push({ plan, kept: source.keptOf(hot, seed, plan, 0, false), contents });
    }
    if (ready.length === BATCH || client.ordered.length === 0) this.compile(client);
  }
  private compile(client: Noting): void {
    const regions = client.ready;
    if (regions.length === 0) return;
    client.ready = [];
    const wasm = client.translator.assemble(regions.map(({ plan }) => plan));
    const module = new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>);
    this.bytes += wasm.length;
    const made: MadeModule = { module, wasm, regions: regions.map(({ kept, contents }) => ({ kept, contents })) };
    this.unfinished = { made, compiling: this.store.compiling(module) };
  }
  private region({ source, seed }: Noting, block: Hot): Translated | null {
    const entries = source.entriesOf(block);
    if (entries < 0) return null;
    const key = source.keyOf(block, seed);
    if (this.done.has(key)) return null;
    this.done.add(key);
    try {
      // what the regions of earlier runs have inside and was entered so often nevertheless is worth one of its own
      if (this.store.find(key, (kept, contents) => source.fit(block, kept, contents)) !== null) return null;
      // what of its code was entered far less often is left to regions of its own
      const threshold = Math.max(entries, source.threshold / NOTE_SHARE);
      const translated = source.translate(block, { threshold });
      return translated === 'covered' ? null : translated;
    } catch {
      return null; // memory that changes while it is read may show anything
    }
  }
}
