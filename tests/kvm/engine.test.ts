// The KVM engine beyond the conformance suite: reasons for refusal, kicks, time, state that changes engines.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { KvmEngine, kickThread } from '../../src/kvm/index.js';
import { importKoffi, Libc } from '../../src/kvm/testing.js';
import { type Engine, flatProtectedState, Primary, type Vcpu } from '../../src/vmx/index.js';
import { describeExit, machineCode, sameState } from '../../src/vmx/testing.js';
import { softwareEngine } from '../support/engine.js';
import { kvmEngine, kvmMissing } from './host.js';

const missing = await kvmMissing();
const skip = missing ?? false;

const options = {
  memoryBytes: 1 << 20,
  vcpus: 1,
  time: 'real',
  tscHz: 1_000_000_000,
  nowNs: () => performance.now() * 1e6,
} as const;
const FOREVER = 60_000_000_000;

/** A flat 32-bit guest at 1000H. */
async function flatGuest(code: readonly string[], engine: Engine = kvmEngine()) {
  const vm = await engine.createVm({ ...options, time: engine.name === 'kvm' ? 'real' : 'virtual' });
  const vcpu = vm.vcpus[0] as Vcpu;
  const c = vcpu.controls;
  c.primary = Primary.hltExiting + Primary.useIoBitmaps + Primary.useMsrBitmaps + Primary.activateSecondaryControls;
  c.secondary = 0x82; // EPT, unrestricted guest
  c.ioBitmap.fill(0xff);
  vcpu.applyControls();
  vm.memory.loadBytes(0x1000, machineCode(code));
  vcpu.writeState(flatProtectedState(0x1000, 0x9000));
  return { vm, vcpu };
}

test('without koffi the probe says so and a VM is refused with the same reason', async () => {
  const engine = new KvmEngine({ importKoffi: () => Promise.reject(new Error("Cannot find package 'koffi'")) });
  const { usable, checks } = await engine.probe();
  assert.equal(usable, false);
  assert.deepEqual(checks.at(-1), {
    name: 'koffi',
    ok: false,
    detail: "the package 'koffi' cannot be loaded (Cannot find package 'koffi'): npm install koffi",
  });
  await assert.rejects(engine.createVm(options), { code: 'ENGINE_UNUSABLE', message: /koffi: .*cannot be loaded/ });
  assert.deepEqual(await engine.capabilities(), []);
});

test('a device that is not there, or is no KVM, is a failed check', async (t) => {
  if (process.platform !== 'linux') return t.skip('for Linux');
  const absent = await new KvmEngine({ device: '/nowhere/kvm' }).probe();
  assert.match(absent.checks.at(-1)?.detail ?? '', /^\/nowhere\/kvm does not exist.*\(ENOENT\)$/);
  const other = await new KvmEngine({ device: '/dev/null' }).probe();
  assert.deepEqual(other.checks.at(-1), { name: 'API version', ok: false, detail: 'not a KVM device, expected 12' });
});

test('the self-test tells of every trial and its time', { skip }, async () => {
  const { usable, checks } = await kvmEngine().probe();
  const trials = checks.filter((c) => c.selfTest);
  assert.deepEqual(
    trials.map((c) => c.name),
    ['32-bit paging', 'SSE at CPL 0', 'x87 at CPL 0', 'SYSCALL and SYSRET', 'speed at CPL 0'],
  );
  assert.equal(
    usable,
    checks.every((c) => c.ok),
  );
  for (const c of trials) assert.ok(c.detail.length > 0 && (c.ms ?? 0) > 0, c.name);
});

test('virtual time, too many vCPUs and odd memory sizes are refused', { skip }, async () => {
  const engine = kvmEngine();
  await assert.rejects(engine.createVm({ ...options, time: 'virtual' }), { code: 'ENGINE_TIME' });
  await assert.rejects(engine.createVm({ ...options, vcpus: 100_000 }), { code: 'VCPU_COUNT' });
  await assert.rejects(engine.createVm({ ...options, memoryBytes: 5000 }), { code: 'MEMORY_SIZE' });
});

test('a control that KVM lacks fails VM entry by name', { skip }, async () => {
  const { vm, vcpu } = await flatGuest(['f4 hlt']);
  vcpu.controls.primary = (vcpu.controls.primary | Primary.rdtscExiting) >>> 0;
  vcpu.applyControls();
  assert.equal(describeExit(vcpu.enter(FOREVER)), 'entryFailureGuestState: KVM has no rdtscExiting');
  vm.close();
});

test('a guest that never exits comes back when its budget is used', { skip }, async () => {
  const { vm, vcpu } = await flatGuest(['40 inc eax', 'ebfd jmp $-1']);
  const begin = performance.now();
  assert.equal(vcpu.enter((vm.tscHz ?? 1e9) / 50).name, 'preemptionTimer');
  assert.ok(performance.now() - begin >= 20, 'not before its 20 ms');
  const counted = vcpu.readGpr(0);
  assert.ok(counted > 0n);
  assert.equal(vcpu.enter((vm.tscHz ?? 1e9) / 1000).name, 'preemptionTimer');
  assert.ok(vcpu.readGpr(0) > counted, 'it goes on where it was');
  vm.close();
});

test('another thread kicks a running guest by signal', { skip, timeout: 30_000 }, async () => {
  const { vm, vcpu } = await flatGuest(['ebfe jmp $']);
  const kvm = (await kvmEngine().createKvmVm(options)).vcpus[0];
  assert.ok(kvm);
  const { pid, tid } = kvm.kickTarget; // the same thread's as of the vCPU that runs
  const worker = new Worker(
    `const { parentPort, workerData: d } = require('node:worker_threads');
     (async () => {
       const { kickThread } = await import(d.index);
       const { Libc, importKoffi } = await import(d.testing);
       const libc = new Libc(await importKoffi());
       parentPort.postMessage('ready');
       setTimeout(() => kickThread(libc, d.target), 20);
     })();`,
    {
      eval: true,
      workerData: {
        index: new URL('../../src/kvm/index.js', import.meta.url).href,
        testing: new URL('../../src/kvm/testing.js', import.meta.url).href,
        target: { pid, tid, word: vcpu.kickWord },
      },
    },
  );
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  await new Promise((resolve) => worker.once('message', resolve));
  // without a kick this takes a minute
  assert.equal(vcpu.enter(FOREVER).name, 'kick');
  assert.equal(vcpu.readRip(), 0x1000n);
  await ended;
  vm.close();
});

test('a stored kick word ends a running entry, a kick of the same thread the next one', { skip }, async () => {
  const { vm, vcpu } = await flatGuest(['ebfe jmp $']);
  const { kickWord } = vcpu;
  assert.ok(kickWord);
  vcpu.kick();
  assert.equal(vcpu.enter(FOREVER).name, 'kick');
  const worker = new Worker(
    `const { workerData: word } = require('node:worker_threads'); setTimeout(() => Atomics.store(word, 0, 1), 20);`,
    { eval: true, workerData: kickWord },
  );
  await new Promise((resolve) => worker.once('online', resolve));
  assert.equal(vcpu.enter(FOREVER).name, 'kick');
  await new Promise((resolve) => worker.once('exit', resolve));
  vm.close();
});

test('kicks that come while no guest runs are not lost', { skip }, async () => {
  const { vm, vcpu } = await flatGuest(['ebfe jmp $']);
  const target = (await kvmEngine().createKvmVm(options)).vcpus[0]?.kickTarget;
  assert.ok(target && vcpu.kickWord);
  kickThread(new Libc(await importKoffi()), { ...target, word: vcpu.kickWord });
  assert.equal(vcpu.enter(FOREVER).name, 'kick');
  assert.equal(vcpu.enter((vm.tscHz ?? 1e9) / 1000).name, 'preemptionTimer', 'and not told twice');
  vm.close();
});

/** Counts in EAX, tells it to port 80H at 3, 6, 9 and ends at 9. */
const COUNTING = [
  '31c0         xor eax, eax',
  '40           again: inc eax',
  '00c2         add dl, al',
  '01c3         add ebx, eax',
  '3c03         cmp al, 3',
  '7404         je tell',
  '3c06         cmp al, 6',
  '7502         jne over',
  'e680         tell: out 0x80, al',
  '3c09         over: cmp al, 9',
  '75ed         jne again',
  'e781         out 0x81, eax',
  '89d8         mov eax, ebx',
  'e781         out 0x81, eax',
  'f4           hlt',
];
const rest = (vcpu: Vcpu, exits: string[] = []): string[] => {
  for (;;) {
    const exit = vcpu.enter(FOREVER);
    exits.push(describeExit(exit));
    if (exit.name !== 'ioInstruction' || exits.length > 20) return exits;
    vcpu.completeWrite();
  }
};
const WHOLE = ['out 80 1 3', 'out 80 1 6', 'out 81 4 9', 'out 81 4 2d', 'hlt'];

test('a guest that was begun on one engine goes on on the other', { skip }, async () => {
  const engines = { kvm: kvmEngine(), software: await softwareEngine() };
  for (const [first, second] of [
    ['kvm', 'software'],
    ['software', 'kvm'],
  ] as const) {
    const from = await flatGuest(COUNTING, engines[first]);
    const to = await flatGuest(COUNTING, engines[second]);
    const exits = [describeExit(from.vcpu.enter(FOREVER))];
    from.vcpu.completeWrite();
    // the OUT is finished first: a preemption timer of one tick stops behind it
    from.vcpu.enter(1);
    const state = from.vcpu.readState();
    to.vm.memory.loadBytes(0, from.vm.memory.expectBytes(0, options.memoryBytes));
    to.vcpu.writeState(state);
    sameState(to.vcpu.readState(), state);
    assert.deepEqual(rest(to.vcpu, exits), WHOLE, `${first} to ${second}`);
    from.vm.close();
    to.vm.close();
  }
  const alone = await flatGuest(COUNTING);
  assert.deepEqual(rest(alone.vcpu), WHOLE);
  alone.vm.close();
});

test('an instruction that KVM cannot run is an internal error with its bytes', { skip }, async (t) => {
  const { checks } = await kvmEngine().probe();
  if (checks.find((c) => c.name === 'SSE at CPL 0')?.ok) return t.skip('this KVM runs every instruction');
  const { vm, vcpu } = await flatGuest(['0f58c1 addps xmm0, xmm1', 'f4 hlt']);
  const text = describeExit(vcpu.enter(FOREVER));
  assert.match(text, /^internalError: KVM cannot emulate the instruction 0f 58 c1 .*at 0x1000 .*suberror 1/);
  vm.close();
});

test('upper halves of YMM registers are part of the state where the guest has AVX', { skip }, async (t) => {
  const engine = kvmEngine();
  await engine.probe();
  if (!engine.cpuFeatures.has('avx')) return t.skip('this processor has no AVX');
  const { vm, vcpu } = await flatGuest(['f4 hlt'], engine);
  const state = flatProtectedState(0x1000, 0x9000);
  state.xcr0 = 7n;
  state.fpu.ymmHigh = Array.from({ length: 16 }, (_, i) => BigInt(i + 1) << 100n);
  vcpu.writeState(state);
  sameState(vcpu.readState(), state);
  vm.close();
});

test('a closed vCPU refuses to be entered', { skip }, async () => {
  const { vm, vcpu } = await flatGuest(['f4 hlt']);
  vm.memory.startDirtyLog(0);
  assert.equal(vcpu.enter(FOREVER).name, 'hlt');
  vm.close();
  vm.close();
  assert.throws(() => vcpu.enter(1), { code: 'KVM_CLOSED' });
  assert.throws(() => vcpu.readState(), { code: 'KVM_CLOSED' });
  assert.equal(vcpu.readRip(), 0x1000n, 'what was read last stays readable');
  assert.equal(vm.memory.readU8(0x1000), 0xf4);
  assert.equal(
    vm.memory.takeDirtyLog(0).every((word) => word === 0),
    true,
  );
});
