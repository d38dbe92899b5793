// SSE, SSE2, SSE3, SSSE3, SSE4.1, SSE4.2, AES-NI, PCLMULQDQ and SHA on XMM registers. Intel SDM Vol. 1, ch. 10 to
// 12; Vol. 2, "Instruction Set Reference".
import type { Instruction } from '../../declare.js';
import { CONVERSIONS } from './convert.js';
import { FLOAT } from './float.js';
import { INTEGER } from './integer.js';
import { MOVES } from './moves.js';
import { STRINGS_AND_CRYPTO } from './strings-and-crypto.js';

export const SSE_INSTRUCTIONS: readonly Instruction[] = [
  ...MOVES,
  ...FLOAT,
  ...CONVERSIONS,
  ...INTEGER,
  ...STRINGS_AND_CRYPTO,
];
