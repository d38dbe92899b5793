// Guest memory by linear address: slow paths of the interpreter and typed accesses of the procedures. Fast case: one TLB
// probe. MMIO goes to the monitor and is replayed. See ../README.md "Memory".
import { ST } from './env';
import { EXIT_EPT_VIOLATION, vm_exit } from './exceptions';
import {
  AREA_TLB_SUPERVISOR,
  AREA_TLB_USER,
  S_BOUNCE,
  S_EXCLUSIVE,
  S_EXIT_LINEAR,
  S_EXIT_PHYSICAL,
  S_EXIT_SIZE,
  S_EXIT_VALUE,
  S_RECORD,
  S_TLB,
  TLB_ADDEND,
  TLB_ENTRIES,
  TLB_EXEC_TAG,
  TLB_READ_TAG,
  TLB_SIZE_BYTES,
  TLB_WRITE_TAG,
} from './generated/layout';
import { exclusive_begin, exclusive_end, parallel } from './parallel';
import { ACCESS_EXEC, ACCESS_IMPLICIT, ACCESS_USER, ACCESS_WRITE, code_lines, note_write } from './paging';
import { REPLAY_MMIO_READ, REPLAY_MMIO_WRITE, replay, replay_value } from './replay';
import { cpl, FLAG_AC, ia32e, KEY_DEBUG, long64, mode_key, rflags } from './state';
import { fill, fill_host, fill_physical, fill_writable } from './tlb';
import { check_alignment, watch_data } from './watch';

const PAGE: u64 = 4095;
const INDEX_MASK: usize = ((TLB_ENTRIES - 1) as usize) * TLB_SIZE_BYTES;

/** 1 when the last typed read (`read8` ... `sys_read64`) unwinds. */
export let bad: i32 = 0;

/** Access kind of data accesses of the running code. */
export function data_access(): u32 {
  return cpl() == 3 ? ACCESS_USER : 0;
}
export function tlb_entry(linear: u64, access: u32): usize {
  return ST + (access & ACCESS_USER ? AREA_TLB_USER : AREA_TLB_SUPERVISOR) + (((linear >> 7) as usize) & INDEX_MASK);
}
/** Implicit accesses must not use a translation that only RFLAGS.AC opens. */
function probe_allowed(access: u32): bool {
  return !(access & ACCESS_IMPLICIT) || !(rflags() & FLAG_AC);
}
/** First byte of the page after `linear`'s; wraps at 4 GiB outside 64-bit code. */
function next_page(linear: u64, access: u32): u64 {
  const next = (linear | PAGE) + 1;
  if (next == 0x1_0000_0000 && !(access & ACCESS_IMPLICIT ? ia32e() : long64())) return 0;
  return next;
}

// --- MMIO -------------------------------------------------------------------------------------------------------

function chunk_size(address: u64, left: u32): u32 {
  const room: u32 = (8 as u32) - ((address as u32) & 7);
  let n: u32 = 8;
  while (n > left || n > room) n >>= 1;
  return n;
}
function mmio_exit(physical: u64, linear: u64, size: u32, value: u64, qualification: u64): i32 {
  vm_exit(EXIT_EPT_VIOLATION, qualification | 0x180);
  store<u64>(ST, physical, S_EXIT_PHYSICAL);
  store<u64>(ST, linear, S_EXIT_LINEAR);
  store<u32>(ST, size, S_EXIT_SIZE);
  store<u64>(ST, value, S_EXIT_VALUE);
  return 1;
}
function load_sized(p: usize, size: u32): u64 {
  return size == 8
    ? load<u64>(p)
    : size == 4
      ? (load<u32>(p) as u64)
      : size == 2
        ? (load<u16>(p) as u64)
        : (load<u8>(p) as u64);
}
function store_sized(p: usize, value: u64, size: u32): void {
  if (size == 8) store<u64>(p, value);
  else if (size == 4) store<u32>(p, value as u32);
  else if (size == 2) store<u16>(p, value as u16);
  else store<u8>(p, value as u8);
}
function mmio_read(physical: u64, linear: u64, size: u32, to: usize): i32 {
  for (let done: u32 = 0; done < size; ) {
    const at = physical + (done as u64);
    const n = chunk_size(at, size - done);
    if (!replay(REPLAY_MMIO_READ, n, at)) return mmio_exit(at, linear + (done as u64), n, 0, 1);
    store_sized(to + done, replay_value, n);
    done += n;
  }
  return 0;
}
function mmio_write(physical: u64, linear: u64, size: u32, from: usize): i32 {
  for (let done: u32 = 0; done < size; ) {
    const at = physical + (done as u64);
    const n = chunk_size(at, size - done);
    if (!replay(REPLAY_MMIO_WRITE, n, at))
      return mmio_exit(at, linear + (done as u64), n, load_sized(from + done, n), 2);
    done += n;
  }
  return 0;
}

/** An access whose pages allow it: alignment, then data breakpoints. */
@inline function look_at(linear: u64, size: u32, access: u32): i32 {
  if (access & ACCESS_USER && check_alignment(linear, size)) return 1;
  if (mode_key() & KEY_DEBUG && !(access & ACCESS_IMPLICIT)) watch_data(linear, size, (access & ACCESS_WRITE) != 0);
  return 0;
}

// --- slow paths -------------------------------------------------------------------------------------------------

/** Both parts of a range that crosses a page border, after find_parts(); false: the TLB has not both pages with that tag. */
let parts_first: usize = 0;
let parts_second: usize = 0;
@inline function find_parts(linear: u64, access: u32, tag: usize): bool {
  const entry = tlb_entry(linear, access);
  const next = next_page(linear, access);
  const entry2 = tlb_entry(next, access);
  if (load<u64>(entry + tag) != (linear & ~PAGE) || load<u64>(entry2 + tag) != next || !probe_allowed(access))
    return false;
  parts_first = (load<u32>(entry, TLB_ADDEND) + (linear as u32)) as usize;
  parts_second = (load<u32>(entry2, TLB_ADDEND) + (next as u32)) as usize;
  return true;
}
/** The parts into the bounce buffer. */
@inline function join_parts(first: u32, size: u32): usize {
  const bounce = ST + S_BOUNCE;
  memory.copy(bounce, parts_first, first);
  memory.copy(bounce + first, parts_second, size - first);
  return bounce;
}

function read_pointer(linear: u64, size: u32, access: u32): usize {
  const first = (4096 as u32) - ((linear & PAGE) as u32);
  const bounce = ST + S_BOUNCE;
  if (size > first && find_parts(linear, access, access & ACCESS_WRITE ? TLB_WRITE_TAG : TLB_READ_TAG))
    return join_parts(first, size);
  if (fill(linear, access)) return 0;
  if (size <= first) {
    if (look_at(linear, size, access)) return 0;
    if (fill_host) return fill_host;
    return mmio_read(fill_physical, linear, size, bounce) ? 0 : bounce;
  }
  const host = fill_host;
  const physical = fill_physical;
  const next = next_page(linear, access);
  if (fill(next, access)) return 0;
  if (look_at(linear, size, access)) return 0;
  const host2 = fill_host;
  const physical2 = fill_physical;
  if (host) memory.copy(bounce, host, first);
  else if (mmio_read(physical, linear, first, bounce)) return 0;
  if (host2) memory.copy(bounce + first, host2, size - first);
  else if (mmio_read(physical2, next, size - first, bounce + first)) return 0;
  return bounce;
}
function write_bounce(linear: u64, size: u32, access: u32): i32 {
  const first = (4096 as u32) - ((linear & PAGE) as u32);
  const bounce = ST + S_BOUNCE;
  access |= ACCESS_WRITE;
  if (size > first && find_parts(linear, access, TLB_WRITE_TAG)) {
    memory.copy(parts_first, bounce, first);
    memory.copy(parts_second, bounce + first, size - first);
    return 0;
  }
  if (fill(linear, access)) return 1;
  const host = fill_writable ? fill_host : 0;
  const physical = fill_physical;
  if (size <= first) {
    if (look_at(linear, size, access)) return 1;
    if (host == 0) return mmio_write(physical, linear, size, bounce);
    memory.copy(host, bounce, size);
    note_write(host, size);
    return 0;
  }
  const next = next_page(linear, access);
  if (fill(next, access)) return 1;
  if (look_at(linear, size, access)) return 1;
  const host2 = fill_writable ? fill_host : 0;
  if (host == 0 && mmio_write(physical, linear, first, bounce)) return 1;
  if (host2 == 0 && mmio_write(fill_physical, next, size - first, bounce + first)) return 1;
  if (host) {
    memory.copy(host, bounce, first);
    note_write(host, first);
  }
  if (host2) {
    memory.copy(host2, bounce + first, size - first);
    note_write(host2, size - first);
  }
  return 0;
}

/** Host pointer to `size` valid bytes of `linear` (maybe the bounce buffer); 0: unwind. */
export function mem_read_slow(linear: u64, size: i32): i32 {
  // Translated code comes here, too, when a wider range than this access was not to be had at once.
  return read_access(linear, size as u32, data_access()) as i32;
}
/** Writes `size` bytes from the bounce buffer; 1 done, 0 unwind. */
export function mem_write_slow(linear: u64, size: i32): i32 {
  const p = write_direct(linear, size as u32, data_access());
  if (p) {
    memory.copy(p, ST + S_BOUNCE, size);
    return 1;
  }
  return write_bounce(linear, size as u32, data_access()) ? 0 : 1;
}
/** What mem_rmw_slow() has copied to the bounce buffer is memory, no device. */
let rmw_in_ram: bool = false;
/** Checks write permission; pointer to the current value: direct, or the bounce buffer (then mem_write_slow follows); 0: unwind. */
export function mem_rmw_slow(linear: u64, size: i32): i32 {
  const direct = write_direct(linear, size as u32, data_access());
  if (direct) return direct as i32;
  const access = data_access() | ACCESS_WRITE;
  const first = 4096 - ((linear & PAGE) as i32);
  if (size > first) {
    if (find_parts(linear, access, TLB_WRITE_TAG)) {
      rmw_in_ram = true;
      return join_parts(first as u32, size as u32) as i32;
    }
    if (fill(next_page(linear, access), access)) return 0;
    rmw_in_ram = fill_host != 0;
    if (fill(linear, access)) return 0;
    if (!fill_host) rmw_in_ram = false;
  } else {
    if (fill(linear, access)) return 0;
    if (look_at(linear, size, access)) return 0;
    rmw_in_ram = fill_host != 0;
    if (fill_writable && code_lines(fill_host) == 0 && (!parallel() || write_direct(linear, size, access)))
      return fill_host as i32;
    if (fill_host) {
      memory.copy(ST + S_BOUNCE, fill_host, size);
      return (ST + S_BOUNCE) as i32;
    }
  }
  const p = read_pointer(linear, size as u32, access);
  if (p == 0) return 0;
  if (p != ST + S_BOUNCE) memory.copy(ST + S_BOUNCE, p, size);
  return (ST + S_BOUNCE) as i32;
}

/**
 * A locked read-modify-write of `size` bytes at `host` (from a TLB entry or mem_rmw_slow()) that no single atomic
 * instruction can do: stops the other vCPUs. Pointer to the current value as of mem_rmw_slow(), 0: unwind.
 */
export function locked_begin(host: i32, linear: u64, size: i32): i32 {
  if (host != (ST + S_BOUNCE) as i32) {
    exclusive_begin();
    return host;
  }
  // each access to a device is a VM exit of its own: there is no lock on that bus
  if (!rmw_in_ram) return host;
  exclusive_begin();
  const p = mem_rmw_slow(linear, size);
  if (p == 0) exclusive_end();
  return p;
}
/** The end of what locked_begin() began. */
export function locked_end(host: i32, size: i32): void {
  if (!load<u32>(ST, S_EXCLUSIVE)) return;
  if (host != (ST + S_BOUNCE) as i32) note_write(host as usize, size as u32);
  exclusive_end();
}

/** What translate_exec() answers for code outside memory slots: fetch_device() reads it. */
export const CODE_ON_DEVICE: i32 = 1;
/** Host pointer for fetching code at `linear`; 0: unwind. */
export function translate_exec(linear: u64): i32 {
  const table = load<u32>(ST, S_TLB) as usize;
  const entry = table + (((linear >> 7) as usize) & INDEX_MASK);
  if (load<u64>(entry, TLB_EXEC_TAG) == (linear & ~PAGE)) return load<u32>(entry, TLB_ADDEND) + (linear as u32);
  if (fill(linear, data_access() | ACCESS_EXEC)) return 0;
  return fill_host ? (fill_host as i32) : CODE_ON_DEVICE;
}
/** Reads `size` bytes of code from a device or an empty bus to host address `to`, within a page. Status. */
export function fetch_device(linear: u64, size: i32, to: i32): i32 {
  store<u32>(ST, 0, S_RECORD);
  if (fill(linear, data_access() | ACCESS_EXEC)) return 1;
  return mmio_read(fill_physical, linear, size as u32, to as usize);
}

// --- typed accesses ---------------------------------------------------------------------------------------------

/** Pointer to `size` bytes at `linear`, in one page or bounced; 0: unwind. */
export function read_access(linear: u64, size: u32, access: u32): usize {
  const entry = tlb_entry(linear, access);
  if (load<u64>(entry, TLB_READ_TAG) == ((linear + (size as u64) - 1) & ~PAGE) && probe_allowed(access))
    return (load<u32>(entry, TLB_ADDEND) + (linear as u32)) as usize;
  return read_pointer(linear, size, access);
}
export function read_sized(linear: u64, size: u32, access: u32): u64 {
  const p = read_access(linear, size, access);
  bad = p == 0 ? 1 : 0;
  return p ? load_sized(p, size) : 0;
}
export function write_sized(linear: u64, size: u32, value: u64, access: u32): i32 {
  const entry = tlb_entry(linear, access);
  if (load<u64>(entry, TLB_WRITE_TAG) == ((linear + (size as u64) - 1) & ~PAGE) && probe_allowed(access)) {
    store_sized((load<u32>(entry, TLB_ADDEND) + (linear as u32)) as usize, value, size);
    return 0;
  }
  store_sized(ST + S_BOUNCE, value, size);
  return write_bounce(linear, size, access);
}
/** Direct host pointer for stores to [linear, linear + size), or 0 when the slow path is needed. Raises nothing. */
export function write_direct(linear: u64, size: u32, access: u32): usize {
  const entry = tlb_entry(linear, access);
  if (load<u64>(entry, TLB_WRITE_TAG) == ((linear + (size as u64) - 1) & ~PAGE) && probe_allowed(access))
    return (load<u32>(entry, TLB_ADDEND) + (linear as u32)) as usize;
  return 0;
}
/** Raises what a write to any byte of [linear, linear + size) would raise, without writing. */
export function check_write(linear: u64, size: u32, access: u32): i32 {
  if (write_direct(linear, size, access)) return 0;
  access |= ACCESS_WRITE;
  if (!write_direct(linear, 1, access) && fill(linear, access)) return 1;
  let left = (size as i32) - (4096 - ((linear & PAGE) as i32));
  while (left > 0) {
    linear = next_page(linear, access);
    if (!write_direct(linear, 1, access) && fill(linear, access)) return 1;
    left -= 4096;
  }
  return 0;
}

export function read8(linear: u64): u32 {
  return read_sized(linear, 1, data_access()) as u32;
}
export function read16(linear: u64): u32 {
  return read_sized(linear, 2, data_access()) as u32;
}
export function read32(linear: u64): u32 {
  return read_sized(linear, 4, data_access()) as u32;
}
export function read64(linear: u64): u64 {
  return read_sized(linear, 8, data_access());
}
/** Implicit supervisor accesses: descriptor tables and task-state segments. */
export function sys_read16(linear: u64): u32 {
  return read_sized(linear, 2, ACCESS_IMPLICIT) as u32;
}
export function sys_read32(linear: u64): u32 {
  return read_sized(linear, 4, ACCESS_IMPLICIT) as u32;
}
export function sys_read64(linear: u64): u64 {
  return read_sized(linear, 8, ACCESS_IMPLICIT);
}
export function sys_write16(linear: u64, value: u32): i32 {
  return write_sized(linear, 2, value as u64, ACCESS_IMPLICIT);
}
export function sys_write32(linear: u64, value: u32): i32 {
  return write_sized(linear, 4, value as u64, ACCESS_IMPLICIT);
}
