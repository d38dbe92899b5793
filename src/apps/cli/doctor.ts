// `pcanel doctor`: what this host offers to the engines, and which one `auto` takes and why.
// Sources: Linux Documentation/virt/kvm/api.rst; WebAssembly core specification, "Binary Format", for the probes.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import os from 'node:os';
import { KVM_DEVICE, type KvmModule, kvmModules } from '../../kvm/index.js';
import type { EngineCheck, EngineProbe } from '../../vmx/index.js';
import { createKvmEngine, createSoftwareEngine } from './engines.js';
import { ExitCode } from './report.js';

/** Modules of one function or memory each, which only an implementation with the feature takes for valid. */
const WASM_PROBES: Readonly<Record<string, readonly number[]>> = {
  simd: [1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
  threads: [1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 5, 4, 1, 3, 1, 1, 10, 11, 1, 9, 0, 65, 0, 254, 16, 2, 0, 26, 11],
  tailCall: [1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 6, 1, 4, 0, 18, 0, 11],
  relaxedSimd: [1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11],
  memory64: [5, 3, 1, 4, 1],
};
/** What the software engine needs of them. */
const WASM_NEEDED: readonly string[] = ['simd', 'threads'];
const WASM_HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** Programs, and what lacks without them. */
const PROGRAMS: readonly (readonly [name: string, use: string])[] = [
  ['apt-get', 'guest images by name'],
  ['dpkg-deb', 'guest images by name'],
  ['gcc', 'building the RTOS guest'],
  ['make', 'building the RTOS guest'],
];

export interface DoctorReport {
  readonly host: { readonly system: string; readonly kernel: string; readonly cpu: string; readonly node: string };
  readonly kvm: {
    readonly device: string;
    /** Mode and owner as `ls -l` shows them, or what is wrong. */
    readonly permissions: string;
    readonly accessible: boolean;
    readonly modules: readonly KvmModule[];
    readonly checks: readonly EngineCheck[];
    readonly capabilities: readonly { readonly name: string; readonly value: number; readonly needed: boolean }[];
  };
  readonly software: EngineProbe;
  readonly sharedArrayBuffer: boolean;
  readonly wasm: Readonly<Record<string, boolean>>;
  readonly programs: readonly { readonly name: string; readonly found: boolean; readonly use: string }[];
  /** What `engine: auto` takes. */
  readonly auto: { readonly engine: 'software' | 'kvm'; readonly reason: string };
}

function permissions(device: string): { text: string; accessible: boolean } {
  try {
    const s = statSync(device);
    const text = `mode ${(s.mode & 0o777).toString(8)}, user ${s.uid}, group ${s.gid}`;
    try {
      accessSync(device, constants.R_OK | constants.W_OK);
      return { text, accessible: true };
    } catch {
      return { text: `${text}; this user (${process.getuid?.() ?? '?'}) may not read and write it`, accessible: false };
    }
  } catch (error) {
    return { text: error instanceof Error && 'code' in error ? String(error.code) : String(error), accessible: false };
  }
}

const hasProgram = (name: string): boolean => spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined;

/** Looks at everything; starts no guest but those of the self-test. */
export async function examineHost(): Promise<DoctorReport> {
  const device = process.env.PCANEL_KVM_DEVICE ?? KVM_DEVICE;
  const kvm = await createKvmEngine();
  const probe = await kvm.probe();
  const { text, accessible } = permissions(device);
  const failed = probe.checks.find((c) => !c.ok);
  const wasm = Object.fromEntries(
    Object.entries(WASM_PROBES).map(([name, body]) => [
      name,
      WebAssembly.validate(Uint8Array.from([...WASM_HEADER, ...body])),
    ]),
  );
  return {
    host: {
      system: `${process.platform} on ${process.arch}`,
      kernel: `${os.type()} ${os.release()}`,
      cpu: `${os.cpus()[0]?.model.trim() ?? 'unknown'}, ${os.availableParallelism()} cores`,
      node: `${process.version} (V8 ${process.versions.v8})`,
    },
    kvm: {
      device,
      permissions: text,
      accessible,
      modules: kvmModules(),
      checks: probe.checks,
      capabilities: await kvm.capabilities(),
    },
    software: await (await createSoftwareEngine()).probe(),
    sharedArrayBuffer: typeof SharedArrayBuffer !== 'undefined',
    wasm,
    programs: PROGRAMS.map(([name, use]) => ({ name, found: hasProgram(name), use })),
    auto:
      failed === undefined
        ? { engine: 'kvm', reason: 'every check passed; domains in virtual time run on software all the same' }
        : { engine: 'software', reason: `kvm fails '${failed.name}': ${failed.detail}` },
  };
}

const MARK_WIDTH = 5;
const NAME_WIDTH = 22;
const line = (mark: string, name: string, detail: string): string =>
  `  ${mark.padEnd(MARK_WIDTH)}${name.padEnd(NAME_WIDTH)}${detail}`.trimEnd();
const checkLine = (c: EngineCheck): string =>
  line(c.ok ? 'ok' : 'FAIL', c.name, `${c.detail}${c.ms === undefined ? '' : ` (${c.ms.toFixed(1)} ms)`}`);

/** The report as text. */
export function describeHost(r: DoctorReport): string {
  const { kvm } = r;
  const list = (all: readonly { name: string; value: number }[]): string =>
    all.map((c) => (c.value <= 1 ? c.name : `${c.name}=${c.value}`)).join(' ');
  const missing = kvm.capabilities.filter((c) => c.value === 0);
  const present = kvm.capabilities.filter((c) => c.value > 0);
  const spent = kvm.checks.reduce((sum, c) => sum + (c.selfTest ? (c.ms ?? 0) : 0), 0);
  return [
    `Host: ${r.host.system}, ${r.host.kernel}, ${r.host.cpu}, Node.js ${r.host.node}`,
    '',
    'Engine kvm',
    line(kvm.accessible ? 'ok' : 'no', kvm.device, kvm.permissions),
    line(
      kvm.modules.length > 0 ? 'ok' : 'no',
      'module',
      kvm.modules.join(', ') || 'none of kvm_intel, kvm_amd, kvm_pvm',
    ),
    ...kvm.checks.map(checkLine),
    ...(spent > 0 ? [line('', 'self-test', `${spent.toFixed(0)} ms in all`)] : []),
    ...(present.length > 0 ? [line('', 'has', list(present))] : []),
    ...(missing.length > 0 ? [line('', 'lacks', list(missing))] : []),
    '',
    'Engine software',
    ...r.software.checks.map(checkLine),
    ...Object.entries(r.wasm).map(([name, has]) =>
      line(
        has ? 'ok' : WASM_NEEDED.includes(name) ? 'FAIL' : 'no',
        `wasm ${name}`,
        has || WASM_NEEDED.includes(name) ? '' : 'not needed',
      ),
    ),
    '',
    'Programs',
    ...r.programs.map((p) => line(p.found ? 'ok' : 'no', p.name, `for ${p.use}`)),
    '',
    `engine: auto takes ${r.auto.engine}: ${r.auto.reason}`,
  ].join('\n');
}

/** `pcanel doctor`; fails where no engine works. */
export async function doctor(json: boolean): Promise<number> {
  const report = await examineHost();
  process.stdout.write(`${json ? JSON.stringify(report, null, 1) : describeHost(report)}\n`);
  const any = report.auto.engine === 'kvm' || report.software.usable;
  return any ? ExitCode.OK : ExitCode.HOST;
}
