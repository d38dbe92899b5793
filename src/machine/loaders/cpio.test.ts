// Tests of the cpio writer and reader, with cpio(1) as oracle where it is installed.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { buildCpio, type CpioEntry, parseCpio } from './cpio.js';

const entries: CpioEntry[] = [
  { type: 'directory', path: 'tmp', mode: 0o1777 },
  { type: 'file', path: '/bin/tool', data: Uint8Array.of(1, 2, 3), mode: 0o755 },
  { type: 'symlink', path: 'bin/link', target: 'tool' },
  { type: 'char', path: 'dev/console', major: 5, minor: 1 },
  { type: 'file', path: 'etc/größe', data: 'ä\n' },
];

test('what is written is read back, with the parents that were missing', () => {
  const read = parseCpio(buildCpio(entries));
  assert.deepEqual(
    read.map((e) => `${e.type} ${e.path}`),
    [
      'directory tmp',
      'directory bin',
      'file bin/tool',
      'symlink bin/link',
      'directory dev',
      'char dev/console',
      'directory etc',
      'file etc/größe',
    ],
  );
  assert.deepEqual(read[0], { type: 'directory', path: 'tmp', mode: 0o1777 });
  assert.deepEqual(read[2], { type: 'file', path: 'bin/tool', data: Uint8Array.of(1, 2, 3), mode: 0o755 });
  assert.deepEqual(read[3], { type: 'symlink', path: 'bin/link', target: 'tool' });
  assert.deepEqual(read[5], { type: 'char', path: 'dev/console', major: 5, minor: 1, mode: 0o600 });
  assert.deepEqual(read[7], { type: 'file', path: 'etc/größe', data: Uint8Array.of(0xc3, 0xa4, 0x0a), mode: 0o644 });
});

test('headers and data are aligned to 4 bytes and the archive to 512', () => {
  const archive = buildCpio(entries);
  assert.equal(archive.length % 512, 0);
  const text = String.fromCharCode(...archive);
  for (let i = text.indexOf('070701'); i >= 0; i = text.indexOf('070701', i + 1)) assert.equal(i % 4, 0);
});

test('the same entries give the same bytes', () => {
  assert.deepEqual(buildCpio(entries), buildCpio(entries));
});

test('paths that occur twice or are empty are refused', () => {
  const file: CpioEntry = { type: 'file', path: 'a', data: '' };
  assert.throws(() => buildCpio([file, { ...file, path: './a' }]), { code: 'CPIO_PATH', message: /'a' is twice/ });
  assert.throws(() => buildCpio([{ ...file, path: '/' }]), { code: 'CPIO_PATH' });
});

test('corrupt archives are refused with the offset', () => {
  const archive = buildCpio(entries);
  assert.throws(() => parseCpio(Uint8Array.of(1, 2, 3)), { code: 'CPIO_FORMAT', message: /offset 0/ });
  const cut = archive.slice(0, 400);
  assert.throws(() => parseCpio(cut), { code: 'CPIO_FORMAT' });
  const bad = archive.slice();
  bad[14] = 0x78;
  assert.throws(() => parseCpio(bad), { code: 'CPIO_FORMAT' });
});

test('cpio(1) lists the archive', (t) => {
  if (spawnSync('cpio', ['--version']).error) {
    t.skip("no 'cpio' found");
    return;
  }
  const list = spawnSync('cpio', ['-t'], { input: buildCpio(entries), encoding: 'utf8' });
  assert.equal(list.stdout.trim().split('\n').length, 8);
});
