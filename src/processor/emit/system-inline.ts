// System instructions in place: what the kernel's every other function does (CLI, STI, POPF, PAUSE), and whether SSE, x87 and MMX
// instructions may run. Intel SDM Vol. 2, the instructions' pages; Vol. 3A, "Task-Switch and FPU-Exception Flags" (CR0.EM, CR0.TS).
import { PAUSE_TICKS } from '../../vmx/index.js';
import { STATUS_FLAGS } from '../jit/effects.js';
import { at } from '../state-layout.js';
import type { Value } from './binding.js';
import type { RegionControl, RegionLocals, RegisterUse } from './translation-binding.js';
import type { FunctionBuilder } from './wasm.js';
import type { WasmSem } from './wasm-sem.js';

/** What it needs of the binding. */
interface Host {
  readonly control: RegionControl;
  /** All status flags are those of a word. */
  setStatusFlags(s: WasmSem, word: Value): void;
}

/** In the set of registers read: the region looks at whether SSE, x87 and MMX instructions may run. */
const SSE_READY = 64;
const FPU_READY = 65;
const FSW_ES = 0x80;
const RFLAGS_TF = 0x100n;
const RFLAGS_IF = 0x200n;
/** Kind of interrupt shadow. */
const SHADOW_BY_STI = 1;
/** TF, DF, IOPL, NT, AC, ID. */
const POPF_RARE = 0x247500n;
/** Interrupt-window and NMI-window exiting of the primary controls. */
const WINDOW_EXITING = 0x40_0004;
/** Of the primary controls. */
const PAUSE_EXITING = 1 << 30;
const CR0_EM_TS = 0xc;
const CR4_OSFXSR_BIT = 9;

const STATE = 0;

export class SystemInline {
  private readonly checked = new Set<string>();
  /** i32 locals, by SSE_READY and FPU_READY: such instructions raise no #UD and #NM. */
  private readonly ready = new Map<number, number>();
  constructor(
    private readonly locals: RegionLocals,
    private readonly use: RegisterUse,
    private readonly host: Host,
  ) {}
  /** A block begins, or a procedure ran: nothing is known about earlier checks. */
  forget(): void {
    this.checked.clear();
  }
  /** At a region's entry. */
  load(f: FunctionBuilder): void {
    for (const ready of [SSE_READY, FPU_READY]) {
      if (!this.use.read.has(ready)) continue;
      f.get(STATE).memory('i32.load', at('cr0')).i32(CR0_EM_TS).op('i32.and').op('i32.eqz');
      if (ready === SSE_READY)
        f.get(STATE).memory('i32.load', at('cr4')).i32(CR4_OSFXSR_BIT).op('i32.shr_u').op('i32.and');
      f.set(this.readyLocal(f, ready));
    }
  }
  private readyLocal(f: FunctionBuilder, ready: number): number {
    const local = this.ready.get(ready) ?? f.newLocal('i32');
    this.ready.set(ready, local);
    return local;
  }
  /** The procedure's work in place; null: it has to be called. */
  emit(s: WasmSem, name: string, args: readonly Value[]): Value | null {
    switch (name) {
      case 'sse_check':
        return this.check(s, name, SSE_READY);
      case 'mmx_check':
      case 'fpu_check':
        return this.check(s, name, FPU_READY);
      case 'cli':
        return this.clearInterrupts(s);
      case 'sti':
        return this.setInterrupts(s);
      case 'pause':
        return this.pause(s);
      case 'popf':
        return this.popFlags(s, args);
      default:
        return null;
    }
  }
  /**
   * #UD, #NM and #MF: nothing that stays in the region changes CR0 and CR4; an x87 instruction may make an exception pending.
   */
  private check(s: WasmSem, name: string, ready: number): Value {
    const none = s.const(0, 32);
    const pending = ready === FPU_READY;
    const first = !this.checked.has(name);
    if (s.depth === 0) this.checked.add(name);
    if (!first && !pending) return none;
    if (first) {
      this.use.read.add(ready);
      s.f.get(this.readyLocal(s.f, ready));
    }
    if (pending) s.state().memory('i32.load', at('fsw')).i32(FSW_ES).op('i32.and').op('i32.eqz');
    if (first && pending) s.f.op('i32.and');
    s.f.op('i32.eqz').if(false);
    s.callOut(name, []);
    s.f.end();
    return none;
  }
  /** CLI at CPL 0. */
  private clearInterrupts(s: WasmSem): Value {
    s.state().memory('i32.load', at('cpl')).op('i32.eqz').if(true);
    s.state();
    s.state().memory('i64.load', at('rflags')).i64(~RFLAGS_IF).op('i64.and').memory('i64.store', at('rflags'));
    s.f.else();
    s.callOut('cli', []);
    s.f.end();
    return s.const(0, 32);
  }
  /** STI at CPL 0 where nobody waits for it, with the interrupt shadow behind it. */
  private setInterrupts(s: WasmSem): Value {
    const { f } = s;
    s.state().memory('i64.load', at('rflags')).i64(RFLAGS_TF).op('i64.and').op('i64.eqz');
    s.state().memory('i32.load', at('primary')).i32(WINDOW_EXITING).op('i32.and');
    s.state().memory('i32.load', at('cpl')).op('i32.or').op('i32.eqz').op('i32.and').if(true);
    s.state().memory('i64.load', at('rflags')).i64(RFLAGS_IF).op('i64.and').op('i64.eqz').if();
    s.state();
    s.state().memory('i64.load', at('rflags')).i64(RFLAGS_IF).op('i64.or').memory('i64.store', at('rflags'));
    s.state().i32(SHADOW_BY_STI).memory('i32.store', at('shadowKind'));
    s.state();
    s.state().memory('i64.load', at('retired'));
    s.state().memory('i32.load', at('budgetLoaded')).get(this.locals.budget).op('i32.sub').op('i64.extend_i32_s');
    f.op('i64.add')
      .i64(BigInt(this.host.control.order + 1))
      .op('i64.add')
      .memory('i64.store', at('shadowRetired'));
    f.end().else();
    s.callOut('sti', []);
    f.end();
    return s.const(0, 32);
  }
  /** PAUSE that does not exit, in virtual time, where the budget has it. */
  private pause(s: WasmSem): Value {
    const { f } = s;
    const { budget } = this.locals;
    const more = PAUSE_TICKS - 1;
    s.state().memory('i32.load', at('timeIsReal'));
    s.state().memory('i32.load', at('primary')).i32(PAUSE_EXITING).op('i32.and').op('i32.or').op('i32.eqz');
    f.get(budget)
      .i32(this.host.control.reserve + more)
      .op('i32.ge_s')
      .op('i32.and')
      .if(true);
    f.get(budget).i32(more).op('i32.sub').set(budget);
    s.state();
    s.state().memory('i32.load', at('budgetLoaded')).i32(more).op('i32.sub').memory('i32.store', at('budgetLoaded'));
    s.state();
    s.state().memory('i64.load', at('waited')).i64(BigInt(more)).op('i64.add').memory('i64.store', at('waited'));
    f.else();
    s.callOut('pause', []);
    f.end();
    return s.const(0, 32);
  }
  /** POPF at CPL 0 that changes only IF and the status flags, where nobody waits for IF. */
  private popFlags(s: WasmSem, args: readonly Value[]): Value {
    const [value, opBits] = args as [Value, Value];
    if (opBits.constant === 16n) return s.callOut('popf', args);
    const { f } = s;
    s.push_(value);
    s.state().memory('i64.load', at('rflags')).op('i64.xor').i64(POPF_RARE).op('i64.and').op('i64.eqz');
    s.state().memory('i64.load', at('rflags')).i64(RFLAGS_TF).op('i64.and').op('i64.eqz').op('i32.and');
    s.state().memory('i32.load', at('primary')).i32(WINDOW_EXITING).op('i32.and');
    s.state().memory('i32.load', at('cpl')).op('i32.or').op('i32.eqz').op('i32.and').if(true);
    s.depth++;
    s.state();
    s.state().memory('i64.load', at('rflags')).i64(~RFLAGS_IF).op('i64.and');
    s.push_(value);
    f.i64(RFLAGS_IF).op('i64.and').op('i64.or').memory('i64.store', at('rflags'));
    this.host.setStatusFlags(s, s.and(value, s.const(STATUS_FLAGS, 64)));
    s.dropStack(Number(opBits.constant) / 8);
    s.depth--;
    f.else();
    s.callOut('popf', args);
    f.end();
    s.known = null;
    return s.const(0, 32);
  }
}
