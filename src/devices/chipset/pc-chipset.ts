// The chip set of a PC: every device at its usual address, interrupts wired to the 8259 pair and the I/O APIC, and what
// the processors and the monitor ask of it. Source: MultiProcessor Specification 1.4, "Virtual Wire Mode"; ACPI
// Specification, "Multiple APIC Description Table (MADT)".

import { ConfigError } from '../../base/index.js';
import type { Clock } from '../../host/index.js';
import type { DeviceInstance, LineSink } from '../device.js';
import type { SavedDevices } from '../device-set.js';
import { DeviceSet } from '../device-set.js';
import { InterruptLines } from '../interrupt-lines.js';
import type { PciPlace } from '../pci/config-space.js';
import { PciFunctions } from '../pci/config-space.js';
import { pciHostBridge } from '../pci/host-bridge.js';
import { acpiPm } from './acpi-pm.js';
import type { ApicReceiver } from './apic-message.js';
import { debugExit } from './debug-exit.js';
import { i8042 } from './i8042.js';
import { i8254 } from './i8254.js';
import { i8259 } from './i8259.js';
import { IO_APIC_PINS, ioApic } from './io-apic.js';
import { APIC_DEFAULT_GPA } from './local-apic.js';
import { type LocalApic, LocalApics } from './local-apics.js';
import { cmosMemorySize, mc146818 } from './mc146818.js';
import { postPort } from './post-port.js';
import type { Uart16550Inputs, Uart16550Ports, Uart16550Queries, Uart16550State } from './uart16550.js';
import { uart16550 } from './uart16550.js';

/** Where a PC's devices are; the board's ACPI and MP tables say the same by these names. */
export const PC = {
  IO_APIC_GPA: 0xfec0_0000,
  LOCAL_APIC_GPA: APIC_DEFAULT_GPA,
  PM1_EVENT_PORT: 0x600,
  PM1_CONTROL_PORT: 0x604,
  PM_TIMER_PORT: 0x608,
  GPE0_PORT: 0x620,
  SMI_COMMAND_PORT: 0xb2,
  RESET_PORT: 0xcf9,
  SCI_IRQ: 9,
  RTC_IRQ: 8,
  KEYBOARD_IRQ: 1,
  MOUSE_IRQ: 12,
  COM_PORTS: [0x3f8, 0x2f8, 0x3e8, 0x2e8],
  COM_IRQS: [4, 3, 4, 3],
} as const;

/** Why the board should stop running its processors. */
export type PowerRequest =
  | { readonly kind: 'reset'; readonly by: string }
  | { readonly kind: 'powerOff' }
  | { readonly kind: 'exit'; readonly status: number };

export interface PcChipsetOptions {
  readonly clock: Clock;
  readonly log?: (text: string) => void;
  /** Local APICs and an I/O APIC; default true. */
  readonly apic?: boolean;
  /** Processors; default 1. */
  readonly cpus?: number;
  /** Local APICs of processors that live on other threads, by processor. */
  readonly apicsElsewhere?: ReadonlyMap<number, ApicReceiver>;
  /** Bytes of RAM, for the CMOS. */
  readonly memoryBytes: number;
  /** Wall-clock time at power-on, milliseconds since 1970. */
  readonly wallClockMs: number;
  /** Transmitters of COM1..COM4; a null leaves the port out. */
  readonly com: readonly (Uart16550Ports | null)[];
  /** Places the debug-exit port at this address; default none. */
  readonly debugExitPort?: number | null;
  /** The A20 gate moved. */
  readonly onA20?: LineSink;
  /** The shadow memory registers of the host bridge were written or reset. */
  readonly onShadow?: () => void;
  /** Processor `cpu` may have something new to take: an interrupt, NMI, INIT or SIPI. */
  readonly onInterrupt?: (cpu: number) => void;
}

export type Uart = DeviceInstance<Uart16550State, Uart16550Ports, Uart16550Inputs, Uart16550Queries>;

/** A PC's chip set. */
export class PcChipset {
  readonly set: DeviceSet;
  readonly lines: InterruptLines;
  readonly pci = new PciFunctions();
  readonly pic;
  readonly pit;
  readonly rtc;
  readonly keyboard;
  readonly acpi;
  /** COM1..COM4, null where absent. */
  readonly com: readonly (Uart | null)[];
  /** Local APICs by processor, without those of other threads; empty without APICs. */
  readonly localApics: readonly LocalApic[];
  readonly ioApic;
  readonly debugExit;
  readonly hostBridge;
  readonly #onShadow: () => void;
  readonly #places: PciPlace[] = [];
  /** Set when the guest asked for reset, power off or exit; the board clears it by `reset()`. */
  request: PowerRequest | null = null;
  readonly #apics: LocalApics | null;

  constructor(options: PcChipsetOptions) {
    const cpus = options.cpus ?? 1;
    const apic = options.apic ?? true;
    if (!Number.isInteger(cpus) || cpus < 1 || cpus > 64 || (cpus > 1 && !apic)) {
      throw new ConfigError('CHIPSET_CPUS', `${cpus} processors, expected 1..64, and 1 without APICs`);
    }
    const set = new DeviceSet(options.clock, options.log);
    this.set = set;
    const lines = new InterruptLines(IO_APIC_PINS);
    this.lines = lines;
    const hint = options.onInterrupt ?? (() => {});

    const apics = apic
      ? new LocalApics({
          set,
          cpus,
          ...(options.apicsElsewhere && { elsewhere: options.apicsElsewhere }),
          onInterrupt: hint,
        })
      : null;
    this.#apics = apics;
    this.localApics = apics?.all ?? [];
    this.ioApic = apics
      ? set.place(ioApic, { regs: PC.IO_APIC_GPA }, { deliver: (m: number, d: number) => void apics.bus.deliver(m, d) })
      : null;
    const io = this.ioApic;
    if (io !== null) apics?.bus.onEoi((vector) => io.inputs.eoi(vector));

    const bsp = this.localApics[0];
    this.pic = set.place(
      i8259,
      {
        master: 0x20,
        slave: 0xa0,
        elcr: 0x4d0,
        // INTR goes to LINT0 of every processor, and to input 0 of the I/O APIC.
        // DEVIATION: not to processors on other threads. Systems take it at the boot processor.
        intr: [
          ...(apics?.here() ?? []).map((a) => (level: boolean) => a.inputs.lint(0, level)),
          ...(io ? [(level: boolean) => io.inputs.pin(0, level)] : []),
          ...(bsp ? [] : [(level: boolean) => level && hint(0)]),
        ] as LineSink[],
      },
      {},
    );
    for (let gsi = 1; gsi < IO_APIC_PINS; gsi++) {
      const irq = gsi === 2 ? 0 : gsi;
      if (irq < 16) lines.connect(gsi, (level) => this.pic.inputs.pin(irq, level));
      if (io !== null) lines.connect(gsi, (level) => io.inputs.pin(gsi, level));
    }

    const resetBy = (by: string): LineSink => {
      return (level) => {
        if (level) this.request ??= { kind: 'reset', by };
      };
    };
    this.pit = set.place(i8254, { regs: 0x40, port61: 0x61, irq0: lines.irq(0) }, {});
    this.rtc = set.place(mc146818, { regs: 0x70, irq: lines.irq(PC.RTC_IRQ) }, {});
    for (const [index, value] of cmosMemorySize(options.memoryBytes)) this.rtc.inputs.setCmos(index, value);
    this.rtc.inputs.setWallClock(options.wallClockMs);
    this.keyboard = set.place(
      i8042,
      {
        data: 0x60,
        command: 0x64,
        fastA20: 0x92,
        keyboard: lines.irq(PC.KEYBOARD_IRQ),
        mouse: lines.irq(PC.MOUSE_IRQ),
        a20: options.onA20 ?? (() => {}),
        reset: resetBy('keyboard controller'),
      },
      {},
    );
    this.com = options.com.map((ports, i) => {
      const base = PC.COM_PORTS[i];
      if (base === undefined)
        throw new ConfigError('CHIPSET_COM', `${options.com.length} serial ports, expected at most 4`);
      if (ports === null) return null;
      return set.place(uart16550, { regs: base, intr: lines.irq(PC.COM_IRQS[i]!) }, ports, `com${i + 1}`);
    });
    this.acpi = set.place(
      acpiPm,
      {
        pm1Event: PC.PM1_EVENT_PORT,
        pm1Control: PC.PM1_CONTROL_PORT,
        timer: PC.PM_TIMER_PORT,
        gpe0: PC.GPE0_PORT,
        smi: PC.SMI_COMMAND_PORT,
        sci: lines.irq(PC.SCI_IRQ),
        sleep: (level) => {
          if (level) this.request ??= { kind: 'powerOff' };
        },
        reset: resetBy('ACPI reset register'),
      },
      {},
    );
    this.#onShadow = options.onShadow ?? (() => {});
    this.hostBridge = set.place(
      pciHostBridge,
      { regs: 0xcf8, reset: resetBy('port 0xcf9') },
      { functions: this.pci, shadowChanged: () => this.#onShadow() },
    );
    set.place(postPort, { post: 0x80, delay: 0xed, fpu: 0xf0 }, {});
    const exitPort = options.debugExitPort ?? null;
    this.debugExit = exitPort === null ? null : set.place(debugExit, { regs: exitPort }, {});
    this.debugExit?.connect('exit', (level) => {
      if (level) this.request = { kind: 'exit', status: this.debugExit?.queries.status() ?? 0 };
    });
  }

  /** Puts a function on the PCI bus; its windows follow resets and loads. */
  addPci(address: number, place: PciPlace): void {
    this.pci.add(address, place);
    this.#places.push(place);
  }

  #syncPlaces(): void {
    for (const place of this.#places) place.sync();
    this.#onShadow();
  }

  /** Names the processor whose memory accesses follow, for the local APIC page. */
  selectCpu(cpu: number): void {
    this.#apics?.selectCpu(cpu);
  }

  /** Moves the local APIC page after a write of IA32_APIC_BASE (all processors move together). */
  moveLocalApicPage(gpa: number, present: boolean): void {
    this.#apics?.movePage(gpa, present);
  }

  /** The earliest deadline of any device, or null. */
  nextDeadlineNs(): number | null {
    return this.set.nextDeadlineNs();
  }
  runDeadlines(nowNs: number): void {
    this.set.runDeadlines(nowNs);
  }

  /** Whether processor `cpu` has an external interrupt to take (its IF and interrupt shadow are not looked at). */
  pendingInterrupt(cpu = 0): boolean {
    const apic = this.localApics[cpu];
    if (apic === undefined) return this.pic.line('intr');
    return apic.queries.pendingVector() >= 0 || (apic.queries.extIntPending() && this.pic.line('intr'));
  }

  /** INTA of processor `cpu`: the vector to inject. Ask `pendingInterrupt` first. */
  acknowledgeInterrupt(cpu = 0): number {
    const apic = this.localApics[cpu];
    if (apic === undefined) return this.pic.inputs.acknowledge();
    // ExtINT goes ahead of the APIC's own vectors: the 8259 pair has no priority among them.
    if (apic.queries.extIntPending() && this.pic.line('intr')) {
      apic.inputs.takeExtInt();
      return this.pic.inputs.acknowledge();
    }
    return apic.inputs.acknowledge();
  }

  /** Whether processor `cpu` has an NMI, INIT or SIPI to take. */
  pendingSignal(cpu = 0): 'nmi' | 'init' | 'sipi' | null {
    return this.#apics?.pendingSignal(cpu) ?? null;
  }

  /** Resets every device and forgets the request. */
  reset(): void {
    this.set.reset();
    this.#apics?.resetPage();
    this.#syncPlaces();
    this.request = null;
  }

  save(): SavedDevices {
    return this.set.save();
  }
  load(saved: SavedDevices): void {
    this.set.load(saved);
    this.#apics?.syncPage();
    this.#syncPlaces();
    this.request = null;
  }
}
