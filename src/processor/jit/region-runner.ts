// Runs a vCPU with regions where code is hot and block by block in the interpreter elsewhere: the driver of the region
// translator's test and benchmark. Single-threaded and simple on purpose; not how the engine will choose and compile.
import { ALL_INSTRUCTIONS, Decoder } from '../../isa/index.js';
import type { SoftwareVcpuOptions } from '../software-vcpu.js';
import { at, BLOCK, EXIT_NONE, RECORD } from '../state-layout.js';
import { StateView } from '../state-view.js';
import { modeOfKey } from './instruction.js';
import { type Region, RegionTranslator } from './region.js';

export interface InstalledRegion extends Region {
  run(state: number): number;
  /** Key of the block at the entry; another one: the code was overwritten. */
  readonly key: bigint;
  readonly translateMs: number;
  /** How often it was entered, and left by an indirect jump to a place it did not know. */
  entries: number;
  misses: number;
}
/** A region left this often for an unknown target is translated again with what is known now. */
const MISSES = 64;
const PAGE_MASK = 4095;
/** The interpreter leaves at the end of a block below this budget. */
const ONE_BLOCK = 63;

export interface RegionRunnerOptions {
  /** Entries of a block before it becomes a region. */
  readonly threshold: number;
  readonly maxInstructions: number;
}

export class RegionRunner {
  /** By host address of the entry block's first record; null: not translatable. */
  readonly regions = new Map<number, InstalledRegion | null>();
  /** Targets of indirect jumps, by host address of the page. */
  private readonly targets = new Map<number, Set<number>>();
  private readonly jumps = new Map<number, boolean>();
  private readonly counts = new Map<number, number>();
  private readonly state: StateView;
  private readonly memory: StateView;
  private readonly bytes: Uint8Array;
  private readonly translator = new RegionTranslator(new Decoder(ALL_INSTRUCTIONS));
  private lastArena = 0;
  /** Instructions retired inside regions. */
  retiredInRegions = 0;

  constructor(
    private readonly vcpu: SoftwareVcpuOptions,
    private readonly options: RegionRunnerOptions,
  ) {
    const { buffer } = vcpu.memory;
    this.state = new StateView(buffer, vcpu.area);
    this.memory = new StateView(buffer, 0);
    this.bytes = new Uint8Array(buffer);
  }

  /** Runs at most `budget` instructions or until an exit is pending; returns how many were retired. */
  run(budget: number): number {
    const { state, vcpu, memory } = this;
    const { procedures, area } = vcpu;
    state.setU32(at('exitReason'), EXIT_NONE);
    state.setU32(at('unwind'), 0);
    state.setU32(at('record'), 0);
    state.setU32(at('budget'), budget);
    state.setU32(at('budgetLoaded'), budget);
    const before = state.u64(at('retired'));
    let jumped = false;
    while (state.u32(at('exitReason')) === EXIT_NONE) {
      const left = state.i32(at('budget'));
      if (left <= 0) break;
      const record = procedures.enter_code();
      if (record === 0) break;
      const arena = state.u32(at('arenaNext'));
      if (arena < this.lastArena) {
        this.regions.clear();
        this.counts.clear();
        this.jumps.clear();
      }
      this.lastArena = arena;
      if (jumped) this.noteTarget(record);
      jumped = false;
      let region = this.regions.get(record);
      if (region === undefined) {
        const count = (this.counts.get(record) ?? 0) + 1;
        this.counts.set(record, count);
        if (count > this.options.threshold) {
          region = this.install(record);
          this.regions.set(record, region);
        }
      }
      if (
        region !== undefined &&
        region !== null &&
        memory.u64(record - BLOCK.sizeBytes + BLOCK.key) === region.key &&
        left >= region.instructions
      ) {
        region.entries++;
        const next = region.run(area);
        this.retiredInRegions += left - state.i32(at('budget'));
        if (next === 0 && state.u32(at('position')) === 1) {
          jumped = true;
          if (++region.misses === MISSES) this.regions.delete(record);
        }
        // after a fault the handler's first record; it is found again by RIP
        if (next !== 0 && state.u32(at('exitReason')) === EXIT_NONE) this.oneBlock(next);
        continue;
      }
      jumped = this.endsInJump(record);
      this.oneBlock(left < ONE_BLOCK ? procedures.cut_block(record, left) : record);
    }
    const done = state.i32(at('budgetLoaded')) - state.i32(at('budget'));
    state.setU64(at('retired'), before + BigInt(done));
    state.setU32(at('budget'), 0);
    state.setU32(at('budgetLoaded'), 0);
    return done;
  }
  /** Runs the interpreter from a record to the end of its block. */
  private oneBlock(record: number): void {
    const { state, vcpu } = this;
    const held = Math.max(0, state.i32(at('budget')) - ONE_BLOCK);
    const hold = (n: number): void => {
      state.setU32(at('budget'), state.i32(at('budget')) - n);
      state.setU32(at('budgetLoaded'), state.i32(at('budgetLoaded')) - n);
    };
    hold(held);
    vcpu.interpreter.run(vcpu.area, record);
    hold(-held);
  }
  private hostOf(record: number): number {
    return Number(this.memory.u64(record - BLOCK.sizeBytes + BLOCK.key) >> 8n);
  }
  private endsInJump(record: number): boolean {
    let known = this.jumps.get(record);
    if (known === undefined) {
      const count = this.memory.u16(record - BLOCK.sizeBytes + BLOCK.count);
      const orders =
        count === 0 ? 0 : (this.bytes[record + (count - 1) * RECORD.sizeBytes + RECORD.order] as number) + 1;
      known = this.translator.endsInJump(
        this.bytes,
        this.hostOf(record),
        orders,
        modeOfKey(this.state.u32(at('modeKey'))),
      );
      this.jumps.set(record, known);
    }
    return known;
  }
  private noteTarget(record: number): void {
    const host = this.hostOf(record);
    const page = host & ~PAGE_MASK;
    const known = this.targets.get(page) ?? new Set();
    known.add(host & PAGE_MASK);
    this.targets.set(page, known);
  }
  /** Translates the code at the state's RIP, whose block begins at `record`. */
  private install(record: number): InstalledRegion | null {
    const { state, memory, vcpu } = this;
    const start = vcpu.nowNs();
    const block = record - BLOCK.sizeBytes;
    // a single instruction that crosses a page: its bytes are elsewhere
    if (memory.u16(block + BLOCK.count) === 0) return null;
    const key = memory.u64(block + BLOCK.key);
    const host = Number(key >> 8n);
    const page = host & ~PAGE_MASK;
    const region = this.translator.translate({
      bytes: this.bytes,
      page,
      entry: host & PAGE_MASK,
      mode: modeOfKey(state.u32(at('modeKey'))),
      maxInstructions: this.options.maxInstructions,
      jumpTargets: this.targets.get(page) ?? new Set(),
      guard: { address: block + BLOCK.key, value: key },
    });
    if (region === null) return null;
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(region.wasm), {
      env: { memory: vcpu.memory },
      procedures: vcpu.procedures,
    });
    const map = state.u32(at('codeMap')) + ((page - state.u32(at('ramHost'))) >> 12) * 8;
    memory.setU64(map, memory.u64(map) | region.lines);
    const run = exports.region as (state: number) => number;
    return { ...region, run, key, translateMs: (vcpu.nowNs() - start) / 1e6, entries: 0, misses: 0 };
  }
}
