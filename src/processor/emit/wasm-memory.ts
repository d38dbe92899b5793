// Guest memory of the emitter: loads and stores by host address, and by linear address through the software TLB with the slow
// path behind it. Between WasmValues, which knows no memory, and WasmSem, which knows operands. Shape: ../README.md "Memory".
import type { Bits } from '../../isa/index.js';
import { at, TLB_ENTRIES, TLB_ENTRY } from '../state-layout.js';
import type { Binding, ImportTable, Value } from './binding.js';
import type { FunctionBuilder } from './wasm.js';
import type { MemoryOpName } from './wasm-opcodes.js';
import type { WasmSem } from './wasm-sem.js';
import { typeOf, WasmValues } from './wasm-values.js';

export const LOAD: Record<8 | 16 | 32 | 64, MemoryOpName> = {
  8: 'i32.load8_u',
  16: 'i32.load16_u',
  32: 'i32.load',
  64: 'i64.load',
};
export const STORE: Record<8 | 16 | 32 | 64, MemoryOpName> = {
  8: 'i32.store8',
  16: 'i32.store16',
  32: 'i32.store',
  64: 'i64.store',
};

/** Turns the linear address on the wasm stack into the place of its entry from the beginning of a TLB. */
export function tlbIndex(f: FunctionBuilder): void {
  f.op('i32.wrap_i64')
    .i32(7)
    .op('i32.shr_u')
    .i32((TLB_ENTRIES - 1) * TLB_ENTRY.sizeBytes)
    .op('i32.and');
}

export abstract class WasmMemory extends WasmValues {
  /** Where the code of the last load from a host address began and ended, and how it can be said in a wider way. */
  private lastLoad: { start: number; end: number; local: number; offset: number } | null = null;
  /** The instruction has written guest memory. */
  wrote = false;
  /** The whole emitter, as bindings want it. */
  protected abstract readonly self: WasmSem;

  constructor(
    f: FunctionBuilder,
    imports: ImportTable,
    public binding: Binding,
    stateLocal: number,
  ) {
    super(f, imports, stateLocal);
  }

  /** Loads `bits` from the host address on the wasm stack. */
  protected loadHost(bits: Bits, offset = 0): Value {
    const start = this.f.code.length;
    if (bits === 128) this.f.simdMemory('v128.load', offset);
    else this.f.memory(LOAD[bits as 8], offset);
    const v = this.take(bits);
    this.lastLoad = { start, end: this.f.code.length, local: v.local, offset };
    return v;
  }
  /** A number that was just loaded to be extended to a vector is loaded as one. */
  override zext(v: Value, bits: Bits): Value {
    const last = this.lastLoad;
    if (bits === 128 && last !== null && v.local === last.local && v.bits >= 32 && v.bits < 128)
      if (this.f.code.length === last.end) {
        this.f.code.length = last.start;
        this.f.simdMemory(v.bits === 64 ? 'v128.load64_zero' : 'v128.load32_zero', last.offset);
        return this.take(128);
      }
    return super.zext(v, bits);
  }
  /** Stores the value on the wasm stack to the host address below it. */
  protected storeHost(bits: Bits, offset = 0): void {
    if (bits === 128) this.f.simdMemory('v128.store', offset);
    else this.f.memory(STORE[bits as 8], offset);
  }
  /** Sets `host` to the host address of `linear` when the TLB has it with tag `tagOffset`, else by the slow path. */
  protected probe(linear: Value, size: number, tagOffset: number, host: number, access: 'read' | 'rmw'): void {
    this.reach(linear, size, tagOffset, access, (offset) => {
      if (offset !== 0) this.f.i32(offset).op('i32.add');
      this.f.set(host);
    });
  }
  /** `use` takes a host address from the wasm stack, at each way to one; what is meant lies at `offset` from there. */
  private reach(
    linear: Value,
    size: number,
    tagOffset: number,
    access: 'read' | 'rmw',
    use: (offset: number) => void,
  ): void {
    const { f } = this;
    const shared = this.binding.translation?.sharedAddress(this.self, linear, size, tagOffset === TLB_ENTRY.writeTag);
    if (shared) {
      f.get(shared.local).if(true);
      f.get(shared.local);
      use(shared.offset);
      f.else(); // the range crosses a page, or is not in the TLB: the access looks for itself
    }
    const entry = this.pushMatch(linear, size, tagOffset);
    f.if(shared ? undefined : true);
    this.pushHost(entry, linear);
    use(0);
    f.else();
    this.pushSlow(access, linear, size);
    const host = this.temp('i32');
    f.tee(host);
    this.binding.unwindUnless(this.self);
    f.get(host);
    use(0);
    f.end();
    if (shared) f.end();
  }
  /** Pushes what the slow path says: a host address, or for writes (from the bounce buffer) a status; 0: unwind. */
  protected pushSlow(access: 'read' | 'rmw' | 'write', linear: Value, size: number): void {
    const { translation } = this.binding;
    if (translation !== undefined) {
      translation.slowAccess(this.self, access, linear, size);
      return;
    }
    this.binding.notePosition(this.self);
    this.push_(linear);
    this.f.i32(size);
    this.call_(`mem_${access}_slow`);
  }
  /** Pushes the place of the TLB entry of `linear` from `tlbBase`; it is in the local that is returned, too. */
  protected pushEntry(linear: Value): number {
    const entry = this.temp('i32');
    const known = this.binding.translation !== undefined;
    if (!known) this.state().memory('i32.load', at('tlb'));
    this.push_(linear);
    tlbIndex(this.f);
    if (!known) this.f.op('i32.add');
    this.f.tee(entry);
    return entry;
  }
  /** Pushes whether the TLB has `size` bytes at `linear` in one page; returns the local that holds the entry's address. */
  pushMatch(linear: Value, size: number, tagOffset: number): number {
    const { f } = this;
    const entry = this.pushEntry(linear);
    f.memory('i64.load', this.tlbBase + tagOffset);
    this.push_(linear);
    if (size > 1) f.i64Number(size - 1).op('i64.add');
    f.i64Number(-4096).op('i64.and').op('i64.eq');
    return entry;
  }
  /** Like pushMatch() for a range that gets its length later; returns where the length less 1 lies in the code, too. */
  pushRangeMatch(linear: Value, tagOffset: number): { entry: number; lengthAt: number } {
    const { f } = this;
    const entry = this.pushEntry(linear);
    f.memory('i64.load', this.tlbBase + tagOffset);
    this.push_(linear);
    const lengthAt = f.i64Later();
    f.op('i64.add').i64Number(-4096).op('i64.and').op('i64.eq');
    return { entry, lengthAt };
  }
  /** Pushes the host address of `linear` by the entry that matches. */
  pushHost(entry: number, linear: Value): void {
    this.f.get(entry).memory('i32.load', this.tlbBase + TLB_ENTRY.addend);
    this.push_(linear);
    this.f.op('i32.wrap_i64').op('i32.add');
  }
  /** What the offsets into a TLB entry have added to them: its address where that is known. */
  private get tlbBase(): number {
    return this.binding.translation?.tlb ?? 0;
  }
  loadLinear(linear: Value, bits: Bits): Value {
    const size = bits / 8;
    const { translation } = this.binding;
    if (translation === undefined || translation.vectors || bits === 128) {
      const host = this.temp('i32');
      this.probe(linear, size, TLB_ENTRY.readTag, host, 'read');
      this.f.get(host);
      return this.loadHost(bits);
    }
    // each way has its load, so that no address has to be brought to the same place
    const local = this.temp(typeOf(bits));
    this.reach(linear, size, TLB_ENTRY.readTag, 'read', (offset) => {
      if (offset < 0) this.f.i32(offset).op('i32.add');
      this.f.memory(LOAD[bits as 8], Math.max(0, offset)).set(local);
    });
    return this.valueIn(local, bits);
  }
  storeLinear(linear: Value, v: Value): void {
    const { f } = this;
    this.wrote = true;
    const size = v.bits / 8;
    const shared = this.binding.translation?.sharedAddress(this.self, linear, size, true);
    if (shared) {
      f.get(shared.local).if(true);
      f.get(shared.local);
      if (shared.offset < 0) f.i32(shared.offset).op('i32.add');
      this.push_(v);
      this.storeHost(v.bits, Math.max(0, shared.offset));
      f.else();
    }
    const entry = this.pushMatch(linear, size, TLB_ENTRY.writeTag);
    f.if(shared ? undefined : true);
    this.pushHost(entry, linear);
    this.push_(v);
    this.storeHost(v.bits);
    f.else();
    this.state();
    this.push_(v);
    this.storeHost(v.bits, at('bounce'));
    this.pushSlow('write', linear, size);
    this.binding.unwindUnless(this.self);
    this.binding.translation?.afterSlowWrite(this.self);
    f.end();
    if (shared) f.end();
  }
}
