// Numbers and layouts of the KVM interface on x86-64. Linux Documentation/virt/kvm/api.rst; include/uapi/linux/kvm.h,
// arch/x86/include/uapi/asm/kvm.h. Names are the header's without the KVM_ prefix.

/** Requests of ioctl: of /dev/kvm, of a VM, of a vCPU. */
export const Ioctl = {
  GET_API_VERSION: 0xae00,
  CREATE_VM: 0xae01,
  CHECK_EXTENSION: 0xae03,
  GET_VCPU_MMAP_SIZE: 0xae04,
  GET_SUPPORTED_CPUID: 0xc008_ae05,

  CREATE_VCPU: 0xae41,
  GET_DIRTY_LOG: 0x4010_ae42,
  SET_USER_MEMORY_REGION: 0x4020_ae46,
  SET_TSS_ADDR: 0xae47,
  SET_IDENTITY_MAP_ADDR: 0x4008_ae48,
  CREATE_IRQCHIP: 0xae60,
  IRQ_LINE: 0x4008_ae61,
  GET_IRQCHIP: 0xc208_ae62,
  SET_IRQCHIP: 0x8208_ae63,
  GET_PIT2: 0x8070_ae9f,
  SET_PIT2: 0x4070_aea0,
  IRQFD: 0x4020_ae76,
  CREATE_PIT2: 0x4040_ae77,
  IOEVENTFD: 0x4040_ae79,
  ENABLE_CAP: 0x4068_aea3,
  X86_SET_MSR_FILTER: 0x4188_aec6,

  RUN: 0xae80,
  GET_REGS: 0x8090_ae81,
  SET_REGS: 0x4090_ae82,
  GET_SREGS: 0x8138_ae83,
  SET_SREGS: 0x4138_ae84,
  TRANSLATE: 0xc018_ae85,
  INTERRUPT: 0x4004_ae86,
  GET_MSRS: 0xc008_ae88,
  SET_MSRS: 0x4008_ae89,
  SET_SIGNAL_MASK: 0x4004_ae8b,
  SET_CPUID2: 0x4008_ae90,
  GET_MP_STATE: 0x8004_ae98,
  SET_MP_STATE: 0x4004_ae99,
  NMI: 0xae9a,
  SET_GUEST_DEBUG: 0x4048_ae9b,
  GET_VCPU_EVENTS: 0x8040_ae9f,
  SET_VCPU_EVENTS: 0x4040_aea0,
  GET_LAPIC: 0x8400_ae8e,
  SET_LAPIC: 0x4400_ae8f,
  GET_DEBUGREGS: 0x8080_aea1,
  SET_DEBUGREGS: 0x4080_aea2,
  SET_TSC_KHZ: 0xaea2,
  GET_TSC_KHZ: 0xaea3,
  GET_XSAVE: 0x9000_aea4,
  SET_XSAVE: 0x5000_aea5,
  GET_XCRS: 0x8188_aea6,
  SET_XCRS: 0x4188_aea7,
} as const;

export const API_VERSION = 12;

/** Capabilities for CHECK_EXTENSION. */
export const Cap = {
  IRQCHIP: 0,
  USER_MEMORY: 3,
  SET_TSS_ADDR: 4,
  EXT_CPUID: 7,
  NR_VCPUS: 9,
  NR_MEMSLOTS: 10,
  MP_STATE: 14,
  DESTROY_MEMORY_REGION_WORKS: 21,
  USER_NMI: 22,
  SET_GUEST_DEBUG: 23,
  IRQFD: 32,
  PIT2: 33,
  IOEVENTFD: 36,
  SET_IDENTITY_MAP_ADDR: 37,
  VCPU_EVENTS: 41,
  DEBUGREGS: 50,
  XSAVE: 55,
  XCRS: 56,
  TSC_CONTROL: 60,
  GET_TSC_KHZ: 61,
  MAX_VCPUS: 66,
  SYNC_REGS: 74,
  READONLY_MEM: 81,
  IMMEDIATE_EXIT: 136,
  X86_USER_SPACE_MSR: 188,
  X86_MSR_FILTER: 189,
  EXIT_ON_EMULATION_FAILURE: 204,
} as const;
export type CapName = keyof typeof Cap;

/** kvm_run.exit_reason. */
export const Exit = {
  UNKNOWN: 0,
  EXCEPTION: 1,
  IO: 2,
  HYPERCALL: 3,
  DEBUG: 4,
  HLT: 5,
  MMIO: 6,
  IRQ_WINDOW_OPEN: 7,
  SHUTDOWN: 8,
  FAIL_ENTRY: 9,
  INTR: 10,
  SET_TPR: 11,
  INTERNAL_ERROR: 17,
  X86_RDMSR: 29,
  X86_WRMSR: 30,
} as const;

/** Offsets in struct kvm_run. */
export const Run = {
  requestInterruptWindow: 0,
  immediateExit: 1,
  exitReason: 8,
  ifFlag: 13,
  cr8: 16,
  apicBase: 24,
  ioDirection: 32,
  ioSize: 33,
  ioPort: 34,
  ioCount: 36,
  ioDataOffset: 40,
  mmioAddress: 32,
  mmioData: 40,
  mmioLength: 48,
  mmioIsWrite: 52,
  msrError: 32,
  msrIndex: 44,
  msrData: 48,
  suberror: 32,
  emulationDataWords: 36,
  emulationFlags: 40,
  emulationSize: 48,
  emulationBytes: 49,
  hardwareReason: 32,
  debugException: 32,
  debugDr6: 48,
  validRegs: 288,
  dirtyRegs: 296,
  regs: 304,
  events: 760,
} as const;
/** kvm_valid_regs and kvm_dirty_regs. */
export const Sync = { REGS: 1, SREGS: 2, EVENTS: 4 } as const;

/** Offsets in struct kvm_regs; the general registers come first, in KVM's order. */
export const Regs = { rip: 128, rflags: 136, sizeBytes: 144 } as const;
/** Places of RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8..R15 (the SDM's order) among kvm_regs' words. */
export const GPR_PLACE = [0, 2, 3, 1, 6, 7, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15] as const;

/** Offsets in struct kvm_sregs. */
export const Sregs = {
  gdt: 192,
  idt: 208,
  cr0: 224,
  cr2: 232,
  cr3: 240,
  cr4: 248,
  cr8: 256,
  efer: 264,
  apicBase: 272,
  interruptBitmap: 280,
  sizeBytes: 312,
} as const;
/** Order of the segments in struct kvm_sregs, 24 bytes each. */
export const SREGS_SEGMENTS = ['cs', 'ds', 'es', 'fs', 'gs', 'ss', 'tr', 'ldtr'] as const;
export const SEGMENT_BYTES = 24;
export const Segment = {
  base: 0,
  limit: 8,
  selector: 12,
  type: 14,
  present: 15,
  dpl: 16,
  db: 17,
  s: 18,
  l: 19,
  g: 20,
  avl: 21,
  unusable: 22,
} as const;

/** Offsets in struct kvm_vcpu_events. */
export const Events = {
  exceptionInjected: 0,
  exceptionVector: 1,
  exceptionHasError: 2,
  exceptionPending: 3,
  exceptionError: 4,
  interruptInjected: 8,
  interruptVector: 9,
  interruptShadow: 11,
  nmiInjected: 12,
  nmiPending: 13,
  nmiMasked: 14,
  flags: 20,
  sizeBytes: 64,
} as const;
export const EVENTS_VALID = { NMI_PENDING: 1, SHADOW: 4 } as const;
/** KVM's bits of `interrupt.shadow`: 1 MOV SS, 2 STI. */
export const SHADOW = { MOV_SS: 1, STI: 2 } as const;

/** Offsets in struct kvm_debugregs. */
export const DebugRegs = { dr6: 32, dr7: 40, sizeBytes: 128 } as const;
export const XSAVE_BYTES = 4096;
export const Xcrs = { count: 0, index: 8, value: 16, sizeBytes: 392 } as const;
export const GUEST_DEBUG = { ENABLE: 1, USE_SW_BP: 0x1_0000, USE_HW_BP: 0x2_0000, sizeBytes: 72 } as const;
export const MEM = { LOG_DIRTY_PAGES: 1, READONLY: 2 } as const;
export const MSR_EXIT = { INVAL: 1, UNKNOWN: 2, FILTER: 4 } as const;
export const MSR_FILTER = {
  DEFAULT_DENY: 1,
  READ: 1,
  WRITE: 2,
  ranges: 8,
  rangeBytes: 24,
  sizeBytes: 392,
} as const;
export const CPUID_ENTRY_BYTES = 40;
export const CPUID_SIGNIFICANT_INDEX = 1;
export const MP_STATE = { RUNNABLE: 0, UNINITIALIZED: 1, INIT_RECEIVED: 2, HALTED: 3, SIPI_RECEIVED: 4 } as const;

/** errno values that are asked for by number. */
export const Errno = { EINTR: 4, EAGAIN: 11, EACCES: 13, EPERM: 1, ENOENT: 2, ENXIO: 6, ENODEV: 19 } as const;
