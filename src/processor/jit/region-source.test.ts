// Where the code around a hot block is looked for.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ALL_INSTRUCTIONS, Decoder } from '../../isa/index.js';
import { AREA, at, SLOT } from '../state-layout.js';
import { StateView } from '../state-view.js';
import { RegionTranslator } from './region.js';
import { type Hot, RegionSource } from './region-source.js';

const [CR0_PG, PRESENT, USER_KEY, SUPERVISOR_KEY] = [0x8000_0000n, 1, 0xad, 0x2d];
const PAGE = 4096;
const LINEAR = 0x40_0000;

/** RAM behind the state area; `map` writes 32-bit paging structures at a directory's place, with linear pages from LINEAR on. */
function setup() {
  const ram = AREA.sizeBytes;
  const pages = 64;
  const memory = new WebAssembly.Memory({ initial: (ram + pages * PAGE) / 65536, maximum: 1024, shared: true });
  const state = new StateView(memory.buffer, 0);
  state.setU32(at('ramHost'), ram);
  state.setU32(at('ramPages'), pages);
  state.setU32(at('slotCount'), 1);
  state.setU64(at('slots') + SLOT.sizeBytesField, BigInt(pages * PAGE));
  state.setU32(at('slots') + SLOT.host, ram);
  state.setU64(at('cr0'), CR0_PG);
  const view = new DataView(memory.buffer, ram);
  const map = (directory: number, frames: readonly number[]): void => {
    const table = directory + PAGE;
    view.setUint32(directory + (LINEAR >> 22) * 4, table | PRESENT, true);
    frames.forEach((frame, n) => {
      view.setUint32(table + n * 4, frame * PAGE + PRESENT, true);
    });
  };
  const making = { memory, area: 0, parallel: false, maxInstructions: { long: 100, legacy: 100 } };
  const newSource = () => new RegionSource(making, new RegionTranslator(new Decoder(ALL_INSTRUCTIONS)));
  const source = newSource();
  /** A block at a place in a frame that is mapped as the linear page `page`. */
  const blockAt = (key: number, frame: number, cr3: number, offset = 0, page = 0): Hot => {
    const host = BigInt(ram + frame * PAGE + offset);
    const paging = { cr0: CR0_PG, cr3: BigInt(cr3), cr4: 0n, long: false };
    return { record: 0, key: (host << 8n) | BigInt(key), linearPage: BigInt(LINEAR + page * PAGE), paging };
  };
  const find = (key: number, frame: number, cr3: number): number => {
    const next = source.pageFinder(blockAt(key, frame, cr3))(1);
    return next === 0 ? 0 : (next - ram) / PAGE;
  };
  const write = (frame: number, offset: number, code: string): void => {
    new Uint8Array(memory.buffer).set(Buffer.from(code, 'hex'), ram + frame * PAGE + offset);
  };
  return { state, map, find, newSource, blockAt, write };
}

describe('the pages around a hot block', () => {
  it("are found by today's paging structures in the kernel, which the block's process may have left behind", () => {
    const { state, map, find } = setup();
    map(0x1_0000, [20, 21]);
    state.setU64(at('cr3'), 0x1_0000n);
    assert.equal(find(SUPERVISOR_KEY, 20, 0x2_0000), 21, 'those of the process are empty');
    map(0x2_0000, [20, 30]);
    assert.equal(find(SUPERVISOR_KEY, 20, 0x2_0000), 21);
  });
  it("are found by the process's own as long as these lead to the block", () => {
    const { state, map, find } = setup();
    map(0x1_0000, [20, 21]);
    map(0x2_0000, [20, 30]);
    state.setU64(at('cr3'), 0x1_0000n);
    assert.equal(find(USER_KEY, 20, 0x2_0000), 30);
    map(0x2_0000, [22, 30]);
    assert.equal(find(USER_KEY, 20, 0x2_0000), 21);
    // the kernel's block may be mapped by its process alone
    assert.equal(find(SUPERVISOR_KEY, 22, 0x2_0000), 30);
  });
});

describe('a region of an earlier run', () => {
  it('has its blocks inside only where it is going to be run', () => {
    const { state, map, newSource, blockAt, write } = setup();
    map(0x1_0000, [20, 21]);
    state.setU64(at('cr3'), 0x1_0000n);
    const [before, inside] = [PAGE - 2, blockAt(USER_KEY, 21, 0x1_0000, 0, 1)];
    write(20, before, 'ffc0'); // inc eax; on the next page inc ecx; inc edx; hlt
    write(21, 0, 'ffc1ffc2f4');
    const entry = blockAt(USER_KEY, 20, 0x1_0000, before);
    const earlier = newSource();
    const made = earlier.translate(entry, {});
    assert.ok(made !== null && made !== 'covered' && made.plan.covers.length === 2);
    const kept = earlier.keptOf(entry, 1, made.plan, 0, false);
    const source = newSource();
    const fits = source.fit(entry, kept, made.contents);
    assert.ok(fits);
    assert.notEqual(source.translate(inside, {}), 'covered');
    source.cover(fits);
    assert.equal(source.translate(inside, {}), 'covered');
  });
});
