// Sine and cosine of an angle between 2^-7 and 2^40, rounded to nearest: most of the way in 64-bit words, what is below 2^-22 in
// double precision. The errors stay below 2^-72, mostly 2^-73; where that does not decide the rounding, the caller takes
// f80-transcendental.ts, whose results these are. Source: SDM 1 "Approximation of Pi" (66 bits), SDM 2 FSIN, FCOS.
import { umulh, whole } from './exact';
import { put } from './f80-format';
import { refused, set_fast_flags } from './f80-fast';
import { SIN_COS } from './f80-tables';

const TOP: u64 = 0x8000000000000000;
const BIAS: i32 = 16383;
const PE: i32 = 0x20;
/** pi / 2 with the 66-bit pi of the processor is (3 * 2^64 + PI66) * 2^-65. */
const PI66: u64 = 0x243f6a8885a308d3;
const TWO_OVER_PI: f64 = 0.6366197723675814;

// The last angle, as programs ask for the sine and the cosine of one: sine and cosine of its distance from the nearest
// multiple n of pi/2 as fractions / 2^128, two bits of n, whether the angle is below the multiple, and whether all of that holds.
let last_m: u64 = 0;
let last_e: u32 = 0;
let s_hi: u64 = 0;
let s_lo: u64 = 0;
let c_hi: u64 = 0;
let c_lo: u64 = 0;
let quadrant: u32 = 0;
let back: u32 = 0;
let known: bool = false;
/** Bound of their errors, in units of 2^-128. */
let error: u64 = 0;

/** Sine (0) or cosine (1) of a number; PE and C1 in fast_flags. */
export function fast_sincos(dst: usize, e: u32, m: u64, cosine: u32): u64 {
  const x = e & 0x7fff;
  if (m != last_m || x != last_e) evaluate(x, m);
  if (!known) return refused();
  const other = (quadrant ^ cosine) & 1;
  const hi = select<u64>(c_hi, s_hi, other != 0);
  const lo = select<u64>(c_lo, s_lo, other != 0);
  // sin (n pi/2 +- r) is +-s, c, -+s, -c; cos is c, -+s, -c, +-s
  const negative = (((quadrant + cosine) >> 1) & 1) ^ ((other ^ 1) & back) ^ ((cosine ^ 1) & (e >> 15));
  const n = clz(hi);
  const up = lo << n;
  const limit = error << n;
  // close to a number or to the middle between two: the value or C1 is in doubt
  if (((up + limit) & ~TOP) <= limit << 1) return refused();
  let r = (hi << n) | ((lo >> 1) >> (63 - n));
  let result = u32(BIAS - 1 - i32(n));
  const carry = up >> 63;
  r += carry;
  if (r == 0) {
    r = TOP;
    result++;
  }
  set_fast_flags(PE | (i32(carry) << 9));
  put(dst, (negative << 15) | result, r);
  return r;
}

function evaluate(x: u32, m: u64): void {
  last_m = m;
  last_e = x;
  known = false;
  const exp = i32(x) - BIAS;
  if (i64(m) >= 0 || u32(exp + 7) >= 48) return;
  // the distance as a fraction / 2^128
  let hi: u64;
  let lo: u64;
  quadrant = 0;
  back = 0;
  if (exp < -1 || (exp == -1 && m <= 0xc90fdaa22168c234)) {
    const shift = u64(-1 - exp);
    hi = m >> shift;
    lo = (m << 1) << (63 - shift);
  } else {
    // all in units of 2^-65
    const shift = u64(exp + 2);
    const n = u64(whole(f64(i64(m >> 1)) * (TWO_OVER_PI * reinterpret<f64>(u64(1023 - 62 + exp) << 52))));
    const xl = m << shift;
    const ql = n * PI66;
    let rl = xl - ql;
    let rh = (m >> (64 - shift)) - umulh(n, PI66) - n * 3 - u64(xl < ql);
    const below = i64(rh) < 0;
    if (below) {
      rh = ~rh + u64(rl == 0);
      rl = 0 - rl;
    }
    quadrant = u32(n) & 3;
    back = u32(below);
    hi = (rh << 63) | (rl >> 1);
    lo = rl << 63;
  }
  if (hi >> 57 == 0) return;
  // t, the distance from the nearest multiple of 2^-6, as T / 2^70: all its bits are there
  const k = ((hi >> 57) + 1) >> 1;
  hi -= k << 58;
  const below = i64(hi) < 0;
  if (below) {
    hi = ~hi + u64(lo == 0);
    lo = 0 - lo;
  }
  const t = (hi << 6) | (lo >> 58);
  // t^2 / 2 as z / 2^77
  const z = umulh(t, t);
  const p = SIN_COS + usize(k) * 32;
  const sh = load<u64>(p);
  const sl = load<u64>(p, 8);
  const ch = load<u64>(p, 16);
  const cl = load<u64>(p, 24);
  // t, t^2, t - sin t, cos t - 1 + t^2 / 2
  const tf = f64(i64(t >> 1)) * 1.6940658945086007e-21; // 2^-69
  const zf = tf * tf;
  const cubic = tf * zf * (0.16666666666666666 - zf * (0.008333333333333333 - zf * 0.0001984126984126984));
  const quartic = zf * zf * (0.041666666666666664 - zf * (0.001388888888888889 - zf * 0.0000248015873015873));
  const sf = f64(i64(sh >> 1)) * 1.0842021724855044e-19; // 2^-63
  const cf = f64(i64(ch >> 1)) * 1.0842021724855044e-19;
  // the lower words of the table times t, less the cubic terms
  const side_s = f64(i64(cl >> 1)) * 5.877471754111438e-39 * tf - cf * cubic; // 2^-127
  const side_c = f64(i64(sl >> 1)) * 5.877471754111438e-39 * tf - sf * cubic;
  // in units of 2^-74, then 2^-77
  const scale = 18889465931478580854784.0;
  const ws = (whole((sf * quartic + (below ? -side_s : side_s)) * scale) << 3) - i64(umulh(sh, z));
  const wc = (whole((cf * quartic - (below ? -side_c : side_c)) * scale) << 3) - i64(umulh(ch, z));
  // ten roundings of the cubic term; the others make less than 2^-74
  error = u64((whole(cubic * scale) >> 46) + 8) << 51;
  // the products of t
  const pl = ((ch * t) >> 6);
  const ph = umulh(ch, t);
  const ql = ((sh * t) >> 6);
  const qh = umulh(sh, t);
  const sign = 0 - u64(below);
  // sine: + C t, or - where t lies below; a - b as a + ~b + 1
  let l = sl + (u64(ws) << 51);
  let h = sh + u64(ws >> 13) + u64(l < sl);
  let a = ((ph << 58) | pl) ^ sign;
  let b = l + a;
  h += ((ph >> 6) ^ sign) + u64(b < a);
  l = b - sign;
  s_hi = h + (u64(l < b) & sign & 1);
  s_lo = l;
  // cosine: the other way round
  l = cl + (u64(wc) << 51);
  h = ch + u64(wc >> 13) + u64(l < cl);
  a = ((qh << 58) | ql) ^ ~sign;
  b = l + a;
  h += ((qh >> 6) ^ ~sign) + u64(b < a);
  l = b - ~sign;
  c_hi = h + (u64(l < b) & ~sign & 1);
  c_lo = l;
  known = true;
}
