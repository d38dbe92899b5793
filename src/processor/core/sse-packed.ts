// Packed-integer algorithms of SSE4.1 and SSE4.2 that are loops rather than expressions. Intel SDM Vol. 2, PHMINPOSUW,
// MPSADBW; Vol. 1, "String Processing" of SSE4.2 and Vol. 2, "Imm8 Control Byte Operation" of PCMPxSTRx.
import { ST } from './env';
import { S_SCRATCH } from './generated/layout';

/** Smallest unsigned word in bits 15:0, its position in bits 18:16. */
export function sse_phminposuw(src: usize): i64 {
  let best: u32 = load<u16>(src);
  let at: u32 = 0;
  for (let i: u32 = 1; i < 8; i++) {
    const word: u32 = load<u16>(src + (i << 1));
    if (word < best) {
      best = word;
      at = i;
    }
  }
  return ((at << 16) | best) as i64;
}

/** Eight sums of |four bytes of dst from j - four bytes of src|; immediate: bits 1:0 source, bit 2 destination offset. */
export function sse_mpsadbw(dst: usize, src: usize, imm: u32): void {
  const a = dst + (imm & 4);
  const b = src + ((imm & 3) << 2);
  const b0: i32 = load<u8>(b);
  const b1: i32 = load<u8>(b, 1);
  const b2: i32 = load<u8>(b, 2);
  const b3: i32 = load<u8>(b, 3);
  let low: u64 = 0;
  let high: u64 = 0;
  for (let j: u32 = 0; j < 8; j++) {
    const p = a + j;
    const sum =
      abs<i32>((load<u8>(p) as i32) - b0) +
      abs<i32>((load<u8>(p, 1) as i32) - b1) +
      abs<i32>((load<u8>(p, 2) as i32) - b2) +
      abs<i32>((load<u8>(p, 3) as i32) - b3);
    if (j < 4) low |= (sum as u64) << (j << 4);
    else high |= (sum as u64) << ((j - 4) << 4);
  }
  store<u64>(dst, low);
  store<u64>(dst, high, 8);
}

// --- PCMPxSTRx --------------------------------------------------------------------------------------------------

/** Element i by the format in imm bits 1:0: unsigned or signed, byte or word. */
function element(p: usize, i: u32, format: u32): i32 {
  switch (format) {
    case 0:
      return load<u8>(p + i);
    case 1:
      return load<u16>(p + (i << 1));
    case 2:
      return load<i8>(p + i);
    default:
      return load<i16>(p + (i << 1));
  }
}
function explicit_length(length: i64, count: u32): u32 {
  const size = length < 0 ? ((0 - length) as u64) : (length as u64);
  return size > (count as u64) ? count : (size as u32);
}
function implicit_length(p: usize, count: u32, format: u32): u32 {
  for (let i: u32 = 0; i < count; i++) if (element(p, i, format & 1) == 0) return i;
  return count;
}

/** Explicit lengths (RAX of a, RDX of b). Result: index 4:0, CF 8, ZF 9, SF 10, OF 11; mask in scratch 0. */
export function sse_pcmpestr(a: usize, b: usize, imm: u32, lengthA: i64, lengthB: i64): i32 {
  const count: u32 = imm & 1 ? 8 : 16;
  return compare_strings(a, b, imm, explicit_length(lengthA, count), explicit_length(lengthB, count));
}
/** Lengths up to the first zero element. */
export function sse_pcmpistr(a: usize, b: usize, imm: u32): i32 {
  const count: u32 = imm & 1 ? 8 : 16;
  return compare_strings(a, b, imm, implicit_length(a, count, imm), implicit_length(b, count, imm));
}

function compare_strings(a: usize, b: usize, imm: u32, la: u32, lb: u32): i32 {
  const format = imm & 3;
  const count: u32 = imm & 1 ? 8 : 16;
  const all: u32 = ((1 as u32) << count) - 1;
  let result: u32 = 0;
  switch ((imm >> 2) & 3) {
    case 0: // equal any: b[j] is one of a
      for (let j: u32 = 0; j < lb; j++) {
        const x = element(b, j, format);
        for (let i: u32 = 0; i < la; i++) {
          if (element(a, i, format) == x) {
            result |= (1 as u32) << j;
            break;
          }
        }
      }
      break;
    case 1: // ranges: a holds pairs of limits
      for (let j: u32 = 0; j < lb; j++) {
        const x = element(b, j, format);
        for (let i: u32 = 0; i + 1 < la; i += 2) {
          if (element(a, i, format) <= x && x <= element(a, i + 1, format)) {
            result |= (1 as u32) << j;
            break;
          }
        }
      }
      break;
    case 2: // equal each: beyond both ends counts as equal
      for (let j: u32 = 0; j < count; j++) {
        const inA = j < la;
        const inB = j < lb;
        if (inA && inB ? element(a, j, format) == element(b, j, format) : inA == inB) result |= (1 as u32) << j;
      }
      break;
    default: // equal ordered: a occurs in b at j, as far as b's register goes
      for (let j: u32 = 0; j < count; j++) {
        let same = true;
        for (let i: u32 = 0; i < la && j + i < count; i++) {
          if (j + i >= lb || element(a, i, format) != element(b, j + i, format)) {
            same = false;
            break;
          }
        }
        if (same) result |= (1 as u32) << j;
      }
  }
  if (imm & 0x10) result ^= imm & 0x20 ? ((1 as u32) << lb) - 1 : all;
  result &= all;

  const scratch = ST + S_SCRATCH;
  if (imm & 0x40) {
    const width: u32 = imm & 1 ? 2 : 1;
    for (let i: u32 = 0; i < count; i++) {
      const bits: u32 = (result >> i) & 1 ? 0xffff : 0;
      if (width == 2) store<u16>(scratch + (i << 1), bits);
      else store<u8>(scratch + i, bits);
    }
  } else {
    store<u64>(scratch, result as u64);
    store<u64>(scratch, 0, 8);
  }
  const index: u32 = result == 0 ? count : imm & 0x40 ? 31 - clz(result) : ctz(result);
  return (
    index |
    ((result != 0 ? 1 : 0) << 8) |
    ((lb < count ? 1 : 0) << 9) |
    ((la < count ? 1 : 0) << 10) |
    ((result & 1) << 11)
  );
}
