// Tests of the estimate of where host time goes, with steps whose costs are known.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addStatistics, EngineTimes } from './engine-time.js';

/** Steps of changing mixture: interpreted code costs 4 ns, translated 0.5 ns, an exit 300 ns. */
function steps(
  times: EngineTimes,
  exitNs: number,
  count = 100,
): { interpreted: number; translated: number; exits: number } {
  const sum = { interpreted: 0, translated: 0, exits: 0 };
  for (let n = 0; n < count; n++) {
    const interpreted = 1000 + ((n * 7919) % 5000);
    const translated = (n * 104729) % 90_000;
    const exits = (n * 31) % 20;
    sum.interpreted += interpreted;
    sum.translated += translated;
    sum.exits += exits;
    times.add({
      hostNs: interpreted * 4 + translated * 0.5 + exits * exitNs + 1000,
      instructions: interpreted + translated,
      exits,
      // a millisecond of translation every step would be 1e6 ns: here 1000 ns
      retired: sum.translated,
      spentMs: (n + 1) * 0.001,
    });
  }
  return sum;
}
const near = (value: number, expected: number): void =>
  assert.ok(Math.abs(value - expected) < expected * 0.001, `${value}, expected about ${expected}`);

test('the cost of each part is found from steps of different mixture', () => {
  const times = new EngineTimes();
  const sum = steps(times, 300);
  const e = times.estimate();
  assert.ok(e);
  near(e.interpreterNs, sum.interpreted * 4);
  near(e.translatedNs, sum.translated * 0.5);
  near(e.exitsNs, sum.exits * 300);
  near(e.translatorNs, 100_000);
});

test('a part that costs nothing gets nothing, and the others get all of the time', () => {
  const times = new EngineTimes();
  const sum = steps(times, -2);
  const e = times.estimate();
  assert.ok(e);
  assert.equal(e.exitsNs, 0);
  near(e.interpreterNs + e.translatedNs, sum.interpreted * 4 + sum.translated * 0.5 - sum.exits * 2);
});

test('nothing is said without translated code, of few steps, and of steps that are all alike', () => {
  const interpreted = new EngineTimes();
  for (let n = 0; n < 50; n++) interpreted.add({ hostNs: 100, instructions: 10, exits: n, retired: 0, spentMs: 0 });
  assert.equal(interpreted.estimate(), null);
  const few = new EngineTimes();
  steps(few, 300, 3);
  assert.equal(few.estimate(), null);
  const alike = new EngineTimes();
  for (let n = 1; n < 50; n++) alike.add({ hostNs: 100, instructions: 10, exits: 0, retired: n * 5, spentMs: 0 });
  assert.equal(alike.estimate(), null);
});

test('counters of several vCPUs are added by name', () => {
  assert.deepEqual(addStatistics([{ a: 1, b: 2 }, null, undefined, { b: 3 }]), { a: 1, b: 5 });
});
