// ENTER, BOUND, CMPXCHG8B, CMPXCHG16B. Intel SDM Vol. 2 under these names.
import { ST } from './env';
import { gp0, raise } from './exceptions';
import { set_zero_flag } from './flags';
import { S_BOUNCE } from './generated/layout';
import { locked_begin, locked_end, bad, data_access, mem_rmw_slow, mem_write_slow, read_sized, write_direct } from './memory';
import { pair_lock, pair_unlock, parallel } from './parallel';
import { stack_fault, stack_read, stack_write } from './segments';
import { BR, gpr, RAX, RBP, RBX, RCX, RDX, RSP, set_gpr, set_gpr_bits, set_sp, stack_mask } from './state';

export function enter(size: u32, nesting: u32, opBits: u32): i32 {
  const bytes = opBits >> 3;
  const mask = stack_mask();
  const level = nesting & 31;
  let sp = (gpr(RSP) - (bytes as u64)) & mask;
  if (stack_write(sp, bytes, gpr(RBP))) return 1;
  const frame = sp;
  if (level) {
    let bp = gpr(RBP) & mask;
    for (let i: u32 = 1; i < level; i++) {
      bp = (bp - (bytes as u64)) & mask;
      const value = stack_read(bp, bytes);
      if (stack_fault) return 1;
      sp = (sp - (bytes as u64)) & mask;
      if (stack_write(sp, bytes, value)) return 1;
    }
    sp = (sp - (bytes as u64)) & mask;
    if (stack_write(sp, bytes, frame)) return 1;
  }
  sp = (sp - (size as u64)) & mask;
  // The new top must be writable: read and write back what is there.
  const top = stack_read(sp, bytes);
  if (stack_fault) return 1;
  if (stack_write(sp, bytes, top)) return 1;
  set_gpr_bits(RBP, frame, opBits);
  set_sp(sp);
  return 0;
}

/** #BR unless lower <= index <= upper, signed. */
export function bound(linear: u64, index: i32, opBits: u32): i32 {
  const size = opBits >> 3;
  const access = data_access();
  let lower = read_sized(linear, size, access) as i32;
  if (bad) return 1;
  let upper = read_sized(linear + (size as u64), size, access) as i32;
  if (bad) return 1;
  if (opBits == 16) {
    lower = (lower << 16) >> 16;
    upper = (upper << 16) >> 16;
    index = (index << 16) >> 16;
  }
  return index < lower || index > upper ? raise(BR, 0) : 0;
}

/** Pointer for a read-modify-write of `size` bytes; 0: unwind. */
function modify(linear: u64, size: u32): usize {
  const p = write_direct(linear, size, data_access());
  return p ? p : (mem_rmw_slow(linear, size as i32) as usize);
}
/** Makes the value stored through modify()'s pointer visible; status. */
function finish(p: usize, linear: u64, size: u32): i32 {
  return p == ST + S_BOUNCE && !mem_write_slow(linear, size as i32) ? 1 : 0;
}
export function cmpxchg8b(linear: u64): i32 {
  let p = modify(linear, 8);
  if (p == 0) return 1;
  const expected = (gpr(RAX) & 0xffff_ffff) | (gpr(RDX) << 32);
  const replacement = (gpr(RBX) & 0xffff_ffff) | (gpr(RCX) << 32);
  if (parallel() && (((p as u32) & 7) != 0 || p == ST + S_BOUNCE)) {
    p = locked_begin(p as i32, linear, 8) as usize;
    if (p == 0) return 1;
  }
  let old: u64;
  if (((p as u32) & 7) == 0 && p != ST + S_BOUNCE) old = atomic.cmpxchg<u64>(p, expected, replacement);
  else {
    old = load<u64>(p);
    if (old == expected) store<u64>(p, replacement);
    const failed = finish(p, linear, 8);
    locked_end(p as i32, 8);
    if (failed) return 1;
  }
  if (old != expected) {
    set_gpr(RAX, old & 0xffff_ffff);
    set_gpr(RDX, old >> 32);
  }
  set_zero_flag(old == expected);
  return 0;
}
export function cmpxchg16b(linear: u64): i32 {
  if (linear & 15) return gp0();
  let p = modify(linear, 16);
  if (p == 0) return 1;
  const direct = parallel() && p != ST + S_BOUNCE;
  if (direct) pair_lock();
  else if (parallel()) {
    p = locked_begin(p as i32, linear, 16) as usize;
    if (p == 0) return 1;
  }
  let low = load<u64>(p);
  let high = load<u64>(p, 8);
  let equal = low == gpr(RAX) && high == gpr(RDX);
  if (direct) {
    // others may have half of it by an 8-byte operation meanwhile
    if (equal) low = atomic.cmpxchg<u64>(p, low, gpr(RBX));
    equal = equal && low == gpr(RAX);
    if (equal) {
      high = atomic.cmpxchg<u64>(p + 8, high, gpr(RCX));
      equal = high == gpr(RDX);
      if (!equal) atomic.cmpxchg<u64>(p, gpr(RBX), low);
    }
    pair_unlock();
  } else {
    if (equal) {
      store<u64>(p, gpr(RBX));
      store<u64>(p, gpr(RCX), 8);
    }
    const failed = finish(p, linear, 16);
    locked_end(p as i32, 16);
    if (failed) return 1;
  }
  if (!equal) {
    set_gpr(RAX, low);
    set_gpr(RDX, high);
  }
  set_zero_flag(equal);
  return 0;
}
