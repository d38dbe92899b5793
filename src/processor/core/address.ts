// Address records: segmentation where it is not a plain addition (16-bit addressing, segments that are not flat, address-size
// prefixes in 64-bit mode). Leaves the linear address in eaTmp. Intel SDM Vol. 1, "Specifying an Offset".
import { ST } from './env';
import {
  RECORD_A,
  RECORD_BASE,
  RECORD_C,
  RECORD_DISP,
  RECORD_EXTRA,
  RECORD_IMM,
  RECORD_INDEX,
  RECORD_SCALE,
  S_EA_OFFSET,
  S_EA_TMP,
  S_SEGMENT_TMP,
  S_SEGMENTS,
  S_UNWIND,
  SEGMENT_BASE,
  SEGMENT_SIZE_BYTES,
  UNWIND_NONE,
} from './generated/layout';
import { fpu_check, fpu_check_nowait, mmx_check, sse_check } from './fpu-state';
import { segment_linear } from './segments';
import { long64 } from './state';
import { protected_check } from './tables';

/** Linear address of segment:offset after checks, into segmentTmp. Status. */
export function segment_address(segment: i32, offset: u64, size: i32, write: i32): i32 {
  store<u32>(ST, UNWIND_NONE, S_UNWIND);
  if (size == 0) {
    // never accessed (INVLPG): no checks
    const base = long64() && segment < 4 ? 0 : segment_base(segment);
    store<u64>(ST, long64() ? base + offset : (base + offset) & 0xffff_ffff, S_SEGMENT_TMP);
    return 0;
  }
  const linear = segment_linear(segment, offset, size, write);
  if (load<u32>(ST, S_UNWIND) != UNWIND_NONE) return 1;
  store<u64>(ST, linear, S_SEGMENT_TMP);
  return 0;
}
/** A segment fault is pending: #UD, #NM or #MF of the instruction (PRECHECK in ../records.ts) comes before it. */
function instead(check: u32): void {
  if (check == 1) fpu_check();
  else if (check == 2) fpu_check_nowait();
  else if (check == 3) mmx_check();
  else if (check == 4) sse_check();
  else if (check == 5) protected_check();
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
  if (segment_address(extra & 7, offset, load<u16>(u, RECORD_C), (extra >> 3) & 1)) {
    instead(load<u16>(u, RECORD_A));
    return 1;
  }
  store<u64>(ST, offset, S_EA_OFFSET);
  store<u64>(ST, load<u64>(ST, S_SEGMENT_TMP), S_EA_TMP);
  return 0;
}

/** Base of segment register n. */
export function segment_base(segment: i32): u64 {
  return load<u64>(ST + S_SEGMENTS + <usize>segment * SEGMENT_SIZE_BYTES, SEGMENT_BASE);
}
/** WRFSBASE, WRGSBASE. Status. */
export function set_segment_base(segment: i32, base: u64): i32 {
  store<u64>(ST + S_SEGMENTS + <usize>segment * SEGMENT_SIZE_BYTES, base, SEGMENT_BASE);
  return 0;
}
