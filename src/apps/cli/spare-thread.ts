// A thread for the first physical CPU that starts while the command line is still being read; the processor's modules
// compile meanwhile. Source: Node.js documentation, "Worker threads".

import { availableParallelism } from 'node:os';
import { MessageChannel, MessagePort, Worker } from 'node:worker_threads';
import type { ProcessorModules } from '../../processor/index.js';
import { otherThreads, threadsGiveWay } from './background-threads.js';
import { processorModules } from './processor-modules.js';

/** Main program of the threads that are physical CPUs. */
export const PCPU_WORKER = new URL('./pcpu-worker.js', import.meta.url);
/** Data of a thread that starts before it is known what it will run. */
interface SpareData {
  /** One message: the processor's modules, or null where they do not compile. */
  readonly spare: MessagePort;
}

let spare: Worker | null = null;
/** Threads that physical CPUs were asked for. */
let asked = 0;

/** Starts the thread; it keeps nothing alive until somebody takes it. */
export function startSpareThread(): void {
  const background = otherThreads();
  const modules = processorModules();
  const { port1, port2 } = new MessageChannel();
  const data: SpareData = { spare: port2 };
  const worker = new Worker(PCPU_WORKER, { workerData: data, transferList: [port2], name: 'pcpu' });
  const send = (m: ProcessorModules | null): void => {
    port1.postMessage(m);
    port1.close();
    // not before: what they compile first is what the guest waits for; not where guests would leave them no processor
    if (asked < availableParallelism()) threadsGiveWay(background);
  };
  modules.then(send, () => send(null));
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
    port.once('message', resolve).once('close', () => resolve(null));
  });
}

/** The thread that was started, or null when there is none any more. */
export function takeSpareThread(): Worker | null {
  asked++;
  const worker = spare;
  spare = null;
  worker?.ref();
  return worker;
}
