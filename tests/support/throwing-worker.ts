// A physical CPU whose attached vCPUs throw.

import { failingPcpu } from './failing-worker.js';

await failingPcpu(() => {
  throw new Error('this vCPU has had enough');
});
