// The monitor against a scripted processor: every exit is answered, events are injected, budgets and stops are kept.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CPU_FEATURE_NAMES, Msr } from '../arch/index.js';
import { ConfigError } from '../base/index.js';
import { type CpuidEntry, ioBitmapExits, msrBitmapExits, Primary, type VmExit } from '../vmx/index.js';
import { FakeVcpu, type ScriptedExit } from '../vmx/testing.js';
import {
  AccessPolicy,
  type AccessPolicyOptions,
  addExits,
  CpuidPolicy,
  cpuModel,
  type ExitStatistic,
  estimatedNs,
  type LocalApicPort,
  MSR_ROWS,
  VcpuMonitor,
  type VcpuMonitorOptions,
} from './index.js';

const CPUID = {
  model: cpuModel('x86-64-v2'),
  engineFeatures: new Set(CPU_FEATURE_NAMES),
  vcpus: 1,
  apicId: 0,
  tscHz: 1e9,
  apicBusHz: 1e9,
};
/** A machine of recording parts. */
function machine(script: (VmExit | ScriptedExit)[], change: Partial<VcpuMonitorOptions> = {}) {
  const vcpu = new FakeVcpu(script.map((e) => ('exit' in e ? e : { exit: e })));
  const io: string[] = [];
  const interrupts = {
    queue: [] as number[],
    nmi: false,
    pending: () => interrupts.queue.length > 0,
    acknowledge: () => interrupts.queue.shift() ?? 0xff,
    nmiPending: () => interrupts.nmi,
    acknowledgeNmi: () => {
      interrupts.nmi = false;
    },
  };
  const apicState = { base: 0xfee0_0900n, cr8: 0, deadline: 0n, x2: new Map<number, bigint>() };
  const apic: LocalApicPort = {
    base: () => apicState.base,
    setBase: (v) => {
      apicState.base = v;
      return true;
    },
    cr8: () => apicState.cr8,
    setCr8: (v) => {
      apicState.cr8 = v;
    },
    tscDeadline: () => apicState.deadline,
    setTscDeadline: (v) => {
      apicState.deadline = v;
    },
    readX2apic: (r) => ((apicState.base & 0x400n) === 0n ? null : (apicState.x2.get(r) ?? 0n)),
    writeX2apic: (r, v) => (apicState.base & 0x400n) !== 0n && apicState.x2.set(r, v) !== undefined,
  };
  const monitor = new VcpuMonitor({
    vcpu,
    bus: {
      read: (space, address, size) => {
        io.push(`${space} read ${address.toString(16)} ${size}`);
        return 0x11223344 & (2 ** (8 * size) - 1);
      },
      write: (space, address, size, value) => {
        io.push(`${space} write ${address.toString(16)} ${size} ${value.toString(16)}`);
      },
    },
    interrupts,
    apic,
    cpuid: new CpuidPolicy(CPUID),
    tscHz: 1e9,
    time: 'virtual',
    ...change,
  });
  vcpu.log.length = 0;
  return { vcpu, monitor, io, interrupts, apic: apicState };
}
const io = (isIn: boolean, port: number, sizeBytes: number, value = 0): VmExit => ({
  name: 'ioInstruction',
  port,
  sizeBytes,
  isIn,
  isString: false,
  isRep: false,
  value,
});
const plain = (name: 'hlt' | 'kick' | 'preemptionTimer' | 'interruptWindow' | 'tripleFault' | 'vmcall'): VmExit => ({
  name,
  qualification: 0n,
});
const rdmsr = (index: number): VmExit => ({ name: 'rdmsr', index, value: 0n });
const wrmsr = (index: number, value: bigint): VmExit => ({ name: 'wrmsr', index, value });

test('port accesses go to the bus and complete', () => {
  const m = machine([io(true, 0x60, 1), io(false, 0xcf8, 4, 0x80000000)]);
  assert.deepEqual(m.monitor.run(10), { next: 'resume', ticksUsed: 10 });
  assert.deepEqual(m.io, ['pio read 60 1', 'pio write cf8 4 80000000']);
  assert.deepEqual(m.vcpu.log, ['read 44', 'write']);
});

test('MMIO of eight bytes becomes two accesses, low half first', () => {
  const m = machine([
    { name: 'eptViolation', gpa: 0xfed00000, sizeBytes: 8, isWrite: false, value: 0n },
    { name: 'eptViolation', gpa: 0xfed00000, sizeBytes: 8, isWrite: true, value: 0x1_0000_0002n },
  ]);
  m.monitor.run(5);
  assert.deepEqual(m.io, [
    'mmio read fed00000 4',
    'mmio read fed00004 4',
    'mmio write fed00000 4 2',
    'mmio write fed00004 4 1',
  ]);
  assert.deepEqual(m.vcpu.log, ['read 1122334411223344', 'write']);
});

test('CPUID writes four registers, zero extended, and skips', () => {
  const m = machine([{ name: 'cpuid', leaf: 0, subleaf: 0 }]);
  m.vcpu.state.gpr[0] = 0xffff_ffff_0000_0000n;
  m.monitor.run(1);
  assert.equal(m.vcpu.state.gpr[0], 0x16n);
  assert.equal(m.vcpu.state.gpr[3], 0x756e6547n); // "Genu"
  assert.deepEqual(m.vcpu.log, ['skip']);
});

/** An engine that gives answers itself: what it was told, as text, and how many it gave. */
function answering(script: VmExit[], change: Partial<VcpuMonitorOptions> = {}) {
  const told: string[] = [];
  const cpuidAnswers = {
    keep: (e: CpuidEntry, every: boolean) => {
      told.push(`${e.leaf.toString(16)} ${every ? 'every' : e.subleaf} ${e.edx.toString(16)}`);
    },
    forget: () => {
      told.push('forget');
    },
    given: 0,
  };
  const m = machine(script, change);
  return { ...m, vcpu: Object.assign(m.vcpu, { cpuidAnswers }), told, cpuidAnswers };
}
const cpuid = (leaf: number, subleaf = 0): VmExit => ({ name: 'cpuid', leaf, subleaf });

test('an engine that can is handed the answers of CPUID, by subleaf where there are some', () => {
  const features = new CpuidPolicy(CPUID).featuresOf(7, 0);
  const m = answering([cpuid(0, 7), cpuid(7), cpuid(4, 1), cpuid(0x4000_0000, 1), cpuid(0xb, 5), cpuid(0xffff, 3)]);
  m.monitor.run(6);
  assert.deepEqual(m.told, [
    '0 every 49656e69',
    `7 0 ${features.edx.toString(16)}`,
    '4 1 0',
    '40000000 every 6c656e61',
    'b 5 0',
    'ffff every 0',
  ]);
});

test('answers are forgotten when IA32_APIC_BASE is written, at a reset and when a state is loaded', () => {
  const m = answering([cpuid(0), wrmsr(Msr.IA32_APIC_BASE, 0xfee0_0100n), wrmsr(Msr.IA32_SPEC_CTRL, 0n)]);
  m.monitor.run(3);
  m.monitor.reset();
  m.monitor.loadState(m.monitor.saveState());
  assert.deepEqual(m.told, ['0 every 49656e69', 'forget', 'forget', 'forget']);
});

test('who traces exits or watches CPUID sees every one', () => {
  const traced = answering([cpuid(0), cpuid(0), cpuid(0)]);
  traced.monitor.run(1);
  traced.monitor.trace = { begin: () => null };
  traced.monitor.run(1);
  traced.monitor.trace = null;
  traced.monitor.run(1);
  assert.deepEqual(traced.told, ['0 every 49656e69', 'forget', 'forget', '0 every 49656e69']);
  for (const verdict of ['allow', 'deny', { fakeCpuid: { edx: 1 } }] as const) {
    const policy = new AccessPolicy({ rules: [{ kind: 'cpuid', range: [1, 1], verdict }] });
    const watched = answering([cpuid(0), cpuid(1)], { policy });
    watched.monitor.run(2);
    assert.deepEqual(watched.told, []);
  }
});

test('what the engine has answered counts as exits, and costs nothing', () => {
  let ns = 0;
  const hostNs = (): number => {
    ns += 1000;
    return ns;
  };
  const m = answering([cpuid(0), cpuid(1), plain('kick')], { hostNs });
  m.monitor.run(10);
  m.cpuidAnswers.given = 98;
  const all = m.monitor.statistics.list();
  const [first, second] = all as [ExitStatistic, ExitStatistic];
  assert.deepEqual([first.name, first.count, first.answered, first.samples], ['cpuid', 100, 98, 1]);
  assert.deepEqual([second.name, second.count, second.answered], ['kick', 1, 0]);
  assert.deepEqual([m.monitor.statistics.total(), m.monitor.statistics.handled], [101, 3]);
  assert.equal(estimatedNs(first), 2 * 1000);
  const sum = addExits([...all, ...all]).map((e) => [e.name, e.count, e.answered, estimatedNs(e)]);
  assert.deepEqual(sum, [
    ['cpuid', 200, 196, 4000],
    ['kick', 2, 0, 0],
  ]);
});

test('HLT halts, costs nothing while nothing is pending, and an interrupt wakes it', () => {
  const m = machine([plain('hlt')]);
  assert.deepEqual(m.monitor.run(100), { next: 'halt', ticksUsed: 1 });
  assert.equal(m.monitor.idle, true);
  assert.deepEqual(m.monitor.run(100), { next: 'halt', ticksUsed: 0 });
  assert.equal(m.vcpu.budgets.length, 1);
  m.interrupts.queue.push(0x30);
  assert.equal(m.monitor.idle, false);
  assert.deepEqual(m.monitor.run(100), { next: 'resume', ticksUsed: 100 });
  assert.deepEqual(m.vcpu.injected, [{ type: 'externalInterrupt', vector: 0x30 }]);
});

test('HLT with interrupts disabled is not woken by an interrupt, but by an NMI', () => {
  const m = machine([plain('hlt')]);
  m.vcpu.canInterrupt = false;
  m.interrupts.queue.push(0x30);
  assert.equal(m.monitor.run(10).next, 'halt');
  m.interrupts.nmi = true;
  assert.equal(m.monitor.run(10).next, 'resume');
  assert.deepEqual(m.vcpu.injected, [{ type: 'nmi', vector: 2 }]);
});

test('a blocked interrupt asks for a window and is injected when it opens', () => {
  const m = machine([
    {
      exit: plain('interruptWindow'),
      before: (v) => {
        v.canInterrupt = true;
      },
    },
    plain('kick'),
  ]);
  m.vcpu.canInterrupt = false;
  m.interrupts.queue.push(0x21);
  m.monitor.run(10);
  assert.deepEqual(m.vcpu.log, ['window on', 'inject externalInterrupt 33', 'window off']);
});

test('a second pending interrupt keeps the window open', () => {
  const m = machine([plain('kick')]);
  m.interrupts.queue.push(0x50, 0x40);
  m.monitor.run(10);
  assert.deepEqual(m.vcpu.log, ['inject externalInterrupt 80', 'window on']);
});

test('a blocked NMI opens the NMI window', () => {
  const m = machine([
    {
      exit: { name: 'nmiWindow', qualification: 0n },
      before: (v) => {
        assert.ok(v.controls.primary & Primary.nmiWindowExiting);
        v.canNmi = true;
      },
    },
    plain('kick'),
  ]);
  m.vcpu.canNmi = false;
  m.interrupts.nmi = true;
  m.monitor.run(10);
  assert.deepEqual(m.vcpu.injected, [{ type: 'nmi', vector: 2 }]);
  assert.equal(m.vcpu.controls.primary & Primary.nmiWindowExiting, 0);
});

test('an entry carries one event: after #GP the interrupt waits for its window', () => {
  const m = machine([rdmsr(0x12345), plain('kick')]);
  const before = { exit: rdmsr(0x12345), before: () => void m.interrupts.queue.push(0x30) };
  m.vcpu.script[0] = before;
  m.monitor.run(10);
  assert.deepEqual(m.vcpu.log, ['fail 13 0', 'window on']);
  assert.equal(m.monitor.msrs.unknown[0x12345], 1);
});

test('the budget is split over the exits and never exceeded', () => {
  const m = machine([
    { exit: io(true, 0x60, 1), ticks: 30 },
    { exit: io(true, 0x60, 1), ticks: 500 },
  ]);
  assert.deepEqual(m.monitor.run(100), { next: 'resume', ticksUsed: 100 });
  assert.deepEqual(m.vcpu.budgets, [100, 70]);
});

test('in real time a TSC written by the guest is not time used', () => {
  const m = machine([{ exit: wrmsr(Msr.IA32_TIME_STAMP_COUNTER, 1_000_000n), ticks: 10 }, plain('kick')], {
    time: 'real',
  });
  assert.deepEqual(m.monitor.run(100), { next: 'resume', ticksUsed: 11 });
  assert.equal(m.monitor.msrs.tscAdjust, 999_990n);
});

test('ticks that an access spends count against the budget', () => {
  const m = machine(
    [
      { exit: io(false, 0x80, 1, 0), ticks: 10 },
      { exit: plain('preemptionTimer'), ticks: 500 },
    ],
    {
      bus: { read: () => 0, write: () => m.monitor.spend(60) },
    },
  );
  assert.deepEqual(m.monitor.run(100), { next: 'resume', ticksUsed: 100 });
  assert.deepEqual(m.vcpu.budgets, [100, 30]);
});

test('a kick and requestReturn end the run early', () => {
  const m = machine([plain('kick'), io(false, 0x43, 1, 0x36)]);
  assert.deepEqual(m.monitor.run(100), { next: 'resume', ticksUsed: 1 });
  const n = machine([io(false, 0x43, 1, 0x36)], {
    bus: { read: () => 0, write: () => n.monitor.requestReturn() },
  });
  assert.deepEqual(n.monitor.run(100), { next: 'resume', ticksUsed: 1 });
});

test('a triple fault, a failed entry and an internal error stop with their reason', () => {
  const triple = machine([plain('tripleFault')]);
  assert.equal(triple.monitor.run(10).next, 'stop');
  assert.equal(triple.monitor.stopReason?.kind, 'tripleFault');
  assert.equal(triple.monitor.run(10).ticksUsed, 0);
  const entry = machine([{ name: 'entryFailureGuestState', failed: ['TR is usable'] }]);
  entry.monitor.run(10);
  assert.match(entry.monitor.stopReason?.message ?? '', /TR is usable/);
  const internal = machine([{ name: 'internalError', message: 'suberror 1' }]);
  internal.monitor.run(10);
  assert.deepEqual(
    [internal.monitor.stopReason?.kind, internal.monitor.stopReason?.message],
    ['internalError', 'suberror 1'],
  );
});

test('a device may stop the machine from inside a write', () => {
  const m = machine([io(false, 0x604, 2, 0x2000), io(true, 0x60, 1)], {
    bus: { read: () => 0, write: () => m.monitor.stop('requested', 'powered off') },
  });
  assert.deepEqual(m.monitor.run(10), { next: 'stop', ticksUsed: 1 });
  assert.equal(m.vcpu.budgets.length, 1);
});

test('MSRs: TSC_DEADLINE, x2APIC, MTRRs, microcode revision, #GP where refused', () => {
  const m = machine([
    wrmsr(Msr.IA32_TSC_DEADLINE, 77n),
    rdmsr(0x802), // not in x2APIC mode
    wrmsr(Msr.IA32_APIC_BASE, 0xfee0_0d00n),
    wrmsr(0x808, 0x20n),
    rdmsr(0x808),
    wrmsr(Msr.IA32_MTRR_DEF_TYPE, 0xc06n),
    rdmsr(Msr.IA32_MTRR_DEF_TYPE),
    wrmsr(Msr.IA32_MTRR_DEF_TYPE, 0xc02n), // type 2 does not exist
    rdmsr(Msr.IA32_BIOS_SIGN_ID),
    wrmsr(Msr.IA32_MTRRCAP, 0n), // read-only
    wrmsr(Msr.IA32_MTRR_PHYSBASE0 + 1, 1n << 40n), // beyond the physical-address width
    rdmsr(Msr.IA32_MC0_STATUS),
    wrmsr(Msr.IA32_MC0_STATUS, 1n),
  ]);
  m.monitor.run(13);
  assert.equal(m.apic.deadline, 77n);
  assert.deepEqual(m.vcpu.log, [
    'write',
    'fail 13 0',
    'write',
    'write',
    'read 20',
    'write',
    'read c06',
    'fail 13 0',
    'read 100000000',
    'fail 13 0',
    'fail 13 0',
    'read 0',
    'fail 13 0',
  ]);
});

test('MISC_ENABLE keeps what is no fact of the processor; ADDR and MISC of the machine-check banks take anything', () => {
  const m = machine([
    wrmsr(Msr.IA32_MISC_ENABLE, 0x4_00c5_0809n),
    rdmsr(Msr.IA32_MISC_ENABLE),
    wrmsr(Msr.IA32_MC0_ADDR, 1n << 63n),
    wrmsr(Msr.IA32_MC0_MISC, 5n),
    rdmsr(Msr.IA32_MC0_ADDR),
    rdmsr(Msr.IA32_MC0_MISC),
  ]);
  m.monitor.run(6);
  assert.deepEqual(m.vcpu.log, ['write', 'read 400c51809', 'write', 'write', 'read 8000000000000000', 'read 5']);
});

test('a watched processor MSR is emulated on the guest state, with its checks', () => {
  const policy = new AccessPolicy({ rules: [{ kind: 'msr', range: [Msr.IA32_LSTAR, 1], verdict: 'allow' }] });
  const m = machine([wrmsr(Msr.IA32_LSTAR, 0xffff_ffff_8000_0000n), wrmsr(Msr.IA32_LSTAR, 1n << 47n)], { policy });
  assert.equal(msrBitmapExits(m.vcpu.controls.msrBitmap, Msr.IA32_LSTAR, true), true);
  m.monitor.run(2);
  assert.equal(m.vcpu.state.lstar, 0xffff_ffff_8000_0000n);
  assert.deepEqual(m.vcpu.log, ['writeState', 'write', 'fail 13 0']);
});

test('default controls: every port and unknown MSR exits, the processor keeps its own', () => {
  const { controls } = machine([]).vcpu;
  assert.equal(ioBitmapExits(controls.ioBitmap, 0x3f8, 1), true);
  assert.equal(msrBitmapExits(controls.msrBitmap, Msr.IA32_EFER, true), false);
  assert.equal(msrBitmapExits(controls.msrBitmap, Msr.IA32_TSC_AUX, false), false);
  assert.equal(msrBitmapExits(controls.msrBitmap, Msr.IA32_APIC_BASE, false), true);
  assert.equal(controls.primary & Primary.rdtscExiting, 0);
  assert.notEqual(controls.primary & Primary.hltExiting, 0);
});

test('MSR rows have unique indexes', () => {
  assert.equal(new Set(MSR_ROWS.map((r) => r.index)).size, MSR_ROWS.length);
});

const withRules = (options: AccessPolicyOptions, script: VmExit[]) => {
  const seen: string[] = [];
  const policy = new AccessPolicy({
    ...options,
    observe: (a, verdict) =>
      seen.push(
        `${a.kind} ${a.address.toString(16)} ${a.isWrite ? 'w' : 'r'} ${a.value.toString(16)} ${JSON.stringify(verdict)}`,
      ),
  });
  return { ...machine(script, { policy }), seen, policy };
};

test('policy: deny reads ones and drops writes, fake answers, allow observes', () => {
  const m = withRules(
    {
      rules: [
        { kind: 'port', range: [0x70, 2], verdict: 'deny' },
        { kind: 'port', range: [0x60, 1], access: 'read', verdict: { fake: 0x1fe } },
        { kind: 'port', range: [0x80, 1], verdict: 'allow' },
        { kind: 'mmio', range: [0xfed0_0000, 0x400], verdict: () => ({ fake: 7 }) },
      ],
    },
    [
      io(true, 0x71, 1),
      io(false, 0x70, 1, 5),
      io(true, 0x60, 1),
      io(false, 0x60, 1, 9),
      io(false, 0x80, 1, 0x55),
      { name: 'eptViolation', gpa: 0xfed0_0010, sizeBytes: 4, isWrite: false, value: 0n },
    ],
  );
  m.monitor.run(6);
  assert.deepEqual(m.vcpu.log, ['read ff', 'write', 'read fe', 'write', 'write', 'read 7']);
  assert.deepEqual(m.io, ['pio write 60 1 9', 'pio write 80 1 55']);
  assert.deepEqual(m.seen, [
    'port 71 r ff "deny"',
    'port 70 w 5 "deny"',
    'port 60 r fe {"fake":510}',
    'port 80 w 55 "allow"',
    'mmio fed00010 r 7 {"fake":7}',
  ]);
  assert.deepEqual(
    m.policy.hits().map((h) => h.hits),
    [2, 1, 1, 1],
  );
});

test('policy: MSRs and CPUID leaves can be denied and faked', () => {
  const m = withRules(
    {
      rules: [
        { kind: 'msr', range: [0xce, 1], verdict: { fake: 0x1234 } },
        { kind: 'msr', range: [0x10, 1], verdict: 'deny' },
        { kind: 'cpuid', range: [1, 1], verdict: { fakeCpuid: { eax: 0x633 } } },
      ],
    },
    [rdmsr(0xce), wrmsr(0xce, 1n), rdmsr(0x10), { name: 'cpuid', leaf: 1, subleaf: 0 }],
  );
  m.monitor.run(4);
  assert.deepEqual(m.vcpu.log, ['read 1234', 'write', 'fail 13 0', 'skip']);
  assert.equal(m.vcpu.state.gpr[0], 0x633n);
});

test('policy: a bad rule is a configuration error', () => {
  assert.throws(
    () => new AccessPolicy({ rules: [{ kind: 'port', range: [0x60, 0], verdict: 'deny' }] }),
    (e) => e instanceof ConfigError && /\[96, 0\]/.test(e.message),
  );
});

test('CR8 reaches the local APIC; more than four bits are #GP', () => {
  const cr8 = (access: 'movTo' | 'movFrom', value: bigint): VmExit => ({
    name: 'controlRegisterAccess',
    register: 8,
    access,
    gpr: 1,
    value,
  });
  const m = machine([cr8('movTo', 5n), cr8('movFrom', 0n), cr8('movTo', 16n)]);
  m.monitor.run(3);
  assert.equal(m.apic.cr8, 5);
  assert.equal(m.vcpu.state.gpr[1], 5n);
  assert.deepEqual(m.vcpu.log, ['skip', 'skip', 'fail 13 0']);
});

test('MOV to CR0 behind a mask: long mode is entered, the shadow shows what was written, bad values are #GP', () => {
  const cr0 = (value: bigint): VmExit => ({
    name: 'controlRegisterAccess',
    register: 0,
    access: 'movTo',
    gpr: 0,
    value,
  });
  const m = machine([cr0(0x8000_0000n), cr0(0x8000_0031n)]);
  m.vcpu.controls.cr0GuestHostMask = 0x8000_0000n;
  m.vcpu.state.efer = 0x100n;
  m.vcpu.state.cr4 = 0x20n;
  m.monitor.run(2);
  assert.deepEqual(m.vcpu.log, ['fail 13 0', 'applyControls', 'writeState', 'skip']);
  assert.equal(m.vcpu.state.efer, 0x500n);
  assert.equal(m.vcpu.controls.cr0ReadShadow, 0x8000_0031n);
});

test('XSETBV checks its value', () => {
  const x = (v: bigint): ScriptedExit => ({
    exit: { name: 'xsetbv', qualification: 0n },
    before: (c) => {
      c.state.gpr[0] = v;
      c.state.gpr[2] = 0n;
    },
  });
  const m = machine([x(3n), x(2n), x(7n)]);
  m.monitor.run(3);
  assert.equal(m.vcpu.state.xcr0, 3n);
  assert.deepEqual(m.vcpu.log, ['writeState', 'skip', 'fail 13 0', 'fail 13 0']);
});

test('a hypercall that no handler takes is answered with -KVM_ENOSYS', () => {
  const m = machine([plain('vmcall')]);
  m.monitor.run(1);
  assert.deepEqual(m.vcpu.log, ['skip']);
  assert.equal(m.vcpu.readGpr(0), BigInt.asUintN(64, -1000n));
  const h = machine([plain('vmcall')], { hypercall: () => true });
  h.monitor.run(1);
  assert.deepEqual(h.vcpu.log, ['skip']);
});

test('an intercepted #PF is handed back with CR2', () => {
  const pf: VmExit = { name: 'exceptionOrNmi', vector: 14, errorCode: 2, hasErrorCode: true, address: 0xdead000n };
  const m = machine([pf, plain('kick')]);
  m.monitor.run(5);
  assert.equal(m.vcpu.state.cr2, 0xdead000n);
  assert.deepEqual(m.vcpu.injected, [{ type: 'hardwareException', vector: 14, errorCode: 2 }]);
  const stopped = machine([pf], { onException: () => 'stop' });
  assert.equal(stopped.monitor.run(5).next, 'stop');
});

test('exits are counted by reason and sampled in time', () => {
  let ns = 0;
  const m = machine([io(true, 0x60, 1), io(true, 0x60, 1), plain('kick')], {
    hostNs: () => {
      ns += 1000;
      return ns;
    },
  });
  m.monitor.run(10);
  const [first] = m.monitor.statistics.list();
  assert.deepEqual([first?.name, first?.count, first?.samples, first?.sampledNs], ['ioInstruction', 2, 1, 1000]);
  assert.equal(first?.histogram[9], 1); // 512..1023 ns
  assert.equal(m.monitor.statistics.total(), 3);
});

test('the state survives save and load', () => {
  const m = machine([wrmsr(Msr.IA32_MTRR_DEF_TYPE, 0x806n), plain('hlt')]);
  m.monitor.run(10);
  const saved = m.monitor.saveState();
  const other = machine([]);
  other.monitor.loadState(saved);
  assert.deepEqual(other.monitor.saveState(), saved);
  assert.equal(other.monitor.halted, true);
  m.monitor.msrs.mtrrFixed[0] = 6n;
  assert.equal(saved.msrs.mtrrFixed[0], 0n);
});
