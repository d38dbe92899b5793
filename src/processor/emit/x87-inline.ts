// x87 instructions in translated code, on the stack of x87-stack.ts. Numbers stay exact: core/numerics/f80-fast.ts does the
// frequent cases, the procedures of the interpreter everything else. Intel SDM Vol. 1, ch. 8 "Programming with the x87 FPU".
import { at } from '../state-layout.js';
import type { Value } from './binding.js';
import type { FunctionBuilder, Label } from './wasm.js';
import type { WasmSem } from './wasm-sem.js';
import { EXPONENT, type Operation, STATE, X87Stack } from './x87-stack.js';

/** Procedures that replace ST(0) or ST(0) and ST(1) and take long: by what they need, write and pop. */
const FUNCTIONS: Readonly<Record<string, Pick<Operation, 'valid' | 'writes' | 'pops'>>> = {
  x87_round_int: { valid: [0], writes: [0] },
  x87_f2xm1: { valid: [0], writes: [0] },
  x87_scale: { valid: [0, 1], writes: [0] },
  x87_rem: { valid: [0, 1], writes: [0] },
  x87_examine: {},
  x87_patan: { valid: [0, 1], writes: [1], pops: 1 },
  x87_yl2x: { valid: [0, 1], writes: [1], pops: 1 },
  x87_yl2xp1: { valid: [0, 1], writes: [1], pops: 1 },
};
/** Exponent and significand of FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ, rounded to nearest. */
const CONSTANTS: readonly (readonly [number, bigint])[] = [
  [0x3fff, 0x8000000000000000n],
  [0x4000, 0xd49a784bcd1b8afen],
  [0x3fff, 0xb8aa3b295c17f0bcn],
  [0x4000, 0xc90fdaa22168c235n],
  [0x3ffd, 0x9a209a84fbcff799n],
  [0x3ffe, 0xb17217f7d1cf79acn],
  [0, 0n],
];
const TOP_BIT = 1n << 63n;
/** Bits of the fraction, the largest value of the exponent field, and how much less than here an exponent is there. */
const DOUBLE = { fraction: 52, exponents: 0x7ff, difference: 16383 - 1023 } as const;
const SINGLE = { fraction: 23, exponents: 0xff, difference: 16383 - 127 } as const;
/** PE, and the place of C1 from the rounding increment. */
const PRECISION_SHIFT = 5;
const C1_SHIFT = 9;
/** What the functions of x87-fast.ts return instead of a significand. */
const REFUSED = 1n;

/** Functions of x87-fast.ts by ModRM.reg; 2 and 3 compare. */
const ARITHMETIC = ['add', 'mul', '', '', 'sub', 'subr', 'div', 'divr'] as const;

const number = (v: Value | undefined): number => Number(v?.constant ?? 0n);

export class X87Inline extends X87Stack {
  /** The procedure `name` in place; null: it is not one of those, and everything is in the state area. */
  emit(s: WasmSem, name: string, args: readonly Value[]): Value | null {
    if (s.depth > 0) return null;
    if (name === 'x87_status_value') return this.active ? this.statusValue(s) : null;
    if (name === 'x87_control_value') return null;
    if (name === 'x87_compare_flags') return this.compareToFlags(s, args);
    const o = this.operation(s, name, args);
    if (o === null || !this.emitOperation(s, o)) {
      this.leave(s);
      return null;
    }
    this.finish(s, name.startsWith('x87_store_f') || name.startsWith('x87_store_i'));
    return s.const(0, 32);
  }
  /** At the end of an instruction. */
  private finish(s: WasmSem, writes: boolean): void {
    if (this.around.last) this.leave(s);
    else if (writes) {
      // the region may be left behind this instruction
      s.f.get(this.around.stale).if(false);
      this.flush(s);
      s.f.end();
    }
  }
  private operation(s: WasmSem, name: string, args: readonly Value[]): Operation | null {
    const { f } = s;
    const slow = (): void => this.callProcedure(s, name, args);
    const [first, second] = args;
    switch (name) {
      case 'x87_arith': {
        const [op, dst, src, pops] = args.map((v) => number(v)) as [number, number, number, number];
        const both = dst === src ? [dst] : [dst, src];
        return {
          valid: both,
          reads: both,
          writes: [dst],
          pops,
          fast: (_, done) => this.arithmetic(s, op, dst, () => this.pushNumber(f, src), done),
          slow,
        };
      }
      case 'x87_arith_f32':
      case 'x87_arith_f64':
      case 'x87_arith_int':
        return {
          valid: [0],
          reads: [0],
          writes: [0],
          address: args[2],
          fast: (label, done) => {
            const operand = this.memoryNumber(s, second as Value, name, label);
            this.arithmetic(s, number(first), 0, operand, done);
          },
          slow,
        };
      case 'x87_load_f32':
      case 'x87_load_f64':
      case 'x87_load_i32':
      case 'x87_load_i64':
        return {
          empty: [7],
          writes: [7],
          pushes: true,
          clearsC1: true,
          address: second,
          fast: (_, done) => {
            if (name === 'x87_load_f64' || name === 'x87_load_f32') this.loadReal(s, first as Value, done);
            f.get(this.slot(7));
            this.convert(s, first as Value, name);
            f.tee(this.significand(f, 7));
            this.unlessRefused(f, done);
          },
          slow,
        };
      case 'x87_load_st':
        // ST(7) is where the number goes: it is a fault in any case
        if (number(first) === 7) return null;
        return {
          valid: [number(first)],
          empty: [7],
          reads: [number(first)],
          writes: [7],
          pushes: true,
          clearsC1: true,
          fast: (_, done) => {
            this.copy(f, 7, number(first));
            f.br(done);
          },
          slow,
        };
      case 'x87_load_constant':
        return {
          empty: [7],
          writes: [7],
          pushes: true,
          clearsC1: true,
          fast: (_, done) => {
            const [e, m] = CONSTANTS[number(first)] as readonly [number, bigint];
            f.get(this.slot(7)).i64(m).tee(this.significand(f, 7)).memory('i64.store');
            f.get(this.slot(7)).i32(e).memory('i32.store16', EXPONENT);
            f.br(done);
          },
          slow,
        };
      case 'x87_store_st':
      case 'x87_store_st_unchecked': {
        const i = number(first);
        return {
          valid: [0],
          ...(i !== 0 && { reads: [0], writes: [i] }),
          pops: name === 'x87_store_st' ? number(second) : 1,
          clearsC1: true,
          fast: (_, done) => {
            if (i !== 0) this.copy(f, i, 0);
            f.br(done);
          },
          slow,
        };
      }
      case 'x87_exchange': {
        const i = number(first);
        const both = i === 0 ? [0] : [0, i];
        return {
          valid: both,
          reads: both,
          writes: both,
          clearsC1: true,
          fast: (_, done) => {
            if (i !== 0) this.exchange(f, i);
            f.br(done);
          },
          slow,
        };
      }
      case 'x87_chs':
      case 'x87_abs':
        return {
          valid: [0],
          clearsC1: true,
          fast: (_, done) => {
            f.get(this.slot(0)).get(this.slot(0)).memory('i32.load16_u', EXPONENT);
            if (name === 'x87_chs') f.i32(0x8000).op('i32.xor');
            else f.i32(0x7fff).op('i32.and');
            f.memory('i32.store16', EXPONENT).br(done);
          },
          slow,
        };
      case 'x87_sqrt':
      case 'x87_sin':
      case 'x87_cos':
        return {
          valid: [0],
          reads: [0],
          writes: [0],
          fast: (_, done) => {
            this.pushNumber(f, 0);
            if (name !== 'x87_sqrt') f.i32(name === 'x87_cos' ? 1 : 0);
            s.callImport(name === 'x87_sqrt' ? 'x87_fast_sqrt' : 'x87_fast_sincos');
            f.tee(this.significand(f, 0));
            this.unlessRefused(f, done);
          },
          slow,
        };
      case 'x87_compare': {
        const i = number(first);
        const both = i === 0 ? [0] : [0, i];
        return {
          valid: both,
          reads: both,
          pops: number(args[2]),
          fast: (_, done) => this.compare(s, () => this.pushNumber(f, i), done),
          slow,
        };
      }
      case 'x87_test':
        return {
          valid: [0],
          reads: [0],
          fast: (_, done) => {
            this.pushScratch(f);
            f.i32(0).memory('i32.store16', EXPONENT);
            const zero = (): void => {
              this.pushScratch(f);
              f.i64(0n);
            };
            this.compare(s, zero, done);
          },
          slow,
        };
      case 'x87_compare_f32':
      case 'x87_compare_f64':
      case 'x87_compare_int':
        return {
          valid: [0],
          reads: [0],
          pops: number(args[2]),
          address: second,
          fast: (label, done) => this.compare(s, this.memoryNumber(s, first as Value, name, label), done),
          slow,
        };
      case 'x87_store_f32':
      case 'x87_store_f64':
      case 'x87_store_i16':
      case 'x87_store_i32':
      case 'x87_store_i64':
        return this.storeNumber(s, name, args);
    }
    const known = FUNCTIONS[name];
    return known === undefined ? null : { ...known, fast: null, slow };
  }
  /** Pushes ST(i) as the functions take it: its address and its significand. */
  private pushNumber(f: FunctionBuilder, i: number): void {
    f.get(this.slot(i)).get(this.significand(f, i));
  }
  /** Pushes the address of a place for a number that is in no register. */
  private pushScratch(f: FunctionBuilder): void {
    f.get(STATE)
      .i32(at('scratch') + 16)
      .op('i32.add');
  }
  /** Goes to `done` with the significand on the stack, unless it is none. */
  private unlessRefused(f: FunctionBuilder, done: Label): void {
    f.i64(REFUSED).op('i64.ne').brIf(done, true);
  }
  /** Makes a number of a value in memory's format: takes the address of its place from the stack, leaves the significand. */
  private convert(s: WasmSem, v: Value, name: string): void {
    s.push_(v);
    const format = name.slice(name.lastIndexOf('_') + 1);
    if (format === 'f32' || format === 'f64') s.callImport(`x87_fast_from_${format}`);
    else {
      if (v.type === 'i32') s.f.op('i64.extend_i32_s');
      s.callImport('x87_fast_from_integer');
    }
  }
  /** An operand in memory; what pushes it. */
  private memoryNumber(s: WasmSem, v: Value, name: string, slow: Label): () => void {
    const { f } = s;
    const m = s.temp('i64');
    const real = /f(32|64)$/.test(name);
    if (real) {
      const high = this.ifNormal(s, v);
      this.pushScratch(f);
      this.normalExponent(s, v, high).memory('i32.store16', EXPONENT);
      this.normalSignificand(s, v).set(m).else();
    }
    this.pushScratch(f);
    this.convert(s, v, name);
    f.tee(m).i64(REFUSED).op('i64.eq').brIf(slow, false);
    if (real) f.end();
    return () => {
      this.pushScratch(f);
      f.get(m);
    };
  }
  /** Begins an `if` for a normal double or single; returns a local with its sign and exponent, and other bits above. */
  private ifNormal(s: WasmSem, v: Value): number {
    const { f } = s;
    const { fraction, exponents } = v.bits === 64 ? DOUBLE : SINGLE;
    const high = s.temp('i32');
    s.push_(v);
    if (v.bits === 64) f.i64(BigInt(fraction)).op('i64.shr_s').op('i32.wrap_i64');
    else f.i32(fraction).op('i32.shr_s');
    // neither 0 nor all ones
    f.tee(high)
      .i32(1)
      .op('i32.add')
      .i32(exponents - 1)
      .op('i32.and')
      .if(true);
    return high;
  }
  private normalExponent(s: WasmSem, v: Value, high: number): FunctionBuilder {
    const { exponents, difference } = v.bits === 64 ? DOUBLE : SINGLE;
    return s.f
      .get(high)
      .i32(0x8000 | exponents)
      .op('i32.and')
      .i32(difference)
      .op('i32.add');
  }
  private normalSignificand(s: WasmSem, v: Value): FunctionBuilder {
    s.push_(v);
    if (v.bits === 32) s.f.op('i64.extend_i32_u');
    return s.f
      .i64(BigInt(63 - (v.bits === 64 ? DOUBLE : SINGLE).fraction))
      .op('i64.shl')
      .i64(TOP_BIT)
      .op('i64.or');
  }
  /** Loads a normal double or single and goes to `done`; falls through with others. */
  private loadReal(s: WasmSem, v: Value, done: Label): void {
    const { f } = s;
    const high = this.ifNormal(s, v);
    f.get(this.slot(7));
    this.normalSignificand(s, v).tee(this.significand(f, 7)).memory('i64.store');
    f.get(this.slot(7));
    this.normalExponent(s, v, high).memory('i32.store16', EXPONENT);
    f.br(done).end();
  }
  /** ST(0) as a double or single, with PE and C1 in local `flags`; negative: there is no result. */
  private toReal(s: WasmSem, bits: 32 | 64, flags: number): Value {
    const { f } = s;
    const { fraction, exponents, difference } = bits === 64 ? DOUBLE : SINGLE;
    const m = this.significand(f, 0);
    const e = s.temp('i32');
    const x = s.temp('i32');
    const up = s.temp('i64');
    const result = s.temp(bits === 64 ? 'i64' : 'i32');
    const drop = BigInt(63 - fraction);
    const rest = (1n << drop) - 1n;
    f.get(this.slot(0)).memory('i32.load16_u', EXPONENT).tee(e).i32(0x7fff).op('i32.and');
    f.i32(difference)
      .op('i32.sub')
      .tee(x)
      .i32(1)
      .op('i32.sub')
      .i32(exponents - 2)
      .op('i32.lt_u');
    f.get(m).i64(0n).op('i64.lt_s').op('i32.and').if(true);
    // one more when the part that is dropped is above half, or half and the last bit is odd
    f.get(m).i64(rest).op('i64.and').get(m).i64(drop).op('i64.shr_u').i64(1n).op('i64.and').op('i64.add');
    f.i64(rest >> 1n)
      .op('i64.add')
      .i64(drop)
      .op('i64.shr_u')
      .set(up);
    f.get(m).i64(rest).op('i64.and').i64(0n).op('i64.ne').i32(PRECISION_SHIFT).op('i32.shl');
    f.get(up).op('i32.wrap_i64').i32(C1_SHIFT).op('i32.shl').op('i32.or').set(flags);
    // sign and exponent less one: the significand's own bit makes up for it
    f.get(e)
      .i32(0x8000)
      .op('i32.and')
      .i32(bits === 64 ? 4 : 7)
      .op('i32.shr_u')
      .get(x)
      .op('i32.or')
      .i32(1)
      .op('i32.sub');
    if (bits === 64) f.op('i64.extend_i32_u').i64(BigInt(fraction)).op('i64.shl');
    else f.i32(fraction).op('i32.shl');
    f.get(m).i64(drop).op('i64.shr_u').get(up).op('i64.add');
    if (bits === 64) f.op('i64.add');
    else f.op('i32.wrap_i64').op('i32.add');
    f.set(result).else();
    this.pushNumber(f, 0);
    s.callImport(`x87_fast_to_f${bits}`);
    f.set(result).get(STATE).memory('i32.load', at('scratch')).set(flags).end();
    f.get(result);
    return s.take(bits);
  }
  private copy(f: FunctionBuilder, to: number, from: number): void {
    f.get(this.slot(to)).get(this.significand(f, from)).tee(this.significand(f, to)).memory('i64.store');
    f.get(this.slot(to)).get(this.slot(from)).memory('i32.load16_u', EXPONENT).memory('i32.store16', EXPONENT);
  }
  private exchange(f: FunctionBuilder, i: number): void {
    const [a, b] = [this.slot(0), this.slot(i)];
    f.get(a).get(this.significand(f, i)).memory('i64.store');
    f.get(b).get(this.significand(f, 0)).memory('i64.store');
    f.get(a).get(b).memory('i32.load16_u', EXPONENT);
    f.get(b).get(a).memory('i32.load16_u', EXPONENT).memory('i32.store16', EXPONENT);
    f.memory('i32.store16', EXPONENT);
    this.exchangeLocals(f, i);
  }
  /** ST(dst) = ST(dst) op source, by the numbers of ModRM.reg. */
  private arithmetic(s: WasmSem, op: number, dst: number, source: () => void, done: Label): void {
    const { f } = s;
    this.pushNumber(f, dst);
    source();
    s.callImport(`x87_fast_${ARITHMETIC[op]}`);
    f.tee(this.significand(f, dst));
    this.unlessRefused(f, done);
  }
  private compare(s: WasmSem, source: () => void, done: Label): void {
    this.pushNumber(s.f, 0);
    source();
    s.callImport('x87_fast_compare');
    s.f.op('i32.eqz').brIf(done, true);
  }
  private compareToFlags(s: WasmSem, args: readonly Value[]): Value | null {
    const { f } = s;
    const [i, , pops] = args.map((v) => number(v)) as [number, number, number];
    const result = s.temp('i32');
    const both = i === 0 ? [0] : [0, i];
    const emitted = this.emitOperation(s, {
      valid: both,
      reads: both,
      pops,
      fast: (_, done) => {
        this.pushNumber(f, 0);
        this.pushNumber(f, i);
        s.callImport('x87_fast_compare_flags');
        f.tee(result).i32(0).op('i32.ge_s').brIf(done, true);
      },
      slow: () => {
        this.callProcedure(s, 'x87_compare_flags', args);
        f.set(result);
      },
      complete: () => this.around.setStatusFlags(s, { bits: 32, type: 'i32', local: result, constant: 0n }),
    });
    if (!emitted) {
      this.leave(s);
      return null;
    }
    this.finish(s, false);
    return { bits: 32, type: 'i32', local: result, constant: 0n };
  }
  /** FST, FIST and their kin: the procedure writes memory itself. */
  private storeNumber(s: WasmSem, name: string, args: readonly Value[]): Operation {
    const { f } = s;
    const [linear, address, pops, truncate] = args as [Value, Value, Value, Value | undefined];
    const bits = Number(name.slice(-2)) as 16 | 32 | 64;
    return {
      valid: [0],
      reads: [0],
      pops: number(pops),
      address,
      fast: (slow, done) => {
        const flags = s.temp('i32');
        let v: Value;
        if (name.startsWith('x87_store_f')) v = this.toReal(s, bits === 64 ? 64 : 32, flags);
        else {
          this.pushNumber(f, 0);
          f.i32(bits).i32(number(truncate));
          s.callImport('x87_fast_integer');
          const whole = s.take(64);
          v = bits === 64 ? whole : s.trunc(whole, bits);
          f.get(STATE).memory('i32.load', at('scratch')).set(flags);
        }
        f.get(flags).i32(0).op('i32.lt_s').brIf(slow, false);
        // inside the block: shared checks of memory are not to be set up here
        s.depth++;
        s.storeLinear(linear, v);
        s.depth--;
        f.get(STATE).get(STATE).memory('i32.load', at('fsw'));
        f.i32(~(1 << C1_SHIFT))
          .op('i32.and')
          .get(flags)
          .op('i32.or')
          .memory('i32.store', at('fsw'));
        f.br(done);
      },
      slow: () => {
        // a fault leaves the instruction undone
        this.flush(s);
        this.callProcedure(s, name, args);
        f.if(false);
        this.around.unwind(s);
        f.end();
        this.around.afterSlowWrite(s);
      },
    };
  }
  /** FNSTSW. */
  private statusValue(s: WasmSem): Value {
    const v = this.statusWord(s);
    if (this.around.last) this.leave(s);
    return v;
  }
}
