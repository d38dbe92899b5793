// x87, MMX and SSE availability checks, and their state in memory. Intel SDM Vol. 2 "FXSAVE", "FXRSTOR", "XSAVE",
// "XRSTOR", "LDMXCSR"; Vol. 1 "Managing State Using the XSAVE Feature Set"; Vol. 3A "System Programming for Intel MMX".
import { ST } from './env';
import { gp0, raise } from './exceptions';
import {
  S_FCS,
  S_FCW,
  S_FDP,
  S_FDS,
  S_FIP,
  S_FOP,
  S_FPR,
  S_FSW,
  S_FTAGS,
  S_MXCSR,
  S_XCR0,
  S_XMM,
} from './generated/layout';
import { bad, check_write, data_access, read_access, read_sized, write_sized } from './memory';
import {
  CR0_EM,
  CR0_MP,
  CR0_NE,
  CR0_TS,
  cr0,
  CR4_OSFXSR,
  CR4_OSXSAVE,
  cr4,
  gpr,
  long64,
  MF,
  NM,
  RAX,
  RDX,
  UD,
} from './state';

const MXCSR_MASK: u32 = 0xffff;

/** #MF when an unmasked x87 exception is pending. With CR0.NE clear a PC reports it by IRQ 13, which no board here wires. */
function pending(): i32 {
  return load<u32>(ST, S_FSW) & 0x80 && cr0() & CR0_NE ? raise(MF, 0) : 0;
}
export function fpu_check(): i32 {
  return cr0() & (CR0_EM | CR0_TS) ? raise(NM, 0) : pending();
}
export function fpu_check_nowait(): i32 {
  return cr0() & (CR0_EM | CR0_TS) ? raise(NM, 0) : 0;
}
export function wait_check(): i32 {
  return (cr0() & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS) ? raise(NM, 0) : pending();
}
export function mmx_check(): i32 {
  const c0 = cr0();
  if (c0 & CR0_EM) return raise(UD, 0);
  if (c0 & CR0_TS) return raise(NM, 0);
  return pending();
}
export function sse_check(): i32 {
  const c0 = cr0();
  if (c0 & CR0_EM || !(cr4() & CR4_OSFXSR)) return raise(UD, 0);
  return c0 & CR0_TS ? raise(NM, 0) : 0;
}
export function ldmxcsr(value: u32): i32 {
  if (value & ~MXCSR_MASK) return gp0();
  store<u32>(ST, value, S_MXCSR);
  return 0;
}

/** Host address of ST(i). */
function st_register(i: u32): usize {
  const top = (load<u32>(ST, S_FSW) >> 11) & 7;
  return ST + S_FPR + (((top + i) & 7) << 4);
}
function xmm_count(): u32 {
  return long64() ? 16 : 8;
}
/** Everything was checked for writing before: only MMIO can still unwind. */
function put(linear: u64, value: u64): i32 {
  return write_sized(linear, 8, value, data_access());
}
function save_environment(linear: u64, wide: bool): i32 {
  const first =
    (load<u32>(ST, S_FCW) as u64 & 0xffff) |
    ((load<u32>(ST, S_FSW) as u64 & 0xffff) << 16) |
    ((load<u32>(ST, S_FTAGS) as u64 & 0xff) << 32) |
    ((load<u32>(ST, S_FOP) as u64 & 0x7ff) << 48);
  if (put(linear, first)) return 1;
  let ip = load<u64>(ST, S_FIP);
  let dp = load<u64>(ST, S_FDP);
  if (!wide) {
    ip = (ip & 0xffff_ffff) | ((load<u32>(ST, S_FCS) as u64 & 0xffff) << 32);
    dp = (dp & 0xffff_ffff) | ((load<u32>(ST, S_FDS) as u64 & 0xffff) << 32);
  }
  if (put(linear + 8, ip)) return 1;
  return put(linear + 16, dp);
}
function save_st(linear: u64): i32 {
  for (let i: u32 = 0; i < 8; i++) {
    const r = st_register(i);
    const at = linear + ((32 + i * 16) as u64);
    if (put(at, load<u64>(r))) return 1;
    if (put(at + 8, load<u16>(r, 8) as u64)) return 1;
  }
  return 0;
}
function save_xmm(linear: u64): i32 {
  const n = xmm_count() * 2;
  for (let i: u32 = 0; i < n; i++) if (put(linear + ((160 + i * 8) as u64), load<u64>(ST + (i << 3), S_XMM))) return 1;
  return 0;
}
function save_mxcsr(linear: u64): i32 {
  return put(linear + 24, (load<u32>(ST, S_MXCSR) as u64) | ((MXCSR_MASK as u64) << 32));
}
export function fxsave(linear: u64, opBits: u32): i32 {
  if (cr0() & (CR0_EM | CR0_TS)) return raise(NM, 0);
  if (linear & 15) return gp0();
  if (check_write(linear, 512, data_access())) return 1;
  if (save_environment(linear, opBits == 64)) return 1;
  if (save_mxcsr(linear)) return 1;
  if (save_st(linear)) return 1;
  return save_xmm(linear);
}

/** Reads a word of the area; status in `bad`. */
function get(linear: u64): u64 {
  return read_sized(linear, 8, data_access());
}
/** Makes sure the area is readable, so that a restore changes nothing when it faults. */
function check_read(linear: u64, bytes: u32): i32 {
  const access = data_access();
  if (read_access(linear, 1, access) == 0) return 1;
  return read_access(linear + ((bytes - 1) as u64), 1, access) == 0 ? 1 : 0;
}
/** FSW with ES and B as FCW's masks say. */
function status_word(word: u32, control: u32): u32 {
  word &= 0x7f7f;
  return word & ~control & 0x3f ? word | 0x8080 : word;
}
function restore_x87(linear: u64, wide: bool): i32 {
  const first = get(linear);
  if (bad) return 1;
  const ip = get(linear + 8);
  if (bad) return 1;
  const dp = get(linear + 16);
  if (bad) return 1;
  const control = (first as u32 & 0x1f7f) | 0x40;
  store<u32>(ST, control, S_FCW);
  store<u32>(ST, status_word((first >> 16) as u32 & 0xffff, control), S_FSW);
  store<u32>(ST, (first >> 32) as u32 & 0xff, S_FTAGS);
  store<u32>(ST, (first >> 48) as u32 & 0x7ff, S_FOP);
  store<u64>(ST, wide ? ip : ip & 0xffff_ffff, S_FIP);
  store<u64>(ST, wide ? dp : dp & 0xffff_ffff, S_FDP);
  store<u32>(ST, wide ? 0 : ((ip >> 32) as u32 & 0xffff), S_FCS);
  store<u32>(ST, wide ? 0 : ((dp >> 32) as u32 & 0xffff), S_FDS);
  for (let i: u32 = 0; i < 8; i++) {
    const r = st_register(i);
    const at = linear + ((32 + i * 16) as u64);
    store<u64>(r, get(at));
    if (bad) return 1;
    store<u16>(r, get(at + 8) as u16, 8);
    if (bad) return 1;
  }
  return 0;
}
function restore_xmm(linear: u64): i32 {
  const n = xmm_count() * 2;
  for (let i: u32 = 0; i < n; i++) {
    store<u64>(ST + (i << 3), get(linear + ((160 + i * 8) as u64)), S_XMM);
    if (bad) return 1;
  }
  return 0;
}
export function fxrstor(linear: u64, opBits: u32): i32 {
  if (cr0() & (CR0_EM | CR0_TS)) return raise(NM, 0);
  if (linear & 15) return gp0();
  if (check_read(linear, 512)) return 1;
  const mxcsr = get(linear + 24) as u32;
  if (bad) return 1;
  if (mxcsr & ~MXCSR_MASK) return gp0();
  if (restore_x87(linear, opBits == 64)) return 1;
  store<u32>(ST, mxcsr, S_MXCSR);
  return restore_xmm(linear);
}

const X87: u64 = 1;
const SSE: u64 = 2;
/** Checks common to XSAVE and XRSTOR; the area's first 576 bytes. */
function xsave_check(linear: u64): i32 {
  if (!(cr4() & CR4_OSXSAVE)) return raise(UD, 0);
  if (cr0() & CR0_TS) return raise(NM, 0);
  return linear & 63 ? gp0() : 0;
}
/** Requested components: EDX:EAX and XCR0. */
function requested(): u64 {
  return ((gpr(RAX) & 0xffff_ffff) | (gpr(RDX) << 32)) & load<u64>(ST, S_XCR0);
}
export function xsave(linear: u64, opBits: u32): i32 {
  if (xsave_check(linear)) return 1;
  if (check_write(linear, 576, data_access())) return 1;
  const wanted = requested();
  const old = get(linear + 512);
  if (bad) return 1;
  if (wanted & X87) {
    if (save_environment(linear, opBits == 64)) return 1;
    if (save_st(linear)) return 1;
  }
  if (wanted & SSE) {
    if (save_mxcsr(linear)) return 1;
    if (save_xmm(linear)) return 1;
  }
  return put(linear + 512, (old & ~wanted) | wanted);
}
export function xrstor(linear: u64, opBits: u32): i32 {
  if (xsave_check(linear)) return 1;
  if (check_read(linear, 576)) return 1;
  const wanted = requested();
  const present = get(linear + 512);
  if (bad) return 1;
  const compaction = get(linear + 520);
  if (bad) return 1;
  const reserved = get(linear + 528);
  if (bad) return 1;
  if (present & ~load<u64>(ST, S_XCR0) || compaction != 0 || reserved != 0) return gp0();
  if (wanted & SSE) {
    // MXCSR is loaded whenever SSE is requested, even when its component is in the initial state.
    const mxcsr = get(linear + 24) as u32;
    if (bad) return 1;
    if (mxcsr & ~MXCSR_MASK) return gp0();
    store<u32>(ST, mxcsr, S_MXCSR);
    if (present & SSE) {
      if (restore_xmm(linear)) return 1;
    } else memory.fill(ST + S_XMM, 0, xmm_count() * 16);
  }
  if (wanted & X87) {
    if (present & X87) return restore_x87(linear, opBits == 64);
    store<u32>(ST, 0x37f, S_FCW);
    store<u32>(ST, 0, S_FSW);
    store<u32>(ST, 0, S_FTAGS);
    store<u32>(ST, 0, S_FOP);
    store<u64>(ST, 0, S_FIP);
    store<u64>(ST, 0, S_FDP);
    store<u32>(ST, 0, S_FCS);
    store<u32>(ST, 0, S_FDS);
    memory.fill(ST + S_FPR, 0, 128);
  }
  return 0;
}
