// The facts agree with each other: masks with layouts, decoders with encoders, rows with the manual's examples.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as arch from './index.js';

const agree = (
  name: string,
  masks: Record<string, number>,
  layout: { mask(n: never): number; fields: object },
): void => {
  test(`${name}: masks and layout name the same bits`, () => {
    for (const [key, mask] of Object.entries(masks)) {
      if (key in layout.fields) assert.equal(mask >>> 0, layout.mask(key as never) >>> 0, key);
    }
    for (const key of Object.keys(layout.fields)) {
      if (!/^(RW|LEN)\d$/.test(key)) assert.ok(key in masks, `${key} has no mask`);
    }
  });
};
agree('EFLAGS', arch.EFLAGS, arch.EFLAGS_LAYOUT);
agree('CR0', arch.CR0, arch.CR0_LAYOUT);
agree('CR4', arch.CR4, arch.CR4_LAYOUT);
agree('EFER', arch.EFER, arch.EFER_LAYOUT);
agree('XCR0', arch.XCR0, arch.XCR0_LAYOUT);
agree('DR6', arch.DR6, arch.DR6_LAYOUT);
agree('DR7', arch.DR7, arch.DR7_LAYOUT);
agree('#PF error code', arch.PF_ERROR, arch.PF_ERROR_LAYOUT);

test('CR0 and EFLAGS: defined and reserved masks cover the layouts', () => {
  assert.equal(
    Object.values(arch.CR0).reduce((a, b) => a + b, 0),
    arch.CR0_DEFINED,
  );
  assert.equal((arch.EFLAGS_DEFINED | arch.EFLAGS.FIXED1 | arch.EFLAGS_RESERVED) >>> 0, 0xffffffff);
  assert.equal(arch.EFLAGS_DEFINED & arch.EFLAGS_RESERVED, 0);
});

test('no two CPUID features share a bit', () => {
  const seen = new Map<string, string>();
  for (const [name, f] of Object.entries(arch.CPUID_FEATURES)) {
    const key = `${f.leaf}/${f.subleaf}/${f.register}/${f.bit}`;
    assert.equal(seen.get(key), undefined, `${name} and ${seen.get(key)} share ${key}`);
    seen.set(key, name);
  }
});

test('featureMask gathers one register only', () => {
  const mask = arch.featureMask(new Set(['fpu', 'sse2', 'sse3', 'hypervisor', 'nx']), 1, 0, 'edx');
  assert.equal(mask, (1 << 0) | (1 << 26));
  assert.equal(arch.featureMask(new Set(['hypervisor']), 1, 0, 'ecx'), 0x80000000);
});

test('cpuidSignature follows the extended model and family rules', () => {
  assert.equal(arch.cpuidSignature(6, 0x3a, 9), 0x306a9); // Ivy Bridge
  assert.equal(arch.cpuidSignature(0x17, 0x01, 2), 0x800f12); // family 17h
});

test('exceptions: error codes and classes are those of the double-fault table', () => {
  assert.equal(
    arch.ERROR_CODE_VECTORS,
    (1 << 8) | (1 << 10) | (1 << 11) | (1 << 12) | (1 << 13) | (1 << 14) | (1 << 17) | (1 << 21),
  );
  assert.equal(arch.CONTRIBUTORY_VECTORS, 1 | (1 << 10) | (1 << 11) | (1 << 12) | (1 << 13) | (1 << 21));
  assert.equal(arch.combineExceptions(arch.Exception.GP, arch.Exception.NP), 'doubleFault');
  assert.equal(arch.combineExceptions(arch.Exception.GP, arch.Exception.PF), 'serial');
  assert.equal(arch.combineExceptions(arch.Exception.PF, arch.Exception.GP), 'doubleFault');
  assert.equal(arch.combineExceptions(arch.Exception.UD, arch.Exception.GP), 'serial');
  assert.equal(arch.combineExceptions(arch.Exception.DF, arch.Exception.PF), 'shutdown');
});

test('a flat 4 GiB code segment decodes to VMCS access rights and a byte limit', () => {
  const d = arch.decodeDescriptor(0x00cf_9b00_0000_ffffn);
  assert.deepEqual(d, { base: 0n, limit: 0xffffffff, accessRights: 0xc09b });
  assert.equal(arch.encodeDescriptor(d), 0x00cf_9b00_0000_ffffn);
});

test('descriptor bases survive a round trip, 8 and 16 bytes', () => {
  const d = { base: 0x8912_3456n, limit: 0x67, accessRights: 0x008b };
  const low = arch.encodeDescriptor(d);
  assert.deepEqual(arch.decodeDescriptor(low), d);
  assert.equal(arch.decodeDescriptor16(low, 0xffff_8000n).base, 0xffff_8000_8912_3456n);
});

test('a long-mode interrupt gate decodes with its IST', () => {
  const gate = arch.decodeGate(0x8123_8e02_0010_4567n, 0xffff_ffffn);
  assert.deepEqual(gate, {
    selector: 0x10,
    offset: 0xffff_ffff_8123_4567n,
    type: 14,
    dpl: 0,
    present: true,
    parameterOrIst: 2,
  });
});

test('canonical addresses end where bit 47 is no longer copied', () => {
  assert.equal(arch.isCanonical(0x0000_7fff_ffff_ffffn), true);
  assert.equal(arch.isCanonical(0x0000_8000_0000_0000n), false);
  assert.equal(arch.isCanonical(0xffff_8000_0000_0000n), true);
});

test('the operating mode follows PE, LMA, VM and CS.L', () => {
  assert.equal(arch.operatingMode(0x10, 0, 2, false), 'real');
  assert.equal(arch.operatingMode(0x11, 0, 2, false), 'protected');
  assert.equal(arch.operatingMode(0x11, 0, 0x20002, false), 'virtual8086');
  assert.equal(arch.operatingMode(0x80000011, 0x500, 2, false), 'compatibility');
  assert.equal(arch.operatingMode(0x80000011, 0x500, 2, true), 'long64');
});

test('MSR names go both ways', () => {
  assert.equal(arch.msrName(0xc0000080), 'IA32_EFER');
  assert.equal(arch.msrName(0x80b), 'X2APIC+b');
  assert.equal(arch.msrName(0x12345), null);
});
