// Tests of the physical memory map.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pcBoard } from '../board-map.js';
import { e820Bytes, memoryMap } from './e820.js';

const GIB = 2 ** 30;

test('128 MiB: RAM around the legacy hole, none above 4 GiB', () => {
  const map = memoryMap(pcBoard, 128 << 20, 0x10000);
  assert.deepEqual(map.slots, [
    { gpa: 0, sizeBytes: 0xa0000, bufferOffset: 0x10000, readOnly: false },
    { gpa: 0xc0000, sizeBytes: 0x7f40000, bufferOffset: 0xd0000, readOnly: false },
  ]);
  assert.equal(map.lowEnd, 0x8000000);
  assert.deepEqual(map.e820.at(-1), { gpa: 0x100000, sizeBytes: 0x7f00000, type: 1 });
});

test('5 GiB: RAM stops at the PCI hole and continues above 4 GiB', () => {
  const map = memoryMap(pcBoard, 5 * GIB);
  assert.equal(map.lowEnd, 3 * GIB);
  assert.equal(map.highEnd, 6 * GIB);
  assert.deepEqual(map.slots.at(-1), { gpa: 4 * GIB, sizeBytes: 2 * GIB, bufferOffset: 3 * GIB, readOnly: false });
  assert.deepEqual(map.e820.at(-1), { gpa: 4 * GIB, sizeBytes: 2 * GIB, type: 1 });
});

test('entries are ordered and disjoint, and the firmware tables are reserved', () => {
  const { e820 } = memoryMap(pcBoard, 64 << 20);
  e820.slice(1).forEach((e, i) => {
    const before = e820[i]!;
    assert.ok(before.gpa + before.sizeBytes <= e.gpa);
  });
  const tables = e820.find((e) => e.gpa <= pcBoard.firmware.acpiGpa && pcBoard.firmware.acpiGpa < e.gpa + e.sizeBytes);
  assert.equal(tables?.type, 2);
  assert.equal(e820Bytes(e820).length, e820.length * 20);
});

test('too little or odd memory is refused with the value and the minimum', () => {
  assert.throws(() => memoryMap(pcBoard, 1 << 20), { code: 'MEMORY_SIZE', message: /1048576 bytes.*2097152/ });
  assert.throws(() => memoryMap(pcBoard, (64 << 20) + 1), { code: 'MEMORY_SIZE' });
});
