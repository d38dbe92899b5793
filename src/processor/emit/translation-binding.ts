// Operands bound at translation time: general registers in locals, constants folded, lazy flags in locals. The second
// Binding of WasmSem (the first, in generate-interpreter.ts, binds to decoded records at run time).
import { type Bits, type DecodedOperand, OPERAND_KIND, type Operand, PROCEDURES } from '../../isa/index.js';
import { MAPPING } from '../jit/contents.js';
import { effectsOf, forgetsAddresses, keepsFlags, keepsRegisters } from '../jit/effects.js';
import type { RegionInstruction } from '../jit/instruction.js';
import {
  at,
  FLAGS_KIND,
  fprOffset,
  gprOffset,
  RECORD,
  SEGMENT_ENTRY,
  segmentOffset,
  TLB_ENTRY,
} from '../state-layout.js';
import type { AddressSymbol, Binding, StaticFacts, TranslationHooks, Value } from './binding.js';
import { emitDivision } from './division.js';
import { lateImport } from './imports.js';
import { MemoryGroups } from './memory-groups.js';
import { RegisterCopies } from './register-copies.js';
import { SseInline } from './sse-inline.js';
import { SystemInline } from './system-inline.js';
import { VectorRegisters } from './vector-registers.js';
import type { FunctionBuilder, Label } from './wasm.js';
import { LOAD } from './wasm-memory.js';
import type { WasmSem } from './wasm-sem.js';
import { movedSymbol } from './wasm-values.js';
import { X87Inline } from './x87-inline.js';

/** Locals of a region function; its one parameter (local 0) is the host address of the state area. */
export interface RegionLocals {
  /** Sixteen, i64. */
  readonly gpr: readonly number[];
  /** i64: RIP of the page's first byte. */
  readonly codePage: number;
  /** i32: budget after the current block; a slow write hit translated code. */
  readonly budget: number;
  readonly stale: number;
  /** Lazy flags: i32 code, i64 operands, as in the state fields. */
  readonly flagsKind: number;
  readonly flagsA: number;
  readonly flagsB: number;
  /** i64: how far the code has moved since it was translated; only where something follows it. */
  readonly slide: number;
}
/** Which registers a region touches; found by a first pass, used by the second. General ones from 0, XMM ones from 16. */
export interface RegisterUse {
  readonly read: Set<number>;
  readonly written: Set<number>;
}

/** What is the same all over a region. */
export interface RegionShape {
  /** It is 64-bit code. */
  readonly long: boolean;
  /** General registers that it keeps in locals, by bits; the others stay in the state area. */
  readonly resident: number;
  /** Other threads run vCPUs of the same memory. */
  readonly parallel: boolean;
}

/** What the region translator does for the current instruction. */
export interface RegionControl {
  /** Instructions of the block, and of those before this one. */
  readonly blockLength: number;
  readonly order: number;
  /** Host address of the TLB. */
  readonly tlb: number;
  /** Another access of the block may share the TLB check of this instruction's. */
  readonly shares: boolean;
  /** Registers and flags have to be written back before the fault is resolved. */
  readonly faultLabel: Label;
  /** They have been written back already. */
  readonly syncedFaultLabel: Label;
  branchDirect(s: WasmSem, taken: boolean): void;
  branchIndirect(s: WasmSem, rip: Value): void;
  /** As much budget as can be used before the region looks at it again. */
  readonly reserve: number;
  /** Leaves the region at the next instruction. */
  leaveBehind(): void;
  /** Checks whether the block this region was made of is still what it was; sets the local `stale`. */
  checkStale(s: WasmSem): void;
  /** Likewise whether the mode is still the one that the region was translated for: behind checkStale(). */
  checkMode(s: WasmSem): void;
}

const STATE = 0;
/** Origins of addresses: of sums of RIP, of contents of registers and other sums; their number is bounded by a region's length. */
const PAGE_ORIGIN = 1;
const FIRST_ORIGIN = 2;
const ORIGINS = 0x20_0000;
/** Nothing is left to do behind their store. */
const ONLY_STORES = new Set(
  'mov movnti movaps movapd movups movupd movdqa movdqu movss movsd movd movq movlps movhps movlpd movhpd'.split(' '),
);
const NOTE_POSITION = lateImport('note_position');
const RANGE_HOST = lateImport('range_host');
const SLOW_ACCESS = { read: lateImport('slow_read'), rmw: lateImport('slow_rmw'), write: lateImport('slow_write') };

/** Control instructions leave the instruction pointer of the x87 FPU alone. SDM Vol. 1, "x87 FPU Instruction and Data Pointers". */
const X87_CONTROL =
  /^x87_(init|clear_exceptions|load_control|control_value|status_value|(store|load)_environment|save|restore)$/;

export class TranslationBinding implements Binding {
  readonly translation: TranslationHooks = this.hooks();
  instruction!: RegionInstruction;
  control!: RegionControl;
  liveFlags = 0;
  /** The slow path of a write was emitted for the current instruction. */
  writes = false;
  private synced = false;
  private readonly vectors: VectorRegisters;
  private sse: SseInline | null = null;
  private readonly system: SystemInline;
  private readonly x87: X87Inline;
  private readonly groups: MemoryGroups;
  private readonly copies = new RegisterCopies();
  /** Number of the block that is being emitted. */
  private block = 0;
  /** What each general register holds, in terms of contents of unknown origin. */
  private readonly symbols: AddressSymbol[] = [];
  private origins = FIRST_ORIGIN;
  /** Origins of sums, by what they are made of. */
  private readonly sums = new Map<number, number>();

  constructor(
    private readonly locals: RegionLocals,
    private readonly use: RegisterUse,
    private readonly shape: RegionShape,
  ) {
    this.vectors = new VectorRegisters(use);
    // another vCPU that translates code withdraws the page's write tags, but knows nothing of a range
    this.groups = new MemoryGroups(!shape.parallel);
    const binding = this;
    this.system = new SystemInline(locals, use, {
      get control() {
        return binding.control;
      },
      setStatusFlags: (s, word) => this.setStatusFlags(s, word),
    });
    this.x87 = new X87Inline({
      get offset() {
        return binding.instruction.offset;
      },
      get last() {
        return binding.control.order + 1 === binding.control.blockLength;
      },
      stale: locals.stale,
      rip: (s, offset) => this.rip(s, offset),
      pushPosition: (s) => void s.f.get(locals.budget).i32(this.position),
      unwind: (s) => this.unwind(s),
      afterSlowWrite: (s) => this.translation.afterSlowWrite(s),
      setStatusFlags: (s, word) => this.setStatusFlags(s, word),
    });
  }

  /** A block begins: nothing is known about earlier checks. `contents` of registers and MAPPING; null: unknown. */
  startBlock(contents: readonly (AddressSymbol | null)[]): void {
    this.system.forget();
    this.vectors.startBlock();
    this.x87.startBlock();
    this.block++;
    for (let n = 0; n <= MAPPING; n++) {
      const known = contents[n] ?? null;
      if (known === null) this.newOrigin(n);
      else this.symbols[n] = known;
    }
    this.copies.forgetAll();
  }
  /** What registers and MAPPING hold now. */
  get contents(): readonly AddressSymbol[] {
    return [...this.symbols];
  }
  /** Ranges that have been checked where the code is now; what is dominated by it may use them. */
  get ranges(): number {
    return this.groups.known;
  }
  forgetRanges(known: number): void {
    this.groups.forget(known);
  }
  /** Looks ahead of a loop whether the TLB has the bytes that it accesses at `delta` from what a register holds. */
  checkAhead(s: WasmSem, register: number, delta: number, writes: boolean): void {
    const isWrite = writes && !this.shape.parallel;
    const symbol = movedSymbol(this.symbols[register] as AddressSymbol, delta, this.fullBits);
    if (symbol === undefined || this.groups.find(symbol, this.mapping, this.block, 1, isWrite) !== null) return;
    this.pushRegister(s, register);
    s.f.i64(BigInt(delta)).op('i64.add');
    if (!this.shape.long) s.f.i64(0xffff_ffffn).op('i64.and');
    this.openRange(s, s.take(64), symbol, 1, isWrite);
  }
  private setStatusFlags(s: WasmSem, word: Value): void {
    this.translation.storeFlags(s, FLAGS_KIND.word * 4, word, null);
  }
  /** The last block has ended. */
  finish(f: FunctionBuilder): void {
    this.groups.finish(f);
  }
  private newOrigin(register: number): void {
    this.copies.forget(register);
    this.symbols[register] = { origin: this.origins++, delta: 0 };
  }
  start(instruction: RegionInstruction, control: RegionControl, liveFlags: number): void {
    this.instruction = instruction;
    this.control = control;
    this.liveFlags = liveFlags;
    this.synced = false;
    this.writes = false;
    this.vectors.startInstruction();
    this.x87.startInstruction(() => effectsOf(instruction.code).calls);
  }
  get facts(): StaticFacts {
    return this.instruction.facts;
  }

  // --- registers ---
  private local(register: number): number {
    return this.locals.gpr[register] as number;
  }
  private isResident(register: number): boolean {
    return ((this.shape.resident >> register) & 1) !== 0;
  }
  private pushRegister(s: WasmSem, register: number): void {
    if (this.isResident(register)) {
      this.use.read.add(register);
      s.f.get(this.local(register));
    } else if (!this.copies.push(s, register, 64)) s.state().memory('i64.load', gprOffset(register));
  }
  private readRegister(s: WasmSem, register: number, bits: Bits, high: boolean): Value {
    if (this.isResident(register)) {
      this.pushRegister(s, register);
      if (bits < 64) s.f.op('i32.wrap_i64');
      if (high) s.f.i32(8).op('i32.shr_u');
      if (bits < 32) s.f.i32((1 << bits) - 1).op('i32.and');
    } else if (high || !this.copies.push(s, register, bits))
      s.state().memory(LOAD[bits as 8], gprOffset(register) + (high ? 1 : 0));
    return s.take(bits, bits === this.fullBits ? this.symbols[register] : undefined);
  }
  /** Of a general register in the region's mode. */
  private get fullBits(): 32 | 64 {
    return this.shape.long ? 64 : 32;
  }
  private writeRegister(s: WasmSem, register: number, v: Value, high: boolean): void {
    if (v.symbol !== undefined && s.depth === 0 && v.bits === this.fullBits) this.symbols[register] = v.symbol;
    else this.newOrigin(register);
    if (!this.isResident(register)) {
      this.copies.write(s, register, v, high);
      return;
    }
    this.use.written.add(register);
    const local = this.local(register);
    if (v.bits >= 32) s.push_(s.zext(v, 64));
    else {
      this.use.read.add(register);
      const shift = high ? 8n : 0n;
      s.f
        .get(local)
        .i64(~(((1n << BigInt(v.bits)) - 1n) << shift))
        .op('i64.and');
      s.push_(s.zext(v, 64));
      if (high) s.f.i64(8n).op('i64.shl');
      s.f.op('i64.or');
    }
    s.f.set(local);
  }
  readGpr(s: WasmSem, operand: Operand): Value {
    const o = this.instruction.operand(operand.index);
    return this.readRegister(s, o.register, operand.bits as Bits, o.high !== 0);
  }
  writeGpr(s: WasmSem, operand: Operand, v: Value): void {
    const o = this.instruction.operand(operand.index);
    this.writeRegister(s, o.register, v, o.high !== 0);
  }
  readFixed(s: WasmSem, index: number, bits: Bits): Value {
    return this.readRegister(s, index, bits, false);
  }
  writeFixed(s: WasmSem, index: number, v: Value): void {
    this.writeRegister(s, index, v, false);
  }
  slotAddress(s: WasmSem, operand: Operand): Value {
    const o = this.instruction.operand(operand.index);
    s.state().i32(fprOffset(o.register)).op('i32.add');
    return s.take(32);
  }
  immediate(s: WasmSem, operand: Operand): Value {
    const value = this.instruction.immediate(operand.index);
    if ((this.instruction.relocated?.immediate ?? -1) < 0) return s.const(value, operand.bits as Bits);
    s.f.i64(value).get(this.locals.slide).op('i64.add');
    if (operand.bits === 32) s.f.op('i32.wrap_i64');
    return s.take(operand.bits as Bits);
  }
  registerNumber(s: WasmSem, operand: Operand): Value {
    const o = this.instruction.operand(operand.index);
    return s.const(o.kind === OPERAND_KIND.far ? o.immHi : o.register, 32);
  }
  segmentNumber(s: WasmSem): Value {
    return s.const(this.knownSegment(), 32);
  }
  knownSegment(): number {
    const { segmentOverride } = this.instruction;
    return segmentOverride >= 0 ? segmentOverride : 3;
  }

  // --- addresses ---
  address(s: WasmSem, _operand: Operand, withSegment: boolean): Value {
    const i = this.instruction;
    const { f } = s;
    let terms = 0;
    const plus = (): void => {
      if (terms++ > 0) f.op('i64.add');
    };
    const register = (n: number): void => this.pushRegister(s, n);
    let { displacement } = i;
    if (i.ripRelative) {
      displacement += BigInt(i.next);
      f.get(this.locals.codePage);
      plus();
    }
    if (i.base >= 0) {
      register(i.base);
      plus();
    }
    if (i.index >= 0) {
      register(i.index);
      if (i.scale > 0) f.i64(BigInt(i.scale)).op('i64.shl');
      plus();
    }
    const narrow = i.addrBits === 16 ? 0xffffn : i.addrBits === 32 ? 0xffffffffn : -1n;
    const withBase = withSegment && this.facts.long && i.segment >= 4;
    const relocated = (i.relocated?.displacement ?? -1) >= 0;
    if (terms === 0 && !withBase && !relocated) return s.const(displacement & narrow, 64);
    const symbol = this.addressSymbol(displacement, withBase);
    if (displacement !== 0n || terms === 0) {
      f.i64(displacement);
      plus();
    }
    if (relocated) f.get(this.locals.slide).op(i.relocated?.sign === -1 ? 'i64.sub' : 'i64.add');
    if (narrow !== -1n) f.i64(narrow).op('i64.and');
    if (withBase)
      s.state()
        .memory('i64.load', segmentOffset(i.segment) + SEGMENT_ENTRY.base)
        .op('i64.add');
    return s.take(64, symbol);
  }
  /** The operand's address in terms of what its registers hold. */
  private addressSymbol(displacement: bigint, withBase: boolean): AddressSymbol | undefined {
    const i = this.instruction;
    if (i.addrBits !== (this.facts.long ? 64 : 32)) return undefined;
    let origin = i.ripRelative ? PAGE_ORIGIN : 0;
    let delta = Number(displacement);
    if (i.base >= 0) {
      const base = this.symbols[i.base] as AddressSymbol;
      origin = base.origin;
      delta += base.delta;
    }
    if (i.index >= 0 || withBase) {
      const index = i.index >= 0 ? (this.symbols[i.index] as AddressSymbol) : null;
      if (index !== null) delta += index.delta * (1 << i.scale);
      const key = ((origin * ORIGINS + (index?.origin ?? 0)) * 4 + i.scale) * 8 + (withBase ? i.segment : 0);
      origin = this.sums.get(key) ?? this.origins++;
      this.sums.set(key, origin);
    }
    return movedSymbol({ origin, delta: 0 }, delta, i.addrBits);
  }
  private sharedAddress(
    s: WasmSem,
    linear: Value,
    size: number,
    isWrite: boolean,
  ): { readonly local: number; readonly offset: number } | null {
    const { symbol } = linear;
    if (symbol === undefined) return null;
    const known = this.groups.find(symbol, this.mapping, this.block, size, isWrite);
    if (known !== null) return { local: known.local, offset: symbol.delta - known.first };
    if (s.depth > 0 || !this.control.shares) return null;
    return { local: this.openRange(s, linear, symbol, size, isWrite), offset: 0 };
  }
  private get mapping(): number {
    return (this.symbols[MAPPING] as AddressSymbol).origin;
  }
  /** Looks whether the TLB has the range around an access; returns the local that says where, 0 if not. */
  private openRange(s: WasmSem, linear: Value, symbol: AddressSymbol, size: number, isWrite: boolean): number {
    const { f } = s;
    const local = f.newLocal('i32');
    s.push_(linear);
    const minAt = f.i64Later();
    f.op('i64.add');
    if (!this.shape.long) f.i64Number(0xffff_ffff).op('i64.and');
    const from = s.take(64);
    const tag = isWrite ? TLB_ENTRY.writeTag : TLB_ENTRY.readTag;
    const { entry, lengthAt } = s.pushRangeMatch(from, tag);
    f.if(true);
    s.pushHost(entry, linear);
    f.set(local).else();
    f.i32(this.control.tlb);
    s.push_(linear);
    s.push_(from);
    const again = f.i64Later();
    f.i32(tag).call(RANGE_HOST).set(local).end();
    const { origin, delta: first } = symbol;
    const { mapping, block } = this;
    this.groups.add({
      local,
      origin,
      mapping,
      isWrite,
      block,
      first,
      min: 0,
      max: size,
      minAt,
      lengthAt: [lengthAt, again],
    });
    return local;
  }
  nextRip(s: WasmSem): Value {
    return this.rip(s, this.instruction.next);
  }
  /** RIP of a page offset. */
  rip(s: WasmSem, offset: number): Value {
    s.f.get(this.locals.codePage).i64(BigInt(offset)).op('i64.add');
    if (!this.facts.long) s.f.i64(0xffffffffn).op('i64.and');
    return s.take(64);
  }

  // --- leaving ---
  notePosition(s: WasmSem): void {
    this.x87.flush(s);
    s.state().get(this.locals.budget).i32(this.position).call(NOTE_POSITION);
  }
  /** Order in the block, length and end of the current instruction, as the helpers take it. */
  private get position(): number {
    const i = this.instruction;
    return (this.control.order << 8) | ((i.next - i.pageStart) << 16) | i.length;
  }
  unwind(s: WasmSem): void {
    s.f.br(this.synced ? this.control.syncedFaultLabel : this.control.faultLabel);
  }
  unwindUnless(s: WasmSem): void {
    s.f.op('i32.eqz').brIf(this.synced ? this.control.syncedFaultLabel : this.control.faultLabel, false);
  }
  directTarget(s: WasmSem): Value {
    const rip = this.rip(s, this.instruction.target);
    return this.facts.opBits === 16 ? s.and(rip, s.const(0xffff, 64)) : rip;
  }
  jumpDirect(s: WasmSem, taken: boolean): void {
    this.control.branchDirect(s, taken);
  }
  jumpIndirect(s: WasmSem, rip: Value): void {
    this.control.branchIndirect(s, rip);
  }

  // --- write-back ---
  writeBackRegisters(f: FunctionBuilder): void {
    this.vectors.writeBack(f);
    for (const n of this.use.written) if (n < 16) f.get(STATE).get(this.local(n)).memory('i64.store', gprOffset(n));
  }
  /** All registers that the region uses, at its entry. */
  loadRegisters(f: FunctionBuilder): void {
    this.vectors.load(f);
    this.loadGeneral(f);
    this.system.load(f);
  }
  private loadGeneral(f: FunctionBuilder): void {
    for (const n of new Set([...this.use.read, ...this.use.written]))
      if (n < 16) f.get(STATE).memory('i64.load', gprOffset(n)).set(this.local(n));
  }
  writeBackFlags(f: FunctionBuilder): void {
    f.get(STATE).get(this.locals.flagsKind).memory('i32.store', at('flagsKind'));
    f.get(STATE).get(this.locals.flagsA).memory('i64.store', at('flagsA'));
    f.get(STATE).get(this.locals.flagsB).memory('i64.store', at('flagsB'));
  }
  loadFlags(f: FunctionBuilder): void {
    f.get(STATE).memory('i32.load', at('flagsKind')).set(this.locals.flagsKind);
    f.get(STATE).memory('i64.load', at('flagsA')).set(this.locals.flagsA);
    f.get(STATE).memory('i64.load', at('flagsB')).set(this.locals.flagsB);
  }
  /** For a VM exit of MOV to and from control registers: the general register, where decoded records have it. */
  private noteRegister(s: WasmSem): void {
    const { register } = this.instruction.code.operands.find((o) => o.kind === OPERAND_KIND.gpr) as DecodedOperand;
    for (const field of [RECORD.a, RECORD.b])
      s.state()
        .i32(gprOffset(register))
        .memory('i32.store16', POSITION + field);
  }
  private hooks(): TranslationHooks {
    const self = this;
    return {
      get liveFlags() {
        return self.liveFlags;
      },
      get vectors() {
        return self.instruction.code.operands.some(({ kind }) => kind === OPERAND_KIND.xmm);
      },
      get segmented() {
        return self.instruction.hasMem && self.instruction.segment >= 4;
      },
      get tlb() {
        return self.control.tlb;
      },
      storeFlags: (s, code, a, b) => {
        s.f.i32(code).set(this.locals.flagsKind);
        s.push_(s.zext(a, 64));
        s.f.set(this.locals.flagsA);
        if (b === null) return;
        s.push_(s.zext(b, 64));
        s.f.set(this.locals.flagsB);
      },
      inlineCondition: (s, condition, compute) => {
        // INC and DEC keep CF: in a loop of them it lies in the second operand
        if (condition !== 'b') return null;
        const carry = s.temp('i32');
        s.f
          .get(this.locals.flagsKind)
          .i32(FLAGS_KIND.result * 4)
          .op('i32.ge_u')
          .if(true);
        s.f.get(this.locals.flagsB).op('i32.wrap_i64').i32(1).op('i32.and').set(carry).else();
        compute();
        s.f.set(carry).end().get(carry);
        return s.take(1);
      },
      flagsToState: (s) => this.writeBackFlags(s.f),
      readXmm: (s, register) => this.vectors.read(s, register),
      writeXmm: (s, register, v) => this.vectors.write(s, register, v),
      xmmNumber: (operand) => this.instruction.operand(operand.index).register,
      pushSlot: (s, register) => this.vectors.pushSlot(s, register),
      reloadXmm: (s, register) => {
        this.vectors.reload(s, register);
        this.vectors.unlearn(register);
      },
      noteInstruction: (s, name) => {
        if (!name.startsWith('x87_') || X87_CONTROL.test(name)) return;
        const rip = this.rip(s, this.instruction.offset);
        s.state();
        s.push_(rip);
        s.f.memory('i64.store', at('fip'));
        s.state().i32(0).memory('i32.store', at('record'));
      },
      sharedAddress: (s, linear, size, isWrite) => this.sharedAddress(s, linear, size, isWrite),
      keepsFlags,
      inline: (s, name, args) => {
        if (name.startsWith('fpu_check') && this.x87.checked) return s.const(0, 32);
        if (name.startsWith('x87_')) return this.x87.emit(s, name, args);
        if (name === 'pushf_check' && this.facts.long) return s.const(0, 32);
        const inPlace = this.system.emit(s, name, args);
        if (inPlace !== null) return inPlace;
        if (name.startsWith('divide_')) return emitDivision(s, name, args);
        this.sse ??= new SseInline(s, this.vectors);
        return name.startsWith('sse_') ? this.sse.emit(name, args) : null;
      },
      beforeProcedure: (s, name) => {
        if (keepsRegisters(name)) {
          if (forgetsAddresses(name)) this.newOrigin(MAPPING);
          if (name.endsWith('_cr')) this.noteRegister(s);
          return;
        }
        if (PROCEDURES[name]?.effect === 'pure') {
          this.writeBackFlags(s.f);
          return;
        }
        this.system.forget();
        this.vectors.forget();
        for (let n = 0; n <= MAPPING; n++) this.newOrigin(n);
        this.writeBackRegisters(s.f);
        this.synced = true;
        this.writeBackFlags(s.f);
      },
      afterProcedure: (s, name) => {
        if (name === 'load_segment') {
          // it may have set the accessed bit of a descriptor among code, and changed whether segments are flat
          this.control.checkStale(s);
          this.control.checkMode(s);
          this.writes = true;
        }
        if (keepsFlags(name)) return;
        this.synced = false;
        this.loadGeneral(s.f);
        if (/^(fxrstor|xrstor)/.test(name)) this.vectors.load(s.f);
        this.loadFlags(s.f);
        s.state().memory('i32.load', at('budget')).set(this.locals.budget);
        this.control.checkStale(s);
        this.writes = true;
      },
      slowAccess: (s, access, linear, size) => {
        this.x87.flush(s);
        s.state();
        s.push_(linear);
        s.f.i32(size).i32(this.position).get(this.locals.budget).call(SLOW_ACCESS[access]);
      },
      afterSlowWrite: (s) => {
        this.control.checkStale(s);
        if (ONLY_STORES.has(this.instruction.form.instruction.name) && s.depth === 0) {
          s.f.get(this.locals.stale).if(false);
          this.control.leaveBehind();
          s.f.end();
          return;
        }
        this.writes = true;
      },
    };
  }
}

export const POSITION = at('position');
