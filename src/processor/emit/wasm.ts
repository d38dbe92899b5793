// A small WebAssembly module builder: bytes, functions with structured control, imports, one table, custom sections.
// WebAssembly Core Specification 2.0, "Binary Format"; branch hints: Branch Hinting proposal, "metadata.code.branch_hint".

import { CMPXCHG, MEMORY_OP, type MemoryOpName, OP, type OpName, SIMD } from './wasm-opcodes.js';

export const WASM = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b, void: 0x40 } as const;
export type WasmType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

/** Growing byte buffer with LEB128 writers. */
export class ByteWriter {
  private buffer: Uint8Array;
  length = 0;
  constructor(sizeBytes = 64) {
    this.buffer = new Uint8Array(sizeBytes);
  }
  private reserve(n: number): void {
    if (this.length + n <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(this.buffer.length * 2, this.length + n));
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
  }
  u8(v: number): this {
    this.reserve(1);
    this.buffer[this.length++] = v;
    return this;
  }
  /** Unsigned LEB128 of 0 .. 2^32 - 1. */
  uleb(v: number): this {
    if (v < 0x80) return this.u8(v);
    let rest = v;
    do {
      const low = rest % 128;
      rest = Math.floor(rest / 128);
      this.u8(rest > 0 ? low | 0x80 : low);
    } while (rest > 0);
    return this;
  }
  /** Signed LEB128 of a 32-bit integer. */
  sleb32(v: number): this {
    let rest = v | 0;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) return this.u8(low);
      this.u8(low | 0x80);
    }
  }
  /** Signed LEB128 of a 64-bit integer (taken modulo 2^64). */
  sleb64(v: bigint): this {
    if (v >= -0x8000_0000n && v < 0x8000_0000n) return this.sleb32(Number(v));
    let rest = BigInt.asIntN(64, v);
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) return this.u8(low);
      this.u8(low | 0x80);
    }
  }
  bytes(b: Uint8Array): this {
    this.reserve(b.length);
    this.buffer.set(b, this.length);
    this.length += b.length;
    return this;
  }
  /** ASCII name with its length. */
  name(s: string): this {
    this.uleb(s.length);
    for (let i = 0; i < s.length; i++) this.u8(s.charCodeAt(i));
    return this;
  }
  /** Signed LEB128 of a whole number of at most 53 bits. */
  sleb53(v: number): this {
    let rest = v;
    while (rest < -0x4000_0000 || rest >= 0x4000_0000) {
      const next = Math.floor(rest / 128);
      this.u8((rest - next * 128) | 0x80);
      rest = next;
    }
    return this.sleb32(rest);
  }
  /** Overwrites two bytes with a signed LEB128 of that length: -8192 .. 8191. */
  patchSleb2(at: number, v: number): void {
    this.buffer[at] = (v & 0x7f) | 0x80;
    this.buffer[at + 1] = (v >> 7) & 0x7f;
  }
  /** Overwrites two bytes with an unsigned LEB128 of that length: 0 .. 16383. */
  patchUleb2(at: number, v: number): void {
    this.buffer[at] = (v & 0x7f) | 0x80;
    this.buffer[at + 1] = v >> 7;
  }
  /** What was written, as a view. */
  view(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }
  finish(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }
}

/** Function indexes from here on stand for imports that get their index when the module is put together. */
export const LATE_INDEX = 1 << 13;

/** Compilation hint: baseline code (1 << 2) and optimized code (2 << 4) at once (2). Compilation Hints proposal of V8, Node 20 to 22. */
const EAGER_OPTIMIZED = 2 | (2 << 2) | (2 << 4);

/** A label: the nesting depth at which its block was opened. */
export type Label = number;

/** Body of one function under construction. */
export class FunctionBuilder {
  readonly code = new ByteWriter(1024);
  private readonly lateCalls: [at: number, index: number][] = [];
  private readonly localTypes: WasmType[] = [];
  private depth = 0;
  private readonly hints: [offset: number, likely: 0 | 1][] = [];
  exportName: string | null = null;
  /** Asks for optimized code from the start (compilation hints), where others wait until they are seen to be hot. */
  optimizeAtOnce = false;
  constructor(
    public index: number,
    public typeIndex: number,
    readonly params: readonly WasmType[],
  ) {}

  newLocal(type: WasmType): number {
    this.localTypes.push(type);
    return this.params.length + this.localTypes.length - 1;
  }
  op(name: OpName): this {
    this.code.u8(OP[name]);
    return this;
  }
  get(local: number): this {
    this.code.u8(0x20).uleb(local);
    return this;
  }
  set(local: number): this {
    this.code.u8(0x21).uleb(local);
    return this;
  }
  tee(local: number): this {
    this.code.u8(0x22).uleb(local);
    return this;
  }
  i32(v: number): this {
    this.code.u8(0x41).sleb32(v);
    return this;
  }
  i64(v: bigint): this {
    this.code.u8(0x42).sleb64(v);
    return this;
  }
  /** i64.const of a whole number of at most 53 bits. */
  i64Number(v: number): this {
    this.code.u8(0x42).sleb53(v);
    return this;
  }
  /** i64.const of two bytes that get their value later; returns where they lie. */
  i64Later(): number {
    const at = this.code.u8(0x42).length;
    this.code.u8(0).u8(0);
    return at;
  }
  /** i32.const likewise. */
  i32Later(): number {
    const at = this.code.u8(0x41).length;
    this.code.u8(0).u8(0);
    return at;
  }
  memory(name: MemoryOpName, offset = 0): this {
    const op = MEMORY_OP[name];
    // Guest data has no alignment: claim none for data, keep natural alignment as a hint only.
    this.code.u8(op[0]).u8(op[1]).uleb(offset);
    return this;
  }
  /** Atomic compare-and-exchange of `bits`: address, expected, replacement -> old value, zero-extended. */
  cmpxchg(bits: 8 | 16 | 32 | 64): this {
    const [code, align] = CMPXCHG[bits];
    this.code.u8(0xfe).uleb(code).uleb(align).uleb(0);
    return this;
  }
  simd(name: string): this {
    const code = SIMD[name];
    if (code === undefined) throw new RangeError(`no SIMD instruction named ${name}`);
    this.code.u8(0xfd).uleb(code);
    return this;
  }
  simdMemory(name: 'v128.load' | 'v128.store' | 'v128.load32_zero' | 'v128.load64_zero', offset = 0): this {
    this.simd(name);
    this.code.uleb(0).uleb(offset);
    return this;
  }
  simdConst(value: bigint): this {
    this.simd('v128.const');
    for (let i = 0n; i < 16n; i++) this.code.u8(Number((value >> (8n * i)) & 0xffn));
    return this;
  }
  simdLane(name: string, lane: number): this {
    this.simd(name);
    this.code.u8(lane);
    return this;
  }
  shuffle(lanes: readonly number[]): this {
    this.simd('i8x16.shuffle');
    for (const lane of lanes) this.code.u8(lane);
    return this;
  }
  block(): Label {
    this.code.u8(0x02).u8(WASM.void);
    return ++this.depth;
  }
  loop(): Label {
    this.code.u8(0x03).u8(WASM.void);
    return ++this.depth;
  }
  /** Opens an `if`; the condition is on the stack. `likely` becomes a branch hint. */
  if(likely?: boolean): Label {
    if (likely !== undefined) this.hints.push([this.code.length, likely ? 1 : 0]);
    this.code.u8(0x04).u8(WASM.void);
    return ++this.depth;
  }
  else(): this {
    this.code.u8(0x05);
    return this;
  }
  end(): this {
    this.code.u8(0x0b);
    this.depth--;
    return this;
  }
  br(label: Label): this {
    this.code.u8(0x0c).uleb(this.depth - label);
    return this;
  }
  brIf(label: Label, likely?: boolean): this {
    if (likely !== undefined) this.hints.push([this.code.length, likely ? 1 : 0]);
    this.code.u8(0x0d).uleb(this.depth - label);
    return this;
  }
  brTable(labels: readonly Label[], otherwise: Label): this {
    this.code.u8(0x0e).uleb(labels.length);
    for (const label of labels) this.code.uleb(this.depth - label);
    this.code.uleb(this.depth - otherwise);
    return this;
  }
  call(functionIndex: number): this {
    this.code.u8(0x10);
    if (functionIndex < LATE_INDEX) this.code.uleb(functionIndex);
    else {
      this.lateCalls.push([this.code.length, functionIndex]);
      this.code.u8(0).u8(0);
    }
    return this;
  }
  /** Late imports that it calls. */
  lateIndexes(): number[] {
    return this.lateCalls.map(([, index]) => index);
  }
  /** Gives the late imports their indexes. */
  resolveCalls(indexOf: (late: number) => number): void {
    for (const [at, index] of this.lateCalls) this.code.patchUleb2(at, indexOf(index));
  }
  callIndirect(typeIndex: number): this {
    this.code.u8(0x11).uleb(typeIndex).uleb(0);
    return this;
  }
  return(): this {
    return this.op('return');
  }
  /** Locals vector as in the code section. */
  private locals(): Uint8Array {
    const runs: [count: number, type: WasmType][] = [];
    for (const t of this.localTypes) {
      const last = runs[runs.length - 1];
      if (last !== undefined && last[1] === t) last[0]++;
      else runs.push([1, t]);
    }
    const w = new ByteWriter().uleb(runs.length);
    for (const [count, t] of runs) w.uleb(count).u8(WASM[t]);
    return w.finish();
  }
  body(): Uint8Array {
    return new ByteWriter(this.code.length + 64).bytes(this.locals()).bytes(this.code.view()).u8(0x0b).finish();
  }
  /** Branch hints with offsets from the start of the locals, as the proposal wants. */
  hintEntries(): readonly (readonly [number, 0 | 1])[] {
    const shift = this.locals().length;
    return this.hints.map(([offset, likely]) => [offset + shift, likely] as const);
  }
}

export class ModuleBuilder {
  private readonly types: string[] = [];
  private readonly typeBytes: Uint8Array[] = [];
  private readonly imports: { module: string; name: string; description: Uint8Array }[] = [];
  private importedFunctions = 0;
  private readonly functions: FunctionBuilder[] = [];
  private table: readonly number[] = [];
  private tableExport: string | null = null;
  private readonly customs: [name: string, bytes: Uint8Array][] = [];

  type(params: readonly WasmType[], results: readonly WasmType[]): number {
    const key = `${params.join()}>${results.join()}`;
    const known = this.types.indexOf(key);
    if (known >= 0) return known;
    const w = new ByteWriter().u8(0x60).uleb(params.length);
    for (const p of params) w.u8(WASM[p]);
    w.uleb(results.length);
    for (const r of results) w.u8(WASM[r]);
    this.typeBytes.push(w.finish());
    this.types.push(key);
    return this.types.length - 1;
  }
  /** Imports a function; all imports come before the first `function`. Returns its index. */
  importFunction(module: string, name: string, params: readonly WasmType[], results: readonly WasmType[]): number {
    if (this.functions.length > 0) throw new RangeError('imports come before functions');
    this.imports.push({ module, name, description: new ByteWriter().u8(0).uleb(this.type(params, results)).finish() });
    return this.importedFunctions++;
  }
  importMemory(module: string, name: string, pages: { initial: number; maximum: number; shared: boolean }): void {
    const w = new ByteWriter()
      .u8(2)
      .u8(pages.shared ? 3 : 1)
      .uleb(pages.initial)
      .uleb(pages.maximum);
    this.imports.push({ module, name, description: w.finish() });
  }
  function(
    params: readonly WasmType[],
    results: readonly WasmType[],
    exportName: string | null = null,
  ): FunctionBuilder {
    const f = new FunctionBuilder(this.importedFunctions + this.functions.length, this.type(params, results), params);
    f.exportName = exportName;
    this.functions.push(f);
    return f;
  }
  /** Takes a function made elsewhere; its calls of late imports are resolved. */
  adopt(f: FunctionBuilder, results: readonly WasmType[], exportName: string, indexOf: (late: number) => number): void {
    f.index = this.importedFunctions + this.functions.length;
    f.typeIndex = this.type(f.params, results);
    f.exportName = exportName;
    f.resolveCalls(indexOf);
    this.functions.push(f);
  }
  /** Function indexes of table 0; an exported table may grow. */
  setTable(functionIndexes: readonly number[], exportName: string | null = null): void {
    this.table = functionIndexes;
    this.tableExport = exportName;
  }
  custom(name: string, bytes: Uint8Array): void {
    this.customs.push([name, bytes]);
  }
  finish(): Uint8Array {
    const out = new ByteWriter(16384).bytes(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
    const section = (id: number, write: (w: ByteWriter) => void): void => {
      const w = new ByteWriter(1024);
      write(w);
      out.u8(id).uleb(w.length).bytes(w.view());
    };
    section(1, (w) => {
      w.uleb(this.typeBytes.length);
      for (const t of this.typeBytes) w.bytes(t);
    });
    section(2, (w) => {
      w.uleb(this.imports.length);
      for (const i of this.imports) w.name(i.module).name(i.name).bytes(i.description);
    });
    section(3, (w) => {
      w.uleb(this.functions.length);
      for (const f of this.functions) w.uleb(f.typeIndex);
    });
    if (this.table.length > 0)
      section(4, (w) => {
        w.uleb(1).u8(0x70);
        if (this.tableExport === null) w.u8(1).uleb(this.table.length).uleb(this.table.length);
        else w.u8(0).uleb(this.table.length);
      });
    const exported = this.functions.filter((f) => f.exportName !== null);
    section(7, (w) => {
      w.uleb(exported.length + (this.tableExport === null ? 0 : 1));
      if (this.tableExport !== null) w.name(this.tableExport).u8(1).u8(0);
      for (const f of exported)
        w.name(f.exportName as string)
          .u8(0)
          .uleb(f.index);
    });
    if (this.table.length > 0) {
      section(9, (w) => {
        w.uleb(1).u8(0).u8(0x41).sleb32(0).u8(0x0b).uleb(this.table.length);
        for (const f of this.table) w.uleb(f);
      });
    }
    if (this.functions.some((f) => f.optimizeAtOnce)) {
      section(0, (w) => {
        w.name('compilationHints').uleb(this.functions.length);
        for (const f of this.functions) w.u8(f.optimizeAtOnce ? EAGER_OPTIMIZED : 0);
      });
    }
    const hinted = this.functions.filter((f) => f.hintEntries().length > 0);
    if (hinted.length > 0) {
      section(0, (w) => {
        w.name('metadata.code.branch_hint').uleb(hinted.length);
        for (const f of hinted) {
          const entries = f.hintEntries();
          w.uleb(f.index).uleb(entries.length);
          for (const [offset, likely] of entries) w.uleb(offset).uleb(1).u8(likely);
        }
      });
    }
    section(10, (w) => {
      w.uleb(this.functions.length);
      for (const f of this.functions) {
        const body = f.body();
        w.uleb(body.length).bytes(body);
      }
    });
    for (const [name, bytes] of this.customs) section(0, (w) => w.name(name).bytes(bytes));
    return out.finish();
  }
}
