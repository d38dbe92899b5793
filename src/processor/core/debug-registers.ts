// Debug registers. Intel SDM Vol. 3A/3B "Debug Registers"; Vol. 2 "MOV—Move to/from Debug Registers".
// What breakpoints do: watch.ts.
import { ST } from './env';
import { EXIT_MOV_DR, gp0, raise, vm_exit } from './exceptions';
import {
  RECORD_A,
  RECORD_B,
  S_DR,
  S_EXCEPTION_ADDRESS,
  S_EXIT_DETAIL,
  S_EXIT_VALUE,
  S_PRIMARY,
  S_SCRATCH,
} from './generated/layout';
import { update_mode } from './mode';
import { record } from './position';
import { replay, REPLAY_PROCEED } from './replay';
import { cpl, cr4, CR4_DE, DB, long64, UD } from './state';
import { tlb_flush_all } from './tlb';

const DR6: usize = S_DR + 48;
const DR7: usize = S_DR + 56;

/** Checks common to both directions; `direction`: 0 to, 0x10 from. */
function check(number: u32, direction: u32, field: usize, value: u64): i32 {
  if (cpl() != 0) return gp0();
  if (number > 7 || ((number == 4 || number == 5) && cr4() & CR4_DE)) return raise(UD, 0);
  if (load<u64>(ST, DR7) & 0x2000) {
    store<u64>(ST, 0x2000, S_EXCEPTION_ADDRESS);
    return raise(DB, 0);
  }
  if (!(load<u32>(ST, S_PRIMARY) & 0x80_0000) || replay(REPLAY_PROCEED, 8, EXIT_MOV_DR as u64)) return 0;
  const gpr = ((load<u16>(record() + field) as u32) >> 3) & 15;
  vm_exit(EXIT_MOV_DR, (number | direction | (gpr << 8)) as u64);
  store<u32>(ST, number, S_EXIT_DETAIL);
  store<u64>(ST, value, S_EXIT_VALUE);
  return 1;
}
function alias(number: u32): u32 {
  return number == 4 || number == 5 ? number + 2 : number;
}
export function mov_from_dr(number: u32): i32 {
  if (check(number, 0x10, RECORD_A, 0)) return 1;
  store<u64>(ST, load<u64>(ST + (alias(number) << 3), S_DR), S_SCRATCH);
  store<u64>(ST, 0, S_SCRATCH + 8);
  return 0;
}
export function mov_to_dr(number: u32, value: u64): i32 {
  if (check(number, 0, RECORD_B, value)) return 1;
  number = alias(number);
  const before = load<u32>(ST, DR7);
  if (number >= 6) {
    if (value >> 32 != 0 && long64()) return gp0();
    if (number == 6) store<u64>(ST, (value & 0xe00f) | 0xffff_0ff0, DR6);
    else store<u64>(ST, (value & 0xffff_23ff) | 0x400, DR7);
  } else store<u64>(ST + (number << 3), value, S_DR);
  if (number != 6 && (before | load<u32>(ST, DR7)) & 0xff) {
    update_mode();
    tlb_flush_all();
  }
  return 0;
}
