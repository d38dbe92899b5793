// SSE floating-point arithmetic in place: WebAssembly's operations wherever they give the processor's result and leave MXCSR
// alone, the exact procedures otherwise. Intel SDM Vol. 1, "SIMD Floating-Point Exceptions", "Denormals Are Zeros".
//
// MXCSR must be what VectorRegisters.fastLocal says: rounding to nearest and the precision flag set already. Operands and
// results that are zeros or normal numbers then raise nothing; every other number (denormal, infinity, NaN) takes the
// procedure. A zero product or quotient is an underflow unless an operand is zero. A normal result of a sum, product or
// quotient also shows that no operand was an infinity or NaN.
import { at } from '../state-layout.js';
import { isPointer, type PointerValue, type Value } from './binding.js';
import type { FloatKind, VectorRegisters } from './vector-registers.js';
import type { WasmType } from './wasm.js';
import type { OpName } from './wasm-opcodes.js';
import type { WasmSem } from './wasm-sem.js';

type Scalar = 'sd' | 'ss';
type Packed = 'pd' | 'ps';
const isScalar = (kind: FloatKind): kind is Scalar => kind === 'sd' || kind === 'ss';
/** Lane type, shape, and the constants of the tests on numbers shifted left by one. */
const FORMAT = {
  sd: { type: 'f64', lanes: 'f64x2' },
  ss: { type: 'f32', lanes: 'f32x4' },
} as const;
const PACKED = {
  pd: {
    ints: 'i64x2',
    lanes: 'f64x2',
    bias: 0x7fe0_0000_0000_0000n,
    limit: 0x7fc0_0000_0000_0000n,
    tiny: 0x801f_ffff_ffff_ffffn,
    bits: 64,
    all: 3,
    quiet: 1n << 51n,
    indefinite: 0xfff8_0000_0000_0000n,
  },
  ps: {
    ints: 'i32x4',
    lanes: 'f32x4',
    bias: 0x7f00_0000n,
    limit: 0x7e00_0000n,
    tiny: 0x80ff_ffffn,
    bits: 32,
    all: 15,
    quiet: 1n << 22n,
    indefinite: 0xffc0_0000n,
  },
} as const;
const BINARY: Readonly<Record<string, 'add' | 'sub' | 'mul' | 'div'>> = {
  add: 'add',
  sub: 'sub',
  mul: 'mul',
  div: 'div',
};
/** Predicates 0..3 of CMPccPS; 4..7 are their negations. Unordered is left to the procedure. */
const PREDICATES = ['eq', 'lt', 'le', null] as const;
const MXCSR_IE = 1;
const KINDS: readonly FloatKind[] = ['sd', 'pd', 'ss', 'ps'];
const everyLane = (value: bigint, bits: number): bigint => {
  let v = 0n;
  for (let at = 0; at < 128; at += bits) v |= value << BigInt(at);
  return v;
};

export class SseInline {
  private readonly zeros: { f64?: number; f32?: number } = {};
  constructor(
    private readonly s: WasmSem,
    private readonly vectors: VectorRegisters,
  ) {}

  /** The procedure `name` in place; null: it is not one of those. */
  emit(name: string, args: readonly Value[]): Value | null {
    const parts = /^sse_([a-z]+)_(ps|pd|ss|sd)$/.exec(name);
    if (parts !== null) {
      const [, operation, kind] = parts as unknown as [string, string, FloatKind];
      const [dst, src, third] = args as [Value, Value, Value | undefined];
      if (!isPointer(dst) || !isPointer(src)) return null;
      const op = BINARY[operation];
      if (op !== undefined)
        return isScalar(kind) ? this.scalar(name, op, kind, dst, src) : this.packed(name, op, kind, dst, src);
      if (operation === 'sqrt' && isScalar(kind)) return this.scalar(name, 'sqrt', kind, dst, src);
      if ((operation === 'min' || operation === 'max') && isScalar(kind))
        return this.minimum(name, operation, kind, dst, src);
      if (operation === 'cmp' && third !== undefined && third.local < 0)
        return this.compareToMask(name, kind, dst, src, third);
      return null;
    }
    const comparison = /^sse_u?comis([sd])$/.exec(name);
    if (comparison !== null) return this.compareToFlags(name, comparison[1] === 'd' ? 'sd' : 'ss', args);
    const fromInteger = /^sse_cvtsi2(s[sd])(64)?$/.exec(name);
    if (fromInteger !== null) return this.fromInteger(name, fromInteger[1] as Scalar, args);
    const toInteger = /^sse_cvt(t?)(s[sd])2si(64)?$/.exec(name);
    if (toInteger !== null)
      return this.toInteger(name, toInteger[2] as Scalar, toInteger[1] === 't', toInteger[3] !== undefined, args);
    if (name === 'sse_cvtss2sd' || name === 'sse_cvtsd2ss') return this.convert(name, args);
    if (name === 'sse_cvtdq2pd') return this.doublewordsToDouble(args);
    if (name === 'sse_cvtps2pd') return this.widen(name, args);
    return null;
  }

  // --- operands ---
  private number(type: WasmType): number {
    const local = this.s.temp(type);
    this.s.f.set(local);
    return local;
  }
  /** The low number of the operand in a local. */
  private low(p: PointerValue, kind: Scalar): number {
    const { s } = this;
    const { type, lanes } = FORMAT[kind];
    if (p.loaded !== null && p.loaded.bits < 128) {
      s.push_(p.loaded);
      s.f.op(kind === 'sd' ? 'f64.reinterpret_i64' : 'f32.reinterpret_i32');
    } else {
      s.push_(this.whole(p));
      s.f.simdLane(`${lanes}.extract_lane`, 0);
    }
    return this.number(type);
  }
  /** The operand as a vector. */
  private whole(p: PointerValue): Value {
    if (p.loaded !== null) return this.s.zext(p.loaded, 128);
    return this.vectors.read(this.s, p.register);
  }
  private bits(local: number, kind: Scalar): void {
    this.s.f.get(local).op(kind === 'sd' ? 'i64.reinterpret_f64' : 'i32.reinterpret_f32');
  }
  /** Pushes whether the number is a zero, a denormal, an infinity or a NaN: its exponent plus one is 0 or 1 but for the sign. */
  private special(local: number, kind: Scalar): void {
    const { f } = this.s;
    this.bits(local, kind);
    if (kind === 'sd') f.i64(32n).op('i64.shr_u').op('i32.wrap_i64').i32(0x0010_0000).op('i32.add').i32(0x7fe0_0000);
    else f.i32(0x0080_0000).op('i32.add').i32(0x7f00_0000);
    f.op('i32.and').op('i32.eqz');
  }
  private notZero(local: number, kind: Scalar): void {
    const { f } = this.s;
    const { type } = FORMAT[kind];
    // a local that nothing writes is zero
    this.zeros[type] ??= f.newLocal(type);
    f.get(local).get(this.zeros[type]).op(`${type}.ne`);
  }
  /** Goes to `slow` unless the number is normal or zero. */
  private check(local: number, kind: Scalar, slow: number): void {
    const { f } = this.s;
    this.special(local, kind);
    f.if(false);
    this.notZero(local, kind);
    f.brIf(slow, false);
    f.end();
  }
  private checkOperand(p: PointerValue, local: number, kind: Scalar, slow: number): void {
    if (p.register >= 0 && this.vectors.knows(p.register, kind)) return;
    this.check(local, kind, slow);
  }
  private learnOperand(p: PointerValue, kind: FloatKind): void {
    if (p.register >= 0) this.vectors.learn(p.register, kind, false);
  }
  /** Emits `fast`, which may go to its label for what it does not do, and then the procedure's call. */
  private either(
    name: string,
    args: readonly Value[],
    kind: FloatKind,
    claims: readonly PointerValue[],
    fast: (slow: number) => void,
    after?: () => void,
  ): void {
    const { s, vectors } = this;
    const { f } = s;
    const local = vectors.fastLocal(s);
    const done = f.block();
    const slow = f.block();
    f.get(local).op('i32.eqz').brIf(slow, false);
    fast(slow);
    f.br(done);
    f.end();
    s.callOut(name, args);
    // what later code relies on has to hold for the procedure's operands and result, too: they are in their slots
    const [first, second] = claims.filter((p) => p.register >= 0).map((p) => p.register);
    if (first !== undefined) {
      f.i32(first | ((second ?? first) << 8) | (KINDS.indexOf(kind) << 16));
      s.callImport('sse_settled');
      f.get(local).op('i32.and').set(local);
    }
    after?.();
    f.end();
  }
  private setLow(register: number, local: number, kind: Scalar): void {
    const { s } = this;
    s.push_(this.vectors.read(s, register));
    s.f.get(local).simdLane(`${FORMAT[kind].lanes}.replace_lane`, 0);
    this.vectors.write(s, register, s.take(128));
  }

  // --- arithmetic ---
  private scalar(
    name: string,
    op: 'add' | 'sub' | 'mul' | 'div' | 'sqrt',
    kind: Scalar,
    dst: PointerValue,
    src: PointerValue,
  ): Value {
    const { s, vectors } = this;
    const { f } = s;
    const { type } = FORMAT[kind];
    this.either(name, [dst, src], kind, [dst, src], (slow) => {
      const b = this.low(src, kind);
      const a = op === 'sqrt' ? b : this.low(dst, kind);
      if (op !== 'sqrt') this.checkOperand(dst, a, kind, slow);
      if (src.register !== dst.register || op === 'sqrt') this.checkOperand(src, b, kind, slow);
      f.get(a);
      if (op !== 'sqrt') f.get(b);
      f.op(`${type}.${op}` as OpName);
      const r = this.number(type);
      this.special(r, kind);
      f.if(false);
      this.notZero(r, kind);
      if (op === 'mul' || op === 'div') {
        this.notZero(a, kind);
        if (op === 'mul') {
          this.notZero(b, kind);
          f.op('i32.and');
        }
        f.op('i32.or');
      }
      f.brIf(slow, false);
      f.end();
      this.setLow(dst.register, r, kind);
    });
    this.learnOperand(src, kind);
    vectors.learn(dst.register, kind, true);
    return s.const(0, 32);
  }
  /** Goes to `slow` if a lane holds a denormal. */
  private checkDenormals(v: Value, kind: Packed, slow: number): void {
    const { f } = this.s;
    const { ints, bits, tiny } = PACKED[kind];
    // 0 < number without its sign < smallest normal, as a signed comparison
    this.s.push_(v);
    f.i32(1).simd(`${ints}.shl`);
    f.simdConst(everyLane((1n << BigInt(bits - 1)) - 1n, bits)).simd(`${ints}.add`);
    f.simdConst(everyLane(tiny, bits)).simd(`${ints}.lt_s`);
    f.simd(`${ints}.bitmask`).brIf(slow, false);
  }
  /**
   * Goes to `slow` unless all lanes of the result r of a and b are normal numbers, or zeros where that is allowed, or
   * infinities and NaNs whose flags `noted` are set already and masked. NaNs are replaced by the ones that the processor gives.
   */
  private checkResult(
    r: Value,
    [a, b]: readonly [Value, Value],
    kind: Packed,
    slow: number,
    zeros: boolean,
    noted: number,
  ): void {
    const { s } = this;
    const { f } = s;
    const { ints, lanes, bias, limit, bits, all, quiet, indefinite } = PACKED[kind];
    // exponents 1..max-1 by a signed comparison; up to max by another
    s.push_(r);
    f.i32(1).simd(`${ints}.shl`);
    f.simdConst(everyLane(bias, bits)).simd(`${ints}.add`);
    const number = s.take(128);
    const below = (value: bigint): void => {
      s.push_(number);
      f.simdConst(everyLane(value, bits)).simd(`${ints}.lt_s`);
    };
    below(limit);
    f.simd(`${ints}.bitmask`).i32(all).op('i32.ne').if(false);
    below(bias);
    if (zeros) {
      s.push_(r);
      f.simdConst(0n).simd(`${lanes}.eq`).simd('v128.or');
    }
    f.simd(`${ints}.bitmask`).i32(all).op('i32.ne').brIf(slow, false);
    below(bias);
    f.simd(`${ints}.bitmask`);
    below(limit);
    f.simd(`${ints}.bitmask`).op('i32.ne').if();
    this.checkQuiet(noted, slow);
    const isNan = (v: Value): void => {
      s.push_(v);
      s.push_(v);
      f.simd(`${lanes}.ne`);
    };
    const quieted = (v: Value): void => {
      s.push_(v);
      f.simdConst(everyLane(quiet, bits)).simd('v128.or');
    };
    quieted(a);
    quieted(b);
    f.simdConst(everyLane(indefinite, bits));
    isNan(b);
    f.simd('v128.bitselect');
    isNan(a);
    f.simd('v128.bitselect');
    s.push_(r);
    isNan(r);
    f.simd('v128.bitselect').set(r.local);
    f.end();
    f.end();
  }
  /** Goes to `slow` unless these exceptions are masked and their flags set. */
  private checkQuiet(flags: number, slow: number): void {
    const quiet = flags | (flags << 7);
    this.s.state().memory('i32.load', at('mxcsr')).i32(quiet).op('i32.and').i32(quiet).op('i32.ne').brIf(slow, false);
  }
  private checkLanes(p: PointerValue, v: Value, kind: Packed, slow: number): void {
    if (p.register < 0 || !this.vectors.knows(p.register, kind)) this.checkDenormals(v, kind, slow);
  }
  private packed(
    name: string,
    op: 'add' | 'sub' | 'mul' | 'div',
    kind: Packed,
    dst: PointerValue,
    src: PointerValue,
  ): Value {
    const { s, vectors } = this;
    this.either(name, [dst, src], kind, [dst, src], (slow) => {
      const b = this.whole(src);
      const a = this.whole(dst);
      this.checkLanes(dst, a, kind, slow);
      if (src.register !== dst.register) this.checkLanes(src, b, kind, slow);
      s.push_(a);
      s.push_(b);
      s.f.simd(`${PACKED[kind].lanes}.${op}`);
      const r = s.take(128);
      this.checkResult(r, [a, b], kind, slow, op === 'add' || op === 'sub', op === 'div' ? 0x0d : 0x09);
      vectors.write(s, dst.register, r);
    });
    this.learnOperand(src, kind);
    vectors.learn(dst.register, kind, true);
    return s.const(0, 32);
  }
  private minimum(name: string, op: 'min' | 'max', kind: Scalar, dst: PointerValue, src: PointerValue): Value {
    const { s, vectors } = this;
    const { f } = s;
    const { type } = FORMAT[kind];
    this.either(name, [dst, src], kind, [dst, src], (slow) => {
      const b = this.low(src, kind);
      const a = this.low(dst, kind);
      this.checkOperand(dst, a, kind, slow);
      this.checkOperand(src, b, kind, slow);
      f.get(a)
        .get(b)
        .get(a)
        .get(b)
        .op(`${type}.${op === 'min' ? 'lt' : 'gt'}`)
        .op('select');
      this.setLow(dst.register, this.number(type), kind);
    });
    this.learnOperand(src, kind);
    vectors.learn(dst.register, kind, true);
    return s.const(0, 32);
  }

  // --- comparison ---
  private compareToMask(
    name: string,
    kind: FloatKind,
    dst: PointerValue,
    src: PointerValue,
    predicate: Value,
  ): Value | null {
    const { s, vectors } = this;
    const { f } = s;
    const op = PREDICATES[Number(predicate.constant) & 3] as (typeof PREDICATES)[number];
    if (op === null) return null;
    this.either(name, [dst, src, predicate], kind, [], (slow) => {
      if (isScalar(kind)) {
        const b = this.low(src, kind);
        const a = this.low(dst, kind);
        this.checkOperand(dst, a, kind, slow);
        this.checkOperand(src, b, kind, slow);
        const v = vectors.read(s, dst.register);
        s.push_(v);
        f.i32(predicate.constant >= 4n ? -1 : 0)
          .get(a)
          .get(b)
          .op(`${FORMAT[kind].type}.${op}`);
        f.op(predicate.constant >= 4n ? 'i32.add' : 'i32.sub');
        if (kind === 'sd') f.op('i64.extend_i32_s').simdLane('i64x2.replace_lane', 0);
        else f.simdLane('i32x4.replace_lane', 0);
        vectors.write(s, dst.register, s.take(128));
        return;
      }
      const b = this.whole(src);
      const a = this.whole(dst);
      this.checkLanes(dst, a, kind, slow);
      this.checkLanes(src, b, kind, slow);
      // NaNs: no new flag where invalid-operation is noted already and masked
      const { lanes, ints } = PACKED[kind];
      for (const v of [a, a, b, b]) s.push_(v);
      f.simd(`${lanes}.ne`);
      const nan = s.take(128);
      f.simd(`${lanes}.ne`);
      s.push_(nan);
      f.simd('v128.or').simd(`${ints}.bitmask`).if(false);
      this.checkQuiet(MXCSR_IE, slow);
      f.end();
      s.push_(a);
      s.push_(b);
      f.simd(`${lanes}.${op}`);
      if (Number(predicate.constant) >= 4) f.simd('v128.not');
      vectors.write(s, dst.register, s.take(128));
    });
    vectors.unlearn(dst.register);
    return s.const(0, 32);
  }
  /** COMISS and its kin: the flags in the word that the procedure leaves in scratch 0, and one by one. */
  private compareToFlags(name: string, kind: Scalar, args: readonly Value[]): Value | null {
    const { s } = this;
    const { f } = s;
    const [dst, src] = args as [Value, Value];
    if (!isPointer(dst) || !isPointer(src)) return null;
    const { type } = FORMAT[kind];
    const [c, z, p] = [s.temp('i32'), s.temp('i32'), s.temp('i32')];
    this.either(
      name,
      [dst, src],
      kind,
      [dst, src],
      (slow) => {
        const b = this.low(src, kind);
        const a = this.low(dst, kind);
        this.checkOperand(dst, a, kind, slow);
        this.checkOperand(src, b, kind, slow);
        f.get(a).get(b).op(`${type}.lt`).set(c);
        f.get(a).get(b).op(`${type}.eq`).set(z);
        f.i32(0).set(p);
      },
      () => {
        const word = s.temp('i32');
        s.push_(s.scratchWord());
        f.tee(word).i32(1).op('i32.and').set(c);
        f.get(word).i32(6).op('i32.shr_u').i32(1).op('i32.and').set(z);
        f.get(word).i32(2).op('i32.shr_u').i32(1).op('i32.and').set(p);
      },
    );
    this.learnOperand(dst, kind);
    this.learnOperand(src, kind);
    const flag = (local: number): Value => ({ bits: 1, type: 'i32', local, constant: 0n });
    const flags = { c: flag(c), z: flag(z), p: flag(p) };
    f.get(c).get(z).i32(6).op('i32.shl').op('i32.or').get(p).i32(2).op('i32.shl').op('i32.or');
    s.giveScratch(s.take(32), flags);
    return s.const(0, 32);
  }

  // --- conversion ---
  private fromInteger(name: string, kind: Scalar, args: readonly Value[]): Value | null {
    const { s, vectors } = this;
    const { f } = s;
    const [dst, value] = args as [Value, Value];
    if (!isPointer(dst)) return null;
    const { type } = FORMAT[kind];
    const convert = (): void => {
      s.push_(value);
      f.op(`${type}.convert_${value.type}_s` as OpName);
      this.setLow(dst.register, this.number(type), kind);
    };
    // every 32-bit integer is a double
    if (kind === 'sd' && value.type === 'i32') {
      convert();
      vectors.fastLocal(s);
    } else this.either(name, args, kind, [dst], convert);
    vectors.learn(dst.register, kind, true);
    return s.const(0, 32);
  }
  private toInteger(
    name: string,
    kind: Scalar,
    truncated: boolean,
    wide: boolean,
    args: readonly Value[],
  ): Value | null {
    const { s } = this;
    const { f } = s;
    const [src] = args as [Value];
    if (!isPointer(src)) return null;
    const { type } = FORMAT[kind];
    const result = s.temp(wide ? 'i64' : 'i32');
    this.either(
      name,
      args,
      kind,
      [],
      (slow) => {
        f.get(this.low(src, kind));
        if (!truncated) f.op(`${type}.nearest`);
        const a = this.number(type);
        f.get(a).op(`${type}.abs`);
        const limit = wide ? 63 : 31;
        if (kind === 'sd') f.i64(BigInt(1023 + limit) << 52n).op('f64.reinterpret_i64');
        else f.i32((127 + limit) << 23).op('f32.reinterpret_i32');
        f.op(`${type}.lt`).op('i32.eqz').brIf(slow, false);
        f.get(a)
          .op(`${wide ? 'i64' : 'i32'}.trunc_${type}_s` as OpName)
          .set(result);
      },
      () => {
        s.push_(s.scratchWord(wide ? 64 : 32));
        f.set(result);
      },
    );
    s.giveScratch({ bits: wide ? 64 : 32, type: wide ? 'i64' : 'i32', local: result, constant: 0n });
    return s.const(0, 32);
  }
  private convert(name: string, args: readonly Value[]): Value | null {
    const { s, vectors } = this;
    const { f } = s;
    const [dst, src] = args as [Value, Value];
    if (!isPointer(dst) || !isPointer(src)) return null;
    const [from, to] = name === 'sse_cvtss2sd' ? (['ss', 'sd'] as const) : (['sd', 'ss'] as const);
    this.either(name, args, to, [dst], (slow) => {
      const a = this.low(src, from);
      this.checkOperand(src, a, from, slow);
      f.get(a).op(from === 'ss' ? 'f64.promote_f32' : 'f32.demote_f64');
      const r = this.number(FORMAT[to].type);
      if (to === 'ss') {
        this.special(r, to);
        f.if(false);
        this.notZero(r, to);
        this.notZero(a, from);
        f.op('i32.or').brIf(slow, false);
        f.end();
      }
      this.setLow(dst.register, r, to);
    });
    vectors.learn(dst.register, to, true);
    return s.const(0, 32);
  }
  private doublewordsToDouble(args: readonly Value[]): Value | null {
    const { s, vectors } = this;
    const [dst, src] = args as [Value, Value];
    if (!isPointer(dst) || !isPointer(src)) return null;
    s.push_(this.whole(src));
    s.f.simd('f64x2.convert_low_i32x4_s');
    vectors.write(s, dst.register, s.take(128));
    vectors.fastLocal(s);
    vectors.learn(dst.register, 'pd', true);
    return s.const(0, 32);
  }
  private widen(name: string, args: readonly Value[]): Value | null {
    const { s, vectors } = this;
    const [dst, src] = args as [Value, Value];
    if (!isPointer(dst) || !isPointer(src)) return null;
    this.either(name, args, 'pd', [dst], (slow) => {
      s.push_(this.whole(src));
      s.f.simd('f64x2.promote_low_f32x4');
      const r = s.take(128);
      // denormal singles are normal doubles: look at the source, its high half put aside
      const source = s.simd('v128.and', this.whole(src), s.const((1n << 64n) - 1n, 128));
      this.checkDenormals(source, 'ps', slow);
      // NaNs would have to be made quiet
      s.push_(r);
      s.push_(r);
      s.f.simd('f64x2.ne').simd('i64x2.bitmask').brIf(slow, false);
      vectors.write(s, dst.register, r);
    });
    vectors.learn(dst.register, 'pd', true);
    return s.const(0, 32);
  }
}
