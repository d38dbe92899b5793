// How soon a kick stops a vCPU: another thread stores the kick word while the guest runs hot translated code; the time
// until `enter` has returned. The guest is that of the kernels.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { SoftwareVcpu } from '../src/processor/testing.js';
import { buildKernels, KERNELS, kernelGuest } from './kernels.js';
import type { KickData } from './kick-worker.js';
import { type Figure, figure, type Section } from './output.js';

/** Kicks per run and way of time. */
const KICKS = 150;
/** Rounds of the five kernels before the first kick: all of it is translated then. */
const WARM_ROUNDS = 6;
const FIRST_MARK = { port: 0x500, value: 1 };
/** Longer than any wait between kicks, in ticks of 1 GHz. */
const BUDGET = 5_000_000_000;

/** Microseconds from the store of the kick word to the return of `enter`, one per kick. */
export async function kickLatencies(time: 'virtual' | 'real', kicks: number): Promise<number[]> {
  const { vcpu, vm } = await kernelGuest(1_000_000, 0, 'on', time);
  const { kickWord } = vcpu as SoftwareVcpu;
  const words = new Int32Array(new SharedArrayBuffer(8));
  const stamp = new BigInt64Array(new SharedArrayBuffer(8));
  const data: KickData = { kickWord, words, stamp };
  const worker = new Worker(new URL('./kick-worker.js', import.meta.url), { workerData: data });
  const arm = (value: number): void => {
    Atomics.store(words, 0, value);
    Atomics.notify(words, 0);
  };
  try {
    await once(worker, 'message');
    const latencies: number[] = [];
    let rounds = 0;
    while (latencies.length < kicks) {
      const exit = vcpu.enter(BUDGET);
      if (exit.name === 'kick') {
        latencies.push(Number(process.hrtime.bigint() - Atomics.load(stamp, 0)) / 1000);
        arm(1);
      } else if (exit.name === 'ioInstruction' && !exit.isIn) {
        const { port, value } = exit;
        vcpu.completeWrite();
        if (port !== FIRST_MARK.port || value !== FIRST_MARK.value) continue;
        rounds++;
        // translations of another thread arrive between two runs
        if (rounds <= WARM_ROUNDS) await new Promise((resolve) => setTimeout(resolve, 20));
        if (rounds === WARM_ROUNDS) arm(1);
      } else throw new Error(`the kernels' guest left with ${exit.name}`);
    }
    return latencies;
  } finally {
    arm(-1);
    await worker.terminate();
    vm.close();
  }
}

const percentile = (sorted: readonly number[], p: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))] as number;

export async function kickSection(runs: number): Promise<Section> {
  const name =
    'kicks (another thread stops hot translated code: kick word stored until `enter` returns; target 200 us)';
  const reason = buildKernels();
  if (reason !== null) return { name, figures: [], notes: [reason] };
  const figures: Figure[] = [];
  for (const time of ['virtual', 'real'] as const) {
    const perRun: number[][] = [];
    for (let n = 0; n < runs; n++) perRun.push((await kickLatencies(time, KICKS)).sort((a, b) => a - b));
    for (const p of [50, 99]) {
      const of = perRun.map((list) => percentile(list, p));
      figures.push(figure(`${time} time, ${p === 50 ? 'median' : `${p} % of kicks within`}`, 'us', of));
    }
  }
  return { name, figures, notes: [`${KICKS} kicks per run, while the guest runs ${KERNELS.join(', ')}`] };
}
