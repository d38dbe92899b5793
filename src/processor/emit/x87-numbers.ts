// Numbers of the x87 FPU in locals, made of and turned into the formats of memory. Intel SDM Vol. 1, "Floating-Point Data
// Types", "x87 FPU Load Constant"; only zeros and normal numbers, rounded to nearest even.
import type { Value } from './binding.js';
import type { Label } from './wasm.js';
import type { WasmSem } from './wasm-sem.js';

/** Locals of sign and exponent (bits 79..64, i32), and significand (i64). */
export interface NumberLocals {
  readonly e: number;
  readonly m: number;
}
const TOP_BIT = 1n << 63n;
const BIAS = 16383;
/** Bits of the fraction and bias of the exponent. */
const DOUBLE = { fraction: 52, bias: 1023 } as const;
const SINGLE = { fraction: 23, bias: 127 } as const;
/** PE, and the place of C1 from the rounding increment. */
const PRECISION_SHIFT = 5;
const C1_SHIFT = 9;
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

export class NumberEmitter {
  constructor(private readonly s: WasmSem) {}

  private fresh(): NumberLocals {
    return { e: this.s.temp('i32'), m: this.s.temp('i64') };
  }
  constant(which: number): NumberLocals {
    const n = this.fresh();
    const [e, m] = CONSTANTS[which] as readonly [number, bigint];
    this.s.f.i32(e).set(n.e).i64(m).set(n.m);
    return n;
  }
  /** Of a double (64 bits wide) or single (32): zero and normal numbers are exact, others go to `slow`. */
  fromReal(v: Value, slow: Label): NumberLocals {
    const n = this.fresh();
    const { s } = this;
    const { f } = s;
    const { fraction, bias } = v.bits === 64 ? DOUBLE : SINGLE;
    const largest = 2 * bias + 1;
    const exponent = s.temp('i32');
    /** Pushes the value, shifted in its own width. */
    const shifted = (op: 'shl' | 'shr_u', count: number): void => {
      s.push_(v);
      if (v.bits === 64) f.i64(BigInt(count)).op(`i64.${op}`);
      else f.i32(count).op(`i32.${op}`);
    };
    /** Pushes the bits above the lowest `count` as an i32. */
    const above = (count: number): void => {
      shifted('shr_u', count);
      if (v.bits === 64) f.op('i32.wrap_i64');
    };
    const sign = (): void => {
      above(v.bits - 16);
      f.i32(0x8000).op('i32.and');
    };
    above(fraction);
    f.i32(largest).op('i32.and').tee(exponent);
    f.i32(1)
      .op('i32.sub')
      .i32(largest - 1)
      .op('i32.lt_u')
      .if(true);
    sign();
    f.get(exponent)
      .i32(BIAS - bias)
      .op('i32.add')
      .op('i32.or')
      .set(n.e);
    s.push_(v);
    if (v.bits === 32) f.op('i64.extend_i32_u');
    f.i64(BigInt(63 - fraction))
      .op('i64.shl')
      .i64(TOP_BIT)
      .op('i64.or')
      .set(n.m);
    f.else();
    shifted('shl', 1);
    if (v.bits === 64) f.op('i64.eqz').op('i32.eqz');
    f.brIf(slow, false);
    sign();
    f.set(n.e).i64(0n).set(n.m);
    f.end();
    return n;
  }
  /** Of an i32 or i64, signed: always exact. */
  fromInteger(v: Value): NumberLocals {
    const n = this.fresh();
    const { s } = this;
    const { f } = s;
    const wide = s.temp('i64');
    const sign = s.temp('i64');
    s.push_(v);
    if (v.type === 'i32') f.op('i64.extend_i32_s');
    f.tee(wide).i64(63n).op('i64.shr_s').tee(sign).get(wide).op('i64.xor').get(sign).op('i64.sub').set(wide);
    // exponent 0 for zero
    f.get(sign).op('i32.wrap_i64').i32(0x8000).op('i32.and');
    f.i32(BIAS + 63)
      .get(wide)
      .op('i64.clz')
      .op('i32.wrap_i64')
      .op('i32.sub')
      .op('i32.or');
    f.i32(0).get(wide).op('i64.eqz').op('i32.eqz').op('select').set(n.e);
    f.get(wide).get(wide).op('i64.clz').op('i64.shl').set(n.m);
    return n;
  }
  /** As a double or single, with PE and C1 in local `flags`; the result is zero or normal. */
  toReal(n: NumberLocals, bits: 32 | 64, flags: number, slow: Label): Value {
    const { s } = this;
    const { f } = s;
    const result = s.temp('i64');
    const exponent = s.temp('i32');
    const up = s.temp('i64');
    const { fraction, bias } = bits === 64 ? DOUBLE : SINGLE;
    const drop = BigInt(63 - fraction);
    const half = (1n << (drop - 1n)) - 1n;
    const sign = (): void => {
      f.get(n.e).i32(0x8000).op('i32.and').op('i64.extend_i32_u');
      f.i64(BigInt(bits - 16)).op('i64.shl');
    };
    f.get(n.e)
      .i32(0x7fff)
      .op('i32.and')
      .i32(BIAS - bias)
      .op('i32.sub')
      .tee(exponent);
    f.i32(1)
      .op('i32.sub')
      .i32(2 * bias - 1)
      .op('i32.lt_u')
      .get(n.m)
      .i64(63n)
      .op('i64.shr_u')
      .op('i32.wrap_i64')
      .op('i32.and');
    f.if(true);
    // one more when the part that is dropped is above half, or half and the last bit is odd
    f.get(n.m)
      .i64((1n << drop) - 1n)
      .op('i64.and');
    f.get(n.m).i64(drop).op('i64.shr_u').i64(1n).op('i64.and').op('i64.add').i64(half).op('i64.add');
    f.i64(drop).op('i64.shr_u').set(up);
    f.get(n.m)
      .i64((1n << drop) - 1n)
      .op('i64.and')
      .op('i64.eqz')
      .op('i32.eqz')
      .i32(PRECISION_SHIFT)
      .op('i32.shl');
    f.get(up).op('i32.wrap_i64').i32(C1_SHIFT).op('i32.shl').op('i32.or').set(flags);
    sign();
    f.get(exponent).op('i64.extend_i32_u').i64(BigInt(fraction)).op('i64.shl').op('i64.or');
    f.get(n.m)
      .i64(1n)
      .op('i64.shl')
      .i64(drop + 1n)
      .op('i64.shr_u')
      .op('i64.or')
      .get(up)
      .op('i64.add')
      .set(result);
    f.else();
    f.get(n.e).i32(0x7fff).op('i32.and').op('i64.extend_i32_u').get(n.m).op('i64.or').op('i64.eqz');
    f.op('i32.eqz').brIf(slow, false);
    sign();
    f.set(result).i32(0).set(flags);
    f.end();
    f.get(result);
    if (bits === 32) f.op('i32.wrap_i64');
    return s.take(bits);
  }
}
