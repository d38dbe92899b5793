// The REST interface of the server as the dashboard uses it. Contract: src/apps/rest.

import type { Action, DomainView, HostView, ImageView, LatencyView, LogLine } from '../../src/apps/rest/schemas.js';

export type { Action, DomainView, HostView, ImageView, LatencyView, LogLine };

const API = '/api/v1';

/** What the server refused, with its code. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

async function call(method: string, path: string, body?: unknown): Promise<Response> {
  const response = await fetch(`${API}${path}`, {
    method,
    ...(body !== undefined && { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
  });
  if (response.ok) return response;
  const answer = (await response.json().catch(() => null)) as { error?: { code: string; message: string } } | null;
  const error = answer?.error ?? { code: 'HTTP', message: `the server answered with status ${response.status}` };
  throw new ApiError(response.status, error.code, error.message);
}
const json = async <T>(method: string, path: string, body?: unknown): Promise<T> =>
  (await call(method, path, body)).json() as Promise<T>;
const of = (name: string): string => `/domains/${encodeURIComponent(name)}`;

export const api = {
  host: () => json<HostView>('GET', '/host'),
  images: () => json<ImageView[]>('GET', '/images'),
  login: (token: string) => call('POST', '/session', { token }),
  create: (definition: Record<string, unknown>, start: boolean, autostart: boolean) =>
    json<DomainView>('POST', '/domains', { definition, start, autostart }),
  remove: (name: string) => call('DELETE', of(name)),
  act: (name: string, action: Action) => json<DomainView>('POST', `${of(name)}/actions/${action}`),
  definition: (name: string) => json<Record<string, unknown>>('GET', `${of(name)}/definition`),
  log: (name: string) => json<LogLine[]>('GET', `${of(name)}/log`),
  latency: (name: string) => json<LatencyView | null>('GET', `${of(name)}/latency`),
  measureLatency: (name: string) => json<LatencyView>('POST', `${of(name)}/latency`),
} as const;

/** Address of a WebSocket of this server. */
export const socketUrl = (path: string): string => {
  const url = new URL(`${API}${path}`, location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
};

/** Closes a socket that nobody listens to any more; one that is still connecting when it is open, so that no browser complains. */
export function hangUp(socket: WebSocket | null): void {
  if (socket === null) return;
  socket.onmessage = null;
  socket.onclose = null;
  if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
  else socket.close();
}
