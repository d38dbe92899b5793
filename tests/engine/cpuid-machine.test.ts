// A guest that asks CPUID again and again, with a timer beside it, while it changes what the answers depend on: time, interrupts
// and what it finds are the same whether each question exits (a trace of exits sees to that) or the processor answers.
// docs/decisions/0019.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createMachine } from '../../src/machine/index.js';
import { compileModules, JIT_MODES, type JitMode, SoftwareEngine } from '../../src/processor/index.js';
import { CpuidPolicy, cpuModel } from '../../src/vmm/index.js';
import { Assembler, word } from '../support/assembler.js';

const built = (name: string): Uint8Array => readFileSync(new URL(`../../${name}`, import.meta.url));
const modules = await compileModules({ procedures: built('procedures.wasm'), interpreter: built('interpreter.wasm') });
const { cpuFeatures: engineFeatures } = new SoftwareEngine(modules, null);

const MAIN = 0x10_0000;
const TABLES = 0x3000;
const GDT = 0x3020;
const IDT = 0x3800;
const VECTOR = 0x30;
const HANDLER = 0x4000;
const QUESTIONS = 0x9000;
/** Eight bytes per interrupt: counter and EBP. */
const NOTES = 0x1_0000;
const SUM = 0x8000;
const NEXT_NOTE = 0x8004;
const APIC = 0xfee0_0000;
const PERIOD = 3001;
const OSXSAVE = 1 << 18;
const ROUNDS = 120;
const LIMIT_NS = 1e9;

const policy = new CpuidPolicy({
  model: cpuModel('x86-64-v2'),
  engineFeatures,
  vcpus: 1,
  apicId: 0,
  tscHz: 1e9,
  apicBusHz: 1e9,
});
/** All that has an answer of its own, some with a subleaf that means nothing, and leaves that do not exist. */
const ALL = [
  ...policy.questions(),
  ...[0, 1, 0x8000_0000, 0x4000_0000].map((leaf) => ({ leaf, subleaf: 0xdead_beef })),
  ...[0x17, 0x45, 0x4000_1000, 0xc000_0000].map((leaf) => ({ leaf, subleaf: 1 })),
];

function program(): Uint8Array {
  const a = new Assembler(MAIN);
  const store = (address: number, value: number): Assembler => a.bytes(0xc7, 0x05).dword(address).dword(value);
  const toggleCr4 = (): Assembler => a.bytes(0x0f, 0x20, 0xe0, 0x35).dword(OSXSAVE).bytes(0x0f, 0x22, 0xe0);
  const ask = (): Assembler => a.bytes(0xe8).distance('ask').bytes(0xe8).distance('ask'); // twice
  a.bytes(0x0f, 0x01, 0x15).dword(TABLES); // lgdt
  a.bytes(0x0f, 0x01, 0x1d).dword(TABLES + 6); // lidt
  a.bytes(0xea).address('flat').bytes(8, 0).label('flat'); // jmp 8:flat
  a.bytes(0xb8).dword(16).bytes(0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0); // mov eax,16; DS, ES, SS = eax
  a.bytes(0xbc).dword(0x8_0000); // mov esp
  store(NEXT_NOTE, NOTES);
  store(APIC + 0xf0, 0x1ff);
  store(APIC + 0x320, 0x2_0000 + VECTOR); // periodic
  store(APIC + 0x3e0, 0xb);
  store(APIC + 0x380, PERIOD);
  a.bytes(0xfb, 0xbf).dword(ROUNDS).label('again'); // sti; mov edi,ROUNDS
  ask();
  toggleCr4();
  ask();
  a.bytes(0x31, 0xc9, 0x0f, 0x01, 0xd0, 0x83, 0xf0, 0x02, 0x0f, 0x01, 0xd1); // ecx = 0; xgetbv; xor eax,2; xsetbv
  ask();
  toggleCr4();
  a.bytes(0x4f, 0x0f, 0x85).distance('again'); // dec edi; jnz again
  ask();
  a.bytes(0xb9).dword(0x1b).bytes(0x0f, 0x32, 0x25).dword(0xffff_f7ff).bytes(0x0f, 0x30); // the local APIC off
  ask();
  a.bytes(0x89, 0x2d).dword(SUM).bytes(0x31, 0xc0, 0xe6, 0xf4); // mov [SUM],ebp; out 0xf4,0
  a.label('ask').bytes(0xbe).dword(QUESTIONS).label('next'); // mov esi,QUESTIONS
  a.bytes(0x8b, 0x06, 0x8b, 0x4e, 0x04, 0x0f, 0xa2); // mov eax,[esi]; mov ecx,[esi+4]; cpuid
  a.bytes(0x01, 0xc5, 0xc1, 0xc5, 0x05, 0x01, 0xdd, 0xc1, 0xc5, 0x05); // add ebp,eax; rol ebp,5; EBX likewise
  a.bytes(0x31, 0xcd, 0xc1, 0xc5, 0x05, 0x01, 0xd5, 0xc1, 0xc5, 0x05); // ECX and EDX
  a.bytes(0x83, 0xc6, 0x08, 0x81, 0xfe).dword(QUESTIONS + 8 * ALL.length); // add esi,8; cmp esi,end
  a.bytes(0x0f, 0x82).distance('next').bytes(0xc3); // jb next; ret
  return a.image();
}
function handler(): Uint8Array {
  const a = new Assembler(HANDLER);
  a.bytes(0x50, 0x52, 0x51, 0x0f, 0x31); // push eax; push edx; push ecx; rdtsc
  a.bytes(0x8b, 0x0d).dword(NEXT_NOTE); // mov ecx,[NEXT_NOTE]
  a.bytes(0x89, 0x01, 0x89, 0x69, 0x04); // mov [ecx],eax; mov [ecx+4],ebp
  a.bytes(0x83, 0x05).dword(NEXT_NOTE).bytes(8); // add dword [NEXT_NOTE],8
  a.bytes(0xc7, 0x05)
    .dword(APIC + 0xb0)
    .dword(0); // end of interrupt
  return a.bytes(0x59, 0x5a, 0x58, 0xcf).image(); // pop; iret
}

async function run(tier: JitMode, traced: boolean) {
  const m = await createMachine(
    {
      name: 'asks',
      memoryBytes: 4 << 20,
      time: 'virtual',
      boot: { kind: 'flat', kernel: { name: 'asks', data: program() }, gpa: MAIN, mode: 'protected32' },
    },
    {
      engine: new SoftwareEngine(modules, JIT_MODES[tier]),
      nowNs: () => 0,
      wallClockMs: 0,
      console: { write: () => {} },
    },
  );
  const { memory } = m.vm;
  memory.writeU16(TABLES, 23);
  memory.writeU32(TABLES + 2, GDT);
  memory.writeU16(TABLES + 6, 0x7ff);
  memory.writeU32(TABLES + 8, IDT);
  memory.writeU64(GDT + 8, 0x00cf9b000000ffffn);
  memory.writeU64(GDT + 16, 0x00cf93000000ffffn);
  memory.writeU64(IDT + VECTOR * 8, 0x00008e0000080000n | BigInt(HANDLER));
  memory.loadBytes(HANDLER, handler());
  memory.loadBytes(QUESTIONS, Uint8Array.from(ALL.flatMap((q) => [...word(q.leaf), ...word(q.subleaf)])));
  if (traced) m.trace(1, { filter: { names: ['cpuid'] }, maxPerSecond: 0 });
  // steps of a length that is no round number
  for (let now = 0; m.outcome === null && now < LIMIT_NS; ) now += m.step(now, 123_457).usedNs;
  assert.deepEqual(m.outcome, { kind: 'exit', status: 1 });
  const { instructions, clockNs, interrupts, runs, exits } = m.stats();
  const seen = m.traceOf(1)?.read().matched ?? 0;
  const found = {
    ...{ instructions, clockNs, interrupts, runs },
    // a budget that ends behind a CPUID that exits needs no exit of its own
    exits: new Map(exits.filter((e) => e.name !== 'preemptionTimer').map((e) => [e.name, e.count])),
    sum: memory.readU32(SUM),
    notes: Buffer.from(memory.readBytes(NOTES, memory.readU32(NEXT_NOTE) - NOTES)).toString('hex'),
  };
  const answered = exits.find((e) => e.name === 'cpuid')?.answered ?? 0;
  m.close();
  return { found, answered, seen };
}

test('a guest that asks CPUID takes the same way whether the processor answers or each question exits', async () => {
  const asked = ALL.length * 2 * (3 * ROUNDS + 2);
  const expected = await run('off', true);
  assert.deepEqual([expected.found.exits.get('cpuid'), expected.answered, expected.seen], [asked, 0, asked]);
  assert.ok(expected.found.interrupts > 100, `${expected.found.interrupts} interrupts`);
  for (const tier of ['off', 'forced', 'mixed'] as const) {
    const { found, answered, seen } = await run(tier, false);
    assert.deepEqual(found, expected.found, tier);
    assert.equal(seen, 0);
    assert.ok(answered > 0.4 * asked && answered < asked, `${answered} of ${asked} answered`);
  }
  assert.deepEqual((await run('forced', true)).found, expected.found, 'traced, with regions');
});
