// IEEE single and double in integers, with MXCSR semantics; the parameter w (32 or 64) is the format.
// Source: SDM 1 "Rounding", "Denormals Are Zeros", "Flush-To-Zero", "Rules for Handling NaNs" (table 4-7, SSE column).
// Exception flags are ORed into fp_flags.
import {
  exact_add,
  exact_div,
  exact_mul,
  exact_sqrt,
  r_exp,
  r_hi,
  r_inexact,
  r_lo,
  r_sign,
  r_up,
  round_significand,
  shift_right_jam,
  TOP,
} from './exact';
import { C1, DE, DENORMAL, IE, INFINITE, NORMAL, OE, PE, QNAN, raise, SNAN, UE, ZE, ZERO } from './status';

@inline
function fraction_bits(w: u32): u64 {
  return w == 64 ? 52 : 23;
}
@inline
function sign_bit(w: u32): u64 {
  return w == 64 ? TOP : 0x80000000;
}
@inline
function infinity(w: u32): u64 {
  return w == 64 ? 0x7ff0000000000000 : 0x7f800000;
}
@inline
function quiet_bit(w: u32): u64 {
  return w == 64 ? 0x0008000000000000 : 0x00400000;
}
@inline
export function default_nan(w: u32): u64 {
  return w == 64 ? 0xfff8000000000000 : 0xffc00000;
}
@inline
function bias(w: u32): i32 {
  return w == 64 ? 1023 : 127;
}
@inline
function sign_of(w: u32, a: u64): u32 {
  return u32((a >> u64(w - 1)) & 1);
}
@inline
function magnitude(w: u32, a: u64): u64 {
  return a & (sign_bit(w) - 1);
}

export function ieee_class(w: u32, a: u64): u32 {
  const m = magnitude(w, a);
  const inf = infinity(w);
  if (m >= inf) return m == inf ? INFINITE : (m & quiet_bit(w)) != 0 ? QNAN : SNAN;
  if (m >> fraction_bits(w) != 0) return NORMAL;
  return m == 0 ? ZERO : DENORMAL;
}
/** Denormals become zeros when MXCSR.DAZ is set. */
@inline
export function ieee_daz(w: u32, a: u64, mxcsr: u32): u64 {
  return (mxcsr & 0x40) != 0 && magnitude(w, a) >> fraction_bits(w) == 0 ? a & sign_bit(w) : a;
}
/** Unbiased exponent and significand (bit 63 set) of a finite non-zero value. */
export function ieee_exp(w: u32, a: u64): i32 {
  const m = magnitude(w, a);
  const f = fraction_bits(w);
  const e = i32(m >> f);
  if (e != 0) return e - bias(w);
  return 1 - bias(w) - i32(clz(m) - (63 - f));
}
export function ieee_man(w: u32, a: u64): u64 {
  const m = magnitude(w, a);
  const f = fraction_bits(w);
  if (m >> f != 0) return (m << (63 - f)) | TOP;
  return m << clz(m);
}

/**
 * Rounds the exact value to the format. `unmasked` holds OE and UE when those exceptions are unmasked: the value is then
 * of no use, and PE tells whether the result with a wider exponent would be inexact. `ftz` flushes tiny results.
 * Tininess is detected after rounding. Raises C1 when rounded up.
 */
export function ieee_pack(w: u32, sign: u32, exp: i32, hi: u64, lo: u64, rc: u32, unmasked: u32, ftz: bool): u64 {
  const f = fraction_bits(w);
  const drop = u32(63 - f);
  const s = sign != 0 ? sign_bit(w) : 0;
  const max = bias(w) * 2 + 1;
  let e = exp + bias(w);
  let m = round_significand(hi, lo, sign, drop, rc);
  if (m == 0) {
    m = TOP;
    e++;
  }
  if (e >= max) {
    const away = rc == 0 || (rc == 1 && sign != 0) || (rc == 2 && sign == 0);
    if ((unmasked & OE) != 0) raise(OE | (r_inexact ? PE : 0) | (r_up ? C1 : 0));
    else raise(OE | PE | (away ? C1 : 0));
    return s | (infinity(w) - u64(!away));
  }
  if (e <= 0) {
    if ((unmasked & UE) != 0) {
      raise(UE | (r_inexact ? PE : 0) | (r_up ? C1 : 0));
      return s;
    }
    if (ftz) {
      raise(UE | PE);
      return s;
    }
    shift_right_jam(hi, lo, u32(1 - (exp + bias(w))));
    m = round_significand(r_hi, r_lo, sign, drop, rc);
    if (r_inexact) raise(UE | PE | (r_up ? C1 : 0));
    return s | (m >> u64(drop));
  }
  if (e == 1 && exp + bias(w) == 0) {
    // Rounded up to the smallest normal at full precision: not tiny, but the denormal rounding decides the value.
    shift_right_jam(hi, lo, 1);
    m = round_significand(r_hi, r_lo, sign, drop, rc);
    if (r_inexact) raise(PE | (r_up ? C1 : 0));
    return s | (m >> u64(drop));
  }
  if (r_inexact) raise(PE | (r_up ? C1 : 0));
  return s | (u64(e) << f) | ((m << 1) >> (64 - f));
}
@inline
function unmasked_of(mxcsr: u32): u32 {
  return ~(mxcsr >> 7) & (OE | UE);
}
function pack(w: u32, mxcsr: u32): u64 {
  return ieee_pack(w, r_sign, r_exp, r_hi, r_lo, (mxcsr >> 13) & 3, unmasked_of(mxcsr), (mxcsr & 0x8000) != 0);
}

/** First operand if a NaN, else the second; quieted; IE for a signaling one. */
export function ieee_nan(w: u32, a: u64, b: u64, ka: u32, kb: u32): u64 {
  if (ka == SNAN || kb == SNAN) raise(IE);
  return (ka >= QNAN ? a : b) | quiet_bit(w);
}
function invalid(w: u32): u64 {
  raise(IE);
  return default_nan(w);
}

/** a + b, or a - b for subtract. */
export function ieee_add(w: u32, a: u64, b: u64, subtract: bool, mxcsr: u32): u64 {
  a = ieee_daz(w, a, mxcsr);
  b = ieee_daz(w, b, mxcsr);
  const ka = ieee_class(w, a);
  const kb = ieee_class(w, b);
  if (ka >= QNAN || kb >= QNAN) return ieee_nan(w, a, b, ka, kb);
  if (subtract) b ^= sign_bit(w);
  const sa = sign_of(w, a);
  const sb = sign_of(w, b);
  if (ka == INFINITE && kb == INFINITE && sa != sb) return invalid(w);
  if (ka == DENORMAL || kb == DENORMAL) raise(DE);
  if (ka == INFINITE) return a;
  if (kb == INFINITE) return b;
  if (ka == ZERO || kb == ZERO) {
    if (ka == ZERO && kb == ZERO) {
      if (sa == sb) return a;
      return (mxcsr & 0x6000) == 0x2000 ? sign_bit(w) : 0;
    }
    const x = ka == ZERO ? b : a;
    if (ieee_class(w, x) == NORMAL) return x;
    return ieee_pack(w, sign_of(w, x), ieee_exp(w, x), ieee_man(w, x), 0, 0, unmasked_of(mxcsr), (mxcsr & 0x8000) != 0);
  }
  exact_add(sa, ieee_exp(w, a), ieee_man(w, a), sb, ieee_exp(w, b), ieee_man(w, b));
  if ((r_hi | r_lo) == 0) return (mxcsr & 0x6000) == 0x2000 ? sign_bit(w) : 0;
  return pack(w, mxcsr);
}
export function ieee_mul(w: u32, a: u64, b: u64, mxcsr: u32): u64 {
  a = ieee_daz(w, a, mxcsr);
  b = ieee_daz(w, b, mxcsr);
  const ka = ieee_class(w, a);
  const kb = ieee_class(w, b);
  if (ka >= QNAN || kb >= QNAN) return ieee_nan(w, a, b, ka, kb);
  const s = (a ^ b) & sign_bit(w);
  if (ka == INFINITE || kb == INFINITE) {
    if (ka == ZERO || kb == ZERO) return invalid(w);
    if (ka == DENORMAL || kb == DENORMAL) raise(DE);
    return s | infinity(w);
  }
  if (ka == DENORMAL || kb == DENORMAL) raise(DE);
  if (ka == ZERO || kb == ZERO) return s;
  exact_mul(u32(s != 0), ieee_exp(w, a), ieee_man(w, a), ieee_exp(w, b), ieee_man(w, b));
  return pack(w, mxcsr);
}
export function ieee_div(w: u32, a: u64, b: u64, mxcsr: u32): u64 {
  a = ieee_daz(w, a, mxcsr);
  b = ieee_daz(w, b, mxcsr);
  const ka = ieee_class(w, a);
  const kb = ieee_class(w, b);
  if (ka >= QNAN || kb >= QNAN) return ieee_nan(w, a, b, ka, kb);
  const s = (a ^ b) & sign_bit(w);
  if (ka == INFINITE) {
    if (kb == INFINITE) return invalid(w);
    if (kb == DENORMAL) raise(DE);
    return s | infinity(w);
  }
  if (kb == ZERO) {
    if (ka == ZERO) return invalid(w);
    raise(ZE);
    return s | infinity(w);
  }
  if (ka == DENORMAL || kb == DENORMAL) raise(DE);
  if (kb == INFINITE || ka == ZERO) return s;
  exact_div(u32(s != 0), ieee_exp(w, a), ieee_man(w, a), ieee_exp(w, b), ieee_man(w, b));
  return pack(w, mxcsr);
}
export function ieee_sqrt(w: u32, a: u64, mxcsr: u32): u64 {
  a = ieee_daz(w, a, mxcsr);
  const ka = ieee_class(w, a);
  if (ka >= QNAN) return ieee_nan(w, a, a, ka, ka);
  if (ka == ZERO) return a;
  if (sign_of(w, a) != 0) return invalid(w);
  if (ka == INFINITE) return a;
  if (ka == DENORMAL) raise(DE);
  exact_sqrt(ieee_exp(w, a), ieee_man(w, a));
  return pack(w, mxcsr);
}

/** 0 less, 1 equal, 2 greater, 3 unordered. */
export function ieee_compare(w: u32, a: u64, b: u64, signaling: bool, mxcsr: u32): u32 {
  a = ieee_daz(w, a, mxcsr);
  b = ieee_daz(w, b, mxcsr);
  const ka = ieee_class(w, a);
  const kb = ieee_class(w, b);
  if (ka >= QNAN || kb >= QNAN) {
    if (signaling || ka == SNAN || kb == SNAN) raise(IE);
    return 3;
  }
  if (ka == DENORMAL || kb == DENORMAL) raise(DE);
  if (ka == ZERO && kb == ZERO) return 1;
  const sa = sign_of(w, a);
  if (sa != sign_of(w, b)) return sa != 0 ? 0 : 2;
  if (a == b) return 1;
  return a < b == (sa == 0) ? 0 : 2;
}
/** MINxx / MAXxx: the second operand when either is a NaN (IE) or both are zero. */
export function ieee_min_max(w: u32, a: u64, b: u64, max: bool, mxcsr: u32): u64 {
  const order = ieee_compare(w, a, b, true, mxcsr);
  a = ieee_daz(w, a, mxcsr);
  b = ieee_daz(w, b, mxcsr);
  return order == (max ? 2 : 0) ? a : b;
}

/** Rounds to an integral value; rc 0..3. */
export function ieee_round(w: u32, a: u64, rc: u32, suppress: bool, mxcsr: u32): u64 {
  a = ieee_daz(w, a, mxcsr);
  const ka = ieee_class(w, a);
  if (ka >= QNAN) return ieee_nan(w, a, a, ka, ka);
  if (ka == INFINITE || ka == ZERO) return a;
  const exp = ieee_exp(w, a);
  const f = i32(fraction_bits(w));
  if (exp >= f) return a;
  const sign = sign_of(w, a);
  const s = a & sign_bit(w);
  let m: u64;
  if (exp < 0) {
    shift_right_jam(ieee_man(w, a), 0, u32(min(-1 - exp, 100)) + 64);
    m = round_significand(0, r_lo, sign, 0, rc);
    if (r_inexact && !suppress) raise(PE);
    return m == 0 ? s : s | (u64(bias(w)) << u64(f));
  }
  m = round_significand(ieee_man(w, a), 0, sign, u32(63 - exp), rc);
  if (r_inexact && !suppress) raise(PE);
  let e = exp + bias(w);
  if (m == 0) {
    m = TOP;
    e++;
  }
  return s | (u64(e) << u64(f)) | ((m << 1) >> u64(64 - f));
}

/** To a signed integer of `bits` (16, 32 or 64); out of range or NaN: IE and the integer indefinite. */
export function significand_to_int(sign: u32, exp: i32, man: u64, rc: u32, bits: u32): i64 {
  const indefinite = i64(-1) << i64(bits - 1);
  if (exp >= i32(bits)) {
    raise(IE);
    return indefinite;
  }
  if (exp >= 0 && exp < 63) shift_right_jam(man, 0, u32(63 - exp));
  else if (exp < 0) shift_right_jam(man, 0, u32(min(63 - exp, 200)));
  const m = exp == 63 ? man : round_significand(r_hi, r_lo, sign, 0, rc);
  const inexact = exp != 63 && r_inexact;
  const up = exp != 63 && r_up;
  const limit = u64(1) << u64(bits - 1);
  if (m > limit || (m == limit && sign == 0)) {
    raise(IE);
    return indefinite;
  }
  if (inexact) raise(PE | (up ? C1 : 0));
  return sign != 0 ? 0 - i64(m) : i64(m);
}
export function ieee_to_int(w: u32, a: u64, rc: u32, bits: u32, mxcsr: u32): i64 {
  a = ieee_daz(w, a, mxcsr);
  const ka = ieee_class(w, a);
  if (ka == ZERO) return 0;
  if (ka >= INFINITE) {
    raise(IE);
    return i64(-1) << i64(bits - 1);
  }
  return significand_to_int(sign_of(w, a), ieee_exp(w, a), ieee_man(w, a), rc, bits);
}
export function ieee_from_int(w: u32, v: i64, mxcsr: u32): u64 {
  if (v == 0) return 0;
  const m = v < 0 ? 0 - u64(v) : u64(v);
  const s = clz(m);
  return ieee_pack(w, u32(v < 0), 63 - i32(s), m << s, 0, (mxcsr >> 13) & 3, 0, false);
}
export function ieee_widen(a: u32, mxcsr: u32): u64 {
  const x = ieee_daz(32, u64(a), mxcsr);
  const k = ieee_class(32, x);
  const s = (x & 0x80000000) << 32;
  if (k == NORMAL) return s | (((x & 0x7fffffff) << 29) + 0x3800000000000000);
  if (k == ZERO) return s;
  if (k == INFINITE) return s | 0x7ff0000000000000;
  if (k >= QNAN) {
    if (k == SNAN) raise(IE);
    return s | 0x7ff8000000000000 | ((x & 0x7fffff) << 29);
  }
  raise(DE);
  return s | (u64(ieee_exp(32, x) + 1023) << 52) | ((ieee_man(32, x) << 1) >> 12);
}
export function ieee_narrow(a: u64, mxcsr: u32): u32 {
  a = ieee_daz(64, a, mxcsr);
  const k = ieee_class(64, a);
  const s = u32(a >> 32) & 0x80000000;
  if (k == ZERO) return s;
  if (k == INFINITE) return s | 0x7f800000;
  if (k >= QNAN) {
    if (k == SNAN) raise(IE);
    return s | 0x7fc00000 | (u32(a >> 29) & 0x3fffff);
  }
  if (k == DENORMAL) raise(DE);
  return u32(
    ieee_pack(32, u32(s != 0), ieee_exp(64, a), ieee_man(64, a), 0, (mxcsr >> 13) & 3, unmasked_of(mxcsr), (mxcsr & 0x8000) != 0),
  );
}
