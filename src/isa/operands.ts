// Operand codes of the SDM's opcode maps. Intel SDM Vol. 2D, Appendix A "Opcode Map", A.2.1 "Codes for Addressing
// Method", A.2.2 "Codes for Operand Type". `Ev` is addressing method E with type v, and so on.

/**
 * Addressing methods. E r/m GPR or memory; G reg GPR; I immediate; J relative; M memory only; R r/m GPR only;
 * O memory offset; Z GPR in opcode bits 0-2; C control, D debug, S segment register (reg); P MMX reg, Q MMX r/m or
 * memory, N MMX r/m only; V XMM reg, W XMM r/m or memory, U XMM r/m only; A far pointer; X DS:rSI, Y ES:rDI;
 * F x87 stack register in r/m; K fixed register; ONE the constant 1.
 */
export type Method =
  | 'E'
  | 'G'
  | 'I'
  | 'J'
  | 'M'
  | 'R'
  | 'O'
  | 'Z'
  | 'C'
  | 'D'
  | 'S'
  | 'P'
  | 'Q'
  | 'N'
  | 'V'
  | 'W'
  | 'U'
  | 'A'
  | 'X'
  | 'Y'
  | 'F'
  | 'K'
  | 'ONE';

/**
 * Operand types. b 8 bits; w 16; d 32; q 64; dq 128; v operand size (16/32/64); z 16 or 32 by operand size;
 * y 32 or 64; p far pointer 16:v; t 80; m memory of any size (LEA, FXSAVE, INVLPG); s descriptor table (2+4/8 bytes);
 * sb 8 bits sign-extended to operand size; a BOUND pair; c the natural size of the mode (64 in 64-bit mode, else 32).
 */
export type OperandType = 'b' | 'w' | 'd' | 'q' | 'dq' | 'v' | 'z' | 'y' | 'p' | 't' | 'm' | 's' | 'sb' | 'a' | 'c';

export interface OperandSpec {
  readonly method: Method;
  readonly type: OperandType;
  /** Register number for method K (0 rAX, 1 rCX, 2 rDX, 3 rBX; segment number for type w with `segment`). */
  readonly fixed?: number;
  /** For K: a segment register (0 ES .. 5 GS) instead of a GPR. */
  readonly segment?: boolean;
  /** Memory operand's size differs from the register's: MOVD/PINSRW/MOVSS style, bits in memory. */
  readonly memBits?: number;
}
const op = (method: Method, type: OperandType, memBits?: number): OperandSpec =>
  memBits === undefined ? { method, type } : { method, type, memBits };
const fixed = (n: number, type: OperandType): OperandSpec => ({ method: 'K', type, fixed: n });

export const Eb = op('E', 'b'),
  Ew = op('E', 'w'),
  Ed = op('E', 'd'),
  Eq = op('E', 'q'),
  Ev = op('E', 'v'),
  Ey = op('E', 'y'),
  Ez = op('E', 'z');
/** Operand-sized register or 16-bit memory (MOV r/m,Sreg; SMSW; LAR). */
export const Ev_w = op('E', 'v', 16);
/** Natural-size register or 8/16-bit memory (PEXTRB, PEXTRW). */
export const Ed_b = op('E', 'd', 8),
  Ed_w = op('E', 'd', 16),
  Ey_b = op('E', 'y', 8),
  Ey_w = op('E', 'y', 16);
export const Ec = op('E', 'c');
export const Gb = op('G', 'b'),
  Gw = op('G', 'w'),
  Gd = op('G', 'd'),
  Gq = op('G', 'q'),
  Gv = op('G', 'v'),
  Gy = op('G', 'y'),
  Gc = op('G', 'c'),
  Gz = op('G', 'z');
export const Ib = op('I', 'b'),
  Iw = op('I', 'w'),
  Id = op('I', 'd'),
  Iz = op('I', 'z'),
  Iv = op('I', 'v'),
  Isb = op('I', 'sb');
export const Jb = op('J', 'b'),
  Jz = op('J', 'z');
export const M = op('M', 'm'),
  Mb = op('M', 'b'),
  Mw = op('M', 'w'),
  Md = op('M', 'd'),
  Mq = op('M', 'q'),
  Mdq = op('M', 'dq'),
  Mt = op('M', 't'),
  Mp = op('M', 'p'),
  Ms = op('M', 's'),
  Ma = op('M', 'a'),
  Mv = op('M', 'v'),
  My = op('M', 'y');
export const Rv = op('R', 'v'),
  Rd = op('R', 'd'),
  Rc = op('R', 'c'),
  Ry = op('R', 'y'),
  Rw = op('R', 'w');
export const Ob = op('O', 'b'),
  Ov = op('O', 'v');
export const Zb = op('Z', 'b'),
  Zv = op('Z', 'v'),
  Zy = op('Z', 'y');
export const Cc = op('C', 'c'),
  Dc = op('D', 'c'),
  Sw = op('S', 'w');
export const Pq = op('P', 'q'),
  Pd = op('P', 'd'),
  Qq = op('Q', 'q'),
  Qd = op('Q', 'q', 32),
  Nq = op('N', 'q');
export const Vdq = op('V', 'dq');
export const Wdq = op('W', 'dq'),
  Wq = op('W', 'dq', 64),
  Wd = op('W', 'dq', 32),
  Ww = op('W', 'dq', 16);
export const Udq = op('U', 'dq');
export const Ap = op('A', 'p');
export const Xb = op('X', 'b'),
  Xv = op('X', 'v'),
  Yb = op('Y', 'b'),
  Yv = op('Y', 'v');
export const STi = op('F', 't');
/** ST(0) as a fixed operand: kind x87, register number 0. */
export const ST0 = fixed(0, 't');
export const AL = fixed(0, 'b'),
  CL = fixed(1, 'b'),
  AX = fixed(0, 'w'),
  DX = fixed(2, 'w'),
  rAX = fixed(0, 'v'),
  eAX = fixed(0, 'z');
export const segmentOperand = (n: number): OperandSpec => ({ method: 'K', type: 'w', fixed: n, segment: true });
export const One = op('ONE', 'b');
