// Room `isa`: instruction declarations, decoder, disassembler.
export * from './all.js';
export * from './declare.js';
export * from './decoded.js';
export * from './decoder.js';
export * from './disassembler.js';
export { parseOpcode } from './opcode-pattern.js';
export { OPERAND_KIND, operandForm, typeBits } from './operand-codes.js';
export * from './operands.js';
export * from './procedure-table.js';
export * from './procedures.js';
export * from './sem.js';
