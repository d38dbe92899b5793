// Samples where a machine's processors are, every so many TSC ticks of running guest (in virtual time: about instructions).
// A run is cut at the sample's tick, so in virtual time the guest takes the same way with and without a profile.
import type { GuestMemory } from '../../memory/index.js';
import type { Vcpu } from '../../vmx/index.js';
import { findKernelSymbols, type KernelSymbols } from './kallsyms.js';
import { callStack, type StackMode } from './stack.js';

export interface ProfileOptions {
  /** TSC ticks between two samples, on average; 1 000 000 by default, at least 1000. */
  readonly everyTicks?: number;
  /** How callers are found; `frame` by default. */
  readonly stack?: StackMode;
}
/** One place in the guest and how often it was found. Plain data. */
export interface ProfileSample {
  /** 0 kernel .. 3 user. */
  readonly cpl: number;
  /** Address of the root page table, hexadecimal: one per address space. */
  readonly cr3: string;
  /** Linear addresses in hexadecimal, the innermost first. */
  readonly frames: readonly string[];
  readonly count: number;
}
export interface ProfileBatch {
  readonly everyTicks: number;
  /** Ticks that guests ran since the profile began. */
  readonly ticks: number;
  readonly total: number;
  /** Samples whose place was new when the table was full. */
  readonly lost: number;
  readonly samples: readonly ProfileSample[];
  /** Names of kernel addresses by address, where the guest's memory holds a table of them (Linux). */
  readonly names: Readonly<Record<string, string>>;
}

export const DEFAULT_EVERY_TICKS = 1_000_000;
export const MIN_EVERY_TICKS = 1000;
const MAX_PLACES = 200_000;
const MAX_DEPTH = 64;

/** Root of the page tables: without PCID, and without bit 12, by which Linux tells its two halves of a process apart. */
const CR3_ROOT = 0x000f_ffff_ffff_e000n;

export class Profiler {
  readonly #every: number;
  readonly #stack: StackMode;
  readonly #places = new Map<string, { cpl: number; cr3: string; frames: string[]; count: number }>();
  #left: number;
  #seed = 1;
  #ticks = 0;
  #total = 0;
  #lost = 0;
  #kernel: KernelSymbols | null = null;

  constructor(
    private readonly memory: GuestMemory,
    options: ProfileOptions = {},
  ) {
    this.#every = Math.max(MIN_EVERY_TICKS, options.everyTicks ?? DEFAULT_EVERY_TICKS);
    this.#stack = options.stack ?? 'frame';
    this.#left = this.#next();
  }

  /** Ticks until the next sample. */
  get left(): number {
    return this.#left;
  }

  /** The processor has run for `ticks`. */
  ran(vcpu: Vcpu, ticks: number): void {
    this.#ticks += ticks;
    this.#left -= ticks;
    if (this.#left > 0) return;
    this.#left = this.#next();
    this.#sample(vcpu);
  }

  /** What was found so far. */
  read(): ProfileBatch {
    const samples = [...this.#places.values()].map((p) => ({ ...p }));
    const names: Record<string, string> = {};
    const kernel = this.#kernelSymbols();
    if (kernel !== null) {
      for (const s of samples)
        for (const [n, address] of s.frames.entries()) {
          // A return address may be the first byte of the next function.
          const name = names[address] ?? kernel.nameOf(BigInt(address) - (n > 0 ? 1n : 0n));
          if (name !== null) names[address] = name;
        }
    }
    return {
      everyTicks: this.#every,
      ticks: this.#ticks,
      total: this.#total,
      lost: this.#lost,
      samples,
      names,
    };
  }

  #kernelSymbols(): KernelSymbols | null {
    this.#kernel ??= findKernelSymbols(this.memory);
    return this.#kernel;
  }

  /** Three quarters to five quarters of the interval, so that a guest's own rhythm is not met again and again. */
  #next(): number {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.max(1, Math.round(this.#every * (0.75 + this.#seed / 2 ** 33)));
  }

  #sample(vcpu: Vcpu): void {
    const s = vcpu.readState();
    const cpl = (s.segments.ss.accessRights >> 5) & 3;
    const cr3 = `0x${(s.cr3 & CR3_ROOT).toString(16)}`;
    const frames = callStack(this.memory, s, this.#stack, MAX_DEPTH).map((a) => `0x${a.toString(16)}`);
    const key = `${cpl} ${cr3} ${frames.join(' ')}`;
    this.#total++;
    const present = this.#places.get(key);
    if (present !== undefined) present.count++;
    else if (this.#places.size >= MAX_PLACES) this.#lost++;
    else this.#places.set(key, { cpl, cr3, frames, count: 1 });
  }
}
