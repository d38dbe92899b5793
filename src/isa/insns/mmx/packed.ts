// Packed-integer operations on 128-bit vectors, shared by the MMX and the SSE2/SSSE3 declarations.
// Intel SDM Vol. 2, "Instruction Set Reference": the packed-integer instructions P*.
import type { Sem } from '../../sem.js';

/** Two vectors to one. MMX operands come zero-extended to 128 bits. */
export type Packed = <V>(s: Sem<V>, a: V, b: V) => V;
export type LaneBits = 8 | 16 | 32 | 64;

/** A vector constant from its lanes, lane 0 first. */
export const lanesConst = <V>(s: Sem<V>, laneBits: LaneBits, lanes: readonly number[]): V => {
  let value = 0n;
  lanes.forEach((lane, i) => {
    value |= BigInt.asUintN(laneBits, BigInt(lane)) << BigInt(i * laneBits);
  });
  return s.const(value, 128);
};
/** All lanes the same. */
export const everyLane = <V>(s: Sem<V>, laneBits: LaneBits, lane: number): V =>
  lanesConst(s, laneBits, new Array<number>(128 / laneBits).fill(lane));
export const zero128 = <V>(s: Sem<V>): V => s.const(0n, 128);
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
export const shapeOf = (laneBits: LaneBits): string =>
  `i${laneBits}x${128 / laneBits}` as 'i8x16' | 'i16x8' | 'i32x4' | 'i64x2';
/** Byte numbers (for `shuffle`) of the given lanes of the concatenation a:b; lane 0 is a's first. */
export const bytesOfLanes = (laneBits: LaneBits, lanes: readonly number[]): number[] =>
  lanes.flatMap((lane) => range(laneBits / 8).map((byte) => lane * (laneBits / 8) + byte));

/** One WebAssembly instruction with the operands in the manual's order (destination first) or swapped. */
export const direct =
  (op: string): Packed =>
  (s, a, b) =>
    s.simd(op, a, b);
export const swapped =
  (op: string): Packed =>
  (s, a, b) =>
    s.simd(op, b, a);

const interleave =
  (laneBits: LaneBits, high: boolean): Packed =>
  (s, a, b) => {
    const count = 128 / laneBits;
    const from = high ? count / 2 : 0;
    return s.shuffle(
      a,
      b,
      bytesOfLanes(
        laneBits,
        range(count / 2).flatMap((i) => [from + i, count + from + i]),
      ),
    );
  };
export const interleaveLow = (laneBits: LaneBits): Packed => interleave(laneBits, false);
export const interleaveHigh = (laneBits: LaneBits): Packed => interleave(laneBits, true);

/** Even or odd lanes of a:b, next to each other. */
const everyOther = <V>(s: Sem<V>, laneBits: LaneBits, odd: 0 | 1, a: V, b: V): V =>
  s.shuffle(
    a,
    b,
    bytesOfLanes(
      laneBits,
      range(128 / laneBits).map((i) => i * 2 + odd),
    ),
  );
/** PHADD*, PHSUB*: `op` on neighbours. */
export const horizontal =
  (laneBits: 16 | 32, op: string): Packed =>
  (s, a, b) =>
    s.simd(op, everyOther(s, laneBits, 0, a, b), everyOther(s, laneBits, 1, a, b));

/** PMULHW, PMULHUW: high halves of the products. */
export const multiplyHigh =
  (signed: boolean): Packed =>
  (s, a, b) => {
    const suffix = signed ? 's' : 'u';
    const low = s.simd(`i32x4.extmul_low_i16x8_${suffix}`, a, b);
    const high = s.simd(`i32x4.extmul_high_i16x8_${suffix}`, a, b);
    return everyOther(s, 16, 1, low, high);
  };
/** PMULUDQ, PMULDQ: products of the even doublewords. */
export const multiplyEven =
  (signed: boolean): Packed =>
  (s, a, b) => {
    const even = bytesOfLanes(32, [0, 2, 1, 3]);
    return s.simd(`i64x2.extmul_low_i32x4_${signed ? 's' : 'u'}`, s.shuffle(a, a, even), s.shuffle(b, b, even));
  };
/** PMULHRSW: rounded high part; -1.0 * -1.0 wraps where WebAssembly saturates. */
export const multiplyHighRounded: Packed = (s, a, b) => {
  const minimum = everyLane(s, 16, 0x8000);
  const both = s.simd('v128.and', s.simd('i16x8.eq', a, minimum), s.simd('i16x8.eq', b, minimum));
  return s.simd('v128.xor', s.simd('i16x8.q15mulr_sat_s', a, b), both);
};
/** PMADDUBSW: unsigned bytes of a times signed bytes of b, neighbours added with saturation. */
export const multiplyAddBytes: Packed = (s, a, b) => {
  const half = (part: 'low' | 'high') =>
    s.simd('i32x4.dot_i16x8_s', s.simd(`i16x8.extend_${part}_i8x16_u`, a), s.simd(`i16x8.extend_${part}_i8x16_s`, b));
  return s.simd('i16x8.narrow_i32x4_s', half('low'), half('high'));
};
/** PSADBW: sum of absolute differences of eight bytes in each half. */
export const sumOfDifferences: Packed = (s, a, b) => {
  const difference = s.simd('v128.or', s.simd('i8x16.sub_sat_u', a, b), s.simd('i8x16.sub_sat_u', b, a));
  const words = s.simd('i16x8.extadd_pairwise_i8x16_u', difference);
  const doublewords = s.simd('i32x4.extadd_pairwise_i16x8_u', words);
  return s.simd(
    'i64x2.add',
    s.simd('v128.and', doublewords, lanesConst(s, 32, [-1, 0, -1, 0])),
    s.simdShift('i64x2.shr_u', doublewords, s.const(32, 32)),
  );
};
/** PSIGN*: a negated, kept or cleared by the sign of b. */
export const sign =
  (laneBits: 8 | 16 | 32): Packed =>
  (s, a, b) => {
    const shape = shapeOf(laneBits);
    const signed = s.simd('v128.bitselect', s.simd(`${shape}.neg`, a), a, s.simd(`${shape}.lt_s`, b, zero128(s)));
    return s.simd('v128.andnot', signed, s.simd(`${shape}.eq`, b, zero128(s)));
  };
/** PABS*: of the second operand. */
export const absolute =
  (laneBits: 8 | 16 | 32): Packed =>
  (s, _a, b) =>
    s.simd(`${shapeOf(laneBits)}.abs`, b);
/** PSHUFB for a register of `bytes` bytes. */
export const shuffleBytes =
  (bytes: 8 | 16): Packed =>
  (s, a, b) =>
    s.simd('i8x16.swizzle', a, s.simd('v128.and', b, everyLane(s, 8, 0x80 | (bytes - 1))));

/** PSLL/PSRL/PSRA by a 64-bit count: counts beyond the lane give zero, or the sign. */
export const shiftByCount = <V>(
  s: Sem<V>,
  op: 'shl' | 'shr_u' | 'shr_s',
  laneBits: 16 | 32 | 64,
  v: V,
  count64: V,
): V => {
  const beyond = s.compare('gtu', count64, s.const(laneBits - 1, 64));
  const shape = shapeOf(laneBits);
  const count = s.trunc(count64, 32);
  return op === 'shr_s'
    ? s.simdShift(`${shape}.shr_s`, v, s.select(beyond, s.const(laneBits - 1, 32), count))
    : s.select(beyond, zero128(s), s.simdShift(`${shape}.${op}`, v, s.and(count, s.const(laneBits - 1, 32))));
};

/** Two bits of an immediate per lane, as numbers 0..3: lanes of `laneBits`. */
const selectors = <V>(s: Sem<V>, laneBits: 16 | 32, imm8: V): V => {
  const shape = shapeOf(laneBits);
  const places = laneBits === 32 ? [64, 16, 4, 1] : [64, 16, 4, 1, 64, 16, 4, 1];
  const placed = s.simd(`${shape}.mul`, s.splat(s.zext(imm8, laneBits)), lanesConst(s, laneBits, places));
  return s.simd('v128.and', s.simdShift(`${shape}.shr_u`, placed, s.const(6, 32)), everyLane(s, laneBits, 3));
};
/** Control of PSHUFD and SHUFPS for `i8x16.swizzle`. */
export const doublewordControl = <V>(s: Sem<V>, imm8: V): V =>
  s.simd(
    'i32x4.add',
    s.simd('i32x4.mul', selectors(s, 32, imm8), everyLane(s, 32, 0x04040404)),
    everyLane(s, 32, 0x03020100),
  );
/** Control of PSHUFLW, PSHUFW (low) and PSHUFHW (high). */
export const wordControl = <V>(s: Sem<V>, imm8: V, high: boolean): V => {
  const multiplier = high ? [0, 0, 0, 0, 0x202, 0x202, 0x202, 0x202] : [0x202, 0x202, 0x202, 0x202, 0, 0, 0, 0];
  const base = high
    ? [0x100, 0x302, 0x504, 0x706, 0x908, 0x908, 0x908, 0x908]
    : [0x100, 0x100, 0x100, 0x100, 0x908, 0xb0a, 0xd0c, 0xf0e];
  return s.simd(
    'i16x8.add',
    s.simd('i16x8.mul', selectors(s, 16, imm8), lanesConst(s, 16, multiplier)),
    lanesConst(s, 16, base),
  );
};

const iota = <V>(s: Sem<V>): V => lanesConst(s, 8, range(16));
/** The smaller of an unsigned byte and a limit. */
const atMost = <V>(s: Sem<V>, v: V, limit: number): V =>
  s.select(s.compare('gtu', v, s.const(limit, 8)), s.const(limit, 8), v);
/** PSLLDQ, PSRLDQ: shift by bytes. */
export const shiftBytes = <V>(s: Sem<V>, v: V, imm8: V, left: boolean): V =>
  s.simd('i8x16.swizzle', v, s.simd(left ? 'i8x16.sub' : 'i8x16.add', iota(s), s.splat(atMost(s, imm8, 16))));
/** PALIGNR: high:low shifted right by bytes. */
export const alignRight = <V>(s: Sem<V>, high: V, low: V, imm8: V): V => {
  const control = s.simd('i8x16.add', iota(s), s.splat(atMost(s, imm8, 32)));
  return s.simd(
    'v128.or',
    s.simd('i8x16.swizzle', low, control),
    s.simd('i8x16.swizzle', high, s.simd('i8x16.sub', control, everyLane(s, 8, 16))),
  );
};
/** The lane an immediate names, at run time: `count` lanes in the register. */
export const extractByImmediate = <V>(s: Sem<V>, laneBits: LaneBits, v: V, imm8: V, count: number): V => {
  const bytes = laneBits / 8;
  const first = s.mul(s.and(imm8, s.const(count - 1, 8)), s.const(bytes, 8));
  const control = s.simd('i8x16.add', s.splat(first), iota(s));
  return s.extractLane(s.simd('i8x16.swizzle', v, control), laneBits, 0);
};
/** `v` with the lane an immediate names replaced by `x` (laneBits wide). */
export const insertByImmediate = <V>(s: Sem<V>, laneBits: LaneBits, v: V, imm8: V, x: V, count: number): V => {
  const shape = shapeOf(laneBits);
  const index = s.splat(s.zext(s.and(imm8, s.const(count - 1, 8)), laneBits));
  const here = s.simd(`${shape}.eq`, index, lanesConst(s, laneBits, range(128 / laneBits)));
  return s.simd('v128.bitselect', s.splat(x), v, here);
};
/** Lane mask from the bits of an immediate: lane i all ones if bit i is set. */
export const maskOfImmediate = <V>(s: Sem<V>, laneBits: 16 | 32 | 64, imm8: V): V => {
  const shape = shapeOf(laneBits);
  const bits = lanesConst(
    s,
    laneBits,
    range(128 / laneBits).map((i) => 1 << i),
  );
  const chosen = s.simd('v128.and', s.splat(s.zext(imm8, laneBits)), bits);
  return s.simd(`${shape}.eq`, chosen, bits);
};
