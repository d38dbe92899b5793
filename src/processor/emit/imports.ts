// What emitted code imports: procedures of procedures.wasm and, for regions, helpers that interpreter.wasm exports.
import { PROCEDURES, type ProcedureType } from '../../isa/index.js';
import { AREA, at, ENTRY_GLOBAL, FAR_JUMP, JUMP_TARGETS, RECORD, REGION, TLB_ENTRY } from '../state-layout.js';
import { CONDITION_FUNCTIONS } from './conditions.js';
import { type FunctionBuilder, LATE_INDEX, type ModuleBuilder, type WasmType } from './wasm.js';
import { tlbIndex } from './wasm-memory.js';

const MEMORY_IMPORT = { initial: 1, maximum: 65536, shared: true } as const;
interface FunctionImport {
  readonly name: string;
  readonly params: readonly WasmType[];
  readonly results: readonly WasmType[];
}
const TYPES: Record<ProcedureType, WasmType> = { i32: 'i32', i64: 'i64', v128: 'v128' };
const fn = (name: string, params: readonly WasmType[], ...results: WasmType[]): FunctionImport => ({
  name,
  params,
  results,
});

/** Functions of procedures.wasm that emitted code may call. */
const PROCEDURE_IMPORTS: readonly FunctionImport[] = [
  ...Object.entries(PROCEDURES).map(([name, p]) => ({
    name,
    params: p.params.map((type) => TYPES[type]),
    results:
      p.result !== undefined
        ? [TYPES[p.result]]
        : p.effect === 'pure' || p.effect === 'state'
          ? []
          : (['i32'] as const),
  })),
  fn('mem_read_slow', ['i64', 'i32'], 'i32'),
  fn('mem_write_slow', ['i64', 'i32'], 'i32'),
  fn('mem_rmw_slow', ['i64', 'i32'], 'i32'),
  fn('locked_begin', ['i32', 'i64', 'i32'], 'i32'),
  fn('locked_end', ['i32', 'i32']),
  fn('take_stale_pages', []),
  fn('sse_settled', ['i32'], 'i32'),
  ...['add', 'mul', 'sub', 'subr', 'div', 'divr'].map((op) =>
    fn(`x87_fast_${op}`, ['i32', 'i64', 'i32', 'i64'], 'i64'),
  ),
  fn('x87_fast_sqrt', ['i32', 'i64'], 'i64'),
  fn('x87_fast_sincos', ['i32', 'i64', 'i32'], 'i64'),
  fn('x87_fast_from_f64', ['i32', 'i64'], 'i64'),
  fn('x87_fast_from_f32', ['i32', 'i32'], 'i64'),
  fn('x87_fast_from_integer', ['i32', 'i64'], 'i64'),
  fn('x87_fast_compare', ['i32', 'i64', 'i32', 'i64'], 'i32'),
  fn('x87_fast_compare_flags', ['i32', 'i64', 'i32', 'i64'], 'i32'),
  fn('x87_fast_integer', ['i32', 'i64', 'i32', 'i32'], 'i64'),
  fn('x87_fast_to_f64', ['i32', 'i64'], 'i64'),
  fn('x87_fast_to_f32', ['i32', 'i64'], 'i32'),
  fn('x87_enter', [], 'i32'),
  fn('x87_commit', ['i32', 'i32']),
  fn('x87_flush', ['i32', 'i32', 'i64']),
  fn('x87_before', ['i32', 'i32', 'i32', 'i32']),
  fn('x87_after', ['i32', 'i32'], 'i32'),
  fn('flags_get', [], 'i32'),
  fn('raise_exception', ['i32', 'i32'], 'i32'),
  fn('resolve', ['i32'], 'i32'),
  fn('link', ['i32', 'i32'], 'i32'),
  fn('leave_at', ['i32', 'i32'], 'i32'),
  fn('lookup_slow', ['i32', 'i64'], 'i32'),
  fn('stop', ['i32'], 'i32'),
  fn('stale', ['i32'], 'i32'),
  fn('address_record', ['i32'], 'i32'),
  fn('breakpoint_at', ['i32'], 'i32'),
  fn('count_undefined', []),
  fn('hot', ['i32']),
  fn('go_on', ['i64'], 'i32'),
  fn('translate_exec', ['i64'], 'i32'),
];
/** Helpers of regions that interpreter.wasm exports. */
const HELPER_IMPORTS: readonly FunctionImport[] = [
  fn('note_position', ['i32', 'i32', 'i32']),
  fn('slow_read', ['i32', 'i64', 'i32', 'i32', 'i32'], 'i32'),
  fn('slow_rmw', ['i32', 'i64', 'i32', 'i32', 'i32'], 'i32'),
  fn('slow_write', ['i32', 'i64', 'i32', 'i32', 'i32'], 'i32'),
  fn('check_page', ['i32', 'i32', 'i64', 'i64', 'i32'], 'i32'),
  fn('note_jump', ['i64', 'i32', 'i32']),
  fn('range_host', ['i32', 'i64', 'i64', 'i64', 'i32'], 'i32'),
  ...CONDITION_FUNCTIONS.map((name) => fn(name, ['i32'], 'i32')),
];
const LATE = [...PROCEDURE_IMPORTS, ...HELPER_IMPORTS];
/** By name: indexes that stand for the imports of translated code until its module is put together. */
export const LATE_IMPORTS: ReadonlyMap<string, number> = new Map(LATE.map(({ name }, n) => [name, LATE_INDEX + n]));
export const lateImport = (name: string): number => LATE_IMPORTS.get(name) as number;

/** Imports those of the late indexes that are used, and memory that is shared or not; returns their indexes in the module. */
export function importLate(
  module: ModuleBuilder,
  used: Iterable<number>,
  shared: boolean,
): ReadonlyMap<number, number> {
  module.importMemory('env', 'memory', { ...MEMORY_IMPORT, shared });
  const indexes = new Map<number, number>();
  for (const late of new Set(used)) {
    const n = late - LATE_INDEX;
    const { name, params, results } = LATE[n] as FunctionImport;
    const from = n < PROCEDURE_IMPORTS.length ? 'procedures' : 'interpreter';
    indexes.set(late, module.importFunction(from, name, params, results));
  }
  return indexes;
}

/** Imports every procedure; returns the table by name. */
export function importProcedures(module: ModuleBuilder): Map<string, number> {
  module.importMemory('env', 'memory', MEMORY_IMPORT);
  return new Map(
    PROCEDURE_IMPORTS.map(({ name, params, results }) => [
      name,
      module.importFunction('procedures', name, params, results),
    ]),
  );
}

const STATE = 0;
/** Adds the helpers that regions import from interpreter.wasm; the condition functions are exported by their own module. */
export function addRegionHelpers(module: ModuleBuilder, procedures: ReadonlyMap<string, number>): void {
  const note = module.function(['i32', 'i32', 'i32'], [], 'note_position');
  emitNote(note);
  for (const access of ['read', 'rmw', 'write'] as const)
    emitSlow(
      module.function(['i32', 'i64', 'i32', 'i32', 'i32'], ['i32'], `slow_${access}`),
      access,
      note.index,
      procedures.get(`mem_${access}_slow`) as number,
    );
  emitCheckPage(
    module.function(['i32', 'i32', 'i64', 'i64', 'i32'], ['i32'], 'check_page'),
    procedures.get('translate_exec') as number,
  );
  emitNoteJump(module.function(['i64', 'i32', 'i32'], [], 'note_jump'));
  emitRangeHost(module.function(['i32', 'i64', 'i64', 'i64', 'i32'], ['i32'], 'range_host'));
}
/**
 * (state, tlb, RIP of the entry's page, distance of another page, offset of its place in REGION.page) -> 1: the page is where
 * it was. The region remembers that for its next entries, until something happens to translations (checkedEpoch): of a
 * user's pages whatever it is, of a supervisor's where they are global, so that loads of CR3 do not count.
 */
function emitCheckPage(f: FunctionBuilder, translateExec: number): void {
  const [state, tlb, from, distance, place] = [0, 1, 2, 3, 4];
  const linear = f.newLocal('i64');
  const entry = f.newLocal('i32');
  const region = f.newLocal('i32');
  const kind = f.newLocal('i32');
  const host = f.newLocal('i32');
  f.get(from).get(distance).op('i64.add').set(linear);
  f.get(state).memory('i32.load', at('region')).set(region);
  f.get(tlb).get(linear);
  tlbIndex(f);
  f.op('i32.add').set(entry);
  f.get(entry).memory('i64.load', TLB_ENTRY.execTag).get(linear).op('i64.eq').if(true);
  f.get(entry).memory('i32.load', TLB_ENTRY.addend).get(linear).op('i32.wrap_i64').op('i32.add').set(host);
  f.else().get(linear).call(translateExec).set(host).end();
  f.get(region).get(place).op('i32.add').memory('i32.load').get(host).op('i32.ne').if(false);
  f.i32(0).return().end();
  // what is not in the TLB now, or may go with the address space while other pages stay, is looked at again
  f.get(tlb).get(state).i32(AREA.tlbSupervisor).op('i32.add').op('i32.ne').i32(3).op('i32.shl').set(kind);
  f.get(entry).memory('i64.load', TLB_ENTRY.execTag).get(linear).op('i64.ne');
  f.get(entry).memory('i32.load', TLB_ENTRY.flags).i32(ENTRY_GLOBAL).op('i32.and').get(kind).op('i32.or').op('i32.eqz');
  f.op('i32.or').if(false);
  f.i32(1).return().end();
  f.get(kind).get(state).op('i32.add').set(kind);
  f.get(kind).memory('i64.load', at('checkedEpoch')).get(region).memory('i64.load', REGION.checkedEpoch).op('i64.ne');
  f.get(from).get(region).memory('i64.load', REGION.checkedPage).op('i64.ne').op('i32.or').if(false);
  f.get(region).get(kind).memory('i64.load', at('checkedEpoch')).memory('i64.store', REGION.checkedEpoch);
  f.get(region).get(from).memory('i64.store', REGION.checkedPage);
  f.get(region).i32(0).memory('i32.store', REGION.checked).end();
  f.get(region).get(region).memory('i32.load', REGION.checked);
  f.i32(1).get(place).i32(REGION.page).op('i32.sub').i32(2).op('i32.shr_u').op('i32.shl').op('i32.or');
  f.memory('i32.store', REGION.checked);
  f.get(linear).get(kind).memory('i64.load', at('checkedLow')).op('i64.lt_u').if(false);
  f.get(kind).get(linear).memory('i64.store', at('checkedLow')).end();
  f.get(linear).get(kind).memory('i64.load', at('checkedHigh')).op('i64.gt_u').if(false);
  f.get(kind).get(linear).memory('i64.store', at('checkedHigh')).end();
  f.i32(1);
}

/**
 * (tlb, linear, first of a range around it, bytes behind that, offset of the tag): host address of `linear` where the TLB has both
 * pages of the range and they follow each other in host memory, too; else 0.
 */
function emitRangeHost(f: FunctionBuilder): void {
  const [tlb, linear, from, more, tag] = [0, 1, 2, 3, 4];
  const first = f.newLocal('i32');
  const last = f.newLocal('i32');
  const entryOf = (push: () => FunctionBuilder, entry: number): void => {
    f.get(tlb);
    push();
    tlbIndex(f);
    f.op('i32.add').tee(entry).get(tag).op('i32.add').memory('i64.load', 0);
    push().i64Number(-4096).op('i64.and').op('i64.eq');
  };
  entryOf(() => f.get(from), first);
  entryOf(() => f.get(from).get(more).op('i64.add'), last);
  f.op('i32.and');
  f.get(first).memory('i32.load', TLB_ENTRY.addend).get(last).memory('i32.load', TLB_ENTRY.addend).op('i32.eq');
  f.op('i32.and').if();
  f.get(first).memory('i32.load', TLB_ENTRY.addend).get(linear).op('i32.wrap_i64').op('i32.add').return().end();
  f.i32(0);
}
/** (rip, state, offset of the jump): an indirect jump or call leaves the region for a place it does not know. One far away is not noted. */
function emitNoteJump(f: FunctionBuilder): void {
  const rip = 0;
  const state = 1;
  const count = f.newLocal('i32');
  const place = (scale: number): void => {
    f.get(state)
      .get(count)
      .i32(JUMP_TARGETS - 1)
      .op('i32.and')
      .i32(scale)
      .op('i32.shl')
      .op('i32.add');
  };
  f.get(rip).get(state).memory('i64.load', at('codePage')).op('i64.sub').i64(BigInt(FAR_JUMP)).op('i64.add');
  f.i64(BigInt(2 * FAR_JUMP))
    .op('i64.ge_u')
    .if(false);
  f.return().end();
  f.get(state).get(state).memory('i32.load', at('jumpMisses')).tee(count).i32(1).op('i32.add');
  f.memory('i32.store', at('jumpMisses'));
  place(3);
  f.get(rip).memory('i64.store', at('jumpTargets'));
  place(2);
  f.get(state).memory('i32.load', at('region')).memory('i32.store', at('jumpSources'));
  place(2);
  f.get(2).memory('i32.store', at('jumpSites'));
}
/**
 * (state, linear, size, position, budget): the slow path of a memory access of translated code. It also comes here where a
 * range that several accesses share crosses a page border: then the TLB often has the page of this one.
 */
function emitSlow(f: FunctionBuilder, access: 'read' | 'rmw' | 'write', note: number, slow: number): void {
  const [linear, size] = [1, 2];
  const entry = f.newLocal('i32');
  f.get(STATE).memory('i32.load', at('tlb')).get(linear);
  tlbIndex(f);
  f.op('i32.add').tee(entry);
  f.memory('i64.load', access === 'read' ? TLB_ENTRY.readTag : TLB_ENTRY.writeTag);
  f.get(linear)
    .get(size)
    .op('i64.extend_i32_u')
    .op('i64.add')
    .i64Number(1)
    .op('i64.sub')
    .i64Number(-4096)
    .op('i64.and');
  f.op('i64.eq').if();
  const pushHost = (): FunctionBuilder =>
    f.get(entry).memory('i32.load', TLB_ENTRY.addend).get(linear).op('i32.wrap_i64').op('i32.add');
  if (access !== 'write') pushHost().return();
  else {
    for (const bytes of [4, 8] as const) {
      const type = bytes === 4 ? 'i32' : 'i64';
      f.get(size).i32(bytes).op('i32.eq').if();
      pushHost().get(STATE).memory(`${type}.load`, at('bounce')).memory(`${type}.store`, 0);
      f.i32(1).return().end();
    }
  }
  f.end();
  f.get(STATE).get(4).get(3).call(note).get(linear).get(size).call(slow);
}
/** (state, budget, position: length | order << 8 | next << 16): fills the position record of translated code. */
function emitNote(f: FunctionBuilder): void {
  const position = at('position');
  f.get(STATE).get(1).memory('i32.store', at('budget'));
  f.get(STATE)
    .get(2)
    .memory('i32.store', position + RECORD.scale);
  f.get(STATE)
    .get(2)
    .i32(15)
    .op('i32.and')
    .memory('i32.store', position + RECORD.length);
  f.get(STATE).get(STATE).i32(position).op('i32.add').memory('i32.store', at('record'));
}
