// The status flags (lazy) and whole-RFLAGS instructions. Intel SDM Vol. 1 "EFLAGS Register"; Vol. 2 "PUSHF", "POPF", "CLI",
// "STI".
import { ST } from './env';
import { gp0 } from './exceptions';
import {
  FLAGS_ADD,
  FLAGS_DEC,
  FLAGS_INC,
  FLAGS_LOGIC,
  FLAGS_SUB,
  FLAGS_WORD,
  S_FLAGS_A,
  S_FLAGS_B,
  S_FLAGS_KIND,
  S_RFLAGS,
  S_RIP,
  S_SHADOW_KIND,
  S_SHADOW_RETIRED,
  S_UNWIND,
  UNWIND_LOOKUP,
} from './generated/layout';
import { update_alignment } from './mode';
import { hide_smap_entries } from './paging';
import { end_soon, events_wanted, go_next, instruction_count, next_rip } from './position';
import {
  cpl,
  CR4_PVI,
  CR4_VME,
  cr4,
  FLAG_AC,
  FLAG_DF,
  FLAG_ID,
  FLAG_IF,
  FLAG_IOPL,
  FLAG_NT,
  FLAG_RF,
  FLAG_TF,
  FLAG_VIF,
  FLAG_VIP,
  FLAG_VM,
  gpr,
  iopl,
  RSP,
  rflags,
  STATUS_FLAGS,
  set_sp,
  v86,
} from './state';

/** CF, PF, AF, ZF, SF, OF at their EFLAGS positions. */
export function flags_get(): u32 {
  const word = load<u32>(ST, S_FLAGS_KIND);
  const kind = word >> 2;
  const a = load<u64>(ST, S_FLAGS_A);
  if (kind == FLAGS_WORD) return a as u32 & 0x8d5;
  const b = load<u64>(ST, S_FLAGS_B);
  const bits: u64 = 8 << ((word & 3) as u64);
  const mask = ~(0 as u64) >> (64 - bits);
  let result = a;
  let flags: u32;
  if (kind == FLAGS_ADD) {
    result = (a + b) & mask;
    flags =
      (result < a ? 1 : 0) | (((a ^ b ^ result) as u32) & 0x10) | ((((a ^ result) & (b ^ result)) >> (bits - 1)) as u32 << 11);
  } else if (kind == FLAGS_SUB) {
    result = (a - b) & mask;
    flags = (a < b ? 1 : 0) | (((a ^ b ^ result) as u32) & 0x10) | ((((a ^ b) & (a ^ result)) >> (bits - 1)) as u32 << 11);
  } else if (kind == FLAGS_LOGIC) flags = 0;
  else if (kind == FLAGS_INC)
    flags = (b as u32 & 1) | ((result & 15) == 0 ? 0x10 : 0) | (result == (mask >> 1) + 1 ? 0x800 : 0);
  else if (kind == FLAGS_DEC)
    flags = (b as u32 & 1) | ((result & 15) == 15 ? 0x10 : 0) | (result == mask >> 1 ? 0x800 : 0);
  else flags = b as u32 & 0x811;
  flags &= 0x811;
  if (result == 0) flags |= 0x40;
  flags |= ((result >> (bits - 1)) as u32 & 1) << 7;
  if ((popcnt(result as u32 & 0xff) & 1) == 0) flags |= 4;
  return flags;
}
/** Replaces the six status flags. */
export function flags_set(word: u32): void {
  store<u64>(ST, word as u64 & STATUS_FLAGS, S_FLAGS_A);
  store<u32>(ST, FLAGS_WORD << 2, S_FLAGS_KIND);
}
export function set_zero_flag(on: bool): void {
  flags_set((flags_get() & ~0x40) | (on ? 0x40 : 0));
}
/** RFLAGS with the status flags. */
export function rflags_full(): u64 {
  return (rflags() & ~STATUS_FLAGS) | (flags_get() as u64);
}
/** Replaces RFLAGS; RF is never kept (no instruction breakpoint outlives an instruction). The caller calls update_mode() if VM changed. */
export function write_rflags(value: u64): void {
  flags_set(value as u32);
  write_system_flags(value);
}
/** RFLAGS bits that exist. */
const RFLAGS_DEFINED: u64 = 0x3f_7fd7;
/** Replaces the bits of RFLAGS that are not status flags. */
export function write_system_flags(value: u64): void {
  const changed = (rflags() ^ value) & FLAG_AC;
  store<u64>(ST, (value & RFLAGS_DEFINED & ~(STATUS_FLAGS | FLAG_RF)) | 2, S_RFLAGS);
  if (!changed) return;
  if (!(value & FLAG_AC)) hide_smap_entries();
  if (cpl() == 3) update_alignment();
}

/** Virtual-8086 mode below IOPL 3 with CR4.VME: VIF stands for IF. */
export function virtual_interrupts(): bool {
  return v86() && iopl() < 3 && (cr4() & CR4_VME) != 0;
}
/** VIF takes the value of IF in `value`. */
export function set_virtual_interrupt(value: u64): void {
  store<u64>(ST, (rflags() & ~FLAG_VIF) | (value & FLAG_IF ? FLAG_VIF : 0), S_RFLAGS);
}
/** The flags image of PUSHF and of redirected interrupts: IOPL 3, VIF in place of IF. */
export function virtual_image(): u64 {
  const flags = rflags_full() & ~(FLAG_VM | FLAG_RF | FLAG_IF);
  return flags | FLAG_IOPL | (rflags() & FLAG_VIF ? FLAG_IF : 0);
}
/** POPF or IRET by VIF: #GP(0) when it would enable interrupts with one pending, or set TF. */
export function virtual_flags_refused(value: u64): bool {
  return (value & FLAG_IF && rflags() & FLAG_VIP) || (value & FLAG_TF) != 0;
}
export function pushf_value(): u64 {
  return virtual_interrupts() ? virtual_image() : rflags_full() & ~(FLAG_VM | FLAG_RF);
}
export function pushf_check(opBits: i32): i32 {
  return v86() && iopl() < 3 && (opBits != 16 || !virtual_interrupts()) ? gp0() : 0;
}

export function popf(value: u64, opBits: i32): i32 {
  const level = cpl();
  let writable = STATUS_FLAGS | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID;
  if (v86()) {
    if (iopl() < 3) {
      if (opBits != 16 || !virtual_interrupts() || virtual_flags_refused(value)) return gp0();
      set_virtual_interrupt(value);
    } else writable |= FLAG_IF;
  } else {
    if (level == 0) writable |= FLAG_IOPL;
    if (level <= iopl()) writable |= FLAG_IF;
  }
  if (opBits == 16) writable &= 0xffff;
  const old = rflags_full();
  write_rflags((old & ~writable) | (value & writable));
  set_sp(gpr(RSP) + ((opBits as u64) >> 3));
  return events_wanted() ? go_next() : 0;
}

/** #GP(0) unless the current privilege may change IF. */
function if_protected(): bool {
  return v86() ? iopl() < 3 : cpl() > iopl();
}
/** CLI and STI may use VIF instead: CR4.VME in virtual-8086 mode, CR4.PVI at CPL 3. */
function vif_usable(): bool {
  return v86() ? (cr4() & CR4_VME) != 0 : cpl() == 3 && (cr4() & CR4_PVI) != 0;
}
export function cli(): i32 {
  if (if_protected()) {
    if (!vif_usable()) return gp0();
    store<u64>(ST, rflags() & ~FLAG_VIF, S_RFLAGS);
    return 0;
  }
  store<u64>(ST, rflags() & ~FLAG_IF, S_RFLAGS);
  return 0;
}
export function sti(): i32 {
  if (if_protected()) {
    if (!vif_usable() || rflags() & FLAG_VIP) return gp0();
    store<u64>(ST, rflags() | FLAG_VIF, S_RFLAGS);
    return 0;
  }
  const old = rflags();
  store<u64>(ST, old | FLAG_IF, S_RFLAGS);
  if ((old & FLAG_IF) == 0) {
    set_shadow(1);
    if (events_wanted()) {
      // The window opens after the next instruction.
      end_soon(1);
      store<u64>(ST, next_rip(), S_RIP);
      store<u32>(ST, UNWIND_LOOKUP, S_UNWIND);
      return 1;
    }
  }
  return 0;
}
/** Interrupt shadow after the current instruction: 1 blocking by STI, 2 by MOV SS. */
export function set_shadow(kind: u32): void {
  store<u32>(ST, kind, S_SHADOW_KIND);
  store<u64>(ST, instruction_count() + 1, S_SHADOW_RETIRED);
}
