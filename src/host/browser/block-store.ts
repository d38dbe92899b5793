// A disk image in memory.

import { ConfigError, HostError } from '../../base/index.js';
import type { BlockStore } from '../index.js';

export type ClosableStore = BlockStore & { close(): void };

export const SECTOR_BYTES = 512;

/** Refuses an image that is not made of whole sectors; gives their number. */
export function sectorsOf(name: string, sizeBytes: number): number {
  if (sizeBytes > 0 && sizeBytes % SECTOR_BYTES === 0) return sizeBytes / SECTOR_BYTES;
  const message = `disk image '${name}' has ${sizeBytes} bytes, expected a positive multiple of ${SECTOR_BYTES}`;
  throw new ConfigError('HOST_DISK_SIZE', message);
}

/** Refuses a transfer that leaves the image. */
export function checkRange(sector: number, bytes: Uint8Array, sectors: number): void {
  if (bytes.length % SECTOR_BYTES === 0 && sector >= 0 && sector + bytes.length / SECTOR_BYTES <= sectors) return;
  const message = `${bytes.length} bytes at sector ${sector}, expected a range inside ${sectors}`;
  throw new HostError('HOST_DISK_RANGE', message);
}

/** The bytes of `image` as a disk, written in place. */
export function memoryBlockStore(name: string, image: Uint8Array, readOnly = false): ClosableStore {
  const sectors = sectorsOf(name, image.length);
  return {
    sectorBytes: SECTOR_BYTES,
    sectors,
    readOnly,
    read(sector, into) {
      checkRange(sector, into, sectors);
      into.set(image.subarray(sector * SECTOR_BYTES, sector * SECTOR_BYTES + into.length));
    },
    write(sector, from) {
      checkRange(sector, from, sectors);
      if (readOnly) throw new HostError('HOST_READ_ONLY', `'${name}' was opened read-only`);
      image.set(from, sector * SECTOR_BYTES);
    },
    flush: () => undefined,
    close: () => undefined,
  };
}
