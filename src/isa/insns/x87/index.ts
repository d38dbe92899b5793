// x87 FPU instructions: D8H..DFH. Intel SDM Vol. 1, ch. 8 "Programming with the x87 FPU"; Vol. 2A.
import type { Instruction } from '../../declare.js';
import { ARITHMETIC } from './arithmetic.js';
import { CONTROL } from './control.js';
import { TRANSFER } from './transfer.js';

export const X87_INSTRUCTIONS: readonly Instruction[] = [...ARITHMETIC, ...TRANSFER, ...CONTROL];
