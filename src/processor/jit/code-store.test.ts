// Packs of regions and the store over them: what was written is found again, what was damaged is not, what is of no use goes.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { codeKey, FILTER_BYTES, filterAdd, filterHas, seedOf } from './code-key.js';
import { type KeptModule, type KeptRegion, Pack, type PackFile, packOf } from './code-pack.js';
import { type CodeShelf, CodeStore, type MadeModule, type StoredModule } from './code-store.js';

/** (module (func (export "r0") (result i32) i32.const N)) */
const wasmOf = (n: number): Uint8Array =>
  Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7f, 3, 2, 1, 0],
    ...[7, 6, 1, 2, 0x72, 0x30, 0, 0, 10, 6, 1, 4, 0, 0x41, n, 0x0b],
  ]);
const region = (key: number, also: Partial<KeptRegion> = {}): KeptRegion => ({
  ...{ key, instructions: 5, again: 0, deep: false, covers: [0x10, -0x20] },
  relocations: [
    { offset: 0x14, sign: 1 },
    { offset: -0x20, sign: -1 },
  ],
  pages: [
    { page: 0, lines: 0b101n },
    { page: -1, lines: 1n << 63n },
  ],
  ...also,
});
const contents = (byte: number): Uint8Array[] => [new Uint8Array(144).fill(byte), new Uint8Array(72).fill(byte + 1)];
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
const kept = (n: number, regions: readonly KeptRegion[], also: Partial<KeptModule> = {}): KeptModule => ({
  ...{ regions, wasm: wasmOf(n), code: Uint8Array.of(n, 2, 3), unused: 0 },
  contents: joined(regions.flatMap(() => contents(n))),
  ...also,
});

/** Files in memory. */
class Files {
  readonly files = new Map<string, Uint8Array>();
  readonly touched: string[] = [];
  deserialized = 0;
  /** Bytes of machine code that a module is said to have. */
  codeBytes = 3;
  full = false;
  open(): PackFile[] {
    return [...this.files].map(([name, bytes]) => ({
      name,
      read: (offset, sizeBytes) => bytes.slice(offset, offset + sizeBytes),
      close: () => {},
    }));
  }
  put(parts: readonly Uint8Array[], name = `pack${this.files.size}`): string {
    this.files.set(name, joined(parts));
    return name;
  }
  shelf(): CodeShelf {
    return {
      open: () => this.open(),
      write: (parts, replaced) => {
        if (this.full) throw new Error('ENOSPC');
        this.put(parts, `new${this.files.size}`);
        for (const name of replaced) this.files.delete(name);
      },
      touch: (names) => this.touched.push(...names),
      serialize: () => new Uint8Array(this.codeBytes),
      compiling: () => [][Symbol.iterator](),
      deserialize: () => {
        this.deserialized++;
        return null;
      },
    };
  }
}
const any = (r: KeptRegion): KeptRegion => r;
const made = (n: number, count: number, key = 100): MadeModule => ({
  module: new WebAssembly.Module(wasmOf(n) as Uint8Array<ArrayBuffer>),
  wasm: wasmOf(n),
  regions: Array.from({ length: count }, (_, i) => ({ kept: region(key + i), contents: contents(n) })),
});

describe('keys of code', () => {
  it('differ by seed, mode, place and the first bytes, within the page', () => {
    const bytes = new Uint8Array(3 * 4096).fill(0x10);
    const key = codeKey(1, 2, bytes, 4096);
    assert.equal(codeKey(1, 2, bytes, 8192), key, 'the same place of another page');
    for (const other of [codeKey(3, 2, bytes, 4096), codeKey(1, 3, bytes, 4096), codeKey(1, 2, bytes, 4097)])
      assert.notEqual(other, key);
    bytes[4096 + 15] = 0;
    assert.notEqual(codeKey(1, 2, bytes, 4096), key);
    const last = codeKey(1, 2, bytes, 8190);
    bytes[8192] = 0;
    assert.equal(codeKey(1, 2, bytes, 8190), last, 'the next page is another one');
    assert.notEqual(seedOf('a'), seedOf('b'));
  });
  it('are found in a filter', () => {
    const filter = new Uint8Array(FILTER_BYTES);
    const bytes = new Uint8Array(4096);
    filterAdd(filter, codeKey(7, 2, bytes, 16));
    assert.ok(filterHas(filter, codeKey(7, 2, bytes, 16)));
    assert.ok(!filterHas(filter, codeKey(7, 2, bytes, 17)));
  });
});

describe('packs', () => {
  it('give back what they were made of', () => {
    const files = new Files();
    const modules = [kept(1, [region(9), region(10, { deep: true, again: 3 })]), kept(2, [region(11)], { unused: 4 })];
    files.put(packOf(modules));
    const [file] = files.open();
    const pack = Pack.open(file as PackFile);
    assert.ok(pack !== null);
    assert.deepEqual(
      pack.modules()?.map((m) => ({
        ...{ regions: m.regions, unused: m.unused, contents: pack.contents(m) },
        ...pack.code(m),
      })),
      modules,
    );
    const { filter } = new CodeStore(files.shelf());
    for (const key of [9, 10, 11]) assert.ok(filterHas(filter, key));
    assert.ok(!filterHas(filter, 8000));
  });
  it('that are damaged anywhere are as good as none', () => {
    const isWhole = (files: Files): boolean => {
      const store = new CodeStore(files.shelf());
      const found = store.find(9, any);
      return found !== null && store.compiled(found.stored) !== null;
    };
    const good = joined(packOf([kept(1, [region(9)])]));
    const whole = new Files();
    whole.put([good]);
    assert.ok(isWhole(whole));
    for (let at = 0; at < good.length; at += at < 16 ? 1 : 37) {
      const files = new Files();
      const bad = good.slice();
      bad[at] = (bad[at] as number) ^ 0x10;
      files.put([bad]);
      assert.ok(!isWhole(files), `byte ${at}`);
    }
    for (const length of [0, 10, 8000, good.length - 4]) {
      const files = new Files();
      files.put([good.slice(0, length)]);
      assert.ok(!isWhole(files), `${length} bytes`);
    }
  });
});

describe('the store', () => {
  it('finds the region that was translated last, if it fits', () => {
    const files = new Files();
    files.put(packOf([kept(1, [region(9)]), kept(2, [region(9, { again: 2 })]), kept(3, [region(9, { deep: true })])]));
    const store = new CodeStore(files.shelf());
    assert.deepEqual(store.find(9, (r, c) => [r.deep, ...c])?.fits, [true, ...contents(3)]);
    assert.deepEqual(store.find(9, (r) => (r.deep ? null : r.again))?.fits, 2);
    assert.equal(
      store.find(9, () => null),
      null,
    );
    assert.equal(store.find(8, any), null);
    const found = store.find(9, any);
    assert.ok(found !== null && store.compiled(found.stored) instanceof WebAssembly.Module);
    assert.equal(files.deserialized, 1, 'with machine code first, without where the host refuses it');
    assert.equal(store.compiled(found.stored), store.compiled(found.stored));
  });
  it('finds what has machine code first, and names what would be better if it had', () => {
    const files = new Files();
    const none = new Uint8Array(0);
    const deep = kept(1, [region(9, { deep: true })], { code: none });
    const again = kept(2, [region(9, { again: 2 })], { code: none });
    files.put(packOf([deep, again, kept(3, [region(9)])]), 'ours');
    const [reading, keeping] = [new CodeStore(files.shelf()), new CodeStore(files.shelf())];
    const found = reading.find(9, (_, c) => c);
    assert.deepEqual(found?.fits, contents(3));
    assert.ok(found?.unfinished);
    const stored = keeping.named(found.unfinished);
    assert.equal(stored?.packed.regions[0]?.deep, true, 'the best of them');
    assert.equal(keeping.named({ ...found.unfinished, pack: 'gone' }), null);
    assert.equal(reading.find(9, (r) => (r.deep || r.again > 0 ? null : r))?.unfinished, null, 'others do not fit');
    // where nothing has machine code, the best is taken as ever
    const raw = reading.find(9, (r) => (r.deep || r.again > 0 ? r : null));
    assert.deepEqual([raw?.fits.deep, raw?.unfinished], [true, null]);
  });
  it('writes a pack again when enough of its modules have got machine code', () => {
    const files = new Files();
    const regions = Array.from({ length: 8 }, (_, n) => region(100 + n, { deep: true }));
    files.put(
      packOf([kept(1, regions, { code: new Uint8Array(0) }), kept(3, [region(100)], { code: new Uint8Array(1000) })]),
    );
    const store = new CodeStore(files.shelf());
    const taken = store.find(100, any);
    const missed = taken?.unfinished;
    assert.ok(taken && missed);
    assert.ok(store.compiled(taken.stored)); // most of the machine code: the pack does not grow by much
    assert.ok(store.compiled(store.named(missed) as StoredModule));
    assert.equal(store.save(), 0, 'none of them is new');
    const found = new CodeStore(files.shelf()).find(100, any);
    assert.deepEqual([found?.fits.deep, found?.stored.packed.codeBytes], [true, files.codeBytes]);
  });
  it('keeps the modules of a run for the next', () => {
    const files = new Files();
    const first = new CodeStore(files.shelf());
    first.add(made(1, 8));
    assert.equal(first.save(), 8);
    const found = new CodeStore(files.shelf()).find(103, (_, c) => c);
    assert.equal(found?.index, 3);
    assert.deepEqual(found?.fits, contents(1));
  });
  it('writes nothing for a few regions, but notes that a pack was used', () => {
    const files = new Files();
    const name = files.put(packOf([kept(1, [region(9)])]));
    const store = new CodeStore(files.shelf());
    const found = store.find(9, any);
    assert.ok(found !== null);
    store.compiled(found.stored);
    store.add(made(2, 3));
    assert.equal(store.save(), 0);
    assert.deepEqual([...files.files.keys()], [name]);
    assert.deepEqual(files.touched, [name]);
  });
  it('joins new modules with the pack that was used, and writes it again when there is more machine code', () => {
    for (const more of [() => made(2, 20), null]) {
      const files = new Files();
      const name = files.put(packOf([kept(1, [region(9)]), kept(3, [region(10)], { unused: 1 })]));
      files.put(packOf([kept(4, [region(50)])]), 'of another guest');
      const store = new CodeStore(files.shelf());
      const found = store.find(9, any);
      assert.ok(found !== null);
      store.compiled(found.stored);
      if (more === null) files.codeBytes = 100;
      else store.add(more());
      assert.equal(store.save(), more === null ? 0 : 20);
      assert.ok(!files.files.has(name), 'replaced');
      const next = new CodeStore(files.shelf());
      assert.ok(next.find(50, any) !== null);
      const unused = [9, 10].map((key) => next.find(key, any)?.stored.packed.unused);
      assert.deepEqual(unused, [0, 2]);
      assert.equal(next.find(119, any) !== null, more !== null);
      assert.equal(next.find(9, any)?.stored.packed.codeBytes, files.codeBytes);
    }
  });
  it('hears from another thread what is used', () => {
    const files = new Files();
    files.put(packOf([kept(1, [region(9)]), kept(3, [region(10)], { unused: 1 })]), 'ours');
    const [reading, keeping] = [new CodeStore(files.shelf()), new CodeStore(files.shelf())];
    const found = reading.find(10, any);
    assert.ok(found !== null);
    assert.equal(reading.usedModule(found.stored), null, 'not before it is compiled');
    const module = reading.compiled(found.stored);
    const used = reading.usedModule(found.stored);
    assert.ok(used !== null && used.module === module);
    keeping.use(used);
    keeping.use({ ...used, pack: 'gone' });
    keeping.use({ ...used, at: 1 });
    keeping.add(made(2, 20));
    keeping.save();
    const next = new CodeStore(files.shelf());
    const unused = [9, 10].map((key) => next.find(key, any)?.stored.packed.unused);
    assert.deepEqual(unused, [1, 0]);
  });
  it('leaves a full pack alone, a smaller one grows', () => {
    const files = new Files();
    const full = files.put(packOf([kept(1, [region(9)], { code: new Uint8Array(60 << 20) }), kept(2, [region(10)])]));
    const small = files.put(packOf([kept(3, [region(11)])]));
    files.codeBytes = 1 << 20;
    const store = new CodeStore(files.shelf());
    for (const key of [9, 10, 11]) store.compiled(store.find(key, any)?.stored as StoredModule);
    for (let n = 0; n < 5; n++) store.add(made(4 + n, 10, 100 + 10 * n));
    assert.equal(store.save(), 50);
    assert.ok(files.files.has(full) && !files.files.has(small));
    const next = new CodeStore(files.shelf());
    for (const key of [9, 10, 11, 149]) assert.ok(next.find(key, any) !== null, `key ${key}`);
    assert.equal(files.files.size, 2);
  });
  it('drops what was of no use for long', () => {
    const files = new Files();
    files.put(packOf([kept(1, [region(9)], { unused: 8 }), kept(3, [region(10)], { unused: 8 })]));
    const store = new CodeStore(files.shelf());
    const found = store.find(9, any);
    assert.ok(found !== null);
    store.compiled(found.stored);
    store.add(made(2, 20));
    store.save();
    const next = new CodeStore(files.shelf());
    assert.equal(next.find(9, any)?.stored.packed.unused, 0, 'it was used now');
    assert.equal(next.find(10, any), null);
  });
  it('loses nothing but the write where there is no room', () => {
    const files = new Files();
    const name = files.put(packOf([kept(1, [region(9)])]));
    files.full = true;
    const store = new CodeStore(files.shelf());
    store.add(made(2, 20));
    assert.equal(store.save(), 0);
    assert.deepEqual([...files.files.keys()], [name]);
  });
});
