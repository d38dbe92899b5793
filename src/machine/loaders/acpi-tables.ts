// ACPI tables of the board: RSDP, RSDT, XSDT, FADT, FACS, MADT and a DSDT, made from the board map.
// Source: ACPI Specification 6.4, "ACPI Software Programming Model" (table layouts of revision 4.0: FADT 4, MADT 3).

import { BugError } from '../../base/index.js';
import type { GuestMemory } from '../../memory/index.js';
import type { BoardMap } from '../board-map.js';
import * as aml from './aml.js';
import { ByteWriter, latin1, setChecksum } from './bytes.js';

const OEM_ID = 'PCANEL';
const OEM_TABLE_ID = 'PCANELPC';
const CREATOR_ID = 'PCNL';
const HEADER_BYTES = 36;
const CHECKSUM_AT = 9;
/** MPS INTI flags: active high (1), edge (1 << 2) or level (3 << 2). */
const ACTIVE_HIGH_LEVEL = 0x0d;
const CONFORMING = 0;
/** Generic Address Structure: system I/O space. */
const GAS_IO = 1;
/** FADT flags. */
const WBINVD = 1 << 0;
const PROC_C1 = 1 << 2;
const SLP_BUTTON_IS_CONTROL_METHOD = 1 << 5;
const RTC_WAKE_NOT_FIXED = 1 << 6;
const RESET_REG_SUP = 1 << 10;
/** FADT IA-PC boot architecture flags. */
const LEGACY_DEVICES = 1 << 0;
const HAS_8042 = 1 << 1;
const VGA_NOT_PRESENT = 1 << 2;
const NO_ASPM = 1 << 4;
/** C2 and C3 latencies above these mean "not supported". */
const P_LVL2_NOT_SUPPORTED = 101;
const P_LVL3_NOT_SUPPORTED = 1001;

/** A table with its header and checksum around `body`. */
function table(signature: string, revision: number, body: Uint8Array): Uint8Array {
  const out = new ByteWriter()
    .text(signature, 4)
    .u32(HEADER_BYTES + body.length)
    .u8(revision)
    .u8(0)
    .text(OEM_ID, 6)
    .text(OEM_TABLE_ID, 8)
    .u32(1)
    .text(CREATOR_ID, 4)
    .u32(1)
    .bytes(body)
    .done();
  setChecksum(out, CHECKSUM_AT);
  return out;
}

function gas(out: ByteWriter, port: number, bitWidth: number, accessSize: number): void {
  out.u8(port === 0 ? 0 : GAS_IO);
  out.u8(bitWidth).u8(0).u8(accessSize).u64(port);
}

function fadt(board: BoardMap, facsGpa: number, dsdtGpa: number): Uint8Array {
  const a = board.acpi;
  const out = new ByteWriter();
  out.u32(facsGpa).u32(dsdtGpa);
  out.u8(0).u8(1); // INT_MODEL (reserved), Preferred_PM_Profile: desktop
  out.u16(a.sciIrq).u32(a.smiCommandPort).u8(a.enableValue).u8(a.disableValue);
  out.u8(0).u8(0); // S4BIOS_REQ, PSTATE_CNT
  out.u32(a.pm1EventPort).u32(0).u32(a.pm1ControlPort).u32(0).u32(0);
  out.u32(a.pmTimerPort).u32(a.gpe0Port).u32(0);
  out.u8(4).u8(2).u8(0).u8(4).u8(4).u8(0); // lengths: PM1_EVT, PM1_CNT, PM2_CNT, PM_TMR, GPE0, GPE1
  out.u8(0).u8(0); // GPE1_BASE, CST_CNT
  out.u16(P_LVL2_NOT_SUPPORTED).u16(P_LVL3_NOT_SUPPORTED);
  out.u16(0).u16(0).u8(0).u8(0); // FLUSH_SIZE, FLUSH_STRIDE, DUTY_OFFSET, DUTY_WIDTH
  out.u8(0).u8(0).u8(board.rtc.centuryRegister); // DAY_ALRM, MON_ALRM, CENTURY
  out.u16(LEGACY_DEVICES | HAS_8042 | NO_ASPM | (board.vga.present ? 0 : VGA_NOT_PRESENT)).u8(0);
  out.u32(WBINVD | PROC_C1 | SLP_BUTTON_IS_CONTROL_METHOD | RTC_WAKE_NOT_FIXED | RESET_REG_SUP);
  gas(out, board.reset.port, 8, 1);
  out.u8(board.reset.value).zeros(3);
  out.u64(0).u64(dsdtGpa); // X_FIRMWARE_CTRL is for a FACS above 4 GiB only
  gas(out, a.pm1EventPort, 32, 2);
  gas(out, 0, 0, 0);
  gas(out, a.pm1ControlPort, 16, 2);
  gas(out, 0, 0, 0);
  gas(out, 0, 0, 0);
  gas(out, a.pmTimerPort, 32, 3);
  gas(out, a.gpe0Port, 32, 1);
  gas(out, 0, 0, 0);
  return table('FACP', 4, out.done());
}

function facs(): Uint8Array {
  return new ByteWriter().text('FACS', 4).u32(64).zeros(24).u8(2).zeros(31).done();
}

function madt(board: BoardMap, cpus: number): Uint8Array {
  const out = new ByteWriter().u32(board.localApicGpa).u32(1); // PCAT_COMPAT: the 8259 pair exists
  for (let i = 0; i < cpus; i++) out.u8(0).u8(8).u8(i).u8(i).u32(1);
  out.u8(1).u8(12).u8(board.ioApic.id).u8(0).u32(board.ioApic.gpa).u32(board.ioApic.gsiBase);
  const override = (irq: number, gsi: number, flags: number): void => {
    out.u8(2).u8(10).u8(0).u8(irq).u32(gsi).u16(flags);
  };
  override(board.pit.irq, board.timerGsi, CONFORMING);
  for (const line of levelLines(board)) override(line, line, ACTIVE_HIGH_LEVEL);
  out.u8(4).u8(6).u8(0xff).u16(CONFORMING).u8(1); // NMI on LINT1 of all processors
  return table('APIC', 3, out.done());
}

/** Legacy interrupts that are level triggered, active high: the SCI and the PCI lines. */
export const levelLines = (board: BoardMap): number[] =>
  [...new Set([board.acpi.sciIrq, ...board.pci.interruptGsis])].sort((a, b) => a - b);

/** The DSDT's definition block, without the table header. */
export function dsdtBody(board: BoardMap, cpus: number): Uint8Array {
  const { device, name, integer, eisaId, resources, io, irq, scope, pkg } = aml;
  const pnp = (path: string, id: string, uid: number, ...crs: readonly aml.Aml[]): aml.Aml =>
    device(
      path,
      name('_HID', eisaId(id)),
      name('_UID', integer(uid)),
      name('_STA', integer(0x0f)),
      name('_CRS', resources(...crs)),
    );
  const hex1 = (n: number): string => n.toString(16).toUpperCase();
  const isa = [
    pnp('PIC_', 'PNP0000', 0, io(board.pic.master, 2), io(board.pic.slave, 2), irq(board.pic.cascadeIrq)),
    pnp('TIMR', 'PNP0100', 0, io(board.pit.port, 4), irq(board.pit.irq)),
    pnp('SPKR', 'PNP0800', 0, io(board.pit.speakerPort, 1)),
    pnp('RTC_', 'PNP0B00', 0, io(board.rtc.port, 8), irq(board.rtc.irq)),
    pnp(
      'PS2K',
      'PNP0303',
      0,
      io(board.i8042.dataPort, 1),
      io(board.i8042.commandPort, 1),
      irq(board.i8042.keyboardIrq),
    ),
    pnp('PS2M', 'PNP0F13', 0, irq(board.i8042.mouseIrq)),
    ...board.uarts.map((u, i) => pnp(`COM${i + 1}`, 'PNP0501', i + 1, io(u.port, u.sizeBytes), irq(u.irq))),
    pnp(
      'MBRD',
      'PNP0C02',
      0,
      io(board.acpi.pm1EventPort, 0x10),
      io(board.acpi.gpe0Port, 4),
      io(board.acpi.smiCommandPort, 2),
      io(board.pic.elcr, 2),
      io(board.debugExitPort, 4),
      aml.memory32Fixed(board.ioApic.gpa, 0x1000),
      aml.memory32Fixed(board.localApicGpa, 0x1000),
    ),
  ];
  const routes: aml.Aml[] = [];
  for (let dev = 0; dev < 32; dev++) {
    for (let pin = 0; pin < 4; pin++) {
      const gsi = board.pci.interruptGsis[(dev + pin) % 4] ?? 0;
      routes.push(pkg(integer(dev * 0x10000 + 0xffff), integer(pin), integer(0), integer(gsi)));
    }
  }
  const window = board.pciWindow;
  const configEnd = board.pci.configAddressPort + 7;
  const pci0 = device(
    'PCI0',
    name('_HID', eisaId('PNP0A03')),
    name('_UID', integer(0)),
    name('_BBN', integer(0)),
    name(
      '_CRS',
      resources(
        aml.busRange(0, 0xff),
        io(board.pci.configAddressPort, 8),
        aml.ioRange(0, board.pci.configAddressPort - 1),
        aml.ioRange(configEnd + 1, 0xffff),
        aml.memoryRange(board.vga.gpa, board.vga.gpa + board.vga.sizeBytes - 1, true),
        aml.memoryRange(window.gpa, window.gpa + window.sizeBytes - 1, false),
      ),
    ),
    // 32 devices of 4 pins: 128 elements fit in the one-byte count of a Package.
    name('_PRT', pkg(...routes)),
    device('ISA_', name('_ADR', integer(board.pci.isaBridgeDevice * 0x10000)), ...isa),
  );
  const processors: aml.Aml[] = [];
  for (let i = 0; i < cpus; i++) {
    const path = `C${hex1(i).padStart(3, '0')}`;
    processors.push(
      device(path, name('_HID', aml.text('ACPI0007')), name('_UID', integer(i)), name('_STA', integer(0x0f))),
    );
  }
  const s5 = integer(board.acpi.sleepTypeS5);
  const body = new ByteWriter();
  for (const term of [
    name('\\PICF', integer(0)),
    aml.method('\\_PIC', 1, aml.store(aml.arg(0), aml.namePath('\\PICF'))),
    scope('\\_SB_', ...processors, pci0),
    name('\\_S5_', pkg(s5, s5, integer(0), integer(0))),
  ]) {
    body.bytes(term);
  }
  return body.done();
}

export interface AcpiTables {
  readonly rsdpGpa: number;
  /** Everything from rsdpGpa on, ready to be loaded there. */
  readonly bytes: Uint8Array;
  /** Address of each table by signature. */
  readonly gpas: Readonly<Record<'RSDT' | 'XSDT' | 'FACP' | 'FACS' | 'DSDT' | 'APIC', number>>;
}

/** Builds the tables of a board with `cpus` processors, to be placed at the board's ACPI area. */
export function buildAcpiTables(board: BoardMap, cpus: number): AcpiTables {
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > 255) {
    throw new BugError('ACPI_CPUS', `${cpus} processors, expected 1 to 255`, { cpus });
  }
  const base = board.firmware.acpiGpa;
  const RSDP_BYTES = 36;
  const out = new ByteWriter().zeros(RSDP_BYTES);
  const put = (data: Uint8Array): number => {
    out.align(64);
    const gpa = base + out.length;
    out.bytes(data);
    return gpa;
  };
  const FACS = put(facs());
  const DSDT = put(table('DSDT', 2, dsdtBody(board, cpus)));
  const FACP = put(fadt(board, FACS, DSDT));
  const APIC = put(madt(board, cpus));
  const RSDT = put(table('RSDT', 1, new ByteWriter().u32(FACP).u32(APIC).done()));
  const XSDT = put(table('XSDT', 1, new ByteWriter().u64(FACP).u64(APIC).done()));
  const bytes = out.done();
  if (bytes.length > board.firmware.acpiSizeBytes) {
    const message = `ACPI tables have ${bytes.length} bytes, expected at most ${board.firmware.acpiSizeBytes}`;
    throw new BugError('ACPI_SIZE', message, { sizeBytes: bytes.length });
  }
  const rsdp = new ByteWriter().bytes(latin1('RSD PTR ')).u8(0).text(OEM_ID, 6).u8(2).u32(RSDT);
  rsdp.u32(RSDP_BYTES).u64(XSDT).u8(0).zeros(3);
  const head = rsdp.done();
  setChecksum(head, 8, 20);
  setChecksum(head, 32);
  bytes.set(head);
  return { rsdpGpa: base, bytes, gpas: { RSDT, XSDT, FACP, FACS, DSDT, APIC } };
}

/** Builds the tables and puts them into memory. */
export function loadAcpiTables(memory: GuestMemory, board: BoardMap, cpus: number): AcpiTables {
  const tables = buildAcpiTables(board, cpus);
  memory.loadBytes(tables.rsdpGpa, tables.bytes);
  return tables;
}
