// Keys by name as scan codes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KEY_NAMES, keyBytes } from './keyboard.js';

test('plain and extended keys go down and up', () => {
  assert.deepEqual(keyBytes('KeyA', true), [0x1c]);
  assert.deepEqual(keyBytes('KeyA', false), [0xf0, 0x1c]);
  assert.deepEqual(keyBytes('ArrowUp', true), [0xe0, 0x75]);
  assert.deepEqual(keyBytes('ArrowUp', false), [0xe0, 0xf0, 0x75]);
  assert.equal(keyBytes('NoSuchKey', true), null);
  assert.equal(keyBytes('constructor', true), null);
});

test('no two keys send the same', () => {
  const sent = KEY_NAMES.map((name) => String(keyBytes(name, true)));
  assert.equal(new Set(sent).size, KEY_NAMES.length);
  assert.ok(KEY_NAMES.length > 90);
});
