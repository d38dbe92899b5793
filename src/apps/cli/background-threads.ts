// Threads that work for guests' threads give way to them where there are fewer processors than threads. Linux: a thread has
// a nice value of its own (sched(7), setpriority(2)).

import { readdirSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/** A guest's thread gets three times the share of such a thread on the processor that they compete for. */
export const NICER = 5;

function giveWay(thread: number): void {
  try {
    setPriority(thread, Math.min(19, getPriority(thread) + NICER));
  } catch {
    // it has ended, or may not be changed: then it competes
  }
}

/** The threads of this process but the main one: while no worker has been started, those of V8 and Node; none but on Linux. */
export function otherThreads(): number[] {
  try {
    return readdirSync('/proc/self/task')
      .map(Number)
      .filter((thread) => thread !== process.pid);
  } catch {
    return [];
  }
}

/** Lets threads give way to those of guests. */
export function threadsGiveWay(threads: readonly number[]): void {
  for (const thread of threads) giveWay(thread);
}
