// The board's wiring: the chip set on the processor's buses and interrupt pins, and firmware tables in memory.
// Sources: SDM 3A "Advanced Programmable Interrupt Controller (APIC)", "Extended XAPIC (x2APIC)"; ACPI 6.4 "_S5".

import { Msr } from '../arch/index.js';
import { BugError } from '../base/index.js';
import {
  ACPI_S5_SLP_TYP,
  type AccessSize,
  APIC_BASE_ENABLE,
  APIC_BASE_X2APIC,
  ApicReg,
  type LocalApic,
  PC_TESTDEV,
  PC_TESTDEV_IRQS,
  type PcChipset,
  type PowerRequest,
  pcTestdev,
} from '../devices/index.js';
import type { GuestMemory } from '../memory/index.js';
import type { InterruptSource, IoBus, LocalApicPort } from '../vmm/index.js';
import { type EngineInterruptChip, setMsrBitmap, type Vcpu } from '../vmx/index.js';
import { type BoardMap, pcBoard } from './board-map.js';
import { loadAcpiTables } from './loaders/acpi-tables.js';
import { loadMpTable } from './loaders/mptable.js';

/** The PC board with the sleep type that its ACPI block knows. */
export const machineBoard: BoardMap = { ...pcBoard, acpi: { ...pcBoard.acpi, sleepTypeS5: ACPI_S5_SLP_TYP } };

/** Puts the ACPI and MP tables into memory; returns the address of the RSDP. */
export function loadFirmwareTables(memory: GuestMemory, board: BoardMap, cpus: number, signature: number): number {
  loadMpTable(memory, board, { cpus, cpuSignature: signature });
  return loadAcpiTables(memory, board, cpus).rsdpGpa;
}

/** Places the device by which system tests steer the board. */
export function placeTestDevice({ set, lines }: PcChipset): void {
  const irqs = Object.fromEntries(PC_TESTDEV_IRQS.map((n) => [`irq${n}`, lines.irq(n)]));
  set.place(
    pcTestdev,
    {
      data: PC_TESTDEV.DATA_PORT,
      flush: PC_TESTDEV.FLUSH_PORT,
      dataByte: PC_TESTDEV.DATA_BYTE_PORT,
      irq: PC_TESTDEV.IRQ_PORT,
      memory: PC_TESTDEV.MEMORY_GPA,
      ...irqs,
    },
    {},
  );
}

/** What an access takes in virtual time: a cycle of the ISA bus, of an IDE drive's data port, of a faster bus. */
const PORT_NS = 1000;
const IDE_DATA_NS = 100;
const MMIO_NS = 100;
const IDE_DATA_PORTS: readonly number[] = [0x170, 0x1f0];
const portNs = (port: number): number => (IDE_DATA_PORTS.includes(port) ? IDE_DATA_NS : PORT_NS);

interface BoardBus {
  read(address: number, size: AccessSize): number;
  write(address: number, size: AccessSize, value: number): void;
}
/** What processors reach of a board: the chip set, or on another thread what stands for it. */
export interface ProcessorBoard {
  readonly set: { readonly pio: BoardBus; readonly mmio: BoardBus };
  /** By processor. */
  readonly localApics: readonly LocalApic[];
  request: PowerRequest | null;
  selectCpu(cpu: number): void;
  moveLocalApicPage(gpa: number, present: boolean): void;
  pendingInterrupt(cpu: number): boolean;
  acknowledgeInterrupt(cpu: number): number;
  pendingSignal(cpu: number): 'nmi' | 'init' | 'sipi' | null;
}

/** The buses as processor `cpu` reaches them; `after` follows every access and is told the nanoseconds that it takes. */
export function boardBus(chipset: ProcessorBoard, cpu: number, after: (ns: number) => void): IoBus {
  const { pio, mmio } = chipset.set;
  return {
    read(space, address, sizeBytes) {
      if (space === 'pio') {
        const value = pio.read(address, sizeBytes);
        after(portNs(address));
        return value;
      }
      chipset.selectCpu(cpu);
      const value = mmio.read(address, sizeBytes);
      after(MMIO_NS);
      return value;
    },
    write(space, address, sizeBytes, value) {
      if (space === 'pio') {
        pio.write(address, sizeBytes, value);
        after(portNs(address));
        return;
      }
      chipset.selectCpu(cpu);
      mmio.write(address, sizeBytes, value);
      after(MMIO_NS);
    },
  };
}

/** The interrupt pins of processor `cpu`. */
export function boardInterrupts(chipset: ProcessorBoard, cpu: number, onTaken: () => void): InterruptSource {
  const source: InterruptSource = {
    pending: () => chipset.pendingInterrupt(cpu),
    acknowledge: () => {
      onTaken();
      return chipset.acknowledgeInterrupt(cpu);
    },
  };
  const apic = chipset.localApics[cpu];
  if (apic === undefined) return source;
  return {
    ...source,
    nmiPending: () => apic.state.nmi,
    acknowledgeNmi: () => {
      onTaken();
      apic.inputs.takeNmi();
    },
  };
}

/** The interrupt pins where the engine has the controllers: it delivers by itself. */
export const engineInterrupts: InterruptSource = {
  pending: () => false,
  acknowledge: () => {
    throw new BugError(
      'BOARD_INTERRUPT',
      'an interrupt was acknowledged, but the engine has the interrupt controllers',
    );
  },
};
/** Line 2 is the 8254's, which the engine has too. */
const TIMER_GSI = 2;
/** Connects the devices' lines to the engine's interrupt controllers. */
export function connectEngineChip(chipset: PcChipset, chip: EngineInterruptChip): void {
  for (let gsi = 1; gsi < chipset.lines.count; gsi++)
    if (gsi !== TIMER_GSI) chipset.lines.connect(gsi, (level) => chip.setLine(gsi, level));
}
/** Lets a processor reach the engine's local APIC by MSRs. */
export function passApicMsrs(vcpu: Vcpu): void {
  for (const index of [Msr.IA32_APIC_BASE, Msr.IA32_TSC_DEADLINE])
    setMsrBitmap(vcpu.controls.msrBitmap, index, 'both', false);
  vcpu.applyControls();
}

/** x2APIC registers: numbers that exist, and those among them that cannot be read or written. */
const X2APIC_RANGES: readonly (readonly [first: number, count: number])[] = [
  [ApicReg.ISR, 8],
  [ApicReg.TMR, 8],
  [ApicReg.IRR, 8],
  [ApicReg.LVT_TIMER, 6],
];
const X2APIC_SINGLE: readonly number[] = [
  ApicReg.ID,
  ApicReg.VERSION,
  ApicReg.TPR,
  ApicReg.PPR,
  ApicReg.EOI,
  ApicReg.LDR,
  ApicReg.SVR,
  ApicReg.ESR,
  ApicReg.ICR_LOW,
  ApicReg.TIMER_INITIAL,
  ApicReg.TIMER_CURRENT,
  ApicReg.TIMER_DIVIDE,
  ApicReg.SELF_IPI,
];
const WRITE_ONLY: readonly number[] = [ApicReg.EOI, ApicReg.SELF_IPI];
const READ_ONLY: readonly number[] = [
  ApicReg.ID,
  ApicReg.VERSION,
  ApicReg.PPR,
  ApicReg.LDR,
  ApicReg.TIMER_CURRENT,
  ...[ApicReg.ISR, ApicReg.TMR, ApicReg.IRR].flatMap((first) => Array.from({ length: 8 }, (_, i) => first + i)),
];
const x2apicKnows = (register: number): boolean =>
  X2APIC_SINGLE.includes(register) || X2APIC_RANGES.some(([f, n]) => register >= f && register < f + n);

const BOTH = APIC_BASE_ENABLE | APIC_BASE_X2APIC;
const LOW_32 = 0xffff_ffffn;
const PAGE_MASK = 0xffff_f000;

export interface LocalApicWiring {
  readonly chipset: ProcessorBoard;
  readonly cpu: number;
  readonly vcpu: Vcpu;
  readonly tscHz: number;
  /** Domain time now. */
  readonly nowNs: () => number;
  /** Follows every change. */
  readonly after: () => void;
}

/** Local APIC of a processor as MSRs and CR8 reach it; null when the board has none. */
export function boardLocalApic(w: LocalApicWiring): LocalApicPort | null {
  const apic = w.chipset.localApics[w.cpu];
  if (apic === undefined) return null;
  const x2apic = (): boolean => (apic.queries.base() & BOTH) === BOTH;
  return {
    base: () => BigInt(apic.queries.base()),
    setBase(value) {
      if (value >> 32n !== 0n) return false;
      const low = Number(value);
      const on = (low & APIC_BASE_ENABLE) !== 0;
      const wantsX2apic = (low & APIC_BASE_X2APIC) !== 0;
      // SDM "x2APIC State Transitions": x2APIC needs the APIC enabled, and is left only by disabling it.
      if (wantsX2apic && !on) return false;
      if (x2apic() && on && !wantsX2apic) return false;
      apic.inputs.setBase(low);
      // The page is there for those whose APIC is not in x2APIC mode yet; all of them keep it at one place.
      const inMemory = w.chipset.localApics.some((a) => (a.queries.base() & BOTH) === APIC_BASE_ENABLE);
      w.chipset.moveLocalApicPage((low & PAGE_MASK) >>> 0, inMemory);
      w.after();
      return true;
    },
    cr8: () => apic.queries.cr8(),
    setCr8(value) {
      apic.inputs.setCr8(value);
      w.after();
    },
    tscDeadline: () => apic.queries.tscDeadline(),
    setTscDeadline(value) {
      const ticks = Number(BigInt.asIntN(64, value - w.vcpu.readTsc()));
      apic.inputs.setTscDeadline(value, w.nowNs() + Math.ceil((ticks * 1e9) / w.tscHz));
      w.after();
    },
    readX2apic(register) {
      if (!x2apic() || !x2apicKnows(register) || WRITE_ONLY.includes(register)) return null;
      const low = BigInt(apic.inputs.readRegister(register));
      if (register !== ApicReg.ICR_LOW) return low;
      return low | (BigInt(apic.inputs.readRegister(ApicReg.ICR_HIGH)) << 32n);
    },
    writeX2apic(register, value) {
      if (!x2apic() || !x2apicKnows(register) || READ_ONLY.includes(register)) return false;
      if (register === ApicReg.ICR_LOW) apic.inputs.writeIcr(Number(value & LOW_32), Number((value >> 32n) & LOW_32));
      else {
        if (value >> 32n !== 0n) return false;
        // SDM "x2APIC Register Address Space": only zero may be written to EOI and ESR.
        if ((register === ApicReg.EOI || register === ApicReg.ESR) && value !== 0n) return false;
        apic.inputs.writeRegister(register, Number(value));
      }
      w.after();
      return true;
    },
  };
}
