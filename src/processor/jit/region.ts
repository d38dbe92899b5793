// Translated regions: every region (discover.ts, flow.ts) becomes one WebAssembly function, made from the same declarations as
// the interpreter; several share a module. See docs/decisions/0003-one-declaration-three-uses.md.
//
// region(state) -> record: runs from the state's RIP (which must be the entry) and leaves with the whole state in the area.
// Returns REGION_LOOKUP when RIP is to be looked up, 0 to leave the loop, else the record at which the interpreter goes on.
import type { Decoder, Form } from '../../isa/index.js';
import { importLate } from '../emit/imports.js';
import { type FunctionBuilder, ModuleBuilder } from '../emit/wasm.js';
import { dependencies, pagesOf } from './dependencies.js';
import { Discoverer, PAGE, type RegionRequest } from './discover.js';
import { type FlagsCode, liveness, type Transfer } from './flag-flow.js';
import { buildFlow } from './flow.js';
import type { RegionInstruction } from './instruction.js';
import { type Guess, RegionEmitter } from './region-emitter.js';
import type { Relocation } from './relocation.js';
import { residents } from './residents.js';
import { sharing } from './sharing.js';

/** A region whose code is ready to go into a module. */
export interface RegionPlan {
  /** Instructions; the region runs only while the budget is at least that. */
  readonly instructions: number;
  readonly blocks: number;
  /** Loops with several entries (reduce.ts). */
  readonly dispatches: number;
  /** Pages in the order of REGION.page: host address, and the 64-byte lines that code was translated from. */
  readonly pages: readonly { readonly page: number; readonly host: number; readonly lines: bigint }[];
  /** Host addresses of its blocks. */
  readonly covers: readonly number[];
  /** Words that follow the code's address. */
  readonly relocations: readonly Relocation[];
  /** Bits of each page's bytes that the code depends on, without those words. */
  readonly counts: readonly Uint8Array[];
  readonly code: FunctionBuilder;
}

export class RegionTranslator {
  private readonly discoverer: Discoverer;
  /** What instructions of a form were seen to do to the lazy flags. */
  private readonly learned = new Map<Form, FlagsCode>();
  constructor(decoder: Decoder) {
    this.discoverer = new Discoverer(decoder);
  }

  /** Chooses the region's instructions and translates them; null when not even the first one can be. */
  plan(request: RegionRequest): RegionPlan | null {
    if (!request.mode.flat) return null;
    const discovery = this.discoverer.discover(request);
    if (discovery === null) return null;
    const flow = buildFlow(discovery);
    const live = liveness(flow);
    const long = request.mode.codeBits === 64;
    const guess: Guess = {
      use: { read: new Set(), written: new Set() },
      transfers: new Map(),
      sharing: sharing(flow),
      shape: { long, resident: residents(flow, long), parallel: request.parallel },
    };
    let read = 0;
    let written = 0;
    for (const block of flow.blocks) {
      let transfer: Transfer = 'same';
      block.effects.forEach((e, n) => {
        read |= e.registersRead;
        written |= e.registersWritten;
        if (e.flagsTouched) transfer = this.learned.get((block.instructions[n] as RegionInstruction).form) ?? null;
      });
      guess.transfers.set(block.order, transfer);
    }
    for (let r = 0; r < 32; r++) {
      if (r < 16 && !((guess.shape.resident >> r) & 1)) continue;
      if ((read >> r) & 1) guess.use.read.add(r);
      if ((written >> r) & 1) guess.use.written.add(r);
    }
    let emitter = new RegionEmitter(discovery, flow, live, guess, this.learned, request);
    if (!emitter.emit()) {
      // the guess was wrong: the first emission found out what the second one needs
      emitter = new RegionEmitter(discovery, flow, live, emitter.found, this.learned, request);
      if (!emitter.emit()) return null;
    }
    const pages = pagesOf(request, discovery, flow);
    return {
      instructions: emitter.total,
      blocks: flow.blocks.length,
      dispatches: flow.dispatches,
      pages,
      covers: flow.blocks
        .filter((b) => b.entries.length === 0)
        .map((b) => (pages.find((p) => p.page === b.page)?.host ?? 0) + b.start - b.page * PAGE),
      ...dependencies(flow, discovery.pages),
      code: emitter.f,
    };
  }
  /** One module for several regions, exported as r0, r1, ...; `shared`: it imports shared memory. */
  assemble(plans: readonly RegionPlan[], shared = true): Uint8Array {
    const module = new ModuleBuilder();
    const indexes = importLate(
      module,
      plans.flatMap((plan) => plan.code.lateIndexes()),
      shared,
    );
    plans.forEach((plan, n) => {
      module.adopt(plan.code, ['i32'], `r${n}`, (late) => indexes.get(late) as number);
    });
    return module.finish();
  }
}
