// Sem<null>: runs an instruction's semantics for nothing but to learn which static facts it looks at and what it does.
// From that follow the handler's identity (two encodings that look alike share a handler) and the shape of its block.

import type { Form, Operand, Sem } from '../../isa/index.js';
import { PROCEDURES } from '../../isa/index.js';
import type { StaticFacts } from './binding.js';

export interface ProbeResult {
  /** Identity of the handler among those of its instruction. */
  readonly key: string;
  /** Ends its block: branches, or leaves through a procedure. */
  readonly endsBlock: boolean;
  /** The memory operand is written. */
  readonly writesMemory: boolean;
  /** The memory operand is accessed with segmentation (not LEA), where its address says. */
  readonly usesLinear: boolean;
  /** The handler looks at the effective address, without the segment. */
  readonly usesOffset: boolean;
  /** The handler adds to the effective address and segments it itself (BT with a register offset). */
  readonly movesAddress: boolean;
  /** Bytes that linear addresses are asked for, 0 if none are. */
  readonly linearBytes: number;
  /** The procedure that the semantics begin with, if any. */
  readonly firstCall: string | undefined;
}

let prober: ((form: Form, facts: StaticFacts) => ProbeResult) | null = null;
/** Runs `form.instruction.execute` with `facts`. */
export function probe(form: Form, facts: StaticFacts): ProbeResult {
  prober ??= makeProber();
  return prober(form, facts);
}

/** One vocabulary for all forms, as making it takes longer than using it. */
function makeProber(): (form: Form, facts: StaticFacts) => ProbeResult {
  let form!: Form;
  let facts!: StaticFacts;
  const seen = new Set<string>();
  let endsBlock = false;
  let writesMemory = false;
  let usesLinear = false;
  let movesAddress = false;
  let usesOffset = false;
  let linearBytes = 0;
  let firstCall: string | undefined;
  const fact = <K extends keyof StaticFacts>(name: K): StaticFacts[K] => {
    seen.add(`${name}=${String(facts[name])}`);
    return facts[name];
  };
  const touches = (operand: Operand, isWrite: boolean): void => {
    if (operand.kind !== 'mem') return;
    usesLinear = true;
    if (isWrite) writesMemory = true;
    fact('long');
    if (operand.bits === 128) fact('aligned');
  };
  const stack = (): void => {
    fact('stackBits');
    fact('flat');
    fact('long');
  };
  const none = (): null => null;
  const handlers: Partial<Record<keyof Sem<null>, unknown>> = {
    get opBits() {
      return fact('opBits');
    },
    get addrBits() {
      return fact('addrBits');
    },
    get long() {
      return fact('long');
    },
    get stackBits() {
      return fact('stackBits');
    },
    get rep() {
      return fact('rep');
    },
    // Widths are not tracked: semantics that ask get the operand size's answer from their own operands.
    widthOf: () => 64,
    read: (o: Operand) => {
      touches(o, false);
      return null;
    },
    write: (o: Operand) => touches(o, true),
    update: (o: Operand, f: (v: null) => null) => {
      touches(o, true);
      if (o.kind === 'mem') fact('lock');
      f(null);
    },
    effectiveAddress: () => {
      usesOffset = true;
      fact('addrBits');
      return null;
    },
    at: (o: Operand, offset: unknown, bits: number) => {
      if (o.kind === 'mem') usesLinear = true;
      if (typeof offset !== 'number' && !(fact('long') && fact('addrBits') === 64)) movesAddress = true;
      return { ...o, bits };
    },
    linearAddress: (o: Operand, sizeBytes: number, isWrite: boolean) => {
      linearBytes = Math.max(linearBytes, sizeBytes);
      touches(o, isWrite);
      return null;
    },
    pointer: (o: Operand) => {
      touches(o, false);
      return null;
    },
    load: () => {
      stack();
      return null;
    },
    store: () => stack(),
    push: () => stack(),
    peek: () => {
      stack();
      return null;
    },
    loadStack: () => {
      stack();
      return null;
    },
    storeStack: () => stack(),
    checkTarget: () => fact('long'),
    checkJump: () => {
      if (!fact('long')) fact('flat');
    },
    dropStack: () => fact('stackBits'),
    nextRip: () => {
      fact('long');
      return null;
    },
    jumpTo: () => {
      endsBlock = true;
    },
    jump: () => {
      endsBlock = true;
    },
    when: (_c: null, then: () => void) => then(),
    call: (name: string) => {
      firstCall ??= name;
      const p = PROCEDURES[name];
      if (p === undefined) throw new RangeError(`${form.instruction.name} calls ${name}, which is no procedure`);
      if (p.effect === 'leave') endsBlock = true;
      return null;
    },
  };
  const sem = new Proxy(handlers, {
    get: (target, name) => (name in target ? target[name as keyof Sem<null>] : none),
  }) as unknown as Sem<null>;
  return (ofForm, withFacts) => {
    form = ofForm;
    facts = withFacts;
    seen.clear();
    endsBlock = form.instruction.serializes === true;
    writesMemory = false;
    usesLinear = false;
    movesAddress = false;
    usesOffset = false;
    linearBytes = 0;
    firstCall = undefined;
    form.instruction.execute(sem, ...form.operands);
    // it goes on at nextRip(), which depends on the mode
    if (form.instruction.serializes === true) fact('long');
    // a branch's displacement is resolved by the record builder: its width makes no difference
    const operands = form.operands.map((o) => `${o.index}${o.kind}${o.kind === 'rel' ? '' : o.bits}`).join();
    return {
      key: `${operands};${[...seen].sort().join()}`,
      endsBlock,
      writesMemory,
      usesLinear: usesLinear && !movesAddress,
      movesAddress,
      usesOffset,
      linearBytes,
      firstCall,
    };
  };
}

/** Every combination of facts in which a form can occur. */
export function factsOf(form: Form): StaticFacts[] {
  const reps = form.rep ? (['none', 'rep', 'repne'] as const) : (['none'] as const);
  const aligned = form.row.encoding.aligned === true;
  const { opBits, long } = form;
  const list: StaticFacts[] = [];
  const canLock = form.mem && (form.lockable || form.locked);
  for (const rep of reps) {
    if (long) {
      for (const addrBits of [64, 32] as const)
        list.push({ opBits, addrBits, long, stackBits: 64, rep, flat: true, aligned });
    } else {
      for (const addrBits of [32, 16] as const)
        for (const stackBits of [32, 16] as const)
          for (const flat of [true, false]) list.push({ opBits, addrBits, long, stackBits, rep, flat, aligned });
    }
  }
  return canLock ? list.flatMap((facts) => [facts, { ...facts, lock: true }]) : list;
}
