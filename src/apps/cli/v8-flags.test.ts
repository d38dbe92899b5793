// The flags for V8 exist in this version of Node.js: one that does not is a line on standard error.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { hintFlags, lateFlags, registerFlags } from './v8-flags.js';

test('this version of V8 knows the flags that it is given', () => {
  const major = Number.parseInt(process.versions.node, 10);
  const late = lateFlags(major);
  assert.equal(late.length, process.versions.node.startsWith('21.') ? 0 : 1);
  const registers = registerFlags(major);
  assert.equal(registers.length, major === 20 ? 1 : 0);
  const flags = [...late, ...hintFlags(major), ...registers];
  const program = `for (const f of ${JSON.stringify(flags)}) require('node:v8').setFlagsFromString(f)`;
  const { stderr, status } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' });
  assert.equal(stderr, '');
  assert.equal(status, 0);
});
