// `pcanel serve` as a function: host of domains, store, fleet and server put together.

import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { engines } from '../cli/engines.js';
import { openPcanel } from '../cli/host.js';
import { resolveDomain } from '../cli/resolve.js';
import { confineFiles } from './files.js';
import { Fleet } from './fleet.js';
import type { RateOptions } from './guard.js';
import { Guard } from './guard.js';
import { type RunningServer, type ServerOptionsOf, startServer } from './server.js';
import { openStore } from './store.js';

/** Build output: dist/ above dist/src/apps/rest/. */
const dist = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
/** The dashboard as built. */
export const webFolder = (): string => dist('web');
/** The package's version. */
export function packageVersion(): string {
  const text = readFileSync(dist('../package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Of the computer's memory, what guests may have together. */
const GUEST_SHARE = 0.75;

export interface DaemonOptions extends Pick<ServerOptionsOf, 'http' | 'maxConnections' | 'log'> {
  /** Loopback by default. */
  readonly host?: string;
  /** 0: any free one. */
  readonly port: number;
  readonly token?: string | null;
  readonly origins?: readonly string[];
  /** Folder of the store; null: definitions live as long as the process. */
  readonly dataFolder: string | null;
  /** Folder whose files definitions may name. */
  readonly imagesFolder?: string | null;
  /** By default where the build puts it. */
  readonly webFolder?: string | null;
  readonly rate?: RateOptions;
  readonly failures?: RateOptions;
  readonly maxDomains?: number;
  readonly maxMemoryBytes?: number;
  /** Runs domains on the calling thread. */
  readonly inline?: boolean;
}

export interface Daemon {
  readonly server: RunningServer;
  readonly fleet: Fleet;
  close(): Promise<void>;
}

/** Starts everything; domains with `autostart` are starting when it resolves. */
export async function startDaemon(o: DaemonOptions): Promise<Daemon> {
  const host = o.host ?? '127.0.0.1';
  const guard = new Guard({ host, token: o.token ?? null, ...(o.origins && { origins: o.origins }) });
  const imagesFolder = o.imagesFolder ?? null;
  const store = o.dataFolder === null ? null : openStore(o.dataFolder);
  const pcanel = openPcanel({ pace: true, holdAfterScripts: false, inline: o.inline ?? false });
  try {
    const fleet = new Fleet({
      pcanel,
      store,
      resolve: async (entry, progress) => {
        const confined = await confineFiles(entry, imagesFolder);
        return resolveDomain(confined, { folder: imagesFolder ?? '/nonexistent', progress });
      },
      maxMemoryBytes: o.maxMemoryBytes ?? Math.floor(totalmem() * GUEST_SHARE),
      ...(o.maxDomains !== undefined && { maxDomains: o.maxDomains }),
    });
    const server = await startServer({
      ...{ fleet, guard, host, imagesFolder, port: o.port },
      version: packageVersion(),
      engines: Object.keys(engines),
      webFolder: o.webFolder === undefined ? webFolder() : o.webFolder,
      ...(o.rate && { rate: o.rate }),
      ...(o.failures && { failures: o.failures }),
      ...(o.http && { http: o.http }),
      ...(o.maxConnections !== undefined && { maxConnections: o.maxConnections }),
      ...(o.log && { log: o.log }),
    });
    void fleet.autostart();
    return {
      server,
      fleet,
      close: async () => {
        await server.close();
        await pcanel.close();
        store?.close();
      },
    };
  } catch (error) {
    await pcanel.close();
    store?.close();
    throw error;
  }
}
