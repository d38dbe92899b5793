// XCHG, XADD, CMPXCHG, CMPXCHG8B/16B. Intel SDM Vol. 2, instruction reference of the same names.
import { enc, type Instruction, insn } from '../declare.js';
import { Eb, Ev, Gb, Gv, Mdq, Mq, rAX, Zv } from '../operands.js';
import { BYTE_LOCK, bitsOf, LOCK, updated } from './helpers.js';

const XCHG = insn('xchg', {
  sdm: 'SDM 2C "XCHG—Exchange Register/Memory With Register"',
  encodings: [
    enc('86 /r', [Eb, Gb], { ...BYTE_LOCK, locked: true }),
    enc('87 /r', [Ev, Gv], { lock: true, locked: true }),
    enc('90+r', [Zv, rAX]),
  ],
  execute(s, first, second) {
    const b = s.read(second);
    const [a] = updated(s, first, () => b);
    s.write(second, a);
  },
});
const XADD = insn('xadd', {
  sdm: 'SDM 2C "XADD—Exchange and Add"',
  encodings: [enc('0f c0 /r', [Eb, Gb], BYTE_LOCK), enc('0f c1 /r', [Ev, Gv], LOCK)],
  execute(s, dst, src) {
    const b = s.read(src);
    if (dst.kind === 'mem') {
      const [a, r] = updated(s, dst, (old) => s.add(old, b));
      s.write(src, a);
      s.flags('add', a, b, r);
    } else {
      // The source is written first: with one register for both, the sum stays.
      const a = s.read(dst);
      const r = s.add(a, b);
      s.write(src, a);
      s.write(dst, r);
      s.flags('add', a, b, r);
    }
  },
});
const CMPXCHG = insn('cmpxchg', {
  sdm: 'SDM 2A "CMPXCHG—Compare and Exchange"',
  encodings: [enc('0f b0 /r', [Eb, Gb], BYTE_LOCK), enc('0f b1 /r', [Ev, Gv], LOCK)],
  execute(s, dst, src) {
    const b = s.read(src);
    const expected = s.reg('rax', bitsOf(dst));
    if (dst.kind === 'mem') {
      // Memory is written in any case, the accumulator only when they differ.
      const [a] = updated(s, dst, (old) => s.select(s.compare('eq', expected, old), b, old));
      s.when(s.compare('ne', expected, a), () => s.setReg('rax', a));
      s.flags('sub', expected, a, s.sub(expected, a));
      return;
    }
    // Of two registers only one is written: the other keeps its upper half.
    const a = s.read(dst);
    s.when(s.compare('eq', expected, a), () => s.write(dst, b));
    s.when(s.compare('ne', expected, a), () => s.setReg('rax', a));
    s.flags('sub', expected, a, s.sub(expected, a));
  },
});
const CMPXCHG8B = insn('cmpxchg8b', {
  sdm: 'SDM 2A "CMPXCHG8B/CMPXCHG16B—Compare and Exchange Bytes"',
  encodings: [enc('0f c7 /1 rex.w0', [Mq], { lock: true, opBits: 32, feature: 'cx8' })],
  execute(s, dst) {
    s.call('cmpxchg8b', s.linearAddress(dst, 8, true));
  },
});
const CMPXCHG16B = insn('cmpxchg16b', {
  sdm: 'SDM 2A "CMPXCHG8B/CMPXCHG16B—Compare and Exchange Bytes"',
  encodings: [enc('0f c7 /1 rex.w', [Mdq], { lock: true, o64: true, feature: 'cmpxchg16b' })],
  execute(s, dst) {
    s.call('cmpxchg16b', s.linearAddress(dst, 16, true));
  },
});

export const EXCHANGE: readonly Instruction[] = [XCHG, XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B];
