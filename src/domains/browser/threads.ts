// One Web Worker per physical CPU, with shared memory. The page's side. Source: WHATWG HTML "Web workers"; ECMAScript
// "The Atomics Object".

import type { PcpuLink, PcpuSpawner } from '../protocol.js';
import {
  type BrowserPcpuOptions,
  CLOSE_MS,
  errorOf,
  type FromWorker,
  RINGS,
  SENT,
  type StartMessage,
  type ToWorker,
} from './messages.js';

/** Needs a page that is cross-origin isolated (SharedArrayBuffer). */
export function threadPcpus(options: BrowserPcpuOptions): PcpuSpawner {
  return (cpu, onEvent, onCrash): PcpuLink => {
    const worker = options.worker();
    const bell = new Int32Array(new SharedArrayBuffer(8));
    let open = true;
    let ended: () => void = () => undefined;
    const crash = (error: Error): void => {
      if (open) onCrash(error);
      open = false;
      ended();
    };
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.kind === 'event') onEvent(data.event);
      else if (data.kind === 'crashed') crash(new Error(data.message));
      else if (data.kind === 'closed') ended();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      crash(errorOf(event));
    };
    const start: StartMessage = {
      kind: 'start',
      cpu,
      bell,
      setup: options.setup,
      originMs: performance.timeOrigin,
      pace: options.pace ?? false,
      holdAfterScripts: options.holdAfterScripts ?? false,
    };
    worker.postMessage(start);
    const ring = (): void => {
      Atomics.add(bell, RINGS, 1);
      Atomics.notify(bell, RINGS);
    };
    const post = (message: ToWorker): void => {
      worker.postMessage(message);
      Atomics.add(bell, SENT, 1);
      ring();
    };
    return {
      send: (command) => post({ kind: 'command', cpu, command }),
      bell,
      ring,
      close: async () => {
        if (open) {
          open = false;
          const end = new Promise<void>((resolve) => {
            ended = resolve;
          });
          post({ kind: 'close' });
          // A guest entry that does not come back is ended with its thread.
          await Promise.race([end, new Promise((resolve) => setTimeout(resolve, CLOSE_MS))]);
        }
        worker.terminate();
      },
    };
  };
}
