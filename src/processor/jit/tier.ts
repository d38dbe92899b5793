// Tier 1 of a vCPU: takes blocks that were entered often, translates regions from them and installs those. Works between
// two runs of the interpreter. See README.md "Regions".
import { ConfigError } from '../../base/index.js';
import type { Decoder } from '../../isa/index.js';
import type { Interpreter, Procedures } from '../modules.js';
import { at, BLOCK, BLOCK_HASH_ENTRIES, JUMP_TARGETS, RECORD, REGION, REGION_PAGES } from '../state-layout.js';
import { StateView } from '../state-view.js';
import { CodeCache, type CompiledRegion, linesOf } from './code-cache.js';
import { CodePages, type PagingRegisters, pagingOf } from './code-pages.js';
import { PAGE, type RegionRequest } from './discover.js';
import { modeOfKey } from './instruction.js';
import { type RegionPlan, RegionTranslator } from './region.js';
import { type RegionFunction, RegionTable } from './region-table.js';

export interface TierOptions {
  /** Entries of a block before it is translated. */
  readonly threshold: number;
  readonly maxInstructions: number;
  /** Translates a block as soon as it is hot instead of between two runs of the interpreter. */
  readonly eager: boolean;
  /** Closes random regions for a while: code changes between translated and interpreted at any time. */
  readonly mixed: boolean;
}
export const TIER_DEFAULTS: TierOptions = { threshold: 24_000, maxInstructions: 500, eager: false, mixed: false };

/** How hot code is run: translated, only interpreted; for tests: all of it translated at once, and that now and then not. */
export type JitMode = 'on' | 'off' | 'forced' | 'mixed';
export const JIT_MODES: Record<JitMode, Partial<TierOptions> | null> = {
  on: {},
  off: null,
  forced: { threshold: 1, eager: true },
  mixed: { threshold: 20, eager: true, mixed: true },
};
/** The mode of that name; on when there is none. Throws ConfigError. */
export function jitMode(name: string | undefined): JitMode {
  if (name === undefined || name === '') return 'on';
  if (Object.hasOwn(JIT_MODES, name)) return name as JitMode;
  throw new ConfigError('JIT_MODE', `JIT mode '${name}': expected ${Object.keys(JIT_MODES).join(', ')}`);
}

export interface TierParts {
  readonly memory: WebAssembly.Memory;
  /** Host addresses of the state area and of the region table. */
  readonly area: number;
  readonly regions: number;
  readonly procedures: Procedures;
  readonly interpreter: Interpreter;
  readonly decoder: Decoder;
  /** Other threads run vCPUs of the same memory. */
  readonly parallel: boolean;
  /** The memory is shared. */
  readonly shared: boolean;
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
  readonly translateMs: number;
  readonly compileMs: number;
}
interface Hot {
  readonly record: number;
  readonly key: bigint;
  /** Linear address of the first byte of the page. */
  readonly linearPage: bigint;
  readonly paging: PagingRegisters;
}
interface Ready {
  readonly hot: Hot;
  readonly plan: RegionPlan;
  /** What was translated, by the plan's pages. */
  readonly contents: readonly Uint8Array[];
}

/** Regions per module. */
const BATCH = 32;
/** Instructions that a hot block waits at most for others. */
const MAX_WAIT = 500_000;
/**
 * Jumps to unknown places, of those looked at, before a region is translated again, four times as many for the next time;
 * times that happens.
 */
const MISSES = 24;
const RETRANSLATIONS = 8;
/** All code is dropped when more than this is alive. */
const MAX_CODE_BYTES = 48 << 20;
const MAX_DEPTH = 3;
const HASH_MASK = BLOCK_HASH_ENTRIES - 1;
/** Host clock for the translator's own time: the engine's may be a guest's. */
const hostMs = (): number => (globalThis as { readonly performance?: { now(): number } }).performance?.now() ?? 0;
/** A page and the beginning of what follows: a decoder reads up to 15 bytes at once. */
const COPY_BYTES = PAGE + 64;

export class Tier {
  private readonly state: StateView;
  private readonly memory: StateView;
  private readonly bytes: Uint8Array;
  private readonly pages: CodePages;
  private readonly translator: RegionTranslator;
  private readonly cache: CodeCache;
  private readonly table: RegionTable;
  private readonly options: TierOptions;
  private queue: Hot[] = [];
  /** Instruction count when the first block of the queue was found waiting; -1: none. */
  private waitingSince = -1;
  /** Copies of the code pages that are being translated: what another vCPU writes meanwhile is not seen half. */
  private readonly copies = new Uint8Array(4 * REGION_PAGES * COPY_BYTES);
  /** Blocks inside regions, by host address: they become entries of regions of their own only when reached from outside. */
  private readonly covered = new Set<number>();
  /** Targets of indirect jumps by linear page of the jump's region. */
  private readonly targets = new Map<bigint, Set<bigint>>();
  private jumpsSeen = 0;
  /** By place of the region: what it was made from. */
  private readonly installed = new Map<number, { hot: Hot; misses: number; again: number }>();
  private readonly counters = {
    compiled: 0,
    modules: 0,
    codeBytes: 0,
    reused: 0,
    refused: 0,
    retranslated: 0,
    translateMs: 0,
    compileMs: 0,
  };

  constructor(
    private readonly parts: TierParts,
    options: Partial<TierOptions> = {},
  ) {
    this.options = { ...TIER_DEFAULTS, ...options };
    const { buffer } = parts.memory;
    this.state = new StateView(buffer, parts.area);
    this.memory = new StateView(buffer, 0);
    this.bytes = new Uint8Array(buffer);
    this.pages = new CodePages(this.state, this.memory);
    this.translator = new RegionTranslator(parts.decoder);
    this.cache = new CodeCache(this.bytes);
    this.table = new RegionTable(buffer, this.state, parts.regions, parts.procedures, parts.interpreter);
    this.state.setU32(at('jitThreshold'), this.options.threshold);
  }
  get statistics(): TierStatistics {
    const { state } = this;
    return {
      retired: state.counter(at('regionRetired')),
      entries: state.counter(at('regionEntries')),
      regions: this.table.count,
      ...this.counters,
    };
  }

  /** The block of a counting record was entered often: it is translated at the next `work`. */
  hot(record: number): void {
    const key = this.memory.u64(record - BLOCK.sizeBytes + BLOCK.key);
    this.queue.push({
      record,
      key,
      // regions are made of flat code only: RIP is the linear address
      linearPage: this.state.u64(at('codePage')),
      paging: pagingOf(this.state),
    });
    if (this.options.eager) this.work();
  }
  /** Translates and installs what is waiting. */
  work(): void {
    if (this.options.mixed) this.table.closeSome();
    if (this.state.u32(at('jumpMisses')) !== this.jumpsSeen) this.lookAtJumps();
    if (this.queue.length === 0) return;
    if (!this.options.eager && this.queue.length < BATCH) {
      // more of them share a module if they wait a little
      const now = this.state.counter(at('retired'));
      if (this.waitingSince < 0) this.waitingSince = now;
      if (now - this.waitingSince < MAX_WAIT) return;
    }
    this.waitingSince = -1;
    const { queue } = this;
    this.queue = [];
    for (let n = 0; n < queue.length; n += BATCH) this.batch(queue.slice(n, n + BATCH));
  }

  private batch(batch: readonly Hot[]): void {
    const start = hostMs();
    const ready: Ready[] = [];
    for (const hot of batch) {
      if (!this.isCurrent(hot) || this.putOff(hot) || this.reuse(hot)) continue;
      const planned = this.plan(hot);
      if (planned === null) this.counters.refused++;
      else ready.push(planned);
    }
    this.counters.translateMs += hostMs() - start;
    if (ready.length > 0) this.compile(ready);
  }
  private isCurrent(hot: Hot): boolean {
    return this.memory.u64(hot.record - BLOCK.sizeBytes + BLOCK.key) === hot.key;
  }
  /** A block that a region has inside gets another count before it becomes an entry too. */
  private putOff(hot: Hot): boolean {
    const host = Number(hot.key >> 8n);
    if (!this.covered.delete(host)) return false;
    this.memory.setU32(hot.record + RECORD.imm, this.options.threshold);
    this.memory.setU16(hot.record + RECORD.handler, this.state.u32(at('countHandler')));
    return true;
  }
  private plan(hot: Hot): Ready | null {
    const { request, copyOf } = this.request(hot);
    const plan = this.translator.plan(request);
    if (plan === null) return null;
    for (const host of plan.covers.slice(1)) this.covered.add(host);
    return { hot, plan, contents: plan.pages.map(({ page, lines }) => linesOf(this.copies, copyOf(page), lines)) };
  }
  private compile(ready: readonly Ready[], again = 0): void {
    const start = hostMs();
    const wasm = this.translator.assemble(
      ready.map((r) => r.plan),
      this.parts.shared,
    );
    const assembled = hostMs();
    if (this.cache.codeBytes + wasm.length > MAX_CODE_BYTES) this.dropAll();
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>), {
      env: { memory: this.parts.memory },
      procedures: this.parts.procedures as unknown as Record<string, never>,
      interpreter: this.parts.interpreter as unknown as Record<string, never>,
    });
    this.counters.translateMs += assembled - start;
    this.counters.compileMs += hostMs() - assembled;
    this.counters.modules++;
    this.counters.compiled += ready.length;
    this.counters.codeBytes += wasm.length;
    ready.forEach(({ hot, plan, contents }, n) => {
      const region: CompiledRegion = {
        run: exports[`r${n}`] as RegionFunction,
        instructions: plan.instructions,
        codeBytes: wasm.length / ready.length,
        pages: plan.pages.map(({ page, lines }, k) => ({ page, lines, content: contents[k] as Uint8Array })),
      };
      this.cache.add(Number(hot.key & 0xffn), Number(hot.key >> 8n), region);
      this.install(hot, region, plan.pages, again);
    });
  }
  private install(hot: Hot, region: CompiledRegion, pages: RegionPlan['pages'], again = 0): void {
    const place = this.table.install(hot.record, region.run, region.instructions, pages);
    this.installed.set(place, { hot, misses: 0, again });
    // marked as code by now: what was written before that shows here, what is written later drops the region
    if (!pages.every(({ host, lines }, n) => this.cache.holds(host, lines, region.pages[n]?.content as Uint8Array)))
      this.table.remove(place);
  }
  private reuse(hot: Hot): boolean {
    const entry = Number(hot.key >> 8n);
    const found = this.cache.find(Number(hot.key & 0xffn), entry, this.pageFinder(hot));
    if (found === null) return false;
    this.counters.reused++;
    this.install(hot, found.region, found.places);
    return true;
  }
  private dropAll(): void {
    this.table.clear();
    this.cache.clear();
    this.installed.clear();
  }

  private pageFinder(hot: Hot): (page: number) => number {
    const entryPage = Number(hot.key >> 8n) & ~(PAGE - 1);
    const known = new Map<number, number>([[0, entryPage]]);
    const ram = this.state.u32(at('ramHost'));
    const end = ram + this.state.u32(at('ramPages')) * PAGE;
    return (page) => {
      let host = known.get(page);
      if (host === undefined) {
        host = this.pages.host(hot.linearPage + BigInt(page) * BigInt(PAGE), hot.paging);
        if (host < ram || host >= end) host = 0;
        known.set(page, host);
      }
      return host;
    };
  }
  /** The request, and where the copy of a region page lies. */
  private request(hot: Hot): { request: RegionRequest; copyOf(page: number): number } {
    const mode = Number(hot.key & 0xffn);
    const jumps = [...(this.targets.get(hot.linearPage) ?? [])].map((rip) => Number(rip - hot.linearPage));
    const host = this.pageFinder(hot);
    const copied: number[] = [];
    const copyOf = (page: number): number => {
      let n = copied.indexOf(page);
      if (n < 0) {
        n = copied.push(page) - 1;
        const from = host(page);
        this.copies.set(this.bytes.subarray(from, from + PAGE + 16), n * COPY_BYTES);
      }
      return n * COPY_BYTES;
    };
    const request: RegionRequest = {
      code: { bytes: this.copies, host, offset: copyOf },
      entry: Number(hot.key >> 8n) & (PAGE - 1),
      mode: modeOfKey(mode),
      parallel: this.parts.parallel,
      maxInstructions: this.options.maxInstructions,
      maxPages: REGION_PAGES,
      maxDepth: MAX_DEPTH,
      executions: (where) => this.executions(where, mode),
      installed: (where) => this.installedAt(where, mode),
      cold: Math.max(1, this.options.threshold >> 5),
      jumpTargets: jumps,
    };
    return { request, copyOf };
  }
  /** Times the block at a host address was entered; -1: there is none. */
  private executions(host: number, mode: number): number {
    const record = this.recordAt(host, mode);
    if (record === 0) return -1;
    const { memory, state } = this;
    const { threshold } = this.options;
    const handler = memory.u16(record + RECORD.handler);
    if (handler === state.u32(at('regionHandler')) || handler === state.u32(at('skipHandler'))) return threshold;
    return handler === state.u32(at('countHandler')) ? threshold - memory.u32(record + RECORD.imm) : -1;
  }
  private installedAt(host: number, mode: number): number {
    const record = this.recordAt(host, mode);
    if (record === 0 || this.memory.u16(record + RECORD.handler) !== this.state.u32(at('regionHandler'))) return 0;
    return this.memory.u32(this.memory.u32(record + RECORD.imm + 4) + REGION.instructions);
  }
  /** First record of the block at a host address; 0: there is none. */
  private recordAt(host: number, mode: number): number {
    const { memory, state } = this;
    const h = Math.imul(host, 0x9e3779b1) ^ mode;
    const key = (BigInt(host) << 8n) | BigInt(mode);
    let block = memory.u32(state.u32(at('blockHash')) + ((h >>> 14) & HASH_MASK) * 4);
    while (block !== 0 && memory.u64(block + BLOCK.key) !== key) block = memory.u32(block + BLOCK.nextInHash);
    return block === 0 ? 0 : block + BLOCK.sizeBytes;
  }

  /** Learns where indirect jumps go; regions that often jump to places they do not know are translated again. */
  private lookAtJumps(): void {
    const { state } = this;
    const total = state.u32(at('jumpMisses'));
    const count = Math.min(JUMP_TARGETS, (total - this.jumpsSeen) >>> 0);
    this.jumpsSeen = total;
    for (let n = 1; n <= count; n++) {
      const place = (total - n) & (JUMP_TARGETS - 1);
      const source = state.u32(at('jumpSources') + place * 4);
      const from = this.installed.get(source);
      if (from === undefined || !this.table.isValid(source)) continue;
      const { hot } = from;
      const rip = state.u64(at('jumpTargets') + place * 8);
      if (rip < hot.linearPage - 0x10000n || rip > hot.linearPage + 0x10000n) continue;
      const known = this.targets.get(hot.linearPage) ?? new Set();
      this.targets.set(hot.linearPage, known.add(rip));
      if (++from.misses !== MISSES << (2 * from.again) || from.again >= RETRANSLATIONS) continue;
      this.counters.retranslated++;
      this.table.remove(source);
      this.installed.delete(source);
      this.again(hot, from.again + 1);
    }
  }
  private again(hot: Hot, again: number): void {
    if (!this.isCurrent(hot)) return;
    const planned = this.plan(hot);
    if (planned === null) return;
    this.compile([planned], again);
  }
}
