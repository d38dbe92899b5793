// What the threads of one machine tell each other: one small block of shared memory. The home part has the devices; each
// other part has processors with their local APICs. Source: docs/decisions/0007-parallel-vcpus.md; ECMAScript "Atomics".

import {
  type ApicIdentity,
  type ApicReceiver,
  apicMatches,
  DeliveryMode,
  MSG_ASSERT,
  MSG_LEVEL,
  messageMode,
} from '../../devices/index.js';

/** Words of the header. */
const RUN = 0;
const GENERATION = 1;
const GONE = 2;
const NEWS = 3;
const EOI = 4; // 8 words, a bit per vector
const PART_ACTIVE = 16; // a word per part
const ORIGIN = 40; // f64: caller's time minus domain time
const TSC_OFFSET = 42; // u64
const HEADER_BYTES = 256;

/** Words of a processor's block. */
const ATTENTION = 0;
const SIGNALS = 1;
const REQUESTS = 2; // 8 words, a bit per vector
const LEVELS = 10; // 8 words: those that are level triggered
const STATUS = 18;
const ID_BASE = 19;
const ID_LDR = 20;
const ID_DFR = 21;
const PRIORITY = 22;
const MAIL = 24; // state, then operation, size, value, text length; address as f64
const MAIL_OPERATION = 25;
const MAIL_SIZE = 26;
const MAIL_VALUE = 27;
const MAIL_ADDRESS = 28;
const MAIL_LENGTH = 30;
const MAIL_TEXT = 32 * 4;
const TEXT_BYTES = 896;
const PROCESSOR_BYTES = MAIL_TEXT + TEXT_BYTES;

const SIGNAL_NMI = 1;
const SIGNAL_INIT = 2;
const SIGNAL_EXTINT = 4;
const SIGNAL_SIPI = 8; // vector in bits 8..15

/** A processor as its part saw it last. `deaf`: only another processor could wake it. */
export const ProcessorStatus = { BUSY: 0, IDLE: 1, DEAF: 2 } as const;

const NO_MAIL = 0;
const REQUEST = 1;
const REPLY = 2;
/** Looks at the answer so often before it sleeps: the home part is often just behind an exit. */
const SPINS = 500;
const SLEEP_MS = 20;

/** What a processor asks of the home part. */
export const MailOperation = { PORT_READ: 0, PORT_WRITE: 1, MMIO_READ: 2, MMIO_WRITE: 3, STOPPED: 4 } as const;

/** A request to the home part, as it sees it. */
export interface Mail {
  readonly cpu: number;
  readonly operation: number;
  readonly sizeBytes: 1 | 2 | 4;
  readonly address: number;
  readonly value: number;
  readonly text: string;
}

/** The home part has gone away: what is asked of it is not answered any more. */
const ALL_ONES = 0xffff_ffff;

export class SharedBoard {
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #longs: BigUint64Array;
  readonly #bytes: Uint8Array;

  /** Views the block in `shared`; every thread makes its own view. */
  constructor(readonly shared: SharedArrayBuffer) {
    this.#words = new Int32Array(shared);
    this.#floats = new Float64Array(shared);
    this.#longs = new BigUint64Array(shared);
    this.#bytes = new Uint8Array(shared);
  }
  static create(cpus: number): SharedBoard {
    return new SharedBoard(new SharedArrayBuffer(HEADER_BYTES + cpus * PROCESSOR_BYTES));
  }
  #of(cpu: number): number {
    return (HEADER_BYTES + cpu * PROCESSOR_BYTES) >> 2;
  }

  // --- the machine as a whole ---
  /** The guest may run. */
  get running(): boolean {
    return Atomics.load(this.#words, RUN) !== 0;
  }
  set running(on: boolean) {
    Atomics.store(this.#words, RUN, on ? 1 : 0);
  }
  /** Resets since power-on: a part that knows another number resets its processors. */
  get generation(): number {
    return Atomics.load(this.#words, GENERATION);
  }
  nextGeneration(): void {
    Atomics.add(this.#words, GENERATION, 1);
  }
  /** The home part has failed: nobody answers any more. */
  get gone(): boolean {
    return Atomics.load(this.#words, GONE) !== 0;
  }
  setGone(): void {
    Atomics.store(this.#words, GONE, 1);
    this.running = false;
    for (let at = HEADER_BYTES >> 2; at < this.#words.length; at += PROCESSOR_BYTES >> 2) {
      Atomics.notify(this.#words, at + MAIL);
    }
  }
  /** Caller's time minus domain time; set while nobody runs. */
  get originNs(): number {
    return this.#floats[ORIGIN >> 1] as number;
  }
  set originNs(value: number) {
    this.#floats[ORIGIN >> 1] = value;
  }
  /** TSC offset of every processor after a reset. */
  get tscOffset(): bigint {
    return this.#longs[TSC_OFFSET >> 1] as bigint;
  }
  set tscOffset(value: bigint) {
    this.#longs[TSC_OFFSET >> 1] = value;
  }
  /** A part has something to tell the home part. */
  setNews(): void {
    Atomics.store(this.#words, NEWS, 1);
  }
  get news(): boolean {
    return Atomics.load(this.#words, NEWS) !== 0;
  }
  takeNews(): boolean {
    return Atomics.exchange(this.#words, NEWS, 0) !== 0;
  }

  // --- parts ---
  /** A part is inside a step. */
  setActive(part: number, on: boolean): void {
    Atomics.store(this.#words, PART_ACTIVE + part, on ? 1 : 0);
    if (!on) Atomics.notify(this.#words, PART_ACTIVE + part);
  }
  active(part: number): boolean {
    return Atomics.load(this.#words, PART_ACTIVE + part) !== 0;
  }
  /** Waits until a part has left its step, at most `ms`. */
  waitInactive(part: number, ms: number): void {
    Atomics.wait(this.#words, PART_ACTIVE + part, 1, ms);
  }

  // --- interrupts ---
  /** An EOI of a level-triggered interrupt, for the I/O APIC. */
  postEoi(vector: number): void {
    Atomics.or(this.#words, EOI + (vector >> 5), 1 << (vector & 31));
    this.setNews();
  }
  takeEois(each: (vector: number) => void): void {
    this.#takeBits(EOI, each);
  }
  #takeBits(at: number, each: (bit: number) => void): void {
    for (let i = 0; i < 8; i++) {
      if (this.#words[at + i] === 0) continue;
      for (let bits = Atomics.exchange(this.#words, at + i, 0); bits !== 0; bits &= bits - 1) {
        each(i * 32 + 31 - Math.clz32(bits & -bits));
      }
    }
  }
  /** A message for the local APIC of `cpu` (apic-message.ts). */
  post(cpu: number, message: number): void {
    const at = this.#of(cpu);
    const words = this.#words;
    const vector = message & 0xff;
    const bit = 1 << (vector & 31);
    switch (messageMode(message)) {
      case DeliveryMode.FIXED:
      case DeliveryMode.LOWEST:
        if (message & MSG_LEVEL) Atomics.or(words, at + LEVELS + (vector >> 5), bit);
        else Atomics.and(words, at + LEVELS + (vector >> 5), ~bit);
        Atomics.or(words, at + REQUESTS + (vector >> 5), bit);
        break;
      case DeliveryMode.NMI:
        Atomics.or(words, at + SIGNALS, SIGNAL_NMI);
        break;
      case DeliveryMode.INIT:
        if ((message & (MSG_LEVEL | MSG_ASSERT)) === MSG_LEVEL) return;
        // INIT takes back a start-up IPI that came before it
        Atomics.and(words, at + SIGNALS, ~(SIGNAL_SIPI | 0xff00));
        Atomics.or(words, at + SIGNALS, SIGNAL_INIT);
        break;
      case DeliveryMode.STARTUP:
        Atomics.and(words, at + SIGNALS, ~0xff00);
        Atomics.or(words, at + SIGNALS, SIGNAL_SIPI | (vector << 8));
        break;
      case DeliveryMode.EXTINT:
        Atomics.or(words, at + SIGNALS, SIGNAL_EXTINT);
        break;
    }
    Atomics.store(words, at + ATTENTION, 1);
  }
  /** Messages wait for `cpu`. */
  attention(cpu: number): boolean {
    return Atomics.load(this.#words, this.#of(cpu) + ATTENTION) !== 0;
  }
  /** Hands the messages that wait for `cpu` to its local APIC. Its status is busy from now on. */
  take(cpu: number, accept: (message: number) => void): void {
    const at = this.#of(cpu);
    const words = this.#words;
    if (!this.attention(cpu)) return;
    Atomics.store(words, at + STATUS, ProcessorStatus.BUSY);
    Atomics.store(words, at + ATTENTION, 0);
    const signals = Atomics.exchange(words, at + SIGNALS, 0);
    if (signals & SIGNAL_INIT) {
      accept((DeliveryMode.INIT << 8) | MSG_ASSERT);
      // what came behind INIT comes when the processor has taken it
      const rest = signals & ~SIGNAL_INIT;
      Atomics.or(words, at + SIGNALS, rest);
      if (rest !== 0 || words.subarray(at + REQUESTS, at + LEVELS).some((w) => w !== 0))
        Atomics.store(words, at + ATTENTION, 1);
      return;
    }
    if (signals & SIGNAL_SIPI) accept((DeliveryMode.STARTUP << 8) | ((signals >> 8) & 0xff));
    if (signals & SIGNAL_NMI) accept(DeliveryMode.NMI << 8);
    if (signals & SIGNAL_EXTINT) accept(DeliveryMode.EXTINT << 8);
    this.#takeBits(at + REQUESTS, (vector) => {
      const level = Atomics.load(words, at + LEVELS + (vector >> 5)) & (1 << (vector & 31));
      accept(vector | (level ? MSG_LEVEL : 0));
    });
  }
  /** After a reset: nothing waits, nobody asks. */
  clear(cpu: number): void {
    const at = this.#of(cpu);
    this.#words.fill(0, at, at + ID_BASE);
  }

  // --- processors ---
  setStatus(cpu: number, status: number): void {
    Atomics.store(this.#words, this.#of(cpu) + STATUS, status);
  }
  status(cpu: number): number {
    return Atomics.load(this.#words, this.#of(cpu) + STATUS);
  }
  /** What others must know of a local APIC to address it. */
  setIdentity(cpu: number, base: number, ldr: number, dfr: number, priority: number): void {
    const at = this.#of(cpu);
    const words = this.#words;
    Atomics.store(words, at + ID_BASE, base | 0);
    Atomics.store(words, at + ID_LDR, ldr | 0);
    Atomics.store(words, at + ID_DFR, dfr | 0);
    Atomics.store(words, at + PRIORITY, priority);
  }
  identity(cpu: number): ApicIdentity {
    const at = this.#of(cpu);
    const word = (n: number): number => Atomics.load(this.#words, at + n) >>> 0;
    return { id: cpu, base: word(ID_BASE), ldr: word(ID_LDR), dfr: word(ID_DFR) };
  }
  priority(cpu: number): number {
    return Atomics.load(this.#words, this.#of(cpu) + PRIORITY);
  }

  // --- mailboxes ---
  /** Asks the home part; `wake` rings it. Blocks until it has answered; all ones when it has gone. */
  ask(
    cpu: number,
    wake: () => void,
    request: { operation: number; sizeBytes?: number; address?: number; value?: number; text?: string },
  ): number {
    const at = this.#of(cpu);
    const words = this.#words;
    words[at + MAIL_OPERATION] = request.operation;
    words[at + MAIL_SIZE] = request.sizeBytes ?? 0;
    words[at + MAIL_VALUE] = request.value ?? 0;
    this.#floats[(at + MAIL_ADDRESS) >> 1] = request.address ?? 0;
    const text = (request.text ?? '').slice(0, TEXT_BYTES);
    for (let i = 0; i < text.length; i++) this.#bytes[at * 4 + MAIL_TEXT + i] = text.charCodeAt(i);
    words[at + MAIL_LENGTH] = text.length;
    Atomics.store(words, at + MAIL, REQUEST);
    wake();
    for (let n = 0; Atomics.load(words, at + MAIL) === REQUEST; n++) {
      if (n < SPINS) continue;
      if (this.gone) return ALL_ONES;
      Atomics.wait(words, at + MAIL, REQUEST, SLEEP_MS);
    }
    const value = (words[at + MAIL_VALUE] as number) >>> 0;
    Atomics.store(words, at + MAIL, NO_MAIL);
    return value;
  }
  /** `cpu` waits for an answer. */
  asks(cpu: number): boolean {
    return Atomics.load(this.#words, this.#of(cpu) + MAIL) === REQUEST;
  }
  mail(cpu: number): Mail {
    const at = this.#of(cpu);
    const words = this.#words;
    const start = at * 4 + MAIL_TEXT;
    return {
      cpu,
      operation: words[at + MAIL_OPERATION] as number,
      sizeBytes: words[at + MAIL_SIZE] as 1 | 2 | 4,
      address: this.#floats[(at + MAIL_ADDRESS) >> 1] as number,
      value: (words[at + MAIL_VALUE] as number) >>> 0,
      text: String.fromCharCode(...this.#bytes.slice(start, start + (words[at + MAIL_LENGTH] as number))),
    };
  }
  answer(cpu: number, value: number): void {
    const at = this.#of(cpu);
    this.#words[at + MAIL_VALUE] = value | 0;
    Atomics.store(this.#words, at + MAIL, REPLY);
    Atomics.notify(this.#words, at + MAIL);
  }
}

/** The local APIC of a processor on another thread. */
export function remoteApic(board: SharedBoard, cpu: number, wake: (cpu: number) => void): ApicReceiver {
  return {
    inputs: {
      accept: (message) => {
        board.post(cpu, message);
        wake(cpu);
      },
    },
    queries: {
      matches: (destination, logical) => apicMatches(board.identity(cpu), destination, logical),
      priority: () => board.priority(cpu),
      id: () => cpu,
    },
  };
}
