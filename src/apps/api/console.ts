// A guest's serial console as a program uses it: an async iterable, writable, with expect.

import { ConfigError, GuestError } from '../../base/index.js';
import type { Domain } from '../../domains/index.js';
import { describeOutcome } from '../cli/report.js';

/** Characters that `expect` looks back over and `text` keeps. */
export const CONSOLE_KEEP = 1 << 20;
/** Host milliseconds that `expect` waits unless told otherwise. */
export const DEFAULT_EXPECT_MS = 60_000;

export interface ExpectOptions {
  /** Host milliseconds; 60000 by default. */
  readonly timeoutMs?: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
}

type Failure = 'EXPECT_TIMEOUT' | 'EXPECT_ENDED' | 'EXPECT_ABORTED';

interface Waiter {
  check(): void;
  fail(why: Failure): void;
}

/** The last line that says something. */
const lastWords = (text: string): string =>
  (
    text
      .split(/[\r\n]+/)
      .filter((l) => l.trim() !== '')
      .at(-1) ?? ''
  )
    .trim()
    .slice(-200);

/** COM1 of a guest. Carriage returns before line feeds are left out of text. */
export class GuestConsole implements AsyncIterable<string> {
  readonly #domain: Domain;
  readonly #decoder = new TextDecoder();
  #text = '';
  /** Carriage returns that wait for what follows. */
  #carry = '';
  /** Where the next `expect` begins in `#text`. */
  #from = 0;
  #ended = false;
  readonly #waiters = new Set<Waiter>();
  readonly #readers = new Set<(text: string | null) => void>();
  readonly #listeners = new Set<(bytes: Uint8Array) => void>();

  /** Made by `Vm`. */
  constructor(domain: Domain) {
    this.#domain = domain;
    domain.onOutput((bytes) => this.#hear(bytes));
    domain.onState((state) => {
      if (state === 'stopped') this.#end();
      else this.#ended = false;
    });
  }

  /** What the guest has sent, at most the last mebibyte. */
  get text(): string {
    return this.#text;
  }

  /** Types text or bytes. Throws ConfigError CONSOLE_FULL when a mebibyte waits already. */
  write(data: string | Uint8Array): void {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    if (this.#domain.write(bytes)) return;
    const { name } = this.#domain;
    throw new ConfigError('CONSOLE_FULL', `'${name}' does not read its console: too much input waits`, {
      domain: name,
    });
  }

  /** Bytes as they come; returns the function that ends it. */
  onBytes(listener: (bytes: Uint8Array) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Waits until the guest has sent `what` since the last match, and gives the match. Throws GuestError EXPECT_TIMEOUT, or
   * EXPECT_ENDED when the guest stops before.
   */
  expect(what: RegExp | string, options: ExpectOptions = {}): Promise<RegExpExecArray> {
    const { timeoutMs = DEFAULT_EXPECT_MS, signal } = options;
    const pattern = typeof what === 'string' ? new RegExp(what.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')) : what;
    const once = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        signal?.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter = {
        check: () => {
          const found = once.exec(this.#text.slice(this.#from));
          if (found === null) return;
          this.#from += found.index + found[0].length;
          stop();
          resolve(found);
        },
        fail: (why) => {
          stop();
          reject(this.#failure(why, once, timeoutMs));
        },
      };
      const timer = setTimeout(() => waiter.fail('EXPECT_TIMEOUT'), timeoutMs);
      const onAbort = (): void => waiter.fail('EXPECT_ABORTED');
      this.#waiters.add(waiter);
      waiter.check();
      if (!this.#waiters.has(waiter)) return;
      if (signal?.aborted) onAbort();
      else if (this.#ended) waiter.fail('EXPECT_ENDED');
      else signal?.addEventListener('abort', onAbort);
    });
  }

  /** Text as it comes, from the call on, until the guest stops. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    const queue: (string | null)[] = this.#ended ? [null] : [];
    let wake = (): void => {};
    const reader = (text: string | null): void => {
      queue.push(text);
      wake();
    };
    this.#readers.add(reader);
    try {
      for (;;) {
        while (queue.length === 0) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        const text = queue.shift() ?? null;
        if (text === null) return;
        yield text;
      }
    } finally {
      this.#readers.delete(reader);
    }
  }

  /** Whole lines as they come, without their ends. */
  async *lines(): AsyncGenerator<string> {
    let rest = '';
    for await (const text of this) {
      const parts = (rest + text).split('\n');
      rest = parts.pop() ?? '';
      yield* parts;
    }
    if (rest !== '') yield rest;
  }

  /** No more output will come. Called by `Vm`. */
  close(): void {
    this.#end();
  }

  #failure(code: Failure, pattern: RegExp, timeoutMs: number): GuestError {
    const { name, outcome } = this.#domain;
    const last = lastWords(this.#text);
    const why = {
      EXPECT_TIMEOUT: `did not send ${pattern} within ${timeoutMs} ms`,
      EXPECT_ENDED: `ended before it sent ${pattern}${outcome ? ` (${describeOutcome(outcome)})` : ''}`,
      EXPECT_ABORTED: `had not sent ${pattern} when the wait was ended`,
    }[code];
    const details = { domain: name, pattern: String(pattern), last };
    return new GuestError(code, `'${name}' ${why}; last output: '${last}'`, details);
  }

  #hear(bytes: Uint8Array): void {
    for (const l of [...this.#listeners]) l(bytes);
    let piece = this.#carry + this.#decoder.decode(bytes, { stream: true });
    // Whether a carriage return at the end belongs to a line feed is seen with the next piece.
    this.#carry = /\r+$/.exec(piece)?.[0] ?? '';
    piece = piece.slice(0, piece.length - this.#carry.length).replace(/\r+\n/g, '\n');
    if (piece === '') return;
    this.#text += piece;
    if (this.#text.length > 2 * CONSOLE_KEEP) {
      const cut = this.#text.length - CONSOLE_KEEP;
      this.#text = this.#text.slice(cut);
      this.#from = Math.max(0, this.#from - cut);
    }
    for (const r of this.#readers) r(piece);
    // One piece may satisfy several that wait, in the order in which they began.
    for (const w of [...this.#waiters]) w.check();
  }

  #end(): void {
    this.#ended = true;
    for (const w of [...this.#waiters]) w.fail('EXPECT_ENDED');
    for (const r of this.#readers) r(null);
  }
}
