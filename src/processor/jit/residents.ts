// Which general registers a region keeps in locals: those that its innermost loops use most. V8 has few processor registers
// left for locals; what it cannot keep there it moves to its stack and back wherever ways meet, and every local that is written
// is stored at every exit. The others stay in the state area. Measured in docs/decisions/0018-registers-and-ranges-of-regions.md.
import type { BlockFlow } from './contents.js';

/** More locals than that were slower, or as fast and longer to compile. */
const LOCALS = { long: 6, legacy: 5 } as const;
/** How much more an instruction counts inside one more loop, and how many loops are counted. */
const LOOP_WEIGHT = 8;
const MAX_DEPTH = 4;

/** Bits by register number. */
export function residents({ blocks, loops }: Pick<BlockFlow, 'blocks' | 'loops'>, long: boolean): number {
  const depths = new Array<number>(blocks.length).fill(0);
  for (const inside of loops.values()) for (const n of inside) depths[n] = (depths[n] as number) + 1;
  const weights = new Array<number>(16).fill(0);
  for (const { order, effects } of blocks) {
    const weight = LOOP_WEIGHT ** Math.min(MAX_DEPTH, depths[order] as number);
    for (const { registersRead, registersWritten } of effects)
      for (let r = 0; r < 16; r++)
        weights[r] = (weights[r] as number) + weight * (((registersRead >> r) & 1) + ((registersWritten >> r) & 1));
  }
  return weights
    .map((weight, register) => ({ weight, register }))
    .sort((a, b) => b.weight - a.weight)
    .slice(0, long ? LOCALS.long : LOCALS.legacy)
    .reduce((mask, { register }) => mask | (1 << register), 0);
}
