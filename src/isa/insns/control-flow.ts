// Near and far branches, loops, software interrupts. Intel SDM Vol. 2, instruction reference of the same names.
import { enc, type Instruction, insn } from '../declare.js';
import { Ap, Ev, Gv, Ib, Iw, Jb, Jz, Ma, Mp } from '../operands.js';
import { CONDITIONS, type Operand, type Sem } from '../sem.js';
import { hex2, isNonZero, sextTo, truncTo, zextTo } from './helpers.js';

const NEAR = { f64: true } as const;

const JCC = CONDITIONS.map((condition, n) =>
  insn(`j${condition}`, {
    sdm: 'SDM 2A "Jcc—Jump if Condition Is Met"',
    hot: true,
    encodings: [enc(hex2(0x70 + n), [Jb], NEAR), enc(`0f ${hex2(0x80 + n)}`, [Jz], NEAR)],
    execute(s, target) {
      s.when(s.cond(condition), () => s.jumpTo(target));
    },
  }),
);
const JMP = insn('jmp', {
  sdm: 'SDM 2A "JMP—Jump"',
  hot: true,
  encodings: [enc('eb', [Jb], NEAR), enc('e9', [Jz], NEAR), enc('ff /4', [Ev], NEAR)],
  execute(s, target) {
    if (target.kind === 'rel') s.jumpTo(target);
    else s.jump(s.read(target));
  },
});
const CALL = insn('call', {
  sdm: 'SDM 2A "CALL—Call Procedure"',
  hot: true,
  encodings: [enc('e8', [Jz], NEAR), enc('ff /2', [Ev], NEAR)],
  execute(s, target) {
    if (target.kind === 'rel') {
      s.checkJump(target);
      s.push(truncTo(s, s.nextRip(), s.opBits));
      s.jumpTo(target);
      return;
    }
    const v = s.read(target);
    s.checkTarget(v);
    s.push(truncTo(s, s.nextRip(), s.opBits));
    s.jump(v);
  },
});
const RET = insn('ret', {
  sdm: 'SDM 2B "RET—Return From Procedure"',
  hot: true,
  encodings: [enc('c3', [], NEAR), enc('c2', [Iw], NEAR)],
  execute(s, release?: Operand) {
    const v = s.peek(s.opBits);
    s.checkTarget(v);
    if (release === undefined) s.dropStack(s.opBits / 8);
    else {
      const extra = zextTo(s, s.read(release), s.stackBits);
      s.dropStack(s.add(extra, s.const(s.opBits / 8, s.stackBits)));
    }
    s.jump(v);
  },
});

const countdown = (name: string, opcode: string, condition: 'none' | 'z' | 'nz'): Instruction =>
  insn(name, {
    sdm: 'SDM 2A "LOOP/LOOPcc—Loop According to ECX Counter"',
    encodings: [enc(opcode, [Jb], NEAR)],
    execute(s, target) {
      const count = s.sub(s.reg('rcx', s.addrBits), s.const(1, s.addrBits));
      const more = isNonZero(s, count);
      const taken = condition === 'none' ? more : s.and(more, s.cond(condition));
      s.when(taken, () => s.checkJump(target));
      s.setReg('rcx', count);
      s.when(taken, () => s.jumpTo(target));
    },
  });
const JRCXZ = insn('jrcxz', {
  sdm: 'SDM 2A "Jcc—Jump if Condition Is Met"',
  encodings: [enc('e3', [Jb], NEAR)],
  execute(s, target) {
    s.when(s.isZero(s.reg('rcx', s.addrBits)), () => s.jumpTo(target));
  },
});

/** Selector (32 wide) and offset (64 wide) of a far pointer, immediate or in memory. */
function farPointer<V>(s: Sem<V>, target: Operand): { selector: V; offset: V } {
  if (target.kind === 'far') return { selector: s.registerNumber(target), offset: zextTo(s, s.read(target), 64) };
  const offset = s.read(s.at(target, 0, s.opBits));
  const selector = s.read(s.at(target, s.opBits / 8, 16));
  return { selector: s.zext(selector, 32), offset: zextTo(s, offset, 64) };
}
const JMP_FAR = insn('jmp_far', {
  sdm: 'SDM 2A "JMP—Jump"',
  serializes: true,
  encodings: [enc('ea', [Ap], { i64: true }), enc('ff /5', [Mp])],
  execute(s, target) {
    const { selector, offset } = farPointer(s, target);
    s.call('far_jump', selector, offset, s.const(s.opBits, 32));
  },
});
const CALL_FAR = insn('call_far', {
  sdm: 'SDM 2A "CALL—Call Procedure"',
  serializes: true,
  encodings: [enc('9a', [Ap], { i64: true }), enc('ff /3', [Mp])],
  execute(s, target) {
    const { selector, offset } = farPointer(s, target);
    s.call('far_call', selector, offset, s.const(s.opBits, 32));
  },
});
const RET_FAR = insn('ret_far', {
  sdm: 'SDM 2B "RET—Return From Procedure"',
  serializes: true,
  encodings: [enc('cb'), enc('ca', [Iw])],
  execute(s, release?: Operand) {
    s.call(
      'far_return',
      s.const(s.opBits, 32),
      release === undefined ? s.const(0, 32) : zextTo(s, s.read(release), 32),
    );
  },
});
const IRET = insn('iret', {
  sdm: 'SDM 2A "IRET/IRETD/IRETQ—Interrupt Return"',
  serializes: true,
  encodings: [enc('cf')],
  execute(s) {
    s.call('iret', s.const(s.opBits, 32));
  },
});

const INT_SDM = 'SDM 2A "INT n/INTO/INT3/INT1—Call to Interrupt Procedure"';
const INT = insn('int', {
  sdm: INT_SDM,
  serializes: true,
  encodings: [enc('cd', [Ib], { opBits: 32 })],
  execute(s, vector) {
    s.call('interrupt', zextTo(s, s.read(vector), 32), s.const(0, 32));
  },
});
const INT3 = insn('int3', {
  sdm: INT_SDM,
  serializes: true,
  encodings: [enc('cc', [], { opBits: 32 })],
  execute(s) {
    s.call('interrupt', s.const(3, 32), s.const(1, 32));
  },
});
const INTO = insn('into', {
  sdm: INT_SDM,
  serializes: true,
  encodings: [enc('ce', [], { opBits: 32, i64: true })],
  execute(s) {
    s.when(s.flag('o'), () => {
      s.call('interrupt', s.const(4, 32), s.const(2, 32));
    });
  },
});
const INT1 = insn('int1', {
  sdm: INT_SDM,
  serializes: true,
  encodings: [enc('f1', [], { opBits: 32 })],
  execute(s) {
    s.call('interrupt', s.const(1, 32), s.const(3, 32));
  },
});
const BOUND = insn('bound', {
  sdm: 'SDM 2A "BOUND—Check Array Index Against Bounds"',
  encodings: [enc('62 /r', [Gv, Ma], { i64: true })],
  execute(s, index, pair) {
    const linear = s.linearAddress(pair, s.opBits / 4, false);
    s.call('bound', linear, sextTo(s, s.read(index), 32), s.const(s.opBits, 32));
  },
});

export const CONTROL_FLOW: readonly Instruction[] = [
  ...JCC,
  JMP,
  CALL,
  RET,
  countdown('loop', 'e2', 'none'),
  countdown('loope', 'e1', 'z'),
  countdown('loopne', 'e0', 'nz'),
  JRCXZ,
  JMP_FAR,
  CALL_FAR,
  RET_FAR,
  IRET,
  INT,
  INT3,
  INTO,
  INT1,
  BOUND,
];
