// What a machine boots: picks the loader, turns a loader's entry state into a processor state.
// Sources: Linux Documentation/arch/x86/boot.rst; Multiboot Specifications 0.6.96 and 2.0; SDM 3C "Guest-State Area".

import { ConfigError } from '../base/index.js';
import type { GuestMemory } from '../memory/index.js';
import { type CpuState, realModeState } from '../vmx/index.js';
import type { MemoryMap } from './loaders/e820.js';
import type { EntryState } from './loaders/entry-state.js';
import { loadFlat } from './loaders/flat.js';
import { isBzImage, loadLinux } from './loaders/linux-boot.js';
import { findMultibootHeader, loadMultiboot, type TextScreen } from './loaders/multiboot.js';
import { findMultiboot2Header, loadMultiboot2 } from './loaders/multiboot2.js';

/** A file given to a guest, with the name to use in messages. */
export interface NamedBytes {
  readonly name: string;
  readonly data: Uint8Array;
}

/** What is loaded, and how. Plain data: it goes to workers and into snapshots. */
export type BootSource =
  | {
      readonly kind: 'linux';
      readonly kernel: NamedBytes;
      readonly initrd?: NamedBytes;
      readonly cmdline?: string;
      /** 'auto' takes the 64-bit entry where the kernel has one. */
      readonly entry?: 'auto' | 'long' | 'protected32';
    }
  | {
      /** Version 1, or 2 where the file has no header of version 1. */
      readonly kind: 'multiboot';
      readonly kernel: NamedBytes;
      readonly modules?: readonly (NamedBytes & { readonly cmdline?: string })[];
      /** Follows the file's name, which is the first word that a multiboot 1 kernel reads. */
      readonly cmdline?: string;
    }
  | {
      readonly kind: 'flat';
      readonly kernel: NamedBytes;
      readonly gpa: number;
      readonly entryGpa?: number;
      readonly mode?: EntryState['mode'];
    }
  | {
      /** The processor starts at its reset vector in this firmware (SeaBIOS), which boots from the machine's media. */
      readonly kind: 'firmware';
      readonly bios: NamedBytes;
      /** The video BIOS that the firmware runs; without it there is no picture before an operating system draws one. */
      readonly vgaBios?: NamedBytes;
      /** Where to look for something to boot, in order; by default CD-ROM, disk, floppy disk. */
      readonly bootOrder?: readonly BootDevice[];
      /** SeaBIOS shows its text screen on COM1 too, and takes keys from there; by default where there is no display. */
      readonly serialConsole?: boolean;
    };
export type BootDevice = 'cdrom' | 'disk' | 'floppy';
/** What a loader of ours puts into memory. */
export type LoadedBootSource = Exclude<BootSource, { kind: 'firmware' }>;

/** Tells the loader of a kernel file by its content. */
export function kernelKind(kernel: NamedBytes): 'linux' | 'multiboot' {
  if (isBzImage(kernel.data)) return 'linux';
  if (findMultibootHeader(kernel.data) !== null || findMultiboot2Header(kernel.data) !== null) return 'multiboot';
  const message = `'${kernel.name}' (${kernel.data.length} bytes) is no kernel: expected a Linux bzImage or a multiboot image`;
  throw new ConfigError('KERNEL_FORMAT', message, { kernel: kernel.name, sizeBytes: kernel.data.length });
}

/** What a loader tells the guest of the board. */
export interface LoadContext {
  readonly map: MemoryMap;
  /** Address of the ACPI root pointer. */
  readonly rsdpGpa: number;
  /** The display's text screen, where there is a display. */
  readonly screen: TextScreen | null;
}

/** Puts the guest into memory and tells how to enter it. */
export function loadBoot(memory: GuestMemory, boot: LoadedBootSource, context: LoadContext): EntryState {
  const { name, data } = boot.kernel;
  const { map, rsdpGpa } = context;
  switch (boot.kind) {
    case 'linux':
      return loadLinux(memory, map, {
        kernel: data,
        name,
        rsdpGpa,
        ...(boot.initrd && { initrd: boot.initrd.data }),
        ...(boot.cmdline !== undefined && { cmdline: boot.cmdline }),
        ...(boot.entry !== undefined && { entry: boot.entry }),
      }).entry;
    case 'multiboot':
      return loadMultibootAny(memory, boot, context);
    case 'flat':
      return loadFlat(memory, map, {
        image: data,
        name,
        gpa: boot.gpa,
        ...(boot.entryGpa !== undefined && { entryGpa: boot.entryGpa }),
        ...(boot.mode !== undefined && { mode: boot.mode }),
      });
  }
}

const RSDP_BYTES = 36;

/** The last part of a path as one word of a command line. */
const programName = (path: string): string => (path.split('/').at(-1) ?? '').replace(/\s/g, '_') || 'kernel';

/** By the header that the file has. As other loaders do, version 1 kernels get their file's name as the first word. */
function loadMultibootAny(
  memory: GuestMemory,
  boot: Extract<BootSource, { kind: 'multiboot' }>,
  { map, rsdpGpa, screen }: LoadContext,
): EntryState {
  const { name, data } = boot.kernel;
  const { cmdline } = boot;
  const options = {
    kernel: data,
    name,
    modules: (boot.modules ?? []).map((m) => ({ data: m.data, cmdline: m.cmdline ?? m.name })),
    ...(screen && { screen }),
  };
  if (findMultibootHeader(data) === null && findMultiboot2Header(data) !== null) {
    const rsdp = memory.readBytes(rsdpGpa, RSDP_BYTES);
    return loadMultiboot2(memory, map, { ...options, rsdp, ...(cmdline !== undefined && { cmdline }) });
  }
  const words = cmdline === undefined || cmdline === '' ? programName(name) : `${programName(name)} ${cmdline}`;
  return loadMultiboot(memory, map, { ...options, cmdline: words }).entry;
}

const RAX = 0;
const RBX = 3;
const RSP = 4;
const RSI = 6;

/** The whole processor state of an entry: everything a loader does not name is as after INIT with FNINIT. */
export function entryCpuState(entry: EntryState): CpuState {
  const s = realModeState();
  s.gpr[RAX] = entry.rax;
  s.gpr[RBX] = entry.rbx;
  s.gpr[RSP] = entry.rsp;
  s.gpr[RSI] = entry.rsi;
  s.rip = entry.rip;
  s.rflags = entry.rflags;
  s.cr0 = entry.cr0;
  s.cr3 = entry.cr3;
  s.cr4 = entry.cr4;
  s.efer = entry.efer;
  s.gdtr = { ...entry.gdt };
  s.idtr = { ...entry.idt };
  for (const [name, segment] of Object.entries(entry.segments)) {
    s.segments[name as keyof typeof s.segments] = { ...segment };
  }
  return s;
}
