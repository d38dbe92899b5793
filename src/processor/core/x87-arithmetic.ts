// x87 arithmetic and comparison. Intel SDM Vol. 2, FADD, FSUB, FMUL, FDIV, FCOM, FUCOM, FCOMI, FTST, FXAM, FSQRT, FRNDINT,
// FSCALE, FXTRACT, FPREM, FPREM1 and the transcendental instructions.
// Operations by number, as ModRM.reg of D8H: 0 add, 1 mul, 2 com, 3 comp, 4 sub, 5 subr, 6 div, 7 divr; a is the
// destination, b the other operand: sub is a - b, subr b - a.
import {
  f80_abs,
  f80_add,
  f80_arith,
  f80_arith_f32,
  f80_arith_f64,
  f80_arith_int,
  f80_chs,
  f80_compare,
  f80_compare_unordered,
  f80_condition_eflags,
  f80_constant,
  f80_cos,
  f80_examine,
  f80_extract,
  f80_f2xm1,
  f80_indefinite,
  f80_mul,
  f80_patan,
  f80_ptan,
  f80_rem,
  f80_rem1,
  f80_round_int,
  f80_scale,
  f80_sin,
  f80_sincos,
  f80_sqrt,
  f80_test,
  f80_yl2x,
  f80_yl2xp1,
} from './numerics/index';
import {
  both_valid,
  C0,
  C1,
  C2,
  C3,
  CONDITION,
  fcw,
  finish,
  fsw,
  is_empty,
  note,
  note_operand,
  overflow,
  pop,
  push,
  push_indefinite,
  set_fsw,
  set_valid,
  signal,
  st,
  stopped,
  underflow,
} from './x87-state';

const COMPARE: u32 = 2;

/** ST(dst) = ST(dst) op ST(src). */
export function x87_arith(op: u32, dst: u32, src: u32, pops: u32): void {
  note();
  if (!both_valid(dst, src)) return arith_missing(dst, pops);
  const d = st(dst);
  const s = st(src);
  const control = fcw();
  finish(op == 0 ? f80_add(d, d, s, control) : op == 1 ? f80_mul(d, d, s, control) : f80_arith(op, d, d, s, control), pops);
}
function arith_missing(dst: u32, pops: u32): void {
  if (!underflow()) return;
  f80_indefinite(st(dst));
  set_valid(dst);
  if (pops) pop();
}
/** The masked answer when ST(0) is empty. */
function zero_missing(): void {
  if (!underflow()) return;
  f80_indefinite(st(0));
  set_valid(0);
}
/** ST(0) = ST(0) op a number in memory; `address` is its effective address. */
export function x87_arith_f32(op: u32, bits: u32, address: u64): void {
  note_operand(address);
  if (is_empty(0)) return zero_missing();
  finish(f80_arith_f32(op, st(0), st(0), bits, fcw()), 0);
}
export function x87_arith_f64(op: u32, bits: u64, address: u64): void {
  note_operand(address);
  if (is_empty(0)) return zero_missing();
  finish(f80_arith_f64(op, st(0), st(0), bits, fcw()), 0);
}
export function x87_arith_int(op: u32, value: i32, address: u64): void {
  note_operand(address);
  if (is_empty(0)) return zero_missing();
  finish(f80_arith_int(op, st(0), st(0), value, fcw()), 0);
}

// --- comparison -------------------------------------------------------------------------------------------------

/** Takes a comparison over and pops `pops` times (unless it was stopped). */
function compared(flags: u32, pops: u32): void {
  signal(flags, CONDITION);
  if (stopped(flags)) return;
  for (; pops; pops--) pop();
}
/** An operand is missing: unordered. */
function compared_missing(pops: u32): void {
  const goesOn = underflow();
  set_fsw((fsw() & ~CONDITION) | C0 | C2 | C3);
  if (goesOn) for (; pops; pops--) pop();
}
/** FCOM, FUCOM: ST(0) with ST(src). */
export function x87_compare(src: u32, unordered: u32, pops: u32): void {
  note();
  if (is_empty(0) || is_empty(src)) return compared_missing(pops);
  compared(unordered ? f80_compare_unordered(st(0), st(src), fcw()) : f80_compare(st(0), st(src), fcw()), pops);
}
export function x87_compare_f32(bits: u32, address: u64, pops: u32): void {
  note_operand(address);
  if (is_empty(0)) return compared_missing(pops);
  compared(f80_arith_f32(COMPARE, st(0), st(0), bits, fcw()), pops);
}
export function x87_compare_f64(bits: u64, address: u64, pops: u32): void {
  note_operand(address);
  if (is_empty(0)) return compared_missing(pops);
  compared(f80_arith_f64(COMPARE, st(0), st(0), bits, fcw()), pops);
}
export function x87_compare_int(value: i32, address: u64, pops: u32): void {
  note_operand(address);
  if (is_empty(0)) return compared_missing(pops);
  compared(f80_arith_int(COMPARE, st(0), st(0), value, fcw()), pops);
}
/** FCOMI, FUCOMI: ZF, PF, CF in their EFLAGS places. DEVIATION: written on unmasked #IA too, as processors do. */
export function x87_compare_flags(src: u32, unordered: u32, pops: u32): i32 {
  note();
  if (is_empty(0) || is_empty(src)) {
    if (underflow() && pops) pop();
    return 0x45;
  }
  const flags = unordered ? f80_compare_unordered(st(0), st(src), fcw()) : f80_compare(st(0), st(src), fcw());
  signal(flags & ~CONDITION, C1);
  if (pops && !stopped(flags)) pop();
  return f80_condition_eflags(flags);
}
export function x87_test(): void {
  note();
  if (is_empty(0)) return compared_missing(0);
  compared(f80_test(st(0), fcw()), 0);
}
export function x87_examine(): void {
  note();
  const condition = is_empty(0) ? C3 | C0 | (load<u16>(st(0), 8) & 0x8000 ? C1 : 0) : f80_examine(st(0));
  set_fsw((fsw() & ~CONDITION) | condition);
}

// --- one operand ------------------------------------------------------------------------------------------------

export function x87_chs(): void {
  note();
  if (is_empty(0)) return zero_missing();
  f80_chs(st(0), st(0));
  signal(0, C1);
}
export function x87_abs(): void {
  note();
  if (is_empty(0)) return zero_missing();
  f80_abs(st(0), st(0));
  signal(0, C1);
}
export function x87_sqrt(): void {
  note();
  if (is_empty(0)) return zero_missing();
  signal(f80_sqrt(st(0), st(0), fcw()), C1);
}
export function x87_round_int(): void {
  note();
  if (is_empty(0)) return zero_missing();
  signal(f80_round_int(st(0), st(0), fcw()), C1);
}
export function x87_f2xm1(): void {
  note();
  if (is_empty(0)) return zero_missing();
  signal(f80_f2xm1(st(0), st(0), fcw()), C1);
}
export function x87_sin(): void {
  note();
  if (is_empty(0)) return zero_missing_complete();
  signal(f80_sin(st(0), st(0), fcw()), C1 | C2);
}
export function x87_cos(): void {
  note();
  if (is_empty(0)) return zero_missing_complete();
  signal(f80_cos(st(0), st(0), fcw()), C1 | C2);
}
/** The reduction counts as complete. */
function zero_missing_complete(): void {
  set_fsw(fsw() & ~C2);
  zero_missing();
}

// --- two operands, two results ----------------------------------------------------------------------------------

/** FPREM (nearest 0), FPREM1 (nearest 1): ST(0) by ST(1). */
export function x87_rem(nearest: u32): void {
  note();
  if (is_empty(0) || is_empty(1)) return zero_missing_complete();
  const flags = nearest ? f80_rem1(st(0), st(0), st(1), fcw()) : f80_rem(st(0), st(0), st(1), fcw());
  // Without a quotient (a NaN, or stopped) C0 and C3 stay.
  const none = stopped(flags) || (load<u16>(st(0), 8) & 0x7fff) == 0x7fff;
  signal(flags, none ? C1 | C2 : CONDITION);
}
export function x87_scale(): void {
  note();
  if (is_empty(0) || is_empty(1)) return zero_missing();
  signal(f80_scale(st(0), st(0), st(1), fcw()), C1);
}
/** Result into ST(1), pop. */
function one_missing(): void {
  if (!underflow()) return;
  f80_indefinite(st(1));
  set_valid(1);
  pop();
}
function into_one(flags: u32): void {
  signal(flags, C1);
  if (!stopped(flags)) pop();
}
export function x87_patan(): void {
  note();
  if (is_empty(0) || is_empty(1)) return one_missing();
  into_one(f80_patan(st(1), st(0), st(1), fcw()));
}
export function x87_yl2x(): void {
  note();
  if (is_empty(0) || is_empty(1)) return one_missing();
  into_one(f80_yl2x(st(1), st(0), st(1), fcw()));
}
export function x87_yl2xp1(): void {
  note();
  if (is_empty(0) || is_empty(1)) return one_missing();
  into_one(f80_yl2xp1(st(1), st(0), st(1), fcw()));
}
/** Stack fault of an instruction that replaces ST(0) and pushes: true if there was one. */
function push_fault(): bool {
  const missing = is_empty(0);
  if (!missing && is_empty(7)) return false;
  if (missing ? underflow() : overflow()) {
    f80_indefinite(st(0));
    set_valid(0);
    push_indefinite();
  }
  return true;
}
export function x87_extract(): void {
  note();
  if (push_fault()) return;
  const flags = f80_extract(st(7), st(0), st(0), fcw());
  signal(flags, C1);
  if (!stopped(flags)) push();
}
export function x87_ptan(): void {
  note();
  set_fsw(fsw() & ~C2);
  if (push_fault()) return;
  const flags = f80_ptan(st(0), st(0), fcw());
  signal(flags, C1 | C2);
  if (flags & C2 || stopped(flags)) return;
  push();
  // A NaN is pushed as well; else the tangent gets its divisor 1.0.
  const from = st(1);
  if ((load<u16>(from, 8) & 0x7fff) == 0x7fff) {
    store<u64>(st(0), load<u64>(from));
    store<u16>(st(0), load<u16>(from, 8), 8);
  } else f80_constant(st(0), 0, fcw());
}
export function x87_sincos(): void {
  note();
  set_fsw(fsw() & ~C2);
  if (push_fault()) return;
  const flags = f80_sincos(st(0), st(7), st(0), fcw());
  signal(flags, C1 | C2);
  if (!(flags & C2) && !stopped(flags)) push();
}
