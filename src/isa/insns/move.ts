// Data movement: MOV, MOVZX/MOVSX/MOVSXD, LEA, CMOVcc, SETcc, MOVBE, BSWAP, XLAT.
// Intel SDM Vol. 2A/2B, instruction reference of the same names.
import { enc, type Instruction, insn } from '../declare.js';
import { AL, Eb, Ev, Ev_w, Ew, Ez, Gb, Gv, Ib, Iv, Iz, M, Mv, Ob, Ov, rAX, Sw, Zb, Zv } from '../operands.js';
import { type Bits, CONDITIONS, type Sem } from '../sem.js';
import { BYTE, bitsOf, hex2, resize, sextTo, truncTo, zextTo } from './helpers.js';

/** Bytes in reverse order; 16, 32 or 64 wide. */
export function byteSwap<V>(s: Sem<V>, v: V): V {
  const bits = s.widthOf(v);
  const step = (x: V, mask: bigint, by: number): V =>
    s.or(
      s.and(s.shr(x, s.const(by, bits)), s.const(mask, bits)),
      s.shl(s.and(x, s.const(mask, bits)), s.const(by, bits)),
    );
  if (bits === 16) return s.or(s.shr(v, s.const(8, 16)), s.shl(v, s.const(8, 16)));
  const mask8 = bits === 32 ? 0x00ff00ffn : 0x00ff00ff00ff00ffn;
  const bytes = step(v, mask8, 8);
  if (bits === 32) return s.binary('rotl', bytes, s.const(16, 32));
  return s.binary('rotl', step(bytes, 0x0000ffff0000ffffn, 16), s.const(32, 64));
}

const MOV = insn('mov', {
  sdm: 'SDM 2B "MOV—Move"',
  hot: true,
  encodings: [
    enc('88 /r', [Eb, Gb], BYTE),
    enc('89 /r', [Ev, Gv]),
    enc('8a /r', [Gb, Eb], BYTE),
    enc('8b /r', [Gv, Ev]),
    enc('b0+r ib', [Zb, Ib], BYTE),
    enc('b8+r', [Zv, Iv]),
    enc('c6 /0 ib', [Eb, Ib], BYTE),
    enc('c7 /0', [Ev, Iz]),
    enc('a0', [AL, Ob], BYTE),
    enc('a1', [rAX, Ov]),
    enc('a2', [Ob, AL], BYTE),
    enc('a3', [Ov, rAX]),
  ],
  execute(s, dst, src) {
    s.write(dst, s.read(src));
  },
});
const MOV_FROM_SREG = insn('mov_from_sreg', {
  sdm: 'SDM 2B "MOV—Move"',
  encodings: [enc('8c /r', [Ev_w, Sw])],
  execute(s, dst, src) {
    s.write(dst, resize(s, s.call('segment_selector', s.registerNumber(src)), bitsOf(dst)));
  },
});
const MOV_TO_SREG = insn('mov_to_sreg', {
  sdm: 'SDM 2B "MOV—Move"',
  serializes: true,
  encodings: [enc('8e /r', [Sw, Ew], { opBits: 32 })],
  execute(s, dst, src) {
    s.call('load_segment', s.registerNumber(dst), s.zext(s.read(src), 32));
  },
});
const MOVZX = insn('movzx', {
  sdm: 'SDM 2B "MOVZX—Move With Zero-Extend"',
  hot: true,
  encodings: [enc('0f b6 /r', [Gv, Eb]), enc('0f b7 /r', [Gv, Ew])],
  execute(s, dst, src) {
    s.write(dst, zextTo(s, s.read(src), bitsOf(dst)));
  },
});
const MOVSX = insn('movsx', {
  sdm: 'SDM 2B "MOVSX/MOVSXD—Move With Sign-Extension"',
  hot: true,
  encodings: [enc('0f be /r', [Gv, Eb]), enc('0f bf /r', [Gv, Ew])],
  execute(s, dst, src) {
    s.write(dst, sextTo(s, s.read(src), bitsOf(dst)));
  },
});
const MOVSXD = insn('movsxd', {
  sdm: 'SDM 2B "MOVSX/MOVSXD—Move With Sign-Extension"',
  hot: true,
  encodings: [enc('63 /r', [Gv, Ez], { o64: true })],
  execute(s, dst, src) {
    s.write(dst, sextTo(s, s.read(src), bitsOf(dst)));
  },
});
const LEA = insn('lea', {
  sdm: 'SDM 2A "LEA—Load Effective Address"',
  hot: true,
  encodings: [enc('8d /r', [Gv, M], { noAccess: true })],
  execute(s, dst, src) {
    s.write(dst, resize(s, s.effectiveAddress(src), bitsOf(dst)));
  },
});
const CMOV = CONDITIONS.map((condition, n) =>
  insn(`cmov${condition}`, {
    sdm: 'SDM 2A "CMOVcc—Conditional Move"',
    hot: true,
    encodings: [enc(`0f ${hex2(0x40 + n)} /r`, [Gv, Ev], { feature: 'cmov' })],
    execute(s, dst, src) {
      const value = s.read(src);
      s.write(dst, s.select(s.cond(condition), value, s.read(dst)));
    },
  }),
);
const SETCC = CONDITIONS.map((condition, n) =>
  insn(`set${condition}`, {
    sdm: 'SDM 2B "SETcc—Set Byte on Condition"',
    hot: true,
    encodings: [enc(`0f ${hex2(0x90 + n)} /r`, [Eb], BYTE)],
    execute(s, dst) {
      s.write(dst, s.zext(s.cond(condition), 8));
    },
  }),
);
const BSWAP = insn('bswap', {
  sdm: 'SDM 2A "BSWAP—Byte Swap"',
  encodings: [enc('0f c8+r', [Zv])],
  execute(s, dst) {
    // The 16-bit form is undefined; processors clear the register.
    s.write(dst, dst.bits === 16 ? s.const(0, 16) : byteSwap(s, s.read(dst)));
  },
});
const MOVBE = insn('movbe', {
  sdm: 'SDM 2B "MOVBE—Move Data After Swapping Bytes"',
  encodings: [
    enc('np 0f 38 f0 /r', [Gv, Mv], { feature: 'movbe' }),
    enc('np 0f 38 f1 /r', [Mv, Gv], { feature: 'movbe' }),
    enc('66 0f 38 f0 /r', [Gv, Mv], { feature: 'movbe' }),
    enc('66 0f 38 f1 /r', [Mv, Gv], { feature: 'movbe' }),
  ],
  execute(s, dst, src) {
    s.write(dst, byteSwap(s, s.read(src)));
  },
});
const XLAT = insn('xlat', {
  sdm: 'SDM 2C "XLAT/XLATB—Table Look-up Translation"',
  encodings: [enc('d7', [], BYTE)],
  execute(s) {
    const bits: Bits = s.addrBits;
    const address = s.add(s.reg('rbx', bits), s.zext(s.reg('rax', 8), bits));
    s.setReg('rax', truncTo(s, s.load(3, address, 8, true), 8));
  },
});

export const MOVE: readonly Instruction[] = [
  MOV,
  MOV_FROM_SREG,
  MOV_TO_SREG,
  MOVZX,
  MOVSX,
  MOVSXD,
  LEA,
  ...CMOV,
  ...SETCC,
  BSWAP,
  MOVBE,
  XLAT,
];
