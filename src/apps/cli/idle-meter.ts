// How many processors that this process may use have nothing to do but the work of the thread that asks. Sources: Node.js
// documentation, `os.cpus()`; Linux, Documentation/scheduler/sched-stats.rst, "/proc/<pid>/schedstat", and proc(5),
// "/proc/pid/status".

import { readFileSync } from 'node:fs';
import { type CpuInfo, cpus } from 'node:os';

/** Milliseconds that this thread has run and has waited for a processor; null where the host does not tell. */
function ownTimes(): { readonly ran: number; readonly waited: number } | null {
  try {
    const [ran, waited] = readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ');
    return { ran: Number(ran) / 1e6, waited: Number(waited) / 1e6 };
  } catch {
    return null;
  }
}
/** Numbers in a list such as `0,2-3`. */
export function numbersOf(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [first, last] = range.split('-').map(Number) as [number, number?];
    return Array.from({ length: (last ?? first) - first + 1 }, (_, n) => first + n);
  });
}
/** Numbers of the processors that this process may use; null where the host does not tell. */
function allowedProcessors(): ReadonlySet<number> | null {
  try {
    const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    return list === undefined ? null : new Set(numbersOf(list));
  } catch {
    return null;
  }
}

export interface IdleSources {
  /** Milliseconds. */
  readonly now: () => number;
  readonly processors: () => readonly Pick<CpuInfo, 'times'>[];
  readonly own: typeof ownTimes;
  readonly allowed: ReadonlySet<number> | null;
}
/**
 * Gives, at each call, the processors that were idle or ran this thread since the last one, on average, less what the thread
 * has waited for one: others want it. 0 where the host does not tell.
 */
export function idleMeter(sources: Partial<IdleSources> = {}): () => number {
  const { now, processors, own, allowed }: IdleSources = {
    now: () => performance.now(),
    processors: cpus,
    own: ownTimes,
    allowed: allowedProcessors(),
    ...sources,
  };
  const idleMs = (): number =>
    processors().reduce((sum, { times }, n) => sum + (allowed?.has(n) === false ? 0 : times.idle), 0);
  const look = () => ({ at: now(), idle: idleMs(), ran: 0, waited: 0, ...own() });
  let before = { at: now(), idle: 0, ran: 0, waited: 0 };
  return () => {
    const after = look();
    const free = after.idle - before.idle + (after.ran - before.ran) - (after.waited - before.waited);
    const share = Math.max(0, free) / Math.max(1, after.at - before.at);
    const tells = before.idle !== 0;
    before = after;
    return tells ? share : 0;
  };
}
