// SSE, SSE2 and SSE3 data movement. Intel SDM Vol. 2, "Instruction Set Reference".
import { type Instruction, insn } from '../../declare.js';
import { Ed, Eq, Gd, Gy, Mb, Md, Mdq, Mq, My, Nq, Pq, Udq, Vdq, Wd, Wdq, Wq } from '../../operands.js';
import { alignedBy, by, copy, low, sse } from './build.js';

const both = (
  feature: string,
  name: string,
  sdm: string,
  load: string,
  store: string,
  aligned: boolean,
): Instruction => {
  const encode = aligned ? alignedBy : by;
  return sse(name, sdm, [encode(feature, load, [Vdq, Wdq]), encode(feature, store, [Wdq, Vdq])], copy, { hot: true });
};

/** Whole registers. */
const whole: readonly Instruction[] = [
  both('sse', 'movups', 'SDM 2B "MOVUPS—Move Unaligned Packed Single Precision"', 'np 0f 10 /r', 'np 0f 11 /r', false),
  both('sse2', 'movupd', 'SDM 2B "MOVUPD—Move Unaligned Packed Double Precision"', '66 0f 10 /r', '66 0f 11 /r', false),
  both('sse', 'movaps', 'SDM 2B "MOVAPS—Move Aligned Packed Single Precision"', 'np 0f 28 /r', 'np 0f 29 /r', true),
  both('sse2', 'movapd', 'SDM 2B "MOVAPD—Move Aligned Packed Double Precision"', '66 0f 28 /r', '66 0f 29 /r', true),
  both('sse2', 'movdqa', 'SDM 2B "MOVDQA—Move Aligned Packed Integer Values"', '66 0f 6f /r', '66 0f 7f /r', true),
  both('sse2', 'movdqu', 'SDM 2B "MOVDQU—Move Unaligned Packed Integer Values"', 'f3 0f 6f /r', 'f3 0f 7f /r', false),
  sse('lddqu', 'SDM 2A "LDDQU—Load Unaligned Integer 128 Bits"', [by('sse3', 'f2 0f f0 /r', [Vdq, Mdq])], copy),
  sse(
    'movntps',
    'SDM 2B "MOVNTPS—Store Packed Single Precision Using Non-Temporal Hint"',
    [alignedBy('sse', 'np 0f 2b /r', [Mdq, Vdq])],
    copy,
  ),
  sse(
    'movntpd',
    'SDM 2B "MOVNTPD—Store Packed Double Precision Using Non-Temporal Hint"',
    [alignedBy('sse2', '66 0f 2b /r', [Mdq, Vdq])],
    copy,
  ),
  sse(
    'movntdq',
    'SDM 2B "MOVNTDQ—Store Packed Integers Using Non-Temporal Hint"',
    [alignedBy('sse2', '66 0f e7 /r', [Mdq, Vdq])],
    copy,
  ),
  sse(
    'movntdqa',
    'SDM 2B "MOVNTDQA—Load Double Quadword Non-Temporal Aligned Hint"',
    [alignedBy('sse4_1', '66 0f 38 2a /r', [Vdq, Mdq])],
    copy,
  ),
];

/** One element: a load clears the rest of the register, a register move merges. */
const scalar = (name: string, sdm: string, feature: string, prefix: string, bits: 32 | 64): readonly Instruction[] => {
  const W = bits === 32 ? Wd : Wq;
  const memory = bits === 32 ? Md : Mq;
  return [
    sse(
      name,
      sdm,
      [by(feature, `${prefix} 0f 10 /r`, [Vdq, memory])],
      (s, dst, src) => {
        s.write(dst, s.zext(s.read(src), 128));
      },
      { hot: true },
    ),
    sse(
      name,
      sdm,
      [by(feature, `${prefix} 0f 10 /r`, [Vdq, Udq]), by(feature, `${prefix} 0f 11 /r`, [W, Vdq])],
      (s, dst, src) => s.write(dst, low(s, src, bits)),
      { hot: true },
    ),
  ];
};

const MOVD = 'SDM 2B "MOVD/MOVQ—Move Doubleword/Move Quadword"';
const MOVQ = 'SDM 2B "MOVQ—Move Quadword"';
const LOW = (p: string) => `SDM 2B "MOVLP${p}—Move Low Packed ${p === 'S' ? 'Single' : 'Double'} Precision"`;
const HIGH = (p: string) => `SDM 2B "MOVHP${p}—Move High Packed ${p === 'S' ? 'Single' : 'Double'} Precision"`;
const parts: readonly Instruction[] = [
  ...scalar('movss', 'SDM 2B "MOVSS—Move or Merge Scalar Single Precision"', 'sse', 'f3', 32),
  ...scalar('movsd', 'SDM 2B "MOVSD—Move or Merge Scalar Double Precision"', 'sse2', 'f2', 64),
  sse('movd', MOVD, [by('sse2', '66 rex.w0 0f 6e /r', [Vdq, Ed])], (s, dst, src) => {
    s.write(dst, s.zext(s.read(src), 128));
  }),
  sse('movq', MOVD, [by('sse2', '66 rex.w 0f 6e /r', [Vdq, Eq])], (s, dst, src) => {
    s.write(dst, s.zext(s.read(src), 128));
  }),
  sse('movd', MOVD, [by('sse2', '66 rex.w0 0f 7e /r', [Ed, Vdq])], (s, dst, src) => s.write(dst, low(s, src, 32))),
  sse('movq', MOVD, [by('sse2', '66 rex.w 0f 7e /r', [Eq, Vdq])], (s, dst, src) => s.write(dst, low(s, src, 64))),
  sse('movq', MOVQ, [by('sse2', 'f3 0f 7e /r', [Vdq, Wq]), by('sse2', '66 0f d6 /r', [Udq, Vdq])], (s, dst, src) => {
    s.write(dst, s.zext(low(s, src, 64), 128));
  }),
  sse('movq', MOVQ, [by('sse2', '66 0f d6 /r', [Mq, Vdq])], (s, dst, src) => s.write(dst, low(s, src, 64))),
  ...(['S', 'D'] as const).flatMap((p) => {
    const [prefix, feature] = p === 'S' ? ['np', 'sse'] : ['66', 'sse2'];
    const n = p.toLowerCase();
    return [
      sse(`movlp${n}`, LOW(p), [by(feature, `${prefix} 0f 12 /r`, [Vdq, Mq])], (s, dst, src) => {
        const v = s.read(src);
        s.write(dst, s.replaceLane(s.read(dst), 64, 0, v));
      }),
      sse(`movlp${n}`, LOW(p), [by(feature, `${prefix} 0f 13 /r`, [Mq, Vdq])], (s, dst, src) => {
        s.write(dst, low(s, src, 64));
      }),
      sse(`movhp${n}`, HIGH(p), [by(feature, `${prefix} 0f 16 /r`, [Vdq, Mq])], (s, dst, src) => {
        const v = s.read(src);
        s.write(dst, s.replaceLane(s.read(dst), 64, 1, v));
      }),
      sse(`movhp${n}`, HIGH(p), [by(feature, `${prefix} 0f 17 /r`, [Mq, Vdq])], (s, dst, src) => {
        s.write(dst, s.extractLane(s.read(src), 64, 1));
      }),
    ];
  }),
  sse(
    'movhlps',
    'SDM 2B "MOVHLPS—Move Packed Single Precision Floating-Point Values High to Low"',
    [by('sse', 'np 0f 12 /r', [Vdq, Udq])],
    (s, dst, src) => s.write(dst, s.replaceLane(s.read(dst), 64, 0, s.extractLane(s.read(src), 64, 1))),
  ),
  sse(
    'movlhps',
    'SDM 2B "MOVLHPS—Move Packed Single Precision Floating-Point Values Low to High"',
    [by('sse', 'np 0f 16 /r', [Vdq, Udq])],
    (s, dst, src) => s.write(dst, s.replaceLane(s.read(dst), 64, 1, s.extractLane(s.read(src), 64, 0))),
  ),
];

const masks: readonly Instruction[] = [
  sse(
    'movmskps',
    'SDM 2B "MOVMSKPS—Extract Packed Single Precision Floating-Point Sign Mask"',
    [by('sse', 'np 0f 50 /r', [Gd, Udq])],
    (s, dst, src) => s.write(dst, s.simd('i32x4.bitmask', s.read(src))),
  ),
  sse(
    'movmskpd',
    'SDM 2B "MOVMSKPD—Extract Packed Double Precision Floating-Point Sign Mask"',
    [by('sse2', '66 0f 50 /r', [Gd, Udq])],
    (s, dst, src) => s.write(dst, s.simd('i64x2.bitmask', s.read(src))),
  ),
  sse(
    'pmovmskb',
    'SDM 2B "PMOVMSKB—Move Byte Mask"',
    [by('sse2', '66 0f d7 /r', [Gd, Udq])],
    (s, dst, src) => s.write(dst, s.simd('i8x16.bitmask', s.read(src))),
    { hot: true },
  ),
  sse(
    'maskmovdqu',
    'SDM 2B "MASKMOVDQU—Store Selected Bytes of Double Quadword"',
    [by('sse2', '66 0f f7 /r', [Vdq, Udq])],
    (s, source, mask) => {
      // One access of 16 bytes: bytes that are not selected are written back as they were.
      const address = s.reg('rdi', s.addrBits);
      const chosen = s.simd('i8x16.lt_s', s.read(mask), s.const(0n, 128));
      const old = s.load(3, address, 128, true);
      s.store(3, address, s.simd('v128.bitselect', s.read(source), old, chosen), true);
    },
  ),
];

/** Between MMX and XMM registers: both checks. */
const mmx: readonly Instruction[] = [
  sse(
    'movdq2q',
    'SDM 2B "MOVDQ2Q—Move Quadword from XMM to MMX Technology Register"',
    [by('sse2', 'f2 0f d6 /r', [Pq, Udq])],
    (s, dst, src) => {
      s.call('mmx_check');
      s.write(dst, low(s, src, 64));
      s.call('mmx_enter');
    },
  ),
  sse(
    'movq2dq',
    'SDM 2B "MOVQ2DQ—Move Quadword from MMX Technology to XMM Register"',
    [by('sse2', 'f3 0f d6 /r', [Vdq, Nq])],
    (s, dst, src) => {
      s.call('mmx_check');
      s.write(dst, s.zext(s.read(src), 128));
      s.call('mmx_enter');
    },
  ),
];

const WORDS = [0, 1, 2, 3];
const doublewords = (lanes: readonly number[]): number[] => lanes.flatMap((n) => WORDS.map((byte) => n * 4 + byte));
const duplicates: readonly Instruction[] = [
  sse(
    'movddup',
    'SDM 2B "MOVDDUP—Replicate Double Precision Floating-Point Values"',
    [by('sse3', 'f2 0f 12 /r', [Vdq, Wq])],
    (s, dst, src) => s.write(dst, s.splat(low(s, src, 64))),
  ),
  sse(
    'movsldup',
    'SDM 2B "MOVSLDUP—Replicate Single Precision Floating-Point Values"',
    [alignedBy('sse3', 'f3 0f 12 /r', [Vdq, Wdq])],
    (s, dst, src) => {
      const v = s.read(src);
      s.write(dst, s.shuffle(v, v, doublewords([0, 0, 2, 2])));
    },
  ),
  sse(
    'movshdup',
    'SDM 2B "MOVSHDUP—Replicate Single Precision Floating-Point Values"',
    [alignedBy('sse3', 'f3 0f 16 /r', [Vdq, Wdq])],
    (s, dst, src) => {
      const v = s.read(src);
      s.write(dst, s.shuffle(v, v, doublewords([1, 1, 3, 3])));
    },
  ),
];

/** Control word, hints and fences that came with SSE and SSE2. */
const nothing = (): void => {};
const control: readonly Instruction[] = [
  sse('ldmxcsr', 'SDM 2A "LDMXCSR—Load MXCSR Register"', [by('sse', 'np 0f ae /2', [Md])], (s, src) => {
    s.call('ldmxcsr', s.read(src));
  }),
  sse('stmxcsr', 'SDM 2B "STMXCSR—Store MXCSR Register State"', [by('sse', 'np 0f ae /3', [Md])], (s, dst) => {
    s.write(dst, s.call('mxcsr_value'));
  }),
  insn('movnti', {
    sdm: 'SDM 2B "MOVNTI—Store Doubleword Using Non-Temporal Hint"',
    encodings: [by('sse2', 'np 0f c3 /r', [My, Gy])],
    execute: copy,
  }),
  ...['prefetchnta', 'prefetcht0', 'prefetcht1', 'prefetcht2'].map((name, hint) =>
    insn(name, {
      sdm: 'SDM 2B "PREFETCHh—Prefetch Data Into Caches"',
      encodings: [by('sse', `0f 18 /${hint}`, [Mb])],
      execute: nothing,
    }),
  ),
  ...(
    [
      ['lfence', '/5', 'sse2', 'SDM 2A "LFENCE—Load Fence"'],
      ['sfence', '/7', 'sse', 'SDM 2B "SFENCE—Store Fence"'],
    ] as const
  ).map(([name, digit, feature, sdm]) =>
    insn(name, { sdm, encodings: [by(feature, `np 0f ae ${digit} mod=3`, [])], execute: nothing }),
  ),
  insn('mfence', {
    sdm: 'SDM 2B "MFENCE—Memory Fence"',
    encodings: [by('sse2', 'np 0f ae /6 mod=3', [])],
    execute(s) {
      s.call('memory_fence');
    },
  }),
  insn('clflush', {
    sdm: 'SDM 2A "CLFLUSH—Flush Cache Line"',
    encodings: [by('clfsh', 'np 0f ae /7', [Mb])],
    execute(s, operand) {
      // The line is touched as by a load: page faults as usual.
      s.read(operand);
    },
  }),
];

export const MOVES: readonly Instruction[] = [...whole, ...parts, ...masks, ...mmx, ...duplicates, ...control];
