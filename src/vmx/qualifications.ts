// Exit qualifications. Intel SDM Vol. 3C, "Basic Information About VM Exits" (tables "Exit Qualification for ...").
import { bits } from '../base/index.js';
import type { VmExit } from './exits.js';

/** `size` is the access size minus one: 0, 1 or 3. */
export const IO_QUALIFICATION = bits({
  size: [0, 2],
  isIn: 3,
  isString: 4,
  isRep: 5,
  isImmediate: 6,
  port: [16, 31],
});
export const CR_QUALIFICATION = bits({
  register: [0, 3],
  access: [4, 5],
  lmswFromMemory: 6,
  gpr: [8, 11],
  lmswSource: [16, 31],
});
/** Values of CR_QUALIFICATION.access in order. */
export const CR_ACCESS = ['movTo', 'movFrom', 'clts', 'lmsw'] as const;
export const DR_QUALIFICATION = bits({ register: [0, 2], isRead: 4, gpr: [8, 11] });
export const EPT_QUALIFICATION = bits({
  dataRead: 0,
  dataWrite: 1,
  instructionFetch: 2,
  readable: 3,
  writable: 4,
  executable: 5,
  userExecutable: 6,
  linearAddressValid: 7,
  translated: 8,
  userMode: 9,
  writablePage: 10,
  executeDisable: 11,
  nmiUnblockingByIret: 12,
});
export const DEBUG_QUALIFICATION = bits({ B0: 0, B1: 1, B2: 2, B3: 3, BLD: 11, BD: 13, BS: 14, RTM: 16 });
export const PENDING_DEBUG_EXCEPTIONS = bits({
  B0: 0,
  B1: 1,
  B2: 2,
  B3: 3,
  BLD: 11,
  enabledBreakpoint: 12,
  BS: 14,
  RTM: 16,
});
export const TASK_SWITCH_QUALIFICATION = bits({ selector: [0, 15], source: [30, 31] });
/** Values of TASK_SWITCH_QUALIFICATION.source in order. */
export const TASK_SWITCH_SOURCE = ['call', 'iret', 'jmp', 'taskGate'] as const;

/** Interruptibility state. Intel SDM Vol. 3C, "Guest Non-Register State". */
export const INTERRUPTIBILITY = bits({ sti: 0, movSs: 1, smi: 2, nmi: 3, enclave: 4 });
/** Activity states in the order of their VMCS values. */
export const ACTIVITY_STATES = ['active', 'hlt', 'shutdown', 'waitForSipi'] as const;

/** The exit-qualification field of an exit. */
export function qualificationOf(exit: VmExit): bigint {
  switch (exit.name) {
    case 'ioInstruction':
      return BigInt(
        IO_QUALIFICATION.encode({
          size: exit.sizeBytes - 1,
          isIn: exit.isIn,
          isString: exit.isString,
          isRep: exit.isRep,
          port: exit.port,
        }),
      );
    case 'controlRegisterAccess':
      return BigInt(
        CR_QUALIFICATION.encode({
          register: exit.register,
          access: CR_ACCESS.indexOf(exit.access),
          gpr: exit.gpr,
          lmswSource: exit.access === 'lmsw' ? Number(exit.value & 0xffffn) : 0,
        }),
      );
    case 'movDr':
      return BigInt(DR_QUALIFICATION.encode({ register: exit.register, isRead: !exit.isWrite, gpr: exit.gpr }));
    case 'eptViolation':
      return BigInt(EPT_QUALIFICATION.encode({ dataRead: !exit.isWrite, dataWrite: exit.isWrite }));
    case 'exceptionOrNmi':
      return exit.address;
    case 'cpuid':
    case 'rdmsr':
    case 'wrmsr':
    case 'entryFailureGuestState':
    case 'internalError':
      return 0n;
    default:
      return exit.qualification;
  }
}
