// Tests of the memory layout that firmware controls, and of the ACPI tables that it installs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../../base/index.js';
import type { ShadowArea } from '../../devices/index.js';
import { PciFunctions, pciHostBridge } from '../../devices/index.js';
import { bench } from '../../devices/testing.js';
import { GuestMemory } from '../../memory/index.js';
import { machineBoard } from '../board.js';
import { memoryMap } from '../loaders/e820.js';
import { BoardMemory } from './board-memory.js';
import { checkFirmware } from './firmware-board.js';
import { boardSlots, type LayoutInput } from './memory-layout.js';
import { LOADER_FILE, tableLoaderFiles } from './table-loader.js';

const MIB = 0x100000;
const RAM = 0x10000;
const ROM = 0x2000000;

/** The shadow areas as the bridge tells them for these PAM registers. */
function shadow(pam: readonly number[]): readonly ShadowArea[] {
  const b = bench(pciHostBridge, { functions: new PciFunctions() });
  pam.forEach((value, i) => {
    const at = 0x59 + i;
    b.write('regs', 0, 0x80000000 + (at & 0xfc), 4);
    b.write('regs', 4 + (at & 3), value);
  });
  return b.device.queries.shadow();
}
const layout = (part: Partial<LayoutInput>): string[] =>
  boardSlots({
    ramOffset: RAM,
    lowEnd: 16 * MIB,
    aboveBytes: 0,
    rom: { bufferOffset: ROM, sizeBytes: 0x40000 },
    shadow: shadow([]),
    vga: true,
    a20: true,
    windows: [],
    ...part,
  }).map((s) => {
    const inRam = s.bufferOffset < ROM;
    const offset = s.bufferOffset - (inRam ? RAM : ROM);
    return `${s.gpa.toString(16)}+${s.sizeBytes.toString(16)}=${inRam ? 'ram' : 'rom'}:${offset.toString(16)}${s.readOnly ? ' ro' : ''}`;
  });

test('after reset the ROM is at both places and nothing else is below 1 MiB but RAM', () => {
  assert.deepEqual(layout({}), [
    '0+a0000=ram:0',
    'e0000+20000=rom:20000 ro',
    '100000+f00000=ram:100000',
    'fffc0000+40000=rom:0 ro',
  ]);
});

test('shadow RAM: writable everywhere, then read-only in parts', () => {
  assert.deepEqual(layout({ shadow: shadow([0x30, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33]) }).slice(0, 2), [
    '0+a0000=ram:0',
    'c0000+f40000=ram:c0000',
  ]);
  assert.deepEqual(layout({ shadow: shadow([0x10, 0x13, 0x31, 0, 0, 0, 0]) }).slice(1, 7), [
    'c0000+4000=ram:c0000',
    'c4000+8000=ram:c4000 ro',
    'cc000+4000=ram:cc000',
    'e0000+10000=rom:20000 ro',
    'f0000+10000=ram:f0000 ro',
    '100000+f00000=ram:100000',
  ]);
});

test('with A20 closed the second megabyte is the first', () => {
  assert.deepEqual(layout({ a20: false }).slice(0, 6), [
    '0+a0000=ram:0',
    'e0000+20000=rom:20000 ro',
    '100000+a0000=ram:0',
    '1e0000+20000=rom:20000 ro',
    '200000+e00000=ram:200000',
    'fffc0000+40000=rom:0 ro',
  ]);
});

test('a frame buffer, RAM above 4 GiB, a display without firmware', () => {
  const window = { gpa: 0xfd000000, bufferOffset: ROM + 0x40000, sizeBytes: 0x1000000 };
  assert.deepEqual(layout({ windows: [window], aboveBytes: MIB }).slice(-3), [
    'fd000000+1000000=rom:40000',
    'fffc0000+40000=rom:0 ro',
    '100000000+100000=ram:1000000',
  ]);
  assert.deepEqual(layout({ rom: null }), ['0+a0000=ram:0', 'c0000+f40000=ram:c0000']);
});

test('the board follows its registers, and writes behind a ROM reach RAM where the registers say so', () => {
  const map = memoryMap(machineBoard, 4 * MIB);
  const rom = new Uint8Array(0x40000).map((_, i) => i >> 12);
  const memory = new GuestMemory(new ArrayBuffer(6 * MIB), [
    { gpa: 0, sizeBytes: 4 * MIB, bufferOffset: 0, readOnly: false },
  ]);
  const board = new BoardMemory({ memory, map, ramOffset: 0, extraOffset: 4 * MIB, rom, videoBytes: MIB });
  let areas = shadow([]);
  board.start(() => areas);
  board.clear();
  assert.equal(memory.readU8(0xfffff000), 0x3f);
  assert.equal(memory.readU8(0xff000), 0x3f);
  memory.writeU8(0xff000, 1);
  assert.equal(memory.readU8(0xff000), 0x3f);
  areas = shadow([0x20]);
  board.update();
  const { gpa, target } = board.shadowTarget();
  target.write(0xff000 - gpa, 2, 0xabcd);
  target.write(0xe0000 - gpa, 1, 0x11);
  areas = shadow([0x30, 0, 0, 0, 0, 0x33]);
  board.update();
  assert.equal(memory.readU16(0xff000), 0xabcd);
  assert.equal(memory.readU8(0xe0000), 0);
  board.setA20(false);
  memory.writeU8(0x100010, 7);
  assert.equal(memory.readU8(0x10), 7);
  board.setVideoGpa(0xe0000000);
  memory.writeU8(0xe0000005, 9);
  assert.equal(board.video[5], 9);
  board.clear();
  assert.equal(memory.readU8(0x10), 0);
  assert.equal(board.video[5], 0);
});

test('files that cannot be firmware are refused with the size', () => {
  for (const length of [0, 0x8000, 0x10001, 0x1001000])
    assert.throws(() => checkFirmware({ name: 'x.bin', data: new Uint8Array(length) }), ConfigError);
  checkFirmware({ name: 'x.bin', data: new Uint8Array(0x20000) });
});

/** Does what firmware does with the files: allocate, patch, sum up. */
function install(
  files: ReadonlyMap<string, Uint8Array>,
  base: Readonly<Record<string, number>>,
): Map<string, Uint8Array> {
  const out = new Map<string, Uint8Array>();
  const loader = files.get(LOADER_FILE)!;
  const view = new DataView(loader.buffer, loader.byteOffset, loader.length);
  const name = (at: number): string => String.fromCharCode(...loader.subarray(at, loader.indexOf(0, at)));
  for (let at = 0; at < loader.length; at += 128) {
    const kind = view.getUint32(at, true);
    const file = name(at + 4);
    if (kind === 1) {
      out.set(file, files.get(file)!.slice());
      continue;
    }
    const bytes = out.get(file)!;
    const v = new DataView(bytes.buffer);
    if (kind === 2) {
      const offset = view.getUint32(at + 116, true);
      const target = base[name(at + 60)]!;
      if (view.getUint8(at + 120) === 4) v.setUint32(offset, v.getUint32(offset, true) + target, true);
      else v.setBigUint64(offset, v.getBigUint64(offset, true) + BigInt(target), true);
    } else {
      assert.equal(kind, 3);
      const [sumAt, from, length] = [60, 64, 68].map((d) => view.getUint32(at + d, true)) as [number, number, number];
      bytes[sumAt] = -bytes.subarray(from, from + length).reduce((a, b) => a + b, 0) & 0xff;
    }
  }
  return out;
}

test('the table loader links the ACPI tables wherever they are put', () => {
  const base = { 'etc/acpi/tables': 0x3ff0000, 'etc/acpi/rsdp': 0xf5000 };
  const files = install(tableLoaderFiles(machineBoard, 2), base);
  const tables = files.get('etc/acpi/tables')!;
  const rsdp = files.get('etc/acpi/rsdp')!;
  const v = new DataView(tables.buffer);
  const r = new DataView(rsdp.buffer);
  const sum = (b: Uint8Array): number => b.reduce((a, c) => a + c, 0) & 0xff;
  const table = (gpa: number): { at: number; signature: string; bytes: Uint8Array } => {
    const at = gpa - base['etc/acpi/tables'];
    return {
      at,
      signature: String.fromCharCode(...tables.subarray(at, at + 4)),
      bytes: tables.subarray(at, at + v.getUint32(at + 4, true)),
    };
  };
  assert.equal(sum(rsdp.subarray(0, 20)), 0);
  assert.equal(sum(rsdp), 0);
  const xsdt = table(Number(r.getBigUint64(24, true)));
  const rsdt = table(r.getUint32(16, true));
  assert.deepEqual([xsdt.signature, rsdt.signature], ['XSDT', 'RSDT']);
  const fadt = table(v.getUint32(rsdt.at + 36, true));
  const madt = table(Number(v.getBigUint64(xsdt.at + 44, true)));
  assert.deepEqual([fadt.signature, madt.signature], ['FACP', 'APIC']);
  const dsdt = table(v.getUint32(fadt.at + 40, true));
  assert.equal(dsdt.signature, 'DSDT');
  assert.equal(Number(v.getBigUint64(fadt.at + 140, true)), v.getUint32(fadt.at + 40, true));
  assert.equal(table(v.getUint32(fadt.at + 36, true)).signature, 'FACS');
  for (const t of [xsdt, rsdt, fadt, madt, dsdt]) assert.equal(sum(t.bytes), 0, t.signature);
});
