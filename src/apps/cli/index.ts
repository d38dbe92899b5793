// The command line program `pcanel`.
export { createSoftwareEngine, engines } from './engines.js';
export { main } from './main.js';
export { program } from './start.js';
export { spawnTranslator, translationService } from './translator.js';
