// Every declared x87, MMX and SSE instruction, emitted to WebAssembly from its declaration and run with the procedures of
// core/, against the host processor: registers, memory, status and control words, EFLAGS, faults. The host side is
// reference/host-instruction.c, compiled here; without gcc (or off x86-64) the comparison is skipped.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  ALL_INSTRUCTIONS,
  type Bits,
  Decoder,
  type Form,
  type Instruction,
  type Operand,
  parseOpcode,
} from '../isa/index.js';
import type { Binding, StaticFacts, Value } from './emit/binding.js';
import { addConditionFunctions } from './emit/conditions.js';
import { importProcedures } from './emit/imports.js';
import { ModuleBuilder } from './emit/wasm.js';
import { WasmSem } from './emit/wasm-sem.js';
import { AREA, at, fprOffset, gprOffset, TLB_ENTRIES, TLB_ENTRY, xmmOffset } from './state-layout.js';

const CASES = Number(process.env.PCANEL_FLOAT_CASES ?? 40);
const dist = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const core = 'src/processor/core';

// ---- the module under test -----------------------------------------------------------------------------------------

/** The procedures with the x87 and SSE ones, built when missing or older than their sources. */
function proceduresModule(): Uint8Array<ArrayBuffer> {
  const file = join(dist, 'float-procedures.wasm');
  const sources = readdirSync(core, { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.ts'));
  const newest = Math.max(...sources.map((f) => statSync(join(core, f)).mtimeMs));
  if (!existsSync(file) || statSync(file).mtimeMs < newest) {
    const options =
      '-O2 --runtime stub --noAssert --importMemory --sharedMemory --initialMemory 1 --maximumMemory 65536 --enable simd,threads --use abort= --memoryBase 1024';
    const entries = ['x87.ts', 'sse.ts', 'memory.ts', 'flags.ts'].map((f) => `${core}/${f}`);
    const asc = ['node_modules/assemblyscript/bin/asc.js', ...entries, '-o', file, ...options.split(' ')];
    const built = spawnSync(process.execPath, asc, { encoding: 'utf8' });
    assert.equal(built.status, 0, built.stderr);
  }
  return readFileSync(file) as Uint8Array<ArrayBuffer>;
}

const ST = 0x10000;
/** Guest memory: one page, at another linear address. */
const HOST_PAGE = 0xc0000;
const LINEAR_PAGE = 0x7654_3000;
const BUFFER = 0x440;
const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: true });
const bytes = new Uint8Array(memory.buffer);
const view = new DataView(memory.buffer);
type Procedure = (...args: (number | bigint)[]) => number | bigint;
const procedures = new WebAssembly.Instance(new WebAssembly.Module(proceduresModule()), {
  env: {
    memory,
    state: new WebAssembly.Global({ value: 'i32', mutable: false }, ST),
    host_clock: () => 0,
    build_block: () => 0,
    block_hot: () => undefined,
  },
}).exports as unknown as Record<string, Procedure>;
assert.ok(ST + AREA.sizeBytes <= HOST_PAGE);

const u32 = (name: string): number => view.getUint32(ST + at(name), true);
const setU32 = (name: string, v: number): void => view.setUint32(ST + at(name), v >>> 0, true);
const setU64 = (name: string, v: bigint): void => view.setBigUint64(ST + at(name), v, true);

/** The checks are other files' business: here they pass. */
const CHECKS: Record<string, Procedure> = {
  fpu_check: () => 0,
  fpu_check_nowait: () => 0,
  sse_check: () => 0,
  mmx_check: () => 0,
  ldmxcsr: (value) => {
    if ((Number(value) & ~0xffff) !== 0) return raise(13);
    setU32('mxcsr', Number(value));
    return 0;
  },
};
function raise(vector: number): number {
  setU32('exceptionVector', vector);
  return 1;
}

/** Registers of the generated cases: rm and reg fields, MMX, XMM and general registers alike. */
const REG = 1;
const RM = 2;
const RM_GPR = 3;
/** Operands bound to fixed places: registers by number, memory at [rdi], the immediate from the state's record field. */
class FixedBinding implements Binding {
  constructor(
    readonly facts: StaticFacts,
    private readonly form: Form,
    private readonly imm: number,
  ) {}
  private number(operand: Operand): number {
    const spec = this.form.row.encoding.operands[operand.index];
    const method = spec?.method ?? '';
    if (method === 'K') return spec?.fixed ?? 0;
    if ('VPG'.includes(method)) return REG;
    return method === 'E' || method === 'R' ? RM_GPR : RM;
  }
  readGpr(s: WasmSem, operand: Operand): Value {
    return this.readFixed(s, this.number(operand), operand.bits as Bits);
  }
  writeGpr(s: WasmSem, operand: Operand, v: Value): void {
    this.writeFixed(s, this.number(operand), v);
  }
  readFixed(s: WasmSem, index: number, bits: Bits): Value {
    s.state().memory('i64.load', gprOffset(index));
    return s.trunc(s.take(64), bits);
  }
  writeFixed(s: WasmSem, index: number, v: Value): void {
    s.state();
    if (v.bits === 32) s.push_(s.zext(v, 64));
    else s.push_(v);
    s.f.memory(v.bits === 8 ? 'i32.store8' : v.bits === 16 ? 'i32.store16' : 'i64.store', gprOffset(index));
  }
  slotAddress(s: WasmSem, operand: Operand): Value {
    const number = this.number(operand);
    s.state()
      .i32(operand.kind === 'xmm' ? xmmOffset(number) : fprOffset(number))
      .op('i32.add');
    return s.take(32);
  }
  immediate(s: WasmSem, operand: Operand): Value {
    // From memory, so that nothing is constant.
    s.state().memory('i32.load8_u', at('eaTmp'));
    assert.equal(operand.bits, 8);
    assert.ok(this.imm >= 0);
    return s.take(8);
  }
  address(s: WasmSem): Value {
    s.state().memory('i64.load', gprOffset(7));
    return s.take(64);
  }
  registerNumber(s: WasmSem): Value {
    s.state().memory('i32.load8_u', at('eaTmp') + 1);
    return s.take(32);
  }
  knownSegment(): null {
    return null;
  }
  segmentNumber(s: WasmSem): Value {
    return s.const(3, 32);
  }
  nextRip(s: WasmSem): Value {
    return s.const(0, 64);
  }
  notePosition(s: WasmSem): void {
    s.state()
      .i32(HOST_PAGE - 64)
      .memory('i32.store', at('record'));
  }
  unwind(s: WasmSem): void {
    s.f.i32(1).return();
  }
  unwindUnless(s: WasmSem): void {
    s.f.op('i32.eqz').if(false);
    this.unwind(s);
    s.f.end();
  }
  directTarget(): Value {
    throw new Error('no branches here');
  }
  jumpDirect(): void {
    throw new Error('no branches here');
  }
  jumpIndirect(): void {
    throw new Error('no branches here');
  }
}

const usesMethod = (instruction: Instruction, methods: string): boolean =>
  instruction.encodings.some((e) => e.operands.some((o) => methods.includes(o.method)));
const X87 = ALL_INSTRUCTIONS.filter((i) => i.encodings.some((e) => /^d[89a-f] /.test(e.opcode)));
const SSE = ALL_INSTRUCTIONS.filter((i) => usesMethod(i, 'VWU') || ['ldmxcsr', 'stmxcsr', 'movnti'].includes(i.name));
const MMX = ALL_INSTRUCTIONS.filter((i) => (usesMethod(i, 'PQN') && !usesMethod(i, 'VWU')) || i.name === 'emms');

/** 64-bit forms of the instructions, each once per encoding. */
function formsOf(instructions: readonly Instruction[]): Form[] {
  const seen = new Set<string>();
  return new Decoder(instructions).forms.filter((form) => {
    const pattern = parseOpcode(form.row.encoding, form.instruction.name);
    const natural = pattern.rexW === 1 ? 64 : pattern.prefix === 1 ? 16 : 32;
    const fixed = form.row.encoding.opBits !== undefined;
    const key = `${form.row.number},${form.mem},${form.opBits}`;
    const wanted = fixed || form.opBits === natural || isShortImage(form);
    if (!form.long || !wanted || seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
const isNamed = (form: Form, ...names: string[]): boolean => names.includes(form.instruction.name);

/** The 14- and 94-byte images of FNSTENV and the like. */
const isShortImage = (form: Form): boolean =>
  form.opBits === 16 && isNamed(form, 'fnstenv', 'fldenv', 'fnsave', 'frstor');

/** Machine code of a form with the registers above; `i` is the x87 register, `imm` the immediate. */
function assemble(form: Form, i: number, imm: number): number[] {
  const { encoding } = form.row;
  const pattern = parseOpcode(encoding, form.instruction.name);
  const code: number[] = [];
  if (isShortImage(form)) code.push(0x66);
  if (pattern.prefix > 0) code.push([0, 0x66, 0xf3, 0xf2][pattern.prefix] as number);
  if (pattern.rexW === 1) code.push(0x48);
  if (pattern.map > 0) code.push(0x0f);
  if (pattern.map > 1) code.push(pattern.map === 2 ? 0x38 : 0x3a);
  code.push(pattern.opcode);
  if (pattern.modrm) {
    if (pattern.low >= 0) code.push(pattern.low === pattern.high ? pattern.low : pattern.low + i);
    else {
      const gpr = encoding.operands.some((o) => o.method === 'E' || o.method === 'R');
      const rm = form.mem ? 7 : 0xc0 | (gpr ? RM_GPR : RM);
      code.push(rm | ((pattern.digit >= 0 ? pattern.digit : REG) << 3));
    }
  }
  if (encoding.operands.some((o) => o.method === 'I')) code.push(imm);
  return code;
}

// ---- cases ---------------------------------------------------------------------------------------------------------

let seed = 0x9e3779b97f4a7c15n;
function random(limit: number): number {
  seed ^= seed >> 12n;
  seed = BigInt.asUintN(64, seed ^ (seed << 25n));
  seed ^= seed >> 27n;
  return Number(BigInt.asUintN(32, (seed * 0x2545f4914f6cdd1dn) >> 32n)) % limit;
}
const random64 = (): bigint => (BigInt(random(0x1_0000_0000)) << 32n) | BigInt(random(0x1_0000_0000));
const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
const chance = (percent: number): boolean => random(100) < percent;

const F64 = [
  0,
  -0,
  1,
  -1,
  0.5,
  2,
  1.5,
  -2.75,
  1e300,
  -1e300,
  1e-310,
  5e-324,
  Infinity,
  -Infinity,
  NaN,
  2147483647.5,
  -2147483649,
  1e10,
  32767.5,
];
const F32 = [
  0,
  -0,
  1,
  -1,
  0.5,
  3,
  1e38,
  -1e38,
  1e-40,
  1e-45,
  Infinity,
  -Infinity,
  NaN,
  2147483520,
  -2147483648,
  8388609.5,
];
const number = new DataView(new ArrayBuffer(16));
/** Fills 16 bytes with something that makes trouble. */
function interesting(to: DataView, offset: number): void {
  const kind = random(7);
  for (let i = 0; i < 16; i += 8) {
    if (kind === 0 || kind === 1) {
      to.setFloat64(offset + i, chance(70) ? pick(F64) : (random(2000) - 1000) / 8, true);
      if (chance(10)) to.setBigUint64(offset + i, 0x7ff0_0000_0000_0001n | (random64() & 0x8007n), true);
    } else if (kind === 2 || kind === 3) {
      for (let j = 0; j < 8; j += 4) {
        to.setFloat32(offset + i + j, chance(70) ? pick(F32) : (random(2000) - 1000) / 8, true);
        if (chance(10)) to.setUint32(offset + i + j, 0x7f80_0001 | random(0x8000), true);
      }
    } else if (kind === 4) {
      for (let j = 0; j < 8; j += 2)
        to.setUint16(offset + i + j, pick([0, 1, 0x7fff, 0x8000, 0xffff, 0x80, 0xff7f, random(0x10000)]), true);
    } else if (kind === 5) {
      for (let j = 0; j < 8; j++) to.setUint8(offset + i + j, pick([0, 0x61, 0x62, 0x63, 0x7f, 0x80, 0xff]));
    } else to.setBigUint64(offset + i, random64(), true);
  }
}
/** An 80-bit register: significand, then sign and exponent. */
function interesting80(to: DataView, offset: number): void {
  const one = 1n << 63n;
  const [significand, exponent] = pick([
    [0n, 0],
    [one, 0x3fff],
    [one, 0x7fff],
    [one | (1n << 62n), 0x7fff],
    [one | 1n, 0x7fff],
    [1n, 0],
    [one, 0],
    [one >> 1n, 0x4000],
    [one | (random64() >> 1n), 0x3fff + random(64)],
    [one | (random64() >> 1n), 0x3fff - random(64)],
    [one | ((random64() >> 40n) << 40n), 0x3fff + random(20)],
    [one | (random64() >> 1n), random(0x7fff)],
    [one | (BigInt(random(256)) << 55n), 0x4000 + random(8)],
    [random64(), random(0x8000)],
  ] as const);
  to.setBigUint64(offset, significand, true);
  to.setUint16(offset + 8, exponent | (chance(40) ? 0x8000 : 0), true);
}

const IN_BYTES = 24 + 8 + 40 + 144 + 512;
const OUT_BYTES = 8 + 40 + 144 + 512;
const FX_IN = 24 + 8 + 40 + 144;
const MEM_IN = 24 + 8 + 40;
const FX_OUT = 8 + 40 + 144;
const MEM_OUT = 8 + 40;
interface Case {
  readonly form: Form;
  readonly record: DataView;
  readonly imm: number;
  readonly i: number;
}
function makeCase(form: Form, round: number): Case {
  const record = new DataView(new ArrayBuffer(IN_BYTES));
  const i = random(8);
  const imm = chance(50) ? random(256) : random(32);
  const code = assemble(form, i, imm);
  code.push(0xc3);
  code.forEach((byte, n) => {
    record.setUint8(n, byte);
  });
  // AMD processors take SHA operands at any address, the SDM's type 4 exceptions do not.
  const only128 = form.row.encoding.feature !== 'sha' && form.operands.some((o) => o.kind === 'mem' && o.bits === 128);
  record.setUint32(24, only128 && round % 8 === 7 ? pick([1, 4, 8]) : 0, true);
  for (let r = 0; r < 4; r++)
    record.setBigUint64(32 + r * 8, chance(30) ? BigInt.asUintN(64, BigInt(random(41) - 20)) : random64(), true);
  record.setBigUint64(64, 0x202n | BigInt(random(0x1000) & 0x8d5), true);
  for (let m = 0; m < 144; m += 16) {
    if (form.instruction.name.startsWith('f') && chance(60)) interesting80(record, MEM_IN + m);
    else interesting(record, MEM_IN + m);
  }
  if (isNamed(form, 'fbld')) {
    for (let m = 0; m < 9; m++) record.setUint8(MEM_IN + m, random(10) | (random(10) << 4));
    record.setUint8(MEM_IN + 9, pick([0, 0x80]));
  }
  if (isNamed(form, 'ldmxcsr')) record.setUint32(MEM_IN, chance(80) ? random(0x10000) : random(0x8000_0000), true);
  // x87 and SSE image
  const masks = chance(70) ? 0x3f : random(64);
  record.setUint16(FX_IN, 0x40 | masks | (pick([0, 2, 3, 3]) << 8) | (random(4) << 10), true);
  const sticky = random(64) & masks;
  record.setUint16(
    FX_IN + 2,
    sticky | (chance(20) && sticky & 1 ? 0x40 : 0) | (random(8) << 11) | (random(0x4800) & 0x4700),
    true,
  );
  record.setUint8(FX_IN + 4, pick([0xff, 0xff, 0, random(256), 0x7f << random(2)]));
  const mmx = form.operands.some((o) => o.kind === 'mmx');
  for (let r = 0; r < 8; r++) {
    interesting80(record, FX_IN + 32 + r * 16);
    if (mmx) {
      interesting(number, 0);
      record.setBigUint64(FX_IN + 32 + r * 16, number.getBigUint64(0, true), true);
    }
  }
  // Outside (-1, 1) the results of F2XM1 and FYL2XP1 are undefined.
  if (isNamed(form, 'f2xm1', 'fyl2xp1')) {
    const exponent = record.getUint16(FX_IN + 32 + 8, true);
    if ((exponent & 0x7fff) > 0x3ffb)
      record.setUint16(FX_IN + 32 + 8, (exponent & 0x8000) | (0x3ff0 + random(11)), true);
  }
  const sseMasks = chance(75) ? 0x1f80 : random(64) << 7;
  record.setUint32(FX_IN + 24, random(64) | sseMasks | (random(4) << 13) | pick([0, 0, 0, 0x40, 0x8000, 0x8040]), true);
  for (let r = 0; r < 4; r++) interesting(record, FX_IN + 160 + r * 16);
  return { form, record, imm, i };
}

// ---- running on both -----------------------------------------------------------------------------------------------

interface Result {
  readonly signal: number;
  readonly gpr: readonly bigint[];
  readonly flags: number;
  readonly mem: Uint8Array;
  readonly fcw: number;
  readonly fsw: number;
  readonly ftags: number;
  readonly mxcsr: number;
  /** ST(0)..ST(7), ten bytes each, in hexadecimal, most significant first. */
  readonly st: readonly string[];
  readonly xmm: readonly string[];
}
const hexOf = (data: DataView, offset: number, size: number): string => {
  let text = '';
  for (let n = size - 1; n >= 0; n--)
    text += data
      .getUint8(offset + n)
      .toString(16)
      .padStart(2, '0');
  return text;
};
function resultOfHost(out: DataView): Result {
  return {
    signal: out.getUint32(0, true),
    gpr: [0, 1, 2, 3].map((r) => out.getBigUint64(8 + r * 8, true)),
    flags: Number(out.getBigUint64(40, true) & 0x8d5n),
    mem: new Uint8Array(out.buffer, out.byteOffset + MEM_OUT, 144).slice(),
    fcw: out.getUint16(FX_OUT, true),
    fsw: out.getUint16(FX_OUT + 2, true),
    ftags: out.getUint8(FX_OUT + 4),
    mxcsr: out.getUint32(FX_OUT + 24, true),
    st: [0, 1, 2, 3, 4, 5, 6, 7].map((r) => hexOf(out, FX_OUT + 32 + r * 16, 10)),
    xmm: [0, 1, 2, 3].map((r) => hexOf(out, FX_OUT + 160 + r * 16, 16)),
  };
}
const SIGNAL_OF_VECTOR: Record<number, number> = { 6: 4, 13: 11, 19: 8 };

function runHere(c: Case, run: Procedure): Result {
  const { record } = c;
  const offset = record.getUint32(24, true);
  for (let r = 0; r < 4; r++) view.setBigUint64(ST + gprOffset(r), record.getBigUint64(32 + r * 8, true), true);
  view.setBigUint64(ST + gprOffset(7), BigInt(LINEAR_PAGE + BUFFER + offset), true);
  setU32('flagsKind', 0);
  setU64('flagsA', record.getBigUint64(64, true) & 0x8d5n);
  for (let m = 0; m < 144; m++) bytes[HOST_PAGE + BUFFER + m] = record.getUint8(MEM_IN + m);
  setU32('fcw', record.getUint16(FX_IN, true));
  setU32('fsw', record.getUint16(FX_IN + 2, true));
  setU32('ftags', record.getUint8(FX_IN + 4));
  setU32('mxcsr', record.getUint32(FX_IN + 24, true));
  const top = (u32('fsw') >> 11) & 7;
  for (let r = 0; r < 8; r++) {
    const to = ST + fprOffset((top + r) & 7);
    for (let n = 0; n < 10; n++) bytes[to + n] = record.getUint8(FX_IN + 32 + r * 16 + n);
  }
  for (let r = 0; r < 4; r++)
    for (let n = 0; n < 16; n++) bytes[ST + xmmOffset(r) + n] = record.getUint8(FX_IN + 160 + r * 16 + n);
  view.setUint8(ST + at('eaTmp'), c.imm);
  view.setUint8(ST + at('eaTmp') + 1, c.i);
  const status = Number(run(ST));
  const vector = u32('exceptionVector');
  const newTop = (u32('fsw') >> 11) & 7;
  return {
    signal: status === 0 ? 0 : (SIGNAL_OF_VECTOR[vector] ?? 100 + vector),
    gpr: [0, 1, 2, 3].map((r) => view.getBigUint64(ST + gprOffset(r), true)),
    flags: Number(procedures.flags_get!()) & 0x8d5,
    mem: bytes.slice(HOST_PAGE + BUFFER, HOST_PAGE + BUFFER + 144),
    fcw: u32('fcw'),
    fsw: u32('fsw'),
    ftags: u32('ftags'),
    mxcsr: u32('mxcsr'),
    st: [0, 1, 2, 3, 4, 5, 6, 7].map((r) => hexOf(view, ST + fprOffset((newTop + r) & 7), 10)),
    xmm: [0, 1, 2, 3].map((r) => hexOf(view, ST + xmmOffset(r), 16)),
  };
}

// ---- the comparison ------------------------------------------------------------------------------------------------

const TRANSCENDENTAL = new Set(['f2xm1', 'fyl2x', 'fyl2xp1', 'fptan', 'fpatan', 'fsin', 'fcos', 'fsincos']);
/** Condition codes that the manual leaves undefined, by instruction; the others leave C0, C2, C3 undefined. */
const DEFINED: Record<string, number> = {
  fprem: 0x4700,
  fprem1: 0x4700,
  fxam: 0x4700,
  ftst: 0x4700,
  fcom: 0x4700,
  fcomp: 0x4700,
  fcompp: 0x4700,
  fucom: 0x4700,
  fucomp: 0x4700,
  fucompp: 0x4700,
  ficom: 0x4700,
  ficomp: 0x4700,
  fcomi: 0,
  fcomip: 0,
  fucomi: 0,
  fucomip: 0,
  ffree: 0,
  ffreep: 0,
  fsin: 0x600,
  fcos: 0x600,
  fptan: 0x600,
  fsincos: 0x600,
  fldenv: 0x4700,
  frstor: 0x4700,
  fninit: 0x4700,
  fnsave: 0x4700,
};
/** Bytes of memory that differ for a reason (instruction and data pointers, FOP). */
function maskMemory(form: Form, mem: Uint8Array): Uint8Array {
  if (isNamed(form, 'fnstenv', 'fnsave')) mem.fill(0, isShortImage(form) ? 6 : 12, isShortImage(form) ? 14 : 28);
  return mem;
}
/** Equal but for the last bits of an approximation: 20-digit hexadecimal numbers. */
function close(a: string, b: string): boolean {
  const place = (text: string): bigint => {
    const significand = BigInt(`0x${text.slice(4)}`);
    const exponent = Number.parseInt(text.slice(0, 4), 16) & 0x7fff;
    return (BigInt(Math.max(exponent, 1)) << 63n) + significand;
  };
  const distance = place(a) - place(b);
  const sameSign = /^[89a-f]/.test(a) === /^[89a-f]/.test(b);
  return sameSign && distance > -(1n << 24n) && distance < 1n << 24n;
}
function differences(c: Case, host: Result, here: Result): string[] {
  const { form } = c;
  const { name } = form.instruction;
  const list: string[] = [];
  const check = (what: string, a: unknown, b: unknown): void => {
    if (a !== b) list.push(`${what}: host ${String(a)}, here ${String(b)}`);
  };
  const x = (n: number): string => n.toString(16);
  check('signal', host.signal, here.signal);
  host.gpr.forEach((v, r) => {
    check(
      `gpr ${r}`,
      x(Number(v >> 32n)) + x(Number(v & 0xffffffffn)),
      x(Number((here.gpr[r] as bigint) >> 32n)) + x(Number((here.gpr[r] as bigint) & 0xffffffffn)),
    );
  });
  check('flags', x(host.flags), x(here.flags));
  check('mxcsr', x(host.mxcsr), x(here.mxcsr));
  check(
    'mem',
    Buffer.from(maskMemory(form, host.mem)).toString('hex'),
    Buffer.from(maskMemory(form, here.mem)).toString('hex'),
  );
  check('fcw', x(host.fcw), x(here.fcw));
  check('ftags', x(host.ftags), x(here.ftags));
  const isX87 = X87.includes(form.instruction);
  const conditions = isX87 ? (DEFINED[name] ?? 0x200) : 0x4700;
  const rough = TRANSCENDENTAL.has(name);
  const statusMask = (0xb8ff | conditions) & ~(rough ? 0x82b8 : 0);
  check('fsw', x(host.fsw & statusMask), x(here.fsw & statusMask));
  host.st.forEach((v, r) => {
    check(`st${r}`, v, rough && close(v, here.st[r] as string) ? v : here.st[r]);
  });
  if (!name.startsWith('rcp') && !name.startsWith('rsqrt')) {
    host.xmm.forEach((v, r) => {
      check(`xmm${r}`, v, here.xmm[r]);
    });
  }
  return list;
}

function compileHarness(): string | null {
  if (process.arch !== 'x64' || process.platform !== 'linux') return null;
  const folder = mkdtempSync(join(tmpdir(), 'host-instruction-'));
  const program = join(folder, 'host-instruction');
  const gcc = spawnSync('gcc', ['-O1', '-mno-red-zone', '-o', program, 'src/processor/reference/host-instruction.c'], {
    encoding: 'utf8',
  });
  if (gcc.error) return null;
  assert.equal(gcc.status, 0, gcc.stderr);
  return program;
}
const harness = compileHarness();
/** SHA extensions are rarer than the rest; without them the known answers in tests/cpuid remain. */
const hostHasSha = harness !== null && / sha_ni\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));
const onHost = (form: Form): boolean => hostHasSha || form.row.encoding.feature !== 'sha';

/** State that does not change from case to case. */
function setUp(): void {
  const index = (LINEAR_PAGE >>> 12) & (TLB_ENTRIES - 1);
  const entry = ST + AREA.tlbSupervisor + index * TLB_ENTRY.sizeBytes;
  view.setBigUint64(entry + TLB_ENTRY.readTag, BigInt(LINEAR_PAGE), true);
  view.setBigUint64(entry + TLB_ENTRY.writeTag, BigInt(LINEAR_PAGE), true);
  view.setUint32(entry + TLB_ENTRY.addend, (HOST_PAGE - LINEAR_PAGE) >>> 0, true);
  setU32('tlb', ST + AREA.tlbSupervisor);
  setU32('modeKey', 2 | 4 | 8 | 0x20);
  setU32('lma', 1);
  setU64('cr0', 0x8000_0033n);
  setU64('cr4', 0x620n);
  setU64('rflags', 2n);
}

const only = process.env.PCANEL_FLOAT_ONLY;
describe('float instructions on the host processor', { skip: harness === null && 'needs gcc on x86-64 Linux' }, () => {
  for (const [title, instructions] of [
    ['MMX', MMX],
    ['SSE', SSE],
    ['x87', X87],
  ] as const) {
    test(title, () => {
      setUp();
      const forms = formsOf(instructions).filter(
        (f) => onHost(f) && (only === undefined || only === f.instruction.name),
      );
      const module = new ModuleBuilder();
      const imports = importProcedures(module);
      const conditions = addConditionFunctions(module);
      forms.forEach((form, n) => {
        const f = module.function(['i32'], ['i32'], `f${n}`);
        const facts: StaticFacts = {
          opBits: form.opBits,
          addrBits: 64,
          long: true,
          stackBits: 64,
          rep: 'none',
          flat: true,
          aligned: form.row.encoding.aligned === true,
        };
        const binding = new FixedBinding(facts, form, 0);
        const s = new WasmSem(f, imports, binding, 0, conditions);
        s.begin(binding);
        form.instruction.execute(s, ...form.operands);
        f.i32(0);
      });
      const missing =
        (name: string): Procedure =>
        () => {
          throw new Error(`${name} called`);
        };
      const functions: Record<string, Procedure> = {};
      for (const name of imports.keys()) functions[name] = CHECKS[name] ?? procedures[name] ?? missing(name);
      functions.raise_exception = (vector) => raise(Number(vector));
      functions.segment_address = (_segment, address) => {
        setU64('segmentTmp', BigInt.asUintN(64, address as bigint));
        return 0;
      };
      const instance = new WebAssembly.Instance(new WebAssembly.Module(module.finish() as Uint8Array<ArrayBuffer>), {
        env: { memory },
        procedures: functions,
      }).exports as unknown as Record<string, Procedure>;

      const cases = forms.flatMap((form) => Array.from({ length: CASES }, (_, round) => makeCase(form, round)));
      const input = Buffer.concat(cases.map((c) => Buffer.from(c.record.buffer)));
      const host = spawnSync(harness as string, [], { input, maxBuffer: 1 << 30 });
      assert.equal(host.status, 0, 'host-instruction failed');
      assert.equal(host.stdout.length, cases.length * OUT_BYTES);
      const failures = new Map<string, { count: number; first: string }>();
      cases.forEach((c, n) => {
        const out = new DataView(host.stdout.buffer, host.stdout.byteOffset + n * OUT_BYTES, OUT_BYTES);
        const expected = resultOfHost(out);
        const here = runHere(c, instance[`f${forms.indexOf(c.form)}`] as Procedure);
        const different = differences(c, expected, here);
        if (different.length === 0) return;
        const name = `${c.form.instruction.name} '${c.form.row.encoding.opcode}' ${c.form.mem ? 'memory' : 'register'}`;
        const entry = failures.get(name) ?? { count: 0, first: describeCase(c, different) };
        entry.count++;
        failures.set(name, entry);
      });
      const report = [...failures].map(
        ([name, { count, first }]) => `${name}: ${count} of ${CASES} cases differ, first:\n${first}`,
      );
      assert.equal(failures.size, 0, report.join('\n'));
    });
  }
});
function describeCase(c: Case, different: string[]): string {
  const { record } = c;
  const gprs = [0, 1, 2, 3].map((r) => record.getBigUint64(32 + r * 8, true).toString(16)).join(' ');
  const fx = (offset: number, size: number): string => hexOf(record, FX_IN + offset, size);
  const code = assemble(c.form, c.i, c.imm)
    .map((b) => b.toString(16).padStart(2, '0'))
    .join(' ');
  return [
    ...different.map((d) => `    ${d}`),
    `    code ${code} offset ${record.getUint32(24, true)} gpr ${gprs} flags ${record.getBigUint64(64, true).toString(16)}`,
    `    fcw ${fx(0, 2)} fsw ${fx(2, 2)} tags ${fx(4, 1)} mxcsr ${fx(24, 4)} mem ${hexOf(record, MEM_IN, 32)}`,
    `    st ${[0, 1, 2].map((r) => fx(32 + r * 16, 10)).join(' ')} st7 ${fx(32 + 7 * 16, 10)}`,
    `    xmm ${[0, 1, 2].map((r) => fx(160 + r * 16, 16)).join(' ')}`,
  ].join('\n');
}
