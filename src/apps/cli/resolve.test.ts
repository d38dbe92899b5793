// How files that the user named are read.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readInput } from './resolve.js';

const options = { folder: tmpdir() };

test('a file is read whole, into memory that threads can share', async () => {
  const path = fileURLToPath(import.meta.url);
  const { data } = await readInput(path, 'a module', options);
  assert.ok(data.buffer instanceof SharedArrayBuffer);
  assert.deepEqual([...data], [...readFileSync(path)]);
});

test('a file that names no size is read all the same', { skip: !existsSync('/proc/version') }, async () => {
  const { data } = await readInput('/proc/version', 'a text', options);
  assert.equal(Buffer.from(data).toString(), readFileSync('/proc/version', 'utf8'));
});

test('a folder and a missing file are told by name', async () => {
  await assert.rejects(readInput(options.folder, 'a kernel', options), /is a folder, expected a kernel/);
  await assert.rejects(readInput('/no/such', 'a kernel', options), /'\/no\/such' does not exist, expected a kernel/);
});
