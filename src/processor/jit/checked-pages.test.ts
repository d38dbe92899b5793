// Pages that a region remembers to have looked at, against the interpreter: guests move a page of code and tell the processor
// in every way there is; state and instruction count are compared at the end of budgets of random lengths.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { longModeState } from '../../vmx/index.js';
import { plainControls } from '../../vmx/testing.js';
import { compileModules } from '../modules.js';
import { SoftwareEngine } from '../software-engine.js';
import type { SoftwareVcpu } from '../testing.js';
import { JIT_MODES } from './options.js';

/** dist folder: this file runs from <dist>/src/processor/jit. */
const dist = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const modules = await compileModules({
  procedures: readFileSync(join(dist, 'procedures.wasm')),
  interpreter: readFileSync(join(dist, 'interpreter.wasm')),
});

const MEMORY = 8 << 20;
const STACK = 0x120000;
const ZEROS = 0x130000;
const [HANDLER, KERNEL_STACK, GDT, IDT, TSS] = [0x140000, 0x142000, 0x143000, 0x144000, 0x145000] as const;
const [PML4, PDPT, PD, PT, OTHER_PD, OTHER_PT] = [0x1000, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000] as const;
/** Another address space, its four tables one after the other. */
const OTHER_SPACE = 0x7000;
const GLOBAL = 0x100;
const LARGE = 0x80;
const CR4_PGE = 0x80n;
const CR4_PCIDE = 0x2_0000n;
const RET = 0xc3;
const ROUNDS = 400;
const [RAX, RCX, RDX, RBX, RSP, RSI, R12, R13, R14, R15] = [0, 1, 2, 3, 4, 6, 12, 13, 14, 15] as const;

interface Guest {
  /** Code by physical address; it begins at `start`. */
  readonly code: Readonly<Record<number, string>>;
  readonly start: number;
  /** Words of the paging structures besides 2 MiB one to one. */
  readonly tables?: Readonly<Record<number, number>>;
  readonly gpr?: Readonly<Record<number, number>>;
  /** The code is the user's; interrupt 30H moves the page. */
  readonly user?: boolean;
  readonly pcids?: boolean;
  /** What a turn adds to RBX: one half of the turns, and the other. */
  readonly adds: readonly [number, number];
}

async function machine(guest: Guest, jit: keyof typeof JIT_MODES): Promise<SoftwareVcpu> {
  const { code, start, tables, gpr, user, pcids } = guest;
  const vm = await new SoftwareEngine(modules, JIT_MODES[jit]).createVm({
    ...{ memoryBytes: MEMORY, vcpus: 1, time: 'virtual', tscHz: 1e9, nowNs: () => 0 },
  });
  const { memory } = vm;
  for (const [table, next] of [
    [PML4, PDPT],
    [PDPT, PD],
    [PD, PT],
  ] as const)
    memory.writeU64(table, BigInt(next) | 7n);
  for (let n = 0; n < 512; n++) memory.writeU64(PT + n * 8, BigInt((n * 4096) | GLOBAL | (user ? 7 : 3)));
  for (const [place, word] of Object.entries(tables ?? {})) memory.writeU64(Number(place), BigInt(word));
  memory.loadBytes(STEADY, Uint8Array.of(RET));
  for (const [at, bytes] of Object.entries(code)) memory.loadBytes(Number(at), Buffer.from(bytes, 'hex'));
  const vcpu = vm.vcpus[0] as SoftwareVcpu;
  Object.assign(vcpu.controls, plainControls(), { exceptionBitmap: 0xffffffff });
  vcpu.applyControls();
  const state = longModeState(BigInt(start), PML4, BigInt(STACK));
  state.cr4 |= pcids ? CR4_PGE | CR4_PCIDE : CR4_PGE;
  state.gpr[RSP] = BigInt(STACK);
  state.gpr[RCX] = BigInt(ROUNDS);
  state.gpr[RBX] = 0n;
  if (user) {
    for (const [n, descriptor] of [
      0n,
      0x00af9b000000ffffn,
      0n,
      0n,
      0n,
      0x00cff3000000ffffn,
      0x00affb000000ffffn,
    ].entries())
      memory.writeU64(GDT + n * 8, descriptor);
    const gate = BigInt(HANDLER & 0xffff) | (8n << 16n) | (0xeen << 40n) | (BigInt(HANDLER >>> 16) << 48n);
    memory.writeU64(IDT + 0x30 * 16, gate);
    memory.writeU64(TSS + 4, BigInt(KERNEL_STACK));
    state.gdtr = { base: BigInt(GDT), limit: 0x3f };
    state.idtr = { base: BigInt(IDT), limit: 0xfff };
    state.segments.tr = { selector: 0x40, base: BigInt(TSS), limit: 0x67, accessRights: 0x8b };
    Object.assign(state.segments.cs, { selector: 0x33, accessRights: 0xa0fb });
    Object.assign(state.segments.ss, { selector: 0x2b, accessRights: 0xc0f3 });
  }
  for (const [n, value] of Object.entries(gpr ?? {})) state.gpr[Number(n)] = BigInt(value);
  vcpu.writeState(state);
  return vcpu;
}
async function compare(guest: Guest, jit: keyof typeof JIT_MODES): Promise<void> {
  const expected = await machine(guest, 'off');
  const got = await machine(guest, jit);
  for (let x = 1; ; ) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    const budget = (x >>> 28) * (x >>> 24) + 1;
    const exit = { ...expected.enter(budget) };
    assert.deepEqual({ ...got.enter(budget) }, exit);
    assert.deepEqual(got.readState(), expected.readState());
    assert.equal(got.counters.instructions, expected.counters.instructions);
    if (exit.name === 'preemptionTimer') continue;
    assert.equal(exit.name, guest.user ? 'exceptionOrNmi' : 'hlt');
    break;
  }
  const [a, b] = guest.adds;
  assert.equal(got.readState().gpr[RBX], BigInt((ROUNDS / 2) * (a + b)));
  assert.ok((got.jitStatistics()?.retired ?? 0) > ROUNDS, 'hardly anything ran in regions');
}

const word = (n: number): string => Buffer.from(Int32Array.of(n).buffer).toString('hex');
const ADD_1 = '4883c301c3'; // add rbx,1; ret
const ADD_3 = '4883c303c3'; // add rbx,3; ret
/**
 * Calls a page that stays, then `callee`, which every fourth turn moves; the processor is told. call; call; test cl,3; jnz 1f;
 * xor [r13],r14; `tell`; xor r15,r12; 1: dec ecx; jnz; hlt
 */
function loop(at: number, callee: number, tell: string): string {
  return turn(at, callee, moving(tell));
}
const moving = (tell: string): string => `4d317500${tell}4d31e7`;
function turn(at: number, callee: number, skipped: string): string {
  const length = skipped.length / 2;
  const calls = `e8${word(STEADY - at - 5)}e8${word(callee - at - 10)}`;
  return `${calls}f6c10375${word(length).slice(0, 2)}${skipped}ffc975${word(-19 - length).slice(0, 2)}f4`;
}
const INVLPG = '410f013f'; // invlpg [r15]
const MOV_CR3 = '0f20d80f22d8'; // mov rax,cr3; mov cr3,rax
const PGE_TWICE = '0f20e0480fbaf8070f22e0480fbaf8070f22e0'; // mov rax,cr4; btc rax,7; mov cr4,rax; btc rax,7; mov cr4,rax
const INVPCID_ALL = 'b802000000660f388206'; // mov eax,2; invpcid rax,[rsi]
const [FIRST, SECOND] = [0x101000, 0x102000] as const;
const STEADY = 0x103000;
const MAIN = 0x100000;
/** The callee's page is entry 101H of the page table. */
const small = (tell: string, flags = GLOBAL): Guest => ({
  ...{ start: MAIN, code: { [MAIN]: loop(MAIN, FIRST, tell), [FIRST]: ADD_1, [SECOND]: ADD_3 }, adds: [1, 3] },
  tables: { [PT + 0x101 * 8]: FIRST | flags | 3 },
  gpr: { [R12]: 0, [R13]: PT + 0x101 * 8, [R14]: FIRST ^ SECOND, [R15]: FIRST, [RSI]: ZEROS },
});
/** The same for a user's page, which the handler of an interrupt moves. */
const ofUser = (tell: string, flags = GLOBAL): Guest => ({
  ...small(tell),
  code: {
    [MAIN]: turn(MAIN, FIRST, 'cd30'),
    [FIRST]: ADD_1,
    [SECOND]: ADD_3,
    [HANDLER]: `${moving(tell)}48cf`, // iretq
  },
  tables: { [PT + 0x101 * 8]: FIRST | flags | 7 },
  user: true,
});
/** Two address spaces by turns, with what their PCIDs have cached: mov rax,cr3; xor rax,rdx; bts rax,63; mov cr3,rax. */
const SWITCH = '0f20d84831d0480fbae83f0f22d8';
const ofTwoSpaces = (): Guest => {
  const guest = ofUser(SWITCH, 0);
  const words = Array.from({ length: 512 }, (_, n): [number, number] => [
    OTHER_SPACE + 0x3000 + n * 8,
    n === 0x101 ? SECOND | 7 : (n * 4096) | GLOBAL | 7,
  ]);
  const above = [0, 0x1000, 0x2000].map((table) => [OTHER_SPACE + table, (OTHER_SPACE + table + 0x1000) | 7]);
  return {
    ...{ ...guest, pcids: true, tables: { ...guest.tables, ...Object.fromEntries([...words, ...above]) } },
    gpr: { ...guest.gpr, [R13]: ZEROS, [R14]: 0, [RDX]: PML4 ^ (OTHER_SPACE | 1) },
  };
};
const BEFORE_LARGE = 0x1ff000;
const [LARGE_FIRST, LARGE_SECOND] = [0x200000, 0x400000] as const;
const HUGE = 0x4000_0000;

const GUESTS: Readonly<Record<string, Guest>> = {
  'by INVLPG': small(INVLPG),
  'by INVLPG of a page that is not global': small(INVLPG, 0),
  'by INVPCID of everything': small(INVPCID_ALL),
  'by changes of CR4.PGE': small(PGE_TWICE),
  'by a load of CR3, being not global': small(MOV_CR3, 0),
  'by INVLPG, being a user page': ofUser(INVLPG),
  'by INVPCID of everything, being a user page': ofUser(INVPCID_ALL),
  'by a load of CR3, being a user page': ofUser(MOV_CR3, 0),
  'by a load of CR3 that keeps what the PCID has cached': ofTwoSpaces(),
  'by INVLPG of another address of its large page': {
    start: BEFORE_LARGE,
    code: {
      [BEFORE_LARGE]: loop(BEFORE_LARGE, LARGE_FIRST, INVLPG),
      ...{ [LARGE_FIRST]: ADD_1, [LARGE_SECOND]: ADD_3 },
    },
    adds: [1, 3],
    tables: { [PD + 8]: LARGE_FIRST | LARGE | GLOBAL | 3 },
    gpr: { [R12]: 0, [R13]: PD + 8, [R14]: LARGE_FIRST ^ LARGE_SECOND, [R15]: LARGE_FIRST + 0x5_4000 },
  },
  // the page of 1 GiB at physical address 0 and a table of small pages take turns
  'by INVLPG of another address of its page of 1 GiB': {
    start: MAIN,
    code: { [MAIN]: loop(MAIN, HUGE + FIRST, INVLPG), [FIRST]: ADD_1, [SECOND]: ADD_3 },
    adds: [1, 3],
    tables: {
      [PDPT + 8]: LARGE | GLOBAL | 3,
      [OTHER_PD]: OTHER_PT | 3,
      [OTHER_PT + 0x101 * 8]: SECOND | GLOBAL | 3,
    },
    gpr: {
      [R13]: PDPT + 8,
      [R14]: LARGE | GLOBAL | OTHER_PD,
      [R15]: HUGE + 0x2000_0000,
      [R12]: FIRST ^ 0x2000_0000,
    },
  },
};

describe('a page of a region that moves between two entries is noticed', () => {
  for (const [how, guest] of Object.entries(GUESTS))
    for (const jit of ['forced', 'mixed'] as const) it(`${how}: ${jit}`, () => compare(guest, jit));
  // the same region by turns at two addresses: call rax; xor rax,10000h; dec ecx; jnz; hlt. Callee: call the next page; ret
  const [HERE, THERE] = [0x180000, 0x190000] as const;
  for (const jit of ['forced', 'mixed'] as const)
    it(`as code at another address has another page behind it: ${jit}`, () =>
      compare(
        {
          start: MAIN,
          code: {
            [MAIN]: `ffd04835${word(HERE ^ THERE)}ffc975f4f4`,
            [HERE]: `e8${word(4096 - 5)}c3`,
            ...{ [HERE + 4096]: ADD_1, [THERE + 4096]: ADD_3 },
          },
          tables: { [PT + (THERE >> 12) * 8]: HERE | GLOBAL | 3 },
          gpr: { [RAX]: HERE },
          adds: [1, 3],
        },
        jit,
      ));
});
