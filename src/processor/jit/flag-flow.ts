// Status flags of a region: which of them may be looked at behind an instruction, and what kind of lazy flags blocks begin with.
import type { KnownFlags, Value } from '../emit/binding.js';
import type { RegionLocals } from '../emit/translation-binding.js';
import type { WasmSem } from '../emit/wasm-sem.js';
import { FLAGS_KIND } from '../state-layout.js';
import { type Effects, STATUS_FLAGS } from './effects.js';
import { type Flow, isBackEdge, type RegionBlock } from './flow.js';
import type { RegionInstruction } from './instruction.js';

/** What is known of the lazy flags at a point: their code (as in flagsKind), or null. */
export type FlagsCode = number | null;
export type Transfer = FlagsCode | 'same';

/** Status flags that may be looked at after each instruction. A fault, an exit and a back edge look at all. */
export function liveness(flow: Flow): Map<RegionInstruction, number> {
  const liveIn = new Int32Array(flow.blocks.length);
  const after = new Map<RegionInstruction, number>();
  const through = (block: RegionBlock): number => {
    let live = block.exits ? STATUS_FLAGS : 0;
    for (const next of block.successors)
      live |=
        isBackEdge(block, next) || next.page !== block.page || next.crosses
          ? STATUS_FLAGS
          : (liveIn[next.order] as number);
    for (let n = block.instructions.length - 1; n >= 0; n--) {
      const e = block.effects[n] as Effects;
      if (e.writesMemory) live = STATUS_FLAGS;
      const i = block.instructions[n] as RegionInstruction;
      // callees inlined twice share their instructions
      after.set(i, live | (after.get(i) ?? 0));
      live = (live & ~e.flagsReplaced) | e.flagsRead;
      if (e.mayFault) live = STATUS_FLAGS;
    }
    return live;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (let n = flow.blocks.length - 1; n >= 0; n--) {
      const live = through(flow.blocks[n] as RegionBlock);
      if (live !== liveIn[n]) {
        liveIn[n] = live;
        changed = true;
      }
    }
  }
  return after;
}

/** Lazy kinds at the start of each block from what each block does to them. */
export function flagsAtStart(flow: Flow, transfers: ReadonlyMap<number, Transfer>): FlagsCode[] {
  const start: (FlagsCode | undefined)[] = flow.blocks.map(() => undefined);
  start[0] = null;
  for (let changed = true; changed; ) {
    changed = false;
    for (const block of flow.blocks) {
      const into = start[block.order];
      if (into === undefined) continue;
      const t = transfers.get(block.order) as Transfer;
      const out = t === 'same' ? into : t;
      for (const next of block.successors) {
        const old = start[next.order];
        const met = old === undefined || old === out ? out : null;
        if (met !== old) {
          start[next.order] = met;
          changed = true;
        }
      }
    }
  }
  return start.map((code) => code ?? null);
}

type Width = 8 | 16 | 32 | 64;
const KINDS = ['word', 'add', 'sub', 'logic', 'result', 'inc', 'dec'] as const;
/** Their second operand has flags. */
const FLAGS_IN_B: ReadonlySet<string> = new Set(['result', 'inc', 'dec']);
/** Lazy flags of a known kind: operands are taken from the locals where they are needed. */
export class FlagsInLocals implements KnownFlags {
  readonly kind: KnownFlags['kind'];
  private readonly bits: Width;
  constructor(
    private readonly s: WasmSem,
    private readonly locals: RegionLocals,
    code: number,
  ) {
    this.kind = KINDS[code >> 2] as KnownFlags['kind'];
    this.bits = (8 << (code & 3)) as Width;
  }
  private take(local: number, width: Width): Value {
    this.s.f.get(local);
    if (width < 64) this.s.f.op('i32.wrap_i64');
    return this.s.take(width);
  }
  get a(): Value {
    return this.take(this.locals.flagsA, this.bits);
  }
  get word(): Value | undefined {
    return this.kind === 'word' ? this.take(this.locals.flagsA, 32) : undefined;
  }
  get b(): Value {
    return this.take(this.locals.flagsB, FLAGS_IN_B.has(this.kind) ? 32 : this.bits);
  }
  get r(): Value {
    if (this.kind === 'add') return this.s.add(this.a, this.b);
    return this.kind === 'sub' ? this.s.sub(this.a, this.b) : this.a;
  }
}
export const codeOf = (known: KnownFlags): number => FLAGS_KIND[known.kind] * 4 + Math.log2(known.r.bits / 8);
