// The home part's end of a machine on several threads: serves the others' accesses to devices, takes interrupts that they
// send, lets them run and makes them stand still. Source: docs/decisions/0007-parallel-vcpus.md.

import { HostError } from '../../base/index.js';
import type { ApicReceiver, LocalApic } from '../../devices/index.js';
import type { VmShare } from '../../vmx/index.js';
import { type Placement, Waker } from './placement.js';
import { type Mail, MailOperation, ProcessorStatus, remoteApic, SharedBoard } from './shared-board.js';

/** A part that has not stopped after so long does not run our code any more. */
const STOP_MS = 5000;
const WAIT_MS = 5;

/** A part's machine came to an end that the home part decides about. */
export interface PartStop {
  readonly kind: 'tripleFault' | 'entryFailure' | 'internalError' | 'error';
  readonly code: string;
  readonly message: string;
}

export interface HomeOptions {
  readonly cpus: number;
  readonly placement: Placement;
  readonly nowNs: () => number;
}
/** What the home part does for the others. */
export interface HomeServices {
  read(cpu: number, space: 'pio' | 'mmio', address: number, size: 1 | 2 | 4): number;
  write(cpu: number, space: 'pio' | 'mmio', address: number, size: 1 | 2 | 4, value: number): void;
  /** The local APIC of a processor of the home part. */
  apic(cpu: number): LocalApic | undefined;
  /** An EOI of a level-triggered interrupt on another thread. */
  eoi(vector: number): void;
  stopped(stop: PartStop): void;
}

export class HomePart {
  readonly board: SharedBoard;
  readonly #o: HomeOptions;
  readonly #here: readonly number[];
  readonly #elsewhere: readonly number[];
  #waker: Waker | null = null;
  #released = false;

  constructor(options: HomeOptions) {
    this.#o = options;
    this.board = SharedBoard.create(options.cpus);
    const [here, ...others] = options.placement.parts;
    this.#here = here ?? [];
    this.#elsewhere = others.flat();
  }

  /** Receivers for the interconnect of the home part's APICs. */
  apicsElsewhere(): ReadonlyMap<number, ApicReceiver> {
    const wake = (cpu: number): void => this.#waker?.cpu(cpu);
    return new Map(this.#elsewhere.map((cpu) => [cpu, remoteApic(this.board, cpu, wake)]));
  }
  /** The VM has been made. */
  connect(share: VmShare): void {
    this.#waker = new Waker(this.#o.placement, share);
  }

  /** Something waits for the home part. */
  get pending(): boolean {
    const { board } = this;
    return (
      board.news || this.#elsewhere.some((cpu) => board.asks(cpu)) || this.#here.some((cpu) => board.attention(cpu))
    );
  }
  /** No processor elsewhere can go on without an interrupt, and none is on its way. */
  get deaf(): boolean {
    const { board } = this;
    const quiet = (cpu: number): boolean => board.status(cpu) === ProcessorStatus.DEAF && !board.attention(cpu);
    return this.#elsewhere.every(quiet) && !this.#here.some((cpu) => board.attention(cpu));
  }

  /** Does everything that waits. */
  serve(services: HomeServices): void {
    const { board } = this;
    if (board.takeNews()) board.takeEois((vector) => services.eoi(vector));
    for (const cpu of this.#here) {
      if (board.attention(cpu)) board.take(cpu, (message) => services.apic(cpu)?.inputs.accept(message));
    }
    for (const cpu of this.#elsewhere) if (board.asks(cpu)) this.#serve(board.mail(cpu), services);
  }
  #serve(mail: Mail, services: HomeServices): void {
    const { cpu, operation, address, sizeBytes, value } = mail;
    let answer = 0;
    let stop: PartStop | null = null;
    if (operation === MailOperation.PORT_READ) answer = services.read(cpu, 'pio', address, sizeBytes);
    else if (operation === MailOperation.PORT_WRITE) services.write(cpu, 'pio', address, sizeBytes, value);
    else if (operation === MailOperation.MMIO_READ) answer = services.read(cpu, 'mmio', address, sizeBytes);
    else if (operation === MailOperation.MMIO_WRITE) services.write(cpu, 'mmio', address, sizeBytes, value);
    else stop = JSON.parse(mail.text) as PartStop;
    this.board.answer(cpu, answer);
    if (stop !== null) services.stopped(stop);
  }

  /** Tells others how to address the home part's APICs. */
  publish(apics: readonly LocalApic[]): void {
    publishApics(this.board, apics);
  }

  /** Lets the other parts run; `originNs` is the caller's time minus domain time. */
  release(originNs: number): void {
    if (this.#released) return;
    this.#released = true;
    this.board.originNs = originNs;
    this.board.running = true;
    for (let part = 1; part < this.#o.placement.parts.length; part++) this.#waker?.part(part);
  }

  /** Makes the other parts leave their steps and stay out; serves what they ask meanwhile. */
  standStill(services: HomeServices): void {
    if (!this.#released) return;
    this.#released = false;
    const { board } = this;
    board.running = false;
    const end = this.#o.nowNs() + STOP_MS * 1e6;
    for (let part = 1; part < this.#o.placement.parts.length; part++) {
      this.#waker?.part(part);
      while (board.active(part)) {
        this.serve(services);
        board.waitInactive(part, WAIT_MS);
        if (this.#o.nowNs() > end) {
          const cpus = this.#o.placement.parts[part]?.join(', ');
          throw new HostError('PART_STUCK', `processors ${cpus} have not stopped within ${STOP_MS} ms`);
        }
      }
    }
  }

  /** RESET, while all stand still. */
  reset(tscOffset: bigint): void {
    const { board } = this;
    for (let cpu = 0; cpu < this.#o.cpus; cpu++) board.clear(cpu);
    board.takeNews();
    board.takeEois(() => {});
    for (const cpu of this.#elsewhere) {
      // until its part has looked: as after RESET
      board.setStatus(cpu, ProcessorStatus.DEAF);
    }
    board.tscOffset = tscOffset;
    board.nextGeneration();
  }
}

/** Publishes what others must know of these local APICs to address them. */
export function publishApics(board: SharedBoard, apics: readonly LocalApic[]): void {
  for (const { state, queries } of apics) {
    board.setIdentity(state.id, state.base, state.ldr, state.dfr, queries.priority());
  }
}
