// The narrow waist: what an engine that implements VMX non-root operation offers to the monitor.
// Intel SDM Vol. 3C, "Virtual Machine Control Structures", "VM Entries", "VM Exits".
import type { GuestMemory } from '../memory/index.js';
import type { CpuState } from './cpu-state.js';
import type { VmExit } from './exits.js';

/**
 * Ticks that a PAUSE takes in virtual time. Intel 64 and IA-32 Architectures Optimization Reference Manual, "Pause Latency in
 * Skylake Client Microarchitecture": as many as 140 cycles.
 */
export const PAUSE_TICKS = 140;

/** How the guest's time-stamp counter advances. */
export type TimeMode = 'real' | 'virtual';

export interface EngineVmOptions {
  /** Guest RAM in bytes, a multiple of 4096. */
  readonly memoryBytes: number;
  /** RAM from this size on is placed at 4 GiB and above (the PCI hole lies between). Bytes. */
  readonly pciHoleStart?: number;
  /** Bytes of buffer behind the RAM that are no RAM: the board maps ROMs and video memory there by slots. A multiple of 4096. */
  readonly extraBytes?: number;
  readonly vcpus: number;
  /** vCPUs (by index) that the calling thread runs, where other threads run the others at the same time; all when absent. */
  readonly residents?: readonly number[];
  /** CPUID features (names of `arch`) of the processor: instructions of others are undefined. All that the engine has when absent. */
  readonly features?: ReadonlySet<string>;
  /** `virtual`: the TSC advances by one per retired instruction, by PAUSE_TICKS per PAUSE. `real`: it follows the host's monotonic clock. */
  readonly time: TimeMode;
  /** TSC frequency in Hz. */
  readonly tscHz: number;
  /** Host clock in nanoseconds, for `real` time. */
  readonly nowNs: () => number;
  /** Who models 8259, 8254 and APICs: the board (default), or the engine where it can (`EngineVm.interruptChip`). */
  readonly interruptChip?: 'board' | 'engine';
}

export interface EngineCheck {
  readonly name: string;
  readonly ok: boolean;
  /** Why not, or what was found. */
  readonly detail: string;
  /** It ran a guest: where it fails the engine still works for guests that do not need what was tried. */
  readonly selfTest?: boolean;
  /** Time that the check took, milliseconds. */
  readonly ms?: number;
}

export interface EngineProbe {
  readonly usable: boolean;
  readonly checks: readonly EngineCheck[];
}

/** What another thread needs to run vCPUs of a VM. Can be posted to it. */
export interface VmShare {
  readonly engine: Engine['name'];
  /** Kick word of every vCPU. */
  readonly kickWords: readonly Int32Array[];
  /** Word of every vCPU that is not zero while its thread may be in the guest: others wait for it to become zero. */
  readonly runningWords: readonly Int32Array[];
  /** Words that a vCPU's thread holds for a moment: zeroed when a thread has died. */
  readonly locks: readonly Int32Array[];
  /** The engine's own. */
  readonly data: unknown;
}

export interface Engine {
  readonly name: 'software' | 'kvm';
  probe(): Promise<EngineProbe>;
  createVm(options: EngineVmOptions): Promise<EngineVm>;
  /** Makes the vCPUs `residents` of a VM that another thread has created. Absent where an engine's VMs stay on one thread. */
  attachVcpus?(share: VmShare, residents: readonly number[], nowNs: () => number): Promise<readonly Vcpu[]>;
}

export interface EngineVm {
  /** Guest-physical memory; loaders and devices read and write it, the processor sees every write. */
  readonly memory: GuestMemory;
  /** Offset in the memory's buffer of the `extraBytes` asked for. */
  readonly extraOffset?: number;
  /** The calling thread's vCPUs. */
  readonly vcpus: readonly Vcpu[];
  /** For the threads of the other vCPUs; there when `residents` were named. */
  readonly share?: VmShare;
  /** TSC frequency in Hz where the engine could not give the one asked for. */
  readonly tscHz?: number;
  /** The engine's own interrupt controllers and 8254, where they were asked for. */
  readonly interruptChip?: EngineInterruptChip;
  /** Releases host resources; the VM must not be used after. */
  close(): void;
}

/** Interrupt controllers inside the engine. */
export interface EngineInterruptChip {
  /** Sets interrupt line `gsi` (0..15 are those of the 8259 pair, 0..23 those of the I/O APIC). */
  setLine(gsi: number, on: boolean): void;
  /** Back to power-on. */
  reset(): void;
}

/** One answer of CPUID for engines that keep them as a table. */
export interface CpuidEntry {
  readonly leaf: number;
  readonly subleaf: number;
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

/** Answers to CPUID that an engine gives on the monitor's behalf, where it would exit otherwise. */
export interface CpuidAnswers {
  /**
   * Keeps what the monitor answers to the CPUID exit being handled. While CR4 and XCR0 are what they are now the engine may
   * answer the same question itself, as one instruction, or exit again. `every`: the answer is the same for all subleaves.
   */
  keep(entry: CpuidEntry, every: boolean): void;
  /** From the next entry on each question exits again. */
  forget(): void;
  /** CPUID instructions answered by the engine so far. */
  readonly given: number;
}

/** Controls that may be set ("allowed 1-settings" of the VMX capability MSRs). Intel SDM Vol. 3D, Appendix A.3. */
export interface AllowedControls {
  readonly pinBased: number;
  readonly primary: number;
  readonly secondary: number;
  readonly exceptionBitmap: number;
  /** Bits of CR0 and CR4 that the monitor may own. */
  readonly guestHostMask: bigint;
}

/** VM-execution controls that the monitor sets. Intel SDM Vol. 3C, "VM-Execution Control Fields". */
export interface VcpuControls {
  /** Pin-based VM-execution controls (bit numbers of the SDM). */
  pinBased: number;
  /** Primary processor-based VM-execution controls. */
  primary: number;
  /** Secondary processor-based VM-execution controls. */
  secondary: number;
  /** Exception bitmap: bit n set, exception n causes a VM exit. */
  exceptionBitmap: number;
  /** 8 KiB: bit p set, an access to port p causes a VM exit (I/O-bitmap addresses A and B as one). */
  readonly ioBitmap: Uint8Array;
  /** 4 KiB: read low, read high, write low, write high ("MSR-Bitmap Address"). */
  readonly msrBitmap: Uint8Array;
  cr0GuestHostMask: bigint;
  cr0ReadShadow: bigint;
  cr4GuestHostMask: bigint;
  cr4ReadShadow: bigint;
  /** Added to the engine's counter on RDTSC. */
  tscOffset: bigint;
}

/** VM-entry interruption information. Intel SDM Vol. 3C, "VM-Entry Controls for Event Injection". */
export interface EntryEvent {
  readonly type: 'externalInterrupt' | 'nmi' | 'hardwareException' | 'softwareInterrupt';
  readonly vector: number;
  readonly errorCode?: number;
}

export interface RunCounters {
  /** Instructions retired since creation; VM entries where the engine cannot count instructions (`counts`). */
  readonly instructions: number;
  /** What is counted; instructions unless given. */
  readonly counts?: 'instructions' | 'entries';
}

/**
 * What an engine counts about itself since its creation, by name. Names that end in Ns, Ms or Bytes say their unit, the others
 * count; those of several vCPUs can be added. An engine that translates code gives `retired` (instructions that ran
 * translated), `translateMs` and `compileMs` (on the vCPU's thread). What other threads spend for it has names with `worker`.
 */
export type EngineStatistics = Readonly<Record<string, number>>;
/** Instructions that ran translated since an engine's creation, and milliseconds its vCPU's thread spent on translating. */
export interface TranslationTotals {
  readonly retired: number;
  readonly spentMs: number;
}

/** A virtual processor in VMX non-root operation. One thread owns it; only `kick` may be called from another. */
export interface Vcpu {
  readonly index: number;
  /** Copies the guest-state area out. */
  readState(): CpuState;
  /** Loads the guest-state area; the next `enter` checks it. */
  writeState(state: CpuState): void;
  /** Controls take effect at the next `enter` after `applyControls`. */
  readonly controls: VcpuControls;
  applyControls(): void;
  /** Controls that this engine has; all of them when absent. An entry with another one set fails. */
  readonly allowedControls?: AllowedControls;
  /** Where CPUID does not exit: replaces the answers that the engine gives. */
  loadCpuid?(entries: readonly CpuidEntry[]): void;
  /** Where MOV to and from CR8 need not exit: the guest's CR8, 0..15, good between two entries. */
  cr8?: number;
  /** Absent where every CPUID exits, or none does. */
  readonly cpuidAnswers?: CpuidAnswers;
  /** What CPUID's answers depend on, where it exits: without a whole CpuState. */
  readCpuidState?(): Pick<CpuState, 'cr4' | 'xcr0'>;
  /** Single registers without a whole CpuState; 0..15 in the SDM's encoding order (RAX, RCX, RDX, RBX, RSP, ...). */
  readGpr(index: number): bigint;
  writeGpr(index: number, value: bigint): void;
  readRip(): bigint;
  /** Advances RIP by the length of the instruction that caused the last exit and clears the interrupt shadow. */
  skipInstruction(): void;
  /** True when the next entry begins with the single-step trap of an instruction that skipInstruction() completed. */
  trapPending?(): boolean;
  /** True when an external interrupt can be delivered now (RFLAGS.IF set, no blocking by STI or MOV SS). */
  interruptible(): boolean;
  /** True when an NMI can be delivered now. */
  nmiUnblocked(): boolean;
  /** Injects at the next entry. An external interrupt wakes a halted processor. */
  inject(event: EntryEvent): void;
  /** Asks for an exit as soon as `interruptible()` becomes true. */
  requestInterruptWindow(on: boolean): void;
  /** Sets or clears PAUSE exiting from the next entry on, at less cost than applyControls. */
  exitOnPause?(on: boolean): void;
  /** Supplies the data of the read (port, MMIO or MSR) that caused the last exit; the instruction completes at the next entry. */
  completeRead(value: bigint): void;
  /** Lets the write (port, MMIO or MSR) or other emulated instruction of the last exit complete at the next entry. */
  completeWrite(): void;
  /** Injects #GP(0) instead of completing the instruction of the last exit. */
  failInstruction(vector: number, errorCode?: number): void;
  /** Guest time-stamp counter now (with offset). */
  readTsc(): bigint;
  /** Makes the guest's TSC read `value` now. */
  writeTsc(value: bigint): void;
  /**
   * VM entry. Runs until an exit, at most `budgetTicks` TSC ticks (the VMX-preemption timer), in virtual time exactly
   * that many, or to the end of the PAUSE that the last of them falls into. The returned object is reused by the next call.
   */
  enter(budgetTicks: number): VmExit;
  /** Makes a running `enter` return soon with exit `kick`; callable from any thread through `kickAddress`. */
  kick(): void;
  /** Shared word: storing a non-zero value kicks. Null where the engine has no shared memory. */
  readonly kickWord: Int32Array | null;
  readonly counters: RunCounters;
  /** Virtual time: TSC ticks that passed in entries since creation. In real time without meaning. */
  readonly ticks: number;
  /** Absent or null where the engine counts nothing. */
  engineStatistics?(): EngineStatistics | null;
  /** What of that is asked for after every step; absent or null likewise. */
  translationTotals?(): TranslationTotals | null;
}
