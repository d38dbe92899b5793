// Descriptor-table registers and descriptor queries. Intel SDM Vol. 2 "LGDT/LIDT", "SGDT", "SIDT", "LLDT", "LTR", "LAR",
// "LSL", "VERR/VERW"; Vol. 3A "System Descriptor Types" (64-bit: 16-byte TSS and LDT descriptors).
import {
  d_base,
  d_base_high,
  d_access,
  d_dpl,
  d_high,
  d_limit,
  d_present,
  d_type,
  fetch_descriptor,
  fetch_upper,
  is_code,
  is_conforming,
  is_readable,
  is_writable_data,
  probe_descriptor,
  set_type_bit,
} from './descriptors';
import { ST } from './env';
import { gp0, raise } from './exceptions';
import { S_GDTR_BASE, S_GDTR_LIMIT, S_IDTR_BASE, S_IDTR_LIMIT, S_SCRATCH } from './generated/layout';
import { bad, check_write, data_access, read16, read32, read64, write_sized } from './memory';
import { canonical, cpl, cr4, CR4_UMIP, GP, ia32e, LDTR, long64, NP, real_or_v86, set_seg, TR, UD } from './state';
import { load_null } from './segments';

function load_table(linear: u64, opBits: u32, base: usize, limit: usize): i32 {
  if (cpl() != 0) return gp0();
  const newLimit = read16(linear);
  if (bad) return 1;
  let newBase: u64;
  if (long64()) {
    newBase = read64(linear + 2);
    if (bad) return 1;
    if (!canonical(newBase)) return gp0();
  } else {
    newBase = read32(linear + 2) as u64;
    if (bad) return 1;
    if (opBits == 16) newBase &= 0xff_ffff;
  }
  store<u64>(ST + base, newBase);
  store<u32>(ST + limit, newLimit);
  return 0;
}
function store_table(linear: u64, base: usize, limit: usize): i32 {
  const size: u32 = long64() ? 8 : 4;
  const access = data_access();
  if (check_write(linear, size + 2, access)) return 1;
  if (write_sized(linear, 2, load<u32>(ST + limit) as u64, access)) return 1;
  return write_sized(linear + 2, size, load<u64>(ST + base), access);
}
export function lgdt(linear: u64, opBits: u32): i32 {
  return load_table(linear, opBits, S_GDTR_BASE, S_GDTR_LIMIT);
}
export function lidt(linear: u64, opBits: u32): i32 {
  return load_table(linear, opBits, S_IDTR_BASE, S_IDTR_LIMIT);
}
export function sgdt(linear: u64, opBits: u32): i32 {
  return store_table(linear, S_GDTR_BASE, S_GDTR_LIMIT);
}
export function sidt(linear: u64, opBits: u32): i32 {
  return store_table(linear, S_IDTR_BASE, S_IDTR_LIMIT);
}

/** Base of the LDT or TSS descriptor fetched last, with bits 63:32 in IA-32e mode; status in `bad_base`. */
let bad_base: i32 = 0;
function system_base(selector: u32): u64 {
  bad_base = 0;
  let base = d_base();
  if (ia32e()) {
    if (fetch_upper(selector, GP, 0)) {
      bad_base = 1;
      return 0;
    }
    base |= (d_base_high as u64) << 32;
    if (!canonical(base)) bad_base = raise(GP, selector & 0xfffc);
  }
  return base;
}
export function lldt(selector: u32): i32 {
  selector &= 0xffff;
  if (cpl() != 0) return gp0();
  if (!(selector & 0xfffc)) {
    load_null(LDTR, selector);
    return 0;
  }
  if (selector & 4) return raise(GP, selector & 0xfffc);
  if (fetch_descriptor(selector, GP, 0)) return 1;
  if (d_type() != 2) return raise(GP, selector & 0xfffc);
  if (!d_present()) return raise(NP, selector & 0xfffc);
  const base = system_base(selector);
  if (bad_base) return 1;
  set_seg(LDTR, selector, base, d_limit(), d_access());
  return 0;
}
export function ltr(selector: u32): i32 {
  selector &= 0xffff;
  if (cpl() != 0) return gp0();
  if (!(selector & 0xfffc)) return gp0();
  if (selector & 4) return raise(GP, selector & 0xfffc);
  if (fetch_descriptor(selector, GP, 0)) return 1;
  const type = d_type();
  if (type != 9 && (type != 1 || ia32e())) return raise(GP, selector & 0xfffc);
  if (!d_present()) return raise(NP, selector & 0xfffc);
  const base = system_base(selector);
  if (bad_base) return 1;
  if (set_type_bit(2, true)) return 1;
  set_seg(TR, selector, base, d_limit(), d_access());
  return 0;
}
export function umip_check(): i32 {
  return cpl() != 0 && cr4() & CR4_UMIP ? gp0() : 0;
}
export function protected_check(): i32 {
  return real_or_v86() ? raise(UD, 0) : 0;
}

function answer(value: u32, found: bool): i32 {
  store<u64>(ST, value as u64, S_SCRATCH);
  store<u64>(ST, 0, S_SCRATCH + 8);
  store<u64>(ST, found as u64, S_SCRATCH + 16);
  store<u64>(ST, 0, S_SCRATCH + 24);
  return 0;
}
/** Privilege check of LAR, LSL, VERR, VERW: conforming code always passes (not for VERW). */
function visible(selector: u32): bool {
  const dpl = d_dpl();
  return is_conforming(d_type()) || (cpl() <= dpl && (selector & 3) <= dpl);
}
/** System types that LAR and LSL accept: bit n = type n. */
const LAR_TYPES: u32 = 0x1a3e;
const LAR_TYPES_LONG: u32 = 0x1a04;
const LSL_TYPES: u32 = 0x0a0e;
const LSL_TYPES_LONG: u32 = 0x0a04;
export function lar(selector: u32, opBits: u32): i32 {
  selector &= 0xffff;
  const status = probe_descriptor(selector);
  if (status == 1) return 1;
  if (status != 0 || !visible(selector)) return answer(0, false);
  const type = d_type();
  if (!(type & 0x10) && !(((ia32e() ? LAR_TYPES_LONG : LAR_TYPES) >> type) & 1)) return answer(0, false);
  return answer(d_high & (opBits == 16 ? 0xff00 : 0x00f0_ff00), true);
}
export function lsl(selector: u32, opBits: u32): i32 {
  selector &= 0xffff;
  const status = probe_descriptor(selector);
  if (status == 1) return 1;
  if (status != 0 || !visible(selector)) return answer(0, false);
  const type = d_type();
  if (!(type & 0x10) && !(((ia32e() ? LSL_TYPES_LONG : LSL_TYPES) >> type) & 1)) return answer(0, false);
  return answer(opBits == 16 ? d_limit() & 0xffff : d_limit(), true);
}
export function verr(selector: u32): i32 {
  selector &= 0xffff;
  const status = probe_descriptor(selector);
  if (status == 1) return 1;
  return answer(0, status == 0 && is_readable(d_type()) && visible(selector));
}
export function verw(selector: u32): i32 {
  selector &= 0xffff;
  const status = probe_descriptor(selector);
  if (status == 1) return 1;
  return answer(0, status == 0 && !is_code(d_type()) && is_writable_data(d_type()) && visible(selector));
}
