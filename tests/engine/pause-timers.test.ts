// PAUSE in virtual time on whole machines: timers that expire inside of it interrupt behind it, none is lost, and processors that
// spin for each other take the same way in all tiers. Intel SDM Vol. 3A, "APIC Timer"; Intel 8254 data sheet, mode 2.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createMachine, type Machine } from '../../src/machine/index.js';
import { compileModules, JIT_MODES, type JitMode, SoftwareEngine } from '../../src/processor/index.js';
import { type ExitName, PAUSE_TICKS } from '../../src/vmx/index.js';
import { machineCode } from '../../src/vmx/testing.js';

const built = (name: string): Uint8Array => readFileSync(new URL(`../../${name}`, import.meta.url));
const modules = await compileModules({ procedures: built('procedures.wasm'), interpreter: built('interpreter.wasm') });
const TIERS: readonly JitMode[] = ['off', 'forced', 'mixed'];

const MAIN = 0x100000;
const TABLES = 0x3000;
const GDT = 0x3020;
const IDT = 0x3800;
const VECTOR = 0x30;
const HANDLER = 0x4000;
/** Eight bytes per interrupt. */
const NOTES = 0x10000;
const INTERRUPTS = 0x400 / 8;
const LIMIT_NS = 1e9;
/** Ticks; one is a nanosecond. */
const PIT_PERIOD = (100 * 1e9) / 1_193_182;

const BEGIN = [
  '0f011500300000         lgdt [0x3000]',
  '0f011d06300000         lidt [0x3006]',
  'ea150010000800         jmp 8:0x100015',
  'b810000000             mov eax, 16',
  '8ed8                   mov ds, eax',
  '8ec0                   mov es, eax',
  '8ed0                   mov ss, eax',
  'bc00000800             mov esp, 0x80000',
  'bf00000100             mov edi, 0x10000',
  'c705f000e0feff010000   mov dword [0xfee000f0], 0x1ff',
];
/** Waits; the length of a round is no divisor of a period. */
const SPIN = [
  'fb                     sti',
  '43                     spin: inc ebx',
  'f390                   pause',
  'f7c303000000           test ebx, 3',
  '75f5                   jnz spin',
  '90                     nop',
  'ebf2                   jmp spin',
];
const DEADLINE = {
  main: [
    'c7052003e0fe30000400   mov dword [0xfee00320], 0x40030',
    'b9e0060000             mov ecx, 0x6e0',
    'bee8030000             mov esi, 1000',
    '0f31                   rdtsc',
    '01f0                   add eax, esi',
    '89c5                   mov ebp, eax',
    '0f30                   wrmsr',
  ],
  handler: [
    '0f31                   rdtsc',
    '8907                   mov [edi], eax',
    '896f04                 mov [edi+4], ebp',
    '83c708                 add edi, 8',
    'c705b000e0fe00000000   mov dword [0xfee000b0], 0',
    '6bf605                 imul esi, esi, 5',
    '81e6ff030000           and esi, 0x3ff',
    '46                     inc esi',
    '0f31                   rdtsc',
    '01f0                   add eax, esi',
    '89c5                   mov ebp, eax',
    '0f30                   wrmsr',
    '81ff00040100           cmp edi, 0x10400',
    '7204                   jb done',
    '31c0                   xor eax, eax',
    'e6f4                   out 0xf4, al',
    'cf                     done: iret',
  ],
};
const PERIOD = 20011;
const PERIODIC = {
  main: [
    'c7052003e0fe30000200   mov dword [0xfee00320], 0x20030',
    'c705e003e0fe0b000000   mov dword [0xfee003e0], 0xb',
    '0f31                   rdtsc',
    '89c5                   mov ebp, eax',
    'c7058003e0fe2b4e0000   mov dword [0xfee00380], 20011',
  ],
  handler: [
    '0f31                   rdtsc',
    '8907                   mov [edi], eax',
    '896f04                 mov [edi+4], ebp',
    '83c708                 add edi, 8',
    '81c52b4e0000           add ebp, 20011',
    'c705b000e0fe00000000   mov dword [0xfee000b0], 0',
    '81ff00040100           cmp edi, 0x10400',
    '7204                   jb done',
    '31c0                   xor eax, eax',
    'e6f4                   out 0xf4, al',
    'cf                     done: iret',
  ],
};
const PIT = {
  main: [
    'b011                   mov al, 0x11',
    'e620                   out 0x20, al',
    'b030                   mov al, 0x30',
    'e621                   out 0x21, al',
    'b004                   mov al, 4',
    'e621                   out 0x21, al',
    'b001                   mov al, 1',
    'e621                   out 0x21, al',
    'b0fe                   mov al, 0xfe',
    'e621                   out 0x21, al',
    'b034                   mov al, 0x34',
    'e643                   out 0x43, al',
    'b064                   mov al, 100',
    'e640                   out 0x40, al',
    'b000                   mov al, 0',
    'e640                   out 0x40, al',
  ],
  handler: [
    '0f31                   rdtsc',
    '8907                   mov [edi], eax',
    '83c708                 add edi, 8',
    'b020                   mov al, 0x20',
    'e620                   out 0x20, al',
    '81ff00040100           cmp edi, 0x10400',
    '7204                   jb done',
    '31c0                   xor eax, eax',
    'e6f4                   out 0xf4, al',
    'cf                     done: iret',
  ],
};
const SECOND_AT = 0x8000;
const TAKEN = 0x9004;
/** Starts the second processor at 8000H by INIT and a start-up IPI. */
const START = [
  'c7051003e0fe00000001   mov dword [0xfee00310], 0x1000000',
  'c7050003e0fe00450000   mov dword [0xfee00300], 0x4500',
  'c7050003e0fe08460000   mov dword [0xfee00300], 0x4608',
];
/** Both take a lock, count, and give it back, 30000 times. */
const FIRST = [
  ...START,
  'b930750000             mov ecx, 30000',
  'b001                   again: mov al, 1',
  '860500900000           xchg [0x9000], al',
  '84c0                   test al, al',
  '740d                   jz got',
  'f390                   wait_: pause',
  '803d0090000000         cmp byte [0x9000], 0',
  '75f5                   jne wait_',
  'ebe7                   jmp again',
  'ff0504900000           got: inc dword [0x9004]',
  'ba32000000             mov edx, 50',
  '4a                     inside: dec edx',
  '75fd                   jnz inside',
  'c6050090000000         mov byte [0x9000], 0',
  '49                     dec ecx',
  '75cf                   jnz again',
  'f390                   over: pause',
  '803d0890000000         cmp byte [0x9008], 0',
  '74f5                   je over',
  '31c0                   xor eax, eax',
  'e6f4                   out 0xf4, al',
];
const SECOND = [
  '31c0                   xor ax, ax',
  '8ed8                   mov ds, ax',
  'b93075                 mov cx, 30000',
  'b001                   again: mov al, 1',
  '86060090               xchg [0x9000], al',
  '84c0                   test al, al',
  '740b                   jz got',
  'f390                   wait_: pause',
  '803e009000             cmp byte [0x9000], 0',
  '75f7                   jne wait_',
  'ebeb                   jmp again',
  '66ff060490             got: inc dword [0x9004]',
  'ba3200                 mov dx, 50',
  '4a                     inside: dec dx',
  '75fd                   jnz inside',
  'c606009000             mov byte [0x9000], 0',
  '49                     dec cx',
  '75d8                   jnz again',
  'c606089001             mov byte [0x9008], 1',
  'fa                     cli',
  'f4                     hlt',
];
/** Ten thousand PAUSEs. */
const ALONE = [
  'b910270000             mov ecx, 10000',
  'f390                   again: pause',
  '49                     dec ecx',
  '75fb                   jnz again',
  '31c0                   xor eax, eax',
  'e6f4                   out 0xf4, al',
];

async function machine(tier: JitMode, code: readonly string[], cpus: number): Promise<Machine> {
  return createMachine(
    {
      name: 'pauses',
      memoryBytes: 4 << 20,
      cpus,
      time: 'virtual',
      boot: { kind: 'flat', kernel: { name: 'pauses', data: machineCode(code) }, gpa: MAIN, mode: 'protected32' },
    },
    {
      engine: new SoftwareEngine(modules, JIT_MODES[tier]),
      nowNs: () => 0,
      wallClockMs: 0,
      console: { write: () => {} },
    },
  );
}
/** Runs to the guest's end, in steps of a length that is no round number. */
function finish(m: Machine) {
  for (let now = 0; m.outcome === null && now < LIMIT_NS; ) {
    const r = m.step(now, 123_457);
    now = r.state === 'halted' ? Math.max(now + r.usedNs, r.nextDeadlineNs ?? LIMIT_NS) : now + r.usedNs;
  }
  assert.deepEqual(m.outcome, { kind: 'exit', status: 1 });
  const { instructions, clockNs, runs, exits, interrupts } = m.stats();
  return { instructions, clockNs, runs, interrupts, exits: new Map(exits.map((e) => [e.name, e.count])) };
}

/** What the handler noted at each interrupt: the counter, and what the guest waited for. */
async function timer(tier: JitMode, guest: { readonly main: readonly string[]; readonly handler: readonly string[] }) {
  const m = await machine(tier, [...BEGIN, ...guest.main, ...SPIN], 1);
  const { memory } = m.vm;
  memory.writeU16(TABLES, 23);
  memory.writeU32(TABLES + 2, GDT);
  memory.writeU16(TABLES + 6, 0x7ff);
  memory.writeU32(TABLES + 8, IDT);
  memory.writeU64(GDT + 8, 0x00cf9b000000ffffn);
  memory.writeU64(GDT + 16, 0x00cf93000000ffffn);
  memory.writeU64(IDT + VECTOR * 8, 0x00008e0000080000n | BigInt(HANDLER));
  memory.loadBytes(HANDLER, machineCode(guest.handler));
  const end = finish(m);
  const notes = Array.from({ length: INTERRUPTS }, (_, n) => ({
    tsc: memory.readU32(NOTES + n * 8),
    due: memory.readU32(NOTES + n * 8 + 4),
  }));
  m.close();
  return { end, notes };
}
/** All tiers agree; what they found. */
async function timers(guest: Parameters<typeof timer>[1]): Promise<Awaited<ReturnType<typeof timer>>['notes']> {
  const expected = await timer('off', guest);
  for (const tier of TIERS) assert.deepEqual(await timer(tier, guest), expected, tier);
  return expected.notes;
}
/** From no time at all to a tick less than a PAUSE. */
function checkLate(late: readonly number[]): void {
  assert.ok(
    late.every((n) => n >= 0 && n < PAUSE_TICKS),
    late.join(' '),
  );
  assert.ok(Math.max(...late) > PAUSE_TICKS / 2 && Math.min(...late) < PAUSE_TICKS / 2, late.join(' '));
}

test('a TSC deadline inside a PAUSE interrupts behind it', async () => {
  const notes = await timers(DEADLINE);
  checkLate(notes.map(({ tsc, due }) => tsc - due));
});
test('a periodic APIC timer loses nothing to PAUSE', async () => {
  const notes = await timers(PERIODIC);
  // it starts two instructions behind RDTSC
  checkLate(notes.map(({ tsc, due }) => tsc - (due + 2 + PERIOD)));
});
test('an 8254 loses nothing to PAUSE', async () => {
  const notes = await timers(PIT);
  // the first one comes when the count has been loaded, the others a period apart
  const drift = notes.slice(1).map(({ tsc }, n) => tsc - n * PIT_PERIOD);
  const spread = Math.max(...drift) - Math.min(...drift);
  assert.ok(spread > PAUSE_TICKS / 2 && spread < PAUSE_TICKS + 1, `${spread}`);
});

/** Runs two processors of which the second one runs `second`, if it is started; checks that the clock has counted all. */
async function pair(tier: JitMode, first: readonly string[], second: readonly string[]) {
  const m = await machine(tier, first, 2);
  m.vm.memory.loadBytes(SECOND_AT, machineCode(second));
  const end = finish(m);
  const of = (name: ExitName): number => end.exits.get(name) ?? 0;
  const waited = m.vm.vcpus.reduce((sum, v) => sum + v.ticks - v.counters.instructions, 0);
  // a port takes a microsecond, a register of the local APIC a tenth of it
  const beside = of('pause') * (PAUSE_TICKS - 1) + of('ioInstruction') * 1000 + of('eptViolation') * 100;
  assert.equal(end.clockNs, end.instructions + waited + beside);
  const taken = m.vm.memory.readU32(TAKEN);
  m.close();
  return { ...end, waited, taken };
}
test('two processors that spin for a lock take the same way in all tiers', async () => {
  const expected = await pair('off', FIRST, SECOND);
  assert.equal(expected.taken, 60_000);
  // PAUSE gives way while the other one has work
  assert.ok((expected.exits.get('pause') ?? 0) > 20);
  for (const tier of TIERS) assert.deepEqual(await pair(tier, FIRST, SECOND), expected, tier);
});
test('with nobody to give way to a PAUSE takes its time without an exit', async () => {
  for (const tier of TIERS) {
    const end = await pair(tier, ALONE, []);
    assert.equal(end.exits.get('pause'), undefined, tier);
    assert.equal(end.waited, 10_000 * (PAUSE_TICKS - 1), tier);
    // the same beside one that has halted
    const halted = await pair(tier, [...START, ...ALONE], ['f4 hlt']);
    const exits = halted.exits.get('pause') ?? 0;
    assert.ok(exits < 3, `${exits} exits`);
    assert.equal(halted.waited, (10_000 - exits) * (PAUSE_TICKS - 1), tier);
  }
});
