// A vCPU of the KVM engine: VM entry by KVM_RUN, registers through the synchronised part of kvm_run.
// Linux api.rst, "KVM_RUN", "kvm_run", "KVM_CAP_SYNC_REGS", "KVM_SET_SIGNAL_MASK".
import { Msr } from '../arch/index.js';
import { BugError } from '../base/index.js';
import type { GuestMemory } from '../memory/index.js';
import {
  type CpuidEntry,
  type CpuState,
  checkControls,
  checkGuestState,
  cloneState,
  type EntryEvent,
  emptyControls,
  MSR_BITMAP_BYTES,
  Primary,
  type RunCounters,
  Secondary,
  type Vcpu,
  type VcpuControls,
  type VmExit,
} from '../vmx/index.js';
import {
  DebugRegs,
  Errno,
  EVENTS_VALID,
  Events,
  Exit,
  GPR_PLACE,
  GUEST_DEBUG,
  Ioctl,
  MP_STATE,
  Regs,
  Run,
  Sregs,
  Sync,
  Xcrs,
  XSAVE_BYTES,
} from './abi.js';
import { KVM_CONTROLS, unsupportedControls } from './controls.js';
import { loadCpuid } from './cpuid.js';
import { type CodeBytes, describeInternalError, PendingAccess, SimpleExits } from './exit-decoder.js';
import { readFpu, writeFpu } from './fpu.js';
import { errnoName, type Libc } from './libc.js';
import { MsrAccess, type MsrFilter } from './msrs.js';
import { readGprs, readInterruptibility, readSregs, writeEvents, writeRegs, writeSregs } from './registers.js';
import { type KickTarget, ThreadSignal, threadSignal } from './thread-signal.js';

const RFLAGS_IF = 0x200;
const BREAKPOINT_EXITING = 1 << 3;
/** A word stored by another thread (`kickWord`) is seen this late at most; a signal (`kickThread`) is at once. */
const MAX_ENTRY_NS = 5_000_000;
/** While an NMI waits to be unblocked: KVM has no NMI-window exit. */
const NMI_POLL_NS = 100_000;
/** How often the model of the guest's TSC is compared with the real one. */
const TSC_CHECK_NS = 100_000_000;
/** A difference beyond this is no drift: the domain's clock stood still. Nanoseconds. */
const TSC_STEP_NS = 1_000_000;
const HLT_BYTES = 1;
const MAX_INSTRUCTION_BYTES = 15;
const PAGE = 4096;

const hostNs = (): number => performance.now() * 1e6;

export interface KvmVcpuOptions {
  readonly libc: Libc;
  readonly index: number;
  readonly fd: number;
  readonly runBytes: number;
  readonly memory: GuestMemory;
  readonly msrFilter: MsrFilter;
  readonly tscHz: number;
  readonly nowNs: () => number;
  /** KVM models the interrupt controllers: it takes HLT itself. */
  readonly ownsInterrupts: boolean;
}

export class KvmVcpu implements Vcpu {
  readonly index: number;
  readonly kickWord = new Int32Array(new SharedArrayBuffer(4));
  readonly allowedControls = KVM_CONTROLS;
  readonly controls: VcpuControls = {
    ...emptyControls(),
    primary: (Primary.hltExiting | Primary.activateSecondaryControls) >>> 0,
    // KVM emulates real mode where the processor itself cannot run it
    secondary: Secondary.enableEpt | Secondary.unrestrictedGuest,
  };
  readonly #o: KvmVcpuOptions;
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #runAt: bigint;
  /** kvm_run; a copy of it once closed. */
  #run: DataView;
  readonly #signal: ThreadSignal;
  readonly #msrs: MsrAccess;
  readonly #pending: PendingAccess;
  readonly #exits = new SimpleExits();
  readonly #sregs = new DataView(new ArrayBuffer(Sregs.sizeBytes));
  readonly #xsave = new DataView(new ArrayBuffer(XSAVE_BYTES));
  readonly #interrupt = new Uint32Array(1);
  readonly #appliedMsrBitmap = new Uint8Array(MSR_BITMAP_BYTES);
  #activity: CpuState['activity'] = 'active';
  /** To be injected by the next KVM_RUN. */
  #event: EntryEvent | null = null;
  /** KVM_RUN came back with an exit while the last one was being completed: it is shown by the next `enter`. */
  #held = false;
  #unchecked = true;
  #breakpoints = false;
  #filterSet = false;
  #skipBytes = 0;
  #entries = 0;
  #appliedTscOffset: bigint | null = null;
  #tscCheckedNs = 0;
  #closed = false;

  constructor(options: KvmVcpuOptions) {
    this.#o = options;
    this.index = options.index;
    const { libc, fd, runBytes } = options;
    this.#libc = libc;
    this.#fd = fd;
    this.#runAt = libc.mmap(fd, runBytes);
    this.#run = new DataView(libc.view(this.#runAt, runBytes));
    this.#signal = threadSignal(libc);
    this.#ioctlBytes(Ioctl.SET_SIGNAL_MASK, ThreadSignal.runMask, 'KVM_SET_SIGNAL_MASK');
    this.#run.setBigUint64(Run.validRegs, BigInt(Sync.REGS | Sync.EVENTS), true);
    this.#msrs = new MsrAccess(libc, fd);
    this.#pending = new PendingAccess(this.#run, () => this.#code());
  }

  /** For `kickThread`, on any thread. */
  get kickTarget(): KickTarget {
    return { pid: process.pid, tid: this.#signal.tid, word: this.kickWord };
  }
  get fd(): number {
    return this.#fd;
  }
  get ticks(): number {
    return 0; // there is no virtual time
  }
  get counters(): RunCounters {
    return { instructions: this.#entries, counts: 'entries' };
  }
  kick(): void {
    Atomics.store(this.kickWord, 0, 1);
  }
  /** Gives the mapping and the file descriptor back. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // what is read from now on must not touch the mapping
    const { buffer, byteOffset, byteLength } = this.#run;
    this.#run = new DataView(buffer.slice(byteOffset, byteOffset + byteLength));
    this.#pending.clear();
    this.#pending.run = this.#run;
    this.#libc.munmap(this.#runAt, this.#o.runBytes);
    this.#libc.close(this.#fd);
  }

  #ioctlBytes(request: number, bytes: ArrayBufferView, what: string): void {
    if (this.#closed) throw new BugError('KVM_CLOSED', `${what} on vCPU ${this.index}, which is closed`);
    this.#libc.check(this.#libc.ioctlBytes(this.#fd, request, bytes), what);
  }
  #dirty(what: number): void {
    this.#run.setBigUint64(Run.dirtyRegs, this.#run.getBigUint64(Run.dirtyRegs, true) | BigInt(what), true);
  }

  // --- guest state ---

  readState(): CpuState {
    this.#flush();
    if (this.#refused.length > 0 && this.#written !== null) return cloneState(this.#written);
    const run = this.#run;
    this.#ioctlBytes(Ioctl.GET_SREGS, this.#sregs, 'KVM_GET_SREGS');
    this.#ioctlBytes(Ioctl.GET_XSAVE, this.#xsave, 'KVM_GET_XSAVE');
    const debug = new DataView(new ArrayBuffer(DebugRegs.sizeBytes));
    this.#ioctlBytes(Ioctl.GET_DEBUGREGS, debug, 'KVM_GET_DEBUGREGS');
    const word = (at: number): bigint => debug.getBigUint64(at, true);
    return {
      version: 1,
      ...readSregs(this.#sregs),
      ...this.#msrs.readState(),
      gpr: readGprs(run, Run.regs),
      rip: this.readRip(),
      rflags: run.getBigUint64(Run.regs + Regs.rflags, true),
      dr: [word(0), word(8), word(16), word(24), word(DebugRegs.dr6), word(DebugRegs.dr7)],
      xcr0: this.#readXcr0(),
      fpu: readFpu(this.#xsave),
      activity: this.#readActivity(),
      interruptibility: readInterruptibility(run, Run.events),
    };
  }

  writeState(state: CpuState): void {
    this.#flush();
    this.#pending.clear();
    this.#held = false;
    this.#event = null;
    this.#skipBytes = 0;
    const s = cloneState(state);
    const run = this.#run;
    // A state that VM entry would refuse is not for KVM: `enter` names what is wrong with it.
    this.#refused = checkGuestState(s, this.controls);
    this.#unchecked = true;
    this.#activity = s.activity;
    writeRegs(run, Run.regs, s);
    writeEvents(run, Run.events, s.interruptibility);
    this.#dirty(Sync.REGS | Sync.EVENTS);
    this.#written = s;
    if (this.#refused.length > 0) return;
    writeSregs(this.#sregs, s, this.index === 0);
    this.#ioctlBytes(Ioctl.SET_SREGS, this.#sregs, 'KVM_SET_SREGS');
    run.setBigUint64(Run.cr8, s.cr8, true);
    this.#writeXcr0(s.xcr0);
    this.#ioctlBytes(Ioctl.GET_XSAVE, this.#xsave, 'KVM_GET_XSAVE');
    writeFpu(this.#xsave, s.fpu);
    this.#ioctlBytes(Ioctl.SET_XSAVE, this.#xsave, 'KVM_SET_XSAVE');
    this.#msrs.writeState(s);
    const debug = new DataView(new ArrayBuffer(DebugRegs.sizeBytes));
    [0, 8, 16, 24, DebugRegs.dr6, DebugRegs.dr7].forEach((at, n) => {
      debug.setBigUint64(at, s.dr[n] as bigint, true);
    });
    this.#ioctlBytes(Ioctl.SET_DEBUGREGS, debug, 'KVM_SET_DEBUGREGS');
    this.#writeActivity(s.activity);
  }
  /** Checks that the state written last failed. */
  #refused: string[] = [];
  #written: CpuState | null = null;

  #readXcr0(): bigint {
    const v = new DataView(new ArrayBuffer(Xcrs.sizeBytes));
    this.#ioctlBytes(Ioctl.GET_XCRS, v, 'KVM_GET_XCRS');
    return v.getUint32(Xcrs.count, true) === 0 ? 1n : v.getBigUint64(Xcrs.value, true);
  }
  #writeXcr0(value: bigint): void {
    const v = new DataView(new ArrayBuffer(Xcrs.sizeBytes));
    v.setUint32(Xcrs.count, 1, true);
    v.setBigUint64(Xcrs.value, value, true);
    this.#ioctlBytes(Ioctl.SET_XCRS, v, `KVM_SET_XCRS of 0x${value.toString(16)}`);
  }
  /** KVM has an activity state of its own only where it has the local APIC. */
  #readActivity(): CpuState['activity'] {
    if (!this.#o.ownsInterrupts) return this.#activity;
    const state = new Uint32Array(1);
    this.#ioctlBytes(Ioctl.GET_MP_STATE, state, 'KVM_GET_MP_STATE');
    if (state[0] === MP_STATE.HALTED) return 'hlt';
    return state[0] === MP_STATE.RUNNABLE ? 'active' : 'waitForSipi';
  }
  #writeActivity(activity: CpuState['activity']): void {
    if (!this.#o.ownsInterrupts) return;
    const state =
      activity === 'hlt' ? MP_STATE.HALTED : activity === 'active' ? MP_STATE.RUNNABLE : MP_STATE.UNINITIALIZED;
    this.#ioctlBytes(Ioctl.SET_MP_STATE, Uint32Array.of(state), 'KVM_SET_MP_STATE');
  }

  readGpr(index: number): bigint {
    this.#flush();
    return this.#run.getBigUint64(Run.regs + 8 * (GPR_PLACE[index] as number), true);
  }
  writeGpr(index: number, value: bigint): void {
    this.#flush();
    this.#run.setBigUint64(Run.regs + 8 * (GPR_PLACE[index] as number), value, true);
    this.#dirty(Sync.REGS);
  }
  readRip(): bigint {
    this.#flush();
    return this.#run.getBigUint64(Run.regs + Regs.rip, true);
  }
  #setRip(value: bigint): void {
    this.#run.setBigUint64(Run.regs + Regs.rip, value, true);
    this.#dirty(Sync.REGS);
  }
  skipInstruction(): void {
    if (this.#skipBytes === 0) return;
    this.#setRip(this.readRip() + BigInt(this.#skipBytes));
    this.#skipBytes = 0;
    if (this.#run.getUint8(Run.events + Events.interruptShadow) === 0) return;
    this.#run.setUint8(Run.events + Events.interruptShadow, 0);
    this.#run.setUint32(Run.events + Events.flags, EVENTS_VALID.SHADOW, true);
    this.#dirty(Sync.EVENTS);
  }
  get cr8(): number {
    return this.#run.getUint8(Run.cr8) & 15;
  }
  set cr8(value: number) {
    this.#run.setUint8(Run.cr8, value);
  }
  loadCpuid(entries: readonly CpuidEntry[]): void {
    if (this.#closed) throw new BugError('KVM_CLOSED', `CPUID table for vCPU ${this.index}, which is closed`);
    loadCpuid(this.#libc, this.#fd, entries);
  }

  applyControls(): void {
    const c = this.controls;
    this.#unchecked = true;
    if (!this.#filterSet || this.#appliedMsrBitmap.some((b, i) => b !== c.msrBitmap[i])) {
      this.#o.msrFilter.set(c.msrBitmap);
      this.#appliedMsrBitmap.set(c.msrBitmap);
      this.#filterSet = true;
    }
    const breakpoints = (c.exceptionBitmap & BREAKPOINT_EXITING) !== 0;
    if (breakpoints !== this.#breakpoints) {
      const debug = new DataView(new ArrayBuffer(GUEST_DEBUG.sizeBytes));
      debug.setUint32(0, breakpoints ? GUEST_DEBUG.ENABLE | GUEST_DEBUG.USE_SW_BP : 0, true);
      this.#ioctlBytes(Ioctl.SET_GUEST_DEBUG, debug, 'KVM_SET_GUEST_DEBUG');
      this.#breakpoints = breakpoints;
    }
    this.requestInterruptWindow((c.primary & Primary.interruptWindowExiting) !== 0);
    if (c.tscOffset !== this.#appliedTscOffset) this.#setTsc();
  }

  // --- events ---

  /** KVM has begun to deliver an event, or is to do so at the next entry. */
  #delivering(): boolean {
    const at = (field: number): boolean => this.#run.getUint8(Run.events + field) !== 0;
    return at(Events.exceptionInjected) || at(Events.interruptInjected) || at(Events.nmiInjected);
  }
  interruptible(): boolean {
    if (this.#event !== null || this.#delivering()) return false;
    const rflags = this.#run.getUint32(Run.regs + Regs.rflags, true);
    return (rflags & RFLAGS_IF) !== 0 && this.#run.getUint8(Run.events + Events.interruptShadow) === 0;
  }
  nmiUnblocked(): boolean {
    const { events } = Run;
    if (this.#event !== null || this.#delivering()) return false;
    if (this.#run.getUint8(events + Events.nmiMasked) !== 0 || this.#run.getUint8(events + Events.nmiPending) !== 0)
      return false;
    return (readInterruptibility(this.#run, events) & 2) === 0;
  }
  inject(event: EntryEvent): void {
    if (event.type === 'softwareInterrupt')
      throw new BugError('KVM_EVENT', 'a software interrupt cannot be injected through KVM, expected another event');
    this.#event = event;
    this.#activity = 'active';
  }
  requestInterruptWindow(on: boolean): void {
    const c = this.controls;
    c.primary = (on ? c.primary | Primary.interruptWindowExiting : c.primary & ~Primary.interruptWindowExiting) >>> 0;
    this.#run.setUint8(Run.requestInterruptWindow, on ? 1 : 0);
  }
  completeRead(value: bigint): void {
    this.#pending.supply(value);
    this.#pending.next();
  }
  completeWrite(): void {
    this.#pending.next();
  }
  failInstruction(vector: number, errorCode?: number): void {
    const { kind } = this.#pending;
    if (kind === 'msr' && vector === 13) {
      this.#pending.refuseMsr();
      return;
    }
    if (kind !== 'none') this.#undo();
    this.inject(
      errorCode === undefined
        ? { type: 'hardwareException', vector }
        : { type: 'hardwareException', vector, errorCode },
    );
  }
  /**
   * Lets KVM finish the access and takes the registers back. DEVIATION: INS has written zeroes to memory by then.
   */
  #undo(): void {
    const { buffer, byteOffset } = this.#run;
    const registers = new Uint8Array(buffer, byteOffset + Run.regs, Regs.sizeBytes);
    const before = registers.slice();
    do {
      this.#held = false;
      for (this.#pending.next(); this.#pending.more; this.#pending.next()) this.#pending.show();
      this.#pending.answered = true;
      this.#flush();
      if (this.#held) this.#beginHeld();
    } while (this.#held);
    registers.set(before);
    this.#dirty(Sync.REGS);
  }

  // --- time ---

  #clockTicks(): bigint {
    return BigInt(Math.round((this.#o.nowNs() * this.#o.tscHz) / 1e9));
  }
  readTsc(): bigint {
    return BigInt.asUintN(64, this.#clockTicks() + this.controls.tscOffset);
  }
  writeTsc(value: bigint): void {
    this.controls.tscOffset = BigInt.asUintN(64, value - this.#clockTicks());
    this.#setTsc();
  }
  /** Makes the hardware's counter for this guest show what `readTsc` says; where it cannot be set, the other way round. */
  #setTsc(): void {
    this.#msrs.write(Msr.IA32_TIME_STAMP_COUNTER, this.readTsc());
    this.#followTsc();
    this.#appliedTscOffset = this.controls.tscOffset;
  }
  /** The counter drifts against the domain's clock by parts per million, and on some hosts cannot be set: follow it. */
  #followTsc(): bigint {
    this.#tscCheckedNs = hostNs();
    const actual = this.#msrs.read(Msr.IA32_TIME_STAMP_COUNTER);
    if (actual === null) return 0n;
    const ahead = BigInt.asIntN(64, actual - this.readTsc());
    this.controls.tscOffset = BigInt.asUintN(64, this.controls.tscOffset + ahead);
    this.#appliedTscOffset = this.controls.tscOffset;
    return ahead;
  }
  /** Follows drift; after a pause of the domain's clock sets the counter back to where it stood. */
  #checkTsc(): void {
    const offset = this.controls.tscOffset;
    const step = (TSC_STEP_NS * this.#o.tscHz) / 1e9;
    if (Number(this.#followTsc()) < step) return;
    this.controls.tscOffset = offset;
    this.#setTsc();
  }

  // --- VM entry ---

  enter(budgetTicks: number): VmExit {
    if (this.#closed) throw new BugError('KVM_CLOSED', `VM entry of vCPU ${this.index}, which is closed`);
    if (Atomics.load(this.kickWord, 0) !== 0) return this.#kicked();
    if (this.#unchecked) {
      const failed = [...checkControls(this.controls), ...unsupportedControls(this.controls), ...this.#checkState()];
      if (failed.length > 0) return this.#exits.entryFailure(failed);
      this.#unchecked = false;
    }
    if (this.#held) {
      this.#held = false;
      const exit = this.#decode();
      if (exit !== null) return exit;
    }
    if (this.#pending.more) return this.#pending.show();
    if (this.#activity === 'hlt' && this.#event === null && !this.#o.ownsInterrupts) return this.#exits.plain('hlt');
    if (this.#activity === 'waitForSipi' || this.#activity === 'shutdown') return this.#exits.plain('preemptionTimer');
    const begin = hostNs();
    if (begin - this.#tscCheckedNs > TSC_CHECK_NS) this.#checkTsc();
    return this.#runUntil(begin, begin + (budgetTicks * 1e9) / this.#o.tscHz);
  }

  #runUntil(begin: number, deadline: number): VmExit {
    const nmiWindow = (this.controls.primary & Primary.nmiWindowExiting) !== 0;
    for (let now = begin; ; now = hostNs()) {
      if (Atomics.load(this.kickWord, 0) !== 0) return this.#kicked();
      if (now >= deadline) return this.#exits.plain('preemptionTimer');
      if (this.#event !== null) {
        const exit = this.#applyEvent();
        if (exit !== null) return exit;
      } else if (nmiWindow && !this.#pending.answered && this.nmiUnblocked()) return this.#exits.plain('nmiWindow');
      const most = nmiWindow ? NMI_POLL_NS : MAX_ENTRY_NS;
      this.#signal.arm(Math.min(deadline, now + most), now);
      const exit = this.#enterOnce();
      if (exit !== null) return exit;
    }
  }

  /** One KVM_RUN; null when nothing is to be told. */
  #enterOnce(): VmExit | null {
    this.#skipBytes = 0;
    this.#entries++;
    const result = this.#libc.ioctl(this.#fd, Ioctl.RUN, 0);
    this.#pending.clear();
    if (result === 0) return this.#decode();
    const errno = this.#libc.errno();
    if (errno === Errno.EINTR) {
      this.#signal.drain();
      return null;
    }
    // a processor that KVM keeps waiting for its start-up IPI
    if (errno === Errno.EAGAIN) return this.#exits.plain('preemptionTimer');
    return this.#exits.internal(`KVM_RUN failed: ${errnoName(errno)}`);
  }

  /** Completes the instruction of an answered access without running the guest further. */
  #flush(): void {
    if (!this.#pending.answered || this.#held) return;
    this.#run.setUint8(Run.immediateExit, 1);
    const result = this.#libc.ioctl(this.#fd, Ioctl.RUN, 0);
    const errno = result < 0 ? this.#libc.errno() : 0;
    this.#run.setUint8(Run.immediateExit, 0);
    this.#pending.clear();
    if (result === 0) this.#held = true;
    else if (errno !== Errno.EINTR) this.#libc.check(result, 'KVM_RUN to complete an access');
  }

  /** Hands the event to KVM; an exit where the instruction before it has one more. */
  #applyEvent(): VmExit | null {
    const event = this.#event as EntryEvent;
    // The access that was answered belongs to the instruction before the exception.
    if (event.type === 'hardwareException') {
      this.#flush();
      if (this.#held) {
        this.#held = false;
        return this.#decode();
      }
    }
    this.#event = null;
    if (event.type === 'externalInterrupt') {
      this.#interrupt[0] = event.vector;
      this.#ioctlBytes(Ioctl.INTERRUPT, this.#interrupt, `KVM_INTERRUPT with vector ${event.vector}`);
    } else if (event.type === 'nmi') this.#libc.check(this.#libc.ioctl(this.#fd, Ioctl.NMI, 0), 'KVM_NMI');
    else {
      const { events } = Run;
      const run = this.#run;
      run.setUint8(events + Events.exceptionInjected, 1);
      run.setUint8(events + Events.exceptionVector, event.vector);
      run.setUint8(events + Events.exceptionHasError, event.errorCode === undefined ? 0 : 1);
      run.setUint8(events + Events.exceptionPending, 0);
      run.setUint32(events + Events.exceptionError, event.errorCode ?? 0, true);
      run.setUint32(events + Events.flags, EVENTS_VALID.SHADOW, true);
      this.#dirty(Sync.EVENTS);
    }
    return null;
  }

  #beginHeld(): void {
    const reason = this.#run.getUint32(Run.exitReason, true);
    if (reason === Exit.IO) this.#pending.beginIo();
    else if (reason === Exit.MMIO) this.#pending.beginMmio();
    else this.#held = false;
  }

  #decode(): VmExit | null {
    const run = this.#run;
    const reason = run.getUint32(Run.exitReason, true);
    switch (reason) {
      case Exit.IO:
        return this.#pending.beginIo();
      case Exit.MMIO:
        return this.#pending.beginMmio();
      case Exit.X86_RDMSR:
        return this.#pending.beginMsr(false);
      case Exit.X86_WRMSR:
        return this.#pending.beginMsr(true);
      case Exit.HLT:
        // KVM has skipped it; the monitor does so itself
        this.#setRip(run.getBigUint64(Run.regs + Regs.rip, true) - BigInt(HLT_BYTES));
        this.#skipBytes = HLT_BYTES;
        return this.#exits.plain('hlt');
      case Exit.IRQ_WINDOW_OPEN:
        return this.#exits.plain('interruptWindow');
      case Exit.SET_TPR:
        return this.#exits.plain('tprBelowThreshold');
      case Exit.SHUTDOWN:
        return this.#exits.plain('tripleFault');
      case Exit.DEBUG:
        return this.#exits.exception(run.getUint32(Run.debugException, true));
      case Exit.INTR:
        this.#signal.drain();
        return null;
      case Exit.FAIL_ENTRY: {
        const why = run.getBigUint64(Run.hardwareReason, true);
        return this.#exits.entryFailure([`the processor refused the VM entry (reason 0x${why.toString(16)})`]);
      }
      case Exit.INTERNAL_ERROR:
        return this.#exits.internal(describeInternalError(run, this.readRip(), () => this.#code().bytes));
      default:
        return this.#exits.internal(`KVM_RUN ended with exit reason ${reason}, which this engine does not know`);
    }
  }

  #kicked(): VmExit {
    Atomics.store(this.kickWord, 0, 0);
    return this.#exits.plain('kick');
  }

  #checkState(): string[] {
    if (this.#refused.length > 0 && this.#written !== null) {
      this.#refused = checkGuestState(this.#written, this.controls);
      if (this.#refused.length === 0) this.writeState(this.#written);
    }
    return this.#refused;
  }

  /** Bytes around RIP inside its page, RIP's place among them, and whether it is 64-bit code. */
  #code(): CodeBytes {
    this.#ioctlBytes(Ioctl.GET_SREGS, this.#sregs, 'KVM_GET_SREGS');
    const { segments, cr0, efer } = readSregs(this.#sregs);
    const is64 = (segments.cs.accessRights & 0x2000) !== 0 && (efer & 0x400n) !== 0n;
    const rip = this.#run.getBigUint64(Run.regs + Regs.rip, true);
    const linear = is64 ? rip : BigInt.asUintN(32, segments.cs.base + rip);
    let physical = Number(linear & 0xffff_ffff_ffffn);
    if ((cr0 & 0x8000_0000n) !== 0n) {
      const v = new DataView(new ArrayBuffer(24));
      v.setBigUint64(0, linear, true);
      if (this.#libc.ioctlBytes(this.#fd, Ioctl.TRANSLATE, v) < 0 || v.getUint8(16) === 0)
        return { before: new Uint8Array(0), bytes: new Uint8Array(0), is64 };
      physical = Number(v.getBigUint64(8, true));
    }
    const inPage = physical & (PAGE - 1);
    const { memory } = this.#o;
    const back = Math.min(2, inPage);
    return {
      before: memory.readBytes(physical - back, back),
      bytes: memory.readBytes(physical, Math.min(MAX_INSTRUCTION_BYTES, PAGE - inPage)),
      is64,
    };
  }
}
