// General registers that a region keeps in the state area: what a block has written there is taken from a local as long as it
// stands. A load right behind the store waits for it; one that is wider than the store waits until it has left the processor.
import { gprOffset } from '../state-layout.js';
import type { Value } from './binding.js';
import { STORE } from './wasm-memory.js';
import type { WasmSem } from './wasm-sem.js';

export class RegisterCopies {
  /** By register: i64 locals, and how many of their low bits are known. */
  private readonly locals: number[] = [];
  private readonly known: number[] = new Array<number>(16).fill(0);

  forget(register: number): void {
    this.known[register] = 0;
  }
  forgetAll(): void {
    this.known.fill(0);
  }
  /** Pushes the low `bits` of a register, i64 for 64 of them, else i32; false if they are not known. */
  push(s: WasmSem, register: number, bits: number): boolean {
    const known = this.known[register] as number;
    if (known < bits) return false;
    const { f } = s;
    f.get(this.locals[register] as number);
    if (bits < 64) f.op('i32.wrap_i64');
    if (bits < 32 && bits < known) f.i32((1 << bits) - 1).op('i32.and');
    return true;
  }
  /** Writes a register in the state area: all of it for 32 and 64 bits, else its low 8 or 16, or bits 8 to 15. */
  write(s: WasmSem, register: number, v: Value, high: boolean): void {
    const { f } = s;
    let local = this.locals[register];
    if (local === undefined) this.locals[register] = local = f.newLocal('i64');
    const whole = this.known[register] === 64;
    if (v.bits < 32 && whole) {
      const shift = high ? 8n : 0n;
      f.get(local);
      f.i64(~(((1n << BigInt(v.bits)) - 1n) << shift)).op('i64.and');
      s.push_(s.zext(v, 64));
      if (high) f.i64(8n).op('i64.shl');
      f.op('i64.or').set(local);
    } else if (!high) {
      s.push_(s.zext(v, 64));
      f.set(local);
    }
    s.state();
    if (v.bits >= 32 || whole) f.get(local).memory('i64.store', gprOffset(register));
    else {
      s.push_(v);
      f.memory(STORE[v.bits as 8], gprOffset(register) + (high ? 1 : 0));
    }
    if (s.depth > 0) this.known[register] = 0;
    else if (v.bits >= 32) this.known[register] = 64;
    else if (!whole) this.known[register] = high ? Math.min(this.known[register] as number, 8) : v.bits;
  }
}
