// Physical CPUs in a web page: one Web Worker each over shared memory, or all in one worker without it.
export type { BrowserPcpuOptions, WorkerEngines } from './messages.js';
export { singleWorkerPcpus } from './single.js';
export { threadPcpus } from './threads.js';
export { runPcpuWorker, type WorkerScope } from './worker.js';
