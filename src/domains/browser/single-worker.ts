// The worker's side of `single.ts`: all physical CPUs take turns on this thread; console bytes travel in messages.

import { ConsoleRing } from '../console-ring.js';
import { type InlineOptions, inlinePcpus } from '../inline.js';
import type { PcpuCommand, PcpuEvent, PcpuLink } from '../protocol.js';
import type { FromWorker, ToWorker } from './messages.js';

interface Console {
  readonly cpu: number;
  readonly output: ConsoleRing;
  readonly input: ConsoleRing;
  /** Output bytes that the page has room for. */
  room: number;
  /** Input bytes whose arrival at the guest the page has not been told. */
  unconfirmed: number;
}

/** Handles the page's messages; call it with each of them. */
export class SingleWorkerRuntime {
  readonly #post: (message: FromWorker) => void;
  readonly #options: InlineOptions;
  readonly #links = new Map<number, PcpuLink>();
  readonly #consoles = new Map<number, Console>();

  constructor(options: InlineOptions, post: (message: FromWorker) => void) {
    this.#post = post;
    this.#options = {
      ...options,
      delay: (ms) => {
        this.#confirm();
        return options.delay(ms);
      },
    };
  }

  async hear(message: ToWorker): Promise<void> {
    if (message.kind === 'command') this.#command(message.cpu, message.command);
    else if (message.kind === 'close') {
      await Promise.all([...this.#links.values()].map((link) => link.close()));
      this.#post({ kind: 'closed' });
    } else {
      const c = this.#consoles.get(message.id);
      if (c === undefined) return;
      if (message.kind === 'taken') {
        c.room += message.count;
        this.#pump(message.id, c);
      } else {
        c.unconfirmed += c.input.write(message.bytes);
        this.#links.get(c.cpu)?.ring();
      }
    }
  }

  #command(cpu: number, command: PcpuCommand): void {
    const { request } = command;
    if (request.kind === 'create') {
      const output = new ConsoleRing(request.rings.output);
      const input = new ConsoleRing(request.rings.input);
      this.#consoles.set(request.id, { cpu, output, input, room: output.capacity, unconfirmed: 0 });
    } else if (request.kind === 'destroy') this.#consoles.delete(request.id);
    this.#link(cpu).send(command);
  }

  #link(cpu: number): PcpuLink {
    const present = this.#links.get(cpu);
    if (present !== undefined) return present;
    const onCrash = (error: Error): void => this.#post({ kind: 'crashed', message: error.message });
    const link = inlinePcpus(this.#options)(cpu, (event) => this.#emit(cpu, event), onCrash);
    this.#links.set(cpu, link);
    return link;
  }

  #emit(cpu: number, event: PcpuEvent): void {
    if (event.kind === 'output' || event.kind === 'state') {
      const c = this.#consoles.get(event.id);
      if (c !== undefined) this.#pump(event.id, c);
      if (event.kind === 'output') return;
    }
    this.#post({ kind: 'event', cpu, event });
  }

  /** Sends what the page has room for. */
  #pump(id: number, c: Console): void {
    c.output.acknowledge();
    const bytes = c.output.read(c.room);
    if (bytes.length === 0) return;
    c.room -= bytes.length;
    this.#post({ kind: 'output', id, bytes });
    if (c.output.waiting) this.#links.get(c.cpu)?.ring();
  }

  #confirm(): void {
    for (const [id, c] of this.#consoles) {
      const count = c.unconfirmed - c.input.length;
      if (count <= 0) continue;
      c.unconfirmed -= count;
      this.#post({ kind: 'accepted', id, count });
    }
  }
}
