// The software TLB of a vCPU: filling, flushing, withholding of write tags. Intel SDM Vol. 3A, "Caching Translation
// Information". Shape: ../README.md "Memory".
import { ST } from './env';
import {
  AREA_JUMP_SUPERVISOR,
  AREA_JUMP_USER,
  AREA_SIZE_BYTES,
  AREA_TLB_SUPERVISOR,
  AREA_TLB_USER,
  ENTRY_GLOBAL,
  JUMP_ENTRIES,
  JUMP_PAGES,
  LARGE_REGIONS,
  JUMP_RIP,
  JUMP_SIZE_BYTES,
  NOTED_JUMPS,
  NOTED_TRANSLATIONS,
  S_CHECKED_EPOCH,
  S_CHECKED_HIGH,
  S_CHECKED_LOW,
  S_FIRST_AREA,
  S_ALIGNMENT,
  S_JUMP_BASES,
  S_JUMP_LARGE_HIGH,
  S_JUMP_LARGE_LOW,
  S_JUMP_PAGES,
  S_HUGE_HIGH,
  S_HUGE_LOW,
  S_LARGE_REGIONS,
  S_NOTED_ENTRIES,
  S_NOTED_JUMP_ENTRIES,
  S_NOTED_JUMPS,
  S_NOTED_TRANSLATIONS,
  S_RAM_HOST,
  S_RAM_PAGES,
  S_SMAP_COUNT,
  S_SMAP_ENTRIES,
  S_TABLES_READY,
  S_TLB,
  S_TLB_MISSES,
  S_VCPU_COUNT,
  S_WRITE_NOTES,
  TLB_ADDEND,
  TLB_ENTRIES,
  TLB_EXEC_TAG,
  TLB_FLAGS,
  TLB_READ_TAG,
  TLB_SIZE_BYTES,
  TLB_WRITE_TAG,
} from './generated/layout';
import {
  ACCESS_USER,
  ACCESS_WRITE,
  code_lines,
  phys_host,
  RIGHT_DIRTY,
  RIGHT_GLOBAL,
  RIGHT_NX,
  RIGHT_USER,
  RIGHT_WRITE,
  SLOT_READ_ONLY,
  slot_flags,
  walk,
} from './paging';
import { CR0_PG, CR4_PGE, CR4_SMAP, CR4_SMEP, cr0, cr4, FLAG_AC, KEY_DEBUG, mode_key, rflags } from './state';
import { memory_fence, parallel } from './parallel';
import { forget_all_parked, forget_parked_jumps } from './parking';
import { watched } from './watch';

export const NO_TAG: u64 = 0xffff_ffff_ffff_ffff;
/** Entry flags besides ENTRY_GLOBAL: part of a large page, user page cached in the supervisor table; bits 8..15 page shift. */
const ENTRY_LARGE: u32 = 2;
export const ENTRY_SMAP: u32 = 4;
const TABLE_BYTES: usize = (TLB_ENTRIES as usize) * TLB_SIZE_BYTES;

/** Place of an address in a table. */
@inline export function tlb_slot(linear: u64): usize {
  return ((linear >> 7) as usize) & (TABLE_BYTES - TLB_SIZE_BYTES);
}

// Maps of numbers by their lowest bits: a place holds 0, the other bits of the one number that it stands for, or SEVERAL.
const SEVERAL: u32 = 0xffff_ffff;
@inline function in_map(place: usize, rest: u64): bool {
  const word = load<u32>(place);
  return word == SEVERAL || word == mark(rest);
}
@inline function put_in_map(place: usize, rest: u64): void {
  const word = load<u32>(place);
  if (word != mark(rest)) store<u32>(place, word == 0 ? mark(rest) : SEVERAL);
}
/** Canonical addresses: 16 bits of a region's number and 24 of a page's are left. */
@inline function mark(rest: u64): u32 {
  return ((rest as u32) & 0xff_ffff) | 0x8000_0000;
}
/** Place of a region with entries of large pages. */
@inline function large_place(linear: u64): usize {
  return ST + S_LARGE_REGIONS + ((((linear >> 22) as usize) & (LARGE_REGIONS - 1)) << 2);
}
@inline function large_rest(linear: u64): u64 {
  return (linear >> 22) / (LARGE_REGIONS as u64);
}

let walked_physical: u64 = 0;
let walked_rights: u32 = 0;
let walked_shift: u32 = 0;
/** Called by walk() with its result. */
export function walk_result(physical: u64, rights: u32, shift: u32): void {
  walked_physical = physical;
  walked_rights = rights;
  walked_shift = shift;
}

/** Results of fill(): physical address, host address (0: not memory), and whether a store may go straight to it. */
export let fill_physical: u64 = 0;
export let fill_host: usize = 0;
export let fill_writable: bool = false;
/** Every access to the page must be looked at: breakpoints, alignment checking. */
export let fill_watched: bool = false;

/** Walks for `access` at `linear` and caches the translation; 1: exception raised. */
export function fill(linear: u64, access: u32): i32 {
  if (
    access <= ACCESS_WRITE &&
    rflags() & FLAG_AC &&
    !(mode_key() & KEY_DEBUG) &&
    found_hidden(linear & ~(4095 as u64), access)
  ) {
    // memory, with the rights that are asked for
    fill_host += (linear & 4095) as usize;
    fill_writable = true;
    fill_watched = false;
    return 0;
  }
  store<u64>(ST, load<u64>(ST, S_TLB_MISSES) + 1, S_TLB_MISSES);
  if (walk(linear, access)) return 1;
  const rights = walked_rights;
  fill_physical = walked_physical;
  const host = phys_host(walked_physical);
  fill_host = host;
  fill_writable = host != 0 && (slot_flags & SLOT_READ_ONLY) == 0;
  if (host == 0) return 0;
  const user = (access & ACCESS_USER) != 0;
  const paged = (cr0() & CR0_PG) != 0;
  const c4 = cr4();
  const page = linear & ~(4095 as u64);
  const foreign = !user && paged && (rights & RIGHT_USER) != 0; // a user page seen by the supervisor
  const smap = foreign && (c4 & CR4_SMAP) != 0;
  let watch: u32 = user && load<u32>(ST, S_ALIGNMENT) ? 3 : 0;
  if (mode_key() & KEY_DEBUG) watch |= watched(page);
  fill_watched = watch != 0;
  const open = !smap || (rflags() & FLAG_AC) != 0;
  const readable = open && !(watch & 1);
  const writable =
    open &&
    !(watch & 2) &&
    fill_writable &&
    (rights & (RIGHT_WRITE | RIGHT_DIRTY)) == (RIGHT_WRITE | RIGHT_DIRTY) &&
    code_lines(host) == 0;
  const executable = (rights & RIGHT_NX) == 0 && !(foreign && (c4 & CR4_SMEP) != 0);
  const entry = ST + (user ? AREA_TLB_USER : AREA_TLB_SUPERVISOR) + tlb_slot(linear);
  let flags = walked_shift << 8;
  if (rights & RIGHT_GLOBAL) {
    flags |= ENTRY_GLOBAL;
    note_translation(entry, GLOBAL_LIST);
  } else note_translation(entry, LOCAL_LIST);
  if (writable) note_writer(host, entry);
  if (walked_shift != 12) {
    flags |= ENTRY_LARGE;
    if (walked_shift > 22) {
      if (page < load<u64>(ST, S_HUGE_LOW)) store<u64>(ST, (page >> 30) << 30, S_HUGE_LOW);
      if (page > load<u64>(ST, S_HUGE_HIGH)) store<u64>(ST, page | 0x3fff_ffff, S_HUGE_HIGH);
    } else put_in_map(large_place(linear), large_rest(linear));
  }
  if (smap && open) {
    flags |= ENTRY_SMAP;
    note_smap(entry);
  }
  store<u64>(entry, readable ? page : NO_TAG, TLB_READ_TAG);
  store<u64>(entry, writable ? page : NO_TAG, TLB_WRITE_TAG);
  store<u64>(entry, executable ? page : NO_TAG, TLB_EXEC_TAG);
  store<u32>(entry, (host as u32) - (linear as u32), TLB_ADDEND);
  store<u32>(entry, flags, TLB_FLAGS);
  if (writable && parallel()) {
    // another vCPU may have marked the page as code since: one of the two sees the other
    memory_fence();
    if (code_lines(host)) store<u64>(entry, NO_TAG, TLB_WRITE_TAG);
  }
  return 0;
}

export function drop(entry: usize): void {
  store<u64>(entry, NO_TAG, TLB_READ_TAG);
  store<u64>(entry, NO_TAG, TLB_WRITE_TAG);
  store<u64>(entry, NO_TAG, TLB_EXEC_TAG);
}
// User pages in the supervisor table are for RFLAGS.AC alone (SMAP): while it is clear their tags have bit 0 set and match
// nothing. With AC, the first access to such a page takes the bit away. A list has those that are seen; one that finds no
// place in it takes that of an older one.
export const HIDDEN: u64 = 1;
const SMAP_ENTRIES: u32 = 16;
@inline function hide_tag(tag: usize): void {
  const value = load<u64>(tag);
  if (value != NO_TAG) store<u64>(tag, value | HIDDEN);
}
@inline function show_tag(tag: usize): void {
  const value = load<u64>(tag);
  if (value != NO_TAG) store<u64>(tag, value & ~HIDDEN);
}
function hide(entry: usize): void {
  // the entry may be another page's by now
  if (!(load<u32>(entry, TLB_FLAGS) & ENTRY_SMAP)) return;
  hide_tag(entry + TLB_READ_TAG);
  hide_tag(entry + TLB_WRITE_TAG);
  hide_tag(entry + TLB_EXEC_TAG);
}
/** `entry` is seen until AC is cleared. */
function note_smap(entry: usize): void {
  const n = load<u32>(ST, S_SMAP_COUNT);
  const place = ST + ((n % SMAP_ENTRIES) << 2);
  if (n >= SMAP_ENTRIES) {
    const old = load<u32>(place, S_SMAP_ENTRIES) as usize;
    if (old != entry) hide(old);
  }
  store<u32>(place, entry as u32, S_SMAP_ENTRIES);
  store<u32>(ST, n + 1, S_SMAP_COUNT);
}
/** RFLAGS.AC is set: the page may be in the supervisor table, hidden. True: it is seen now. */
function found_hidden(page: u64, access: u32): bool {
  const entry = ST + AREA_TLB_SUPERVISOR + tlb_slot(page);
  if (load<u64>(entry + (access & ACCESS_WRITE ? TLB_WRITE_TAG : TLB_READ_TAG)) != (page | HIDDEN)) return false;
  note_smap(entry);
  show_tag(entry + TLB_READ_TAG);
  show_tag(entry + TLB_WRITE_TAG);
  show_tag(entry + TLB_EXEC_TAG);
  fill_host = (load<u32>(entry, TLB_ADDEND) + (page as u32)) as usize;
  if (parallel() && load<u64>(entry, TLB_WRITE_TAG) != NO_TAG) {
    // another vCPU may have taken the write tag meanwhile, having marked the page as code before
    memory_fence();
    if (code_lines(fill_host)) store<u64>(entry, NO_TAG, TLB_WRITE_TAG);
  }
  return true;
}
/** RFLAGS.AC was cleared. */
export function hide_smap_entries(): void {
  const count = min<u32>(load<u32>(ST, S_SMAP_COUNT), SMAP_ENTRIES);
  store<u32>(ST, 0, S_SMAP_COUNT);
  for (let i: u32 = 0; i < count; i++) hide(load<u32>(ST + (i << 2), S_SMAP_ENTRIES) as usize);
}

/** The two kinds of noted entries: of global pages, and those that go with the address space. */
const GLOBAL_LIST: usize = 0;
export const LOCAL_LIST: usize = 1;
/** Low bits of a noted entry's address: how often it was put back (parking.ts). */
export const NOTED_STAYS: u32 = 15;
@inline export function note_translation(entry: usize, list: usize): void {
  const n = load<u32>(ST + (list << 2), S_NOTED_TRANSLATIONS);
  if (n >= NOTED_TRANSLATIONS) {
    store<u32>(ST + (list << 2), NOTED_TRANSLATIONS + 1, S_NOTED_TRANSLATIONS);
    return;
  }
  store<u32>(ST + ((list * (NOTED_TRANSLATIONS as usize) + (n as usize)) << 2), entry as u32, S_NOTED_ENTRIES);
  store<u32>(ST + (list << 2), n + 1, S_NOTED_TRANSLATIONS);
}
/** Drops the noted entries of a list; false: there were more than it has room for. */
function drop_noted(list: usize): bool {
  const n = load<u32>(ST + (list << 2), S_NOTED_TRANSLATIONS);
  if (n > NOTED_TRANSLATIONS) return false;
  const from = ST + S_NOTED_ENTRIES + ((list * (NOTED_TRANSLATIONS as usize)) << 2);
  const end = from + ((n as usize) << 2);
  for (let at = from; at < end; at += 4) {
    const entry = (load<u32>(at) & ~NOTED_STAYS) as usize;
    // the entry may be another page's by now
    if (list == GLOBAL_LIST || !(load<u32>(entry, TLB_FLAGS) & ENTRY_GLOBAL)) drop(entry);
  }
  store<u32>(ST + (list << 2), 0, S_NOTED_TRANSLATIONS);
  return true;
}

/** Empties a jump cache. All ones is a RIP too: its place in the cache holds a RIP that belongs to another. */
export function jump_cache_clear(cache: usize): void {
  memory.fill(cache, 0xff, (JUMP_ENTRIES as usize) * JUMP_SIZE_BYTES);
  store<u64>(cache, 1, JUMP_RIP);
}
@inline export function jump_drop(entry: usize): void {
  const first = entry == ST + AREA_JUMP_SUPERVISOR || entry == ST + AREA_JUMP_USER;
  store<u64>(entry, first ? 1 : ~(0 as u64), JUMP_RIP);
}
/** Forgets the noted jumps of a list. */
export function drop_noted_jumps(list: usize): void {
  const n = load<u32>(ST + (list << 2), S_NOTED_JUMPS);
  store<u32>(ST + (list << 2), 0, S_NOTED_JUMPS);
  if (n > NOTED_JUMPS) {
    jump_cache_clear(ST + AREA_JUMP_SUPERVISOR);
    jump_cache_clear(ST + AREA_JUMP_USER);
    return;
  }
  const from = ST + S_NOTED_JUMP_ENTRIES + ((list * (NOTED_JUMPS as usize)) << 2);
  const end = from + ((n as usize) << 2);
  for (let at = from; at < end; at += 4) jump_drop((load<u32>(at) & ~NOTED_STAYS) as usize);
}
/** Forgets all jump-cache entries, also those that are parked. */
export function jump_cache_flush(): void {
  forget_parked_jumps();
  drop_noted_jumps(GLOBAL_LIST);
  drop_noted_jumps(LOCAL_LIST);
  memory.fill(ST + S_JUMP_PAGES, 0, (JUMP_PAGES << 2) as usize);
  store<u64>(ST, NO_TAG, S_JUMP_LARGE_LOW);
  store<u64>(ST, 0, S_JUMP_LARGE_HIGH);
}
@inline function jump_page_place(page: u64): usize {
  return ST + S_JUMP_PAGES + (((page as usize) & (JUMP_PAGES - 1)) << 2);
}
@inline function jump_page_rest(page: u64): u64 {
  return page / (JUMP_PAGES as u64);
}
/** `entry` of the jump cache in use was filled for code at `linear`, whose page is in the TLB. */
export function jump_noted(entry: usize, linear: u64): void {
  const flags = load<u32>((load<u32>(ST, S_TLB) as usize) + tlb_slot(linear), TLB_FLAGS);
  note_jump_page(linear);
  if (flags & ENTRY_LARGE) {
    if (linear < load<u64>(ST, S_JUMP_LARGE_LOW)) store<u64>(ST, (linear >> 30) << 30, S_JUMP_LARGE_LOW);
    if (linear > load<u64>(ST, S_JUMP_LARGE_HIGH)) store<u64>(ST, linear | 0x3fff_ffff, S_JUMP_LARGE_HIGH);
  }
  note_jump(entry, flags & ENTRY_GLOBAL ? GLOBAL_LIST : LOCAL_LIST);
}
/** Jumps into the page at `linear` are cached. */
@inline export function note_jump_page(linear: u64): void {
  const page = linear >> 12;
  put_in_map(jump_page_place(page), jump_page_rest(page));
}
@inline export function note_jump(entry: usize, list: usize): void {
  const n = load<u32>(ST + (list << 2), S_NOTED_JUMPS);
  if (n >= NOTED_JUMPS) {
    store<u32>(ST + (list << 2), NOTED_JUMPS + 1, S_NOTED_JUMPS);
    return;
  }
  store<u32>(ST + ((list * (NOTED_JUMPS as usize) + (n as usize)) << 2), entry as u32, S_NOTED_JUMP_ENTRIES);
  store<u32>(ST + (list << 2), n + 1, S_NOTED_JUMPS);
}
/** `linear` may lie in a large page that jumps were cached into. */
@inline export function in_jump_range(linear: u64): bool {
  return linear >= load<u64>(ST, S_JUMP_LARGE_LOW) && linear <= load<u64>(ST, S_JUMP_LARGE_HIGH);
}
/** Forgets the jumps into the page at `linear`, and into the large page that it may be part of. */
function jump_cache_flush_page(linear: u64): void {
  if (in_jump_range(linear)) {
    jump_cache_flush();
    return;
  }
  const page = linear >> 12;
  const place = jump_page_place(page);
  if (!in_map(place, jump_page_rest(page))) return;
  // the place may stand for several pages: it is emptied when none of them is left
  let left = false;
  for (let user: usize = 0; user < 2; user++) {
    const base = load<u64>(ST + (user << 3), S_JUMP_BASES) & 0xffff_ffff;
    const cache = ST + (user ? AREA_JUMP_USER : AREA_JUMP_SUPERVISOR);
    const end = cache + (JUMP_ENTRIES as usize) * JUMP_SIZE_BYTES;
    for (let entry = cache; entry < end; entry += JUMP_SIZE_BYTES) {
      const rip = load<u64>(entry, JUMP_RIP);
      const at = (base ? (rip + base) & 0xffff_ffff : rip) >> 12;
      if (((at ^ page) as u32) & (JUMP_PAGES - 1)) continue;
      if (at == page) jump_drop(entry);
      else if (rip != ~(0 as u64)) left = true;
    }
  }
  if (!left) store<u32>(place, 0);
}
/** Regions look at their pages again: those of the supervisor (0) or the user (1). */
export function forget_checked(user: usize): void {
  const at = ST + (user << 3);
  store<u64>(at, load<u64>(at, S_CHECKED_EPOCH) + 1, S_CHECKED_EPOCH);
  store<u64>(at, NO_TAG, S_CHECKED_LOW);
  store<u64>(at, 0, S_CHECKED_HIGH);
}
/** INVLPG of an address: where regions looked at a page of the same 4 MiB, or of a page of 1 GiB, they look again. */
function forget_checked_page(linear: u64, huge: bool): void {
  for (let user: usize = 0; user < 2; user++) {
    const at = ST + (user << 3);
    const low = load<u64>(at, S_CHECKED_LOW);
    if (low == NO_TAG) continue;
    if (huge || (linear >> 22 >= low >> 22 && linear >> 22 <= load<u64>(at, S_CHECKED_HIGH) >> 22)) forget_checked(user);
  }
}
/** Everything goes, also what is parked. */
export function tlb_flush_all(): void {
  forget_checked(0);
  forget_checked(1);
  if (!load<u32>(ST, S_TABLES_READY)) {
    store<u32>(ST, 1, S_TABLES_READY);
    jump_cache_clear(ST + AREA_JUMP_SUPERVISOR);
    jump_cache_clear(ST + AREA_JUMP_USER);
    store<u32>(ST, NOTED_TRANSLATIONS + 1, S_NOTED_TRANSLATIONS);
  }
  if (!drop_noted(GLOBAL_LIST) || !drop_noted(LOCAL_LIST)) {
    memory.fill(ST + AREA_TLB_SUPERVISOR, 0xff, 2 * TABLE_BYTES);
    store<u64>(ST, 0, S_NOTED_TRANSLATIONS);
  }
  memory.fill(ST + S_LARGE_REGIONS, 0, (LARGE_REGIONS << 2) as usize);
  store<u64>(ST, NO_TAG, S_HUGE_LOW);
  store<u64>(ST, 0, S_HUGE_HIGH);
  store<u32>(ST, 0, S_SMAP_COUNT);
  forget_all_parked();
  jump_cache_flush();
}
/** Everything of the address space in use goes, but no global pages. */
export function tlb_flush_nonglobal(): void {
  if (!(cr4() & CR4_PGE)) {
    tlb_flush_all();
    return;
  }
  forget_checked(1); // the supervisor's are global
  if (!drop_noted(LOCAL_LIST)) {
    const end = ST + AREA_TLB_SUPERVISOR + 2 * TABLE_BYTES;
    for (let entry = ST + AREA_TLB_SUPERVISOR; entry < end; entry += TLB_SIZE_BYTES)
      if (!(load<u32>(entry, TLB_FLAGS) & ENTRY_GLOBAL)) drop(entry);
    store<u32>(ST + (LOCAL_LIST << 2), 0, S_NOTED_TRANSLATIONS);
  }
  drop_noted_jumps(LOCAL_LIST);
}
/** Drops the entries of the large page at `linear` from a table. */
function drop_large(table: usize, linear: u64, huge: bool): void {
  const from = huge ? table : table + tlb_slot(linear & ~(0x3f_ffff as u64));
  const end = from + (huge ? TABLE_BYTES : 1024 * TLB_SIZE_BYTES);
  for (let entry = from; entry < end; entry += TLB_SIZE_BYTES) {
    const flags = load<u32>(entry, TLB_FLAGS);
    if (flags == 0xffff_ffff || !(flags & ENTRY_LARGE)) continue;
    let tag = load<u64>(entry, TLB_READ_TAG);
    if (tag == NO_TAG) tag = load<u64>(entry, TLB_EXEC_TAG);
    if ((tag ^ linear) >> ((flags >> 8) as u64) == 0) drop(entry);
  }
}
/** INVLPG: also every fragment of the large page that `linear` lies in. */
export function tlb_flush_page(linear: u64): void {
  const page = linear & ~(4095 as u64);
  const slot = tlb_slot(linear);
  for (let table: u32 = 0; table < 2; table++) {
    const entry = ST + AREA_TLB_SUPERVISOR + (table ? TABLE_BYTES : 0) + slot;
    if ((load<u64>(entry, TLB_READ_TAG) & ~HIDDEN) == page || (load<u64>(entry, TLB_EXEC_TAG) & ~HIDDEN) == page) drop(entry);
    else if ((load<u64>(entry, TLB_WRITE_TAG) & ~HIDDEN) == page) drop(entry);
  }
  const huge = page >= load<u64>(ST, S_HUGE_LOW) && page <= load<u64>(ST, S_HUGE_HIGH);
  if (huge || in_map(large_place(linear), large_rest(linear))) {
    // the entries of 4 MiB lie side by side
    const tables = ST + AREA_TLB_SUPERVISOR;
    drop_large(tables, linear, huge);
    drop_large(tables + TABLE_BYTES, linear, huge);
  }
  forget_checked_page(linear, huge);
  jump_cache_flush_page(linear);
}
// Which TLB entries may have the write tag of a RAM page: up to two of them, as places in the two tables plus one, 16 bits
// each; all ones in the upper half: more.
const MANY: u32 = 0xffff_0000;
@inline function write_note(area: usize, host: usize): usize {
  const notes = load<u32>(area, S_WRITE_NOTES) as usize;
  const page = ((host as u32) - load<u32>(ST, S_RAM_HOST)) >> 12;
  return notes != 0 && page < load<u32>(ST, S_RAM_PAGES) ? notes + ((page as usize) << 2) : 0;
}
/** `entry` gets the write tag of the page at `host`. */
export function note_writer(host: usize, entry: usize): void {
  const note = write_note(ST, host);
  if (note == 0) return;
  const place = (((entry - ST - AREA_TLB_SUPERVISOR) / TLB_SIZE_BYTES) as u32) + 1;
  const noted = load<u32>(note);
  if ((noted & 0xffff) == place || noted >> 16 == place || noted >= MANY) return;
  store<u32>(note, noted == 0 ? place : noted < 0x1_0000 ? noted | (place << 16) : MANY);
}
/** Takes the write tag of the page at host address `page` from an entry; true: it had it. */
@inline function take_write_tag(entry: usize, page: u32): bool {
  const tag = load<u64>(entry, TLB_WRITE_TAG);
  if (tag == NO_TAG || ((tag & ~HIDDEN) as u32) + load<u32>(entry, TLB_ADDEND) != page) return false;
  store<u64>(entry, NO_TAG, TLB_WRITE_TAG);
  return true;
}
/**
 * The RAM page at `host` now holds translated code: stores to it must take the slow path, on every vCPU of the domain.
 * True: another vCPU had a tag. In a parallel domain the code map has the page's lines already: who fills an entry
 * meanwhile notes it before it looks at them.
 */
export function tlb_protect_page(host: usize): bool {
  const page = (host as u32) & ~(4095 as u32);
  const count = load<u32>(ST, S_VCPU_COUNT);
  let others = false;
  let area = load<u32>(ST, S_FIRST_AREA) as usize;
  for (let i: u32 = 0; i < count; i++, area += AREA_SIZE_BYTES) {
    const tables = area + AREA_TLB_SUPERVISOR;
    const note = write_note(area, host);
    const noted = note ? load<u32>(note) : MANY;
    let had = false;
    if (noted < MANY) {
      const first = noted & 0xffff;
      const second = noted >> 16;
      if (first) had = take_write_tag(tables + ((first - 1) as usize) * TLB_SIZE_BYTES, page);
      if (second && take_write_tag(tables + ((second - 1) as usize) * TLB_SIZE_BYTES, page)) had = true;
    } else {
      const end = tables + 2 * TABLE_BYTES;
      for (let entry = tables; entry < end; entry += TLB_SIZE_BYTES) if (take_write_tag(entry, page)) had = true;
    }
    if (note) store<u32>(note, 0);
    if (had && area != ST) others = true;
  }
  return others;
}
