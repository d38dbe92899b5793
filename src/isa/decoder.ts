// The instruction decoder: opcode tables built from the declarations, and a decode routine that allocates nothing.
// Intel SDM Vol. 2A, "Instruction Format"; Vol. 2D, Appendix A "Opcode Map" (operand codes).
import { BugError } from '../base/index.js';
import type { Encoding, Instruction } from './declare.js';
import type { OperandSpec, OperandType } from './operands.js';
import type { Operand } from './sem.js';

/** Decoding mode: default operand and address size of the code segment, or 64-bit mode. */
export interface DecodeMode {
  readonly codeBits: 16 | 32 | 64;
}

/** What a decoded operand is; the numeric twin of Operand.kind. `implied` operands (X, Y, ONE) take no part in execute. */
export const OPERAND_KIND = {
  implied: 0,
  gpr: 1,
  mem: 2,
  imm: 3,
  rel: 4,
  far: 5,
  mmx: 6,
  xmm: 7,
  segment: 8,
  control: 9,
  debug: 10,
  x87: 11,
} as const;
type KindName = keyof typeof OPERAND_KIND;

/**
 * One decoded operand. Immediates are zero-extended from `bits` to 64 bits in immHi:immLo (both i32); `rel` has its signed
 * displacement in immLo; `far` has the offset in immLo and the selector in immHi.
 */
export interface DecodedOperand {
  kind: number;
  bits: number;
  /** Register number with REX extension; for AH, CH, DH, BH the number 0..3 with `high` = 1. */
  register: number;
  high: number;
  immLo: number;
  immHi: number;
}

/** One row per declared encoding. */
export interface Row {
  readonly number: number;
  readonly instruction: Instruction;
  readonly encoding: Encoding;
  readonly encodingIndex: number;
}

/** An operand form: a row at one operand size, with the static operand list that `execute` is given. */
export interface Form {
  readonly number: number;
  readonly row: Row;
  readonly instruction: Instruction;
  readonly opBits: 16 | 32 | 64;
  readonly long: boolean;
  /** ModRM names memory (or the operand is a memory offset). */
  readonly mem: boolean;
  /** What execute gets: the operands that are not implied. */
  readonly operands: readonly Operand[];
  /** @internal for the decoder */
  readonly codes: readonly number[];
  /** @internal widths by declaration position */
  readonly bits: readonly number[];
  /** @internal fixed registers by declaration position */
  readonly fixed: readonly number[];
  /** @internal ModRM.mod is ignored: always a register (MOV CR, MOV DR) */
  readonly ignoreMod: boolean;
  /** @internal LOCK allowed */
  readonly lockable: boolean;
  /** @internal implicit LOCK */
  readonly locked: boolean;
  /** @internal repeat prefixes act */
  readonly rep: boolean;
  /** @internal added to the displacement of rSP-based operands */
  readonly popBytes: number;
}

/** Result of a decode; reused. */
export class Decoded {
  /** The matching form; undefined when invalid. */
  form: Form | undefined = undefined;
  /** Total length in bytes. */
  length = 0;
  /** No such instruction (or an illegal prefix): #UD. */
  invalid = false;
  /** Longer than 15 bytes: #GP(0). */
  tooLong = false;
  opBits: 16 | 32 | 64 = 32;
  addrBits: 16 | 32 | 64 = 32;
  /** LOCK semantics are in force (prefix, or implied by the instruction). */
  lock = false;
  /** Repeat prefix where it acts (string instructions): 0 none, 1 REP/REPE, 2 REPNE. */
  rep = 0;
  /** Repeat prefix as written: 0 none, 1 F3, 2 F2. */
  repPrefix = 0;
  has66 = false;
  has67 = false;
  /** The LOCK prefix as written. */
  hasLock = false;
  /** Segment prefix in force: 0 ES, 1 CS, 2 SS, 3 DS, 4 FS, 5 GS; -1 none. */
  segmentOverride = -1;
  /** REX byte in force, 0 if none. */
  rex = 0;
  opcode = 0;
  /** 0 one-byte map, 1 0F, 2 0F38, 3 0F3A. */
  map = 0;
  hasModrm = false;
  mod = 0;
  /** ModRM.reg and ModRM.rm with their REX extensions. */
  reg = 0;
  rm = 0;
  hasMem = false;
  /** GPR numbers, -1 if absent. */
  base = -1;
  index = -1;
  /** log2 of the factor. */
  scale = 0;
  /** Displacement; sign-extended into dispHi except for 64-bit memory offsets. */
  disp = 0;
  dispHi = 0;
  ripRelative = false;
  /** Segment of the memory operand, override applied. */
  segment = 3;
  /** Number of declared operands (implied ones included); the first of `operands` are valid. */
  operandCount = 0;
  readonly operands: readonly DecodedOperand[] = [0, 1, 2, 3].map(() => ({
    kind: 0,
    bits: 0,
    register: 0,
    high: 0,
    immLo: 0,
    immHi: 0,
  }));
  get instruction(): Instruction {
    return (this.form as Form).instruction;
  }
  get encodingIndex(): number {
    return (this.form as Form).row.encodingIndex;
  }
}

// How the decoder fills an operand.
const CODE = {
  gprReg: 0,
  gprRm: 1,
  gprOpcode: 2,
  gprFixed: 3,
  mem: 4,
  offset: 5,
  imm: 6,
  immSigned8: 7,
  immSigned: 8,
  rel: 9,
  far: 10,
  mmxReg: 11,
  mmxRm: 12,
  xmmReg: 13,
  xmmRm: 14,
  segmentReg: 15,
  segmentFixed: 16,
  controlReg: 17,
  debugReg: 18,
  x87Rm: 19,
  x87Fixed: 20,
  implied: 21,
} as const;

/** Width in bits of an operand type at an operand size. */
export function typeBits(type: OperandType, opBits: number, long: boolean): number {
  switch (type) {
    case 'b':
      return 8;
    case 'w':
      return 16;
    case 'd':
      return 32;
    case 'q':
      return 64;
    case 'dq':
      return 128;
    case 'v':
    case 'sb':
      return opBits;
    case 'z':
      return Math.min(opBits, 32);
    case 'y':
      return opBits === 64 ? 64 : 32;
    case 'c':
      return long ? 64 : 32;
    case 't':
      return 80;
    case 'p':
      return opBits + 16;
    case 'a':
      return opBits * 2;
    case 'm':
    case 's':
      return 0;
  }
}

interface Pattern {
  readonly prefix: number; // -1 any, 0 none, 1 66, 2 F3, 3 F2
  readonly map: number;
  readonly opcode: number;
  readonly opcodeRegister: boolean; // "50+r"
  readonly modrm: boolean;
  readonly digit: number; // ModRM.reg, -1 any
  readonly low: number; // lowest and highest ModRM byte of a fixed one, -1 any
  readonly high: number;
  readonly mod: 'any' | 'mem' | 'reg' | 'ignored';
  readonly rexW: number; // -1 any
  readonly rexB0: boolean;
  readonly weight: number;
}

const REGISTER_ONLY = new Set(['R', 'N', 'U', 'F']);
const MODRM_METHODS = new Set(['E', 'G', 'M', 'R', 'C', 'D', 'S', 'P', 'Q', 'N', 'V', 'W', 'U', 'F']);

/** Parses the opcode column of an encoding. */
export function parseOpcode(encoding: Encoding, name: string): Pattern {
  const fail = (why: string): never => {
    throw new BugError('ISA_OPCODE', `${name} '${encoding.opcode}': ${why}`);
  };
  let prefix = -1;
  let digit = -1;
  let low = -1;
  let high = -1;
  let rexW = -1;
  let rexB0 = false;
  let mod: Pattern['mod'] = 'any';
  let opcodeRegister = false;
  let modrm = false;
  let weight = 0;
  const bytes: number[] = [];
  for (const token of encoding.opcode.split(/\s+/)) {
    const mandatory = ['np', '66', 'f3', 'f2'].indexOf(token);
    if (mandatory >= 0 && bytes.length === 0) {
      prefix = mandatory;
      weight += 16;
    } else if (/^[0-9a-f]{2}$/.test(token)) bytes.push(Number.parseInt(token, 16));
    else if (/^[0-9a-f]{2}\+r$/.test(token)) {
      bytes.push(Number.parseInt(token, 16));
      opcodeRegister = true;
    } else if (token === '/r') modrm = true;
    else if (/^\/[0-7]$/.test(token)) {
      modrm = true;
      digit = Number(token[1]);
      weight += 32;
    } else if (/^\/[0-9a-f]{2}(\+i)?$/.test(token)) {
      modrm = true;
      low = Number.parseInt(token.slice(1, 3), 16);
      high = token.endsWith('+i') ? low + 7 : low;
      weight += high === low ? 128 : 64;
    } else if (token === 'mod=3') mod = 'reg';
    else if (token === 'mod!=3') mod = 'mem';
    else if (token === 'rex.w') rexW = 1;
    else if (token === 'rex.w0') rexW = 0;
    else if (token === 'rex.b0') rexB0 = true;
    else if (!/^i[bwdo]$/.test(token)) fail(`unknown token '${token}'`);
  }
  let map = 0;
  if (bytes.length > 1 && bytes.shift() === 0x0f) {
    map = 1;
    if (bytes.length > 1) map = [0x38, 0x3a].indexOf(bytes.shift() as number) + 2;
    if (map < 2 && bytes.length > 1) fail('unknown opcode map');
  }
  if (bytes.length !== 1) fail('expected one opcode byte in its map');
  for (const spec of encoding.operands) {
    if (!MODRM_METHODS.has(spec.method)) continue;
    if (!modrm) fail(`operand ${spec.method}${spec.type} needs a ModRM byte`);
    if (spec.method === 'C' || spec.method === 'D') mod = 'ignored';
    if (mod === 'ignored') continue;
    if (spec.method === 'M') mod = 'mem';
    if (REGISTER_ONLY.has(spec.method)) mod = 'reg';
  }
  if (low >= 0) mod = 'reg';
  if (mod === 'mem' || mod === 'reg') weight += 1;
  if (rexW >= 0 || rexB0) weight += 2;
  if (encoding.onlyOpBits !== undefined) weight += 4;
  if (encoding.o64 || encoding.i64) weight += 1;
  if (!opcodeRegister) weight += 8;
  return { prefix, map, opcode: bytes[0] as number, opcodeRegister, modrm, digit, low, high, mod, rexW, rexB0, weight };
}

/** Operand size of an encoding; sizeIndex: 0 16-bit, 1 32-bit, 2 64-bit (REX.W) before defaults. */
function effectiveOpBits(e: Encoding, long: boolean, sizeIndex: number): 16 | 32 | 64 {
  if (e.opBits !== undefined) return e.opBits;
  if (long) {
    if (sizeIndex === 2 || e.f64) return 64;
    if (sizeIndex === 0) return 16;
    return e.d64 ? 64 : 32;
  }
  return sizeIndex === 0 ? 16 : 32;
}

/** How operand `spec` is found and what it is, for a memory or register ModRM. */
function operandCode(spec: OperandSpec, mem: boolean): { code: number; kind: KindName } {
  const ofRm = (code: number, kind: KindName) => (mem ? { code: CODE.mem, kind: 'mem' as const } : { code, kind });
  switch (spec.method) {
    case 'E':
      return ofRm(CODE.gprRm, 'gpr');
    case 'R':
      return { code: CODE.gprRm, kind: 'gpr' };
    case 'M':
      return { code: CODE.mem, kind: 'mem' };
    case 'G':
      return { code: CODE.gprReg, kind: 'gpr' };
    case 'Z':
      return { code: CODE.gprOpcode, kind: 'gpr' };
    case 'K':
      if (spec.type === 't') return { code: CODE.x87Fixed, kind: 'x87' };
      return spec.segment ? { code: CODE.segmentFixed, kind: 'segment' } : { code: CODE.gprFixed, kind: 'gpr' };
    case 'I':
      if (spec.type === 'sb') return { code: CODE.immSigned8, kind: 'imm' };
      return { code: spec.type === 'z' ? CODE.immSigned : CODE.imm, kind: 'imm' };
    case 'J':
      return { code: CODE.rel, kind: 'rel' };
    case 'O':
      return { code: CODE.offset, kind: 'mem' };
    case 'A':
      return { code: CODE.far, kind: 'far' };
    case 'C':
      return { code: CODE.controlReg, kind: 'control' };
    case 'D':
      return { code: CODE.debugReg, kind: 'debug' };
    case 'S':
      return { code: CODE.segmentReg, kind: 'segment' };
    case 'P':
      return { code: CODE.mmxReg, kind: 'mmx' };
    case 'Q':
      return ofRm(CODE.mmxRm, 'mmx');
    case 'N':
      return { code: CODE.mmxRm, kind: 'mmx' };
    case 'V':
      return { code: CODE.xmmReg, kind: 'xmm' };
    case 'W':
      return ofRm(CODE.xmmRm, 'xmm');
    case 'U':
      return { code: CODE.xmmRm, kind: 'xmm' };
    case 'F':
      return { code: CODE.x87Rm, kind: 'x87' };
    case 'X':
    case 'Y':
    case 'ONE':
      return { code: CODE.implied, kind: 'implied' };
  }
}

/** Width of an operand. Immediates of type z count as operand-sized: they are sign-extended. */
function operandBits(spec: OperandSpec, kind: KindName, opBits: number, long: boolean): number {
  if (kind === 'mem' && spec.memBits !== undefined) return spec.memBits;
  if (spec.method === 'I' && spec.type === 'z') return opBits;
  if (kind === 'rel' || kind === 'far') return opBits;
  return typeBits(spec.type, opBits, long);
}

/** The operands `execute` gets for an encoding in one specialisation (`mem`: ModRM.mod is not 3). */
export function operandForm(
  encoding: Encoding,
  facts: { readonly opBits: 16 | 32 | 64; readonly long: boolean; readonly mem: boolean },
): Operand[] {
  const list: Operand[] = [];
  encoding.operands.forEach((spec, index) => {
    const { kind } = operandCode(spec, facts.mem);
    if (kind !== 'implied') list.push({ index, kind, bits: operandBits(spec, kind, facts.opBits, facts.long) });
  });
  return list;
}

interface Candidate {
  readonly row: Row;
  readonly pattern: Pattern;
}

const BLOCK_MODRM = 72; // 8 memory forms by reg, then 64 register forms
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

/** A node whose blocks nobody has asked for yet. */
const UNBUILT = 0xffff_ffff;

export class Decoder {
  /** All rows (declared encodings), whether or not the features admit them. */
  readonly rows: readonly Row[];
  private readonly made: Form[] = [];
  private readonly formByKey = new Map<number, number>();
  /** Encodings by node (mode class, map, opcode), in the order of declaration; empty once the node is built. */
  private readonly byNode = new Map<number, Candidate[]>();
  /** Block of leaves by node * 12 + prefix class * 3 + operand size. A node's blocks are made when it is first met. */
  private readonly blocks = new Uint32Array(2 * NODES * 12);
  private readonly modrmOf = new Uint8Array(2 * NODES);
  private leaves = new Uint16Array(4096);
  /** Behind block 0: all undefined. */
  private leafCount = BLOCK_MODRM;
  private readonly blockByContent = new Map<string, number>();

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
      for (let r = 0; r < (pattern.opcodeRegister ? 8 : 1); r++) {
        for (let long = 0; long < 2; long++) {
          const opcode = pattern.opcode + r;
          const keys = [pattern.map * 256 + opcode];
          if (pattern.map === 0 && opcode === 0x90 && long === 1) keys.push(NODE_90_REX_B);
          for (const k of keys) {
            if (k === NODE_90_REX_B && pattern.rexB0) continue;
            this.addCandidate(long * NODES + k, { row, pattern });
          }
        }
      }
    }
  }

  /** All operand forms that can be decoded. */
  get forms(): readonly Form[] {
    for (const node of this.byNode.keys()) this.buildNode(node);
    return this.made;
  }

  private addCandidate(node: number, candidate: Candidate): void {
    const list = this.byNode.get(node);
    if (list !== undefined) {
      list.push(candidate);
      return;
    }
    this.byNode.set(node, [candidate]);
    this.blocks.fill(UNBUILT, node * 12, node * 12 + 12);
  }

  /** Makes the blocks of a node. */
  private buildNode(node: number): void {
    const candidates = this.byNode.get(node) ?? [];
    this.byNode.delete(node);
    this.blocks.fill(0, node * 12, node * 12 + 12);
    const long = node >= NODES;
    const inMode = candidates.filter(({ row }) => !(long ? row.encoding.i64 : row.encoding.o64));
    if (inMode.length === 0) return;
    const modrm = inMode[0]?.pattern.modrm as boolean;
    if (inMode.some((c) => c.pattern.modrm !== modrm)) {
      const names = inMode.map((c) => `${c.row.instruction.name} '${c.row.encoding.opcode}'`).join(', ');
      throw new BugError('ISA_MODRM', `one opcode with and without ModRM: ${names}`);
    }
    this.modrmOf[node] = modrm ? 1 : 0;
    /** Blocks of this node by the candidates that the prefixes admit and their operand sizes. */
    const blockByChoice = new Map<string, number>();
    for (let prefix = 0; prefix < 4; prefix++) {
      for (let size = 0; size < (long ? 3 : 2); size++) {
        // In 64-bit mode 66 decides between 16 and 32 bits: no other combination can come.
        if (long && (prefix === 0 ? size === 0 : prefix === 1 && size === 1)) continue;
        const admitted = inMode.filter((c) => admits(c.row.encoding, c.pattern, long, prefix, size));
        if (admitted.length === 0) continue; // block 0
        const choice = admitted.map((c) => `${c.row.number}/${effectiveOpBits(c.row.encoding, long, size)}`).join();
        let at = blockByChoice.get(choice);
        if (at === undefined) {
          at = this.place(
            buildBlock(admitted, modrm, (row, mod, mem) =>
              this.formNumber(row, effectiveOpBits(row.encoding, long, size), long, mem, mod === 'ignored'),
            ),
          );
          blockByChoice.set(choice, at);
        }
        this.blocks[node * 12 + prefix * 3 + size] = at;
      }
    }
  }

  private formNumber(row: Row, opBits: 16 | 32 | 64, long: boolean, mem: boolean, ignoreMod: boolean): number {
    const key = row.number * 16 + [16, 32, 64].indexOf(opBits) + (long ? 8 : 0) + (mem ? 4 : 0);
    let number = this.formByKey.get(key);
    if (number === undefined) {
      number = this.made.length;
      this.formByKey.set(key, number);
      this.made.push(makeForm(number, row, opBits, long, mem, ignoreMod));
    }
    return number;
  }

  /** Where the leaves of a block are; equal blocks are one. */
  private place(block: readonly number[]): number {
    const content = block.join();
    const present = this.blockByContent.get(content);
    if (present !== undefined) return present;
    const at = this.leafCount;
    this.leafCount += block.length;
    if (this.leafCount > this.leaves.length) {
      const larger = new Uint16Array(Math.max(this.leafCount, this.leaves.length * 2));
      larger.set(this.leaves);
      this.leaves = larger;
    }
    this.leaves.set(block, at);
    this.blockByContent.set(content, at);
    return at;
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
    const choice = node * 12 + (rep !== 0 ? rep + 1 : has66 ? 1 : 0) * 3 + sizeIndex;
    if (this.blocks[choice] === UNBUILT) this.buildNode(node);
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
    // Memory operand.
    if (form.mem && hasModrm) {
      let base = -1;
      let index = -1;
      let scale = 0;
      let disp = 0;
      let dispBytes = mod === 1 ? 1 : 0;
      if (addrBits === 16) {
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
          if (p >= end) return this.short(offset, p, available, out);
          const sib = bytes[p++] as number;
          scale = sib >> 6;
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
      if (dispBytes !== 0) {
        if (p + dispBytes > end) return this.short(offset, p + dispBytes, available, out);
        if (dispBytes === 1) disp = ((bytes[p] as number) << 24) >> 24;
        else if (dispBytes === 4)
          disp =
            (bytes[p] as number) |
            ((bytes[p + 1] as number) << 8) |
            ((bytes[p + 2] as number) << 16) |
            ((bytes[p + 3] as number) << 24);
        else disp = (((bytes[p] as number) << 16) | ((bytes[p + 1] as number) << 24)) >> 16;
        p += dispBytes;
      }
      if (base === 4) disp = (disp + form.popBytes) | 0;
      out.base = base;
      out.index = index;
      out.scale = scale;
      out.disp = disp;
      out.dispHi = disp >> 31;
      out.segment = override >= 0 ? override : base === 4 || base === 5 ? 2 : 3;
    } else {
      out.base = -1;
      out.index = -1;
      out.scale = 0;
      out.disp = 0;
      out.dispHi = 0;
      out.segment = override >= 0 ? override : 3;
    }
    // Operands.
    const codes = form.codes;
    const count = codes.length;
    out.operandCount = count;
    for (let i = 0; i < count; i++) {
      const operand = out.operands[i] as DecodedOperand;
      const bits = form.bits[i] as number;
      operand.bits = bits;
      operand.high = 0;
      switch (codes[i]) {
        case CODE.gprReg:
        case CODE.gprRm:
        case CODE.gprOpcode:
        case CODE.gprFixed: {
          const code = codes[i];
          let register = code === CODE.gprReg ? out.reg : code === CODE.gprFixed ? (form.fixed[i] as number) : out.rm;
          if (bits === 8 && rex === 0 && register >= 4) {
            register -= 4;
            operand.high = 1;
          }
          operand.kind = OPERAND_KIND.gpr;
          operand.register = register;
          break;
        }
        case CODE.mem:
          operand.kind = OPERAND_KIND.mem;
          break;
        case CODE.offset: {
          const size = addrBits >> 3;
          if (p + size > end) return this.short(offset, p + size, available, out);
          operand.kind = OPERAND_KIND.mem;
          out.disp = (bytes[p] as number) | ((bytes[p + 1] as number) << 8);
          if (size > 2) out.disp |= ((bytes[p + 2] as number) << 16) | ((bytes[p + 3] as number) << 24);
          out.dispHi = 0;
          if (size === 8)
            out.dispHi =
              (bytes[p + 4] as number) |
              ((bytes[p + 5] as number) << 8) |
              ((bytes[p + 6] as number) << 16) |
              ((bytes[p + 7] as number) << 24);
          p += size;
          break;
        }
        case CODE.imm: {
          const size = bits >> 3;
          if (p + size > end) return this.short(offset, p + size, available, out);
          let lo = bytes[p] as number;
          let hi = 0;
          if (size > 1) lo |= (bytes[p + 1] as number) << 8;
          if (size > 2) lo |= ((bytes[p + 2] as number) << 16) | ((bytes[p + 3] as number) << 24);
          if (size > 4)
            hi =
              (bytes[p + 4] as number) |
              ((bytes[p + 5] as number) << 8) |
              ((bytes[p + 6] as number) << 16) |
              ((bytes[p + 7] as number) << 24);
          p += size;
          operand.kind = OPERAND_KIND.imm;
          operand.immLo = lo;
          operand.immHi = hi;
          break;
        }
        case CODE.immSigned8: {
          if (p >= end) return this.short(offset, p + 1, available, out);
          const value = ((bytes[p++] as number) << 24) >> 24;
          operand.kind = OPERAND_KIND.imm;
          operand.immLo = bits === 16 ? value & 0xffff : value;
          operand.immHi = bits === 64 ? value >> 31 : 0;
          break;
        }
        case CODE.immSigned: {
          const size = bits === 16 ? 2 : 4;
          if (p + size > end) return this.short(offset, p + size, available, out);
          let value = (bytes[p] as number) | ((bytes[p + 1] as number) << 8);
          if (size === 4) value |= ((bytes[p + 2] as number) << 16) | ((bytes[p + 3] as number) << 24);
          p += size;
          operand.kind = OPERAND_KIND.imm;
          operand.immLo = value;
          operand.immHi = bits === 64 ? value >> 31 : 0;
          break;
        }
        case CODE.rel: {
          const size = form.fixed[i] === 1 ? 1 : bits === 16 ? 2 : 4;
          if (p + size > end) return this.short(offset, p + size, available, out);
          let value: number;
          if (size === 1) value = ((bytes[p] as number) << 24) >> 24;
          else if (size === 2) value = (((bytes[p] as number) << 16) | ((bytes[p + 1] as number) << 24)) >> 16;
          else
            value =
              (bytes[p] as number) |
              ((bytes[p + 1] as number) << 8) |
              ((bytes[p + 2] as number) << 16) |
              ((bytes[p + 3] as number) << 24);
          p += size;
          operand.kind = OPERAND_KIND.rel;
          operand.immLo = value;
          operand.immHi = value >> 31;
          break;
        }
        case CODE.far: {
          const size = bits === 16 ? 2 : 4;
          if (p + size + 2 > end) return this.short(offset, p + size + 2, available, out);
          operand.kind = OPERAND_KIND.far;
          operand.immLo = (bytes[p] as number) | ((bytes[p + 1] as number) << 8);
          if (size === 4) operand.immLo |= ((bytes[p + 2] as number) << 16) | ((bytes[p + 3] as number) << 24);
          operand.immHi = (bytes[p + size] as number) | ((bytes[p + size + 1] as number) << 8);
          p += size + 2;
          break;
        }
        case CODE.mmxReg:
          operand.kind = OPERAND_KIND.mmx;
          operand.register = reg;
          break;
        case CODE.mmxRm:
          operand.kind = OPERAND_KIND.mmx;
          operand.register = rm;
          break;
        case CODE.xmmReg:
          operand.kind = OPERAND_KIND.xmm;
          operand.register = out.reg;
          break;
        case CODE.xmmRm:
          operand.kind = OPERAND_KIND.xmm;
          operand.register = out.rm;
          break;
        case CODE.segmentReg:
          operand.kind = OPERAND_KIND.segment;
          operand.register = reg;
          // MOV to CS and the numbers 6 and 7 do not exist.
          if (reg > 5 || (reg === 1 && i === 0)) return this.undefinedOpcode(p - offset, out);
          break;
        case CODE.segmentFixed:
          operand.kind = OPERAND_KIND.segment;
          operand.register = form.fixed[i] as number;
          break;
        case CODE.controlReg: {
          const n = out.reg;
          operand.kind = OPERAND_KIND.control;
          operand.register = n;
          if (n === 1 || (n > 4 && n !== 8)) return this.undefinedOpcode(p - offset, out);
          break;
        }
        case CODE.debugReg:
          operand.kind = OPERAND_KIND.debug;
          operand.register = out.reg;
          if (out.reg > 7) return this.undefinedOpcode(p - offset, out);
          break;
        case CODE.x87Rm:
          operand.kind = OPERAND_KIND.x87;
          operand.register = rm;
          break;
        case CODE.x87Fixed:
          operand.kind = OPERAND_KIND.x87;
          operand.register = form.fixed[i] as number;
          break;
        default:
          operand.kind = OPERAND_KIND.implied;
      }
    }
    const length = p - offset;
    out.length = length;
    return length;
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

/** Whether prefixes and operand size admit an encoding. */
function admits(e: Encoding, t: Pattern, long: boolean, prefix: number, size: number): boolean {
  if (t.prefix >= 0 && t.prefix !== prefix) return false;
  if (t.rexW >= 0 && (t.rexW === 1) !== (size === 2)) return false;
  return e.onlyOpBits === undefined || effectiveOpBits(e, long, size) === e.onlyOpBits;
}

/** Whether a ModRM leaf (0..7 memory by reg, 8..71 registers) matches. */
function matchesLeaf(t: Pattern, leaf: number): boolean {
  const mem = leaf < 8;
  if (t.mod === 'mem' ? !mem : t.mod === 'reg' ? mem : false) return false;
  const modrm = mem ? leaf << 3 : leaf - 8 + 0xc0;
  if (t.digit >= 0 && ((modrm >> 3) & 7) !== t.digit) return false;
  return t.low < 0 || (modrm >= t.low && modrm <= t.high);
}

/** The leaves of one opcode: form number + 1 of the most specific candidate, 0 for undefined. */
function buildBlock(
  candidates: readonly Candidate[],
  modrm: boolean,
  formOf: (row: Row, mod: Pattern['mod'], mem: boolean) => number,
): number[] {
  const block: number[] = [];
  for (let leaf = 0; leaf < (modrm ? BLOCK_MODRM : 1); leaf++) {
    let best: Candidate | undefined;
    for (const candidate of candidates) {
      if (modrm && !matchesLeaf(candidate.pattern, leaf)) continue;
      if (best !== undefined && best.pattern.weight === candidate.pattern.weight) {
        const a = `${best.row.instruction.name} '${best.row.encoding.opcode}'`;
        const b = `${candidate.row.instruction.name} '${candidate.row.encoding.opcode}'`;
        throw new BugError('ISA_AMBIGUOUS', `${a} and ${b} match the same bytes`);
      }
      if (best === undefined || candidate.pattern.weight > best.pattern.weight) best = candidate;
    }
    if (best === undefined) {
      block.push(0);
      continue;
    }
    const { row, pattern } = best;
    const offset = row.encoding.operands.some((o) => o.method === 'O');
    block.push(formOf(row, pattern.mod, (modrm && leaf < 8 && pattern.mod !== 'ignored') || offset) + 1);
  }
  return block;
}

function makeForm(
  number: number,
  row: Row,
  opBits: 16 | 32 | 64,
  long: boolean,
  mem: boolean,
  ignoreMod: boolean,
): Form {
  const { encoding, instruction } = row;
  const found = encoding.operands.map((spec) => ({ spec, ...operandCode(spec, mem) }));
  return {
    number,
    row,
    instruction,
    opBits,
    long,
    mem,
    operands: operandForm(encoding, { opBits, long, mem }),
    codes: found.map((o) => o.code),
    bits: found.map((o) => operandBits(o.spec, o.kind, opBits, long)),
    fixed: found.map((o) => (o.spec.method === 'J' ? (o.spec.type === 'b' ? 1 : 0) : (o.spec.fixed ?? 0))),
    ignoreMod,
    lockable: encoding.lock === true && found[0]?.kind === 'mem',
    locked: encoding.locked === true,
    rep: encoding.rep === true,
    popBytes: encoding.afterPop ? opBits / 8 : 0,
  };
}
