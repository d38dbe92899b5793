// The published results: README.md's section made from bench/results/latest.json, and where it stands in the file.
import type { Figure, Section } from '../output.js';
import { GROUPS } from './programs.js';
import {
  type ClockOfHost,
  type Comparison,
  coresText,
  type GuestResult,
  groupRatio,
  overallRatio,
  type PeerResult,
  targetOf,
  timeOf,
  virtualCost,
} from './results.js';

/** What bench/results/latest.json holds. */
export interface Published {
  readonly command: string;
  readonly clock: ClockOfHost;
  readonly comparisons: readonly Comparison[];
  readonly sections: readonly Section[];
}

const BEGIN = '<!-- bench:begin (npm run bench -- --peers --publish) -->';
const END = '<!-- bench:end -->';

const two = (v: number | null): string => (v === null ? '-' : v.toFixed(2));
const seconds = (v: number | null): string => (v === null ? '-' : v < 1 ? v.toFixed(2) : v.toFixed(1));
const tableRow = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
/** A ratio, in bold where it misses its target. */
const judged = (r: number | null, target: number | null): string =>
  r !== null && target !== null && r > target ? `**${two(r)}**` : two(r);

/** Seconds of all programs of a group, null where one is missing. */
function groupSeconds(peer: PeerResult, programs: readonly string[], clock: ClockOfHost): number | null {
  const times = programs.map((p) => timeOf(peer, p, clock));
  return times.reduce<number | null>((sum, t) => (sum === null || t === null ? null : sum + t), 0);
}

function guestTable(guest: GuestResult, clock: ClockOfHost): string[] {
  const ours = guest.peers.filter((p) => p.peer.startsWith('pcanel'));
  const others = guest.peers.filter((p) => !p.peer.startsWith('pcanel'));
  const short = (p: PeerResult): string => p.label.replace('Pcanel ', '');
  const columns = others.flatMap((b) => [
    ...ours.map((a) => `${short(a)} / ${b.label}`),
    ...(GROUPS.some((g) => targetOf(g, b.peer) !== null) ? ['target'] : []),
  ]);
  const lines = [
    tableRow(['', ...guest.peers.map((p) => `${p.label}, s`), ...columns]),
    tableRow(['---', ...guest.peers.map(() => '---:'), ...columns.map(() => '---:')]),
  ];
  for (const group of GROUPS) {
    const ran = group.programs.filter((p) => guest.peers.some((peer) => timeOf(peer, p, clock) !== null));
    if (ran.length === 0) continue;
    lines.push(
      tableRow([
        group.each ? `${group.name} (worst)` : group.name,
        ...guest.peers.map((p) => seconds(groupSeconds(p, ran, clock))),
        ...others.flatMap((b) => {
          const target = targetOf(group, b.peer);
          const ratios = ours.map((a) => judged(groupRatio(a, b, group, clock), target));
          return target === null ? ratios : [...ratios, `≤ ${target}`];
        }),
      ]),
    );
  }
  lines.push(
    tableRow([
      'all, geometric mean',
      ...guest.peers.map(() => ''),
      ...others.flatMap((b) => {
        const ratios = ours.map((a) => two(overallRatio(a, b, clock)));
        return targetOf(GROUPS[0] as (typeof GROUPS)[number], b.peer) === null ? ratios : [...ratios, ''];
      }),
    ]),
  );
  return lines;
}

const figureText = (f: Figure): string => {
  const number = (v: number): string => (v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v.toFixed(2));
  return `${number(f.median)} ${f.unit}${f.runs > 1 ? ` (${number(f.min)} to ${number(f.max)})` : ''}`;
};

/** The section's lines between its markers. */
export function publishedSection(p: Published): string {
  const [first] = p.comparisons;
  if (first === undefined) throw new RangeError('nothing to publish: no comparison');
  const { host } = first;
  const notes = [...new Set(p.comparisons.flatMap((c) => c.skipped))].map((s) => `Left out: ${s}.`);
  const wrong = p.comparisons.flatMap((c) =>
    c.guests.flatMap((g) =>
      g.peers.flatMap((peer) => [
        ...peer.wrong.map((w) => `${peer.label}, ${g.bits}-bit guest: wrong checksum of ${w}.`),
        ...peer.failures.map((f) => `${peer.label}, ${g.bits}-bit guest: ${f}.`),
      ]),
    ),
  );
  const unit = p.clock === 'wall' ? 'Host seconds' : 'Processor seconds of all threads';
  const boots = [...new Set(p.comparisons.map((c) => c.boots))];
  const divided = first.divisor === 1 ? '' : `, work divided by ${first.divisor}`;
  const hasFirst = first.guests.some((g) => g.peers.some((peer) => peer.peer === 'pcanel-first'));
  const firstRuns = hasFirst
    ? ' *Real* and *virtual*: Pcanel with that clock, after a boot of the same guest that is not measured; *first run*: virtual time with nothing kept from earlier runs.'
    : '';
  const load = p.comparisons.map((c) => c.host.loadAverage.toFixed(1)).join(' and ');
  const lines = [
    `Measured ${host.date.slice(0, 10)} with \`${p.command}\` on ${host.cpu} (${host.cores} cores, ${(host.memoryMib / 1024).toFixed(0)} GiB, Node.js ${host.node}, load average before ${load}).`,
    `${unit}, medians of ${boots.join(' and ')} boot${boots.join() === '1' ? '' : 's'} (Bochs: one)${divided}; the same bytes for all, checksums equal to native runs. Ratios are geometric means of the group's programs; in **bold** what misses its target. Every program: [bench/results/latest.txt](bench/results/latest.txt).${firstRuns}`,
    '',
    "![Time over QEMU's, by group](bench/results/latest.png)",
  ];
  for (const c of p.comparisons)
    for (const guest of c.guests) {
      lines.push('', `**${guest.bits}-bit guest, ${coresText(c)}**`, '', ...guestTable(guest, p.clock));
      const cost = virtualCost(guest, p.clock);
      if (cost !== null)
        lines.push(
          '',
          `Virtual time takes ${two(cost.mean)} of real time's (target ≤ 1.3), at most ${two(cost.worstRatio)} (${cost.worst}).`,
        );
    }
  for (const section of p.sections) {
    lines.push('', `**${section.name}**`, '', tableRow(['', 'median']), tableRow(['---', '---:']));
    for (const f of section.figures) lines.push(tableRow([f.name, figureText(f)]));
  }
  const rest = [...notes, ...wrong];
  if (rest.length > 0) lines.push('', ...rest);
  return lines.join('\n');
}

/** `text` with the section between its markers replaced; throws where the markers are missing. */
export function withSection(text: string, section: string): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new RangeError(`README.md has no '${BEGIN}' before '${END}'`);
  return `${text.slice(0, begin + BEGIN.length)}\n${section}\n${text.slice(end)}`;
}
