// INS and OUTS. Intel SDM Vol. 2 "INS/INSB/INSW/INSD", "OUTS/OUTSB/OUTSW/OUTSD"; Vol. 1 "Protected-Mode I/O".
import { bad, check_write, data_access, read_sized, write_sized } from './memory';
import { io_check, port_read, port_value, port_write } from './ports';
import { address_mask, chunk_end, set_index, step_of, string_linear, unwinds, used_monitor } from './strings';
import { ES, gpr, RCX, RDI, RDX, RSI } from './state';

export function string_ins(size: u32, addrBits: u32, rep: u32, segment: u32): i32 {
  const mask = address_mask(addrBits);
  let left: u64 = rep ? gpr(RCX) & mask : 1;
  const port = gpr(RDX) as u32 & 0xffff;
  if (io_check(port, size)) return 1;
  const access = data_access();
  const step = step_of(size);
  while (left) {
    const di = gpr(RDI) & mask;
    const to = string_linear(ES, di, size, 1);
    if (unwinds) return 1;
    if (check_write(to, size, access)) return 1;
    if (port_read(port, size, rep ? 0x30 : 0x10)) return 1;
    if (write_sized(to, size, port_value as u64, access)) return 1;
    set_index(RDI, di + step, addrBits);
    left--;
    if (rep) set_index(RCX, left, addrBits);
    if (used_monitor()) break;
  }
  return chunk_end(left);
}
export function string_outs(size: u32, addrBits: u32, rep: u32, segment: u32): i32 {
  const mask = address_mask(addrBits);
  let left: u64 = rep ? gpr(RCX) & mask : 1;
  const port = gpr(RDX) as u32 & 0xffff;
  if (io_check(port, size)) return 1;
  const access = data_access();
  const step = step_of(size);
  while (left) {
    const si = gpr(RSI) & mask;
    const from = string_linear(segment, si, size, 0);
    if (unwinds) return 1;
    const value = read_sized(from, size, access);
    if (bad) return 1;
    if (port_write(port, size, rep ? 0x30 : 0x10, value as u32)) return 1;
    set_index(RSI, si + step, addrBits);
    left--;
    if (rep) set_index(RCX, left, addrBits);
    if (used_monitor()) break;
  }
  return chunk_end(left);
}
