// Main program of the worker threads that translate.

import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { workerData } from 'node:worker_threads';
import { runTranslator, type ToTranslator } from '../../processor/index.js';
import type { TranslatorStart } from './translator.js';

const { port, posted } = workerData as TranslatorStart;
const count = new Int32Array(posted);
/** V8 would compile each function at its first call, on the vCPU's thread. */
function compile(wasm: Uint8Array): WebAssembly.Module {
  setFlagsFromString('--no-wasm-lazy-compilation');
  try {
    return new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>);
  } finally {
    setFlagsFromString('--wasm-lazy-compilation');
  }
}
runTranslator({
  compile,
  post: (answer) => {
    port.postMessage(answer);
    Atomics.add(count, 0, 1);
  },
  listen: (hear) => port.on('message', (message: ToTranslator) => hear(message)),
  pause: () => setImmediate(),
});
