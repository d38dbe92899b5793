// The test device by the rules that system tests rely on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bench } from '../testing.js';
import { pcTestdev } from './pc-testdev.js';

test('the data ports keep what is written, in parts too', () => {
  const b = bench(pcTestdev, {});
  b.write('data', 0, 0x12345678, 4);
  assert.equal(b.read('data', 0, 4), 0x12345678);
  b.write('data', 1, 0xabcd, 2);
  assert.equal(b.read('data', 0, 4), 0x12abcd78);
  assert.equal(b.read('dataByte', 3), 0x12);
  b.write('dataByte', 0, 0xff);
  assert.equal(b.read('data', 0, 2), 0xcdff);
});

test('a byte at an interrupt port drives its line', () => {
  const b = bench(pcTestdev, {});
  b.write('irq', 14, 1);
  assert.deepEqual([b.device.line('irq14'), b.device.line('irq15')], [true, false]);
  b.write('irq', 14, 0);
  assert.equal(b.device.line('irq14'), false);
  b.write('irq', 20, 1); // no ISA interrupt: nothing happens
});

test('the memory keeps bytes at any width', () => {
  const b = bench(pcTestdev, {});
  b.write('memory', 0xfffc, 0x89abcdef, 4);
  assert.equal(b.read('memory', 0xfffe, 2), 0x89ab);
  assert.equal(b.read('memory', 0, 4), 0);
});
