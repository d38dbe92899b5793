// Threads that give way to those of guests.

import assert from 'node:assert/strict';
import { getPriority } from 'node:os';
import { test } from 'node:test';
import { NICER, otherThreads, threadsGiveWay } from './background-threads.js';

const skip = process.platform === 'linux' ? false : 'threads have nice values of their own on Linux only';

test('the threads of V8 are told from the main one; a thread that has ended is passed over', { skip }, () => {
  const threads = otherThreads();
  assert.ok(threads.length > 0 && !threads.includes(process.pid));
  const [first] = threads as [number];
  const before = getPriority(first);
  threadsGiveWay([2 ** 22 + 1, first]);
  assert.equal(getPriority(first), Math.min(19, before + NICER));
});
