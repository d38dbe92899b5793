// The folder of compiled code: whole files or none, of this process's kind, and nobody else's.
import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { codePlace, keepFile, keepWhole, keptFiles, readKept } from './code-folder.js';

/** A new folder, named by PCANEL_CODE_CACHE during the test. */
function newFolder(t: TestContext): string {
  const folder = join(mkdtempSync(join(tmpdir(), 'pcanel-code-')), 'compiled');
  const before = process.env.PCANEL_CODE_CACHE;
  process.env.PCANEL_CODE_CACHE = folder;
  t.after(() => {
    if (before === undefined) delete process.env.PCANEL_CODE_CACHE;
    else process.env.PCANEL_CODE_CACHE = before;
    rmSync(join(folder, '..'), { recursive: true, force: true });
  });
  return folder;
}

test('a file is found by what it was compiled from, as long as it is whole', (t) => {
  const folder = newFolder(t);
  const place = codePlace('one');
  assert.ok(place !== null);
  assert.equal(readKept(place), null);
  keepWhole(place, Uint8Array.of(1, 2, 3));
  assert.deepEqual([...(readKept(place) ?? [])], [1, 2, 3]);
  const other = codePlace('two');
  assert.ok(other !== null);
  assert.equal(readKept(other), null);
  assert.deepEqual(keptFiles(place), [place.prefix]);
  assert.deepEqual(keptFiles(other), []);
  truncateSync(join(folder, place.prefix), 34);
  assert.equal(readKept(place), null);
});

test('files that were used last come first, unfinished ones not at all', (t) => {
  const folder = newFolder(t);
  const place = codePlace('x');
  assert.ok(place !== null);
  for (const [n, name] of ['a', 'b', 'c'].entries()) {
    keepFile(place, `${place.prefix}-${name}`, [Uint8Array.of(n)]);
    utimesSync(join(folder, `${place.prefix}-${name}`), n === 1 ? 3000 : n, n === 1 ? 3000 : n);
  }
  writeFileSync(join(folder, `${place.prefix}-d.new`), 'x');
  assert.deepEqual(
    keptFiles(place).map((name) => name.at(-1)),
    ['b', 'c', 'a'],
  );
});

test('what was used longest ago makes room', (t) => {
  const folder = newFolder(t);
  const place = codePlace('x');
  assert.ok(place !== null);
  mkdirSync(folder);
  for (const [name, seconds] of [
    ['old', 1000],
    ['newer', 2000],
  ] as const) {
    writeFileSync(join(folder, name), '');
    truncateSync(join(folder, name), 150 << 20); // sparse
    utimesSync(join(folder, name), seconds, seconds);
  }
  keepFile(place, 'now', [Uint8Array.of(1)]);
  assert.deepEqual(readdirSync(folder).sort(), ['newer', 'now']);
});

test('a folder that others may write to is not used', (t) => {
  const folder = newFolder(t);
  mkdirSync(folder, { mode: 0o700 });
  assert.ok(codePlace('x') !== null);
  chmodSync(folder, 0o777);
  assert.equal(codePlace('x'), null);
});

test('what is no folder keeps nothing', (t) => {
  const folder = newFolder(t);
  writeFileSync(folder, 'a file', { mode: 0o600 });
  const place = codePlace('x');
  assert.ok(place !== null);
  assert.deepEqual(keptFiles(place), []);
  assert.equal(readKept(place), null);
  assert.throws(() => keepWhole(place, Uint8Array.of(1)), /EEXIST|ENOTDIR/);
  const nowhere = { folder: '/proc/self/nowhere/compiled', prefix: 'x' };
  assert.throws(() => keepWhole(nowhere, Uint8Array.of(1)), /ENOENT|EACCES|EPERM|EROFS/);
});

test('PCANEL_CODE_CACHE is off or a path', (t) => {
  newFolder(t);
  process.env.PCANEL_CODE_CACHE = 'off';
  assert.equal(codePlace('x'), null);
  process.env.PCANEL_CODE_CACHE = 'some/where';
  assert.throws(() => codePlace('x'), /PCANEL_CODE_CACHE is 'some\/where', expected 'off' or an absolute path/);
});
