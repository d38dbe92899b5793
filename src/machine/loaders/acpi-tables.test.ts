// Tests of the ACPI and MP tables: checksums, links, values of the board map, AML encodings.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pcBoard } from '../board-map.js';
import { buildAcpiTables, loadAcpiTables } from './acpi-tables.js';
import * as aml from './aml.js';
import { sum8 } from './bytes.js';
import { buildMpTable, loadMpTable } from './mptable.js';
import { testMemory } from './testing.js';

const at = (tables: ReturnType<typeof buildAcpiTables>, gpa: number): Uint8Array => {
  const from = gpa - tables.rsdpGpa;
  const length = new DataView(tables.bytes.buffer).getUint32(from + 4, true);
  return tables.bytes.slice(from, from + length);
};
const u32 = (data: Uint8Array, offset: number): number => new DataView(data.buffer).getUint32(offset, true);
const ascii = (data: Uint8Array, from: number, to: number): string => String.fromCharCode(...data.subarray(from, to));

test('every table and both parts of the RSDP add up to zero', () => {
  const tables = buildAcpiTables(pcBoard, 4);
  assert.equal(sum8(tables.bytes.subarray(0, 20)), 0);
  assert.equal(sum8(tables.bytes.subarray(0, 36)), 0);
  for (const signature of ['RSDT', 'XSDT', 'FACP', 'DSDT', 'APIC'] as const) {
    const table = at(tables, tables.gpas[signature]);
    assert.equal(ascii(table, 0, 4), signature);
    assert.equal(sum8(table), 0, signature);
  }
});

test('RSDP, RSDT, XSDT and FADT point at each other', () => {
  const tables = buildAcpiTables(pcBoard, 1);
  const { gpas } = tables;
  assert.equal(ascii(tables.bytes, 0, 8), 'RSD PTR ');
  assert.equal(u32(tables.bytes, 16), gpas.RSDT);
  assert.equal(u32(tables.bytes, 24), gpas.XSDT);
  assert.deepEqual([u32(at(tables, gpas.RSDT), 36), u32(at(tables, gpas.RSDT), 40)], [gpas.FACP, gpas.APIC]);
  assert.deepEqual([u32(at(tables, gpas.XSDT), 36), u32(at(tables, gpas.XSDT), 44)], [gpas.FACP, gpas.APIC]);
  assert.equal(u32(at(tables, gpas.FACP), 36), gpas.FACS);
  assert.equal(u32(at(tables, gpas.FACP), 40), gpas.DSDT);
  assert.equal(gpas.FACS % 64, 0);
});

test('the FADT carries the ports of the board', () => {
  const tables = buildAcpiTables(pcBoard, 1);
  const fadt = at(tables, tables.gpas.FACP);
  assert.equal(fadt.length, 244);
  assert.equal(fadt[46], 9);
  assert.equal(u32(fadt, 48), 0xb2);
  assert.deepEqual([u32(fadt, 56), u32(fadt, 64), u32(fadt, 76), u32(fadt, 80)], [0x600, 0x604, 0x608, 0x620]);
  assert.deepEqual([u32(fadt, 120), fadt[128]], [0xcf9, 6]);
  assert.deepEqual([u32(fadt, 152), u32(fadt, 176), u32(fadt, 212), u32(fadt, 224)], [0x600, 0x604, 0x608, 0x620]);
});

test('the MADT lists the processors, the I/O APIC and the overrides', () => {
  const tables = buildAcpiTables(pcBoard, 2);
  const madt = at(tables, tables.gpas.APIC);
  const entries: number[][] = [];
  for (let i = 44; i < madt.length; i += madt[i + 1]!) entries.push([...madt.subarray(i, i + madt[i + 1]!)]);
  assert.deepEqual(entries[0], [0, 8, 0, 0, 1, 0, 0, 0]);
  assert.deepEqual(entries[1], [0, 8, 1, 1, 1, 0, 0, 0]);
  assert.deepEqual(entries[2], [1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]);
  assert.deepEqual(entries[3], [2, 10, 0, 0, 2, 0, 0, 0, 0, 0]);
  assert.deepEqual(entries[4], [2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0]);
  assert.equal(entries.length, 8);
});

test('tables are loaded where the RSDP says, within their area', () => {
  const { memory } = testMemory(8);
  const tables = loadAcpiTables(memory, pcBoard, 255);
  assert.deepEqual(memory.readBytes(0xe0000, 8), tables.bytes.slice(0, 8));
  assert.throws(() => buildAcpiTables(pcBoard, 0), { code: 'ACPI_CPUS' });
});

test('AML package lengths have one to four bytes and count themselves', () => {
  assert.deepEqual([...aml.pkgLength(0)], [0x01]);
  assert.deepEqual([...aml.pkgLength(0x3e)], [0x3f]);
  assert.deepEqual([...aml.pkgLength(0x3f)], [0x41, 0x04]);
  assert.deepEqual([...aml.pkgLength(0xffd)], [0x4f, 0xff]);
  assert.deepEqual([...aml.pkgLength(0xffe)], [0x81, 0x00, 0x01]);
});

test('AML names, integers and ids have the encodings of the specification', () => {
  const bytes = (a: Uint8Array): string => String.fromCharCode(...a);
  assert.equal(bytes(aml.namePath('_S5')), '_S5_');
  assert.equal(bytes(aml.namePath('\\')), '\\\0');
  assert.equal(bytes(aml.namePath('\\_SB.PCI0')), '\\\x2e_SB_PCI0');
  assert.equal(bytes(aml.namePath('A.B.C')), '\x2f\x03A___B___C___');
  assert.throws(() => aml.namePath('toolong'), { code: 'ACPI_AML' });
  assert.deepEqual([...aml.integer(0)], [0]);
  assert.deepEqual([...aml.integer(1)], [1]);
  assert.deepEqual([...aml.integer(2)], [0x0a, 2]);
  assert.deepEqual([...aml.integer(0x1234)], [0x0b, 0x34, 0x12]);
  assert.deepEqual([...aml.integer(0x12345678)], [0x0c, 0x78, 0x56, 0x34, 0x12]);
  assert.deepEqual([...aml.integer(2 ** 32)], [0x0e, 0, 0, 0, 0, 1, 0, 0, 0]);
  assert.deepEqual([...aml.eisaId('PNP0A03')], [0x0c, 0x41, 0xd0, 0x0a, 0x03]);
});

test("ACPICA's disassembler and compiler accept the DSDT", (t) => {
  if (spawnSync('iasl', ['-v']).error) {
    t.skip("no 'iasl' found (Debian package acpica-tools)");
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'pcanel-acpi-'));
  try {
    const tables = buildAcpiTables(pcBoard, 2);
    writeFileSync(join(folder, 'dsdt.aml'), at(tables, tables.gpas.DSDT));
    const disassembly = spawnSync('iasl', ['-d', 'dsdt.aml'], { cwd: folder, encoding: 'utf8' });
    assert.equal(disassembly.status, 0, disassembly.stderr);
    assert.match(readFileSync(join(folder, 'dsdt.dsl'), 'utf8'), /Device \(PCI0\)/);
    const compiled = spawnSync('iasl', ['dsdt.dsl'], { cwd: folder, encoding: 'utf8' });
    assert.match(compiled.stdout, /0 Errors, 0 Warnings/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the MP table adds up, is found by its pointer and counts its entries', () => {
  const gpa = pcBoard.firmware.mpTableGpa;
  const table = buildMpTable(pcBoard, gpa, { cpus: 2 });
  assert.equal(ascii(table, 0, 4), '_MP_');
  assert.equal(sum8(table.subarray(0, 16)), 0);
  assert.equal(u32(table, 4), gpa + 16);
  const config = table.slice(16);
  assert.equal(ascii(config, 0, 4), 'PCMP');
  assert.equal(sum8(config), 0);
  const v = new DataView(config.buffer);
  assert.equal(v.getUint16(4, true), config.length);
  let count = 0;
  let ioApicId = -1;
  for (let i = 44; i < config.length; i += config[i] === 0 ? 20 : 8) {
    if (config[i] === 2) ioApicId = config[i + 1]!;
    count++;
  }
  assert.equal(v.getUint16(34, true), count);
  assert.equal(ioApicId, 2, 'distinct from the ids 0 and 1 of the local APICs');
  const { memory } = testMemory(8);
  loadMpTable(memory, pcBoard, { cpus: 2 });
  assert.deepEqual(memory.readBytes(gpa, table.length), table);
});
