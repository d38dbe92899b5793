// CPUID answers: nothing beyond the engine, dynamic bits, topology, timing leaves.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CPU_FEATURE_NAMES, type CpuFeature, CpuidLeaf, type CpuidResult } from '../arch/index.js';
import { ConfigError } from '../base/index.js';
import { CPU_MODELS, CpuidPolicy, cpuModel, guestFeatures, MONITOR_FEATURES } from './index.js';

const ALL: ReadonlySet<CpuFeature> = new Set(CPU_FEATURE_NAMES);
const policy = (change: Partial<ConstructorParameters<typeof CpuidPolicy>[0]> = {}) =>
  new CpuidPolicy({
    model: cpuModel('x86-64-v2'),
    engineFeatures: ALL,
    vcpus: 1,
    apicId: 0,
    tscHz: 2_500_000_000,
    apicBusHz: 1_000_000_000,
    ...change,
  });
const at = (p: CpuidPolicy, leaf: number, subleaf = 0, osxsave = false, apicEnabled = true, xcr0 = 3): CpuidResult =>
  p.answer(leaf, subleaf, { osxsave, apicEnabled, xcr0 });
const text = (...words: number[]): string =>
  words.map((w) => String.fromCharCode(w & 255, (w >> 8) & 255, (w >> 16) & 255, w >>> 24)).join('');

test('the vendor is GenuineIntel and the hypervisor leaf PcanelPcanel', () => {
  const v = at(policy(), 0);
  assert.equal(text(v.ebx, v.edx, v.ecx), 'GenuineIntel');
  const h = at(policy(), CpuidLeaf.HYPERVISOR_VENDOR);
  assert.equal(text(h.ebx, h.ecx, h.edx), 'PcanelPcanel');
  assert.equal(h.eax, 0x4000_0010);
});

test('a feature that the engine does not list is not announced, whatever the model says', () => {
  const few = policy({ engineFeatures: new Set<CpuFeature>(['fpu', 'tsc', 'msr', 'cx8', 'cmov']) });
  const f = at(few, 1);
  assert.equal(f.edx & (1 << 26), 0, 'sse2');
  assert.equal(f.edx & (1 << 15), 1 << 15, 'cmov');
  assert.equal(f.ecx & (1 << 23), 0, 'popcnt');
  for (const name of few.features) assert.ok(few.options.engineFeatures.has(name) || MONITOR_FEATURES.has(name), name);
  assert.equal(at(few, CpuidLeaf.EXTENDED_SIGNATURE).edx & (1 << 29), 0, 'lm');
});

test('a feature is dropped with what it needs', () => {
  const features = guestFeatures({ ...policy().options, without: ['sse3'] });
  assert.equal(features.has('sse2'), true);
  assert.equal(features.has('ssse3'), false);
  assert.equal(features.has('sse4_2'), false);
});

test('answers differ by subleaf only where the policy says so', () => {
  for (const { name } of CPU_MODELS) {
    const p = policy({ model: cpuModel(name), vcpus: 4 });
    const leaves = [...Array(0x30).keys(), 0x4000_0000, 0x4000_0001, 0x4000_0010, 0x4000_0100, 0xffff_ffff];
    for (const leaf of [...leaves, ...[...Array(16).keys()].map((n) => 0x8000_0000 + n)]) {
      const first = at(p, leaf);
      const alike = [...Array(10).keys()].every((n) => JSON.stringify(at(p, leaf, n)) === JSON.stringify(first));
      assert.ok(alike || p.hasSubleaves(leaf), `${name}: leaf ${leaf.toString(16)}`);
    }
    for (const { leaf, subleaf } of p.questions()) if (subleaf > 0) assert.ok(p.hasSubleaves(leaf));
  }
  assert.deepEqual(
    [1, 4, 0xb, 0x8000_0000].map((leaf) => policy().hasSubleaves(leaf)),
    [false, true, true, false],
  );
  // beyond the highest leaf the highest one answers
  assert.equal(policy({ model: cpuModel('core2') }).hasSubleaves(0x20), true);
});

test('OSXSAVE follows CR4 and APIC follows IA32_APIC_BASE', () => {
  assert.equal(at(policy(), 1, 0, true).ecx & (1 << 27), 1 << 27);
  assert.equal(at(policy(), 1, 0, false).ecx & (1 << 27), 0);
  assert.equal(at(policy(), 1).edx & (1 << 9), 1 << 9);
  assert.equal(at(policy(), 1, 0, false, false).edx & (1 << 9), 0);
});

test('leaf 15H multiplies the crystal to the TSC frequency; odd frequencies give none', () => {
  const t = at(policy(), CpuidLeaf.TSC);
  assert.deepEqual(t, { eax: 2, ebx: 5, ecx: 1_000_000_000, edx: 0 });
  assert.equal(at(policy({ tscHz: 2_494_140_123 }), CpuidLeaf.TSC).ecx, 0);
  assert.deepEqual(at(policy(), CpuidLeaf.HYPERVISOR_TIMING), { eax: 2_500_000, ebx: 1_000_000, ecx: 0, edx: 0 });
  assert.equal(at(policy(), CpuidLeaf.FREQUENCY).eax, 2500);
});

test('topology of four processors: one thread per core, four cores', () => {
  const p = policy({ vcpus: 4, apicId: 2 });
  assert.equal((at(p, 1).ebx >> 16) & 0xff, 4);
  assert.equal(at(p, 1).ebx >>> 24, 2);
  assert.equal(at(p, 1).edx & (1 << 28), 1 << 28);
  assert.deepEqual(at(p, CpuidLeaf.TOPOLOGY, 1), { eax: 2, ebx: 4, ecx: 0x201, edx: 2 });
  assert.equal(at(p, CpuidLeaf.DETERMINISTIC_CACHE, 0).eax >>> 26, 3);
  assert.equal(at(policy(), 1).edx & (1 << 28), 0);
});

test('XSAVE: x87 and SSE need 576 bytes, AVX 256 more', () => {
  assert.deepEqual(at(policy(), CpuidLeaf.XSAVE), { eax: 3, ebx: 576, ecx: 576, edx: 0 });
  const max = policy({ model: cpuModel('max') });
  assert.deepEqual(at(max, CpuidLeaf.XSAVE, 0, true, true, 7), { eax: 7, ebx: 832, ecx: 832, edx: 0 });
  assert.deepEqual(at(max, CpuidLeaf.XSAVE, 2), { eax: 256, ebx: 576, ecx: 0, edx: 0 });
  const none = policy({ engineFeatures: new Set([...ALL].filter((f) => f !== 'xsave')) });
  assert.equal(at(none, CpuidLeaf.XSAVE).eax, 0);
});

test('a leaf beyond the highest one reads like the highest basic leaf', () => {
  assert.deepEqual(at(policy(), 0x17), at(policy(), 0x16));
  assert.deepEqual(at(policy(), 0x8000_0009), at(policy(), 0x16));
  const old = policy({ model: cpuModel('i686') });
  assert.deepEqual(at(old, 0x4000_0000), at(old, 2));
});

test('the brand string and the address sizes', () => {
  const b = [2, 3, 4].map((n) => at(policy(), 0x8000_0000 + n));
  const name = b
    .map((r) => text(r.eax, r.ebx, r.ecx, r.edx))
    .join('')
    .replace(/\0+$/, '');
  assert.equal(name, 'Pcanel Virtual Processor (x86-64-v2)');
  assert.equal(at(policy(), CpuidLeaf.ADDRESS_SIZES).eax, 40 | (48 << 8));
});

test('an unknown model is a configuration error that lists the known ones', () => {
  assert.throws(
    () => cpuModel('pentium9'),
    (e) => e instanceof ConfigError && /'pentium9'.*x86-64-v2/.test(e.message),
  );
});

test('models only grow: what core2 has, v2 has too', () => {
  const [core2, v2, max] = ['core2', 'x86-64-v2', 'max'].map((n) => new Set(cpuModel(n).features));
  for (const f of core2!) assert.ok(v2!.has(f), f);
  for (const f of v2!) assert.ok(max!.has(f), f);
  assert.equal(CPU_MODELS.length, new Set(CPU_MODELS.map((m) => m.name)).size);
});
