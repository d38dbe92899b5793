// Segment registers: loads with their checks, and addresses within segments. Intel SDM Vol. 3A, "Protection";
// Vol. 2 "MOV—Move", "LDS/LES/LFS/LGS/LSS".
import {
  d_access,
  d_base,
  d_dpl,
  d_limit,
  d_present,
  d_type,
  fetch_descriptor,
  fetch_mapped,
  in_limit,
  is_conforming,
  is_readable,
  is_writable_data,
  set_accessed,
} from './descriptors';
import { raise } from './exceptions';
import { set_shadow } from './flags';
import { bad, data_access, read_sized, write_sized } from './memory';
import { update_mode } from './mode';
import {
  AR_P,
  AR_S,
  AR_UNUSABLE,
  canonical,
  cpl,
  CS,
  FLAG_AC,
  FS,
  GP,
  GS,
  KEY_FLAT,
  KEY_REAL,
  long64,
  mode_key,
  NP,
  real_or_v86,
  rflags,
  seg_access,
  seg_base,
  seg_limit,
  seg_selector,
  set_seg,
  SS,
  SS_FAULT,
  stack_mask,
  v86,
} from './state';

/** Base and selector as in real-address and virtual-8086 mode. */
export function load_real_segment(n: u32, selector: u32): void {
  const base = (selector as u64) << 4;
  if (v86()) set_seg(n, selector, base, 0xffff, 0xf3);
  // Real-address mode keeps limit and attributes; what was unusable becomes writable data.
  else {
    const access = seg_access(n);
    set_seg(n, selector, base, seg_limit(n), access & AR_UNUSABLE ? 0x93 : access | AR_P | AR_S | 1);
  }
}
/** Loads a null selector; SS in 64-bit mode keeps its DPL. */
export function load_null(n: u32, selector: u32): void {
  set_seg(n, selector, 0, 0, n == SS ? AR_UNUSABLE | (cpl() << 5) | AR_S | 0x80 | 3 : AR_UNUSABLE);
}

/** Fetches and checks the descriptor of a stack segment for privilege `level`; selector faults raise `vector`. */
export function check_stack_segment(selector: u32, level: u32, vector: u32, ext: u32): i32 {
  const code = (selector & 0xfffc) | ext;
  if (fetch_descriptor(selector, vector, ext)) return 1;
  if ((selector & 3) != level || d_dpl() != level || !is_writable_data(d_type())) return raise(vector, code);
  if (!d_present()) return raise(SS_FAULT, code);
  return 0;
}
/** Writes the register from the descriptor fetched last; no checks. */
export function commit_segment(n: u32, selector: u32): void {
  set_seg(n, selector, d_base(), d_limit(), d_access() | 1);
}
/** Checks of a data segment load without the commit; the descriptor is left in descriptors.ts. Not for SS. */
export function check_data_segment(selector: u32, vector: u32, ext: u32): i32 {
  const code = (selector & 0xfffc) | ext;
  if (fetch_descriptor(selector, vector, ext)) return 1;
  const type = d_type();
  if (!is_readable(type)) return raise(vector, code);
  if (!is_conforming(type) && ((selector & 3) > d_dpl() || cpl() > d_dpl())) return raise(vector, code);
  if (!d_present()) return raise(NP, code);
  return 0;
}

/** Access rights of data that is present and accessed: of P, S, code or data, A. */
const PLAIN_DATA: u32 = 0x99;
const PLAIN_DATA_VALUE: u32 = 0x91;
/** A load as kernels do it: of a data segment that was loaded before, whose descriptor the TLB has. False: not done. */
@inline function load_plain(n: u32, selector: u32): bool {
  if (n == SS || !(selector & 0xfffc) || real_or_v86() || rflags() & FLAG_AC || !fetch_mapped(selector)) return false;
  if ((d_access() & PLAIN_DATA) != PLAIN_DATA_VALUE || d_dpl() < (selector & 3) || d_dpl() < cpl()) return false;
  commit_segment(n, selector);
  return true;
}
/** MOV Sreg, POP Sreg, LDS...: the instruction may write after it, so it always returns 0 on success. */
export function load_segment(n: u32, selector: u32): i32 {
  selector &= 0xffff;
  const base = seg_base(n);
  const limit = seg_limit(n);
  const access = seg_access(n);
  if (load_plain(n, selector)) {
    // nothing is left to do
  } else if (real_or_v86()) {
    load_real_segment(n, selector);
  } else if (n == SS) {
    if (!(selector & 0xfffc)) {
      if (!long64() || cpl() == 3 || (selector & 3) != cpl()) return raise(GP, 0);
      load_null(SS, selector);
    } else {
      if (check_stack_segment(selector, cpl(), GP, 0)) return 1;
      if (set_accessed()) return 1;
      commit_segment(SS, selector);
    }
  } else if (!(selector & 0xfffc)) {
    load_null(n, selector);
  } else {
    if (check_data_segment(selector, GP, 0)) return 1;
    if (set_accessed()) return 1;
    commit_segment(n, selector);
  }
  if (n == SS) set_shadow(2);
  // the selector alone changes nothing
  if (n < FS && (seg_access(n) != access || seg_base(n) != base || seg_limit(n) != limit)) update_mode();
  return 0;
}
export function segment_selector(n: u32): u32 {
  return seg_selector(n);
}

/** Linear address of [offset, offset + size) in segment `n`; all ones: #GP(0) or #SS(0) raised. */
export function segment_linear(n: u32, offset: u64, size: u32, write: u32): u64 {
  const vector = n == SS ? SS_FAULT : GP;
  if (long64()) {
    const linear = n == FS || n == GS ? seg_base(n) + offset : offset;
    if (!canonical(linear)) {
      raise(vector, 0);
      return ~(0 as u64);
    }
    return linear;
  }
  const access = seg_access(n);
  let ok = (access & AR_UNUSABLE) == 0 && in_limit(access, seg_limit(n), offset, size as u64);
  if (!(mode_key() & KEY_REAL) && ok) ok = write ? is_writable_data(access & 0x1f) : is_readable(access & 0x1f);
  if (!ok) {
    raise(vector, 0);
    return ~(0 as u64);
  }
  return (seg_base(n) + offset) & 0xffff_ffff;
}

/** Value at SS:[sp], sp already masked; status in `bad`. */
export function stack_read(sp: u64, size: u32): u64 {
  const mask = stack_mask();
  sp &= mask;
  let linear = sp;
  if (!(mode_key() & KEY_FLAT)) {
    linear = segment_linear(SS, sp, size, 0);
    if (linear == ~(0 as u64)) {
      stack_fault = 1;
      return 0;
    }
  } else if (mask == ~(0 as u64) && !canonical(sp)) {
    raise(SS_FAULT, 0);
    stack_fault = 1;
    return 0;
  }
  const value = read_sized(linear, size, data_access());
  stack_fault = bad;
  return value;
}
/** 1 when the last stack_read unwinds. */
export let stack_fault: i32 = 0;

export function stack_write(sp: u64, size: u32, value: u64): i32 {
  const mask = stack_mask();
  sp &= mask;
  let linear = sp;
  if (!(mode_key() & KEY_FLAT)) {
    linear = segment_linear(SS, sp, size, 1);
    if (linear == ~(0 as u64)) return 1;
  } else if (mask == ~(0 as u64) && !canonical(sp)) return raise(SS_FAULT, 0);
  return write_sized(linear, size, value, data_access());
}

/** Return to an outer level: data segments that the new level may not use become null. */
export function invalidate_segments(level: u32): void {
  for (let n: u32 = 0; n < 6; n++) {
    if (n == CS || n == SS) continue;
    const access = seg_access(n);
    if (access & AR_UNUSABLE) {
      if (!(seg_selector(n) & 0xfffc)) continue;
    } else if (is_conforming(access & 0x1f) || ((access >> 5) & 3) >= level) continue;
    // unusable, but its base stays: 64-bit code goes on to address by FS and GS
    set_seg(n, 0, seg_base(n), seg_limit(n), access | AR_UNUSABLE);
  }
}
