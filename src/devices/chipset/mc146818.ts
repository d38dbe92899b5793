// Real-time clock and CMOS memory. Source: Motorola MC146818 data sheet ("Update Cycle", "Interrupts", "Registers");
// Intel 82371AB (PIIX4) data sheet "Real Time Clock" for the two banks of 128 bytes.

import { device } from '../device.js';

const A_UIP = 0x80;
const A_RATE = 0x0f;
const A_DIVIDER = 0x70;
const DIVIDER_RUN = 0x20;
const DIVIDER_RESET = 0x60;
const B_SET = 0x80;
const B_PIE = 0x40;
const B_AIE = 0x20;
const B_UIE = 0x10;
const B_BINARY = 0x04;
const B_24H = 0x02;
const C_IRQF = 0x80;
const C_PF = 0x40;
const C_AF = 0x20;
const C_UF = 0x10;
const D_VRT = 0x80;
const PM = 0x80;
const DONT_CARE = 0xc0;
const SECOND_NS = 1e9;
/** UIP rises 244 us before an update cycle of 1984 us. */
const UIP_NS = 244_000 + 1_984_000;
const OSCILLATOR_HZ = 32_768;

const SECONDS = 0;
const SECONDS_ALARM = 1;
const MINUTES = 2;
const MINUTES_ALARM = 3;
const HOURS = 4;
const HOURS_ALARM = 5;
const WEEKDAY = 6;
const DAY = 7;
const MONTH = 8;
const YEAR = 9;
const REGISTER_A = 10;
const REGISTER_B = 11;
const REGISTER_C = 12;
const REGISTER_D = 13;
/** CMOS byte of the century on PCs; the FADT names it. */
export const RTC_CENTURY = 0x32;

const reset = () => ({
  index: 0,
  extendedIndex: 0,
  /** All bytes as stored; the clock's own are kept here only while updates are stopped. */
  bytes: Array.from({ length: 128 }, () => 0),
  extended: Array.from({ length: 128 }, () => 0),
  /** Wall-clock seconds since 1970 (as the guest reads them) at domain time `phaseNs`. */
  epochS: 946_684_800,
  /** Domain time of a second boundary. */
  phaseNs: 0,
  a: 0x26,
  b: B_24H,
  /** PF, AF, UF. */
  flags: 0,
  /** Flags are up to date to this time. */
  seenNs: 0,
  /** Periodic flags are counted from here. */
  periodicNs: 0,
});
/** State of clock and CMOS. */
export type Mc146818State = ReturnType<typeof reset>;
type S = Mc146818State;

const running = (s: S): boolean => (s.b & B_SET) === 0 && (s.a & A_DIVIDER) === DIVIDER_RUN;
const ticking = (s: S): boolean => (s.a & A_DIVIDER) === DIVIDER_RUN;
const isTimeByte = (i: number): boolean => i <= YEAR || i === RTC_CENTURY;
const isAlarm = (i: number): boolean => i === SECONDS_ALARM || i === MINUTES_ALARM || i === HOURS_ALARM;

/** Days since 1970 of a date in the Gregorian calendar. */
function daysOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return (
    era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
  );
}

/** Year, month, day of a number of days since 1970. */
function dateOf(days: number): { year: number; month: number; day: number } {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const d = z - era * 146_097;
  const y = Math.floor((d - Math.floor(d / 1460) + Math.floor(d / 36_524) - Math.floor(d / 146_096)) / 365);
  const dayOfYear = d - (365 * y + Math.floor(y / 4) - Math.floor(y / 100));
  const m = Math.floor((5 * dayOfYear + 2) / 153);
  const month = m < 10 ? m + 3 : m - 9;
  return { year: y + era * 400 + (month <= 2 ? 1 : 0), month, day: dayOfYear - Math.floor((153 * m + 2) / 5) + 1 };
}

const encode = (s: S, v: number): number => (s.b & B_BINARY ? v : (Math.floor(v / 10) << 4) | (v % 10));
const decode = (s: S, v: number): number => (s.b & B_BINARY ? v : (v >> 4) * 10 + (v & 15));
function encodeHours(s: S, h: number): number {
  if (s.b & B_24H) return encode(s, h);
  return encode(s, h % 12 === 0 ? 12 : h % 12) | (h >= 12 ? PM : 0);
}
function decodeHours(s: S, v: number): number {
  if (s.b & B_24H) return decode(s, v);
  return (decode(s, v & ~PM) % 12) + (v & PM ? 12 : 0);
}

/** Guest-visible seconds since 1970 at `ns`. */
const secondsAt = (s: S, ns: number): number => s.epochS + Math.floor((ns - s.phaseNs) / SECOND_NS);

function timeByte(s: S, i: number, seconds: number): number {
  const days = Math.floor(seconds / 86_400);
  const inDay = seconds - days * 86_400;
  if (i === SECONDS) return encode(s, inDay % 60);
  if (i === MINUTES) return encode(s, Math.floor(inDay / 60) % 60);
  if (i === HOURS) return encodeHours(s, Math.floor(inDay / 3600));
  if (i === WEEKDAY) return encode(s, ((((days + 4) % 7) + 7) % 7) + 1);
  const date = dateOf(days);
  if (i === DAY) return encode(s, date.day);
  if (i === MONTH) return encode(s, date.month);
  if (i === YEAR) return encode(s, date.year % 100);
  return encode(s, Math.floor(date.year / 100));
}

/** Copies the running time into the stored bytes. */
function freeze(s: S, ns: number): void {
  const seconds = secondsAt(s, ns);
  for (const i of [SECONDS, MINUTES, HOURS, WEEKDAY, DAY, MONTH, YEAR, RTC_CENTURY])
    s.bytes[i] = timeByte(s, i, seconds);
}

/** Takes the stored bytes as the time at `ns`; the next second begins at `phaseNs`. */
function thaw(s: S, phaseNs: number): void {
  const at = (i: number): number => decode(s, s.bytes[i]!);
  const century = at(RTC_CENTURY);
  const year = (century >= 19 && century <= 99 ? century : 20) * 100 + at(YEAR);
  const days = daysOf(year, at(MONTH), at(DAY));
  s.epochS = days * 86_400 + decodeHours(s, s.bytes[HOURS]!) * 3600 + at(MINUTES) * 60 + at(SECONDS);
  s.phaseNs = phaseNs;
}

/** Period of the periodic interrupt in ns, or 0 when off. Rates 1 and 2 equal 8 and 9 with the 32.768 kHz crystal. */
function periodNs(s: S): number {
  const rate = s.a & A_RATE;
  if (rate === 0 || !ticking(s)) return 0;
  const shift = rate <= 2 ? rate + 7 : rate;
  return (2 ** (shift - 1) * 1e9) / OSCILLATOR_HZ;
}
/** The k-th periodic event after `periodicNs`. */
const periodicAt = (s: S, k: number): number => s.periodicNs + Math.ceil(k * periodNs(s));
function nextPeriodic(s: S): number {
  const period = periodNs(s);
  let k = Math.max(1, Math.floor((s.seenNs - s.periodicNs) / period));
  while (periodicAt(s, k) <= s.seenNs) k++;
  return periodicAt(s, k);
}

const nextUpdate = (s: S): number => s.phaseNs + (Math.floor((s.seenNs - s.phaseNs) / SECOND_NS) + 1) * SECOND_NS;

const alarmField = (s: S, i: number): number => {
  const v = s.bytes[i]!;
  if ((v & DONT_CARE) === DONT_CARE) return -1;
  return i === HOURS_ALARM ? decodeHours(s, v) : decode(s, v);
};

/** Guest second of the first alarm later than guest second `after`, or -1 when it never matches. */
function nextAlarmSecond(s: S, after: number): number {
  const h = alarmField(s, HOURS_ALARM);
  const m = alarmField(s, MINUTES_ALARM);
  const sec = alarmField(s, SECONDS_ALARM);
  if (h > 23 || m > 59 || sec > 59) return -1;
  for (let t = after + 1; ; ) {
    const inDay = ((t % 86_400) + 86_400) % 86_400;
    if (h >= 0 && Math.floor(inDay / 3600) !== h) t += 3600 - (inDay % 3600);
    else if (m >= 0 && Math.floor(inDay / 60) % 60 !== m) t += 60 - (inDay % 60);
    else if (sec >= 0 && inDay % 60 !== sec) t++;
    else return t;
  }
}
function nextAlarm(s: S): number {
  const t = nextAlarmSecond(s, secondsAt(s, s.seenNs));
  return t < 0 ? Number.POSITIVE_INFINITY : s.phaseNs + (t - s.epochS) * SECOND_NS;
}

/** Sets the flags of everything that happened since the last look. */
function advance(s: S, now: number): void {
  if (now <= s.seenNs) return;
  if (periodNs(s) > 0 && nextPeriodic(s) <= now) s.flags |= C_PF;
  if (running(s)) {
    if (nextUpdate(s) <= now) s.flags |= C_UF;
    if ((s.flags & C_AF) === 0 && nextAlarm(s) <= now) s.flags |= C_AF;
  }
  s.seenNs = now;
}

const irq = (s: S): boolean => (s.flags & s.b & (C_PF | C_AF | C_UF)) !== 0;

/** Earliest moment at which an enabled interrupt's flag would be set. */
function deadline(s: S): number | null {
  const wanted = s.b & ~s.flags;
  let at = Number.POSITIVE_INFINITY;
  if (wanted & B_PIE && periodNs(s) > 0) at = nextPeriodic(s);
  if (running(s)) {
    if (wanted & B_UIE) at = Math.min(at, nextUpdate(s));
    if (wanted & B_AIE) at = Math.min(at, nextAlarm(s));
  }
  return at === Number.POSITIVE_INFINITY ? null : at;
}

function readByte(s: S, i: number, now: number): number {
  advance(s, now);
  switch (i) {
    case REGISTER_A: {
      const toUpdate = SECOND_NS - ((((now - s.phaseNs) % SECOND_NS) + SECOND_NS) % SECOND_NS);
      return s.a | (running(s) && toUpdate <= UIP_NS ? A_UIP : 0);
    }
    case REGISTER_B:
      return s.b;
    case REGISTER_C: {
      const c = s.flags | (irq(s) ? C_IRQF : 0);
      s.flags = 0;
      return c;
    }
    case REGISTER_D:
      return D_VRT;
    default:
      return isTimeByte(i) && !isAlarm(i) && running(s) ? timeByte(s, i, secondsAt(s, now)) : s.bytes[i]!;
  }
}

function writeByte(s: S, i: number, v: number, now: number): void {
  advance(s, now);
  if (i === REGISTER_A) {
    const before = s.a;
    if (running(s)) freeze(s, now);
    s.a = v & ~A_UIP;
    const released = (before & DIVIDER_RESET) === DIVIDER_RESET && ticking(s);
    // The first update comes half a second after the divider is let go.
    if (running(s)) thaw(s, released ? now - SECOND_NS / 2 : phaseBefore(s, now));
    if (before !== s.a) s.periodicNs = now;
  } else if (i === REGISTER_B) {
    if (running(s)) freeze(s, now);
    const was = running(s);
    s.b = v & B_SET ? v & ~B_UIE : v;
    if (was) recode(s, now);
    else if (running(s)) thaw(s, phaseBefore(s, now));
  } else if (i === REGISTER_C || i === REGISTER_D) {
    // read only
  } else if (isTimeByte(i) && !isAlarm(i) && running(s)) {
    const phase = phaseBefore(s, now);
    freeze(s, now);
    s.bytes[i] = v;
    thaw(s, phase);
  } else s.bytes[i] = v;
}

/** The second boundary at or before `now`. */
const phaseBefore = (s: S, now: number): number => s.phaseNs + Math.floor((now - s.phaseNs) / SECOND_NS) * SECOND_NS;

/** After a change of format the running time keeps its meaning; the stored bytes follow it. */
function recode(s: S, now: number): void {
  freeze(s, now);
}

/** What a board does with clock and CMOS. */
export interface Mc146818Inputs {
  /** Sets the time that the guest reads: milliseconds since 1970 in the guest's time zone. */
  setWallClock(unixMs: number): void;
  /** Fills a CMOS byte that firmware would have written (0x0e..0x7f except the century). */
  setCmos(index: number, value: number): void;
}

/** CMOS bytes that tell memory sizes, as a PC's firmware leaves them. */
export function cmosMemorySize(bytes: number): readonly (readonly [index: number, value: number])[] {
  const baseKb = 640;
  const extendedKb = Math.min(0xffff, Math.max(0, Math.floor(bytes / 1024) - 1024));
  const below4g = Math.min(bytes, 0xc000_0000);
  const above16m = Math.min(0xffff, Math.max(0, Math.floor((below4g - 16 * 2 ** 20) / 65_536)));
  const above4g = Math.max(0, Math.floor((bytes - below4g) / 65_536));
  return [
    [0x15, baseKb & 0xff],
    [0x16, baseKb >> 8],
    [0x17, extendedKb & 0xff],
    [0x18, extendedKb >> 8],
    [0x30, extendedKb & 0xff],
    [0x31, extendedKb >> 8],
    [0x34, above16m & 0xff],
    [0x35, above16m >> 8],
    [0x5b, above4g & 0xff],
    [0x5c, (above4g >> 8) & 0xff],
    [0x5d, (above4g >> 16) & 0xff],
  ];
}

/** MC146818 with 256 bytes of CMOS. Region `regs` (0x70, four ports); line `irq` (IRQ 8). */
// biome-ignore lint/complexity/noBannedTypes: the clock needs no ports
export const mc146818 = device<Mc146818State, {}, Mc146818Inputs>({
  name: 'mc146818',
  version: 1,
  state: reset,
  retain: (fresh, old) => {
    // Battery-backed: everything but the interrupt enables and flags.
    Object.assign(fresh, old, { index: 0, extendedIndex: 0, flags: 0, b: old.b & ~(B_PIE | B_AIE | B_UIE) });
  },
  regions: { regs: { space: 'pio', sizeBytes: 4 } },
  lines: { irq },
  deadline,
  elapse: (s, ctx) => advance(s, ctx.nowNs),
  inputs: {
    setWallClock: (s, ctx, unixMs) => {
      advance(s, ctx.nowNs);
      s.epochS = Math.floor(unixMs / 1000);
      s.phaseNs = ctx.nowNs - Math.round((unixMs - s.epochS * 1000) * 1e6);
      freeze(s, ctx.nowNs);
    },
    setCmos: (s, _ctx, index, value) => {
      s.bytes[index & 0x7f] = value & 0xff;
    },
  },
  registers: {
    regs: [
      // Bit 7 of the index port masks NMI, of which this board has none; the port itself cannot be read back.
      {
        at: 0,
        name: 'RTC index',
        read: () => 0xff,
        write: (s, v) => {
          s.index = v & 0x7f;
        },
      },
      {
        at: 1,
        name: 'RTC data',
        read: (s, ctx) => readByte(s, s.index, ctx.nowNs),
        write: (s, v, ctx) => writeByte(s, s.index, v, ctx.nowNs),
      },
      {
        at: 2,
        name: 'RTC extended index',
        read: (s) => s.extendedIndex,
        write: (s, v) => {
          s.extendedIndex = v & 0x7f;
        },
      },
      {
        at: 3,
        name: 'RTC extended data',
        read: (s) => s.extended[s.extendedIndex]!,
        write: (s, v) => {
          s.extended[s.extendedIndex] = v;
        },
      },
    ],
  },
});
