// x87 transcendental instructions in 128-bit fixed point: table lookup at steps of 1/64 and short series, then one rounding.
// Source: SDM 2 F2XM1, FYL2X, FYL2XP1, FPTAN, FPATAN, FSIN, FCOS, FSINCOS; SDM 1 "Approximation of Pi" (66-bit pi),
// "Transcendental Instruction Accuracy" (the error stays far below the 1 ulp allowed there).
// Naming: Q0.128 is a fraction hi:lo / 2^128; Q2.126 and so on likewise.
import {
  TOP,
  div128,
  exact_add,
  exact_mul,
  mul128,
  mul64,
  r_exp,
  r_hi,
  r_lo,
  r_sign,
  set_result,
  umulh,
  w_lo,
} from './exact';
import { BIAS, blocked, f80_class, f80_exp, f80_man, invalid, nan_result, nan_unary, pack, pack_exact, put, rc_of } from './f80-format';
import { fast_flags, REFUSED } from './f80-fast';
import { fast_sincos } from './f80-sincos';
import { ATAN, CONSTANTS, EXP2, FACTORIAL, INVERSE, LOG2, SIN_COS } from './f80-tables';
import { C2, DE, DENORMAL, IE, INFINITE, PE, QNAN, UE, ZE, ZERO } from './status';

/** Fixed-point result of the helpers below: Q0.128. */
let x_hi: u64 = 0;
let x_lo: u64 = 0;
let x_below: bool = false;

/** A normalized value below 1 as Q0.128, truncated. */
function to_fixed(exp: i32, hi: u64, lo: u64): void {
  const n = u64(-1 - exp);
  if (n == 0) {
    x_hi = hi;
    x_lo = lo;
  } else if (n < 64) {
    x_hi = hi >> n;
    x_lo = (lo >> n) | (hi << (64 - n));
  } else {
    x_hi = 0;
    x_lo = n < 128 ? hi >> (n - 64) : 0;
  }
}
/** x = table[i] - z * x, or + for plus. */
@inline
function step(table: usize, i: usize, zh: u64, zl: u64, plus: bool): void {
  const h = mul128(zh, zl, x_hi, x_lo);
  const l = w_lo;
  const th = load<u64>(table + i * 16);
  const tl = load<u64>(table + i * 16, 8);
  if (plus) {
    x_lo = tl + l;
    x_hi = th + h + u64(x_lo < l);
  } else {
    x_hi = th - h - u64(tl < l);
    x_lo = tl - l;
  }
}
@inline
function entry(table: usize, i: usize): u64 {
  return load<u64>(table + i * 16);
}

/** 1 - sin(t) / t for z = t^2 <= 2^-14. */
function sin_deficit(zh: u64, zl: u64): void {
  let p = entry(FACTORIAL, 7) - umulh(zh, entry(FACTORIAL, 9));
  p = entry(FACTORIAL, 5) - umulh(zh, p);
  x_hi = p;
  x_lo = 0;
  step(FACTORIAL, 3, zh, zl, false);
  step(FACTORIAL, 1, zh, zl, false);
  x_hi = mul128(zh, zl, x_hi, x_lo);
  x_lo = w_lo;
}
/** 1 - cos(t) for z = t^2 <= 2^-14. */
function cos_deficit(zh: u64, zl: u64): void {
  let p = entry(FACTORIAL, 6) - umulh(zh, entry(FACTORIAL, 8));
  p = entry(FACTORIAL, 4) - umulh(zh, p);
  x_hi = p;
  x_lo = 0;
  step(FACTORIAL, 2, zh, zl, false);
  step(FACTORIAL, 0, zh, zl, false);
  x_hi = mul128(zh, zl, x_hi, x_lo);
  x_lo = w_lo;
}

// Sine and cosine of an angle in 0..pi/4, normalized.
let s_exp: i32 = 0;
let s_hi: u64 = 0;
let s_lo: u64 = 0;
let c_exp: i32 = 0;
let c_hi: u64 = 0;
let c_lo: u64 = 0;

function keep_sin(): void {
  s_exp = r_exp;
  s_hi = r_hi;
  s_lo = r_lo;
}
function keep_cos(): void {
  c_exp = r_exp;
  c_hi = r_hi;
  c_lo = r_lo;
}
// The operand of the last kernel, and whether its results are the quick ones.
let k_exp: i32 = 0;
let k_hi: u64 = 0;
let k_lo: u64 = 0;
let quick: bool = false;
/** Bits by which z is kept scaled, and the most that a quick result is off, in units of 2^-128. */
const SCALE: u64 = 12;
const QUICK_ERROR: u64 = 1 << 55;

function sincos_kernel(exp: i32, hi: u64, lo: u64): void {
  k_exp = exp;
  k_hi = hi;
  k_lo = lo;
  quick = exp > -8;
  if (quick) sincos_quick();
  else sincos_exact();
}
/** A rounding cannot go wrong: the result is further from a double word's middle and end than it may be off. */
@inline
function certain(exp: i32, lo: u64): bool {
  const error = QUICK_ERROR << u64(-1 - exp);
  return exp >= -8 && ((lo + error) & ~TOP) > error << 1;
}
/** What the signs of the terms below need: a - b or a + b in Q0.128 as the result. */
@inline
function combine(ah: u64, al: u64, bh: u64, bl: u64, minus: bool): void {
  if (minus) set_result(0, -1, ah - bh - u64(al < bl), al - bl);
  else {
    const l = al + bl;
    set_result(0, -1, ah + bh + u64(l < al), l);
  }
}
/** Takes the nearest multiple of 2^-6 off x and returns its number; the distance stays in x, and in x_below whether x was less. */
function take_nearest(): u64 {
  const nearest = ((x_hi >> 57) + 1) >> 1;
  x_hi -= nearest << 58;
  x_below = i64(x_hi) < 0;
  if (x_below) {
    x_hi = ~x_hi + u64(x_lo == 0);
    x_lo = 0 - x_lo;
  }
  return nearest;
}
/** 1 - series of `last`, every other one down to `first` (of FACTORIAL), in z = Z / 2^76; times z, scaled like it. */
@inline
function deficit(z: u64, first: usize): u64 {
  let p = entry(FACTORIAL, first + 4) - (umulh(z, entry(FACTORIAL, first + 6)) >> SCALE);
  p = entry(FACTORIAL, first + 2) - (umulh(z, p) >> SCALE);
  p = entry(FACTORIAL, first) - (umulh(z, p) >> SCALE);
  return umulh(z, p);
}
/** Sine and cosine with errors below QUICK_ERROR: the small terms in 64 bits. */
function sincos_quick(): void {
  to_fixed(k_exp, k_hi, k_lo);
  const k = take_nearest();
  const below = x_below;
  let th = x_hi;
  let tl = x_lo;
  // t * 2^6 and t^2 * 2^12
  const t = (th << 6) | (tl >> 58);
  const z = umulh(t, t);
  const sine = umulh(t, deficit(z, 1));
  const cosine = deficit(z, 0);
  // t - t * deficit
  const l = sine << (64 - SCALE - 6);
  const h = sine >> (SCALE + 6);
  th = th - h - u64(tl < l);
  tl -= l;
  const p = SIN_COS + usize(k) * 128;
  let sh = load<u64>(p);
  let sl = load<u64>(p, 8);
  let ch = load<u64>(p, 16);
  let cl = load<u64>(p, 24);
  const ph = mul128(ch, cl, th, tl);
  const pl = w_lo;
  const qh = mul128(sh, sl, th, tl);
  const ql = w_lo;
  let d = umulh(sh, cosine);
  let dl = d << (64 - SCALE);
  sh = sh - (d >> SCALE) - u64(sl < dl);
  sl -= dl;
  d = umulh(ch, cosine);
  dl = d << (64 - SCALE);
  ch = ch - (d >> SCALE) - u64(cl < dl);
  cl -= dl;
  combine(sh, sl, ph, pl, below);
  keep_sin();
  combine(ch, cl, qh, ql, !below);
  keep_cos();
}
/** Sine and cosine to more than 110 bits. */
function sincos_exact(): void {
  const exp = k_exp;
  const hi = k_hi;
  const lo = k_lo;
  quick = false;
  to_fixed(exp, hi, lo);
  if (exp <= -8) {
    const zh = mul128(x_hi, x_lo, x_hi, x_lo);
    const zl = w_lo;
    sin_deficit(zh, zl);
    const ph = mul128(hi, lo, x_hi, x_lo);
    const pl = w_lo | 1;
    set_result(0, exp, hi - ph - u64(lo < pl), lo - pl);
    keep_sin();
    cos_deficit(zh, zl);
    const cl = x_lo | 1;
    set_result(0, -1, 0 - x_hi - 1, 0 - cl);
    keep_cos();
    return;
  }
  const k = take_nearest();
  const below = x_below;
  let th = x_hi;
  let tl = x_lo;
  const zh = mul128(th, tl, th, tl);
  const zl = w_lo;
  sin_deficit(zh, zl);
  let ph = mul128(th, tl, x_hi, x_lo);
  let pl = w_lo;
  th = th - ph - u64(tl < pl);
  tl -= pl;
  cos_deficit(zh, zl);
  const dh = x_hi;
  const dl = x_lo;
  const p = SIN_COS + usize(k) * 128;
  const sh = load<u64>(p);
  const sl = load<u64>(p, 8);
  const ch = load<u64>(p, 16);
  const cl = load<u64>(p, 24);
  // sin = S - S*d +- C*t
  ph = mul128(sh, sl, dh, dl);
  pl = w_lo;
  let h = sh - ph - u64(sl < pl);
  let l = sl - pl;
  ph = mul128(ch, cl, th, tl);
  pl = w_lo;
  if (below) {
    h = h - ph - u64(l < pl);
    l -= pl;
  } else {
    l += pl;
    h += ph + u64(l < pl);
  }
  set_result(0, -1, h, l);
  keep_sin();
  // cos = C - C*d -+ S*t
  ph = mul128(ch, cl, dh, dl);
  pl = w_lo;
  h = ch - ph - u64(cl < pl);
  l = cl - pl;
  ph = mul128(sh, sl, th, tl);
  pl = w_lo;
  if (below) {
    l += pl;
    h += ph + u64(l < pl);
  } else {
    h = h - ph - u64(l < pl);
    l -= pl;
  }
  set_result(0, -1, h, l);
  keep_cos();
}

/** Signs of the last reduction: sine and cosine negative, and exchanged. */
let swap: bool = false;
let sin_negative: u32 = 0;
let cos_negative: u32 = 0;

/** pi / 2 with the 66-bit pi of the processor is (3 * 2^64 + PI66) * 2^-65. */
const PI66: u64 = 0x243f6a8885a308d3;
/** The operand that s_*, c_* and the signs belong to: programs ask for the sine and the cosine of one angle. */
let reduced_exp: i32 = 0;
let reduced_m: u64 = 0;
/** Sine and cosine of |x| = m / 2^63 * 2^exp < 2^63 into s_*, c_* by quadrant. */
function sincos_reduce(exp: i32, m: u64): void {
  if (m == reduced_m && exp == reduced_exp) return;
  reduced_m = m;
  reduced_exp = exp;
  swap = false;
  sin_negative = 0;
  cos_negative = 0;
  if (exp < -1 || (exp == -1 && m <= 0xc90fdaa22168c234)) {
    sincos_kernel(exp, m, 0);
    return;
  }
  const shift = u64(exp + 2);
  const xh = shift == 64 ? m : m >> (64 - shift);
  const xl = shift == 64 ? 0 : m << shift;
  let n: u64 = exp < 0 ? 0 : umulh(m, load<u64>(CONSTANTS, 48)) >> u64(63 - exp);
  const qh = mul64(n, PI66) + n * 3;
  const ql = w_lo;
  let rh = xh - qh - u64(xl < ql);
  let rl = xl - ql;
  while (rh > 3 || (rh == 3 && rl >= PI66)) {
    rh = rh - 3 - u64(rl < PI66);
    rl -= PI66;
    n++;
  }
  // Beyond pi / 4 (the halves differ in the last bit only): measure back from the next multiple.
  let back = false;
  if (rh > 1 || (rh == 1 && rl > 0x921fb54442d18469)) {
    rh = 3 - rh - u64(PI66 < rl);
    rl = PI66 - rl;
    back = true;
    n++;
  }
  set_result(0, 62, rh, rl);
  sincos_kernel(r_exp, r_hi, r_lo);
  const q = u32(n) & 3;
  swap = (q & 1) != 0;
  // sin(n pi/2 +- r): +-s, c, -+s, -c; cos: c, -+s, -c, +-s
  sin_negative = q == 0 ? u32(back) : q == 1 ? 0 : q == 2 ? u32(!back) : 1;
  cos_negative = q == 0 ? 0 : q == 1 ? u32(!back) : q == 2 ? 1 : u32(back);
}
function put_sin(dst: usize, sign: u32, fcw: u32, flags: u32): u32 {
  if (quick && !(swap ? certain(c_exp, c_lo) : certain(s_exp, s_lo))) sincos_exact();
  const s = sign ^ sin_negative;
  return swap
    ? pack(dst, s, c_exp, c_hi, c_lo | 1, 0, fcw, flags)
    : pack(dst, s, s_exp, s_hi, s_lo | 1, 0, fcw, flags);
}
function put_cos(dst: usize, fcw: u32, flags: u32): u32 {
  if (quick && !(swap ? certain(s_exp, s_lo) : certain(c_exp, c_lo))) sincos_exact();
  return swap
    ? pack(dst, cos_negative, s_exp, s_hi, s_lo | 1, 0, fcw, flags)
    : pack(dst, cos_negative, c_exp, c_hi, c_lo | 1, 0, fcw, flags);
}

const SIN: u32 = 0;
const COS: u32 = 1;
const SINCOS: u32 = 2;
const TAN: u32 = 3;
function trigonometric(what: u32, dst: usize, dst_cos: usize, a: usize, fcw: u32): u32 {
  const e = u32(load<u16>(a, 8));
  const m = load<u64>(a);
  const k = f80_class(e, m);
  if (k >= QNAN) {
    const flags = nan_unary(dst, e, m, k, fcw);
    if (what == SINCOS && !blocked(flags, fcw)) {
      const copy = load<u64>(dst);
      put(dst_cos, load<u16>(dst, 8), copy);
    }
    return flags;
  }
  if (k == INFINITE) {
    if (what == SINCOS) invalid(dst_cos, fcw);
    return invalid(dst, fcw);
  }
  if (k == ZERO) {
    if (what != COS) put(dst, e, m);
    if (what == COS) put(dst, BIAS, TOP);
    if (what == SINCOS) put(dst_cos, BIAS, TOP);
    return 0;
  }
  const flags: u32 = k == DENORMAL ? DE : 0;
  if (blocked(flags, fcw)) return flags;
  const exp = f80_exp(e, m);
  if (exp >= 63) return C2;
  const sign = e >> 15;
  // tan x = x + x^3 / 3: just above x, which a quotient of two values just below would miss.
  if (what == TAN && exp < -33) return pack(dst, sign, exp, f80_man(m), 1, 0, fcw, flags);
  sincos_reduce(exp, f80_man(m));
  if (what == COS) return put_cos(dst, fcw, flags);
  if (what == SIN) return put_sin(dst, sign, fcw, flags);
  if (what == SINCOS) {
    // C1 reports the rounding of the value left on top: the cosine.
    const sine = put_sin(dst, sign, fcw, flags) & 0x3f;
    return sine | put_cos(dst_cos, fcw, flags);
  }
  if (quick) sincos_exact();
  const nh = swap ? c_hi : s_hi;
  const nl = swap ? c_lo : s_lo;
  const dh = swap ? s_hi : c_hi;
  const dl = swap ? s_lo : c_lo;
  let te = swap ? c_exp - s_exp : s_exp - c_exp;
  const s = sign ^ sin_negative ^ cos_negative;
  let qh: u64;
  if (nh > dh || (nh == dh && nl >= dl)) qh = div128(nh >> 1, (nl >> 1) | (nh << 63), dh, dl);
  else {
    qh = div128(nh, nl, dh, dl);
    te--;
  }
  set_result(s, te, qh, w_lo | 1);
  return pack_exact(dst, 0, fcw, flags);
}
export function f80_sin(dst: usize, a: usize, fcw: u32): u32 {
  if ((fcw & 0xc00) == 0 && fast_sincos(dst, load<u16>(a, 8), load<u64>(a), 0, false, 0) != REFUSED) return fast_flags;
  return trigonometric(SIN, dst, 0, a, fcw);
}
export function f80_cos(dst: usize, a: usize, fcw: u32): u32 {
  if ((fcw & 0xc00) == 0 && fast_sincos(dst, load<u16>(a, 8), load<u64>(a), 1, false, 0) != REFUSED) return fast_flags;
  return trigonometric(COS, dst, 0, a, fcw);
}
export function f80_sincos(dst_sin: usize, dst_cos: usize, a: usize, fcw: u32): u32 {
  return trigonometric(SINCOS, dst_sin, dst_cos, a, fcw);
}
/** The tangent only; the caller pushes what f80_ptan_push gives. */
export function f80_ptan(dst: usize, a: usize, fcw: u32): u32 {
  return trigonometric(TAN, dst, 0, a, fcw);
}
/** What FPTAN pushes on top of its result: 1.0, or a copy when the result is a NaN. */
export function f80_ptan_push(dst: usize, tangent: usize): void {
  const e = u32(load<u16>(tangent, 8));
  const m = load<u64>(tangent);
  if (f80_class(e, m) >= QNAN) put(dst, e, m);
  else put(dst, BIAS, TOP);
}

/** |(e^y - 1) / y - 1| for y = +-f, f Q0.128 <= 2^-7; the true value has the sign of y. */
function expm1_excess(fh: u64, fl: u64, negative: bool): void {
  let p = entry(FACTORIAL, 10);
  if (negative) for (let i: usize = 9; i >= 5; i--) p = entry(FACTORIAL, i) - umulh(fh, p);
  else for (let i: usize = 9; i >= 5; i--) p = entry(FACTORIAL, i) + umulh(fh, p);
  x_hi = p;
  x_lo = 0;
  for (let i: usize = 5; i > 0; i--) step(FACTORIAL, i - 1, fh, fl, !negative);
  x_hi = mul128(fh, fl, x_hi, x_lo);
  x_lo = w_lo;
}
/** F2XM1: 2^x - 1. Outside -1..1 (undefined in the manual) the operand is returned. */
export function f80_f2xm1(dst: usize, a: usize, fcw: u32): u32 {
  const e = u32(load<u16>(a, 8));
  const m = load<u64>(a);
  const k = f80_class(e, m);
  if (k >= QNAN) return nan_unary(dst, e, m, k, fcw);
  const flags: u32 = k == DENORMAL ? DE : 0;
  if (blocked(flags, fcw)) return flags;
  const sign = e >> 15;
  if (k == INFINITE && sign != 0) {
    put(dst, 0x8000 | BIAS, TOP);
    return 0;
  }
  const exp = i32(e & 0x7fff) - BIAS;
  if (k == ZERO || exp >= 0) {
    const minus_one = exp == 0 && m == TOP && sign != 0;
    put(dst, minus_one ? e - 1 : e, m);
    return flags;
  }
  const x = f80_exp(e, m);
  const n = f80_man(m);
  const ln2_hi = load<u64>(CONSTANTS, 16);
  const ln2_lo = load<u64>(CONSTANTS, 24);
  if (x <= -8) {
    const yh = mul64(n, ln2_hi);
    const low = w_lo + umulh(n, ln2_lo);
    set_result(sign, x, yh + u64(low < w_lo), low);
    const ye = r_exp;
    const h = r_hi;
    const l = r_lo;
    to_fixed(ye, h, l);
    expm1_excess(x_hi, x_lo, sign != 0);
    const ph = mul128(h, l, x_hi, x_lo);
    const pl = w_lo;
    if (sign != 0) {
      const pj = pl | 1;
      set_result(sign, ye, h - ph - u64(l < pj), l - pj);
    } else {
      const sl = l + pl;
      const sh = h + ph + u64(sl < l);
      if (sh < h) set_result(sign, ye + 1, (sh >> 1) | TOP, (sl >> 1) | (sh << 63));
      else set_result(sign, ye, sh, sl);
    }
    return pack(dst, sign, r_exp, r_hi, r_lo | 1, 0, fcw, flags);
  }
  to_fixed(x, n, 0);
  const index = take_nearest();
  const below = x_below;
  const th = x_hi;
  const tl = x_lo;
  const negative = below != (sign != 0);
  const yh = mul128(th, tl, ln2_hi, ln2_lo);
  const yl = w_lo;
  expm1_excess(yh, yl, negative);
  let ph = mul128(yh, yl, x_hi, x_lo);
  let pl = w_lo;
  let eh: u64;
  let el: u64;
  if (negative) {
    eh = yh - ph - u64(yl < pl);
    el = yl - pl;
  } else {
    el = yl + pl;
    eh = yh + ph + u64(el < yl);
  }
  const p = EXP2 + (sign != 0 ? 64 - usize(index) : 64 + usize(index)) * 16;
  const ah = load<u64>(p);
  const al = load<u64>(p, 8);
  ph = mul128(ah, al, eh, el);
  pl = w_lo;
  // T - 1 +- T * em1, in Q2.126
  let h = ah - QUARTER;
  let l = al;
  if (negative) {
    h = h - ph - u64(l < pl);
    l -= pl;
  } else {
    l += pl;
    h += ph + u64(l < pl);
  }
  if (sign != 0) {
    h = ~h + u64(l == 0);
    l = 0 - l;
  }
  set_result(sign, 1, h, l);
  return pack(dst, sign, r_exp, r_hi, r_lo | 1, 0, fcw, flags);
}
/** 1.0 in Q2.126. */
const QUARTER: u64 = 0x4000000000000000;

/** |log(1 + u) / u - 1| for u = +-f, f Q0.128 <= 2^-7; the true value has the sign opposite to u. */
function log1p_deficit(fh: u64, fl: u64, negative: bool): void {
  let p = entry(INVERSE, 14);
  if (negative) for (let i: usize = 13; i >= 6; i--) p = entry(INVERSE, i) + umulh(fh, p);
  else for (let i: usize = 13; i >= 6; i--) p = entry(INVERSE, i) - umulh(fh, p);
  x_hi = p;
  x_lo = 0;
  for (let i: usize = 6; i > 0; i--) step(INVERSE, i - 1, fh, fl, negative);
  x_hi = mul128(fh, fl, x_hi, x_lo);
  x_lo = w_lo;
}
/** v = f * (1 -+ d) with d in x: f - f*d, or f + f*d for plus; at most a carry, taken into the exponent. */
function scale_by(sign: u32, exp: i32, fh: u64, fl: u64, plus: bool): void {
  const ph = mul128(fh, fl, x_hi, x_lo);
  const pl = w_lo;
  if (plus) {
    const l = fl + pl;
    const h = fh + ph + u64(l < pl);
    if (h < fh) set_result(sign, exp + 1, (h >> 1) | TOP, (l >> 1) | (h << 63));
    else set_result(sign, exp, h, l);
  } else {
    const pj = pl | 1;
    set_result(sign, exp, fh - ph - u64(fl < pj), fl - pj);
  }
}
/** log2(1 + u), |u| < 2^-8 normalized, to full relative precision; into r_*. */
function log2_near_one(sign: u32, exp: i32, hi: u64, lo: u64): void {
  to_fixed(exp, hi, lo);
  log1p_deficit(x_hi, x_lo, sign != 0);
  scale_by(sign, exp, hi, lo, sign != 0);
  const e = r_exp;
  const h = mul128(r_hi, r_lo, load<u64>(CONSTANTS, 32), load<u64>(CONSTANTS, 40));
  set_result(sign, e + 1, h, w_lo);
}
/** log2(m * 2^exp) for m = hi:lo / 2^127 in 1..2, not exactly a power of two; into r_*. */
function log2_of(exp: i32, hi: u64, lo: u64): void {
  if (hi >= 0xb504f333f9de6485) {
    lo = (lo >> 1) | (hi << 63);
    hi >>= 1;
    exp++;
  }
  const k = ((hi >> 55) + 1) >> 1;
  if (k == 128 && exp == 0) {
    if (i64(hi) < 0) set_result(0, 0, hi - TOP, lo);
    else {
      const h = TOP - hi - u64(lo != 0);
      set_result(1, 0, h, 0 - lo);
    }
    log2_near_one(r_sign, r_exp, r_hi, r_lo);
    return;
  }
  const p = LOG2 + usize(k - 91) * 24;
  const c = load<u64>(p) << 32;
  let uh = mul64(hi, c);
  let ul = w_lo;
  const add = umulh(lo, c);
  ul += add;
  uh += u64(ul < add);
  uh -= QUARTER;
  const negative = i64(uh) < 0;
  if (negative) {
    uh = ~uh + u64(ul == 0);
    ul = 0 - ul;
  }
  uh = (uh << 2) | (ul >> 62);
  ul <<= 2;
  log1p_deficit(uh, ul, negative);
  let ph = mul128(uh, ul, x_hi, x_lo);
  let pl = w_lo;
  if (negative) {
    ul += pl;
    uh += ph + u64(ul < pl);
  } else {
    uh = uh - ph - u64(ul < pl);
    ul -= pl;
  }
  // times log2 e (Q1.127): Q1.127, then to Q16.112
  ph = mul128(uh, ul, load<u64>(CONSTANTS, 32), load<u64>(CONSTANTS, 40));
  pl = w_lo;
  pl = (pl >> 15) | (ph << 49);
  ph >>= 15;
  let h = load<u64>(p, 8) + (u64(exp) << 48);
  let l = load<u64>(p, 16);
  if (negative) {
    h = h - ph - u64(l < pl);
    l -= pl;
  } else {
    l += pl;
    h += ph + u64(l < pl);
  }
  const s = i64(h) < 0;
  if (s) {
    h = ~h + u64(l == 0);
    l = 0 - l;
  }
  set_result(u32(s), 15, h, l);
}
/** r_* times y, rounded. */
function times(dst: usize, sign: u32, exp: i32, m: u64, fcw: u32, flags: u32): u32 {
  const s = r_sign ^ sign;
  const e = r_exp + exp + 1;
  const add = umulh(r_lo, m);
  let h = mul64(r_hi, m);
  const l = w_lo + add;
  h += u64(l < add);
  set_result(s, e, h, l | 1);
  return pack_exact(dst, 0, fcw, flags);
}

function logarithm(dst: usize, x: usize, y: usize, plus_one: bool, fcw: u32): u32 {
  const ea = u32(load<u16>(x, 8));
  const ma = load<u64>(x);
  const eb = u32(load<u16>(y, 8));
  const mb = load<u64>(y);
  const ka = f80_class(ea, ma);
  const kb = f80_class(eb, mb);
  if (ka >= QNAN || kb >= QNAN) return nan_result(dst, ea, ma, ka, eb, mb, kb, fcw);
  const sx = ea >> 15;
  const sy = eb >> 15;
  const inf_y = kb == INFINITE;
  const flags: u32 = ka == DENORMAL || kb == DENORMAL ? DE : 0;
  const ex = f80_exp(ea, ma);
  const nx = f80_man(ma);
  if (plus_one) {
    // Below -1 there is no logarithm; -1 itself gives minus infinity.
    if (sx != 0 && (ka == INFINITE || (ka != ZERO && ex >= 0 && (ex > 0 || nx != TOP)))) return invalid(dst, fcw);
  } else if (sx != 0 && ka != ZERO) return invalid(dst, fcw);
  if (ka == INFINITE) {
    if (kb == ZERO) return invalid(dst, fcw);
    if (blocked(flags, fcw)) return flags;
    put(dst, (sy << 15) | 0x7fff, TOP);
    return flags;
  }
  const minus_infinity = plus_one ? sx != 0 && ka != ZERO && ex == 0 : ka == ZERO;
  if (minus_infinity) {
    if (kb == ZERO) return invalid(dst, fcw);
    if (!inf_y) {
      if ((fcw & ZE) != 0) put(dst, ((sy ^ 1) << 15) | 0x7fff, TOP);
      return ZE;
    }
    put(dst, ((sy ^ 1) << 15) | 0x7fff, TOP);
    return 0;
  }
  const zero_log = plus_one ? ka == ZERO : ex == 0 && nx == TOP;
  if (zero_log && inf_y) return invalid(dst, fcw);
  if (blocked(flags, fcw)) return flags;
  // The sign of the logarithm itself; a zero has the sign of the operand for FYL2XP1.
  const negative = plus_one ? sx : u32(!zero_log && ex < 0);
  if (zero_log || kb == ZERO) {
    put(dst, (sy ^ negative) << 15, 0);
    return flags;
  }
  if (inf_y) {
    put(dst, ((sy ^ negative) << 15) | 0x7fff, TOP);
    return flags;
  }
  const ey = f80_exp(eb, mb);
  const ny = f80_man(mb);
  if (plus_one) {
    if (ex < -8) log2_near_one(sx, ex, nx, 0);
    else {
      exact_add(0, 0, TOP, sx, ex, nx);
      if (r_hi == TOP && r_lo == 0) return power_of_two(dst, r_exp, sy, ey, ny, fcw, flags);
      log2_of(r_exp, r_hi, r_lo);
    }
  } else {
    if (nx == TOP) return power_of_two(dst, ex, sy, ey, ny, fcw, flags);
    log2_of(ex, nx, 0);
  }
  return times(dst, sy, ey, ny, fcw, flags);
}
/** The logarithm is the integer n (not 0): an exact product. */
function power_of_two(dst: usize, n: i32, sy: u32, ey: i32, ny: u64, fcw: u32, flags: u32): u32 {
  const m = u64(abs<i32>(n));
  const s = clz(m);
  exact_mul(sy ^ u32(n < 0), 63 - i32(s), m << s, ey, ny);
  // Processors report PE even then, and UE when the result is denormal.
  const raised = pack_exact(dst, 0, fcw, flags | PE);
  return (load<u16>(dst, 8) & 0x7fff) == 0 ? raised | UE : raised;
}
/** FYL2X: y * log2(x). */
export function f80_yl2x(dst: usize, x: usize, y: usize, fcw: u32): u32 {
  return logarithm(dst, x, y, false, fcw);
}
/** FYL2XP1: y * log2(x + 1). */
export function f80_yl2xp1(dst: usize, x: usize, y: usize, fcw: u32): u32 {
  return logarithm(dst, x, y, true, fcw);
}

/** 1 - atan(t) / t for z = t^2 <= 2^-14. */
function atan_deficit(zh: u64, zl: u64): void {
  let p = entry(INVERSE, 15);
  p = entry(INVERSE, 13) - umulh(zh, p);
  p = entry(INVERSE, 11) - umulh(zh, p);
  p = entry(INVERSE, 9) - umulh(zh, p);
  p = entry(INVERSE, 7) - umulh(zh, p);
  x_hi = p;
  x_lo = 0;
  step(INVERSE, 5, zh, zl, false);
  step(INVERSE, 3, zh, zl, false);
  step(INVERSE, 1, zh, zl, false);
  x_hi = mul128(zh, zl, x_hi, x_lo);
  x_lo = w_lo;
}
/** sign * pi * quarters / 4, rounded. */
function pi_quarters(dst: usize, sign: u32, quarters: u64, fcw: u32, flags: u32): u32 {
  // Q2.126 times 1..4 over 4; pi itself has its top bit set.
  const h = load<u64>(CONSTANTS);
  const l = load<u64>(CONSTANTS, 8);
  if (quarters == 3) {
    const low = (l >> 2) | (h << 62);
    set_result(sign, 1, h - (h >> 2) - u64(l < low), l - low);
  } else set_result(sign, quarters == 4 ? 1 : quarters == 2 ? 0 : -1, h, l);
  return pack(dst, sign, r_exp, r_hi, r_lo | 1, 0, fcw, flags);
}
/** FPATAN: atan(y / x) in the quadrant of the point (x, y). */
export function f80_patan(dst: usize, x: usize, y: usize, fcw: u32): u32 {
  const ex = u32(load<u16>(x, 8));
  const mx = load<u64>(x);
  const ey = u32(load<u16>(y, 8));
  const my = load<u64>(y);
  const kx = f80_class(ex, mx);
  const ky = f80_class(ey, my);
  if (kx >= QNAN || ky >= QNAN) return nan_result(dst, ex, mx, kx, ey, my, ky, fcw);
  const flags: u32 = kx == DENORMAL || ky == DENORMAL ? DE : 0;
  if (blocked(flags, fcw)) return flags;
  const sy = ey >> 15;
  const left = ex >> 15 != 0;
  if (ky == INFINITE) return pi_quarters(dst, sy, kx == INFINITE ? (left ? 3 : 1) : 2, fcw, flags);
  if (kx == INFINITE || ky == ZERO) {
    if (left) return pi_quarters(dst, sy, 4, fcw, flags);
    put(dst, sy << 15, 0);
    return flags;
  }
  if (kx == ZERO) return pi_quarters(dst, sy, 2, fcw, flags);
  let en = f80_exp(ey, my);
  let mn = f80_man(my);
  let ed = f80_exp(ex, mx);
  let md = f80_man(mx);
  const steep = en > ed || (en == ed && mn > md);
  if (steep) {
    const e = en;
    en = ed;
    ed = e;
    const m = mn;
    mn = md;
    md = m;
  }
  const d = ed - en;
  // atan of the quotient n / d <= 1: normalized in a_*, or Q0.128 in f_*
  let small = true;
  let ae = 0;
  let ah: u64 = 0;
  let al: u64 = 0;
  let k: usize = 0;
  if (d < 8) {
    const quotient = f64(mn) / f64(md) / f64(1 << d);
    k = usize(i32(quotient * 64.0 + 0.5));
  }
  if (k == 0) {
    let qe = -d;
    let qh: u64;
    if (mn >= md) qh = div128(mn >> 1, mn << 63, md, 0);
    else {
      qh = div128(mn, 0, md, 0);
      qe--;
    }
    const ql = w_lo;
    to_fixed(qe, qh, ql);
    if (qe < -66 && !left && !steep) {
      // Just below the quotient; the division itself may have left a larger rest.
      if (ql * md != 0) set_result(sy, qe, qh, ql | 1);
      else set_result(sy, qe, qh - u64(ql == 0), ql - 1);
      return pack(dst, sy, r_exp, r_hi, r_lo | 1, 0, fcw, flags);
    }
    const zh = mul128(x_hi, x_lo, x_hi, x_lo);
    atan_deficit(zh, w_lo);
    scale_by(0, qe, qh, ql, false);
    if (!left && !steep) return pack(dst, sy, r_exp, r_hi, r_lo | 1, 0, fcw, flags);
    ae = r_exp;
    ah = r_hi;
    al = r_lo;
  } else {
    // t = (64 n - k d) / (64 d + k n), both as 128-bit integers
    small = false;
    const kk = u64(k);
    const dh = d == 0 ? 0 : md >> u64(64 - d);
    const dl = md << u64(d);
    const kh = mul64(dl, kk) + dh * kk;
    const kl = w_lo;
    let nl = mn << 6;
    let nh = (mn >> 58) - kh - u64(nl < kl);
    nl -= kl;
    const below = i64(nh) < 0;
    if (below) {
      nh = ~nh + u64(nl == 0);
      nl = 0 - nl;
    }
    const vh = mul64(mn, kk);
    const vl = w_lo;
    let sl = dl << 6;
    let sh = (dh << 6) | (dl >> 58);
    sl += vl;
    sh += vh + u64(sl < vl);
    const s = clz(sh);
    if (s != 0) {
      sh = (sh << s) | (sl >> (64 - s));
      sl <<= s;
      nh = (nh << s) | (nl >> (64 - s));
      nl <<= s;
    }
    const th = div128(nh, nl, sh, sl);
    const tl = w_lo;
    const zh = mul128(th, tl, th, tl);
    atan_deficit(zh, w_lo);
    const ph = mul128(th, tl, x_hi, x_lo);
    const pl = w_lo;
    const rh = th - ph - u64(tl < pl);
    const rl = tl - pl;
    ah = load<u64>(ATAN + k * 16);
    al = load<u64>(ATAN + k * 16, 8);
    if (below) {
      ah = ah - rh - u64(al < rl);
      al -= rl;
    } else {
      al += rl;
      ah += rh + u64(al < rl);
    }
    if (!left && !steep) {
      set_result(sy, -1, ah, al | 1);
      return pack_exact(dst, 0, fcw, flags);
    }
  }
  if (small) {
    to_fixed(ae, ah, al);
    ah = x_hi;
    al = x_lo;
  }
  // Q0.128 to Q2.126, then pi/2 -+ a, or pi - a
  al = (al >> 2) | (ah << 62);
  ah >>= 2;
  let h = load<u64>(CONSTANTS);
  let l = load<u64>(CONSTANTS, 8);
  if (steep) {
    l = (l >> 1) | (h << 63);
    h >>= 1;
  }
  if (steep && left) {
    l += al;
    h += ah + u64(l < al);
  } else {
    h = h - ah - u64(l < al);
    l -= al;
  }
  set_result(sy, 1, h, l | 1);
  return pack_exact(dst, 0, fcw, flags);
}
