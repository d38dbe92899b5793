// x87 loads, stores and moves. Intel SDM Vol. 2, FLD, FST, FILD, FIST, FISTTP, FBLD, FBSTP, FLD1.., FXCH, FCMOVcc.
// A store writes memory first: a page fault leaves the x87 state alone.
import { ST } from './env';
import { S_BOUNCE, S_FTAGS, S_SCRATCH } from './generated/layout';
import { data_access, mem_write_slow, read_access, write_direct, write_sized } from './memory';
import {
  f80_constant,
  f80_copy,
  f80_from_bcd,
  f80_from_f32,
  f80_from_f64,
  f80_from_i32,
  f80_from_i64,
  f80_indefinite,
  f80_to_bcd,
  f80_to_f32,
  f80_to_f64,
  f80_to_i16,
  f80_to_i32,
  f80_to_i64,
  get_fp_flags,
} from './numerics/index';
import {
  both_valid,
  C1,
  DE,
  EXCEPTIONS,
  fcw,
  finish,
  fsw,
  IE,
  is_empty,
  note,
  note_operand,
  overflow,
  pop,
  push,
  push_indefinite,
  set_fsw,
  SF,
  set_empty,
  set_valid,
  signal,
  st,
  underflow,
} from './x87-state';

// --- loads ------------------------------------------------------------------------------------------------------

/** True if the push cannot happen (and has been answered). */
function full(): bool {
  if (is_empty(7)) return false;
  if (overflow()) push_indefinite();
  return true;
}
// @ts-expect-error: decorator
@inline
function loaded(flags: u32): void {
  if (flags) return loaded_with(flags);
  const sw = fsw();
  const top = (sw - 0x800) & 0x3800;
  set_fsw((sw & ~(0x3800 | C1)) | top);
  store<u32>(ST, load<u32>(ST, S_FTAGS) | ((1 as u32) << (top >> 11)), S_FTAGS);
}
function loaded_with(flags: u32): void {
  signal(flags, C1);
  if (!(flags & ~fcw() & IE)) push();
}
/** The control word for loads: an unmasked denormal operand is loaded all the same (and signalled afterwards). */
function load_control(): u32 {
  return fcw() | DE;
}
export function x87_load_f32(bits: u32, address: u64): void {
  note_operand(address);
  if (!full()) loaded(f80_from_f32(st(7), bits, load_control()));
}
export function x87_load_f64(bits: u64, address: u64): void {
  note_operand(address);
  if (!full()) loaded(f80_from_f64(st(7), bits, load_control()));
}
export function x87_load_i32(value: i32, address: u64): void {
  note_operand(address);
  if (full()) return;
  f80_from_i32(st(7), value);
  loaded(0);
}
export function x87_load_i64(value: i64, address: u64): void {
  note_operand(address);
  if (full()) return;
  f80_from_i64(st(7), value);
  loaded(0);
}
export function x87_load_f80(linear: u64, address: u64): i32 {
  const p = read_access(linear, 10, data_access());
  if (p == 0) return 1;
  note_operand(address);
  if (full()) return 0;
  store<u64>(st(7), load<u64>(p));
  store<u16>(st(7), load<u16>(p, 8), 8);
  loaded(0);
  return 0;
}
export function x87_load_bcd(linear: u64, address: u64): i32 {
  const p = read_access(linear, 10, data_access());
  if (p == 0) return 1;
  note_operand(address);
  if (full()) return 0;
  f80_from_bcd(st(7), p);
  loaded(0);
  return 0;
}
export function x87_load_st(i: u32): void {
  note();
  if (is_empty(i)) {
    if (underflow()) push_indefinite();
    return;
  }
  if (full()) return;
  f80_copy(st(7), st(i));
  loaded(0);
}
/** FLD1 (0), FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ (6). */
export function x87_load_constant(which: u32): void {
  note();
  if (full()) return;
  f80_constant(st(7), which, fcw());
  loaded(0);
}

// --- stores -----------------------------------------------------------------------------------------------------

/** Commits a store: flags, then the pop. */
function stored(flags: u32, pops: u32): i32 {
  if (flags & ~fcw() & EXCEPTIONS) {
    signal(flags, C1);
    if (pops) pop();
  } else finish(flags, pops);
  return 0;
}
/** What an empty ST(0) raises, with the indefinite `size` bytes wide when that is masked. */
function store_missing(linear: u64, size: u32, indefinite: u64, pops: u32): i32 {
  if (fcw() & IE) {
    if (write_sized(linear, size, indefinite, data_access())) return 1;
    return stored(IE | SF, pops);
  }
  signal(IE | SF, C1);
  return 0;
}
export function x87_store_f32(linear: u64, address: u64, pops: u32): i32 {
  if (is_empty(0)) {
    note_operand(address);
    return store_missing(linear, 4, 0xffc0_0000, pops);
  }
  const bits = f80_to_f32(st(0), fcw());
  const flags = get_fp_flags();
  return store_number(linear, 4, bits as u64, flags, 0x1f, address, pops);
}
export function x87_store_f64(linear: u64, address: u64, pops: u32): i32 {
  if (is_empty(0)) {
    note_operand(address);
    return store_missing(linear, 8, 0xfff8_0000_0000_0000, pops);
  }
  const bits = f80_to_f64(st(0), fcw());
  const flags = get_fp_flags();
  return store_number(linear, 8, bits, flags, 0x1f, address, pops);
}
/** `stops`: exceptions that keep memory and stack as they are when unmasked. */
function store_number(linear: u64, size: u32, bits: u64, flags: u32, stops: u32, address: u64, pops: u32): i32 {
  if (flags & ~fcw() & stops) {
    note_operand(address);
    signal(flags, C1);
    return 0;
  }
  if (write_sized(linear, size, bits, data_access())) return 1;
  note_operand(address);
  return stored(flags, pops);
}
/** FIST, FISTP, FISTTP: `truncate` rounds toward zero whatever the control word says. */
export function x87_store_i16(linear: u64, address: u64, pops: u32, truncate: u32): i32 {
  if (is_empty(0)) {
    note_operand(address);
    return store_missing(linear, 2, 0x8000, pops);
  }
  const value = f80_to_i16(st(0), rounding(truncate));
  return store_number(linear, 2, (value as u64) & 0xffff, integer_flags(truncate), IE, address, pops);
}
export function x87_store_i32(linear: u64, address: u64, pops: u32, truncate: u32): i32 {
  if (is_empty(0)) {
    note_operand(address);
    return store_missing(linear, 4, 0x8000_0000, pops);
  }
  const value = f80_to_i32(st(0), rounding(truncate));
  return store_number(linear, 4, (value as u64) & 0xffff_ffff, integer_flags(truncate), IE, address, pops);
}
export function x87_store_i64(linear: u64, address: u64, pops: u32, truncate: u32): i32 {
  if (is_empty(0)) {
    note_operand(address);
    return store_missing(linear, 8, 0x8000_0000_0000_0000, pops);
  }
  const value = f80_to_i64(st(0), rounding(truncate));
  return store_number(linear, 8, value as u64, integer_flags(truncate), IE, address, pops);
}
function rounding(truncate: u32): u32 {
  return truncate ? fcw() | 0xc00 : fcw();
}
function integer_flags(truncate: u32): u32 {
  const flags = get_fp_flags();
  return truncate ? flags & EXCEPTIONS : flags;
}
/** Writes the ten bytes at scratch 0. */
function write_ten(linear: u64): i32 {
  const scratch = ST + S_SCRATCH;
  const p = write_direct(linear, 10, data_access());
  const to = p ? p : ST + S_BOUNCE;
  store<u64>(to, load<u64>(scratch));
  store<u16>(to, load<u16>(scratch, 8), 8);
  return p ? 0 : mem_write_slow(linear, 10) ? 0 : 1;
}
/** FSTP m80fp: no exception but the stack's. */
export function x87_store_f80(linear: u64, address: u64): i32 {
  const scratch = ST + S_SCRATCH;
  const missing = is_empty(0);
  if (missing && !(fcw() & IE)) {
    note_operand(address);
    signal(IE | SF, C1);
    return 0;
  }
  if (missing) f80_indefinite(scratch);
  else f80_copy(scratch, st(0));
  if (write_ten(linear)) return 1;
  note_operand(address);
  return stored(missing ? IE | SF : 0, 1);
}
export function x87_store_bcd(linear: u64, address: u64): i32 {
  const scratch = ST + S_SCRATCH;
  const missing = is_empty(0);
  let flags: u32 = IE | SF;
  if (missing) {
    // Packed BCD integer indefinite.
    store<u64>(scratch, 0xc000_0000_0000_0000);
    store<u16>(scratch, 0xffff, 8);
  } else flags = f80_to_bcd(scratch, st(0), fcw());
  if (flags & ~fcw() & IE) {
    note_operand(address);
    signal(flags, C1);
    return 0;
  }
  if (write_ten(linear)) return 1;
  note_operand(address);
  return stored(flags, 1);
}

// --- within the stack -------------------------------------------------------------------------------------------

/** FST ST(i), FSTP ST(i). */
export function x87_store_st(i: u32, pops: u32): void {
  note();
  if (is_empty(0)) {
    if (!underflow()) return;
    f80_indefinite(st(i));
    set_valid(i);
    if (pops) pop();
    return;
  }
  f80_copy(st(i), st(0));
  set_valid(i);
  finish(0, pops);
}
/** FSTP ST(i) as D9 D8+i: an empty ST(0) is popped without a fault. */
export function x87_store_st_unchecked(i: u32): void {
  if (!is_empty(0)) return x87_store_st(i, 1);
  note();
  signal(0, C1);
  pop();
}
/** A missing operand of an exchange reads as the indefinite. */
function fill_missing(i: u32): void {
  if (!is_empty(i)) return;
  f80_indefinite(st(i));
  set_valid(i);
}
export function x87_exchange(i: u32): void {
  note();
  if (both_valid(0, i)) finish(0, 0);
  else {
    if (!underflow()) return;
    fill_missing(0);
    fill_missing(i);
  }
  const a = st(0);
  const b = st(i);
  const significand = load<u64>(a);
  const exponent = load<u16>(a, 8);
  f80_copy(a, b);
  store<u64>(b, significand);
  store<u16>(b, exponent, 8);
}
/** FCMOVcc: a missing register is a fault whether or not the condition holds. */
export function x87_move_if(condition: u32, i: u32): void {
  note();
  if (is_empty(0) || is_empty(i)) {
    if (!underflow()) return;
    f80_indefinite(st(0));
    set_valid(0);
    return;
  }
  if (condition) f80_copy(st(0), st(i));
}
/** FFREE, FFREEP. */
export function x87_free(i: u32, pops: u32): void {
  note();
  set_empty(i);
  if (pops) pop();
}
