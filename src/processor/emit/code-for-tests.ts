// Machine code as the emitter and the translator take it; for tests.
import { ALL_INSTRUCTIONS, Decoded, Decoder } from '../../isa/index.js';
import { InstructionCode, modeOfKey, RegionInstruction } from '../jit/instruction.js';

/** Key of flat 64-bit mode at CPL 0. */
const LONG = modeOfKey(14);
const decoder = new Decoder(ALL_INSTRUCTIONS);

/** The instructions of 64-bit code at offset 0. Throws RangeError where the code cannot be decoded. */
export function instructionsOf(hex: string): RegionInstruction[] {
  const bytes = Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
  const instructions: RegionInstruction[] = [];
  for (let at = 0; at < bytes.length; ) {
    const decoded = new Decoded();
    if (decoder.decode(bytes, at, bytes.length - at, LONG, decoded) <= 0)
      throw new RangeError(`cannot decode ${hex} at ${at}`);
    instructions.push(new RegionInstruction(at, new InstructionCode(decoded, LONG)));
    at += decoded.length;
  }
  return instructions;
}
