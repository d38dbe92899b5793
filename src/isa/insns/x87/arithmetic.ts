// x87 arithmetic, comparison and transcendental instructions. Intel SDM Vol. 2A, "Instruction Set Reference".
import type { Instruction } from '../../declare.js';
import { Md, Mq, Mw, ST0, STi } from '../../operands.js';
import { type Execute, fpu, number32, offset, plain, signed32, x87 } from './build.js';

/** Operation numbers are ModRM.reg of D8H; `into` is the ModRM byte of DC/DE, where SUB/SUBR and DIV/DIVR trade places. */
const OPERATIONS = [
  { name: 'add', op: 0, from: 'c0', into: 'c0', sdm: 'FADD/FADDP/FIADD—Add' },
  { name: 'mul', op: 1, from: 'c8', into: 'c8', sdm: 'FMUL/FMULP/FIMUL—Multiply' },
  { name: 'sub', op: 4, from: 'e0', into: 'e8', sdm: 'FSUB/FSUBP/FISUB—Subtract' },
  { name: 'subr', op: 5, from: 'e8', into: 'e0', sdm: 'FSUBR/FSUBRP/FISUBR—Reverse Subtract' },
  { name: 'div', op: 6, from: 'f0', into: 'f8', sdm: 'FDIV/FDIVP/FIDIV—Divide' },
  { name: 'divr', op: 7, from: 'f8', into: 'f0', sdm: 'FDIVR/FDIVRP/FIDIVR—Reverse Divide' },
] as const;

const arithmetic: readonly Instruction[] = OPERATIONS.flatMap(({ name, op, from, into, sdm }) => {
  const toRegister =
    (pops: number): Execute =>
    (s, dst) => {
      s.call('x87_arith', number32(s, op), s.registerNumber(dst), number32(s, 0), number32(s, pops));
    };
  return [
    x87(`f${name}`, sdm, [fpu(`d8 /${op}`, [Md]), fpu(`dc /${op}`, [Mq])], (s, src) => {
      const procedure = src.bits === 32 ? 'x87_arith_f32' : 'x87_arith_f64';
      s.call(procedure, number32(s, op), s.read(src), offset(s, src));
    }),
    x87(`f${name}`, sdm, [fpu(`d8 /${from}+i`, [ST0, STi])], (s, _st0, src) => {
      s.call('x87_arith', number32(s, op), number32(s, 0), s.registerNumber(src), number32(s, 0));
    }),
    x87(`f${name}`, sdm, [fpu(`dc /${into}+i`, [STi, ST0])], toRegister(0)),
    x87(`f${name}p`, sdm, [fpu(`de /${into}+i`, [STi, ST0])], toRegister(1)),
    x87(`fi${name}`, sdm, [fpu(`da /${op}`, [Md]), fpu(`de /${op}`, [Mw])], (s, src) => {
      s.call('x87_arith_int', number32(s, op), signed32(s, src), offset(s, src));
    }),
  ];
});

const FCOM = 'FCOM/FCOMP/FCOMPP—Compare Floating-Point Values';
const FUCOM = 'FUCOM/FUCOMP/FUCOMPP—Unordered Compare Floating-Point Values';
const FICOM = 'FICOM/FICOMP—Compare Integer';
const FCOMI = 'FCOMI/FCOMIP/FUCOMI/FUCOMIP—Compare Floating-Point Values and Set EFLAGS';
const compareMemory =
  (pops: number): Execute =>
  (s, src) => {
    const procedure = src.bits === 32 ? 'x87_compare_f32' : 'x87_compare_f64';
    s.call(procedure, s.read(src), offset(s, src), number32(s, pops));
  };
const compareInteger =
  (pops: number): Execute =>
  (s, src) => {
    s.call('x87_compare_int', signed32(s, src), offset(s, src), number32(s, pops));
  };
const compareRegister =
  (unordered: 0 | 1, pops: number): Execute =>
  (s, src) => {
    s.call('x87_compare', s.registerNumber(src), number32(s, unordered), number32(s, pops));
  };
const compareWithOne =
  (unordered: 0 | 1): Execute =>
  (s) => {
    s.call('x87_compare', number32(s, 1), number32(s, unordered), number32(s, 2));
  };
const compareToFlags =
  (unordered: 0 | 1, pops: number): Execute =>
  (s, _st0, src) => {
    const result = s.call('x87_compare_flags', s.registerNumber(src), number32(s, unordered), number32(s, pops));
    const bit = (n: number) => s.trunc(s.shr(result, s.const(n, 32)), 1);
    const clear = s.const(0, 1);
    s.setFlags({ c: bit(0), p: bit(2), z: bit(6), a: clear, s: clear, o: clear });
  };
/** dc d0+i, dc d8+i and de d0+i are aliases that the SDM does not list. */
const comparisons: readonly Instruction[] = [
  x87('fcom', FCOM, [fpu('d8 /2', [Md]), fpu('dc /2', [Mq])], compareMemory(0)),
  x87('fcomp', FCOM, [fpu('d8 /3', [Md]), fpu('dc /3', [Mq])], compareMemory(1)),
  x87('fcom', FCOM, [fpu('d8 /d0+i', [STi]), fpu('dc /d0+i', [STi])], compareRegister(0, 0)),
  x87('fcomp', FCOM, [fpu('d8 /d8+i', [STi]), fpu('dc /d8+i', [STi]), fpu('de /d0+i', [STi])], compareRegister(0, 1)),
  x87('fcompp', FCOM, [fpu('de /d9')], compareWithOne(0)),
  x87('fucom', FUCOM, [fpu('dd /e0+i', [STi])], compareRegister(1, 0)),
  x87('fucomp', FUCOM, [fpu('dd /e8+i', [STi])], compareRegister(1, 1)),
  x87('fucompp', FUCOM, [fpu('da /e9')], compareWithOne(1)),
  x87('ficom', FICOM, [fpu('da /2', [Md]), fpu('de /2', [Mw])], compareInteger(0)),
  x87('ficomp', FICOM, [fpu('da /3', [Md]), fpu('de /3', [Mw])], compareInteger(1)),
  x87('fcomi', FCOMI, [fpu('db /f0+i', [ST0, STi], { feature: 'cmov' })], compareToFlags(0, 0)),
  x87('fcomip', FCOMI, [fpu('df /f0+i', [ST0, STi], { feature: 'cmov' })], compareToFlags(0, 1)),
  x87('fucomi', FCOMI, [fpu('db /e8+i', [ST0, STi], { feature: 'cmov' })], compareToFlags(1, 0)),
  x87('fucomip', FCOMI, [fpu('df /e8+i', [ST0, STi], { feature: 'cmov' })], compareToFlags(1, 1)),
  x87('ftst', 'FTST—TEST', [fpu('d9 /e4')], plain('x87_test')),
  x87('fxam', 'FXAM—Examine Floating-Point', [fpu('d9 /e5')], plain('x87_examine')),
];

const remainder =
  (nearest: 0 | 1): Execute =>
  (s) => {
    s.call('x87_rem', number32(s, nearest));
  };
const functions: readonly Instruction[] = [
  x87('fchs', 'FCHS—Change Sign', [fpu('d9 /e0')], plain('x87_chs')),
  x87('fabs', 'FABS—Absolute Value', [fpu('d9 /e1')], plain('x87_abs')),
  x87('f2xm1', 'F2XM1—Compute 2x–1', [fpu('d9 /f0')], plain('x87_f2xm1')),
  x87('fyl2x', 'FYL2X—Compute y * log2x', [fpu('d9 /f1')], plain('x87_yl2x')),
  x87('fptan', 'FPTAN—Partial Tangent', [fpu('d9 /f2')], plain('x87_ptan')),
  x87('fpatan', 'FPATAN—Partial Arctangent', [fpu('d9 /f3')], plain('x87_patan')),
  x87('fxtract', 'FXTRACT—Extract Exponent and Significand', [fpu('d9 /f4')], plain('x87_extract')),
  x87('fprem1', 'FPREM1—Partial Remainder', [fpu('d9 /f5')], remainder(1)),
  x87('fprem', 'FPREM—Partial Remainder', [fpu('d9 /f8')], remainder(0)),
  x87('fyl2xp1', 'FYL2XP1—Compute y * log2(x +1)', [fpu('d9 /f9')], plain('x87_yl2xp1')),
  x87('fsqrt', 'FSQRT—Square Root', [fpu('d9 /fa')], plain('x87_sqrt')),
  x87('fsincos', 'FSINCOS—Sine and Cosine', [fpu('d9 /fb')], plain('x87_sincos')),
  x87('frndint', 'FRNDINT—Round to Integer', [fpu('d9 /fc')], plain('x87_round_int')),
  x87('fscale', 'FSCALE—Scale', [fpu('d9 /fd')], plain('x87_scale')),
  x87('fsin', 'FSIN—Sine', [fpu('d9 /fe')], plain('x87_sin')),
  x87('fcos', 'FCOS—Cosine', [fpu('d9 /ff')], plain('x87_cos')),
];

export const ARITHMETIC: readonly Instruction[] = [...arithmetic, ...comparisons, ...functions];
