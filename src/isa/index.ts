// Room `isa`: instruction declarations, decoder, disassembler.
export * from './all.js';
export * from './declare.js';
export * from './decoder.js';
export * from './disassembler.js';
export * from './operands.js';
export * from './procedure-table.js';
export * from './procedures.js';
export * from './sem.js';
