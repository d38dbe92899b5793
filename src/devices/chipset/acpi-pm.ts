// ACPI fixed hardware: PM1 event and control blocks, PM timer, GPE0, SMI command port, reset register. Source: ACPI
// Specification 6.4, "ACPI Hardware Specification" ("PM1 Event Grouping", "PM1 Control Grouping", "Power Management
// Timer", "General-Purpose Event Registers").

import { device } from '../device.js';
import { tickClock } from '../tick-clock.js';

export const PM_TIMER_HZ = 3_579_545;
const clock = tickClock(PM_TIMER_HZ);
/** The counter has 32 bits (FADT flag TMR_VAL_EXT); TMR_STS follows its top bit. */
const TIMER_MODULUS = 2 ** 32;
const TIMER_HALF = 2 ** 31;

/** PM1 status and enable bits. */
export const PM1_TMR = 0x0001;
export const PM1_GBL = 0x0020;
export const PM1_PWRBTN = 0x0100;
export const PM1_SLPBTN = 0x0200;
export const PM1_RTC = 0x0400;
const PM1_WAK = 0x8000;
const PM1_STATUS_BITS = PM1_TMR | PM1_GBL | PM1_PWRBTN | PM1_SLPBTN | PM1_RTC | PM1_WAK;
const PM1_ENABLE_BITS = PM1_TMR | PM1_GBL | PM1_PWRBTN | PM1_SLPBTN | PM1_RTC;
const PM1_SCI_EN = 0x0001;
const PM1_SLP_EN = 0x2000;
const PM1_CONTROL_BITS = 0x1c07;
/** SLP_TYP that the board's \_S5 object names. */
export const ACPI_S5_SLP_TYP = 5;
/** Values of the SMI command port, for the FADT. */
export const ACPI_ENABLE = 0xf1;
export const ACPI_DISABLE = 0xf0;
/** Value of the reset register, for the FADT. */
export const ACPI_RESET_VALUE = 0x06;

const reset = () => ({
  pm1Status: 0,
  pm1Enable: 0,
  pm1Control: 0,
  gpeStatus: 0,
  gpeEnable: 0,
  smiCommand: 0,
  smiData: 0,
  /** SLP_TYP of the sleep that was entered, -1 while awake. */
  sleeping: -1,
  resetRequested: false,
  /** TMR_STS is up to date to this time. */
  seenNs: 0,
});
/** State of the ACPI block. */
export type AcpiPmState = ReturnType<typeof reset>;
type S = AcpiPmState;

/** First time after `ns` at which the timer's top bit changes. */
function nextToggleNs(ns: number): number {
  const tick = clock.ticks(ns);
  return clock.ns((Math.floor(tick / TIMER_HALF) + 1) * TIMER_HALF);
}

function advance(s: S, now: number): void {
  if (now <= s.seenNs) return;
  if (nextToggleNs(s.seenNs) <= now) s.pm1Status |= PM1_TMR;
  s.seenNs = now;
}

const sci = (s: S): boolean =>
  (s.pm1Control & PM1_SCI_EN) !== 0 && ((s.pm1Status & s.pm1Enable) !== 0 || (s.gpeStatus & s.gpeEnable) !== 0);

function writeControl(s: S, v: number): void {
  // SCI_EN belongs to the firmware: it changes by the SMI command port only.
  s.pm1Control = (v & PM1_CONTROL_BITS & ~PM1_SCI_EN) | (s.pm1Control & PM1_SCI_EN);
  if (v & PM1_SLP_EN) s.sleeping = (v >> 10) & 7;
}

function writeSmiCommand(s: S, v: number): void {
  s.smiCommand = v;
  if (v === ACPI_ENABLE) s.pm1Control |= PM1_SCI_EN;
  else if (v === ACPI_DISABLE) s.pm1Control &= ~PM1_SCI_EN;
}

/** What a board does with it. */
export interface AcpiPmInputs {
  /** Someone presses the power button. */
  pressPowerButton(): void;
  /** Sets general-purpose event `n`, 0..15. */
  raiseGpe(n: number): void;
  /** Enters ACPI mode without firmware (FADT SMI_CMD = 0). */
  enableSci(): void;
}
/** What a board asks. */
export interface AcpiPmQueries {
  /** SLP_TYP of the sleep entered, -1 while awake. */
  sleepType(): number;
}

/**
 * ACPI fixed hardware. Regions `pm1Event` (4 ports), `pm1Control` (2), `timer` (4), `gpe0` (4), `smi` (0xb2, 2), `reset`
 * (1). Lines: `sci` (level, IRQ 9), `sleep` (S5 was entered), `reset`.
 */
// biome-ignore lint/complexity/noBannedTypes: no ports
export const acpiPm = device<AcpiPmState, {}, AcpiPmInputs, AcpiPmQueries>({
  name: 'acpi-pm',
  version: 1,
  state: reset,
  regions: {
    pm1Event: { space: 'pio', sizeBytes: 4 },
    pm1Control: { space: 'pio', sizeBytes: 2 },
    timer: { space: 'pio', sizeBytes: 4 },
    gpe0: { space: 'pio', sizeBytes: 4 },
    smi: { space: 'pio', sizeBytes: 2 },
    reset: { space: 'pio', sizeBytes: 1 },
  },
  lines: { sci, sleep: (s) => s.sleeping === ACPI_S5_SLP_TYP, reset: (s) => s.resetRequested },
  deadline: (s) => (s.pm1Enable & ~s.pm1Status & PM1_TMR ? nextToggleNs(s.seenNs) : null),
  elapse: (s, ctx) => advance(s, ctx.nowNs),
  inputs: {
    pressPowerButton: (s) => {
      s.pm1Status |= PM1_PWRBTN;
    },
    raiseGpe: (s, _ctx, n) => {
      s.gpeStatus |= 1 << (n & 15);
    },
    enableSci: (s) => {
      s.pm1Control |= PM1_SCI_EN;
    },
  },
  queries: { sleepType: (s) => s.sleeping },
  registers: {
    pm1Event: [
      {
        at: 0,
        name: 'PM1_STS',
        size: 2,
        partial: 'zero',
        read: (s, ctx) => {
          advance(s, ctx.nowNs);
          return s.pm1Status;
        },
        write: (s, v, ctx) => {
          advance(s, ctx.nowNs);
          s.pm1Status &= ~(v & PM1_STATUS_BITS);
        },
      },
      {
        at: 2,
        name: 'PM1_EN',
        size: 2,
        read: (s) => s.pm1Enable,
        write: (s, v, ctx) => {
          advance(s, ctx.nowNs);
          s.pm1Enable = v & PM1_ENABLE_BITS;
        },
      },
    ],
    pm1Control: [{ at: 0, name: 'PM1_CNT', size: 2, read: (s) => s.pm1Control, write: writeControl }],
    timer: [
      {
        at: 0,
        name: 'PM_TMR',
        size: 4,
        read: (_s, ctx) => clock.ticks(ctx.nowNs) % TIMER_MODULUS,
        write: () => {},
      },
    ],
    gpe0: [
      {
        at: 0,
        name: 'GPE0_STS',
        size: 2,
        partial: 'zero',
        read: (s) => s.gpeStatus,
        write: (s, v) => {
          s.gpeStatus &= ~v;
        },
      },
      { at: 2, name: 'GPE0_EN', size: 2, field: 'gpeEnable' },
    ],
    smi: [
      { at: 0, name: 'SMI_CMD', read: (s) => s.smiCommand, write: writeSmiCommand },
      { at: 1, name: 'SMI_DATA', field: 'smiData' },
    ],
    reset: [
      {
        at: 0,
        name: 'RESET_REG',
        read: () => 0,
        write: (s, v) => {
          if (v === ACPI_RESET_VALUE) s.resetRequested = true;
        },
      },
    ],
  },
});
