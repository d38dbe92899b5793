// Firmware: its ROM, its devices and the memory layout that it controls.
export * from './board-memory.js';
export * from './firmware-board.js';
export * from './memory-layout.js';
export * from './table-loader.js';
