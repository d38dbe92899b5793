// Makes regions from a vCPU's memory: where code lies, how often it was entered, what it was when it was translated. Works on
// the vCPU's thread or, while the guest runs, on another one: nothing here is written, every chain and address is bounded, and
// who installs a region compares the code once more.
import { AREA, at, BLOCK, BLOCK_HASH_ENTRIES, RECORD, REGION, REGION_PAGES } from '../state-layout.js';
import { StateView } from '../state-view.js';
import { codeKey } from './code-key.js';
import type { KeptRegion } from './code-pack.js';
import { CodePages, type PagingRegisters, pagingOf } from './code-pages.js';
import { COUNTED_FOR, NOTE_SHARE } from './counting.js';
import { PAGE, pageOf, type RegionRequest } from './discover.js';
import type { PlanFacts } from './installer.js';
import { isUser, modeOfKey } from './instruction.js';
import type { RegionLimits } from './options.js';
import type { RegionPlan, RegionTranslator } from './region.js';
import { contentOf, slideOf } from './region-content.js';

/** A block that was entered often. */
export interface Hot {
  /** Host address of its counting record. */
  readonly record: number;
  /** Its block's key: mode and host address. */
  readonly key: bigint;
  /** Linear address of the first byte of the page. */
  readonly linearPage: bigint;
  readonly paging: PagingRegisters;
}
/** An indirect jump or call, and where it was seen to go: linear addresses. */
export interface Jump {
  readonly site: bigint;
  readonly target: bigint;
}
export const hostOfKey = (key: bigint): number => Number(key >> 8n);
export const modeOf = (key: bigint): number => Number(key & 0xffn);

export interface SourceMaking {
  readonly memory: WebAssembly.Memory;
  /** Host address of the state area. */
  readonly area: number;
  /** Other threads run vCPUs of the same memory. */
  readonly parallel: boolean;
  readonly maxInstructions: RegionLimits;
}
export interface Translated {
  readonly plan: RegionPlan;
  /** What was translated, by the plan's pages. */
  readonly contents: readonly Uint8Array[];
}

/** What a region is to be like. */
export interface Wish {
  /** Where indirect jumps of its page were seen to go (RIP). */
  readonly jumps?: readonly Jump[];
  /** Regions that the block has had. */
  readonly again?: number;
  /** Functions that it calls are to be translated with it. */
  readonly deep?: boolean;
  /** Entries of a hot block; absent: the vCPU's. */
  readonly threshold?: number;
}

/** How far a region goes: at first, and when it was left by calls often. */
const SHALLOW = { maxDepth: 3, maxInlined: 32, maxRepeated: 24 };
const DEEP = { maxDepth: 10, maxInlined: 250, maxRepeated: Number.POSITIVE_INFINITY };
/** So many times as many instructions make a deep region. */
const DEEP_FACTOR = 2;
const HASH_MASK = BLOCK_HASH_ENTRIES - 1;
/** Blocks with the same hash that are looked at. */
const MAX_CHAIN = 256;
/** Blocks inside regions that are remembered. */
const MAX_COVERED = 1 << 18;
/** A page and the beginning of what follows: a decoder reads up to 15 bytes at once. */
const COPY_BYTES = PAGE + 64;

export class RegionSource {
  private readonly state: StateView;
  private readonly memory: StateView;
  private readonly bytes: Uint8Array;
  private readonly pages: CodePages;
  /** Copies of the code pages that are being translated: what is written meanwhile is not seen half. */
  private readonly copies = new Uint8Array(4 * REGION_PAGES * COPY_BYTES);
  /** Blocks inside regions, by host address: they become entries of regions of their own only when reached from outside. */
  private readonly covered = new Set<number>();

  constructor(
    private readonly making: SourceMaking,
    private readonly translator: RegionTranslator,
  ) {
    const { buffer } = making.memory;
    this.state = new StateView(buffer, making.area);
    this.memory = new StateView(buffer, 0);
    this.bytes = new Uint8Array(buffer);
    this.pages = new CodePages(this.state, this.memory);
  }

  /** Entries that make a block hot, for one of typical length. */
  get threshold(): number {
    return this.state.u32(at('jitThreshold'));
  }
  /** The record still belongs to the block that was hot. */
  isCurrent(hot: Hot): boolean {
    return this.memory.u64(hot.record - BLOCK.sizeBytes + BLOCK.key) === hot.key;
  }
  /**
   * The region of a hot block. 'covered': another region has the block inside, it is translated when it becomes hot once
   * more. null: not even its first instruction can be translated.
   */
  translate(hot: Hot, { jumps = [], again = 0, deep = false, threshold }: Wish): Translated | 'covered' | null {
    if (again === 0 && this.wasCovered(hot)) return 'covered';
    const { request, copyOf } = this.request(hot, jumps, deep, threshold ?? this.threshold);
    const plan = this.translator.plan(request);
    if (plan === null) return null;
    this.cover(plan);
    const contents = plan.pages.map(({ page, lines }, n) =>
      contentOf(this.copies, copyOf(page), lines, plan.counts[n] as Uint8Array),
    );
    return { plan, contents };
  }

  /** It will be run: its blocks but the first are inside of it. */
  cover({ covers }: PlanFacts): void {
    if (this.covered.size > MAX_COVERED) this.covered.clear();
    for (const host of covers.slice(1)) this.covered.add(host);
  }
  /** Another region has the block inside; the next time none has. */
  wasCovered({ key }: Hot): boolean {
    return this.covered.delete(hostOfKey(key));
  }

  /** The key of a hot block's code, as it is now. */
  keyOf({ key }: Hot, seed: number): number {
    return codeKey(seed, modeOf(key), this.bytes, hostOfKey(key));
  }
  /** What of a region does not depend on where its code lies. */
  keptOf(
    hot: Hot,
    seed: number,
    { instructions, pages, covers, relocations }: PlanFacts,
    again: number,
    deep: boolean,
  ): KeptRegion {
    const offsetOf = (host: number): number => {
      const { page } = pages.find((p) => host >= p.host && host < p.host + PAGE) as PlanFacts['pages'][number];
      return page * PAGE + (host & (PAGE - 1));
    };
    return {
      ...{ key: this.keyOf(hot, seed), instructions, again, deep, relocations },
      pages: pages.map(({ page, lines }) => ({ page, lines })),
      covers: covers.map(offsetOf),
    };
  }
  /** A region of an earlier run for a hot block; null: the code around it is not what that was made from. */
  fit(hot: Hot, kept: KeptRegion, contents: readonly Uint8Array[]): PlanFacts | null {
    const host = this.pageFinder(hot);
    const { instructions, relocations } = kept;
    const pages = kept.pages.map(({ page, lines }) => ({ page, lines, host: host(page) }));
    if (pages.some((page) => page.host === 0)) return null;
    const then = pages.map((page, n) => ({ ...page, content: contents[n] as Uint8Array }));
    const hosts = pages.map((page) => page.host);
    if (slideOf(this.bytes, then, hosts, relocations) === null) return null;
    const covers = kept.covers.map((offset) => host(pageOf(offset)) + (offset & (PAGE - 1)));
    return { instructions, blocks: covers.length, dispatches: 0, pages, covers, relocations };
  }

  /** Finds host addresses of the region pages around a hot block; 0: none. */
  pageFinder(hot: Hot): (page: number) => number {
    const entryPage = hostOfKey(hot.key) & ~(PAGE - 1);
    const known = new Map<number, number>([[0, entryPage]]);
    const ram = this.state.u32(at('ramHost'));
    const end = ram + this.state.u32(at('ramPages')) * PAGE;
    let paging: PagingRegisters | null = null;
    return (page) => {
      let host = known.get(page);
      if (host === undefined) {
        paging ??= this.pagingFor(hot, entryPage);
        host = this.pages.host(hot.linearPage + BigInt(page) * BigInt(PAGE), paging);
        if (host < ram || host >= end) host = 0;
        known.set(page, host);
      }
      return host;
    };
  }
  /**
   * Paging registers by which the code around a hot block is found: those in use may be another process's by now, and those
   * that it was hot with may lead to tables that are gone. The kernel's code is in all of them.
   */
  private pagingFor({ key, linearPage, paging }: Hot, entryPage: number): PagingRegisters {
    const now = pagingOf(this.state);
    const [first, second] = isUser(modeOf(key)) ? [paging, now] : [now, paging];
    return this.pages.host(linearPage, first) === entryPage ? first : second;
  }
  /** The request, and where the copy of a region page lies. */
  private request(
    hot: Hot,
    jumps: readonly Jump[],
    deep: boolean,
    threshold: number,
  ): { request: RegionRequest; copyOf(page: number): number } {
    const mode = modeOf(hot.key);
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
    const { maxInstructions } = this.making;
    const modeKey = modeOfKey(mode);
    const request: RegionRequest = {
      code: { bytes: this.copies, host, offset: copyOf },
      entry: hostOfKey(hot.key) & (PAGE - 1),
      mode: modeKey,
      area: this.making.area,
      tlb: this.making.area + (isUser(mode) ? AREA.tlbUser : AREA.tlbSupervisor),
      parallel: this.making.parallel,
      maxInstructions: maxInstructions[modeKey.codeBits === 64 ? 'long' : 'legacy'] * (deep ? DEEP_FACTOR : 1),
      maxPages: REGION_PAGES,
      ...(deep ? DEEP : SHALLOW),
      executions: (where) => this.executions(where, mode),
      installed: (where) => this.installedAt(where, mode),
      cold: Math.max(1, threshold >> 5),
      jumps: jumps.map(({ site, target }) => ({
        site: Number(site - hot.linearPage),
        target: Number(target - hot.linearPage),
      })),
    };
    return { request, copyOf };
  }
  /** Times the block at a host address was entered, for one of typical length; -1: there is none. */
  private executions(host: number, mode: number): number {
    const record = this.recordAt(host, mode);
    if (record === 0) return -1;
    const { memory, state, threshold } = this;
    const handler = memory.u16(record + RECORD.handler);
    if (handler === state.u32(at('regionHandler')) || handler === state.u32(at('skipHandler'))) return threshold;
    if (handler !== state.u32(at('countHandler'))) return -1;
    const left = memory.u32(record + RECORD.imm);
    const all = memory.u32(record + RECORD.imm + 4);
    // a longer count: the block was hot and waits for its region
    if (left > all) return threshold;
    const full = memory.u8(record + RECORD.extra) === COUNTED_FOR.note ? threshold / NOTE_SHARE : threshold;
    return Math.floor(((all - left) * full) / Math.max(1, all));
  }
  /** Entries of a block, for one of typical length; -1: it is gone, has a region or waits for one. */
  entriesOf(hot: Hot): number {
    if (!this.isCurrent(hot)) return -1;
    const entries = this.executions(hostOfKey(hot.key), modeOf(hot.key));
    return entries >= this.threshold ? -1 : entries;
  }
  /** Instructions of the region that is entered at a host address; 0: there is none. */
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
    const arena = state.u32(at('arena'));
    const arenaEnd = state.u32(at('arenaEnd')) - BLOCK.sizeBytes - RECORD.sizeBytes;
    let block = memory.u32(state.u32(at('blockHash')) + ((h >>> 14) & HASH_MASK) * 4);
    for (let left = MAX_CHAIN; left > 0 && block >= arena && block <= arenaEnd; left--) {
      if (memory.u64(block + BLOCK.key) === key) return block + BLOCK.sizeBytes;
      block = memory.u32(block + BLOCK.nextInHash);
    }
    return 0;
  }
}
