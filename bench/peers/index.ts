// npm run bench -- --peers: the same guests in Pcanel and its peers, one after the other; see bench/README.md.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cacheFolder } from '../../src/apps/testing.js';
import { kickSection } from '../kick.js';
import { hostDetails, printSection, type Section } from '../output.js';
import { parallelSection } from '../parallel.js';
import { scalingSection } from '../scaling.js';
import { chartSvg } from './chart.js';
import { type Bits, buildGuest, nativeResults, repository } from './guest.js';
import { PCANEL_RUNS, PEERS, type Peer, pcanel, type ReadyPeer } from './peers.js';
import { PROGRAMS } from './programs.js';
import { publish } from './publish.js';
import type { Published } from './published.js';
import { reportText } from './report.js';
import { addBoot, type ClockOfHost, type Comparison, emptyResult, type GuestResult } from './results.js';
import { type BootRun, runBoot } from './run.js';

const DEFAULT_ONLY = PEERS.map((p) => p.name);
export const PEERS_USAGE = `usage: npm run bench -- --peers [--only ${PEERS.map((p) => p.name).join(',')}|none] [--bits 32,64] [--programs a,b]
  [--boots N] [--cores 1,2] [--time real,virtual,first] [--div N] [--clock wall|cpu] [--silence SECONDS] [--table FILE] [--json FILE]
  [--from FILE.json,...] [--sections kick,scaling,parallel|none] [--publish]`;

interface Options {
  readonly peers: readonly Peer[];
  readonly bits: readonly Bits[];
  readonly programs: readonly string[];
  readonly boots: number;
  readonly cores: readonly (number | null)[];
  readonly divisor: number;
  readonly clock: ClockOfHost;
  readonly silenceS: number;
  readonly table: string | undefined;
  readonly json: string | undefined;
  /** Results measured before, shown in place of a run. */
  readonly from: readonly string[];
  readonly sections: readonly SectionName[];
  readonly publish: boolean;
}

/** What is measured beside the comparison, with how many runs. */
const SECTIONS = { kick: kickSection, scaling: scalingSection, parallel: parallelSection } as const;
type SectionName = keyof typeof SECTIONS;
const SECTION_NAMES = Object.keys(SECTIONS) as SectionName[];
/** A published comparison tells one core and two cores apart. */
const PUBLISHED_CORES = '1,2';

function listOf<T extends string>(text: string, option: string, known: readonly T[]): T[] {
  const words = text.split(',').filter((w) => w !== '');
  for (const w of words)
    if (!(known as readonly string[]).includes(w))
      throw new RangeError(`--${option}: '${w}', expected ${known.join(', ')}`);
  if (words.length === 0) throw new RangeError(`--${option} is empty, expected ${known.join(', ')}`);
  return words as T[];
}
function numberOf(text: string, option: string, low: number, high: number): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < low || n > high)
    throw new RangeError(`--${option} ${text}: expected ${low} to ${high}`);
  return n;
}

function options(args: readonly string[]): Options {
  const text = (value?: string): { type: 'string'; default?: string } =>
    value === undefined ? { type: 'string' } : { type: 'string', default: value };
  const { values: v } = parseArgs({
    args: [...args],
    options: {
      only: text(DEFAULT_ONLY.join(',')),
      bits: text('64,32'),
      programs: text(PROGRAMS.join(',')),
      boots: text('3'),
      cores: text(),
      time: text(PCANEL_RUNS.join(',')),
      div: text('1'),
      clock: text('wall'),
      silence: text('300'),
      table: text(),
      json: text(),
      from: text(),
      sections: text(),
      publish: { type: 'boolean', default: false },
    },
  });
  const sections = v.sections ?? (v.publish === true ? SECTION_NAMES.join(',') : 'none');
  const cores = v.cores ?? (v.publish === true ? PUBLISHED_CORES : undefined);
  const names = PEERS.map((p) => p.name);
  const only = v.only === 'none' ? [] : listOf(v.only as string, 'only', names);
  const times = listOf(v.time as string, 'time', PCANEL_RUNS);
  return {
    peers: [...PEERS.filter((p) => only.includes(p.name)), ...times.map(pcanel)],
    bits: listOf(v.bits as string, 'bits', ['32', '64']),
    programs: listOf(v.programs as string, 'programs', PROGRAMS),
    boots: numberOf(v.boots as string, 'boots', 1, 100),
    cores: cores === undefined ? [null] : cores.split(',').map((c) => numberOf(c, 'cores', 1, 64)),
    divisor: numberOf(v.div as string, 'div', 1, 10000),
    clock: listOf(v.clock as string, 'clock', ['wall', 'cpu'])[0] as ClockOfHost,
    silenceS: numberOf(v.silence as string, 'silence', 1, 100000),
    table: v.table,
    json: v.json,
    from: v.from === undefined ? [] : v.from.split(',').filter((f) => f !== ''),
    sections: sections === 'none' ? [] : listOf(sections, 'sections', SECTION_NAMES),
    publish: v.publish === true,
  };
}

const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

interface Prepared {
  readonly peer: Peer;
  readonly ready: ReadyPeer;
}

/** One comparison with a number of cores; boots alternate between the peers, so that a busy host disturbs all alike. */
async function compare(o: Options, prepared: readonly Prepared[], cores: number | null): Promise<GuestResult[]> {
  const guests: GuestResult[] = [];
  for (const bits of o.bits) {
    const guest = await buildGuest(bits, join(cacheFolder(), 'bench'), o.programs, o.divisor);
    const native = Object.fromEntries(await nativeResults(guest, 3));
    const able = prepared.filter(({ peer }) => peer.bits.includes(bits));
    const result: GuestResult = {
      bits,
      kernel: guest.kernelSource,
      native,
      peers: able.map(({ peer, ready }) => emptyResult(peer.name, ready.label, ready.version)),
    };
    const boot = async ({ ready }: Prepared): Promise<BootRun> =>
      runBoot(await ready.command(guest), { cores, silenceS: o.silenceS }, guest.programs);
    for (const p of able) if (p.peer.warmsUp === true) await boot(p);
    for (let n = 0; n < o.boots; n++) {
      for (const [i, p] of able.entries()) {
        if (n >= (p.peer.boots ?? o.boots)) continue;
        const to = result.peers[i] as GuestResult['peers'][number];
        const measured = await boot(p);
        addBoot(to, measured, native);
        const total = [...measured.programs.values()].reduce((sum, { seconds }) => sum + seconds, measured.bootSeconds);
        say(`${bits}-bit boot ${n + 1} of ${o.boots}: ${to.label}: ${measured.failure ?? `${total.toFixed(1)} s`}`);
      }
    }
    guests.push(result);
  }
  return guests;
}

/** Boots everything that `o` asks for. */
async function measure(o: Options, command: string): Promise<Comparison[]> {
  const skipped: string[] = [];
  const prepared: Prepared[] = [];
  for (const peer of o.peers) {
    try {
      prepared.push({ peer, ready: await peer.prepare(join(cacheFolder(), 'bench')) });
    } catch (error) {
      skipped.push(`${peer.name}: ${reason(error)}`);
      say(`${peer.name} skipped: ${reason(error)}`);
    }
  }
  const all: Comparison[] = [];
  for (const cores of o.cores) {
    const host = hostDetails();
    const guests = await compare(o, prepared, cores);
    all.push({ host, command, cores, boots: o.boots, divisor: o.divisor, guests, skipped });
  }
  return all;
}

interface Results {
  readonly comparisons: Comparison[];
  readonly sections: readonly Section[];
}
/** What earlier runs have written: a list of comparisons, or a published file. */
function readResults(files: readonly string[]): Results {
  const all = files.map((file): Results => {
    let parsed: unknown;
    try {
      parsed = JSON.parse(readFileSync(file, 'utf8'));
    } catch (error) {
      throw new RangeError(`--from ${file}: ${reason(error)}`);
    }
    const { comparisons, sections } = (Array.isArray(parsed) ? { comparisons: parsed } : parsed) as Partial<Published>;
    if (!Array.isArray(comparisons) || !comparisons.every((c) => Array.isArray(c?.guests)))
      throw new RangeError(`--from ${file}: expected results of 'npm run bench -- --peers'`);
    return { comparisons: comparisons as Comparison[], sections: sections ?? [] };
  });
  return { comparisons: all.flatMap((r) => r.comparisons), sections: all.flatMap((r) => r.sections) };
}

/** Runs `--peers` with its arguments. */
export async function peersMain(args: readonly string[]): Promise<void> {
  const o = options(args);
  const command = `npm run bench -- --peers ${args.join(' ')}`.trimEnd();
  const earlier = readResults(o.from);
  const all = o.from.length > 0 ? earlier.comparisons : await measure(o, command);
  const text = all.map((c) => reportText(c, o.clock)).join('\n');
  process.stdout.write(text);
  const folder = join(repository, 'bench/results');
  mkdirSync(folder, { recursive: true });
  const name = `peers-${new Date().toISOString().replace(/[:.]/g, '-')}`;
  writeFileSync(o.json ?? join(folder, `${name}.json`), `${JSON.stringify(all, null, 1)}\n`);
  writeFileSync(join(folder, `${name}.txt`), text);
  for (const c of all) {
    const svg = chartSvg([c], o.clock, 'programs');
    if (svg !== null) writeFileSync(join(folder, `${name}-${c.cores ?? 'all'}-cores.svg`), svg);
  }
  if (o.table !== undefined) writeFileSync(o.table, text);
  say(`results in bench/results/${name}.*`);
  const sections: Section[] = [];
  for (const section of o.sections) {
    const measured = await SECTIONS[section](o.boots);
    printSection(measured);
    sections.push(measured);
  }
  if (o.publish) {
    const kept = earlier.sections.filter((s) => !sections.some((m) => m.name === s.name));
    const commands = [...new Set(all.map((c) => c.command))].join(' and ');
    const measured = { command: commands, clock: o.clock, comparisons: all, sections: [...kept, ...sections] };
    for (const line of await publish(repository, measured)) say(line);
  }
}
