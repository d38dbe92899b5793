// The processors of one machine, or those of its that live on one thread, interleaved there: whose turn it is and for how long, INIT and start-up IPIs, and
// one count of ticks for all. Sources: SDM 3A "Multiple-Processor (MP) Initialization", "Processor State After Reset",
// "Time-Stamp Counter", "Issuing Interprocessor Interrupts"; SDM 2B "PAUSE—Spin Loop Hint".

import { BugError } from '../base/index.js';
import { addExits, type ExitStatistic, type VcpuMonitor } from '../vmm/index.js';
import { type CpuState, initState, startupState, type Vcpu } from '../vmx/index.js';
import type { ProcessorBoard } from './board.js';

/** As many processors as a machine may have. */
export const MAX_PROCESSORS = 16;
/** A processor's turn, in domain time, while others have work too. */
export const SLICE_NS = 100_000;

const RFLAGS_IF = 0x200n;
const APIC_BASE_BSP = 0x100;

/** One processor: the engine's part, the monitor's part, and what the board knows of it. */
export class Processor {
  /** After RESET or INIT all but the boot processor wait for a start-up IPI. */
  waitsForSipi: boolean;
  /** Virtual time: the machine's ticks minus this processor's when its TSC was set last. */
  lead = 0;
  constructor(
    readonly vcpu: Vcpu,
    readonly monitor: VcpuMonitor,
  ) {
    this.waitsForSipi = vcpu.index !== 0;
  }

  /** Nothing to run until an interrupt, an NMI or a start-up IPI comes. */
  get idle(): boolean {
    return this.waitsForSipi || this.monitor.idle;
  }
  /** Only another processor could wake it. */
  get deaf(): boolean {
    if (this.waitsForSipi) return true;
    return this.monitor.idle && (this.vcpu.readState().rflags & RFLAGS_IF) === 0n;
  }
}

export interface ProcessorsOptions {
  readonly all: readonly Processor[];
  readonly chipset: ProcessorBoard;
  readonly virtual: boolean;
  readonly sliceTicks: number;
  /** CPUID.1:EAX, which INIT leaves in EDX. */
  readonly signature: number;
  /** The boot processor after INIT; null where there is no firmware at the reset vector: the board resets. */
  readonly initBoot: (() => CpuState) | null;
}

export class Processors {
  readonly all: readonly Processor[];
  readonly #o: ProcessorsOptions;
  #current: Processor;
  /** Instructions of all but the current one. */
  #others = 0;
  /** Virtual time: ticks of the same. */
  #otherTicks = 0;
  /** Ticks that passed without an instruction of this machine. */
  #jumped = 0;
  #sliceLeft: number;
  #turnOver = false;

  constructor(options: ProcessorsOptions) {
    this.#o = options;
    this.all = options.all;
    this.#current = this.first;
    this.#sliceLeft = options.sliceTicks;
  }

  /** The boot processor; on other threads than the home one the first that lives there. */
  get first(): Processor {
    const first = this.all[0];
    if (first === undefined) throw new BugError('MACHINE_VCPUS', 'a machine without processors');
    return first;
  }
  /** The one that runs or ran last. */
  get current(): Processor {
    return this.#current;
  }
  get several(): boolean {
    return this.all.length > 1;
  }
  get instructions(): number {
    return this.#others + this.#current.vcpu.counters.instructions;
  }
  /** Virtual time: ticks since creation. */
  get ticks(): number {
    return this.#otherTicks + this.#current.vcpu.ticks + this.#jumped;
  }
  get idle(): boolean {
    return this.all.every((p) => p.idle);
  }
  /** Halted with interrupts off, all of them: nothing can happen any more. */
  get deaf(): boolean {
    return this.all.every((p) => p.deaf);
  }

  /** Virtual time: ticks pass without instructions. */
  jump(ticks: number): void {
    this.#jumped += ticks;
    this.sync();
  }

  /** Virtual time: the current processor's TSC shows the ticks of all, beside what the guest wrote into it. */
  sync(): void {
    if (!this.#o.virtual) return;
    const p = this.#current;
    const lead = this.#otherTicks + this.#jumped;
    if (lead === p.lead) return;
    p.vcpu.writeTsc(p.vcpu.readTsc() + BigInt(lead - p.lead));
    p.lead = lead;
  }

  /** Whose turn it is: the current one's while its slice lasts, then that of the next with work; null when all are idle. */
  next(): Processor | null {
    const now = this.#current;
    if (!this.#turnOver && this.#sliceLeft > 0 && !now.idle) return now;
    const { all } = this;
    const from = all.indexOf(now);
    for (let k = 1; k <= all.length; k++) {
      const p = all[(from + k) % all.length] as Processor;
      if (p.idle) continue;
      this.#select(p);
      return p;
    }
    return null;
  }

  #select(p: Processor): void {
    if (p !== this.#current) {
      this.#others = this.instructions - p.vcpu.counters.instructions;
      this.#otherTicks += this.#current.vcpu.ticks - p.vcpu.ticks;
      this.#current = p;
    }
    this.#turnOver = false;
    this.#sliceLeft = this.#o.sliceTicks;
    this.sync();
  }

  /** Ticks that the current one may run before it is another's turn. */
  get sliceLeft(): number {
    return this.several ? this.#sliceLeft : Number.POSITIVE_INFINITY;
  }
  /** The current one has run. */
  used(ticks: number): void {
    this.#sliceLeft -= ticks;
  }
  /** It is another's turn, if one has work. */
  yield(): void {
    this.#turnOver = true;
  }
  /** True when one beside the current has work. */
  othersWant(): boolean {
    return this.all.some((p) => p !== this.#current && !p.idle);
  }

  /** A kick came to another than the current processor, which looks at its own word. */
  takeKick(): boolean {
    let kicked = false;
    for (const p of this.all) {
      const { kickWord } = p.vcpu;
      if (kickWord === null || p === this.#current || Atomics.load(kickWord, 0) === 0) continue;
      Atomics.store(kickWord, 0, 0);
      kicked = true;
    }
    return kicked;
  }

  /** True when INIT or a start-up IPI waits for processor `cpu`. */
  signalled(cpu: number): boolean {
    const signal = this.#o.chipset.pendingSignal(cpu);
    return signal === 'init' || signal === 'sipi';
  }

  /** Takes INIT and start-up IPIs. */
  takeSignals(): void {
    const { chipset } = this.#o;
    for (const p of this.all) {
      const cpu = p.vcpu.index;
      if (!this.signalled(cpu)) continue;
      const apic = chipset.localApics[cpu];
      if (apic === undefined) continue;
      if (apic.inputs.takeInit()) this.#init(p, (apic.queries.base() & APIC_BASE_BSP) !== 0);
      const vector = apic.inputs.takeSipi();
      // A start-up IPI to a processor that does not wait for one is lost.
      if (vector < 0 || !p.waitsForSipi) continue;
      p.waitsForSipi = false;
      p.vcpu.writeState(startupState(p.vcpu.readState(), vector));
    }
  }

  #init(p: Processor, isBoot: boolean): void {
    const { chipset, initBoot, signature } = this.#o;
    p.monitor.init();
    if (!isBoot) {
      p.waitsForSipi = true;
      p.vcpu.writeState(initState(p.vcpu.readState(), signature));
    } else if (initBoot === null) chipset.request ??= { kind: 'reset', by: 'INIT of the boot processor' };
    else p.vcpu.writeState(initBoot());
  }

  /**
   * RESET: the boot processor in `state`, the others waiting; every TSC reads zero. On other threads than the home one
   * `state` is null and `tscOffset` that of the boot processor.
   */
  reset(state: CpuState | null, tscOffset?: bigint): void {
    const { signature, sliceTicks } = this.#o;
    const boot = this.first;
    for (const p of this.all) {
      const starts = p === boot && state !== null;
      p.monitor.reset();
      p.waitsForSipi = !starts;
      p.vcpu.writeState(starts ? state : initState(p.vcpu.readState(), signature));
    }
    this.#select(boot);
    this.#sliceLeft = sliceTicks;
    if (tscOffset === undefined) boot.vcpu.writeTsc(0n);
    else {
      boot.vcpu.controls.tscOffset = tscOffset;
      boot.vcpu.applyControls();
    }
    for (const p of this.all) {
      if (p === boot) continue;
      if (this.#o.virtual) {
        p.vcpu.writeTsc(0n);
        p.lead = this.ticks - p.vcpu.ticks;
      } else {
        // the host's clock goes on between two writes: equal offsets make equal counters
        p.vcpu.controls.tscOffset = boot.vcpu.controls.tscOffset;
        p.vcpu.applyControls();
      }
    }
  }

  /** Exits of all processors, most frequent first. */
  exits(): ExitStatistic[] {
    return addExits(this.all.flatMap(({ monitor }) => monitor.statistics.list()));
  }
}
