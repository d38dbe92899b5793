// Main program of the Web Workers that translate.

import { nextTask } from '../../host/browser/index.js';
import { type FromTranslator, runTranslator, type ToTranslator } from '../../processor/index.js';

interface Scope {
  onmessage: ((event: MessageEvent<ToTranslator>) => void) | null;
  postMessage(message: FromTranslator): void;
}
const scope = self as unknown as Scope;
const pause = nextTask();
runTranslator({
  post: (answer) => scope.postMessage(answer),
  listen: (hear) => {
    scope.onmessage = ({ data }) => hear(data);
  },
  pause,
  rest: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  idleProcessors: () => 0,
  store: null,
  ended: () => {},
});
