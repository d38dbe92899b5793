// The machine's disks: IDE drives and floppy drives, wired to the chip set.
// Source: IBM PC/AT Technical Reference "I/O Address Map"; Intel 82371SB (PIIX3) data sheet.

import { ConfigError } from '../base/index.js';
import {
  floppy,
  floppyFormat,
  type IdeDrive,
  i8237,
  ideController,
  type PcChipset,
  PciPlace,
  pciAddress,
} from '../devices/index.js';
import type { BlockStore } from '../host/index.js';
import type { GuestMemory } from '../memory/index.js';

/** What is in the machine's drives. */
export interface MachineMedia {
  /** Hard disks: primary master, primary slave, secondary slave (and secondary master, where there is no CD-ROM drive). */
  readonly disks?: readonly BlockStore[];
  /** CD-ROMs in a drive at the secondary master; null: a drive without a medium. */
  readonly cdrom?: BlockStore | null;
  /** Floppy disks of drives A and B. */
  readonly floppies?: readonly BlockStore[];
}

const MAX_FLOPPIES = 2;

/** The four places of the IDE controller. */
export function ideDrives(media: MachineMedia): (IdeDrive | null)[] {
  const places: (IdeDrive | null)[] = [null, null, null, null];
  const free = [0, 1, 3];
  if (media.cdrom !== undefined) places[2] = { kind: 'cdrom', store: media.cdrom };
  else free.splice(2, 0, 2);
  for (const store of media.disks ?? []) {
    const place = free.shift();
    if (place === undefined) {
      const most = media.cdrom === undefined ? 4 : 3;
      throw new ConfigError('MEDIA_DISKS', `${media.disks?.length} disks, expected at most ${most}`);
    }
    places[place] = { kind: 'disk', store };
  }
  return places;
}

/** Checks the media before anything is built. */
export function checkMedia(media: MachineMedia): void {
  ideDrives(media);
  const floppies = media.floppies?.length ?? 0;
  if (floppies > MAX_FLOPPIES) {
    throw new ConfigError('MEDIA_FLOPPIES', `${floppies} floppy disks, expected at most ${MAX_FLOPPIES}`);
  }
  for (const store of media.floppies ?? []) {
    const sizeBytes = store.sectors * store.sectorBytes;
    if (floppyFormat(sizeBytes) === null) {
      throw new ConfigError('MEDIA_FLOPPY_SIZE', `floppy disk image of ${sizeBytes} bytes, expected at most 2949120`);
    }
  }
}

/** Places the DMA controllers and, where there are drives, the floppy disk controller. */
export function placeFloppy(chipset: PcChipset, memory: GuestMemory, media: MachineMedia): void {
  const { set, lines } = chipset;
  const dma = set.place(i8237, { low: 0x00, high: 0xc0, pages: 0x81 }, { memory });
  const drives = media.floppies ?? [];
  if (drives.length === 0) return;
  set.place(floppy, { registers: 0x3f0, control: 0x3f7, irq: lines.irq(6) }, { drives, dma: dma.inputs });
}

/** Places the IDE controller with the drives. */
export function placeIde(chipset: PcChipset, memory: GuestMemory, media: MachineMedia): void {
  const { set, lines } = chipset;
  const ide = set.place(
    ideController,
    {
      command0: 0x1f0,
      control0: 0x3f6,
      command1: 0x170,
      control1: 0x376,
      irq14: lines.irq(14),
      irq15: lines.irq(15),
    },
    { drives: ideDrives(media), memory },
  );
  const busMaster = ide.regions.busMaster;
  const place = new PciPlace(
    ide.inputs,
    () => ide.state.config,
    (bar, base, before) => {
      if (bar !== 4 || busMaster === undefined) return;
      if (before !== null) set.pio.remove(before);
      if (base !== null) set.pio.add(base, busMaster.spec.sizeBytes, busMaster);
    },
  );
  chipset.addPci(pciAddress(1, 1), place);
}
