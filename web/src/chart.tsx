// Lines over time with uPlot, in the colours of the page.

import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { short } from './format.js';
import { colour, isDark } from './theme.js';

export interface Line {
  readonly label: string;
  /** A CSS variable: var(--hue-1). */
  readonly colour: string;
  readonly values: readonly number[];
}
interface Props {
  /** What is shown, for those who do not see it. */
  readonly title: string;
  /** Seconds. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly height?: number;
  readonly format?: (n: number) => string;
}

export function Chart({ title, times, lines, height = 170, format = short }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const names = lines.map((l) => l.label).join('\n');
  const dark = isDark.value;
  useEffect(() => {
    const box = place.current;
    if (box === null) return;
    const grid = { stroke: colour('--line'), width: 1 };
    const axis = { stroke: colour('--quiet'), grid, ticks: { show: false }, font: '11px system-ui, sans-serif' };
    const made = new uPlot(
      {
        width: box.clientWidth,
        height,
        cursor: { drag: { x: false, y: false }, points: { size: 5 } },
        legend: { live: false, show: false },
        scales: { x: { time: false }, y: { range: (_u, _min, max) => [0, max > 0 ? max * 1.08 : 1] } },
        axes: [
          { ...axis, size: 22, space: 70, values: (u, all) => all.map((t) => ago(t, u)) },
          { ...axis, size: 46, space: 32, values: (_u, all) => all.map(format) },
        ],
        series: [
          {},
          ...lines.map((l) => ({
            label: l.label,
            stroke: colour(l.colour),
            width: 1.5,
            points: { show: false },
          })),
        ],
      },
      [[...times], ...lines.map((l) => [...l.values])] as uPlot.AlignedData,
      box,
    );
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: box.clientWidth, height }));
    watch.observe(box);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
    // made anew when the lines or the colours change; new values go in below
  }, [names, dark, height]);
  useEffect(() => {
    plot.current?.setData([[...times], ...lines.map((l) => [...l.values])] as uPlot.AlignedData);
  }, [times, lines]);
  const now = lines.map((l) => `${l.label} ${format(l.values.at(-1) ?? 0)}`).join(', ');
  return (
    <figure class="chart">
      <figcaption>
        <span>{title}</span>
        <ul class="legend" aria-hidden="true">
          {lines.map((l) => (
            <li key={l.label} style={{ '--own': l.colour }}>
              {l.label} <b>{format(l.values.at(-1) ?? 0)}</b>
            </li>
          ))}
        </ul>
      </figcaption>
      <div ref={place} class="plot" role="img" aria-label={`${title}: ${now}`} style={{ height: `${height}px` }} />
    </figure>
  );
}

/** Seconds before the newest point. */
function ago(t: number, plot: uPlot): string {
  const end = plot.data[0].at(-1) ?? t;
  const s = Math.round(t - end);
  return s === 0 ? 'now' : `${s} s`;
}
