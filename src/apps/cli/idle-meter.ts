// How many processors of the host have nothing to do but the work of the thread that asks. Sources: Node.js documentation,
// `os.cpus()`; Linux, Documentation/scheduler/sched-stats.rst, "/proc/<pid>/schedstat".

import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Milliseconds that this thread has run; 0 where the host does not tell. */
function ownMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ', 1)[0]) / 1e6;
  } catch {
    return 0;
  }
}

/**
 * Gives, at each call, the processors that were idle or ran this thread since the last one, on average; 0 where the host does
 * not tell. With others that want its processor the thread runs for a part of the time only.
 */
export function idleMeter(now: () => number = () => performance.now(), read = cpus, own = ownMs): () => number {
  const look = () => ({ at: now(), idle: read().reduce((sum, { times }) => sum + times.idle, 0), own: own() });
  let before = { at: now(), idle: 0, own: 0 };
  return () => {
    const after = look();
    const free = after.idle - before.idle + after.own - before.own;
    const share = free / Math.max(1, after.at - before.at);
    const tells = before.idle !== 0;
    before = after;
    return tells ? share : 0;
  };
}
