// Machines on KVM: several processors, the kernel's interrupt controllers, eventfds, closing while a guest runs.
import assert from 'node:assert/strict';
import { readSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { engines } from '../../src/apps/testing.js';
import { Pcanel } from '../../src/domains/index.js';
import { nodePcpus } from '../../src/domains/node/index.js';
import { createMachine, type Machine, type MachineConfig } from '../../src/machine/index.js';
import { realModeState } from '../../src/vmx/index.js';
import { describeExit, machineCode } from '../../src/vmx/testing.js';
import { kvmEngine, kvmMissing } from './host.js';

const skip = (await kvmMissing()) ?? false;
const nowNs = (): number => performance.now() * 1e6;
const LIMIT_NS = 20_000_000_000;

const flat = (name: string, code: readonly string[], more: Partial<MachineConfig> = {}): MachineConfig => ({
  name,
  memoryBytes: 4 << 20,
  boot: {
    kind: 'flat',
    kernel: { name, data: machineCode(code) },
    gpa: 0x10_0000,
    mode: 'protected32',
  },
  time: 'real',
  ...more,
});
async function machineOn(config: MachineConfig, engine = kvmEngine()): Promise<{ machine: Machine; out: number[] }> {
  const out: number[] = [];
  const console = { write: (byte: number) => void out.push(byte) };
  const machine = await createMachine(config, { engine, nowNs, wallClockMs: 0, console });
  return { machine, out };
}
function runToEnd(machine: Machine): void {
  const until = nowNs() + LIMIT_NS;
  while (machine.outcome === null && nowNs() < until) machine.step(nowNs(), 5_000_000);
}

/** Starts processor 1 at 8000H by INIT and a start-up IPI; it sets a byte, which processor 0 waits for. */
const TWO_PROCESSORS = [
  'c70500800000c6060090   mov dword [0x8000], code of: mov byte [0x9000], 1',
  'c7050480000001f40000   mov dword [0x8004], code of: hlt',
  'c7051003e0fe00000001   mov dword [APIC_ICR_HIGH], 1 << 24',
  'c7050003e0fe00450000   mov dword [APIC_ICR_LOW], INIT',
  'c7050003e0fe08460000   mov dword [APIC_ICR_LOW], SIPI 8',
  '803d0090000000         wait: cmp byte [0x9000], 0',
  '74f7                   je wait',
  '31c0                   xor eax, eax',
  'e6f4                   out 0xf4, al',
  'f4                     hlt',
];

test('two processors of one machine: start-up IPI, shared memory', { skip, timeout: 60_000 }, async () => {
  const { machine } = await machineOn(flat('two', TWO_PROCESSORS, { cpus: 2 }));
  runToEnd(machine);
  assert.deepEqual(machine.outcome, { kind: 'exit', status: 1 });
  assert.equal(machine.vm.memory.readU8(0x9000), 1);
  machine.close();
});

/**
 * 8259 with vectors from 20H, 8254 counter 0 at about 1 kHz; HLT until 5 ticks came (counted in [9000H]), then the letter
 * of the count to COM1 and the end. The handler returns by POPF and RET, for emulators without a protected-mode IRET.
 */
const TIMER = [
  'fa           cli',
  'bc00f00000   mov esp, 0xf000',
  '0f011500810000 lgdt [0x8100]',
  '0f011d08810000 lidt [0x8108]',
  'b011e620     mov al, 0x11; out 0x20, al',
  'b020e621     mov al, 0x20; out 0x21, al',
  'b004e621     mov al, 4; out 0x21, al',
  'b001e621     mov al, 1; out 0x21, al',
  'b0fee621     mov al, 0xfe; out 0x21, al',
  'b034e643     mov al, 0x34; out 0x43, al',
  'b0a9e640     mov al, 0xa9; out 0x40, al',
  'b004e640     mov al, 4; out 0x40, al',
  'fb           wait: sti',
  'f4           hlt',
  'fa           cli',
  '833d0090000005 cmp dword [0x9000], 5',
  '7cf4         jl wait',
  'a000900000   mov al, [0x9000]',
  '0430         add al, 0x30',
  '66baf803     mov dx, 0x3f8',
  'ee           out dx, al',
  '31c0         xor eax, eax',
  'e6f4         out 0xf4, al',
  'f4           hlt',
];
const HANDLER = [
  '50           push eax',
  'ff0500900000 inc dword [0x9000]',
  'b020e620     mov al, 0x20; out 0x20, al',
  '8b44240c     mov eax, [esp+12]',
  '89442408     mov [esp+8], eax',
  '8b442404     mov eax, [esp+4]',
  '8944240c     mov [esp+12], eax',
  '58           pop eax',
  '83c404       add esp, 4',
  '9d           popf',
  'c3           ret',
];
/** Descriptor tables of the timer guest: flat code and data, a gate for vector 20H. */
function writeTables(machine: Machine): void {
  const { memory } = machine.vm;
  memory.loadBytes(0x8200, machineCode(HANDLER));
  memory.writeU16(0x8100, 0x17);
  memory.writeU32(0x8102, 0x8110);
  memory.writeU16(0x8108, 0x7ff);
  memory.writeU32(0x810a, 0xa000);
  memory.writeU64(0x8118, 0x00cf_9b00_0000_ffffn);
  memory.writeU64(0x8120, 0x00cf_9300_0000_ffffn);
  const { selector } = machine.vcpu.readState().segments.cs;
  memory.writeU32(0xa000 + 8 * 0x20, (selector << 16) | 0x8200);
  memory.writeU32(0xa000 + 8 * 0x20 + 4, 0x8e00);
  memory.writeU64(0x8110 + (selector & ~7), 0x00cf_9b00_0000_ffffn);
}

for (const interruptChip of ['board', 'engine'] as const) {
  test(`8259 and 8254 of the ${interruptChip}: ticks wake a halted guest`, { skip, timeout: 60_000 }, async () => {
    const { machine, out } = await machineOn(flat('timer', TIMER, { interruptChip }));
    writeTables(machine);
    runToEnd(machine);
    assert.deepEqual(machine.outcome, { kind: 'exit', status: 1 });
    assert.equal(String.fromCharCode(...out), '5');
    const exits = new Map(machine.stats().exits.map((e) => [e.name, e.count]));
    // the kernel's controllers take HLT and their ports without an exit
    if (interruptChip === 'engine') assert.equal(exits.has('hlt'), false);
    else assert.ok((exits.get('hlt') ?? 0) >= 5);
    machine.reset();
    writeTables(machine);
    runToEnd(machine);
    assert.deepEqual(machine.outcome, { kind: 'exit', status: 1 }, 'again after a reset');
    machine.close();
  });
}

test("the kernel's interrupt controllers are refused where they cannot work", { skip }, async () => {
  await assert.rejects(machineOn(flat('two', TIMER, { cpus: 2, interruptChip: 'engine' })), { code: 'ENGINE_IRQCHIP' });
  const software = await engines.software?.();
  assert.ok(software);
  const config = flat('soft', TIMER, { interruptChip: 'engine' });
  const host = { engine: software, nowNs, wallClockMs: 0, console: { write: () => undefined } };
  await assert.rejects(createMachine(config, host), { code: 'MACHINE_IRQCHIP' });
});

/** CPUID of 40000000H and 0 to memory at 9000H. */
const CPUID = [
  'b800000040   mov eax, 0x40000000',
  '0fa2         cpuid',
  '891d00900000 mov [0x9000], ebx',
  '890d04900000 mov [0x9004], ecx',
  'b800000000   mov eax, 0',
  '0fa2         cpuid',
  '891d08900000 mov [0x9008], ebx',
  '31c0         xor eax, eax',
  'e6f4         out 0xf4, al',
  'f4           hlt',
];

test("the guest's CPUID is the monitor's policy; an access policy may fake leaves", { skip }, async () => {
  const config = flat('cpuid', CPUID);
  const host = { engine: kvmEngine(), nowNs, wallClockMs: 0, console: { write: () => undefined } };
  const policy = {
    rules: [{ kind: 'cpuid', range: [0, 1], verdict: { fakeCpuid: { ebx: 0x1234 } } }],
  } as const;
  for (const [given, vendor] of [
    [{}, 0x756e_6547], // 'Genu'
    [{ policy }, 0x1234],
  ] as const) {
    const machine = await createMachine(config, { ...host, ...given });
    runToEnd(machine);
    assert.deepEqual(machine.outcome, { kind: 'exit', status: 1 });
    assert.equal(Buffer.from(machine.vm.memory.readBytes(0x9000, 8)).toString('latin1'), 'PcanelPc');
    assert.equal(machine.vm.memory.readU32(0x9008), vendor);
    machine.close();
  }
});

/** 8259 with vectors from 20H, all lines open; tells port 81H; HLT for ever. */
const EVENTS = [
  'fa',
  'b011e620',
  'b020e621',
  'b004e621',
  'b001e621',
  'b000e621',
  'e681',
  'fb wait: sti',
  'f4 hlt',
  'ebfc jmp wait',
];
/** out 80H (an ioeventfd); inc word [9000H]; end of interrupt; iret */
const EVENT_HANDLER = ['50', 'e680', 'ff060090', 'b020e620', '58', 'cf'];

test('irqfd interrupts the guest, ioeventfd tells of its write without an exit', {
  skip,
  timeout: 30_000,
}, async () => {
  const vm = await kvmEngine().createKvmVm({
    memoryBytes: 1 << 20,
    vcpus: 1,
    time: 'real',
    tscHz: 1e9,
    nowNs,
    interruptChip: 'engine',
  });
  const [vcpu] = vm.vcpus;
  assert.ok(vcpu && vm.interruptChip);
  const told = vm.eventfd();
  const interrupt = vm.eventfd();
  vm.connectIoeventfd(told, { space: 'pio', address: 0x80, sizeBytes: 1 });
  vm.interruptChip.connectIrqfd(interrupt, 5);
  vm.memory.loadBytes(0x1000, machineCode(EVENTS));
  vm.memory.loadBytes(0x2000, machineCode(EVENT_HANDLER));
  vm.memory.writeU32(4 * 0x25, 0x2000);
  const state = realModeState(0, 0x1000);
  state.gpr[4] = 0x8000n;
  vcpu.writeState(state);
  const ticks = vm.tscHz / 50;
  assert.equal(describeExit(vcpu.enter(vm.tscHz * 10)), 'out 81 1 0');
  vcpu.completeWrite();
  assert.equal(vcpu.enter(ticks).name, 'preemptionTimer', 'halted in the kernel');
  assert.equal(vm.memory.readU16(0x9000), 0);
  const count = Buffer.alloc(8);
  for (const [n, raise] of [
    () => writeSync(interrupt, Buffer.from(BigUint64Array.of(1n).buffer)),
    () => {
      vm.interruptChip?.setLine(5, true);
      vm.interruptChip?.setLine(5, false);
    },
  ].entries()) {
    raise();
    // a busy host may take the thread away for longer than an entry
    for (let left = 100; left > 0 && vm.memory.readU16(0x9000) === n; left--)
      assert.equal(vcpu.enter(ticks).name, 'preemptionTimer');
    assert.equal(vm.memory.readU16(0x9000), n + 1, 'interrupts taken');
    readSync(told, count, 0, 8, null);
    assert.equal(count.readBigUInt64LE(), 1n, 'writes told');
  }
  vm.close();
});

test('a host closes while a guest on KVM runs for ever', { skip, timeout: 60_000 }, async () => {
  const worker = new URL('../../src/apps/cli/pcpu-worker.js', import.meta.url);
  const pcanel = new Pcanel({ spawn: nodePcpus({ worker }) });
  const config = { ...flat('endless', ['fa cli', 'ebfe jmp $']), engine: 'kvm', selfTest: false } as const;
  const domain = await pcanel.createDomain(config);
  assert.equal(domain.engine, 'kvm');
  await domain.start();
  await domain.pause(); // answered though the guest never exits by itself
  assert.equal(domain.state, 'paused');
  await domain.resume();
  await pcanel.close();
});
