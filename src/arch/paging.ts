// Page-table entry bits and page-fault error codes. Intel SDM Vol. 3A, "Paging", "Page-Fault Exceptions".
import { bits } from '../base/index.js';

/** Low bits of a paging-structure entry. */
export const PTE = {
  P: 1 << 0,
  RW: 1 << 1,
  US: 1 << 2,
  PWT: 1 << 3,
  PCD: 1 << 4,
  A: 1 << 5,
  D: 1 << 6,
  /** Page size: the entry maps a page (above the last level). */
  PS: 1 << 7,
  /** PAT of a 4 KiB page shares bit 7. */
  PAT: 1 << 7,
  G: 1 << 8,
  /** PAT of a large page. */
  PAT_LARGE: 1 << 12,
} as const;
/** Execute-disable, bit 63. */
export const PTE_NX = 1n << 63n;
/** Bits 51:12 of an 8-byte entry. */
export const PTE_ADDRESS_MASK = 0x000f_ffff_ffff_f000n;

/** Page-fault error code. */
export const PF_ERROR = {
  P: 1 << 0,
  WR: 1 << 1,
  US: 1 << 2,
  RSVD: 1 << 3,
  ID: 1 << 4,
  PK: 1 << 5,
  SS: 1 << 6,
} as const;
export const PF_ERROR_LAYOUT = bits({ P: 0, WR: 1, US: 2, RSVD: 3, ID: 4, PK: 5, SS: 6 });

export const PAGE_SIZE = 0x1000;
export const PAGE_SHIFT = 12;
export const PAGE_SIZE_2M = 0x20_0000;
export const PAGE_SIZE_4M = 0x40_0000;
export const PAGE_SIZE_1G = 0x4000_0000;

export type PagingMode = 'none' | '32-bit' | 'PAE' | '4-level';
/** Paging mode from CR0.PG, CR4.PAE, EFER.LMA (EFER.LME before PG is set). */
export function pagingMode(pg: boolean, pae: boolean, longMode: boolean): PagingMode {
  if (!pg) return 'none';
  if (longMode) return '4-level';
  return pae ? 'PAE' : '32-bit';
}

/** Entry indexes of a linear address, root first, for 4-level paging. */
export const fourLevelIndexes = (linear: bigint): readonly [pml4: number, pdpt: number, pd: number, pt: number] => [
  Number((linear >> 39n) & 0x1ffn),
  Number((linear >> 30n) & 0x1ffn),
  Number((linear >> 21n) & 0x1ffn),
  Number((linear >> 12n) & 0x1ffn),
];

/** True when bits 63:47 are equal (48-bit linear addresses). */
export const isCanonical = (address: bigint): boolean => BigInt.asUintN(64, BigInt.asIntN(48, address)) === address;
