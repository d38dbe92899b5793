// Comparisons as a picture (SVG 1.1): per program or per group of programs a bar for each peer, its time over QEMU's on a
// logarithmic scale. Bars to the left of the line are faster than QEMU; a tick is the target of Pcanel for the group.
import { GROUPS } from './programs.js';
import {
  type ClockOfHost,
  type Comparison,
  coresText,
  type GuestResult,
  groupRatio,
  type PeerResult,
  ratio,
} from './results.js';

const COLOURS: Readonly<Record<string, string>> = {
  'pcanel-real': '#1d6fb8',
  'pcanel-virtual': '#4d9221',
  'pcanel-first': '#a6c98d',
  v86: '#e08214',
  bochs: '#8073ac',
};
const colourOf = (p: PeerResult): string => COLOURS[p.peer] ?? '#b2182b';
const LEFT = 110;
const WIDTH = 820;
/** Behind the title. */
const LEGEND = 260;
/** Programs: one row each. Groups: a row with the geometric mean, or the worst program, of each. */
export type Rows = 'programs' | 'groups';
const PLOT = WIDTH - LEFT - 60;
const BAR = 9;
/** The axis goes from 1/OCTAVES to OCTAVES, in powers of two. */
const OCTAVES = 5;

const markup = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
/** Where a ratio is on the axis; beyond its ends at its ends. */
const x = (r: number): number =>
  LEFT + (PLOT * (Math.max(-OCTAVES, Math.min(OCTAVES, Math.log2(r))) + OCTAVES)) / (2 * OCTAVES);

interface Row {
  readonly name: string;
  readonly ratios: readonly (number | null)[];
  readonly target: number | null;
}
function rowsOf(shown: readonly PeerResult[], base: PeerResult, clock: ClockOfHost, rows: Rows): Row[][] {
  return GROUPS.map((group) => {
    const list: Row[] =
      rows === 'groups'
        ? [
            {
              name: group.name,
              ratios: shown.map((p) => groupRatio(p, base, group, clock)),
              target: group.targetQemu,
            },
          ]
        : group.programs.map((program) => ({
            name: program,
            ratios: shown.map((p) => ratio(p, base, program, clock)),
            target: null,
          }));
    return list.filter((row) => row.ratios.some((r) => r !== null));
  });
}

function panel(
  title: string,
  guest: GuestResult,
  base: PeerResult,
  clock: ClockOfHost,
  rows: Rows,
  top: number,
): { svg: string; bottom: number } {
  const shown = guest.peers.filter((p) => p !== base);
  const out: string[] = [
    `<text x="12" y="${top + 14}" font-weight="bold">${markup(title)}, time over ${markup(base.label)}'s</text>`,
  ];
  shown.forEach((p, n) => {
    const at = LEGEND + n * Math.min(115, (WIDTH - LEGEND) / shown.length);
    out.push(`<rect x="${at}" y="${top + 5}" width="10" height="10" fill="${colourOf(p)}"/>`);
    out.push(`<text x="${at + 15}" y="${top + 14}">${markup(p.label)}</text>`);
  });
  let y = top + 34;
  const first = y;
  for (const group of rowsOf(shown, base, clock, rows)) {
    for (const row of group) {
      out.push(`<text x="${LEFT - 8}" y="${y + (BAR * shown.length) / 2 + 4}" text-anchor="end">${row.name}</text>`);
      row.ratios.forEach((r, n) => {
        if (r === null || r <= 0) return;
        const [a, b] = [Math.min(x(1), x(r)), Math.max(x(1), x(r))];
        const at = y + n * BAR;
        const colour = colourOf(shown[n] as PeerResult);
        out.push(
          `<rect x="${a.toFixed(1)}" y="${at}" width="${Math.max(1, b - a).toFixed(1)}" height="${BAR - 1}" fill="${colour}"/>`,
        );
        const label = r < 1 ? `x="${(a - 3).toFixed(1)}" text-anchor="end"` : `x="${(b + 3).toFixed(1)}"`;
        out.push(`<text ${label} y="${at + BAR - 1}" font-size="9">${r.toFixed(2)}</text>`);
      });
      const bottom = y + BAR * shown.length;
      if (row.target !== null) {
        const at = x(row.target).toFixed(1);
        out.push(`<line x1="${at}" x2="${at}" y1="${y - 2}" y2="${bottom + 1}" stroke="#000" stroke-width="2"/>`);
      }
      y = bottom + 5;
    }
    y += 4;
  }
  for (let n = -OCTAVES; n <= OCTAVES; n++) {
    const at = x(2 ** n).toFixed(1);
    const strong = n === 0 ? 'stroke="#333" stroke-width="1.5"' : 'stroke="#ddd"';
    out.unshift(`<line x1="${at}" x2="${at}" y1="${first - 4}" y2="${y}" ${strong}/>`);
    out.push(
      `<text x="${at}" y="${y + 12}" text-anchor="middle" font-size="9">${n < 0 ? `1/${2 ** -n}` : 2 ** n}</text>`,
    );
  }
  return { svg: out.join('\n'), bottom: y + 28 };
}

/** The picture of comparisons on one computer, or null without QEMU to compare with. */
export function chartSvg(list: readonly Comparison[], clock: ClockOfHost, rows: Rows): string | null {
  const parts: string[] = [];
  let y = 30;
  for (const c of list) {
    for (const guest of c.guests) {
      const base = guest.peers.find((p) => p.peer === 'qemu');
      if (base === undefined) continue;
      const { svg, bottom } = panel(`${guest.bits}-bit guest, ${coresText(c)}`, guest, base, clock, rows, y);
      parts.push(svg);
      y = bottom + 10;
    }
  }
  const [first] = list;
  if (parts.length === 0 || first === undefined) return null;
  const unit = clock === 'wall' ? 'host seconds' : 'processor seconds';
  const title = `${first.host.date.slice(0, 10)}, ${first.host.cpu}, medians, ${unit}${rows === 'groups' ? '; black ticks: targets' : ''}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${y}" fill="#fff"/>`,
    `<text x="12" y="20" font-size="11" fill="#555">${markup(title)}</text>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}
