// Makes irreducible control flow reducible: a loop with several entries gets a dispatch block, through which all ways to its
// entries lead; it knows by a number where to go on. Structured control flow can say everything else. The same is done by
// LLVM's WebAssembly backend ("WebAssemblyFixIrreducibleControlFlow").
import type { RegionBlock } from './flow.js';

/** Strongly connected components of `nodes` along `successors`; those that are no loop are left out. R. Tarjan, 1972. */
function loopsOf(
  nodes: ReadonlySet<RegionBlock>,
  successors: (block: RegionBlock) => readonly RegionBlock[],
): RegionBlock[][] {
  const index = new Map<RegionBlock, number>();
  const stack: RegionBlock[] = [];
  const onStack = new Set<RegionBlock>();
  const loops: RegionBlock[][] = [];
  const visit = (block: RegionBlock): number => {
    const own = index.size;
    let lowest = own;
    index.set(block, own);
    stack.push(block);
    onStack.add(block);
    for (const next of successors(block)) {
      if (!nodes.has(next)) continue;
      if (!index.has(next)) lowest = Math.min(lowest, visit(next));
      else if (onStack.has(next)) lowest = Math.min(lowest, index.get(next) as number);
    }
    if (lowest !== own) return lowest;
    const component: RegionBlock[] = [];
    let last: RegionBlock;
    do {
      last = stack.pop() as RegionBlock;
      onStack.delete(last);
      component.push(last);
    } while (last !== block);
    if (component.length > 1 || successors(block).includes(block)) loops.push(component);
    return lowest;
  };
  for (const block of nodes) if (!index.has(block)) visit(block);
  return loops;
}

/**
 * Adds dispatch blocks to the flow of `blocks`, all reachable from the first one, until every loop has one entry. Returns how
 * many.
 */
export function makeReducible(blocks: readonly RegionBlock[], dispatcher: (to: RegionBlock[]) => RegionBlock): number {
  const all = [...blocks];
  /** `headers`: of the loops around; ways back to them are no part of loops within. */
  const within = (nodes: ReadonlySet<RegionBlock>, headers: ReadonlySet<RegionBlock>): void => {
    const successors = (block: RegionBlock): RegionBlock[] => block.successors.filter((next) => !headers.has(next));
    for (const component of loopsOf(nodes, successors)) {
      const inside = new Set(component);
      const entries = component.filter(
        (block) => block === blocks[0] || all.some((from) => !inside.has(from) && from.successors.includes(block)),
      );
      if (entries.length === 1) {
        within(inside, new Set([...headers, entries[0] as RegionBlock]));
        continue;
      }
      const dispatch = dispatcher(entries.sort((a, b) => a.start - b.start));
      for (const from of all) {
        const through = from.successors.filter((next) => entries.includes(next));
        if (through.length === 0) continue;
        for (const to of through) from.via.set(to, dispatch);
        from.successors = [...new Set(from.successors.map((next) => (entries.includes(next) ? dispatch : next)))];
      }
      all.push(dispatch);
      within(inside, headers);
    }
  };
  within(new Set(blocks), new Set());
  return all.length - blocks.length;
}
