// Room `machine`: one guest computer: the board's addresses and wiring, loaders and firmware tables, time.
export * from './board.js';
export * from './board-map.js';
export * from './boot.js';
export * from './loaders/index.js';
export * from './machine.js';
export * from './media.js';
export * from './processors.js';
export * from './screenshot.js';
