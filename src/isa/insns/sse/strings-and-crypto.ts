// SSE4.2 string comparison, AES-NI, carry-less multiplication and SHA extensions. Intel SDM Vol. 1, "SSE4.2 Programming";
// Vol. 2, PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM, AES*, PCLMULQDQ, SHA*.
import type { Instruction } from '../../declare.js';
import { Ib, Vdq, Wdq } from '../../operands.js';
import type { Sem } from '../../sem.js';
import { alignedBy, by, type Execute, numeric, numericImmediate, sse } from './build.js';

/** The comparison's result packs the index (bits 4:0), CF (8), ZF (9), SF (10), OF (11); scratch 0 holds the mask. */
const finish = <V>(s: Sem<V>, result: V, to: 'index' | 'mask'): void => {
  const bit = (n: number) => s.trunc(s.shr(result, s.const(n, 32)), 1);
  if (to === 'index') s.setReg('rcx', s.and(result, s.const(31, 32)));
  else s.setXmm(0, s.loadScratch(0, 128));
  const clear = s.const(0, 1);
  s.setFlags({ c: bit(8), z: bit(9), s: bit(10), o: bit(11), a: clear, p: clear });
};
const implicit =
  (to: 'index' | 'mask'): Execute =>
  (s, a, b, imm) =>
    finish(s, s.call('sse_pcmpistr', s.pointer(a), s.pointer(b), s.zext(s.read(imm), 32)), to);
/** Lengths in EAX and EDX, or in RAX and RDX with REX.W. */
const explicit =
  (to: 'index' | 'mask', bits: 32 | 64): Execute =>
  (s, a, b, imm) => {
    const length = (name: 'rax' | 'rdx') => (bits === 64 ? s.reg(name, 64) : s.sext(s.reg(name, 32), 64));
    const [pa, pb] = [s.pointer(a), s.pointer(b)];
    const result = s.call('sse_pcmpestr', pa, pb, s.zext(s.read(imm), 32), length('rax'), length('rdx'));
    finish(s, result, to);
  };
const operands = [Vdq, Wdq, Ib];
const strings: readonly Instruction[] = [
  ...(
    [
      ['pcmpestrm', '60', 'mask', 'Packed Compare Explicit Length Strings, Return Mask'],
      ['pcmpestri', '61', 'index', 'Packed Compare Explicit Length Strings, Return Index'],
    ] as const
  ).flatMap(([name, opcode, to, title]) => [
    sse(
      name,
      `SDM 2B "${name.toUpperCase()}—${title}"`,
      [by('sse4_2', `66 rex.w0 0f 3a ${opcode} /r`, operands)],
      explicit(to, 32),
    ),
    sse(
      name,
      `SDM 2B "${name.toUpperCase()}—${title}"`,
      [by('sse4_2', `66 rex.w 0f 3a ${opcode} /r`, operands)],
      explicit(to, 64),
    ),
  ]),
  sse(
    'pcmpistrm',
    'SDM 2B "PCMPISTRM—Packed Compare Implicit Length Strings, Return Mask"',
    [by('sse4_2', '66 0f 3a 62 /r', operands)],
    implicit('mask'),
  ),
  sse(
    'pcmpistri',
    'SDM 2B "PCMPISTRI—Packed Compare Implicit Length Strings, Return Index"',
    [by('sse4_2', '66 0f 3a 63 /r', operands)],
    implicit('index'),
  ),
];

const AES: readonly (readonly [name: string, opcode: string, title: string])[] = [
  ['aesimc', 'db', 'Perform the AES InvMixColumn Transformation'],
  ['aesenc', 'dc', 'Perform One Round of an AES Encryption Flow'],
  ['aesenclast', 'dd', 'Perform Last Round of an AES Encryption Flow'],
  ['aesdec', 'de', 'Perform One Round of an AES Decryption Flow'],
  ['aesdeclast', 'df', 'Perform Last Round of an AES Decryption Flow'],
];
const crypto: readonly Instruction[] = [
  ...AES.map(([name, opcode, title]) =>
    sse(
      name,
      `SDM 2A "${name.toUpperCase()}—${title}"`,
      [alignedBy('aes', `66 0f 38 ${opcode} /r`, [Vdq, Wdq])],
      numeric(`sse_${name}`),
    ),
  ),
  sse(
    'aeskeygenassist',
    'SDM 2A "AESKEYGENASSIST—AES Round Key Generation Assist"',
    [alignedBy('aes', '66 0f 3a df /r', operands)],
    numericImmediate('sse_aeskeygenassist'),
  ),
  sse(
    'pclmulqdq',
    'SDM 2B "PCLMULQDQ—Carry-Less Multiplication Quadword"',
    [alignedBy('pclmulqdq', '66 0f 3a 44 /r', operands)],
    numericImmediate('sse_pclmulqdq'),
  ),
];

const SHA: readonly (readonly [name: string, opcode: string, title: string])[] = [
  ['sha1nexte', 'c8', 'Calculate SHA1 State Variable E After Four Rounds'],
  ['sha1msg1', 'c9', 'Perform an Intermediate Calculation for the Next Four SHA1 Message Dwords'],
  ['sha1msg2', 'ca', 'Perform a Final Calculation for the Next Four SHA1 Message Dwords'],
  ['sha256msg1', 'cc', 'Perform an Intermediate Calculation for the Next Four SHA256 Message Dwords'],
  ['sha256msg2', 'cd', 'Perform a Final Calculation for the Next Four SHA256 Message Dwords'],
];
const sha: readonly Instruction[] = [
  ...SHA.map(([name, opcode, title]) =>
    sse(
      name,
      `SDM 2B "${name.toUpperCase()}—${title}"`,
      [alignedBy('sha', `np 0f 38 ${opcode} /r`, [Vdq, Wdq])],
      numeric(`sse_${name}`),
    ),
  ),
  sse(
    'sha256rnds2',
    'SDM 2B "SHA256RNDS2—Perform Two Rounds of SHA256 Operation"',
    [alignedBy('sha', 'np 0f 38 cb /r', [Vdq, Wdq])],
    (s, dst, src) => {
      const [to, from] = [s.pointer(dst), s.pointer(src)];
      s.call('sse_sha256rnds2', to, from, s.trunc(s.xmm(0), 64));
    },
  ),
  sse(
    'sha1rnds4',
    'SDM 2B "SHA1RNDS4—Perform Four Rounds of SHA1 Operation"',
    [alignedBy('sha', 'np 0f 3a cc /r', operands)],
    numericImmediate('sse_sha1rnds4'),
  ),
];

export const STRINGS_AND_CRYPTO: readonly Instruction[] = [...strings, ...crypto, ...sha];
