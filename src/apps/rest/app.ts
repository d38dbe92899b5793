// The REST interface: handlers of the declared routes, and what comes before every one of them.

import { cpus, totalmem } from 'node:os';
import type { HttpBindings } from '@hono/node-server';
import { OpenAPIHono, type z } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { HTTPException } from 'hono/http-exception';
import { ConfigError } from '../../base/index.js';
import { keyBytes } from '../../domains/index.js';
import { typeText } from '../../machine/index.js';
import { listImages } from '../images/index.js';
import { definitionSchema } from './definition.js';
import { errorBody, refusal, statusOf } from './errors.js';
import { checkFiles, listFolder } from './files.js';
import type { Fleet } from './fleet.js';
import { COOKIE, type Guard, RateLimit, type RateOptions } from './guard.js';
import { Metrics } from './metrics.js';
import { mutable } from './mutable.js';
import { API, routes } from './routes.js';
import type { HostView, ImageView, keyboardSchema } from './schemas.js';
import { type StaticFiles, staticFiles } from './static.js';

export const MAX_BODY_BYTES = 2 << 20;
/** Requests of one client. */
export const RATE: RateOptions = { perSecond: 100, burst: 400 };
/** Wrong tokens of one client. */
export const FAILURES: RateOptions = { perSecond: 0.2, burst: 10 };
const HEALTH_TIMEOUT_MS = 3000;

export interface AppOptions {
  readonly fleet: Fleet;
  readonly guard: Guard;
  readonly version: string;
  readonly engines: readonly string[];
  /** Folder whose files definitions may name; null: catalogue images only. */
  readonly imagesFolder: string | null;
  /** Built dashboard; null: a page that says how to build it. */
  readonly webFolder: string | null;
  readonly rate?: RateOptions;
  readonly failures?: RateOptions;
  readonly log?: (line: string) => void;
}

type Env = { Bindings: Partial<HttpBindings> };
const SECURITY_HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Content-Security-Policy':
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; " +
    "img-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
} as const;

/** What limits a client before it has said anything: shared by REST and WebSockets. */
export class Doorkeeper {
  readonly #requests: RateLimit;
  readonly #failures: RateLimit;
  constructor(
    readonly guard: Guard,
    rate: RateOptions = RATE,
    failures: RateOptions = FAILURES,
  ) {
    this.#requests = new RateLimit(rate);
    this.#failures = new RateLimit(failures);
  }
  /** Seconds to wait, 0 when it may go on. */
  request(client: string): number {
    return this.#requests.take(client);
  }
  /** A wrong token was given. */
  failure(client: string): number {
    return this.#failures.take(client);
  }
}

export function createApp(o: AppOptions, door: Doorkeeper): OpenAPIHono<Env> {
  const { fleet, guard } = o;
  const started = performance.now();
  const app = new OpenAPIHono<Env>({
    defaultHook: (result, c) => {
      if (result.success) return undefined;
      const issue = result.error.issues[0];
      const where = issue?.path.length ? `'${issue.path.join('.')}': ` : '';
      return c.json(refusal('REQUEST', `${where}${issue?.message ?? 'not as declared'}`), 400);
    },
  });

  app.onError((error, c) => {
    if (error instanceof HTTPException) {
      const code = error.status === 413 ? 'BODY_TOO_LARGE' : 'REQUEST';
      return c.json(refusal(code, error.message || 'the request is not as declared'), error.status);
    }
    const status = statusOf(error);
    if (status === 500) o.log?.(error.stack ?? error.message);
    return c.json(errorBody(error), status);
  });
  app.notFound((c) => c.json(refusal('NOT_FOUND', 'there is nothing at this address'), 404));

  const clientOf = (env: Env['Bindings']): string => env.incoming?.socket?.remoteAddress ?? 'unknown';
  app.use(async (c, next) => {
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.header(name, value);
    if (c.req.path.startsWith(API)) c.header('Cache-Control', 'no-store');
    const wait = door.request(clientOf(c.env));
    if (wait > 0) {
      c.header('Retry-After', String(wait));
      return c.json(refusal('RATE', `too many requests, expected the next in ${wait} s`), 429);
    }
    const bad = guard.checkSource(Object.fromEntries(c.req.raw.headers));
    if (bad !== null) return c.json(refusal(bad.code, bad.message), bad.status);
    return next();
  });

  const needToken: MiddlewareHandler<Env> = async (c, next) => {
    const bad = guard.checkToken(Object.fromEntries(c.req.raw.headers));
    if (bad === null) return next();
    const wait = door.failure(clientOf(c.env));
    if (wait > 0) {
      c.header('Retry-After', String(wait));
      return c.json(refusal('RATE', `too many wrong tokens, expected the next in ${wait} s`), 429);
    }
    c.header('WWW-Authenticate', 'Bearer');
    return c.json(refusal(bad.code, bad.message), bad.status);
  };
  const open: readonly string[] = [routes.login.path];
  app.use('/metrics', needToken);
  app.use(`${API}/*`, async (c, next) => (open.includes(c.req.path) ? next() : needToken(c, next)));
  const limit = bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: () => {
      throw new HTTPException(413, { message: `the body is too large, expected at most ${MAX_BODY_BYTES} bytes` });
    },
  });
  app.use(`${API}/*`, limit);
  const withBody = new Set(
    Object.values(routes).flatMap((r) => ('request' in r && 'body' in r.request ? [`${r.method} ${r.path}`] : [])),
  );
  const isDeclared = (method: string, path: string): boolean =>
    [...withBody].some((entry) => {
      const [m, p = ''] = entry.split(' ');
      return m === method && new RegExp(`^${p.replace(/\{\w+\}/g, '[^/]+')}$`).test(path);
    });
  app.use(`${API}/*`, async (c, next) => {
    const type = c.req.header('content-type') ?? '';
    if (isDeclared(c.req.method.toLowerCase(), c.req.path) && !/^application\/json(;|$)/i.test(type)) {
      return c.json(refusal('CONTENT_TYPE', `the body is '${type.slice(0, 60)}', expected application/json`), 415);
    }
    return next();
  });

  // ---- server ----

  const metrics = new Metrics(fleet);
  app.openapi(routes.health, async (c) => {
    const late = new Promise<'late'>((resolve) => {
      setTimeout(() => resolve('late'), HEALTH_TIMEOUT_MS).unref();
    });
    const state = await Promise.race([fleet.pcanel.health(), late]);
    if (state === null) return c.json({ status: 'ok' as const }, 200);
    const reason = state === 'late' ? 'a physical CPU does not answer' : state;
    return c.json({ status: 'failing' as const, reason }, 503);
  });
  app.openapi(routes.metrics, async (c) => c.body(await metrics.text(), 200, { 'Content-Type': metrics.contentType }));
  app.openapi(routes.login, async (c) => {
    if (!guard.isToken(c.req.valid('json').token)) {
      const wait = door.failure(clientOf(c.env));
      if (wait > 0) return c.json(refusal('RATE', `too many wrong tokens, expected the next in ${wait} s`), 429);
      return c.json(refusal('TOKEN', 'a wrong token given'), 401);
    }
    const value = guard.session;
    if (value !== null)
      c.header('Set-Cookie', `${COOKIE}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000`);
    return c.body(null, 204);
  });
  app.openapi(routes.logout, (c) => {
    c.header('Set-Cookie', `${COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0`);
    return c.body(null, 204);
  });
  app.openapi(routes.host, (c) => {
    const view: HostView = {
      version: o.version,
      node: process.version,
      engines: [...o.engines],
      cores: cpus().length,
      memoryBytes: totalmem(),
      rssBytes: process.memoryUsage.rss(),
      uptimeS: (performance.now() - started) / 1000,
      authentication: guard.required,
      imagesFolder: o.imagesFolder,
      maxDomains: fleet.maxDomains,
    };
    return c.json(view, 200);
  });
  app.openapi(routes.images, async (c) => {
    const named: ImageView[] = (await listImages()).map(({ name, kind, description, cached }) => ({
      ...{ name, kind, description, cached },
      from: 'catalogue',
      sizeBytes: null,
    }));
    const files = o.imagesFolder === null ? [] : await listFolder(o.imagesFolder);
    const own = files.map(
      ({ name, sizeBytes }): ImageView => ({
        ...{ name, sizeBytes },
        from: 'folder',
        kind: 'file',
        description: '',
        cached: true,
      }),
    );
    return c.json([...named, ...own], 200);
  });
  app.openapi(routes.stat, async (c) => c.json(mutable(await fleet.pcanel.stat()), 200));

  // ---- domains ----

  app.openapi(routes.list, (c) =>
    c.json(
      fleet.domains.map((d) => d.view()),
      200,
    ),
  );
  app.openapi(routes.create, async (c) => {
    const { definition, autostart, start } = c.req.valid('json');
    await checkFiles(definition, o.imagesFolder);
    checkBoot(definition);
    const d = fleet.define(definition, autostart);
    if (start) await fleet.act(d, 'start').catch(() => {}); // it is defined; why it did not start is in `error`
    return c.json(d.view(), 201);
  });
  app.openapi(routes.get, (c) => c.json(fleet.get(c.req.valid('param').name).view(), 200));
  app.openapi(routes.remove, async (c) => {
    await fleet.remove(fleet.get(c.req.valid('param').name));
    return c.body(null, 204);
  });
  app.openapi(routes.definition, (c) => {
    const { entry } = fleet.get(c.req.valid('param').name);
    const known = Object.keys(definitionSchema.shape);
    const shown = Object.fromEntries(Object.entries(entry).filter(([key]) => known.includes(key)));
    return c.json(definitionSchema.parse(shown), 200);
  });
  app.openapi(routes.action, async (c) => {
    const { name, action } = c.req.valid('param');
    const d = fleet.get(name);
    await fleet.act(d, action);
    return c.json(d.view(), 200);
  });
  app.openapi(routes.domainStat, async (c) => {
    const d = fleet.get(c.req.valid('param').name);
    return c.json(mutable(await d.live('there are no statistics').stat()), 200);
  });
  app.openapi(routes.logs, (c) => c.json([...fleet.get(c.req.valid('param').name).log], 200));

  // ---- consoles, keyboard, screen ----

  app.openapi(routes.consoleText, (c) => {
    const { history } = fleet.get(c.req.valid('param').name);
    return c.body(history.bytes().slice().buffer, 200, { 'Content-Type': 'application/octet-stream' });
  });
  app.openapi(routes.consoleInput, (c) => {
    fleet.get(c.req.valid('param').name).type(terminalBytes(c.req.valid('json').text));
    return c.body(null, 204);
  });
  app.openapi(routes.keyboard, async (c) => {
    const codes = keyCodes(c.req.valid('json'));
    await fleet.get(c.req.valid('param').name).live('nobody reads its keyboard').use({ kind: 'keys', codes });
    return c.body(null, 204);
  });
  app.openapi(routes.mouse, async (c) => {
    const input = { kind: 'mouse', ...c.req.valid('json') } as const;
    await fleet.get(c.req.valid('param').name).live('nobody sees its mouse').use(input);
    return c.body(null, 204);
  });
  app.openapi(routes.screenshot, async (c) => {
    const png = await fleet.get(c.req.valid('param').name).live('it has no screen').screenshot();
    return c.body(png.slice().buffer, 200, { 'Content-Type': 'image/png' });
  });

  // ---- memory, policy, latency ----

  app.openapi(routes.readMemory, async (c) => {
    const { gpa, length } = c.req.valid('query');
    const domain = fleet.get(c.req.valid('param').name).live('it has no memory');
    const bytes = await domain.readMemory(Number(gpa), length);
    return c.body(bytes.slice().buffer, 200, { 'Content-Type': 'application/octet-stream' });
  });
  app.openapi(routes.writeMemory, async (c) => {
    const { gpa, base64 } = c.req.valid('json');
    const domain = fleet.get(c.req.valid('param').name).live('it has no memory');
    await domain.writeMemory(Number(gpa), Uint8Array.from(Buffer.from(base64, 'base64')));
    return c.body(null, 204);
  });
  app.openapi(routes.accesses, async (c) => {
    const domain = fleet.get(c.req.valid('param').name).live('nothing has been observed');
    return c.json(mutable(await domain.accesses(c.req.valid('query').since)), 200);
  });
  app.openapi(routes.latency, (c) => c.json(fleet.get(c.req.valid('param').name).latency.last, 200));
  app.openapi(routes.measureLatency, async (c) => {
    const { name } = c.req.valid('param');
    const table = await fleet.get(name).measureLatency();
    if (table !== null) return c.json(table, 200);
    return c.json(refusal('LATENCY_TIMEOUT', `'${name}' printed no latency table, expected the real-time kernel`), 504);
  });

  // ---- document, dashboard ----

  app.openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' });
  app.doc31('/openapi.json', {
    openapi: '3.1.0',
    info: {
      title: 'Pcanel',
      version: o.version,
      description: 'Domains (guest computers) over HTTP. WebSockets are described in src/apps/rest/README.md.',
      license: { name: 'MIT' },
    },
  });
  const files: StaticFiles = staticFiles(o.webFolder);
  app.get('*', async (c, next) => {
    const file = await files.read(c.req.path);
    if (file === null) return next();
    return c.body(file.data, 200, { 'Content-Type': file.type, 'Cache-Control': file.cache });
  });
  return app;
}

/** What the schema cannot say of a definition. */
function checkBoot(d: z.infer<typeof definitionSchema>): void {
  const sources = (['image', 'kernel', 'multiboot', 'bios'] as const).filter((k) => d[k] !== undefined);
  const media = d.cdrom ?? d.disk ?? d.floppy;
  if (sources.length > 1 || (sources.length === 0 && media === undefined)) {
    const got = sources.length === 0 ? 'none' : sources.map((s) => `'${s}'`).join(' and ');
    const message = `${got} of 'image', 'kernel', 'multiboot', 'bios' given, expected exactly one, or 'cdrom', 'disk', 'floppy' to boot from`;
    throw new ConfigError('CONFIG_BOOT', message);
  }
  if (d.realtime !== undefined && d.weight !== undefined) {
    throw new ConfigError('CONFIG_SCHEDULING', "both 'realtime' and 'weight' given, expected one of them");
  }
}

/** Text as a terminal sends it. */
export const terminalBytes = (text: string): Uint8Array => new TextEncoder().encode(text.replace(/\r?\n/g, '\r'));

/** Scan codes of what is typed. */
export function keyCodes(input: z.infer<typeof keyboardSchema>): number[] {
  if ('text' in input) return typeText(input.text);
  return input.keys.flatMap((k) => [...(keyBytes(k.code, k.down) ?? [])]);
}
