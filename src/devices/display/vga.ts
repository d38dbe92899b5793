// A VGA display adapter with the Bochs VBE extensions on the PCI bus. Its memory holds four planes interleaved: plane p
// of plane address a is byte 4 * a + p, so that chain-4 modes and the linear frame buffer see bytes in order.
// Sources: IBM VGA Technical Reference; Bochs documentation, "VBE Display Interface (DISPI)".

import type { AccessSize, Ctx } from '../device.js';
import { device } from '../device.js';
import type { PciDeviceInputs } from '../pci/config-space.js';
import { pciConfig, readConfig, writeConfig } from '../pci/config-space.js';
import { FONT_GLYPHS, FONT_HEIGHT, fontGlyph } from './font.js';

/** Register indices of the DISPI interface. */
export const Dispi = {
  ID: 0,
  XRES: 1,
  YRES: 2,
  BPP: 3,
  ENABLE: 4,
  BANK: 5,
  VIRTUAL_WIDTH: 6,
  VIRTUAL_HEIGHT: 7,
  X_OFFSET: 8,
  Y_OFFSET: 9,
  MEMORY_64K: 10,
} as const;
const DISPI_ID_FIRST = 0xb0c0;
const DISPI_ID_LAST = 0xb0c5;
export const DISPI_ENABLED = 0x01;
const DISPI_GET_CAPABILITIES = 0x02;
export const DISPI_8BIT_DAC = 0x20;
const DISPI_NO_CLEAR = 0x80;
const MAX_XRES = 2560;
const MAX_YRES = 1600;
const MAX_BPP = 32;
const DEPTHS = [4, 8, 15, 16, 24, 32];

const PLANE_BYTES = 0x10000;
const BANK_BYTES = 0x10000;

/** Bits of input status register 1. */
const STATUS_BLANK = 0x01;
const STATUS_RETRACE = 0x08;
/** 70 Hz with 449 lines, as the text and 200- and 400-line modes have. */
const LINE_NS = 31_778;
const LINES = 449;
const RETRACE_LINE = 412;
const VISIBLE_LINES = 400;
const VISIBLE_NS = 25_422;

const reset = () => ({
  misc: 0,
  feature: 0,
  sequencerIndex: 0,
  sequencer: new Array<number>(8).fill(0),
  graphicsIndex: 0,
  graphics: new Array<number>(16).fill(0),
  crtcIndex: 0,
  crtc: new Array<number>(32).fill(0),
  /** With bit 5, palette address source. */
  attributeIndex: 0,
  attributeData: false,
  attribute: new Array<number>(32).fill(0),
  dacMask: 0xff,
  dacRead: 0,
  dacWrite: 0,
  dacReading: false,
  /** Component 0..2 that the next access of the data register concerns. */
  dacStep: 0,
  dacCache: [0, 0, 0],
  dac: new Array<number>(768).fill(0),
  latch: 0,
  dispiIndex: 0,
  dispi: [DISPI_ID_LAST, 0, 0, 8, 0, 0, 0, 0, 0, 0],
  config: pciConfig({
    vendorId: 0x1234,
    deviceId: 0x1111,
    classCode: 0x030000,
    revision: 2,
    subsystemVendorId: 0x1af4,
    subsystemId: 0x1100,
    bars: [{ space: 'mmio', sizeBytes: VIDEO_MEMORY_BYTES }],
  }),
});
/** Bytes of video memory. */
export const VIDEO_MEMORY_BYTES = 16 << 20;
export type VgaState = ReturnType<typeof reset>;

export interface VgaPorts {
  /** The video memory, at least 256 KiB. Guest memory, not state of the device. */
  readonly video: Uint8Array;
  readonly clock: { nowNs(): number };
}

export interface VgaInputs extends PciDeviceInputs {
  /** Sets 80 x 25 text with colours and a font, as firmware would: for guests that start without firmware. */
  setTextMode(): void;
}

type S = VgaState;
type C = Ctx<VgaPorts>;

// ---- ports ----

const ATTRIBUTE = 0x3c0;
const ATTRIBUTE_READ = 0x3c1;
const MISC_WRITE = 0x3c2;
const SEQUENCER_INDEX = 0x3c4;
const SEQUENCER_DATA = 0x3c5;
const DAC_MASK = 0x3c6;
const DAC_READ_INDEX = 0x3c7;
const DAC_WRITE_INDEX = 0x3c8;
const DAC_DATA = 0x3c9;
const FEATURE_READ = 0x3ca;
const MISC_READ = 0x3cc;
const GRAPHICS_INDEX = 0x3ce;
const GRAPHICS_DATA = 0x3cf;
const CRTC_INDEX = 0x3d4;
const CRTC_DATA = 0x3d5;
const STATUS_1 = 0x3da;
const FIRST_PORT = 0x3b0;

const SEQUENCER_WRITABLE = [0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0, 0, 0xff];
const GRAPHICS_WRITABLE = [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff, 0, 0, 0, 0, 0, 0, 0];
const ATTRIBUTE_WRITABLE = [0xef, 0xff, 0x3f, 0x0f, 0x0f]; // 10h..14h

/** Colour adapters answer CRTC and status at 3dx, monochrome ones at 3bx: as 3dx, or 0 when not selected now. */
function selected(s: S, port: number): number {
  if (port >= ATTRIBUTE && port < 0x3d0) return port;
  const colour = (s.misc & 1) !== 0;
  if (port >= 0x3d0) return colour ? port : 0;
  return colour ? 0 : port + 0x20;
}

function status1(s: S, ctx: C): number {
  s.attributeData = false;
  const now = ctx.clock.nowNs();
  const line = Math.floor(now / LINE_NS) % LINES;
  let status = line >= VISIBLE_LINES || now % LINE_NS >= VISIBLE_NS ? STATUS_BLANK : 0;
  if (line >= RETRACE_LINE && line < RETRACE_LINE + 2) status |= STATUS_RETRACE | STATUS_BLANK;
  return status;
}

function readPort(s: S, at: number, ctx: C): number {
  switch (selected(s, at)) {
    case ATTRIBUTE:
      return s.attributeIndex;
    case ATTRIBUTE_READ:
      return s.attribute[s.attributeIndex & 0x1f] ?? 0;
    case MISC_WRITE:
      return 0x10; // input status 0: a colour monitor is sensed
    case SEQUENCER_INDEX:
      return s.sequencerIndex;
    case SEQUENCER_DATA:
      return s.sequencer[s.sequencerIndex & 7] ?? 0;
    case DAC_MASK:
      return s.dacMask;
    case DAC_READ_INDEX:
      return s.dacReading ? 3 : 0;
    case DAC_WRITE_INDEX:
      return s.dacWrite;
    case DAC_DATA: {
      const value = s.dac[s.dacRead * 3 + s.dacStep] ?? 0;
      if (++s.dacStep === 3) {
        s.dacStep = 0;
        s.dacRead = (s.dacRead + 1) & 0xff;
      }
      return value;
    }
    case FEATURE_READ:
      return s.feature;
    case MISC_READ:
      return s.misc;
    case GRAPHICS_INDEX:
      return s.graphicsIndex;
    case GRAPHICS_DATA:
      return s.graphics[s.graphicsIndex & 15] ?? 0;
    case CRTC_INDEX:
      return s.crtcIndex;
    case CRTC_DATA:
      return s.crtc[s.crtcIndex & 31] ?? 0;
    case STATUS_1:
      return status1(s, ctx);
    default:
      return 0xff;
  }
}

function writeAttribute(s: S, value: number): void {
  if (s.attributeData) {
    const i = s.attributeIndex & 0x1f;
    s.attribute[i] = value & (i < 16 ? 0x3f : (ATTRIBUTE_WRITABLE[i - 16] ?? 0));
  } else s.attributeIndex = value & 0x3f;
  s.attributeData = !s.attributeData;
}

function writeCrtc(s: S, value: number): void {
  const i = s.crtcIndex & 31;
  if (i <= 7 && ((s.crtc[0x11] ?? 0) & 0x80) !== 0) {
    // protected, but for bit 8 of line compare
    if (i === 7) s.crtc[7] = ((s.crtc[7] ?? 0) & ~0x10) | (value & 0x10);
    return;
  }
  s.crtc[i] = value;
}

function writePort(s: S, at: number, value: number): void {
  switch (selected(s, at)) {
    case ATTRIBUTE:
      writeAttribute(s, value);
      break;
    case MISC_WRITE:
      s.misc = value & ~0x10;
      break;
    case SEQUENCER_INDEX:
      s.sequencerIndex = value & 7;
      break;
    case SEQUENCER_DATA:
      s.sequencer[s.sequencerIndex] = value & (SEQUENCER_WRITABLE[s.sequencerIndex] ?? 0);
      break;
    case DAC_MASK:
      s.dacMask = value;
      break;
    case DAC_READ_INDEX:
      s.dacRead = value;
      s.dacStep = 0;
      s.dacReading = true;
      break;
    case DAC_WRITE_INDEX:
      s.dacWrite = value;
      s.dacStep = 0;
      s.dacReading = false;
      break;
    case DAC_DATA:
      s.dacCache[s.dacStep] = (s.dispi[Dispi.ENABLE]! & DISPI_8BIT_DAC) !== 0 ? value : value & 0x3f;
      if (++s.dacStep === 3) {
        s.dacStep = 0;
        for (let i = 0; i < 3; i++) s.dac[s.dacWrite * 3 + i] = s.dacCache[i]!;
        s.dacWrite = (s.dacWrite + 1) & 0xff;
      }
      break;
    case GRAPHICS_INDEX:
      s.graphicsIndex = value & 15;
      break;
    case GRAPHICS_DATA:
      s.graphics[s.graphicsIndex] = value & (GRAPHICS_WRITABLE[s.graphicsIndex] ?? 0);
      break;
    case CRTC_INDEX:
      s.crtcIndex = value & 31;
      break;
    case CRTC_DATA:
      writeCrtc(s, value);
      break;
    case STATUS_1:
      s.feature = value & 0x10;
      break;
  }
}

// ---- VBE display interface ----

/** Bytes of a pixel in a packed mode of `bpp` bits. */
export const pixelBytes = (bpp: number): number => (bpp === 15 ? 2 : Math.max(1, bpp >> 3));

/** A packed-pixel VBE mode is on. */
export const dispiActive = (s: S): boolean => (s.dispi[Dispi.ENABLE]! & DISPI_ENABLED) !== 0;

/** Bytes from one line to the next in a VBE mode; for 4 bits per pixel, in one plane. */
export function dispiPitch(s: S): number {
  const width = s.dispi[Dispi.VIRTUAL_WIDTH]!;
  return s.dispi[Dispi.BPP] === 4 ? width >> 3 : width * pixelBytes(s.dispi[Dispi.BPP]!);
}

function fixVirtual(s: S, videoBytes: number): void {
  const d = s.dispi;
  if (d[Dispi.VIRTUAL_WIDTH]! < d[Dispi.XRES]!) d[Dispi.VIRTUAL_WIDTH] = d[Dispi.XRES]!;
  const pitch = Math.max(1, dispiPitch(s)) * (d[Dispi.BPP] === 4 ? 4 : 1);
  d[Dispi.VIRTUAL_HEIGHT] = Math.min(0xffff, Math.floor(videoBytes / pitch));
  if (d[Dispi.X_OFFSET]! + d[Dispi.XRES]! > d[Dispi.VIRTUAL_WIDTH]!) d[Dispi.X_OFFSET] = 0;
  if (d[Dispi.Y_OFFSET]! + d[Dispi.YRES]! > d[Dispi.VIRTUAL_HEIGHT]!) d[Dispi.Y_OFFSET] = 0;
}

function readDispi(s: S, ctx: C): number {
  const i = s.dispiIndex;
  if (i === Dispi.MEMORY_64K) return ctx.video.length / BANK_BYTES;
  if ((s.dispi[Dispi.ENABLE]! & DISPI_GET_CAPABILITIES) !== 0) {
    if (i === Dispi.XRES) return MAX_XRES;
    if (i === Dispi.YRES) return MAX_YRES;
    if (i === Dispi.BPP) return MAX_BPP;
  }
  return s.dispi[i] ?? 0;
}

function writeDispi(s: S, value: number, ctx: C): void {
  const d = s.dispi;
  switch (s.dispiIndex) {
    case Dispi.ID:
      if (value >= DISPI_ID_FIRST && value <= DISPI_ID_LAST) d[Dispi.ID] = value;
      break;
    case Dispi.XRES:
      if (value <= MAX_XRES && (value & 7) === 0) d[Dispi.XRES] = value;
      break;
    case Dispi.YRES:
      if (value <= MAX_YRES) d[Dispi.YRES] = value;
      break;
    case Dispi.BPP: {
      const bpp = value === 0 ? 8 : value;
      if (DEPTHS.includes(bpp)) d[Dispi.BPP] = bpp;
      break;
    }
    case Dispi.BANK:
      if (value * BANK_BYTES < ctx.video.length) d[Dispi.BANK] = value;
      break;
    case Dispi.ENABLE: {
      const on = (value & DISPI_ENABLED) !== 0 && !dispiActive(s);
      d[Dispi.ENABLE] = value;
      if (on) {
        d[Dispi.VIRTUAL_WIDTH] = 0;
        d[Dispi.X_OFFSET] = 0;
        d[Dispi.Y_OFFSET] = 0;
        fixVirtual(s, ctx.video.length);
        if ((value & DISPI_NO_CLEAR) === 0)
          ctx.video.fill(0, 0, dispiPitch(s) * d[Dispi.YRES]! * (d[Dispi.BPP] === 4 ? 4 : 1));
      } else if ((value & DISPI_ENABLED) === 0) d[Dispi.BANK] = 0;
      break;
    }
    case Dispi.VIRTUAL_WIDTH:
    case Dispi.X_OFFSET:
    case Dispi.Y_OFFSET:
      d[s.dispiIndex] = value;
      fixVirtual(s, ctx.video.length);
      break;
  }
}

// ---- video memory through the window at 0xa0000 ----

const replicate = (bits: number): number =>
  (bits & 1 ? 0xff : 0) | (bits & 2 ? 0xff00 : 0) | (bits & 4 ? 0xff0000 : 0) | (bits & 8 ? 0xff000000 : 0);
const PLANES = Array.from({ length: 16 }, (_, i) => replicate(i) >>> 0);
const spread = (byte: number): number => byte | (byte << 8) | (byte << 16) | (byte << 24) | 0;

/** Address in the window's mapping, or -1: not decoded. */
function windowAddress(s: S, offset: number): number {
  switch ((s.graphics[6]! >> 2) & 3) {
    case 0:
      return offset;
    case 1:
      return offset < 0x10000 ? offset : -1;
    case 2:
      return offset >= 0x10000 && offset < 0x18000 ? offset - 0x10000 : -1;
    default:
      return offset >= 0x18000 ? offset - 0x18000 : -1;
  }
}

const packed = (s: S): boolean => dispiActive(s) && s.dispi[Dispi.BPP]! >= 8;

function readMemory(s: S, offset: number, video: Uint8Array): number {
  if (packed(s)) return offset < BANK_BYTES ? (video[s.dispi[Dispi.BANK]! * BANK_BYTES + offset] ?? 0xff) : 0xff;
  const a = windowAddress(s, offset);
  if (a < 0) return 0xff;
  if ((s.sequencer[4]! & 0x08) !== 0) return video[a] ?? 0xff; // chain 4
  const g = s.graphics;
  if ((g[5]! & 0x10) !== 0) return video[((a & ~1) << 1) | (g[4]! & 2) | (a & 1)] ?? 0xff; // odd/even
  const at = (a & (PLANE_BYTES - 1)) << 2;
  s.latch = (video[at]! | (video[at + 1]! << 8) | (video[at + 2]! << 16) | (video[at + 3]! << 24)) >>> 0;
  if ((g[5]! & 0x08) === 0) return (s.latch >>> (8 * g[4]!)) & 0xff;
  const different = (s.latch ^ PLANES[g[2]!]!) & PLANES[g[7]!]!;
  return ~(different | (different >>> 8) | (different >>> 16) | (different >>> 24)) & 0xff;
}

function writeMemory(s: S, offset: number, value: number, video: Uint8Array): void {
  if (packed(s)) {
    const at = s.dispi[Dispi.BANK]! * BANK_BYTES + offset;
    if (offset < BANK_BYTES && at < video.length) video[at] = value;
    return;
  }
  const a = windowAddress(s, offset);
  if (a < 0) return;
  const mask = s.sequencer[2]!;
  if ((s.sequencer[4]! & 0x08) !== 0) {
    if ((mask & (1 << (a & 3))) !== 0) video[a] = value;
    return;
  }
  const g = s.graphics;
  if ((g[5]! & 0x10) !== 0) {
    const plane = (g[4]! & 2) | (a & 1);
    if ((mask & (1 << plane)) !== 0) video[((a & ~1) << 1) | plane] = value;
    return;
  }
  const at = (a & (PLANE_BYTES - 1)) << 2;
  const data = planarData(s, value);
  for (let p = 0; p < 4; p++) if ((mask & (1 << p)) !== 0) video[at + p] = (data >>> (8 * p)) & 0xff;
}

/** The four planes' bytes of a write in the present write mode. */
function planarData(s: S, value: number): number {
  const g = s.graphics;
  const mode = g[5]! & 3;
  if (mode === 1) return s.latch;
  const count = g[3]! & 7;
  const rotated = ((value >> count) | (value << (8 - count))) & 0xff;
  let bits = g[8]!;
  let data: number;
  if (mode === 0) {
    const set = PLANES[g[1]!]!;
    data = (spread(rotated) & ~set) | (PLANES[g[0]!]! & set);
  } else if (mode === 2) data = PLANES[value & 15]!;
  else {
    bits &= rotated;
    data = PLANES[g[0]!]!;
  }
  switch (g[3]! >> 3) {
    case 1:
      data &= s.latch;
      break;
    case 2:
      data |= s.latch;
      break;
    case 3:
      data ^= s.latch;
      break;
  }
  const mask = spread(bits);
  return ((data & mask) | (s.latch & ~mask)) >>> 0;
}

// ---- text mode without firmware ----

const TEXT_SEQUENCER = [0x03, 0x00, 0x03, 0x00, 0x02];
const TEXT_GRAPHICS = [0, 0, 0, 0, 0, 0x10, 0x0e, 0x0f, 0xff];
const TEXT_CRTC = [
  0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x1f,
  0x96, 0xb9, 0xa3, 0xff,
];
const TEXT_ATTRIBUTE = [0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0, 0x0f, 8, 0];

function setTextMode(s: S, video: Uint8Array): void {
  const put = (to: number[], values: readonly number[]): void => {
    for (const [i, v] of values.entries()) to[i] = v;
  };
  s.misc = 0x67;
  put(s.sequencer, TEXT_SEQUENCER);
  put(s.graphics, TEXT_GRAPHICS);
  put(s.crtc, TEXT_CRTC);
  put(s.attribute, TEXT_ATTRIBUTE);
  s.attributeIndex = 0x20;
  s.attributeData = false;
  s.dacMask = 0xff;
  s.dispi[Dispi.ENABLE] = 0;
  for (let i = 0; i < 64; i++) {
    // six bits rgbRGB: two thirds for the low-weight ones, one third for the high-weight ones
    const level = (high: number, low: number): number => ((i >> high) & 1) * 42 + ((i >> low) & 1) * 21;
    s.dac[i * 3] = level(2, 5);
    s.dac[i * 3 + 1] = level(1, 4);
    s.dac[i * 3 + 2] = level(0, 3);
  }
  for (let a = 0; a < 80 * 25; a++) {
    video[a * 4] = 0x20;
    video[a * 4 + 1] = 0x07;
  }
  for (let c = 0; c < FONT_GLYPHS; c++) {
    const glyph = fontGlyph(c);
    for (let y = 0; y < FONT_HEIGHT; y++) video[(c * 32 + y) * 4 + 2] = glyph[y]!;
  }
}

/**
 * VGA with DISPI. Regions `ports` (0x3b0, 48), `dispi` (0x1ce, 3), `memory` (0xa0000, 128 KiB). Window 0 of its PCI
 * function is the video memory, which the board maps.
 */
export const vga = device<VgaState, VgaPorts, VgaInputs>({
  name: 'vga',
  version: 1,
  state: reset,
  regions: {
    ports: { space: 'pio', sizeBytes: 0x30 },
    dispi: { space: 'pio', sizeBytes: 3 },
    memory: { space: 'mmio', sizeBytes: 0x20000 },
  },
  inputs: {
    configRead: (s, _ctx, register, size) => readConfig(s.config, register, size),
    configWrite: (s, _ctx, register, size, value) => writeConfig(s.config, register, size, value),
    setTextMode: (s, ctx) => setTextMode(s, ctx.video),
  },
  handlers: {
    ports: {
      read: (s, offset, size, ctx) => bytewise(size, (i) => readPort(s, FIRST_PORT + offset + i, ctx)),
      write(s, offset, size, value) {
        for (let i = 0; i < size; i++) writePort(s, FIRST_PORT + offset + i, (value >>> (8 * i)) & 0xff);
      },
    },
    dispi: {
      // the index at 0x1ce, the data at 0x1cf (and, aligned, at 0x1d0), both 16 bits wide
      read: (s, offset, size, ctx) => (offset === 0 ? s.dispiIndex : readDispi(s, ctx)) & (size === 1 ? 0xff : 0xffff),
      write(s, offset, _size, value, ctx) {
        if (offset === 0) s.dispiIndex = value & 0xffff;
        else writeDispi(s, value & 0xffff, ctx);
      },
    },
    memory: {
      read: (s, offset, size, ctx) => bytewise(size, (i) => readMemory(s, offset + i, ctx.video)),
      write(s, offset, size, value, ctx) {
        for (let i = 0; i < size; i++) writeMemory(s, offset + i, (value >>> (8 * i)) & 0xff, ctx.video);
      },
    },
  },
});

function bytewise(size: AccessSize, read: (i: number) => number): number {
  let value = 0;
  for (let i = 0; i < size; i++) value += read(i) * 2 ** (8 * i);
  return value;
}
