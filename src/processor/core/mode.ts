// The mode key and what hangs on it. See ../README.md "Mode key". Intel SDM Vol. 3A, "Modes of Operation".
import { ST } from './env';
import {
  AREA_JUMP_SUPERVISOR,
  AREA_JUMP_USER,
  AREA_TLB_SUPERVISOR,
  AREA_TLB_USER,
  S_ALIGNMENT,
  S_CPL,
  S_DR,
  S_JUMP_BASES,
  S_JUMP_CACHE,
  S_JUMP_KEYS,
  S_LMA,
  S_MODE_KEY,
  S_TLB,
  TLB_ENTRIES,
  TLB_SIZE_BYTES,
} from './generated/layout';
import {
  AR_DB,
  AR_L,
  CR0_AM,
  CR0_PE,
  cr0,
  CS,
  DS,
  efer,
  EFER_LMA,
  ES,
  FLAG_AC,
  KEY_DEBUG,
  KEY_FLAT,
  KEY_PROTECTED,
  KEY_REAL,
  KEY_USER,
  KEY_STACK32,
  rflags,
  seg_access,
  seg_base,
  seg_limit,
  SS,
  v86,
} from './state';
import { jump_cache_clear } from './tlb';

/** Base 0, limit 4 GiB, present, writable, not expand-down. */
function flat_data(n: u32): bool {
  return (seg_access(n) & 0x1_0096) == 0x92 && seg_base(n) == 0 && seg_limit(n) == 0xffff_ffff;
}
/** At CPL 3 after a change of RFLAGS.AC, CR0.AM or the privilege: while alignment is checked the user TLB serves fetches only. */
export function update_alignment(): void {
  const on: u32 = rflags() & FLAG_AC && cr0() & CR0_AM ? 1 : 0;
  if (on == load<u32>(ST, S_ALIGNMENT)) return;
  store<u32>(ST, on, S_ALIGNMENT);
  if (on) memory.fill(ST + AREA_TLB_USER, 0xff, (TLB_ENTRIES as usize) * TLB_SIZE_BYTES);
}
/** Recomputes everything that is derived from CS, SS, DS, ES, CR0, EFER, RFLAGS.VM and CPL. */
export function update_mode(): void {
  const lma = (efer() & EFER_LMA) != 0;
  store<u32>(ST, lma as u32, S_LMA);
  const cs = seg_access(CS);
  let key: u32 = 0;
  if (!(cr0() & CR0_PE)) {
    key = KEY_REAL;
    store<u32>(ST, 0, S_CPL);
  } else {
    key = KEY_PROTECTED;
    if (v86()) key |= KEY_REAL;
  }
  if (lma && cs & AR_L) key |= 2 | KEY_FLAT | KEY_STACK32;
  else {
    if (cs & AR_DB) key |= 1;
    if (seg_access(SS) & AR_DB) key |= KEY_STACK32;
    if (seg_base(CS) == 0 && seg_limit(CS) == 0xffff_ffff && flat_data(DS) && flat_data(SS) && flat_data(ES))
      key |= KEY_FLAT;
  }
  if (load<u64>(ST, S_DR + 56) & 0xff) key |= KEY_DEBUG;
  const user: u32 = load<u32>(ST, S_CPL) == 3 ? 1 : 0;
  if (user) key |= KEY_USER;
  store<u32>(ST, key, S_MODE_KEY);
  if (user) update_alignment();
  store<u32>(ST, (ST + (user ? AREA_TLB_USER : AREA_TLB_SUPERVISOR)) as u32, S_TLB);
  const cache = ST + (user ? AREA_JUMP_USER : AREA_JUMP_SUPERVISOR);
  store<u32>(ST, cache as u32, S_JUMP_CACHE);
  // A jump cache maps RIP alone: it holds entries of one mode key, one CS base and one limit.
  const base: u64 = key & 2 ? 0 : seg_base(CS) | ((seg_limit(CS) as u64) << 32);
  if (load<u32>(ST + (user << 2), S_JUMP_KEYS) != key || load<u64>(ST + (user << 3), S_JUMP_BASES) != base) {
    store<u32>(ST + (user << 2), key, S_JUMP_KEYS);
    store<u64>(ST + (user << 3), base, S_JUMP_BASES);
    jump_cache_clear(cache);
  }
}
