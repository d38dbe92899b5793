// Floating-point oracle: single, double and x87 extended arithmetic on exact bigint values, slow and obvious.
// Source: SDM 1 "Data Types" (formats, NaNs, rounding), "x87 FPU Floating-Point Exception Conditions", "SIMD
// Floating-Point Exceptions"; SDM 2 for each operation. Bit patterns are bigints; flags are those of the status word / MXCSR.
import {
  atanKernel,
  cosine,
  expm1Kernel,
  log2 as fixedLog2,
  fixedMul,
  integerSqrt,
  LN2,
  log1pKernel,
  P,
  PI,
  sinKernel,
} from './real.js';

export const IE = 1;
export const DE = 2;
export const ZE = 4;
export const OE = 8;
export const UE = 16;
export const PE = 32;
const C0 = 0x100;
const C1 = 0x200;
const C2 = 0x400;
const C3 = 0x4000;

/** A format: precision with the leading bit, exponent field width, and whether the leading bit is stored. */
export interface Format {
  readonly bits: number;
  readonly precision: number;
  readonly exponentBits: number;
  readonly explicit: boolean;
}
export const F32: Format = { bits: 32, precision: 24, exponentBits: 8, explicit: false };
export const F64: Format = { bits: 64, precision: 53, exponentBits: 11, explicit: false };
export const F80: Format = { bits: 80, precision: 64, exponentBits: 15, explicit: true };

const bias = (f: Format): number => 2 ** (f.exponentBits - 1) - 1;
const maxField = (f: Format): number => 2 ** f.exponentBits - 1;
const fractionBits = (f: Format): number => f.precision - 1;
const bitLength = (n: bigint): number => (n === 0n ? 0 : n.toString(2).length);
const ones = (n: number): bigint => (1n << BigInt(n)) - 1n;

export type Kind = 'zero' | 'normal' | 'denormal' | 'infinite' | 'qnan' | 'snan' | 'unsupported';
/** A finite value is (-1)^sign * significand * 2^exponent. */
export interface Unpacked {
  kind: Kind;
  sign: number;
  significand: bigint;
  exponent: number;
}
export function unpack(f: Format, bits: bigint): Unpacked {
  const stored = f.explicit ? f.precision : fractionBits(f);
  const sign = Number((bits >> BigInt(f.bits - 1)) & 1n);
  const field = Number((bits >> BigInt(stored)) & BigInt(maxField(f)));
  const low = bits & ones(stored);
  const fraction = low & ones(fractionBits(f));
  const leading = f.explicit ? (low >> BigInt(fractionBits(f))) & 1n : field === 0 ? 0n : 1n;
  const significand = fraction | (leading << BigInt(fractionBits(f)));
  const exponent = Math.max(field, 1) - bias(f) - fractionBits(f);
  let kind: Kind;
  if (field !== 0 && leading === 0n) kind = 'unsupported';
  else if (field === maxField(f))
    kind = fraction === 0n ? 'infinite' : fraction >> BigInt(fractionBits(f) - 1) ? 'qnan' : 'snan';
  else if (field === 0) kind = significand === 0n ? 'zero' : 'denormal';
  else kind = 'normal';
  return { kind, sign, significand, exponent };
}
const isNaNKind = (k: Kind): boolean => k === 'qnan' || k === 'snan' || k === 'unsupported';

function assemble(f: Format, sign: number, field: number, significand: bigint): bigint {
  const stored = f.explicit ? f.precision : fractionBits(f);
  return (BigInt(sign) << BigInt(f.bits - 1)) | (BigInt(field) << BigInt(stored)) | (significand & ones(stored));
}
export const zero = (f: Format, sign: number): bigint => assemble(f, sign, 0, 0n);
export const infinity = (f: Format, sign: number): bigint =>
  assemble(f, sign, maxField(f), 1n << BigInt(fractionBits(f)));
export const indefinite = (f: Format): bigint => assemble(f, 1, maxField(f), 3n << BigInt(fractionBits(f) - 1));

/** Rounding modes as in RC: 0 nearest even, 1 down, 2 up, 3 to zero. */
export interface Environment {
  rc: number;
  /** Bits of precision (x87 precision control); the format's when absent. */
  precision?: number;
  /** Masked exceptions, one bit each. */
  masks: number;
  flushToZero?: boolean;
  denormalsAreZeros?: boolean;
}
export const fromFcw = (fcw: number): Environment => ({
  rc: (fcw >> 10) & 3,
  precision: { 0: 24, 1: 64, 2: 53, 3: 64 }[(fcw >> 8) & 3] ?? 64,
  masks: fcw & 0x3f,
});
export const fromMxcsr = (mxcsr: number): Environment => ({
  rc: (mxcsr >> 13) & 3,
  masks: (mxcsr >> 7) & 0x3f,
  flushToZero: (mxcsr & 0x8000) !== 0,
  denormalsAreZeros: (mxcsr & 0x40) !== 0,
});

/** An exact or truncated real: (-1)^sign * (significand + (0 < s < 1 if sticky)) * 2^exponent. */
export interface Real {
  sign: number;
  significand: bigint;
  exponent: number;
  sticky?: boolean;
}
export interface Result {
  bits: bigint;
  flags: number;
}

/** Rounds to a multiple of 2^quantum. */
function roundAt(v: Real, quantum: number, rc: number): { integer: bigint; inexact: boolean; up: boolean } {
  const drop = quantum - v.exponent;
  let integer: bigint;
  let rest: bigint;
  let half: bigint;
  if (drop <= 0) {
    // Below the last bit there is only the sticky part, which callers keep far from a half.
    integer = v.significand << BigInt(-drop);
    rest = v.sticky ? 1n : 0n;
    half = 4n;
  } else {
    integer = v.significand >> BigInt(drop);
    rest = 2n * (v.significand & ones(drop)) + (v.sticky ? 1n : 0n);
    half = 1n << BigInt(drop);
  }
  const inexact = rest !== 0n;
  const up =
    inexact &&
    (rc === 0
      ? rest > half || (rest === half && (integer & 1n) === 1n)
      : rc === 1
        ? v.sign === 1
        : rc === 2
          ? v.sign === 0
          : false);
  return { integer: up ? integer + 1n : integer, inexact, up };
}

/** Rounds a non-zero value into the format: overflow, underflow (tininess after rounding), flags and C1. */
export function round(f: Format, v: Real, env: Environment): Result {
  const precision = Math.min(env.precision ?? f.precision, f.precision);
  const minimum = 1 - bias(f);
  const leading = v.exponent + bitLength(v.significand) - 1;
  let r = roundAt(v, leading - precision + 1, env.rc);
  const exponent = leading + (bitLength(r.integer) > precision ? 1 : 0);
  const place = (integer: bigint, at: number): bigint => {
    // integer has weight 2^(at - precision + 1); the field wants the leading bit at fractionBits.
    const s = integer << BigInt(f.precision - precision);
    const normal = bitLength(s) > f.precision ? s >> 1n : s;
    return assemble(f, v.sign, at + bias(f), normal);
  };
  const inexact = (): number => (r.inexact ? PE : 0) | (r.up ? C1 : 0);
  if (exponent > bias(f)) {
    if ((env.masks & OE) === 0) {
      const adjusted = exponent - 24576;
      if (f !== F80 || adjusted > bias(f))
        return { bits: infinity(f, v.sign), flags: OE | (f === F80 ? PE | C1 : inexact()) };
      return { bits: place(r.integer, adjusted), flags: OE | inexact() };
    }
    const away = env.rc === 0 || (env.rc === 1 && v.sign === 1) || (env.rc === 2 && v.sign === 0);
    const largest = assemble(f, v.sign, maxField(f) - 1, ones(precision) << BigInt(f.precision - precision));
    return { bits: away ? infinity(f, v.sign) : largest, flags: OE | PE | (away ? C1 : 0) };
  }
  if (leading < minimum) {
    const tiny = exponent < minimum;
    if (tiny && (env.masks & UE) === 0) {
      const adjusted = exponent + 24576;
      if (f !== F80) return { bits: zero(f, v.sign), flags: UE | inexact() };
      if (adjusted < minimum) return { bits: zero(f, v.sign), flags: UE | PE };
      return { bits: place(r.integer, adjusted), flags: UE | inexact() };
    }
    if (tiny && env.flushToZero) return { bits: zero(f, v.sign), flags: UE | PE };
    r = roundAt(v, minimum - precision + 1, env.rc);
    const s = r.integer << BigInt(f.precision - precision);
    const field = bitLength(s) === f.precision ? 1 : 0;
    return { bits: assemble(f, v.sign, field, s), flags: inexact() | (tiny && r.inexact ? UE : 0) };
  }
  return { bits: place(r.integer, exponent), flags: inexact() };
}

// ---- exact operations on finite non-zero values --------------------------------------------------------------------

const signed = (v: Real): bigint => (v.sign ? -v.significand : v.significand);
function exactAdd(a: Real, b: Real): Real {
  const exponent = Math.min(a.exponent, b.exponent);
  const sum = (signed(a) << BigInt(a.exponent - exponent)) + (signed(b) << BigInt(b.exponent - exponent));
  return { sign: sum < 0n ? 1 : 0, significand: sum < 0n ? -sum : sum, exponent };
}
const exactMul = (a: Real, b: Real): Real => ({
  sign: a.sign ^ b.sign,
  significand: a.significand * b.significand,
  exponent: a.exponent + b.exponent,
  ...(a.sticky || b.sticky ? { sticky: true } : {}),
});
function exactDiv(a: Real, b: Real): Real {
  const scale = 200 + Math.max(0, bitLength(b.significand) - bitLength(a.significand));
  const n = a.significand << BigInt(scale);
  return {
    sign: a.sign ^ b.sign,
    significand: n / b.significand,
    exponent: a.exponent - b.exponent - scale,
    sticky: n % b.significand !== 0n || a.sticky === true,
  };
}
function exactSqrt(a: Real): Real {
  const scale = 260 + (a.exponent & 1);
  const n = a.significand << BigInt(scale);
  const root = integerSqrt(n);
  return { sign: 0, significand: root, exponent: (a.exponent - scale) / 2, sticky: root * root !== n };
}

// ---- x87 and SSE operand rules -------------------------------------------------------------------------------------

/** x87 and SSE differ in which NaN survives. */
type Family = 'x87' | 'sse';
const quieted = (f: Format, bits: bigint): bigint => bits | (1n << BigInt(fractionBits(f) - 1));
function nanResult(family: Family, f: Format, a: bigint, b: bigint): Result {
  const ua = unpack(f, a);
  const ub = unpack(f, b);
  if (ua.kind === 'unsupported' || ub.kind === 'unsupported') return { bits: indefinite(f), flags: IE };
  const flags = ua.kind === 'snan' || ub.kind === 'snan' ? IE : 0;
  const first = (): Result => ({ bits: quieted(f, a), flags });
  const second = (): Result => ({ bits: quieted(f, b), flags });
  if (!isNaNKind(ua.kind)) return second();
  if (!isNaNKind(ub.kind) || family === 'sse') return first();
  if (ua.kind !== ub.kind) return ua.kind === 'qnan' ? first() : second();
  const qa = quieted(f, a) & ones(f.precision);
  const qb = quieted(f, b) & ones(f.precision);
  if (qa !== qb) return qa > qb ? first() : second();
  return ua.sign <= ub.sign ? first() : second();
}
const flushed = (f: Format, env: Environment, bits: bigint): bigint =>
  env.denormalsAreZeros && unpack(f, bits).kind === 'denormal' ? zero(f, unpack(f, bits).sign) : bits;
const denormal = (...list: Unpacked[]): number => (list.some((u) => u.kind === 'denormal') ? DE : 0);
const invalid = (f: Format): Result => ({ bits: indefinite(f), flags: IE });
const withFlags = (r: Result, flags: number): Result => ({ bits: r.bits, flags: r.flags | flags });

type Binary = (family: Family, f: Format, env: Environment, a: bigint, b: bigint) => Result;
/** The operand rules common to the four operations; `compute` sees no NaN. */
const binary =
  (compute: (f: Format, env: Environment, a: Unpacked, b: Unpacked) => Result): Binary =>
  (family, f, env, x, y) => {
    const a = flushed(f, env, x);
    const b = flushed(f, env, y);
    const ua = unpack(f, a);
    const ub = unpack(f, b);
    if (isNaNKind(ua.kind) || isNaNKind(ub.kind)) return nanResult(family, f, a, b);
    const r = compute(f, env, ua, ub);
    return r.flags & (IE | ZE) ? r : withFlags(r, denormal(ua, ub));
  };
const sum = (f: Format, env: Environment, a: Unpacked, b: Unpacked): Result => {
  if (a.kind === 'infinite' && b.kind === 'infinite' && a.sign !== b.sign) return invalid(f);
  if (a.kind === 'infinite') return { bits: infinity(f, a.sign), flags: 0 };
  if (b.kind === 'infinite') return { bits: infinity(f, b.sign), flags: 0 };
  const total = exactAdd(a, b);
  if (total.significand !== 0n) return round(f, total, env);
  const bothZero = a.kind === 'zero' && b.kind === 'zero' && a.sign === b.sign;
  return { bits: zero(f, bothZero ? a.sign : env.rc === 1 ? 1 : 0), flags: 0 };
};
export const add = binary(sum);
export const sub = binary((f, env, a, b) => sum(f, env, a, { ...b, sign: b.sign ^ 1 }));
export const mul = binary((f, env, a, b) => {
  const sign = a.sign ^ b.sign;
  const kinds = [a.kind, b.kind];
  if (kinds.includes('infinite')) return kinds.includes('zero') ? invalid(f) : { bits: infinity(f, sign), flags: 0 };
  if (kinds.includes('zero')) return { bits: zero(f, sign), flags: 0 };
  return round(f, exactMul(a, b), env);
});
export const div = binary((f, env, a, b) => {
  const sign = a.sign ^ b.sign;
  if (a.kind === b.kind && (a.kind === 'zero' || a.kind === 'infinite')) return invalid(f);
  if (a.kind === 'infinite') return { bits: infinity(f, sign), flags: 0 };
  if (b.kind === 'zero') return { bits: infinity(f, sign), flags: ZE };
  if (a.kind === 'zero' || b.kind === 'infinite') return { bits: zero(f, sign), flags: 0 };
  return round(f, exactDiv(a, b), env);
});
export function sqrt(family: Family, f: Format, env: Environment, x: bigint): Result {
  const a = flushed(f, env, x);
  const u = unpack(f, a);
  if (isNaNKind(u.kind)) return nanResult(family, f, a, a);
  if (u.kind === 'zero') return { bits: a, flags: 0 };
  if (u.sign) return invalid(f);
  if (u.kind === 'infinite') return { bits: a, flags: 0 };
  return withFlags(round(f, exactSqrt(u), env), denormal(u));
}

export type Order = 'less' | 'equal' | 'greater' | 'unordered';
export function compare(
  f: Format,
  env: Environment,
  x: bigint,
  y: bigint,
  signaling: boolean,
): { order: Order; flags: number } {
  const a = unpack(f, flushed(f, env, x));
  const b = unpack(f, flushed(f, env, y));
  if (isNaNKind(a.kind) || isNaNKind(b.kind)) {
    const quiet = !signaling && [a, b].every((u) => u.kind !== 'snan' && u.kind !== 'unsupported');
    return { order: 'unordered', flags: quiet ? 0 : IE };
  }
  const flags = denormal(a, b);
  const key = (u: Unpacked): number => (u.kind === 'infinite' ? (u.sign ? -1 : 1) : 0);
  if (key(a) !== key(b)) return { order: key(a) < key(b) ? 'less' : 'greater', flags };
  if (key(a) !== 0) return { order: 'equal', flags };
  const difference = signed(exactAdd(a, { ...b, sign: b.sign ^ 1 }));
  return { order: difference < 0n ? 'less' : difference > 0n ? 'greater' : 'equal', flags };
}
/** MINxx / MAXxx: the second operand when unordered (IE) or equal. */
export function minMax(f: Format, env: Environment, x: bigint, y: bigint, max: boolean): Result {
  const { order, flags } = compare(f, env, x, y, true);
  return { bits: flushed(f, env, order === (max ? 'greater' : 'less') ? x : y), flags };
}
export function roundToIntegral(family: Family, f: Format, env: Environment, x: bigint): Result {
  const a = flushed(f, env, x);
  const u = unpack(f, a);
  if (isNaNKind(u.kind)) return nanResult(family, f, a, a);
  const flags = family === 'x87' ? denormal(u) : 0;
  if (u.kind === 'infinite' || u.kind === 'zero' || u.exponent >= 0) return { bits: a, flags };
  const r = roundAt(u, 0, env.rc);
  const bits =
    r.integer === 0n
      ? zero(f, u.sign)
      : round(f, { sign: u.sign, significand: r.integer, exponent: 0 }, { rc: 0, masks: 0x3f }).bits;
  return { bits, flags: flags | (r.inexact ? PE : 0) | (r.up ? C1 : 0) };
}
/** To a signed integer of `width` bits (as a two's complement bigint); IE and the indefinite when it does not fit. */
export function toInteger(f: Format, env: Environment, x: bigint, width: number): Result {
  const u = unpack(f, flushed(f, env, x));
  const bad = { bits: BigInt.asIntN(width, 1n << BigInt(width - 1)), flags: IE };
  if (isNaNKind(u.kind) || u.kind === 'infinite') return bad;
  const r = roundAt(u, 0, env.rc);
  const value = u.sign ? -r.integer : r.integer;
  if (BigInt.asIntN(width, value) !== value) return bad;
  return { bits: value, flags: (r.inexact ? PE : 0) | (r.up ? C1 : 0) };
}
export function fromInteger(f: Format, env: Environment, value: bigint): Result {
  if (value === 0n) return { bits: zero(f, 0), flags: 0 };
  return round(f, { sign: value < 0n ? 1 : 0, significand: value < 0n ? -value : value, exponent: 0 }, env);
}
/** Between formats. Loads and SSE conversions report a denormal source, x87 stores do not. */
export function convert(from: Format, to: Format, env: Environment, x: bigint): Result {
  const a = flushed(from, env, x);
  const u = unpack(from, a);
  if (u.kind === 'unsupported') return invalid(to);
  if (isNaNKind(u.kind)) {
    const top = (a & ones(fractionBits(from))) << 64n;
    const fraction = top >> BigInt(64 + fractionBits(from) - fractionBits(to));
    const bits = assemble(to, u.sign, maxField(to), fraction | (1n << BigInt(fractionBits(to))));
    return { bits: quieted(to, bits), flags: u.kind === 'snan' ? IE : 0 };
  }
  if (u.kind === 'zero') return { bits: zero(to, u.sign), flags: 0 };
  if (u.kind === 'infinite') return { bits: infinity(to, u.sign), flags: 0 };
  const r = round(to, u, env);
  const trap = r.flags & ~env.masks & (OE | UE);
  if (from === F80) return trap ? { bits: r.bits, flags: trap } : r;
  return withFlags(r, denormal(u));
}

// ---- x87 only ------------------------------------------------------------------------------------------------------

const exactly = (env: Environment): Environment => ({ ...env, precision: 64 });
/** FSCALE. */
export function scale(env: Environment, a: bigint, b: bigint): Result {
  const ua = unpack(F80, a);
  const ub = unpack(F80, b);
  if (isNaNKind(ua.kind) || isNaNKind(ub.kind)) return nanResult('x87', F80, a, b);
  if (ub.kind === 'infinite' && (ub.sign ? ua.kind === 'infinite' : ua.kind === 'zero')) return invalid(F80);
  const flags = denormal(ua, ub);
  if (ua.kind === 'infinite' || ua.kind === 'zero') return { bits: a, flags };
  if (ub.kind === 'infinite') return { bits: ub.sign ? zero(F80, ua.sign) : infinity(F80, ua.sign), flags };
  const magnitude = roundAt({ ...ub, sign: 0 }, 0, 3).integer;
  const n = Number(magnitude > 0x20000n ? 0x20000n : magnitude) * (ub.sign ? -1 : 1);
  return withFlags(round(F80, { ...ua, exponent: ua.exponent + n }, exactly(env)), flags);
}
/** FPREM and, with `nearest`, FPREM1; flags carry C0 C3 C1 (quotient) and C2. */
export function remainder(env: Environment, a: bigint, b: bigint, nearest: boolean): Result {
  const ua = unpack(F80, a);
  const ub = unpack(F80, b);
  if (isNaNKind(ua.kind) || isNaNKind(ub.kind)) return nanResult('x87', F80, a, b);
  if (ua.kind === 'infinite' || ub.kind === 'zero') return invalid(F80);
  const flags = denormal(ua, ub);
  const finish = (v: Real, more: number): Result =>
    v.significand === 0n
      ? { bits: zero(F80, ua.sign), flags: flags | more }
      : withFlags(round(F80, v, exactly(env)), flags | more);
  if (ua.kind === 'zero' || ub.kind === 'infinite') return finish(ua, 0);
  const leading = (u: Unpacked): number => u.exponent + bitLength(u.significand);
  const difference = leading(ua) - leading(ub);
  const exponent = Math.min(ua.exponent, ub.exponent);
  const n = ua.significand << BigInt(ua.exponent - exponent);
  const d = ub.significand << BigInt(ub.exponent - exponent);
  if (difference >= 64) {
    const bits = (difference & 31) | 32;
    return finish({ sign: ua.sign, significand: n % (d << BigInt(difference - bits)), exponent }, C2);
  }
  let q = n / d;
  let r = n % d;
  if (nearest && (2n * r > d || (2n * r === d && q & 1n))) {
    q++;
    r -= d;
  }
  const sign = r < 0n ? ua.sign ^ 1 : ua.sign;
  const quotient = (q & 4n ? C0 : 0) | (q & 2n ? C3 : 0) | (q & 1n ? C1 : 0);
  return finish({ sign, significand: r < 0n ? -r : r, exponent }, quotient);
}
/** FXTRACT: significand in bits, exponent in `second`. */
export function extract(a: bigint): Result & { second: bigint } {
  const u = unpack(F80, a);
  if (isNaNKind(u.kind)) {
    const r = nanResult('x87', F80, a, a);
    return { ...r, second: r.bits };
  }
  if (u.kind === 'zero') return { bits: a, second: infinity(F80, 1), flags: ZE };
  if (u.kind === 'infinite') return { bits: a, second: infinity(F80, 0), flags: 0 };
  const env = { rc: 0, masks: 0x3f };
  const leading = u.exponent + bitLength(u.significand) - 1;
  return {
    bits: round(F80, { ...u, exponent: 1 - bitLength(u.significand) }, env).bits,
    second: fromInteger(F80, env, BigInt(leading)).bits,
    flags: denormal(u),
  };
}
/** FXAM of a register that is not empty. */
export function examine(a: bigint): number {
  const u = unpack(F80, a);
  const codes: Record<Kind, number> = {
    zero: C3,
    normal: C2,
    denormal: C3 | C2,
    infinite: C2 | C0,
    qnan: C0,
    snan: C0,
    unsupported: 0,
  };
  return codes[u.kind] | (u.sign ? C1 : 0);
}
export const conditionCodes = (order: Order): number =>
  ({ less: C0, equal: C3, greater: 0, unordered: C0 | C2 | C3 })[order];

// ---- transcendental: P-bit fixed point, exact relative to tiny operands -------------------------------------------

/** floor(|value| * 2^P). */
const fixed = (v: Real): bigint =>
  v.exponent + P >= 0 ? v.significand << BigInt(v.exponent + P) : v.significand >> BigInt(-v.exponent - P);
/** v * k for a kernel k in fixed point; irrational, hence sticky (one unit down keeps it below a tie). */
const kernelTimes = (v: Real, k: bigint): Real => ({
  sign: v.sign,
  significand: v.significand * (k - 1n),
  exponent: v.exponent - P,
  sticky: true,
});
const fromFixed = (v: bigint): Real => ({
  sign: v < 0n ? 1 : 0,
  significand: v < 0n ? -v - 1n : v - 1n,
  exponent: -P,
  sticky: true,
});
const ONE = 1n << BigInt(P);
const RESULT_ONE = assemble(F80, 0, 16383, 1n << 63n);

/** sin and cos of a finite non-zero operand below 2^63, with pi cut to 66 bits as the processor does, or exact. */
function sinCos(u: Unpacked, exactPi: boolean): { sin: Real; cos: Real } {
  const pi = exactPi ? PI : (PI >> BigInt(P - 64)) << BigInt(P - 64);
  const magnitude = fixed(u);
  const quarter = pi >> 1n;
  const n = (2n * magnitude + quarter) / (2n * quarter);
  const r = magnitude - n * quarter;
  const angle: Real =
    n === 0n ? { ...u, sign: 0 } : { sign: r < 0n ? 1 : 0, significand: r < 0n ? -r : r, exponent: -P };
  const s = kernelTimes(angle, sinKernel(r));
  const c = fromFixed(cosine(r));
  const negate = (v: Real): Real => ({ ...v, sign: v.sign ^ 1 });
  const table: [Real, Real][] = [
    [s, c],
    [c, negate(s)],
    [negate(s), negate(c)],
    [negate(c), s],
  ];
  const [sin, cos] = table[Number(n & 3n)]!;
  return { sin: u.sign ? negate(sin) : sin, cos };
}
export type Trigonometric = 'sin' | 'cos' | 'tan';
export function trigonometric(what: Trigonometric, env: Environment, a: bigint, exactPi = false): Result {
  const u = unpack(F80, a);
  if (isNaNKind(u.kind)) return nanResult('x87', F80, a, a);
  if (u.kind === 'infinite') return invalid(F80);
  if (u.kind === 'zero') return { bits: what === 'cos' ? RESULT_ONE : a, flags: 0 };
  if (u.exponent + bitLength(u.significand) > 63) return { bits: a, flags: C2 | denormal(u) };
  const { sin, cos } = sinCos(u, exactPi);
  const value = what === 'sin' ? sin : what === 'cos' ? cos : exactDiv(sin, cos);
  return withFlags(round(F80, value, exactly(env)), denormal(u));
}
export function f2xm1(env: Environment, a: bigint): Result {
  const u = unpack(F80, a);
  if (isNaNKind(u.kind)) return nanResult('x87', F80, a, a);
  const minusOne = RESULT_ONE | (1n << 79n);
  if (u.kind === 'infinite' && u.sign) return { bits: minusOne, flags: 0 };
  if (u.kind === 'zero' || u.kind === 'infinite') return { bits: a, flags: 0 };
  if (a === minusOne) return { bits: minusOne - (1n << 64n), flags: 0 };
  if (u.exponent + bitLength(u.significand) > 0) return { bits: a, flags: 0 };
  const y = fixedMul(u.sign ? -fixed(u) : fixed(u), LN2);
  const value = kernelTimes(u, fixedMul(LN2, expm1Kernel(y)));
  return withFlags(round(F80, value, exactly(env)), denormal(u));
}
/** FYL2X, or FYL2XP1 with plusOne, for operands in their documented domain. */
export function yl2x(env: Environment, x: bigint, y: bigint, plusOne: boolean): Result {
  const ux = unpack(F80, x);
  const uy = unpack(F80, y);
  if (isNaNKind(ux.kind) || isNaNKind(uy.kind)) return nanResult('x87', F80, x, y);
  const flags = denormal(ux, uy);
  const one: Real = { sign: 0, significand: 1n, exponent: 0 };
  const infinite = ux.kind === 'infinite';
  const argument = plusOne ? exactAdd(ux, one) : ux;
  const argumentIsZero = !infinite && argument.significand === 0n;
  if (infinite ? ux.sign : argument.sign && !argumentIsZero) return invalid(F80);
  if (infinite) return uy.kind === 'zero' ? invalid(F80) : { bits: infinity(F80, uy.sign), flags };
  if (argumentIsZero) {
    if (uy.kind === 'zero') return invalid(F80);
    return { bits: infinity(F80, uy.sign ^ 1), flags: uy.kind === 'infinite' ? 0 : ZE };
  }
  const difference = plusOne ? ux : exactAdd(argument, { ...one, sign: 1 });
  const logIsZero = difference.significand === 0n;
  const sign = uy.sign ^ difference.sign;
  if (uy.kind === 'infinite') return logIsZero ? invalid(F80) : { bits: infinity(F80, sign), flags };
  if (uy.kind === 'zero' || logIsZero) return { bits: zero(F80, sign), flags };
  // argument = m * 2^n with m in [1, 2)
  const n = argument.exponent + bitLength(argument.significand) - 1;
  let value: Real;
  // A power of two has an integer logarithm; processors report PE nevertheless, and UE for a denormal result.
  if (argument.significand === 1n << BigInt(bitLength(argument.significand) - 1)) {
    const log: Real = { sign: n < 0 ? 1 : 0, significand: BigInt(Math.abs(n)), exponent: 0 };
    const r = round(F80, exactMul(log, uy), exactly(env));
    return withFlags(r, flags | PE | (unpack(F80, r.bits).kind === 'denormal' ? UE : 0));
  }
  if (n === 0 || n === -1) {
    const u = difference.sign ? -fixed(difference) : fixed(difference);
    const kernel = (log1pKernel(u) << BigInt(P)) / LN2;
    value = kernelTimes(difference, kernel);
  } else {
    const m: Real = { ...argument, exponent: argument.exponent - n };
    value = fromFixed(BigInt(n) * ONE + fixedLog2(fixed(m)));
  }
  return withFlags(round(F80, exactMul(value, uy), exactly(env)), flags);
}
/** FPATAN: atan(y / x). */
export function patan(env: Environment, x: bigint, y: bigint): Result {
  const ux = unpack(F80, x);
  const uy = unpack(F80, y);
  if (isNaNKind(ux.kind) || isNaNKind(uy.kind)) return nanResult('x87', F80, x, y);
  const flags = denormal(ux, uy);
  const quarters = (n: bigint): Result => {
    const v = fromFixed((n * PI) >> 2n);
    return withFlags(round(F80, { ...v, sign: uy.sign }, exactly(env)), flags);
  };
  const left = ux.sign === 1;
  if (uy.kind === 'infinite') return quarters(ux.kind !== 'infinite' ? 2n : left ? 3n : 1n);
  if (ux.kind === 'infinite' || uy.kind === 'zero') return left ? quarters(4n) : { bits: zero(F80, uy.sign), flags };
  if (ux.kind === 'zero') return quarters(2n);
  const magnitude = (u: Unpacked): Real => ({ ...u, sign: 0 });
  const steep = exactAdd(magnitude(uy), { ...ux, sign: 1 });
  const swap = steep.sign === 0 && steep.significand !== 0n;
  const q = swap ? exactDiv(magnitude(ux), magnitude(uy)) : exactDiv(magnitude(uy), magnitude(ux));
  const small = kernelTimes(q, atanKernel(fixed(q)));
  let value = small;
  if (swap || left) {
    const a = fixed(small);
    value = fromFixed(swap ? (left ? PI / 2n + a : PI / 2n - a) : PI - a);
  }
  return withFlags(round(F80, { ...value, sign: uy.sign }, exactly(env)), flags);
}
/** The constant of opcode D9 E8+which. */
export function constant(which: number, rc: number): bigint {
  const log2of10 = 3n * ONE + fixedLog2((5n * ONE) / 4n);
  const values = [ONE, log2of10, (ONE * ONE) / LN2, PI, (ONE * ONE) / log2of10, LN2];
  const value = values[which];
  if (value === undefined) return zero(F80, 0);
  if (which === 0) return RESULT_ONE;
  return round(F80, fromFixed(value), { rc, masks: 0x3f }).bits;
}
