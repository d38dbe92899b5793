// Control flow of a region: blocks, reverse postorder, dominators. N. Ramsey, "Beyond Relooper" (ICFP 2022) for the way
// structured WebAssembly control follows from the dominator tree.
import type { Effects } from './effects.js';
import type { RegionInstruction } from './instruction.js';

export interface RegionBlock {
  readonly start: number;
  readonly instructions: readonly RegionInstruction[];
  readonly effects: readonly Effects[];
  /** Page offset of the taken branch, or -1. */
  readonly taken: number;
  /** Page offset of the instruction that follows, or -1 when the block never falls through. */
  readonly fall: number;
  /** It ends in an indirect branch: a near return goes to the return sites of the region's calls, others to targets seen. */
  readonly indirect: 'no' | 'return' | 'jump';
  /** Position in reverse postorder; -1: unreachable. */
  order: number;
  successors: RegionBlock[];
}
/** Longest block in instructions: positions count in a byte. */
const MAX_BLOCK = 128;

export interface Flow {
  /** Reachable blocks in reverse postorder; the entry is first. */
  readonly blocks: readonly RegionBlock[];
  readonly byOffset: ReadonlyMap<number, RegionBlock>;
  /** Where indirect branches may stay in the region, by page offset, ascending. */
  readonly targets: Readonly<Record<'return' | 'jump', readonly RegionBlock[]>>;
  /** Children in the dominator tree, by order, ascending. */
  readonly children: readonly (readonly number[])[];
  readonly loopHeaders: ReadonlySet<number>;
  readonly reducible: boolean;
}
export const isBackEdge = (from: RegionBlock, to: RegionBlock): boolean => to.order <= from.order;

/** Blocks of the decoded instructions; `leaders` are page offsets where blocks begin besides after branches. */
export function buildFlow(
  decoded: ReadonlyMap<number, { instruction: RegionInstruction; effects: Effects }>,
  entry: number,
  leaders: ReadonlySet<number>,
  offsets: Readonly<Record<'return' | 'jump', ReadonlySet<number>>>,
): Flow {
  const byOffset = new Map<number, RegionBlock>();
  const starts = [...leaders].filter((o) => decoded.has(o));
  for (let start = starts.pop(); start !== undefined; start = starts.pop()) {
    if (byOffset.has(start)) continue;
    const instructions: RegionInstruction[] = [];
    const effects: Effects[] = [];
    let at = start;
    let taken = -1;
    let fall = -1;
    let indirect: RegionBlock['indirect'] = 'no';
    for (;;) {
      const found = decoded.get(at);
      if (found === undefined || (at !== start && leaders.has(at)) || instructions.length === MAX_BLOCK) {
        fall = at;
        if (found !== undefined) starts.push(at);
        break;
      }
      instructions.push(found.instruction);
      effects.push(found.effects);
      at = found.instruction.next;
      if (found.effects.direct) {
        taken = found.instruction.target;
        if (found.effects.conditional) fall = at;
        break;
      }
      if (found.effects.indirect) {
        indirect = found.instruction.form.instruction.name === 'ret' ? 'return' : 'jump';
        break;
      }
    }
    byOffset.set(start, { start, instructions, effects, taken, fall, indirect, order: -1, successors: [] });
  }
  const at = (offset: number): RegionBlock[] => {
    const block = byOffset.get(offset);
    return block === undefined ? [] : [block];
  };
  const sorted = (list: ReadonlySet<number>): RegionBlock[] => [...list].flatMap(at).sort((a, b) => a.start - b.start);
  const all = { return: sorted(offsets.return), jump: sorted(offsets.jump) };
  for (const block of byOffset.values())
    block.successors = block.indirect !== 'no' ? all[block.indirect] : [...at(block.taken), ...at(block.fall)];

  const postorder: RegionBlock[] = [];
  const seen = new Set<RegionBlock>();
  const visit = (block: RegionBlock): void => {
    seen.add(block);
    for (const next of block.successors) if (!seen.has(next)) visit(next);
    postorder.push(block);
  };
  visit(byOffset.get(entry) as RegionBlock);
  const blocks = postorder.reverse();
  blocks.forEach((block, n) => {
    block.order = n;
  });
  const predecessors: number[][] = blocks.map(() => []);
  for (const block of blocks)
    for (const next of block.successors) (predecessors[next.order] as number[]).push(block.order);

  // Cooper, Harvey, Kennedy: "A Simple, Fast Dominance Algorithm"
  const idom = new Int32Array(blocks.length).fill(-1);
  idom[0] = 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (let n = 1; n < blocks.length; n++) {
      let best = -1;
      for (const p of predecessors[n] as number[]) {
        if ((idom[p] as number) < 0) continue;
        if (best < 0) best = p;
        else {
          let a = p;
          let b = best;
          while (a !== b) {
            while (a > b) a = idom[a] as number;
            while (b > a) b = idom[b] as number;
          }
          best = a;
        }
      }
      if (idom[n] !== best) {
        idom[n] = best;
        changed = true;
      }
    }
  }
  const dominates = (a: number, b: number): boolean => {
    let n = b;
    while (n > a) n = idom[n] as number;
    return n === a;
  };
  const loopHeaders = new Set<number>();
  let reducible = true;
  for (const block of blocks) {
    for (const next of block.successors) {
      if (!isBackEdge(block, next)) continue;
      loopHeaders.add(next.order);
      if (!dominates(next.order, block.order)) reducible = false;
    }
  }
  const reachable = (list: readonly RegionBlock[]): RegionBlock[] => list.filter((b) => b.order >= 0);
  const children: number[][] = blocks.map(() => []);
  for (let n = 1; n < blocks.length; n++) (children[idom[n] as number] as number[]).push(n);
  return {
    blocks,
    byOffset,
    targets: { return: reachable(all.return), jump: reachable(all.jump) },
    children,
    loopHeaders,
    reducible,
  };
}
