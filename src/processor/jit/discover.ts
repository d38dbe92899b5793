// Which instructions a region consists of: from its entry along branches, calls and returns to code that was executed often.
// A call is followed with a context of its own for the callee, so that its return goes to one place.
import { Decoded, type Decoder } from '../../isa/index.js';
import { type Effects, effectsOf, endsRegion } from './effects.js';
import { RegionInstruction, type RegionMode } from './instruction.js';

export const PAGE = 4096;
/** Code by region page: 0 holds the entry, others are pages before and behind it in linear addresses. */
export interface RegionCode {
  readonly bytes: Uint8Array;
  /** Where a region page lies in `bytes`, with the 16 bytes behind it; asked only for pages that have a host address. */
  offset(page: number): number;
  /** Host address of a region page, or 0. */
  host(page: number): number;
}
export interface RegionRequest {
  readonly code: RegionCode;
  /** Page offset of the entry. */
  readonly entry: number;
  readonly mode: RegionMode;
  /** Other threads run vCPUs of the same memory. */
  readonly parallel: boolean;
  readonly maxInstructions: number;
  readonly maxPages: number;
  /** Calls inside calls that are followed. */
  readonly maxDepth: number;
  /** Times the block at a host address was entered; -1: never seen. */
  executions(host: number): number;
  /** Blocks entered less often are left out. */
  readonly cold: number;
  /** Where indirect jumps were seen to go: offsets from the entry's page. */
  readonly jumpTargets: readonly number[];
}

/** Offsets are relative to the first byte of the entry's page. */
export interface Edge {
  readonly offset: number;
  /** Node it leads to; it may not have been translated. */
  readonly key: number;
}
export interface Step {
  readonly instruction: RegionInstruction;
  readonly effects: Effects;
  readonly taken: Edge | null;
  /** Where an indirect branch may go. */
  readonly targets: readonly Edge[];
}
export interface Discovery {
  readonly steps: ReadonlyMap<number, Step>;
  readonly leaders: ReadonlySet<number>;
  readonly entry: number;
  /** Region pages in the order of REGION.page. */
  readonly pages: readonly number[];
}

const OFFSET_BIAS = 2 ** 31;
export const keyOf = (context: number, offset: number): number => context * 2 ** 32 + offset + OFFSET_BIAS;
export const offsetOf = (key: number): number => (key % 2 ** 32) - OFFSET_BIAS;
export const contextOf = (key: number): number => Math.floor(key / 2 ** 32);
export const pageOf = (offset: number): number => Math.floor(offset / PAGE);

interface Context {
  readonly parent: number;
  /** Offset that the callee returns to, and of its first instruction. */
  readonly site: number;
  readonly callee: number;
  readonly depth: number;
}
interface Work {
  readonly key: number;
  readonly weight: number;
}
/** Weight of code that is reached without a block of its own. */
const SURE = Number.MAX_SAFE_INTEGER;

export class Discoverer {
  private readonly decoded = new Decoded();
  private readonly crossing = new Uint8Array(32);
  private request!: RegionRequest;
  private instructions = new Map<number, { instruction: RegionInstruction; effects: Effects } | null>();
  private steps = new Map<number, Step>();
  private leaders = new Set<number>();
  private contexts: Context[] = [];
  private pages: number[] = [];
  private sites: Edge[] = [];
  private work: Work[] = [];

  constructor(private readonly decoder: Decoder) {}

  /** Null when not even the first instruction can be translated. */
  discover(request: RegionRequest): Discovery | null {
    this.request = request;
    this.instructions = new Map();
    this.steps = new Map();
    this.contexts = [{ parent: -1, site: -1, callee: request.entry, depth: 0 }];
    this.pages = [0];
    this.sites = [];
    const entry = keyOf(0, request.entry);
    this.leaders = new Set([entry]);
    this.work = [{ key: entry, weight: SURE }];
    for (let next = this.hottest(); next !== undefined; next = this.hottest()) this.follow(next);
    if (!this.steps.has(entry)) return null;
    return { steps: this.steps, leaders: this.leaders, entry, pages: this.pages };
  }

  private hottest(): Work | undefined {
    const { work } = this;
    let best = 0;
    for (let n = 1; n < work.length; n++) if ((work[n] as Work).weight > (work[best] as Work).weight) best = n;
    return work.splice(best, 1)[0];
  }
  /** The page of an offset is one of the region's, or becomes one. */
  private takePage(offset: number): boolean {
    const page = pageOf(offset);
    if (this.pages.includes(page)) return true;
    if (this.pages.length >= this.request.maxPages || this.request.code.host(page) === 0) return false;
    this.pages.push(page);
    return true;
  }
  private executions(offset: number): number {
    const host = this.request.code.host(pageOf(offset));
    return host === 0 ? -1 : this.request.executions(host + offset - pageOf(offset) * PAGE);
  }
  private enqueue(key: number, weight: number): void {
    this.leaders.add(key);
    if (!this.steps.has(key)) this.work.push({ key, weight });
  }
  /** Follows a branch to `key` if the code there was executed often enough. */
  private branchTo(key: number): void {
    const weight = this.executions(offsetOf(key));
    if (weight >= this.request.cold) this.enqueue(key, weight);
    else if (this.steps.has(key)) this.leaders.add(key);
  }

  private instructionAt(offset: number): { instruction: RegionInstruction; effects: Effects } | null {
    const known = this.instructions.get(offset);
    if (known !== undefined) return known;
    const found = this.decode(offset);
    this.instructions.set(offset, found);
    return found;
  }
  private decode(offset: number): { instruction: RegionInstruction; effects: Effects } | null {
    const { code, mode } = this.request;
    const page = pageOf(offset);
    const inPage = offset - page * PAGE;
    const from = code.offset(page) + inPage;
    const { decoded, decoder } = this;
    const available = PAGE - inPage;
    let length = decoder.decode(code.bytes, from, available, mode, decoded);
    if (length === 0 && available < 15) {
      if (!this.takePage(offset + available)) return null;
      const next = code.offset(page + 1);
      this.crossing.set(code.bytes.subarray(from, from + available));
      this.crossing.set(code.bytes.subarray(next, next + 16), available);
      length = decoder.decode(this.crossing, 0, 32, mode, decoded);
    }
    if (length === 0 || decoded.invalid || decoded.tooLong) return null;
    const instruction = new RegionInstruction(offset, decoded, mode, this.request.parallel);
    if (!translatable(instruction)) return null;
    const effects = effectsOf(instruction);
    if (effects.leaves || ((effects.direct || effects.indirect) && instruction.facts.opBits === 16)) return null;
    return { instruction, effects };
  }

  private follow(from: Work): void {
    const context = contextOf(from.key);
    let offset = offsetOf(from.key);
    for (;;) {
      const key = keyOf(context, offset);
      if (this.steps.has(key)) return;
      if (this.steps.size >= this.request.maxInstructions || !this.takePage(offset)) return;
      const found = this.instructionAt(offset);
      if (found === null) return;
      const { instruction, effects } = found;
      const { next } = instruction;
      // a node lies in one page; an instruction that crosses into the next one is the only one that does
      const crosses = pageOf(next - 1) !== pageOf(offset);
      if (crosses) this.leaders.add(key);
      if (pageOf(next) !== pageOf(offset)) this.leaders.add(keyOf(context, next));
      if (effects.direct) {
        this.direct(key, context, found.instruction, effects, from.weight);
        return;
      }
      if (effects.indirect) {
        this.indirect(key, context, instruction, effects);
        return;
      }
      this.steps.set(key, { instruction, effects, taken: null, targets: [] });
      offset = next;
    }
  }
  private direct(key: number, context: number, instruction: RegionInstruction, effects: Effects, weight: number): void {
    const { target, next } = instruction;
    if (instruction.form.instruction.name !== 'call') {
      const taken = { offset: target, key: keyOf(context, target) };
      this.steps.set(key, { instruction, effects, taken, targets: [] });
      this.branchTo(taken.key);
      if (effects.conditional) {
        this.leaders.add(keyOf(context, next));
        this.branchTo(keyOf(context, next));
      }
      return;
    }
    const callee = this.calleeContext(context, instruction);
    const taken = { offset: target, key: callee < 0 ? -1 : keyOf(callee, target) };
    this.steps.set(key, { instruction, effects, taken, targets: [] });
    if (callee < 0) return;
    if (callee === 0) this.sites.push({ offset: next, key: keyOf(context, next) });
    else this.enqueue(taken.key, this.executions(target));
    this.enqueue(keyOf(context, next), Math.min(weight, this.executions(target)));
  }
  /** Context to follow a call in: a new one, 0 for recursion into the entry, -1: the call leaves the region. */
  private calleeContext(context: number, instruction: RegionInstruction): number {
    const { target, next } = instruction;
    const { entry, maxDepth, cold } = this.request;
    if (context === 0 && target === entry) return 0;
    const { depth } = this.contexts[context] as Context;
    if (depth >= maxDepth || this.executions(target) < cold) return -1;
    for (let n = context; n >= 0; n = (this.contexts[n] as Context).parent)
      if ((this.contexts[n] as Context).callee === target) return -1;
    if (!this.takePage(target) || this.instructionAt(target) === null) return -1;
    this.contexts.push({ parent: context, site: next, callee: target, depth: depth + 1 });
    return this.contexts.length - 1;
  }
  private indirect(key: number, context: number, instruction: RegionInstruction, effects: Effects): void {
    const { name } = instruction.form.instruction;
    let targets: Edge[] = [];
    if (name === 'ret') {
      const { parent, site } = this.contexts[context] as Context;
      // returns of the entry's own activation may go to any site of a recursive call
      targets = context === 0 ? this.sites : [{ offset: site, key: keyOf(parent, site) }];
    } else if (name === 'jmp') {
      targets = this.request.jumpTargets.map((offset) => ({ offset, key: keyOf(context, offset) }));
      for (const target of targets) this.branchTo(target.key);
    }
    this.steps.set(key, { instruction, effects, taken: null, targets });
  }
}

/** Their procedures look for the number of a general register in the decoded record. */
const READS_RECORD = new Set(['mov_from_cr', 'mov_to_cr', 'mov_from_dr', 'mov_to_dr']);
/** Instructions that may change the mode and, outside 64-bit mode, operands in CS (never writable), FS and GS end a region. */
function translatable(i: RegionInstruction): boolean {
  if (endsRegion(i.form.instruction) || READS_RECORD.has(i.form.instruction.name)) return false;
  const segment = i.hasMem ? i.segment : i.segmentOverride;
  return i.facts.long || (segment !== 1 && segment < 4);
}
