// Flag control. Intel SDM Vol. 2, "CLC" .. "STD", "LAHF", "SAHF", "CLAC", "STAC".
import { enc, type Instruction, insn } from '../declare.js';
import type { Sem } from '../sem.js';

const ANY = { opBits: 32 } as const;
const simple = (name: string, opcode: string, sdm: string, f: <V>(s: Sem<V>) => void): Instruction =>
  insn(name, { sdm, encodings: [enc(opcode, [], ANY)], execute: f });

const CLI = insn('cli', {
  sdm: 'SDM 2A "CLI—Clear Interrupt Flag"',
  encodings: [enc('fa', [], ANY)],
  execute(s) {
    s.call('cli');
  },
});
/** Ends the block: an interrupt may be due after the instruction that follows. */
const STI = insn('sti', {
  sdm: 'SDM 2B "STI—Set Interrupt Flag"',
  serializes: true,
  encodings: [enc('fb', [], ANY)],
  execute(s) {
    s.call('sti');
  },
});
const alignmentCheck = (name: string, modrm: string, value: number, sdm: string): Instruction =>
  insn(name, {
    sdm,
    encodings: [enc(`np 0f 01 /${modrm}`, [], { opBits: 32, feature: 'smap' })],
    execute(s) {
      s.call('smap_check', s.const(value, 32));
    },
  });

export const FLAGS: readonly Instruction[] = [
  simple('clc', 'f8', 'SDM 2A "CLC—Clear Carry Flag"', (s) => s.setFlags({ c: s.const(0, 1) })),
  simple('stc', 'f9', 'SDM 2B "STC—Set Carry Flag"', (s) => s.setFlags({ c: s.const(1, 1) })),
  simple('cmc', 'f5', 'SDM 2A "CMC—Complement Carry Flag"', (s) =>
    s.setFlags({ c: s.xor(s.flag('c'), s.const(1, 1)) }),
  ),
  simple('cld', 'fc', 'SDM 2A "CLD—Clear Direction Flag"', (s) => s.setDirectionFlag(s.const(0, 1))),
  simple('std', 'fd', 'SDM 2B "STD—Set Direction Flag"', (s) => s.setDirectionFlag(s.const(1, 1))),
  simple('lahf', '9f', 'SDM 2A "LAHF—Load Status Flags Into AH Register"', (s) => s.setRegHigh('rax', s.statusByte())),
  simple('sahf', '9e', 'SDM 2B "SAHF—Store AH Into Flags"', (s) => s.setStatusByte(s.regHigh('rax'))),
  CLI,
  STI,
  alignmentCheck('clac', 'ca', 0, 'SDM 2A "CLAC—Clear AC Flag in EFLAGS Register"'),
  alignmentCheck('stac', 'cb', 1, 'SDM 2B "STAC—Set AC Flag in EFLAGS Register"'),
];
