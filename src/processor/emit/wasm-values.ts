// Values of the WebAssembly emitter: locals and constants, arithmetic with folding, vectors. The base of WasmSem: knows
// nothing of operands, memory or control.
import type { BinaryOp, Bits, CompareOp } from '../../isa/index.js';
import { simdOp, simdShiftOp } from '../reference/lanes.js';
import { type AddressSymbol, type ImportTable, isPointer, type PointerValue, type Value } from './binding.js';
import type { FunctionBuilder, WasmType } from './wasm.js';
import type { OpName } from './wasm-opcodes.js';

export const typeOf = (bits: Bits): WasmType => (bits === 128 ? 'v128' : bits === 64 ? 'i64' : 'i32');
const maskOf = (bits: number): bigint => (1n << BigInt(bits)) - 1n;

/** Farther from its origin an address is of unknown origin. */
const MAX_DELTA = 2 ** 31;
/** The symbol of an address `by` further on; outside 64-bit mode it wraps at 4 GiB. */
export function movedSymbol(symbol: AddressSymbol, by: number, bits: number): AddressSymbol | undefined {
  const sum = symbol.delta + by;
  const delta = bits === 32 ? sum | 0 : sum;
  return delta >= -MAX_DELTA && delta < MAX_DELTA ? { origin: symbol.origin, delta } : undefined;
}

/** The operation on constants. */
function foldBinary(op: BinaryOp, a: bigint, b: bigint, bits: Bits): bigint {
  const width = BigInt(bits);
  const count = bits === 64 ? 63n : 31n; // as WebAssembly counts
  switch (op) {
    case 'add':
      return a + b;
    case 'sub':
      return a - b;
    case 'mul':
      return a * b;
    case 'and':
      return a & b;
    case 'or':
      return a | b;
    case 'xor':
      return a ^ b;
    case 'shl':
      return a << (b & count);
    case 'shr':
      return a >> (b & count);
    case 'sar':
      return BigInt.asIntN(bits, a) >> (b & count);
    case 'rotl':
    case 'rotr': {
      const left = op === 'rotl' ? b % width : (width - (b % width)) % width;
      return (a << left) | (a >> (width - left));
    }
  }
}
function foldCompare(op: CompareOp, a: bigint, b: bigint, bits: Bits): boolean {
  const [x, y] = op.endsWith('s') ? [BigInt.asIntN(bits, a), BigInt.asIntN(bits, b)] : [a, b];
  switch (op.slice(0, 2)) {
    case 'eq':
      return x === y;
    case 'ne':
      return x !== y;
    case 'lt':
      return x < y;
    case 'le':
      return x <= y;
    case 'gt':
      return x > y;
    default:
      return x >= y;
  }
}

export class WasmValues {
  private readonly pools: Record<WasmType, number[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  private readonly used: Record<WasmType, number> = { i32: 0, i64: 0, f32: 0, f64: 0, v128: 0 };

  constructor(
    readonly f: FunctionBuilder,
    readonly imports: ImportTable,
    /** Local that holds the host address of the vCPU's state area. */
    readonly stateLocal: number,
  ) {}

  /** Temporaries are free again. */
  protected releaseTemporaries(): void {
    const { used } = this;
    used.i32 = used.i64 = used.f32 = used.f64 = used.v128 = 0;
  }

  // --- plumbing ---
  temp(type: WasmType): number {
    const pool = this.pools[type];
    const n = this.used[type]++;
    let local = pool[n];
    if (local === undefined) {
      local = this.f.newLocal(type);
      pool.push(local);
    }
    return local;
  }
  /** Takes the value on the wasm stack into a fresh local. */
  take(bits: Bits, symbol?: AddressSymbol): Value {
    const local = this.temp(typeOf(bits));
    this.f.set(local);
    return this.valueIn(local, bits, symbol);
  }
  protected valueIn(local: number, bits: Bits, symbol?: AddressSymbol): Value {
    return { bits, type: typeOf(bits), local, constant: 0n, symbol };
  }
  push_(v: Value): void {
    if (isPointer(v)) this.pushPointer(v);
    else if (v.local >= 0) this.f.get(v.local);
    else if (v.type === 'i32') this.f.i32(Number(BigInt.asIntN(32, v.constant)));
    else if (v.type === 'i64') this.f.i64(v.constant);
    else this.f.simdConst(v.constant);
  }
  protected pushPointer(_v: PointerValue): void {
    throw new RangeError('no pointers here');
  }
  state(): FunctionBuilder {
    return this.f.get(this.stateLocal);
  }
  protected call_(name: string): void {
    const index = this.imports.get(name);
    if (index === undefined) throw new RangeError(`no procedure named ${name}`);
    this.f.call(index);
  }
  protected op2(name: OpName, a: Value, b: Value, bits: Bits): Value {
    this.push_(a);
    this.push_(b);
    this.f.op(name);
    return this.take(bits);
  }
  protected masked(bits: Bits): Value {
    if (bits < 32) this.f.i32((1 << bits) - 1).op('i32.and');
    return this.take(bits);
  }

  // --- values ---
  const(value: bigint | number, bits: Bits): Value {
    return { bits, type: typeOf(bits), local: -1, constant: BigInt.asUintN(bits, BigInt(value)), symbol: undefined };
  }
  widthOf(v: Value): Bits {
    return v.bits;
  }
  binary(op: BinaryOp, a: Value, b: Value): Value {
    const { bits, type } = a;
    if (a.local < 0 && b.local < 0 && bits === b.bits)
      return this.const(foldBinary(op, a.constant, b.constant, bits), bits);
    if (b.bits !== bits) throw new RangeError(`${op}: widths ${bits} and ${b.bits} differ`);
    const w = type === 'i64' ? 'i64' : 'i32';
    switch (op) {
      case 'add':
      case 'sub':
      case 'mul':
      case 'shl':
        this.push_(a);
        this.push_(b);
        this.f.op(`${w}.${op}`);
        if (a.symbol !== undefined && b.local < 0 && bits >= 32 && (op === 'add' || op === 'sub')) {
          const by = Number(BigInt.asIntN(bits, b.constant));
          return this.take(bits, movedSymbol(a.symbol, op === 'add' ? by : -by, bits));
        }
        return this.masked(bits);
      case 'and':
      case 'or':
      case 'xor':
        return this.op2(`${w}.${op}`, a, b, bits);
      case 'shr':
        return this.op2(`${w}.shr_u`, a, b, bits);
      case 'sar':
        this.pushSigned(a);
        this.push_(b);
        this.f.op(`${w}.shr_s`);
        return this.masked(bits);
      case 'rotl':
      case 'rotr': {
        if (bits >= 32) return this.op2(`${w}.${op}`, a, b, bits);
        const back = this.binary('sub', this.const(bits, bits), b);
        const [left, right] = op === 'rotl' ? [b, back] : [back, b];
        return this.binary('or', this.binary('shl', a, left), this.binary('shr', a, right));
      }
    }
  }
  /** Pushes an i32 value of 8 or 16 bits sign-extended to 32, others as they are. */
  protected pushSigned(v: Value): void {
    this.push_(v);
    if (v.bits === 8) this.f.op('i32.extend8_s');
    else if (v.bits === 16) this.f.op('i32.extend16_s');
  }
  add(a: Value, b: Value): Value {
    return this.binary('add', a, b);
  }
  sub(a: Value, b: Value): Value {
    return this.binary('sub', a, b);
  }
  and(a: Value, b: Value): Value {
    return this.binary('and', a, b);
  }
  or(a: Value, b: Value): Value {
    return this.binary('or', a, b);
  }
  xor(a: Value, b: Value): Value {
    return this.binary('xor', a, b);
  }
  not(a: Value): Value {
    return this.binary('xor', a, this.const(maskOf(a.bits), a.bits));
  }
  neg(a: Value): Value {
    return this.binary('sub', this.const(0, a.bits), a);
  }
  shl(a: Value, count: Value): Value {
    return this.binary('shl', a, count);
  }
  shr(a: Value, count: Value): Value {
    return this.binary('shr', a, count);
  }
  sar(a: Value, count: Value): Value {
    return this.binary('sar', a, count);
  }
  mul(a: Value, b: Value): Value {
    return this.binary('mul', a, b);
  }
  compare(op: CompareOp, a: Value, b: Value): Value {
    const w = a.type === 'i64' ? 'i64' : 'i32';
    if (a.local < 0 && b.local < 0) return this.const(foldCompare(op, a.constant, b.constant, a.bits) ? 1 : 0, 1);
    if (op === 'eq' || op === 'ne') return this.op2(`${w}.${op}`, a, b, 1);
    const name = `${w}.${op.slice(0, 2)}_${op.slice(2)}` as OpName;
    if (op.endsWith('s')) {
      this.pushSigned(a);
      this.pushSigned(b);
    } else {
      this.push_(a);
      this.push_(b);
    }
    this.f.op(name);
    return this.take(1);
  }
  isZero(a: Value): Value {
    if (a.local < 0) return this.const(a.constant === 0n ? 1 : 0, 1);
    this.push_(a);
    this.f.op(a.type === 'i64' ? 'i64.eqz' : 'i32.eqz');
    return this.take(1);
  }
  select(condition: Value, ifTrue: Value, ifFalse: Value): Value {
    if (condition.local < 0) return condition.constant !== 0n ? ifTrue : ifFalse;
    this.push_(ifTrue);
    this.push_(ifFalse);
    this.push_(condition);
    this.f.op('select');
    return this.take(ifTrue.bits);
  }
  zext(v: Value, bits: Bits): Value {
    if (v.bits === bits) return v;
    if (v.local < 0) return this.const(v.constant, bits);
    if (bits === 128) {
      this.f.simdConst(0n);
      this.push_(this.zext(v, 64));
      this.f.simdLane('i64x2.replace_lane', 0);
      return this.take(128);
    }
    if (bits === 64) {
      this.push_(v);
      this.f.op('i64.extend_i32_u');
      return this.take(64);
    }
    return { bits, type: v.type, local: v.local, constant: 0n, symbol: undefined };
  }
  sext(v: Value, bits: Bits): Value {
    if (v.bits === bits) return v;
    if (v.local < 0) return this.const(BigInt.asIntN(v.bits, v.constant), bits);
    if (v.bits === 1) return this.binary('sub', this.const(0, bits), this.zext(v, bits));
    if (bits === 64) {
      this.push_(v);
      this.f.op('i64.extend_i32_u');
      this.f.op(v.bits === 8 ? 'i64.extend8_s' : v.bits === 16 ? 'i64.extend16_s' : 'i64.extend32_s');
      return this.take(64);
    }
    this.pushSigned(v);
    return this.masked(bits);
  }
  trunc(v: Value, bits: Bits): Value {
    if (v.bits === bits) return v;
    if (v.local < 0) return this.const(v.constant, bits);
    if (v.bits === 128) {
      this.push_(v);
      this.f.simdLane('i64x2.extract_lane', 0);
      return this.trunc(this.take(64), bits);
    }
    this.push_(v);
    if (v.type === 'i64') this.f.op('i32.wrap_i64');
    return this.masked(bits);
  }
  clz(v: Value): Value {
    this.push_(v);
    this.f.op(v.type === 'i64' ? 'i64.clz' : 'i32.clz');
    if (v.bits < 32) this.f.i32(32 - v.bits).op('i32.sub');
    return this.take(v.bits);
  }
  ctz(v: Value): Value {
    this.push_(v);
    if (v.bits < 32) this.f.i32(1 << v.bits).op('i32.or');
    this.f.op(v.type === 'i64' ? 'i64.ctz' : 'i32.ctz');
    return this.take(v.bits);
  }
  popcnt(v: Value): Value {
    this.push_(v);
    this.f.op(v.type === 'i64' ? 'i64.popcnt' : 'i32.popcnt');
    return this.take(v.bits);
  }

  // --- SIMD ---
  simd(op: string, ...args: Value[]): Value {
    const [v, control] = args;
    if (args.every((a) => a.local < 0)) {
      const bits = op.endsWith('bitmask') || op.endsWith('_true') ? 32 : 128;
      return this.const(
        simdOp(
          op,
          args.map((a) => a.constant),
        ),
        bits,
      );
    }
    if (op === 'i8x16.swizzle' && v !== undefined && control !== undefined && control.local < 0)
      return this.swizzled(v, control.constant);
    for (const v of args) this.push_(v);
    this.f.simd(op);
    return this.take(op.endsWith('bitmask') || op.endsWith('_true') ? 32 : 128);
  }
  /** i8x16.swizzle by constant lanes: a shuffle, which processors have. */
  private swizzled(v: Value, control: bigint): Value {
    const lanes = Array.from({ length: 16 }, (_, i) => Number((control >> BigInt(8 * i)) & 0xffn));
    if (lanes.every((lane) => lane > 15)) return this.const(0, 128);
    if (lanes.every((lane) => lane < 16)) return this.shuffle(v, v, lanes);
    return this.shuffle(
      v,
      this.const(0, 128),
      lanes.map((lane, i) => (lane < 16 ? lane : 16 + i)),
    );
  }
  shuffle(a: Value, b: Value, lanes: readonly number[]): Value {
    this.push_(a);
    this.push_(b);
    this.f.shuffle(lanes);
    return this.take(128);
  }
  extractLane(v: Value, laneBits: 8 | 16 | 32 | 64, lane: number): Value {
    this.push_(v);
    const name = {
      8: 'i8x16.extract_lane_u',
      16: 'i16x8.extract_lane_u',
      32: 'i32x4.extract_lane',
      64: 'i64x2.extract_lane',
    }[laneBits];
    this.f.simdLane(name, lane);
    return this.take(laneBits);
  }
  replaceLane(v: Value, laneBits: 8 | 16 | 32 | 64, lane: number, x: Value): Value {
    this.push_(v);
    this.push_(x);
    this.f.simdLane(
      { 8: 'i8x16.replace_lane', 16: 'i16x8.replace_lane', 32: 'i32x4.replace_lane', 64: 'i64x2.replace_lane' }[
        laneBits
      ],
      lane,
    );
    return this.take(128);
  }
  splat(x: Value): Value {
    if (x.local < 0) {
      let v = 0n;
      for (let at = 0n; at < 128n; at += BigInt(x.bits)) v |= x.constant << at;
      return this.const(v, 128);
    }
    this.push_(x);
    this.f.simd({ 8: 'i8x16.splat', 16: 'i16x8.splat', 32: 'i32x4.splat', 64: 'i64x2.splat' }[x.bits as 8]);
    return this.take(128);
  }
  simdShift(op: string, v: Value, count: Value): Value {
    if (v.local < 0 && count.local < 0) return this.const(simdShiftOp(op, v.constant, Number(count.constant)), 128);
    this.push_(v);
    this.push_(this.trunc(count, 32));
    this.f.simd(op);
    return this.take(128);
  }
}
