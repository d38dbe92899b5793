// Which instructions a region consists of: from its entry along branches, calls and returns to code that was executed often.
// A call is followed with a context of its own for the callee, so that its return goes to one place.
import { Decoded, type Decoder, OPERAND_KIND } from '../../isa/index.js';
import { type Effects, EffectsCache, mayBeLast } from './effects.js';
import { InstructionCode, RegionInstruction, type RegionMode } from './instruction.js';
import { mayRelocate, type Relocated, relocatedOf } from './relocation.js';

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
  /** Host addresses of the state area and of the TLB of the code's privilege level. */
  readonly area: number;
  readonly tlb: number;
  /** Other threads run vCPUs of the same memory. */
  readonly parallel: boolean;
  readonly maxInstructions: number;
  readonly maxPages: number;
  /** Calls inside calls that are followed. */
  readonly maxDepth: number;
  /** Instructions of a function that is translated at each of its calls, and of one that has a region of its own already. */
  readonly maxInlined: number;
  readonly maxRepeated: number;
  /** Times the block at a host address was entered; -1: never seen. */
  executions(host: number): number;
  /** Instructions of the region that the block at a host address is the entry of; 0: of none. */
  installed(host: number): number;
  /** Blocks entered less often are left out. */
  readonly cold: number;
  /** Where indirect jumps and calls were seen to go: offsets of both from the entry's page. */
  readonly jumps: readonly { readonly site: number; readonly target: number }[];
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
  /** Places in functions that it calls where the limit of instructions ended it: they may not reach their returns. */
  readonly cut: ReadonlySet<number>;
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

/** An instruction that was decoded, with its bytes. */
class KnownCode {
  /** `bytes`: none where it is not kept. */
  constructor(
    readonly code: InstructionCode,
    readonly effects: Effects,
    readonly bytes: Uint8Array,
  ) {}
  /** They are the bytes there. */
  isAt(code: Uint8Array, from: number): boolean {
    const { bytes } = this;
    for (let n = 0; n < bytes.length; n++) if (bytes[n] !== code[from + n]) return false;
    return true;
  }
}
const NO_BYTES = new Uint8Array(0);
/** Decoded instructions that are kept for other regions. */
const MAX_KNOWN = 50_000;
/** What of a mode decoding depends on, below 8. */
const modeNumber = ({ codeBits, stackBits }: RegionMode): number =>
  (codeBits >> 5) * 2 + (stackBits >> 5 === 1 ? 1 : 0);

export class Discoverer {
  private readonly decodedBefore = new Map<number, KnownCode>();
  private readonly effects = new EffectsCache();
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
  private small = new Map<number, boolean>();
  private cut = new Set<number>();

  constructor(private readonly decoder: Decoder) {}

  /** Null when not even the first instruction can be translated. */
  discover(request: RegionRequest): Discovery | null {
    this.request = request;
    this.instructions = new Map();
    this.steps = new Map();
    this.contexts = [{ parent: -1, site: -1, callee: request.entry, depth: 0 }];
    this.pages = [0];
    this.sites = [];
    this.small = new Map();
    this.cut = new Set();
    const entry = keyOf(0, request.entry);
    this.leaders = new Set([entry]);
    this.work = [{ key: entry, weight: SURE }];
    for (let next = this.hottest(); next !== undefined; next = this.hottest()) this.follow(next);
    // the interpreter does one that ends a region as well
    if (this.steps.get(entry)?.effects.ends !== false) return null;
    return { steps: this.steps, leaders: this.leaders, entry, pages: this.pages, cut: this.cut };
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
    if (!this.canTakePage(page)) return false;
    if (!this.pages.includes(page)) this.pages.push(page);
    return true;
  }
  private canTakePage(page: number): boolean {
    if (this.pages.includes(page)) return true;
    return this.pages.length < this.request.maxPages && this.request.code.host(page) !== 0;
  }
  /** Host address of the code at an offset, or 0. */
  private hostOf(offset: number): number {
    const page = pageOf(offset);
    const host = this.request.code.host(page);
    return host === 0 ? 0 : host + offset - page * PAGE;
  }
  private executions(offset: number): number {
    const host = this.hostOf(offset);
    return host === 0 ? -1 : this.request.executions(host);
  }
  /** The code there has a region of its own that is too large to be translated once more. */
  private isElsewhere(offset: number): boolean {
    if (offset === this.request.entry) return false;
    const host = this.hostOf(offset);
    return host !== 0 && this.request.installed(host) > this.request.maxRepeated;
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
    const decoded = this.decodeAt(offset);
    const found =
      decoded === null
        ? null
        : {
            instruction: new RegionInstruction(offset, decoded.code, this.relocated(offset, decoded.code)),
            effects: decoded.effects,
          };
    this.instructions.set(offset, found);
    return found;
  }
  /** What of an instruction follows its address: only the kernel's code is looked at, and not across pages. */
  private relocated(offset: number, instruction: InstructionCode): Relocated | null {
    const { code, mode } = this.request;
    const inPage = offset & (PAGE - 1);
    if (!mayRelocate(mode.key) || inPage + instruction.length > PAGE) return null;
    return relocatedOf(instruction, code.bytes, code.offset(pageOf(offset)) + inPage);
  }
  /** Decodes, or finds what was decoded for another region from the same bytes. */
  private decodeAt(offset: number): KnownCode | null {
    const { code, mode } = this.request;
    const page = pageOf(offset);
    const key = this.hostOf(offset) * 8 + modeNumber(mode);
    const from = code.offset(page) + offset - page * PAGE;
    const known = this.decodedBefore.get(key);
    if (known?.isAt(code.bytes, from)) return known;
    const decoded = this.decode(offset);
    if (decoded === null) return null;
    if (this.decodedBefore.size >= MAX_KNOWN) this.decodedBefore.clear();
    const { length } = decoded.code;
    // one that crosses the page border is decoded anew: its second part may lie anywhere
    const crosses = from + length > code.offset(page) + PAGE;
    const found = new KnownCode(
      decoded.code,
      decoded.effects,
      crosses ? NO_BYTES : code.bytes.slice(from, from + length),
    );
    if (!crosses) this.decodedBefore.set(key, found);
    return found;
  }
  private decode(offset: number): { code: InstructionCode; effects: Effects } | null {
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
    const instruction = new InstructionCode(decoded, mode, this.request.parallel);
    if (!translatable(instruction)) return null;
    const effects = this.effects.of(instruction);
    if (effects.ends && !mayBeLast(instruction.form.instruction.name)) return null;
    if (!plainInSegment(instruction, effects)) return null;
    if ((effects.leaves && !effects.ends) || ((effects.direct || effects.indirect) && instruction.facts.opBits === 16))
      return null;
    return { code: instruction, effects };
  }

  private follow(from: Work): void {
    const context = contextOf(from.key);
    let offset = offsetOf(from.key);
    for (;;) {
      const key = keyOf(context, offset);
      if (this.steps.has(key)) return;
      if (this.steps.size >= this.request.maxInstructions) {
        if (context !== 0) this.cut.add(key);
        return;
      }
      if (!this.takePage(offset)) return;
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
      if (effects.ends) return;
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
    const callee = this.calleeContext(context, target, next);
    const taken = { offset: target, key: callee < 0 ? -1 : keyOf(callee, target) };
    this.steps.set(key, { instruction, effects, taken, targets: [] });
    if (callee < 0) return;
    if (callee === 0) this.sites.push({ offset: next, key: keyOf(context, next) });
    else this.enqueue(taken.key, this.executions(target));
    this.enqueue(keyOf(context, next), Math.min(weight, this.executions(target)));
  }
  /** Context to follow a call in: a new one, 0 for recursion into the entry, -1: the call leaves the region. */
  private calleeContext(context: number, target: number, next: number): number {
    const { entry, maxDepth, cold } = this.request;
    if (context === 0 && target === entry) return 0;
    const { depth } = this.contexts[context] as Context;
    if (depth >= maxDepth || this.executions(target) < cold) return -1;
    for (let n = context; n >= 0; n = (this.contexts[n] as Context).parent)
      if ((this.contexts[n] as Context).callee === target) return -1;
    if (this.isElsewhere(target) || !this.isSmall(target) || !this.takePage(target)) return -1;
    this.contexts.push({ parent: context, site: next, callee: target, depth: depth + 1 });
    return this.contexts.length - 1;
  }
  /** The executed part of a function is short enough to be translated at each of its calls. */
  private isSmall(target: number): boolean {
    const known = this.small.get(target);
    if (known !== undefined) return known;
    const page = pageOf(target);
    if (!this.canTakePage(page) || this.instructionAt(target) === null) return false;
    const seen = new Set<number>();
    const starts = [target];
    for (let start = starts.pop(); start !== undefined && seen.size <= this.request.maxInlined; start = starts.pop()) {
      for (let offset = start; !seen.has(offset) && seen.size <= this.request.maxInlined; ) {
        const found = pageOf(offset) === page ? this.instructionAt(offset) : null;
        if (found === null) break;
        seen.add(offset);
        const { instruction, effects } = found;
        offset = instruction.next;
        if (effects.ends) break;
        if (effects.indirect && instruction.form.instruction.name !== 'call') break;
        if (!effects.direct || instruction.form.instruction.name === 'call') continue;
        if (this.executions(instruction.target) >= this.request.cold) starts.push(instruction.target);
        if (!effects.conditional || this.executions(offset) < this.request.cold) break;
      }
    }
    const small = seen.size <= this.request.maxInlined;
    this.small.set(target, small);
    return small;
  }
  /** Where an indirect jump or call was seen to go. */
  private targetsOf({ offset }: RegionInstruction): number[] {
    return this.request.jumps.flatMap(({ site, target }) => (site === offset ? [target] : []));
  }
  /** Follows an indirect call to the small functions that it was seen to call. */
  private calls(context: number, instruction: RegionInstruction): Edge[] {
    const { next } = instruction;
    const targets: Edge[] = [];
    for (const offset of this.targetsOf(instruction)) {
      if (targets.length === MAX_CALLEES) break;
      const callee = this.calleeContext(context, offset, next);
      if (callee <= 0) continue;
      const key = keyOf(callee, offset);
      targets.push({ offset, key });
      this.enqueue(key, this.executions(offset));
      this.enqueue(keyOf(context, next), this.executions(offset));
    }
    return targets;
  }
  private indirect(key: number, context: number, instruction: RegionInstruction, effects: Effects): void {
    const { name } = instruction.form.instruction;
    let targets: Edge[] = [];
    if (name === 'ret') {
      const { parent, site } = this.contexts[context] as Context;
      // returns of the entry's own activation may go to any site of a recursive call
      targets = context === 0 ? this.sites : [{ offset: site, key: keyOf(parent, site) }];
    } else if (name === 'jmp') {
      targets = this.targetsOf(instruction).map((offset) => ({ offset, key: keyOf(context, offset) }));
      for (const target of targets) this.branchTo(target.key);
    } else if (name === 'call') targets = this.calls(context, instruction);
    this.steps.set(key, { instruction, effects, taken: null, targets });
  }
}

/** Targets of one indirect call that are followed. */
const MAX_CALLEES = 4;

/** Operands in FS and GS outside 64-bit mode: of plain instructions only, whose operand is what they access. */
function plainInSegment(i: InstructionCode, { calls }: Effects): boolean {
  if (i.facts.long || !i.hasMem || i.segment < 4) return true;
  const { encoding } = i.form.row;
  return (
    calls.length === 0 && encoding.noAccess !== true && i.form.operands.every((o) => o.kind !== 'mem' || o.bits <= 64)
  );
}
/** Their procedures look for the number of a general register in the decoded record. */
const READS_RECORD = new Set(['mov_from_dr', 'mov_to_dr']);
const SS = 2;
/** Loads of SS and, outside 64-bit mode, operands in CS (never writable) and strings in FS and GS end a region. */
function translatable(i: InstructionCode): boolean {
  const { name } = i.form.instruction;
  if (READS_RECORD.has(name)) return false;
  const loadsSegment = name === 'mov_to_sreg' || name === 'pop_sreg';
  if (loadsSegment && i.operands.some((o) => o.kind === OPERAND_KIND.segment && o.register === SS)) return false;
  if (i.facts.long) return true;
  return i.hasMem ? i.segment !== 1 : i.segmentOverride !== 1 && i.segmentOverride < 4;
}
