// How eagerly V8 optimizes our own JavaScript. Source: `node --v8-options`.

import { setFlagsFromString } from 'node:v8';

/** Major versions of Node.js whose V8 counts a function's bytecodes before it optimizes it; from the second on it counts calls. */
const COUNTS_BYTECODES = 20;
const COUNTS_CALLS = 22;
/** Six times as many as by default. */
const BYTECODES = 400_000;
const CALLS = 18_000;

/** The flags that a major version of Node.js knows. */
export function lateFlags(major: number): string[] {
  if (major === COUNTS_BYTECODES) return [`--interrupt-budget=${BYTECODES}`];
  return major >= COUNTS_CALLS ? [`--invocation-count-for-turbofan=${CALLS}`] : [];
}
/**
 * Has V8 optimize JavaScript later, in all threads of the process: a run of a few seconds has little that is worth it, what
 * is optimized early is often optimized again, and the compiler's threads compete with the guest's.
 */
export function optimizeLate(): void {
  for (const flag of lateFlags(Number.parseInt(process.versions.node, 10))) setFlagsFromString(flag);
}
