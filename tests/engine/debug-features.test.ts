// Debug and checking features on the whole engine: breakpoints by DR0-DR3 and DR7, RF, single step, ICEBP, alignment
// checking, virtual-8086 mode extensions, smaller processor models. Intel SDM Vol. 3B, "Debug Registers", "Debug Exceptions",
// "8086 Emulation"; Vol. 3A, "Alignment Check Exception (#AC)".
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AccessRights, encodeDescriptor } from '../../src/arch/index.js';
import { cpuModel } from '../../src/vmm/index.js';
import { type CpuState, type EngineVm, flatProtectedState, type VmExit } from '../../src/vmx/index.js';
import { describeExit, machineCode, plainControls } from '../../src/vmx/testing.js';
import { softwareEngine } from '../support/engine.js';

const CODE = 0x1000;
const HANDLER = 0x2040;
const FAULT_HANDLER = 0x2340;
const GDT = 0x5000;
const IDT = 0x6000;
const TSS = 0x7000;
const STACK = 0x9000;
const CODE_SELECTOR = 8;

/** Lines of "hex assembly". */
const PROGRAMS = {
  handler: [
    '50                     push eax',
    '8b442404               mov eax, [esp+4]',
    'e7e9                   out 0xe9, eax',
    '0f21f0                 mov eax, dr6',
    'e7ea                   out 0xea, eax',
    '89c8                   mov eax, ecx',
    'e7eb                   out 0xeb, eax',
    '31c0                   xor eax, eax',
    '0f23f0                 mov dr6, eax',
    '814c240c00000100       or dword [esp+12], 0x10000',
    '58                     pop eax',
    'cf                     iretd',
  ],
  fault: [
    '58                     pop eax',
    'e7ec                   out 0xec, eax',
    '58                     pop eax',
    'e7ed                   out 0xed, eax',
    'f4                     hlt',
  ],
  instruction: [
    'b815100000             mov eax, again',
    '0f23c0                 mov dr0, eax',
    'b802000000             mov eax, 2',
    '0f23f8                 mov dr7, eax',
    'b902000000             mov ecx, 2',
    '43                     again: inc ebx',
    'e2fd                   loop again',
    '31c0                   xor eax, eax',
    '0f23f8                 mov dr7, eax',
    '43                     inc ebx',
    'f4                     hlt',
  ],
  data: [
    'b800a00000             mov eax, 0xa000',
    '0f23c8                 mov dr1, eax',
    'b80800d000             mov eax, 0x00d00008',
    '0f23f8                 mov dr7, eax',
    'a100a00000             mov eax, [0xa000]',
    'c60503a0000001         mov byte [0xa003], 1',
    '43                     inc ebx',
    'c60504a0000001         mov byte [0xa004], 1',
    'bffe9f0000             mov edi, 0x9ffe',
    'ab                     stosd',
    'bff49f0000             mov edi, 0x9ff4',
    'b906000000             mov ecx, 6',
    'f3ab                   rep stosd',
    'bf00800000             mov edi, 0x8000',
    'b964000000             mov ecx, 100',
    'f3ab                   rep stosd',
    'f4                     hlt',
  ],
  readwrite: [
    'b800a00000             mov eax, 0xa000',
    '0f23d0                 mov dr2, eax',
    'b82000000f             mov eax, 0x0f000020',
    '0f23f8                 mov dr7, eax',
    '011d00a00000           add [0xa000], ebx',
    '43                     inc ebx',
    '833dff9f000001         cmp dword [0x9fff], 1',
    '7400                   jz $+2',
    'bc04a00000             mov esp, 0xa004',
    '53                     push ebx',
    'bc00900000             mov esp, 0x9000',
    'ff1500a00000           call [0xa000]',
    'f4                     hlt',
  ],
  ports: [
    'b808000000             mov eax, 8',
    '0f22e0                 mov cr4, eax',
    'b871000000             mov eax, 0x71',
    '0f23d8                 mov dr3, eax',
    'b880000020             mov eax, 0x20000080',
    '0f23f8                 mov dr7, eax',
    'e470                   in al, 0x70',
    'e471                   in al, 0x71',
    'e670                   out 0x70, al',
    '66e570                 in ax, 0x70',
    'f4                     hlt',
  ],
  movss: [
    '66c70500a000001000     mov word [0xa000], 0x10',
    'b800a00000             mov eax, 0xa000',
    '0f23c0                 mov dr0, eax',
    'b802000300             mov eax, 0x00010000+0x00020000+2',
    '0f23f8                 mov dr7, eax',
    '8e1500a00000           mov ss, [0xa000]',
    '43                     inc ebx',
    '43                     inc ebx',
    'f4                     hlt',
  ],
  step: [
    'b800a00000             mov eax, 0xa000',
    '0f23c0                 mov dr0, eax',
    'b802000100             mov eax, 0x00010000+2',
    '0f23f8                 mov dr7, eax',
    '6802010000             push 0x102',
    '9d                     popf',
    'c60500a0000001         mov byte [0xa000], 1',
    '6a02                   push 2',
    '9d                     popf',
    'f1                     int1',
    'f4                     hlt',
  ],
  old: [
    'b800a00000             mov eax, 0xa000',
    '0f23c0                 mov dr0, eax',
    'b802000100             mov eax, 0x00010000+2',
    '0f23f8                 mov dr7, eax',
    'b80e400000             mov eax, 0x400e',
    '0f23f0                 mov dr6, eax',
    'c60500a0000001         mov byte [0xa000], 1',
    'f4                     hlt',
  ],
  held: [
    '66c70500a000001000     mov word [0xa000], 0x10',
    'b800a00000             mov eax, 0xa000',
    '0f23c0                 mov dr0, eax',
    'b802000300             mov eax, 0x00010000+0x00020000+2',
    '0f23f8                 mov dr7, eax',
    '8e1500a00000           mov ss, [0xa000]',
    'f1                     int1',
    '43                     inc ebx',
    'f4                     hlt',
  ],
  skipped: [
    '6802010000             push 0x102',
    '9d                     popf',
    '0fa2                   cpuid',
    '90                     nop',
    '6a02                   push 2',
    '9d                     popf',
    'f4                     hlt',
  ],
  align: [
    'a102a00000             mov eax, [0xa002]',
    '9c                     pushf',
    '810c2400000400         or dword [esp], 0x40000',
    '9d                     popf',
    'a104a00000             mov eax, [0xa004]',
    'a001a00000             mov al, [0xa001]',
    '66a102a00000           mov ax, [0xa002]',
    'db2d08a00000           fld tword [0xa008]',
    'ddd8                   fstp st0',
    'a102a00000             mov eax, [0xa002]',
  ],
  alignw: [
    '9c                     pushf',
    '810c2400000400         or dword [esp], 0x40000',
    '9d                     popf',
    '812424fffffbff         and dword [esp], ~0x40000',
    'ff3424                 push dword [esp]',
    'fe0501a00000           inc byte [0xa001]',
    'a304a00000             mov [0xa004], eax',
    '9d                     popf',
    'a301a00000             mov [0xa001], eax',
    '9c                     pushf',
    '810c2400000400         or dword [esp], 0x40000',
    '9d                     popf',
    '66a301a00000           mov [0xa001], ax',
  ],
  vme: [
    'fb                     sti',
    '9c                     pushf',
    '58                     pop ax',
    'a30080                 mov [0x8000], ax',
    'fa                     cli',
    '9c                     pushf',
    '58                     pop ax',
    'a30280                 mov [0x8002], ax',
    'fb                     sti',
    'cd21                   int 0x21',
    '90                     nop',
    'cd22                   int 0x22',
  ],
  vmehandler: [
    '9c                     pushf',
    '58                     pop ax',
    'a30480                 mov [0x8004], ax',
    '89e5                   mov bp, sp',
    '8b4604                 mov ax, [bp+4]',
    'a30680                 mov [0x8006], ax',
    'cf                     iret',
  ],
  pvi: [
    'fb                     sti',
    '9c                     pushf',
    '58                     pop eax',
    'a300a00000             mov [0xa000], eax',
    'fa                     cli',
    '9c                     pushf',
    '58                     pop eax',
    'a304a00000             mov [0xa004], eax',
    'f4                     hlt',
  ],
  cmov: ['0f44c3                 cmovz eax, ebx', 'f4                     hlt'],
  cmpxchg8b: ['0fc70d00a00000         cmpxchg8b [0xa000]', 'f4                     hlt'],
  rdtsc: ['0f31                   rdtsc', 'f4                     hlt'],
  fld1: ['d9e8                   fld1', 'f4                     hlt'],
  emms: ['0f77                   emms', 'f4                     hlt'],
  addps: [
    'b800060000             mov eax, 0x600',
    '0f22e0                 mov cr4, eax',
    '0f58c0                 addps xmm0, xmm0',
    'f4                     hlt',
  ],
  addpd: [
    'b800060000             mov eax, 0x600',
    '0f22e0                 mov cr4, eax',
    '660f58c0               addpd xmm0, xmm0',
    'f4                     hlt',
  ],
  pshufb: [
    'b800060000             mov eax, 0x600',
    '0f22e0                 mov cr4, eax',
    '660f3800c1             pshufb xmm0, xmm1',
    'f4                     hlt',
  ],
  popcnt: ['f30fb8c3               popcnt eax, ebx', 'f4                     hlt'],
  pcmpeqq: [
    'b800060000             mov eax, 0x600',
    '0f22e0                 mov cr4, eax',
    '660f3829c1             pcmpeqq xmm0, xmm1',
    'f4                     hlt',
  ],
  sysenter: ['b900000000             mov ecx,0', '0f34                   sysenter', 'f4                     hlt'],
  wrmsr: [
    '31c0                   xor eax,eax',
    '31d2                   xor edx,edx',
    'b974010000             mov ecx,0x174',
    '0f30                   wrmsr',
    'f4                     hlt',
  ],
  cr4pae: ['b820000000             mov eax, 0x20', '0f22e0                 mov cr4, eax', 'f4                     hlt'],
  cr4pse: ['b810000000             mov eax, 0x10', '0f22e0                 mov cr4, eax', 'f4                     hlt'],
  cmpxchg: [
    '0fc8                   bswap eax',
    '0fb11d00a00000         cmpxchg [0xa000], ebx',
    '0fc10500a00000         xadd [0xa000], eax',
    'f4                     hlt',
  ],
} as const;

interface Prepared {
  readonly vm: EngineVm;
  readonly state: CpuState;
}
interface Ran {
  readonly vm: EngineVm;
  /** "port value" of the guest's OUTs, as describeExit prints them. */
  readonly exits: readonly string[];
  readonly state: CpuState;
}
const word = (vm: EngineVm, gpa: number): number => vm.memory.readU32(gpa);

/** Runs a program in flat protected mode at CPL 0, or as `prepare` says, to its HLT. */
async function run(
  name: keyof typeof PROGRAMS,
  prepare: (p: Prepared) => void = () => {},
  features?: ReadonlySet<string>,
): Promise<Ran> {
  const engine = await softwareEngine();
  const vm = await engine.createVm({
    memoryBytes: 2 << 20,
    vcpus: 1,
    time: 'virtual',
    tscHz: 1e9,
    nowNs: () => 0,
    ...(features && { features }),
  });
  const { memory } = vm;
  const [vcpu] = vm.vcpus;
  assert.ok(vcpu);
  memory.writeBytes(CODE, machineCode(PROGRAMS[name]));
  memory.writeBytes(HANDLER, machineCode(PROGRAMS.handler));
  memory.writeBytes(FAULT_HANDLER, machineCode(PROGRAMS.fault));
  const state = flatProtectedState(CODE, STACK);
  const describe = (n: number, accessRights: number, base = 0, limit = 0xffff_ffff): void => {
    const d = encodeDescriptor({ base: BigInt(base), limit, accessRights: accessRights & ~AccessRights.UNUSABLE });
    memory.writeU32(GDT + 8 * n, Number(d & 0xffff_ffffn));
    memory.writeU32(GDT + 8 * n + 4, Number(d >> 32n));
  };
  describe(1, 0xc09b);
  describe(2, 0xc093);
  describe(3, 0xc0fb);
  describe(4, 0xc0f3);
  state.gdtr = { base: BigInt(GDT), limit: 0xff };
  state.idtr = { base: BigInt(IDT), limit: 0x7ff };
  const gate = (vector: number, handler: number): void => {
    memory.writeU32(IDT + 8 * vector, (CODE_SELECTOR << 16) | handler);
    memory.writeU32(IDT + 8 * vector + 4, 0xee00);
  };
  gate(1, HANDLER);
  for (const vector of [6, 13, 17]) gate(vector, FAULT_HANDLER);
  memory.writeU32(TSS + 4, STACK);
  memory.writeU32(TSS + 8, 0x10);
  memory.writeU32(TSS + 100, 0x88_0000);
  state.segments.tr = { selector: 0x28, base: BigInt(TSS), limit: 0x1ff, accessRights: 0x8b };
  prepare({ vm, state });
  Object.assign(vcpu.controls, {
    ...plainControls(),
    ioBitmap: vcpu.controls.ioBitmap.fill(0xff),
    msrBitmap: vcpu.controls.msrBitmap,
  });
  vcpu.applyControls();
  vcpu.writeState(state);
  const exits: string[] = [];
  for (let n = 0; n < 100; n++) {
    const exit: VmExit = vcpu.enter(10_000);
    if (exit.name === 'cpuid') {
      vcpu.skipInstruction();
      assert.equal(vcpu.trapPending?.(), true);
      continue;
    }
    if (exit.name === 'hlt') return { vm, exits, state: vcpu.readState() };
    assert.equal(exit.name, 'ioInstruction', describeExit(exit));
    if (exit.name !== 'ioInstruction') break;
    exits.push(`${exit.port.toString(16)} ${exit.isIn ? 'in' : exit.value.toString(16)}`);
    if (exit.isIn) vcpu.completeRead(0n);
    else vcpu.completeWrite();
  }
  throw new Error(`the guest did not halt: ${exits.join(', ')}`);
}
/** What the #DB handler reported: [return address, DR6 without its fixed bits, ECX]. */
function reports(ran: Ran): number[][] {
  const values = ran.exits.filter((e) => /^e[9ab] /.test(e)).map((e) => Number.parseInt(e.slice(3), 16));
  const list: number[][] = [];
  for (let i = 0; i < values.length; i += 3)
    list.push([(values[i] as number) - CODE, ((values[i + 1] as number) & 0xe00f) >>> 0, values[i + 2] as number]);
  return list;
}
/** At CPL 3 with CR0.AM set. */
const user = ({ state }: Prepared): void => {
  state.cr0 |= 0x4_0000n;
  const s = state.segments;
  s.cs = { ...s.cs, selector: 0x1b, accessRights: 0xc0fb };
  for (const n of ['ss', 'ds', 'es'] as const) s[n] = { ...s[n], selector: 0x23, accessRights: 0xc0f3 };
};
test('an instruction breakpoint faults before its instruction every time; RF in IRET passes it once', async () => {
  const ran = await run('instruction');
  assert.deepEqual(reports(ran), [
    [0x15, 1, 2],
    [0x15, 1, 1],
  ]);
  assert.equal(ran.state.gpr[3], 3n);
});
test('a data breakpoint traps after each write that overlaps it, within a REP as well', async () => {
  assert.deepEqual(reports(await run('data')), [
    [28, 2, 0],
    [42, 2, 0],
    [52, 2, 2],
  ]);
});
test('a read/write breakpoint sees reads, read-modify-writes, page-crossing reads, pushes and indirect calls', async () => {
  // the program's last CALL goes to address 1, where a HLT is
  const ran = await run('readwrite', ({ vm }) => vm.memory.writeU8(1, 0xf4));
  assert.deepEqual(reports(ran), [
    [22, 4, 0],
    [30, 4, 0],
    [38, 4, 0],
    [1 - CODE, 4, 0],
  ]);
});
test('an I/O breakpoint traps after accesses that overlap it', async () => {
  const ran = await run('ports');
  assert.deepEqual(reports(ran), [
    [28, 8, 0],
    [33, 8, 0],
  ]);
  assert.deepEqual(
    ran.exits.filter((e) => !/^e[9ab] /.test(e)),
    ['70 in', '71 in', '70 0', '70 in'],
  );
});
test('MOV SS holds the trap of its own operand off until after the next instruction', async () => {
  assert.deepEqual(reports(await run('movss')), [[32, 1, 0]]);
});
test('single step and a data breakpoint share one trap; ICEBP leaves DR6 alone', async () => {
  assert.deepEqual(reports(await run('step')), [
    [29, 0x4001, 0],
    [31, 0x4000, 0],
    [32, 0x4000, 0],
    [33, 0, 0],
  ]);
});
test('B0-B3 of DR6 tell of the latest debug exception, its other bits stay', async () => {
  assert.deepEqual(reports(await run('old')), [[31, 0x4001, 0]]);
});
test('a data breakpoint that MOV SS holds off comes with the trap of an ICEBP behind it', async () => {
  assert.deepEqual(reports(await run('held')), [[32, 1, 0]]);
});
test('the single-step trap follows an instruction that the monitor completes', async () => {
  assert.deepEqual(
    reports(await run('skipped')).map(([at, dr6]) => [at, dr6]),
    [
      [8, 0x4000],
      [9, 0x4000],
      [11, 0x4000],
      [12, 0x4000],
    ],
  );
});
test('alignment is checked at CPL 3 with CR0.AM and RFLAGS.AC only', async () => {
  assert.deepEqual((await run('align', user)).exits, ['ec 0', 'ed 1026']);
  assert.deepEqual((await run('alignw', user)).exits, ['ec 0', 'ed 102d']);
});
test('CR4.PVI gives CLI and STI at CPL 3 the virtual interrupt flag', async () => {
  const ran = await run('pvi', (p) => {
    user(p);
    p.state.cr4 |= 2n;
  });
  assert.deepEqual(ran.exits, ['ec 0', 'ed 1010']); // HLT
  assert.deepEqual([word(ran.vm, 0xa000), word(ran.vm, 0xa004)], [0x8_0002, 2]);
  const without = await run('pvi', user);
  assert.deepEqual(without.exits, ['ec 0', 'ed 1000']);
});

/** Virtual-8086 mode at 0:1000H with IOPL 0; interrupt 22H is not redirected. */
const virtual8086 = ({ vm, state }: Prepared): void => {
  state.rflags |= 0x2_0000n;
  for (const n of ['cs', 'ss', 'ds', 'es', 'fs', 'gs'] as const)
    state.segments[n] = { selector: 0, base: 0n, limit: 0xffff, accessRights: 0xf3 };
  vm.memory.writeU32(0x21 * 4, 0x3000);
  vm.memory.writeBytes(0x3000, machineCode(PROGRAMS.vmehandler));
  vm.memory.writeU8(TSS + 0x88 - 32 + (0x22 >> 3), 1 << (0x22 & 7));
};
test('CR4.VME: VIF in place of IF, software interrupts redirected by the TSS', async () => {
  const ran = await run('vme', (p) => {
    virtual8086(p);
    p.state.cr4 |= 1n;
  });
  // #GP of INT 22H, which its bit sends to protected mode below IOPL 3
  assert.deepEqual(ran.exits, ['ec 0', 'ed 1010']);
  const { memory } = ran.vm;
  // IF as VIF says, IOPL 3 in the image
  const seen = [0x8000, 0x8002, 0x8004, 0x8006].map((at) => memory.readU16(at) & 0x7200);
  assert.deepEqual(seen, [0x3200, 0x3000, 0x3000, 0x3200]);
  assert.equal((ran.state.rflags >> 9n) & 1n, 0n);
});
test('without CR4.VME, STI, PUSHF and INT n fault below IOPL 3', async () => {
  assert.deepEqual((await run('vme', virtual8086)).exits, ['ec 0', 'ed 1000']);
});

/** What a program does on a model: 'runs', '#UD' or '#GP'. */
async function on(model: string, name: keyof typeof PROGRAMS): Promise<string> {
  const ran = await run(name, () => {}, new Set(cpuModel(model).features));
  const [first] = ran.exits;
  return first === undefined ? 'runs' : first === 'ec 0' ? '#GP' : '#UD';
}
test('a processor model has its instructions and no others', async () => {
  const MODELS = ['486', 'pentium', 'i686', 'core2', 'x86-64-v2'];
  const rows: readonly (readonly [keyof typeof PROGRAMS, number, string?, string?])[] = [
    // program, first model that has it, otherwise, and there
    ['cmpxchg', 0],
    ['fld1', 0],
    ['cmpxchg8b', 1],
    ['rdtsc', 1],
    ['cr4pse', 1, '#GP'],
    ['cmov', 2],
    ['emms', 2],
    ['sysenter', 2, '#UD', '#GP'],
    ['cr4pae', 2, '#GP'],
    ['addps', 2, '#GP'], // by CR4
    ['addpd', 3, '#GP/#UD'],
    ['pshufb', 3, '#GP/#UD'],
    ['pcmpeqq', 4, '#GP/#UD'],
    ['popcnt', 4],
  ];
  for (const [name, from, otherwise = '#UD', there = 'runs'] of rows) {
    for (const [n, model] of MODELS.entries()) {
      const found = await on(model, name);
      if (n >= from) assert.equal(found, there, `${name} on ${model}`);
      else assert.ok(otherwise.split('/').includes(found), `${name} on ${model}: ${found}, expected ${otherwise}`);
    }
  }
});
