// The pair of 8259A interrupt controllers of a PC. Source: Intel 8259A data sheet ("Programming the 8259A",
// "Priority Rotation", "Poll Command"); Intel 82371AB (PIIX4) data sheet "ELCR1/ELCR2" for the trigger registers.

import type { RegisterRow } from '../device.js';
import { device } from '../device.js';

const ICW1_INIT = 0x10;
const ICW1_IC4 = 0x01;
const ICW1_SNGL = 0x02;
const ICW1_LTIM = 0x08;
const ICW4_AEOI = 0x02;
const ICW4_SFNM = 0x10;
const OCW3 = 0x08;
const OCW3_READ_REGISTER = 0x02;
const OCW3_READ_ISR = 0x01;
const OCW3_POLL = 0x04;
const OCW3_ESMM = 0x40;
const OCW3_SMM = 0x20;
/** The master's input to which the slave's INT is wired. */
const CASCADE = 2;
/** Interrupt input that is reported when the request has gone away. */
const SPURIOUS = 7;

const chip = (elcrMask: number) => ({
  /** Levels of the eight input pins. */
  pins: 0,
  irr: 0,
  isr: 0,
  /** Everything masked until the guest initializes the chip, as firmware leaves it. */
  imr: 0xff,
  /** Vector base, ICW2. */
  base: 0,
  icw1: 0,
  icw3: 0,
  icw4: 0,
  /** Next initialization word expected, 2 to 4; 0 when initialization is over. */
  nextIcw: 0,
  /** The input of lowest priority, set by rotation. */
  lowest: 7,
  rotateOnAeoi: false,
  readIsr: false,
  poll: false,
  specialMask: false,
  elcr: 0,
  /** Bits of ELCR that can be set. */
  elcrMask,
});
type Chip = ReturnType<typeof chip>;
const reset = () => ({ master: chip(0xf8), slave: chip(0xde) });
/** State of both controllers. */
export type I8259State = ReturnType<typeof reset>;

const levelTriggered = (c: Chip): number => (c.icw1 & ICW1_LTIM ? 0xff : c.elcr);

/** The input with the highest priority among `requests` that is not held back by an interrupt in service, or -1. */
function winner(c: Chip, requests: number, isMaster: boolean): number {
  const pending = requests & ~c.imr;
  if (pending === 0) return -1;
  const inService = c.specialMask ? c.isr & ~c.imr : c.isr;
  const nested = isMaster && (c.icw4 & ICW4_SFNM) !== 0;
  for (let k = 1; k <= 8; k++) {
    const n = (c.lowest + k) & 7;
    const bit = 1 << n;
    if (inService & bit) return nested && n === CASCADE && pending & bit ? n : -1;
    if (pending & bit) return n;
  }
  return -1;
}

const slaveWinner = (s: I8259State): number => winner(s.slave, s.slave.irr, false);

function masterRequests(s: I8259State): number {
  const cascade = slaveWinner(s) >= 0 ? 1 << CASCADE : 0;
  return (s.master.irr & ~(1 << CASCADE)) | cascade;
}
const masterWinner = (s: I8259State): number => winner(s.master, masterRequests(s), true);

/** What INTA does inside one chip: the request becomes an interrupt in service. */
function accept(c: Chip, n: number): void {
  const bit = 1 << n;
  if (c.icw4 & ICW4_AEOI) {
    if (c.rotateOnAeoi) c.lowest = n;
  } else c.isr |= bit;
  if ((levelTriggered(c) & bit) === 0) c.irr &= ~bit;
}

function acknowledgeSlave(s: I8259State): number {
  const n = slaveWinner(s);
  if (n < 0) return SPURIOUS;
  accept(s.slave, n);
  return n;
}

/** The INTA sequence: the vector that the pair puts on the bus. */
function acknowledge(s: I8259State): number {
  const n = masterWinner(s);
  if (n < 0) return s.master.base + SPURIOUS;
  accept(s.master, n);
  if (n !== CASCADE) return s.master.base + n;
  return s.slave.base + acknowledgeSlave(s);
}

function setPin(c: Chip, n: number, level: boolean): void {
  const bit = 1 << n;
  const was = (c.pins & bit) !== 0;
  if (level === was) return;
  c.pins ^= bit;
  // DEVIATION: an edge stays latched when its input falls before INTA, as in later chip sets and other monitors;
  // the data sheet's default IR7 then appears only for level inputs and for requests masked before INTA.
  if (level) c.irr |= bit;
  else if (levelTriggered(c) & bit) c.irr &= ~bit;
}

function initialize(c: Chip, icw1: number): void {
  c.icw1 = icw1;
  c.irr = c.pins & levelTriggered(c);
  c.isr = 0;
  c.imr = 0;
  c.lowest = 7;
  c.rotateOnAeoi = false;
  c.readIsr = false;
  c.poll = false;
  c.specialMask = false;
  c.nextIcw = 2;
  if ((icw1 & ICW1_IC4) === 0) c.icw4 = 0;
}

/** OCW2: R, SL, EOI in bits 7..5. */
function endOfInterrupt(c: Chip, ocw2: number): void {
  const command = ocw2 >> 5;
  const specific = ocw2 & 7;
  switch (command) {
    case 0: // rotate in automatic EOI mode: clear
    case 4: // set
      c.rotateOnAeoi = command === 4;
      return;
    case 1: // non-specific EOI
    case 5: {
      // rotate on non-specific EOI
      const candidates = c.specialMask ? c.isr & ~c.imr : c.isr;
      for (let k = 1; k <= 8; k++) {
        const n = (c.lowest + k) & 7;
        if (candidates & (1 << n)) {
          c.isr &= ~(1 << n);
          if (command === 5) c.lowest = n;
          return;
        }
      }
      return;
    }
    case 3: // specific EOI
    case 7: // rotate on specific EOI
      c.isr &= ~(1 << specific);
      if (command === 7) c.lowest = specific;
      return;
    case 6: // set priority
      c.lowest = specific;
      return;
    default: // no operation
  }
}

function writeCommand(c: Chip, v: number): void {
  if (v & ICW1_INIT) initialize(c, v);
  else if (v & OCW3) {
    if (v & OCW3_READ_REGISTER) c.readIsr = (v & OCW3_READ_ISR) !== 0;
    if (v & OCW3_POLL) c.poll = true;
    if (v & OCW3_ESMM) c.specialMask = (v & OCW3_SMM) !== 0;
  } else endOfInterrupt(c, v);
}

function writeData(c: Chip, v: number): void {
  switch (c.nextIcw) {
    case 2:
      c.base = v & 0xf8;
      c.nextIcw = c.icw1 & ICW1_SNGL ? (c.icw1 & ICW1_IC4 ? 4 : 0) : 3;
      return;
    case 3:
      c.icw3 = v;
      c.nextIcw = c.icw1 & ICW1_IC4 ? 4 : 0;
      return;
    case 4:
      c.icw4 = v;
      c.nextIcw = 0;
      return;
    default:
      c.imr = v;
  }
}

/** Poll command: the next read acknowledges and tells the input in bits 2..0, with bit 7 set. */
function pollRead(s: I8259State, isMaster: boolean): number {
  const c = isMaster ? s.master : s.slave;
  c.poll = false;
  const n = isMaster ? masterWinner(s) : slaveWinner(s);
  if (n < 0) return 0;
  accept(c, n);
  return 0x80 | n;
}

const requests = (s: I8259State, isMaster: boolean): number => (isMaster ? masterRequests(s) : s.slave.irr);

// biome-ignore lint/complexity/noBannedTypes: the pair needs no ports
const rows = (isMaster: boolean): RegisterRow<I8259State, {}>[] => {
  const of = (s: I8259State): Chip => (isMaster ? s.master : s.slave);
  return [
    {
      at: 0,
      name: 'OCW2/OCW3/IRR/ISR',
      read: (s) => (of(s).poll ? pollRead(s, isMaster) : of(s).readIsr ? of(s).isr : requests(s, isMaster)),
      write: (s, v) => writeCommand(of(s), v),
    },
    {
      at: 1,
      name: 'OCW1',
      read: (s) => (of(s).poll ? pollRead(s, isMaster) : of(s).imr),
      write: (s, v) => writeData(of(s), v),
    },
  ];
};

function writeElcr(c: Chip, v: number): void {
  c.elcr = v & c.elcrMask;
  c.irr = (c.irr & ~c.elcr) | (c.pins & c.elcr);
}

/** What a board does with the pair. */
export interface I8259Inputs {
  /** Level of ISA interrupt `irq`, 0..15 (2 is the cascade and is ignored). */
  pin(irq: number, level: boolean): void;
  /** INTA: takes the highest request and tells its vector, or the spurious one. */
  acknowledge(): number;
}

/** Two cascaded 8259A. Regions `master` (0x20), `slave` (0xa0), `elcr` (0x4d0); line `intr`. */
// biome-ignore lint/complexity/noBannedTypes: the pair needs no ports
export const i8259 = device<I8259State, {}, I8259Inputs>({
  name: 'i8259',
  version: 1,
  state: reset,
  regions: {
    master: { space: 'pio', sizeBytes: 2 },
    slave: { space: 'pio', sizeBytes: 2 },
    elcr: { space: 'pio', sizeBytes: 2 },
  },
  lines: { intr: (s) => masterWinner(s) >= 0 },
  inputs: {
    pin: (s, _ctx, irq, level) => {
      if (irq >= 8) setPin(s.slave, irq - 8, level);
      else if (irq !== CASCADE) setPin(s.master, irq, level);
    },
    acknowledge: (s) => acknowledge(s),
  },
  registers: {
    master: rows(true),
    slave: rows(false),
    elcr: [
      { at: 0, name: 'ELCR1', read: (s) => s.master.elcr, write: (s, v) => writeElcr(s.master, v) },
      { at: 1, name: 'ELCR2', read: (s) => s.slave.elcr, write: (s, v) => writeElcr(s.slave, v) },
    ],
  },
});
