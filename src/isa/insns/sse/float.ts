// Floating-point arithmetic, comparison, logic and shuffles of SSE, SSE2, SSE3 and SSE4.1; the numbers are made by the
// procedures of processor/core/sse.ts. Intel SDM Vol. 2, "Instruction Set Reference".
import type { Instruction } from '../../declare.js';
import { Ib, type OperandSpec, Vdq, Wd, Wdq, Wq } from '../../operands.js';
import { bytesOfLanes, direct, doublewordControl, type Packed, swapped } from '../mmx/packed.js';
import { alignedBy, by, type Execute, numeric, numericImmediate, sse } from './build.js';

type Kind = 'ps' | 'ss' | 'pd' | 'sd';
const KINDS: readonly Kind[] = ['ps', 'ss', 'pd', 'sd'];
const PREFIX = { ps: 'np', ss: 'f3', pd: '66', sd: 'f2' } as const;
const FEATURE = { ps: 'sse', ss: 'sse', pd: 'sse2', sd: 'sse2' } as const;
const SOURCE = { ps: Wdq, ss: Wd, pd: Wdq, sd: Wq } as const;
const WORDS = {
  ps: 'Packed Single Precision',
  ss: 'Scalar Single Precision',
  pd: 'Packed Double Precision',
  sd: 'Scalar Double Precision',
} as const;

const form = (
  name: string,
  what: string,
  opcode: string,
  kind: Kind,
  execute: Execute,
  more: readonly OperandSpec[] = [],
): Instruction => {
  const packed = kind === 'ps' || kind === 'pd';
  const encode = packed ? alignedBy : by;
  return sse(
    name + kind,
    `SDM 2 "${(name + kind).toUpperCase()}—${what} ${WORDS[kind]}"`,
    [encode(FEATURE[kind], `${PREFIX[kind]} ${opcode} /r`, [Vdq, SOURCE[kind], ...more])],
    execute,
  );
};

const ARITHMETIC: readonly (readonly [name: string, opcode: string, what: string])[] = [
  ['sqrt', '0f 51', 'Square Root of'],
  ['add', '0f 58', 'Add'],
  ['mul', '0f 59', 'Multiply'],
  ['sub', '0f 5c', 'Subtract'],
  ['min', '0f 5d', 'Minimum of'],
  ['div', '0f 5e', 'Divide'],
  ['max', '0f 5f', 'Maximum of'],
];
const arithmetic = ARITHMETIC.flatMap(([name, opcode, what]) =>
  KINDS.map((kind) => form(name, what, opcode, kind, numeric(`sse_${name}_${kind}`))),
);
const approximations = (['ps', 'ss'] as const).flatMap((kind) => [
  form('rsqrt', 'Reciprocal of Square Root of', '0f 52', kind, numeric(`sse_rsqrt_${kind}`)),
  form('rcp', 'Reciprocal of', '0f 53', kind, numeric(`sse_rcp_${kind}`)),
]);

const comparisons: readonly Instruction[] = [
  ...KINDS.map((kind) =>
    form(
      'cmp',
      'Compare',
      '0f c2',
      kind,
      (s, dst, src, imm) => {
        const predicate = s.and(s.zext(s.read(imm), 32), s.const(7, 32));
        s.call(`sse_cmp_${kind}`, s.pointer(dst), s.pointer(src), predicate);
      },
      [Ib],
    ),
  ),
  ...(['ucomi', 'comi'] as const).flatMap((name) =>
    (['ss', 'sd'] as const).map((kind) =>
      sse(
        name + kind,
        `SDM 2 "${(name + kind).toUpperCase()}—Compare ${WORDS[kind]} and Set EFLAGS"`,
        [
          by(FEATURE[kind], `${kind === 'ss' ? 'np' : '66'} 0f ${name === 'ucomi' ? '2e' : '2f'} /r`, [
            Vdq,
            SOURCE[kind],
          ]),
        ],
        (s, a, b) => {
          s.call(`sse_${name}${kind}`, s.pointer(a), s.pointer(b));
          const result = s.loadScratch(0, 32);
          const bit = (n: number) => s.trunc(s.shr(result, s.const(n, 32)), 1);
          const clear = s.const(0, 1);
          s.setFlags({ c: bit(0), p: bit(2), z: bit(6), a: clear, s: clear, o: clear });
        },
      ),
    ),
  ),
];

const LOGIC: readonly (readonly [name: string, opcode: string, operation: Packed, what: string])[] = [
  ['and', '0f 54', direct('v128.and'), 'Bitwise Logical AND of'],
  ['andn', '0f 55', swapped('v128.andnot'), 'Bitwise Logical AND NOT of'],
  ['or', '0f 56', direct('v128.or'), 'Bitwise Logical OR of'],
  ['xor', '0f 57', direct('v128.xor'), 'Bitwise Logical XOR of'],
];
const shuffled = (laneBits: 32 | 64, lanes: readonly number[]): Packed => {
  const bytes = bytesOfLanes(laneBits, lanes);
  return (s, a, b) => s.shuffle(a, b, bytes);
};
const binary =
  (operation: Packed): Execute =>
  (s, dst, src) => {
    const b = s.read(src);
    s.write(dst, operation(s, s.read(dst), b));
  };
const bitwise: readonly Instruction[] = [
  ...LOGIC.flatMap(([name, opcode, operation, what]) =>
    (['ps', 'pd'] as const).map((kind) => form(name, what, opcode, kind, binary(operation))),
  ),
  form('unpckl', 'Unpack and Interleave Low', '0f 14', 'ps', binary(shuffled(32, [0, 4, 1, 5]))),
  form('unpckl', 'Unpack and Interleave Low', '0f 14', 'pd', binary(shuffled(64, [0, 2]))),
  form('unpckh', 'Unpack and Interleave High', '0f 15', 'ps', binary(shuffled(32, [2, 6, 3, 7]))),
  form('unpckh', 'Unpack and Interleave High', '0f 15', 'pd', binary(shuffled(64, [1, 3]))),
  form(
    'shuf',
    'Interleave Shuffle',
    '0f c6',
    'ps',
    (s, dst, src, imm) => {
      const b = s.read(src);
      const control = doublewordControl(s, s.read(imm));
      const low = s.simd('i8x16.swizzle', s.read(dst), control);
      const high = s.simd('i8x16.swizzle', b, control);
      s.write(dst, s.shuffle(low, high, bytesOfLanes(32, [0, 1, 6, 7])));
    },
    [Ib],
  ),
  form(
    'shuf',
    'Interleave Shuffle',
    '0f c6',
    'pd',
    (s, dst, src, imm) => {
      const b = s.read(src);
      const a = s.read(dst);
      const which = s.read(imm);
      const lane = (from: typeof a, bit: number) =>
        s.select(s.trunc(s.shr(which, s.const(bit, 8)), 1), s.extractLane(from, 64, 1), s.extractLane(from, 64, 0));
      s.write(dst, s.replaceLane(s.splat(lane(a, 0)), 64, 1, lane(b, 1)));
    },
    [Ib],
  ),
];

/** SSE3 and SSE4.1 forms. */
const sse3 = (['addsub', 'hadd', 'hsub'] as const).flatMap((name) =>
  (['ps', 'pd'] as const).map((kind) => {
    const opcode = { addsub: 'd0', hadd: '7c', hsub: '7d' }[name];
    const what = { addsub: 'Add/Subtract', hadd: 'Horizontal Add', hsub: 'Horizontal Subtract' }[name];
    return sse(
      name + kind,
      `SDM 2 "${(name + kind).toUpperCase()}—${WORDS[kind]} ${what}"`,
      [alignedBy('sse3', `${kind === 'ps' ? 'f2' : '66'} 0f ${opcode} /r`, [Vdq, Wdq])],
      numeric(`sse_${name}_${kind}`),
    );
  }),
);
const sse41: readonly Instruction[] = [
  ...KINDS.map((kind) => {
    const opcode = { ps: '08', pd: '09', ss: '0a', sd: '0b' }[kind];
    const encode = kind === 'ps' || kind === 'pd' ? alignedBy : by;
    return sse(
      `round${kind}`,
      `SDM 2B "ROUND${kind.toUpperCase()}—Round ${WORDS[kind]}"`,
      [encode('sse4_1', `66 0f 3a ${opcode} /r`, [Vdq, SOURCE[kind], Ib])],
      numericImmediate(`sse_round_${kind}`),
    );
  }),
  ...(['ps', 'pd'] as const).map((kind) =>
    sse(
      `dp${kind}`,
      `SDM 2A "DP${kind.toUpperCase()}—Dot Product of ${WORDS[kind]}"`,
      [alignedBy('sse4_1', `66 0f 3a ${kind === 'ps' ? '40' : '41'} /r`, [Vdq, Wdq, Ib])],
      numericImmediate(`sse_dp_${kind}`),
    ),
  ),
];

export const FLOAT: readonly Instruction[] = [
  ...arithmetic,
  ...approximations,
  ...comparisons,
  ...bitwise,
  ...sse3,
  ...sse41,
];
