// What the room publishes for tests: a scripted Vcpu for the monitor's tests, and the engine conformance suite.
import { Primary, Secondary } from './controls.js';
import type { CpuState } from './cpu-state.js';
import { cloneState, emptyControls, resetState } from './default-state.js';
import type { EntryEvent, Vcpu, VcpuControls } from './engine.js';
import type { VmExit } from './exits.js';

export * from './conformance.js';
export * from './conformance-guest.js';
export * from './conformance-guests.js';

/** Controls with nothing intercepted but what always exits; unrestricted guest on. */
export const plainControls = (): VcpuControls => ({
  ...emptyControls(),
  primary: Primary.hltExiting + Primary.useIoBitmaps + Primary.useMsrBitmaps + Primary.activateSecondaryControls,
  secondary: Secondary.enableEpt + Secondary.unrestrictedGuest,
});

/** One scripted VM exit: the exit, the ticks it took, and what changes before it (a processor would have run). */
export interface ScriptedExit {
  readonly exit: VmExit;
  readonly ticks?: number;
  readonly before?: (vcpu: FakeVcpu) => void;
}

/** A Vcpu that plays a script of exits and records what the monitor does with them. */
export class FakeVcpu implements Vcpu {
  readonly controls = plainControls();
  readonly kickWord = null;
  readonly counters = { instructions: 0 };
  /** What the monitor did, in order. */
  readonly log: string[] = [];
  /** Events handed to `inject`. */
  readonly injected: EntryEvent[] = [];
  state: CpuState = resetState();
  canInterrupt = true;
  canNmi = true;
  windowRequested = false;
  /** Budgets of the calls of `enter`. */
  readonly budgets: number[] = [];
  tsc = 0n;

  /** After the script every entry ends with the preemption timer. */
  constructor(
    readonly script: ScriptedExit[] = [],
    readonly index = 0,
  ) {}

  get ticks(): number {
    return this.counters.instructions;
  }
  readState(): CpuState {
    return cloneState(this.state);
  }
  writeState(state: CpuState): void {
    this.state = cloneState(state);
    this.log.push('writeState');
  }
  applyControls(): void {
    this.log.push('applyControls');
  }
  readGpr(index: number): bigint {
    return this.state.gpr[index] as bigint;
  }
  writeGpr(index: number, value: bigint): void {
    this.state.gpr[index] = value;
  }
  readRip(): bigint {
    return this.state.rip;
  }
  skipInstruction(): void {
    this.log.push('skip');
  }
  interruptible(): boolean {
    return this.canInterrupt;
  }
  nmiUnblocked(): boolean {
    return this.canNmi;
  }
  inject(event: EntryEvent): void {
    this.injected.push(event);
    this.log.push(`inject ${event.type} ${event.vector}`);
  }
  requestInterruptWindow(on: boolean): void {
    this.windowRequested = on;
    this.log.push(`window ${on ? 'on' : 'off'}`);
  }
  completeRead(value: bigint): void {
    this.log.push(`read ${value.toString(16)}`);
  }
  completeWrite(): void {
    this.log.push('write');
  }
  failInstruction(vector: number, errorCode?: number): void {
    this.log.push(`fail ${vector}${errorCode === undefined ? '' : ` ${errorCode}`}`);
  }
  readTsc(): bigint {
    return this.tsc;
  }
  writeTsc(value: bigint): void {
    this.tsc = value;
  }
  enter(budgetTicks: number): VmExit {
    this.budgets.push(budgetTicks);
    const next = this.script.shift();
    const ticks = Math.min(next?.ticks ?? (next ? 1 : budgetTicks), budgetTicks);
    this.tsc += BigInt(ticks);
    this.counters.instructions += ticks;
    next?.before?.(this);
    return next?.exit ?? { name: 'preemptionTimer', qualification: 0n };
  }
  kick(): void {
    this.log.push('kick');
  }
}
