// MMX instructions, with the SSE, SSE2 and SSSE3 additions to them. Intel SDM Vol. 1, ch. 9 "Programming with Intel MMX
// Technology"; Vol. 2, "Instruction Set Reference". MMX registers are the significands of the x87 registers.
import { type Encoding, type EncodingOptions, enc, type Instruction, insn } from '../../declare.js';
import { Ed, Ed_w, Eq, Gd, Ib, Mq, Nq, type OperandSpec, Pq, Qd, Qq } from '../../operands.js';
import type { Operand, Sem } from '../../sem.js';
import { alignRight, extractByImmediate, insertByImmediate, type Packed, shiftByCount, wordControl } from './packed.js';
import { PACKED_ROWS, type PackedRow, SHIFT_ROWS } from './packed-table.js';

type Execute = <V>(s: Sem<V>, ...operands: Operand[]) => void;
/** An instruction that begins with the check for MMX instructions and, when nothing faulted, leaves the x87 in MMX mode. */
const mmx = (name: string, sdm: string, encodings: readonly Encoding[], execute: Execute): Instruction =>
  insn(name, {
    sdm,
    encodings,
    execute(s, ...operands) {
      s.call('mmx_check');
      execute(s, ...operands);
      s.call('mmx_enter');
    },
  });
const np = (opcode: string, operands: readonly OperandSpec[], options: EncodingOptions): Encoding =>
  enc(`np ${opcode}`, operands, options);
const wide = <V>(s: Sem<V>, operand: Operand): V => s.zext(s.read(operand), 128);

const join: <V>(s: Sem<V>, low: V, high: V) => V = (s, low, high) => s.replaceLane(low, 64, 1, s.trunc(high, 64));
const mmxOperation = (row: PackedRow): Packed => {
  const operation = row.mmxOperation ?? row.operation;
  switch (row.shape) {
    case 'paired':
      return (s, a, b) => {
        const both = join(s, a, b);
        return operation(s, both, both);
      };
    case 'unpackHigh':
      return (s, a, b) => s.zext(s.extractLane(operation(s, a, b), 64, 1), 128);
    default:
      return operation;
  }
};

const packed = PACKED_ROWS.map((row) => {
  const operation = mmxOperation(row);
  return mmx(
    row.name,
    row.sdm,
    [np(`${row.opcode} /r`, [Pq, row.shape === 'unpackLow' ? Qd : Qq], { feature: row.mmxFeature })],
    (s, dst, src) => {
      const b = wide(s, src);
      s.write(dst, s.trunc(operation(s, wide(s, dst), b), 64));
    },
  );
});

const shifts = SHIFT_ROWS.map(({ name, sdm, op, laneBits, opcode, immediate }) =>
  mmx(
    name,
    sdm,
    [np(`${opcode} /r`, [Pq, Qq], { feature: 'mmx' }), np(immediate, [Nq, Ib], { feature: 'mmx' })],
    (s, dst, src) => {
      const count = s.zext(s.read(src), 64);
      s.write(dst, s.trunc(shiftByCount(s, op, laneBits, wide(s, dst), count), 64));
    },
  ),
);

const copy: Execute = (s, dst, src) => s.write(dst, s.read(src));
const moves: readonly Instruction[] = [
  mmx(
    'movd',
    'SDM 2B "MOVD/MOVQ—Move Doubleword/Move Quadword"',
    [np('rex.w0 0f 6e /r', [Pq, Ed], { feature: 'mmx' })],
    (s, dst, src) => s.write(dst, s.zext(s.read(src), 64)),
  ),
  mmx(
    'movd',
    'SDM 2B "MOVD/MOVQ—Move Doubleword/Move Quadword"',
    [np('rex.w0 0f 7e /r', [Ed, Pq], { feature: 'mmx' })],
    (s, dst, src) => s.write(dst, s.trunc(s.read(src), 32)),
  ),
  mmx(
    'movq',
    'SDM 2B "MOVQ—Move Quadword"',
    [
      np('rex.w 0f 6e /r', [Pq, Eq], { feature: 'mmx' }),
      np('rex.w 0f 7e /r', [Eq, Pq], { feature: 'mmx' }),
      np('0f 6f /r', [Pq, Qq], { feature: 'mmx' }),
      np('0f 7f /r', [Qq, Pq], { feature: 'mmx' }),
    ],
    copy,
  ),
  mmx(
    'movntq',
    'SDM 2B "MOVNTQ—Store of Quadword Using Non-Temporal Hint"',
    [np('0f e7 /r', [Mq, Pq], { feature: 'sse' })],
    copy,
  ),
];

const others: readonly Instruction[] = [
  mmx(
    'pshufw',
    'SDM 2B "PSHUFW—Shuffle Packed Words"',
    [np('0f 70 /r', [Pq, Qq, Ib], { feature: 'sse' })],
    (s, dst, src, imm) => {
      const v = wide(s, src);
      s.write(dst, s.trunc(s.simd('i8x16.swizzle', v, wordControl(s, s.read(imm), false)), 64));
    },
  ),
  mmx(
    'pinsrw',
    'SDM 2B "PINSRW—Insert Word"',
    [np('0f c4 /r', [Pq, Ed_w, Ib], { feature: 'sse' })],
    (s, dst, src, imm) => {
      const word = s.trunc(s.read(src), 16);
      const old = wide(s, dst);
      s.write(dst, s.trunc(insertByImmediate(s, 16, old, s.read(imm), word, 4), 64));
    },
  ),
  mmx(
    'pextrw',
    'SDM 2B "PEXTRW—Extract Word"',
    [np('0f c5 /r', [Gd, Nq, Ib], { feature: 'sse' })],
    (s, dst, src, imm) => {
      const word = extractByImmediate(s, 16, wide(s, src), s.read(imm), 4);
      s.write(dst, s.zext(word, 32));
    },
  ),
  mmx('pmovmskb', 'SDM 2B "PMOVMSKB—Move Byte Mask"', [np('0f d7 /r', [Gd, Nq], { feature: 'sse' })], (s, dst, src) =>
    s.write(dst, s.simd('i8x16.bitmask', wide(s, src))),
  ),
  mmx(
    'palignr',
    'SDM 2B "PALIGNR—Packed Align Right"',
    [np('0f 3a 0f /r', [Pq, Qq, Ib], { feature: 'ssse3' })],
    (s, dst, src, imm) => {
      const low = wide(s, src);
      const both = s.replaceLane(low, 64, 1, s.read(dst));
      const v = alignRight(s, s.const(0n, 128), both, s.read(imm));
      s.write(dst, s.trunc(v, 64));
    },
  ),
  mmx(
    'maskmovq',
    'SDM 2B "MASKMOVQ—Store Selected Bytes of Quadword"',
    [np('0f f7 /r', [Pq, Nq], { feature: 'sse' })],
    (s, source, mask) => {
      // One access of eight bytes: bytes that are not selected are written back as they were.
      const address = s.reg('rdi', s.addrBits);
      const chosen = s.simd('i8x16.lt_s', wide(s, mask), s.const(0n, 128));
      const old = s.zext(s.load(3, address, 64, true), 128);
      s.store(3, address, s.trunc(s.simd('v128.bitselect', wide(s, source), old, chosen), 64), true);
    },
  ),
  insn('emms', {
    sdm: 'SDM 2A "EMMS—Empty MMX Technology State"',
    encodings: [np('0f 77', [], { feature: 'mmx' })],
    execute(s) {
      s.call('mmx_check');
      s.call('mmx_enter');
      s.call('mmx_empty');
    },
  }),
];

export const MMX_INSTRUCTIONS: readonly Instruction[] = [...packed, ...shifts, ...moves, ...others];
