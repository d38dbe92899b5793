// IN and OUT: I/O permission and VM exits. Intel SDM Vol. 1 "I/O Permission Bit Map"; Vol. 3C "Exit Qualification for I/O
// Instructions". Every port belongs to the monitor: an access exits and is replayed with its data.
import { ST } from './env';
import { EXIT_IO, gp0, vm_exit } from './exceptions';
import { S_EXIT_DETAIL, S_EXIT_SIZE, S_EXIT_VALUE, S_SCRATCH } from './generated/layout';
import { bad, sys_read16 } from './memory';
import { replay, REPLAY_PORT_IN, REPLAY_PORT_OUT, replay_value } from './replay';
import { cpl, iopl, KEY_DEBUG, mode_key, protected_mode, seg_access, seg_base, seg_limit, TR, v86 } from './state';
import { watch_port } from './watch';

/** #GP(0) unless IOPL or the TSS's bitmap allows all `size` ports. */
export function io_check(port: u32, size: u32): i32 {
  if (!protected_mode() || (cpl() <= iopl() && !v86())) return 0;
  const type = seg_access(TR) & 0x1_000d;
  const limit = seg_limit(TR);
  if (type != 9 || limit < 103) return gp0();
  const base = seg_base(TR);
  const at = sys_read16(base + 102) + (port >> 3);
  if (bad) return 1;
  if (at + 1 > limit) return gp0();
  const bits = sys_read16(base + (at as u64));
  if (bad) return 1;
  return (bits >> (port & 7)) & ((1 << size) - 1) ? gp0() : 0;
}
/** Data of the last successful port_read(). */
export let port_value: u32 = 0;
/** One access; `how`: 0x10 string, 0x20 REP. */
export function port_read(port: u32, size: u32, how: u32): i32 {
  if (replay(REPLAY_PORT_IN, size, port as u64)) {
    const mask: u32 = size == 4 ? 0xffff_ffff : size == 2 ? 0xffff : 0xff;
    port_value = (replay_value as u32) & mask;
    if (mode_key() & KEY_DEBUG) watch_port(port, size);
    return 0;
  }
  return io_exit(port, size, how | 8, 0);
}
export function port_write(port: u32, size: u32, how: u32, value: u32): i32 {
  if (!replay(REPLAY_PORT_OUT, size, port as u64)) return io_exit(port, size, how, value);
  if (mode_key() & KEY_DEBUG) watch_port(port, size);
  return 0;
}
function io_exit(port: u32, size: u32, how: u32, value: u32): i32 {
  vm_exit(EXIT_IO, ((size - 1) | how | (port << 16)) as u64);
  store<u32>(ST, port, S_EXIT_DETAIL);
  store<u32>(ST, size, S_EXIT_SIZE);
  store<u64>(ST, value as u64, S_EXIT_VALUE);
  return 1;
}

export function port_in(port: u32, size: u32): i32 {
  port &= 0xffff;
  if (io_check(port, size)) return 1;
  if (port_read(port, size, 0)) return 1;
  store<u64>(ST, port_value as u64, S_SCRATCH);
  store<u64>(ST, 0, S_SCRATCH + 8);
  return 0;
}
export function port_out(port: u32, size: u32, value: u32): i32 {
  port &= 0xffff;
  if (io_check(port, size)) return 1;
  const mask: u32 = size == 4 ? 0xffff_ffff : size == 2 ? 0xffff : 0xff;
  return port_write(port, size, 0, value & mask);
}
