// The GDT and the identity-mapping page tables that a 64-bit entry needs, in low memory.
// Source: SDM 3A "Segment Descriptors", "4-Level Paging and 5-Level Paging"; Linux boot.rst "64-bit Boot Protocol".

import type { GuestMemory } from '../../memory/index.js';
import type { TableState } from '../../vmx/index.js';
import { ByteWriter } from './bytes.js';

/** Where loaders put their own structures: pages below 64 KiB that no kernel image uses. */
export const LoaderArea = {
  gdt: 0x500,
  zeroPage: 0x7000,
  pageTables: 0x9000,
  stackTop: 0x7000,
  cmdline: 0x20000,
  multibootInfo: 0x7000,
} as const;

/** Descriptors with base 0 and limit 4 GiB: 0x10 code, 0x18 data (Linux __BOOT_CS, __BOOT_DS). */
const FLAT_CODE64 = 0x00af9b000000ffffn;
const FLAT_CODE32 = 0x00cf9b000000ffffn;
const FLAT_DATA = 0x00cf93000000ffffn;
export const BOOT_CS = 0x10;
export const BOOT_DS = 0x18;

/** Writes the boot GDT at `gpa`; returns what goes into GDTR. */
export function writeBootGdt(memory: GuestMemory, code: 'code64' | 'code32', gpa: number = LoaderArea.gdt): TableState {
  const out = new ByteWriter().u64(0).u64(0);
  out.u64(code === 'code64' ? FLAT_CODE64 : FLAT_CODE32).u64(FLAT_DATA);
  memory.loadBytes(gpa, out.done());
  return { base: BigInt(gpa), limit: out.length - 1 };
}

const PRESENT_WRITE = 3;
const LARGE_PAGE = 0x80;
const TWO_MIB = 0x200000;
const TABLE_BYTES = 0x1000;
const MAPPED_GIB = 4;

/** Maps the first 4 GiB one to one with 2 MiB pages (six table pages); returns CR3. */
export function writeIdentityPageTables(memory: GuestMemory, gpa: number = LoaderArea.pageTables): number {
  const pdpt = gpa + TABLE_BYTES;
  const firstDirectory = pdpt + TABLE_BYTES;
  const out = new ByteWriter().u64(pdpt + PRESENT_WRITE).align(TABLE_BYTES);
  for (let i = 0; i < MAPPED_GIB; i++) out.u64(firstDirectory + i * TABLE_BYTES + PRESENT_WRITE);
  out.align(TABLE_BYTES);
  for (let i = 0; i < MAPPED_GIB * 512; i++) out.u64(i * TWO_MIB + LARGE_PAGE + PRESENT_WRITE);
  memory.loadBytes(gpa, out.done());
  return gpa;
}
