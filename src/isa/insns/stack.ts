// PUSH, POP and their families, ENTER, LEAVE. Intel SDM Vol. 2, instruction reference of the same names.
import { enc, type Instruction, insn } from '../declare.js';
import { Ev, Ib, Isb, Iw, Iz, segmentOperand, Zv } from '../operands.js';
import type { GprName } from '../sem.js';
import { resize, truncTo, zextTo } from './helpers.js';

const D64 = { d64: true } as const;
const [ES, CS, SS, DS, FS, GS] = [0, 1, 2, 3, 4, 5].map(segmentOperand) as [
  ReturnType<typeof segmentOperand>,
  ReturnType<typeof segmentOperand>,
  ReturnType<typeof segmentOperand>,
  ReturnType<typeof segmentOperand>,
  ReturnType<typeof segmentOperand>,
  ReturnType<typeof segmentOperand>,
];
const I64 = { i64: true } as const;
/** In the order they are pushed. */
const ALL: readonly GprName[] = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'];

const PUSH = insn('push', {
  sdm: 'SDM 2B "PUSH—Push Word, Doubleword, or Quadword Onto the Stack"',
  hot: true,
  encodings: [enc('50+r', [Zv], D64), enc('ff /6', [Ev], D64), enc('6a ib', [Isb], D64), enc('68', [Iz], D64)],
  execute(s, src) {
    s.push(s.read(src));
  },
});
const PUSH_SREG = insn('push_sreg', {
  sdm: 'SDM 2B "PUSH—Push Word, Doubleword, or Quadword Onto the Stack"',
  encodings: [
    enc('06', [ES], I64),
    enc('0e', [CS], I64),
    enc('16', [SS], I64),
    enc('1e', [DS], I64),
    enc('0f a0', [FS], D64),
    enc('0f a8', [GS], D64),
  ],
  execute(s, src) {
    const selector = s.call('segment_selector', s.registerNumber(src));
    if (s.opBits !== 32) {
      s.push(resize(s, selector, s.opBits));
      return;
    }
    // a 16-bit move: the upper half of the stack's doubleword stays
    const sp = s.sub(s.reg('rsp', s.stackBits), s.const(4, s.stackBits));
    s.storeStack(sp, s.trunc(selector, 16));
    s.setReg('rsp', sp);
  },
});
const POP = insn('pop', {
  sdm: 'SDM 2B "POP—Pop a Value From the Stack"',
  hot: true,
  encodings: [enc('58+r', [Zv], D64), enc('8f /0', [Ev], { d64: true, afterPop: true })],
  execute(s, dst) {
    const v = s.peek(s.opBits);
    if (dst.kind === 'mem') {
      s.write(dst, v);
      s.dropStack(s.opBits / 8);
    } else {
      s.dropStack(s.opBits / 8);
      s.write(dst, v);
    }
  },
});
const POP_SREG = insn('pop_sreg', {
  sdm: 'SDM 2B "POP—Pop a Value From the Stack"',
  serializes: true,
  encodings: [
    enc('07', [ES], I64),
    enc('17', [SS], I64),
    enc('1f', [DS], I64),
    enc('0f a1', [FS], D64),
    enc('0f a9', [GS], D64),
  ],
  execute(s, dst) {
    const v = s.peek(s.opBits);
    s.call('load_segment', s.registerNumber(dst), s.zext(truncTo(s, v, 16), 32));
    s.dropStack(s.opBits / 8);
  },
});
const PUSHA = insn('pusha', {
  sdm: 'SDM 2B "PUSHA/PUSHAD—Push All General-Purpose Registers"',
  encodings: [enc('60', [], I64)],
  execute(s) {
    const bytes = s.opBits / 8;
    const sp = s.reg('rsp', s.stackBits);
    ALL.forEach((name, n) => {
      s.storeStack(s.sub(sp, s.const(bytes * (n + 1), s.stackBits)), s.reg(name, s.opBits));
    });
    s.setReg('rsp', s.sub(sp, s.const(bytes * 8, s.stackBits)));
  },
});
const POPA = insn('popa', {
  sdm: 'SDM 2B "POPA/POPAD—Pop All General-Purpose Registers"',
  encodings: [enc('61', [], I64)],
  execute(s) {
    const bytes = s.opBits / 8;
    const values = ALL.map((name, n) => ({ name, v: s.peek(s.opBits, bytes * (7 - n)) }));
    s.dropStack(bytes * 8);
    for (const { name, v } of values) if (name !== 'rsp') s.setReg(name, v);
  },
});
const PUSHF = insn('pushf', {
  sdm: 'SDM 2B "PUSHF/PUSHFD/PUSHFQ—Push EFLAGS Register Onto the Stack"',
  encodings: [enc('9c', [], D64)],
  execute(s) {
    s.call('pushf_check', s.const(s.opBits, 32));
    s.push(truncTo(s, s.call('pushf_value'), s.opBits));
  },
});
const POPF = insn('popf', {
  sdm: 'SDM 2B "POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register"',
  serializes: true,
  encodings: [enc('9d', [], D64)],
  execute(s) {
    s.call('popf', zextTo(s, s.peek(s.opBits), 64), s.const(s.opBits, 32));
  },
});
const ENTER = insn('enter', {
  sdm: 'SDM 2A "ENTER—Make Stack Frame for Procedure Parameters"',
  encodings: [enc('c8', [Iw, Ib], D64)],
  execute(s, size, level) {
    s.call('enter', zextTo(s, s.read(size), 32), zextTo(s, s.read(level), 32), s.const(s.opBits, 32));
  },
});
const LEAVE = insn('leave', {
  sdm: 'SDM 2A "LEAVE—High Level Procedure Exit"',
  hot: true,
  encodings: [enc('c9', [], D64)],
  execute(s) {
    const frame = s.reg('rbp', s.stackBits);
    const v = s.loadStack(frame, s.opBits);
    s.setReg('rsp', s.add(frame, s.const(s.opBits / 8, s.stackBits)));
    s.setReg('rbp', v);
  },
});

export const STACK: readonly Instruction[] = [PUSH, PUSH_SREG, POP, POP_SREG, PUSHA, POPA, PUSHF, POPF, ENTER, LEAVE];
