// The VMCS object: VMREAD and VMWRITE rules, conversion from and to CpuState.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BugError } from '../base/index.js';
import { longModeState, realModeState, resetState, Vmcs, VmcsField, VmInstructionError } from './index.js';
import { plainControls } from './testing.js';

test('VMWRITE refuses exit information and unknown fields with the SDM error numbers', () => {
  const vmcs = new Vmcs();
  assert.equal(vmcs.vmwrite(VmcsField.EXIT_REASON, 1n), VmInstructionError.WRITE_TO_READ_ONLY);
  assert.equal(vmcs.vmwrite(0x7ffe, 1n), VmInstructionError.UNSUPPORTED_COMPONENT);
  assert.equal(vmcs.vmread(0x7ffe), null);
  assert.equal(vmcs.vmread(VmcsField.EXIT_REASON), 0n);
});

test('an odd encoding reads and writes the upper half of a 64-bit field, and of no other', () => {
  const vmcs = new Vmcs();
  assert.equal(vmcs.vmwrite(VmcsField.TSC_OFFSET, 0x1111_2222_3333_4444n), 0);
  assert.equal(vmcs.vmread(VmcsField.TSC_OFFSET + 1), 0x1111_2222n);
  assert.equal(vmcs.vmwrite(VmcsField.TSC_OFFSET + 1, 0xaaaa_bbbbn), 0);
  assert.equal(vmcs.vmread(VmcsField.TSC_OFFSET), 0xaaaa_bbbb_3333_4444n);
  assert.equal(vmcs.vmread(VmcsField.GUEST_RIP + 1), null);
  assert.equal(vmcs.vmwrite(VmcsField.GUEST_CS_SELECTOR + 1, 0n), VmInstructionError.UNSUPPORTED_COMPONENT);
});

test('VMWRITE cuts to the width of the field; set refuses what does not fit', () => {
  const vmcs = new Vmcs();
  vmcs.vmwrite(VmcsField.GUEST_CS_SELECTOR, 0x12345n);
  assert.equal(vmcs.get(VmcsField.GUEST_CS_SELECTOR), 0x2345n);
  assert.throws(() => vmcs.set(VmcsField.GUEST_CS_SELECTOR, 0x12345), BugError);
});

test('the guest-state area survives CpuState -> VMCS -> CpuState', () => {
  const s = longModeState(0xffff_ffff_8100_0000n, 0x1000, 0xffff_8000_0000_1000n);
  s.segments.gs.base = 0xffff_8880_0000_0000n;
  s.gdtr = { base: 0xffff_ffff_8200_0000n, limit: 0x7f };
  s.activity = 'hlt';
  s.interruptibility = 8;
  s.sysenterCs = 0x10;
  s.dr[5] = 0x401n;
  const back = new Vmcs().fromCpuState(s).toCpuState(s);
  assert.deepEqual(back, s);
  const from = new Vmcs().fromCpuState(s).toCpuState(resetState());
  assert.deepEqual(from.segments, s.segments);
  assert.equal(from.rip, s.rip);
  assert.equal(from.gpr[4], s.gpr[4]);
  assert.equal(from.activity, 'hlt');
  assert.equal(from.gpr[0], resetState().gpr[0]);
});

test('controls and exit information appear under their fields', () => {
  const vmcs = new Vmcs().fromControls({ ...plainControls(), tscOffset: -1n, exceptionBitmap: 1 << 14 });
  assert.equal(vmcs.get(VmcsField.TSC_OFFSET), 0xffff_ffff_ffff_ffffn);
  assert.equal(vmcs.get(VmcsField.EXCEPTION_BITMAP), 0x4000n);
  vmcs.fromExit({ name: 'eptViolation', gpa: 0xfee00020, sizeBytes: 4, isWrite: true, value: 0n });
  assert.equal(vmcs.get(VmcsField.EXIT_REASON), 48n);
  assert.equal(vmcs.get(VmcsField.GUEST_PHYSICAL_ADDRESS), 0xfee00020n);
  assert.equal(vmcs.get(VmcsField.EXIT_QUALIFICATION), 2n);
  vmcs.fromExit({ name: 'entryFailureGuestState', failed: [] });
  assert.equal(vmcs.get(VmcsField.EXIT_REASON), 0x8000_0021n);
});

test('format lists the non-zero fields by name', () => {
  const text = new Vmcs().fromCpuState(realModeState(0, 0x7c00)).format();
  assert.match(text, /^GUEST_RIP 0x7c00$/m);
  assert.doesNotMatch(text, /HOST_/);
});
