// Words of code that follow its address: which ones are found, what a block's key makes of them, how far a region has moved.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ALL_INSTRUCTIONS, Decoded, Decoder } from '../../isa/index.js';
import { codeKey } from './code-key.js';
import { InstructionCode, modeOfKey } from './instruction.js';
import { contentOf, slideOf } from './region-content.js';
import { mayRelocate, type Relocated, relocatedOf } from './relocation.js';

const KERNEL = 2;
/** Flat, 32-bit stack. */
const KERNEL_32 = 0x2d;
const USER = 0x82;
const decoder = new Decoder(ALL_INSTRUCTIONS);
const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
function relocated(hex: string, key = KERNEL): Relocated | null {
  const bytes = bytesOf(hex);
  const decoded = new Decoded();
  const mode = modeOfKey(key);
  assert.equal(decoder.decode(bytes, 0, bytes.length, mode, decoded), bytes.length, hex);
  return relocatedOf(new InstructionCode(decoded, mode), bytes, 0);
}

describe('words that follow the address of code', () => {
  const found: readonly [string, string, Partial<Relocated>][] = [
    ['mov rdi,0xffffffff81234567', '48c7c7 67452381', { immediate: 3 }],
    ['push 0xffffffff81234567', '68 67452381', { immediate: 1 }],
    ['movabs rax,0xffffffff81234567', '48b8 67452381 ffffffff', { immediate: 2 }],
    ['mov rax,[0xffffffff82000010]', '488b0425 10000082', { displacement: 4 }],
    ['mov rax,[rax*8+0xffffffff82000010]', '488b04c5 10000082', { displacement: 4 }],
    ['jmp [rax*8+0xffffffff82000010]', 'ff24c5 10000082', { displacement: 3 }],
    ['cmp dword [0xffffffff82000010],3', '833c25 10000082 03', { displacement: 3 }],
    ['mov word [0xffffffff82000010],3', '66c70425 10000082 0300', { displacement: 4 }],
    [
      'cmp qword [0xffffffff82000010],0xffffffff81234567',
      '48813c25 10000082 67452381',
      { displacement: 4, immediate: 8 },
    ],
    ['add rax,gs:[rip+0x7e012345]', '65480305 4523017e', { displacement: 4, sign: -1 }],
    ['inc dword gs:[rip+0x7e012345]', '65ff05 4523017e', { displacement: 3, sign: -1 }],
  ];
  for (const [name, hex, what] of found) {
    it(`are found: ${name}`, () => {
      assert.deepEqual(relocated(hex), { immediate: -1, displacement: -1, sign: 1, ...what });
    });
  }
  const none: readonly [string, string][] = [
    ['a 32-bit constant', 'b8 67452381'],
    ['a small negative number', '48c7c0 eaffffff'],
    ['-2 GiB, the beginning of the range', '48050000 0080'],
    ['an offset from RIP', '488b05 10000082'],
    ['a per-CPU offset', '65488b0425 10f60100'],
    ['another 64-bit constant', '48b8 67452381 88ffffff'],
    ['a branch', 'e8 67452381'],
  ];
  for (const [name, hex] of none) {
    it(`are not: ${name}`, () => {
      assert.equal(relocated(hex), null);
    });
  }
  const found32: readonly [string, string, Partial<Relocated>][] = [
    ['mov eax,0xc1234567', 'b8 674523c1', { immediate: 1 }],
    ['push 0xc1234567', '68 674523c1', { immediate: 1 }],
    ['mov eax,[0xcb000010]', 'a1 100000cb', { displacement: 1 }],
    ['mov ecx,fs:[0xcb000010]', '648b0d 100000cb', { displacement: 3 }],
    ['mov dword [eax*4+0xcb000010],0xc1234567', 'c70485 100000cb 674523c1', { displacement: 3, immediate: 7 }],
  ];
  for (const [name, hex, what] of found32) {
    it(`are found in 32-bit code: ${name}`, () => {
      assert.deepEqual(relocated(hex, KERNEL_32), { immediate: -1, displacement: -1, sign: 1, ...what });
    });
  }
  for (const [name, hex] of [
    ['the beginning of the direct map', '8d8000 0000c0'],
    ['a small negative number', 'b8 eaffffff'],
    ['a user address', 'b8 67452381'],
  ] as const) {
    it(`are not in 32-bit code: ${name}`, () => {
      assert.equal(relocated(hex, KERNEL_32), null);
    });
  }
  it('are those of supervisor code alone', () => {
    assert.deepEqual([KERNEL, KERNEL_32, USER, 0xad, 0].map(mayRelocate), [true, true, false, false, false]);
  });
});

describe('keys of code that has moved', () => {
  const key = (mode: number, hex: string): number => codeKey(1, mode, bytesOf(hex.padEnd(64, '0')), 0);
  const pairs: readonly [string, string, string][] = [
    ['an immediate', '5548c7c767452381e8', '5548c7c767456390e8'],
    ['at the other end of the gigabyte', '5548c7c767452381e8', '5548c7c76745e3bfe8'],
    ['a displacement', '488b04c510000082c3', '488b04c5100020afc3'],
    ['a per-CPU variable', '654803054523017e55', '654803054523615155'],
  ];
  for (const [name, before, after] of pairs) {
    it(`stay for ${name}`, () => {
      assert.equal(key(KERNEL, before), key(KERNEL, after));
      assert.notEqual(key(USER, before), key(USER, after), 'in user mode');
    });
  }
  it('stay in 32-bit code', () => {
    assert.equal(key(KERNEL_32, '55b8674523c1e8'), key(KERNEL_32, '55b8674563d7e8'));
    assert.notEqual(key(KERNEL_32, '55b8674523c1e8'), key(KERNEL_32, '55b8664523c1e8'));
  });
  it('are others for other words', () => {
    assert.notEqual(key(KERNEL, '5548c7c767452381e8'), key(KERNEL, '5548c7c768452381e8'));
    assert.notEqual(key(KERNEL, '4803054523017e55'), key(KERNEL, '48030545236151'), 'without GS');
  });
});

describe('how far a region has moved', () => {
  const then = new Uint8Array(8192);
  then.set(bytesOf('48c7c7 67452381 65480305 4523017e c3'), 60);
  const counts = new Uint8Array(512);
  for (let n = 60; n < 76; n++) counts[n >> 3] = (counts[n >> 3] as number) | (1 << (n & 7));
  for (const word of [63, 71])
    for (let n = word; n < word + 4; n++) counts[n >> 3] = (counts[n >> 3] as number) & ~(1 << (n & 7));
  const pages = [{ page: 0, lines: 3n, content: contentOf(then, 0, 3n, counts) }];
  const relocations = [
    { offset: 63, sign: 1 },
    { offset: 71, sign: -1 },
  ] as const;
  const slide = (hex: string, at = 60): number | null => {
    const now = new Uint8Array(8192).fill(0xee); // what lies around does not matter
    now.set(bytesOf(hex), 4096 + at);
    return slideOf(now, pages, [4096], relocations);
  };
  it('is what its words say', () => {
    assert.equal(slide('48c7c7 67452381 65480305 4523017e c3'), 0);
    assert.equal(slide('48c7c7 67456381 65480305 4523c17d c3'), 0x40_0000);
    assert.equal(slide('48c7c7 6745e380 65480305 4523417e c3'), -0x40_0000);
  });
  it('is nothing when they disagree, or when the code is another one', () => {
    assert.equal(slide('48c7c7 67456381 65480305 4523017e c3'), null);
    assert.equal(slide('48c7c7 67452381 65480305 4523017e cb'), null);
    assert.equal(slide('49c7c7 67452381 65480305 4523017e c3'), null);
  });
});
