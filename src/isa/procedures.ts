// Procedures that semantics may call: what is not an expression but an algorithm. Implemented in AssemblyScript
// (processor/core), called by interpreter, JIT and evaluator alike.

/** i32 for values of at most 32 bits, i64 for 64, v128 for 128. */
export type ProcedureType = 'i32' | 'i64' | 'v128';
/**
 * pure: returns a value, touches nothing but its arguments and scratch slots. fault: returns a status, may unwind; values
 * come back in scratch slots. leave: always unwinds (RIP or the whole state has changed, or a VM exit is due). state: like
 * pure, but reads and changes x87, MMX or SSE state (never general registers, flags or memory); never unwinds.
 */
export type ProcedureEffect = 'pure' | 'fault' | 'leave' | 'state';
export interface Procedure {
  readonly params: readonly ProcedureType[];
  readonly result?: ProcedureType;
  readonly effect: ProcedureEffect;
}
const pure = (params: readonly ProcedureType[], result?: ProcedureType): Procedure =>
  result === undefined ? { params, effect: 'pure' } : { params, result, effect: 'pure' };
const fault = (...params: ProcedureType[]): Procedure => ({ params, effect: 'fault' });
const leave = (...params: ProcedureType[]): Procedure => ({ params, effect: 'leave' });

/** System procedures, in processor/core/*.ts under the same name. Sizes in bytes unless said; `opBits`, `addrBits` in bits. */
export const SYSTEM_PROCEDURES = {
  // arithmetic: 64-bit halves; divide: dividend high:low by divisor, width in bits; scratch 0 = quotient, 1 = remainder
  mul_high_u64: pure(['i64', 'i64'], 'i64'),
  mul_high_s64: pure(['i64', 'i64'], 'i64'),
  // (halves and divisor are `width` bits wide, zero-extended to i64, for the signed one too; #DE as SDM "DIV", "IDIV")
  divide_unsigned: fault('i64', 'i64', 'i64', 'i32'),
  divide_signed: fault('i64', 'i64', 'i64', 'i32'),
  // whole RFLAGS
  pushf_value: pure([], 'i64'), // RFLAGS as PUSHF stores it (VM and RF clear)
  pushf_check: fault('i32'), // opBits: #GP in virtual-8086 mode with IOPL < 3, unless 16 bits and CR4.VME
  popf: fault('i64', 'i32'), // value, opBits; ends the block; the caller drops the stack BEFORE calling on success only: procedure itself adds to rSP
  cli: fault(),
  sti: fault(),
  // string instructions: element size, addrBits, rep (0 none, 1 rep, 2 repne), source segment number. RIP stays for more iterations: unwind=lookup
  string_movs: fault('i32', 'i32', 'i32', 'i32'),
  string_stos: fault('i32', 'i32', 'i32', 'i32'),
  string_lods: fault('i32', 'i32', 'i32', 'i32'),
  string_cmps: fault('i32', 'i32', 'i32', 'i32'),
  string_scas: fault('i32', 'i32', 'i32', 'i32'),
  string_ins: fault('i32', 'i32', 'i32', 'i32'),
  string_outs: fault('i32', 'i32', 'i32', 'i32'),
  // ports: port, size (1, 2, 4); value of a read in scratch 0
  port_in: fault('i32', 'i32'),
  port_out: fault('i32', 'i32', 'i32'),
  // segments and tables
  load_segment: fault('i32', 'i32'), // segment number, selector (MOV Sreg, POP Sreg, LDS...); SS sets the interrupt shadow
  segment_selector: pure(['i32'], 'i32'),
  far_jump: leave('i32', 'i64', 'i32'), // selector, offset, opBits
  far_call: leave('i32', 'i64', 'i32'),
  far_return: leave('i32', 'i32'), // opBits, bytes to release
  iret: leave('i32'), // opBits
  interrupt: leave('i32', 'i32'), // vector, kind: 0 INT n, 1 INT3, 2 INTO, 3 INT1
  syscall: leave(),
  sysret: leave('i32'), // opBits
  sysenter: leave(),
  sysexit: leave('i32'), // opBits
  swapgs: fault(),
  lgdt: fault('i64', 'i32'), // linear address, opBits
  lidt: fault('i64', 'i32'),
  sgdt: fault('i64', 'i32'),
  sidt: fault('i64', 'i32'),
  lldt: fault('i32'),
  ltr: fault('i32'),
  umip_check: fault(), // SLDT, STR, SMSW, SGDT, SIDT at CPL 3 with CR4.UMIP
  lar: fault('i32', 'i32'), // selector, opBits: scratch 0 = value, scratch 1 = ZF
  lsl: fault('i32', 'i32'),
  verr: fault('i32'), // scratch 1 = ZF
  verw: fault('i32'),
  protected_check: fault(), // #UD in real and virtual-8086 mode (ARPL, LAR, LSL, VERR, LLDT, ...)
  // control, debug, MSRs
  mov_from_cr: fault('i32'), // number: scratch 0
  mov_to_cr: fault('i32', 'i64'), // ends the block
  mov_from_dr: fault('i32'),
  mov_to_dr: fault('i32', 'i64'),
  lmsw: fault('i32'),
  clts: fault(),
  smsw_value: pure([], 'i32'),
  invlpg: fault('i64'),
  invpcid: fault('i64', 'i64'), // type, linear address of descriptor
  rdmsr: fault(),
  wrmsr: fault(),
  rdtsc: fault(), // scratch 0 = low half, 1 = high half
  rdtscp: fault(),
  rdpmc: fault(),
  xgetbv: fault(),
  xsetbv: fault(),
  cpuid: fault(),
  hlt: fault(),
  pause: fault(),
  wbinvd: fault(),
  monitor: fault('i64'),
  mwait: fault(),
  vmcall: fault(),
  rdrand: fault('i32'), // opBits: scratch 0 = value (CF always 1)
  rdseed: fault('i32'), // likewise
  fsgsbase_check: fault(), // #UD unless CR4.FSGSBASE
  canonical_check: fault('i64'), // #GP(0) unless canonical
  segment_base: pure(['i32'], 'i64'), // base of segment register n (RDFSBASE, RDGSBASE)
  set_segment_base: fault('i32', 'i64'), // WRFSBASE, WRGSBASE: value is canonical; never fails
  smap_check: fault('i32'), // CLAC/STAC: CPL 0 and CR4.SMAP else #UD; argument = new AC
  enter: fault('i32', 'i32', 'i32'), // size, nesting level, opBits
  bound: fault('i64', 'i32', 'i32'), // linear address of the pair, index value, opBits
  cmpxchg8b: fault('i64'), // linear address; EDX:EAX, ECX:EBX; ZF
  cmpxchg16b: fault('i64'),
  memory_fence: pure([]), // stores before it are seen before loads behind it, by vCPUs on other threads
  // x87/SSE state
  fpu_check: fault(), // #NM (CR0.EM or TS), then pending unmasked x87 exception -> #MF: before every x87 instruction that waits
  fpu_check_nowait: fault(), // #NM only (FNINIT, FNSTSW, ...)
  wait_check: fault(), // FWAIT: #NM if MP and TS; #MF
  mmx_check: fault(), // #UD (EM), #NM, #MF
  sse_check: fault(), // #UD unless CR4.OSFXSR and !EM; #NM if TS
  fxsave: fault('i64', 'i32'), // linear address, opBits
  fxrstor: fault('i64', 'i32'),
  xsave: fault('i64', 'i32'),
  xrstor: fault('i64', 'i32'),
  ldmxcsr: fault('i32'),
  mxcsr_value: pure([], 'i32'), // STMXCSR
} as const satisfies Record<string, Procedure>;
