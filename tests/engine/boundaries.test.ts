// What happens at boundaries: the limit of CS, the end of a 64 KiB segment, non-canonical stacks, code and stacks on
// devices, faults behind a task switch. Intel SDM Vol. 3A, "Limit Checking", "Task Switching"; Vol. 1, "Canonical
// Addressing in 64-Bit Mode"; Vol. 2 "CALL—Call Procedure", "LOOP/LOOPcc", "PUSH".
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type CpuState,
  type EngineVm,
  flatProtectedState,
  longModeState,
  realModeState,
  type VmExit,
} from '../../src/vmx/index.js';
import { describeExit, machineCode, plainControls } from '../../src/vmx/testing.js';
import { softwareEngine } from '../support/engine.js';

const RAM = 1 << 20;
const CODE = 0x8000;
const PML4 = 0x1000;

interface Setup {
  readonly state: CpuState;
  /** Machine code, as lines of "hex assembly", and where it goes. */
  readonly code: readonly string[];
  readonly at?: number;
  readonly prepare?: (vm: EngineVm) => void;
  /** Vectors that exit; all by default. */
  readonly bitmap?: number;
  /** What a device outside RAM answers to a read of `size` bytes at `gpa`. */
  readonly device?: (gpa: number, size: number) => bigint;
}
interface Ran {
  readonly vm: EngineVm;
  readonly exit: VmExit;
  readonly state: CpuState;
  /** Writes to devices: [address, bytes, value]. */
  readonly writes: (readonly [number, number, bigint])[];
  readonly instructions: number;
}

/** Runs to the first exit that is no device access. */
async function run(setup: Setup): Promise<Ran> {
  const engine = await softwareEngine();
  const vm = await engine.createVm({ memoryBytes: RAM, vcpus: 1, time: 'virtual', tscHz: 1e9, nowNs: () => 0 });
  const [vcpu] = vm.vcpus;
  assert.ok(vcpu);
  // linear 0..2 MiB one to one
  vm.memory.writeU32(PML4, 0x2003);
  vm.memory.writeU32(0x2000, 0x3003);
  vm.memory.writeU32(0x3000, 0x83);
  vm.memory.writeBytes(setup.at ?? CODE, machineCode(setup.code));
  setup.prepare?.(vm);
  Object.assign(vcpu.controls, {
    ...plainControls(),
    exceptionBitmap: setup.bitmap ?? 0xffff_ffff,
    ioBitmap: vcpu.controls.ioBitmap.fill(0xff),
    msrBitmap: vcpu.controls.msrBitmap,
  });
  vcpu.applyControls();
  vcpu.writeState(setup.state);
  const writes: (readonly [number, number, bigint])[] = [];
  for (let n = 0; n < 200; n++) {
    const exit = vcpu.enter(1000);
    if (exit.name !== 'eptViolation')
      return { vm, exit, state: vcpu.readState(), writes, instructions: vcpu.counters.instructions };
    if (exit.isWrite) {
      writes.push([exit.gpa, exit.sizeBytes, exit.value]);
      vcpu.completeWrite();
    } else vcpu.completeRead(setup.device?.(exit.gpa, exit.sizeBytes) ?? (1n << BigInt(8 * exit.sizeBytes)) - 1n);
  }
  throw new Error('the guest does not get on');
}
/** Vector of the exception that ended the run. */
function vector(ran: Ran): number {
  assert.equal(ran.exit.name, 'exceptionOrNmi', describeExit(ran.exit));
  return ran.exit.name === 'exceptionOrNmi' ? ran.exit.vector : -1;
}
/** Real mode at CS:IP with base `base`, other segments at 0. */
function real(base: number, ip: number): CpuState {
  const s = realModeState();
  s.segments.cs = { ...s.segments.cs, selector: base >> 4, base: BigInt(base) };
  s.rip = BigInt(ip);
  s.gpr[4] = 0x7000n;
  return s;
}
/** 32-bit code whose CS ends at `limit`. */
function limited(limit: number): CpuState {
  const s = flatProtectedState(CODE, 0x7000);
  s.segments.cs = { ...s.segments.cs, limit, accessRights: 0x409b };
  return s;
}
const long = (): CpuState => longModeState(BigInt(CODE), PML4);

test('the instruction that crosses the limit of CS faults, the ones before it run', async () => {
  const code = ['40 inc eax', '40 inc eax', 'b901000000 mov ecx, 1', '40 inc eax', 'f4 hlt'];
  for (const [limit, retired] of [
    [CODE + 1, 2],
    [CODE + 5, 2],
    [CODE + 6, 3],
    [CODE + 7, 4],
  ] as const) {
    const ran = await run({ state: limited(limit), code });
    assert.equal(vector(ran), 13);
    assert.equal(ran.instructions, retired, `limit ${limit.toString(16)}`);
    assert.equal(ran.state.rip, [0n, 1n, 2n, 7n, 8n].map((n) => n + BigInt(CODE))[retired]);
  }
  assert.equal((await run({ state: limited(CODE + 8), code })).exit.name, 'hlt');
});
test('a limit at the end of a page cuts the instruction that crosses it, before its second page is looked at', async () => {
  const state = limited(0x8fff);
  state.rip = 0x8ffen;
  const ran = await run({ state, at: 0x8ffe, code: ['40 inc eax', 'b901000000 mov ecx, 1'] });
  assert.deepEqual([vector(ran), ran.state.rip, ran.instructions], [13, 0x8fffn, 1]);
});
test('real-mode code runs to the last byte of its segment and faults beyond it', async () => {
  // CS base 0x10: the last byte of the segment lies in the middle of a page
  const code = ['43 inc bx', '43 inc bx'];
  const ran = await run({ state: real(0x10, 0xfffe), at: 0x1000e, code });
  assert.deepEqual([vector(ran), ran.state.rip, ran.state.gpr[3], ran.instructions], [13, 0x10000n, 2n, 2]);
  const cut = await run({ state: real(0x10, 0xffff), at: 0x1000f, code: ['ebfe jmp $'] });
  assert.deepEqual([vector(cut), cut.state.rip], [13, 0xffffn]);
});
test('a loop in the page where CS ends repeats and leaves', async () => {
  const ran = await run({
    state: limited(CODE + 0x20),
    code: ['b90a000000 mov ecx, 10', '40 again: inc eax', 'e2fd loop again', 'f4 hlt'],
  });
  assert.deepEqual([ran.exit.name, ran.state.gpr[0], ran.instructions], ['hlt', 10n, 21]);
});
test('CALL and LOOP beyond the limit fault before they change anything', async () => {
  const call = await run({ state: limited(CODE + 0x20), code: ['e8fb000000 call $+0x100'] });
  assert.deepEqual([vector(call), call.state.rip, call.state.gpr[4]], [13, BigInt(CODE), 0x7000n]);
  assert.equal(call.vm.memory.readU32(0x6ffc), 0);
  const state = limited(CODE + 0x20);
  state.gpr[1] = 5n;
  const loop = await run({ state, code: ['e250 loop $+0x52'] });
  assert.deepEqual([vector(loop), loop.state.rip, loop.state.gpr[1]], [13, BigInt(CODE), 5n]);
  const jump = await run({ state: limited(CODE + 0x20), code: ['40 inc eax', 'eb50 jmp $+0x52'] });
  assert.deepEqual([vector(jump), jump.state.rip, jump.instructions], [13, BigInt(CODE + 1), 1]);
});
test('words at the last byte of a segment: #GP, through SS #SS; SP 1 cannot take a word, SP 0 wraps', async () => {
  const at = async (code: string, sp: number): Promise<[number, bigint]> => {
    const state = real(0, CODE);
    state.gpr[3] = 0xffffn;
    state.gpr[5] = 0xffffn;
    state.gpr[4] = BigInt(sp);
    const ran = await run({ state, code: [code, 'f4 hlt'] });
    return [ran.exit.name === 'hlt' ? -1 : vector(ran), ran.state.gpr[4] as bigint];
  };
  assert.deepEqual(await at('8b07 mov ax, [bx]', 0x7000), [13, 0x7000n]);
  assert.deepEqual(await at('8b4600 mov ax, [bp]', 0x7000), [12, 0x7000n]);
  assert.deepEqual(await at('8a07 mov al, [bx]', 0x7000), [-1, 0x7000n]);
  assert.deepEqual(await at('50 push ax', 1), [12, 1n]);
  assert.deepEqual(await at('50 push ax', 0), [-1, 0xfffen]);
  assert.deepEqual(await at('58 pop ax', 0xffff), [12, 0xffffn]);
  assert.deepEqual(await at('58 pop ax', 0xfffe), [-1, 0n]);
  assert.deepEqual(await at('60 pusha', 7), [12, 7n]);
});
test('a non-canonical address is #SS(0) through SS and #GP(0) elsewhere', async () => {
  const at = async (code: string): Promise<number> => {
    const state = long();
    for (const n of [3, 4, 5, 12, 13]) state.gpr[n] = 0x8000_0000_1000n;
    return vector(await run({ state, code: [code] }));
  };
  assert.deepEqual(
    [
      await at('488b03 mov rax, [rbx]'),
      await at('488b4500 mov rax, [rbp]'),
      await at('48890424 mov [rsp], rax'),
      await at('64488b4500 mov rax, [fs:rbp]'),
      await at('498b4500 mov rax, [r13]'),
      await at('498b0424 mov rax, [r12]'),
      await at('488b042b mov rax, [rbx+rbp]'),
      await at('0fb64500 movzx eax, byte [rbp]'),
    ],
    [13, 12, 12, 13, 13, 13, 13, 12],
  );
  assert.deepEqual(
    [
      await at('58 pop rax'),
      await at('c3 ret'),
      await at('c9 leave'),
      await at('0fa1 pop fs'),
      await at('ff33 push qword [rbx]'),
      await at('ff342500800000 push qword [0x8000]'),
      await at('8f03 pop qword [rbx]'),
      await at('ff13 call [rbx]'),
    ],
    [12, 12, 12, 12, 13, 12, 12, 13],
  );
});
test('code runs from a device, byte by byte, and an empty bus is an undefined opcode', async () => {
  const rom = machineCode(['b812000000 mov eax, 0x12', '40 inc eax', 'a200002000 mov [0x200000], al', 'f4 hlt']);
  const state = flatProtectedState(0x20_0f00, 0x7000);
  const ran = await run({
    state,
    code: [],
    device: (gpa, size) => {
      let v = 0n;
      for (let i = size - 1; i >= 0; i--) v = (v << 8n) | BigInt(rom[gpa - 0x20_0f00 + i] ?? 0xff);
      return v;
    },
  });
  assert.deepEqual([ran.exit.name, ran.state.gpr[0], ran.writes], ['hlt', 0x13n, [[0x20_0000, 1, 0x13n]]]);
  const empty = await run({ state: flatProtectedState(0x20_0f00, 0x7000), code: [] });
  assert.deepEqual([vector(empty), empty.state.rip], [6, 0x20_0f00n]);
});
test('an exception whose stack lies on a device is delivered, with one write for each of its pushes', async () => {
  for (const [code, returns] of [
    ['0f0b ud2', CODE],
    ['cd06 int 6', CODE + 2],
  ] as const) {
    const state = real(0, CODE);
    state.segments.ss = { ...state.segments.ss, selector: 0xffff, base: 0xf_fff0n };
    state.gpr[4] = 0x8000n;
    const ran = await run({
      state,
      code: [code],
      bitmap: 0,
      prepare: (vm) => {
        vm.memory.writeU32(6 * 4, 0x9000);
        vm.memory.writeBytes(0x9000, Uint8Array.of(0xf4));
      },
    });
    assert.equal(ran.exit.name, 'hlt');
    const top = 0xf_fff0 + 0x8000;
    assert.deepEqual(ran.writes, [
      [top - 2, 2, 2n],
      [top - 4, 2, 0n],
      [top - 6, 2, BigInt(returns)],
    ]);
  }
});
test('an exception frame wraps at the bottom of the stack segment between two pushes, and not within one', async () => {
  for (const [sp, end] of [
    [4, 'hlt'],
    [2, 'hlt'],
    [0, 'hlt'],
    [3, 'tripleFault'],
  ] as const) {
    const state = real(0, CODE);
    state.segments.ss = { ...state.segments.ss, selector: 0x2000, base: 0x2_0000n };
    state.gpr[4] = BigInt(sp);
    const ran = await run({
      state,
      code: ['0f0b ud2'],
      bitmap: 0,
      prepare: (vm) => {
        vm.memory.writeU32(6 * 4, 0x9000);
        vm.memory.writeBytes(0x9000, Uint8Array.of(0xf4));
      },
    });
    assert.equal(ran.exit.name, end, `SP ${sp}`);
    if (end !== 'hlt') continue;
    const word = (offset: number): number => {
      const at = 0x2_0000 + ((sp + offset) & 0xffff);
      return ran.vm.memory.readU8(at) | (ran.vm.memory.readU8(at + 1) << 8);
    };
    assert.deepEqual([ran.state.gpr[4], word(-2), word(-4), word(-6)], [BigInt((sp - 6) & 0xffff), 2, 0, CODE]);
  }
});
test('PUSH of a segment register with a 32-bit operand writes a word', async () => {
  const state = flatProtectedState(CODE, 0x7000);
  const ran = await run({
    state,
    code: ['0fa0 push fs', '660fa0 o16 push fs', 'f4 hlt'],
    prepare: (vm) => vm.memory.writeBytes(0x6ff8, new Uint8Array(8).fill(0xee)),
  });
  const fs = state.segments.fs.selector;
  assert.deepEqual(
    [ran.state.gpr[4], ran.vm.memory.readU32(0x6ffc), ran.vm.memory.readU32(0x6ff8)],
    [0x6ffan, 0xeeee_0000 + fs, fs * 0x1_0000 + 0xeeee],
  );
});
test('a fault behind a task switch belongs to the new task, and so does its exit', async () => {
  const state = flatProtectedState(CODE, 0x7000);
  state.gdtr = { base: 0x5000n, limit: 0xff };
  state.segments.tr = { selector: 0x18, base: 0x6000n, limit: 0x67, accessRights: 0x8b };
  const ran = await run({
    state,
    code: ['9a000000002000 call 0x20:0', 'f4 hlt'],
    prepare: ({ memory }) => {
      memory.writeU32(0x5000 + 8, 0xffff);
      memory.writeU32(0x5000 + 12, 0xcf9b00);
      memory.writeU32(0x5000 + 16, 0xffff);
      memory.writeU32(0x5000 + 20, 0xcf9300);
      memory.writeU32(0x5000 + 24, 0x6000_0067);
      memory.writeU32(0x5000 + 28, 0x8b00);
      memory.writeU32(0x5000 + 32, 0x6100_0067);
      memory.writeU32(0x5000 + 36, 0x8900);
      memory.writeU32(0x6100 + 0x20, 0x1234);
      memory.writeU32(0x6100 + 0x24, 2);
      memory.writeU32(0x6100 + 0x4c, 8);
      memory.writeU32(0x6100 + 0x50, 0x10);
      memory.writeU32(0x6100 + 0x54, 0x48); // DS: beyond what is described
    },
  });
  assert.equal(vector(ran), 10);
  assert.equal(ran.exit.name === 'exceptionOrNmi' && ran.exit.errorCode, 0x48);
  assert.deepEqual([ran.state.rip, ran.state.segments.tr.selector, ran.instructions], [0x1234n, 0x20, 1]);
});
