// A profile as folded stacks, the input of flame-graph programs: 'outer;inner;innermost count', one line per stack.
import type { ProfileBatch, ProfileSample } from '../../machine/index.js';
import type { SymbolTable } from './symbols.js';

export interface FoldOptions {
  /** First frame of every line. */
  readonly name: string;
  /** Names of addresses; earlier tables come first, then the names of the batch. */
  readonly symbols?: readonly SymbolTable[];
}

/** Ring 0 to 2 is the system; each address space of ring 3 is a program. */
const space = (s: ProfileSample): string => (s.cpl < 3 ? 'kernel' : `user ${s.cr3}`);
/** What has no name is told by its page. */
const pageOf = (address: string): string => `[0x${(BigInt(address) & ~0xfffn).toString(16)}]`;

function nameOf(address: string, caller: boolean, batch: ProfileBatch, tables: readonly SymbolTable[]): string {
  // A return address may be the first byte of the next function.
  const place = BigInt(address) - (caller ? 1n : 0n);
  for (const t of tables) {
    const name = t.nameOf(place);
    if (name !== null) return name;
  }
  return batch.names[address] ?? pageOf(address);
}
/** Semicolons and line ends would end a frame. */
const clean = (name: string): string => name.replace(/[;\n\r]/g, '_');

/** The lines of a folded file, the most frequent first. */
export function foldProfile(batch: ProfileBatch, options: FoldOptions): string[] {
  const counts = new Map<string, number>();
  for (const s of batch.samples) {
    const frames = s.frames.map((a, n) => clean(nameOf(a, n > 0, batch, options.symbols ?? []))).reverse();
    const stack = [clean(options.name), space(s), ...frames].join(';');
    counts.set(stack, (counts.get(stack) ?? 0) + s.count);
  }
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([stack, n]) => `${stack} ${n}`);
}

/** Functions by the samples that found them innermost. */
export function topFunctions(
  batch: ProfileBatch,
  options: FoldOptions,
): { name: string; space: string; count: number }[] {
  const counts = new Map<string, { name: string; space: string; count: number }>();
  for (const s of batch.samples) {
    const name = clean(nameOf(s.frames[0] as string, false, batch, options.symbols ?? []));
    const where = space(s);
    const key = `${where};${name}`;
    const present = counts.get(key);
    if (present === undefined) counts.set(key, { name, space: where, count: s.count });
    else present.count += s.count;
  }
  return [...counts.values()].sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
}
