// Pcanel in a web page: the entry point `pcanel/browser`. Everything but this file and its folder is what Node runs too.

import { ConfigError } from '../../base/index.js';
import { singleWorkerPcpus, threadPcpus } from '../../domains/browser/index.js';
import { Pcanel } from '../../domains/index.js';
import type { EngineUrls } from './engines.js';

export { ConfigError, HostError, VmError } from '../../base/index.js';
export {
  Domain,
  type DomainConfig,
  type DomainOutcome,
  type DomainStat,
  type DomainState,
  Pcanel,
  type PcpuStat,
} from '../../domains/index.js';
export { type TerminalLike, terminalStream } from '../../host/browser/index.js';
export { type BootSource, buildCpio, type CpioEntry, type NamedBytes } from '../../machine/index.js';
export { type EngineUrls, fetchBytes } from './engines.js';

/**
 * `threads`: a worker per physical CPU over shared memory. `single`: one worker for all of them, without shared memory.
 */
export type BrowserMode = 'threads' | 'single';

export interface BrowserOptions {
  /** `auto` takes threads where the page may share memory, else one thread. */
  readonly mode?: BrowserMode | 'auto';
  /** Keeps idle virtual time from running ahead of the host's; on unless turned off. */
  readonly pace?: boolean;
  /** Stands still once every script is over. */
  readonly holdAfterScripts?: boolean;
  /** Where the processor's modules are; beside this module unless given. */
  readonly modules?: EngineUrls;
  /** Starts the worker program; `pcpu-worker.js` beside this module unless given. */
  readonly worker?: () => Worker;
}

/** A host of domains in a page. */
export interface BrowserHost extends AsyncDisposable {
  readonly pcanel: Pcanel;
  readonly mode: BrowserMode;
  /** Why it is this mode, in a sentence. */
  readonly reason: string;
  close(): Promise<void>;
}

const MODES: readonly string[] = ['auto', 'threads', 'single'];

/** What this page can do, and why. */
export function chooseMode(
  wanted: BrowserMode | 'auto' = 'auto',
  isolated = globalThis.crossOriginIsolated === true && typeof SharedArrayBuffer !== 'undefined',
): { readonly mode: BrowserMode; readonly reason: string } {
  if (!MODES.includes(wanted)) {
    throw new ConfigError('BROWSER_MODE', `mode '${wanted}', expected one of: ${MODES.join(', ')}`);
  }
  if (wanted === 'single') return { mode: wanted, reason: 'asked for by the page' };
  if (isolated) return { mode: 'threads', reason: 'the page is cross-origin isolated' };
  const why =
    'SharedArrayBuffer is not available: the page is not cross-origin isolated (headers Cross-Origin-Opener-Policy and Cross-Origin-Embedder-Policy)';
  if (wanted === 'threads') throw new ConfigError('BROWSER_MODE', `mode 'threads': ${why}, expected mode 'auto'`);
  return { mode: 'single', reason: why };
}

/** Opens a host of domains; refuses a mode that the page cannot have. */
export function openPcanel(options: BrowserOptions = {}): BrowserHost {
  const { mode, reason } = chooseMode(options.mode);
  const setup: EngineUrls = options.modules ?? {
    procedures: new URL('./procedures.wasm', import.meta.url).href,
    interpreter: new URL('./interpreter.wasm', import.meta.url).href,
    translator: new URL('./translator-worker.js', import.meta.url).href,
  };
  const worker =
    options.worker ??
    (() => new Worker(new URL('./pcpu-worker.js', import.meta.url), { type: 'module', name: 'pcanel' }));
  const common = { pace: options.pace ?? true, holdAfterScripts: options.holdAfterScripts ?? false };
  const spawn = (mode === 'threads' ? threadPcpus : singleWorkerPcpus)({ ...common, worker, setup });
  const pcanel = new Pcanel({ spawn });
  const close = (): Promise<void> => pcanel.close();
  return { pcanel, mode, reason, close, [Symbol.asyncDispose]: close };
}
