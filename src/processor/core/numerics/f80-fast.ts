// The frequent cases of x87 arithmetic on values instead of slots: 64 bits of precision, rounding to nearest even, operands
// that are zeros or normal numbers, results that are normal or exact zeros. Without branches on the operands' bits, which
// nobody can predict. Source: SDM 1 ch. 8 "Programming with the x87 FPU".
// A value is a sign and exponent (as bits 79..64) and a significand. Flags are PE and C1; REFUSED: nothing was written.
import { divide, exact_sqrt, r_exp, r_hi, r_lo, umulh, w_lo } from './exact';
import { put } from './f80-format';
import { C0, C1, C3, PE } from './status';

export const REFUSED: i32 = -1;
const BIAS: i32 = 16383;

/** Is biased exponent x that of a normal number? */
@inline
function ordinary(x: u32): bool {
  return x - 1 < 0x7ffe;
}
@inline
function both_normal(ea: u32, ma: u64, eb: u32, mb: u64): bool {
  return (u32(i64(ma & mb) < 0) & u32(ordinary(ea & 0x7fff)) & u32(ordinary(eb & 0x7fff))) != 0;
}
@inline
function is_zero(e: u32, m: u64): bool {
  return (u64(e & 0x7fff) | m) == 0;
}
@inline
function is_normal(e: u32, m: u64): bool {
  return i64(m) < 0 && ordinary(e & 0x7fff);
}
/** Rounds hi:lo to nearest even and stores it; e, the biased exponent, is in 1..0x7ffd. */
@inline
function put_rounded(dst: usize, sign: u32, e: u32, hi: u64, lo: u64): i32 {
  const up = (lo >> 63) & u64((lo << 1) != 0 || (hi & 1) != 0);
  hi += up;
  // a carry out: the significand was all ones
  const carry = u64(hi == 0) & up;
  put(dst, sign | (e + u32(carry)), hi | (carry << 63));
  return (i32(lo != 0) << 5) | (i32(up) << 9);
}

@inline
export function fast_add(dst: usize, ea: u32, ma: u64, eb: u32, mb: u64): i32 {
  if (!both_normal(ea, ma, eb, mb)) return add_zero(dst, ea, ma, eb, mb);
  const xa = ea & 0x7fff;
  const xb = eb & 0x7fff;
  // the larger one first
  const swap = u32(xa < xb) | (u32(xa == xb) & u32(ma < mb));
  const m = (ma ^ mb) & (0 - u64(swap));
  ma ^= m;
  mb ^= m;
  const x = (ea ^ eb) & (0 - swap);
  ea ^= x;
  eb ^= x;
  let e = i32(ea & 0x7fff);
  const n = u64(e - i32(eb & 0x7fff));
  let bh: u64 = 0;
  let bl: u64 = mb;
  if (n < 64) {
    bh = mb >> n;
    bl = (mb << 1) << (63 - n);
  } else if (n > 64) bl = n < 128 ? (mb >> (n - 64)) | u64(mb << (128 - n) != 0) : 1;
  let hi: u64;
  let lo: u64;
  if (((ea ^ eb) & 0x8000) == 0) {
    hi = ma + bh;
    const carry = u64(hi < ma);
    lo = (bl >> carry) | (bl & carry) | ((hi & carry) << 63);
    hi = (hi >> carry) | (carry << 63);
    e += i32(carry);
  } else {
    lo = 0 - bl;
    hi = ma - bh - u64(bl != 0);
    if (hi == 0) {
      if (lo == 0) {
        put(dst, 0, 0);
        return 0;
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
  return u32(e - 1) < 0x7ffd ? put_rounded(dst, ea & 0x8000, u32(e), hi, lo) : REFUSED;
}
function add_zero(dst: usize, ea: u32, ma: u64, eb: u32, mb: u64): i32 {
  if (is_zero(ea, ma)) {
    if (is_normal(eb, mb)) put(dst, eb, mb);
    else if (is_zero(eb, mb)) put(dst, ea & eb, 0);
    else return REFUSED;
    return 0;
  }
  if (!is_zero(eb, mb) || !is_normal(ea, ma)) return REFUSED;
  put(dst, ea, ma);
  return 0;
}

@inline
export function fast_mul(dst: usize, ea: u32, ma: u64, eb: u32, mb: u64): i32 {
  const sign = (ea ^ eb) & 0x8000;
  if (!both_normal(ea, ma, eb, mb)) {
    const za = is_zero(ea, ma);
    const zb = is_zero(eb, mb);
    if (!(za || zb) || !(za || is_normal(ea, ma)) || !(zb || is_normal(eb, mb))) return REFUSED;
    put(dst, sign, 0);
    return 0;
  }
  let hi = umulh(ma, mb);
  let lo = ma * mb;
  const small = (hi >> 63) ^ 1;
  hi = (hi << small) | ((lo >> 63) & small);
  lo <<= small;
  const e = i32((ea & 0x7fff) + (eb & 0x7fff)) - 16382 - i32(small);
  return u32(e - 1) < 0x7ffd ? put_rounded(dst, sign, u32(e), hi, lo) : REFUSED;
}

/** a / b. */
@inline
export function fast_div(dst: usize, ea: u32, ma: u64, eb: u32, mb: u64): i32 {
  const sign = (ea ^ eb) & 0x8000;
  if (!both_normal(ea, ma, eb, mb)) {
    if (!is_zero(ea, ma) || !is_normal(eb, mb)) return REFUSED;
    put(dst, sign, 0);
    return 0;
  }
  const big = u64(ma >= mb);
  const e = i32(ea & 0x7fff) - i32(eb & 0x7fff) + BIAS - 1 + i32(big);
  if (u32(e - 1) >= 0x7ffd) return REFUSED;
  const q = divide(ma >> big, ma & big, mb);
  const rest = w_lo;
  // the remainder against half the divisor
  const left = mb - rest;
  const lo = u64(rest >= left) << 63 | u64(rest != 0 && rest != left) << 62;
  return put_rounded(dst, sign, u32(e), q, lo);
}

export function fast_sqrt(dst: usize, e: u32, m: u64): i32 {
  if (!is_normal(e, m) || (e & 0x8000) != 0) {
    if (!is_zero(e, m)) return REFUSED;
    put(dst, e, m);
    return 0;
  }
  exact_sqrt(i32(e) - BIAS, m);
  return put_rounded(dst, 0, u32(r_exp + BIAS), r_hi, r_lo);
}

/** C3 equal, C0 less; REFUSED unless both are zeros or normal numbers. */
@inline
export function fast_compare(ea: u32, ma: u64, eb: u32, mb: u64): i32 {
  if (!both_normal(ea, ma, eb, mb)) {
    const za = is_zero(ea, ma);
    const zb = is_zero(eb, mb);
    if (!(za || is_normal(ea, ma)) || !(zb || is_normal(eb, mb))) return REFUSED;
    if (za && zb) return C3;
  }
  if (((ea ^ eb) & 0x8000) != 0) return (ea & 0x8000) != 0 ? C0 : 0;
  if (ea == eb && ma == mb) return C3;
  const less = ea < eb || (ea == eb && ma < mb);
  return less == ((ea & 0x8000) == 0) ? C0 : 0;
}

/** Flags of the last fast_to_integer: PE, C1, or REFUSED. */
export let fp_integer_flags: i32 = 0;
/** As a signed integer of `bits`, 16 to 64. */
export function fast_to_integer(e: u32, m: u64, bits: u32, truncate: u32): i64 {
  const n = u32(16383 + 63) - (e & 0x7fff);
  fp_integer_flags = 0;
  if (i64(m) >= 0 || n - 1 >= 127 || !ordinary(e & 0x7fff)) {
    if (is_zero(e, m)) return 0;
    fp_integer_flags = REFUSED;
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
    fp_integer_flags = REFUSED;
    return 0;
  }
  fp_integer_flags = (i32(rest != 0) << 5) | (i32(up) << 9);
  return (e & 0x8000) != 0 ? 0 - i64(whole) : i64(whole);
}
