// The exit inspector: VM exits by reason over time, what they cost, and the last ones one by one with what handling changed.
// Terms: Intel SDM Vol. 3C, "VM Exits"; Vol. 3D, Appendix C.

import { useEffect, useRef, useState } from 'preact/hooks';
import { EXIT_NAMES } from '../../src/vmx/index.js';
import { Chart, type Line } from './chart.jsx';
import { exitTitle, percent, short, time } from './format.js';
import { type ExitFilter, type ExitRecord, live, type Subscription } from './live.js';
import { history, ratesOf, stats, tell } from './store.js';

/** Reasons with a line of their own. */
const LINES = 6;
/** Single exits kept. */
const KEEP = 300;

function Reasons({ name, frozen }: { readonly name: string; readonly frozen: boolean }) {
  const held = useRef({ history: history.value, stat: stats.value.get(name), rates: ratesOf(name) });
  if (!frozen) held.current = { history: history.value, stat: stats.value.get(name), rates: ratesOf(name) };
  const { history: points, stat, rates } = held.current;
  const exits = stat?.machine.exits ?? [];
  const shown = exits.slice(0, LINES).map((e) => e.name);
  const lines: Line[] = shown.map((reason, i) => ({
    label: exitTitle(reason),
    colour: `var(--hue-${i + 1})`,
    values: points.map((p) => p.domains.get(name)?.byReason.get(reason) ?? 0),
  }));
  const cost = (e: (typeof exits)[number]): number => (e.samples > 0 ? e.sampledNs / e.samples : 0);
  const all = exits.reduce((sum, e) => sum + cost(e) * (e.count - e.answered), 0);
  return (
    <div class="row two">
      <div class="panel">
        <Chart title="VM exits per second, by reason" times={points.map((p) => p.t)} lines={lines} height={220} />
      </div>
      <div class="panel scroll">
        <table class="reasons">
          <caption>Since power-on</caption>
          <thead>
            <tr>
              <th scope="col">Reason</th>
              <th scope="col" class="n">
                Count
              </th>
              <th scope="col" class="n">
                per s
              </th>
              <th scope="col" class="n">
                Cost each
              </th>
              <th scope="col" class="n">
                Share
              </th>
              <th scope="col">
                <abbr title="Timed exits by power of two of nanoseconds: 128 ns at the left, 1 ms at the right">
                  100 ns – 1 ms
                </abbr>
              </th>
            </tr>
          </thead>
          <tbody>
            {exits.map((e, i) => (
              <tr
                key={e.name}
                data-reason={e.name}
                style={{ '--own': i < LINES ? `var(--hue-${i + 1})` : 'var(--quiet)' }}
              >
                <th scope="row" class="own">
                  {exitTitle(e.name)}
                </th>
                <td class="n count">{e.count.toLocaleString('en')}</td>
                <td class="n">{short(rates.byReason.get(e.name) ?? 0)}</td>
                <td class="n">{e.samples > 0 ? time(cost(e)) : '–'}</td>
                <td class="n">{all > 0 ? percent((cost(e) * (e.count - e.answered)) / all) : '–'}</td>
                <td>
                  <Histogram buckets={e.histogram} label={`Cost of ${exitTitle(e.name)}`} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

/** Powers of two of nanoseconds that are shown. */
const FIRST = 7;
const LAST = 20;
function Histogram({ buckets, label }: { readonly buckets: readonly number[]; readonly label: string }) {
  const shown = buckets.slice(FIRST, LAST + 1);
  shown[0] = buckets.slice(0, FIRST + 1).reduce((a, b) => a + b, 0);
  const top = Math.max(...shown, 1);
  const most = shown.indexOf(top);
  const words = top > 1 ? `mostly ${time(2 ** (most + FIRST))} to ${time(2 ** (most + FIRST + 1))}` : 'few samples';
  return (
    <svg class="histogram" viewBox={`0 0 ${shown.length * 6} 18`} role="img" aria-label={`${label}: ${words}`}>
      {shown.map((n, i) => {
        const h = n === 0 ? 0.6 : Math.max(1.5, 17 * (Math.log2(1 + n) / Math.log2(1 + top)));
        return <rect key={i} x={i * 6} y={18 - h} width={5} height={h} />;
      })}
    </svg>
  );
}

const NUMBER = /^(0x[0-9a-f]{1,13}|\d{1,15})$/i;
const HEX = /^0x[0-9a-f]{1,16}$/i;

interface FilterText {
  readonly names: readonly string[];
  readonly address: string;
  readonly rip: string;
}
/** '0x3f8', '0x3f8-0x3ff'; text says what is wrong. */
function readFilter(text: FilterText): ExitFilter | string {
  const range = (value: string, one: RegExp): readonly [string, string] | null | undefined => {
    if (value.trim() === '') return undefined;
    const [first = '', last = first, more] = value.split('-').map((s) => s.trim());
    return more === undefined && one.test(first) && one.test(last) ? [first, last] : null;
  };
  const address = range(text.address, NUMBER);
  if (address === null) return `address '${text.address}', expected a number or a range such as 0x3f8-0x3ff`;
  const rip = range(text.rip, HEX);
  if (rip === null) return `RIP '${text.rip}', expected a range such as 0xffffffff81000000-0xffffffff82000000`;
  const count = address === undefined ? 0 : Number(address[1]) - Number(address[0]) + 1;
  if (address !== undefined && count < 1) return `address '${text.address}', expected the smaller end first`;
  return {
    ...(text.names.length > 0 && { names: [...text.names] }),
    ...(address !== undefined && { address: [Number(address[0]), count] as [number, number] }),
    ...(rip !== undefined && { rip: [rip[0], rip[1]] as [string, string] }),
  };
}

function Record({ record: r }: { readonly record: ExitRecord }) {
  return (
    <tr>
      <td class="n">{r.sequence}</td>
      <td class="n">{(r.timeNs / 1e6).toFixed(3)}</td>
      <td>{r.vcpu}</td>
      <td>
        <span class="reason">{exitTitle(r.name)}</span>
        {r.reason !== null && <small> {r.reason}</small>}
      </td>
      <td class="mono">{r.rip}</td>
      <td class="mono">{r.qualification}</td>
      <td class="mono">{r.detail}</td>
      <td class="n">{time(r.costNs)}</td>
      <td class="delta">
        {r.changes.map((c) => (
          <span key={c.field}>
            <b>{c.field}</b> {c.before} <i>→</i> {c.after}
          </span>
        ))}
      </td>
    </tr>
  );
}

export function ExitInspector({ name }: { readonly name: string }) {
  const [paused, setPaused] = useState(false);
  const [text, setText] = useState<FilterText>({ names: [], address: '', rip: '' });
  const [records, setRecords] = useState<readonly ExitRecord[]>([]);
  const [totals, setTotals] = useState({ matched: 0, lost: 0, skipped: 0 });
  const subscription = useRef<Subscription | null>(null);
  const filter = readFilter(text);
  useEffect(() => {
    const s = live.subscribe({ topic: 'exits', domain: name, keep: KEEP, maxPerSecond: 400 }, (m) => {
      if (m.type === 'error') tell(m.message);
      if (m.type !== 'exits') return;
      const { batch } = m;
      setTotals((t) => ({ matched: batch.matched, lost: t.lost + batch.lost, skipped: t.skipped + batch.skipped }));
      if (batch.records.length > 0) setRecords((old) => [...batch.records.toReversed(), ...old].slice(0, KEEP));
    });
    subscription.current = s;
    return () => s.close();
  }, [name]);
  const key = JSON.stringify(filter);
  useEffect(() => {
    if (typeof filter === 'string') return;
    subscription.current?.filter(filter);
    setRecords([]);
  }, [key]);
  const pause = (): void => {
    subscription.current?.pause(!paused);
    setPaused(!paused);
  };
  const known = stats.value.get(name)?.machine.exits.map((e) => e.name) ?? [];
  const choices = [...known, ...EXIT_NAMES.filter((n) => !known.includes(n))];
  return (
    <>
      <div class="toolbar panel">
        <button type="button" aria-pressed={paused} onClick={pause}>
          {paused ? 'Resume' : 'Pause'}
        </button>
        <label>
          Reason
          <select
            value={text.names[0] ?? ''}
            onChange={(e) => setText({ ...text, names: e.currentTarget.value === '' ? [] : [e.currentTarget.value] })}
          >
            <option value="">all</option>
            {choices.map((n) => (
              <option key={n} value={n}>
                {exitTitle(n)}
              </option>
            ))}
          </select>
        </label>
        <label>
          Port, GPA, MSR or leaf
          <input
            size={16}
            placeholder="0x3f8-0x3ff"
            value={text.address}
            spellcheck={false}
            onInput={(e) => setText({ ...text, address: e.currentTarget.value })}
          />
        </label>
        <label>
          Guest RIP
          <input
            size={24}
            placeholder="0x…-0x…"
            value={text.rip}
            spellcheck={false}
            onInput={(e) => setText({ ...text, rip: e.currentTarget.value })}
          />
        </label>
        <output aria-live="off">
          {typeof filter === 'string' ? (
            <span class="bad">{filter}</span>
          ) : (
            `${totals.matched.toLocaleString('en')} matched · ${records.length} shown · ${short(totals.skipped + totals.lost)} not recorded (at most 400 a second)`
          )}
        </output>
      </div>
      <Reasons name={name} frozen={paused} />
      <section class="panel scroll last" tabIndex={0} aria-label="Last VM exits">
        <table class="records">
          <caption>Last VM exits, newest first</caption>
          <thead>
            <tr>
              <th scope="col" class="n">
                No.
              </th>
              <th scope="col" class="n">
                ms
              </th>
              <th scope="col">vCPU</th>
              <th scope="col">Reason</th>
              <th scope="col">Guest RIP</th>
              <th scope="col">Qualification</th>
              <th scope="col">What</th>
              <th scope="col" class="n">
                Cost
              </th>
              <th scope="col">VMCS fields changed by handling</th>
            </tr>
          </thead>
          <tbody>
            {records.slice(0, 120).map((r) => (
              <Record key={r.sequence} record={r} />
            ))}
          </tbody>
        </table>
        {records.length === 0 && <p class="empty">No exit has matched yet.</p>}
      </section>
    </>
  );
}
