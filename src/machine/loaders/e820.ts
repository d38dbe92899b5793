// The board's physical memory map: where RAM is, which slots hold it, and the E820 list that guests are told.
// Source: ACPI Specification "INT 15H, E820H - Query System Address Map".

import { ConfigError } from '../../base/index.js';
import type { MemorySlot } from '../../memory/index.js';
import type { BoardMap } from '../board-map.js';
import { ByteWriter } from './bytes.js';

export const E820Type = { RAM: 1, RESERVED: 2, ACPI: 3, NVS: 4 } as const;
export interface E820Entry {
  readonly gpa: number;
  readonly sizeBytes: number;
  readonly type: number;
}

/** End of the memory below 1 MiB that guests may use; the last KiB is the extended BIOS data area. */
export const LOW_RAM_END = 0x9fc00;
const EBDA_END = 0xa0000;
const HIGH_RAM = 0x100000;
const FOUR_GIB = 0x1_0000_0000;
const PAGE = 4096;

export interface MemoryMap {
  /** RAM of the guest as configured, in bytes. */
  readonly ramBytes: number;
  /** End (exclusive) of the RAM that starts at 1 MiB, at most the start of the PCI hole. */
  readonly lowEnd: number;
  /** End (exclusive) of the RAM at 4 GiB; 4 GiB when there is none. */
  readonly highEnd: number;
  readonly e820: readonly E820Entry[];
  /** Slots for GuestMemory; RAM is at buffer offset ramOffset + gpa below 4 GiB and follows it closely above. */
  readonly slots: readonly MemorySlot[];
  /** Bytes of buffer, from ramOffset, that the slots need. */
  readonly bufferBytes: number;
}

/** Least RAM of a PC with this board. */
export const MIN_RAM_BYTES = 0x200000;

/** The memory map of a board with `ramBytes` of RAM whose bytes start at `ramOffset` of the buffer. */
export function memoryMap(board: BoardMap, ramBytes: number, ramOffset = 0): MemoryMap {
  if (!Number.isSafeInteger(ramBytes) || ramBytes < MIN_RAM_BYTES || ramBytes % PAGE !== 0) {
    const message = `memory is ${ramBytes} bytes, expected a multiple of 4096 and at least ${MIN_RAM_BYTES} (2 MiB)`;
    throw new ConfigError('MEMORY_SIZE', message, { ramBytes, minimum: MIN_RAM_BYTES });
  }
  const lowEnd = Math.min(ramBytes, board.pciHole.gpa);
  const aboveBytes = ramBytes - lowEnd;
  const slot = (gpa: number, end: number, offset: number): MemorySlot => ({
    gpa,
    sizeBytes: end - gpa,
    bufferOffset: ramOffset + offset,
    readOnly: false,
  });
  const vgaEnd = board.vga.gpa + board.vga.sizeBytes;
  const slots = [slot(0, board.vga.gpa, 0), slot(vgaEnd, lowEnd, vgaEnd)];
  const e820: E820Entry[] = [
    { gpa: 0, sizeBytes: LOW_RAM_END, type: E820Type.RAM },
    { gpa: LOW_RAM_END, sizeBytes: EBDA_END - LOW_RAM_END, type: E820Type.RESERVED },
    {
      gpa: board.firmware.acpiGpa,
      sizeBytes: HIGH_RAM - board.firmware.acpiGpa,
      type: E820Type.RESERVED,
    },
    { gpa: HIGH_RAM, sizeBytes: lowEnd - HIGH_RAM, type: E820Type.RAM },
  ];
  if (aboveBytes > 0) {
    slots.push(slot(FOUR_GIB, FOUR_GIB + aboveBytes, lowEnd));
    e820.push({ gpa: FOUR_GIB, sizeBytes: aboveBytes, type: E820Type.RAM });
  }
  return { ramBytes, lowEnd, highEnd: FOUR_GIB + aboveBytes, e820, slots, bufferBytes: ramBytes };
}

/** E820 entries as boot_params and INT 15h hold them: 20 bytes each. */
export function e820Bytes(entries: readonly E820Entry[]): Uint8Array {
  const out = new ByteWriter();
  for (const e of entries) out.u64(e.gpa).u64(e.sizeBytes).u32(e.type);
  return out.done();
}
