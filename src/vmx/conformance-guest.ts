// What a guest of the engine conformance suite is made of.
import type { EngineVm, Vcpu } from './engine.js';
import type { VmExit } from './exits.js';

/** What a guest's callbacks see. */
export interface ConformanceRun {
  readonly vm: EngineVm;
  readonly vcpu: Vcpu;
  /** Exits so far, the present one included, as `describeExit` prints them. */
  readonly exits: readonly string[];
  /** 32 and 64 bits of guest memory. */
  word(gpa: number): number;
  quad(gpa: number): bigint;
}

export interface ConformanceGuest {
  readonly name: string;
  readonly mode: 'real' | 'flat32' | 'long';
  /** Lines of "hex assembly", placed at 1000H, where execution begins. */
  readonly code: readonly string[];
  /** Interrupt handlers by vector. */
  readonly handlers?: Readonly<Record<number, readonly string[]>>;
  /** Only for engines that can run in virtual time. */
  readonly virtualTime?: boolean;
  /** Before the first entry. */
  readonly prepare?: (run: ConformanceRun) => void;
  /** Answers to IN, MMIO reads and RDMSR, in order; 0 when used up. */
  readonly inputs?: readonly bigint[];
  /** Answers an exit; false: the usual answer. The usual answer to HLT is the end. */
  readonly answer?: (exit: VmExit, run: ConformanceRun) => boolean;
  readonly expected: readonly string[];
  readonly check?: (run: ConformanceRun) => void;
}

const text = (value: unknown): string =>
  typeof value === 'bigint' || typeof value === 'number' ? `0x${value.toString(16)}` : String(value);
/** Throws unless the values are the same. */
export function same(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`${what}: ${text(actual)}, expected ${text(expected)}`);
}
