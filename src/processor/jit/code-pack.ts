// Packs of compiled regions, as they are kept between runs: a head with a filter of their keys, an index, then each module's
// guest code that it was made of, WebAssembly and machine code. Everything has a checksum: a pack that was damaged is as
// good as none.
import { latin1Text } from '../../base/index.js';
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
/** What is looked at of all regions of a pack. */
export type RegionHead = Pick<KeptRegion, 'key' | 'again' | 'deep'>;
/** Where the parts of a module lie in a pack. */
export interface PackedModule {
  readonly heads: readonly RegionHead[];
  /** Made when they are asked for. */
  readonly regions: readonly KeptRegion[];
  readonly at: number;
  readonly wasmBytes: number;
  readonly codeBytes: number;
  readonly contentBytes: number;
  /** Of the contents, and of what follows them. */
  readonly checksums: readonly [contents: number, rest: number];
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
const VERSION = 4;
/** u32: magic, version, bytes of the index, checksum of filter and index. */
const HEAD_BYTES = 16;
const PAD = 4;

/** Of whole words that begin at a multiple of their size; bytes behind the last one do not count. */
function checksumOf(bytes: Uint8Array, start = 0x9e37_79b9): number {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  // four sums side by side: none waits for another one's multiplication
  let [a, b, c, d] = [start | 0, 1, 2, 3];
  let n = 0;
  for (; n + 4 <= words.length; n += 4) {
    a = mixed(a, words[n] as number);
    b = mixed(b, words[n + 1] as number);
    c = mixed(c, words[n + 2] as number);
    d = mixed(d, words[n + 3] as number);
  }
  for (; n < words.length; n++) a = mixed(a, words[n] as number);
  return mixed(mixed(mixed(mixed(words.length, a), b), c), d) >>> 0;
}
/** Every bit of both counts. */
function mixed(sum: number, word: number): number {
  const product = Math.imul(sum ^ word, 0x85eb_ca6b);
  return product ^ (product >>> 15);
}
const padded = (sizeBytes: number): number => (sizeBytes + PAD - 1) & -PAD;

/** ASCII, filled up with spaces to whole words. A line in JSON for all modules, then one for each, read when it is asked for. */
function encode(text: string): Uint8Array {
  const bytes = new Uint8Array(padded(text.length)).fill(0x20);
  for (let n = 0; n < text.length; n++) bytes[n] = text.charCodeAt(n);
  return bytes;
}

type HeadRow = readonly [key: number, again: number, deep: 0 | 1];
type ModuleRow = readonly [number, number, number, number, number, number, number, readonly HeadRow[]];
type RegionRow = readonly [number, readonly (readonly [number, string])[], readonly number[], readonly number[]];

const rowOf = (r: KeptRegion): RegionRow => [
  r.instructions,
  r.pages.map(({ page, lines }) => [page, lines.toString(16)]),
  r.covers,
  r.relocations.map(({ offset, sign }) => 2 * offset + (sign < 0 ? 1 : 0)),
];
const regionOf = (head: RegionHead, [instructions, pages, covers, moving]: RegionRow): KeptRegion => ({
  ...{ ...head, instructions, covers },
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
    const blob = new Uint8Array(padded(contents.length) + padded(wasm.length) + padded(code.length));
    const rest = padded(contents.length);
    blob.set(contents);
    blob.set(wasm, rest);
    blob.set(code, rest + padded(wasm.length));
    blobs.push(blob);
    const start = at;
    at += blob.length;
    const checksums = [checksumOf(blob.subarray(0, rest)), checksumOf(blob.subarray(rest))] as const;
    const heads = regions.map(({ key, again, deep }): HeadRow => [key, again, deep ? 1 : 0]);
    return [start, wasm.length, code.length, contents.length, ...checksums, unused, heads];
  });
  const lines = [rows, ...modules.map(({ regions }) => regions.map(rowOf))];
  const index = encode(lines.map((line) => JSON.stringify(line)).join('\n'));
  const head = new Uint32Array([MAGIC, VERSION, index.length, checksumOf(index, checksumOf(filter))]);
  return [new Uint8Array(head.buffer), filter, index, ...blobs];
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
    const [first, ...lines] = latin1Text(bytes).split('\n') as [string, ...string[]];
    const rows = JSON.parse(first) as readonly ModuleRow[];
    return rows.map(([at, wasmBytes, codeBytes, contentBytes, contentSum, restSum, unused, heads], n) => {
      const regionHeads = heads.map(([key, again, deep]) => ({ key, again, deep: deep === 1 }));
      let made: readonly KeptRegion[] | null = null;
      return {
        ...{ at, wasmBytes, codeBytes, contentBytes, checksums: [contentSum, restSum], unused },
        heads: regionHeads,
        get regions() {
          made ??= (JSON.parse(lines[n] as string) as RegionRow[]).map((row, r) =>
            regionOf(regionHeads[r] as RegionHead, row),
          );
          return made;
        },
      };
    });
  }
  /** What a module's regions were made of; null: it was damaged. */
  contents({ at, contentBytes, checksums }: PackedModule): Uint8Array | null {
    return this.part(at, padded(contentBytes), checksums[0])?.subarray(0, contentBytes) ?? null;
  }
  /** The module itself; null: it was damaged. */
  code({ at, wasmBytes, codeBytes, contentBytes, checksums }: PackedModule): Pick<KeptModule, 'wasm' | 'code'> | null {
    const code = padded(wasmBytes);
    const blob = this.part(at + padded(contentBytes), code + padded(codeBytes), checksums[1]);
    return blob && { wasm: blob.subarray(0, wasmBytes), code: blob.subarray(code, code + codeBytes) };
  }
  private part(at: number, sizeBytes: number, checksum: number): Uint8Array | null {
    const bytes = this.file.read(HEAD_BYTES + FILTER_BYTES + this.indexBytes + at, sizeBytes);
    return bytes.length === sizeBytes && checksumOf(bytes) === checksum ? bytes : null;
  }
  close(): void {
    this.file.close();
  }
}
