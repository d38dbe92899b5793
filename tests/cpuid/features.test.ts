// CPUID reports exactly what works: every feature that a model announces on the software processor has its instructions, or is
// known to be something else than instructions; every feature that gates an encoding has a CPUID bit and is announced.
// Intel SDM Vol. 2A, "CPUID—CPU Identification".
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type CpuFeature, isCpuFeature } from '../../src/arch/index.js';
import { ALL_INSTRUCTIONS, Decoder } from '../../src/isa/index.js';
import { compileModules, SoftwareEngine } from '../../src/processor/index.js';
import { CPU_MODELS, cpuModel, guestFeatures, MONITOR_FEATURES } from '../../src/vmm/index.js';

/** Instructions that #UD without the feature; some of each set. */
const GATED: Partial<Record<CpuFeature, string>> = {
  fpu: 'fadd fld fnsave fsin',
  tsc: 'rdtsc',
  msr: 'rdmsr wrmsr',
  cx8: 'cmpxchg8b',
  sep: 'sysenter sysexit',
  cmov: 'cmovz fcmove fcomi',
  clfsh: 'clflush',
  mmx: 'emms paddb',
  fxsr: 'fxsave fxrstor',
  sse: 'addps ldmxcsr movaps sfence',
  sse2: 'addpd movdqa lfence mfence movnti',
  sse3: 'addsubps haddpd lddqu movddup fisttp',
  ssse3: 'pshufb palignr pmulhrsw',
  sse4_1: 'pblendvb roundps dpps ptest mpsadbw',
  sse4_2: 'pcmpestri pcmpistrm pcmpgtq crc32',
  pclmulqdq: 'pclmulqdq',
  aes: 'aesenc aesenclast aesdec aesdeclast aesimc aeskeygenassist',
  sha: 'sha1rnds4 sha1nexte sha1msg1 sha1msg2 sha256rnds2 sha256msg1 sha256msg2',
  monitor: 'monitor mwait',
  cmpxchg16b: 'cmpxchg16b',
  movbe: 'movbe',
  popcnt: 'popcnt',
  xsave: 'xsave xrstor xgetbv xsetbv',
  xsaveopt: 'xsaveopt',
  rdrand: 'rdrand',
  rdseed: 'rdseed',
  rdtscp: 'rdtscp',
  fsgsbase: 'rdfsbase rdgsbase wrfsbase wrgsbase',
  smap: 'clac stac',
  invpcid: 'invpcid',
  clflushopt: 'clflushopt',
  clwb: 'clwb',
};
/** Instructions of features that do not gate them: hints before they had a bit, or bound to 64-bit mode, which has its own. */
const UNGATED: Partial<Record<CpuFeature, string>> = {
  lahf: 'lahf sahf',
  syscall: 'syscall sysret',
  lm: 'swapgs movsxd',
  prefetchw: 'prefetchw',
  erms: 'movs stos',
  fsrm: 'movs',
  mce: 'mov_to_cr',
};
/** Paging, CR4 and the like: nothing that a decoder knows. */
const NO_INSTRUCTIONS: ReadonlySet<CpuFeature> = new Set<CpuFeature>([
  ...(['vme', 'de', 'pse', 'pae', 'pge', 'pat', 'pse36', 'pcid', 'smep', 'umip', 'nx', 'page1gb'] as const),
]);

const dist = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const engine = new SoftwareEngine(
  await compileModules({
    procedures: readFileSync(join(dist, 'procedures.wasm')),
    interpreter: readFileSync(join(dist, 'interpreter.wasm')),
  }),
);
const engineFeatures: ReadonlySet<CpuFeature> = engine.cpuFeatures;
const namesWith = (features: ReadonlySet<string>): ReadonlySet<string> =>
  new Set(new Decoder(ALL_INSTRUCTIONS, features).forms.map((form) => form.instruction.name));
const namesOf = (table: Partial<Record<CpuFeature, string>>, feature: CpuFeature): readonly string[] =>
  table[feature]?.split(' ') ?? [];
const rowsOf = (name: string) => ALL_INSTRUCTIONS.filter((i) => i.name === name).flatMap((i) => i.encodings);
const announced = (model: string): ReadonlySet<CpuFeature> =>
  guestFeatures({ model: cpuModel(model), engineFeatures, vcpus: 2, tscHz: 1e9, apicBusHz: 1e9 });

for (const { name } of CPU_MODELS) {
  test(`model ${name}: what CPUID announces exists, what it hides is #UD`, () => {
    const features = announced(name);
    assert.ok(features.has('fpu'));
    const known = namesWith(features);
    for (const feature of features) {
      const instructions = [...namesOf(GATED, feature), ...namesOf(UNGATED, feature)];
      const other = NO_INSTRUCTIONS.has(feature) || MONITOR_FEATURES.has(feature);
      assert.ok(other || instructions.length > 0, `'${feature}' has no row in the tables of this test`);
      for (const i of instructions) assert.ok(known.has(i), `'${feature}' is announced, ${i} is not decoded`);
    }
    for (const feature of Object.keys(GATED) as CpuFeature[]) {
      if (features.has(feature)) continue;
      for (const i of namesOf(GATED, feature)) {
        // another encoding of the name may need another feature only (MOVNTI, PADDB)
        if (rowsOf(i).every((e) => e.feature === feature))
          assert.ok(!known.has(i), `${i} is decoded without '${feature}'`);
      }
    }
  });
}

test('every feature that gates an encoding is a CPUID feature of the processor, and is in the tables here', () => {
  const used = new Set(ALL_INSTRUCTIONS.flatMap((i) => i.encodings.flatMap((e) => e.feature ?? [])));
  assert.ok(used.size > 25, `${used.size}`);
  for (const feature of used) {
    assert.ok(isCpuFeature(feature), `'${feature}' is no CPUID feature`);
    assert.ok(engineFeatures.has(feature), `'${feature}' gates instructions, the processor does not list it`);
    const names = namesOf(GATED, feature);
    assert.ok(names.length > 0, `'${feature}' has no row`);
  }
  for (const feature of Object.keys(GATED)) assert.ok(used.has(feature), `'${feature}' gates nothing`);
});

test('every instruction of the tables is gated by its feature', () => {
  for (const feature of Object.keys(GATED) as CpuFeature[])
    for (const name of namesOf(GATED, feature))
      assert.ok(
        rowsOf(name).some((e) => e.feature === feature),
        `no encoding of ${name} needs '${feature}'`,
      );
});

test("the largest model announces every instruction set of the processor but MONITOR, the monitor's to give", () => {
  const max = announced('max');
  for (const feature of engineFeatures) {
    if (feature !== 'monitor') assert.ok(max.has(feature), `'${feature}' works and no model announces it`);
  }
  assert.equal(max.has('monitor'), false);
  for (const feature of ['avx', 'avx2', 'fma', 'f16c', 'bmi1', 'bmi2', 'xsavec'] as const)
    assert.equal(max.has(feature), false, feature);
});

test('SHA and AES belong to the largest model, not to x86-64-v2', () => {
  for (const feature of ['sha', 'aes'] as const) {
    assert.equal(announced('max').has(feature), true, feature);
    assert.equal(announced('x86-64-v2').has(feature), false, feature);
  }
});
