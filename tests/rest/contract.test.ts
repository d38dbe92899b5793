// The REST interface against its own OpenAPI document: every route, every status that it declares.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type RouteName, routes } from '../../src/apps/testing.js';
import { type Answer, type Client, noRtos, rtos, serve } from './client.js';

const TOKEN = 'a-token-of-more-than-sixteen-characters';
const LIMIT_BYTES = 2 << 20;

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly statuses: readonly number[];
  readonly hasBody: boolean;
  readonly secured: boolean;
}

/** Operations as /openapi.json has them. */
async function operations(client: Client): Promise<Operation[]> {
  const { json } = await client.get('/openapi.json');
  assert.equal(json.openapi, '3.1.0');
  return Object.entries(json.paths as Record<string, Record<string, Record<string, unknown>>>).flatMap(([path, item]) =>
    Object.entries(item).map(([method, o]) => ({
      ...{ method: method.toUpperCase(), path },
      statuses: Object.keys(o.responses as object).map(Number),
      hasBody: o.requestBody !== undefined,
      secured: o.security !== undefined,
    })),
  );
}

/** A path with its parameters filled in. */
const fill = (path: string, name: string): string => {
  const query = path.endsWith('/memory') ? '?gpa=0x100000&length=16' : '';
  return path.replace('{name}', name).replace('{action}', 'pause') + query;
};
const call = (
  client: Client,
  o: Operation,
  name: string,
  body?: unknown,
  headers?: Record<string, string>,
): Promise<Answer> => client.ask(o.method, fill(o.path, name), o.method === 'GET' ? undefined : body, headers);

const isError = (a: Answer): boolean =>
  typeof a.json?.error?.code === 'string' &&
  typeof a.json.error.message === 'string' &&
  typeof a.json.error.details === 'object';

/** Checks an answer and notes that its status was seen. */
function check(seen: Map<string, Set<number>>, o: Operation, a: Answer, expected: number): void {
  const where = `${o.method} ${o.path}`;
  assert.equal(a.status, expected, `${where}: ${a.text.slice(0, 300)}`);
  assert.ok(o.statuses.includes(expected), `${where} does not declare ${expected}`);
  if (expected >= 400 && o.path !== '/healthz') assert.ok(isError(a), `${where}: ${a.text}`);
  const set = seen.get(where) ?? new Set();
  set.add(expected);
  seen.set(where, set);
}

/** What each route answers to a good request, in an order in which they work. */
const GOOD: readonly (readonly [route: RouteName, status: number, body?: unknown])[] = [
  ['health', 200],
  ['metrics', 200],
  ['login', 204, { token: TOKEN }],
  ['logout', 204],
  ['host', 200],
  ['images', 200],
  ['create', 201, { definition: rtos('good', { display: 'vga' }), start: true }],
  ['list', 200],
  ['get', 200],
  ['definition', 200],
  ['stat', 200],
  ['domainStat', 200],
  ['logs', 200],
  ['consoleText', 200],
  ['consoleInput', 204, { text: 'tick\n' }],
  ['keyboard', 204, { text: 'a' }],
  ['mouse', 204, { dx: 1, dy: 1, buttons: 0 }],
  ['screenshot', 200],
  ['readMemory', 200],
  ['writeMemory', 204, { gpa: '0xf00000', base64: 'AAEC' }],
  ['accesses', 200],
  ['latency', 200],
  ['measureLatency', 200],
  ['action', 200],
  ['remove', 204],
];
const operationOf = (all: readonly Operation[], route: RouteName): Operation => {
  const { method, path } = routes[route];
  const found = all.find((o) => o.method === method.toUpperCase() && o.path === path);
  assert.ok(found, `${route} is not in the document`);
  return found;
};

test('every route answers as it declares, with every status that a client can bring about', {
  skip: noRtos,
}, async (t: TestContext) => {
  const { client } = await serve(t, { token: TOKEN, maxDomains: 3 });
  const stranger = (await serve(t, { token: TOKEN, failures: { perSecond: 1000, burst: 1000 } })).client;
  const all = await operations(client);
  assert.equal(all.length, Object.keys(routes).length);
  const seen = new Map<string, Set<number>>();

  // Before anything exists: 404, and 409 for what is not loaded.
  await client.post('/api/v1/domains', { definition: rtos('idle') });
  for (const [route, , body] of GOOD) {
    const o = operationOf(all, route);
    if (o.statuses.includes(404)) check(seen, o, await call(client, o, 'nobody', body), 404);
    if (o.statuses.includes(409) && route !== 'create') check(seen, o, await call(client, o, 'idle', body), 409);
  }
  const create = operationOf(all, 'create');
  check(seen, create, await call(client, create, '', { definition: rtos('idle') }), 409);

  // Strangers, foreign pages.
  for (const o of all) {
    const bare = { Authorization: 'Bearer wrong' };
    const body = o.path.endsWith('/session') ? { token: 'wrong' } : {};
    if (o.statuses.includes(401)) {
      check(seen, o, await call(stranger, o, 'nobody', body, bare), 401);
    }
    if (o.statuses.includes(403)) {
      check(seen, o, await call(client, o, 'nobody', {}, { Origin: 'http://evil.example' }), 403);
    }
  }

  // Bodies that are no JSON, of another type, too large, or of another shape.
  for (const o of all.filter((a) => a.hasBody)) {
    check(seen, o, await call(client, o, 'idle', '{"unfinished'), 400);
    check(seen, o, await call(client, o, 'idle', { no: 'such key' }), 400);
    check(seen, o, await call(client, o, 'idle', 'text', { 'Content-Type': 'text/plain' }), 415);
    check(seen, o, await client.askLarge(o.method, fill(o.path, 'idle'), LIMIT_BYTES + 1), 413);
  }
  const action = operationOf(all, 'action');
  check(seen, action, await client.post('/api/v1/domains/idle/actions/explode'), 400);
  const memory = operationOf(all, 'readMemory');
  check(seen, memory, await client.get('/api/v1/domains/idle/memory?gpa=zero&length=1'), 400);
  const accesses = operationOf(all, 'accesses');
  check(seen, accesses, await client.get('/api/v1/domains/idle/accesses?since=-1'), 400);

  // All is well.
  for (const [route, status, body] of GOOD) {
    const o = operationOf(all, route);
    if (route === 'measureLatency')
      await client.until('/api/v1/domains/good/console', (a) => a.text.includes('rtos> '));
    const answer = await call(client, o, 'good', body);
    check(seen, o, answer, status);
    const declared = (routes[route].responses as Record<number, { content?: Record<string, { schema: unknown }> }>)[
      status
    ];
    const schema = declared?.content?.['application/json']?.schema as { parse(v: unknown): unknown } | undefined;
    if (schema !== undefined) schema.parse(answer.json);
  }

  // Too often: a server with little patience.
  const hasty = (await serve(t, { token: TOKEN, rate: { perSecond: 0.001, burst: 1 } })).client;
  await hasty.get('/healthz');
  for (const o of all.filter((a) => a.statuses.includes(429))) {
    const answer = await call(hasty, o, 'nobody', {});
    check(seen, o, answer, 429);
    assert.ok(Number(answer.headers.get('retry-after')) >= 1);
  }

  // What a client cannot bring about at will: a host or a guest that fails.
  const elsewhere = [500, 503, 504];
  for (const o of all) {
    const got = seen.get(`${o.method} ${o.path}`) ?? new Set();
    const missing = o.statuses.filter((s) => !got.has(s) && !elsewhere.includes(s));
    assert.deepEqual(missing, [], `${o.method} ${o.path}`);
  }
});
