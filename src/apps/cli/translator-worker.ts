// Main program of the worker threads that translate.

import { setImmediate, setTimeout } from 'node:timers/promises';
import { workerData } from 'node:worker_threads';
import { runTranslator, type ToTranslator } from '../../processor/index.js';
import { keptRegions } from './code-shelf.js';
import { idleMeter } from './idle-meter.js';
import type { TranslatorStart } from './translator.js';

const { port, posted, place, always } = workerData as TranslatorStart;
const count = new Int32Array(posted);
runTranslator({
  post: (answer) => {
    port.postMessage(answer);
    Atomics.add(count, 0, 1);
  },
  listen: (hear) => port.on('message', (message: ToTranslator) => hear(message)),
  pause: () => setImmediate(),
  rest: (ms) => setTimeout(ms, undefined, { ref: false }),
  idleProcessors: always ? () => 1 : idleMeter(),
  store: place && keptRegions(place),
  ended: () => port.close(),
});
