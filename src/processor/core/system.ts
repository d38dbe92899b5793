// Privileged and intercepted instructions without a home of their own. Intel SDM Vol. 2 under the instructions' names;
// Vol. 3C "Instructions That Cause VM Exits Conditionally".
import { ST } from './env';
import {
  EXIT_HLT,
  EXIT_INVLPG,
  EXIT_INVPCID,
  EXIT_MONITOR,
  EXIT_MWAIT,
  EXIT_PAUSE,
  EXIT_RDPMC,
  EXIT_RDRAND,
  EXIT_RDSEED,
  EXIT_VMCALL,
  EXIT_WBINVD,
  EXIT_XSETBV,
  gp0,
  raise,
  vm_exit,
} from './exceptions';
import { write_system_flags } from './flags';
import { PAUSE_TICKS, S_EXIT_VALUE, S_PRIMARY, S_RANDOM_STATE, S_SCRATCH, S_SECONDARY, S_XCR0 } from './generated/layout';
import { bad, read64, read8 } from './memory';
import { edx_eax, set_edx_eax } from './msrs';
import { address_space, forget_all_parked, forget_parked, forget_parked_page } from './parking';
import { take_longer } from './position';
import { replay, REPLAY_PROCEED } from './replay';
import {
  canonical,
  cpl,
  cr4,
  CR4_FSGSBASE,
  CR4_OSXSAVE,
  CR4_PCE,
  CR4_PCIDE,
  CR4_SMAP,
  FLAG_AC,
  gpr,
  ia32e,
  long64,
  RCX,
  rflags,
  UD,
} from './state';
import { tlb_flush_all, tlb_flush_nonglobal, tlb_flush_page } from './tlb';

/** Exits when the control bit is set, unless the monitor has let the instruction proceed. */
function intercept(controls: usize, bit: u32, reason: u32, qualification: u64): i32 {
  if (!((load<u32>(ST + controls) >> bit) & 1)) return 0;
  if (controls == S_SECONDARY && !(load<u32>(ST, S_PRIMARY) >> 31)) return 0;
  return replay(REPLAY_PROCEED, 8, reason as u64) ? 0 : vm_exit(reason, qualification);
}

export function invlpg(linear: u64): i32 {
  if (cpl() != 0) return gp0();
  if (intercept(S_PRIMARY, 9, EXIT_INVLPG, linear)) return 1;
  if (!ia32e() || canonical(linear)) tlb_flush_page(linear);
  return 0;
}
export function invpcid(type: u64, linear: u64): i32 {
  if (cpl() != 0) return gp0();
  if (intercept(S_PRIMARY, 9, EXIT_INVPCID, type)) return 1;
  const pcid = read64(linear);
  if (bad) return 1;
  const address = read64(linear + 8);
  if (bad) return 1;
  if (type > 3) return gp0();
  if (type < 2) {
    if (pcid >> 12 != 0 || (pcid != 0 && !(cr4() & CR4_PCIDE))) return gp0();
    const inUse = (pcid as u32) == address_space();
    if (type == 0) {
      if (!canonical(address)) return gp0();
      if (inUse) tlb_flush_page(address);
      else forget_parked_page(pcid as u32, address);
    } else if (inUse) tlb_flush_nonglobal();
    else forget_parked(pcid as u32);
    return 0;
  }
  if (type == 2) tlb_flush_all();
  else {
    forget_all_parked();
    tlb_flush_nonglobal();
  }
  return 0;
}
export function rdpmc(): i32 {
  if (cpl() != 0 && !(cr4() & CR4_PCE)) return gp0();
  if (intercept(S_PRIMARY, 11, EXIT_RDPMC, 0)) return 1;
  return gp0(); // no counters
}
export function xgetbv(): i32 {
  if (!(cr4() & CR4_OSXSAVE)) return raise(UD, 0);
  if ((gpr(RCX) as u32) != 0) return gp0();
  set_edx_eax(load<u64>(ST, S_XCR0));
  return 0;
}
export function xsetbv(): i32 {
  if (!(cr4() & CR4_OSXSAVE)) return raise(UD, 0);
  if (cpl() != 0) return gp0();
  const value = edx_eax();
  const index = gpr(RCX) as u32;
  if (!replay(REPLAY_PROCEED, 8, EXIT_XSETBV as u64)) {
    vm_exit(EXIT_XSETBV, index as u64);
    store<u64>(ST, value, S_EXIT_VALUE);
    return 1;
  }
  if (index != 0 || !(value & 1) || value & ~(3 as u64)) return gp0();
  store<u64>(ST, value, S_XCR0);
  return 0;
}
/** HLT always exits: an idle processor is the monitor's business. */
export function hlt(): i32 {
  return cpl() != 0 ? gp0() : vm_exit(EXIT_HLT, 0);
}
export function pause(): i32 {
  return intercept(S_PRIMARY, 30, EXIT_PAUSE, 0) ? 1 : take_longer(PAUSE_TICKS - 1);
}
export function wbinvd(): i32 {
  return cpl() != 0 ? gp0() : intercept(S_SECONDARY, 6, EXIT_WBINVD, 0);
}
export function monitor(linear: u64): i32 {
  if (cpl() != 0) return raise(UD, 0);
  if ((gpr(RCX) as u32) != 0) return gp0();
  if (intercept(S_PRIMARY, 29, EXIT_MONITOR, 0)) return 1;
  read8(linear);
  return bad;
}
export function mwait(): i32 {
  if (cpl() != 0) return raise(UD, 0);
  if (gpr(RCX) & 0xffff_fffe) return gp0();
  return intercept(S_PRIMARY, 10, EXIT_MWAIT, 0);
}
export function vmcall(): i32 {
  return vm_exit(EXIT_VMCALL, 0);
}
export function rdrand(opBits: u32): i32 {
  return intercept(S_SECONDARY, 11, EXIT_RDRAND, 0) ? 1 : random(opBits);
}
export function rdseed(opBits: u32): i32 {
  return intercept(S_SECONDARY, 16, EXIT_RDSEED, 0) ? 1 : random(opBits);
}
/** xorshift64*; the same run gives the same numbers. */
function random(opBits: u32): i32 {
  let x = load<u64>(ST, S_RANDOM_STATE);
  if (x == 0) x = 0x9e37_79b9_7f4a_7c15;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  store<u64>(ST, x, S_RANDOM_STATE);
  const value = x * 0x2545_f491_4f6c_dd1d;
  store<u64>(ST, value >> ((64 - opBits) as u64), S_SCRATCH);
  store<u64>(ST, 0, S_SCRATCH + 8);
  return 0;
}
export function fsgsbase_check(): i32 {
  return long64() && cr4() & CR4_FSGSBASE ? 0 : raise(UD, 0);
}
export function canonical_check(linear: u64): i32 {
  return canonical(linear) ? 0 : gp0();
}
export function smap_check(ac: u32): i32 {
  if (cpl() != 0 || !(cr4() & CR4_SMAP)) return raise(UD, 0);
  write_system_flags(ac ? rflags() | FLAG_AC : rflags() & ~FLAG_AC);
  return 0;
}
