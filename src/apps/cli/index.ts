// The command line program `pcanel`.
export { createSoftwareEngine, engines } from './engines.js';
export { main, program_ as program } from './main.js';
export { spawnTranslator, translationService } from './translator.js';
