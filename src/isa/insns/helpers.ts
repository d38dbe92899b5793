// Small expressions shared by the instruction declarations.
import type { Encoding } from '../declare.js';
import { enc } from '../declare.js';
import type { OperandSpec } from '../operands.js';
import { AL, Eb, Ev, Gb, Gv, Ib, Isb, Iz, rAX } from '../operands.js';
import type { Bits, Operand, Sem } from '../sem.js';

/** Options of byte-operand encodings: their operand size never matters, so one form serves all. */
export const BYTE = { opBits: 32 } as const;
export const LOCK = { lock: true } as const;
export const BYTE_LOCK = { opBits: 32, lock: true } as const;

export const hex2 = (n: number): string => n.toString(16).padStart(2, '0');
export const bitsOf = (operand: Operand): Bits => operand.bits as Bits;

/** Zero-extends to `bits` unless already that wide. */
export const zextTo = <V>(s: Sem<V>, v: V, bits: Bits): V => (s.widthOf(v) === bits ? v : s.zext(v, bits));
export const sextTo = <V>(s: Sem<V>, v: V, bits: Bits): V => (s.widthOf(v) === bits ? v : s.sext(v, bits));
export const truncTo = <V>(s: Sem<V>, v: V, bits: Bits): V => (s.widthOf(v) === bits ? v : s.trunc(v, bits));
/** Zero-extends or truncates to `bits`. */
export const resize = <V>(s: Sem<V>, v: V, bits: Bits): V =>
  s.widthOf(v) < bits ? s.zext(v, bits) : truncTo(s, v, bits);

/** Bit n (static) of v, 1 wide. */
export const bit = <V>(s: Sem<V>, v: V, n: number): V => s.trunc(n === 0 ? v : s.shr(v, s.const(n, s.widthOf(v))), 1);
/** Sign bit. */
export const sign = <V>(s: Sem<V>, v: V): V => s.compare('lts', v, s.const(0, s.widthOf(v)));
export const isNonZero = <V>(s: Sem<V>, v: V): V => s.compare('ne', v, s.const(0, s.widthOf(v)));

/** update(), handing out the old and the new value. */
export function updated<V>(s: Sem<V>, operand: Operand, f: (old: V) => V): readonly [old: V, result: V] {
  const pair: V[] = [];
  s.update(operand, (old) => {
    const result = f(old);
    pair.push(old, result);
    return result;
  });
  return [pair[0] as V, pair[1] as V];
}

/** Registers rAX and rDX in a width, for one-operand multiply and the like. */
export const acc = <V>(s: Sem<V>, bits: Bits): V => s.reg('rax', bits);

/** The ten encodings of a two-operand arithmetic instruction (00-05, 80-83 of the one-byte map). */
export const aluEncodings = (base: number, digit: number, lock: boolean): Encoding[] => {
  const row = (opcode: string, operands: readonly OperandSpec[], byte: boolean, memory: boolean, i64 = false) =>
    enc(opcode, operands, {
      ...(byte ? BYTE : {}),
      ...(memory && lock ? LOCK : {}),
      ...(i64 ? { i64: true } : {}),
    });
  return [
    row(`${hex2(base)} /r`, [Eb, Gb], true, true),
    row(`${hex2(base + 1)} /r`, [Ev, Gv], false, true),
    row(`${hex2(base + 2)} /r`, [Gb, Eb], true, false),
    row(`${hex2(base + 3)} /r`, [Gv, Ev], false, false),
    row(`${hex2(base + 4)} ib`, [AL, Ib], true, false),
    row(`${hex2(base + 5)}`, [rAX, Iz], false, false),
    row(`80 /${digit} ib`, [Eb, Ib], true, true),
    row(`81 /${digit}`, [Ev, Iz], false, true),
    row(`82 /${digit} ib`, [Eb, Ib], true, true, true),
    row(`83 /${digit} ib`, [Ev, Isb], false, true),
  ];
};
