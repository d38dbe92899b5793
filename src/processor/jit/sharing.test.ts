// What loops are found to keep, and what is looked up ahead of them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { instructionsOf } from '../emit/code-for-tests.js';
import { type FlowBlock, MAPPING } from './contents.js';
import { effectsOf } from './effects.js';
import { residents } from './residents.js';
import { type Sharing, sharing } from './sharing.js';

const [RAX, RCX, RSP, RSI, RDI] = [0, 1, 4, 6, 7] as const;

function block(order: number, code: string): FlowBlock {
  const instructions = instructionsOf(code);
  return { order, instructions, effects: instructions.map((i) => effectsOf(i.code)) };
}
/** Blocks that follow each other; the last one goes back to the second one, too. */
function loop(...code: string[]): Sharing {
  const blocks = code.map((c, n) => block(n, c));
  const last = blocks.length - 1;
  const before = blocks.map((_, n) => (n === 0 ? [] : n === 1 ? [0, last] : [n - 1]));
  const inside = new Set(blocks.map(({ order }) => order).slice(1));
  return sharing({ blocks, before, loops: new Map([[1, inside]]), dominates: (a, b) => a <= b });
}
const kept = ({ kept }: Sharing): number[] =>
  Array.from({ length: MAPPING + 1 }, (_, n) => n).filter((n) => ((kept.get(1) as number) >> n) & 1);

describe('contents of registers around a loop', () => {
  it('keeps what is left alone, moved and moved back, or saved and restored', () => {
    // push rax; call; pop rdx -- inc rsi; dec rsi; dec ecx; jnz
    const found = kept(loop('90', '50e8000000005a5a', '48ffc648ffceffc975fe'));
    assert.ok(found.includes(RSP) && found.includes(RSI) && found.includes(RDI) && found.includes(MAPPING));
    assert.ok(!found.includes(RCX) && !found.includes(2));
  });
  it('does not keep a register that one way around moves, or that is loaded', () => {
    assert.ok(!kept(loop('90', '4883c608ffc975fe')).includes(RSI)); // add rsi,8
    assert.ok(!kept(loop('90', '488b36ffc975fe')).includes(RSI)); // mov rsi,[rsi]
    assert.ok(!kept(loop('90', '50ffc975fe')).includes(RSP)); // push rax
    assert.ok(!kept(loop('90', '4889feffc975fe', '48ffc7')).includes(RSI)); // mov rsi,rdi -- inc rdi
  });
  it('forgets what addresses mean where FS and GS may change', () => {
    assert.ok(!kept(loop('90', '0f01f8ffc975fe')).includes(MAPPING)); // swapgs
  });
});

describe('checks ahead of loops', () => {
  it('are made for what every turn accesses more than once', () => {
    // add rax,[rsi+8] -- add [rsi+40],rax; add rax,[rdi]; dec ecx; jnz
    const { ahead } = loop('90', '48034608', '48014628480307ffc975fe');
    assert.deepEqual(ahead.get(1), [{ register: RSI, delta: 8, isWrite: true }]);
  });
  it('are not made for what is far apart, moves, or where addresses change their meaning', () => {
    assert.deepEqual(loop('90', '4803460848038600100000ffc975fe').ahead.get(1), []); // [rsi+8], [rsi+1000h]
    assert.deepEqual(loop('90', '4803460848034610 4883c608ffc975fe'.replace(' ', '')).ahead.get(1), []); // add rsi,8
    assert.equal(loop('90', '0f01f84803460848034610ffc975fe').ahead.get(1), undefined); // swapgs
  });
  it('serve blocks that the first access dominates', () => {
    const { shares } = loop('48034608', '4803461048034f08', 'ffc975fe'); // add rax,[rsi+8] -- add rax,[rsi+16]; add rcx,[rdi+8]
    assert.deepEqual(shares, [[true], [false, false], [false, false]]);
  });
});

describe('registers that a region keeps in locals', () => {
  it('are those that its innermost loops use', () => {
    // mov r8,r9 twice; mov r10,r11; mov r12,r13 -- add rax,rcx; add rsi,rdi; dec r14; jnz
    const blocks = [block(0, '4d89c84d89c84d89da4d89ec'), block(1, '4801c84801fe49ffce75fe')];
    const mask = residents({ blocks, loops: new Map([[1, new Set([1])]]) }, true);
    for (const r of [RAX, RCX, RSI, RDI, 14]) assert.ok((mask >> r) & 1, `r${r}`);
    assert.equal(mask.toString(2).replaceAll('0', '').length, 6);
  });
});
