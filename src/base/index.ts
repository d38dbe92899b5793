// Room `base`: errors, bit layouts, hex. Knows nothing about virtual machines.
export * from './bits.js';
export * from './errors.js';
export * from './hex.js';
