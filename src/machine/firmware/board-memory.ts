// The memory of a board whose address space changes while it runs: shadow RAM, the A20 gate, windows of PCI devices.
// Source: Intel 82441FX data sheet, "Programmable Attribute Map (PAM) Registers".

import type { AccessSize, BusTarget, ShadowArea } from '../../devices/index.js';
import { allOnes } from '../../devices/index.js';
import type { GuestMemory } from '../../memory/index.js';
import type { MemoryMap } from '../loaders/e820.js';
import { boardSlots, romBytes, type Window } from './memory-layout.js';

const SHADOW_GPA = 0xc0000;
const SHADOW_BYTES = 0x40000;

export interface BoardMemoryOptions {
  readonly memory: GuestMemory;
  readonly map: MemoryMap;
  /** Offset of RAM in the buffer. */
  readonly ramOffset: number;
  /** Offset of the engine's extra bytes. */
  readonly extraOffset: number;
  readonly rom: Uint8Array | null;
  /** Bytes of video memory; 0: no display adapter. */
  readonly videoBytes: number;
}

/** Extra bytes that the engine must reserve. */
export const extraBytesFor = (rom: Uint8Array | null, videoBytes: number): number =>
  (rom === null ? 0 : romBytes(rom.length)) + videoBytes;

export class BoardMemory {
  /** The display adapter's memory. */
  readonly video: Uint8Array;
  readonly #o: BoardMemoryOptions;
  readonly #rom: { readonly bufferOffset: number; readonly sizeBytes: number } | null;
  readonly #videoOffset: number;
  #shadow: () => readonly ShadowArea[] = () => [];
  #a20 = true;
  #videoGpa: number | null = null;
  #ready = false;

  constructor(options: BoardMemoryOptions) {
    this.#o = options;
    const { rom, extraOffset } = options;
    this.#rom = rom === null ? null : { bufferOffset: extraOffset, sizeBytes: romBytes(rom.length) };
    this.#videoOffset = extraOffset + (this.#rom?.sizeBytes ?? 0);
    this.video = new Uint8Array(options.memory.buffer, this.#videoOffset, options.videoBytes);
  }

  /** From now on changes are followed; `shadow` tells the present shadow memory control. */
  start(shadow: () => readonly ShadowArea[]): void {
    this.#shadow = shadow;
    this.#ready = true;
    this.update();
  }

  setA20(open: boolean): void {
    if (this.#o.rom === null || this.#a20 === open) return;
    this.#a20 = open;
    this.update();
  }
  /** Where the linear frame buffer answers; null: nowhere. */
  setVideoGpa(gpa: number | null): void {
    this.#videoGpa = gpa;
    this.update();
  }

  /** Puts the ROM's content in place and clears RAM and video memory. */
  clear(): void {
    const { memory, map, ramOffset, rom } = this.#o;
    memory.replaceSlots([{ gpa: 0, sizeBytes: map.ramBytes, bufferOffset: ramOffset, readOnly: false }]);
    memory.loadFill(0, map.ramBytes, 0);
    this.video.fill(0);
    if (this.#rom !== null && rom !== null) {
      memory.replaceSlots([{ gpa: 0, ...this.#rom, readOnly: true }]);
      memory.loadBytes(0, rom);
    }
    this.update();
  }

  /** Maps everything anew. */
  update(): void {
    if (!this.#ready) return;
    const { map, ramOffset, memory } = this.#o;
    const windows: Window[] = [];
    if (this.#videoGpa !== null)
      windows.push({ gpa: this.#videoGpa, bufferOffset: this.#videoOffset, sizeBytes: this.video.length });
    memory.replaceSlots(
      boardSlots({
        ramOffset,
        lowEnd: map.lowEnd,
        aboveBytes: map.ramBytes - map.lowEnd,
        rom: this.#rom,
        shadow: this.#shadow(),
        vga: this.video.length > 0,
        a20: this.#a20,
        windows,
      }),
    );
  }

  /** Answers at 0xc0000..0xfffff where no slot does: empty ROM sockets, and RAM that is being filled behind a ROM. */
  shadowTarget(): { readonly gpa: number; readonly sizeBytes: number; readonly target: BusTarget } {
    const bytes = new Uint8Array(this.#o.memory.buffer, this.#o.ramOffset + SHADOW_GPA, SHADOW_BYTES);
    return {
      gpa: SHADOW_GPA,
      sizeBytes: SHADOW_BYTES,
      target: {
        name: 'shadow memory',
        read: (_offset: number, size: AccessSize) => allOnes(size),
        write: (offset: number, size: AccessSize, value: number) => {
          const gpa = SHADOW_GPA + offset;
          const area = this.#shadow().find((a) => gpa >= a.gpa && gpa < a.gpa + a.sizeBytes);
          if (area === undefined || !area.write) return;
          for (let i = 0; i < size; i++) bytes[offset + i] = (value >>> (8 * i)) & 0xff;
        },
      },
    };
  }
}
