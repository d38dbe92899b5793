// Which memory accesses of a region may share one TLB check: those off a register that keeps its value between them or moves
// by constants, within a block, in blocks that it dominates, and around loops. A guess in what it finds worth a check; that
// loops keep what it says is looked at by the emission (emit/translation-binding.ts, emit/memory-groups.ts).
import { SPAN } from '../emit/memory-groups.js';
import {
  type Access,
  accessesOf,
  atBlock,
  type BlockFlow,
  type Contents,
  contentsOf,
  MAPPING,
  PLACES,
} from './contents.js';

/** Accesses that a check ahead of a loop must serve; one that every turn makes counts for two. */
const MIN_COUNT = 4;
/** Checks ahead of one loop. */
const MAX_AHEAD = 4;

/** Bytes that a check before a loop begins with: `delta` from what the register holds there. */
export interface CheckAhead {
  readonly register: number;
  readonly delta: number;
  readonly isWrite: boolean;
}
export interface Sharing {
  /** By a block's order, for each instruction: another access off the same address may use its check. */
  readonly shares: readonly (readonly boolean[])[];
  /** By the order of a loop's header: registers (bits 0 to 15) and MAPPING that every way around it leaves as they are. */
  readonly kept: ReadonlyMap<number, number>;
  readonly ahead: ReadonlyMap<number, readonly CheckAhead[]>;
}

export function sharing(flow: BlockFlow): Sharing {
  const starts = contentsOf(flow);
  const accesses = accessesOf(flow, starts);
  const kept = new Map<number, number>();
  const ahead = new Map<number, readonly CheckAhead[]>();
  for (const [header, inside] of flow.loops) {
    const start = starts[header] as Contents;
    let mask = 0;
    for (let place = 0; place < PLACES; place++) if (start.origin[place] !== atBlock(header, place)) mask |= 1 << place;
    kept.set(header, mask);
    if ((mask >> MAPPING) & 1) ahead.set(header, aheadOf(flow, header, inside, mask, start, accesses));
  }
  return { shares: sharesOf(flow, accesses), kept, ahead };
}

function sharesOf(flow: BlockFlow, accesses: readonly Access[]): boolean[][] {
  const shares = flow.blocks.map(({ instructions }) => instructions.map(() => false));
  const byOrigin = new Map<number, Access[]>();
  for (const access of accesses) {
    const list = byOrigin.get(access.origin);
    if (list === undefined) byOrigin.set(access.origin, [access]);
    else list.push(access);
  }
  const serves = (a: Access, b: Access): boolean =>
    a.mapping === b.mapping && Math.abs(b.delta - a.delta) < SPAN && flow.dominates(a.block.order, b.block.order);
  const servesSome = (a: Access, list: readonly Access[], from: number, to: number): boolean => {
    for (let n = from; n < to; n++) if (serves(a, list[n] as Access)) return true;
    return false;
  };
  // mostly one of the next
  for (const list of byOrigin.values())
    for (const [n, a] of list.entries())
      if (servesSome(a, list, n + 1, list.length) || servesSome(a, list, 0, n))
        (shares[a.block.order] as boolean[])[a.at] = true;
  return shares;
}

/** Accesses that every turn of a loop makes at the same place, those of the most instructions first. */
function aheadOf(
  flow: BlockFlow,
  header: number,
  inside: ReadonlySet<number>,
  mask: number,
  start: Contents,
  accesses: readonly Access[],
): CheckAhead[] {
  const back = (flow.before[header] as readonly number[]).filter((n) => n >= header);
  const found: { register: number; delta: number; count: number; isWrite: boolean }[] = [];
  for (const { block, origin, mapping, delta: at, isWrite } of accesses) {
    if (!inside.has(block.order) || mapping !== start.origin[MAPPING]) continue;
    let register = 0;
    while (register < MAPPING && !((mask >> register) & 1 && start.origin[register] === origin)) register++;
    if (register === MAPPING) continue;
    const delta = at - (start.delta[register] as number);
    const count = back.some((n) => flow.dominates(block.order, n)) ? 2 : 1;
    const near = found.find((f) => f.register === register && Math.abs(f.delta - delta) < SPAN / 4);
    if (near === undefined) found.push({ register, delta, count, isWrite });
    else {
      near.delta = Math.min(near.delta, delta);
      near.count += count;
      near.isWrite ||= isWrite;
    }
  }
  return found
    .filter(({ count }) => count >= MIN_COUNT)
    .sort((a, b) => b.count - a.count)
    .slice(0, MAX_AHEAD)
    .map(({ register, delta, isWrite }) => ({ register, delta, isWrite }));
}
