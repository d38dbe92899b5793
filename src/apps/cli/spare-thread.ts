// A thread for the first physical CPU that starts while the command line is still being read. Source: Node.js
// documentation, "Worker threads".

import { Worker } from 'node:worker_threads';

/** Main program of the threads that are physical CPUs. */
export const PCPU_WORKER = new URL('./pcpu-worker.js', import.meta.url);
/** Data of a thread that makes the software engine ready at once, whatever it will be told to run. */
export const SPARE = 'spare';

let spare: Worker | null = null;

/** Starts the thread; it keeps nothing alive until somebody takes it. */
export function startSpareThread(): void {
  const worker = new Worker(PCPU_WORKER, { workerData: SPARE, name: 'pcpu' });
  spare = worker;
  worker.unref();
  const gone = (): void => {
    if (spare === worker) spare = null; // whoever needs one starts another and hears why it cannot
  };
  worker.on('error', gone).on('exit', gone);
}

/** The thread that was started, or null when there is none any more. */
export function takeSpareThread(): Worker | null {
  const worker = spare;
  spare = null;
  worker?.ref();
  return worker;
}
