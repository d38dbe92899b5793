// Tests of what a profile is made of: linear addresses, call stacks, the kernel's table of names. Guest memory is built
// by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GuestMemory } from '../../memory/index.js';
import { type CpuState, flatProtectedState, longModeState } from '../../vmx/index.js';
import { findKernelSymbols } from './kallsyms.js';
import { readLinear, translate } from './linear.js';
import { callStack } from './stack.js';

const MIB = 1 << 20;
const memoryOf = (sizeBytes: number): GuestMemory =>
  new GuestMemory(new ArrayBuffer(sizeBytes), [{ gpa: 0, sizeBytes, bufferOffset: 0, readOnly: false }]);
const CR0_PE_PG = 0x8000_0001n;
const PAE = 1n << 5n;
const PSE = 1n << 4n;
const LMA = 1n << 10n;

test('4-level paging: pages of 4 KiB and 2 MiB, and nothing where an entry is not present', () => {
  const m = memoryOf(4 * MIB);
  m.writeU64(0x1000 + 0x1ff * 8, 0x2003n); // 0xffff_ff80_0000_0000
  m.writeU64(0x2000 + 0x1fe * 8, 0x3003n); // 0xffff_ffff_8000_0000
  m.writeU64(0x3000, 0x4003n);
  m.writeU64(0x3000 + 8, 0x20_0083n); // 2 MiB at 0xffff_ffff_8020_0000
  m.writeU64(0x4000 + 5 * 8, 0x8000_0000_0000_9003n); // no-execute is no part of the address
  const p = { cr0: CR0_PE_PG, cr3: 0x1000n, cr4: PAE, efer: LMA };
  assert.equal(translate(m, p, 0xffff_ffff_8000_5123n), 0x9123);
  assert.equal(translate(m, p, 0xffff_ffff_8025_4321n), 0x25_4321);
  assert.equal(translate(m, p, 0xffff_ffff_8000_6000n), null);
  assert.equal(translate(m, p, 0x5123n), null);
});

test('32-bit paging with a large page, PAE paging, and no paging', () => {
  const m = memoryOf(16 * MIB);
  m.writeU32(0x1000 + 0x300 * 4, 0x40_0083); // 4 MiB at 0xc000_0000
  m.writeU32(0x1000 + 0x301 * 4, 0x2003);
  m.writeU32(0x2000 + 7 * 4, 0x7003);
  const p = { cr0: CR0_PE_PG, cr3: 0x1000n, cr4: PSE, efer: 0n };
  assert.equal(translate(m, p, 0xc012_3456n), 0x52_3456);
  assert.equal(translate(m, p, 0xc040_7fffn), 0x7fff);
  m.writeU64(0x3000 + 3 * 8, 0x4001n);
  m.writeU64(0x4000, 0x5003n);
  m.writeU64(0x5000 + 8, 0x6003n);
  const pae = { cr0: CR0_PE_PG, cr3: 0x3000n, cr4: PAE, efer: 0n };
  assert.equal(translate(m, pae, 0xc000_1010n), 0x6010);
  assert.equal(translate(m, pae, 0x1010n), null);
  assert.equal(translate(m, { ...pae, cr0: 1n }, 0x1234n), 0x1234);
});

test('a read across two pages takes both, and is null when one is not mapped', () => {
  const m = memoryOf(MIB);
  m.writeU32(0x1000, 0x2003);
  m.writeU32(0x2000, 0x8003);
  m.writeU32(0x2004, 0x5003);
  m.writeU8(0x8fff, 0x11);
  m.writeU8(0x5000, 0x22);
  const p = { cr0: CR0_PE_PG, cr3: 0x1000n, cr4: 0n, efer: 0n };
  assert.deepEqual(readLinear(m, p, 0xfffn, 2), Uint8Array.of(0x11, 0x22));
  assert.equal(readLinear(m, p, 0x1fffn, 2), null);
});

/** A 32-bit guest without paging at 0x1000, its stack at 0x8000; `call` places a CALL that ends at an address. */
function stackGuest(): { m: GuestMemory; s: CpuState; call: (end: number) => void } {
  const m = memoryOf(MIB);
  const s = flatProtectedState(0x1000);
  s.gpr[4] = 0x8000n;
  s.gpr[5] = 0x8010n;
  return { m, s, call: (end) => m.writeU8(end - 5, 0xe8) };
}

test('frame pointers are followed as long as a CALL stands before the return address', () => {
  const { m, s, call } = stackGuest();
  call(0x2005);
  m.writeU32(0x8010, 0x8020);
  m.writeU32(0x8014, 0x2005);
  m.writeU8(0x3004, 0xff); // call [eax + disp8] of three bytes
  m.writeU8(0x3005, 0x50);
  m.writeU32(0x8020, 0x8040);
  m.writeU32(0x8024, 0x3007);
  m.writeU32(0x8040, 0x8060);
  m.writeU32(0x8044, 0x4005); // no CALL before it
  assert.deepEqual(callStack(m, s, 'frame', 64), [0x1000n, 0x2005n, 0x3007n]);
  assert.deepEqual(callStack(m, s, 'frame', 2), [0x1000n, 0x2005n]);
  assert.deepEqual(callStack(m, s, 'none', 64), [0x1000n]);
});

test('a frame pointer below the stack, far above it or not rising ends the stack', () => {
  const { m, s, call } = stackGuest();
  call(0x2005);
  m.writeU32(0x8014, 0x2005);
  m.writeU32(0x8010, 0x8010);
  assert.deepEqual(callStack(m, s, 'frame', 64), [0x1000n, 0x2005n]);
  s.gpr[5] = 0x7ff0n;
  assert.deepEqual(callStack(m, s, 'frame', 64), [0x1000n]);
  s.gpr[5] = 0x8_0000n;
  assert.deepEqual(callStack(m, s, 'frame', 64), [0x1000n]);
});

test('a scan takes every word of the stack that may be a return address', () => {
  const { m, s, call } = stackGuest();
  call(0x2005);
  call(0x3005);
  m.writeU32(0x8004, 0x2005);
  m.writeU32(0x8008, 0x2006);
  m.writeU32(0x800c, 0x3005);
  assert.deepEqual(callStack(m, s, 'scan', 64), [0x1000n, 0x2005n, 0x3005n]);
});

test('in 64-bit mode frames are of eight bytes', () => {
  const m = memoryOf(4 * MIB);
  m.writeU64(0x1000, 0x2003n);
  m.writeU64(0x2000, 0x3003n);
  m.writeU64(0x3000, 0x83n);
  const s = longModeState(0x10_0000n, 0x1000, 0x8000n);
  s.gpr[5] = 0x8010n;
  m.writeU8(0x11_0000 - 5, 0xe8);
  m.writeU64(0x8018, 0x11_0000n);
  assert.deepEqual(callStack(m, s, 'frame', 64), [0x10_0000n, 0x11_0000n]);
});

interface Layout {
  readonly pointerBytes: 8 | 4;
  /** Offsets and base behind the tokens, as from Linux 6.4. */
  readonly late: boolean;
  /** A table of three bytes per symbol between markers and tokens. */
  readonly sequences: boolean;
  /** Offsets as -1 - offset, with a few positive ones of per-CPU data. */
  readonly perCpu: boolean;
}
const COUNT = 1200;
const BASE = 0xffff_ffff_8100_0000n;

/** Builds a table as scripts/kallsyms writes it; functions are fn_0, fn_1 ... each 64 bytes. */
function tableOf(l: Layout): Uint8Array {
  const bytes: number[] = [];
  const padTo = (by: number): void => {
    while (bytes.length % by !== 0) bytes.push(0);
  };
  const number32 = (v: number): void => void bytes.push(v & 255, (v >> 8) & 255, (v >> 16) & 255, (v >>> 24) & 255);
  const base = l.pointerBytes === 8 ? BASE : 0xc100_0000n;
  const addresses = (): void => {
    padTo(l.pointerBytes);
    for (let n = 0; n < COUNT; n++) number32(l.perCpu ? (n < 5 ? n * 8 : ~(n * 64)) : n * 64);
    padTo(l.pointerBytes);
    number32(Number(base & 0xffff_ffffn));
    if (l.pointerBytes === 8) number32(Number(base >> 32n));
  };
  // Each character is a token; the token 1 is 'Tfn_', as the most frequent string.
  const tokens = Array.from({ length: 256 }, (_, n) =>
    n === 1 ? 'Tfn_' : n >= 0x20 && n < 0x7f ? String.fromCharCode(n) : '',
  );
  for (let n = 0; n < 64; n++) bytes.push(0xcc);
  if (!l.late) addresses();
  padTo(l.pointerBytes);
  number32(COUNT);
  padTo(l.pointerBytes);
  const names = bytes.length;
  const markers: number[] = [];
  for (let n = 0; n < COUNT; n++) {
    if (n % 256 === 0) markers.push(bytes.length - names);
    const digits = [...String(n)].map((c) => c.charCodeAt(0));
    bytes.push(1 + digits.length, 1, ...digits);
  }
  padTo(l.pointerBytes);
  for (const m of markers) number32(m);
  padTo(l.pointerBytes);
  if (l.sequences) for (let n = 0; n < COUNT; n++) bytes.push(0, n >> 8, n & 255);
  padTo(l.pointerBytes);
  const starts: number[] = [];
  const table = bytes.length;
  for (const t of tokens) {
    starts.push(bytes.length - table);
    bytes.push(...[...t].map((c) => c.charCodeAt(0)), 0);
  }
  padTo(l.pointerBytes);
  for (const s of starts) bytes.push(s & 255, s >> 8);
  if (l.late) addresses();
  return Uint8Array.from(bytes);
}

function symbolsIn(l: Layout): ReturnType<typeof findKernelSymbols> {
  const m = memoryOf(MIB);
  // Text that looks like the digits of a token table, and is none.
  m.loadBytes(0x1000, Uint8Array.from([...'0123456789'].flatMap((c) => [c.charCodeAt(0), 0])));
  m.loadBytes(0x2_0000, tableOf(l));
  return findKernelSymbols(m);
}

test("the kernel's table is found in the order of Linux up to 6.3, 64-bit, with per-CPU symbols and sequences", () => {
  const k = symbolsIn({ pointerBytes: 8, late: false, sequences: true, perCpu: true });
  assert.ok(k);
  assert.equal(k.count, COUNT - 5);
  assert.equal(k.nameOf(BASE + 64n * 700n), 'fn_700');
  assert.equal(k.nameOf(BASE + 64n * 700n + 63n), 'fn_700');
  assert.equal(k.addressOf('fn_1199'), BASE + 64n * 1199n);
  assert.equal(k.nameOf(BASE), null);
  assert.equal(k.nameOf(BASE + 64n * 1199n + (2n << 20n)), null);
});

test('... in the order from Linux 6.4, and of a 32-bit kernel', () => {
  const late = symbolsIn({ pointerBytes: 8, late: true, sequences: false, perCpu: true });
  assert.equal(late?.nameOf(BASE + 64n * 42n), 'fn_42');
  const narrow = symbolsIn({ pointerBytes: 4, late: false, sequences: false, perCpu: false });
  assert.equal(narrow?.count, COUNT);
  assert.equal(narrow?.nameOf(0xc100_0000n + 64n * 3n + 1n), 'fn_3');
});

test('memory without a table has no symbols', () => {
  const m = memoryOf(MIB);
  m.loadBytes(0x1000, Uint8Array.from([...'0123456789'].flatMap((c) => [c.charCodeAt(0), 0])));
  assert.equal(findKernelSymbols(m), null);
});
