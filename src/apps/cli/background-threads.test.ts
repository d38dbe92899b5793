// Threads that give way to those of guests.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { getPriority } from 'node:os';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { NICER, otherThreads, threadsGiveWay } from './background-threads.js';

const skip = process.platform === 'linux' ? false : 'threads have nice values of their own on Linux only';

test('a thread gives way by itself; the main thread does not', { skip }, async () => {
  const before = getPriority();
  const module = new URL('./background-threads.js', import.meta.url).href;
  const worker = new Worker(
    `import(${JSON.stringify(module)}).then(({ thisThreadGivesWay }) => {
      thisThreadGivesWay();
      const thread = Number(require('node:fs').readlinkSync('/proc/thread-self').split('/').pop());
      require('node:worker_threads').parentPort.postMessage(require('node:os').getPriority(thread));
    })`,
    { eval: true },
  );
  const [nice] = await once(worker, 'message');
  assert.equal(nice, Math.min(19, before + NICER));
  assert.equal(getPriority(), before);
  await worker.terminate();
});

test('the threads of V8 are told from the main one; a thread that has ended is passed over', { skip }, () => {
  const threads = otherThreads();
  assert.ok(threads.length > 0 && !threads.includes(process.pid));
  const [first] = threads as [number];
  const before = getPriority(first);
  threadsGiveWay([2 ** 22 + 1, first]);
  assert.equal(getPriority(first), Math.min(19, before + NICER));
});
