// The live WebSocket: statistics, events, single VM exits and scheduler timelines, by subscription. Recording is on only
// while somebody is subscribed. A client that does not read misses messages; records then count as lost.

import { performance } from 'node:perf_hooks';
import type { WebSocket } from 'ws';
import { ConfigError, VmError } from '../../base/index.js';
import type { ExitReader, TimelineReader } from '../../domains/index.js';
import type { ExitName } from '../../vmx/index.js';
import type { Fleet } from './fleet.js';
import { CloseCode, type LiveMessage, type LiveRequest, liveRequestSchema, PROTOCOL_VERSION } from './messages.js';
import { mutable } from './mutable.js';

const MAX_SUBSCRIPTIONS = 64;
/** A client that has this much unread gets no periodic messages. */
const SKIP_BYTES = 1 << 20;
/** One that has this much unread is closed. */
const MAX_BACKLOG = 8 << 20;
const EXITS_PER_MESSAGE = 2000;

type Subscribe = Extract<LiveRequest, { type: 'subscribe' }>;
type ExitFilter = Extract<LiveRequest, { type: 'filter' }>['filter'];

interface Subscription {
  readonly topic: Subscribe['topic'];
  paused: boolean;
  filter?(filter: ExitFilter): Promise<void>;
  pause?(on: boolean): Promise<void>;
  end(): void;
}

/** Optional keys that are undefined are left out. */
function exactFilter(f: ExitFilter) {
  return {
    ...(f.names !== undefined && { names: f.names as readonly ExitName[] }),
    ...(f.address !== undefined && { address: f.address }),
    ...(f.rip !== undefined && { rip: f.rip }),
  };
}

/** Serves one client of `/api/v1/live`. */
export function serveLive(socket: WebSocket, fleet: Fleet, version: string): void {
  const all = new Map<string, Subscription>();
  const send = (message: LiveMessage): void => {
    if (socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount > MAX_BACKLOG) socket.close(CloseCode.TOO_SLOW, 'does not read');
    else socket.send(JSON.stringify(message));
  };
  const fail = (id: string | null, error: unknown): void => {
    const code = error instanceof VmError ? error.code : 'INTERNAL';
    const message = error instanceof VmError ? error.message : 'the server made a mistake';
    send({ type: 'error', id, code, message });
  };
  const drop = (id: string): void => {
    all.get(id)?.end();
    all.delete(id);
  };

  /** Calls `work` every `ms` while the client reads; an error ends the subscription. */
  const every = (id: string, ms: number, sub: () => Subscription | undefined, work: () => Promise<void>) => {
    let running = false;
    const timer = setInterval(() => {
      if (running || sub()?.paused !== false || socket.bufferedAmount > SKIP_BYTES) return;
      running = true;
      work()
        .catch((error: unknown) => {
          if (sub() === undefined) return; // it ended meanwhile
          drop(id);
          fail(id, error);
        })
        .finally(() => {
          running = false;
        });
    }, ms);
    timer.unref();
    return () => clearInterval(timer);
  };

  const topics = {
    async stat(r: Extract<Subscribe, { topic: 'stat' }>): Promise<Subscription> {
      const { id } = r;
      const tell = async (): Promise<void> => {
        const cpus = mutable(await fleet.pcanel.stat());
        send({ type: 'stat', id, timeMs: performance.now(), rssBytes: process.memoryUsage.rss(), cpus });
      };
      await tell();
      const stop = every(id, r.intervalMs, () => all.get(id), tell);
      return { topic: r.topic, paused: false, end: stop };
    },
    async events({ id, topic }: Extract<Subscribe, { topic: 'events' }>): Promise<Subscription> {
      for (const d of fleet.domains) send({ type: 'event', id, event: { kind: 'domain', domain: d.view() } });
      const sub: Subscription = {
        topic,
        paused: false,
        end: fleet.onEvent((event) => {
          if (!sub.paused) send({ type: 'event', id, event });
        }),
      };
      return sub;
    },
    async exits(r: Extract<Subscribe, { topic: 'exits' }>): Promise<Subscription> {
      const { id, domain: name, keep, maxPerSecond } = r;
      const d = fleet.get(name);
      const options = { keep, maxPerSecond };
      let filter = r.filter;
      let reader: ExitReader | null = await d
        .live('it has no VM exits')
        .traceExits({ ...options, filter: exactFilter(filter) });
      const close = (): void => {
        void reader?.close().catch(() => {}); // the domain may be gone already
        reader = null;
      };
      const stop = every(
        id,
        r.intervalMs,
        () => all.get(id),
        async () => {
          if (d.removed) throw new ConfigError('DOMAIN_UNKNOWN', `'${name}' is gone`, { domain: name });
          if (reader === null) return;
          const batch = mutable(await reader.read(EXITS_PER_MESSAGE));
          send({ type: 'exits', id, domain: name, batch });
        },
      );
      return {
        topic: r.topic,
        paused: false,
        filter: async (next) => {
          filter = next;
          await reader?.configure({ ...options, filter: exactFilter(filter) });
        },
        // A filter that nothing passes: no exit is recorded, and what was recorded stays to be read.
        pause: async (on) => {
          const none = { address: [Number.MAX_SAFE_INTEGER, 1] as const };
          await reader?.configure({ ...options, filter: on ? none : exactFilter(filter) });
        },
        end: () => {
          stop();
          close();
        },
      };
    },
    async timeline(r: Extract<Subscribe, { topic: 'timeline' }>): Promise<Subscription> {
      const { id, cpu } = r;
      const reader: TimelineReader = await fleet.pcanel.traceCpu(cpu);
      const stop = every(
        id,
        r.intervalMs,
        () => all.get(id),
        async () => send({ type: 'timeline', id, batch: mutable(await reader.read()) }),
      );
      return {
        topic: r.topic,
        paused: false,
        end: () => {
          stop();
          void reader.close().catch(() => {}); // the physical CPU may have gone
        },
      };
    },
  };

  const subscribe = async (r: Subscribe): Promise<void> => {
    if (all.has(r.id)) throw new ConfigError('SUBSCRIPTION', `there is already a subscription '${r.id}'`);
    if (all.size >= MAX_SUBSCRIPTIONS) {
      throw new ConfigError('SUBSCRIPTION', `there are ${MAX_SUBSCRIPTIONS} subscriptions, which is the limit`);
    }
    const sub = await topics[r.topic](r as never);
    if (socket.readyState === socket.OPEN) all.set(r.id, sub);
    else sub.end();
  };
  const known = (id: string): Subscription => {
    const sub = all.get(id);
    if (sub === undefined) throw new ConfigError('SUBSCRIPTION', `there is no subscription '${id}'`);
    return sub;
  };
  const obey = async (r: LiveRequest): Promise<void> => {
    if (r.type === 'subscribe') return subscribe(r);
    const sub = known(r.id);
    if (r.type === 'unsubscribe') drop(r.id);
    else if (r.type === 'pause') {
      sub.paused = r.on;
      await sub.pause?.(r.on);
    } else if (sub.filter === undefined) {
      throw new ConfigError('SUBSCRIPTION', `'${r.id}' is a subscription to ${sub.topic}, expected exits`);
    } else await sub.filter(r.filter);
  };

  // One request after the other, so that 'unsubscribe' does not overtake 'subscribe'.
  let queue = Promise.resolve();
  socket.on('message', (data, isBinary) => {
    const r = isBinary ? null : parseMessage(liveRequestSchema, String(data));
    if (r === null) {
      socket.close(CloseCode.BAD_MESSAGE, 'a message that is not as declared');
      return;
    }
    queue = queue.then(() => obey(r).catch((error: unknown) => fail(r.id, error)));
  });
  socket.on('close', () => {
    for (const id of [...all.keys()]) drop(id);
  });
  send({ type: 'hello', protocol: PROTOCOL_VERSION, version });
}

/** A message as its schema says, or null. */
export function parseMessage<T>(
  schema: { safeParse(value: unknown): { success: true; data: T } | { success: false } },
  text: string,
): T | null {
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null; // not JSON
  }
}
