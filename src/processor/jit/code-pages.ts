// Where the pages around a region's entry lie: a walk of the guest's paging structures that changes nothing and may be wrong
// about rights; translated code checks the page again whenever it goes there. Intel SDM Vol. 3A, "Paging".
import { at, SLOT } from '../state-layout.js';
import type { StateView } from '../state-view.js';

const CR0_PG = 0x8000_0000n;
const CR4_PSE = 0x10n;
const CR4_PAE = 0x20n;
const PRESENT = 1n;
const LARGE = 0x80n;
const FRAME = 0xf_ffff_ffff_f000n;

/** The guest's paging registers at one moment. */
export interface PagingRegisters {
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly long: boolean;
}
export const pagingOf = (state: StateView): PagingRegisters => ({
  cr0: state.u64(at('cr0')),
  cr3: state.u64(at('cr3')),
  cr4: state.u64(at('cr4')),
  long: state.u32(at('lma')) !== 0,
});

/** Finds the host address of code by linear address. */
export class CodePages {
  constructor(
    private readonly state: StateView,
    private readonly memory: StateView,
  ) {}

  /** Host address of the RAM page that holds a physical address, or 0. */
  private hostOf(physical: bigint): number {
    const count = this.state.u32(at('slotCount'));
    for (let n = 0; n < count; n++) {
      const slot = at('slots') + n * SLOT.sizeBytes;
      const offset = physical - this.state.u64(slot + SLOT.gpa);
      if (offset >= 0n && offset < this.state.u64(slot + SLOT.sizeBytesField))
        return this.state.u32(slot + SLOT.host) + Number(offset & ~0xfffn);
    }
    return 0;
  }
  private entry(table: bigint, index: bigint, sizeBytes: 4 | 8): bigint {
    const physical = table + index * BigInt(sizeBytes);
    const host = this.hostOf(physical);
    if (host === 0) return 0n;
    const where = host + Number(physical & 0xfffn);
    return sizeBytes === 8 ? this.memory.u64(where) : BigInt(this.memory.u32(where));
  }
  private physicalOf(linear: bigint, p: PagingRegisters): bigint | null {
    if ((p.cr0 & CR0_PG) === 0n) return linear;
    const wide = (p.cr4 & CR4_PAE) !== 0n;
    const bits = wide ? 9n : 10n;
    const levels = p.long ? 4 : wide ? 3 : 2;
    let table = p.cr3 & (levels === 3 ? 0xffff_ffe0n : FRAME);
    for (let level = levels - 1; level >= 0; level--) {
      const shift = 12n + bits * BigInt(level);
      const index = (linear >> shift) & ((1n << (levels === 3 && level === 2 ? 2n : bits)) - 1n);
      const found = this.entry(table, index, wide ? 8 : 4);
      if ((found & PRESENT) === 0n) return null;
      const large = level > 0 && (found & LARGE) !== 0n && (wide || (p.cr4 & CR4_PSE) !== 0n);
      if (level === 0 || large) {
        const offset = linear & ((1n << shift) - 1n);
        return (((found & FRAME) >> shift) << shift) | offset;
      }
      table = found & FRAME;
    }
    return null;
  }
  /** Host address of the page of a linear address, or 0. */
  host(linear: bigint, paging: PagingRegisters): number {
    const physical = this.physicalOf(linear, paging);
    return physical === null ? 0 : this.hostOf(physical);
  }
}
