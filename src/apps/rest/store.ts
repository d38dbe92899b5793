// Domain definitions in an SQLite file, so that they outlive the server. Source: SQLite documentation, "File Locking";
// node-sqlite3-wasm, whose lock is a folder beside the file.

import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sqlite from 'node-sqlite3-wasm';
import { ConfigError, HostError } from '../../base/index.js';
import { definitionSchema } from './definition.js';
import type { DomainStore, StoredDomain } from './fleet.js';

const SCHEMA_VERSION = 1;

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};

/** One server per folder: a file with the owner's process number. What a server that was killed left is taken over. */
function takeLock(path: string): () => void {
  for (let attempt = 0; ; attempt++) {
    try {
      const file = openSync(path, 'wx', 0o600);
      writeSync(file, String(process.pid));
      closeSync(file);
      return () => rmSync(path, { force: true });
    } catch (cause) {
      const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
      if (code !== 'EEXIST' || attempt > 0) {
        throw new HostError('STORE_OPEN', `'${path}' cannot be made (${code})`, { file: path, errno: code }, { cause });
      }
      const owner = Number(readFileSync(path, 'utf8'));
      if (Number.isInteger(owner) && owner > 0 && owner !== process.pid && alive(owner)) {
        const message = `'${dirname(path)}' is in use by process ${owner}, expected another --data folder or that server ended`;
        throw new ConfigError('STORE_LOCKED', message, { pid: owner });
      }
      rmSync(path, { force: true });
    }
  }
}

/** Opens (or makes) `folder/domains.db`. */
export function openStore(folder: string): DomainStore {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
    throw new HostError('STORE_OPEN', `'${folder}' cannot be made (${code})`, { file: folder }, { cause });
  }
  const unlock = takeLock(join(folder, 'server.pid'));
  const path = join(folder, 'domains.db');
  // We hold the folder: a lock of SQLite that is there now is that of a process that was killed.
  if (existsSync(`${path}.lock`)) rmSync(`${path}.lock`, { recursive: true, force: true });
  let db: InstanceType<typeof sqlite.Database>;
  try {
    db = new sqlite.Database(path);
    db.exec('PRAGMA synchronous = FULL');
    const version = Number(db.get('PRAGMA user_version')?.user_version ?? 0);
    if (version > SCHEMA_VERSION) {
      const message = `'${path}' has version ${version}, expected at most ${SCHEMA_VERSION}: it was written by a newer pcanel`;
      throw new ConfigError('STORE_VERSION', message, { file: path });
    }
    db.exec(`
      CREATE TABLE IF NOT EXISTS domains (
        name TEXT PRIMARY KEY,
        definition TEXT NOT NULL,
        autostart INTEGER NOT NULL
      ) STRICT;
      PRAGMA user_version = ${SCHEMA_VERSION};`);
  } catch (cause) {
    unlock();
    if (cause instanceof ConfigError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HostError('STORE_OPEN', `'${path}' cannot be opened: ${why}`, { file: path }, { cause });
  }
  return {
    load: () =>
      db.all('SELECT name, definition, autostart FROM domains ORDER BY rowid').map((row): StoredDomain => {
        const { name, definition, autostart } = row as { name: string; definition: string; autostart: number };
        const parsed = definitionSchema.safeParse(JSON.parse(definition));
        if (parsed.success) return { entry: parsed.data, autostart: autostart === 1 };
        const message = `'${path}' has a definition of '${name}' that this version does not understand: ${parsed.error.issues[0]?.message}`;
        throw new ConfigError('STORE_DEFINITION', message, { file: path, domain: name });
      }),
    save: ({ entry, autostart }) => {
      db.run('INSERT OR REPLACE INTO domains (name, definition, autostart) VALUES (?, ?, ?)', [
        entry.name,
        JSON.stringify(entry),
        autostart ? 1 : 0,
      ]);
    },
    remove: (name) => {
      db.run('DELETE FROM domains WHERE name = ?', [name]);
    },
    close: () => {
      db.close();
      unlock();
    },
  };
}
