// Linear to physical: page walks. Intel SDM Vol. 3A, "Paging": 32-Bit Paging, PAE Paging, 4-Level Paging, Access Rights,
// Page-Fault Exceptions, Accessed and Dirty Flags. The cache in front of it is tlb.ts.
import { code_written } from './blocks';
import { ST } from './env';
import { raise, raise_page_fault } from './exceptions';
import {
  S_CODE_MAP,
  S_CR3,
  S_PDPTE,
  S_PHYSICAL_MASK,
  S_RAM_HOST,
  S_RAM_PAGES,
  S_SLOT_COUNT,
  S_SLOTS,
  SLOT_FLAGS,
  SLOT_GPA,
  SLOT_HOST,
  SLOT_SIZE_BYTES,
  SLOT_SIZE_BYTES_FIELD,
} from './generated/layout';
import {
  CR0_PG,
  CR0_WP,
  CR4_PAE,
  CR4_PGE,
  CR4_PSE,
  CR4_SMAP,
  CR4_SMEP,
  canonical,
  cr0,
  cr4,
  EFER_LMA,
  EFER_NXE,
  efer,
  FLAG_AC,
  long64,
  GP,
  rflags,
  SS_FAULT,
} from './state';
import { memory_fence, parallel } from './parallel';
import { through_stack } from './stack-reference';
import { walk_result } from './tlb';

export { hide_smap_entries } from './tlb';

/** Kinds of access. Neither user nor implicit: by code at CPL < 3. Implicit: descriptor tables and TSS at any CPL. */
export const ACCESS_WRITE: u32 = 1;
export const ACCESS_USER: u32 = 2;
export const ACCESS_EXEC: u32 = 4;
export const ACCESS_IMPLICIT: u32 = 8;

/** Rights of a translation. */
export const RIGHT_WRITE: u32 = 1; // at this privilege, with CR0.WP
export const RIGHT_USER: u32 = 2;
export const RIGHT_NX: u32 = 4;
export const RIGHT_DIRTY: u32 = 8;
export const RIGHT_GLOBAL: u32 = 16;

export const SLOT_READ_ONLY: u32 = 1;

/** Slot flags of the last phys_host(). */
export let slot_flags: u32 = 0;
/** Host address of guest-physical `gpa`, 0 when it is not RAM or ROM. */
export function phys_host(gpa: u64): usize {
  const count = load<u32>(ST, S_SLOT_COUNT);
  let s = ST + S_SLOTS;
  for (let i: u32 = 0; i < count; i++) {
    const offset = gpa - load<u64>(s, SLOT_GPA);
    if (offset < load<u64>(s, SLOT_SIZE_BYTES_FIELD)) {
      slot_flags = load<u32>(s, SLOT_FLAGS);
      return (load<u32>(s, SLOT_HOST) + (offset as u32)) as usize;
    }
    s += SLOT_SIZE_BYTES;
  }
  slot_flags = 0;
  return 0;
}
/** Bitmap of the 64-byte lines of this RAM page that hold translated code. */
export function code_lines(host: usize): u64 {
  const page = ((host as u32) - load<u32>(ST, S_RAM_HOST)) >> 12;
  return page < load<u32>(ST, S_RAM_PAGES) ? load<u64>((load<u32>(ST, S_CODE_MAP) as usize) + (page << 3)) : 0;
}
/** Tells the block cache when bytes with translated code were written; [host, host + size) lies in one page. */
export function note_write(host: usize, size: u32): void {
  memory_fence();
  const lines = code_lines(host);
  if (lines == 0) return;
  const first = ((host as u32) >> 6) & 63;
  const last = (((host as u32) + size - 1) >> 6) & 63;
  if (lines & ((~(0 as u64) << (first as u64)) & (~(0 as u64) >> ((63 - last) as u64))))
    code_written(host, size as i32);
}

/** Physical reads for paging structures: outside RAM all ones. */
export function phys_read64(gpa: u64): u64 {
  const host = phys_host(gpa);
  return host ? load<u64>(host) : ~(0 as u64);
}
export function phys_read32(gpa: u64): u32 {
  const host = phys_host(gpa);
  return host ? load<u32>(host) : ~(0 as u32);
}
/** Sets accessed and dirty bits of a paging-structure entry that was read as `entry`; false: it has changed since. */
function set_entry_bits(gpa: u64, entry: u64, bits: u64): bool {
  const host = phys_host(gpa);
  if (host == 0 || slot_flags & SLOT_READ_ONLY) return true;
  if (!parallel()) store<u8>(host, load<u8>(host) | (bits as u8));
  else if (wide) {
    if (atomic.cmpxchg<u64>(host, entry, entry | bits) != entry) return false;
  } else if (atomic.cmpxchg<u32>(host, entry as u32, (entry | bits) as u32) != (entry as u32)) return false;
  note_write(host, 1);
  return true;
}

function fault(linear: u64, access: u32, code: u32): i32 {
  if (access & ACCESS_WRITE) code |= 2;
  if (access & ACCESS_USER) code |= 4;
  if (access & ACCESS_EXEC) {
    const c4 = cr4();
    if (c4 & CR4_SMEP || (c4 & CR4_PAE && efer() & EFER_NXE)) code |= 16;
  }
  return raise_page_fault(linear, code);
}

/** Entries used by the walk, from the root: their addresses and A bits are set when the walk has succeeded. */
let used0: u64 = 0;
let used1: u64 = 0;
let used2: u64 = 0;
let value0: u64 = 0;
let value1: u64 = 0;
let value2: u64 = 0;
let leaf: u64 = 0;
let wide: bool = false; // entries have 64 bits
let leafValue: u64 = 0;
let physical: u64 = 0;
let all: u64 = 0; // AND of the entries: bits 1 (R/W) and 2 (U/S)
let nx: bool = false;
let shift: u32 = 12;

/** 4-level paging and PAE paging; `level` 4 or 2, `table` the first table's address. */
function walk64(linear: u64, access: u32, level: u32, table: u64): i32 {
  const physicalMask = load<u64>(ST, S_PHYSICAL_MASK) & 0x000f_ffff_ffff_f000;
  let reserved: u64 = ~load<u64>(ST, S_PHYSICAL_MASK) & 0x000f_ffff_ffff_f000;
  if (!(efer() & EFER_NXE)) reserved |= 0x8000_0000_0000_0000;
  if (level == 2) reserved |= 0x7ff0_0000_0000_0000;
  wide = true;
  used0 = used1 = used2 = ~(0 as u64);
  while (true) {
    shift = 12 + 9 * (level - 1);
    const address = table + (((linear >> (shift as u64)) & 511) << 3);
    const entry = phys_read64(address);
    if (!(entry & 1)) return fault(linear, access, 0);
    if (entry & reserved) return fault(linear, access, 9);
    all &= entry;
    if (entry >> 63) nx = true;
    const large = level > 1 && (entry & 0x80) != 0;
    if (large) {
      if (level == 4 || entry & ((((1 as u64) << (shift as u64)) - 1) & 0x000f_ffff_ffff_e000))
        return fault(linear, access, 9);
    }
    if (large || level == 1) {
      leaf = address;
      leafValue = entry;
      const offset = ((1 as u64) << (shift as u64)) - 1;
      physical = (entry & physicalMask & ~offset) | (linear & offset);
      return 0;
    }
    if (!(entry & 0x20)) {
      if (level == 4) {
        used0 = address;
        value0 = entry;
      } else if (level == 3) {
        used1 = address;
        value1 = entry;
      } else {
        used2 = address;
        value2 = entry;
      }
    }
    table = entry & physicalMask;
    level--;
  }
  return 1;
}
function walk32(linear: u64, access: u32): i32 {
  wide = false;
  used0 = used1 = used2 = ~(0 as u64);
  const address = (load<u64>(ST, S_CR3) & 0xffff_f000) + ((linear >> 22) << 2);
  const directory = phys_read32(address);
  if (!(directory & 1)) return fault(linear, access, 0);
  all &= directory as u64;
  if (directory & 0x80 && cr4() & CR4_PSE) {
    // PSE-36: bits 13-20 are bits 32-39 of the address
    const high = (((directory >> 13) & 0xff) as u64) << 32;
    if (directory & 0x0020_0000 || high & ~load<u64>(ST, S_PHYSICAL_MASK)) return fault(linear, access, 9);
    shift = 22;
    leaf = address;
    leafValue = directory as u64;
    physical = high | (directory as u64 & 0xffc0_0000) | (linear & 0x003f_ffff);
    return 0;
  }
  if (!(directory & 0x20)) {
    used2 = address;
    value2 = directory as u64;
  }
  shift = 12;
  leaf = (directory as u64 & 0xffff_f000) + (((linear >> 12) & 1023) << 2);
  const entry = phys_read32(leaf);
  if (!(entry & 1)) return fault(linear, access, 0);
  all &= entry as u64;
  leafValue = entry as u64;
  physical = (entry as u64 & 0xffff_f000) | (linear & 4095);
  return 0;
}

/** Translates `linear` for `access` and hands the result to tlb.ts; 1: #PF or #GP raised. */
export function walk(linear: u64, access: u32): i32 {
  const c0 = cr0();
  if (!(c0 & CR0_PG)) {
    walk_result(linear & 0xffff_ffff, RIGHT_WRITE | RIGHT_USER | RIGHT_DIRTY, 12);
    return 0;
  }
  all = 6;
  nx = false;
  const c4 = cr4();
  if (efer() & EFER_LMA) {
    if (!canonical(linear)) {
      const stack = !(access & (ACCESS_EXEC | ACCESS_IMPLICIT)) && long64() && through_stack((access & ACCESS_WRITE) != 0);
      return raise(stack ? SS_FAULT : GP, 0);
    }
    if (walk64(linear, access, 4, load<u64>(ST, S_CR3) & load<u64>(ST, S_PHYSICAL_MASK) & 0x000f_ffff_ffff_f000))
      return 1;
  } else if (c4 & CR4_PAE) {
    const pointer = load<u64>(ST + (((linear >> 30) as u32 & 3) << 3), S_PDPTE);
    if (!(pointer & 1)) return fault(linear, access, 0);
    if (walk64(linear, access, 2, pointer & load<u64>(ST, S_PHYSICAL_MASK) & 0x000f_ffff_ffff_f000)) return 1;
  } else if (walk32(linear, access)) return 1;

  const userPage = (all & 4) != 0;
  let writable = (all & 2) != 0;
  if (access & ACCESS_USER) {
    if (!userPage) return fault(linear, access, 1);
  } else {
    if (!(c0 & CR0_WP)) writable = true;
    if (userPage) {
      if (access & ACCESS_EXEC) {
        if (c4 & CR4_SMEP) return fault(linear, access, 1);
      } else if (c4 & CR4_SMAP && (access & ACCESS_IMPLICIT || !(rflags() & FLAG_AC))) return fault(linear, access, 1);
    }
  }
  if (access & ACCESS_WRITE && !writable) return fault(linear, access, 1);
  if (access & ACCESS_EXEC && nx) return fault(linear, access, 1);

  const wanted: u64 = access & ACCESS_WRITE ? 0x60 : 0x20;
  // an entry that another processor has changed meanwhile must not get the bits: the walk starts anew
  if (
    (used0 != ~(0 as u64) && !set_entry_bits(used0, value0, 0x20)) ||
    (used1 != ~(0 as u64) && !set_entry_bits(used1, value1, 0x20)) ||
    (used2 != ~(0 as u64) && !set_entry_bits(used2, value2, 0x20)) ||
    ((leafValue & wanted) != wanted && !set_entry_bits(leaf, leafValue, wanted))
  )
    return walk(linear, access);
  let rights: u32 = 0;
  if (writable) rights |= RIGHT_WRITE;
  if (userPage) rights |= RIGHT_USER;
  if (nx) rights |= RIGHT_NX;
  if (leafValue & 0x40 || access & ACCESS_WRITE) rights |= RIGHT_DIRTY;
  if (leafValue & 0x100 && c4 & CR4_PGE) rights |= RIGHT_GLOBAL;
  walk_result(physical, rights, shift);
  return 0;
}

/** Loads the PAE page-directory-pointer entries from `cr3`; false: a reserved bit is set. */
export function read_pdptes(cr3: u64): bool {
  const table = cr3 & 0xffff_ffe0;
  const reserved = (~load<u64>(ST, S_PHYSICAL_MASK) & 0xffff_ffff_ffff_f000) | 0x1e6;
  for (let i: u32 = 0; i < 4; i++) {
    const entry = phys_read64(table + ((i as u64) << 3));
    if (entry & 1 && entry & reserved) return false;
  }
  for (let i: u32 = 0; i < 4; i++) store<u64>(ST + (i << 3), phys_read64(table + ((i as u64) << 3)), S_PDPTE);
  return true;
}
