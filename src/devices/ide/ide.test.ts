// Tests of the IDE controller: disks by PIO and DMA, CD-ROM drives, reset and detection.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BlockStore } from '../../host/index.js';
import type { AccessSize } from '../device.js';
import { bench, deviceContract } from '../testing.js';
import { type IdeDrive, ideController } from './ide-controller.js';

/** Sectors in memory; each byte of a sector is its number. */
function ramStore(sectors: number, sectorBytes = 512, readOnly = false): BlockStore & { readonly bytes: Uint8Array } {
  const bytes = new Uint8Array(sectors * sectorBytes);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(i / sectorBytes) & 0xff;
  return {
    bytes,
    sectorBytes,
    sectors,
    readOnly,
    read: (sector, into) => into.set(bytes.subarray(sector * sectorBytes, sector * sectorBytes + into.length)),
    write: (sector, from) => bytes.set(from, sector * sectorBytes),
    flush: () => {},
  };
}

const make = (drives: readonly (IdeDrive | null)[]) => {
  const ram = new Uint8Array(0x40000);
  const memory = {
    readBytes: (gpa: number, n: number) => ram.slice(gpa, gpa + n),
    writeBytes: (gpa: number, data: Uint8Array) => ram.set(data, gpa),
  };
  const b = bench(ideController, { drives, memory });
  const out = (channel: number, register: number, value: number, size: AccessSize = 1): void =>
    b.write(`command${channel}`, register, value, size);
  const read = (channel: number, register: number, size: AccessSize = 1): number =>
    b.read(`command${channel}`, register, size);
  const words = (channel: number, n: number): number[] => Array.from({ length: n }, () => read(channel, 0, 2));
  /** LBA28 command. */
  const command = (code: number, lba: number, count: number, channel = 0, slave = 0): void => {
    out(channel, 6, 0xe0 | (slave << 4) | ((lba >> 24) & 15));
    out(channel, 2, count);
    out(channel, 3, lba & 0xff);
    out(channel, 4, (lba >> 8) & 0xff);
    out(channel, 5, (lba >> 16) & 0xff);
    out(channel, 7, code);
  };
  const irq = (channel: number): boolean => b.device.line(channel === 0 ? 'irq14' : 'irq15');
  /** A packet command on the secondary master; the answer by PIO. */
  const packet = (bytes: readonly number[], limit = 0xfffe): number[] => {
    out(1, 6, 0xa0);
    out(1, 1, 0);
    out(1, 4, limit & 0xff);
    out(1, 5, limit >> 8);
    out(1, 7, 0xa0);
    assert.equal(read(1, 2) & 3, 1, 'the drive asks for the packet');
    const p = [...bytes, ...new Array<number>(12 - bytes.length).fill(0)];
    for (let i = 0; i < 12; i += 2) out(1, 0, p[i]! | (p[i + 1]! << 8), 2);
    const answer: number[] = [];
    while ((read(1, 7) & 8) !== 0) {
      const n = read(1, 4) | (read(1, 5) << 8);
      assert.equal(read(1, 2) & 3, 2, 'data to the host');
      assert.ok(n <= limit, `${n} bytes at once`);
      for (let i = 0; i < n; i += 2) {
        const w = read(1, 0, 2);
        answer.push(w & 0xff, w >> 8);
      }
    }
    return answer;
  };
  return { b, ram, out, read, words, command, irq, packet };
};

for (const c of deviceContract(
  ideController,
  () => ({
    drives: [
      { kind: 'disk' as const, store: ramStore(64) },
      null,
      { kind: 'cdrom' as const, store: ramStore(64, 2048) },
      null,
    ],
    memory: { readBytes: (_gpa: number, n: number) => new Uint8Array(n), writeBytes: () => {} },
  }),
  (b) => {
    b.write('command0', 2, 1);
    b.write('command0', 7, 0x20);
    b.read('command0', 0, 2);
  },
))
  test(c.name, c.run);

test('IDENTIFY tells the size in sectors and interrupts; reading the status takes the interrupt back', () => {
  const m = make([{ kind: 'disk', store: ramStore(5000) }]);
  m.command(0xec, 0, 0);
  assert.equal(m.irq(0), true);
  const w = m.words(0, 256);
  assert.equal(w[60]! | (w[61]! << 16), 5000);
  assert.equal(w[100], 5000);
  assert.equal(w[1]! * w[3]! * w[6]!, 4 * 16 * 63, 'whole cylinders');
  const bytes = w.flatMap((x) => [x & 0xff, x >> 8]);
  assert.equal(bytes.reduce((a, c) => a + c, 0) & 0xff, 0, 'checksum');
  assert.equal(m.read(0, 7) & 0x88, 0);
  assert.equal(m.irq(0), false);
});

test('READ SECTORS by LBA, CHS and 48-bit LBA, one interrupt per sector', () => {
  const m = make([{ kind: 'disk', store: ramStore(3000) }]);
  m.command(0x20, 5, 2);
  assert.deepEqual(m.words(0, 256), new Array(256).fill(0x0505));
  assert.equal(m.irq(0), true);
  m.read(0, 7);
  assert.deepEqual(m.words(0, 256), new Array(256).fill(0x0606));
  assert.equal(m.read(0, 7), 0x50);
  m.out(0, 6, 0xa1); // CHS 1/1/2: (1 * 16 + 1) * 63 + 1 = 1072
  for (const [r, v] of [
    [2, 1],
    [3, 2],
    [4, 1],
    [5, 0],
    [7, 0x20],
  ] as const)
    m.out(0, r, v);
  assert.equal(m.words(0, 256)[0], 0x0101 * (1072 & 0xff));
  m.out(0, 6, 0x40);
  for (const [r, v] of [
    [2, 0],
    [2, 1],
    [3, 0],
    [3, 9],
    [4, 0],
    [4, 1],
    [5, 0],
    [5, 0],
    [7, 0x24],
  ] as const)
    m.out(0, r, v);
  assert.equal(m.words(0, 256)[0], 0x0101 * (265 & 0xff));
});

test('READ MULTIPLE hands out blocks; without SET MULTIPLE MODE it is refused', () => {
  const m = make([{ kind: 'disk', store: ramStore(100) }]);
  m.command(0xc4, 0, 8);
  assert.equal(m.read(0, 7) & 1, 1);
  m.command(0xc6, 0, 4);
  m.command(0xc4, 8, 6);
  m.words(0, 1024);
  m.read(0, 7);
  assert.equal(m.irq(0), false);
  assert.deepEqual(m.words(0, 512).slice(256), new Array(256).fill(0x0d0d));
  assert.equal(m.read(0, 7), 0x50);
});

test('WRITE SECTORS asks for data first, then interrupts', () => {
  const store = ramStore(100);
  const m = make([{ kind: 'disk', store }]);
  m.command(0x30, 7, 1);
  assert.equal(m.irq(0), false);
  assert.equal(m.read(0, 7) & 8, 8);
  for (let i = 0; i < 256; i++) m.out(0, 0, 0xbeef, 2);
  assert.equal(m.irq(0), true);
  assert.deepEqual([...store.bytes.subarray(7 * 512, 7 * 512 + 2)], [0xef, 0xbe]);
});

test('errors: past the end, unknown commands, writes to a read-only image', () => {
  const m = make([{ kind: 'disk', store: ramStore(100, 512, true) }]);
  m.command(0x20, 99, 2);
  assert.equal(m.read(0, 7) & 1, 1);
  assert.equal(m.read(0, 1), 0x10);
  m.command(0x30, 0, 1);
  assert.equal(m.read(0, 1), 4);
  m.command(0xff, 0, 1);
  assert.equal(m.read(0, 1), 4);
});

test('software reset and the diagnostic show the signatures; absent drives read as nothing', () => {
  const m = make([{ kind: 'disk', store: ramStore(100) }, null, { kind: 'cdrom', store: null }, null]);
  m.b.write('control1', 0, 4);
  assert.equal(m.read(1, 7), 0x80);
  m.b.write('control1', 0, 0);
  assert.deepEqual([m.read(1, 4), m.read(1, 5)], [0x14, 0xeb]);
  m.out(0, 7, 0x90);
  assert.deepEqual([m.read(0, 1), m.read(0, 4), m.read(0, 5)], [1, 0, 0]);
  m.out(0, 6, 0xb0);
  assert.equal(m.read(0, 7), 0, 'no slave');
  assert.equal(make([]).read(0, 7), 0);
});

test('an interrupt is held back by nIEN', () => {
  const m = make([{ kind: 'disk', store: ramStore(100) }]);
  m.b.write('control0', 0, 2);
  m.command(0xec, 0, 0);
  assert.equal(m.irq(0), false);
  m.b.write('control0', 0, 0);
  assert.equal(m.irq(0), true);
});

test('bus-master DMA reads into scattered memory and writes from it', () => {
  const store = ramStore(100);
  const m = make([{ kind: 'disk', store }]);
  const view = new DataView(m.ram.buffer);
  view.setUint32(0x100, 0x2000, true);
  view.setUint32(0x104, 700, true);
  view.setUint32(0x108, 0x5000, true);
  view.setUint32(0x10c, 0x8000_0000 + 324, true);
  m.b.write('busMaster', 4, 0x100, 4);
  m.command(0xc8, 20, 2);
  assert.equal(m.irq(0), false, 'waits for the bus master');
  m.b.write('busMaster', 0, 9);
  assert.equal(m.irq(0), true);
  assert.equal(m.b.read('busMaster', 2) & 7, 4, 'interrupt, no error, not active');
  assert.equal(m.ram[0x2000 + 511], 20);
  assert.equal(m.ram[0x2000 + 512], 21);
  assert.equal(m.ram[0x5000 + 323], 21);
  assert.equal(m.ram[0x5000 + 324], 0);
  m.b.write('busMaster', 2, 4);
  assert.equal(m.b.read('busMaster', 2) & 4, 0);
  m.b.write('busMaster', 0, 0);
  m.b.write('busMaster', 0, 1);
  m.command(0xca, 50, 2);
  assert.equal(store.bytes[51 * 512], 21);
});

test('a descriptor table that is too short sets the error bit', () => {
  const m = make([{ kind: 'disk', store: ramStore(100) }]);
  new DataView(m.ram.buffer).setUint32(0x104, 0x8000_0000 + 512, true);
  m.b.write('busMaster', 4, 0x100, 4);
  m.b.write('busMaster', 0, 9);
  m.command(0xc8, 0, 2);
  assert.equal(m.b.read('busMaster', 2) & 2, 2);
});

const cd = () => {
  const m = make([null, null, { kind: 'cdrom', store: ramStore(500, 2048) }, null]);
  m.packet([0]); // unit attention
  return m;
};

test('a packet device refuses IDENTIFY DEVICE with its signature and answers IDENTIFY PACKET DEVICE', () => {
  const m = cd();
  m.out(1, 7, 0xec);
  assert.equal(m.read(1, 7) & 1, 1);
  assert.deepEqual([m.read(1, 4), m.read(1, 5)], [0x14, 0xeb]);
  m.out(1, 7, 0xa1);
  assert.equal(m.words(1, 256)[0], 0x85c0);
});

test('a new medium is told once', () => {
  const m = make([null, null, { kind: 'cdrom', store: ramStore(500, 2048) }, null]);
  m.packet([0]);
  assert.equal(m.read(1, 7) & 1, 1);
  const sense = m.packet([0x03, 0, 0, 0, 18]);
  assert.deepEqual([sense[2], sense[12]], [6, 0x28]);
  m.packet([0]);
  assert.equal(m.read(1, 7) & 1, 0);
  m.b.device.inputs.mediumChanged(2);
  m.packet([0]);
  assert.equal(m.read(1, 7) & 1, 1);
});

test('READ (10) and (12), in parts of the byte count limit', () => {
  const m = cd();
  const data = m.packet([0x28, 0, 0, 0, 0, 3, 0, 0, 2], 4096);
  assert.equal(data.length, 4096);
  assert.deepEqual([data[0], data[2047], data[2048]], [3, 3, 4]);
  assert.equal(m.read(1, 2) & 3, 3, 'done');
  assert.equal(m.packet([0xa8, 0, 0, 0, 0, 9, 0, 0, 0, 3], 512).length, 6144);
  assert.equal(m.irq(1), false);
});

test('INQUIRY, READ CAPACITY, READ TOC, GET CONFIGURATION, MODE SENSE', () => {
  const m = cd();
  assert.equal(String.fromCharCode(...m.packet([0x12, 0, 0, 0, 36]).slice(16, 23)), 'DVD-ROM');
  assert.deepEqual(m.packet([0x25]), [0, 0, 1, 0xf3, 0, 0, 8, 0]);
  const toc = m.packet([0x43, 0, 0, 0, 0, 0, 0, 0, 100]);
  assert.deepEqual(toc.slice(0, 4), [0, 18, 1, 1]);
  assert.deepEqual(toc.slice(12), [0, 0x16, 0xaa, 0, 0, 0, 1, 0xf4]);
  assert.deepEqual(m.packet([0x43, 2, 0, 0, 0, 0, 0, 0, 100]).slice(8, 12), [0, 0, 2, 0], 'two seconds of lead-in');
  assert.equal(m.packet([0x46, 0, 0, 0, 0, 0, 0, 0, 8])[7], 8);
  assert.equal(m.packet([0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 60])[8], 0x2a);
});

test('errors leave sense data: past the end, unknown command, no medium', () => {
  const m = cd();
  m.packet([0x28, 0, 0, 0, 2, 0, 0, 0, 1]);
  let sense = m.packet([0x03, 0, 0, 0, 18]);
  assert.deepEqual([sense[2], sense[12]], [5, 0x21]);
  m.packet([0xff]);
  sense = m.packet([0x03, 0, 0, 0, 18]);
  assert.deepEqual([sense[2], sense[12]], [5, 0x20]);
  const empty = make([null, null, { kind: 'cdrom', store: null }, null]);
  empty.packet([0x25]);
  sense = empty.packet([0x03, 0, 0, 0, 18]);
  assert.deepEqual([sense[2], sense[12]], [2, 0x3a]);
});

test('a packet command by DMA', () => {
  const m = cd();
  const view = new DataView(m.ram.buffer);
  view.setUint32(0x100, 0x3000, true);
  view.setUint32(0x104, 0x8000_0000 + 4096, true);
  m.b.write('busMaster', 12, 0x100, 4);
  m.b.write('busMaster', 8, 9);
  m.out(1, 1, 1);
  m.out(1, 7, 0xa0);
  for (const w of [0x28, 0, 0x0700, 0, 0x0002, 0]) m.out(1, 0, w, 2);
  assert.equal(m.ram[0x3000], 7);
  assert.equal(m.ram[0x3000 + 4095], 8);
  assert.equal(m.irq(1), true);
  assert.equal(m.read(1, 7), 0x50);
});
