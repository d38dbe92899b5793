// What is learned of indirect jumps that regions note.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { at, JUMP_TARGETS } from '../state-layout.js';
import { StateView } from '../state-view.js';
import { KnownJumps } from './jumps.js';
import type { Hot } from './region-source.js';

const PAGE = 0x40_b000n;
const block = (linearPage: bigint): Hot => ({ record: 0, key: 0n, linearPage, paging: {} as Hot['paging'] });

function setup() {
  const state = new StateView(new ArrayBuffer(1 << 16), 0);
  const jumps = new KnownJumps(state);
  const regions = new Map<number, Hot>();
  /** Notes a jump as emitNoteJump does. */
  const note = (source: number, offset: number, target: bigint, times = 1): void => {
    for (; times > 0; times--) {
      const n = state.u32(at('jumpMisses'));
      const place = n & (JUMP_TARGETS - 1);
      state.setU32(at('jumpMisses'), n + 1);
      state.setU64(at('jumpTargets') + place * 8, target);
      state.setU32(at('jumpSources') + place * 4, source);
      state.setU32(at('jumpSites') + place * 4, offset);
    }
  };
  const look = (): [number, number, boolean][] => {
    const seen: [number, number, boolean][] = [];
    jumps.look(
      (source) => regions.get(source) ?? null,
      (...miss) => seen.push(miss),
    );
    return seen.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  };
  return { jumps, regions, note, look };
}

describe('indirect jumps that regions note', () => {
  it('are counted once per jump, and known to what is translated next', () => {
    const { jumps, regions, note, look } = setup();
    const hot = block(PAGE);
    regions.set(8, hot);
    assert.deepEqual(jumps.around(hot), []);
    note(8, 0x10, 0x42_5480n, 5);
    note(8, 0x20, 0x40_b100n, 2);
    note(9, 0x20, 0x40_b100n); // of a region that is gone
    assert.deepEqual(look(), [
      [8, 2, true],
      [8, 5, true],
    ]);
    assert.deepEqual(look(), []);
    const known = jumps.around(hot);
    assert.deepEqual(
      [...known].sort((a, b) => Number(a.site - b.site)),
      [
        { site: PAGE + 0x10n, target: 0x42_5480n },
        { site: PAGE + 0x20n, target: 0x40_b100n },
      ],
    );
    // it was translated with them: nothing is gained by once more
    note(8, 0x10, 0x42_5480n);
    assert.deepEqual(look(), [[8, 1, false]]);
  });
  it('are news to regions that were translated before another region noted them', () => {
    const { jumps, regions, note, look } = setup();
    const [first, second, unknown] = [block(PAGE), block(PAGE + 0x1000n), block(PAGE)];
    regions.set(8, first).set(16, second).set(24, unknown);
    jumps.around(first);
    jumps.around(second);
    note(8, 0x10, 0x42_5480n);
    assert.deepEqual(look(), [[8, 1, true]]);
    note(16, 0x10 - 0x1000, 0x42_5480n);
    note(24, 0x10, 0x42_5480n);
    assert.deepEqual(look(), [
      [16, 1, true],
      [24, 1, false],
    ]);
  });
  it('reach jump tables some pages away, others only by the block whose regions contain them', () => {
    const { jumps, regions, note, look } = setup();
    const hot = block(PAGE);
    regions.set(8, hot);
    jumps.around(hot);
    note(8, -0x9fc8, 0x42_5480n);
    note(8, 0x10, PAGE + 0x2000_0000n);
    assert.deepEqual(look(), [[8, 1, true]]);
    const near = { site: 0x40_1038n, target: 0x42_5480n };
    assert.deepEqual(jumps.around(hot), [near]);
    assert.deepEqual(jumps.around(block(PAGE + 0x10_0000n)), []);
    // a function that a region contains may lie anywhere
    const far = { site: PAGE + 0x10_0000n, target: 0x42_5480n };
    regions.set(16, block(PAGE + 0x10_0000n));
    note(16, 0, 0x42_5480n);
    look();
    assert.deepEqual(jumps.around(hot), [near]);
    note(8, 0x10_0000, 0x42_5480n);
    assert.deepEqual(look(), [[8, 1, true]], 'known, but not to this block');
    assert.deepEqual(jumps.around(hot), [near, far]);
    assert.deepEqual(jumps.around(block(PAGE)), [near]);
    note(8, 0x10_0000, 0x42_5480n);
    assert.deepEqual(look(), [[8, 1, false]]);
  });
  it('lie in a bounded number of far pages', () => {
    const { jumps, regions, note, look } = setup();
    const hot = block(PAGE);
    regions.set(8, hot);
    jumps.around(hot);
    for (let n = 0; n < 20; n++) {
      note(8, 0x10_0000 + 0x1000 * n, 0x42_5480n);
      look();
    }
    assert.equal(jumps.around(hot).length, 16);
  });
  it('go to a bounded number of places each', () => {
    const { jumps, regions, note, look } = setup();
    const hot = block(PAGE);
    regions.set(8, hot);
    jumps.around(hot);
    for (let n = 0; n < 100; n++) {
      note(8, 0x10, PAGE + BigInt(n));
      assert.deepEqual(look(), [[8, 1, n < 64]]);
    }
    assert.equal(jumps.around(hot).length, 64);
  });
});
