// Tests of the comparison's arithmetic and of how it reads markers, without a guest.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chartSvg } from '../../bench/peers/chart.js';
import { CHECK, PROGRAMS, runList } from '../../bench/peers/programs.js';
import { addBoot, emptyResult, meanRatio, median, tooSlow } from '../../bench/peers/results.js';
import { MarkerReader } from '../../bench/peers/run.js';

/** A reader whose clocks stand where the test puts them. */
function reader(): { marks: MarkerReader; at: (wall: number, cpu: number) => MarkerReader } {
  const clock = { wall: 0, cpu: 0 };
  const marks = new MarkerReader(
    () => clock.wall,
    () => clock.cpu,
  );
  return {
    marks,
    at: (wall, cpu) => {
      Object.assign(clock, { wall, cpu });
      return marks;
    },
  };
}

test('a program takes the host time between its markers, whatever the guest says', () => {
  const { marks, at } = reader();
  at(2, 1.5).feed('[    0.1] noise\r\nBOOT-OK 1.20\r\n');
  at(3, 2).feed('START fi');
  at(4, 2.5).feed('b\r\n');
  at(9, 3).feed('END fib\r\n');
  at(10, 4).feed('BENCH fib 0.5000 s sum=0000000000abcdef\r\nALL-DONE\r\n');
  assert.equal(marks.bootAt, 2);
  assert.equal(marks.bootCpu, 1.5);
  assert.deepEqual(marks.programs.get('fib'), {
    seconds: 5,
    cpuSeconds: 0.5,
    guestSeconds: 0.5,
    checksum: '0000000000abcdef',
  });
  assert.equal(marks.done, true);
  assert.equal(marks.failure, null);
});

test('a program that fails in the guest and a panic end the boot with their words', () => {
  const failed = reader();
  failed.marks.feed('FAIL pipe 1\n');
  assert.equal(failed.marks.failure, 'in the guest: FAIL pipe 1');
  const panicked = reader();
  panicked.marks.feed('[ 1.0] Kernel panic - not syncing: no init\n');
  assert.match(panicked.marks.failure ?? '', /Kernel panic - not syncing: no init/);
  const lost = reader();
  lost.marks.feed('END fib\n');
  assert.match(lost.marks.failure ?? '', /'fib' without having started it/);
});

test('a wrong checksum is told and its time is not counted', () => {
  const result = emptyResult('qemu', 'QEMU', '');
  const run = (checksum: string) => ({ seconds: 2, cpuSeconds: 1, guestSeconds: 2, checksum });
  const programs = new Map([
    ['fib', run('1')],
    ['sieve', run('2')],
  ]);
  const native = { fib: { seconds: 1, checksum: '1' }, sieve: { seconds: 1, checksum: '3' } };
  addBoot(result, { bootSeconds: 7, bootCpuSeconds: null, programs, peakMib: 100, failure: null }, native);
  assert.deepEqual(result.wrong, ['sieve']);
  assert.deepEqual(result.wall, { boot: [7], fib: [2] });
  assert.deepEqual(result.cpu, { fib: [1] });
});

test('a program whose markers arrive together has no time', () => {
  const { marks, at } = reader();
  at(2, 1).feed('BOOT-OK 1\n');
  at(3, 2).feed('START fib\nEND fib\nBENCH fib 0.5 s sum=0000000000000001\nSTART sieve\n');
  at(5, 3).feed('END sieve\nBENCH sieve 0.5 s sum=0000000000000001\nALL-DONE\n');
  const result = emptyResult('qemu', 'QEMU', '');
  const native = { seconds: 1, checksum: '0000000000000001' };
  const boot = { bootSeconds: 2, bootCpuSeconds: 1, programs: marks.programs, peakMib: null, failure: marks.failure };
  addBoot(result, boot, { fib: native, sieve: native });
  assert.deepEqual(result.wall, { boot: [2], sieve: [2] });
  assert.deepEqual(result.wrong, []);
});

test('ratios are of medians; their mean is geometric; programs beyond the limit are named, the worst first', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1]), 2.5);
  assert.equal(median([]), null);
  const ours = { ...emptyResult('pcanel-real', 'Pcanel', ''), wall: { fib: [2], sieve: [8, 9, 7], qsort: [1.3] } };
  const qemu = { ...emptyResult('qemu', 'QEMU', ''), wall: { fib: [1], sieve: [1], qsort: [1] } };
  assert.equal(meanRatio(ours, qemu, ['fib', 'sieve', 'nobody'], 'wall'), 4);
  assert.deepEqual(tooSlow(ours, qemu, 'wall'), [
    { program: 'sieve', ratio: 8 },
    { program: 'fib', ratio: 2 },
  ]);
});

test('processor time below its steps counts as half a step, so that no ratio is zero', () => {
  const ours = { ...emptyResult('pcanel-real', 'Pcanel', ''), cpu: { fib: [0] } };
  const qemu = { ...emptyResult('qemu', 'QEMU', ''), cpu: { fib: [0.01] } };
  assert.equal(meanRatio(ours, qemu, ['fib'], 'cpu'), 0.5);
});

test('gunzip brings gzip before it and the check behind it', () => {
  assert.deepEqual(runList(['smc', 'gunzip']), ['gzip', 'gunzip', CHECK, 'smc']);
  assert.deepEqual(runList(['sieve', 'coremark']), ['coremark', 'sieve']);
  assert.deepEqual(
    runList(PROGRAMS).filter((p) => p !== CHECK),
    PROGRAMS,
  );
});

test('the chart has a bar per program and peer, and none without QEMU', () => {
  const host = { cpu: 'A & B', cores: 2, memoryMib: 1, kernel: '', node: '', v8: '', compiler: '', loadAverage: 0 };
  const peer = (name: string, wall: Record<string, number[]>) => ({ ...emptyResult(name, name, ''), wall });
  const guests = (peers: ReturnType<typeof peer>[]) => ({
    host: { ...host, date: '2026-01-02T03:04:05Z' },
    command: '',
    cores: null,
    boots: 1,
    divisor: 1,
    guests: [{ bits: '64' as const, kernel: '', native: {}, peers }],
    skipped: [],
  });
  const qemu = peer('qemu', { fib: [2], sieve: [1] });
  const ours = peer('pcanel-real', { fib: [1], sieve: [4] });
  const svg = chartSvg([guests([qemu, ours])], 'wall', 'programs') ?? '';
  assert.match(svg, /A &amp; B/);
  assert.equal(svg.match(/height="8" fill=/g)?.length, 2);
  assert.match(svg, />0\.50<\/text>/);
  assert.match(svg, />4\.00<\/text>/);
  assert.equal(chartSvg([guests([ours])], 'wall', 'programs'), null);
});
