// The comparison as a picture (SVG 1.1): per program a bar for each peer, its time over QEMU's on a logarithmic scale.
// Bars to the left of the line are faster than QEMU.
import { GROUPS } from './programs.js';
import { type ClockOfHost, type Comparison, type GuestResult, type PeerResult, ratio } from './results.js';

const COLOURS = ['#1d6fb8', '#e08214', '#4d9221', '#8073ac', '#b2182b'];
const LEFT = 110;
const WIDTH = 820;
const PLOT = WIDTH - LEFT - 60;
const BAR = 9;
/** The axis goes from 1/OCTAVES to OCTAVES, in powers of two. */
const OCTAVES = 5;

const markup = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
/** Where a ratio is on the axis; beyond its ends at its ends. */
const x = (r: number): number =>
  LEFT + (PLOT * (Math.max(-OCTAVES, Math.min(OCTAVES, Math.log2(r))) + OCTAVES)) / (2 * OCTAVES);

function panel(guest: GuestResult, base: PeerResult, clock: ClockOfHost, top: number): { svg: string; bottom: number } {
  const shown = guest.peers.filter((p) => p !== base);
  const out: string[] = [
    `<text x="12" y="${top + 14}" font-weight="bold">${guest.bits}-bit guest, time over ${markup(base.label)}'s</text>`,
  ];
  shown.forEach((p, n) => {
    const at = 360 + n * 150;
    out.push(`<rect x="${at}" y="${top + 5}" width="10" height="10" fill="${COLOURS[n % COLOURS.length]}"/>`);
    out.push(`<text x="${at + 15}" y="${top + 14}">${markup(p.label)}</text>`);
  });
  let y = top + 34;
  const first = y;
  for (const group of GROUPS) {
    for (const program of group.programs) {
      const bars = shown.map((p) => ratio(p, base, program, clock));
      if (bars.every((b) => b === null)) continue;
      out.push(`<text x="${LEFT - 8}" y="${y + (BAR * shown.length) / 2 + 4}" text-anchor="end">${program}</text>`);
      bars.forEach((r, n) => {
        if (r === null || r <= 0) return;
        const [a, b] = [Math.min(x(1), x(r)), Math.max(x(1), x(r))];
        const at = y + n * BAR;
        const colour = COLOURS[n % COLOURS.length];
        out.push(
          `<rect x="${a.toFixed(1)}" y="${at}" width="${Math.max(1, b - a).toFixed(1)}" height="${BAR - 1}" fill="${colour}"/>`,
        );
        const label = r < 1 ? `x="${(a - 3).toFixed(1)}" text-anchor="end"` : `x="${(b + 3).toFixed(1)}"`;
        out.push(`<text ${label} y="${at + BAR - 1}" font-size="9">${r.toFixed(2)}</text>`);
      });
      y += BAR * shown.length + 5;
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

/** The picture, or null without QEMU to compare with. */
export function chartSvg(c: Comparison, clock: ClockOfHost): string | null {
  const parts: string[] = [];
  let y = 30;
  for (const guest of c.guests) {
    const base = guest.peers.find((p) => p.peer === 'qemu');
    if (base === undefined) continue;
    const { svg, bottom } = panel(guest, base, clock, y);
    parts.push(svg);
    y = bottom + 10;
  }
  if (parts.length === 0) return null;
  const unit = clock === 'wall' ? 'host seconds' : 'processor seconds';
  const title = `${c.host.date.slice(0, 10)}, ${c.host.cpu}, median of ${c.boots} boots, ${unit}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${y}" fill="#fff"/>`,
    `<text x="12" y="20" font-size="11" fill="#555">${markup(title)}</text>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}
