// Room `kvm`: hardware VT-x through Linux /dev/kvm; the only room that calls C functions. Linux Documentation/virt/kvm/api.rst.
export { type KvmModule, kvmModules } from './host-modules.js';
export type { KvmInterruptChip } from './interrupt-chip.js';
export { KVM_DEVICE, KvmEngine, type KvmEngineOptions } from './kvm-engine.js';
export type { KvmVm } from './kvm-vm.js';
export { KICK_SIGNAL, type KickTarget, kickThread } from './thread-signal.js';
