// x87 instructions in translated code. Inside a block the stack stands still: TOP is known as a distance from where it was
// when the block's first x87 instruction began, tags are tested once, and registers are addressed directly in the state area.
// Status word, tags and instruction pointers are kept in locals and brought to the state area where something may look at
// them (`flush`). Numbers stay exact: core/numerics/f80-fast.ts does the frequent cases, the procedures of the interpreter
// everything else. Intel SDM Vol. 1, ch. 8 "Programming with the x87 FPU".
import { keepsRegisters } from '../jit/effects.js';
import { at, fprOffset } from '../state-layout.js';
import type { Value } from './binding.js';
import type { FunctionBuilder, Label } from './wasm.js';
import type { WasmSem } from './wasm-sem.js';
import { NumberEmitter, type NumberLocals } from './x87-numbers.js';

const STATE = 0;
const REGISTERS = fprOffset(0);
const EXPONENT = 8;
/** FCW: all exceptions masked, 64 bits of precision, rounding to nearest. */
const PLAIN = { mask: 0xf3f, value: 0x33f } as const;
const C1 = 0x200;
const CONDITION = 0x4700;
const TOP_MASK = 0x3800;

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
interface Operation {
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

/** Procedures that replace ST(0) or ST(0) and ST(1) and take long: by what they need and pop. */
const FUNCTIONS: Readonly<Record<string, { readonly valid: readonly number[]; readonly pops: number }>> = {
  x87_round_int: { valid: [0], pops: 0 },
  x87_f2xm1: { valid: [0], pops: 0 },
  x87_sin: { valid: [0], pops: 0 },
  x87_cos: { valid: [0], pops: 0 },
  x87_scale: { valid: [0, 1], pops: 0 },
  x87_rem: { valid: [0, 1], pops: 0 },
  x87_examine: { valid: [], pops: 0 },
  x87_patan: { valid: [0, 1], pops: 1 },
  x87_yl2x: { valid: [0, 1], pops: 1 },
  x87_yl2xp1: { valid: [0, 1], pops: 1 },
};

const number = (v: Value | undefined): number => Number(v?.constant ?? 0n);

export class X87Inline {
  private emitter: WasmSem | null = null;
  private active = false;
  private suspended = false;
  /** Locals: status word with the TOP of the begin, tags rotated by it, FCW is plain, operand address. */
  private sw = -1;
  private tags = -1;
  private plain = -1;
  private fdp = -1;
  /** Host address of register r of the begin minus REGISTERS; and whether the block has computed it. */
  private readonly slots: number[] = [];
  private readonly addressed = new Set<number>();
  /** By register: valid now, where that is known. */
  private readonly valid: (boolean | undefined)[] = new Array<boolean | undefined>(8).fill(undefined);
  private moved = false;
  private top = 0;
  private fip: number | null = null;
  private fdpPending = false;

  constructor(private readonly around: X87Surroundings) {}

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
  private callProcedure(s: WasmSem, name: string, args: readonly Value[]): void {
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
  private address(s: WasmSem, i: number): void {
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
  private slot(i: number): number {
    return this.slots[this.register(i)] as number;
  }
  private pushPointer(f: FunctionBuilder, i: number): void {
    f.get(this.slot(i)).i32(REGISTERS).op('i32.add');
  }
  /** ST(i) on the wasm stack: exponent, then significand. */
  private pushNumber(f: FunctionBuilder, i: number): void {
    f.get(this.slot(i)).memory('i32.load16_u', REGISTERS + EXPONENT);
    f.get(this.slot(i)).memory('i64.load', REGISTERS);
  }
  private load(s: WasmSem, i: number): NumberLocals {
    const n = { e: s.temp('i32'), m: s.temp('i64') };
    this.pushNumber(s.f, i);
    s.f.set(n.m).set(n.e);
    return n;
  }
  private store(f: FunctionBuilder, i: number, n: NumberLocals): void {
    f.get(this.slot(i)).get(n.m).memory('i64.store', REGISTERS);
    f.get(this.slot(i))
      .get(n.e)
      .memory('i32.store16', REGISTERS + EXPONENT);
  }
  private clearC1(f: FunctionBuilder): void {
    f.get(this.sw).i32(~C1).op('i32.and').set(this.sw);
  }
  /** Status bits in local `flags` replace `replaced`; negative: to `slow`. */
  private takeFlags(f: FunctionBuilder, flags: number, replaced: number, slow: Label): void {
    f.get(flags).i32(0).op('i32.lt_s').brIf(slow, false);
    f.get(this.sw).i32(~replaced).op('i32.and').get(flags).op('i32.or').set(this.sw);
  }

  /** Emits an instruction; false: the procedure has to do it. */
  private emitOperation(s: WasmSem, o: Operation): boolean {
    this.enter(s);
    const tests = [
      ...(o.valid ?? []).map((i) => [this.register(i), true] as const),
      ...(o.empty ?? []).map((i) => [this.register(i), false] as const),
    ];
    if (tests.some(([r, v]) => this.valid[r] !== undefined && this.valid[r] !== v)) return false;
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

  // --- instructions ---
  /** The procedure `name` in place; null: it is not one of those, and everything is in the state area. */
  emit(s: WasmSem, name: string, args: readonly Value[]): Value | null {
    if (s.depth > 0) return null;
    if (name === 'x87_status_value') return this.active ? this.statusValue(s) : null;
    if (name === 'x87_control_value') return null;
    if (name === 'x87_compare_flags') return this.compareToFlags(s, args);
    const o = this.operation(s, name, args);
    if (o === null || !this.emitOperation(s, o)) {
      this.leave(s);
      return null;
    }
    this.finish(s, name.startsWith('x87_store_f') || name.startsWith('x87_store_i'));
    return s.const(0, 32);
  }
  /** At the end of an instruction. */
  private finish(s: WasmSem, writes: boolean): void {
    if (this.around.last) this.leave(s);
    else if (writes) {
      // the region may be left behind this instruction
      s.f.get(this.around.stale).if(false);
      this.flush(s);
      s.f.end();
    }
  }
  private operation(s: WasmSem, name: string, args: readonly Value[]): Operation | null {
    const { f } = s;
    const slow = (): void => this.callProcedure(s, name, args);
    const numbers = new NumberEmitter(s);
    const [first, second] = args;
    switch (name) {
      case 'x87_arith': {
        const [op, dst, src, pops] = args.map((v) => number(v)) as [number, number, number, number];
        return {
          valid: dst === src ? [dst] : [dst, src],
          pops,
          fast: (label) =>
            this.arithmetic(
              s,
              op,
              dst,
              () => this.pushNumber(f, src),
              () => this.pushNumber(f, dst),
              label,
            ),
          slow,
        };
      }
      case 'x87_arith_f32':
      case 'x87_arith_f64':
      case 'x87_arith_int':
        return {
          valid: [0],
          address: args[2],
          fast: (label) => {
            const n = this.memoryNumber(numbers, name, second as Value, label);
            const operand = (): void => void f.get(n.e).get(n.m);
            this.arithmetic(s, number(first), 0, operand, () => this.pushNumber(f, 0), label);
          },
          slow,
        };
      case 'x87_load_f32':
      case 'x87_load_f64':
      case 'x87_load_i32':
      case 'x87_load_i64':
        return {
          empty: [7],
          pushes: true,
          address: second,
          fast: (label) => {
            this.store(f, 7, this.memoryNumber(numbers, name, first as Value, label));
            this.clearC1(f);
          },
          slow,
        };
      case 'x87_load_st':
        return {
          valid: [number(first)],
          empty: [7],
          pushes: true,
          fast: () => {
            this.store(f, 7, this.load(s, number(first)));
            this.clearC1(f);
          },
          slow,
        };
      case 'x87_load_constant':
        return {
          empty: [7],
          pushes: true,
          fast: () => {
            this.store(f, 7, numbers.constant(number(first)));
            this.clearC1(f);
          },
          slow,
        };
      case 'x87_store_st':
      case 'x87_store_st_unchecked': {
        const i = number(first);
        return {
          valid: [0],
          ...(i !== 0 && { sets: [i] }),
          pops: name === 'x87_store_st' ? number(second) : 1,
          fast: () => {
            if (i !== 0) this.store(f, i, this.load(s, 0));
            this.clearC1(f);
          },
          slow,
        };
      }
      case 'x87_exchange': {
        const i = number(first);
        return {
          valid: i === 0 ? [0] : [0, i],
          fast: () => {
            if (i !== 0) {
              const [a, b] = [this.load(s, 0), this.load(s, i)];
              this.store(f, 0, b);
              this.store(f, i, a);
            }
            this.clearC1(f);
          },
          slow,
        };
      }
      case 'x87_chs':
      case 'x87_abs':
        return {
          valid: [0],
          fast: () => {
            f.get(this.slot(0))
              .get(this.slot(0))
              .memory('i32.load16_u', REGISTERS + EXPONENT);
            if (name === 'x87_chs') f.i32(0x8000).op('i32.xor');
            else f.i32(0x7fff).op('i32.and');
            f.memory('i32.store16', REGISTERS + EXPONENT);
            this.clearC1(f);
          },
          slow,
        };
      case 'x87_sqrt':
        return {
          valid: [0],
          fast: (label) => {
            this.pushPointer(f, 0);
            this.pushNumber(f, 0);
            this.callFast(s, 'x87_fast_sqrt', C1, label);
          },
          slow,
        };
      case 'x87_compare': {
        const i = number(first);
        return {
          valid: i === 0 ? [0] : [0, i],
          pops: number(args[2]),
          fast: (label) => this.compare(s, () => this.pushNumber(f, i), label),
          slow,
        };
      }
      case 'x87_test':
        return {
          valid: [0],
          fast: (label) => this.compare(s, () => void f.i32(0).i64(0n), label),
          slow,
        };
      case 'x87_compare_f32':
      case 'x87_compare_f64':
      case 'x87_compare_int':
        return {
          valid: [0],
          pops: number(args[2]),
          address: second,
          fast: (label) => {
            const n = this.memoryNumber(numbers, name, first as Value, label);
            this.compare(s, () => void f.get(n.e).get(n.m), label);
          },
          slow,
        };
      case 'x87_store_f32':
      case 'x87_store_f64':
      case 'x87_store_i16':
      case 'x87_store_i32':
      case 'x87_store_i64':
        return this.storeNumber(s, name, args);
    }
    const known = FUNCTIONS[name];
    return known === undefined ? null : { ...known, fast: null, slow };
  }
  private memoryNumber(numbers: NumberEmitter, name: string, v: Value, slow: Label): NumberLocals {
    if (name.endsWith('f32')) return numbers.fromSingle(v, slow);
    if (name.endsWith('f64')) return numbers.fromDouble(v, slow);
    return numbers.fromInteger(v);
  }
  private callFast(s: WasmSem, name: string, replaced: number, slow: Label): void {
    const flags = s.temp('i32');
    s.callImport(name);
    s.f.set(flags);
    this.takeFlags(s.f, flags, replaced, slow);
  }
  /** ST(dst) = ST(dst) op source, by the numbers of ModRM.reg. */
  private arithmetic(
    s: WasmSem,
    op: number,
    dst: number,
    source: () => void,
    destination: () => void,
    slow: Label,
  ): void {
    const { f } = s;
    this.pushPointer(f, dst);
    const reversed = op === 5 || op === 7;
    const [a, b] = reversed ? [source, destination] : [destination, source];
    if (op === 4 || op === 5) {
      // a - b is -b + a
      const significand = s.temp('i64');
      b();
      f.set(significand).i32(0x8000).op('i32.xor').get(significand);
      a();
    } else {
      a();
      b();
    }
    this.callFast(s, op === 1 ? 'x87_fast_mul' : op >= 6 ? 'x87_fast_div' : 'x87_fast_add', C1, slow);
  }
  private compare(s: WasmSem, source: () => void, slow: Label): void {
    this.pushNumber(s.f, 0);
    source();
    this.callFast(s, 'x87_fast_compare', CONDITION, slow);
  }
  private compareToFlags(s: WasmSem, args: readonly Value[]): Value | null {
    const { f } = s;
    const [i, , pops] = args.map((v) => number(v)) as [number, number, number];
    const result = s.temp('i32');
    const emitted = this.emitOperation(s, {
      valid: i === 0 ? [0] : [0, i],
      pops,
      fast: (slow) => {
        this.pushNumber(f, 0);
        this.pushNumber(f, i);
        s.callImport('x87_fast_compare');
        f.tee(result).i32(0).op('i32.lt_s').brIf(slow, false);
        // C3, C0 to ZF, CF
        f.get(result).i32(8).op('i32.shr_u').set(result);
        this.clearC1(f);
      },
      slow: () => {
        this.callProcedure(s, 'x87_compare_flags', args);
        f.set(result);
      },
      complete: () => this.around.setStatusFlags(s, { bits: 32, type: 'i32', local: result, constant: 0n }),
    });
    if (!emitted) {
      this.leave(s);
      return null;
    }
    this.finish(s, false);
    return { bits: 32, type: 'i32', local: result, constant: 0n };
  }
  /** FST, FIST and their kin: the procedure writes memory itself. */
  private storeNumber(s: WasmSem, name: string, args: readonly Value[]): Operation {
    const { f } = s;
    const [linear, address, pops, truncate] = args as [Value, Value, Value, Value | undefined];
    const bits = Number(name.slice(-2)) as 16 | 32 | 64;
    return {
      valid: [0],
      pops: number(pops),
      address,
      fast: (slow) => {
        const flags = s.temp('i32');
        let v: Value;
        if (name.startsWith('x87_store_f')) {
          const n = this.load(s, 0);
          v = new NumberEmitter(s).toReal(n, bits === 64 ? 64 : 32, flags, slow);
        } else {
          this.pushNumber(f, 0);
          f.i32(bits).i32(number(truncate));
          s.callImport('x87_fast_integer');
          const whole = s.take(64);
          v = bits === 64 ? whole : s.trunc(whole, bits);
          f.get(STATE).memory('i32.load', at('scratch')).tee(flags).i32(0).op('i32.lt_s').brIf(slow, false);
        }
        // inside the block: shared checks of memory are not to be set up here
        s.depth++;
        s.storeLinear(linear, v);
        s.depth--;
        this.takeFlags(f, flags, C1, slow);
      },
      slow: () => {
        // a fault leaves the instruction undone
        this.flush(s);
        this.callProcedure(s, name, args);
        f.if(false);
        this.around.unwind(s);
        f.end();
        this.around.afterSlowWrite(s);
      },
    };
  }
  /** FNSTSW. */
  private statusValue(s: WasmSem): Value {
    const { f } = s;
    f.get(this.sw);
    if (this.top !== 0) {
      f.i32(~TOP_MASK).op('i32.and').get(this.sw);
      f.i32(this.top << 11)
        .op('i32.add')
        .i32(TOP_MASK)
        .op('i32.and')
        .op('i32.or');
    }
    const v = s.take(32);
    if (this.around.last) this.leave(s);
    return v;
  }
}
