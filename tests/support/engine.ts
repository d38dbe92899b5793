// The software engine as the tests use it: built modules from the output folder, compiled once per test file.
import { readFileSync } from 'node:fs';
import { compileModules, type ProcessorModules, SoftwareEngine } from '../../src/processor/index.js';

const built = (name: string): Uint8Array => readFileSync(new URL(`../../${name}`, import.meta.url));
let modules: Promise<ProcessorModules> | null = null;

export async function softwareEngine(): Promise<SoftwareEngine> {
  modules ??= compileModules({ procedures: built('procedures.wasm'), interpreter: built('interpreter.wasm') });
  return new SoftwareEngine(await modules);
}
