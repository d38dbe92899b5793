// System instructions: control and debug registers, MSRs, system calls, caches, TLB, VMCALL, processor state images.
// Intel SDM Vol. 2 and Vol. 3C ("VMX Instruction Reference"), instruction reference of the same names.
import { type EncodingOptions, enc, type Instruction, insn } from '../declare.js';
import { Cc, Dc, Ev_w, Ew, Gc, M, Mb, Mdq, Rc, Rv } from '../operands.js';
import { bitsOf, resize, zextTo } from './helpers.js';

const ANY = { opBits: 32 } as const;
/** An instruction that is one procedure without arguments. */
const plain = (
  name: string,
  opcode: string,
  sdm: string,
  options: EncodingOptions = {},
  procedure = name,
  serializes = false,
): Instruction =>
  insn(name, {
    sdm,
    serializes,
    encodings: [enc(opcode, [], { ...ANY, ...options })],
    execute(s) {
      s.call(procedure);
    },
  });
const SERIALIZES = true;

const MOV_FROM_CR = insn('mov_from_cr', {
  sdm: 'SDM 2B "MOV—Move to/from Control Registers"',
  encodings: [enc('0f 20 /r', [Rc, Cc], ANY)],
  execute(s, dst, src) {
    s.call('mov_from_cr', s.registerNumber(src));
    s.write(dst, s.loadScratch(0, bitsOf(dst)));
  },
});
const MOV_TO_CR = insn('mov_to_cr', {
  sdm: 'SDM 2B "MOV—Move to/from Control Registers"',
  serializes: true,
  encodings: [enc('0f 22 /r', [Cc, Rc], ANY)],
  execute(s, dst, src) {
    s.call('mov_to_cr', s.registerNumber(dst), zextTo(s, s.read(src), 64));
  },
});
const MOV_FROM_DR = insn('mov_from_dr', {
  sdm: 'SDM 2B "MOV—Move to/from Debug Registers"',
  encodings: [enc('0f 21 /r', [Rc, Dc], ANY)],
  execute(s, dst, src) {
    s.call('mov_from_dr', s.registerNumber(src));
    s.write(dst, s.loadScratch(0, bitsOf(dst)));
  },
});
const MOV_TO_DR = insn('mov_to_dr', {
  sdm: 'SDM 2B "MOV—Move to/from Debug Registers"',
  serializes: true,
  encodings: [enc('0f 23 /r', [Dc, Rc], ANY)],
  execute(s, dst, src) {
    s.call('mov_to_dr', s.registerNumber(dst), zextTo(s, s.read(src), 64));
  },
});
const LMSW = insn('lmsw', {
  sdm: 'SDM 2A "LMSW—Load Machine Status Word"',
  serializes: true,
  encodings: [enc('0f 01 /6', [Ew], ANY)],
  execute(s, src) {
    s.call('lmsw', s.zext(s.read(src), 32));
  },
});
const SMSW = insn('smsw', {
  sdm: 'SDM 2B "SMSW—Store Machine Status Word"',
  encodings: [enc('0f 01 /4', [Ev_w])],
  execute(s, dst) {
    s.call('umip_check');
    s.write(dst, resize(s, s.call('smsw_value'), bitsOf(dst)));
  },
});
const RDTSC = insn('rdtsc', {
  sdm: 'SDM 2B "RDTSC—Read Time-Stamp Counter"',
  encodings: [enc('0f 31', [], { ...ANY, feature: 'tsc' })],
  execute(s) {
    s.call('rdtsc');
    s.setReg('rax', s.loadScratch(0, 32));
    s.setReg('rdx', s.loadScratch(1, 32));
  },
});
const INVLPG = insn('invlpg', {
  sdm: 'SDM 2A "INVLPG—Invalidate TLB Entries"',
  serializes: true,
  encodings: [enc('0f 01 /7', [M], { ...ANY, noAccess: true })],
  execute(s, memory) {
    s.call('invlpg', s.linearAddress(memory, 0, false));
  },
});
const INVPCID = insn('invpcid', {
  sdm: 'SDM 2A "INVPCID—Invalidate Process-Context Identifier"',
  serializes: true,
  encodings: [enc('66 0f 38 82 /r', [Gc, Mdq], { ...ANY, feature: 'invpcid' })],
  execute(s, type, descriptor) {
    s.call('invpcid', zextTo(s, s.read(type), 64), s.linearAddress(descriptor, 16, false));
  },
});
const SYSRET = insn('sysret', {
  sdm: 'SDM 2B "SYSRET—Return From Fast System Call"',
  serializes: true,
  encodings: [enc('0f 07', [], { o64: true })],
  execute(s) {
    s.call('sysret', s.const(s.opBits, 32));
  },
});
const SYSEXIT = insn('sysexit', {
  sdm: 'SDM 2B "SYSEXIT—Fast Return from Fast System Call"',
  serializes: true,
  encodings: [enc('0f 35', [], { feature: 'sep' })],
  execute(s) {
    s.call('sysexit', s.const(s.opBits, 32));
  },
});
const MONITOR = insn('monitor', {
  sdm: 'SDM 2B "MONITOR—Set Up Monitor Address"',
  encodings: [enc('np 0f 01 /c8', [], { ...ANY, feature: 'monitor' })],
  execute(s) {
    s.call('monitor', zextTo(s, s.reg('rax', s.addrBits), 64));
  },
});

const random = (name: string, digit: number, sdm: string): Instruction =>
  insn(name, {
    sdm,
    encodings: [enc(`np 0f c7 /${digit}`, [Rv], { feature: name }), enc(`66 0f c7 /${digit}`, [Rv], { feature: name })],
    execute(s, dst) {
      s.call(name, s.const(s.opBits, 32));
      s.write(dst, s.loadScratch(0, bitsOf(dst)));
      const zero = s.const(0, 1);
      s.setFlags({ c: s.const(1, 1), p: zero, a: zero, z: zero, s: zero, o: zero });
    },
  });

/** FXSAVE and its like: one procedure on a linear address. The image's size is checked there, page by page. */
const image = (
  name: string,
  digit: number,
  store: boolean,
  feature: string,
  sdm: string,
  procedure = name,
): Instruction =>
  insn(name, {
    sdm,
    encodings: [enc(`np 0f ae /${digit}`, [M], { feature })],
    execute(s, memory) {
      s.call(procedure, s.linearAddress(memory, 1, store), s.const(s.opBits, 32));
    },
  });
const CLFLUSHOPT = insn('clflushopt', {
  sdm: 'SDM 2A "CLFLUSHOPT—Flush Cache Line Optimized"',
  encodings: [enc('66 0f ae /7', [Mb], { ...ANY, feature: 'clflushopt' })],
  execute(s, line) {
    s.read(line);
  },
});
const CLWB = insn('clwb', {
  sdm: 'SDM 2A "CLWB—Cache Line Write Back"',
  encodings: [enc('66 0f ae /6', [Mb], { ...ANY, feature: 'clwb' })],
  execute(s, line) {
    s.read(line);
  },
});
const FWAIT = insn('fwait', {
  sdm: 'SDM 2C "WAIT/FWAIT—Wait"',
  encodings: [enc('9b', [], ANY)],
  execute(s) {
    s.call('wait_check');
  },
});

export const SYSTEM: readonly Instruction[] = [
  MOV_FROM_CR,
  MOV_TO_CR,
  MOV_FROM_DR,
  MOV_TO_DR,
  LMSW,
  SMSW,
  plain('clts', '0f 06', 'SDM 2A "CLTS—Clear Task-Switched Flag in CR0"', {}, 'clts', SERIALIZES),
  INVLPG,
  INVPCID,
  plain('hlt', 'f4', 'SDM 2A "HLT—Halt"', {}, 'hlt', SERIALIZES),
  plain('cpuid', '0f a2', 'SDM 2A "CPUID—CPU Identification"', {}, 'cpuid', SERIALIZES),
  RDTSC,
  plain('rdtscp', '0f 01 /f9', 'SDM 2B "RDTSCP—Read Time-Stamp Counter and Processor ID"', { feature: 'rdtscp' }),
  plain('rdpmc', '0f 33', 'SDM 2B "RDPMC—Read Performance-Monitoring Counters"'),
  plain('rdmsr', '0f 32', 'SDM 2B "RDMSR—Read From Model Specific Register"', { feature: 'msr' }),
  plain('wrmsr', '0f 30', 'SDM 2C "WRMSR—Write to Model Specific Register"', { feature: 'msr' }, 'wrmsr', SERIALIZES),
  plain('xgetbv', 'np 0f 01 /d0', 'SDM 2C "XGETBV—Get Value of Extended Control Register"', { feature: 'xsave' }),
  plain(
    'xsetbv',
    'np 0f 01 /d1',
    'SDM 2C "XSETBV—Set Extended Control Register"',
    { feature: 'xsave' },
    'xsetbv',
    SERIALIZES,
  ),
  plain('syscall', '0f 05', 'SDM 2B "SYSCALL—Fast System Call"', { o64: true }, 'syscall', SERIALIZES),
  SYSRET,
  plain('sysenter', '0f 34', 'SDM 2B "SYSENTER—Fast System Call"', { feature: 'sep' }, 'sysenter', SERIALIZES),
  SYSEXIT,
  plain('invd', '0f 08', 'SDM 2A "INVD—Invalidate Internal Caches"', {}, 'wbinvd'),
  plain('wbinvd', '0f 09', 'SDM 2C "WBINVD—Write Back and Invalidate Cache"'),
  MONITOR,
  plain('mwait', 'np 0f 01 /c9', 'SDM 2B "MWAIT—Monitor Wait"', { feature: 'monitor' }, 'mwait', SERIALIZES),
  plain('vmcall', 'np 0f 01 /c1', 'SDM 3C "VMCALL—Call to VM Monitor"', {}, 'vmcall', SERIALIZES),
  random('rdrand', 6, 'SDM 2B "RDRAND—Read Random Number"'),
  random('rdseed', 7, 'SDM 2B "RDSEED—Read Random SEED"'),
  image('fxsave', 0, true, 'fxsr', 'SDM 2A "FXSAVE—Save x87 FPU, MMX Technology, and SSE State"'),
  image('fxrstor', 1, false, 'fxsr', 'SDM 2A "FXRSTOR—Restore x87 FPU, MMX, XMM, and MXCSR State"'),
  image('xsave', 4, true, 'xsave', 'SDM 2C "XSAVE—Save Processor Extended States"'),
  image('xrstor', 5, false, 'xsave', 'SDM 2C "XRSTOR—Restore Processor Extended States"'),
  image('xsaveopt', 6, true, 'xsaveopt', 'SDM 2C "XSAVEOPT—Save Processor Extended States Optimized"', 'xsave'),
  CLFLUSHOPT,
  CLWB,
  FWAIT,
];
