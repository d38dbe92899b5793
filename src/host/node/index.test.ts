// Node host: clocks, buffered output, file-backed disks.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ConfigError, HostError } from '../../base/index.js';
import { bufferedSink, fileBlockStore, monotonicClock, wallClock } from './index.js';

const folder = mkdtempSync(join(tmpdir(), 'pcanel-host-'));
after(() => rmSync(folder, { recursive: true }));

test('the monotonic clock does not go back and is a whole number of nanoseconds', () => {
  const clock = monotonicClock();
  const a = clock.nowNs();
  const b = clock.nowNs();
  assert.ok(Number.isInteger(a) && a >= 0 && b >= a);
  assert.ok(wallClock.nowMs() > Date.UTC(2020, 0));
});

test('bytes leave in pieces, in order', async () => {
  const pieces: number[][] = [];
  const sink = bufferedSink((bytes) => void pieces.push([...bytes]), 3);
  for (const byte of [1, 2, 3, 4]) sink.write(byte);
  assert.deepEqual(pieces, [[1, 2, 3]]);
  await new Promise((done) => setImmediate(done));
  assert.deepEqual(pieces, [[1, 2, 3], [4]]);
});

test('a file is a disk of 512-byte sectors', () => {
  const path = join(folder, 'disk');
  writeFileSync(path, new Uint8Array(4 * 512));
  const disk = fileBlockStore(path);
  assert.equal(disk.sectors, 4);
  disk.write(2, new Uint8Array(512).fill(7));
  const back = new Uint8Array(1024);
  disk.read(2, back);
  assert.deepEqual([back[0], back[511], back[512]], [7, 7, 0]);
  disk.flush();
  assert.throws(() => disk.read(3, back), HostError);
  disk.close();
  assert.equal(readFileSync(path)[1024], 7);
  const sealed = fileBlockStore(path, true);
  assert.throws(() => sealed.write(0, new Uint8Array(512)), HostError);
  sealed.close();
});

test('a missing or misshapen disk image is refused by name', () => {
  assert.throws(() => fileBlockStore(join(folder, 'none')), /cannot open '.*none': ENOENT/);
  writeFileSync(join(folder, 'odd'), 'odd');
  assert.throws(() => fileBlockStore(join(folder, 'odd')), ConfigError);
});
