// The guests of the engine conformance suite: tiny programs as machine code (hex, then the assembly it came from) and
// the stream of exits that Intel SDM Vol. 3C, "VMX Non-Root Operation", demands for them.
import { Gpr } from '../arch/index.js';
import { type ConformanceGuest, same } from './conformance-guest.js';
import { Primary, Secondary, setMsrBitmap } from './controls.js';
import { PAUSE_TICKS } from './engine.js';

export const CONFORMANCE_GUESTS: readonly ConformanceGuest[] = [
  {
    name: 'OUT of 1, 2 and 4 bytes',
    mode: 'real',
    code: [
      'b041                   mov al, 0x41',
      'e6e9                   out 0xe9, al',
      'baf001                 mov dx, 0x1f0',
      'b83412                 mov ax, 0x1234',
      'ef                     out dx, ax',
      '66b8efcdab89           mov eax, 0x89abcdef',
      '66ef                   out dx, eax',
      'f4                     hlt',
    ],
    expected: ['out e9 1 41', 'out 1f0 2 1234', 'out 1f0 4 89abcdef', 'hlt'],
  },
  {
    name: 'IN of 1, 2 and 4 bytes writes that part of EAX only',
    mode: 'flat32',
    code: [
      '66ba6000               mov dx, 0x60',
      'b8ffffffff             mov eax, 0xffffffff',
      'ec                     in al, dx',
      'a300a00000             mov [0xa000], eax',
      '66ed                   in ax, dx',
      'a304a00000             mov [0xa004], eax',
      'ed                     in eax, dx',
      'a308a00000             mov [0xa008], eax',
      'e471                   in al, 0x71',
      'f4                     hlt',
    ],
    inputs: [0x12n, 0x3456n, 0x789abcden, 0x55n],
    expected: ['in 60 1', 'in 60 2', 'in 60 4', 'in 71 1', 'hlt'],
    check: ({ word }) => {
      same(word(0xa000), 0xffffff12, 'after IN AL');
      same(word(0xa004), 0xffff3456, 'after IN AX');
      same(word(0xa008), 0x789abcde, 'after IN EAX');
    },
  },
  {
    name: 'IN EAX clears the upper half of RAX in 64-bit mode',
    mode: 'long',
    code: [
      '48b8ffffffffffffffff   mov rax, -1',
      '66ba6000               mov dx, 0x60',
      'ec                     in al, dx',
      '4889042500a00000       mov [0xa000], rax',
      'ed                     in eax, dx',
      '4889042508a00000       mov [0xa008], rax',
      'f4                     hlt',
    ],
    inputs: [0x12n, 0x9abcdef0n],
    expected: ['in 60 1', 'in 60 4', 'hlt'],
    check: ({ quad }) => {
      same(quad(0xa000), 0xffff_ffff_ffff_ff12n, 'after IN AL');
      same(quad(0xa008), 0x9abc_def0n, 'after IN EAX');
    },
  },
  {
    name: 'REP OUTSB and REP INSW, one exit for each element',
    mode: 'flat32',
    code: [
      'c70500a0000061626300   mov dword [0xa000], 0x00636261',
      'be00a00000             mov esi, 0xa000',
      'b903000000             mov ecx, 3',
      '66bae900               mov dx, 0xe9',
      'fc                     cld',
      'f36e                   rep outsb',
      'bf10a00000             mov edi, 0xa010',
      'b902000000             mov ecx, 2',
      '66baf001               mov dx, 0x1f0',
      'f3666d                 rep insw',
      'fd                     std',
      'be02a00000             mov esi, 0xa002',
      '6e                     outsb',
      'f4                     hlt',
    ],
    inputs: [0x1111n, 0x2222n],
    expected: [
      'out e9 1 61 string rep',
      'out e9 1 62 string rep',
      'out e9 1 63 string rep',
      'in 1f0 2 string rep',
      'in 1f0 2 string rep',
      'out 1f0 1 63 string',
      'hlt',
    ],
    check: ({ word, vcpu }) => {
      same(word(0xa010), 0x22221111, 'data of INSW');
      same(vcpu.readGpr(Gpr.RCX), 0n, 'ECX');
      same(vcpu.readGpr(Gpr.RDI), 0xa014n, 'EDI');
      same(vcpu.readGpr(Gpr.RSI), 0xa001n, 'ESI, counted down');
    },
  },
  {
    name: 'MMIO reads and writes of 1, 2 and 4 bytes',
    mode: 'flat32',
    code: [
      'bb000000d0             mov ebx, 0xd0000000',
      '8b03                   mov eax, [ebx]',
      'a300a00000             mov [0xa000], eax',
      '0fb64b05               movzx ecx, byte [ebx+5]',
      '890d04a00000           mov [0xa004], ecx',
      '0fbf5306               movsx edx, word [ebx+6]',
      '891508a00000           mov [0xa008], edx',
      '894310                 mov [ebx+0x10], eax',
      '884315                 mov [ebx+0x15], al',
      '66894316               mov [ebx+0x16], ax',
      'f4                     hlt',
    ],
    inputs: [0x89abcdefn, 0x80n, 0x8001n],
    expected: [
      'mmio read d0000000 4',
      'mmio read d0000005 1',
      'mmio read d0000006 2',
      'mmio write d0000010 4 89abcdef',
      'mmio write d0000015 1 ef',
      'mmio write d0000016 2 cdef',
      'hlt',
    ],
    check: ({ word }) => {
      same(word(0xa000), 0x89abcdef, 'MOV');
      same(word(0xa004), 0x80, 'MOVZX');
      same(word(0xa008), 0xffff8001, 'MOVSX');
    },
  },
  {
    name: 'MMIO read-modify-write reads, then writes, and sets flags',
    mode: 'flat32',
    code: [
      'bb000000d0             mov ebx, 0xd0000000',
      '830305                 add dword [ebx], 5',
      '0f920500a00000         setc [0xa000]',
      '804b0480               or byte [ebx+4], 0x80',
      'b877000000             mov eax, 0x77',
      '874308                 xchg eax, [ebx+8]',
      'a304a00000             mov [0xa004], eax',
      '66ff430c               inc word [ebx+0xc]',
      '0f980501a00000         sets [0xa001]',
      'f4                     hlt',
    ],
    inputs: [0xfffffffen, 1n, 0x1234n, 0x7fffn],
    expected: [
      'mmio read d0000000 4',
      'mmio write d0000000 4 3',
      'mmio read d0000004 1',
      'mmio write d0000004 1 81',
      'mmio read d0000008 4',
      'mmio write d0000008 4 77',
      'mmio read d000000c 2',
      'mmio write d000000c 2 8000',
      'hlt',
    ],
    check: ({ word }) => {
      same(word(0xa000) & 0xffff, 0x0101, 'CF of ADD, SF of INC');
      same(word(0xa004), 0x1234, 'XCHG');
    },
  },
  {
    name: 'MMIO of eight bytes, and MOVS between MMIO and memory',
    mode: 'long',
    code: [
      'bb000000d0             mov ebx, 0xd0000000',
      '488b03                 mov rax, [rbx]',
      '48894308               mov [rbx+8], rax',
      '4889de                 mov rsi, rbx',
      'bf00a00000             mov edi, 0xa000',
      'b902000000             mov ecx, 2',
      'fc                     cld',
      'f3a5                   rep movsd',
      'be00a00000             mov esi, 0xa000',
      '4889df                 mov rdi, rbx',
      '66a5                   movsw',
      'f4                     hlt',
    ],
    inputs: [0x1122_3344_5566_7788n, 0xaaaan, 0xbbbbn],
    expected: [
      'mmio read d0000000 8',
      'mmio write d0000008 8 1122334455667788',
      'mmio read d0000000 4',
      'mmio read d0000004 4',
      'mmio write d0000000 2 aaaa',
      'hlt',
    ],
    check: ({ word }) => {
      same(word(0xa000), 0xaaaa, 'first element');
      same(word(0xa004), 0xbbbb, 'second element');
    },
  },
  {
    name: 'memory without a slot: push and call to it exit too',
    mode: 'flat32',
    code: [
      'bc001000d0             mov esp, 0xd0001000',
      '6834120000             push dword 0x1234',
      '58                     pop eax',
      'a300a00000             mov [0xa000], eax',
      'bc00900000             mov esp, 0x9000',
      'f4                     hlt',
    ],
    inputs: [0x5678n],
    expected: ['mmio write d0000ffc 4 1234', 'mmio read d0000ffc 4', 'hlt'],
    check: ({ word }) => same(word(0xa000), 0x5678, 'POP'),
  },
  {
    name: 'read-only memory reads without an exit; writes exit and change nothing',
    mode: 'flat32',
    code: [
      'a100004000             mov eax, [0x400000]',
      'a300a00000             mov [0xa000], eax',
      'c7050000400001000000   mov dword [0x400000], 1',
      'a100004000             mov eax, [0x400000]',
      'a304a00000             mov [0xa004], eax',
      '80050100400001         add byte [0x400001], 1',
      'f4                     hlt',
    ],
    prepare: ({ vm }) => {
      vm.memory.writeU32(0x20000, 0x600df00d);
      const bufferOffset = vm.memory.bufferOffsetOf(0x20000);
      vm.memory.addSlot({ gpa: 0x40_0000, sizeBytes: 0x1000, bufferOffset, readOnly: true });
    },
    expected: ['mmio write 400000 4 1', 'mmio write 400001 1 f1', 'hlt'],
    check: ({ word }) => {
      same(word(0xa000), 0x600df00d, 'first read');
      same(word(0xa004), 0x600df00d, 'read after the write');
      same(word(0x20000), 0x600df00d, 'the memory itself');
    },
  },
  {
    name: 'HLT exits; an injected interrupt wakes the guest (real mode)',
    mode: 'real',
    code: [
      'fb                     sti',
      'f4                     hlt',
      'c60600a001             mov byte [0xa000], 1',
      'fa                     cli',
      'f4                     hlt',
    ],
    handlers: {
      32: [
        'c60601a002             mov byte [0xa001], 2',
        'e620                   out 0x20, al',
        'cf                     iret',
      ],
    },
    answer: (exit, { vcpu, exits }) => {
      if (exit.name !== 'hlt' || exits.length > 1) return false;
      vcpu.skipInstruction();
      same(vcpu.interruptible(), true, 'interruptible after STI; HLT');
      vcpu.inject({ type: 'externalInterrupt', vector: 0x20 });
      return true;
    },
    expected: ['hlt', 'out 20 1 0', 'hlt'],
    check: ({ word }) => same(word(0xa000) & 0xffff, 0x0201, 'handler and main program ran'),
  },
  {
    name: 'an injected interrupt goes through the IDT (flat32)',
    mode: 'flat32',
    code: [
      'e680                   out 0x80, al',
      'fb                     sti',
      'f4                     hlt',
      'fa                     cli',
      'f4                     hlt',
    ],
    handlers: {
      48: [
        '8b0424                 mov eax, [esp]',
        'a300a00000             mov [0xa000], eax',
        'e620                   out 0x20, al',
        'cf                     iretd',
      ],
    },
    answer: (exit, { vcpu, exits }) => {
      if (exits.length === 1) same(vcpu.interruptible(), false, 'interruptible with IF clear');
      if (exit.name !== 'hlt' || exits.length > 2) return false;
      vcpu.skipInstruction();
      vcpu.inject({ type: 'externalInterrupt', vector: 0x30 });
      return true;
    },
    expected: ['out 80 1 0', 'hlt', 'out 20 1 4', 'hlt'],
    check: ({ word }) => same(word(0xa000), 0x1004, 'saved instruction pointer: behind HLT'),
  },
  {
    name: 'an injected interrupt goes through the IDT (long)',
    mode: 'long',
    code: [
      'e680                   out 0x80, al',
      'fb                     sti',
      'f4                     hlt',
      'fa                     cli',
      'f4                     hlt',
    ],
    handlers: {
      48: [
        '488b0424               mov rax, [rsp]',
        '4889042500a00000       mov [0xa000], rax',
        'e620                   out 0x20, al',
        '48cf                   iretq',
      ],
    },
    answer: (exit, { vcpu, exits }) => {
      if (exits.length === 1) same(vcpu.interruptible(), false, 'interruptible with IF clear');
      if (exit.name !== 'hlt' || exits.length > 2) return false;
      vcpu.skipInstruction();
      vcpu.inject({ type: 'externalInterrupt', vector: 0x30 });
      return true;
    },
    expected: ['out 80 1 0', 'hlt', 'out 20 1 4', 'hlt'],
    check: ({ word }) => same(word(0xa000), 0x1004, 'saved instruction pointer: behind HLT'),
  },
  {
    name: 'the interrupt window opens behind the shadow of STI',
    mode: 'flat32',
    code: [
      'fa                     cli',
      'e680                   out 0x80, al',
      'fb                     sti',
      '90                     nop',
      'e681                   out 0x81, al',
      'fa                     cli',
      'f4                     hlt',
    ],
    handlers: {
      33: ['e682                   out 0x82, al', 'cf                     iretd'],
    },
    prepare: ({ vcpu }) => vcpu.requestInterruptWindow(true),
    answer: (exit, { vcpu, vm }) => {
      if (exit.name !== 'interruptWindow') return false;
      same(vcpu.interruptible(), true, 'interruptible in the window');
      same(vcpu.readRip(), 0x1005n, 'RIP: behind the instruction after STI');
      vm.memory.writeU32(0xa000, 1);
      vcpu.requestInterruptWindow(false);
      vcpu.inject({ type: 'externalInterrupt', vector: 0x21 });
      return true;
    },
    expected: ['out 80 1 0', 'interruptWindow', 'out 82 1 0', 'out 81 1 0', 'hlt'],
  },
  {
    name: 'MOV SS holds interrupts off for one instruction',
    mode: 'flat32',
    code: [
      'fb                     sti',
      '90                     nop',
      '668cd0                 mov ax, ss',
      '668ed0                 mov ss, ax',
      'e680                   out 0x80, al',
      'e681                   out 0x81, al',
      'f4                     hlt',
    ],
    answer: (exit, { vcpu }) => {
      if (exit.name !== 'ioInstruction') return false;
      same(vcpu.interruptible(), exit.port === 0x81, `interruptible at port ${exit.port.toString(16)}`);
      return false;
    },
    expected: ['out 80 1 10', 'out 81 1 10', 'hlt'],
  },
  {
    name: 'NMIs are blocked until IRET',
    mode: 'flat32',
    code: ['e680                   out 0x80, al', 'e681                   out 0x81, al', 'f4                     hlt'],
    handlers: {
      2: ['e690                   out 0x90, al', 'cf                     iretd'],
    },
    answer: (exit, { vcpu, exits }) => {
      if (exit.name !== 'ioInstruction') return false;
      same(vcpu.nmiUnblocked(), exit.port !== 0x90, `nmiUnblocked at port ${exit.port.toString(16)}`);
      vcpu.completeWrite();
      if (exits.length === 1) vcpu.inject({ type: 'nmi', vector: 2 });
      return true;
    },
    expected: ['out 80 1 0', 'out 90 1 0', 'out 81 1 0', 'hlt'],
  },
  {
    name: 'an injected hardware exception pushes its error code',
    mode: 'flat32',
    code: ['e680                   out 0x80, al', 'e681                   out 0x81, al', 'f4                     hlt'],
    handlers: {
      14: [
        '58                     pop eax',
        'a300a00000             mov [0xa000], eax',
        '8b0424                 mov eax, [esp]',
        'a304a00000             mov [0xa004], eax',
        'e68e                   out 0x8e, al',
        'cf                     iretd',
      ],
    },
    answer: (exit, { vcpu, exits }) => {
      if (exits.length !== 1 || exit.name !== 'ioInstruction') return false;
      vcpu.completeWrite();
      vcpu.inject({ type: 'hardwareException', vector: 14, errorCode: 5 });
      return true;
    },
    expected: ['out 80 1 0', 'out 8e 1 2', 'out 81 1 2', 'hlt'],
    check: ({ word }) => {
      same(word(0xa000), 5, 'error code');
      same(word(0xa004), 0x1002, 'saved EIP: behind the OUT');
    },
  },
  {
    name: 'failInstruction raises #GP at the instruction instead of completing it',
    mode: 'flat32',
    code: ['b855000000             mov eax, 0x55', 'e460                   in al, 0x60', 'f4                     hlt'],
    handlers: {
      13: [
        '5b                     pop ebx',
        '891d00a00000           mov [0xa000], ebx',
        '5b                     pop ebx',
        '891d04a00000           mov [0xa004], ebx',
        'a308a00000             mov [0xa008], eax',
        'f4                     hlt',
      ],
    },
    answer: (exit, { vcpu }) => {
      if (exit.name !== 'ioInstruction') return false;
      vcpu.failInstruction(13, 0);
      return true;
    },
    expected: ['in 60 1', 'hlt'],
    check: ({ word }) => {
      same(word(0xa000), 0, 'error code');
      same(word(0xa004), 0x1005, 'saved EIP: the IN');
      same(word(0xa008), 0x55, 'EAX unchanged');
    },
  },
  {
    name: 'CPUID exits with leaf and subleaf; the monitor answers',
    mode: 'long',
    code: [
      '48b81200000001000000   mov rax, 0x1_00000012',
      'b907000000             mov ecx, 7',
      '48bbffffffffffffffff   mov rbx, -1',
      '0fa2                   cpuid',
      '4889042500a00000       mov [0xa000], rax',
      '48891c2508a00000       mov [0xa008], rbx',
      'f4                     hlt',
    ],
    expected: ['cpuid 12 7', 'hlt'],
    check: ({ quad }) => {
      same(quad(0xa000), 0x11111111n, 'RAX');
      same(quad(0xa008), 0x22222222n, 'RBX');
    },
  },
  {
    name: 'RDMSR and WRMSR: passed through, filtered, and refused',
    mode: 'flat32',
    code: [
      'b9820000c0             mov ecx, 0xc0000082',
      'b8efcdab89             mov eax, 0x89abcdef',
      'ba0080ffff             mov edx, 0xffff8000',
      '0f30                   wrmsr',
      '31c0                   xor eax, eax',
      '0f32                   rdmsr',
      'a300a00000             mov [0xa000], eax',
      '891504a00000           mov [0xa004], edx',
      'b91b000000             mov ecx, 0x1b',
      '0f32                   rdmsr',
      'a308a00000             mov [0xa008], eax',
      '89150ca00000           mov [0xa00c], edx',
      '0f30                   wrmsr',
      'b945230100             mov ecx, 0x12345',
      '0f32                   rdmsr',
      'f4                     hlt',
    ],
    handlers: {
      13: ['5b                     pop ebx', '891d10a00000           mov [0xa010], ebx', 'f4                     hlt'],
    },
    prepare: ({ vcpu }) => {
      vcpu.controls.msrBitmap.fill(0xff);
      setMsrBitmap(vcpu.controls.msrBitmap, 0xc000_0082, 'both', false);
      vcpu.applyControls();
    },
    inputs: [0x1_fee0_0900n],
    answer: (exit, { vcpu }) => {
      if (exit.name !== 'rdmsr' || exit.index !== 0x12345) return false;
      vcpu.failInstruction(13, 0);
      return true;
    },
    expected: ['rdmsr 1b', 'wrmsr 1b 1fee00900', 'rdmsr 12345', 'hlt'],
    check: ({ word, vcpu }) => {
      same(word(0xa000), 0x89abcdef, 'low half of LSTAR');
      same(word(0xa004), 0xffff8000, 'high half of LSTAR');
      same(word(0xa008), 0xfee00900, 'low half of IA32_APIC_BASE');
      same(word(0xa00c), 1, 'high half of IA32_APIC_BASE');
      same(word(0xa010), 0, 'error code of #GP');
      same(vcpu.readState().lstar, 0xffff_8000_89ab_cdefn, 'LSTAR in CpuState');
    },
  },
  {
    name: 'CR0: host-owned bits read from the shadow, exit when written differently',
    mode: 'flat32',
    code: [
      '0f20c0                 mov eax, cr0',
      'a300a00000             mov [0xa000], eax',
      '83c802                 or eax, 0x2',
      '0f22c0                 mov cr0, eax',
      '0f20c0                 mov eax, cr0',
      'a304a00000             mov [0xa004], eax',
      '83e0f7                 and eax, ~0x8',
      '0f22c0                 mov cr0, eax',
      '0f06                   clts',
      '0f01e0                 smsw eax',
      'a308a00000             mov [0xa008], eax',
      '0f01f0                 lmsw ax',
      '24f7                   and al, ~0x8',
      '0f01f0                 lmsw ax',
      'f4                     hlt',
    ],
    prepare: ({ vcpu }) => {
      vcpu.controls.cr0GuestHostMask = 0x8n; // TS
      vcpu.controls.cr0ReadShadow = 0x8n;
      vcpu.applyControls();
    },
    answer: (exit, { vcpu }) => {
      if (exit.name !== 'controlRegisterAccess') return false;
      vcpu.skipInstruction();
      return true;
    },
    expected: ['cr0 movTo 13', 'cr0 clts', 'cr0 lmsw 13', 'hlt'],
    check: ({ word, vcpu }) => {
      same(word(0xa000), 0x19, 'CR0 with TS from the shadow');
      same(word(0xa004), 0x1b, 'after setting MP without an exit');
      same(word(0xa008) & 0xffff, 0x1b, 'SMSW');
      same(vcpu.readState().cr0, 0x13n, 'CR0 itself');
    },
  },
  {
    name: 'CR4: host-owned bits read from the shadow, exit when written differently',
    mode: 'flat32',
    code: [
      '0f20e0                 mov eax, cr4',
      'a300a00000             mov [0xa000], eax',
      '83c810                 or eax, 0x10',
      '0f22e0                 mov cr4, eax',
      '0f20e0                 mov eax, cr4',
      'a304a00000             mov [0xa004], eax',
      '83e0f7                 and eax, ~0x8',
      '0f22e0                 mov cr4, eax',
      'f4                     hlt',
    ],
    prepare: ({ vcpu }) => {
      vcpu.controls.cr4GuestHostMask = 0x8n; // DE
      vcpu.controls.cr4ReadShadow = 0x8n;
      vcpu.applyControls();
    },
    answer: (exit, { vcpu }) => {
      if (exit.name !== 'controlRegisterAccess') return false;
      vcpu.skipInstruction();
      return true;
    },
    expected: ['cr4 movTo 10', 'hlt'],
    check: ({ word, vcpu }) => {
      same(word(0xa000), 0x8, 'CR4 with DE from the shadow');
      same(word(0xa004), 0x18, 'after setting PSE without an exit');
      same(vcpu.readState().cr4, 0x10n, 'CR4 itself');
    },
  },
  {
    name: 'controls make CR3, CR8, DR, INVLPG, PAUSE, WBINVD, RDTSC and VMCALL exit',
    mode: 'long',
    code: [
      '0f20d8                 mov rax, cr3',
      '0f22d8                 mov cr3, rax',
      '440f20c0               mov rax, cr8',
      '440f22c0               mov cr8, rax',
      '0f21fb                 mov rbx, dr7',
      '0f23c3                 mov dr0, rbx',
      '0f013c2500a00000       invlpg [0xa000]',
      'f390                   pause',
      '0f09                   wbinvd',
      '0f31                   rdtsc',
      '0f01c1                 vmcall',
      'f4                     hlt',
    ],
    prepare: ({ vcpu }) => {
      const c = vcpu.controls;
      c.primary +=
        Primary.cr3LoadExiting +
        Primary.cr3StoreExiting +
        Primary.cr8LoadExiting +
        Primary.cr8StoreExiting +
        Primary.movDrExiting +
        Primary.invlpgExiting +
        Primary.pauseExiting +
        Primary.rdtscExiting;
      c.secondary += Secondary.wbinvdExiting;
      vcpu.applyControls();
    },
    answer: (exit, { vcpu }) => {
      if (exit.name === 'hlt') return false;
      if (exit.name === 'controlRegisterAccess' && exit.access === 'movFrom') vcpu.writeGpr(exit.gpr, 0x10000n);
      vcpu.skipInstruction();
      return true;
    },
    expected: [
      'cr3 movFrom 0',
      'cr3 movTo 10000',
      'cr8 movFrom 0',
      'cr8 movTo 10000',
      'dr7 read 3',
      'dr0 write 3',
      'invlpg a000',
      'pause 0',
      'wbinvd 0',
      'rdtsc 0',
      'vmcall 0',
      'hlt',
    ],
  },
  {
    name: 'without those controls they run; VMCALL always exits',
    mode: 'flat32',
    code: [
      '0f21f8                 mov eax, dr7',
      'f390                   pause',
      '0f09                   wbinvd',
      '0f013d00a00000         invlpg [0xa000]',
      '0f20d8                 mov eax, cr3',
      '0f22d8                 mov cr3, eax',
      '0f01c1                 vmcall',
      'f4                     hlt',
    ],
    answer: (exit, { vcpu }) => {
      if (exit.name !== 'vmcall') return false;
      vcpu.skipInstruction();
      return true;
    },
    expected: ['vmcall 0', 'hlt'],
  },
  {
    name: 'the exception bitmap makes #UD, #DE, #BP and #GP exit at the instruction',
    mode: 'flat32',
    code: [
      '0f0b                   ud2',
      '31db                   xor ebx, ebx',
      'f7f3                   div ebx',
      'cc                     int3',
      '66b85000               mov ax, 0x50',
      '8ed8                   mov ds, eax',
      'f4                     hlt',
    ],
    prepare: ({ vcpu }) => {
      vcpu.controls.exceptionBitmap = (1 << 0) | (1 << 3) | (1 << 6) | (1 << 13);
      vcpu.applyControls();
    },
    answer: (exit, { vcpu }) => {
      if (exit.name !== 'exceptionOrNmi') return false;
      const lengths: Record<number, bigint> = { 0: 2n, 3: 1n, 6: 2n, 13: 2n };
      const state = vcpu.readState();
      state.rip += lengths[exit.vector] ?? 0n;
      vcpu.writeState(state);
      return true;
    },
    expected: ['exception 6', 'exception 0', 'exception 3', 'exception 13 error 50', 'hlt'],
  },
  {
    name: 'without the bitmap an exception goes to the guest',
    mode: 'flat32',
    code: ['0f0b                   ud2', 'f4                     hlt'],
    handlers: {
      6: [
        '8b0424                 mov eax, [esp]',
        'a300a00000             mov [0xa000], eax',
        'e686                   out 0x86, al',
        '83042402               add dword [esp], 2',
        'cf                     iretd',
      ],
    },
    expected: ['out 86 1 0', 'hlt'],
    check: ({ word }) => same(word(0xa000), 0x1000, 'saved EIP: the UD2'),
  },
  {
    name: 'an intercepted #PF tells address and error code and leaves CR2 alone',
    mode: 'long',
    code: [
      '48bb78563412ff7f0000   mov rbx, 0x7fff12345678',
      'c60301                 mov byte [rbx], 1',
      'f4                     hlt',
    ],
    prepare: ({ vcpu }) => {
      vcpu.controls.exceptionBitmap = 1 << 14;
      vcpu.applyControls();
    },
    answer: (exit, { vcpu }) => {
      if (exit.name !== 'exceptionOrNmi') return false;
      const state = vcpu.readState();
      same(state.cr2, 0n, 'CR2');
      same(state.rip, 0x100an, 'RIP: the faulting MOV');
      state.rip += 3n;
      vcpu.writeState(state);
      return true;
    },
    expected: ['exception 14 error 2 address 7fff12345678', 'hlt'],
  },
  {
    name: 'an exception that cannot be delivered is a triple fault',
    mode: 'flat32',
    code: ['0f0b                   ud2', 'f4                     hlt'],
    prepare: ({ vcpu }) => {
      const state = vcpu.readState();
      state.idtr = { base: 0x6000n, limit: 0 };
      vcpu.writeState(state);
    },
    expected: ['tripleFault'],
  },
  {
    name: 'the preemption timer counts instructions exactly in virtual time',
    mode: 'flat32',
    virtualTime: true,
    code: ['40                     again: inc eax', 'e9faffffff             jmp again'],
    prepare: ({ vcpu }) => {
      const tsc = vcpu.readTsc();
      const begin = vcpu.counters.instructions;
      for (const budget of [1000, 1, 7, 100_000]) {
        const before = vcpu.counters.instructions;
        same(vcpu.enter(budget).name, 'preemptionTimer', `exit after ${budget}`);
        same(vcpu.counters.instructions - before, budget, `instructions in a budget of ${budget}`);
      }
      same(vcpu.readGpr(Gpr.RAX), 50504n, 'EAX: every second instruction');
      same(vcpu.readTsc() - tsc, BigInt(vcpu.counters.instructions - begin), 'TSC ticks');
      vcpu.kick();
    },
    expected: ['kick'],
  },
  {
    name: 'an exit inside the budget leaves the rest of it',
    mode: 'flat32',
    virtualTime: true,
    code: [
      '90                     nop',
      '90                     nop',
      'e680                   out 0x80, al',
      '90                     nop',
      'e681                   out 0x81, al',
      'f4                     hlt',
    ],
    prepare: ({ vcpu }) => {
      same(vcpu.enter(1).name, 'preemptionTimer', 'after the first NOP');
      same(vcpu.readRip(), 0x1001n, 'RIP');
    },
    expected: ['out 80 1 0', 'out 81 1 0', 'hlt'],
    check: ({ vcpu }) => {
      // HLT counts when it is skipped or when it exits, as the engine likes.
      same([5, 6].includes(vcpu.counters.instructions), true, 'every instruction counted once');
    },
  },
  {
    name: 'RDTSC advances by one per instruction in virtual time',
    mode: 'flat32',
    virtualTime: true,
    code: [
      '0f31                   rdtsc',
      '89c3                   mov ebx, eax',
      '90                     nop',
      '90                     nop',
      '0f31                   rdtsc',
      '29d8                   sub eax, ebx',
      'a300a00000             mov [0xa000], eax',
      'f4                     hlt',
    ],
    expected: ['hlt'],
    check: ({ word }) => same(word(0xa000), 4, 'ticks between the two'),
  },
  {
    name: 'PAUSE is one instruction of PAUSE_TICKS in virtual time',
    mode: 'flat32',
    virtualTime: true,
    code: [
      '0f31                   rdtsc',
      '89c3                   mov ebx, eax',
      'b964000000             mov ecx, 100',
      'f390                   again: pause',
      '49                     dec ecx',
      '75fb                   jnz again',
      '0f31                   rdtsc',
      '29d8                   sub eax, ebx',
      'a300a00000             mov [0xa000], eax',
      'f4                     hlt',
    ],
    prepare: ({ vcpu }) => {
      const tsc = vcpu.readTsc();
      same(vcpu.enter(4).name, 'preemptionTimer', 'exit inside the first PAUSE');
      same(vcpu.readRip(), 0x100bn, 'RIP: behind it');
      same(vcpu.counters.instructions, 4, 'instructions');
      same(vcpu.ticks, 3 + PAUSE_TICKS, 'ticks');
      same(vcpu.readTsc() - tsc, BigInt(3 + PAUSE_TICKS), 'ticks of the TSC');
    },
    expected: ['hlt'],
    check: ({ word }) => same(word(0xa000), 3 + 100 * (2 + PAUSE_TICKS), 'ticks between the two'),
  },
  {
    name: 'a kick ends the entry once; the guest goes on at the next',
    mode: 'flat32',
    code: ['b801000000             mov eax, 1', 'e680                   out 0x80, al', 'f4                     hlt'],
    prepare: ({ vcpu }) => {
      vcpu.kick();
      same(vcpu.enter(1_000_000).name, 'kick', 'first entry');
    },
    expected: ['out 80 1 1', 'hlt'],
  },
  {
    name: 'writeTsc moves the guest TSC',
    mode: 'flat32',
    code: [
      'e680                   out 0x80, al',
      '0f31                   rdtsc',
      'a300a00000             mov [0xa000], eax',
      '891504a00000           mov [0xa004], edx',
      'f4                     hlt',
    ],
    answer: (exit, { vcpu }) => {
      if (exit.name !== 'ioInstruction') return false;
      vcpu.completeWrite();
      vcpu.writeTsc(0x5_0000_0000n);
      return true;
    },
    expected: ['out 80 1 0', 'hlt'],
    check: ({ word }) => {
      same(word(0xa004), 5, 'EDX');
    },
  },
  {
    name: 'code written by the monitor runs at the next entry',
    mode: 'flat32',
    code: [
      'e680                   out 0x80, al',
      'b001                   mov al, 1',
      'e681                   out 0x81, al',
      'f4                     hlt',
    ],
    answer: (exit, { vcpu, vm }) => {
      if (exit.name !== 'ioInstruction' || exit.port !== 0x80) return false;
      vcpu.completeWrite();
      vm.memory.writeU8(0x1003, 0x42); // the immediate of MOV AL
      return true;
    },
    expected: ['out 80 1 0', 'out 81 1 42', 'hlt'],
  },
  {
    name: 'code that modifies itself sees its own writes',
    mode: 'flat32',
    code: [
      'b903000000             mov ecx, 3',
      'b000                   again: mov al, 0',
      'e680                   out 0x80, al',
      'fe0506100000           inc byte [again+1]',
      'e2f4                   loop again',
      'f4                     hlt',
    ],
    expected: ['out 80 1 0', 'out 80 1 1', 'out 80 1 2', 'hlt'],
  },
];
