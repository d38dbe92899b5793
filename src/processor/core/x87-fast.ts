// What translated code calls for x87 instructions that it carries out by itself (emit/x87-inline.ts): arithmetic on registers,
// and the way between the stack as translated code sees it and the state area.
// Intel SDM Vol. 1, ch. 8 "Programming with the x87 FPU".
// A register is given by its host address; significands come along as values, and what returns is that of the result, as in
// numerics/f80-fast.ts: REFUSED where the procedure has to do it. PE and C1 go into the status word at once.
import { ST } from './env';
import { RECORD_LENGTH, RECORD_ORDER, S_BUDGET, S_FCW, S_FIP, S_FSW, S_FTAGS, S_POSITION, S_RECORD, S_SCRATCH } from './generated/layout';
import {
  fast_add,
  fast_compare,
  fast_div,
  fast_from_f32,
  fast_from_f64,
  fast_from_integer,
  fast_mul,
  fast_sincos,
  fast_sqrt,
  fast_to_f32,
  fast_to_f64,
  fast_to_integer,
  fp_integer_flags,
} from './numerics/index';
import { go_next } from './position';
import { C1, CONDITION, ES_B, fsw, set_fsw } from './x87-state';

// @ts-expect-error: decorator
@inline
function exponent(a: usize): u32 {
  return load<u16>(a, 8);
}
// A register and another number, with their significands: the result replaces the first.
export function x87_fast_add(dst: usize, m: u64, b: usize, mb: u64): u64 {
  return fast_add(dst, exponent(dst), m, exponent(b), mb, true, ST + S_FSW);
}
export function x87_fast_mul(dst: usize, m: u64, b: usize, mb: u64): u64 {
  return fast_mul(dst, exponent(dst), m, exponent(b), mb, true, ST + S_FSW);
}
export function x87_fast_sub(dst: usize, m: u64, b: usize, mb: u64): u64 {
  return fast_add(dst, exponent(dst), m, exponent(b) ^ 0x8000, mb, true, ST + S_FSW);
}
/** The other one less the register. */
export function x87_fast_subr(dst: usize, m: u64, b: usize, mb: u64): u64 {
  return fast_add(dst, exponent(b), mb, exponent(dst) ^ 0x8000, m, true, ST + S_FSW);
}
export function x87_fast_div(dst: usize, m: u64, b: usize, mb: u64): u64 {
  return fast_div(dst, exponent(dst), m, exponent(b), mb, true, ST + S_FSW);
}
/** The other one by the register. */
export function x87_fast_divr(dst: usize, m: u64, b: usize, mb: u64): u64 {
  return fast_div(dst, exponent(b), mb, exponent(dst), m, true, ST + S_FSW);
}
export function x87_fast_sqrt(dst: usize, m: u64): u64 {
  return fast_sqrt(dst, exponent(dst), m, true, ST + S_FSW);
}
/** FSIN (cosine 0), FCOS (1). */
export function x87_fast_sincos(dst: usize, m: u64, cosine: u32): u64 {
  return fast_sincos(dst, exponent(dst), m, cosine, true, ST + S_FSW);
}
/** Exact: C1 is not touched. */
export function x87_fast_from_f64(dst: usize, bits: u64): u64 {
  return fast_from_f64(dst, bits);
}
export function x87_fast_from_f32(dst: usize, bits: u32): u64 {
  return fast_from_f32(dst, bits);
}
export function x87_fast_from_integer(dst: usize, value: i64): u64 {
  return fast_from_integer(dst, value);
}
/** Condition codes into the status word; negative: nothing was done. */
export function x87_fast_compare(a: usize, ma: u64, b: usize, mb: u64): i32 {
  const condition = fast_compare(exponent(a), ma, exponent(b), mb);
  if (condition < 0) return condition;
  set_fsw((fsw() & ~CONDITION) | condition);
  return 0;
}
/** ZF and CF in their EFLAGS places; negative: nothing was done. */
export function x87_fast_compare_flags(a: usize, ma: u64, b: usize, mb: u64): i32 {
  const condition = fast_compare(exponent(a), ma, exponent(b), mb);
  if (condition < 0) return condition;
  set_fsw(fsw() & ~C1);
  // C3, C0
  return condition >> 8;
}
// Conversions for memory: flags, or a negative number instead of a result, are in scratch 0: they count
// when the number has been written.
/** The number as a signed integer of `bits`, by rounding to nearest (0) or toward zero (1). */
export function x87_fast_integer(a: usize, m: u64, bits: u32, truncate: u32): i64 {
  const value = fast_to_integer(exponent(a), m, bits, truncate);
  store<i32>(ST, fp_integer_flags, S_SCRATCH);
  return value;
}
export function x87_fast_to_f64(a: usize, m: u64): u64 {
  const bits = fast_to_f64(exponent(a), m);
  store<i32>(ST, fp_integer_flags, S_SCRATCH);
  return bits;
}
export function x87_fast_to_f32(a: usize, m: u64): u32 {
  const bits = fast_to_f32(exponent(a), m);
  store<i32>(ST, fp_integer_flags, S_SCRATCH);
  return bits;
}
// A block of translated code sees the stack from where TOP was at its begin: register r is ST(r) of then. `begin` is what
// x87_enter told it; `shape` what it knows of the stack now: bits 2:0 how far TOP has moved; 15:8 registers whose tags it
// knows; 23:16 those that are valid; 24 that C1 is clear, whatever the status word says.

/** Tags by register (7:0), TOP (10:8), and whether anything but nearest and 64 bits, all masked, is asked for (12). */
export function x87_enter(): u32 {
  const top = (fsw() >> 11) & 7;
  const tags = load<u32>(ST, S_FTAGS);
  const other = u32((load<u32>(ST, S_FCW) & 0xf3f) != 0x33f);
  return (((tags | (tags << 8)) >> top) & 0xff) | (top << 8) | (other << 12);
}
/** Brings TOP, tags and a cleared C1 to the state area. */
export function x87_commit(begin: u32, shape: u32): void {
  const top = (begin >> 8) & 7;
  set_fsw((fsw() & ~((0x3800 as u32) | ((shape >> 15) & C1))) | (((top + shape) & 7) << 11));
  const now = (begin & ~(shape >> 8) & 0xff) | ((shape >> 16) & 0xff);
  store<u32>(ST, ((now << top) | (now << top >> 8)) & 0xff, S_FTAGS);
}
/** Also the last instruction's address. */
export function x87_flush(begin: u32, shape: u32, fip: u64): void {
  x87_commit(begin, shape);
  store<u64>(ST, fip, S_FIP);
}
/** Before a procedure: likewise, and notes the instruction's position as note_position does. */
export function x87_before(begin: u32, shape: u32, budget: u32, position: u32): void {
  x87_commit(begin, shape);
  store<u32>(ST, budget, S_BUDGET);
  store<u32>(ST, position, S_POSITION + RECORD_ORDER - 1);
  store<u32>(ST, position & 15, S_POSITION + RECORD_LENGTH);
  store<u32>(ST, (ST + S_POSITION) as u32, S_RECORD);
}
/** After it: not 0 where the stack is not what `shape` says; the instruction is done, to go on at the next one. */
export function x87_after(begin: u32, shape: u32): i32 {
  const now = fsw();
  const top = (begin >> 8) & 7;
  const tags = load<u32>(ST, S_FTAGS);
  const seen = ((tags | (tags << 8)) >> top) & 0xff;
  if (now & (ES_B | ((shape >> 15) & C1)) || ((now >> 11) & 7) != ((top + shape) & 7)) return go_next();
  if ((seen & (shape >> 8) & 0xff) != ((shape >> 16) & 0xff)) return go_next();
  return 0;
}
