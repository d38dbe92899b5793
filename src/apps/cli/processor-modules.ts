// The processor's WebAssembly modules, compiled as V8 does it best for them. Small, because a program starts with it.

import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { HostError } from '../../base/index.js';
import type { ProcessorModules } from '../../processor/index.js';
import { built, builtPlace, type CodePlace, codePlace, keepWhole, readKept, readWhole } from './code-folder.js';
import { deserialize, keepsMachineCode, serializeOptimized } from './machine-code.js';
import { heedHints } from './v8-flags.js';

async function wasm(name: string): Promise<Uint8Array> {
  try {
    return await readFile(built(name));
  } catch (cause) {
    const message = `'${built(name).pathname}' cannot be read, expected it to be built: run 'npm run build'`;
    throw new HostError('ENGINE_NOT_BUILT', message, { file: name }, { cause });
  }
}

const LAZY = 'wasm-lazy-compilation';
/** The second goes off with the first, and must be set again by name: else V8 optimizes every function of every module. */
const BASELINE = ['liftoff', 'wasm-dynamic-tiering'];
/** While `work` runs V8 does without these flags. */
async function withoutFlags<T>(flags: readonly string[], work: () => Promise<T>): Promise<T> {
  for (const flag of flags) setFlagsFromString(`--no-${flag}`);
  try {
    return await work();
  } finally {
    for (const flag of flags) setFlagsFromString(`--${flag}`);
  }
}
/** The processor's modules by name. */
const NAMES = ['interpreter.wasm', 'procedures.wasm'] as const;
type Compiled = [interpreter: WebAssembly.Module, procedures: WebAssembly.Module];

/**
 * The modules: with the machine code of the build or of an earlier start; else all functions are compiled, on V8's own
 * threads, for each would be compiled at its first call, and the guest would wait for it. Where their code can be kept they
 * are optimized now.
 */
async function compileNow(): Promise<Compiled> {
  const files = await Promise.all(NAMES.map(wasm));
  const made = files.map((bytes) => withMachineCode(bytes, readWhole(builtPlace(bytes))));
  if (whole(made)) return made;
  const places = files.map((bytes) => (keepsMachineCode() ? codePlace(bytes) : null));
  const kept = files.map((bytes, n) => {
    const place = places[n] ?? null;
    return place === null ? null : withMachineCode(bytes, readKept(place));
  });
  if (whole(kept)) return kept;
  const modules = await compileAll(files, !places.includes(null));
  for (const [n, place] of places.entries()) if (place !== null) keepModule(modules[n] as WebAssembly.Module, place);
  return modules;
}
const whole = (modules: readonly (WebAssembly.Module | null)[]): modules is Compiled =>
  modules.every((module) => module !== null);
function compileAll(files: readonly Uint8Array[], optimized: boolean): Promise<Compiled> {
  return withoutFlags(optimized ? [LAZY, ...BASELINE] : [LAZY], () =>
    Promise.all(files.map((bytes) => WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>))),
  ) as Promise<Compiled>;
}
/** The module with that code; null: there is none that fits. */
function withMachineCode(wasm: Uint8Array, code: Uint8Array | null): WebAssembly.Module | null {
  return code === null ? null : deserialize(code, wasm);
}
function keepModule(module: WebAssembly.Module, place: CodePlace): void {
  const code = serializeOptimized(module);
  try {
    if (code !== null) keepWhole(place, code);
  } catch {
    // a full or read-only folder costs the next start its time, nothing else
  }
}

/** Compiles the modules for all starts of this build with the flags of this process, where V8 gives machine code away. */
export async function compileForBuild(): Promise<void> {
  heedHints();
  if (!keepsMachineCode()) return;
  const files = await Promise.all(NAMES.map(wasm));
  const modules = await compileAll(files, true);
  for (const [n, module] of modules.entries()) keepModule(module, builtPlace(files[n] as Uint8Array));
}

let modules: Promise<ProcessorModules> | null = null;
/** The processor's modules of this thread. Throws HostError when they have not been built. */
export function processorModules(): Promise<ProcessorModules> {
  modules ??= compileProcessor();
  return modules;
}
async function compileProcessor(): Promise<ProcessorModules> {
  heedHints();
  const [interpreter, procedures] = await compileNow();
  return { procedures, interpreter, shared: true };
}

/** Takes modules that another thread compiles; where that comes to nothing (null) this thread compiles its own. */
export function takeProcessorModules(others: Promise<ProcessorModules | null>): void {
  modules = others.then((theirs) => theirs ?? compileProcessor());
  modules.catch(() => {}); // an error is for the domain that needs the engine
}
