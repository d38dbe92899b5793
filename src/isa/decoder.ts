// The instruction decoder: opcode tables built from the declarations, and a decode routine that allocates nothing.
// Intel SDM Vol. 2A, "Instruction Format"; Vol. 2D, Appendix A "Opcode Map" (operand codes).
import { BugError } from '../base/index.js';
import type { Instruction } from './declare.js';
import type { Decoded, DecodedOperand, DecodeMode, Form, Row } from './decoded.js';
import { admits, effectiveOpBits, type Pattern, parseOpcode } from './opcode-pattern.js';
import {
  CODE,
  FIRST_IMMEDIATE,
  KIND_OF,
  KINDS,
  MOST_OPERANDS,
  operandBits,
  operandBytes,
  operandCode,
  pack,
} from './operand-codes.js';
import type { Operand } from './sem.js';

interface Candidate {
  readonly row: Row;
  readonly pattern: Pattern;
  /** It has a memory offset. */
  readonly offset: boolean;
}

const BLOCK_MODRM = 72; // 8 memory forms by reg, then 64 register forms
/** Prefix classes (none, 66, F3, F2) times operand sizes (16, 32, 64). */
const CHOICES = 12;
const NODES = 1024 + 1; // per mode class; the last: opcode 90 with REX.B
const NODE_90_REX_B = 1024;

// Prefix classes of one-byte opcodes.
const PREFIX = new Uint8Array(256);
for (const [byte, kind] of [
  [0x26, 1],
  [0x2e, 2],
  [0x36, 3],
  [0x3e, 4],
  [0x64, 5],
  [0x65, 6],
  [0x66, 7],
  [0x67, 8],
  [0xf0, 9],
  [0xf3, 10],
  [0xf2, 11],
] as const)
  PREFIX[byte] = kind;

const ADDRESS16_BASE = [3, 3, 5, 5, 6, 7, 5, 3];
const ADDRESS16_INDEX = [6, 7, 6, 7, -1, -1, -1, -1];

/** A choice whose leaves nobody has asked for yet. */
const UNBUILT = 0xffff_ffff;

export class Decoder {
  /** All rows (declared encodings), whether or not the features admit them. */
  readonly rows: readonly Row[];
  private readonly made: Form[] = [];
  private readonly formByKey = new Map<number, number>();
  /** Operands of forms, MOST_OPERANDS for each (`pack`). */
  private packed = new Int32Array(1024 * MOST_OPERANDS);
  /** Encodings by node (mode class, map, opcode), in the order of declaration. */
  private readonly byNode = new Map<number, Candidate[]>();
  /** Leaves by choice: node * 12 + prefix class * 3 + operand size. Those of a choice are made when it is first met. */
  private readonly blocks = new Uint32Array(2 * NODES * CHOICES);
  private readonly modrmOf = new Uint8Array(2 * NODES);
  /** Form number + 1, 0 for undefined: by ModRM where there is one. */
  private leaves = new Uint16Array(256 * BLOCK_MODRM);
  /** Behind block 0: all undefined. */
  private leafCount = BLOCK_MODRM;

  /** `features`: CPUID features present; absent argument: all. */
  constructor(instructions: readonly Instruction[], features?: ReadonlySet<string>) {
    const rows: Row[] = [];
    for (const instruction of instructions) {
      instruction.encodings.forEach((encoding, encodingIndex) => {
        rows.push({ number: rows.length, instruction, encoding, encodingIndex });
      });
    }
    this.rows = rows;
    for (const row of rows) {
      const { encoding } = row;
      if (encoding.feature !== undefined && features !== undefined && !features.has(encoding.feature)) continue;
      const pattern = parseOpcode(encoding, row.instruction.name);
      const candidate = { row, pattern, offset: encoding.operands.some(({ method }) => method === 'O') };
      for (let r = 0; r < (pattern.opcodeRegister ? 8 : 1); r++) {
        for (let long = 0; long < 2; long++) {
          const opcode = pattern.opcode + r;
          const keys = [pattern.map * 256 + opcode];
          if (pattern.map === 0 && opcode === 0x90 && long === 1) keys.push(NODE_90_REX_B);
          for (const k of keys) {
            if (k === NODE_90_REX_B && pattern.rexB0) continue;
            this.addCandidate(long * NODES + k, candidate);
          }
        }
      }
    }
  }

  /** All operand forms that can be decoded. */
  get forms(): readonly Form[] {
    for (const node of this.byNode.keys())
      for (let choice = node * CHOICES; choice < (node + 1) * CHOICES; choice++)
        if (this.blocks[choice] === UNBUILT) this.makeBlock(choice);
    return this.made;
  }

  private addCandidate(node: number, candidate: Candidate): void {
    const list = this.byNode.get(node) ?? [];
    this.byNode.set(node, list); // also of a node that has none in its mode: forms are numbered in the order of declaration
    const { encoding } = candidate.row;
    if (node >= NODES ? encoding.i64 : encoding.o64) return;
    const [first] = list;
    if (first !== undefined && first.pattern.modrm !== candidate.pattern.modrm) {
      const names = [first, candidate].map(nameOf).join(', ');
      throw new BugError('ISA_MODRM', `one opcode with and without ModRM: ${names}`);
    }
    list.push(candidate);
    this.modrmOf[node] = candidate.pattern.modrm ? 1 : 0;
    this.blocks.fill(UNBUILT, node * CHOICES, (node + 1) * CHOICES);
  }

  /** Makes the leaves of a choice. */
  private makeBlock(choice: number): void {
    const node = Math.floor(choice / CHOICES);
    const prefix = Math.floor(choice / 3) % 4;
    const size = choice % 3;
    const long = node >= NODES;
    this.blocks[choice] = 0;
    // In 64-bit mode 66 decides between 16 and 32 bits, outside it there are no 64: no other combination can come.
    if (long ? (prefix === 0 && size === 0) || (prefix === 1 && size === 1) : size === 2) return;
    const admitted = (this.byNode.get(node) as Candidate[]).filter(({ row, pattern }) =>
      admits(row.encoding, pattern, long, prefix, size),
    );
    if (admitted.length === 0) return;
    const modrm = this.modrmOf[node] !== 0;
    const chosen = chooseCandidates(admitted, modrm);
    const at = this.leafCount;
    this.leafCount += chosen.length;
    if (this.leafCount > this.leaves.length) {
      const larger = new Uint16Array(this.leaves.length * 2);
      larger.set(this.leaves);
      this.leaves = larger;
    }
    for (let leaf = 0; leaf < chosen.length; leaf++) {
      const candidate = chosen[leaf];
      if (candidate === null || candidate === undefined) continue;
      const { row, pattern, offset } = candidate;
      const mem = (modrm && leaf < 8 && pattern.mod !== 'ignored') || offset;
      this.leaves[at + leaf] = this.formNumber(row, effectiveOpBits(row.encoding, long, size), long, mem) + 1;
    }
    this.blocks[choice] = at;
  }

  private formNumber(row: Row, opBits: 16 | 32 | 64, long: boolean, mem: boolean): number {
    const key = row.number * 16 + (opBits >> 5) + (long ? 8 : 0) + (mem ? 4 : 0);
    let number = this.formByKey.get(key);
    if (number === undefined) {
      number = this.made.length;
      this.formByKey.set(key, number);
      this.made.push(this.makeForm(number, row, opBits, long, mem));
    }
    return number;
  }

  private makeForm(number: number, row: Row, opBits: 16 | 32 | 64, long: boolean, mem: boolean): Form {
    const { encoding, instruction } = row;
    if ((number + 1) * MOST_OPERANDS > this.packed.length) {
      const larger = new Int32Array(this.packed.length * 2);
      larger.set(this.packed);
      this.packed = larger;
    }
    const operands: Operand[] = [];
    encoding.operands.forEach((spec, index) => {
      const code = operandCode(spec, mem);
      const kind = KIND_OF[code];
      const bits = operandBits(spec, kind, opBits, long);
      this.packed[number * MOST_OPERANDS + index] = pack(code, bits, spec.fixed ?? 0, operandBytes(spec, bits));
      if (kind !== 'implied') operands.push({ index, kind, bits });
    });
    return {
      number,
      row,
      instruction,
      opBits,
      long,
      mem,
      operands,
      declared: encoding.operands.length,
      lockable: encoding.lock === true && operands[0]?.index === 0 && operands[0].kind === 'mem',
      locked: encoding.locked === true,
      rep: encoding.rep === true,
      popBytes: encoding.afterPop ? opBits / 8 : 0,
    };
  }

  /**
   * Decodes the instruction at `offset`, of which `available` bytes can be read. Returns its length, or 0 when more bytes
   * are needed. `out.invalid` and `out.tooLong` mean #UD and #GP(0).
   */
  decode(bytes: Uint8Array, offset: number, available: number, mode: DecodeMode, out: Decoded): number {
    const codeBits = mode.codeBits;
    const long = codeBits === 64;
    const end = offset + Math.min(available, 15);
    let p = offset;
    let rex = 0;
    let has66 = false;
    let has67 = false;
    let lock = false;
    let rep = 0;
    let override = -1;
    let byte = 0;
    out.form = undefined;
    out.invalid = false;
    out.tooLong = false;
    for (;;) {
      if (p >= end) return this.short(offset, p, available, out);
      byte = bytes[p++] as number;
      const kind = PREFIX[byte] as number;
      if (kind === 0) {
        if (long && (byte & 0xf0) === 0x40) {
          rex = byte;
          continue;
        }
        break;
      }
      rex = 0;
      if (kind <= 4) {
        if (!long) override = kind - 1;
      } else if (kind <= 6) override = kind - 1;
      else if (kind === 7) has66 = true;
      else if (kind === 8) has67 = true;
      else if (kind === 9) lock = true;
      else rep = kind - 9;
    }
    let map = 0;
    if (byte === 0x0f) {
      if (p >= end) return this.short(offset, p, available, out);
      byte = bytes[p++] as number;
      map = 1;
      if (byte === 0x38 || byte === 0x3a) {
        map = byte === 0x38 ? 2 : 3;
        if (p >= end) return this.short(offset, p, available, out);
        byte = bytes[p++] as number;
      }
    }
    const addrBits = long ? (has67 ? 32 : 64) : (codeBits === 32) !== has67 ? 32 : 16;
    const sizeIndex = long ? ((rex & 8) !== 0 ? 2 : has66 ? 0 : 1) : (codeBits === 32) !== has66 ? 1 : 0;
    out.rex = rex;
    out.has66 = has66;
    out.has67 = has67;
    out.hasLock = lock;
    out.repPrefix = rep;
    out.segmentOverride = override;
    out.addrBits = addrBits;
    out.opcode = byte;
    out.map = map;
    let node = map * 256 + byte + (long ? NODES : 0);
    if (byte === 0x90 && map === 0 && (rex & 1) !== 0) node = NODES + NODE_90_REX_B;
    const choice = node * CHOICES + (rep !== 0 ? rep + 1 : has66 ? 1 : 0) * 3 + sizeIndex;
    if (this.blocks[choice] === UNBUILT) this.makeBlock(choice);
    let leaf = this.blocks[choice] as number;
    let mod = 3;
    let reg = 0;
    let rm = byte & 7;
    const hasModrm = this.modrmOf[node] !== 0;
    out.hasModrm = hasModrm;
    if (hasModrm) {
      if (p >= end) return this.short(offset, p, available, out);
      const modrm = bytes[p++] as number;
      mod = modrm >> 6;
      reg = (modrm >> 3) & 7;
      rm = modrm & 7;
      leaf += mod === 3 ? modrm - 0xc0 + 8 : reg;
    }
    const formNumber = this.leaves[leaf] as number;
    if (formNumber === 0) return this.undefinedOpcode(p - offset, out);
    const form = this.made[formNumber - 1] as Form;
    if (lock && !(form.lockable && form.mem)) return this.undefinedOpcode(p - offset, out);
    out.form = form;
    out.opBits = form.opBits;
    out.lock = lock || (form.locked && form.mem);
    out.rep = form.rep ? rep : 0;
    out.mod = mod;
    const rexB = (rex & 1) << 3;
    out.reg = reg | ((rex & 4) << 1);
    out.rm = rm | rexB;
    out.hasMem = form.mem;
    out.ripRelative = false;
    out.base = -1;
    out.index = -1;
    out.scale = 0;
    out.disp = 0;
    out.dispHi = 0;
    out.segment = override >= 0 ? override : 3;
    if (form.mem && hasModrm) {
      p = this.address(bytes, p, end, form, long, out);
      if (p < 0) return this.short(offset, ~p, available, out);
    }
    const count = form.declared;
    out.operandCount = count;
    for (let i = 0; i < count; i++) {
      const packed = this.packed[form.number * MOST_OPERANDS + i] as number;
      const operand = out.operands[i] as DecodedOperand;
      const code = packed & 0xff;
      operand.kind = KINDS[code] as number;
      operand.bits = (packed >> 8) & 0xff;
      operand.high = 0;
      if (code < FIRST_IMMEDIATE) {
        if (!this.register(packed, operand, i, out)) return this.undefinedOpcode(p - offset, out);
        continue;
      }
      const size = code === CODE.offset ? addrBits >> 3 : packed >> 24;
      if (p + size > end) return this.short(offset, p + size, available, out);
      this.immediate(bytes, p, size, code, operand, out);
      p += size;
    }
    const length = p - offset;
    out.length = length;
    return length;
  }

  /** The memory operand of a ModRM byte; `p`: behind that byte. Returns where it ends, or ~p of an end that cannot be read. */
  private address(bytes: Uint8Array, start: number, end: number, form: Form, long: boolean, out: Decoded): number {
    const { mod, rex } = out;
    const rm = out.rm & 7;
    const rexB = (rex & 1) << 3;
    let p = start;
    let base = -1;
    let index = -1;
    let dispBytes = mod === 1 ? 1 : 0;
    if (out.addrBits === 16) {
      base = ADDRESS16_BASE[rm] as number;
      index = ADDRESS16_INDEX[rm] as number;
      if (mod === 2) dispBytes = 2;
      else if (mod === 0 && rm === 6) {
        base = -1;
        dispBytes = 2;
      }
    } else {
      if (mod === 2) dispBytes = 4;
      if (rm === 4) {
        if (p >= end) return ~p;
        const sib = bytes[p++] as number;
        out.scale = sib >> 6;
        index = ((sib >> 3) & 7) | ((rex & 2) << 2);
        if (index === 4) index = -1;
        base = sib & 7;
        if (base === 5 && mod === 0) {
          base = -1;
          dispBytes = 4;
        } else base |= rexB;
      } else if (rm === 5 && mod === 0) {
        dispBytes = 4;
        out.ripRelative = long;
      } else base = rm | rexB;
    }
    let disp = 0;
    if (dispBytes !== 0) {
      if (p + dispBytes > end) return ~(p + dispBytes);
      disp = signed(bytes, p, dispBytes);
      p += dispBytes;
    }
    if (base === 4) disp = (disp + form.popBytes) | 0;
    out.base = base;
    out.index = index;
    out.disp = disp;
    out.dispHi = disp >> 31;
    if (out.segmentOverride < 0 && (base === 4 || base === 5)) out.segment = 2;
    return p;
  }

  /** An operand that needs no more bytes; false: there is no such register. */
  private register(packed: number, operand: DecodedOperand, position: number, out: Decoded): boolean {
    const code = packed & 0xff;
    switch (code) {
      case CODE.gprReg:
      case CODE.gprRm:
      case CODE.gprFixed: {
        let register = code === CODE.gprReg ? out.reg : code === CODE.gprRm ? out.rm : (packed >> 16) & 0xff;
        if (operand.bits === 8 && out.rex === 0 && register >= 4) {
          register -= 4;
          operand.high = 1;
        }
        operand.register = register;
        return true;
      }
      case CODE.mmxReg:
        operand.register = out.reg & 7;
        return true;
      case CODE.mmxRm:
      case CODE.x87Rm:
        operand.register = out.rm & 7;
        return true;
      case CODE.xmmReg:
        operand.register = out.reg;
        return true;
      case CODE.xmmRm:
        operand.register = out.rm;
        return true;
      case CODE.segmentReg: {
        const n = out.reg & 7;
        operand.register = n;
        // MOV to CS and the numbers 6 and 7 do not exist.
        return n <= 5 && (n !== 1 || position !== 0);
      }
      case CODE.segmentFixed:
      case CODE.x87Fixed:
        operand.register = (packed >> 16) & 0xff;
        return true;
      case CODE.controlReg: {
        const n = out.reg;
        operand.register = n;
        return n === 0 || (n >= 2 && n <= 4) || n === 8;
      }
      case CODE.debugReg:
        operand.register = out.reg;
        return out.reg <= 7;
      default:
        return true; // memory, or implied
    }
  }

  /** An operand of `size` bytes of the instruction, which can be read. */
  private immediate(
    bytes: Uint8Array,
    p: number,
    size: number,
    code: number,
    operand: DecodedOperand,
    out: Decoded,
  ): void {
    if (code === CODE.offset) {
      out.disp = unsigned(bytes, p, size);
      out.dispHi = size === 8 ? unsigned(bytes, p + 4, 4) : 0;
    } else if (code === CODE.rel) {
      const value = signed(bytes, p, size);
      operand.immLo = value;
      operand.immHi = value >> 31;
    } else if (code === CODE.immSigned) {
      const value = signed(bytes, p, size);
      operand.immLo = operand.bits === 16 ? value & 0xffff : value;
      operand.immHi = operand.bits === 64 ? value >> 31 : 0;
    } else if (code === CODE.far) {
      operand.immLo = unsigned(bytes, p, size - 2);
      operand.immHi = unsigned(bytes, p + size - 2, 2);
    } else {
      operand.immLo = unsigned(bytes, p, size);
      operand.immHi = size === 8 ? unsigned(bytes, p + 4, 4) : 0;
    }
  }

  /** More bytes are needed than can be read: too long an instruction, or the page ends. */
  private short(offset: number, needed: number, available: number, out: Decoded): number {
    out.form = undefined;
    if (available < 15 && needed - offset <= 15) return 0;
    out.tooLong = true;
    out.invalid = false;
    out.length = 15;
    return available < 15 ? 0 : 15;
  }

  private undefinedOpcode(length: number, out: Decoded): number {
    out.form = undefined;
    out.invalid = true;
    out.length = length;
    return length;
  }
}

/** The lowest 32 bits of `size` bytes. */
function unsigned(bytes: Uint8Array, p: number, size: number): number {
  let value = bytes[p] as number;
  if (size > 1) value |= (bytes[p + 1] as number) << 8;
  if (size > 2) value |= ((bytes[p + 2] as number) << 16) | ((bytes[p + 3] as number) << 24);
  return value;
}
/** The value of 1, 2 or 4 bytes. */
function signed(bytes: Uint8Array, p: number, size: number): number {
  const value = unsigned(bytes, p, size);
  return size === 1 ? (value << 24) >> 24 : size === 2 ? (value << 16) >> 16 : value;
}

const nameOf = ({ row }: Candidate): string => `${row.instruction.name} '${row.encoding.opcode}'`;

/** The most specific candidate for each leaf: the only one, or by ModRM (0..7 memory by reg, 8..71 registers). */
function chooseCandidates(candidates: readonly Candidate[], modrm: boolean): (Candidate | null)[] {
  const best: (Candidate | null)[] = [];
  for (let leaf = 0; leaf < (modrm ? BLOCK_MODRM : 1); leaf++) best.push(null);
  const offer = (leaf: number, candidate: Candidate): void => {
    const other = best[leaf] as Candidate | null;
    if (other !== null && other.pattern.weight === candidate.pattern.weight)
      throw new BugError('ISA_AMBIGUOUS', `${nameOf(other)} and ${nameOf(candidate)} match the same bytes`);
    if (other === null || other.pattern.weight < candidate.pattern.weight) best[leaf] = candidate;
  };
  for (const candidate of candidates) {
    const { digit, low, high, mod } = candidate.pattern;
    if (!modrm) {
      offer(0, candidate);
      continue;
    }
    const [from, to] = digit >= 0 ? [digit, digit] : [0, 7];
    if (mod !== 'reg') for (let reg = from; reg <= to; reg++) offer(reg, candidate);
    if (mod === 'mem') continue;
    for (let byte = 0xc0 + from * 8; byte < 0xc8 + to * 8; byte++)
      if (low < 0 || (byte >= low && byte <= high)) offer(byte - 0xc0 + 8, candidate);
  }
  return best;
}
