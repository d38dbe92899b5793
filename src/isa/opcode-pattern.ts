// The opcode column of an encoding (declare.ts), parsed. Intel SDM Vol. 2A, "Instruction Format".
import { BugError } from '../base/index.js';
import type { Encoding } from './declare.js';

export interface Pattern {
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

const MANDATORY = ['np', '66', 'f3', 'f2'];
const IMMEDIATE = new Set(['ib', 'iw', 'id', 'io']);
/** Value of the two digits at a position, -1 where there are none. */
function hexByte(token: string, at: number): number {
  const high = '0123456789abcdef'.indexOf(token.charAt(at) || '?');
  const low = '0123456789abcdef'.indexOf(token.charAt(at + 1) || '?');
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

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
  for (const token of encoding.opcode.split(' ')) {
    const mandatory = bytes.length === 0 ? MANDATORY.indexOf(token) : -1;
    const byte = hexByte(token, 0);
    if (mandatory >= 0) {
      prefix = mandatory;
      weight += 16;
    } else if (byte >= 0 && token.length === 2) bytes.push(byte);
    else if (byte >= 0 && token.endsWith('+r') && token.length === 4) {
      bytes.push(byte);
      opcodeRegister = true;
    } else if (token === '/r') modrm = true;
    else if (token.length === 2 && token >= '/0' && token <= '/7') {
      modrm = true;
      digit = Number(token[1]);
      weight += 32;
    } else if (token[0] === '/' && hexByte(token, 1) >= 0 && (token.length === 3 || token.slice(3) === '+i')) {
      modrm = true;
      low = hexByte(token, 1);
      high = token.endsWith('+i') ? low + 7 : low;
      weight += high === low ? 128 : 64;
    } else if (token === 'mod=3') mod = 'reg';
    else if (token === 'mod!=3') mod = 'mem';
    else if (token === 'rex.w') rexW = 1;
    else if (token === 'rex.w0') rexW = 0;
    else if (token === 'rex.b0') rexB0 = true;
    else if (!IMMEDIATE.has(token)) fail(`unknown token '${token}'`);
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
export function effectiveOpBits(e: Encoding, long: boolean, sizeIndex: number): 16 | 32 | 64 {
  if (e.opBits !== undefined) return e.opBits;
  if (long) {
    if (sizeIndex === 2 || e.f64) return 64;
    if (sizeIndex === 0) return 16;
    return e.d64 ? 64 : 32;
  }
  return sizeIndex === 0 ? 16 : 32;
}

/** Whether prefixes and operand size admit an encoding. */
export function admits(e: Encoding, t: Pattern, long: boolean, prefix: number, size: number): boolean {
  if (t.prefix >= 0 && t.prefix !== prefix) return false;
  if (t.rexW >= 0 && (t.rexW === 1) !== (size === 2)) return false;
  return e.onlyOpBits === undefined || effectiveOpBits(e, long, size) === e.onlyOpBits;
}
