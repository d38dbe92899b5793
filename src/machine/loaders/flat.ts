// Raw images: a flat binary at an address, and PC firmware at the top of the first 4 GiB and of the first MiB.
// Source: SDM 3A "First Instruction Executed".

import { ConfigError, hex } from '../../base/index.js';
import type { GuestMemory } from '../../memory/index.js';
import type { MemoryMap } from './e820.js';
import { type EntryState, longEntry, protectedEntry, realEntry } from './entry-state.js';
import { BOOT_CS, BOOT_DS, LoaderArea, writeBootGdt, writeIdentityPageTables } from './page-tables.js';

export interface FlatOptions {
  readonly image: Uint8Array;
  readonly name?: string;
  /** Where the first byte goes. */
  readonly gpa: number;
  /** Entry point; the image's first byte by default. */
  readonly entryGpa?: number;
  /** Mode at entry; 'real' needs an entry below 1 MiB. */
  readonly mode?: EntryState['mode'];
}

/** Puts a raw binary into memory; returns how to enter it. */
export function loadFlat(memory: GuestMemory, map: MemoryMap, options: FlatOptions): EntryState {
  const { image, gpa } = options;
  const name = options.name ?? 'image';
  const entryGpa = options.entryGpa ?? gpa;
  const mode = options.mode ?? 'protected32';
  if (image.length === 0) {
    throw new ConfigError('KERNEL_FORMAT', `'${name}' is empty, expected a flat binary`, { kernel: name });
  }
  if (!memory.covers(gpa, image.length)) {
    const message = `memory is ${map.ramBytes} bytes, '${name}' needs ${hex(gpa)}..${hex(gpa + image.length)}`;
    throw new ConfigError('MEMORY_TOO_SMALL', message, { ramBytes: map.ramBytes, neededBytes: gpa + image.length });
  }
  if (mode === 'real' && entryGpa >= 0x100000) {
    const message = `entry point of '${name}' is ${hex(entryGpa)}, expected an address below 0x100000 in real mode`;
    throw new ConfigError('KERNEL_ENTRY', message, { kernel: name, entryGpa });
  }
  memory.loadBytes(gpa, image);
  if (mode === 'real') {
    // CS:IP with the smallest offset that keeps the paragraph; boot sectors at 0x7c00 get 0000:7c00.
    const selector = entryGpa < 0x10000 ? 0 : Math.floor(entryGpa / 16);
    return realEntry({ selector, offset: entryGpa - selector * 16, rsp: 0x7c00 });
  }
  const common = {
    rip: entryGpa,
    rsp: LoaderArea.stackTop,
    gdt: writeBootGdt(memory, mode === 'long' ? 'code64' : 'code32'),
    codeSelector: BOOT_CS,
    dataSelector: BOOT_DS,
  };
  return mode === 'long' ? longEntry({ ...common, cr3: writeIdentityPageTables(memory) }) : protectedEntry(common);
}

/** Where a firmware image of `sizeBytes` goes: the ROM slot under 4 GiB that the machine must add first. */
export const firmwareRomGpa = (sizeBytes: number): number => 0x1_0000_0000 - sizeBytes;

/** Puts PC firmware (SeaBIOS) under 4 GiB and its last 128 KiB under 1 MiB; enters at the reset vector. */
export function loadFirmware(memory: GuestMemory, image: Uint8Array, name = 'firmware'): EntryState {
  if (image.length === 0 || image.length % 0x10000 !== 0 || image.length > 0x1000000) {
    const message = `'${name}' has ${image.length} bytes, expected a multiple of 65536 up to 16 MiB`;
    throw new ConfigError('FIRMWARE_SIZE', message, { firmware: name, sizeBytes: image.length });
  }
  memory.loadBytes(firmwareRomGpa(image.length), image);
  const low = image.subarray(Math.max(0, image.length - 0x20000));
  memory.loadBytes(0x100000 - low.length, low);
  return realEntry({ selector: 0xf000, offset: 0xfff0, codeBase: 0xffff0000 });
}
