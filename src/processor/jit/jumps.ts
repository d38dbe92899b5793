// Where indirect jumps and calls of translated code were seen to go: regions note the places that they do not know
// (jumpTargets of the state area), what is translated next knows them.
import { at, FAR_JUMP, JUMP_TARGETS } from '../state-layout.js';
import type { StateView } from '../state-view.js';
import type { Hot, Jump } from './region-source.js';

/** Places that one jump is known to go to, at most. */
const MAX_TARGETS = 64;
const PAGE_SIZE = 4096n;
const PAGE_MASK = ~(PAGE_SIZE - 1n);
/** Pages of a block's far jumps. */
const MAX_FAR_PAGES = 16;
/** Distance from a region's entry at which jumps are looked for: code of a program calls its table of jumps to libraries. */
const REACH = 48n * PAGE_SIZE;
/** Distance of a target from the region's entry. */
const MAX_JUMP = BigInt(FAR_JUMP);

interface KnownJump extends Jump {
  /** How many were known before. */
  readonly order: number;
}
/** One jump that was noted so many times: host address of the region, offset of the jump from its entry's page. */
interface Noted {
  readonly source: number;
  readonly offset: number;
  readonly place: number;
  readonly low: number;
  count: number;
}

/** The jumps of a page. */
interface PageJumps {
  /** By place and distance (jumpKey). */
  readonly jumps: Map<number, KnownJump>;
  /** How many places each goes to, by its place in the page. */
  readonly targets: Map<number, number>;
}
/** Of a jump at an offset of its page that goes so far, less than 2^30 either way. */
const jumpKey = (offset: number, distance: number): number => offset * 2 ** 31 + distance + 2 ** 30;

export class KnownJumps {
  /** By the linear page of the jump. */
  private readonly known = new Map<bigint, PageJumps>();
  private count = 0;
  /** Jumps that were known when the region of a block was asked for. */
  private readonly asked = new WeakMap<Hot, number>();
  /** Pages beyond that reach in which regions of the block jumped to unknown places: in functions that they contain. */
  private readonly far = new WeakMap<Hot, Set<bigint>>();
  private seen = 0;

  constructor(private readonly state: StateView) {}

  /** Jumps around a block, for its translation. */
  around(hot: Hot): readonly Jump[] {
    const { linearPage } = hot;
    this.asked.set(hot, this.count);
    const far = this.far.get(hot);
    const found: Jump[] = [];
    for (const [page, { jumps }] of this.known)
      if ((page >= linearPage - REACH && page <= linearPage + REACH) || far?.has(page))
        for (const { site, target } of jumps.values()) found.push({ site, target });
    return found;
  }
  /**
   * Learns from what regions noted since the last time; `miss` gets each region, how often it jumped to a place that it does
   * not know, and whether it would know that place if it was translated now. `blockOf`: the block of a region.
   */
  look(blockOf: (source: number) => Hot | null, miss: (source: number, times: number, learned: boolean) => void): void {
    const { state } = this;
    const total = state.u32(at('jumpMisses'));
    if (total === this.seen) return;
    for (const { source, offset, place, count } of this.noted(total)) {
      const hot = blockOf(source);
      if (hot === null) continue;
      const { linearPage } = hot;
      const target = state.u64(at('jumpTargets') + place * 8);
      if (target < linearPage - MAX_JUMP || target > linearPage + MAX_JUMP) continue;
      const site = linearPage + BigInt(offset);
      const near = site >= linearPage - REACH && site <= linearPage + REACH;
      const news = !near && this.noteFar(hot, site & PAGE_MASK);
      const known = this.learn(site, target);
      const after = this.asked.get(hot) ?? Number.POSITIVE_INFINITY;
      miss(source, count, known !== null && (news || known.order >= after));
    }
    this.seen = total;
  }
  /** True: the page was not known for the block. */
  private noteFar(hot: Hot, page: bigint): boolean {
    const far = this.far.get(hot);
    if (far === undefined) this.far.set(hot, new Set([page]));
    else if (far.has(page) || far.size >= MAX_FAR_PAGES) return false;
    else far.add(page);
    return true;
  }
  /** The last jumps, each different one once. */
  private noted(total: number): readonly Noted[] {
    const { state } = this;
    const found: Noted[] = [];
    const count = Math.min(JUMP_TARGETS, (total - this.seen) >>> 0);
    for (let n = 1; n <= count; n++) {
      const place = (total - n) & (JUMP_TARGETS - 1);
      const source = state.u32(at('jumpSources') + place * 4);
      const offset = state.i32(at('jumpSites') + place * 4);
      const low = state.u32(at('jumpTargets') + place * 8);
      const before = found.find((jump) => jump.low === low && jump.source === source && jump.offset === offset);
      if (before === undefined) found.push({ source, offset, place, low, count: 1 });
      else before.count++;
    }
    return found;
  }
  /** Null: the jump goes to too many places. */
  private learn(site: bigint, target: bigint): KnownJump | null {
    const page = site & PAGE_MASK;
    let known = this.known.get(page);
    if (known === undefined) {
      known = { jumps: new Map(), targets: new Map() };
      this.known.set(page, known);
    }
    const offset = Number(site - page);
    const key = jumpKey(offset, Number(target - site));
    const before = known.jumps.get(key);
    if (before !== undefined) return before;
    const targets = known.targets.get(offset) ?? 0;
    if (targets >= MAX_TARGETS) return null;
    const jump = { site, target, order: this.count++ };
    known.jumps.set(key, jump);
    known.targets.set(offset, targets + 1);
    return jump;
  }
}
