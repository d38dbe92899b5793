// Several scripted processors in one machine: INIT and start-up IPIs, turns, one clock, halting, resets.
// Source: SDM 3A "MP Initialization Protocol Algorithm", "Processor State After Reset".

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PAUSE_TICKS } from '../vmx/index.js';
import { FakeVcpu, type ScriptedExit } from '../vmx/testing.js';
import { createMachine, type Machine, type MachineConfig, SLICE_NS } from './index.js';
import { fakeEngine, tinyMultiboot } from './testing.js';

const MIB = 1 << 20;
const APIC = 0xfee00000;
const SVR = 0xf0;
const ICR_LOW = 0x300;
const ICR_HIGH = 0x310;
const INIT_OTHERS = 0xc4500;
const SIPI_OTHERS = 0xc4608;
const INIT = 0x4500;
const SIPI = 0x4608;
const BOOT_VECTOR = 8;

const apicWrite = (offset: number, value: number, before?: (v: FakeVcpu) => void): ScriptedExit => ({
  exit: { name: 'eptViolation', gpa: APIC + offset, sizeBytes: 4, isWrite: true, value: BigInt(value >>> 0) },
  ...(before && { before }),
});
const ipi = (cpu: number, command: number): ScriptedExit[] => [
  apicWrite(ICR_HIGH, cpu << 24),
  apicWrite(ICR_LOW, command),
];
const startOthers = (): ScriptedExit[] => [apicWrite(ICR_LOW, INIT_OTHERS), apicWrite(ICR_LOW, SIPI_OTHERS)];
const pause = (): ScriptedExit => ({ exit: { name: 'pause', qualification: 0n } });
const spend = (ticks: number): ScriptedExit => ({ ticks, exit: { name: 'rdtsc', qualification: 0n } });
const halt = (interruptsOn: boolean): ScriptedExit => ({
  exit: { name: 'hlt', qualification: 0n },
  before: (v) => {
    v.state.rflags = interruptsOn ? 0x202n : 2n;
    v.canInterrupt = interruptsOn;
  },
});

interface Made {
  readonly machine: Machine;
  readonly vcpus: FakeVcpu[];
  /** Every entry: which processor, at what domain time, and what its TSC showed. */
  readonly entries: { cpu: number; atNs: number; tsc: number }[];
}

async function make(scripts: ScriptedExit[][], extra: Partial<MachineConfig> = {}): Promise<Made> {
  const vcpus: FakeVcpu[] = [];
  const entries: Made['entries'] = [];
  let machine: Machine | null = null;
  const engine = fakeEngine((_options, _memory, index) => {
    const vcpu = new FakeVcpu([...(scripts[index] ?? [])], index);
    const enter = vcpu.enter.bind(vcpu);
    vcpu.enter = (budget) => {
      entries.push({ cpu: index, atNs: machine?.clockNs() ?? -1, tsc: Number(vcpu.tsc) });
      // what does not fit into the budget stays for the next entry
      const [next] = vcpu.script;
      if (next?.ticks !== undefined && next.ticks > budget) {
        vcpu.script[0] = { ...next, ticks: next.ticks - budget };
        vcpu.script.unshift({ ticks: budget, exit: { name: 'preemptionTimer', qualification: 0n } });
      }
      return enter(budget);
    };
    vcpus.push(vcpu);
    return vcpu;
  });
  machine = await createMachine(
    {
      name: 'm',
      memoryBytes: 8 * MIB,
      time: 'virtual',
      boot: { kind: 'multiboot', kernel: tinyMultiboot() },
      cpus: scripts.length,
      ...extra,
    },
    { engine, nowNs: () => 0, wallClockMs: 0, console: { write: () => {} } },
  );
  return { machine, vcpus, entries };
}
const order = (made: Made): number[] => made.entries.map((e) => e.cpu);

test('only the boot processor runs until another is started', async () => {
  const made = await make([[], [], []]);
  made.machine.step(0, 1_000_000);
  assert.deepEqual([...new Set(order(made))], [0]);
  assert.equal(made.machine.clockNs(), 1_000_000);
});

test('INIT and a start-up IPI start a processor in real mode at its vector, at once', async () => {
  const made = await make([startOthers(), []]);
  const [, second] = made.vcpus;
  assert.ok(second);
  second.state.gpr[0] = 5n;
  second.state.cr0 = 0x8000_0011n;
  second.state.lstar = 0x1234n;
  made.machine.step(0, 1000);
  assert.deepEqual(order(made).slice(0, 3), [0, 0, 1]);
  const { segments, rip, cr0, gpr, efer, lstar } = second.state;
  assert.deepEqual([segments.cs.selector, segments.cs.base, rip], [BOOT_VECTOR << 8, BigInt(BOOT_VECTOR << 12), 0n]);
  assert.deepEqual([segments.ds.base, segments.ds.limit], [0n, 0xffff]);
  assert.deepEqual([cr0, efer, gpr[0]], [0x10n, 0n, 0n]);
  assert.notEqual(gpr[2], 0n, 'EDX holds the signature');
  assert.equal(lstar, 0x1234n, 'INIT leaves MSRs alone');
});

test('a start-up IPI to a processor that already runs is lost; INIT stops it', async () => {
  const made = await make([
    [...startOthers(), spend(1000), ...ipi(1, SIPI + 1), spend(SLICE_NS * 4), ...ipi(1, INIT), spend(SLICE_NS * 4)],
    [],
  ]);
  made.machine.step(0, SLICE_NS * 4);
  const [, second] = made.machine.processors.all;
  assert.equal(second?.waitsForSipi, false);
  assert.equal(made.vcpus[1]?.state.segments.cs.base, BigInt(BOOT_VECTOR << 12));
  made.machine.step(SLICE_NS * 4, SLICE_NS * 20);
  assert.equal(second?.waitsForSipi, true);
  assert.equal(made.entries.at(-1)?.cpu, 0);
});

test('processors take turns of one slice; each sees the one clock in its TSC', async () => {
  const made = await make([startOthers(), [], [], []]);
  made.machine.step(0, 50);
  made.entries.length = 0;
  const start = made.machine.clockNs();
  const { instructions: before } = made.machine.stats();
  made.machine.step(start, SLICE_NS * 8);
  const turns = order(made);
  assert.deepEqual(
    turns.slice(1, 9),
    [2, 3, 0, 1, 2, 3, 0, 1].map((cpu) => (cpu + (turns[1] ?? 0) + 2) % 4),
  );
  for (const e of made.entries) assert.equal(e.tsc, e.atNs);
  for (let i = 2; i < 8; i++) assert.equal((made.entries[i]?.atNs ?? 0) - (made.entries[i - 1]?.atNs ?? 0), SLICE_NS);
  assert.equal(made.machine.clockNs(), start + SLICE_NS * 8);
  const { instructions } = made.machine.stats();
  assert.equal(SLICE_NS * 8 - (instructions - before), 100); // one more access to a local APIC
});

test('what a guest writes to its TSC stays its own', async () => {
  const wrmsr: ScriptedExit = { exit: { name: 'wrmsr', index: 0x10, value: 5_000_000n } };
  const made = await make([startOthers(), [wrmsr]]);
  made.machine.step(0, SLICE_NS * 6);
  const ahead = made.entries.filter((e) => e.cpu === 1).map((e) => e.tsc - e.atNs);
  assert.equal(ahead[0], 0);
  assert.ok(ahead.length > 3);
  assert.deepEqual([...new Set(ahead.slice(1))].length, 1);
  assert.ok((ahead[1] ?? 0) > 4_000_000);
  for (const e of made.entries) if (e.cpu === 0) assert.equal(e.tsc, e.atNs);
});

test('an IPI gives its receiver the next turn and is injected there', async () => {
  const made = await make([
    [...startOthers(), spend(10), ...ipi(1, 0x40fd)],
    [apicWrite(SVR, 0x1ff), spend(SLICE_NS)],
  ]);
  made.machine.step(0, SLICE_NS * 3);
  assert.deepEqual(made.vcpus[0]?.injected, []);
  assert.deepEqual(
    made.vcpus[1]?.injected.map((e) => [e.type, e.vector]),
    [['externalInterrupt', 0xfd]],
  );
  // 0 starts 1 and is interrupted for it; after the slice of 1 it sends the IPI and gives way again
  const turns = order(made).filter((cpu, i, all) => cpu !== all[i - 1]);
  assert.deepEqual(turns.slice(0, 4), [0, 1, 0, 1]);
});

test('PAUSE gives way to a processor with work and costs time', async () => {
  const made = await make([[...startOthers(), pause(), pause()], []]);
  made.machine.step(0, SLICE_NS * 4);
  const first = made.entries.filter((e) => e.cpu === 0).map((e) => e.atNs);
  // after the start-up IPI, after the slice of 1, a PAUSE later again
  assert.equal((first[3] ?? 0) - (first[2] ?? 0), PAUSE_TICKS + SLICE_NS);
});

test('PAUSE with nobody to give way to lets time pass, not beyond the end of the step by more than itself', async () => {
  const made = await make([Array.from({ length: 100 }, pause), []]);
  made.machine.step(0, 10 * PAUSE_TICKS);
  assert.equal(made.entries.length, 10);
  assert.equal(made.machine.clockNs(), 10 * PAUSE_TICKS);
});

test('a machine is halted when all its processors are, and deaf when none can be woken', async () => {
  const waiting = await make([[...startOthers(), halt(true)], [spend(300)]]);
  assert.equal(waiting.machine.step(0, 1_000_000).state, 'running');
  const asleep = await make([[...startOthers(), halt(true)], [halt(false)]]);
  assert.equal(asleep.machine.step(0, 1_000_000).state, 'halted');
  const deaf = await make([[...startOthers(), halt(false)], [halt(false)]]);
  assert.equal(deaf.machine.step(0, 1_000_000).state, 'stopped');
  assert.equal(deaf.machine.outcome?.kind, 'halted');
});

test('an IPI wakes a halted processor', async () => {
  const made = await make([
    [...startOthers(), spend(SLICE_NS * 2), ...ipi(1, 0x40fd)],
    [apicWrite(SVR, 0x1ff), halt(true)],
  ]);
  made.machine.step(0, SLICE_NS * 2);
  const before = made.vcpus[1]?.budgets.length;
  assert.equal(before, 2);
  made.machine.step(SLICE_NS * 2, SLICE_NS);
  assert.equal(made.vcpus[1]?.injected[0]?.vector, 0xfd);
});

test('NMIs reach the processor they are sent to', async () => {
  const made = await make([[...startOthers(), ...ipi(1, 0x4400)], []]);
  made.machine.step(0, SLICE_NS * 2);
  assert.deepEqual(
    made.vcpus.map((v) => v.injected.map((e) => e.type)),
    [[], ['nmi']],
  );
});

test('a kick ends the step whichever processor runs', async () => {
  const made = await make([[...startOthers(), halt(true)], []]);
  const word = new Int32Array(new SharedArrayBuffer(4));
  Object.assign(made.vcpus[0] as FakeVcpu, { kickWord: word });
  made.machine.step(0, 1000);
  Atomics.store(word, 0, 1);
  const r = made.machine.step(1000, 100 * SLICE_NS);
  assert.ok(r.usedNs <= 2 * SLICE_NS, `${r.usedNs} ns`);
  assert.equal(word[0], 0);
});

test('a triple fault of any processor is the machine’s; after a reset only the boot processor runs', async () => {
  const fault: ScriptedExit = { exit: { name: 'tripleFault', qualification: 0n } };
  const stopped = await make([startOthers(), [fault]]);
  stopped.machine.step(0, 1000);
  assert.equal(stopped.machine.outcome?.kind, 'tripleFault');
  const made = await make([startOthers(), [fault]], { onTripleFault: 'reset' });
  made.machine.step(0, 1000);
  assert.equal(made.machine.stats().resets, 1);
  const after = made.entries.length;
  made.machine.step(1000, SLICE_NS * 5);
  assert.deepEqual([...new Set(order(made).slice(after))], [0]);
  for (const e of made.entries.slice(after)) assert.ok(e.tsc <= e.atNs);
});

test('INIT of the boot processor of a machine without firmware resets the board', async () => {
  const made = await make([ipi(0, INIT), []], { onReset: 'stop' });
  made.machine.step(0, 1000);
  assert.equal(made.machine.outcome?.kind, 'reset');
});

test('a processor in x2APIC mode leaves the APIC page to the others', async () => {
  const x2apic: ScriptedExit = { exit: { name: 'wrmsr', index: 0x1b, value: 0xfee00d00n } };
  const made = await make([
    [...startOthers(), x2apic, spend(SLICE_NS)],
    [spend(SLICE_NS), apicWrite(SVR, 0x1ff)],
  ]);
  made.machine.step(0, SLICE_NS * 4);
  const [first, second] = made.machine.chipset.localApics;
  assert.equal((first?.queries.base() ?? 0) & 0xc00, 0xc00);
  assert.equal(second?.state.svr, 0x1ff);
  assert.equal(made.machine.stats().unclaimed, 0);
});

test('two runs of the same machine interleave the same way, however the steps are cut', async () => {
  const scripts = (): ScriptedExit[][] => [
    [...startOthers(), pause(), spend(12_345), ...ipi(2, 0x40fd), pause(), spend(250_000)],
    [apicWrite(SVR, 0x1ff), pause(), spend(77_777), pause(), halt(true)],
    [apicWrite(SVR, 0x1ff), halt(true), spend(33_333)],
  ];
  const [a, b] = [await make(scripts()), await make(scripts())];
  const end = SLICE_NS * 9;
  a.machine.step(0, end);
  for (let now = 0; now < end; ) now += b.machine.step(now, Math.min(7_001, end - now)).usedNs;
  const turns = (m: Made) =>
    m.entries.filter((e, i, all) => e.cpu !== all[i - 1]?.cpu).map((e) => `${e.cpu} at ${e.atNs}`);
  assert.ok(turns(a).length > 8);
  assert.deepEqual(turns(b), turns(a));
});
