// Room `memory`: guest-physical memory over one buffer.
export * from './guest-memory.js';
