// Reads guest memory by linear address, as the guest's page tables map it, without touching accessed bits or raising
// faults. Source: Intel SDM 3A, "Paging": "32-bit Paging", "PAE Paging", "4-Level Paging and 5-Level Paging".
import { CR0, CR4, EFER, PTE, PTE_ADDRESS_MASK } from '../../arch/index.js';
import type { GuestMemory } from '../../memory/index.js';

/** The registers that decide how a linear address is translated. */
export interface Paging {
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
}

const has = (register: bigint, bit: number): boolean => (register & BigInt(bit >>> 0)) !== 0n;

/** Walks 8-byte entries from `table`, whose entries map 2^shift bytes each. */
function walk64(memory: GuestMemory, table: bigint, shift: number, linear: bigint): bigint | null {
  let at = table;
  for (let s = shift; ; s -= 9) {
    const gpa = Number(at + ((linear >> BigInt(s)) & 0x1ffn) * 8n);
    if (!memory.covers(gpa, 8)) return null;
    const entry = memory.readU64(gpa);
    if ((entry & BigInt(PTE.P)) === 0n) return null;
    const address = entry & PTE_ADDRESS_MASK;
    if (s === 12) return address | (linear & 0xfffn);
    if ((entry & BigInt(PTE.PS)) !== 0n && s <= 30) {
      const mask = (1n << BigInt(s)) - 1n;
      return (address & ~mask) | (linear & mask);
    }
    at = address;
  }
}

function walk32(memory: GuestMemory, p: Paging, linear: bigint): bigint | null {
  const entryOf = (table: bigint, index: bigint): bigint | null => {
    const gpa = Number(table + index * 4n);
    if (!memory.covers(gpa, 4)) return null;
    const entry = BigInt(memory.readU32(gpa) >>> 0);
    return (entry & BigInt(PTE.P)) === 0n ? null : entry;
  };
  const directory = entryOf(p.cr3 & 0xffff_f000n, linear >> 22n);
  if (directory === null) return null;
  if (has(p.cr4, CR4.PSE) && (directory & BigInt(PTE.PS)) !== 0n) {
    // Bits 20:13 hold address bits 39:32 (PSE-36).
    return (((directory >> 13n) & 0xffn) << 32n) | (directory & 0xffc0_0000n) | (linear & 0x3f_ffffn);
  }
  const entry = entryOf(directory & 0xffff_f000n, (linear >> 12n) & 0x3ffn);
  return entry === null ? null : (entry & 0xffff_f000n) | (linear & 0xfffn);
}

/** The guest-physical address of a linear address; null where nothing is mapped. */
export function translate(memory: GuestMemory, p: Paging, linear: bigint): number | null {
  let gpa: bigint | null;
  if (!has(p.cr0, CR0.PG)) gpa = linear & 0xffff_ffffn;
  else if (has(p.efer, EFER.LMA))
    gpa = walk64(memory, p.cr3 & PTE_ADDRESS_MASK, has(p.cr4, CR4.LA57) ? 48 : 39, linear);
  else if (has(p.cr4, CR4.PAE)) {
    const entryGpa = Number((p.cr3 & 0xffff_ffe0n) + ((linear >> 30n) & 3n) * 8n);
    if (!memory.covers(entryGpa, 8)) return null;
    const entry = memory.readU64(entryGpa);
    gpa = (entry & BigInt(PTE.P)) === 0n ? null : walk64(memory, entry & PTE_ADDRESS_MASK, 21, linear & 0xffff_ffffn);
  } else gpa = walk32(memory, p, linear & 0xffff_ffffn);
  return gpa === null || gpa > 0xf_ffff_ffff_ffffn ? null : Number(gpa);
}

/** Copies bytes at a linear address; null when a part is not mapped to memory. */
export function readLinear(memory: GuestMemory, p: Paging, linear: bigint, sizeBytes: number): Uint8Array | null {
  const out = new Uint8Array(sizeBytes);
  for (let done = 0; done < sizeBytes; ) {
    const at = linear + BigInt(done);
    const length = Math.min(sizeBytes - done, 0x1000 - Number(at & 0xfffn));
    const gpa = translate(memory, p, at);
    if (gpa === null || !memory.covers(gpa, length)) return null;
    memory.readInto(gpa, out.subarray(done, done + length));
    done += length;
  }
  return out;
}
