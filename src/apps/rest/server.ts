// The HTTP server with its WebSockets. Source: RFC 6455 "The WebSocket Protocol"; Node.js documentation, "HTTP".

import type { IncomingMessage, Server, ServerOptions } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { serve } from '@hono/node-server';
import { type WebSocket, WebSocketServer } from 'ws';
import { HostError } from '../../base/index.js';
import { type AppOptions, createApp, Doorkeeper } from './app.js';
import { serveConsole } from './console-socket.js';
import { serveLive } from './live.js';
import { CloseCode } from './messages.js';
import { API } from './routes.js';
import { serveScreen } from './screen-socket.js';

export interface ServerOptionsOf extends AppOptions {
  /** Address to listen on. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Of Node's HTTP server: time-outs for slow clients. */
  readonly http?: Pick<
    ServerOptions,
    'headersTimeout' | 'requestTimeout' | 'keepAliveTimeout' | 'connectionsCheckingInterval'
  >;
  readonly maxConnections?: number;
}

export interface RunningServer {
  /** `http://127.0.0.1:7373`. */
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/** A client has this long for its headers, and for a whole request. */
const SLOW = { headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 10_000 } as const;
const MAX_CONNECTIONS = 512;
const MAX_SOCKETS = 256;
/** Of one message of a client. */
const MAX_MESSAGE_BYTES = 64 << 10;
const PING_MS = 30_000;

const SOCKETS = new RegExp(`^${API}/(?:live|domains/([A-Za-z0-9_.-]+)/(console|screen))$`);

type Admission =
  | { readonly status: 101; readonly start: (socket: WebSocket) => void }
  | { readonly status: 401 | 403 | 404 | 409 | 429 | 503; readonly code: string; readonly message: string };

/** Answers an upgrade that is refused, and hangs up. */
function refuseUpgrade(socket: Duplex, status: number, code: string, message: string): void {
  const body = JSON.stringify({ error: { code, message, details: {} } });
  const reasons: Record<number, string> = {
    401: 'Unauthorized',
    403: 'Forbidden',
    404: 'Not Found',
    409: 'Conflict',
    429: 'Too Many Requests',
    503: 'Service Unavailable',
  };
  socket.end(
    `HTTP/1.1 ${status} ${reasons[status] ?? 'Error'}\r\nContent-Type: application/json\r\nConnection: close\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** Keeps connections that are dead from being counted as clients. */
function keepAlive(sockets: ReadonlySet<WebSocket>): () => void {
  const answered = new WeakSet<WebSocket>();
  const timer = setInterval(() => {
    for (const s of sockets) {
      if (answered.has(s)) s.terminate();
      else {
        answered.add(s);
        s.once('pong', () => answered.delete(s));
        s.ping();
      }
    }
  }, PING_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** Starts the server; resolves when it listens. */
export async function startServer(o: ServerOptionsOf): Promise<RunningServer> {
  const { fleet, guard } = o;
  const door = new Doorkeeper(guard, o.rate, o.failures);
  const app = createApp(o, door);
  const wss = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false });
  const stopPings = keepAlive(wss.clients);

  /** What a WebSocket is for, or why there is none. */
  const admit = (request: IncomingMessage): Admission => {
    const client = request.socket.remoteAddress ?? 'unknown';
    if (door.request(client) > 0) return { status: 429, code: 'RATE', message: 'too many requests' };
    const bad = guard.checkSource(request.headers) ?? guard.checkToken(request.headers);
    if (bad !== null) {
      const often = bad.status === 401 && door.failure(client) > 0;
      return often ? { status: 429, code: 'RATE', message: 'too many wrong tokens' } : bad;
    }
    const match = SOCKETS.exec((request.url ?? '').split('?')[0] ?? '');
    if (match === null) {
      return { status: 404, code: 'NOT_FOUND', message: 'there is no WebSocket at this address' };
    }
    if (wss.clients.size >= MAX_SOCKETS) {
      const message = `there are ${MAX_SOCKETS} WebSockets, which is the limit`;
      return { status: 503, code: 'TOO_MANY_SOCKETS', message };
    }
    const [, name, kind] = match;
    if (name === undefined) return { status: 101, start: (ws) => serveLive(ws, fleet, o.version) };
    const domain = fleet.domains.find((d) => d.name === name);
    if (domain === undefined) {
      return { status: 404, code: 'DOMAIN_UNKNOWN', message: `there is no domain '${name}'` };
    }
    if (kind === 'console') return { status: 101, start: (ws) => serveConsole(ws, domain) };
    if (!domain.view().display) return { status: 409, code: 'NO_DISPLAY', message: `'${name}' has no display` };
    return { status: 101, start: (ws) => serveScreen(ws, domain) };
  };
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => {}); // the client has gone
    const admission = admit(request);
    if (admission.status !== 101) {
      refuseUpgrade(socket, admission.status, admission.code, admission.message);
      return;
    }
    wss.handleUpgrade(request, socket, head, (ws) => {
      ws.on('error', () => ws.terminate()); // a frame that is too large, or not a frame
      admission.start(ws);
    });
  };

  const server = await new Promise<Server>((resolve, reject) => {
    const made = serve(
      {
        fetch: app.fetch,
        hostname: o.host,
        port: o.port,
        serverOptions: { ...SLOW, ...o.http, maxHeaderSize: 16 << 10 },
      },
      () => resolve(made as Server),
    );
    (made as Server).maxConnections = o.maxConnections ?? MAX_CONNECTIONS;
    made.on('upgrade', upgrade);
    made.once('error', (cause: Error) => {
      const message = `cannot listen on ${o.host}:${o.port}: ${cause.message}`;
      reject(new HostError('SERVER_LISTEN', message, { host: o.host, port: o.port }, { cause }));
    });
  });
  const { port } = server.address() as AddressInfo;
  const shown = o.host.includes(':') ? `[${o.host.replace(/^\[|\]$/g, '')}]` : o.host;
  return {
    url: `http://${shown}:${port}`,
    port,
    close: async () => {
      stopPings();
      for (const ws of wss.clients) ws.close(CloseCode.GOING_AWAY, 'the server ends');
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const timer = setTimeout(() => {
        for (const ws of wss.clients) ws.terminate();
        server.closeAllConnections();
      }, 500);
      await closed;
      clearTimeout(timer);
      wss.close();
    },
  };
}
