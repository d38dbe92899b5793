// Sem<V> as a WebAssembly emitter: V is a typed local or a constant. The same code serves the interpreter (operands bound
// at run time to a decoded record) and translated code (operands bound at translation time): that is the Binding.
import {
  type Bits,
  CONDITIONS,
  type Condition,
  type FlagsKind,
  type GprName,
  type Operand,
  PROCEDURES,
  type Procedure,
  type Sem,
  type StatusFlag,
  type StepKind,
} from '../../isa/index.js';
import { at, FLAGS_KIND, SEGMENT_ENTRY, segmentOffset, TLB_ENTRY, xmmOffset } from '../state-layout.js';
import {
  type Binding,
  type ComparedFlags,
  type ImportTable,
  isPointer,
  type KnownFlags,
  type MovedOperand,
  type PointerValue,
  type Value,
} from './binding.js';
import type { FunctionBuilder } from './wasm.js';
import { WasmMemory } from './wasm-memory.js';

const GPR: Record<GprName, number> = { rax: 0, rcx: 1, rdx: 2, rbx: 3, rsp: 4, rbp: 5, rsi: 6, rdi: 7 };
const log2Bytes = (bits: number): number => Math.log2(bits / 8);
const ALL_FLAGS = 0x8d5;
/** Access rights (VMCS format) of segments: usable, data, not expand-down; and writable. */
const READABLE_MASK = 0x1_001c;
const READABLE = 0x10;
const WRITABLE_MASK = 0x1_001e;
const WRITABLE = 0x12;
const FLAG_BIT: Record<StatusFlag, number> = { c: 0, p: 2, a: 4, z: 6, s: 7, o: 11 };

export class WasmSem extends WasmMemory implements Sem<Value> {
  protected override readonly self: WasmSem = this;
  /** The operation that made the flags, where it is known. */
  known: KnownFlags | null = null;
  private deferred: (() => void)[] | null = null;
  /** How many `when` bodies the code being emitted lies in. */
  depth = 0;
  private scratchGiven: Value | null = null;
  private compared: ComparedFlags | null = null;
  /** The last emitted code cannot fall through. */
  terminated = false;
  /** A branch was emitted: the instruction ends its block. */
  branched = false;

  constructor(
    f: FunctionBuilder,
    imports: ImportTable,
    binding: Binding,
    stateLocal: number,
    private readonly conditionFunctions: readonly number[],
  ) {
    super(f, imports, binding, stateLocal);
  }

  /** Starts another instruction in the same function: temporaries are free again. */
  begin(binding: Binding, keepFlags = false): void {
    this.binding = binding;
    this.terminated = false;
    this.branched = false;
    this.wrote = false;
    this.scratchGiven = null;
    this.compared = null;
    if (!keepFlags) {
      this.releaseTemporaries();
      this.known = null;
    }
  }
  get opBits(): 16 | 32 | 64 {
    return this.binding.facts.opBits;
  }
  get addrBits(): 16 | 32 | 64 {
    return this.binding.facts.addrBits;
  }
  get long(): boolean {
    return this.binding.facts.long;
  }
  get stackBits(): 16 | 32 | 64 {
    return this.binding.facts.stackBits;
  }
  get rep(): 'none' | 'rep' | 'repne' {
    return this.binding.facts.rep;
  }

  // --- operands ---
  read(operand: Operand): Value {
    const bits = operand.bits as Bits;
    switch (operand.kind) {
      case 'gpr':
        return this.binding.readGpr(this, operand);
      case 'far':
      case 'imm':
        return this.binding.immediate(this, operand);
      case 'mem':
        return this.loadLinear(this.operandLinear(operand), bits);
      case 'xmm':
      case 'mmx':
        if (operand.kind === 'xmm' && this.binding.translation !== undefined) {
          const { translation } = this.binding;
          return translation.readXmm(this, translation.xmmNumber(operand));
        }
        this.push_(this.binding.slotAddress(this, operand));
        return this.loadHost(operand.kind === 'xmm' ? 128 : 64);
      case 'segment':
        return this.trunc(this.call('segment_selector', this.registerNumber(operand)), bits);
      default:
        throw new RangeError(`an operand of kind ${operand.kind} has no value`);
    }
  }
  write(operand: Operand, v: Value): void {
    switch (operand.kind) {
      case 'gpr':
        this.binding.writeGpr(this, operand, v);
        return;
      case 'mem':
        this.storeLinear(this.operandLinear(operand, true), v);
        return;
      case 'xmm':
      case 'mmx': {
        if (operand.kind === 'xmm' && this.binding.translation !== undefined) {
          const { translation } = this.binding;
          translation.writeXmm(this, translation.xmmNumber(operand), v);
          return;
        }
        const slot = this.binding.slotAddress(this, operand);
        this.push_(slot);
        this.push_(v);
        this.storeHost(v.bits);
        if (operand.kind === 'mmx') {
          this.push_(slot);
          this.f.i32(0xffff).memory('i32.store16', 8);
        }
        return;
      }
      default:
        throw new RangeError(`an operand of kind ${operand.kind} cannot be written`);
    }
  }
  update(operand: Operand, f: (old: Value) => Value): void {
    if (operand.kind !== 'mem') {
      this.write(operand, f(this.read(operand)));
      return;
    }
    const bits = operand.bits as Bits;
    const size = bits / 8;
    const linear = this.operandLinear(operand, true);
    const host = this.temp('i32');
    this.wrote = true;
    this.probe(linear, size, TLB_ENTRY.writeTag, host, 'rmw');
    this.f.get(host);
    if (this.binding.facts.lock === true) {
      this.updateLocked(linear, host, bits, f);
      return;
    }
    const old = this.loadHost(bits);
    this.deferred = [];
    const result = f(old);
    const later = this.deferred;
    this.deferred = null;
    this.f.get(host);
    this.push_(result);
    this.storeHost(bits);
    this.f.get(host);
    this.state().i32(at('bounce')).op('i32.add').op('i32.eq').if(false);
    this.push_(linear);
    this.f.i32(size);
    this.call_('mem_write_slow');
    this.f.op('i32.eqz').if(false);
    this.binding.unwind(this);
    this.f.end();
    this.binding.translation?.afterSlowWrite(this);
    this.f.end();
    for (const effect of later) effect();
  }
  /**
   * The same as one atomic operation among the vCPUs' threads. Aligned memory: load, compute, compare-and-exchange until
   * nothing came between. Else (unaligned, page-crossing, on a page with translated code) with all other vCPUs stopped.
   * On the wasm stack: the host address, which is also in local `host`.
   */
  private updateLocked(linear: Value, host: number, bits: Bits, f: (old: Value) => Value): void {
    const size = bits / 8;
    const code = this.f;
    const alone = this.temp('i32');
    const bounce = (): FunctionBuilder => this.state().i32(at('bounce')).op('i32.add');
    code
      .i32(size - 1)
      .op('i32.and')
      .get(host);
    bounce().op('i32.eq').op('i32.or').tee(alone).if(false);
    code.get(host);
    this.push_(linear);
    code.i32(size);
    this.call_('locked_begin');
    code.tee(host).op('i32.eqz').if(false);
    this.binding.unwind(this);
    code.end().end();
    const again = code.loop();
    code.get(host);
    const old = this.loadHost(bits);
    this.deferred = [];
    const result = f(old);
    const later = this.deferred;
    this.deferred = null;
    code.get(alone).if(false);
    code.get(host);
    this.push_(result);
    this.storeHost(bits);
    code.get(host);
    bounce().op('i32.eq').if(false);
    this.push_(linear);
    code.i32(size);
    this.call_('mem_write_slow');
    code.op('i32.eqz').if(false);
    code.get(host).i32(size);
    this.call_('locked_end');
    this.binding.unwind(this);
    code.end();
    this.binding.translation?.afterSlowWrite(this);
    code.end();
    code.get(host).i32(size);
    this.call_('locked_end');
    code.else();
    code.get(host);
    this.push_(old);
    this.push_(result);
    code.cmpxchg(bits as 8 | 16 | 32 | 64);
    this.push_(old);
    code.op(bits === 64 ? 'i64.ne' : 'i32.ne').brIf(again, false);
    code.end().end();
    for (const effect of later) effect();
  }
  private later(effect: () => void): void {
    if (this.deferred !== null) this.deferred.push(effect);
    else effect();
  }
  effectiveAddress(operand: Operand): Value {
    return this.trunc(this.binding.address(this, operand, false), this.addrBits);
  }
  /** Linear address of a memory operand. Outside 64-bit mode it is 32 bits. Alignment is checked where the encoding asks. */
  private operandLinear(operand: Operand, isWrite = false): Value {
    const { offset } = operand as MovedOperand;
    if (typeof offset === 'object' && !(this.long && this.addrBits === 64)) {
      // The offset wraps with the effective address, and the segment is checked where the access really goes.
      const ea = this.add(this.effectiveAddress(operand), offset);
      return this.checkedLinear(this.binding.segmentNumber(this), ea, operand.bits / 8, isWrite);
    }
    if (!this.long && this.binding.translation?.segmented === true) {
      let ea = this.effectiveAddress(operand);
      if (typeof offset === 'number') ea = this.add(ea, this.const(offset, ea.bits));
      const aligned = this.checkedLinear(this.binding.segmentNumber(this), ea, operand.bits / 8, isWrite);
      return this.alignedLinear(operand, aligned);
    }
    let linear = this.binding.address(this, operand, true);
    if (offset !== undefined)
      linear = this.add(linear, typeof offset === 'number' ? this.const(offset, 64) : this.sext(offset, 64));
    if (!this.long) {
      const { symbol } = linear;
      this.push_(linear);
      this.f.i64(0xffffffffn).op('i64.and');
      linear = this.take(64, symbol);
    }
    return this.alignedLinear(operand, linear);
  }
  /** Raises #GP for an operand that has to be aligned and is not. */
  private alignedLinear(operand: Operand, linear: Value): Value {
    if (this.binding.facts.aligned && operand.bits === 128) {
      this.push_(linear);
      this.f.op('i32.wrap_i64').i32(15).op('i32.and');
      this.raiseIf(this.take(1), 13, 0);
    }
    return linear;
  }
  at(operand: Operand, offset: Value | number, bits: number): Operand {
    const moved: MovedOperand = { ...operand, bits, offset };
    return moved;
  }
  effectiveSegment(_segment: number): Value {
    return this.binding.segmentNumber(this);
  }
  linearAddress(operand: Operand, _sizeBytes: number, isWrite: boolean): Value {
    return this.operandLinear(operand, isWrite);
  }
  pointer(operand: Operand): Value {
    const { translation } = this.binding;
    if (translation !== undefined && (operand.kind === 'xmm' || operand.kind === 'mem')) {
      const inMemory = operand.kind === 'mem';
      const pointer: PointerValue = {
        ...this.const(0, 32),
        register: inMemory ? -1 : translation.xmmNumber(operand),
        loaded: inMemory ? this.read(operand) : null,
      };
      return pointer;
    }
    if (operand.kind === 'xmm' || operand.kind === 'mmx') return this.binding.slotAddress(this, operand);
    this.pushCopy(this.read(operand));
    return this.take(32);
  }
  /** Copies a value to the state area and pushes its address. */
  private pushCopy(v: Value): void {
    this.state();
    this.push_(v);
    this.storeHost(v.bits, at('operandCopy'));
    this.state().i32(at('operandCopy')).op('i32.add');
  }
  protected override pushPointer(v: PointerValue): void {
    if (v.loaded !== null) this.pushCopy(v.loaded);
    else this.binding.translation?.pushSlot(this, v.register);
  }
  scratch(n: number): Value {
    this.state()
      .i32(at('scratch') + n * 16)
      .op('i32.add');
    return this.take(32);
  }
  loadScratch(n: number, bits: Bits): Value {
    if (n === 0 && this.scratchGiven?.bits === bits) return this.scratchGiven;
    this.state();
    return this.loadHost(bits, at('scratch') + n * 16);
  }
  /** What the procedure called last left in scratch 0. */
  scratchWord(bits: 32 | 64 = 32): Value {
    this.state();
    return this.loadHost(bits, at('scratch'));
  }
  /** Code in place of a procedure gives what that would leave in scratch 0; flags made of it are known one by one. */
  giveScratch(v: Value, compared: ComparedFlags | null = null): void {
    this.scratchGiven = v;
    this.compared = compared;
  }
  storeScratch(n: number, v: Value): void {
    this.state();
    this.push_(v);
    this.storeHost(v.bits, at('scratch') + n * 16);
  }
  registerNumber(operand: Operand): Value {
    return this.binding.registerNumber(this, operand);
  }

  // --- fixed registers ---
  xmm(n: number): Value {
    if (this.binding.translation !== undefined) return this.binding.translation.readXmm(this, n);
    this.state();
    return this.loadHost(128, xmmOffset(n));
  }
  setXmm(n: number, v: Value): void {
    if (this.binding.translation !== undefined) {
      this.binding.translation.writeXmm(this, n, v);
      return;
    }
    this.state();
    this.push_(v);
    this.storeHost(128, xmmOffset(n));
  }
  reg(name: GprName, bits: Bits): Value {
    return this.binding.readFixed(this, GPR[name], bits);
  }
  setReg(name: GprName, v: Value): void {
    this.binding.writeFixed(this, GPR[name], v);
  }
  regHigh(name: 'rax'): Value {
    return this.trunc(this.shr(this.reg(name, 32), this.const(8, 32)), 8);
  }
  setRegHigh(name: 'rax', v: Value): void {
    const rest = this.and(this.reg(name, 16), this.const(0xff, 16));
    this.setReg(name, this.or(rest, this.shl(this.zext(v, 16), this.const(8, 16))));
  }

  // --- flags ---
  private storeFlags(kind: number, bits: number, a: Value, b: Value | null): void {
    this.later(() => {
      if (this.binding.translation !== undefined) {
        this.binding.translation.storeFlags(this, kind * 4 + log2Bytes(bits), a, b);
        return;
      }
      this.state()
        .i32(kind * 4 + log2Bytes(bits))
        .memory('i32.store', at('flagsKind'));
      this.state();
      this.push_(this.zext(a, 64));
      this.f.memory('i64.store', at('flagsA'));
      if (b !== null) {
        this.state();
        this.push_(this.zext(b, 64));
        this.f.memory('i64.store', at('flagsB'));
      }
    });
  }
  /** Nothing looks at any of these status flags any more. */
  private dead(mask: number): boolean {
    const { translation } = this.binding;
    return translation !== undefined && (translation.liveFlags & mask) === 0;
  }
  flags(kind: FlagsKind, a: Value, b: Value, r: Value): void {
    if (this.dead(ALL_FLAGS)) {
      this.known = null;
      return;
    }
    if (kind === 'logic') this.storeFlags(FLAGS_KIND.logic, r.bits, r, null);
    else this.storeFlags(FLAGS_KIND[kind], r.bits, a, b);
    this.known = { kind, a, b, r };
  }
  flagsStep(kind: StepKind, r: Value): void {
    if (this.dead(ALL_FLAGS & ~1)) return;
    const carry = this.zext(this.cond('b'), 32);
    this.storeFlags(FLAGS_KIND[kind], r.bits, r, carry);
    this.known = { kind, a: r, b: carry, r };
  }
  flagsResult(r: Value, rest: { c?: Value; o?: Value; a?: Value }): void {
    if (this.dead(ALL_FLAGS)) {
      this.known = null;
      return;
    }
    let word = this.const(0, 32);
    const merge = (v: Value | undefined, bit: number): void => {
      if (v === undefined) return;
      const placed = bit === 0 ? this.zext(v, 32) : this.shl(this.zext(v, 32), this.const(bit, 32));
      word = word.local < 0 && word.constant === 0n ? placed : this.or(word, placed);
    };
    merge(rest.c, 0);
    merge(rest.a, 4);
    merge(rest.o, 11);
    this.storeFlags(FLAGS_KIND.result, r.bits, r, word);
    this.known = { kind: 'result', a: r, b: word, r };
  }
  setFlags(some: Partial<Record<StatusFlag, Value>>): void {
    const names = Object.keys(some) as StatusFlag[];
    if (this.dead(names.reduce((mask, name) => mask | (1 << FLAG_BIT[name]), 0))) return;
    this.later(() => {
      let word: Value;
      if (names.length === 6) word = this.const(0, 32);
      else {
        let keep = 0x8d5;
        for (const name of names) keep &= ~(1 << FLAG_BIT[name]);
        this.callFlagsGet();
        this.f.i32(keep).op('i32.and');
        word = this.take(32);
      }
      for (const name of names) {
        const v = this.zext(some[name] as Value, 32);
        word = this.or(word, FLAG_BIT[name] === 0 ? v : this.shl(v, this.const(FLAG_BIT[name], 32)));
      }
      this.storeWord(word);
    });
    this.known = this.knownWord(names.length === 6 ? this.compared : null);
  }
  /** Flags of which a word was stored. */
  private knownWord(compared: ComparedFlags | null = null): KnownFlags {
    const nothing = this.const(0, 8);
    return { kind: 'word', a: nothing, b: nothing, r: nothing, ...(compared !== null && { compared }) };
  }
  private callFlagsGet(): void {
    this.binding.translation?.flagsToState(this);
    this.call_('flags_get');
  }
  private storeWord(word: Value): void {
    if (this.binding.translation !== undefined) {
      this.binding.translation.storeFlags(this, FLAGS_KIND.word * 4, word, null);
      return;
    }
    this.state()
      .i32(FLAGS_KIND.word * 4)
      .memory('i32.store', at('flagsKind'));
    this.state();
    this.push_(this.zext(word, 64));
    this.f.memory('i64.store', at('flagsA'));
  }
  flag(name: StatusFlag): Value {
    switch (name) {
      case 'c':
        return this.cond('b');
      case 'z':
        return this.cond('z');
      case 's':
        return this.cond('s');
      case 'o':
        return this.cond('o');
      case 'p':
        return this.cond('p');
      case 'a':
        this.callFlagsGet();
        this.f.i32(4).op('i32.shr_u').i32(1).op('i32.and');
        return this.take(1);
    }
  }
  cond(condition: Condition): Value {
    const index = CONDITIONS.indexOf(condition);
    const positive = CONDITIONS[index & ~1] as Condition;
    const direct = this.known === null ? null : this.knownCondition(positive, this.known);
    let v = direct;
    v ??= this.binding.translation?.inlineCondition(this, positive, () => this.computedCondition(index)) ?? null;
    if (v === null) {
      this.computedCondition(index);
      v = this.take(1);
    }
    return (index & 1) === 1 ? this.isZero(v) : v;
  }
  /** Pushes a condition (even index) that a function finds out from the flags in the state area. */
  private computedCondition(index: number): void {
    this.binding.translation?.flagsToState(this);
    this.state().call(this.conditionFunctions[index >> 1] as number);
  }
  /** Condition straight from the operands of the operation that made the flags, or null where that is no cheaper. */
  private knownCondition(condition: Condition, k: KnownFlags): Value | null {
    if (k.kind === 'word') {
      if (k.compared !== undefined) return this.comparedCondition(condition, k.compared);
      return k.word === undefined ? null : this.wordCondition(condition, k.word);
    }
    if (k.kind === 'sub') {
      switch (condition) {
        case 'b':
          return this.compare('ltu', k.a, k.b);
        case 'z':
          return this.compare('eq', k.a, k.b);
        case 'be':
          return this.compare('leu', k.a, k.b);
        case 'l':
          return this.compare('lts', k.a, k.b);
        case 'le':
          return this.compare('les', k.a, k.b);
      }
    }
    if (k.kind === 'result' || k.kind === 'inc' || k.kind === 'dec') {
      const carry = (): Value => this.trunc(k.b, 1);
      const lowest = 1n << BigInt(k.r.bits - 1);
      const overflow = (): Value =>
        k.kind === 'result'
          ? this.trunc(this.shr(k.b, this.const(11, 32)), 1)
          : this.compare('eq', k.r, this.const(k.kind === 'inc' ? lowest : lowest - 1n, k.r.bits));
      const negative = (): Value => this.compare('lts', k.r, this.const(0, k.r.bits));
      if (condition === 'b') return carry();
      if (condition === 'o') return overflow();
      if (condition === 'be') return this.or(carry(), this.isZero(k.r));
      if (condition === 'l') return this.xor(negative(), overflow());
      if (condition === 'le') return this.or(this.isZero(k.r), this.xor(negative(), overflow()));
    }
    const zero = this.const(0, k.r.bits);
    if (condition === 'z') return this.isZero(k.r);
    if (condition === 's') return this.compare('lts', k.r, zero);
    if (k.kind === 'logic') {
      if (condition === 'b' || condition === 'o') return this.const(0, 1);
      if (condition === 'be') return this.isZero(k.r);
      if (condition === 'l') return this.compare('lts', k.r, zero);
      if (condition === 'le') return this.compare('les', k.r, zero);
    }
    if (k.kind === 'add' && condition === 'b') return this.compare('ltu', k.r, k.a);
    return null;
  }
  /** SF, OF and AF are clear after a comparison of floating-point numbers. */
  private comparedCondition(condition: Condition, { c, z, p }: ComparedFlags): Value | null {
    switch (condition) {
      case 'b':
        return c;
      case 'z':
      case 'le':
        return z;
      case 'be':
        return this.or(c, z);
      case 'p':
        return p;
      default:
        return this.const(0, 1);
    }
  }
  private wordCondition(condition: Condition, word: Value): Value {
    const bit = (name: StatusFlag): Value => this.trunc(this.shr(word, this.const(FLAG_BIT[name], 32)), 1);
    switch (condition) {
      case 'b':
        return bit('c');
      case 'z':
        return bit('z');
      case 'be':
        return this.or(bit('c'), bit('z'));
      case 's':
        return bit('s');
      case 'p':
        return bit('p');
      case 'l':
        return this.xor(bit('s'), bit('o'));
      case 'le':
        return this.or(bit('z'), this.xor(bit('s'), bit('o')));
      default:
        return bit('o');
    }
  }
  statusByte(): Value {
    this.callFlagsGet();
    this.f.i32(0xd5).op('i32.and').i32(2).op('i32.or');
    return this.take(8);
  }
  setStatusByte(v: Value): void {
    const overflow = this.flag('o');
    const word = this.or(
      this.and(this.zext(v, 32), this.const(0xd5, 32)),
      this.shl(this.zext(overflow, 32), this.const(11, 32)),
    );
    this.storeWord(word);
    this.known = this.knownWord();
  }
  directionFlag(): Value {
    this.state().memory('i32.load', at('rflags')).i32(10).op('i32.shr_u').i32(1).op('i32.and');
    return this.take(1);
  }
  setDirectionFlag(v: Value): void {
    this.state();
    this.state().memory('i32.load', at('rflags')).i32(~0x400).op('i32.and');
    this.push_(v);
    this.f.i32(10).op('i32.shl').op('i32.or').memory('i32.store', at('rflags'));
  }

  // --- memory ---
  /** Linear address of segment:address; 64-bit mode and flat segments need no check. */
  private segmentLinear(
    segment: number,
    address: Value,
    sizeBytes: number,
    isWrite: boolean,
    useOverride: boolean,
  ): Value {
    const { flat } = this.binding.facts;
    const known = useOverride ? this.binding.knownSegment() : segment;
    if (this.long && known !== null) {
      const a = this.zext(address, 64);
      if (known < 4) return a;
      this.state().memory('i64.load', segmentOffset(known) + SEGMENT_ENTRY.base);
      this.push_(a);
      this.f.op('i64.add');
      return this.take(64);
    }
    if (flat && known !== null && known < 4) {
      const linear = this.zext(address, 64);
      return address.bits === 32 && linear.local >= 0 ? { ...linear, symbol: address.symbol } : linear;
    }
    const number = known === null ? this.binding.segmentNumber(this) : this.const(known, 32);
    return this.checkedLinear(number, address, sizeBytes, isWrite);
  }
  private checkedLinear(segment: Value, address: Value, sizeBytes: number, isWrite: boolean): Value {
    if (this.binding.translation === undefined || segment.constant === undefined || this.long || sizeBytes === 0)
      return this.askedLinear(segment, address, sizeBytes, isWrite);
    // data that do not grow downwards, the operand within their limit: what else there is, the procedure knows
    const { f } = this;
    const entry = segmentOffset(Number(segment.constant));
    const offset = this.zext(address, 64);
    const linear = this.temp('i64');
    this.state().memory('i32.load', entry + SEGMENT_ENTRY.access);
    f.i32(isWrite ? WRITABLE_MASK : READABLE_MASK).op('i32.and');
    f.i32(isWrite ? WRITABLE : READABLE).op('i32.eq');
    this.push_(offset);
    if (sizeBytes > 1) f.i64(BigInt(sizeBytes - 1)).op('i64.add');
    this.state()
      .memory('i64.load32_u', entry + SEGMENT_ENTRY.limit)
      .op('i64.le_u')
      .op('i32.and')
      .if(true);
    this.state().memory('i64.load', entry + SEGMENT_ENTRY.base);
    this.push_(offset);
    f.op('i64.add').i64(0xffff_ffffn).op('i64.and').set(linear).else();
    this.push_(this.askedLinear(segment, offset, sizeBytes, isWrite));
    f.set(linear).end().get(linear);
    return this.take(64);
  }
  private askedLinear(segment: Value, address: Value, sizeBytes: number, isWrite: boolean): Value {
    this.call(
      'segment_address',
      segment,
      this.zext(address, 64),
      this.const(sizeBytes, 32),
      this.const(isWrite ? 1 : 0, 32),
    );
    this.state().memory('i64.load', at('segmentTmp'));
    return this.take(64);
  }
  load(segment: number, address: Value, bits: Bits, useOverride = false): Value {
    return this.loadLinear(this.segmentLinear(segment, address, bits / 8, false, useOverride), bits);
  }
  store(segment: number, address: Value, v: Value, useOverride = false): void {
    this.storeLinear(this.segmentLinear(segment, address, v.bits / 8, true, useOverride), v);
  }
  push(v: Value): void {
    const sp = this.sub(this.reg('rsp', this.stackBits), this.const(v.bits / 8, this.stackBits));
    this.storeLinear(this.segmentLinear(2, sp, v.bits / 8, true, false), v);
    this.setReg('rsp', sp);
  }
  peek(bits: 16 | 32 | 64, depth = 0): Value {
    let sp = this.reg('rsp', this.stackBits);
    if (depth !== 0) sp = this.add(sp, this.const(depth, this.stackBits));
    return this.loadLinear(this.segmentLinear(2, sp, bits / 8, false, false), bits);
  }
  loadStack(address: Value, bits: 16 | 32 | 64): Value {
    return this.loadLinear(this.segmentLinear(2, address, bits / 8, false, false), bits);
  }
  storeStack(address: Value, v: Value): void {
    this.storeLinear(this.segmentLinear(2, address, v.bits / 8, true, false), v);
  }
  dropStack(bytes: Value | number): void {
    const { stackBits } = this;
    const n =
      typeof bytes === 'number'
        ? this.const(bytes, stackBits)
        : bytes.bits < stackBits
          ? this.zext(bytes, stackBits)
          : this.trunc(bytes, stackBits);
    this.setReg('rsp', this.add(this.reg('rsp', stackBits), n));
  }

  // --- control ---
  nextRip(): Value {
    return this.binding.nextRip(this);
  }
  jumpTo(_target: Operand): void {
    this.branched = true;
    this.binding.jumpDirect(this, true);
    this.terminated = true;
  }
  checkTarget(v: Value): void {
    const rip = this.zext(v, 64);
    if (this.long) {
      // canonical: bits 63..47 all equal
      this.push_(rip);
      this.f.i64(16n).op('i64.shl').i64(16n).op('i64.shr_s');
      this.push_(rip);
      this.f.op('i64.ne');
      this.raiseIf(this.take(1), 13, 0);
      return;
    }
    this.push_(rip);
    this.state().memory('i64.load32_u', segmentOffset(1) + SEGMENT_ENTRY.limit);
    this.f.op('i64.gt_u');
    this.raiseIf(this.take(1), 13, 0);
  }
  checkJump(_target: Operand): void {
    // no direct branch leaves a flat segment; 64-bit code checks when it arrives
    if (!this.long && !this.binding.facts.flat) this.checkTarget(this.binding.directTarget(this));
  }
  jump(v: Value): void {
    this.branched = true;
    this.binding.jumpIndirect(this, this.zext(v, 64));
    this.terminated = true;
  }
  when(condition: Value, then: () => void): void {
    if (condition.local < 0 && this.binding.translation !== undefined) {
      if (condition.constant !== 0n) then();
      return;
    }
    this.push_(condition);
    this.f.if();
    const before = this.known;
    const outer = this.deferred;
    if (outer !== null) this.deferred = [];
    this.depth++;
    then();
    this.depth--;
    this.f.end();
    const inner = this.deferred;
    this.deferred = outer;
    // Effects put off until after a memory write keep their condition.
    if (outer !== null && inner !== null && inner.length > 0) {
      outer.push(() => {
        this.push_(condition);
        this.f.if();
        for (const effect of inner) effect();
        this.f.end();
      });
    }
    this.terminated = false;
    if (this.known !== before) this.known = null;
  }
  raise(vector: number, errorCode?: number): void {
    this.binding.notePosition(this);
    this.f.i32(vector).i32(errorCode ?? -1);
    this.call_('raise_exception');
    this.f.op('drop');
    this.binding.unwind(this);
    this.terminated = true;
  }
  raiseIf(condition: Value, vector: number, errorCode?: number): void {
    this.push_(condition);
    this.f.if(false);
    this.raise(vector, errorCode);
    this.f.end();
    this.terminated = false;
  }

  // --- procedures ---
  call(name: string, ...args: Value[]): Value {
    const p: Procedure | undefined = PROCEDURES[name];
    if (p === undefined) throw new RangeError(`no procedure named ${name}`);
    if (p.params.length !== args.length)
      throw new RangeError(`${name} takes ${p.params.length} arguments, got ${args.length}`);
    return this.binding.translation?.inline(this, name, args) ?? this.callOut(name, args);
  }
  /** Calls an imported function with what is on the wasm stack. */
  callImport(name: string): void {
    this.call_(name);
  }
  /** Calls the procedure itself. */
  callOut(name: string, args: readonly Value[]): Value {
    const p = PROCEDURES[name] as Procedure;
    const { translation } = this.binding;
    const converted = args.map((v, i) =>
      p.params[i] === v.type ? v : p.params[i] === 'i64' ? this.zext(v, 64) : this.trunc(v, 32),
    );
    if (p.effect === 'state' && translation !== undefined) translation.noteInstruction(this, name);
    else if (p.effect !== 'pure') this.binding.notePosition(this);
    translation?.beforeProcedure(this, name);
    for (const v of converted) this.push_(v);
    this.call_(name);
    const first = args[0];
    const into = first !== undefined && isPointer(first) && first.register >= 0 ? first.register : -1;
    if (p.effect === 'pure' || p.effect === 'state') {
      const result =
        p.result === undefined ? this.const(0, 32) : this.take(p.result === 'i32' ? 32 : p.result === 'i64' ? 64 : 128);
      if (into >= 0) translation?.reloadXmm(this, into);
      return result;
    }
    if (p.effect === 'leave') {
      this.f.op('drop');
      this.binding.unwind(this);
      this.terminated = true;
      this.branched = true;
      if (this.depth === 0) return this.const(0, 32);
    } else {
      this.f.if(false);
      this.binding.unwind(this);
      this.f.end();
    }
    if (translation === undefined || !translation.keepsFlags(name)) this.known = null;
    if (into >= 0) translation?.reloadXmm(this, into);
    translation?.afterProcedure(this, name);
    return this.const(0, 32);
  }
}
