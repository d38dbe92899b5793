// A server for the tests with the real-time kernel in its images folder, and a small client of it.

import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { WebSocket } from 'ws';
import { type Daemon, type DaemonOptions, startDaemon } from '../../src/apps/testing.js';
import { repository } from '../support/guests.js';

const RTOS = `${repository}guests/rtos/build/rtos.elf`;
/** Why tests with a guest are skipped; false: they are not. */
export const noRtos: string | false = existsSync(RTOS) ? false : 'guests/rtos/build/rtos.elf has not been built';

/** A folder that goes away with the test. */
export function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'pcanel-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Definition of the real-time kernel. */
export const rtos = (name: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  ...{ name, multiboot: 'rtos.elf', cmdline: 'quiet', memory: '16M', time: 'virtual', ...more },
});

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; null when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes
  readonly json: any;
}

export class Client {
  constructor(
    readonly url: string,
    readonly headers: Record<string, string> = {},
  ) {}

  async ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...this.headers,
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    let json: unknown = null;
    try {
      json = JSON.parse(text);
    } catch {
      // not JSON
    }
    return { status: response.status, headers: response.headers, text, json };
  }
  /** Sends a body that the server may not want to read to its end. */
  askLarge(method: string, path: string, sizeBytes: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers = { ...this.headers, 'Content-Type': 'application/json', 'Content-Length': sizeBytes };
      const r = request(this.url + path, { method, headers }, (response) => {
        let text = '';
        response.on('data', (data) => {
          text += data;
        });
        response.on('close', () => {
          resolve({ status: response.statusCode ?? 0, headers: new Headers(), text, json: JSON.parse(text) });
        });
      });
      r.on('error', reject); // after the answer it changes nothing
      r.write(Buffer.alloc(1024, 0x20));
    });
  }
  get(path: string): Promise<Answer> {
    return this.ask('GET', path);
  }
  post(path: string, body?: unknown): Promise<Answer> {
    return this.ask('POST', path, body);
  }

  /** Asks until `test` is satisfied. */
  async until(path: string, test: (answer: Answer) => boolean, seconds = 30): Promise<Answer> {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const answer = await this.get(path);
      if (test(answer)) return answer;
      if (Date.now() > end) throw new Error(`${path} stayed at ${answer.status} ${answer.text.slice(-400)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  socket(path: string, headers: Record<string, string> = {}): Socket {
    return new Socket(this.url.replace('http', 'ws') + path, { ...this.headers, ...headers });
  }
}

/** A WebSocket that keeps what it has received. */
export class Socket {
  readonly ws: WebSocket;
  /** JSON messages. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into messages of many shapes
  readonly messages: any[] = [];
  bytes = 0;
  text = '';
  readonly binary: Buffer[] = [];
  /** Close code, or the HTTP status of a refused upgrade. */
  readonly closed: Promise<number>;
  #wake: () => void = () => {};

  constructor(url: string, headers: Record<string, string>) {
    this.ws = new WebSocket(url, { headers, perMessageDeflate: false });
    this.closed = new Promise((resolve) => {
      this.ws.on('close', (code) => resolve(code));
      this.ws.on('unexpected-response', (_, response) => {
        resolve(response.statusCode ?? 0);
        this.ws.terminate();
      });
    });
    this.ws.on('error', () => {});
    this.ws.on('message', (data: Buffer, isBinary) => {
      if (isBinary) {
        this.bytes += data.length;
        this.text += data.toString('latin1');
        this.binary.push(data);
      } else this.messages.push(JSON.parse(data.toString()));
      this.#wake();
    });
  }

  async open(): Promise<this> {
    if (this.ws.readyState === this.ws.CONNECTING) await new Promise((resolve) => this.ws.once('open', resolve));
    return this;
  }
  send(message: unknown): void {
    this.ws.send(JSON.stringify(message));
  }
  type(text: string): void {
    this.ws.send(Buffer.from(text), { binary: true });
  }

  /** Waits until `test` gives something. */
  async until<T>(test: (socket: this) => T | undefined | false | null, what: string, seconds = 30): Promise<T> {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const found = test(this);
      if (found !== undefined && found !== false && found !== null) return found;
      if (Date.now() > end) throw new Error(`${what} did not come; last: ${this.text.slice(-300)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 100);
      });
    }
  }
  /** Waits for text on a console. */
  says(text: string): Promise<true> {
    return this.until((s) => s.text.includes(text), `'${text}'`);
  }
  // biome-ignore lint/suspicious/noExplicitAny: see messages
  message(test: (m: any) => boolean): Promise<any> {
    return this.until((s) => s.messages.find(test), 'a message');
  }
}

/** A server that ends with the test. */
export async function serve(
  t: TestContext,
  options: Partial<DaemonOptions> = {},
): Promise<{ daemon: Daemon; client: Client }> {
  const folder = scratch(t);
  if (noRtos === false) copyFileSync(RTOS, join(folder, 'rtos.elf'));
  const daemon = await startDaemon({
    port: 0,
    dataFolder: null,
    imagesFolder: folder,
    webFolder: null,
    rate: { perSecond: 10_000, burst: 10_000 },
    ...options,
  });
  t.after(() => daemon.close());
  const headers = options.token ? { Authorization: `Bearer ${options.token}` } : {};
  return { daemon, client: new Client(daemon.server.url, headers as Record<string, string>) };
}
