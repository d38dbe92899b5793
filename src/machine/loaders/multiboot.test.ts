// Tests of the ELF, multiboot and flat loaders.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadElf, parseElf } from './elf.js';
import { loadFirmware, loadFlat } from './flat.js';
import { findMultibootHeader, loadMultiboot } from './multiboot.js';
import { fakeElf, putMultibootHeader, testMemory } from './testing.js';

const ADDRESSES = 1 << 16;

test('ELF32 and ELF64 segments go to their physical addresses and the rest is cleared', () => {
  for (const bits of [32, 64] as const) {
    const { memory, map } = testMemory(8);
    memory.fill(0x200000, 64, 0xff);
    const loaded = loadElf(memory, map, parseElf(fakeElf(bits)));
    assert.equal(memory.readU8(0x20000f), 0x90);
    assert.equal(memory.readU8(0x200010), 0);
    assert.equal(memory.readU8(0x20001f), 0);
    assert.equal(memory.readU8(0x200020), 0xff);
    const ranges = [{ gpa: 0x200000, end: 0x200020 }];
    assert.deepEqual(loaded, { entryGpa: 0x200004, startGpa: 0x200000, endGpa: 0x201000, ranges }, `${bits} bits`);
  }
});

test('bad ELF files are refused with what was wrong', () => {
  const bad =
    (change: (v: DataView) => void): (() => unknown) =>
    () =>
      parseElf(fakeElf(32, change), 'k');
  assert.throws(() => parseElf(new Uint8Array(100)), { code: 'KERNEL_FORMAT' });
  assert.throws(
    bad((v) => v.setUint8(4, 3)),
    { code: 'KERNEL_FORMAT', message: /class is 3/ },
  );
  assert.throws(
    bad((v) => v.setUint8(5, 2)),
    { code: 'KERNEL_FORMAT', message: /little endian/ },
  );
  assert.throws(
    bad((v) => v.setUint16(16, 1, true)),
    { code: 'KERNEL_FORMAT', message: /type is 1/ },
  );
  assert.throws(
    bad((v) => v.setUint16(18, 40, true)),
    { code: 'KERNEL_FORMAT', message: /machine is 40/ },
  );
  assert.throws(
    bad((v) => v.setUint32(28, 0x10000, true)),
    { code: 'KERNEL_CORRUPT', message: /program headers/ },
  );
  assert.throws(
    bad((v) => v.setUint32(0x84, 0x1000, true)),
    { code: 'KERNEL_CORRUPT', message: /segment 0/ },
  );
  assert.throws(
    bad((v) => v.setUint32(0x94, 8, true)),
    { code: 'KERNEL_CORRUPT', message: /16 bytes.*8 in/ },
  );
  assert.throws(
    bad((v) => v.setUint32(0x80, 6, true)),
    { code: 'KERNEL_FORMAT', message: /no loadable/ },
  );
  assert.throws(() => parseElf(fakeElf(64).subarray(0, 40)), { code: 'KERNEL_CORRUPT', message: /64 bytes/ });
  const huge = fakeElf(64, (v) => v.setBigUint64(0x88, 0xffff_ffff_ffff_ffffn, true));
  assert.throws(() => parseElf(huge), { code: 'KERNEL_CORRUPT' });
});

test('an ELF segment outside memory and an entry outside the segments are refused', () => {
  const { memory, map } = testMemory(8);
  const high = parseElf(fakeElf(32, (v) => v.setUint32(0x8c, 0x900000, true)));
  assert.throws(() => loadElf(memory, map, high), { code: 'MEMORY_TOO_SMALL', message: /0x900000/ });
  const inHole = parseElf(fakeElf(32, (v) => v.setUint32(0x8c, 0x9fff0, true)));
  assert.throws(() => loadElf(memory, map, inHole), { code: 'MEMORY_TOO_SMALL' });
  const lost = parseElf(fakeElf(32, (v) => v.setUint32(24, 0x12345678, true)));
  assert.throws(() => loadElf(memory, map, lost), { code: 'KERNEL_CORRUPT', message: /0x12345678/ });
});

/** The ELF image with a second segment: `fileBytes` in `memoryBytes` at `paddr`. */
const twoSegments = (paddr: number, fileBytes: number, memoryBytes: number): Uint8Array =>
  fakeElf(32, (v) => {
    v.setUint16(44, 2, true);
    const words = [1, 0x100, 0xc0300000, paddr, fileBytes, memoryBytes];
    words.forEach((w, i) => {
      v.setUint32(0xa0 + 4 * i, w, true);
    });
  });

test('segments that overwrite one another are refused; one that only clears the place of another is not', () => {
  const { memory, map } = testMemory(8);
  assert.throws(() => loadElf(memory, map, parseElf(twoSegments(0x200008, 16, 16), 'k'), 'k'), {
    code: 'KERNEL_CORRUPT',
    message: /0x200000\.\.0x200010 and 0x200008 overlap/,
  });
  loadElf(memory, map, parseElf(twoSegments(0x1ff000, 16, 0x2000)));
  assert.equal(memory.readU8(0x200000), 0x90);
  assert.equal(memory.readU8(0x1ff010), 0);
});

test('multiboot ELF: registers, information structure, modules and memory map', () => {
  for (const bits of [32, 64] as const) {
    const { memory, map } = testMemory(8);
    const kernel = fakeElf(bits, (v) => putMultibootHeader(v, 0x60, 3));
    const boot = loadMultiboot(memory, map, {
      kernel,
      cmdline: 'a=b',
      modules: [{ data: Uint8Array.of(1, 2, 3), cmdline: 'first' }, { data: Uint8Array.of(4) }],
    });
    const { entry } = boot;
    assert.equal(entry.mode, 'protected32');
    assert.equal(entry.rax, 0x2badb002n);
    assert.equal(entry.rip, 0x200004n);
    assert.equal(entry.cr0 & 0x80000001n, 1n);
    const info = Number(entry.rbx);
    const u32 = (at: number): number => memory.readU32(info + at);
    const text = (gpa: number, length: number): string => String.fromCharCode(...memory.readBytes(gpa, length));
    assert.equal(u32(0), 0x24d);
    assert.equal(u32(4), 639);
    assert.equal(u32(8), 7 * 1024);
    assert.equal(text(u32(16), 4), 'a=b\0');
    assert.equal(u32(20), 2);
    const mods = u32(24);
    assert.equal(memory.readU32(mods), 0x201000);
    assert.equal(memory.readU32(mods + 4), 0x201003);
    assert.equal(text(memory.readU32(mods + 8), 6), 'first\0');
    assert.equal(memory.readU8(memory.readU32(mods + 16)), 4);
    assert.equal(u32(44), map.e820.length * 24);
    assert.equal(memory.readU32(u32(48)), 20);
    assert.equal(memory.readU64(u32(48) + 3 * 24 + 4), 0x100000n);
    assert.equal(text(u32(64), 7), 'pcanel\0');
  }
});

test('multiboot with address fields loads a raw image', () => {
  const { memory, map } = testMemory(8);
  const file = new Uint8Array(0x200).fill(0x90);
  const v = new DataView(file.buffer);
  // header at file offset 0x40 = address 0x100040; load 0x100010..0x100100, bss to 0x100180, entry 0x100050
  putMultibootHeader(v, 0x40, ADDRESSES, [0x100040, 0x100010, 0x100100, 0x100180, 0x100050]);
  memory.fill(0x100000, 0x200, 0xff);
  const boot = loadMultiboot(memory, map, { kernel: file });
  assert.equal(boot.entry.rip, 0x100050n);
  assert.equal(memory.readU8(0x10000f), 0xff);
  assert.equal(memory.readU8(0x100010), 0x90);
  assert.equal(memory.readU32(0x100040), 0x1badb002);
  assert.equal(memory.readU8(0x1000ff), 0x90);
  assert.equal(memory.readU8(0x100100), 0);
  assert.equal(memory.readU8(0x100180), 0xff);
});

test('information and modules go where an image leaves room', () => {
  const { memory, map } = testMemory(8);
  // one segment below 640 KiB over the usual place of the information, one at 2 MiB
  const kernel = twoSegments(0x6000, 16, 0x3000);
  putMultibootHeader(new DataView(kernel.buffer), 0x60, 0);
  const modules = [{ data: new Uint8Array(5 << 20) }, { data: new Uint8Array(0x80000) }, { data: new Uint8Array(0) }];
  const boot = loadMultiboot(memory, map, { kernel, modules });
  assert.equal(boot.infoGpa, 0x9000);
  assert.deepEqual(boot.moduleGpas, [0x201000, 0x701000, 0x781000]);
  const two = loadMultiboot(memory, map, { kernel, modules: [modules[0]!, { data: new Uint8Array(0xff000) }] });
  assert.deepEqual(two.moduleGpas, [0x201000, 0x701000]);
  const front = loadMultiboot(memory, map, { kernel, modules: [modules[0]!, { data: new Uint8Array(0x100000) }] });
  assert.deepEqual(front.moduleGpas, [0x201000, 0x100000]);
});

test('multiboot refusals', () => {
  const { memory, map } = testMemory(8);
  const load = (change: (v: DataView) => void) => () => loadMultiboot(memory, map, { kernel: fakeElf(32, change) });
  assert.throws(
    load(() => {}),
    { code: 'KERNEL_FORMAT', message: /no header/ },
  );
  assert.throws(
    load((v) => {
      putMultibootHeader(v, 0x60, 0);
      v.setUint32(0x68, 1, true);
    }),
    { code: 'KERNEL_FORMAT' },
  );
  assert.throws(
    load((v) => putMultibootHeader(v, 0x60, 0x40)),
    { code: 'KERNEL_FORMAT', message: /0x40/ },
  );
  const short = new Uint8Array(0x100);
  putMultibootHeader(new DataView(short.buffer), 0, ADDRESSES, [0x100000, 0x100000, 0x101000, 0, 0x100010]);
  assert.throws(() => loadMultiboot(memory, map, { kernel: short }), {
    code: 'KERNEL_CORRUPT',
    message: /4096 bytes.*256/,
  });
  const kernel = fakeElf(32, (v) => putMultibootHeader(v, 0x60, 0));
  assert.throws(() => loadMultiboot(memory, map, { kernel, modules: [{ data: new Uint8Array(7 << 20) }] }), {
    code: 'MEMORY_TOO_SMALL',
  });
  const late = new Uint8Array(0x4000);
  putMultibootHeader(new DataView(late.buffer), 0x2000, 0);
  assert.equal(findMultibootHeader(late), null);
});

test('flat binaries enter in the mode asked for', () => {
  const { memory, map } = testMemory(8);
  const image = Uint8Array.of(0xf4);
  assert.equal(loadFlat(memory, map, { image, gpa: 0x100000 }).rip, 0x100000n);
  assert.equal(loadFlat(memory, map, { image, gpa: 0x100000, mode: 'long' }).efer, 0x500n);
  const boot = loadFlat(memory, map, { image, gpa: 0x7c00, mode: 'real' });
  assert.deepEqual([boot.segments.cs.selector, boot.segments.cs.base, boot.rip], [0, 0n, 0x7c00n]);
  const high = loadFlat(memory, map, { image, gpa: 0x90004, mode: 'real' });
  assert.deepEqual([high.segments.cs.selector, high.segments.cs.base, high.rip], [0x9000, 0x90000n, 4n]);
  assert.throws(() => loadFlat(memory, map, { image, gpa: 0x800000 }), { code: 'MEMORY_TOO_SMALL' });
  assert.throws(() => loadFlat(memory, map, { image, gpa: 0x100000, mode: 'real' }), { code: 'KERNEL_ENTRY' });
  assert.throws(() => loadFlat(memory, map, { image: new Uint8Array(), gpa: 0 }), { code: 'KERNEL_FORMAT' });
});

test('firmware is shadowed under 1 MiB and enters at the reset vector', () => {
  const { memory } = testMemory(8);
  const rom = new Uint8Array(0x40000);
  rom[0x3fff0] = 0xea;
  const bytes = new Uint8Array(memory.buffer.byteLength);
  assert.ok(bytes.length > rom.length);
  memory.removeSlot(0);
  memory.addSlot({ gpa: 0xfffc0000, sizeBytes: 0x40000, bufferOffset: 0, readOnly: true });
  const entry = loadFirmware(memory, rom);
  assert.equal(memory.readU8(0xfffffff0), 0xea);
  assert.equal(memory.readU8(0xffff0), 0xea);
  assert.equal(entry.segments.cs.base + entry.rip, 0xfffffff0n);
  assert.throws(() => loadFirmware(memory, new Uint8Array(1000)), { code: 'FIRMWARE_SIZE', message: /1000 bytes/ });
});
