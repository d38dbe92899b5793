// The software engine as the tests use it: built modules from the output folder, compiled once per test file.
import { readFileSync } from 'node:fs';
import { translationService } from '../../src/apps/testing.js';
import {
  compileModules,
  JIT_MODES,
  type JitMode,
  jitMode,
  type ProcessorModules,
  SoftwareEngine,
} from '../../src/processor/index.js';

const built = (name: string): Uint8Array => readFileSync(new URL(`../../${name}`, import.meta.url));
const modules = new Map<boolean, Promise<ProcessorModules>>();

/** `shared: false`: as on hosts without SharedArrayBuffer. `jit`: instead of PCANEL_JIT. */
export async function softwareEngine(
  options: { readonly shared?: boolean; readonly jit?: JitMode } = {},
): Promise<SoftwareEngine> {
  const shared = options.shared ?? true;
  const bytes = { procedures: built('procedures.wasm'), interpreter: built('interpreter.wasm') };
  const compiled = modules.get(shared) ?? compileModules(bytes, { shared });
  modules.set(shared, compiled);
  return new SoftwareEngine(
    await compiled,
    JIT_MODES[options.jit ?? jitMode(process.env.PCANEL_JIT)],
    translationService(),
  );
}
