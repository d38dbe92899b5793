// Accesses off the same unchanged address share one TLB check: those of a block and of the blocks that it dominates. The first
// of them, or a check ahead of a loop, checks a range whose bounds are filled in when all accesses are known.
import type { AddressSymbol } from './binding.js';
import type { FunctionBuilder } from './wasm.js';

/** Bytes that one check may span: wider ranges would often cross a page. */
export const SPAN = 512;

/** What a region has of one range: the host address of its first access, 0 where the check failed. */
export interface Group {
  readonly local: number;
  readonly origin: number;
  /** Linear addresses mean what they did then. */
  readonly mapping: number;
  readonly isWrite: boolean;
  /** Number of the block that checked it. */
  readonly block: number;
  /** Distance of the first access from the origin. */
  readonly first: number;
  /** Bytes touched, from `first`. */
  min: number;
  max: number;
  /** Places in the code of `min` and of the range's length less 1; two bytes each. */
  readonly minAt: number;
  readonly lengthAt: readonly number[];
}

export class MemoryGroups {
  private readonly open: Group[] = [];
  private readonly closed: Group[] = [];

  /** `lasting`: ranges may be written in later blocks, too. */
  constructor(private readonly lasting: boolean) {}
  /** How many ranges are known here. */
  get known(): number {
    return this.open.length;
  }
  /** Forgets all but the first `known` ranges. */
  forget(known: number): void {
    this.closed.push(...this.open.splice(known));
  }
  /** Fills in the bounds of all ranges. */
  finish(f: FunctionBuilder): void {
    this.forget(0);
    for (const { min, max, minAt, lengthAt } of this.closed) {
      f.code.patchSleb2(minAt, min);
      for (const at of lengthAt) f.code.patchSleb2(at, max - min - 1);
    }
    this.closed.length = 0;
  }
  /** The group whose range can hold the access; a page that can be written can be read, too. */
  find({ origin, delta }: AddressSymbol, mapping: number, block: number, size: number, isWrite: boolean): Group | null {
    for (const group of this.open) {
      if (group.origin !== origin || group.mapping !== mapping) continue;
      if (isWrite && !(group.isWrite && (this.lasting || group.block === block))) continue;
      const from = delta - group.first;
      const min = Math.min(group.min, from);
      const max = Math.max(group.max, from + size);
      if (max - min > SPAN) continue;
      group.min = min;
      group.max = max;
      return group;
    }
    return null;
  }
  add(group: Group): void {
    this.open.push(group);
  }
}
