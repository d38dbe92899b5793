// Words of code that change with the address it lies at. Linux puts its kernel elsewhere in each boot (KASLR) and adds the
// distance to the words that hold addresses of its image; words relative to RIP that name per-CPU variables, which stay where
// they are, get it taken away. A region that was made from the code at one place serves at another one: it adds the distance to
// those words itself. Source: Linux, arch/x86/tools/relocs.c, arch/x86/boot/compressed/misc.c (handle_relocations).
import { OPERAND_KIND } from '../../isa/index.js';
import { type InstructionCode, isUser } from './instruction.js';

/** A 32-bit word of code that follows the code's address. */
export interface Relocation {
  /** Its first byte, from the first byte of the region's entry page. */
  readonly offset: number;
  /** 1: it grows with the address, -1: it shrinks. */
  readonly sign: 1 | -1;
}
/** What of an instruction follows its address. */
export interface Relocated {
  /** Byte of the instruction at which the immediate, sign-extended, or the displacement begins; -1: it stays. */
  readonly immediate: number;
  readonly displacement: number;
  /** Of the displacement; an immediate always grows. */
  readonly sign: 1 | -1;
}

const GS = 5;
/**
 * Where Linux's image may lie: in the gigabyte from -2 GiB on, on 32-bit processors in its direct map of memory from 3 GiB on.
 * The beginning itself is a constant of its arithmetic.
 */
const isImageAddress = (word: number, long: boolean): boolean =>
  long ? word > -0x8000_0000 && word < -0x4000_0000 : word > -0x4000_0000 && word < -0x800_0000;
/** Sizes of immediates behind a displacement. */
const IMMEDIATE_BYTES = [1, 2, 4];

/** Null: nothing of an instruction of supervisor code, whose first byte is `bytes[start]`, follows its address. */
export function relocatedOf(code: InstructionCode, bytes: Uint8Array, start: number): Relocated | null {
  const { length, displacement } = code;
  const { long } = code.facts;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, length);
  const word = (at: number): number => (at < 1 ? 0 : view.getInt32(at, true));
  const immediateOperand = code.operands.find(({ kind }) => kind === OPERAND_KIND.imm);
  let immediate = -1;
  if (immediateOperand?.bits === (long ? 64 : 32) && (!long || (immediateOperand.immHi | 0) === -1)) {
    const value = immediateOperand.immLo | 0;
    const at = [length - 4, length - 8].find((n) => word(n) === value);
    if (at !== undefined && isImageAddress(value, long)) immediate = at;
  }
  const perCpu = long && code.ripRelative && code.segment === GS;
  const low = Number(BigInt.asIntN(32, displacement));
  const fits = !long || BigInt(low) === displacement;
  let found: number[] = [];
  if (code.hasMem && (perCpu || (!code.ripRelative && fits && isImageAddress(low, long)))) {
    const behind = immediateOperand === undefined ? [0] : IMMEDIATE_BYTES;
    found = behind.map((n) => length - n - 4).filter((at) => word(at) === low);
  }
  // a word that is found twice may be either
  const at = found.length === 1 ? (found[0] as number) : -1;
  return immediate < 0 && at < 0 ? null : { immediate, displacement: at, sign: perCpu ? -1 : 1 };
}

const GS_PREFIX = 0x65;
/** A byte may be the highest one of a word that follows the code's address; the block begins at `start`. */
function mayBeTop(bytes: Uint8Array, start: number, at: number, long: boolean): boolean {
  const byte = bytes[at] as number;
  if (!long) return byte >= 0xc0 && byte < 0xf8;
  if (byte >= 0x80 && byte < 0xc0) return true;
  // GS, up to three bytes, ModRM of an operand relative to RIP, displacement
  if (byte < 0x40 || byte >= 0x80 || at - 4 < start || ((bytes[at - 4] as number) & 0xc7) !== 5) return false;
  return bytes.subarray(Math.max(start, at - 8), at - 4).includes(GS_PREFIX);
}
/**
 * What of a byte of code stays when words around it follow its address: those move by multiples of 2 MiB. `start`, `end`: where
 * its block begins, and its page ends. A guess that says less than there is costs a comparison, nothing else.
 */
export function steadyBits(bytes: Uint8Array, start: number, end: number, at: number, mode: number): number {
  const long = is64(mode);
  if (mayBeTop(bytes, start, at, long)) return 0;
  const byte = bytes[at] as number;
  return at + 1 < end && mayBeTop(bytes, start, at + 1, long) ? byte & 0x1f : byte;
}
const is64 = (mode: number): boolean => (mode & 3) === 2;
/** Code in this mode (modeKey) is a kernel's of 32 or 64 bits: words of it may follow its address. */
export const mayRelocate = (mode: number): boolean => (mode & 3) !== 0 && !isUser(mode);
