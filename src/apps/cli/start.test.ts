// Which command lines start a thread before they have been read; what the start leaves behind.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startSpareThread, takeSpareThread } from './spare-thread.js';
import { wantsThread } from './start.js';
import { flagsSet, lateFlags } from './v8-flags.js';

test('run and up on the software engine want a thread at once', () => {
  assert.ok(wantsThread(['run', '--kernel', 'vmlinuz']));
  assert.ok(wantsThread(['--json', 'up', 'domains.yaml']));
  for (const line of ['', '--version', 'ps', 'run --help', 'run --inline --kernel k', 'run --engine kvm --kernel k'])
    assert.ok(!wantsThread(line.split(' ')), line);
});

test('a thread that nobody started cannot be taken', () => {
  assert.equal(takeSpareThread(), null);
});

test('threads that start after the first one know the flags for V8, even where that one is not there yet', async () => {
  startSpareThread();
  const worker = takeSpareThread();
  const flags = flagsSet();
  await worker?.terminate();
  assert.ok(worker);
  for (const flag of lateFlags(Number.parseInt(process.versions.node, 10))) assert.ok(flags.includes(flag), flag);
});

test('what V8 compiled is kept in the cache folder, where Node.js can keep it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pcanel-start-'));
  try {
    const { NODE_COMPILE_CACHE: _, NODE_DISABLE_COMPILE_CACHE: __, ...env } = process.env;
    const options = { env: { ...env, PCANEL_CACHE: folder }, encoding: 'utf8' as const };
    const { status, stderr } = spawnSync(process.execPath, ['bin/pcanel.js', '--version'], options);
    assert.equal(stderr, '');
    assert.equal(status, 0);
    const code = join(folder, 'code');
    assert.equal(existsSync(code) && readdirSync(code).length > 0, 'enableCompileCache' in nodeModule);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
