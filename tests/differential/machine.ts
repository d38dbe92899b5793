// Two small guests in lockstep: the interpreter and the reference evaluator on equal copies of state and memory. Low memory
// holds tables, stack, code and data of every processor mode; above it lies MMIO. Intel SDM Vol. 3A, "Protected-Mode
// Memory Management", "Paging".
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileModules, JIT_MODES, type JitMode, SoftwareEngine } from '../../src/processor/index.js';
import { type Evaluator, layoutFields, optionsOf, referenceVcpu } from '../../src/processor/testing.js';
import {
  type CpuState,
  type EngineVm,
  longModeState,
  realModeState,
  type SegmentName,
  type Vcpu,
  type VmExit,
} from '../../src/vmx/index.js';
import { plainControls } from '../../src/vmx/testing.js';
import type { Random } from './encode.js';

/** dist folder: this file runs from <dist>/tests/differential. */
const dist = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const modules = await compileModules({
  procedures: readFileSync(join(dist, 'procedures.wasm')),
  interpreter: readFileSync(join(dist, 'interpreter.wasm')),
});

export const RAM_BYTES = 0x20000;
export const HANDLER = 0x9000;
export const CODE = 0xa000;
export const DATA = 0xc000;
export const DATA_END = 0x10000;
export const STACK = 0x7000;
export const STACK_END = 0x9000;
const PAGE_TABLE = 0x4000;
const GDT = 0x5000;
const TSS = 0x5800;
const IDT = 0x6000;
/** Long mode: linear page of MMIO, a read-only page, a supervisor page, a page that is not present. */
export const MMIO_PAGE = 0x10000;
export const READ_ONLY_PAGE = 0xe000;
export const ABSENT_PAGE = 0x11000;

const HLT = 0xf4;
export const MODES = ['long0', 'long3', 'flat0', 'flat3', 'segmented32', 'segmented16', 'real', 'v86'] as const;
export type Mode = (typeof MODES)[number];
export const codeBitsOf = (mode: Mode): 16 | 32 | 64 =>
  mode.startsWith('long') ? 64 : mode === 'flat0' || mode === 'flat3' || mode === 'segmented32' ? 32 : 16;
/** Base of the data segments (and of CS) in segmented and real modes. */
export const SEGMENTED_BASE = 0x40n;

const CPL_OF: Record<Mode, number> = {
  long0: 0,
  long3: 3,
  flat0: 0,
  flat3: 3,
  segmented32: 0,
  segmented16: 0,
  real: 0,
  v86: 3,
};

/** Memory at the start of every case of a mode. */
function buildImage(mode: Mode): Uint8Array {
  const image = new Uint8Array(RAM_BYTES);
  const view = new DataView(image.buffer);
  const u64 = (at: number, v: bigint): void => view.setBigUint64(at, v, true);
  // real-mode vectors
  for (let n = 0; n < 256; n++) view.setUint32(n * 4, mode === 'real' ? HANDLER : 0, true);
  // page tables: identity, user-accessible
  u64(0x1000, 0x2007n);
  u64(0x2000, 0x3007n);
  u64(0x3000, BigInt(PAGE_TABLE) | 7n);
  for (let n = 0; n < 0x20; n++) u64(PAGE_TABLE + n * 8, BigInt(n * 4096) | 7n);
  u64(PAGE_TABLE + (READ_ONLY_PAGE >> 12) * 8, BigInt(READ_ONLY_PAGE) | 5n);
  u64(PAGE_TABLE + (MMIO_PAGE >> 12) * 8, 0xfee0_0007n);
  u64(PAGE_TABLE + (ABSENT_PAGE >> 12) * 8, 0n);
  // descriptors: 8 code, 10 data, 1b user code, 23 user data, 28 TSS (16 bytes), 38 code 16, 40 data with limit, 48 LDT
  const long = mode.startsWith('long');
  const code = long ? 0x00af_9a00_0000_ffffn : 0x00cf_9a00_0000_ffffn;
  const userCode = long ? 0x00af_fa00_0000_ffffn : 0x00cf_fa00_0000_ffffn;
  [0n, code, 0x00cf_9200_0000_ffffn, userCode, 0x00cf_f200_0000_ffffn].forEach((d, i) => {
    u64(GDT + i * 8, d);
  });
  const tss = 0x0000_8b00_0000_0067n | ((BigInt(TSS) & 0xffffffn) << 16n);
  u64(GDT + 0x28, tss);
  u64(GDT + 0x38, 0x0000_9a00_0040_ffffn | 0n);
  u64(GDT + 0x40, 0x0000_9200_0040_ffffn | 0n);
  u64(GDT + 0x48, 0x0000_8200_0000_ffffn);
  if (long) {
    u64(TSS + 4, BigInt(STACK_END - 0x800));
    for (let n = 0; n < 256; n++) {
      u64(IDT + n * 16, BigInt(HANDLER & 0xffff) | (8n << 16n) | (0xee00n << 32n));
      u64(IDT + n * 16 + 8, 0n);
    }
  } else {
    view.setUint32(TSS + 4, STACK_END - 0x800, true);
    view.setUint32(TSS + 8, 0x10, true);
    view.setUint16(TSS + 0x66, 0xffff, true);
    for (let n = 0; n < 256; n++) u64(IDT + n * 8, BigInt(HANDLER & 0xffff) | (8n << 16n) | (0xee00n << 32n));
  }
  image.fill(HLT, HANDLER, CODE + 0x2000);
  for (let i = DATA; i < DATA_END; i++) image[i] = (i * 37 + (i >> 8) * 11) & 0xff;
  for (let i = STACK; i < STACK_END; i++) image[i] = (i * 13) & 0xff;
  for (let i = DATA_END; i < RAM_BYTES; i++) image[i] = (i * 29) & 0xff;
  return image;
}
const IMAGES = new Map<Mode, Uint8Array>(MODES.map((mode) => [mode, buildImage(mode)]));

/** State before registers are made random. */
export function modeState(mode: Mode): CpuState {
  const s = mode.startsWith('long') ? longModeState(BigInt(CODE), 0x1000) : realModeState();
  const cpl = CPL_OF[mode];
  const set = (name: SegmentName, selector: number, base: bigint, limit: number, accessRights: number): void => {
    s.segments[name] = { selector, base, limit, accessRights };
  };
  const data: SegmentName[] = ['es', 'ss', 'ds', 'fs', 'gs'];
  s.rip = BigInt(CODE);
  s.gdtr = { base: BigInt(GDT), limit: 0x4f };
  s.cr0 = s.cr0 | 0x22n;
  s.cr4 |= 0x600n;
  if (mode !== 'real') {
    s.cr0 |= 1n;
    s.idtr = { base: BigInt(IDT), limit: mode.startsWith('long') ? 0xfff : 0x7ff };
    set('tr', 0x28, BigInt(TSS), 0x67, 0x8b);
    set('ldtr', 0, 0n, 0, 0x10000);
  } else s.idtr = { base: 0n, limit: 0x3ff };
  const dpl = cpl << 5;
  switch (mode) {
    case 'long0':
    case 'long3':
      set('cs', 8 + (cpl ? 0x13 : 0), 0n, 0xffff_ffff, 0xa09b | dpl);
      for (const name of data) set(name, 0x10 + (cpl ? 0x13 : 0), 0n, 0xffff_ffff, 0xc093 | dpl);
      break;
    case 'flat0':
    case 'flat3':
      set('cs', 8 + (cpl ? 0x13 : 0), 0n, 0xffff_ffff, 0xc09b | dpl);
      for (const name of data) set(name, 0x10 + (cpl ? 0x13 : 0), 0n, 0xffff_ffff, 0xc093 | dpl);
      break;
    case 'segmented32':
      set('cs', 8, SEGMENTED_BASE, 0xffff, 0x409b);
      for (const name of data) set(name, 0x40, SEGMENTED_BASE, 0xffff, 0x4093);
      break;
    case 'segmented16':
      set('cs', 0x38, SEGMENTED_BASE, 0xffff, 0x9b);
      for (const name of data) set(name, 0x40, SEGMENTED_BASE, 0xffff, 0x93);
      break;
    case 'real':
    case 'v86':
      for (const name of ['cs', ...data] as const)
        set(
          name,
          Number(SEGMENTED_BASE >> 4n),
          SEGMENTED_BASE,
          0xffff,
          mode === 'v86' ? 0xf3 : name === 'cs' ? 0x9b : 0x93,
        );
      if (mode === 'v86') s.rflags |= 0x20000n;
      break;
  }
  if (codeBitsOf(mode) !== 64 && !mode.startsWith('flat')) s.rip -= SEGMENTED_BASE;
  return s;
}

export interface RunResult {
  /** Exits in order, as text. */
  readonly exits: string[];
  readonly state: CpuState;
  readonly instructions: number;
  readonly ram: Uint8Array;
}
/** One guest: RAM, a vCPU, and what is needed to start it afresh. */
export class Guest {
  private constructor(
    readonly vm: EngineVm,
    readonly vcpu: Vcpu,
    readonly evaluator: Evaluator | null,
    readonly ram: Uint8Array,
    private readonly forget: () => void,
  ) {}
  /** `how`: by the reference evaluator, or by the processor in one of its JIT modes. */
  static async create(how: 'reference' | JitMode): Promise<Guest> {
    const reference = how === 'reference';
    const vm = await new SoftwareEngine(modules, JIT_MODES[reference ? 'off' : how]).createVm({
      memoryBytes: RAM_BYTES,
      vcpus: 1,
      time: 'virtual',
      tscHz: 1e9,
      nowNs: () => 0,
    });
    const own = vm.vcpus[0] as Vcpu;
    const { memory, procedures, area } = optionsOf(own);
    const retired = new DataView(
      memory.buffer,
      area + (layoutFields().find((f) => f.name === 'retired')?.offset ?? 0),
      8,
    );
    const slot = vm.memory.slots[0];
    if (slot === undefined) throw new RangeError('no memory slot');
    const ram = new Uint8Array(memory.buffer, slot.bufferOffset, RAM_BYTES);
    const driven = reference ? referenceVcpu(own) : null;
    return new Guest(vm, driven?.vcpu ?? own, driven?.evaluator ?? null, ram, () => {
      procedures.flush_blocks();
      retired.setBigUint64(0, 0n, true);
    });
  }
  /** Loads memory and state. */
  load(image: Uint8Array, state: CpuState, exceptionBitmap: number): void {
    this.ram.set(image);
    this.forget();
    const { controls } = this.vcpu;
    const plain = plainControls();
    controls.primary = plain.primary;
    controls.secondary = plain.secondary;
    controls.exceptionBitmap = exceptionBitmap;
    controls.ioBitmap.fill(0xff);
    controls.msrBitmap.fill(0xff);
    this.vcpu.applyControls();
    this.vcpu.writeState(state);
  }
  /** Runs at most `budget` instructions and `maxExits` exits, answering exits in a fixed way. */
  run(budget: number, maxExits = 12): RunResult {
    const { vcpu } = this;
    const exits: string[] = [];
    const start = vcpu.counters.instructions;
    for (let n = 0; n < maxExits; n++) {
      const left = budget - (vcpu.counters.instructions - start);
      if (left <= 0) break;
      const exit = vcpu.enter(left);
      exits.push(exitText(exit));
      if (!answer(vcpu, exit, n)) break;
    }
    return { exits, state: vcpu.readState(), instructions: vcpu.counters.instructions - start, ram: this.ram };
  }
}
const exitText = (exit: VmExit): string =>
  JSON.stringify(exit, (_k, v: unknown) => (typeof v === 'bigint' ? `0x${v.toString(16)}` : v));
/** Lets the guest go on after an exit; false: the run ends. */
function answer(vcpu: Vcpu, exit: VmExit, n: number): boolean {
  switch (exit.name) {
    case 'ioInstruction':
      if (exit.isIn)
        vcpu.completeRead(BigInt((exit.port * 77 + n * 5) >>> 0) & ((1n << BigInt(exit.sizeBytes * 8)) - 1n));
      else vcpu.completeWrite();
      return true;
    case 'eptViolation':
      if (exit.isWrite) vcpu.completeWrite();
      else vcpu.completeRead(BigInt.asUintN(exit.sizeBytes * 8, 0x0123456789abcdefn * BigInt(n + 3)));
      return true;
    case 'cpuid':
      vcpu.writeGpr(0, 0x11111111n);
      vcpu.writeGpr(3, 0x22222222n);
      vcpu.skipInstruction();
      return true;
    case 'rdmsr':
      vcpu.completeRead(0x1122334455667788n);
      return true;
    case 'wrmsr':
    case 'controlRegisterAccess':
    case 'movDr':
      vcpu.completeWrite();
      return true;
    default:
      return false;
  }
}

export const imageOf = (mode: Mode): Uint8Array => (IMAGES.get(mode) as Uint8Array).slice();

const F64_SPECIALS = [
  0n,
  0x8000000000000000n,
  0x3ff0000000000000n,
  0xbff8000000000000n,
  0x7ff0000000000000n,
  0xfff0000000000000n,
  0x7ff8000000000000n,
  0x7ff4000000000001n,
  1n,
  0x000fffffffffffffn,
  0x7fefffffffffffffn,
  0x4059000000000000n,
  0x41dfffffffc00000n,
];
const F32_SPECIALS = [
  0n,
  0x80000000n,
  0x3f800000n,
  0xbfc00000n,
  0x7f800000n,
  0xff800000n,
  0x7fc00000n,
  0x7fa00000n,
  1n,
  0x007fffffn,
  0x7f7fffffn,
  0x42c80000n,
  0x4effffffn,
];
export function randomXmm(r: Random): bigint {
  const quad = (): bigint => {
    switch (r.below(5)) {
      case 0:
        return r.pick(F64_SPECIALS);
      case 1:
        return r.pick(F32_SPECIALS) | (r.pick(F32_SPECIALS) << 32n);
      case 2:
        // a moderate double
        return (BigInt(1023 - 8 + r.below(40)) << 52n) | (r.u64() & 0x800fffffffffffffn);
      case 3: {
        const single = (): bigint =>
          (BigInt(127 - 8 + r.below(30)) << 23n) | BigInt(r.u32() & 0x7fffff) | (BigInt(r.below(2)) << 31n);
        return single() | (single() << 32n);
      }
      default:
        return r.interesting();
    }
  };
  return quad() | (quad() << 64n);
}
const F80_SPECIALS = [
  0n,
  1n << 79n,
  (0x3fffn << 64n) | (1n << 63n),
  (0xbfffn << 64n) | (3n << 62n),
  (0x7fffn << 64n) | (1n << 63n),
  (0xffffn << 64n) | (1n << 63n),
  (0x7fffn << 64n) | (3n << 62n),
  (0x7fffn << 64n) | (5n << 61n),
  1n,
  (1n << 63n) - 1n,
  (0x4000n << 64n) | 1n,
  (0x7ffen << 64n) | ((1n << 64n) - 1n),
];
export function randomF80(r: Random): bigint {
  switch (r.below(6)) {
    case 0:
      return r.pick(F80_SPECIALS);
    case 1:
      return ((r.u64() & 0xffffn) << 64n) | r.u64();
    case 2:
      return (0xffffn << 64n) | r.u64(); // as MMX leaves it
    default:
      return ((BigInt(0x3fff - 20 + r.below(90)) | (BigInt(r.below(2)) << 15n)) << 64n) | (1n << 63n) | r.u64();
  }
}

/** Fills the registers that are not part of the mode. */
export function randomize(s: CpuState, r: Random, mode: Mode): void {
  const long = mode.startsWith('long');
  const bits = long ? 64 : 32;
  for (let n = 0; n < 16; n++) {
    let v = r.chance(25) ? BigInt(DATA + r.below(DATA_END - DATA - 64)) : r.interesting();
    v = BigInt.asUintN(bits, v);
    s.gpr[n] = n >= 8 && !long ? 0n : v;
  }
  if (r.chance(95))
    s.gpr[4] =
      BigInt(STACK + 0x200 + r.below(STACK_END - STACK - 0xa00) - (r.chance(85) ? 0 : 1)) & ~(r.chance(80) ? 15n : 0n);
  const flags = BigInt(r.u32()) & 0x8d5n;
  s.rflags = (s.rflags & 0x20000n) | flags | 2n | (r.chance(30) ? 0x400n : 0n) | (r.chance(50) ? 0x200n : 0n);
  if (r.chance(40)) s.rflags |= BigInt(r.below(4)) << 12n;
  s.fpu.xmm = s.fpu.xmm.map((_, n) => (n >= 8 && !long ? 0n : randomXmm(r)));
  s.fpu.registers = s.fpu.registers.map(() => randomF80(r));
  s.fpu.mxcsr =
    (r.chance(90) ? 0x1f80 : r.below(64) << 7) |
    (r.below(4) << 13) |
    (r.chance(10) ? 0x8000 : 0) |
    (r.chance(10) ? 0x40 : 0) |
    (r.chance(20) ? r.below(64) : 0);
  s.fpu.fcw = (r.chance(90) ? 0x7f : 0x40 | r.below(64)) | (r.pick([0, 2, 3, 3, 3]) << 8) | (r.below(4) << 10);
  s.fpu.fsw = (r.below(8) << 11) | (r.chance(30) ? r.u32() & 0x4700 : 0);
  s.fpu.ftw = r.chance(60) ? 0 : r.chance(50) ? 0xffff : r.u32() & 0xffff;
  if (r.chance(2)) s.cr0 |= 8n;
  if (r.chance(1)) s.cr0 |= 4n;
  if (long) {
    s.segments.fs.base = r.chance(50) ? 0n : BigInt(r.below(64) * 8);
    s.segments.gs.base = r.chance(50) ? 0n : BigInt(r.below(64) * 8);
    if (r.chance(60)) s.cr4 |= 0x10000n;
  }
}

const text = (v: unknown): string =>
  JSON.stringify(v, (_k, x: unknown) => (typeof x === 'bigint' ? `0x${x.toString(16)}` : x));
/** Differences between two results, empty when equal. */
export function differences(a: RunResult, b: RunResult): string[] {
  const found: string[] = [];
  if (text(a.exits) !== text(b.exits)) found.push(`exits ${a.exits.join(' ')} / ${b.exits.join(' ')}`);
  if (a.instructions !== b.instructions) found.push(`instructions ${a.instructions} / ${b.instructions}`);
  const walk = (path: string, x: unknown, y: unknown): void => {
    if (typeof x === 'object' && x !== null && typeof y === 'object' && y !== null) {
      for (const key of Object.keys(x))
        walk(`${path}.${key}`, (x as Record<string, unknown>)[key], (y as Record<string, unknown>)[key]);
    } else if (x !== y) found.push(`${path.slice(1)} ${text(x)} / ${text(y)}`);
  };
  walk('', a.state, b.state);
  if (Buffer.compare(a.ram, b.ram) !== 0) {
    let shown = 0;
    for (let i = 0; i < RAM_BYTES && shown < 8; i++)
      if (a.ram[i] !== b.ram[i]) {
        found.push(`memory ${i.toString(16)}: ${a.ram[i]?.toString(16)} / ${b.ram[i]?.toString(16)}`);
        shown++;
      }
  }
  return found;
}
