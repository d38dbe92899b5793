// Conversions between 80-bit extended and the memory formats: single, double, integers, packed BCD, constants.
// Source: SDM 2 FLD, FST, FIST, FISTTP, FBLD, FBSTP, FLD1..FLDZ; SDM 1 "Load Constant Instructions".
import { TOP } from './exact';
import { widen_exp, widen_man } from './f80';
import { blocked, f80_class, f80_exp, f80_man, put, QUIET, rc_of } from './f80-format';
import { default_nan, ieee_class, ieee_pack, significand_to_int } from './ieee';
import { C1, DE, DENORMAL, IE, INFINITE, OE, PE, QNAN, SNAN, UE, UNSUPPORTED, ZERO, fp_flags, set_fp_flags } from './status';

function from_ieee(w: u32, dst: usize, bits: u64, fcw: u32): u32 {
  const k = ieee_class(w, bits);
  const flags: u32 = k == SNAN ? IE : k == DENORMAL ? DE : 0;
  if (blocked(flags, fcw)) return flags;
  put(dst, widen_exp(w, bits), widen_man(w, bits) | (k == SNAN ? QUIET : 0));
  return flags;
}
export function f80_from_f32(dst: usize, bits: u32, fcw: u32): u32 {
  const x = (bits >> 23) & 0xff;
  if (x - 1 < 0xfe) {
    put(dst, ((bits >> 16) & 0x8000) | (x + 16256), (u64(bits) << 40) | TOP);
    return 0;
  }
  return from_ieee(32, dst, u64(bits), fcw);
}
export function f80_from_f64(dst: usize, bits: u64, fcw: u32): u32 {
  const x = u32(bits >> 52) & 0x7ff;
  if (x - 1 < 0x7fe) {
    put(dst, (u32(bits >> 48) & 0x8000) | (x + 15360), (bits << 11) | TOP);
    return 0;
  }
  return from_ieee(64, dst, bits, fcw);
}

function to_ieee(w: u32, e: u32, m: u64, fcw: u32): u64 {
  set_fp_flags(0);
  const k = f80_class(e, m);
  const s = u64(e >> 15) << u64(w - 1);
  if (k == ZERO) return s;
  if (k == INFINITE) return s | (w == 64 ? 0x7ff0000000000000 : 0x7f800000);
  if (k == UNSUPPORTED) {
    set_fp_flags(IE);
    return default_nan(w);
  }
  if (k >= QNAN) {
    if (k == SNAN) set_fp_flags(IE);
    const q = m | QUIET;
    return s | (w == 64 ? 0x7ff0000000000000 | ((q << 1) >> 12) : 0x7f800000 | ((q << 1) >> 41));
  }
  const bits = ieee_pack(w, e >> 15, f80_exp(e, m), f80_man(m), 0, rc_of(fcw), ~fcw & (OE | UE), false);
  // An unmasked overflow or underflow of a store keeps the operand; nothing was rounded.
  const trap = fp_flags & ~fcw & (OE | UE);
  if (trap != 0) set_fp_flags(trap);
  return bits;
}
export function f80_to_f32(a: usize, fcw: u32): u32 {
  return u32(to_ieee(32, load<u16>(a, 8), load<u64>(a), fcw));
}
export function f80_to_f64(a: usize, fcw: u32): u64 {
  const e = u32(load<u16>(a, 8));
  const m = load<u64>(a);
  const x = (e & 0x7fff) - 15360;
  if (i64(m) < 0 && x - 1 < 0x7fd && (fcw & 0xc00) == 0) {
    // Normal, and so after rounding to nearest even; a carry out of the fraction goes on into the exponent.
    const fraction = (m << 1) >> 12;
    const rest = m & 0x7ff;
    const up = rest > 0x400 || (rest == 0x400 && (fraction & 1) != 0);
    set_fp_flags(rest == 0 ? 0 : up ? PE | C1 : PE);
    return ((u64(e >> 15) << 63) | (u64(x) << 52) | fraction) + u64(up);
  }
  return to_ieee(64, e, m, fcw);
}

function to_int(a: usize, bits: u32, fcw: u32): i64 {
  set_fp_flags(0);
  const e = u32(load<u16>(a, 8));
  const m = load<u64>(a);
  const k = f80_class(e, m);
  if (k == ZERO) return 0;
  if (k >= INFINITE) {
    set_fp_flags(IE);
    return i64(-1) << i64(bits - 1);
  }
  return significand_to_int(e >> 15, f80_exp(e, m), f80_man(m), rc_of(fcw), bits);
}
export function f80_to_i16(a: usize, fcw: u32): i32 {
  return i32(to_int(a, 16, fcw));
}
export function f80_to_i32(a: usize, fcw: u32): i32 {
  return i32(to_int(a, 32, fcw));
}
export function f80_to_i64(a: usize, fcw: u32): i64 {
  return to_int(a, 64, fcw);
}

/** FBLD: 18 packed decimal digits and a sign byte at `address`. */
export function f80_from_bcd(dst: usize, address: usize): void {
  let value: u64 = 0;
  for (let i: usize = 9; i > 0; i--) {
    const byte = u64(load<u8>(address + i - 1));
    value = value * 100 + (byte >> 4) * 10 + (byte & 15);
  }
  const s = u32(load<u8>(address, 9) >> 7) << 15;
  if (value == 0) {
    put(dst, s, 0);
    return;
  }
  const n = clz(value);
  put(dst, s | u32(16383 + 63 - i32(n)), value << n);
}
/** FBSTP: ten bytes at dst, not written when an unmasked IE occurs. */
export function f80_to_bcd(dst: usize, a: usize, fcw: u32): u32 {
  const v = to_int(a, 64, fcw);
  const sign = u32(load<u16>(a, 8)) >> 15;
  const flags = fp_flags;
  let m = v < 0 ? 0 - u64(v) : u64(v);
  if ((flags & IE) != 0 || m > 999999999999999999) {
    if ((fcw & IE) != 0) {
      store<u64>(dst, 0xc000000000000000);
      store<u16>(dst, 0xffff, 8);
    }
    return IE;
  }
  for (let i: usize = 0; i < 9; i++) {
    const pair = m % 100;
    m /= 100;
    store<u8>(dst + i, u32(((pair / 10) << 4) | (pair % 10)));
  }
  store<u8>(dst, sign << 7, 9);
  return flags;
}

// 1.0, log2 10, log2 e, pi, log10 2, ln 2, +0: exponent, significand truncated, next bit (rounds up in nearest), inexact.
const CONSTANTS = memory.data<u64>([
  0x3fff, 0x8000000000000000, 0, 0, 0x4000, 0xd49a784bcd1b8afe, 0, 1, 0x3fff, 0xb8aa3b295c17f0bb, 1, 1, 0x4000,
  0xc90fdaa22168c234, 1, 1, 0x3ffd, 0x9a209a84fbcff798, 1, 1, 0x3ffe, 0xb17217f7d1cf79ab, 1, 1, 0, 0, 0, 0,
]);
/** The constant of opcode D9 E8+which, rounded by RC; no flags. */
export function f80_constant(dst: usize, which: u32, fcw: u32): void {
  const p = CONSTANTS + usize(which) * 32;
  const rc = rc_of(fcw);
  const up = rc == 0 ? load<u64>(p, 16) : rc == 2 ? load<u64>(p, 24) : 0;
  put(dst, u32(load<u64>(p)), load<u64>(p, 8) + up);
}
