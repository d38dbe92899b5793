// kvm_run to VmExit. Linux api.rst, "The kvm_run structure". The objects are reused; the long way round, from KVM's
// blocks of elements to single accesses, is `PendingAccess`.
import { hex } from '../base/index.js';
import type {
  EntryFailureExit,
  EptViolationExit,
  ExceptionExit,
  InternalErrorExit,
  IoExit,
  MsrExit,
  PlainExit,
} from '../vmx/index.js';
import { Run } from './abi.js';

/** Prefixes of Intel SDM Vol. 2A, "Instruction Prefixes" (REX too). */
const isPrefix = (byte: number): boolean =>
  [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3].includes(byte);
const isString = (opcode: number): boolean => opcode >= 0x6c && opcode <= 0x6f;
const isOuts = (opcode: number): boolean => opcode === 0x6e || opcode === 0x6f;
const isOutImmediate = (opcode: number): boolean => opcode === 0xe6 || opcode === 0xe7;
const isRex = (byte: number): boolean => byte >= 0x40 && byte <= 0x4f;

/** Code at the guest's RIP. */
export interface CodeBytes {
  /** Up to two bytes in front of RIP. */
  readonly before: Uint8Array;
  readonly bytes: Uint8Array;
  readonly is64: boolean;
}

/** KVM does not tell string instructions from others: the instruction's bytes do, when somebody asks. */
class KvmIoExit implements IoExit {
  readonly name = 'ioInstruction';
  port = 0;
  sizeBytes = 1;
  isIn = false;
  value = 0;
  constructor(private readonly code: () => CodeBytes) {}
  get isString(): boolean {
    const { bytes, before, is64 } = this.code();
    const opcode = bytes.find((b) => !isPrefix(b) && !(is64 && isRex(b))) ?? 0;
    if (isString(opcode)) return true;
    // KVM's emulator has gone past a single OUTS by now; 'out imm8, al' may end in the same byte
    const [last = 0, other = 0] = [...before].reverse();
    return !this.isIn && isOuts(last) && !isOutImmediate(other);
  }
  get isRep(): boolean {
    for (const b of this.code().bytes) {
      if (b === 0xf2 || b === 0xf3) return this.isString;
      if (!isPrefix(b)) return false;
    }
    return false;
  }
}

/** The largest power of two that fits. */
const piece = (left: number, toBoundary: number): number => {
  const most = Math.min(left, toBoundary, 8);
  return most >= 8 ? 8 : most >= 4 ? 4 : most >= 2 ? 2 : 1;
};

/** The access of the last exit, element by element: KVM hands over whole blocks of string I/O and unaligned MMIO. */
export class PendingAccess {
  kind: 'none' | 'io' | 'mmio' | 'msr' = 'none';
  /** Every element has been answered; the instruction completes at the next KVM_RUN. */
  answered = false;
  /** Some elements have not been shown yet. */
  more = false;
  readonly io: IoExit;
  readonly mmio: EptViolationExit = { name: 'eptViolation', gpa: 0, sizeBytes: 1, isWrite: false, value: 0n };
  readonly rdmsr: MsrExit = { name: 'rdmsr', index: 0, value: 0n };
  readonly wrmsr: MsrExit = { name: 'wrmsr', index: 0, value: 0n };
  /** Where the element's data is in kvm_run. */
  #at = 0;
  #size = 1;
  #end = 0;

  constructor(
    public run: DataView,
    code: () => CodeBytes,
  ) {
    this.io = new KvmIoExit(code);
  }

  clear(): void {
    this.kind = 'none';
    this.answered = false;
    this.more = false;
  }
  beginIo(): IoExit {
    const { run, io } = this;
    this.#begin('io');
    this.#size = run.getUint8(Run.ioSize);
    this.#at = Number(run.getBigUint64(Run.ioDataOffset, true));
    this.#end = this.#at + this.#size * run.getUint32(Run.ioCount, true);
    io.port = run.getUint16(Run.ioPort, true);
    io.sizeBytes = this.#size;
    io.isIn = run.getUint8(Run.ioDirection) === 0;
    return this.#showIo();
  }
  #showIo(): IoExit {
    const { run, io } = this;
    const at = this.#at;
    if (io.isIn) io.value = 0;
    else
      io.value =
        this.#size === 1 ? run.getUint8(at) : this.#size === 2 ? run.getUint16(at, true) : run.getUint32(at, true);
    return io;
  }
  beginMmio(): EptViolationExit {
    const { run, mmio } = this;
    this.#begin('mmio');
    this.#at = Run.mmioData;
    this.#end = Run.mmioData + run.getUint32(Run.mmioLength, true);
    mmio.gpa = Number(run.getBigUint64(Run.mmioAddress, true));
    mmio.isWrite = run.getUint8(Run.mmioIsWrite) !== 0;
    return this.#showMmio();
  }
  #showMmio(): EptViolationExit {
    const { run, mmio } = this;
    this.#size = piece(this.#end - this.#at, 8 - (mmio.gpa & 7));
    mmio.sizeBytes = this.#size;
    mmio.value = mmio.isWrite
      ? BigInt.asUintN(8 * this.#size, run.getBigUint64(this.#at, true)) // reads beyond stay inside kvm_run
      : 0n;
    return mmio;
  }
  beginMsr(isWrite: boolean): MsrExit {
    const exit = isWrite ? this.wrmsr : this.rdmsr;
    this.#begin('msr');
    this.#at = Run.msrData;
    this.#size = 8;
    this.#end = Run.msrData + 8;
    exit.index = this.run.getUint32(Run.msrIndex, true);
    exit.value = isWrite ? this.run.getBigUint64(Run.msrData, true) : 0n;
    this.run.setUint8(Run.msrError, 0);
    return exit;
  }
  #begin(kind: 'io' | 'mmio' | 'msr'): void {
    this.kind = kind;
    this.answered = false;
    this.more = false;
  }

  /** Data of the element shown last. */
  supply(value: bigint): void {
    for (let i = 0, v = value; i < this.#size; i++, v >>= 8n) this.run.setUint8(this.#at + i, Number(v & 0xffn));
  }
  /** The element shown last is dealt with. */
  next(): void {
    if (this.kind === 'none') return;
    this.#at += this.#size;
    if (this.kind === 'mmio') this.mmio.gpa += this.#size;
    this.more = this.#at < this.#end;
    this.answered = !this.more;
  }
  /** The next element of the same instruction. */
  show(): IoExit | EptViolationExit {
    this.more = false;
    return this.kind === 'io' ? this.#showIo() : this.#showMmio();
  }
  /** The instruction raises #GP(0) instead: only MSR accesses can. */
  refuseMsr(): void {
    this.run.setUint8(Run.msrError, 1);
    this.more = false;
    this.answered = true;
  }
}

/** Exits without data. */
export class SimpleExits {
  readonly #plain: { -readonly [K in keyof PlainExit]: PlainExit[K] } = { name: 'hlt', qualification: 0n };
  readonly #exception: ExceptionExit = {
    name: 'exceptionOrNmi',
    vector: 0,
    errorCode: 0,
    hasErrorCode: false,
    address: 0n,
  };
  readonly #internal: InternalErrorExit = { name: 'internalError', message: '' };

  plain(name: PlainExit['name']): PlainExit {
    this.#plain.name = name;
    return this.#plain;
  }
  exception(vector: number): ExceptionExit {
    this.#exception.vector = vector;
    return this.#exception;
  }
  internal(message: string): InternalErrorExit {
    this.#internal.message = message;
    return this.#internal;
  }
  entryFailure(failed: readonly string[]): EntryFailureExit {
    return { name: 'entryFailureGuestState', failed };
  }
}

const SUBERRORS: Readonly<Record<number, string>> = {
  1: 'cannot emulate the instruction',
  2: 'met events at once that it cannot deliver',
  3: 'met an exit while it delivered an event',
  4: 'met an exit that it does not know',
};
const INSTRUCTION_BYTES = 1;

/** One sentence about KVM_EXIT_INTERNAL_ERROR. */
export function describeInternalError(run: DataView, rip: bigint, code: () => Uint8Array): string {
  const suberror = run.getUint32(Run.suberror, true);
  const what = SUBERRORS[suberror] ?? 'failed';
  let bytes: Uint8Array = new Uint8Array(0);
  if (suberror === 1) {
    const told =
      run.getUint32(Run.emulationDataWords, true) >= 3 && run.getUint32(Run.emulationFlags, true) & INSTRUCTION_BYTES;
    const size = Math.min(15, run.getUint8(Run.emulationSize));
    bytes = told && size > 0 ? new Uint8Array(run.buffer, run.byteOffset + Run.emulationBytes, size) : code();
  }
  const shown = Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(' ');
  return `KVM ${what}${shown === '' ? '' : ` ${shown}`} at ${hex(rip)} (KVM_EXIT_INTERNAL_ERROR, suberror ${suberror})`;
}
