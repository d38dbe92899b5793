// The 16550A serial port. Source: TI PC16550D data sheet, "Registers", "FIFO Interrupt Mode Operation". One byte per
// register.

import { device } from '../device.js';

const IER_RX = 0x01;
const IER_THRE = 0x02;
const IER_LINE = 0x04;
const IER_MODEM = 0x08;
const IIR_NONE = 0x01;
const IIR_MODEM = 0x00;
const IIR_THRE = 0x02;
const IIR_RX = 0x04;
const IIR_TIMEOUT = 0x0c;
const IIR_LINE = 0x06;
const IIR_FIFO_ON = 0xc0;
const FCR_ENABLE = 0x01;
const FCR_CLEAR_RX = 0x02;
const FCR_CLEAR_TX = 0x04;
const LCR_BREAK = 0x40;
const LCR_DLAB = 0x80;
const MCR_DTR = 0x01;
const MCR_RTS = 0x02;
const MCR_OUT1 = 0x04;
const MCR_OUT2 = 0x08;
const MCR_LOOP = 0x10;
const LSR_DR = 0x01;
const LSR_OE = 0x02;
const LSR_BI = 0x10;
const LSR_ERRORS = 0x1e;
const LSR_THRE_TEMT = 0x60;
const LSR_FIFO_ERROR = 0x80;
const MSR_CTS = 0x10;
const MSR_DSR = 0x20;
const MSR_RI = 0x40;
const MSR_DCD = 0x80;
const MSR_TERI = 0x04;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;
const FIFO_BYTES = 16;
/** Bytes that may wait on the line before `receive` refuses more. */
export const UART_QUEUE_BYTES = 1024;
/** So many looks at LSR with nothing sent in between are those of a guest that polls for input. */
const POLLS = 8;
const CLOCK_HZ = 1_843_200;
/** A byte in the queue with its error bits of LSR. */
type Received = number;

const reset = () => ({
  divisor: 12,
  ier: 0,
  fcr: 0,
  lcr: 0x03,
  mcr: 0,
  scr: 0,
  /** Error bits of LSR that are set. */
  lsrErrors: 0,
  /** Delta bits of MSR. */
  msrDelta: 0,
  /** CTS, DSR, RI, DCD from the cable. */
  modem: MSR_CTS | MSR_DSR | MSR_DCD,
  /** What the receiver has taken: byte | LSR error bits << 8. */
  rx: [] as Received[],
  /** What waits on the line behind the receiver. */
  queue: [] as Received[],
  /** THRE interrupt pending. */
  thre: false,
  /** Time of the last character or read, for the character timeout. */
  lastRxNs: 0,
  timeout: false,
  /** Reads of LSR since the guest last sent a byte or set up the FIFOs, at most POLLS. */
  polls: 0,
});
/** State of one port. */
export type Uart16550State = ReturnType<typeof reset>;
type S = Uart16550State;

/** Where transmitted bytes go. */
export interface Uart16550Ports {
  tx(byte: number): void;
  /** Called when the guest has read and `receive` would take bytes again. */
  rxRoom?(): void;
}
/** What comes in by the cable. */
export interface Uart16550Inputs {
  /** Offers bytes; tells how many were taken. */
  receive(bytes: ArrayLike<number>): number;
  /** A break condition. */
  receiveBreak(): void;
  /** Levels of CTS, DSR, RI, DCD as in MSR bits 4..7. */
  modem(bits: number): void;
}
/** What a board asks. */
export interface Uart16550Queries {
  /** Bytes that `receive` would take now. */
  room(): number;
  /** The guest takes input: by interrupts, or it polls. Before that it may clear the receiver, and bytes would be lost. */
  listens(): boolean;
  baud(): number;
}

const dlab = (s: S): boolean => (s.lcr & LCR_DLAB) !== 0;
const fifoOn = (s: S): boolean => (s.fcr & FCR_ENABLE) !== 0;
const capacity = (s: S): number => (fifoOn(s) ? FIFO_BYTES : 1);
const trigger = (s: S): number => (fifoOn(s) ? TRIGGER_LEVELS[(s.fcr >> 6) as 0 | 1 | 2 | 3] : 1);

/** Interrupt cause in order of priority. */
function cause(s: S): number {
  if (s.ier & IER_LINE && s.lsrErrors) return IIR_LINE;
  if (s.ier & IER_RX) {
    if (s.rx.length >= trigger(s)) return IIR_RX;
    if (s.timeout && s.rx.length > 0) return IIR_TIMEOUT;
  }
  if (s.ier & IER_THRE && s.thre) return IIR_THRE;
  if (s.ier & IER_MODEM && s.msrDelta) return IIR_MODEM;
  return IIR_NONE;
}

/** Four character times at the present line settings. */
function timeoutNs(s: S): number {
  const bits = 1 + 5 + (s.lcr & 3) + (s.lcr & 8 ? 1 : 0) + (s.lcr & 4 ? 2 : 1);
  return Math.ceil((4 * bits * 16 * Math.max(1, s.divisor) * 1e9) / CLOCK_HZ);
}

/** CTS, DSR, RI, DCD as the guest sees them; in loopback they are RTS, DTR, OUT1, OUT2. */
function modemStatus(s: S): number {
  if ((s.mcr & MCR_LOOP) === 0) return s.modem;
  return (
    (s.mcr & MCR_RTS ? MSR_CTS : 0) |
    (s.mcr & MCR_DTR ? MSR_DSR : 0) |
    (s.mcr & MCR_OUT1 ? MSR_RI : 0) |
    (s.mcr & MCR_OUT2 ? MSR_DCD : 0)
  );
}

function noteModemChange(s: S, before: number): void {
  const after = modemStatus(s);
  const changed = before ^ after;
  s.msrDelta |= (changed & (MSR_CTS | MSR_DSR | MSR_DCD)) >> 4;
  if (before & ~after & MSR_RI) s.msrDelta |= MSR_TERI; // trailing edge only
}

/** Brings the errors of the byte at the head of the receiver into LSR. */
function exposeHead(s: S): void {
  const head = s.rx[0];
  if (head === undefined) return;
  s.lsrErrors |= head >> 8;
  s.rx[0] = head & 0xff;
}

/** One byte arrives in the receiver whether or not there is room. */
function arrive(s: S, item: Received, nowNs: number): void {
  if (s.rx.length >= capacity(s)) {
    s.lsrErrors |= LSR_OE;
    if (!fifoOn(s)) s.rx[0] = item; // without FIFO the new byte destroys the old one
  } else s.rx.push(item);
  s.lastRxNs = nowNs;
  s.timeout = false;
  exposeHead(s);
}

/** Moves bytes from the line into the receiver while it has room. */
function refill(s: S, nowNs: number): void {
  while (s.queue.length > 0 && s.rx.length < capacity(s) && (s.mcr & MCR_LOOP) === 0) {
    arrive(s, s.queue.shift()!, nowNs);
  }
}

const room = (s: S): number => Math.max(0, UART_QUEUE_BYTES - s.queue.length);

function readRbr(s: S, nowNs: number, rxRoom?: () => void): number {
  const wasFull = room(s) === 0;
  const byte = (s.rx.shift() ?? 0) & 0xff;
  s.timeout = false;
  s.lastRxNs = nowNs;
  exposeHead(s);
  refill(s, nowNs);
  if (wasFull && room(s) > 0) rxRoom?.();
  return byte;
}

function writeFcr(s: S, v: number, nowNs: number): void {
  s.polls = 0;
  if ((v ^ s.fcr) & FCR_ENABLE) v |= FCR_CLEAR_RX | FCR_CLEAR_TX;
  if ((v & FCR_ENABLE) === 0) {
    s.fcr = 0;
  } else s.fcr = v & 0xc9;
  if (v & FCR_CLEAR_RX) {
    s.rx.length = 0;
    s.timeout = false;
  }
  refill(s, nowNs);
}

/** 16550A. Region `regs` (0x3f8); line `intr` (IRQ 4), gated by OUT2 as on every PC board. */
export const uart16550 = device<Uart16550State, Uart16550Ports, Uart16550Inputs, Uart16550Queries>({
  name: 'uart16550',
  version: 1,
  state: reset,
  regions: { regs: { space: 'pio', sizeBytes: 8 } },
  lines: {
    intr: (s) => cause(s) !== IIR_NONE && (s.mcr & MCR_OUT2) !== 0 && (s.mcr & MCR_LOOP) === 0,
  },
  deadline: (s) =>
    fifoOn(s) && s.ier & IER_RX && !s.timeout && s.rx.length > 0 && s.rx.length < trigger(s)
      ? s.lastRxNs + timeoutNs(s)
      : null,
  elapse: (s) => {
    s.timeout = true;
  },
  inputs: {
    receive: (s, ctx, bytes) => {
      const taken = Math.min(bytes.length, room(s));
      for (let i = 0; i < taken; i++) s.queue.push(bytes[i]! & 0xff);
      refill(s, ctx.nowNs);
      return taken;
    },
    receiveBreak: (s, ctx) => {
      if (room(s) > 0) s.queue.push(LSR_BI << 8);
      refill(s, ctx.nowNs);
    },
    modem: (s, _ctx, levels) => {
      const before = modemStatus(s);
      s.modem = levels & 0xf0;
      noteModemChange(s, before);
    },
  },
  queries: {
    room: (s) => room(s),
    listens: (s) => (s.ier & IER_RX) !== 0 || s.polls >= POLLS,
    baud: (s) => Math.round(CLOCK_HZ / 16 / Math.max(1, s.divisor)),
  },
  registers: {
    regs: [
      {
        at: 0,
        name: 'DLL',
        when: dlab,
        read: (s) => s.divisor & 0xff,
        write: (s, v) => {
          s.divisor = (s.divisor & 0xff00) | v;
        },
      },
      {
        at: 1,
        name: 'DLM',
        when: dlab,
        read: (s) => s.divisor >> 8,
        write: (s, v) => {
          s.divisor = (s.divisor & 0xff) | (v << 8);
        },
      },
      { at: 0, name: 'RBR', read: (s, ctx) => readRbr(s, ctx.nowNs, ctx.rxRoom) },
      {
        at: 0,
        name: 'THR',
        write: (s, v, ctx) => {
          s.polls = 0;
          s.thre = true; // the byte leaves at once, so the holding register is empty again
          if (s.mcr & MCR_LOOP) arrive(s, v, ctx.nowNs);
          else ctx.tx(v);
        },
      },
      {
        at: 1,
        name: 'IER',
        read: (s) => s.ier,
        write: (s, v) => {
          if (v & ~s.ier & IER_THRE) s.thre = true;
          s.ier = v & 0x0f;
        },
      },
      {
        at: 2,
        name: 'IIR',
        read: (s) => {
          const c = cause(s);
          if (c === IIR_THRE) s.thre = false;
          return c | (fifoOn(s) ? IIR_FIFO_ON : 0);
        },
      },
      { at: 2, name: 'FCR', write: (s, v, ctx) => writeFcr(s, v, ctx.nowNs) },
      {
        at: 3,
        name: 'LCR',
        read: (s) => s.lcr,
        write: (s, v, ctx) => {
          // A break sent in loopback comes back as a break received.
          if (v & ~s.lcr & LCR_BREAK && s.mcr & MCR_LOOP) arrive(s, LSR_BI << 8, ctx.nowNs);
          s.lcr = v;
        },
      },
      {
        at: 4,
        name: 'MCR',
        read: (s) => s.mcr,
        write: (s, v, ctx) => {
          const before = modemStatus(s);
          s.mcr = v & 0x1f;
          noteModemChange(s, before);
          refill(s, ctx.nowNs);
        },
      },
      {
        at: 5,
        name: 'LSR',
        read: (s) => {
          const behind = s.rx.some((item) => item > 0xff);
          const v =
            LSR_THRE_TEMT |
            (s.rx.length ? LSR_DR : 0) |
            (s.lsrErrors & LSR_ERRORS) |
            (fifoOn(s) && (behind || s.lsrErrors & ~LSR_OE) ? LSR_FIFO_ERROR : 0);
          s.lsrErrors = 0;
          s.polls = Math.min(POLLS, s.polls + 1);
          return v;
        },
        write: () => {}, // factory test only
      },
      {
        at: 6,
        name: 'MSR',
        read: (s) => {
          const v = modemStatus(s) | s.msrDelta;
          s.msrDelta = 0;
          return v;
        },
        write: () => {},
      },
      { at: 7, name: 'SCR', field: 'scr' },
    ],
  },
});
