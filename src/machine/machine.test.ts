// A machine over a scripted vCPU: time, deadlines, resets, ends.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeVcpu, type ScriptedExit } from '../vmx/testing.js';
import { createMachine, type Machine, type MachineConfig } from './index.js';
import { fakeEngine, tinyMultiboot } from './testing.js';

const MIB = 1 << 20;

const portWrite = (port: number, value: number, ticks = 1): ScriptedExit => ({
  ticks,
  exit: { name: 'ioInstruction', port, sizeBytes: 1, isIn: false, isString: false, isRep: false, value },
});
const halt = (interruptsOn: boolean): ScriptedExit => ({
  exit: { name: 'hlt', qualification: 0n },
  before: (v) => {
    v.state.rflags = interruptsOn ? 0x202n : 2n;
    v.canInterrupt = interruptsOn;
  },
});

async function make(
  script: ScriptedExit[],
  extra: Partial<MachineConfig> = {},
): Promise<{ machine: Machine; vcpu: FakeVcpu; out: number[] }> {
  let vcpu: FakeVcpu | null = null;
  const out: number[] = [];
  const engine = fakeEngine(() => {
    vcpu = new FakeVcpu(script);
    return vcpu;
  });
  const machine = await createMachine(
    {
      name: 'm',
      memoryBytes: 8 * MIB,
      time: 'virtual',
      boot: { kind: 'multiboot', kernel: tinyMultiboot() },
      ...extra,
    },
    { engine, nowNs: () => 0, wallClockMs: 0, console: { write: (b) => void out.push(b) } },
  );
  assert.ok(vcpu !== null);
  return { machine, vcpu, out };
}

test('a machine enters its guest in the state that the loader asks for', async () => {
  const { vcpu } = await make([]);
  assert.equal(vcpu.state.rip, 0x100020n);
  assert.equal(vcpu.state.gpr[0], 0x2badb002n);
  assert.equal(vcpu.state.cr0 & 1n, 1n);
  assert.equal(vcpu.state.segments.cs.limit, 0xffffffff);
});

test('a step uses its budget and advances the domain clock by it', async () => {
  const { machine } = await make([]);
  const r = machine.step(5000, 300);
  assert.deepEqual([r.usedNs, r.state], [300, 'running']);
  assert.equal(machine.clockNs(), 300);
  machine.step(9000, 100); // others ran in between: the clock follows
  assert.equal(machine.clockNs(), 4100);
});

test('the TSC follows the time that others have used', async () => {
  const { machine, vcpu } = await make([]);
  machine.step(0, 100);
  machine.step(1100, 100);
  assert.equal(vcpu.tsc, 1200n);
});

test('a deadline set while the guest runs cuts the run', async () => {
  // Counter 0 of the 8254 in mode 2 with divisor 100: an edge 100 ticks (83.8 us) later.
  const { machine, vcpu } = await make([portWrite(0x43, 0x34), portWrite(0x40, 100), portWrite(0x40, 0)]);
  machine.step(0, 200_000);
  const afterProgramming = vcpu.budgets[3] ?? 0;
  assert.ok(afterProgramming > 80_000 && afterProgramming < 84_700, `budget ${afterProgramming}`);
});

test('bytes written to COM1 reach the console', async () => {
  const { machine, out } = await make([portWrite(0x3f8, 0x41), portWrite(0x3f8, 0x42)]);
  machine.step(0, 10_000);
  assert.deepEqual(out, [0x41, 0x42]);
});

test('in virtual time an access takes as long as on a PC, and the TSC shows it', async () => {
  const used = async (port: number): Promise<number> => {
    const { machine, vcpu } = await make([portWrite(port, 0), portWrite(port, 0)]);
    const { usedNs } = machine.step(0, 100); // ends with the first access
    assert.equal(Number(vcpu.readTsc()), usedNs);
    return usedNs;
  };
  assert.ok((await used(0x80)) >= 1000);
  assert.ok((await used(0x80)) < 2000);
  assert.ok((await used(0x1f0)) < 500);
});

test('a guest halted with interrupts off is at its end', async () => {
  const { machine } = await make([halt(false)]);
  assert.equal(machine.step(0, 1000).state, 'stopped');
  assert.equal(machine.outcome?.kind, 'halted');
});

test('a halted guest wakes by the 8254 through the 8259', async () => {
  const program = [
    ...[0x11, 0x20, 4, 1].map((v, i) => portWrite(i === 0 ? 0x20 : 0x21, v)), // ICW1..ICW4
    portWrite(0x21, 0xfe),
    portWrite(0x43, 0x34),
    portWrite(0x40, 100),
    portWrite(0x40, 0),
    halt(true),
  ];
  const { machine, vcpu } = await make(program);
  const r = machine.step(0, 1_000_000);
  assert.equal(r.state, 'halted');
  assert.ok(r.nextDeadlineNs !== null && r.nextDeadlineNs > r.usedNs);
  machine.step(r.nextDeadlineNs, 10);
  assert.deepEqual(
    vcpu.injected.map((e) => [e.type, e.vector]),
    [['externalInterrupt', 0x20]],
  );
});

test('the debug-exit port ends the machine with its status', async () => {
  const { machine } = await make([portWrite(0xf4, 3)]);
  machine.step(0, 100);
  assert.deepEqual(machine.outcome, { kind: 'exit', status: 7 });
});

test('a keyboard-controller reset starts the guest anew with cleared memory', async () => {
  const { machine, vcpu } = await make([portWrite(0x64, 0xfe)]);
  machine.vm.memory.writeU32(0x300000, 0x12345678);
  vcpu.state.gpr[0] = 0n;
  machine.step(0, 100);
  assert.equal(machine.outcome, null);
  assert.equal(machine.stats().resets, 1);
  assert.equal(machine.vm.memory.readU32(0x300000), 0);
  assert.equal(vcpu.state.gpr[0], 0x2badb002n);
});

test('a reset stops the machine when the policy says so', async () => {
  const { machine } = await make([portWrite(0xcf9, 6)], { onReset: 'stop' });
  machine.step(0, 100);
  assert.equal(machine.outcome?.kind, 'reset');
});

test('ACPI soft-off powers the machine off', async () => {
  const soft: ScriptedExit = {
    exit: {
      name: 'ioInstruction',
      port: 0x604,
      sizeBytes: 2,
      isIn: false,
      isString: false,
      isRep: false,
      value: (5 << 10) | 0x2000,
    },
  };
  const { machine } = await make([soft]);
  machine.step(0, 100);
  assert.deepEqual(machine.outcome, { kind: 'powerOff' });
});

test('a triple fault stops the machine, or resets it by policy', async () => {
  const fault = (): ScriptedExit[] => [{ exit: { name: 'tripleFault', qualification: 0n } }];
  const stopped = (await make(fault())).machine;
  stopped.step(0, 100);
  assert.equal(stopped.outcome?.kind, 'tripleFault');
  const reset = (await make(fault(), { onTripleFault: 'reset' })).machine;
  reset.step(0, 100);
  assert.deepEqual([reset.outcome, reset.stats().resets], [null, 1]);
});

test('a kick ends the step before its budget', async () => {
  const { machine } = await make([{ exit: { name: 'kick', qualification: 0n }, ticks: 10 }]);
  assert.deepEqual(machine.step(0, 1000).usedNs, 10);
});

test('an exception inside a step ends the machine with an error', async () => {
  const { machine } = await make([
    {
      exit: { name: 'internalError', message: 'trap' },
      before: () => {
        throw new Error('broken');
      },
    },
  ]);
  machine.step(0, 100);
  assert.equal(machine.outcome?.kind, 'error');
});

test('pausing stops the domain clock', async () => {
  const { machine } = await make([]);
  machine.step(0, 100);
  machine.pause(100);
  machine.resume(5000);
  machine.step(5000, 50);
  assert.equal(machine.clockNs(), 150);
});

test('a file that is no kernel and too little memory are refused', async () => {
  const notKernel = { kind: 'multiboot', kernel: { name: 'readme', data: new Uint8Array(100) } } as const;
  await assert.rejects(make([], { boot: notKernel }), { code: 'KERNEL_FORMAT' });
  await assert.rejects(make([], { memoryBytes: MIB }), { code: 'MEMORY_SIZE' });
  await assert.rejects(make([], { cpus: 17 }), { code: 'MACHINE_CPUS' });
});
