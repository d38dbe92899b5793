// A minimal region translator: the blocks of one code page that direct branches reach from one entry become one WebAssembly
// function, made from the same declarations as the interpreter. See docs/decisions/0003-one-declaration-three-uses.md.
//
// region(state) -> record: runs from the state's RIP (which must be the entry) and leaves with the whole state in the area.
// Returns 0 when RIP is to be looked up (or an exit is pending), else the record at which the interpreter goes on.
import { Decoded, type Decoder } from '../../isa/index.js';
import type { Binding, KnownFlags, Value } from '../emit/binding.js';
import { addConditionFunctions } from '../emit/conditions.js';
import {
  emitNote,
  POSITION,
  type RegionControl,
  type RegionLocals,
  type RegisterUse,
  TranslationBinding,
} from '../emit/translation-binding.js';
import { type FunctionBuilder, type Label, ModuleBuilder } from '../emit/wasm.js';
import { WasmSem } from '../emit/wasm-sem.js';
import { importProcedures } from '../generate-interpreter.js';
import { at, FLAGS_KIND, RECORD } from '../state-layout.js';
import { type Effects, effectsOf, endsRegion, STATUS_FLAGS } from './effects.js';
import { buildFlow, type Flow, isBackEdge, type RegionBlock } from './flow.js';
import { RegionInstruction, type RegionMode } from './instruction.js';

const PAGE = 4096;
const STATE = 0;
const MAX_RETURN_SPAN = 2048;

export interface RegionRequest {
  readonly bytes: Uint8Array;
  /** Host address of the code page, page offset of the entry. */
  readonly page: number;
  readonly entry: number;
  readonly mode: RegionMode;
  readonly maxInstructions: number;
  /** Page offsets that indirect jumps of this page were seen to reach. */
  readonly jumpTargets: ReadonlySet<number>;
  /** Host address of a 64-bit word and its value: while it is that, the page's code is what was translated. */
  readonly guard: { readonly address: number; readonly value: bigint };
}
export interface Region {
  readonly wasm: Uint8Array;
  /** Instructions translated; the region runs only while the budget is at least that. */
  readonly instructions: number;
  readonly blocks: number;
  /** 64-byte lines of the page that the code lies in. */
  readonly lines: bigint;
  /** Structured control flow; false: a dispatch loop (irreducible). */
  readonly structured: boolean;
}

/** What is known of the lazy flags at a point: their code (as in flagsKind), or null. */
type FlagsCode = number | null;
type Transfer = FlagsCode | 'same';

export class RegionTranslator {
  private readonly decoded = new Decoded();
  constructor(private readonly decoder: Decoder) {}

  /** Null when not even the first instruction can be translated. */
  translate(request: RegionRequest): Region | null {
    if (!request.mode.flat) return null;
    const { decoded, leaders, sites } = this.discover(request);
    if (!decoded.has(request.entry)) return null;
    const flow = buildFlow(decoded, request.entry, leaders, { return: sites, jump: request.jumpTargets });
    const live = liveness(flow);
    const first = new RegionEmitter(request, flow, live, null);
    first.emit();
    const second = new RegionEmitter(request, flow, live, first);
    const wasm = second.emit();
    let lines = 0n;
    for (const block of flow.blocks) {
      for (const i of block.instructions)
        for (let line = i.offset >> 6; line <= Math.min(63, (i.next - 1) >> 6); line++) lines |= 1n << BigInt(line);
    }
    return { wasm, instructions: second.total, blocks: flow.blocks.length, lines, structured: flow.reducible };
  }

  /** Whether `count` instructions from a page offset end in an indirect jump. */
  endsInJump(bytes: Uint8Array, host: number, count: number, mode: RegionMode): boolean {
    let offset = host;
    for (let n = 0; n < count; n++) {
      const length = this.decoder.decode(bytes, offset, 15, mode, this.decoded);
      if (length === 0 || this.decoded.form === undefined) return false;
      offset += length;
    }
    return this.decoded.form?.instruction.name === 'jmp' && this.decoded.form.operands[0]?.kind !== 'rel';
  }

  private discover(request: RegionRequest): {
    decoded: Map<number, { instruction: RegionInstruction; effects: Effects }>;
    leaders: Set<number>;
    sites: Set<number>;
  } {
    const { bytes, page, mode, maxInstructions } = request;
    const decoded = new Map<number, { instruction: RegionInstruction; effects: Effects }>();
    const leaders = new Set([request.entry]);
    const sites = new Set<number>();
    const work = [request.entry];
    while (work.length > 0) {
      let offset = work.shift() as number;
      while (offset >= 0 && offset < PAGE && !decoded.has(offset) && decoded.size < maxInstructions) {
        const length = this.decoder.decode(bytes, page + offset, PAGE - offset, mode, this.decoded);
        if (length === 0 || this.decoded.invalid || this.decoded.tooLong) break;
        const instruction = new RegionInstruction(offset, this.decoded, mode);
        if (!translatable(instruction)) break;
        const effects = effectsOf(instruction);
        if (effects.leaves || ((effects.direct || effects.indirect) && instruction.facts.opBits === 16)) break;
        decoded.set(offset, { instruction, effects });
        const { next } = instruction;
        // a call is followed only where the region recurses into itself
        const isCall = instruction.form.instruction.name === 'call';
        if (effects.direct && isCall && instruction.target !== request.entry) break;
        if (effects.direct) {
          leaders.add(instruction.target);
          work.push(instruction.target);
          leaders.add(next);
          if (effects.conditional) work.push(next);
          else if (isCall) {
            sites.add(next);
            work.push(next);
          }
          break;
        }
        if (effects.indirect) {
          if (instruction.form.instruction.name === 'jmp') {
            for (const target of request.jumpTargets) {
              leaders.add(target);
              work.push(target);
            }
          }
          break;
        }
        offset = next;
      }
    }
    return { decoded, leaders, sites };
  }
}

/** Instructions that may change the mode and, outside 64-bit mode, operands in FS and GS end a region. */
function translatable(i: RegionInstruction): boolean {
  if (endsRegion(i.form.instruction)) return false;
  return i.facts.long || !(i.hasMem ? i.segment >= 4 : i.segmentOverride >= 4);
}

/** Status flags that may be looked at after each instruction. A fault, an exit and a back edge look at all. */
function liveness(flow: Flow): Map<RegionInstruction, number> {
  const liveIn = new Int32Array(flow.blocks.length);
  const after = new Map<RegionInstruction, number>();
  const through = (block: RegionBlock): number => {
    const leaves =
      block.indirect !== 'no' ||
      (block.taken < 0 && block.fall < 0) ||
      [block.taken, block.fall].some((o) => o >= 0 && !flow.byOffset.has(o)) ||
      outside(block);
    let live = leaves ? STATUS_FLAGS : 0;
    for (const next of block.successors)
      live |= isBackEdge(block, next) ? STATUS_FLAGS : (liveIn[next.order] as number);
    for (let n = block.instructions.length - 1; n >= 0; n--) {
      const e = block.effects[n] as Effects;
      if (e.writesMemory) live = STATUS_FLAGS;
      after.set(block.instructions[n] as RegionInstruction, live);
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
/** A direct branch that goes before the page's first byte. */
const outside = (block: RegionBlock): boolean => {
  const last = block.effects[block.effects.length - 1];
  return last?.direct === true && block.taken < 0;
};

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

class UsedNames extends Map<string, number> {
  readonly used = new Set<string>();
  override get(name: string): number | undefined {
    this.used.add(name);
    return super.get(name);
  }
}

/** Emits the region's module: once to learn what it uses, once for good. */
class RegionEmitter {
  private readonly module = new ModuleBuilder();
  private readonly imports: UsedNames;
  private readonly conditions: number[];
  private conditionsUsed = false;
  private readonly f: FunctionBuilder;
  private readonly s: WasmSem;
  private readonly locals: RegionLocals;
  private readonly exitRip: number;
  /** i32: 1 when the exit is an indirect jump. */
  private readonly exitKind: number;
  private readonly next: number;
  private readonly use: RegisterUse;
  private readonly binding: TranslationBinding;
  private readonly transfers = new Map<number, Transfer>();
  private readonly startFlags: readonly FlagsCode[];
  readonly total: number;
  private exitLabel: Label = 0;
  private dispatchLabel: Label = 0;
  private readonly forward = new Map<number, Label>();
  private readonly loops = new Map<number, Label>();
  private readonly control: { -readonly [K in keyof RegionControl]: RegionControl[K] };
  private block!: RegionBlock;

  constructor(
    private readonly request: RegionRequest,
    private readonly flow: Flow,
    private readonly live: ReadonlyMap<RegionInstruction, number>,
    first: RegionEmitter | null,
  ) {
    this.total = flow.blocks.reduce((n, b) => n + b.instructions.length, 0);
    this.imports = new UsedNames(importProcedures(this.module, first?.imports.used));
    this.conditions = first === null || first.conditionsUsed ? addConditionFunctions(this.module) : [];
    const note = this.module.function(['i32', 'i32', 'i32', 'i32'], []);
    emitNote(note);
    const f = this.module.function(['i32'], ['i32'], 'region');
    this.f = f;
    this.locals = {
      gpr: Array.from({ length: 16 }, () => f.newLocal('i64')),
      codePage: f.newLocal('i64'),
      tlb: f.newLocal('i32'),
      budget: f.newLocal('i32'),
      stale: f.newLocal('i32'),
      flagsKind: f.newLocal('i32'),
      flagsA: f.newLocal('i64'),
      flagsB: f.newLocal('i64'),
    };
    this.exitRip = f.newLocal('i64');
    this.exitKind = f.newLocal('i32');
    this.next = f.newLocal('i32');
    this.use = first?.use ?? { read: new Set(), written: new Set() };
    this.binding = new TranslationBinding(this.locals, this.use, note.index);
    const conditions = new Proxy(this.conditions, {
      get: (target, name) => {
        this.conditionsUsed = true;
        return target[Number(name)];
      },
    });
    this.s = new WasmSem(f, this.imports, this.binding as Binding, STATE, conditions);
    this.startFlags = first === null ? flow.blocks.map(() => null) : flagsAtStart(flow, first.transfers);
    this.control = {
      blockLength: 0,
      order: 0,
      faultLabel: 0,
      syncedFaultLabel: 0,
      branchDirect: (_s, taken) => this.branch(taken ? this.block.taken : this.block.fall, taken),
      branchIndirect: (_s, rip) => this.branchIndirect(rip),
      checkStale: () => {
        const { guard } = this.request;
        f.i32(guard.address).memory('i64.load').i64(guard.value).op('i64.ne').set(this.locals.stale);
      },
    };
  }

  emit(): Uint8Array {
    const { f, locals, binding, control, total } = this;
    f.get(STATE).memory('i32.load', at('budget')).tee(locals.budget).i32(total).op('i32.lt_s').if(false);
    f.i32(0).return().end();
    f.get(STATE).memory('i64.load', at('codePage')).set(locals.codePage);
    f.get(STATE).memory('i32.load', at('tlb')).set(locals.tlb);
    binding.loadRegisters(f);
    binding.loadFlags(f);
    this.exitLabel = f.block();
    control.syncedFaultLabel = f.block();
    control.faultLabel = f.block();
    if (this.flow.reducible) this.emitTree(0);
    else this.emitDispatch();
    f.op('unreachable').end();
    binding.writeBackRegisters(f);
    binding.writeBackFlags(f);
    f.end();
    f.get(STATE)
      .i32(POSITION)
      .op('i32.add')
      .call(this.imports.get('resolve') as number)
      .return();
    f.end();
    binding.writeBackRegisters(f);
    binding.writeBackFlags(f);
    f.get(STATE).get(locals.budget).memory('i32.store', at('budget'));
    f.get(STATE).get(this.exitRip).memory('i64.store', at('rip'));
    f.get(STATE).i32(0).memory('i32.store', at('unwind'));
    f.get(STATE)
      .get(this.exitKind)
      .memory('i32.store', POSITION + RECORD.handler);
    f.i32(0);
    return this.module.finish();
  }
  private emitTree(n: number): void {
    const { f, flow } = this;
    const children = flow.children[n] as readonly number[];
    const isLoop = flow.loopHeaders.has(n);
    if (isLoop) this.loops.set(n, f.loop());
    for (const child of [...children].reverse()) this.forward.set(child, f.block());
    this.emitBlock(flow.blocks[n] as RegionBlock);
    for (const child of children) {
      f.end();
      this.emitTree(child);
    }
    if (isLoop) f.end();
  }
  private emitDispatch(): void {
    const { f, flow } = this;
    this.dispatchLabel = f.loop();
    const labels = flow.blocks.map(() => f.block()).reverse();
    f.get(this.next).brTable(labels, labels[0] as Label);
    for (const block of flow.blocks) {
      f.end();
      this.emitBlock(block);
    }
    f.end();
  }

  /** Lazy flags of a known kind, operands taken from the locals where they are needed. */
  private knownFlags(code: FlagsCode): KnownFlags | null {
    if (code === null || code >> 2 === FLAGS_KIND.word) return null;
    const { s, locals } = this;
    const bits = (8 << (code & 3)) as 8 | 16 | 32 | 64;
    const take = (local: number, width: 8 | 16 | 32 | 64): Value => {
      s.f.get(local);
      if (width < 64) s.f.op('i32.wrap_i64');
      return s.take(width);
    };
    const kind = (['result', 'add', 'sub', 'logic', 'result'] as const)[code >> 2] as KnownFlags['kind'];
    return {
      kind,
      get a() {
        return take(locals.flagsA, bits);
      },
      get b() {
        return take(locals.flagsB, kind === 'result' ? 32 : bits);
      },
      get r() {
        if (kind === 'add') return s.add(this.a, this.b);
        return kind === 'sub' ? s.sub(this.a, this.b) : this.a;
      },
    };
  }
  private emitBlock(block: RegionBlock): void {
    const { f, s, binding, control, locals } = this;
    this.block = block;
    const length = block.instructions.length;
    f.get(locals.budget).i32(length).op('i32.sub').set(locals.budget);
    control.blockLength = length;
    binding.startBlock();
    let code = this.startFlags[block.order] as FlagsCode;
    let transfer: Transfer = 'same';
    for (let n = 0; n < length; n++) {
      const instruction = block.instructions[n] as RegionInstruction;
      const effects = block.effects[n] as Effects;
      control.order = n;
      binding.start(instruction, control, this.live.get(instruction) as number);
      s.begin(binding);
      const known = this.knownFlags(code);
      s.known = known;
      instruction.form.instruction.execute(s, ...instruction.form.operands);
      if (effects.flagsTouched && (s.known !== known || known === null)) {
        code = s.known === null ? null : codeOf(s.known);
        transfer = code;
      }
      this.transfers.set(block.order, transfer);
      if (effects.direct || effects.indirect) {
        if (effects.conditional) this.branch(block.fall);
        return;
      }
      if (binding.writes) {
        f.get(locals.stale).if(false);
        f.get(locals.budget)
          .i32(length - n - 1)
          .op('i32.add')
          .set(locals.budget);
        this.exitAt(instruction.next);
        f.end();
      }
    }
    binding.writes = false;
    this.branch(block.fall);
  }

  // --- leaving a block ---
  private exitAt(offset: number): void {
    this.s.push_(this.binding.rip(this.s, offset));
    this.f.set(this.exitRip).i32(0).set(this.exitKind).br(this.exitLabel);
  }
  /** Goes to a page offset: a block of the region, or out. */
  private branch(offset: number, taken = false): void {
    const { f, s } = this;
    const target = this.flow.byOffset.get(offset);
    if (target === undefined || target.order < 0) {
      if (taken && (offset < 0 || offset >= PAGE)) s.checkTarget(this.binding.rip(s, offset));
      this.exitAt(offset);
      return;
    }
    if (this.binding.writes) {
      f.get(this.locals.stale).if(false);
      this.exitAt(offset);
      f.end();
    }
    const back = isBackEdge(this.block, target);
    if (back) {
      f.get(this.locals.budget).i32(this.total).op('i32.lt_s').if(false);
      this.exitAt(offset);
      f.end();
    }
    this.jumpInside(target, back);
  }
  private jumpInside(target: RegionBlock, back: boolean): void {
    const { f } = this;
    if (!this.flow.reducible) f.i32(target.order).set(this.next).br(this.dispatchLabel);
    else f.br((back ? this.loops : this.forward).get(target.order) as Label);
  }
  private branchIndirect(rip: Value): void {
    const { f, s, locals, block } = this;
    s.push_(rip);
    f.set(this.exitRip)
      .i32(block.indirect === 'jump' ? 1 : 0)
      .set(this.exitKind);
    const sites = block.indirect === 'no' ? [] : this.flow.targets[block.indirect];
    const first = sites[0]?.start ?? 0;
    const span = (sites[sites.length - 1]?.start ?? 0) - first + 1;
    if (sites.length === 0 || span > MAX_RETURN_SPAN) {
      f.br(this.exitLabel);
      return;
    }
    if (this.binding.writes) f.get(locals.stale).brIf(this.exitLabel, false);
    f.get(locals.budget).i32(this.total).op('i32.lt_s').brIf(this.exitLabel, false);
    s.push_(rip);
    f.get(locals.codePage).op('i64.sub').i64(BigInt(first)).op('i64.sub');
    const offset = s.take(64);
    s.push_(offset);
    f.i64(BigInt(span)).op('i64.ge_u').brIf(this.exitLabel, false);
    if (this.flow.reducible) {
      const labels = Array.from({ length: span }, () => this.exitLabel);
      for (const site of sites)
        labels[site.start - first] = (isBackEdge(block, site) ? this.loops : this.forward).get(site.order) as Label;
      s.push_(offset);
      f.op('i32.wrap_i64').brTable(labels, this.exitLabel);
      return;
    }
    for (const site of sites) {
      s.push_(offset);
      f.i64(BigInt(site.start - first))
        .op('i64.eq')
        .if();
      this.jumpInside(site, false);
      f.end();
    }
    f.br(this.exitLabel);
  }
}
const codeOf = (known: KnownFlags): number => FLAGS_KIND[known.kind] * 4 + Math.log2(known.r.bits / 8);
