// XMM registers of translated code: in v128 locals inside a region, in their slots of the state area outside; and what is
// known of the numbers in them. Intel SDM Vol. 1, ch. 10 and 11.
import { at, xmmOffset } from '../state-layout.js';
import type { Value } from './binding.js';
import type { FunctionBuilder } from './wasm.js';
import type { WasmSem } from './wasm-sem.js';

const STATE = 0;
/** In the sets of registers used, XMM registers follow the general ones. */
const FIRST_XMM = 16;
const XMM_COUNT = 16;
/** Bits of what is known. sd, ss: the low number is zero or normal; pd, ps: no lane holds a denormal. */
export const ORDINARY = { sd: 1, pd: 2, ss: 4, ps: 8 } as const;
export type FloatKind = keyof typeof ORDINARY;

/** MXCSR: round to nearest, no flush to zero, denormals as they are, precision exception masked and already noted. */
const NATIVE = { mask: 0xf060, value: 0x1020 } as const;

export class VectorRegisters {
  private readonly locals: (number | undefined)[] = [];
  private fast = -1;
  private fastKnown = false;
  private known: number[] = new Array<number>(XMM_COUNT).fill(0);
  /** What is known of values read in the current instruction, by local. */
  private readonly values = new Map<number, number>();

  constructor(private readonly use: { readonly read: Set<number>; readonly written: Set<number> }) {}

  startBlock(): void {
    this.known.fill(0);
    this.fastKnown = false;
  }
  startInstruction(): void {
    this.values.clear();
  }
  /** MXCSR or the registers may have changed behind the emitter's back. */
  forget(): void {
    this.startBlock();
  }
  private local(f: FunctionBuilder, register: number): number {
    let local = this.locals[register];
    if (local === undefined) {
      local = f.newLocal('v128');
      this.locals[register] = local;
    }
    return local;
  }
  read(s: WasmSem, register: number): Value {
    this.use.read.add(FIRST_XMM + register);
    s.f.get(this.local(s.f, register));
    const v = s.take(128);
    this.values.set(v.local, this.known[register] as number);
    return v;
  }
  /** `v` of 128 bits replaces the register, narrower ones its low part. */
  write(s: WasmSem, register: number, v: Value): void {
    this.use.written.add(FIRST_XMM + register);
    const local = this.local(s.f, register);
    if (v.bits === 128) {
      s.push_(v);
      this.known[register] = s.depth > 0 || v.local < 0 ? 0 : (this.values.get(v.local) ?? 0);
    } else {
      this.use.read.add(FIRST_XMM + register);
      s.f.get(local);
      s.push_(v);
      s.f.simdLane(
        { 8: 'i8x16.replace_lane', 16: 'i16x8.replace_lane', 32: 'i32x4.replace_lane', 64: 'i64x2.replace_lane' }[
          v.bits as 8
        ],
        0,
      );
      this.known[register] = 0;
    }
    s.f.set(local);
  }
  knows(register: number, kind: FloatKind): boolean {
    return ((this.known[register] as number) & ORDINARY[kind]) !== 0;
  }
  /** Adds to what is known, or replaces it, keeping what is known of the lanes that `kind` leaves alone. */
  learn(register: number, kind: FloatKind, replaced: boolean): void {
    const old = this.known[register] as number;
    const kept = !replaced ? old : kind === 'sd' ? old & ORDINARY.pd : kind === 'ss' ? old & ORDINARY.ps : 0;
    this.known[register] = kept | ORDINARY[kind];
  }
  unlearn(register: number): void {
    this.known[register] = 0;
  }
  /** Local that is 1 while MXCSR allows WebAssembly's arithmetic and everything known of the registers holds. */
  fastLocal(s: WasmSem): number {
    if (this.fast < 0) this.fast = s.f.newLocal('i32');
    if (!this.fastKnown) {
      s.f.get(STATE).memory('i32.load', at('mxcsr')).i32(NATIVE.mask).op('i32.and').i32(NATIVE.value).op('i32.eq');
      s.f.set(this.fast);
      this.known.fill(0);
      this.fastKnown = s.depth === 0;
    }
    return this.fast;
  }

  /** Brings the register to its slot and pushes the slot's address. */
  pushSlot(s: WasmSem, register: number): void {
    this.use.read.add(FIRST_XMM + register);
    s.f.get(STATE).get(this.local(s.f, register)).simdMemory('v128.store', xmmOffset(register));
    s.f.get(STATE).i32(xmmOffset(register)).op('i32.add');
  }
  /** Takes the register back from its slot; both are then the same. */
  reload(s: WasmSem, register: number): void {
    this.use.read.add(FIRST_XMM + register);
    s.f.get(STATE).simdMemory('v128.load', xmmOffset(register)).set(this.local(s.f, register));
  }
  writeBack(f: FunctionBuilder): void {
    for (let n = 0; n < XMM_COUNT; n++)
      if (this.use.written.has(FIRST_XMM + n))
        f.get(STATE).get(this.local(f, n)).simdMemory('v128.store', xmmOffset(n));
  }
  load(f: FunctionBuilder): void {
    for (let n = 0; n < XMM_COUNT; n++)
      if (this.use.read.has(FIRST_XMM + n) || this.use.written.has(FIRST_XMM + n))
        f.get(STATE).simdMemory('v128.load', xmmOffset(n)).set(this.local(f, n));
  }
}
