// Which memory accesses of a block may share one TLB check: those off the same register, which keeps its value or moves by
// constants. A guess: the emission (emit/memory-groups.ts) knows exactly.
import type { Effects } from './effects.js';
import type { RegionBlock } from './flow.js';
import type { RegionInstruction } from './instruction.js';

const RSP = 4;
/** They move a register by a constant, if their source is one. */
const MOVES = new Set(['add', 'sub', 'inc', 'dec', 'push', 'pop', 'call']);
const GENERATIONS = 256;

/** Number for the address of an instruction's access; -1: it has none of the kind. */
function addressOf(i: RegionInstruction, e: Effects, generations: readonly number[]): number {
  if (i.hasMem) {
    const base = i.ripRelative ? 16 : i.base;
    const place = (base + 1) * 18 + i.index + 1;
    const age =
      (i.base >= 0 ? (generations[i.base] as number) : 0) + (i.index >= 0 ? (generations[i.index] as number) : 0);
    return place * 2 * GENERATIONS + age;
  }
  return e.mayFault && ((e.registersRead >> RSP) & 1) === 1
    ? (RSP + 1) * 18 * 2 * GENERATIONS + (generations[RSP] as number)
    : -1;
}

/** For each instruction of a block: another one accesses memory off the same address. */
export function sharing(block: Pick<RegionBlock, 'instructions' | 'effects'>): boolean[] {
  const generations = new Array<number>(16).fill(0);
  const counts = new Map<number, number>();
  const places = block.instructions.map((i, n) => {
    const e = block.effects[n] as Effects;
    const place = addressOf(i, e, generations);
    if (place >= 0) counts.set(place, (counts.get(place) ?? 0) + 1);
    if ((e.registersWritten & 0xffff) !== 0 && !MOVES.has(i.form.instruction.name))
      for (let r = 0; r < 16; r++) if ((e.registersWritten >> r) & 1) generations[r] = (generations[r] as number) + 1;
    return place;
  });
  return places.map((place) => place >= 0 && (counts.get(place) as number) > 1);
}
