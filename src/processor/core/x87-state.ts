// The x87 register stack, its status word and exceptions, for the other x87 files. Intel SDM Vol. 1, ch. 8
// "Programming with the x87 FPU": "x87 FPU Status Register", "x87 FPU Tag Word", "Stack Overflow or Underflow Exception".
// DEVIATION: FCS and FDS are not kept (CPUID.7.EBX[13] says so), FOP is set by unmasked exceptions only.
import { ST } from './env';
import { S_FCW, S_FDP, S_FIP, S_FOP, S_FPR, S_FSW, S_FTAGS } from './generated/layout';
import { CODE_ON_DEVICE, translate_exec } from './memory';
import { f80_indefinite } from './numerics/index';
import { current_rip, record } from './position';
import { CS, seg_base } from './state';

export const IE: u32 = 1;
export const DE: u32 = 2;
/** Exceptions that keep the destination unwritten when they are unmasked: invalid, denormal, zero divide. */
export const BEFORE: u32 = 7;
export const EXCEPTIONS: u32 = 0x3f;
export const SF: u32 = 0x40;
/** Exception summary and busy. */
export const ES_B: u32 = 0x8080;
export const C0: u32 = 0x100;
export const C1: u32 = 0x200;
export const C2: u32 = 0x400;
export const C3: u32 = 0x4000;
export const CONDITION: u32 = C0 | C1 | C2 | C3;

// @ts-expect-error: decorator
@inline
export function fcw(): u32 {
  return load<u32>(ST, S_FCW);
}
// @ts-expect-error: decorator
@inline
export function fsw(): u32 {
  return load<u32>(ST, S_FSW);
}
// @ts-expect-error: decorator
@inline
export function set_fsw(value: u32): void {
  store<u32>(ST, value, S_FSW);
}
/** Number of the physical register that is ST(i). */
// @ts-expect-error: decorator
@inline
export function physical(i: u32): u32 {
  return ((fsw() >> 11) + i) & 7;
}
/** Address of ST(i). */
// @ts-expect-error: decorator
@inline
export function st(i: u32): usize {
  return ST + S_FPR + (physical(i) << 4);
}
// @ts-expect-error: decorator
@inline
export function is_empty(i: u32): bool {
  return ((load<u32>(ST, S_FTAGS) >> physical(i)) & 1) == 0;
}
export function set_valid(i: u32): void {
  store<u32>(ST, load<u32>(ST, S_FTAGS) | ((1 as u32) << physical(i)), S_FTAGS);
}
export function set_empty(i: u32): void {
  store<u32>(ST, load<u32>(ST, S_FTAGS) & ~((1 as u32) << physical(i)), S_FTAGS);
}
/** TOP += delta. */
export function move_top(delta: u32): void {
  const sw = fsw();
  set_fsw((sw & ~(0x3800 as u32)) | ((sw + (delta << 11)) & 0x3800));
}
export function pop(): void {
  set_empty(0);
  move_top(1);
}
/** ST(7) becomes ST(0) and is valid. */
export function push(): void {
  move_top(7);
  set_valid(0);
}

/** Remembers the instruction for FSTENV; every non-control instruction. Translated code has done so where it gives no record. */
// @ts-expect-error: decorator
@inline
export function note(): void {
  if (record()) store<u64>(ST, current_rip(), S_FIP);
}
/** Likewise with the effective address of a memory operand. */
// @ts-expect-error: decorator
@inline
export function note_operand(address: u64): void {
  note();
  store<u64>(ST, address, S_FDP);
}

/** Takes flags of the arithmetic over into the status word; `replaced`: condition codes the instruction defines. */
export function signal(flags: u32, replaced: u32): void {
  set_fsw((fsw() & ~replaced) | flags);
  if (flags & ~fcw() & EXCEPTIONS) pend();
}
/**
 * Are ST(a) and ST(b) both there? Together with `finish` the short way through an instruction.
 */
// @ts-expect-error: decorator
@inline
export function both_valid(a: u32, b: u32): bool {
  const top = fsw() >> 11;
  const tags = load<u32>(ST, S_FTAGS);
  return ((tags >> ((top + a) & 7)) & (tags >> ((top + b) & 7)) & 1) != 0;
}
/** Flags of an instruction that defines C1 only, then `pops` (0 or 1). */
// @ts-expect-error: decorator
@inline
export function finish(flags: u32, pops: u32): void {
  if (flags & ~fcw() & EXCEPTIONS) {
    signal(flags, C1);
    if (pops && !stopped(flags)) pop();
    return;
  }
  const sw = (fsw() & ~C1) | flags;
  if (pops) {
    store<u32>(ST, load<u32>(ST, S_FTAGS) & ~((1 as u32) << ((sw >> 11) & 7)), S_FTAGS);
    set_fsw((sw & ~(0x3800 as u32)) | ((sw + 0x800) & 0x3800));
  } else set_fsw(sw);
}
/** An unmasked exception waits for the next waiting instruction. */
function pend(): void {
  set_fsw(fsw() | ES_B);
  note_opcode();
}
/** FOP: the low three bits of the first opcode byte and the ModRM byte, from the code itself. */
function note_opcode(): void {
  let linear = load<u64>(ST, S_FIP) + seg_base(CS);
  for (let i = 0; i < 14; i++, linear++) {
    const p = translate_exec(linear) as usize;
    if (p <= (CODE_ON_DEVICE as usize)) return;
    const byte: u32 = load<u8>(p);
    if ((byte & 0xf8) == 0xd8) {
      const q = translate_exec(linear + 1) as usize;
      if (q > (CODE_ON_DEVICE as usize)) store<u32>(ST, ((byte & 7) << 8) | (load<u8>(q) as u32), S_FOP);
      return;
    }
  }
}
/** ES and B follow from flags and masks. */
export function summarize(): void {
  const sw = fsw();
  set_fsw(sw & ~fcw() & EXCEPTIONS ? sw | ES_B : sw & ~ES_B);
}
/** An empty register was to be read. True: the exception is masked, the instruction goes on with the indefinite. */
export function underflow(): bool {
  signal(IE | SF, C1);
  return (fcw() & IE) != 0;
}
/** A push onto a full stack. */
export function overflow(): bool {
  signal(IE | SF | C1, C1);
  return (fcw() & IE) != 0;
}
/** The masked answer to an overflow. */
export function push_indefinite(): void {
  push();
  f80_indefinite(st(0));
}
/** Did these flags stop the instruction before it wrote? */
// @ts-expect-error: decorator
@inline
export function stopped(flags: u32): bool {
  return (flags & ~fcw() & BEFORE) != 0;
}
