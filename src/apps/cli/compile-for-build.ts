// Started by scripts/build.mjs: compiles the processor's modules, so that no start has to. With the word `program` as the
// program does it (start.ts), else as a script that uses this package.

import { compileForBuild } from './processor-modules.js';
import { optimizeLate } from './v8-flags.js';

if (process.argv[2] === 'program') optimizeLate();
await compileForBuild();
