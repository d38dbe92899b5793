// Prints core/numerics/f80-tables.ts from the bigint functions; a test checks that the file still says the same.
import { atanKernel, cosine, exp2, fixedDiv, fixedMul, LN2, log2, P, PI, sinKernel } from './real.js';

const ONE = 1n << BigInt(P);
/** floor(value * 2^bits) of a fixed-point value, as two 64-bit words (two's complement). */
function words(value: bigint, bits: number): [bigint, bigint] {
  const v = BigInt.asUintN(128, value >> BigInt(P - bits));
  return [v >> 64n, v & 0xffffffffffffffffn];
}
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const ratio = (n: number, d: number): bigint => (BigInt(n) * ONE) / BigInt(d);

/** The tables by name: what one entry holds, and the entries' words. */
export function floatTables(): Record<string, { about: string; words: bigint[] }> {
  const factorials = [1n];
  for (let n = 1n; n <= 13n; n++) factorials.push(factorials.at(-1)! * n);
  return {
    SIN_COS: {
      about: 'sin(k / 256), cos(k / 256), k = 0..204, 128 fraction bits (cos 0 just below 1)',
      words: range(0, 204).flatMap((k) => {
        const x = ratio(k, 256);
        const c = cosine(x);
        return [...words(fixedMul(x, sinKernel(x)), 128), ...words(k === 0 ? ONE - 1n : c, 128)];
      }),
    },
    EXP2: {
      about: '2^(k / 64), k = -64..64, 126 fraction bits',
      words: range(-64, 64).flatMap((k) =>
        words(k % 64 === 0 ? (k < 0 ? ONE / 2n : k === 0 ? ONE : 2n * ONE) : exp2(ratio(k, 64)), 126),
      ),
    },
    LOG2: {
      about: 'c = 128 / k with 31 fraction bits and -log2(c) with 112 fraction bits, k = 91..181',
      words: range(91, 181).flatMap((k) => {
        const c = ((1n << 39n) / BigInt(k) + 1n) >> 1n;
        return [c, ...words(c === 1n << 31n ? 0n : -log2((c * ONE) >> 31n), 112)];
      }),
    },
    ATAN: {
      about: 'atan(k / 64), k = 0..64, 128 fraction bits',
      words: range(0, 64).flatMap((k) => words(fixedMul(ratio(k, 64), atanKernel(ratio(k, 64))), 128)),
    },
    FACTORIAL: {
      about: '1 / n!, n = 2..13, 128 fraction bits',
      words: range(2, 13).flatMap((n) => words(ONE / factorials[n]!, 128)),
    },
    INVERSE: {
      about: '1 / n, n = 2..17, 128 fraction bits',
      words: range(2, 17).flatMap((n) => words(ratio(1, n), 128)),
    },
    CONSTANTS: {
      about: 'pi and ln 2 with 126 and 128, log2 e with 127, 2 / pi with 64 fraction bits',
      words: [
        ...words(PI, 126),
        ...words(LN2, 128),
        ...words(fixedDiv(ONE, LN2), 127),
        fixedDiv(2n * ONE, PI) >> BigInt(P - 64),
      ],
    },
  };
}

export function printFloatTables(): string {
  const lines = [
    '// Tables of the transcendental procedures, printed by processor/reference/print-float-tables.ts; high word first.',
  ];
  for (const [name, table] of Object.entries(floatTables())) {
    lines.push(`/** ${table.about} */`, `export const ${name} = memory.data<u64>([`);
    const text = table.words.map((w) => `0x${w.toString(16).padStart(16, '0')},`);
    for (let i = 0; i < text.length; i += 4) lines.push(`  ${text.slice(i, i + 4).join(' ')}`);
    lines.push(']);');
  }
  return `${lines.join('\n')}\n`;
}
