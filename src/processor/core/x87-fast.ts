// What translated code calls for x87 instructions that it carries out by itself (emit/x87-inline.ts): arithmetic on values
// in registers, and the way between the stack as translated code sees it and the state area.
// Intel SDM Vol. 1, ch. 8 "Programming with the x87 FPU".
import { ST } from './env';
import { S_FSW, S_FTAGS, S_SCRATCH } from './generated/layout';
import { fast_add, fast_compare, fast_div, fast_mul, fast_sqrt, fp_integer_flags, fast_to_integer } from './numerics/index';
import { go_next } from './position';
import { ES_B, fsw, set_fsw } from './x87-state';

export function x87_fast_add(dst: usize, ea: u32, ma: u64, eb: u32, mb: u64): i32 {
  return fast_add(dst, ea, ma, eb, mb);
}
export function x87_fast_mul(dst: usize, ea: u32, ma: u64, eb: u32, mb: u64): i32 {
  return fast_mul(dst, ea, ma, eb, mb);
}
export function x87_fast_div(dst: usize, ea: u32, ma: u64, eb: u32, mb: u64): i32 {
  return fast_div(dst, ea, ma, eb, mb);
}
export function x87_fast_sqrt(dst: usize, ea: u32, ma: u64): i32 {
  return fast_sqrt(dst, ea, ma);
}
export function x87_fast_compare(ea: u32, ma: u64, eb: u32, mb: u64): i32 {
  return fast_compare(ea, ma, eb, mb);
}
/** The number as a signed integer of `bits`, by rounding to nearest (0) or toward zero (1); flags or REFUSED in scratch 0. */
export function x87_fast_integer(ea: u32, ma: u64, bits: u32, truncate: u32): i64 {
  const value = fast_to_integer(ea, ma, bits, truncate);
  store<i32>(ST, fp_integer_flags, S_SCRATCH);
  return value;
}

// A block of translated code sees the stack from where TOP was at its begin: register r is ST(r) of then. `shape` is what
// it knows of the stack now: bits 2:0 how far TOP has moved; 15:8 registers whose tags it knows; 23:16 those that are valid.

/** Brings status word and tags to the state area; `sw` has the old TOP, `tags` bit r is the tag of register r then. */
export function x87_commit(sw: u32, tags: u32, shape: u32): void {
  const top = (sw >> 11) & 7;
  set_fsw((sw & ~(0x3800 as u32)) | ((sw + (shape << 11)) & 0x3800));
  const now = (tags & ~(shape >> 8) & 0xff) | ((shape >> 16) & 0xff);
  store<u32>(ST, ((now << top) | (now << top >> 8)) & 0xff, S_FTAGS);
}
/** After a procedure: the status word with the old TOP, or all ones where the stack is not what `shape` says. */
export function x87_resume(sw: u32, shape: u32): u32 {
  const now = fsw();
  const top = (sw >> 11) & 7;
  const tags = load<u32>(ST, S_FTAGS);
  const seen = ((tags | (tags << 8)) >> top) & 0xff;
  if (now & ES_B || ((now >> 11) & 7) != ((top + shape) & 7)) return 0xffff_ffff;
  if ((seen & (shape >> 8) & 0xff) != ((shape >> 16) & 0xff)) return 0xffff_ffff;
  return (now & ~(0x3800 as u32)) | (sw & 0x3800);
}
/** The instruction is done, but the block's code does not fit the stack any more: go on at the next one. */
export function x87_leave(): i32 {
  return go_next();
}
