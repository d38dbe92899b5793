// Wired-OR interrupt lines of a board: sources by ISA IRQ or global system interrupt, fanned out to controller pins.
// Source: ACPI Specification, "Global System Interrupts"; MultiProcessor Specification 1.4, "Virtual Wire Mode".

import { ConfigError } from '../base/index.js';
import type { LineSink } from './device.js';

/** Fans one wired-OR line per global system interrupt out to its receivers. */
export class InterruptLines {
  readonly #levels: number[];
  readonly #receivers: LineSink[][];

  constructor(readonly count = 24) {
    this.#levels = Array.from({ length: count }, () => 0);
    this.#receivers = Array.from({ length: count }, () => []);
  }

  /** Adds a receiver (a controller pin) to line `gsi`. */
  connect(gsi: number, receiver: LineSink): void {
    this.#check(gsi);
    this.#receivers[gsi]!.push(receiver);
  }

  /** A new source on line `gsi`; the line is high while any source is. */
  gsi(gsi: number): LineSink {
    this.#check(gsi);
    let mine = false;
    return (level) => {
      if (level === mine) return;
      mine = level;
      const before = this.#levels[gsi]!;
      const after = before + (level ? 1 : -1);
      this.#levels[gsi] = after;
      if (before !== 0 && after !== 0) return;
      const to = this.#receivers[gsi]!;
      for (let i = 0; i < to.length; i++) to[i]!(level);
    };
  }

  /** A new source on ISA interrupt `irq`; IRQ 0 is global system interrupt 2, as the MADT's override says. */
  irq(irq: number): LineSink {
    if (!Number.isInteger(irq) || irq < 0 || irq > 15 || irq === 2) {
      throw new ConfigError('IRQ_RANGE', `ISA interrupt ${irq}, expected 0..15 except 2`);
    }
    return this.gsi(irq === 0 ? 2 : irq);
  }

  #check(gsi: number): void {
    if (!Number.isInteger(gsi) || gsi < 0 || gsi >= this.count) {
      throw new ConfigError('GSI_RANGE', `global system interrupt ${gsi}, expected 0..${this.count - 1}`);
    }
  }
}
