// Conversions between floating-point formats and integers of SSE and SSE2. Intel SDM Vol. 2A, CVT* instructions.
import type { Instruction } from '../../declare.js';
import { Ed, Eq, Gd, Gq, Mq, Nq, Pq, Vdq, Wd, Wdq, Wq } from '../../operands.js';
import { alignedBy, by, type Execute, numeric, sse } from './build.js';

const sdm = (name: string, what: string): string => `SDM 2A "${name.toUpperCase()}—Convert ${what}"`;
const PS = 'Packed Single Precision Floating-Point Values';
const PD = 'Packed Double Precision Floating-Point Values';
const SS = 'Scalar Single Precision Floating-Point Value';
const SD = 'Scalar Double Precision Floating-Point Value';
const DQ = 'Packed Signed Doubleword Integers';

type Row = readonly [name: string, opcode: string, source: typeof Wdq, what: string];
const xmm: readonly Row[] = [
  ['cvtps2pd', 'np 0f 5a', Wq, `${PS} to ${PD}`],
  ['cvtpd2ps', '66 0f 5a', Wdq, `${PD} to ${PS}`],
  ['cvtss2sd', 'f3 0f 5a', Wd, `${SS} to ${SD}`],
  ['cvtsd2ss', 'f2 0f 5a', Wq, `${SD} to ${SS}`],
  ['cvtdq2ps', 'np 0f 5b', Wdq, `${DQ} to ${PS}`],
  ['cvtps2dq', '66 0f 5b', Wdq, `${PS} to ${DQ}`],
  ['cvttps2dq', 'f3 0f 5b', Wdq, `with Truncation ${PS} to ${DQ}`],
  ['cvttpd2dq', '66 0f e6', Wdq, `with Truncation ${PD} to ${DQ}`],
  ['cvtdq2pd', 'f3 0f e6', Wq, `${DQ} to ${PD}`],
  ['cvtpd2dq', 'f2 0f e6', Wdq, `${PD} to ${DQ}`],
];
/** With an MMX register: #MF first (SSE's check covers #UD and #NM); then the x87 enters MMX mode, even before an #XM. */
const withMmx =
  (procedure: string): Execute =>
  (s, dst, src) => {
    s.call('fpu_check');
    const from = s.pointer(src);
    s.call('mmx_enter');
    s.call(procedure, s.pointer(dst), from);
  };
const PI = 'Packed Doubleword Integers';
const mmx: readonly Instruction[] = [
  sse('cvtpi2ps', sdm('cvtpi2ps', `${PI} to ${PS}`), [by('sse', 'np 0f 2a /r', [Vdq, Nq])], withMmx('sse_cvtpi2ps')),
  sse('cvtpi2ps', sdm('cvtpi2ps', `${PI} to ${PS}`), [by('sse', 'np 0f 2a /r', [Vdq, Mq])], numeric('sse_cvtpi2ps')),
  sse('cvtpi2pd', sdm('cvtpi2pd', `${PI} to ${PD}`), [by('sse2', '66 0f 2a /r', [Vdq, Nq])], withMmx('sse_cvtpi2pd')),
  // From memory they do not touch the MMX state.
  sse('cvtpi2pd', sdm('cvtpi2pd', `${PI} to ${PD}`), [by('sse2', '66 0f 2a /r', [Vdq, Mq])], numeric('sse_cvtpi2pd')),
  ...(['t', ''] as const).flatMap((t) => {
    const opcode = t === 't' ? '2c' : '2d';
    const how = t === 't' ? 'with Truncation ' : '';
    return [
      sse(
        `cvt${t}ps2pi`,
        sdm(`cvt${t}ps2pi`, `${how}${PS} to ${PI}`),
        [by('sse', `np 0f ${opcode} /r`, [Pq, Wq])],
        withMmx(`sse_cvt${t}ps2pi`),
      ),
      sse(
        `cvt${t}pd2pi`,
        sdm(`cvt${t}pd2pi`, `${how}${PD} to ${PI}`),
        [alignedBy('sse2', `66 0f ${opcode} /r`, [Pq, Wdq])],
        withMmx(`sse_cvt${t}pd2pi`),
      ),
    ];
  }),
];

const SI = 'Signed Integer';
const general: readonly Instruction[] = (['ss', 'sd'] as const).flatMap((kind) => {
  const [prefix, feature, words] = kind === 'ss' ? (['f3', 'sse', SS] as const) : (['f2', 'sse2', SD] as const);
  const source = kind === 'ss' ? Wd : Wq;
  const from =
    (suffix: '' | '64'): Execute =>
    (s, dst, src) => {
      const value = s.read(src);
      s.call(`sse_cvtsi2${kind}${suffix}`, s.pointer(dst), value);
    };
  const to =
    (t: 't' | '', suffix: '' | '64'): Execute =>
    (s, dst, src) => {
      s.call(`sse_cvt${t}${kind}2si${suffix}`, s.pointer(src));
      s.write(dst, s.loadScratch(0, suffix === '64' ? 64 : 32));
    };
  return [
    sse(
      `cvtsi2${kind}`,
      sdm(`cvtsi2${kind}`, `${SI} to ${words}`),
      [by(feature, `${prefix} rex.w0 0f 2a /r`, [Vdq, Ed])],
      from(''),
    ),
    sse(
      `cvtsi2${kind}`,
      sdm(`cvtsi2${kind}`, `${SI} to ${words}`),
      [by(feature, `${prefix} rex.w 0f 2a /r`, [Vdq, Eq])],
      from('64'),
    ),
    ...(['t', ''] as const).flatMap((t) => {
      const name = `cvt${t}${kind}2si`;
      const opcode = t === 't' ? '2c' : '2d';
      const title = sdm(name, `${t === 't' ? 'with Truncation ' : ''}${words} to ${SI}`);
      return [
        sse(name, title, [by(feature, `${prefix} rex.w0 0f ${opcode} /r`, [Gd, source])], to(t, '')),
        sse(name, title, [by(feature, `${prefix} rex.w 0f ${opcode} /r`, [Gq, source])], to(t, '64')),
      ];
    }),
  ];
});

export const CONVERSIONS: readonly Instruction[] = [
  ...xmm.map(([name, opcode, source, what]) => {
    const encode = source === Wdq ? alignedBy : by;
    return sse(name, sdm(name, what), [encode('sse2', `${opcode} /r`, [Vdq, source])], numeric(`sse_${name}`));
  }),
  ...mmx,
  ...general,
];
