// The console switcher: one terminal for the consoles of several domains. Ctrl-A is the command key.

import type { Domain, Pcanel } from '../../domains/index.js';
import type { HeldOutput } from './output.js';
import { describeOutcome, statLine } from './report.js';

const COMMAND_KEY = 0x01;
/** What is shown again when a console comes to the front. */
const HISTORY_BYTES = 16 << 10;
const CR = 0x0d;

/** What the keys do, for `?`. */
export const KEY_HELP =
  'Ctrl-A then: n next, p previous, 1-9 console, s status, x exit, Ctrl-A sends Ctrl-A, ? this help';

interface Console {
  readonly domain: Domain;
  history: Uint8Array[];
  historyBytes: number;
}

export interface SwitcherOptions {
  readonly pcanel: Pcanel;
  readonly domains: readonly Domain[];
  readonly out: HeldOutput;
  readonly onExit: () => void;
}

/** Interprets typed bytes and shows the console in front. Knows no terminal: see `rawTerminal`. */
export class Switcher {
  readonly #o: SwitcherOptions;
  readonly #consoles: Console[];
  #front = 0;
  #command = false;

  constructor(options: SwitcherOptions) {
    this.#o = options;
    this.#consoles = options.domains.map((domain) => ({ domain, history: [], historyBytes: 0 }));
    for (const [i, c] of this.#consoles.entries()) {
      c.domain.onOutput((bytes) => this.#show(i, c, bytes));
      c.domain.onState((state, outcome) => {
        if (state === 'stopped' && outcome !== null) this.note(`${c.domain.name}: ${describeOutcome(outcome)}`);
      });
    }
  }

  /** A line of ours among the guest's. */
  note(text: string): void {
    this.#o.out.write(`\r\n\x1b[7m[pcanel] ${text}\x1b[0m\r\n`);
  }

  greet(): void {
    this.note(`${this.#title()}; Ctrl-A ? for help`);
  }

  /** Bytes from the keyboard. */
  type(bytes: Uint8Array): void {
    const plain: number[] = [];
    for (const byte of bytes) {
      if (this.#command) {
        this.#command = false;
        if (byte === COMMAND_KEY) plain.push(byte);
        else this.#obey(String.fromCharCode(byte));
      } else if (byte === COMMAND_KEY) this.#command = true;
      else plain.push(byte);
    }
    if (plain.length > 0) this.#consoles[this.#front]?.domain.write(plain);
  }

  #title(): string {
    const names = this.#consoles.map((c, i) =>
      i === this.#front ? `>${i + 1} ${c.domain.name}<` : `${i + 1} ${c.domain.name}`,
    );
    return `consoles: ${names.join('  ')}`;
  }

  #obey(key: string): void {
    const n = this.#consoles.length;
    if (key === 'n') this.#switch((this.#front + 1) % n);
    else if (key === 'p') this.#switch((this.#front + n - 1) % n);
    else if (key >= '1' && key <= '9' && Number(key) <= n) this.#switch(Number(key) - 1);
    else if (key === 's') void this.#status();
    else if (key === 'x') this.#o.onExit();
    else if (key === '?' || key === 'h') this.note(KEY_HELP);
    else this.note(`no such command '${JSON.stringify(key).slice(1, -1)}'. ${KEY_HELP}`);
  }

  #switch(to: number): void {
    this.#front = to;
    const c = this.#consoles[to];
    this.#o.out.write('\x1b[0m\x1b[2J\x1b[H');
    this.note(this.#title());
    for (const bytes of c?.history ?? []) this.#o.out.write(bytes);
    if (c?.domain.state === 'stopped' && c.domain.outcome !== null) this.note(describeOutcome(c.domain.outcome));
  }

  async #status(): Promise<void> {
    try {
      for (const cpu of await this.#o.pcanel.stat()) for (const d of cpu.domains) this.note(statLine(d, cpu));
    } catch (error) {
      this.note(error instanceof Error ? error.message : String(error));
    }
  }

  #show(i: number, c: Console, bytes: Uint8Array): void {
    c.history.push(bytes);
    c.historyBytes += bytes.length;
    while (c.historyBytes > HISTORY_BYTES && c.history.length > 1) c.historyBytes -= c.history.shift()?.length ?? 0;
    if (i === this.#front) this.#o.out.write(bytes);
  }
}

/** Plain text, the cursor shown, a new line: whatever the guest was at. */
const LEAVE = '\x1b[0m\x1b[?25h\r\n';

/** Puts the terminal into raw mode; returns the function that restores it. */
export function rawTerminal(onBytes: (bytes: Uint8Array) => void): () => void {
  const { stdin } = process;
  stdin.setRawMode(true);
  stdin.resume();
  stdin.on('data', onBytes);
  let raw = true;
  const restore = (): void => {
    if (!raw) return;
    raw = false;
    stdin.off('data', onBytes);
    stdin.setRawMode(false);
    stdin.pause();
    process.stdout.write(LEAVE);
    process.off('exit', restore);
  };
  process.on('exit', restore);
  return restore;
}

/** Feeds a domain from a pipe: line feeds become carriage returns, as a terminal would send. */
export function pipeInput(domain: Domain): () => void {
  const { stdin } = process;
  const onData = (bytes: Uint8Array): void => {
    const typed = bytes.map((b) => (b === 0x0a ? CR : b));
    if (domain.write(typed)) return;
    stdin.pause();
    const timer = setInterval(() => {
      if (!domain.write(typed)) return;
      clearInterval(timer);
      stdin.resume();
    }, 50);
    timer.unref();
  };
  stdin.on('data', onData);
  stdin.on('error', () => {}); // a closed terminal is an end of input
  return () => {
    stdin.off('data', onData);
    stdin.pause();
  };
}
