// The socket by which `pcanel stat` and `pcanel console` reach a running `up`: one JSON line, then JSON or raw bytes.

import { mkdir, readdir, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, HostError, VmError } from '../../base/index.js';
import type { Domain, Pcanel, PcpuStat } from '../../domains/index.js';
import { hint } from './values.js';

export type ControlRequest = { readonly op: 'stat' } | { readonly op: 'console' | 'screenshot'; readonly name: string };
type ControlReply =
  | { readonly ok: true; readonly names: readonly string[]; readonly stat?: readonly PcpuStat[]; readonly png?: string }
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

/** Listens for `stat` and `console`. */
export async function serveControl(pcanel: Pcanel, folder = runFolder()): Promise<ControlServer> {
  const path = join(folder, `${process.pid}${SUFFIX}`);
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {}); // the other side has gone
    firstLine(socket, (line, rest) => void answer(pcanel, socket, line, rest));
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
      for (const s of sockets) s.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await unlink(path).catch(() => {}); // closing has removed it already
    },
  };
}

async function answer(pcanel: Pcanel, socket: Socket, line: string, rest: Buffer): Promise<void> {
  const names = pcanel.domains.map((d) => d.name);
  const reply = (r: ControlReply): void => void socket.write(`${JSON.stringify(r)}\n`);
  try {
    const request = JSON.parse(line) as ControlRequest;
    if (request.op === 'stat') {
      reply({ ok: true, names, stat: await pcanel.stat() });
      socket.end();
      return;
    }
    const domain = pcanel.domain(request.name);
    if (domain === undefined) {
      reply({ ok: false, names, message: `no domain '${request.name}'` });
      socket.end();
      return;
    }
    if (request.op === 'screenshot') {
      reply({ ok: true, names, png: Buffer.from(await domain.screenshot()).toString('base64') });
      socket.end();
      return;
    }
    reply({ ok: true, names });
    attach(domain, socket, rest);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    reply({ ok: false, names, message, ...(error instanceof VmError && { code: error.code }) });
    socket.end();
  }
}

/** A second viewer of a console; one that does not read is cut off rather than holding the guest back. */
function attach(domain: Domain, socket: Socket, first: Buffer): void {
  if (first.length > 0) domain.write(first);
  socket.on('data', (bytes) => domain.write(bytes));
  const offOutput = domain.onOutput((bytes) => {
    if (socket.writableLength > MAX_BACKLOG) socket.destroy();
    else socket.write(bytes);
  });
  const offState = domain.onState((state) => state === 'stopped' && socket.end());
  socket.on('close', () => {
    offOutput();
    offState();
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
    const timer = setTimeout(() => {
      socket.destroy();
      resolve(null);
    }, ANSWER_TIMEOUT_MS);
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
  new ConfigError('NOT_RUNNING', "no domains are running, expected a running 'pcanel up'");

/** Statistics of every running host. */
export async function askStat(folder = runFolder()): Promise<PcpuStat[]> {
  const answers = await Promise.all((await sockets(folder)).map((path) => ask(path, { op: 'stat' })));
  const found = answers.filter((a) => a !== null);
  for (const a of found) a.socket.end();
  if (found.length === 0) throw nothingRuns();
  return found.flatMap((a) => (a.reply.ok ? (a.reply.stat ?? []) : []));
}

/** Asks the host that runs a domain. */
async function askDomain(
  op: 'console' | 'screenshot',
  name: string,
  folder: string,
): Promise<{ socket: Socket; first: Buffer; png: string }> {
  const names: string[] = [];
  for (const path of await sockets(folder)) {
    const answer = await ask(path, { op, name });
    if (answer === null) continue;
    if (answer.reply.ok) return { socket: answer.socket, first: answer.rest, png: answer.reply.png ?? '' };
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
  return askDomain('console', name, folder);
}

/** The screen of a running domain as a PNG file. */
export async function askScreenshot(name: string, folder = runFolder()): Promise<Uint8Array> {
  const { socket, png } = await askDomain('screenshot', name, folder);
  socket.end();
  return Buffer.from(png, 'base64');
}
