// `pcanel profile NAME` and `run --profile`: where a guest spends its instructions, as folded stacks for flame graphs.

import { ConfigError } from '../../base/index.js';
import { foldProfile, parseSymbols, type SymbolTable, topFunctions } from '../../domains/index.js';
import {
  DEFAULT_EVERY_TICKS,
  MIN_EVERY_TICKS,
  type ProfileBatch,
  type ProfileOptions,
  type StackMode,
} from '../../machine/index.js';
import { askProfile } from './control-socket.js';
import { writeOutput } from './output.js';
import { ExitCode } from './report.js';
import { readInput } from './resolve.js';
import { parseNumber } from './values.js';

export interface ProfileFlags {
  readonly seconds?: string;
  readonly every?: string;
  readonly stack?: StackMode;
  readonly symbols?: string[];
  readonly output?: string;
  readonly top?: string;
}

const MAX_SECONDS = 1e6;
const MAX_EVERY = 1e12;
const DEFAULT_SECONDS = '10';
const DEFAULT_TOP = '20';

/** Options of sampling as the engine takes them. */
export const samplingOf = (flags: Pick<ProfileFlags, 'every' | 'stack'>): ProfileOptions => ({
  everyTicks:
    flags.every === undefined ? DEFAULT_EVERY_TICKS : parseNumber(flags.every, '--every', MIN_EVERY_TICKS, MAX_EVERY),
  stack: flags.stack ?? 'frame',
});

/** FILE or FILE@0xBASE. */
export async function readSymbols(texts: readonly string[]): Promise<SymbolTable[]> {
  const tables: SymbolTable[] = [];
  for (const text of texts) {
    const m = /^(.*)@(0x[0-9a-fA-F]+)$/.exec(text);
    const path = m?.[1] ?? text;
    const { data } = await readInput(path, 'a symbol file (ELF, System.map or kallsyms)', {
      folder: process.cwd(),
    });
    tables.push(parseSymbols(data, path, m === null ? 0n : BigInt(m[2] as string)));
  }
  return tables;
}

/** Where the samples are, in a few lines. */
export function profileSummary(
  batch: ProfileBatch,
  name: string,
  symbols: readonly SymbolTable[],
  top: number,
): string {
  const { total } = batch;
  const lost = batch.lost > 0 ? `, ${batch.lost} lost` : '';
  const lines = [`${name}: ${total} samples${lost} over ${(batch.ticks / 1e6).toFixed(1)} million ticks`];
  const percent = (n: number): string => `${((100 * n) / Math.max(1, total)).toFixed(1)}%`.padStart(7);
  for (const f of topFunctions(batch, { name, symbols }).slice(0, top))
    lines.push(`${percent(f.count)}  ${f.name}${f.space === 'kernel' ? '' : `  (${f.space})`}`);
  return lines.join('\n');
}

/** Writes folded stacks to `output`, or to standard output when it is '-'. */
export async function writeProfile(
  batch: ProfileBatch,
  name: string,
  symbols: readonly SymbolTable[],
  output: string,
): Promise<void> {
  const text = foldProfile(batch, { name, symbols })
    .map((line) => `${line}\n`)
    .join('');
  if (output === '-') process.stdout.write(text);
  else await writeOutput(output, new TextEncoder().encode(text));
}

/** `pcanel profile NAME` */
export async function profile(name: string, flags: ProfileFlags, json: boolean): Promise<number> {
  const seconds = parseNumber(flags.seconds ?? DEFAULT_SECONDS, '--seconds', 0.001, MAX_SECONDS);
  const top = parseNumber(flags.top ?? DEFAULT_TOP, '--top', 0, 1e6);
  const sampling = samplingOf(flags);
  const symbols = await readSymbols(flags.symbols ?? []);
  let timer: NodeJS.Timeout | undefined;
  const batch = await askProfile(
    name,
    sampling,
    () =>
      new Promise<void>((resolve) => {
        process.stderr.write(`pcanel: profile of '${name}' for ${seconds} s; Ctrl-C ends it\n`);
        timer = setTimeout(resolve, seconds * 1000);
        process.once('SIGINT', () => resolve());
      }),
  );
  clearTimeout(timer);
  if (batch.total === 0) {
    const message = `'${name}' ran for ${batch.ticks} ticks meanwhile, too few for a sample, expected a busy guest, a smaller --every or more --seconds`;
    throw new ConfigError('PROFILE_EMPTY', message, { domain: name });
  }
  if (json) process.stdout.write(`${JSON.stringify(batch, null, 1)}\n`);
  else await writeProfile(batch, name, symbols, flags.output ?? '-');
  process.stderr.write(`${profileSummary(batch, name, symbols, top)}\n`);
  return ExitCode.OK;
}
