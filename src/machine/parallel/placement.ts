// Which processors of a machine live where, and how to wake them.

import type { VmShare } from '../../vmx/index.js';

/** Part 0 is the home part: it has the devices and the boot processor. Plain data that crosses threads. */
export interface Placement {
  /** Processors by part. */
  readonly parts: readonly (readonly number[])[];
  /** A word by part: its thread sleeps on it. */
  readonly bells: readonly Int32Array[];
}

/** Deals processors out to `parts` in turn: 0, 1, 2, ... then 0 again. */
export const dealOut = (cpus: number, parts: number): number[][] =>
  Array.from({ length: parts }, (_, part) =>
    Array.from({ length: cpus }, (_, cpu) => cpu).filter((cpu) => cpu % parts === part),
  );

/** Makes a part look at what others have left for it: ends its guest's run, or its sleep. */
export class Waker {
  readonly #placement: Placement;
  readonly #kickWords: readonly Int32Array[];

  constructor(placement: Placement, share: VmShare) {
    this.#placement = placement;
    this.#kickWords = share.kickWords;
  }

  part(index: number): void {
    const { parts, bells } = this.#placement;
    for (const cpu of parts[index] ?? []) Atomics.store(this.#kickWords[cpu] as Int32Array, 0, 1);
    const bell = bells[index];
    if (bell === undefined) return;
    Atomics.add(bell, 0, 1);
    Atomics.notify(bell, 0);
  }
  /** The part that processor `cpu` lives in. */
  cpu(cpu: number): void {
    this.part(this.#placement.parts.findIndex((p) => p.includes(cpu)));
  }
}
