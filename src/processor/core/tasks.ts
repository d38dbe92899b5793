// Hardware task switches. Intel SDM Vol. 3A, "Task Management": Task Switching, Task Linking, 32-Bit and 16-Bit TSS.
// DEVIATION: the SDM makes every task switch in VMX non-root operation a VM exit; here the processor carries it out.
import {
  d_access,
  d_address,
  d_base,
  d_dpl,
  d_limit,
  d_low,
  d_present,
  d_type,
  fetch_descriptor,
  is_code,
  is_conforming,
  is_readable,
  set_accessed,
  set_type_bit,
} from './descriptors';
import { ST } from './env';
import { raise, raise_trap } from './exceptions';
import { rflags_full, write_rflags } from './flags';
import { commit_code } from './frames';
import { S_CPL, S_CR0, S_CR3, S_DR, S_EXCEPTION_ADDRESS, S_RIP, S_UNWIND, UNWIND_LOOKUP } from './generated/layout';
import { deliver_in_new_task } from './interrupts';
import { bad, check_write, read_access, sys_read16, sys_read32, sys_write16, sys_write32, write_sized } from './memory';
import { update_mode } from './mode';
import { ACCESS_IMPLICIT, read_pdptes } from './paging';
import { next_rip } from './position';
import { check_stack_segment, commit_segment, load_null, load_real_segment, stack_write } from './segments';
import {
  CR0_PG,
  CR0_TS,
  cr0,
  cr4,
  CR4_PAE,
  cpl,
  CS,
  DB,
  DS,
  FLAG_NT,
  FLAG_RF,
  KEY_DEBUG,
  mode_key,
  FLAG_VM,
  FS,
  GP,
  gpr,
  LDTR,
  NP,
  RSP,
  seg_access,
  seg_base,
  seg_limit,
  seg_selector,
  set_gpr,
  set_seg,
  SS,
  TR,
  TS,
} from './state';
import { tlb_flush_nonglobal } from './tlb';
import { set_resume_flag } from './watch';

const BY_CALL: u32 = 0;
const BY_IRET: u32 = 1;
const BY_JUMP: u32 = 2;

/** 0 not yet committed to the new task (faults belong to the old one), 1 committed. */
let committed: bool = false;

/** Checks the TSS descriptor of `selector` (fetching it) for a switch that needs it available. */
function fetch_task(selector: u32, vector: u32, ext: u32, wantBusy: bool): i32 {
  const code = (selector & 0xfffc) | ext;
  if (selector & 4 || !(selector & 0xfffc)) return raise(vector, code);
  if (fetch_descriptor(selector, vector, ext)) return 1;
  const type = d_type() & 0x17;
  if ((d_type() & 0x10) != 0 || type != (wantBusy ? 3 : 1)) return raise(vector, code);
  if (!d_present()) return raise(NP, code);
  return 0;
}

/** Old state to its TSS. */
function save_task(rip: u64, flags: u64): i32 {
  const base = seg_base(TR);
  if (seg_access(TR) & 8) {
    if (sys_write32(base + 0x20, rip as u32)) return 1;
    if (sys_write32(base + 0x24, flags as u32)) return 1;
    for (let i: u32 = 0; i < 8; i++) if (sys_write32(base + ((0x28 + i * 4) as u64), gpr(i) as u32)) return 1;
    for (let i: u32 = 0; i < 6; i++) if (sys_write16(base + ((0x48 + i * 4) as u64), seg_selector(i))) return 1;
    return 0;
  }
  if (sys_write16(base + 0x0e, rip as u32)) return 1;
  if (sys_write16(base + 0x10, flags as u32)) return 1;
  for (let i: u32 = 0; i < 8; i++) if (sys_write16(base + ((0x12 + i * 2) as u64), gpr(i) as u32)) return 1;
  for (let i: u32 = 0; i < 4; i++) if (sys_write16(base + ((0x22 + i * 2) as u64), seg_selector(i))) return 1;
  return 0;
}

/** Loads LDTR and the segment registers of the new task; #TS(selector), #NP, #SS belong to it. */
function load_task_segments(base: u64, wide: bool, ldt: u32): i32 {
  for (let i: u32 = 0; i < 6; i++) {
    let selector: u32 = 0;
    if (wide) selector = sys_read16(base + ((0x48 + i * 4) as u64));
    else if (i < 4) selector = sys_read16(base + ((0x22 + i * 2) as u64));
    if (bad) return 1;
    set_seg(i, selector, 0, 0, 0x1_0000);
  }
  set_seg(LDTR, ldt, 0, 0, 0x1_0000);
  if (ldt & 0xfffc) {
    if (ldt & 4) return raise(TS, ldt & 0xfffc);
    if (fetch_descriptor(ldt, TS, 0)) return 1;
    if (d_type() != 2 || !d_present()) return raise(TS, ldt & 0xfffc);
    set_seg(LDTR, ldt, d_base(), d_limit(), d_access());
  }
  const code = seg_selector(CS);
  if (rflags_full() & FLAG_VM) {
    store<u32>(ST, 3, S_CPL);
    for (let i: u32 = 0; i < 6; i++) load_real_segment(i, seg_selector(i));
    update_mode();
    return 0;
  }
  const level = code & 3;
  store<u32>(ST, level, S_CPL);
  if (!(code & 0xfffc)) return raise(TS, 0);
  if (fetch_descriptor(code, TS, 0)) return 1;
  const type = d_type();
  if (!is_code(type) || (is_conforming(type) ? d_dpl() > level : d_dpl() != level)) return raise(TS, code & 0xfffc);
  if (!d_present()) return raise(NP, code & 0xfffc);
  if (set_accessed()) return 1;
  commit_code(code, level, d_base(), d_limit(), d_access());
  const stack = seg_selector(SS);
  if (!(stack & 0xfffc)) return raise(TS, 0);
  if (check_stack_segment(stack, level, TS, 0)) return 1;
  if (set_accessed()) return 1;
  commit_segment(SS, stack);
  update_mode();
  for (let i: u32 = 0; i < 6; i++) {
    if (i == CS || i == SS) continue;
    const selector = seg_selector(i);
    if (!(selector & 0xfffc)) {
      load_null(i, selector);
      continue;
    }
    if (fetch_descriptor(selector, TS, 0)) return 1;
    const t = d_type();
    if (!is_readable(t)) return raise(TS, selector & 0xfffc);
    if (!is_conforming(t) && ((selector & 3) > d_dpl() || level > d_dpl())) return raise(TS, selector & 0xfffc);
    if (!d_present()) return raise(NP, selector & 0xfffc);
    if (set_accessed()) return 1;
    commit_segment(i, selector);
  }
  update_mode();
  return 0;
}

/** Switches to the task whose descriptor was fetched last. `rip`, `flags`: what the old task resumes with. */
function switch_task(selector: u32, how: u32, ext: u32, rip: u64, flags: u64, hasCode: bool, errorCode: u32): i32 {
  committed = false;
  const wide = (d_type() & 8) != 0;
  const base = d_base();
  const limit = d_limit();
  const access = d_access();
  const address = d_address;
  const needed: u32 = wide ? 0x67 : 0x2b;
  if (limit < needed) return raise(TS, (selector & 0xfffc) | ext);
  const oldBase = seg_base(TR);
  const oldSelector = seg_selector(TR);
  const oldBytes: u32 = seg_access(TR) & 8 ? 0x68 : 0x2c;
  if (check_write(oldBase, oldBytes, ACCESS_IMPLICIT)) return 1;
  if (read_access(base, 1, ACCESS_IMPLICIT) == 0 || read_access(base + (needed as u64), 1, ACCESS_IMPLICIT) == 0)
    return 1;
  if (how == BY_CALL && check_write(base, 2, ACCESS_IMPLICIT)) return 1;

  if (how == BY_IRET) flags &= ~FLAG_NT;
  if (how != BY_CALL) {
    // The old task is no longer busy.
    if (fetch_descriptor(oldSelector, TS, ext)) return 1;
    if (set_type_bit(2, false)) return 1;
  }
  if (save_task(rip, flags)) return 1;
  if (how == BY_CALL && sys_write16(base, oldSelector)) return 1;
  if (how != BY_IRET && write_sized(address + 5, 1, ((access & 0xff) | 2) as u64, ACCESS_IMPLICIT)) return 1;

  const eip = wide ? sys_read32(base + 0x20) : sys_read16(base + 0x0e);
  let newFlags = (wide ? sys_read32(base + 0x24) : sys_read16(base + 0x10)) as u64;
  const ldt = wide ? sys_read16(base + 0x60) : sys_read16(base + 0x2a);
  const trap = wide ? sys_read16(base + 0x64) & 1 : 0;
  const cr3 = wide ? sys_read32(base + 0x1c) : 0;
  for (let i: u32 = 0; i < 8; i++)
    set_gpr(
      i,
      (wide
        ? sys_read32(base + ((0x28 + i * 4) as u64))
        : sys_read16(base + ((0x12 + i * 2) as u64)) | 0xffff_0000) as u64,
    );
  if (how == BY_CALL) newFlags |= FLAG_NT;
  committed = true;
  set_seg(TR, selector, base, limit, access | 2);
  store<u64>(ST, cr0() | CR0_TS, S_CR0);
  write_rflags(newFlags);
  if (newFlags & FLAG_RF && mode_key() & KEY_DEBUG) set_resume_flag();
  store<u64>(ST, eip as u64, S_RIP);
  if (wide && cr0() & CR0_PG) {
    // The segment selectors lie in the TSS: read them through the old tables as hardware does, before CR3 changes.
    for (let i: u32 = 0; i < 6; i++) set_seg(i, sys_read16(base + ((0x48 + i * 4) as u64)), 0, 0, 0x1_0000);
    if (load<u64>(ST, S_CR3) != (cr3 as u64)) {
      if (cr4() & CR4_PAE && !read_pdptes(cr3 as u64)) return raise(GP, 0);
      store<u64>(ST, cr3 as u64, S_CR3);
      tlb_flush_nonglobal();
    }
  }
  store<u64>(ST, load<u64>(ST, S_DR + 56) & ~(0x155 as u64), S_DR + 56);
  if (load_task_segments(base, wide, ldt)) return 1;
  if (hasCode) {
    const size: u32 = wide ? 4 : 2;
    const sp = gpr(RSP) - (size as u64);
    if (stack_write(sp, size, errorCode as u64)) return 1;
    set_gpr(RSP, sp & 0xffff_ffff);
  }
  if (eip > seg_limit(CS)) return raise(GP, 0);
  if (trap) {
    store<u64>(ST, 0x8000, S_EXCEPTION_ADDRESS);
    return raise_trap(DB);
  }
  return 0;
}
/** For instructions: a fault after the commit is delivered in the new task. */
function finish(status: i32): i32 {
  if (status == 0) {
    store<u32>(ST, UNWIND_LOOKUP, S_UNWIND);
    return 1;
  }
  return committed ? deliver_in_new_task() : 1;
}

/** Task gate of an IDT. Status as of a delivery: `rip` is the new task's on success and on faults after the commit. */
export function switch_by_gate(selector: u32, ext: u32, rip: u64, flags: u64, hasCode: bool, errorCode: u32): i32 {
  if (fetch_task(selector, GP, ext, false)) return 1;
  return switch_task(selector, BY_CALL, ext, rip, flags, hasCode, errorCode);
}
export function switch_by_jump(selector: u32): i32 {
  if (d_dpl() < cpl() || d_dpl() < (selector & 3)) return raise(GP, selector & 0xfffc);
  if (fetch_task(selector, GP, 0, false)) return 1;
  return finish(switch_task(selector, BY_JUMP, 0, next_rip(), rflags_full(), false, 0));
}
export function switch_by_call(selector: u32): i32 {
  if (d_dpl() < cpl() || d_dpl() < (selector & 3)) return raise(GP, selector & 0xfffc);
  if (fetch_task(selector, GP, 0, false)) return 1;
  return finish(switch_task(selector, BY_CALL, 0, next_rip(), rflags_full(), false, 0));
}
/** Task gate in the GDT or LDT (fetched last): fetches the TSS descriptor it names. */
function open_task_gate(selector: u32): i32 {
  if (d_dpl() < cpl() || d_dpl() < (selector & 3)) return raise(GP, selector & 0xfffc);
  if (!d_present()) return raise(NP, selector & 0xfffc);
  return fetch_task(d_low >> 16, GP, 0, false);
}
export function switch_gate_jump(selector: u32): i32 {
  const task = d_low >> 16;
  if (open_task_gate(selector)) return 1;
  return finish(switch_task(task, BY_JUMP, 0, next_rip(), rflags_full(), false, 0));
}
export function switch_gate_call(selector: u32): i32 {
  const task = d_low >> 16;
  if (open_task_gate(selector)) return 1;
  return finish(switch_task(task, BY_CALL, 0, next_rip(), rflags_full(), false, 0));
}
/** IRET with NT set: back to the task in the link field. */
export function task_return(): i32 {
  const selector = sys_read16(seg_base(TR));
  if (bad) return 1;
  if (fetch_task(selector, TS, 0, true)) return 1;
  return finish(switch_task(selector, BY_IRET, 0, next_rip(), rflags_full(), false, 0));
}
