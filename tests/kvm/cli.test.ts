// Engine kvm through the command line program: the doctor's report, refusals, and the real-time kernel running on /dev/kvm.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { repository, rtosFile } from '../support/guests.js';
import { kvmMissing } from './host.js';

const missing = await kvmMissing();
const rtos = await rtosFile();
const work = mkdtempSync(join(tmpdir(), 'pcanel-kvm-'));
after(() => rmSync(work, { recursive: true, force: true }));

const program = join(repository, 'bin/pcanel.js');
const elf = join(repository, 'guests/rtos/build/rtos.elf');
function pcanel(args: readonly string[], input = '', extra: Record<string, string> = {}) {
  const env = { ...process.env, XDG_RUNTIME_DIR: work, ...extra };
  const r = spawnSync(process.execPath, [program, ...args], {
    cwd: repository,
    encoding: 'utf8',
    env,
    input,
    timeout: 120_000,
    killSignal: 'SIGKILL',
  });
  return { code: r.status, out: r.stdout, err: r.stderr };
}
const hidden = { PCANEL_KVM_DEVICE: '/nowhere/kvm' };

/** A loader under which koffi does not exist. */
function withoutKoffi(): Record<string, string> {
  const hooks = `export async function resolve(name, context, next) {
    if (name === 'koffi') throw Object.assign(new Error("Cannot find package 'koffi'"), { code: 'ERR_MODULE_NOT_FOUND' });
    return next(name, context);
  }`;
  const file = join(work, 'no-koffi.mjs');
  const url = `data:text/javascript,${encodeURIComponent(hooks)}`;
  writeFileSync(file, `import { register } from 'node:module';\nregister(${JSON.stringify(url)});\n`);
  return { NODE_OPTIONS: `--import=${file}` };
}

test('doctor --json tells of device, checks, runtime, programs and what auto takes', () => {
  const r = pcanel(['doctor', '--json']);
  assert.equal(r.code, 0, r.err);
  const report = JSON.parse(r.out);
  assert.deepEqual(Object.keys(report), ['host', 'kvm', 'software', 'sharedArrayBuffer', 'wasm', 'programs', 'auto']);
  const failed = report.kvm.checks.find((c: { ok: boolean }) => !c.ok);
  assert.equal(report.auto.engine, failed === undefined ? 'kvm' : 'software');
  if (failed !== undefined) assert.equal(report.auto.reason, `kvm fails '${failed.name}': ${failed.detail}`);
  assert.equal(report.wasm.simd && report.wasm.threads, true);
  if (missing === null) assert.ok(report.kvm.capabilities.some((c: { name: string }) => c.name === 'SYNC_REGS'));
});

test('doctor without /dev/kvm names the device and takes the software engine', () => {
  const r = pcanel(['doctor'], '', hidden);
  assert.equal(r.code, 0, r.err);
  assert.match(r.out, /^ {2}no {3}\/nowhere\/kvm +ENOENT$/m);
  assert.match(r.out, /^ {2}ok {3}wasm simd$/m);
  assert.match(r.out, /^engine: auto takes software: kvm fails 'device': \/nowhere\/kvm does not exist/m);
});

test('--engine kvm without /dev/kvm is an error that names the failed check', { skip: rtos.skip }, () => {
  const r = pcanel(['run', '--multiboot', elf, '--engine', 'kvm', '--no-self-test'], '', hidden);
  assert.equal(r.code, 2);
  assert.match(
    r.err,
    /^pcanel: ENGINE_UNUSABLE: engine 'kvm' cannot be used: device: \/nowhere\/kvm does not exist.*\n$/,
  );
});

test('without koffi the doctor works, and engine kvm is refused with the reason', { skip: rtos.skip }, () => {
  const env = withoutKoffi();
  const r = pcanel(['doctor'], '', env);
  assert.equal(r.code, 0, r.err);
  assert.match(r.out, /^ {2}FAIL koffi +the package 'koffi' cannot be loaded \(Cannot find package 'koffi'\)/m);
  const refused = pcanel(['run', '--multiboot', elf, '--engine', 'kvm'], '', env);
  assert.equal(refused.code, 2);
  assert.match(
    refused.err,
    /ENGINE_UNUSABLE: engine 'kvm' cannot be used: koffi: the package 'koffi' cannot be loaded/,
  );
});

test('engine auto runs a guest where KVM is missing', { skip: rtos.skip }, () => {
  const args = ['run', '--multiboot', elf, '--time', 'real', '--timeout', '60'];
  const r = pcanel(args, 'poweroff\n', { ...hidden, ...withoutKoffi() });
  assert.equal(r.code, 1, r.out + r.err); // debug exit with 0: (0 << 1) | 1
  assert.match(r.out, /poweroff: debug exit/);
});

test('an engine whose self-test fails is refused with the name of the check', { skip: missing ?? rtos.skip }, (t) => {
  const { checks } = JSON.parse(pcanel(['doctor', '--json']).out).kvm;
  const failed = checks.find((c: { ok: boolean }) => !c.ok);
  if (failed === undefined) return t.skip('the self-test passes here');
  const r = pcanel(['run', '--multiboot', elf, '--engine', 'kvm']);
  assert.equal(r.code, 2);
  assert.ok(r.err.startsWith(`pcanel: ENGINE_UNUSABLE: engine 'kvm' cannot be used: ${failed.name}: `), r.err);
  assert.match(r.err, /'selfTest: false' \(--no-self-test\) runs the guest all the same\n$/);
});

test('engine kvm in virtual time is refused', { skip: missing ?? rtos.skip }, () => {
  const r = pcanel(['run', '--multiboot', elf, '--engine', 'kvm', '--no-self-test', '--time', 'virtual']);
  assert.equal(r.code, 2);
  assert.match(r.err, /^pcanel: ENGINE_TIME: engine 'kvm' runs in real time only/);
});

test('examples/rtos-kvm.yaml: the real-time kernel runs on KVM in a worker', { skip: missing ?? rtos.skip }, () => {
  const r = pcanel(['up', 'examples/rtos-kvm.yaml', '--stats', '--timeout', '100']);
  assert.equal(r.code, 0, r.out + r.err);
  assert.match(r.out, /^rtos \| pi: PASS/m);
  assert.match(r.out, /^rtos \| tPeriodic +[0-9a-f]+ /m);
  assert.match(r.out, /^rtos \| tPeriodic: period .* runs, missed ticks \d+/m);
  assert.match(r.err, /^pcanel: rtos: ended with debug-exit status 1$/m);
  assert.match(r.err, /^ {2}cpu +0, engine kvm, 16 MiB, real time$/m);
  assert.match(r.err, /^ {2}VM entries +\d+$/m);
});

test('a guest that loops with interrupts off on KVM does not keep the program', { skip: missing ?? rtos.skip }, () => {
  const args = ['run', '--multiboot', elf, '--cmdline', 'flat quiet', '--engine', 'kvm', '--no-self-test'];
  const r = pcanel([...args, '--timeout', '12'], 'hang\n');
  assert.equal(r.code, 124, r.out + r.err);
  assert.match(r.out, /hang/);
});

test('without /dev/kvm the tests of this engine are skipped with the reason', () => {
  const file = new URL('./conformance.test.js', import.meta.url).pathname;
  const { NODE_TEST_CONTEXT: _, ...rest } = process.env;
  const r = spawnSync(process.execPath, ['--test', '--test-reporter=tap', file], {
    encoding: 'utf8',
    env: { ...rest, ...hidden },
    timeout: 60_000,
  });
  assert.equal(r.status, 0, r.stdout + r.stderr);
  assert.match(r.stdout, /ok 1 - KVM conformance # SKIP no usable KVM: device: \/nowhere\/kvm does not exist/);
});
