// A small WebAssembly module builder: bytes, functions with structured control, imports, one table, custom sections.
// WebAssembly Core Specification 2.0, "Binary Format"; branch hints: Branch Hinting proposal, "metadata.code.branch_hint".

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

/** Opcodes used by the emitter, by their text-format names. */
export const OP = {
  unreachable: 0x00,
  drop: 0x1a,
  select: 0x1b,
  return: 0x0f,
  'i32.eqz': 0x45,
  'i32.eq': 0x46,
  'i32.ne': 0x47,
  'i32.lt_s': 0x48,
  'i32.lt_u': 0x49,
  'i32.gt_s': 0x4a,
  'i32.gt_u': 0x4b,
  'i32.le_s': 0x4c,
  'i32.le_u': 0x4d,
  'i32.ge_s': 0x4e,
  'i32.ge_u': 0x4f,
  'i64.eqz': 0x50,
  'i64.eq': 0x51,
  'i64.ne': 0x52,
  'i64.lt_s': 0x53,
  'i64.lt_u': 0x54,
  'i64.gt_s': 0x55,
  'i64.gt_u': 0x56,
  'i64.le_s': 0x57,
  'i64.le_u': 0x58,
  'i64.ge_s': 0x59,
  'i64.ge_u': 0x5a,
  'i32.clz': 0x67,
  'i32.ctz': 0x68,
  'i32.popcnt': 0x69,
  'i32.add': 0x6a,
  'i32.sub': 0x6b,
  'i32.mul': 0x6c,
  'i32.and': 0x71,
  'i32.or': 0x72,
  'i32.xor': 0x73,
  'i32.shl': 0x74,
  'i32.shr_s': 0x75,
  'i32.shr_u': 0x76,
  'i32.rotl': 0x77,
  'i32.rotr': 0x78,
  'i64.clz': 0x79,
  'i64.ctz': 0x7a,
  'i64.popcnt': 0x7b,
  'i64.add': 0x7c,
  'i64.sub': 0x7d,
  'i64.mul': 0x7e,
  'i64.div_s': 0x7f,
  'i64.div_u': 0x80,
  'i64.and': 0x83,
  'i64.or': 0x84,
  'i64.xor': 0x85,
  'i64.shl': 0x86,
  'i64.shr_s': 0x87,
  'i64.shr_u': 0x88,
  'i64.rotl': 0x89,
  'i64.rotr': 0x8a,
  'i32.wrap_i64': 0xa7,
  'i64.extend_i32_s': 0xac,
  'i64.extend_i32_u': 0xad,
  'i32.extend8_s': 0xc0,
  'i32.extend16_s': 0xc1,
  'i64.extend8_s': 0xc2,
  'i64.extend16_s': 0xc3,
  'i64.extend32_s': 0xc4,
  'f32.eq': 0x5b,
  'f32.ne': 0x5c,
  'f32.lt': 0x5d,
  'f32.gt': 0x5e,
  'f32.le': 0x5f,
  'f32.ge': 0x60,
  'f64.eq': 0x61,
  'f64.ne': 0x62,
  'f64.lt': 0x63,
  'f64.gt': 0x64,
  'f64.le': 0x65,
  'f64.ge': 0x66,
  'f32.abs': 0x8b,
  'f32.nearest': 0x90,
  'f32.sqrt': 0x91,
  'f32.add': 0x92,
  'f32.sub': 0x93,
  'f32.mul': 0x94,
  'f32.div': 0x95,
  'f64.abs': 0x99,
  'f64.nearest': 0x9e,
  'f64.sqrt': 0x9f,
  'f64.add': 0xa0,
  'f64.sub': 0xa1,
  'f64.mul': 0xa2,
  'f64.div': 0xa3,
  'i32.trunc_f32_s': 0xa8,
  'i32.trunc_f64_s': 0xaa,
  'i64.trunc_f32_s': 0xae,
  'i64.trunc_f64_s': 0xb0,
  'f32.convert_i32_s': 0xb2,
  'f32.convert_i64_s': 0xb4,
  'f32.demote_f64': 0xb6,
  'f64.convert_i32_s': 0xb7,
  'f64.convert_i64_s': 0xb9,
  'f64.promote_f32': 0xbb,
  'i32.reinterpret_f32': 0xbc,
  'i64.reinterpret_f64': 0xbd,
  'f32.reinterpret_i32': 0xbe,
  'f64.reinterpret_i64': 0xbf,
} as const;
export type OpName = keyof typeof OP;

export const MEMORY_OP = {
  'i32.load': [0x28, 2],
  'i64.load': [0x29, 3],
  'i32.load8_s': [0x2c, 0],
  'i32.load8_u': [0x2d, 0],
  'i32.load16_s': [0x2e, 1],
  'i32.load16_u': [0x2f, 1],
  'i64.load8_u': [0x31, 0],
  'i64.load16_u': [0x33, 1],
  'i64.load32_s': [0x34, 2],
  'i64.load32_u': [0x35, 2],
  'i32.store': [0x36, 2],
  'i64.store': [0x37, 3],
  'i32.store8': [0x3a, 0],
  'i32.store16': [0x3b, 1],
  'i64.store8': [0x3c, 0],
  'i64.store16': [0x3d, 1],
  'i64.store32': [0x3e, 2],
} as const;
export type MemoryOpName = keyof typeof MEMORY_OP;

/** Atomic compare-and-exchange: opcode after the 0xfe prefix, alignment. WebAssembly threads proposal. */
const CMPXCHG = { 8: [0x4a, 0], 16: [0x4b, 1], 32: [0x48, 2], 64: [0x49, 3] } as const;

/** SIMD opcodes after the 0xfd prefix. WebAssembly Core Specification 2.0, "Vector Instructions". */
export const SIMD: Readonly<Record<string, number>> = {
  'v128.load': 0,
  'v128.store': 11,
  'v128.const': 12,
  'i8x16.shuffle': 13,
  'i8x16.swizzle': 14,
  'i8x16.splat': 15,
  'i16x8.splat': 16,
  'i32x4.splat': 17,
  'i64x2.splat': 18,
  'i8x16.extract_lane_u': 22,
  'i8x16.replace_lane': 23,
  'i16x8.extract_lane_u': 25,
  'i16x8.replace_lane': 26,
  'i32x4.extract_lane': 27,
  'i32x4.replace_lane': 28,
  'i64x2.extract_lane': 29,
  'i64x2.replace_lane': 30,
  'i8x16.eq': 35,
  'i8x16.ne': 36,
  'i8x16.lt_s': 37,
  'i8x16.lt_u': 38,
  'i8x16.gt_s': 39,
  'i8x16.gt_u': 40,
  'i8x16.le_s': 41,
  'i8x16.le_u': 42,
  'i8x16.ge_s': 43,
  'i8x16.ge_u': 44,
  'i16x8.eq': 45,
  'i16x8.ne': 46,
  'i16x8.lt_s': 47,
  'i16x8.lt_u': 48,
  'i16x8.gt_s': 49,
  'i16x8.gt_u': 50,
  'i16x8.le_s': 51,
  'i16x8.le_u': 52,
  'i16x8.ge_s': 53,
  'i16x8.ge_u': 54,
  'i32x4.eq': 55,
  'i32x4.ne': 56,
  'i32x4.lt_s': 57,
  'i32x4.lt_u': 58,
  'i32x4.gt_s': 59,
  'i32x4.gt_u': 60,
  'i32x4.le_s': 61,
  'i32x4.le_u': 62,
  'i32x4.ge_s': 63,
  'i32x4.ge_u': 64,
  'f32x4.eq': 65,
  'f32x4.ne': 66,
  'f32x4.lt': 67,
  'f32x4.gt': 68,
  'f32x4.le': 69,
  'f32x4.ge': 70,
  'f64x2.eq': 71,
  'f64x2.ne': 72,
  'f64x2.lt': 73,
  'f64x2.gt': 74,
  'f64x2.le': 75,
  'f64x2.ge': 76,
  'v128.not': 77,
  'v128.and': 78,
  'v128.andnot': 79,
  'v128.or': 80,
  'v128.xor': 81,
  'v128.bitselect': 82,
  'v128.any_true': 83,
  'v128.load32_zero': 92,
  'v128.load64_zero': 93,
  'i8x16.abs': 96,
  'i8x16.neg': 97,
  'i8x16.popcnt': 98,
  'i8x16.all_true': 99,
  'i8x16.bitmask': 100,
  'i8x16.narrow_i16x8_s': 101,
  'i8x16.narrow_i16x8_u': 102,
  'i8x16.shl': 107,
  'i8x16.shr_s': 108,
  'i8x16.shr_u': 109,
  'i8x16.add': 110,
  'i8x16.add_sat_s': 111,
  'i8x16.add_sat_u': 112,
  'i8x16.sub': 113,
  'i8x16.sub_sat_s': 114,
  'i8x16.sub_sat_u': 115,
  'i8x16.min_s': 118,
  'i8x16.min_u': 119,
  'i8x16.max_s': 120,
  'i8x16.max_u': 121,
  'i8x16.avgr_u': 123,
  'i16x8.extadd_pairwise_i8x16_s': 124,
  'i16x8.extadd_pairwise_i8x16_u': 125,
  'i32x4.extadd_pairwise_i16x8_s': 126,
  'i32x4.extadd_pairwise_i16x8_u': 127,
  'i16x8.abs': 128,
  'i16x8.neg': 129,
  'i16x8.q15mulr_sat_s': 130,
  'i16x8.all_true': 131,
  'i16x8.bitmask': 132,
  'i16x8.narrow_i32x4_s': 133,
  'i16x8.narrow_i32x4_u': 134,
  'i16x8.extend_low_i8x16_s': 135,
  'i16x8.extend_high_i8x16_s': 136,
  'i16x8.extend_low_i8x16_u': 137,
  'i16x8.extend_high_i8x16_u': 138,
  'i16x8.shl': 139,
  'i16x8.shr_s': 140,
  'i16x8.shr_u': 141,
  'i16x8.add': 142,
  'i16x8.add_sat_s': 143,
  'i16x8.add_sat_u': 144,
  'i16x8.sub': 145,
  'i16x8.sub_sat_s': 146,
  'i16x8.sub_sat_u': 147,
  'i16x8.mul': 149,
  'i16x8.min_s': 150,
  'i16x8.min_u': 151,
  'i16x8.max_s': 152,
  'i16x8.max_u': 153,
  'i16x8.avgr_u': 155,
  'i16x8.extmul_low_i8x16_s': 156,
  'i16x8.extmul_high_i8x16_s': 157,
  'i16x8.extmul_low_i8x16_u': 158,
  'i16x8.extmul_high_i8x16_u': 159,
  'i32x4.abs': 160,
  'i32x4.neg': 161,
  'i32x4.all_true': 163,
  'i32x4.bitmask': 164,
  'i32x4.extend_low_i16x8_s': 167,
  'i32x4.extend_high_i16x8_s': 168,
  'i32x4.extend_low_i16x8_u': 169,
  'i32x4.extend_high_i16x8_u': 170,
  'i32x4.shl': 171,
  'i32x4.shr_s': 172,
  'i32x4.shr_u': 173,
  'i32x4.add': 174,
  'i32x4.sub': 177,
  'i32x4.mul': 181,
  'i32x4.min_s': 182,
  'i32x4.min_u': 183,
  'i32x4.max_s': 184,
  'i32x4.max_u': 185,
  'i32x4.dot_i16x8_s': 186,
  'i32x4.extmul_low_i16x8_s': 188,
  'i32x4.extmul_high_i16x8_s': 189,
  'i32x4.extmul_low_i16x8_u': 190,
  'i32x4.extmul_high_i16x8_u': 191,
  'i64x2.abs': 192,
  'i64x2.neg': 193,
  'i64x2.all_true': 195,
  'i64x2.bitmask': 196,
  'i64x2.extend_low_i32x4_s': 199,
  'i64x2.extend_high_i32x4_s': 200,
  'i64x2.extend_low_i32x4_u': 201,
  'i64x2.extend_high_i32x4_u': 202,
  'i64x2.shl': 203,
  'i64x2.shr_s': 204,
  'i64x2.shr_u': 205,
  'i64x2.add': 206,
  'i64x2.sub': 209,
  'i64x2.mul': 213,
  'i64x2.eq': 214,
  'i64x2.ne': 215,
  'i64x2.lt_s': 216,
  'i64x2.gt_s': 217,
  'i64x2.le_s': 218,
  'i64x2.ge_s': 219,
  'i64x2.extmul_low_i32x4_s': 220,
  'i64x2.extmul_high_i32x4_s': 221,
  'i64x2.extmul_low_i32x4_u': 222,
  'i64x2.extmul_high_i32x4_u': 223,
  'f32x4.extract_lane': 31,
  'f32x4.replace_lane': 32,
  'f64x2.extract_lane': 33,
  'f64x2.replace_lane': 34,
  'f32x4.demote_f64x2_zero': 94,
  'f64x2.promote_low_f32x4': 95,
  'f32x4.abs': 224,
  'f32x4.sqrt': 227,
  'f32x4.add': 228,
  'f32x4.sub': 229,
  'f32x4.mul': 230,
  'f32x4.div': 231,
  'f64x2.abs': 236,
  'f64x2.sqrt': 239,
  'f64x2.add': 240,
  'f64x2.sub': 241,
  'f64x2.mul': 242,
  'f64x2.div': 243,
  'i32x4.trunc_sat_f32x4_s': 248,
  'f32x4.convert_i32x4_s': 250,
  'f64x2.convert_low_i32x4_s': 254,
};

/** Function indexes from here on stand for imports that get their index when the module is put together. */
export const LATE_INDEX = 1 << 13;

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
