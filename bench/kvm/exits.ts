// npm run bench -- --engine kvm: a VM exit by port OUT through KVM: in plain C, through koffi alone, through the engine, and
// through the whole machine. The guest is the same; KVM's own cost is the C program's.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KvmEngine, kvmModules } from '../../src/kvm/index.js';
import { Ioctl, importKoffi, Libc } from '../../src/kvm/testing.js';
import { createMachine } from '../../src/machine/index.js';
import { realModeState } from '../../src/vmx/index.js';
import { figure, type Section } from '../output.js';

const TRIPS = 20_000;
const WARM_UP = 2_000;
/** again: out 80H, al; jmp again */
const CODE = Uint8Array.of(0xe6, 0x80, 0xeb, 0xfc);
const FOREVER = 1e15;
const nowNs = (): number => performance.now() * 1e6;
/** Processor time of this process: on a busy computer it says more than the clock on the wall. */
function cpuNs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}
const NAME = `VM exits through KVM (port OUT in a loop, ${TRIPS} per run, processor time)`;

/** Compiles the C program; null without gcc. */
function buildC(folder: string): string | null {
  const out = join(folder, 'exits');
  const source = new URL('../../../bench/kvm/exits.c', import.meta.url).pathname;
  try {
    execFileSync('gcc', ['-O2', '-o', out, source], { stdio: 'pipe' });
    return out;
  } catch {
    return null;
  }
}
const inC = (program: string): number => Number(execFileSync(program, [String(TRIPS)], { encoding: 'utf8' }));

async function vmOf(engine: KvmEngine) {
  const vm = await engine.createKvmVm({ memoryBytes: 1 << 20, vcpus: 1, time: 'real', tscHz: 1e9, nowNs });
  const [vcpu] = vm.vcpus;
  if (vcpu === undefined) throw new Error('a VM without vCPUs');
  vm.memory.loadBytes(0x1000, CODE);
  vcpu.writeState(realModeState(0, 0x1000));
  return { vm, vcpu };
}

/** KVM_RUN by koffi in a loop, as the C program does it. */
async function throughKoffi(engine: KvmEngine): Promise<number> {
  const { vm, vcpu } = await vmOf(engine);
  const libc = new Libc(await importKoffi());
  let begin = 0;
  for (let i = -WARM_UP; i < TRIPS; i++) {
    if (i === 0) begin = cpuNs();
    // the timer of an earlier entry may go off: the engine takes its signal
    if (libc.ioctl(vcpu.fd, Ioctl.RUN, 0) !== 0) vcpu.enter(FOREVER);
  }
  const ns = (cpuNs() - begin) / TRIPS;
  vm.close();
  return ns;
}
async function trivialIoctl(): Promise<number> {
  const libc = new Libc(await importKoffi());
  const fd = libc.open('/dev/kvm');
  let begin = 0;
  for (let i = -WARM_UP; i < TRIPS; i++) {
    if (i === 0) begin = cpuNs();
    libc.ioctl(fd, Ioctl.GET_API_VERSION, 0);
  }
  const ns = (cpuNs() - begin) / TRIPS;
  libc.close(fd);
  return ns;
}
async function throughEngine(engine: KvmEngine): Promise<number> {
  const { vm, vcpu } = await vmOf(engine);
  let begin = 0;
  for (let i = -WARM_UP; i < TRIPS; i++) {
    if (i === 0) begin = cpuNs();
    const exit = vcpu.enter(FOREVER);
    if (exit.name !== 'ioInstruction') throw new Error(`unexpected exit ${exit.name}`);
    vcpu.completeWrite();
  }
  const ns = (cpuNs() - begin) / TRIPS;
  vm.close();
  return ns;
}
async function throughMachine(engine: KvmEngine): Promise<number> {
  const kernel = { name: 'exits', data: CODE };
  const machine = await createMachine(
    {
      name: 'exits',
      memoryBytes: 4 << 20,
      boot: { kind: 'flat', kernel, gpa: 0x10_0000, mode: 'protected32' },
      time: 'real',
    },
    { engine, nowNs, wallClockMs: 0, console: { write: () => undefined } },
  );
  const exits = (): number => machine.stats().exits.find((e) => e.name === 'ioInstruction')?.count ?? 0;
  while (exits() < WARM_UP) machine.step(nowNs(), 5_000_000);
  const before = exits();
  const begin = cpuNs();
  while (exits() - before < TRIPS) machine.step(nowNs(), 20_000_000);
  const ns = (cpuNs() - begin) / (exits() - before);
  machine.close();
  return ns;
}

export async function kvmExitSection(runs: number): Promise<Section> {
  const engine = new KvmEngine();
  const { checks } = await engine.probe();
  const failed = checks.find((c) => !c.ok && c.selfTest !== true);
  if (failed !== undefined) return { name: NAME, figures: [], notes: [`skipped: ${failed.name}: ${failed.detail}`] };
  const folder = mkdtempSync(join(tmpdir(), 'pcanel-bench-'));
  const program = buildC(folder);
  const rows: Record<'c' | 'trivial' | 'koffi' | 'engine' | 'machine', number[]> = {
    c: [],
    trivial: [],
    koffi: [],
    engine: [],
    machine: [],
  };
  try {
    // one after the other in every run: what disturbs this computer disturbs all alike
    for (let n = 0; n <= runs; n++) {
      const c = program === null ? null : inC(program);
      const row = {
        trivial: await trivialIoctl(),
        koffi: await throughKoffi(engine),
        engine: await throughEngine(engine),
        machine: await throughMachine(engine),
      };
      if (n === 0) continue; // warms the code up
      if (c !== null) rows.c.push(c);
      for (const name of ['trivial', 'koffi', 'engine', 'machine'] as const) rows[name].push(row[name]);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const { c, trivial, koffi, engine: whole, machine } = rows;
  const kvmOnly = c.length > 0 ? c : koffi;
  const beyond = (all: readonly number[]): number[] => all.map((ns, i) => ns - (kvmOnly[i] as number));
  const share = (all: readonly number[]): number[] => beyond(all).map((ns, i) => (100 * ns) / (all[i] as number));
  const notes = [`module ${kvmModules().join(', ') || 'unknown'}`];
  if (program === null) notes.push("the C program is not measured: no 'gcc'; the shares are against koffi alone");
  return {
    name: NAME,
    figures: [
      ...(c.length > 0 ? [figure('C loop', 'ns', c)] : []),
      figure('koffi, a trivial ioctl', 'ns', trivial),
      figure('koffi, KVM_RUN alone', 'ns', koffi),
      figure('engine: enter and completeWrite', 'ns', whole),
      figure('machine: monitor, bus, device', 'ns', machine),
      figure('engine beyond C', 'ns', beyond(whole)),
      figure('machine beyond C', 'ns', beyond(machine)),
      figure("engine's share of an exit", '%', share(whole)),
      figure("machine's share of an exit", '%', share(machine)),
    ],
    notes,
  };
}
