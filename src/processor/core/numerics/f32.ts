// Single-precision scalar operations on bit patterns, MXCSR semantics; exception flags are ORed into fp_flags.
// Source: SDM 1 "SSE and SSE2 Floating-Point Data Types"; the fast path uses Wasm's IEEE operations where the flags cannot change.
import {
  ieee_add,
  ieee_compare,
  ieee_div,
  ieee_from_int,
  ieee_min_max,
  ieee_mul,
  ieee_round,
  ieee_sqrt,
  ieee_to_int,
  ieee_widen,
} from './ieee';

/** MXCSR allows the native operation: nearest, no DAZ/FTZ, PE masked and already set. */
@inline
function native(mxcsr: u32): bool {
  return (mxcsr & 0xf060) == 0x1020;
}
/** Neither zero, denormal, infinite nor NaN. */
@inline
function normal(a: u32): bool {
  return (a << 1) - 0x01000000 < 0xfe000000;
}
@inline
function zero(a: u32): bool {
  return a << 1 == 0;
}
/** A finite result above the smallest normal: no overflow and no underflow happened. */
@inline
function safe(a: u32): bool {
  return (a << 1) - 0x01000000 - 1 < 0xfe000000 - 1;
}

export function f32_add_soft(a: u32, b: u32, mxcsr: u32): u32 {
  return u32(ieee_add(32, u64(a), u64(b), false, mxcsr));
}
export function f32_add(a: u32, b: u32, mxcsr: u32): u32 {
  if (native(mxcsr) && (normal(a) || zero(a)) && (normal(b) || zero(b))) {
    const r = reinterpret<u32>(reinterpret<f32>(a) + reinterpret<f32>(b));
    if (safe(r) || zero(r)) return r;
  }
  return f32_add_soft(a, b, mxcsr);
}

export function f32_sub_soft(a: u32, b: u32, mxcsr: u32): u32 {
  return u32(ieee_add(32, u64(a), u64(b), true, mxcsr));
}
export function f32_sub(a: u32, b: u32, mxcsr: u32): u32 {
  if (native(mxcsr) && (normal(a) || zero(a)) && (normal(b) || zero(b))) {
    const r = reinterpret<u32>(reinterpret<f32>(a) - reinterpret<f32>(b));
    if (safe(r) || zero(r)) return r;
  }
  return f32_sub_soft(a, b, mxcsr);
}

export function f32_mul_soft(a: u32, b: u32, mxcsr: u32): u32 {
  return u32(ieee_mul(32, u64(a), u64(b), mxcsr));
}
export function f32_mul(a: u32, b: u32, mxcsr: u32): u32 {
  if (native(mxcsr) && (normal(a) || zero(a)) && (normal(b) || zero(b))) {
    const r = reinterpret<u32>(reinterpret<f32>(a) * reinterpret<f32>(b));
    if (safe(r) || (zero(r) && (zero(a) || zero(b)))) return r;
  }
  return f32_mul_soft(a, b, mxcsr);
}

export function f32_div_soft(a: u32, b: u32, mxcsr: u32): u32 {
  return u32(ieee_div(32, u64(a), u64(b), mxcsr));
}
export function f32_div(a: u32, b: u32, mxcsr: u32): u32 {
  if (native(mxcsr) && (normal(a) || zero(a)) && (normal(b) || zero(b))) {
    const r = reinterpret<u32>(reinterpret<f32>(a) / reinterpret<f32>(b));
    if (safe(r) || (zero(r) && zero(a))) return r;
  }
  return f32_div_soft(a, b, mxcsr);
}

export function f32_sqrt_soft(a: u32, mxcsr: u32): u32 {
  return u32(ieee_sqrt(32, u64(a), mxcsr));
}
export function f32_sqrt(a: u32, mxcsr: u32): u32 {
  if (native(mxcsr) && normal(a) && i32(a) > 0) return reinterpret<u32>(sqrt<f32>(reinterpret<f32>(a)));
  return f32_sqrt_soft(a, mxcsr);
}
export function f32_min(a: u32, b: u32, mxcsr: u32): u32 {
  if (normal(a) && normal(b)) return reinterpret<f32>(a) < reinterpret<f32>(b) ? a : b;
  return u32(ieee_min_max(32, u64(a), u64(b), false, mxcsr));
}
export function f32_max(a: u32, b: u32, mxcsr: u32): u32 {
  if (normal(a) && normal(b)) return reinterpret<f32>(a) > reinterpret<f32>(b) ? a : b;
  return u32(ieee_min_max(32, u64(a), u64(b), true, mxcsr));
}
/** 0 less, 1 equal, 2 greater, 3 unordered. */
export function f32_compare(a: u32, b: u32, signaling: bool, mxcsr: u32): u32 {
  if (normal(a) && normal(b)) {
    const x = reinterpret<f32>(a);
    const y = reinterpret<f32>(b);
    return x < y ? 0 : x == y ? 1 : 2;
  }
  return ieee_compare(32, u64(a), u64(b), signaling, mxcsr);
}
/** Rounds to an integral value, mode 0 nearest even, 1 down, 2 up, 3 to zero. */
export function f32_round(a: u32, mode: u32, suppress: bool, mxcsr: u32): u32 {
  return u32(ieee_round(32, u64(a), mode, suppress, mxcsr));
}
export function f32_to_i32(a: u32, rc: u32, mxcsr: u32): i32 {
  return i32(ieee_to_int(32, u64(a), rc, 32, mxcsr));
}
export function f32_to_i64(a: u32, rc: u32, mxcsr: u32): i64 {
  return ieee_to_int(32, u64(a), rc, 64, mxcsr);
}
export function f32_from_i32(v: i32, mxcsr: u32): u32 {
  return u32(ieee_from_int(32, i64(v), mxcsr));
}
export function f32_from_i64(v: i64, mxcsr: u32): u32 {
  return u32(ieee_from_int(32, v, mxcsr));
}
export function f32_to_f64(a: u32, mxcsr: u32): u64 {
  if (normal(a)) return reinterpret<u64>(f64(reinterpret<f32>(a)));
  return ieee_widen(a, mxcsr);
}
