// Physical CPUs as Node worker threads. Source: Node.js documentation, "Worker threads".

import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { MessageChannel, type MessagePort, parentPort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { deflateSync } from 'node:zlib';
import { BugError } from '../../base/index.js';
import { fileBlockStore } from '../../host/node/index.js';
import { type EngineFactories, PcpuRuntime, type PcpuServices } from '../pcpu.js';
import type { PcpuCommand, PcpuEvent, PcpuLink, PcpuSpawner } from '../protocol.js';

interface WorkerStart {
  readonly cpu: number;
  readonly port: MessagePort;
  /** One word: its value changes with every ring. */
  readonly doorbell: SharedArrayBuffer;
  readonly pace: boolean;
  readonly holdAfterScripts: boolean;
}
type ToWorker = { readonly kind: 'command'; readonly command: PcpuCommand } | { readonly kind: 'close' };

/** Image files and modules of this computer, zlib. */
export const nodeServices: PcpuServices = {
  openDisk: fileBlockStore,
  deflate: (data) => deflateSync(data),
  loadModule: (url) => import(/^[a-z][a-z+.-]+:/i.test(url) ? url : pathToFileURL(url).href),
};

/** Nanoseconds of the host's monotonic clock, the same on all threads: performance.now() starts with each. */
const startNs = Number(process.hrtime.bigint()) - performance.now() * 1e6;
const nowNs = (): number => startNs + performance.now() * 1e6;
/** Host time between two looks at the commands while domains run. */
const TURN_NS = 5_000_000;

export interface NodePcpuOptions {
  /** Module that calls `runPcpuWorker`. */
  readonly worker: URL;
  /** Gives a thread that already runs that module and has not been used, or null. */
  readonly spare?: () => Worker | null;
  readonly pace?: boolean;
  readonly holdAfterScripts?: boolean;
}

/** Spawns one worker thread per physical CPU. */
export function nodePcpus(options: NodePcpuOptions): PcpuSpawner {
  return (cpu, onEvent, onCrash): PcpuLink => {
    const doorbell = new SharedArrayBuffer(4);
    const bell = new Int32Array(doorbell);
    const { port1, port2 } = new MessageChannel();
    const start: WorkerStart = {
      cpu,
      port: port2,
      doorbell,
      pace: options.pace ?? false,
      holdAfterScripts: options.holdAfterScripts ?? false,
    };
    const worker = options.spare?.() ?? new Worker(options.worker, { name: `pcpu${cpu}` });
    worker.postMessage(start, [port2]);
    let open = true;
    const ring = (): void => {
      Atomics.add(bell, 0, 1);
      Atomics.notify(bell, 0);
    };
    port1.on('message', onEvent);
    worker.on('error', (error) => {
      if (open) onCrash(error);
      open = false;
    });
    const ended = new Promise<void>((resolve) => {
      worker.on('exit', (code) => {
        if (open) onCrash(new Error(`the worker thread ended with code ${code}`));
        open = false;
        port1.close();
        resolve();
      });
    });
    const post = (message: ToWorker): void => {
      port1.postMessage(message);
      ring();
    };
    return {
      send: (command) => post({ kind: 'command', command }),
      bell,
      ring,
      close: async () => {
        open = false;
        post({ kind: 'close' });
        // A guest entry that does not come back is ended with its thread.
        const timer = setTimeout(() => void worker.terminate(), 2000);
        await ended;
        clearTimeout(timer);
      },
    };
  };
}

/** Longest interval of a timer. */
const MOST_TIMER_MS = 0x7fff_ffff;

/** The main program of a worker thread that is a physical CPU. */
export async function runPcpuWorker(engines: EngineFactories): Promise<void> {
  if (parentPort === null) throw new BugError('PCPU_THREAD', 'the main thread is no physical CPU, expected a worker');
  // what is awaited below, a module's compilation for one, does not keep a thread alive in every version of Node.js
  const alive = setInterval(() => {}, MOST_TIMER_MS);
  const [start] = await once(parentPort, 'message');
  const { cpu, port, doorbell, pace, holdAfterScripts } = start as WorkerStart;
  const bell = new Int32Array(doorbell);
  const emit = (event: PcpuEvent): void => port.postMessage(event);
  const own = { cpu, engines, nowNs, wallClockMs: Date.now, emit, pace, holdAfterScripts };
  const runtime = new PcpuRuntime({ ...nodeServices, ...own });
  for (;;) {
    const seen = Atomics.load(bell, 0);
    for (let m = receiveMessageOnPort(port); m !== undefined; m = receiveMessageOnPort(port)) {
      const message = m.message as ToWorker;
      if (message.kind === 'close') {
        runtime.close();
        port.close();
        clearInterval(alive);
        return;
      }
      await runtime.handle(message.command);
    }
    const state = runtime.run(TURN_NS);
    if (state.kind === 'busy') {
      await setImmediate();
      continue;
    }
    const ms = state.untilHostNs === null ? Number.POSITIVE_INFINITY : (state.untilHostNs - nowNs()) / 1e6;
    if (ms > 0) Atomics.wait(bell, 0, seen, ms);
  }
}
