// A physical CPU on the caller's own thread, for tests, debugging and hosts without threads.

import { type PcpuOptions, PcpuRuntime } from './pcpu.js';
import type { PcpuCommand, PcpuLink, PcpuSpawner } from './protocol.js';

export interface InlineOptions extends Omit<PcpuOptions, 'cpu' | 'emit'> {
  /** Comes back after `ms` of host time; 0 lets others of this thread run. */
  readonly delay: (ms: number) => Promise<void>;
}

const TURN_NS = 5_000_000;
/** Without a doorbell to wait on, how often to look for input. */
const POLL_MS = 5;

/** Physical CPUs that share the calling thread. */
export function inlinePcpus(options: InlineOptions): PcpuSpawner {
  return (cpu, emit, onCrash): PcpuLink => {
    const runtime = new PcpuRuntime({ ...options, cpu, emit });
    const commands: PcpuCommand[] = [];
    let rung = false;
    let open = true;
    const loop = async (): Promise<void> => {
      while (open) {
        rung = false;
        for (let c = commands.shift(); c !== undefined; c = commands.shift()) await runtime.handle(c);
        const state = runtime.run(TURN_NS);
        if (state.kind === 'busy') {
          await options.delay(0);
          continue;
        }
        const until = state.untilHostNs ?? Number.POSITIVE_INFINITY;
        while (open && !rung && commands.length === 0) {
          const ms = (until - options.nowNs()) / 1e6;
          if (!(ms > 0)) break;
          await options.delay(Math.min(ms, POLL_MS));
        }
      }
    };
    const ended = loop().catch((error: unknown) => {
      open = false;
      onCrash(error instanceof Error ? error : new Error(String(error)));
    });
    return {
      send: (command) => void commands.push(command),
      ring: () => {
        rung = true;
      },
      close: async () => {
        open = false;
        await ended;
      },
    };
  };
}
