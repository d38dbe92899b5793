// NOP, PAUSE, hints, prefetches, and the opcodes reserved to be undefined. Intel SDM Vol. 2, "NOP", "PAUSE", "PREFETCHW",
// "ENDBR64", "UD—Undefined Instruction".
import { enc, type Instruction, insn } from '../declare.js';
import { Ev, Gv, Mb } from '../operands.js';
import type { Sem } from '../sem.js';

const nothing = <V>(_: Sem<V>): void => {};
const HINT = { noAccess: true, opBits: 32 } as const;

const NOP = insn('nop', {
  sdm: 'SDM 2B "NOP—No Operation"',
  hot: true,
  encodings: [
    enc('90 rex.b0', [], { opBits: 32 }),
    // 0F18..0F1F are hints that do nothing on processors that do not know them (SDM Vol. 2D, Table A-3).
    ...['18', '19', '1a', '1b', '1c', '1d', '1e', '1f'].map((opcode) => enc(`0f ${opcode} /r`, [Ev], HINT)),
    enc('0f 0d /r', [Mb], HINT),
  ],
  execute: nothing,
});
const PAUSE = insn('pause', {
  sdm: 'SDM 2B "PAUSE—Spin Loop Hint"',
  encodings: [enc('f3 90 rex.b0', [], { opBits: 32 })],
  execute(s) {
    s.call('pause');
  },
});
const PREFETCHW = insn('prefetchw', {
  sdm: 'SDM 2B "PREFETCHW—Prefetch Data Into Caches in Anticipation of a Write"',
  encodings: [enc('0f 0d /1', [Mb], HINT)],
  execute: nothing,
});
const ENDBR = (['endbr64', 'endbr32'] as const).map((name, n) =>
  insn(name, {
    sdm: 'SDM 2A "ENDBR64—Terminate an Indirect Branch in 64-bit Mode"',
    encodings: [enc(`f3 0f 1e /f${n === 0 ? 'a' : 'b'}`, [], { opBits: 32 })],
    execute: nothing,
  }),
);
const undefinedInstruction = (name: string, opcode: string, modrm: boolean): Instruction =>
  insn(name, {
    sdm: 'SDM 2B "UD—Undefined Instruction"',
    serializes: true,
    encodings: [enc(modrm ? `${opcode} /r` : opcode, modrm ? [Gv, Ev] : [], HINT)],
    execute(s) {
      s.raise(6);
    },
  });

export const MISC: readonly Instruction[] = [
  NOP,
  PAUSE,
  PREFETCHW,
  ...ENDBR,
  undefinedInstruction('ud0', '0f ff', true),
  undefinedInstruction('ud1', '0f b9', true),
  undefinedInstruction('ud2', '0f 0b', false),
];
