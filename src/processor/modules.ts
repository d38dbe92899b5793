// The two compiled modules and how an instance of them is made for one vCPU.
import { latin1Text } from '../base/index.js';
import { HANDLER_SECTION, type HandlerDirectory } from './handlers.js';
import { withUnsharedMemory } from './unshared.js';

/** Compiled modules; they can be posted to a worker. */
export interface ProcessorModules {
  readonly procedures: WebAssembly.Module;
  readonly interpreter: WebAssembly.Module;
  /** They import shared memory; else a domain's memory stays in the thread that made it. */
  readonly shared: boolean;
}
/** Functions of procedures.wasm that TypeScript calls. Addresses are host addresses. */
export interface Procedures {
  flags_get(): number;
  flags_set(word: number): void;
  update_mode(): void;
  tlb_flush_all(): void;
  enter_code(): number;
  cut_block(record: number, instructions: number): number;
  flush_blocks(): void;
  physical_written(gpa: number, size: number): void;
  /** 0: delivered; 1: VM exit. */
  inject_event(): number;
  /** 0: nothing; 1: exit filled; 2: opens after one more instruction. */
  check_windows(): number;
  /** 1: the instruction at RIP is being replayed with answered accesses. */
  replay_pending(): number;
  /** 1: RFLAGS.TF is set, run one instruction, then call single_step_end (1: exit filled). */
  single_step_begin(): number;
  single_step_end(): number;
  /** After an instruction: delivers the trap of data and I/O breakpoints; 1: exit filled. */
  debug_trap(): number;
  replay_clear(): void;
  /** The monitor's answer to a CPUID, to be given from now on without an exit; `every`: whatever the subleaf (core/cpuid.ts). */
  cpuid_keep(leaf: number, subleaf: number, every: number, eax: number, ebx: number, ecx: number, edx: number): void;
  cpuid_forget(): void;
  /** Another state was loaded: exceptions in a row are counted anew. */
  deliveries_clear(): void;
  instruction_count(): bigint;
  load_pdptes(): number;
  /** vCPUs on several threads (core/parallel.ts): the guest runs between begin and end; a safe point lies between two chunks. */
  run_begin(): void;
  run_end(): void;
  run_point(): void;
  /** Between them no other vCPU of the domain runs. */
  exclusive_begin(): void;
  exclusive_end(): void;
  /** A region (REGION, host address): into the lists of its pages, out of them, not to be entered any more. */
  region_link(region: number): void;
  region_unlink(region: number): void;
  region_drop(region: number): void;
  /** Lines of the page at a host address hold translated code. */
  region_mark(page: number, lines: bigint): void;
  [name: string]: unknown;
}
export interface Interpreter {
  readonly table: WebAssembly.Table;
  run(state: number, record: number): number;
}
export interface ProcessorImports {
  hostClock(): number;
  buildBlock(host: number, block: number, crossing: number): number;
  /** The block behind a counting record was entered often. */
  blockHot(record: number): void;
}

/** Compiles the bytes of procedures.wasm and interpreter.wasm; `shared: false` for hosts without SharedArrayBuffer. */
export async function compileModules(
  bytes: { readonly procedures: Uint8Array; readonly interpreter: Uint8Array },
  options: { readonly shared?: boolean } = {},
): Promise<ProcessorModules> {
  const shared = options.shared ?? true;
  const compile = (module: Uint8Array): Promise<WebAssembly.Module> =>
    WebAssembly.compile((shared ? module : withUnsharedMemory(module)) as Uint8Array<ArrayBuffer>);
  const [procedures, interpreter] = await Promise.all([compile(bytes.procedures), compile(bytes.interpreter)]);
  return { procedures, interpreter, shared };
}

/** Handler directory of interpreter.wasm. */
export function readDirectory(interpreter: WebAssembly.Module): HandlerDirectory {
  const [section] = WebAssembly.Module.customSections(interpreter, HANDLER_SECTION);
  if (section === undefined) throw new RangeError(`interpreter.wasm has no section ${HANDLER_SECTION}`);
  return JSON.parse(latin1Text(new Uint8Array(section))) as HandlerDirectory;
}

/** Instantiates both modules for the vCPU whose state area is at host address `state`. */
export function instantiate(
  modules: ProcessorModules,
  memory: WebAssembly.Memory,
  state: number,
  host: ProcessorImports,
): { procedures: Procedures; interpreter: Interpreter } {
  const procedures = new WebAssembly.Instance(modules.procedures, {
    env: {
      memory,
      state: new WebAssembly.Global({ value: 'i32', mutable: false }, state),
      host_clock: () => host.hostClock(),
      build_block: (a: number, b: number, c: number) => host.buildBlock(a >>> 0, b, c),
      block_hot: (record: number) => host.blockHot(record >>> 0),
    },
  }).exports as unknown as Procedures;
  const interpreter = new WebAssembly.Instance(modules.interpreter, {
    env: { memory },
    procedures: procedures as unknown as Record<string, never>,
  }).exports as unknown as Interpreter;
  return { procedures, interpreter };
}
