// Address spaces that are not in use: what a PCID has in the TLB and in the user jump cache is parked at a load of CR3 and
// put back when the PCID is loaded again. Intel SDM Vol. 3A, "Process-Context Identifiers (PCIDs)", "Operations that
// Invalidate TLBs and Paging-Structure Caches". Shape: docs/decisions/0014.
//
// Global pages are never parked, and nothing is parked of the address space in use. An entry is put back NOTED_STAYS times:
// one that is not used any more costs about as much as a walk until it goes, one that is used comes back by a walk.
import { ST } from './env';
import {
  AREA_JUMP_USER,
  AREA_PARKED_JUMPS,
  AREA_PARKED_TRANSLATIONS,
  AREA_TLB_USER,
  ENTRY_GLOBAL,
  JUMP_RECORD,
  JUMP_RIP,
  NOTED_JUMPS,
  NOTED_TRANSLATIONS,
  PARKED_JUMP_NOTE,
  PARKED_JUMP_SIZE_BYTES,
  PARKED_JUMPS,
  PARKED_SPACE_JUMP_BASE,
  PARKED_SPACE_JUMP_KEY,
  PARKED_SPACE_JUMPS,
  PARKED_SPACE_PCID,
  PARKED_SPACE_SIZE_BYTES,
  PARKED_SPACE_TIME,
  PARKED_SPACE_TRANSLATIONS,
  PARKED_SPACES,
  PARKED_TRANSLATION_NOTE,
  PARKED_TRANSLATION_SIZE_BYTES,
  PARKED_TRANSLATIONS,
  S_ALIGNMENT,
  S_CR3,
  S_JUMP_BASES,
  S_JUMP_KEYS,
  S_NOTED_ENTRIES,
  S_NOTED_JUMP_ENTRIES,
  S_NOTED_JUMPS,
  S_NOTED_TRANSLATIONS,
  S_PARK_TIME,
  S_PARKED_SPACES,
  TLB_ADDEND,
  TLB_EXEC_TAG,
  TLB_FLAGS,
  TLB_READ_TAG,
  TLB_WRITE_TAG,
} from './generated/layout';
import { code_lines } from './paging';
import { memory_fence, parallel } from './parallel';
import { CR4_PCIDE, CR4_PGE, cr4 } from './state';
import {
  drop,
  drop_noted_jumps,
  ENTRY_SMAP,
  forget_checked,
  HIDDEN,
  in_jump_range,
  jump_drop,
  LOCAL_LIST,
  NO_TAG,
  note_jump,
  note_jump_page,
  note_translation,
  note_writer,
  NOTED_STAYS,
  tlb_flush_nonglobal,
  tlb_slot,
} from './tlb';

const NO_RIP: u64 = 0xffff_ffff_ffff_ffff;
const SPACES_END: usize = S_PARKED_SPACES + (PARKED_SPACES as usize) * PARKED_SPACE_SIZE_BYTES;

/** The PCID in use: 0 when there are none. */
export function address_space(): u32 {
  return cr4() & CR4_PCIDE ? (load<u64>(ST, S_CR3) as u32) & 0xfff : 0;
}
/** What is parked of a PCID, or 0. */
function parked(pcid: u32): usize {
  for (let space = ST + S_PARKED_SPACES; space < ST + SPACES_END; space += PARKED_SPACE_SIZE_BYTES)
    if (load<u32>(space, PARKED_SPACE_PCID) == pcid + 1) return space;
  return 0;
}
/** A place for a PCID: a free one, or that of the one that was parked longest ago, but not `kept`. */
function free_space(kept: usize): usize {
  const now = load<u32>(ST, S_PARK_TIME) + 1;
  store<u32>(ST, now, S_PARK_TIME);
  let found: usize = 0;
  let age: u32 = 0;
  for (let space = ST + S_PARKED_SPACES; space < ST + SPACES_END; space += PARKED_SPACE_SIZE_BYTES) {
    if (load<u32>(space, PARKED_SPACE_PCID) == 0) {
      found = space;
      break;
    }
    if (space == kept || now - load<u32>(space, PARKED_SPACE_TIME) <= age) continue;
    age = now - load<u32>(space, PARKED_SPACE_TIME);
    found = space;
  }
  store<u32>(found, 0, PARKED_SPACE_PCID);
  store<u32>(found, now, PARKED_SPACE_TIME);
  return found;
}
@inline function number_of(space: usize): usize {
  return (space - ST - S_PARKED_SPACES) / PARKED_SPACE_SIZE_BYTES;
}
@inline function translations_of(space: usize): usize {
  const bytes = (PARKED_TRANSLATIONS as usize) * PARKED_TRANSLATION_SIZE_BYTES;
  return ST + AREA_PARKED_TRANSLATIONS + number_of(space) * bytes;
}
@inline function jumps_of(space: usize): usize {
  return ST + AREA_PARKED_JUMPS + number_of(space) * (PARKED_JUMPS as usize) * PARKED_JUMP_SIZE_BYTES;
}
/** Tags of a user page that only RFLAGS.AC opens are parked hidden. */
@inline function parked_tag(tag: u64, hidden: u64): u64 {
  return tag == NO_TAG ? tag : tag | hidden;
}

/** CR3 was loaded where `from` was in use; `keep`: what the new PCID has cached stays valid (bit 63). */
export function switch_space(from: u32, keep: bool): void {
  const to = address_space();
  if (!keep) forget_parked(to);
  const back = parked(to);
  if (from == to || !(cr4() & CR4_PGE) || load<u32>(ST + (LOCAL_LIST << 2), S_NOTED_TRANSLATIONS) > NOTED_TRANSLATIONS)
    tlb_flush_nonglobal();
  else {
    forget_checked(1);
    const space = free_space(back);
    // the TLB tells which jumps go to pages that are not global
    const jumps = park_jumps(space);
    const translations = park_translations(space);
    store<u32>(space, translations, PARKED_SPACE_TRANSLATIONS);
    store<u32>(space, jumps, PARKED_SPACE_JUMPS);
    if (translations | jumps) store<u32>(space, from + 1, PARKED_SPACE_PCID);
  }
  if (back == 0) return;
  store<u32>(back, 0, PARKED_SPACE_PCID);
  // while alignment is checked the user TLB serves fetches only
  if (load<u32>(ST, S_ALIGNMENT)) return;
  put_translations_back(back);
  put_jumps_back(back);
}
/** Moves the noted translations out of the TLB, the newest first. Returns how many. */
function park_translations(space: usize): u32 {
  const list = ST + S_NOTED_ENTRIES + ((LOCAL_LIST * (NOTED_TRANSLATIONS as usize)) << 2);
  const first = translations_of(space);
  const room = first + (PARKED_TRANSLATIONS as usize) * PARKED_TRANSLATION_SIZE_BYTES;
  let to = first;
  let at = list + ((load<u32>(ST + (LOCAL_LIST << 2), S_NOTED_TRANSLATIONS) as usize) << 2);
  while (at > list) {
    at -= 4;
    const note = load<u32>(at);
    const entry = (note & ~NOTED_STAYS) as usize;
    const flags = load<u32>(entry, TLB_FLAGS);
    // the entry may be another page's by now
    if (flags & ENTRY_GLOBAL) continue;
    const read = load<u64>(entry, TLB_READ_TAG);
    const write = load<u64>(entry, TLB_WRITE_TAG);
    const exec = load<u64>(entry, TLB_EXEC_TAG);
    if ((read & write & exec) == NO_TAG) continue;
    if ((note & NOTED_STAYS) < NOTED_STAYS && to < room) {
      const hidden = flags & ENTRY_SMAP ? HIDDEN : 0;
      store<u64>(to, parked_tag(read, hidden), TLB_READ_TAG);
      store<u64>(to, parked_tag(write, hidden), TLB_WRITE_TAG);
      store<u64>(to, parked_tag(exec, hidden), TLB_EXEC_TAG);
      store<u32>(to, load<u32>(entry, TLB_ADDEND), TLB_ADDEND);
      store<u32>(to, flags, TLB_FLAGS);
      store<u32>(to, note + 1, PARKED_TRANSLATION_NOTE);
      to += PARKED_TRANSLATION_SIZE_BYTES;
    }
    drop(entry);
  }
  store<u32>(ST + (LOCAL_LIST << 2), 0, S_NOTED_TRANSLATIONS);
  return ((to - first) / PARKED_TRANSLATION_SIZE_BYTES) as u32;
}
/** Large pages are still in the maps of their regions: those are emptied with all that is parked. */
function put_translations_back(space: usize): void {
  const first = translations_of(space);
  let from = first + (load<u32>(space, PARKED_SPACE_TRANSLATIONS) as usize) * PARKED_TRANSLATION_SIZE_BYTES;
  while (from > first) {
    from -= PARKED_TRANSLATION_SIZE_BYTES;
    const note = load<u32>(from, PARKED_TRANSLATION_NOTE);
    const entry = (note & ~NOTED_STAYS) as usize;
    // forgotten meanwhile, or the place is a global page's
    if (entry == 0) continue;
    if ((load<u64>(entry, TLB_READ_TAG) & load<u64>(entry, TLB_WRITE_TAG) & load<u64>(entry, TLB_EXEC_TAG)) != NO_TAG)
      continue;
    let write = load<u64>(from, TLB_WRITE_TAG);
    if (write != NO_TAG) {
      const host = written_host(from);
      if (code_lines(host)) write = NO_TAG;
      else note_writer(host, entry);
    }
    store<u64>(entry, load<u64>(from, TLB_READ_TAG), TLB_READ_TAG);
    store<u64>(entry, write, TLB_WRITE_TAG);
    store<u64>(entry, load<u64>(from, TLB_EXEC_TAG), TLB_EXEC_TAG);
    store<u32>(entry, load<u32>(from, TLB_ADDEND), TLB_ADDEND);
    store<u32>(entry, load<u32>(from, TLB_FLAGS), TLB_FLAGS);
    note_translation(note as usize, LOCAL_LIST);
  }
  if (!parallel()) return;
  // another vCPU may have marked a page as code since: one of the two sees the other, as in fill()
  memory_fence();
  const list = ST + S_NOTED_ENTRIES + ((LOCAL_LIST * (NOTED_TRANSLATIONS as usize)) << 2);
  const end = list + ((load<u32>(ST + (LOCAL_LIST << 2), S_NOTED_TRANSLATIONS) as usize) << 2);
  for (let at = list; at < end; at += 4) {
    const entry = (load<u32>(at) & ~NOTED_STAYS) as usize;
    if (load<u64>(entry, TLB_WRITE_TAG) != NO_TAG && code_lines(written_host(entry)))
      store<u64>(entry, NO_TAG, TLB_WRITE_TAG);
  }
}
/** Host address of the page of an entry that has a write tag. */
@inline function written_host(entry: usize): usize {
  return (((load<u64>(entry, TLB_WRITE_TAG) & ~HIDDEN) as u32) + load<u32>(entry, TLB_ADDEND)) as usize;
}

/** The user TLB has the page of `rip` for fetches, and it is not global. */
@inline function in_local_page(rip: u64): bool {
  const entry = ST + AREA_TLB_USER + tlb_slot(rip);
  return load<u64>(entry, TLB_EXEC_TAG) == (rip & ~(4095 as u64)) && !(load<u32>(entry, TLB_FLAGS) & ENTRY_GLOBAL);
}
/** Moves the noted jumps of user code out of their cache, the newest first; forgets those of the supervisor. Returns how many. */
function park_jumps(space: usize): u32 {
  const n = load<u32>(ST + (LOCAL_LIST << 2), S_NOTED_JUMPS);
  const base = load<u64>(ST + 8, S_JUMP_BASES);
  if (n > NOTED_JUMPS || base & 0xffff_ffff) {
    drop_noted_jumps(LOCAL_LIST);
    return 0;
  }
  store<u32>(space, load<u32>(ST + 4, S_JUMP_KEYS), PARKED_SPACE_JUMP_KEY);
  store<u64>(space, base, PARKED_SPACE_JUMP_BASE);
  const list = ST + S_NOTED_JUMP_ENTRIES + ((LOCAL_LIST * (NOTED_JUMPS as usize)) << 2);
  const first = jumps_of(space);
  const room = first + (PARKED_JUMPS as usize) * PARKED_JUMP_SIZE_BYTES;
  let to = first;
  let at = list + ((n as usize) << 2);
  while (at > list) {
    at -= 4;
    const note = load<u32>(at);
    const entry = (note & ~NOTED_STAYS) as usize;
    const rip = load<u64>(entry, JUMP_RIP);
    if (rip == NO_RIP) continue;
    if (entry >= ST + AREA_JUMP_USER && (note & NOTED_STAYS) < NOTED_STAYS && to < room && in_local_page(rip)) {
      store<u64>(to, rip, JUMP_RIP);
      store<u64>(to, load<u64>(entry, JUMP_RECORD), JUMP_RECORD); // and page offset
      store<u32>(to, note + 1, PARKED_JUMP_NOTE);
      to += PARKED_JUMP_SIZE_BYTES;
    }
    jump_drop(entry);
  }
  store<u32>(ST + (LOCAL_LIST << 2), 0, S_NOTED_JUMPS);
  return ((to - first) / PARKED_JUMP_SIZE_BYTES) as u32;
}
function put_jumps_back(space: usize): void {
  if (load<u32>(ST + 4, S_JUMP_KEYS) != load<u32>(space, PARKED_SPACE_JUMP_KEY)) return;
  if (load<u64>(ST + 8, S_JUMP_BASES) != load<u64>(space, PARKED_SPACE_JUMP_BASE)) return;
  const first = jumps_of(space);
  let from = first + (load<u32>(space, PARKED_SPACE_JUMPS) as usize) * PARKED_JUMP_SIZE_BYTES;
  while (from > first) {
    from -= PARKED_JUMP_SIZE_BYTES;
    const note = load<u32>(from, PARKED_JUMP_NOTE);
    const entry = (note & ~NOTED_STAYS) as usize;
    if (entry == 0) continue;
    const rip = load<u64>(from, JUMP_RIP);
    store<u64>(entry, rip, JUMP_RIP);
    store<u64>(entry, load<u64>(from, JUMP_RECORD), JUMP_RECORD);
    note_jump_page(rip);
    note_jump(note as usize, LOCAL_LIST);
  }
}

/** Forgets what is parked of a PCID. */
export function forget_parked(pcid: u32): void {
  const space = parked(pcid);
  if (space) store<u32>(space, 0, PARKED_SPACE_PCID);
}
export function forget_all_parked(): void {
  for (let space = ST + S_PARKED_SPACES; space < ST + SPACES_END; space += PARKED_SPACE_SIZE_BYTES)
    store<u32>(space, 0, PARKED_SPACE_PCID);
}
/** Forgets all parked jumps: their blocks are gone. */
export function forget_parked_jumps(): void {
  for (let space = ST + S_PARKED_SPACES; space < ST + SPACES_END; space += PARKED_SPACE_SIZE_BYTES)
    store<u32>(space, 0, PARKED_SPACE_JUMPS);
}
/** INVPCID of one address of a PCID that is not in use: also the large page that the address lies in. */
export function forget_parked_page(pcid: u32, linear: u64): void {
  const space = parked(pcid);
  if (space == 0) return;
  const translations = translations_of(space);
  const end = translations + (load<u32>(space, PARKED_SPACE_TRANSLATIONS) as usize) * PARKED_TRANSLATION_SIZE_BYTES;
  for (let at = translations; at < end; at += PARKED_TRANSLATION_SIZE_BYTES) {
    let tag = load<u64>(at, TLB_READ_TAG);
    if (tag == NO_TAG) tag = load<u64>(at, TLB_EXEC_TAG);
    if (tag == NO_TAG) tag = load<u64>(at, TLB_WRITE_TAG);
    if ((tag ^ linear) >> ((load<u32>(at, TLB_FLAGS) >> 8) as u64) == 0) store<u32>(at, 0, PARKED_TRANSLATION_NOTE);
  }
  if (in_jump_range(linear)) {
    store<u32>(space, 0, PARKED_SPACE_JUMPS);
    return;
  }
  const jumps = jumps_of(space);
  const jumpsEnd = jumps + (load<u32>(space, PARKED_SPACE_JUMPS) as usize) * PARKED_JUMP_SIZE_BYTES;
  for (let at = jumps; at < jumpsEnd; at += PARKED_JUMP_SIZE_BYTES)
    if ((load<u64>(at, JUMP_RIP) ^ linear) >> 12 == 0) store<u32>(at, 0, PARKED_JUMP_NOTE);
}
