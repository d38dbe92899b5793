// Room `domains`: many machines: lifecycle, scheduling, consoles, scripts. Threads of Node and of web pages are in `node/` and `browser/`.
export * from './config.js';
export * from './console-ring.js';
export * from './inline.js';
export * from './keyboard.js';
export * from './parts.js';
export * from './pcanel.js';
export * from './pcpu.js';
export * from './policy.js';
export * from './profile/folded.js';
export * from './profile/symbols.js';
export * from './protocol.js';
export * from './scheduler.js';
export * from './script.js';
export * from './timeline.js';
