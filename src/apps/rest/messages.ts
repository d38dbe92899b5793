// What the WebSockets carry. Live data (`/api/v1/live`) and controls are JSON text; consoles and screens are binary.

import { z } from '@hono/zod-openapi';
import {
  cpuStatSchema,
  domainSchema,
  exitBatchSchema,
  exitFilterSchema,
  keyboardSchema,
  logLineSchema,
  mouseSchema,
  nameSchema,
  timelineBatchSchema,
} from './schemas.js';

export const PROTOCOL_VERSION = 1;
const id = z.string().min(1).max(64).openapi({ description: "The client's name for a subscription" });
const intervalMs = z.number().int().min(100).max(60_000);

// ---- /api/v1/live, client to server ----

export const liveRequestSchema = z.discriminatedUnion('type', [
  z.discriminatedUnion('topic', [
    z.strictObject({ type: z.literal('subscribe'), topic: z.literal('stat'), id, intervalMs: intervalMs.default(500) }),
    z.strictObject({ type: z.literal('subscribe'), topic: z.literal('events'), id }),
    z.strictObject({
      type: z.literal('subscribe'),
      topic: z.literal('exits'),
      id,
      domain: nameSchema,
      filter: exitFilterSchema.default({}),
      /** Records kept between two messages; older ones are lost. */
      keep: z.number().int().min(1).max(65_536).default(1024),
      maxPerSecond: z.number().int().min(1).max(100_000).default(2000),
      intervalMs: intervalMs.default(250),
    }),
    z.strictObject({
      type: z.literal('subscribe'),
      topic: z.literal('timeline'),
      id,
      cpu: z.number().int().min(0).max(63),
      intervalMs: intervalMs.default(250),
    }),
  ]),
  /** While paused nothing is sent for this subscription; exits go on being counted, and nothing is recorded. */
  z.strictObject({ type: z.literal('pause'), id, on: z.boolean() }),
  /** Changes what an `exits` subscription records. */
  z.strictObject({ type: z.literal('filter'), id, filter: exitFilterSchema }),
  z.strictObject({ type: z.literal('unsubscribe'), id }),
]);
export type LiveRequest = z.infer<typeof liveRequestSchema>;

// ---- /api/v1/live, server to client ----

export const domainEventSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('domain'), domain: domainSchema }),
  z.object({ kind: z.literal('removed'), name: nameSchema }),
  z.object({ kind: z.literal('log'), name: nameSchema, line: logLineSchema }),
]);
export type DomainEvent = z.infer<typeof domainEventSchema>;

export const liveMessageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('hello'), protocol: z.literal(PROTOCOL_VERSION), version: z.string() }),
  /** `timeMs`: the server's monotonic clock, for rates. */
  z.object({
    type: z.literal('stat'),
    id,
    timeMs: z.number(),
    rssBytes: z.number(),
    cpus: z.array(cpuStatSchema),
  }),
  /** After a subscription to events: one `domain` for each domain that there is, then changes as they come. */
  z.object({ type: z.literal('event'), id, event: domainEventSchema }),
  z.object({ type: z.literal('exits'), id, domain: nameSchema, batch: exitBatchSchema }),
  z.object({ type: z.literal('timeline'), id, batch: timelineBatchSchema }),
  /** The subscription `id` (null: the message itself) was refused or has ended, for instance because its domain is gone. */
  z.object({ type: z.literal('error'), id: id.nullable(), code: z.string(), message: z.string() }),
]);
export type LiveMessage = z.infer<typeof liveMessageSchema>;

// ---- /api/v1/domains/{name}/console ----

/** Text frames of the server; binary frames are the guest's bytes, first what it has sent before (at most 64 KiB). */
export const consoleMessageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('state'), domain: domainSchema }),
  z.object({ type: z.literal('error'), code: z.string(), message: z.string() }),
]);
export type ConsoleMessage = z.infer<typeof consoleMessageSchema>;

// ---- /api/v1/domains/{name}/screen ----

/**
 * Frames of the server are binary: 16 bytes of header, little endian: u32 magic 'PCSF' (0x46534350), u16 width,
 * u16 height, u32 format (1: a zlib stream, as DecompressionStream('deflate') takes it, of RGBA dots), u32 version; then
 * the dots. A frame comes when the picture has changed and the one before has been received.
 */
export const SCREEN_MAGIC = 0x46534350;
export const SCREEN_HEADER_BYTES = 16;
export const SCREEN_FORMAT_ZLIB_RGBA = 1;
/** Text frames of the client. */
export const screenRequestSchema = z.union([
  z.strictObject({ type: z.literal('keyboard'), input: keyboardSchema }),
  z.strictObject({ type: z.literal('mouse'), input: mouseSchema }),
]);
export type ScreenRequest = z.infer<typeof screenRequestSchema>;

/** Codes with which the server closes a WebSocket, beside those of RFC 6455. */
export const CloseCode = {
  /** The client does not read; what it missed is lost. */
  TOO_SLOW: 4008,
  /** The domain has been removed. */
  GONE: 4010,
  /** A message that is not as declared here. */
  BAD_MESSAGE: 4000,
  /** The server ends. */
  GOING_AWAY: 1001,
} as const;
