// VM exits as the monitor sees them: a union discriminated by the SDM's names. Intel SDM Vol. 3C, "VM Exits";
// Vol. 3D, Appendix C "VMX Basic Exit Reasons". Objects are reused by the engine: copy what you keep.

/** IN, OUT, INS, OUTS. The data of a write is in `value`; a read is answered by `completeRead`. */
export interface IoExit {
  readonly name: 'ioInstruction';
  port: number;
  /** 1, 2 or 4 bytes. */
  sizeBytes: number;
  isIn: boolean;
  isString: boolean;
  isRep: boolean;
  /** Zero-extended data of a write. */
  value: number;
}
/** An access to guest-physical memory that is not RAM (or a write to read-only memory). */
export interface EptViolationExit {
  readonly name: 'eptViolation';
  /** Guest-physical address. */
  gpa: number;
  /** 1, 2, 4 or 8 bytes; never crosses an 8-byte boundary. */
  sizeBytes: number;
  isWrite: boolean;
  value: bigint;
}
export interface CpuidExit {
  readonly name: 'cpuid';
  leaf: number;
  subleaf: number;
}
export interface MsrExit {
  readonly name: 'rdmsr' | 'wrmsr';
  index: number;
  /** EDX:EAX of a WRMSR. */
  value: bigint;
}
export interface ControlRegisterExit {
  readonly name: 'controlRegisterAccess';
  register: 0 | 3 | 4 | 8;
  access: 'movTo' | 'movFrom' | 'clts' | 'lmsw';
  gpr: number;
  value: bigint;
}
export interface DebugRegisterExit {
  readonly name: 'movDr';
  register: number;
  isWrite: boolean;
  gpr: number;
}
export interface ExceptionExit {
  readonly name: 'exceptionOrNmi';
  vector: number;
  errorCode: number;
  hasErrorCode: boolean;
  /** CR2 for #PF (exit qualification). */
  address: bigint;
}
/** Exits whose facts are all in the guest state. */
export interface PlainExit {
  readonly name:
    | 'hlt'
    | 'tripleFault'
    | 'interruptWindow'
    | 'nmiWindow'
    | 'tprBelowThreshold'
    | 'preemptionTimer'
    | 'rdtsc'
    | 'rdtscp'
    | 'invlpg'
    | 'pause'
    | 'wbinvd'
    | 'xsetbv'
    | 'vmcall'
    | 'monitor'
    | 'mwait'
    | 'kick';
  /** Linear address for INVLPG, XCR index for XSETBV, else 0. */
  qualification: bigint;
}
/** The guest-state area failed the checks of VM entry. */
export interface EntryFailureExit {
  readonly name: 'entryFailureGuestState';
  /** Names of the failed checks. */
  failed: readonly string[];
}
/** The engine itself cannot continue (a KVM internal error, a trap in our own code). */
export interface InternalErrorExit {
  readonly name: 'internalError';
  message: string;
}

export type VmExit =
  | IoExit
  | EptViolationExit
  | CpuidExit
  | MsrExit
  | ControlRegisterExit
  | DebugRegisterExit
  | ExceptionExit
  | PlainExit
  | EntryFailureExit
  | InternalErrorExit;
export type ExitName = VmExit['name'];
