// 64-bit multiplication halves and division. Intel SDM Vol. 2A "DIV", "IDIV", "MUL".
import { ST } from './env';
import { raise } from './exceptions';
import { S_SCRATCH } from './generated/layout';
import { DE_FAULT } from './state';

export function mul_high_u64(a: u64, b: u64): u64 {
  const al = a & 0xffff_ffff;
  const ah = a >> 32;
  const bl = b & 0xffff_ffff;
  const bh = b >> 32;
  const low = al * bl;
  const mid = ah * bl + (low >> 32);
  const mid2 = al * bh + (mid & 0xffff_ffff);
  return ah * bh + (mid >> 32) + (mid2 >> 32);
}
export function mul_high_s64(a: i64, b: i64): i64 {
  let high = mul_high_u64(a as u64, b as u64) as i64;
  if (a < 0) high -= b;
  if (b < 0) high -= a;
  return high;
}

let quotient: u64 = 0;
let remainder: u64 = 0;
/** 128 by 64 bits; needs high < divisor. */
function divide_128(high: u64, low: u64, divisor: u64): void {
  if (high == 0) {
    quotient = low / divisor;
    remainder = low - quotient * divisor;
    return;
  }
  // Knuth's algorithm D with two 32-bit digits.
  const shift = clz(divisor);
  const d = divisor << shift;
  const h = shift ? (high << shift) | (low >> (64 - shift)) : high;
  const l = low << shift;
  const dh = d >> 32;
  const dl = d & 0xffff_ffff;
  let q1 = h / dh;
  let r = h - q1 * dh;
  while (q1 >> 32 != 0 || q1 * dl > ((r << 32) | (l >> 32))) {
    q1--;
    r += dh;
    if (r >> 32 != 0) break;
  }
  const middle = (h << 32) + (l >> 32) - q1 * d;
  let q0 = middle / dh;
  r = middle - q0 * dh;
  while (q0 >> 32 != 0 || q0 * dl > ((r << 32) | (l & 0xffff_ffff))) {
    q0--;
    r += dh;
    if (r >> 32 != 0) break;
  }
  quotient = (q1 << 32) + q0;
  remainder = ((middle << 32) + (l & 0xffff_ffff) - q0 * d) >> shift;
}
function store_result(q: u64, r: u64): i32 {
  store<u64>(ST, q, S_SCRATCH);
  store<u64>(ST, 0, S_SCRATCH + 8);
  store<u64>(ST, r, S_SCRATCH + 16);
  store<u64>(ST, 0, S_SCRATCH + 24);
  return 0;
}
function mask_of(bits: i32): u64 {
  return ~(0 as u64) >> (64 - (bits as u64));
}

/** Dividend high:low by divisor, each `bits` wide (zero-extended). Scratch 0 = quotient, 1 = remainder. */
export function divide_unsigned(high: u64, low: u64, divisor: u64, bits: i32): i32 {
  const mask = mask_of(bits);
  high &= mask;
  low &= mask;
  divisor &= mask;
  if (divisor == 0 || high >= divisor) return raise(DE_FAULT, 0);
  if (bits == 64) divide_128(high, low, divisor);
  else {
    const dividend = (high << (bits as u64)) | low;
    quotient = dividend / divisor;
    remainder = dividend - quotient * divisor;
  }
  return store_result(quotient, remainder);
}
export function divide_signed(high: u64, low: u64, divisor: u64, bits: i32): i32 {
  const mask = mask_of(bits);
  const sign = (1 as u64) << ((bits - 1) as u64);
  high &= mask;
  low &= mask;
  divisor &= mask;
  if (divisor == 0) return raise(DE_FAULT, 0);
  const negativeDividend = (high & sign) != 0;
  const negativeDivisor = (divisor & sign) != 0;
  if (negativeDividend) {
    low = (0 - low) & mask;
    high = (~high + (low == 0 ? 1 : 0)) & mask;
  }
  if (negativeDivisor) divisor = (0 - divisor) & mask;
  if (high >= divisor) return raise(DE_FAULT, 0);
  if (bits == 64) divide_128(high, low, divisor);
  else {
    const dividend = (high << (bits as u64)) | low;
    quotient = dividend / divisor;
    remainder = dividend - quotient * divisor;
  }
  const negative = negativeDividend != negativeDivisor;
  if (quotient > (negative ? sign : sign - 1)) return raise(DE_FAULT, 0);
  return store_result(
    negative ? (0 - quotient) & mask : quotient,
    negativeDividend ? (0 - remainder) & mask : remainder,
  );
}
