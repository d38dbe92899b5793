// Main program of the Web Workers that are physical CPUs.

import { runPcpuWorker, type WorkerScope } from '../../domains/browser/index.js';
import { browserEngines, type EngineUrls } from './engines.js';

runPcpuWorker(self as unknown as WorkerScope, (setup, shared) => browserEngines(setup as EngineUrls, shared));
