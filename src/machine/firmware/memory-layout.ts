// Which memory answers where on a board with firmware: RAM, ROMs at the top of 4 GiB and below 1 MiB, shadow RAM, the
// A20 gate, windows of PCI devices. Source: Intel 82441FX data sheet, "System Address Map", "Programmable Attribute Map".

import type { ShadowArea } from '../../devices/index.js';
import type { MemorySlot } from '../../memory/index.js';

const MIB = 0x100000;
const FOUR_GIB = 0x1_0000_0000;
/** The part of the firmware's ROM that is also seen below 1 MiB. */
const LOW_ROM_BYTES = 0x20000;
const VGA_GPA = 0xa0000;
const SHADOW_GPA = 0xc0000;
const PAGE = 4096;

/** Bytes of the buffer that appear at an address. */
export interface Window {
  readonly gpa: number;
  readonly bufferOffset: number;
  readonly sizeBytes: number;
}

export interface LayoutInput {
  /** Where RAM begins in the buffer. */
  readonly ramOffset: number;
  /** End of the RAM below the PCI hole. */
  readonly lowEnd: number;
  /** Bytes of RAM at 4 GiB and above. */
  readonly aboveBytes: number;
  /** The firmware's ROM in the buffer; its end is at 4 GiB. Null: none, and plain RAM from 0xc0000 to 1 MiB. */
  readonly rom: { readonly bufferOffset: number; readonly sizeBytes: number } | null;
  /** Shadow memory control; looked at with a ROM only. */
  readonly shadow: readonly ShadowArea[];
  /** Video memory answers at 0xa0000..0xbffff, as a device. */
  readonly vga: boolean;
  /** The A20 gate is open; closed, the second megabyte is the first again. */
  readonly a20: boolean;
  /** Memory of PCI devices: writable, at addresses above RAM. */
  readonly windows: readonly Window[];
}

/** Bytes that a ROM takes in the buffer: whole pages. */
export const romBytes = (sizeBytes: number): number => Math.ceil(sizeBytes / PAGE) * PAGE;

/** The slots of the whole address space, joined where they are neighbours in the buffer too. */
export function boardSlots(input: LayoutInput): MemorySlot[] {
  const { ramOffset, lowEnd, rom } = input;
  const first: MemorySlot[] = [];
  const ram = (gpa: number, end: number, readOnly = false): void => {
    if (end > gpa) first.push({ gpa, sizeBytes: end - gpa, bufferOffset: ramOffset + gpa, readOnly });
  };
  ram(0, VGA_GPA);
  if (!input.vga) ram(VGA_GPA, SHADOW_GPA);
  if (rom === null) ram(SHADOW_GPA, MIB);
  else {
    const lowRomBytes = Math.min(LOW_ROM_BYTES, rom.sizeBytes);
    const lowRomGpa = MIB - lowRomBytes;
    for (const { gpa, sizeBytes, read, write } of input.shadow) {
      if (read) ram(gpa, gpa + sizeBytes, !write);
      else {
        // the ROM is on the bus: it answers reads, writes go to the board (see `ShadowWriter`)
        const from = Math.max(gpa, lowRomGpa);
        if (from < gpa + sizeBytes) {
          const bufferOffset = rom.bufferOffset + rom.sizeBytes - (MIB - from);
          first.push({ gpa: from, sizeBytes: gpa + sizeBytes - from, bufferOffset, readOnly: true });
        }
      }
    }
  }
  const slots = [...first];
  if (input.a20) slots.push({ gpa: MIB, sizeBytes: lowEnd - MIB, bufferOffset: ramOffset + MIB, readOnly: false });
  else {
    for (const slot of first) slots.push({ ...slot, gpa: slot.gpa + MIB });
    if (lowEnd > 2 * MIB)
      slots.push({ gpa: 2 * MIB, sizeBytes: lowEnd - 2 * MIB, bufferOffset: ramOffset + 2 * MIB, readOnly: false });
  }
  for (const w of input.windows)
    slots.push({ gpa: w.gpa, sizeBytes: w.sizeBytes, bufferOffset: w.bufferOffset, readOnly: false });
  if (rom !== null) {
    const gpa = FOUR_GIB - rom.sizeBytes;
    slots.push({ gpa, sizeBytes: rom.sizeBytes, bufferOffset: rom.bufferOffset, readOnly: true });
  }
  if (input.aboveBytes > 0) {
    const bufferOffset = ramOffset + lowEnd;
    slots.push({ gpa: FOUR_GIB, sizeBytes: input.aboveBytes, bufferOffset, readOnly: false });
  }
  return joined(slots);
}

function joined(slots: readonly MemorySlot[]): MemorySlot[] {
  const out: MemorySlot[] = [];
  for (const slot of [...slots].sort((a, b) => a.gpa - b.gpa)) {
    const last = out.at(-1);
    if (
      last !== undefined &&
      last.gpa + last.sizeBytes === slot.gpa &&
      last.bufferOffset + last.sizeBytes === slot.bufferOffset &&
      last.readOnly === slot.readOnly
    ) {
      out[out.length - 1] = { ...last, sizeBytes: last.sizeBytes + slot.sizeBytes };
    } else out.push(slot);
  }
  return out;
}
