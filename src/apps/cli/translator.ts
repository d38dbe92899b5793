// The translation service of a thread of Node: one worker thread that makes regions for all its domains. Source: Node.js
// documentation, "Worker threads".

import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import {
  type FromTranslator,
  type ToTranslator,
  TranslationService,
  type TranslatorLink,
} from '../../processor/index.js';
import type { CodePlace } from './code-folder.js';
import { keptRegions, regionsPlace } from './code-shelf.js';
import { keepsMachineCode } from './machine-code.js';

export interface TranslatorStart {
  readonly port: MessagePort;
  /** One word: counts the answers posted. */
  readonly posted: SharedArrayBuffer;
  /** Where regions are kept between runs; null: they are not. */
  readonly place: CodePlace | null;
  /** Works ahead even where no processor is idle. */
  readonly always: boolean;
}

/** Of its heap: by default it would grow by four times as much, and translate no faster. */
const YOUNG_MB = 12;

const PROGRAM = new URL('./translator-worker.js', import.meta.url);
/** Starts a translator thread; it ends with this thread and keeps nothing alive. */
export function spawnTranslator(program = PROGRAM, place: CodePlace | null = null, always = false): TranslatorLink {
  const { port1, port2 } = new MessageChannel();
  const posted = new SharedArrayBuffer(4);
  const count = new Int32Array(posted);
  const start: TranslatorStart = { port: port2, posted, place, always };
  const worker = new Worker(program, {
    workerData: start,
    transferList: [port2],
    name: 'translator',
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  worker.unref();
  let seen = 0;
  let ended = false;
  const end = (): void => {
    ended = true;
  };
  const exited = new Promise<void>((resolve) => worker.on('exit', resolve));
  worker.on('error', end).on('exit', end);
  return {
    post: (message) => port1.postMessage(message),
    // the vCPUs' thread may not return to its event loop for long: it takes its messages itself
    receive: () => {
      if (Atomics.load(count, 0) === seen) return undefined;
      const received = receiveMessageOnPort(port1);
      if (received === undefined) return undefined;
      seen = (seen + 1) | 0;
      return received.message as FromTranslator;
    },
    get ended() {
      return ended;
    },
    close: async () => {
      if (place === null) await worker.terminate();
      else {
        worker.ref(); // until it has written
        port1.postMessage({ kind: 'end' } satisfies ToTranslator);
        await exited;
      }
      port1.close();
    },
    kill: () => {
      port1.close();
      void worker.terminate();
    },
  };
}

let service: TranslationService | null = null;
/** The translation service of this thread. */
export function translationService(): TranslationService {
  if (service === null) {
    const place = regionsPlace();
    service = new TranslationService({
      spawn: () => spawnTranslator(PROGRAM, place),
      kept: () => place && keptRegions(place),
      worksAhead: place !== null && keepsMachineCode(),
    });
  }
  return service;
}
/** Ends the translation service of this thread; resolves when what it made is kept. */
export async function endTranslationService(): Promise<void> {
  service?.close();
  await service?.settled();
}
