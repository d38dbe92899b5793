// A guest in 64-bit mode, or flat 32-bit mode, that runs a program of machine code in slices, on an engine with a translation service.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import {
  compileModules,
  type ProcessorModules,
  SoftwareEngine,
  type TranslationService,
} from '../../src/processor/index.js';
import type { SoftwareVcpu } from '../../src/processor/testing.js';
import { type CpuState, type EngineVm, flatProtectedState, longModeState } from '../../src/vmx/index.js';
import { plainControls } from '../../src/vmx/testing.js';

const built = (name: string): Uint8Array => readFileSync(new URL(`../../${name}`, import.meta.url));
const compile = (shared: boolean): Promise<ProcessorModules> =>
  compileModules({ procedures: built('procedures.wasm'), interpreter: built('interpreter.wasm') }, { shared });
const modules = { true: await compile(true), false: await compile(false) };

const MEMORY = 2 << 20;
export const CODE = 0x100000;
const STACK = 0x120000;
const THRESHOLD = 500;

export interface HotGuest {
  readonly vm: EngineVm;
  readonly vcpu: SoftwareVcpu;
}
/** The program in hexadecimal digits, and its RCX. */
export interface HotProgram {
  readonly code: string;
  readonly rounds: number;
  /** Where it begins; absent: at CODE. */
  readonly rip?: bigint;
  /** In protected mode, without paging. */
  readonly is32?: boolean;
}
/** A guest at the program's start; a block is hot after 500 entries; `service` null: nothing is translated. */
export async function hotGuest(
  { code, rounds, rip = BigInt(CODE), is32 = false }: HotProgram,
  service: TranslationService | null,
  shared = true,
): Promise<HotGuest> {
  const engine = new SoftwareEngine(modules[`${shared}`], service && { threshold: THRESHOLD }, service);
  const options = { memoryBytes: MEMORY, vcpus: 1, time: 'virtual', tscHz: 1e9, nowNs: () => 0 } as const;
  const vm = await engine.createVm(options);
  vm.memory.writeU64(0x1000, 0x2003n);
  vm.memory.writeU64(0x2000, 0x3003n);
  vm.memory.writeU64(0x3000, 0x83n);
  vm.memory.loadBytes(CODE, Uint8Array.from(Buffer.from(code, 'hex')));
  const vcpu = vm.vcpus[0] as SoftwareVcpu;
  Object.assign(vcpu.controls, plainControls(), { exceptionBitmap: 0xffffffff });
  vcpu.applyControls();
  const state: CpuState = is32 ? flatProtectedState(Number(rip), STACK) : longModeState(rip, 0x1000, BigInt(STACK));
  state.gpr[1] = BigInt(rounds);
  vcpu.writeState(state);
  return { vm, vcpu };
}
/** Runs in slices to the program's HLT, and lets other threads have their turn between them. */
export async function finish({ vm, vcpu }: HotGuest, between: () => unknown = () => undefined): Promise<CpuState> {
  for (;;) {
    const exit = vcpu.enter(100_000);
    if (exit.name === 'hlt') break;
    assert.equal(exit.name, 'preemptionTimer');
    await between();
  }
  const state = vcpu.readState();
  vm.close();
  return state;
}
/** Lets the translator answer what it was asked. */
export async function settle({ vcpu }: HotGuest): Promise<void> {
  for (let n = 0; n < 3000; n++) {
    if (vcpu.jitStatistics()?.waiting === 0) return;
    await delay(1);
    vcpu.enter(5_000);
  }
  assert.fail('the translator did not answer');
}
