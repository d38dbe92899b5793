// The x87 stack in translated code. Inside a block it stands still: TOP is known as a distance from where it was when the
// block's first x87 instruction began, tags are tested once, and registers are addressed directly in the state area. Status
// word, tags and instruction pointers are kept in locals and brought to the state area where something may look at them
// (`flush`). Intel SDM Vol. 1, "x87 FPU Register Stack", "x87 FPU Tag Word".
import { keepsRegisters } from '../jit/effects.js';
import { at, fprOffset } from '../state-layout.js';
import type { Value } from './binding.js';
import type { FunctionBuilder, Label } from './wasm.js';
import type { WasmSem } from './wasm-sem.js';
import type { NumberLocals } from './x87-numbers.js';

export const STATE = 0;
export const REGISTERS = fprOffset(0);
export const EXPONENT = 8;
/** FCW: all exceptions masked, 64 bits of precision, rounding to nearest. */
const PLAIN = { mask: 0xf3f, value: 0x33f } as const;
export const C1 = 0x200;
export const TOP_MASK = 0x3800;

/** What the emitter needs of the binding. */
export interface X87Surroundings {
  /** Offset of the current instruction and whether it is its block's last one. */
  readonly offset: number;
  readonly last: boolean;
  /** Local that is set when translated code was written to. */
  readonly stale: number;
  rip(s: WasmSem, offset: number): Value;
  notePosition(s: WasmSem): void;
  unwind(s: WasmSem): void;
  afterSlowWrite(s: WasmSem): void;
  /** All status flags, as a word in EFLAGS positions. */
  setStatusFlags(s: WasmSem, word: Value): void;
}

/** An instruction: which of ST(i) it needs, what it does to the stack, its frequent way, and the procedure otherwise. */
export interface Operation {
  readonly valid?: readonly number[];
  readonly empty?: readonly number[];
  /** Registers that are valid afterwards. */
  readonly sets?: readonly number[];
  readonly pushes?: boolean;
  readonly pops?: number;
  readonly address?: Value | undefined;
  readonly fast: ((slow: Label) => void) | null;
  readonly slow: () => void;
  /** What is left to do of the instruction where the region is left right behind the procedure. */
  readonly complete?: () => void;
}

export class X87Stack {
  private emitter: WasmSem | null = null;
  protected active = false;
  private suspended = false;
  /** Locals: status word with the TOP of the begin, tags rotated by it, FCW is plain, operand address. */
  protected sw = -1;
  private tags = -1;
  private plain = -1;
  protected fdp = -1;
  /** Host address of register r of the begin minus REGISTERS; and whether the block has computed it. */
  private readonly slots: number[] = [];
  private readonly addressed = new Set<number>();
  /** By register: valid now, where that is known. */
  private readonly valid: (boolean | undefined)[] = new Array<boolean | undefined>(8).fill(undefined);
  private moved = false;
  protected top = 0;
  private fip: number | null = null;
  private fdpPending = false;

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
  private local(f: FunctionBuilder, name: 'sw' | 'tags' | 'plain'): number {
    if (this[name] < 0) this[name] = f.newLocal('i32');
    return this[name];
  }
  private enter(s: WasmSem): void {
    if (this.active) return;
    this.emitter = s;
    const { f } = s;
    const sw = this.local(f, 'sw');
    const tags = this.local(f, 'tags');
    f.get(STATE).memory('i32.load', at('fsw')).set(sw);
    f.get(STATE).memory('i32.load', at('ftags')).tee(tags).i32(8).op('i32.shl').get(tags).op('i32.or');
    f.get(sw).i32(11).op('i32.shr_u').i32(7).op('i32.and').op('i32.shr_u').set(tags);
    f.get(STATE).memory('i32.load', at('fcw')).i32(PLAIN.mask).op('i32.and').i32(PLAIN.value).op('i32.eq');
    f.set(this.local(f, 'plain'));
    this.active = true;
    this.addressed.clear();
    this.valid.fill(undefined);
    this.moved = false;
    this.top = 0;
    this.fip = null;
    this.fdpPending = false;
  }
  private get shape(): number {
    let known = 0;
    let valid = 0;
    this.valid.forEach((v, r) => {
      if (v !== undefined) known |= 1 << r;
      if (v === true) valid |= 1 << r;
    });
    return this.top | (known << 8) | (valid << 16);
  }
  /** Brings everything to the state area; the locals stay as they are. */
  flush(s: WasmSem): void {
    if (!this.active || this.suspended) return;
    const { f } = s;
    this.commit(s);
    if (this.fip !== null) {
      const rip = this.around.rip(s, this.fip);
      f.get(STATE);
      s.push_(rip);
      f.memory('i64.store', at('fip'));
    }
    if (this.fdpPending) f.get(STATE).get(this.fdp).memory('i64.store', at('fdp'));
  }
  /** Status word and tags. */
  private commit(s: WasmSem): void {
    const { f } = s;
    if (this.moved || this.top !== 0) {
      f.get(this.sw).get(this.tags).i32(this.shape);
      s.callImport('x87_commit');
    } else f.get(STATE).get(this.sw).memory('i32.store', at('fsw'));
  }
  /** The procedure itself, which notes the instruction's position. */
  protected callProcedure(s: WasmSem, name: string, args: readonly Value[]): void {
    this.commit(s);
    this.suspended = true;
    this.around.notePosition(s);
    this.suspended = false;
    for (const v of args) s.push_(v);
    s.callImport(name);
  }
  /** From here on the state area holds everything. */
  leave(s: WasmSem): void {
    this.flush(s);
    this.active = false;
  }
  /** After a procedure that knew nothing of the locals. */
  private resume(s: WasmSem, complete: (() => void) | undefined): void {
    const { f } = s;
    f.get(this.sw).i32(this.shape);
    s.callImport('x87_resume');
    f.tee(this.sw).i32(-1).op('i32.eq').if(false);
    complete?.();
    s.callImport('x87_leave');
    f.op('drop');
    this.around.unwind(s);
    f.end();
  }

  // --- registers ---
  private register(i: number): number {
    return (this.top + i) & 7;
  }
  /** Makes sure that the address of ST(i) is in its local. */
  protected address(s: WasmSem, i: number): void {
    const r = this.register(i);
    if (this.addressed.has(r)) return;
    this.addressed.add(r);
    const { f } = s;
    this.slots[r] ??= f.newLocal('i32');
    f.get(this.sw).i32(7).op('i32.shr_u');
    if (r > 0) f.i32(r * 16).op('i32.add');
    f.i32(0x70)
      .op('i32.and')
      .get(STATE)
      .op('i32.add')
      .set(this.slots[r] as number);
  }
  protected slot(i: number): number {
    return this.slots[this.register(i)] as number;
  }
  protected pushPointer(f: FunctionBuilder, i: number): void {
    f.get(this.slot(i)).i32(REGISTERS).op('i32.add');
  }
  /** ST(i) on the wasm stack: exponent, then significand. */
  protected pushNumber(f: FunctionBuilder, i: number): void {
    f.get(this.slot(i)).memory('i32.load16_u', REGISTERS + EXPONENT);
    f.get(this.slot(i)).memory('i64.load', REGISTERS);
  }
  protected load(s: WasmSem, i: number): NumberLocals {
    const n = { e: s.temp('i32'), m: s.temp('i64') };
    this.pushNumber(s.f, i);
    s.f.set(n.m).set(n.e);
    return n;
  }
  protected store(f: FunctionBuilder, i: number, n: NumberLocals): void {
    f.get(this.slot(i)).get(n.m).memory('i64.store', REGISTERS);
    f.get(this.slot(i))
      .get(n.e)
      .memory('i32.store16', REGISTERS + EXPONENT);
  }
  protected clearC1(f: FunctionBuilder): void {
    f.get(this.sw).i32(~C1).op('i32.and').set(this.sw);
  }
  /** Status bits in local `flags` replace `replaced`; negative: to `slow`. */
  protected takeFlags(f: FunctionBuilder, flags: number, replaced: number, slow: Label): void {
    f.get(flags).i32(0).op('i32.lt_s').brIf(slow, false);
    f.get(this.sw).i32(~replaced).op('i32.and').get(flags).op('i32.or').set(this.sw);
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
    for (const i of [...(o.valid ?? []), ...(o.empty ?? []), ...(o.sets ?? [])]) this.address(s, i);
    let mask = 0;
    let expected = 0;
    for (const [r, v] of tests) {
      if (this.valid[r] !== undefined) continue;
      mask |= 1 << r;
      if (v) expected |= 1 << r;
    }
    const done = f.block();
    if (o.fast !== null) {
      const slow = f.block();
      f.get(this.plain).op('i32.eqz').brIf(slow, false);
      if (mask !== 0) f.get(this.tags).i32(mask).op('i32.and').i32(expected).op('i32.ne').brIf(slow, false);
      o.fast(slow);
      f.br(done);
      f.end();
    }
    // instruction pointers that an earlier instruction left: of the operand, where this one has none in memory
    if (o.address === undefined && this.fdpPending) f.get(STATE).get(this.fdp).memory('i64.store', at('fdp'));
    o.slow();
    for (const [r, v] of tests) this.valid[r] = v;
    for (const i of o.sets ?? []) this.set(i, true);
    if (o.pushes) {
      this.top = (this.top + 7) & 7;
      this.set(0, true);
    }
    for (let n = o.pops ?? 0; n > 0; n--) {
      this.set(0, false);
      this.top = (this.top + 1) & 7;
    }
    this.resume(s, o.complete);
    f.end();
    this.fip = this.around.offset;
    if (o.address !== undefined) {
      if (this.fdp < 0) this.fdp = f.newLocal('i64');
      s.push_(o.address);
      f.set(this.fdp);
      this.fdpPending = true;
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
