// Packed integers on XMM registers: SSE2, SSSE3, SSE4.1, SSE4.2. Intel SDM Vol. 2, "Instruction Set Reference".
import type { Instruction } from '../../declare.js';
import { Ed, Ed_b, Ed_w, Eq, Gd, Ib, Mb, Md, Mw, Rd, Udq, Vdq, Wd, Wdq, Wq, Ww } from '../../operands.js';
import type { Sem } from '../../sem.js';
import {
  alignRight,
  direct,
  doublewordControl,
  extractByImmediate,
  insertByImmediate,
  interleaveHigh,
  interleaveLow,
  maskOfImmediate,
  multiplyEven,
  type Packed,
  shapeOf,
  shiftByCount,
  shiftBytes,
  wordControl,
} from '../mmx/packed.js';
import { PACKED_ROWS, SHIFT_ROWS } from '../mmx/packed-table.js';
import { alignedBy, by, type Execute, low, numericImmediate, sse } from './build.js';

const binary =
  (operation: Packed): Execute =>
  (s, dst, src) => {
    const b = s.read(src);
    s.write(dst, operation(s, s.read(dst), b));
  };

/** The XMM forms of the rows shared with MMX. */
const shared = PACKED_ROWS.map((row) => {
  const operation =
    row.shape === 'unpackHigh' && row.laneBits !== undefined ? interleaveHigh(row.laneBits) : row.operation;
  return sse(row.name, row.sdm, [alignedBy(row.sseFeature, `66 ${row.opcode} /r`, [Vdq, Wdq])], binary(operation), {
    hot: row.name === 'pxor' || row.name === 'pcmpeqb' || row.name === 'pand' || row.name === 'por',
  });
});

const shifts: readonly Instruction[] = [
  ...SHIFT_ROWS.flatMap(({ name, sdm, op, laneBits, opcode, immediate }) => [
    sse(name, sdm, [alignedBy('sse2', `66 ${opcode} /r`, [Vdq, Wdq])], (s, dst, src) => {
      const count = low(s, src, 64);
      s.write(dst, shiftByCount(s, op, laneBits, s.read(dst), count));
    }),
    sse(name, sdm, [by('sse2', `66 ${immediate}`, [Udq, Ib])], (s, dst, imm) => {
      s.write(dst, shiftByCount(s, op, laneBits, s.read(dst), s.zext(s.read(imm), 64)));
    }),
  ]),
  sse(
    'psrldq',
    'SDM 2B "PSRLDQ—Shift Double Quadword Right Logical"',
    [by('sse2', '66 0f 73 /3', [Udq, Ib])],
    (s, dst, imm) => s.write(dst, shiftBytes(s, s.read(dst), s.read(imm), false)),
  ),
  sse(
    'pslldq',
    'SDM 2B "PSLLDQ—Shift Double Quadword Left Logical"',
    [by('sse2', '66 0f 73 /7', [Udq, Ib])],
    (s, dst, imm) => s.write(dst, shiftBytes(s, s.read(dst), s.read(imm), true)),
  ),
];

const UNPACK_LOW = 'SDM 2B "PUNPCKLBW/PUNPCKLWD/PUNPCKLDQ/PUNPCKLQDQ—Unpack Low Data"';
const UNPACK_HIGH = 'SDM 2B "PUNPCKHBW/PUNPCKHWD/PUNPCKHDQ/PUNPCKHQDQ—Unpack High Data"';
const INSERT_WORD = 'SDM 2B "PINSRW—Insert Word"';
const EXTRACT_WORD = 'SDM 2B "PEXTRW—Extract Word"';
const shuffles: readonly Instruction[] = [
  sse('punpcklqdq', UNPACK_LOW, [alignedBy('sse2', '66 0f 6c /r', [Vdq, Wdq])], binary(interleaveLow(64))),
  sse('punpckhqdq', UNPACK_HIGH, [alignedBy('sse2', '66 0f 6d /r', [Vdq, Wdq])], binary(interleaveHigh(64))),
  sse(
    'pshufd',
    'SDM 2B "PSHUFD—Shuffle Packed Doublewords"',
    [alignedBy('sse2', '66 0f 70 /r', [Vdq, Wdq, Ib])],
    (s, dst, src, imm) => s.write(dst, s.simd('i8x16.swizzle', s.read(src), doublewordControl(s, s.read(imm)))),
  ),
  sse(
    'pshufhw',
    'SDM 2B "PSHUFHW—Shuffle Packed High Words"',
    [alignedBy('sse2', 'f3 0f 70 /r', [Vdq, Wdq, Ib])],
    (s, dst, src, imm) => s.write(dst, s.simd('i8x16.swizzle', s.read(src), wordControl(s, s.read(imm), true))),
  ),
  sse(
    'pshuflw',
    'SDM 2B "PSHUFLW—Shuffle Packed Low Words"',
    [alignedBy('sse2', 'f2 0f 70 /r', [Vdq, Wdq, Ib])],
    (s, dst, src, imm) => s.write(dst, s.simd('i8x16.swizzle', s.read(src), wordControl(s, s.read(imm), false))),
  ),
  sse('pinsrw', INSERT_WORD, [by('sse2', '66 0f c4 /r', [Vdq, Ed_w, Ib])], (s, dst, src, imm) => {
    const word = low(s, src, 16);
    s.write(dst, insertByImmediate(s, 16, s.read(dst), s.read(imm), word, 8));
  }),
  sse('pextrw', EXTRACT_WORD, [by('sse2', '66 0f c5 /r', [Gd, Udq, Ib])], (s, dst, src, imm) => {
    s.write(dst, s.zext(extractByImmediate(s, 16, s.read(src), s.read(imm), 8), 32));
  }),
  sse(
    'palignr',
    'SDM 2B "PALIGNR—Packed Align Right"',
    [alignedBy('ssse3', '66 0f 3a 0f /r', [Vdq, Wdq, Ib])],
    (s, dst, src, imm) => {
      const b = s.read(src);
      s.write(dst, alignRight(s, s.read(dst), b, s.read(imm)));
    },
  ),
];

// --- SSE4.1, SSE4.2 ---
const MIN_MAX: readonly (readonly [name: string, opcode: string, op: string, title: string])[] = [
  ['pminsb', '38', 'i8x16.min_s', 'PMINSB/PMINSW—Minimum of Packed Signed Integers'],
  ['pminsd', '39', 'i32x4.min_s', 'PMINSD/PMINSQ—Minimum of Packed Signed Integers'],
  ['pminuw', '3a', 'i16x8.min_u', 'PMINUB/PMINUW—Minimum of Packed Unsigned Integers'],
  ['pminud', '3b', 'i32x4.min_u', 'PMINUD/PMINUQ—Minimum of Packed Unsigned Integers'],
  ['pmaxsb', '3c', 'i8x16.max_s', 'PMAXSB/PMAXSW/PMAXSD/PMAXSQ—Maximum of Packed Signed Integers'],
  ['pmaxsd', '3d', 'i32x4.max_s', 'PMAXSB/PMAXSW/PMAXSD/PMAXSQ—Maximum of Packed Signed Integers'],
  ['pmaxuw', '3e', 'i16x8.max_u', 'PMAXUB/PMAXUW—Maximum of Packed Unsigned Integers'],
  ['pmaxud', '3f', 'i32x4.max_u', 'PMAXUD/PMAXUQ—Maximum of Packed Unsigned Integers'],
  ['pmulld', '40', 'i32x4.mul', 'PMULLD/PMULLQ—Multiply Packed Integers and Store Low Result'],
  ['packusdw', '2b', 'i16x8.narrow_i32x4_u', 'PACKUSDW—Pack With Unsigned Saturation'],
  ['pcmpeqq', '29', 'i64x2.eq', 'PCMPEQQ—Compare Packed Qword Data for Equal'],
];
const extend = (signed: boolean, from: 8 | 16 | 32, to: 16 | 32 | 64): Execute => {
  const suffix = signed ? 's' : 'u';
  const source = (to / from) as 2 | 4 | 8;
  const bits = (128 / source) as 64 | 32 | 16;
  return (s, dst, src) => {
    let v = s.zext(low(s, src, bits), 128);
    for (let width = from as number; width < to; width *= 2) {
      const [narrow, wide] = [shapeOf(width as 8), shapeOf((width * 2) as 16)];
      v = s.simd(`${wide}.extend_low_${narrow}_${suffix}`, v);
    }
    s.write(dst, v);
  };
};
const EXTENSIONS = [
  ['bw', 8, 16, Wq],
  ['bd', 8, 32, Wd],
  ['bq', 8, 64, Ww],
  ['wd', 16, 32, Wq],
  ['wq', 16, 64, Wd],
  ['dq', 32, 64, Wq],
] as const;
const extensions = EXTENSIONS.flatMap(([suffix, from, to, source], i) => [
  sse(
    `pmovsx${suffix}`,
    'SDM 2B "PMOVSX—Packed Move With Sign Extend"',
    [by('sse4_1', `66 0f 38 2${i} /r`, [Vdq, source])],
    extend(true, from, to),
  ),
  sse(
    `pmovzx${suffix}`,
    'SDM 2B "PMOVZX—Packed Move With Zero Extend"',
    [by('sse4_1', `66 0f 38 3${i} /r`, [Vdq, source])],
    extend(false, from, to),
  ),
]);

/** Blends: `mask` all ones takes the source. */
const blended = <V>(s: Sem<V>, dst: V, src: V, mask: V): V => s.simd('v128.bitselect', src, dst, mask);
const blendByXmm0 =
  (laneBits: 8 | 32 | 64): Execute =>
  (s, dst, src) => {
    const b = s.read(src);
    const mask = s.simd(`${shapeOf(laneBits)}.lt_s`, s.xmm(0), s.const(0n, 128));
    s.write(dst, blended(s, s.read(dst), b, mask));
  };
const blendByImmediate =
  (laneBits: 16 | 32 | 64): Execute =>
  (s, dst, src, imm) => {
    const b = s.read(src);
    s.write(dst, blended(s, s.read(dst), b, maskOfImmediate(s, laneBits, s.read(imm))));
  };
const blends: readonly Instruction[] = [
  sse(
    'pblendvb',
    'SDM 2B "PBLENDVB—Variable Blend Packed Bytes"',
    [alignedBy('sse4_1', '66 0f 38 10 /r', [Vdq, Wdq])],
    blendByXmm0(8),
  ),
  sse(
    'blendvps',
    'SDM 2A "BLENDVPS—Variable Blend Packed Single Precision"',
    [alignedBy('sse4_1', '66 0f 38 14 /r', [Vdq, Wdq])],
    blendByXmm0(32),
  ),
  sse(
    'blendvpd',
    'SDM 2A "BLENDVPD—Variable Blend Packed Double Precision"',
    [alignedBy('sse4_1', '66 0f 38 15 /r', [Vdq, Wdq])],
    blendByXmm0(64),
  ),
  sse(
    'blendps',
    'SDM 2A "BLENDPS—Blend Packed Single Precision"',
    [alignedBy('sse4_1', '66 0f 3a 0c /r', [Vdq, Wdq, Ib])],
    blendByImmediate(32),
  ),
  sse(
    'blendpd',
    'SDM 2A "BLENDPD—Blend Packed Double Precision"',
    [alignedBy('sse4_1', '66 0f 3a 0d /r', [Vdq, Wdq, Ib])],
    blendByImmediate(64),
  ),
  sse(
    'pblendw',
    'SDM 2B "PBLENDW—Blend Packed Words"',
    [alignedBy('sse4_1', '66 0f 3a 0e /r', [Vdq, Wdq, Ib])],
    blendByImmediate(16),
  ),
];

const EXTRACT = 'SDM 2B "PEXTRB/PEXTRD/PEXTRQ—Extract Byte/Dword/Qword"';
const INSERT = 'SDM 2B "PINSRB/PINSRD/PINSRQ—Insert Byte/Dword/Qword"';
/** Register destinations get the element zero-extended, memory the element. */
const extract =
  (laneBits: 8 | 16 | 32 | 64, toRegister: boolean): Execute =>
  (s, dst, src, imm) => {
    const x = extractByImmediate(s, laneBits, s.read(src), s.read(imm), 128 / laneBits);
    s.write(dst, toRegister && laneBits < 32 ? s.zext(x, 32) : x);
  };
const insert =
  (laneBits: 8 | 32 | 64): Execute =>
  (s, dst, src, imm) => {
    const x = low(s, src, laneBits);
    s.write(dst, insertByImmediate(s, laneBits, s.read(dst), s.read(imm), x, 128 / laneBits));
  };
const elements: readonly Instruction[] = [
  sse('pextrb', EXTRACT, [by('sse4_1', '66 0f 3a 14 /r', [Rd, Vdq, Ib])], extract(8, true)),
  sse('pextrb', EXTRACT, [by('sse4_1', '66 0f 3a 14 /r', [Mb, Vdq, Ib])], extract(8, false)),
  sse('pextrw', EXTRACT_WORD, [by('sse4_1', '66 0f 3a 15 /r', [Rd, Vdq, Ib])], extract(16, true)),
  sse('pextrw', EXTRACT_WORD, [by('sse4_1', '66 0f 3a 15 /r', [Mw, Vdq, Ib])], extract(16, false)),
  sse('pextrd', EXTRACT, [by('sse4_1', '66 rex.w0 0f 3a 16 /r', [Ed, Vdq, Ib])], extract(32, true)),
  sse('pextrq', EXTRACT, [by('sse4_1', '66 rex.w 0f 3a 16 /r', [Eq, Vdq, Ib])], extract(64, true)),
  sse(
    'extractps',
    'SDM 2A "EXTRACTPS—Extract Packed Floating-Point Values"',
    [by('sse4_1', '66 0f 3a 17 /r', [Ed, Vdq, Ib])],
    extract(32, true),
  ),
  sse('pinsrb', INSERT, [by('sse4_1', '66 0f 3a 20 /r', [Vdq, Ed_b, Ib])], insert(8)),
  sse('pinsrd', INSERT, [by('sse4_1', '66 rex.w0 0f 3a 22 /r', [Vdq, Ed, Ib])], insert(32)),
  sse('pinsrq', INSERT, [by('sse4_1', '66 rex.w 0f 3a 22 /r', [Vdq, Eq, Ib])], insert(64)),
  sse(
    'insertps',
    'SDM 2A "INSERTPS—Insert Scalar Single Precision Floating-Point Value"',
    [by('sse4_1', '66 0f 3a 21 /r', [Vdq, Udq, Ib])],
    (s, dst, src, imm) => {
      const control = s.read(imm);
      const field = (at: number) => s.shr(control, s.const(at, 8));
      const x = extractByImmediate(s, 32, s.read(src), field(6), 4);
      const v = insertByImmediate(s, 32, s.read(dst), field(4), x, 4);
      s.write(dst, s.simd('v128.andnot', v, maskOfImmediate(s, 32, control)));
    },
  ),
  sse(
    'insertps',
    'SDM 2A "INSERTPS—Insert Scalar Single Precision Floating-Point Value"',
    [by('sse4_1', '66 0f 3a 21 /r', [Vdq, Md, Ib])],
    (s, dst, src, imm) => {
      const x = s.read(src);
      const control = s.read(imm);
      const v = insertByImmediate(s, 32, s.read(dst), s.shr(control, s.const(4, 8)), x, 4);
      s.write(dst, s.simd('v128.andnot', v, maskOfImmediate(s, 32, control)));
    },
  ),
];

const sse4: readonly Instruction[] = [
  ...MIN_MAX.map(([name, opcode, op, title]) =>
    sse(name, `SDM 2B "${title}"`, [alignedBy('sse4_1', `66 0f 38 ${opcode} /r`, [Vdq, Wdq])], binary(direct(op))),
  ),
  sse(
    'pcmpgtq',
    'SDM 2B "PCMPGTQ—Compare Packed Data for Greater Than"',
    [alignedBy('sse4_2', '66 0f 38 37 /r', [Vdq, Wdq])],
    binary(direct('i64x2.gt_s')),
  ),
  sse(
    'pmuldq',
    'SDM 2B "PMULDQ—Multiply Packed Doubleword Integers"',
    [alignedBy('sse4_1', '66 0f 38 28 /r', [Vdq, Wdq])],
    binary(multiplyEven(true)),
  ),
  sse('ptest', 'SDM 2B "PTEST—Logical Compare"', [alignedBy('sse4_1', '66 0f 38 17 /r', [Vdq, Wdq])], (s, a, b) => {
    const [x, y] = [s.read(b), s.read(a)];
    const none = (v: typeof x) => s.isZero(s.simd('v128.any_true', v));
    const clear = s.const(0, 1);
    s.setFlags({
      z: none(s.simd('v128.and', x, y)),
      c: none(s.simd('v128.andnot', x, y)),
      p: clear,
      a: clear,
      s: clear,
      o: clear,
    });
  }),
  sse(
    'phminposuw',
    'SDM 2B "PHMINPOSUW—Packed Horizontal Word Minimum"',
    [alignedBy('sse4_1', '66 0f 38 41 /r', [Vdq, Wdq])],
    (s, dst, src) => {
      const packed = s.call('sse_phminposuw', s.pointer(src));
      s.write(dst, s.zext(packed, 128));
    },
  ),
  sse(
    'mpsadbw',
    'SDM 2B "MPSADBW—Compute Multiple Packed Sums of Absolute Difference"',
    [alignedBy('sse4_1', '66 0f 3a 42 /r', [Vdq, Wdq, Ib])],
    numericImmediate('sse_mpsadbw'),
  ),
  ...blends,
  ...extensions,
  ...elements,
];

export const INTEGER: readonly Instruction[] = [...shared, ...shifts, ...shuffles, ...sse4];
