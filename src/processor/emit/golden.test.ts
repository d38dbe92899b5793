// What typical instructions become in translated code: listings and instruction counts in tests/golden, so that a change of
// code quality shows. `node scripts/test.mjs golden --update` writes them anew.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Effects, effectsOf, STATUS_FLAGS } from '../jit/effects.js';
import { sharing } from '../jit/sharing.js';
import { instructionsOf } from './code-for-tests.js';
import { CONDITION_FUNCTIONS } from './conditions.js';
import { LATE_IMPORTS, lateImport } from './imports.js';
import { listing } from './listing.js';
import { type RegionControl, type RegisterUse, TranslationBinding } from './translation-binding.js';
import { FunctionBuilder } from './wasm.js';
import { WasmSem } from './wasm-sem.js';

/** The repository: this file runs from <repository>/<dist>/src/processor/emit. */
const golden = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', '..', 'tests', 'golden');
const update = process.env.PCANEL_UPDATE === '1';

const BLOCKS: Readonly<Record<string, readonly [code: string, what: string]>> = {
  'mov-load': ['488b4310', 'mov rax,[rbx+16]'],
  'mov-store': ['48894310', 'mov [rbx+16],rax'],
  'four-fields': [
    '488b03488b4b08488b531048894318',
    'mov rax,[rbx]; mov rcx,[rbx+8]; mov rdx,[rbx+16]; mov [rbx+24],rax',
  ],
  'add-memory': ['014304', 'add [rbx+4],eax'],
  'cmp-jcc': ['39d87c10', 'cmp eax,ebx; jl'],
  'dead-flags': ['4801d84829c8', 'add rax,rbx; sub rax,rcx'],
  'push-pop': ['5053585b', 'push rax; push rbx; pop rax; pop rbx'],
  call: ['e810000000', 'call'],
  ret: ['c3', 'ret'],
  'addsd-registers': ['f20f58c1f20f58c2', 'addsd xmm0,xmm1; addsd xmm0,xmm2'],
  'mulsd-memory': ['f20f594308', 'mulsd xmm0,[rbx+8]'],
  'ucomisd-ja': ['660f2ec17710', 'ucomisd xmm0,xmm1; ja'],
  cvttsd2si: ['f20f2cc0', 'cvttsd2si eax,xmm0'],
  mulps: ['0f59c1', 'mulps xmm0,xmm1'],
  paddd: ['660ffec1660f70c04e', 'paddd xmm0,xmm1; pshufd xmm0,xmm0,4eh'],
  fmul: ['d8c9', 'fmul st0,st1'],
  'x87-expression': ['dd03dc4b08dec1dd5b10', 'fld [rbx]; fmul [rbx+8]; faddp; fstp [rbx+16]'],
  'rep-movs': ['f348a5', 'rep movsq'],
  'lock-xadd': ['f00fc103', 'lock xadd [rbx],eax'],
  'irq-save': ['9c58fa', 'pushfq; pop rax; cli'],
  popf: ['9d', 'popfq'],
  pause: ['f390', 'pause'],
};

/** Text and size of the code that translated instructions become, without the entry and the exits of a region. */
function translated(code: string): string[] {
  const instructions = instructionsOf(code);
  const effects = instructions.map((i) => effectsOf(i.code));
  const blocks = [{ order: 0, instructions, effects }];
  const [shares] = sharing({ blocks, loops: new Map(), before: [[]], dominates: () => true }).shares;
  const live = new Array<number>(instructions.length).fill(STATUS_FLAGS);
  for (let n = instructions.length - 1, flags = STATUS_FLAGS; n >= 0; n--) {
    const e = effects[n] as Effects;
    live[n] = flags;
    flags = e.mayFault ? STATUS_FLAGS : (flags & ~e.flagsReplaced) | e.flagsRead;
  }
  const use: RegisterUse = { read: new Set(), written: new Set() };
  const emit = (): string[] => {
    const f = new FunctionBuilder(0, 0, ['i32']);
    const local = (type: 'i32' | 'i64'): number => f.newLocal(type);
    const locals = {
      gpr: Array.from({ length: 16 }, () => local('i64')),
      codePage: local('i64'),
      budget: local('i32'),
      stale: local('i32'),
      flagsKind: local('i32'),
      flagsA: local('i64'),
      flagsB: local('i64'),
      slide: -1,
    };
    const binding = new TranslationBinding(locals, use, { long: true, resident: 0xffff, parallel: false });
    const s = new WasmSem(f, LATE_IMPORTS, binding, 0, CONDITION_FUNCTIONS.map(lateImport));
    const exit = f.block();
    const control = {
      area: 4096,
      tlb: 65536,
      reserve: 1000,
      shares: false,
      blockLength: instructions.length,
      order: 0,
      faultLabel: exit,
      syncedFaultLabel: exit,
      branchDirect: () => f.br(exit),
      branchIndirect: () => f.br(exit),
      leaveBehind: () => f.br(exit),
      checkStale: () => f.i32(0).set(locals.stale),
      checkMode: () => f.i32(0).set(locals.stale),
    };
    binding.startBlock([]);
    const start = f.code.length;
    instructions.forEach((instruction, n) => {
      control.order = n;
      control.shares = shares?.[n] as boolean;
      binding.start(instruction, control as RegionControl, live[n] as number);
      s.begin(binding, true);
      instruction.form.instruction.execute(s, ...instruction.form.operands);
    });
    const names = new Map([...LATE_IMPORTS].map(([name, index]) => [index, name]));
    binding.finish(f);
    f.resolveCalls((late) => late);
    return listing(f.code.finish().subarray(start), (index) => `$${names.get(index) ?? index}`);
  };
  emit();
  return emit();
}

describe('golden listings of translated code', () => {
  for (const [name, [code, what]] of Object.entries(BLOCKS))
    it(what, () => {
      const lines = translated(code);
      const text = `;; ${what}: ${lines.length} instructions\n${lines.join('\n')}\n`;
      const file = join(golden, `${name}.wat`);
      if (update) {
        mkdirSync(golden, { recursive: true });
        writeFileSync(file, text);
      }
      assert.ok(existsSync(file), `no ${file}; write it with: node scripts/test.mjs golden --update`);
      assert.equal(text, readFileSync(file, 'utf8'));
    });
});
