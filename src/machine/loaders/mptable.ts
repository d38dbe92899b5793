// MP configuration table: processors, buses, the I/O APIC and its interrupts, for kernels without ACPI.
// Source: Intel MultiProcessor Specification version 1.4, "MP Configuration Table".

import { BugError } from '../../base/index.js';
import type { GuestMemory } from '../../memory/index.js';
import type { BoardMap } from '../board-map.js';
import { levelLines } from './acpi-tables.js';
import { ByteWriter, setChecksum } from './bytes.js';

const SPEC_REV_1_4 = 4;
const FLOATING_BYTES = 16;
const HEADER_BYTES = 44;
const Entry = { PROCESSOR: 0, BUS: 1, IO_APIC: 2, IO_INTERRUPT: 3, LOCAL_INTERRUPT: 4 } as const;
const InterruptType = { INT: 0, NMI: 1, EXTINT: 3 } as const;
const CPU_ENABLED = 1;
const CPU_BOOTSTRAP = 2;
const APIC_VERSION = 0x14;
const IO_APIC_VERSION = 0x11;
const ISA_BUS = 1;
const PCI_BUS = 0;
const ALL_LOCAL_APICS = 0xff;
/** MPS INTI flags: conforms to the bus; active high and level. */
const CONFORMS = 0;
const ACTIVE_HIGH_LEVEL = 0x0d;

export interface MpTableOptions {
  readonly cpus: number;
  /** CPUID.1:EAX and EDX, as the processor entries repeat them. */
  readonly cpuSignature?: number;
  readonly cpuFeatures?: number;
}

/** Floating pointer structure and table, to be placed at `gpa`. */
export function buildMpTable(board: BoardMap, gpa: number, options: MpTableOptions): Uint8Array {
  const { cpus } = options;
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > 254) {
    throw new BugError('MPTABLE_CPUS', `${cpus} processors, expected 1 to 254`, { cpus });
  }
  // The specification wants the I/O APIC's id distinct from every local APIC's.
  const ioApicId = Math.max(board.ioApic.id, cpus);
  const body = new ByteWriter();
  let count = 0;
  const entry = (type: number): ByteWriter => {
    count++;
    return body.u8(type);
  };
  for (let i = 0; i < cpus; i++) {
    entry(Entry.PROCESSOR)
      .u8(i)
      .u8(APIC_VERSION)
      .u8(CPU_ENABLED | (i === 0 ? CPU_BOOTSTRAP : 0))
      .u32(options.cpuSignature ?? 0x600)
      .u32(options.cpuFeatures ?? 0x201)
      .zeros(8);
  }
  entry(Entry.BUS).u8(PCI_BUS).text('PCI', 6);
  entry(Entry.BUS).u8(ISA_BUS).text('ISA', 6);
  entry(Entry.IO_APIC).u8(ioApicId).u8(IO_APIC_VERSION).u8(1).u32(board.ioApic.gpa);
  const interrupt = (kind: number, type: number, flags: number, bus: number, irq: number, apic: number, pin: number) =>
    entry(kind).u8(type).u16(flags).u8(bus).u8(irq).u8(apic).u8(pin);
  const level = levelLines(board);
  for (let irq = 0; irq < 16; irq++) {
    if (irq === board.pic.cascadeIrq) continue;
    const pin = irq === board.pit.irq ? board.timerGsi : irq;
    const flags = level.includes(irq) ? ACTIVE_HIGH_LEVEL : CONFORMS;
    interrupt(Entry.IO_INTERRUPT, InterruptType.INT, flags, ISA_BUS, irq, ioApicId, pin);
  }
  for (let dev = 1; dev < 32; dev++) {
    for (let pin = 0; pin < 4; pin++) {
      const gsi = board.pci.interruptGsis[(dev + pin) % 4] ?? 0;
      interrupt(Entry.IO_INTERRUPT, InterruptType.INT, ACTIVE_HIGH_LEVEL, PCI_BUS, (dev << 2) | pin, ioApicId, gsi);
    }
  }
  interrupt(Entry.LOCAL_INTERRUPT, InterruptType.EXTINT, CONFORMS, ISA_BUS, 0, ALL_LOCAL_APICS, 0);
  interrupt(Entry.LOCAL_INTERRUPT, InterruptType.NMI, CONFORMS, ISA_BUS, 0, ALL_LOCAL_APICS, 1);

  const table = new ByteWriter()
    .text('PCMP', 4)
    .u16(HEADER_BYTES + body.length)
    .u8(SPEC_REV_1_4)
    .u8(0)
    .text('PCANEL', 8)
    .text('PC', 12)
    .u32(0)
    .u16(0)
    .u16(count)
    .u32(board.localApicGpa)
    .u16(0)
    .u8(0)
    .u8(0)
    .bytes(body.done())
    .done();
  setChecksum(table, 7);
  const floating = new ByteWriter()
    .text('_MP_', 4)
    .u32(gpa + FLOATING_BYTES)
    .u8(1)
    .u8(SPEC_REV_1_4)
    .u8(0)
    .zeros(5)
    .done();
  setChecksum(floating, 10);
  const out = new ByteWriter().bytes(floating).bytes(table).done();
  if (out.length > board.firmware.mpTableSizeBytes) {
    throw new BugError(
      'MPTABLE_SIZE',
      `MP table has ${out.length} bytes, expected at most ${board.firmware.mpTableSizeBytes}`,
    );
  }
  return out;
}

/** Builds the table and puts it into the board's BIOS area, where kernels search for it. */
export function loadMpTable(memory: GuestMemory, board: BoardMap, options: MpTableOptions): void {
  const gpa = board.firmware.mpTableGpa;
  memory.loadBytes(gpa, buildMpTable(board, gpa, options));
}
