// The cache folder of fetched images: its lock, staging folders, free space.

import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, HostError, VmError } from '../../base/index.js';

const LOCK_POLL_MS = 200;

const errorCode = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** The error to throw for a failure under `folder`: a full disk and missing rights say so. */
export function storageError(error: unknown, folder: string, neededBytes: number): unknown {
  const code = errorCode(error);
  if (code === 'CACHE_FULL') return error;
  const text = error instanceof Error ? error.message : String(error);
  if (code === 'ENOSPC' || code === 'EDQUOT' || /no space left|not have enough free space|quota exceeded/i.test(text)) {
    return fullDisk(folder, neededBytes, error);
  }
  if (error instanceof VmError) return error;
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM' || code === 'ENOTDIR' || code === 'EEXIST') {
    const message = `cannot write the image cache '${folder}' (${code}), expected a writable folder: set PCANEL_CACHE`;
    return new ConfigError('CACHE_FOLDER', message, { folder, errno: code });
  }
  return error;
}
const fullDisk = (folder: string, neededBytes: number, cause?: unknown): HostError =>
  new HostError(
    'CACHE_FULL',
    `no space left in the image cache '${folder}': about ${neededBytes} bytes are needed; free some or set PCANEL_CACHE`,
    { folder, neededBytes, errno: 'ENOSPC' },
    { cause },
  );

/** Refuses when the file system of `folder` has less than `neededBytes` free. */
export async function requireSpace(folder: string, neededBytes: number): Promise<void> {
  const fs = await statfs(folder);
  if (fs.bavail * fs.bsize < neededBytes) throw fullDisk(folder, neededBytes);
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
};

/**
 * Runs `work` while this process holds the cache's lock file; waits for other holders, takes over from dead ones.
 * (Two waiters may take over at the same instant; then both fetch, and the atomic rename keeps either result whole.)
 */
export async function withLock<T>(folder: string, waiting: () => void, work: () => Promise<T>): Promise<T> {
  const path = join(folder, 'fetch.lock');
  const me = `${process.pid} ${randomBytes(6).toString('hex')}\n`;
  let told = false;
  for (;;) {
    try {
      const file = await open(path, 'wx');
      await file.writeFile(me);
      await file.close();
      break;
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
    const holder = await readFile(path, 'utf8').catch(() => '');
    const pid = Number.parseInt(holder, 10);
    if (Number.isInteger(pid) && !isAlive(pid)) {
      if ((await readFile(path, 'utf8').catch(() => '')) === holder) await unlink(path).catch(() => {});
      continue;
    }
    if (!told) waiting();
    told = true;
    await sleep(LOCK_POLL_MS);
  }
  try {
    return await work();
  } finally {
    if ((await readFile(path, 'utf8').catch(() => '')) === me) await unlink(path).catch(() => {});
  }
}

const STAGING_PREFIX = 'staging-';

/** A new staging folder; those left by processes that died are removed (the caller holds the lock). */
export async function newStaging(folder: string): Promise<string> {
  for (const name of await readdir(folder)) {
    if (name.startsWith(STAGING_PREFIX)) await rm(join(folder, name), { recursive: true, force: true });
  }
  const path = join(folder, `${STAGING_PREFIX}${randomBytes(6).toString('hex')}`);
  await mkdir(path);
  return path;
}

/** Moves a finished folder to its place; what was there (an older version) goes away. */
export async function publish(staged: string, target: string): Promise<void> {
  await rm(target, { recursive: true, force: true });
  await rename(staged, target);
}
