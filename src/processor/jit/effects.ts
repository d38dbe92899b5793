// What one decoded instruction does, seen from a region: status flags read and replaced, possible faults, branches.
// Found by running its semantics on Sem<Known>, where a value is a constant known at translation time or nothing.
import {
  CONDITIONS,
  type Condition,
  type GprName,
  OPERAND_KIND,
  type Operand,
  PROCEDURES,
  type Sem,
  type StatusFlag,
} from '../../isa/index.js';
import type { InstructionCode } from './instruction.js';

type Known = bigint | null;

export interface Effects {
  /** Status flags looked at, and surely replaced; EFLAGS positions. */
  readonly flagsRead: number;
  readonly flagsReplaced: number;
  /** Some status flag is or may be replaced. */
  readonly flagsTouched: boolean;
  readonly mayFault: boolean;
  readonly writesMemory: boolean;
  /** Branches to its `rel` operand; `conditional`: or goes on. */
  readonly direct: boolean;
  readonly conditional: boolean;
  readonly indirect: boolean;
  /** Calls a procedure that leaves the instruction stream. */
  readonly leaves: boolean;
  /** A region ends behind it: endsRegion(). */
  readonly ends: boolean;
  /** General registers (bits 0 to 15) and XMM registers (16 to 31) it may read and write. A guess, checked by the emission. */
  readonly registersRead: number;
  readonly registersWritten: number;
  /** Procedures that it may call. */
  readonly calls: readonly string[];
}

const FIRST_XMM = 16;
const GPR: readonly GprName[] = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'];
export const STATUS_FLAGS = 0x8d5;
export const FLAG: Record<StatusFlag, number> = { c: 1, p: 4, a: 0x10, z: 0x40, s: 0x80, o: 0x800 };
const READ_BY = [FLAG.o, FLAG.c, FLAG.z, FLAG.c | FLAG.z, FLAG.s, FLAG.p, FLAG.s | FLAG.o, FLAG.z | FLAG.s | FLAG.o];
const flagsOf = (condition: Condition): number => READ_BY[CONDITIONS.indexOf(condition) >> 1] as number;

let tracer: ((instruction: InstructionCode) => Effects) | null = null;
export function effectsOf(instruction: InstructionCode): Effects {
  tracer ??= makeTracer();
  return tracer(instruction);
}

/** One vocabulary for all instructions, as making it takes longer than using it. */
function makeTracer(): (instruction: InstructionCode) => Effects {
  let instruction!: InstructionCode;
  let flagsRead = 0;
  let flagsReplaced = 0;
  let flagsTouched = false;
  let mayFault = false;
  let writesMemory = false;
  let direct = false;
  let conditional = false;
  let indirect = false;
  let leaves = false;
  let registersRead = 0;
  let registersWritten = 0;
  let depth = 0;
  let calls: string[] = [];
  const readsRegister = (n: number): null => {
    registersRead |= 1 << n;
    return null;
  };
  const writesRegister = (n: number): null => {
    registersWritten |= 1 << n;
    return null;
  };
  const reads = (mask: number): void => {
    flagsRead |= mask & ~flagsReplaced;
  };
  const replaces = (mask: number): void => {
    if (depth === 0) flagsReplaced |= mask;
    flagsTouched = true;
  };
  const addresses = (): void => {
    if (instruction.base >= 0) readsRegister(instruction.base);
    if (instruction.index >= 0) readsRegister(instruction.index);
  };
  const touch = (operand: Operand, writes = false): null => {
    if (operand.kind === 'mem') {
      mayFault = true;
      addresses();
    } else if (operand.kind === 'gpr') {
      const { register } = instruction.operand(operand.index);
      // a write of 8 or 16 bits keeps the rest
      if (!writes || operand.bits < 32) readsRegister(register);
      if (writes) writesRegister(register);
    } else if (operand.kind === 'xmm') {
      const register = FIRST_XMM + instruction.operand(operand.index).register;
      readsRegister(register);
      if (writes) writesRegister(register);
    }
    return null;
  };
  const stack = (): void => {
    readsRegister(4);
    writesRegister(4);
  };
  const memory = (): null => {
    mayFault = true;
    return null;
  };
  const writing = (): null => {
    writesMemory = true;
    return memory();
  };
  const both = (a: Known, b: Known, f: (a: bigint, b: bigint) => bigint): Known =>
    a === null || b === null ? null : f(a, b);
  const handlers: Partial<Record<keyof Sem<Known>, unknown>> = {
    get opBits() {
      return instruction.facts.opBits;
    },
    get addrBits() {
      return instruction.facts.addrBits;
    },
    get long() {
      return instruction.facts.long;
    },
    get stackBits() {
      return instruction.facts.stackBits;
    },
    get rep() {
      return instruction.facts.rep;
    },
    const: (v: bigint | number) => BigInt(v),
    widthOf: () => 64,
    and: (a: Known, b: Known) => both(a, b, (x, y) => x & y),
    zext: (v: Known) => v,
    trunc: (v: Known, bits: number) => (v === null ? null : BigInt.asUintN(bits, v)),
    compare: (op: string, a: Known, b: Known) =>
      op === 'ne' || op === 'eq' ? both(a, b, (x, y) => ((x === y) === (op === 'eq') ? 1n : 0n)) : null,
    isZero: (a: Known) => (a === null ? null : a === 0n ? 1n : 0n),
    read: (o: Operand) => {
      touch(o);
      return o.kind === 'imm' ? instruction.immediate(o.index) : null;
    },
    write: (o: Operand) => {
      touch(o, true);
      if (o.kind === 'mem') writesMemory = true;
    },
    update: (o: Operand, f: (v: Known) => Known) => {
      touch(o);
      touch(o, true);
      if (o.kind === 'mem') writesMemory = true;
      f(null);
    },
    at: (o: Operand, _offset: unknown, bits: number) => ({ ...o, bits }),
    effectiveAddress: () => {
      addresses();
      return null;
    },
    linearAddress: () => {
      addresses();
      return memory();
    },
    pointer: (o: Operand) => touch(o),
    reg: (name: GprName) => readsRegister(GPR.indexOf(name)),
    setReg: (name: GprName, v: Known) => {
      // of 8 or 16 bits it keeps the rest; widths are not known here
      readsRegister(GPR.indexOf(name));
      writesRegister(GPR.indexOf(name));
      return v;
    },
    regHigh: () => readsRegister(0),
    setRegHigh: () => {
      readsRegister(0);
      writesRegister(0);
    },
    load: memory,
    store: writing,
    push: () => {
      stack();
      writing();
    },
    peek: () => {
      readsRegister(4);
      return memory();
    },
    dropStack: stack,
    loadStack: memory,
    storeStack: writing,
    checkTarget: memory,
    raise: memory,
    raiseIf: memory,
    flags: () => replaces(STATUS_FLAGS),
    flagsResult: () => replaces(STATUS_FLAGS),
    flagsStep: () => replaces(STATUS_FLAGS & ~FLAG.c),
    setFlags: (some: Partial<Record<StatusFlag, unknown>>) => {
      let mask = 0;
      for (const name of Object.keys(some) as StatusFlag[]) mask |= FLAG[name];
      replaces(mask);
    },
    flag: (name: StatusFlag) => {
      reads(FLAG[name]);
      return null;
    },
    cond: (condition: Condition) => {
      reads(flagsOf(condition));
      return null;
    },
    statusByte: () => {
      reads(STATUS_FLAGS & 0xff);
      return null;
    },
    setStatusByte: () => {
      reads(FLAG.o);
      replaces(STATUS_FLAGS & 0xff);
    },
    jumpTo: () => {
      direct = true;
      if (depth > 0) conditional = true;
    },
    jump: () => {
      indirect = true;
      mayFault = true;
    },
    when: (condition: Known, then: () => void) => {
      if (condition === 0n) return;
      if (condition === null) depth++;
      then();
      if (condition === null) depth--;
    },
    call: (name: string) => {
      calls.push(name);
      const p = PROCEDURES[name];
      if (p?.effect === 'leave') leaves = true;
      if (p?.effect === 'fault') mayFault = true;
      if (!keepsFlags(name)) {
        reads(STATUS_FLAGS);
        flagsTouched = true;
        writesMemory = true;
      }
      return null;
    },
  };
  const none = (): null => null;
  const sem = new Proxy(handlers, {
    get: (target, name) => (name in target ? target[name as keyof Sem<Known>] : none),
  }) as unknown as Sem<Known>;
  return (of) => {
    instruction = of;
    flagsRead = 0;
    flagsReplaced = 0;
    flagsTouched = false;
    mayFault = false;
    writesMemory = false;
    direct = false;
    conditional = false;
    indirect = false;
    leaves = false;
    registersRead = 0;
    registersWritten = 0;
    depth = 0;
    calls = [];
    const { form } = of;
    form.instruction.execute(sem, ...form.operands);
    return {
      flagsRead,
      flagsReplaced,
      flagsTouched,
      mayFault,
      writesMemory,
      direct,
      conditional,
      indirect,
      leaves,
      ends: endsRegion(form.instruction),
      registersRead,
      registersWritten,
      calls,
    };
  };
}

const SAFE =
  /^(load_segment$|mov_(from|to)_cr$|invlpg$|clts$|cli$|sti$|pause$|rdtsc$|swapgs$|smap_check$|pushf_check$|divide_|sse_|mmx_|fpu_|wait_check|canonical_check|mul_high|smsw_value|mxcsr_value|segment_selector|segment_base|segment_address)|^x87_(?!store_|save|restore|load_env)/;
/**
 * Instructions that end the interpreter's blocks but need not end a region: their procedures unwind when an event is due.
 * CPUID takes news of written code itself.
 */
const STAYING: ReadonlySet<string> = new Set(['sti', 'popf', 'mov_to_sreg', 'pop_sreg', 'cpuid']);
/** Those of the others that a region may have as its last one. */
const LAST: ReadonlySet<string> = new Set(
  'syscall sysret sysenter sysexit iret int mov_to_cr clts invlpg invpcid wrmsr'.split(' '),
);
/** Whether the code after an instruction depends on modes that the instruction may change. */
export const endsRegion = ({ name, serializes }: { readonly name: string; readonly serializes?: boolean }): boolean =>
  serializes === true && !STAYING.has(name);
/** Whether an instruction that ends a region may be part of it. */
export const mayBeLast = (name: string): boolean => LAST.has(name);
const STATE_ONLY = new Set(
  Object.entries(PROCEDURES)
    .filter(([, p]) => p.effect === 'state')
    .map(([name]) => name),
);
/** The procedure neither sees nor changes general registers and flags (unless it unwinds), and writes no memory. */
export const keepsRegisters = (name: string): boolean => STATE_ONLY.has(name) || SAFE.test(name);
/** Likewise for the status flags alone. */
export const keepsFlags = keepsRegisters;
/** Procedures of these that may change what linear addresses mean, or a segment's base. */
export const forgetsAddresses = (name: string): boolean =>
  name === 'smap_check' || name === 'swapgs' || name === 'load_segment';

const REP = ['none', 'rep', 'repne'];
/** Effects by form and operands: instructions that differ only in displacement share them. */
export class EffectsCache {
  private readonly known = new Map<number, Effects>();

  of(instruction: InstructionCode): Effects {
    const key = keyOf(instruction);
    const before = this.known.get(key);
    if (before !== undefined) return before;
    const effects = effectsOf(instruction);
    if (key >= 0) this.known.set(key, effects);
    return effects;
  }
}
/** A number for all that effects depend on, below 2^53; -1: a large immediate, which may matter. */
function keyOf(i: InstructionCode): number {
  const { facts } = i;
  let key = i.form.number * 1024 + (i.base + 1) * 32 + i.index + 1;
  key = key * 32 + REP.indexOf(facts.rep) * 8 + (facts.addrBits >> 5) * 2 + (facts.stackBits === 32 ? 1 : 0);
  let immediate = 0;
  for (const o of i.operands) {
    if (o.kind === OPERAND_KIND.imm) {
      if (o.bits > 8 || immediate !== 0) return -1;
      immediate = o.immLo & 0xff;
    }
    key = key * 16 + (o.kind === OPERAND_KIND.gpr || o.kind === OPERAND_KIND.xmm ? o.register & 15 : 0);
  }
  return (key * 256 + immediate) * 2 + (facts.lock === true ? 1 : 0);
}
