// The command line program `pcanel`.

export type { CodePlace } from './code-folder.js';
export { keptRegions } from './code-shelf.js';
export { createSoftwareEngine, engines } from './engines.js';
export { keepsMachineCode } from './machine-code.js';
export { main } from './main.js';
export { program } from './start.js';
export { spawnTranslator, translationService } from './translator.js';
