// The call stack of a guest that is stopped between two instructions: its RIP, then return addresses by frame pointers
// (RBP) or, as a guess, by what on the stack looks like one. A return address is believed only if a CALL stands before it.
// Source: System V ABI, "The Stack Frame"; Intel SDM 2A "CALL".
import type { GuestMemory } from '../../memory/index.js';
import type { CpuState } from '../../vmx/index.js';
import { readLinear } from './linear.js';

/** `frame`: the chain of frame pointers; `scan`: every word of the stack that may be a return address; `none`: RIP alone. */
export type StackMode = 'frame' | 'scan' | 'none';

const RBP = 5;
const RSP = 4;
/** A frame larger than this is none. Bytes. */
const MAX_FRAME = 64n << 10n;
/** Of the stack that `scan` looks at. Bytes. */
const SCAN_BYTES = 2048;
const CS_LONG = 1 << 13;
const CS_DEFAULT = 1 << 14;
const EFER_LMA = 1n << 10n;

/** Bytes of a near return address in this code segment; 0 for 16-bit code, whose stack is not followed. */
function addressBytes(s: CpuState): 8 | 4 | 0 {
  const { accessRights } = s.segments.cs;
  if ((s.efer & EFER_LMA) !== 0n && (accessRights & CS_LONG) !== 0) return 8;
  return (accessRights & CS_DEFAULT) !== 0 ? 4 : 0;
}

/** Longest CALL that is looked for: FF /2 with SIB, 32-bit displacement. */
const CALL_BYTES = 7;
/** Length by bytes of FF /2: what is at distance `back` before the return address. */
function endsWithCall(code: Uint8Array): boolean {
  if (code[CALL_BYTES - 5] === 0xe8) return true;
  for (const back of [2, 3, 4, 6, 7]) {
    const at = CALL_BYTES - back;
    if (code[at] !== 0xff || ((code[at + 1] as number) & 0x38) !== 0x10) continue;
    const modrm = code[at + 1] as number;
    const mod = modrm >> 6;
    const sib = mod !== 3 && (modrm & 7) === 4 ? 1 : 0;
    const displacement = mod === 1 ? 1 : mod === 2 || (mod === 0 && (modrm & 7) === 5) ? 4 : 0;
    if (2 + sib + displacement === back) return true;
  }
  return false;
}

const word = (bytes: Uint8Array, at: number, size: 8 | 4): bigint => {
  const v = new DataView(bytes.buffer, bytes.byteOffset + at, size);
  return size === 8 ? v.getBigUint64(0, true) : BigInt(v.getUint32(0, true));
};

/** Linear addresses, the innermost first; at most `maxDepth`. */
export function callStack(memory: GuestMemory, s: CpuState, mode: StackMode, maxDepth: number): bigint[] {
  const size = addressBytes(s);
  const base = size === 8 ? 0n : s.segments.cs.base;
  const frames = [base + s.rip];
  if (size === 0 || mode === 'none') return frames;
  const stackBase = size === 8 ? 0n : s.segments.ss.base;
  const mask = size === 8 ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn;
  const rsp = (s.gpr[RSP] as bigint) & mask;
  const isReturn = (address: bigint): boolean => {
    if (address < 0x1000n) return false;
    const code = readLinear(memory, s, base + address - BigInt(CALL_BYTES), CALL_BYTES);
    return code !== null && endsWithCall(code);
  };
  if (mode === 'scan') {
    for (let offset = 0; offset < SCAN_BYTES && frames.length < maxDepth; offset += size) {
      const bytes = readLinear(memory, s, stackBase + rsp + BigInt(offset), size);
      if (bytes === null) break;
      const value = word(bytes, 0, size);
      if (isReturn(value)) frames.push(base + value);
    }
    return frames;
  }
  let frame = (s.gpr[RBP] as bigint) & mask;
  let low = rsp;
  while (frames.length < maxDepth) {
    if (frame < low || frame - low > MAX_FRAME || frame % BigInt(size) !== 0n) break;
    const bytes = readLinear(memory, s, stackBase + frame, 2 * size);
    if (bytes === null) break;
    const address = word(bytes, size, size);
    if (!isReturn(address)) break;
    frames.push(base + address);
    low = frame + BigInt(2 * size);
    frame = word(bytes, 0, size);
  }
  return frames;
}
