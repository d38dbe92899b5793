// Raising exceptions and VM exits: fills the pending event and returns the status "unwind". Intel SDM Vol. 3A,
// "Exception and Interrupt Reference"; Vol. 3C "VM Exits".
import { ST } from './env';
import {
  S_EXCEPTION_ADDRESS,
  S_EXCEPTION_ERROR_CODE,
  S_EXCEPTION_HAS_ERROR_CODE,
  S_EXCEPTION_KIND,
  S_EXCEPTION_VECTOR,
  S_EXIT_INSTRUCTION_LENGTH,
  S_EXIT_INTERRUPTION,
  S_EXIT_QUALIFICATION,
  S_EXIT_REASON,
  S_UNWIND,
  UNWIND_EXCEPTION,
  UNWIND_EXIT,
} from './generated/layout';
import { record_length } from './position';
import { GP, PF } from './state';

export const KIND_FAULT: u32 = 0;
export const KIND_TRAP: u32 = 1;
/** A trap of the instruction before, noticed at the current one. */
export const KIND_BETWEEN: u32 = 3;

/** #DF, #TS, #NP, #SS, #GP, #PF, #AC (and #CP) push an error code. */
export function has_error_code(vector: u32): bool {
  return vector < 32 && ((0x0022_7d00 >> vector) & 1) != 0;
}
/** Raises a fault of the current instruction. Always 1. */
export function raise(vector: u32, errorCode: u32): i32 {
  store<u32>(ST, vector, S_EXCEPTION_VECTOR);
  store<u32>(ST, errorCode, S_EXCEPTION_ERROR_CODE);
  store<u32>(ST, has_error_code(vector) as u32, S_EXCEPTION_HAS_ERROR_CODE);
  store<u32>(ST, KIND_FAULT, S_EXCEPTION_KIND);
  store<u32>(ST, UNWIND_EXCEPTION, S_UNWIND);
  return 1;
}
/** Raises a trap: `rip` has been advanced already. Always 1. */
export function raise_trap(vector: u32): i32 {
  raise(vector, 0);
  store<u32>(ST, KIND_TRAP, S_EXCEPTION_KIND);
  return 1;
}
export function gp0(): i32 {
  return raise(GP, 0);
}
export function raise_general_protection(errorCode: u32): i32 {
  return raise(GP, errorCode);
}
/** #PF; CR2 is written when it is delivered, not when it exits. */
export function raise_page_fault(linear: u64, errorCode: u32): i32 {
  store<u64>(ST, linear, S_EXCEPTION_ADDRESS);
  return raise(PF, errorCode);
}

export const EXIT_EXCEPTION_OR_NMI: u32 = 0;
export const EXIT_TRIPLE_FAULT: u32 = 2;
export const EXIT_INTERRUPT_WINDOW: u32 = 7;
export const EXIT_NMI_WINDOW: u32 = 8;
export const EXIT_CPUID: u32 = 10;
export const EXIT_HLT: u32 = 12;
export const EXIT_INVLPG: u32 = 14;
export const EXIT_RDPMC: u32 = 15;
export const EXIT_RDTSC: u32 = 16;
export const EXIT_VMCALL: u32 = 18;
export const EXIT_CONTROL_REGISTER: u32 = 28;
export const EXIT_MOV_DR: u32 = 29;
export const EXIT_IO: u32 = 30;
export const EXIT_RDMSR: u32 = 31;
export const EXIT_WRMSR: u32 = 32;
export const EXIT_MWAIT: u32 = 36;
export const EXIT_MONITOR: u32 = 39;
export const EXIT_PAUSE: u32 = 40;
export const EXIT_GDTR_IDTR: u32 = 46;
export const EXIT_LDTR_TR: u32 = 47;
export const EXIT_EPT_VIOLATION: u32 = 48;
export const EXIT_RDTSCP: u32 = 51;
export const EXIT_WBINVD: u32 = 54;
export const EXIT_XSETBV: u32 = 55;
export const EXIT_RDRAND: u32 = 57;
export const EXIT_INVPCID: u32 = 58;
export const EXIT_RDSEED: u32 = 61;

/** Leaves to the monitor with RIP at the current instruction. Always 1. */
export function vm_exit(reason: u32, qualification: u64): i32 {
  store<u32>(ST, reason, S_EXIT_REASON);
  store<u64>(ST, qualification, S_EXIT_QUALIFICATION);
  store<u32>(ST, record_length(), S_EXIT_INSTRUCTION_LENGTH);
  store<u32>(ST, 0, S_EXIT_INTERRUPTION);
  store<u32>(ST, UNWIND_EXIT, S_UNWIND);
  return 1;
}
