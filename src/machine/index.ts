// Room `machine`: one guest computer: the board's addresses and wiring, loaders and firmware tables, time.
export { type Picture, typeText } from '../devices/index.js';
export {
  type AccessKind,
  type AccessPolicyOptions,
  type AccessRule,
  addExits,
  type ExitBatch,
  type ExitFilter,
  type ExitRecord,
  type ExitStatistic,
  type ExitTraceOptions,
  estimatedNs,
  type FieldChange,
  type GuestAccess,
  MAX_TRACE_KEEP,
  type Verdict,
} from '../vmm/index.js';
export * from './board.js';
export * from './board-map.js';
export * from './boot.js';
export type { EngineTime } from './engine-time.js';
export * from './loaders/index.js';
export * from './machine.js';
export * from './media.js';
export * from './parallel/part.js';
export * from './parallel/placement.js';
export { SharedBoard } from './parallel/shared-board.js';
export * from './processors.js';
export * from './profile/kallsyms.js';
export {
  DEFAULT_EVERY_TICKS,
  MIN_EVERY_TICKS,
  type ProfileBatch,
  type ProfileOptions,
  type ProfileSample,
} from './profile/profiler.js';
export { callStack, type StackMode } from './profile/stack.js';
export * from './screenshot.js';
