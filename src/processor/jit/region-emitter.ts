// One WebAssembly function from a region's flow: structured control from the dominator tree (flow.ts), instructions by the
// emitter's binding to locals (emit/translation-binding.ts), ways out with the whole state in the area.
import type { Form } from '../../isa/index.js';
import type { AddressSymbol, Binding, KnownFlags, Value } from '../emit/binding.js';
import { CONDITION_FUNCTIONS } from '../emit/conditions.js';
import { LATE_IMPORTS, lateImport } from '../emit/imports.js';
import {
  POSITION,
  type RegionControl,
  type RegionLocals,
  type RegionShape,
  type RegisterUse,
  TranslationBinding,
} from '../emit/translation-binding.js';
import { FunctionBuilder, type Label } from '../emit/wasm.js';
import { WasmSem } from '../emit/wasm-sem.js';
import { REGION_LOOKUP } from '../handlers.js';
import { at, REGION } from '../state-layout.js';
import { MAPPING } from './contents.js';
import { type Discovery, type Edge, PAGE, type RegionRequest } from './discover.js';
import type { Effects } from './effects.js';
import { codeOf, type FlagsCode, FlagsInLocals, flagsAtStart, type Transfer } from './flag-flow.js';
import { type Flow, isBackEdge, type RegionBlock } from './flow.js';
import { isUser, type RegionInstruction } from './instruction.js';
import type { Sharing } from './sharing.js';

/** What an emission has to know before it begins. */
export interface Guess {
  readonly use: RegisterUse;
  /** Lazy flags at block ends, by order. */
  readonly transfers: Map<number, Transfer>;
  readonly sharing: Sharing;
  readonly shape: RegionShape;
}

const STATE = 0;
const MAX_RETURN_SPAN = 2048;
const CONDITIONS = CONDITION_FUNCTIONS.map(lateImport);

/** Some of its instructions follow the address of the code. */
const relocates = ({ blocks }: Flow): boolean =>
  blocks.some(({ instructions }) => instructions.some(({ relocated }) => relocated !== null));

/** Emits a region. */
export class RegionEmitter {
  readonly f = new FunctionBuilder(0, 0, ['i32']);
  private readonly s: WasmSem;
  private readonly locals: RegionLocals;
  /** Host address of the state area. */
  private readonly area: number;
  /** Its code is the user's. */
  private readonly user: boolean;
  private readonly exitRip: number;
  private readonly next: number;
  /** i32: bits of the region's pages that were looked at since translations changed. */
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
    this.user = isUser(mode.key);
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
    if (this.discovery.pages.length > 1) this.loadChecked();
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
  /** Pages that the region has looked at, at this address, since translations changed last. */
  private loadChecked(): void {
    const { f, locals, next, checkedPages } = this;
    f.get(STATE).memory('i32.load', at('region')).tee(next).memory('i32.load', REGION.checked).i32(0);
    f.get(STATE).memory('i64.load', at('checkedEpoch') + 8 * Number(this.user));
    f.get(next).memory('i64.load', REGION.checkedEpoch).op('i64.eq');
    f.get(locals.codePage).get(next).memory('i64.load', REGION.checkedPage).op('i64.eq').op('i32.and');
    f.op('select').set(checkedPages);
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
  /** Counts that the region is left by a call, or in a function that it contains a part of. */
  private noteCall(): void {
    const { f, next } = this;
    f.get(STATE).memory('i32.load', at('region')).tee(next);
    f.get(next).memory('i32.load', REGION.calls).i32(1).op('i32.add').memory('i32.store', REGION.calls);
  }
  /**
   * Leaves by `exit` where a page of the region is no longer mapped to the code that was translated. One look is enough until
   * the region is left, as what flushes the TLB ends it, and mostly for its next entries, too (check_page).
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
      const isCall = taken && this.block.instructions.at(-1)?.form.instruction.name === 'call';
      if (isCall || this.discovery.cut.has(edge.key)) this.noteCall();
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
