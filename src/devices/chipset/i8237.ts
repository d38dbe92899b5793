// The pair of 8237A DMA controllers of a PC with their page registers. Transfers are whole: a device hands over or takes
// all bytes of a block at once. Source: Intel 8237A data sheet; IBM PC/AT Technical Reference "DMA Controllers".

import type { Ctx } from '../device.js';
import { device } from '../device.js';
import type { DmaMemory } from './fw-cfg.js';

const channelState = () => ({ baseAddress: 0, baseCount: 0, address: 0, count: 0, page: 0, mode: 0, masked: true });
const controllerState = () => ({
  command: 0,
  flipFlop: false,
  terminal: 0,
  temporary: 0,
  channels: [0, 1, 2, 3].map(channelState),
});
const reset = () => ({ controllers: [controllerState(), controllerState()], spare: new Array<number>(16).fill(0) });
export type I8237State = ReturnType<typeof reset>;
type Controller = I8237State['controllers'][number];

export interface I8237Ports {
  readonly memory: DmaMemory;
}
export interface I8237Inputs {
  /** A device on channel 0..7 sends bytes to memory; returns how many the channel took. */
  toMemory(channel: number, bytes: Uint8Array): number;
  /** A device takes up to `sizeBytes` bytes from memory. */
  fromMemory(channel: number, sizeBytes: number): Uint8Array;
}

const MODE_AUTO = 0x10;
const MODE_DECREMENT = 0x20;
const COMMAND_DISABLE = 0x04;
/** Page register of channel 0..7, as offset from port 0x80. */
const PAGE_OFFSETS = [0x7, 0x3, 0x1, 0x2, 0xf, 0xb, 0x9, 0xa];

function readController(c: Controller, register: number): number {
  if (register < 8) {
    const ch = c.channels[register >> 1]!;
    const value = (register & 1) === 0 ? ch.address : ch.count;
    c.flipFlop = !c.flipFlop;
    return c.flipFlop ? value & 0xff : value >> 8;
  }
  if (register === 8) {
    const { terminal } = c;
    c.terminal = 0;
    return terminal;
  }
  if (register === 15) return c.channels.reduce((mask, ch, i) => mask | (ch.masked ? 1 << i : 0), 0xf0);
  return c.temporary;
}

function clear(c: Controller): void {
  c.command = 0;
  c.flipFlop = false;
  c.terminal = 0;
  for (const ch of c.channels) ch.masked = true;
}

function writeController(c: Controller, register: number, value: number): void {
  const ch = c.channels[register < 8 ? register >> 1 : value & 3]!;
  switch (register) {
    case 8:
      c.command = value;
      break;
    case 10:
      ch.masked = (value & 4) !== 0;
      break;
    case 11:
      ch.mode = value;
      break;
    case 12:
      c.flipFlop = false;
      break;
    case 13:
      clear(c);
      break;
    case 14:
      for (const each of c.channels) each.masked = false;
      break;
    case 15:
      c.channels.forEach((each, i) => {
        each.masked = ((value >> i) & 1) !== 0;
      });
      break;
    default: {
      if (register > 8) break; // request register: no software requests
      const high = c.flipFlop;
      c.flipFlop = !c.flipFlop;
      const merged = (old: number): number => (high ? (old & 0xff) | (value << 8) : (old & 0xff00) | value);
      if ((register & 1) === 0) {
        ch.baseAddress = merged(ch.baseAddress);
        ch.address = ch.baseAddress;
      } else {
        ch.baseCount = merged(ch.baseCount);
        ch.count = ch.baseCount;
      }
    }
  }
}

/** Moves up to `wanted` bytes over a channel; returns how many. */
function transfer(
  s: I8237State,
  n: number,
  wanted: number,
  move: (gpa: number, from: number, size: number) => void,
): number {
  const c = s.controllers[n >> 2]!;
  const ch = c.channels[n & 3]!;
  if (ch.masked || (c.command & COMMAND_DISABLE) !== 0) return 0;
  const unit = n >= 4 ? 2 : 1; // channels 5..7 count words
  const bytes = Math.min(Math.floor(wanted / unit) * unit, (ch.count + 1) * unit);
  if (bytes === 0) return 0;
  const words = bytes / unit;
  const page = (unit === 2 ? ch.page & 0xfe : ch.page) << 16;
  const down = (ch.mode & MODE_DECREMENT) !== 0;
  for (let done = 0; done < words; ) {
    // addresses wrap inside the page
    const address = down ? (ch.address - done) & 0xffff : (ch.address + done) & 0xffff;
    const run = down ? 1 : Math.min(words - done, 0x10000 - address);
    move(page + address * unit, done * unit, run * unit);
    done += run;
  }
  ch.address = (down ? ch.address - words : ch.address + words) & 0xffff;
  ch.count = (ch.count - words) & 0xffff;
  if (ch.count === 0xffff) {
    c.terminal |= 1 << (n & 3);
    if ((ch.mode & MODE_AUTO) !== 0) {
      ch.address = ch.baseAddress;
      ch.count = ch.baseCount;
    } else ch.masked = true;
  }
  return bytes;
}

const readPage = (s: I8237State, offset: number): number => {
  const n = PAGE_OFFSETS.indexOf(offset);
  return n < 0 ? s.spare[offset]! : s.controllers[n >> 2]!.channels[n & 3]!.page;
};
const writePage = (s: I8237State, offset: number, value: number): void => {
  const n = PAGE_OFFSETS.indexOf(offset);
  if (n < 0) s.spare[offset] = value;
  else s.controllers[n >> 2]!.channels[n & 3]!.page = value;
};

/** Region `low` (0x00, 16), `high` (0xc0, 32: registers at even ports), `pages` (0x81, 15). */
export const i8237 = device<I8237State, I8237Ports, I8237Inputs>({
  name: 'i8237',
  version: 1,
  state: reset,
  regions: {
    low: { space: 'pio', sizeBytes: 16 },
    high: { space: 'pio', sizeBytes: 32 },
    pages: { space: 'pio', sizeBytes: 15 },
  },
  inputs: {
    toMemory: (s: I8237State, ctx: Ctx<I8237Ports>, channel: number, bytes: Uint8Array) =>
      transfer(s, channel, bytes.length, (gpa, from, n) => ctx.memory.writeBytes(gpa, bytes.subarray(from, from + n))),
    fromMemory(s: I8237State, ctx: Ctx<I8237Ports>, channel: number, sizeBytes: number) {
      const bytes = new Uint8Array(sizeBytes);
      const n = transfer(s, channel, sizeBytes, (gpa, from, size) => bytes.set(ctx.memory.readBytes(gpa, size), from));
      return bytes.subarray(0, n);
    },
  },
  handlers: {
    low: {
      read: (s, offset) => readController(s.controllers[0]!, offset),
      write: (s, offset, _size, value) => writeController(s.controllers[0]!, offset, value & 0xff),
    },
    high: {
      read: (s, offset) => readController(s.controllers[1]!, offset >> 1),
      write: (s, offset, _size, value) => writeController(s.controllers[1]!, offset >> 1, value & 0xff),
    },
    pages: {
      read: (s, offset) => readPage(s, offset + 1),
      write: (s, offset, _size, value) => writePage(s, offset + 1, value & 0xff),
    },
  },
});
