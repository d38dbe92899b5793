// What the room publishes for end-to-end tests: its engines and its guest images.
export {
  type CodePlace,
  createSoftwareEngine,
  engines,
  keepsMachineCode,
  keptRegions,
  spawnTranslator,
  translationService,
} from './cli/index.js';
export {
  buildInitramfs,
  busyboxInitramfs,
  cacheFolder,
  ensureImage,
  ensureProgram,
  type InitramfsOptions,
  type Program,
  UP_BANNER,
} from './images/index.js';
export * from './rest/index.js';
