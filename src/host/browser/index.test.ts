// Browser host: disks in memory and behind a URL, a terminal as a byte stream, clocks.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError, HostError } from '../../base/index.js';
import {
  bufferedSink,
  type HttpRange,
  httpBlockStore,
  memoryBlockStore,
  monotonicClock,
  terminalStream,
} from './index.js';

const MIB = 1 << 20;

/** A web server with one image; notes what was asked of it. */
function server(image: Uint8Array): { range: HttpRange; asked: [number, number][] } {
  const asked: [number, number][] = [];
  const range: HttpRange = (_url, start, end) => {
    asked.push([start, end]);
    return { bytes: image.slice(start, end), totalBytes: image.length };
  };
  return { range, asked };
}

test('a disk behind a URL is fetched in pieces, once each', () => {
  const image = Uint8Array.from({ length: MIB }, (_, i) => (i >> 9) & 0xff);
  const { range, asked } = server(image);
  const disk = httpBlockStore('disk.img', true, range);
  assert.equal(disk.sectors, 2048);
  const into = new Uint8Array(1024);
  disk.read(127, into);
  assert.deepEqual([into[0], into[512]], [127, 128]);
  disk.read(128, into);
  assert.deepEqual(asked, [
    [0, 65536],
    [65536, 131072],
  ]);
  assert.throws(() => disk.write(0, into), HostError);
  assert.throws(() => disk.read(2047, into), /1024 bytes at sector 2047, expected a range inside 2048/);
});

test('what is written to a disk behind a URL is read back and survives other pieces', () => {
  const { range } = server(new Uint8Array(64 * MIB));
  const disk = httpBlockStore('disk.img', false, range);
  disk.write(127, new Uint8Array(1024).fill(7));
  const into = new Uint8Array(512);
  for (let sector = 256; sector < 64 * 2048; sector += 128) disk.read(sector, into);
  disk.read(128, into);
  assert.deepEqual([into[0], into[511]], [7, 7]);
  disk.read(129, into);
  assert.equal(into[0], 0);
});

test('a server without ranges gives the whole image at once', () => {
  const image = new Uint8Array(2048).fill(3);
  const disk = httpBlockStore('disk.img', false, () => ({ bytes: image, totalBytes: image.length }));
  const into = new Uint8Array(512);
  disk.read(3, into);
  assert.equal(into[0], 3);
});

test('a misshapen image and a short answer are refused by name', () => {
  assert.throws(() => memoryBlockStore('odd.img', new Uint8Array(700)), ConfigError);
  assert.throws(() => httpBlockStore('odd.img', false, server(new Uint8Array(3)).range), /'odd.img' has 3 bytes/);
  const image = new Uint8Array(MIB);
  const disk = httpBlockStore('short.img', false, (_u, start) => ({
    bytes: start === 0 ? image.slice(0, 65536) : new Uint8Array(10),
    totalBytes: MIB,
  }));
  assert.throws(() => disk.read(500, new Uint8Array(512)), /'short.img' gave 10 bytes at 196608, expected 65536/);
});

test('keys typed while a terminal is paused come when it goes on', () => {
  let type: (text: string) => void = () => undefined;
  const written: number[] = [];
  const stream = terminalStream({
    write: (data) => void written.push(...data),
    onData: (listener) => {
      type = listener;
      return { dispose: () => (type = () => undefined) };
    },
  });
  const got: number[] = [];
  const end = stream.onBytes((bytes) => got.push(...bytes));
  type('a');
  stream.pause();
  type('é');
  assert.deepEqual(got, [0x61]);
  stream.resume();
  assert.deepEqual(got, [0x61, 0xc3, 0xa9]);
  end();
  type('x');
  assert.equal(got.length, 3);
  stream.write(0x41);
  stream.flush();
  assert.deepEqual(written, [0x41]);
});

test('bytes leave in pieces, in order; the clock does not go back', async () => {
  const pieces: number[][] = [];
  const sink = bufferedSink((bytes) => void pieces.push([...bytes]), 3);
  for (const byte of [1, 2, 3, 4]) sink.write(byte);
  await new Promise((done) => setTimeout(done, 5));
  assert.deepEqual(pieces, [[1, 2, 3], [4]]);
  const clock = monotonicClock();
  const a = clock.nowNs();
  assert.ok(Number.isInteger(a) && clock.nowNs() >= a);
});
