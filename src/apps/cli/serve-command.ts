// `pcanel serve`: the REST server and dashboard until it is told to end.

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigError } from '../../base/index.js';
import { DEFAULT_PORT } from './commands.js';
import { serveControl } from './control-socket.js';
import { ExitCode } from './report.js';
import { parseNumber } from './values.js';

export interface ServeFlags {
  readonly host?: string;
  readonly port?: string;
  readonly tokenFile?: string;
  readonly data?: string;
  readonly images?: string;
  readonly origin?: string[];
  readonly json?: boolean;
}

/** $XDG_STATE_HOME/pcanel, else ~/.local/state/pcanel. */
export const dataFolder = (): string =>
  join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'pcanel');

function tokenOf(flags: ServeFlags): string | null {
  const { tokenFile } = flags;
  if (tokenFile === undefined) return process.env.PCANEL_TOKEN || null;
  try {
    return readFileSync(tokenFile, 'utf8').trim();
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
    const message = `'${tokenFile}' cannot be read (${code}), expected a file with the token`;
    throw new ConfigError('TOKEN_FILE', message, { file: tokenFile, errno: code }, { cause });
  }
}

/** Serves until SIGINT or SIGTERM. */
export async function serveCommand(flags: ServeFlags): Promise<number> {
  const { startDaemon } = await import('../rest/index.js');
  const say = (line: string): void => void process.stderr.write(`pcanel: ${line}\n`);
  const daemon = await startDaemon({
    host: flags.host ?? '127.0.0.1',
    port: flags.port === undefined ? DEFAULT_PORT : parseNumber(flags.port, '--port', 0, 65_535),
    token: tokenOf(flags),
    dataFolder: resolve(flags.data ?? dataFolder()),
    imagesFolder: flags.images === undefined ? null : resolve(flags.images),
    ...(flags.origin && { origins: flags.origin }),
    log: say,
  });
  const url = `${daemon.server.url}/`;
  const control = await serveControl(daemon.fleet, () => url).catch((error: unknown) => {
    say(`${error instanceof Error ? error.message : error}; 'pcanel ps' and the like will not find this server`);
    return null;
  });
  const { domains } = daemon.fleet;
  if (flags.json) process.stdout.write(`${JSON.stringify({ event: 'serving', url, domains: domains.length })}\n`);
  else process.stdout.write(`pcanel: serving ${url} (${domains.length} domains defined)\n`);
  const signal = await new Promise<'SIGINT' | 'SIGTERM'>((resolve) => {
    process.once('SIGINT', () => resolve('SIGINT'));
    process.once('SIGTERM', () => resolve('SIGTERM'));
  });
  await control?.close();
  await daemon.close();
  return ExitCode[signal];
}
