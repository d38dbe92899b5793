// The list of domains with their life cycle.

import type { Action, DomainView } from './api.js';
import { api } from './api.js';
import { bytes, percent, short } from './format.js';
import { Spark } from './spark.jsx';
import { colourOf, domains, go, history, ratesOf, report, selected, stats, tell } from './store.js';

/** What can be done in which state. */
const ACTIONS: Record<DomainView['state'], readonly (readonly [Action, string])[]> = {
  defined: [['start', 'Start']],
  loading: [],
  created: [
    ['start', 'Start'],
    ['stop', 'Stop'],
  ],
  running: [
    ['pause', 'Pause'],
    ['reset', 'Reset'],
    ['powerButton', 'Power'],
    ['stop', 'Stop'],
  ],
  paused: [
    ['resume', 'Resume'],
    ['reset', 'Reset'],
    ['stop', 'Stop'],
  ],
  stopped: [['start', 'Start']],
};

export async function act(name: string, action: Action): Promise<void> {
  try {
    await api.act(name, action);
  } catch (error) {
    report(error);
  }
}

async function remove(name: string): Promise<void> {
  if (!confirm(`Remove domain '${name}'? Its definition is forgotten.`)) return;
  try {
    await api.remove(name);
    tell(`Domain '${name}' is removed.`, false);
  } catch (error) {
    report(error);
  }
}

/** The state in words, with how it ended. */
export function stateText(d: DomainView): string {
  if (d.error !== null) return `did not start: ${d.error.message}`;
  const o = d.outcome;
  if (o === null) return d.state;
  const words: Record<string, string> = {
    powerOff: 'powered off',
    exit: `exited with status ${o.status ?? '?'}`,
    tripleFault: 'triple fault',
    stopped: o.by === 'script' ? 'stopped by its script' : 'stopped',
    scriptFailed: 'script failed',
  };
  return words[o.kind] ?? `${o.kind}${o.message ? `: ${o.message}` : ''}`;
}

function Card({ domain }: { readonly domain: DomainView }) {
  const { name, state } = domain;
  const current = selected.value?.name === name;
  const r = ratesOf(name);
  const trend = history.value.slice(-60).map((p) => p.domains.get(name)?.exitsPerS ?? 0);
  const misses = stats.value.get(name)?.scheduling.misses ?? 0;
  const bad = domain.error !== null || domain.outcome?.kind === 'error' || domain.outcome?.kind === 'tripleFault';
  return (
    <li class={`card ${current ? 'current' : ''}`} style={{ '--own': colourOf(name) }} data-state={state}>
      <button type="button" class="pick" aria-current={current} onClick={() => go({ name })}>
        <span class="name">{name}</span>
        <span class={`state ${bad ? 'bad' : state}`}>{stateText(domain)}</span>
        <span class="boots">{domain.boots}</span>
      </button>
      <dl>
        <div>
          <dt>Memory</dt>
          <dd>{bytes(domain.memoryBytes)}</dd>
        </div>
        <div>
          <dt>Host CPU</dt>
          <dd>{percent(r.cpu)}</dd>
        </div>
        <div>
          <dt>Exits/s</dt>
          <dd>{short(r.exitsPerS)}</dd>
        </div>
        <div>
          <dt>{domain.realtime === null ? 'MIPS' : 'Misses'}</dt>
          <dd>{domain.realtime === null ? short(r.mips) : misses}</dd>
        </div>
      </dl>
      <Spark values={trend} label={`VM exits of ${name} over the last half minute`} />
      <fieldset class="actions" aria-label={`Life cycle of ${name}`}>
        {ACTIONS[state].map(([action, label]) => (
          <button key={action} type="button" class="quiet" onClick={() => act(name, action)}>
            {label}
          </button>
        ))}
        {state !== 'running' && state !== 'paused' && state !== 'loading' && (
          <button type="button" class="quiet" onClick={() => remove(name)}>
            Remove
          </button>
        )}
      </fieldset>
    </li>
  );
}

export function DomainList() {
  return (
    <nav class="domains" aria-label="Domains">
      <ul>
        {domains.value.map((d) => (
          <Card key={d.name} domain={d} />
        ))}
      </ul>
    </nav>
  );
}
