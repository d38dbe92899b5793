// The translation service of a thread of Node: one worker thread that makes regions for all its domains. Source: Node.js
// documentation, "Worker threads".
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { type FromTranslator, TranslationService, type TranslatorLink } from '../../processor/index.js';

export interface TranslatorStart {
  readonly port: MessagePort;
  /** One word: counts the answers posted. */
  readonly posted: SharedArrayBuffer;
}

/** Of its heap: by default it would grow by four times as much, and translate no faster. */
const YOUNG_MB = 12;

/** Starts a translator thread; it ends with this thread and keeps nothing alive. */
export function spawnTranslator(program = new URL('./translator-worker.js', import.meta.url)): TranslatorLink {
  const { port1, port2 } = new MessageChannel();
  const posted = new SharedArrayBuffer(4);
  const count = new Int32Array(posted);
  const start: TranslatorStart = { port: port2, posted };
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
    close: () => {
      port1.close();
      void worker.terminate();
    },
  };
}

let service: TranslationService | null = null;
/** The translation service of this thread. */
export function translationService(): TranslationService {
  service ??= new TranslationService({ spawn: () => spawnTranslator() });
  return service;
}
