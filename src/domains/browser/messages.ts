// What a page and its workers tell each other. Source: WHATWG HTML "Web workers".

import type { EngineFactories } from '../pcpu.js';
import type { PcpuCommand, PcpuEvent } from '../protocol.js';

export interface BrowserPcpuOptions {
  /** Starts a worker whose program calls `runPcpuWorker`. */
  readonly worker: () => Worker;
  /** Handed to the worker's `WorkerEngines` as it is; plain data. */
  readonly setup: unknown;
  readonly pace?: boolean;
  readonly holdAfterScripts?: boolean;
}

/** Makes the engines of a worker; `shared`: whether guest memory may be shared memory. */
export type WorkerEngines = (setup: unknown, shared: boolean) => EngineFactories;

/** The first message to a worker. `bell`: its doorbell; without one the worker serves every physical CPU. */
export interface StartMessage {
  readonly kind: 'start';
  readonly cpu: number;
  readonly bell: Int32Array | null;
  readonly setup: unknown;
  /** The page's `performance.timeOrigin`: all threads count time from there. */
  readonly originMs: number;
  readonly pace: boolean;
  readonly holdAfterScripts: boolean;
}

export type ToWorker =
  | { readonly kind: 'command'; readonly cpu: number; readonly command: PcpuCommand }
  | { readonly kind: 'close' }
  /** Without shared memory: bytes for a domain's console. */
  | { readonly kind: 'input'; readonly id: number; readonly bytes: Uint8Array }
  /** Without shared memory: so many bytes of a domain's output have been taken. */
  | { readonly kind: 'taken'; readonly id: number; readonly count: number };

export type FromWorker =
  | { readonly kind: 'event'; readonly cpu: number; readonly event: PcpuEvent }
  | { readonly kind: 'closed' }
  | { readonly kind: 'crashed'; readonly message: string }
  /** Without shared memory: bytes that a domain sent. */
  | { readonly kind: 'output'; readonly id: number; readonly bytes: Uint8Array }
  /** Without shared memory: so many bytes of input have gone to the guest. */
  | { readonly kind: 'accepted'; readonly id: number; readonly count: number };

/** Words of the doorbell. */
export const RINGS = 0;
/** Messages sent so far: a worker that wakes up knows how many it has yet to see. */
export const SENT = 1;

/** How long a worker may take to end by itself. */
export const CLOSE_MS = 2000;

export const errorOf = (event: ErrorEvent): Error =>
  new Error(event.message || 'the worker could not be started, expected its script to load');
