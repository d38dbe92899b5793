// Tests of the text of `pcanel stat --jit`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DomainStat } from '../../domains/index.js';
import { jitReport } from './stat-jit.js';

/** A domain that has run a thousand instructions in a millisecond. */
function domain(engine: DomainStat['machine']['engine'], engineTime: DomainStat['machine']['engineTime']): DomainStat {
  return {
    name: 'linux',
    cpu: 0,
    state: 'running',
    outcome: null,
    engine: 'software',
    time: 'virtual',
    memoryBytes: 1 << 20,
    machine: {
      state: 'running',
      clockNs: 0,
      instructions: 1000,
      exits: [],
      exitsTotal: 0,
      interrupts: 0,
      resets: 0,
      steps: 0,
      runs: 0,
      hostNs: 1_000_000,
      hostExitNs: 50_000,
      unclaimed: 0,
      consoleBytesOut: 0,
      consoleBytesIn: 0,
      rip: '0x0',
      engine,
      engineTime,
    },
    scheduling: { ranNs: 0, dispatches: 0, misses: 0, overruns: 0, maxLatencyNs: 0 },
    script: null,
  };
}

test('shares of instructions and host time add up, and counters without a place are listed', () => {
  const counters = {
    retired: 900,
    entries: 30,
    regions: 5,
    compiled: 6,
    modules: 2,
    reused: 2,
    stored: 4,
    refused: 1,
    codeBytes: 2048,
  };
  const time = { translatedNs: 400_000, interpreterNs: 300_000, exitsNs: 100_000, translatorNs: 200_000 };
  const lines = jitReport(domain({ ...counters, retranslated: 3 }, time)).split('\n');
  assert.deepEqual(lines, [
    'linux',
    '  regions       5 alive, 6 compiled in 2 modules, 2 KiB of code',
    '  translations  13 asked for, 33.3% of them kept from earlier runs, 16.7% found compiled, 1 refused',
    '  instructions  90.0% translated, 10.0% interpreted, 30 per entry of a region',
    '  host time     about translated code 0.000 s (40.0%), interpreter 0.000 s (30.0%), VM exits 0.000 s (10.0%); translator 0.000 s (20.0%)',
    '  per instruction  translated 444.44 ns, interpreted 3000.00 ns',
    '  retranslated  3',
  ]);
});

test('an engine that translates nothing says so', () => {
  assert.match(jitReport(domain({}, null)), /all instructions are interpreted/);
});

test('time of the translator thread is shown beside the host time', () => {
  const counters = { retired: 1, translateMs: 5, compileMs: 5, workerTranslateMs: 1500, workerCompileMs: 250 };
  const lines = jitReport(domain(counters, null)).split('\n');
  assert.match(lines[4] ?? '', /host time {5}translator 0\.010 s,/);
  assert.equal(lines[5], "  beside it     translator's thread 1.750 s, not part of the host time");
});
