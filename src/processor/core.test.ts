// The procedures of the software processor on their own: procedures.wasm with a memory, a state area and hand-made tables.
// Intel SDM Vol. 3A: "Paging", "Protection", "Interrupt and Exception Handling", "Task Management".
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SYSTEM_PROCEDURES } from '../isa/index.js';
import {
  AREA,
  at,
  EXIT_NONE,
  RECORD,
  REPLAY,
  SEGMENT_ENTRY,
  SLOT,
  segmentOffset,
  TLB_ENTRIES,
  TLB_ENTRY,
  UNWIND,
} from './state-layout.js';

const dist = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const STATE = 0x1_0000;
const TABLES = 0x12_0000;
const RAM = 0x20_0000;
const RAM_BYTES = 0x80_0000;
const ROM_GPA = 0xf_0000_0000n;
const memory = new WebAssembly.Memory({ initial: 256, maximum: 65536, shared: true });
const file = readFileSync(join(dist, 'procedures.wasm'));
const instance = await WebAssembly.instantiate(new WebAssembly.Module(file as Uint8Array<ArrayBuffer>), {
  env: {
    memory,
    state: new WebAssembly.Global({ value: 'i32', mutable: false }, STATE),
    host_clock: () => 0,
    build_block: () => 0,
    block_hot: () => undefined,
  },
});
type Procedure = (...args: (number | bigint)[]) => number | bigint;
const p = instance.exports as unknown as Record<string, Procedure>;
const call = (name: string, ...args: (number | bigint)[]): number => Number((p[name] as Procedure)(...args));
const view = new DataView(memory.buffer);
const bytes = new Uint8Array(memory.buffer);

const u32 = (name: string): number => view.getUint32(STATE + at(name), true);
const u64 = (name: string): bigint => view.getBigUint64(STATE + at(name), true);
const set32 = (name: string, v: number): void => view.setUint32(STATE + at(name), v >>> 0, true);
const set64 = (name: string, v: bigint): void => view.setBigUint64(STATE + at(name), BigInt.asUintN(64, v), true);
const gpr = (n: number): bigint => view.getBigUint64(STATE + n * 8, true);
const setGpr = (n: number, v: bigint): void => view.setBigUint64(STATE + n * 8, BigInt.asUintN(64, v), true);
const scratch = (n: number): bigint => view.getBigUint64(STATE + at('scratch') + n * 16, true);
const [RAX, RCX, RDX, RSP, RSI, RDI] = [0, 1, 2, 4, 6, 7];
const [ES, CS, SS, DS, FS, GS, LDTR, TR] = [0, 1, 2, 3, 4, 5, 6, 7];
function segment(n: number, selector: number, base: bigint, limit: number, access: number): void {
  const s = STATE + segmentOffset(n);
  view.setUint32(s + SEGMENT_ENTRY.selector, selector, true);
  view.setUint32(s + SEGMENT_ENTRY.access, access, true);
  view.setBigUint64(s + SEGMENT_ENTRY.base, base, true);
  view.setBigUint64(s + SEGMENT_ENTRY.limit, BigInt(limit >>> 0), true);
}
const selectorOf = (n: number): number => view.getUint32(STATE + segmentOffset(n), true);
const accessOf = (n: number): number => view.getUint32(STATE + segmentOffset(n) + SEGMENT_ENTRY.access, true);
const baseOf = (n: number): bigint => view.getBigUint64(STATE + segmentOffset(n) + SEGMENT_ENTRY.base, true);
const limitOf = (n: number): number => view.getUint32(STATE + segmentOffset(n) + SEGMENT_ENTRY.limit, true);
const ram = {
  get32: (gpa: number) => view.getUint32(RAM + gpa, true),
  get64: (gpa: number) => view.getBigUint64(RAM + gpa, true),
  set16: (gpa: number, v: number) => view.setUint16(RAM + gpa, v, true),
  set32: (gpa: number, v: number) => view.setUint32(RAM + gpa, v >>> 0, true),
  set64: (gpa: number, v: bigint) => view.setBigUint64(RAM + gpa, v, true),
};
/** Pending exception as text: "13(0)" or "6". */
const fault = (): string => {
  assert.equal(u32('unwind'), UNWIND.exception);
  return u32('exceptionHasErrorCode')
    ? `${u32('exceptionVector')}(${u32('exceptionErrorCode')})`
    : `${u32('exceptionVector')}`;
};
const isLookup = (): void => assert.equal(u32('unwind'), UNWIND.lookup);

/** An instruction of `length` bytes at RIP, the first of its block. */
function at_rip(rip: bigint, length: number): void {
  const r = TABLES;
  bytes.fill(0, r, r + RECORD.sizeBytes);
  view.setUint8(r + RECORD.length, length);
  view.setUint16(r + RECORD.next, Number(rip & 0xfffn) + length, true);
  set64('codePage', rip & ~0xfffn);
  set64('rip', rip);
  set32('record', r);
}

const GDT = 0x1000;
const IDT = 0x2000;
const TSS = 0x3000;
const PML4 = 0x10000;
const descriptor = (n: number, base: number, limit: number, access: number): void => {
  const g = limit > 0xfffff ? 1 : 0;
  const l = g ? limit >>> 12 : limit;
  ram.set32(GDT + n * 8, ((base & 0xffff) << 16) | (l & 0xffff));
  ram.set32(
    GDT + n * 8 + 4,
    (base & 0xff000000) | ((l >> 16) << 16) | ((access & 0xf0ff) << 8) | (g << 23) | ((base >> 16) & 0xff),
  );
};

function reset(): void {
  bytes.fill(0, STATE, STATE + AREA.sizeBytes);
  bytes.fill(0, TABLES, RAM + RAM_BYTES);
  const slot = STATE + at('slots');
  view.setBigUint64(slot + SLOT.gpa, 0n, true);
  view.setBigUint64(slot + SLOT.sizeBytesField, BigInt(RAM_BYTES - 0x10000), true);
  view.setUint32(slot + SLOT.host, RAM, true);
  const rom = slot + SLOT.sizeBytes;
  view.setBigUint64(rom + SLOT.gpa, ROM_GPA, true);
  view.setBigUint64(rom + SLOT.sizeBytesField, 0x1_0000n, true);
  view.setUint32(rom + SLOT.host, RAM + RAM_BYTES - 0x10000, true);
  view.setUint32(rom + SLOT.flags, 1, true);
  set32('slotCount', 2);
  set32('codeMap', TABLES + 0x1000);
  set32('codeHead', TABLES + 0x8000);
  set32('blockHash', TABLES + 0xc000);
  set32('ramHost', RAM);
  set32('ramPages', RAM_BYTES >> 12);
  set64('rflags', 2n);
  set64('physicalMask', (1n << 40n) - 1n);
  set32('exitReason', EXIT_NONE);
  set64('gdtrBase', BigInt(GDT));
  set32('gdtrLimit', 0xfff);
  set64('idtrBase', BigInt(IDT));
  set32('idtrLimit', 0xfff);
  segment(LDTR, 0, 0n, 0, 0x1_0000);
  segment(TR, 0x40, BigInt(TSS), 0x67, 0x8b);
  descriptor(1, 0, 0xffffffff, 0xc09b); // 08 code 0
  descriptor(2, 0, 0xffffffff, 0xc093); // 10 data 0
  descriptor(3, 0, 0xffffffff, 0xc0fb); // 18 code 3
  descriptor(4, 0, 0xffffffff, 0xc0f3); // 20 data 3
  descriptor(5, 0, 0xffffffff, 0xa09b); // 28 code 0, 64-bit
  descriptor(6, 0, 0xffffffff, 0xa0fb); // 30 code 3, 64-bit
  descriptor(8, TSS, 0x67, 0x89); // 40 TSS
  call('tlb_flush_all');
}
/** Flat 32-bit protected mode at `cpl`. */
function protectedMode(cpl = 0): void {
  set64('cr0', 0x11n);
  const dpl = cpl << 5;
  segment(CS, cpl ? 0x1b : 0x08, 0n, 0xffffffff, 0xc09b | dpl);
  for (const n of [ES, SS, DS, FS, GS]) segment(n, cpl ? 0x23 : 0x10, 0n, 0xffffffff, 0xc093 | dpl);
  set32('cpl', cpl);
  call('update_mode');
}
/** 64-bit mode with 4-level tables that map the first 2 MiB 1:1 (4 KiB pages, user) and 1 GiB..+2 MiB large. */
function longMode(cpl = 0): void {
  protectedMode(cpl);
  ram.set64(PML4, BigInt(PML4 + 0x1007));
  ram.set64(PML4 + 0x1000, BigInt(PML4 + 0x2007));
  ram.set64(PML4 + 0x2000, BigInt(PML4 + 0x3007));
  for (let i = 0; i < 512; i++) ram.set64(PML4 + 0x3000 + i * 8, BigInt((i << 12) | 7));
  set64('cr0', 0x8001_0011n);
  set64('cr3', BigInt(PML4));
  set64('cr4', 0x20n);
  set64('efer', 0xd01n);
  segment(CS, cpl ? 0x33 : 0x28, 0n, 0xffffffff, 0xa09b | (cpl << 5));
  call('update_mode');
}
const pte = (page: number): number => PML4 + 0x3000 + page * 8;
const gate32 = (vector: number, selector: number, offset: number, access: number): void => {
  ram.set32(IDT + vector * 8, (selector << 16) | (offset & 0xffff));
  ram.set32(IDT + vector * 8 + 4, (offset & 0xffff0000) | (access << 8));
};
const gate64 = (vector: number, selector: number, offset: bigint, access: number, ist = 0): void => {
  const low = Number(offset & 0xffffffffn);
  ram.set32(IDT + vector * 16, (selector << 16) | (low & 0xffff));
  ram.set32(IDT + vector * 16 + 4, (low & 0xffff0000) | (access << 8) | ist);
  ram.set64(IDT + vector * 16 + 8, offset >> 32n);
};

beforeEach(reset);

test('every system procedure is exported with its parameters', () => {
  for (const [name, { params }] of Object.entries(SYSTEM_PROCEDURES)) {
    assert.equal(typeof p[name], 'function', name);
    assert.equal((p[name] as Procedure).length, params.length, name);
  }
});

describe('arithmetic and flags', () => {
  test('128-bit division agrees with bigint', () => {
    let seed = 1n;
    const next = (): bigint => (seed = BigInt.asUintN(64, seed * 6364136223846793005n + 1442695040888963407n));
    for (let i = 0; i < 2000; i++) {
      const divisor = next() >> BigInt(i % 60);
      const high = next() % (divisor === 0n ? 1n : divisor);
      const low = next() ^ (next() >> 32n);
      if (divisor === 0n) continue;
      assert.equal(call('divide_unsigned', high, low, divisor, 64), 0);
      const dividend = (high << 64n) | low;
      assert.equal(scratch(0), dividend / divisor, `${dividend} / ${divisor}`);
      assert.equal(scratch(1), dividend % divisor);
    }
  });
  test('signed division truncates towards zero and checks its range', () => {
    assert.equal(call('divide_signed', 0xffn, 0xf9n, 2n, 8), 0); // -7 / 2
    assert.deepEqual([scratch(0), scratch(1)], [0xfdn, 0xffn]);
    assert.equal(call('divide_signed', 0xffffffffn, 0x80000000n, 0xffffffffn, 32), 1);
    assert.equal(fault(), '0');
    assert.equal(call('divide_signed', 0xffffffffn, 0x80000000n, 1n, 32), 0);
    assert.equal(scratch(0), 0x80000000n);
    assert.equal(call('divide_unsigned', 2n, 0n, 2n, 32), 1);
    assert.equal(fault(), '0');
  });
  test('high halves of products', () => {
    const a = 0xfedcba9876543210n;
    const b = 0x8123456789abcdefn;
    assert.equal(BigInt.asUintN(64, p.mul_high_u64?.(a, b) as bigint), (a * b) >> 64n);
    const signed = (BigInt.asIntN(64, a) * BigInt.asIntN(64, b)) >> 64n;
    assert.equal(BigInt.asIntN(64, p.mul_high_s64?.(a, b) as bigint), signed);
  });
  test('lazy flags of an 8-bit subtraction', () => {
    set64('flagsA', 0x80n);
    set64('flagsB', 1n);
    set32('flagsKind', 2 * 4);
    assert.equal(call('flags_get'), 0x810); // OF, AF
  });
  test('POPF at CPL 3 leaves IOPL and IF alone', () => {
    protectedMode(3);
    setGpr(RSP, 0x5000n);
    at_rip(0x100n, 1);
    assert.equal(call('popf', 0x3f00n | 0x41n, 32), 1); // TF was set: the loop must look
    isLookup();
    assert.equal(u64('rflags'), 0x502n);
    assert.equal(call('flags_get'), 0x841);
    assert.equal(gpr(RSP), 0x5004n);
  });
  test('STI starts a shadow and, with an asked-for window, lets one more instruction run', () => {
    protectedMode();
    at_rip(0x100n, 1);
    set32('budget', 1000);
    set32('budgetLoaded', 1000);
    set32('primary', 4);
    assert.equal(call('sti'), 1);
    isLookup();
    assert.equal(u32('budget'), 2);
    assert.equal(u32('budgetLoaded'), 2);
    assert.equal(u64('shadowRetired'), 1n);
    set64('retired', 1n);
    assert.equal(call('check_windows'), 2);
    set64('retired', 2n);
    assert.equal(call('check_windows'), 1);
    assert.equal(u32('exitReason'), 7);
  });
});

describe('paging', () => {
  const read = (linear: bigint, size = 4): number => call('mem_read_slow', linear, size);
  const write = (linear: bigint, size = 4): number => call('mem_write_slow', linear, size);
  test('a walk sets A, a write sets D, and the TLB is filled', () => {
    longMode();
    assert.equal(read(0x5004n), RAM + 0x5004);
    assert.equal(ram.get64(pte(5)), 0x5027n);
    const entry = STATE + AREA.tlbSupervisor + 5 * 32;
    assert.equal(view.getBigUint64(entry, true), 0x5000n);
    assert.equal(view.getBigUint64(entry + 8, true), 0xffff_ffff_ffff_ffffn); // clean: no write tag
    assert.equal(write(0x5004n), 1);
    assert.equal(ram.get64(pte(5)), 0x5067n);
    assert.equal(view.getBigUint64(entry + 8, true), 0x5000n);
    assert.equal((view.getUint32(entry + 24, true) + 0x5abc) >>> 0, RAM + 0x5abc);
  });
  test('page-fault error codes', () => {
    longMode(3);
    ram.set64(pte(6), 0n);
    assert.equal(read(0x6010n), 0);
    assert.equal(fault(), '14(4)');
    assert.equal(u64('exceptionAddress'), 0x6010n);
    ram.set64(pte(7), 0x7003n); // supervisor
    assert.equal(read(0x7000n), 0);
    assert.equal(fault(), '14(5)');
    ram.set64(pte(8), 0x8005n); // read-only
    assert.equal(write(0x8000n), 0);
    assert.equal(fault(), '14(7)');
    ram.set64(pte(9), 0x8000_0000_0000_9007n); // no execute
    assert.equal(call('translate_exec', 0x9000n), 0);
    assert.equal(fault(), '14(21)');
    ram.set64(pte(10), 0x0001_0000_0000_a007n); // beyond physicalMask
    assert.equal(read(0xa000n), 0);
    assert.equal(fault(), '14(13)');
    assert.equal(read(0x0000_8000_0000_0000n), 0);
    assert.equal(fault(), '13(0)');
  });
  test('CR0.WP, SMEP and SMAP', () => {
    longMode(0);
    ram.set64(pte(8), 0x8005n);
    assert.equal(write(0x8000n), 0);
    assert.equal(fault(), '14(3)');
    set64('cr0', 0x8000_0011n);
    assert.equal(write(0x8000n), 1);
    set64('cr4', 0x30_0020n);
    call('tlb_flush_all');
    assert.equal(read(0x5000n), 0);
    assert.equal(fault(), '14(1)');
    assert.equal(call('translate_exec', 0x5000n), 0);
    assert.equal(fault(), '14(17)');
    assert.equal(call('smap_check', 1), 0);
    assert.notEqual(read(0x5000n), 0);
    const entry = STATE + AREA.tlbSupervisor + 5 * 32;
    assert.equal(view.getBigUint64(entry, true), 0x5000n);
    assert.equal(call('smap_check', 0), 0);
    assert.notEqual(view.getBigUint64(entry, true), 0x5000n);
    assert.equal(read(0x5000n), 0);
    assert.equal(fault(), '14(1)');
  });
  test('SMAP: user pages come back to the supervisor table with AC, unless they were flushed or hold code now', () => {
    const NONE = 0xffff_ffff_ffff_ffffn;
    const slot = (page: number): number => STATE + AREA.tlbSupervisor + page * 32;
    const tag = (page: number, kind: number): bigint => view.getBigUint64(slot(page) + kind, true);
    const clear = (): number => call('smap_check', 0);
    const set = (): number => call('smap_check', 1);
    longMode(0);
    set64('cr4', 0x20_0020n);
    set32('vcpuCount', 1);
    set32('firstArea', STATE);
    call('tlb_flush_all');
    for (let n = 5; n < 30; n++) ram.set64(pte(n), BigInt(n << 12) | 0x67n);
    set();
    assert.equal(write(0x5000n), 1);
    const misses = u64('tlbMisses');
    clear();
    assert.equal(write(0x5000n), 0);
    assert.equal(fault(), '14(3)');
    set();
    assert.equal(write(0x5000n), 1);
    assert.equal(u64('tlbMisses'), misses + 1n); // of the fault
    // INVLPG and a flush find what is hidden
    clear();
    call('invlpg', 0x5000n);
    assert.deepEqual([tag(5, TLB_ENTRY.readTag), tag(5, TLB_ENTRY.writeTag)], [NONE, NONE]);
    set();
    assert.deepEqual([tag(5, TLB_ENTRY.readTag), tag(5, TLB_ENTRY.writeTag)], [NONE, NONE]);
    assert.equal(write(0x5000n), 1);
    clear();
    call('tlb_flush_nonglobal');
    set();
    assert.equal(tag(5, TLB_ENTRY.readTag), NONE);
    // the page becomes code while it is hidden
    assert.equal(write(0x5000n), 1);
    clear();
    call('region_mark', RAM + 0x5000, 1n);
    set();
    assert.notEqual(read(0x5000n), 0);
    assert.deepEqual([tag(5, TLB_ENTRY.readTag), tag(5, TLB_ENTRY.writeTag)], [0x5000n, NONE]);
    // the place of an entry is another page's now
    view.setUint32(slot(5) + TLB_ENTRY.flags, 12 << 8, true);
    view.setBigUint64(slot(5) + TLB_ENTRY.readTag, 0x100_5000n, true);
    clear();
    assert.equal(tag(5, TLB_ENTRY.readTag), 0x100_5000n);
    set();
    // more pages than are listed: none is seen while AC is clear
    for (let n = 6; n < 30; n++) assert.notEqual(read(BigInt(n << 12)), 0);
    clear();
    for (let n = 6; n < 30; n++) assert.equal(read(BigInt(n << 12)), 0);
    set();
    for (let n = 6; n < 30; n++) assert.notEqual(read(BigInt(n << 12)), 0);
    clear();
    for (let n = 6; n < 30; n++) assert.equal(read(BigInt(n << 12)), 0);
  });
  test('accesses that cross pages check both before they write', () => {
    longMode();
    ram.set64(pte(8), 0x9007n); // 8000 -> 9000, 9000 -> a000
    ram.set64(pte(9), 0xa007n);
    view.setBigUint64(STATE + at('bounce'), 0x1122334455667788n, true);
    assert.equal(write(0x8ffcn, 8), 1);
    assert.equal(ram.get32(0x9ffc), 0x55667788);
    assert.equal(ram.get32(0xa000), 0x11223344);
    const at8 = read(0x8ffcn, 8);
    assert.equal(view.getBigUint64(at8, true), 0x1122334455667788n);
    // the TLB has both pages by now: nothing is walked again
    const misses = u64('tlbMisses');
    const at8again = call('mem_rmw_slow', 0x8ffcn, 8);
    assert.equal(view.getBigUint64(at8again, true), 0x1122334455667788n);
    view.setBigUint64(STATE + at('bounce'), 0x99aabbccddeeff00n, true);
    assert.equal(write(0x8ffcn, 8), 1);
    assert.equal(view.getBigUint64(read(0x8ffcn, 8), true), 0x99aabbccddeeff00n);
    assert.deepEqual([ram.get32(0x9ffc), ram.get32(0xa000)], [0xddeeff00, 0x99aabbcc]);
    assert.equal(u64('tlbMisses'), misses);
    // a page with code is not written at once
    set32('firstArea', STATE);
    set32('vcpuCount', 1);
    call('region_mark', RAM + 0xa000, 1n);
    assert.equal(write(0x8ffcn, 8), 1);
    assert.notEqual(u64('tlbMisses'), misses);
    view.setBigUint64(STATE + at('bounce'), 0x1122334455667788n, true);
    assert.equal(write(0x8ffcn, 8), 1);
    ram.set64(pte(9), 0n);
    call('tlb_flush_all');
    view.setBigUint64(STATE + at('bounce'), 0n, true);
    assert.equal(write(0x8ffcn, 8), 0);
    assert.equal(ram.get32(0x9ffc), 0x55667788);
    assert.equal(u64('exceptionAddress'), 0x9000n);
  });
  test('large pages: translation, reserved bits, INVLPG', () => {
    longMode();
    ram.set64(PML4 + 0x2008, 0x20_0083n); // 2 MiB page at linear 2 MiB
    assert.equal(read(0x2a_bcden), RAM + 0x2a_bcde);
    const entry = STATE + AREA.tlbSupervisor + (0x2ab & (TLB_ENTRIES - 1)) * 32;
    assert.equal(view.getBigUint64(entry, true), 0x2a_b000n);
    call('invlpg', 0x20_0000n);
    assert.equal(view.getBigUint64(entry, true), 0xffff_ffff_ffff_ffffn);
    ram.set64(PML4 + 0x2008, 0x20_2083n);
    assert.equal(read(0x2a_bcden), 0);
    assert.equal(fault(), '14(9)');
  });
  test('INVLPG of large pages whose regions share a place in the map', () => {
    longMode();
    const far = 4n << 30n;
    ram.set64(PML4 + 0x2008, 0x20_0083n);
    ram.set64(PML4 + 0x1020, BigInt(PML4 + 0x2003)); // the same large page 4 and 8 GiB further
    ram.set64(PML4 + 0x1040, BigInt(PML4 + 0x2003));
    const entry = STATE + AREA.tlbSupervisor + (0x2ab & (TLB_ENTRIES - 1)) * 32;
    for (const space of [0n, far, 2n * far]) {
      assert.equal(read(space + 0x2a_bcden), RAM + 0x2a_bcde);
      assert.equal(view.getBigUint64(entry, true), space + 0x2a_b000n);
    }
    call('invlpg', far + 0x20_0000n);
    assert.equal(view.getBigUint64(entry, true), 2n * far + 0x2a_b000n, 'another page');
    call('invlpg', 2n * far + 0x20_0000n);
    assert.equal(view.getBigUint64(entry, true), 0xffff_ffff_ffff_ffffn);
  });
  test('32-bit and PAE paging', () => {
    protectedMode();
    ram.set32(0x2_0000, 0x2_1003);
    ram.set32(0x2_0004, 0x40_0083); // 4 MiB page
    ram.set32(0x2_1000 + 5 * 4, 0x6003);
    set64('cr3', 0x2_0000n);
    set64('cr4', 0x10n);
    set64('cr0', 0x8000_0011n);
    assert.equal(read(0x5010n), RAM + 0x6010);
    assert.equal(ram.get32(0x2_1000 + 5 * 4), 0x6023);
    assert.equal(read(0x41_2345n), RAM + 0x41_2345);
    // PAE through MOV CR4 / MOV CR0
    set64('cr0', 0x11n);
    ram.set64(0x3_0000, 0x3_1001n);
    ram.set64(0x3_1000, 0x3_2003n);
    ram.set64(0x3_2000 + 5 * 8, 0x7003n);
    assert.equal(call('mov_to_cr', 3, 0x3_0000n), 0);
    assert.equal(call('mov_to_cr', 4, 0x20n), 0);
    assert.equal(call('mov_to_cr', 0, 0x8000_0011n), 0);
    assert.equal(read(0x5010n), RAM + 0x7010);
    ram.set64(0x3_0000, 0x3_1007n); // reserved bits in a PDPTE
    assert.equal(call('mov_to_cr', 3, 0x3_0000n), 1);
    assert.equal(fault(), '13(0)');
  });
  test('global pages survive a CR3 load', () => {
    longMode();
    set64('cr4', 0xa0n);
    ram.set64(pte(5), 0x5107n);
    read(0x5000n);
    read(0x6000n);
    call('mov_to_cr', 3, BigInt(PML4));
    assert.equal(view.getBigUint64(STATE + AREA.tlbSupervisor + 5 * 32, true), 0x5000n);
    assert.equal(view.getBigUint64(STATE + AREA.tlbSupervisor + 6 * 32, true), 0xffff_ffff_ffff_ffffn);
  });
});

describe('MMIO and ports', () => {
  const complete = (value: bigint): void => {
    const n = u32('replayCount');
    view.setBigUint64(STATE + at('replay') + n * REPLAY.sizeBytes + REPLAY.value, value, true);
    set32('replayCount', n + 1);
  };
  test('an MMIO read exits and is replayed', () => {
    protectedMode();
    at_rip(0x100n, 3);
    assert.equal(call('mem_read_slow', 0xfee0_0020n, 4), 0);
    assert.equal(u32('unwind'), UNWIND.exit);
    assert.deepEqual(
      [u32('exitReason'), u32('exitSize'), u64('exitPhysical'), u32('exitInstructionLength')],
      [48, 4, 0xfee0_0020n, 3],
    );
    complete(0x1234_5678n);
    assert.equal(call('replay_pending'), 1);
    const at4 = call('mem_read_slow', 0xfee0_0020n, 4);
    assert.equal(view.getUint32(at4, true), 0x1234_5678);
    set64('retired', 1n); // the instruction has retired: its log is void
    assert.equal(call('replay_pending'), 0);
    assert.equal(call('mem_read_slow', 0xfee0_0020n, 4), 0);
    assert.equal(u32('replayCount'), 0);
  });
  test('accesses never cross an 8-byte boundary', () => {
    protectedMode();
    at_rip(0x100n, 3);
    view.setBigUint64(STATE + at('bounce'), 0x1122334455667788n, true);
    const seen: string[] = [];
    while (call('mem_write_slow', 0xe000_0006n, 8) === 0) {
      seen.push(`${u64('exitPhysical').toString(16)}:${u32('exitSize')}:${u64('exitValue').toString(16)}`);
      complete(0n);
      view.setBigUint64(STATE + at('bounce'), 0x1122334455667788n, true);
    }
    assert.deepEqual(seen, ['e0000006:2:7788', 'e0000008:4:33445566', 'e000000c:2:1122']);
  });
  test('a read-only slot reads directly and exits on writes', () => {
    protectedMode();
    longMode();
    ram.set64(pte(8), ROM_GPA | 7n);
    at_rip(0x100n, 3);
    assert.equal(call('mem_read_slow', 0x8000n, 4), RAM + RAM_BYTES - 0x10000);
    assert.equal(call('mem_write_slow', 0x8000n, 4), 0);
    assert.equal(u32('exitReason'), 48);
    assert.equal(u64('exitPhysical'), ROM_GPA);
  });
  test('IN checks the I/O permission bitmap, exits, and completes', () => {
    protectedMode(3);
    at_rip(0x100n, 2);
    segment(TR, 0x40, BigInt(TSS), 0x88, 0x8b);
    ram.set16(TSS + 102, 0x68);
    ram.set16(TSS + 0x68 + 0x0c, 0x0002); // port 61h
    assert.equal(call('port_in', 0x61, 1), 1);
    assert.equal(fault(), '13(0)');
    assert.equal(call('port_in', 0x60, 1), 1);
    assert.deepEqual([u32('exitReason'), u64('exitQualification')], [30, 0x60_0008n]);
    complete(0xffabn);
    assert.equal(call('port_in', 0x60, 1), 0);
    assert.equal(scratch(0), 0xabn);
    assert.equal(call('port_in', 0x400, 1), 1); // beyond the bitmap
    assert.equal(fault(), '13(0)');
  });
  test('REP OUTSB exits once per element', () => {
    protectedMode();
    at_rip(0x100n, 2);
    bytes.set([1, 2], RAM + 0x5000);
    setGpr(RCX, 2n);
    setGpr(RSI, 0x5000n);
    setGpr(RDX, 0xe9n);
    assert.equal(call('string_outs', 1, 32, 1, DS), 1);
    assert.deepEqual([u32('exitReason'), u64('exitQualification'), u64('exitValue')], [30, 0xe9_0030n, 1n]);
    complete(0n);
    assert.equal(call('string_outs', 1, 32, 1, DS), 1);
    isLookup(); // one element done: a chunk of its own
    assert.deepEqual([gpr(RCX), gpr(RSI), u64('rip')], [1n, 0x5001n, 0x100n]);
    set64('retired', 1n);
    assert.equal(call('string_outs', 1, 32, 1, DS), 1);
    assert.equal(u64('exitValue'), 2n);
    complete(0n);
    assert.equal(call('string_outs', 1, 32, 1, DS), 0);
    assert.equal(gpr(RCX), 0n);
  });
});

describe('segments', () => {
  test('loads check type, privilege and presence', () => {
    protectedMode(0);
    assert.equal(call('load_segment', DS, 0x10), 0);
    assert.equal(call('load_segment', DS, 0x08), 0); // readable code
    descriptor(7, 0x1234, 0xff, 0x13); // not present data
    assert.equal(call('load_segment', ES, 0x38), 1);
    assert.equal(fault(), '11(56)');
    assert.equal(call('load_segment', SS, 0x38), 1);
    assert.equal(fault(), '12(56)');
    assert.equal(call('load_segment', SS, 0x08), 1);
    assert.equal(fault(), '13(8)');
    assert.equal(call('load_segment', SS, 0), 1);
    assert.equal(fault(), '13(0)');
    assert.equal(call('load_segment', DS, 0x2008), 1); // beyond the GDT
    assert.equal(fault(), '13(8200)');
    assert.equal(call('load_segment', FS, 3), 0);
    assert.equal(accessOf(FS), 0x1_0000);
    protectedMode(3);
    assert.equal(call('load_segment', DS, 0x13), 1);
    assert.equal(fault(), '13(16)');
  });
  test('a load sees what its descriptor has become, whether the TLB has it or not', () => {
    protectedMode(0);
    set32('gdtrLimit', 0x47);
    const load = (n: number, selector: number): string => (call('load_segment', n, selector) ? fault() : 'loaded');
    const shape = (n: number): unknown[] => [selectorOf(n), baseOf(n), limitOf(n), accessOf(n)];
    const attempts: [selector: number, base: number, limit: number, access: number, result: string][] = [
      [0x38, 0x8123_4567, 0x9_8765, 0x4093, 'loaded'],
      [0x38, 0xff00_0001, 0xffff_ffff, 0xc097, 'loaded'], // expand-down
      [0x38, 0, 0xf_ffff, 0x4091, 'loaded'], // read-only
      [0x38, 0, 0xffff_ffff, 0xc013, '11(56)'],
      [0x38, 0, 0xffff_ffff, 0xc083, '13(56)'], // system segment
      [0x38, 0, 0xffff_ffff, 0xc099, '13(56)'], // execute-only
      [0x3b, 0, 0xffff_ffff, 0xc0d3, '13(56)'], // RPL 3, DPL 2
      [0x3b, 0, 0xffff_ffff, 0xc0f3, 'loaded'],
      [0x3c, 0, 0xffff_ffff, 0xc093, '13(60)'], // there is no LDT
      [0x48, 0, 0xffff_ffff, 0xc093, '13(72)'], // behind the limit
    ];
    for (const [selector, base, limit, access, result] of attempts) {
      const done = [false, true].map((cached) => {
        descriptor(selector >> 3, base, limit, access);
        if (!cached) call('tlb_flush_all');
        call('load_segment', GS, 0);
        return [load(GS, selector), ...shape(GS)];
      });
      assert.deepEqual(done[0], done[1], `selector ${selector}, access ${access}`);
      assert.equal(done[0]?.[0], result);
      if (result === 'loaded') assert.deepEqual(done[0], ['loaded', selector, BigInt(base), limit, access]);
    }
    // while RFLAGS.AC lets the kernel see user pages, the tables' page is looked at anew
    descriptor(7, 0, 0xffff_ffff, 0xc093);
    set64('rflags', u64('rflags') | 0x4_0000n);
    assert.deepEqual([load(DS, 0x38), ...shape(DS)], ['loaded', 0x38, 0n, 0xffff_ffff, 0xc093]);
  });
  test('the accessed bit is set, and a segment with a base leaves the flat mode', () => {
    protectedMode(0);
    assert.equal(u32('modeKey') & 8, 8);
    descriptor(7, 0x12345, 0xfff, 0x4092);
    assert.equal(call('load_segment', DS, 0x38), 0);
    assert.equal(ram.get32(GDT + 0x3c) & 0x100, 0x100);
    assert.equal(u32('modeKey') & 8, 0);
    assert.equal(p.segment_linear?.(DS, 0xffcn, 4, 1), 0x13341n);
    assert.equal(p.segment_linear?.(DS, 0xffdn, 4, 1), -1n);
    assert.equal(fault(), '13(0)');
  });
  test('expand-down segments', () => {
    protectedMode(0);
    segment(SS, 0x10, 0x1000n, 0xfff, 0x4097);
    assert.equal(p.segment_linear?.(SS, 0x1000n, 4, 1), 0x2000n);
    assert.equal(p.segment_linear?.(SS, 0xfffn, 4, 1), -1n);
    assert.equal(fault(), '12(0)');
  });
  test('real mode keeps the limit', () => {
    segment(DS, 0, 0n, 0xffffffff, 0x93);
    call('update_mode');
    assert.equal(call('load_segment', DS, 0x1234), 0);
    assert.equal(p.segment_linear?.(DS, 0x1_0000n, 4, 1), 0x2_2340n);
    assert.equal(u32('modeKey') & 0x13, 0x10);
  });
  test('LAR, LSL and VERR', () => {
    protectedMode(3);
    assert.equal(call('lar', 0x1b, 32), 0);
    assert.deepEqual([scratch(0), scratch(1)], [0xc0fb00n, 1n]);
    call('lsl', 0x23, 32);
    assert.deepEqual([scratch(0), scratch(1)], [0xffffffffn, 1n]);
    call('lsl', 0x10, 32);
    assert.equal(scratch(1), 0n);
    call('verr', 0x23);
    assert.equal(scratch(1), 1n);
    call('verw', 0x1b);
    assert.equal(scratch(1), 0n);
  });
});

describe('events', () => {
  const raise = (vector: number, code = 0): void => {
    call('raise', vector, code);
  };
  test('real mode pushes FLAGS, CS, IP', () => {
    segment(CS, 0x1000, 0x1_0000n, 0xffff, 0x9b);
    segment(SS, 0x2000, 0x2_0000n, 0xffff, 0x93);
    set32('idtrLimit', 0x3ff);
    set64('idtrBase', 0n);
    ram.set32(0x21 * 4, 0x3000_0456);
    set64('rflags', 0x302n);
    setGpr(RSP, 0n);
    call('update_mode');
    at_rip(0x123n, 2);
    assert.equal(call('interrupt', 0x21, 0), 1);
    isLookup();
    assert.deepEqual([selectorOf(CS), u64('rip'), gpr(RSP)], [0x3000, 0x456n, 0xfffan]);
    assert.equal(ram.get32(0x2_fffa), 0x1000_0125);
    assert.equal(view.getUint16(RAM + 0x2_fffe, true), 0x302);
    assert.equal(u64('rflags'), 2n);
  });
  test('protected mode: privilege change through the TSS and back with IRET', () => {
    protectedMode(3);
    set64('rflags', 0x202n);
    setGpr(RSP, 0x9000n);
    at_rip(0x5000n, 2);
    ram.set32(TSS + 4, 0x8000);
    ram.set16(TSS + 8, 0x10);
    gate32(13, 0x08, 0x7700, 0x8e);
    gate32(0x80, 0x08, 0x7800, 0xef);
    raise(13, 0x55);
    assert.equal(call('deliver_exception'), 0);
    assert.deepEqual(
      [selectorOf(CS), selectorOf(SS), u32('cpl'), u64('rip'), gpr(RSP)],
      [8, 0x10, 0, 0x7700n, 0x8000n - 24n],
    );
    const frame = Array.from({ length: 6 }, (_, i) => ram.get32(0x8000 - 24 + i * 4));
    assert.deepEqual(frame, [0x55, 0x5000, 0x1b, 0x1_0202, 0x9000, 0x23]);
    assert.equal(u64('rflags'), 2n);
    setGpr(RSP, gpr(RSP) + 4n);
    at_rip(0x7700n, 1);
    assert.equal(call('iret', 32), 1);
    isLookup();
    assert.deepEqual(
      [selectorOf(CS), selectorOf(SS), u32('cpl'), u64('rip'), gpr(RSP), u64('rflags')],
      [0x1b, 0x23, 3, 0x5000n, 0x9000n, 0x202n],
    );
    // INT n through a trap gate keeps IF; through a gate of DPL 0 it is #GP
    at_rip(0x5000n, 2);
    assert.equal(call('interrupt', 0x80, 0), 1);
    isLookup();
    assert.equal(u64('rflags'), 0x202n);
    assert.equal(ram.get32(0x8000 - 20), 0x5002);
    protectedMode(3);
    at_rip(0x5000n, 2);
    assert.equal(call('interrupt', 13, 0), 1);
    assert.equal(fault(), '13(106)');
  });
  test('64-bit: IST, alignment, error code, IRETQ', () => {
    longMode(3);
    setGpr(RSP, 0x9001n);
    set64('rflags', 0x246n & ~0x44n);
    call('flags_set', 0x44);
    ram.set64(TSS + 4, 0x8008n);
    ram.set64(TSS + 36, 0x6008n);
    gate64(14, 0x28, 0xffff_8000_0000_1234n, 0x8e);
    gate64(2, 0x28, 0x4321n, 0x8e, 1);
    at_rip(0x4000n, 4);
    ram.set64(pte(7), 0n);
    assert.equal(call('mem_read_slow', 0x7123n, 1), 0);
    ram.set64(pte(7), 0x7007n);
    assert.equal(call('deliver_exception'), 0);
    assert.deepEqual(
      [u64('cr2'), u64('rip'), gpr(RSP), selectorOf(SS), u32('cpl')],
      [0x7123n, 0xffff_8000_0000_1234n, 0x8000n - 48n, 0, 0],
    );
    assert.deepEqual(
      Array.from({ length: 6 }, (_, i) => ram.get64(0x8000 - 48 + i * 8)),
      [4n, 0x4000n, 0x33n, 0x1_0246n, 0x9001n, 0x23n],
    );
    setGpr(RSP, gpr(RSP) + 8n);
    assert.equal(call('iret', 64), 1);
    isLookup();
    assert.deepEqual(
      [u64('rip'), gpr(RSP), selectorOf(CS), selectorOf(SS), u32('cpl'), call('flags_get')],
      [0x4000n, 0x9001n, 0x33, 0x23, 3, 0x44],
    );
    set32('injectPending', 0x8000_0202);
    assert.equal(call('inject_event'), 0);
    assert.deepEqual([u64('rip'), gpr(RSP), u32('nmiBlocked')], [0x4321n, 0x6000n - 40n, 1]);
    assert.equal(call('iret', 64), 1);
    assert.equal(u32('nmiBlocked'), 0);
    assert.equal(u32('cpl'), 3);
  });
  test('double and triple faults', () => {
    protectedMode();
    setGpr(RSP, 0x8000n);
    at_rip(0x5000n, 2);
    gate32(8, 0x08, 0x8800, 0x8e);
    raise(13, 0);
    assert.equal(call('deliver_exception'), 0); // the #GP gate is absent: #NP, so #DF
    assert.equal(u64('rip'), 0x8800n);
    assert.equal(ram.get32(0x7ff0), 0);
    gate32(8, 0x08, 0, 0x0e);
    raise(13, 0);
    assert.equal(call('deliver_exception'), 1);
    assert.equal(u32('exitReason'), 2);
    assert.equal(u32('unwind'), UNWIND.exit);
  });
  test('the exception bitmap makes an exit that leaves CR2 alone', () => {
    longMode();
    set32('exceptionBitmap', 1 << 14);
    at_rip(0x4000n, 4);
    call('mem_read_slow', 0x60_0000n, 1);
    assert.equal(call('deliver_exception'), 1);
    assert.deepEqual(
      [u32('exitReason'), u32('exitInterruption'), u64('exitQualification'), u64('cr2')],
      [0, 0x8000_0b0e, 0x60_0000n, 0n],
    );
  });
  test('virtual-8086: out through an interrupt gate, back with IRET', () => {
    protectedMode(0);
    set64('rflags', 0x2_3002n);
    segment(CS, 0x100, 0x1000n, 0xffff, 0xf3);
    segment(SS, 0x200, 0x2000n, 0xffff, 0xf3);
    for (const n of [ES, DS, FS, GS]) segment(n, 0x300 + n, BigInt(0x3000 + n * 16), 0xffff, 0xf3);
    set32('cpl', 3);
    call('update_mode');
    setGpr(RSP, 0x100n);
    at_rip(0x50n, 2);
    ram.set32(TSS + 4, 0x8000);
    ram.set16(TSS + 8, 0x10);
    gate32(0x30, 0x08, 0x7700, 0xee);
    assert.equal(call('interrupt', 0x30, 0), 1);
    isLookup();
    assert.deepEqual([u32('cpl'), gpr(RSP), selectorOf(DS), accessOf(DS)], [0, 0x8000n - 36n, 0, 0x1_0000]);
    assert.deepEqual(
      Array.from({ length: 9 }, (_, i) => ram.get32(0x8000 - 36 + i * 4)),
      [0x52, 0x100, 0x2_3002, 0x100, 0x200, 0x300, 0x303, 0x304, 0x305],
    );
    at_rip(0x7700n, 1);
    assert.equal(call('iret', 32), 1);
    isLookup();
    assert.deepEqual(
      [u32('cpl'), u64('rip'), selectorOf(CS), selectorOf(GS), gpr(RSP), u64('rflags')],
      [3, 0x52n, 0x100, 0x305, 0x100n, 0x2_3002n],
    );
    set64('rflags', 0x2_0002n);
    at_rip(0x50n, 2);
    assert.equal(call('interrupt', 0x30, 0), 1); // IOPL 0
    assert.equal(fault(), '13(0)');
  });
  test('single step: the trap follows the instruction', () => {
    protectedMode();
    setGpr(RSP, 0x8000n);
    set64('rflags', 0x102n);
    set64('dr', 0n);
    gate32(1, 0x08, 0x1111, 0x8e);
    assert.equal(call('single_step_begin'), 1);
    set64('rip', 0x501n);
    set64('retired', 1n);
    assert.equal(call('single_step_end'), 0);
    assert.equal(u64('rip'), 0x1111n);
    assert.equal(ram.get32(0x8000 - 12), 0x501);
    assert.equal(view.getBigUint64(STATE + at('dr') + 48, true) & 0x4000n, 0x4000n);
    assert.equal(ram.get32(0x8000 - 4), 0x102);
  });
});

describe('transfers', () => {
  test('far jump checks privilege', () => {
    protectedMode(0);
    at_rip(0x100n, 7);
    assert.equal(call('far_jump', 0x08, 0x1234n, 32), 1);
    isLookup();
    assert.equal(u64('rip'), 0x1234n);
    assert.equal(call('far_jump', 0x18, 0n, 32), 1);
    assert.equal(fault(), '13(24)');
    assert.equal(call('far_jump', 0, 0n, 32), 1);
    assert.equal(fault(), '13(0)');
  });
  test('call gate to an inner level with parameters, and the far return', () => {
    protectedMode(3);
    setGpr(RSP, 0x9000n);
    ram.set32(0x9000, 0xaaaa);
    ram.set32(0x9004, 0xbbbb);
    ram.set32(TSS + 4, 0x8000);
    ram.set16(TSS + 8, 0x10);
    ram.set32(GDT + 0x38, (0x08 << 16) | 0x4000);
    ram.set32(GDT + 0x3c, 0xec02);
    at_rip(0x100n, 7);
    assert.equal(call('far_call', 0x3b, 0n, 32), 1);
    isLookup();
    assert.deepEqual([u32('cpl'), u64('rip'), gpr(RSP)], [0, 0x4000n, 0x8000n - 24n]);
    assert.deepEqual(
      Array.from({ length: 6 }, (_, i) => ram.get32(0x8000 - 24 + i * 4)),
      [0x107, 0x1b, 0xaaaa, 0xbbbb, 0x9000, 0x23],
    );
    at_rip(0x4000n, 3);
    assert.equal(call('far_return', 32, 8), 1);
    isLookup();
    assert.deepEqual([u32('cpl'), u64('rip'), gpr(RSP), accessOf(DS) & 0x1_0000], [3, 0x107n, 0x9008n, 0]);
  });
  test('SYSCALL and SYSRET', () => {
    longMode(3);
    set64('star', (0x23n << 48n) | (0x28n << 32n));
    set64('lstar', 0xffff_ffff_8000_0000n);
    set64('fmask', 0x700n);
    set64('rflags', 0x202n);
    at_rip(0x4000n, 2);
    assert.equal(call('syscall'), 1);
    assert.deepEqual(
      [u64('rip'), gpr(RCX), gpr(11), u64('rflags'), selectorOf(CS), selectorOf(SS), u32('cpl')],
      [0xffff_ffff_8000_0000n, 0x4002n, 0x202n, 2n, 0x28, 0x30, 0],
    );
    assert.equal(u32('tlb'), STATE + AREA.tlbSupervisor);
    assert.equal(call('sysret', 64), 1);
    assert.deepEqual(
      [u64('rip'), u64('rflags'), selectorOf(CS), selectorOf(SS), u32('cpl')],
      [0x4002n, 0x202n, 0x33, 0x2b, 3],
    );
    assert.equal(u32('tlb'), STATE + AREA.tlbUser);
  });
  test('a task switch by CALL saves and loads everything, IRET goes back', () => {
    protectedMode(0);
    descriptor(8, TSS, 0x67, 0x8b);
    descriptor(9, 0x6000, 0x67, 0x89);
    for (const [offset, value] of [
      [0x20, 0x7777],
      [0x24, 2],
      [0x38, 0xa000],
      [0x28, 0x11],
    ] as const)
      ram.set32(0x6000 + offset, value);
    for (const [n, s] of [
      [0, 0x10],
      [1, 0x08],
      [2, 0x10],
      [3, 0x10],
      [4, 0],
      [5, 0],
    ] as const)
      ram.set16(0x6000 + 0x48 + n * 4, s);
    setGpr(RAX, 0x99n);
    setGpr(RSP, 0x8000n);
    at_rip(0x100n, 7);
    assert.equal(call('far_call', 0x48, 0n, 32), 1);
    isLookup();
    assert.deepEqual(
      [u64('rip'), gpr(RAX), gpr(RSP), selectorOf(TR), u64('rflags') & 0x4000n],
      [0x7777n, 0x11n, 0xa000n, 0x48, 0x4000n],
    );
    assert.deepEqual(
      [ram.get32(TSS + 0x20), ram.get32(TSS + 0x28), view.getUint16(RAM + 0x6000, true)],
      [0x107, 0x99, 0x40],
    );
    assert.equal((ram.get32(GDT + 0x4c) >> 8) & 0xf, 0xb);
    assert.equal(u64('cr0') & 8n, 8n);
    at_rip(0x7777n, 1);
    assert.equal(call('iret', 32), 1);
    isLookup();
    assert.deepEqual(
      [u64('rip'), gpr(RAX), gpr(RSP), selectorOf(TR), u64('rflags')],
      [0x107n, 0x99n, 0x8000n, 0x40, 2n],
    );
    assert.equal((ram.get32(GDT + 0x4c) >> 8) & 0xf, 0x9);
  });
});

describe('string instructions', () => {
  test('REP MOVSB copies by page runs and ends its chunk', () => {
    protectedMode();
    at_rip(0x100n, 2);
    for (let i = 0; i < 10_000; i++) bytes[RAM + 0x5_0000 + i] = i % 251;
    setGpr(RSI, 0x5_0000n);
    setGpr(RDI, 0x6_0123n);
    setGpr(RCX, 10_000n);
    let chunks = 1;
    while (call('string_movs', 1, 32, 1, DS) === 1) {
      isLookup();
      assert.equal(u64('rip'), 0x100n);
      chunks++;
    }
    assert.equal(chunks, 3);
    assert.equal(gpr(RCX), 0n);
    assert.equal(gpr(RDI), 0x6_0123n + 10_000n);
    assert.deepEqual(
      bytes.slice(RAM + 0x6_0123, RAM + 0x6_0123 + 10_000),
      bytes.slice(RAM + 0x5_0000, RAM + 0x5_0000 + 10_000),
    );
  });
  test('an overlapping copy repeats the pattern', () => {
    protectedMode();
    at_rip(0x100n, 2);
    bytes.set([1, 2, 3], RAM + 0x5000);
    setGpr(RSI, 0x5000n);
    setGpr(RDI, 0x5003n);
    setGpr(RCX, 7n);
    assert.equal(call('string_movs', 1, 32, 1, DS), 0);
    assert.deepEqual([...bytes.slice(RAM + 0x5000, RAM + 0x500a)], [1, 2, 3, 1, 2, 3, 1, 2, 3, 1]);
  });
  test('a fault leaves the registers of the completed iterations', () => {
    longMode();
    at_rip(0x100n, 2);
    ram.set64(pte(0x51), 0n);
    setGpr(RAX, 0x1122n);
    setGpr(RDI, 0x5_0ff8n);
    setGpr(RCX, 16n);
    assert.equal(call('string_stos', 2, 64, 1, ES), 1);
    assert.equal(fault(), '14(2)');
    assert.deepEqual([gpr(RCX), gpr(RDI), u64('exceptionAddress')], [12n, 0x5_1000n, 0x5_1000n]);
    assert.equal(ram.get64(0x5_0ff8), 0x1122112211221122n);
  });
  test('REPNE SCASB finds a byte, REPE CMPSW a difference; DF runs backwards', () => {
    protectedMode();
    at_rip(0x100n, 2);
    bytes.set(
      [...'hello\0'].map((c) => c.charCodeAt(0)),
      RAM + 0x5000,
    );
    setGpr(RDI, 0x5000n);
    setGpr(RCX, 0xffffffffn);
    setGpr(RAX, 0n);
    assert.equal(call('string_scas', 1, 32, 2, ES), 0);
    assert.deepEqual([gpr(RDI), gpr(RCX), call('flags_get') & 0x40], [0x5006n, 0xfffffff9n, 0x40]);
    ram.set64(0x6000, 0x0004_0003_0002_0001n);
    ram.set64(0x6100, 0x0004_0003_0009_0001n);
    set64('rflags', 0x402n);
    setGpr(RSI, 0x6006n);
    setGpr(RDI, 0x6106n);
    setGpr(RCX, 4n);
    assert.equal(call('string_cmps', 2, 32, 1, DS), 0);
    assert.deepEqual([gpr(RSI), gpr(RCX), call('flags_get') & 0x41], [0x6000n, 1n, 1]);
  });
  test('16-bit addresses wrap', () => {
    segment(ES, 0, 0n, 0xffff, 0x93);
    call('update_mode');
    at_rip(0x100n, 2);
    setGpr(RDI, 0x1_fffen);
    setGpr(RCX, 3n);
    setGpr(RAX, 0x77n);
    assert.equal(call('string_stos', 1, 16, 1, ES), 0);
    assert.deepEqual([gpr(RDI), bytes[RAM + 0xffff], bytes[RAM]], [0x1_0001n, 0x77, 0x77]);
  });
});

describe('system', () => {
  test('CR0 with mask and shadow: exit on a difference, own bits written', () => {
    protectedMode();
    at_rip(0x100n, 3);
    set64('cr0Mask', 0x20n);
    set64('cr0Shadow', 0x20n);
    assert.equal(call('mov_from_cr', 0), 0);
    assert.equal(scratch(0), 0x31n);
    assert.equal(call('mov_to_cr', 0, 0x3bn), 0);
    assert.equal(u64('cr0'), 0x1bn);
    assert.equal(call('mov_to_cr', 0, 0x11n), 1);
    assert.deepEqual([u32('exitReason'), u32('exitDetail'), u64('exitValue')], [28, 0, 0x11n]);
    protectedMode(3);
    assert.equal(call('mov_to_cr', 0, 0x11n), 1);
    assert.equal(fault(), '13(0)');
  });
  test('entering and leaving IA-32e mode', () => {
    protectedMode();
    set64('cr3', BigInt(PML4));
    assert.equal(call('mov_to_cr', 4, 0x20n), 0);
    set64('efer', 0x100n);
    assert.equal(call('mov_to_cr', 0, 0x8000_0011n), 0);
    assert.equal(u64('efer'), 0x500n);
    assert.equal(u32('lma'), 1);
    assert.equal(u32('modeKey') & 3, 1); // compatibility mode until CS.L
    assert.equal(call('mov_to_cr', 4, 0n), 1);
    assert.equal(fault(), '13(0)');
    assert.equal(call('mov_to_cr', 0, 0x11n), 0);
    assert.equal(u64('efer'), 0x100n);
  });
  test('MSRs: kept ones inside, others exit and replay', () => {
    longMode();
    at_rip(0x100n, 2);
    set32('primary', 1 << 28);
    set32('msrBitmap', STATE + AREA.msrBitmap);
    setGpr(RCX, 0xc000_0101n);
    setGpr(RAX, 0x5678n);
    setGpr(RDX, 0xffff_8000n);
    assert.equal(call('wrmsr'), 0);
    assert.equal(view.getBigUint64(STATE + segmentOffset(GS) + SEGMENT_ENTRY.base, true), 0xffff_8000_0000_5678n);
    setGpr(RDX, 0x8000n);
    assert.equal(call('wrmsr'), 1);
    assert.equal(fault(), '13(0)');
    setGpr(RCX, 0x1bn);
    assert.equal(call('rdmsr'), 1);
    assert.deepEqual([u32('exitReason'), u32('exitDetail')], [31, 0x1b]);
    view.setBigUint64(STATE + at('replay') + REPLAY.value, 0x1_fee0_0900n, true);
    set32('replayCount', 1);
    assert.equal(call('rdmsr'), 0);
    assert.deepEqual([gpr(RAX), gpr(RDX)], [0xfee0_0900n, 1n]);
  });
  test('RDTSC in virtual time counts instructions', () => {
    protectedMode();
    at_rip(0x100n, 2);
    set64('retired', 1000n);
    set32('budgetLoaded', 500);
    set32('budget', 490);
    view.setUint8(TABLES + RECORD.order, 7);
    set64('tscOffset', 5n);
    assert.equal(call('rdtsc'), 0);
    assert.deepEqual([scratch(0), scratch(1)], [1022n, 0n]);
  });
  test('FXSAVE and FXRSTOR round trip', () => {
    longMode();
    set64('cr4', 0x220n);
    set32('fcw', 0x37f);
    set32('fsw', 0x3800);
    set32('ftags', 0x80);
    set32('mxcsr', 0x1f80);
    view.setBigUint64(STATE + at('fpr') + 7 * 16, 0x8000_0000_0000_0000n, true);
    view.setUint16(STATE + at('fpr') + 7 * 16 + 8, 0x3fff, true);
    view.setBigUint64(STATE + at('xmm') + 15 * 16 + 8, 0xabcdn, true);
    assert.equal(call('fxsave', 0x5000n, 64), 0);
    assert.equal(ram.get64(0x5020), 0x8000_0000_0000_0000n); // ST(0)
    assert.equal(ram.get64(0x50a0 + 15 * 16 + 8), 0xabcdn);
    assert.equal(ram.get32(0x5018), 0x1f80);
    const before = bytes.slice(STATE + at('fpr'), STATE + at('scratch'));
    for (const name of ['fcw', 'fsw', 'ftags', 'mxcsr']) set32(name, 0);
    bytes.fill(0, STATE + at('fpr'), STATE + at('fpr') + 128 + 256);
    assert.equal(call('fxrstor', 0x5000n, 64), 0);
    assert.deepEqual(bytes.slice(STATE + at('fpr'), STATE + at('scratch')), before);
    assert.equal(call('fxsave', 0x5008n, 64), 1);
    assert.equal(fault(), '13(0)');
  });
  test('FXSAVE across a page border checks both pages first, and walks once', () => {
    longMode();
    set64('cr4', 0x220n);
    set32('mxcsr', 0x1f80);
    ram.set64(pte(9), 0x9005n);
    assert.equal(call('fxsave', 0x8f00n, 64), 1);
    assert.equal(fault(), '14(3)');
    assert.equal(ram.get32(0x8f18), 0);
    ram.set64(pte(9), 0xa007n);
    assert.equal(call('fxsave', 0x8f00n, 64), 0);
    assert.equal(ram.get32(0x8f18), 0x1f80);
    const misses = u64('tlbMisses');
    view.setBigUint64(STATE + at('xmm') + 15 * 16, 0x1234n, true);
    assert.equal(call('fxsave', 0x8f00n, 64), 0);
    assert.equal(ram.get64(0xa000 + 0xa0 - 0x100 + 15 * 16), 0x1234n);
    assert.equal(u64('tlbMisses'), misses);
    // the second page becomes read-only, the first is in the TLB
    ram.set64(pte(9), 0xa005n);
    call('invlpg', 0x9000n);
    view.setBigUint64(STATE + at('xmm'), 0x5678n, true);
    assert.equal(call('fxsave', 0x8f00n, 64), 1);
    assert.equal(fault(), '14(3)');
    assert.notEqual(ram.get64(0x8fa0), 0x5678n);
  });
  test('CMPXCHG8B and CMPXCHG16B', () => {
    longMode();
    ram.set64(0x5000, 0x2222_2222_1111_1111n);
    ram.set64(0x5008, 7n);
    setGpr(RAX, 0x1111_1111n);
    setGpr(RDX, 0x2222_2222n);
    setGpr(3, 0xbbbbn);
    setGpr(RCX, 0xccccn);
    assert.equal(call('cmpxchg8b', 0x5000n), 0);
    assert.equal(ram.get64(0x5000), 0xcccc_0000_bbbbn);
    assert.equal(call('flags_get') & 0x40, 0x40);
    assert.equal(call('cmpxchg16b', 0x5000n), 0);
    assert.deepEqual([gpr(RAX), gpr(RDX), call('flags_get') & 0x40], [0xcccc_0000_bbbbn, 7n, 0]);
    assert.equal(call('cmpxchg16b', 0x5000n), 0);
    assert.deepEqual([ram.get64(0x5000), ram.get64(0x5008)], [0xbbbbn, 0xccccn]);
    assert.equal(call('cmpxchg16b', 0x5008n), 1);
    assert.equal(fault(), '13(0)');
  });
  test('ENTER with nesting copies frame pointers', () => {
    protectedMode();
    setGpr(RSP, 0x8000n);
    setGpr(5, 0x9000n);
    ram.set32(0x8ffc, 0x1234);
    assert.equal(call('enter', 16, 2, 32), 0);
    assert.deepEqual([ram.get32(0x7ffc), ram.get32(0x7ff8), ram.get32(0x7ff4)], [0x9000, 0x1234, 0x7ffc]);
    assert.deepEqual([gpr(5), gpr(RSP)], [0x7ffcn, 0x7ff4n - 16n]);
  });
});
