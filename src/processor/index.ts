// Room `processor`: the software VT-x processor.

export { JIT_MODES, type JitMode, jitMode, type TierOptions, type TierStatistics } from './jit/tier.js';
export * from './modules.js';
export { SoftwareEngine } from './software-engine.js';
