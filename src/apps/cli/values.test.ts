// Values as users write them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineCutter } from './output.js';
import { outcomeCode, outcomeOk } from './report.js';
import { hint, nearest, parseNumber, parseSize } from './values.js';

test('sizes', () => {
  assert.equal(parseSize('256M', 'm'), 256 << 20);
  assert.equal(parseSize('1.5G', 'm'), 1.5 * 2 ** 30);
  assert.equal(parseSize('64MiB', 'm'), 64 << 20);
  assert.equal(parseSize(65536, 'm'), 65536);
  for (const bad of ['', 'M', '-1M', '1T', '1000', '0', '5kk']) {
    assert.throws(() => parseSize(bad, 'memory'), { code: 'SIZE', message: new RegExp(`memory is '${bad}'`) });
  }
});

test('numbers', () => {
  assert.equal(parseNumber('1.5', 't', 0, 2), 1.5);
  for (const bad of ['', 'x', '3', '-1']) assert.throws(() => parseNumber(bad, 't', 0, 2), { code: 'NUMBER' });
});

test('the nearest name, when there is one', () => {
  assert.equal(nearest('memroy', ['name', 'memory']), 'memory');
  assert.equal(nearest('zzzzzz', ['name', 'memory']), null);
  assert.equal(hint('q', ['a', 'b']), 'expected one of: a, b');
});

test('output is cut into lines, also across chunks and characters', () => {
  const lines: string[] = [];
  const cutter = new LineCutter((l) => lines.push(l));
  const bytes = new TextEncoder().encode('one\r\ntwo €\nlast');
  for (const b of bytes) cutter.feed(Uint8Array.of(b));
  assert.deepEqual(lines, ['one', 'two €']);
  cutter.flush();
  assert.deepEqual(lines, ['one', 'two €', 'last']);
});

test('which ends are good, and their exit codes', () => {
  assert.deepEqual([outcomeOk({ kind: 'powerOff' }), outcomeOk({ kind: 'exit', status: 1 })], [true, true]);
  assert.equal(outcomeCode({ kind: 'exit', status: 3 }), 1);
  assert.equal(outcomeCode({ kind: 'tripleFault', message: '' }), 1);
  assert.equal(outcomeCode({ kind: 'scriptFailed', message: '' }), 1);
  assert.equal(outcomeCode({ kind: 'error', code: 'PCPU_CRASHED', message: '' }), 3);
});
