// The comparison as text: a row per program, a mean and the target per group, and what misses it.
import { GROUPS, LIMIT_QEMU } from './programs.js';
import {
  type ClockOfHost,
  type Comparison,
  coresText,
  type GuestResult,
  groupRatio,
  LIMIT_VIRTUAL,
  median,
  overallRatio,
  type PeerResult,
  ratio,
  targetOf,
  timeOf,
  tooSlow,
  virtualCost,
} from './results.js';

const secondsText = (v: number | null): string => (v === null ? '-' : v < 0.1 ? v.toFixed(3) : v.toFixed(2));
const ratioText = (v: number | null): string => (v === null ? '-' : v.toFixed(2));
export const isPcanel = (p: PeerResult): boolean => p.peer.startsWith('pcanel');
const REFERENCES = ['qemu', 'v86'];

function guestTable(guest: GuestResult, clock: ClockOfHost): string[] {
  const ours = guest.peers.filter(isPcanel);
  const references = guest.peers.filter((p) => REFERENCES.includes(p.peer));
  const pairs = ours.flatMap((a) => references.map((b) => ({ a, b })));
  const columns = ['native', ...guest.peers.map((p) => p.label), ...pairs.map(({ a, b }) => `${a.label}/${b.label}`)];
  const widths = columns.map((c) => Math.max(8, c.length));
  const row = (name: string, cells: readonly string[], note = ''): string =>
    `${name.padEnd(18)}${cells.map((c, i) => `  ${c.padStart(widths[i] as number)}`).join('')}${note}`.trimEnd();
  const lines = [row('', columns)];
  for (const group of GROUPS) {
    const programs = group.programs.filter((p) => guest.peers.some((peer) => timeOf(peer, p, clock) !== null));
    if (programs.length === 0) continue;
    for (const p of programs) {
      const slow = pairs.some(({ a, b }) => b.peer === 'qemu' && (ratio(a, b, p, clock) ?? 0) > LIMIT_QEMU);
      lines.push(
        row(
          p,
          [
            secondsText(guest.native[p]?.seconds ?? null),
            ...guest.peers.map((peer) => secondsText(timeOf(peer, p, clock))),
            ...pairs.map(({ a, b }) => ratioText(ratio(a, b, p, clock))),
          ],
          slow ? `  > ${LIMIT_QEMU}x QEMU` : '',
        ),
      );
    }
    const means = pairs.map(({ a, b }) => {
      const target = targetOf(group, b.peer);
      const mean = groupRatio(a, b, group, clock) ?? 0;
      return { mean, target };
    });
    const blank = ['', ...guest.peers.map(() => '')];
    lines.push(
      row(`= ${group.name}${group.each ? ' (worst)' : ''}`, [...blank, ...means.map((m) => ratioText(m.mean || null))]),
    );
    const verdicts = means.map(({ mean, target }) =>
      target === null || mean === 0 ? '' : `${mean <= target ? 'met' : 'MISSED'} ${target}`,
    );
    if (verdicts.some((v) => v !== '')) lines.push(row('', [...blank, ...verdicts]));
  }
  const overall = pairs.map(({ a, b }) => overallRatio(a, b, clock));
  if (overall.some((v) => v !== null))
    lines.push(row('= all', ['', ...guest.peers.map(() => ''), ...overall.map(ratioText)]));
  const peaks = guest.peers.map((p) => median(p.peakMib));
  lines.push(row('peak memory, MiB', ['', ...peaks.map((m) => (m === null ? '-' : m.toFixed(0)))]));
  return lines;
}

/** The whole comparison, `clock`: host seconds, or processor seconds of the peer's threads. */
export function reportText(c: Comparison, clock: ClockOfHost): string {
  const lines = [
    `${c.host.date}  ${c.host.cpu}, ${coresText(c)}, load average ${c.host.loadAverage.toFixed(1)}, Node.js ${c.host.node}`,
    `${c.command}`,
    `${clock === 'wall' ? 'host seconds' : 'processor seconds of all threads'}, median of ${c.boots} boots${c.divisor === 1 ? '' : `, work divided by ${c.divisor}`}`,
  ];
  if (clock === 'wall' && c.host.loadAverage > c.host.cores)
    lines.push(`${c.host.loadAverage.toFixed(0)} others wanted a processor meanwhile: --clock cpu tells more`);
  for (const guest of c.guests) {
    lines.push('', `${guest.bits}-bit guest, ${guest.kernel}`, ...guestTable(guest, clock));
    for (const p of guest.peers) {
      lines.push(`${p.label}: ${p.version}`);
      if (p.wrong.length > 0) lines.push(`${p.label}: CHECKSUM DIFFERS from the native one: ${p.wrong.join(', ')}`);
      for (const f of p.failures) lines.push(`${p.label}: FAILED: ${f}`);
    }
    const qemu = guest.peers.find((p) => p.peer === 'qemu');
    for (const p of qemu ? guest.peers.filter(isPcanel) : []) {
      const slow = tooSlow(p, qemu as PeerResult, clock);
      const list = slow.map((s) => `${s.program} ${s.ratio.toFixed(2)}`).join(', ');
      lines.push(`${p.label}: slower than ${LIMIT_QEMU}x QEMU: ${list || 'none'}`);
    }
    const bochs = guest.peers.find((p) => p.peer === 'bochs');
    for (const p of bochs ? guest.peers.filter(isPcanel) : [])
      lines.push(
        `${p.label}: ${ratioText(overallRatio(p, bochs as PeerResult, clock))} of Bochs' time (geometric mean)`,
      );
    const cost = virtualCost(guest, clock);
    if (cost !== null)
      lines.push(
        `virtual time costs ${cost.mean.toFixed(2)} of real time (geometric mean of the programs; ${cost.mean <= LIMIT_VIRTUAL ? 'met' : 'MISSED'} ${LIMIT_VIRTUAL}), at most ${cost.worstRatio.toFixed(2)} (${cost.worst})`,
      );
  }
  for (const s of c.skipped) lines.push(`skipped: ${s}`);
  return `${lines.join('\n')}\n`;
}
