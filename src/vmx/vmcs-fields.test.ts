// Intel SDM Vol. 3D, Appendix B: the derived width, area and access agree with what the names say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  VMCS_ENCODING,
  VMCS_FIELD_NAMES,
  VmcsField,
  vmcsArea,
  vmcsFieldName,
  vmcsReadOnly,
  vmcsWidth,
} from './index.js';

/** Names with the GUEST_ prefix that are exit information, and the one guest field without it. */
const EXIT_INFORMATION = ['GUEST_PHYSICAL_ADDRESS', 'GUEST_LINEAR_ADDRESS'];

test('the prefix of every field names its area', () => {
  for (const name of VMCS_FIELD_NAMES) {
    const area = vmcsArea(VmcsField[name]);
    if (EXIT_INFORMATION.includes(name)) assert.equal(area, 'exitInformation', name);
    else if (name === 'VMCS_LINK_POINTER') assert.equal(area, 'guestState', name);
    else if (name.startsWith('GUEST_')) assert.equal(area, 'guestState', name);
    else if (name.startsWith('HOST_')) assert.equal(area, 'hostState', name);
    else assert.ok(area === 'control' || area === 'exitInformation', name);
  }
});

test('encodings are unique, even, and use defined bits only', () => {
  assert.equal(new Set(Object.values(VmcsField)).size, VMCS_FIELD_NAMES.length);
  const defined = VMCS_ENCODING.mask('index') + VMCS_ENCODING.mask('area') + VMCS_ENCODING.mask('width');
  for (const name of VMCS_FIELD_NAMES) assert.equal(VmcsField[name] & ~defined, 0, name);
});

test('widths: selectors 16, limits and access rights 32, bases and CRs natural, addresses of bitmaps 64', () => {
  for (const name of VMCS_FIELD_NAMES) {
    const width = vmcsWidth(VmcsField[name]);
    if (/_SELECTOR$/.test(name)) assert.equal(width, 16, name);
    if (/_LIMIT$|_ACCESS_RIGHTS$/.test(name)) assert.equal(width, 32, name);
    if (/_BASE$|_CR[034]$|_RIP$|_RSP$/.test(name)) assert.equal(width, 'natural', name);
    if (/BITMAP_[AB]$|BITMAP_\d$|_PAT$|_EFER$/.test(name)) assert.equal(width, 64, name);
  }
});

test('well-known encodings', () => {
  assert.equal(VmcsField.GUEST_RIP, 0x681e);
  assert.equal(VmcsField.EXIT_REASON, 0x4402);
  assert.equal(VmcsField.HOST_RIP, 0x6c16);
  assert.equal(VmcsField.GUEST_VMX_PREEMPTION_TIMER_VALUE, 0x482e);
  assert.equal(VmcsField.SECONDARY_PROCESSOR_BASED_CONTROLS, 0x401e);
  assert.equal(vmcsFieldName(0x2012), 'VIRTUAL_APIC_ADDRESS');
  assert.equal(vmcsFieldName(0x482c), null);
});

test('only exit information is read-only', () => {
  assert.equal(vmcsReadOnly(VmcsField.EXIT_QUALIFICATION), true);
  assert.equal(vmcsReadOnly(VmcsField.GUEST_RIP), false);
  assert.equal(vmcsReadOnly(VmcsField.EXCEPTION_BITMAP), false);
});
