// Segment descriptors in memory. Intel SDM Vol. 3A, "Segment Descriptors", "System Descriptor Types", "Segment Selectors".
import { ST } from './env';
import { raise } from './exceptions';
import { S_GDTR_BASE, S_GDTR_LIMIT, TLB_ADDEND, TLB_READ_TAG } from './generated/layout';
import { bad, sys_read64, tlb_entry, write_sized } from './memory';
import { ACCESS_IMPLICIT } from './paging';
import { AR_UNUSABLE, LDTR, seg_access, seg_base, seg_limit } from './state';

/** The descriptor fetched last: its two words and its linear address. */
export let d_low: u32 = 0;
export let d_high: u32 = 0;
export let d_address: u64 = 0;
/** Words 2 and 3 of a 16-byte descriptor: base or offset 63:32, and the word with the type that must be 0. */
export let d_base_high: u32 = 0;
export let d_last: u32 = 0;

/** Locates `selector`; false: outside its table. Sets d_address. */
function locate(selector: u32, bytes: u32): bool {
  let base: u64;
  let limit: u32;
  if (selector & 4) {
    if (seg_access(LDTR) & AR_UNUSABLE) return false;
    base = seg_base(LDTR);
    limit = seg_limit(LDTR);
  } else {
    base = load<u64>(ST, S_GDTR_BASE);
    limit = load<u32>(ST, S_GDTR_LIMIT);
  }
  const offset = selector & 0xfff8;
  if (offset + bytes - 1 > limit) return false;
  d_address = base + (offset as u64);
  return true;
}
@inline function take(descriptor: u64): void {
  d_low = descriptor as u32;
  d_high = (descriptor >> 32) as u32;
}
/** Fetches the descriptor of `selector`; raises `vector`(selector | ext) when it is outside its table. */
export function fetch_descriptor(selector: u32, vector: u32, ext: u32): i32 {
  if (!locate(selector, 8)) return raise(vector, (selector & 0xfffc) | ext);
  const value = sys_read64(d_address);
  if (bad) return 1;
  take(value);
  return 0;
}
/** Like fetch_descriptor where the TLB has the descriptor; false: it has not, or there is none. */
export function fetch_mapped(selector: u32): bool {
  if (!locate(selector, 8)) return false;
  const entry = tlb_entry(d_address, ACCESS_IMPLICIT);
  if (load<u64>(entry, TLB_READ_TAG) != ((d_address + 7) & ~(4095 as u64))) return false;
  take(load<u64>((load<u32>(entry, TLB_ADDEND) + (d_address as u32)) as usize));
  return true;
}
/** Like fetch_descriptor, but 0 found, 1 unwind, 2 outside the table (LAR, VERR, ...). */
export function probe_descriptor(selector: u32): i32 {
  if (!(selector & 0xfffc) || !locate(selector, 8)) return 2;
  const value = sys_read64(d_address);
  if (bad) return 1;
  take(value);
  return 0;
}
/** Upper half of a 16-byte system descriptor whose lower half was fetched last. */
export function fetch_upper(selector: u32, vector: u32, ext: u32): i32 {
  if (!locate(selector, 16)) return raise(vector, (selector & 0xfffc) | ext);
  const value = sys_read64(d_address + 8);
  if (bad) return 1;
  d_base_high = value as u32;
  d_last = (value >> 32) as u32;
  return 0;
}
/** Access rights of the descriptor in VMCS format. */
export function d_access(): u32 {
  return (d_high >> 8) & 0xf0ff;
}
export function d_base(): u64 {
  return ((d_low >> 16) | ((d_high & 0xff) << 16) | (d_high & 0xff00_0000)) as u64;
}
export function d_limit(): u32 {
  const limit = (d_low & 0xffff) | (d_high & 0xf_0000);
  return d_high & 0x80_0000 ? (limit << 12) | 0xfff : limit;
}
export function d_dpl(): u32 {
  return (d_high >> 13) & 3;
}
export function d_present(): bool {
  return (d_high & 0x8000) != 0;
}
/** Type with the S bit: 0x10..0x1f code and data, 0..0xf system. */
export function d_type(): u32 {
  return (d_high >> 8) & 0x1f;
}
export function is_code(type: u32): bool {
  return (type & 0x18) == 0x18;
}
export function is_conforming(type: u32): bool {
  return (type & 0x1c) == 0x1c;
}
export function is_writable_data(type: u32): bool {
  return (type & 0x1a) == 0x12;
}
/** Readable: data, or code with the R bit. */
export function is_readable(type: u32): bool {
  return (type & 0x18) == 0x10 || (type & 0x1a) == 0x1a;
}
/** Rewrites the type byte of the descriptor fetched last (accessed or busy bit). */
export function set_type_bit(bit: u32, on: bool): i32 {
  const wanted = on ? d_high | (bit << 8) : d_high & ~(bit << 8);
  if (wanted == d_high) return 0;
  if (write_sized(d_address + 5, 1, ((wanted >> 8) & 0xff) as u64, ACCESS_IMPLICIT)) return 1;
  d_high = wanted;
  return 0;
}
export function set_accessed(): i32 {
  return set_type_bit(1, true);
}
/** True when [offset, offset + size) lies inside a segment with these access rights and limit. */
export function in_limit(access: u32, limit: u32, offset: u64, size: u64): bool {
  const last = offset + size - 1;
  if ((access & 0x1c) == 0x14) {
    const top: u64 = access & 0x4000 ? 0xffff_ffff : 0xffff;
    return offset > (limit as u64) && last <= top;
  }
  return last <= (limit as u64);
}
