// String instructions. Intel SDM Vol. 2 "MOVS", "STOS", "LODS", "CMPS", "SCAS", "REP/REPE/REPZ/REPNE/REPNZ".
// A REP instruction does a bounded amount, then goes back to its own RIP: each such chunk retires as one instruction and
// is a point where events are taken. rCX, rSI, rDI are always those of the completed iterations.
import { ST } from './env';
import {
  FLAGS_SUB,
  S_FLAGS_A,
  S_FLAGS_B,
  S_FLAGS_KIND,
  S_DEBUG_HITS,
  S_GPR,
  S_REPLAY_NEXT,
  TLB_ADDEND,
  TLB_READ_TAG,
} from './generated/layout';
import { bad, data_access, read_sized, tlb_entry, write_direct, write_sized } from './memory';
import { ACCESS_WRITE, note_write } from './paging';
import { parallel } from './parallel';
import { current_rip, go_to } from './position';
import { segment_linear } from './segments';
import {
  ES,
  FLAG_DF,
  FS,
  gpr,
  KEY_DEBUG,
  KEY_FLAT,
  long64,
  mode_key,
  RAX,
  RCX,
  RDI,
  rflags,
  RSI,
  seg_base,
  set_gpr,
} from './state';
import { fill, fill_host, fill_watched, fill_writable } from './tlb';
import { set_resume_flag } from './watch';

/** Bytes and elements per chunk. */
export const CHUNK_BYTES: u32 = 4096;
export const CHUNK_ELEMENTS: u32 = 512;

export function address_mask(addrBits: u32): u64 {
  return ~(0 as u64) >> ((64 - addrBits) as u64);
}
/** Writes rSI, rDI or rCX in the address size. */
export function set_index(n: u32, value: u64, addrBits: u32): void {
  if (addrBits == 16) store<u16>(ST + (n << 3), value as u16, S_GPR);
  else set_gpr(n, addrBits == 32 ? value & 0xffff_ffff : value);
}
/** Linear address of an element; 1 in `unwinds` when a segment check raised. */
export let unwinds: i32 = 0;
export function string_linear(segment: u32, offset: u64, size: u32, write: u32): u64 {
  unwinds = 0;
  if (mode_key() & KEY_FLAT) {
    if (segment < FS) return offset;
    if (long64()) return seg_base(segment) + offset;
  }
  const linear = segment_linear(segment, offset, size, write);
  if (linear == ~(0 as u64)) unwinds = 1;
  return linear;
}
/** +size or -size by DF. */
export function step_of(size: u32): u64 {
  return rflags() & FLAG_DF ? 0 - (size as u64) : (size as u64);
}
/** Ends a chunk: back to the instruction when iterations remain. */
export function chunk_end(left: u64): i32 {
  if (!left) return 0;
  if (mode_key() & KEY_DEBUG) set_resume_flag();
  return go_to(current_rip());
}
/** The last element used the monitor or met a breakpoint: the chunk must end so that the replay log starts afresh, or for the trap. */
export function used_monitor(): bool {
  return load<u32>(ST, S_REPLAY_NEXT) != 0 || load<u32>(ST, S_DEBUG_HITS) != 0;
}

/** Host pointers for runs; 0: element by element. Status in `unwinds`. */
function run_source(linear: u64, access: u32): usize {
  const entry = tlb_entry(linear, access);
  unwinds = 0;
  if (load<u64>(entry, TLB_READ_TAG) == (linear & ~(4095 as u64)))
    return (load<u32>(entry, TLB_ADDEND) + (linear as u32)) as usize;
  unwinds = fill(linear, access);
  return unwinds || fill_watched ? 0 : fill_host;
}
let target_is_direct: bool = false;
function run_target(linear: u64, access: u32): usize {
  unwinds = 0;
  target_is_direct = true;
  const p = write_direct(linear, 1, access);
  if (p) return p;
  target_is_direct = false;
  unwinds = fill(linear, access | ACCESS_WRITE);
  return unwinds || fill_watched || !fill_writable ? 0 : fill_host;
}
/** Elements from `offset` up to the end of the page of `linear` and of the offset space. */
function run_length(linear: u64, offset: u64, mask: u64, size: u32, limit: u64): u64 {
  const page = (4096 - (linear & 4095)) / (size as u64);
  let n = page < limit ? page : limit;
  const room = mask - offset;
  if (room < n * (size as u64)) n = room / (size as u64);
  return n;
}

/** Elements from `offset` down to the begin of the page of `linear` and of the offset space; 0: the first one leaves the page. */
function run_length_down(linear: u64, offset: u64, size: u32, limit: u64): u64 {
  if ((linear & 4095) + (size as u64) > 4096) return 0;
  const page = (linear & 4095) / (size as u64) + 1;
  const n = page < limit ? page : limit;
  const room = offset / (size as u64) + 1;
  return room < n ? room : n;
}

export function string_movs(size: u32, addrBits: u32, rep: u32, segment: u32): i32 {
  const mask = address_mask(addrBits);
  let left: u64 = rep ? gpr(RCX) & mask : 1;
  const access = data_access();
  const step = step_of(size);
  const forward = (step as i64) > 0;
  let bytes: u32 = 0;
  let elements: u32 = 0;
  while (left) {
    const si = gpr(RSI) & mask;
    const di = gpr(RDI) & mask;
    const from = string_linear(segment, si, size, 0);
    if (unwinds) return 1;
    const to = string_linear(ES, di, size, 1);
    if (unwinds) return 1;
    let n: u64 = 0;
    if (left > 1) {
      if (forward) {
        n = run_length(from, si, mask, size, left);
        n = run_length(to, di, mask, size, n);
      } else {
        n = run_length_down(from, si, size, left);
        n = run_length_down(to, di, size, n);
      }
    }
    // from the first element to the lowest one
    const down: u64 = forward || !n ? 0 : (n - 1) * (size as u64);
    if (n > 1 && !(mode_key() & KEY_FLAT)) {
      // The whole run must lie in both segments; otherwise element by element up to the fault.
      const total = (n * (size as u64)) as u32;
      string_linear(segment, si - down, total, 0);
      if (!unwinds) string_linear(ES, di - down, total, 1);
      if (unwinds) n = 0;
    }
    if (n > 1) {
      const s = run_source(from, access);
      if (unwinds) return 1;
      const d = run_target(to, access);
      if (unwinds) return 1;
      if (s && d) {
        const total = (n * (size as u64)) as u32;
        const lowest = d - (down as usize);
        if (forward) copy_forward(d, s, total, size);
        else copy_backward(lowest, s - (down as usize), total, size);
        if (!target_is_direct || parallel()) note_write(lowest, total);
        set_index(RSI, si + n * step, addrBits);
        set_index(RDI, di + n * step, addrBits);
        left -= n;
        if (rep) set_index(RCX, left, addrBits);
        bytes += total;
        if (bytes >= CHUNK_BYTES) break;
        continue;
      }
    }
    const value = read_sized(from, size, access);
    if (bad) return 1;
    if (write_sized(to, size, value, access)) return 1;
    set_index(RSI, si + step, addrBits);
    set_index(RDI, di + step, addrBits);
    left--;
    if (rep) set_index(RCX, left, addrBits);
    bytes += size;
    if (++elements >= CHUNK_ELEMENTS || bytes >= CHUNK_BYTES || used_monitor()) break;
  }
  return chunk_end(left);
}
/** Copies as a forward element loop does: an overlapping target above the source repeats the pattern. */
function copy_forward(to: usize, from: usize, bytes: u32, size: u32): void {
  const distance = (to as u32) - (from as u32);
  if (distance >= bytes) {
    memory.copy(to, from, bytes);
    return;
  }
  if (distance == 0) return;
  const end = to + bytes;
  if (size == 8) for (; to < end; to += 8, from += 8) store<u64>(to, load<u64>(from));
  else if (size == 4) for (; to < end; to += 4, from += 4) store<u32>(to, load<u32>(from));
  else if (size == 2) for (; to < end; to += 2, from += 2) store<u16>(to, load<u16>(from));
  else for (; to < end; to++, from++) store<u8>(to, load<u8>(from));
}
/** Copies as a backward element loop does: an overlapping target below the source repeats the pattern. */
function copy_backward(to: usize, from: usize, bytes: u32, size: u32): void {
  const distance = (from as u32) - (to as u32);
  if (distance >= bytes) {
    memory.copy(to, from, bytes);
    return;
  }
  if (distance == 0) return;
  for (let at: usize = bytes; at != 0; ) {
    at -= size;
    if (size == 8) store<u64>(to + at, load<u64>(from + at));
    else if (size == 4) store<u32>(to + at, load<u32>(from + at));
    else if (size == 2) store<u16>(to + at, load<u16>(from + at));
    else store<u8>(to + at, load<u8>(from + at));
  }
}

export function string_stos(size: u32, addrBits: u32, rep: u32, segment: u32): i32 {
  const mask = address_mask(addrBits);
  let left: u64 = rep ? gpr(RCX) & mask : 1;
  const access = data_access();
  const step = step_of(size);
  const forward = (step as i64) > 0;
  const value = gpr(RAX);
  let bytes: u32 = 0;
  let elements: u32 = 0;
  while (left) {
    const di = gpr(RDI) & mask;
    const to = string_linear(ES, di, size, 1);
    if (unwinds) return 1;
    let n: u64 = 0;
    if (forward && left > 1) {
      n = run_length(to, di, mask, size, left);
      if (n > 1 && !(mode_key() & KEY_FLAT)) {
        string_linear(ES, di, (n * (size as u64)) as u32, 1);
        if (unwinds) n = 0;
      }
    }
    if (n > 1) {
      const d = run_target(to, access);
      if (unwinds) return 1;
      if (d) {
        const total = (n * (size as u64)) as u32;
        fill_run(d, value, total, size);
        if (!target_is_direct || parallel()) note_write(d, total);
        set_index(RDI, di + (total as u64), addrBits);
        left -= n;
        if (rep) set_index(RCX, left, addrBits);
        bytes += total;
        if (bytes >= CHUNK_BYTES) break;
        continue;
      }
    }
    if (write_sized(to, size, value, access)) return 1;
    set_index(RDI, di + step, addrBits);
    left--;
    if (rep) set_index(RCX, left, addrBits);
    bytes += size;
    if (++elements >= CHUNK_ELEMENTS || bytes >= CHUNK_BYTES || used_monitor()) break;
  }
  return chunk_end(left);
}
function fill_run(to: usize, value: u64, bytes: u32, size: u32): void {
  const byte = value & 0xff;
  let pattern = value;
  if (size == 1) pattern = byte * 0x0101_0101_0101_0101;
  else if (size == 2) pattern = (value & 0xffff) * 0x0001_0001_0001_0001;
  else if (size == 4) pattern = (value & 0xffff_ffff) * 0x1_0000_0001;
  if (pattern == byte * 0x0101_0101_0101_0101) {
    memory.fill(to, byte as u8, bytes);
    return;
  }
  const end = to + bytes;
  for (; to + 8 <= end; to += 8) store<u64>(to, pattern);
  for (; to < end; to += size) {
    if (size == 4) store<u32>(to, pattern as u32);
    else store<u16>(to, pattern as u16);
  }
}

export function string_lods(size: u32, addrBits: u32, rep: u32, segment: u32): i32 {
  const mask = address_mask(addrBits);
  let left: u64 = rep ? gpr(RCX) & mask : 1;
  const access = data_access();
  const step = step_of(size);
  let elements: u32 = 0;
  while (left) {
    const si = gpr(RSI) & mask;
    const from = string_linear(segment, si, size, 0);
    if (unwinds) return 1;
    const value = read_sized(from, size, access);
    if (bad) return 1;
    if (size == 1) store<u8>(ST + RAX * 8, value as u8, S_GPR);
    else if (size == 2) store<u16>(ST + RAX * 8, value as u16, S_GPR);
    else set_gpr(RAX, value);
    set_index(RSI, si + step, addrBits);
    left--;
    if (rep) set_index(RCX, left, addrBits);
    if (++elements >= CHUNK_ELEMENTS || used_monitor()) break;
  }
  return chunk_end(left);
}

/** Lazy flags of a - b. */
function set_compare(a: u64, b: u64, size: u32): void {
  store<u64>(ST, a, S_FLAGS_A);
  store<u64>(ST, b, S_FLAGS_B);
  store<u32>(ST, (FLAGS_SUB << 2) | ctz(size), S_FLAGS_KIND);
}
/** REPE stops at a difference, REPNE at equality. */
function stops(rep: u32, a: u64, b: u64): bool {
  return rep == 1 ? a != b : rep == 2 ? a == b : false;
}
export function string_cmps(size: u32, addrBits: u32, rep: u32, segment: u32): i32 {
  const mask = address_mask(addrBits);
  let left: u64 = rep ? gpr(RCX) & mask : 1;
  const access = data_access();
  const step = step_of(size);
  let elements: u32 = 0;
  while (left) {
    const si = gpr(RSI) & mask;
    const di = gpr(RDI) & mask;
    const first = string_linear(segment, si, size, 0);
    if (unwinds) return 1;
    const second = string_linear(ES, di, size, 0);
    if (unwinds) return 1;
    const a = read_sized(first, size, access);
    if (bad) return 1;
    const b = read_sized(second, size, access);
    if (bad) return 1;
    set_compare(a, b, size);
    set_index(RSI, si + step, addrBits);
    set_index(RDI, di + step, addrBits);
    left--;
    if (rep) set_index(RCX, left, addrBits);
    if (stops(rep, a, b)) return 0;
    if (++elements >= CHUNK_ELEMENTS || used_monitor()) break;
  }
  return chunk_end(left);
}
export function string_scas(size: u32, addrBits: u32, rep: u32, segment: u32): i32 {
  const mask = address_mask(addrBits);
  let left: u64 = rep ? gpr(RCX) & mask : 1;
  const access = data_access();
  const step = step_of(size);
  const a = gpr(RAX) & (~(0 as u64) >> ((64 - size * 8) as u64));
  let elements: u32 = 0;
  while (left) {
    const di = gpr(RDI) & mask;
    const linear = string_linear(ES, di, size, 0);
    if (unwinds) return 1;
    const b = read_sized(linear, size, access);
    if (bad) return 1;
    set_compare(a, b, size);
    set_index(RDI, di + step, addrBits);
    left--;
    if (rep) set_index(RCX, left, addrBits);
    if (stops(rep, a, b)) return 0;
    if (++elements >= CHUNK_ELEMENTS || used_monitor()) break;
  }
  return chunk_end(left);
}
