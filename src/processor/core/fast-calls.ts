// SYSCALL, SYSRET, SYSENTER, SYSEXIT, SWAPGS. Intel SDM Vol. 2 under these names; Vol. 3A "Fast System Calls in 64-Bit
// Mode", "Performing Fast Calls to System Procedures with the SYSENTER and SYSEXIT Instructions".
import { ST } from './env';
import { gp0, raise } from './exceptions';
import { rflags_full, write_rflags, write_system_flags } from './flags';
import { commit_code } from './frames';
import {
  S_FMASK,
  S_KERNEL_GS_BASE,
  S_LSTAR,
  S_STAR,
  S_SYSENTER_CS,
  S_SYSENTER_EIP,
  S_SYSENTER_ESP,
  SEGMENT_BASE,
} from './generated/layout';
import { update_mode } from './mode';
import { go_to, next_rip } from './position';
import {
  canonical,
  cpl,
  efer,
  EFER_SCE,
  FLAG_IF,
  FLAG_RF,
  FLAG_VM,
  gpr,
  GS,
  ia32e,
  long64,
  protected_mode,
  R11,
  RCX,
  RDX,
  rflags,
  RSP,
  seg,
  set_gpr,
  set_seg,
  SS,
  UD,
} from './state';

const CODE64: u32 = 0xa09b;
const CODE32: u32 = 0xc09b;
const DATA32: u32 = 0xc093;
/** Flat code and stack segments with these selectors at `level`. */
function load_flat(code: u32, stack: u32, level: u32, codeAccess: u32): void {
  const dpl = level << 5;
  commit_code(code, level, 0, 0xffff_ffff, codeAccess | dpl);
  set_seg(SS, (stack & 0xfffc) | level, 0, 0xffff_ffff, DATA32 | dpl);
  update_mode();
}

export function syscall(): i32 {
  if (!long64() || !(efer() & EFER_SCE)) return raise(UD, 0);
  const flags = rflags_full() & ~FLAG_RF;
  set_gpr(RCX, next_rip());
  set_gpr(R11, flags);
  write_rflags(flags & ~load<u64>(ST, S_FMASK));
  const selector = (load<u64>(ST, S_STAR) >> 32) as u32;
  load_flat(selector & 0xfffc, (selector + 8) & 0xffff, 0, CODE64);
  return go_to(load<u64>(ST, S_LSTAR));
}
export function sysret(opBits: u32): i32 {
  if (!long64() || !(efer() & EFER_SCE)) return raise(UD, 0);
  if (cpl() != 0) return gp0();
  const wide = opBits == 64;
  const rip = wide ? gpr(RCX) : gpr(RCX) & 0xffff_ffff;
  if (!canonical(rip)) return gp0();
  const selector = (load<u64>(ST, S_STAR) >> 48) as u32;
  write_rflags((gpr(R11) & 0x3c_7fd7) | 2);
  load_flat((wide ? selector + 16 : selector) & 0xffff, (selector + 8) & 0xffff, 3, wide ? CODE64 : CODE32);
  return go_to(rip);
}
export function sysenter(): i32 {
  const selector = load<u64>(ST, S_SYSENTER_CS) as u32 & 0xfffc;
  if (!protected_mode() || !selector) return gp0();
  write_system_flags(rflags() & ~(FLAG_VM | FLAG_IF));
  const wide = ia32e();
  const mask: u64 = wide ? ~(0 as u64) : 0xffff_ffff;
  set_gpr(RSP, load<u64>(ST, S_SYSENTER_ESP) & mask);
  load_flat(selector, (selector + 8) & 0xffff, 0, wide ? CODE64 : CODE32);
  return go_to(load<u64>(ST, S_SYSENTER_EIP) & mask);
}
export function sysexit(opBits: u32): i32 {
  const selector = load<u64>(ST, S_SYSENTER_CS) as u32 & 0xfffc;
  if (!protected_mode() || cpl() != 0 || !selector) return gp0();
  const wide = opBits == 64;
  const mask: u64 = wide ? ~(0 as u64) : 0xffff_ffff;
  const rip = gpr(RDX) & mask;
  const sp = gpr(RCX) & mask;
  if (wide && (!canonical(rip) || !canonical(sp))) return gp0();
  set_gpr(RSP, sp);
  load_flat((selector + (wide ? 32 : 16)) & 0xffff, (selector + (wide ? 40 : 24)) & 0xffff, 3, wide ? CODE64 : CODE32);
  return go_to(rip);
}
export function swapgs(): i32 {
  if (cpl() != 0) return gp0();
  const gs = seg(GS);
  const base = load<u64>(gs, SEGMENT_BASE);
  store<u64>(gs, load<u64>(ST, S_KERNEL_GS_BASE), SEGMENT_BASE);
  store<u64>(ST, base, S_KERNEL_GS_BASE);
  return 0;
}
