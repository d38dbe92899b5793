// Idle processors, from the times that the host tells.
import assert from 'node:assert/strict';
import type { CpuInfo } from 'node:os';
import { test } from 'node:test';
import { idleMeter } from './idle-meter.js';

const cpusOf = (idle: readonly number[]): CpuInfo[] =>
  idle.map((ms) => ({ model: '', speed: 0, times: { user: 0, nice: 0, sys: 0, idle: ms, irq: 0 } }));

test('idle time of all processors over the time between two calls', () => {
  let at = 1000;
  let idle = [5000, 7000];
  const meter = idleMeter(
    () => at,
    () => cpusOf(idle),
    () => 0,
  );
  assert.equal(meter(), 0, 'nothing to compare with');
  at += 200;
  idle = [5200, 7050];
  assert.equal(meter(), 1.25);
  at += 100;
  assert.equal(meter(), 0);
});

test('the time of the thread itself would be idle without it', () => {
  let [at, idle, own] = [1000, 5000, 300];
  const meter = idleMeter(
    () => at,
    () => cpusOf([idle]),
    () => own,
  );
  meter();
  [at, idle, own] = [1200, 5010, 480];
  assert.equal(meter(), 0.95);
  // another thread has had the processor for most of the time
  [at, own] = [1300, 510];
  assert.equal(meter(), 0.3);
});

test('a host that does not tell has no idle processor', () => {
  let [at, own] = [1000, 0];
  const meter = idleMeter(
    () => at,
    () => cpusOf([0, 0]),
    () => own,
  );
  meter();
  [at, own] = [1100, 100];
  assert.equal(meter(), 0);
});

test('its own time is known on Linux', { skip: process.platform !== 'linux' && 'other systems do not tell' }, () => {
  const meter = idleMeter(
    () => 0,
    () => cpusOf([1000]),
  );
  meter();
  const start = performance.now();
  for (let n = 0; performance.now() - start < 30; n++) Math.sqrt(n);
  assert.ok(meter() > 0);
});
