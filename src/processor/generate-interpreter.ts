// Builds interpreter.wasm: for every operand form of every declared instruction one handler, emitted from its semantics
// with operands bound at run time to a decoded record, and the loop that runs records. Hot handlers are cases of the loop's
// switch, the others functions in a table. The list of handlers travels in the custom section named in handlers.ts.

import type { Bits } from '../isa/index.js';
import { ALL_INSTRUCTIONS, Decoder, type Form, type Operand } from '../isa/index.js';
import type { Binding, StaticFacts, Value } from './emit/binding.js';
import { addConditionFunctions } from './emit/conditions.js';
import { addRegionHelpers, importProcedures } from './emit/imports.js';
import { factsOf, probe } from './emit/probe-sem.js';
import { type FunctionBuilder, type Label, ModuleBuilder } from './emit/wasm.js';
import { WasmSem } from './emit/wasm-sem.js';
import { isFusedPair } from './fused-pairs.js';
import {
  fusedName,
  HANDLER_SECTION,
  type HandlerDirectory,
  handlerName,
  REGION_LOOKUP,
  TABLE_EXPORT,
  unindexedName,
} from './handlers.js';
import { at, gprOffset, JUMP_ENTRIES, JUMP_ENTRY, RECORD } from './state-layout.js';

const STATE = 0; // local: host address of the state area
const U = 1; // local: record

/** How a handler leaves: inside the loop by branches, in a function by returning the next record. */
interface Leaving {
  /** Ends the instruction early through `resolve`. */
  unwind(f: FunctionBuilder): void;
  /** Goes on at the record on the wasm stack; 0 leaves the loop. `sure`: it is not 0. */
  next(f: FunctionBuilder, sure?: boolean): void;
  /** The same for the first record of a block, or 0: behind a jump. A record that counts is done on the way. */
  enter(f: FunctionBuilder): void;
}

const SLOT_FIELD = [RECORD.a, RECORD.b, RECORD.c] as const;

/** Operands bound at run time: the record at local U holds state offsets, immediates and displacements. */
class RecordBinding implements Binding {
  constructor(
    readonly facts: StaticFacts,
    private readonly form: Form | null,
    private readonly leaving: Leaving,
    private readonly lookup: number,
    /** Byte offset of the record from local U (the second half of a fused pair). */
    private readonly shift = 0,
    /** The memory operand has no index. */
    private readonly unindexed = false,
  ) {}
  private register(s: WasmSem, operand: Operand): void {
    const field = SLOT_FIELD[operand.index];
    if (field === undefined) throw new RangeError(`register operand ${operand.index} has no place in a record`);
    s.state()
      .get(U)
      .memory('i32.load16_u', field + this.shift)
      .op('i32.add');
  }
  readGpr(s: WasmSem, operand: Operand): Value {
    this.register(s, operand);
    return this.loadRegister(s, operand.bits as Bits, 0);
  }
  writeGpr(s: WasmSem, operand: Operand, v: Value): void {
    this.register(s, operand);
    this.storeRegister(s, v, 0);
  }
  readFixed(s: WasmSem, index: number, bits: Bits): Value {
    s.state();
    return this.loadRegister(s, bits, gprOffset(index));
  }
  writeFixed(s: WasmSem, index: number, v: Value): void {
    s.state();
    this.storeRegister(s, v, gprOffset(index));
  }
  private loadRegister(s: WasmSem, bits: Bits, offset: number): Value {
    s.f.memory(
      bits === 8 ? 'i32.load8_u' : bits === 16 ? 'i32.load16_u' : bits === 32 ? 'i32.load' : 'i64.load',
      offset,
    );
    return s.take(bits);
  }
  private storeRegister(s: WasmSem, v: Value, offset: number): void {
    if (v.bits === 32) s.push_(s.zext(v, 64));
    else s.push_(v);
    s.f.memory(v.bits === 8 ? 'i32.store8' : v.bits === 16 ? 'i32.store16' : 'i64.store', offset);
  }
  slotAddress(s: WasmSem, operand: Operand): Value {
    this.register(s, operand);
    return s.take(32);
  }
  /** Place of an immediate among the instruction's immediates: the second one sits 4 bytes further. */
  immediate(s: WasmSem, operand: Operand): Value {
    const bits = operand.bits as Bits;
    const before = (this.form as Form).operands.filter((o) => o.kind === 'imm' && o.index < operand.index).length;
    const offset = RECORD.imm + before * 4 + this.shift;
    s.f
      .get(U)
      .memory(
        bits === 8 ? 'i32.load8_u' : bits === 16 ? 'i32.load16_u' : bits === 32 ? 'i32.load' : 'i64.load',
        offset,
      );
    return s.take(bits);
  }
  address(s: WasmSem, _operand: Operand, withSegment: boolean): Value {
    const { f } = s;
    const { shift } = this;
    s.state()
      .get(U)
      .memory('i32.load16_u', RECORD.base + shift)
      .op('i32.add')
      .memory('i64.load');
    if (!this.unindexed) {
      s.state()
        .get(U)
        .memory('i32.load16_u', RECORD.index + shift)
        .op('i32.add')
        .memory('i64.load');
      f.get(U)
        .memory('i64.load8_u', RECORD.scale + shift)
        .op('i64.shl')
        .op('i64.add');
    }
    f.get(U)
      .memory('i64.load32_s', RECORD.disp + shift)
      .op('i64.add');
    const computed = s.take(64);
    if (withSegment || this.form?.row.encoding.noAccess === true) return computed;
    // Behind an address record the base is its result; the offset is kept beside it.
    s.state().memory('i64.load', at('eaOffset'));
    s.push_(computed);
    f.get(U)
      .memory('i32.load16_u', RECORD.base + shift)
      .i32(at('eaTmp'))
      .op('i32.eq')
      .op('select');
    return s.take(64);
  }
  /** x87, segment, control and debug registers: `extra`; the selector of a far pointer follows its offset. */
  registerNumber(s: WasmSem, operand: Operand): Value {
    if (operand.kind === 'far') s.f.get(U).memory('i32.load16_u', RECORD.imm + 4 + this.shift);
    else s.f.get(U).memory('i32.load8_u', RECORD.extra + this.shift);
    return s.take(32);
  }
  knownSegment(): null {
    return null;
  }
  segmentNumber(s: WasmSem): Value {
    s.f.get(U).memory('i32.load8_u', RECORD.extra + this.shift);
    return s.take(32);
  }
  nextRip(s: WasmSem): Value {
    s.state()
      .memory('i64.load', at('codePage'))
      .get(U)
      .memory('i64.load16_u', RECORD.next + this.shift)
      .op('i64.add');
    if (!this.facts.long) s.f.i64(0xffffffffn).op('i64.and');
    return s.take(64);
  }
  notePosition(s: WasmSem): void {
    s.state().get(U);
    if (this.shift !== 0) s.f.i32(this.shift).op('i32.add');
    s.f.memory('i32.store', at('record'));
  }
  unwind(s: WasmSem): void {
    if (this.shift !== 0) s.f.get(U).i32(this.shift).op('i32.add').set(U);
    this.leaving.unwind(s.f);
  }
  unwindUnless(s: WasmSem): void {
    s.f.op('i32.eqz').if(false);
    this.unwind(s);
    s.f.end();
  }
  /** Counts the block's instructions up to and including this one; leaves the new budget in a local. */
  retire(s: WasmSem): Value {
    s.state();
    s.state()
      .memory('i32.load', at('budget'))
      .get(U)
      .memory('i32.load8_u', RECORD.order + this.shift)
      .op('i32.sub')
      .i32(1)
      .op('i32.sub');
    const budget = s.take(32);
    s.push_(budget);
    s.f.memory('i32.store', at('budget'));
    return budget;
  }
  /** Pushes the record behind this one. */
  pushNext(s: WasmSem): void {
    s.f
      .get(U)
      .i32(this.shift + RECORD.sizeBytes)
      .op('i32.add');
  }
  private pushRecord(s: WasmSem): void {
    s.f.get(U);
    if (this.shift !== 0) s.f.i32(this.shift).op('i32.add');
  }
  directTarget(s: WasmSem): Value {
    s.state()
      .memory('i64.load', at('codePage'))
      .get(U)
      .memory('i64.load32_s', RECORD.disp + this.shift)
      .op('i64.add')
      .i64(0xffffn)
      .i64(0xffffffffn)
      .get(U)
      .memory('i32.load8_u', RECORD.extra + this.shift)
      .i32(16)
      .op('i32.eq')
      .op('select')
      .op('i64.and');
    return s.take(64);
  }
  jumpDirect(s: WasmSem, taken: boolean): void {
    const budget = this.retire(s);
    const { f } = s;
    const target = s.temp('i32');
    s.push_(budget);
    f.i32(NEAR_END).op('i32.lt_s').if(false);
    this.pushRecord(s);
    f.i32(taken ? 0 : 1)
      .call(s.imports.get('leave_at') as number)
      .op('drop')
      .i32(0);
    this.leaving.next(f);
    f.end();
    f.get(U)
      .memory('i32.load', RECORD.imm + (taken ? 0 : 4) + this.shift)
      .tee(target)
      .op('i32.eqz')
      .if(false);
    s.state();
    this.pushRecord(s);
    f.i32(taken ? 0 : 1)
      .call(s.imports.get(LINK_OR_FIND) as number)
      .set(target);
    f.end();
    f.get(target);
    this.leaving.enter(f);
  }
  jumpIndirect(s: WasmSem, rip: Value): void {
    const budget = this.retire(s);
    const { f } = s;
    s.push_(budget);
    f.i32(NEAR_END).op('i32.lt_s').if(false);
    this.pushRecord(s);
    s.push_(rip);
    f.call(s.imports.get('lookup_slow') as number);
    this.leaving.enter(f);
    f.end();
    s.state();
    this.pushRecord(s);
    s.push_(rip);
    f.call(this.lookup);
    this.leaving.enter(f);
  }
}
const NEAR_END = 64;
/** u32 of a record that enters a region: the record that was entered behind it last, or a number that is none. */
const LED_TO = RECORD.index;
/** Frequent with 16-bit operands, too. */
const WORD_MOVES = /^(mov|movzx)$/;
/** Instructions that are no cases of the loop although their other forms are. */
const RARE = /^(cmov|set)n?[op]$/;
/**
 * With an operand in memory. Shifts set their flags under a condition behind the write: in the loop, V8 would carry the
 * locals for that from handler to handler.
 */
const RARE_IN_MEMORY = /^(cmov.*|set.*|shl|shr|sar)$/;
/** It has a second handler for memory operands without an index. */
const hasUnindexed = ({ instruction, operands }: Form): boolean =>
  /^(mov|movzx|movsxd|lea|cmp|test|add|sub|inc|dec)$/.test(instruction.name) && operands.some((o) => o.kind === 'mem');

interface HandlerPlan {
  readonly name: string;
  emit(f: FunctionBuilder, s: WasmSem, leaving: Leaving, lookup: number): void;
}

function finish(s: WasmSem, binding: RecordBinding, form: Form, leaving: Leaving): void {
  if (s.terminated) return;
  if (s.branched) binding.jumpDirect(s, false);
  else if (form.instruction.serializes === true) {
    // what other vCPUs have written of the code is seen behind a serialising instruction at the latest
    s.state().memory('i32.load', at('stalePages')).if(false);
    s.f.call(s.imports.get('take_stale_pages') as number).end();
    s.jump(s.nextRip());
  } else {
    binding.pushNext(s);
    leaving.next(s.f, true);
  }
}

/** Pushes how many instructions the budget has counted since it was loaded. */
function pushSpent(s: WasmSem): void {
  s.state().memory('i32.load', at('budgetLoaded'));
  s.state().memory('i32.load', at('budget')).op('i32.sub');
}
/** Adds to the statistics: instructions retired since `before` of them were spent, and regions entered. */
function count(f: FunctionBuilder, s: WasmSem, before: number, entered: number): void {
  s.state();
  s.state().memory('i64.load', at('regionRetired'));
  pushSpent(s);
  f.get(before).op('i32.sub').op('i64.extend_i32_s').op('i64.add');
  f.memory('i64.store', at('regionRetired'));
  s.state();
  s.state().memory('i64.load', at('regionEntries')).get(entered).op('i64.extend_i32_u').op('i64.add');
  f.memory('i64.store', at('regionEntries'));
}
/** Pushes the address of the jump cache's entry for the RIP in a local. */
function pushJumpEntry(f: FunctionBuilder, rip: number): void {
  f.get(STATE).memory('i32.load', at('jumpCache'));
  f.get(rip)
    .op('i32.wrap_i64')
    .get(rip)
    .i64(12n)
    .op('i64.shr_u')
    .op('i32.wrap_i64')
    .op('i32.xor')
    .i32(JUMP_ENTRIES - 1)
    .op('i32.and')
    .i32(4)
    .op('i32.shl')
    .op('i32.add');
}

/** The handler of one instruction; `unindexed`: its memory operand has no index. */
const singlePlan = (name: string, form: Form, facts: StaticFacts, unindexed: boolean): HandlerPlan => ({
  name,
  emit(_f, s, leaving, lookup) {
    const binding = new RecordBinding(facts, form, leaving, lookup, 0, unindexed);
    s.begin(binding);
    form.instruction.execute(s, ...form.operands);
    finish(s, binding, form, leaving);
  },
});

function plan(regionType: number): { fused: HandlerPlan[]; hot: HandlerPlan[]; cold: HandlerPlan[] } {
  const decoder = new Decoder(ALL_INSTRUCTIONS);
  const numbers = new Map(ALL_INSTRUCTIONS.map((i, n) => [i, n]));
  const seen = new Map<string, { form: Form; facts: StaticFacts }>();
  const isHot = (form: Form, facts: StaticFacts): boolean => {
    const { instruction, operands } = form;
    const inMemory = operands.some((o) => o.kind === 'mem');
    const wordMoves = WORD_MOVES.test(instruction.name) && operands.every((o) => o.bits !== 16 || o.kind !== 'imm');
    return (
      instruction.hot === true &&
      !(inMemory ? RARE_IN_MEMORY : RARE).test(instruction.name) &&
      (wordMoves || (operands.every((o) => o.bits !== 16) && facts.opBits !== 16)) &&
      facts.addrBits !== 16 &&
      facts.lock !== true &&
      facts.flat &&
      facts.stackBits !== 16
    );
  };
  for (const form of decoder.forms) {
    for (const facts of factsOf(form)) {
      const name = handlerName(numbers.get(form.instruction) as number, probe(form, facts).key);
      // forms that share a handler: a frequent one speaks for them
      if (!seen.has(name) || isHot(form, facts)) seen.set(name, { form, facts });
    }
  }
  const hot: HandlerPlan[] = [];
  const cold: HandlerPlan[] = [];
  const single: { name: string; form: Form; facts: StaticFacts }[] = [];
  for (const [name, { form, facts }] of seen) {
    const list = isHot(form, facts) ? hot : cold;
    list.push(singlePlan(name, form, facts, false));
    if (list === cold) continue;
    single.push({ name, form, facts });
    if (hasUnindexed(form)) hot.push(singlePlan(unindexedName(name), form, facts, true));
  }
  const fused: HandlerPlan[] = [];
  for (const first of single) {
    for (const second of single) {
      if (!isFusedPair(first.form, second.form)) continue;
      if (first.facts.long !== second.facts.long && first.name.includes('long=') && second.name.includes('long='))
        continue;
      fused.push({
        name: fusedName(first.name, second.name),
        emit(f, s, leaving, lookup) {
          const { endsBlock, usesLinear } = probe(second.form, second.facts);
          const binding = new RecordBinding(second.facts, second.form, leaving, lookup, RECORD.sizeBytes, usesLinear);
          // LEA and comparisons in front of a branch have an index often enough
          const unindexed = !endsBlock && probe(first.form, first.facts).usesLinear;
          s.begin(new RecordBinding(first.facts, first.form, leaving, lookup, 0, unindexed));
          first.form.instruction.execute(s, ...first.form.operands);
          if (s.branched) throw new RangeError('the first of two instructions must not branch');
          if (s.wrote) {
            // what it has written may be the code of the second one: then that is stale
            const stale = fused.length + hot.length + cold.findIndex(({ name }) => name === 'stale');
            f.get(U)
              .memory('i32.load16_u', RECORD.handler + RECORD.sizeBytes)
              .i32(stale)
              .op('i32.eq');
            f.if(false);
            f.get(U).i32(RECORD.sizeBytes).op('i32.add');
            leaving.next(f, true);
            f.end();
          }
          s.begin(binding, true);
          second.form.instruction.execute(s, ...second.form.operands);
          finish(s, binding, second.form, leaving);
        },
      });
    }
  }
  /** Number of the handler of regions, known when all are counted. */
  const own = { number: -1 };
  const facts: StaticFacts = {
    opBits: 64,
    addrBits: 64,
    long: true,
    stackBits: 64,
    rep: 'none',
    flat: true,
    aligned: false,
  };
  hot.push({
    name: 'chain',
    emit(_f, s, leaving, lookup) {
      const binding = new RecordBinding(facts, null, leaving, lookup);
      s.begin(binding);
      binding.jumpDirect(s, true);
    },
  });
  // first record of a block: counts its entries down to the call of `hot`
  hot.push({
    name: 'count',
    emit(f, s, leaving) {
      s.begin(new RecordBinding(facts, null, leaving, 0));
      const left = s.temp('i32');
      f.get(U).get(U).memory('i32.load', RECORD.imm).i32(1).op('i32.sub').tee(left).memory('i32.store', RECORD.imm);
      f.get(left).op('i32.eqz').if(false);
      // the record may be another one now: it is executed again
      f.get(U).call(s.imports.get('hot') as number);
      f.get(U);
      leaving.next(f, true);
      f.end();
      f.get(U).i32(RECORD.sizeBytes).op('i32.add');
      leaving.next(f, true);
    },
  });
  // enters the region of this block: function `imm` of the table, place `imm + 4`, at least `disp` instructions of budget;
  // as long as that leads to the entry of another one, enters that
  hot.push({
    name: 'region',
    emit(f, s, leaving, lookup) {
      s.begin(new RecordBinding(facts, null, leaving, 0));
      const next = s.temp('i32');
      const before = s.temp('i32');
      const entered = s.temp('i32');
      const entry = s.temp('i32');
      const rip = s.temp('i64');
      pushSpent(s);
      f.set(before);
      f.i32(0).set(entered);
      const budgetLow = f.block();
      const elsewhere = f.block();
      const again = f.loop();
      s.state().memory('i32.load', at('budget')).get(U).memory('i32.load', RECORD.disp).op('i32.lt_s');
      f.brIf(budgetLow, false);
      s.state()
        .get(U)
        .memory('i32.load', RECORD.imm + 4)
        .memory('i32.store', at('region'));
      f.get(entered).i32(1).op('i32.add').set(entered);
      f.get(STATE).get(U).memory('i32.load', RECORD.imm).callIndirect(regionType).tee(next);
      f.i32(REGION_LOOKUP).op('i32.ne').if(false);
      // 0, or where its last instruction leads: through an event, a system call or a return from one; RIP is in the state area
      f.get(next).op('i32.eqz').brIf(elsewhere, false);
      f.get(next).memory('i32.load16_u', RECORD.handler).i32(own.number).op('i32.ne').brIf(elsewhere);
      s.state().memory('i32.load', at('budget'));
      s.state().memory('i32.load', at('reserve')).op('i32.lt_s').if(false);
      s.state().i32(0).memory('i32.store', at('unwind'));
      f.i32(0).set(next).br(elsewhere);
      f.end();
      f.get(next).set(U).br(again);
      f.end();
      s.state().memory('i32.load', at('budget'));
      s.state().memory('i32.load', at('reserve')).op('i32.lt_s').brIf(elsewhere, false);
      // the jump cache
      s.state().memory('i64.load', at('rip')).set(rip);
      pushJumpEntry(f, rip);
      f.tee(entry).memory('i64.load', JUMP_ENTRY.rip).get(rip).op('i64.ne').brIf(elsewhere, false);
      // mostly the record where this region led before: that is at hand sooner than the jump cache's entry
      f.get(U).memory('i32.load', LED_TO).tee(next);
      f.get(entry).memory('i32.load', JUMP_ENTRY.record).op('i32.ne').if(false);
      f.get(U).get(entry).memory('i32.load', JUMP_ENTRY.record).tee(next).memory('i32.store', LED_TO);
      f.end();
      f.get(next);
      f.memory('i32.load16_u', RECORD.handler).i32(own.number).op('i32.ne').if(false);
      f.i32(REGION_LOOKUP).set(next).br(elsewhere);
      f.end();
      f.get(STATE).get(rip).get(entry).memory('i64.load32_u', JUMP_ENTRY.pageOffset).op('i64.sub');
      f.memory('i64.store', at('codePage'));
      f.get(next).set(U).br(again);
      f.end();
      f.end(); // elsewhere
      count(f, s, before, entered);
      f.get(next).i32(REGION_LOOKUP).op('i32.eq').if(true);
      s.state().memory('i32.load', at('budget')).i32(NEAR_END).op('i32.lt_s').if(false);
      s.state()
        .memory('i64.load', at('rip'))
        .call(s.imports.get('go_on') as number);
      leaving.next(f);
      f.end();
      // RIP is in the state area already
      s.state().memory('i32.load', at('budget'));
      s.state().memory('i32.load', at('reserve')).op('i32.lt_s').if(false);
      f.i32(0);
      leaving.next(f);
      f.end();
      s.state().get(U);
      s.state().memory('i64.load', at('rip')).call(lookup);
      leaving.next(f);
      f.end();
      f.get(next);
      leaving.next(f);
      f.end(); // budget low: the block is interpreted
      count(f, s, before, entered);
      f.get(U).i32(RECORD.sizeBytes).op('i32.add');
      leaving.next(f, true);
    },
  });
  const viaNext = (name: string): HandlerPlan => ({
    name,
    emit(f, s, leaving) {
      s.begin(new RecordBinding(facts, null, leaving, 0));
      f.get(U).call(s.imports.get(name === 'stop' ? 'stop' : 'stale') as number);
      leaving.next(f);
    },
  });
  cold.push(viaNext('stop'), viaNext('stale'));
  hot.push({
    name: 'skip',
    emit(f, _s, leaving) {
      f.get(U).i32(RECORD.sizeBytes).op('i32.add');
      leaving.next(f, true);
    },
  });
  const raising = (name: string, vector: number): HandlerPlan => ({
    name,
    emit(f, s, leaving) {
      s.begin(new RecordBinding(facts, null, leaving, 0));
      if (vector === 6) f.call(s.imports.get('count_undefined') as number);
      s.raise(vector, vector === 6 ? undefined : 0);
    },
  });
  cold.push(raising('undefined', 6), raising('tooLong', 13));
  cold.push({
    name: 'address',
    emit(f, s, leaving) {
      s.begin(new RecordBinding(facts, null, leaving, 0));
      s.state().get(U).memory('i32.store', at('record'));
      f.get(U)
        .call(s.imports.get('address_record') as number)
        .if(false);
      leaving.unwind(f);
      f.end();
      f.get(U).i32(RECORD.sizeBytes).op('i32.add');
      leaving.next(f);
    },
  });
  cold.push({
    name: 'breakpoint',
    emit(f, s, leaving) {
      s.begin(new RecordBinding(facts, null, leaving, 0));
      s.state().get(U).memory('i32.store', at('record'));
      f.get(U)
        .call(s.imports.get('breakpoint_at') as number)
        .if(false);
      leaving.unwind(f);
      f.end();
      f.get(U).i32(RECORD.sizeBytes).op('i32.add');
      leaving.next(f);
    },
  });
  own.number = fused.length + hot.findIndex(({ name }) => name === 'region');
  return { fused, hot, cold };
}
/**
 * (state, record, rip) -> record: the jump cache, then the slow lookup: `lookup_slow` after an indirect branch at `record`,
 * `go_on` after a region, which has checked the target.
 */
function addLookup(
  module: ModuleBuilder,
  imports: Map<string, number>,
  stale: number,
  slow: 'lookup_slow' | 'go_on',
): number {
  const f = module.function(['i32', 'i32', 'i64'], ['i32']);
  emitCached(f, stale, 2);
  if (slow === 'lookup_slow') f.get(1);
  f.get(2).call(imports.get(slow) as number);
  return f.index;
}
/** Returns the record that the jump cache has for the RIP in local `rip`, or goes on. Local 0: state. */
function emitCached(f: FunctionBuilder, stale: number, rip: number): void {
  const entry = f.newLocal('i32');
  const record = f.newLocal('i32');
  pushJumpEntry(f, rip);
  f.tee(entry);
  f.memory('i64.load', JUMP_ENTRY.rip).get(rip).op('i64.eq').if(true);
  f.get(entry)
    .memory('i32.load', JUMP_ENTRY.record)
    .tee(record)
    .memory('i32.load16_u', RECORD.handler)
    .i32(stale)
    .op('i32.ne')
    .if(true);
  f.get(0)
    .get(rip)
    .get(entry)
    .memory('i64.load32_u', JUMP_ENTRY.pageOffset)
    .op('i64.sub')
    .memory('i64.store', at('codePage'));
  f.get(record).return();
  f.end().end();
}

/** Name of the function of addLinkOrFind among the imported procedures. */
const LINK_OR_FIND = 'link or find';
/**
 * (state, record, which) -> record: where a direct branch that has no link goes on. Into another page: by the jump cache,
 * else as the procedure `link` says.
 */
function addLinkOrFind(module: ModuleBuilder, imports: Map<string, number>, stale: number): number {
  const f = module.function(['i32', 'i32', 'i32'], ['i32']);
  const offset = f.newLocal('i32');
  const rip = f.newLocal('i64');
  f.get(1).memory('i32.load16_u', RECORD.next).get(1).memory('i32.load', RECORD.disp);
  f.get(2).op('select').tee(offset).i32(4096).op('i32.ge_u');
  f.get(1).memory('i32.load8_u', RECORD.extra).i32(16).op('i32.ne').op('i32.and').if(true);
  f.get(0).memory('i64.load', at('codePage')).get(offset).op('i64.extend_i32_s').op('i64.add');
  f.i64(-1n).i64(0xffffffffn).get(0).memory('i32.load', at('modeKey')).i32(2).op('i32.and').op('select');
  f.op('i64.and').set(rip);
  emitCached(f, stale, rip);
  f.end();
  f.get(1)
    .get(2)
    .call(imports.get('link') as number);
  return f.index;
}

/** Bytes of interpreter.wasm. */
export function generateInterpreter(): Uint8Array {
  const module = new ModuleBuilder();
  const imports = importProcedures(module);
  const { fused, hot, cold } = plan(module.type(['i32'], ['i32']));
  const inLoop = [...fused, ...hot];
  const directory: HandlerDirectory = {
    names: [...inLoop, ...cold].map((h) => h.name),
    fused: fused.length,
    hot: inLoop.length,
  };
  const stale = directory.names.indexOf('stale');
  const lookup = addLookup(module, imports, stale, 'lookup_slow');
  const afterRegion = addLookup(module, imports, stale, 'go_on');
  imports.set(LINK_OR_FIND, addLinkOrFind(module, imports, stale));
  const conditions = addConditionFunctions(module);
  addRegionHelpers(module, imports);
  const coldType = module.type(['i32', 'i32'], ['i32']);
  const table: number[] = [];
  const asFunction: Leaving = {
    unwind: (f) =>
      f
        .get(U)
        .call(imports.get('resolve') as number)
        .return(),
    next: (f) => f.return(),
    enter: (f) => f.return(),
  };
  // regions lead to regions in a function of their own: in the large one V8 has no registers left for it
  const regions = module.function(['i32', 'i32'], ['i32']);
  regions.optimizeAtOnce = true;
  const region = hot.find(({ name }) => name === 'region') as HandlerPlan;
  region.emit(
    regions,
    new WasmSem(regions, imports, null as unknown as Binding, STATE, conditions),
    asFunction,
    afterRegion,
  );
  regions.op('unreachable');
  const counting = hot.find(({ name }) => name === 'count') as HandlerPlan;
  for (const handler of cold) {
    const f = module.function(['i32', 'i32'], ['i32']);
    const s = new WasmSem(f, imports, null as unknown as Binding, STATE, conditions);
    try {
      handler.emit(f, s, asFunction, lookup);
    } catch (cause) {
      throw new Error(`handler ${handler.name} of ${describe(handler.name)}: ${(cause as Error).message}`, { cause });
    }
    f.op('unreachable');
    table.push(f.index);
  }
  module.setTable(table, TABLE_EXPORT);
  const f = module.function(['i32', 'i32'], ['i32'], 'run');
  f.optimizeAtOnce = true;
  const loop: Label = f.loop();
  const enter: Label = f.block();
  const unwind: Label = f.block();
  const coldLabel: Label = f.block();
  const labels: Label[] = [];
  for (let i = 0; i < inLoop.length; i++) labels.push(f.block());
  labels.reverse(); // innermost block first: handler 0 follows the first end
  f.get(U).memory('i32.load16_u', RECORD.handler).brTable(labels, coldLabel);
  const s = new WasmSem(f, imports, null as unknown as Binding, STATE, conditions);
  const inside: Leaving = {
    unwind: (b) => b.br(unwind),
    next: (b, sure) => (sure === true ? b.set(U).br(loop) : b.tee(U).brIf(loop).i32(0).return()),
    enter: (b) => b.tee(U).brIf(enter).i32(0).return(),
  };
  for (const handler of inLoop) {
    f.end();
    try {
      if (handler === region) {
        f.get(STATE).get(U).call(regions.index);
        inside.enter(f);
      } else handler.emit(f, s, inside, lookup);
    } catch (cause) {
      throw new Error(`handler ${handler.name} of ${describe(handler.name)}: ${(cause as Error).message}`, { cause });
    }
  }
  f.end(); // cold: a function from the table
  f.get(STATE)
    .get(U)
    .get(U)
    .memory('i32.load16_u', RECORD.handler)
    .i32(inLoop.length)
    .op('i32.sub')
    .callIndirect(coldType)
    .set(U);
  f.get(U).brIf(loop);
  f.i32(0).return();
  f.end(); // unwind
  f.get(U)
    .call(imports.get('resolve') as number)
    .tee(U);
  f.op('i32.eqz').if(false);
  f.i32(0).return().end();
  f.end(); // enter: as the handler of a counting record does, unless the count is at its end
  const left = f.newLocal('i32');
  f.get(U).memory('i32.load16_u', RECORD.handler).i32(inLoop.indexOf(counting)).op('i32.ne').brIf(loop);
  f.get(U).memory('i32.load', RECORD.imm).i32(1).op('i32.sub').tee(left).op('i32.eqz').brIf(loop);
  f.get(U).get(left).memory('i32.store', RECORD.imm);
  f.get(U).i32(RECORD.sizeBytes).op('i32.add').set(U).br(loop);
  f.end(); // loop
  f.i32(0);
  module.custom(
    HANDLER_SECTION,
    Uint8Array.from(JSON.stringify(directory), (c) => c.charCodeAt(0)),
  );
  return module.finish();
}
const describe = (name: string): string => ALL_INSTRUCTIONS[Number.parseInt(name, 10)]?.name ?? name;
