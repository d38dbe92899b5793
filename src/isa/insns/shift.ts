// Shifts and rotates. Intel SDM Vol. 2B, "SAL/SAR/SHL/SHR—Shift", "RCL/RCR/ROL/ROR—Rotate", "SHLD", "SHRD".
// Counts are masked to 5 bits (6 for 64-bit operands); a masked count of zero changes no flags.
import { type Encoding, enc, type Instruction, insn } from '../declare.js';
import { CL, Eb, Ev, Gv, Ib, One } from '../operands.js';
import type { Bits, Operand, Sem } from '../sem.js';
import { BYTE, bit, bitsOf, isNonZero, sextTo, sign, truncTo, zextTo } from './helpers.js';

/** The encodings of one digit: by 1, by imm8, by CL. The `by 1` forms give execute no count. */
const shiftEncodings = (digits: readonly number[]): Encoding[] =>
  digits.flatMap((digit) => [
    enc(`d0 /${digit}`, [Eb, One], BYTE),
    enc(`d1 /${digit}`, [Ev, One]),
    enc(`c0 /${digit} ib`, [Eb, Ib], BYTE),
    enc(`c1 /${digit} ib`, [Ev, Ib]),
    enc(`d2 /${digit}`, [Eb, CL], BYTE),
    enc(`d3 /${digit}`, [Ev, CL]),
  ]);

/** Width in which a shift is computed. */
const wideOf = (bits: Bits): 32 | 64 => (bits === 64 ? 64 : 32);

/** The masked count in the computing width. */
function countOf<V>(s: Sem<V>, count: Operand | undefined, bits: Bits): V {
  const wide = wideOf(bits);
  if (count === undefined) return s.const(1, wide);
  return zextTo(s, s.and(s.read(count), s.const(bits === 64 ? 63 : 31, 8)), wide);
}
/** Runs `then` unless the count is zero; a constant count of 1 needs no test. */
function unlessZero<V>(s: Sem<V>, count: Operand | undefined, n: V, then: () => void): void {
  if (count === undefined) then();
  else s.when(isNonZero(s, n), then);
}
const minus = <V>(s: Sem<V>, n: number, v: V): V => s.sub(s.const(n, s.widthOf(v)), v);
const lessOne = <V>(s: Sem<V>, v: V): V => s.sub(v, s.const(1, s.widthOf(v)));
const low = <V>(s: Sem<V>, v: V): V => s.trunc(v, 1);
/** XOR of the two top bits. */
const topBitsDiffer = <V>(s: Sem<V>, r: V): V => s.xor(sign(s, r), bit(s, r, s.widthOf(r) - 2));

const SHIFT_SDM = 'SDM 2B "SAL/SAR/SHL/SHR—Shift"';
const SHL = insn('shl', {
  sdm: SHIFT_SDM,
  hot: true,
  undefinedFlags: ['a', 'o'],
  encodings: shiftEncodings([4, 6]),
  execute(s, dst, count?: Operand) {
    const bits = bitsOf(dst);
    const n = countOf(s, count, bits);
    s.update(dst, (a) => {
      const wide = zextTo(s, a, wideOf(bits));
      const shifted = s.shl(wide, n);
      const r = truncTo(s, shifted, bits);
      unlessZero(s, count, n, () => {
        const c = bits < 32 ? bit(s, shifted, bits) : low(s, s.shr(wide, minus(s, bits, n)));
        s.flagsResult(r, { c, o: s.xor(sign(s, r), c) });
      });
      return r;
    });
  },
});
const SHR = insn('shr', {
  sdm: SHIFT_SDM,
  hot: true,
  undefinedFlags: ['a', 'o'],
  encodings: shiftEncodings([5]),
  execute(s, dst, count?: Operand) {
    const bits = bitsOf(dst);
    const n = countOf(s, count, bits);
    s.update(dst, (a) => {
      const wide = zextTo(s, a, wideOf(bits));
      const r = truncTo(s, s.shr(wide, n), bits);
      unlessZero(s, count, n, () => {
        s.flagsResult(r, { c: low(s, s.shr(wide, lessOne(s, n))), o: topBitsDiffer(s, r) });
      });
      return r;
    });
  },
});
const SAR = insn('sar', {
  sdm: SHIFT_SDM,
  hot: true,
  undefinedFlags: ['a', 'o'],
  encodings: shiftEncodings([7]),
  execute(s, dst, count?: Operand) {
    const bits = bitsOf(dst);
    const n = countOf(s, count, bits);
    s.update(dst, (a) => {
      const wide = sextTo(s, a, wideOf(bits));
      const r = truncTo(s, s.sar(wide, n), bits);
      unlessZero(s, count, n, () => {
        s.flagsResult(r, { c: low(s, s.sar(wide, lessOne(s, n))) });
      });
      return r;
    });
  },
});

/** An 8- or 16-bit value repeated over 32 bits: rotating that rotates the value. */
const repeated = <V>(s: Sem<V>, a: V, bits: Bits): V =>
  bits >= 32 ? a : s.mul(s.zext(a, 32), s.const(bits === 8 ? 0x01010101 : 0x00010001, 32));

const ROTATE_SDM = 'SDM 2B "RCL/RCR/ROL/ROR—Rotate"';
const rotate = (name: 'rol' | 'ror', digit: number): Instruction =>
  insn(name, {
    sdm: ROTATE_SDM,
    undefinedFlags: ['o'],
    encodings: shiftEncodings([digit]),
    execute(s, dst, count?: Operand) {
      const bits = bitsOf(dst);
      const n = countOf(s, count, bits);
      s.update(dst, (a) => {
        const r = truncTo(s, s.binary(name === 'rol' ? 'rotl' : 'rotr', repeated(s, a, bits), n), bits);
        unlessZero(s, count, n, () => {
          if (name === 'rol') {
            const c = low(s, r);
            s.setFlags({ c, o: s.xor(sign(s, r), c) });
          } else s.setFlags({ c: sign(s, r), o: topBitsDiffer(s, r) });
        });
        return r;
      });
    },
  });

/** Rotate through carry of up to 32 bits: CF:a as one number of bits + 1 bits, in 64. */
function rotateCarryNarrow<V>(s: Sem<V>, left: boolean, a: V, carry: V, n32: V): { r: V; c: V } {
  const bits = s.widthOf(a);
  // The count modulo 9 or 17; for 32 bits it is below 33 as it is.
  let n = n32;
  if (bits === 8) {
    const quotient = s.shr(s.mul(n, s.const(57, 32)), s.const(9, 32));
    n = s.sub(n, s.mul(quotient, s.const(9, 32)));
  } else if (bits === 16) {
    n = s.select(s.compare('geu', n, s.const(17, 32)), s.sub(n, s.const(17, 32)), n);
  }
  const by = s.zext(n, 64);
  const x = s.or(s.zext(a, 64), s.shl(s.zext(carry, 64), s.const(bits, 64)));
  const back = minus(s, bits + 1, by);
  const turned = left ? s.or(s.shl(x, by), s.shr(x, back)) : s.or(s.shr(x, by), s.shl(x, back));
  return { r: s.trunc(turned, bits), c: bit(s, turned, bits) };
}
/** The same for 64 bits: two shifts and the carry bit between them. c is meaningful for n != 0 only. */
function rotateCarryWide<V>(s: Sem<V>, left: boolean, a: V, carry: V, n: V): { r: V; c: V } {
  const mask = (v: V): V => s.and(v, s.const(63, 64));
  const cf = s.zext(carry, 64);
  const back = mask(minus(s, 64, n));
  const less = mask(lessOne(s, n));
  const one = s.const(1, 64);
  const turned = left
    ? s.or(s.or(s.shl(a, n), s.shl(cf, less)), s.shr(s.shr(a, one), back))
    : s.or(s.or(s.shr(a, n), s.shl(cf, back)), s.shl(s.shl(a, one), back));
  return { r: s.select(s.isZero(n), a, turned), c: low(s, s.shr(a, left ? back : less)) };
}
const rotateCarry = (name: 'rcl' | 'rcr', digit: number): Instruction =>
  insn(name, {
    sdm: ROTATE_SDM,
    undefinedFlags: ['o'],
    encodings: shiftEncodings([digit]),
    execute(s, dst, count?: Operand) {
      const bits = bitsOf(dst);
      const left = name === 'rcl';
      const n = countOf(s, count, bits);
      const carry = s.flag('c');
      const out: { r: V0; c: V0 }[] = [];
      type V0 = typeof carry;
      s.update(dst, (a) => {
        const result = bits === 64 ? rotateCarryWide(s, left, a, carry, n) : rotateCarryNarrow(s, left, a, carry, n);
        out.push(result);
        return result.r;
      });
      const { r, c } = out[0] as { r: V0; c: V0 };
      unlessZero(s, count, n, () => {
        s.setFlags({ c, o: left ? s.xor(sign(s, r), c) : topBitsDiffer(s, r) });
      });
    },
  });

const doubleShift = (name: 'shld' | 'shrd', opcode: number, sdm: string): Instruction =>
  insn(name, {
    sdm,
    undefinedFlags: ['a', 'o'],
    encodings: [
      enc(`0f ${opcode.toString(16)} /r ib`, [Ev, Gv, Ib]),
      enc(`0f ${(opcode + 1).toString(16)} /r`, [Ev, Gv, CL]),
    ],
    execute(s, dst, src, count) {
      const bits = bitsOf(dst);
      const left = name === 'shld';
      const n = zextTo(s, s.and(s.read(count), s.const(bits === 64 ? 63 : 31, 8)), 64);
      const b = zextTo(s, s.read(src), 64);
      s.update(dst, (a) => {
        const wide = zextTo(s, a, 64);
        const one = s.const(1, 64);
        const up = (v: V1, by: number): V1 => s.shl(v, s.const(by, 64));
        type V1 = typeof a;
        let r: V1;
        /** The operand whose bit number n - 1 (right) or top - n (left) is the last one shifted out. */
        let from = wide;
        let top = 64;
        if (bits === 64) {
          r = left
            ? s.or(s.shl(wide, n), s.shr(s.shr(b, one), minus(s, 63, n)))
            : s.or(s.shr(wide, n), s.shl(s.shl(b, one), minus(s, 63, n)));
        } else if (bits === 32) {
          from = left ? s.or(up(wide, 32), b) : s.or(up(b, 32), wide);
          r = left ? s.shr(s.shl(from, n), s.const(32, 64)) : s.shr(from, n);
        } else {
          // 16 bits: counts above 16 are undefined; processors go on with the destination.
          from = s.or(s.or(up(wide, 32), up(b, 16)), wide);
          top = 48;
          r = left ? s.shr(s.shl(from, n), s.const(32, 64)) : s.shr(from, n);
        }
        const result = truncTo(s, r, bits);
        s.when(isNonZero(s, n), () => {
          const c = low(s, s.shr(from, left ? minus(s, top, n) : lessOne(s, n)));
          s.flagsResult(result, { c, o: sign(s, s.xor(result, a)) });
        });
        return result;
      });
    },
  });

export const SHIFT: readonly Instruction[] = [
  SHL,
  SHR,
  SAR,
  rotate('rol', 0),
  rotate('ror', 1),
  rotateCarry('rcl', 2),
  rotateCarry('rcr', 3),
  doubleShift('shld', 0xa4, 'SDM 2B "SHLD—Double Precision Shift Left"'),
  doubleShift('shrd', 0xac, 'SDM 2B "SHRD—Double Precision Shift Right"'),
];
