// Sem<V>: the whole vocabulary an instruction's semantics may use. Its users bind V differently: the reference evaluator
// (bigint), the WebAssembly emitter behind interpreter and JIT (typed locals), analyses. See docs/decisions/0003.

import { CONDITION_NAMES, type ConditionName } from '../arch/index.js';

/** Width of a value in bits. Values are unsigned and always zero-extended to their width. 1 is a truth value. */
export type Bits = 1 | 8 | 16 | 32 | 64 | 128;

/** Condition codes in their encoding order. */
export const CONDITIONS = CONDITION_NAMES;
export type Condition = ConditionName;
export type StatusFlag = 'c' | 'p' | 'a' | 'z' | 's' | 'o';

/** What an operand is in this specialisation: known when semantics run, so JavaScript may branch on it. */
export interface Operand {
  /** Position in the declaration, 0-based. */
  readonly index: number;
  /** gpr: general register (may be AH..BH); mem: memory; imm: immediate; rel: branch target; others as named. */
  readonly kind: 'gpr' | 'mem' | 'imm' | 'rel' | 'far' | 'mmx' | 'xmm' | 'segment' | 'control' | 'debug' | 'x87';
  /** Width of a read or write through this operand (memory width where register and memory differ). */
  readonly bits: number;
}

export type BinaryOp = 'add' | 'sub' | 'mul' | 'and' | 'or' | 'xor' | 'shl' | 'shr' | 'sar' | 'rotl' | 'rotr';
export type CompareOp = 'eq' | 'ne' | 'ltu' | 'lts' | 'leu' | 'les' | 'gtu' | 'gts' | 'geu' | 'ges';
export type GprName = 'rax' | 'rcx' | 'rdx' | 'rbx' | 'rsp' | 'rbp' | 'rsi' | 'rdi';

/** Lazy-flag recipes: which operation made the flags. All six status flags are replaced. */
export type FlagsKind = 'add' | 'sub' | 'logic';
export type StepKind = 'inc' | 'dec';

/**
 * Names of WebAssembly SIMD instructions with vector operands and results ("i8x16.add", "v128.and", "i16x8.mul",
 * "i8x16.swizzle", "i32x4.extmul_low_i16x8_s", ...). The evaluator implements each on lanes of a bigint. The ones whose
 * WebAssembly result is an i32 ("i8x16.bitmask", "v128.any_true", "i32x4.all_true", ...) give a 32-wide value.
 */
export type SimdOp = string;

export interface Sem<V> {
  // --- static facts of the specialisation ---
  /** Operand-size attribute, bits. */
  readonly opBits: 16 | 32 | 64;
  /** Address-size attribute, bits. */
  readonly addrBits: 16 | 32 | 64;
  /** 64-bit code segment. */
  readonly long: boolean;
  /** Width of the stack pointer: 64 in 64-bit mode, else by SS.B. */
  readonly stackBits: 16 | 32 | 64;
  /** REP (f3) / REPNE (f2) prefix on a string instruction. */
  readonly rep: 'none' | 'rep' | 'repne';

  // --- values ---
  const(value: bigint | number, bits: Bits): V;
  widthOf(v: V): Bits;
  binary(op: BinaryOp, a: V, b: V): V; // same widths; shift counts taken modulo the width of wasm (32/64): mask first
  add(a: V, b: V): V;
  sub(a: V, b: V): V;
  and(a: V, b: V): V;
  or(a: V, b: V): V;
  xor(a: V, b: V): V;
  not(a: V): V;
  neg(a: V): V;
  /** Shift by a count of the same width, 0 <= count < width (caller masks). */
  shl(a: V, count: V): V;
  shr(a: V, count: V): V;
  sar(a: V, count: V): V;
  /** Low half of the product, same width. */
  mul(a: V, b: V): V;
  compare(op: CompareOp, a: V, b: V): V; // width 1
  isZero(a: V): V;
  /** Both arms are evaluated: no faults, no effects in them. */
  select(condition: V, ifTrue: V, ifFalse: V): V;
  zext(v: V, bits: Bits): V;
  sext(v: V, bits: Bits): V;
  /** Low `bits` of v. */
  trunc(v: V, bits: Bits): V;
  /** Number of leading / trailing zero bits and of ones, in v's width; clz(0) = ctz(0) = width. */
  clz(v: V): V;
  ctz(v: V): V;
  popcnt(v: V): V;

  // --- operands ---
  /** Value of the operand, `operand.bits` wide. A memory read may fault. */
  read(operand: Operand): V;
  /** 32-bit GPR writes clear bits 63:32; 8/16-bit ones keep the rest; XMM writes below 128 bits keep the rest (see writeZeroExtended). */
  write(operand: Operand, v: V): void;
  /**
   * Read-modify-write; write permission is checked before the read; LOCK is honoured here. f runs exactly once and
   * unconditionally: values made in it may be used after update returns.
   */
  update(operand: Operand, f: (old: V) => V): void;
  /** Effective address without segment base, addrBits wide (LEA). */
  effectiveAddress(operand: Operand): V;
  /**
   * The memory operand `offset` bytes further on, seen as `bits` wide (far pointers, descriptor images, bit strings).
   * A number offset is static; a V is signed and addrBits wide, and the effective address wraps at addrBits.
   */
  at(operand: Operand, offset: V | number, bits: number): Operand;
  /** Number of the segment register that an access defaulting to `segment` uses (segment prefix applied), 32 wide. */
  effectiveSegment(segment: number): V;
  /** Linear address of a memory operand after segment checks for `sizeBytes` (0: no checks at all), 64 wide. */
  linearAddress(operand: Operand, sizeBytes: number, isWrite: boolean): V;
  /** Host address (32 wide) of the operand's 16-byte register slot, or of a scratch copy of the memory operand's bytes. For procedures. */
  pointer(operand: Operand): V;
  /** 16-byte scratch slot n (0..3), 32 wide host address. */
  scratch(n: number): V;
  loadScratch(n: number, bits: Bits): V;
  storeScratch(n: number, v: V): void;
  /** Register number of an x87 / segment / control / debug operand, selector of a far one, 32 wide. (read(far) is its offset.) */
  registerNumber(operand: Operand): V;

  // --- fixed registers ---
  reg(name: GprName, bits: Bits): V;
  setReg(name: GprName, v: V): void; // width of v decides, same rules as write
  /** AH (bits 15:8 of RAX). */
  regHigh(name: 'rax'): V;
  setRegHigh(name: 'rax', v: V): void;

  // --- flags ---
  /** All six status flags as ADD/SUB/AND of `a` and `b` with result `r` would leave them (`logic` looks at r only; AF undefined there reads 0). */
  flags(kind: FlagsKind, a: V, b: V, r: V): void;
  /** All status flags but CF as adding or subtracting 1 with result `r` would leave them; CF is kept. */
  flagsStep(kind: StepKind, r: V): void;
  /** ZF, SF, PF from r; the others as given (width 1 each; absent = 0). */
  flagsResult(r: V, rest: { c?: V; o?: V; a?: V }): void;
  /** Replaces some flags, keeps the others. */
  setFlags(some: Partial<Record<StatusFlag, V>>): void;
  flag(name: StatusFlag): V; // width 1
  cond(condition: Condition): V; // width 1
  /** The low 8 bits of EFLAGS as LAHF shows them; and back (SAHF). 8 wide. */
  statusByte(): V;
  setStatusByte(v: V): void;
  directionFlag(): V; // width 1
  setDirectionFlag(v: V): void;

  // --- memory and stack ---
  /** Segments: 0 ES, 1 CS, 2 SS, 3 DS, 4 FS, 5 GS; `address` is addrBits wide. May fault. `useOverride`: a segment prefix replaces `segment`. */
  load(segment: number, address: V, bits: Bits, useOverride?: boolean): V;
  store(segment: number, address: V, v: V, useOverride?: boolean): void;
  /** Pushes v (16, 32 or 64 wide); faults leave rSP alone. */
  push(v: V): void;
  /** Value on top of the stack, `depth` bytes above rSP, without moving rSP. */
  peek(bits: 16 | 32 | 64, depth?: number): V;
  /** Reads / writes SS:address, the address in the stack's width (LEAVE, PUSHA). May fault. */
  loadStack(address: V, bits: 16 | 32 | 64): V;
  storeStack(address: V, v: V): void;
  /** Adds to rSP in the stack's width. */
  dropStack(bytes: V | number): void;

  // --- control ---
  /** Address of the next instruction, opBits-relevant width 64 (32 outside 64-bit mode, zero-extended to 64). */
  nextRip(): V;
  /** Direct near branch to a `rel` operand. */
  jumpTo(target: Operand): void;
  /** #GP(0) unless jump(v) would succeed. For branches that move rSP first; jump(v) of the same v then need not check again. */
  checkTarget(v: V): void;
  /** #GP(0) when `target` is beyond the limit of CS: before a direct branch that writes something first. */
  checkJump(target: Operand): void;
  /** Indirect near branch, v any width up to 64; checks canonicality / code-segment limit. */
  jump(v: V): void;
  /** Runs `then` when condition (width 1) holds. Effects inside are conditional. No values flow out. */
  when(condition: V, then: () => void): void;
  /** Raises an exception as a fault of this instruction. */
  raise(vector: number, errorCode?: number): void;
  /** Like raise, when condition (width 1) holds. */
  raiseIf(condition: V, vector: number, errorCode?: number): void;

  // --- procedures and exits ---
  /** Calls a procedure of procedures.ts; its entry says widths, and whether it may fault or leave the instruction stream. */
  call(name: string, ...args: V[]): V;

  // --- SIMD, on 128-bit values ---
  /** XMM register by number, where it is an implicit operand (XMM0 of BLENDVPS, PCMPISTRM). */
  xmm(number: number): V;
  setXmm(number: number, v: V): void;
  simd(op: SimdOp, ...args: V[]): V;
  /** i8x16.shuffle with constant lanes 0..31. */
  shuffle(a: V, b: V, lanes: readonly number[]): V;
  /** Lane access with constant lane: laneBits 8/16/32/64. */
  extractLane(v: V, laneBits: 8 | 16 | 32 | 64, lane: number): V; // zero-extended, width max(32?) -> laneBits
  replaceLane(v: V, laneBits: 8 | 16 | 32 | 64, lane: number, x: V): V;
  splat(x: V): V; // lanes of x's width
  /** Vector shift by a scalar count (32 wide), counts >= lane width must be handled by the caller. op e.g. "i16x8.shl". */
  simdShift(op: SimdOp, v: V, count: V): V;
}
