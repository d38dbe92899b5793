// A small machine for the tests of declarations: Sem<V> on bigints with registers, flat memory and no page walk. It checks
// every rule of sem.ts that can be checked: widths of all values and arguments, static operand lists, fault order.
import {
  type BinaryOp,
  type Bits,
  CONDITIONS,
  type CompareOp,
  type Condition,
  type Decoded,
  type DecodedOperand,
  type FlagsKind,
  type Form,
  type GprName,
  type Operand,
  PROCEDURES,
  type Sem,
  type StatusFlag,
  type StepKind,
} from './index.js';

export interface Val {
  readonly value: bigint;
  readonly bits: Bits;
}
/** A fault of the instruction. */
export class Fault extends Error {
  constructor(
    readonly vector: number,
    readonly errorCode: number | undefined,
  ) {
    super(`fault ${vector}`);
  }
}
/** The declaration breaks a rule of the vocabulary. */
export class Misuse extends Error {}

export type TestProcedure = (m: TestMachine, args: readonly bigint[]) => bigint | undefined;
interface Moved extends Operand {
  readonly moved: bigint;
}

const mask = (bits: number): bigint => (1n << BigInt(bits)) - 1n;
const signed = (v: Val): bigint => BigInt.asIntN(v.bits, v.value);
const NUMBER: Record<GprName, number> = { rax: 0, rcx: 1, rdx: 2, rbx: 3, rsp: 4, rbp: 5, rsi: 6, rdi: 7 };
const FLAG_BIT: Record<StatusFlag, bigint> = { c: 1n, p: 4n, a: 16n, z: 64n, s: 128n, o: 2048n };
const STATUS = 0x8d5n;
const DF = 0x400n;
const check = (ok: boolean, what: () => string): void => {
  if (!ok) throw new Misuse(what());
};
const parityEven = (v: bigint): boolean => {
  let n = 0;
  for (let i = 0n; i < 8n; i++) n += Number((v >> i) & 1n);
  return n % 2 === 0;
};

export class TestMachine implements Sem<Val> {
  readonly gpr: bigint[] = new Array<bigint>(16).fill(0n);
  /** EFLAGS: status flags and DF. */
  eflags = 0n;
  rip = 0n;
  readonly memory = new Map<bigint, number>();
  readonly scratchSlots: bigint[] = [0n, 0n, 0n, 0n];
  /** Implementations by name; the others return zeroes. Their calls are listed in `calls`. */
  procedures: Record<string, TestProcedure> = {};
  calls: string[] = [];
  /** Faults on every memory access whose address is not admitted. */
  admits: (address: bigint) => boolean = () => true;

  opBits: 16 | 32 | 64 = 32;
  addrBits: 16 | 32 | 64 = 32;
  stackBits: 16 | 32 | 64 = 32;
  long = false;
  rep: 'none' | 'rep' | 'repne' = 'none';
  private decoded!: Decoded;
  private form!: Form;
  /** Something visible has been written: nothing may fault any more. */
  private written = '';
  private conditional: boolean[] = [];

  /** Executes the decoded instruction at `rip`. */
  run(decoded: Decoded, stackBits: 16 | 32 | 64 = 64): void {
    const form = decoded.form;
    if (form === undefined) throw new Fault(6, undefined);
    this.decoded = decoded;
    this.form = form;
    this.opBits = form.opBits;
    this.addrBits = decoded.addrBits;
    this.long = form.long;
    this.stackBits = form.long ? 64 : stackBits;
    this.rep = (['none', 'rep', 'repne'] as const)[decoded.rep] as 'none';
    this.written = '';
    this.conditional = [];
    this.calls = [];
    form.instruction.execute(this, ...form.operands);
  }

  private enabled(): boolean {
    return !this.conditional.includes(false);
  }
  private mayFault(what: string): void {
    check(this.written === '', () => `${what} may fault after a write to ${this.written}`);
  }
  private wrote(what: string): void {
    if (this.enabled()) this.written = what;
  }
  private make(value: bigint, bits: Bits): Val {
    return { value: BigInt.asUintN(bits, value), bits };
  }

  const(value: bigint | number, bits: Bits): Val {
    return this.make(BigInt(value), bits);
  }
  widthOf(v: Val): Bits {
    return v.bits;
  }
  private same(a: Val, b: Val, what: string): void {
    check(a.bits === b.bits, () => `${what} of ${a.bits} and ${b.bits} bits`);
  }
  binary(op: BinaryOp, a: Val, b: Val): Val {
    this.same(a, b, op);
    const count = BigInt(Number(b.value) % (a.bits === 64 ? 64 : 32));
    if (op === 'shl' || op === 'shr' || op === 'sar') {
      // Out-of-range counts only as unused results (a select or an inactive `when`): poison them.
      const inRange = b.value < BigInt(a.bits);
      if (!inRange) return this.make(0xdeadbeefdeadbeefn, a.bits);
    }
    const wide = BigInt(a.bits);
    switch (op) {
      case 'add':
        return this.make(a.value + b.value, a.bits);
      case 'sub':
        return this.make(a.value - b.value, a.bits);
      case 'mul':
        return this.make(a.value * b.value, a.bits);
      case 'and':
        return this.make(a.value & b.value, a.bits);
      case 'or':
        return this.make(a.value | b.value, a.bits);
      case 'xor':
        return this.make(a.value ^ b.value, a.bits);
      case 'shl':
        return this.make(a.value << b.value, a.bits);
      case 'shr':
        return this.make(a.value >> b.value, a.bits);
      case 'sar':
        return this.make(signed(a) >> b.value, a.bits);
      case 'rotl':
      case 'rotr': {
        check(a.bits === 32 || a.bits === 64, () => `${op} of ${a.bits} bits`);
        const left = op === 'rotl' ? count : (wide - count) % wide;
        return this.make((a.value << left) | (a.value >> (wide - left)), a.bits);
      }
    }
  }
  add = (a: Val, b: Val): Val => this.binary('add', a, b);
  sub = (a: Val, b: Val): Val => this.binary('sub', a, b);
  and = (a: Val, b: Val): Val => this.binary('and', a, b);
  or = (a: Val, b: Val): Val => this.binary('or', a, b);
  xor = (a: Val, b: Val): Val => this.binary('xor', a, b);
  mul = (a: Val, b: Val): Val => this.binary('mul', a, b);
  shl = (a: Val, b: Val): Val => this.binary('shl', a, b);
  shr = (a: Val, b: Val): Val => this.binary('shr', a, b);
  sar = (a: Val, b: Val): Val => this.binary('sar', a, b);
  not(a: Val): Val {
    return this.make(~a.value, a.bits);
  }
  neg(a: Val): Val {
    return this.make(-a.value, a.bits);
  }
  compare(op: CompareOp, a: Val, b: Val): Val {
    this.same(a, b, op);
    const [x, y] = op.endsWith('s') ? [signed(a), signed(b)] : [a.value, b.value];
    const result =
      op === 'eq'
        ? x === y
        : op === 'ne'
          ? x !== y
          : op.startsWith('lt')
            ? x < y
            : op.startsWith('le')
              ? x <= y
              : op.startsWith('gt')
                ? x > y
                : x >= y;
    // 'eq' and 'ne' do not end in s; "lts" and the like do.
    return this.make(result ? 1n : 0n, 1);
  }
  isZero(a: Val): Val {
    return this.make(a.value === 0n ? 1n : 0n, 1);
  }
  select(condition: Val, ifTrue: Val, ifFalse: Val): Val {
    check(condition.bits === 1, () => `select on ${condition.bits} bits`);
    this.same(ifTrue, ifFalse, 'select');
    return condition.value === 1n ? ifTrue : ifFalse;
  }
  zext(v: Val, bits: Bits): Val {
    check(bits >= v.bits, () => `zext from ${v.bits} to ${bits}`);
    return this.make(v.value, bits);
  }
  sext(v: Val, bits: Bits): Val {
    check(bits >= v.bits, () => `sext from ${v.bits} to ${bits}`);
    return this.make(signed(v), bits);
  }
  trunc(v: Val, bits: Bits): Val {
    check(bits <= v.bits, () => `trunc from ${v.bits} to ${bits}`);
    return this.make(v.value, bits);
  }
  clz(v: Val): Val {
    return this.make(BigInt(v.value === 0n ? v.bits : v.bits - v.value.toString(2).length), v.bits);
  }
  ctz(v: Val): Val {
    let n = 0n;
    while (n < BigInt(v.bits) && ((v.value >> n) & 1n) === 0n) n++;
    return this.make(n, v.bits);
  }
  popcnt(v: Val): Val {
    return this.make(BigInt([...v.value.toString(2)].filter((c) => c === '1').length), v.bits);
  }

  // --- operands ---
  private decodedOperand(operand: Operand): DecodedOperand {
    return this.decoded.operands[operand.index] as DecodedOperand;
  }
  private getGpr(n: number, high: boolean, bits: Bits): Val {
    return this.make((this.gpr[n] as bigint) >> (high ? 8n : 0n), bits);
  }
  private setGpr(n: number, high: boolean, v: Val): void {
    if (!this.enabled()) return;
    const old = this.gpr[n] as bigint;
    if (v.bits === 64) this.gpr[n] = v.value;
    else if (v.bits === 32) this.gpr[n] = v.value;
    else if (high) this.gpr[n] = (old & ~0xff00n) | (v.value << 8n);
    else this.gpr[n] = (old & ~mask(v.bits)) | v.value;
  }
  private address(operand: Operand): bigint {
    const d = this.decoded;
    let offset = (BigInt(d.dispHi) << 32n) | BigInt(d.disp >>> 0);
    if (d.ripRelative) offset += this.rip + BigInt(d.length);
    if (d.base >= 0) offset += this.gpr[d.base] as bigint;
    if (d.index >= 0) offset += (this.gpr[d.index] as bigint) << BigInt(d.scale);
    return (offset + ((operand as Moved).moved ?? 0n)) & mask(this.addrBits);
  }
  private loadBytes(address: bigint, bits: number): bigint {
    this.mayFault('a read');
    let v = 0n;
    for (let i = 0; i < bits / 8; i++) {
      const at = BigInt.asUintN(64, address + BigInt(i));
      if (!this.admits(at)) throw new Fault(14, 0);
      v |= BigInt(this.memory.get(at) ?? 0) << BigInt(8 * i);
    }
    return v;
  }
  private storeBytes(address: bigint, v: Val): void {
    for (let i = 0; i < v.bits / 8; i++) {
      const at = BigInt.asUintN(64, address + BigInt(i));
      if (!this.admits(at)) throw new Fault(14, 2);
      if (this.enabled()) this.memory.set(at, Number((v.value >> BigInt(8 * i)) & 0xffn));
    }
  }
  read(operand: Operand): Val {
    const o = this.decodedOperand(operand);
    switch (operand.kind) {
      case 'gpr':
        return this.getGpr(o.register, o.high !== 0, operand.bits as Bits);
      case 'mem':
        check([8, 16, 32, 64, 128].includes(operand.bits), () => `read of ${operand.bits} bits`);
        return this.make(this.loadBytes(this.address(operand), operand.bits), operand.bits as Bits);
      case 'imm':
        return this.make((BigInt(o.immHi) << 32n) | BigInt(o.immLo >>> 0), operand.bits as Bits);
      case 'far':
        return this.make(BigInt(o.immLo >>> 0), operand.bits as Bits);
      case 'mmx':
        return this.make(0n, 64);
      case 'xmm':
        return this.make(0n, 128);
      default:
        throw new Misuse(`read of a ${operand.kind} operand`);
    }
  }
  write(operand: Operand, v: Val): void {
    if (operand.kind === 'mmx' || operand.kind === 'xmm') return;
    check(v.bits === operand.bits, () => `write of ${v.bits} bits to a ${operand.bits}-bit operand`);
    const o = this.decodedOperand(operand);
    if (operand.kind === 'gpr') this.setGpr(o.register, o.high !== 0, v);
    else if (operand.kind === 'mem') {
      this.mayFault('a write');
      this.storeBytes(this.address(operand), v);
    } else throw new Misuse(`write to a ${operand.kind} operand`);
    this.wrote(operand.kind);
  }
  update(operand: Operand, f: (old: Val) => Val): void {
    const old = this.read(operand);
    const wasWritten = this.written;
    const r = f(old);
    this.written = wasWritten; // flags inside f are checked against faults by the emitter's order
    this.write(operand, r);
  }
  effectiveAddress(operand: Operand): Val {
    return this.make(this.address(operand), this.addrBits);
  }
  at(operand: Operand, offset: Val | number, bits: number): Operand {
    check(operand.kind === 'mem', () => 'at() of no memory operand');
    if (typeof offset !== 'number') check(offset.bits === this.addrBits, () => `at() by ${offset.bits} bits`);
    const before = (operand as Moved).moved ?? 0n;
    const by = typeof offset === 'number' ? BigInt(offset) : signed(offset);
    const moved: Moved = { ...operand, bits, moved: before + by };
    return moved;
  }
  effectiveSegment(segment: number): Val {
    return this.const(this.decoded.segmentOverride >= 0 ? this.decoded.segmentOverride : segment, 32);
  }
  linearAddress(operand: Operand, _sizeBytes: number, _isWrite: boolean): Val {
    check(operand.kind === 'mem', () => 'linearAddress of no memory operand');
    this.mayFault('linearAddress');
    return this.make(this.address(operand), 64);
  }
  pointer(_operand: Operand): Val {
    return this.const(0, 32);
  }
  scratch(_n: number): Val {
    return this.const(0, 32);
  }
  loadScratch(n: number, bits: Bits): Val {
    return this.make(this.scratchSlots[n] as bigint, bits);
  }
  storeScratch(n: number, v: Val): void {
    this.scratchSlots[n] = v.value;
  }
  registerNumber(operand: Operand): Val {
    check(['x87', 'segment', 'control', 'debug', 'far'].includes(operand.kind), () => `number of a ${operand.kind}`);
    const o = this.decodedOperand(operand);
    return this.const(operand.kind === 'far' ? o.immHi : o.register, 32);
  }
  reg(name: GprName, bits: Bits): Val {
    return this.getGpr(NUMBER[name], false, bits);
  }
  setReg(name: GprName, v: Val): void {
    check(v.bits >= 8 && v.bits <= 64, () => `${name} := ${v.bits} bits`);
    this.setGpr(NUMBER[name], false, v);
    this.wrote(name);
  }
  regHigh(_: 'rax'): Val {
    return this.getGpr(0, true, 8);
  }
  setRegHigh(_: 'rax', v: Val): void {
    check(v.bits === 8, () => `AH := ${v.bits} bits`);
    this.setGpr(0, true, v);
    this.wrote('AH');
  }

  // --- flags ---
  private put(some: Partial<Record<StatusFlag, Val>>): void {
    for (const name of Object.keys(some) as StatusFlag[]) {
      const v = some[name];
      if (v === undefined) continue;
      check(v.bits === 1, () => `flag ${name} of ${v.bits} bits`);
      if (this.enabled()) this.eflags = v.value === 1n ? this.eflags | FLAG_BIT[name] : this.eflags & ~FLAG_BIT[name];
    }
    this.wrote('flags');
  }
  private truth(b: boolean): Val {
    return this.make(b ? 1n : 0n, 1);
  }
  flags(kind: FlagsKind, a: Val, b: Val, r: Val): void {
    this.same(a, b, 'flags');
    this.same(a, r, 'flags');
    const top = BigInt(r.bits - 1);
    const zero = this.truth(false);
    const aux = this.truth((((a.value ^ b.value ^ r.value) >> 4n) & 1n) === 1n);
    if (kind === 'logic') {
      this.flagsResult(r, {});
      return;
    }
    const add = kind === 'add';
    const overflow = add ? (a.value ^ r.value) & (b.value ^ r.value) : (a.value ^ b.value) & (a.value ^ r.value);
    const carry = add ? r.value < a.value : a.value < b.value;
    this.flagsResult(r, { c: this.truth(carry), a: aux, o: ((overflow >> top) & 1n) === 1n ? this.truth(true) : zero });
  }
  flagsStep(kind: StepKind, r: Val): void {
    const lowest = 1n << BigInt(r.bits - 1);
    this.flagsResult(r, {
      c: this.flag('c'),
      o: this.truth(r.value === (kind === 'inc' ? lowest : lowest - 1n)),
      a: this.truth((r.value & 15n) === (kind === 'inc' ? 0n : 15n)),
    });
  }
  flagsResult(r: Val, rest: { c?: Val; o?: Val; a?: Val }): void {
    const zero = this.truth(false);
    this.put({
      c: rest.c ?? zero,
      o: rest.o ?? zero,
      a: rest.a ?? zero,
      z: this.truth(r.value === 0n),
      s: this.truth(signed(r) < 0n),
      p: this.truth(parityEven(r.value)),
    });
  }
  setFlags(some: Partial<Record<StatusFlag, Val>>): void {
    this.put(some);
  }
  flag(name: StatusFlag): Val {
    return this.truth((this.eflags & FLAG_BIT[name]) !== 0n);
  }
  cond(condition: Condition): Val {
    const n = CONDITIONS.indexOf(condition);
    const f = (name: StatusFlag): boolean => (this.eflags & FLAG_BIT[name]) !== 0n;
    const base = [
      f('o'),
      f('c'),
      f('z'),
      f('c') || f('z'),
      f('s'),
      f('p'),
      f('s') !== f('o'),
      f('z') || f('s') !== f('o'),
    ][n >> 1] as boolean;
    return this.truth(base !== (n % 2 === 1));
  }
  statusByte(): Val {
    return this.make((this.eflags & STATUS) | 2n, 8);
  }
  setStatusByte(v: Val): void {
    check(v.bits === 8, () => `status byte of ${v.bits} bits`);
    this.eflags = (this.eflags & ~(STATUS & 0xffn)) | (v.value & STATUS & 0xffn);
  }
  directionFlag(): Val {
    return this.truth((this.eflags & DF) !== 0n);
  }
  setDirectionFlag(v: Val): void {
    check(v.bits === 1, () => `DF of ${v.bits} bits`);
    this.eflags = v.value === 1n ? this.eflags | DF : this.eflags & ~DF;
  }

  // --- memory and stack ---
  load(_segment: number, address: Val, bits: Bits, _useOverride?: boolean): Val {
    check(address.bits === this.addrBits, () => `load at a ${address.bits}-bit address`);
    return this.make(this.loadBytes(address.value, bits), bits);
  }
  store(_segment: number, address: Val, v: Val, _useOverride?: boolean): void {
    check(address.bits === this.addrBits, () => `store at a ${address.bits}-bit address`);
    this.mayFault('a store');
    this.storeBytes(address.value, v);
    this.wrote('memory');
  }
  private sp(): bigint {
    return (this.gpr[4] as bigint) & mask(this.stackBits);
  }
  private moveStack(by: bigint): void {
    this.setGpr(4, false, this.make(this.sp() + by, this.stackBits));
  }
  push(v: Val): void {
    check([16, 32, 64].includes(v.bits), () => `push of ${v.bits} bits`);
    this.mayFault('a push');
    const bytes = BigInt(v.bits / 8);
    this.storeBytes((this.sp() - bytes) & mask(this.stackBits), v);
    this.moveStack(-bytes);
    this.wrote('stack');
  }
  peek(bits: 16 | 32 | 64, depth = 0): Val {
    return this.make(this.loadBytes((this.sp() + BigInt(depth)) & mask(this.stackBits), bits), bits);
  }
  loadStack(address: Val, bits: 16 | 32 | 64): Val {
    check(address.bits === this.stackBits, () => `stack address of ${address.bits} bits`);
    return this.make(this.loadBytes(address.value, bits), bits);
  }
  /** Stores below rSP may be repeated after a fault: they do not count as written. */
  storeStack(address: Val, v: Val): void {
    check(address.bits === this.stackBits, () => `stack address of ${address.bits} bits`);
    this.mayFault('a stack store');
    this.storeBytes(address.value, v);
  }
  dropStack(bytes: Val | number): void {
    if (typeof bytes !== 'number') check(bytes.bits === this.stackBits, () => `dropStack by ${bytes.bits} bits`);
    this.moveStack(typeof bytes === 'number' ? BigInt(bytes) : bytes.value);
    this.wrote('rSP');
  }

  // --- control ---
  nextRip(): Val {
    return this.make(this.rip + BigInt(this.decoded.length), 64);
  }
  jumpTo(target: Operand): void {
    check(target.kind === 'rel', () => `jumpTo a ${target.kind} operand`);
    const to = this.rip + BigInt(this.decoded.length) + BigInt(this.decodedOperand(target).immLo);
    if (this.enabled()) this.rip = (to & mask(this.opBits)) - BigInt(this.decoded.length);
  }
  checkTarget(v: Val): void {
    check(v.bits >= 16 && v.bits <= 64, () => `target of ${v.bits} bits`);
    this.mayFault('checkTarget');
    if (this.long && signed(v) !== BigInt.asIntN(48, v.value)) throw new Fault(13, 0);
  }
  checkJump(target: Operand): void {
    check(target.kind === 'rel', () => `checkJump of a ${target.kind} operand`);
    this.mayFault('checkJump');
  }
  jump(v: Val): void {
    if (this.enabled()) this.rip = v.value - BigInt(this.decoded.length);
  }
  when(condition: Val, then: () => void): void {
    check(condition.bits === 1, () => `when on ${condition.bits} bits`);
    this.conditional.push(condition.value === 1n);
    then();
    this.conditional.pop();
  }
  raise(vector: number, errorCode?: number): void {
    this.mayFault('raise');
    if (this.enabled()) throw new Fault(vector, errorCode);
  }
  raiseIf(condition: Val, vector: number, errorCode?: number): void {
    check(condition.bits === 1, () => `raiseIf on ${condition.bits} bits`);
    this.mayFault('raiseIf');
    if (condition.value === 1n && this.enabled()) throw new Fault(vector, errorCode);
  }
  call(name: string, ...args: Val[]): Val {
    const p = PROCEDURES[name];
    check(p !== undefined, () => `no procedure '${name}'`);
    if (p === undefined) return this.const(0, 32);
    check(args.length === p.params.length, () => `${name} takes ${p.params.length} arguments, got ${args.length}`);
    p.params.forEach((type, i) => {
      const bits = (args[i] as Val).bits;
      const ok = type === 'i32' ? bits <= 32 : type === 'i64' ? bits === 64 : bits === 128;
      check(ok, () => `${name}: argument ${i} is ${bits} bits wide, expected ${type}`);
    });
    if (p.effect === 'fault' || p.effect === 'leave') this.mayFault(name);
    if (!this.enabled()) return this.const(0, 32);
    this.calls.push(name);
    const result =
      this.procedures[name]?.(
        this,
        args.map((a) => a.value),
      ) ?? 0n;
    return this.make(result, p.result === 'i64' ? 64 : p.result === 'v128' ? 128 : 32);
  }

  // --- SIMD: widths only ---
  xmm(_number: number): Val {
    return this.const(0, 128);
  }
  setXmm(_number: number, v: Val): void {
    check(v.bits === 128, () => `XMM := ${v.bits} bits`);
  }
  private vector(what: string, ...values: Val[]): void {
    for (const v of values) check(v.bits === 128, () => `${what} of ${v.bits} bits`);
  }
  simd(op: string, ...args: Val[]): Val {
    this.vector(op, ...args);
    return this.const(0, /bitmask|_true/.test(op) ? 32 : 128);
  }
  shuffle(a: Val, b: Val, lanes: readonly number[]): Val {
    this.vector('shuffle', a, b);
    check(lanes.length === 16 && lanes.every((l) => l >= 0 && l < 32), () => `shuffle lanes ${lanes.join()}`);
    return this.const(0, 128);
  }
  extractLane(v: Val, laneBits: 8 | 16 | 32 | 64, lane: number): Val {
    this.vector('extractLane', v);
    check(lane >= 0 && lane < 128 / laneBits, () => `lane ${lane} of ${laneBits} bits`);
    return this.const(0, laneBits);
  }
  replaceLane(v: Val, laneBits: 8 | 16 | 32 | 64, lane: number, x: Val): Val {
    this.vector('replaceLane', v);
    check(lane >= 0 && lane < 128 / laneBits, () => `lane ${lane} of ${laneBits} bits`);
    check(x.bits === laneBits, () => `${x.bits} bits into a ${laneBits}-bit lane`);
    return this.const(0, 128);
  }
  splat(x: Val): Val {
    check([8, 16, 32, 64].includes(x.bits), () => `splat of ${x.bits} bits`);
    return this.const(0, 128);
  }
  simdShift(op: string, v: Val, count: Val): Val {
    this.vector(op, v);
    check(count.bits === 32, () => `${op} by ${count.bits} bits`);
    return this.const(0, 128);
  }
}

const divide =
  (signedDivide: boolean): TestProcedure =>
  (m, [high = 0n, low = 0n, divisor = 0n, width = 0n]) => {
    const bits = Number(width);
    const whole = (high << width) | low;
    const dividend = signedDivide ? BigInt.asIntN(2 * bits, whole) : whole;
    const by = signedDivide ? BigInt.asIntN(bits, divisor) : divisor;
    if (by === 0n) throw new Fault(0, undefined);
    const quotient = dividend / by;
    const fits = signedDivide ? BigInt.asIntN(bits, quotient) === quotient : quotient <= mask(bits);
    if (!fits) throw new Fault(0, undefined);
    m.scratchSlots[0] = BigInt.asUintN(64, quotient);
    m.scratchSlots[1] = BigInt.asUintN(64, dividend % by);
    return undefined;
  };
/** The arithmetic procedures. */
export const ARITHMETIC_PROCEDURES: Readonly<Record<string, TestProcedure>> = {
  mul_high_u64: (_, [a = 0n, b = 0n]) => (a * b) >> 64n,
  mul_high_s64: (_, [a = 0n, b = 0n]) => BigInt.asUintN(64, (BigInt.asIntN(64, a) * BigInt.asIntN(64, b)) >> 64n),
  divide_unsigned: divide(false),
  divide_signed: divide(true),
};
