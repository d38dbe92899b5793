// Tests of guest-physical memory: slots, accesses outside them, write listeners, dirty log.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BugError } from '../base/index.js';
import { GuestMemory } from './guest-memory.js';

/** RAM 0..0x2000 at buffer offset 0x1000, ROM 0x2000..0x3000 at 0x3000, RAM 0x8000..0x9000 at 0. */
const make = (): GuestMemory =>
  new GuestMemory(new ArrayBuffer(0x4000), [
    { gpa: 0, sizeBytes: 0x2000, bufferOffset: 0x1000, readOnly: false },
    { gpa: 0x2000, sizeBytes: 0x1000, bufferOffset: 0x3000, readOnly: true },
    { gpa: 0x8000, sizeBytes: 0x1000, bufferOffset: 0, readOnly: false },
  ]);

test('values are little endian and unaligned accesses work', () => {
  const m = make();
  m.writeU64(3, 0x8877665544332211n);
  assert.equal(m.readU8(3), 0x11);
  assert.equal(m.readU16(4), 0x3322);
  assert.equal(m.readU32(7), 0x88776655);
  assert.equal(m.readU64(3), 0x8877665544332211n);
  assert.equal(new Uint8Array(m.buffer)[0x1003], 0x11);
});

test('reads outside the slots are all ones and counted', () => {
  const m = make();
  assert.equal(m.readU8(0x5000), 0xff);
  assert.equal(m.readU32(0x5000), 0xffffffff);
  assert.equal(m.readU64(0x5000), 0xffffffffffffffffn);
  m.writeU16(0x8ffe, 0x1234);
  assert.equal(m.readU32(0x8ffe), 0xffff1234);
  assert.deepEqual([...m.readBytes(0x8ffe, 4)], [0x34, 0x12, 0xff, 0xff]);
  assert.ok(m.counters.outsideReads >= 5);
  assert.equal(m.readU8(Number.NaN), 0xff);
  assert.equal(m.readU8(-1), 0xff);
});

test('writes outside the slots are dropped and counted, the part inside is written', () => {
  const m = make();
  m.writeU8(0x5000, 1);
  m.writeU32(0x8ffe, 0xaabbccdd);
  assert.equal(m.counters.outsideWrites, 2);
  assert.equal(m.readU16(0x8ffe), 0xccdd);
});

test('a read-only slot ignores guest writes but takes loads', () => {
  const m = make();
  m.writeU32(0x2000, 1);
  m.writeU32(0x1ffe, 0x11223344);
  assert.equal(m.readU32(0x2000), 0);
  assert.equal(m.readU16(0x1ffe), 0x3344);
  assert.equal(m.counters.readOnlyWrites, 2);
  m.loadBytes(0x2000, Uint8Array.of(9, 8));
  assert.equal(m.readU16(0x2000), 0x0809);
});

test('ranges may span neighbouring slots that are apart in the buffer', () => {
  const m = make();
  m.loadBytes(0x1ffe, Uint8Array.of(1, 2, 3, 4));
  assert.equal(m.readU32(0x1ffe), 0x04030201);
  assert.equal(new Uint8Array(m.buffer)[0x3000], 3);
  assert.equal(m.bufferOffsetOf(0x1ffe, 4), -1);
  assert.equal(m.bufferOffsetOf(0x8010, 4), 0x10);
});

test('loads that miss memory throw and write nothing', () => {
  const m = make();
  assert.throws(() => m.loadBytes(0x8fff, Uint8Array.of(1, 2)), BugError);
  assert.equal(m.readU8(0x8fff), 0);
  assert.throws(() => m.loadFill(0x5000, 1), { code: 'MEMORY_OUTSIDE' });
  assert.throws(() => m.expectBytes(0x3000, 1), BugError);
  assert.equal(m.covers(0x1000, 0x2000), true);
  assert.equal(m.covers(0x2fff, 2), false);
});

test('listeners see every write with its range until they leave', () => {
  const m = make();
  const seen: [number, number][] = [];
  const leave = m.onWrite((gpa, size) => seen.push([gpa, size]));
  m.writeU16(0x10, 1);
  m.fill(0x20, 0x30, 7);
  m.loadBytes(0x1fff, Uint8Array.of(1, 2));
  m.writeU8(0x5000, 1);
  m.writeU8(0x2000, 1);
  leave();
  m.writeU8(0, 1);
  assert.deepEqual(seen, [
    [0x10, 2],
    [0x20, 0x30],
    [0x1fff, 1],
    [0x2000, 1],
  ]);
  assert.equal(m.readU8(0x4f), 7);
});

test('the dirty log holds one bit per written page and is cleared when taken', () => {
  const m = make();
  m.writeU8(0, 1);
  m.startDirtyLog(0);
  assert.deepEqual([...m.takeDirtyLog(0)], [0]);
  m.writeU32(0xffe, 1);
  assert.deepEqual([...m.takeDirtyLog(0)], [0b11]);
  m.markDirty(0x1000, 1);
  assert.deepEqual([...m.takeDirtyLog(0)], [0b10]);
  m.stopDirtyLog(0);
  assert.throws(() => m.takeDirtyLog(0), BugError);
});

test('bad slots are refused', () => {
  const m = make();
  const slot = { gpa: 0x4000, sizeBytes: 0x1000, bufferOffset: 0, readOnly: false };
  assert.throws(() => m.addSlot({ ...slot, gpa: 0x4001 }), BugError);
  assert.throws(() => m.addSlot({ ...slot, sizeBytes: 0 }), BugError);
  assert.throws(() => m.addSlot({ ...slot, gpa: 0x1000 }), /overlaps/);
  assert.throws(() => m.addSlot({ ...slot, bufferOffset: 0x3001 }), /outside its buffer/);
  m.addSlot(slot);
  assert.equal(m.sizeBytes, 0x5000);
  m.removeSlot(0x4000);
  assert.equal(m.readU8(0x4000), 0xff);
});

test('replacing slots is heard once and keeps the log of a slot that stays', () => {
  const m = make();
  let heard = 0;
  const end = m.onSlotsChanged(() => heard++);
  m.startDirtyLog(0x8000);
  m.writeU8(0x8000, 1);
  m.replaceSlots([
    { gpa: 0, sizeBytes: 0x1000, bufferOffset: 0x3000, readOnly: true },
    { gpa: 0x8000, sizeBytes: 0x1000, bufferOffset: 0, readOnly: false },
  ]);
  assert.equal(heard, 1);
  assert.deepEqual([...m.takeDirtyLog(0x8000)], [1]);
  assert.equal(m.bufferOffsetOf(0), 0x3000);
  const bad = { gpa: 0x8000, sizeBytes: 0x1000, bufferOffset: 0x4000, readOnly: false };
  assert.throws(() => m.replaceSlots([bad]), BugError);
  assert.equal(m.bufferOffsetOf(0), 0x3000);
  m.removeSlot(0);
  assert.equal(heard, 2);
  end();
  m.removeSlot(0x8000);
  assert.equal(heard, 2);
});
