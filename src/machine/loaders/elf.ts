// ELF images, 32- and 64-bit, little endian, for x86: headers, checks, segments into guest memory.
// Source: System V Application Binary Interface, "Object Files"; Intel386 and AMD64 processor supplements.

import { ConfigError, hex } from '../../base/index.js';
import type { GuestMemory } from '../../memory/index.js';
import { alignUp } from './bytes.js';
import type { MemoryMap } from './e820.js';

const MAGIC = 0x464c457f;
const CLASS_32 = 1;
const CLASS_64 = 2;
const DATA_LSB = 1;
const ET_EXEC = 2;
const ET_DYN = 3;
const EM_386 = 3;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const PT_NOTE = 4;

export interface ElfSegment {
  readonly type: number;
  readonly fileOffset: number;
  readonly vaddr: bigint;
  readonly paddr: bigint;
  readonly fileBytes: number;
  readonly memoryBytes: number;
}
export interface ElfImage {
  readonly file: Uint8Array;
  readonly bits: 32 | 64;
  readonly entry: bigint;
  readonly segments: readonly ElfSegment[];
}

const view = (data: Uint8Array): DataView => new DataView(data.buffer, data.byteOffset, data.byteLength);

/** Whether `file` starts with the ELF magic. */
export const isElf = (file: Uint8Array): boolean => file.length >= 4 && view(file).getUint32(0, true) === MAGIC;

/** Reads and checks headers; every segment's file bytes lie inside the file. */
export function parseElf(file: Uint8Array, name = 'kernel'): ElfImage {
  const format = (why: string): ConfigError =>
    new ConfigError('KERNEL_FORMAT', `'${name}' is no ELF image for x86: ${why}`, { kernel: name });
  const corrupt = (why: string, details: Record<string, number>): ConfigError =>
    new ConfigError('KERNEL_CORRUPT', `'${name}' is truncated or corrupt: ${why}`, { kernel: name, ...details });
  if (!isElf(file)) throw format('it does not start with 7f 45 4c 46 ("\\x7fELF")');
  const v = view(file);
  const cls = file[4] ?? 0;
  if (cls !== CLASS_32 && cls !== CLASS_64) throw format(`class is ${cls}, expected 1 (32-bit) or 2 (64-bit)`);
  if (file[5] !== DATA_LSB) throw format(`data encoding is ${file[5]}, expected 1 (little endian)`);
  const wide = cls === CLASS_64;
  const headerBytes = wide ? 64 : 52;
  if (file.length < headerBytes) {
    throw corrupt(`ELF header needs ${headerBytes} bytes, the file has ${file.length}`, { sizeBytes: file.length });
  }
  const type = v.getUint16(16, true);
  if (type !== ET_EXEC && type !== ET_DYN) throw format(`type is ${type}, expected 2 (executable)`);
  const machine = v.getUint16(18, true);
  if (machine !== EM_386 && machine !== EM_X86_64)
    throw format(`machine is ${machine}, expected 3 (386) or 62 (x86-64)`);

  const u64 = (at: number): bigint => v.getBigUint64(at, true);
  const u32 = (at: number): bigint => BigInt(v.getUint32(at, true));
  const entry = wide ? u64(24) : u32(24);
  const phoff = wide ? u64(32) : u32(28);
  const phentsize = v.getUint16(wide ? 54 : 42, true);
  const phnum = v.getUint16(wide ? 56 : 44, true);
  const least = wide ? 56 : 32;
  if (phnum === 0) throw format('it has no program headers');
  if (phentsize < least) throw corrupt(`program headers have ${phentsize} bytes, expected ${least}`, { phentsize });
  const size = BigInt(file.length);
  if (phoff + BigInt(phentsize * phnum) > size) {
    throw corrupt(`${phnum} program headers at ${hex(phoff)} lie outside the ${file.length} bytes of the file`, {
      phnum,
    });
  }
  const segments: ElfSegment[] = [];
  for (let i = 0; i < phnum; i++) {
    const at = Number(phoff) + i * phentsize;
    const offset = wide ? u64(at + 8) : u32(at + 4);
    const fileBytes = wide ? u64(at + 32) : u32(at + 16);
    const memoryBytes = wide ? u64(at + 40) : u32(at + 20);
    const segment: ElfSegment = {
      type: v.getUint32(at, true),
      fileOffset: Number(offset),
      vaddr: wide ? u64(at + 16) : u32(at + 8),
      paddr: wide ? u64(at + 24) : u32(at + 12),
      fileBytes: Number(fileBytes),
      memoryBytes: Number(memoryBytes),
    };
    if (segment.type === PT_LOAD || segment.type === PT_NOTE) {
      if (offset + fileBytes > size) {
        throw corrupt(
          `segment ${i} is bytes ${hex(offset)}..${hex(offset + fileBytes)} of the file, which has ${hex(size)}`,
          { segment: i, sizeBytes: file.length },
        );
      }
      if (segment.type === PT_LOAD && fileBytes > memoryBytes) {
        const why = `segment ${i} has ${fileBytes} bytes in the file but ${memoryBytes} in memory`;
        throw corrupt(why, { segment: i });
      }
    }
    segments.push(segment);
  }
  if (!segments.some((s) => s.type === PT_LOAD && s.memoryBytes > 0)) throw format('it has no loadable segment');
  return { file, bits: wide ? 64 : 32, entry, segments };
}

/** Addresses [gpa, end) that an image takes. */
export interface LoadedRange {
  readonly gpa: number;
  readonly end: number;
}
export interface LoadedImage {
  /** Physical address of the entry point. */
  readonly entryGpa: number;
  /** Lowest loaded address and first free page after the image. */
  readonly startGpa: number;
  readonly endGpa: number;
  /** What the image takes, in no order. */
  readonly ranges: readonly LoadedRange[];
}

/** Refuses segments of which one would overwrite what another brings from the file. */
function checkOverlaps(loads: readonly ElfSegment[], name: string): void {
  const filled = loads.filter((s) => s.fileBytes > 0).sort((a, b) => (a.paddr < b.paddr ? -1 : 1));
  for (const [i, s] of filled.entries()) {
    const next = filled[i + 1];
    const end = s.paddr + BigInt(s.fileBytes);
    if (next === undefined || end <= next.paddr) continue;
    const message = `'${name}' is corrupt: its segments at ${hex(s.paddr)}..${hex(end)} and ${hex(next.paddr)} overlap`;
    throw new ConfigError('KERNEL_CORRUPT', message, { kernel: name });
  }
}

/** Loads the segments at their physical addresses and clears the rest of each. */
export function loadElf(memory: GuestMemory, map: MemoryMap, image: ElfImage, name = 'kernel'): LoadedImage {
  const loads = image.segments.filter((s) => s.type === PT_LOAD && s.memoryBytes > 0);
  let start = Number.MAX_SAFE_INTEGER;
  let end = 0;
  for (const s of loads) {
    const gpa = Number(s.paddr);
    if (!Number.isSafeInteger(gpa + s.memoryBytes) || !memory.covers(gpa, s.memoryBytes)) {
      const neededBytes = gpa + s.memoryBytes;
      const message = `memory is ${map.ramBytes} bytes, '${name}' has a segment at ${hex(s.paddr)}..${hex(s.paddr + BigInt(s.memoryBytes))} that does not lie in it`;
      throw new ConfigError('MEMORY_TOO_SMALL', message, { ramBytes: map.ramBytes, neededBytes });
    }
    start = Math.min(start, gpa);
    end = Math.max(end, gpa + s.memoryBytes);
  }
  checkOverlaps(loads, name);
  // Cleared first: what one segment clears may be where another has its bytes.
  for (const s of loads) memory.loadFill(Number(s.paddr) + s.fileBytes, s.memoryBytes - s.fileBytes);
  for (const s of loads)
    memory.loadBytes(Number(s.paddr), image.file.subarray(s.fileOffset, s.fileOffset + s.fileBytes));
  // The entry is a linear address where a segment says so (higher-half kernels): translate it as GRUB does.
  const home = loads.find((s) => image.entry >= s.vaddr && image.entry < s.vaddr + BigInt(s.memoryBytes));
  const entryGpa = Number(home ? image.entry - home.vaddr + home.paddr : image.entry);
  if (entryGpa < start || entryGpa >= end) {
    const message = `'${name}' is corrupt: entry point ${hex(image.entry)} lies in none of its segments`;
    throw new ConfigError('KERNEL_CORRUPT', message, { kernel: name, entry: hex(image.entry) });
  }
  const ranges = loads.map((l) => ({ gpa: Number(l.paddr), end: Number(l.paddr) + l.memoryBytes }));
  return { entryGpa, startGpa: start, endGpa: alignUp(end, 4096), ranges };
}
