// Room `processor`: the software VT-x processor.
export * from './modules.js';
export { SoftwareEngine } from './software-engine.js';
