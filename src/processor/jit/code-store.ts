// Regions that earlier runs made, by the code that they were made from, and those of this run for later ones.
// See docs/decisions/0017-code-between-runs.md.
import { rank } from './code-cache.js';
import { FILTER_BYTES, filterHas } from './code-key.js';
import {
  type KeptModule,
  type KeptRegion,
  Pack,
  type PackedModule,
  type PackFile,
  packOf,
  type RegionHead,
} from './code-pack.js';
import { contentBytes } from './region-content.js';

/** Where packs are, and what the host can do with machine code. */
export interface CodeShelf {
  /** Packs that fit this build of the processor and this host, those used last first. */
  open(): readonly PackFile[];
  /** Writes a pack, then removes those that it replaces. May throw: then nothing was written. */
  write(parts: readonly Uint8Array[], replaced: readonly string[]): void;
  /** They were used. */
  touch(names: readonly string[]): void;
  /** The machine code of a module, as much as there is by now; null: the host cannot tell. */
  serialize(module: WebAssembly.Module): Uint8Array | null;
  /** Makes the machine code of a module, that of one function more at each step. */
  compiling(module: WebAssembly.Module): Iterator<void>;
  /** The module with that machine code; null: it does not fit this host. */
  deserialize(code: Uint8Array, wasm: Uint8Array): WebAssembly.Module | null;
}
/** A module of this run. */
export interface MadeModule {
  readonly module: WebAssembly.Module;
  readonly wasm: Uint8Array;
  readonly regions: readonly { readonly kept: KeptRegion; readonly contents: readonly Uint8Array[] }[];
}
/** A module of an earlier run. */
export interface StoredModule {
  /** Of this module in this run, from 1 on. */
  readonly id: number;
  readonly packed: PackedModule;
}
/** Names a module of an earlier run: its pack, and where it lies in it. */
export interface ModuleName {
  readonly pack: string;
  readonly at: number;
}
/** A module of an earlier run that this run uses. */
export interface UsedModule extends ModuleName {
  readonly module: WebAssembly.Module;
}
export interface Found<T> {
  readonly stored: StoredModule;
  /** Number of the region in its module. */
  readonly index: number;
  readonly fits: T;
  /** A better one fits too, but has no machine code yet; else null. */
  readonly unfinished: ModuleName | null;
}
interface Stored extends StoredModule {
  readonly pack: OpenPack;
  /** What its regions were made of, and where the part of each begins; null: nobody has asked for it. */
  contents: { readonly all: Uint8Array; readonly offsets: readonly number[] } | null;
  module: WebAssembly.Module | null;
}
interface OpenPack {
  readonly pack: Pack;
  /** null: nobody has looked into it. */
  modules: Stored[] | null;
  readonly byKey: Map<number, { readonly stored: Stored; readonly index: number }[]>;
}

/** More WebAssembly of one run is not kept. */
const MAX_MADE_BYTES = 24 << 20;
/** A pack that would grow beyond that is left alone; another one grows, or begins. */
const MAX_PACK_BYTES = 64 << 20;
/** A pack is written when there are so many regions more, or with machine code for the first time, or when its machine code has grown by this factor. */
const WORTH_REGIONS = 8;
const WORTH_GROWTH = 1.05;
/** Runs that a module may be of no use to. */
const MAX_UNUSED = 8;

const packedBytes = (modules: readonly Stored[]): number =>
  modules.reduce((n, { packed }) => n + packed.wasmBytes + packed.codeBytes + packed.contentBytes, 0);
const nameOf = ({ pack, packed }: Stored): ModuleName => ({ pack: pack.pack.name, at: packed.at });
const bytesOf = ({ pages }: KeptRegion): number => pages.reduce((n, { lines }) => n + contentBytes(lines), 0);

export class CodeStore {
  private readonly packs: OpenPack[];
  private readonly made: MadeModule[] = [];
  private madeBytes = 0;
  private lastId = 0;

  constructor(private readonly shelf: CodeShelf) {
    this.packs = shelf.open().flatMap((file) => {
      const pack = Pack.open(file);
      return pack === null ? [] : [{ pack, modules: null, byKey: new Map() }];
    });
  }

  /** The filter of the keys (code-key.ts) of all regions. */
  get filter(): Uint8Array {
    const all = new Uint8Array(FILTER_BYTES);
    for (const { pack } of this.packs)
      for (const [n, bits] of pack.filter.entries()) all[n] = (all[n] as number) | bits;
    return all;
  }
  /**
   * A region of that key for which `fits` gives a result; of several the one that was translated last of those with machine
   * code: others would run as V8's baseline code, slower than what they replaced, until V8 has optimized them.
   */
  find<T>(key: number, fits: (region: KeptRegion, contents: readonly Uint8Array[]) => T | null): Found<T> | null {
    let unfinished: Found<T> | null = null;
    for (const open of this.packs) {
      if (!filterHas(open.pack.filter, key)) continue;
      if (open.modules === null) this.look(open);
      for (const { stored, index } of open.byKey.get(key) ?? []) {
        const contents = this.contents(stored, index);
        if (contents === null) continue;
        const result = fits(stored.packed.regions[index] as KeptRegion, contents);
        if (result === null) continue;
        const better = unfinished && nameOf(unfinished.stored as Stored);
        const found: Found<T> = { stored, index, fits: result, unfinished: better };
        if (stored.packed.codeBytes > 0) return found;
        unfinished ??= found;
      }
    }
    return unfinished;
  }
  /** What a region was made of, by its pages; null: its module was damaged. */
  contents(stored: StoredModule, index: number): Uint8Array[] | null {
    const s = stored as Stored;
    s.contents ??= this.readContents(s);
    if (s.contents === null) return null;
    const { all, offsets } = s.contents;
    let at = offsets[index] as number;
    return (s.packed.regions[index] as KeptRegion).pages.map(({ lines }) => {
      const start = at;
      at += contentBytes(lines);
      return all.subarray(start, at);
    });
  }
  private readContents({ pack, packed }: Stored): Stored['contents'] {
    const all = pack.pack.contents(packed);
    let at = 0;
    const offsets = packed.regions.map((region) => {
      const start = at;
      at += bytesOf(region);
      return start;
    });
    return all && { all, offsets };
  }
  /** The module, ready to be instantiated; null: it was damaged. */
  compiled(stored: StoredModule): WebAssembly.Module | null {
    const s = stored as Stored;
    if (s.module !== null) return s.module;
    const parts = s.pack.pack.code(s.packed);
    if (parts === null) return null;
    const wasm = parts.wasm as Uint8Array<ArrayBuffer>;
    const ready = parts.code.length === 0 ? null : this.shelf.deserialize(parts.code, wasm);
    s.module = ready ?? new WebAssembly.Module(wasm);
    return s.module;
  }
  /** Names a module, with its code, for another thread's store. */
  usedModule(stored: StoredModule): UsedModule | null {
    const { module } = stored as Stored;
    return module && { ...nameOf(stored as Stored), module };
  }
  /** The module that another thread's store names; null: it is not here. */
  named({ pack, at }: ModuleName): StoredModule | null {
    const open = this.packs.find((p) => p.pack.name === pack);
    return (open && (open.modules ?? this.look(open)).find(({ packed }) => packed.at === at)) ?? null;
  }
  /** Another thread's store has found this module, and this run uses it. */
  use(used: UsedModule): void {
    const stored = this.named(used) as Stored | null;
    if (stored !== null) stored.module = used.module;
  }
  /** Nobody reads it any more. */
  close(): void {
    for (const { pack } of this.packs) pack.close();
  }
  private look(open: OpenPack): Stored[] {
    const rows = open.pack.modules() ?? [];
    open.modules = rows.map((packed) => ({ id: ++this.lastId, pack: open, packed, contents: null, module: null }));
    for (const stored of open.modules) {
      for (const [index, { key }] of stored.packed.heads.entries()) {
        const same = open.byKey.get(key);
        if (same === undefined) open.byKey.set(key, [{ stored, index }]);
        else same.push({ stored, index });
      }
    }
    const rankOf = ({ stored, index }: { stored: Stored; index: number }): number =>
      rank(stored.packed.heads[index] as RegionHead);
    for (const same of open.byKey.values()) same.sort((a, b) => rankOf(b) - rankOf(a) || b.stored.id - a.stored.id);
    return open.modules;
  }

  /** Makes a module's machine code, that of one function more at each step. */
  compiling(module: WebAssembly.Module): Iterator<void> {
    return this.shelf.compiling(module);
  }
  /** A module of this run, for later ones. */
  add(made: MadeModule): void {
    this.madeBytes += made.wasm.length;
    if (this.madeBytes <= MAX_MADE_BYTES) this.made.push(made);
  }
  /** Writes what is worth it. Returns the number of regions that later runs will find more. */
  save(): number {
    try {
      return this.write();
    } catch {
      return 0; // a full or read-only folder costs the next run its start, nothing else
    } finally {
      this.close();
    }
  }
  private write(): number {
    const used = (open: OpenPack): number => open.modules?.filter(({ module }) => module !== null).length ?? 0;
    const relevant = this.packs.filter((open) => used(open) > 0).sort((a, b) => used(b) - used(a));
    const fresh = this.made.map((m) => this.keptOf(m));
    const room = fresh.reduce((n, m) => n - m.wasm.length - m.code.length - m.contents.length, MAX_PACK_BYTES);
    const base = relevant.find(({ modules }) => packedBytes(modules ?? []) <= room);
    const regions = fresh.reduce((n, m) => n + m.regions.length, 0);
    const code = this.codeNow(base?.modules ?? []);
    let [before, after, finished] = [0, 0, 0];
    for (const [{ packed }, now] of code) {
      before += packed.codeBytes;
      after += now.length;
      if (packed.codeBytes === 0 && now.length > 0) finished += packed.heads.length;
    }
    if (regions + finished < WORTH_REGIONS && after <= before * WORTH_GROWTH) {
      this.shelf.touch(relevant.map(({ pack }) => pack.name));
      return 0;
    }
    const kept = this.again(base?.modules ?? [], code);
    const modules = [...kept, ...fresh];
    if (modules.length > 0) this.shelf.write(packOf(modules), base === undefined ? [] : [base.pack.name]);
    return regions;
  }
  /** The machine code that the modules which were used have by now. */
  private codeNow(modules: readonly Stored[]): Map<Stored, Uint8Array> {
    const code = new Map<Stored, Uint8Array>();
    for (const stored of modules) {
      const now = stored.module === null ? null : this.shelf.serialize(stored.module);
      if (now !== null) code.set(stored, now);
    }
    return code;
  }
  /** Those that stay, with that machine code. */
  private again(modules: readonly Stored[], code: ReadonlyMap<Stored, Uint8Array>): KeptModule[] {
    return modules.flatMap((stored): KeptModule[] => {
      const isUsed = stored.module !== null;
      const { pack } = stored.pack;
      const { regions, unused } = stored.packed;
      const parts = isUsed || unused < MAX_UNUSED ? pack.code(stored.packed) : null;
      const contents = parts && pack.contents(stored.packed);
      if (parts === null || contents === null) return [];
      const { wasm } = parts;
      return [{ regions, wasm, contents, code: code.get(stored) ?? parts.code, unused: isUsed ? 0 : unused + 1 }];
    });
  }
  private keptOf({ module, wasm, regions }: MadeModule): KeptModule {
    const contents = new Uint8Array(regions.reduce((n, { kept }) => n + bytesOf(kept), 0));
    let at = 0;
    for (const part of regions.flatMap((r) => r.contents)) {
      contents.set(part, at);
      at += part.length;
    }
    const code = this.shelf.serialize(module) ?? new Uint8Array(0);
    return { regions: regions.map(({ kept }) => kept), wasm, code, contents, unused: 0 };
  }
}
