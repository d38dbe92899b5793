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
  S_RECORD,
  S_RETIRED,
  S_RIP,
  S_UNWIND,
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
/** Continues at `rip`: the instruction is done. Returns the status of an unwinding procedure. */
export function go_to(rip: u64): i32 {
  store<u64>(ST, rip, S_RIP);
  store<u32>(ST, UNWIND_LOOKUP, S_UNWIND);
  return 1;
}
/** The instruction is done, but mode or events need a look before the next one. */
export function go_next(): i32 {
  return go_to(next_rip());
}
