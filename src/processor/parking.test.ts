// What address spaces keep over loads of CR3 (core/parking.ts): procedures.wasm with hand-made tables for several PCIDs.
// Intel SDM Vol. 3A: "Process-Context Identifiers (PCIDs)", "Operations that Invalidate TLBs and Paging-Structure Caches".
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  AREA,
  at,
  BLOCK,
  JUMP_ENTRIES,
  JUMP_ENTRY,
  NOTED_TRANSLATIONS,
  PARKED_SPACES,
  PARKED_TRANSLATIONS,
  RECORD,
  SEGMENT_ENTRY,
  SHARED,
  SLOT,
  segmentOffset,
  TLB_ENTRIES,
  TLB_ENTRY,
} from './state-layout.js';

const dist = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const STATE = 0x1_0000;
const TABLES = 0x12_0000;
const RAM = 0x20_0000;
const RAM_BYTES = 0x80_0000;
const CROSSING = 0xa1_0000;
const REGION_HEAD = 0xa4_0000;
const WRITE_NOTES = 0xa6_0000;
const SHARED_WORDS = 0xa8_0000;
const DESCRIPTOR = 0xff00;
const ARENA = 0xb0_0000;
const ARENA_END = 0xf0_0000;
const [COUNTED, STALE] = [7, 99];
const memory = new WebAssembly.Memory({ initial: 256, maximum: 65536, shared: true });
const file = readFileSync(join(dist, 'procedures.wasm'));
const view = new DataView(memory.buffer);
const bytes = new Uint8Array(memory.buffer);
const words = new Uint32Array(memory.buffer);
const instance = await WebAssembly.instantiate(new WebAssembly.Module(file as Uint8Array<ArrayBuffer>), {
  env: {
    memory,
    state: new WebAssembly.Global({ value: 'i32', mutable: false }, STATE),
    host_clock: () => 0,
    // a block of one record, four bytes of code
    build_block: (_host: number, block: number) => {
      bytes.fill(0, block, block + 64);
      view.setUint16(block + BLOCK.count, 1, true);
      view.setUint16(block + BLOCK.sizeBytes + RECORD.handler, COUNTED, true);
      set32('arenaNext', block + 64);
      return 4;
    },
    block_hot: () => undefined,
  },
});
type Procedure = (...args: (number | bigint)[]) => number | bigint;
const p = instance.exports as unknown as Record<string, Procedure>;
const call = (name: string, ...args: (number | bigint)[]): number => Number((p[name] as Procedure)(...args));
const u32 = (name: string): number => view.getUint32(STATE + at(name), true);
const u64 = (name: string): bigint => view.getBigUint64(STATE + at(name), true);
const set32 = (name: string, v: number): void => view.setUint32(STATE + at(name), v >>> 0, true);
const set64 = (name: string, v: bigint): void => view.setBigUint64(STATE + at(name), BigInt.asUintN(64, v), true);
const done = (name: string, ...args: (number | bigint)[]): void => assert.equal(call(name, ...args), 0, name);

const [CS, SS] = [1, 2];
const [RAX, RCX, RDX] = [0, 1, 2];
const KEEP = 1n << 63n;
const GLOBAL = 0x100n;
const LARGE = 0x83n;
const [CR4_PGE, CR4_PCIDE, CR4_SMEP, CR4_SMAP] = [0x80n, 0x2_0000n, 0x10_0000n, 0x20_0000n];
const SPACES = PARKED_SPACES + 3;
/** Tables of a space, a page each: four levels, and those of linear 4 MiB and following, which all spaces share with it. */
const rootOf = (pcid: number): number => 0x4_0000 + pcid * 0x4000;
const pte = (pcid: number, page: number): number => rootOf(pcid) + 0x3000 + page * 8;
const pde = (pcid: number, n: number): number => rootOf(pcid) + 0x2000 + n * 8;
const ram64 = (gpa: number): bigint => view.getBigUint64(RAM + gpa, true);
const setRam64 = (gpa: number, v: bigint): void => view.setBigUint64(RAM + gpa, BigInt.asUintN(64, v), true);
/** Guest-physical frames that pages are mapped to. */
const FRAMES = 0x10_0000;
const frame = (n: number): bigint => BigInt(FRAMES + n * 4096);

function segment(n: number, selector: number, access: number): void {
  const s = STATE + segmentOffset(n);
  view.setUint32(s + SEGMENT_ENTRY.selector, selector, true);
  view.setUint32(s + SEGMENT_ENTRY.access, access, true);
  view.setBigUint64(s + SEGMENT_ENTRY.limit, 0xffff_ffffn, true);
}
function level(cpl: 0 | 3): void {
  segment(CS, cpl ? 0x33 : 0x28, 0xa09b | (cpl << 5));
  segment(SS, cpl ? 0x23 : 0x10, 0xc093 | (cpl << 5));
  set32('cpl', cpl);
  call('update_mode');
}
/** Every space maps linear 0-2 MiB to 256 frames, others in each; user pages below 1 MiB. PCID 0 is in use. */
function reset(): void {
  bytes.fill(0, STATE, STATE + AREA.sizeBytes);
  bytes.fill(0, TABLES, ARENA);
  const slot = STATE + at('slots');
  view.setBigUint64(slot + SLOT.sizeBytesField, BigInt(RAM_BYTES), true);
  view.setUint32(slot + SLOT.host, RAM, true);
  set32('slotCount', 1);
  set32('codeMap', TABLES + 0x1000);
  set32('codeHead', TABLES + 0x8000);
  set32('blockHash', TABLES + 0xc000);
  set32('ramHost', RAM);
  set32('ramPages', RAM_BYTES >> 12);
  set32('crossing', CROSSING);
  set32('regionHead', REGION_HEAD);
  set32('writeNotes', WRITE_NOTES);
  set32('shared', SHARED_WORDS);
  assert.ok(SHARED_WORDS + SHARED.sizeBytes <= ARENA);
  set32('arena', ARENA);
  set32('arenaEnd', ARENA_END);
  set32('arenaNext', ARENA);
  set32('staleHandler', STALE);
  set32('firstArea', STATE);
  set32('vcpuCount', 1);
  set64('rflags', 2n);
  set64('physicalMask', (1n << 40n) - 1n);
  set64('cr0', 0x8001_0011n);
  set64('cr3', BigInt(rootOf(0)));
  set64('cr4', 0x20n | CR4_PGE | CR4_PCIDE);
  set64('efer', 0xd01n);
  set32('budget', 100_000);
  set32('budgetLoaded', 100_000);
  for (let s = 0; s < SPACES; s++) {
    const root = rootOf(s);
    for (let n = 0; n < 3; n++) setRam64(root + n * 4096, BigInt(root + (n + 1) * 4096) | 7n);
    for (let n = 0; n < 512; n++) setRam64(pte(s, n), frame((n * 3 + s * 17) % 256) | (n < 256 ? 7n : 3n));
    setRam64(pte(s, 511), BigInt(DESCRIPTOR & ~0xfff) | 0x63n | GLOBAL);
  }
  call('tlb_flush_all');
  level(0);
}
beforeEach(reset);

const read = (linear: number): boolean => call('mem_read_slow', BigInt(linear), 4) !== 0;
const write = (linear: number): boolean => call('mem_write_slow', BigInt(linear), 4) !== 0;
/** Host address of the code that the jump cache or the TLB finds at `linear`; 0: a fault. */
function fetch(linear: number): number {
  set64('rip', BigInt(linear));
  set32('unwind', 0);
  call('deliveries_clear');
  set64('idtrBase', 0n);
  const record = call('enter_code');
  return record === 0 ? 0 : Number(view.getBigUint64(record - BLOCK.sizeBytes + BLOCK.key, true) >> 8n);
}
/** Loads CR3 with a PCID and its tables. */
const load = (pcid: number, keep = KEEP): void => done('mov_to_cr', 3, keep | BigInt(rootOf(pcid) | pcid));
/** INVPCID with a descriptor in the last page of the tables. */
function invpcid(type: number, pcid = 0, linear = 0): void {
  setRam64(DESCRIPTOR, BigInt(pcid));
  setRam64(DESCRIPTOR + 8, BigInt(linear));
  const cpl = u32('cpl') as 0 | 3;
  level(0);
  done('invpcid', BigInt(type), BigInt((511 << 12) | (DESCRIPTOR & 0xfff)));
  level(cpl);
}
const entryOf = (linear: number, user = false): number =>
  STATE + (user ? AREA.tlbUser : AREA.tlbSupervisor) + ((linear >>> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY.sizeBytes;
/** Tags of the page at `linear`: r, w, x; others are another page's or none. */
function tags(linear: number, user = false): string {
  const page = BigInt(linear - (linear % 4096));
  return (
    [
      ['r', TLB_ENTRY.readTag],
      ['w', TLB_ENTRY.writeTag],
      ['x', TLB_ENTRY.execTag],
    ] as const
  )
    .filter(([, tag]) => view.getBigUint64(entryOf(linear, user) + tag, true) === page)
    .map(([name]) => name)
    .join('');
}
const jumpOf = (linear: number, cache: number = AREA.jumpUser): boolean =>
  view.getBigUint64(STATE + cache + ((linear ^ (linear >>> 12)) & (JUMP_ENTRIES - 1)) * JUMP_ENTRY.sizeBytes, true) ===
  BigInt(linear);

/** Fills the TLB in space 1 and leaves for space 2. */
function parkPages(...pages: number[]): void {
  load(1, 0n);
  for (const n of pages) assert.ok(write(n << 12));
  load(2);
  for (const n of pages) assert.equal(tags(n << 12), '');
}

describe('a load of CR3', () => {
  test('with bit 63 brings back what the PCID had, without a walk', () => {
    load(1, 0n);
    write(0x5000);
    level(3);
    read(0x6000);
    assert.equal(fetch(0x7010), RAM + Number(frame((7 * 3 + 17) % 256)) + 0x10);
    level(0);
    load(2);
    for (const linear of [0x5000, 0x6000, 0x7000]) assert.deepEqual([tags(linear), tags(linear, true)], ['', '']);
    assert.equal(jumpOf(0x7010), false);
    read(0x5000);
    load(1);
    const misses = u64('tlbMisses');
    assert.deepEqual([tags(0x5000), tags(0x6000, true), tags(0x7000, true)], ['rwx', 'rx', 'rx']);
    assert.equal(call('mem_read_slow', 0x5004n, 4), RAM + Number(frame((5 * 3 + 17) % 256)) + 4);
    assert.ok(jumpOf(0x7010));
    level(3);
    assert.equal(fetch(0x7010), RAM + Number(frame((7 * 3 + 17) % 256)) + 0x10);
    assert.equal(u64('tlbMisses'), misses);
    level(0);
    for (let n = 0; n < 9; n++) {
      load(2);
      load(1);
    }
    assert.deepEqual([tags(0x7000, true), jumpOf(0x7010)], ['rx', true]);
    load(1, 0n);
    assert.deepEqual([tags(0x5000), tags(0x6000, true), tags(0x7000, true)], ['', '', '']);
    assert.equal(jumpOf(0x7010), false);
  });
  test('without bit 63 forgets what its PCID has, and nothing of the one before', () => {
    parkPages(5, 6);
    read(0x8000);
    setRam64(pte(1, 5), frame(200) | 7n);
    load(1, 0n);
    assert.deepEqual([tags(0x5000), tags(0x6000)], ['', '']);
    assert.equal(call('mem_read_slow', 0x5000n, 4), RAM + Number(frame(200)));
    load(2);
    assert.equal(tags(0x8000), 'rx');
    load(1);
    assert.equal(call('mem_read_slow', 0x5000n, 4), RAM + Number(frame(200)));
  });
  test('of the PCID in use forgets, without bit 63; global pages stay', () => {
    load(1, 0n);
    setRam64(pte(1, 300), frame(3) | 3n | GLOBAL);
    for (const n of [5, 300]) read(n << 12);
    load(1);
    assert.deepEqual([tags(0x5000), tags(300 << 12)], ['rx', 'rx']);
    load(1, 0n);
    assert.deepEqual([tags(0x5000), tags(300 << 12)], ['', 'rx']);
    load(2);
    assert.equal(tags(300 << 12), 'rx');
    invpcid(2);
    load(1);
    assert.deepEqual([tags(0x5000), tags(300 << 12)], ['', '']);
  });
  test('leaves a global page its place', () => {
    const far = 0x5000 + TLB_ENTRIES * 4096;
    for (const s of [1, 2]) {
      setRam64(pde(s, far >>> 21), BigInt(rootOf(1) + 0x3000) | 7n);
      setRam64(pte(1, 5), frame(9) | 7n | GLOBAL);
    }
    setRam64(pte(2, 5), frame(10) | 7n);
    load(2, 0n);
    write(0x5000);
    load(1, 0n);
    read(far);
    load(2);
    assert.deepEqual([tags(0x5000), tags(far)], ['', 'rx']);
    // a place that was a local page's
    read(0x5000);
    read(far);
    load(3);
    assert.equal(tags(far), 'rx');
  });
  test(`of more than ${PARKED_SPACES} other PCIDs forgets the one that was left longest ago`, () => {
    for (let s = 0; s <= PARKED_SPACES; s++) {
      load(s, 0n);
      read(0x5000 + s * 4096);
    }
    // eight are parked, 0 longest of all: it comes back, and 1 goes for the one that was left
    for (const n of [0, 2, 3, 4, 5, 6, 7, 8]) {
      load(n);
      assert.equal(tags(0x5000 + n * 4096), 'rx', `PCID ${n}`);
    }
    load(1);
    assert.equal(tags(0x6000), '');
  });
  test('brings an entry back 15 times, then it has to be walked for', () => {
    load(1, 0n);
    read(0x5000);
    let stays = 0;
    for (let n = 0; n < 40; n++) {
      load(2);
      load(1);
      if (tags(0x5000) === '') break;
      stays++;
    }
    assert.equal(stays, 15);
    read(0x5000);
    load(2);
    load(1);
    assert.equal(tags(0x5000), 'rx');
  });
  test('keeps the newest of many, and none of more than the list has room for', () => {
    const count = PARKED_TRANSLATIONS + 40;
    load(1, 0n);
    for (let n = 0; n < count; n++) assert.ok(read(n << 12));
    load(2);
    for (let n = 0; n < count; n++) assert.equal(tags(n << 12), '');
    load(1);
    for (let n = 0; n < count; n++) assert.equal(tags(n << 12), n < 40 ? '' : 'rx', `page ${n}`);
    for (let n = 0; n <= NOTED_TRANSLATIONS; n++) {
      call('invlpg', 0x5000n);
      assert.ok(read(0x5000));
    }
    load(2);
    load(1);
    for (let n = 0; n < count; n++) assert.equal(tags(n << 12), '');
  });
});

describe('what invalidates', () => {
  /** Pages 5 and 6 of space 1 are parked; `act` runs in space 2. What of them is there on return. */
  const after = (act: () => void): string[] => {
    parkPages(5, 6);
    act();
    load(1);
    return [tags(0x5000), tags(0x6000)];
  };
  const both = ['rwx', 'rwx'];
  const none = ['', ''];
  test('INVPCID of an address of a PCID', () => {
    assert.deepEqual(
      after(() => invpcid(0, 1, 0x5123)),
      ['', 'rwx'],
    );
    assert.deepEqual(
      after(() => invpcid(0, 2, 0x5123)),
      both,
    );
    assert.deepEqual(
      after(() => invpcid(0, 3, 0x5123)),
      both,
    );
  });
  test('INVPCID of an address: the new mapping is seen, also by jumps', () => {
    load(1, 0n);
    level(3);
    for (const n of [5, 6]) assert.notEqual(fetch((n << 12) + 8), 0);
    level(0);
    load(2);
    setRam64(pte(1, 5), frame(99) | 7n);
    invpcid(0, 1, 0x5fff);
    load(1);
    assert.deepEqual([jumpOf(0x5008), jumpOf(0x6008)], [false, true]);
    level(3);
    assert.equal(fetch(0x5008), RAM + Number(frame(99)) + 8);
  });
  test('INVPCID of any address of a large page', () => {
    setRam64(pde(1, 1), 0x20_0000n | LARGE | 4n);
    // PDPTE 1: a page of 1 GiB
    setRam64(rootOf(1) + 0x1000 + 8, LARGE | 4n);
    load(1, 0n);
    level(3);
    for (const linear of [0x20_3000, 0x21_5000, 0x4010_0000, 0x4020_0000]) assert.notEqual(fetch(linear), 0);
    assert.notEqual(fetch(0x5000), 0);
    level(0);
    load(2);
    load(1);
    for (const linear of [0x20_3000, 0x21_5000, 0x4010_0000, 0x4020_0000, 0x5000]) {
      assert.equal(tags(linear, true), 'rx');
      assert.ok(jumpOf(linear));
    }
    load(2);
    setRam64(pde(1, 1), 0x40_0000n | LARGE | 4n);
    invpcid(0, 1, 0x3f_f000);
    load(1);
    assert.deepEqual(
      [0x20_3000, 0x21_5000, 0x4010_0000, 0x5000].map((a) => tags(a, true)),
      ['', '', 'rx', 'rx'],
    );
    level(3);
    assert.equal(fetch(0x20_3000), RAM + 0x40_3000);
    level(0);
    load(2);
    invpcid(0, 1, 0x7fff_0000);
    load(1);
    assert.deepEqual(
      [0x4010_0000, 0x4020_0000, 0x5000].map((a) => tags(a, true)),
      ['', '', 'rx'],
    );
    // INVLPG still finds what came back
    level(3);
    fetch(0x20_3000);
    fetch(0x4010_0000);
    level(0);
    load(2);
    load(1);
    done('invlpg', 0x20_0000n);
    assert.deepEqual(
      [0x20_3000, 0x4010_0000].map((a) => tags(a, true)),
      ['', 'rx'],
    );
    done('invlpg', 0x4000_0000n);
    assert.equal(tags(0x4010_0000, true), '');
    assert.deepEqual([jumpOf(0x20_3000), jumpOf(0x4010_0000)], [false, false]);
  });
  test('INVPCID of a PCID, of everything, of all but global pages', () => {
    assert.deepEqual(
      after(() => invpcid(1, 1)),
      none,
    );
    assert.deepEqual(
      after(() => invpcid(1, 2)),
      both,
    );
    assert.deepEqual(
      after(() => invpcid(1, 3)),
      both,
    );
    assert.deepEqual(
      after(() => invpcid(2)),
      none,
    );
    assert.deepEqual(
      after(() => invpcid(3)),
      none,
    );
    setRam64(pte(2, 300), frame(3) | 3n | GLOBAL);
    after(() => {
      read(300 << 12);
      invpcid(3);
    });
    assert.equal(tags(300 << 12), 'rx');
  });
  test('INVPCID of the PCID in use', () => {
    load(2);
    for (const n of [5, 6]) read(n << 12);
    invpcid(0, 2, 0x5000);
    assert.deepEqual([tags(0x5000), tags(0x6000)], ['', 'rx']);
    invpcid(1, 1);
    assert.equal(tags(0x6000), 'rx');
    invpcid(1, 2);
    assert.equal(tags(0x6000), '');
    load(1);
    load(2);
    assert.equal(tags(0x6000), '');
  });
  test('INVLPG: the PCID in use alone', () => {
    assert.deepEqual(
      after(() => done('invlpg', 0x5000n)),
      both,
    );
  });
  test('a change of CR0, CR4, EFER or DR7 that translations depend on', () => {
    const twice = (act: () => void): (() => void) => {
      return () => {
        act();
        act();
      };
    };
    const flip = (name: string, number: number, bit: bigint): (() => void) =>
      twice(() => done('mov_to_cr', number, u64(name) ^ bit));
    const efer = twice(() => {
      view.setBigUint64(STATE + RCX * 8, 0xc000_0080n, true);
      view.setBigUint64(STATE + RAX * 8, u64('efer') ^ 0x800n, true);
      view.setBigUint64(STATE + RDX * 8, 0n, true);
      set32('primary', 1 << 28);
      set32('msrBitmap', STATE + AREA.msrBitmap);
      done('wrmsr');
    });
    const changes: [what: string, act: () => void][] = [
      ['CR0.WP', flip('cr0', 0, 0x1_0000n)],
      ['CR4.PSE', flip('cr4', 4, 0x10n)],
      ['CR4.PGE', flip('cr4', 4, CR4_PGE)],
      ['CR4.SMEP', flip('cr4', 4, CR4_SMEP)],
      ['CR4.SMAP', flip('cr4', 4, CR4_SMAP)],
      ['EFER.NXE', efer],
      ['DR7', twice(() => done('mov_to_dr', 7, (view.getBigUint64(STATE + at('dr') + 56, true) ^ 1n) & 0xffn))],
      ['a flush from outside', () => call('tlb_flush_all')],
    ];
    for (const [what, act] of changes) assert.deepEqual(after(act), none, what);
    // CR4.PCIDE: on again only with PCID 0
    const pcide = (): void => {
      done('mov_to_cr', 4, u64('cr4') ^ CR4_PCIDE);
      done('mov_to_cr', 3, BigInt(rootOf(0)));
      done('mov_to_cr', 4, u64('cr4') ^ CR4_PCIDE);
    };
    assert.deepEqual(after(pcide), none, 'CR4.PCIDE');
  });
  test('blocks are forgotten: so are parked jumps', () => {
    load(1, 0n);
    level(3);
    fetch(0x5008);
    level(0);
    load(2);
    call('flush_blocks');
    load(1);
    assert.deepEqual([jumpOf(0x5008), tags(0x5000, true)], [false, 'rx']);
  });
  test('another mode of user code: jumps stay away', () => {
    const compatibility = (access: number): void => {
      segment(CS, 0x1b, access);
      segment(SS, 0x23, 0xc0f3);
      set32('cpl', 3);
      call('update_mode');
    };
    const modes: (() => void)[] = [() => level(3), () => compatibility(0xc0fb), () => compatibility(0x80fb)];
    for (const [n, mode] of modes.entries())
      for (const [m, other] of modes.entries()) {
        level(0);
        load(1, 0n);
        mode();
        fetch(0x5008);
        level(0);
        load(2);
        other();
        level(0);
        load(1);
        assert.deepEqual([jumpOf(0x5008), tags(0x5000, true)], [n === m, 'rx'], `${n} ${m}`);
      }
  });
  test('jumps of the supervisor to user pages stay away', () => {
    load(1, 0n);
    level(3);
    fetch(0x5008);
    level(0);
    fetch(0x5008);
    assert.ok(jumpOf(0x5008, AREA.jumpSupervisor));
    load(2);
    load(1);
    assert.deepEqual([jumpOf(0x5008, AREA.jumpSupervisor), jumpOf(0x5008)], [false, true]);
  });
  test('INVLPG finds a jump that came back', () => {
    load(1, 0n);
    level(3);
    fetch(0x5008);
    level(0);
    load(2);
    done('invlpg', 0x5000n);
    load(1);
    assert.ok(jumpOf(0x5008));
    setRam64(pte(1, 5), frame(99) | 7n);
    done('invlpg', 0x5000n);
    level(3);
    assert.equal(fetch(0x5008), RAM + Number(frame(99)) + 8);
  });
  test('INVLPG of a global page elsewhere: no jump into it comes back', () => {
    load(1, 0n);
    level(3);
    fetch(0x5008);
    for (const s of [1, 2]) setRam64(pte(s, 5), frame(98) | 7n | GLOBAL);
    level(0);
    done('invlpg', 0x5000n);
    level(3);
    assert.equal(fetch(0x5008), RAM + Number(frame(98)) + 8);
    level(0);
    load(2);
    for (const s of [1, 2]) setRam64(pte(s, 5), frame(99) | 7n | GLOBAL);
    done('invlpg', 0x5000n);
    load(1);
    level(3);
    assert.equal(fetch(0x5008), RAM + Number(frame(99)) + 8);
  });
});

describe('what comes back', () => {
  for (const parallel of [0, 1])
    test(`has no write tag of a page that holds code by now${parallel ? ', several threads' : ''}`, () => {
      set32('parallel', parallel);
      parkPages(5, 6);
      const host = RAM + Number(frame((5 * 3 + 17) % 256));
      call('region_mark', host, 1n);
      load(1);
      assert.deepEqual([tags(0x5000), tags(0x6000)], ['rx', 'rwx']);
      load(2);
      // the code is gone; and comes again when the tag is back
      view.setBigUint64(TABLES + 0x1000 + ((host - RAM) >> 12) * 8, 0n, true);
      load(1);
      assert.equal(tags(0x5000), 'rx');
      write(0x5000);
      load(2);
      load(1);
      assert.equal(tags(0x5000), 'rwx');
      call('region_mark', host, 1n);
      assert.equal(tags(0x5000), 'rx');
    });
  test('loses its write tag when its page becomes code while no note of it is left', () => {
    parkPages(5);
    const host = RAM + Number(frame((5 * 3 + 17) % 256));
    call('region_mark', host, 1n);
    view.setBigUint64(TABLES + 0x1000 + ((host - RAM) >> 12) * 8, 0n, true);
    load(1);
    assert.equal(tags(0x5000), 'rwx');
    call('region_mark', host, 1n);
    assert.equal(tags(0x5000), 'rx');
  });
  test('is hidden when RFLAGS.AC alone opens it (SMAP)', () => {
    set64('cr4', u64('cr4') | CR4_SMAP);
    done('smap_check', 1);
    parkPages(5, 6);
    load(1);
    assert.equal(tags(0x5000), '');
    const misses = u64('tlbMisses');
    assert.ok(write(0x5000));
    assert.deepEqual([tags(0x5000), tags(0x6000), u64('tlbMisses')], ['rwx', '', misses]);
    done('smap_check', 0);
    assert.deepEqual([tags(0x5000), read(0x5000), read(0x6000)], ['', false, false]);
    load(2);
    invpcid(0, 1, 0x6000);
    load(1);
    done('smap_check', 1);
    const before = u64('tlbMisses');
    assert.ok(read(0x5000));
    assert.equal(u64('tlbMisses'), before);
    assert.ok(read(0x6000));
    assert.equal(u64('tlbMisses'), before + 1n);
  });
  test('does not while alignment is checked', () => {
    set64('cr0', u64('cr0') | 0x4_0000n);
    load(1, 0n);
    level(3);
    write(0x5000);
    level(0);
    load(2);
    set64('rflags', 0x4_0002n);
    level(3);
    level(0);
    load(1);
    assert.equal(tags(0x5000, true), '');
    level(3);
    assert.equal(call('mem_read_slow', 0x5001n, 4), 0);
    assert.equal(u32('exceptionVector'), 17);
  });
});

/** What the tables say of `linear` in a space. */
function walk(pcid: number, linear: number): { gpa: number; entry: bigint } | null {
  const directory = ram64(pde(pcid, (linear >>> 21) & 511));
  if (!(directory & 1n)) return null;
  if (directory & 0x80n) return { gpa: Number(directory & 0xf_ffe0_0000n) + (linear & 0x1f_ffff), entry: directory };
  const entry = ram64(Number(directory & 0xf_ffff_f000n) + ((linear >>> 12) & 511) * 8);
  return entry & 1n ? { gpa: Number(entry & 0xf_ffff_f000n) + (linear & 0xfff), entry } : null;
}
/** Compares every tag of both tables with the page tables of the space in use. How many are not of global pages. */
function checkTables(pcid: number): number {
  let found = 0;
  const none = 0xffff_ffff;
  const open = (u64('rflags') & 0x4_0000n) !== 0n;
  for (const user of [false, true]) {
    const table = (STATE + (user ? AREA.tlbUser : AREA.tlbSupervisor)) >> 2;
    for (let n = 0; n < TLB_ENTRIES; n++) {
      const e = table + n * (TLB_ENTRY.sizeBytes >> 2);
      for (const [kind, o] of [TLB_ENTRY.readTag, TLB_ENTRY.writeTag, TLB_ENTRY.execTag].entries()) {
        const tag = words[e + (o >> 2)] as number;
        if (tag === none && words[e + (o >> 2) + 1] === none) continue;
        const hidden = (tag & 1) !== 0;
        const linear = tag - (tag & 0xfff);
        const text = `${user ? 'user' : 'supervisor'} ${kind} ${linear.toString(16)}`;
        const w = walk(pcid, linear);
        assert.ok(w !== null, `${text}: not mapped`);
        if (!(w.entry & GLOBAL)) found++;
        const host = ((words[e + (TLB_ENTRY.addend >> 2)] as number) + linear) >>> 0;
        assert.equal(host, RAM + w.gpa, text);
        if (user) assert.ok(w.entry & 4n, text);
        else if (w.entry & 4n) assert.ok(hidden || open, `${text}: seen`);
        if (kind !== 1) continue;
        assert.equal(w.entry & 0x42n, 0x42n, text);
        assert.equal(view.getBigUint64(TABLES + 0x1000 + (w.gpa >> 12) * 8, true), 0n, `${text}: code`);
      }
    }
  }
  return found;
}

for (const seed of [1, 2, 3, 4])
  test(`a guest that keeps to the rules sees its tables, whatever is parked: ${seed}`, () => {
    let state = seed;
    const random = (n: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 0x1_0000_0000) * n);
    };
    set64('cr4', u64('cr4') | CR4_SMEP | CR4_SMAP);
    let space = 0;
    let back = 0;
    /** Spaces whose next load must not keep anything. */
    const stale = new Set<number>();
    const go = (to: number, keep: bigint): void => {
      level(0);
      load(to, stale.delete(to) ? 0n : keep);
      space = to;
      back += checkTables(space);
    };
    const page = (): number => ([0, 256][random(2)] as number) + random(30);
    const invalidate = (pcid: number, linear: number): void => {
      level(0);
      const how = random(7);
      if (how === 0) invpcid(1, pcid);
      else if (how === 1) invpcid(random(2) + 2);
      else if (how === 2 && pcid === space) go(space, 0n);
      else if (how === 2) stale.add(pcid);
      else if (pcid === space && random(2)) done('invlpg', BigInt(linear));
      else invpcid(0, pcid, linear);
    };
    for (const s of Array(SPACES).keys()) {
      setRam64(pde(s, 1), 0x20_0000n | LARGE | 4n);
      for (let n = 400; n < 410; n++) setRam64(pte(s, n), frame(n - 200) | 0x63n | GLOBAL);
    }
    for (let step = 0; step < 4000; step++) {
      const what = random(20);
      if (what < 9) {
        level(random(2) ? 3 : 0);
        const n = page();
        const linear = ((random(8) ? n : random(2) ? 400 + random(10) : 512 + n) << 12) + random(64) * 16;
        const how = random(3);
        if (how === 0) read(linear);
        else if (how === 1) write(linear);
        else if (u32('cpl') === 3) {
          const w = walk(space, linear);
          if (w !== null && w.entry & 4n) assert.equal(fetch(linear), RAM + w.gpa, `fetch ${linear.toString(16)}`);
        }
      } else if (what < 14) go(random(4) ? random(3) : random(SPACES), random(5) ? KEEP : 0n);
      else if (what === 14) {
        const s = random(3) ? random(3) : space;
        const n = page();
        setRam64(pte(s, n), random(6) ? frame(random(256)) | (n < 256 ? 5n : 1n) | BigInt(random(2) * 2) : 0n);
        invalidate(s, n << 12);
      } else if (what === 15) {
        const s = random(3);
        setRam64(pde(s, 1), BigInt((1 + random(3)) * 0x20_0000) | LARGE | 4n);
        invalidate(s, 0x20_0000 + random(512) * 4096);
      } else if (what === 16) {
        level(0);
        const n = 400 + random(10);
        const entry = frame(random(2) ? 210 : n - 200) | 0x63n | GLOBAL;
        for (const s of Array(SPACES).keys()) setRam64(pte(s, n), entry);
        done('invlpg', BigInt(n << 12));
      } else if (what === 17) {
        level(0);
        done('smap_check', random(2));
      } else if (what === 18) call('physical_written', FRAMES + random(256) * 4096, 4096);
      else if (random(4) === 0) call('flush_blocks');
      if (step % 8 === 0) checkTables(space);
    }
    assert.ok(back > 1000, `${back} tags came back`);
  });
