// Main program of the worker threads that are physical CPUs.

import { runPcpuWorker } from '../../domains/node/index.js';
import { engines } from './engines.js';

await runPcpuWorker(engines);
