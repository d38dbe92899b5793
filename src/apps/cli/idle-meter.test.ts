// Idle processors, from the times that the host tells.
import assert from 'node:assert/strict';
import type { CpuInfo } from 'node:os';
import { test } from 'node:test';
import { idleMeter } from './idle-meter.js';

test('idle time of all processors over the time between two calls', () => {
  let at = 1000;
  let idle = [5000, 7000];
  const read = (): CpuInfo[] =>
    idle.map((ms) => ({ model: '', speed: 0, times: { user: 0, nice: 0, sys: 0, idle: ms, irq: 0 } }));
  const meter = idleMeter(() => at, read);
  assert.equal(meter(), 0, 'nothing to compare with');
  at += 200;
  idle = [5200, 7050];
  assert.equal(meter(), 1.25);
  at += 100;
  assert.equal(meter(), 0);
});
