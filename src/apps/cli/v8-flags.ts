// How eagerly V8 optimizes our own JavaScript, and what it heeds in our WebAssembly. Source: `node --v8-options`.

import { setFlagsFromString } from 'node:v8';
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';

/** Major versions of Node.js whose V8 counts a function's bytecodes before it optimizes it; from the second on it counts calls. */
const COUNTS_BYTECODES = 20;
const COUNTS_CALLS = 22;
/** Six times as many as by default. */
const BYTECODES = 400_000;
const CALLS = 18_000;

/** From this version on V8 looks at branch hints without being told. */
const BRANCH_HINTS_BY_DEFAULT = 26;
/** The last version whose V8 knows the compilation hints that the interpreter has (`optimizeAtOnce`, processor/emit/wasm.ts). */
const LAST_COMPILATION_HINTS = 22;

/**
 * The version whose V8 has a quicker register allocator for functions of more than 8192 virtual registers, which keeps
 * everything in memory: a region of 350 instructions has more, and takes a third longer with it.
 */
const QUICK_ALLOCATOR = 20;

const NODE = Number.parseInt(process.versions.node, 10);
/** Where threads find what those that started them have set. */
const GIVEN = 'pcanel:v8-flags';
/** The flags set so far. */
export const flagsSet = (): readonly string[] => (getEnvironmentData(GIVEN) ?? []) as readonly string[];
function set(flags: readonly string[]): void {
  for (const flag of flags) setFlagsFromString(flag);
  adoptFlags(flags);
}
/** Another thread has set these since this one was started; they are flags of the process. */
export function adoptFlags(flags: readonly string[]): void {
  setEnvironmentData(GIVEN, [...new Set([...flagsSet(), ...flags])].sort());
}

/** The flags of `optimizeLate` that a major version of Node.js knows. */
export function lateFlags(major: number): string[] {
  if (major === COUNTS_BYTECODES) return [`--interrupt-budget=${BYTECODES}`];
  return major >= COUNTS_CALLS ? [`--invocation-count-for-turbofan=${CALLS}`] : [];
}
/**
 * Has V8 optimize JavaScript later, in all threads of the process: a run of a few seconds has little that is worth it, what
 * is optimized early is often optimized again, and the compiler's threads compete with the guest's.
 */
export function optimizeLate(): void {
  set(lateFlags(NODE));
}

/** The flags of `heedHints` that a major version of Node.js, 20 or later, knows and needs. */
export function hintFlags(major: number): string[] {
  const flags: string[] = [];
  if (major < BRANCH_HINTS_BY_DEFAULT) flags.push('--experimental-wasm-branch-hinting');
  if (major <= LAST_COMPILATION_HINTS) flags.push('--experimental-wasm-compilation-hints');
  return flags;
}
/** The flags of `heedHints` that have V8 allocate registers with care in functions of any size, by major version of Node.js. */
export const registerFlags = (major: number): string[] =>
  major === QUICK_ALLOCATOR ? ['--no-turbo-use-mid-tier-regalloc-for-huge-functions'] : [];
/**
 * Emitted code says which ways are rare (WebAssembly branch hinting proposal): those leave the frequent way's registers
 * alone. It also says that the interpreter's loop is to be optimized from the start: else V8 runs its baseline code for the
 * first 0.2 s of a guest, where every way round the large loop asks once more for the optimized code.
 */
export function heedHints(): void {
  set([...hintFlags(NODE), ...registerFlags(NODE)]);
}
