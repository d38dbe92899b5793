// From the exit record in the state area to the VmExit the monitor sees. Objects are made once and reused.
// Intel SDM Vol. 3C, "Basic VM-Exit Information"; Vol. 3D, Appendix C "VMX Basic Exit Reasons".
import {
  type ControlRegisterExit,
  type CpuidExit,
  type DebugRegisterExit,
  type EntryFailureExit,
  type EptViolationExit,
  type ExceptionExit,
  ExitReason,
  type InternalErrorExit,
  type IoExit,
  type MsrExit,
  type PlainExit,
  type VmExit,
} from '../vmx/index.js';
import { offsets } from './state-layout.js';
import type { StateView } from './state-view.js';

/** State offsets, looked up once: these are read at every VM exit. */
const AT = offsets(
  'exitReason',
  'exitQualification',
  'exitValue',
  'exitPhysical',
  'exitSize',
  'exitDetail',
  'exitInterruption',
  'exitInterruptionError',
);

type PlainName = PlainExit['name'];
const PLAIN_REASONS: ReadonlyMap<number, PlainName> = new Map<number, PlainName>([
  [ExitReason.TRIPLE_FAULT, 'tripleFault'],
  [ExitReason.INTERRUPT_WINDOW, 'interruptWindow'],
  [ExitReason.NMI_WINDOW, 'nmiWindow'],
  [ExitReason.HLT, 'hlt'],
  [ExitReason.INVLPG, 'invlpg'],
  [ExitReason.RDTSC, 'rdtsc'],
  [ExitReason.RDTSCP, 'rdtscp'],
  [ExitReason.VMCALL, 'vmcall'],
  [ExitReason.MWAIT, 'mwait'],
  [ExitReason.MONITOR, 'monitor'],
  [ExitReason.PAUSE, 'pause'],
  [ExitReason.WBINVD_OR_WBNOINVD, 'wbinvd'],
  [ExitReason.XSETBV, 'xsetbv'],
  [ExitReason.VMX_PREEMPTION_TIMER_EXPIRED, 'preemptionTimer'],
]);
const CR_ACCESS = ['movTo', 'movFrom', 'clts', 'lmsw'] as const;

export class ExitDecoder {
  private readonly io: IoExit = {
    name: 'ioInstruction',
    port: 0,
    sizeBytes: 1,
    isIn: false,
    isString: false,
    isRep: false,
    value: 0,
  };
  private readonly ept: EptViolationExit = { name: 'eptViolation', gpa: 0, sizeBytes: 1, isWrite: false, value: 0n };
  private readonly cpuid: CpuidExit = { name: 'cpuid', leaf: 0, subleaf: 0 };
  private readonly rdmsr: MsrExit = { name: 'rdmsr', index: 0, value: 0n };
  private readonly wrmsr: MsrExit = { name: 'wrmsr', index: 0, value: 0n };
  private readonly controlRegister: ControlRegisterExit = {
    name: 'controlRegisterAccess',
    register: 0,
    access: 'movTo',
    gpr: 0,
    value: 0n,
  };
  private readonly debugRegister: DebugRegisterExit = { name: 'movDr', register: 0, isWrite: false, gpr: 0 };
  private readonly exception: ExceptionExit = {
    name: 'exceptionOrNmi',
    vector: 0,
    errorCode: 0,
    hasErrorCode: false,
    address: 0n,
  };
  private readonly plainExits = new Map<PlainName, PlainExit>();
  constructor(private readonly state: StateView) {}

  plain(name: PlainName, qualification = 0n): PlainExit {
    let exit = this.plainExits.get(name);
    if (exit === undefined) {
      exit = { name, qualification };
      this.plainExits.set(name, exit);
    }
    exit.qualification = qualification;
    return exit;
  }
  internalError(message: string): InternalErrorExit {
    return { name: 'internalError', message };
  }
  entryFailure(failed: readonly string[]): EntryFailureExit {
    return { name: 'entryFailureGuestState', failed };
  }
  /** The exit that the exit record describes. */
  decode(): VmExit {
    const s = this.state;
    const reason = s.u32(AT.exitReason);
    const low = s.u32(AT.exitQualification);
    switch (reason) {
      case ExitReason.IO_INSTRUCTION: {
        const { io } = this;
        io.port = (low >>> 16) & 0xffff;
        io.sizeBytes = (low & 7) + 1;
        io.isIn = (low & 8) !== 0;
        io.isString = (low & 16) !== 0;
        io.isRep = (low & 32) !== 0;
        io.value = io.isIn ? 0 : s.u32(AT.exitValue);
        return io;
      }
      case ExitReason.EPT_VIOLATION: {
        const { ept } = this;
        ept.gpa = Number(s.u64(AT.exitPhysical));
        ept.sizeBytes = s.u32(AT.exitSize);
        ept.isWrite = (low & 2) !== 0;
        ept.value = ept.isWrite ? s.u64(AT.exitValue) : 0n;
        return ept;
      }
      case ExitReason.CPUID:
        this.cpuid.leaf = low;
        this.cpuid.subleaf = s.u32(AT.exitQualification + 4);
        return this.cpuid;
      case ExitReason.RDMSR:
        this.rdmsr.index = s.u32(AT.exitDetail);
        return this.rdmsr;
      case ExitReason.WRMSR:
        this.wrmsr.index = s.u32(AT.exitDetail);
        this.wrmsr.value = s.u64(AT.exitValue);
        return this.wrmsr;
      case ExitReason.CONTROL_REGISTER_ACCESSES: {
        const { controlRegister } = this;
        controlRegister.register = (low & 15) as ControlRegisterExit['register'];
        controlRegister.access = CR_ACCESS[(low >> 4) & 3] as ControlRegisterExit['access'];
        controlRegister.gpr = (low >> 8) & 15;
        controlRegister.value = s.u64(AT.exitValue);
        return controlRegister;
      }
      case ExitReason.MOV_DR:
        this.debugRegister.register = low & 7;
        this.debugRegister.isWrite = (low & 16) === 0;
        this.debugRegister.gpr = (low >> 8) & 15;
        return this.debugRegister;
      case ExitReason.EXCEPTION_OR_NMI: {
        const information = s.u32(AT.exitInterruption);
        const { exception } = this;
        exception.vector = information & 0xff;
        exception.hasErrorCode = (information & 0x800) !== 0;
        exception.errorCode = exception.hasErrorCode ? s.u32(AT.exitInterruptionError) : 0;
        exception.address = s.u64(AT.exitQualification);
        return exception;
      }
      default: {
        const name = PLAIN_REASONS.get(reason);
        if (name === undefined)
          return this.internalError(`the processor left with exit reason ${reason}, which it never uses`);
        return this.plain(name, s.u64(AT.exitQualification));
      }
    }
  }
}
