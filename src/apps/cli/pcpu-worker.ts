// Main program of the worker threads that are physical CPUs. The processor's modules compile while the rest is loaded.

import { workerData } from 'node:worker_threads';
import { engines } from './engines.js';
import { takeProcessorModules } from './processor-modules.js';
import { modulesFrom } from './spare-thread.js';

const modules = modulesFrom(workerData);
if (modules !== null) takeProcessorModules(modules);
const { runPcpuWorker } = await import('../../domains/node/index.js');
await runPcpuWorker(engines);
const { endTranslationService } = await import('./translator.js');
await endTranslationService();
