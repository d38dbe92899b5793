// A terminal in a page (xterm.js or one shaped like it) as a byte stream.
// Source: xterm.js API, "Terminal.write", "onData", "onBinary".

import type { ByteStream } from '../index.js';
import { bufferedSink } from './clocks.js';

/** The part of xterm.js's `Terminal` that is used. */
export interface TerminalLike {
  write(data: Uint8Array): void;
  /** Text that the user types. */
  onData(listener: (text: string) => void): { dispose(): void };
}

/** Keys that wait while the stream is paused, at most. */
const MAX_WAITING_BYTES = 65536;

/** Keys come as UTF-8; output is gathered until the end of the turn. */
export function terminalStream(terminal: TerminalLike): ByteStream & { flush(): void } {
  const sink = bufferedSink((bytes) => terminal.write(bytes));
  const encoder = new TextEncoder();
  const listeners = new Set<(bytes: Uint8Array) => void>();
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let paused = false;
  let subscription: { dispose(): void } | null = null;
  const take = (bytes: Uint8Array): void => {
    if (!paused) for (const listener of listeners) listener(bytes);
    else if (waitingBytes + bytes.length <= MAX_WAITING_BYTES) {
      waiting.push(bytes);
      waitingBytes += bytes.length;
    }
  };
  return {
    write: (byte) => sink.write(byte),
    flush: () => sink.flush(),
    onBytes(listener) {
      listeners.add(listener);
      subscription ??= terminal.onData((text) => take(encoder.encode(text)));
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        subscription?.dispose();
        subscription = null;
      };
    },
    pause: () => {
      paused = true;
    },
    resume: () => {
      paused = false;
      const late = waiting;
      waiting = [];
      waitingBytes = 0;
      for (const bytes of late) take(bytes);
    },
  };
}
