// Tests of symbol files and folded stacks.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../../base/index.js';
import type { ProfileBatch } from '../../machine/index.js';
import { foldProfile, topFunctions } from './folded.js';
import { parseSymbols, SymbolTable } from './symbols.js';

const text = (s: string): Uint8Array => new TextEncoder().encode(s);

test('System.map and kallsyms text gives functions, and data symbols are left out', () => {
  const t = parseSymbols(
    text('0000000000000000 A fixed\nffffffff81000000 T _text\nffffffff81000100 t helper\nffffffff81000200 D data\n'),
    'System.map',
  );
  assert.equal(t.count, 2);
  assert.equal(t.nameOf(0xffff_ffff_8100_00ffn), '_text');
  assert.equal(t.nameOf(0xffff_ffff_8100_0100n), 'helper');
  assert.equal(t.nameOf(0xffff_ffff_80ff_ffffn), null);
});

test('a map without addresses and a file without functions say what was expected', () => {
  const empty = (s: string) => () => parseSymbols(text(s), 'System.map');
  const refused = (expected: RegExp) => (e: unknown) => e instanceof ConfigError && expected.test(e.message);
  assert.throws(empty('ffffffffffffffff B The\n'), refused(/has no addresses/));
  assert.throws(empty('0000000000000000 T _text\n0000000000000000 t x\n'), refused(/has no addresses/));
  assert.throws(empty('hello\n'), refused(/'System.map' holds no function/));
  assert.throws(
    () => parseSymbols(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1), 'a.out'),
    refused(/truncated or corrupt ELF/),
  );
});

test('a base is added; a function with a size ends where it ends', () => {
  const t = parseSymbols(text('00001000 T start\n'), 'map', 0x40_0000n);
  assert.equal(t.nameOf(0x40_1004n), 'start');
  const sized = new SymbolTable([
    { name: 'outer', address: 0x100n, sizeBytes: 0x100 },
    { name: 'label', address: 0x120n, sizeBytes: 4 },
  ]);
  assert.equal(sized.nameOf(0x123n), 'label');
  assert.equal(sized.nameOf(0x130n), 'outer');
  assert.equal(sized.nameOf(0x200n), null);
});

const batch: ProfileBatch = {
  everyTicks: 1000,
  ticks: 10_000,
  total: 10,
  lost: 0,
  samples: [
    { cpl: 0, cr3: '0x1000', frames: ['0x2010', '0x3000'], count: 4 },
    { cpl: 0, cr3: '0x2000', frames: ['0x2018', '0x3000'], count: 3 },
    { cpl: 3, cr3: '0x2000', frames: ['0x401234'], count: 2 },
    { cpl: 3, cr3: '0x5000', frames: ['0x9abc'], count: 1 },
  ],
  names: { '0x9abc': 'evil;name' },
};
const symbols = [
  new SymbolTable([
    { name: 'inner', address: 0x2010n, sizeBytes: 16 },
    // Calls as its last instruction: the return address is the first byte of the next function.
    { name: 'caller', address: 0x2ff0n, sizeBytes: 16 },
    { name: 'next', address: 0x3000n, sizeBytes: 16 },
  ]),
];

test('stacks of one name are folded to one line, the outermost first; the kernel is one in all address spaces', () => {
  assert.deepEqual(foldProfile(batch, { name: 'linux', symbols }), [
    'linux;kernel;caller;inner 7',
    'linux;user 0x2000;[0x401000] 2',
    'linux;user 0x5000;evil_name 1',
  ]);
});

test('functions are listed by how often they were the innermost', () => {
  assert.deepEqual(topFunctions(batch, { name: 'linux', symbols }), [
    { name: 'inner', space: 'kernel', count: 7 },
    { name: '[0x401000]', space: 'user 0x2000', count: 2 },
    { name: 'evil_name', space: 'user 0x5000', count: 1 },
  ]);
});
