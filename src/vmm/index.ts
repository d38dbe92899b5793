// Room `vmm`: the monitor. Handles VM exits of a vCPU; knows no engine and no device by name.
export * from './access-policy.js';
export * from './cpu-models.js';
export * from './cpuid-policy.js';
export * from './event-injection.js';
export * from './exit-statistics.js';
export * from './exit-trace.js';
export * from './monitor.js';
export * from './msr-policy.js';
export * from './ports.js';
export * from './vcpu-controls.js';
