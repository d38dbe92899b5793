// System instructions in regions against the interpreter: kernels that are entered and left over and over (SYSCALL, SYSENTER,
// INT, page faults), load segments, change CR3 and look at user pages. State, memory and instruction count are compared at
// the end of every budget.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type CpuState, type EngineVm, flatProtectedState, longModeState } from '../../vmx/index.js';
import { plainControls } from '../../vmx/testing.js';
import { compileModules } from '../modules.js';
import { SoftwareEngine } from '../software-engine.js';
import type { SoftwareVcpu } from '../testing.js';
import { JIT_MODES } from './options.js';

/** dist folder: this file runs from <dist>/src/processor/jit. */
const dist = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const modules = await compileModules({
  procedures: readFileSync(join(dist, 'procedures.wasm')),
  interpreter: readFileSync(join(dist, 'interpreter.wasm')),
});

const MEMORY = 2 << 20;
const KERNEL = 0x100000;
const KERNEL_STACK = 0x130000;
const KERNEL_DATA = 0x131000;
const USER = 0x140000;
const USER_DATA = 0x141000;
/** Where the second address space has the user's data. */
const OTHER_DATA = 0x142000;
/** A user page with data and a function that the kernel takes away, and what the second address space has there. */
const LAZY = 0x143000;
const OTHER_LAZY = 0x144000;
const USER_STACK = 0x146000;
const GDT = 0x132000;
const IDT = 0x133000;
const TSS = 0x134000;
const SPACES = [0x1000, 0x6000] as const;
const PAGE_FAULT = 14;
const GLOBAL = 0x100n;
const CR4_PGE = 0x80n;
/** Instructions of the longest guest. */
const MOST = 150_000;
const [RSP, RBP, RSI, RDI, R8, R9, R10, R13, R14] = [4, 5, 6, 7, 8, 9, 10, 13, 14] as const;

interface System {
  readonly kernel: string;
  readonly user: string;
  readonly descriptors: readonly bigint[];
  prepare(vm: EngineVm): CpuState;
}

/** Four levels that map 2 MiB one to one, from 140000H on for the user, too. Returns the table of the lowest level. */
function space(vm: EngineVm, root: number): number {
  for (let level = 0; level < 3; level++)
    vm.memory.writeU64(root + level * 4096, BigInt(root + (level + 1) * 4096) | 7n);
  const table = root + 3 * 4096;
  for (let n = 0; n < 512; n++)
    vm.memory.writeU64(table + n * 8, BigInt(n * 4096) | (n >= USER >> 12 ? 7n : GLOBAL | 3n));
  return table;
}
const gate = (handler: number, dpl: bigint): [bigint, bigint] => [
  BigInt(handler & 0xffff) | (8n << 16n) | ((0x8en | (dpl << 5n)) << 40n) | (BigInt(handler >>> 16) << 48n),
  0n,
];

/**
 * Kernel: sysretq; (10H) swapgs; mov [gs:10h],rsp; mov rsp,[gs:18h]; push rcx; push r11; pushfq; cli; xor r8,r9; mov cr3,r8;
 * and qword [r13],-2; invlpg [r14]; stac; add rbx,[rsi]; add [rsi+8],rbx; clac; mov rax,cr3; xor rbx,rax; popfq; invlpg [rsi];
 * sti; test bl,3; jnz; clts; wrmsr of FS.base; mov rdx,[fs:r10]; add rbx,rdx; stac; mov rax,[rsi+16]; clac; add rbx,rax; rdtsc;
 * add rbx,rax; pop r11; pop rcx; mov rsp,[gs:10h]; swapgs; sysretq; (d0H) interrupt 30H: add rbx,[rsp+16]; from the user:
 * swapgs; inc dword [gs:20h]; swapgs; iretq; (110H) page fault: add rsp,8; add rbx,cr2; or qword [r13],1; iretq.
 * User: add rbx,rbp; syscall; int 30h; mov rax,[r14]; add rbx,rax; mov [r14+8],rbx; call LAZY+80h; syscall; call LAZY+80h;
 * dec ebp; jnz; hlt. There: add rbx,7 or 11h; ret.
 */
const LONG: System = {
  kernel:
    'b90000140041bb02020000480f0790900f01f865488924251000000065488b2425180000005141539cfa4d31c8410f22d849836500fe410f013e0f01cb48031e48015e080f01ca0f20d84831c39d0f013efbf6c30375190f06b9000100c089d825ffff000031d20f3064498b124801d30f01cb488b46100f01ca4801c30f314801c3415b5965488b2425100000000f01f8480f0790909090909090909090909090909090909090909090909090909090909090909090909090909090909090909090909090909090909090909090909048035c241048837c240833750e0f01f865ff0425200000000f01f848cf90909090909090909090909090909090909090909090909090909090909090909090909090904883c408500f20d04801c349834d00015848cf',
  user: '4801eb0f05cd30498b064801c349895e08e86a300000488d7e18b8010000000f05e85a300000ffcd75d6f4',
  descriptors: [
    0n,
    0x00af9b000000ffffn, // 08: kernel's code
    0x00cf93000000ffffn,
    0n,
    0n,
    0x00cff3000000ffffn, // 28: user's data
    0x00affb000000ffffn, // 30: user's code
  ],
  prepare(vm) {
    const { memory } = vm;
    const [first] = SPACES.map((root) => space(vm, root)) as [number, number];
    const second = SPACES[1] + 3 * 4096;
    memory.writeU64(second + (USER_DATA >> 12) * 8, BigInt(OTHER_DATA) | 7n);
    memory.writeU64(second + (LAZY >> 12) * 8, BigInt(OTHER_LAZY) | 7n);
    memory.loadBytes(LAZY + 0x80, Buffer.from('4883c307c3', 'hex'));
    memory.loadBytes(OTHER_LAZY + 0x80, Buffer.from('4883c311c3', 'hex'));
    for (const [vector, handler, dpl] of [
      [0x30, KERNEL + 0xd0, 3n],
      [PAGE_FAULT, KERNEL + 0x110, 0n],
    ] as const)
      gate(handler, dpl).forEach((half, n) => {
        memory.writeU64(IDT + vector * 16 + n * 8, half);
      });
    memory.writeU64(TSS + 4, BigInt(KERNEL_STACK - 0x100));
    memory.writeU64(KERNEL_DATA + 0x18, BigInt(KERNEL_STACK));
    const s = longModeState(BigInt(KERNEL), SPACES[0], BigInt(KERNEL_STACK));
    s.cr4 |= 0x20_0000n; // SMAP
    s.efer |= 1n;
    s.lstar = BigInt(KERNEL + 0x10);
    s.star = (0x20n << 48n) | (8n << 32n);
    s.fmask = 0x4_0300n;
    s.kernelGsBase = BigInt(KERNEL_DATA);
    s.idtr = { base: BigInt(IDT), limit: 0xfff };
    s.segments.tr = { selector: 0x40, base: BigInt(TSS), limit: 0x67, accessRights: 0x8b };
    s.gpr[RSP] = BigInt(USER_STACK); // the kernel loads its own
    s.gpr[R8] = BigInt(SPACES[0]);
    s.gpr[R9] = BigInt(SPACES[0] ^ SPACES[1]);
    s.gpr[R10] = 0x11_0000n; // FS.base is below 1_0000H
    s.gpr[R13] = BigInt(first + (LAZY >> 12) * 8);
    s.gpr[R14] = BigInt(LAZY);
    return s;
  },
};

/**
 * Kernel: sysexit; (10H) pushfd; push eax; push fs; push es; push ds; DS, ES = 10h; FS = 28h; inc dword [fs:4]; mov eax,[fs:8];
 * add ebx,eax; add [fs:eax*4+12],ebx; mov ax,[fs:16]; xor bh,[fs:18]; movzx edx,byte [fs:19]; lea eax,[esi+ebx]; push fs; pop gs;
 * xchg ebx,[gs:24]; cmp ebp,edi; jne; DS = 30h; mov eax,[20h]; mov eax,[esi]; cmp ebp,7; jne; mov eax,[fs:0fffffffeh]; pop ds;
 * pop es; pop fs; pop eax; popfd; sti; sysexit.
 * User: add ebx,ebp; nop; sysenter; mov eax,[140800h]; add ebx,eax; mov [esi],ebx; add ebx,[gs:4]; dec ebp; jnz; hlt.
 */
const PROTECTED: System = {
  kernel:
    'ba00001400b9000015000f35909090909c500fa0061eb8100000008ed88ec0b8280000008ee064ff050400000064a10800000001c364011c850c0000006466a11000000064323d12000000640fb615130000008d041e0fa00fa965871d1800000039fd750eb8300000008ed8a1200000008b0683fd07750664a1feffffff1f070fa1589dfbba05001400b9000015000f35',
  user: '01eb900f34a10008140001c3891e65031d040000004d75e8f4',
  descriptors: [
    0n,
    0x00cf9b000000ffffn,
    0x00cf93000000ffffn,
    0x00cffb000000ffffn, // 18: user's
    0x00cff3000000ffffn,
    0x00cff2130000ffffn | (BigInt(KERNEL_DATA & 0xffff) << 16n), // 28: the kernel's data, not accessed yet
    0x0040930000000fffn, // 30: small
  ],
  prepare(vm) {
    vm.memory.writeU64(KERNEL_DATA + 8, 0x40n);
    const s = flatProtectedState(KERNEL);
    s.sysenterCs = 8;
    s.sysenterEsp = BigInt(KERNEL_STACK);
    s.sysenterEip = BigInt(KERNEL + 0x10);
    return s;
  },
};

interface Machine {
  readonly vm: EngineVm;
  readonly vcpu: SoftwareVcpu;
}
async function machine(system: System, jit: keyof typeof JIT_MODES, rounds: number): Promise<Machine> {
  const vm = await new SoftwareEngine(modules, JIT_MODES[jit]).createVm({
    memoryBytes: MEMORY,
    vcpus: 1,
    time: 'virtual',
    tscHz: 1e9,
    nowNs: () => 0,
  });
  const { memory } = vm;
  memory.loadBytes(KERNEL, Uint8Array.from(Buffer.from(system.kernel, 'hex')));
  memory.loadBytes(USER, Uint8Array.from(Buffer.from(system.user, 'hex')));
  system.descriptors.forEach((d, n) => {
    memory.writeU64(GDT + n * 8, d);
  });
  for (let n = 0; n < 64; n += 8) {
    memory.writeU64(USER_DATA + n, BigInt(n * 0x1234567 + 1));
    memory.writeU64(OTHER_DATA + n, BigInt(n * 0x7654321 + 3));
  }
  const vcpu = vm.vcpus[0] as SoftwareVcpu;
  Object.assign(vcpu.controls, plainControls(), { exceptionBitmap: ~(1 << PAGE_FAULT) >>> 0 });
  vcpu.applyControls();
  const state = system.prepare(vm);
  state.gdtr = { base: BigInt(GDT), limit: system.descriptors.length * 8 - 1 };
  state.gpr[RBP] = BigInt(rounds);
  state.gpr[RSI] = BigInt(USER_DATA);
  vcpu.writeState(state);
  return { vm, vcpu };
}
/** Runs two machines in budgets of random lengths until both leave otherwise; compares them at each end. */
async function compare(
  system: System,
  jit: keyof typeof JIT_MODES,
  rounds: number,
  change: (state: CpuState) => void = () => {},
): Promise<{ readonly exit: string; readonly state: CpuState; readonly inRegions: number }> {
  const expected = await machine(system, 'off', rounds);
  const got = await machine(system, jit, rounds);
  for (const { vcpu } of [expected, got]) {
    const state = vcpu.readState();
    change(state);
    vcpu.writeState(state);
  }
  let x = rounds;
  for (;;) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    const budget = (x >>> 28) * (x >>> 24) + 1;
    const exits = [expected, got].map(({ vcpu }) => ({ ...vcpu.enter(budget) }));
    assert.deepEqual(exits[1], exits[0]);
    assert.deepEqual(got.vcpu.readState(), expected.vcpu.readState());
    assert.equal(got.vcpu.counters.instructions, expected.vcpu.counters.instructions);
    const [exit] = exits;
    assert.ok(expected.vcpu.counters.instructions < MOST, 'the guest does not end');
    if (exit?.name === 'preemptionTimer') continue;
    const [a, b] = [got, expected].map(({ vm }) => vm.memory.readBytes(0, MEMORY)) as [Uint8Array, Uint8Array];
    assert.equal(Buffer.compare(a, b), 0, `memory differs at ${a.findIndex((byte, n) => byte !== b[n]).toString(16)}`);
    const inRegions = got.vcpu.jitStatistics()?.retired ?? 0;
    return { exit: String(exit?.name), state: got.vcpu.readState(), inRegions };
  }
}

describe('system instructions in regions', () => {
  for (const jit of ['forced', 'mixed'] as const) {
    it(`enter and leave a 64-bit kernel: ${jit}`, async () => {
      for (const [rounds, cr4] of [
        [40, CR4_PGE],
        [300, CR4_PGE],
        [300, 0n],
      ] as const) {
        const { exit, state, inRegions } = await compare(LONG, jit, rounds, (s) => {
          s.cr4 |= cr4;
        });
        assert.equal(exit, 'exceptionOrNmi'); // HLT at CPL 3
        assert.equal(state.gpr[RBP], 0n);
        assert.ok(inRegions > rounds * (jit === 'forced' ? 50 : 10), `${inRegions} instructions in regions`);
      }
    });
    it(`enter and leave a 32-bit kernel that loads segments: ${jit}`, async () => {
      for (const rounds of [6, 60]) {
        // no round is the one with the limits
        const { exit, state, inRegions } = await compare(PROTECTED, jit, rounds, (s) => {
          s.gpr[RDI] = 0n;
          if (rounds > 6) s.segments.fs.limit = 0xffff_ffff;
        });
        assert.equal(exit, 'exceptionOrNmi');
        if (rounds === 6) assert.equal(state.gpr[RBP], 0n);
        // the kernel looks behind the end of a segment
        else assert.deepEqual([state.gpr[RBP], state.rip], [7n, BigInt(KERNEL + 0x78)]);
        assert.ok(jit === 'mixed' || inRegions > rounds * 20, `${inRegions} instructions in regions`);
      }
    });
    it(`notice a segment that is not flat any more: ${jit}`, async () => {
      const { exit, state } = await compare(PROTECTED, jit, 200, (s) => {
        s.gpr[RDI] = 100n;
      });
      assert.equal(exit, 'exceptionOrNmi');
      assert.deepEqual([state.gpr[RBP], state.rip], [100n, BigInt(KERNEL + 0x71)]);
    });
  }
});
