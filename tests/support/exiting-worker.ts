// A physical CPU whose thread ends when an attached vCPU is to run.

import { failingPcpu } from './failing-worker.js';

await failingPcpu(() => {
  process.exit(3);
  for (;;); // the thread is ended here
});
