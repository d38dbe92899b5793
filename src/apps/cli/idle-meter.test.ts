// Idle processors, from the times that the host tells.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idleMeter, numbersOf } from './idle-meter.js';

/** A meter of a host with these times; the first look, with which nothing can be compared, is over. */
function meterOf(
  host: { at: number; idle: number[]; ran?: number; waited?: number },
  allowed: Set<number> | null = null,
) {
  const meter = idleMeter({
    now: () => host.at,
    processors: () => host.idle.map((ms) => ({ times: { user: 0, nice: 0, sys: 0, idle: ms, irq: 0 } })),
    own: () => (host.ran === undefined ? null : { ran: host.ran, waited: host.waited ?? 0 }),
    allowed,
  });
  assert.equal(meter(), 0, 'nothing to compare with');
  return meter;
}

test('idle time of all processors over the time between two calls', () => {
  const host = { at: 1000, idle: [5000, 7000] };
  const meter = meterOf(host);
  Object.assign(host, { at: 1200, idle: [5200, 7050] });
  assert.equal(meter(), 1.25);
  host.at = 1300;
  assert.equal(meter(), 0);
});

test('the time of the thread itself would be idle without it, unless it has to wait for a processor', () => {
  const host = { at: 1000, idle: [5000], ran: 300, waited: 10 };
  const meter = meterOf(host);
  Object.assign(host, { at: 1200, idle: [5010], ran: 480 });
  assert.equal(meter(), 0.95);
  // another thread has the processor for half of the time
  Object.assign(host, { at: 1300, ran: 530, waited: 60 });
  assert.equal(meter(), 0);
});

test('processors that the process may not use do not count', () => {
  const host = { at: 1000, idle: [5000, 7000, 9000] };
  const meter = meterOf(host, new Set([0, 2]));
  Object.assign(host, { at: 1100, idle: [5010, 7100, 9020] });
  assert.equal(meter(), 0.3);
  assert.deepEqual(numbersOf('0,2-4,7'), [0, 2, 3, 4, 7]);
});

test('a host that does not tell has no idle processor', () => {
  const host = { at: 1000, idle: [0, 0], ran: 0 };
  const meter = meterOf(host);
  Object.assign(host, { at: 1100, ran: 100 });
  assert.equal(meter(), 0);
});

test('its own time is known on Linux', { skip: process.platform !== 'linux' && 'other systems do not tell' }, () => {
  let now = 0;
  const processors = () => [{ times: { user: 0, nice: 0, sys: 0, idle: 1, irq: 0 } }];
  const meter = idleMeter({ now: () => now, processors });
  meter();
  // what it waits counts against it: a busy host gives it a processor at some time
  let free = 0;
  for (let tries = 0; free <= 0 && tries < 200; tries++) {
    const start = performance.now();
    for (let n = 0; performance.now() - start < 10; n++) Math.sqrt(n);
    now += 10;
    free = meter();
  }
  assert.ok(free > 0);
});
