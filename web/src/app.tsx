// The frame: header, list of domains, tabs, the view that is open, messages.

import type { ComponentType } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from './api.js';
import { ConsoleView } from './console.jsx';
import { Details } from './details.jsx';
import { DomainList } from './domain-list.jsx';
import { ExitInspector } from './exits.jsx';
import { bytes, duration } from './format.js';
import { Latency } from './latency.jsx';
import { connection } from './live.js';
import { NewDomain } from './new-domain.jsx';
import { Overview } from './overview.jsx';
import { Scheduler } from './scheduler.jsx';
import { Screen } from './screen.jsx';
import {
  domains,
  go,
  host,
  needsToken,
  notice,
  rssBytes,
  selected,
  start,
  TABS,
  type Tab,
  tab,
  uptimeS,
} from './store.js';
import { choice, nextTheme } from './theme.js';

const TITLES: Record<Tab, string> = {
  overview: 'Overview',
  console: 'Console',
  screen: 'Screen',
  exits: 'VM exits',
  scheduler: 'Scheduler',
  latency: 'Latency',
  details: 'Details',
};
/** Views of one domain; the others show all. */
const OF_DOMAIN: Partial<Record<Tab, ComponentType<{ readonly name: string }>>> = {
  console: ConsoleView,
  screen: Screen,
  exits: ExitInspector,
  details: Details,
};

function Header({ onNew }: { readonly onNew: () => void }) {
  const h = host.value;
  return (
    <header class="top">
      <h1>
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="M2 3.5h12v1.8H2zM2 7.1h8.5v1.8H2zM2 10.7h5V12.5H2z" />
        </svg>
        Pcanel
      </h1>
      <p class="host">
        {h === null
          ? ''
          : `${h.cores} cores · server ${bytes(rssBytes.value || h.rssBytes)} · up ${duration(uptimeS.value)}`}
      </p>
      <p class={`link ${connection.value}`} role="status">
        <i aria-hidden="true" />
        {{ open: 'live', connecting: 'connecting', lost: 'connection lost' }[connection.value]}
      </p>
      <button type="button" class="quiet" onClick={nextTheme} title="Colours: system, light, dark">
        <span class="wide">Colours: </span>
        {choice.value}
      </button>
      <button type="button" onClick={onNew} aria-label="New domain">
        New<span class="wide"> domain</span>
      </button>
    </header>
  );
}

function Tabs() {
  const move = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : undefined;
    const at = TABS.indexOf(tab.value);
    const to = event.key === 'Home' ? 0 : event.key === 'End' ? TABS.length - 1 : step === undefined ? -1 : at + step;
    const next = TABS[(to + TABS.length) % TABS.length];
    if (to === -1 && step === undefined) return;
    event.preventDefault();
    if (next === undefined) return;
    go({ tab: next });
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label="Views" tabIndex={-1} onKeyDown={move}>
      {TABS.map((t) => (
        <button
          key={t}
          type="button"
          role="tab"
          id={`tab-${t}`}
          aria-selected={tab.value === t}
          aria-controls="view"
          tabIndex={tab.value === t ? 0 : -1}
          onClick={() => go({ tab: t })}
        >
          {TITLES[t]}
        </button>
      ))}
    </div>
  );
}

function View() {
  const t = tab.value;
  const domain = selected.value;
  const One = OF_DOMAIN[t];
  if (One !== undefined) {
    return domain === null ? (
      <p class="empty">No domain yet. “New domain” makes one.</p>
    ) : (
      <One key={domain.name} name={domain.name} />
    );
  }
  if (t === 'scheduler') return <Scheduler />;
  if (t === 'latency') return <Latency />;
  return <Overview />;
}

function Login() {
  const [token, setToken] = useState('');
  const [error, setError] = useState('');
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      await api.login(token);
      await start();
    } catch (e) {
      setError(e instanceof Error ? e.message : String(e));
    }
  };
  return (
    <main class="login">
      <form class="panel" onSubmit={submit}>
        <h1>Pcanel</h1>
        <label>
          Token of this server
          <input
            type="password"
            autocomplete="current-password"
            value={token}
            onInput={(e) => setToken(e.currentTarget.value)}
            required
          />
        </label>
        {error !== '' && (
          <p class="bad" role="alert">
            {error}
          </p>
        )}
        <button type="submit">Sign in</button>
      </form>
    </main>
  );
}

/** The foot of the page tells what happened; good news goes away by itself. */
function Notice() {
  const n = notice.value;
  useEffect(() => {
    if (n === null || n.bad) return;
    const timer = setTimeout(() => {
      if (notice.value === n) notice.value = null;
    }, 4000);
    return () => clearTimeout(timer);
  }, [n]);
  return (
    <div class="notices" role="status" aria-live="polite">
      {n !== null && (
        <p class={n.bad ? 'bad' : ''}>
          {n.text}
          <button type="button" class="quiet" aria-label="Dismiss" onClick={() => (notice.value = null)}>
            ×
          </button>
        </p>
      )}
    </div>
  );
}

export function App() {
  const [making, setMaking] = useState(false);
  const view = useRef<HTMLElement>(null);
  if (needsToken.value) return <Login />;
  const domain = selected.value;
  return (
    <div class="frame">
      <button type="button" class="skip" onClick={() => view.current?.focus()}>
        Skip to the view
      </button>
      <Header onNew={() => setMaking(true)} />
      <DomainList />
      <main>
        <Tabs />
        <section
          id="view"
          ref={view}
          role="tabpanel"
          aria-labelledby={`tab-${tab.value}`}
          tabIndex={-1}
          class={`view ${tab.value}`}
          data-domain={domain?.name ?? ''}
        >
          <View />
        </section>
      </main>
      {making && <NewDomain onClose={() => setMaking(false)} taken={domains.value.map((d) => d.name)} />}
      <Notice />
    </div>
  );
}
