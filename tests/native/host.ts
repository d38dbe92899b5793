// The host processor as an oracle: compiles runner.c and hands it cases. Layouts are those of runner.c; the x87/SSE part is
// an FXSAVE image. Intel SDM Vol. 2A "FXSAVE".
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const CODE = 0x12000;
export const DATA = 0x14000;
export const DATA_BYTES = 0x2000;
export const STACK = 0x16000;
export const STACK_BYTES = 0x1000;
/** A taken branch lands here. */
export const TAKEN = CODE + 128;
export const RECORD_BYTES = 768;
const FX = 256;

export interface Fpu {
  fcw: number;
  fsw: number;
  /** Bit n: physical register n is not empty. */
  tags: number;
  mxcsr: number;
  /** R0..R7. */
  registers: bigint[];
  xmm: bigint[];
}
export interface HostCase {
  readonly gpr: readonly bigint[];
  readonly flags: bigint;
  readonly code: Uint8Array;
  /** Offset in the data area, 0xffffffff for none, and 32 bytes to put there. */
  readonly patch: number;
  readonly patchBytes: Uint8Array;
  readonly fpu: Fpu;
}
export interface HostResult {
  readonly gpr: bigint[];
  readonly flags: bigint;
  /** Exception vector, -1 if none. */
  readonly trap: number;
  readonly rip: bigint;
  readonly hash: number;
  readonly address: bigint;
  readonly window: Uint8Array;
  readonly fpu: Fpu;
}

const top = (fsw: number): number => (fsw >> 11) & 7;
function putFpu(view: DataView, f: Fpu): void {
  view.setUint16(FX, f.fcw, true);
  view.setUint16(FX + 2, f.fsw, true);
  view.setUint8(FX + 4, f.tags);
  view.setUint32(FX + 24, f.mxcsr, true);
  for (let i = 0; i < 8; i++) {
    const r = f.registers[(top(f.fsw) + i) & 7] as bigint;
    view.setBigUint64(FX + 32 + i * 16, BigInt.asUintN(64, r), true);
    view.setUint16(FX + 40 + i * 16, Number(r >> 64n), true);
  }
  f.xmm.forEach((x, i) => {
    view.setBigUint64(FX + 160 + i * 16, BigInt.asUintN(64, x), true);
    view.setBigUint64(FX + 168 + i * 16, x >> 64n, true);
  });
}
function getFpu(view: DataView): Fpu {
  const fsw = view.getUint16(FX + 2, true);
  const registers = new Array<bigint>(8).fill(0n);
  for (let i = 0; i < 8; i++) {
    const exponent = BigInt(view.getUint16(FX + 40 + i * 16, true));
    registers[(top(fsw) + i) & 7] = view.getBigUint64(FX + 32 + i * 16, true) | (exponent << 64n);
  }
  return {
    fcw: view.getUint16(FX, true),
    fsw,
    tags: view.getUint8(FX + 4),
    mxcsr: view.getUint32(FX + 24, true),
    registers,
    xmm: Array.from({ length: 16 }, (_, i) => {
      const low = view.getBigUint64(FX + 160 + i * 16, true);
      return low | (view.getBigUint64(FX + 168 + i * 16, true) << 64n);
    }),
  };
}

/** Memory of the guest as runner.c lays it out, into `image` at the same addresses. */
export function layOut(image: Uint8Array, c: HostCase): void {
  image.fill(0xcc, CODE, CODE + 0x1000);
  image.set(c.code, CODE);
  for (let i = 0; i < DATA_BYTES; i++) image[DATA + i] = i * 37 + (i >> 8) * 11;
  for (let i = 0; i < STACK_BYTES; i++) image[STACK + i] = i * 13;
  if (c.patch + 32 <= DATA_BYTES) image.set(c.patchBytes, DATA + c.patch);
}
export function hashOf(image: Uint8Array): number {
  let h = 0x811c9dc5;
  for (let i = DATA; i < DATA + DATA_BYTES; i++) h = Math.imul(h ^ (image[i] as number), 0x01000193);
  for (let i = STACK; i < STACK + STACK_BYTES; i++) h = Math.imul(h ^ (image[i] as number), 0x01000193);
  return h >>> 0;
}

/** Compiles the runner; a text says why it cannot. */
export function compileRunner(bits: 32 | 64): { readonly file: string } | string {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return `needs Linux on x86-64, this is ${process.platform} on ${process.arch}`;
  const file = join(mkdtempSync(join(tmpdir(), 'pcanel-native-')), `runner${bits}`);
  const flags = ['-O1', '-w', `-m${bits}`, '-fno-pie', '-no-pie', '-fno-stack-protector', '-mno-sse', '-mno-mmx'];
  if (bits === 64) flags.splice(flags.indexOf('-mno-sse'), 2);
  const built = spawnSync('gcc', [...flags, '-o', file, 'tests/native/runner.c'], { encoding: 'utf8' });
  if (built.error) return `gcc is missing (${built.error.message})`;
  if (built.status !== 0 || !existsSync(file) || statSync(file).size === 0)
    return `gcc -m${bits} fails: ${built.stderr.slice(0, 300)}`;
  return { file };
}
export function removeRunner(file: string): void {
  rmSync(join(file, '..'), { recursive: true, force: true });
}

/** Runs all cases in one process. */
export function runOnHost(file: string, cases: readonly HostCase[]): HostResult[] {
  const input = new Uint8Array(cases.length * RECORD_BYTES);
  cases.forEach((c, n) => {
    const view = new DataView(input.buffer, n * RECORD_BYTES, RECORD_BYTES);
    c.gpr.forEach((v, i) => {
      view.setBigUint64(i * 8, v, true);
    });
    view.setBigUint64(128, c.flags, true);
    view.setUint32(136, c.code.length, true);
    view.setUint32(140, c.patch, true);
    input.set(c.code, n * RECORD_BYTES + 144);
    input.set(c.patchBytes, n * RECORD_BYTES + 176);
    putFpu(view, c.fpu);
  });
  const run = spawnSync(file, [], { input, maxBuffer: cases.length * RECORD_BYTES + 4096, timeout: 120_000 });
  if (run.stdout === null || run.stdout.length !== input.length)
    throw new Error(
      `the runner answered ${(run.stdout?.length ?? 0) / RECORD_BYTES} of ${cases.length} cases, status ${run.status}, signal ${run.signal}: ${String(run.stderr)}`,
    );
  const output = new Uint8Array(run.stdout);
  return cases.map((_, n) => {
    const view = new DataView(output.buffer, output.byteOffset + n * RECORD_BYTES, RECORD_BYTES);
    const trap = view.getUint32(136, true);
    return {
      gpr: Array.from({ length: 16 }, (_x, i) => view.getBigUint64(i * 8, true)),
      flags: view.getBigUint64(128, true),
      trap: trap === 0xffff_ffff ? -1 : trap,
      rip: view.getBigUint64(144, true),
      hash: view.getUint32(152, true),
      address: view.getBigUint64(160, true),
      window: output.slice(n * RECORD_BYTES + 168, n * RECORD_BYTES + 232),
      fpu: getFpu(view),
    };
  });
}
/** CPUID features of the host by the names of the declarations; those it does not know count as present. */
export function hostFlags(): ReadonlySet<string> {
  const line = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
  return new Set(line.trim().split(/\s+/));
}
