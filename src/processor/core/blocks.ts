// Blocks of decoded records: lookup by RIP, links between blocks, invalidation when code is overwritten, and the point
// where an instruction that ended early is resolved. Contract: ../README.md "Unwinding", "Budget".
import { block_hot, build_block, ST } from './env';
import { gp0, raise } from './exceptions';
import {
  AREA_SIZE_BYTES, BLOCK_HASH_ENTRIES, CODE_COPY_BYTES, BLOCK_COUNT, BLOCK_KEY, BLOCK_NEXT_IN_HASH, BLOCK_NEXT_IN_PAGE, BLOCK_SIZE_BYTES, JUMP_ENTRIES, JUMP_PAGE_OFFSET, JUMP_RECORD, JUMP_RIP, JUMP_SIZE_BYTES, RECORD_C, RECORD_DISP, RECORD_EXTRA, RECORD_HANDLER, RECORD_IMM, RECORD_LENGTH, RECORD_NEXT, RECORD_ORDER, RECORD_SIZE_BYTES,
  S_ARENA, S_ARENA_END, S_ARENA_NEXT, S_BLOCK_HASH, S_BLOCKS_BUILT, S_BUDGET, S_BUDGET_LOADED, S_CODE_COPY, S_CODE_HEAD, S_CODE_MAP, S_CODE_PAGE, S_COUNT_HANDLER, S_CROSSING, S_DEBUG_HITS, S_DELIVERED_AT, S_DELIVERIES, S_EXCEPTION_KIND, S_FIRST_AREA, S_FUSED_HANDLERS, S_JUMP_CACHE, S_MODE_KEY, S_PRIMARY, S_RAM_HOST, S_RAM_PAGES, S_RECORD, S_REGION_HANDLER, S_REPLAY_COUNT, S_REPLAY_NEXT, S_RETIRED, S_RIP, S_SEGMENTS, S_SKIP_HANDLER, S_SLOT_COUNT, S_SLOTS, S_STALE_HANDLER, S_STALE_PAGES, S_STOP_HANDLER, S_UNDEFINED_OPCODES, S_UNWIND, S_VCPU_COUNT, SEGMENT_BASE, SEGMENT_LIMIT, SEGMENT_SIZE_BYTES, SINGLE_HIGH, SINGLE_KEY, SINGLE_LOW, SINGLE_OFFSET, SINGLE_RECORD, SINGLE_SIZE_BYTES, SINGLES, SLOT_GPA, SLOT_HOST, SLOT_SIZE_BYTES, SLOT_SIZE_BYTES_FIELD, UNWIND_EXCEPTION, UNWIND_EXIT, UNWIND_LOOKUP, UNWIND_NONE,
} from './generated/layout';
import { breakpoint_record, deliver_exception } from './interrupts';
import { CODE_ON_DEVICE, fetch_device, translate_exec } from './memory';
import { code_lock, code_unlock, exclusive_begin, exclusive_end, memory_fence, parallel, post_stale_page, take_stale_pages } from './parallel';
import { regions_forget, regions_of_page_drop } from './regions';
import { jump_cache_flush, jump_noted, tlb_protect_page } from './tlb';

/** Below this many instructions the loop hands back to the vCPU, which runs block by block. */
const NEAR_END: i32 = 64;
/** Interrupt-window and NMI-window exiting: after an instruction that may have opened one, the vCPU looks. */
const WINDOWS: u32 = 0x40_0004;
const HASH_MASK: u32 = BLOCK_HASH_ENTRIES - 1;
const MAX_BLOCK_RECORDS: usize = 80;
/** Exceptions in a row without an instruction between them that cost no budget. */
const FREE_DELIVERIES: u32 = 8;
const NO_KEY: u64 = 0xffff_ffff_ffff_ffff;
const CS: usize = 1;

@inline function code_bits(): u32 { return load<u32>(ST, S_MODE_KEY) & 3; }
@inline function code_base(): u64 { return load<u64>(ST + S_SEGMENTS + CS * SEGMENT_SIZE_BYTES, SEGMENT_BASE); }
/** RIP space of the mode: 64 bits in 64-bit mode, else 32. */
@inline function wrap(rip: u64): u64 { return code_bits() == 2 ? rip : rip & 0xffff_ffff; }
@inline function jump_entry(rip: u64): usize {
  const line = <usize>load<u32>(ST, S_JUMP_CACHE);
  return line + ((<usize>(<u32>rip ^ <u32>(rip >> 12)) & (<usize>JUMP_ENTRIES - 1)) * JUMP_SIZE_BYTES);
}
@inline function record_next(u: usize): u64 { return wrap(load<u64>(ST, S_CODE_PAGE) + <u64>load<u16>(u, RECORD_NEXT)); }
@inline function record_rip(u: usize): u64 { return wrap(load<u64>(ST, S_CODE_PAGE) + <u64>load<u16>(u, RECORD_NEXT) - <u64>load<u8>(u, RECORD_LENGTH)); }
@inline function charge(n: i32): void { store<i32>(ST, load<i32>(ST, S_BUDGET) - n, S_BUDGET); }

/** Place of a key in the hash table of the vCPU whose state lies at `area`. */
@inline function hash_of(key: u64, area: usize): usize {
  const h = (<u32>(key >> 8) * 0x9e37_79b1) ^ <u32>(key & 0xff);
  return <usize>load<u32>(area, S_BLOCK_HASH) + ((<usize>(h >> 14) & <usize>HASH_MASK) << 2);
}
function find_block(key: u64): usize {
  let block: usize = load<u32>(hash_of(key, ST));
  while (block) {
    if (load<u64>(block, BLOCK_KEY) == key) return block + BLOCK_SIZE_BYTES;
    block = load<u32>(block, BLOCK_NEXT_IN_HASH);
  }
  return 0;
}
/** Forgets every block. Only between instructions. */
export function flush_blocks(): void {
  memory.fill(load<u32>(ST, S_BLOCK_HASH), 0, (<usize>HASH_MASK + 1) << 2);
  memory.fill(<usize>load<u32>(ST, S_CROSSING) + SINGLE_OFFSET, 0, <usize>SINGLES * SINGLE_SIZE_BYTES);
  // the map is shared: what other vCPUs have translated stays marked
  if (load<u32>(ST, S_VCPU_COUNT) == 1) memory.fill(load<u32>(ST, S_CODE_MAP), 0, <usize>load<u32>(ST, S_RAM_PAGES) << 3);
  memory.fill(load<u32>(ST, S_CODE_HEAD), 0, <usize>load<u32>(ST, S_RAM_PAGES) << 2);
  regions_forget();
  store<u32>(ST, load<u32>(ST, S_ARENA), S_ARENA_NEXT);
  jump_cache_flush();
}
/** Bits of the 64-byte lines of its page that the code at `host` touches. */
@inline function lines_of(host: usize, bytes: usize): u64 {
  const first = (host >> 6) & 63;
  const last = min<usize>(63, ((host & 0xfff) + (bytes ? bytes - 1 : 0)) >> 6);
  return (<u64>0xffff_ffff_ffff_ffff >> (63 - <u64>(last - first))) << <u64>first;
}
/** The code at `host` is what it was when its block was decoded. */
function unchanged(host: usize, bytes: usize): bool {
  for (let i: usize = 0; i < bytes; i++) if (load<u8>(host + i) != load<u8>(ST + i, S_CODE_COPY)) return false;
  return true;
}
/** Marks lines of a page in the code map at `map`; stores to it take the slow path from now on, also those of other threads. */
export function mark_lines(host: usize, map: usize, lines: u64): void {
  if (!parallel()) {
    if (load<u64>(map) == 0) tlb_protect_page(host);
    store<u64>(map, load<u64>(map) | lines);
    return;
  }
  if ((atomic.load<u64>(map) & lines) == lines) return;
  code_lock();
  // a vCPU that had a tag may be between its check and its store: it is waited for
  if (atomic.or<u64>(map, lines) == 0 && tlb_protect_page(host)) {
    exclusive_begin();
    exclusive_end();
  }
  code_unlock();
}
/**
 * Marks the lines of a block while other threads may write them: marks, takes the page's write tags from every vCPU, then
 * looks whether the bytes are still those that were decoded; else decodes anew.
 */
function mark_for_all(host: usize, block: usize, page: usize, decoded: usize): void {
  const map = <usize>load<u32>(ST, S_CODE_MAP) + (page << 3);
  let bytes = decoded;
  while (true) {
    const lines = lines_of(host, bytes);
    mark_lines(host, map, lines);
    if (unchanged(host, bytes)) return;
    store<u32>(ST, <u32>block, S_ARENA_NEXT);
    memory.copy(ST + S_CODE_COPY, host, min<usize>(CODE_COPY_BYTES, 4096 - (host & 4095)));
    bytes = <usize>build_block(<i32>host, <i32>block, 0);
  }
}
/** Block at a host address, built when absent. */
function block_at(host: usize): usize {
  const key = (<u64>host << 8) | <u64>(load<u32>(ST, S_MODE_KEY) & 0xff);
  const known = find_block(key);
  if (known) return known;
  if (<usize>load<u32>(ST, S_ARENA_NEXT) + (MAX_BLOCK_RECORDS + 1) * RECORD_SIZE_BYTES > <usize>load<u32>(ST, S_ARENA_END)) flush_blocks();
  const block: usize = load<u32>(ST, S_ARENA_NEXT);
  const page = (host - <usize>load<u32>(ST, S_RAM_HOST)) >> 12;
  const marked = page < <usize>load<u32>(ST, S_RAM_PAGES);
  if (marked && parallel()) memory.copy(ST + S_CODE_COPY, host, min<usize>(CODE_COPY_BYTES, 4096 - (host & 4095)));
  const bytes = <usize>build_block(<i32>host, <i32>block, 0); // writes records and count, moves arenaNext; returns code bytes
  store<u64>(ST, load<u64>(ST, S_BLOCKS_BUILT) + 1, S_BLOCKS_BUILT);
  const slot = hash_of(key, ST);
  store<u32>(block, load<u32>(slot), BLOCK_NEXT_IN_HASH);
  store<u64>(block, key, BLOCK_KEY);
  store<u32>(slot, <u32>block);
  if (marked) {
    if (parallel()) mark_for_all(host, block, page, bytes);
    else mark_lines(host, <usize>load<u32>(ST, S_CODE_MAP) + (page << 3), lines_of(host, bytes));
    const head = <usize>load<u32>(ST, S_CODE_HEAD) + (page << 2);
    store<u32>(block, load<u32>(head), BLOCK_NEXT_IN_PAGE);
    store<u32>(head, <u32>block);
  }
  return block + BLOCK_SIZE_BYTES;
}
/** Drops this vCPU's blocks of a page. */
export function forget_own_page(page: usize): void {
  forget_page_of(ST, page);
}
/** Drops the blocks of a page in every vCPU of the domain; in those of other threads at their next safe point. */
function forget_page(page: usize): void {
  const count = load<u32>(ST, S_VCPU_COUNT);
  let area: usize = load<u32>(ST, S_FIRST_AREA);
  if (parallel()) {
    // cleared before it is told: lines marked since are dropped too
    atomic.store<u64>(<usize>load<u32>(ST, S_CODE_MAP) + (page << 3), 0);
    for (let i: u32 = 0; i < count; i++, area += AREA_SIZE_BYTES) if (area != ST) post_stale_page(area, page);
    forget_page_of(ST, page);
    return;
  }
  for (let i: u32 = 0; i < count; i++, area += AREA_SIZE_BYTES) forget_page_of(area, page);
  store<u64>(<usize>load<u32>(ST, S_CODE_MAP) + (page << 3), 0);
}
function forget_page_of(area: usize, page: usize): void {
  const head = <usize>load<u32>(area, S_CODE_HEAD) + (page << 2);
  const stale = <u16>load<u32>(ST, S_STALE_HANDLER);
  regions_of_page_drop(area, page);
  let block: usize = load<u32>(head);
  if (block == 0) return;
  while (block) {
    // out of the hash chain
    let link = hash_of(load<u64>(block, BLOCK_KEY), area);
    while (load<u32>(link) && <usize>load<u32>(link) != block) link = <usize>load<u32>(link) + BLOCK_NEXT_IN_HASH;
    if (load<u32>(link)) store<u32>(link, load<u32>(block, BLOCK_NEXT_IN_HASH));
    store<u64>(block, NO_KEY, BLOCK_KEY);
    const count = <usize>load<u16>(block, BLOCK_COUNT);
    for (let i: usize = 1; i <= count; i++) store<u16>(block + i * RECORD_SIZE_BYTES, stale, RECORD_HANDLER);
    block = load<u32>(block, BLOCK_NEXT_IN_PAGE);
  }
  store<u32>(head, 0);
  // the copy of a block that is being run at the end of the budget
  const copy = <usize>load<u32>(area, S_ARENA_END);
  for (let i: usize = 0; i <= MAX_BLOCK_RECORDS; i++) store<u16>(copy + i * RECORD_SIZE_BYTES, stale, RECORD_HANDLER);
}
/** RAM at `host` was or is about to be written: blocks of the touched 64-byte lines are dropped with their page. */
export function code_written(host: usize, size: i32): void {
  memory_fence();
  const base = <usize>load<u32>(ST, S_RAM_HOST);
  let at = host;
  let left = <usize>size;
  while (left) {
    const chunk = min<usize>(left, 4096 - (at & 4095));
    const page = (at - base) >> 12;
    if (page < <usize>load<u32>(ST, S_RAM_PAGES)) {
      const map = load<u64>(<usize>load<u32>(ST, S_CODE_MAP) + (page << 3));
      if (map) {
        const first = <u64>(at >> 6) & 63;
        const last = <u64>((at & 4095) + chunk - 1) >> 6;
        if (map & ((<u64>0xffff_ffff_ffff_ffff >> (63 - (last - first))) << first)) forget_page(page);
      }
    }
    at += chunk;
    left -= chunk;
  }
}
/** A device or loader wrote guest-physical memory. */
export function physical_written(gpa: f64, size: f64): void {
  const at = <u64>gpa;
  const end = at + <u64>size;
  const count = load<u32>(ST, S_SLOT_COUNT);
  for (let i: u32 = 0; i < count; i++) {
    const slot = ST + S_SLOTS + <usize>i * SLOT_SIZE_BYTES;
    const base = load<u64>(slot, SLOT_GPA);
    const limit = base + load<u64>(slot, SLOT_SIZE_BYTES_FIELD);
    const from = max<u64>(at, base);
    const to = min<u64>(end, limit);
    if (from < to) code_written(<usize>load<u32>(slot, SLOT_HOST) + <usize>(from - base), <i32>(to - from));
  }
}

/** A handler that faults itself faults for ever: that must use up the budget. True: it cost an instruction. */
function spend_on_delivery(): bool {
  const count = load<u64>(ST, S_RETIRED) + <u64>(<i64>load<i32>(ST, S_BUDGET_LOADED) - <i64>load<i32>(ST, S_BUDGET));
  if (count != load<u64>(ST, S_DELIVERED_AT)) {
    store<u64>(ST, count, S_DELIVERED_AT);
    store<u32>(ST, 0, S_DELIVERIES);
  }
  const deliveries = load<u32>(ST, S_DELIVERIES) + 1;
  store<u32>(ST, deliveries, S_DELIVERIES);
  if (deliveries < FREE_DELIVERIES) return false;
  charge(1);
  return true;
}

/** Another state was loaded: exceptions in a row are counted anew. */
export function deliveries_clear(): void {
  store<u32>(ST, 0, S_DELIVERIES);
}

/** Copies `size` bytes of code that lie in one page to `to`. False: unwound. */
function copy_code(linear: u64, host: usize, to: usize, size: usize): bool {
  if (host == CODE_ON_DEVICE) return fetch_device(linear, <i32>size, <i32>to) == 0;
  // 16 bytes: there is room for them, and behind the last slot there is memory
  store<u64>(to, load<u64>(host));
  store<u64>(to, load<u64>(host, 8), 8);
  return true;
}
/** Record of the `have` bytes at `buffer`, whose first one has page offset `offset`; 0: they are less than an instruction. */
function build_single(buffer: usize, offset: usize, have: usize): usize {
  store<u64>(buffer + have, 0);
  store<u64>(buffer + have, 0, 8);
  const key = <u32>offset | ((load<u32>(ST, S_MODE_KEY) & 0xff) << 12) | (<u32>have << 20);
  const low = load<u64>(buffer);
  const high = load<u64>(buffer, 8);
  const hash = ((low * 0x9e37_79b9_7f4a_7c15) ^ high ^ (<u64>key << 32)) * 0x9e37_79b9_7f4a_7c15;
  const known = buffer + SINGLE_OFFSET + (<usize>(hash >> 40) & <usize>(SINGLES - 1)) * SINGLE_SIZE_BYTES;
  if (load<u32>(known, SINGLE_KEY) == key && load<u64>(known, SINGLE_LOW) == low && load<u64>(known, SINGLE_HIGH) == high) return <usize>load<u32>(known, SINGLE_RECORD);
  if (<usize>load<u32>(ST, S_ARENA_NEXT) + (MAX_BLOCK_RECORDS + 1) * RECORD_SIZE_BYTES > <usize>load<u32>(ST, S_ARENA_END)) flush_blocks();
  const u = <usize>build_block(<i32>buffer, 0, <i32>(offset | (have << 12)));
  if (u) {
    store<u64>(known, low, SINGLE_LOW);
    store<u64>(known, high, SINGLE_HIGH);
    store<u32>(known, key, SINGLE_KEY);
    store<u32>(known, <u32>u, SINGLE_RECORD);
  }
  return u;
}
/** Code ends within this page: the limit of CS is below the page's last byte. Needs rip <= limit. */
@inline function limit_in_page(rip: u64, offset: u64): bool {
  return code_bits() != 2 && <u64>load<u32>(ST + S_SEGMENTS + CS * SEGMENT_SIZE_BYTES, SEGMENT_LIMIT) - rip < 4095 - offset;
}
/**
 * A block of one instruction that is found anew whenever it is entered: it `crosses` a page border, lies in the page where
 * CS ends, or on a device. 0: unwound (fetch fault, beyond the limit, or device access).
 */
function single_block(rip: u64, linear: u64, host: usize, crosses: bool): usize {
  const buffer = <usize>load<u32>(ST, S_CROSSING);
  const offset = <usize>linear & 4095;
  const inPage: usize = 4096 - offset;
  let room: usize = 16;
  if (code_bits() != 2) room = <usize>min<u64>(16, <u64>load<u32>(ST + S_SEGMENTS + CS * SEGMENT_SIZE_BYTES, SEGMENT_LIMIT) - rip + 1);
  let have = min(room, inPage);
  if (!copy_code(linear, host, buffer, have)) return 0;
  let u: usize = crosses ? 0 : build_single(buffer, offset, have);
  if (u == 0 && have < room) {
    const next = code_bits() == 2 ? (linear | 0xfff) + 1 : ((linear | 0xfff) + 1) & 0xffff_ffff;
    const second = translate_exec(next);
    if (!second || !copy_code(next, second, buffer + have, room - have)) return 0;
    have = room;
    u = build_single(buffer, offset, have);
  }
  if (u == 0) gp0();
  return u;
}
/** Finds the record at `rip` and sets codePage. Delivers fetch faults. 0: leave the loop (exit pending or budget low). */
function find(target: u64): usize {
  let rip = target;
  while (true) {
    rip = wrap(rip);
    store<u64>(ST, rip, S_RIP);
    store<u32>(ST, UNWIND_NONE, S_UNWIND);
    const linear = code_bits() == 2 ? rip : (rip + code_base()) & 0xffff_ffff;
    let fault = false;
    if (code_bits() != 2 && rip > <u64>load<u32>(ST + S_SEGMENTS + CS * SEGMENT_SIZE_BYTES, SEGMENT_LIMIT)) {
      gp0();
      fault = true;
    }
    if (!fault) {
      const host = translate_exec(linear);
      if (host) {
        const offset = linear & 0xfff;
        store<u64>(ST, rip - offset, S_CODE_PAGE);
        let u: usize = 0;
        let crosses = false;
        if (host != CODE_ON_DEVICE && !limit_in_page(rip, offset)) {
          u = block_at(host);
          crosses = load<u16>(u - BLOCK_SIZE_BYTES, BLOCK_COUNT) == 0;
        }
        if (u == 0 || crosses) {
          u = single_block(rip, linear, host, crosses);
          if (u) return u;
        } else {
          const entry = jump_entry(rip);
          store<u64>(entry, rip, JUMP_RIP);
          store<u32>(entry, <u32>u, JUMP_RECORD);
          store<u32>(entry, <u32>offset, JUMP_PAGE_OFFSET);
          jump_noted(entry, linear);
          return u;
        }
      }
    }
    // the fetch faulted: deliver and go on at the handler
    if (load<u32>(ST, S_UNWIND) == UNWIND_EXIT) return 0;
    deliver_exception();
    if (load<u32>(ST, S_UNWIND) == UNWIND_EXIT) return 0;
    rip = load<u64>(ST, S_RIP);
    if (spend_on_delivery()) return 0;
  }
}
/** First record at `rip` of the state; 0 when an exit is pending. Called at VM entry. */
export function enter_code(): usize {
  const rip = wrap(load<u64>(ST, S_RIP));
  store<u32>(ST, UNWIND_NONE, S_UNWIND);
  const u = cached(rip);
  return u ? u : find(rip);
}
/** Record at `rip` (wrapped) by the jump cache, or 0. Sets codePage. */
@inline function cached(rip: u64): usize {
  const entry = jump_entry(rip);
  if (load<u64>(entry, JUMP_RIP) != rip) return 0;
  const u: usize = load<u32>(entry, JUMP_RECORD);
  if (load<u16>(u, RECORD_HANDLER) == <u16>load<u32>(ST, S_STALE_HANDLER)) return 0;
  store<u64>(ST, rip - <u64>load<u32>(entry, JUMP_PAGE_OFFSET), S_CODE_PAGE);
  return u;
}
@inline function go(rip: u64): usize {
  if (load<u32>(ST, S_STALE_PAGES)) take_stale_pages();
  if (load<i32>(ST, S_BUDGET) < NEAR_END || (load<u32>(ST, S_PRIMARY) & WINDOWS && load<u32>(ST, S_UNWIND) != UNWIND_NONE)) {
    store<u64>(ST, wrap(rip), S_RIP);
    store<u32>(ST, UNWIND_NONE, S_UNWIND);
    return 0;
  }
  const wrapped = wrap(rip);
  const u = cached(wrapped);
  return u ? u : find(wrapped);
}
/** A branch to `rip` raises #GP(0): not canonical, or beyond the limit of CS. */
function bad_target(rip: u64): bool {
  if (code_bits() == 2) return <i64>(rip << 16) >> 16 != <i64>rip;
  return wrap(rip) > <u64>load<u32>(ST + S_SEGMENTS + CS * SEGMENT_SIZE_BYTES, SEGMENT_LIMIT);
}
/** #GP(0) of a branch that has been charged already. */
function refuse_branch(u: usize): usize {
  charge(-<i32>load<u8>(u, RECORD_ORDER) - 1);
  gp0();
  return resolve(u);
}
/** An indirect branch missed the jump cache. The branch itself has been charged. */
export function lookup_slow(u: usize, rip: u64): usize {
  return bad_target(rip) ? refuse_branch(u) : go(rip);
}
/** Target of a direct branch (which = 0 taken, 1 not taken): links it when it stays in the page. */
export function link(u: usize, which: u32): usize {
  const next = <i64>load<u16>(u, RECORD_NEXT);
  const offset = which ? next : <i64>load<i32>(u, RECORD_DISP);
  let rip = load<u64>(ST, S_CODE_PAGE) + <u64>offset;
  if (load<u8>(u, RECORD_EXTRA) == 16) rip &= 0xffff;
  // a chain record has no length: its target is the next instruction, which faults itself
  if (which == 0 && load<u8>(u, RECORD_LENGTH) && bad_target(rip)) return refuse_branch(u);
  const page = load<u64>(ST, S_CODE_PAGE);
  const before = load<u32>(ST, S_ARENA_NEXT);
  const found = go(rip);
  if (found && offset >= 0 && offset < 4096 && load<u8>(u, RECORD_EXTRA) == 0 && load<u64>(ST, S_CODE_PAGE) == page && load<u32>(ST, S_ARENA_NEXT) >= before && load<u16>(u, RECORD_HANDLER) != <u16>load<u32>(ST, S_STALE_HANDLER) && load<u16>(found - BLOCK_SIZE_BYTES, BLOCK_COUNT) != 0 && load<u64>(found - BLOCK_SIZE_BYTES, BLOCK_KEY) != NO_KEY)
    store<u32>(u + RECORD_IMM + (which ? 4 : 0), <u32>found);
  return found;
}
/** The budget is nearly used at a direct branch: note where to go on. */
export function leave_at(u: usize, which: u32): usize {
  let rip = load<u64>(ST, S_CODE_PAGE) + (which ? <u64>load<u16>(u, RECORD_NEXT) : <u64><i64>load<i32>(u, RECORD_DISP));
  if (load<u8>(u, RECORD_EXTRA) == 16) rip &= 0xffff;
  if (which == 0 && load<u8>(u, RECORD_LENGTH) && bad_target(rip)) {
    refuse_branch(u);
    return 0;
  }
  store<u64>(ST, wrap(rip), S_RIP);
  store<u32>(ST, UNWIND_NONE, S_UNWIND);
  return 0;
}
/** An instruction ended early: commit the count, deliver what is pending, return the next record or 0. */
export function resolve(u: usize): usize {
  const why = load<u32>(ST, S_UNWIND);
  const order = <i32>load<u8>(u, RECORD_ORDER);
  if (why == UNWIND_LOOKUP) {
    charge(order + 1);
    store<u32>(ST, 0, S_REPLAY_COUNT);
    store<u32>(ST, 0, S_REPLAY_NEXT);
    return go(load<u64>(ST, S_RIP));
  }
  charge(order);
  store<u32>(ST, 0, S_REPLAY_NEXT);
  store<u32>(ST, 0, S_DEBUG_HITS);
  if (why == UNWIND_EXIT) {
    // without a record: an exit behind a task switch, which is done
    if (load<u32>(ST, S_RECORD)) store<u64>(ST, record_rip(u), S_RIP);
    else charge(1);
    return 0;
  }
  if (why == UNWIND_EXCEPTION) {
    const trap = load<u32>(ST, S_EXCEPTION_KIND) == 1;
    store<u64>(ST, trap ? record_next(u) : record_rip(u), S_RIP);
    if (trap) charge(1);
    store<u32>(ST, 0, S_REPLAY_COUNT);
    deliver_exception();
    if (load<u32>(ST, S_UNWIND) == UNWIND_EXIT) return 0;
    spend_on_delivery();
    return go(load<u64>(ST, S_RIP));
  }
  // a handler gave up without a reason: a mistake of ours, made visible as a trap
  unreachable();
  return 0;
}
/** Handler of stale records: the code under this one was overwritten. */
export function stale(u: usize): usize {
  // chain and stop records have no length and come after the instruction of their order
  charge(<i32>load<u8>(u, RECORD_ORDER) + (load<u8>(u, RECORD_LENGTH) ? 0 : 1));
  const rip = record_rip(u);
  if (load<i32>(ST, S_BUDGET) < NEAR_END) {
    store<u64>(ST, rip, S_RIP);
    store<u32>(ST, UNWIND_NONE, S_UNWIND);
    return 0;
  }
  return find(rip);
}
/** Handler of breakpoint records. Status. */
export function breakpoint_at(u: usize): i32 {
  const rip = record_rip(u);
  return breakpoint_record(code_bits() == 2 ? rip : (rip + code_base()) & 0xffff_ffff);
}
/** Handler of the record that ends a cut block: `order` + 1 instructions were executed, `disp` is the page offset of the next. */
export function stop(u: usize): usize {
  charge(<i32>load<u8>(u, RECORD_ORDER) + 1);
  store<u64>(ST, wrap(load<u64>(ST, S_CODE_PAGE) + <u64><i64>load<i32>(u, RECORD_DISP)), S_RIP);
  store<u32>(ST, UNWIND_NONE, S_UNWIND);
  return 0;
}
/** The record counts entries of its block, enters a region or does nothing; the block's first instruction follows. */
@inline function is_counting(u: usize): bool {
  const handler = <u32>load<u16>(u, RECORD_HANDLER);
  return handler == load<u32>(ST, S_COUNT_HANDLER) || handler == load<u32>(ST, S_REGION_HANDLER) || handler == load<u32>(ST, S_SKIP_HANDLER);
}
/** A counting record reached zero. */
export function hot(u: usize): void {
  store<u16>(u, <u16>load<u32>(ST, S_SKIP_HANDLER), RECORD_HANDLER);
  block_hot(<i32>u);
}
/** Goes on at RIP after a region; 0: leave the loop. */
export function go_on(rip: u64): usize { return go(rip); }
/** Copies at most `instructions` of the block at `u` behind the arena's end, closed by a stop record. Returns the copy. */
export function cut_block(u: usize, instructions: i32): usize {
  const count = <usize>load<u16>(u - BLOCK_SIZE_BYTES, BLOCK_COUNT);
  if (count == 0) return u; // a single page-crossing instruction
  const copy = <usize>load<u32>(ST, S_ARENA_END);
  const fused = <u16>load<u32>(ST, S_FUSED_HANDLERS);
  let from = u;
  let to = copy;
  if (is_counting(u)) from += RECORD_SIZE_BYTES;
  for (let i: usize = 0; i < count && <i32>load<u8>(from, RECORD_ORDER) < instructions; i++) {
    memory.copy(to, from, RECORD_SIZE_BYTES);
    if (load<u16>(to, RECORD_HANDLER) < fused) store<u16>(to, load<u16>(to, RECORD_C), RECORD_HANDLER);
    from += RECORD_SIZE_BYTES;
    to += RECORD_SIZE_BYTES;
  }
  const end = load<u16>(to - RECORD_SIZE_BYTES, RECORD_NEXT);
  memory.fill(to, 0, RECORD_SIZE_BYTES);
  store<u16>(to, <u16>load<u32>(ST, S_STOP_HANDLER), RECORD_HANDLER);
  store<u8>(to, <u8>(instructions - 1), RECORD_ORDER);
  store<u16>(to, end, RECORD_NEXT);
  store<i32>(to, <i32>end, RECORD_DISP);
  return copy;
}
/** Handler of bytes that are no instruction. */
export function count_undefined(): void {
  store<u32>(ST, load<u32>(ST, S_UNDEFINED_OPCODES) + 1, S_UNDEFINED_OPCODES);
}
/** Raises an exception from emitted code; errorCode -1: none. */
export function raise_exception(vector: i32, errorCode: i32): i32 {
  return raise(vector, errorCode < 0 ? 0 : errorCode);
}
