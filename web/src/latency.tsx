// The real-time kernel's timer-to-task latency next to the load that the other domains made meanwhile.

import { useEffect, useState } from 'preact/hooks';
import { api, type LatencyView } from './api.js';
import { Chart } from './chart.jsx';
import { colourOf, domains, history, report, selected } from './store.js';

const EVERY_MS = 5000;

function Bars({ view }: { readonly view: LatencyView }) {
  const top = Math.max(...view.buckets.map((b) => b.count), 1);
  return (
    <table class="bars">
      <caption>
        Timer to task, {view.runs.toLocaleString('en')} runs of a period of {view.periodUs} µs (logarithmic)
      </caption>
      <thead class="hidden">
        <tr>
          <th scope="col">Latency</th>
          <th scope="col">Runs</th>
        </tr>
      </thead>
      <tbody>
        {view.buckets.map((b) => (
          <tr key={b.fromUs}>
            <th scope="row" class="n">
              {b.fromUs}–{b.toUs} µs
            </th>
            <td>
              <i style={{ width: `${Math.max(1, (100 * Math.log2(1 + b.count)) / Math.log2(1 + top))}%` }} />
              <span>{b.count.toLocaleString('en')}</span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The domain that is chosen, when it is a real-time one, else the first of those. */
const subject = (): string | null => {
  const rt = domains.value.filter((d) => d.realtime !== null || /rtos/.test(`${d.name} ${d.boots}`));
  return (rt.find((d) => d.name === selected.value?.name) ?? rt[0])?.name ?? null;
};

export function Latency() {
  const name = subject();
  const [view, setView] = useState<LatencyView | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    if (name === null) return;
    let open = true;
    const look = (): void => {
      api.latency(name).then(
        (v) => open && setView(v),
        () => undefined,
      );
    };
    look();
    const timer = setInterval(look, EVERY_MS);
    return () => {
      open = false;
      clearInterval(timer);
    };
  }, [name]);
  if (name === null) return <p class="empty">No domain has a real-time reservation.</p>;
  const measure = async (): Promise<void> => {
    setBusy(true);
    try {
      setView(await api.measureLatency(name));
    } catch (error) {
      report(error);
    }
    setBusy(false);
  };
  const others = domains.value.filter((d) => d.name !== name && d.state !== 'defined');
  const figures: readonly (readonly [string, string, boolean])[] =
    view === null
      ? []
      : [
          ['p50', `${view.p50Us} µs`, false],
          ['p99', `${view.p99Us} µs`, false],
          ['p99.9', `${view.p999Us} µs`, false],
          ['max', `${view.toTaskUs.max} µs`, false],
          ['missed ticks', String(view.missedTicks), view.missedTicks > 0],
        ];
  return (
    <>
      <div class="toolbar panel">
        <button type="button" disabled={busy} onClick={measure}>
          {busy ? 'Asking…' : 'Ask the kernel now'}
        </button>
        <p class="note">
          {view === null
            ? `${name} has not printed its histogram yet; the button types “lat” into its shell.`
            : `${name}, measured by itself, ${new Date(view.measuredAt).toLocaleTimeString()}`}
        </p>
      </div>
      <div class="row two">
        <section class="panel" aria-label="Latency histogram">
          {view === null ? (
            <p class="empty">No histogram yet.</p>
          ) : (
            <>
              <dl class="figures">
                {figures.map(([label, value, bad]) => (
                  <div key={label}>
                    <dt>{label}</dt>
                    <dd class={bad ? 'bad' : ''}>{value}</dd>
                  </div>
                ))}
              </dl>
              <div class="scroll">
                <Bars view={view} />
              </div>
            </>
          )}
        </section>
        <section class="panel" aria-label="Load of the other domains">
          <Chart
            title="Load of the other domains meanwhile (host CPU)"
            times={history.value.map((p) => p.t)}
            lines={others.map((d) => ({
              label: d.name,
              colour: colourOf(d.name),
              values: history.value.map((p) => p.domains.get(d.name)?.cpu ?? 0),
            }))}
            format={(n) => `${(n * 100).toFixed(0)} %`}
            height={230}
          />
        </section>
      </div>
    </>
  );
}
