// The library: hosts, machines, consoles, and the types they speak.
export {
  BugError,
  ConfigError,
  type ErrorDetails,
  GuestError,
  HostError,
  SnapshotError,
  VmError,
} from '../../base/index.js';
export type {
  AccessRecord,
  DomainOutcome,
  DomainStat,
  DomainState,
  Frame,
  PcpuStat,
  PolicyConfig,
  PolicyModule,
  PolicyRule,
  SchedulingStats,
  TimelineBatch,
  TimelineMark,
  TimelineReader,
  TimelineSlice,
} from '../../domains/index.js';
export { KEY_NAMES } from '../../domains/index.js';
export type {
  AccessKind,
  AccessPolicyOptions,
  AccessRule,
  ExitFilter,
  ExitRecord,
  ExitStatistic,
  FieldChange,
  GuestAccess,
  MachineStats,
  Verdict,
} from '../../machine/index.js';
export { type ExpectOptions, GuestConsole } from './console.js';
export { type FileOrBytes, type HostOptions, Pcanel, type VmOptions } from './host.js';
export { type ExitOptions, Vm, type VmEvent, type VmMemory } from './vm.js';
