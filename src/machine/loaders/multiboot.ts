// Multiboot 1 images (ELF32, ELF64 or with address fields), modules, information structure, 32-bit entry.
// Source: Multiboot Specification version 0.6.96, "OS image format", "Boot information format", "Machine state".

import { ConfigError, hex } from '../../base/index.js';
import type { GuestMemory } from '../../memory/index.js';
import { alignUp, ByteWriter, latin1 } from './bytes.js';
import { type E820Entry, LOW_RAM_END, type MemoryMap } from './e820.js';
import { isElf, type LoadedElf, loadElf, parseElf } from './elf.js';
import { type EntryState, protectedEntry } from './entry-state.js';
import { BOOT_CS, BOOT_DS, LoaderArea, writeBootGdt } from './page-tables.js';

const HEADER_MAGIC = 0x1badb002;
const BOOT_MAGIC = 0x2badb002;
const SEARCH_BYTES = 8192;
const HEADER_BYTES = 12;
const ADDRESS_FIELDS_BYTES = 32;
const FLAG_PAGE_ALIGN = 1 << 0;
const FLAG_MEMORY = 1 << 1;
const FLAG_VIDEO = 1 << 2;
const FLAG_ADDRESSES = 1 << 16;
/** Bits 0-15 that a loader must understand or refuse. */
const FLAGS_KNOWN = FLAG_PAGE_ALIGN | FLAG_MEMORY | FLAG_VIDEO;
const PAGE = 4096;
const BOOT_LOADER_NAME = 'pcanel';
/** flags of the information structure: mem, cmdline, mods, mmap, boot_loader_name. */
const INFO_FLAGS = (1 << 0) | (1 << 2) | (1 << 3) | (1 << 6) | (1 << 9);
const INFO_BYTES = 120;

export interface MultibootHeader {
  /** Offset of the header in the file. */
  readonly offset: number;
  readonly flags: number;
  /** The address fields, when flags bit 16 says that they hold. */
  readonly addresses: {
    readonly header: number;
    readonly load: number;
    readonly loadEnd: number;
    readonly bssEnd: number;
    readonly entry: number;
  } | null;
}

const view = (data: Uint8Array): DataView => new DataView(data.buffer, data.byteOffset, data.byteLength);

/** The multiboot header in the first 8 KiB, or null. */
export function findMultibootHeader(file: Uint8Array): MultibootHeader | null {
  const v = view(file);
  for (let at = 0; at + HEADER_BYTES <= Math.min(file.length, SEARCH_BYTES); at += 4) {
    if (v.getUint32(at, true) !== HEADER_MAGIC) continue;
    const flags = v.getUint32(at + 4, true);
    if ((HEADER_MAGIC + flags + v.getUint32(at + 8, true)) % 2 ** 32 !== 0) continue;
    if ((flags & FLAG_ADDRESSES) === 0) return { offset: at, flags, addresses: null };
    if (at + ADDRESS_FIELDS_BYTES > file.length) continue;
    const u32 = (offset: number): number => v.getUint32(at + offset, true);
    const addresses = { header: u32(12), load: u32(16), loadEnd: u32(20), bssEnd: u32(24), entry: u32(28) };
    return { offset: at, flags, addresses };
  }
  return null;
}

export interface MultibootModule {
  readonly data: Uint8Array;
  /** The module's command line. */
  readonly cmdline?: string;
}
export interface MultibootOptions {
  readonly kernel: Uint8Array;
  readonly name?: string;
  readonly cmdline?: string;
  readonly modules?: readonly MultibootModule[];
}
export interface MultibootBoot {
  readonly entry: EntryState;
  readonly header: MultibootHeader;
  readonly infoGpa: number;
  readonly moduleGpas: readonly number[];
}

/** Puts a multiboot image and its modules into memory; returns how to enter it (EAX, EBX as specified). */
export function loadMultiboot(memory: GuestMemory, map: MemoryMap, options: MultibootOptions): MultibootBoot {
  const name = options.name ?? 'kernel';
  const file = options.kernel;
  const header = findMultibootHeader(file);
  if (!header) {
    const message = `'${name}' is no multiboot image: no header with magic 0x1badb002 and a right checksum in the first 8192 bytes`;
    throw new ConfigError('KERNEL_FORMAT', message, { kernel: name });
  }
  const unknown = header.flags & 0xffff & ~FLAGS_KNOWN;
  if (unknown !== 0) {
    const message = `'${name}' asks for multiboot features ${hex(unknown)} that are not known, expected a subset of ${hex(FLAGS_KNOWN)}`;
    throw new ConfigError('KERNEL_FORMAT', message, { kernel: name, flags: header.flags });
  }
  const loaded = header.addresses
    ? loadByAddresses(memory, map, file, header, name)
    : loadElfOf(memory, map, file, name);
  return enter(memory, map, header, loaded, options, name);
}

function loadElfOf(memory: GuestMemory, map: MemoryMap, file: Uint8Array, name: string): LoadedElf {
  if (!isElf(file)) {
    const message = `'${name}' has a multiboot header without address fields and is no ELF image`;
    throw new ConfigError('KERNEL_FORMAT', message, { kernel: name });
  }
  return loadElf(memory, map, parseElf(file, name), name);
}

function loadByAddresses(
  memory: GuestMemory,
  map: MemoryMap,
  file: Uint8Array,
  header: MultibootHeader,
  name: string,
): LoadedElf {
  const a = header.addresses!;
  const fileOffset = header.offset - (a.header - a.load);
  const loadBytes = a.loadEnd === 0 ? file.length - fileOffset : a.loadEnd - a.load;
  const end = Math.max(a.bssEnd, a.load + loadBytes);
  if (a.load > a.header || fileOffset < 0 || loadBytes <= 0 || fileOffset + loadBytes > file.length) {
    const message = `'${name}' is truncated or corrupt: its multiboot header asks for ${loadBytes} bytes from offset ${fileOffset}, the file has ${file.length}`;
    throw new ConfigError('KERNEL_CORRUPT', message, { kernel: name, loadBytes, fileOffset, sizeBytes: file.length });
  }
  if (a.entry < a.load || a.entry >= end) {
    const message = `'${name}' is corrupt: entry point ${hex(a.entry)} lies outside ${hex(a.load)}..${hex(end)}`;
    throw new ConfigError('KERNEL_CORRUPT', message, { kernel: name, entry: a.entry });
  }
  if (!memory.covers(a.load, end - a.load)) {
    const message = `memory is ${map.ramBytes} bytes, '${name}' needs ${hex(a.load)}..${hex(end)}`;
    throw new ConfigError('MEMORY_TOO_SMALL', message, { ramBytes: map.ramBytes, neededBytes: end });
  }
  memory.loadBytes(a.load, file.subarray(fileOffset, fileOffset + loadBytes));
  memory.loadFill(a.load + loadBytes, end - a.load - loadBytes);
  return { entryGpa: a.entry, startGpa: a.load, endGpa: alignUp(end, PAGE) };
}

function enter(
  memory: GuestMemory,
  map: MemoryMap,
  header: MultibootHeader,
  loaded: LoadedElf,
  options: MultibootOptions,
  name: string,
): MultibootBoot {
  // Modules follow the image on page boundaries.
  const modules = options.modules ?? [];
  const moduleGpas: number[] = [];
  let next = Math.max(loaded.endGpa, 0x100000);
  for (const module of modules) {
    moduleGpas.push(next);
    next = alignUp(next + module.data.length, PAGE);
  }
  if (next > map.lowEnd) {
    const message = `memory is ${map.ramBytes} bytes, '${name}' with its ${modules.length} modules needs at least ${next}`;
    throw new ConfigError('MEMORY_TOO_SMALL', message, { ramBytes: map.ramBytes, neededBytes: next });
  }
  modules.forEach((module, i) => {
    memory.loadBytes(moduleGpas[i] ?? 0, module.data);
  });

  const base = lowPlace(loaded);
  const tail = new ByteWriter();
  /** Appends data after the fixed part and returns its address. */
  const put = (data: Uint8Array): number => {
    tail.align(4);
    const gpa = base + INFO_BYTES + tail.length;
    tail.bytes(data);
    return gpa;
  };
  const text = (s: string): number => put(Uint8Array.of(...latin1(s), 0));
  const cmdline = text(options.cmdline ?? '');
  const loaderName = text(BOOT_LOADER_NAME);
  const list = new ByteWriter();
  modules.forEach((module, i) => {
    const gpa = moduleGpas[i] ?? 0;
    list
      .u32(gpa)
      .u32(gpa + module.data.length)
      .u32(text(module.cmdline ?? ''))
      .u32(0);
  });
  const modulesGpa = put(list.done());
  const mmap = memoryMapBytes(map.e820);
  const mmapGpa = put(mmap);
  const info = new ByteWriter()
    .u32(INFO_FLAGS)
    .u32(Math.floor(LOW_RAM_END / 1024))
    .u32(Math.floor((map.lowEnd - 0x100000) / 1024))
    .u32(0) // boot_device
    .u32(cmdline)
    .u32(modules.length)
    .u32(modulesGpa)
    .zeros(16) // syms
    .u32(mmap.length)
    .u32(mmapGpa)
    .zeros(12) // drives_length, drives_addr, config_table
    .u32(loaderName);
  info.zeros(INFO_BYTES - info.length).bytes(tail.done());
  if (base + info.length > LOW_RAM_END) {
    const message = `command lines of '${name}' have ${info.length} bytes together, expected less than ${LOW_RAM_END - base}`;
    throw new ConfigError('KERNEL_CMDLINE', message, { length: info.length });
  }
  memory.loadBytes(base, info.done());
  const gdt = writeBootGdt(memory, 'code32');
  const entry = protectedEntry({
    rip: loaded.entryGpa,
    rax: BOOT_MAGIC,
    rbx: base,
    gdt,
    codeSelector: BOOT_CS,
    dataSelector: BOOT_DS,
  });
  return { entry, header, infoGpa: base, moduleGpas };
}

/** The information structure's place: low memory that the image leaves free. */
const lowPlace = (loaded: LoadedElf): number =>
  loaded.startGpa >= LOW_RAM_END || loaded.endGpa <= LoaderArea.multibootInfo
    ? LoaderArea.multibootInfo
    : loaded.endGpa;

function memoryMapBytes(e820: readonly E820Entry[]): Uint8Array {
  const out = new ByteWriter();
  for (const e of e820) out.u32(20).u64(e.gpa).u64(e.sizeBytes).u32(e.type);
  return out.done();
}
