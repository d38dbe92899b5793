// The processor's WebAssembly modules, compiled as V8 does it best for them. Small, because a program starts with it.

import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { HostError } from '../../base/index.js';
import type { ProcessorModules } from '../../processor/index.js';
import { heedHints } from './v8-flags.js';

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

let modules: Promise<ProcessorModules> | null = null;
/** The processor's modules of this thread. Throws HostError when they have not been built. */
export function processorModules(): Promise<ProcessorModules> {
  modules ??= compileProcessor();
  return modules;
}
async function compileProcessor(): Promise<ProcessorModules> {
  heedHints();
  const compiled = await compileNow('interpreter.wasm', 'procedures.wasm');
  const [interpreter, procedures] = compiled as [WebAssembly.Module, WebAssembly.Module];
  return { procedures, interpreter, shared: true };
}

/** Takes modules that another thread compiles; where that comes to nothing (null) this thread compiles its own. */
export function takeProcessorModules(others: Promise<ProcessorModules | null>): void {
  modules = others.then((theirs) => theirs ?? compileProcessor());
  modules.catch(() => {}); // an error is for the domain that needs the engine
}
