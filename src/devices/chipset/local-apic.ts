// The local APIC: xAPIC registers in memory, the same register file by number for x2APIC. Source: SDM 3A "Advanced
// Programmable Interrupt Controller (APIC)" ("Local APIC", "Local Vector Table", "APIC Timer", "Issuing Interprocessor
// Interrupts", "Interrupt, Task, and Processor Priority", "Extended XAPIC (x2APIC)").

import type { Ctx, Device } from '../device.js';
import { device } from '../device.js';
import { DeliveryMode, MSG_ASSERT, MSG_LEVEL, messageMode } from './apic-message.js';

/** Frequency of the APIC bus: one timer tick per nanosecond before division. CPUID.15H and guests' calibration see it. */
export const APIC_BUS_HZ = 1_000_000_000;
/** IA32_APIC_BASE bits. */
export const APIC_BASE_BSP = 1 << 8;
export const APIC_BASE_X2APIC = 1 << 10;
export const APIC_BASE_ENABLE = 1 << 11;
export const APIC_DEFAULT_GPA = 0xfee0_0000;

/** Register numbers: offset / 16 in memory, MSR - 800h in x2APIC mode. */
export const ApicReg = {
  ID: 0x02,
  VERSION: 0x03,
  TPR: 0x08,
  APR: 0x09,
  PPR: 0x0a,
  EOI: 0x0b,
  RRD: 0x0c,
  LDR: 0x0d,
  DFR: 0x0e,
  SVR: 0x0f,
  ISR: 0x10,
  TMR: 0x18,
  IRR: 0x20,
  ESR: 0x28,
  LVT_CMCI: 0x2f,
  ICR_LOW: 0x30,
  ICR_HIGH: 0x31,
  LVT_TIMER: 0x32,
  LVT_THERMAL: 0x33,
  LVT_PERFORMANCE: 0x34,
  LVT_LINT0: 0x35,
  LVT_LINT1: 0x36,
  LVT_ERROR: 0x37,
  TIMER_INITIAL: 0x38,
  TIMER_CURRENT: 0x39,
  TIMER_DIVIDE: 0x3e,
  SELF_IPI: 0x3f,
} as const;

/** Version 14h, six LVT entries. */
const VERSION = 0x0005_0014;
const SVR_ENABLE = 0x100;
const SVR_WRITABLE = 0x1ff;
const LVT_MASKED = 0x10000;
const TIMER_PERIODIC = 1;
const TIMER_TSC_DEADLINE = 2;
const ESR_SEND_ILLEGAL = 0x20;
const ESR_RECEIVE_ILLEGAL = 0x40;
const ESR_ILLEGAL_REGISTER = 0x80;
const ICR_WRITABLE = 0x000c_cfff;
const DIVIDERS = [2, 4, 8, 16, 32, 64, 128, 1] as const;
/** Writable bits of each LVT entry, from LVT_TIMER on. */
const LVT_WRITABLE = [0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff] as const;
const LVT_COUNT = LVT_WRITABLE.length;

const zeros = (n: number): number[] => Array.from({ length: n }, () => 0);

const reset = (id: number, bsp: boolean) => ({
  id,
  /** Low half of IA32_APIC_BASE. */
  base: (APIC_DEFAULT_GPA | APIC_BASE_ENABLE | (bsp ? APIC_BASE_BSP : 0)) >>> 0,
  tpr: 0,
  ldr: 0,
  dfr: 0xffffffff,
  svr: 0xff,
  isr: zeros(8),
  tmr: zeros(8),
  irr: zeros(8),
  /** Errors visible, and errors gathered since the last write of ESR. */
  esr: 0,
  esrGathered: 0,
  icrLow: 0,
  icrHigh: 0,
  // LINT0 of the bootstrap processor is ExtINT and LINT1 NMI, as firmware leaves them for virtual wire mode.
  lvt: bsp
    ? [LVT_MASKED, LVT_MASKED, LVT_MASKED, 0x700, 0x400, LVT_MASKED]
    : [LVT_MASKED, LVT_MASKED, LVT_MASKED, LVT_MASKED, LVT_MASKED, LVT_MASKED],
  /** Levels of LINT0 and LINT1. */
  lint: [false, false],
  timerInitial: 0,
  timerDivide: 0,
  /** When the timer reaches zero next; 0 when it does not run. */
  timerNextNs: 0,
  /** IA32_TSC_DEADLINE as written, two halves. */
  tscDeadlineLow: 0,
  tscDeadlineHigh: 0,
  /** Expirations of a periodic timer that found the previous one not yet run by the host. */
  timerMerged: 0,
  /** Signals for the processor. */
  nmi: false,
  init: false,
  /** Vector of a start-up IPI, -1 when none. */
  sipi: -1,
  /** An ExtINT message from the I/O APIC waits. */
  extInt: false,
});
/** State of one local APIC. */
export type LocalApicState = ReturnType<typeof reset>;
type S = LocalApicState;

/** What a local APIC is connected to. */
export interface LocalApicPorts {
  /** An interprocessor interrupt: bits 19..0 of ICR, and the destination field. */
  ipi(from: number, command: number, destination: number): void;
  /** EOI of a level-triggered interrupt, broadcast to the I/O APICs. */
  eoi(vector: number): void;
}

/** What board, processor and other APICs do to it. */
export interface LocalApicInputs {
  /** A message from the interconnect, see apic-message.ts. */
  accept(message: number): void;
  /** Level of LINT0 or LINT1. */
  lint(n: 0 | 1, level: boolean): void;
  /** The processor takes the highest interrupt; tells its vector, the spurious one when it is gone. */
  acknowledge(): number;
  /** The processor takes the NMI, INIT or SIPI. */
  takeNmi(): boolean;
  takeInit(): boolean;
  /** The SIPI vector, or -1. */
  takeSipi(): number;
  /** The ExtINT message is answered by the 8259 pair. */
  takeExtInt(): void;
  /** WRMSR IA32_APIC_BASE, low half. */
  setBase(low: number): void;
  /** CR8 := value (TPR bits 7..4). */
  setCr8(value: number): void;
  /** IA32_TSC_DEADLINE := value; `deadlineNs` is the domain time at which the TSC reaches it. Zero disarms. */
  setTscDeadline(value: bigint, deadlineNs: number): void;
  /** A register by number, as x2APIC MSRs do; ICR_LOW takes the destination from `high`. */
  writeRegister(register: number, value: number): void;
  /** x2APIC ICR: one 64-bit write. */
  writeIcr(low: number, destination: number): void;
  readRegister(register: number): number;
}
/** What board and processor ask. */
export interface LocalApicQueries {
  /** Highest vector that may be taken now, or -1. */
  pendingVector(): number;
  /** Whether an ExtINT request passes through LINT0 or came as a message. */
  extIntPending(): boolean;
  matches(destination: number, logical: boolean): boolean;
  priority(): number;
  id(): number;
  base(): number;
  cr8(): number;
  /** IA32_TSC_DEADLINE; zero when disarmed or past. */
  tscDeadline(): bigint;
}

/** Highest set bit of a 256-bit register, or -1. */
function highest(words: readonly number[]): number {
  for (let i = 7; i >= 0; i--) {
    const w = words[i]!;
    if (w !== 0) return i * 32 + 31 - Math.clz32(w);
  }
  return -1;
}
const setBit = (words: number[], n: number): void => {
  words[n >> 5] = (words[n >> 5]! | (1 << (n & 31))) >>> 0;
};
const clearBit = (words: number[], n: number): void => {
  words[n >> 5] = (words[n >> 5]! & ~(1 << (n & 31))) >>> 0;
};
const hasBit = (words: readonly number[], n: number): boolean => (words[n >> 5]! & (1 << (n & 31))) !== 0;

/** What decides whether a destination names an APIC. */
export interface ApicIdentity {
  readonly id: number;
  /** Low half of IA32_APIC_BASE. */
  readonly base: number;
  readonly ldr: number;
  readonly dfr: number;
}

const hardwareEnabled = (s: ApicIdentity): boolean => (s.base & APIC_BASE_ENABLE) !== 0;
const softwareEnabled = (s: S): boolean => (s.svr & SVR_ENABLE) !== 0;
const x2apic = (s: ApicIdentity): boolean =>
  (s.base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) === (APIC_BASE_ENABLE | APIC_BASE_X2APIC);

/** Processor priority: TPR, or the class of the highest interrupt in service. */
function ppr(s: S): number {
  const serving = highest(s.isr);
  return serving >> 4 > s.tpr >> 4 ? serving & 0xf0 : s.tpr;
}

function pendingVector(s: S): number {
  const vector = highest(s.irr);
  if (vector < 0 || !softwareEnabled(s) || !hardwareEnabled(s)) return -1;
  return vector >> 4 > ppr(s) >> 4 ? vector : -1;
}

const lint0ExtInt = (s: S): boolean => (s.lvt[3]! & (LVT_MASKED | 0x700)) === DeliveryMode.EXTINT << 8;
// With the APIC globally disabled LINT0 is the processor's INTR pin (SDM "Enabling or Disabling the Local APIC").
const extIntPending = (s: S): boolean => s.extInt || (s.lint[0]! && (!hardwareEnabled(s) || lint0ExtInt(s)));

function raiseError(s: S, bit: number): void {
  s.esrGathered |= bit;
  const entry = s.lvt[5]!;
  if ((entry & LVT_MASKED) === 0 && (entry & 0xff) >= 16) request(s, entry & 0xff, false);
}

function request(s: S, vector: number, level: boolean): void {
  if (!softwareEnabled(s)) return;
  if (vector < 16) {
    raiseError(s, ESR_RECEIVE_ILLEGAL);
    return;
  }
  setBit(s.irr, vector);
  if (level) setBit(s.tmr, vector);
  else clearBit(s.tmr, vector);
}

function accept(s: S, message: number): void {
  if (!hardwareEnabled(s)) return;
  const vector = message & 0xff;
  switch (messageMode(message)) {
    case DeliveryMode.FIXED:
    case DeliveryMode.LOWEST:
      request(s, vector, (message & MSG_LEVEL) !== 0);
      return;
    case DeliveryMode.NMI:
      s.nmi = true;
      return;
    case DeliveryMode.INIT:
      // "INIT level de-assert" only synchronises arbitration IDs.
      if ((message & (MSG_LEVEL | MSG_ASSERT)) !== MSG_LEVEL) s.init = true;
      return;
    case DeliveryMode.STARTUP:
      s.sipi = vector;
      return;
    case DeliveryMode.EXTINT:
      s.extInt = true;
      return;
    default: // SMI: there is no system-management mode here
  }
}

/** An edge on a local source described by LVT entry `index`. */
function localInterrupt(s: S, index: number): void {
  const entry = s.lvt[index]!;
  if (entry & LVT_MASKED) return;
  const mode = messageMode(entry);
  if (mode === DeliveryMode.FIXED) request(s, entry & 0xff, (entry & MSG_LEVEL) !== 0);
  else if (mode === DeliveryMode.NMI) s.nmi = true;
  else if (mode === DeliveryMode.INIT) s.init = true;
}

const timerMode = (s: S): number => (s.lvt[0]! >> 17) & 3;
const divider = (s: S): number => DIVIDERS[((s.timerDivide & 3) | ((s.timerDivide >> 1) & 4)) as 0]!;

/** Fires what is due; a periodic timer goes on in step with its first start. */
function syncTimer(s: S, now: number): void {
  if (s.timerNextNs === 0 || now < s.timerNextNs) return;
  if ((s.lvt[0]! & LVT_MASKED) === 0) request(s, s.lvt[0]! & 0xff, false);
  if (timerMode(s) === TIMER_PERIODIC) {
    const period = s.timerInitial * divider(s);
    const behind = Math.floor((now - s.timerNextNs) / period);
    s.timerMerged += behind;
    s.timerNextNs += (behind + 1) * period;
  } else {
    s.timerNextNs = 0;
    s.tscDeadlineLow = 0;
    s.tscDeadlineHigh = 0;
  }
}

function currentCount(s: S, now: number): number {
  if (s.timerNextNs === 0 || timerMode(s) === TIMER_TSC_DEADLINE) return 0;
  return Math.min(s.timerInitial, Math.ceil((s.timerNextNs - now) / divider(s)));
}

function writeTimerInitial(s: S, v: number, now: number): void {
  if (timerMode(s) === TIMER_TSC_DEADLINE) return;
  s.timerInitial = v;
  s.timerNextNs = v === 0 ? 0 : now + v * divider(s);
}

function writeLvt(s: S, index: number, v: number, now: number): void {
  syncTimer(s, now);
  const modeBefore = timerMode(s);
  s.lvt[index] = (v & LVT_WRITABLE[index]!) | (softwareEnabled(s) ? 0 : LVT_MASKED);
  if (index === 0 && (modeBefore === TIMER_TSC_DEADLINE) !== (timerMode(s) === TIMER_TSC_DEADLINE)) {
    s.timerNextNs = 0; // changing to or from TSC-deadline mode disarms the timer
    s.timerInitial = 0;
    s.tscDeadlineLow = 0;
    s.tscDeadlineHigh = 0;
  }
  // A level that is already high reaches a LINT entry that has just been unmasked as fixed and level triggered.
  if ((index === 3 || index === 4) && s.lint[index - 3]! && s.lvt[index]! & MSG_LEVEL) localInterrupt(s, index);
}

function sendIpi(s: S, low: number, destination: number, ports: LocalApicPorts): void {
  s.icrLow = low & ICR_WRITABLE;
  const mode = messageMode(low);
  if ((mode === DeliveryMode.FIXED || mode === DeliveryMode.LOWEST) && (low & 0xff) < 16) {
    raiseError(s, ESR_SEND_ILLEGAL);
    return;
  }
  // Only INIT may be level triggered; every other IPI is sent as an edge.
  const command = mode === DeliveryMode.INIT ? s.icrLow : s.icrLow & ~MSG_LEVEL;
  ports.ipi(s.id, command, destination);
}

function endOfInterrupt(s: S, ports: LocalApicPorts): void {
  const vector = highest(s.isr);
  if (vector < 0) return;
  clearBit(s.isr, vector);
  if (hasBit(s.tmr, vector)) ports.eoi(vector);
}

const logicalId = (s: ApicIdentity): number => (x2apic(s) ? (((s.id >>> 4) << 16) | (1 << (s.id & 15))) >>> 0 : s.ldr);

function readRegister(s: S, r: number, now: number): number {
  if (r >= ApicReg.ISR && r < ApicReg.ISR + 8) return s.isr[r - ApicReg.ISR]!;
  if (r >= ApicReg.TMR && r < ApicReg.TMR + 8) return s.tmr[r - ApicReg.TMR]!;
  if (r >= ApicReg.IRR && r < ApicReg.IRR + 8) return s.irr[r - ApicReg.IRR]!;
  if (r >= ApicReg.LVT_TIMER && r < ApicReg.LVT_TIMER + LVT_COUNT) return s.lvt[r - ApicReg.LVT_TIMER]!;
  switch (r) {
    case ApicReg.ID:
      return x2apic(s) ? s.id : (s.id << 24) >>> 0;
    case ApicReg.VERSION:
      return VERSION;
    case ApicReg.TPR:
      return s.tpr;
    case ApicReg.APR:
    case ApicReg.PPR:
      return ppr(s);
    case ApicReg.LDR:
      return logicalId(s);
    case ApicReg.DFR:
      return s.dfr;
    case ApicReg.SVR:
      return s.svr;
    case ApicReg.ESR:
      return s.esr;
    case ApicReg.ICR_LOW:
      return s.icrLow;
    case ApicReg.ICR_HIGH:
      return s.icrHigh;
    case ApicReg.TIMER_INITIAL:
      return s.timerInitial;
    case ApicReg.TIMER_CURRENT:
      return currentCount(s, now);
    case ApicReg.TIMER_DIVIDE:
      return s.timerDivide;
    case ApicReg.RRD:
    case ApicReg.EOI:
      return 0;
    default:
      raiseError(s, ESR_ILLEGAL_REGISTER);
      return 0;
  }
}

function writeRegister(s: S, r: number, v: number, ctx: Ctx<LocalApicPorts>): void {
  const now = ctx.nowNs;
  if (r >= ApicReg.LVT_TIMER && r < ApicReg.LVT_TIMER + LVT_COUNT) {
    writeLvt(s, r - ApicReg.LVT_TIMER, v, now);
    return;
  }
  switch (r) {
    case ApicReg.TPR:
      s.tpr = v & 0xff;
      return;
    case ApicReg.EOI:
      endOfInterrupt(s, ctx);
      return;
    case ApicReg.LDR:
      if (!x2apic(s)) s.ldr = (v & 0xff000000) >>> 0;
      return;
    case ApicReg.DFR:
      if (!x2apic(s)) s.dfr = (v | 0x0fffffff) >>> 0;
      return;
    case ApicReg.SVR:
      s.svr = v & SVR_WRITABLE;
      if (!softwareEnabled(s)) for (let i = 0; i < LVT_COUNT; i++) s.lvt[i] = s.lvt[i]! | LVT_MASKED;
      return;
    case ApicReg.ESR:
      s.esr = s.esrGathered;
      s.esrGathered = 0;
      return;
    case ApicReg.ICR_LOW:
      sendIpi(s, v, x2apic(s) ? s.icrHigh : s.icrHigh >>> 24, ctx);
      return;
    case ApicReg.ICR_HIGH:
      s.icrHigh = x2apic(s) ? v >>> 0 : (v & 0xff000000) >>> 0;
      return;
    case ApicReg.TIMER_INITIAL:
      writeTimerInitial(s, v >>> 0, now);
      return;
    case ApicReg.TIMER_DIVIDE: {
      const left = currentCount(s, now);
      s.timerDivide = v & 0x0b;
      if (left > 0) s.timerNextNs = now + left * divider(s);
      return;
    }
    case ApicReg.SELF_IPI:
      if (x2apic(s)) sendIpi(s, (v & 0xff) | (1 << 18), 0, ctx);
      return;
    case ApicReg.ID:
    case ApicReg.VERSION:
    case ApicReg.PPR:
    case ApicReg.TIMER_CURRENT:
      return; // read only
    default:
      raiseError(s, ESR_ILLEGAL_REGISTER);
  }
}

/** Whether `destination` (8 bits, or 32 in x2APIC mode) names this APIC. */
export function apicMatches(s: ApicIdentity, destination: number, logical: boolean): boolean {
  if (!hardwareEnabled(s)) return false;
  if (destination === 0xffffffff || (!x2apic(s) && (destination & 0xff) === 0xff)) return true;
  if (!logical) return destination === s.id;
  const id = logicalId(s);
  if (x2apic(s)) return destination >>> 16 === id >>> 16 && (destination & id & 0xffff) !== 0;
  if (s.dfr >>> 28 === 0xf) return (destination & (id >>> 24)) !== 0;
  return ((destination >> 4) & 15) === id >>> 28 && (destination & (id >>> 24) & 15) !== 0;
}

function setBase(s: S, low: number): void {
  const before = s.base;
  s.base = ((low & ~APIC_BASE_BSP) | (before & APIC_BASE_BSP)) >>> 0;
  if (hardwareEnabled(s)) return;
  // Globally disabled: the register file starts afresh when it is enabled again.
  const fresh = reset(s.id, false);
  Object.assign(s, fresh, { base: s.base, lint: s.lint });
}

/** A local APIC with ID `id`; `bsp` marks the bootstrap processor. Region `regs` is placed by the board per processor. */
export const localApic = (
  id = 0,
  bsp = id === 0,
): Device<LocalApicState, LocalApicPorts, LocalApicInputs, LocalApicQueries> =>
  device<LocalApicState, LocalApicPorts, LocalApicInputs, LocalApicQueries>({
    name: 'local-apic',
    version: 1,
    state: () => reset(id, bsp),
    retain: (fresh, old) => {
      fresh.lint = [...old.lint];
    },
    regions: { regs: { space: 'mmio', sizeBytes: 0x1000 } },
    lines: {
      intr: (s) => pendingVector(s) >= 0,
      extInt: extIntPending,
      nmi: (s) => s.nmi,
      start: (s) => s.init || s.sipi >= 0,
    },
    // A masked one-shot would end without effect; its count is computed from the time.
    deadline: (s) => (s.timerNextNs === 0 || s.lvt[0]! & LVT_MASKED || !softwareEnabled(s) ? null : s.timerNextNs),
    elapse: (s, ctx) => syncTimer(s, ctx.nowNs),
    inputs: {
      accept: (s, _ctx, message) => accept(s, message),
      lint: (s, _ctx, n, level) => {
        if (s.lint[n] === level) return;
        s.lint[n] = level;
        if (level && hardwareEnabled(s)) localInterrupt(s, 3 + n);
      },
      acknowledge: (s, ctx) => {
        syncTimer(s, ctx.nowNs);
        const vector = pendingVector(s);
        if (vector < 0) return s.svr & 0xff;
        clearBit(s.irr, vector);
        setBit(s.isr, vector);
        return vector;
      },
      takeNmi: (s) => {
        const was = s.nmi;
        s.nmi = false;
        return was;
      },
      takeInit: (s) => {
        const was = s.init;
        // INIT resets everything but the ID and the base register.
        if (was) Object.assign(s, reset(s.id, false), { base: s.base, lint: s.lint });
        return was;
      },
      takeSipi: (s) => {
        const vector = s.sipi;
        s.sipi = -1;
        return vector;
      },
      takeExtInt: (s) => {
        s.extInt = false;
      },
      setBase: (s, _ctx, low) => setBase(s, low),
      setCr8: (s, _ctx, value) => {
        s.tpr = (value & 15) << 4;
      },
      setTscDeadline: (s, _ctx, value, deadlineNs) => {
        if (timerMode(s) !== TIMER_TSC_DEADLINE) return;
        s.tscDeadlineLow = Number(value & 0xffffffffn);
        s.tscDeadlineHigh = Number((value >> 32n) & 0xffffffffn);
        s.timerNextNs = value === 0n ? 0 : Math.max(1, Math.ceil(deadlineNs));
      },
      readRegister: (s, ctx, register) => {
        syncTimer(s, ctx.nowNs);
        return readRegister(s, register, ctx.nowNs);
      },
      writeRegister: (s, ctx, register, value) => {
        syncTimer(s, ctx.nowNs);
        writeRegister(s, register, value >>> 0, ctx);
      },
      writeIcr: (s, ctx, low, destination) => {
        s.icrHigh = x2apic(s) ? destination >>> 0 : (destination << 24) >>> 0;
        sendIpi(s, low, destination, ctx);
      },
    },
    queries: {
      pendingVector,
      extIntPending,
      matches: (s, _ctx, destination, logical) => apicMatches(s, destination, logical),
      priority: ppr,
      id: (s) => s.id,
      base: (s) => s.base,
      cr8: (s) => s.tpr >> 4,
      tscDeadline: (s) => (BigInt(s.tscDeadlineHigh) << 32n) | BigInt(s.tscDeadlineLow),
    },
    handlers: {
      regs: {
        // Registers are 32 bits wide at multiples of 16 bytes; narrower reads see their part of the word.
        read: (s, offset, size, ctx) => {
          syncTimer(s, ctx.nowNs);
          if (offset & 0x0c) return 0;
          const word = readRegister(s, offset >> 4, ctx.nowNs);
          return size === 4 ? word : (word >>> (8 * (offset & 3))) & (size === 1 ? 0xff : 0xffff);
        },
        write: (s, offset, _size, value, ctx) => {
          syncTimer(s, ctx.nowNs);
          if ((offset & 0x0f) === 0) writeRegister(s, offset >> 4, value, ctx);
        },
      },
    },
  });
