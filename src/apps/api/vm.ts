// One guest computer as a program holds it.

import { ConfigError } from '../../base/index.js';
import {
  type AccessRecord,
  type Domain,
  type DomainOutcome,
  type DomainStat,
  type DomainState,
  type ExitReader,
  type Frame,
  keyBytes,
  type Pcanel as Manager,
} from '../../domains/index.js';
import { type ExitFilter, type ExitRecord, MAX_TRACE_KEEP, typeText } from '../../machine/index.js';
import { GuestConsole } from './console.js';

/** Guest-physical memory. */
export interface VmMemory {
  /** Copies `sizeBytes` (at most 16 MiB) from guest-physical address `gpa`. Throws ConfigError MEMORY_RANGE outside memory. */
  read(gpa: number, sizeBytes: number): Promise<Uint8Array>;
  /** Writes bytes (at most 16 MiB) to guest-physical address `gpa`; the guest sees them at its next access. */
  write(gpa: number, bytes: Uint8Array): Promise<void>;
}

/** What `onEvent` tells. */
export type VmEvent =
  | { readonly type: 'state'; readonly state: DomainState; readonly outcome: DomainOutcome | null }
  /** A device reports something, such as the first access that nobody answers. */
  | { readonly type: 'log'; readonly text: string }
  /** A line that firmware wrote to its debug port. */
  | { readonly type: 'debug'; readonly text: string };

export interface ExitOptions extends ExitFilter {
  /** Exits beyond this many per second of host time are counted and not recorded; 2000 by default. */
  readonly maxPerSecond?: number;
  /** Between two looks, in milliseconds; 20 by default. */
  readonly intervalMs?: number;
  /** Told how many matching exits were not recorded since the last look. */
  readonly onMissed?: (count: number) => void;
}

const POLL_MS = 20;
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A virtual machine. Made by `Pcanel.define`; `await using vm = ...` removes it at the end of its block. */
export class Vm implements AsyncDisposable {
  /** COM1. */
  readonly console: GuestConsole;
  readonly memory: VmMemory;
  readonly #domain: Domain;
  readonly #manager: Manager;
  readonly #onRemove: (() => unknown)[];
  #removed = false;

  /** Use `Pcanel.define`. */
  constructor(domain: Domain, manager: Manager, onRemove: () => void) {
    this.#domain = domain;
    this.#manager = manager;
    this.#onRemove = [onRemove];
    this.console = new GuestConsole(domain);
    this.memory = {
      read: (gpa, sizeBytes) => domain.readMemory(gpa, sizeBytes),
      write: (gpa, bytes) => domain.writeMemory(gpa, bytes),
    };
  }

  get name(): string {
    return this.#domain.name;
  }
  get state(): DomainState {
    return this.#domain.state;
  }
  /** How it ended; null while it has not. */
  get outcome(): DomainOutcome | null {
    return this.#domain.outcome;
  }
  /** Engine in use: `software` or `kvm`. */
  get engine(): string {
    return this.#domain.engine;
  }

  /** Powers it on. */
  start(): Promise<void> {
    return this.#domain.start();
  }
  /** Stops its clock and its processors. */
  pause(): Promise<void> {
    return this.#domain.pause();
  }
  resume(): Promise<void> {
    return this.#domain.resume();
  }
  /** Back to power-on with the same images; also brings a stopped machine back. */
  reset(): Promise<void> {
    return this.#domain.reset();
  }
  /** Pulls the plug. */
  stop(): Promise<void> {
    return this.#domain.stop();
  }
  /** Presses the ACPI power button: a guest that listens shuts down. */
  pressPowerButton(): Promise<void> {
    return this.#domain.pressPowerButton();
  }

  /** Resolves when it has stopped. Rejects with ConfigError VM_WAIT after `timeoutMs` host milliseconds. */
  async wait(options: { readonly timeoutMs?: number } = {}): Promise<DomainOutcome> {
    const { timeoutMs } = options;
    let off = (): void => {};
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<DomainOutcome>((resolve, reject) => {
        const look = (): void => {
          if (this.state === 'stopped' && this.outcome !== null) resolve(this.outcome);
        };
        off = this.#domain.onState(look);
        look();
        if (timeoutMs === undefined) return;
        timer = setTimeout(() => {
          const message = `'${this.name}' still ran after ${timeoutMs} ms, expected it to end`;
          reject(new ConfigError('VM_WAIT', message, { domain: this.name }));
        }, timeoutMs);
      });
    } finally {
      off();
      clearTimeout(timer);
    }
  }

  /** Types text: on the serial console (default), or with a US keyboard. `\n` is the return key. */
  async type(text: string, options: { readonly via?: 'serial' | 'keyboard' } = {}): Promise<void> {
    if (options.via === 'keyboard') await this.#domain.use({ kind: 'keys', codes: typeText(text) });
    else this.console.write(text.replace(/\r?\n/g, '\r'));
  }
  /** Presses a key, by its `KeyboardEvent.code` ('ArrowUp'); several together are held until the last is down. */
  async press(...codes: string[]): Promise<void> {
    const bytes = (down: boolean, code: string): readonly number[] => {
      const found = keyBytes(code, down);
      if (found !== null) return found;
      throw new ConfigError('KEY', `there is no key '${code}', expected a KeyboardEvent.code such as 'Enter'`);
    };
    const down = codes.flatMap((c) => [...bytes(true, c)]);
    const up = [...codes].reverse().flatMap((c) => [...bytes(false, c)]);
    await this.#domain.use({ kind: 'keys', codes: [...down, ...up] });
  }
  /** Moves the PS/2 mouse, in counts, dy up. Buttons: left 1, right 2, middle 4. */
  async mouse(dx: number, dy: number, buttons = 0): Promise<void> {
    await this.#domain.use({ kind: 'mouse', dx, dy, buttons });
  }

  /** The screen as a PNG file. Throws ConfigError NO_DISPLAY for a machine without a display. */
  screenshot(): Promise<Uint8Array> {
    return this.#domain.screenshot();
  }
  /** The screen as RGBA dots. */
  screen(): Promise<Frame> {
    return this.#domain.frame();
  }
  /** Counters: instructions, VM exits by reason with their cost, interrupts, scheduling. */
  stat(): Promise<DomainStat> {
    return this.#domain.stat();
  }

  onEvent(listener: (event: VmEvent) => void): () => void {
    const offs = [
      this.#domain.onState((state, outcome) => listener({ type: 'state', state, outcome })),
      this.#domain.onLog((text) => listener({ type: 'log', text })),
      this.#domain.onDebug((text) => listener({ type: 'debug', text })),
    ];
    return () => {
      for (const off of offs) off();
    };
  }

  /**
   * Single VM exits from the call on, until the loop is left or the machine is removed. Recording costs the guest about
   * 10 us for each one, so narrow it down.
   */
  async *exits(options: ExitOptions = {}): AsyncGenerator<ExitRecord> {
    yield* this.#follow(await this.#trace(options), options, () => false);
  }

  /** Tells a listener of single VM exits; resolves when recording has begun, with the function that ends it. */
  async onExit(listener: (exit: ExitRecord) => void, options: ExitOptions = {}): Promise<() => Promise<void>> {
    const reader = await this.#trace(options);
    let over = false;
    const run = async (): Promise<void> => {
      for await (const exit of this.#follow(reader, options, () => over)) listener(exit);
    };
    const done = run();
    done.catch(() => {}); // told by the function that ends it
    return async () => {
      // What has been recorded until now is still told.
      await reader.configure({ filter: { address: [Number.MAX_SAFE_INTEGER, 1] } });
      over = true;
      await done;
    };
  }

  #trace({ maxPerSecond, intervalMs: _, onMissed: __, ...filter }: ExitOptions): Promise<ExitReader> {
    return this.#domain.traceExits({
      filter,
      keep: MAX_TRACE_KEEP,
      ...(maxPerSecond !== undefined && { maxPerSecond }),
    });
  }

  /** Records until `over` and nothing is left, or the machine has ended. */
  async *#follow(reader: ExitReader, options: ExitOptions, over: () => boolean): AsyncGenerator<ExitRecord> {
    let skippedBefore = 0;
    try {
      for (;;) {
        const last = this.#removed || this.state === 'stopped' || over();
        if (this.#removed) return;
        const { records, lost, skipped } = await reader.read();
        if (lost + skipped > skippedBefore) options.onMissed?.(lost + skipped - skippedBefore);
        skippedBefore = skipped;
        yield* records;
        if (records.length > 0) continue;
        if (last) return;
        await wait(options.intervalMs ?? POLL_MS);
      }
    } finally {
      if (!this.#removed) await reader.close();
    }
  }

  /** Accesses that rules of the access policy matched, the last 4096; `since` is the number of the first wanted. */
  async accesses(since = 0): Promise<readonly AccessRecord[]> {
    return (await this.#domain.accesses(since)).records;
  }

  /** Ends the machine, if it runs, and gives its memory back. */
  async remove(): Promise<void> {
    if (this.#removed) return;
    this.#removed = true;
    this.console.close();
    try {
      await this.#manager.destroy(this.#domain);
    } finally {
      for (const f of this.#onRemove) await f();
    }
  }
  /** Calls (and awaits) `work` once the machine has been removed. */
  onRemove(work: () => unknown): void {
    this.#onRemove.push(work);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }
}
