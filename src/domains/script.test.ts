// Scripts: matching, typing, delays, time-outs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ScriptRunner, utf8 } from './script.js';

const S = 1e9;
const say = (r: ScriptRunner, text: string): void => {
  for (const b of utf8(text)) r.feed(b);
};
const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

test('a step types after its text has come, then the script is done', () => {
  const r = new ScriptRunner([{ expect: 'login: $', send: 'root\n' }, { expect: '# ' }], 0);
  say(r, 'Welcome\nlog');
  assert.equal(r.poll(1), null);
  say(r, 'in: ');
  const typed = r.poll(2);
  assert.ok(typed?.kind === 'send');
  assert.equal(text(typed.bytes), 'root\n');
  assert.equal(r.poll(3), null);
  say(r, '/ # ');
  assert.deepEqual(r.poll(4), { kind: 'done' });
  assert.equal(r.poll(5), null);
});

test('text that was matched is not matched again', () => {
  const r = new ScriptRunner([{ expect: 'x' }, { expect: 'x', timeoutS: 1 }], 0);
  say(r, 'x');
  assert.equal(r.poll(0), null);
  assert.equal(r.poll(2 * S)?.kind, 'failed');
});

test('a delay is waited for, and told as the next time to look', () => {
  const r = new ScriptRunner([{ delayS: 0.5, send: 'a' }], 1000);
  assert.equal(r.nextNs(), 1000);
  assert.equal(r.poll(1000), null);
  assert.equal(r.nextNs(), 1000 + 0.5 * S);
  assert.equal(r.poll(1000 + 0.5 * S)?.kind, 'send');
});

test('a time-out fails with the step, the text and what came instead', () => {
  const r = new ScriptRunner([{ expect: 'ready', timeoutS: 2 }], 0);
  say(r, 'panic: no init\r\n');
  assert.equal(r.nextNs(), 2 * S);
  assert.equal(r.poll(2 * S - 1), null);
  const failed = r.poll(2 * S);
  assert.ok(failed?.kind === 'failed');
  assert.match(failed.message, /step 1: 'ready' did not come within 2 s; last output: 'panic: no init'/);
  assert.equal(r.nextNs(), null);
});

test('a guest that ends where only text was left is fine when the text has come', () => {
  const good = new ScriptRunner([{ expect: 'Power down' }], 0);
  say(good, 'reboot: Power down\n');
  assert.deepEqual(good.guestEnded(), { kind: 'done' });
  const bad = new ScriptRunner([{ expect: 'never' }], 0);
  assert.equal(bad.guestEnded()?.kind, 'failed');
});

test('a stop step stops', () => {
  const r = new ScriptRunner([{ expect: 'ok', stop: true }], 0);
  say(r, 'ok');
  assert.deepEqual(r.poll(0), { kind: 'stop' });
});

test('typed text is UTF-8', () => {
  assert.deepEqual([...utf8('aé€😀')], [...new TextEncoder().encode('aé€😀')]);
});

test('a step that waits for the end is satisfied by it, and fails when it does not come', () => {
  const r = new ScriptRunner([{ expect: 'bye' }, { ended: true, timeoutS: 3 }], 0);
  say(r, 'bye');
  assert.equal(r.poll(10), null);
  assert.equal(r.nextNs(), 10 + 3 * S);
  assert.deepEqual(r.guestEnded(), { kind: 'done' });
  const late = new ScriptRunner([{ ended: true, timeoutS: 3 }], 0);
  const failed = late.poll(3 * S);
  assert.ok(failed?.kind === 'failed');
  assert.match(failed.message, /the guest did not end within 3 s/);
});
