// SSE..SSE4.1 floating-point instructions on 16-byte memory operands: dst = dst op src.
// Source: SDM 2 (each instruction), SDM 1 "Handling SIMD Floating-Point Exceptions in Software".
// Each returns the exception flags raised; dst is written only when none of them is unmasked in MXCSR.
import {
  f32_add,
  f32_compare,
  f32_div,
  f32_from_i32,
  f32_from_i64,
  f32_max,
  f32_min,
  f32_mul,
  f32_round,
  f32_sqrt,
  f32_sub,
  f32_to_f64,
  f32_to_i32,
  f32_to_i64,
} from './f32';
import {
  f64_add,
  f64_compare,
  f64_div,
  f64_from_i32,
  f64_from_i64,
  f64_max,
  f64_min,
  f64_mul,
  f64_round,
  f64_sqrt,
  f64_sub,
  f64_to_f32,
  f64_to_i32,
  f64_to_i64,
} from './f64';
import { fp_flags, set_fp_eflags, set_fp_flags } from './status';

const FLAGS: u32 = 0x3f;
/** May the result be written? */
@inline
function commit(mxcsr: u32): bool {
  return (fp_flags & ~(mxcsr >> 7) & FLAGS) == 0;
}
/**
 * What the instruction reports. An unmasked exception detected before the computation (IE, DE, ZE) hides those
 * detected after it (OE, UE, PE) in all lanes.
 */
@inline
function report(mxcsr: u32): u32 {
  const flags = fp_flags & FLAGS;
  return (flags & ~(mxcsr >> 7) & 7) != 0 ? flags & 7 : flags;
}
@inline
function native(mxcsr: u32): bool {
  return (mxcsr & 0xf060) == 0x1020;
}
@inline
function is_zero(a: v128): v128 {
  return v128.eq<i32>(v128.shl<i32>(a, 1), i32x4.splat(0));
}
/** All four lanes normal numbers or zeros. */
@inline
function ordinary_ps(a: v128): bool {
  const m = v128.sub<i32>(v128.shl<i32>(a, 1), i32x4.splat(0x01000000));
  return v128.all_true<i32>(v128.or(v128.lt<u32>(m, i32x4.splat(0xfe000000)), is_zero(a)));
}
/** All four lanes finite and above the smallest normal, or zeros where `zeros` allows them. */
@inline
function safe_ps(a: v128, zeros: v128): bool {
  const m = v128.sub<i32>(v128.shl<i32>(a, 1), i32x4.splat(0x01000001));
  return v128.all_true<i32>(v128.or(v128.lt<u32>(m, i32x4.splat(0xfdffffff)), v128.and(is_zero(a), zeros)));
}

/** No denormal lanes. */
@inline
function no_denormals_ps(a: v128): bool {
  return !v128.any_true(v128.lt<u32>(v128.sub<i32>(v128.shl<i32>(a, 1), i32x4.splat(1)), i32x4.splat(0x00ffffff)));
}
@inline
function pick_nan_ps(a: v128, b: v128): v128 {
  const quiet = i32x4.splat(0x00400000);
  const second = v128.bitselect(v128.or(b, quiet), i32x4.splat(0xffc00000), v128.ne<f32>(b, b));
  return v128.bitselect(v128.or(a, quiet), second, v128.ne<f32>(a, a));
}
/**
 * Takes over r, made of operands without denormals, where only infinities and NaNs (whose flags `noted` are set already and
 * masked) and zeros (where `zeros` allows them) are beside normal numbers.
 */
function settled_ps(dst: usize, a: v128, b: v128, r: v128, zeros: v128, noted: u32, mxcsr: u32): bool {
  const quiet = noted | (noted << 7);
  if ((mxcsr & quiet) != quiet) return false;
  const m = v128.sub<i32>(v128.shl<i32>(r, 1), i32x4.splat(0x01000000));
  const large = v128.lt<u32>(m, i32x4.splat(0xff000000));
  if (!v128.all_true<i32>(v128.or(large, v128.and(is_zero(r), zeros)))) return false;
  v128.store(dst, v128.bitselect(pick_nan_ps(a, b), r, v128.ne<f32>(r, r)));
  return true;
}

export function sse_add_ps(dst: usize, src: usize, mxcsr: u32): u32 {
  if (native(mxcsr)) {
    const a = v128.load(dst);
    const b = v128.load(src);
    if (ordinary_ps(a) && ordinary_ps(b)) {
      const r = v128.add<f32>(a, b);
      if (safe_ps(r, i32x4.splat(-1))) {
        v128.store(dst, r);
        return 0;
      }
    }
    if (no_denormals_ps(a) && no_denormals_ps(b)) {
      if (settled_ps(dst, a, b, v128.add<f32>(a, b), i32x4.splat(-1), 0x09, mxcsr)) return 0;
    }
  }
  set_fp_flags(0);
  const r0 = f32_add(load<u32>(dst), load<u32>(src), mxcsr);
  const r1 = f32_add(load<u32>(dst, 4), load<u32>(src, 4), mxcsr);
  const r2 = f32_add(load<u32>(dst, 8), load<u32>(src, 8), mxcsr);
  const r3 = f32_add(load<u32>(dst, 12), load<u32>(src, 12), mxcsr);
  if (commit(mxcsr)) {
    store<u32>(dst, r0);
    store<u32>(dst, r1, 4);
    store<u32>(dst, r2, 8);
    store<u32>(dst, r3, 12);
  }
  return report(mxcsr);
}
export function sse_add_pd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_add(load<u64>(dst), load<u64>(src), mxcsr);
  const r1 = f64_add(load<u64>(dst, 8), load<u64>(src, 8), mxcsr);
  if (commit(mxcsr)) {
    store<u64>(dst, r0);
    store<u64>(dst, r1, 8);
  }
  return report(mxcsr);
}
export function sse_add_ss(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r = f32_add(load<u32>(dst), load<u32>(src), mxcsr);
  if (commit(mxcsr)) store<u32>(dst, r);
  return report(mxcsr);
}
export function sse_add_sd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r = f64_add(load<u64>(dst), load<u64>(src), mxcsr);
  if (commit(mxcsr)) store<u64>(dst, r);
  return report(mxcsr);
}

export function sse_sub_ps(dst: usize, src: usize, mxcsr: u32): u32 {
  if (native(mxcsr)) {
    const a = v128.load(dst);
    const b = v128.load(src);
    if (ordinary_ps(a) && ordinary_ps(b)) {
      const r = v128.sub<f32>(a, b);
      if (safe_ps(r, i32x4.splat(-1))) {
        v128.store(dst, r);
        return 0;
      }
    }
    if (no_denormals_ps(a) && no_denormals_ps(b)) {
      if (settled_ps(dst, a, b, v128.sub<f32>(a, b), i32x4.splat(-1), 0x09, mxcsr)) return 0;
    }
  }
  set_fp_flags(0);
  const r0 = f32_sub(load<u32>(dst), load<u32>(src), mxcsr);
  const r1 = f32_sub(load<u32>(dst, 4), load<u32>(src, 4), mxcsr);
  const r2 = f32_sub(load<u32>(dst, 8), load<u32>(src, 8), mxcsr);
  const r3 = f32_sub(load<u32>(dst, 12), load<u32>(src, 12), mxcsr);
  if (commit(mxcsr)) {
    store<u32>(dst, r0);
    store<u32>(dst, r1, 4);
    store<u32>(dst, r2, 8);
    store<u32>(dst, r3, 12);
  }
  return report(mxcsr);
}
export function sse_sub_pd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_sub(load<u64>(dst), load<u64>(src), mxcsr);
  const r1 = f64_sub(load<u64>(dst, 8), load<u64>(src, 8), mxcsr);
  if (commit(mxcsr)) {
    store<u64>(dst, r0);
    store<u64>(dst, r1, 8);
  }
  return report(mxcsr);
}
export function sse_sub_ss(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r = f32_sub(load<u32>(dst), load<u32>(src), mxcsr);
  if (commit(mxcsr)) store<u32>(dst, r);
  return report(mxcsr);
}
export function sse_sub_sd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r = f64_sub(load<u64>(dst), load<u64>(src), mxcsr);
  if (commit(mxcsr)) store<u64>(dst, r);
  return report(mxcsr);
}

export function sse_mul_ps(dst: usize, src: usize, mxcsr: u32): u32 {
  if (native(mxcsr)) {
    const a = v128.load(dst);
    const b = v128.load(src);
    if (ordinary_ps(a) && ordinary_ps(b)) {
      const r = v128.mul<f32>(a, b);
      if (safe_ps(r, v128.or(is_zero(a), is_zero(b)))) {
        v128.store(dst, r);
        return 0;
      }
    }
    if (no_denormals_ps(a) && no_denormals_ps(b)) {
      if (settled_ps(dst, a, b, v128.mul<f32>(a, b), v128.or(is_zero(a), is_zero(b)), 0x09, mxcsr)) return 0;
    }
  }
  set_fp_flags(0);
  const r0 = f32_mul(load<u32>(dst), load<u32>(src), mxcsr);
  const r1 = f32_mul(load<u32>(dst, 4), load<u32>(src, 4), mxcsr);
  const r2 = f32_mul(load<u32>(dst, 8), load<u32>(src, 8), mxcsr);
  const r3 = f32_mul(load<u32>(dst, 12), load<u32>(src, 12), mxcsr);
  if (commit(mxcsr)) {
    store<u32>(dst, r0);
    store<u32>(dst, r1, 4);
    store<u32>(dst, r2, 8);
    store<u32>(dst, r3, 12);
  }
  return report(mxcsr);
}
export function sse_mul_pd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_mul(load<u64>(dst), load<u64>(src), mxcsr);
  const r1 = f64_mul(load<u64>(dst, 8), load<u64>(src, 8), mxcsr);
  if (commit(mxcsr)) {
    store<u64>(dst, r0);
    store<u64>(dst, r1, 8);
  }
  return report(mxcsr);
}
export function sse_mul_ss(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r = f32_mul(load<u32>(dst), load<u32>(src), mxcsr);
  if (commit(mxcsr)) store<u32>(dst, r);
  return report(mxcsr);
}
export function sse_mul_sd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r = f64_mul(load<u64>(dst), load<u64>(src), mxcsr);
  if (commit(mxcsr)) store<u64>(dst, r);
  return report(mxcsr);
}

export function sse_div_ps(dst: usize, src: usize, mxcsr: u32): u32 {
  if (native(mxcsr)) {
    const a = v128.load(dst);
    const b = v128.load(src);
    if (ordinary_ps(a) && ordinary_ps(b)) {
      const r = v128.div<f32>(a, b);
      if (safe_ps(r, is_zero(a))) {
        v128.store(dst, r);
        return 0;
      }
    }
    if (no_denormals_ps(a) && no_denormals_ps(b)) {
      if (settled_ps(dst, a, b, v128.div<f32>(a, b), is_zero(a), 0x0d, mxcsr)) return 0;
    }
  }
  set_fp_flags(0);
  const r0 = f32_div(load<u32>(dst), load<u32>(src), mxcsr);
  const r1 = f32_div(load<u32>(dst, 4), load<u32>(src, 4), mxcsr);
  const r2 = f32_div(load<u32>(dst, 8), load<u32>(src, 8), mxcsr);
  const r3 = f32_div(load<u32>(dst, 12), load<u32>(src, 12), mxcsr);
  if (commit(mxcsr)) {
    store<u32>(dst, r0);
    store<u32>(dst, r1, 4);
    store<u32>(dst, r2, 8);
    store<u32>(dst, r3, 12);
  }
  return report(mxcsr);
}
export function sse_div_pd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_div(load<u64>(dst), load<u64>(src), mxcsr);
  const r1 = f64_div(load<u64>(dst, 8), load<u64>(src, 8), mxcsr);
  if (commit(mxcsr)) {
    store<u64>(dst, r0);
    store<u64>(dst, r1, 8);
  }
  return report(mxcsr);
}
export function sse_div_ss(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r = f32_div(load<u32>(dst), load<u32>(src), mxcsr);
  if (commit(mxcsr)) store<u32>(dst, r);
  return report(mxcsr);
}
export function sse_div_sd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r = f64_div(load<u64>(dst), load<u64>(src), mxcsr);
  if (commit(mxcsr)) store<u64>(dst, r);
  return report(mxcsr);
}

export function sse_min_ps(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f32_min(load<u32>(dst), load<u32>(src), mxcsr);
  const r1 = f32_min(load<u32>(dst, 4), load<u32>(src, 4), mxcsr);
  const r2 = f32_min(load<u32>(dst, 8), load<u32>(src, 8), mxcsr);
  const r3 = f32_min(load<u32>(dst, 12), load<u32>(src, 12), mxcsr);
  if (commit(mxcsr)) {
    store<u32>(dst, r0);
    store<u32>(dst, r1, 4);
    store<u32>(dst, r2, 8);
    store<u32>(dst, r3, 12);
  }
  return report(mxcsr);
}
export function sse_min_pd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_min(load<u64>(dst), load<u64>(src), mxcsr);
  const r1 = f64_min(load<u64>(dst, 8), load<u64>(src, 8), mxcsr);
  if (commit(mxcsr)) {
    store<u64>(dst, r0);
    store<u64>(dst, r1, 8);
  }
  return report(mxcsr);
}
export function sse_min_ss(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r = f32_min(load<u32>(dst), load<u32>(src), mxcsr);
  if (commit(mxcsr)) store<u32>(dst, r);
  return report(mxcsr);
}
export function sse_min_sd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r = f64_min(load<u64>(dst), load<u64>(src), mxcsr);
  if (commit(mxcsr)) store<u64>(dst, r);
  return report(mxcsr);
}

export function sse_max_ps(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f32_max(load<u32>(dst), load<u32>(src), mxcsr);
  const r1 = f32_max(load<u32>(dst, 4), load<u32>(src, 4), mxcsr);
  const r2 = f32_max(load<u32>(dst, 8), load<u32>(src, 8), mxcsr);
  const r3 = f32_max(load<u32>(dst, 12), load<u32>(src, 12), mxcsr);
  if (commit(mxcsr)) {
    store<u32>(dst, r0);
    store<u32>(dst, r1, 4);
    store<u32>(dst, r2, 8);
    store<u32>(dst, r3, 12);
  }
  return report(mxcsr);
}
export function sse_max_pd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_max(load<u64>(dst), load<u64>(src), mxcsr);
  const r1 = f64_max(load<u64>(dst, 8), load<u64>(src, 8), mxcsr);
  if (commit(mxcsr)) {
    store<u64>(dst, r0);
    store<u64>(dst, r1, 8);
  }
  return report(mxcsr);
}
export function sse_max_ss(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r = f32_max(load<u32>(dst), load<u32>(src), mxcsr);
  if (commit(mxcsr)) store<u32>(dst, r);
  return report(mxcsr);
}
export function sse_max_sd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r = f64_max(load<u64>(dst), load<u64>(src), mxcsr);
  if (commit(mxcsr)) store<u64>(dst, r);
  return report(mxcsr);
}

export function sse_sqrt_ps(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f32_sqrt(load<u32>(src), mxcsr);
  const r1 = f32_sqrt(load<u32>(src, 4), mxcsr);
  const r2 = f32_sqrt(load<u32>(src, 8), mxcsr);
  const r3 = f32_sqrt(load<u32>(src, 12), mxcsr);
  if (commit(mxcsr)) {
    store<u32>(dst, r0);
    store<u32>(dst, r1, 4);
    store<u32>(dst, r2, 8);
    store<u32>(dst, r3, 12);
  }
  return report(mxcsr);
}
export function sse_sqrt_ss(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f32_sqrt(load<u32>(src), mxcsr);
  if (commit(mxcsr)) store<u32>(dst, r0);
  return report(mxcsr);
}
export function sse_sqrt_pd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_sqrt(load<u64>(src), mxcsr);
  const r1 = f64_sqrt(load<u64>(src, 8), mxcsr);
  if (commit(mxcsr)) {
    store<u64>(dst, r0);
    store<u64>(dst, r1, 8);
  }
  return report(mxcsr);
}
export function sse_sqrt_sd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_sqrt(load<u64>(src), mxcsr);
  if (commit(mxcsr)) store<u64>(dst, r0);
  return report(mxcsr);
}

/** Rounding control of ROUNDxx: imm bit 2 selects MXCSR.RC. */
@inline
function round_mode(imm: u32, mxcsr: u32): u32 {
  return (imm & 4) != 0 ? (mxcsr >> 13) & 3 : imm & 3;
}
export function sse_round_ps(dst: usize, src: usize, imm: u32, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f32_round(load<u32>(src), round_mode(imm, mxcsr), (imm & 8) != 0, mxcsr);
  const r1 = f32_round(load<u32>(src, 4), round_mode(imm, mxcsr), (imm & 8) != 0, mxcsr);
  const r2 = f32_round(load<u32>(src, 8), round_mode(imm, mxcsr), (imm & 8) != 0, mxcsr);
  const r3 = f32_round(load<u32>(src, 12), round_mode(imm, mxcsr), (imm & 8) != 0, mxcsr);
  if (commit(mxcsr)) {
    store<u32>(dst, r0);
    store<u32>(dst, r1, 4);
    store<u32>(dst, r2, 8);
    store<u32>(dst, r3, 12);
  }
  return report(mxcsr);
}
export function sse_round_ss(dst: usize, src: usize, imm: u32, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f32_round(load<u32>(src), round_mode(imm, mxcsr), (imm & 8) != 0, mxcsr);
  if (commit(mxcsr)) store<u32>(dst, r0);
  return report(mxcsr);
}
export function sse_round_pd(dst: usize, src: usize, imm: u32, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_round(load<u64>(src), round_mode(imm, mxcsr), (imm & 8) != 0, mxcsr);
  const r1 = f64_round(load<u64>(src, 8), round_mode(imm, mxcsr), (imm & 8) != 0, mxcsr);
  if (commit(mxcsr)) {
    store<u64>(dst, r0);
    store<u64>(dst, r1, 8);
  }
  return report(mxcsr);
}
export function sse_round_sd(dst: usize, src: usize, imm: u32, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_round(load<u64>(src), round_mode(imm, mxcsr), (imm & 8) != 0, mxcsr);
  if (commit(mxcsr)) store<u64>(dst, r0);
  return report(mxcsr);
}

/** Mask of all ones when the predicate holds; 0..31 as of VCMPxx, 0..7 as of CMPxx. `order` as of fN_compare. */
// Bit n of each entry: predicate holds for order n (less, equal, greater, unordered).
@inline
function holds(predicate: u32, order: u32): bool {
  // 0 EQ 1 LT 2 LE 3 UNORD 4 NEQ 5 NLT 6 NLE 7 ORD 8 EQ_UQ 9 NGE 10 NGT 11 FALSE 12 NEQ_OQ 13 GE 14 GT 15 TRUE
  const tables: u64 = 0xf4650b9a7ced8312;
  return ((tables >> (u64(predicate & 15) * 4 + u64(order))) & 1) != 0;
}
/** Predicates that raise IE for a quiet NaN. */
@inline
function signals(predicate: u32): bool {
  const p = predicate & 31;
  return ((u32(0x99996666) >> p) & 1) != 0;
}
export function sse_cmp_ps(dst: usize, src: usize, predicate: u32, mxcsr: u32): u32 {
  set_fp_flags(0);
  const s = signals(predicate);
  const r0 = 0 - u32(holds(predicate, f32_compare(load<u32>(dst), load<u32>(src), s, mxcsr)));
  const r1 = 0 - u32(holds(predicate, f32_compare(load<u32>(dst, 4), load<u32>(src, 4), s, mxcsr)));
  const r2 = 0 - u32(holds(predicate, f32_compare(load<u32>(dst, 8), load<u32>(src, 8), s, mxcsr)));
  const r3 = 0 - u32(holds(predicate, f32_compare(load<u32>(dst, 12), load<u32>(src, 12), s, mxcsr)));
  if (commit(mxcsr)) {
    store<u32>(dst, r0);
    store<u32>(dst, r1, 4);
    store<u32>(dst, r2, 8);
    store<u32>(dst, r3, 12);
  }
  return report(mxcsr);
}
export function sse_cmp_ss(dst: usize, src: usize, predicate: u32, mxcsr: u32): u32 {
  set_fp_flags(0);
  const s = signals(predicate);
  const r0 = 0 - u32(holds(predicate, f32_compare(load<u32>(dst), load<u32>(src), s, mxcsr)));
  if (commit(mxcsr)) store<u32>(dst, r0);
  return report(mxcsr);
}
export function sse_cmp_pd(dst: usize, src: usize, predicate: u32, mxcsr: u32): u32 {
  set_fp_flags(0);
  const s = signals(predicate);
  const r0 = 0 - u64(holds(predicate, f64_compare(load<u64>(dst), load<u64>(src), s, mxcsr)));
  const r1 = 0 - u64(holds(predicate, f64_compare(load<u64>(dst, 8), load<u64>(src, 8), s, mxcsr)));
  if (commit(mxcsr)) {
    store<u64>(dst, r0);
    store<u64>(dst, r1, 8);
  }
  return report(mxcsr);
}
export function sse_cmp_sd(dst: usize, src: usize, predicate: u32, mxcsr: u32): u32 {
  set_fp_flags(0);
  const s = signals(predicate);
  const r0 = 0 - u64(holds(predicate, f64_compare(load<u64>(dst), load<u64>(src), s, mxcsr)));
  if (commit(mxcsr)) store<u64>(dst, r0);
  return report(mxcsr);
}

/** less CF; equal ZF; greater none; unordered ZF PF CF. */
@inline
function eflags_of(order: u32): u32 {
  return (0x45004001 >> (order * 8)) & 0x45;
}
export function sse_comiss(a: usize, b: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  set_fp_eflags(eflags_of(f32_compare(load<u32>(a), load<u32>(b), true, mxcsr)));
  return report(mxcsr);
}
export function sse_ucomiss(a: usize, b: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  set_fp_eflags(eflags_of(f32_compare(load<u32>(a), load<u32>(b), false, mxcsr)));
  return report(mxcsr);
}
export function sse_comisd(a: usize, b: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  set_fp_eflags(eflags_of(f64_compare(load<u64>(a), load<u64>(b), true, mxcsr)));
  return report(mxcsr);
}
export function sse_ucomisd(a: usize, b: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  set_fp_eflags(eflags_of(f64_compare(load<u64>(a), load<u64>(b), false, mxcsr)));
  return report(mxcsr);
}

export function sse_addsub_ps(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f32_sub(load<u32>(dst), load<u32>(src), mxcsr);
  const r1 = f32_add(load<u32>(dst, 4), load<u32>(src, 4), mxcsr);
  const r2 = f32_sub(load<u32>(dst, 8), load<u32>(src, 8), mxcsr);
  const r3 = f32_add(load<u32>(dst, 12), load<u32>(src, 12), mxcsr);
  if (commit(mxcsr)) {
    store<u32>(dst, r0);
    store<u32>(dst, r1, 4);
    store<u32>(dst, r2, 8);
    store<u32>(dst, r3, 12);
  }
  return report(mxcsr);
}
export function sse_addsub_pd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_sub(load<u64>(dst), load<u64>(src), mxcsr);
  const r1 = f64_add(load<u64>(dst, 8), load<u64>(src, 8), mxcsr);
  if (commit(mxcsr)) {
    store<u64>(dst, r0);
    store<u64>(dst, r1, 8);
  }
  return report(mxcsr);
}
export function sse_hadd_ps(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f32_add(load<u32>(dst), load<u32>(dst, 4), mxcsr);
  const r1 = f32_add(load<u32>(dst, 8), load<u32>(dst, 12), mxcsr);
  const r2 = f32_add(load<u32>(src), load<u32>(src, 4), mxcsr);
  const r3 = f32_add(load<u32>(src, 8), load<u32>(src, 12), mxcsr);
  if (commit(mxcsr)) {
    store<u32>(dst, r0);
    store<u32>(dst, r1, 4);
    store<u32>(dst, r2, 8);
    store<u32>(dst, r3, 12);
  }
  return report(mxcsr);
}
export function sse_hadd_pd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_add(load<u64>(dst), load<u64>(dst, 8), mxcsr);
  const r1 = f64_add(load<u64>(src), load<u64>(src, 8), mxcsr);
  if (commit(mxcsr)) {
    store<u64>(dst, r0);
    store<u64>(dst, r1, 8);
  }
  return report(mxcsr);
}
export function sse_hsub_ps(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f32_sub(load<u32>(dst), load<u32>(dst, 4), mxcsr);
  const r1 = f32_sub(load<u32>(dst, 8), load<u32>(dst, 12), mxcsr);
  const r2 = f32_sub(load<u32>(src), load<u32>(src, 4), mxcsr);
  const r3 = f32_sub(load<u32>(src, 8), load<u32>(src, 12), mxcsr);
  if (commit(mxcsr)) {
    store<u32>(dst, r0);
    store<u32>(dst, r1, 4);
    store<u32>(dst, r2, 8);
    store<u32>(dst, r3, 12);
  }
  return report(mxcsr);
}
export function sse_hsub_pd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_sub(load<u64>(dst), load<u64>(dst, 8), mxcsr);
  const r1 = f64_sub(load<u64>(src), load<u64>(src, 8), mxcsr);
  if (commit(mxcsr)) {
    store<u64>(dst, r0);
    store<u64>(dst, r1, 8);
  }
  return report(mxcsr);
}

/** Products of the lanes chosen by imm 7..4, summed pairwise, into the lanes chosen by imm 3..0 (others zero). Each stage reports its own exceptions. */
export function sse_dp_ps(dst: usize, src: usize, imm: u32, mxcsr: u32): u32 {
  let done: u32 = 0;
  set_fp_flags(0);
  const p0 = (imm & 0x10) != 0 ? f32_mul(load<u32>(dst), load<u32>(src), mxcsr) : 0;
  const p1 = (imm & 0x20) != 0 ? f32_mul(load<u32>(dst, 4), load<u32>(src, 4), mxcsr) : 0;
  const p2 = (imm & 0x40) != 0 ? f32_mul(load<u32>(dst, 8), load<u32>(src, 8), mxcsr) : 0;
  const p3 = (imm & 0x80) != 0 ? f32_mul(load<u32>(dst, 12), load<u32>(src, 12), mxcsr) : 0;
  done |= report(mxcsr);
  if (!commit(mxcsr)) return done;
  set_fp_flags(0);
  const low = f32_add(p0, p1, mxcsr);
  const high = f32_add(p2, p3, mxcsr);
  done |= report(mxcsr);
  if (!commit(mxcsr)) return done;
  set_fp_flags(0);
  const sum = f32_add(low, high, mxcsr);
  if (commit(mxcsr)) {
    store<u32>(dst, (imm & 1) != 0 ? sum : 0);
    store<u32>(dst, (imm & 2) != 0 ? sum : 0, 4);
    store<u32>(dst, (imm & 4) != 0 ? sum : 0, 8);
    store<u32>(dst, (imm & 8) != 0 ? sum : 0, 12);
  }
  return done | report(mxcsr);
}
export function sse_dp_pd(dst: usize, src: usize, imm: u32, mxcsr: u32): u32 {
  let done: u32 = 0;
  set_fp_flags(0);
  const p0: u64 = (imm & 0x10) != 0 ? f64_mul(load<u64>(dst), load<u64>(src), mxcsr) : 0;
  const p1: u64 = (imm & 0x20) != 0 ? f64_mul(load<u64>(dst, 8), load<u64>(src, 8), mxcsr) : 0;
  done |= report(mxcsr);
  if (!commit(mxcsr)) return done;
  set_fp_flags(0);
  const sum = f64_add(p0, p1, mxcsr);
  if (commit(mxcsr)) {
    store<u64>(dst, (imm & 1) != 0 ? sum : 0);
    store<u64>(dst, (imm & 2) != 0 ? sum : 0, 8);
  }
  return done | report(mxcsr);
}

/**
 * 1 / x to 12 significant bits. SDM 2 "RCPPS": the bound is 1.5 * 2^-12; the processor's own table is not published.
 * Denormals count as zeros, tiny results become zeros.
 */
function reciprocal(a: u32): u32 {
  const m = a & 0x7fffffff;
  const s = a & 0x80000000;
  if (m > 0x7f800000) return a | 0x00400000;
  if (m < 0x00800000) return s | 0x7f800000;
  if (m >= 0x7e800001) return s;
  const r = reinterpret<u32>(1.0 / reinterpret<f32>(m));
  return r < 0x00800000 ? s : s | ((r + 0x400) & 0xfffff800);
}
/** 1 / sqrt(x), the same bound (SDM 2 "RSQRTPS"). */
function reciprocal_sqrt(a: u32): u32 {
  const m = a & 0x7fffffff;
  if (m > 0x7f800000) return a | 0x00400000;
  if (m < 0x00800000) return (a & 0x80000000) | 0x7f800000;
  if (m != a) return 0xffc00000;
  if (m == 0x7f800000) return 0;
  return (reinterpret<u32>(f32(1.0 / sqrt<f64>(f64(reinterpret<f32>(m))))) + 0x400) & 0xfffff800;
}
export function sse_rcp_ss(dst: usize, src: usize): void {
  store<u32>(dst, reciprocal(load<u32>(src)));
}
export function sse_rcp_ps(dst: usize, src: usize): void {
  const r0 = reciprocal(load<u32>(src));
  const r1 = reciprocal(load<u32>(src, 4));
  const r2 = reciprocal(load<u32>(src, 8));
  const r3 = reciprocal(load<u32>(src, 12));
  store<u32>(dst, r0);
  store<u32>(dst, r1, 4);
  store<u32>(dst, r2, 8);
  store<u32>(dst, r3, 12);
}
export function sse_rsqrt_ss(dst: usize, src: usize): void {
  store<u32>(dst, reciprocal_sqrt(load<u32>(src)));
}
export function sse_rsqrt_ps(dst: usize, src: usize): void {
  const r0 = reciprocal_sqrt(load<u32>(src));
  const r1 = reciprocal_sqrt(load<u32>(src, 4));
  const r2 = reciprocal_sqrt(load<u32>(src, 8));
  const r3 = reciprocal_sqrt(load<u32>(src, 12));
  store<u32>(dst, r0);
  store<u32>(dst, r1, 4);
  store<u32>(dst, r2, 8);
  store<u32>(dst, r3, 12);
}

// Conversions. A packed result narrower than the register clears the upper half.
export function sse_cvtps2pd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f32_to_f64(load<u32>(src), mxcsr);
  const r1 = f32_to_f64(load<u32>(src, 4), mxcsr);
  if (commit(mxcsr)) {
    store<u64>(dst, r0);
    store<u64>(dst, r1, 8);
  }
  return report(mxcsr);
}
export function sse_cvtpd2ps(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_to_f32(load<u64>(src), mxcsr);
  const r1 = f64_to_f32(load<u64>(src, 8), mxcsr);
  if (commit(mxcsr)) {
    store<u32>(dst, r0);
    store<u32>(dst, r1, 4);
    store<u64>(dst, 0, 8);
  }
  return report(mxcsr);
}
export function sse_cvtss2sd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f32_to_f64(load<u32>(src), mxcsr);
  if (commit(mxcsr)) {
    store<u64>(dst, r0);
  }
  return report(mxcsr);
}
export function sse_cvtsd2ss(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_to_f32(load<u64>(src), mxcsr);
  if (commit(mxcsr)) {
    store<u32>(dst, r0);
  }
  return report(mxcsr);
}
export function sse_cvtdq2ps(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f32_from_i32(load<i32>(src), mxcsr);
  const r1 = f32_from_i32(load<i32>(src, 4), mxcsr);
  const r2 = f32_from_i32(load<i32>(src, 8), mxcsr);
  const r3 = f32_from_i32(load<i32>(src, 12), mxcsr);
  if (commit(mxcsr)) {
    store<u32>(dst, r0);
    store<u32>(dst, r1, 4);
    store<u32>(dst, r2, 8);
    store<u32>(dst, r3, 12);
  }
  return report(mxcsr);
}
export function sse_cvtps2dq(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f32_to_i32(load<u32>(src), (mxcsr >> 13) & 3, mxcsr);
  const r1 = f32_to_i32(load<u32>(src, 4), (mxcsr >> 13) & 3, mxcsr);
  const r2 = f32_to_i32(load<u32>(src, 8), (mxcsr >> 13) & 3, mxcsr);
  const r3 = f32_to_i32(load<u32>(src, 12), (mxcsr >> 13) & 3, mxcsr);
  if (commit(mxcsr)) {
    store<i32>(dst, r0);
    store<i32>(dst, r1, 4);
    store<i32>(dst, r2, 8);
    store<i32>(dst, r3, 12);
  }
  return report(mxcsr);
}
export function sse_cvttps2dq(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f32_to_i32(load<u32>(src), 3, mxcsr);
  const r1 = f32_to_i32(load<u32>(src, 4), 3, mxcsr);
  const r2 = f32_to_i32(load<u32>(src, 8), 3, mxcsr);
  const r3 = f32_to_i32(load<u32>(src, 12), 3, mxcsr);
  if (commit(mxcsr)) {
    store<i32>(dst, r0);
    store<i32>(dst, r1, 4);
    store<i32>(dst, r2, 8);
    store<i32>(dst, r3, 12);
  }
  return report(mxcsr);
}
export function sse_cvtdq2pd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_from_i32(load<i32>(src), mxcsr);
  const r1 = f64_from_i32(load<i32>(src, 4), mxcsr);
  if (commit(mxcsr)) {
    store<u64>(dst, r0);
    store<u64>(dst, r1, 8);
  }
  return report(mxcsr);
}
export function sse_cvtpd2dq(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_to_i32(load<u64>(src), (mxcsr >> 13) & 3, mxcsr);
  const r1 = f64_to_i32(load<u64>(src, 8), (mxcsr >> 13) & 3, mxcsr);
  if (commit(mxcsr)) {
    store<i32>(dst, r0);
    store<i32>(dst, r1, 4);
    store<u64>(dst, 0, 8);
  }
  return report(mxcsr);
}
export function sse_cvttpd2dq(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_to_i32(load<u64>(src), 3, mxcsr);
  const r1 = f64_to_i32(load<u64>(src, 8), 3, mxcsr);
  if (commit(mxcsr)) {
    store<i32>(dst, r0);
    store<i32>(dst, r1, 4);
    store<u64>(dst, 0, 8);
  }
  return report(mxcsr);
}
export function sse_cvtpi2ps(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f32_from_i32(load<i32>(src), mxcsr);
  const r1 = f32_from_i32(load<i32>(src, 4), mxcsr);
  if (commit(mxcsr)) {
    store<u32>(dst, r0);
    store<u32>(dst, r1, 4);
  }
  return report(mxcsr);
}
export function sse_cvtpi2pd(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_from_i32(load<i32>(src), mxcsr);
  const r1 = f64_from_i32(load<i32>(src, 4), mxcsr);
  if (commit(mxcsr)) {
    store<u64>(dst, r0);
    store<u64>(dst, r1, 8);
  }
  return report(mxcsr);
}
export function sse_cvtps2pi(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f32_to_i32(load<u32>(src), (mxcsr >> 13) & 3, mxcsr);
  const r1 = f32_to_i32(load<u32>(src, 4), (mxcsr >> 13) & 3, mxcsr);
  if (commit(mxcsr)) {
    store<i32>(dst, r0);
    store<i32>(dst, r1, 4);
  }
  return report(mxcsr);
}
export function sse_cvttps2pi(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f32_to_i32(load<u32>(src), 3, mxcsr);
  const r1 = f32_to_i32(load<u32>(src, 4), 3, mxcsr);
  if (commit(mxcsr)) {
    store<i32>(dst, r0);
    store<i32>(dst, r1, 4);
  }
  return report(mxcsr);
}
export function sse_cvtpd2pi(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_to_i32(load<u64>(src), (mxcsr >> 13) & 3, mxcsr);
  const r1 = f64_to_i32(load<u64>(src, 8), (mxcsr >> 13) & 3, mxcsr);
  if (commit(mxcsr)) {
    store<i32>(dst, r0);
    store<i32>(dst, r1, 4);
  }
  return report(mxcsr);
}
export function sse_cvttpd2pi(dst: usize, src: usize, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r0 = f64_to_i32(load<u64>(src), 3, mxcsr);
  const r1 = f64_to_i32(load<u64>(src, 8), 3, mxcsr);
  if (commit(mxcsr)) {
    store<i32>(dst, r0);
    store<i32>(dst, r1, 4);
  }
  return report(mxcsr);
}
export function sse_cvtsi2ss(dst: usize, value: i32, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r = f32_from_i32(value, mxcsr);
  if (commit(mxcsr)) store<u32>(dst, r);
  return report(mxcsr);
}
export function sse_cvtss2si(bits: u32, mxcsr: u32): i32 {
  set_fp_flags(0);
  const r = f32_to_i32(bits, (mxcsr >> 13) & 3, mxcsr);
  set_fp_flags(fp_flags & FLAGS);
  return r;
}
export function sse_cvttss2si(bits: u32, mxcsr: u32): i32 {
  set_fp_flags(0);
  const r = f32_to_i32(bits, 3, mxcsr);
  set_fp_flags(fp_flags & FLAGS);
  return r;
}
export function sse_cvtsi2ss64(dst: usize, value: i64, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r = f32_from_i64(value, mxcsr);
  if (commit(mxcsr)) store<u32>(dst, r);
  return report(mxcsr);
}
export function sse_cvtss2si64(bits: u32, mxcsr: u32): i64 {
  set_fp_flags(0);
  const r = f32_to_i64(bits, (mxcsr >> 13) & 3, mxcsr);
  set_fp_flags(fp_flags & FLAGS);
  return r;
}
export function sse_cvttss2si64(bits: u32, mxcsr: u32): i64 {
  set_fp_flags(0);
  const r = f32_to_i64(bits, 3, mxcsr);
  set_fp_flags(fp_flags & FLAGS);
  return r;
}
export function sse_cvtsi2sd(dst: usize, value: i32, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r = f64_from_i32(value, mxcsr);
  if (commit(mxcsr)) store<u64>(dst, r);
  return report(mxcsr);
}
export function sse_cvtsd2si(bits: u64, mxcsr: u32): i32 {
  set_fp_flags(0);
  const r = f64_to_i32(bits, (mxcsr >> 13) & 3, mxcsr);
  set_fp_flags(fp_flags & FLAGS);
  return r;
}
export function sse_cvttsd2si(bits: u64, mxcsr: u32): i32 {
  set_fp_flags(0);
  const r = f64_to_i32(bits, 3, mxcsr);
  set_fp_flags(fp_flags & FLAGS);
  return r;
}
export function sse_cvtsi2sd64(dst: usize, value: i64, mxcsr: u32): u32 {
  set_fp_flags(0);
  const r = f64_from_i64(value, mxcsr);
  if (commit(mxcsr)) store<u64>(dst, r);
  return report(mxcsr);
}
export function sse_cvtsd2si64(bits: u64, mxcsr: u32): i64 {
  set_fp_flags(0);
  const r = f64_to_i64(bits, (mxcsr >> 13) & 3, mxcsr);
  set_fp_flags(fp_flags & FLAGS);
  return r;
}
export function sse_cvttsd2si64(bits: u64, mxcsr: u32): i64 {
  set_fp_flags(0);
  const r = f64_to_i64(bits, 3, mxcsr);
  set_fp_flags(fp_flags & FLAGS);
  return r;
}
