// Engine conformance suite: runs tiny guests on an engine and compares the stream of VM exits and the results in memory.
// Pure: the test function is handed in, so that node:test and a browser page can run it on any engine.
import { AccessRights, encodeDescriptor } from '../arch/index.js';
import { type ConformanceGuest, type ConformanceRun, same } from './conformance-guest.js';
import { CONFORMANCE_GUESTS } from './conformance-guests.js';
import { Primary, Secondary } from './controls.js';
import type { CpuState } from './cpu-state.js';
import { cloneState, flatProtectedState, longModeState, realModeState } from './default-state.js';
import type { Engine, EngineVm, Vcpu } from './engine.js';
import { checkGuestState } from './entry-checks.js';
import type { VmExit } from './exits.js';

/** What of node:test is used. */
export type TestFunction = (
  name: string,
  body: (context: { skip(reason: string): void }) => Promise<void> | void,
) => unknown;

export interface ConformanceOptions {
  /** Guests (or the other tests) that this engine cannot run, by name, with the reason. */
  readonly unsupported?: Readonly<Record<string, string>>;
  /** Default `virtual`. */
  readonly time?: 'real' | 'virtual';
}

const MEMORY_BYTES = 2 << 20;
const CODE = 0x1000;
const HANDLERS = 0x2000;
const HANDLER_STRIDE = 0x40;
const GDT = 0x5000;
const IDT = 0x6000;
const STACK = 0x9000;
const PAGE_TABLES = 0x10000;
const BUDGET = 1_000_000;
/** In real time a busy host may take the thread away for long: ten seconds at 1 GHz. */
const REAL_BUDGET = 10_000_000_000;
const MOST_EXITS = 200;

/** The bytes of "hex assembly" lines. */
export const machineCode = (lines: readonly string[]): Uint8Array =>
  Uint8Array.from(lines.flatMap((l) => (l.split(' ', 1)[0]?.match(/../g) ?? []).map((h) => Number.parseInt(h, 16))));

/** One line per exit with all that an engine must get right; equal lines from two engines mean equal exits. */
export function describeExit(exit: VmExit): string {
  switch (exit.name) {
    case 'ioInstruction': {
      const how = `${exit.isString ? ' string' : ''}${exit.isRep ? ' rep' : ''}`;
      const value = exit.isIn ? '' : ` ${exit.value.toString(16)}`;
      return `${exit.isIn ? 'in' : 'out'} ${exit.port.toString(16)} ${exit.sizeBytes}${value}${how}`;
    }
    case 'eptViolation': {
      const value = exit.isWrite ? ` ${exit.value.toString(16)}` : '';
      return `mmio ${exit.isWrite ? 'write' : 'read'} ${exit.gpa.toString(16)} ${exit.sizeBytes}${value}`;
    }
    case 'cpuid':
      return `cpuid ${exit.leaf.toString(16)} ${exit.subleaf.toString(16)}`;
    case 'rdmsr':
      return `rdmsr ${exit.index.toString(16)}`;
    case 'wrmsr':
      return `wrmsr ${exit.index.toString(16)} ${exit.value.toString(16)}`;
    case 'controlRegisterAccess':
      if (exit.access === 'clts') return `cr${exit.register} clts`;
      return `cr${exit.register} ${exit.access} ${exit.access === 'movFrom' ? exit.gpr : exit.value.toString(16)}`;
    case 'movDr':
      return `dr${exit.register} ${exit.isWrite ? 'write' : 'read'} ${exit.gpr}`;
    case 'exceptionOrNmi': {
      const error = exit.hasErrorCode ? ` error ${exit.errorCode.toString(16)}` : '';
      return `exception ${exit.vector}${error}${exit.vector === 14 ? ` address ${exit.address.toString(16)}` : ''}`;
    }
    case 'entryFailureGuestState':
      return `entryFailureGuestState: ${exit.failed.join('; ')}`;
    case 'internalError':
      return `internalError: ${exit.message}`;
    case 'invlpg':
    case 'pause':
    case 'wbinvd':
    case 'rdtsc':
    case 'rdtscp':
    case 'vmcall':
    case 'xsetbv':
      return `${exit.name} ${exit.qualification.toString(16)}`;
    default:
      return exit.name;
  }
}

const ENDS: readonly VmExit['name'][] = [
  'hlt',
  'tripleFault',
  'entryFailureGuestState',
  'internalError',
  'kick',
  'preemptionTimer',
];

/** The usual answer to an exit. */
function answer(exit: VmExit, vcpu: Vcpu, input: () => bigint): void {
  switch (exit.name) {
    case 'ioInstruction':
      if (exit.isIn) vcpu.completeRead(input());
      else vcpu.completeWrite();
      return;
    case 'eptViolation':
      if (exit.isWrite) vcpu.completeWrite();
      else vcpu.completeRead(input());
      return;
    case 'rdmsr':
      vcpu.completeRead(input());
      return;
    case 'wrmsr':
      vcpu.completeWrite();
      return;
    case 'cpuid':
      for (const [register, value] of [
        [0, 0x11111111n],
        [3, 0x22222222n],
        [1, 0x33333333n],
        [2, 0x44444444n],
      ] as const) {
        vcpu.writeGpr(register, value);
      }
      vcpu.skipInstruction();
      return;
    default:
      throw new Error(`unexpected exit ${describeExit(exit)}`);
  }
}

/** Identity-mapped first 4 GiB in 2 MiB pages. */
function writePageTables(vm: EngineVm): void {
  const { memory } = vm;
  const entry = (at: number, value: number): void => {
    memory.writeU32(at, value);
    memory.writeU32(at + 4, 0);
  };
  entry(PAGE_TABLES, (PAGE_TABLES + 0x1000) | 3);
  for (let i = 0; i < 4; i++) entry(PAGE_TABLES + 0x1000 + 8 * i, (PAGE_TABLES + 0x2000 + 0x1000 * i) | 3);
  for (let i = 0; i < 2048; i++) entry(PAGE_TABLES + 0x2000 + 8 * i, (i * 0x20_0000 + 0x83) >>> 0);
}

const INTERRUPT_GATE = 0x8e00;
const CODE_SELECTOR = 8;

function writeTables(guest: ConformanceGuest, vm: EngineVm, state: CpuState): void {
  const { memory } = vm;
  const vectors = Object.keys(guest.handlers ?? {}).map(Number);
  for (const v of vectors) {
    machineCode(guest.handlers?.[v] ?? []).forEach((b, i) => {
      memory.writeU8(HANDLERS + v * HANDLER_STRIDE + i, b);
    });
  }
  if (guest.mode === 'real') {
    for (const v of vectors) memory.writeU32(4 * v, HANDLERS + v * HANDLER_STRIDE);
    state.idtr = { base: 0n, limit: 0x3ff };
    return;
  }
  const segments = [state.segments.cs, state.segments.ds];
  segments.forEach((s, i) => {
    const d = encodeDescriptor({ base: 0n, limit: s.limit, accessRights: s.accessRights & ~AccessRights.UNUSABLE });
    memory.writeU32(GDT + 8 + 8 * i, Number(d & 0xffff_ffffn));
    memory.writeU32(GDT + 12 + 8 * i, Number(d >> 32n));
  });
  state.gdtr = { base: BigInt(GDT), limit: 0x17 };
  const gateBytes = guest.mode === 'long' ? 16 : 8;
  for (const v of vectors) {
    const at = IDT + v * gateBytes;
    memory.writeU32(at, (CODE_SELECTOR << 16) | (HANDLERS + v * HANDLER_STRIDE));
    memory.writeU32(at + 4, INTERRUPT_GATE);
  }
  state.idtr = { base: BigInt(IDT), limit: 256 * gateBytes - 1 };
}

function initialState(guest: ConformanceGuest, vm: EngineVm): CpuState {
  if (guest.mode === 'real') {
    const state = realModeState(0, CODE);
    state.gpr[4] = BigInt(STACK);
    return state;
  }
  if (guest.mode === 'flat32') return flatProtectedState(CODE, STACK);
  writePageTables(vm);
  return longModeState(BigInt(CODE), PAGE_TABLES, BigInt(STACK));
}

const makeVm = (engine: Engine, time: 'real' | 'virtual'): Promise<EngineVm> =>
  engine.createVm({
    memoryBytes: MEMORY_BYTES,
    vcpus: 1,
    time,
    tscHz: 1_000_000_000,
    nowNs: () => Date.now() * 1e6,
  });

function setControls(vcpu: Vcpu): void {
  const c = vcpu.controls;
  c.pinBased = 0;
  c.primary = Primary.hltExiting + Primary.useIoBitmaps + Primary.useMsrBitmaps + Primary.activateSecondaryControls;
  c.secondary = Secondary.enableEpt + Secondary.unrestrictedGuest;
  c.exceptionBitmap = 0;
  c.ioBitmap.fill(0xff);
  vcpu.applyControls();
}

/** Runs one guest to its end and returns the stream of its exits; throws where a callback of the guest objects. */
export async function runConformanceGuest(
  engine: Engine,
  guest: ConformanceGuest,
  time: 'real' | 'virtual' = 'virtual',
): Promise<string[]> {
  const vm = await makeVm(engine, time);
  try {
    const vcpu = vm.vcpus[0] as Vcpu;
    const exits: string[] = [];
    const run: ConformanceRun = {
      vm,
      vcpu,
      exits,
      word: (gpa) => vm.memory.readU32(gpa),
      quad: (gpa) => vm.memory.readU64(gpa),
    };
    machineCode(guest.code).forEach((b, i) => {
      vm.memory.writeU8(CODE + i, b);
    });
    const state = initialState(guest, vm);
    writeTables(guest, vm, state);
    setControls(vcpu);
    vcpu.writeState(state);
    guest.prepare?.(run);
    const inputs = [...(guest.inputs ?? [])];
    while (exits.length < MOST_EXITS) {
      const exit = vcpu.enter(time === 'real' ? REAL_BUDGET : BUDGET);
      exits.push(describeExit(exit));
      if (guest.answer?.(exit, run)) continue;
      if (ENDS.includes(exit.name)) break;
      answer(exit, vcpu, () => inputs.shift() ?? 0n);
    }
    if (exits.join('\n') === guest.expected.join('\n')) guest.check?.(run);
    return exits;
  } finally {
    vm.close();
  }
}

/** A long-mode state with a value of its own in every field that can take one. */
function variedState(): CpuState {
  const s = longModeState(0xffff_ffff_8012_3456n, PAGE_TABLES, 0xffff_8000_0000_9000n);
  s.gpr = s.gpr.map((_, i) => 0x0123_4567_89ab_cd00n + BigInt(i) * 0x0f11_0000_0000_0001n);
  s.rflags = 0x246n;
  s.cr2 = 0xdead_beef_f000n;
  s.cr8 = 5n;
  s.dr = [0x1000n, 0x2000n, 0x3000n, 0x4000n, 0xffff_0ff0n, 0x400n];
  s.segments.fs = { selector: 0x33, base: 0x7fff_1234_5000n, limit: 0xffff_ffff, accessRights: 0xc0f3 };
  s.segments.gs.base = 0xffff_8880_0000_1000n;
  s.segments.tr = { selector: 0x40, base: 0xffff_fe00_0000_3000n, limit: 0x206f, accessRights: 0x8b };
  s.segments.ldtr = { selector: 0x50, base: 0x8000n, limit: 0xfff, accessRights: 0x82 };
  s.gdtr = { base: 0xffff_fe00_0000_1000n, limit: 0x7f };
  s.idtr = { base: 0xffff_fe00_0000_0000n, limit: 0xfff };
  s.star = 0x0023_0010_0000_0000n;
  s.lstar = 0xffff_ffff_8180_0000n;
  s.cstar = 0xffff_ffff_8180_1000n;
  s.fmask = 0x47700n;
  s.kernelGsBase = 0x7fff_0000_1000n;
  s.sysenterCs = 0x10;
  s.sysenterEsp = 0xffff_fe00_0000_2000n;
  s.sysenterEip = 0xffff_ffff_8180_2000n;
  s.pat = 0x0407_0506_0007_0106n;
  s.tscAux = 3n;
  // R2 and R3 hold 1.0 and -1.5, the others are empty; TOP is 2.
  s.fpu = {
    fcw: 0x027f,
    fsw: 2 << 11,
    ftw: 0xff0f,
    fop: 0x123,
    fip: 0x4567_89abn,
    fdp: 0x89ab_cdefn,
    registers: s.fpu.registers.map((_, i) =>
      i === 2 ? 0x3fff_8000_0000_0000_0000n : i === 3 ? 0xbfff_c000_0000_0000_0000n : 0n,
    ),
    xmm: s.fpu.xmm.map((_, i) => 0x0011_2233_4455_6677_8899_aabb_ccdd_ee00n + BigInt(i)),
    mxcsr: 0x1fa0,
  };
  s.interruptibility = 8;
  return s;
}

const flatten = (value: unknown, path: string, into: Map<string, unknown>): void => {
  if (typeof value !== 'object' || value === null) into.set(path, value);
  else for (const [key, v] of Object.entries(value)) flatten(v, `${path}.${key}`, into);
};
/** Throws at the first field in which two states differ. */
export function sameState(actual: CpuState, expected: CpuState): void {
  const a = new Map<string, unknown>();
  const e = new Map<string, unknown>();
  flatten(actual, 'state', a);
  flatten(expected, 'state', e);
  for (const [path, value] of e) same(a.get(path), value, path);
  same(a.size, e.size, 'number of fields');
}

export const ROUND_TRIP = 'a CpuState that is written is read back unchanged';
export const ENTRY_CHECKS = 'a bad guest state fails VM entry with the names of the failed checks';
export const DIRTY_LOG = 'the dirty log names the pages that the guest and the monitor wrote, once';
export const FLAT_ROUND_TRIP = 'single registers agree with the whole state';

/** Registers one test per guest, and tests of the state area, with `test`. */
export function conformance(engine: Engine, test: TestFunction, options: ConformanceOptions = {}): void {
  const time = options.time ?? 'virtual';
  const register = (name: string, body: () => Promise<void>): void => {
    test(`${engine.name}: ${name}`, async (context) => {
      const reason = options.unsupported?.[name];
      if (reason !== undefined) context.skip(reason);
      else await body();
    });
  };
  const withVcpu = async (body: (vcpu: Vcpu) => void): Promise<void> => {
    const vm = await makeVm(engine, time);
    try {
      const vcpu = vm.vcpus[0] as Vcpu;
      setControls(vcpu);
      body(vcpu);
    } finally {
      vm.close();
    }
  };

  for (const guest of CONFORMANCE_GUESTS) {
    if (guest.virtualTime && time !== 'virtual') continue;
    register(guest.name, async () => {
      const exits = await runConformanceGuest(engine, guest, time);
      same(exits.join('\n'), guest.expected.join('\n'), 'exits');
    });
  }

  register(ROUND_TRIP, () =>
    withVcpu((vcpu) => {
      for (const state of [variedState(), realModeState(0x1_0000, 0x100), flatProtectedState(CODE, STACK)]) {
        const kept = cloneState(state);
        vcpu.writeState(state);
        sameState(vcpu.readState(), kept);
      }
    }),
  );
  register(DIRTY_LOG, async () => {
    const vm = await makeVm(engine, time);
    try {
      const vcpu = vm.vcpus[0] as Vcpu;
      setControls(vcpu);
      // mov [0x20000],eax; inc byte [0x41fff]; out 0x80,al; mov [0x50000],eax; hlt
      const code = ['a300000200', 'fe05ff1f0400', 'e680', 'a300000500', 'f4'];
      vm.memory.loadBytes(CODE, machineCode(code));
      vcpu.writeState(flatProtectedState(CODE, STACK));
      const pages = (): string => {
        const log = vm.memory.takeDirtyLog(0);
        const all = Array.from({ length: log.length * 32 }, (_, page) => page);
        return all.filter((page) => ((log[page >>> 5] as number) >>> (page & 31)) & 1).join(' ');
      };
      vm.memory.startDirtyLog(0);
      same(pages(), '', 'pages before the guest runs');
      same(describeExit(vcpu.enter(time === 'real' ? REAL_BUDGET : BUDGET)), 'out 80 1 0', 'exit');
      vm.memory.writeU8(0x60000, 1);
      same(pages(), '32 65 96', 'pages up to the OUT');
      vcpu.completeWrite();
      same(vcpu.enter(time === 'real' ? REAL_BUDGET : BUDGET).name, 'hlt', 'exit');
      same(pages(), '80', 'pages since');
      vm.memory.stopDirtyLog(0);
    } finally {
      vm.close();
    }
  });
  register(FLAT_ROUND_TRIP, () =>
    withVcpu((vcpu) => {
      vcpu.writeState(flatProtectedState(CODE, STACK));
      for (let i = 0; i < 16; i++) vcpu.writeGpr(i, BigInt(i) * 0x1_0001n);
      vcpu.readState().gpr.forEach((v, i) => {
        same(v, BigInt(i) * 0x1_0001n, `register ${i}`);
        same(vcpu.readGpr(i), v, `readGpr(${i})`);
      });
      same(vcpu.readRip(), BigInt(CODE), 'readRip');
    }),
  );
  register(ENTRY_CHECKS, () =>
    withVcpu((vcpu) => {
      const state = flatProtectedState(CODE, STACK);
      state.efer = 2n; // reserved
      state.segments.tr.accessRights |= AccessRights.UNUSABLE;
      vcpu.writeState(state);
      const exit = vcpu.enter(BUDGET);
      const expected = checkGuestState(state, vcpu.controls).join('; ');
      same(describeExit(exit), `entryFailureGuestState: ${expected}`, 'exit');
      vcpu.writeState(flatProtectedState(CODE, STACK));
      same(vcpu.enter(1).name !== 'entryFailureGuestState', true, 'entry with a good state');
    }),
  );
}
