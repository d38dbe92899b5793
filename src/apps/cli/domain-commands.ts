// Commands about domains that run already, in an `up` or a `serve` of this user: ps, logs, rm, start, stop and the like.

import { ConfigError } from '../../base/index.js';
import type { Action, DomainView } from '../rest/schemas.js';
import { askAct, askList, askLog, askOutput, askRemove } from './control-socket.js';
import { describeOutcome, ExitCode } from './report.js';
import { parseNumber } from './values.js';

const print = (text: string): void => void process.stdout.write(`${text}\n`);

/** Rows as columns that line up. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((r) => r[i]?.length ?? 0)));
  return rows
    .map((r) =>
      r
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const stateOf = (d: DomainView): string => {
  if (d.error !== null && d.state === 'defined') return `defined (${d.error.code})`;
  return d.outcome === null ? d.state : `${d.state} (${describeOutcome(d.outcome as never)})`;
};

/** `pcanel ps` */
export async function ps(json: boolean, quiet: boolean): Promise<number> {
  const hosts = await askList();
  const all = hosts.flatMap(({ pid, dashboard, domains }) => domains.map((d) => ({ ...d, pid, dashboard })));
  if (json) print(JSON.stringify(all, null, 1));
  else if (quiet) for (const d of all) print(d.name);
  else if (hosts.length === 0) print('no domains are running');
  else {
    const head = ['NAME', 'STATE', 'ENGINE', 'TIME', 'CPU', 'MEMORY', 'BOOTS', 'PID'];
    const rows = all.map((d) => [
      ...[d.name, stateOf(d), d.engine ?? '-', d.time ?? '-', String(d.cpu)],
      ...[`${Math.round(d.memoryBytes / 2 ** 20)}M`, d.boots, String(d.pid)],
    ]);
    print(table([head, ...rows]));
    for (const h of hosts) if (h.dashboard !== null) print(`dashboard of ${h.pid}: ${h.dashboard}`);
  }
  return ExitCode.OK;
}

export interface LogFlags {
  readonly follow?: boolean;
  readonly lines?: string;
  readonly devices?: boolean;
  readonly json?: boolean;
}

/** The last `count` lines of text. */
export function tail(text: string, count: number): string {
  const lines = text.split('\n');
  const open = lines.at(-1) === '' ? 1 : 0;
  return lines.slice(-(count + open)).join('\n');
}

/** `pcanel logs NAME` */
export async function logs(name: string, flags: LogFlags): Promise<number> {
  const count = flags.lines === undefined ? null : parseNumber(flags.lines, '--lines', 0, 1e6);
  if (flags.devices) {
    if (flags.follow) throw new ConfigError('USAGE', '--follow goes with the console, expected no --devices');
    const all = await askLog(name);
    const shown = count === null ? all : all.slice(all.length - Math.min(count, all.length));
    if (flags.json) print(JSON.stringify(shown, null, 1));
    else for (const l of shown) print(`${l.at} ${l.source}: ${l.text}`);
    return ExitCode.OK;
  }
  const { socket, first } = await askOutput(name, flags.follow ?? false);
  const decoder = new TextDecoder();
  const put = (text: string): void => {
    if (text === '') return;
    process.stdout.write(flags.json ? `${JSON.stringify({ domain: name, text })}\n` : text);
  };
  if (flags.follow) {
    // The past comes in one piece, with the answer or right after it.
    put(tail(decoder.decode(first, { stream: true }), count ?? Number.MAX_SAFE_INTEGER));
    await new Promise<void>((resolve) => {
      socket.on('data', (bytes) => put(decoder.decode(bytes, { stream: true })));
      socket.on('close', () => resolve());
      process.once('SIGINT', () => socket.destroy());
      process.once('SIGTERM', () => socket.destroy());
    });
    return ExitCode.OK;
  }
  const parts: Buffer[] = [first];
  await new Promise<void>((resolve) => {
    socket.on('data', (bytes) => parts.push(bytes));
    socket.on('close', () => resolve());
  });
  put(tail(decoder.decode(Buffer.concat(parts)), count ?? Number.MAX_SAFE_INTEGER));
  return ExitCode.OK;
}

/** `pcanel start|stop|pause|resume|reset NAME...` */
export async function act(names: readonly string[], action: Action, json: boolean): Promise<number> {
  for (const name of names) {
    const d = await askAct(name, action);
    if (json) print(JSON.stringify(d));
    else if (d !== null) print(`${name}: ${stateOf(d)}`);
  }
  return ExitCode.OK;
}

/** `pcanel rm NAME...` */
export async function remove(names: readonly string[], json: boolean): Promise<number> {
  for (const name of names) {
    await askRemove(name);
    print(json ? JSON.stringify({ removed: name }) : name);
  }
  return ExitCode.OK;
}

/** Names of the domains that there are, for completion; none when nothing answers. */
export const domainNames = async (): Promise<string[]> =>
  (await askList().catch(() => [])).flatMap((h) => h.domains.map((d) => d.name));
