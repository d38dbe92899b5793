// All domains at a glance: load, exits, memory, consoles side by side.

import { Chart, type Line } from './chart.jsx';
import { ConsoleView } from './console.jsx';
import { bytes, percent, short, time } from './format.js';
import { colourOf, cpuStats, domains, go, history, host, ratesOf, rssBytes, stats } from './store.js';

/** Consoles shown at once. */
const CONSOLES = 4;

/** One line per domain. */
const linesOf = (value: (name: string, at: number) => number): Line[] =>
  domains.value
    .filter((d) => stats.value.has(d.name))
    .map((d) => ({
      label: d.name,
      colour: colourOf(d.name),
      values: history.value.map((_, i) => value(d.name, i)),
    }));

function Table() {
  return (
    <div class="scroll">
      <table>
        <caption class="hidden">Domains now</caption>
        <thead>
          <tr>
            <th scope="col">Domain</th>
            <th scope="col">pCPU</th>
            <th scope="col">Engine</th>
            <th scope="col" class="n">
              Host CPU
            </th>
            <th scope="col" class="n">
              in exits
            </th>
            <th scope="col" class="n">
              MIPS
            </th>
            <th scope="col" class="n">
              Exits/s
            </th>
            <th scope="col" class="n">
              Interrupts/s
            </th>
            <th scope="col" class="n">
              Misses
            </th>
            <th scope="col" class="n">
              Worst latency
            </th>
            <th scope="col" class="n">
              Up
            </th>
          </tr>
        </thead>
        <tbody>
          {domains.value.map((d) => {
            const s = stats.value.get(d.name);
            const r = ratesOf(d.name);
            return (
              <tr key={d.name} style={{ '--own': colourOf(d.name) }}>
                <th scope="row" class="own">
                  {d.name}
                </th>
                <td>{d.cpu}</td>
                <td>{d.engine === null ? '–' : `${d.engine}, ${d.time} time`}</td>
                <td class="n">{percent(r.cpu)}</td>
                <td class="n">{percent(r.exitCpu)}</td>
                <td class="n">{short(r.mips)}</td>
                <td class="n">{short(r.exitsPerS)}</td>
                <td class="n">{short(r.interruptsPerS)}</td>
                <td class={`n ${(s?.scheduling.misses ?? 0) > 0 ? 'bad' : ''}`}>{s?.scheduling.misses ?? '–'}</td>
                <td class="n">{s === undefined ? '–' : time(s.scheduling.maxLatencyNs)}</td>
                <td class="n">{s === undefined ? '–' : time(s.machine.clockNs)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

/** Memory of the domains against the server's computer. */
function Memory() {
  const total = host.value?.memoryBytes ?? 0;
  const loaded = domains.value.filter((d) => d.state !== 'defined');
  const guests = loaded.reduce((sum, d) => sum + d.memoryBytes, 0);
  return (
    <figure class="memory">
      <figcaption>
        <span>Guest memory</span>
        <b>
          {bytes(guests)} of {bytes(total)}
        </b>
      </figcaption>
      <div class="bar" role="img" aria-label={loaded.map((d) => `${d.name} ${bytes(d.memoryBytes)}`).join(', ')}>
        {loaded.map((d) => (
          <i
            key={d.name}
            title={`${d.name}: ${bytes(d.memoryBytes)}`}
            style={{ '--own': colourOf(d.name), flexGrow: d.memoryBytes }}
          />
        ))}
      </div>
      <p class="note">
        {loaded.map((d) => `${d.name} ${bytes(d.memoryBytes)}`).join(' · ') || 'nothing is loaded'} · server process{' '}
        {bytes(rssBytes.value)}
      </p>
      {cpuStats.value.map((c) => {
        const busy = history.value.at(-1)?.cpus.get(c.cpu) ?? 0;
        return (
          <div key={c.cpu} class="meter">
            <span>pCPU {c.cpu}</span>
            <meter min={0} max={1} value={busy} aria-label={`Load of physical CPU ${c.cpu}`} />
            <b>{percent(busy)}</b>
          </div>
        );
      })}
    </figure>
  );
}

export function Overview() {
  const times = history.value.map((p) => p.t);
  const at = (i: number) => history.value[i];
  const consoles = domains.value.filter((d) => d.state !== 'defined').slice(0, CONSOLES);
  if (domains.value.length === 0) return <p class="empty">No domain yet. “New domain” makes one.</p>;
  return (
    <>
      <div class="consoles">
        {consoles.map((d) => (
          <section
            key={d.name}
            class="panel console"
            aria-label={`Console of ${d.name}`}
            style={{ '--own': colourOf(d.name) }}
          >
            <header>
              <h2 class="own">{d.name}</h2>
              <button type="button" class="quiet" onClick={() => go({ name: d.name, tab: 'console' })}>
                Open<span class="hidden"> the console of {d.name}</span>
              </button>
            </header>
            <ConsoleView name={d.name} fontSize={12} focus={false} />
          </section>
        ))}
      </div>
      <div class="panel">
        <Table />
      </div>
      <div class="row">
        <div class="panel">
          <Chart
            title="Host CPU by domain"
            times={times}
            lines={linesOf((name, i) => at(i)?.domains.get(name)?.cpu ?? 0)}
            format={(n) => `${(n * 100).toFixed(0)} %`}
          />
        </div>
        <div class="panel">
          <Chart
            title="VM exits per second"
            times={times}
            lines={linesOf((name, i) => at(i)?.domains.get(name)?.exitsPerS ?? 0)}
          />
        </div>
        <div class="panel">
          <Memory />
        </div>
      </div>
    </>
  );
}
