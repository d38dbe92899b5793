// What a region depends on: the lines of its pages, the bytes of its instructions, and the words in them that follow the address
// of the code.
import { type Discovery, PAGE, type RegionRequest } from './discover.js';
import type { Flow } from './flow.js';
import type { RegionInstruction } from './instruction.js';
import type { RegionPlan } from './region.js';
import type { Relocation } from './relocation.js';

export function pagesOf(request: RegionRequest, discovery: Discovery, flow: Flow): RegionPlan['pages'] {
  const lines = new Map<number, bigint>(discovery.pages.map((page) => [page, 0n]));
  for (const block of flow.blocks) {
    for (const i of block.instructions) {
      for (let line = i.offset >> 6; line <= (i.next - 1) >> 6; line++) {
        const page = line >> 6;
        lines.set(page, (lines.get(page) as bigint) | (1n << BigInt(line & 63)));
      }
    }
  }
  return discovery.pages.map((page) => ({ page, host: request.code.host(page), lines: lines.get(page) as bigint }));
}

/** What a region depends on: bytes that have to be what they were, and words that have to have moved by the same distance. */
export function dependencies(flow: Flow, pages: readonly number[]): Pick<RegionPlan, 'relocations' | 'counts'> {
  const counts = new Map(pages.map((page) => [page, new Uint8Array(PAGE / 8)]));
  const count = (offset: number, yes: boolean): void => {
    const bits = counts.get(Math.floor(offset / PAGE)) as Uint8Array;
    const at = (offset & (PAGE - 1)) >> 3;
    const bit = 1 << (offset & 7);
    bits[at] = yes ? (bits[at] as number) | bit : (bits[at] as number) & ~bit;
  };
  const relocations = new Map<number, Relocation>();
  const instructions = new Map(flow.blocks.flatMap((block) => block.instructions.map((i) => [i.offset, i])));
  for (const { offset, next } of instructions.values()) for (let n = offset; n < next; n++) count(n, true);
  const relocate = ({ offset }: RegionInstruction, at: number, sign: 1 | -1): void => {
    if (at < 0) return;
    const word = offset + at;
    relocations.set(word, { offset: word, sign });
    // a word that is also part of another instruction may move by nothing
    const overlaps = [...instructions.values()].some(
      (i) => i.offset !== offset && i.offset < word + 4 && i.next > word,
    );
    if (!overlaps) for (let n = 0; n < 4; n++) count(word + n, false);
  };
  for (const i of instructions.values()) {
    if (i.relocated === null) continue;
    relocate(i, i.relocated.immediate, 1);
    relocate(i, i.relocated.displacement, i.relocated.sign);
  }
  return { relocations: [...relocations.values()], counts: [...counts.values()] };
}
