// The local APICs of a machine's processors that live on one thread: the APIC page as each processor sees it, the
// interconnect, and what the processors ask. APICs of processors on other threads are receivers on the interconnect only.
// Source: SDM 3A "Advanced Programmable Interrupt Controller (APIC)".

import type { AccessSize, BusTarget, DeviceInstance, LineSink } from '../device.js';
import type { DeviceSet } from '../device-set.js';
import { ApicBus, type ApicReceiver } from './apic-message.js';
import type { LocalApicInputs, LocalApicPorts, LocalApicQueries, LocalApicState } from './local-apic.js';
import { APIC_BASE_ENABLE, APIC_BASE_X2APIC, APIC_DEFAULT_GPA, localApic } from './local-apic.js';

export type LocalApic = DeviceInstance<LocalApicState, LocalApicPorts, LocalApicInputs, LocalApicQueries>;

/** The APIC page as processors see it: each reaches its own local APIC. */
class LocalApicPage implements BusTarget {
  readonly name = 'local-apic';
  current = 0;
  constructor(readonly apics: readonly LocalApic[]) {}
  /** The registers of the current processor's APIC; null while it is disabled, in x2APIC mode or on another thread. */
  #registers(): BusTarget | null {
    const apic = this.apics[this.current];
    if (apic === undefined) return null;
    const inMemory = (apic.queries.base() & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) === APIC_BASE_ENABLE;
    return inMemory ? apic.regions.regs! : null;
  }
  read(offset: number, size: AccessSize): number {
    return this.#registers()?.read(offset, size) ?? (size === 4 ? 0xffff_ffff : (1 << (8 * size)) - 1);
  }
  write(offset: number, size: AccessSize, value: number): void {
    this.#registers()?.write(offset, size, value);
  }
}

const APIC_PAGE = 0xffff_f000;

export interface LocalApicsOptions {
  /** Where they are placed. */
  readonly set: DeviceSet;
  /** Processors of the machine. */
  readonly cpus: number;
  /** APICs of processors that live on other threads, by processor. */
  readonly elsewhere?: ReadonlyMap<number, ApicReceiver>;
  /** Processor `cpu` may have something new to take. */
  readonly onInterrupt: (cpu: number) => void;
}

export class LocalApics {
  /** By processor; those of other threads are holes. */
  readonly all: readonly LocalApic[];
  readonly bus = new ApicBus();
  readonly #set: DeviceSet;
  readonly #page: LocalApicPage;

  constructor({ set, cpus, elsewhere, onInterrupt }: LocalApicsOptions) {
    this.#set = set;
    const all: LocalApic[] = [];
    for (let cpu = 0; cpu < cpus; cpu++) {
      const other = elsewhere?.get(cpu);
      if (other === undefined) all[cpu] = this.#place(cpu, onInterrupt);
      this.bus.add(other ?? (all[cpu] as LocalApic));
    }
    this.all = all;
    this.#page = new LocalApicPage(all);
    set.mmio.add(APIC_DEFAULT_GPA, 0x1000, this.#page);
  }

  #place(id: number, onInterrupt: (cpu: number) => void): LocalApic {
    const wake: LineSink = (level) => {
      if (level) onInterrupt(id);
    };
    return this.#set.place(
      localApic(id),
      { intr: wake, extInt: wake, nmi: wake, start: wake },
      {
        ipi: (from, command, destination) => void this.bus.ipi(from, command, destination),
        eoi: (vector) => this.bus.eoi(vector),
      },
      `local-apic${id}`,
    );
  }

  /** The APICs of this thread. */
  here(): LocalApic[] {
    return this.all.filter(() => true);
  }

  /** Names the processor whose memory accesses follow. */
  selectCpu(cpu: number): void {
    this.#page.current = cpu;
  }

  /** Moves the page after a write of IA32_APIC_BASE (all processors of a thread move together). */
  movePage(gpa: number, present: boolean): void {
    const { mmio } = this.#set;
    for (const r of mmio.ranges()) if (r.name === this.#page.name) mmio.remove(r.start);
    if (present) mmio.add(gpa, 0x1000, this.#page);
  }
  /** After a reset. */
  resetPage(): void {
    this.movePage(APIC_DEFAULT_GPA, true);
  }
  /** After a load: where IA32_APIC_BASE says. */
  syncPage(): void {
    const base = this.here()[0]?.queries.base();
    if (base === undefined) return;
    const inMemory = (base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) === APIC_BASE_ENABLE;
    this.movePage((base & APIC_PAGE) >>> 0, inMemory);
  }

  /** Whether processor `cpu` has an NMI, INIT or SIPI to take. */
  pendingSignal(cpu: number): 'nmi' | 'init' | 'sipi' | null {
    const s = this.all[cpu]?.state;
    if (s === undefined) return null;
    return s.init ? 'init' : s.sipi >= 0 ? 'sipi' : s.nmi ? 'nmi' : null;
  }
}
