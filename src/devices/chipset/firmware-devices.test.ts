// Tests of what firmware and DOS-age software use: fw_cfg, debug console, DMA controllers, floppy controller, PCI windows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BlockStore } from '../../host/index.js';
import { VIDEO_MEMORY_BYTES, vga } from '../display/vga.js';
import { PciPlace } from '../pci/config-space.js';
import { piix4Pm } from '../pci/piix4-pm.js';
import { bench, deviceContract, FakeClock } from '../testing.js';
import { debugConsole } from './debug-console.js';
import { floppy, floppyFormat } from './floppy.js';
import { FwCfgItems, FwCfgKey, fwCfg } from './fw-cfg.js';
import { i8237 } from './i8237.js';

const ramOf = (sizeBytes: number) => {
  const ram = new Uint8Array(sizeBytes);
  return {
    ram,
    memory: {
      readBytes(gpa: number, n: number) {
        const out = new Uint8Array(n).fill(0xff);
        out.set(ram.subarray(gpa, gpa + n));
        return out;
      },
      writeBytes: (gpa: number, data: Uint8Array) => {
        if (gpa + data.length <= ram.length) ram.set(data, gpa);
      },
    },
  };
};
const noMemory = ramOf(0).memory;

// ---- fw_cfg ----

for (const c of deviceContract(
  fwCfg,
  () => ({ items: new FwCfgItems(), memory: ramOf(0x1000).memory }),
  (b) => b.write('regs', 0, 0x19, 2),
))
  test(c.name, c.run);

test('fw_cfg: the signature and a file through the data port', () => {
  const items = new FwCfgItems();
  items.addFile('etc/one', Uint8Array.of(1, 2, 3));
  items.addFile('opt/two', Uint8Array.of(4));
  const b = bench(fwCfg, { items, memory: noMemory });
  const bytes = (key: number, n: number): number[] => {
    b.write('regs', 0, key, 2);
    return Array.from({ length: n }, () => b.read('regs', 1));
  };
  assert.equal(String.fromCharCode(...bytes(FwCfgKey.SIGNATURE, 4)), 'QEMU');
  const directory = bytes(FwCfgKey.FILE_DIRECTORY, 4 + 2 * 64);
  assert.deepEqual(directory.slice(0, 4), [0, 0, 0, 2]);
  assert.deepEqual(directory.slice(4, 10), [0, 0, 0, 3, 0, 0x20]);
  assert.equal(String.fromCharCode(...directory.slice(76, 83)), 'opt/two');
  assert.deepEqual(bytes(0x20, 5), [1, 2, 3, 0, 0], 'zeroes follow the end');
  assert.deepEqual(bytes(0x4000, 1), [0]);
  assert.throws(() => items.addFile('etc/one', new Uint8Array(1)), /etc\/one/);
});

test('fw_cfg: DMA selects, reads, skips, and refuses writes', () => {
  const items = new FwCfgItems();
  items.addFile('f', Uint8Array.of(1, 2, 3, 4, 5));
  const { ram, memory } = ramOf(0x1000);
  const view = new DataView(ram.buffer);
  const b = bench(fwCfg, { items, memory });
  const run = (control: number, length: number, to: number): number => {
    view.setUint32(0x10, control);
    view.setUint32(0x14, length);
    view.setUint32(0x18, 0);
    view.setUint32(0x1c, to);
    b.write('regs', 4, 0, 4);
    b.write('regs', 8, 0x10000000, 4); // 0x10, big-endian
    return view.getUint32(0x10);
  };
  assert.equal(b.read('regs', 4, 4), 0x554d4551);
  assert.equal(run(0x0020_000a, 2, 0x100), 0);
  assert.deepEqual([...ram.subarray(0x100, 0x103)], [1, 2, 0]);
  assert.equal(run(0x04, 1, 0), 0);
  ram.fill(0xff, 0x100, 0x110);
  assert.equal(run(0x02, 4, 0x100), 0);
  assert.deepEqual([...ram.subarray(0x100, 0x105)], [4, 5, 0, 0, 0xff]);
  assert.equal(run(0x10, 1, 0x100), 1);
});

// ---- debug console, power management function ----

for (const c of deviceContract(
  debugConsole,
  () => ({ tx: () => {} }),
  (b) => b.write('regs', 0, 65),
))
  test(c.name, c.run);
for (const c of deviceContract(
  piix4Pm,
  () => ({}),
  (b) => b.device.inputs.configWrite(0x40, 4, 0x601),
))
  test(c.name, c.run);

test('the debug console tells that it is there and passes bytes on', () => {
  const seen: number[] = [];
  const b = bench(debugConsole, { tx: (byte: number) => void seen.push(byte) });
  assert.equal(b.read('regs', 0), 0xe9);
  b.write('regs', 0, 0x41);
  assert.deepEqual(seen, [0x41]);
});

test('the power management function keeps its base and says that SMM is set up', () => {
  const b = bench(piix4Pm, {});
  b.device.inputs.configWrite(0x40, 4, 0xffff_0601);
  assert.equal(b.device.inputs.configRead(0x40, 4), 0x601);
  assert.equal(b.device.inputs.configRead(0x58, 4), 0x0200_0000);
});

test('a PCI window appears, moves and goes with its register and the command bit', () => {
  const clock = new FakeClock(0);
  const b = bench(vga, { video: new Uint8Array(VIDEO_MEMORY_BYTES), clock }, clock);
  const seen: (number | null)[] = [];
  const place = new PciPlace(
    b.device.inputs,
    () => b.device.state.config,
    (bar, base) => bar === 0 && seen.push(base),
  );
  place.writeConfig(0x10, 4, 0xffff_ffff);
  assert.equal(place.readConfig(0x10, 4), 0xff00_0000);
  place.writeConfig(0x10, 4, 0xfd00_0000);
  assert.deepEqual(seen, []);
  place.writeConfig(4, 2, 2);
  place.writeConfig(0x10, 4, 0xe000_0000);
  place.writeConfig(4, 2, 0);
  assert.deepEqual(seen, [0xfd00_0000, 0xe000_0000, null]);
  place.writeConfig(4, 2, 2);
  b.device.reset();
  place.sync();
  assert.equal(seen.at(-1), null);
});

// ---- DMA ----

for (const c of deviceContract(
  i8237,
  () => ({ memory: noMemory }),
  (b) => b.write('low', 4, 0x12),
))
  test(c.name, c.run);

const dmaBench = () => {
  const { ram, memory } = ramOf(0x100000);
  const b = bench(i8237, { memory });
  const program = (address: number, count: number, mode: number): void => {
    b.write('low', 12, 0);
    b.write('low', 4, address & 0xff);
    b.write('low', 4, (address >> 8) & 0xff);
    b.write('low', 5, (count - 1) & 0xff);
    b.write('low', 5, (count - 1) >> 8);
    b.write('pages', 0, address >> 16); // port 0x81: channel 2
    b.write('low', 11, mode | 2);
    b.write('low', 10, 2);
  };
  return { ram, b, program };
};

test('DMA moves bytes to the page and address of the channel, up to its count', () => {
  const { ram, b, program } = dmaBench();
  program(0x54321, 5, 0x44);
  assert.equal(b.device.inputs.toMemory(2, Uint8Array.of(1, 2, 3)), 3);
  assert.equal(b.device.inputs.toMemory(2, Uint8Array.of(4, 5, 6)), 2);
  assert.deepEqual([...ram.subarray(0x54321, 0x54327)], [1, 2, 3, 4, 5, 0]);
  assert.equal(b.read('low', 8), 4, 'terminal count of channel 2');
  assert.equal(b.read('low', 8), 0);
  assert.equal(b.device.inputs.toMemory(2, Uint8Array.of(7)), 0, 'masked after the terminal count');
});

test('DMA wraps inside its page, counts down, and starts again by itself', () => {
  const { ram, b, program } = dmaBench();
  program(0x2ffff, 2, 0x54);
  assert.equal(b.device.inputs.toMemory(2, Uint8Array.of(1, 2)), 2);
  assert.deepEqual([ram[0x2ffff], ram[0x20000]], [1, 2]);
  assert.equal(b.device.inputs.toMemory(2, Uint8Array.of(3)), 1);
  assert.equal(ram[0x2ffff], 3);
  program(0x30010, 3, 0x64);
  b.device.inputs.toMemory(2, Uint8Array.of(9, 8, 7));
  assert.deepEqual([...ram.subarray(0x3000e, 0x30011)], [7, 8, 9]);
  program(0x40000, 4, 0x48);
  ram.set([1, 2, 3, 4, 5], 0x40000);
  assert.deepEqual([...b.device.inputs.fromMemory(2, 9)], [1, 2, 3, 4]);
});

// ---- floppy ----

function floppyImage(sizeBytes: number, readOnly = false): BlockStore & { readonly bytes: Uint8Array } {
  const bytes = new Uint8Array(sizeBytes);
  for (let i = 0; i < sizeBytes; i++) bytes[i] = Math.floor(i / 512) & 0xff;
  return {
    bytes,
    sectorBytes: 512,
    sectors: sizeBytes / 512,
    readOnly,
    read: (sector, into) => into.set(bytes.subarray(sector * 512, sector * 512 + into.length)),
    write: (sector, from) => bytes.set(from, sector * 512),
    flush: () => {},
  };
}
const nobody = { toMemory: () => 0, fromMemory: () => new Uint8Array(0) };
for (const c of deviceContract(
  floppy,
  () => ({ drives: [floppyImage(1474560)], dma: nobody }),
  (b) => b.write('registers', 5, 3),
))
  test(c.name, c.run);

const floppyBench = (image: BlockStore, room = 0x10000) => {
  const taken: number[] = [];
  const give: number[] = [];
  const b = bench(floppy, {
    drives: [image],
    dma: {
      toMemory: (_channel: number, bytes: Uint8Array) => {
        const n = Math.min(bytes.length, room - taken.length);
        taken.push(...bytes.subarray(0, n));
        return n;
      },
      fromMemory: (_channel: number, n: number) => Uint8Array.from(give.splice(0, n)),
    },
  });
  const send = (...bytes: number[]): void => {
    for (const byte of bytes) {
      assert.equal(b.read('registers', 4) & 0xc0, 0x80, 'ready for a byte');
      b.write('registers', 5, byte);
    }
  };
  const result = (n: number): number[] => {
    const bytes = Array.from({ length: n }, () => {
      assert.equal(b.read('registers', 4) & 0xc0, 0xc0, 'a byte for the host');
      return b.read('registers', 5);
    });
    assert.equal(b.read('registers', 4), 0x80, 'the command is over');
    return bytes;
  };
  const reset = (): void => {
    b.write('registers', 2, 0);
    b.write('registers', 2, 0x1c);
    for (let i = 0; i < 4; i++) {
      send(8);
      result(2);
    }
  };
  return { b, taken, give, send, result, reset };
};

test('formats by size; larger files are no floppy disks', () => {
  assert.deepEqual(floppyFormat(1474560), { tracks: 80, heads: 2, sectors: 18 });
  assert.deepEqual(floppyFormat(1296384), { tracks: 80, heads: 2, sectors: 18 });
  assert.deepEqual(floppyFormat(737280), { tracks: 80, heads: 2, sectors: 9 });
  assert.equal(floppyFormat(3000000), null);
});

test('a reset interrupts; four SENSE INTERRUPT STATUS tell the drives, a fifth is invalid', () => {
  const f = floppyBench(floppyImage(1474560));
  f.b.write('registers', 2, 0);
  assert.equal(f.b.read('registers', 4), 0);
  f.b.write('registers', 2, 0x1c);
  assert.equal(f.b.device.line('irq'), true);
  for (let drive = 0; drive < 4; drive++) {
    f.send(8);
    assert.deepEqual(f.result(2), [0xc0 | drive, 0]);
  }
  assert.equal(f.b.device.line('irq'), false);
  f.send(8);
  assert.deepEqual(f.result(1), [0x80]);
});

test('SEEK and READ DATA by DMA, across both heads', () => {
  const f = floppyBench(floppyImage(1474560), 1024);
  f.reset();
  f.send(0x0f, 0, 3);
  assert.equal(f.b.device.line('irq'), true);
  f.send(8);
  assert.deepEqual(f.result(2), [0x20, 3]);
  f.send(0xe6, 0, 3, 0, 18, 2, 18, 0x1b, 0xff);
  assert.equal(f.b.device.line('irq'), true);
  const r = f.result(7);
  assert.equal(r[0]! & 0xc0, 0);
  assert.equal(f.taken[0], (3 * 36 + 17) & 0xff);
  assert.equal(f.taken[512], (3 * 36 + 18) & 0xff, 'the first sector of the other head');
  assert.equal(f.taken.length, 1024);
});

test('a read elsewhere than the head stands, or of a sector that is not there, fails', () => {
  const f = floppyBench(floppyImage(1474560));
  f.reset();
  f.send(0xe6, 0, 5, 0, 1, 2, 18, 0x1b, 0xff);
  assert.deepEqual(f.result(7).slice(0, 2), [0x40, 4]);
  f.send(0x46, 0, 0, 0, 19, 2, 19, 0x1b, 0xff);
  assert.deepEqual(f.result(7).slice(0, 2), [0x40, 4]);
});

test('WRITE DATA stores, and is refused for a protected disk', () => {
  const image = floppyImage(1474560);
  const f = floppyBench(image);
  f.reset();
  f.give.push(...new Array<number>(512).fill(0xab));
  f.send(0xc5, 0, 0, 0, 4, 2, 18, 0x1b, 0xff);
  assert.equal(f.result(7)[0], 0);
  assert.equal(image.bytes[3 * 512 + 511], 0xab);
  assert.equal(image.bytes[4 * 512], 4);
  const locked = floppyBench(floppyImage(1474560, true));
  locked.reset();
  locked.send(0xc5, 0, 0, 0, 4, 2, 18, 0x1b, 0xff);
  assert.deepEqual(locked.result(7).slice(0, 2), [0x40, 2]);
});

test('without DMA the data goes over the data port', () => {
  const f = floppyBench(floppyImage(1474560));
  f.reset();
  f.send(3, 0xdf, 0x03);
  f.send(0x46, 0, 0, 0, 18, 2, 18, 0x1b, 0xff);
  assert.equal(f.b.read('registers', 4), 0xf0);
  const data = Array.from({ length: 512 }, () => f.b.read('registers', 5));
  assert.ok(data.every((byte) => byte === 17));
  assert.deepEqual(f.result(7).slice(0, 2), [0x40, 0x80]);
});

test('the change line falls with the first step', () => {
  const f = floppyBench(floppyImage(1474560));
  f.reset();
  assert.equal(f.b.read('control', 0), 0x80);
  f.send(7, 0);
  assert.equal(f.b.read('control', 0), 0);
  f.b.device.inputs.mediumChanged(0);
  assert.equal(f.b.read('control', 0), 0x80);
});
