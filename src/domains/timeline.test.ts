// The record of who ran when.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CpuTimeline, TIMELINE_KEEP } from './timeline.js';

test('slices of one domain without a gap are one, until they are read', () => {
  const t = new CpuTimeline();
  t.ran('a', 0, 10, false);
  t.ran('a', 10, 20, false);
  t.ran('b', 20, 25, true);
  t.ran('a', 30, 35, false);
  const first = t.read(0, 40);
  assert.deepEqual(
    first.slices.map((s) => [s.domain, s.startNs, s.endNs, s.reserved]),
    [
      ['a', 0, 20, false],
      ['b', 20, 25, true],
      ['a', 30, 35, false],
    ],
  );
  t.ran('a', 35, 50, false);
  assert.deepEqual(t.read(0, 50, first.next).slices, [{ startNs: 35, endNs: 50, domain: 'a', reserved: false }]);
});

test('misses and overruns are marked by difference', () => {
  const t = new CpuTimeline();
  t.note(5, { name: 'rt', misses: 3, overruns: 0 });
  t.note(10, { name: 'rt', misses: 5, overruns: 1 });
  t.note(15, { name: 'rt', misses: 5, overruns: 1 });
  t.note(20, { name: 'rt', misses: 0, overruns: 0 }); // a new domain of that name
  t.note(25, { name: 'rt', misses: 1, overruns: 0 });
  assert.deepEqual(
    t.read(0, 30).marks.map((m) => [m.timeNs, m.kind, m.count]),
    [
      [10, 'miss', 2],
      [10, 'overrun', 1],
      [25, 'miss', 1],
    ],
  );
});

test('a reader that comes late is told what it lost', () => {
  const t = new CpuTimeline();
  for (let i = 0; i < 3 * TIMELINE_KEEP; i++) t.ran('a', 2 * i, 2 * i + 1, false);
  const { slices, lost, next } = t.read(0, 0, 0);
  assert.equal(slices.length, TIMELINE_KEEP);
  assert.equal(lost, 2 * TIMELINE_KEEP);
  assert.equal(next, 3 * TIMELINE_KEEP);
});
