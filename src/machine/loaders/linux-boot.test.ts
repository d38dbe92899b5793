// Tests of the Linux loader: checks of the setup header, placement, zero page, entry states.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadLinux, parseBzImage } from './linux-boot.js';
import { fakeBzImage, testMemory } from './testing.js';

test('the setup header is read', () => {
  const image = parseBzImage(fakeBzImage());
  assert.equal(image.protocol, 0x20f);
  assert.equal(image.kernelVersion, '6.1');
  assert.equal(image.has64BitEntry, true);
  assert.equal(image.loadGpa, 0x1000000);
  assert.equal(image.setupBytes, 1024);
  assert.equal(image.cmdlineMax, 2047);
});

test('the 64-bit entry: kernel, initrd, command line and zero page are where the entry state says', () => {
  const { memory, map } = testMemory(64);
  const initrd = Uint8Array.from({ length: 5000 }, (_, i) => i & 0xff);
  const boot = loadLinux(memory, map, {
    kernel: fakeBzImage(),
    initrd,
    cmdline: 'console=ttyS0',
    rsdpGpa: 0xe0000,
    vgaText: true,
  });
  assert.equal(boot.entry.mode, 'long');
  assert.equal(boot.entry.rip, 0x1000200n);
  assert.equal(boot.entry.rsi, BigInt(boot.zeroPageGpa));
  assert.equal(memory.readU32(0x1000000), 0xcccccccc);
  assert.equal(boot.initrdGpa, 0x4000000 - 8192);
  assert.deepEqual(memory.readBytes(boot.initrdGpa, 5000), initrd);
  const zero = boot.zeroPageGpa;
  assert.equal(memory.readU16(zero + 0x1fe), 0xaa55);
  assert.equal(memory.readU32(zero + 0x202), 0x53726448);
  assert.equal(memory.readU8(zero + 0x210), 0xff);
  assert.equal(memory.readU32(zero + 0x214), 0x1000000);
  assert.equal(memory.readU32(zero + 0x218), boot.initrdGpa);
  assert.equal(memory.readU32(zero + 0x21c), 5000);
  assert.equal(memory.readU64(zero + 0x70), 0xe0000n);
  assert.equal(memory.readU8(zero + 0x07), 80);
  assert.equal(memory.readU8(zero + 0x1ef), 0, 'sentinel');
  const cmdline = memory.readU32(zero + 0x228);
  assert.equal(String.fromCharCode(...memory.readBytes(cmdline, 14)), 'console=ttyS0\0');
  assert.equal(memory.readU8(zero + 0x1e8), map.e820.length);
  assert.equal(memory.readU64(zero + 0x2d0 + 20 * 3), 0x100000n);
  assert.equal(memory.readU64(zero + 0x2d0 + 20 * 3 + 8), 0x3f00000n);
  // The stack below rsp must not reach the zero page.
  assert.ok(boot.entry.rsp <= BigInt(zero));
});

test('the 64-bit entry: page tables map the first 4 GiB one to one', () => {
  const { memory, map } = testMemory(64);
  const { entry } = loadLinux(memory, map, { kernel: fakeBzImage() });
  const walk = (address: bigint): bigint => {
    let table = entry.cr3;
    for (const shift of [39n, 30n, 21n]) {
      const e = memory.readU64(Number(table + ((address >> shift) & 511n) * 8n));
      assert.equal(e & 3n, 3n, `entry for ${address.toString(16)} at level ${shift}`);
      table = e & ~0xfffn;
      if (shift === 21n) assert.equal(e & 0x80n, 0x80n);
    }
    return table | (address & 0x1fffffn);
  };
  for (const a of [0x0n, 0x7000n, 0x1000200n, 0x3fffffffn, 0x40000000n, 0xfee00000n, 0xffffffffn]) {
    assert.equal(walk(a), a);
  }
  assert.equal(entry.cr0 & 0x80000001n, 0x80000001n);
  assert.equal(entry.cr4 & 0x20n, 0x20n);
  assert.equal(entry.efer, 0x500n);
});

test('the GDT in memory holds what the segment registers cache', () => {
  for (const mode of ['long', 'protected32'] as const) {
    const { memory, map } = testMemory(64);
    const { entry } = loadLinux(memory, map, { kernel: fakeBzImage(), entry: mode });
    assert.equal(entry.mode, mode);
    for (const name of ['cs', 'ds', 'ss'] as const) {
      const s = entry.segments[name];
      const d = memory.readU64(Number(entry.gdt.base) + s.selector);
      assert.equal(Number((d >> 40n) & 0xf0ffn), s.accessRights, `${mode} ${name}`);
    }
    assert.equal(entry.segments.cs.selector, 0x10);
    assert.equal(entry.segments.ds.selector, 0x18);
  }
});

test('the 32-bit entry has paging off and starts at the load address', () => {
  const { memory, map } = testMemory(64);
  const kernel = fakeBzImage((v) => v.setUint16(0x236, 0, true));
  const { entry } = loadLinux(memory, map, { kernel });
  assert.equal(entry.mode, 'protected32');
  assert.equal(entry.rip, 0x1000000n);
  assert.equal(entry.cr0, 0x31n);
  assert.throws(() => loadLinux(memory, map, { kernel, entry: 'long' }), { code: 'KERNEL_ENTRY' });
});

test('a file that is no kernel is refused with what was found', () => {
  assert.throws(() => parseBzImage(new Uint8Array(10), 'x'), { code: 'KERNEL_FORMAT', message: /10 bytes/ });
  assert.throws(() => parseBzImage(new Uint8Array(4096), 'x'), { code: 'KERNEL_FORMAT', message: /0x0000.*0xaa55/ });
  const noMagic = fakeBzImage((v) => v.setUint32(0x202, 0, true));
  assert.throws(() => parseBzImage(noMagic), { code: 'KERNEL_FORMAT', message: /HdrS/ });
  const old = fakeBzImage((v) => v.setUint16(0x206, 0x201, true));
  assert.throws(() => parseBzImage(old), { code: 'KERNEL_FORMAT', message: /0x201.*0x202/ });
  const low = fakeBzImage((v) => v.setUint8(0x211, 0));
  assert.throws(() => parseBzImage(low), { code: 'KERNEL_FORMAT', message: /zImage/ });
});

test('a truncated or inconsistent bzImage is refused with both sizes', () => {
  assert.equal(parseBzImage(fakeBzImage().subarray(0, 2048 - 15)).payloadBytes, 1009);
  assert.throws(() => parseBzImage(fakeBzImage().subarray(0, 2048 - 16)), {
    code: 'KERNEL_CORRUPT',
    message: /says 2048 bytes.*file has 2032/,
  });
  const noSize = fakeBzImage((v) => v.setUint32(0x1f4, 0, true));
  assert.throws(() => parseBzImage(noSize), { code: 'KERNEL_CORRUPT' });
  const wild = fakeBzImage((v) => v.setBigUint64(0x258, 0x123n, true));
  assert.throws(() => parseBzImage(wild), { code: 'KERNEL_CORRUPT', message: /0x123/ });
});

test('too little memory is refused with the need, and just enough is taken', () => {
  const kernel = fakeBzImage();
  const initrd = new Uint8Array(1 << 20);
  const little = testMemory(17);
  assert.throws(() => loadLinux(little.memory, little.map, { kernel, initrd }), {
    code: 'MEMORY_TOO_SMALL',
    message: /memory is 17 MiB.*at least 18 MiB.*0x1000000/,
  });
  const enough = testMemory(18);
  assert.equal(loadLinux(enough.memory, enough.map, { kernel, initrd }).initrdGpa, 17 << 20);
});

test('the initial RAM disk stays below the limit of the kernel', () => {
  const { memory, map } = testMemory(64);
  const kernel = fakeBzImage((v) => v.setUint32(0x22c, 0x1ffffff, true));
  assert.equal(loadLinux(memory, map, { kernel, initrd: new Uint8Array(4096) }).initrdGpa, 0x1fff000);
  assert.throws(() => loadLinux(memory, map, { kernel, initrd: new Uint8Array(16 << 20) }), {
    code: 'INITRD_TOO_LARGE',
  });
});

test('a command line that is too long is refused', () => {
  const { memory, map } = testMemory(64);
  assert.throws(() => loadLinux(memory, map, { kernel: fakeBzImage(), cmdline: 'x'.repeat(2048) }), {
    code: 'KERNEL_CMDLINE',
    message: /2048 characters.*2047/,
  });
});

test('Debian cloud kernel of the cache: header, placement and payload', (t) => {
  const folder = join(process.env.PCANEL_CACHE || join(homedir(), '.cache', 'pcanel'), 'images', 'linux-cloud-amd64');
  const file = existsSync(folder) ? readdirSync(folder).find((name) => name.startsWith('vmlinuz-')) : undefined;
  if (file === undefined) {
    t.skip(`no kernel in '${folder}': fetch it with 'pcanel images fetch linux-cloud-amd64'`);
    return;
  }
  const kernel = readFileSync(join(folder, file));
  const { memory, map } = testMemory(128);
  const boot = loadLinux(memory, map, { kernel, name: file, cmdline: 'console=ttyS0' });
  assert.equal(boot.image.kernelVersion.startsWith(file.slice('vmlinuz-'.length)), true);
  assert.equal(boot.entry.mode, 'long');
  assert.ok(boot.image.initSize > boot.image.payloadBytes);
  const from = boot.image.setupBytes;
  assert.equal(Buffer.compare(memory.readBytes(boot.image.loadGpa, 4096), kernel.subarray(from, from + 4096)), 0);
  const half = kernel.subarray(0, kernel.length >> 1);
  assert.throws(() => loadLinux(memory, map, { kernel: half, name: file }), { code: 'KERNEL_CORRUPT' });
});
