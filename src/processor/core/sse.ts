// SSE instructions that compute with floating-point numbers: MXCSR, #XM and the destination around the exact arithmetic
// of numerics/. Intel SDM Vol. 1, "SIMD Floating-Point Exceptions"; Vol. 2, "Instruction Set Reference".
// Pointers are host addresses of 16-byte slots. Scratch 0 carries results that are no vectors.
import { ST } from './env';
import { raise } from './exceptions';
import { S_CR4, S_MXCSR, S_SCRATCH, S_XMM } from './generated/layout';
import * as n from './numerics/index';
import { UD } from './state';

const CR4_OSXMMEXCPT: u64 = 1 << 10;
/** SIMD floating-point exception. */
const XM: u32 = 19;

// @ts-expect-error: decorator
@inline
function mxcsr(): u32 {
  return load<u32>(ST, S_MXCSR);
}
/** Makes the flags sticky; any unmasked one is #XM (the destination has not been written then). */
// @ts-expect-error: decorator
@inline
function finish(flags: u32, control: u32): i32 {
  if ((control | flags) != control) return settle(flags, control);
  // All flags set already: only an unmasked one matters.
  return flags & ~(control >> 7) & 0x3f ? unmasked() : 0;
}
function settle(flags: u32, control: u32): i32 {
  store<u32>(ST, control | flags, S_MXCSR);
  return flags & ~(control >> 7) & 0x3f ? unmasked() : 0;
}
function unmasked(): i32 {
  return raise(load<u64>(ST, S_CR4) & CR4_OSXMMEXCPT ? XM : UD, 0);
}

export function mxcsr_value(): i32 {
  return mxcsr();
}

/**
 * What translated code remembers of the numbers in a slot. `kind` 0, 2: the low double, the low single is zero or normal;
 * 1, 3: none of the doubles, singles is a denormal.
 */
function ordinary(slot: usize, kind: u32): i32 {
  for (let n: usize = 0; n < (kind == 0 ? 8 : kind == 2 ? 4 : 16); n += kind < 2 ? 8 : 4) {
    if (kind < 2) {
      const v = load<u64>(slot + n) << 1;
      if (kind ? v - 1 < 0x001f_ffff_ffff_ffff : v != 0 && v - 0x0020_0000_0000_0000 >= 0xffc0_0000_0000_0000) return 0;
    } else {
      const v = load<u32>(slot + n) << 1;
      if (kind == 3 ? v - 1 < 0x00ff_ffff : v != 0 && v - 0x0100_0000 >= 0xfe00_0000) return 0;
    }
  }
  return 1;
}
/** Does that hold for two XMM registers (bits 7:0 and 15:8)? `kind` in bits 23:16. */
export function sse_settled(what: u32): i32 {
  const xmm = ST + S_XMM;
  const kind = what >> 16;
  return ordinary(xmm + ((what & 0xff) << 4), kind) & ordinary(xmm + (((what >> 8) & 0xff) << 4), kind);
}

// --- arithmetic -------------------------------------------------------------------------------------------------

export function sse_add_ps(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_add_ps(dst, src, m), m);
}
export function sse_add_ss(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_add_ss(dst, src, m), m);
}
export function sse_add_pd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_add_pd(dst, src, m), m);
}
export function sse_add_sd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_add_sd(dst, src, m), m);
}
export function sse_sub_ps(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_sub_ps(dst, src, m), m);
}
export function sse_sub_ss(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_sub_ss(dst, src, m), m);
}
export function sse_sub_pd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_sub_pd(dst, src, m), m);
}
export function sse_sub_sd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_sub_sd(dst, src, m), m);
}
export function sse_mul_ps(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_mul_ps(dst, src, m), m);
}
export function sse_mul_ss(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_mul_ss(dst, src, m), m);
}
export function sse_mul_pd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_mul_pd(dst, src, m), m);
}
export function sse_mul_sd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_mul_sd(dst, src, m), m);
}
export function sse_div_ps(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_div_ps(dst, src, m), m);
}
export function sse_div_ss(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_div_ss(dst, src, m), m);
}
export function sse_div_pd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_div_pd(dst, src, m), m);
}
export function sse_div_sd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_div_sd(dst, src, m), m);
}
export function sse_min_ps(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_min_ps(dst, src, m), m);
}
export function sse_min_ss(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_min_ss(dst, src, m), m);
}
export function sse_min_pd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_min_pd(dst, src, m), m);
}
export function sse_min_sd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_min_sd(dst, src, m), m);
}
export function sse_max_ps(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_max_ps(dst, src, m), m);
}
export function sse_max_ss(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_max_ss(dst, src, m), m);
}
export function sse_max_pd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_max_pd(dst, src, m), m);
}
export function sse_max_sd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_max_sd(dst, src, m), m);
}
export function sse_sqrt_ps(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_sqrt_ps(dst, src, m), m);
}
export function sse_sqrt_ss(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_sqrt_ss(dst, src, m), m);
}
export function sse_sqrt_pd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_sqrt_pd(dst, src, m), m);
}
export function sse_sqrt_sd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_sqrt_sd(dst, src, m), m);
}
export function sse_addsub_ps(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_addsub_ps(dst, src, m), m);
}
export function sse_addsub_pd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_addsub_pd(dst, src, m), m);
}
export function sse_hadd_ps(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_hadd_ps(dst, src, m), m);
}
export function sse_hadd_pd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_hadd_pd(dst, src, m), m);
}
export function sse_hsub_ps(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_hsub_ps(dst, src, m), m);
}
export function sse_hsub_pd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_hsub_pd(dst, src, m), m);
}
export function sse_cmp_ps(dst: usize, src: usize, imm: u32): i32 {
  const m = mxcsr();
  return finish(n.sse_cmp_ps(dst, src, imm, m), m);
}
export function sse_cmp_ss(dst: usize, src: usize, imm: u32): i32 {
  const m = mxcsr();
  return finish(n.sse_cmp_ss(dst, src, imm, m), m);
}
export function sse_cmp_pd(dst: usize, src: usize, imm: u32): i32 {
  const m = mxcsr();
  return finish(n.sse_cmp_pd(dst, src, imm, m), m);
}
export function sse_cmp_sd(dst: usize, src: usize, imm: u32): i32 {
  const m = mxcsr();
  return finish(n.sse_cmp_sd(dst, src, imm, m), m);
}
export function sse_round_ps(dst: usize, src: usize, imm: u32): i32 {
  const m = mxcsr();
  return finish(n.sse_round_ps(dst, src, imm, m), m);
}
export function sse_round_ss(dst: usize, src: usize, imm: u32): i32 {
  const m = mxcsr();
  return finish(n.sse_round_ss(dst, src, imm, m), m);
}
export function sse_round_pd(dst: usize, src: usize, imm: u32): i32 {
  const m = mxcsr();
  return finish(n.sse_round_pd(dst, src, imm, m), m);
}
export function sse_round_sd(dst: usize, src: usize, imm: u32): i32 {
  const m = mxcsr();
  return finish(n.sse_round_sd(dst, src, imm, m), m);
}
export function sse_dp_ps(dst: usize, src: usize, imm: u32): i32 {
  const m = mxcsr();
  return finish(n.sse_dp_ps(dst, src, imm, m), m);
}
export function sse_dp_pd(dst: usize, src: usize, imm: u32): i32 {
  const m = mxcsr();
  return finish(n.sse_dp_pd(dst, src, imm, m), m);
}
export function sse_rcp_ps(dst: usize, src: usize): void {
  n.sse_rcp_ps(dst, src);
}
export function sse_rcp_ss(dst: usize, src: usize): void {
  n.sse_rcp_ss(dst, src);
}
export function sse_rsqrt_ps(dst: usize, src: usize): void {
  n.sse_rsqrt_ps(dst, src);
}
export function sse_rsqrt_ss(dst: usize, src: usize): void {
  n.sse_rsqrt_ss(dst, src);
}

// --- comparisons: ZF, PF, CF in their EFLAGS places in scratch 0 ---------------------------------------------------

export function sse_comiss(a: usize, b: usize): i32 {
  const m = mxcsr();
  const flags = n.sse_comiss(a, b, m);
  store<u32>(ST, n.get_fp_eflags(), S_SCRATCH);
  return finish(flags, m);
}
export function sse_ucomiss(a: usize, b: usize): i32 {
  const m = mxcsr();
  const flags = n.sse_ucomiss(a, b, m);
  store<u32>(ST, n.get_fp_eflags(), S_SCRATCH);
  return finish(flags, m);
}
export function sse_comisd(a: usize, b: usize): i32 {
  const m = mxcsr();
  const flags = n.sse_comisd(a, b, m);
  store<u32>(ST, n.get_fp_eflags(), S_SCRATCH);
  return finish(flags, m);
}
export function sse_ucomisd(a: usize, b: usize): i32 {
  const m = mxcsr();
  const flags = n.sse_ucomisd(a, b, m);
  store<u32>(ST, n.get_fp_eflags(), S_SCRATCH);
  return finish(flags, m);
}

// --- conversions ------------------------------------------------------------------------------------------------

export function sse_cvtps2pd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_cvtps2pd(dst, src, m), m);
}
export function sse_cvtpd2ps(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_cvtpd2ps(dst, src, m), m);
}
export function sse_cvtss2sd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_cvtss2sd(dst, src, m), m);
}
export function sse_cvtsd2ss(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_cvtsd2ss(dst, src, m), m);
}
export function sse_cvtdq2ps(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_cvtdq2ps(dst, src, m), m);
}
export function sse_cvtps2dq(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_cvtps2dq(dst, src, m), m);
}
export function sse_cvttps2dq(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_cvttps2dq(dst, src, m), m);
}
export function sse_cvtdq2pd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_cvtdq2pd(dst, src, m), m);
}
export function sse_cvtpd2dq(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_cvtpd2dq(dst, src, m), m);
}
export function sse_cvttpd2dq(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_cvttpd2dq(dst, src, m), m);
}
export function sse_cvtpi2ps(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_cvtpi2ps(dst, src, m), m);
}
export function sse_cvtpi2pd(dst: usize, src: usize): i32 {
  const m = mxcsr();
  return finish(n.sse_cvtpi2pd(dst, src, m), m);
}

// To an MMX register: the significand of an x87 register, whose sign and exponent become all ones.
export function sse_cvtps2pi(dst: usize, src: usize): i32 {
  const m = mxcsr();
  const status = finish(n.sse_cvtps2pi(dst, src, m), m);
  if (!status) store<u16>(dst, 0xffff, 8);
  return status;
}
export function sse_cvttps2pi(dst: usize, src: usize): i32 {
  const m = mxcsr();
  const status = finish(n.sse_cvttps2pi(dst, src, m), m);
  if (!status) store<u16>(dst, 0xffff, 8);
  return status;
}
export function sse_cvtpd2pi(dst: usize, src: usize): i32 {
  const m = mxcsr();
  const status = finish(n.sse_cvtpd2pi(dst, src, m), m);
  if (!status) store<u16>(dst, 0xffff, 8);
  return status;
}
export function sse_cvttpd2pi(dst: usize, src: usize): i32 {
  const m = mxcsr();
  const status = finish(n.sse_cvttpd2pi(dst, src, m), m);
  if (!status) store<u16>(dst, 0xffff, 8);
  return status;
}
export function sse_cvtsi2ss(dst: usize, value: i32): i32 {
  const m = mxcsr();
  return finish(n.sse_cvtsi2ss(dst, value, m), m);
}
export function sse_cvtsi2ss64(dst: usize, value: i64): i32 {
  const m = mxcsr();
  return finish(n.sse_cvtsi2ss64(dst, value, m), m);
}
export function sse_cvtsi2sd(dst: usize, value: i32): i32 {
  const m = mxcsr();
  return finish(n.sse_cvtsi2sd(dst, value, m), m);
}
export function sse_cvtsi2sd64(dst: usize, value: i64): i32 {
  const m = mxcsr();
  return finish(n.sse_cvtsi2sd64(dst, value, m), m);
}
export function sse_cvtss2si(src: usize): i32 {
  const m = mxcsr();
  store<i32>(ST, n.sse_cvtss2si(load<u32>(src), m), S_SCRATCH);
  return finish(n.get_fp_flags(), m);
}
export function sse_cvtss2si64(src: usize): i32 {
  const m = mxcsr();
  store<i64>(ST, n.sse_cvtss2si64(load<u32>(src), m), S_SCRATCH);
  return finish(n.get_fp_flags(), m);
}
export function sse_cvttss2si(src: usize): i32 {
  const m = mxcsr();
  store<i32>(ST, n.sse_cvttss2si(load<u32>(src), m), S_SCRATCH);
  return finish(n.get_fp_flags(), m);
}
export function sse_cvttss2si64(src: usize): i32 {
  const m = mxcsr();
  store<i64>(ST, n.sse_cvttss2si64(load<u32>(src), m), S_SCRATCH);
  return finish(n.get_fp_flags(), m);
}
export function sse_cvtsd2si(src: usize): i32 {
  const m = mxcsr();
  store<i32>(ST, n.sse_cvtsd2si(load<u64>(src), m), S_SCRATCH);
  return finish(n.get_fp_flags(), m);
}
export function sse_cvtsd2si64(src: usize): i32 {
  const m = mxcsr();
  store<i64>(ST, n.sse_cvtsd2si64(load<u64>(src), m), S_SCRATCH);
  return finish(n.get_fp_flags(), m);
}
export function sse_cvttsd2si(src: usize): i32 {
  const m = mxcsr();
  store<i32>(ST, n.sse_cvttsd2si(load<u64>(src), m), S_SCRATCH);
  return finish(n.get_fp_flags(), m);
}
export function sse_cvttsd2si64(src: usize): i32 {
  const m = mxcsr();
  store<i64>(ST, n.sse_cvttsd2si64(load<u64>(src), m), S_SCRATCH);
  return finish(n.get_fp_flags(), m);
}

export * from './sse-crypto';
export * from './sse-packed';
export * from './sse-sha';
