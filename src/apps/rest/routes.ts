// Every route of the REST interface with its parameters, bodies and statuses: what /openapi.json is made from.

import { createRoute, z } from '@hono/zod-openapi';
import { definitionSchema } from './definition.js';
import {
  accessBatchSchema,
  actionSchema,
  consoleInputSchema,
  cpuStatSchema,
  createSchema,
  domainSchema,
  domainStatSchema,
  errorSchema,
  hostSchema,
  imageSchema,
  keyboardSchema,
  latencySchema,
  logLineSchema,
  memoryQuerySchema,
  memoryWriteSchema,
  mouseSchema,
  nameSchema,
} from './schemas.js';

export const API = '/api/v1';

const json = <T extends z.ZodType>(schema: T, description: string) => ({
  content: { 'application/json': { schema } },
  description,
});
const body = <T extends z.ZodType>(schema: T) => ({
  body: { content: { 'application/json': { schema } }, required: true },
});
const failed = (description: string) => json(errorSchema, description);
const empty = (description: string) => ({ description });
const raw = (type: string, description: string) => ({
  content: { [type]: { schema: z.string().openapi({ format: 'binary' }) } },
  description,
});

/** What every guarded route may answer. */
const guarded = {
  500: failed('The host refused something, or the server made a mistake'),
  401: failed('No token, or a wrong one'),
  403: failed('An Origin or Host that is not this server'),
  429: failed('Too many requests; see Retry-After'),
} as const;
const writing = {
  400: failed('The body or a parameter is not as declared'),
  413: failed('The body is too large'),
  415: failed('The body is not application/json'),
} as const;
const missing = { 404: failed('No such domain') } as const;
const conflict = { 409: failed('The domain is in a state in which this cannot be done') } as const;

const byName = z.object({ name: nameSchema.openapi({ param: { name: 'name', in: 'path' } }) });
const security = [{ token: [] }];
const D = `${API}/domains/{name}`;
const sinceQuery = z.object({ since: z.coerce.number().int().min(0).default(0) });

export const routes = {
  health: createRoute({
    method: 'get',
    path: '/healthz',
    summary: 'Whether the server and its physical CPUs answer',
    responses: {
      200: json(z.object({ status: z.literal('ok') }), 'All is well'),
      503: json(z.object({ status: z.literal('failing'), reason: z.string() }), 'A physical CPU has gone or hangs'),
    },
  }),
  metrics: createRoute({
    method: 'get',
    path: '/metrics',
    summary: 'Prometheus metrics',
    security,
    responses: { 200: raw('text/plain', 'Text exposition format'), ...guarded },
  }),
  login: createRoute({
    method: 'post',
    path: `${API}/session`,
    summary: 'Trades the token for a cookie, for browsers',
    request: body(z.strictObject({ token: z.string().min(1).max(512) })),
    responses: { 204: empty('The cookie is set'), ...guarded, ...writing },
  }),
  logout: createRoute({
    method: 'delete',
    path: `${API}/session`,
    summary: 'Drops the cookie',
    responses: { 204: empty('Done'), 403: guarded[403], 429: guarded[429] },
  }),
  host: createRoute({
    method: 'get',
    path: `${API}/host`,
    summary: 'The server and the computer it runs on',
    security,
    responses: { 200: json(hostSchema, 'The host'), ...guarded },
  }),
  images: createRoute({
    method: 'get',
    path: `${API}/images`,
    summary: 'Images that a definition may name',
    security,
    responses: { 200: json(z.array(imageSchema), 'Catalogue and images folder'), ...guarded },
  }),
  stat: createRoute({
    method: 'get',
    path: `${API}/stat`,
    summary: 'Statistics of every physical CPU and its domains',
    security,
    responses: { 200: json(z.array(cpuStatSchema), 'Statistics'), ...guarded },
  }),
  list: createRoute({
    method: 'get',
    path: `${API}/domains`,
    summary: 'All domains',
    security,
    responses: { 200: json(z.array(domainSchema), 'Domains'), ...guarded },
  }),
  create: createRoute({
    method: 'post',
    path: `${API}/domains`,
    summary: 'Defines a domain',
    security,
    request: body(createSchema),
    responses: {
      201: json(domainSchema, 'Defined, and started if asked for'),
      ...guarded,
      ...writing,
      409: failed('The name is taken, or there are too many domains'),
    },
  }),
  get: createRoute({
    method: 'get',
    path: D,
    summary: 'One domain',
    security,
    request: { params: byName },
    responses: { 200: json(domainSchema, 'The domain'), ...guarded, ...missing },
  }),
  remove: createRoute({
    method: 'delete',
    path: D,
    summary: 'Ends and forgets a domain',
    security,
    request: { params: byName },
    responses: { 204: empty('Gone'), ...guarded, ...missing },
  }),
  definition: createRoute({
    method: 'get',
    path: `${D}/definition`,
    summary: 'What the domain was made from',
    security,
    request: { params: byName },
    responses: { 200: json(definitionSchema, 'The definition'), ...guarded, ...missing },
  }),
  action: createRoute({
    method: 'post',
    path: `${D}/actions/{action}`,
    summary: 'Starts, pauses, resumes, resets, stops a domain, or presses its power button',
    security,
    request: { params: byName.extend({ action: actionSchema.openapi({ param: { name: 'action', in: 'path' } }) }) },
    responses: {
      200: json(domainSchema, 'The domain after it'),
      400: failed('No such action, or the definition cannot be used'),
      ...guarded,
      ...missing,
      ...conflict,
    },
  }),
  domainStat: createRoute({
    method: 'get',
    path: `${D}/stat`,
    summary: 'Statistics of one domain',
    security,
    request: { params: byName },
    responses: { 200: json(domainStatSchema, 'Statistics'), ...guarded, ...missing, ...conflict },
  }),
  logs: createRoute({
    method: 'get',
    path: `${D}/log`,
    summary: 'The last lines that devices, firmware and Pcanel itself have reported',
    security,
    request: { params: byName },
    responses: { 200: json(z.array(logLineSchema), 'At most 1000 lines'), ...guarded, ...missing },
  }),
  consoleText: createRoute({
    method: 'get',
    path: `${D}/console`,
    summary: 'What the guest has sent on its console, the last 64 KiB (as a WebSocket: the live console)',
    security,
    request: { params: byName },
    responses: { 200: raw('application/octet-stream', 'Bytes as sent'), ...guarded, ...missing },
  }),
  consoleInput: createRoute({
    method: 'post',
    path: `${D}/console`,
    summary: 'Types into the serial console',
    security,
    request: { params: byName, ...body(consoleInputSchema) },
    responses: { 204: empty('Taken'), ...guarded, ...writing, ...missing, ...conflict },
  }),
  keyboard: createRoute({
    method: 'post',
    path: `${D}/keyboard`,
    summary: 'Presses keys of the PS/2 keyboard',
    security,
    request: { params: byName, ...body(keyboardSchema) },
    responses: { 204: empty('Taken'), ...guarded, ...writing, ...missing, ...conflict },
  }),
  mouse: createRoute({
    method: 'post',
    path: `${D}/mouse`,
    summary: 'Moves the PS/2 mouse',
    security,
    request: { params: byName, ...body(mouseSchema) },
    responses: { 204: empty('Taken'), ...guarded, ...writing, ...missing, ...conflict },
  }),
  screenshot: createRoute({
    method: 'get',
    path: `${D}/screenshot`,
    summary: 'The screen as PNG',
    security,
    request: { params: byName },
    responses: { 200: raw('image/png', 'The screen'), ...guarded, ...missing, ...conflict },
  }),
  readMemory: createRoute({
    method: 'get',
    path: `${D}/memory`,
    summary: 'Guest-physical memory',
    security,
    request: { params: byName, query: memoryQuerySchema },
    responses: {
      200: raw('application/octet-stream', 'The bytes'),
      400: failed('Not memory of the guest'),
      ...guarded,
      ...missing,
      ...conflict,
    },
  }),
  writeMemory: createRoute({
    method: 'put',
    path: `${D}/memory`,
    summary: 'Writes guest-physical memory',
    security,
    request: { params: byName, ...body(memoryWriteSchema) },
    responses: { 204: empty('Written'), ...guarded, ...writing, ...missing, ...conflict },
  }),
  accesses: createRoute({
    method: 'get',
    path: `${D}/accesses`,
    summary: 'Accesses that the policy of the domain matched',
    security,
    request: { params: byName, query: sinceQuery },
    responses: {
      200: json(accessBatchSchema, 'The last 4096'),
      400: failed('A parameter is not as declared'),
      ...guarded,
      ...missing,
      ...conflict,
    },
  }),
  latency: createRoute({
    method: 'get',
    path: `${D}/latency`,
    summary: 'The latency histogram that a real-time kernel printed last',
    security,
    request: { params: byName },
    responses: { 200: json(latencySchema.nullable(), 'Null: none yet'), ...guarded, ...missing },
  }),
  measureLatency: createRoute({
    method: 'post',
    path: `${D}/latency`,
    summary: "Types `lat` into the real-time kernel's shell and reads the answer",
    security,
    request: { params: byName },
    responses: {
      200: json(latencySchema, 'The histogram'),
      ...guarded,
      ...missing,
      ...conflict,
      504: failed('The guest did not answer as the real-time kernel does'),
    },
  }),
} as const;
export type RouteName = keyof typeof routes;
