// Decimal arithmetic and SALC. Intel SDM Vol. 2A, "AAA", "AAD", "AAM", "AAS", "DAA", "DAS".
import { enc, type Instruction, insn } from '../declare.js';
import { Ib } from '../operands.js';
import type { Sem } from '../sem.js';
import { zextTo } from './helpers.js';

const I64 = { i64: true, opBits: 32 } as const;
const c8 = <V>(s: Sem<V>, n: number): V => s.const(n, 8);
/** Low digit of al above 9, or AF. */
const lowAdjust = <V>(s: Sem<V>, al: V): V => s.or(s.compare('gtu', s.and(al, c8(s, 15)), c8(s, 9)), s.flag('a'));
const chosen = <V>(s: Sem<V>, condition: V, n: number, bits: 8 | 16): V =>
  s.select(condition, s.const(n, bits), s.const(0, bits));

const ascii = (name: 'aaa' | 'aas', opcode: string, sdm: string): Instruction =>
  insn(name, {
    sdm,
    undefinedFlags: ['o', 's', 'z', 'p'],
    encodings: [enc(opcode, [], I64)],
    execute(s) {
      const ax = s.reg('rax', 16);
      const adjust = lowAdjust(s, s.reg('rax', 8));
      const by = chosen(s, adjust, 0x106, 16);
      const adjusted = name === 'aaa' ? s.add(ax, by) : s.sub(ax, by);
      s.setReg('rax', s.and(adjusted, s.const(0xff0f, 16)));
      s.setFlags({ a: adjust, c: adjust });
    },
  });
const DAA = insn('daa', {
  sdm: 'SDM 2A "DAA—Decimal Adjust AL After Addition"',
  undefinedFlags: ['o'],
  encodings: [enc('27', [], I64)],
  execute(s) {
    const al = s.reg('rax', 8);
    const low = lowAdjust(s, al);
    const high = s.or(s.compare('gtu', al, c8(s, 0x99)), s.flag('c'));
    const r = s.add(s.add(al, chosen(s, low, 6, 8)), chosen(s, high, 0x60, 8));
    s.setReg('rax', r);
    s.flagsResult(r, { c: high, a: low });
  },
});
const DAS = insn('das', {
  sdm: 'SDM 2A "DAS—Decimal Adjust AL After Subtraction"',
  undefinedFlags: ['o'],
  encodings: [enc('2f', [], I64)],
  execute(s) {
    const al = s.reg('rax', 8);
    const low = lowAdjust(s, al);
    const high = s.or(s.compare('gtu', al, c8(s, 0x99)), s.flag('c'));
    const borrow = s.and(low, s.compare('ltu', al, c8(s, 6)));
    const r = s.sub(s.sub(al, chosen(s, low, 6, 8)), chosen(s, high, 0x60, 8));
    s.setReg('rax', r);
    s.flagsResult(r, { c: s.or(high, borrow), a: low });
  },
});
const AAM = insn('aam', {
  sdm: 'SDM 2A "AAM—ASCII Adjust AX After Multiply"',
  undefinedFlags: ['o', 'a', 'c'],
  encodings: [enc('d4 ib', [Ib], I64)],
  execute(s, base) {
    const divisor = zextTo(s, s.read(base), 64);
    s.call('divide_unsigned', s.const(0, 64), zextTo(s, s.reg('rax', 8), 64), divisor, s.const(8, 32));
    const quotient = s.loadScratch(0, 8);
    const remainder = s.loadScratch(1, 8);
    s.setReg('rax', remainder);
    s.setRegHigh('rax', quotient);
    s.flagsResult(remainder, {});
  },
});
const AAD = insn('aad', {
  sdm: 'SDM 2A "AAD—ASCII Adjust AX Before Division"',
  undefinedFlags: ['o', 'a', 'c'],
  encodings: [enc('d5 ib', [Ib], I64)],
  execute(s, base) {
    const product = s.mul(zextTo(s, s.regHigh('rax'), 32), zextTo(s, s.read(base), 32));
    const r = s.trunc(s.add(product, zextTo(s, s.reg('rax', 8), 32)), 8);
    s.setReg('rax', s.zext(r, 16));
    s.flagsResult(r, {});
  },
});
const SALC = insn('salc', {
  sdm: 'SDM 3B "Undefined Opcodes": D6 sets AL from CF on every processor',
  encodings: [enc('d6', [], I64)],
  execute(s) {
    s.setReg('rax', chosen(s, s.flag('c'), 0xff, 8));
  },
});

export const BCD: readonly Instruction[] = [
  ascii('aaa', '37', 'SDM 2A "AAA—ASCII Adjust After Addition"'),
  ascii('aas', '3f', 'SDM 2A "AAS—ASCII Adjust AL After Subtraction"'),
  DAA,
  DAS,
  AAM,
  AAD,
  SALC,
];
