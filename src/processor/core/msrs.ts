// Model-specific registers that the processor keeps itself; all others exit. Intel SDM Vol. 4; Vol. 2 "RDMSR", "WRMSR";
// Vol. 3C "MSR-Bitmap Address".
import { ST } from './env';
import { EXIT_RDMSR, EXIT_WRMSR, gp0, vm_exit } from './exceptions';
import {
  S_CSTAR,
  S_EFER,
  S_EXIT_DETAIL,
  S_EXIT_VALUE,
  S_FMASK,
  S_KERNEL_GS_BASE,
  S_LSTAR,
  S_MSR_BITMAP,
  S_PAT,
  S_PRIMARY,
  S_STAR,
  S_SYSENTER_CS,
  S_SYSENTER_EIP,
  S_SYSENTER_ESP,
  S_TSC_AUX,
  SEGMENT_BASE,
} from './generated/layout';
import { update_mode } from './mode';
import { replay, REPLAY_RDMSR, REPLAY_WRMSR, replay_value } from './replay';
import {
  canonical,
  CR0_PG,
  cr0,
  cpl,
  efer,
  EFER_LMA,
  EFER_LME,
  EFER_NXE,
  EFER_SCE,
  FS,
  gpr,
  GS,
  RAX,
  RCX,
  RDX,
  seg,
  set_gpr,
} from './state';
import { time_stamp } from './time';
import { tlb_flush_all } from './tlb';

const IA32_TIME_STAMP_COUNTER: u32 = 0x10;

/** Address of the state field behind an MSR, or 0. */
function kept(index: u32): usize {
  switch (index) {
    case 0x174:
      return ST + S_SYSENTER_CS;
    case 0x175:
      return ST + S_SYSENTER_ESP;
    case 0x176:
      return ST + S_SYSENTER_EIP;
    case 0x277:
      return ST + S_PAT;
    case 0xc000_0080:
      return ST + S_EFER;
    case 0xc000_0081:
      return ST + S_STAR;
    case 0xc000_0082:
      return ST + S_LSTAR;
    case 0xc000_0083:
      return ST + S_CSTAR;
    case 0xc000_0084:
      return ST + S_FMASK;
    case 0xc000_0100:
      return seg(FS) + SEGMENT_BASE;
    case 0xc000_0101:
      return seg(GS) + SEGMENT_BASE;
    case 0xc000_0102:
      return ST + S_KERNEL_GS_BASE;
    case 0xc000_0103:
      return ST + S_TSC_AUX;
  }
  return 0;
}
function exits(index: u32, write: u32): bool {
  if (!(load<u32>(ST, S_PRIMARY) & 0x1000_0000)) return true;
  let bit: u32;
  if (index < 0x2000) bit = index;
  else if (index - 0xc000_0000 < 0x2000) bit = index - 0xc000_0000 + 0x2000;
  else return true;
  if (write) bit += 0x4000;
  return ((load<u8>((load<u32>(ST, S_MSR_BITMAP) + (bit >> 3)) as usize) >> ((bit & 7) as u8)) & 1) != 0;
}
function msr_exit(reason: u32, index: u32, value: u64): i32 {
  vm_exit(reason, 0);
  store<u32>(ST, index, S_EXIT_DETAIL);
  store<u64>(ST, value, S_EXIT_VALUE);
  return 1;
}
/** EDX:EAX, as RDMSR and RDTSC write it. */
export function set_edx_eax(value: u64): void {
  set_gpr(RAX, value & 0xffff_ffff);
  set_gpr(RDX, value >> 32);
}
export function edx_eax(): u64 {
  return (gpr(RAX) & 0xffff_ffff) | (gpr(RDX) << 32);
}

export function rdmsr(): i32 {
  if (cpl() != 0) return gp0();
  const index = gpr(RCX) as u32;
  const field = kept(index);
  if ((field == 0 && index != IA32_TIME_STAMP_COUNTER) || exits(index, 0)) {
    if (!replay(REPLAY_RDMSR, 8, index as u64)) return msr_exit(EXIT_RDMSR, index, 0);
    set_edx_eax(replay_value);
    return 0;
  }
  set_edx_eax(field ? load<u64>(field) : time_stamp());
  return 0;
}
function write_efer(value: u64): i32 {
  if (value & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)) return gp0();
  const old = efer();
  if ((old ^ value) & EFER_LME && cr0() & CR0_PG) return gp0();
  store<u64>(ST, (value & ~EFER_LMA) | (old & EFER_LMA), S_EFER);
  if ((old ^ value) & EFER_NXE) tlb_flush_all();
  update_mode();
  return 0;
}
function valid_pat(value: u64): bool {
  for (let i: u64 = 0; i < 64; i += 8) {
    const type = (value >> i) & 0xff;
    if (type > 7 || type == 2 || type == 3) return false;
  }
  return true;
}
export function wrmsr(): i32 {
  if (cpl() != 0) return gp0();
  const index = gpr(RCX) as u32;
  const value = edx_eax();
  const field = kept(index);
  if (field == 0 || exits(index, 1)) {
    if (!replay(REPLAY_WRMSR, 8, index as u64)) return msr_exit(EXIT_WRMSR, index, value);
    if (field == 0) return 0;
  }
  switch (index) {
    case 0xc000_0080:
      return write_efer(value);
    case 0x277:
      if (!valid_pat(value)) return gp0();
      break;
    case 0x174:
    case 0xc000_0081:
      break;
    case 0xc000_0084:
    case 0xc000_0103:
      if (value >> 32 != 0) return gp0();
      break;
    default: // addresses
      if (!canonical(value)) return gp0();
  }
  store<u64>(field, value);
  return 0;
}
