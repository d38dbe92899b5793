// x87 instructions in translated code, on the stack of x87-stack.ts. Numbers stay exact: core/numerics/f80-fast.ts does the
// frequent cases, the procedures of the interpreter everything else. Intel SDM Vol. 1, ch. 8 "Programming with the x87 FPU".
import { at } from '../state-layout.js';
import type { Value } from './binding.js';
import type { Label } from './wasm.js';
import type { WasmSem } from './wasm-sem.js';
import { NumberEmitter, type NumberLocals } from './x87-numbers.js';
import { C1, EXPONENT, type Operation, REGISTERS, STATE, TOP_MASK, X87Stack } from './x87-stack.js';

const CONDITION = 0x4700;
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

export class X87Inline extends X87Stack {
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
        // ST(7) is where the number goes: it is a fault in any case
        if (number(first) === 7) return null;
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
    if (name.endsWith('f32') || name.endsWith('f64')) return numbers.fromReal(v, slow);
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
