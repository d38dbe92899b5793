// An ATAPI CD-ROM drive: packet commands and their data. Sources: ATA/ATAPI-6 "PACKET"; SCSI MMC-3 "Commands for
// Multi-Media Devices"; SPC-2 "INQUIRY", "REQUEST SENSE".

import type { BlockStore } from '../../host/index.js';
import {
  aborted,
  completed,
  type DriveState,
  demand,
  identifyBytes,
  identifyText,
  offer,
  putSignature,
  Reason,
  resetDrive,
  Status,
} from './ide-drive.js';

export const CD_SECTOR_BYTES = 2048;
const PACKET_BYTES = 12;
const FRAMES_PER_SECOND = 75;
const LEAD_IN_FRAMES = 150;
const LEAD_OUT = 0xaa;

export const SenseKey = { NONE: 0, NOT_READY: 2, MEDIUM_ERROR: 3, ILLEGAL_REQUEST: 5, UNIT_ATTENTION: 6 } as const;
const NO_MEDIUM = 0x3a;
const MEDIUM_CHANGED = 0x28;
const INVALID_COMMAND = 0x20;
const OUT_OF_RANGE = 0x21;
const INVALID_FIELD = 0x24;
const SAVING_NOT_SUPPORTED = 0x39;
const UNRECOVERED_READ = 0x11;
const REMOVAL_PREVENTED = 0x53;

const PROFILE_CD_ROM = 0x0008;

/** Blocks of 2048 bytes. */
export const cdBlocks = (store: BlockStore): number =>
  Math.floor((store.sectors * store.sectorBytes) / CD_SECTOR_BYTES);

export function identifyCdrom(d: DriveState, serial: string): Uint8Array {
  const w = new Uint16Array(256);
  w[0] = 0x85c0; // packet device, CD-ROM, removable, 12-byte packets, DRQ within 50 us
  identifyText(w, 10, 10, serial);
  identifyText(w, 23, 4, '1.0');
  identifyText(w, 27, 20, 'PCANEL DVD-ROM');
  w[48] = 1;
  w[49] = 0x0f00;
  w[53] = 7;
  w[63] = 7 | (d.multiwordDma >= 0 ? 0x100 << d.multiwordDma : 0);
  w[64] = 3;
  w[65] = 0xb4;
  w[66] = 0xb4;
  w[67] = 0x12c;
  w[68] = 0xb4;
  w[71] = 30;
  w[72] = 30;
  w[80] = 0x1e; // up to ATA/ATAPI-4
  w[82] = 0x4210; // NOP, DEVICE RESET, PACKET
  w[83] = 0x4000;
  w[84] = 0x4000;
  w[85] = 0x4210;
  w[87] = 0x4000;
  w[88] = 0x3f | (d.ultraDma >= 0 ? 0x100 << d.ultraDma : 0);
  return identifyBytes(w);
}

const be32 = (b: ArrayLike<number>, at: number): number =>
  b[at]! * 2 ** 24 + ((b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!);
const be16 = (b: ArrayLike<number>, at: number): number => (b[at]! << 8) | b[at + 1]!;
const bytes16 = (v: number): number[] => [(v >> 8) & 0xff, v & 0xff];
const bytes32 = (v: number): number[] => [(v >>> 24) & 0xff, (v >>> 16) & 0xff, (v >>> 8) & 0xff, v & 0xff];

/** A track address as logical block or as minutes, seconds and frames. */
function trackAddress(lba: number, msf: boolean): number[] {
  if (!msf) return bytes32(lba);
  const frame = lba + LEAD_IN_FRAMES;
  const seconds = Math.floor(frame / FRAMES_PER_SECOND);
  return [0, Math.floor(seconds / 60), seconds % 60, frame % FRAMES_PER_SECOND];
}

function fail(d: DriveState, key: number, code: number): void {
  aborted(d, key << 4);
  d.senseKey = key;
  d.senseCode = code;
  d.senseQualifier = 0;
  d.count[0] = Reason.COMMAND | Reason.TO_HOST;
}
function succeed(d: DriveState): void {
  completed(d);
  d.senseKey = SenseKey.NONE;
  d.senseCode = 0;
  d.senseQualifier = 0;
  d.count[0] = Reason.COMMAND | Reason.TO_HOST;
}

/** Hands out the next part of the answer, at most what the host's byte count limit allows. */
function nextPart(d: DriveState, store: BlockStore | null): void {
  if (d.reading && d.answerAt === d.answer.length) {
    // a block at a time is fetched, as many as one part holds
    const limit = Math.max(1, Math.floor(d.byteLimit / CD_SECTOR_BYTES));
    const n = Math.min(d.left, limit);
    if (n > 0) {
      const block = new Uint8Array(n * CD_SECTOR_BYTES);
      try {
        store?.read((d.lba * CD_SECTOR_BYTES) / store.sectorBytes, block);
      } catch {
        fail(d, SenseKey.MEDIUM_ERROR, UNRECOVERED_READ);
        return;
      }
      d.lba += n;
      d.left -= n;
      d.answer = Array.from(block);
      d.answerAt = 0;
    }
  }
  const n = Math.min(d.answer.length - d.answerAt, d.byteLimit);
  if (n === 0) {
    d.reading = false;
    d.answer = [];
    d.answerAt = 0;
    succeed(d);
    return;
  }
  const part = d.answer.slice(d.answerAt, d.answerAt + n);
  d.answerAt += n;
  offer(d, (n & 1) !== 0 ? [...part, 0] : part);
  d.lbaMid[0] = n & 0xff;
  d.lbaHigh[0] = n >> 8;
  d.count[0] = Reason.TO_HOST;
}

function answer(d: DriveState, data: readonly number[], allocated: number): void {
  d.answer = data.slice(0, allocated);
  d.answerAt = 0;
  d.reading = false;
  d.left = 0;
  if ((d.features[0]! & 1) !== 0 && d.answer.length > 0) {
    d.dma = 'read';
    d.status |= Status.DRQ;
  } else nextPart(d, null);
}

function read(d: DriveState, store: BlockStore, lba: number, blocks: number): void {
  if (lba + blocks > cdBlocks(store)) {
    fail(d, SenseKey.ILLEGAL_REQUEST, OUT_OF_RANGE);
    return;
  }
  d.lba = lba;
  d.left = blocks;
  d.answer = [];
  d.answerAt = 0;
  if (blocks === 0) {
    succeed(d);
    return;
  }
  d.reading = true;
  if ((d.features[0]! & 1) !== 0) {
    d.dma = 'read';
    d.status |= Status.DRQ;
  } else nextPart(d, store);
}

function inquiry(): number[] {
  const text = (s: string, n: number): number[] => [...s.padEnd(n)].map((c) => c.charCodeAt(0));
  return [0x05, 0x80, 0x00, 0x21, 31, 0, 0, 0, ...text('PCANEL', 8), ...text('DVD-ROM', 16), ...text('1.0', 4)];
}

function modePages(page: number): number[] | null {
  const error = [0x01, 6, 0, 5, 0, 0, 0, 0];
  const capabilities = [
    0x2a,
    18,
    0x3b,
    0,
    0x71,
    0x60,
    0x29,
    0,
    ...bytes16(706),
    0,
    2,
    ...bytes16(512),
    ...bytes16(706),
    0,
    0,
    0,
    0,
  ];
  const audio = [0x0e, 14, 4, 0, 0, 0, 0, 75, 1, 255, 2, 255, 0, 0, 0, 0];
  if (page === 0x01) return error;
  if (page === 0x2a) return capabilities;
  if (page === 0x0e) return audio;
  return page === 0x3f ? [...error, ...audio, ...capabilities] : null;
}

function readToc(d: DriveState, store: BlockStore, packet: readonly number[]): void {
  const msf = (packet[1]! & 2) !== 0;
  const format = packet[2]! & 15 || packet[9]! >> 6;
  const allocated = be16(packet, 7);
  const start = packet[6]!;
  const end = trackAddress(cdBlocks(store), msf);
  const first = trackAddress(0, msf);
  if (format === 0) {
    if (start > 1 && start !== LEAD_OUT) {
      fail(d, SenseKey.ILLEGAL_REQUEST, INVALID_FIELD);
      return;
    }
    const tracks = [...(start <= 1 ? [0, 0x14, 1, 0, ...first] : []), 0, 0x16, LEAD_OUT, 0, ...end];
    answer(d, [...bytes16(tracks.length + 2), 1, 1, ...tracks], allocated);
  } else if (format === 1) answer(d, [0, 10, 1, 1, 0, 0x14, 1, 0, ...bytes32(0)], allocated);
  else if (format === 2) {
    const point = (p: number, m: readonly number[]): number[] => [1, 0x14, 0, p, 0, 0, 0, 0, ...m.slice(1)];
    const rows = [
      ...point(0xa0, [0, 1, 0, 0]),
      ...point(0xa1, [0, 1, 0, 0]),
      ...point(0xa2, trackAddress(cdBlocks(store), true)),
      ...point(1, trackAddress(0, true)),
    ];
    answer(d, [...bytes16(rows.length + 2), 1, 1, ...rows], allocated);
  } else fail(d, SenseKey.ILLEGAL_REQUEST, INVALID_FIELD);
}

function getConfiguration(d: DriveState, medium: boolean, packet: readonly number[]): void {
  const current = medium ? PROFILE_CD_ROM : 0;
  const on = medium ? 1 : 0;
  const features = [
    ...[0, 0, 0x03, 4, ...bytes16(PROFILE_CD_ROM), on, 0], // profile list
    ...[0, 1, 0x0b, 8, ...bytes32(2), 1, 0, 0, 0], // core: ATAPI
    ...[0, 3, 0x07, 4, 0x29, 0, 0, 0], // removable medium: tray, eject, lock
    ...[0, 0x1e, 0x08 | on, 4, 0, 0, 0, 0], // CD read
  ];
  answer(d, [...bytes32(features.length + 4), 0, 0, ...bytes16(current), ...features], be16(packet, 7));
}

/** Commands that work without a medium, or while a change of it is still to be told. */
const ALWAYS = [0x03, 0x12, 0x46, 0x4a, 0x1e, 0x1b, 0x5a, 0xbd];

/** Carries out the packet in the buffer. */
function packetCommand(d: DriveState, store: BlockStore | null): void {
  const p = d.buffer;
  const command = p[0]!;
  d.phase = 'none';
  if (!ALWAYS.includes(command)) {
    if (d.mediumChanged && store !== null) {
      d.mediumChanged = false;
      fail(d, SenseKey.UNIT_ATTENTION, MEDIUM_CHANGED);
      return;
    }
    if (store === null) {
      fail(d, SenseKey.NOT_READY, NO_MEDIUM);
      return;
    }
  }
  const medium = store as BlockStore; // commands below ALWAYS look at `store`
  switch (command) {
    case 0x00: // TEST UNIT READY
      succeed(d);
      break;
    case 0x03: {
      // REQUEST SENSE
      const sense = [0x70, 0, d.senseKey, 0, 0, 0, 0, 10, 0, 0, 0, 0, d.senseCode, d.senseQualifier, 0, 0, 0, 0];
      if (d.senseKey === SenseKey.NONE && d.mediumChanged && store !== null) {
        sense[2] = SenseKey.UNIT_ATTENTION;
        sense[12] = MEDIUM_CHANGED;
        d.mediumChanged = false;
      }
      d.senseKey = SenseKey.NONE;
      d.senseCode = 0;
      answer(d, sense, p[4]!);
      break;
    }
    case 0x12: // INQUIRY
      if ((p[1]! & 1) !== 0) fail(d, SenseKey.ILLEGAL_REQUEST, INVALID_FIELD);
      else answer(d, inquiry(), be16(p, 3));
      break;
    case 0x1b: {
      // START STOP UNIT: the tray does not move a medium that the host owns
      const eject = (p[4]! & 3) === 2;
      if (eject && d.locked) fail(d, SenseKey.ILLEGAL_REQUEST, REMOVAL_PREVENTED);
      else succeed(d);
      break;
    }
    case 0x1e: // PREVENT ALLOW MEDIUM REMOVAL
      d.locked = (p[4]! & 1) !== 0;
      succeed(d);
      break;
    case 0x25: // READ CAPACITY
      answer(d, [...bytes32(cdBlocks(medium) - 1), ...bytes32(CD_SECTOR_BYTES)], 8);
      break;
    case 0x28: // READ (10)
      read(d, medium, be32(p, 2), be16(p, 7));
      break;
    case 0xa8: // READ (12)
      read(d, medium, be32(p, 2), be32(p, 6));
      break;
    case 0xbe: {
      // READ CD: user data only
      const blocks = (p[6]! << 16) | be16(p, 7);
      const wanted = p[9]! & 0xf8;
      if (blocks === 0 || wanted === 0) succeed(d);
      else if (wanted === 0x10) read(d, medium, be32(p, 2), blocks);
      else fail(d, SenseKey.ILLEGAL_REQUEST, INVALID_FIELD);
      break;
    }
    case 0x2b: // SEEK (10)
      if (be32(p, 2) < cdBlocks(medium)) succeed(d);
      else fail(d, SenseKey.ILLEGAL_REQUEST, OUT_OF_RANGE);
      break;
    case 0x42: // READ SUB-CHANNEL
      answer(d, [0, 0x15, 0, 0], be16(p, 7));
      break;
    case 0x43:
      readToc(d, medium, p);
      break;
    case 0x46:
      getConfiguration(d, store !== null, p);
      break;
    case 0x4a: // GET EVENT STATUS NOTIFICATION
      if ((p[1]! & 1) === 0) fail(d, SenseKey.ILLEGAL_REQUEST, INVALID_FIELD);
      else if ((p[4]! & 0x10) === 0) answer(d, [0, 2, 0x80, 0x10], be16(p, 7));
      else answer(d, [0, 6, 0x04, 0x10, 0, store === null ? 0 : 2, 0, 0], be16(p, 7));
      break;
    case 0x51: // READ DISC INFORMATION
      answer(d, [0, 32, 0x0e, 1, 1, 1, 1, 0x20, ...new Array<number>(26).fill(0)], be16(p, 7));
      break;
    case 0x52: // READ TRACK INFORMATION
      answer(
        d,
        [
          0,
          34,
          1,
          1,
          0,
          4,
          1,
          0,
          ...bytes32(0),
          ...bytes32(0),
          ...bytes32(0),
          ...bytes32(0),
          ...bytes32(cdBlocks(medium)),
          ...bytes32(0),
          0,
          0,
          0,
          0,
        ],
        be16(p, 7),
      );
      break;
    case 0x5a: {
      // MODE SENSE (10)
      const pages = modePages(p[2]! & 0x3f);
      if (p[2]! >> 6 === 3) fail(d, SenseKey.ILLEGAL_REQUEST, SAVING_NOT_SUPPORTED);
      else if (pages === null) fail(d, SenseKey.ILLEGAL_REQUEST, INVALID_FIELD);
      else answer(d, [...bytes16(pages.length + 6), store === null ? 0x70 : 0x01, 0, 0, 0, 0, 0, ...pages], be16(p, 7));
      break;
    }
    case 0xbb: // SET CD SPEED
      succeed(d);
      break;
    case 0xbd: // MECHANISM STATUS
      answer(d, [0, 0, 0, 0, 0, 0, 0, 0], be16(p, 8));
      break;
    default:
      fail(d, SenseKey.ILLEGAL_REQUEST, INVALID_COMMAND);
  }
}

/** The data register's buffer has been emptied or filled. Tells whether to interrupt. */
export function cdromBufferDone(d: DriveState, store: BlockStore | null): boolean {
  if (d.phase === 'packet') {
    packetCommand(d, store);
    return d.dma === 'none';
  }
  if (d.perBlock === 0) {
    completed(d); // IDENTIFY PACKET DEVICE
    return false;
  }
  nextPart(d, store);
  return true;
}

/** Moves the whole answer of a packet command by DMA; false: the host's area was too small. */
export function cdromDma(d: DriveState, store: BlockStore | null, toMemory: (bytes: Uint8Array) => boolean): boolean {
  const CHUNK = 32;
  let fits = true;
  try {
    if (d.reading) {
      while (d.left > 0 && fits) {
        const n = Math.min(d.left, CHUNK);
        const bytes = new Uint8Array(n * CD_SECTOR_BYTES);
        store?.read((d.lba * CD_SECTOR_BYTES) / store.sectorBytes, bytes);
        fits = toMemory(bytes);
        d.lba += n;
        d.left -= n;
      }
    } else fits = toMemory(Uint8Array.from(d.answer));
  } catch {
    fail(d, SenseKey.MEDIUM_ERROR, UNRECOVERED_READ);
    return true;
  }
  d.reading = false;
  d.answer = [];
  succeed(d);
  return fits;
}

/** Carries out an ATA command. 'interrupt': the host is told. */
export function cdromCommand(d: DriveState, serial: string, command: number): 'interrupt' | 'quiet' {
  switch (command) {
    case 0xa0: {
      // PACKET
      d.byteLimit = d.lbaMid[0]! | (d.lbaHigh[0]! << 8);
      if (d.byteLimit === 0 || d.byteLimit === 0xffff) d.byteLimit = 0xfffe;
      d.byteLimit &= ~1;
      if (d.byteLimit === 0) d.byteLimit = 2;
      d.perBlock = 1;
      demand(d, PACKET_BYTES, 'packet');
      d.count[0] = Reason.COMMAND;
      return 'quiet';
    }
    case 0xa1: // IDENTIFY PACKET DEVICE
      d.perBlock = 0;
      offer(d, identifyCdrom(d, serial));
      return 'interrupt';
    case 0x08: // DEVICE RESET
      resetDrive(d, true);
      return 'quiet';
    case 0xec: // IDENTIFY DEVICE, READ SECTORS: refused with the signature
    case 0x20:
      aborted(d);
      putSignature(d, true);
      return 'interrupt';
    case 0xef: // SET FEATURES
      if (d.features[0] === 3) {
        const value = d.count[0]!;
        d.ultraDma = value >> 3 === 0x08 ? value & 7 : -1;
        d.multiwordDma = value >> 3 === 0x04 ? value & 7 : -1;
      }
      completed(d);
      return 'interrupt';
    case 0xe5: // CHECK POWER MODE
      completed(d);
      d.count[0] = 0xff;
      return 'interrupt';
    case 0xe0:
    case 0xe1:
    case 0xe2:
    case 0xe3:
    case 0xe6:
    case 0xe7:
      completed(d);
      return 'interrupt';
    default:
      aborted(d);
      return 'interrupt';
  }
}
