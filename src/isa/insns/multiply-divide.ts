// MUL, IMUL, DIV, IDIV. Intel SDM Vol. 2, instruction reference of the same names.
import { enc, type Instruction, insn } from '../declare.js';
import { Eb, Ev, Gv, Isb, Iz } from '../operands.js';
import type { Bits, Operand, Sem } from '../sem.js';
import { BYTE, bitsOf, isNonZero, sextTo, zextTo } from './helpers.js';

interface Product<V> {
  low: V;
  high: V;
  /** The product does not fit the low half. */
  overflow: V;
}
function multiply<V>(s: Sem<V>, a: V, b: V, signed: boolean): Product<V> {
  const bits = s.widthOf(a);
  if (bits === 64) {
    const low = s.mul(a, b);
    const high = s.call(signed ? 'mul_high_s64' : 'mul_high_u64', a, b);
    const overflow = signed ? s.compare('ne', high, s.sar(low, s.const(63, 64))) : isNonZero(s, high);
    return { low, high, overflow };
  }
  const wide: Bits = bits === 32 ? 64 : 32;
  const product = signed ? s.mul(s.sext(a, wide), s.sext(b, wide)) : s.mul(s.zext(a, wide), s.zext(b, wide));
  const low = s.trunc(product, bits);
  const high = s.trunc(s.shr(product, s.const(bits, wide)), bits);
  const overflow = signed ? s.compare('ne', s.sext(low, wide), product) : isNonZero(s, high);
  return { low, high, overflow };
}
/** rDX:rAX (AX for bytes) := product. */
function writeProduct<V>(s: Sem<V>, { low, high, overflow }: Product<V>): void {
  if (s.widthOf(low) === 8) {
    s.setReg('rax', s.or(s.zext(low, 16), s.shl(s.zext(high, 16), s.const(8, 16))));
  } else {
    s.setReg('rax', low);
    s.setReg('rdx', high);
  }
  s.flagsResult(low, { c: overflow, o: overflow });
}
const MUL = insn('mul', {
  sdm: 'SDM 2B "MUL—Unsigned Multiply"',
  undefinedFlags: ['s', 'z', 'a', 'p'],
  encodings: [enc('f6 /4', [Eb], BYTE), enc('f7 /4', [Ev])],
  execute(s, src) {
    const b = s.read(src);
    writeProduct(s, multiply(s, s.reg('rax', bitsOf(src)), b, false));
  },
});
const IMUL = insn('imul', {
  sdm: 'SDM 2A "IMUL—Signed Multiply"',
  hot: true,
  undefinedFlags: ['s', 'z', 'a', 'p'],
  encodings: [
    enc('f6 /5', [Eb], BYTE),
    enc('f7 /5', [Ev]),
    enc('0f af /r', [Gv, Ev]),
    enc('6b /r ib', [Gv, Ev, Isb]),
    enc('69 /r', [Gv, Ev, Iz]),
  ],
  execute(s, first, second?: Operand, third?: Operand) {
    if (second === undefined) {
      const b = s.read(first);
      writeProduct(s, multiply(s, s.reg('rax', bitsOf(first)), b, true));
      return;
    }
    const a = s.read(third === undefined ? first : third);
    const b = s.read(second);
    const { low, overflow } = multiply(s, a, b, true);
    s.write(first, low);
    s.flagsResult(low, { c: overflow, o: overflow });
  },
});

const division = (name: string, digit: number, procedure: string, sdm: string): Instruction =>
  insn(name, {
    sdm,
    undefinedFlags: ['c', 'o', 's', 'z', 'a', 'p'],
    encodings: [enc(`f6 /${digit}`, [Eb], BYTE), enc(`f7 /${digit}`, [Ev])],
    execute(s, src) {
      const bits = bitsOf(src);
      const divisor = zextTo(s, s.read(src), 64);
      const high = bits === 8 ? s.regHigh('rax') : s.reg('rdx', bits);
      const low = s.reg('rax', bits);
      s.call(procedure, zextTo(s, high, 64), zextTo(s, low, 64), divisor, s.const(bits, 32));
      const quotient = s.loadScratch(0, bits);
      const remainder = s.loadScratch(1, bits);
      s.setReg('rax', quotient);
      if (bits === 8) s.setRegHigh('rax', remainder);
      else s.setReg('rdx', remainder);
    },
  });

/** Sign extensions of the accumulator: CBW family (98) and CWD family (99). */
const extension = (name: string, bits: 16 | 32 | 64, from: 8 | 16 | 32): Instruction =>
  insn(name, {
    sdm: 'SDM 2A "CBW/CWDE/CDQE—Convert Byte to Word/Convert Word to Doubleword/Convert Doubleword to Quadword"',
    hot: true,
    encodings: [enc('98', [], { onlyOpBits: bits })],
    execute(s) {
      s.setReg('rax', sextTo(s, s.reg('rax', from), bits));
    },
  });
const signFill = (name: string, bits: 16 | 32 | 64): Instruction =>
  insn(name, {
    sdm: 'SDM 2A "CWD/CDQ/CQO—Convert Word to Doubleword/Convert Doubleword to Quadword"',
    hot: true,
    encodings: [enc('99', [], { onlyOpBits: bits })],
    execute(s) {
      s.setReg('rdx', s.sar(s.reg('rax', bits), s.const(bits - 1, bits)));
    },
  });

export const MULTIPLY_DIVIDE: readonly Instruction[] = [
  MUL,
  IMUL,
  division('div', 6, 'divide_unsigned', 'SDM 2A "DIV—Unsigned Divide"'),
  division('idiv', 7, 'divide_signed', 'SDM 2A "IDIV—Signed Divide"'),
  extension('cbw', 16, 8),
  extension('cwde', 32, 16),
  extension('cdqe', 64, 32),
  signFill('cwd', 16),
  signFill('cdq', 32),
  signFill('cqo', 64),
];
