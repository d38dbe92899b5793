// Host programs out of Debian packages, for benchmarks: the one that is installed, else unpacked below the cache with the
// packages that it needs and the system lacks. Sources: apt-get(8), dpkg-deb(1), ld.so(8).

import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { HostError } from '../../base/index.js';
import { Apt, unpack } from './apt.js';
import { newStaging, publish, requireSpace, storageError, withLock } from './cache.js';
import { cacheFolder } from './cache-folder.js';
import type { EnsureOptions } from './images.js';

/** A program that can be started. */
export interface Program {
  readonly path: string;
  /** Folder that takes the place of `/` for its files; null: it is installed. */
  readonly root: string | null;
  /** Variables that it needs: where its libraries are. */
  readonly env: Readonly<Record<string, string>>;
}
export interface ProgramOptions extends EnsureOptions {
  /** Bytes of the packages and of what they hold, roughly: for the check of free space. */
  readonly aboutBytes?: number;
}

const ABOUT_BYTES = 256 << 20;
const BIN = ['usr/bin', 'bin', 'usr/sbin'];

const onPath = (program: string): string | undefined =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find((file) => existsSync(file));
const inRoot = (root: string, program: string): string | undefined =>
  BIN.map((folder) => join(root, folder, program)).find((file) => existsSync(file));

/** Folders of shared libraries below `root`, as ld.so looks for them. */
const libraryPath = (root: string): string => {
  const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  return [`usr/lib/${triplet}`, `lib/${triplet}`, 'usr/lib'].map((f) => join(root, f)).join(delimiter);
};

/**
 * `program` of the path, else out of `packages`; nothing of the system is changed. Throws a ConfigError or HostError with
 * the reason why it cannot be had.
 */
export async function ensureProgram(
  program: string,
  packages: readonly string[],
  options: ProgramOptions = {},
): Promise<Program> {
  const installed = options.refresh ? undefined : onPath(program);
  if (installed !== undefined) return { path: installed, root: null, env: {} };
  const folder = options.folder ?? cacheFolder();
  const progress = options.progress ?? (() => {});
  const home = join(folder, 'programs', program);
  const ready = (): Program | null => {
    const path = inRoot(home, program);
    return path === undefined ? null : { path, root: home, env: { LD_LIBRARY_PATH: libraryPath(home) } };
  };
  const present = options.refresh ? null : ready();
  if (present !== null) return present;
  const bytes = options.aboutBytes ?? ABOUT_BYTES;
  try {
    await mkdir(join(folder, 'programs'), { recursive: true });
    const waiting = (): void => progress(`${program}: waiting for another fetch into '${folder}'`);
    return await withLock(folder, waiting, async () => {
      const staging = await newStaging(folder);
      try {
        await requireSpace(folder, bytes);
        progress(`${program}: fetching ${packages.join(', ')} and what they need`);
        const archives = join(staging, 'archives');
        const apt = new Apt(join(folder, 'apt'), 'all', (line) => progress(`${program}: ${line}`));
        await apt.downloadAll(packages, archives);
        const root = join(staging, 'root');
        await mkdir(root);
        for (const deb of (await readdir(archives)).filter((f) => f.endsWith('.deb')).sort())
          await unpack(join(archives, deb), root);
        if (inRoot(root, program) === undefined)
          throw new HostError('IMAGE_PACKAGE', `packages '${packages.join("', '")}' hold no program '${program}'`, {
            program,
          });
        await publish(root, home);
        return ready() as Program;
      } finally {
        await rm(staging, { recursive: true, force: true });
      }
    });
  } catch (error) {
    throw storageError(error, folder, bytes);
  }
}
