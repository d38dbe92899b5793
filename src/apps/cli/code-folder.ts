// The folder of compiled code that is kept between runs, and the part of it that fits this process. Small, because a program
// starts with it.

import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '../../base/index.js';
import { cacheFolder } from '../images/cache-folder.js';
import { flagsSet } from './v8-flags.js';

/** Build output: dist/ above dist/src/apps/cli/. */
export const built = (name: string): URL => new URL(`../../../${name}`, import.meta.url);

/**
 * The folder: PCANEL_CODE_CACHE, else `compiled` in the cache folder; null where PCANEL_CODE_CACHE is `off`. It need not
 * exist. Throws ConfigError.
 */
function compiledFolder(): string | null {
  const named = process.env.PCANEL_CODE_CACHE;
  if (named === 'off') return null;
  if (named === undefined || named === '') return join(cacheFolder(), 'compiled');
  if (isAbsolute(named)) return named;
  throw new ConfigError('CODE_CACHE', `PCANEL_CODE_CACHE is '${named}', expected 'off' or an absolute path`);
}
/** Nobody else can put machine code there. */
function isOwn(folder: string): boolean {
  const stat = statSync(folder, { throwIfNoEntry: false });
  if (stat === undefined || process.getuid === undefined) return true;
  return stat.uid === process.getuid() && (stat.mode & 0o022) === 0;
}

/** Where compiled code is kept. */
export interface CodePlace {
  /** It need not exist. */
  readonly folder: string;
  /** What the names of files begin with that fit. */
  readonly prefix: string;
}
/** The place of what this version of Node.js, with its flags, compiles from what `identity` names; null: nothing is kept. */
export function codePlace(identity: string | Uint8Array): CodePlace | null {
  const folder = compiledFolder();
  return folder === null || !isOwn(folder) ? null : { folder, prefix: prefixOf(identity) };
}
/** The place in the build output of what the build compiled; whoever can write there can change the program too. */
export const builtPlace = (identity: string | Uint8Array): CodePlace => ({
  folder: fileURLToPath(built('compiled')),
  prefix: prefixOf(identity),
});
function prefixOf(identity: string | Uint8Array): string {
  const { versions, arch, platform, execArgv, env } = process;
  const host = [versions.node, versions.v8, arch, platform, execArgv, env.NODE_OPTIONS ?? '', flagsSet()];
  return createHash('sha256').update(JSON.stringify(host)).update(identity).digest('hex').slice(0, 24);
}

/** Bytes that all of it may take; what was used longest ago goes first. */
const MAX_BYTES = 256 << 20;
const STAGED = '.new';

/** Files whose names begin like that, those used last first; none where the folder cannot be read. */
export function keptFiles({ folder, prefix }: CodePlace): string[] {
  return filesIn(folder).flatMap(({ name }) => (name.startsWith(prefix) && !name.endsWith(STAGED) ? [name] : []));
}
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // there is none yet, or it is no folder of ours to read
  }
}
function filesIn(folder: string): { name: string; sizeBytes: number; usedMs: number }[] {
  return namesIn(folder)
    .flatMap((name) => {
      const stat = statSync(join(folder, name), { throwIfNoEntry: false });
      return stat === undefined ? [] : [{ name, sizeBytes: stat.size, usedMs: stat.mtimeMs }];
    })
    .sort((a, b) => b.usedMs - a.usedMs);
}
/** With the folders above it; for this user alone. Below /proc `recursive` of Node.js never returns. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}
/** The file was used now. Throws what the file system throws. */
export function noteUse(folder: string, name: string): void {
  const now = new Date();
  utimesSync(join(folder, name), now, now);
}
/** Writes a file as a whole or not at all, then makes room. Throws what the file system throws. */
export function keepFile({ folder }: CodePlace, name: string, parts: readonly Uint8Array[]): void {
  makeFolder(folder);
  const staged = join(folder, `${name}-${process.pid}${STAGED}`);
  try {
    const file = openSync(staged, 'w', 0o600);
    for (const part of parts) writeSync(file, part);
    closeSync(file);
    renameSync(staged, join(folder, name));
  } catch (error) {
    rmSync(staged, { force: true });
    throw error;
  }
  let sizeBytes = 0;
  for (const old of filesIn(folder)) {
    sizeBytes += old.sizeBytes;
    if (sizeBytes > MAX_BYTES) rmSync(join(folder, old.name), { force: true });
  }
}

const DIGEST_BYTES = 32;
const digestOf = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
/** Keeps the one file of a place. Throws what the file system throws. */
export function keepWhole(place: CodePlace, bytes: Uint8Array): void {
  keepFile(place, place.prefix, [digestOf(bytes), bytes]);
}
/** The one file of a place; null: there is none, or it was damaged. */
export function readWhole({ folder, prefix }: CodePlace): Uint8Array | null {
  try {
    const file = readFileSync(join(folder, prefix));
    const bytes = file.subarray(DIGEST_BYTES);
    return digestOf(bytes).equals(file.subarray(0, DIGEST_BYTES)) ? bytes : null;
  } catch {
    return null;
  }
}
/** Like `readWhole`, and the file was used now. */
export function readKept(place: CodePlace): Uint8Array | null {
  const bytes = readWhole(place);
  try {
    if (bytes !== null) noteUse(place.folder, place.prefix);
  } catch {
    // a folder that cannot be written to: nothing there makes room
  }
  return bytes;
}

/** Names what regions of this build are made by; null: the build does not say. */
export function regionsIdentity(): string | null {
  try {
    return readFileSync(built('regions-identity'), 'latin1');
  } catch {
    return null;
  }
}
