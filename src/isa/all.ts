// Every declared instruction.
import type { Instruction } from './declare.js';
import { ARITHMETIC } from './insns/arithmetic.js';
import { BCD } from './insns/bcd.js';
import { BIT } from './insns/bit.js';
import { CONTROL_FLOW } from './insns/control-flow.js';
import { EXCHANGE } from './insns/exchange.js';
import { FLAGS } from './insns/flags.js';
import { LOGIC } from './insns/logic.js';
import { MISC } from './insns/misc.js';
import { MMX_INSTRUCTIONS } from './insns/mmx/index.js';
import { MOVE } from './insns/move.js';
import { MULTIPLY_DIVIDE } from './insns/multiply-divide.js';
import { SEGMENT } from './insns/segment.js';
import { SHIFT } from './insns/shift.js';
import { SSE_INSTRUCTIONS } from './insns/sse/index.js';
import { STACK } from './insns/stack.js';
import { STRING } from './insns/string.js';
import { SYSTEM } from './insns/system.js';
import { X87_INSTRUCTIONS } from './insns/x87/index.js';

/** General-purpose and system instructions. */
export const INTEGER_INSTRUCTIONS: readonly Instruction[] = [
  ...MOVE,
  ...ARITHMETIC,
  ...LOGIC,
  ...SHIFT,
  ...BIT,
  ...MULTIPLY_DIVIDE,
  ...EXCHANGE,
  ...BCD,
  ...FLAGS,
  ...STACK,
  ...CONTROL_FLOW,
  ...STRING,
  ...SEGMENT,
  ...SYSTEM,
  ...MISC,
];
export const ALL_INSTRUCTIONS: readonly Instruction[] = [
  ...INTEGER_INSTRUCTIONS,
  ...MMX_INSTRUCTIONS,
  ...SSE_INSTRUCTIONS,
  ...X87_INSTRUCTIONS,
];
