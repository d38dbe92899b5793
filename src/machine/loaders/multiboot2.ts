// Multiboot 2 images: header tags, boot information tags, 32-bit entry.
// Source: Multiboot2 Specification version 2.0, "OS image format", "Machine state", "Boot information".

import { ConfigError } from '../../base/index.js';
import type { GuestMemory } from '../../memory/index.js';
import { ByteWriter } from './bytes.js';
import { LOW_RAM_END, type MemoryMap } from './e820.js';
import type { EntryState } from './entry-state.js';
import { framebufferFields, type MultibootOptions } from './multiboot.js';
import {
  type AddressFields,
  BOOT_LOADER_NAME,
  cString,
  enterMultiboot,
  loadByAddresses,
  loadElfImage,
  type PlacedModule,
  placeModules,
} from './multiboot-image.js';

const HEADER_MAGIC = 0xe85250d6;
const BOOT_MAGIC = 0x36d76289;
const SEARCH_BYTES = 32768;
const HEADER_BYTES = 16;
const TAG_HEADER_BYTES = 8;
const ARCHITECTURE_I386 = 0;
const TAG_OPTIONAL = 1;

/** Header tags. */
const HeaderTag = {
  END: 0,
  INFORMATION_REQUEST: 1,
  ADDRESS: 2,
  ENTRY_ADDRESS: 3,
  CONSOLE_FLAGS: 4,
  FRAMEBUFFER: 5,
  MODULE_ALIGN: 6,
  EFI_BOOT_SERVICES: 7,
  EFI_I386_ENTRY: 8,
  EFI_AMD64_ENTRY: 9,
  RELOCATABLE: 10,
} as const;
/** Those that say how a kernel wants to be loaded by others: EFI firmware, loaders that move images. */
const IGNORED: readonly number[] = [
  HeaderTag.CONSOLE_FLAGS,
  HeaderTag.FRAMEBUFFER,
  HeaderTag.MODULE_ALIGN,
  HeaderTag.EFI_BOOT_SERVICES,
  HeaderTag.EFI_I386_ENTRY,
  HeaderTag.EFI_AMD64_ENTRY,
  HeaderTag.RELOCATABLE,
];
/** Boot information tags. */
const InfoTag = {
  END: 0,
  CMDLINE: 1,
  LOADER_NAME: 2,
  MODULE: 3,
  BASIC_MEMORY: 4,
  MEMORY_MAP: 6,
  FRAMEBUFFER: 8,
  ACPI_NEW: 15,
} as const;
const KNOWN_INFO: readonly number[] = Object.values(InfoTag);

export interface Multiboot2Header {
  /** Offset of the header in the file. */
  readonly offset: number;
  readonly addresses: AddressFields | null;
  /** Of the entry address tag; null: the ELF image's own. */
  readonly entry: number | null;
  /** Boot information that the kernel cannot do without. */
  readonly required: readonly number[];
  /** Tags that are neither known nor optional. */
  readonly unknown: readonly number[];
}

const view = (data: Uint8Array): DataView => new DataView(data.buffer, data.byteOffset, data.byteLength);

/** The header in the first 32 KiB, or null. */
export function findMultiboot2Header(file: Uint8Array): Multiboot2Header | null {
  const v = view(file);
  for (let at = 0; at + HEADER_BYTES <= Math.min(file.length, SEARCH_BYTES); at += 8) {
    if (v.getUint32(at, true) !== HEADER_MAGIC || v.getUint32(at + 4, true) !== ARCHITECTURE_I386) continue;
    const length = v.getUint32(at + 8, true);
    if ((HEADER_MAGIC + length + v.getUint32(at + 12, true)) % 2 ** 32 !== 0) continue;
    if (length < HEADER_BYTES || at + length > file.length) continue;
    return headerTags(v, at, at + length);
  }
  return null;
}

function headerTags(v: DataView, offset: number, end: number): Multiboot2Header {
  let addresses: AddressFields | null = null;
  let entry: number | null = null;
  const required: number[] = [];
  const unknown: number[] = [];
  for (let at = offset + HEADER_BYTES; at + TAG_HEADER_BYTES <= end; ) {
    const type = v.getUint16(at, true);
    const optional = (v.getUint16(at + 2, true) & TAG_OPTIONAL) !== 0;
    const size = v.getUint32(at + 4, true);
    if (type === HeaderTag.END || size < TAG_HEADER_BYTES || at + size > end) break;
    const u32 = (field: number): number => (field + 4 <= size ? v.getUint32(at + field, true) : 0);
    if (type === HeaderTag.ADDRESS) addresses = { header: u32(8), load: u32(12), loadEnd: u32(16), bssEnd: u32(20) };
    else if (type === HeaderTag.ENTRY_ADDRESS) entry = u32(8);
    else if (type === HeaderTag.INFORMATION_REQUEST) {
      for (let field = TAG_HEADER_BYTES; field < size && !optional; field += 4) required.push(u32(field));
    } else if (!IGNORED.includes(type) && !optional) unknown.push(type);
    at += Math.ceil(size / 8) * 8;
  }
  return { offset, addresses, entry, required, unknown };
}

/** What of the board a kernel is told beside the options. */
export interface Multiboot2Options extends MultibootOptions {
  /** The ACPI root pointer as it lies in memory; null: none. */
  readonly rsdp: Uint8Array | null;
}

/** Puts a multiboot 2 image and its modules into memory; returns how to enter it (EAX, EBX as specified). */
export function loadMultiboot2(memory: GuestMemory, map: MemoryMap, options: Multiboot2Options): EntryState {
  const name = options.name ?? 'kernel';
  const file = options.kernel;
  const header = findMultiboot2Header(file);
  if (header === null) {
    const message = `'${name}' is no multiboot 2 image: no header with magic 0xe85250d6 and a right checksum in the first 32768 bytes`;
    throw new ConfigError('KERNEL_FORMAT', message, { kernel: name });
  }
  const missing = header.required.filter((tag) => !KNOWN_INFO.includes(tag));
  if (header.unknown.length > 0 || missing.length > 0) {
    const what =
      header.unknown.length > 0 ? `header tags ${header.unknown.join(', ')}` : `boot information ${missing.join(', ')}`;
    const message = `'${name}' cannot do without multiboot 2 ${what}, expected tags that are optional or known`;
    throw new ConfigError('KERNEL_FORMAT', message, { kernel: name });
  }
  const { addresses: a, entry, offset: headerOffset } = header;
  if (a !== null && entry === null) {
    const message = `'${name}' is corrupt: its multiboot 2 header has addresses and no entry address`;
    throw new ConfigError('KERNEL_CORRUPT', message, { kernel: name });
  }
  const loaded =
    a === null
      ? loadElfImage(memory, map, file, name)
      : loadByAddresses(memory, map, { file, name, headerOffset, a, entry: entry ?? 0 });
  const image = { ...loaded, entryGpa: entry ?? loaded.entryGpa };
  const modules = placeModules(memory, map, image, options.modules ?? [], name);
  return enterMultiboot(memory, image, name, BOOT_MAGIC, () => information(map, options, modules));
}

/** The boot information: total size, then tags on 8-byte boundaries. */
function information(map: MemoryMap, options: Multiboot2Options, modules: readonly PlacedModule[]): ByteWriter {
  const tags = new ByteWriter();
  const tag = (type: number, body: Uint8Array): void => {
    tags
      .u32(type)
      .u32(TAG_HEADER_BYTES + body.length)
      .bytes(body)
      .align(8);
  };
  tag(InfoTag.CMDLINE, cString(options.cmdline ?? ''));
  tag(InfoTag.LOADER_NAME, cString(BOOT_LOADER_NAME));
  for (const { gpa, data, cmdline } of modules) {
    const body = new ByteWriter().u32(gpa).u32(gpa + data.length);
    tag(InfoTag.MODULE, body.bytes(cString(cmdline ?? '')).done());
  }
  const memory = new ByteWriter().u32(Math.floor(LOW_RAM_END / 1024)).u32(Math.floor((map.lowEnd - 0x100000) / 1024));
  tag(InfoTag.BASIC_MEMORY, memory.done());
  const mmap = new ByteWriter().u32(24).u32(0); // entry size, entry version
  for (const e of map.e820) mmap.u64(e.gpa).u64(e.sizeBytes).u32(e.type).u32(0);
  tag(InfoTag.MEMORY_MAP, mmap.done());
  if (options.screen !== undefined) {
    const body = new ByteWriter();
    framebufferFields(body, options.screen);
    tag(InfoTag.FRAMEBUFFER, body.u16(0).done());
  }
  if (options.rsdp !== null) tag(InfoTag.ACPI_NEW, options.rsdp);
  tag(InfoTag.END, new Uint8Array(0));
  return new ByteWriter()
    .u32(TAG_HEADER_BYTES + tags.length)
    .u32(0)
    .bytes(tags.done());
}
