// How many processors of the host have nothing to do. Source: Node.js documentation, `os.cpus()`.

import { cpus } from 'node:os';

/** Gives, at each call, the processors that were idle since the last one, on average; 0 where the host does not tell. */
export function idleMeter(now: () => number = () => performance.now(), read = cpus): () => number {
  let before = { at: now(), idle: 0 };
  return () => {
    const after = { at: now(), idle: read().reduce((sum, { times }) => sum + times.idle, 0) };
    const idle = (after.idle - before.idle) / Math.max(1, after.at - before.at);
    const first = before.idle === 0;
    before = after;
    return first ? 0 : idle;
  };
}
