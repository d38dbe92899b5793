// Chooses the event of the next VM entry: NMI first, then the highest external interrupt; asks for a window where blocked.
// Intel SDM Vol. 3C, "Event Injection", "Interrupt-Window Exiting"; Vol. 3A, "Priority Among Concurrent Events".
import { Exception } from '../arch/index.js';
import { PinBased, Primary, type Vcpu } from '../vmx/index.js';
import type { InterruptSource } from './ports.js';

export class EventInjector {
  #windowOn = false;
  #nmiWindowOn = false;
  /** The last exit ended in an exception, which occupies the next entry's event. */
  #occupied = false;

  constructor(
    readonly vcpu: Vcpu,
    readonly source: InterruptSource,
  ) {}

  /** The next entry already delivers an exception. */
  occupy(): void {
    this.#occupied = true;
  }

  /** The processor was reset: no event is under way, no window is asked for. */
  reset(): void {
    this.#occupied = false;
    if (this.#windowOn) this.vcpu.requestInterruptWindow(false);
    this.#windowOn = false;
    if (this.#nmiWindowOn) this.#setNmiWindow(false);
  }

  /** True when an event could be delivered now: what wakes a halted processor. */
  deliverable(): boolean {
    if (this.source.nmiPending?.() && this.vcpu.nmiUnblocked()) return true;
    return this.source.pending() && this.vcpu.interruptible();
  }

  /** Prepares the next entry. */
  prepare(): void {
    const { vcpu, source } = this;
    let free = !this.#occupied;
    this.#occupied = false;
    if (free && source.nmiPending?.() && vcpu.nmiUnblocked()) {
      source.acknowledgeNmi?.();
      vcpu.inject({ type: 'nmi', vector: Exception.NMI });
      free = false;
    }
    if (free && source.pending() && vcpu.interruptible()) {
      vcpu.inject({ type: 'externalInterrupt', vector: source.acknowledge() });
    }
    // What is still pending (blocked, or behind the event just injected) needs an exit as soon as it can be taken.
    const wanted = source.pending();
    if (wanted !== this.#windowOn) {
      this.#windowOn = wanted;
      vcpu.requestInterruptWindow(wanted);
    }
    const nmiWanted = source.nmiPending?.() ?? false;
    if (nmiWanted !== this.#nmiWindowOn) this.#setNmiWindow(nmiWanted);
  }

  #setNmiWindow(on: boolean): void {
    const c = this.vcpu.controls;
    this.#nmiWindowOn = on;
    if (on) {
      c.pinBased |= PinBased.nmiExiting | PinBased.virtualNmis;
      c.primary = (c.primary | Primary.nmiWindowExiting) >>> 0;
    } else {
      c.primary = (c.primary & ~Primary.nmiWindowExiting) >>> 0;
    }
    this.vcpu.applyControls();
  }
}
