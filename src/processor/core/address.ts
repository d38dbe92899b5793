// Address records: segmentation where it is not a plain addition (16-bit addressing, segments that are not flat, address-size
// prefixes in 64-bit mode). Leaves the linear address in eaTmp. Intel SDM Vol. 1, "Specifying an Offset".
import { ST } from './env';
import {
  RECORD_BASE,
  RECORD_C,
  RECORD_DISP,
  RECORD_EXTRA,
  RECORD_IMM,
  RECORD_INDEX,
  RECORD_SCALE,
  S_EA_TMP,
  S_UNWIND,
  UNWIND_NONE,
} from './generated/layout';
import { segment_linear } from './segments';

/** Linear address of segment:offset after checks, into eaTmp. Status. */
export function segment_address(segment: i32, offset: u64, size: i32, write: i32): i32 {
  store<u32>(ST, UNWIND_NONE, S_UNWIND);
  const linear = segment_linear(segment, offset, size, write);
  if (load<u32>(ST, S_UNWIND) != UNWIND_NONE) return 1;
  store<u64>(ST, linear, S_EA_TMP);
  return 0;
}
/** extra: segment in bits 0-2, write in bit 3, address size in bits 4-5 (0: 16, 1: 32, 2: 64); c: bytes accessed. Status. */
export function address_record(u: usize): i32 {
  const extra = <u32>load<u8>(u, RECORD_EXTRA);
  const base = load<u64>(ST + <usize>load<u16>(u, RECORD_BASE));
  const index = load<u64>(ST + <usize>load<u16>(u, RECORD_INDEX)) << (<u64>load<u8>(u, RECORD_SCALE));
  let offset = base + index + <u64>(<i64>load<i32>(u, RECORD_DISP)) + load<u64>(u, RECORD_IMM);
  const size = (extra >> 4) & 3;
  if (size == 0) offset &= 0xffff;
  else if (size == 1) offset &= 0xffff_ffff;
  return segment_address(extra & 7, offset, load<u16>(u, RECORD_C), (extra >> 3) & 1);
}
