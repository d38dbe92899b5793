// Which command lines start a thread before they have been read.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { takeSpareThread } from './spare-thread.js';
import { wantsThread } from './start.js';

test('run and up on the software engine want a thread at once', () => {
  assert.ok(wantsThread(['run', '--kernel', 'vmlinuz']));
  assert.ok(wantsThread(['--json', 'up', 'domains.yaml']));
  for (const line of ['', '--version', 'ps', 'run --help', 'run --inline --kernel k', 'run --engine kvm --kernel k'])
    assert.ok(!wantsThread(line.split(' ')), line);
});

test('a thread that nobody started cannot be taken', () => {
  assert.equal(takeSpareThread(), null);
});
