// Every declared instruction.
import type { Instruction } from './declare.js';
import { ARITHMETIC } from './insns/arithmetic.js';
import { CONTROL_FLOW } from './insns/control-flow.js';
import { LOGIC } from './insns/logic.js';
import { MOVE } from './insns/move.js';
import { STACK } from './insns/stack.js';

export const INTEGER_INSTRUCTIONS: readonly Instruction[] = [
  ...MOVE,
  ...ARITHMETIC,
  ...LOGIC,
  ...STACK,
  ...CONTROL_FLOW,
];
export const ALL_INSTRUCTIONS: readonly Instruction[] = [...INTEGER_INSTRUCTIONS];
