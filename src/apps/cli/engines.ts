// The engines that this package has, made on demand in whichever thread needs one.

import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { HostError } from '../../base/index.js';
import type { EngineFactories } from '../../domains/index.js';
import { KvmEngine } from '../../kvm/index.js';
import { compileModules, JIT_MODES, type JitMode, jitMode, SoftwareEngine } from '../../processor/index.js';
import type { Engine } from '../../vmx/index.js';
import { translationService } from './translator.js';

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

/** The software VT-x processor. */
export async function createSoftwareEngine(jit: JitMode = jitMode(process.env.PCANEL_JIT)): Promise<Engine> {
  lookAtBranchHints();
  const [procedures, interpreter] = await Promise.all([wasm('procedures.wasm'), wasm('interpreter.wasm')]);
  return new SoftwareEngine(await compileModules({ procedures, interpreter }), JIT_MODES[jit], translationService());
}

/** Hardware VT-x; whether it can be used here is for its probe to say. PCANEL_KVM_DEVICE names another device file. */
export async function createKvmEngine(): Promise<KvmEngine> {
  const device = process.env.PCANEL_KVM_DEVICE;
  return new KvmEngine(device === undefined ? {} : { device });
}

export const engines: EngineFactories = { software: () => createSoftwareEngine(), kvm: createKvmEngine };
