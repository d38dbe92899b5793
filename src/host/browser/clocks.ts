// Clocks of a page or a Web Worker, the next task of its event loop, and output gathered until then.
// Sources: W3C High Resolution Time; WHATWG HTML "Message channels", "Timers" (why not setTimeout: it waits 4 ms).

import type { ByteSink, Clock, WallClock } from '../index.js';

/** The thread's monotonic clock; zero is the moment of the call. Steps of 5 us to 100 us, as the browser allows. */
export function monotonicClock(): Clock {
  const start = performance.now();
  return { nowNs: () => Math.round((performance.now() - start) * 1e6) };
}

export const wallClock: WallClock = { nowMs: () => Date.now() };

/** Returns a function whose promise is kept in a later task, so that messages, timers and paint get their turn. */
export function nextTask(): () => Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  // a port is listened to only while somebody waits, so that it keeps no thread alive
  const deliver = (): void => {
    waiting.shift()?.();
    if (waiting.length === 0) port1.onmessage = null;
  };
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      port1.onmessage = deliver;
      port2.postMessage(null);
    });
}

/** Gathers bytes and hands them to `write` in pieces, at the end of the present turn or when `limit` are there. */
export function bufferedSink(write: (bytes: Uint8Array) => void, limit = 4096): ByteSink & { flush(): void } {
  let bytes = new Uint8Array(limit);
  let used = 0;
  let scheduled = false;
  const flush = (): void => {
    scheduled = false;
    if (used === 0) return;
    const out = bytes.subarray(0, used);
    bytes = new Uint8Array(limit);
    used = 0;
    write(out);
  };
  return {
    flush,
    write(byte) {
      bytes[used++] = byte;
      if (used === limit) flush();
      else if (!scheduled) {
        scheduled = true;
        setTimeout(flush, 0);
      }
    },
  };
}
