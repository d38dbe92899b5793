// Packs of compiled regions, as they are kept between runs: a head with a filter of their keys, an index, then each module's
// WebAssembly, machine code and the guest code that it was made of. Everything has a checksum: a pack that was damaged is
// as good as none.
import { FILTER_BYTES, filterAdd } from './code-key.js';
import type { Relocation } from './relocation.js';

/** A region in a pack; where things lie is relative to its entry's page. */
export interface KeptRegion {
  readonly key: number;
  readonly instructions: number;
  readonly again: number;
  readonly deep: boolean;
  readonly pages: readonly { readonly page: number; readonly lines: bigint }[];
  /** Offsets of its blocks, the entry's first. */
  readonly covers: readonly number[];
  readonly relocations: readonly Relocation[];
}
export interface KeptModule {
  /** Exports them as r0, r1, ... */
  readonly regions: readonly KeptRegion[];
  readonly wasm: Uint8Array;
  /** As the host's `serialize` gave it; empty: none. */
  readonly code: Uint8Array;
  /** What the regions were made of: the contents of all their pages (region-content.ts), one after the other. */
  readonly contents: Uint8Array;
  /** Runs that used its pack but not it, since the last that did. */
  readonly unused: number;
}
/** Where the parts of a module lie in a pack. */
export interface PackedModule {
  readonly regions: readonly KeptRegion[];
  readonly at: number;
  readonly wasmBytes: number;
  readonly codeBytes: number;
  readonly contentBytes: number;
  readonly checksum: number;
  readonly unused: number;
}
/** A file with a pack. */
export interface PackFile {
  readonly name: string;
  /** Bytes from `offset` on, at the beginning of a buffer of their own: fewer at the end of the file. Throws when it cannot be read. */
  read(offset: number, sizeBytes: number): Uint8Array;
  close(): void;
}

const MAGIC = 0x4b43_4150;
/** Changes with the format. */
const VERSION = 2;
/** u32: magic, version, bytes of the index, checksum of filter and index. */
const HEAD_BYTES = 16;
const PAD = 4;

/** Of whole words that begin at a multiple of their size; bytes behind the last one do not count. */
function checksumOf(bytes: Uint8Array, start = 0x9e37_79b9): number {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  let [a, b] = [start | 0, words.length];
  for (let n = 0; n < words.length; n++) {
    a = Math.imul(a ^ (words[n] as number), 0x85eb_ca6b);
    b = (b + (a ^ (a >>> 13))) | 0;
    a ^= a >>> 16;
  }
  return (a ^ b) >>> 0;
}
const padded = (sizeBytes: number): number => (sizeBytes + PAD - 1) & -PAD;

/** ASCII, filled up with spaces to whole words. */
function encode(text: string): Uint8Array {
  const bytes = new Uint8Array(padded(text.length)).fill(0x20);
  for (let n = 0; n < text.length; n++) bytes[n] = text.charCodeAt(n);
  return bytes;
}
const CHUNK = 8192;
function decode(bytes: Uint8Array): string {
  let text = '';
  for (let n = 0; n < bytes.length; n += CHUNK) text += String.fromCharCode(...bytes.subarray(n, n + CHUNK));
  return text;
}

type RegionRow = readonly [
  number,
  number,
  number,
  0 | 1,
  readonly (readonly [number, string])[],
  readonly number[],
  readonly number[],
];
type ModuleRow = readonly [number, number, number, number, number, number, readonly RegionRow[]];

const rowOf = (r: KeptRegion): RegionRow => [
  r.key,
  r.instructions,
  r.again,
  r.deep ? 1 : 0,
  r.pages.map(({ page, lines }) => [page, lines.toString(16)]),
  r.covers,
  r.relocations.map(({ offset, sign }) => 2 * offset + (sign < 0 ? 1 : 0)),
];
const regionOf = ([key, instructions, again, deep, pages, covers, moving]: RegionRow): KeptRegion => ({
  ...{ key, instructions, again, covers, deep: deep === 1 },
  pages: pages.map(([page, lines]) => ({ page, lines: BigInt(`0x${lines}`) })),
  relocations: moving.map((n) => ({ offset: n >> 1, sign: (n & 1) === 1 ? -1 : 1 })),
});

/** The parts of a file with these modules. */
export function packOf(modules: readonly KeptModule[]): Uint8Array[] {
  const filter = new Uint8Array(FILTER_BYTES);
  const blobs: Uint8Array[] = [];
  let at = 0;
  const rows = modules.map(({ regions, wasm, code, contents, unused }): ModuleRow => {
    for (const { key } of regions) filterAdd(filter, key);
    const blob = new Uint8Array(padded(wasm.length) + padded(code.length) + padded(contents.length));
    blob.set(wasm);
    blob.set(code, padded(wasm.length));
    blob.set(contents, padded(wasm.length) + padded(code.length));
    blobs.push(blob);
    const start = at;
    at += blob.length;
    return [start, wasm.length, code.length, contents.length, checksumOf(blob), unused, regions.map(rowOf)];
  });
  const index = encode(JSON.stringify(rows));
  const head = new Uint32Array([MAGIC, VERSION, index.length, checksumOf(index, checksumOf(filter))]);
  return [new Uint8Array(head.buffer), filter, index, ...blobs];
}

/** The filter of all these packs together (code-key.ts). */
export function filterOf(files: readonly PackFile[]): Uint8Array {
  const all = new Uint8Array(FILTER_BYTES);
  for (const file of files) {
    const filter = Pack.open(file)?.filter;
    if (filter !== undefined) for (const [n, bits] of filter.entries()) all[n] = (all[n] as number) | bits;
    file.close();
  }
  return all;
}

/** A pack that is there: its filter at once, its index when it is asked for, its modules one by one. */
export class Pack {
  private constructor(
    private readonly file: PackFile,
    readonly filter: Uint8Array,
    private readonly indexBytes: number,
    private readonly checksum: number,
  ) {}
  /** null: not a pack of this version. */
  static open(file: PackFile): Pack | null {
    const bytes = file.read(0, HEAD_BYTES + FILTER_BYTES);
    if (bytes.length < HEAD_BYTES + FILTER_BYTES) return null;
    const [magic, version, indexBytes, checksum] = new Uint32Array(bytes.buffer, 0, 4) as unknown as number[];
    if (magic !== MAGIC || version !== VERSION) return null;
    return new Pack(file, bytes.subarray(HEAD_BYTES), indexBytes as number, checksum as number);
  }
  get name(): string {
    return this.file.name;
  }
  /** null: it was damaged. */
  modules(): PackedModule[] | null {
    const bytes = this.file.read(HEAD_BYTES + FILTER_BYTES, this.indexBytes);
    if (bytes.length !== this.indexBytes) return null;
    if (checksumOf(bytes, checksumOf(this.filter)) !== this.checksum) return null;
    const rows = JSON.parse(decode(bytes)) as readonly ModuleRow[];
    return rows.map(([at, wasmBytes, codeBytes, contentBytes, checksum, unused, regions]) => ({
      ...{ at, wasmBytes, codeBytes, contentBytes, checksum, unused },
      regions: regions.map(regionOf),
    }));
  }
  /** The module itself; null: it was damaged. */
  load(m: PackedModule): KeptModule | null {
    const sizeBytes = padded(m.wasmBytes) + padded(m.codeBytes) + padded(m.contentBytes);
    const blob = this.file.read(HEAD_BYTES + FILTER_BYTES + this.indexBytes + m.at, sizeBytes);
    if (blob.length !== sizeBytes || checksumOf(blob) !== m.checksum) return null;
    const code = padded(m.wasmBytes);
    const contents = code + padded(m.codeBytes);
    return {
      ...{ regions: m.regions, unused: m.unused },
      wasm: blob.subarray(0, m.wasmBytes),
      code: blob.subarray(code, code + m.codeBytes),
      contents: blob.subarray(contents, contents + m.contentBytes),
    };
  }
  close(): void {
    this.file.close();
  }
}
