// The scheduler's timeline: who ran when on each physical CPU, with missed deadlines and overruns.

import { useEffect, useRef, useState } from 'preact/hooks';
import { percent, time } from './format.js';
import { live, type TimelineBatch } from './live.js';
import { colourOf, cpuStats, domains, stats } from './store.js';
import { colour, isDark } from './theme.js';

type Slice = TimelineBatch['slices'][number];
type Mark = TimelineBatch['marks'][number];

const WINDOWS_MS = [5, 20, 100, 500, 2000] as const;
const MAX_SLICES = 40_000;
const MS = 1e6;
const ROW = 26;

/** What one physical CPU has done; kept outside of the page's state, for it changes thousands of times a second. */
interface Track {
  slices: Slice[];
  marks: Mark[];
  nowNs: number;
}

function take(track: Track, batch: TimelineBatch): void {
  track.slices.push(...batch.slices);
  track.marks.push(...batch.marks);
  track.nowNs = batch.nowNs;
  if (track.slices.length > MAX_SLICES) track.slices = track.slices.slice(-MAX_SLICES / 2);
  const oldest = track.slices[0]?.startNs ?? 0;
  if (track.marks.length > 1000) track.marks = track.marks.filter((m) => m.timeNs >= oldest);
}

/** Host time of each domain inside the window. */
function shares(track: Track, fromNs: number): Map<string, number> {
  const sum = new Map<string, number>();
  for (const s of track.slices) {
    if (s.endNs <= fromNs) continue;
    sum.set(s.domain, (sum.get(s.domain) ?? 0) + s.endNs - Math.max(fromNs, s.startNs));
  }
  return sum;
}

function draw(canvas: HTMLCanvasElement, track: Track, names: readonly string[], windowNs: number): void {
  const ratio = devicePixelRatio;
  const width = canvas.clientWidth;
  const height = names.length * ROW + 20;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
  }
  const g = canvas.getContext('2d');
  if (g === null) return;
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, height);
  const from = track.nowNs - windowNs;
  const x = (ns: number): number => ((ns - from) / windowNs) * width;
  const line = colour('--line');
  const quiet = colour('--quiet');
  g.font = '11px system-ui, sans-serif';
  g.fillStyle = quiet;
  const steps = width < 500 ? 4 : 10;
  for (let i = 0; i <= steps; i++) {
    const at = (i / steps) * width;
    g.fillStyle = line;
    g.fillRect(Math.round(at), 0, 1, height - 16);
    g.fillStyle = quiet;
    g.textAlign = i === 0 ? 'left' : i === steps ? 'right' : 'center';
    g.fillText(i === steps ? 'now' : `-${time(windowNs * (1 - i / steps))}`, at, height - 3);
  }
  const row = new Map(names.map((n, i) => [n, i * ROW + 4]));
  const paint = new Map(names.map((n) => [n, colour(colourOf(n))]));
  for (const s of track.slices) {
    if (s.endNs < from) continue;
    const y = row.get(s.domain);
    if (y === undefined) continue;
    const left = Math.max(0, x(s.startNs));
    g.fillStyle = paint.get(s.domain) ?? quiet;
    g.globalAlpha = s.reserved ? 1 : 0.62;
    g.fillRect(left, y, Math.max(0.75, x(s.endNs) - left), ROW - 8);
  }
  g.globalAlpha = 1;
  for (const m of track.marks) {
    const y = row.get(m.domain);
    if (y === undefined || m.timeNs < from) continue;
    const at = x(m.timeNs);
    g.fillStyle = colour(m.kind === 'miss' ? '--bad' : '--warn');
    g.beginPath();
    g.moveTo(at - 4, y - 4);
    g.lineTo(at + 4, y - 4);
    g.lineTo(at, y + 4);
    g.fill();
    g.fillRect(at - 0.5, y - 4, 1, ROW - 4);
  }
}

function Cpu({ cpu, windowMs, paused }: { readonly cpu: number; readonly windowMs: number; readonly paused: boolean }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const track = useRef<Track>({ slices: [], marks: [], nowNs: 0 });
  const frozen = useRef(paused);
  const [, redraw] = useState(0);
  frozen.current = paused;
  useEffect(() => {
    const s = live.subscribe({ topic: 'timeline', cpu, intervalMs: 200 }, (m) => {
      if (m.type !== 'timeline' || frozen.current) return;
      take(track.current, m.batch);
      redraw((n) => n + 1);
    });
    return () => s.close();
  }, [cpu]);
  const names = domains.value.filter((d) => d.cpu === cpu && d.state !== 'defined').map((d) => d.name);
  const dark = isDark.value;
  useEffect(() => {
    if (canvas.current !== null) draw(canvas.current, track.current, names, windowMs * MS);
  });
  const from = track.current.nowNs - windowMs * MS;
  const sums = shares(track.current, from);
  const used = [...sums.values()].reduce((a, b) => a + b, 0);
  const words = names.map((n) => `${n} ${percent((sums.get(n) ?? 0) / (windowMs * MS))}`).join(', ');
  const busy = cpuStats.value.find((c) => c.cpu === cpu);
  return (
    <section class="panel timeline" aria-label={`Physical CPU ${cpu}`} data-dark={dark}>
      <header>
        <h2>pCPU {cpu}</h2>
        <span class="note">
          idle {percent(Math.max(0, 1 - used / (windowMs * MS)))} of the window
          {busy !== undefined && ` · its time ${time(busy.timelineNs)}`}
        </span>
      </header>
      <div class="lanes">
        <ul>
          {names.map((n) => {
            const s = stats.value.get(n);
            return (
              <li key={n} class="own" style={{ '--own': colourOf(n) }}>
                {n}
                <small> {percent((sums.get(n) ?? 0) / (windowMs * MS))}</small>
                {(s?.scheduling.misses ?? 0) > 0 && <small class="bad"> {s?.scheduling.misses} missed</small>}
              </li>
            );
          })}
        </ul>
        <canvas ref={canvas} role="img" aria-label={`Last ${windowMs} ms of pCPU ${cpu}: ${words}`} />
      </div>
    </section>
  );
}

export function Scheduler() {
  const [windowMs, setWindow] = useState<number>(20);
  const [paused, setPaused] = useState(false);
  const cpus = [...new Set(domains.value.filter((d) => d.state !== 'defined').map((d) => d.cpu))].sort((a, b) => a - b);
  return (
    <>
      <div class="toolbar panel">
        <button type="button" aria-pressed={paused} onClick={() => setPaused(!paused)}>
          {paused ? 'Resume' : 'Pause'}
        </button>
        <label>
          Window
          <select value={String(windowMs)} onChange={(e) => setWindow(Number(e.currentTarget.value))}>
            {WINDOWS_MS.map((w) => (
              <option key={w} value={String(w)}>
                {w} ms
              </option>
            ))}
          </select>
        </label>
        <p class="note key">
          <span class="solid">on its reservation</span> <span class="pale">fair share</span>{' '}
          <span class="miss">missed its period</span> <span class="over">wanted more than its budget</span>
        </p>
      </div>
      {cpus.length === 0 && <p class="empty">Nothing is loaded.</p>}
      {cpus.map((c) => (
        <Cpu key={c} cpu={c} windowMs={windowMs} paused={paused} />
      ))}
      <div class="panel scroll">
        <table>
          <caption>Reservations and counters</caption>
          <thead>
            <tr>
              <th scope="col">Domain</th>
              <th scope="col">Scheduling</th>
              <th scope="col" class="n">
                Ran
              </th>
              <th scope="col" class="n">
                Dispatches
              </th>
              <th scope="col" class="n">
                Misses
              </th>
              <th scope="col" class="n">
                Overruns
              </th>
              <th scope="col" class="n">
                Worst latency
              </th>
            </tr>
          </thead>
          <tbody>
            {domains.value.map((d) => {
              const s = stats.value.get(d.name)?.scheduling;
              const r = d.realtime;
              return (
                <tr key={d.name} style={{ '--own': colourOf(d.name) }}>
                  <th scope="row" class="own">
                    {d.name}
                  </th>
                  <td>
                    {r === null ? 'fair share' : `priority ${r.priority}: ${r.budgetUs} µs in every ${r.periodUs} µs`}
                  </td>
                  <td class="n">{s === undefined ? '–' : time(s.ranNs)}</td>
                  <td class="n">{s?.dispatches.toLocaleString('en') ?? '–'}</td>
                  <td class={`n ${(s?.misses ?? 0) > 0 ? 'bad' : ''}`}>{s?.misses ?? '–'}</td>
                  <td class="n">{s?.overruns ?? '–'}</td>
                  <td class="n">{s === undefined ? '–' : time(s.maxLatencyNs)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </>
  );
}
