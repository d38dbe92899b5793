// The live WebSocket: subscriptions that outlive a lost connection. Contract: src/apps/rest/messages.ts.

import { signal } from '@preact/signals';
import type { LiveMessage, LiveRequest } from '../../src/apps/rest/messages.js';
import { socketUrl } from './api.js';

export type LiveOf<T extends LiveMessage['type']> = Extract<LiveMessage, { type: T }>;
export type ExitRecord = LiveOf<'exits'>['batch']['records'][number];
export type TimelineBatch = LiveOf<'timeline'>['batch'];
export type CpuStat = LiveOf<'stat'>['cpus'][number];
export type DomainStat = CpuStat['domains'][number];
type Subscribe = Extract<LiveRequest, { type: 'subscribe' }>;
type Wish<T> = T extends { id: string } ? Partial<Omit<T, 'type' | 'id'>> & Pick<T, Extract<keyof T, 'topic'>> : never;
/** What to subscribe to; the server fills in what is left out. */
export type Topic = Wish<Subscribe>;
export type ExitFilter = Extract<LiveRequest, { type: 'filter' }>['filter'];

export type Connection = 'connecting' | 'open' | 'lost';
export const connection = signal<Connection>('connecting');

export interface Subscription {
  pause(on: boolean): void;
  filter(filter: ExitFilter): void;
  close(): void;
}
interface Entry {
  topic: Topic;
  paused: boolean;
  readonly hear: (message: LiveMessage) => void;
}

const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 8000;

class Live {
  #socket: WebSocket | null = null;
  #retryMs = FIRST_RETRY_MS;
  #next = 1;
  readonly #entries = new Map<string, Entry>();

  open(): void {
    if (this.#socket !== null) return;
    const socket = new WebSocket(socketUrl('/live'));
    this.#socket = socket;
    socket.onopen = () => {
      connection.value = 'open';
      this.#retryMs = FIRST_RETRY_MS;
      for (const [id, e] of this.#entries) this.#subscribe(id, e);
    };
    socket.onmessage = ({ data }: MessageEvent<string>) => {
      const message = JSON.parse(data) as LiveMessage;
      if (message.type !== 'hello' && message.id !== null) this.#entries.get(message.id)?.hear(message);
    };
    socket.onclose = () => {
      this.#socket = null;
      connection.value = 'lost';
      setTimeout(() => this.open(), this.#retryMs);
      this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 2);
    };
  }

  subscribe(topic: Topic, hear: (message: LiveMessage) => void): Subscription {
    const id = `${topic.topic}-${this.#next++}`;
    const entry: Entry = { topic, paused: false, hear };
    this.#entries.set(id, entry);
    this.#subscribe(id, entry);
    return {
      pause: (on) => {
        entry.paused = on;
        this.#send({ type: 'pause', id, on });
      },
      filter: (filter) => {
        entry.topic = { ...entry.topic, filter } as Topic;
        this.#send({ type: 'filter', id, filter });
      },
      close: () => {
        this.#entries.delete(id);
        this.#send({ type: 'unsubscribe', id });
      },
    };
  }

  #subscribe(id: string, entry: Entry): void {
    this.#send({ type: 'subscribe', id, ...entry.topic });
    if (entry.paused) this.#send({ type: 'pause', id, on: true });
  }
  #send(message: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}

export const live = new Live();
