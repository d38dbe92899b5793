// A floppy disk controller (82077AA, AT mode) with two drives. Commands finish at once; data moves by DMA channel 2, or
// byte by byte in non-DMA mode. Source: Intel 82077AA data sheet, "Command Set/Descriptions".

import type { BlockStore } from '../../host/index.js';
import type { Ctx } from '../device.js';
import { device } from '../device.js';

const SECTOR_BYTES = 512;

/** Geometry of a medium. */
export interface FloppyFormat {
  readonly tracks: number;
  readonly heads: number;
  readonly sectors: number;
}
const FORMATS: readonly FloppyFormat[] = [
  { tracks: 40, heads: 1, sectors: 8 },
  { tracks: 40, heads: 1, sectors: 9 },
  { tracks: 40, heads: 2, sectors: 8 },
  { tracks: 40, heads: 2, sectors: 9 },
  { tracks: 80, heads: 2, sectors: 9 },
  { tracks: 80, heads: 2, sectors: 15 },
  { tracks: 80, heads: 2, sectors: 18 },
  { tracks: 80, heads: 2, sectors: 21 },
  { tracks: 80, heads: 2, sectors: 36 },
];
/** The smallest format that holds an image of `sizeBytes`, or null when it is too large for a floppy disk. */
export function floppyFormat(sizeBytes: number): FloppyFormat | null {
  return FORMATS.find((f) => f.tracks * f.heads * f.sectors * SECTOR_BYTES >= sizeBytes) ?? null;
}

export interface FloppyPorts {
  /** Media of drives 0 and 1; null: no drive or no medium. */
  readonly drives: readonly (BlockStore | null)[];
  readonly dma: {
    toMemory(channel: number, bytes: Uint8Array): number;
    fromMemory(channel: number, sizeBytes: number): Uint8Array;
  };
}

type Phase = 'command' | 'read' | 'write' | 'result';

const reset = () => ({
  dor: 0x0c,
  dataRate: 0,
  tape: 0,
  phase: 'command' as Phase,
  fifo: [] as number[],
  at: 0,
  /** Bytes of the command in `fifo`; of the data or the result. */
  length: 0,
  interrupt: false,
  /** Status 0 values that SENSE INTERRUPT STATUS will hand out. */
  pending: [] as number[],
  tracks: [0, 0],
  changed: [true, true],
  nonDma: false,
  specify: [0, 0],
  configure: [0, 0],
  locked: false,
  perpendicular: 0,
  /** Running data transfer: drive, cylinder, head, sector, last sector of the track, multi-track. */
  run: { drive: 0, cylinder: 0, head: 0, sector: 0, last: 0, multiTrack: false, write: false },
});
export type FloppyState = ReturnType<typeof reset>;
type S = FloppyState;
type C = Ctx<FloppyPorts>;

const CHANNEL = 2;
const DOR_NOT_RESET = 0x04;
const DOR_DMA = 0x08;
const MSR_RQM = 0x80;
const MSR_TO_HOST = 0x40;
const MSR_NON_DMA = 0x20;
const MSR_BUSY = 0x10;
const ST0_ABNORMAL = 0x40;
const ST0_INVALID = 0x80;
const ST0_SEEK_END = 0x20;
const ST0_RESET = 0xc0;
const ST1_NO_DATA = 0x04;
const ST1_NOT_WRITABLE = 0x02;
const ST1_END_OF_CYLINDER = 0x80;
const ST1_MISSING_MARK = 0x01;
const ST3_READY = 0x20;
const ST3_TRACK0 = 0x10;
const ST3_TWO_SIDED = 0x08;
const ST3_PROTECTED = 0x40;
const VERSION_82077 = 0x90;
const DIR_CHANGED = 0x80;
const TWO_BYTE_SECTOR = 2;

/** Length of each command by its low five bits. */
const LENGTHS: Readonly<Record<number, number>> = {
  2: 9,
  3: 3,
  4: 2,
  5: 9,
  6: 9,
  7: 2,
  8: 1,
  9: 9,
  10: 2,
  12: 9,
  13: 6,
  14: 1,
  15: 3,
  16: 1,
  18: 2,
  19: 4,
  20: 1,
  22: 9,
  24: 1,
};

function formatOf(ctx: C, drive: number): { readonly store: BlockStore; readonly format: FloppyFormat } | null {
  const store = ctx.drives[drive];
  if (store === null || store === undefined) return null;
  const format = floppyFormat(store.sectors * store.sectorBytes);
  return format === null ? null : { store, format };
}

function result(s: S, bytes: readonly number[]): void {
  s.phase = 'result';
  s.fifo = [...bytes];
  s.at = 0;
  s.length = bytes.length;
}
function idle(s: S): void {
  s.phase = 'command';
  s.fifo = [];
  s.at = 0;
  s.length = 0;
}
/** Ends a data command with its seven result bytes. */
function finish(s: S, status0: number, status1: number): void {
  const { drive, cylinder, head, sector } = s.run;
  s.interrupt = true;
  result(s, [status0 | (head << 2) | drive, status1, 0, cylinder, head, sector, TWO_BYTE_SECTOR]);
}

/** Logical sector of the running transfer, or -1: not on the medium. */
function position(s: S, format: FloppyFormat): number {
  const { cylinder, head, sector } = s.run;
  if (cylinder >= format.tracks || head >= format.heads || sector < 1 || sector > format.sectors) return -1;
  return (cylinder * format.heads + head) * format.sectors + sector - 1;
}

/** Moves on to the next sector; false: the end of the cylinder was passed. */
function advance(s: S, format: FloppyFormat): boolean {
  const r = s.run;
  if (r.sector < r.last) {
    r.sector++;
    return true;
  }
  r.sector = 1;
  if (r.multiTrack && r.head === 0 && format.heads === 2) {
    r.head = 1;
    return true;
  }
  if (r.multiTrack) r.head = 0;
  r.cylinder++;
  return false;
}

function readSector(store: BlockStore, lba: number): Uint8Array {
  const bytes = new Uint8Array(SECTOR_BYTES);
  // an image may end before its format does
  if (lba < Math.floor((store.sectors * store.sectorBytes) / SECTOR_BYTES)) {
    store.read((lba * SECTOR_BYTES) / store.sectorBytes, bytes);
  }
  return bytes;
}

/** A whole transfer over the DMA channel. */
function transferByDma(s: S, ctx: C): void {
  const at = formatOf(ctx, s.run.drive);
  if (at === null) {
    finish(s, ST0_ABNORMAL, ST1_MISSING_MARK);
    return;
  }
  const { store, format } = at;
  for (;;) {
    const lba = position(s, format);
    if (lba < 0) {
      finish(s, ST0_ABNORMAL, ST1_NO_DATA);
      return;
    }
    let moved: number;
    if (s.run.write) {
      const bytes = ctx.dma.fromMemory(CHANNEL, SECTOR_BYTES);
      moved = bytes.length;
      if (moved > 0) {
        const sector = new Uint8Array(SECTOR_BYTES);
        sector.set(bytes);
        store.write((lba * SECTOR_BYTES) / store.sectorBytes, sector);
      }
    } else moved = ctx.dma.toMemory(CHANNEL, readSector(store, lba));
    if (moved === 0) {
      finish(s, 0, 0); // terminal count came with the last byte of the sector before
      return;
    }
    const inside = advance(s, format);
    if (moved < SECTOR_BYTES) {
      finish(s, 0, 0);
      return;
    }
    if (!inside) {
      finish(s, 0, 0);
      return;
    }
  }
}

/** Offers or asks for one sector in non-DMA mode. */
function nextByHand(s: S, ctx: C): void {
  const at = formatOf(ctx, s.run.drive);
  const lba = at === null ? -1 : position(s, at.format);
  if (at === null || lba < 0) {
    finish(s, ST0_ABNORMAL, at === null ? ST1_MISSING_MARK : ST1_NO_DATA);
    return;
  }
  s.phase = s.run.write ? 'write' : 'read';
  s.fifo = s.run.write ? new Array<number>(SECTOR_BYTES).fill(0) : Array.from(readSector(at.store, lba));
  s.at = 0;
  s.length = SECTOR_BYTES;
  s.interrupt = true;
}

/** A sector has gone over the data port. */
function sectorByHand(s: S, ctx: C): void {
  const at = formatOf(ctx, s.run.drive);
  if (at === null) return;
  if (s.run.write)
    at.store.write((position(s, at.format) * SECTOR_BYTES) / at.store.sectorBytes, Uint8Array.from(s.fifo));
  if (advance(s, at.format)) nextByHand(s, ctx);
  else finish(s, ST0_ABNORMAL, ST1_END_OF_CYLINDER); // no terminal count comes in this mode
}

function dataCommand(s: S, ctx: C, write: boolean): void {
  const f = s.fifo;
  const drive = f[1]! & 3;
  s.run = {
    drive,
    cylinder: f[2]!,
    head: f[3]! & 1,
    sector: f[4]!,
    last: f[6]!,
    multiTrack: (f[0]! & 0x80) !== 0,
    write,
  };
  const at = formatOf(ctx, drive);
  if (at !== null && write && at.store.readOnly) finish(s, ST0_ABNORMAL, ST1_NOT_WRITABLE);
  else if (at !== null && s.tracks[drive] !== s.run.cylinder && (s.configure[0]! & 0x40) === 0) {
    finish(s, ST0_ABNORMAL, ST1_NO_DATA); // the head stands elsewhere and seeks are not implied
  } else if (s.nonDma) nextByHand(s, ctx);
  else transferByDma(s, ctx);
}

function formatTrack(s: S, ctx: C): void {
  const drive = s.fifo[1]! & 3;
  const head = (s.fifo[1]! >> 2) & 1;
  const sectors = s.fifo[3]!;
  const filler = s.fifo[5]!;
  s.run = { drive, cylinder: s.tracks[drive] ?? 0, head, sector: 1, last: sectors, multiTrack: false, write: true };
  const at = formatOf(ctx, drive);
  if (at === null) {
    finish(s, ST0_ABNORMAL, ST1_MISSING_MARK);
    return;
  }
  if (at.store.readOnly) {
    finish(s, ST0_ABNORMAL, ST1_NOT_WRITABLE);
    return;
  }
  ctx.dma.fromMemory(CHANNEL, sectors * 4); // the sector identifiers: those of the format are the only ones there are
  for (let i = 1; i <= Math.min(sectors, at.format.sectors); i++) {
    s.run.sector = i;
    const lba = position(s, at.format);
    if (lba >= 0)
      at.store.write((lba * SECTOR_BYTES) / at.store.sectorBytes, new Uint8Array(SECTOR_BYTES).fill(filler));
  }
  finish(s, 0, 0);
}

function seek(s: S, ctx: C, drive: number, track: number): void {
  const at = formatOf(ctx, drive);
  if (drive < 2) s.tracks[drive] = track;
  if (at !== null) s.changed[drive] = false; // a step takes the change line back
  s.pending = [ST0_SEEK_END | drive];
  s.interrupt = true;
  idle(s);
}

function execute(s: S, ctx: C): void {
  const f = s.fifo;
  const drive = (f[1] ?? 0) & 3;
  const head = ((f[1] ?? 0) >> 2) & 1;
  switch (f[0]! & 0x1f) {
    case 2: // READ TRACK
    case 6: // READ DATA
    case 12: // READ DELETED DATA
      dataCommand(s, ctx, false);
      break;
    case 5: // WRITE DATA
    case 9:
      dataCommand(s, ctx, true);
      break;
    case 22: // VERIFY
      s.run = { ...s.run, drive, cylinder: f[2]!, head: f[3]! & 1, sector: f[6]!, last: f[6]!, write: false };
      finish(s, formatOf(ctx, drive) === null ? ST0_ABNORMAL : 0, formatOf(ctx, drive) === null ? ST1_MISSING_MARK : 0);
      break;
    case 3: // SPECIFY
      s.specify = [f[1]!, f[2]!];
      s.nonDma = (f[2]! & 1) !== 0;
      idle(s);
      break;
    case 4: {
      // SENSE DRIVE STATUS
      const at = formatOf(ctx, drive);
      const flags = (s.tracks[drive] === 0 ? ST3_TRACK0 : 0) | (at?.store.readOnly ? ST3_PROTECTED : 0);
      result(s, [ST3_READY | ST3_TWO_SIDED | flags | (head << 2) | drive]);
      break;
    }
    case 7: // RECALIBRATE
      seek(s, ctx, drive, 0);
      break;
    case 15: // SEEK
      seek(s, ctx, drive, f[2]!);
      break;
    case 8: {
      // SENSE INTERRUPT STATUS
      const status0 = s.pending.shift();
      s.interrupt = false;
      result(s, status0 === undefined ? [ST0_INVALID] : [status0, s.tracks[status0 & 3] ?? 0]);
      break;
    }
    case 10: {
      // READ ID
      const at = formatOf(ctx, drive);
      s.run = { ...s.run, drive, cylinder: s.tracks[drive] ?? 0, head, sector: 1 };
      if (at === null) finish(s, ST0_ABNORMAL, ST1_MISSING_MARK);
      else if (head >= at.format.heads || s.run.cylinder >= at.format.tracks) finish(s, ST0_ABNORMAL, ST1_MISSING_MARK);
      else finish(s, 0, 0);
      break;
    }
    case 13:
      formatTrack(s, ctx);
      break;
    case 14: // DUMPREG
      result(s, [...s.tracks, 0, 0, ...s.specify, s.run.last, (s.locked ? 0x80 : 0) | s.perpendicular, ...s.configure]);
      break;
    case 16: // VERSION
      result(s, [VERSION_82077]);
      break;
    case 18:
      s.perpendicular = f[1]! & 0x7f;
      idle(s);
      break;
    case 19: // CONFIGURE
      s.configure = [f[2]!, f[3]!];
      idle(s);
      break;
    case 20: // LOCK
      s.locked = (f[0]! & 0x80) !== 0;
      result(s, [s.locked ? 0x10 : 0]);
      break;
    case 24: // PART ID
      result(s, [0x41]);
      break;
    default:
      result(s, [ST0_INVALID]);
  }
}

function restart(s: S): void {
  idle(s);
  s.pending = [0, 1, 2, 3].map((drive) => ST0_RESET | drive);
  s.interrupt = true;
  if (!s.locked) s.configure = [0, 0];
}

function writeDor(s: S, value: number): void {
  const before = s.dor;
  s.dor = value;
  if ((value & DOR_NOT_RESET) === 0) {
    idle(s);
    s.interrupt = false;
    s.pending = [];
  } else if ((before & DOR_NOT_RESET) === 0) restart(s);
}

function mainStatus(s: S): number {
  if ((s.dor & DOR_NOT_RESET) === 0) return 0;
  switch (s.phase) {
    case 'command':
      return MSR_RQM | (s.fifo.length > 0 ? MSR_BUSY : 0);
    case 'read':
      return MSR_RQM | MSR_TO_HOST | MSR_NON_DMA | MSR_BUSY;
    case 'write':
      return MSR_RQM | MSR_NON_DMA | MSR_BUSY;
    default:
      return MSR_RQM | MSR_TO_HOST | MSR_BUSY;
  }
}

function readFifo(s: S, ctx: C): number {
  if (s.phase !== 'read' && s.phase !== 'result') return 0;
  s.interrupt = false;
  const value = s.fifo[s.at++] ?? 0;
  if (s.at < s.length) return value;
  if (s.phase === 'read') sectorByHand(s, ctx);
  else idle(s);
  return value;
}

function writeFifo(s: S, value: number, ctx: C): void {
  if ((s.dor & DOR_NOT_RESET) === 0) return;
  if (s.phase === 'write') {
    s.interrupt = false;
    s.fifo[s.at++] = value;
    if (s.at === s.length) sectorByHand(s, ctx);
    return;
  }
  if (s.phase !== 'command') return;
  if (s.fifo.length === 0) s.length = LENGTHS[value & 0x1f] ?? 1;
  s.fifo.push(value);
  if (s.fifo.length === s.length) execute(s, ctx);
}

export interface FloppyInputs {
  /** Another medium is in the drive. */
  mediumChanged(drive: number): void;
}

/** Regions `registers` (0x3f0, 6) and `control` (0x3f7). Line `irq` (IRQ 6). */
export const floppy = device<FloppyState, FloppyPorts, FloppyInputs>({
  name: 'floppy',
  version: 1,
  state: reset,
  regions: { registers: { space: 'pio', sizeBytes: 6 }, control: { space: 'pio', sizeBytes: 1 } },
  lines: { irq: (s) => s.interrupt && (s.dor & DOR_DMA) !== 0 },
  inputs: {
    mediumChanged: (s, _ctx, drive) => {
      s.changed[drive & 1] = true;
    },
  },
  registers: {
    registers: [
      { at: 0, name: 'SRA', read: (s) => (s.interrupt ? 0x80 : 0) | 0x40 },
      { at: 1, name: 'SRB', read: (s) => 0xc0 | ((s.dor & 0x10) !== 0 ? 1 : 0) | ((s.dor & 0x20) !== 0 ? 2 : 0) },
      { at: 2, name: 'DOR', read: (s) => s.dor, write: writeDor },
      { at: 3, name: 'TDR', field: 'tape' },
      { at: 4, name: 'MSR', read: mainStatus },
      {
        at: 4,
        name: 'DSR',
        write: (s, value) => {
          s.dataRate = value & 3;
          if ((value & 0x80) !== 0) restart(s);
        },
      },
      { at: 5, name: 'FIFO', read: readFifo, write: writeFifo },
    ],
    control: [
      {
        at: 0,
        name: 'DIR',
        read: (s, ctx) => {
          const drive = s.dor & 3;
          const motor = ((s.dor >> 4) >> drive) & 1;
          return motor !== 0 && (formatOf(ctx, drive) === null || s.changed[drive]) ? DIR_CHANGED : 0;
        },
      },
      {
        at: 0,
        name: 'CCR',
        write: (s, value) => {
          s.dataRate = value & 3;
        },
      },
    ],
  },
});
