// The keyboard controller with a PS/2 keyboard and mouse, and port 0x92. Source: IBM PS/2 Hardware Interface Technical
// Reference, "Keyboard and Auxiliary Device Controller" and "Keyboard"; Intel 82371AB (PIIX4) data sheet for port 0x92.

import { device } from '../device.js';
import { scanSet2ToSet1 } from './scan-codes.js';

const STATUS_OBF = 0x01;
const STATUS_SYSTEM = 0x04;
const STATUS_COMMAND = 0x08;
const STATUS_UNLOCKED = 0x10;
const STATUS_AUX = 0x20;
const CTR_KEYBOARD_INT = 0x01;
const CTR_AUX_INT = 0x02;
const CTR_SYSTEM = 0x04;
const CTR_KEYBOARD_OFF = 0x10;
const CTR_AUX_OFF = 0x20;
const CTR_TRANSLATE = 0x40;
const OUT_NOT_RESET = 0x01;
const OUT_A20 = 0x02;
const OUT_IDLE = 0xcc;
/** Input port: no password jumper, colour display, not inhibited. */
const INPUT_PORT = 0xb0;
const ACK = 0xfa;
const RESEND = 0xfe;
const SELF_TEST_OK = 0x55;
const DEVICE_TEST_OK = 0xaa;
/** Bytes a device may hold; more are dropped as a real keyboard does. */
const QUEUE_BYTES = 256;
/** Time from reading one byte to the next byte of a device. */
const BYTE_GAP_NS = 100_000;
/** Sources of the byte in the output buffer. */
const FROM_CONTROLLER = 1;
const FROM_KEYBOARD = 2;
const FROM_MOUSE = 3;

const reset = () => ({
  ram: [CTR_SYSTEM | CTR_TRANSLATE | CTR_KEYBOARD_INT, ...Array.from({ length: 31 }, () => 0)],
  /** Output port: bit 0 low resets the processor, bit 1 is A20. A20 starts open, as loaders leave it. */
  outputPort: OUT_IDLE | OUT_NOT_RESET | OUT_A20,
  /** Port 0x92: bit 1 A20, bit 0 a reset pulse. */
  port92: 0x02,
  pulsedReset: false,
  lastWasCommand: false,
  /** Controller command that waits for its data byte, 0 when none. */
  command: 0,
  buffer: 0,
  /** Where the buffer's byte came from, 0 when the buffer is empty. */
  source: 0,
  /** When a device may fill the empty buffer. */
  readyNs: 0,
  /** Answers of the controller that wait behind the buffer: byte | aux << 8. */
  answers: [] as number[],
  keyboard: {
    queue: [] as number[],
    command: 0,
    scanning: true,
    scanSet: 2,
    leds: 0,
    lastSent: 0,
    /** A break prefix has been translated away; the next code gets bit 7. */
    breakPrefix: false,
  },
  mouse: {
    queue: [] as number[],
    command: 0,
    reporting: false,
    remote: false,
    wrap: false,
    scaling: false,
    sampleRate: 100,
    resolution: 2,
    buttons: 0,
    dx: 0,
    dy: 0,
  },
});
/** State of controller and both devices. */
export type I8042State = ReturnType<typeof reset>;
type S = I8042State;

const ctr = (s: S): number => s.ram[0]!;

/** Fills the empty output buffer: controller answers at once, device bytes when their time has come. */
function fill(s: S, now: number): void {
  if (s.source !== 0) return;
  const answer = s.answers.shift();
  if (answer !== undefined) {
    s.buffer = answer & 0xff;
    s.source = answer & 0x100 ? FROM_MOUSE : FROM_CONTROLLER;
    return;
  }
  if (now < s.readyNs) return;
  if ((ctr(s) & CTR_KEYBOARD_OFF) === 0) {
    for (;;) {
      const raw = s.keyboard.queue.shift();
      if (raw === undefined) break;
      if (ctr(s) & CTR_TRANSLATE) {
        if (raw === 0xf0) {
          s.keyboard.breakPrefix = true;
          continue;
        }
        s.buffer = scanSet2ToSet1(raw) | (s.keyboard.breakPrefix ? 0x80 : 0);
        s.keyboard.breakPrefix = false;
      } else s.buffer = raw;
      s.keyboard.lastSent = s.buffer;
      s.source = FROM_KEYBOARD;
      return;
    }
  }
  if ((ctr(s) & CTR_AUX_OFF) === 0) {
    const byte = s.mouse.queue.shift();
    if (byte !== undefined) {
      s.buffer = byte;
      s.source = FROM_MOUSE;
    }
  }
}

const deviceWaits = (s: S): boolean =>
  ((ctr(s) & CTR_KEYBOARD_OFF) === 0 && s.keyboard.queue.length > 0) ||
  ((ctr(s) & CTR_AUX_OFF) === 0 && s.mouse.queue.length > 0);

const push = (queue: number[], ...bytes: number[]): void => {
  if (queue.length + bytes.length <= QUEUE_BYTES) queue.push(...bytes);
};

/** A byte from the host to the keyboard. */
function toKeyboard(s: S, v: number): void {
  const k = s.keyboard;
  const waiting = k.command;
  k.command = 0;
  if (waiting !== 0 && v < 0x80) {
    if (waiting === 0xed) k.leds = v & 7;
    if (waiting === 0xf0) {
      if (v === 0) {
        push(k.queue, ACK, k.scanSet);
        return;
      }
      if (v <= 3) k.scanSet = v;
    }
    push(k.queue, ACK);
    return;
  }
  switch (v) {
    case 0xed: // set LEDs
    case 0xf0: // select scan code set
    case 0xf3: // typematic rate
      k.command = v;
      push(k.queue, ACK);
      return;
    case 0xee: // echo
      push(k.queue, 0xee);
      return;
    case 0xf2: // identify
      push(k.queue, ACK, 0xab, 0x83);
      return;
    case 0xf4: // enable
      k.scanning = true;
      push(k.queue, ACK);
      return;
    case 0xf5: // default, disable
    case 0xf6: // default
      k.scanning = v === 0xf6;
      k.scanSet = 2;
      push(k.queue, ACK);
      return;
    case 0xfe: // resend
      push(k.queue, k.lastSent);
      return;
    case 0xff: // reset
      k.queue.length = 0;
      k.scanning = true;
      k.scanSet = 2;
      k.leds = 0;
      push(k.queue, ACK, DEVICE_TEST_OK);
      return;
    default: // 0xf7..0xfd set all keys to some behaviour; others are unknown
      push(k.queue, v >= 0xf7 && v <= 0xfd ? ACK : RESEND);
  }
}

function mouseDefaults(s: S): void {
  Object.assign(s.mouse, {
    reporting: false,
    remote: false,
    wrap: false,
    scaling: false,
    sampleRate: 100,
    resolution: 2,
  });
  s.mouse.dx = 0;
  s.mouse.dy = 0;
}

/** Puts a movement packet into the queue and clears the counters. */
function mousePacket(s: S): void {
  const m = s.mouse;
  const clamp = (v: number): number => Math.max(-256, Math.min(255, v));
  const dx = clamp(m.dx);
  const dy = clamp(m.dy);
  push(m.queue, 0x08 | m.buttons | (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0), dx & 0xff, dy & 0xff);
  m.dx -= dx;
  m.dy -= dy;
}

/** A byte from the host to the mouse. */
function toMouse(s: S, v: number): void {
  const m = s.mouse;
  const waiting = m.command;
  m.command = 0;
  if (waiting !== 0) {
    if (waiting === 0xe8) m.resolution = v & 3;
    if (waiting === 0xf3) m.sampleRate = v;
    push(m.queue, ACK);
    return;
  }
  if (m.wrap && v !== 0xec && v !== 0xff) {
    push(m.queue, v);
    return;
  }
  switch (v) {
    case 0xe6: // scaling 1:1
    case 0xe7: // scaling 2:1
      m.scaling = v === 0xe7;
      break;
    case 0xe8: // resolution
    case 0xf3: // sample rate
      m.command = v;
      break;
    case 0xe9: // status request
      push(
        m.queue,
        ACK,
        (m.remote ? 0x40 : 0) | (m.reporting ? 0x20 : 0) | (m.scaling ? 0x10 : 0) | m.buttons,
        m.resolution,
        m.sampleRate,
      );
      return;
    case 0xea: // stream mode
    case 0xf0: // remote mode
      m.remote = v === 0xf0;
      break;
    case 0xeb: // read data
      push(m.queue, ACK);
      mousePacket(s);
      return;
    case 0xec: // reset wrap mode
    case 0xee: // set wrap mode
      m.wrap = v === 0xee;
      break;
    case 0xf2: // identify: a plain PS/2 mouse
      push(m.queue, ACK, 0x00);
      return;
    case 0xf4:
    case 0xf5:
      m.reporting = v === 0xf4;
      break;
    case 0xf6:
      mouseDefaults(s);
      break;
    case 0xff:
      m.queue.length = 0;
      mouseDefaults(s);
      push(m.queue, ACK, DEVICE_TEST_OK, 0x00);
      return;
    default:
      push(m.queue, RESEND);
      return;
  }
  push(m.queue, ACK);
}

function setOutputPort(s: S, v: number): void {
  s.outputPort = v;
  // Both gates drive one A20 wire; keep the fast gate's bit in step.
  s.port92 = (s.port92 & ~0x02) | (v & OUT_A20);
}

/** A byte for port 0x64. */
function command(s: S, v: number): void {
  s.command = 0;
  if (v >= 0x20 && v <= 0x3f) {
    s.answers.push(s.ram[v - 0x20]!);
    return;
  }
  if ((v >= 0x60 && v <= 0x7f) || (v >= 0xd1 && v <= 0xd4)) {
    s.command = v;
    return;
  }
  switch (v) {
    case 0xa7: // disable auxiliary interface
      s.ram[0] = ctr(s) | CTR_AUX_OFF;
      return;
    case 0xa8:
      s.ram[0] = ctr(s) & ~CTR_AUX_OFF;
      return;
    case 0xa9: // auxiliary interface test
    case 0xab: // keyboard interface test
      s.answers.push(0x00);
      return;
    case 0xaa: // self test
      s.ram[0] = ctr(s) | CTR_SYSTEM;
      s.answers.push(SELF_TEST_OK);
      return;
    case 0xad:
      s.ram[0] = ctr(s) | CTR_KEYBOARD_OFF;
      return;
    case 0xae:
      s.ram[0] = ctr(s) & ~CTR_KEYBOARD_OFF;
      return;
    case 0xc0:
      s.answers.push(INPUT_PORT);
      return;
    case 0xd0:
      s.answers.push(s.outputPort);
      return;
    case 0xdd: // A20 off
      setOutputPort(s, s.outputPort & ~OUT_A20);
      return;
    case 0xdf: // A20 on
      setOutputPort(s, s.outputPort | OUT_A20);
      return;
    default:
      // 0xf0..0xff pulse output lines low; bit 0 is the processor's reset.
      if (v >= 0xf0 && (v & 1) === 0) s.pulsedReset = true;
  }
}

/** A byte for port 0x60. */
function data(s: S, v: number): void {
  const waiting = s.command;
  s.command = 0;
  if (waiting >= 0x60 && waiting <= 0x7f) s.ram[waiting - 0x60] = v;
  else if (waiting === 0xd1) setOutputPort(s, v);
  else if (waiting === 0xd2) s.answers.push(v);
  else if (waiting === 0xd3) s.answers.push(v | 0x100);
  else if (waiting === 0xd4) {
    s.ram[0] = ctr(s) & ~CTR_AUX_OFF;
    toMouse(s, v);
  } else {
    s.ram[0] = ctr(s) & ~CTR_KEYBOARD_OFF; // writing to the keyboard opens its interface
    toKeyboard(s, v);
  }
}

/** What comes from the people at keyboard and mouse. */
export interface I8042Inputs {
  /** Scan codes of set 2, as the keys send them. */
  key(bytes: ArrayLike<number>): void;
  /** Movement in counts, dy up; */
  move(dx: number, dy: number): void;
  /** Buttons: left 1, right 2, middle 4. */
  buttons(mask: number): void;
}

const BYTE_READ_WITHOUT_DATA = 0x00;

/**
 * 8042. Regions `data` (0x60), `command` (0x64), `fastA20` (0x92). Lines: `keyboard` (IRQ 1), `mouse` (IRQ 12), `a20`,
 * `reset`.
 */
// biome-ignore lint/complexity/noBannedTypes: no ports
export const i8042 = device<I8042State, {}, I8042Inputs>({
  name: 'i8042',
  version: 1,
  state: reset,
  regions: {
    data: { space: 'pio', sizeBytes: 1 },
    command: { space: 'pio', sizeBytes: 1 },
    fastA20: { space: 'pio', sizeBytes: 1 },
  },
  lines: {
    keyboard: (s) => (s.source === FROM_KEYBOARD || s.source === FROM_CONTROLLER) && (ctr(s) & CTR_KEYBOARD_INT) !== 0,
    mouse: (s) => s.source === FROM_MOUSE && (ctr(s) & CTR_AUX_INT) !== 0,
    a20: (s) => (s.outputPort & OUT_A20) !== 0,
    reset: (s) => s.pulsedReset || (s.outputPort & OUT_NOT_RESET) === 0,
  },
  // The gap after a read lets the interrupt line fall, so that the next byte makes an edge.
  deadline: (s) => (s.source === 0 && (s.answers.length > 0 || deviceWaits(s)) ? s.readyNs : null),
  elapse: (s, ctx) => fill(s, ctx.nowNs),
  inputs: {
    key: (s, ctx, bytes) => {
      if (!s.keyboard.scanning) return;
      push(s.keyboard.queue, ...Array.from(bytes, (b) => b & 0xff));
      fill(s, ctx.nowNs);
    },
    move: (s, ctx, dx, dy) => {
      s.mouse.dx += Math.trunc(dx);
      s.mouse.dy += Math.trunc(dy);
      if (s.mouse.reporting && !s.mouse.remote) mousePacket(s);
      fill(s, ctx.nowNs);
    },
    buttons: (s, ctx, mask) => {
      s.mouse.buttons = mask & 7;
      if (s.mouse.reporting && !s.mouse.remote) mousePacket(s);
      fill(s, ctx.nowNs);
    },
  },
  registers: {
    data: [
      {
        at: 0,
        name: 'Output buffer',
        read: (s, ctx) => {
          if (s.source === 0) return s.buffer || BYTE_READ_WITHOUT_DATA;
          s.source = 0;
          s.readyNs = ctx.nowNs + BYTE_GAP_NS;
          return s.buffer;
        },
        write: (s, v, ctx) => {
          s.lastWasCommand = false;
          data(s, v);
          fill(s, ctx.nowNs);
        },
      },
    ],
    command: [
      {
        at: 0,
        name: 'Status',
        read: (s, ctx) => {
          // A guest that polls sees answers of the controller without waiting for the gap.
          if (s.answers.length > 0) fill(s, ctx.nowNs);
          return (
            STATUS_UNLOCKED |
            (s.source !== 0 ? STATUS_OBF : 0) |
            (s.source === FROM_MOUSE ? STATUS_AUX : 0) |
            (ctr(s) & CTR_SYSTEM ? STATUS_SYSTEM : 0) |
            (s.lastWasCommand ? STATUS_COMMAND : 0)
          );
        },
        write: (s, v, ctx) => {
          s.lastWasCommand = true;
          command(s, v);
          fill(s, ctx.nowNs);
        },
      },
    ],
    fastA20: [
      {
        at: 0,
        name: 'System Control Port A',
        read: (s) => s.port92,
        write: (s, v) => {
          s.port92 = v & 0xfe;
          s.outputPort = (s.outputPort & ~OUT_A20) | (v & OUT_A20);
          if (v & 1) s.pulsedReset = true;
        },
      },
    ],
  },
});
