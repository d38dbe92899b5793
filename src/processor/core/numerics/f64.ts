// Double-precision scalar operations on bit patterns, MXCSR semantics; exception flags are ORed into fp_flags.
// Source: SDM 1 "SSE and SSE2 Floating-Point Data Types"; the fast path uses Wasm's IEEE operations where the flags cannot change.
import {
  ieee_add,
  ieee_compare,
  ieee_div,
  ieee_from_int,
  ieee_min_max,
  ieee_mul,
  ieee_narrow,
  ieee_round,
  ieee_sqrt,
  ieee_to_int,
} from './ieee';

/** MXCSR allows the native operation: nearest, no DAZ/FTZ, PE masked and already set. */
@inline
function native(mxcsr: u32): bool {
  return (mxcsr & 0xf060) == 0x1020;
}
/** Neither zero, denormal, infinite nor NaN. */
@inline
function normal(a: u64): bool {
  return (a << 1) - 0x0020000000000000 < 0xffc0000000000000;
}
@inline
function zero(a: u64): bool {
  return a << 1 == 0;
}
/** A finite result above the smallest normal: no overflow and no underflow happened. */
@inline
function safe(a: u64): bool {
  return (a << 1) - 0x0020000000000000 - 1 < 0xffc0000000000000 - 1;
}

export function f64_add_soft(a: u64, b: u64, mxcsr: u32): u64 {
  return ieee_add(64, a, b, false, mxcsr);
}
export function f64_add(a: u64, b: u64, mxcsr: u32): u64 {
  if (native(mxcsr) && (normal(a) || zero(a)) && (normal(b) || zero(b))) {
    const r = reinterpret<u64>(reinterpret<f64>(a) + reinterpret<f64>(b));
    if (safe(r) || zero(r)) return r;
  }
  return f64_add_soft(a, b, mxcsr);
}

export function f64_sub_soft(a: u64, b: u64, mxcsr: u32): u64 {
  return ieee_add(64, a, b, true, mxcsr);
}
export function f64_sub(a: u64, b: u64, mxcsr: u32): u64 {
  if (native(mxcsr) && (normal(a) || zero(a)) && (normal(b) || zero(b))) {
    const r = reinterpret<u64>(reinterpret<f64>(a) - reinterpret<f64>(b));
    if (safe(r) || zero(r)) return r;
  }
  return f64_sub_soft(a, b, mxcsr);
}

export function f64_mul_soft(a: u64, b: u64, mxcsr: u32): u64 {
  return ieee_mul(64, a, b, mxcsr);
}
export function f64_mul(a: u64, b: u64, mxcsr: u32): u64 {
  if (native(mxcsr) && (normal(a) || zero(a)) && (normal(b) || zero(b))) {
    const r = reinterpret<u64>(reinterpret<f64>(a) * reinterpret<f64>(b));
    if (safe(r) || (zero(r) && (zero(a) || zero(b)))) return r;
  }
  return f64_mul_soft(a, b, mxcsr);
}

export function f64_div_soft(a: u64, b: u64, mxcsr: u32): u64 {
  return ieee_div(64, a, b, mxcsr);
}
export function f64_div(a: u64, b: u64, mxcsr: u32): u64 {
  if (native(mxcsr) && (normal(a) || zero(a)) && (normal(b) || zero(b))) {
    const r = reinterpret<u64>(reinterpret<f64>(a) / reinterpret<f64>(b));
    if (safe(r) || (zero(r) && zero(a))) return r;
  }
  return f64_div_soft(a, b, mxcsr);
}

export function f64_sqrt_soft(a: u64, mxcsr: u32): u64 {
  return ieee_sqrt(64, a, mxcsr);
}
export function f64_sqrt(a: u64, mxcsr: u32): u64 {
  if (native(mxcsr) && normal(a) && i64(a) > 0) return reinterpret<u64>(sqrt<f64>(reinterpret<f64>(a)));
  return f64_sqrt_soft(a, mxcsr);
}
export function f64_min(a: u64, b: u64, mxcsr: u32): u64 {
  if (normal(a) && normal(b)) return reinterpret<f64>(a) < reinterpret<f64>(b) ? a : b;
  return ieee_min_max(64, a, b, false, mxcsr);
}
export function f64_max(a: u64, b: u64, mxcsr: u32): u64 {
  if (normal(a) && normal(b)) return reinterpret<f64>(a) > reinterpret<f64>(b) ? a : b;
  return ieee_min_max(64, a, b, true, mxcsr);
}
/** 0 less, 1 equal, 2 greater, 3 unordered. */
export function f64_compare(a: u64, b: u64, signaling: bool, mxcsr: u32): u32 {
  if (normal(a) && normal(b)) {
    const x = reinterpret<f64>(a);
    const y = reinterpret<f64>(b);
    return x < y ? 0 : x == y ? 1 : 2;
  }
  return ieee_compare(64, a, b, signaling, mxcsr);
}
/** Rounds to an integral value, mode 0 nearest even, 1 down, 2 up, 3 to zero. */
export function f64_round(a: u64, mode: u32, suppress: bool, mxcsr: u32): u64 {
  return ieee_round(64, a, mode, suppress, mxcsr);
}
export function f64_to_i32(a: u64, rc: u32, mxcsr: u32): i32 {
  return i32(ieee_to_int(64, a, rc, 32, mxcsr));
}
export function f64_to_i64(a: u64, rc: u32, mxcsr: u32): i64 {
  return ieee_to_int(64, a, rc, 64, mxcsr);
}
export function f64_from_i32(v: i32, mxcsr: u32): u64 {
  return reinterpret<u64>(f64(v));
}
export function f64_from_i64(v: i64, mxcsr: u32): u64 {
  return ieee_from_int(64, v, mxcsr);
}
export function f64_to_f32(a: u64, mxcsr: u32): u32 {
  if (native(mxcsr) && normal(a)) {
    const r = reinterpret<u32>(f32(reinterpret<f64>(a)));
    if ((r << 1) - 0x01000001 < 0xfdffffff) return r;
  }
  return ieee_narrow(a, mxcsr);
}
