// Room `vmx`: the narrow waist between the monitor and the engines. Intel SDM Vol. 3C.
export * from './controls.js';
export * from './cpu-state.js';
export * from './default-state.js';
export * from './engine.js';
export * from './entry-checks.js';
export * from './exit-reasons.js';
export * from './exits.js';
export * from './interruption-info.js';
export * from './qualifications.js';
export * from './vmcs.js';
export * from './vmcs-fields.js';
