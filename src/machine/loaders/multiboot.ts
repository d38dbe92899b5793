// Multiboot 1 images (ELF32, ELF64 or with address fields), modules, information structure, 32-bit entry.
// Source: Multiboot Specification version 0.6.96, "OS image format", "Boot information format", "Machine state".

import { ConfigError, hex } from '../../base/index.js';
import type { GuestMemory } from '../../memory/index.js';
import { ByteWriter } from './bytes.js';
import { type E820Entry, LOW_RAM_END, type MemoryMap } from './e820.js';
import type { EntryState } from './entry-state.js';
import {
  type AddressFields,
  BOOT_LOADER_NAME,
  cString,
  enterMultiboot,
  loadByAddresses,
  loadElfImage,
  type MultibootModule,
  type PlacedModule,
  placeModules,
} from './multiboot-image.js';

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
/** flags of the information structure: mem, cmdline, mods, mmap, boot_loader_name; and the framebuffer. */
const INFO_FLAGS = (1 << 0) | (1 << 2) | (1 << 3) | (1 << 6) | (1 << 9);
const INFO_FRAMEBUFFER = 1 << 12;
const INFO_BYTES = 120;
const FRAMEBUFFER_AT = 88;

export interface MultibootHeader {
  /** Offset of the header in the file. */
  readonly offset: number;
  readonly flags: number;
  /** The address fields, when flags bit 16 says that they hold. */
  readonly addresses: (AddressFields & { readonly entry: number }) | null;
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

/** The display's text buffer, for kernels that ask their loader what is on the screen. */
export interface TextScreen {
  readonly gpa: number;
  readonly columns: number;
  readonly rows: number;
}

export interface MultibootOptions {
  readonly kernel: Uint8Array;
  readonly name?: string;
  readonly cmdline?: string;
  readonly modules?: readonly MultibootModule[];
  readonly screen?: TextScreen;
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
  const { addresses: a, offset: headerOffset } = header;
  const image =
    a === null
      ? loadElfImage(memory, map, file, name)
      : loadByAddresses(memory, map, { file, name, headerOffset, a, entry: a.entry });
  const modules = placeModules(memory, map, image, options.modules ?? [], name);
  const entry = enterMultiboot(memory, image, name, BOOT_MAGIC, (gpa) => information(gpa, map, options, modules));
  return { entry, header, infoGpa: Number(entry.rbx), moduleGpas: modules.map((m) => m.gpa) };
}

/** The information structure for address `base`, with everything that it points to. */
function information(
  base: number,
  map: MemoryMap,
  options: MultibootOptions,
  modules: readonly PlacedModule[],
): ByteWriter {
  const tail = new ByteWriter();
  /** Appends data after the fixed part and returns its address. */
  const put = (data: Uint8Array): number => {
    tail.align(4);
    const gpa = base + INFO_BYTES + tail.length;
    tail.bytes(data);
    return gpa;
  };
  const cmdline = put(cString(options.cmdline ?? ''));
  const loaderName = put(cString(BOOT_LOADER_NAME));
  const list = new ByteWriter();
  for (const { gpa, data, cmdline: words } of modules) {
    list
      .u32(gpa)
      .u32(gpa + data.length)
      .u32(put(cString(words ?? '')))
      .u32(0);
  }
  const modulesGpa = put(list.done());
  const mmap = memoryMapBytes(map.e820);
  const mmapGpa = put(mmap);
  const info = new ByteWriter()
    .u32(INFO_FLAGS | (options.screen ? INFO_FRAMEBUFFER : 0))
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
  info.zeros(FRAMEBUFFER_AT - info.length); // apm_table, vbe_*
  if (options.screen) framebufferFields(info, options.screen);
  return info.zeros(INFO_BYTES - info.length).bytes(tail.done());
}

const BITS_PER_CHARACTER = 16;
const FRAMEBUFFER_TYPE_TEXT = 2;
/** framebuffer_addr to framebuffer_type, the same in both versions of multiboot. */
export function framebufferFields(out: ByteWriter, { gpa, columns, rows }: TextScreen): void {
  out
    .u64(gpa)
    .u32(columns * 2)
    .u32(columns)
    .u32(rows)
    .u8(BITS_PER_CHARACTER)
    .u8(FRAMEBUFFER_TYPE_TEXT);
}

function memoryMapBytes(e820: readonly E820Entry[]): Uint8Array {
  const out = new ByteWriter();
  for (const e of e820) out.u32(20).u64(e.gpa).u64(e.sizeBytes).u32(e.type);
  return out.done();
}
