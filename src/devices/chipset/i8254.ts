// The 8254 interval timer with port 0x61 (speaker, refresh and channel 2 gate). Source: Intel 82C54 data sheet ("Mode
// Definitions", "Read-Back Command"); Intel 82371AB (PIIX4) data sheet "NMI Status and Control Register".

import { device } from '../device.js';
import { tickClock } from '../tick-clock.js';

/** Input clock of all three channels. */
export const PIT_HZ = 1_193_182;
const clock = tickClock(PIT_HZ);
/** Half period of the refresh request that bit 4 of port 0x61 follows. */
const REFRESH_TOGGLE_NS = 15_085;
/** Periods by which channel 0 may lag before it drops edges; the dropped ones are counted. */
const MAX_BACKLOG = 100_000;

const RW_LSB = 1;
const RW_MSB = 2;
const RW_BOTH = 3;
const PORT61_GATE2 = 0x01;
const PORT61_SPEAKER = 0x02;
const PORT61_STORED = 0x0f;

const channel = (gate: boolean) => ({
  mode: 3,
  bcd: false,
  rw: RW_BOTH,
  /** Count register, 1..65536 (10000 in BCD); 0 before the first count is written. */
  count: 0,
  /** Count that takes over at tick `nextAt`; 0 when none waits. */
  next: 0,
  nextAt: 0,
  /** Tick at which the present count was loaded; negative while the counter does not run. */
  start: -1,
  /** Ticks already counted when the gate stopped the counter (modes 0 and 4); negative while it runs. */
  held: -1,
  gate,
  /** OUT before the counter was started. */
  idleOut: true,
  nullCount: true,
  /** Low byte of a two-byte count on its way, or -1. */
  lowByte: -1,
  readHigh: false,
  /** Latched count and status, -1 when not latched. */
  countLatch: -1,
  statusLatch: -1,
});
type Channel = ReturnType<typeof channel>;

const reset = () => ({
  channels: [channel(true), channel(true), channel(false)],
  port61: 0,
  /** Channel 0's OUT as the interrupt controllers see it. */
  irq0: false,
  /** Tick of the rising edge reported last, -1 when none since the counter was programmed. */
  lastEdge: -1,
  /** Rising edges of channel 0 so far. */
  edges: 0,
  /** Edges that were dropped because the host fell behind by more than MAX_BACKLOG periods. */
  dropped: 0,
});
/** State of the timer. */
export type I8254State = ReturnType<typeof reset>;

const modulus = (c: Channel): number => (c.bcd ? 10000 : 65536);
const fromRegister = (c: Channel, v: number): number => {
  if (!c.bcd) return v === 0 ? 65536 : v;
  const n = (v & 15) + 10 * ((v >> 4) & 15) + 100 * ((v >> 8) & 15) + 1000 * ((v >> 12) & 15);
  return n === 0 ? 10000 : n;
};
const toRegister = (c: Channel, count: number): number => {
  const n = ((count % modulus(c)) + modulus(c)) % modulus(c);
  if (!c.bcd) return n;
  return (n % 10) | ((Math.floor(n / 10) % 10) << 4) | ((Math.floor(n / 100) % 10) << 8) | (Math.floor(n / 1000) << 12);
};
const periodic = (c: Channel): boolean => c.mode === 2 || c.mode === 3;
const highHalf = (count: number): number => Math.ceil(count / 2);

/** Takes over a waiting count whose time has come. */
function sync(c: Channel, tick: number): void {
  if (c.next === 0 || tick < c.nextAt) return;
  const highEnds = c.mode === 3 && (c.nextAt - c.start) % c.count === highHalf(c.count);
  // A count that takes over after the high half of mode 3 begins with its low half.
  c.start = highEnds ? c.nextAt - highHalf(c.next) : c.nextAt;
  c.count = c.next;
  c.next = 0;
  c.nullCount = false;
}

const elapsed = (c: Channel, tick: number): number => (c.held >= 0 ? c.held : tick - c.start);

/** The counting element as the count register would show it. */
function currentCount(c: Channel, tick: number): number {
  if (c.start < 0 || c.count === 0) return toRegister(c, c.count);
  const e = Math.max(0, elapsed(c, tick));
  if (c.mode === 2) return toRegister(c, c.count - (e % c.count));
  if (c.mode === 3) {
    const at = e % c.count;
    const high = highHalf(c.count);
    const even = c.count - (c.count % 2);
    return toRegister(c, even - 2 * (at < high ? at : at - high));
  }
  return toRegister(c, c.count - e);
}

/** Level of OUT. */
function out(c: Channel, tick: number): boolean {
  if (c.start < 0) return c.idleOut;
  const e = elapsed(c, tick);
  switch (c.mode) {
    case 0:
      return e >= c.count;
    case 1:
      return e < 0 || e >= c.count;
    case 2:
      return e < 0 || !c.gate || e % c.count !== c.count - 1;
    case 3:
      return e < 0 || !c.gate || e % c.count < highHalf(c.count);
    default:
      return e !== c.count;
  }
}

function writeControl(s: I8254State, v: number, tick: number): void {
  const select = v >> 6;
  if (select === 3) {
    for (let i = 0; i < 3; i++) {
      if ((v & (2 << i)) === 0) continue;
      const c = s.channels[i]!;
      sync(c, tick);
      if ((v & 0x20) === 0) latchCount(c, tick);
      if ((v & 0x10) === 0 && c.statusLatch < 0) c.statusLatch = status(c, tick);
    }
    return;
  }
  const c = s.channels[select]!;
  sync(c, tick);
  const rw = (v >> 4) & 3;
  if (rw === 0) {
    latchCount(c, tick);
    return;
  }
  const mode = (v >> 1) & 7;
  c.mode = mode > 5 ? mode - 4 : mode;
  c.bcd = (v & 1) !== 0;
  c.rw = rw;
  c.start = -1;
  c.held = -1;
  c.next = 0;
  c.count = 0;
  c.idleOut = c.mode !== 0;
  c.nullCount = true;
  c.lowByte = -1;
  c.readHigh = false;
  c.countLatch = -1;
  c.statusLatch = -1;
  if (select === 0) {
    s.lastEdge = -1;
    s.irq0 = c.idleOut;
  }
}

const status = (c: Channel, tick: number): number =>
  (out(c, tick) ? 0x80 : 0) | (c.nullCount ? 0x40 : 0) | (c.rw << 4) | (c.mode << 1) | (c.bcd ? 1 : 0);

function latchCount(c: Channel, tick: number): void {
  if (c.countLatch < 0) c.countLatch = currentCount(c, tick);
}

function readCounter(s: I8254State, index: number, tick: number): number {
  const c = s.channels[index]!;
  sync(c, tick);
  if (c.statusLatch >= 0) {
    const v = c.statusLatch;
    c.statusLatch = -1;
    return v;
  }
  const value = c.countLatch >= 0 ? c.countLatch : currentCount(c, tick);
  if (c.rw === RW_LSB || c.rw === RW_MSB) {
    c.countLatch = -1;
    return c.rw === RW_LSB ? value & 0xff : value >> 8;
  }
  const high = c.readHigh;
  c.readHigh = !high;
  if (high) c.countLatch = -1;
  return high ? value >> 8 : value & 0xff;
}

function writeCounter(s: I8254State, index: number, v: number, tick: number): void {
  const c = s.channels[index]!;
  sync(c, tick);
  if (c.rw === RW_LSB) load(s, index, fromRegister(c, v), tick);
  else if (c.rw === RW_MSB) load(s, index, fromRegister(c, v << 8), tick);
  else if (c.lowByte < 0) {
    c.lowByte = v;
    // The first byte of a two-byte count stops mode 0 with OUT low.
    if (c.mode === 0) {
      c.start = -1;
      c.idleOut = false;
      if (index === 0) s.irq0 = false;
    }
  } else {
    const value = c.lowByte | (v << 8);
    c.lowByte = -1;
    load(s, index, fromRegister(c, value), tick);
  }
}

/** A whole count has been written; it is transferred on the next tick. */
function load(s: I8254State, index: number, count: number, tick: number): void {
  const c = s.channels[index]!;
  const restart = (): void => {
    c.count = count;
    c.start = tick + 1;
    c.next = 0;
    c.nullCount = false;
    if (index === 0) s.lastEdge = -1;
  };
  c.nullCount = true;
  if (c.mode === 0 || c.mode === 4) {
    restart();
    c.held = c.gate ? -1 : 0;
    if (c.mode === 0) c.idleOut = false;
    if (index === 0 && c.mode === 0) s.irq0 = false;
  } else if (c.mode === 1 || c.mode === 5) {
    // Waits for the gate; a running one-shot keeps its count.
    if (c.start < 0) c.count = count;
    c.next = count;
    c.nextAt = Number.MAX_SAFE_INTEGER;
  } else if (c.start < 0 || !c.gate) restart();
  else {
    const e = Math.max(0, tick - c.start);
    const position = e % c.count;
    const high = highHalf(c.count);
    const toGo = c.mode === 3 && position < high ? high - position : c.count - position;
    c.next = count;
    c.nextAt = c.start + e + toGo;
  }
}

function setGate(s: I8254State, index: number, level: boolean, tick: number): void {
  const c = s.channels[index]!;
  sync(c, tick);
  if (level === c.gate) return;
  c.gate = level;
  if (c.mode === 0 || c.mode === 4) {
    if (c.start < 0) return;
    if (!level) c.held = Math.max(0, tick - c.start);
    else if (c.held >= 0) {
      c.start = tick - c.held;
      c.held = -1;
    }
  } else if (level && (c.count !== 0 || c.next !== 0)) {
    // Modes 1, 2, 3 and 5: a rising gate (re)loads the counter on the next tick.
    if (c.next !== 0) c.count = c.next;
    c.next = 0;
    c.start = tick + 1;
    c.nullCount = false;
    if (index === 0) s.lastEdge = -1;
  }
}

/** Tick of channel 0's next rising edge, or -1. */
function nextEdge(s: I8254State): number {
  const c = s.channels[0]!;
  if (c.start < 0 || c.count === 0 || c.held >= 0) return -1;
  if (!periodic(c)) {
    if (s.lastEdge >= 0 || c.mode === 5 || c.mode === 1) return -1;
    return c.mode === 0 ? c.start + c.count : c.start + c.count + 1;
  }
  const first = c.start + c.count;
  const after = s.lastEdge < c.start ? first : c.start + (Math.floor((s.lastEdge - c.start) / c.count) + 1) * c.count;
  if (c.next === 0 || after <= c.nextAt) return after;
  // A waiting count takes over at the end of a high half: its low half ends in the next edge.
  return c.nextAt + (c.next - highHalf(c.next));
}

/** What a board asks of the timer. */
export interface I8254Queries {
  /** Rising edges of channel 0 since power-on, and those dropped because the host fell too far behind. */
  edges(): number;
  dropped(): number;
  /** Whether the speaker is driven, and its frequency in Hz. */
  speakerHz(): number;
}

/**
 * 8254 with port 0x61. Regions `regs` (0x40) and `port61` (0x61); line `irq0` is channel 0's OUT.
 * DEVIATION: `irq0` falls at the moment of its next rising edge instead of half a period (one tick) earlier, so that
 * one deadline per period is enough; edge-triggered inputs see no difference, OUT read back is exact. A late host
 * gets one edge per period missed; the interrupt controllers merge those that arrive while one is pending.
 */
// biome-ignore lint/complexity/noBannedTypes: the timer needs no ports
export const i8254 = device<I8254State, {}, {}, I8254Queries>({
  name: 'i8254',
  version: 1,
  state: reset,
  regions: { regs: { space: 'pio', sizeBytes: 4 }, port61: { space: 'pio', sizeBytes: 1 } },
  lines: { irq0: (s) => s.irq0 },
  deadline: (s) => {
    const edge = nextEdge(s);
    return edge < 0 ? null : clock.ns(edge);
  },
  elapse: (s, ctx) => {
    const c = s.channels[0]!;
    if (s.irq0) {
      s.irq0 = false; // the fall before the edge; the deadline stays, so the rise follows at once
      return;
    }
    const tick = clock.ticks(ctx.nowNs);
    const edge = nextEdge(s);
    s.irq0 = true;
    s.edges++;
    s.lastEdge = edge;
    sync(c, edge);
    if (c.next !== 0 || !periodic(c)) return;
    const behind = Math.floor((tick - edge) / c.count);
    if (behind > MAX_BACKLOG) {
      s.lastEdge += behind * c.count;
      s.dropped += behind;
    }
  },
  queries: {
    edges: (s) => s.edges,
    dropped: (s) => s.dropped,
    speakerHz: (s) => {
      const c = s.channels[2]!;
      const on = (s.port61 & (PORT61_SPEAKER | PORT61_GATE2)) === (PORT61_SPEAKER | PORT61_GATE2);
      return on && c.start >= 0 && periodic(c) ? PIT_HZ / c.count : 0;
    },
  },
  registers: {
    regs: [
      ...[0, 1, 2].map((i) => ({
        at: i,
        name: `Counter ${i}`,
        read: (s: I8254State, ctx: { nowNs: number }) => readCounter(s, i, clock.ticks(ctx.nowNs)),
        write: (s: I8254State, v: number, ctx: { nowNs: number }) => writeCounter(s, i, v, clock.ticks(ctx.nowNs)),
      })),
      // The control word cannot be read; the bus floats.
      {
        at: 3,
        name: 'Control Word',
        read: () => 0xff,
        write: (s, v, ctx) => writeControl(s, v, clock.ticks(ctx.nowNs)),
      },
    ],
    port61: [
      {
        at: 0,
        name: 'NMI Status and Control',
        read: (s, ctx) => {
          const tick = clock.ticks(ctx.nowNs);
          const c = s.channels[2]!;
          sync(c, tick);
          const refresh = Math.floor(ctx.nowNs / REFRESH_TOGGLE_NS) & 1;
          return (s.port61 & PORT61_STORED) | (refresh << 4) | (out(c, tick) ? 0x20 : 0);
        },
        write: (s, v, ctx) => {
          s.port61 = v & PORT61_STORED;
          setGate(s, 2, (v & PORT61_GATE2) !== 0, clock.ticks(ctx.nowNs));
        },
      },
    ],
  },
});
