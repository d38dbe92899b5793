// x87 arithmetic on 80-bit slots (significand u64 at +0, sign and exponent u16 at +8).
// Source: SDM 1 ch. 8 "Programming with the x87 FPU", SDM 2 FADD..FXTRACT. See README.md for the conventions.
import { div64, exact_add, exact_div, exact_mul, exact_sqrt, mul64, r_hi, r_inexact, r_lo, r_up, round_significand, shift_right_jam, TOP, w_lo } from './exact';
import {
  BIAS,
  blocked,
  drop_of,
  f80_class,
  f80_exp,
  f80_man,
  invalid,
  nan_result,
  nan_unary,
  pack,
  pack_exact,
  put,
  QUIET,
  rc_of,
} from './f80-format';
import { fast_add, fast_div, fast_flags, fast_mul, REFUSED } from './f80-fast';
import { ieee_class, ieee_exp, ieee_man } from './ieee';
import { C0, C1, C2, C3, DE, DENORMAL, IE, INFINITE, NORMAL, PE, QNAN, SNAN, UNSUPPORTED, ZE, ZERO } from './status';

/** Round to nearest even with 64 bits of precision: the state after FNINIT, and the fast path. */
@inline
function plain(fcw: u32): bool {
  return (fcw & 0xf00) == 0x300;
}
/** flip = 0x8000 subtracts; pre = DE when b came from a denormal single or double. */
function add_values(dst: usize, ea: u32, ma: u64, eb: u32, mb: u64, flip: u32, fcw: u32, pre: u32): u32 {
  const ka = f80_class(ea, ma);
  const kb = f80_class(eb, mb);
  if (ka >= QNAN || kb >= QNAN) return nan_result(dst, ea, ma, ka, eb, mb, kb, fcw);
  const sa = ea >> 15;
  eb ^= flip;
  const sb = eb >> 15;
  if (ka == INFINITE && kb == INFINITE && sa != sb) return invalid(dst, fcw);
  const flags: u32 = ka == DENORMAL || kb == DENORMAL ? DE : pre;
  if (blocked(flags, fcw)) return flags;
  if (ka == INFINITE) {
    put(dst, ea, ma);
    return flags;
  }
  if (kb == INFINITE) {
    put(dst, eb, mb);
    return flags;
  }
  const drop = drop_of(fcw);
  if (ka == ZERO) {
    if (kb == ZERO) {
      put(dst, (sa == sb ? sa : u32(rc_of(fcw) == 1)) << 15, 0);
      return flags;
    }
    return pack(dst, sb, f80_exp(eb, mb), f80_man(mb), 0, drop, fcw, flags);
  }
  if (kb == ZERO) return pack(dst, sa, f80_exp(ea, ma), f80_man(ma), 0, drop, fcw, flags);
  exact_add(sa, f80_exp(ea, ma), f80_man(ma), sb, f80_exp(eb, mb), f80_man(mb));
  if ((r_hi | r_lo) == 0) {
    put(dst, u32(rc_of(fcw) == 1) << 15, 0);
    return flags;
  }
  return pack_exact(dst, drop, fcw, flags);
}
@inline
function add_or_subtract(dst: usize, a: usize, b: usize, flip: u32, fcw: u32): u32 {
  const ea = u32(load<u16>(a, 8));
  const ma = load<u64>(a);
  const eb = u32(load<u16>(b, 8));
  const mb = load<u64>(b);
  if (plain(fcw)) {
    if (fast_add(dst, ea, ma, eb ^ flip, mb, false, 0) != REFUSED) return u32(fast_flags);
  }
  return add_values(dst, ea, ma, eb, mb, flip, fcw, 0);
}
export function f80_add(dst: usize, a: usize, b: usize, fcw: u32): u32 {
  return add_or_subtract(dst, a, b, 0, fcw);
}
export function f80_sub(dst: usize, a: usize, b: usize, fcw: u32): u32 {
  return add_or_subtract(dst, a, b, 0x8000, fcw);
}

function mul_values(dst: usize, ea: u32, ma: u64, eb: u32, mb: u64, fcw: u32, pre: u32): u32 {
  const ka = f80_class(ea, ma);
  const kb = f80_class(eb, mb);
  if (ka >= QNAN || kb >= QNAN) return nan_result(dst, ea, ma, ka, eb, mb, kb, fcw);
  const s = (ea ^ eb) >> 15;
  if ((ka == INFINITE && kb == ZERO) || (ka == ZERO && kb == INFINITE)) return invalid(dst, fcw);
  const flags: u32 = ka == DENORMAL || kb == DENORMAL ? DE : pre;
  if (blocked(flags, fcw)) return flags;
  if (ka == INFINITE || kb == INFINITE) {
    put(dst, (s << 15) | 0x7fff, TOP);
    return flags;
  }
  if (ka == ZERO || kb == ZERO) {
    put(dst, s << 15, 0);
    return flags;
  }
  exact_mul(s, f80_exp(ea, ma), f80_man(ma), f80_exp(eb, mb), f80_man(mb));
  return pack_exact(dst, drop_of(fcw), fcw, flags);
}
export function f80_mul(dst: usize, a: usize, b: usize, fcw: u32): u32 {
  const ea = u32(load<u16>(a, 8));
  const ma = load<u64>(a);
  const eb = u32(load<u16>(b, 8));
  const mb = load<u64>(b);
  if (plain(fcw)) {
    if (fast_mul(dst, ea, ma, eb, mb, false, 0) != REFUSED) return u32(fast_flags);
  }
  return mul_values(dst, ea, ma, eb, mb, fcw, 0);
}

function div_values(dst: usize, ea: u32, ma: u64, eb: u32, mb: u64, fcw: u32, pre: u32): u32 {
  const ka = f80_class(ea, ma);
  const kb = f80_class(eb, mb);
  if (ka >= QNAN || kb >= QNAN) return nan_result(dst, ea, ma, ka, eb, mb, kb, fcw);
  const s = (ea ^ eb) >> 15;
  if (ka == kb && (ka == INFINITE || ka == ZERO)) return invalid(dst, fcw);
  if (kb == ZERO && ka != INFINITE) {
    if ((fcw & ZE) != 0) put(dst, (s << 15) | 0x7fff, TOP);
    return ZE;
  }
  const flags: u32 = ka == DENORMAL || kb == DENORMAL ? DE : pre;
  if (blocked(flags, fcw)) return flags;
  if (ka == INFINITE) {
    put(dst, (s << 15) | 0x7fff, TOP);
    return flags;
  }
  if (ka == ZERO || kb == INFINITE) {
    put(dst, s << 15, 0);
    return flags;
  }
  exact_div(s, f80_exp(ea, ma), f80_man(ma), f80_exp(eb, mb), f80_man(mb));
  return pack_exact(dst, drop_of(fcw), fcw, flags);
}
export function f80_div(dst: usize, a: usize, b: usize, fcw: u32): u32 {
  const ea = u32(load<u16>(a, 8));
  const ma = load<u64>(a);
  const eb = u32(load<u16>(b, 8));
  const mb = load<u64>(b);
  if (plain(fcw)) {
    if (fast_div(dst, ea, ma, eb, mb, false, 0) != REFUSED) return u32(fast_flags);
  }
  return div_values(dst, ea, ma, eb, mb, fcw, 0);
}

// DEVIATION: SDM 2 "FCOM" leaves the condition codes alone when IE is unmasked; processors set them always, and so do we.
function compare_values(ea: u32, ma: u64, eb: u32, mb: u64, quiet: bool, pre: u32): u32 {
  const ka = f80_class(ea, ma);
  const kb = f80_class(eb, mb);
  if (ka >= QNAN || kb >= QNAN) {
    const flags: u32 = quiet && ka <= QNAN && kb <= QNAN ? 0 : IE;
    return flags | C0 | C2 | C3;
  }
  const flags: u32 = ka == DENORMAL || kb == DENORMAL ? DE : pre;
  if (ka == ZERO && kb == ZERO) return flags | C3;
  const sa = ea >> 15;
  if (sa != eb >> 15) return flags | (sa != 0 ? C0 : 0);
  // A pseudo-denormal has the exponent field 0 and the value of exponent 1.
  const xa = max(ea & 0x7fff, u32(ka == DENORMAL));
  const xb = max(eb & 0x7fff, u32(kb == DENORMAL));
  if (xa == xb && ma == mb) return flags | C3;
  const less = xa < xb || (xa == xb && ma < mb);
  return less == (sa == 0) ? flags | C0 : flags;
}
/** FCOM: C3 equal, C0 less, C3 C2 C0 unordered (IE). */
export function f80_compare(a: usize, b: usize, _fcw: u32): u32 {
  return compare_values(load<u16>(a, 8), load<u64>(a), load<u16>(b, 8), load<u64>(b), false, 0);
}
/** FUCOM: IE only for signaling NaNs and unsupported formats. */
export function f80_compare_unordered(a: usize, b: usize, _fcw: u32): u32 {
  return compare_values(load<u16>(a, 8), load<u64>(a), load<u16>(b, 8), load<u64>(b), true, 0);
}
/** FTST. */
export function f80_test(a: usize, _fcw: u32): u32 {
  return compare_values(load<u16>(a, 8), load<u64>(a), 0, 0, false, 0);
}
/** C3, C2, C0 to ZF, PF, CF (FCOMI and its kin). */
export function f80_condition_eflags(sw: u32): u32 {
  return ((sw >> 8) & 0x40) | ((sw >> 8) & 4) | ((sw >> 8) & 1);
}
/** FXAM of a register that is not empty. */
export function f80_examine(a: usize): u32 {
  const e = u32(load<u16>(a, 8));
  const k = f80_class(e, load<u64>(a));
  const sign = e >> 15 != 0 ? C1 : 0;
  if (k == ZERO) return sign | C3;
  if (k == NORMAL) return sign | C2;
  if (k == DENORMAL) return sign | C3 | C2;
  if (k == INFINITE) return sign | C2 | C0;
  if (k == UNSUPPORTED) return sign;
  return sign | C0;
}

function arith_values(op: u32, dst: usize, a: usize, eb: u32, mb: u64, fcw: u32, pre: u32): u32 {
  const ea = u32(load<u16>(a, 8));
  const ma = load<u64>(a);
  switch (op) {
    case 0:
      return add_values(dst, ea, ma, eb, mb, 0, fcw, pre);
    case 1:
      return mul_values(dst, ea, ma, eb, mb, fcw, pre);
    case 4:
      return add_values(dst, ea, ma, eb, mb, 0x8000, fcw, pre);
    case 5:
      return add_values(dst, eb, mb, ea, ma, 0x8000, fcw, pre);
    case 6:
      return div_values(dst, ea, ma, eb, mb, fcw, pre);
    case 7:
      return div_values(dst, eb, mb, ea, ma, fcw, pre);
    default:
      return compare_values(ea, ma, eb, mb, false, pre);
  }
}
/** The operation of ModRM.reg (D8): 0 add, 1 mul, 2 com, 3 comp, 4 sub, 5 subr, 6 div, 7 divr. */
export function f80_arith(op: u32, dst: usize, a: usize, b: usize, fcw: u32): u32 {
  switch (op) {
    case 0:
      return f80_add(dst, a, b, fcw);
    case 1:
      return f80_mul(dst, a, b, fcw);
    case 4:
      return f80_sub(dst, a, b, fcw);
    case 5:
      return f80_sub(dst, b, a, fcw);
    case 6:
      return f80_div(dst, a, b, fcw);
    case 7:
      return f80_div(dst, b, a, fcw);
    default:
      return f80_compare(a, b, fcw);
  }
}

/** Sign and exponent, and significand, of a single or double; a signaling NaN stays signaling. */
export function widen_exp(w: u32, bits: u64): u32 {
  const s = u32(bits >> u64(w - 1)) << 15;
  const k = ieee_class(w, bits);
  if (k >= INFINITE) return s | 0x7fff;
  return k == ZERO ? s : s | u32(ieee_exp(w, bits) + BIAS);
}
export function widen_man(w: u32, bits: u64): u64 {
  const k = ieee_class(w, bits);
  return k == ZERO ? 0 : ieee_man(w, bits);
}
/** Room for the second operand of the functions below. */
const OPERAND: usize = memory.data(16, 16);
export function f80_arith_f32(op: u32, dst: usize, a: usize, bits: u32, fcw: u32): u32 {
  const x = (bits >> 23) & 0xff;
  if (x - 1 < 0xfe) {
    put(OPERAND, ((bits >> 16) & 0x8000) | (x + 16256), (u64(bits) << 40) | TOP);
    return f80_arith(op, dst, a, OPERAND, fcw);
  }
  const pre: u32 = x == 0 && bits << 1 != 0 ? DE : 0;
  return arith_values(op, dst, a, widen_exp(32, u64(bits)), widen_man(32, u64(bits)), fcw, pre);
}
export function f80_arith_f64(op: u32, dst: usize, a: usize, bits: u64, fcw: u32): u32 {
  const x = u32(bits >> 52) & 0x7ff;
  if (x - 1 < 0x7fe) {
    put(OPERAND, (u32(bits >> 48) & 0x8000) | (x + 15360), (bits << 11) | TOP);
    return f80_arith(op, dst, a, OPERAND, fcw);
  }
  const pre: u32 = x == 0 && bits << 1 != 0 ? DE : 0;
  return arith_values(op, dst, a, widen_exp(64, bits), widen_man(64, bits), fcw, pre);
}
export function f80_arith_int(op: u32, dst: usize, a: usize, value: i32, fcw: u32): u32 {
  if (value == 0) return arith_values(op, dst, a, 0, 0, fcw, 0);
  const m = u64(abs<i64>(i64(value)));
  const s = clz(m);
  return arith_values(op, dst, a, (u32(value < 0) << 15) | u32(BIAS + 63 - i32(s)), m << s, fcw, 0);
}

export function f80_sqrt(dst: usize, a: usize, fcw: u32): u32 {
  const e = u32(load<u16>(a, 8));
  const m = load<u64>(a);
  const k = f80_class(e, m);
  if (k >= QNAN) return nan_unary(dst, e, m, k, fcw);
  if (k == ZERO) {
    put(dst, e, m);
    return 0;
  }
  if (e >> 15 != 0) return invalid(dst, fcw);
  const flags: u32 = k == DENORMAL ? DE : 0;
  if (blocked(flags, fcw)) return flags;
  if (k == INFINITE) {
    put(dst, e, m);
    return 0;
  }
  exact_sqrt(f80_exp(e, m), f80_man(m));
  return pack_exact(dst, drop_of(fcw), fcw, flags);
}

/** FRNDINT. */
export function f80_round_int(dst: usize, a: usize, fcw: u32): u32 {
  const e = u32(load<u16>(a, 8));
  const m = load<u64>(a);
  const k = f80_class(e, m);
  if (k >= QNAN) return nan_unary(dst, e, m, k, fcw);
  const flags: u32 = k == DENORMAL ? DE : 0;
  if (blocked(flags, fcw)) return flags;
  const sign = e >> 15;
  const exp = i32(e & 0x7fff) - BIAS;
  if (k == ZERO || k == INFINITE || exp >= 63) {
    put(dst, e, m);
    return flags;
  }
  let r: u64;
  if (exp < 0) {
    shift_right_jam(m, 0, u32(min(-1 - exp, 100)) + 64);
    r = round_significand(0, r_lo, sign, 0, rc_of(fcw));
    put(dst, (sign << 15) | (r == 0 ? 0 : u32(BIAS)), r == 0 ? 0 : TOP);
  } else {
    r = round_significand(m, 0, sign, u32(63 - exp), rc_of(fcw));
    put(dst, r == 0 ? e + 1 : e, r == 0 ? TOP : r);
  }
  return flags | (r_inexact ? PE : 0) | (r_up ? C1 : 0);
}

/** FSCALE: a * 2^trunc(b). */
export function f80_scale(dst: usize, a: usize, b: usize, fcw: u32): u32 {
  const ea = u32(load<u16>(a, 8));
  const ma = load<u64>(a);
  const eb = u32(load<u16>(b, 8));
  const mb = load<u64>(b);
  const ka = f80_class(ea, ma);
  const kb = f80_class(eb, mb);
  if (ka >= QNAN || kb >= QNAN) return nan_result(dst, ea, ma, ka, eb, mb, kb, fcw);
  const s = ea & 0x8000;
  const sb = eb >> 15;
  if (kb == INFINITE && ((ka == INFINITE && sb != 0) || (ka == ZERO && sb == 0))) return invalid(dst, fcw);
  const flags: u32 = ka == DENORMAL || kb == DENORMAL ? DE : 0;
  if (blocked(flags, fcw)) return flags;
  if (ka == INFINITE || ka == ZERO) {
    put(dst, ea, ma);
    return flags;
  }
  if (kb == INFINITE) {
    put(dst, sb != 0 ? s : s | 0x7fff, sb != 0 ? 0 : TOP);
    return flags;
  }
  let n: i32 = 0;
  if (kb == NORMAL) {
    const x = i32(eb & 0x7fff) - BIAS;
    if (x >= 0) n = x >= 17 ? 0x20000 : i32(mb >> u64(63 - x));
    if (sb != 0) n = -n;
  }
  return pack(dst, s >> 15, f80_exp(ea, ma) + n, f80_man(ma), 0, 0, fcw, flags);
}

/** FXTRACT. */
export function f80_extract(dst_significand: usize, dst_exponent: usize, a: usize, fcw: u32): u32 {
  const e = u32(load<u16>(a, 8));
  const m = load<u64>(a);
  const k = f80_class(e, m);
  if (k >= QNAN) {
    const flags = nan_unary(dst_significand, e, m, k, fcw);
    if (!blocked(flags, fcw)) f80_copy(dst_exponent, dst_significand);
    return flags;
  }
  if (k == ZERO) {
    if ((fcw & ZE) != 0) {
      put(dst_exponent, 0xffff, TOP);
      put(dst_significand, e, m);
    }
    return ZE;
  }
  if (k == INFINITE) {
    put(dst_exponent, 0x7fff, TOP);
    put(dst_significand, e, m);
    return 0;
  }
  const flags: u32 = k == DENORMAL ? DE : 0;
  if (blocked(flags, fcw)) return flags;
  f80_from_i32(dst_exponent, f80_exp(e, m));
  put(dst_significand, (e & 0x8000) | u32(BIAS), f80_man(m));
  return flags;
}

/** Bits 2, 1, 0 of the quotient in C0, C3, C1. */
@inline
function quotient_bits(q: u64): u32 {
  return ((u32(q) & 4) << 6) | ((u32(q) & 2) << 13) | ((u32(q) & 1) << 9);
}
function remainder(dst: usize, a: usize, b: usize, nearest: bool, fcw: u32): u32 {
  const ea = u32(load<u16>(a, 8));
  const ma = load<u64>(a);
  const eb = u32(load<u16>(b, 8));
  const mb = load<u64>(b);
  const ka = f80_class(ea, ma);
  const kb = f80_class(eb, mb);
  if (ka >= QNAN || kb >= QNAN) return nan_result(dst, ea, ma, ka, eb, mb, kb, fcw);
  if (ka == INFINITE || kb == ZERO) return invalid(dst, fcw);
  const flags: u32 = ka == DENORMAL || kb == DENORMAL ? DE : 0;
  if (blocked(flags, fcw)) return flags;
  const sign = ea >> 15;
  if (ka == ZERO) {
    put(dst, ea, ma);
    return flags;
  }
  const xa = f80_exp(ea, ma);
  const na = f80_man(ma);
  if (kb == INFINITE) return pack(dst, sign, xa, na, 0, 0, fcw, flags);
  const xb = f80_exp(eb, mb);
  const nb = f80_man(mb);
  const d = xa - xb;
  if (d < -1 || (d == -1 && (!nearest || na <= nb))) return pack(dst, sign, xa, na, 0, 0, fcw, flags);
  if (d == -1) {
    const r = nb - (na - nb);
    return pack(dst, sign ^ 1, xa - i32(clz(r)), f80_man(r), 0, 0, fcw, flags) | quotient_bits(1);
  }
  if (d >= 64) {
    // Partial: as many quotient bits as the processor takes at once, 32..63.
    const n = (u32(d) & 31) | 32;
    div64(na >> u64(64 - n), na << u64(n), nb);
    const r = w_lo;
    if (r == 0) {
      put(dst, sign << 15, 0);
      return flags | C2;
    }
    return pack(dst, sign, xa - i32(n) - i32(clz(r)), f80_man(r), 0, 0, fcw, flags) | C2;
  }
  let q = div64(d == 0 ? 0 : na >> u64(64 - d), na << u64(d), nb);
  let r = w_lo;
  let s = sign;
  if (nearest) {
    const left = nb - r;
    if (r > left || (r == left && (q & 1) != 0)) {
      r = left;
      q++;
      s ^= 1;
    }
  }
  if (r == 0) {
    put(dst, sign << 15, 0);
    return flags | quotient_bits(q);
  }
  return pack(dst, s, xb - i32(clz(r)), f80_man(r), 0, 0, fcw, flags) | quotient_bits(q);
}
/** FPREM: quotient truncated. */
export function f80_rem(dst: usize, a: usize, b: usize, fcw: u32): u32 {
  return remainder(dst, a, b, false, fcw);
}
/** FPREM1: quotient to nearest even. */
export function f80_rem1(dst: usize, a: usize, b: usize, fcw: u32): u32 {
  return remainder(dst, a, b, true, fcw);
}

export function f80_copy(dst: usize, a: usize): void {
  const m = load<u64>(a);
  put(dst, load<u16>(a, 8), m);
}
export function f80_abs(dst: usize, a: usize): void {
  const m = load<u64>(a);
  put(dst, load<u16>(a, 8) & 0x7fff, m);
}
export function f80_chs(dst: usize, a: usize): void {
  const m = load<u64>(a);
  put(dst, load<u16>(a, 8) ^ 0x8000, m);
}
export function f80_indefinite(dst: usize): void {
  put(dst, 0xffff, TOP | QUIET);
}
export function f80_from_i32(dst: usize, value: i32): void {
  f80_from_i64(dst, i64(value));
}
export function f80_from_i64(dst: usize, value: i64): void {
  if (value == 0) {
    put(dst, 0, 0);
    return;
  }
  const m = value < 0 ? 0 - u64(value) : u64(value);
  const s = clz(m);
  put(dst, (u32(value < 0) << 15) | u32(BIAS + 63 - i32(s)), m << s);
}
