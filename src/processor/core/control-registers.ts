// Control registers, with guest/host masks and read shadows. Intel SDM Vol. 3A "Control Registers"; Vol. 2 "MOV—Move
// to/from Control Registers", "LMSW", "CLTS", "SMSW"; Vol. 3C "Guest/Host Masks and Read Shadows for CR0 and CR4".
import { ST } from './env';
import { EXIT_CONTROL_REGISTER, gp0, raise, vm_exit } from './exceptions';
import {
  RECORD_A,
  RECORD_B,
  S_CR0,
  S_CR0_MASK,
  S_CR0_SHADOW,
  S_CR2,
  S_CR3,
  S_CR4,
  S_CR4_ABSENT,
  S_CR4_MASK,
  S_CR4_SHADOW,
  S_CR8,
  S_EFER,
  S_EXIT_DETAIL,
  S_EXIT_VALUE,
  S_PHYSICAL_MASK,
  S_PRIMARY,
  S_SCRATCH,
} from './generated/layout';
import { update_mode } from './mode';
import { read_pdptes } from './paging';
import { address_space, switch_space } from './parking';
import { record } from './position';
import { replay, REPLAY_PROCEED } from './replay';
import {
  AR_L,
  CR0_CD,
  CR0_ET,
  CR0_NW,
  CR0_PE,
  CR0_PG,
  CR0_TS,
  CR0_WP,
  cr0,
  CR4_PAE,
  CR4_PCIDE,
  CR4_PGE,
  CR4_PSE,
  CR4_SMAP,
  CR4_SMEP,
  cr4,
  cpl,
  CS,
  efer,
  EFER_LMA,
  EFER_LME,
  long64,
  seg_access,
  UD,
} from './state';
import { tlb_flush_all } from './tlb';

/** VME PVI TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT UMIP, FSGSBASE PCIDE OSXSAVE, SMEP SMAP. */
const CR4_DEFINED: u64 = 0x37_0fff;

function cr_exit(register: u32, access: u32, gpr: u32, value: u64): i32 {
  if (replay(REPLAY_PROCEED, 8, EXIT_CONTROL_REGISTER as u64)) return 0;
  const source: u64 = access == 3 ? (value & 0xffff) << 16 : 0;
  vm_exit(EXIT_CONTROL_REGISTER, ((register | (access << 4) | (gpr << 8)) as u64) | source);
  store<u32>(ST, register, S_EXIT_DETAIL);
  store<u64>(ST, value, S_EXIT_VALUE);
  return 1;
}
function operand_register(field: usize): u32 {
  return ((load<u16>(record() + field) as u32) >> 3) & 15;
}
function primary(bit: u32): bool {
  return ((load<u32>(ST, S_PRIMARY) >> bit) & 1) != 0;
}
function visible_cr0(): u64 {
  const mask = load<u64>(ST, S_CR0_MASK);
  return (cr0() & ~mask) | (load<u64>(ST, S_CR0_SHADOW) & mask);
}

export function mov_from_cr(number: u32): i32 {
  if (cpl() != 0) return gp0();
  let value: u64 = 0;
  if (number == 0) value = visible_cr0();
  else if (number == 2) value = load<u64>(ST, S_CR2);
  else if (number == 3) {
    if (primary(16) && cr_exit(3, 1, operand_register(RECORD_A), 0)) return 1;
    value = load<u64>(ST, S_CR3);
  } else if (number == 4) {
    const mask = load<u64>(ST, S_CR4_MASK);
    value = (cr4() & ~mask) | (load<u64>(ST, S_CR4_SHADOW) & mask);
  } else if (number == 8) {
    if (primary(20) && cr_exit(8, 1, operand_register(RECORD_A), 0)) return 1;
    value = load<u64>(ST, S_CR8);
  } else return raise(UD, 0);
  store<u64>(ST, value, S_SCRATCH);
  store<u64>(ST, 0, S_SCRATCH + 8);
  return 0;
}

/** Loads the PAE page-directory-pointer entries from CR3, as VM entry does; 0: a reserved bit is set. */
export function load_pdptes(): i32 {
  return read_pdptes(load<u64>(ST, S_CR3)) ? 1 : 0;
}
function set_cr0(value: u64): i32 {
  if (value >> 32 != 0) return gp0();
  if ((value & CR0_PG && !(value & CR0_PE)) || (value & CR0_NW && !(value & CR0_CD))) return gp0();
  const old = cr0();
  value = (value & 0xe005_003f) | CR0_ET;
  const changed = old ^ value;
  const e = efer();
  if (changed & CR0_PG) {
    if (value & CR0_PG) {
      if (e & EFER_LME) {
        if (!(cr4() & CR4_PAE) || seg_access(CS) & AR_L) return gp0();
        store<u64>(ST, e | EFER_LMA, S_EFER);
      } else if (cr4() & CR4_PAE && !read_pdptes(load<u64>(ST, S_CR3))) return gp0();
    } else {
      if (long64() || cr4() & CR4_PCIDE) return gp0();
      store<u64>(ST, e & ~EFER_LMA, S_EFER);
    }
  } else if (changed & (CR0_CD | CR0_NW) && value & CR0_PG && cr4() & CR4_PAE && !(e & EFER_LMA)) {
    if (!read_pdptes(load<u64>(ST, S_CR3))) return gp0();
  }
  store<u64>(ST, value, S_CR0);
  if (changed & (CR0_PG | CR0_PE | CR0_WP)) tlb_flush_all();
  if (changed & (CR0_PG | CR0_PE)) update_mode();
  return 0;
}
function set_cr3(value: u64): i32 {
  const paged = (cr0() & CR0_PG) != 0;
  const c4 = cr4();
  const keep = value >> 63 != 0 && (c4 & CR4_PCIDE) != 0;
  if (keep) value = (value << 1) >> 1;
  if (efer() & EFER_LMA) {
    if (value & ~load<u64>(ST, S_PHYSICAL_MASK)) return gp0();
  } else if (paged && c4 & CR4_PAE && !read_pdptes(value)) return gp0();
  if (keep && value == load<u64>(ST, S_CR3)) return 0;
  const from = address_space();
  store<u64>(ST, value, S_CR3);
  if (paged) switch_space(from, keep);
  return 0;
}
function set_cr4(value: u64): i32 {
  if (value & (~CR4_DEFINED | load<u64>(ST, S_CR4_ABSENT))) return gp0();
  const old = cr4();
  const changed = old ^ value;
  const lma = (efer() & EFER_LMA) != 0;
  if (lma && !(value & CR4_PAE)) return gp0();
  if (changed & value & CR4_PCIDE && (!lma || load<u64>(ST, S_CR3) & 0xfff)) return gp0();
  if (cr0() & CR0_PG && !lma && value & CR4_PAE && changed & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP)) {
    if (!read_pdptes(load<u64>(ST, S_CR3))) return gp0();
  }
  store<u64>(ST, value, S_CR4);
  if (changed & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP)) tlb_flush_all();
  return 0;
}

export function mov_to_cr(number: u32, value: u64): i32 {
  if (cpl() != 0) return gp0();
  if (number == 0) {
    const mask = load<u64>(ST, S_CR0_MASK);
    if ((value ^ load<u64>(ST, S_CR0_SHADOW)) & mask && cr_exit(0, 0, operand_register(RECORD_B), value)) return 1;
    return set_cr0((cr0() & mask) | (value & ~mask));
  }
  if (number == 2) {
    store<u64>(ST, value, S_CR2);
    return 0;
  }
  if (number == 3) {
    if (primary(15) && cr_exit(3, 0, operand_register(RECORD_B), value)) return 1;
    return set_cr3(value);
  }
  if (number == 4) {
    const mask = load<u64>(ST, S_CR4_MASK);
    if ((value ^ load<u64>(ST, S_CR4_SHADOW)) & mask && cr_exit(4, 0, operand_register(RECORD_B), value)) return 1;
    return set_cr4((cr4() & mask) | (value & ~mask));
  }
  if (number == 8) {
    if (primary(19) && cr_exit(8, 0, operand_register(RECORD_B), value)) return 1;
    if (value & ~(15 as u64)) return gp0();
    store<u64>(ST, value, S_CR8);
    return 0;
  }
  return raise(UD, 0);
}

/** Sets MP, EM, TS and PE from the low four bits; PE cannot be cleared. */
export function lmsw(source: u32): i32 {
  if (cpl() != 0) return gp0();
  const value = source as u64;
  const mask = load<u64>(ST, S_CR0_MASK);
  const shadow = load<u64>(ST, S_CR0_SHADOW);
  const exits = ((value ^ shadow) & mask & 0xe) != 0 || (mask & value & ~shadow & 1) != 0;
  if (exits && cr_exit(0, 3, 0, value)) return 1;
  const old = cr0();
  const wanted = (old & ~(0xe as u64)) | (value & 0xf);
  return set_cr0((old & mask) | (wanted & ~mask));
}
export function clts(): i32 {
  if (cpl() != 0) return gp0();
  if (load<u64>(ST, S_CR0_MASK) & CR0_TS) {
    if (load<u64>(ST, S_CR0_SHADOW) & CR0_TS && cr_exit(0, 2, 0, 0)) return 1;
    return 0;
  }
  store<u64>(ST, cr0() & ~CR0_TS, S_CR0);
  return 0;
}
export function smsw_value(): u32 {
  return visible_cr0() as u32;
}
