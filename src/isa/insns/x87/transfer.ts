// x87 loads, stores, exchanges and constants. Intel SDM Vol. 2A, "Instruction Set Reference".
import type { Instruction } from '../../declare.js';
import { Md, Mq, Mt, Mw, ST0, STi } from '../../operands.js';
import type { Condition } from '../../sem.js';
import { type Execute, fpu, number32, offset, signed32, x87 } from './build.js';

const FLD = 'FLD—Load Floating-Point Value';
const FST = 'FST/FSTP—Store Floating-Point Value';
const FILD = 'FILD—Load Integer';
const FIST = 'FIST/FISTP—Store Integer';
const FISTTP = 'FISTTP—Store Integer With Truncation';

/** Calls a store with linear address, effective address and further constants. */
const store =
  (procedure: (bits: number) => string, sizeBytes: (bits: number) => number, ...rest: number[]): Execute =>
  (s, dst) => {
    const linear = s.linearAddress(dst, sizeBytes(dst.bits), true);
    s.call(procedure(dst.bits), linear, offset(s, dst), ...rest.map((n) => number32(s, n)));
  };
const bytes = (bits: number): number => bits / 8;
const storeReal = (pops: number): Execute => store((bits) => `x87_store_f${bits}`, bytes, pops);
const storeInteger = (pops: number, truncate: number): Execute =>
  store((bits) => `x87_store_i${bits}`, bytes, pops, truncate);
const ten = (): number => 10;
const loadTen =
  (procedure: string): Execute =>
  (s, src) => {
    const linear = s.linearAddress(src, 10, false);
    s.call(procedure, linear, offset(s, src));
  };

const memory: readonly Instruction[] = [
  x87('fld', FLD, [fpu('d9 /0', [Md]), fpu('dd /0', [Mq])], (s, src) => {
    s.call(src.bits === 32 ? 'x87_load_f32' : 'x87_load_f64', s.read(src), offset(s, src));
  }),
  x87('fld', FLD, [fpu('db /5', [Mt])], loadTen('x87_load_f80')),
  x87('fst', FST, [fpu('d9 /2', [Md]), fpu('dd /2', [Mq])], storeReal(0)),
  x87('fstp', FST, [fpu('d9 /3', [Md]), fpu('dd /3', [Mq])], storeReal(1)),
  x87(
    'fstp',
    FST,
    [fpu('db /7', [Mt])],
    store(() => 'x87_store_f80', ten),
  ),
  x87('fild', FILD, [fpu('df /0', [Mw]), fpu('db /0', [Md])], (s, src) => {
    s.call('x87_load_i32', signed32(s, src), offset(s, src));
  }),
  x87('fild', FILD, [fpu('df /5', [Mq])], (s, src) => {
    s.call('x87_load_i64', s.read(src), offset(s, src));
  }),
  x87('fist', FIST, [fpu('df /2', [Mw]), fpu('db /2', [Md])], storeInteger(0, 0)),
  x87('fistp', FIST, [fpu('df /3', [Mw]), fpu('db /3', [Md]), fpu('df /7', [Mq])], storeInteger(1, 0)),
  x87(
    'fisttp',
    FISTTP,
    [
      fpu('df /1', [Mw], { feature: 'sse3' }),
      fpu('db /1', [Md], { feature: 'sse3' }),
      fpu('dd /1', [Mq], { feature: 'sse3' }),
    ],
    storeInteger(1, 1),
  ),
  x87('fbld', 'FBLD—Load Binary Coded Decimal', [fpu('df /4', [Mt])], loadTen('x87_load_bcd')),
  x87(
    'fbstp',
    'FBSTP—Store BCD Integer and Pop',
    [fpu('df /6', [Mt])],
    store(() => 'x87_store_bcd', ten),
  ),
];

const storeRegister =
  (pops: number): Execute =>
  (s, dst) => {
    s.call('x87_store_st', s.registerNumber(dst), number32(s, pops));
  };
const CONSTANTS = ['fld1', 'fldl2t', 'fldl2e', 'fldpi', 'fldlg2', 'fldln2', 'fldz'] as const;
const MOVES: readonly (readonly [name: string, opcode: string, condition: Condition])[] = [
  ['fcmovb', 'da /c0', 'b'],
  ['fcmove', 'da /c8', 'z'],
  ['fcmovbe', 'da /d0', 'be'],
  ['fcmovu', 'da /d8', 'p'],
  ['fcmovnb', 'db /c0', 'nb'],
  ['fcmovne', 'db /c8', 'nz'],
  ['fcmovnbe', 'db /d0', 'nbe'],
  ['fcmovnu', 'db /d8', 'np'],
];
/** d9 d8+i, df d0+i, df d8+i and dd c8+i, df c8+i, df c0+i are forms that the SDM does not list. */
const registers: readonly Instruction[] = [
  x87('fld', FLD, [fpu('d9 /c0+i', [STi])], (s, src) => {
    s.call('x87_load_st', s.registerNumber(src));
  }),
  x87('fst', FST, [fpu('dd /d0+i', [STi])], storeRegister(0)),
  x87('fstp', FST, [fpu('dd /d8+i', [STi]), fpu('df /d0+i', [STi]), fpu('df /d8+i', [STi])], storeRegister(1)),
  x87('fstp', FST, [fpu('d9 /d8+i', [STi])], (s, dst) => {
    s.call('x87_store_st_unchecked', s.registerNumber(dst));
  }),
  x87(
    'fxch',
    'FXCH—Exchange Register Contents',
    [fpu('d9 /c8+i', [STi]), fpu('dd /c8+i', [STi]), fpu('df /c8+i', [STi])],
    (s, other) => {
      s.call('x87_exchange', s.registerNumber(other));
    },
  ),
  x87('ffree', 'FFREE—Free Floating-Point Register', [fpu('dd /c0+i', [STi])], (s, register) => {
    s.call('x87_free', s.registerNumber(register), number32(s, 0));
  }),
  x87('ffreep', 'FFREE—Free Floating-Point Register', [fpu('df /c0+i', [STi])], (s, register) => {
    s.call('x87_free', s.registerNumber(register), number32(s, 1));
  }),
  ...CONSTANTS.map((name, which) =>
    x87(
      name,
      'FLD1/FLDL2T/FLDL2E/FLDPI/FLDLG2/FLDLN2/FLDZ—Load Constant',
      [fpu(`d9 /${(0xe8 + which).toString(16)}`)],
      (s) => {
        s.call('x87_load_constant', number32(s, which));
      },
    ),
  ),
  ...MOVES.map(([name, opcode, condition]) =>
    x87(
      name,
      'FCMOVcc—Floating-Point Conditional Move',
      [fpu(`${opcode}+i`, [ST0, STi], { feature: 'cmov' })],
      (s, _st0, src) => {
        s.call('x87_move_if', s.zext(s.cond(condition), 32), s.registerNumber(src));
      },
    ),
  ),
];

export const TRANSFER: readonly Instruction[] = [...memory, ...registers];
