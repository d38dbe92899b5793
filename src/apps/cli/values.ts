// Values as users write them: sizes, names that are nearly right.

import { ConfigError } from '../../base/index.js';

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** '256M', '1G', '65536': bytes; a multiple of 4096. `what` names the value in messages. */
export function parseSize(text: string | number, what: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?$/i.exec(String(text).trim());
  const bytes = match ? Number(match[1]) * (UNITS[(match[2] ?? '').toLowerCase()] ?? 1) : Number.NaN;
  if (!Number.isSafeInteger(bytes) || bytes <= 0 || bytes % 4096 !== 0) {
    throw new ConfigError('SIZE', `${what} is '${text}', expected a size such as 256M or 1G (a multiple of 4K)`, {
      value: String(text),
    });
  }
  return bytes;
}

/** A number within a range, from a command line. */
export function parseNumber(text: string, what: string, low: number, high: number): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < low || value > high) {
    throw new ConfigError('NUMBER', `${what} is '${text}', expected a number from ${low} to ${high}`, { value: text });
  }
  return value;
}

/** Edit distance (insert, delete, replace, swap neighbours). */
function distance(a: string, b: string): number {
  const d = Array.from({ length: a.length + 1 }, (_, i) => [i, ...Array.from({ length: b.length }, () => 0)]);
  for (let j = 0; j <= b.length; j++) (d[0] as number[])[j] = j;
  const at = (i: number, j: number): number => d[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, at(i - 2, j - 2) + 1);
      (d[i] as number[])[j] = best;
    }
  }
  return at(a.length, b.length);
}

/** The known name that `name` is most likely meant to be, or null. */
export function nearest(name: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let least = Math.floor(name.length / 3) + 1;
  for (const candidate of known) {
    const n = distance(name.toLowerCase(), candidate.toLowerCase());
    if (n < least) [best, least] = [candidate, n];
  }
  return best;
}

/** "did you mean" or the list of what is known. */
export function hint(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return near === null ? `expected one of: ${known.join(', ')}` : `did you mean '${near}'?`;
}
