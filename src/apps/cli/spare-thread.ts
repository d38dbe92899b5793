// A thread for the first physical CPU that starts while the command line is still being read; the processor's modules
// compile meanwhile. Source: Node.js documentation, "Worker threads".

import { availableParallelism } from 'node:os';
import { MessageChannel, MessagePort, Worker } from 'node:worker_threads';
import type { ProcessorModules } from '../../processor/index.js';
import { otherThreads, threadsGiveWay } from './background-threads.js';
import { processorModules } from './processor-modules.js';
import { adoptFlags, flagsSet, optimizeLate } from './v8-flags.js';

/** Main program of the threads that are physical CPUs. */
export const PCPU_WORKER = new URL('./pcpu-worker.js', import.meta.url);
/** Data of a thread that starts before it is known what it will run. */
interface SpareData {
  /** One message: what the thread lacks. */
  readonly spare: MessagePort;
}
/** What a thread that is there already lacks. */
export interface SpareParts {
  /** null: they do not compile. */
  readonly modules: ProcessorModules | null;
  /** Flags of V8 that were set after the thread had started. */
  readonly flags: readonly string[];
}

let spare: Worker | null = null;
/** Threads that physical CPUs were asked for. */
let asked = 0;

/** Starts the thread; it keeps nothing alive until somebody takes it. */
export function startSpareThread(): void {
  const background = otherThreads();
  const { port1, port2 } = new MessageChannel();
  const data: SpareData = { spare: port2 };
  const worker = new Worker(PCPU_WORKER, { workerData: data, transferList: [port2], name: 'pcpu' });
  const send = (modules: ProcessorModules | null): void => {
    port1.postMessage({ modules, flags: flagsSet() } satisfies SpareParts);
    port1.close();
    // not before: what they compile first is what the guest waits for; not where guests would leave them no processor
    if (asked < availableParallelism()) threadsGiveWay(background);
  };
  // Not before it is there: with flags set, Node.js has no use for what it keeps of its own modules, and a thread takes twice
  // as long to start. All are set before anything is compiled: code is kept by the flags that it was compiled with.
  worker.once('online', () => {
    optimizeLate();
    processorModules().then(send, () => send(null));
  });
  spare = worker;
  worker.unref();
  const gone = (): void => {
    if (spare === worker) spare = null; // whoever needs one starts another and hears why it cannot
  };
  worker.on('error', gone).on('exit', gone);
}

/** In that thread: the modules that the one that started it compiles; null in other threads. */
export function modulesFrom(workerData: unknown): Promise<ProcessorModules | null> | null {
  const port = (workerData as Partial<SpareData> | null)?.spare;
  if (!(port instanceof MessagePort)) return null;
  return new Promise((resolve) => {
    port
      .once('message', ({ modules, flags }: SpareParts) => {
        adoptFlags(flags);
        resolve(modules);
      })
      .once('close', () => resolve(null));
  });
}

/** The thread that was started, or null when there is none any more. */
export function takeSpareThread(): Worker | null {
  asked++;
  const worker = spare;
  spare = null;
  if (worker !== null) optimizeLate(); // threads that start from now on have to know of it
  worker?.ref();
  return worker;
}
