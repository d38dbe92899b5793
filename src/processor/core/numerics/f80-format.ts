// The 80-bit extended format: classes, NaN rules, rounding and storing a result under the x87 control word.
// Source: SDM 1 "x87 FPU Floating-Point Exception Conditions", "Unsupported Double Extended-Precision Floating-Point
// Encodings and Pseudo-Denormals", table 4-7 "Rules for Handling NaNs".
import { r_exp, r_hi, r_inexact, r_lo, r_sign, r_up, round_significand, shift_right_jam, TOP } from './exact';
import { C1, DENORMAL, IE, INFINITE, NORMAL, OE, PE, QNAN, SNAN, UE, UNSUPPORTED, ZERO } from './status';

export const BIAS: i32 = 16383;
export const MAX_EXP: u32 = 0x7fff;
export const QUIET: u64 = 0x4000000000000000;

@inline
export function f80_class(se: u32, m: u64): u32 {
  const x = se & MAX_EXP;
  if (i64(m) < 0) {
    if (x == MAX_EXP) return m == TOP ? INFINITE : (m & QUIET) != 0 ? QNAN : SNAN;
    return x == 0 ? DENORMAL : NORMAL;
  }
  if (x != 0) return UNSUPPORTED;
  return m == 0 ? ZERO : DENORMAL;
}
/** Unbiased exponent and normalized significand of a finite non-zero value. */
@inline
export function f80_exp(se: u32, m: u64): i32 {
  const x = i32(se & MAX_EXP);
  return x != 0 ? x - BIAS : 1 - BIAS - i32(clz(m));
}
@inline
export function f80_man(m: u64): u64 {
  return m << clz(m);
}
@inline
export function put(dst: usize, se: u32, m: u64): void {
  store<u64>(dst, m);
  store<u16>(dst, se, 8);
}
/** Bits of the significand dropped by the precision control. */
@inline
export function drop_of(fcw: u32): u32 {
  const pc = fcw & 0x300;
  return pc == 0 ? 40 : pc == 0x200 ? 11 : 0;
}
@inline
export function rc_of(fcw: u32): u32 {
  return (fcw >> 10) & 3;
}
/** Is a pre-computation exception among flags unmasked? Then nothing is written. */
@inline
export function blocked(flags: u32, fcw: u32): bool {
  return (flags & ~fcw & 7) != 0;
}

/** Invalid operation: the real indefinite. */
export function invalid(dst: usize, fcw: u32): u32 {
  if ((fcw & IE) != 0) put(dst, 0xffff, QUIET | TOP);
  return IE;
}

/** The result when at least one operand is a NaN or unsupported. */
export function nan_result(dst: usize, ea: u32, ma: u64, ka: u32, eb: u32, mb: u64, kb: u32, fcw: u32): u32 {
  if (ka == UNSUPPORTED || kb == UNSUPPORTED) return invalid(dst, fcw);
  const flags: u32 = ka == SNAN || kb == SNAN ? IE : 0;
  if (blocked(flags, fcw)) return flags;
  let second = ka < QNAN;
  if (ka >= QNAN && kb >= QNAN) {
    if (ka != kb) second = kb == QNAN;
    else {
      const qa = ma | QUIET;
      const qb = mb | QUIET;
      second = qa < qb || (qa == qb && ea > eb);
    }
  }
  put(dst, second ? eb : ea, (second ? mb : ma) | QUIET);
  return flags;
}
export function nan_unary(dst: usize, e: u32, m: u64, k: u32, fcw: u32): u32 {
  return nan_result(dst, e, m, k, e, m, k, fcw);
}

/**
 * Rounds sign * (hi:lo / 2^127) * 2^exp to `drop` fewer bits and stores it; returns flags | OE UE PE C1.
 * Tininess is detected after rounding.
 */
export function pack(dst: usize, sign: u32, exp: i32, hi: u64, lo: u64, drop: u32, fcw: u32, flags: u32): u32 {
  const rc = rc_of(fcw);
  const s = sign != 0 ? 0x8000 : 0;
  let e = exp + BIAS;
  let m = round_significand(hi, lo, sign, drop, rc);
  if (m == 0) {
    m = TOP;
    e++;
  }
  if (e >= 0x7fff) {
    if ((fcw & OE) == 0) {
      if (e - 24576 >= 0x7fff) {
        // FSCALE far out of range: infinity even when unmasked.
        put(dst, s | 0x7fff, TOP);
        return flags | OE | PE | C1;
      }
      put(dst, s | u32(e - 24576), m);
      return flags | OE | (r_inexact ? PE : 0) | (r_up ? C1 : 0);
    }
    if (rc == 0 || (rc == 1 && sign != 0) || (rc == 2 && sign == 0)) {
      put(dst, s | 0x7fff, TOP);
      return flags | OE | PE | C1;
    }
    put(dst, s | 0x7ffe, 0 - (u64(1) << u64(drop)));
    return flags | OE | PE;
  }
  if (e <= 0) {
    if ((fcw & UE) == 0) {
      if (e + 24576 <= 0) {
        put(dst, s, 0);
        return flags | UE | PE;
      }
      put(dst, s | u32(e + 24576), m);
      return flags | UE | (r_inexact ? PE : 0) | (r_up ? C1 : 0);
    }
    shift_right_jam(hi, lo, u32(1 - (exp + BIAS)));
    m = round_significand(r_hi, r_lo, sign, drop, rc);
    put(dst, s | u32(i64(m) < 0), m);
    return flags | (r_inexact ? UE | PE : 0) | (r_up ? C1 : 0);
  }
  if (e == 1 && exp + BIAS == 0) {
    shift_right_jam(hi, lo, 1);
    m = round_significand(r_hi, r_lo, sign, drop, rc);
    put(dst, s | u32(i64(m) < 0), m);
    return flags | (r_inexact ? PE : 0) | (r_up ? C1 : 0);
  }
  put(dst, s | u32(e), m);
  return flags | (r_inexact ? PE : 0) | (r_up ? C1 : 0);
}
/** Packs the result of exact.ts. */
export function pack_exact(dst: usize, drop: u32, fcw: u32, flags: u32): u32 {
  return pack(dst, r_sign, r_exp, r_hi, r_lo, drop, fcw, flags);
}
