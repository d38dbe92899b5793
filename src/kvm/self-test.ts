// Tiny guests that show whether a /dev/kvm runs unmodified operating systems, and fast: not every one does.
// Intel SDM Vol. 3A, "32-Bit Paging", "Fast System Calls in 64-Bit Mode"; Vol. 1, "x87 FPU", "SSE".
import { CR4, EFER, Gpr } from '../arch/index.js';
import { type CpuState, type EngineCheck, flatProtectedState, longModeState, type VmExit } from '../vmx/index.js';
import type { KvmVcpu } from './kvm-vcpu.js';
import { type KvmHost, KvmVm } from './kvm-vm.js';

/** A guest that runs slower than this at CPL 0 is better off with the software engine. */
export const MIN_MIPS = 100;

const MEMORY_BYTES = 2 << 20;
const TSC_HZ = 1_000_000_000;
const CODE = 0x1000;
const USER = 0x2000;
const DATA = 0x3000;
const TABLES = 0x4000;
const STACK = 0x9000;
/** Entry budget: no guest here needs a hundredth of it on hardware. */
const BUDGET_NS = 10_000_000;
const SPEED_NS = 8_000_000;
const RESULT_PORT = 0x80;

interface Trial {
  readonly name: string;
  /** "hex assembly", as in the conformance guests. */
  readonly code: readonly string[];
  readonly user?: readonly string[];
  readonly state: () => CpuState;
  /** Words written before it runs. */
  readonly memory?: readonly (readonly [gpa: number, value: number])[];
  /** What it writes to port 80H. */
  readonly expected: number;
  /** What works when it passes. */
  readonly good: string;
}

const flat = (cr4 = 0): CpuState => {
  const s = flatProtectedState(CODE, STACK);
  s.cr4 = BigInt(cr4);
  return s;
};
const ONE = 0x3f80_0000;
const TWO = 0x4000_0000;

const SYSCALL_CS = 0x08;
/** SYSRET takes CS from this base + 16 and SS from it + 8. */
const SYSRET_BASE = 0x10;

const TRIALS: readonly Trial[] = [
  {
    name: '32-bit paging',
    code: [
      'b800400000       mov eax, TABLES',
      '0f22d8           mov cr3, eax',
      '0f20c0           mov eax, cr0',
      '0d00000080       or eax, 0x80000000',
      '0f22c0           mov cr0, eax',
      'eb00             jmp $+2',
      'a100004000       mov eax, [0x400000]',
      'e780             out 0x80, eax',
      'f4               hlt',
    ],
    state: flat,
    memory: [
      [TABLES, 0x5003],
      [TABLES + 4, 0x6003],
      ...Array.from({ length: 16 }, (_, i): [number, number] => [0x5000 + 4 * i, (i << 12) | 3]),
      [0x6000, DATA | 3],
      [DATA, 0x5041_4745],
    ],
    expected: 0x5041_4745,
    good: 'a guest at CPL 0 turned it on',
  },
  {
    name: 'SSE at CPL 0',
    code: [
      'b80000803f       mov eax, 1.0',
      '660f6ec0         movd xmm0, eax',
      'f30f58c0         addss xmm0, xmm0',
      '660f7ec0         movd eax, xmm0',
      'e780             out 0x80, eax',
      'f4               hlt',
    ],
    state: () => flat(CR4.OSFXSR | CR4.OSXMMEXCPT),
    expected: TWO,
    good: 'ADDSS gave the right sum',
  },
  {
    name: 'x87 at CPL 0',
    code: [
      'dbe3             fninit',
      'd90500300000     fld dword [DATA]',
      'd8c0             fadd st0, st0',
      'd91d00300000     fstp dword [DATA]',
      'a100300000       mov eax, [DATA]',
      'e780             out 0x80, eax',
      'f4               hlt',
    ],
    state: flat,
    memory: [[DATA, ONE]],
    expected: TWO,
    good: 'FADD gave the right sum',
  },
  {
    name: 'SYSCALL and SYSRET',
    // the kernel's part goes to ring 3 by SYSRET; what follows is where SYSCALL comes back to
    code: [
      'b900200000       mov ecx, USER',
      '41bb02000000     mov r11d, 2',
      '480f07           sysretq',
      '8cca             mov edx, cs',
      'c1e010           shl eax, 16',
      '09d0             or eax, edx',
      'e780             out 0x80, eax',
      'f4               hlt',
    ],
    user: ['8cc8             mov eax, cs', '0f05             syscall'],
    state: () => {
      const s = longModeState(BigInt(CODE), TABLES, BigInt(STACK));
      s.efer |= BigInt(EFER.SCE);
      s.star = (BigInt(SYSRET_BASE) << 48n) | (BigInt(SYSCALL_CS) << 32n);
      s.lstar = BigInt(CODE + 14);
      s.fmask = 0n;
      return s;
    },
    memory: [
      [TABLES, 0x5007],
      [TABLES + 4, 0],
      [0x5000, 0x6007],
      [0x5004, 0],
      [0x6000, 0x87],
      [0x6004, 0],
    ],
    expected: (((SYSRET_BASE + 16) | 3) << 16) | SYSCALL_CS,
    good: 'ring 3 and back',
  },
];

const bytesOf = (lines: readonly string[]): Uint8Array =>
  Uint8Array.from(lines.flatMap((l) => (l.split(' ', 1)[0]?.match(/../g) ?? []).map((h) => Number.parseInt(h, 16))));

function describe(exit: VmExit): string {
  switch (exit.name) {
    case 'tripleFault':
      return 'the guest ended in a triple fault';
    case 'internalError':
      return exit.message;
    case 'entryFailureGuestState':
      return `VM entry failed: ${exit.failed.join('; ')}`;
    case 'preemptionTimer':
      return `the guest did not end within ${BUDGET_NS / 1e6} ms`;
    default:
      return `unexpected exit ${exit.name}`;
  }
}

function runTrial(vm: KvmVm, vcpu: KvmVcpu, t: Trial): { ok: boolean; detail: string } {
  vm.memory.loadBytes(CODE, bytesOf(t.code));
  if (t.user) vm.memory.loadBytes(USER, bytesOf(t.user));
  for (const [gpa, value] of t.memory ?? []) vm.memory.writeU32(gpa, value);
  vcpu.writeState(t.state());
  const exit = vcpu.enter((BUDGET_NS * vm.tscHz) / 1e9);
  if (exit.name !== 'ioInstruction' || exit.port !== RESULT_PORT) return { ok: false, detail: describe(exit) };
  const ok = exit.value >>> 0 === t.expected >>> 0;
  const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;
  return { ok, detail: ok ? t.good : `the guest computed ${hex(exit.value)}, expected ${hex(t.expected)}` };
}

/** mov ecx,-1; 1: dec ecx; jnz 1b; hlt */
const LOOP = Uint8Array.of(0xb9, 0xff, 0xff, 0xff, 0xff, 0x49, 0x75, 0xfd, 0xf4);

function runSpeed(vm: KvmVm, vcpu: KvmVcpu): { ok: boolean; detail: string } {
  vm.memory.loadBytes(CODE, LOOP);
  vcpu.writeState(flat());
  const begin = performance.now();
  const exit = vcpu.enter((SPEED_NS * vm.tscHz) / 1e9);
  const us = (performance.now() - begin) * 1000;
  if (exit.name !== 'preemptionTimer' && exit.name !== 'hlt') return { ok: false, detail: describe(exit) };
  const rounds = 0xffff_ffff - Number(vcpu.readGpr(Gpr.RCX) & 0xffff_ffffn);
  const mips = (2 * rounds) / us;
  const shown = mips < 10 ? mips.toFixed(1) : mips.toFixed(0);
  return { ok: mips >= MIN_MIPS, detail: `${shown} million instructions per second, ${MIN_MIPS} are needed` };
}

/** Runs all trials in one VM. */
export function selfTest(host: KvmHost): EngineCheck[] {
  const vm = new KvmVm(host, {
    memoryBytes: MEMORY_BYTES,
    vcpus: 1,
    time: 'real',
    tscHz: TSC_HZ,
    nowNs: () => performance.now() * 1e6,
  });
  try {
    const vcpu = vm.vcpus[0] as KvmVcpu;
    const timed = (name: string, work: () => { ok: boolean; detail: string }): EngineCheck => {
      const begin = performance.now();
      let result: { ok: boolean; detail: string };
      try {
        result = work();
      } catch (error) {
        result = { ok: false, detail: error instanceof Error ? error.message : String(error) };
      }
      return { name, ...result, selfTest: true, ms: performance.now() - begin };
    };
    return [
      ...TRIALS.map((t) => timed(t.name, () => runTrial(vm, vcpu, t))),
      timed('speed at CPL 0', () => runSpeed(vm, vcpu)),
    ];
  } finally {
    vm.close();
  }
}
