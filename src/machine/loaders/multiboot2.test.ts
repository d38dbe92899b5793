// Multiboot 2: header tags, boot information tags, refusals.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadMultiboot2, type Multiboot2Options } from './multiboot2.js';
import { fakeElf, testMemory } from './testing.js';

/** Writes a header with these tags (type, flags, words) at `offset`. */
function putHeader(v: DataView, offset: number, tags: readonly (readonly [number, number, ...number[]])[]): void {
  let at = offset + 16;
  for (const [type, flags, ...words] of [...tags, [0, 0] as const]) {
    v.setUint16(at, type, true);
    v.setUint16(at + 2, flags, true);
    v.setUint32(at + 4, 8 + 4 * words.length, true);
    words.forEach((w, i) => {
      v.setUint32(at + 8 + 4 * i, w, true);
    });
    at += Math.ceil((8 + 4 * words.length) / 8) * 8;
  }
  const length = at - offset;
  [0xe85250d6, 0, length, -(0xe85250d6 + length) >>> 0].forEach((w, i) => {
    v.setUint32(offset + 4 * i, w, true);
  });
}
/** A raw image of 4 KiB with a header at 0x40 that has these tags. */
function raw(...tags: readonly (readonly [number, number, ...number[]])[]): Uint8Array {
  const file = new Uint8Array(0x1000).fill(0x90);
  putHeader(new DataView(file.buffer), 0x40, tags);
  return file;
}
const ADDRESS = [2, 0, 0x300040, 0x300000, 0, 0x302000] as const;
const ENTRY = [3, 0, 0x300100] as const;
const load = (kernel: Uint8Array, more: Partial<Multiboot2Options> = {}) => {
  const { memory, map } = testMemory(8);
  return { memory, map, entry: loadMultiboot2(memory, map, { kernel, name: 'k', rsdp: null, ...more }) };
};

test('a raw image: address and entry tags, registers, information tags', () => {
  const { memory, map, entry } = load(raw([1, 0, 1, 3, 4, 6], ADDRESS, ENTRY, [6, 0], [77, 1]), {
    cmdline: 'a b',
    modules: [{ data: Uint8Array.of(1, 2, 3), cmdline: 'mod x' }],
    screen: { gpa: 0xb8000, columns: 80, rows: 25 },
    rsdp: Uint8Array.of(0x52, 0x53),
  });
  assert.equal(entry.rax, 0x36d76289n);
  assert.equal(entry.rip, 0x300100n);
  assert.equal(memory.readU8(0x300fff), 0x90);
  const info = Number(entry.rbx);
  assert.equal(info % 8, 0);
  const tags = new Map<number, number>();
  let at = info + 8;
  while (memory.readU32(at) !== 0) {
    tags.set(memory.readU32(at), at);
    at += Math.ceil(memory.readU32(at + 4) / 8) * 8;
  }
  assert.equal(at + 8, info + memory.readU32(info));
  const text = (gpa: number, length: number): string => String.fromCharCode(...memory.readBytes(gpa, length));
  const tag = (type: number): number => tags.get(type) ?? assert.fail(`no tag ${type}`);
  assert.equal(text(tag(1) + 8, 4), 'a b\0');
  assert.equal(text(tag(2) + 8, 7), 'pcanel\0');
  const module = tag(3);
  assert.deepEqual([memory.readU32(module + 8), memory.readU32(module + 12)], [0x302000, 0x302003]);
  assert.equal(text(module + 16, 6), 'mod x\0');
  assert.deepEqual([memory.readU32(tag(4) + 8), memory.readU32(tag(4) + 12)], [639, 7 * 1024]);
  const mmap = tag(6);
  assert.deepEqual([memory.readU32(mmap + 4), memory.readU32(mmap + 8)], [16 + 24 * map.e820.length, 24]);
  assert.equal(memory.readU64(mmap + 16 + 3 * 24), 0x100000n);
  const screen = tag(8);
  assert.deepEqual([memory.readU64(screen + 8), memory.readU32(screen + 16)], [0xb8000n, 160]);
  assert.deepEqual([memory.readU8(screen + 28), memory.readU8(screen + 29)], [16, 2]);
  assert.equal(text(tag(15) + 8, 2), 'RS');
});

test('an ELF image: the entry tag wins over its own entry', () => {
  const elf = (tags: Parameters<typeof putHeader>[2]): Uint8Array => {
    const file = new Uint8Array(0x200);
    file.set(fakeElf(64));
    putHeader(new DataView(file.buffer), 0x140, tags);
    return file;
  };
  assert.equal(load(elf([])).entry.rip, 0x200004n);
  assert.equal(load(elf([[3, 0, 0x200008]])).entry.rip, 0x200008n);
});

test('multiboot 2 refusals', () => {
  const refuses = (kernel: Uint8Array, code: string, message: RegExp): void =>
    assert.throws(() => load(kernel), { code, message });
  refuses(new Uint8Array(0), 'KERNEL_FORMAT', /'k' is no multiboot 2 image/);
  refuses(raw(ADDRESS, ENTRY, [77, 0]), 'KERNEL_FORMAT', /header tags 77/);
  refuses(raw(ADDRESS, ENTRY, [1, 0, 4, 12]), 'KERNEL_FORMAT', /boot information 12/);
  refuses(raw(ADDRESS), 'KERNEL_CORRUPT', /no entry address/);
  refuses(raw([2, 0, 0x300040, 0x300000, 0x302000, 0], ENTRY), 'KERNEL_CORRUPT', /8192 bytes from offset 0.*4096/);
  refuses(raw(ADDRESS, [3, 0, 0x400000]), 'KERNEL_CORRUPT', /entry point 0x400000/);
  refuses(raw([2, 0, 0x900040, 0x900000, 0, 0], [3, 0, 0x900000]), 'MEMORY_TOO_SMALL', /0x900000/);
  refuses(raw(ENTRY), 'KERNEL_FORMAT', /no ELF image/);
  const broken = raw(ADDRESS, ENTRY);
  broken[0x4c] = 0; // checksum
  refuses(broken, 'KERNEL_FORMAT', /no multiboot 2 image/);
});
