import assert from 'node:assert/strict';
import { it } from 'node:test';
import { latin1Text } from './text.js';

it('text of bytes is as long as they are, and has a character for each value', () => {
  const bytes = Uint8Array.from({ length: 10_000 }, (_, n) => n % 256);
  assert.equal(latin1Text(bytes), Buffer.from(bytes).toString('latin1'));
  assert.equal(latin1Text(new Uint8Array(0)), '');
});
