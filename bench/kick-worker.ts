// The other thread of the kick benchmark: whenever it is armed it waits a moment, notes the time, and stores the kick word.
import { parentPort, workerData } from 'node:worker_threads';

export interface KickData {
  readonly kickWord: Int32Array;
  /** [0]: 1 asks for one kick. [1]: never written, for sleeping. */
  readonly words: Int32Array;
  /** [0]: when the kick word was stored, nanoseconds of the host's monotonic clock. */
  readonly stamp: BigInt64Array;
}

const { kickWord, words, stamp } = workerData as KickData;
parentPort?.postMessage('ready');
for (;;) {
  Atomics.wait(words, 0, 0);
  if (Atomics.load(words, 0) < 0) break;
  Atomics.wait(words, 1, 0, 1 + Math.random() * 3);
  Atomics.store(words, 0, 0);
  Atomics.store(stamp, 0, process.hrtime.bigint());
  Atomics.store(kickWord, 0, 1);
}
