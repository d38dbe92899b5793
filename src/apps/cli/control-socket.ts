// The socket by which `pcanel ps`, `stat`, `console` and the like reach a running `up` or `serve`: one JSON line, then JSON
// or raw bytes.

import { mkdir, readdir, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, HostError, VmError } from '../../base/index.js';
import type { Domain, PcpuStat, ProfileReader } from '../../domains/index.js';
import type { ProfileBatch, ProfileOptions } from '../../machine/index.js';
import type { Fleet, FleetDomain } from '../rest/fleet.js';
import type { Action, DomainView, LogLine } from '../rest/schemas.js';
import { hint } from './values.js';

export type ControlRequest =
  | { readonly op: 'stat' }
  | { readonly op: 'list' }
  | { readonly op: 'console' | 'screenshot' | 'log' | 'remove'; readonly name: string }
  /** The console's past, and with `follow` what comes. */
  | { readonly op: 'output'; readonly name: string; readonly follow: boolean }
  | { readonly op: 'act'; readonly name: string; readonly action: Action }
  /** Samples until a line comes; answers with a second line. */
  | { readonly op: 'profile'; readonly name: string; readonly options: ProfileOptions };
type ControlReply =
  | {
      readonly ok: true;
      readonly names: readonly string[];
      readonly pid?: number;
      readonly dashboard?: string | null;
      readonly stat?: readonly PcpuStat[];
      readonly png?: string;
      readonly domains?: readonly DomainView[];
      readonly log?: readonly LogLine[];
      readonly domain?: DomainView;
    }
  | { readonly ok: false; readonly names: readonly string[]; readonly message: string; readonly code?: string };

/** $XDG_RUNTIME_DIR/pcanel, else ~/.cache/pcanel/run. */
export const runFolder = (): string =>
  process.env.XDG_RUNTIME_DIR
    ? join(process.env.XDG_RUNTIME_DIR, 'pcanel')
    : join(homedir(), '.cache', 'pcanel', 'run');

const SUFFIX = '.sock';
/** Of an answer: a picture in base 64. */
const MAX_LINE = 64 << 20;
const MAX_BACKLOG = 1 << 20;
const ANSWER_TIMEOUT_MS = 3000;
/** An action may fetch images first. */
const ACTION_TIMEOUT_MS = 600_000;

/** Calls `take` with the first line of a socket and the bytes behind it. */
function firstLine(socket: Socket, take: (line: string, rest: Buffer) => void): void {
  let seen = Buffer.alloc(0);
  const onData = (data: Buffer): void => {
    seen = Buffer.concat([seen, data]);
    const end = seen.indexOf(0x0a);
    if (end < 0) {
      if (seen.length > MAX_LINE) socket.destroy();
      return;
    }
    socket.off('data', onData);
    take(seen.subarray(0, end).toString(), seen.subarray(end + 1));
  };
  socket.on('data', onData);
}

export interface ControlServer {
  readonly path: string;
  close(): Promise<void>;
}

/** Listens for other `pcanel` commands; `dashboard` gives the server's address. */
export async function serveControl(
  fleet: Fleet,
  dashboard: () => string | null = () => null,
  folder = runFolder(),
): Promise<ControlServer> {
  const path = join(folder, `${process.pid}${SUFFIX}`);
  const sockets = new Set<Socket>();
  const working = new Set<Promise<void>>();
  let startClosing = (): void => {};
  const closing = new Promise<void>((resolve) => {
    startClosing = resolve;
  });
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {}); // the other side has gone
    firstLine(socket, (line, rest) => {
      const work = answer(fleet, dashboard, closing, socket, line, rest).finally(() => working.delete(work));
      working.add(work);
    });
  });
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await unlink(path).catch(() => {}); // left by a process that had our number
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
  } catch (cause) {
    const message = `cannot listen on '${path}': ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new HostError('CONTROL_SOCKET', message, { path }, { cause });
  }
  server.unref();
  return {
    path,
    close: async () => {
      // Profiles come to their end and are handed out.
      startClosing();
      await Promise.race([Promise.all(working), sleep(ANSWER_TIMEOUT_MS, null, { ref: false })]);
      for (const s of sockets) s.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await unlink(path).catch(() => {}); // closing has removed it already
    },
  };
}

async function answer(
  fleet: Fleet,
  dashboard: () => string | null,
  closing: Promise<void>,
  socket: Socket,
  line: string,
  rest: Buffer,
): Promise<void> {
  const names = fleet.domains.map((d) => d.name);
  const reply = (r: ControlReply): void => void socket.write(`${JSON.stringify(r)}\n`);
  const end = (more: object): void => {
    reply({ ok: true, names, ...more });
    socket.end();
  };
  try {
    const request = JSON.parse(line) as ControlRequest;
    if (request.op === 'stat') {
      end({ stat: await fleet.pcanel.stat() });
      return;
    }
    if (request.op === 'list') {
      end({ pid: process.pid, dashboard: dashboard(), domains: fleet.domains.map((d) => d.view()) });
      return;
    }
    const d = fleet.domains.find((o) => o.name === request.name);
    if (d === undefined) {
      reply({ ok: false, names, message: `no domain '${request.name}'` });
      socket.end();
      return;
    }
    switch (request.op) {
      case 'screenshot':
        end({ png: Buffer.from(await d.live('it has no screen').screenshot()).toString('base64') });
        return;
      case 'log':
        end({ log: d.log });
        return;
      case 'act':
        await fleet.act(d, request.action);
        end({ domain: d.view() });
        return;
      case 'remove':
        await fleet.remove(d);
        end({});
        return;
      case 'output':
        reply({ ok: true, names });
        socket.write(d.history.bytes());
        if (request.follow) view(d, socket);
        else socket.end();
        return;
      case 'console':
        reply({ ok: true, names });
        if (rest.length > 0) type(d, rest);
        socket.on('data', (bytes) => type(d, bytes));
        view(d, socket);
        return;
      case 'profile': {
        const domain = d.live('it does not run');
        const reader = await domain.profile(request.options);
        reply({ ok: true, names });
        await profile(domain, reader, socket, closing);
        return;
      }
      default:
        throw new ConfigError('CONTROL_OP', `no operation '${(request as { op: string }).op}'`);
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    reply({ ok: false, names, message, ...(error instanceof VmError && { code: error.code }) });
    socket.end();
  }
}

/** Input for a guest that does not read it is dropped, as a serial line without flow control does. */
function type(d: FleetDomain, bytes: Uint8Array): void {
  d.domain?.write(bytes);
}

/** Samples until the other side sends a line or goes away, or the domain or the run ends; answers with what was found. */
async function profile(domain: Domain, reader: ProfileReader, socket: Socket, closing: Promise<void>): Promise<void> {
  await new Promise<void>((resolve) => {
    if (domain.state === 'stopped') resolve();
    const off = domain.onState((state) => state === 'stopped' && resolve());
    void closing.then(resolve);
    socket.once('data', () => resolve());
    socket.once('close', () => resolve());
    socket.once('close', off);
  });
  const batch = await reader.read();
  await reader.close();
  if (!socket.destroyed) await new Promise<void>((resolve) => socket.end(`${JSON.stringify(batch)}\n`, resolve));
}

/** A second viewer of a console; one that does not read is cut off rather than holding the guest back. */
function view(d: FleetDomain, socket: Socket): void {
  const offOutput = d.onOutput((bytes) => {
    if (socket.writableLength > MAX_BACKLOG) socket.destroy();
    else socket.write(bytes);
  });
  const offChange = d.onChange(() => {
    if (d.removed || d.state === 'stopped') socket.end();
  });
  socket.on('close', () => {
    offOutput();
    offChange();
  });
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};

/** Asks one running host. Null when the socket is stale, which is then removed. */
function ask(
  path: string,
  request: ControlRequest,
): Promise<{ socket: Socket; reply: ControlReply; rest: Buffer } | null> {
  return new Promise((resolve) => {
    const socket = connect(path);
    // A host that does not answer is passed over.
    const timer = setTimeout(
      () => {
        socket.destroy();
        resolve(null);
      },
      request.op === 'act' ? ACTION_TIMEOUT_MS : ANSWER_TIMEOUT_MS,
    );
    socket.on('error', () => {
      clearTimeout(timer);
      const pid = Number.parseInt(path.slice(path.lastIndexOf('/') + 1), 10);
      if (Number.isInteger(pid) && !alive(pid)) void unlink(path).catch(() => {});
      resolve(null);
    });
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    firstLine(socket, (line, rest) => {
      clearTimeout(timer);
      resolve({ socket, reply: JSON.parse(line) as ControlReply, rest });
    });
  });
}

async function sockets(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((n) => n.endsWith(SUFFIX)).map((n) => join(folder, n));
}

const nothingRuns = (): ConfigError =>
  new ConfigError('NOT_RUNNING', "no domains are running, expected a running 'pcanel up' or 'pcanel serve'");

/** Statistics of every running host. */
export async function askStat(folder = runFolder()): Promise<PcpuStat[]> {
  const answers = await Promise.all((await sockets(folder)).map((path) => ask(path, { op: 'stat' })));
  const found = answers.filter((a) => a !== null);
  for (const a of found) a.socket.end();
  if (found.length === 0) throw nothingRuns();
  return found.flatMap((a) => (a.reply.ok ? (a.reply.stat ?? []) : []));
}

/** A host that runs, with its domains. */
export interface RunningHost {
  readonly pid: number;
  /** Address of its dashboard, null when it serves none. */
  readonly dashboard: string | null;
  readonly domains: readonly DomainView[];
}

/** Every running host; none is no error. */
export async function askList(folder = runFolder()): Promise<RunningHost[]> {
  const answers = await Promise.all((await sockets(folder)).map((path) => ask(path, { op: 'list' })));
  return answers.flatMap((a) => {
    a?.socket.end();
    if (a?.reply.ok !== true) return [];
    const { pid = 0, dashboard = null, domains = [] } = a.reply;
    return [{ pid, dashboard, domains }];
  });
}

type OkReply = Extract<ControlReply, { ok: true }>;
type DomainRequest = Extract<ControlRequest, { name: string }>;

/** Asks the host that runs a domain. */
async function askDomain(
  request: DomainRequest,
  folder: string,
): Promise<{ socket: Socket; first: Buffer; reply: OkReply }> {
  const { name } = request;
  const names: string[] = [];
  for (const path of await sockets(folder)) {
    const answer = await ask(path, request);
    if (answer === null) continue;
    if (answer.reply.ok) return { socket: answer.socket, first: answer.rest, reply: answer.reply };
    names.push(...answer.reply.names);
    answer.socket.end();
    const { code, message } = answer.reply;
    if (code !== undefined) throw new ConfigError(code, message, { domain: name });
  }
  if (names.length === 0) throw nothingRuns();
  throw new ConfigError('DOMAIN_UNKNOWN', `no running domain is named '${name}', ${hint(name, names)}`, {
    domain: name,
  });
}

/** Attaches to the console of a running domain. */
export async function askConsole(name: string, folder = runFolder()): Promise<{ socket: Socket; first: Buffer }> {
  return askDomain({ op: 'console', name }, folder);
}

/** What the console of a domain has sent, at most 64 KiB, and with `follow` what comes. */
export async function askOutput(
  name: string,
  follow: boolean,
  folder = runFolder(),
): Promise<{ socket: Socket; first: Buffer }> {
  return askDomain({ op: 'output', name, follow }, folder);
}

/** The screen of a running domain as a PNG file. */
export async function askScreenshot(name: string, folder = runFolder()): Promise<Uint8Array> {
  const { socket, reply } = await askDomain({ op: 'screenshot', name }, folder);
  socket.end();
  return Buffer.from(reply.png ?? '', 'base64');
}

/** What devices, firmware and Pcanel have said of a domain. */
export async function askLog(name: string, folder = runFolder()): Promise<readonly LogLine[]> {
  const { socket, reply } = await askDomain({ op: 'log', name }, folder);
  socket.end();
  return reply.log ?? [];
}

/** Starts, pauses, resumes, resets or stops a domain; tells its state after that. */
export async function askAct(name: string, action: Action, folder = runFolder()): Promise<DomainView | null> {
  const { socket, reply } = await askDomain({ op: 'act', name, action }, folder);
  socket.end();
  return reply.domain ?? null;
}

/** Ends and forgets a domain. */
export async function askRemove(name: string, folder = runFolder()): Promise<void> {
  const { socket } = await askDomain({ op: 'remove', name }, folder);
  socket.end();
}

/** Samples a running domain until `untilEnd` resolves or it stops. */
export async function askProfile(
  name: string,
  options: ProfileOptions,
  /** Called when the profile has begun; resolves when it is to end. */
  untilEnd: () => Promise<void>,
  folder = runFolder(),
): Promise<ProfileBatch> {
  const { socket, first } = await askDomain({ op: 'profile', name, options }, folder);
  const answer = new Promise<string>((resolve, reject) => {
    let seen = first.toString();
    socket.on('data', (data) => {
      seen += data.toString();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(seen));
  });
  await Promise.race([untilEnd(), answer]);
  if (!socket.destroyed) socket.write('\n');
  const text = await answer;
  if (!text.endsWith('\n')) throw new HostError('PROFILE_LOST', `the host of '${name}' has gone before its profile`);
  return JSON.parse(text) as ProfileBatch;
}
