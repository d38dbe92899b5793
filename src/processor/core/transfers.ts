// Far jumps and calls through code segments and gates. Intel SDM Vol. 2 "JMP—Jump", "CALL—Call Procedure"; Vol. 3A
// "Privilege Levels", "Call Gates", "IA-32e Mode Call Gates".
import {
  d_access,
  d_base,
  d_base_high,
  d_dpl,
  d_high,
  d_last,
  d_limit,
  d_low,
  d_present,
  d_type,
  fetch_descriptor,
  fetch_upper,
  is_code,
  is_conforming,
  set_accessed,
} from './descriptors';
import { gp0, raise } from './exceptions';
import {
  bad_code_size,
  commit_code,
  frame_open,
  frame_push,
  frame_sp,
  read_tss_stack,
  read_tss_stack64,
  tss_sp,
  tss_ss,
} from './frames';
import { update_mode } from './mode';
import { go_to, next_rip } from './position';
import {
  check_stack_segment,
  commit_segment,
  load_real_segment,
  stack_fault,
  stack_read,
  stack_write,
} from './segments';
import {
  canonical,
  cpl,
  CS,
  GP,
  gpr,
  ia32e,
  NP,
  real_or_v86,
  RSP,
  seg_limit,
  seg_selector,
  set_gpr,
  set_seg,
  set_sp,
  SS,
  TS,
} from './state';
import { switch_by_call, switch_by_jump, switch_gate_call, switch_gate_jump } from './tasks';

let codeBase: u64 = 0;
let codeLimit: u32 = 0;
let codeAccess: u32 = 0;

/** Code segment of a direct far transfer: privilege, presence and the target offset. */
function check_direct_code(selector: u32, offset: u64): i32 {
  const code = selector & 0xfffc;
  const type = d_type();
  if (is_conforming(type) ? d_dpl() > cpl() : (selector & 3) > cpl() || d_dpl() != cpl()) return raise(GP, code);
  if (bad_code_size(d_access())) return raise(GP, code);
  if (!d_present()) return raise(NP, code);
  return note_code(offset);
}
function note_code(offset: u64): i32 {
  codeBase = d_base();
  codeLimit = d_limit();
  codeAccess = d_access();
  if (ia32e() && codeAccess & 0x2000) {
    if (!canonical(offset)) return gp0();
  } else if (offset > (codeLimit as u64)) return gp0();
  return set_accessed();
}
function enter_code_segment(selector: u32, level: u32, offset: u64): i32 {
  commit_code(selector, level, codeBase, codeLimit, codeAccess);
  update_mode();
  return go_to(offset);
}

let gateSelector: u32 = 0;
let gateOffset: u64 = 0;
let gateWords: u32 = 0;
let gateSize: u32 = 0;
/** Checks a call gate (fetched last) and fetches its code segment. */
function open_gate(selector: u32, isCall: bool): i32 {
  const code = selector & 0xfffc;
  const type = d_type();
  if (d_dpl() < cpl() || (selector & 3) > d_dpl()) return raise(GP, code);
  if (!d_present()) return raise(NP, code);
  gateSelector = d_low >> 16;
  gateOffset = (type & 8 ? (d_low & 0xffff) | (d_high & 0xffff_0000) : d_low & 0xffff) as u64;
  gateWords = d_high & 31;
  gateSize = ia32e() ? 8 : type & 8 ? 4 : 2;
  if (ia32e()) {
    if (fetch_upper(selector, GP, 0)) return 1;
    if (d_last & 0x1f00) return raise(GP, code);
    gateOffset |= (d_base_high as u64) << 32;
  }
  if (!(gateSelector & 0xfffc)) return gp0();
  if (fetch_descriptor(gateSelector, GP, 0)) return 1;
  const target = gateSelector & 0xfffc;
  if (!is_code(d_type()) || d_dpl() > cpl()) return raise(GP, target);
  if (!isCall && !is_conforming(d_type()) && d_dpl() != cpl()) return raise(GP, target);
  if (ia32e() && (d_access() & 0x6000) != 0x2000) return raise(GP, target);
  if (!d_present()) return raise(NP, target);
  return 0;
}

export function far_jump(selector: u32, offset: u64, opBits: u32): i32 {
  selector &= 0xffff;
  if (opBits == 16) offset &= 0xffff;
  else if (opBits == 32) offset &= 0xffff_ffff;
  if (real_or_v86()) {
    if (offset > (seg_limit(CS) as u64)) return gp0();
    load_real_segment(CS, selector);
    update_mode();
    return go_to(offset);
  }
  if (!(selector & 0xfffc)) return gp0();
  if (fetch_descriptor(selector, GP, 0)) return 1;
  const type = d_type();
  if (is_code(type)) {
    if (check_direct_code(selector, offset)) return 1;
    return enter_code_segment(selector, cpl(), offset);
  }
  if (type == 12 || (type == 4 && !ia32e())) {
    if (open_gate(selector, false)) return 1;
    if (note_code(gateOffset)) return 1;
    return enter_code_segment(gateSelector, cpl(), gateOffset);
  }
  if (!ia32e()) {
    if (type == 5) return switch_gate_jump(selector);
    if (type == 1 || type == 9) return switch_by_jump(selector);
  }
  return raise(GP, selector & 0xfffc);
}

/** Pushes CS and the return address on the current stack; returns through call_sp. */
let call_sp: u64 = 0;
function push_return(size: u32): i32 {
  call_sp = gpr(RSP) - ((size * 2) as u64);
  if (stack_write(call_sp, size, next_rip())) return 1;
  return stack_write(call_sp + (size as u64), size, seg_selector(CS) as u64);
}

export function far_call(selector: u32, offset: u64, opBits: u32): i32 {
  selector &= 0xffff;
  if (opBits == 16) offset &= 0xffff;
  else if (opBits == 32) offset &= 0xffff_ffff;
  const size = opBits >> 3;
  if (real_or_v86()) {
    if (offset > (seg_limit(CS) as u64)) return gp0();
    if (push_return(size)) return 1;
    set_sp(call_sp);
    load_real_segment(CS, selector);
    update_mode();
    return go_to(offset);
  }
  if (!(selector & 0xfffc)) return gp0();
  if (fetch_descriptor(selector, GP, 0)) return 1;
  const type = d_type();
  if (is_code(type)) {
    if (check_direct_code(selector, offset)) return 1;
    if (push_return(size)) return 1;
    set_sp(call_sp);
    return enter_code_segment(selector, cpl(), offset);
  }
  if (type == 12 || (type == 4 && !ia32e())) return call_gate(selector);
  if (!ia32e()) {
    if (type == 5) return switch_gate_call(selector);
    if (type == 1 || type == 9) return switch_by_call(selector);
  }
  return raise(GP, selector & 0xfffc);
}

function call_gate(selector: u32): i32 {
  if (open_gate(selector, true)) return 1;
  const level = is_conforming(d_type()) ? cpl() : d_dpl();
  if (note_code(gateOffset)) return 1;
  const size = gateSize;
  if (level == cpl()) {
    if (push_return(size)) return 1;
    set_sp(call_sp);
    return enter_code_segment(gateSelector, level, gateOffset);
  }
  const oldSp = gpr(RSP);
  if (ia32e()) {
    if (read_tss_stack64(level, 0, 0)) return 1;
    if (frame_open(0, 0, 0, ~(0 as u64), tss_sp, level, 32, 0)) return 1;
    if (frame_push(8, seg_selector(SS) as u64)) return 1;
    if (frame_push(8, oldSp)) return 1;
    if (frame_push(8, seg_selector(CS) as u64)) return 1;
    if (frame_push(8, next_rip())) return 1;
    set_gpr(RSP, frame_sp);
    set_seg(SS, level, 0, 0, 0x1_0093 | (level << 5));
    return enter_code_segment(gateSelector, level, gateOffset);
  }
  if (read_tss_stack(level, 0)) return 1;
  const stack = tss_ss;
  const newSp = tss_sp;
  if (!(stack & 0xfffc)) return raise(TS, 0);
  if (check_stack_segment(stack, level, TS, 0)) return 1;
  if (set_accessed()) return 1;
  const mask: u64 = d_high & 0x40_0000 ? 0xffff_ffff : 0xffff;
  const words = gateWords;
  const bytes = ((4 + words) * size) as u64;
  if (frame_open(d_base(), d_limit(), d_access(), mask, newSp, level, bytes, stack & 0xfffc)) return 1;
  if (frame_push(size, seg_selector(SS) as u64)) return 1;
  if (frame_push(size, oldSp)) return 1;
  for (let i: i32 = (words as i32) - 1; i >= 0; i--) {
    const value = stack_read(oldSp + ((i * (size as i32)) as u64), size);
    if (stack_fault) return 1;
    if (frame_push(size, value)) return 1;
  }
  if (frame_push(size, seg_selector(CS) as u64)) return 1;
  if (frame_push(size, next_rip())) return 1;
  commit_segment(SS, stack);
  set_gpr(RSP, mask == 0xffff ? (newSp & 0xffff_0000) | frame_sp : frame_sp);
  return enter_code_segment(gateSelector, level, gateOffset);
}
