// Every procedure that semantics or emitted code may call.

import { type Procedure, SYSTEM_PROCEDURES } from './procedures.js';
import { FLOAT_PROCEDURES } from './procedures-float.js';

/** Procedures of the emitters themselves. */
const ENGINE_PROCEDURES: Record<string, Procedure> = {
  // segment, offset, size in bytes, 1 for a write: linear address into eaTmp
  segment_address: { params: ['i32', 'i64', 'i32', 'i32'], effect: 'fault' },
};
export const PROCEDURES: Readonly<Record<string, Procedure>> = {
  ...SYSTEM_PROCEDURES,
  ...FLOAT_PROCEDURES,
  ...ENGINE_PROCEDURES,
};
