// x87 procedures: what the x87 declarations (src/isa/insns/x87) call. Numbers are made by numerics/; here are the stack,
// tags, status word, exceptions and memory operands. Intel SDM Vol. 1, ch. 8 "Programming with the x87 FPU".
// Effective addresses of memory operands are passed for FDP; linear addresses where the procedure accesses memory.
export * from './x87-arithmetic';
export * from './x87-control';
export * from './x87-fast';
export * from './x87-transfer';
