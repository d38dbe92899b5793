// What the general registers hold all over a region: the content that one of them had at some time, plus a constant. Found by
// value numbering over the region's flow; loops are first taken to keep everything (B. Alpern, M. Wegman, F. Zadeck, "Detecting
// Equality of Variables in Programs", POPL 1988). The emission has its own, exact account of each block.
import { OPERAND_KIND, PROCEDURES } from '../../isa/index.js';
import { type Effects, forgetsAddresses, keepsRegisters } from './effects.js';
import { type Flow, MAX_BLOCK, type RegionBlock } from './flow.js';
import type { RegionInstruction } from './instruction.js';

const RSP = 4;
const RBP = 5;
/** Behind the general registers: what linear addresses mean. It changes where accesses looked up before must be looked up again. */
export const MAPPING = 16;
export const PLACES = MAPPING + 1;

/** Contents of registers as numbers of unknown contents, each with a constant added. */
export class Contents {
  readonly origin = new Int32Array(PLACES);
  readonly delta = new Float64Array(PLACES);
  set(place: number, origin: number, delta: number): void {
    this.origin[place] = origin;
    this.delta[place] = delta;
  }
  copy(from: Contents): void {
    this.origin.set(from.origin);
    this.delta.set(from.delta);
  }
}

/** What of a region's flow matters here. */
export type FlowBlock = Pick<RegionBlock, 'order' | 'instructions' | 'effects'>;
export type BlockFlow = Pick<Flow, 'loops' | 'before' | 'dominates'> & { readonly blocks: readonly FlowBlock[] };

/** Numbers of unknown contents: at the region's entry, where ways meet at a block, and behind an instruction of one. */
export const atBlock = (block: number, place: number): number => PLACES + block * PLACES + place;
const behind = (blocks: number, block: number, at: number, place: number): number =>
  PLACES + (blocks + block * MAX_BLOCK + at) * PLACES + place;

const fullBits = (i: RegionInstruction): number => (i.facts.long ? 64 : 32);
const registerOf = (i: RegionInstruction, n: number): number => {
  const o = i.code.operands[n];
  return o !== undefined && o.kind === OPERAND_KIND.gpr && o.bits === fullBits(i) ? o.register : -1;
};
/** What PUSH, POP, CALL and RET move the stack pointer by. */
const stackBytes = (i: RegionInstruction): number => (i.facts.opBits === 16 ? 2 : i.facts.long ? 8 : 4);

/** What an instruction does to the contents of registers. */
function step(i: RegionInstruction, e: Effects, c: Contents, unknown: (place: number) => number): void {
  const { name } = i.form.instruction;
  const written = e.registersWritten & 0xffff;
  const forgets = e.calls.some((call) => !keepsRegisters(call) && PROCEDURES[call]?.effect !== 'pure');
  if (forgets || e.calls.some(forgetsAddresses)) c.set(MAPPING, unknown(MAPPING), 0);
  if (forgets) {
    for (let r = 0; r < 16; r++) c.set(r, unknown(r), 0);
    return;
  }
  if (written === 0) return;
  const target = registerOf(i, 0);
  const rsp = c.delta[RSP] as number;
  let moved = -1;
  switch (name) {
    case 'mov': {
      const source = registerOf(i, 1);
      if (target < 0 || source < 0) break;
      c.set(target, c.origin[source] as number, c.delta[source] as number);
      return;
    }
    case 'add':
    case 'sub': {
      const o = i.code.operands[1];
      if (target < 0 || o === undefined || o.kind !== OPERAND_KIND.imm) break;
      const by = Number(BigInt.asIntN(o.bits, i.immediate(1)));
      c.set(target, c.origin[target] as number, (c.delta[target] as number) + (name === 'add' ? by : -by));
      return;
    }
    case 'inc':
    case 'dec':
      if (target < 0) break;
      c.set(target, c.origin[target] as number, (c.delta[target] as number) + (name === 'inc' ? 1 : -1));
      return;
    case 'lea':
      if (target < 0 || i.ripRelative || i.base < 0 || i.index >= 0 || i.addrBits !== fullBits(i)) break;
      c.set(target, c.origin[i.base] as number, (c.delta[i.base] as number) + Number(i.displacement));
      return;
    case 'push':
    case 'call':
      c.delta[RSP] = rsp - stackBytes(i);
      moved = RSP;
      break;
    case 'pop':
      c.delta[RSP] = rsp + stackBytes(i);
      moved = target === RSP ? -1 : RSP;
      break;
    case 'ret':
      c.delta[RSP] = rsp + stackBytes(i) + (i.code.operands.length > 0 ? Number(i.immediate(0)) : 0);
      moved = RSP;
      break;
    case 'leave':
      c.set(RSP, c.origin[RBP] as number, (c.delta[RBP] as number) + stackBytes(i));
      moved = RSP;
      break;
  }
  for (let r = 0; r < 16; r++) if ((written >> r) & 1 && r !== moved) c.set(r, unknown(r), 0);
}

/** Calls `each` before every instruction of a block with what registers hold there; `c` holds what they do at its start. */
function walk(
  { blocks }: BlockFlow,
  block: FlowBlock,
  c: Contents,
  each?: (i: RegionInstruction, e: Effects, at: number) => void,
): void {
  block.instructions.forEach((i, at) => {
    const e = block.effects[at] as Effects;
    each?.(i, e, at);
    step(i, e, c, (place) => behind(blocks.length, block.order, at, place));
  });
}

/** What registers hold at the starts of blocks, by order. */
export function contentsOf(flow: BlockFlow): readonly Contents[] {
  const { blocks } = flow;
  const starts = blocks.map(() => new Contents());
  const ends = blocks.map(() => new Contents());
  const known = new Uint8Array(blocks.length);
  for (let place = 0; place < PLACES; place++) (starts[0] as Contents).set(place, place, 0);
  /** Where the ways to a block meet; true: it holds something else than before. */
  const meet = (n: number, start: Contents): boolean => {
    let moves = false;
    for (let place = 0; place < PLACES; place++) {
      const own = atBlock(n, place);
      if (known[n] === 1 && start.origin[place] === own) continue;
      let origin = n === 0 ? place : -1;
      let delta = 0;
      for (const p of flow.before[n] as readonly number[]) {
        if (known[p] === 0) continue;
        const end = ends[p] as Contents;
        if (origin === -1) {
          origin = end.origin[place] as number;
          delta = end.delta[place] as number;
        } else if (origin !== end.origin[place] || delta !== end.delta[place]) {
          origin = own;
          delta = 0;
          break;
        }
      }
      if (start.origin[place] === origin && start.delta[place] === delta) continue;
      start.set(place, origin, delta);
      moves = true;
    }
    return moves;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const block of blocks) {
      const n = block.order;
      const start = starts[n] as Contents;
      if (!meet(n, start) && known[n] === 1) continue;
      known[n] = 1;
      changed = true;
      const end = ends[n] as Contents;
      end.copy(start);
      walk(flow, block, end);
    }
  }
  return starts;
}

/** A memory access: `origin` and `delta` of its address as in Contents; sums have origins of their own, below 0. */
export interface Access {
  readonly block: FlowBlock;
  /** Place of the instruction in its block. */
  readonly at: number;
  readonly origin: number;
  /** What MAPPING holds there. */
  readonly mapping: number;
  readonly delta: number;
  readonly isWrite: boolean;
}

const ON_STACK: ReadonlySet<string> = new Set(['push', 'pop', 'call', 'ret', 'leave']);

/** Accesses of a region off registers and sums of two. */
export function accessesOf(flow: BlockFlow, starts: readonly Contents[]): Access[] {
  const accesses: Access[] = [];
  const c = new Contents();
  for (const block of flow.blocks) {
    c.copy(starts[block.order] as Contents);
    walk(flow, block, c, (i, e, at) => {
      const mapping = c.origin[MAPPING] as number;
      const { name } = i.form.instruction;
      const onStack = ON_STACK.has(name);
      const add = (origin: number, delta: number, isWrite: boolean): void => {
        accesses.push({ block, at, origin, mapping, delta, isWrite });
      };
      if (i.hasMem && name !== 'lea' && i.addrBits === fullBits(i) && (i.ripRelative || i.base >= 0)) {
        const isWrite = e.writesMemory && (!onStack || name === 'pop');
        const origin = i.base >= 0 ? (c.origin[i.base] as number) : 0;
        const indexed = i.index >= 0;
        const index = indexed ? (c.origin[i.index] as number) * 4 + i.scale + 1 : 0;
        let delta = Number(i.displacement) + (i.base >= 0 ? (c.delta[i.base] as number) : 0);
        if (indexed) delta += (c.delta[i.index] as number) * (1 << i.scale);
        if (i.base >= 0 && !indexed && i.segment < 4) add(origin, delta, isWrite);
        else {
          const base = i.ripRelative ? 0 : origin + 1;
          add(-1 - ((base * 0x100_0000 + index) * 8 + Math.max(0, i.segment)), delta, isWrite);
        }
      }
      if (!onStack) return;
      const isWrite = name === 'push' || name === 'call';
      const base = name === 'leave' ? RBP : RSP;
      add(c.origin[base] as number, (c.delta[base] as number) - (isWrite ? stackBytes(i) : 0), isWrite);
    });
  }
  return accesses;
}
