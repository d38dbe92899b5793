// CPUID answered by the processor on the monitor's behalf: the guest finds what it finds when each one exits, at the same
// instructions and ticks, in all tiers; an answer is good for its question, CR4 and XCR0 only.
// Intel SDM Vol. 2A, "CPUID—CPU Identification"; docs/decisions/0019.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compileModules, JIT_MODES, SoftwareEngine } from '../../src/processor/index.js';
import { at, optionsOf, referenceVcpu, type SoftwareVcpu } from '../../src/processor/testing.js';
import { CpuidPolicy, cpuModel } from '../../src/vmm/index.js';
import { type EngineVm, flatProtectedState, longModeState, type VmExit } from '../../src/vmx/index.js';
import { plainControls } from '../../src/vmx/testing.js';
import { Assembler, word } from '../support/assembler.js';

const built = (name: string): Uint8Array => readFileSync(new URL(`../../${name}`, import.meta.url));
const modules = await compileModules({ procedures: built('procedures.wasm'), interpreter: built('interpreter.wasm') });
const TIERS = ['evaluator', 'off', 'forced', 'mixed'] as const;
type Tier = (typeof TIERS)[number];

const CODE = 0x1000;
const STACK = 0x8000;
const QUESTIONS = 0x9000;
const TRAPS = 0xa000;
const ROUNDS = 0xb000;
const GDT = 0x6000;
const IDT = 0x7000;
const HANDLER = 0x2000;
const [RAX, RCX, RDX, RBX, RSP, RBP] = [0, 1, 2, 3, 4, 5] as const;
const OSXSAVE = 1n << 18n;
const TSD = 1n << 2n;

interface Question {
  readonly leaf: number;
  readonly subleaf: number;
}
/** Every third leaf has subleaves. */
const hasSubleaves = (leaf: number): boolean => leaf % 3 === 1;
/** A different answer to each question, with CR4 and XCR0 in it. */
function answerTo({ leaf, subleaf }: Question, vcpu: SoftwareVcpu) {
  const { cr4, xcr0 } = vcpu.readCpuidState();
  const n = Math.imul(leaf * 4 + (hasSubleaves(leaf) ? subleaf : 0) + 1, 0x9e37_79b1) ^ Number(cr4 ^ (xcr0 << 24n));
  return { eax: n >>> 0, ebx: Math.imul(n, 3) >>> 0, ecx: ~n >>> 0, edx: (n >>> 7) | (n << 25) } as const;
}

class Run {
  readonly asked: Question[] = [];
  keeps = true;
  /** The answer is the same for all subleaves of a leaf. */
  every = (leaf: number): boolean => !hasSubleaves(leaf);
  constructor(
    readonly vm: EngineVm,
    readonly vcpu: SoftwareVcpu,
  ) {}
  /** Handles a CPUID exit as a monitor does. */
  answer(exit: VmExit): boolean {
    if (exit.name !== 'cpuid') return false;
    const { leaf, subleaf } = exit;
    const { vcpu } = this;
    this.asked.push({ leaf, subleaf });
    const { eax, ebx, ecx, edx } = answerTo(exit, vcpu);
    if (this.keeps) vcpu.cpuidAnswers.keep({ leaf, subleaf, eax, ebx, ecx, edx }, this.every(leaf));
    for (const [register, value] of [
      [RAX, eax],
      [RBX, ebx],
      [RCX, ecx],
      [RDX, edx],
    ] as const) {
      vcpu.writeGpr(register, BigInt(value >>> 0));
    }
    vcpu.skipInstruction();
    return true;
  }
  /** To `ticks` since the start, or to the first exit that is no CPUID. */
  until(ticks: number): string {
    for (;;) {
      const exit = this.vcpu.enter(ticks - this.vcpu.ticks);
      if (!this.answer(exit)) return exit.name;
    }
  }
  end(): { state: unknown; instructions: number; ticks: number } {
    const { vcpu } = this;
    return { state: vcpu.readState(), instructions: vcpu.counters.instructions, ticks: vcpu.ticks };
  }
}
interface Setting {
  readonly keeps?: boolean;
  readonly flags?: bigint;
  readonly long?: boolean;
  readonly vcpus?: number;
  readonly time?: 'real' | 'virtual';
  readonly nowNs?: () => number;
}
async function make(tier: Tier, code: Uint8Array, s: Setting = {}): Promise<Run[]> {
  const engine = new SoftwareEngine(modules, JIT_MODES[tier === 'evaluator' ? 'off' : tier]);
  const vm = await engine.createVm({
    memoryBytes: 1 << 20,
    vcpus: s.vcpus ?? 1,
    time: s.time ?? 'virtual',
    tscHz: 1e9,
    nowNs: s.nowNs ?? (() => 0),
  });
  const { memory } = vm;
  memory.loadBytes(CODE, code);
  memory.loadBytes(HANDLER, Uint8Array.of(0xff, 0x05, ...word(TRAPS), 0xcf)); // inc dword [TRAPS]; iret
  memory.writeU64(GDT + 8, 0x00cf9b000000ffffn);
  memory.writeU64(GDT + 16, 0x00cf93000000ffffn);
  memory.writeU64(IDT + 8, 0x00008e0000080000n | BigInt(HANDLER));
  memory.writeU64(0x1_1000, 0x1_2003n);
  memory.writeU64(0x1_2000, 0x1_3003n);
  memory.writeU64(0x1_3000, 0x83n);
  return vm.vcpus.map((own) => {
    const vcpu = tier === 'evaluator' ? referenceVcpu(own).vcpu : (own as SoftwareVcpu);
    Object.assign(vcpu.controls, plainControls());
    vcpu.applyControls();
    const state =
      s.long === true ? longModeState(BigInt(CODE), 0x1_1000, BigInt(STACK)) : flatProtectedState(CODE, STACK);
    state.gpr[RSP] = BigInt(STACK);
    state.gdtr = { base: BigInt(GDT), limit: 23 };
    if (s.long !== true) state.idtr = { base: BigInt(IDT), limit: 0x7ff };
    state.rflags |= s.flags ?? 0n;
    vcpu.writeState(state);
    const run = new Run(vm, vcpu);
    run.keeps = s.keeps ?? true;
    return run;
  });
}
const one = async (tier: Tier, code: Uint8Array, s: Setting = {}): Promise<Run> =>
  (await make(tier, code, s))[0] as Run;

/** Asks all questions in order, `rounds` times; what was answered is mixed into EBP. */
function asking(questions: readonly Question[], rounds: number): { code: Uint8Array; data: Uint8Array } {
  const a = new Assembler(CODE);
  const near = (label: string): Assembler => a.bytes(0x0f, 0x82).distance(label); // jb
  a.bytes(0xbf).dword(rounds).label('again'); // mov edi,rounds
  a.bytes(0xbe).dword(QUESTIONS).label('next'); // mov esi,QUESTIONS
  a.bytes(0x8b, 0x06, 0x8b, 0x4e, 0x04, 0x0f, 0xa2); // mov eax,[esi]; mov ecx,[esi+4]; cpuid
  a.bytes(0x11, 0xc5, 0xc1, 0xc5, 0x05); // adc ebp,eax (the flags of the compare below); rol ebp,5
  a.bytes(0x01, 0xdd, 0xc1, 0xc5, 0x05, 0x31, 0xcd, 0xc1, 0xc5, 0x05, 0x01, 0xd5); // likewise EBX, ECX, EDX
  a.bytes(0x83, 0xc6, 0x08, 0x81, 0xfe).dword(QUESTIONS + 8 * questions.length); // add esi,8; cmp esi,end
  near('next');
  a.bytes(0x4f, 0x0f, 0x85).distance('again').bytes(0xf4); // dec edi; jnz again; hlt
  return { code: a.image(), data: Uint8Array.from(questions.flatMap((q) => [...word(q.leaf), ...word(q.subleaf)])) };
}
async function asked(tier: Tier, questions: readonly Question[], rounds: number, s: Setting = {}): Promise<Run> {
  const { code, data } = asking(questions, rounds);
  const run = await one(tier, code, s);
  run.vm.memory.loadBytes(QUESTIONS, data);
  return run;
}
const DIFFERENT: readonly Question[] = [
  { leaf: 0, subleaf: 0x1234 },
  { leaf: 1, subleaf: 0 },
  { leaf: 1, subleaf: 2 },
  { leaf: 2, subleaf: 0xffff_ffff },
  { leaf: 4, subleaf: 1 },
  { leaf: 7, subleaf: 0 },
  { leaf: 0x8000_0000, subleaf: 0 },
  { leaf: 0x4000_0000, subleaf: 0 },
];
const LONG_RUN = 10_000_000;

for (const tier of TIERS)
  test(`a question exits once, then the processor answers: ${tier}`, async () => {
    const rounds = 400;
    const total = rounds * DIFFERENT.length;
    const all = await asked(tier, DIFFERENT, rounds, { keeps: false });
    const kept = await asked(tier, DIFFERENT, rounds);
    assert.deepEqual([all.until(LONG_RUN), kept.until(LONG_RUN)], ['hlt', 'hlt']);
    assert.deepEqual(kept.end(), all.end());
    assert.equal(all.asked.length, total);
    assert.equal(all.vcpu.cpuidAnswers.given, 0);
    assert.deepEqual(kept.asked, DIFFERENT);
    assert.equal(kept.vcpu.cpuidAnswers.given, total - DIFFERENT.length);
    if (tier === 'forced') {
      // the region goes on behind it
      const { retired, entries } = kept.vcpu.jitStatistics() ?? { retired: 0, entries: 0 };
      assert.ok(retired > 0.95 * kept.vcpu.counters.instructions, `${retired} instructions in regions`);
      assert.ok(entries < total / 10, `${entries} entries of regions`);
    }
    for (const { vm } of [all, kept]) vm.close();
  });

test('questions that share a place take turns, and none gets the answer of another', async () => {
  // leaf 5 and subleaf 3 of leaf 4 share one, leaves that differ by 64, and many subleaves of a leaf
  const questions = Array.from({ length: 200 }, (_, n) => ({
    leaf: [4, 5, 0x45, 0x44, 1, 0x8000_0001, 0xffff_ffff, 7][(n * n + (n >> 2)) % 8] as number,
    subleaf: [3, 0, 1, 0xffff_ffff, 67][(n * 7 + (n >> 3)) % 5] as number,
  }));
  const expected = await asked('evaluator', questions, 3, { keeps: false });
  assert.equal(expected.until(LONG_RUN), 'hlt');
  for (const tier of TIERS) {
    const run = await asked(tier, questions, 3);
    assert.equal(run.until(LONG_RUN), 'hlt');
    assert.deepEqual(run.end(), expected.end(), tier);
    assert.ok(run.vcpu.cpuidAnswers.given > 100 && run.asked.length > 100, `${run.asked.length} exits`);
    run.vm.close();
  }
  expected.vm.close();
});

test('every question that the monitor has an answer of its own for is kept beside the others', async () => {
  for (const name of ['x86-64-v2', 'max']) {
    const { cpuFeatures: engineFeatures } = new SoftwareEngine(modules, null);
    const options = { model: cpuModel(name), engineFeatures, vcpus: 1, apicId: 0, tscHz: 1e9, apicBusHz: 1e9 };
    const policy = new CpuidPolicy(options);
    const questions = policy.questions();
    const run = await asked('off', questions, 2);
    run.every = (leaf) => !policy.hasSubleaves(leaf);
    assert.equal(run.until(LONG_RUN), 'hlt');
    assert.deepEqual(run.asked, questions);
    run.vm.close();
  }
});

test('budgets end at the same instructions, wherever a CPUID lies', async () => {
  for (const step of [1, 3, 7, 64, 117]) {
    const expected = await asked('evaluator', DIFFERENT, 6, { keeps: false });
    const runs = await Promise.all(TIERS.map((tier) => asked(tier, DIFFERENT, 6)));
    for (let ticks = step, halted = false; !halted; ticks += step) {
      halted = expected.until(ticks) === 'hlt';
      for (const [n, run] of runs.entries()) {
        assert.equal(run.until(ticks) === 'hlt', halted);
        assert.deepEqual(run.end(), expected.end(), `${TIERS[n]} at ${ticks}`);
      }
    }
    for (const { vm } of [expected, ...runs]) vm.close();
  }
});

test('a single-step trap follows it', async () => {
  const TF = 0x100n;
  const expected = await asked('evaluator', DIFFERENT, 3, { keeps: false, flags: TF });
  assert.equal(expected.until(LONG_RUN), 'hlt');
  const traps = expected.vm.memory.readU32(TRAPS);
  for (const tier of TIERS) {
    const run = await asked(tier, DIFFERENT, 3, { flags: TF });
    assert.equal(run.until(LONG_RUN), 'hlt');
    assert.deepEqual(run.end(), expected.end(), tier);
    assert.equal(run.vm.memory.readU32(TRAPS), traps);
    assert.equal(run.asked.length, DIFFERENT.length);
    run.vm.close();
  }
  // one for each instruction but those of the handler, two a time
  assert.equal(traps, expected.vcpu.counters.instructions - 2 * traps);
  expected.vm.close();
});

test('an answer fills 64-bit registers with zeros, and only the low halves ask', async () => {
  // mov rax,RDI; mov rcx,RSI; mov rbx,-1; mov rdx,-1; cpuid; hlt
  const code = '4889f84889f148c7c3ffffffff48c7c2ffffffff0fa2f4';
  for (const tier of TIERS) {
    const run = await one(tier, Uint8Array.from(Buffer.from(code, 'hex')), { long: true });
    const { vcpu } = run;
    const state = vcpu.readState();
    for (const high of [0n, 0xffff_ffffn, 1n]) {
      state.gpr[7] = (high << 32n) | 4n;
      state.gpr[6] = (high << 32n) | 2n;
      vcpu.writeState(state);
      assert.equal(run.until(vcpu.ticks + 100), 'hlt');
      const { eax, ebx, ecx, edx } = answerTo({ leaf: 4, subleaf: 2 }, vcpu);
      assert.deepEqual(
        [RAX, RBX, RCX, RDX].map((n) => vcpu.readGpr(n)),
        [eax, ebx, ecx, edx].map((v) => BigInt(v >>> 0)),
        tier,
      );
    }
    assert.equal(run.asked.length, 1);
    run.vm.close();
  }
});

test('an answer is good for CR4 and XCR0 as they were', async () => {
  // again: mov eax,3; cpuid; xor ebp,eax; mov ecx,cr4; xor ecx,TSD; mov cr4,ecx; dec edi; jnz again; hlt
  const code = 'b8030000000fa231c50f20e183f1040f22e14f75ebf4';
  for (const tier of TIERS) {
    const run = await one(tier, Uint8Array.from(Buffer.from(code, 'hex')));
    const { vcpu } = run;
    const from = (change: { readonly cr4?: bigint; readonly xcr0?: bigint; readonly rounds: bigint }): number => {
      const s = vcpu.readState();
      s.gpr[7] = change.rounds;
      run.asked.length = 0;
      vcpu.writeState({ ...s, rip: BigInt(CODE), cr4: change.cr4 ?? s.cr4, xcr0: change.xcr0 ?? s.xcr0 });
      assert.equal(run.until(vcpu.ticks + 1000), 'hlt');
      return run.asked.length;
    };
    assert.equal(from({ rounds: 8n }), 8, 'another CR4 each time');
    const { cr4 } = vcpu.readState();
    assert.equal(from({ rounds: 1n, cr4 }), 1, 'as after the seventh');
    assert.equal(from({ rounds: 1n, cr4 }), 0, 'as before');
    assert.equal(from({ rounds: 1n, cr4: cr4 | OSXSAVE }), 1);
    assert.equal(from({ rounds: 1n, cr4: cr4 | OSXSAVE, xcr0: 3n }), 1);
    assert.equal(from({ rounds: 1n, cr4: cr4 | OSXSAVE, xcr0: 3n }), 0);
    assert.equal(from({ rounds: 1n, cr4: cr4 | OSXSAVE, xcr0: 1n }), 1);
    assert.equal(from({ rounds: 1n, cr4: cr4 ^ TSD, xcr0: 1n }), 1);
    run.vm.close();
  }
});

test('what is forgotten exits again; each vCPU has answers of its own', async () => {
  const { code, data } = asking(DIFFERENT, 1);
  for (const tier of TIERS) {
    const [first, second] = (await make(tier, code, { vcpus: 2 })) as [Run, Run];
    first.vm.memory.loadBytes(QUESTIONS, data);
    const exits = (run: Run): number => {
      run.asked.length = 0;
      run.vcpu.writeState({ ...run.vcpu.readState(), rip: BigInt(CODE) });
      assert.equal(run.until(run.vcpu.ticks + 1000), 'hlt');
      return run.asked.length;
    };
    assert.deepEqual([exits(first), exits(first)], [DIFFERENT.length, 0]);
    assert.deepEqual([exits(second), exits(second)], [DIFFERENT.length, 0]);
    first.vcpu.cpuidAnswers.forget();
    assert.deepEqual([exits(first), exits(second)], [DIFFERENT.length, 0], tier);
    first.vm.close();
  }
});

test('code that another vCPU has written is seen behind it', async () => {
  const rounds = 600;
  const news = 400;
  const a = new Assembler(CODE);
  a.bytes(0xbf).dword(rounds).label('again'); // mov edi,rounds
  a.bytes(0x89, 0x3d).dword(ROUNDS); // mov [ROUNDS],edi
  a.bytes(0x0f, 0x31, 0x31, 0xc0, 0x0f, 0xa2); // rdtsc; xor eax,eax; cpuid
  a.bytes(0x81, 0xc5).label('number').dword(1); // add ebp,1
  a.bytes(0x4f, 0x0f, 0x85).distance('again').bytes(0xf4); // dec edi; jnz again; hlt
  const code = a.image();
  for (const tier of ['off', 'forced', 'mixed'] as const) {
    let write: () => void = () => {};
    const run = await one(tier, code, {
      time: 'real',
      nowNs: () => {
        write();
        return 0;
      },
    });
    const { memory, area } = optionsOf(run.vcpu);
    const state = new DataView(memory.buffer, area);
    // as post_stale_page() of another thread does, between RDTSC and CPUID
    write = () => {
      if (run.vm.memory.readU32(ROUNDS) !== rounds - news) return;
      write = () => {};
      new DataView(memory.buffer).setUint8(state.getUint32(at('ramHost'), true) + a.at('number'), 100);
      const map = state.getUint32(at('staleMap'), true);
      new DataView(memory.buffer).setUint8(map, 1 << (CODE >> 12));
      state.setUint32(at('stalePages'), 1, true);
    };
    assert.equal(run.until(LONG_RUN), 'hlt');
    assert.equal(run.vcpu.readGpr(RBP), BigInt(news + 100 * (rounds - news)), tier);
    assert.equal(run.asked.length, 1);
    run.vm.close();
  }
});
