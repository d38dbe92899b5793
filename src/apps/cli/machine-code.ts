// The machine code that V8 has made of a WebAssembly module, to keep it between runs. V8 gives it to C++ programs
// (`CompiledWasmModule::Serialize` in v8-wasm.h) and, up to Node.js 24, to scripts by functions made for its own tests
// (src/runtime/runtime-test-wasm.cc). V8 itself refuses code of another version, processor or set of flags.

import { setFlagsFromString } from 'node:v8';

interface Natives {
  serialize(module: WebAssembly.Module): ArrayBuffer;
  deserialize(code: ArrayBuffer, wasm: Uint8Array): WebAssembly.Module | undefined;
  isOptimized(exported: unknown): boolean;
  optimize(exported: unknown): void;
}

/** The last version with these functions. */
const LAST_NATIVES = 24;
const NODE = Number.parseInt(process.versions.node, 10);

let natives: Natives | null | undefined;
function made(): Natives | null {
  if (natives !== undefined) return natives;
  natives = null;
  if (NODE > LAST_NATIVES) return null;
  setFlagsFromString('--allow-natives-syntax');
  try {
    natives = {
      serialize: new Function('m', 'return %SerializeWasmModule(m)') as Natives['serialize'],
      deserialize: new Function('c', 'w', 'return %DeserializeWasmModule(c, w)') as Natives['deserialize'],
      isOptimized: new Function('f', 'return %IsTurboFanFunction(f)') as Natives['isOptimized'],
      optimize: new Function('f', '%WasmTierUpFunction(f)') as Natives['optimize'],
    };
  } catch {
    // a build of Node.js without them
  } finally {
    setFlagsFromString('--no-allow-natives-syntax');
  }
  return natives;
}

/** V8 gives machine code away here. */
export const keepsMachineCode = (): boolean => made() !== null;

/** Enough to instantiate a module of regions and look at its functions; they are not called. */
function makeStubs(): WebAssembly.Imports {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65_536, shared: true });
  const functions = new Proxy({}, { get: () => () => 0 });
  return { env: { memory }, procedures: functions, interpreter: functions };
}
let stubs: WebAssembly.Imports | null = null;
function exportsOf(module: WebAssembly.Module): readonly unknown[] {
  stubs ??= makeStubs();
  return Object.values(new WebAssembly.Instance(module, stubs).exports);
}

/**
 * The optimized machine code of a module of regions; empty when it has none yet (V8 keeps no baseline code, and ends the
 * process when there is nothing to keep), null when V8 cannot tell.
 */
export function serializeRegions(module: WebAssembly.Module): Uint8Array | null {
  const natives = made();
  if (natives === null) return null;
  if (!exportsOf(module).some((f) => natives.isOptimized(f))) return new Uint8Array(0);
  return new Uint8Array(natives.serialize(module));
}
/** Compiles a module of regions with optimization on this thread, one of them at each step. */
export function* compileRegions(module: WebAssembly.Module): Generator<void> {
  const natives = made();
  if (natives === null) return;
  for (const region of exportsOf(module)) {
    natives.optimize(region);
    yield;
  }
}
/** The machine code of a module all of which was compiled with optimization; null when V8 cannot tell. */
export function serializeOptimized(module: WebAssembly.Module): Uint8Array | null {
  const natives = made();
  return natives === null ? null : new Uint8Array(natives.serialize(module));
}
/** The module with that machine code; null: it is not for this V8. */
export function deserialize(code: Uint8Array, wasm: Uint8Array): WebAssembly.Module | null {
  return made()?.deserialize(new Uint8Array(code).buffer, wasm) ?? null;
}
