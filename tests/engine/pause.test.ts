// PAUSE in virtual time: its ticks pass on the time-stamp counter, it is one instruction, and a budget that ends inside of it
// ends behind it; all tiers agree with the evaluator. Intel SDM Vol. 2B, "PAUSE—Spin Loop Hint".
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compileModules, JIT_MODES, SoftwareEngine } from '../../src/processor/index.js';
import { referenceVcpu, type SoftwareVcpu } from '../../src/processor/testing.js';
import { type EngineVm, flatProtectedState, PAUSE_TICKS, Primary, type TimeMode } from '../../src/vmx/index.js';
import { plainControls } from '../../src/vmx/testing.js';

const built = (name: string): Uint8Array => readFileSync(new URL(`../../${name}`, import.meta.url));
const modules = await compileModules({ procedures: built('procedures.wasm'), interpreter: built('interpreter.wasm') });

const CODE = 0x1000;
const STACK = 0x8000;
const GDT = 0x6000;
const IDT = 0x7000;
const HANDLER = 0x2000;
const DEBUG = 1;
const [RAX, RCX, RBX, RSP, RSI] = [0, 1, 3, 4, 6] as const;
const TIERS = ['evaluator', 'off', 'forced', 'mixed'] as const;
type Tier = (typeof TIERS)[number];

interface Made {
  readonly vm: EngineVm;
  readonly vcpu: SoftwareVcpu;
}
/** A flat 32-bit guest whose vector 1 counts in EBX and returns. */
async function make(tier: Tier, code: string, time: TimeMode = 'virtual', nowNs = () => 0): Promise<Made> {
  const engine = new SoftwareEngine(modules, JIT_MODES[tier === 'evaluator' ? 'off' : tier]);
  const vm = await engine.createVm({ memoryBytes: 1 << 20, vcpus: 1, time, tscHz: 1e9, nowNs });
  const { memory } = vm;
  memory.loadBytes(CODE, Uint8Array.from(Buffer.from(code, 'hex')));
  memory.loadBytes(HANDLER, Uint8Array.of(0x43, 0xf3, 0x90, 0xcf)); // inc ebx; pause; iret
  memory.writeU64(GDT + 8, 0x00cf9b000000ffffn);
  memory.writeU64(GDT + 16, 0x00cf93000000ffffn);
  memory.writeU64(IDT + DEBUG * 8, 0x00008e0000080000n | BigInt(HANDLER));
  const own = vm.vcpus[0] as SoftwareVcpu;
  const vcpu = tier === 'evaluator' ? referenceVcpu(own).vcpu : own;
  Object.assign(vcpu.controls, plainControls());
  vcpu.applyControls();
  const state = flatProtectedState(CODE, STACK);
  state.gdtr = { base: BigInt(GDT), limit: 23 };
  state.idtr = { base: BigInt(IDT), limit: 0x7ff };
  vcpu.writeState(state);
  return { vm, vcpu };
}
/** rdtsc; mov esi,eax; mov ecx,1000; again: pause; dec ecx; jnz again; rdtsc; sub eax,esi; hlt */
const COUNTED = '0f3189c6b9e8030000f3904975fb0f3129f0f4';

for (const tier of TIERS)
  test(`a thousand PAUSEs: ${tier}`, async () => {
    const { vm, vcpu } = await make(tier, COUNTED);
    assert.equal(vcpu.enter(10_000_000).name, 'hlt');
    // RDTSC and two MOVs, three instructions a round
    assert.equal(vcpu.readGpr(RAX), BigInt(3 + 1000 * (2 + PAUSE_TICKS)));
    const instructions = 3 + 3 * 1000 + 2;
    assert.equal(vcpu.counters.instructions, instructions);
    assert.equal(vcpu.ticks, instructions + 1000 * (PAUSE_TICKS - 1));
    assert.equal(vcpu.readTsc(), BigInt(vcpu.ticks));
    if (tier === 'forced') {
      const inRegions = vcpu.jitStatistics()?.retired ?? 0;
      assert.ok(inRegions > 2500 && inRegions <= instructions, `${inRegions} instructions in regions`);
    }
    vm.close();
  });

test('in real time a PAUSE takes what it takes', async () => {
  for (const tier of TIERS) {
    let now = 5000;
    const { vm, vcpu } = await make(tier, COUNTED, 'real', () => now);
    vcpu.enter(1_000_000);
    assert.equal(vcpu.counters.instructions, 3005, tier);
    assert.equal(vcpu.readGpr(RAX), 0n, tier);
    now += 10;
    assert.equal(vcpu.readTsc(), 5010n);
    vm.close();
  }
});

test('a PAUSE that exits takes one tick, its handler the rest', async () => {
  for (const tier of TIERS) {
    const { vm, vcpu } = await make(tier, COUNTED);
    vcpu.controls.primary += Primary.pauseExiting;
    vcpu.applyControls();
    for (let n = 0; n < 1000; n++) {
      assert.equal(vcpu.enter(10_000_000).name, 'pause');
      vcpu.skipInstruction();
    }
    assert.equal(vcpu.enter(10_000_000).name, 'hlt');
    assert.equal(vcpu.readGpr(RAX), BigInt(3 + 1000 * 3), tier);
    vm.close();
  }
});

/**
 * Several PAUSEs in a block, behind STI, between a branch and its target, in a called function with a changing number of
 * rounds, and a loop that waits for the counter.
 * mov ecx,40; again: pause; inc eax; pause; sti; pause; add ebx,eax; test cl,1; jz even; pause; call wait; even: push ebx;
 * pause; pop edx; cli; pause; dec ecx; jnz again; hlt;
 * wait: rdtsc; mov esi,eax; add esi,2000; spin: pause; rdtsc; cmp eax,esi; jb spin; ret
 */
const MIXED =
  'b928000000f39040f390fbf39001c3f6c1017407f390e80b00000053f3905afaf3904975e0f40f3189c681c6d0070000f3900f3139f072f8c3';

/** Boundaries between instructions: ticks, instructions, RIP, EAX and EBX at each. */
async function boundaries(code: string, flags: bigint): Promise<(readonly [number, number, bigint, bigint, bigint])[]> {
  const { vm, vcpu } = await make('evaluator', code);
  const s = vcpu.readState();
  vcpu.writeState({ ...s, rflags: s.rflags | flags });
  const all: (readonly [number, number, bigint, bigint, bigint])[] = [];
  while (vcpu.enter(1).name === 'preemptionTimer') {
    all.push([vcpu.ticks, vcpu.counters.instructions, vcpu.readRip(), vcpu.readGpr(RAX), vcpu.readGpr(RBX)]);
  }
  assert.equal(vcpu.readGpr(RCX), 0n);
  assert.equal(vcpu.readGpr(RSP), BigInt(STACK));
  vm.close();
  return all;
}
for (const [what, flags] of [
  ['', 0n],
  [', single-stepped', 0x100n],
] as const)
  test(`a budget ends at the first boundary that is not before its end${what}`, async () => {
    const expected = await boundaries(MIXED, flags);
    assert.ok(expected.some(([ticks], n) => ticks === (expected[n - 1]?.[0] ?? 0) + PAUSE_TICKS));
    assert.equal(
      expected.some(([, , rip]) => rip === BigInt(HANDLER)),
      flags !== 0n,
    );
    for (const tier of TIERS)
      for (const most of [3, 150, 700, 5000]) {
        const { vm, vcpu } = await make(tier, MIXED);
        const s = vcpu.readState();
        vcpu.writeState({ ...s, rflags: s.rflags | flags });
        let x = most;
        let at = 0;
        for (;;) {
          x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
          const budget = 1 + ((x >>> 8) % most);
          const end = vcpu.ticks + budget;
          if (vcpu.enter(budget).name !== 'preemptionTimer') break;
          while ((expected[at]?.[0] ?? Number.POSITIVE_INFINITY) < end) at++;
          const got = [vcpu.ticks, vcpu.counters.instructions, vcpu.readRip(), vcpu.readGpr(RAX), vcpu.readGpr(RBX)];
          assert.deepEqual(got, expected[at], `${tier}, budgets up to ${most}, end ${end}`);
          assert.ok(vcpu.ticks < end + PAUSE_TICKS);
        }
        assert.equal(vcpu.readGpr(RSI) > 0n, true);
        assert.deepEqual([vcpu.ticks, vcpu.readGpr(RBX)], [expected.at(-1)?.[0], expected.at(-1)?.[4]], tier);
        vm.close();
      }
  });

test('an interrupt window opens behind a PAUSE in the shadow of STI', async () => {
  for (const tier of TIERS) {
    const { vm, vcpu } = await make(tier, 'fbf390f39090f4'); // sti; pause; pause; nop; hlt
    vcpu.requestInterruptWindow(true);
    assert.equal(vcpu.enter(10_000).name, 'interruptWindow', tier);
    assert.deepEqual([vcpu.readRip(), vcpu.ticks], [BigInt(CODE + 3), 1 + PAUSE_TICKS], tier);
    vm.close();
  }
});
