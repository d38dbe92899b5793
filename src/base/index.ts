// Room `base`: errors, bit layouts, hex, text in bytes. Knows nothing about virtual machines.
export * from './bits.js';
export * from './errors.js';
export * from './hex.js';
export * from './text.js';
