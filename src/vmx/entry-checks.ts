// The checks of VM entry as rows that name themselves. Intel SDM Vol. 3C, "Checks on VMX Controls and Host-State Area"
// (execution-control and entry-control fields) and "Checking and Loading Guest State" ("Checks on the Guest State Area").
import {
  AccessRights,
  CR0,
  CR0_DEFINED,
  CR4,
  EFER,
  EFER_DEFINED,
  EFLAGS,
  EFLAGS_RESERVED,
  Exception,
  exceptionHasErrorCode,
  isCanonical,
  MemoryType,
} from '../arch/index.js';
import { PIN_BASED_ALLOWED, PinBased, PRIMARY_ALLOWED, Primary, SECONDARY_ALLOWED, Secondary } from './controls.js';
import type { CpuState, SegmentName } from './cpu-state.js';
import { SEGMENT_NAMES } from './cpu-state.js';
import type { EntryEvent, VcpuControls } from './engine.js';
import { INTERRUPTIBILITY } from './qualifications.js';

/** What the checks need beside the state and the controls. */
export interface EntryContext {
  /** Event to be injected by this entry. */
  readonly event: EntryEvent | null;
  /** The four PDPTEs under PAE paging, when known. */
  readonly pdptes: readonly bigint[] | null;
  /** MAXPHYADDR. */
  readonly physicalAddressBits: number;
  /** CR0 bits that must be one (IA32_VMX_CR0_FIXED0). */
  readonly cr0Fixed0: bigint;
  readonly cr4Fixed0: bigint;
  /** CR4 bits that may be one (IA32_VMX_CR4_FIXED1). */
  readonly cr4Fixed1: bigint;
}

const CR4_KNOWN = Object.values(CR4).reduce((a, b) => a | BigInt(b), 0n);
/**
 * DEVIATION: our processor has no CR0 and CR4 bits fixed to one (SDM Vol. 3D, Appendix A.7 and A.8, has PE, NE, PG and
 * VMXE), so that a guest's own values can be loaded unchanged.
 */
export const DEFAULT_ENTRY_CONTEXT: EntryContext = {
  event: null,
  pdptes: null,
  physicalAddressBits: 40,
  cr0Fixed0: 0n,
  cr4Fixed0: 0n,
  cr4Fixed1: CR4_KNOWN & ~BigInt(CR4.CET | CR4.PKS | CR4.KL | CR4.LA57),
};

export interface GuestStateCheck {
  /** Title of the SDM section. */
  readonly sdm: string;
  readonly name: string;
  ok(s: CpuState, c: VcpuControls, x: EntryContext): boolean;
}
export interface ControlsCheck {
  readonly sdm: string;
  readonly name: string;
  ok(c: VcpuControls): boolean;
}
export interface EventCheck {
  readonly sdm: string;
  readonly name: string;
  ok(event: EntryEvent, s: CpuState, c: VcpuControls): boolean;
}

const has = (word: bigint, mask: number): boolean => (word & BigInt(mask)) !== 0n;
const implies = (a: boolean, b: boolean): boolean => !a || b;
const ia32e = (s: CpuState): boolean => has(s.efer, EFER.LMA);
const v86 = (s: CpuState): boolean => has(s.rflags, EFLAGS.VM);
const real = (s: CpuState): boolean => !has(s.cr0, CR0.PE);
const unrestricted = (c: VcpuControls): boolean =>
  (c.primary & Primary.activateSecondaryControls) !== 0 && (c.secondary & Secondary.unrestrictedGuest) !== 0;
const usable = (s: CpuState, name: SegmentName): boolean =>
  (s.segments[name].accessRights & AccessRights.UNUSABLE) === 0;
const type = (s: CpuState, name: SegmentName): number => s.segments[name].accessRights & AccessRights.TYPE;
const dpl = (s: CpuState, name: SegmentName): number => (s.segments[name].accessRights >> 5) & 3;
const rpl = (s: CpuState, name: SegmentName): number => s.segments[name].selector & 3;
const ti = (s: CpuState, name: SegmentName): boolean => (s.segments[name].selector & 4) !== 0;
const arBit = (s: CpuState, name: SegmentName, mask: number): boolean => (s.segments[name].accessRights & mask) !== 0;
const below4G = (v: bigint): boolean => v >> 32n === 0n;
const granularityOk = (s: CpuState, name: SegmentName): boolean => {
  const { limit } = s.segments[name];
  const g = arBit(s, name, AccessRights.G);
  return implies((limit & 0xfff) !== 0xfff, !g) && implies(limit >>> 20 !== 0, g);
};
const interruptibility = (s: CpuState) => INTERRUPTIBILITY.decode(s.interruptibility >>> 0);

const CODE_DATA = ['cs', 'ss', 'ds', 'es', 'fs', 'gs'] as const;
const DATA = ['ds', 'es', 'fs', 'gs'] as const;
/** Rows for several registers, named "XX ...". */
const each = (
  names: readonly SegmentName[],
  sdm: string,
  name: string,
  ok: (s: CpuState, r: SegmentName, c: VcpuControls) => boolean,
): GuestStateCheck[] => names.map((r) => ({ sdm, name: `${r.toUpperCase()} ${name}`, ok: (s, c) => ok(s, r, c) }));

const CONTROL = 'Checks on Guest Control Registers, Debug Registers, and MSRs';
const SEGMENTS = 'Checks on Guest Segment Registers';
const TABLES = 'Checks on Guest Descriptor-Table Registers';
const RIP = 'Checks on Guest RIP, RFLAGS, and SSP';
const NON_REGISTER = 'Checks on Guest Non-Register State';
const PDPTE = 'Checks on Guest Page-Directory-Pointer-Table Entries';

const PAT_TYPES: readonly number[] = Object.values(MemoryType);
const patOk = (pat: bigint): boolean =>
  [0, 8, 16, 24, 32, 40, 48, 56].every((at) => PAT_TYPES.includes(Number((pat >> BigInt(at)) & 0xffn)));
const RFLAGS_RESERVED = BigInt(EFLAGS_RESERVED) | 0xffff_ffff_0000_0000n;

export const GUEST_STATE_CHECKS: readonly GuestStateCheck[] = [
  // Control registers, debug registers, MSRs
  {
    sdm: CONTROL,
    name: 'CR0 reserved bits are zero',
    ok: (s, _c, x) => (s.cr0 & ~BigInt(CR0_DEFINED)) === 0n && (s.cr0 & x.cr0Fixed0) === x.cr0Fixed0,
  },
  { sdm: CONTROL, name: 'CR0.PE is 1 when CR0.PG is 1', ok: (s) => implies(has(s.cr0, CR0.PG), has(s.cr0, CR0.PE)) },
  {
    sdm: CONTROL,
    name: 'CR0.PE and CR0.PG are 1 without unrestricted guest',
    ok: (s, c) => unrestricted(c) || (has(s.cr0, CR0.PE) && has(s.cr0, CR0.PG)),
  },
  {
    sdm: CONTROL,
    name: 'CR4 reserved bits are zero',
    ok: (s, _c, x) => (s.cr4 & ~x.cr4Fixed1) === 0n && (s.cr4 & x.cr4Fixed0) === x.cr4Fixed0,
  },
  { sdm: CONTROL, name: 'CR0.PG is 1 in IA-32e mode', ok: (s) => implies(ia32e(s), has(s.cr0, CR0.PG)) },
  { sdm: CONTROL, name: 'CR4.PAE is 1 in IA-32e mode', ok: (s) => implies(ia32e(s), has(s.cr4, CR4.PAE)) },
  { sdm: CONTROL, name: 'CR4.PCIDE is 0 outside IA-32e mode', ok: (s) => ia32e(s) || !has(s.cr4, CR4.PCIDE) },
  {
    sdm: CONTROL,
    name: 'CR3 is below the physical-address width',
    ok: (s, _c, x) => s.cr3 >> BigInt(x.physicalAddressBits) === 0n,
  },
  { sdm: CONTROL, name: 'DR7 bits 63:32 are zero', ok: (s) => below4G(s.dr[5] as bigint) },
  { sdm: CONTROL, name: 'IA32_SYSENTER_ESP is canonical', ok: (s) => isCanonical(s.sysenterEsp) },
  { sdm: CONTROL, name: 'IA32_SYSENTER_EIP is canonical', ok: (s) => isCanonical(s.sysenterEip) },
  { sdm: CONTROL, name: 'IA32_PAT holds memory types only', ok: (s) => patOk(s.pat) },
  { sdm: CONTROL, name: 'IA32_EFER reserved bits are zero', ok: (s) => (s.efer & ~BigInt(EFER_DEFINED)) === 0n },
  {
    sdm: CONTROL,
    name: 'IA32_EFER.LMA equals LME when CR0.PG is 1',
    ok: (s) => implies(has(s.cr0, CR0.PG), ia32e(s) === has(s.efer, EFER.LME)),
  },

  // Segment registers: selectors
  { sdm: SEGMENTS, name: 'TR selector is in the GDT', ok: (s) => !ti(s, 'tr') },
  { sdm: SEGMENTS, name: 'LDTR selector is in the GDT', ok: (s) => implies(usable(s, 'ldtr'), !ti(s, 'ldtr')) },
  {
    sdm: SEGMENTS,
    name: 'SS.RPL equals CS.RPL',
    ok: (s, c) => v86(s) || unrestricted(c) || rpl(s, 'ss') === rpl(s, 'cs'),
  },
  // base addresses
  ...each(CODE_DATA, SEGMENTS, 'base is selector * 16 in virtual-8086 mode', (s, r) =>
    implies(v86(s), s.segments[r].base === BigInt((s.segments[r].selector & 0xffff) << 4)),
  ),
  ...each(['tr', 'fs', 'gs'], SEGMENTS, 'base is canonical', (s, r) => isCanonical(s.segments[r].base)),
  {
    sdm: SEGMENTS,
    name: 'LDTR base is canonical',
    ok: (s) => implies(usable(s, 'ldtr'), isCanonical(s.segments.ldtr.base)),
  },
  ...each(['cs', 'ss', 'ds', 'es'], SEGMENTS, 'base is below 4 GiB', (s, r) =>
    implies(r === 'cs' || usable(s, r), below4G(s.segments[r].base)),
  ),
  // limits
  ...each(CODE_DATA, SEGMENTS, 'limit is FFFFH in virtual-8086 mode', (s, r) =>
    implies(v86(s), s.segments[r].limit === 0xffff),
  ),
  // access rights
  ...each(CODE_DATA, SEGMENTS, 'access rights are F3H in virtual-8086 mode', (s, r) =>
    implies(v86(s), s.segments[r].accessRights === 0xf3),
  ),
  {
    sdm: SEGMENTS,
    name: 'CS type is accessed code, or 3 with unrestricted guest',
    ok: (s, c) => v86(s) || [9, 11, 13, 15].includes(type(s, 'cs')) || (unrestricted(c) && type(s, 'cs') === 3),
  },
  {
    sdm: SEGMENTS,
    name: 'SS type is accessed writable data',
    ok: (s) => v86(s) || !usable(s, 'ss') || [3, 7].includes(type(s, 'ss')),
  },
  ...each(DATA, SEGMENTS, 'type is accessed and readable', (s, r) => {
    const t = type(s, r);
    return v86(s) || !usable(s, r) || ((t & 1) === 1 && implies((t & 8) !== 0, (t & 2) !== 0));
  }),
  ...each(
    CODE_DATA,
    SEGMENTS,
    'is a code or data segment (S = 1)',
    (s, r) => v86(s) || (r !== 'cs' && !usable(s, r)) || arBit(s, r, AccessRights.S),
  ),
  {
    sdm: SEGMENTS,
    name: 'CS DPL fits its type and SS.DPL',
    ok: (s) => {
      if (v86(s)) return true;
      const t = type(s, 'cs');
      if (t === 3) return dpl(s, 'cs') === 0;
      if (t === 9 || t === 11) return dpl(s, 'cs') === dpl(s, 'ss');
      return t === 13 || t === 15 ? dpl(s, 'cs') <= dpl(s, 'ss') : true;
    },
  },
  {
    sdm: SEGMENTS,
    name: 'SS.DPL equals SS.RPL without unrestricted guest',
    ok: (s, c) => v86(s) || unrestricted(c) || dpl(s, 'ss') === rpl(s, 'ss'),
  },
  {
    sdm: SEGMENTS,
    name: 'SS.DPL is 0 in real mode or with CS type 3',
    ok: (s) => v86(s) || implies(type(s, 'cs') === 3 || real(s), dpl(s, 'ss') === 0),
  },
  ...each(
    DATA,
    SEGMENTS,
    'DPL is not below RPL without unrestricted guest',
    (s, r, c) => v86(s) || unrestricted(c) || !usable(s, r) || type(s, r) > 11 || dpl(s, r) >= rpl(s, r),
  ),
  ...each(
    CODE_DATA,
    SEGMENTS,
    'is present',
    (s, r) => v86(s) || (r !== 'cs' && !usable(s, r)) || arBit(s, r, AccessRights.P),
  ),
  ...each(
    CODE_DATA,
    SEGMENTS,
    'reserved access-rights bits are zero',
    (s, r) => v86(s) || (r !== 'cs' && !usable(s, r)) || !arBit(s, r, AccessRights.RESERVED),
  ),
  {
    sdm: SEGMENTS,
    name: 'CS.D is 0 when CS.L is 1 in IA-32e mode',
    ok: (s) => v86(s) || !(ia32e(s) && arBit(s, 'cs', AccessRights.L) && arBit(s, 'cs', AccessRights.DB)),
  },
  ...each(
    CODE_DATA,
    SEGMENTS,
    'granularity fits the limit',
    (s, r) => v86(s) || (r !== 'cs' && !usable(s, r)) || granularityOk(s, r),
  ),
  {
    sdm: SEGMENTS,
    name: 'TR type is a busy TSS',
    ok: (s) => type(s, 'tr') === 11 || (type(s, 'tr') === 3 && !ia32e(s)),
  },
  { sdm: SEGMENTS, name: 'TR is a system segment (S = 0)', ok: (s) => !arBit(s, 'tr', AccessRights.S) },
  { sdm: SEGMENTS, name: 'TR is present', ok: (s) => arBit(s, 'tr', AccessRights.P) },
  { sdm: SEGMENTS, name: 'TR reserved access-rights bits are zero', ok: (s) => !arBit(s, 'tr', AccessRights.RESERVED) },
  { sdm: SEGMENTS, name: 'TR granularity fits the limit', ok: (s) => granularityOk(s, 'tr') },
  { sdm: SEGMENTS, name: 'TR is usable', ok: (s) => usable(s, 'tr') },
  { sdm: SEGMENTS, name: 'LDTR type is LDT', ok: (s) => !usable(s, 'ldtr') || type(s, 'ldtr') === 2 },
  {
    sdm: SEGMENTS,
    name: 'LDTR is a system segment (S = 0)',
    ok: (s) => !usable(s, 'ldtr') || !arBit(s, 'ldtr', AccessRights.S),
  },
  { sdm: SEGMENTS, name: 'LDTR is present', ok: (s) => !usable(s, 'ldtr') || arBit(s, 'ldtr', AccessRights.P) },
  {
    sdm: SEGMENTS,
    name: 'LDTR reserved access-rights bits are zero',
    ok: (s) => !usable(s, 'ldtr') || !arBit(s, 'ldtr', AccessRights.RESERVED),
  },
  { sdm: SEGMENTS, name: 'LDTR granularity fits the limit', ok: (s) => !usable(s, 'ldtr') || granularityOk(s, 'ldtr') },

  // Descriptor-table registers
  { sdm: TABLES, name: 'GDTR base is canonical', ok: (s) => isCanonical(s.gdtr.base) },
  { sdm: TABLES, name: 'IDTR base is canonical', ok: (s) => isCanonical(s.idtr.base) },
  { sdm: TABLES, name: 'GDTR limit bits 31:16 are zero', ok: (s) => s.gdtr.limit >>> 16 === 0 },
  { sdm: TABLES, name: 'IDTR limit bits 31:16 are zero', ok: (s) => s.idtr.limit >>> 16 === 0 },

  // RIP and RFLAGS
  {
    sdm: RIP,
    name: 'RIP bits 63:32 are zero outside 64-bit mode',
    ok: (s) => (ia32e(s) && arBit(s, 'cs', AccessRights.L)) || below4G(s.rip),
  },
  {
    sdm: RIP,
    name: 'RIP bits 63:48 are identical in 64-bit mode',
    ok: (s) => implies(ia32e(s) && arBit(s, 'cs', AccessRights.L), s.rip >> 48n === 0n || s.rip >> 48n === 0xffffn),
  },
  {
    sdm: RIP,
    name: 'RFLAGS reserved bits are zero and bit 1 is one',
    ok: (s) => (s.rflags & RFLAGS_RESERVED) === 0n && has(s.rflags, EFLAGS.FIXED1),
  },
  {
    sdm: RIP,
    name: 'RFLAGS.VM is 0 in IA-32e mode and real mode',
    ok: (s) => implies(ia32e(s) || real(s), !v86(s)),
  },
  {
    sdm: RIP,
    name: 'RFLAGS.IF is 1 when an external interrupt is injected',
    ok: (s, _c, x) => implies(x.event?.type === 'externalInterrupt', has(s.rflags, EFLAGS.IF)),
  },

  // Non-register state
  {
    sdm: NON_REGISTER,
    name: 'HLT activity state needs SS.DPL 0',
    ok: (s) => implies(s.activity === 'hlt', dpl(s, 'ss') === 0),
  },
  {
    sdm: NON_REGISTER,
    name: 'activity state is active while blocking by STI or MOV SS',
    ok: (s) => implies((s.interruptibility & 3) !== 0, s.activity === 'active'),
  },
  {
    sdm: NON_REGISTER,
    name: 'the injected event is allowed in the activity state',
    ok: (s, _c, x) => {
      if (!x.event || s.activity === 'active') return true;
      const { type: kind, vector } = x.event;
      const mc = kind === 'hardwareException' && vector === Exception.MC;
      if (s.activity === 'shutdown') return kind === 'nmi' || mc;
      if (s.activity === 'waitForSipi') return false;
      const db = kind === 'hardwareException' && vector === Exception.DB;
      return kind === 'externalInterrupt' || kind === 'nmi' || mc || db;
    },
  },
  { sdm: NON_REGISTER, name: 'interruptibility reserved bits are zero', ok: (s) => s.interruptibility >>> 4 === 0 },
  { sdm: NON_REGISTER, name: 'no blocking by STI and MOV SS at once', ok: (s) => (s.interruptibility & 3) !== 3 },
  {
    sdm: NON_REGISTER,
    name: 'blocking by STI needs RFLAGS.IF',
    ok: (s) => implies(interruptibility(s).sti, has(s.rflags, EFLAGS.IF)),
  },
  {
    sdm: NON_REGISTER,
    name: 'no external interrupt is injected while blocking by STI or MOV SS',
    ok: (s, _c, x) => implies(x.event?.type === 'externalInterrupt', (s.interruptibility & 3) === 0),
  },
  {
    sdm: NON_REGISTER,
    name: 'no NMI is injected while blocking by MOV SS',
    ok: (s, _c, x) => implies(x.event?.type === 'nmi', !interruptibility(s).movSs),
  },
  { sdm: NON_REGISTER, name: 'no blocking by SMI outside SMM', ok: (s) => !interruptibility(s).smi },
  {
    sdm: NON_REGISTER,
    name: 'no NMI is injected while blocking by NMI with virtual NMIs',
    ok: (s, c, x) =>
      implies(x.event?.type === 'nmi' && (c.pinBased & PinBased.virtualNmis) !== 0, !interruptibility(s).nmi),
  },

  // PDPTEs
  {
    sdm: PDPTE,
    name: 'PDPTEs have no reserved bit set under PAE paging',
    ok: (s, _c, x) => {
      if (!x.pdptes || !has(s.cr0, CR0.PG) || !has(s.cr4, CR4.PAE) || ia32e(s)) return true;
      const reserved = 0x1e6n | (~0n << BigInt(x.physicalAddressBits));
      return x.pdptes.every((e) => (e & 1n) === 0n || (e & reserved) === 0n);
    },
  },
];

const EXECUTION = 'VM-Execution Control Fields';
const on = (word: number, mask: number): boolean => (word & mask) !== 0;
const secondary = (c: VcpuControls, mask: number): boolean =>
  on(c.primary, Primary.activateSecondaryControls) && on(c.secondary, mask);

export const CONTROLS_CHECKS: readonly ControlsCheck[] = [
  {
    sdm: EXECUTION,
    name: 'pin-based controls reserved bits',
    ok: (c) => (c.pinBased & ~PIN_BASED_ALLOWED) >>> 0 === 0,
  },
  {
    sdm: EXECUTION,
    name: 'primary processor-based controls reserved bits',
    ok: (c) => (c.primary & ~PRIMARY_ALLOWED) >>> 0 === 0,
  },
  {
    sdm: EXECUTION,
    name: 'secondary processor-based controls reserved bits',
    ok: (c) => !on(c.primary, Primary.activateSecondaryControls) || (c.secondary & ~SECONDARY_ALLOWED) >>> 0 === 0,
  },
  {
    sdm: EXECUTION,
    name: 'virtual NMIs need NMI exiting',
    ok: (c) => implies(on(c.pinBased, PinBased.virtualNmis), on(c.pinBased, PinBased.nmiExiting)),
  },
  {
    sdm: EXECUTION,
    name: 'NMI-window exiting needs virtual NMIs',
    ok: (c) => implies(on(c.primary, Primary.nmiWindowExiting), on(c.pinBased, PinBased.virtualNmis)),
  },
  {
    sdm: EXECUTION,
    name: 'x2APIC mode, APIC-register virtualization and virtual-interrupt delivery need a TPR shadow',
    ok: (c) =>
      implies(
        secondary(
          c,
          Secondary.virtualizeX2apicMode | Secondary.apicRegisterVirtualization | Secondary.virtualInterruptDelivery,
        ),
        on(c.primary, Primary.useTprShadow),
      ),
  },
  {
    sdm: EXECUTION,
    name: 'x2APIC mode excludes virtualized APIC accesses',
    ok: (c) => !(secondary(c, Secondary.virtualizeX2apicMode) && secondary(c, Secondary.virtualizeApicAccesses)),
  },
  {
    sdm: EXECUTION,
    name: 'virtual-interrupt delivery needs external-interrupt exiting',
    ok: (c) =>
      implies(secondary(c, Secondary.virtualInterruptDelivery), on(c.pinBased, PinBased.externalInterruptExiting)),
  },
  {
    sdm: EXECUTION,
    name: 'posted interrupts need virtual-interrupt delivery',
    ok: (c) =>
      implies(on(c.pinBased, PinBased.processPostedInterrupts), secondary(c, Secondary.virtualInterruptDelivery)),
  },
  {
    sdm: EXECUTION,
    name: 'unrestricted guest needs EPT',
    ok: (c) => implies(secondary(c, Secondary.unrestrictedGuest), secondary(c, Secondary.enableEpt)),
  },
  {
    sdm: EXECUTION,
    name: 'page-modification logging needs EPT',
    ok: (c) => implies(secondary(c, Secondary.enablePml), secondary(c, Secondary.enableEpt)),
  },
  {
    sdm: EXECUTION,
    name: 'mode-based execute control needs EPT',
    ok: (c) => implies(secondary(c, Secondary.modeBasedExecuteControl), secondary(c, Secondary.enableEpt)),
  },
];

const ENTRY = 'VM-Entry Control Fields';
export const EVENT_CHECKS: readonly EventCheck[] = [
  {
    sdm: ENTRY,
    name: 'vector is 0..255',
    ok: (e) => Number.isInteger(e.vector) && e.vector >= 0 && e.vector <= 255,
  },
  { sdm: ENTRY, name: 'an NMI has vector 2', ok: (e) => implies(e.type === 'nmi', e.vector === Exception.NMI) },
  {
    sdm: ENTRY,
    name: 'a hardware exception has a vector below 32',
    ok: (e) => implies(e.type === 'hardwareException', !(e.vector > 31 && e.vector <= 255)),
  },
  {
    sdm: ENTRY,
    name: 'an error code is given exactly where the exception pushes one in protected mode',
    ok: (e, s) =>
      e.vector > 31 && e.type === 'hardwareException'
        ? true
        : (e.errorCode !== undefined) ===
          (e.type === 'hardwareException' && !real(s) && exceptionHasErrorCode(e.vector)),
  },
  {
    sdm: ENTRY,
    name: 'error-code bits 31:16 are zero',
    ok: (e) => e.errorCode === undefined || e.errorCode >>> 16 === 0,
  },
];

/** Names of the guest-state checks that fail; empty: the entry succeeds. */
export function checkGuestState(s: CpuState, c: VcpuControls, context: Partial<EntryContext> = {}): string[] {
  const x = { ...DEFAULT_ENTRY_CONTEXT, ...context };
  const failed: string[] = [];
  for (const check of GUEST_STATE_CHECKS) if (!check.ok(s, c, x)) failed.push(check.name);
  return failed;
}
/** Names of the execution-control checks that fail. */
export const checkControls = (c: VcpuControls): string[] =>
  CONTROLS_CHECKS.filter((check) => !check.ok(c)).map((check) => check.name);
/** Names of the event-injection checks that fail. */
export const checkEntryEvent = (e: EntryEvent, s: CpuState, c: VcpuControls): string[] =>
  EVENT_CHECKS.filter((check) => !check.ok(e, s, c)).map((check) => check.name);

/** Fields of a CpuState that have the wrong size or type would corrupt an engine: their names. */
export function malformedState(s: CpuState): string[] {
  const bad: string[] = [];
  if (s.version !== 1) bad.push('version');
  if (s.gpr.length !== 16) bad.push('gpr');
  if (s.dr.length !== 6) bad.push('dr');
  if (s.fpu.registers.length !== 8) bad.push('fpu.registers');
  if (s.fpu.xmm.length !== 16) bad.push('fpu.xmm');
  for (const name of SEGMENT_NAMES) if (s.segments[name] === undefined) bad.push(`segments.${name}`);
  return bad;
}
