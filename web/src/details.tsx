// What a domain was made from, and its log.

import { useEffect, useState } from 'preact/hooks';
import { api, type LogLine } from './api.js';
import { stateText } from './domain-list.jsx';
import { live } from './live.js';
import { domains, report, stats } from './store.js';

const KEEP = 1000;

export function Details({ name }: { readonly name: string }) {
  const [definition, setDefinition] = useState<Record<string, unknown> | null>(null);
  const [lines, setLines] = useState<readonly LogLine[]>([]);
  useEffect(() => {
    let open = true;
    api.definition(name).then((d) => open && setDefinition(d), report);
    api.log(name).then((l) => open && setLines(l), report);
    const s = live.subscribe({ topic: 'events' }, (m) => {
      if (m.type !== 'event' || m.event.kind !== 'log' || m.event.name !== name) return;
      const { line } = m.event;
      setLines((old) => [...old, line].slice(-KEEP));
    });
    return () => {
      open = false;
      s.close();
    };
  }, [name]);
  const d = domains.value.find((o) => o.name === name);
  const machine = stats.value.get(name)?.machine;
  return (
    <div class="row two">
      <section class="panel" aria-label="Definition">
        <h2>{name}</h2>
        <dl class="facts">
          <dt>State</dt>
          <dd>{d === undefined ? '–' : stateText(d)}</dd>
          <dt>RIP</dt>
          <dd class="mono">{machine?.rip ?? '–'}</dd>
          <dt>Unclaimed accesses</dt>
          <dd>{machine?.unclaimed.toLocaleString('en') ?? '–'}</dd>
          <dt>Resets</dt>
          <dd>{machine?.resets ?? '–'}</dd>
          <dt>Kept by the server</dt>
          <dd>{d?.stored ? `yes${d.autostart ? ', starts with it' : ''}` : 'no'}</dd>
          {Object.entries(definition ?? {})
            .filter(([key]) => key !== 'name')
            .map(([key, value]) => [
              <dt key={`${key}:`}>{key}</dt>,
              <dd key={key} class="mono">
                {typeof value === 'string' ? value : JSON.stringify(value)}
              </dd>,
            ])}
        </dl>
      </section>
      <section class="panel scroll" aria-label="Log" tabIndex={0}>
        <h2>Log</h2>
        <ol class="log">
          {lines.toReversed().map((l, i) => (
            <li key={i}>
              <time dateTime={l.at}>{l.at.slice(11, 19)}</time> <b>{l.source}</b> {l.text}
            </li>
          ))}
        </ol>
        {lines.length === 0 && <p class="empty">Nothing was reported.</p>}
      </section>
    </div>
  );
}
