// Where execution is: RIP of this and the next instruction, and the instruction count. See ../README.md "Code position",
// "Budget".
import { ST } from './env';
import {
  RECORD_LENGTH,
  RECORD_NEXT,
  RECORD_ORDER,
  S_BUDGET,
  S_BUDGET_LOADED,
  S_CODE_PAGE,
  S_NMI_BLOCKED,
  S_PRIMARY,
  S_RECORD,
  S_RETIRED,
  S_RFLAGS,
  S_RIP,
  S_TIME_IS_REAL,
  S_UNWIND,
  S_WAITED,
  UNWIND_LOOKUP,
} from './generated/layout';
import { long64 } from './state';

export function record(): usize {
  return load<u32>(ST, S_RECORD) as usize;
}
export function record_length(): u32 {
  const r = record();
  return r ? (load<u8>(r, RECORD_LENGTH) as u32) : 0;
}
/** RIP of the instruction after the one being executed. */
export function next_rip(): u64 {
  const rip = load<u64>(ST, S_CODE_PAGE) + (load<u16>(record(), RECORD_NEXT) as u64);
  return long64() ? rip : rip & 0xffff_ffff;
}
/** RIP of the instruction being executed. */
export function current_rip(): u64 {
  const rip = load<u64>(ST, S_CODE_PAGE) + (load<u16>(record(), RECORD_NEXT) as u64) - (record_length() as u64);
  return long64() ? rip : rip & 0xffff_ffff;
}
/** Instructions retired before the one being executed. */
export function instruction_count(): u64 {
  const r = record();
  const order: u64 = r ? (load<u8>(r, RECORD_ORDER) as u64) : 0;
  const spent = (load<i32>(ST, S_BUDGET_LOADED) - load<i32>(ST, S_BUDGET)) as i64;
  return load<u64>(ST, S_RETIRED) + (spent as u64) + order;
}
/** True when events must be looked at before the next instruction: a single-step trap is due or an asked-for window opens. */
export function events_wanted(): bool {
  const flags = load<u64>(ST, S_RFLAGS);
  if (flags & 0x100) return true;
  const primary = load<u32>(ST, S_PRIMARY);
  return (primary & 4 && flags & 0x200) || (primary & 0x40_0000 && !load<u32>(ST, S_NMI_BLOCKED));
}
/** Shortens the budget so that the loop ends `more` instructions after the current one; the instruction count stays what it is. */
export function end_soon(more: u32): void {
  const r = record();
  const wanted: i32 = (r ? (load<u8>(r, RECORD_ORDER) as i32) : 0) + 1 + (more as i32);
  const cut = load<i32>(ST, S_BUDGET) - wanted;
  if (cut <= 0) return;
  store<i32>(ST, wanted, S_BUDGET);
  store<i32>(ST, load<i32>(ST, S_BUDGET_LOADED) - cut, S_BUDGET_LOADED);
}
/**
 * Virtual time: the current instruction takes `more` ticks beyond its one. They leave the budget, but are no instructions;
 * where it has fewer the loop ends behind this instruction. Returns the status of an unwinding procedure.
 */
export function take_longer(more: i32): i32 {
  if (load<u32>(ST, S_TIME_IS_REAL)) return 0;
  store<u64>(ST, load<u64>(ST, S_WAITED) + (more as u64), S_WAITED);
  const r = record();
  const budget = load<i32>(ST, S_BUDGET);
  const spare = budget - (r ? (load<u8>(r, RECORD_ORDER) as i32) : 0) - 1;
  const cut = min<i32>(more, max<i32>(spare, 0));
  store<i32>(ST, budget - cut, S_BUDGET);
  store<i32>(ST, load<i32>(ST, S_BUDGET_LOADED) - cut, S_BUDGET_LOADED);
  return go_next();
}
/** Continues at `rip`: the instruction is done. Returns the status of an unwinding procedure. */
export function go_to(rip: u64): i32 {
  if (events_wanted()) end_soon(0);
  store<u64>(ST, rip, S_RIP);
  store<u32>(ST, UNWIND_LOOKUP, S_UNWIND);
  return 1;
}
/** The instruction is done, but mode or events need a look before the next one. */
export function go_next(): i32 {
  return go_to(next_rip());
}
