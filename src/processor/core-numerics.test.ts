// The AssemblyScript numerics against the bigint oracle and against the host processor, operation by operation.
// The host side is reference/host-float.c, compiled here; without gcc (or off x86-64) that comparison is skipped.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const CASES = Number(process.env['PCANEL_FLOAT_CASES'] ?? 4000);
const dist = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

// ---- the module under test -----------------------------------------------------------------------------------------

/** numerics.wasm, built from core/numerics when it is missing or older than its sources. */
function numericsModule(): Uint8Array {
  const folder = 'src/processor/core/numerics';
  const file = join(dist, 'numerics.wasm');
  const newest = Math.max(...readdirSync(folder).map((f) => statSync(join(folder, f)).mtimeMs));
  if (!existsSync(file) || statSync(file).mtimeMs < newest) {
    const options =
      '-O3 --runtime stub --noAssert --importMemory --sharedMemory --initialMemory 1 --maximumMemory 65536 --enable simd,threads --use abort= --memoryBase 1024';
    const asc = ['node_modules/assemblyscript/bin/asc.js', `${folder}/index.ts`, '-o', file, ...options.split(' ')];
    const built = spawnSync(process.execPath, asc, { encoding: 'utf8' });
    assert.equal(built.status, 0, built.stderr);
  }
  return readFileSync(file);
}
type Procedure = (...args: (number | bigint)[]) => number | bigint;
const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
const instance = await WebAssembly.instantiate(new WebAssembly.Module(numericsModule() as Uint8Array<ArrayBuffer>), {
  env: { memory },
});
const procedures = instance.exports as unknown as Record<string, Procedure>;
const bytes = new Uint8Array(memory.buffer);
const view = new DataView(memory.buffer);
/** Slots: destination 0, destination 1, operand a, operand b, memory operand. */
const D0 = 0xf000;
const D1 = 0xf010;
const A = 0xf020;
const B = 0xf030;
const M = 0xf040;
const call = (name: string, ...args: (number | bigint)[]): number => {
  const procedure = procedures[name];
  if (procedure === undefined) throw new Error(`numerics exports no '${name}'`);
  const result = procedure(...args);
  return typeof result === 'number' ? result : 0;
};
const fpFlags = (): number => Number(procedures['get_fp_flags']!());

// ---- cases ---------------------------------------------------------------------------------------------------------

/** Deterministic 32-bit generator (xorshift*), so that a failure can be repeated. */
let seed = 0x9e3779b97f4a7c15n;
function random32(): number {
  seed ^= seed >> 12n;
  seed = BigInt.asUintN(64, seed ^ (seed << 25n));
  seed ^= seed >> 27n;
  return Number((seed * 0x2545f4914f6cdd1dn) & 0xffffffff00000000n) / 2 ** 32;
}
const below = (n: number): number => Math.floor((random32() / 2 ** 32) * n);
const random64 = (): bigint => (BigInt(random32()) << 32n) | BigInt(random32());
const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;

/** Significands with few bits, runs of ones, and full ones, below 2^width. */
function randomSignificand(width: number): bigint {
  const mask = (1n << BigInt(width)) - 1n;
  switch (below(8)) {
    case 0:
      return 0n;
    case 1:
      return mask;
    case 2:
      return 1n << BigInt(below(width));
    case 3:
      return (mask << BigInt(below(width))) & mask;
    case 4:
      return (1n << BigInt(below(width))) | (1n << BigInt(below(width)));
    case 5:
      return (random64() << BigInt(below(width))) & mask;
    default:
      return random64() & mask;
  }
}
interface Slot {
  low: bigint;
  high: bigint;
}
/** `near` is an exponent field to stay close to; most operands are ordinary numbers. */
function randomF80(near = 16383): Slot {
  const sign = BigInt(below(2)) << 15n;
  const top = 1n << 63n;
  const fraction = randomSignificand(63);
  const exponent = (field: number, significand: bigint): Slot => ({
    low: significand,
    high: sign | BigInt(Math.max(0, Math.min(0x7fff, field))),
  });
  switch (below(20)) {
    case 0:
      return exponent(0, 0n);
    case 1:
      return exponent(0, fraction);
    case 2:
      return exponent(0, top | fraction);
    case 3:
      return exponent(0x7fff, top);
    case 4:
      return exponent(0x7fff, top | fraction);
    case 5:
      return exponent(below(4) ? 0x7fff : below(0x8000), below(3) ? fraction : top | fraction);
    case 6:
      return exponent(1 + below(80), top | fraction);
    case 7:
      return exponent(0x7ffe - below(80), top | fraction);
    case 8:
      return exponent(below(0x7fff), top | fraction);
    case 9: {
      const value = BigInt(below(1000) + 1);
      const size = value.toString(2).length;
      return exponent(16382 + size, value << BigInt(64 - size));
    }
    case 10:
      return exponent(16383 + pick([-1075, -1074, -1023, -1022, -150, -149, -127, -126, 127, 128, 1023, 1024, 15, 31, 63]), top | fraction);
    case 11:
    case 12:
      return exponent(16383 + below(66), top | fraction);
    default:
      return exponent(near - 70 + below(140), top | fraction);
  }
}
function randomIeee(width: number, near: number): bigint {
  const f = width === 64 ? 52 : 23;
  const max = width === 64 ? 2047 : 255;
  const sign = BigInt(below(2)) << BigInt(width - 1);
  const make = (e: number, m: bigint): bigint => sign | (BigInt(Math.max(0, Math.min(max, e))) << BigInt(f)) | m;
  const m = randomSignificand(f);
  switch (below(14)) {
    case 0:
      return make(0, 0n);
    case 1:
      return make(0, m);
    case 2:
      return make(max, 0n);
    case 3:
      return make(max, m);
    case 4:
      return make(1 + below(30), m);
    case 5:
      return make(max - 1 - below(30), m);
    case 6:
      return make(below(max), m);
    case 7:
      return make((max >> 1) + below(66), m);
    default:
      return make(near - 30 + below(60), m);
  }
}
const pack32 = (next: () => bigint): Slot => ({ low: next() | (next() << 32n), high: next() | (next() << 32n) });

interface Case {
  control: number;
  a: Slot;
  b: Slot;
}
const randomFcw = (): number =>
  0x40 | (below(4) ? 0x3f : below(64)) | (pick([0, 2, 3, 3]) << 8) | (below(2) ? 0 : below(4) << 10);
function randomMxcsr(): number {
  const masks = below(8) ? 0x3f : below(64);
  const rounding = below(2) ? 0 : below(4);
  const modes = below(3) ? 0 : (below(2) << 6) | (below(2) << 15);
  return (below(2) ? 0x20 : below(4) ? 0 : below(64)) | (masks << 7) | (rounding << 13) | modes;
}
function sseCase(width: number): Case {
  const near = width === 64 ? pick([1023, 1023, 1100, 520, 1535, 60]) : pick([127, 127, 150, 64, 191, 40]);
  const next = (): bigint => randomIeee(width, near);
  const slot = (): Slot => (width === 64 ? { low: next(), high: next() } : pack32(next));
  const a = slot();
  const b = below(16) ? slot() : a;
  return { control: randomMxcsr(), a, b };
}
function intCase(width: number): Case {
  const next = (): bigint => (below(2) ? random64() : BigInt.asIntN(64, random64()) >> BigInt(below(64))) & ((1n << BigInt(width)) - 1n);
  const slot = (): Slot => (width === 64 ? { low: next(), high: next() } : pack32(next));
  return { control: randomMxcsr(), a: slot(), b: slot() };
}
function x87Case(): Case {
  const near = pick([16383, 16383, 16383, 8200, 24500, 100]);
  const a = randomF80(near);
  const b = below(16) ? randomF80(near) : a;
  return { control: randomFcw(), a, b };
}

// ---- what each side reports ----------------------------------------------------------------------------------------

interface Outcome {
  r0: bigint;
  r1: bigint;
  flags: number;
  mem: bigint;
}
const F80 = (1n << 80n) - 1n;
const read80 = (address: number): bigint => view.getBigUint64(address, true) | (BigInt(view.getUint16(address + 8, true)) << 64n);
const read128 = (address: number): bigint => view.getBigUint64(address, true) | (view.getBigUint64(address + 8, true) << 64n);
function putSlot(address: number, slot: Slot): void {
  view.setBigUint64(address, slot.low, true);
  view.setBigUint64(address + 8, slot.high, true);
}
type Runner = (c: Case) => Outcome;

const x87: Record<string, (fcw: number) => number> = {};
for (const op of ['add', 'sub', 'mul', 'div', 'rem', 'rem1', 'scale', 'patan', 'yl2x', 'yl2xp1'])
  x87[`f80_${op}`] = (fcw) => call(`f80_${op}`, D0, A, B, fcw);
for (const op of ['sqrt', 'round_int', 'f2xm1', 'sin', 'cos'])
  x87[`f80_${op}`] = (fcw) => call(`f80_${op}`, D0, A, fcw);
for (const op of ['compare', 'compare_unordered']) x87[`f80_${op}`] = (fcw) => call(`f80_${op}`, A, B, fcw);
x87['f80_test'] = (fcw) => call('f80_test', A, fcw);
x87['f80_examine'] = () => call('f80_examine', A);
x87['f80_extract'] = (fcw) => call('f80_extract', D0, D1, A, fcw);
x87['f80_sincos'] = (fcw) => {
  const flags = call('f80_sincos', D1, D0, A, fcw);
  if ((flags & ~fcw & 7) !== 0 || flags & 0x400) {
    bytes.copyWithin(D0, A, A + 16);
    bytes.copyWithin(D1, B, B + 16);
  }
  return flags;
};
x87['f80_ptan'] = (fcw) => {
  const flags = call('f80_ptan', D0, A, fcw);
  if ((flags & ~fcw & 7) === 0 && !(flags & 0x400)) {
    bytes.copyWithin(D1, D0, D0 + 16);
    call('f80_constant', D0, 0, fcw);
  }
  return flags;
};
['add', 'mul', 'com', '', 'sub', 'subr', 'div', 'divr'].forEach((op, i) => {
  if (op === '') return;
  x87[`${op}_f32`] = (fcw) => call('f80_arith_f32', i, D0, A, view.getUint32(B, true), fcw);
  x87[`${op}_f64`] = (fcw) => call('f80_arith_f64', i, D0, A, view.getBigUint64(B, true), fcw);
  x87[`${op}_i16`] = (fcw) => call('f80_arith_int', i, D0, A, view.getInt16(B, true), fcw);
  x87[`${op}_i32`] = (fcw) => call('f80_arith_int', i, D0, A, view.getInt32(B, true), fcw);
});
x87['from_f32'] = (fcw) => call('f80_from_f32', D0, view.getUint32(A, true), fcw);
x87['from_f64'] = (fcw) => call('f80_from_f64', D0, view.getBigUint64(A, true), fcw);
x87['from_i16'] = () => call('f80_from_i32', D0, view.getInt16(A, true));
x87['from_i32'] = () => call('f80_from_i32', D0, view.getInt32(A, true));
x87['from_i64'] = () => call('f80_from_i64', D0, view.getBigInt64(A, true));
x87['from_bcd'] = () => call('f80_from_bcd', D0, A);
for (let i = 0; i < 7; i++) x87[`constant_${i}`] = (fcw) => call('f80_constant', D0, i, fcw);
function storing(unstored: number, store: (fcw: number) => void): (fcw: number) => number {
  return (fcw) => {
    bytes.fill(0xa5, M, M + 16);
    const saved = bytes.slice(M, M + 16);
    store(fcw);
    const flags = fpFlags();
    if ((flags & ~fcw & unstored) !== 0) bytes.set(saved, M);
    return flags;
  };
}
x87['to_f32'] = storing(0x1f, (fcw) => view.setUint32(M, call('f80_to_f32', A, fcw), true));
x87['to_f64'] = storing(0x1f, (fcw) => view.setBigUint64(M, BigInt.asUintN(64, procedures['f80_to_f64']!(A, fcw) as bigint), true));
for (const [name, mode] of [
  ['to', 0],
  ['trunc', 0xc00],
] as const) {
  const c1 = (run: (fcw: number) => number) => (fcw: number) => run(fcw) & (mode ? 0x3f : 0xffff);
  x87[`${name}_i16`] = c1(storing(1, (fcw) => view.setInt16(M, call('f80_to_i16', A, fcw | mode), true)));
  x87[`${name}_i32`] = c1(storing(1, (fcw) => view.setInt32(M, call('f80_to_i32', A, fcw | mode), true)));
  x87[`${name}_i64`] = c1(storing(1, (fcw) => view.setBigInt64(M, procedures['f80_to_i64']!(A, fcw | mode) as bigint, true)));
}
x87['to_bcd'] = (fcw) => {
  bytes.fill(0xa5, M, M + 16);
  return call('f80_to_bcd', M, A, fcw);
};
const x87Runner =
  (operation: (fcw: number) => number): Runner =>
  (c) => {
    putSlot(A, c.a);
    putSlot(B, c.b);
    putSlot(D0, c.a);
    putSlot(D1, c.b);
    view.setBigUint64(M, 0n, true);
    const flags = operation(c.control);
    return { r0: read80(D0), r1: read80(D1), flags: flags & 0x473f, mem: read128(M) };
  };

type SseOperation = (mxcsr: number) => number;
const sse: Record<string, { run: SseOperation; width: number; int?: boolean; gpr?: number; eflags?: boolean; approximate?: boolean }> = {};
const forms = [
  ['ps', 32],
  ['ss', 32],
  ['pd', 64],
  ['sd', 64],
] as const;
for (const [form, width] of forms) {
  for (const op of ['add', 'sub', 'mul', 'div', 'min', 'max', 'sqrt'])
    sse[`${op}_${form}`] = { width, run: (m) => call(`sse_${op}_${form}`, D0, B, m) };
  for (let i = 0; i < 8; i++) sse[`cmp_${form}_${i}`] = { width, run: (m) => call(`sse_cmp_${form}`, D0, B, i, m) };
  for (const i of [0, 1, 2, 3, 4, 8, 12]) sse[`round_${form}_${i}`] = { width, run: (m) => call(`sse_round_${form}`, D0, B, i, m) };
}
for (const [form, width] of [
  ['ps', 32],
  ['pd', 64],
] as const)
  for (const op of ['addsub', 'hadd', 'hsub']) sse[`${op}_${form}`] = { width, run: (m) => call(`sse_${op}_${form}`, D0, B, m) };
for (const imm of [255, 113, 90]) sse[`dp_ps_${imm}`] = { width: 32, run: (m) => call('sse_dp_ps', D0, B, imm, m) };
for (const imm of [51, 18]) sse[`dp_pd_${imm}`] = { width: 64, run: (m) => call('sse_dp_pd', D0, B, imm, m) };
for (const op of ['cvtps2pd', 'cvtss2sd', 'cvtps2dq', 'cvttps2dq']) sse[op] = { width: 32, run: (m) => call(`sse_${op}`, D0, B, m) };
for (const op of ['cvtpd2ps', 'cvtsd2ss', 'cvtpd2dq', 'cvttpd2dq']) sse[op] = { width: 64, run: (m) => call(`sse_${op}`, D0, B, m) };
for (const op of ['cvtdq2ps', 'cvtdq2pd', 'cvtpi2ps', 'cvtpi2pd'])
  sse[op] = { width: 32, int: true, run: (m) => call(`sse_${op}`, D0, B, m) };
for (const op of ['cvtps2pi', 'cvttps2pi', 'cvtpd2pi', 'cvttpd2pi'])
  sse[op] = { width: op.includes('pd') ? 64 : 32, gpr: 64, run: (m) => call(`sse_${op}`, D1, B, m) };
for (const [x, width] of [
  ['ss', 32],
  ['sd', 64],
] as const)
  for (const size of ['', '64']) {
    sse[`cvtsi2${x}${size}`] = {
      width: 64,
      int: true,
      run: (m) => call(`sse_cvtsi2${x}${size}`, D0, size ? view.getBigInt64(B, true) : view.getInt32(B, true), m),
    };
    for (const t of ['', 't'])
      sse[`cvt${t}${x}2si${size}`] = {
        width,
        gpr: size ? 64 : 32,
        run: (m) => {
          const bits = width === 64 ? view.getBigUint64(B, true) : view.getUint32(B, true);
          const r = procedures[`sse_cvt${t}${x}2si${size}`]!(bits, m);
          const flags = fpFlags();
          if ((flags & ~(m >> 7) & 0x3f) === 0) {
            if (size) view.setBigInt64(D1, r as bigint, true);
            else view.setBigUint64(D1, BigInt((r as number) >>> 0), true);
          }
          return flags;
        },
      };
  }
for (const op of ['comiss', 'ucomiss', 'comisd', 'ucomisd'])
  sse[op] = {
    width: op.endsWith('s') ? 32 : 64,
    eflags: true,
    run: (m) => {
      const flags = call(`sse_${op}`, A, B, m);
      if ((flags & ~(m >> 7) & 0x3f) === 0) view.setBigUint64(D1, BigInt(procedures['get_fp_eflags']!()), true);
      return flags;
    },
  };
const sseRunner =
  (operation: SseOperation): Runner =>
  (c) => {
    putSlot(A, c.a);
    putSlot(B, c.b);
    putSlot(D0, c.a);
    putSlot(D1, { low: 0n, high: 0n });
    const flags = operation(c.control);
    return { r0: read128(D0), r1: view.getBigUint64(D1, true), flags: (flags | c.control) & 0x3f, mem: 0n };
  };

// ---- the host ------------------------------------------------------------------------------------------------------

function hostProgram(): { path: string; operations: string[] } | string {
  if (process.arch !== 'x64') return `the host is ${process.arch}, not x86-64`;
  const path = join(mkdtempSync(join(tmpdir(), 'pcanel-float-')), 'host-float');
  const source = 'src/processor/reference/host-float.c';
  const gcc = spawnSync('gcc', ['-O1', '-msse4.1', '-mno-red-zone', '-w', '-o', path, source], { encoding: 'utf8' });
  if (gcc.error) return `gcc is missing: ${gcc.error.message}`;
  assert.equal(gcc.status, 0, gcc.stderr);
  return { path, operations: spawnSync(path, ['list'], { encoding: 'utf8' }).stdout.trim().split('\n') };
}
const host = hostProgram();
const skip = typeof host === 'string' ? host : false;

function runHost(operation: string, cases: Case[]): Outcome[] {
  if (typeof host === 'string') return [];
  const input = Buffer.alloc(cases.length * 48);
  const number = host.operations.indexOf(operation);
  assert.notEqual(number, -1, `host-float.c has no '${operation}'`);
  cases.forEach((c, i) => {
    input.writeUInt32LE(number, i * 48);
    input.writeUInt32LE(c.control, i * 48 + 4);
    input.writeBigUInt64LE(c.a.low, i * 48 + 8);
    input.writeBigUInt64LE(c.a.high, i * 48 + 16);
    input.writeBigUInt64LE(c.b.low, i * 48 + 24);
    input.writeBigUInt64LE(c.b.high, i * 48 + 32);
  });
  const { stdout, status } = spawnSync(host.path, { input, maxBuffer: 1 << 28 });
  assert.equal(status, 0);
  assert.equal(stdout.length, cases.length * 64);
  const wide = (at: number): bigint => stdout.readBigUInt64LE(at) | (stdout.readBigUInt64LE(at + 8) << 64n);
  return cases.map((_, i) => ({
    r0: wide(i * 64),
    r1: wide(i * 64 + 16),
    flags: stdout.readUInt32LE(i * 64 + 32),
    mem: wide(i * 64 + 40),
  }));
}

const hex = (v: bigint | number): string => v.toString(16);
const slotHex = (s: Slot): string => `${hex(s.high)}:${hex(s.low).padStart(16, '0')}`;
const show = (o: Outcome): string => `r0 ${hex(o.r0)} r1 ${hex(o.r1)} flags ${hex(o.flags)} mem ${hex(o.mem)}`;
/** Fails with the first differing cases spelled out. */
function same(operation: string, cases: Case[], got: Outcome[], want: Outcome[], equal: (g: Outcome, w: Outcome, c: Case) => boolean): void {
  const wrong = cases.map((c, i) => ({ c, g: got[i]!, w: want[i]! })).filter(({ c, g, w }) => !equal(g, w, c));
  const text = wrong
    .slice(0, 5)
    .map(({ c, g, w }) => `${operation} control ${hex(c.control)} a ${slotHex(c.a)} b ${slotHex(c.b)}\n    got  ${show(g)}\n    want ${show(w)}`);
  assert.equal(wrong.length, 0, `${wrong.length} of ${cases.length} differ:\n${text.join('\n')}`);
}
const exactly = (g: Outcome, w: Outcome): boolean => g.r0 === w.r0 && g.r1 === w.r1 && g.flags === w.flags && g.mem === w.mem;

// ---- tests ---------------------------------------------------------------------------------------------------------

const usesA = (operation: string): boolean => /^(from|constant)/.test(operation);
const usesMemory = (operation: string): boolean => /^(to|trunc)_/.test(operation);
const TRANSCENDENTAL = /f2xm1|yl2x|ptan|patan|sin|cos/;

describe('x87 arithmetic agrees with the host processor', { skip }, () => {
  for (const [operation, run] of Object.entries(x87)) {
    if (TRANSCENDENTAL.test(operation)) continue;
    test(operation, () => {
      const cases = Array.from({ length: CASES }, () => {
        const c = x87Case();
        const width = /f32$/.test(operation) ? 32 : /f64$/.test(operation) ? 64 : 0;
        if (width && !usesMemory(operation)) {
          const bits = randomIeee(width, width === 64 ? 1023 : 127);
          if (usesA(operation)) c.a = { low: bits, high: 0n };
          else c.b = { low: bits, high: 0n };
        } else if (/_i\d\d$|bcd/.test(operation) && !usesMemory(operation)) {
          const bits = BigInt.asUintN(64, BigInt.asIntN(64, random64()) >> BigInt(below(64)));
          if (usesA(operation)) c.a = { low: bits, high: 0n };
          else c.b = { low: bits, high: 0n };
        }
        if (operation === 'from_bcd') {
          const digits = Array.from({ length: 18 }, () => String(below(10))).join('').slice(below(18)).padStart(18, '0');
          c.a = { low: BigInt(`0x${digits.slice(2)}`), high: BigInt(`0x${digits.slice(0, 2)}`) | (BigInt(below(2)) << 15n) };
        }
        return c;
      });
      const runner = x87Runner(run);
      const got = cases.map(runner);
      const want = runHost(operation, cases);
      const extra = operation === 'f80_extract';
      same(operation, cases, got, want, (g, w, c) => {
        const unpushed = usesA(operation) && (g.flags & ~c.control & 7) !== 0;
        if ((g.flags & 0x473f) !== (w.flags & 0x473f)) return false;
        if (usesMemory(operation)) return g.mem === w.mem;
        return unpushed || ((g.r0 & F80) === (w.r0 & F80) && (!extra || g.r1 === w.r1));
      });
    });
  }
});

describe('SSE agrees with the host processor', { skip }, () => {
  for (const [operation, { run, width, int, gpr, eflags }] of Object.entries(sse))
    test(operation, () => {
      const cases = Array.from({ length: CASES }, () => (int ? intCase(width) : sseCase(width)));
      const got = cases.map(sseRunner(run));
      const want = runHost(operation, cases);
      same(operation, cases, got, want, (g, w, c) => {
        const trapped = (g.flags & ~c.control & 0x3f & ~(c.control >> 7)) !== 0;
        if (eflags) w.r1 &= 0x45n;
        if (gpr === 32) w.r1 &= 0xffffffffn;
        return g.flags === (w.flags & 0x3f) && g.r0 === w.r0 && ((!gpr && !eflags) || trapped || g.r1 === w.r1);
      });
    });
});
void exactly;
