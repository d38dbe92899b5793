// Main program of the worker threads that are physical CPUs. The processor's modules compile while the rest is loaded.

import { workerData } from 'node:worker_threads';
import { engines, softwareModules } from './engines.js';
import { SPARE } from './spare-thread.js';

// An error is for the domain that needs the engine.
if (workerData === SPARE) softwareModules().catch(() => {});
const { runPcpuWorker } = await import('../../domains/node/index.js');
await runPcpuWorker(engines);
