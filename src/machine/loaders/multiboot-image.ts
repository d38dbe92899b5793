// What both versions of multiboot share: images with address fields, places for modules and for what the kernel is told.
// Source: Multiboot Specification 0.6.96 and Multiboot2 Specification 2.0, "OS image format", "Machine state".

import { ConfigError, hex } from '../../base/index.js';
import type { GuestMemory } from '../../memory/index.js';
import { alignUp, type ByteWriter, latin1 } from './bytes.js';
import { LOW_RAM_END, type MemoryMap } from './e820.js';
import { isElf, type LoadedImage, type LoadedRange, loadElf, parseElf } from './elf.js';
import { type EntryState, protectedEntry } from './entry-state.js';
import { BOOT_CS, BOOT_DS, LoaderArea, writeBootGdt } from './page-tables.js';

export const BOOT_LOADER_NAME = 'pcanel';
const PAGE = 4096;
const MIB = 0x100000;
/** Room for the GDT; it may lie anywhere, as the kernel brings its own. */
const GDT_BYTES = 64;

/** Address fields of a header: where a raw image goes. */
export interface AddressFields {
  /** Address of the header itself; with its offset in the file it tells where the file's bytes go. */
  readonly header: number;
  readonly load: number;
  /** 0: to the end of the file. */
  readonly loadEnd: number;
  /** 0: nothing to clear. */
  readonly bssEnd: number;
}

export interface MultibootModule {
  readonly data: Uint8Array;
  /** The module's command line. */
  readonly cmdline?: string;
}
export interface PlacedModule extends MultibootModule {
  readonly gpa: number;
}

/** Loads an ELF image whatever its class. */
export function loadElfImage(memory: GuestMemory, map: MemoryMap, file: Uint8Array, name: string): LoadedImage {
  if (!isElf(file)) {
    const message = `'${name}' has a multiboot header without address fields and is no ELF image`;
    throw new ConfigError('KERNEL_FORMAT', message, { kernel: name });
  }
  return loadElf(memory, map, parseElf(file, name), name);
}

/** Loads a raw image by the address fields of the header at `headerOffset` of the file. */
export function loadByAddresses(
  memory: GuestMemory,
  map: MemoryMap,
  image: {
    readonly file: Uint8Array;
    readonly name: string;
    readonly headerOffset: number;
    readonly a: AddressFields;
    readonly entry: number;
  },
): LoadedImage {
  const { file, name, headerOffset, a, entry } = image;
  const fileOffset = headerOffset - (a.header - a.load);
  const loadBytes = a.loadEnd === 0 ? file.length - fileOffset : a.loadEnd - a.load;
  const end = Math.max(a.bssEnd, a.load + loadBytes);
  if (a.load > a.header || fileOffset < 0 || loadBytes <= 0 || fileOffset + loadBytes > file.length) {
    const message = `'${name}' is truncated or corrupt: its multiboot header asks for ${loadBytes} bytes from offset ${fileOffset}, the file has ${file.length}`;
    throw new ConfigError('KERNEL_CORRUPT', message, { kernel: name, loadBytes, fileOffset, sizeBytes: file.length });
  }
  if (entry < a.load || entry >= end) {
    const message = `'${name}' is corrupt: entry point ${hex(entry)} lies outside ${hex(a.load)}..${hex(end)}`;
    throw new ConfigError('KERNEL_CORRUPT', message, { kernel: name, entry });
  }
  if (!memory.covers(a.load, end - a.load)) {
    const message = `memory is ${map.ramBytes} bytes, '${name}' needs ${hex(a.load)}..${hex(end)}`;
    throw new ConfigError('MEMORY_TOO_SMALL', message, { ramBytes: map.ramBytes, neededBytes: end });
  }
  memory.loadFill(a.load + loadBytes, end - a.load - loadBytes);
  memory.loadBytes(a.load, file.subarray(fileOffset, fileOffset + loadBytes));
  return { entryGpa: entry, startGpa: a.load, endGpa: alignUp(end, PAGE), ranges: [{ gpa: a.load, end }] };
}

/** First address at or above `from` where `sizeBytes` fit below `limit` beside `taken`; null: nowhere. */
function gap(from: number, limit: number, sizeBytes: number, taken: readonly LoadedRange[]): number | null {
  let at = from;
  for (const r of [...taken].sort((x, y) => x.gpa - y.gpa)) {
    if (r.end <= at) continue;
    if (r.gpa >= at + sizeBytes) break;
    at = alignUp(r.end, PAGE);
  }
  return at + sizeBytes <= limit ? at : null;
}

/** Loads modules on page boundaries: behind the image where there is room, else in front of it, above 1 MiB. */
export function placeModules(
  memory: GuestMemory,
  map: MemoryMap,
  image: LoadedImage,
  modules: readonly MultibootModule[],
  name: string,
): PlacedModule[] {
  const taken: LoadedRange[] = [...image.ranges];
  const behind = Math.max(image.endGpa, MIB);
  return modules.map((module) => {
    const size = Math.max(1, module.data.length);
    const gpa = gap(behind, map.lowEnd, size, taken) ?? gap(MIB, map.lowEnd, size, taken);
    if (gpa === null) {
      const total = modules.reduce((sum, m) => sum + alignUp(m.data.length, PAGE), 0);
      const neededBytes = behind + total;
      const message = `memory is ${map.ramBytes} bytes, '${name}' with its ${modules.length} modules needs at least ${neededBytes}`;
      throw new ConfigError('MEMORY_TOO_SMALL', message, { ramBytes: map.ramBytes, neededBytes });
    }
    taken.push({ gpa, end: gpa + size });
    memory.loadBytes(gpa, module.data);
    return { ...module, gpa };
  });
}

/** Puts what the kernel is told and a GDT into low memory that the image leaves free; `make` is given the address. */
export function enterMultiboot(
  memory: GuestMemory,
  image: LoadedImage,
  name: string,
  magic: number,
  make: (gpa: number) => ByteWriter,
): EntryState {
  const sizeBytes = alignUp(make(0).length, 8) + GDT_BYTES;
  const gpa = gap(LoaderArea.multibootInfo, LOW_RAM_END, sizeBytes, image.ranges);
  if (gpa === null) {
    const message = `no ${sizeBytes} bytes are free below 640 KiB for the command lines and tables of '${name}'`;
    throw new ConfigError('KERNEL_CMDLINE', message, { length: sizeBytes });
  }
  const information = make(gpa).done();
  memory.loadBytes(gpa, information);
  const gdt = writeBootGdt(memory, 'code32', gpa + alignUp(information.length, 8));
  return protectedEntry({
    rip: image.entryGpa,
    rax: magic,
    rbx: gpa,
    gdt,
    codeSelector: BOOT_CS,
    dataSelector: BOOT_DS,
  });
}

/** Text as kernels read it: one byte a character, a zero at the end. */
export const cString = (s: string): Uint8Array => Uint8Array.of(...latin1(s), 0);
