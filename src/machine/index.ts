// Room `machine`: one guest computer: the board's addresses, loaders and firmware tables.
export * from './board-map.js';
export * from './loaders/index.js';
