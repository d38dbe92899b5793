// Addition, subtraction, comparison, increment. Intel SDM Vol. 2, instruction reference of the same names.
import { enc, type Instruction, insn } from '../declare.js';
import { Eb, Ev, Zv } from '../operands.js';
import type { Sem } from '../sem.js';
import { aluEncodings, BYTE_LOCK, bit, LOCK, sign, updated, zextTo } from './helpers.js';

const ADD = insn('add', {
  sdm: 'SDM 2A "ADD—Add"',
  hot: true,
  encodings: aluEncodings(0x00, 0, true),
  execute(s, dst, src) {
    const b = s.read(src);
    s.update(dst, (a) => {
      const r = s.add(a, b);
      s.flags('add', a, b, r);
      return r;
    });
  },
});
const SUB = insn('sub', {
  sdm: 'SDM 2B "SUB—Subtract"',
  hot: true,
  encodings: aluEncodings(0x28, 5, true),
  execute(s, dst, src) {
    const b = s.read(src);
    s.update(dst, (a) => {
      const r = s.sub(a, b);
      s.flags('sub', a, b, r);
      return r;
    });
  },
});
const CMP = insn('cmp', {
  sdm: 'SDM 2A "CMP—Compare Two Operands"',
  hot: true,
  encodings: aluEncodings(0x38, 7, false),
  execute(s, first, second) {
    const a = s.read(first);
    const b = s.read(second);
    s.flags('sub', a, b, s.sub(a, b));
  },
});

const auxiliary = <V>(s: Sem<V>, a: V, b: V, r: V): V => bit(s, s.xor(s.xor(a, b), r), 4);

const ADC = insn('adc', {
  sdm: 'SDM 2A "ADC—Add With Carry"',
  encodings: aluEncodings(0x10, 2, true),
  execute(s, dst, src) {
    const b = s.read(src);
    const carry = s.flag('c');
    const [a, r] = updated(s, dst, (old) => s.add(s.add(old, b), zextTo(s, carry, s.widthOf(old))));
    s.flagsResult(r, {
      c: s.or(s.compare('ltu', r, a), s.and(carry, s.compare('eq', r, a))),
      o: sign(s, s.and(s.xor(a, r), s.xor(b, r))),
      a: auxiliary(s, a, b, r),
    });
  },
});
const SBB = insn('sbb', {
  sdm: 'SDM 2B "SBB—Integer Subtraction With Borrow"',
  encodings: aluEncodings(0x18, 3, true),
  execute(s, dst, src) {
    const b = s.read(src);
    const carry = s.flag('c');
    const [a, r] = updated(s, dst, (old) => s.sub(s.sub(old, b), zextTo(s, carry, s.widthOf(old))));
    s.flagsResult(r, {
      c: s.or(s.compare('ltu', a, b), s.and(carry, s.compare('eq', a, b))),
      o: sign(s, s.and(s.xor(a, b), s.xor(a, r))),
      a: auxiliary(s, a, b, r),
    });
  },
});

const INC = insn('inc', {
  sdm: 'SDM 2A "INC—Increment by 1"',
  hot: true,
  encodings: [enc('fe /0', [Eb], BYTE_LOCK), enc('ff /0', [Ev], LOCK), enc('40+r', [Zv], { i64: true })],
  execute(s, dst) {
    const [, r] = updated(s, dst, (a) => s.add(a, s.const(1, s.widthOf(a))));
    s.flagsStep('inc', r);
  },
});
const DEC = insn('dec', {
  sdm: 'SDM 2A "DEC—Decrement by 1"',
  hot: true,
  encodings: [enc('fe /1', [Eb], BYTE_LOCK), enc('ff /1', [Ev], LOCK), enc('48+r', [Zv], { i64: true })],
  execute(s, dst) {
    const [, r] = updated(s, dst, (a) => s.sub(a, s.const(1, s.widthOf(a))));
    s.flagsStep('dec', r);
  },
});
const NEG = insn('neg', {
  sdm: 'SDM 2B "NEG—Two\'s Complement Negation"',
  hot: true,
  encodings: [enc('f6 /3', [Eb], BYTE_LOCK), enc('f7 /3', [Ev], LOCK)],
  execute(s, dst) {
    s.update(dst, (a) => {
      const zero = s.const(0, s.widthOf(a));
      const r = s.sub(zero, a);
      s.flags('sub', zero, a, r);
      return r;
    });
  },
});

export const ARITHMETIC: readonly Instruction[] = [ADD, ADC, SUB, SBB, CMP, INC, DEC, NEG];
