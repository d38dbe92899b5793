// A bus: sorted, disjoint ranges of port or memory addresses, each answered by a target that knows only offsets.

import { ConfigError, hex } from '../base/index.js';
import type { AccessSize, BusTarget, Space } from './device.js';
import { allOnes } from './device.js';

/** A claimed range; `end` is exclusive. */
interface Range {
  readonly start: number;
  readonly end: number;
  readonly target: BusTarget;
}

const NO_RANGE: Range = {
  start: -1,
  end: -1,
  target: { name: 'none', read: (_offset, size) => allOnes(size), write: () => {} },
};

/** Size of the two address spaces; memory-mapped addresses stay below 2^52. */
const SPACE_BYTES: Record<Space, number> = { pio: 0x10000, mmio: 2 ** 52 };

/** Routes accesses by address. Unclaimed ones read all ones, are counted, and are logged once per address. */
export class Bus {
  /** Accesses that nothing claimed. */
  unclaimed = 0;
  #ranges: Range[] = [];
  #last: Range = NO_RANGE;
  readonly #logged = new Set<number>();

  constructor(
    readonly space: Space,
    readonly log: (text: string) => void,
  ) {}

  /** Claims `[start, sizeBytes]`. */
  add(start: number, sizeBytes: number, target: BusTarget): void {
    const end = start + sizeBytes;
    if (!Number.isInteger(start) || start < 0 || end > SPACE_BYTES[this.space]) {
      throw new ConfigError(
        'BUS_RANGE',
        `${target.name}: ${this.space} range ${start} of ${sizeBytes} bytes, expected one inside ${hex(SPACE_BYTES[this.space])} bytes`,
      );
    }
    const other = this.#ranges.find((r) => start < r.end && r.start < end);
    if (other !== undefined) {
      throw new ConfigError(
        'BUS_OVERLAP',
        `${target.name}: ${this.space} range ${hex(start)}..${hex(end - 1)} overlaps ${other.target.name} at ` +
          `${hex(other.start)}..${hex(other.end - 1)}`,
        { start, end, other: other.target.name },
      );
    }
    this.#ranges.push({ start, end, target });
    this.#ranges.sort((a, b) => a.start - b.start);
    this.#last = NO_RANGE;
  }

  /** Gives back the range that starts at `start`. */
  remove(start: number): void {
    this.#ranges = this.#ranges.filter((r) => r.start !== start);
    this.#last = NO_RANGE;
  }

  /** The claimed ranges in order. */
  ranges(): readonly { readonly start: number; readonly sizeBytes: number; readonly name: string }[] {
    return this.#ranges.map((r) => ({ start: r.start, sizeBytes: r.end - r.start, name: r.target.name }));
  }

  /** True when some device answers at `address`. */
  claims(address: number): boolean {
    return this.#find(address).start >= 0;
  }

  #find(address: number): Range {
    const last = this.#last;
    if (address >= last.start && address < last.end) return last;
    const ranges = this.#ranges;
    let low = 0;
    let high = ranges.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (ranges[mid]!.end <= address) low = mid + 1;
      else high = mid;
    }
    const r = ranges[low];
    if (r === undefined || address < r.start) return NO_RANGE;
    this.#last = r;
    return r;
  }

  /** Reads 1, 2 or 4 bytes, little-endian, as an unsigned number. */
  read(address: number, size: AccessSize): number {
    const r = this.#find(address);
    if (address + size <= r.end) return r.target.read(address - r.start, size);
    if (size === 1 || (r === NO_RANGE && !this.#touches(address, size))) {
      this.#miss(address, false);
      return allOnes(size);
    }
    let value = 0;
    for (let i = 0; i < size; i++) value += this.read(address + i, 1) * 2 ** (8 * i);
    return value;
  }

  /** Writes 1, 2 or 4 bytes, little-endian. */
  write(address: number, size: AccessSize, value: number): void {
    const r = this.#find(address);
    if (address + size <= r.end) {
      r.target.write(address - r.start, size, value);
      return;
    }
    if (size === 1 || (r === NO_RANGE && !this.#touches(address, size))) {
      this.#miss(address, true);
      return;
    }
    for (let i = 0; i < size; i++) this.write(address + i, 1, (value >>> (8 * i)) & 0xff);
  }

  /** Reads 8 bytes as two accesses of four, low half first. */
  read64(address: number): bigint {
    const low = this.read(address, 4);
    return (BigInt(this.read(address + 4, 4)) << 32n) | BigInt(low);
  }

  /** Writes 8 bytes as two accesses of four, low half first. */
  write64(address: number, value: bigint): void {
    this.write(address, 4, Number(value & 0xffffffffn));
    this.write(address + 4, 4, Number((value >> 32n) & 0xffffffffn));
  }

  #touches(address: number, size: number): boolean {
    for (let i = 1; i < size; i++) if (this.#find(address + i) !== NO_RANGE) return true;
    return false;
  }

  #miss(address: number, write: boolean): void {
    this.unclaimed++;
    const key = address * 2 + (write ? 1 : 0);
    if (this.#logged.size >= 4096 || this.#logged.has(key)) return;
    this.#logged.add(key);
    this.log(`${this.space} ${write ? 'write to' : 'read of'} unclaimed address ${hex(address)}`);
  }
}
