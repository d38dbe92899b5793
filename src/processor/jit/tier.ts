// Tier 1 of a vCPU: takes blocks that were entered often, has regions made of them (translation-service.ts, or here) and installs
// those. Works between two runs of the interpreter. See docs/decisions/0010-regions-in-the-engine.md and 0013.
import type { Decoder } from '../../isa/index.js';
import type { TranslationTotals } from '../../vmx/index.js';
import type { Interpreter, Procedures } from '../modules.js';
import { at, BLOCK, RECORD } from '../state-layout.js';
import { StateView } from '../state-view.js';
import { pagingOf } from './code-pages.js';
import { COUNTED_FOR, NOTE_SHARE } from './counting.js';
import { hostMs } from './host-clock.js';
import { type NewModule, type NewRegion, RegionInstaller } from './installer.js';
import { KnownJumps } from './jumps.js';
import type { KeptCode } from './kept-code.js';
import { TIER_DEFAULTS, type TierOptions } from './options.js';
import { RegionTranslator } from './region.js';
import { type Hot, RegionSource, type Translated } from './region-source.js';
import { RegionTable } from './region-table.js';
import { type FromTranslator, type Subject, seedOfSubject } from './translation-messages.js';
import type { TranslationClient, TranslationService } from './translation-service.js';

export interface TierParts {
  readonly memory: WebAssembly.Memory;
  /** Host addresses of the state area and of the region table. */
  readonly area: number;
  readonly regions: number;
  readonly procedures: Procedures;
  readonly interpreter: Interpreter;
  readonly decoder: Decoder;
  /** CPUID features of the decoder; absent: all. */
  readonly features?: readonly string[];
  /** Other threads run vCPUs of the same memory. */
  readonly parallel: boolean;
  /** The memory is shared. */
  readonly shared: boolean;
  /** Translates on another thread; used where memory is shared and translation need not happen at once. */
  readonly service: TranslationService | null;
}
export interface TierStatistics {
  /** Instructions retired by regions, and how often one was entered. */
  readonly retired: number;
  readonly entries: number;
  /** Regions installed now, and what was compiled since the start. */
  readonly regions: number;
  readonly compiled: number;
  readonly modules: number;
  readonly codeBytes: number;
  /** Found compiled already; not translatable; translated again with more jump targets. */
  readonly reused: number;
  readonly refused: number;
  readonly retranslated: number;
  /** Taken from earlier runs. */
  readonly stored: number;
  /** Translated, but its code or its block had changed meanwhile. */
  readonly stale: number;
  /** Asked for and not answered yet. */
  readonly waiting: number;
  /** Time on the vCPU's own thread: translation, compilation and installation. */
  readonly translateMs: number;
  readonly compileMs: number;
  /** Time on the translator's thread. */
  readonly workerTranslateMs: number;
  readonly workerCompileMs: number;
}

/** Regions per module, made here. */
const BATCH = 32;
/** Instructions that a hot block waits at most for others when regions are made here. */
const MAX_WAIT = 500_000;
/** The same for a message to the service. */
const ASK_BATCH = 16;
const ASK_WAIT = 200_000;
/** Requests to the service without an answer; what becomes hot then counts anew. */
const MAX_OPEN = 512;
/** Noted blocks in a message; what is left goes with a look at calls (LOOKS). */
const NOTE_BATCH = 64;
/** Thresholds that a block counts once more while it waits; after that it goes first. */
const HURRY = 8;
/**
 * Jumps to unknown places, of those looked at, before a region is translated again, four times as many for the next time;
 * times that happens.
 */
const MISSES = 24;
const RETRANSLATIONS = 8;
/** Calls that leave a region before that, and looks at jumps between two looks at them. */
const CALLS = 20_000;
const LOOKS = 256;
/** Instructions between two looks at jumps: about as many as a vCPU runs in one go where it has no VM exits. */
const LOOK_EVERY = 45_000;
const RETIRED = at('retired');

export class Tier {
  private readonly state: StateView;
  private readonly memory: StateView;
  private readonly translator: RegionTranslator;
  private readonly source: RegionSource;
  private readonly table: RegionTable;
  private readonly installer: RegionInstaller;
  private readonly options: TierOptions;
  private client: TranslationClient | null = null;
  /** What earlier runs translated. */
  readonly kept: KeptCode | null = null;
  /** Blocks are to be noted before they are hot: the service works ahead for later runs. */
  readonly notes: boolean = false;
  private noted: Hot[] = [];
  private queue: Hot[] = [];
  /** Asked of the service: by id, and the ids by the block's key. */
  private readonly wanted = new Map<number, Hot>();
  private readonly wantedKeys = new Map<bigint, number>();
  private lastId = 0;
  private hurried: number[] = [];
  /** Instruction count when the first block of the queue was found waiting; -1: none. */
  private waitingSince = -1;
  private readonly jumps: KnownJumps;
  private looks = 0;
  /** Instruction count at the last look. */
  private lookedAt = 0;
  private readonly counters = {
    compiled: 0,
    modules: 0,
    codeBytes: 0,
    reused: 0,
    refused: 0,
    retranslated: 0,
    stored: 0,
    stale: 0,
    translateMs: 0,
    compileMs: 0,
    workerTranslateMs: 0,
    workerCompileMs: 0,
  };

  constructor(
    private readonly parts: TierParts,
    options: Partial<TierOptions> = {},
  ) {
    const { memory, area, parallel, features, service } = parts;
    const served = service?.alive === true && parts.shared && options.eager !== true && options.mixed !== true;
    this.options = { ...TIER_DEFAULTS, ...options };
    this.state = new StateView(memory.buffer, area);
    this.jumps = new KnownJumps(this.state);
    this.memory = new StateView(memory.buffer, 0);
    this.translator = new RegionTranslator(parts.decoder);
    const { maxInstructions } = this.options;
    const making = { memory, area, parallel, maxInstructions, ...(features && { features }) };
    const subject: Subject = { ...making, seed: seedOfSubject(making) };
    this.source = new RegionSource(subject, this.translator);
    this.table = new RegionTable(memory.buffer, this.state, parts.regions, parts.procedures, parts.interpreter);
    this.installer = new RegionInstaller(parts, this.table, (hot) => this.source.isCurrent(hot), subject.seed);
    this.state.setU32(at('jitThreshold'), this.options.threshold);
    if (served) {
      this.client = service.open(subject);
      this.kept = service.keptCode(subject);
      this.notes = service.worksAhead;
    }
  }
  get statistics(): TierStatistics {
    const { state } = this;
    return {
      retired: state.counter(at('regionRetired')),
      entries: state.counter(at('regionEntries')),
      regions: this.table.count,
      waiting: this.wanted.size + this.queue.length,
      ...this.counters,
    };
  }
  get totals(): TranslationTotals {
    const { translateMs, compileMs } = this.counters;
    return { retired: this.state.counter(at('regionRetired')), spentMs: translateMs + compileMs };
  }
  /** No more regions are made. */
  close(): void {
    this.client?.close();
    this.client = null;
    this.wanted.clear();
    this.wantedKeys.clear();
  }

  /** The block of a counting record was entered often: it is translated at the next `work`. */
  hot(record: number): void {
    const countedFor = this.memory.u8(record + RECORD.extra);
    this.memory.setU8(record + RECORD.extra, COUNTED_FOR.translation);
    const hot: Hot = {
      record,
      key: this.memory.u64(record - BLOCK.sizeBytes + BLOCK.key),
      // regions are made of flat code only: RIP is the linear address
      linearPage: this.state.u64(at('codePage')),
      paging: pagingOf(this.state),
    };
    if (countedFor === COUNTED_FOR.note) {
      this.note(hot);
      return;
    }
    if (countedFor === COUNTED_FOR.known) {
      if (!this.takesKept(hot)) this.countFromNow(hot);
      return;
    }
    if (this.client !== null && this.isWanted(hot)) return;
    this.queue.push(hot);
    if (this.options.eager) this.work();
  }
  /** Installs what is ready, has translated what is waiting. */
  work(): void {
    if (this.options.mixed) this.table.closeSome();
    const looks = this.looksNow() && ++this.looks % LOOKS === 0;
    if (looks) this.lookAtCalls();
    if (this.noted.length >= (looks ? 1 : NOTE_BATCH)) this.sendNotes();
    if (this.client !== null) this.serve(this.client);
    else if (this.queue.length > 0) this.workHere();
  }

  /** Looks at what regions noted, where the guest has run for a while since the last time. */
  private looksNow(): boolean {
    const now = this.state.counter(RETIRED);
    if (now - this.lookedAt < LOOK_EVERY) return false;
    this.lookedAt = now;
    this.lookAtJumps();
    return true;
  }

  /** The block is not hot yet: it goes on being counted until it is. */
  private note(block: Hot): void {
    const entries = this.memory.u32(block.record + RECORD.imm + 4);
    this.count(block.record, entries * (NOTE_SHARE - 1), entries * NOTE_SHARE);
    this.noted.push(block);
  }
  private sendNotes(): void {
    this.client?.note(this.noted);
    this.noted = [];
  }

  // --- by the service ---
  /** It is asked for already: then it counts once more, and goes first at the end of that. */
  private isWanted(hot: Hot): boolean {
    const id = this.wantedKeys.get(hot.key);
    if (id === undefined) return false;
    // the block may have been decoded again since
    this.wanted.set(id, hot);
    this.hurried.push(id);
    this.countAgain(hot, this.options.threshold * HURRY);
    return true;
  }
  private serve(client: TranslationClient): void {
    for (const answer of client.take()) this.take(answer);
    if (!client.alive) {
      this.takeBack();
      return;
    }
    const { queue, hurried } = this;
    const waiting = queue.length + hurried.length;
    if (waiting === 0 || (waiting < ASK_BATCH && this.waitsForOthers(ASK_WAIT))) return;
    this.waitingSince = -1;
    this.queue = [];
    this.hurried = [];
    const start = hostMs();
    if (hurried.length > 0) client.hurry(hurried);
    const wanted = queue.filter((hot) => {
      if (!this.source.isCurrent(hot) || this.wantedKeys.has(hot.key) || this.takesKept(hot)) return false;
      if (this.wanted.size < MAX_OPEN && !this.source.wasCovered(hot)) return true;
      this.countAgain(hot);
      return false;
    });
    this.ask(client, wanted);
    this.counters.translateMs += hostMs() - start;
  }
  private ask(client: TranslationClient, blocks: readonly Hot[], again = 0, deep = false): void {
    if (blocks.length === 0) return;
    const requests = blocks.map((hot) => {
      const id = ++this.lastId;
      this.wanted.set(id, hot);
      this.wantedKeys.set(hot.key, id);
      this.countAgain(hot, this.options.threshold * HURRY);
      return { id, hot, jumps: this.jumps.around(hot), again, deep };
    });
    client.request(requests);
  }
  private answered(id: number): Hot | null {
    const hot = this.wanted.get(id);
    if (hot === undefined) return null;
    this.wanted.delete(id);
    this.wantedKeys.delete(hot.key);
    return hot;
  }
  private take(answer: FromTranslator): void {
    const start = hostMs();
    const { counters } = this;
    counters.workerTranslateMs += answer.translateMs;
    counters.workerCompileMs += answer.compileMs;
    for (const id of [...answer.covered, ...answer.stale]) {
      const hot = this.answered(id);
      if (hot !== null) this.countAgain(hot);
    }
    for (const id of answer.refused) {
      const hot = this.answered(id);
      counters.refused++;
      if (hot !== null) this.giveUp(hot);
    }
    const { module, codeBytes } = answer;
    if (module !== null) {
      const regions = answer.regions.flatMap(({ id, ...region }): NewRegion[] => {
        const hot = this.answered(id);
        return hot === null ? [] : [{ ...region, hot }];
      });
      this.add({ module, codeBytes, regions, stored: 0 });
    }
    counters.compileMs += hostMs() - start;
  }
  /** The service has given up: what it was asked for is translated here. */
  private takeBack(): void {
    this.queue.push(...this.wanted.values());
    this.close();
  }

  // --- on this thread ---
  private workHere(): void {
    const { queue } = this;
    if (!this.options.eager && queue.length < BATCH && this.waitsForOthers(MAX_WAIT)) return;
    this.waitingSince = -1;
    this.queue = [];
    for (let n = 0; n < queue.length; n += BATCH) this.batch(queue.slice(n, n + BATCH));
  }
  private batch(blocks: readonly Hot[], again = 0, deep = false): void {
    const start = hostMs();
    const ready: { hot: Hot; translated: Translated }[] = [];
    for (const hot of blocks) {
      if (!this.source.isCurrent(hot) || (again === 0 && this.reuse(hot))) continue;
      const translated = this.source.translate(hot, { jumps: this.jumps.around(hot), again, deep });
      if (translated === 'covered') this.countAgain(hot);
      else if (translated !== null) ready.push({ hot, translated });
      else {
        this.counters.refused++;
        this.giveUp(hot);
      }
    }
    let compiling = start;
    if (ready.length > 0) {
      const plans = ready.map((r) => r.translated.plan);
      const wasm = this.translator.assemble(plans, this.parts.shared);
      compiling = hostMs();
      const regions = ready.map(({ hot, translated: { plan, contents } }, index): NewRegion => {
        return { index, hot, plan, contents, again, deep };
      });
      const module = new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>);
      this.add({ module, codeBytes: wasm.length, regions, stored: 0 });
      this.counters.compileMs += hostMs() - compiling;
    } else compiling = hostMs();
    this.counters.translateMs += compiling - start;
  }

  // --- both ---
  private add(made: NewModule): void {
    const { counters } = this;
    if (!this.installer.uses(made.stored)) {
      counters.modules++;
      counters.codeBytes += made.codeBytes;
    }
    counters[made.stored === 0 ? 'compiled' : 'stored'] += made.regions.length;
    for (const { hot } of this.installer.add(made)) {
      counters.stale++;
      this.countAgain(hot);
    }
  }
  /** What waits has not done so for `instructions` yet. */
  private waitsForOthers(instructions: number): boolean {
    const now = this.state.counter(at('retired'));
    if (this.waitingSince < 0) this.waitingSince = now;
    return now - this.waitingSince < instructions;
  }
  private reuse(hot: Hot): boolean {
    if (!this.installer.reuse(hot, this.source.pageFinder(hot))) return false;
    this.counters.reused++;
    return true;
  }
  /** What was compiled before serves the block: in this run, or in an earlier one. */
  private takesKept(hot: Hot): boolean {
    const start = hostMs();
    const reused = this.reuse(hot);
    const module = reused ? null : (this.kept?.take(hot, this.source) ?? null);
    if (module !== null) this.add(module);
    this.counters.compileMs += hostMs() - start;
    return reused || module !== null;
  }
  /** The block gets another count before it is looked at again. */
  private countAgain(hot: Hot, count = this.options.threshold): void {
    // it stays known that it is hot: other regions go on there
    if (this.isIdle(hot)) this.count(hot.record, count, 2 * count);
  }
  private count(record: number, left: number, all: number): void {
    this.memory.setU32(record + RECORD.imm, left);
    this.memory.setU32(record + RECORD.imm + 4, all);
    this.memory.setU16(record + RECORD.handler, this.state.u32(at('countHandler')));
  }
  /** No earlier run made a region of that very block: it counts as any other from now on. */
  private countFromNow(hot: Hot): void {
    if (!this.notes) {
      this.countAgain(hot);
      return;
    }
    if (!this.isIdle(hot)) return;
    const count = Math.max(1, Math.floor(this.options.threshold / NOTE_SHARE));
    this.count(hot.record, count, count);
    this.memory.setU8(hot.record + RECORD.extra, COUNTED_FOR.note);
  }
  /** The block is not counted any more. */
  private giveUp(hot: Hot): void {
    if (this.isIdle(hot)) this.memory.setU16(hot.record + RECORD.handler, this.state.u32(at('skipHandler')));
  }
  /** The record is the block's, and enters no region. */
  private isIdle(hot: Hot): boolean {
    if (!this.source.isCurrent(hot)) return false;
    const handler = this.memory.u16(hot.record + RECORD.handler);
    return handler === this.state.u32(at('skipHandler')) || handler === this.state.u32(at('countHandler'));
  }
  /** Learns where indirect jumps go; regions that often jump to places they do not know are translated again. */
  private lookAtJumps(): void {
    const { installed } = this.installer;
    this.jumps.look(
      (source) => {
        // one of an earlier run is not made again, and that run knew more
        const from = this.table.isValid(source) ? installed.get(source) : undefined;
        return from === undefined || from.kept ? null : from.hot;
      },
      (source, times, learned) => {
        const from = installed.get(source);
        if (from === undefined) return;
        from.misses += times;
        if (learned) from.learned = true;
        if (from.misses < MISSES << (2 * from.again) || !from.learned || from.again >= RETRANSLATIONS) return;
        from.misses = Number.NEGATIVE_INFINITY;
        this.counters.retranslated++;
        this.makeAgain(from.hot, from.again + 1, from.deep);
      },
    );
  }
  private makeAgain(hot: Hot, again: number, deep: boolean): void {
    if (this.client === null) this.batch([hot], again, deep);
    else if (this.source.isCurrent(hot) && !this.wantedKeys.has(hot.key)) this.ask(this.client, [hot], again, deep);
  }
  /** Regions that were often left by calls are translated again together with what they call. */
  private lookAtCalls(): void {
    for (const [place, from] of this.installer.installed) {
      if (from.kept || from.deep || this.table.callsOf(place) < CALLS || !this.table.isValid(place)) continue;
      from.deep = true;
      this.counters.retranslated++;
      this.makeAgain(from.hot, from.again + 1, true);
    }
  }
}
