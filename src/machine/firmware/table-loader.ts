// ACPI tables for firmware to install: two files and the commands that place them, patch their pointers and their sums.
// Sources: SeaBIOS "romfile_loader" file format, QEMU documentation "ACPI tables ... linker/loader"; ACPI 6.4 "RSDP".

import type { BoardMap } from '../board-map.js';
import { buildAcpiTables } from '../loaders/acpi-tables.js';
import { ByteWriter } from '../loaders/bytes.js';

const TABLES_FILE = 'etc/acpi/tables';
const RSDP_FILE = 'etc/acpi/rsdp';
export const LOADER_FILE = 'etc/table-loader';
const COMMAND_BYTES = 128;
const NAME_BYTES = 56;
const ALLOCATE = 1;
const ADD_POINTER = 2;
const ADD_CHECKSUM = 3;
const ZONE_HIGH = 1;
const ZONE_FSEG = 2;
const RSDP_BYTES = 36;
const HEADER_BYTES = 36;
const CHECKSUM_AT = 9;

/** The files by name. */
export function tableLoaderFiles(board: BoardMap, cpus: number): ReadonlyMap<string, Uint8Array> {
  const { bytes, rsdpGpa, gpas } = buildAcpiTables(board, cpus);
  const rsdp = bytes.slice(0, RSDP_BYTES);
  // The tables start behind the RSDP at an aligned place, which becomes offset 0.
  const start = 64;
  const base = rsdpGpa + start;
  const tables = bytes.slice(start);
  const view = new DataView(tables.buffer);
  const rsdpView = new DataView(rsdp.buffer);
  const commands: Uint8Array[] = [];
  const command = (write: (out: ByteWriter) => void): void => {
    const out = new ByteWriter();
    write(out);
    commands.push(out.zeros(COMMAND_BYTES - out.length).done());
  };
  const allocate = (file: string, align: number, zone: number): void =>
    command((out) => out.u32(ALLOCATE).text(file, NAME_BYTES, 0).u32(align).u8(zone));
  const checksum = (file: string, at: number, from: number, length: number): void =>
    command((out) => out.u32(ADD_CHECKSUM).text(file, NAME_BYTES, 0).u32(at).u32(from).u32(length));
  /** Turns the pointer at `at` of `file` into an offset in the tables, which the firmware makes an address again. */
  const pointer = (file: string, at: number, sizeBytes: 4 | 8): void => {
    const v = file === RSDP_FILE ? rsdpView : view;
    const target = v.getUint32(at, true);
    if (target === 0) return;
    v.setUint32(at, target - base, true);
    command((out) =>
      out.u32(ADD_POINTER).text(file, NAME_BYTES, 0).text(TABLES_FILE, NAME_BYTES, 0).u32(at).u8(sizeBytes),
    );
  };
  const sizeOf = (at: number): number => view.getUint32(at + 4, true);
  const summed = (at: number): void => {
    view.setUint8(at + CHECKSUM_AT, 0);
    checksum(TABLES_FILE, at + CHECKSUM_AT, at, sizeOf(at));
  };

  allocate(RSDP_FILE, 16, ZONE_FSEG);
  allocate(TABLES_FILE, 64, ZONE_HIGH);
  const fadt = gpas.FACP - base;
  pointer(TABLES_FILE, fadt + 36, 4); // FIRMWARE_CTRL
  pointer(TABLES_FILE, fadt + 40, 4); // DSDT
  pointer(TABLES_FILE, fadt + 132, 8); // X_FIRMWARE_CTRL
  pointer(TABLES_FILE, fadt + 140, 8); // X_DSDT
  summed(fadt);
  for (const [at, entryBytes] of [
    [gpas.RSDT - base, 4],
    [gpas.XSDT - base, 8],
  ] as const) {
    const end = at + sizeOf(at);
    for (let entry = at + HEADER_BYTES; entry < end; entry += entryBytes) pointer(TABLES_FILE, entry, entryBytes);
    summed(at);
  }
  pointer(RSDP_FILE, 16, 4);
  pointer(RSDP_FILE, 24, 8);
  rsdp[8] = 0;
  rsdp[32] = 0;
  checksum(RSDP_FILE, 8, 0, 20);
  checksum(RSDP_FILE, 32, 0, RSDP_BYTES);

  const loader = new ByteWriter();
  for (const c of commands) loader.bytes(c);
  return new Map([
    [RSDP_FILE, rsdp],
    [TABLES_FILE, tables],
    [LOADER_FILE, loader.done()],
  ]);
}
