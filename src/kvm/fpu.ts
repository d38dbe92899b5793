// The x87 and SSE state of CpuState to and from an XSAVE area in standard format. Intel SDM Vol. 1, "FXSAVE Area",
// "XSAVE Area", "x87 FPU Tag Word".
import type { FpuState } from '../vmx/index.js';

const LEGACY = { fcw: 0, fsw: 2, tags: 4, fop: 6, fip: 8, fdp: 16, mxcsr: 24, registers: 32, xmm: 160 } as const;
const XSTATE_BV = 512;
const X87_AND_SSE = 3n;
const AVX = 4n;
/** Upper halves of the YMM registers in standard format (CPUID.(0DH,2):EBX). */
const YMM_HIGH = 576;
const EMPTY = 3;
const ZERO = 1;
const SPECIAL = 2;

const read128 = (v: DataView, at: number): bigint => v.getBigUint64(at, true) | (v.getBigUint64(at + 8, true) << 64n);
function write128(v: DataView, at: number, value: bigint): void {
  v.setBigUint64(at, BigInt.asUintN(64, value), true);
  v.setBigUint64(at + 8, value >> 64n, true);
}
const top = (fsw: number): number => (fsw >> 11) & 7;

/** Tag of a register in use, from its content. */
function tagOf(value: bigint): number {
  const exponent = Number((value >> 64n) & 0x7fffn);
  const significand = value & 0xffff_ffff_ffff_ffffn;
  if (exponent === 0 && significand === 0n) return ZERO;
  if (exponent === 0 || exponent === 0x7fff || significand >> 63n === 0n) return SPECIAL;
  return 0;
}

export function readFpu(v: DataView): FpuState {
  const fsw = v.getUint16(LEGACY.fsw, true);
  const inUse = v.getUint8(LEGACY.tags);
  const registers = new Array<bigint>(8).fill(0n);
  let ftw = 0;
  for (let i = 0; i < 8; i++) {
    const at = LEGACY.registers + 16 * i;
    const physical = (top(fsw) + i) & 7;
    const value = v.getBigUint64(at, true) | (BigInt(v.getUint16(at + 8, true)) << 64n);
    registers[physical] = value;
    ftw |= ((inUse >> physical) & 1 ? tagOf(value) : EMPTY) << (2 * physical);
  }
  const ymmHigh =
    (v.getBigUint64(XSTATE_BV, true) & AVX) === 0n
      ? null
      : Array.from({ length: 16 }, (_, i) => read128(v, YMM_HIGH + 16 * i));
  return {
    fcw: v.getUint16(LEGACY.fcw, true),
    fsw,
    ftw,
    fop: v.getUint16(LEGACY.fop, true),
    fip: v.getBigUint64(LEGACY.fip, true),
    fdp: v.getBigUint64(LEGACY.fdp, true),
    registers,
    xmm: Array.from({ length: 16 }, (_, i) => read128(v, LEGACY.xmm + 16 * i)),
    ...(ymmHigh?.some((half) => half !== 0n) && { ymmHigh }),
    mxcsr: v.getUint32(LEGACY.mxcsr, true),
  };
}

/** Writes the x87, SSE and AVX parts; what else the area holds stays. */
export function writeFpu(v: DataView, f: FpuState): void {
  v.setUint16(LEGACY.fcw, f.fcw, true);
  v.setUint16(LEGACY.fsw, f.fsw, true);
  v.setUint16(LEGACY.fop, f.fop, true);
  v.setBigUint64(LEGACY.fip, f.fip, true);
  v.setBigUint64(LEGACY.fdp, f.fdp, true);
  v.setUint32(LEGACY.mxcsr, f.mxcsr, true);
  let inUse = 0;
  for (let i = 0; i < 8; i++) {
    const at = LEGACY.registers + 16 * i;
    const physical = (top(f.fsw) + i) & 7;
    const value = f.registers[physical] as bigint;
    v.setBigUint64(at, BigInt.asUintN(64, value), true);
    v.setUint16(at + 8, Number((value >> 64n) & 0xffffn), true);
    if (((f.ftw >> (2 * i)) & 3) !== EMPTY) inUse |= 1 << i;
  }
  v.setUint8(LEGACY.tags, inUse);
  f.xmm.forEach((value, i) => {
    write128(v, LEGACY.xmm + 16 * i, value);
  });
  const { ymmHigh } = f;
  let parts = (v.getBigUint64(XSTATE_BV, true) & ~AVX) | X87_AND_SSE;
  if (ymmHigh !== undefined) {
    parts |= AVX;
    ymmHigh.forEach((value, i) => {
      write128(v, YMM_HIGH + 16 * i, value);
    });
  }
  v.setBigUint64(XSTATE_BV, parts, true);
}
