// Intel-syntax text of a decoded instruction, for traces. Mnemonics are the declarations' names (SDM Vol. 2 headings).
import { GPR_NAMES_BY_SIZE, GPR8_LEGACY_NAMES, SEGMENT_REGISTER_NAMES } from '../arch/index.js';
import { hex } from '../base/index.js';
import type { Decoded, DecodedOperand, Form } from './decoded.js';
import { OPERAND_KIND } from './operand-codes.js';

const NAMES: Readonly<Record<string, string>> = {
  mov_from_sreg: 'mov',
  mov_to_sreg: 'mov',
  mov_from_cr: 'mov',
  mov_to_cr: 'mov',
  mov_from_dr: 'mov',
  mov_to_dr: 'mov',
  push_sreg: 'push',
  pop_sreg: 'pop',
  jmp_far: 'jmp far',
  call_far: 'call far',
  ret_far: 'retf',
};
const SIZE_NAMES: Readonly<Record<number, string>> = {
  8: 'byte ptr ',
  16: 'word ptr ',
  32: 'dword ptr ',
  48: 'fword ptr ',
  64: 'qword ptr ',
  80: 'tbyte ptr ',
  128: 'xmmword ptr ',
};
const STRING_SUFFIX: Readonly<Record<number, string>> = { 16: 'w', 32: 'd', 64: 'q' };
/** Operand-sized forms of names that SDM spells with the size at the end. */
const SIZED = new Set([
  'movs',
  'cmps',
  'stos',
  'lods',
  'scas',
  'ins',
  'outs',
  'pushf',
  'popf',
  'pusha',
  'popa',
  'iret',
]);
const PLAIN_SUFFIX: Readonly<Record<number, string>> = { 16: '', 32: 'd', 64: 'q' };
const REPE_NAMES = new Set(['cmpsb', 'cmps', 'scasb', 'scas']);

const gpr = (bits: number, n: number): string => GPR_NAMES_BY_SIZE[(bits / 8) as 1 | 2 | 4 | 8]?.[n] ?? `r${n}`;

function gprOperand(o: DecodedOperand): string {
  if (o.high !== 0) return GPR8_LEGACY_NAMES[o.register + 4] as string;
  return gpr(o.bits, o.register);
}

/** The mnemonic, with operand-size suffix where the manual has one. */
export function mnemonic(d: Decoded): string {
  const name = (d.form as Form).instruction.name;
  if (SIZED.has(name)) {
    const strings = (d.form as Form).row.encoding.rep === true;
    const bits = strings && (name === 'ins' || name === 'outs') ? Math.min(d.opBits, 32) : d.opBits;
    return name + ((strings ? STRING_SUFFIX : PLAIN_SUFFIX)[bits] as string);
  }
  return NAMES[name] ?? name;
}

function memory(d: Decoded, bits: number, nextAddress: bigint | undefined): string {
  const size = SIZE_NAMES[bits] ?? '';
  const segment = d.segmentOverride >= 0 ? `${SEGMENT_REGISTER_NAMES[d.segmentOverride]}:` : '';
  const popped = d.base === 4 ? ((d.form as Form).popBytes ?? 0) : 0;
  const disp = d.disp - popped;
  const mask = (1n << BigInt(d.addrBits)) - 1n;
  if (d.ripRelative) {
    if (nextAddress !== undefined) return `${size}${segment}[${hex((nextAddress + BigInt(disp)) & mask)}]`;
    return `${size}${segment}[rip${disp < 0 ? '-' : '+'}${hex(Math.abs(disp))}]`;
  }
  const parts: string[] = [];
  if (d.base >= 0) parts.push(gpr(d.addrBits, d.base));
  if (d.index >= 0) parts.push(gpr(d.addrBits, d.index) + (d.scale > 0 ? `*${1 << d.scale}` : ''));
  if (parts.length === 0) {
    const offset = (BigInt(d.dispHi) << 32n) | BigInt(disp >>> 0);
    return `${size}${segment || 'ds:'}[${hex(offset & mask)}]`;
  }
  const tail = disp === 0 ? '' : `${disp < 0 ? '-' : '+'}${hex(Math.abs(disp))}`;
  return `${size}${segment}[${parts.join('+')}${tail}]`;
}

function immediate(o: DecodedOperand): string {
  if (o.bits <= 32) return hex(o.immLo >>> 0);
  return hex(BigInt.asUintN(64, (BigInt(o.immHi) << 32n) | BigInt(o.immLo >>> 0)));
}

function operandText(d: Decoded, o: DecodedOperand, address: bigint | undefined): string | undefined {
  const next = address === undefined ? undefined : address + BigInt(d.length);
  switch (o.kind) {
    case OPERAND_KIND.gpr:
      return gprOperand(o);
    case OPERAND_KIND.mem:
      return memory(d, o.bits, next);
    case OPERAND_KIND.imm:
      return immediate(o);
    case OPERAND_KIND.rel: {
      if (next === undefined) return `$${o.immLo + d.length < 0 ? '-' : '+'}${hex(Math.abs(o.immLo + d.length))}`;
      return hex((next + BigInt(o.immLo)) & ((1n << BigInt(d.opBits)) - 1n));
    }
    case OPERAND_KIND.far:
      return `${hex(o.immHi, 4)}:${hex(o.immLo >>> 0)}`;
    case OPERAND_KIND.mmx:
      return `mm${o.register}`;
    case OPERAND_KIND.xmm:
      return `xmm${o.register}`;
    case OPERAND_KIND.segment:
      return SEGMENT_REGISTER_NAMES[o.register];
    case OPERAND_KIND.control:
      return `cr${o.register}`;
    case OPERAND_KIND.debug:
      return `dr${o.register}`;
    case OPERAND_KIND.x87:
      return `st(${o.register})`;
    default:
      return undefined;
  }
}

/** Text of `d`; with `address` (of the instruction) branch targets and RIP-relative operands are absolute. */
export function disassemble(d: Decoded, address?: bigint): string {
  if (d.tooLong) return '(too long)';
  const form = d.form;
  if (form === undefined) return '(bad)';
  const name = form.instruction.name;
  let text = '';
  if (d.hasLock) text += 'lock ';
  if (d.rep !== 0) text += d.rep === 2 ? 'repne ' : REPE_NAMES.has(name) ? 'repe ' : 'rep ';
  if (form.row.encoding.rep && d.segmentOverride >= 0) text += `${SEGMENT_REGISTER_NAMES[d.segmentOverride]} `;
  text += mnemonic(d);
  const operands: string[] = [];
  for (let i = 0; i < d.operandCount; i++) {
    if (form.row.encoding.operands[i]?.method === 'ONE') operands.push('1');
    const one = operandText(d, d.operands[i] as DecodedOperand, address);
    if (one !== undefined) operands.push(one);
  }
  return operands.length === 0 ? text : `${text} ${operands.join(', ')}`;
}
