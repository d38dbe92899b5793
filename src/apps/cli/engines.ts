// The engines that this package has, made on demand in whichever thread needs one; what an engine is made of is loaded then.

import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { HostError } from '../../base/index.js';
import type { EngineFactories } from '../../domains/index.js';
import type { KvmEngine } from '../../kvm/index.js';
import type { JitMode, ProcessorModules } from '../../processor/index.js';
import type { Engine } from '../../vmx/index.js';

/** Build output: dist/ above dist/src/apps/cli/. */
const built = (name: string): URL => new URL(`../../../${name}`, import.meta.url);

async function wasm(name: string): Promise<Uint8Array> {
  try {
    return await readFile(built(name));
  } catch (cause) {
    const message = `'${built(name).pathname}' cannot be read, expected it to be built: run 'npm run build'`;
    throw new HostError('ENGINE_NOT_BUILT', message, { file: name }, { cause });
  }
}

/** From this version on V8 looks at branch hints without being told. */
const HINTS_BY_DEFAULT = 26;
/** Emitted code says which ways are rare (WebAssembly branch hinting proposal): those leave the frequent way's registers alone. */
function lookAtBranchHints(): void {
  if (Number.parseInt(process.versions.node, 10) < HINTS_BY_DEFAULT)
    setFlagsFromString('--experimental-wasm-branch-hinting');
}

/** Compiles all functions, on V8's own threads: else each is compiled at its first call, and the guest waits for it. */
async function compileNow(...names: readonly string[]): Promise<WebAssembly.Module[]> {
  const bytes = await Promise.all(names.map(wasm));
  setFlagsFromString('--no-wasm-lazy-compilation');
  try {
    return await Promise.all(bytes.map((b) => WebAssembly.compile(b as Uint8Array<ArrayBuffer>)));
  } finally {
    setFlagsFromString('--wasm-lazy-compilation');
  }
}

let compiled: Promise<ProcessorModules> | null = null;
/** The processor's modules of this thread. */
export function softwareModules(): Promise<ProcessorModules> {
  lookAtBranchHints();
  compiled ??= compileNow('procedures.wasm', 'interpreter.wasm').then((modules) => {
    const [procedures, interpreter] = modules as [WebAssembly.Module, WebAssembly.Module];
    return { procedures, interpreter, shared: true };
  });
  return compiled;
}

/** The software VT-x processor; by default with the translator that PCANEL_JIT names. */
export async function createSoftwareEngine(jit?: JitMode): Promise<Engine> {
  const modules = softwareModules();
  modules.catch(() => {}); // awaited below
  const { JIT_MODES, jitMode, SoftwareEngine } = await import('../../processor/index.js');
  const options = JIT_MODES[jit ?? jitMode(process.env.PCANEL_JIT)];
  const { translationService } = await import('./translator.js');
  return new SoftwareEngine(await modules, options, translationService());
}

/** Hardware VT-x; whether it can be used here is for its probe to say. PCANEL_KVM_DEVICE names another device file. */
export async function createKvmEngine(): Promise<KvmEngine> {
  const { KvmEngine } = await import('../../kvm/index.js');
  const device = process.env.PCANEL_KVM_DEVICE;
  return new KvmEngine(device === undefined ? {} : { device });
}

export const engines: EngineFactories = { software: () => createSoftwareEngine(), kvm: createKvmEngine };
