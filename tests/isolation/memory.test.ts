// A guest that writes everywhere it can reach changes no byte of another domain and disturbs nothing of its time.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { createSoftwareEngine } from '../../src/apps/testing.js';
import type { DomainConfig } from '../../src/domains/index.js';
import { type Guest, guest, MIB, rtosFile, runDomains, threadHost } from '../support/guests.js';
import { intruder, SPARED_PORTS } from './intruder.js';

const rtos = await rtosFile();
const { skip } = rtos;
const RAM = 16 * MIB;
const PAGE = 4096;

/** Guest memory and everything else that the engine keeps for the domain. */
const digest = (g: Guest): string =>
  createHash('sha256').update(new Uint8Array(g.machine.vm.memory.buffer)).digest('hex');

test('a guest that writes everywhere changes no byte of another domain', { skip }, async () => {
  assert.ok(rtos.value);
  const engine = await createSoftwareEngine();
  const make = (name: string): Promise<Guest> =>
    guest({ name, memoryBytes: RAM, boot: { kind: 'multiboot', kernel: rtos.value } }, engine);
  const [victim, twin] = [await make('victim'), await make('twin')];
  const { boot, counters } = intruder(RAM, 1, PAGE);
  const attacker = await guest({ name: 'intruder', memoryBytes: RAM, boot }, engine);
  for (const g of [victim, twin]) g.until(/rtos> $/);
  assert.equal(victim.text, twin.text);

  const before = { memory: digest(victim), state: victim.machine.vcpu.readState(), stats: victim.machine.stats() };
  attacker.untilEnd();
  assert.deepEqual(attacker.machine.outcome, { kind: 'exit', status: 1 });
  assert.equal(digest(victim), before.memory);
  assert.deepEqual(victim.machine.vcpu.readState(), before.state);
  assert.deepEqual(victim.machine.stats(), before.stats);

  // It has been everywhere: each page of the address space above its RAM, each port but those that end it, many registers.
  const { memory } = attacker.machine.vm;
  assert.equal(memory.readU32(counters.pages), 2 ** 20 - RAM / PAGE);
  assert.equal(memory.readU32(counters.ports), 65536 - SPARED_PORTS.length);
  assert.ok(memory.readU32(counters.msrs) > 20);
  assert.ok(memory.readU32(counters.faults) > 10_000);
  assert.equal(memory.readU32(RAM - 4), 0xa5a5a5a5);

  // And afterwards the victim does to the byte what one does that never had such a neighbour.
  for (const g of [victim, twin]) {
    g.type('test\n');
    assert.match(g.until(/test: \w+/)[0], /PASS/);
    g.until(/rtos> $/);
    g.type('lat\n');
    assert.match(g.until(/missed ticks \d+/)[0], / 0$/);
    g.until(/rtos> $/);
  }
  assert.equal(victim.text, twin.text);
  assert.equal(victim.machine.stats().instructions, twin.machine.stats().instructions);
  for (const g of [victim, twin, attacker]) g.machine.close();
});

/** Waits until the RTOS is up; fewer addresses, the time would be the exits'. */
const late = intruder(RAM, 100_000_000, 16 * PAGE);
const configs = (cpu: number, withIntruder: boolean): DomainConfig[] => {
  assert.ok(rtos.value);
  const victim: DomainConfig = {
    name: 'rtos',
    memoryBytes: RAM,
    boot: { kind: 'multiboot', kernel: rtos.value },
    time: 'virtual',
    cpu: 0,
    realtime: { priority: 50, periodUs: 1000, budgetUs: 800 },
    script: [
      { expect: 'rtos> ', delayS: 0.5, send: 'lat\n' },
      { expect: 'missed ticks [0-9]+' },
      { expect: 'rtos> ', send: 'tick\n' },
      { expect: 'tick: [0-9]+' },
      { expect: 'rtos> ' },
    ],
  };
  const attacker: DomainConfig = {
    name: 'intruder',
    memoryBytes: RAM,
    boot: late.boot,
    time: 'virtual',
    cpu,
    script: [{ ended: true }],
  };
  return withIntruder ? [victim, attacker] : [victim];
};

test('on the same physical CPU the RTOS misses no tick meanwhile', { skip }, async () => {
  const run = await runDomains(threadHost(), configs(0, true));
  assert.deepEqual(run.outcomes, { rtos: null, intruder: { kind: 'exit', status: 1 } });
  assert.match(run.text.rtos ?? '', /missed ticks 0\b/);
  const domains = run.stats.flatMap((cpu) => cpu.domains);
  const clocks = domains.map((d) => d.machine.clockNs);
  assert.ok((clocks[1] ?? 0) < (clocks[0] ?? 0) && (clocks[1] ?? 0) > 100e6, `clocks ${clocks}: not at the same time`);
});

test('on another physical CPU the RTOS does to the byte what it does alone', { skip }, async () => {
  const alone = await runDomains(threadHost(), configs(1, false));
  const beside = await runDomains(threadHost(), configs(1, true));
  assert.deepEqual(beside.outcomes, { rtos: null, intruder: { kind: 'exit', status: 1 } });
  assert.match(alone.text.rtos ?? '', /missed ticks 0\b/);
  assert.equal(beside.text.rtos, alone.text.rtos);
  const essence = (r: typeof alone): unknown => {
    const m = r.stats.flatMap((cpu) => cpu.domains).find((d) => d.name === 'rtos')?.machine;
    return [m?.instructions, m?.clockNs, m?.exits.map((e) => [e.name, e.count])];
  };
  assert.deepEqual(essence(beside), essence(alone));
});
