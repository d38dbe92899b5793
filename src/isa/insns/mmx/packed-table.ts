// Packed-integer instructions that exist on MMX and on XMM registers: opcode, name, operation.
// Intel SDM Vol. 2D, Appendix A "Opcode Map", Tables; Vol. 2, "Instruction Set Reference".
import {
  absolute,
  direct,
  horizontal,
  interleaveLow,
  multiplyAddBytes,
  multiplyEven,
  multiplyHigh,
  multiplyHighRounded,
  type Packed,
  shuffleBytes,
  sign,
  sumOfDifferences,
  swapped,
} from './packed.js';

/**
 * How the MMX form follows from the 128-bit one. lane: the low half of it. paired: the operation on dst:src joined
 * into one vector, low half. unpackHigh: the XMM form takes the high lanes, the MMX form the high half of UNPACK LOW.
 */
export type MmxShape = 'lane' | 'paired' | 'unpackLow' | 'unpackHigh';
export interface PackedRow {
  /** Opcode after the mandatory prefix. */
  readonly opcode: string;
  readonly name: string;
  readonly sdm: string;
  readonly operation: Packed;
  readonly shape: MmxShape;
  readonly mmxFeature: string;
  readonly sseFeature: string;
  /** MMX form where it is another operation (PSHUFB masks with 7). */
  readonly mmxOperation?: Packed;
  /** Lane width of unpack rows. */
  readonly laneBits?: 8 | 16 | 32;
}
type Rest = Partial<Pick<PackedRow, 'shape' | 'mmxFeature' | 'sseFeature' | 'mmxOperation' | 'laneBits'>>;
const row = (opcode: string, name: string, sdm: string, operation: Packed, rest: Rest = {}): PackedRow => ({
  opcode,
  name,
  sdm: `SDM 2B "${sdm}"`,
  operation,
  shape: 'lane',
  mmxFeature: 'mmx',
  sseFeature: 'sse2',
  ...rest,
});
const byMmxExtension: Rest = { mmxFeature: 'sse' };
const bySse2: Rest = { mmxFeature: 'sse2' };
const bySsse3: Rest = { mmxFeature: 'ssse3', sseFeature: 'ssse3' };
const paired: Rest = { shape: 'paired' };

const UNPACK_LOW = 'PUNPCKLBW/PUNPCKLWD/PUNPCKLDQ/PUNPCKLQDQ—Unpack Low Data';
const UNPACK_HIGH = 'PUNPCKHBW/PUNPCKHWD/PUNPCKHDQ/PUNPCKHQDQ—Unpack High Data';
const ADD = 'PADDB/PADDW/PADDD/PADDQ—Add Packed Integers';
const ADD_SIGNED = 'PADDSB/PADDSW—Add Packed Signed Integers with Signed Saturation';
const ADD_UNSIGNED = 'PADDUSB/PADDUSW—Add Packed Unsigned Integers With Unsigned Saturation';
const SUB = 'PSUBB/PSUBW/PSUBD—Subtract Packed Integers';
const SUB_SIGNED = 'PSUBSB/PSUBSW—Subtract Packed Signed Integers With Signed Saturation';
const SUB_UNSIGNED = 'PSUBUSB/PSUBUSW—Subtract Packed Unsigned Integers With Unsigned Saturation';
const EQUAL = 'PCMPEQB/PCMPEQW/PCMPEQD—Compare Packed Data for Equal';
const GREATER = 'PCMPGTB/PCMPGTW/PCMPGTD—Compare Packed Signed Integers for Greater Than';
const PACK_SIGNED = 'PACKSSWB/PACKSSDW—Pack With Signed Saturation';
const AVERAGE = 'PAVGB/PAVGW—Average Packed Integers';
const HADD = 'PHADDW/PHADDD—Packed Horizontal Add';
const HSUB = 'PHSUBW/PHSUBD—Packed Horizontal Subtract';
const SIGN = 'PSIGNB/PSIGNW/PSIGND—Packed SIGN';
const ABS = 'PABSB/PABSW/PABSD/PABSQ—Packed Absolute Value';

export const PACKED_ROWS: readonly PackedRow[] = [
  row('0f 60', 'punpcklbw', UNPACK_LOW, interleaveLow(8), { shape: 'unpackLow' }),
  row('0f 61', 'punpcklwd', UNPACK_LOW, interleaveLow(16), { shape: 'unpackLow' }),
  row('0f 62', 'punpckldq', UNPACK_LOW, interleaveLow(32), { shape: 'unpackLow' }),
  row('0f 63', 'packsswb', PACK_SIGNED, direct('i8x16.narrow_i16x8_s'), paired),
  row('0f 64', 'pcmpgtb', GREATER, direct('i8x16.gt_s')),
  row('0f 65', 'pcmpgtw', GREATER, direct('i16x8.gt_s')),
  row('0f 66', 'pcmpgtd', GREATER, direct('i32x4.gt_s')),
  row('0f 67', 'packuswb', 'PACKUSWB—Pack With Unsigned Saturation', direct('i8x16.narrow_i16x8_u'), paired),
  row('0f 68', 'punpckhbw', UNPACK_HIGH, interleaveLow(8), { shape: 'unpackHigh', laneBits: 8 }),
  row('0f 69', 'punpckhwd', UNPACK_HIGH, interleaveLow(16), { shape: 'unpackHigh', laneBits: 16 }),
  row('0f 6a', 'punpckhdq', UNPACK_HIGH, interleaveLow(32), { shape: 'unpackHigh', laneBits: 32 }),
  row('0f 6b', 'packssdw', PACK_SIGNED, direct('i16x8.narrow_i32x4_s'), paired),
  row('0f 74', 'pcmpeqb', EQUAL, direct('i8x16.eq')),
  row('0f 75', 'pcmpeqw', EQUAL, direct('i16x8.eq')),
  row('0f 76', 'pcmpeqd', EQUAL, direct('i32x4.eq')),
  row('0f d4', 'paddq', ADD, direct('i64x2.add'), bySse2),
  row('0f d5', 'pmullw', 'PMULLW—Multiply Packed Signed Integers and Store Low Result', direct('i16x8.mul')),
  row('0f d8', 'psubusb', SUB_UNSIGNED, direct('i8x16.sub_sat_u')),
  row('0f d9', 'psubusw', SUB_UNSIGNED, direct('i16x8.sub_sat_u')),
  row('0f da', 'pminub', 'PMINUB/PMINUW—Minimum of Packed Unsigned Integers', direct('i8x16.min_u'), byMmxExtension),
  row('0f db', 'pand', 'PAND—Logical AND', direct('v128.and')),
  row('0f dc', 'paddusb', ADD_UNSIGNED, direct('i8x16.add_sat_u')),
  row('0f dd', 'paddusw', ADD_UNSIGNED, direct('i16x8.add_sat_u')),
  row('0f de', 'pmaxub', 'PMAXUB/PMAXUW—Maximum of Packed Unsigned Integers', direct('i8x16.max_u'), byMmxExtension),
  row('0f df', 'pandn', 'PANDN—Logical AND NOT', swapped('v128.andnot')),
  row('0f e0', 'pavgb', AVERAGE, direct('i8x16.avgr_u'), byMmxExtension),
  row('0f e3', 'pavgw', AVERAGE, direct('i16x8.avgr_u'), byMmxExtension),
  row(
    '0f e4',
    'pmulhuw',
    'PMULHUW—Multiply Packed Unsigned Integers and Store High Result',
    multiplyHigh(false),
    byMmxExtension,
  ),
  row('0f e5', 'pmulhw', 'PMULHW—Multiply Packed Signed Integers and Store High Result', multiplyHigh(true)),
  row('0f e8', 'psubsb', SUB_SIGNED, direct('i8x16.sub_sat_s')),
  row('0f e9', 'psubsw', SUB_SIGNED, direct('i16x8.sub_sat_s')),
  row('0f ea', 'pminsw', 'PMINSB/PMINSW—Minimum of Packed Signed Integers', direct('i16x8.min_s'), byMmxExtension),
  row('0f eb', 'por', 'POR—Bitwise Logical OR', direct('v128.or')),
  row('0f ec', 'paddsb', ADD_SIGNED, direct('i8x16.add_sat_s')),
  row('0f ed', 'paddsw', ADD_SIGNED, direct('i16x8.add_sat_s')),
  row('0f ee', 'pmaxsw', 'PMAXSB/PMAXSW/PMAXSD/PMAXSQ—Maximum of Packed Signed Integers', direct('i16x8.max_s'), {
    ...byMmxExtension,
  }),
  row('0f ef', 'pxor', 'PXOR—Logical Exclusive OR', direct('v128.xor')),
  row('0f f4', 'pmuludq', 'PMULUDQ—Multiply Packed Unsigned Doubleword Integers', multiplyEven(false), bySse2),
  row('0f f5', 'pmaddwd', 'PMADDWD—Multiply and Add Packed Integers', direct('i32x4.dot_i16x8_s')),
  row('0f f6', 'psadbw', 'PSADBW—Compute Sum of Absolute Differences', sumOfDifferences, byMmxExtension),
  row('0f f8', 'psubb', SUB, direct('i8x16.sub')),
  row('0f f9', 'psubw', SUB, direct('i16x8.sub')),
  row('0f fa', 'psubd', SUB, direct('i32x4.sub')),
  row('0f fb', 'psubq', 'PSUBQ—Subtract Packed Quadword Integers', direct('i64x2.sub'), bySse2),
  row('0f fc', 'paddb', ADD, direct('i8x16.add')),
  row('0f fd', 'paddw', ADD, direct('i16x8.add')),
  row('0f fe', 'paddd', ADD, direct('i32x4.add')),
  // SSSE3
  row('0f 38 00', 'pshufb', 'PSHUFB—Packed Shuffle Bytes', shuffleBytes(16), {
    ...bySsse3,
    mmxOperation: shuffleBytes(8),
  }),
  row('0f 38 01', 'phaddw', HADD, horizontal(16, 'i16x8.add'), { ...bySsse3, ...paired }),
  row('0f 38 02', 'phaddd', HADD, horizontal(32, 'i32x4.add'), { ...bySsse3, ...paired }),
  row('0f 38 03', 'phaddsw', 'PHADDSW—Packed Horizontal Add and Saturate', horizontal(16, 'i16x8.add_sat_s'), {
    ...bySsse3,
    ...paired,
  }),
  row(
    '0f 38 04',
    'pmaddubsw',
    'PMADDUBSW—Multiply and Add Packed Signed and Unsigned Bytes',
    multiplyAddBytes,
    bySsse3,
  ),
  row('0f 38 05', 'phsubw', HSUB, horizontal(16, 'i16x8.sub'), { ...bySsse3, ...paired }),
  row('0f 38 06', 'phsubd', HSUB, horizontal(32, 'i32x4.sub'), { ...bySsse3, ...paired }),
  row('0f 38 07', 'phsubsw', 'PHSUBSW—Packed Horizontal Subtract and Saturate', horizontal(16, 'i16x8.sub_sat_s'), {
    ...bySsse3,
    ...paired,
  }),
  row('0f 38 08', 'psignb', SIGN, sign(8), bySsse3),
  row('0f 38 09', 'psignw', SIGN, sign(16), bySsse3),
  row('0f 38 0a', 'psignd', SIGN, sign(32), bySsse3),
  row('0f 38 0b', 'pmulhrsw', 'PMULHRSW—Packed Multiply High With Round and Scale', multiplyHighRounded, bySsse3),
  row('0f 38 1c', 'pabsb', ABS, absolute(8), bySsse3),
  row('0f 38 1d', 'pabsw', ABS, absolute(16), bySsse3),
  row('0f 38 1e', 'pabsd', ABS, absolute(32), bySsse3),
];

export interface ShiftRow {
  readonly name: string;
  readonly sdm: string;
  readonly op: 'shl' | 'shr_u' | 'shr_s';
  readonly laneBits: 16 | 32 | 64;
  /** Opcode with a register or memory count, and with an immediate count. */
  readonly opcode: string;
  readonly immediate: string;
}
const shift = (
  name: string,
  op: ShiftRow['op'],
  laneBits: ShiftRow['laneBits'],
  opcode: string,
  immediate: string,
): ShiftRow => ({
  name,
  op,
  laneBits,
  opcode: `0f ${opcode}`,
  immediate: `0f ${immediate}`,
  sdm:
    op === 'shl'
      ? 'SDM 2B "PSLLW/PSLLD/PSLLQ—Shift Packed Data Left Logical"'
      : op === 'shr_u'
        ? 'SDM 2B "PSRLW/PSRLD/PSRLQ—Shift Packed Data Right Logical"'
        : 'SDM 2B "PSRAW/PSRAD/PSRAQ—Shift Packed Data Right Arithmetic"',
});
export const SHIFT_ROWS: readonly ShiftRow[] = [
  shift('psrlw', 'shr_u', 16, 'd1', '71 /2'),
  shift('psrld', 'shr_u', 32, 'd2', '72 /2'),
  shift('psrlq', 'shr_u', 64, 'd3', '73 /2'),
  shift('psraw', 'shr_s', 16, 'e1', '71 /4'),
  shift('psrad', 'shr_s', 32, 'e2', '72 /4'),
  shift('psllw', 'shl', 16, 'f1', '71 /6'),
  shift('pslld', 'shl', 32, 'f2', '72 /6'),
  shift('psllq', 'shl', 64, 'f3', '73 /6'),
];
