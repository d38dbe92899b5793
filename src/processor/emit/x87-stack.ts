// The x87 stack in translated code. Inside a block it stands still: TOP is known as a distance from where it was when the
// block's first x87 instruction began, all tags that the block needs are tested there, registers are addressed directly in the
// state area, and their significands are kept in locals besides. TOP, tags, a cleared C1 and the instruction pointer are
// brought to the state area where something may look at them (`flush`). Intel SDM Vol. 1, "x87 FPU Register Stack", "x87 FPU
// Tag Word".
import { keepsRegisters } from '../jit/effects.js';
import { at, fprOffset } from '../state-layout.js';
import type { Value } from './binding.js';
import type { FunctionBuilder, Label } from './wasm.js';
import type { WasmSem } from './wasm-sem.js';

export const STATE = 0;
/** Offset of sign and exponent from a register's significand. */
export const EXPONENT = 8;
const TOP_MASK = 0x3800;
const C1 = 0x200;
/** Places in what x87_enter returns: TOP; the control word is not the usual one. */
const BEGIN_TOP = 8;
const BEGIN_OTHER = 1 << 12;

/** What the emitter needs of the binding. */
export interface X87Surroundings {
  /** Offset of the current instruction and whether it is its block's last one. */
  readonly offset: number;
  readonly last: boolean;
  /** Local that is set when translated code was written to. */
  readonly stale: number;
  rip(s: WasmSem, offset: number): Value;
  /** Pushes budget and position as note_position takes them. */
  pushPosition(s: WasmSem): void;
  unwind(s: WasmSem): void;
  afterSlowWrite(s: WasmSem): void;
  /** All status flags, as a word in EFLAGS positions. */
  setStatusFlags(s: WasmSem, word: Value): void;
}

/** An instruction: which of ST(i) it needs, what it does to the stack, its frequent way, and the procedure otherwise. */
export interface Operation {
  readonly valid?: readonly number[];
  readonly empty?: readonly number[];
  /** Those whose significands it needs in locals. */
  readonly reads?: readonly number[];
  /** Those that get a number. */
  readonly writes?: readonly number[];
  readonly pushes?: boolean;
  readonly pops?: number;
  /** C1 is clear afterwards, unless there was a stack fault; the status word is left alone. */
  readonly clearsC1?: boolean;
  readonly address?: Value | undefined;
  /** Goes to a label; where it falls through, to the procedure. */
  readonly fast: ((slow: Label, done: Label) => void) | null;
  readonly slow: () => void;
  /** What is left to do of the instruction where the region is left right behind the procedure. */
  readonly complete?: () => void;
}

export class X87Stack {
  private emitter: WasmSem | null = null;
  protected active = false;
  /** Locals: what x87_enter returned, and whether the procedures have to do everything. */
  private begin = -1;
  private slowly = -1;
  /** Local: the state area has been brought up to date inside the block, and is not as it was at its begin; surely so. */
  private touched = -1;
  private surelyTouched = false;
  /** Constants of the test at the begin of the block: bits looked at, and their expected values. */
  private test: { readonly maskAt: number; readonly expectedAt: number; mask: number; expected: number } | null = null;
  /** Host address of register r of the begin; and whether the block has computed it. */
  private readonly slots: number[] = [];
  private readonly addressed = new Set<number>();
  /** Significand of register r, and whether it is there. */
  private readonly significands: number[] = [];
  private readonly held = new Set<number>();
  /** By register: valid now, where that is known. */
  private readonly valid: (boolean | undefined)[] = new Array<boolean | undefined>(8).fill(undefined);
  private moved = false;
  private clearC1 = false;
  protected top = 0;
  private fip: number | null = null;

  constructor(protected readonly around: X87Surroundings) {}

  startBlock(): void {
    this.active = false;
  }
  /** Before an instruction, with the procedures that it calls. */
  startInstruction(calls: () => readonly string[]): void {
    const s = this.emitter;
    if (!this.active || s === null) return;
    const names = calls();
    const own = names.length > 0 && (names[0] as string).startsWith('fpu_check') && !names.some((n) => /^mmx_/.test(n));
    if (own ? this.around.last : this.around.last || names.some((n) => !keepsRegisters(n) || /^(mmx_|wait_)/.test(n)))
      this.leave(s);
  }
  /** The check in front of an instruction has been made by an earlier one. */
  get checked(): boolean {
    return this.active;
  }

  // --- between locals and the state area ---
  private enter(s: WasmSem): void {
    if (this.active) return;
    this.emitter = s;
    const { f } = s;
    if (this.begin < 0) {
      this.begin = f.newLocal('i32');
      this.slowly = f.newLocal('i32');
      this.touched = f.newLocal('i32');
    }
    s.callImport('x87_enter');
    f.tee(this.begin);
    const maskAt = f.i32Later();
    f.op('i32.and');
    const expectedAt = f.i32Later();
    f.op('i32.ne').set(this.slowly);
    f.i32(0).set(this.touched);
    this.test = { maskAt, expectedAt, mask: BEGIN_OTHER, expected: 0 };
    this.active = true;
    this.addressed.clear();
    this.held.clear();
    this.valid.fill(undefined);
    this.moved = false;
    this.surelyTouched = false;
    this.clearC1 = false;
    this.top = 0;
    this.fip = null;
    this.patch(f);
  }
  private patch(f: FunctionBuilder): void {
    const { test } = this;
    if (test === null) return;
    f.code.patchSleb2(test.maskAt, test.mask);
    f.code.patchSleb2(test.expectedAt, test.expected);
  }
  private get shape(): number {
    let known = 0;
    let valid = 0;
    this.valid.forEach((v, r) => {
      if (v !== undefined) known |= 1 << r;
      if (v === true) valid |= 1 << r;
    });
    return this.top | (known << 8) | (valid << 16) | (this.clearC1 ? 1 << 24 : 0);
  }
  private pushShape(f: FunctionBuilder): void {
    f.get(this.begin).i32(this.shape);
  }
  /** Brings everything to the state area; the locals stay as they are. */
  flush(s: WasmSem): void {
    if (!this.active) return;
    this.write(s, this.fip === null ? null : this.around.rip(s, this.fip));
    if (this.changed) s.f.i32(1).set(this.touched);
  }
  private get changed(): boolean {
    return this.moved || this.top !== 0 || this.clearC1;
  }
  private write(s: WasmSem, rip: Value | null): void {
    const { f } = s;
    if (this.changed) {
      this.pushShape(f);
      if (rip !== null) s.push_(rip);
      s.callImport(rip === null ? 'x87_commit' : 'x87_flush');
    } else if (rip !== null) this.writePointer(s, rip);
  }
  private writePointer(s: WasmSem, rip: Value): void {
    s.f.get(STATE);
    s.push_(rip);
    s.f.memory('i64.store', at('fip'));
  }
  /** TOP and tags are what they were at the begin, unless that was not as expected. */
  private get balanced(): boolean {
    const { test } = this;
    if (test === null || this.top !== 0) return false;
    return this.valid.every((v, r) => v === undefined || (test.mask >> r) & (1 ^ (test.expected >> r) ^ Number(v)) & 1);
  }
  /** The procedure itself, which notes the instruction's position. */
  protected callProcedure(s: WasmSem, name: string, args: readonly Value[]): void {
    this.pushShape(s.f);
    this.around.pushPosition(s);
    s.callImport('x87_before');
    for (const v of args) s.push_(v);
    s.callImport(name);
  }
  /** From here on the state area holds everything. */
  leave(s: WasmSem): void {
    if (!this.active) return;
    this.active = false;
    const rip = this.fip === null ? null : this.around.rip(s, this.fip);
    if (rip === null || this.surelyTouched || !this.changed || !this.balanced) {
      this.write(s, rip);
      return;
    }
    const { f } = s;
    f.get(this.touched).if(false);
    this.write(s, rip);
    f.else();
    this.writePointer(s, rip);
    if (this.clearC1) {
      f.get(STATE).get(STATE).memory('i32.load', at('fsw')).i32(~C1).op('i32.and').memory('i32.store', at('fsw'));
    }
    f.end();
  }
  /** After a procedure that knew nothing of the locals. */
  private resume(s: WasmSem, complete: (() => void) | undefined): void {
    const { f } = s;
    this.pushShape(f);
    s.callImport('x87_after');
    f.if(false);
    complete?.();
    this.around.unwind(s);
    f.end();
  }

  /** Its current value. */
  protected statusWord(s: WasmSem): Value {
    const { f } = s;
    f.get(STATE).memory('i32.load', at('fsw'));
    const moved = this.moved || this.top !== 0;
    if (moved || this.clearC1) {
      f.i32(~((moved ? TOP_MASK : 0) | (this.clearC1 ? C1 : 0))).op('i32.and');
    }
    if (moved) {
      f.get(this.begin)
        .i32(3)
        .op('i32.shl')
        .i32(this.top << 11)
        .op('i32.add')
        .i32(TOP_MASK);
      f.op('i32.and').op('i32.or');
    }
    return s.take(32);
  }

  // --- registers ---
  private register(i: number): number {
    return (this.top + i) & 7;
  }
  /** Makes sure that the address of ST(i) is in its local. */
  private address(s: WasmSem, i: number): void {
    const r = this.register(i);
    if (this.addressed.has(r)) return;
    this.addressed.add(r);
    const { f } = s;
    this.slots[r] ??= f.newLocal('i32');
    f.get(this.begin)
      .i32(BEGIN_TOP - 4)
      .op('i32.shr_u');
    if (r > 0) f.i32(r * 16).op('i32.add');
    f.i32(0x70).op('i32.and').get(STATE).op('i32.add').i32(fprOffset(0)).op('i32.add');
    f.set(this.slots[r] as number);
  }
  /** Local with the host address of ST(i). */
  protected slot(i: number): number {
    return this.slots[this.register(i)] as number;
  }
  /** Local with the significand of ST(i). */
  protected significand(f: FunctionBuilder, i: number): number {
    const r = this.register(i);
    this.significands[r] ??= f.newLocal('i64');
    return this.significands[r] as number;
  }
  private fetch(f: FunctionBuilder, i: number): void {
    f.get(this.slot(i)).memory('i64.load').set(this.significand(f, i));
  }
  /** ST(0) and ST(i) have changed places in the state area: so do their locals. */
  protected exchangeLocals(f: FunctionBuilder, i: number): void {
    const [a, b] = [this.significand(f, 0), this.significand(f, i)];
    this.significands[this.register(0)] = b;
    this.significands[this.register(i)] = a;
  }

  /** Emits an instruction; false: the procedure has to do it. */
  protected emitOperation(s: WasmSem, o: Operation): boolean {
    this.enter(s);
    const tests = [
      ...(o.valid ?? []).map((i) => [this.register(i), true] as const),
      ...(o.empty ?? []).map((i) => [this.register(i), false] as const),
    ];
    if (tests.some(([r, v]) => this.valid[r] !== undefined && this.valid[r] !== v)) return false;
    // FLD ST(7) reads the register that it fills: never without a stack fault
    if (o.valid?.some((i) => o.empty?.includes(i))) return false;
    const { f } = s;
    const { test } = this;
    if (test !== null) {
      for (const [r, v] of tests) {
        if (this.valid[r] !== undefined) continue;
        test.mask |= 1 << r;
        if (v) test.expected |= 1 << r;
      }
      this.patch(f);
    }
    const writes = o.writes ?? [];
    if (o.fast !== null) for (const i of [...(o.valid ?? []), ...writes]) this.address(s, i);
    for (const i of o.reads ?? []) {
      if (this.held.has(this.register(i))) continue;
      this.fetch(f, i);
      this.held.add(this.register(i));
    }
    // registers are named as the instruction sees them until its stack movement
    const begin = this.top;
    let done: Label | null = null;
    if (o.fast !== null) {
      done = f.block();
      const slow = f.block();
      f.get(this.slowly).brIf(slow, false);
      o.fast(slow, done);
      f.end();
    }
    o.slow();
    f.i32(1).set(this.touched);
    if (o.fast === null) this.surelyTouched = true;
    for (const [r, v] of tests) this.valid[r] = v;
    for (const i of writes) this.set(i, true);
    if (o.pushes) {
      this.top = (this.top + 7) & 7;
      this.set(0, true);
    }
    for (let n = o.pops ?? 0; n > 0; n--) {
      this.set(0, false);
      this.top = (this.top + 1) & 7;
    }
    this.clearC1 = o.clearsC1 ?? false;
    this.resume(s, o.complete);
    const after = this.top;
    this.top = begin;
    for (const i of writes) {
      if (o.fast === null) this.held.delete(this.register(i));
      else {
        this.fetch(f, i);
        this.held.add(this.register(i));
      }
    }
    this.top = after;
    if (done !== null) f.end();
    this.fip = this.around.offset;
    if (o.address !== undefined) {
      f.get(STATE);
      s.push_(o.address);
      f.memory('i64.store', at('fdp'));
    }
    return true;
  }
  private set(i: number, valid: boolean): void {
    const r = this.register(i);
    if (this.valid[r] === valid) return;
    this.valid[r] = valid;
    this.moved = true;
  }
}
