// A decoded instruction kept for translation: the decoder's result object is reused, this is what a region needs of it.
import { type Decoded, type DecodedOperand, type Form, OPERAND_KIND } from '../../isa/index.js';
import type { StaticFacts } from '../emit/binding.js';
import type { Relocated } from './relocation.js';

/** Mode bits that translation depends on, as in the state field modeKey. */
export interface RegionMode {
  readonly codeBits: 16 | 32 | 64;
  readonly stackBits: 16 | 32 | 64;
  readonly flat: boolean;
  /** The state field itself. */
  readonly key: number;
}
/** The mode is one of CPL 3. */
export const isUser = (key: number): boolean => (key & 0x80) !== 0;
export const modeOfKey = (key: number): RegionMode => {
  const codeBits = (key & 3) === 2 ? 64 : (key & 3) === 1 ? 32 : 16;
  return {
    codeBits,
    stackBits: codeBits === 64 ? 64 : (key & 4) !== 0 ? 32 : 16,
    flat: codeBits === 64 || (key & 8) !== 0,
    key,
  };
};

/** What a decoded instruction is, wherever it stands. */
export class InstructionCode {
  readonly form: Form;
  readonly facts: StaticFacts;
  readonly length: number;
  readonly hasMem: boolean;
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  /** Displacement, signed 64 bits. */
  readonly displacement: bigint;
  readonly ripRelative: boolean;
  readonly segment: number;
  readonly segmentOverride: number;
  readonly addrBits: 16 | 32 | 64;
  readonly operands: readonly DecodedOperand[];
  /** `parallel`: LOCK is for other threads. */
  constructor(d: Decoded, mode: RegionMode, parallel = false) {
    const form = d.form as Form;
    this.form = form;
    this.length = d.length;
    this.hasMem = d.hasMem;
    this.base = d.base;
    this.index = d.index;
    this.scale = d.scale;
    this.displacement = (BigInt(d.dispHi) << 32n) | BigInt(d.disp >>> 0);
    this.ripRelative = d.ripRelative;
    this.segment = d.segment;
    this.segmentOverride = d.segmentOverride;
    this.addrBits = d.addrBits;
    const operands: DecodedOperand[] = [];
    for (let n = 0; n < d.operandCount; n++) operands.push({ ...(d.operands[n] as DecodedOperand) });
    this.operands = operands;
    this.facts = {
      opBits: form.opBits,
      addrBits: d.addrBits,
      long: form.long,
      stackBits: form.long ? 64 : mode.stackBits,
      rep: d.rep === 0 ? 'none' : d.rep === 1 ? 'rep' : 'repne',
      flat: form.long || mode.flat,
      aligned: form.row.encoding.aligned === true,
      ...(parallel && d.lock && { lock: true }),
    };
  }
  operand(index: number): DecodedOperand {
    return this.operands[index] as DecodedOperand;
  }
  immediate(index: number): bigint {
    const o = this.operand(index);
    return BigInt.asUintN(o.bits, (BigInt(o.immHi) << 32n) | BigInt(o.immLo >>> 0));
  }
  /** What a direct branch adds to the address of the next instruction. */
  get relative(): number {
    return (this.operands.find((o) => o.kind === OPERAND_KIND.rel) as DecodedOperand).immLo;
  }
}

export class RegionInstruction {
  /** `offset`: of the first byte, from the first byte of the region's entry page. */
  constructor(
    readonly offset: number,
    readonly code: InstructionCode,
    /** What of it follows its address; null: nothing. */
    readonly relocated: Relocated | null = null,
  ) {}
  get form(): Form {
    return this.code.form;
  }
  get facts(): StaticFacts {
    return this.code.facts;
  }
  get length(): number {
    return this.code.length;
  }
  get next(): number {
    return this.offset + this.code.length;
  }
  get hasMem(): boolean {
    return this.code.hasMem;
  }
  get base(): number {
    return this.code.base;
  }
  get index(): number {
    return this.code.index;
  }
  get scale(): number {
    return this.code.scale;
  }
  get displacement(): bigint {
    return this.code.displacement;
  }
  get ripRelative(): boolean {
    return this.code.ripRelative;
  }
  get segment(): number {
    return this.code.segment;
  }
  get segmentOverride(): number {
    return this.code.segmentOverride;
  }
  get addrBits(): 16 | 32 | 64 {
    return this.code.addrBits;
  }
  operand(index: number): DecodedOperand {
    return this.code.operand(index);
  }
  immediate(index: number): bigint {
    return this.code.immediate(index);
  }
  /** Offset of the first byte of the page it begins in. */
  get pageStart(): number {
    return Math.floor(this.offset / 4096) * 4096;
  }
  /** Offset that a direct branch goes to. */
  get target(): number {
    return this.next + this.code.relative;
  }
}
