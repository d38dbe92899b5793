// VMX basic exit reasons and their mapping to exit names. Intel SDM Vol. 3D, Appendix C "VMX Basic Exit Reasons".
import { bits } from '../base/index.js';
import type { ExitName } from './exits.js';

export const ExitReason = {
  EXCEPTION_OR_NMI: 0,
  EXTERNAL_INTERRUPT: 1,
  TRIPLE_FAULT: 2,
  INIT_SIGNAL: 3,
  STARTUP_IPI: 4,
  IO_SMI: 5,
  OTHER_SMI: 6,
  INTERRUPT_WINDOW: 7,
  NMI_WINDOW: 8,
  TASK_SWITCH: 9,
  CPUID: 10,
  GETSEC: 11,
  HLT: 12,
  INVD: 13,
  INVLPG: 14,
  RDPMC: 15,
  RDTSC: 16,
  RSM: 17,
  VMCALL: 18,
  VMCLEAR: 19,
  VMLAUNCH: 20,
  VMPTRLD: 21,
  VMPTRST: 22,
  VMREAD: 23,
  VMRESUME: 24,
  VMWRITE: 25,
  VMXOFF: 26,
  VMXON: 27,
  CONTROL_REGISTER_ACCESSES: 28,
  MOV_DR: 29,
  IO_INSTRUCTION: 30,
  RDMSR: 31,
  WRMSR: 32,
  ENTRY_FAILURE_GUEST_STATE: 33,
  ENTRY_FAILURE_MSR_LOADING: 34,
  MWAIT: 36,
  MONITOR_TRAP_FLAG: 37,
  MONITOR: 39,
  PAUSE: 40,
  ENTRY_FAILURE_MACHINE_CHECK: 41,
  TPR_BELOW_THRESHOLD: 43,
  APIC_ACCESS: 44,
  VIRTUALIZED_EOI: 45,
  ACCESS_TO_GDTR_OR_IDTR: 46,
  ACCESS_TO_LDTR_OR_TR: 47,
  EPT_VIOLATION: 48,
  EPT_MISCONFIGURATION: 49,
  INVEPT: 50,
  RDTSCP: 51,
  VMX_PREEMPTION_TIMER_EXPIRED: 52,
  INVVPID: 53,
  WBINVD_OR_WBNOINVD: 54,
  XSETBV: 55,
  APIC_WRITE: 56,
  RDRAND: 57,
  INVPCID: 58,
  VMFUNC: 59,
  ENCLS: 60,
  RDSEED: 61,
  PAGE_MODIFICATION_LOG_FULL: 62,
  XSAVES: 63,
  XRSTORS: 64,
  PCONFIG: 65,
  SPP_RELATED_EVENT: 66,
  UMWAIT: 67,
  TPAUSE: 68,
  LOADIWKEY: 69,
  ENCLV: 70,
  ENQCMD_PASID_FAILURE: 72,
  ENQCMDS_PASID_FAILURE: 73,
  BUS_LOCK: 74,
  INSTRUCTION_TIMEOUT: 75,
  SEAMCALL: 76,
  TDCALL: 77,
} as const;
export type ExitReasonName = keyof typeof ExitReason;

/** The exit-reason field. Intel SDM Vol. 3C, "Basic VM-Exit Information". */
export const EXIT_REASON = bits({
  basic: [0, 15],
  enclaveMode: 27,
  pendingMtf: 28,
  vmxRootOperation: 29,
  entryFailure: 31,
});

/** Basic exit reason of each exit name; null: no exit of the processor (our own error). A kick is an external interrupt. */
export const REASON_OF_EXIT: Readonly<Record<ExitName, number | null>> = {
  ioInstruction: ExitReason.IO_INSTRUCTION,
  eptViolation: ExitReason.EPT_VIOLATION,
  cpuid: ExitReason.CPUID,
  rdmsr: ExitReason.RDMSR,
  wrmsr: ExitReason.WRMSR,
  controlRegisterAccess: ExitReason.CONTROL_REGISTER_ACCESSES,
  movDr: ExitReason.MOV_DR,
  exceptionOrNmi: ExitReason.EXCEPTION_OR_NMI,
  hlt: ExitReason.HLT,
  tripleFault: ExitReason.TRIPLE_FAULT,
  interruptWindow: ExitReason.INTERRUPT_WINDOW,
  nmiWindow: ExitReason.NMI_WINDOW,
  tprBelowThreshold: ExitReason.TPR_BELOW_THRESHOLD,
  preemptionTimer: ExitReason.VMX_PREEMPTION_TIMER_EXPIRED,
  rdtsc: ExitReason.RDTSC,
  rdtscp: ExitReason.RDTSCP,
  invlpg: ExitReason.INVLPG,
  pause: ExitReason.PAUSE,
  wbinvd: ExitReason.WBINVD_OR_WBNOINVD,
  xsetbv: ExitReason.XSETBV,
  vmcall: ExitReason.VMCALL,
  monitor: ExitReason.MONITOR,
  mwait: ExitReason.MWAIT,
  kick: ExitReason.EXTERNAL_INTERRUPT,
  entryFailureGuestState: ExitReason.ENTRY_FAILURE_GUEST_STATE,
  internalError: null,
};

/** Every exit name; the position is the index of its counter. */
export const EXIT_NAMES = Object.keys(REASON_OF_EXIT) as readonly ExitName[];
/** Index of an exit name in EXIT_NAMES. */
export const EXIT_INDEX = Object.fromEntries(EXIT_NAMES.map((n, i) => [n, i])) as Readonly<Record<ExitName, number>>;

const byReason: ReadonlyMap<number, ExitName> = new Map(
  EXIT_NAMES.flatMap((n) => (REASON_OF_EXIT[n] === null ? [] : [[REASON_OF_EXIT[n], n] as const])),
);
/** Exit name of a basic exit reason, or null when this waist has no such exit. */
export const exitNameOf = (basicReason: number): ExitName | null => byReason.get(basicReason) ?? null;

const reasonNames: ReadonlyMap<number, ExitReasonName> = new Map(
  (Object.keys(ExitReason) as ExitReasonName[]).map((n) => [ExitReason[n], n]),
);
/** SDM name of a basic exit reason, or null. */
export const exitReasonName = (basicReason: number): ExitReasonName | null => reasonNames.get(basicReason) ?? null;
