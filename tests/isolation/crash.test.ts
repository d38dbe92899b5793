// Domains that triple-fault, halt for good or loop with interrupts off: their neighbour's ticks go on, on the same
// physical CPU and on another.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DomainConfig, DomainStat } from '../../src/domains/index.js';
import { MIB, type RunOfDomains, rtosFile, runDomains, threadHost } from '../support/guests.js';

const rtos = await rtosFile();
const { skip } = rtos;

/** The RTOS whose ticks must go on: asks 0.7 s of its time after the prompt, and again half a second later. */
const victim = (cpu: number): DomainConfig => {
  assert.ok(rtos.value);
  return {
    name: 'victim',
    memoryBytes: 16 * MIB,
    boot: { kind: 'multiboot', kernel: rtos.value },
    time: 'virtual',
    cpu,
    realtime: { priority: 50, periodUs: 1000, budgetUs: 400 },
    script: [
      { expect: 'rtos> ', delayS: 0.7, send: 'tick\n' },
      { expect: 'tick: [0-9]+' },
      { expect: 'rtos> ', delayS: 0.5, send: 'tick\n' },
      { expect: 'tick: [0-9]+' },
      { expect: 'rtos> ', send: 'lat\n' },
      { expect: 'missed ticks [0-9]+' },
      { expect: 'rtos> ' },
    ],
  };
};
/** An RTOS that is told to crash as soon as it is up and watched for a second; more urgent than the victim if `urgent`. */
const crashing = (name: string, command: string, said: string, urgent: boolean): DomainConfig => {
  assert.ok(rtos.value);
  return {
    name,
    memoryBytes: 16 * MIB,
    boot: { kind: 'multiboot', kernel: rtos.value },
    time: 'virtual',
    cpu: 0,
    ...(urgent && { realtime: { priority: 60, periodUs: 1000, budgetUs: 300 } }),
    script: [{ expect: 'rtos> ', send: `${command}\n` }, { expect: said }, { delayS: 1 }],
  };
};
const flat = (name: string, ...code: number[]): DomainConfig => ({
  name,
  memoryBytes: 4 * MIB,
  boot: { kind: 'flat', kernel: { name, data: Uint8Array.from(code) }, gpa: 0x100000, mode: 'protected32' },
  time: 'virtual',
  cpu: 0,
});
const neighbours = (): DomainConfig[] => [
  crashing('panic', 'panic', 'panic: triple fault', false),
  crashing('hang', 'hang', 'hang: looping', true),
  flat('halt', 0xfa, 0xf4), // cli; hlt
  flat('loop', 0xfa, 0xeb, 0xfe), // cli; jmp $
  flat('fault', 0x0f, 0x01, 0x1d, 0x00, 0x02, 0x00, 0x00, 0x0f, 0x0b), // lidt [200h], which is zero; ud2
];

const statOf = (run: RunOfDomains, name: string): DomainStat => {
  const found = run.stats.flatMap((cpu) => cpu.domains).find((d) => d.name === name);
  assert.ok(found, `no statistics of '${name}'`);
  return found;
};
const ticks = (text = ''): number[] => [...text.matchAll(/^tick: (\d+)/gm)].map((m) => Number(m[1]));

function checkVictim(run: RunOfDomains): void {
  const [first, second] = ticks(run.text.victim);
  assert.ok(first !== undefined && second !== undefined, run.text.victim);
  assert.ok(second - first >= 500 && second - first < 510, `${first}, then ${second} ticks half a second later`);
  assert.match(run.text.victim ?? '', /missed ticks 0\b/);
}
function checkNeighbours(run: RunOfDomains): void {
  assert.equal(run.outcomes.panic?.kind, 'tripleFault');
  assert.equal(run.outcomes.halt?.kind, 'halted');
  assert.equal(run.outcomes.fault?.kind, 'tripleFault');
  assert.equal(run.outcomes.hang, null);
  assert.equal(run.outcomes.loop, null);
  assert.equal(run.outcomes.victim, null);
}

test('on the same physical CPU the ticks of the RTOS go on when its neighbours crash', { skip }, async () => {
  const run = await runDomains(threadHost(), [victim(0), ...neighbours()]);
  checkVictim(run);
  checkNeighbours(run);
  // The crash came before the first of the two looks at the tick count.
  assert.ok(statOf(run, 'panic').machine.clockNs < 0.6e9, `panic at ${statOf(run, 'panic').machine.clockNs} ns`);
  // The two that loop use what the others leave: 30 % for the urgent one, the rest for the other.
  const loop = statOf(run, 'loop').scheduling.ranNs;
  const hang = statOf(run, 'hang').scheduling.ranNs;
  assert.ok(hang > 0.25e9 && loop > 0.25e9, `hang ran ${hang} ns, loop ${loop} ns`);
});

test('on another physical CPU the RTOS does to the byte what it does alone', { skip }, async () => {
  const alone = await runDomains(threadHost(), [victim(1)]);
  const run = await runDomains(threadHost(), [victim(1), ...neighbours()]);
  checkVictim(run);
  checkNeighbours(run);
  assert.equal(run.text.victim, alone.text.victim);
  assert.equal(statOf(run, 'victim').machine.instructions, statOf(alone, 'victim').machine.instructions);
});
