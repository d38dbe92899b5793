// VM-entry checks: one case per row, each fails exactly its row. Intel SDM Vol. 3C, "Checks on the Guest State Area".
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CONTROLS_CHECKS,
  type CpuState,
  checkControls,
  checkEntryEvent,
  checkGuestState,
  type EntryContext,
  type EntryEvent,
  EVENT_CHECKS,
  flatProtectedState,
  GUEST_STATE_CHECKS,
  longModeState,
  malformedState,
  PinBased,
  Primary,
  realModeState,
  resetState,
  Secondary,
  type SegmentName,
  type VcpuControls,
} from './index.js';
import { plainControls } from './testing.js';

const restricted = (): VcpuControls => ({ ...plainControls(), secondary: Secondary.enableEpt });
/** 32-bit paged protected mode: fulfils the checks without unrestricted guest too. */
const paged = (): CpuState => {
  const s = flatProtectedState(0x1000);
  s.cr0 = 0x8000_0031n;
  s.cr3 = 0x2000n;
  s.segments.ldtr = { selector: 0x18, base: 0n, limit: 0x27, accessRights: 0x82 };
  return s;
};
const long = (): CpuState => longModeState(0x10_0000n, 0x1000);
/** Virtual-8086 mode at 1000:0000. */
const virtual8086 = (): CpuState => {
  const s = paged();
  s.rflags = 0x2_0002n;
  for (const n of ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const) {
    s.segments[n] = { selector: 0x1000, base: 0x1_0000n, limit: 0xffff, accessRights: 0xf3 };
  }
  return s;
};

test('the states of default-state.ts pass every check', () => {
  for (const s of [resetState(), realModeState(0x7c00), flatProtectedState(0x1000), long(), paged(), virtual8086()]) {
    assert.deepEqual(checkGuestState(s, plainControls()), []);
    assert.deepEqual(malformedState(s), []);
  }
  for (const s of [long(), paged(), virtual8086()]) assert.deepEqual(checkGuestState(s, restricted()), []);
  assert.deepEqual(checkControls(plainControls()), []);
});

const covered = new Set<string>();
interface Case {
  from?: () => CpuState;
  controls?: () => VcpuControls;
  context?: Partial<EntryContext>;
  change?: (s: CpuState) => void;
}
const fails = (name: string, { from = long, controls = plainControls, context = {}, change }: Case): void => {
  covered.add(name);
  test(`guest state: ${name}`, () => {
    const s = from();
    change?.(s);
    assert.deepEqual(checkGuestState(s, controls(), context), [name]);
  });
};
const ar = (s: CpuState, r: SegmentName, value: number): void => {
  s.segments[r].accessRights = value;
};
const NON_CANONICAL = 0x8000_0000_0000n;

fails('CR0 reserved bits are zero', {
  change: (s) => {
    s.cr0 |= 1n << 32n;
  },
});
fails('CR0.PE is 1 when CR0.PG is 1', {
  from: realModeState,
  change: (s) => {
    s.cr0 |= 0x8000_0000n;
  },
});
fails('CR0.PE and CR0.PG are 1 without unrestricted guest', {
  from: () => flatProtectedState(0),
  controls: restricted,
});
fails('CR4 reserved bits are zero', {
  change: (s) => {
    s.cr4 |= 1n << 30n;
  },
});
fails('CR0.PG is 1 in IA-32e mode', {
  change: (s) => {
    s.cr0 &= ~0x8000_0000n;
  },
});
fails('CR4.PAE is 1 in IA-32e mode', {
  change: (s) => {
    s.cr4 &= ~0x20n;
  },
});
fails('CR4.PCIDE is 0 outside IA-32e mode', {
  from: paged,
  change: (s) => {
    s.cr4 |= 1n << 17n;
  },
});
fails('CR3 is below the physical-address width', {
  change: (s) => {
    s.cr3 |= 1n << 40n;
  },
});
fails('DR7 bits 63:32 are zero', {
  change: (s) => {
    s.dr[5] = 0x1_0000_0400n;
  },
});
fails('IA32_SYSENTER_ESP is canonical', {
  change: (s) => {
    s.sysenterEsp = NON_CANONICAL;
  },
});
fails('IA32_SYSENTER_EIP is canonical', {
  change: (s) => {
    s.sysenterEip = NON_CANONICAL;
  },
});
fails('IA32_PAT holds memory types only', {
  change: (s) => {
    s.pat = 0x0007_0406_0007_0402n;
  },
});
fails('IA32_EFER reserved bits are zero', {
  change: (s) => {
    s.efer |= 2n;
  },
});
fails('IA32_EFER.LMA equals LME when CR0.PG is 1', {
  change: (s) => {
    s.efer &= ~0x100n;
  },
});

fails('TR selector is in the GDT', {
  change: (s) => {
    s.segments.tr.selector = 4;
  },
});
fails('LDTR selector is in the GDT', {
  from: paged,
  change: (s) => {
    s.segments.ldtr.selector = 0x1c;
  },
});
fails('SS.RPL equals CS.RPL', {
  controls: restricted,
  change: (s) => {
    s.segments.cs.selector = 0x0b;
  },
});
for (const r of ['cs', 'ss', 'ds', 'es', 'fs', 'gs'] as const) {
  const R = r.toUpperCase();
  fails(`${R} base is selector * 16 in virtual-8086 mode`, {
    from: virtual8086,
    change: (s) => {
      s.segments[r].base = 0x2_0000n;
    },
  });
  fails(`${R} limit is FFFFH in virtual-8086 mode`, {
    from: virtual8086,
    change: (s) => {
      s.segments[r].limit = 0xfffe;
    },
  });
  fails(`${R} access rights are F3H in virtual-8086 mode`, { from: virtual8086, change: (s) => ar(s, r, 0xf2) });
  fails(`${R} is a code or data segment (S = 1)`, {
    change: (s) => ar(s, r, s.segments[r].accessRights & ~0x10),
  });
  fails(`${R} is present`, { change: (s) => ar(s, r, s.segments[r].accessRights & ~0x80) });
  fails(`${R} reserved access-rights bits are zero`, { change: (s) => ar(s, r, s.segments[r].accessRights | 0x100) });
  fails(`${R} granularity fits the limit`, {
    change: (s) => {
      s.segments[r].limit = 0xffff_0000;
    },
  });
}
for (const r of ['tr', 'fs', 'gs'] as const) {
  fails(`${r.toUpperCase()} base is canonical`, {
    change: (s) => {
      s.segments[r].base = NON_CANONICAL;
    },
  });
}
fails('LDTR base is canonical', {
  from: paged,
  change: (s) => {
    s.segments.ldtr.base = NON_CANONICAL;
  },
});
for (const r of ['cs', 'ss', 'ds', 'es'] as const) {
  fails(`${r.toUpperCase()} base is below 4 GiB`, {
    change: (s) => {
      s.segments[r].base = 1n << 32n;
    },
  });
}
fails('CS type is accessed code, or 3 with unrestricted guest', { change: (s) => ar(s, 'cs', 0xa09a) });
fails('SS type is accessed writable data', { change: (s) => ar(s, 'ss', 0xc091) });
for (const r of ['ds', 'es', 'fs', 'gs'] as const) {
  fails(`${r.toUpperCase()} type is accessed and readable`, { change: (s) => ar(s, r, 0xc099) });
  fails(`${r.toUpperCase()} DPL is not below RPL without unrestricted guest`, {
    controls: restricted,
    change: (s) => {
      s.segments[r].selector = 0x13;
    },
  });
}
fails('CS DPL fits its type and SS.DPL', { change: (s) => ar(s, 'cs', 0xa0fb) });
fails('SS.DPL equals SS.RPL without unrestricted guest', {
  controls: restricted,
  change: (s) => {
    ar(s, 'ss', 0xc0f3);
    ar(s, 'cs', 0xa0fb);
  },
});
fails('SS.DPL is 0 in real mode or with CS type 3', {
  from: realModeState,
  change: (s) => {
    ar(s, 'ss', 0xf3);
    ar(s, 'cs', 0xfb);
  },
});
fails('CS.D is 0 when CS.L is 1 in IA-32e mode', { change: (s) => ar(s, 'cs', 0xe09b) });
fails('TR type is a busy TSS', { change: (s) => ar(s, 'tr', 0x83) });
fails('TR is a system segment (S = 0)', { change: (s) => ar(s, 'tr', 0x9b) });
fails('TR is present', { change: (s) => ar(s, 'tr', 0x0b) });
fails('TR reserved access-rights bits are zero', { change: (s) => ar(s, 'tr', 0x18b) });
fails('TR granularity fits the limit', { change: (s) => ar(s, 'tr', 0x808b), from: trSmall });
fails('TR is usable', { change: (s) => ar(s, 'tr', 0x1_008b) });
fails('LDTR type is LDT', { from: paged, change: (s) => ar(s, 'ldtr', 0x83) });
fails('LDTR is a system segment (S = 0)', { from: paged, change: (s) => ar(s, 'ldtr', 0x92) });
fails('LDTR is present', { from: paged, change: (s) => ar(s, 'ldtr', 0x02) });
fails('LDTR reserved access-rights bits are zero', { from: paged, change: (s) => ar(s, 'ldtr', 0x282) });
fails('LDTR granularity fits the limit', { from: paged, change: (s) => ar(s, 'ldtr', 0x8082) });
function trSmall(): CpuState {
  const s = long();
  s.segments.tr.limit = 0x67;
  return s;
}

fails('GDTR base is canonical', {
  change: (s) => {
    s.gdtr.base = NON_CANONICAL;
  },
});
fails('IDTR base is canonical', {
  change: (s) => {
    s.idtr.base = NON_CANONICAL;
  },
});
fails('GDTR limit bits 31:16 are zero', {
  change: (s) => {
    s.gdtr.limit = 0x1_0000;
  },
});
fails('IDTR limit bits 31:16 are zero', {
  change: (s) => {
    s.idtr.limit = 0x1_0000;
  },
});

fails('RIP bits 63:32 are zero outside 64-bit mode', {
  from: paged,
  change: (s) => {
    s.rip = 1n << 32n;
  },
});
fails('RIP bits 63:48 are identical in 64-bit mode', {
  change: (s) => {
    s.rip = 1n << 48n;
  },
});
fails('RFLAGS reserved bits are zero and bit 1 is one', {
  change: (s) => {
    s.rflags = 0n;
  },
});
fails('RFLAGS.VM is 0 in IA-32e mode and real mode', {
  from: virtual8086,
  change: (s) => {
    s.efer = 0x500n;
    s.cr4 |= 0x20n;
  },
});
const interrupt: EntryEvent = { type: 'externalInterrupt', vector: 0x20 };
const nmi: EntryEvent = { type: 'nmi', vector: 2 };
fails('RFLAGS.IF is 1 when an external interrupt is injected', { context: { event: interrupt } });
fails('HLT activity state needs SS.DPL 0', {
  change: (s) => {
    s.activity = 'hlt';
    ar(s, 'ss', 0xc0f3);
    ar(s, 'cs', 0xa0fb);
  },
});
fails('activity state is active while blocking by STI or MOV SS', {
  change: (s) => {
    s.activity = 'hlt';
    s.interruptibility = 2;
  },
});
fails('the injected event is allowed in the activity state', {
  context: { event: nmi },
  change: (s) => {
    s.activity = 'waitForSipi';
  },
});
fails('interruptibility reserved bits are zero', {
  change: (s) => {
    s.interruptibility = 0x20;
  },
});
fails('no blocking by STI and MOV SS at once', {
  change: (s) => {
    s.rflags |= 0x200n;
    s.interruptibility = 3;
  },
});
fails('blocking by STI needs RFLAGS.IF', {
  change: (s) => {
    s.interruptibility = 1;
  },
});
fails('no external interrupt is injected while blocking by STI or MOV SS', {
  context: { event: interrupt },
  change: (s) => {
    s.rflags |= 0x200n;
    s.interruptibility = 1;
  },
});
fails('no NMI is injected while blocking by MOV SS', {
  context: { event: nmi },
  change: (s) => {
    s.interruptibility = 2;
  },
});
fails('no blocking by SMI outside SMM', {
  change: (s) => {
    s.interruptibility = 4;
  },
});
fails('no NMI is injected while blocking by NMI with virtual NMIs', {
  context: { event: nmi },
  controls: () => ({ ...plainControls(), pinBased: PinBased.nmiExiting | PinBased.virtualNmis }),
  change: (s) => {
    s.interruptibility = 8;
  },
});
fails('PDPTEs have no reserved bit set under PAE paging', {
  from: paged,
  context: { pdptes: [0x1003n, 0n, 0n, 0n] },
  change: (s) => {
    s.cr4 |= 0x20n;
  },
});
test('every guest-state row has a case, and names are unique', () => {
  assert.deepEqual(
    GUEST_STATE_CHECKS.map((c) => c.name).filter((n) => !covered.has(n)),
    [],
  );
  assert.equal(new Set(GUEST_STATE_CHECKS.map((c) => c.name)).size, GUEST_STATE_CHECKS.length);
});

const controlCases: Record<string, Partial<VcpuControls>> = {
  'pin-based controls reserved bits': { pinBased: 1 << 10 },
  'primary processor-based controls reserved bits': { primary: 1 },
  'secondary processor-based controls reserved bits': {
    primary: Primary.activateSecondaryControls,
    secondary: 1 << 29,
  },
  'virtual NMIs need NMI exiting': { pinBased: PinBased.virtualNmis },
  'NMI-window exiting needs virtual NMIs': { primary: Primary.nmiWindowExiting },
  'x2APIC mode, APIC-register virtualization and virtual-interrupt delivery need a TPR shadow': {
    primary: Primary.activateSecondaryControls,
    secondary: Secondary.virtualizeX2apicMode,
  },
  'x2APIC mode excludes virtualized APIC accesses': {
    primary: Primary.activateSecondaryControls + Primary.useTprShadow,
    secondary: Secondary.virtualizeX2apicMode | Secondary.virtualizeApicAccesses,
  },
  'virtual-interrupt delivery needs external-interrupt exiting': {
    primary: Primary.activateSecondaryControls + Primary.useTprShadow,
    secondary: Secondary.virtualInterruptDelivery,
  },
  'posted interrupts need virtual-interrupt delivery': { pinBased: PinBased.processPostedInterrupts },
  'unrestricted guest needs EPT': {
    primary: Primary.activateSecondaryControls,
    secondary: Secondary.unrestrictedGuest,
  },
  'page-modification logging needs EPT': {
    primary: Primary.activateSecondaryControls,
    secondary: Secondary.enablePml,
  },
  'mode-based execute control needs EPT': {
    primary: Primary.activateSecondaryControls,
    secondary: Secondary.modeBasedExecuteControl,
  },
};
for (const [name, change] of Object.entries(controlCases)) {
  test(`controls: ${name}`, () => {
    const c = { ...plainControls(), pinBased: 0, primary: 0, secondary: 0, ...change };
    assert.deepEqual(checkControls(c), [name]);
  });
}
test('every control row has a case', () => {
  assert.deepEqual(
    CONTROLS_CHECKS.map((c) => c.name).filter((n) => !(n in controlCases)),
    [],
  );
});

const eventCases: Record<string, EntryEvent> = {
  'vector is 0..255': { type: 'externalInterrupt', vector: 256 },
  'an NMI has vector 2': { type: 'nmi', vector: 3 },
  'a hardware exception has a vector below 32': { type: 'hardwareException', vector: 32 },
  'an error code is given exactly where the exception pushes one in protected mode': {
    type: 'hardwareException',
    vector: 13,
  },
  'error-code bits 31:16 are zero': { type: 'hardwareException', vector: 14, errorCode: 0x1_0000 },
};
for (const [name, event] of Object.entries(eventCases)) {
  test(`event: ${name}`, () => assert.deepEqual(checkEntryEvent(event, long(), plainControls()), [name]));
}
test('every event row has a case; good events pass; real mode takes no error code', () => {
  assert.deepEqual(
    EVENT_CHECKS.map((c) => c.name).filter((n) => !(n in eventCases)),
    [],
  );
  const c = plainControls();
  assert.deepEqual(checkEntryEvent(interrupt, long(), c), []);
  assert.deepEqual(checkEntryEvent({ type: 'hardwareException', vector: 13, errorCode: 0 }, long(), c), []);
  assert.deepEqual(checkEntryEvent({ type: 'hardwareException', vector: 13 }, realModeState(), c), []);
});
