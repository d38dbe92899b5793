// The processor state in which a loader hands over: plain data that the machine copies into vCPU 0.
// Sources: Linux Documentation/arch/x86/boot.rst "32-bit Boot Protocol", "64-bit Boot Protocol"; SDM 3C "Guest-State Area".

import type { SegmentName, SegmentState, TableState } from '../../vmx/index.js';

export interface EntryState {
  mode: 'long' | 'protected32' | 'real';
  rip: bigint;
  rsp: bigint;
  rax: bigint;
  rbx: bigint;
  rsi: bigint;
  rflags: bigint;
  cr0: bigint;
  cr3: bigint;
  cr4: bigint;
  efer: bigint;
  gdt: TableState;
  idt: TableState;
  segments: Record<SegmentName, SegmentState>;
}

const UNUSABLE = 0x10000;
const none = (): SegmentState => ({ selector: 0, base: 0n, limit: 0xffff, accessRights: UNUSABLE });
/** LDTR unusable, TR a busy 32-bit/64-bit TSS at 0: what VM entry accepts in any mode. */
const system = (): Pick<EntryState['segments'], 'ldtr' | 'tr'> => ({
  ldtr: none(),
  tr: { selector: 0, base: 0n, limit: 0xffff, accessRights: 0x8b },
});
const flat = (selector: number, accessRights: number): SegmentState => ({
  selector,
  base: 0n,
  limit: 0xffffffff,
  accessRights,
});
/** Access rights: present, S=1, DPL 0, accessed; G and D/B or L as named. */
const CODE64 = 0xa09b;
const CODE32 = 0xc09b;
const DATA32 = 0xc093;
const CODE16 = 0x009b;
const DATA16 = 0x0093;

/** CR0: PE, ET, NE; PG besides in long mode. */
const CR0_PROTECTED = 0x31n;
const CR0_PAGED = 0x80000031n;
const CR0_REAL = 0x10n;
const CR4_PAE = 0x20n;
const EFER_LME_LMA = 0x500n;
const RFLAGS_RESERVED_1 = 0x2n;

export interface FlatEntry {
  readonly rip: number;
  readonly rsp?: number;
  readonly rax?: number;
  readonly rbx?: number;
  readonly rsi?: number;
  readonly gdt: TableState;
  readonly codeSelector: number;
  readonly dataSelector: number;
}

const registers = (e: Omit<FlatEntry, 'gdt' | 'codeSelector' | 'dataSelector'>) => ({
  rip: BigInt(e.rip),
  rsp: BigInt(e.rsp ?? 0),
  rax: BigInt(e.rax ?? 0),
  rbx: BigInt(e.rbx ?? 0),
  rsi: BigInt(e.rsi ?? 0),
  rflags: RFLAGS_RESERVED_1,
});
const flatSegments = (e: FlatEntry, code: number): EntryState['segments'] => ({
  cs: flat(e.codeSelector, code),
  ds: flat(e.dataSelector, DATA32),
  es: flat(e.dataSelector, DATA32),
  fs: flat(e.dataSelector, DATA32),
  gs: flat(e.dataSelector, DATA32),
  ss: flat(e.dataSelector, DATA32),
  ...system(),
});

/** 64-bit mode with paging on, page tables at `cr3`. */
export const longEntry = (e: FlatEntry & { readonly cr3: number }): EntryState => ({
  mode: 'long',
  ...registers(e),
  cr0: CR0_PAGED,
  cr3: BigInt(e.cr3),
  cr4: CR4_PAE,
  efer: EFER_LME_LMA,
  gdt: e.gdt,
  idt: { base: 0n, limit: 0 },
  segments: flatSegments(e, CODE64),
});

/** Flat 32-bit protected mode, paging off. */
export const protectedEntry = (e: FlatEntry): EntryState => ({
  mode: 'protected32',
  ...registers(e),
  cr0: CR0_PROTECTED,
  cr3: 0n,
  cr4: 0n,
  efer: 0n,
  gdt: e.gdt,
  idt: { base: 0n, limit: 0 },
  segments: flatSegments(e, CODE32),
});

/** Real mode at selector:offset; `codeBase` differs from selector*16 only at the reset vector. */
export const realEntry = (e: {
  readonly selector: number;
  readonly offset: number;
  readonly codeBase?: number;
  readonly dataSelector?: number;
  readonly rsp?: number;
}): EntryState => {
  const data = (): SegmentState => ({
    selector: e.dataSelector ?? 0,
    base: BigInt((e.dataSelector ?? 0) * 16),
    limit: 0xffff,
    accessRights: DATA16,
  });
  return {
    mode: 'real',
    ...registers({ rip: e.offset, rsp: e.rsp ?? 0 }),
    cr0: CR0_REAL,
    cr3: 0n,
    cr4: 0n,
    efer: 0n,
    gdt: { base: 0n, limit: 0xffff },
    idt: { base: 0n, limit: 0xffff },
    segments: {
      cs: {
        selector: e.selector,
        base: BigInt(e.codeBase ?? e.selector * 16),
        limit: 0xffff,
        accessRights: CODE16,
      },
      ds: data(),
      es: data(),
      fs: data(),
      gs: data(),
      ss: data(),
      ...system(),
    },
  };
};
