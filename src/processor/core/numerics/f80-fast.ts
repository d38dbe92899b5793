// The frequent cases of x87 arithmetic on values instead of slots: 64 bits of precision, rounding to nearest even, operands
// that are zeros or normal numbers, results that are normal or exact zeros. Without branches on the operands' bits, which
// nobody can predict. Source: SDM 1 ch. 8 "Programming with the x87 FPU".
// A value is a sign and exponent (as bits 79..64) and a significand. The result is stored; what is returned is its significand,
// or REFUSED, which no such result has: then nothing was written.
import { divide, exact_sqrt, r_exp, r_hi, r_lo, umulh, w_lo } from './exact';
import { put } from './f80-format';
import { C0, C1, C3 } from './status';

export const REFUSED: u64 = 1;
const BIAS: i32 = 16383;
const TOP: u64 = 0x8000000000000000;
const HALF: u64 = 0x4000000000000000;
// The tests at the begin of an operation stand one after the other, each with its branch: && would make a number of them, to
// be tested again.
/** Where PE and C1 of a result go: `direct` (a constant) to the status word at `sw`, else to fast_flags. C1 is 0 after REFUSED. */
export let fast_flags: i32 = 0;
@inline
function note(direct: bool, sw: usize, flags: i32): void {
  if (direct) store<u32>(sw, (load<u32>(sw) & ~C1) | flags);
  else fast_flags = flags;
}

/** Is the biased exponent in e that of a normal number? Above its 15 bits may be what likes. */
@inline
function ordinary(e: u32): bool {
  return ((e + 1) & 0x7ffe) != 0;
}
@inline
function both_normal(ea: u32, ma: u64, eb: u32, mb: u64): bool {
  return i64(ma & mb) < 0 && ordinary(ea) && ordinary(eb);
}
@inline
function is_zero(e: u32, m: u64): bool {
  return (u64(e & 0x7fff) | m) == 0;
}
@inline
function is_normal(e: u32, m: u64): bool {
  return i64(m) < 0 && ordinary(e);
}
export function set_fast_flags(flags: i32): void {
  fast_flags = flags;
}
@inline
export function refused(): u64 {
  fast_flags = 0;
  return REFUSED;
}
/** Something that needs no rounding. */
@inline
function put_exact(dst: usize, e: u32, m: u64): u64 {
  put(dst, e, m);
  return m;
}
/** Rounds hi:lo to nearest even and stores it; e, the biased exponent, is in 1..0x7ffd. */
@inline
function put_rounded(dst: usize, sign: u32, e: u32, hi: u64, lo: u64, direct: bool, sw: usize): u64 {
  // half a unit, less one at an even number, carries out of what is cut off
  const up = (((lo >> 1) | (lo & 1)) + (HALF - 1) + (hi & 1)) >> 63;
  note(direct, sw, (i32(lo != 0) << 5) | (i32(up) << 9));
  let m = hi + up;
  if (m == 0) {
    // the significand was all ones
    m = TOP;
    e++;
  }
  put(dst, sign | e, m);
  return m;
}

@inline
export function fast_add(dst: usize, ea: u32, ma: u64, eb: u32, mb: u64, direct: bool, sw: usize): u64 {
  do {
    if (i64(ma & mb) >= 0) break;
    if (!ordinary(ea)) break;
    if (!ordinary(eb)) break;
    // the one with the larger exponent first: all ones where that is b
    const distance = i32(ea & 0x7fff) - i32(eb & 0x7fff);
    const swap = distance >> 31;
    const n = u64(u32((distance ^ swap) - swap));
    const change = (ma ^ mb) & u64(i64(swap));
    let big = ma ^ change;
    const little = mb ^ change;
    const larger = ea ^ ((ea ^ eb) & u32(swap));
    let sign = larger & 0x8000;
    let e = i32(larger & 0x7fff);
    let bh: u64 = 0;
    let bl: u64 = little;
    if (n < 64) {
      bh = little >> n;
      bl = (little << 1) << (63 - n);
    } else if (n > 64) bl = n < 128 ? (little >> (n - 64)) | u64(little << (128 - n) != 0) : 1;
    let hi: u64;
    let lo: u64;
    if (((ea ^ eb) & 0x8000) == 0) {
      hi = big + bh;
      const carry = u64(hi < big);
      lo = (bl >> carry) | (bl & carry) | ((hi & carry) << 63);
      hi = (hi >> carry) | (carry << 63);
      e += i32(carry);
    } else {
      if (big < bh) {
        // equal exponents: nothing was shifted out
        sign ^= 0x8000;
        const b = big;
        big = bh;
        bh = b;
      }
      lo = 0 - bl;
      hi = big - bh - u64(bl != 0);
      if (hi == 0) {
        if (lo == 0) {
          note(direct, sw, 0);
          return put_exact(dst, 0, 0);
        }
        hi = lo;
        lo = 0;
        e -= 64;
      }
      const s = clz(hi);
      hi = (hi << s) | ((lo >> 1) >> (63 - s));
      lo <<= s;
      e -= i32(s);
    }
    if (u32(e - 1) >= 0x7ffd) {
      note(direct, sw, 0);
      return REFUSED;
    }
    return put_rounded(dst, sign, u32(e), hi, lo, direct, sw);
  } while (false);
  note(direct, sw, 0);
  return add_zero(dst, ea, ma, eb, mb);
}
function add_zero(dst: usize, ea: u32, ma: u64, eb: u32, mb: u64): u64 {
  if (is_zero(ea, ma)) {
    if (is_normal(eb, mb)) return put_exact(dst, eb, mb);
    if (is_zero(eb, mb)) return put_exact(dst, ea & eb, 0);
    return REFUSED;
  }
  if (!is_zero(eb, mb) || !is_normal(ea, ma)) return REFUSED;
  return put_exact(dst, ea, ma);
}

@inline
export function fast_mul(dst: usize, ea: u32, ma: u64, eb: u32, mb: u64, direct: bool, sw: usize): u64 {
  do {
    if (i64(ma & mb) >= 0) break;
    if (!ordinary(ea)) break;
    if (!ordinary(eb)) break;
    let hi = umulh(ma, mb);
    let lo = ma * mb;
    // all ones where the product is below 2^127
    const small = u64(~(i64(hi) >> 63));
    const e = i32((ea & 0x7fff) + (eb & 0x7fff)) - 16382 + i32(small);
    if (u32(e - 1) >= 0x7ffd) {
      note(direct, sw, 0);
      return REFUSED;
    }
    hi += (hi + (lo >> 63)) & small;
    lo += lo & small;
    return put_rounded(dst, (ea ^ eb) & 0x8000, u32(e), hi, lo, direct, sw);
  } while (false);
  note(direct, sw, 0);
  return mul_zero(dst, ea, ma, eb, mb);
}
function mul_zero(dst: usize, ea: u32, ma: u64, eb: u32, mb: u64): u64 {
  const za = is_zero(ea, ma);
  const zb = is_zero(eb, mb);
  if (!(za || zb) || !(za || is_normal(ea, ma)) || !(zb || is_normal(eb, mb))) return REFUSED;
  return put_exact(dst, (ea ^ eb) & 0x8000, 0);
}

/** a / b. */
@inline
export function fast_div(dst: usize, ea: u32, ma: u64, eb: u32, mb: u64, direct: bool, sw: usize): u64 {
  const sign = (ea ^ eb) & 0x8000;
  do {
    if (i64(ma & mb) >= 0) break;
    if (!ordinary(ea)) break;
    if (!ordinary(eb)) break;
    const big = u64(ma >= mb);
    const e = i32(ea & 0x7fff) - i32(eb & 0x7fff) + BIAS - 1 + i32(big);
    if (u32(e - 1) >= 0x7ffd) {
      note(direct, sw, 0);
      return REFUSED;
    }
    const q = divide(ma >> big, ma & big, mb);
    const rest = w_lo;
    // the remainder against half the divisor
    const left = mb - rest;
    const lo = u64(rest >= left) << 63 | u64(rest != 0 && rest != left) << 62;
    return put_rounded(dst, sign, u32(e), q, lo, direct, sw);
  } while (false);
  note(direct, sw, 0);
  return is_zero(ea, ma) && is_normal(eb, mb) ? put_exact(dst, sign, 0) : REFUSED;
}

@inline
export function fast_sqrt(dst: usize, e: u32, m: u64, direct: bool, sw: usize): u64 {
  if (!is_normal(e, m) || (e & 0x8000) != 0) {
    note(direct, sw, 0);
    return is_zero(e, m) ? put_exact(dst, e, m) : REFUSED;
  }
  exact_sqrt(i32(e) - BIAS, m);
  return put_rounded(dst, 0, u32(r_exp + BIAS), r_hi, r_lo, direct, sw);
}

/** What fast_compare gives when it cannot tell. */
export const UNKNOWN: i32 = -1;
/** C3 equal, C0 less; UNKNOWN unless both are zeros or normal numbers. */
@inline
export function fast_compare(ea: u32, ma: u64, eb: u32, mb: u64): i32 {
  if (!both_normal(ea, ma, eb, mb)) {
    const za = is_zero(ea, ma);
    const zb = is_zero(eb, mb);
    if (!(za || is_normal(ea, ma)) || !(zb || is_normal(eb, mb))) return UNKNOWN;
    if (za && zb) return C3;
  }
  if (((ea ^ eb) & 0x8000) != 0) return (ea & 0x8000) != 0 ? C0 : 0;
  if (ea == eb && ma == mb) return C3;
  const less = ea < eb || (ea == eb && ma < mb);
  return less == ((ea & 0x8000) == 0) ? C0 : 0;
}

/** Flags of the last fast_to_integer: PE, C1, or negative: not to be done here. */
export let fp_integer_flags: i32 = 0;
/** As a signed integer of `bits`, 16 to 64. */
export function fast_to_integer(e: u32, m: u64, bits: u32, truncate: u32): i64 {
  const n = u32(16383 + 63) - (e & 0x7fff);
  fp_integer_flags = 0;
  if (i64(m) >= 0 || n - 1 >= 127 || !ordinary(e)) {
    if (is_zero(e, m)) return 0;
    fp_integer_flags = -1;
    return 0;
  }
  // n, 1 to 127, fraction bits
  let whole: u64 = 0;
  let rest: u64 = 1;
  if (n < 64) {
    whole = m >> u64(n);
    rest = m << u64(64 - n);
  } else if (n == 64) rest = m;
  else rest = (m >> u64(n - 64)) | 1;
  const up = truncate ? 0 : (rest >> 63) & u64((rest << 1) != 0 || (whole & 1) != 0);
  whole += up;
  if (whole >> u64(bits - 1) != 0) {
    fp_integer_flags = -1;
    return 0;
  }
  fp_integer_flags = (i32(rest != 0) << 5) | (i32(up) << 9);
  return (e & 0x8000) != 0 ? 0 - i64(whole) : i64(whole);
}

/**
 * As a double, with fp_integer_flags: PE, C1, or negative unless the result is zero or normal.
 */
@inline
export function fast_to_f64(e: u32, m: u64): u64 {
  const x = (e & 0x7fff) - 15360;
  if (i64(m) >= 0 || x - 1 >= 2045) {
    fp_integer_flags = is_zero(e, m) ? 0 : -1;
    return u64(e & 0x8000) << 48;
  }
  const rest = m & 0x7ff;
  const up = (rest + ((m >> 11) & 1) + 0x3ff) >> 11;
  fp_integer_flags = (i32(rest != 0) << 5) | (i32(up) << 9);
  // a carry out of the fraction goes into the exponent
  return (u64(e & 0x8000) << 48) | ((u64(x) << 52) + ((m << 1) >> 12) + up);
}
@inline
export function fast_to_f32(e: u32, m: u64): u32 {
  const x = (e & 0x7fff) - 16256;
  if (i64(m) >= 0 || x - 1 >= 253) {
    fp_integer_flags = is_zero(e, m) ? 0 : -1;
    return (e & 0x8000) << 16;
  }
  const rest = m & 0xff_ffff_ffff;
  const up = (rest + ((m >> 40) & 1) + 0x7f_ffff_ffff) >> 40;
  fp_integer_flags = (i32(rest != 0) << 5) | (i32(up) << 9);
  return ((e & 0x8000) << 16) | ((x << 23) + u32((m << 1) >> 41) + u32(up));
}
/** A double: zeros and normal numbers are exact. */
@inline
export function fast_from_f64(dst: usize, bits: u64): u64 {
  const sign = u32(bits >> 48) & 0x8000;
  const x = u32(bits >> 52) & 0x7ff;
  if (x - 1 >= 0x7fe) return bits << 1 == 0 ? put_exact(dst, sign, 0) : REFUSED;
  const m = (bits << 11) | TOP;
  put(dst, sign | (x + 15360), m);
  return m;
}
@inline
export function fast_from_f32(dst: usize, bits: u32): u64 {
  const sign = (bits >> 16) & 0x8000;
  const x = (bits >> 23) & 0xff;
  if (x - 1 >= 0xfe) return bits << 1 == 0 ? put_exact(dst, sign, 0) : REFUSED;
  const m = (u64(bits) << 40) | TOP;
  put(dst, sign | (x + 16256), m);
  return m;
}
@inline
export function fast_from_integer(dst: usize, value: i64): u64 {
  const sign = u32(value >> 63) & 0x8000;
  const magnitude = u64(value < 0 ? 0 - value : value);
  if (magnitude == 0) {
    put(dst, 0, 0);
    return 0;
  }
  const s = clz(magnitude);
  const m = magnitude << s;
  put(dst, sign | u32(BIAS + 63 - i32(s)), m);
  return m;
}
