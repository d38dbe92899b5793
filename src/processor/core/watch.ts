// Address breakpoints (DR0-DR3, DR7) and alignment checking. Intel SDM Vol. 3B, "Debug Registers", "Debug Exceptions",
// "Breakpoint Exception"; Vol. 3A, "Alignment Check Exception (#AC)". While one is enabled (mode key bit KEY_DEBUG) every
// instruction is preceded by a breakpoint record, and pages with data breakpoints have no TLB tags.
import { ST } from './env';
import { AC, CR4_DE, cr4, FLAG_RF } from './state';
import { raise } from './exceptions';
import { S_ALIGNMENT, S_DEBUG_HITS, S_DR, S_RFLAGS } from './generated/layout';

const DR7: usize = S_DR + 56;
const EXECUTE: u32 = 0;
const WRITE: u32 = 1;
const IO: u32 = 2;
const ACCESS: u32 = 3;

/** Enabled breakpoint n (by Ln or Gn). */
@inline function enabled(dr7: u32, n: u32): bool {
  return ((dr7 >> (n << 1)) & 3) != 0;
}
@inline function kind(dr7: u32, n: u32): u32 {
  return (dr7 >> (16 + (n << 2))) & 3;
}
/** LEN: 1, 2, 8 or 4 bytes. */
@inline function length(dr7: u32, n: u32): u64 {
  const len = (dr7 >> (18 + (n << 2))) & 3;
  return len == 0 ? 1 : len == 1 ? 2 : len == 2 ? 8 : 4;
}
@inline function address(n: u32): u64 {
  return load<u64>(ST + (n << 3), S_DR);
}
/** 1: reads of the page must be seen; 2: writes. */
export function watched(page: u64): u32 {
  const dr7 = load<u32>(ST, DR7);
  let found: u32 = 0;
  for (let n: u32 = 0; n < 4; n++) {
    if (!enabled(dr7, n) || (address(n) & ~(4095 as u64)) != page) continue;
    if (kind(dr7, n) == WRITE) found |= 2;
    else if (kind(dr7, n) == ACCESS) found |= 3;
  }
  return found;
}
function note(first: u64, size: u64, io: bool, write: bool): void {
  const dr7 = load<u32>(ST, DR7);
  let hits: u32 = 0;
  for (let n: u32 = 0; n < 4; n++) {
    if (!enabled(dr7, n)) continue;
    const k = kind(dr7, n);
    if (io ? k != IO : k != ACCESS && !(k == WRITE && write)) continue;
    const bytes = length(dr7, n);
    const start = address(n) & ~(bytes - 1);
    if (first < start + bytes && start < first + size) hits |= 1 << n;
  }
  if (hits) store<u32>(ST, load<u32>(ST, S_DEBUG_HITS) | hits, S_DEBUG_HITS);
}
/** A data access that will be done; the trap comes after the instruction. */
export function watch_data(linear: u64, size: u32, write: bool): void {
  note(linear, size as u64, false, write);
}
export function watch_port(port: u32, size: u32): void {
  if (cr4() & CR4_DE) note(port as u64, size as u64, true, true);
}
/** DR6 bits of enabled instruction breakpoints at `linear`. */
export function instruction_breakpoints(linear: u64): u32 {
  const dr7 = load<u32>(ST, DR7);
  let hits: u32 = 0;
  for (let n: u32 = 0; n < 4; n++)
    if (enabled(dr7, n) && kind(dr7, n) == EXECUTE && address(n) == linear) hits |= 1 << n;
  return hits;
}
/** Data and I/O breakpoints met; forgets them. */
export function take_hits(): u32 {
  const hits = load<u32>(ST, S_DEBUG_HITS);
  store<u32>(ST, 0, S_DEBUG_HITS);
  return hits;
}
/** RFLAGS.RF: the next instruction breakpoint is passed over. */
export function set_resume_flag(): void {
  store<u64>(ST, load<u64>(ST, S_RFLAGS) | FLAG_RF, S_RFLAGS);
}
export function take_resume_flag(): bool {
  const flags = load<u64>(ST, S_RFLAGS);
  store<u64>(ST, flags & ~FLAG_RF, S_RFLAGS);
  return (flags & FLAG_RF) != 0;
}

/** #AC(0) when alignment is checked and the operand is not aligned: 2, 4 and 8 by size; pointers of 6 bytes 4; 10 and 16 bytes 8. */
export function check_alignment(linear: u64, size: u32): i32 {
  if (!load<u32>(ST, S_ALIGNMENT)) return 0;
  const mask: u64 = size >= 8 ? 7 : size >= 4 ? 3 : size >= 2 ? 1 : 0;
  return linear & mask ? raise(AC, 0) : 0;
}
