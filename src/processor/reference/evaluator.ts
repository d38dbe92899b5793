// The reference evaluator: Sem<V> on bigints, one decoded instruction at a time, slow and obvious. It binds operands
// straight from the decoder (no records, no handlers), so that it checks records.ts and the emitters; page walks and
// procedures are those of procedures.wasm. It serves differential tests and traces. See ../README.md.
import {
  ALL_INSTRUCTIONS,
  type BinaryOp,
  type Bits,
  CONDITIONS,
  type CompareOp,
  type Condition,
  Decoded,
  type DecodedOperand,
  Decoder,
  type FlagsKind,
  type Form,
  type GprName,
  type Operand,
  PROCEDURES,
  type Sem,
  type StatusFlag,
  type StepKind,
} from '../../isa/index.js';
import type { Interpreter, Procedures } from '../modules.js';
import { at, fprOffset, gprOffset, RECORD, SEGMENT_ENTRY, segmentOffset, UNWIND, xmmOffset } from '../state-layout.js';
import { StateView } from '../state-view.js';
import { shuffleOp, simdOp, simdShiftOp } from './lanes.js';

/** A value and its width. Always zero-extended. */
export interface Value {
  readonly bits: Bits;
  readonly value: bigint;
}
/** A memory operand moved by `at`. */
interface MovedOperand extends Operand {
  /** Added to the effective address, which wraps. */
  readonly moved?: bigint;
  /** A part of the operand: added behind the effective address. */
  readonly part?: bigint;
}

/** Ends the instruction: what is pending is in the state. */
class Unwound extends Error {}

const mask = (bits: number): bigint => (1n << BigInt(bits)) - 1n;
const signedOf = (v: Value): bigint => BigInt.asIntN(v.bits, v.value);
const GPR: Record<GprName, number> = { rax: 0, rcx: 1, rdx: 2, rbx: 3, rsp: 4, rbp: 5, rsi: 6, rdi: 7 };
const FLAG_BIT: Record<StatusFlag, number> = { c: 0, p: 2, a: 4, z: 6, s: 7, o: 11 };
const DIRECTION = 0x400n;
const MAX_LENGTH = 15;
const KEY_FLAT = 8;
const KEY_STACK32 = 4;
const RSP = 4;
const CS = 1;
const SS = 2;
const FS = 4;

/**
 * Ranges of the state area that a fault leaves as they were. Not MXCSR, which takes the flags of a SIMD exception, nor
 * FOP, FIP, FDP, which may already name the instruction.
 */
const RESTORED = [
  [at('gpr'), at('gpr') + 128],
  [at('flagsA'), at('flagsKind') + 4],
  [at('xmm'), at('xmm') + 256],
  [at('fpr'), at('fpr') + 128],
  [at('fcw'), at('ftags') + 4],
] as const;
/** A SIMD exception comes after the x87 has entered MMX mode. */
const RESTORED_BEFORE_XM = 3;
const XM = 19;

/** What the procedure translate_exec answers for code outside memory. */
const CODE_ON_DEVICE = 1;

/** What the evaluator works on. */
export interface EvaluatorPlaces {
  readonly memory: WebAssembly.Memory;
  /** Host address of the vCPU's state area. */
  readonly area: number;
  readonly procedures: Procedures;
}
/** One executed instruction, for tracers. */
export interface TraceStep {
  readonly rip: bigint;
  readonly bytes: Uint8Array;
  /** Undefined for an invalid instruction. */
  readonly form: Form | undefined;
}

export class Evaluator implements Sem<Value> {
  private readonly state: StateView;
  private readonly host: DataView;
  private readonly bytes: Uint8Array;
  private readonly procedures: Record<string, (...args: (number | bigint)[]) => number | bigint>;
  private readonly decoder: Decoder;
  private readonly decoded = new Decoded();
  private readonly code = new Uint8Array(MAX_LENGTH + 1);
  private form!: Form;
  private target: bigint | null = null;
  private restartable = true;
  /** Called before every instruction. */
  onStep: ((step: TraceStep) => void) | null = null;

  constructor(
    private readonly places: EvaluatorPlaces,
    features?: ReadonlySet<string>,
  ) {
    const { buffer } = places.memory;
    this.state = new StateView(buffer, places.area);
    this.host = new DataView(buffer);
    this.bytes = new Uint8Array(buffer);
    this.procedures = places.procedures as unknown as Record<string, (...args: (number | bigint)[]) => number | bigint>;
    this.decoder = new Decoder(ALL_INSTRUCTIONS, features);
  }
  private procedure(name: string, ...args: (number | bigint)[]): number | bigint {
    const f = this.procedures[name];
    if (f === undefined) throw new RangeError(`procedures.wasm has no ${name}`);
    return f(...args);
  }
  private get modeKey(): number {
    return this.state.u32(at('modeKey'));
  }

  // --- one instruction -------------------------------------------------------------------------------------------

  /**
   * Runs the instruction at RIP: afterwards either it is retired, or an exception was delivered (RIP is the handler's),
   * or `exitReason` tells of a VM exit. Counts in `budget` as the interpreter does.
   */
  step(): void {
    const { state } = this;
    state.setU32(at('unwind'), UNWIND.none);
    const rip = state.u64(at('rip'));
    const length = this.fetch(rip);
    if (length < 0) return;
    this.onStep?.({ rip, bytes: this.code.slice(0, length), form: this.decoded.form });
    this.note(rip, length);
    const before = this.registers();
    this.restartable = true;
    this.target = null;
    try {
      if (this.decoded.tooLong) this.raise(13, 0);
      if (this.decoded.invalid) {
        this.procedure('count_undefined');
        this.raise(6);
      }
      this.form = this.decoded.form as Form;
      this.form.instruction.execute(this, ...this.form.operands);
    } catch (error) {
      if (!(error instanceof Unwound)) throw error;
      this.resolve(rip, before);
      return;
    }
    this.charge();
    state.setU64(at('rip'), this.target ?? this.nextRip().value);
  }
  /** Decodes at `rip`; the length, or -1 when the fetch faulted and the fault was delivered (or exits). */
  private fetch(rip: bigint): number {
    const { state, code, decoded } = this;
    const long = (this.modeKey & 3) === 2;
    const codeBits = long ? 64 : (this.modeKey & 3) === 1 ? 32 : 16;
    const cs = segmentOffset(CS);
    const wrap = (v: bigint): bigint => (long ? BigInt.asUintN(64, v) : v & 0xffff_ffffn);
    const linear = long ? rip : wrap(rip + state.u64(cs + SEGMENT_ENTRY.base));
    state.setU32(at('record'), 0);
    // bytes before the limit of CS; it may be below RIP
    const inLimit = long ? MAX_LENGTH + 1 : Number(BigInt(state.u32(cs + SEGMENT_ENTRY.limit)) - rip) + 1;
    let have = 0;
    let address = linear;
    while (have < Math.min(inLimit, MAX_LENGTH)) {
      const host = Number(this.procedure('translate_exec', address)) >>> 0;
      if (host === 0) {
        this.deliver();
        return -1;
      }
      const room = Math.min(Math.min(MAX_LENGTH, inLimit) - have, 4096 - Number(address & 0xfffn));
      if (host === CODE_ON_DEVICE) {
        // as many bytes as the interpreter reads, so that the device sees the same accesses
        const seen = Math.min(Math.min(MAX_LENGTH + 1, inLimit) - have, 4096 - Number(address & 0xfffn));
        const buffer = state.u32(at('crossing'));
        if (this.procedure('fetch_device', address, seen, buffer) !== 0) {
          this.deliver();
          return -1;
        }
        code.set(this.bytes.subarray(buffer, buffer + room), have);
      } else code.set(this.bytes.subarray(host, host + room), have);
      have += room;
      const length = this.decoder.decode(code, 0, have, { codeBits }, decoded);
      if (length !== 0) return length;
      address = wrap(linear + BigInt(have));
    }
    if (have === MAX_LENGTH) throw new RangeError('the decoder asks for more than 15 bytes');
    this.procedure('raise_exception', 13, 0);
    this.deliver();
    return -1;
  }
  /** A record for the procedures that ask for the position: only next, length and order are looked at. */
  private note(rip: bigint, length: number): void {
    const { state, host } = this;
    const cs = (this.modeKey & 3) === 2 ? 0n : state.u64(segmentOffset(CS) + SEGMENT_ENTRY.base);
    const offset = Number((rip + cs) & 0xfffn);
    state.setU64(at('codePage'), rip - BigInt(offset));
    // behind the bytes of a page-crossing instruction
    const record = state.u32(at('crossing')) + 32;
    this.bytes.fill(0, record, record + RECORD.sizeBytes);
    host.setUint16(record + RECORD.next, offset + length, true);
    host.setUint8(record + RECORD.length, length);
    state.setU32(at('record'), record);
  }
  private charge(): void {
    this.state.setU32(at('budget'), this.state.i32(at('budget')) - 1);
  }
  private deliver(): void {
    if (this.state.u32(at('unwind')) !== UNWIND.exit) this.procedure('deliver_exception');
  }
  private resolve(rip: bigint, before: readonly Uint8Array[]): void {
    const { state } = this;
    const why = state.u32(at('unwind'));
    const trap = why === UNWIND.exception && state.u32(at('exceptionKind')) === 1;
    if (why === UNWIND.lookup) {
      this.charge();
      state.setU32(at('replayCount'), 0);
      state.setU32(at('replayNext'), 0);
      return;
    }
    // A fault or exit leaves no trace of the instruction, but strings that stop midway do.
    if (this.restartable && !trap) this.restore(before);
    state.setU32(at('replayNext'), 0);
    if (why === UNWIND.exit) {
      // without a record: an exit behind a task switch, which is done
      if (state.u32(at('record')) !== 0) state.setU64(at('rip'), rip);
      else this.charge();
      return;
    }
    if (why !== UNWIND.exception)
      throw new RangeError(`an instruction at ${rip.toString(16)} ended early without a reason`);
    state.setU64(at('rip'), trap ? this.nextRip().value : rip);
    if (trap) this.charge();
    state.setU32(at('replayCount'), 0);
    this.procedure('deliver_exception');
  }
  /** General registers, status flags, x87, MMX and XMM: what a faulting instruction must not have changed. */
  private registers(): Uint8Array[] {
    return RESTORED.map(([start, end]) => this.bytes.slice(this.places.area + start, this.places.area + end));
  }
  private restore(saved: readonly Uint8Array[]): void {
    const simd = this.state.u32(at('unwind')) === UNWIND.exception && this.state.u32(at('exceptionVector')) === XM;
    RESTORED.slice(0, simd ? RESTORED_BEFORE_XM : RESTORED.length).forEach(([start], i) => {
      this.bytes.set(saved[i] as Uint8Array, this.places.area + start);
    });
  }
  private unwind(): never {
    throw new Unwound();
  }

  // --- static facts ----------------------------------------------------------------------------------------------

  get opBits(): 16 | 32 | 64 {
    return this.decoded.opBits;
  }
  get addrBits(): 16 | 32 | 64 {
    return this.decoded.addrBits;
  }
  get long(): boolean {
    return this.form.long;
  }
  get stackBits(): 16 | 32 | 64 {
    return this.long ? 64 : (this.modeKey & KEY_STACK32) !== 0 ? 32 : 16;
  }
  get rep(): 'none' | 'rep' | 'repne' {
    return (['none', 'rep', 'repne'] as const)[this.decoded.rep] as 'none' | 'rep' | 'repne';
  }

  // --- values ----------------------------------------------------------------------------------------------------

  const(value: bigint | number, bits: Bits): Value {
    return { bits, value: BigInt.asUintN(bits, BigInt(value)) };
  }
  widthOf(v: Value): Bits {
    return v.bits;
  }
  private same(what: string, a: Value, b: Value): void {
    if (a.bits !== b.bits)
      throw new RangeError(`${this.form.instruction.name}: ${what} of ${a.bits} and ${b.bits} bits`);
  }
  binary(op: BinaryOp, a: Value, b: Value): Value {
    this.same(op, a, b);
    const { bits } = a;
    const count = b.value % BigInt(bits === 64 ? 64 : 32);
    switch (op) {
      case 'add':
        return this.const(a.value + b.value, bits);
      case 'sub':
        return this.const(a.value - b.value, bits);
      case 'mul':
        return this.const(a.value * b.value, bits);
      case 'and':
        return this.const(a.value & b.value, bits);
      case 'or':
        return this.const(a.value | b.value, bits);
      case 'xor':
        return this.const(a.value ^ b.value, bits);
      case 'shl':
        return this.const(a.value << count, bits);
      case 'shr':
        return this.const(a.value >> count, bits);
      case 'sar':
        return this.const(signedOf(a) >> count, bits);
      case 'rotl':
      case 'rotr': {
        const n = b.value % BigInt(bits);
        const left = op === 'rotl' ? n : BigInt(bits) - n;
        return this.const((a.value << left) | (a.value >> (BigInt(bits) - left)), bits);
      }
    }
  }
  add(a: Value, b: Value): Value {
    return this.binary('add', a, b);
  }
  sub(a: Value, b: Value): Value {
    return this.binary('sub', a, b);
  }
  and(a: Value, b: Value): Value {
    return this.binary('and', a, b);
  }
  or(a: Value, b: Value): Value {
    return this.binary('or', a, b);
  }
  xor(a: Value, b: Value): Value {
    return this.binary('xor', a, b);
  }
  not(a: Value): Value {
    return this.const(~a.value, a.bits);
  }
  neg(a: Value): Value {
    return this.const(-a.value, a.bits);
  }
  shl(a: Value, count: Value): Value {
    return this.binary('shl', a, count);
  }
  shr(a: Value, count: Value): Value {
    return this.binary('shr', a, count);
  }
  sar(a: Value, count: Value): Value {
    return this.binary('sar', a, count);
  }
  mul(a: Value, b: Value): Value {
    return this.binary('mul', a, b);
  }
  compare(op: CompareOp, a: Value, b: Value): Value {
    this.same(op, a, b);
    const [x, y] = op.endsWith('s') ? [signedOf(a), signedOf(b)] : [a.value, b.value];
    const holds = { eq: x === y, ne: x !== y, lt: x < y, le: x <= y, gt: x > y, ge: x >= y }[op.slice(0, 2)];
    return this.const(holds === true ? 1 : 0, 1);
  }
  isZero(a: Value): Value {
    return this.const(a.value === 0n ? 1 : 0, 1);
  }
  select(condition: Value, ifTrue: Value, ifFalse: Value): Value {
    this.same('select', ifTrue, ifFalse);
    return condition.value !== 0n ? ifTrue : ifFalse;
  }
  zext(v: Value, bits: Bits): Value {
    if (bits < v.bits) throw new RangeError(`${this.form.instruction.name}: zext from ${v.bits} to ${bits} bits`);
    return { bits, value: v.value };
  }
  sext(v: Value, bits: Bits): Value {
    if (bits < v.bits) throw new RangeError(`${this.form.instruction.name}: sext from ${v.bits} to ${bits} bits`);
    return this.const(signedOf(v), bits);
  }
  trunc(v: Value, bits: Bits): Value {
    if (bits > v.bits) throw new RangeError(`${this.form.instruction.name}: trunc from ${v.bits} to ${bits} bits`);
    return this.const(v.value, bits);
  }
  clz(v: Value): Value {
    return this.const(v.value === 0n ? v.bits : v.bits - v.value.toString(2).length, v.bits);
  }
  ctz(v: Value): Value {
    return this.const(v.value === 0n ? v.bits : (v.value & -v.value).toString(2).length - 1, v.bits);
  }
  popcnt(v: Value): Value {
    return this.const(v.value.toString(2).replaceAll('0', '').length, v.bits);
  }

  // --- operands --------------------------------------------------------------------------------------------------

  private decodedOf(operand: Operand): DecodedOperand {
    return this.decoded.operands[operand.index] as DecodedOperand;
  }
  private readGpr(index: number, high: number, bits: Bits): Value {
    return this.const(this.state.u64(gprOffset(index)) >> BigInt(8 * high), bits);
  }
  /** 32-bit writes clear the upper half, narrower ones keep the rest. */
  private writeGpr(index: number, high: number, v: Value): void {
    const old = this.state.u64(gprOffset(index));
    const shift = BigInt(8 * high);
    const value = v.bits >= 32 ? v.value : (old & ~(mask(v.bits) << shift)) | (v.value << shift);
    this.state.setU64(gprOffset(index), value);
  }
  private readHost(address: number, bits: number): bigint {
    let v = 0n;
    for (let i = bits / 8 - 1; i >= 0; i--) v = (v << 8n) | BigInt(this.bytes[address + i] as number);
    return v;
  }
  private writeHost(address: number, v: bigint, bits: number): void {
    for (let i = 0; i < bits / 8; i++) this.bytes[address + i] = Number((v >> BigInt(8 * i)) & 0xffn);
  }
  private slot(operand: Operand): number {
    const { register } = this.decodedOf(operand);
    return this.places.area + (operand.kind === 'xmm' ? xmmOffset(register) : fprOffset(register));
  }
  read(operand: Operand): Value {
    const bits = operand.bits as Bits;
    const d = this.decodedOf(operand);
    switch (operand.kind) {
      case 'gpr':
        return this.readGpr(d.register, d.high, bits);
      case 'imm':
        return this.const((BigInt(d.immHi >>> 0) << 32n) | BigInt(d.immLo >>> 0), bits);
      case 'far':
        return this.const(d.immLo >>> 0, bits);
      case 'mem':
        return this.loadLinear(this.operandLinear(operand, bits / 8, false), bits);
      case 'xmm':
        return { bits: 128, value: this.readHost(this.slot(operand), 128) };
      case 'mmx':
        return { bits: 64, value: this.readHost(this.slot(operand), 64) };
      case 'segment':
        return this.const(this.state.u32(segmentOffset(d.register) + SEGMENT_ENTRY.selector), bits);
      default:
        throw new RangeError(`an operand of kind ${operand.kind} has no value`);
    }
  }
  write(operand: Operand, v: Value): void {
    const d = this.decodedOf(operand);
    switch (operand.kind) {
      case 'gpr':
        if (v.bits !== operand.bits)
          throw new RangeError(`${this.form.instruction.name} writes ${v.bits} bits to a ${operand.bits}-bit register`);
        this.writeGpr(d.register, d.high, v);
        return;
      case 'mem':
        if (v.bits !== operand.bits)
          throw new RangeError(`${this.form.instruction.name} writes ${v.bits} bits to ${operand.bits} bits of memory`);
        this.storeLinear(this.operandLinear(operand, v.bits / 8, true), v);
        return;
      case 'xmm':
        this.writeHost(this.slot(operand), v.value, v.bits);
        return;
      case 'mmx':
        this.writeHost(this.slot(operand), v.value, 64);
        this.writeHost(this.slot(operand) + 8, 0xffffn, 16);
        return;
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
    const linear = this.operandLinear(operand, bits / 8, true);
    const pointer = Number(this.procedure('mem_rmw_slow', linear, bits / 8)) >>> 0;
    if (pointer === 0) this.unwind();
    const result = f({ bits, value: this.readHost(pointer, bits) });
    if (result.bits !== bits)
      throw new RangeError(`${this.form.instruction.name} updates ${bits} bits of memory with ${result.bits}`);
    this.writeHost(pointer, result.value, bits);
    if (pointer !== this.places.area + at('bounce')) return;
    if (this.procedure('mem_write_slow', linear, bits / 8) === 0) this.unwind();
  }
  effectiveAddress(operand: Operand): Value {
    const d = this.decoded;
    let address = BigInt.asIntN(64, (BigInt(d.dispHi) << 32n) | BigInt(d.disp >>> 0));
    if (d.ripRelative) address += this.nextRip().value;
    if (d.base >= 0) address += this.state.u64(gprOffset(d.base));
    if (d.index >= 0) address += this.state.u64(gprOffset(d.index)) << BigInt(d.scale);
    return this.const(address + ((operand as MovedOperand).moved ?? 0n), this.addrBits);
  }
  private operandLinear(operand: Operand, sizeBytes: number, isWrite: boolean): bigint {
    const address = this.effectiveAddress(operand);
    const { part } = operand as MovedOperand;
    const offset = part === undefined ? address : this.const(address.value + part, 64);
    const linear = this.segmentLinear(this.decoded.segment, offset, sizeBytes, isWrite);
    if (this.form.row.encoding.aligned === true && operand.bits === 128 && (linear & 15n) !== 0n) this.raise(13, 0);
    return linear;
  }
  /**
   * Linear address of segment:address; no checks when `sizeBytes` is 0. Whether an access across 4 GiB faults in a flat
   * segment is up to the implementation (SDM Vol. 3A "Limit Checking"): `checked` ones do.
   */
  private segmentLinear(segment: number, address: Value, sizeBytes: number, isWrite: boolean, checked = false): bigint {
    const base = this.state.u64(segmentOffset(segment) + SEGMENT_ENTRY.base);
    // Canonicality is checked by the page walk.
    if (this.long) return BigInt.asUintN(64, segment >= FS ? base + address.value : address.value);
    if (sizeBytes === 0) return (base + address.value) & 0xffff_ffffn;
    if (!checked && (this.modeKey & KEY_FLAT) !== 0 && segment < FS && segment !== CS)
      return address.value & 0xffff_ffffn;
    if (this.procedure('segment_address', segment, address.value, sizeBytes, isWrite ? 1 : 0) !== 0) this.unwind();
    return this.state.u64(at('segmentTmp'));
  }
  at(operand: Operand, offset: Value | number, bits: number): Operand {
    const moved: MovedOperand =
      typeof offset === 'number'
        ? { ...operand, bits, part: BigInt(offset) }
        : { ...operand, bits, moved: signedOf(offset) };
    return moved;
  }
  effectiveSegment(segment: number): Value {
    return this.const(this.decoded.segmentOverride >= 0 ? this.decoded.segmentOverride : segment, 32);
  }
  linearAddress(operand: Operand, sizeBytes: number, isWrite: boolean): Value {
    return this.const(this.operandLinear(operand, sizeBytes, isWrite), 64);
  }
  pointer(operand: Operand): Value {
    if (operand.kind === 'xmm' || operand.kind === 'mmx') return this.const(this.slot(operand), 32);
    const v = this.read(operand);
    const copy = this.places.area + at('operandCopy');
    this.writeHost(copy, v.value, v.bits);
    return this.const(copy, 32);
  }
  scratch(n: number): Value {
    return this.const(this.places.area + at('scratch') + n * 16, 32);
  }
  loadScratch(n: number, bits: Bits): Value {
    return { bits, value: this.readHost(this.places.area + at('scratch') + n * 16, bits) };
  }
  storeScratch(n: number, v: Value): void {
    this.writeHost(this.places.area + at('scratch') + n * 16, v.value, v.bits);
  }
  registerNumber(operand: Operand): Value {
    const d = this.decodedOf(operand);
    return this.const(operand.kind === 'far' ? d.immHi : d.register, 32);
  }

  // --- fixed registers -------------------------------------------------------------------------------------------

  reg(name: GprName, bits: Bits): Value {
    return this.readGpr(GPR[name], 0, bits);
  }
  setReg(name: GprName, v: Value): void {
    this.writeGpr(GPR[name], 0, v);
  }
  regHigh(name: 'rax'): Value {
    return this.readGpr(GPR[name], 1, 8);
  }
  setRegHigh(name: 'rax', v: Value): void {
    this.writeGpr(GPR[name], 1, v);
  }
  xmm(n: number): Value {
    return { bits: 128, value: this.readHost(this.places.area + xmmOffset(n), 128) };
  }
  setXmm(n: number, v: Value): void {
    this.writeHost(this.places.area + xmmOffset(n), v.value, v.bits);
  }

  // --- flags -----------------------------------------------------------------------------------------------------

  private get status(): number {
    return Number(this.procedure('flags_get')) & 0x8d5;
  }
  private set status(word: number) {
    this.procedure('flags_set', word);
  }
  /** Replaces all six. */
  private setAll(f: Record<StatusFlag, boolean>): void {
    let word = 0;
    for (const name of Object.keys(FLAG_BIT) as StatusFlag[]) if (f[name]) word |= 1 << FLAG_BIT[name];
    this.status = word;
  }
  private resultFlags(r: Value): { p: boolean; z: boolean; s: boolean } {
    const low = (r.value & 0xffn).toString(2).replaceAll('0', '').length;
    return { p: low % 2 === 0, z: r.value === 0n, s: signedOf(r) < 0n };
  }
  flags(kind: FlagsKind, a: Value, b: Value, r: Value): void {
    const common = this.resultFlags(r);
    if (kind === 'logic') {
      this.setAll({ ...common, c: false, a: false, o: false });
      return;
    }
    this.same(kind, a, b);
    this.same(kind, a, r);
    const exact = kind === 'add' ? a.value + b.value : a.value - b.value;
    const nibble = kind === 'add' ? (a.value & 15n) + (b.value & 15n) : (a.value & 15n) - (b.value & 15n);
    const signedExact = kind === 'add' ? signedOf(a) + signedOf(b) : signedOf(a) - signedOf(b);
    if (BigInt.asUintN(r.bits, exact) !== r.value)
      throw new RangeError(`${this.form.instruction.name}: flags('${kind}') with another result`);
    this.setAll({ ...common, c: exact !== r.value, a: nibble < 0n || nibble > 15n, o: signedExact !== signedOf(r) });
  }
  flagsStep(kind: StepKind, r: Value): void {
    const one = this.const(1, r.bits as Bits);
    const before = kind === 'inc' ? this.sub(r, one) : this.add(r, one);
    const carry = this.flag('c');
    this.flags(kind === 'inc' ? 'add' : 'sub', before, one, r);
    this.setFlags({ c: carry });
  }
  flagsResult(r: Value, rest: { c?: Value; o?: Value; a?: Value }): void {
    const on = (v: Value | undefined): boolean => v !== undefined && v.value !== 0n;
    this.setAll({ ...this.resultFlags(r), c: on(rest.c), o: on(rest.o), a: on(rest.a) });
  }
  setFlags(some: Partial<Record<StatusFlag, Value>>): void {
    let word = this.status;
    for (const name of Object.keys(some) as StatusFlag[]) {
      const bit = 1 << FLAG_BIT[name];
      word = (some[name] as Value).value !== 0n ? word | bit : word & ~bit;
    }
    this.status = word;
  }
  flag(name: StatusFlag): Value {
    return this.const((this.status >> FLAG_BIT[name]) & 1, 1);
  }
  cond(condition: Condition): Value {
    const word = this.status;
    const is = (name: StatusFlag): boolean => ((word >> FLAG_BIT[name]) & 1) === 1;
    const positive = [
      is('o'),
      is('c'),
      is('z'),
      is('c') || is('z'),
      is('s'),
      is('p'),
      is('s') !== is('o'),
      is('z') || is('s') !== is('o'),
    ];
    const n = CONDITIONS.indexOf(condition);
    return this.const(positive[n >> 1] !== ((n & 1) === 1) ? 1 : 0, 1);
  }
  statusByte(): Value {
    return this.const((this.status & 0xd5) | 2, 8);
  }
  setStatusByte(v: Value): void {
    this.status = (this.status & 0x800) | (Number(v.value) & 0xd5);
  }
  directionFlag(): Value {
    return this.const((this.state.u64(at('rflags')) & DIRECTION) !== 0n ? 1 : 0, 1);
  }
  setDirectionFlag(v: Value): void {
    const rest = this.state.u64(at('rflags')) & ~DIRECTION;
    this.state.setU64(at('rflags'), v.value !== 0n ? rest | DIRECTION : rest);
  }

  // --- memory and stack ------------------------------------------------------------------------------------------

  private loadLinear(linear: bigint, bits: Bits): Value {
    const pointer = Number(this.procedure('mem_read_slow', linear, bits / 8)) >>> 0;
    if (pointer === 0) this.unwind();
    return { bits, value: this.readHost(pointer, bits) };
  }
  private storeLinear(linear: bigint, v: Value): void {
    this.writeHost(this.places.area + at('bounce'), v.value, v.bits);
    if (this.procedure('mem_write_slow', linear, v.bits / 8) === 0) this.unwind();
  }
  private overridden(segment: number, useOverride: boolean): number {
    return useOverride && this.decoded.segmentOverride >= 0 ? this.decoded.segmentOverride : segment;
  }
  load(segment: number, address: Value, bits: Bits, useOverride = false): Value {
    return this.loadLinear(
      this.segmentLinear(this.overridden(segment, useOverride), address, bits / 8, false, useOverride),
      bits,
    );
  }
  store(segment: number, address: Value, v: Value, useOverride = false): void {
    this.storeLinear(
      this.segmentLinear(this.overridden(segment, useOverride), address, v.bits / 8, true, useOverride),
      v,
    );
  }
  push(v: Value): void {
    const sp = this.const(this.readGpr(RSP, 0, this.stackBits).value - BigInt(v.bits / 8), this.stackBits);
    this.storeStack(sp, v);
    this.writeGpr(RSP, 0, sp);
  }
  peek(bits: 16 | 32 | 64, depth = 0): Value {
    return this.loadStack(this.const(this.readGpr(RSP, 0, this.stackBits).value + BigInt(depth), this.stackBits), bits);
  }
  loadStack(address: Value, bits: 16 | 32 | 64): Value {
    return this.load(SS, address, bits);
  }
  storeStack(address: Value, v: Value): void {
    this.store(SS, address, v);
  }
  dropStack(bytes: Value | number): void {
    const n = typeof bytes === 'number' ? BigInt(bytes) : bytes.value;
    this.writeGpr(RSP, 0, this.const(this.readGpr(RSP, 0, this.stackBits).value + n, this.stackBits));
  }

  // --- control ---------------------------------------------------------------------------------------------------

  nextRip(): Value {
    const record = this.state.u32(at('record'));
    const next = this.state.u64(at('codePage')) + BigInt(this.host.getUint16(record + RECORD.next, true));
    return this.const(this.decoderLong() ? next : next & 0xffff_ffffn, 64);
  }
  private decoderLong(): boolean {
    return this.decoded.form?.long ?? (this.modeKey & 3) === 2;
  }
  private directTarget(target: Operand): Value {
    const d = this.decodedOf(target);
    const displacement = BigInt.asIntN(64, (BigInt(d.immHi) << 32n) | BigInt(d.immLo >>> 0));
    return this.const(this.nextRip().value + displacement, this.long ? 64 : this.opBits);
  }
  jumpTo(target: Operand): void {
    const to = this.directTarget(target);
    // DEVIATION: in 64-bit mode CALL rel has pushed when its target turns out not to be canonical.
    this.restartable = !this.long;
    this.checkTarget(to);
    this.target = to.value;
  }
  checkJump(target: Operand): void {
    if (!this.long) this.checkTarget(this.directTarget(target));
  }
  checkTarget(v: Value): void {
    if (this.long) {
      if (BigInt.asUintN(64, BigInt.asIntN(48, v.value)) !== v.value) this.raise(13, 0);
    } else if (v.value > BigInt(this.state.u32(segmentOffset(CS) + SEGMENT_ENTRY.limit))) this.raise(13, 0);
  }
  jump(v: Value): void {
    this.checkTarget(v);
    this.target = v.value;
  }
  when(condition: Value, then: () => void): void {
    if (condition.bits !== 1)
      throw new RangeError(`${this.form.instruction.name}: a condition of ${condition.bits} bits`);
    if (condition.value !== 0n) then();
  }
  raise(vector: number, errorCode?: number): void {
    this.procedure('raise_exception', vector, errorCode ?? -1);
    this.unwind();
  }
  raiseIf(condition: Value, vector: number, errorCode?: number): void {
    if (condition.value !== 0n) this.raise(vector, errorCode);
  }

  // --- procedures ------------------------------------------------------------------------------------------------

  call(name: string, ...args: Value[]): Value {
    const p = PROCEDURES[name];
    if (p === undefined) throw new RangeError(`no procedure named ${name}`);
    if (p.params.length !== args.length)
      throw new RangeError(`${name} takes ${p.params.length} arguments, got ${args.length}`);
    const passed = args.map((v, i) => {
      if (p.params[i] === 'v128') throw new RangeError(`${name} takes a v128`);
      return p.params[i] === 'i64' ? BigInt.asIntN(64, v.value) : Number(BigInt.asIntN(32, v.value));
    });
    if (p.effect === 'leave' || name.startsWith('string_')) this.restartable = false;
    const result = this.procedure(name, ...passed);
    if (p.effect === 'pure' || p.effect === 'state') {
      if (p.result === undefined) return this.const(0, 32);
      return this.const(BigInt(result), p.result === 'i32' ? 32 : 64);
    }
    if (p.effect === 'leave' || result !== 0) this.unwind();
    return this.const(0, 32);
  }

  // --- SIMD ------------------------------------------------------------------------------------------------------

  simd(op: string, ...args: Value[]): Value {
    for (const v of args)
      if (v.bits !== 128) throw new RangeError(`${this.form.instruction.name}: ${op} of ${v.bits} bits`);
    const value = simdOp(
      op,
      args.map((v) => v.value),
    );
    return { bits: op.endsWith('bitmask') || op.endsWith('_true') ? 32 : 128, value };
  }
  shuffle(a: Value, b: Value, lanes: readonly number[]): Value {
    return { bits: 128, value: shuffleOp(a.value, b.value, lanes) };
  }
  extractLane(v: Value, laneBits: 8 | 16 | 32 | 64, lane: number): Value {
    return this.const(v.value >> BigInt(laneBits * lane), laneBits);
  }
  replaceLane(v: Value, laneBits: 8 | 16 | 32 | 64, lane: number, x: Value): Value {
    if (x.bits !== laneBits)
      throw new RangeError(`${this.form.instruction.name}: a lane of ${laneBits} bits replaced by ${x.bits}`);
    const shift = BigInt(laneBits * lane);
    return this.const((v.value & ~(mask(laneBits) << shift)) | (x.value << shift), 128);
  }
  splat(x: Value): Value {
    let value = 0n;
    for (let i = 0; i < 128; i += x.bits) value |= x.value << BigInt(i);
    return this.const(value, 128);
  }
  simdShift(op: string, v: Value, count: Value): Value {
    return { bits: 128, value: simdShiftOp(op, v.value, Number(count.value)) };
  }
}

/** The evaluator in the interpreter's place: `run` executes one instruction at RIP and leaves. */
export function asInterpreter(evaluator: Evaluator): Pick<Interpreter, 'run'> {
  return {
    run: () => {
      evaluator.step();
      return 0;
    },
  };
}
/** The procedures for a vCPU that the evaluator drives: no blocks are built. */
export function withoutBlocks(procedures: Procedures): Procedures {
  return { ...procedures, enter_code: () => 1, cut_block: (record) => record };
}
