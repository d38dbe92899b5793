// Room `vmx`: the narrow waist between the monitor and the engines. Intel SDM Vol. 3C.
export * from './cpu-state.js';
export * from './engine.js';
export * from './exits.js';
