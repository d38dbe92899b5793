// A vCPU of the software engine: VM entry, the loop around the interpreter, VM exits. Intel SDM Vol. 3C, "VM Entries".
import {
  type CpuidAnswers,
  type CpuState,
  checkControls,
  checkGuestState,
  type EntryEvent,
  encodeEntryEvent,
  type RunCounters,
  type TranslationTotals,
  type Vcpu,
  type VcpuControls,
  type VmExit,
} from '../vmx/index.js';
import { ExitDecoder } from './exit-decoder.js';
import type { Tier, TierStatistics } from './jit/tier.js';
import type { Interpreter, Procedures } from './modules.js';
import { AREA, EXIT_NONE, gprOffset, offsets, REPLAY, UNWIND } from './state-layout.js';
import { StateView } from './state-view.js';

/** State offsets, looked up once: these are read at every VM exit. */
const AT = offsets(
  'kick',
  'nmiBlocked',
  'shadowKind',
  'stepping',
  'shadowRetired',
  'rip',
  'modeKey',
  'retired',
  'waited',
  'pinBased',
  'primary',
  'secondary',
  'exceptionBitmap',
  'ioBitmap',
  'msrBitmap',
  'cr0Mask',
  'cr0Shadow',
  'cr4',
  'xcr0',
  'cr4Mask',
  'cr4Shadow',
  'tscOffset',
  'rflags',
  'debugHits',
  'injectPending',
  'injectErrorCode',
  'replay',
  'replayCount',
  'exitReason',
  'unwind',
  'record',
  'activity',
  'budget',
  'budgetLoaded',
  'reserve',
  'exitInstructionLength',
  'cpuidsAnswered',
);

/** In virtual time the guest runs at most this many instructions between looks at the kick word. */
const CHUNK = 50_000;
/** In real time between looks at the clock: about 100 us. */
const REAL_CHUNK = 20_000;
/** The same where other threads wait for safe points: about 20 us. */
const PARALLEL_CHUNK = 8_000;
const NEAR_END = 64;
/** A chunk that is not the last one ends where a region leaves it fewer instructions than this: as many as a region needs to be entered. */
const RESERVE = 512;
const INTERRUPT_WINDOW_EXITING = 1 << 2;
const PAUSE_EXITING = 1 << 30;
/** Interrupt-window and NMI-window exiting. */
const WINDOWS = INTERRUPT_WINDOW_EXITING | (1 << 22);
const RFLAGS_IF = 0x200;
const RFLAGS_TF = 0x100;
/** Of the pending event: its delivery has been cut by a device access. Nothing else may come before it. */
const EVENT_BEGUN = 1 << 30;

export interface SoftwareVcpuOptions {
  readonly index: number;
  readonly memory: WebAssembly.Memory;
  /** Host address of the state area. */
  readonly area: number;
  readonly procedures: Procedures;
  readonly interpreter: Pick<Interpreter, 'run'>;
  readonly time: 'real' | 'virtual';
  readonly tscHz: number;
  readonly nowNs: () => number;
  readonly controls: VcpuControls;
  /** Other threads run vCPUs of this domain. */
  readonly parallel?: boolean;
  /** Translates hot code; null: everything is interpreted. */
  readonly tier: Tier | null;
}

const answersOf = (procedures: Procedures, state: StateView): CpuidAnswers => ({
  keep: ({ leaf, subleaf, eax, ebx, ecx, edx }, every) =>
    procedures.cpuid_keep(leaf, subleaf, every ? 1 : 0, eax, ebx, ecx, edx),
  forget: () => procedures.cpuid_forget(),
  get given() {
    return state.counter(AT.cpuidsAnswered);
  },
});

export class SoftwareVcpu implements Vcpu {
  readonly index: number;
  readonly controls: VcpuControls;
  readonly kickWord: Int32Array;
  readonly cpuidAnswers: CpuidAnswers;
  private readonly state: StateView;
  private readonly exits: ExitDecoder;
  private readonly procedures: Procedures;
  private readonly interpreter: Pick<Interpreter, 'run'>;
  private readonly real: boolean;
  private readonly parallel: boolean;
  private readonly realChunk: number;
  private readonly bytes: Uint8Array;
  private unchecked = true;
  /** The monitor has completed an instruction that began with RFLAGS.TF set. */
  private stepped = false;
  private lastLength = 0;

  constructor(private readonly options: SoftwareVcpuOptions) {
    this.index = options.index;
    this.controls = options.controls;
    this.procedures = options.procedures;
    this.interpreter = options.interpreter;
    this.real = options.time === 'real';
    this.parallel = options.parallel === true;
    this.realChunk = this.parallel ? PARALLEL_CHUNK : REAL_CHUNK;
    const { buffer } = options.memory;
    this.bytes = new Uint8Array(buffer);
    this.state = new StateView(buffer, options.area);
    this.exits = new ExitDecoder(this.state);
    this.kickWord = new Int32Array(buffer, options.area + AT.kick, 1);
    this.cpuidAnswers = answersOf(options.procedures, this.state);
  }

  // --- guest state ---
  readState(): CpuState {
    const interruptibility = (this.shadow() & 3) | (this.state.u32(AT.nmiBlocked) !== 0 ? 8 : 0);
    return this.state.read(this.procedures.flags_get(), interruptibility);
  }
  writeState(s: CpuState): void {
    this.state.write(s);
    this.procedures.flags_set(Number(s.rflags & 0x8d5n));
    this.state.setU32(AT.nmiBlocked, (s.interruptibility >> 3) & 1);
    this.state.setU32(AT.shadowKind, s.interruptibility & 3);
    this.state.setCounter(AT.shadowRetired, this.retired());
    this.stepped = false;
    this.procedures.replay_clear();
    this.procedures.deliveries_clear();
    this.procedures.update_mode();
    this.procedures.tlb_flush_all();
    if ((s.cr0 & 0x80000000n) !== 0n && (s.cr4 & 0x20n) !== 0n && (s.efer & 0x400n) === 0n)
      this.procedures.load_pdptes();
    this.unchecked = true;
  }
  readCpuidState(): Pick<CpuState, 'cr4' | 'xcr0'> {
    return { cr4: this.state.u64(AT.cr4), xcr0: this.state.u64(AT.xcr0) };
  }
  readGpr(index: number): bigint {
    return this.state.u64(gprOffset(index));
  }
  writeGpr(index: number, value: bigint): void {
    this.state.setU64(gprOffset(index), value);
  }
  readRip(): bigint {
    return this.state.u64(AT.rip);
  }
  skipInstruction(): void {
    const long = (this.state.u32(AT.modeKey) & 3) === 2;
    const rip = this.readRip() + BigInt(this.lastLength);
    this.state.setU64(AT.rip, long ? rip : rip & 0xffffffffn);
    this.state.setCounter(AT.retired, this.retired() + 1);
    this.stepped = (this.state.u32(AT.rflags) & RFLAGS_TF) !== 0;
    this.procedures.replay_clear();
  }
  applyControls(): void {
    const { controls: c, state } = this;
    state.setU32(AT.pinBased, c.pinBased);
    state.setU32(AT.primary, c.primary);
    state.setU32(AT.secondary, c.secondary);
    state.setU32(AT.exceptionBitmap, c.exceptionBitmap);
    state.setU32(AT.ioBitmap, this.options.area + AREA.ioBitmap);
    state.setU32(AT.msrBitmap, this.options.area + AREA.msrBitmap);
    this.bytes.set(c.ioBitmap, this.options.area + AREA.ioBitmap);
    this.bytes.set(c.msrBitmap, this.options.area + AREA.msrBitmap);
    state.setU64(AT.cr0Mask, c.cr0GuestHostMask);
    state.setU64(AT.cr0Shadow, c.cr0ReadShadow);
    state.setU64(AT.cr4Mask, c.cr4GuestHostMask);
    state.setU64(AT.cr4Shadow, c.cr4ReadShadow);
    state.setU64(AT.tscOffset, c.tscOffset);
    this.unchecked = true;
  }

  // --- events ---
  /** Interruptibility bits in force now. */
  private shadow(): number {
    return this.state.counter(AT.shadowRetired) === this.retired() ? this.state.u32(AT.shadowKind) : 0;
  }
  private eventBegun(): boolean {
    return (this.state.u32(AT.injectPending) & EVENT_BEGUN) !== 0;
  }
  interruptible(): boolean {
    return (
      (this.state.u32(AT.rflags) & RFLAGS_IF) !== 0 && (this.shadow() & 3) === 0 && !this.eventBegun() && !this.stepped
    );
  }
  nmiUnblocked(): boolean {
    return !this.eventBegun() && !this.stepped && this.state.u32(AT.nmiBlocked) === 0 && (this.shadow() & 2) === 0;
  }
  trapPending(): boolean {
    return this.stepped;
  }
  inject(event: EntryEvent): void {
    this.state.setU32(AT.injectPending, encodeEntryEvent(event));
    this.state.setU32(AT.injectErrorCode, event.errorCode ?? 0);
  }
  requestInterruptWindow(on: boolean): void {
    const c = this.controls;
    c.primary = on ? c.primary | INTERRUPT_WINDOW_EXITING : c.primary & ~INTERRUPT_WINDOW_EXITING;
    this.state.setU32(AT.primary, c.primary);
  }
  exitOnPause(on: boolean): void {
    const c = this.controls;
    c.primary = on ? c.primary | PAUSE_EXITING : c.primary & ~PAUSE_EXITING;
    this.state.setU32(AT.primary, c.primary);
  }
  completeRead(value: bigint): void {
    const entry = AT.replay + this.state.u32(AT.replayCount) * REPLAY.sizeBytes;
    this.state.setU64(entry + REPLAY.value, value);
    this.completeWrite();
  }
  completeWrite(): void {
    this.state.setU32(AT.replayCount, this.state.u32(AT.replayCount) + 1);
  }
  failInstruction(vector: number, errorCode?: number): void {
    this.procedures.replay_clear();
    this.inject(
      errorCode === undefined
        ? { type: 'hardwareException', vector }
        : { type: 'hardwareException', vector, errorCode },
    );
  }

  // --- time ---
  /** Instructions retired so far. */
  private retired(): number {
    return this.state.counter(AT.retired);
  }
  get counters(): RunCounters {
    return { instructions: this.retired() };
  }
  get ticks(): number {
    return this.retired() + this.state.counter(AT.waited);
  }
  /** What the translator did so far; null: everything is interpreted. */
  jitStatistics(): TierStatistics | null {
    return this.options.tier?.statistics ?? null;
  }
  engineStatistics(): Record<string, number> | null {
    const jit = this.jitStatistics();
    return jit === null ? null : { ...jit };
  }
  translationTotals(): TranslationTotals | null {
    return this.options.tier?.totals ?? null;
  }
  private clockTicks(): bigint {
    // as RDTSC computes it (core/time.ts): by another rounding the counter would step back
    return BigInt(this.real ? Math.trunc(this.options.nowNs() * (this.options.tscHz / 1e9)) : this.ticks);
  }
  readTsc(): bigint {
    return BigInt.asUintN(64, this.clockTicks() + this.controls.tscOffset);
  }
  writeTsc(value: bigint): void {
    this.controls.tscOffset = BigInt.asUintN(64, value - this.clockTicks());
    this.state.setU64(AT.tscOffset, this.controls.tscOffset);
  }

  kick(): void {
    Atomics.store(this.kickWord, 0, 1);
  }

  // --- VM entry ---
  enter(budgetTicks: number): VmExit {
    if (!this.parallel) return this.run(budgetTicks);
    this.procedures.run_begin();
    try {
      return this.run(budgetTicks);
    } finally {
      this.procedures.run_end();
    }
  }
  private run(budgetTicks: number): VmExit {
    const { state, procedures } = this;
    if (this.unchecked) {
      const failed = [...checkControls(this.controls), ...checkGuestState(this.readState(), this.controls)];
      if (failed.length > 0) return this.exits.entryFailure(failed);
      this.unchecked = false;
    }
    state.setU32(AT.exitReason, EXIT_NONE);
    state.setU32(AT.unwind, UNWIND.none);
    state.setU32(AT.record, 0);
    if (this.stepped) {
      this.stepped = false;
      state.setU32(AT.stepping, 1);
      if (procedures.single_step_end() !== 0) return this.leave();
    }
    const pending = state.u32(AT.injectPending);
    if (pending >>> 31 === 1) {
      // an answered access belongs to an instruction that has begun: it completes before the event
      if ((pending & EVENT_BEGUN) === 0 && procedures.replay_pending() === 1) {
        this.runFor(1, true);
        if (state.u32(AT.exitReason) !== EXIT_NONE) return this.leave();
      }
      state.setU32(AT.unwind, UNWIND.none);
      if (procedures.inject_event() !== 0) return this.leave();
    }
    const deadline = this.real ? this.options.nowNs() + (budgetTicks * 1e9) / this.options.tscHz : 0;
    let left = budgetTicks;
    for (;;) {
      if (Atomics.load(this.kickWord, 0) !== 0) {
        Atomics.store(this.kickWord, 0, 0);
        return this.exits.plain('kick');
      }
      if (this.real ? this.options.nowNs() >= deadline : left <= 0) return this.exits.plain('preemptionTimer');
      const activity = state.u32(AT.activity);
      if (activity === 1) return this.exits.plain('hlt');
      if (activity !== 0) return this.exits.plain('preemptionTimer');
      if (this.parallel) procedures.run_point();
      const budget = this.real ? this.realChunk : Math.min(left, CHUNK);
      left -= this.runFor(budget, !this.real && left <= CHUNK);
      if (state.u32(AT.exitReason) !== EXIT_NONE) return this.leave();
    }
  }
  /**
   * Runs for `budget` ticks of virtual time, or instructions in real time: that many or some fewer if it is not `last`; more by
   * a PAUSE at the end. Returns how many passed.
   */
  private runFor(budget: number, last: boolean): number {
    this.options.tier?.work();
    const { state, procedures, interpreter } = this;
    state.setU32(AT.budget, budget);
    state.setU32(AT.budgetLoaded, budget);
    const reserve = last ? NEAR_END : RESERVE;
    const enough = last ? 1 : RESERVE;
    state.setU32(AT.reserve, reserve);
    const before = this.ticks;
    for (;;) {
      const left = state.i32(AT.budget);
      if (left < enough) break;
      let limit = left;
      if ((this.controls.primary & WINDOWS) !== 0) {
        const window = procedures.check_windows();
        if (window === 1) break;
        if (window === 2) limit = 1;
      }
      const stepping = procedures.single_step_begin() === 1;
      if (stepping) limit = 1;
      let record = procedures.enter_code();
      if (record === 0) break;
      if (limit < NEAR_END) record = procedures.cut_block(record, limit);
      // branches look at the budget, so a limit below it has to be there as well
      const spare = left - limit;
      if (spare > 0) this.addBudget(-spare);
      const waited = state.u32(AT.waited);
      interpreter.run(this.options.area, record);
      // an instruction that takes longer has found nothing to take in a budget of one
      if (spare > 0) this.addBudget(spare - Math.min(spare, (state.u32(AT.waited) - waited) >>> 0));
      if (state.u32(AT.exitReason) !== EXIT_NONE) break;
      // single-step trap after an instruction that began with RFLAGS.TF set (a faulting one has not retired)
      if (stepping && state.i32(AT.budget) < left && procedures.single_step_end() !== 0) break;
      if (state.u32(AT.debugHits) !== 0 && procedures.debug_trap() !== 0) break;
    }
    // `retired` may have been moved by a procedure that shortened the budget
    const done = state.i32(AT.budgetLoaded) - state.i32(AT.budget);
    const retired = state.counter(AT.retired) + done;
    state.setCounter(AT.retired, retired);
    state.setU32(AT.budget, 0);
    state.setU32(AT.budgetLoaded, 0);
    return this.ticks - before;
  }
  private addBudget(n: number): void {
    this.state.setU32(AT.budget, this.state.i32(AT.budget) + n);
    this.state.setU32(AT.budgetLoaded, this.state.i32(AT.budgetLoaded) + n);
  }
  private leave(): VmExit {
    this.lastLength = this.state.u32(AT.exitInstructionLength);
    return this.exits.decode();
  }
}
