// Accesses of one block off the same unchanged address share one TLB check. The first of them checks a range whose bounds
// are filled in at the end of the block, when all accesses are known.
import type { AddressSymbol } from './binding.js';
import type { FunctionBuilder } from './wasm.js';

/** Bytes that one check may span: wider ranges would often cross a page. */
const SPAN = 512;

/** What a region has of one range in the current block: the host address of its first access, 0 where the check failed. */
export interface Group {
  readonly local: number;
  readonly origin: number;
  readonly isWrite: boolean;
  /** Distance of the first access from the origin. */
  readonly first: number;
  /** Bytes touched, from `first`. */
  min: number;
  max: number;
  /** Places in the code of `min` and of the range's length less 1; two bytes each. */
  readonly minAt: number;
  readonly lengthAt: number;
}

export class MemoryGroups {
  private readonly open: Group[] = [];
  private readonly closed: Group[] = [];

  /** A block begins. */
  startBlock(f: FunctionBuilder): void {
    this.finish(f);
  }
  /** The address space or a segment may have changed. */
  forget(): void {
    this.closed.push(...this.open);
    this.open.length = 0;
  }
  /** Fills in the bounds of all ranges. */
  finish(f: FunctionBuilder): void {
    this.forget();
    for (const { min, max, minAt, lengthAt } of this.closed) {
      f.code.patchSleb2(minAt, min);
      f.code.patchSleb2(lengthAt, max - min - 1);
    }
    this.closed.length = 0;
  }
  /** The group whose range can hold the access; a page that can be written can be read, too. */
  find({ origin, delta }: AddressSymbol, size: number, isWrite: boolean): Group | null {
    for (const group of this.open) {
      if (group.origin !== origin || (isWrite && !group.isWrite)) continue;
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
