// Who may ask: token, Host and Origin, number of requests. Sources: OWASP Cross-Site Request Forgery Prevention Cheat Sheet;
// RFC 6454 "The Web Origin Concept"; RFC 6750 "Bearer Token Usage".

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { ConfigError } from '../../base/index.js';

export const COOKIE = 'pcanel_session';
const MIN_TOKEN = 16;

/** Whether an address to listen on is reachable from this computer only. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
/** Compares in a time that does not depend on where the texts differ. */
export const sameSecret = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));

export interface GuardOptions {
  /** Address that the server listens on. */
  readonly host: string;
  /** Null: none is required, which only a loopback address allows. */
  readonly token: string | null;
  /** Origins beside the server's own, for development servers. */
  readonly origins?: readonly string[];
}

export type Refusal = { readonly status: 401 | 403; readonly code: string; readonly message: string };

const hostName = (host: string): string => host.replace(/:\d+$/, '').toLowerCase();

export class Guard {
  readonly #o: GuardOptions;
  /** The cookie's value: cannot be turned back into the token. */
  readonly #session: string | null;

  constructor(options: GuardOptions) {
    const { host, token } = options;
    if (token === null && !isLoopback(host)) {
      const message = `'${host}' can be reached from other computers, expected a token (--token-file FILE or PCANEL_TOKEN)`;
      throw new ConfigError('TOKEN_REQUIRED', message, { host });
    }
    if (token !== null && token.length < MIN_TOKEN) {
      const message = `the token has ${token.length} characters, expected at least ${MIN_TOKEN}`;
      throw new ConfigError('TOKEN_SHORT', message);
    }
    if (token !== null && !/^[\x21-\x7e]+$/.test(token)) {
      throw new ConfigError(
        'TOKEN_FORM',
        'the token has spaces or other signs, expected printable ASCII without spaces',
      );
    }
    this.#o = options;
    this.#session = token === null ? null : createHmac('sha256', token).update(COOKIE).digest('base64url');
  }

  get required(): boolean {
    return this.#o.token !== null;
  }
  /** Value for the cookie. */
  get session(): string | null {
    return this.#session;
  }
  isToken(text: string): boolean {
    return this.#o.token === null || sameSecret(text, this.#o.token);
  }

  /** Whether Host and Origin are this server's; against pages of others and names that point here by trickery. */
  checkSource(headers: IncomingHttpHeaders): Refusal | null {
    const host = headers.host ?? '';
    if (!this.required) {
      const name = hostName(host);
      if (!isLoopback(name) && name !== this.#o.host.toLowerCase()) {
        const message = `Host is '${host.slice(0, 100)}', expected a loopback address such as localhost`;
        return { status: 403, code: 'HOST_FORBIDDEN', message };
      }
    }
    const { origin } = headers;
    if (origin === undefined) return null;
    if (this.#o.origins?.includes(origin)) return null;
    if (origin === `http://${host}` || origin === `https://${host}`) return null;
    const message = `Origin is '${origin.slice(0, 100)}', expected this server's own`;
    return { status: 403, code: 'ORIGIN_FORBIDDEN', message };
  }

  /** Whether the request carries the token, or the cookie that stands for it. */
  checkToken(headers: IncomingHttpHeaders): Refusal | null {
    const { token } = this.#o;
    if (token === null || this.#session === null) return null;
    const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
    if (bearer !== undefined && sameSecret(bearer, token)) return null;
    const cookie = new RegExp(`(?:^|;\\s*)${COOKIE}=([^;]*)`).exec(headers.cookie ?? '')?.[1];
    if (cookie !== undefined && sameSecret(cookie, this.#session)) return null;
    const given = bearer === undefined && cookie === undefined ? 'no token' : 'a wrong token';
    return { status: 401, code: 'TOKEN', message: `${given} given, expected 'Authorization: Bearer TOKEN'` };
  }
}

export interface RateOptions {
  /** Requests per second in the long run, and at once. */
  readonly perSecond: number;
  readonly burst: number;
}

const MAX_CLIENTS = 10_000;

/** Counts per client, by tokens that come back with time. */
export class RateLimit {
  readonly #o: RateOptions;
  readonly #now: () => number;
  readonly #left = new Map<string, { tokens: number; atMs: number }>();

  constructor(options: RateOptions, nowMs: () => number = () => performance.now()) {
    this.#o = options;
    this.#now = nowMs;
  }

  /** Takes one; 0 when it was there, else the seconds until there is one. */
  take(client: string): number {
    const { perSecond, burst } = this.#o;
    const now = this.#now();
    if (this.#left.size > MAX_CLIENTS) this.#left.clear();
    const entry = this.#left.get(client) ?? { tokens: burst, atMs: now };
    entry.tokens = Math.min(burst, entry.tokens + ((now - entry.atMs) / 1000) * perSecond);
    entry.atMs = now;
    this.#left.set(client, entry);
    if (entry.tokens >= 1) {
      entry.tokens--;
      return 0;
    }
    return Math.max(1, Math.ceil((1 - entry.tokens) / perSecond));
  }
}
