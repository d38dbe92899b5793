// The documented example of `pcanel/testing` runs as it is.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { linuxUnavailable } from '../../src/apps/api/testing.js';
import { repository } from '../support/guests.js';

const skip = await linuxUnavailable();

test('examples/testing/hello.test.mjs', { skip }, () => {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const run = spawnSync(process.execPath, ['--test', 'examples/testing/hello.test.mjs'], {
    cwd: repository,
    encoding: 'utf8',
    env,
  });
  assert.equal(run.status, 0, run.stdout + run.stderr);
  assert.match(run.stdout, /pass 1/);
});
