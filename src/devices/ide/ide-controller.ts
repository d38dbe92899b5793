// The IDE function of the PIIX3: two channels of two drives, PIO and bus-master DMA.
// Sources: Intel 82371SB (PIIX3) data sheet, "IDE Interface"; "Programming Interface for Bus Master IDE Controller" 1.0.

import type { BlockStore } from '../../host/index.js';
import type { DmaMemory } from '../chipset/fw-cfg.js';
import type { AccessSize, Ctx, RegionHandlers } from '../device.js';
import { allOnes, device } from '../device.js';
import type { PciDeviceInputs } from '../pci/config-space.js';
import { pciConfig, readConfig, writeConfig } from '../pci/config-space.js';
import { diskBufferDone, diskCommand, diskDma } from './ata-disk.js';
import { cdromBufferDone, cdromCommand, cdromDma } from './atapi-cdrom.js';
import {
  completed,
  type DriveState,
  driveState,
  putSignature,
  resetDrive,
  Status,
  writeRegister,
} from './ide-drive.js';

/** What is attached at one of the four places: primary master and slave, secondary master and slave. */
export type IdeDrive =
  | { readonly kind: 'disk'; readonly store: BlockStore }
  /** A null store: no medium. */
  | { readonly kind: 'cdrom'; readonly store: BlockStore | null };

export interface IdePorts {
  readonly drives: readonly (IdeDrive | null)[];
  readonly memory: DmaMemory;
}

const channelState = () => ({
  selected: 0,
  control: 0,
  irq: false,
  drives: [driveState(), driveState()],
  busMaster: { command: 0, status: 0, table: 0 },
});
const reset = () => ({
  config: pciConfig({
    vendorId: 0x8086,
    deviceId: 0x7010,
    classCode: 0x010180,
    subsystemVendorId: 0x1af4,
    subsystemId: 0x1100,
    bars: [null, null, null, null, { space: 'pio', sizeBytes: 16 }],
    // IDETIM: timing and decode enable of both channels
    extra: [0x40, 0x41, 0x42, 0x43, 0x44, 0x48, 0x4a, 0x4b].map((at) => [at, 0, 0xff] as const),
  }),
  channels: [channelState(), channelState()],
});
export type IdeState = ReturnType<typeof reset>;
type Channel = IdeState['channels'][number];
type C = Ctx<IdePorts>;

const CONTROL_NO_INTERRUPT = 0x02;
const CONTROL_RESET = 0x04;
const CONTROL_HIGH_ORDER = 0x80;
const DEVICE_FIXED = 0xa0;
const DEVICE_SLAVE = 0x10;

const BM_START = 0x01;
const BM_TO_MEMORY = 0x08;
const BM_ACTIVE = 0x01;
const BM_ERROR = 0x02;
const BM_INTERRUPT = 0x04;
const PRD_END = 0x8000_0000;
const MAX_DESCRIPTORS = 8192;

const attached = (ctx: C, channel: number, drive: number): IdeDrive | null => ctx.drives[channel * 2 + drive] ?? null;
const serialOf = (channel: number, drive: number): string => `PC0000${channel * 2 + drive + 1}`;

function interrupt(ch: Channel): void {
  ch.irq = true;
  ch.busMaster.status |= BM_INTERRUPT;
}

/** The selected drive and its state; null when nothing is attached there. */
function current(s: IdeState, channel: number, ctx: C): { readonly drive: IdeDrive; readonly d: DriveState } | null {
  const ch = s.channels[channel]!;
  const drive = attached(ctx, channel, ch.selected);
  return drive === null ? null : { drive, d: ch.drives[ch.selected]! };
}

// ---- the data register ----

function bufferDone(s: IdeState, channel: number, ctx: C): void {
  const at = current(s, channel, ctx);
  if (at === null) return;
  const { drive, d } = at;
  const tell = drive.kind === 'disk' ? diskBufferDone(d, drive.store) : cdromBufferDone(d, drive.store);
  if (tell) interrupt(s.channels[channel]!);
  tryDma(s, channel, ctx);
}

function readData(s: IdeState, channel: number, size: AccessSize, ctx: C): number {
  const d = current(s, channel, ctx)?.d;
  if (d === undefined || d.phase !== 'in') return allOnes(size);
  let value = 0;
  for (let i = 0; i < size; i++) value += (d.buffer[d.at + i] ?? 0) * 2 ** (8 * i);
  d.at += size;
  if (d.at >= d.buffer.length) bufferDone(s, channel, ctx);
  return value;
}

function writeData(s: IdeState, channel: number, size: AccessSize, value: number, ctx: C): void {
  const d = current(s, channel, ctx)?.d;
  if (d === undefined || (d.phase !== 'out' && d.phase !== 'packet')) return;
  for (let i = 0; i < size && d.at + i < d.buffer.length; i++) d.buffer[d.at + i] = (value >>> (8 * i)) & 0xff;
  d.at += size;
  if (d.at >= d.buffer.length) bufferDone(s, channel, ctx);
}

// ---- the task file ----

function readTaskFile(s: IdeState, channel: number, offset: number, ctx: C): number {
  const ch = s.channels[channel]!;
  if (attached(ctx, channel, 0) === null && attached(ctx, channel, 1) === null) return offset === 7 ? 0 : 0xff;
  const d = ch.drives[ch.selected]!;
  const present = attached(ctx, channel, ch.selected) !== null;
  const high = (ch.control & CONTROL_HIGH_ORDER) !== 0 ? 1 : 0;
  switch (offset) {
    case 1:
      return present ? d.error : 0;
    case 2:
      return d.count[high]!;
    case 3:
      return d.lbaLow[high]!;
    case 4:
      return d.lbaMid[high]!;
    case 5:
      return d.lbaHigh[high]!;
    case 6:
      return (d.device & 0x4f) | DEVICE_FIXED | (ch.selected === 1 ? DEVICE_SLAVE : 0);
    default:
      return present ? d.status : 0;
  }
}

function command(s: IdeState, channel: number, value: number, ctx: C): void {
  const ch = s.channels[channel]!;
  ch.irq = false;
  if (value === 0x90) {
    // EXECUTE DEVICE DIAGNOSTIC: both drives
    ch.drives.forEach((d, i) => {
      const drive = attached(ctx, channel, i);
      if (drive === null) return;
      completed(d);
      d.error = 1;
      putSignature(d, drive.kind === 'cdrom');
      if (drive.kind === 'cdrom') d.status = 0;
    });
    ch.selected = 0;
    interrupt(ch);
    return;
  }
  const at = current(s, channel, ctx);
  if (at === null) return;
  const { drive, d } = at;
  if ((d.status & Status.BSY) !== 0) return;
  d.dma = 'none';
  const serial = serialOf(channel, ch.selected);
  const then = drive.kind === 'disk' ? diskCommand(d, drive.store, serial, value) : cdromCommand(d, serial, value);
  if (then === 'interrupt') interrupt(ch);
  tryDma(s, channel, ctx);
}

function writeTaskFile(s: IdeState, channel: number, offset: number, value: number, ctx: C): void {
  const ch = s.channels[channel]!;
  ch.control &= ~CONTROL_HIGH_ORDER;
  // both drives latch the registers; only the selected one obeys commands
  for (const d of ch.drives) {
    if (offset === 1) writeRegister(d.features, value);
    else if (offset === 2) writeRegister(d.count, value);
    else if (offset === 3) writeRegister(d.lbaLow, value);
    else if (offset === 4) writeRegister(d.lbaMid, value);
    else if (offset === 5) writeRegister(d.lbaHigh, value);
    else if (offset === 6) d.device = value;
  }
  if (offset === 6) ch.selected = (value & DEVICE_SLAVE) !== 0 ? 1 : 0;
  else if (offset === 7) command(s, channel, value, ctx);
}

function writeControl(s: IdeState, channel: number, value: number, ctx: C): void {
  const ch = s.channels[channel]!;
  const was = ch.control;
  ch.control = value;
  if ((value & CONTROL_RESET) !== 0 && (was & CONTROL_RESET) === 0) {
    ch.irq = false;
    ch.drives.forEach((d, i) => {
      resetDrive(d, attached(ctx, channel, i)?.kind === 'cdrom');
      d.status = Status.BSY;
    });
  } else if ((value & CONTROL_RESET) === 0 && (was & CONTROL_RESET) !== 0) {
    ch.selected = 0;
    ch.drives.forEach((d, i) => {
      resetDrive(d, attached(ctx, channel, i)?.kind === 'cdrom');
    });
  }
}

// ---- bus master ----

/** Walks the descriptor table: calls `move` with pieces of memory until `sizeBytes` are done. False: table too short. */
function scatter(
  ctx: C,
  cursor: PrdCursor,
  sizeBytes: number,
  move: (gpa: number, from: number, n: number) => void,
): boolean {
  for (let done = 0; done < sizeBytes; ) {
    if (cursor.left === 0) {
      if (cursor.last || cursor.count++ > MAX_DESCRIPTORS) return false;
      const raw = ctx.memory.readBytes(cursor.table, 8);
      const view = new DataView(raw.buffer, raw.byteOffset, 8);
      cursor.gpa = (view.getUint32(0, true) & ~1) >>> 0;
      const word = view.getUint32(4, true);
      cursor.left = word & 0xfffe || 0x10000;
      cursor.last = (word & PRD_END) !== 0;
      cursor.table += 8;
    }
    const n = Math.min(cursor.left, sizeBytes - done);
    move(cursor.gpa, done, n);
    cursor.gpa += n;
    cursor.left -= n;
    done += n;
  }
  return true;
}
interface PrdCursor {
  table: number;
  gpa: number;
  left: number;
  last: boolean;
  count: number;
}

/** Runs a DMA command when both the drive and the bus master are ready for it. */
function tryDma(s: IdeState, channel: number, ctx: C): void {
  const ch = s.channels[channel]!;
  const bm = ch.busMaster;
  const at = current(s, channel, ctx);
  if (at === null || at.d.dma === 'none' || (bm.command & BM_START) === 0) return;
  const { drive, d } = at;
  const cursor: PrdCursor = { table: bm.table, gpa: 0, left: 0, last: false, count: 0 };
  const toMemory = (bytes: Uint8Array): boolean =>
    scatter(ctx, cursor, bytes.length, (gpa, from, n) => ctx.memory.writeBytes(gpa, bytes.subarray(from, from + n)));
  const fromMemory = (bytes: Uint8Array): boolean =>
    scatter(ctx, cursor, bytes.length, (gpa, from, n) => bytes.set(ctx.memory.readBytes(gpa, n), from));
  const fits =
    drive.kind === 'disk' ? diskDma(d, drive.store, toMemory, fromMemory) : cdromDma(d, drive.store, toMemory);
  if (!fits) bm.status |= BM_ERROR;
  // exactly used up: idle; memory left over: still active (the driver stops it)
  if (cursor.last && cursor.left === 0) bm.status &= ~BM_ACTIVE;
  interrupt(ch);
}

const busMaster: RegionHandlers<IdeState, IdePorts> = {
  read(s, offset, size) {
    const { command: cmd, status, table } = s.channels[offset >> 3]!.busMaster;
    const at = offset & 7;
    if (at >= 4) return narrow(table >>> (8 * (at - 4)), size);
    const word = cmd | (status << 16);
    return narrow(word >>> (8 * at), size);
  },
  write(s, offset, size, value, ctx) {
    for (let i = 0; i < size; i++) {
      const channel = (offset + i) >> 3;
      const bm = s.channels[channel]?.busMaster;
      if (bm === undefined) return;
      const byte = (value >>> (8 * i)) & 0xff;
      const at = (offset + i) & 7;
      if (at === 0) {
        const start = (byte & BM_START) !== 0 && (bm.command & BM_START) === 0;
        bm.command = byte & (BM_START | BM_TO_MEMORY);
        if (start) {
          bm.status |= BM_ACTIVE;
          tryDma(s, channel, ctx);
        } else if ((byte & BM_START) === 0) bm.status &= ~BM_ACTIVE;
      } else if (at === 2) bm.status = (bm.status & ~0x60 & ~(byte & (BM_ERROR | BM_INTERRUPT))) | (byte & 0x60);
      else if (at >= 4) {
        const shift = 8 * (at - 4);
        bm.table = (((bm.table & ~(0xff << shift)) | (byte << shift)) & ~3) >>> 0;
      }
    }
  },
};
const narrow = (value: number, size: AccessSize): number => (value & allOnes(size)) >>> 0;

// ---- regions ----

const commandBlock = (channel: number): RegionHandlers<IdeState, IdePorts> => ({
  read(s, offset, size, ctx) {
    if (offset === 0) return readData(s, channel, size, ctx);
    let value = 0;
    for (let i = 0; i < size; i++) {
      if (offset + i === 7) s.channels[channel]!.irq = false; // reading the status takes the interrupt back
      value += readTaskFile(s, channel, offset + i, ctx) * 2 ** (8 * i);
    }
    return value;
  },
  write(s, offset, size, value, ctx) {
    if (offset === 0) writeData(s, channel, size, value, ctx);
    else for (let i = 0; i < size; i++) writeTaskFile(s, channel, offset + i, (value >>> (8 * i)) & 0xff, ctx);
  },
});
const controlBlock = (channel: number): RegionHandlers<IdeState, IdePorts> => ({
  read: (s, _offset, _size, ctx) => readTaskFile(s, channel, 7, ctx),
  write: (s, _offset, _size, value, ctx) => writeControl(s, channel, value & 0xff, ctx),
});
const line = (channel: number) => (s: IdeState) => {
  const ch = s.channels[channel]!;
  return ch.irq && (ch.control & CONTROL_NO_INTERRUPT) === 0;
};

export interface IdeInputs extends PciDeviceInputs {
  /** Another medium is in the drive at place 0..3. */
  mediumChanged(place: number): void;
}

/**
 * PIIX3 IDE. Regions `command0` (0x1f0, 8), `control0` (0x3f6), `command1` (0x170), `control1` (0x376), `busMaster` (16
 * ports at window 4). Lines `irq14`, `irq15`.
 */
export const ideController = device<IdeState, IdePorts, IdeInputs>({
  name: 'ide',
  version: 1,
  state: reset,
  regions: {
    command0: { space: 'pio', sizeBytes: 8 },
    control0: { space: 'pio', sizeBytes: 1 },
    command1: { space: 'pio', sizeBytes: 8 },
    control1: { space: 'pio', sizeBytes: 1 },
    busMaster: { space: 'pio', sizeBytes: 16 },
  },
  lines: { irq14: line(0), irq15: line(1) },
  inputs: {
    configRead: (s, _ctx, register, size) => readConfig(s.config, register, size),
    configWrite: (s, _ctx, register, size, value) => writeConfig(s.config, register, size, value),
    mediumChanged: (s, _ctx, place) => {
      const d = s.channels[place >> 1]?.drives[place & 1];
      if (d !== undefined) d.mediumChanged = true;
    },
  },
  handlers: {
    command0: commandBlock(0),
    control0: controlBlock(0),
    command1: commandBlock(1),
    control1: controlBlock(1),
    busMaster,
  },
});
