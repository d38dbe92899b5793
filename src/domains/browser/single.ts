// Every physical CPU in one Web Worker, without shared memory: console bytes travel in messages, as many as the other side
// has room for. The page's side; `single-worker.ts` is the worker's.

import { ConsoleRing } from '../console-ring.js';
import type { PcpuCommand, PcpuEvent, PcpuLink, PcpuSpawner } from '../protocol.js';
import {
  type BrowserPcpuOptions,
  CLOSE_MS,
  errorOf,
  type FromWorker,
  type StartMessage,
  type ToWorker,
} from './messages.js';

/** The page's ends of a domain's console. */
interface Console {
  readonly cpu: number;
  readonly output: ConsoleRing;
  readonly input: ConsoleRing;
  /** Output bytes put into the ring that the worker does not know to be taken yet. */
  given: number;
  /** Input bytes on their way to the guest. */
  underWay: number;
}

interface Cpu {
  readonly onEvent: (event: PcpuEvent) => void;
  readonly onCrash: (error: Error) => void;
}

/** The worker and everything that goes through it. */
class SingleWorker {
  readonly #worker: Worker;
  readonly #consoles = new Map<number, Console>();
  readonly #cpus = new Map<number, Cpu>();
  #ended: () => void = () => undefined;
  closing = false;

  constructor(options: BrowserPcpuOptions) {
    this.#worker = options.worker();
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#hear(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#crash(errorOf(event));
    };
    const start: StartMessage = {
      kind: 'start',
      cpu: 0,
      bell: null,
      setup: options.setup,
      originMs: performance.timeOrigin,
      pace: options.pace ?? false,
      holdAfterScripts: options.holdAfterScripts ?? false,
    };
    this.#worker.postMessage(start);
  }

  link(cpu: number, onEvent: Cpu['onEvent'], onCrash: Cpu['onCrash']): PcpuLink {
    this.#cpus.set(cpu, { onEvent, onCrash });
    return {
      send: (command) => this.#send(cpu, command),
      ring: () => {
        for (const [id, c] of this.#consoles) if (c.cpu === cpu) this.#exchange(id, c);
      },
      close: () => this.#close(cpu),
    };
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #send(cpu: number, command: PcpuCommand): void {
    const { request } = command;
    if (request.kind === 'destroy') this.#consoles.delete(request.id);
    if (request.kind !== 'create') {
      this.#post({ kind: 'command', cpu, command });
      return;
    }
    const { output, input } = request.rings;
    const ends = { output: new ConsoleRing(output), input: new ConsoleRing(input) };
    // the worker tells when it has more, and waits when this ring is full
    ends.output.setWaiting(true);
    this.#consoles.set(request.id, { cpu, ...ends, given: 0, underWay: 0 });
    // it gets rings of its own, of the same size
    const rings = { output: new ArrayBuffer(output.byteLength), input: new ArrayBuffer(input.byteLength) };
    this.#post({ kind: 'command', cpu, command: { ...command, request: { ...request, rings } } });
  }

  /** Tells what was taken of the output, and sends input as far as the worker has room. */
  #exchange(id: number, c: Console): void {
    const taken = c.given - c.output.length;
    if (taken > 0) {
      c.given -= taken;
      this.#post({ kind: 'taken', id, count: taken });
    }
    const bytes = c.input.read(c.input.capacity - c.underWay);
    if (bytes.length === 0) return;
    c.underWay += bytes.length;
    this.#post({ kind: 'input', id, bytes });
  }

  #hear(message: FromWorker): void {
    if (message.kind === 'event') this.#cpus.get(message.cpu)?.onEvent(message.event);
    else if (message.kind === 'crashed') this.#crash(new Error(message.message));
    else if (message.kind === 'closed') this.#ended();
    else {
      const c = this.#consoles.get(message.id);
      if (c === undefined) return;
      if (message.kind === 'output') {
        c.given += c.output.write(message.bytes);
        this.#cpus.get(c.cpu)?.onEvent({ kind: 'output', id: message.id });
      } else c.underWay -= message.count;
      this.#exchange(message.id, c);
    }
  }

  #crash(error: Error): void {
    if (!this.closing) for (const cpu of this.#cpus.values()) cpu.onCrash(error);
    this.closing = true;
    this.#ended();
  }

  /** The last physical CPU takes the worker along. */
  async #close(cpu: number): Promise<void> {
    this.#cpus.delete(cpu);
    if (this.#cpus.size > 0) return;
    if (!this.closing) {
      this.closing = true;
      const end = new Promise<void>((resolve) => {
        this.#ended = resolve;
      });
      this.#post({ kind: 'close' });
      await Promise.race([end, new Promise((resolve) => setTimeout(resolve, CLOSE_MS))]);
    }
    this.#worker.terminate();
  }
}

/** Needs nothing but Web Workers; guests take turns on one thread. */
export function singleWorkerPcpus(options: BrowserPcpuOptions): PcpuSpawner {
  let worker: SingleWorker | null = null;
  return (cpu, onEvent, onCrash) => {
    if (worker === null || worker.closing) worker = new SingleWorker(options);
    return worker.link(cpu, onEvent, onCrash);
  };
}
