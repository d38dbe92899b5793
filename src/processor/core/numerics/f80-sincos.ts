// Sine and cosine of an angle between 2^-8 and 2^32, rounded to nearest: the terms up to the square in 64-bit words, what is
// below 2^-26 in double precision. The errors stay below 2^-75; where that does not decide the rounding, the caller takes
// f80-transcendental.ts, whose results these are. Source: SDM 1 "Approximation of Pi" (66 bits), SDM 2 FSIN, FCOS.
import { umulh, whole } from './exact';
import { put } from './f80-format';
import { refused, set_fast_flags } from './f80-fast';
import { SIN_COS } from './f80-tables';
import { C1, C2, PE } from './status';

const TOP: u64 = 0x8000000000000000;
const BIAS: i32 = 16383;
/** pi / 2 with the 66-bit pi of the processor is (3 * 2^64 + PI66) * 2^-65. */
const PI66: u64 = 0x243f6a8885a308d3;
const TWO_OVER_PI: f64 = 0.6366197723675814;
const TWO_OVER_PI_32: u64 = 0xa2f9836e;

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
/** Bound of their errors, 26 / 2^80, in units of 2^-128: see the end. */
const ERROR: u64 = 26 << 48;

/** Sine (0) or cosine (1) of a number; PE, C1 and a cleared C2 go where f80-fast.ts says. */
@inline
export function fast_sincos(dst: usize, e: u32, m: u64, cosine: u32, direct: bool, sw: usize): u64 {
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
  const limit = ERROR << n;
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
  const flags = PE | (i32(carry) << 9);
  if (direct) store<u32>(sw, (load<u32>(sw) & ~(C1 | C2)) | flags);
  else set_fast_flags(flags);
  put(dst, (negative << 15) | result, r);
  return r;
}

/** The multiple of pi / 2 next to a large angle. */
function nearest(exp: i32, m: u64): u64 {
  return u64(whole(f64(i64(m >> 1)) * (TWO_OVER_PI * reinterpret<f64>(u64(1023 - 62 + exp) << 52))));
}
function evaluate(x: u32, m: u64): void {
  last_m = m;
  last_e = x;
  known = false;
  const exp = i32(x) - BIAS;
  if (i64(m) >= 0 || u32(exp + 8) >= 40) return;
  // what the distance is above a multiple k of 2^-8, as t / 2^72: all its bits are there
  let k: u32;
  let t: u64;
  quadrant = 0;
  back = 0;
  if (exp < -1 || (exp == -1 && m <= 0xc90fdaa22168c234)) {
    const shift = u64(-1 - exp);
    const hi = m >> shift;
    k = u32(hi >> 56);
    t = (hi << 8) | (((m << 1) << (63 - shift)) >> 56);
  } else {
    // all in units of 2^-65; n is below 2^32, and the nearest multiple unless two are as near but for 2^-10
    const shift = u64(exp + 2);
    const n = exp < 20 ? ((m >> 33) * TWO_OVER_PI_32 + ((1 as u64) << (63 - shift))) >> (64 - shift) : nearest(exp, m);
    const xl = m << shift;
    const ql = n * PI66;
    const qh = (n * (PI66 >> 32) + ((n * (PI66 & 0xffffffff)) >> 32)) >> 32;
    const rl = xl - ql;
    const rh = (m >> (64 - shift)) - n * 3 - u64(xl < ql) - qh;
    const below = u64(i64(rh) >> 63);
    quadrant = u32(n) & 3;
    back = u32(below & 1);
    // the magnitude; a low word of 0 would carry
    if (rl == 0) return;
    const r = (rl ^ below) - below;
    k = (u32(rh ^ below) << 7) | u32(r >> 57);
    t = r << 7;
  }
  if ((u64(k) | (t >> 62)) == 0) return;
  const p = SIN_COS + (usize(k) << 5);
  const sh = load<u64>(p);
  const ch = load<u64>(p, 16);
  // t^3 / 6 - t^5 / 120 + t^7 / 5040, t^4 / 24 - t^6 / 720, times 2^14
  const tf = f64(i64(t >> 1)) * 4.235164736271502e-22; // 2^-71
  const zf = tf * tf;
  const cubic = tf * zf * (2730.6666666666665 - zf * (136.53333333333333 - zf * 3.250793650793651));
  const quartic = zf * zf * (682.6666666666666 - zf * 22.755555555555556);
  // in units of 2^-77
  const sf = f64(i64(sh >> 1));
  const cf = f64(i64(ch >> 1));
  const ds = whole(sf * quartic - cf * cubic);
  const dc = whole(sf * cubic + cf * quartic);
  // the products of t, in units of 2^-72
  const sine = umulh(sh, t);
  const cosine = umulh(ch, t);
  // what is below 2^-64, in units of 2^-80: low words and their products, t^2 / 2, the rest
  const ls = ((cosine & 0xff) << 8) + ((ch * t) >> 56) + ((u64(load<u32>(p, 28)) * (t >> 32)) >> 56);
  const lc = ((sine & 0xff) << 8) + ((sh * t) >> 56) + ((u64(load<u32>(p, 12)) * (t >> 32)) >> 56);
  const es = i64(u64(load<u16>(p, 14)) + ls - (umulh(sine, t) >> 1)) + (ds << 3);
  const ec = i64(u64(load<u16>(p, 30)) - lc - (umulh(cosine, t) >> 1)) + (dc << 3);
  s_hi = sh + (cosine >> 8) + u64(es >> 16);
  s_lo = u64(es) << 48;
  c_hi = ch - (sine >> 8) + u64(ec >> 16);
  c_lo = u64(ec) << 48;
  known = true;
  // Errors in units of 2^-80: the cubic term, below 2^-26.5, by eleven roundings of 2^-53: 15; its conversion 4;
  // t^8 / 40320: 2; what is cut off the other terms: 4.
}
