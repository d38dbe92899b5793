// Functions that compute a condition code from the lazy flags: one per pair of conditions (the odd ones are negations).
// SDM Vol. 1 Appendix B "EFLAGS Condition Codes".
import { at, FLAGS_KIND } from '../state-layout.js';
import type { FunctionBuilder, ModuleBuilder } from './wasm.js';

const STATE = 0;

const NAMES = ['o', 'b', 'z', 'be', 's', 'p', 'l', 'le'] as const;
/** Their exports, in the order of the conditions. */
export const CONDITION_FUNCTIONS = NAMES.map((name) => `condition_${name}`);

/** Adds and exports the eight functions: (state) -> 0 or 1. Returns their indexes. */
export function addConditionFunctions(module: ModuleBuilder): number[] {
  return NAMES.map((name) => {
    const f = module.function(['i32'], ['i32'], `condition_${name}`);
    const kind = f.newLocal('i32');
    const a = f.newLocal('i64');
    const b = f.newLocal('i64');
    const shift = f.newLocal('i64');
    const r = f.newLocal('i64');
    f.get(STATE).memory('i32.load', at('flagsKind')).tee(kind);
    // shift = 64 - width, to bring operands to the top of 64 bits
    f.i32(3).op('i32.and').set(kind); // size code for the moment
    f.i64(64n).i64(8n).get(kind).op('i64.extend_i32_u').op('i64.shl').op('i64.sub').set(shift);
    f.get(STATE).memory('i64.load', at('flagsA')).get(shift).op('i64.shl').set(a);
    f.get(STATE).memory('i64.load', at('flagsB')).get(shift).op('i64.shl').set(b);
    f.get(STATE).memory('i32.load', at('flagsKind')).i32(2).op('i32.shr_u').set(kind);
    const arms = ARMS[name];
    const emit = (arm: (f: FunctionBuilder, l: Locals) => void): void => {
      arm(f, { a, b, r, shift });
      f.return();
    };
    f.get(kind).i32(FLAGS_KIND.sub).op('i32.eq').if();
    emit(arms.sub);
    f.end();
    f.get(kind).i32(FLAGS_KIND.logic).op('i32.eq').if();
    emit(arms.logic);
    f.end();
    f.get(kind).i32(FLAGS_KIND.result).op('i32.eq').if();
    f.get(STATE).memory('i64.load', at('flagsB')).set(b); // carry, adjust and overflow bits as they are
    emit(arms.result);
    f.end();
    for (const step of ['inc', 'dec'] as const) {
      f.get(kind).i32(FLAGS_KIND[step]).op('i32.eq').if();
      f.get(STATE).memory('i64.load', at('flagsB')).set(b); // CF
      emit(stepArm(name, step));
      f.end();
    }
    f.get(kind).i32(FLAGS_KIND.add).op('i32.eq').if();
    f.get(a).get(b).op('i64.add').set(r);
    emit(arms.add);
    f.end();
    f.get(STATE).memory('i64.load', at('flagsA')).set(a); // the word itself
    arms.word(f, { a, b, r, shift });
    return f.index;
  });
}

interface Locals {
  readonly a: number;
  readonly b: number;
  readonly r: number;
  readonly shift: number;
}
type Arm = (f: FunctionBuilder, l: Locals) => void;
interface Arms {
  /** a, b shifted to the top; r = a + b for add; for result b holds CF, AF, OF bits and a the shifted result. */
  readonly sub: Arm;
  readonly add: Arm;
  readonly logic: Arm;
  readonly result: Arm;
  readonly word: Arm;
}
const bit =
  (n: number): Arm =>
  (f, l) => {
    f.get(l.a).i64(BigInt(n)).op('i64.shr_u').op('i32.wrap_i64').i32(1).op('i32.and');
  };
const bitOfB =
  (n: number): Arm =>
  (f, l) => {
    f.get(l.b).i64(BigInt(n)).op('i64.shr_u').op('i32.wrap_i64').i32(1).op('i32.and');
  };
const negative =
  (name: 'a' | 'r'): Arm =>
  (f, l) => {
    f.get(l[name]).i64(0n).op('i64.lt_s');
  };
const zero =
  (name: 'a' | 'r'): Arm =>
  (f, l) => {
    f.get(l[name]).op('i64.eqz');
  };
const or =
  (x: Arm, y: Arm): Arm =>
  (f, l) => {
    x(f, l);
    y(f, l);
    f.op('i32.or');
  };
const xor =
  (x: Arm, y: Arm): Arm =>
  (f, l) => {
    x(f, l);
    y(f, l);
    f.op('i32.xor');
  };
const no: Arm = (f) => {
  f.i32(0);
};
const compare =
  (op: 'i64.lt_u' | 'i64.le_u' | 'i64.lt_s' | 'i64.le_s' | 'i64.eq'): Arm =>
  (f, l) => {
    f.get(l.a).get(l.b).op(op);
  };
const addCarry: Arm = (f, l) => {
  f.get(l.r).get(l.a).op('i64.lt_u');
};
const addOverflow: Arm = (f, l) => {
  f.get(l.a).get(l.r).op('i64.xor').get(l.b).get(l.r).op('i64.xor').op('i64.and').i64(0n).op('i64.lt_s');
};
const subOverflow: Arm = (f, l) => {
  f.get(l.a)
    .get(l.b)
    .op('i64.xor')
    .get(l.a)
    .get(l.a)
    .get(l.b)
    .op('i64.sub')
    .op('i64.xor')
    .op('i64.and')
    .i64(0n)
    .op('i64.lt_s');
};
const subNegative: Arm = (f, l) => {
  f.get(l.a).get(l.b).op('i64.sub').i64(0n).op('i64.lt_s');
};
/** Even parity of the low byte of the (shifted) value that `value` pushes. */
const parity =
  (value: Arm): Arm =>
  (f, l) => {
    value(f, l);
    f.get(l.shift)
      .op('i64.shr_u')
      .i64(0xffn)
      .op('i64.and')
      .op('i64.popcnt')
      .op('i32.wrap_i64')
      .i32(1)
      .op('i32.and')
      .op('i32.eqz');
  };
const a: Arm = (f, l) => {
  f.get(l.a);
};
const r: Arm = (f, l) => {
  f.get(l.r);
};
const difference: Arm = (f, l) => {
  f.get(l.a).get(l.b).op('i64.sub');
};

/** a: the shifted result; OF is set when it is the lowest (INC) or the highest (DEC) signed number. */
const incOverflow: Arm = (f, l) => {
  f.get(l.a)
    .i64(-(1n << 63n))
    .op('i64.eq');
};
const decOverflow: Arm = (f, l) => {
  f.get(l.a)
    .i64((1n << 63n) - 1n)
    .op('i64.xor')
    .get(l.shift)
    .op('i64.shr_u')
    .op('i64.eqz');
};
/** INC and DEC: as `result`, but for OF. */
function stepArm(name: keyof typeof ARMS, step: 'inc' | 'dec'): Arm {
  const overflow = step === 'inc' ? incOverflow : decOverflow;
  if (name === 'o') return overflow;
  if (name === 'l') return xor(negative('a'), overflow);
  if (name === 'le') return or(zero('a'), xor(negative('a'), overflow));
  return ARMS[name].result;
}

const ARMS: Record<'o' | 'b' | 'z' | 'be' | 's' | 'p' | 'l' | 'le', Arms> = {
  o: { sub: subOverflow, add: addOverflow, logic: no, result: bitOfB(11), word: bit(11) },
  b: { sub: compare('i64.lt_u'), add: addCarry, logic: no, result: bitOfB(0), word: bit(0) },
  z: { sub: compare('i64.eq'), add: zero('r'), logic: zero('a'), result: zero('a'), word: bit(6) },
  be: {
    sub: compare('i64.le_u'),
    add: or(addCarry, zero('r')),
    logic: zero('a'),
    result: or(bitOfB(0), zero('a')),
    word: or(bit(0), bit(6)),
  },
  s: { sub: subNegative, add: negative('r'), logic: negative('a'), result: negative('a'), word: bit(7) },
  p: { sub: parity(difference), add: parity(r), logic: parity(a), result: parity(a), word: bit(2) },
  l: {
    sub: compare('i64.lt_s'),
    add: xor(negative('r'), addOverflow),
    logic: negative('a'),
    result: xor(negative('a'), bitOfB(11)),
    word: xor(bit(7), bit(11)),
  },
  le: {
    sub: compare('i64.le_s'),
    add: or(zero('r'), xor(negative('r'), addOverflow)),
    logic: or(zero('a'), negative('a')),
    result: or(zero('a'), xor(negative('a'), bitOfB(11))),
    word: or(bit(6), xor(bit(7), bit(11))),
  },
};
