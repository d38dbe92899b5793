// What a board has for firmware: its ROM, the configuration device, the power management function, the debug port and
// the CMOS bytes it looks at. Sources: QEMU documentation "fw_cfg"; SeaBIOS documentation "Runtime config"; IBM PC/AT
// Technical Reference "Real-time Clock/CMOS RAM Information".

import { ConfigError } from '../../base/index.js';
import {
  debugConsole,
  FwCfgItems,
  FwCfgKey,
  fwCfg,
  type PcChipset,
  PciPlace,
  pciAddress,
  piix4Pm,
} from '../../devices/index.js';
import type { GuestMemory } from '../../memory/index.js';
import type { BoardMap } from '../board-map.js';
import type { BootDevice, BootSource, NamedBytes } from '../boot.js';
import { E820Type, e820Bytes, type MemoryMap } from '../loaders/e820.js';
import { tableLoaderFiles } from './table-loader.js';

export type FirmwareBoot = Extract<BootSource, { kind: 'firmware' }>;

const FW_CFG_PORT = 0x510;
const DEBUG_CONSOLE_PORT = 0x402;
const MIN_ROM_BYTES = 0x10000;
const MAX_ROM_BYTES = 0x1000000;
const ROM_ALIGN = 0x1000;
/** The file by which SeaBIOS finds the video BIOS of the board's display adapter. */
const VGA_ROM_FILE = 'pci1234,1111.rom';
const FOUR_GIB = 0x1_0000_0000;

/** CMOS bytes and what is in them. */
const CMOS_FLOPPY_TYPES = 0x10;
const CMOS_EQUIPMENT = 0x14;
const CMOS_BOOT_38 = 0x38;
const CMOS_BOOT_3D = 0x3d;
const CMOS_LAST_CPU = 0x5f;
const FLOPPY_1440K = 4;
const BOOT_CODE: Readonly<Record<BootDevice, number>> = { floppy: 1, disk: 2, cdrom: 3 };
const NO_FLOPPY_SIGNATURE_CHECK = 1;

/** Refuses files that cannot be a PC's ROM. */
export function checkFirmware(bios: NamedBytes): void {
  const { length } = bios.data;
  if (length >= MIN_ROM_BYTES && length <= MAX_ROM_BYTES && length % ROM_ALIGN === 0) return;
  const expected = 'expected 64 KiB to 16 MiB in whole pages of 4 KiB';
  throw new ConfigError('FIRMWARE_SIZE', `firmware '${bios.name}' has ${length} bytes, ${expected}`);
}

export interface FirmwareBoardOptions {
  readonly boot: FirmwareBoot;
  readonly board: BoardMap;
  readonly map: MemoryMap;
  readonly memory: GuestMemory;
  readonly cpus: number;
  /** Floppy drives, 0 to 2. */
  readonly floppies: number;
  /** The firmware's screen also appears on COM1. */
  readonly serialConsole: boolean;
  /** Bytes written to the debug port. */
  readonly debug: (byte: number) => void;
}

/** Places the firmware's devices on a chip set. */
export function placeFirmware(chipset: PcChipset, o: FirmwareBoardOptions): void {
  const { set } = chipset;
  set.place(fwCfg, { regs: FW_CFG_PORT }, { items: firmwareItems(o), memory: o.memory });
  set.place(debugConsole, { regs: DEBUG_CONSOLE_PORT }, { tx: o.debug });
  const pm = set.place(piix4Pm, {}, {});
  chipset.addPci(pciAddress(1, 3), new PciPlace(pm.inputs, () => pm.state.config));
  const order = [...(o.boot.bootOrder ?? (['cdrom', 'disk', 'floppy'] as const))].map((d) => BOOT_CODE[d]);
  const cmos = chipset.rtc.inputs;
  cmos.setCmos(CMOS_BOOT_3D, (order[0] ?? 0) | ((order[1] ?? 0) << 4));
  cmos.setCmos(CMOS_BOOT_38, ((order[2] ?? 0) << 4) | NO_FLOPPY_SIGNATURE_CHECK);
  cmos.setCmos(CMOS_LAST_CPU, o.cpus - 1);
  cmos.setCmos(
    CMOS_FLOPPY_TYPES,
    o.floppies === 2 ? (FLOPPY_1440K << 4) | FLOPPY_1440K : o.floppies === 1 ? FLOPPY_1440K << 4 : 0,
  );
  // coprocessor, PS/2 mouse, floppy drives
  cmos.setCmos(CMOS_EQUIPMENT, 0x06 | (o.floppies > 0 ? 1 | ((o.floppies - 1) << 6) : 0));
}

/** What a kernel that was started without firmware may ask of the configuration device. */
export type BoardFacts = Pick<FirmwareBoardOptions, 'map' | 'memory' | 'cpus'>;

/** Places the configuration device alone, with the size of memory and the number of processors. */
export function placeConfiguration(chipset: PcChipset, o: BoardFacts): void {
  chipset.set.place(fwCfg, { regs: FW_CFG_PORT }, { items: boardItems(o), memory: o.memory });
}

function boardItems(o: BoardFacts): FwCfgItems {
  const items = new FwCfgItems();
  items.addNumber(FwCfgKey.RAM_SIZE, o.map.ramBytes, 8);
  items.addNumber(FwCfgKey.CPUS, o.cpus, 2);
  items.addNumber(FwCfgKey.MAX_CPUS, o.cpus, 2);
  items.addNumber(FwCfgKey.IRQ0_OVERRIDE, 1, 4);
  // nodes: none
  items.addNumber(FwCfgKey.NUMA, 0, 8);
  const ram = [{ gpa: 0, sizeBytes: o.map.lowEnd, type: E820Type.RAM }];
  const above = o.map.highEnd - FOUR_GIB;
  if (above > 0) ram.push({ gpa: FOUR_GIB, sizeBytes: above, type: E820Type.RAM });
  items.addFile('etc/e820', e820Bytes(ram));
  return items;
}

function firmwareItems(o: FirmwareBoardOptions): FwCfgItems {
  const items = boardItems(o);
  items.addNumber(FwCfgKey.NO_GRAPHIC, o.serialConsole ? 1 : 0, 2);
  items.addNumber(FwCfgKey.BOOT_MENU, 0, 2);
  items.addFile('etc/show-boot-menu', new Uint8Array(8));
  for (const [name, data] of tableLoaderFiles(o.board, o.cpus)) items.addFile(name, data);
  if (o.boot.vgaBios !== undefined) items.addFile(VGA_ROM_FILE, o.boot.vgaBios.data);
  return items;
}
