// The five integer kernels of bench/kernels in a bare 64-bit guest: interpreter, regions (the JIT) and native code.
// Results are compared with the native ones. The round trip of a VM exit is measured on the same guest.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createSoftwareEngine } from '../src/apps/testing.js';
import type { SoftwareVcpu } from '../src/processor/testing.js';
import { type EngineVm, longModeState, Primary, Secondary, type Vcpu, type VmExit } from '../src/vmx/index.js';
import { type Figure, figure, type Section } from './output.js';

/** The repository: this file runs from OUTPUT/bench. */
const repository = fileURLToPath(new URL('../../', import.meta.url));
const source = `${repository}bench/kernels`;
const output = `${repository}bench/build`;
export const KERNELS = ['crc', 'hash', 'bytecode', 'fib', 'sieve'] as const;
const MARK = 0x500;
const RESULT = 0x504;
const DONE = 0x508;
const ROUND_TRIP = 6;
const MEMORY = 32 << 20;
const SLICE = 1_000_000_000;

/** Why the kernels cannot be built here, or null. */
export function buildKernels(): string | null {
  const gcc = spawnSync('gcc', ['--version']);
  if (gcc.error !== undefined || gcc.status !== 0) return "skipped: no 'gcc' found (apt-get install gcc)";
  mkdirSync(output, { recursive: true });
  const guest = [
    '-ffreestanding',
    '-nostdlib',
    '-static',
    '-fno-pic',
    '-no-pie',
    '-mgeneral-regs-only',
    '-fno-stack-protector',
    '-fcf-protection=none',
    '-fno-asynchronous-unwind-tables',
    '-Wl,--build-id=none',
    '-Wl,-z,noexecstack',
  ];
  const compile = (args: readonly string[]): void => {
    execFileSync('gcc', ['-O2', ...args], { cwd: source, stdio: ['ignore', 'ignore', 'pipe'] });
  };
  compile([...guest, '-T', 'kernels.ld', 'start.S', 'kernels.c', '-o', `${output}/kernels.elf`]);
  compile(['-DNATIVE', 'kernels.c', '-o', `${output}/native`]);
  return null;
}

export interface KernelRun {
  readonly kernel: number;
  readonly result: number;
  readonly ms: number;
  readonly instructions: number;
}
function nativeRuns(rounds: number): KernelRun[] {
  const text = execFileSync(`${output}/native`, [String(rounds)], { encoding: 'utf8' });
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [kernel, result, ns] = line.split(' ').map(Number) as [number, number, number];
      return { kernel, result, ms: ns / 1e6, instructions: 0 };
    });
}

/** A vCPU at the entry of the kernels. */
export async function kernelGuest(
  rounds: number,
  trips: number,
  jit: 'on' | 'off',
  time: 'virtual' | 'real' = 'virtual',
): Promise<{ vm: EngineVm; vcpu: Vcpu }> {
  const engine = await createSoftwareEngine(jit);
  const vm = await engine.createVm({
    memoryBytes: MEMORY,
    vcpus: 1,
    time,
    tscHz: 1e9,
    nowNs: () => performance.now() * 1e6,
  });
  const elf = readFileSync(`${output}/kernels.elf`);
  const programHeaders = Number(elf.readBigUInt64LE(32));
  for (let n = 0; n < elf.readUInt16LE(56); n++) {
    const header = programHeaders + n * 56;
    if (elf.readUInt32LE(header) !== 1) continue;
    const offset = Number(elf.readBigUInt64LE(header + 8));
    vm.memory.loadBytes(
      Number(elf.readBigUInt64LE(header + 24)),
      elf.subarray(offset, offset + Number(elf.readBigUInt64LE(header + 32))),
    );
  }
  // identity map in 2 MiB pages
  vm.memory.writeU64(0x1000, 0x2003n);
  vm.memory.writeU64(0x2000, 0x3003n);
  for (let n = 0; n < MEMORY >> 21; n++) vm.memory.writeU64(0x3000 + n * 8, (BigInt(n) << 21n) | 0x83n);
  const vcpu = vm.vcpus[0] as Vcpu;
  const { controls } = vcpu;
  controls.primary =
    Primary.hltExiting + Primary.useIoBitmaps + Primary.useMsrBitmaps + Primary.activateSecondaryControls;
  controls.secondary = Secondary.enableEpt + Secondary.unrestrictedGuest;
  controls.ioBitmap.fill(0xff);
  controls.msrBitmap.fill(0xff);
  vcpu.applyControls();
  const state = longModeState(elf.readBigUInt64LE(24), 0x1000, 0n);
  state.gpr[7] = BigInt(rounds);
  state.gpr[6] = BigInt(trips);
  vcpu.writeState(state);
  return { vm, vcpu };
}

/** Runs the guest to its end; `enter` runs the vCPU until its next exit. */
function drive(vcpu: Vcpu, enter: () => VmExit): KernelRun[] {
  const runs: KernelRun[] = [];
  let kernel = -1;
  let start = 0;
  let ms = 0;
  let before = 0;
  let instructions = 0;
  for (;;) {
    const exit = enter();
    if (exit.name === 'ioInstruction') {
      if (exit.isIn) {
        vcpu.completeRead(0x5an);
        continue;
      }
      const { port, value } = exit;
      vcpu.completeWrite();
      if (port === MARK && value !== 0) {
        kernel = value - 1;
        before = vcpu.counters.instructions;
        start = performance.now();
      } else if (port === MARK) {
        ms = performance.now() - start;
        instructions = vcpu.counters.instructions - before;
      } else if (port === RESULT) runs.push({ kernel, result: value >>> 0, ms, instructions });
      else if (port === DONE) return runs;
    } else if (exit.name !== 'preemptionTimer')
      throw new Error(`the kernels' guest left with ${exit.name} at ${vcpu.readRip().toString(16)}`);
  }
}
export async function interpreterRuns(rounds: number, trips = 0): Promise<KernelRun[]> {
  const { vcpu } = await kernelGuest(rounds, trips, 'off');
  return drive(vcpu, () => vcpu.enter(SLICE));
}
async function regionRuns(
  rounds: number,
): Promise<{ runs: KernelRun[]; inRegions: number; translated: number; translateMs: number }> {
  const { vcpu } = await kernelGuest(rounds, 0, 'on');
  const runs = drive(vcpu, () => vcpu.enter(SLICE));
  const jit = (vcpu as SoftwareVcpu).jitStatistics();
  if (jit === null) throw new Error('the engine does not translate');
  return {
    runs,
    inRegions: jit.retired / vcpu.counters.instructions,
    translated: jit.compiled,
    translateMs: jit.translateMs + jit.compileMs + jit.workerTranslateMs + jit.workerCompileMs,
  };
}

/** Rounds before the measured ones: V8 replaces the code of its first tier meanwhile, on another thread. */
const WARM_ROUNDS = 6;

export async function kernelSection(rounds: number): Promise<Section> {
  const reason = buildKernels();
  if (reason !== null) return { name: 'kernels (64-bit)', figures: [], notes: [reason] };
  const figures: Figure[] = [];
  const notes: string[] = [];
  const native = nativeRuns(rounds + WARM_ROUNDS);
  const interpreted = await interpreterRuns(rounds + WARM_ROUNDS);
  const region = await regionRuns(rounds + WARM_ROUNDS);
  const of = (runs: readonly KernelRun[], k: number): KernelRun[] =>
    runs.filter((r) => r.kernel === k).slice(WARM_ROUNDS);
  KERNELS.forEach((name, k) => {
    const expected = of(native, k)[0]?.result;
    const lists = { interpreter: of(interpreted, k), regions: of(region.runs, k) };
    for (const [how, list] of Object.entries(lists)) {
      for (const run of list)
        if (run.result !== expected)
          throw new Error(`kernel ${name}, ${how}: result ${run.result}, native code gives ${expected}`);
      figures.push(
        figure(
          `${name}, ${how}`,
          'MIPS',
          list.map((r) => r.instructions / r.ms / 1000),
        ),
      );
    }
    const count = lists.interpreter[0]?.instructions ?? 0;
    figures.push(
      figure(
        `${name}, native`,
        'MIPS',
        of(native, k).map((r) => count / r.ms / 1000),
      ),
    );
  });
  const mean = (how: string): number => {
    const list = figures.filter((f) => f.name.endsWith(how));
    return Math.exp(list.reduce((sum, f) => sum + Math.log(f.median), 0) / list.length);
  };
  const [i, r, n] = [mean('interpreter'), mean('regions'), mean('native')];
  notes.push(
    `geometric means: interpreter ${i.toFixed(0)}, regions ${r.toFixed(0)}, native ${n.toFixed(0)} MIPS: regions are ${(r / i).toFixed(1)} x the interpreter, native is ${(n / r).toFixed(1)} x regions`,
  );
  notes.push(
    `results equal native ones; ${(region.inRegions * 100).toFixed(2)} % of instructions in ${region.translated} regions, translated and compiled in ${region.translateMs.toFixed(0)} ms`,
  );
  return { name: 'kernels (64-bit)', figures, notes };
}

/** One IN to a device that is a function of the benchmark: the round trip through the bare vCPU. */
export async function bareRoundTrips(runs: number, trips: number): Promise<number[]> {
  const list: number[] = [];
  for (let n = 0; n <= runs; n++) {
    const found = (await interpreterRuns(0, trips)).find((r) => r.kernel === ROUND_TRIP - 1);
    if (found === undefined) throw new Error('the guest made no round trips');
    if (n > 0) list.push((found.ms * 1000) / trips);
  }
  return list;
}
