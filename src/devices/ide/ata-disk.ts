// An ATA disk's commands. Source: ATA/ATAPI-6 (T13 1410D), "Command descriptions", "IDENTIFY DEVICE".

import type { BlockStore } from '../../host/index.js';
import {
  aborted,
  completed,
  type DriveState,
  demand,
  ErrorBit,
  identifyBytes,
  identifyText,
  offer,
  putSignature,
} from './ide-drive.js';

export const SECTOR_BYTES = 512;
const MAX_MULTIPLE = 16;
const HEADS = 16;
const SECTORS_PER_TRACK = 63;
const MAX_CYLINDERS = 16383;
const LBA28_SECTORS = 2 ** 28 - 1;
const DEVICE_LBA = 0x40;

/** Sectors of 512 bytes. */
export const diskSectors = (store: BlockStore): number =>
  Math.floor((store.sectors * store.sectorBytes) / SECTOR_BYTES);

interface Command {
  readonly data: 'read' | 'write' | 'verify';
  readonly dma?: boolean;
  readonly multiple?: boolean;
  readonly extended?: boolean;
}
const DATA_COMMANDS: Readonly<Record<number, Command>> = {
  32: { data: 'read' }, // 20H
  33: { data: 'read' },
  36: { data: 'read', extended: true }, // 24H
  37: { data: 'read', extended: true, dma: true },
  41: { data: 'read', extended: true, multiple: true },
  48: { data: 'write' }, // 30H
  49: { data: 'write' },
  52: { data: 'write', extended: true },
  53: { data: 'write', extended: true, dma: true },
  57: { data: 'write', extended: true, multiple: true },
  64: { data: 'verify' }, // 40H
  65: { data: 'verify' },
  66: { data: 'verify', extended: true },
  196: { data: 'read', multiple: true }, // C4H
  197: { data: 'write', multiple: true },
  200: { data: 'read', dma: true }, // C8H
  201: { data: 'read', dma: true },
  202: { data: 'write', dma: true },
  203: { data: 'write', dma: true },
};

/** Geometry in cylinders, heads and sectors as IDENTIFY tells it. */
export function geometry(sectors: number): { cylinders: number; heads: number; sectorsPerTrack: number } {
  const cylinders = Math.max(2, Math.min(MAX_CYLINDERS, Math.floor(sectors / (HEADS * SECTORS_PER_TRACK))));
  return { cylinders, heads: HEADS, sectorsPerTrack: SECTORS_PER_TRACK };
}

export function identifyDisk(d: DriveState, store: BlockStore, serial: string): Uint8Array {
  const sectors = diskSectors(store);
  const { cylinders, heads, sectorsPerTrack } = geometry(sectors);
  const chs = cylinders * heads * sectorsPerTrack;
  const lba28 = Math.min(sectors, LBA28_SECTORS);
  const w = new Uint16Array(256);
  w[0] = 0x0040; // fixed disk
  w[1] = cylinders;
  w[3] = heads;
  w[6] = sectorsPerTrack;
  identifyText(w, 10, 10, serial);
  identifyText(w, 23, 4, '1.0');
  identifyText(w, 27, 20, 'PCANEL HARDDISK');
  w[47] = 0x8000 | MAX_MULTIPLE;
  w[48] = 1;
  w[49] = 0x0f00; // IORDY, LBA, DMA
  w[50] = 0x4000;
  w[51] = 0x0200;
  w[53] = 7;
  w[54] = cylinders;
  w[55] = heads;
  w[56] = sectorsPerTrack;
  w[57] = chs & 0xffff;
  w[58] = chs >>> 16;
  w[59] = d.multiple > 0 ? 0x100 | d.multiple : 0;
  w[60] = lba28 & 0xffff;
  w[61] = lba28 >>> 16;
  w[63] = 7 | (d.multiwordDma >= 0 ? 0x100 << d.multiwordDma : 0);
  w[64] = 3;
  w[65] = 120;
  w[66] = 120;
  w[67] = 120;
  w[68] = 120;
  w[80] = 0x7e; // ATA-1 to ATA/ATAPI-6
  w[81] = 0x22;
  w[82] = 0x4020; // NOP, write cache
  w[83] = 0x7400; // 48-bit addresses, FLUSH CACHE (EXT)
  w[84] = 0x4000;
  w[85] = 0x4000 | (d.writeCache ? 0x20 : 0);
  w[86] = 0x3400;
  w[87] = 0x4000;
  w[88] = 0x3f | (d.ultraDma >= 0 ? 0x100 << d.ultraDma : 0);
  w[93] = 0x600b; // 80-conductor cable, device 0
  w[100] = sectors & 0xffff;
  w[101] = Math.floor(sectors / 2 ** 16) & 0xffff;
  w[102] = Math.floor(sectors / 2 ** 32) & 0xffff;
  return identifyBytes(w);
}

/** First sector and sector count that the task file names. */
function extent(d: DriveState, extended: boolean): { lba: number; count: number } {
  const [count, countHigh] = d.count as [number, number];
  const [low, low2] = d.lbaLow as [number, number];
  const [mid, mid2] = d.lbaMid as [number, number];
  const [high, high2] = d.lbaHigh as [number, number];
  if (extended) {
    const lba = low + mid * 2 ** 8 + high * 2 ** 16 + low2 * 2 ** 24 + mid2 * 2 ** 32 + high2 * 2 ** 40;
    return { lba, count: (countHigh << 8) | count || 0x10000 };
  }
  if ((d.device & DEVICE_LBA) !== 0)
    return { lba: low | (mid << 8) | (high << 16) | ((d.device & 15) << 24), count: count || 256 };
  const cylinder = mid | (high << 8);
  return { lba: (cylinder * HEADS + (d.device & 15)) * SECTORS_PER_TRACK + low - 1, count: count || 256 };
}

/** Shows the address of the next sector in the task file, as a finished or failed command leaves it. */
function putAddress(d: DriveState, lba: number, extended: boolean): void {
  if (extended || (d.device & DEVICE_LBA) !== 0) {
    const byte = (n: number): number => Math.floor(lba / 2 ** (8 * n)) & 0xff;
    d.lbaLow = [byte(0), extended ? byte(3) : 0];
    d.lbaMid = [byte(1), extended ? byte(4) : 0];
    d.lbaHigh = [byte(2), extended ? byte(5) : 0];
    if (!extended) d.device = (d.device & 0xf0) | (byte(3) & 15);
    return;
  }
  const track = Math.floor(lba / SECTORS_PER_TRACK);
  const cylinder = Math.floor(track / HEADS);
  d.lbaLow = [(lba % SECTORS_PER_TRACK) + 1, 0];
  d.lbaMid = [cylinder & 0xff, 0];
  d.lbaHigh = [(cylinder >> 8) & 0xff, 0];
  d.device = (d.device & 0xf0) | (track % HEADS);
}

const storeRead = (store: BlockStore, lba: number, into: Uint8Array): void =>
  store.read((lba * SECTOR_BYTES) / store.sectorBytes, into);

/** Hands out the next block of a PIO read. */
function nextRead(d: DriveState, store: BlockStore): void {
  const n = Math.min(d.left, d.perBlock);
  const bytes = new Uint8Array(n * SECTOR_BYTES);
  try {
    storeRead(store, d.lba, bytes);
  } catch {
    aborted(d, ErrorBit.UNC);
    return;
  }
  d.lba += n;
  d.left -= n;
  offer(d, bytes);
}

const nextWrite = (d: DriveState): void => demand(d, Math.min(d.left, d.perBlock) * SECTOR_BYTES);

function dataCommand(d: DriveState, store: BlockStore, c: Command): 'interrupt' | 'quiet' {
  const { lba, count } = extent(d, c.extended ?? false);
  if (c.multiple && d.multiple === 0) {
    aborted(d);
    return 'interrupt';
  }
  if (lba < 0 || lba + count > diskSectors(store)) {
    aborted(d, ErrorBit.IDNF);
    return 'interrupt';
  }
  if (c.data === 'write' && store.readOnly) {
    aborted(d);
    return 'interrupt';
  }
  d.lba = lba;
  d.left = count;
  d.extended = c.extended ?? false;
  d.perBlock = c.multiple ? d.multiple : 1;
  if (c.data === 'verify') {
    completed(d);
    putAddress(d, lba + count - 1, d.extended);
    d.left = 0;
    return 'interrupt';
  }
  if (c.dma) {
    d.dma = c.data;
    d.status |= 0x08; // DMARQ shows as DRQ
    return 'quiet';
  }
  if (c.data === 'read') {
    nextRead(d, store);
    return 'interrupt';
  }
  nextWrite(d);
  return 'quiet'; // the first block of a write is asked for without an interrupt
}

/** The data register's buffer has been emptied or filled. Tells whether to interrupt. */
export function diskBufferDone(d: DriveState, store: BlockStore): boolean {
  if (d.phase === 'in') {
    if (d.left > 0) {
      nextRead(d, store);
      return true;
    }
    if (d.lba > 0 && d.perBlock > 0) putAddress(d, d.lba - 1, d.extended);
    completed(d);
    return false;
  }
  const n = d.buffer.length / SECTOR_BYTES;
  try {
    store.write((d.lba * SECTOR_BYTES) / store.sectorBytes, Uint8Array.from(d.buffer));
  } catch {
    aborted(d, ErrorBit.UNC);
    return true;
  }
  d.lba += n;
  d.left -= n;
  if (d.left > 0) nextWrite(d);
  else {
    completed(d);
    putAddress(d, d.lba - 1, d.extended);
  }
  return true;
}

/** Moves the whole of a DMA command's data through `move`; false: the host's area was too small. */
export function diskDma(
  d: DriveState,
  store: BlockStore,
  toMemory: (bytes: Uint8Array) => boolean,
  fromMemory: (bytes: Uint8Array) => boolean,
): boolean {
  const CHUNK = 128;
  let fits = true;
  try {
    while (d.left > 0 && fits) {
      const n = Math.min(d.left, CHUNK);
      const bytes = new Uint8Array(n * SECTOR_BYTES);
      if (d.dma === 'read') {
        storeRead(store, d.lba, bytes);
        fits = toMemory(bytes);
      } else {
        fits = fromMemory(bytes);
        if (fits) store.write((d.lba * SECTOR_BYTES) / store.sectorBytes, bytes);
      }
      d.lba += n;
      d.left -= n;
    }
  } catch {
    aborted(d, ErrorBit.UNC);
    return true;
  }
  completed(d);
  putAddress(d, d.lba - 1, d.extended);
  return fits;
}

function setFeatures(d: DriveState): void {
  const value = d.count[0]!;
  switch (d.features[0]) {
    case 0x02:
      d.writeCache = true;
      break;
    case 0x82:
      d.writeCache = false;
      break;
    case 0x03: {
      const mode = value & 7;
      d.ultraDma = -1;
      d.multiwordDma = -1;
      if (value >> 3 === 0x08 && mode <= 5) d.ultraDma = mode;
      else if (value >> 3 === 0x04 && mode <= 2) d.multiwordDma = mode;
      else if (value >> 3 > 1) {
        aborted(d);
        return;
      }
      break;
    }
    case 0x05:
    case 0x42:
    case 0x55:
    case 0x66:
    case 0x85:
    case 0xaa:
    case 0xc2:
    case 0xcc:
      break; // power management, look-ahead, defaults: nothing changes
    default:
      aborted(d);
      return;
  }
  completed(d);
}

/** Carries out a command. 'interrupt': the host is told. */
export function diskCommand(d: DriveState, store: BlockStore, serial: string, command: number): 'interrupt' | 'quiet' {
  const data = DATA_COMMANDS[command];
  if (data !== undefined) return dataCommand(d, store, data);
  switch (command) {
    case 0xec: // IDENTIFY DEVICE
      d.left = 0;
      d.perBlock = 0;
      offer(d, identifyDisk(d, store, serial));
      return 'interrupt';
    case 0xa1: // IDENTIFY PACKET DEVICE
      putSignature(d, false);
      aborted(d);
      return 'interrupt';
    case 0xc6: {
      // SET MULTIPLE MODE
      const n = d.count[0]!;
      if (n > MAX_MULTIPLE || (n & (n - 1)) !== 0) aborted(d);
      else {
        d.multiple = n;
        completed(d);
      }
      return 'interrupt';
    }
    case 0xef:
      setFeatures(d);
      return 'interrupt';
    case 0xe7: // FLUSH CACHE
    case 0xea:
      store.flush();
      completed(d);
      return 'interrupt';
    case 0xf8: // READ NATIVE MAX ADDRESS
    case 0x27:
      completed(d);
      putAddress(d, diskSectors(store) - 1, command === 0x27);
      return 'interrupt';
    case 0xe5: // CHECK POWER MODE
    case 0x98:
      completed(d);
      d.count = [0xff, 0];
      return 'interrupt';
    case 0x70: // SEEK
    case 0x91: // INITIALIZE DEVICE PARAMETERS
    case 0xe0:
    case 0xe1:
    case 0xe2:
    case 0xe3:
    case 0xe6:
    case 0x94:
    case 0x95:
    case 0x96:
    case 0x97:
    case 0x99:
      completed(d);
      return 'interrupt';
    default:
      if (command >> 4 === 1)
        completed(d); // RECALIBRATE
      else aborted(d);
      return 'interrupt';
  }
}
