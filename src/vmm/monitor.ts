// The monitor of one vCPU: enters the guest, handles VM exits by a table, injects events, counts.
// Intel SDM Vol. 3C, "VM Exits", "Information for VM Exits", "Event Injection".
import { type CpuidResult, CR0, CR4, Exception, exceptionName, Msr } from '../arch/index.js';
import { hex } from '../base/index.js';
import {
  type ControlRegisterExit,
  type CpuidEntry,
  type CpuidExit,
  type CpuState,
  DEFAULT_ENTRY_CONTEXT,
  type EptViolationExit,
  type ExceptionExit,
  type ExitName,
  type IoExit,
  type MsrExit,
  Primary,
  type TimeMode,
  type Vcpu,
  type VmExit,
} from '../vmx/index.js';
import { AccessPolicy, type Verdict } from './access-policy.js';
import { guestView, lmsw, loadCr0, loadCr3, loadCr4, loadXcr0, updateShadow } from './control-registers.js';
import type { CpuidDynamic, CpuidPolicy } from './cpuid-policy.js';
import { EventInjector } from './event-injection.js';
import { ExitStatistics } from './exit-statistics.js';
import type { ExitTracer } from './exit-trace.js';
import { type MsrContext, type MsrState, readMsr, resetMsrState, writeMsr } from './msr-policy.js';
import type { InterruptSource, IoBus, LocalApicPort } from './ports.js';
import { setDefaultControls } from './vcpu-controls.js';

/** What follows a VM exit. */
export type Next = 'resume' | 'halt' | 'stop';

type ExitOf<N extends ExitName, E = VmExit> = E extends VmExit ? (N extends E['name'] ? E : never) : never;
/** One handler per exit name; a name without a handler does not compile. */
export type ExitHandlers = { readonly [N in ExitName]: (exit: ExitOf<N>) => Next };

/** Why a vCPU stopped. */
export interface StopReason {
  readonly kind: 'tripleFault' | 'entryFailure' | 'internalError' | 'requested';
  /** One sentence. */
  readonly message: string;
  readonly vcpu: number;
  readonly rip: bigint;
}

export interface VcpuMonitorOptions {
  readonly vcpu: Vcpu;
  readonly bus: IoBus;
  readonly interrupts: InterruptSource;
  readonly apic: LocalApicPort | null;
  readonly cpuid: CpuidPolicy;
  readonly tscHz: number;
  readonly time: TimeMode;
  readonly policy?: AccessPolicy;
  /** Host clock for the exit histogram; without it nothing is timed. */
  readonly hostNs?: () => number;
  /** VMCALL; true when it was understood. Without it a guest gets #UD, as on a machine without a monitor. */
  readonly hypercall?: (vcpu: Vcpu) => boolean;
  /** A PAUSE: whoever spins may give way to another. Without it PAUSE does not exit. */
  readonly onPause?: () => void;
  /** Exceptions that the exception bitmap makes exit: hand them to the guest (default), drop them, or stop. */
  readonly onException?: (vcpu: Vcpu, exit: ExceptionExit) => 'reinject' | 'resume' | 'stop';
}

export interface RunResult {
  /** `resume`: the budget is used or a kick came. `halt`: nothing to do until an interrupt. `stop`: see `stopReason`. */
  readonly next: Next;
  readonly ticksUsed: number;
}

/** What of the monitor goes into a snapshot, beside CpuState. */
export interface MonitorState {
  version: 1;
  halted: boolean;
  msrs: MsrState;
}

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RBX = 3;
/** RAX of an unknown hypercall: -KVM_ENOSYS. */
const UNKNOWN_HYPERCALL = -1000n & 0xffff_ffff_ffff_ffffn;
const MASK32 = 0xffff_ffffn;
const ALL_ONES: Record<number, number> = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff };
const ALL_ONES_64: Record<number, bigint> = { 1: 0xffn, 2: 0xffffn, 4: MASK32, 8: 0xffff_ffff_ffff_ffffn };
const CR4_GUEST = DEFAULT_ENTRY_CONTEXT.cr4Fixed1;

const fakeValue = (v: Verdict): bigint | null => (typeof v === 'object' && 'fake' in v ? BigInt(v.fake) : null);

/** Runs one vCPU. Owned by the thread that owns the vCPU. */
export class VcpuMonitor {
  readonly vcpu: Vcpu;
  readonly statistics: ExitStatistics;
  stopReason: StopReason | null = null;
  /** The processor executed HLT and no event has woken it. */
  halted = false;
  #trace: ExitTracer | null = null;
  /** What the last read was answered, for the trace. */
  #answer: bigint | null = null;
  readonly #o: VcpuMonitorOptions;
  readonly #policy: AccessPolicy;
  readonly #injector: EventInjector;
  readonly #msr: MsrContext & { state: MsrState };
  readonly #handlers: ExitHandlers;
  readonly #watchPorts: boolean;
  readonly #watchMmio: boolean;
  readonly #watchCpuid: boolean;
  /** TSC jumps by writes of the guest since the run began; not time used. */
  #tscJump = 0n;
  #returnRequested = false;
  /** Ticks of the run that were no instructions. */
  #spent = 0;

  constructor(options: VcpuMonitorOptions) {
    this.#o = options;
    this.vcpu = options.vcpu;
    this.#policy = options.policy ?? new AccessPolicy();
    this.#watchPorts = this.#policy.watches('port');
    this.#watchMmio = this.#policy.watches('mmio');
    this.#watchCpuid = this.#policy.watches('cpuid');
    this.statistics = new ExitStatistics({ cpuid: () => this.vcpu.cpuidAnswers?.given ?? 0 });
    this.#injector = new EventInjector(options.vcpu, options.interrupts);
    this.#msr = {
      state: resetMsrState(),
      vcpu: options.vcpu,
      cpuid: options.cpuid,
      apic: options.apic,
      tscHz: options.tscHz,
    };
    this.#handlers = this.#makeHandlers();
    setDefaultControls(this.vcpu.controls);
    const allowed = this.vcpu.allowedControls?.primary ?? Primary.pauseExiting;
    if (options.onPause && (allowed & Primary.pauseExiting) !== 0) this.vcpu.controls.primary += Primary.pauseExiting;
    this.#policy.applyTo(this.vcpu.controls);
    this.vcpu.loadCpuid?.(this.#cpuidTable());
    this.vcpu.applyControls();
  }

  /** Records single exits; null while nobody looks. */
  get trace(): ExitTracer | null {
    return this.#trace;
  }
  set trace(tracer: ExitTracer | null) {
    this.#trace = tracer;
    // whoever looks sees every CPUID
    this.vcpu.cpuidAnswers?.forget();
  }

  /** MSRs that the monitor keeps. */
  get msrs(): MsrState {
    return this.#msr.state;
  }

  /** True when `run` would not enter the guest: halted and nothing deliverable. */
  get idle(): boolean {
    return this.halted && !this.#injector.deliverable();
  }

  saveState(): MonitorState {
    return { version: 1, halted: this.halted, msrs: structuredCloneMsrs(this.#msr.state) };
  }
  loadState(state: MonitorState): void {
    this.halted = state.halted;
    this.#msr.state = structuredCloneMsrs(state.msrs);
    this.stopReason = null;
    this.vcpu.cpuidAnswers?.forget();
  }
  /** The processor was reset: MSRs as after RESET, not halted. */
  reset(): void {
    this.loadState({ version: 1, halted: false, msrs: resetMsrState() });
    this.#injector.reset();
  }
  /** INIT: not halted; the MSRs keep their values. */
  init(): void {
    this.halted = false;
    this.#injector.reset();
  }

  /** Makes the current `run` return after the exit being handled, for instance because a nearer deadline was set. */
  requestReturn(): void {
    this.#returnRequested = true;
  }

  /** Ticks pass without instructions, in virtual time, while an exit is handled: they count against the run's budget. */
  spend(ticks: number): void {
    this.#spent += ticks;
  }

  /** Ends the vCPU from outside a handler (power off, reset port); `run` returns `stop`. */
  stop(kind: StopReason['kind'], message: string): void {
    this.stopReason ??= { kind, message, vcpu: this.vcpu.index, rip: this.vcpu.readRip() };
  }

  /** Whether PAUSE exits to `onPause` from now on; it keeps doing so where the engine cannot change that. */
  exitOnPause(on: boolean): void {
    if (this.#o.onPause !== undefined) this.vcpu.exitOnPause?.(on);
  }

  /** Enters the guest until `budgetTicks` TSC ticks are used, it halts, a kick comes, or something stops it. */
  run(budgetTicks: number): RunResult {
    const start = this.#now();
    this.#tscJump = 0n;
    this.#returnRequested = false;
    this.#spent = 0;
    let used = 0;
    while (this.stopReason === null) {
      if (this.halted) {
        if (!this.#injector.deliverable()) return { next: 'halt', ticksUsed: used };
        this.halted = false;
      }
      if (used >= budgetTicks || this.#returnRequested) return { next: 'resume', ticksUsed: used };
      this.#injector.prepare();
      const exit = this.#enter(budgetTicks - used);
      const { name } = exit;
      const next = this.#dispatch(exit);
      used = this.#usedSince(start) + this.#spent;
      if (next === 'stop') break;
      if (next === 'halt') this.halted = true;
      if (name === 'kick') this.#returnRequested = true;
      if (name === 'preemptionTimer') used = Math.max(used, budgetTicks);
    }
    return { next: 'stop', ticksUsed: used };
  }

  /** VM entry; an engine that keeps CR8 itself gets the local APIC's, and hands back what the guest wrote. */
  #enter(budgetTicks: number): VmExit {
    const { vcpu } = this;
    const { apic } = this.#o;
    if (vcpu.cr8 === undefined || apic === null) return vcpu.enter(budgetTicks);
    const before = apic.cr8();
    vcpu.cr8 = before;
    const exit = vcpu.enter(budgetTicks);
    if (vcpu.cr8 !== before) apic.setCr8(vcpu.cr8);
    return exit;
  }

  #now(): bigint | number {
    return this.#o.time === 'virtual' ? this.vcpu.ticks : this.vcpu.readTsc();
  }
  #usedSince(start: bigint | number): number {
    const now = this.#now();
    if (typeof now === 'number') return now - (start as number);
    return Math.max(0, Number(BigInt.asIntN(64, now - (start as bigint) - this.#tscJump)));
  }

  #dispatch(exit: VmExit): Next {
    if (this.#trace === null) return this.#handle(exit);
    this.#answer = null;
    const done = this.#trace.begin(exit, this.vcpu);
    const next = this.#handle(exit);
    done?.(this.#answer);
    return next;
  }

  #handle(exit: VmExit): Next {
    const { name } = exit;
    const handler = this.#handlers[name] as (exit: VmExit) => Next;
    const clock = this.#o.hostNs;
    if (!this.statistics.count(name) || clock === undefined) return handler(exit);
    const begin = clock();
    const next = handler(exit);
    this.statistics.time(name, clock() - begin);
    return next;
  }

  #completeRead(value: bigint): void {
    this.#answer = value;
    this.vcpu.completeRead(value);
  }
  #fail(vector: number, errorCode?: number): Next {
    if (errorCode === undefined) this.vcpu.failInstruction(vector);
    else this.vcpu.failInstruction(vector, errorCode);
    this.#injector.occupy();
    return 'resume';
  }
  #gp(): Next {
    return this.#fail(Exception.GP, 0);
  }
  #skip(): Next {
    this.vcpu.skipInstruction();
    return 'resume';
  }
  #stopWith(kind: StopReason['kind'], message: string): Next {
    this.stop(kind, message);
    return 'stop';
  }

  #makeHandlers(): ExitHandlers {
    return {
      ioInstruction: (exit) => this.#io(exit),
      eptViolation: (exit) => this.#mmio(exit),
      cpuid: (exit) => this.#cpuid(exit),
      rdmsr: (exit) => this.#rdmsr(exit),
      wrmsr: (exit) => this.#wrmsr(exit),
      hlt: () => {
        this.vcpu.skipInstruction();
        // a single-step trap ends HLT at once
        return this.vcpu.trapPending?.() === true ? 'resume' : 'halt';
      },
      interruptWindow: () => 'resume', // the next entry injects
      nmiWindow: () => 'resume',
      tprBelowThreshold: () => 'resume', // CR8 has been taken over: the next entry may inject
      preemptionTimer: () => 'resume',
      kick: () => 'resume',
      controlRegisterAccess: (exit) => this.#controlRegister(exit),
      movDr: (exit) => this.#debugRegister(exit.register, exit.isWrite, exit.gpr),
      exceptionOrNmi: (exit) => this.#exception(exit),
      tripleFault: () => this.#stopWith('tripleFault', `triple fault at ${hex(this.vcpu.readRip())}`),
      rdtsc: () => this.#rdtsc(false),
      rdtscp: () => this.#rdtsc(true),
      invlpg: () => {
        // The engine reads page tables anew after a state is loaded: that drops every cached translation.
        this.vcpu.writeState(this.vcpu.readState());
        return this.#skip();
      },
      pause: () => {
        this.vcpu.skipInstruction();
        this.#o.onPause?.();
        return 'resume';
      },
      wbinvd: () => this.#skip(),
      xsetbv: (exit) => this.#xsetbv(Number(exit.qualification)),
      vmcall: () => {
        // what Linux's KVM answers to a hypercall that it does not know
        if (!this.#o.hypercall?.(this.vcpu)) this.vcpu.writeGpr(RAX, UNKNOWN_HYPERCALL);
        return this.#skip();
      },
      monitor: () => this.#fail(Exception.UD), // CPUID does not announce it
      mwait: () => this.#fail(Exception.UD),
      entryFailureGuestState: (exit) =>
        this.#stopWith('entryFailure', `VM entry failed: ${exit.failed.join('; ') || 'guest state refused'}`),
      internalError: (exit) => this.#stopWith('internalError', exit.message),
    };
  }

  // ---- ports and MMIO ----

  #io(exit: IoExit): Next {
    const { bus } = this.#o;
    const { port } = exit;
    const size = exit.sizeBytes as 1 | 2 | 4;
    if (this.#watchPorts) return this.#watchedIo(exit, size);
    if (exit.isIn) this.#completeRead(BigInt(bus.read('pio', port, size)));
    else {
      bus.write('pio', port, size, exit.value);
      this.vcpu.completeWrite();
    }
    return this.stopReason === null ? 'resume' : 'stop';
  }

  #watchedIo({ port, isIn, value: data }: IoExit, size: 1 | 2 | 4): Next {
    const { bus } = this.#o;
    const policy = this.#policy;
    const verdict = policy.decide('port', this.vcpu.index, port, size, !isIn, BigInt(data));
    let value = BigInt(data);
    if (isIn) {
      if (verdict === null || verdict === 'allow') value = BigInt(bus.read('pio', port, size));
      else value = (fakeValue(verdict) ?? BigInt(ALL_ONES[size] as number)) & BigInt(ALL_ONES[size] as number);
      this.#completeRead(value);
    } else {
      if (verdict === null || verdict === 'allow') bus.write('pio', port, size, data);
      this.vcpu.completeWrite();
    }
    if (verdict !== null) policy.done(verdict, value);
    return this.stopReason === null ? 'resume' : 'stop';
  }

  #busRead(gpa: number, size: number): bigint {
    const { bus } = this.#o;
    if (size < 8) return BigInt(bus.read('mmio', gpa, size as 1 | 2 | 4));
    const low = BigInt(bus.read('mmio', gpa, 4));
    return (BigInt(bus.read('mmio', gpa + 4, 4)) << 32n) | low;
  }
  #busWrite(gpa: number, size: number, value: bigint): void {
    const { bus } = this.#o;
    if (size < 8) {
      bus.write('mmio', gpa, size as 1 | 2 | 4, Number(value));
      return;
    }
    bus.write('mmio', gpa, 4, Number(value & MASK32));
    bus.write('mmio', gpa + 4, 4, Number(value >> 32n));
  }

  #mmio(exit: EptViolationExit): Next {
    const { gpa, sizeBytes, isWrite } = exit;
    const policy = this.#watchMmio ? this.#policy : null;
    const verdict = policy?.decide('mmio', this.vcpu.index, gpa, sizeBytes, isWrite, exit.value) ?? null;
    const allowed = verdict === null || verdict === 'allow';
    let { value } = exit;
    if (isWrite) {
      if (allowed) this.#busWrite(gpa, sizeBytes, value);
      this.vcpu.completeWrite();
    } else {
      const ones = ALL_ONES_64[sizeBytes] as bigint;
      value = allowed ? this.#busRead(gpa, sizeBytes) : (fakeValue(verdict) ?? ones) & ones;
      this.#completeRead(value);
    }
    if (verdict !== null) policy?.done(verdict, value);
    return this.stopReason === null ? 'resume' : 'stop';
  }

  // ---- CPUID and MSRs ----

  #dynamic(leaf: number): CpuidDynamic {
    if (!this.#o.cpuid.isDynamic(leaf)) return { osxsave: false, apicEnabled: true, xcr0: 1 };
    const s = this.vcpu.readCpuidState?.() ?? this.vcpu.readState();
    return {
      osxsave: (s.cr4 & BigInt(CR4.OSXSAVE)) !== 0n,
      apicEnabled: this.#o.apic === null ? false : (this.#o.apic.base() & 0x800n) !== 0n,
      xcr0: Number(s.xcr0),
    };
  }

  #cpuidAnswer(leaf: number, subleaf: number, dynamic: CpuidDynamic): CpuidResult {
    const verdict = this.#watchCpuid
      ? this.#policy.decide('cpuid', this.vcpu.index, leaf, 0, false, 0n, subleaf)
      : null;
    let answer = this.#o.cpuid.answer(leaf, subleaf, dynamic);
    if (verdict === 'deny') answer = { eax: 0, ebx: 0, ecx: 0, edx: 0 };
    else if (verdict !== null && typeof verdict === 'object' && 'fakeCpuid' in verdict) {
      answer = { ...answer, ...verdict.fakeCpuid };
    }
    if (verdict !== null) this.#policy.done(verdict, 0n);
    return answer;
  }

  #cpuid({ leaf, subleaf }: CpuidExit): Next {
    const { vcpu } = this;
    const answer = this.#cpuidAnswer(leaf, subleaf, this.#dynamic(leaf));
    // what depends on CR4 and XCR0 the engine looks after; a write of IA32_APIC_BASE forgets
    if (this.#trace === null && !this.#watchCpuid) {
      vcpu.cpuidAnswers?.keep({ leaf, subleaf, ...answer }, !this.#o.cpuid.hasSubleaves(leaf));
    }
    vcpu.writeGpr(RAX, BigInt(answer.eax >>> 0));
    vcpu.writeGpr(RBX, BigInt(answer.ebx >>> 0));
    vcpu.writeGpr(RCX, BigInt(answer.ecx >>> 0));
    vcpu.writeGpr(RDX, BigInt(answer.edx >>> 0));
    vcpu.skipInstruction();
    return 'resume';
  }

  /** All answers, for an engine that gives them itself; an access policy is asked once for each. */
  #cpuidTable(): CpuidEntry[] {
    const dynamic = { osxsave: false, apicEnabled: true, xcr0: 1 };
    return this.#o.cpuid
      .questions()
      .map(({ leaf, subleaf }) => ({ leaf, subleaf, ...this.#cpuidAnswer(leaf, subleaf, dynamic) }));
  }

  #rdmsr({ index }: MsrExit): Next {
    const verdict = this.#policy.watches('msr')
      ? this.#policy.decide('msr', this.vcpu.index, index, 8, false, 0n)
      : null;
    const faked = verdict === null ? null : fakeValue(verdict);
    const value = verdict === 'deny' ? null : (faked ?? readMsr(this.#msr, index));
    if (verdict !== null) this.#policy.done(verdict, value ?? 0n);
    if (value === null) return this.#gp();
    this.#completeRead(BigInt.asUintN(64, value));
    return 'resume';
  }

  #wrmsr({ index, value }: MsrExit): Next {
    const verdict = this.#policy.watches('msr')
      ? this.#policy.decide('msr', this.vcpu.index, index, 8, true, value)
      : null;
    let ok = false;
    if (verdict !== null && typeof verdict === 'object') ok = true;
    else if (verdict !== 'deny') ok = this.#writeMsr(index, value);
    if (verdict !== null) this.#policy.done(verdict, value);
    if (!ok) return this.#gp();
    this.vcpu.completeWrite();
    return 'resume';
  }

  #writeMsr(index: number, value: bigint): boolean {
    if (index === Msr.IA32_APIC_BASE) this.vcpu.cpuidAnswers?.forget();
    if (index !== Msr.IA32_TIME_STAMP_COUNTER && index !== Msr.IA32_TSC_ADJUST)
      return writeMsr(this.#msr, index, value);
    const before = this.#msr.state.tscAdjust;
    const ok = writeMsr(this.#msr, index, value);
    this.#tscJump += BigInt.asIntN(64, this.#msr.state.tscAdjust - before);
    return ok;
  }

  // ---- control and debug registers ----

  #controlRegister(exit: ControlRegisterExit): Next {
    const { vcpu } = this;
    const { apic } = this.#o;
    if (exit.register === 8) {
      if (exit.access === 'movFrom') {
        vcpu.writeGpr(exit.gpr, BigInt(apic?.cr8() ?? 0));
        return this.#skip();
      }
      if (exit.value > 15n) return this.#gp();
      apic?.setCr8(Number(exit.value));
      return this.#skip();
    }
    const s = vcpu.readState();
    const c = vcpu.controls;
    const cr0 = guestView(s.cr0, c.cr0GuestHostMask, c.cr0ReadShadow);
    if (exit.access === 'movFrom') {
      const cr4 = guestView(s.cr4, c.cr4GuestHostMask, c.cr4ReadShadow);
      vcpu.writeGpr(exit.gpr, exit.register === 3 ? s.cr3 : exit.register === 0 ? cr0 : cr4);
      return this.#skip();
    }
    let value = exit.value;
    if (exit.access === 'clts') value = cr0 & ~BigInt(CR0.TS);
    else if (exit.access === 'lmsw') value = lmsw(cr0, exit.value);
    if (!this.#loadControlRegister(s, exit.register, value)) return this.#gp();
    if (exit.register !== 3) {
      updateShadow(c, exit.register, value);
      vcpu.applyControls();
    }
    vcpu.writeState(s);
    return this.#skip();
  }

  #loadControlRegister(s: CpuState, register: 0 | 3 | 4, value: bigint): boolean {
    if (register === 0) return loadCr0(s, value);
    if (register === 3) return loadCr3(s, value, this.#o.cpuid.physicalAddressBits);
    return loadCr4(s, value, CR4_GUEST);
  }

  #debugRegister(register: number, isWrite: boolean, gpr: number): Next {
    const { vcpu } = this;
    const s = vcpu.readState();
    // DR4 and DR5 are aliases of DR6 and DR7; CpuState keeps DR0..DR3, DR6, DR7.
    const slot = register < 4 ? register : 4 + (register & 1);
    if (isWrite) {
      const value = vcpu.readGpr(gpr);
      if (slot >= 4 && value >> 32n !== 0n) return this.#gp();
      const fixed = slot === 4 ? (value & 0xe00fn) | 0xffff_0ff0n : (value & 0xffff_2bffn) | 0x400n;
      s.dr[slot] = slot >= 4 ? fixed : value;
      vcpu.writeState(s);
    } else vcpu.writeGpr(gpr, s.dr[slot] as bigint);
    return this.#skip();
  }

  #xsetbv(index: number): Next {
    const { vcpu } = this;
    const value = ((vcpu.readGpr(RDX) & MASK32) << 32n) | (vcpu.readGpr(RAX) & MASK32);
    const s = vcpu.readState();
    if (!loadXcr0(s, index, value, this.#o.cpuid.xcr0Supported)) return this.#gp();
    vcpu.writeState(s);
    return this.#skip();
  }

  #rdtsc(withAux: boolean): Next {
    const { vcpu } = this;
    const tsc = vcpu.readTsc();
    vcpu.writeGpr(RAX, tsc & MASK32);
    vcpu.writeGpr(RDX, (tsc >> 32n) & MASK32);
    if (withAux) vcpu.writeGpr(RCX, vcpu.readState().tscAux & MASK32);
    return this.#skip();
  }

  // ---- exceptions ----

  #exception(exit: ExceptionExit): Next {
    const { vcpu } = this;
    const decision = this.#o.onException?.(vcpu, exit) ?? 'reinject';
    if (decision === 'resume') return 'resume';
    if (decision === 'stop') return this.#stopWith('requested', `stopped at ${exceptionName(exit.vector)}`);
    if (exit.vector === Exception.PF) {
      const s = vcpu.readState();
      s.cr2 = exit.address;
      vcpu.writeState(s);
    }
    const { vector } = exit;
    vcpu.inject(
      exit.hasErrorCode
        ? { type: 'hardwareException', vector, errorCode: exit.errorCode }
        : { type: vector === Exception.NMI ? 'nmi' : 'hardwareException', vector },
    );
    this.#injector.occupy();
    return 'resume';
  }
}

const structuredCloneMsrs = (m: MsrState): MsrState => ({
  ...m,
  mtrrVariable: [...m.mtrrVariable],
  mtrrFixed: [...m.mtrrFixed],
  mcCtl: [...m.mcCtl],
  mcDetail: [...m.mcDetail],
  unknown: { ...m.unknown },
});
