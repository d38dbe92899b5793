// The I/O APIC with 24 inputs. Source: Intel 82093AA data sheet ("I/O APIC Registers"); version 20h with its EOI
// register as in Intel ICH data sheets.

import type { AccessSize } from '../device.js';
import { device } from '../device.js';

export const IO_APIC_PINS = 24;
const VERSION = 0x20;
const ENTRY_MASKED = 0x10000;
const ENTRY_LEVEL = 0x8000;
const ENTRY_REMOTE_IRR = 0x4000;
const ENTRY_WRITABLE = 0x1afff;
const MESSAGE_BITS = 0x8fff;

const IOREGSEL = 0x00;
const IOWIN = 0x10;
const EOIR = 0x40;
const IOAPICID = 0;
const IOAPICVER = 1;
const IOAPICARB = 2;
const REDIRECTION = 0x10;

const reset = () => ({
  select: 0,
  id: 0,
  /** Levels of the pins, one bit each. */
  pins: 0,
  low: Array.from({ length: IO_APIC_PINS }, () => ENTRY_MASKED),
  high: Array.from({ length: IO_APIC_PINS }, () => 0),
});
/** State of the I/O APIC. */
export type IoApicState = ReturnType<typeof reset>;

/** Where messages go. */
export interface IoApicPorts {
  /** `message` as in apic-message.ts; `destination` is the entry's bits 63..56. */
  deliver(message: number, destination: number): void;
}
/** What a board does with it. */
export interface IoApicInputs {
  /** Level of an input. DEVIATION: true means asserted whatever the entry's polarity bit says. */
  pin(n: number, asserted: boolean): void;
  /** A local APIC's EOI broadcast. */
  eoi(vector: number): void;
}

/** Sends pin `n`'s message unless it is masked or, level triggered, still being served. */
function service(s: IoApicState, n: number, ports: IoApicPorts): void {
  const entry = s.low[n]!;
  if (entry & ENTRY_MASKED) return;
  if (entry & ENTRY_LEVEL) {
    if ((s.pins & (1 << n)) === 0 || entry & ENTRY_REMOTE_IRR) return;
    s.low[n] = entry | ENTRY_REMOTE_IRR;
  }
  ports.deliver(entry & MESSAGE_BITS, s.high[n]! >>> 24);
}

function eoi(s: IoApicState, vector: number, ports: IoApicPorts): void {
  for (let n = 0; n < IO_APIC_PINS; n++) {
    const entry = s.low[n]!;
    if ((entry & 0xff) !== vector || (entry & ENTRY_REMOTE_IRR) === 0) continue;
    s.low[n] = entry & ~ENTRY_REMOTE_IRR;
    service(s, n, ports);
  }
}

function readWindow(s: IoApicState): number {
  if (s.select === IOAPICID || s.select === IOAPICARB) return (s.id << 24) >>> 0;
  if (s.select === IOAPICVER) return VERSION | ((IO_APIC_PINS - 1) << 16);
  const n = (s.select - REDIRECTION) >> 1;
  if (s.select < REDIRECTION || n >= IO_APIC_PINS) return 0;
  return (s.select & 1 ? s.high[n]! : s.low[n]!) >>> 0;
}

function writeWindow(s: IoApicState, v: number, ports: IoApicPorts): void {
  if (s.select === IOAPICID) {
    s.id = (v >>> 24) & 0x0f;
    return;
  }
  const n = (s.select - REDIRECTION) >> 1;
  if (s.select < REDIRECTION || n >= IO_APIC_PINS) return;
  if (s.select & 1) {
    s.high[n] = (v & 0xff000000) >>> 0;
    return;
  }
  const remote = v & ENTRY_LEVEL ? s.low[n]! & ENTRY_REMOTE_IRR : 0; // an edge entry has no remote IRR
  s.low[n] = (v & ENTRY_WRITABLE) | remote;
  if (v & ENTRY_LEVEL) service(s, n, ports);
}

const read32 = (s: IoApicState, offset: number): number =>
  offset === IOREGSEL ? s.select : offset === IOWIN ? readWindow(s) : 0;

/** I/O APIC. Region `regs` (0xfec00000). Edges on a masked input are lost, as in the chip. */
export const ioApic = device<IoApicState, IoApicPorts, IoApicInputs>({
  name: 'io-apic',
  version: 1,
  state: reset,
  retain: (fresh, old) => {
    fresh.pins = old.pins; // the wires keep their levels
  },
  regions: { regs: { space: 'mmio', sizeBytes: 0x1000 } },
  inputs: {
    pin: (s, ctx, n, asserted) => {
      const bit = 1 << n;
      if (((s.pins & bit) !== 0) === asserted) return;
      s.pins ^= bit;
      if (asserted) service(s, n, ctx);
    },
    eoi: (s, ctx, vector) => eoi(s, vector, ctx),
  },
  handlers: {
    regs: {
      read: (s, offset, size: AccessSize) => {
        const at = offset & 0xff;
        const word = read32(s, at & ~3);
        return size === 4 ? word : (word >>> (8 * (at & 3))) & (size === 1 ? 0xff : 0xffff);
      },
      write: (s, offset, _size, value, ctx) => {
        const at = offset & 0xff;
        if (at === IOREGSEL) s.select = value & 0xff;
        else if (at === IOWIN) writeWindow(s, value, ctx);
        else if (at === EOIR) eoi(s, value & 0xff, ctx);
      },
    },
  },
});
