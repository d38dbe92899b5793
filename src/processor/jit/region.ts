// Translated regions: every region (discover.ts, flow.ts) becomes one WebAssembly function, made from the same declarations as
// the interpreter; several share a module. See docs/decisions/0003-one-declaration-three-uses.md.
//
// region(state) -> record: runs from the state's RIP (which must be the entry) and leaves with the whole state in the area.
// Returns REGION_LOOKUP when RIP is to be looked up, 0 to leave the loop, else the record at which the interpreter goes on.
import type { Decoder, Form } from '../../isa/index.js';
import type { AddressSymbol, Binding, KnownFlags, Value } from '../emit/binding.js';
import { CONDITION_FUNCTIONS } from '../emit/conditions.js';
import { importLate, LATE_IMPORTS, lateImport } from '../emit/imports.js';
import {
  POSITION,
  type RegionControl,
  type RegionLocals,
  type RegionShape,
  type RegisterUse,
  TranslationBinding,
} from '../emit/translation-binding.js';
import { FunctionBuilder, type Label, ModuleBuilder } from '../emit/wasm.js';
import { WasmSem } from '../emit/wasm-sem.js';
import { REGION_LOOKUP } from '../handlers.js';
import { at, FLAGS_KIND, REGION } from '../state-layout.js';
import { MAPPING } from './contents.js';
import { Discoverer, type Discovery, type Edge, PAGE, type RegionRequest } from './discover.js';
import { type Effects, STATUS_FLAGS } from './effects.js';
import { buildFlow, type Flow, isBackEdge, type RegionBlock } from './flow.js';
import type { RegionInstruction } from './instruction.js';
import type { Relocation } from './relocation.js';
import { residents } from './residents.js';
import { type Sharing, sharing } from './sharing.js';

const STATE = 0;
const MAX_RETURN_SPAN = 2048;

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

/** What is known of the lazy flags at a point: their code (as in flagsKind), or null. */
type FlagsCode = number | null;
type Transfer = FlagsCode | 'same';

const CONDITIONS = CONDITION_FUNCTIONS.map(lateImport);

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

/** What an emission has to know before it begins. */
interface Guess {
  readonly use: RegisterUse;
  /** Lazy flags at block ends, by order. */
  readonly transfers: Map<number, Transfer>;
  readonly sharing: Sharing;
  readonly shape: RegionShape;
}

function pagesOf(request: RegionRequest, discovery: Discovery, flow: Flow): RegionPlan['pages'] {
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
function dependencies(flow: Flow, pages: readonly number[]): Pick<RegionPlan, 'relocations' | 'counts'> {
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

/** Status flags that may be looked at after each instruction. A fault, an exit and a back edge look at all. */
function liveness(flow: Flow): Map<RegionInstruction, number> {
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
function flagsAtStart(flow: Flow, transfers: ReadonlyMap<number, Transfer>): FlagsCode[] {
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
class FlagsInLocals implements KnownFlags {
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

/** Some of its instructions follow the address of the code. */
const relocates = ({ blocks }: Flow): boolean =>
  blocks.some(({ instructions }) => instructions.some(({ relocated }) => relocated !== null));

/** Emits a region. */
class RegionEmitter {
  readonly f = new FunctionBuilder(0, 0, ['i32']);
  private readonly s: WasmSem;
  private readonly locals: RegionLocals;
  /** Host address of the state area. */
  private readonly area: number;
  private readonly exitRip: number;
  private readonly next: number;
  /** i32: bits of the region's pages that were looked at since it was entered. */
  private readonly checkedPages: number;
  private readonly binding: TranslationBinding;
  private readonly transfers = new Map<number, Transfer>();
  /** What registers hold at the start and the end of blocks, by order. */
  private readonly starts: (readonly AddressSymbol[])[] = [];
  private readonly ends: (readonly AddressSymbol[])[] = [];
  private readonly startFlags: readonly FlagsCode[];
  private readonly registers: number;
  readonly total: number;
  private exitLabel: Label = 0;
  private readonly forward = new Map<number, Label>();
  private readonly loops = new Map<number, Label>();
  private readonly control: { -readonly [K in keyof RegionControl]: RegionControl[K] };
  private block!: RegionBlock;

  constructor(
    private readonly discovery: Discovery,
    private readonly flow: Flow,
    private readonly live: ReadonlyMap<RegionInstruction, number>,
    private readonly guess: Guess,
    private readonly learned: Map<Form, FlagsCode>,
    { tlb, mode, area }: RegionRequest,
  ) {
    this.area = area;
    this.total = flow.blocks.reduce((n, b) => n + b.instructions.length, 0);
    const { f } = this;
    this.locals = {
      gpr: Array.from({ length: 16 }, () => f.newLocal('i64')),
      codePage: f.newLocal('i64'),
      budget: f.newLocal('i32'),
      stale: f.newLocal('i32'),
      flagsKind: f.newLocal('i32'),
      flagsA: f.newLocal('i64'),
      flagsB: f.newLocal('i64'),
      slide: relocates(flow) ? f.newLocal('i64') : -1,
    };
    this.exitRip = f.newLocal('i64');
    this.next = f.newLocal('i32');
    this.checkedPages = f.newLocal('i32');
    const { use } = guess;
    this.registers = use.read.size * 64 + use.written.size;
    this.binding = new TranslationBinding(this.locals, use, guess.shape);
    this.s = new WasmSem(f, LATE_IMPORTS, this.binding as Binding, STATE, CONDITIONS);
    this.startFlags = flagsAtStart(flow, guess.transfers);
    this.control = {
      blockLength: 0,
      order: 0,
      tlb,
      shares: false,
      reserve: this.total,
      faultLabel: 0,
      syncedFaultLabel: 0,
      branchDirect: (_s, taken) => this.branch((taken ? this.block.taken : this.block.fall) as Edge, taken),
      branchIndirect: (_s, rip) => this.branchIndirect(rip),
      leaveBehind: () => {
        const { order } = this.control;
        this.retire(order + 1);
        this.exitAt((this.block.instructions[order] as RegionInstruction).next);
      },
      checkStale: () => {
        f.get(STATE)
          .memory('i32.load', at('region'))
          .memory('i32.load', REGION.valid)
          .op('i32.eqz')
          .set(this.locals.stale);
      },
      checkMode: () => {
        const { stale } = this.locals;
        f.get(STATE).memory('i32.load', at('modeKey')).i32(mode.key).op('i32.ne').get(stale).op('i32.or').set(stale);
      },
    };
  }
  /** What this emission found; the registers it used were added to the guess. */
  get found(): Guess {
    const { sharing } = this.guess;
    return {
      ...this.guess,
      transfers: this.transfers,
      sharing: this.loopsKeep() ? sharing : { ...sharing, kept: new Map(), ahead: new Map() },
    };
  }
  /** Every way around a loop leaves what it is said to leave. */
  private loopsKeep(): boolean {
    const { blocks } = this.flow;
    return blocks.every((block) =>
      block.successors.every((next) => {
        if (!isBackEdge(block, next)) return true;
        const kept = this.guess.sharing.kept.get(next.order) ?? 0;
        const start = this.starts[next.order] as readonly AddressSymbol[];
        const end = this.ends[block.order] as readonly AddressSymbol[];
        return start.every(
          ({ origin, delta }, n) => !((kept >> n) & 1) || (end[n]?.origin === origin && end[n]?.delta === delta),
        );
      }),
    );
  }
  /** The code is right only if what was guessed held. */
  private guessHeld(): boolean {
    const { use, transfers } = this.guess;
    if (use.read.size * 64 + use.written.size !== this.registers || !this.loopsKeep()) return false;
    return this.flow.blocks.every(({ order }) => {
      const guessed = transfers.get(order);
      return guessed === null || guessed === this.transfers.get(order);
    });
  }

  /** False: emit again with what was found. */
  emit(): boolean {
    const { f, locals, binding, control } = this;
    f.i32(this.area).set(STATE);
    f.get(STATE).memory('i32.load', at('budget')).set(locals.budget);
    f.get(STATE).memory('i64.load', at('codePage')).set(locals.codePage);
    if (locals.slide >= 0)
      f.get(STATE).memory('i32.load', at('region')).memory('i64.load', REGION.slide).set(locals.slide);
    binding.loadRegisters(f);
    binding.loadFlags(f);
    binding.control = control;
    this.exitLabel = f.block();
    control.syncedFaultLabel = f.block();
    control.faultLabel = f.block();
    this.emitTree(0);
    f.op('unreachable').end();
    binding.finish(f);
    binding.writeBackRegisters(f);
    binding.writeBackFlags(f);
    f.end();
    f.get(STATE).i32(POSITION).op('i32.add').call(lateImport('resolve')).return();
    f.end();
    binding.writeBackRegisters(f);
    binding.writeBackFlags(f);
    f.get(STATE).get(locals.budget).memory('i32.store', at('budget'));
    f.get(STATE).get(this.exitRip).memory('i64.store', at('rip'));
    f.get(STATE).i32(0).memory('i32.store', at('unwind'));
    f.i32(REGION_LOOKUP);
    return this.guessHeld();
  }
  private emitTree(n: number): void {
    const { f, flow } = this;
    const children = flow.children[n] as readonly number[];
    const isLoop = flow.loops.has(n);
    const { binding } = this;
    const ranges = binding.ranges;
    this.start(n);
    if (isLoop) this.loops.set(n, f.loop());
    for (const child of [...children].reverse()) this.forward.set(child, f.block());
    this.emitBlock(flow.blocks[n] as RegionBlock);
    this.ends[n] = binding.contents;
    for (const child of children) {
      f.end();
      this.emitTree(child);
    }
    binding.forgetRanges(ranges);
    if (isLoop) f.end();
  }
  /** What registers hold at a block's start: what they hold at the ends of all blocks before it, as far as that is the same. */
  private start(n: number): void {
    const { binding, flow, s } = this;
    const { kept, ahead } = this.guess.sharing;
    const before = (flow.before[n] as readonly number[]).filter((p) => p < n).map((p) => this.ends[p] ?? []);
    const mask = flow.loops.has(n) ? (kept.get(n) ?? 0) : -1;
    const contents: (AddressSymbol | null)[] = [];
    for (let place = 0; place <= MAPPING; place++) {
      const first = before[0]?.[place];
      const same = before.every((end) => end[place]?.origin === first?.origin && end[place]?.delta === first?.delta);
      contents.push(first !== undefined && same && (mask >> place) & 1 ? first : null);
    }
    binding.startBlock(contents);
    this.starts[n] = binding.contents;
    for (const { register, delta, isWrite } of ahead.get(n) ?? []) {
      s.begin(binding as Binding);
      binding.checkAhead(s, register, delta, isWrite);
    }
  }
  /** Goes where the number in `next` says. */
  private emitDispatch(block: RegionBlock): void {
    const { f } = this;
    const last = block.entries.length - 1;
    for (let n = 0; n < last; n++) {
      f.get(this.next).i32(n).op('i32.eq').if();
      this.jumpInside(block.entries[n] as RegionBlock);
      f.end();
    }
    this.jumpInside(block.entries[last] as RegionBlock);
  }

  /** Lazy flags of a known kind, operands taken from the locals where they are needed. */
  private knownFlags(code: FlagsCode): KnownFlags | null {
    if (code === null) return null;
    const { s, locals } = this;
    return new FlagsInLocals(s, locals, code);
  }
  private emitBlock(block: RegionBlock): void {
    const { f, s, binding, control, locals } = this;
    this.block = block;
    if (block.entries.length > 0) {
      this.transfers.set(block.order, 'same');
      this.emitDispatch(block);
      return;
    }
    const length = block.instructions.length;
    if (block.crosses) {
      this.checkPage(block.page + 1, () => this.exitAt(block.start));
    }
    control.blockLength = length;
    const shares = this.guess.sharing.shares[block.order] as readonly boolean[];
    let code = this.startFlags[block.order] as FlagsCode;
    let transfer: Transfer = 'same';
    // of the comparison before, in temporaries that are kept
    let compared: KnownFlags | null = null;
    for (let n = 0; n < length; n++) {
      const instruction = block.instructions[n] as RegionInstruction;
      const effects = block.effects[n] as Effects;
      control.order = n;
      control.shares = shares[n] as boolean;
      binding.start(instruction, control, this.live.get(instruction) as number);
      s.begin(binding, compared !== null);
      const known: KnownFlags | null = compared ?? this.knownFlags(code);
      s.known = known;
      instruction.form.instruction.execute(s, ...instruction.form.operands);
      if (effects.flagsTouched && (s.known !== known || known === null)) {
        if (s.known === null && this.live.get(instruction) === 0) code = this.learned.get(instruction.form) ?? null;
        else {
          code = s.known === null ? null : codeOf(s.known);
          this.learned.set(instruction.form, code);
        }
        transfer = code;
      }
      compared = s.known?.compared === undefined ? null : s.known;
      this.transfers.set(block.order, transfer);
      if (effects.direct || effects.indirect) {
        if (effects.conditional) this.branch(block.fall as Edge);
        return;
      }
      if (effects.leaves) return;
      if (effects.ends) {
        f.get(STATE).memory('i32.load', at('stalePages')).if(false);
        f.call(lateImport('take_stale_pages')).end();
        this.retire(n + 1);
        this.exitAt(instruction.next);
        return;
      }
      if (binding.writes) {
        f.get(locals.stale).if(false);
        this.retire(n + 1);
        this.exitAt(instruction.next);
        f.end();
      }
    }
    binding.writes = false;
    this.branch(block.fall as Edge);
  }

  // --- leaving a block ---
  /** Counts the instructions of the block up to here. */
  private retire(count: number): void {
    const { budget } = this.locals;
    if (count !== 0) this.f.get(budget).i32(count).op('i32.sub').set(budget);
  }
  private exitAt(offset: number): void {
    this.s.push_(this.binding.rip(this.s, offset));
    this.f.set(this.exitRip).br(this.exitLabel);
  }
  /** Counts that the region is left by a call. */
  private noteCall(): void {
    const { f, next } = this;
    f.get(STATE).memory('i32.load', at('region')).tee(next);
    f.get(next).memory('i32.load', REGION.calls).i32(1).op('i32.add').memory('i32.store', REGION.calls);
  }
  /**
   * Leaves by `exit` where a page of the region is no longer mapped to the code that was translated. One look is enough until
   * the region is left: what flushes the TLB ends it.
   */
  private checkPage(page: number, exit: () => void): void {
    if (page === 0) return; // the entry's
    const { f, locals, checkedPages } = this;
    const index = this.discovery.pages.indexOf(page);
    f.get(checkedPages)
      .i32(1 << index)
      .op('i32.and')
      .op('i32.eqz')
      .if(false);
    f.get(STATE)
      .i32(this.control.tlb)
      .get(locals.codePage)
      .i64(BigInt(page * PAGE))
      .op('i64.add')
      .i32(REGION.page + 4 * index)
      .call(lateImport('check_page'));
    f.op('i32.eqz').if(false);
    exit();
    f.end();
    f.get(checkedPages)
      .i32(1 << index)
      .op('i32.or')
      .set(checkedPages)
      .end();
  }
  /** Goes to a block of the region, or out. */
  private branch(edge: Edge, taken = false): void {
    const { f, s } = this;
    const target = this.flow.byKey.get(edge.key);
    if (target === undefined || target.order < 0) {
      if (taken && (edge.offset < 0 || edge.offset >= PAGE)) s.checkTarget(this.binding.rip(s, edge.offset));
      this.retire(this.block.instructions.length);
      if (taken && this.block.instructions.at(-1)?.form.instruction.name === 'call') this.noteCall();
      this.exitAt(edge.offset);
      return;
    }
    this.retire(this.block.instructions.length);
    if (this.binding.writes) {
      f.get(this.locals.stale).if(false);
      this.exitAt(edge.offset);
      f.end();
    }
    if (this.goesBack(target)) {
      f.get(this.locals.budget).i32(this.total).op('i32.lt_s').if(false);
      this.exitAt(edge.offset);
      f.end();
    }
    this.enterPage(target, () => this.exitAt(edge.offset));
    this.jumpInside(target);
  }
  private goesBack(target: RegionBlock): boolean {
    return isBackEdge(this.block, this.block.via.get(target) ?? target);
  }
  /** Before control goes to a block of another page: that page must be where it was. */
  private enterPage(target: RegionBlock, exit: () => void): void {
    if (target.page === this.block.page) return;
    const { f, locals } = this;
    this.checkPage(target.page, exit);
    f.get(STATE)
      .get(locals.codePage)
      .i64(BigInt(target.page * PAGE))
      .op('i64.add')
      .memory('i64.store', at('codePage'));
  }
  private jumpInside(target: RegionBlock): void {
    const { f, block } = this;
    const dispatch = block.via.get(target);
    if (dispatch !== undefined) f.i32(dispatch.entries.indexOf(target)).set(this.next);
    f.br(this.labelOf(dispatch ?? target));
  }
  private labelOf(target: RegionBlock): Label {
    return (isBackEdge(this.block, target) ? this.loops : this.forward).get(target.order) as Label;
  }
  private branchIndirect(rip: Value): void {
    const { f, s, locals, block } = this;
    const { targets } = block;
    // what is no target of the region must be checked here, as the branch's own fault
    const length = block.instructions.length;
    const last = block.instructions[length - 1] as RegionInstruction;
    const { name } = last.form.instruction;
    const leave = (retired = false): void => {
      if (retired) this.retire(-length);
      if (name === 'jmp') s.checkTarget(rip);
      if (name !== 'ret') {
        s.push_(rip);
        f.get(STATE).i32(last.offset).call(lateImport('note_jump'));
      }
      if (name === 'call') this.noteCall();
      s.push_(rip);
      f.set(this.exitRip);
      this.retire(length);
      f.br(this.exitLabel);
    };
    const first = targets[0]?.start ?? 0;
    const span = (targets.at(-1)?.start ?? 0) - first + 1;
    if (targets.length === 0) {
      leave();
      return;
    }
    f.get(locals.budget)
      .i32(this.total + length)
      .op('i32.lt_s');
    if (this.binding.writes) f.get(locals.stale).op('i32.or');
    f.if(false);
    leave();
    f.end();
    s.push_(rip);
    f.get(locals.codePage).op('i64.sub').i64(BigInt(first)).op('i64.sub');
    const offset = s.take(64);
    const direct = targets.every((t) => t.page === block.page && !block.via.has(t));
    if (direct && targets.length > 2 && span <= MAX_RETURN_SPAN) {
      s.push_(offset);
      f.i64(BigInt(span)).op('i64.ge_u').if(false);
      leave();
      f.end();
      this.retire(length);
      const out = f.block();
      const labels = Array.from({ length: span }, () => out);
      for (const t of targets) labels[t.start - first] = this.labelOf(t);
      s.push_(offset);
      f.op('i32.wrap_i64').brTable(labels, out);
      f.end();
      leave(true);
      return;
    }
    for (const t of targets) {
      s.push_(offset);
      f.i64(BigInt(t.start - first))
        .op('i64.eq')
        .if();
      this.enterPage(t, leave);
      this.retire(length);
      this.jumpInside(t);
      f.end();
    }
    leave();
  }
}
const codeOf = (known: KnownFlags): number => FLAGS_KIND[known.kind] * 4 + Math.log2(known.r.bits / 8);
