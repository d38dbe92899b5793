// A host of domains in this process: worker threads, or this thread for debugging.

import { setImmediate, setTimeout } from 'node:timers/promises';
import { inlinePcpus, Pcanel } from '../../domains/index.js';
import { nodePcpus, nodeServices } from '../../domains/node/index.js';
import { engines } from './engines.js';
import { PCPU_WORKER, takeSpareThread } from './spare-thread.js';

export interface HostOptions {
  /** Keeps idle virtual time from running ahead of the host's. */
  readonly pace: boolean;
  /** Stands still once every script is over. */
  readonly holdAfterScripts: boolean;
  /** Runs everything on the calling thread. */
  readonly inline?: boolean;
}

export function openPcanel(options: HostOptions): Pcanel {
  if (!options.inline) {
    return new Pcanel({
      spawn: nodePcpus({
        worker: PCPU_WORKER,
        spare: takeSpareThread,
        pace: options.pace,
        holdAfterScripts: options.holdAfterScripts,
      }),
    });
  }
  const spawn = inlinePcpus({
    ...nodeServices,
    engines,
    nowNs: () => performance.now() * 1e6,
    wallClockMs: Date.now,
    pace: options.pace,
    holdAfterScripts: options.holdAfterScripts,
    delay: async (ms) => {
      await (ms > 0 ? setTimeout(ms) : setImmediate());
    },
  });
  return new Pcanel({ spawn });
}
