// The interrupt message that APICs exchange: the low 16 bits of the interrupt command register and of an I/O APIC
// redirection entry, which share one layout. Source: SDM 3A "Interrupt Command Register (ICR)"; Intel 82093AA data
// sheet "I/O Redirection Table".

/** Delivery modes, bits 10..8. */
export const DeliveryMode = { FIXED: 0, LOWEST: 1, SMI: 2, NMI: 4, INIT: 5, STARTUP: 6, EXTINT: 7 } as const;

export const MSG_VECTOR = 0xff;
/** Bit 11: destination is logical. */
export const MSG_LOGICAL = 0x800;
/** Bit 14: level is assert (ICR only). */
export const MSG_ASSERT = 0x4000;
/** Bit 15: level triggered. */
export const MSG_LEVEL = 0x8000;
/** Delivery mode of a message. */
export const messageMode = (message: number): number => (message >> 8) & 7;

/** What the interconnect needs of a local APIC. */
export interface ApicReceiver {
  readonly inputs: { accept(message: number): void };
  readonly queries: {
    /** Whether `destination` (8 bits, or 32 in x2APIC mode) names this APIC. */
    matches(destination: number, logical: boolean): boolean;
    /** Processor priority, for lowest-priority arbitration. */
    priority(): number;
    id(): number;
  };
}

/** Destination shorthands of the ICR, bits 19..18. */
const SHORTHAND_SELF = 1;
const SHORTHAND_ALL = 2;

/** The interconnect between local APICs and I/O APICs. */
export class ApicBus {
  readonly #receivers: ApicReceiver[] = [];
  readonly #eoi: ((vector: number) => void)[] = [];
  #turn = 0;

  add(receiver: ApicReceiver): void {
    this.#receivers.push(receiver);
  }
  onEoi(listener: (vector: number) => void): void {
    this.#eoi.push(listener);
  }

  /** Delivers a message; true when at least one APIC was addressed. */
  deliver(message: number, destination: number): boolean {
    const logical = (message & MSG_LOGICAL) !== 0;
    const all = this.#receivers;
    if (messageMode(message) === DeliveryMode.LOWEST) {
      let best = -1;
      let bestPriority = 0;
      for (let k = 0; k < all.length; k++) {
        const i = (this.#turn + k) % all.length;
        const r = all[i]!;
        if (!r.queries.matches(destination, logical)) continue;
        const priority = r.queries.priority();
        if (best < 0 || priority < bestPriority) {
          best = i;
          bestPriority = priority;
        }
      }
      if (best < 0) return false;
      this.#turn = (best + 1) % all.length;
      all[best]!.inputs.accept(message);
      return true;
    }
    let any = false;
    for (let i = 0; i < all.length; i++) {
      const r = all[i]!;
      if (!r.queries.matches(destination, logical)) continue;
      any = true;
      r.inputs.accept(message);
    }
    return any;
  }

  /** An IPI from the APIC `from`: resolves the shorthand in bits 19..18 of the command. */
  ipi(from: number, command: number, destination: number): boolean {
    const shorthand = (command >> 18) & 3;
    if (shorthand === 0) return this.deliver(command & 0xffff, destination);
    for (let i = 0; i < this.#receivers.length; i++) {
      const r = this.#receivers[i]!;
      const self = r.queries.id() === from;
      if (shorthand === SHORTHAND_SELF ? self : shorthand === SHORTHAND_ALL || !self) r.inputs.accept(command & 0xffff);
    }
    return true;
  }

  /** A local APIC has ended a level-triggered interrupt. */
  eoi(vector: number): void {
    for (let i = 0; i < this.#eoi.length; i++) this.#eoi[i]!(vector);
  }
}
