// Far returns: RET far and IRET in all modes. Intel SDM Vol. 2 "RET—Return From Procedure", "IRET/IRETD/IRETQ".
import {
  d_access,
  d_base,
  d_dpl,
  d_limit,
  d_present,
  d_type,
  fetch_descriptor,
  is_code,
  is_conforming,
  set_accessed,
} from './descriptors';
import { ST } from './env';
import { gp0, raise } from './exceptions';
import { rflags_full, set_virtual_interrupt, virtual_flags_refused, virtual_interrupts, write_rflags } from './flags';
import { bad_code_size, commit_code } from './frames';
import { S_NMI_BLOCKED } from './generated/layout';
import { update_mode } from './mode';
import { go_to } from './position';
import {
  check_stack_segment,
  commit_segment,
  invalidate_segments,
  load_null,
  load_real_segment,
  stack_fault,
  stack_read,
} from './segments';
import {
  canonical,
  cpl,
  CS,
  DS,
  ES,
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
  FS,
  GP,
  gpr,
  GS,
  ia32e,
  iopl,
  KEY_DEBUG,
  long64,
  mode_key,
  NP,
  protected_mode,
  real_or_v86,
  rflags,
  RSP,
  seg_limit,
  set_gpr,
  set_sp,
  SS,
  STATUS_FLAGS,
  v86,
} from './state';
import { task_return } from './tasks';
import { set_resume_flag } from './watch';

/** Values popped off the stack. */
let sp: u64 = 0;
/** Pops `size` bytes; status in stack_fault. */
function pop(size: u32): u64 {
  const value = stack_read(sp, size);
  sp += size as u64;
  return value;
}

let codeBase: u64 = 0;
let codeLimit: u32 = 0;
let codeAccess: u32 = 0;
/** Checks the return code segment for its RPL and the return address; leaves the descriptor in code*. */
function check_return_code(selector: u32, offset: u64): i32 {
  if (!(selector & 0xfffc)) return gp0();
  if (fetch_descriptor(selector, GP, 0)) return 1;
  const rpl = selector & 3;
  const type = d_type();
  const code = selector & 0xfffc;
  if (rpl < cpl() || !is_code(type)) return raise(GP, code);
  if (is_conforming(type) ? d_dpl() > rpl : d_dpl() != rpl) return raise(GP, code);
  if (bad_code_size(d_access())) return raise(GP, code);
  if (!d_present()) return raise(NP, code);
  codeBase = d_base();
  codeLimit = d_limit();
  codeAccess = d_access();
  if (ia32e() && codeAccess & 0x2000) {
    if (!canonical(offset)) return gp0();
  } else if (offset > (codeLimit as u64)) return gp0();
  return set_accessed();
}
/** Checks the SS popped by a return to level `rpl`; null is allowed for 64-bit code below CPL 3. 0 load it, 1 fault, 2 null. */
function check_return_stack(selector: u32, rpl: u32): i32 {
  if (!(selector & 0xfffc)) {
    if (!ia32e() || !(codeAccess & 0x2000) || rpl == 3 || (selector & 3) != rpl) return gp0();
    return 2;
  }
  if (check_stack_segment(selector, rpl, GP, 0)) return 1;
  return set_accessed();
}
/** Loads CS and SS:rSP of a return that pops a stack. */
function commit_outer(selector: u32, rpl: u32, stack: u32, nullStack: bool, newSp: u64, offset: u64): i32 {
  const outer = rpl != cpl();
  commit_code(selector, rpl, codeBase, codeLimit, codeAccess);
  if (nullStack) load_null(SS, stack);
  else commit_segment(SS, stack);
  if (outer) invalidate_segments(rpl);
  update_mode();
  set_sp(newSp);
  return go_to(offset);
}

export function far_return(opBits: u32, release: u32): i32 {
  const size = opBits >> 3;
  sp = gpr(RSP);
  const offset = pop(size);
  if (stack_fault) return 1;
  const selector = pop(size) as u32 & 0xffff;
  if (stack_fault) return 1;
  if (real_or_v86()) {
    if (offset > (seg_limit(CS) as u64)) return gp0();
    load_real_segment(CS, selector);
    set_sp(sp + (release as u64));
    update_mode();
    return go_to(offset);
  }
  if (check_return_code(selector, offset)) return 1;
  const rpl = selector & 3;
  sp += release as u64;
  if (rpl == cpl()) {
    commit_code(selector, rpl, codeBase, codeLimit, codeAccess);
    set_sp(sp);
    update_mode();
    return go_to(offset);
  }
  const newSp = pop(size);
  if (stack_fault) return 1;
  const stack = pop(size) as u32 & 0xffff;
  if (stack_fault) return 1;
  const status = check_return_stack(stack, rpl);
  if (status == 1) return 1;
  return commit_outer(selector, rpl, stack, status == 2, newSp + (release as u64), offset);
}

/** Flags that IRET may change at `level` with operand size `opBits`. */
function iret_mask(opBits: u32, level: u32): u64 {
  let mask = STATUS_FLAGS | FLAG_TF | FLAG_DF | FLAG_NT;
  if (opBits != 16) mask |= FLAG_AC | FLAG_ID;
  if (level == 0) mask |= opBits == 16 ? FLAG_IOPL : FLAG_IOPL | FLAG_VIF | FLAG_VIP;
  if (level <= iopl()) mask |= FLAG_IF;
  return mask;
}
function load_flags(value: u64, mask: u64): void {
  write_rflags((rflags_full() & ~mask) | (value & mask));
  resume(value);
}

/** IRET takes RF from the image; nothing looks at it unless a breakpoint is enabled. */
function resume(flags: u64): void {
  if (flags & FLAG_RF && mode_key() & KEY_DEBUG) set_resume_flag();
}
/** IRET at CPL 0 with VM set in the flags image. */
function return_to_v86(offset: u64, selector: u32, flags: u64): i32 {
  if (offset > 0xffff) return gp0();
  const newSp = pop(4);
  if (stack_fault) return 1;
  const ss = pop(4) as u32;
  if (stack_fault) return 1;
  const es = pop(4) as u32;
  if (stack_fault) return 1;
  const ds = pop(4) as u32;
  if (stack_fault) return 1;
  const fs = pop(4) as u32;
  if (stack_fault) return 1;
  const gs = pop(4) as u32;
  if (stack_fault) return 1;
  write_rflags(flags | FLAG_VM);
  resume(flags);
  commit_code(selector, 3, 0, 0xffff, 0xf3);
  load_real_segment(CS, selector);
  load_real_segment(SS, ss & 0xffff);
  load_real_segment(ES, es & 0xffff);
  load_real_segment(DS, ds & 0xffff);
  load_real_segment(FS, fs & 0xffff);
  load_real_segment(GS, gs & 0xffff);
  set_gpr(RSP, newSp);
  update_mode();
  return go_to(offset);
}

export function iret(opBits: u32): i32 {
  store<u32>(ST, 0, S_NMI_BLOCKED);
  const size = opBits >> 3;
  if (protected_mode() && !v86() && rflags() & FLAG_NT) return ia32e() ? gp0() : task_return();
  const virtual = virtual_interrupts();
  if (v86() && iopl() < 3 && (!virtual || opBits != 16)) return gp0();
  sp = gpr(RSP);
  const offset = pop(size);
  if (stack_fault) return 1;
  const selector = pop(size) as u32 & 0xffff;
  if (stack_fault) return 1;
  const flags = pop(size);
  if (stack_fault) return 1;
  if (real_or_v86()) {
    if (offset > (seg_limit(CS) as u64)) return gp0();
    // IOPL is writable in real mode (level 0) and kept in virtual-8086 mode.
    if (virtual && virtual_flags_refused(flags)) return gp0();
    const mask = iret_mask(opBits, cpl());
    load_real_segment(CS, selector);
    set_sp(sp);
    if (virtual) set_virtual_interrupt(flags);
    load_flags(flags, mask);
    update_mode();
    return go_to(offset);
  }
  const level = cpl();
  if (flags & FLAG_VM && opBits == 32 && level == 0 && !ia32e()) return return_to_v86(offset, selector, flags);
  if (check_return_code(selector, offset)) return 1;
  const rpl = selector & 3;
  const mask = iret_mask(opBits, level);
  if (rpl == level && !long64()) {
    commit_code(selector, rpl, codeBase, codeLimit, codeAccess);
    set_sp(sp);
    load_flags(flags, mask);
    update_mode();
    return go_to(offset);
  }
  const newSp = pop(size);
  if (stack_fault) return 1;
  const stack = pop(size) as u32 & 0xffff;
  if (stack_fault) return 1;
  const status = check_return_stack(stack, rpl);
  if (status == 1) return 1;
  load_flags(flags, mask);
  return commit_outer(selector, rpl, stack, status == 2, newSp, offset);
}
