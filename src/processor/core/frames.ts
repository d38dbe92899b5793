// Stack frames of events and calls on a stack that is not in SS yet, and the stack pointers of the TSS.
// Intel SDM Vol. 3A, "Stack Switching", "Task-State Segment (TSS)", "64-Bit TSS".
import { in_limit } from './descriptors';
import { ST } from './env';
import { raise } from './exceptions';
import { S_CPL } from './generated/layout';
import { bad, check_write, sys_read16, sys_read32, sys_read64, write_sized } from './memory';
import { ACCESS_USER } from './paging';
import {
  set_seg,
  seg_access,
  seg_base,
  seg_limit,
  seg_selector,
  CS,
  SS_FAULT,
  TR,
  TS,
  canonical,
  ia32e,
} from './state';

let frame_base: u64 = 0;
let frame_mask: u64 = 0;
let frame_access: u32 = 0;
/** Stack pointer of the open frame. */
export let frame_sp: u64 = 0;

/** Opens a frame of `bytes` below `sp`; checks limit and write permission before anything is written. */
export function frame_open(base: u64, limit: u32, ar: u32, mask: u64, sp: u64, level: u32, bytes: u64, code: u32): i32 {
  frame_base = base;
  frame_mask = mask;
  frame_sp = sp & mask;
  frame_access = level == 3 ? ACCESS_USER : 0;
  const bottom = (sp - bytes) & mask;
  if (mask == ~(0 as u64)) {
    if (!canonical(bottom) || !canonical(sp - 1)) return raise(SS_FAULT, code);
    return check_write(bottom, bytes as u32, frame_access);
  }
  const room = sp & mask;
  if (mask == 0xffff && room != 0 && room < bytes) {
    // The stack pointer wraps between two pushes; no push may itself cross the end. (A frame of 12 bytes is taken as three
    // doublewords, also where it is six words.)
    const unit: u64 = bytes < 12 ? 2 : 4;
    if (room & (unit - 1)) return raise(SS_FAULT, code);
    if (!in_limit(ar, limit, 0, room) || !in_limit(ar, limit, bottom, bytes - room)) return raise(SS_FAULT, code);
    if (check_write(base & 0xffff_ffff, room as u32, frame_access)) return 1;
    return check_write((base + bottom) & 0xffff_ffff, (bytes - room) as u32, frame_access);
  }
  if (!in_limit(ar, limit, bottom, bytes)) return raise(SS_FAULT, code);
  return check_write((base + bottom) & 0xffff_ffff, bytes as u32, frame_access);
}
export function frame_push(size: u32, value: u64): i32 {
  frame_sp = (frame_sp - (size as u64)) & frame_mask;
  const linear = frame_base + frame_sp;
  return write_sized(frame_mask == ~(0 as u64) ? linear : linear & 0xffff_ffff, size, value, frame_access);
}

/** Stack of an inner level from the TSS. */
export let tss_sp: u64 = 0;
export let tss_ss: u32 = 0;
export function read_tss_stack(level: u32, ext: u32): i32 {
  const code = (seg_selector(TR) & 0xfffc) | ext;
  const limit = seg_limit(TR);
  const base = seg_base(TR);
  if (seg_access(TR) & 8) {
    const at: u32 = 4 + level * 8;
    if (at + 5 > limit) return raise(TS, code);
    tss_sp = sys_read32(base + (at as u64)) as u64;
    if (bad) return 1;
    tss_ss = sys_read16(base + (at as u64) + 4);
  } else {
    const at: u32 = 2 + level * 4;
    if (at + 3 > limit) return raise(TS, code);
    tss_sp = sys_read16(base + (at as u64)) as u64;
    if (bad) return 1;
    tss_ss = sys_read16(base + (at as u64) + 2);
  }
  return bad;
}
/** 64-bit TSS: RSP0..RSP2, or IST1..IST7 when `ist` is not 0. */
export function read_tss_stack64(level: u32, ist: u32, ext: u32): i32 {
  const at: u32 = ist ? 28 + ist * 8 : 4 + level * 8;
  if (at + 7 > seg_limit(TR)) return raise(TS, (seg_selector(TR) & 0xfffc) | ext);
  tss_sp = sys_read64(seg_base(TR) + (at as u64));
  if (bad) return 1;
  return canonical(tss_sp) ? 0 : raise(SS_FAULT, ext);
}

/** Loads CS and CPL; the caller calls update_mode(). */
export function commit_code(selector: u32, level: u32, base: u64, limit: u32, access: u32): void {
  set_seg(CS, (selector & 0xfffc) | level, base, limit, access | 1);
  store<u32>(ST, level, S_CPL);
}
/** L and D must not both be set in IA-32e mode. */
export function bad_code_size(access: u32): bool {
  return ia32e() && (access & 0x6000) == 0x6000;
}
