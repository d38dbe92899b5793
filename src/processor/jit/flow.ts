// Control flow of a region: blocks, reverse postorder, dominators. N. Ramsey, "Beyond Relooper" (ICFP 2022) for the way
// structured WebAssembly control follows from the dominator tree.
import { contextOf, type Discovery, type Edge, keyOf, offsetOf, pageOf, type Step } from './discover.js';
import type { Effects } from './effects.js';
import type { RegionInstruction } from './instruction.js';
import { makeReducible } from './reduce.js';

export interface RegionBlock {
  readonly key: number;
  /** Offset of the first instruction from the entry's page, and the page it lies in. */
  readonly start: number;
  readonly page: number;
  /** The block is one instruction that reaches into the next page. */
  readonly crosses: boolean;
  readonly instructions: readonly RegionInstruction[];
  readonly effects: readonly Effects[];
  /** The taken direct branch and the instruction that follows; null where there is none. */
  readonly taken: Edge | null;
  readonly fall: Edge | null;
  /** It ends in an indirect branch, which may go to `targets`. */
  readonly indirect: boolean;
  targets: RegionBlock[];
  /** Position in reverse postorder; -1: unreachable. */
  order: number;
  successors: RegionBlock[];
  /** Some way out of it leaves the region. */
  exits: boolean;
  /** Dispatch blocks that ways to other blocks lead through (reduce.ts). */
  readonly via: Map<RegionBlock, RegionBlock>;
  /** A dispatch block, without instructions: where it may go, by number. Empty: an ordinary block. */
  readonly entries: readonly RegionBlock[];
}
/** Longest block in instructions: positions count in a byte. */
export const MAX_BLOCK = 128;

export interface Flow {
  /** Reachable blocks in reverse postorder; the entry is first. */
  readonly blocks: readonly RegionBlock[];
  readonly byKey: ReadonlyMap<number, RegionBlock>;
  /** Children in the dominator tree, by order, ascending. */
  readonly children: readonly (readonly number[])[];
  /** Blocks of each loop, by its header's order. */
  readonly loops: ReadonlyMap<number, ReadonlySet<number>>;
  /** Orders of the blocks that control comes from, by order. */
  readonly before: readonly (readonly number[])[];
  /** Every way to block `b` leads through block `a`; by order. */
  dominates(a: number, b: number): boolean;
  /** Loops that have several entries. */
  readonly dispatches: number;
}
export const isBackEdge = (from: RegionBlock, to: RegionBlock): boolean => to.order <= from.order;

function buildBlock(d: Discovery, start: number): { block: RegionBlock; last: Step; more: number } {
  const context = contextOf(start);
  const instructions: RegionInstruction[] = [];
  const effects: Effects[] = [];
  let key = start;
  let taken: Edge | null = null;
  let fall: Edge | null = null;
  let indirect = false;
  let more = -1;
  let last = d.steps.get(start) as Step;
  for (;;) {
    const step = d.steps.get(key);
    if (step === undefined || (key !== start && d.leaders.has(key)) || instructions.length === MAX_BLOCK) {
      fall = { offset: offsetOf(key), key };
      if (step !== undefined) more = key;
      break;
    }
    last = step;
    instructions.push(step.instruction);
    effects.push(step.effects);
    key = keyOf(context, step.instruction.next);
    if (step.effects.direct) {
      taken = step.taken;
      if (step.effects.conditional) fall = { offset: step.instruction.next, key };
      break;
    }
    if (step.effects.indirect) {
      indirect = true;
      break;
    }
    if (step.effects.ends) break;
  }
  const first = instructions[0] as RegionInstruction;
  const block: RegionBlock = {
    key: start,
    start: offsetOf(start),
    page: pageOf(offsetOf(start)),
    crosses: pageOf(first.next - 1) !== pageOf(first.offset),
    instructions,
    effects,
    taken,
    fall,
    indirect,
    targets: [],
    order: -1,
    successors: [],
    exits: false,
    via: new Map(),
    entries: [],
  };
  return { block, last, more };
}
/** A block that goes to one of `entries`. */
function dispatchBlock(entries: RegionBlock[]): RegionBlock {
  const [first] = entries as [RegionBlock];
  return {
    key: -1,
    start: first.start,
    page: entries.every((e) => e.page === first.page) ? first.page : NO_PAGE,
    crosses: false,
    instructions: [],
    effects: [],
    taken: null,
    fall: null,
    indirect: false,
    targets: [],
    order: -1,
    successors: entries,
    exits: false,
    via: new Map(),
    entries,
  };
}
/** Page of a block without instructions between blocks of several pages. */
const NO_PAGE = Number.NaN;

export function buildFlow(d: Discovery): Flow {
  const byKey = new Map<number, RegionBlock>();
  const lasts = new Map<RegionBlock, Step>();
  const starts = [...d.leaders].filter((key) => d.steps.has(key));
  for (let start = starts.pop(); start !== undefined; start = starts.pop()) {
    if (byKey.has(start)) continue;
    const { block, last, more } = buildBlock(d, start);
    byKey.set(start, block);
    lasts.set(block, last);
    if (more >= 0) starts.push(more);
  }
  const at = (edge: Edge | null): RegionBlock[] => {
    const block = edge === null ? undefined : byKey.get(edge.key);
    return block === undefined ? [] : [block];
  };
  for (const block of byKey.values()) {
    if (block.indirect) {
      const targets = (lasts.get(block) as Step).targets.flatMap(at);
      block.targets = [...new Set(targets)].sort((a, b) => a.start - b.start);
      block.successors = block.targets;
      block.exits = true;
    } else {
      block.successors = [...new Set([...at(block.taken), ...at(block.fall)])];
      const { ends } = (lasts.get(block) as Step).effects;
      block.exits = ends || [block.taken, block.fall].some((edge) => edge !== null && !byKey.has(edge.key));
    }
  }

  const entry = byKey.get(d.entry) as RegionBlock;
  let blocks = reversePostorder(entry);
  let idom = dominators(blocks);
  let dispatches = 0;
  if (!isReducible(blocks, idom)) {
    dispatches = makeReducible(blocks, dispatchBlock);
    blocks = reversePostorder(entry);
    idom = dominators(blocks);
  }
  const before = predecessors(blocks);
  const loops = new Map(
    blocks
      .filter(({ order }) => before[order]?.some((n) => n >= order))
      .map(({ order }) => [order, loopOf(order, before)]),
  );
  const children: number[][] = blocks.map(() => []);
  for (let n = 1; n < blocks.length; n++) (children[idom[n] as number] as number[]).push(n);
  return { blocks, byKey, children, loops, before, dispatches, dominates: (a, b) => dominates(idom, a, b) };
}
function dominates(idom: Int32Array, a: number, b: number): boolean {
  let n = b;
  while (n > a) n = idom[n] as number;
  return n === a;
}
/** The target of every back edge dominates its source. */
function isReducible(blocks: readonly RegionBlock[], idom: Int32Array): boolean {
  return blocks.every((block) =>
    block.successors.every((next) => !isBackEdge(block, next) || dominates(idom, next.order, block.order)),
  );
}
function reversePostorder(entry: RegionBlock): RegionBlock[] {
  const postorder: RegionBlock[] = [];
  const seen = new Set<RegionBlock>();
  const visit = (block: RegionBlock): void => {
    seen.add(block);
    for (const next of block.successors) if (!seen.has(next)) visit(next);
    postorder.push(block);
  };
  visit(entry);
  const blocks = postorder.reverse();
  blocks.forEach((block, n) => {
    block.order = n;
  });
  return blocks;
}

function predecessors(blocks: readonly RegionBlock[]): number[][] {
  const before: number[][] = blocks.map(() => []);
  for (const block of blocks) for (const next of block.successors) (before[next.order] as number[]).push(block.order);
  return before;
}
/** Blocks from which the header of a loop is reached again without leaving it. */
function loopOf(header: number, before: readonly (readonly number[])[]): Set<number> {
  const inside = new Set([header]);
  const rest = (before[header] as readonly number[]).filter((n) => n >= header);
  for (let n = rest.pop(); n !== undefined; n = rest.pop()) {
    if (inside.has(n)) continue;
    inside.add(n);
    rest.push(...(before[n] as readonly number[]));
  }
  return inside;
}

/** Immediate dominators by order. Cooper, Harvey, Kennedy: "A Simple, Fast Dominance Algorithm". */
function dominators(blocks: readonly RegionBlock[]): Int32Array {
  const before = predecessors(blocks);
  const idom = new Int32Array(blocks.length).fill(-1);
  idom[0] = 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (let n = 1; n < blocks.length; n++) {
      let best = -1;
      for (const p of before[n] as number[]) {
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
  return idom;
}
