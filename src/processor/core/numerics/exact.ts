// Exact significand arithmetic shared by all formats: 64-bit significands in, a 128-bit significand with sticky bit out.
// Source: SDM 1 "Overview of Floating-Point Exceptions", IEEE 754-2008; digit division after Knuth, TAOCP 2, 4.3.1 D.
// A value is sign * (hi:lo / 2^127) * 2^exp with bit 63 of hi set; hi = lo = 0 is an exact zero.

export let r_sign: u32 = 0;
export let r_exp: i32 = 0;
export let r_hi: u64 = 0;
export let r_lo: u64 = 0;
/** Set by round_significand: the result differs from the exact value; its magnitude was increased. */
export let r_inexact: bool = false;
export let r_up: bool = false;
/** Second words of mul64 (low half), div64 (remainder), mul128 (low half), div128 (low half). */
export let w_lo: u64 = 0;

export const TOP: u64 = 0x8000000000000000;

/** High 64 bits of a * b; the low half in w_lo. */
export function mul64(a: u64, b: u64): u64 {
  w_lo = a * b;
  return umulh(a, b);
}

/** High 64 bits of a * b, no low half. */
@inline
export function umulh(a: u64, b: u64): u64 {
  const al = a & 0xffffffff;
  const ah = a >> 32;
  const bl = b & 0xffffffff;
  const bh = b >> 32;
  const lh = al * bh;
  const hl = ah * bl;
  return ah * bh + (lh >> 32) + (hl >> 32) + ((((al * bl) >> 32) + (lh & 0xffffffff) + (hl & 0xffffffff)) >> 32);
}

/** High 128 bits of a * b, at most 3 units too small; low word in w_lo. */
export function mul128(ah: u64, al: u64, bh: u64, bl: u64): u64 {
  const x = umulh(ah, bl);
  const y = umulh(al, bh);
  let hi = mul64(ah, bh);
  let lo = w_lo;
  lo += x;
  hi += u64(lo < x);
  lo += y;
  hi += u64(lo < y);
  w_lo = lo;
  return hi;
}

/** floor((u1:u0) / v) for u1 < v and bit 63 of v set; the remainder in w_lo. */
export function div64(u1: u64, u0: u64, v: u64): u64 {
  const vn1 = v >> 32;
  const vn0 = v & 0xffffffff;
  const un1 = u0 >> 32;
  const un0 = u0 & 0xffffffff;
  let q1 = u1 / vn1;
  let rhat = u1 - q1 * vn1;
  while (q1 >> 32 != 0 || q1 * vn0 > ((rhat << 32) | un1)) {
    q1--;
    rhat += vn1;
    if (rhat >> 32 != 0) break;
  }
  const un21 = (u1 << 32) + un1 - q1 * v;
  let q0 = un21 / vn1;
  rhat = un21 - q0 * vn1;
  while (q0 >> 32 != 0 || q0 * vn0 > ((rhat << 32) | un0)) {
    q0--;
    rhat += vn1;
    if (rhat >> 32 != 0) break;
  }
  w_lo = (un21 << 32) + un0 - q0 * v;
  return (q1 << 32) + q0;
}

/** (n2:n1:n0) / (d1:d0), one 64-bit digit, for (n2:n1) < (d1:d0), bit 63 of d1 set; remainder in g_hi:w_lo. */
let g_hi: u64 = 0;
function digit(n2: u64, n1: u64, n0: u64, d1: u64, d0: u64): u64 {
  let q: u64;
  let rh: u64;
  let over = false;
  if (n2 >= d1) {
    q = 0xffffffffffffffff;
    rh = n1 + d1;
    over = rh < n1;
  } else {
    q = div64(n2, n1, d1);
    rh = w_lo;
  }
  let ph = mul64(q, d0);
  let pl = w_lo;
  while (!over && (ph > rh || (ph == rh && pl > n0))) {
    q--;
    ph -= u64(pl < d0);
    pl -= d0;
    rh += d1;
    over = rh < d1;
  }
  g_hi = rh - ph - u64(n0 < pl);
  w_lo = n0 - pl;
  return q;
}

/** The 128-bit fraction (nh:nl) / (dh:dl) for n < d, bit 63 of dh set, truncated; low word in w_lo. */
export function div128(nh: u64, nl: u64, dh: u64, dl: u64): u64 {
  const hi = digit(nh, nl, 0, dh, dl);
  const r1 = g_hi;
  const r0 = w_lo;
  const lo = digit(r1, r0, 0, dh, dl);
  w_lo = lo;
  return hi;
}

/** Normalizes hi:lo (not both zero) and stores it as the result. */
export function set_result(sign: u32, exp: i32, hi: u64, lo: u64): void {
  if (hi == 0) {
    hi = lo;
    lo = 0;
    exp -= 64;
  }
  const s = clz(hi);
  if (s != 0) {
    hi = (hi << s) | (lo >> (64 - s));
    lo <<= s;
  }
  r_sign = sign;
  r_exp = exp - i32(s);
  r_hi = hi;
  r_lo = lo;
}

/** Sum of two normalized values. An exact zero leaves r_hi = r_lo = 0 (the caller chooses the sign). */
export function exact_add(sa: u32, ea: i32, ma: u64, sb: u32, eb: i32, mb: u64): void {
  if (ea < eb || (ea == eb && ma < mb)) {
    const s = sa;
    sa = sb;
    sb = s;
    const e = ea;
    ea = eb;
    eb = e;
    const m = ma;
    ma = mb;
    mb = m;
  }
  const n = u64(ea - eb);
  let bh: u64 = 0;
  let bl: u64 = 0;
  if (n == 0) bh = mb;
  else if (n < 64) {
    bh = mb >> n;
    bl = mb << (64 - n);
  } else if (n == 64) bl = mb;
  else if (n < 128) bl = (mb >> (n - 64)) | u64(mb << (128 - n) != 0);
  else bl = 1;
  if (sa == sb) {
    let hi = ma + bh;
    let lo = bl;
    if (hi < ma) {
      lo = (lo >> 1) | (lo & 1) | (hi << 63);
      hi = (hi >> 1) | TOP;
      ea++;
    }
    r_sign = sa;
    r_exp = ea;
    r_hi = hi;
    r_lo = lo;
    return;
  }
  const hi = ma - bh - u64(bl != 0);
  const lo = 0 - bl;
  if (hi == 0 && lo == 0) {
    r_hi = 0;
    r_lo = 0;
    return;
  }
  set_result(sa, ea, hi, lo);
}

export function exact_mul(sign: u32, ea: i32, ma: u64, eb: i32, mb: u64): void {
  let hi = mul64(ma, mb);
  let lo = w_lo;
  let exp = ea + eb + 1;
  if (i64(hi) >= 0) {
    hi = (hi << 1) | (lo >> 63);
    lo <<= 1;
    exp--;
  }
  r_sign = sign;
  r_exp = exp;
  r_hi = hi;
  r_lo = lo;
}

export function exact_div(sign: u32, ea: i32, ma: u64, eb: i32, mb: u64): void {
  let exp = ea - eb;
  let q: u64;
  if (ma >= mb) q = div64(ma >> 1, ma << 63, mb);
  else {
    q = div64(ma, 0, mb);
    exp--;
  }
  const rem = w_lo;
  r_sign = sign;
  r_exp = exp;
  r_hi = q;
  const left = mb - rem;
  r_lo = rem == 0 ? 0 : rem > left ? 0xc000000000000000 : rem == left ? TOP : 0x4000000000000000;
}

/** A whole number below 2^51 in magnitude, without the checks of a conversion. */
@inline
export function whole(v: f64): i64 {
  return reinterpret<i64>(v + 6755399441055744.0) - 0x4338000000000000;
}
/** v / top as a fraction / 2^64, for v from about top / 2 to about top: never more than a few units of v off. */
@inline
function fraction(v: f64, top: f64): u64 {
  if (v >= top) return 0xfffffffffffffffe;
  if (v < top * 0.5) return TOP;
  return (reinterpret<u64>(v) << 11) | TOP;
}
/** floor((u:0) / v) or, for `more`, of (u:0) + 2^63, for v / 2 <= u + more / 2 < v and bit 63 of v set; the remainder in w_lo. */
export function divide(u: u64, more: u64, v: u64): u64 {
  const vf = f64(i64(v >> 1));
  const quotient = f64(i64(u >> 1)) / vf;
  let q = fraction(quotient, 1.0);
  const n0 = more << 63;
  const pl = q * v;
  const rl = n0 - pl;
  const rh = i64(u - umulh(q, v) - u64(n0 < pl));
  // rounded down: the loops below find hardly ever anything to do
  const d = whole(floor<f64>(f64((rh << 49) | i64(rl >> 15)) * (16384.0 / vf)));
  q += u64(d);
  // remainder - d * v, where d has few bits
  const low = d * i64(v & 0xffffffff);
  const high = d * i64(v >> 32);
  const dl = u64(low + (high << 32));
  const dh = (high + (low >> 32)) >> 32;
  let r = rl - dl;
  let top = rh - dh - i64(rl < dl);
  while (top < 0) {
    q--;
    r += v;
    top += i64(r < v);
  }
  while (top > 0 || r >= v) {
    q++;
    top -= i64(r < v);
    r -= v;
  }
  w_lo = r;
  return q;
}

export function exact_sqrt(exp: i32, m: u64): void {
  let nh = m;
  let nl: u64 = 0;
  if ((exp & 1) == 0) {
    nh = m >> 1;
    nl = m << 63;
  }
  // 52 bits by the host's root, the others by the remainder; signed conversions are the fast ones
  const half = sqrt<f64>(f64(i64(nh >> 1)));
  const root = half * 6074000999.952099;
  let s = fraction(root, 18446744073709551616.0);
  const square = s * s;
  let rl = nl - square;
  let rh = i64(nh - umulh(s, s) - u64(nl < square));
  const d = whole(floor<f64>(f64((rh << 49) | i64(rl >> 15)) * (16384.0 / root)));
  // remainder - 2 d s - d^2, where d has few bits
  const low = 2 * d * i64(s & 0xffffffff) + d * d;
  const high = 2 * d * i64(s >> 32);
  const dl = u64(low + (high << 32));
  rh -= ((high + (low >> 32)) >> 32) + i64(rl < dl);
  rl -= dl;
  s += u64(d);
  while (rh < 0) {
    s--;
    const t = (s << 1) | 1;
    const low = rl + t;
    rh += i64(s >> 63) + i64(low < rl);
    rl = low;
  }
  for (;;) {
    const th = i64(s >> 63);
    const tl = s << 1;
    if (rh < th || (rh == th && rl <= tl)) break;
    const t = tl | 1;
    rh -= th + i64(rl < t);
    rl -= t;
    s++;
  }
  r_sign = 0;
  r_exp = exp >> 1;
  r_hi = s;
  r_lo = rh == 0 && rl == 0 ? 0 : rh != 0 || rl > s ? 0xc000000000000000 : 0x4000000000000000;
}

/** Shifts the value right by n >= 1 places; bits lost are kept as a sticky bit. Result in r_hi:r_lo. */
export function shift_right_jam(hi: u64, lo: u64, n: u32): void {
  const k = u64(n);
  if (k < 64) {
    r_lo = (lo >> k) | (hi << (64 - k)) | u64(lo << (64 - k) != 0);
    r_hi = hi >> k;
  } else if (k < 128) {
    const lost = lo | (k == 64 ? 0 : hi << (128 - k));
    r_lo = (hi >> (k - 64)) | u64(lost != 0);
    r_hi = 0;
  } else {
    r_lo = u64((hi | lo) != 0);
    r_hi = 0;
  }
}

/**
 * Rounds hi:lo to a multiple of 2^drop in hi. rc: 0 nearest even, 1 down, 2 up, 3 to zero. A carry out of bit 63 of hi
 * gives 0 for hi. Sets r_inexact and r_up.
 */
export function round_significand(hi: u64, lo: u64, sign: u32, drop: u32, rc: u32): u64 {
  let inc = false;
  if (drop == 0) {
    if (lo == 0) {
      r_inexact = false;
      r_up = false;
      return hi;
    }
    if (rc == 0) inc = lo > TOP || (lo == TOP && (hi & 1) != 0);
    else inc = rc == 1 ? sign != 0 : rc == 2 ? sign == 0 : false;
    r_inexact = true;
    r_up = inc;
    return hi + u64(inc);
  }
  const one = u64(1) << u64(drop);
  const rem = hi & (one - 1);
  const base = hi - rem;
  if ((rem | lo) == 0) {
    r_inexact = false;
    r_up = false;
    return hi;
  }
  if (rc == 0) {
    const half = one >> 1;
    inc = rem > half || (rem == half && (lo != 0 || (hi & one) != 0));
  } else inc = rc == 1 ? sign != 0 : rc == 2 ? sign == 0 : false;
  r_inexact = true;
  r_up = inc;
  return inc ? base + one : base;
}
