// Linux bzImage: setup header, zero page, placement of kernel, initial RAM disk and command line, 32- and 64-bit entry.
// Source: Linux Documentation/arch/x86/boot.rst and zero-page.rst (boot protocol 2.15).

import { ConfigError, hex } from '../../base/index.js';
import type { GuestMemory } from '../../memory/index.js';
import { alignDown, alignUp, latin1 } from './bytes.js';
import { e820Bytes, LOW_RAM_END, type MemoryMap } from './e820.js';
import { type EntryState, longEntry, protectedEntry } from './entry-state.js';
import { BOOT_CS, BOOT_DS, LoaderArea, writeBootGdt, writeIdentityPageTables } from './page-tables.js';

/** Offsets in the file of the fields of the setup header (the same as in the zero page). */
const Setup = {
  setup_sects: 0x1f1,
  syssize: 0x1f4,
  vid_mode: 0x1fa,
  boot_flag: 0x1fe,
  jump: 0x200,
  header: 0x202,
  version: 0x206,
  kernel_version: 0x20e,
  type_of_loader: 0x210,
  loadflags: 0x211,
  code32_start: 0x214,
  ramdisk_image: 0x218,
  ramdisk_size: 0x21c,
  cmd_line_ptr: 0x228,
  initrd_addr_max: 0x22c,
  kernel_alignment: 0x230,
  relocatable_kernel: 0x234,
  xloadflags: 0x236,
  cmdline_size: 0x238,
  pref_address: 0x258,
  init_size: 0x260,
} as const;
/** Offsets in boot_params that are not in the setup header. */
const Zero = {
  orig_video_mode: 0x06,
  orig_video_cols: 0x07,
  orig_video_lines: 0x0e,
  orig_video_isVGA: 0x0f,
  orig_video_points: 0x10,
  acpi_rsdp_addr: 0x70,
  ext_ramdisk_image: 0xc0,
  ext_ramdisk_size: 0xc4,
  ext_cmd_line_ptr: 0xc8,
  alt_mem_k: 0x1e0,
  e820_entries: 0x1e8,
  e820_table: 0x2d0,
} as const;
const ZERO_PAGE_BYTES = 4096;
const E820_MAX = 128;
const SECTOR = 512;
const BOOT_FLAG = 0xaa55;
const MAGIC_HDRS = 0x53726448;
const LOADED_HIGH = 0x01;
const CAN_USE_HEAP = 0x80;
const LOADER_UNDEFINED = 0xff;
const XLF_KERNEL_64 = 0x01;
const ENTRY_64_OFFSET = 0x200;
const VERSION_32BIT_SYSSIZE = 0x204;
const VERSION_RELOCATABLE = 0x205;
const VERSION_CMDLINE_SIZE = 0x206;
const VERSION_PREF_ADDRESS = 0x20a;
const VERSION_XLOADFLAGS = 0x20c;
const DEFAULT_LOAD = 0x100000;
const DEFAULT_CMDLINE_SIZE = 255;
const DEFAULT_INITRD_MAX = 0x37ffffff;
const PAGE = 4096;
const MIB = 1 << 20;

/** What the setup header says. */
export interface BzImage {
  readonly file: Uint8Array;
  /** Boot protocol version, e.g. 0x20f. */
  readonly protocol: number;
  /** Text such as "6.1.0-… (builder) #1 SMP …", '' when absent. */
  readonly kernelVersion: string;
  readonly setupBytes: number;
  readonly payloadBytes: number;
  readonly relocatable: boolean;
  readonly has64BitEntry: boolean;
  /** Where the protected-mode part is put. */
  readonly loadGpa: number;
  /** Memory from loadGpa that the kernel uses before it looks at the memory map. */
  readonly initSize: number;
  /** Highest address of the initial RAM disk's last byte. */
  readonly initrdMax: number;
  /** Longest command line, without the terminating zero. */
  readonly cmdlineMax: number;
}

const view = (data: Uint8Array): DataView => new DataView(data.buffer, data.byteOffset, data.byteLength);

/** Whether `file` has the boot flag and the "HdrS" magic of a Linux kernel. */
export const isBzImage = (file: Uint8Array): boolean =>
  file.length >= 0x400 &&
  view(file).getUint16(Setup.boot_flag, true) === BOOT_FLAG &&
  view(file).getUint32(Setup.header, true) === MAGIC_HDRS;

/** Reads and checks the setup header; `name` is for messages (the file's path). */
export function parseBzImage(file: Uint8Array, name = 'kernel'): BzImage {
  const refuse = (why: string, details: Record<string, string | number> = {}): never => {
    throw new ConfigError('KERNEL_FORMAT', `'${name}' is no Linux bzImage: ${why}`, { kernel: name, ...details });
  };
  if (file.length < 0x400) refuse(`it has ${file.length} bytes, expected at least 1024`, { sizeBytes: file.length });
  const v = view(file);
  const bootFlag = v.getUint16(Setup.boot_flag, true);
  if (bootFlag !== BOOT_FLAG) refuse(`boot flag at 0x1fe is ${hex(bootFlag, 4)}, expected 0xaa55`, { bootFlag });
  const magic = v.getUint32(Setup.header, true);
  if (magic !== MAGIC_HDRS) refuse(`magic at 0x202 is ${hex(magic, 8)}, expected 0x53726448 ("HdrS")`, { magic });
  const protocol = v.getUint16(Setup.version, true);
  if (protocol < 0x202) refuse(`boot protocol is ${hex(protocol)}, expected at least 0x202`, { protocol });
  if ((v.getUint8(Setup.loadflags) & LOADED_HIGH) === 0) refuse('it is a zImage (not loaded high), expected a bzImage');

  const setupBytes = ((v.getUint8(Setup.setup_sects) || 4) + 1) * SECTOR;
  const syssize =
    protocol >= VERSION_32BIT_SYSSIZE ? v.getUint32(Setup.syssize, true) : v.getUint16(Setup.syssize, true);
  const expected = setupBytes + syssize * 16;
  // syssize counts paragraphs: the last one need not be whole.
  if (syssize === 0 || expected - 15 > file.length) {
    const message = `'${name}' is truncated or corrupt: the setup header says ${expected} bytes (${setupBytes} of setup, ${syssize * 16} of kernel), the file has ${file.length}`;
    throw new ConfigError('KERNEL_CORRUPT', message, { kernel: name, expected, sizeBytes: file.length });
  }
  const payloadBytes = file.length - setupBytes;
  const relocatable = protocol >= VERSION_RELOCATABLE && v.getUint8(Setup.relocatable_kernel) !== 0;
  const prefers = protocol >= VERSION_PREF_ADDRESS;
  const prefAddress = prefers ? Number(v.getBigUint64(Setup.pref_address, true)) : DEFAULT_LOAD;
  const initSize = prefers ? v.getUint32(Setup.init_size, true) : alignUp(payloadBytes * 4, PAGE);
  if (prefAddress < DEFAULT_LOAD || prefAddress % PAGE !== 0 || initSize < syssize * 16) {
    const message = `'${name}' is corrupt: preferred address ${hex(prefAddress)} or memory need ${hex(initSize)} is impossible for ${syssize * 16} bytes of kernel`;
    throw new ConfigError('KERNEL_CORRUPT', message, { kernel: name, prefAddress, initSize });
  }
  const versionAt = v.getUint16(Setup.kernel_version, true);
  const text = versionAt === 0 ? new Uint8Array() : file.subarray(versionAt + 0x200, versionAt + 0x200 + 256);
  const textEnd = text.indexOf(0);
  const initrdMax = protocol >= 0x203 ? v.getUint32(Setup.initrd_addr_max, true) : DEFAULT_INITRD_MAX;
  const cmdlineMax = protocol >= VERSION_CMDLINE_SIZE ? v.getUint32(Setup.cmdline_size, true) : DEFAULT_CMDLINE_SIZE;
  return {
    file,
    protocol,
    kernelVersion: String.fromCharCode(...text.subarray(0, textEnd < 0 ? text.length : textEnd)),
    setupBytes,
    payloadBytes,
    relocatable,
    has64BitEntry: protocol >= VERSION_XLOADFLAGS && (v.getUint16(Setup.xloadflags, true) & XLF_KERNEL_64) !== 0,
    loadGpa: prefAddress,
    initSize,
    initrdMax: initrdMax || DEFAULT_INITRD_MAX,
    cmdlineMax: cmdlineMax || DEFAULT_CMDLINE_SIZE,
  };
}

export interface LinuxBootOptions {
  readonly kernel: Uint8Array;
  /** Path or name of the kernel, for messages. */
  readonly name?: string;
  readonly initrd?: Uint8Array;
  readonly cmdline?: string;
  /** 'auto' takes the 64-bit entry where the kernel has one. */
  readonly entry?: 'auto' | 'long' | 'protected32';
  /** Guest-physical address of the RSDP, when there are ACPI tables. */
  readonly rsdpGpa?: number;
  /** Whether the board has a VGA in text mode 3. */
  readonly vgaText?: boolean;
}

export interface LinuxBoot {
  readonly entry: EntryState;
  readonly image: BzImage;
  readonly zeroPageGpa: number;
  readonly initrdGpa: number;
  readonly cmdlineGpa: number;
}

/** Puts a Linux kernel with its initial RAM disk and command line into memory; returns how to enter it. */
export function loadLinux(memory: GuestMemory, map: MemoryMap, options: LinuxBootOptions): LinuxBoot {
  const name = options.name ?? 'kernel';
  const image = parseBzImage(options.kernel, name);
  const cmdline = latin1(options.cmdline ?? '');
  if (cmdline.length > image.cmdlineMax || LoaderArea.cmdline + cmdline.length >= LOW_RAM_END) {
    const message = `command line has ${cmdline.length} characters, '${name}' takes at most ${image.cmdlineMax}`;
    throw new ConfigError('KERNEL_CMDLINE', message, { length: cmdline.length, maximum: image.cmdlineMax });
  }
  const long = (options.entry ?? 'auto') === 'auto' ? image.has64BitEntry : options.entry === 'long';
  if (long && !image.has64BitEntry) {
    const message = `'${name}' has no 64-bit entry (xloadflags lacks XLF_KERNEL_64), expected entry 'protected32'`;
    throw new ConfigError('KERNEL_ENTRY', message, { kernel: name });
  }
  const initrd = options.initrd ?? new Uint8Array();
  const initrdGpa = placeInitrd(image, map, initrd.length, name);

  memory.loadBytes(image.loadGpa, image.file.subarray(image.setupBytes));
  if (initrd.length > 0) memory.loadBytes(initrdGpa, initrd);
  memory.loadFill(LoaderArea.cmdline, cmdline.length + 1);
  memory.loadBytes(LoaderArea.cmdline, cmdline);
  memory.loadBytes(LoaderArea.zeroPage, zeroPage(image, map, options, initrdGpa, initrd.length));

  const gdt = writeBootGdt(memory, long ? 'code64' : 'code32');
  const common = {
    rsp: LoaderArea.stackTop,
    rsi: LoaderArea.zeroPage,
    gdt,
    codeSelector: BOOT_CS,
    dataSelector: BOOT_DS,
  };
  const entry = long
    ? longEntry({ ...common, rip: image.loadGpa + ENTRY_64_OFFSET, cr3: writeIdentityPageTables(memory) })
    : protectedEntry({ ...common, rip: image.loadGpa });
  return { entry, image, zeroPageGpa: LoaderArea.zeroPage, initrdGpa, cmdlineGpa: LoaderArea.cmdline };
}

/** Highest page-aligned place for the initial RAM disk that the kernel can reach and does not use itself. */
function placeInitrd(image: BzImage, map: MemoryMap, initrdBytes: number, name: string): number {
  const kernelEnd = alignUp(image.loadGpa + Math.max(image.initSize, image.payloadBytes), PAGE);
  const top = Math.min(map.lowEnd, image.initrdMax + 1);
  const gpa = alignDown(top - initrdBytes, PAGE);
  if (kernelEnd <= map.lowEnd && (initrdBytes === 0 || gpa >= kernelEnd)) return initrdBytes === 0 ? 0 : gpa;
  const neededBytes = kernelEnd + alignUp(initrdBytes, PAGE);
  const mib = (n: number): string => `${Math.ceil(n / MIB)} MiB`;
  if (neededBytes > image.initrdMax + 1 && map.lowEnd >= neededBytes) {
    const message = `the initial RAM disk has ${initrdBytes} bytes, '${name}' takes it below ${hex(image.initrdMax)} only`;
    throw new ConfigError('INITRD_TOO_LARGE', message, { initrdBytes, initrdMax: image.initrdMax });
  }
  const message =
    `memory is ${mib(map.ramBytes)}, '${name}' needs at least ${mib(neededBytes)}: ` +
    `load address ${hex(image.loadGpa)} + kernel ${mib(image.initSize)} + initial RAM disk ${mib(initrdBytes)}`;
  throw new ConfigError('MEMORY_TOO_SMALL', message, {
    ramBytes: map.ramBytes,
    neededBytes,
    loadGpa: image.loadGpa,
    initSize: image.initSize,
    initrdBytes,
  });
}

function zeroPage(
  image: BzImage,
  map: MemoryMap,
  options: LinuxBootOptions,
  initrdGpa: number,
  initrdBytes: number,
): Uint8Array {
  const page = new Uint8Array(ZERO_PAGE_BYTES);
  const v = view(page);
  // The header ends where the short jump at 0x200 goes.
  const headerEnd = 0x202 + (image.file[Setup.jump + 1] ?? 0);
  page.set(image.file.subarray(Setup.setup_sects, headerEnd), Setup.setup_sects);
  v.setUint8(Setup.type_of_loader, LOADER_UNDEFINED);
  v.setUint8(Setup.loadflags, (v.getUint8(Setup.loadflags) | LOADED_HIGH) & ~CAN_USE_HEAP);
  v.setUint16(Setup.vid_mode, 0xffff, true);
  v.setUint32(Setup.code32_start, image.loadGpa, true);
  v.setUint32(Setup.cmd_line_ptr, LoaderArea.cmdline, true);
  v.setUint32(Zero.ext_cmd_line_ptr, 0, true);
  const high = (n: number): number => Math.floor(n / 2 ** 32);
  v.setUint32(Setup.ramdisk_image, initrdGpa % 2 ** 32, true);
  v.setUint32(Setup.ramdisk_size, initrdBytes % 2 ** 32, true);
  v.setUint32(Zero.ext_ramdisk_image, high(initrdGpa), true);
  v.setUint32(Zero.ext_ramdisk_size, high(initrdBytes), true);
  v.setBigUint64(Zero.acpi_rsdp_addr, BigInt(options.rsdpGpa ?? 0), true);
  if (options.vgaText) {
    v.setUint8(Zero.orig_video_mode, 3);
    v.setUint8(Zero.orig_video_cols, 80);
    v.setUint8(Zero.orig_video_lines, 25);
    v.setUint8(Zero.orig_video_isVGA, 1);
    v.setUint16(Zero.orig_video_points, 16, true);
  }
  v.setUint32(Zero.alt_mem_k, Math.floor((map.lowEnd - MIB) / 1024), true);
  const entries = map.e820.slice(0, E820_MAX);
  v.setUint8(Zero.e820_entries, entries.length);
  page.set(e820Bytes(entries), Zero.e820_table);
  return page;
}
