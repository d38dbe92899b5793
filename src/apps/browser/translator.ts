// The translation service of a Web Worker: another worker, started by it, makes regions. Source: WHATWG HTML "Web workers".
import { type FromTranslator, TranslationService, type TranslatorLink } from '../../processor/index.js';

/** Starts a translator; it ends with this worker. Its answers arrive whenever this worker returns to its event loop. */
function spawnTranslator(url: string): TranslatorLink {
  const worker = new Worker(url, { type: 'module', name: 'translator' });
  const answers: FromTranslator[] = [];
  let ended = false;
  worker.onmessage = ({ data }: MessageEvent<FromTranslator>) => {
    answers.push(data);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    ended = true;
  };
  return {
    post: (message) => worker.postMessage(message),
    receive: () => (answers.length === 0 ? undefined : answers.shift()),
    get ended() {
      return ended;
    },
    close: async () => worker.terminate(),
    kill: () => worker.terminate(),
  };
}

/** A translation service whose threads run the program at `url`. */
export const translationService = (url: string): TranslationService =>
  new TranslationService({ spawn: () => spawnTranslator(url) });
