// The main program of a Web Worker that is a physical CPU, or all of them. Source: WHATWG HTML "Web workers".

import { httpBlockStore, nextTask } from '../../host/browser/index.js';
import { PcpuRuntime, type PcpuServices } from '../pcpu.js';
import { type FromWorker, RINGS, SENT, type StartMessage, type ToWorker, type WorkerEngines } from './messages.js';
import { SingleWorkerRuntime } from './single-worker.js';

/** Media and modules are URLs. */
const services: PcpuServices = {
  openDisk: (path, readOnly) => httpBlockStore(path, readOnly),
  loadModule: (url) => import(url),
};
/** Nanoseconds since the page's start, the same on all threads: performance.now() starts with each. */
let startMs = 0;
const nowNs = (): number => (startMs + performance.now()) * 1e6;
/** Host time between two looks at the commands while domains run. */
const TURN_NS = 5_000_000;

/** What of a worker's global scope is used. */
export interface WorkerScope {
  onmessage: ((event: MessageEvent<StartMessage | ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
  close(): void;
}

/** Call it at once when the worker starts: it listens for the first message. */
export function runPcpuWorker(scope: WorkerScope, engines: WorkerEngines): void {
  const post = (message: FromWorker): void => scope.postMessage(message);
  const crash = (error: unknown): void => {
    post({ kind: 'crashed', message: error instanceof Error ? error.message : String(error) });
  };
  scope.onmessage = ({ data: start }) => {
    if (start.kind !== 'start') return crash(new Error(`first message is '${start.kind}', expected 'start'`));
    const { pace, holdAfterScripts, bell } = start;
    startMs = performance.timeOrigin - start.originMs;
    const made = { ...services, engines: engines(start.setup, bell !== null), nowNs, wallClockMs: Date.now };
    const task = nextTask();
    if (bell !== null) {
      const emit: Emit = (event) => post({ kind: 'event', cpu: start.cpu, event });
      const runtime = new PcpuRuntime({ ...made, cpu: start.cpu, emit, pace, holdAfterScripts });
      threadLoop(scope, runtime, bell, task)
        .then(() => {
          post({ kind: 'closed' });
          scope.close();
        })
        .catch(crash);
      return;
    }
    const delay = (ms: number): Promise<void> => (ms > 0 ? new Promise((r) => setTimeout(r, ms)) : task());
    const runtime = new SingleWorkerRuntime({ ...made, pace, holdAfterScripts, delay }, post);
    scope.onmessage = ({ data }) => {
      if (data.kind !== 'start') void runtime.hear(data).catch(crash);
    };
  };
}
type Emit = ConstructorParameters<typeof PcpuRuntime>[0]['emit'];

/** Runs one physical CPU until told to close. Idle, the thread sleeps on its doorbell. */
async function threadLoop(
  scope: WorkerScope,
  runtime: PcpuRuntime,
  bell: Int32Array,
  task: () => Promise<void>,
): Promise<void> {
  const inbox: ToWorker[] = [];
  let received = 0;
  scope.onmessage = ({ data }) => {
    received++;
    if (data.kind !== 'start') inbox.push(data);
  };
  for (;;) {
    const seen = Atomics.load(bell, RINGS);
    // A message is on its way when the bell has rung for it: its event needs a turn of the event loop.
    while (received < Atomics.load(bell, SENT)) await task();
    for (let message = inbox.shift(); message !== undefined; message = inbox.shift()) {
      if (message.kind === 'close') {
        runtime.close();
        return;
      }
      if (message.kind === 'command') await runtime.handle(message.command);
    }
    const state = runtime.run(TURN_NS);
    if (state.kind === 'busy') {
      await task();
      continue;
    }
    const ms = state.untilHostNs === null ? Number.POSITIVE_INFINITY : (state.untilHostNs - nowNs()) / 1e6;
    if (ms > 0) Atomics.wait(bell, RINGS, seen, ms);
  }
}
