// Room `arch`: facts of the x86 architecture. Constants and pure decoders, nothing that runs.
export * from './control-registers.js';
export * from './cpuid.js';
export * from './descriptors.js';
export * from './exceptions.js';
export * from './msr.js';
export * from './paging.js';
export * from './registers.js';
