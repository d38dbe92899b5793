// x87 control: FINIT, FCLEX, FLDCW, FSTCW, FSTSW, FINCSTP, FDECSTP, EMMS, and the images of FSTENV, FLDENV, FSAVE and
// FRSTOR. Intel SDM Vol. 1, "Saving the x87 FPU's State with FSTENV/FNSTENV and FSAVE/FNSAVE"; Vol. 2.
import { ST } from './env';
import { S_FCS, S_FCW, S_FDP, S_FDS, S_FIP, S_FOP, S_FPR, S_FSW, S_FTAGS } from './generated/layout';
import { bad, check_write, data_access, read16, read32, read64, write_sized } from './memory';
import { long64, real_or_v86 } from './state';
import { C1, EXCEPTIONS, fcw, fsw, move_top, note, set_fsw, summarize } from './x87-state';

export function x87_init(): void {
  store<u32>(ST, 0x37f, S_FCW);
  store<u32>(ST, 0, S_FSW);
  store<u32>(ST, 0, S_FTAGS);
  store<u32>(ST, 0, S_FOP);
  store<u64>(ST, 0, S_FIP);
  store<u64>(ST, 0, S_FDP);
  store<u32>(ST, 0, S_FCS);
  store<u32>(ST, 0, S_FDS);
}
export function x87_clear_exceptions(): void {
  set_fsw(fsw() & 0x7f00);
}
/** Bit 6 always reads one; bits 7 and 15:13 are reserved. */
export function x87_load_control(value: u32): void {
  store<u32>(ST, (value & 0x1f3f) | 0x40, S_FCW);
  summarize();
}
export function x87_control_value(): i32 {
  return fcw();
}
export function x87_status_value(): i32 {
  return fsw();
}
/** FINCSTP (1), FDECSTP (7). */
export function x87_step(delta: u32): void {
  note();
  set_fsw(fsw() & ~C1);
  move_top(delta);
}
/** What any MMX instruction does to the x87: TOP 0, all registers valid. */
export function mmx_enter(): void {
  set_fsw(fsw() & ~(0x3800 as u32));
  store<u32>(ST, 0xff, S_FTAGS);
}
/** EMMS: all registers empty. */
export function mmx_empty(): void {
  store<u32>(ST, 0, S_FTAGS);
}

/** Two bits per physical register: 0 valid, 1 zero, 2 special, 3 empty. */
export function full_tag_word(): u32 {
  const tags = load<u32>(ST, S_FTAGS);
  let word: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) {
    let tag: u32 = 3;
    if ((tags >> i) & 1) {
      const r = ST + S_FPR + (i << 4);
      const exponent: u32 = load<u16>(r, 8) & 0x7fff;
      const significand = load<u64>(r);
      if (exponent == 0 && significand == 0) tag = 1;
      else tag = exponent == 0 || exponent == 0x7fff || !(significand >> 63) ? 2 : 0;
    }
    word |= tag << (i << 1);
  }
  return word;
}
export function set_full_tag_word(word: u32): void {
  let tags: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) if (((word >> (i << 1)) & 3) != 3) tags |= (1 as u32) << i;
  store<u32>(ST, tags, S_FTAGS);
}

function at(linear: u64, offset: u32): u64 {
  const address = linear + (offset as u64);
  return long64() ? address : address & 0xffff_ffff;
}
/** 1 when a store of the image has to wait for the monitor (MMIO). */
let waiting: i32 = 0;
function put(linear: u64, offset: u32, size: u32, value: u64): void {
  if (!waiting) waiting = write_sized(at(linear, offset), size, value, data_access());
}
export function environment_bytes(opBits: u32): u32 {
  return opBits == 16 ? 14 : 28;
}
/** Writes an image whose bytes have been checked to be writable. */
function write_environment(linear: u64, opBits: u32): void {
  waiting = 0;
  const fip = load<u64>(ST, S_FIP);
  const fdp = load<u64>(ST, S_FDP);
  const fop = load<u32>(ST, S_FOP) & 0x7ff;
  const real = real_or_v86();
  if (opBits == 16) {
    put(linear, 0, 2, fcw() as u64);
    put(linear, 2, 2, fsw() as u64);
    put(linear, 4, 2, full_tag_word() as u64);
    put(linear, 6, 2, fip & 0xffff);
    put(linear, 8, 2, real ? ((fip >> 4) & 0xf000) | (fop as u64) : ((load<u32>(ST, S_FCS) & 0xffff) as u64));
    put(linear, 10, 2, fdp & 0xffff);
    put(linear, 12, 2, real ? (fdp >> 4) & 0xf000 : ((load<u32>(ST, S_FDS) & 0xffff) as u64));
    return;
  }
  put(linear, 0, 4, (fcw() | 0xffff_0000) as u64);
  put(linear, 4, 4, (fsw() | 0xffff_0000) as u64);
  put(linear, 8, 4, (full_tag_word() | 0xffff_0000) as u64);
  if (real) {
    put(linear, 12, 4, (fip & 0xffff) | 0xffff_0000);
    put(linear, 16, 4, (((fip >> 4) & 0x0fff_f000) | (fop as u64)) & 0xffff_ffff);
    put(linear, 20, 4, (fdp & 0xffff) | 0xffff_0000);
    put(linear, 24, 4, (fdp >> 4) & 0x0fff_f000);
  } else {
    put(linear, 12, 4, fip & 0xffff_ffff);
    put(linear, 16, 4, ((load<u32>(ST, S_FCS) & 0xffff) | (fop << 16)) as u64);
    put(linear, 20, 4, fdp & 0xffff_ffff);
    put(linear, 24, 4, (load<u32>(ST, S_FDS) | 0xffff_0000) as u64);
  }
}
/** FNSTENV: also masks all exceptions. */
export function x87_store_environment(linear: u64, opBits: u32): i32 {
  if (check_write(linear, environment_bytes(opBits), data_access())) return 1;
  write_environment(linear, opBits);
  if (waiting) return 1;
  store<u32>(ST, fcw() | EXCEPTIONS, S_FCW);
  summarize();
  return 0;
}
/** FLDENV; `bytes` more must be readable behind it (FRSTOR): nothing changes unless all reads succeed. */
function read_environment(linear: u64, opBits: u32): i32 {
  const short = opBits == 16;
  const step: u32 = short ? 2 : 4;
  const control = read16(linear);
  if (bad) return 1;
  const status = read16(at(linear, step));
  if (bad) return 1;
  const tags = read16(at(linear, step * 2));
  if (bad) return 1;
  const p0 = short ? read16(at(linear, 6)) : read32(at(linear, 12));
  if (bad) return 1;
  const p1 = short ? read16(at(linear, 8)) : read32(at(linear, 16));
  if (bad) return 1;
  const p2 = short ? read16(at(linear, 10)) : read32(at(linear, 20));
  if (bad) return 1;
  const p3 = short ? read16(at(linear, 12)) : read32(at(linear, 24));
  if (bad) return 1;
  store<u32>(ST, (control & 0x1f3f) | 0x40, S_FCW);
  set_fsw(status);
  set_full_tag_word(tags);
  if (real_or_v86()) {
    const high: u32 = short ? 0xf000 : 0x0fff_f000;
    store<u64>(ST, ((p0 & 0xffff) | ((p1 & high) << 4)) as u64, S_FIP);
    store<u64>(ST, ((p2 & 0xffff) | ((p3 & high) << 4)) as u64, S_FDP);
    store<u32>(ST, 0, S_FCS);
    store<u32>(ST, 0, S_FDS);
    store<u32>(ST, p1 & 0x7ff, S_FOP);
  } else {
    store<u64>(ST, p0 as u64, S_FIP);
    store<u64>(ST, p2 as u64, S_FDP);
    store<u32>(ST, p1 & 0xffff, S_FCS);
    store<u32>(ST, p3 & 0xffff, S_FDS);
    store<u32>(ST, short ? 0 : (p1 >> 16) & 0x7ff, S_FOP);
  }
  summarize();
  return 0;
}
export function x87_load_environment(linear: u64, opBits: u32): i32 {
  return read_environment(linear, opBits);
}
export function x87_save(linear: u64, opBits: u32): i32 {
  const start = environment_bytes(opBits);
  if (check_write(linear, start + 80, data_access())) return 1;
  write_environment(linear, opBits);
  const top = fsw() >> 11;
  for (let i: u32 = 0; i < 8; i++) {
    const r = ST + S_FPR + (((top + i) & 7) << 4);
    put(linear, start + i * 10, 8, load<u64>(r));
    put(linear, start + i * 10 + 8, 2, load<u16>(r, 8) as u64);
  }
  if (waiting) return 1;
  x87_init();
  return 0;
}
/** Copies of what FRSTOR replaces, and of the registers it has read. */
const ENVIRONMENT_BYTES: usize = S_FDS + 4 - S_FCW;
const kept: usize = memory.data(64);
const loaded: usize = memory.data(128);
export function x87_restore(linear: u64, opBits: u32): i32 {
  const start = environment_bytes(opBits);
  memory.copy(kept, ST + S_FCW, ENVIRONMENT_BYTES);
  if (read_environment(linear, opBits)) return 1;
  for (let i: u32 = 0; i < 8; i++) {
    const r = loaded + (i << 4);
    store<u64>(r, read64(at(linear, start + i * 10)));
    if (!bad) store<u16>(r, read16(at(linear, start + i * 10 + 8)), 8);
    if (bad) {
      memory.copy(ST + S_FCW, kept, ENVIRONMENT_BYTES);
      return 1;
    }
  }
  const top = fsw() >> 11;
  for (let i: u32 = 0; i < 8; i++) {
    const r = ST + S_FPR + (((top + i) & 7) << 4);
    store<u64>(r, load<u64>(loaded + (i << 4)));
    store<u16>(r, load<u16>(loaded + (i << 4), 8), 8);
  }
  return 0;
}
