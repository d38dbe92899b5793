// What the emitter works with: values, the static facts of a specialisation, and the Binding, which is the difference
// between the interpreter (operands from a decoded record) and translated code (operands known).
import type { Bits, Condition, FlagsKind, Operand, StepKind } from '../../isa/index.js';
import type { WasmType } from './wasm.js';
import type { WasmSem } from './wasm-sem.js';

/** A value: in a local, or a constant known now. Integers up to 32 bits are i32, zero-extended; 64 i64; 128 v128. */
export interface Value {
  readonly bits: Bits;
  readonly type: WasmType;
  /** Local index, or -1 for a constant. */
  readonly local: number;
  readonly constant: bigint;
  /** Only addresses in translated code: what the value is made of. */
  readonly symbol?: AddressSymbol | undefined;
}
/** A value as a register's content at some time plus a constant: two with the same origin differ by their deltas. */
export interface AddressSymbol {
  readonly origin: number;
  readonly delta: number;
}

/** Pointer to an XMM register that lives in a local, or to a memory operand's bytes: stored when a procedure is called. */
export interface PointerValue extends Value {
  /** Number of the XMM register, or -1. */
  readonly register: number;
  /** What was read from memory, or null. */
  readonly loaded: Value | null;
}
export const isPointer = (v: Value): v is PointerValue => 'loaded' in v;

/** What is fixed for one specialisation of an instruction. */
export interface StaticFacts {
  readonly opBits: 16 | 32 | 64;
  readonly addrBits: 16 | 32 | 64;
  readonly long: boolean;
  readonly stackBits: 16 | 32 | 64;
  readonly rep: 'none' | 'rep' | 'repne';
  /** CS, DS, ES and SS are flat (always in 64-bit mode). */
  readonly flat: boolean;
  /** 16-byte memory operands must be aligned. */
  readonly aligned: boolean;
  /** The instruction is locked and other threads run vCPUs of the same memory: its read-modify-write is atomic. */
  readonly lock?: boolean;
}

/** Where operands live and how control leaves: the difference between interpreter and translated code. */
export interface Binding {
  readonly facts: StaticFacts;
  /** GPR operand (any width). */
  readGpr(s: WasmSem, operand: Operand): Value;
  writeGpr(s: WasmSem, operand: Operand, v: Value): void;
  /** GPR by number, low `bits`. */
  readFixed(s: WasmSem, index: number, bits: Bits): Value;
  writeFixed(s: WasmSem, index: number, v: Value): void;
  /** Host address of the XMM or MMX register's 16-byte slot. */
  slotAddress(s: WasmSem, operand: Operand): Value;
  immediate(s: WasmSem, operand: Operand): Value;
  /** base + index * scale + displacement + segment base for directly addressable operands, 64 wide, not masked. */
  address(s: WasmSem, operand: Operand, withSegment: boolean): Value;
  registerNumber(s: WasmSem, operand: Operand): Value;
  /** Segment number of the override or the default. */
  segmentNumber(s: WasmSem): Value;
  /** That number where it is known when code is made, else null. */
  knownSegment(): number | null;
  nextRip(s: WasmSem): Value;
  /** Stores the position for procedures that need it. */
  notePosition(s: WasmSem): void;
  /** Leaves the instruction because a procedure said so. */
  unwind(s: WasmSem): void;
  /** The same if the i32 on the wasm stack is zero. */
  unwindUnless(s: WasmSem): void;
  /** RIP that the direct branch goes to when it is taken; outside 64-bit mode only. */
  directTarget(s: WasmSem): Value;
  jumpDirect(s: WasmSem, taken: boolean): void;
  jumpIndirect(s: WasmSem, rip: Value): void;
  /** Only translated code: what it keeps in locals, and when that has to be in the state area. */
  readonly translation?: TranslationHooks;
}

/** The part of a binding that only translated code has. */
export interface TranslationHooks {
  /** Status flags (EFLAGS positions) that something may still look at after the current instruction. */
  readonly liveFlags: number;
  /** Host address of the TLB of the code's privilege level. */
  readonly tlb: number;
  /** The instruction has an XMM operand: what it loads may become part of a vector. */
  readonly vectors: boolean;
  /** The memory operand lies in a segment that may have a base and a limit: FS and GS outside 64-bit mode. */
  readonly segmented: boolean;
  /** Replaces the lazy flags: `code` as in the state field flagsKind. */
  storeFlags(s: WasmSem, code: number, a: Value, b: Value | null): void;
  /** A condition on flags of unknown kind, in place for a frequent kind, else as `compute` leaves it on the stack; null: not in place. */
  inlineCondition(s: WasmSem, condition: Condition, compute: () => void): Value | null;
  /** Brings the lazy flags into the state area. */
  flagsToState(s: WasmSem): void;
  /**
   * Host address (i32 local, 0: the check failed) and offset in it of an access that shares its TLB check with others.
   * Emits the check where it is the first; null: the access is alone.
   */
  sharedAddress(
    s: WasmSem,
    linear: Value,
    sizeBytes: number,
    isWrite: boolean,
  ): { readonly local: number; readonly offset: number } | null;
  /** What a procedure that cannot leave the instruction may want to know of the position: x87 instructions note theirs. */
  noteInstruction(s: WasmSem, name: string): void;
  /** Before and after a procedure: brings there what it may look at, takes back what it may have changed. */
  beforeProcedure(s: WasmSem, name: string): void;
  afterProcedure(s: WasmSem, name: string): void;
  /** XMM registers by number. */
  readXmm(s: WasmSem, register: number): Value;
  writeXmm(s: WasmSem, register: number, v: Value): void;
  xmmNumber(operand: Operand): number;
  /** Brings an XMM register to its slot in the state area and pushes the slot's address. */
  pushSlot(s: WasmSem, register: number): void;
  /** Takes an XMM register back from its slot. */
  reloadXmm(s: WasmSem, register: number): void;
  /** The procedure neither looks at the status flags nor changes them. */
  keepsFlags(name: string): boolean;
  /** Emits the procedure's work in place, for the frequent cases at least; null: not for this one. */
  inline(s: WasmSem, name: string, args: readonly Value[]): Value | null;
  /** A write took the slow path: it may have hit translated code. */
  afterSlowWrite(s: WasmSem): void;
  /** Calls a helper that notes the position, then looks `linear` up slowly; its answer is on the wasm stack. */
  slowAccess(s: WasmSem, access: 'read' | 'rmw' | 'write', linear: Value, sizeBytes: number): void;
}

/** Functions that emitted code may call, by name. */
export type ImportTable = ReadonlyMap<string, number>;

/** A memory operand seen some bytes further on. */
export interface MovedOperand extends Operand {
  readonly offset?: Value | number;
}
export interface KnownFlags {
  /** result: SF, ZF, PF from r; `b` has CF, AF, OF at their EFLAGS positions. inc, dec: `b` has CF. word: only `word` and `compared` tell anything. */
  readonly kind: FlagsKind | StepKind | 'result' | 'word';
  readonly a: Value;
  readonly b: Value;
  readonly r: Value;
  /** The status flags at their EFLAGS positions, width 32; absent where they have not been put together. */
  readonly word?: Value | undefined;
  /** Flags of a comparison of floating-point numbers, width 1 each: less or unordered, equal or unordered, unordered. */
  readonly compared?: ComparedFlags;
}
export interface ComparedFlags {
  readonly c: Value;
  readonly z: Value;
  readonly p: Value;
}
