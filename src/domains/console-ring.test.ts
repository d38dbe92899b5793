// Console rings: order, bounds, signalling.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConsoleRing } from './console-ring.js';

test('bytes come out in the order they went in, across the wrap', () => {
  const ring = ConsoleRing.create(8);
  const out: number[] = [];
  for (let i = 0; i < 50; i++) {
    assert.ok(ring.push(i));
    assert.ok(ring.push(i + 100));
    out.push(...new ConsoleRing(ring.shared).read());
  }
  assert.deepEqual(out.slice(0, 4), [0, 100, 1, 101]);
  assert.equal(out.length, 100);
});

test('a full ring refuses bytes and keeps what it has', () => {
  const ring = ConsoleRing.create(4);
  assert.equal(ring.write([1, 2, 3, 4, 5, 6]), 4);
  assert.equal(ring.push(7), false);
  assert.equal(ring.room, 0);
  assert.deepEqual([...ring.read(3)], [1, 2, 3]);
  assert.equal(ring.write([8, 9, 10, 11]), 3);
  assert.deepEqual([...ring.read()], [4, 8, 9, 10]);
});

test('the reader is told once until it acknowledges', () => {
  const ring = ConsoleRing.create(16);
  assert.equal(ring.signal(), false);
  ring.push(1);
  assert.equal(ring.signal(), true);
  ring.push(2);
  assert.equal(ring.signal(), false);
  ring.acknowledge();
  assert.equal(ring.signal(), true);
});

test('a size that is no power of two is refused', () => {
  assert.throws(() => ConsoleRing.create(1000), RangeError);
});
