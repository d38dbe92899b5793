// AND, OR, XOR, NOT, TEST. Intel SDM Vol. 2, instruction reference of the same names.
import { enc, type Instruction, insn } from '../declare.js';
import { AL, Eb, Ev, Gb, Gv, Ib, Iz, rAX } from '../operands.js';
import { aluEncodings, BYTE, BYTE_LOCK, LOCK } from './helpers.js';

const bitwise = (name: 'and' | 'or' | 'xor', base: number, digit: number, sdm: string): Instruction =>
  insn(name, {
    sdm,
    hot: true,
    undefinedFlags: ['a'],
    encodings: aluEncodings(base, digit, true),
    execute(s, dst, src) {
      const b = s.read(src);
      s.update(dst, (a) => {
        const r = s.binary(name, a, b);
        s.flags('logic', a, b, r);
        return r;
      });
    },
  });
const NOT = insn('not', {
  sdm: 'SDM 2B "NOT—One\'s Complement Negation"',
  hot: true,
  encodings: [enc('f6 /2', [Eb], BYTE_LOCK), enc('f7 /2', [Ev], LOCK)],
  execute(s, dst) {
    s.update(dst, (a) => s.not(a));
  },
});
const TEST = insn('test', {
  sdm: 'SDM 2B "TEST—Logical Compare"',
  hot: true,
  undefinedFlags: ['a'],
  encodings: [
    enc('84 /r', [Eb, Gb], BYTE),
    enc('85 /r', [Ev, Gv]),
    enc('a8 ib', [AL, Ib], BYTE),
    enc('a9', [rAX, Iz]),
    enc('f6 /0 ib', [Eb, Ib], BYTE),
    enc('f7 /0', [Ev, Iz]),
    enc('f6 /1 ib', [Eb, Ib], BYTE),
    enc('f7 /1', [Ev, Iz]),
  ],
  execute(s, first, second) {
    const a = s.read(first);
    const b = s.read(second);
    s.flags('logic', a, b, s.and(a, b));
  },
});

export const LOGIC: readonly Instruction[] = [
  bitwise('and', 0x20, 4, 'SDM 2A "AND—Logical AND"'),
  bitwise('or', 0x08, 1, 'SDM 2B "OR—Logical Inclusive OR"'),
  bitwise('xor', 0x30, 6, 'SDM 2C "XOR—Logical Exclusive OR"'),
  NOT,
  TEST,
];
