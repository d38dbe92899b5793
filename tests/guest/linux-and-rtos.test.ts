// Linux and the real-time kernel side by side in virtual time, on one physical CPU and on two: no tick is missed while
// Linux boots, and two runs are equal to the last exit and the last byte.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildInitramfs } from '../../src/apps/testing.js';
import type { DomainConfig, DomainStat, ScriptStep } from '../../src/domains/index.js';
import { linuxFiles, MIB, QUIET, type RunOfDomains, rtosFile, runDomains, threadHost } from '../support/guests.js';

const linux = await linuxFiles();
const rtos = await rtosFile();
const skip = linux.skip || rtos.skip;

const linuxScript: readonly ScriptStep[] = [
  { expect: 'linux is up' },
  { expect: 'linux:.*# ', send: 'uname -r; cat /proc/interrupts\n' },
  { expect: 'linux:.*# ', send: 'poweroff\n' },
  { ended: true },
];
/** The self-tests share the processor with Linux's boot; `lat` and `tick` come when Linux has powered off. */
const rtosScript: readonly ScriptStep[] = [
  { expect: 'rtos> ', send: 'test\n' },
  { expect: 'test: PASS.* 0 failures' },
  { expect: 'rtos> ', send: 'pi\n' },
  { expect: 'pi: PASS' },
  { expect: 'rtos> ', send: 'fp\n' },
  { expect: 'fp: PASS.* 0 bad' },
  { expect: 'rtos> ', send: 'mq\n' },
  { expect: 'mq: sent [1-9][0-9]+, .*errors 0' },
  { expect: 'rtos> ', delayS: 3, send: 'lat\n' },
  { expect: 'missed ticks' },
  { expect: 'rtos> ', send: 'tick\n' },
  { expect: 'tick: [0-9]+' },
  { expect: 'rtos> ' },
];

function configs(rtosCpu: number): DomainConfig[] {
  assert.ok(linux.value && rtos.value);
  const initrd = { name: 'initramfs', data: buildInitramfs(linux.value.busybox, { hostname: 'linux' }) };
  return [
    {
      name: 'linux',
      memoryBytes: 256 * MIB,
      boot: { kind: 'linux', kernel: linux.value.kernel, initrd, cmdline: QUIET },
      time: 'virtual',
      cpu: 0,
      script: linuxScript,
    },
    {
      name: 'rtos',
      memoryBytes: 16 * MIB,
      boot: { kind: 'multiboot', kernel: rtos.value },
      time: 'virtual',
      cpu: rtosCpu,
      realtime: { priority: 50, periodUs: 1000, budgetUs: 800 },
      script: rtosScript,
    },
  ];
}

const statOf = (run: RunOfDomains, name: string): DomainStat => {
  const found = run.stats.flatMap((cpu) => cpu.domains).find((d) => d.name === name);
  assert.ok(found, `no statistics of '${name}'`);
  return found;
};

function checkRun(run: RunOfDomains): void {
  assert.deepEqual(run.outcomes, { linux: { kind: 'powerOff' }, rtos: null }, run.text.rtos);
  assert.match(run.text.linux ?? '', /pcanel: linux is up/);
  assert.match(run.text.linux ?? '', /^\d+\.\d+\.\d+\S*-amd64\r$/m);
  const text = run.text.rtos ?? '';
  const [, runs, missed] = /(\d+) runs, missed ticks (\d+)/.exec(text) ?? [];
  assert.equal(missed, '0', text);
  const [, edges, interrupts, lost, late] =
    /clock: (\d+) edges, (\d+) interrupts, (\d+) lost, (\d+) late/.exec(text) ?? [];
  assert.deepEqual([interrupts, lost, late], [edges, '0', '0']);
  assert.equal(runs, edges);
  // 1 kHz: the tick count is the domain's own clock in milliseconds, less the calibration before the first tick
  // and the moment between the command and the end.
  const ticks = Number(/^tick: (\d+)/m.exec(text)?.[1]);
  const clockMs = statOf(run, 'rtos').machine.clockNs / 1e6;
  assert.ok(ticks > 3000 && ticks <= clockMs && ticks > clockMs - 250, `${ticks} ticks in ${clockMs} ms`);
  assert.equal(statOf(run, 'rtos').scheduling.misses, 0);
}

/** Everything that must be the same in two runs. */
const essence = (run: RunOfDomains): unknown =>
  run.stats
    .flatMap((cpu) => cpu.domains)
    .map(({ name, machine }) => ({
      name,
      exits: Object.fromEntries(machine.exits.map((e) => [e.name, e.count])),
      instructions: machine.instructions,
      clockNs: machine.clockNs,
      interrupts: machine.interrupts,
      rip: machine.rip,
      text: run.text[name],
    }));

test('on one physical CPU the RTOS misses no tick while Linux boots, and two runs are equal', { skip }, async () => {
  // At the same time, so that the two runs also disturb each other on the host.
  const [first, second] = await Promise.all([
    runDomains(threadHost(), configs(0)),
    runDomains(threadHost(), configs(0)),
  ]);
  checkRun(first);
  assert.deepEqual(essence(second), essence(first));
  const names = statOf(first, 'linux').machine.exits.map((e) => e.name);
  assert.ok(names.length >= 6, `only ${names} exits`);
});

test('on two physical CPUs the RTOS misses no tick while Linux boots', { skip }, async () => {
  checkRun(await runDomains(threadHost(), configs(1)));
});
