// Whether an access goes through SS: what is #GP(0) elsewhere is #SS(0) there. In 64-bit mode nothing keeps the segment of
// an access, so it is found in the instruction's bytes, after the fact. Intel SDM Vol. 1, "Canonical Addressing in 64-Bit
// Mode", "Specifying a Segment Selector"; Vol. 3A, "Interrupt 12—Stack Fault Exception (#SS)".
import { CODE_ON_DEVICE, translate_exec } from './memory';
import { current_rip, record } from './position';

/** One-byte opcodes with a ModRM byte. */
function has_modrm(opcode: u32): bool {
  if (opcode < 0x40) return (opcode & 7) < 4;
  if (opcode >= 0x80 && opcode < 0x90) return true;
  if (opcode >= 0xd8 && opcode < 0xe0) return true;
  const low = opcode & 15;
  if (opcode >> 4 == 6) return low == 2 || low == 3 || low == 9 || low == 11;
  if (opcode >> 4 == 0xc) return low < 2 || (low > 3 && low < 8);
  if (opcode >> 4 == 0xd) return low < 4;
  return opcode >> 4 == 0xf && (low == 6 || low == 7 || low > 13);
}
/** PUSH, POP, CALL, RET, ENTER, LEAVE and their like without a memory operand. */
function only_stack(opcode: u32): bool {
  if (opcode >= 0x50 && opcode < 0x60) return true;
  switch (opcode) {
    case 0x68:
    case 0x6a:
    case 0x9c:
    case 0x9d:
    case 0xc2:
    case 0xc3:
    case 0xc8:
    case 0xc9:
    case 0xca:
    case 0xcb:
    case 0xcf:
    case 0xe8:
      return true;
  }
  return false;
}
let at: u64 = 0;
function next(): u32 {
  const p = translate_exec(at++);
  return p > CODE_ON_DEVICE ? (load<u8>(p as usize) as u32) : 0;
}
/** 64-bit mode: the data access that the current instruction is at goes through SS. */
export function through_stack(write: bool): bool {
  if (!record()) return false;
  at = current_rip();
  let rex: u32 = 0;
  let overridden = false;
  let opcode = next();
  for (let i = 0; i < 14; i++) {
    if (opcode >> 4 == 4) rex = opcode;
    else if (opcode == 0x64 || opcode == 0x65) {
      overridden = true;
      rex = 0;
    } else if ((opcode & 0xe7) == 0x26 || (opcode & 0xfe) == 0x66 || opcode == 0xf0 || (opcode & 0xfe) == 0xf2) rex = 0;
    else break;
    opcode = next();
  }
  let modrm = has_modrm(opcode);
  let twoBytes = false;
  if (opcode == 0x0f) {
    opcode = next();
    twoBytes = true;
    if ((opcode & 0xf6) == 0xa0) return true; // PUSH and POP of FS and GS: A0, A1, A8, A9
    if (opcode == 0x38 || opcode == 0x3a) next();
    modrm = true;
  } else if (only_stack(opcode)) return true;
  if (!modrm) return false;
  const operand = next();
  const digit = (operand >> 3) & 7;
  if (!twoBytes) {
    if (opcode == 0x8f && !write) return true;
    if (opcode == 0xff && write && digit >= 2) return true;
  }
  if (overridden || operand >= 0xc0 || rex & 1) return false;
  const base = operand & 7;
  if (base == 5) return operand >= 0x40;
  if (base != 4) return false;
  const sib = next() & 7;
  return sib == 4 || (sib == 5 && operand >= 0x40);
}
