// Bit test and scan, POPCNT, CRC32. Intel SDM Vol. 2, instruction reference of the same names.
import { enc, type Instruction, insn } from '../declare.js';
import { Eb, Ev, Gv, Gy, Ib } from '../operands.js';
import type { Bits, Operand, Sem } from '../sem.js';
import { bitsOf, isNonZero, LOCK, truncTo, zextTo } from './helpers.js';

/**
 * The operand that holds the bit, and the bit's number in it. A register offset into memory is signed and reaches beyond
 * the operand: SDM Vol. 2A, "BT—Bit Test".
 */
function bitPlace<V>(s: Sem<V>, target: Operand, offset: Operand): { place: Operand; number: V } {
  const bits = bitsOf(target);
  const value = s.read(offset);
  const number = s.and(offset.kind === 'imm' ? zextTo(s, value, bits) : value, s.const(bits - 1, bits));
  if (target.kind !== 'mem' || offset.kind === 'imm') return { place: target, number };
  const log = Math.log2(bits);
  const words = s.sar(value, s.const(log, bits));
  const signed = bits < s.addrBits ? s.sext(words, s.addrBits) : truncTo(s, words, s.addrBits);
  const bytes = s.shl(signed, s.const(log - 3, s.addrBits));
  return { place: s.at(target, bytes, bits), number };
}

const BT = insn('bt', {
  sdm: 'SDM 2A "BT—Bit Test"',
  undefinedFlags: ['o', 's', 'a', 'p'],
  encodings: [enc('0f a3 /r', [Ev, Gv]), enc('0f ba /4 ib', [Ev, Ib])],
  execute(s, target, offset) {
    const { place, number } = bitPlace(s, target, offset);
    s.setFlags({ c: s.trunc(s.shr(s.read(place), number), 1) });
  },
});
const modify = (name: string, opcode: string, digit: number, sdm: string, f: <V>(s: Sem<V>, a: V, mask: V) => V) =>
  insn(name, {
    sdm,
    undefinedFlags: ['o', 's', 'a', 'p'],
    encodings: [enc(`0f ${opcode} /r`, [Ev, Gv], LOCK), enc(`0f ba /${digit} ib`, [Ev, Ib], LOCK)],
    execute(s, target, offset) {
      const { place, number } = bitPlace(s, target, offset);
      s.update(place, (a) => {
        s.setFlags({ c: s.trunc(s.shr(a, number), 1) });
        return f(s, a, s.shl(s.const(1, s.widthOf(a)), number));
      });
    },
  });

const BSF = insn('bsf', {
  sdm: 'SDM 2A "BSF—Bit Scan Forward"',
  undefinedFlags: ['c', 'o', 's', 'a', 'p'],
  encodings: [enc('0f bc /r', [Gv, Ev])],
  execute(s, dst, src) {
    const v = s.read(src);
    // Of zero: the destination stays as it is, its upper half too.
    s.when(isNonZero(s, v), () => s.write(dst, s.ctz(v)));
    s.flagsResult(v, {});
  },
});
const BSR = insn('bsr', {
  sdm: 'SDM 2A "BSR—Bit Scan Reverse"',
  undefinedFlags: ['c', 'o', 's', 'a', 'p'],
  encodings: [enc('0f bd /r', [Gv, Ev])],
  execute(s, dst, src) {
    const v = s.read(src);
    const bits = bitsOf(dst);
    s.when(isNonZero(s, v), () => s.write(dst, s.sub(s.const(bits - 1, bits), s.clz(v))));
    s.flagsResult(v, {});
  },
});
const POPCNT = insn('popcnt', {
  sdm: 'SDM 2B "POPCNT—Return the Count of Number of Bits Set to 1"',
  encodings: [enc('f3 0f b8 /r', [Gv, Ev], { feature: 'popcnt' })],
  execute(s, dst, src) {
    const v = s.read(src);
    const zero = s.const(0, 1);
    s.write(dst, s.popcnt(v));
    s.setFlags({ c: zero, p: zero, a: zero, z: s.isZero(v), s: zero, o: zero });
  },
});

/** CRC-32C of the low `bits` of data, reflected, bit by bit. */
function crc32c<V>(s: Sem<V>, crc: V, data: V, bits: Bits): V {
  const one = s.const(1, 32);
  let value = s.xor(crc, data);
  for (let n = 0; n < bits; n++) {
    value = s.xor(s.shr(value, one), s.and(s.neg(s.and(value, one)), s.const(0x82f63b78, 32)));
  }
  return value;
}
const CRC32 = insn('crc32', {
  sdm: 'SDM 2A "CRC32—Accumulate CRC32 Value"',
  encodings: [
    enc('f2 0f 38 f0 /r', [Gy, Eb], { feature: 'sse4_2' }),
    enc('f2 0f 38 f1 /r', [Gy, Ev], { feature: 'sse4_2' }),
  ],
  execute(s, dst, src) {
    const v = s.read(src);
    const start = truncTo(s, s.read(dst), 32);
    const bits = bitsOf(src);
    let crc: typeof v;
    if (bits === 64) {
      const half = crc32c(s, start, s.trunc(v, 32), 32);
      crc = crc32c(s, half, s.trunc(s.shr(v, s.const(32, 64)), 32), 32);
    } else crc = crc32c(s, start, zextTo(s, v, 32), bits);
    s.write(dst, zextTo(s, crc, bitsOf(dst)));
  },
});

export const BIT: readonly Instruction[] = [
  BT,
  modify('bts', 'ab', 5, 'SDM 2A "BTS—Bit Test and Set"', (s, a, mask) => s.or(a, mask)),
  modify('btr', 'b3', 6, 'SDM 2A "BTR—Bit Test and Reset"', (s, a, mask) => s.and(a, s.not(mask))),
  modify('btc', 'bb', 7, 'SDM 2A "BTC—Bit Test and Complement"', (s, a, mask) => s.xor(a, mask)),
  BSF,
  BSR,
  POPCNT,
  CRC32,
];
