// Helpers for the loaders' tests: small guest memories and hand-made kernel images.
import { GuestMemory } from '../../memory/index.js';
import { pcBoard } from '../board-map.js';
import { type MemoryMap, memoryMap } from './e820.js';

const MIB = 1 << 20;

/** Memory of `ramMib` MiB as the board lays it out. */
export function testMemory(ramMib: number): { memory: GuestMemory; map: MemoryMap } {
  const map = memoryMap(pcBoard, ramMib * MIB);
  return { memory: new GuestMemory(new ArrayBuffer(map.bufferBytes), map.slots), map };
}

/** A file with the setup header of a bzImage: 1 + 1 setup sectors and 64 paragraphs of 0xcc. */
export function fakeBzImage(change: (v: DataView) => void = () => {}): Uint8Array {
  const file = new Uint8Array(1024 + 1024);
  const v = new DataView(file.buffer);
  v.setUint8(0x1f1, 1);
  v.setUint32(0x1f4, 64, true);
  v.setUint16(0x1fe, 0xaa55, true);
  v.setUint16(0x200, 0x66eb, true); // jump over the header: it ends at 0x268
  v.setUint32(0x202, 0x53726448, true);
  v.setUint16(0x206, 0x20f, true);
  v.setUint16(0x20e, 0x80, true); // version text at 0x280
  file.set([0x36, 0x2e, 0x31, 0], 0x280);
  v.setUint8(0x211, 1);
  v.setUint32(0x22c, 0x7fffffff, true);
  v.setUint8(0x234, 1);
  v.setUint16(0x236, 1, true);
  v.setUint32(0x238, 2047, true);
  v.setBigUint64(0x258, 0x1000000n, true);
  v.setUint32(0x260, 0x100000, true);
  file.fill(0xcc, 1024);
  change(v);
  return file;
}

/** An ELF image with one segment of 16 bytes (0x90) in 32 bytes of memory at physical 0x200000. */
export function fakeElf(bits: 32 | 64, change: (v: DataView) => void = () => {}): Uint8Array {
  const file = new Uint8Array(0x110);
  const v = new DataView(file.buffer);
  const wide = bits === 64;
  v.setUint32(0, 0x464c457f, true);
  v.setUint8(4, wide ? 2 : 1);
  v.setUint8(5, 1);
  v.setUint16(16, 2, true);
  v.setUint16(18, wide ? 62 : 3, true);
  const word = (at: number, value: number): void =>
    wide ? v.setBigUint64(at, BigInt(value), true) : v.setUint32(at, value, true);
  const ph = 0x80;
  word(24, wide ? 0xc0200004 : 0xc0200004); // linear entry point; physical 0x200004
  word(wide ? 32 : 28, ph);
  v.setUint16(wide ? 54 : 42, wide ? 56 : 32, true);
  v.setUint16(wide ? 56 : 44, 1, true);
  v.setUint32(ph, 1, true);
  const fields = wide ? [8, 16, 24, 32, 40] : [4, 8, 12, 16, 20];
  const values = [0x100, 0xc0200000, 0x200000, 16, 32];
  fields.forEach((at, i) => {
    word(ph + at, values[i] ?? 0);
  });
  file.fill(0x90, 0x100);
  change(v);
  return file;
}

/** Writes a multiboot header at `offset`. */
export function putMultibootHeader(
  v: DataView,
  offset: number,
  flags: number,
  addresses: readonly number[] = [],
): void {
  v.setUint32(offset, 0x1badb002, true);
  v.setUint32(offset + 4, flags, true);
  v.setUint32(offset + 8, -(0x1badb002 + flags) >>> 0, true);
  addresses.forEach((a, i) => {
    v.setUint32(offset + 12 + i * 4, a, true);
  });
}
