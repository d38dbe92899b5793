// The scheduler over fake domains: who runs, for how long, and always the same way.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StepResult } from '../machine/index.js';
import { admissionFailure, type Schedulable, Scheduler, SLICE_NS, VirtualTimeline } from './scheduler.js';

const MS = 1_000_000;

/** Runs for `workNs` at every multiple of `periodNs`; without a period it is always busy. */
class FakeDomain implements Schedulable {
  readonly runs: [start: number, used: number][] = [];
  #left: number;
  #nextNs: number;
  stopped = false;
  constructor(
    readonly name: string,
    readonly periodNs: number | null = null,
    readonly workNs = 0,
    readonly log: string[] = [],
  ) {
    this.#left = periodNs === null ? Number.POSITIVE_INFINITY : 0;
    this.#nextNs = periodNs ?? Number.POSITIVE_INFINITY;
  }
  get state(): StepResult['state'] {
    return this.stopped ? 'stopped' : this.#left > 0 ? 'running' : 'halted';
  }
  nextDeadlineNs(): number | null {
    return this.#nextNs === Number.POSITIVE_INFINITY ? null : this.#nextNs;
  }
  step(nowNs: number, budgetNs: number): StepResult {
    let used = 0;
    while (true) {
      while (nowNs + used >= this.#nextNs) {
        this.#left += this.workNs;
        this.#nextNs += this.periodNs ?? 0;
      }
      const run = Math.min(this.#left, budgetNs - used, this.#nextNs - nowNs - used);
      if (!(run > 0)) break;
      used += run;
      this.#left -= run;
    }
    this.runs.push([nowNs, used]);
    this.log.push(`${this.name} ${nowNs} ${used}`);
    return { usedNs: used, state: this.state, nextDeadlineNs: this.nextDeadlineNs() };
  }
  get total(): number {
    return this.runs.reduce((sum, [, used]) => sum + used, 0);
  }
}

/** Dispatches until `endNs` of virtual time, jumping over idle time. */
function runUntil(s: Scheduler<FakeDomain>, t: VirtualTimeline, endNs: number): void {
  while (t.now() < endNs) {
    const d = s.dispatch();
    if (d.kind === 'ran') continue;
    if (d.untilNs === null) return;
    t.jumpTo(d.untilNs);
  }
}
const setUp = (): { t: VirtualTimeline; s: Scheduler<FakeDomain> } => {
  const t = new VirtualTimeline();
  return { t, s: new Scheduler<FakeDomain>(t) };
};

test('a real-time domain preempts exactly at its deadline', () => {
  const { t, s } = setUp();
  const rtos = new FakeDomain('rtos', MS, 100_000);
  const linux = new FakeDomain('linux');
  s.add(linux);
  const entity = s.add(rtos, { reservation: { priority: 10, periodNs: MS, budgetNs: 500_000 } });
  runUntil(s, t, 20 * MS);
  const starts = rtos.runs.filter(([, used]) => used > 0).map(([start]) => start);
  assert.deepEqual(starts.slice(0, 5), [MS, 2 * MS, 3 * MS, 4 * MS, 5 * MS]);
  assert.equal(entity.stats.maxLatencyNs, 0);
  assert.deepEqual([entity.stats.misses, entity.stats.overruns], [0, 0]);
  assert.equal(linux.total, 20 * MS - rtos.total);
});

test('two runs of the same domains are equal', () => {
  const run = (): string[] => {
    const { t, s } = setUp();
    const log: string[] = [];
    s.add(new FakeDomain('a', null, 0, log));
    s.add(new FakeDomain('b', 7 * MS, 3 * MS, log), { weight: 300 });
    s.add(new FakeDomain('c', MS, 130_000, log), { reservation: { priority: 5, periodNs: MS, budgetNs: 200_000 } });
    runUntil(s, t, 100 * MS);
    return log;
  };
  const first = run();
  assert.ok(first.length > 100);
  assert.deepEqual(run(), first);
});

test('busy domains share by weight', () => {
  const { t, s } = setUp();
  const a = new FakeDomain('a');
  const b = new FakeDomain('b');
  s.add(a, { weight: 100 });
  s.add(b, { weight: 300 });
  runUntil(s, t, 400 * MS);
  assert.ok(Math.abs(a.total - 100 * MS) <= SLICE_NS, `a ran ${a.total}`);
  assert.ok(Math.abs(b.total - 300 * MS) <= SLICE_NS, `b ran ${b.total}`);
});

test('a domain that slept does not claim the time it slept', () => {
  const { t, s } = setUp();
  const a = new FakeDomain('a');
  const b = new FakeDomain('b', 200 * MS, 100 * MS);
  s.add(a);
  s.add(b);
  runUntil(s, t, 240 * MS);
  assert.ok(b.total <= 22 * MS, `b ran ${b.total} in the 40 ms since it woke`);
  assert.ok(b.total >= 18 * MS);
});

test('a real-time domain is held to its budget while others want the processor', () => {
  const { t, s } = setUp();
  const greedy = new FakeDomain('greedy');
  const linux = new FakeDomain('linux');
  s.add(linux);
  const entity = s.add(greedy, { reservation: { priority: 99, periodNs: 10 * MS, budgetNs: 2 * MS } });
  runUntil(s, t, 100 * MS);
  assert.equal(greedy.total, 20 * MS);
  assert.equal(linux.total, 80 * MS);
  assert.equal(entity.stats.overruns, 10);
  assert.equal(entity.stats.misses, 0);
});

test('a real-time domain beyond its budget takes what nobody else wants', () => {
  const { t, s } = setUp();
  const greedy = new FakeDomain('greedy');
  const linux = new FakeDomain('linux', 10 * MS, MS);
  s.add(greedy, { reservation: { priority: 1, periodNs: 10 * MS, budgetNs: 2 * MS } });
  s.add(linux);
  runUntil(s, t, 105 * MS);
  assert.equal(linux.total, 10 * MS);
  assert.ok(greedy.total >= 94 * MS);
});

test('the larger priority runs first', () => {
  const { t, s } = setUp();
  const log: string[] = [];
  s.add(new FakeDomain('low', 10 * MS, 2 * MS, log), {
    reservation: { priority: 1, periodNs: 10 * MS, budgetNs: 2 * MS },
  });
  s.add(new FakeDomain('high', 10 * MS, 3 * MS, log), {
    reservation: { priority: 2, periodNs: 10 * MS, budgetNs: 3 * MS },
  });
  runUntil(s, t, 10 * MS + 1);
  assert.deepEqual(log[0]?.split(' ').slice(0, 2), ['high', String(10 * MS)]);
});

test('reservations that do not fit are refused, those that do are taken', () => {
  const r = (name: string, priority: number, periodNs: number, budgetNs: number) => ({
    name,
    priority,
    periodNs,
    budgetNs,
  });
  assert.equal(admissionFailure([r('a', 2, 10, 5), r('b', 1, 20, 10)]), null);
  assert.equal(admissionFailure([r('a', 2, 10, 5), r('b', 1, 20, 11)]), 'b');
  const { s } = setUp();
  s.add(new FakeDomain('a', MS, 1), { reservation: { priority: 9, periodNs: MS, budgetNs: 0.8 * MS } });
  const second = { reservation: { priority: 1, periodNs: MS, budgetNs: 0.3 * MS } };
  assert.throws(() => s.add(new FakeDomain('b', MS, 1), second), { code: 'ADMISSION' });
  assert.equal(s.entities.length, 1);
});

test('suspended and stopped domains do not run', () => {
  const { t, s } = setUp();
  const a = new FakeDomain('a');
  const b = new FakeDomain('b');
  const ea = s.add(a);
  s.add(b);
  ea.suspended = true;
  runUntil(s, t, 5 * MS);
  assert.equal(a.total, 0);
  b.stopped = true;
  s.changed();
  assert.deepEqual(s.dispatch(), { kind: 'idle', untilNs: null });
});

test('with everybody halted the next deadline is told', () => {
  const { s } = setUp();
  s.add(new FakeDomain('a', 3 * MS, 1));
  s.add(new FakeDomain('b', 2 * MS, 1));
  assert.deepEqual(s.dispatch(), { kind: 'idle', untilNs: 2 * MS });
});
