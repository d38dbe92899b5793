// Guest files given by the user: a path, or the name of an image of the catalog.

import { readFile } from 'node:fs/promises';
import { ConfigError, HostError } from '../../base/index.js';
import { catalog } from './catalog.js';
import { type EnsureOptions, ensureImage } from './images.js';

export type GuestFileRole = 'kernel' | 'initrd' | 'module' | 'firmware';

/** A guest file's bytes and the path they came from. */
export interface GuestFile {
  readonly path: string;
  readonly data: Uint8Array;
}

const errno = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** Reads a file that the user named; a missing one is a ConfigError such as KERNEL_NOT_FOUND. */
export async function readGuestFile(path: string, role: GuestFileRole): Promise<GuestFile> {
  try {
    return { path, data: await readFile(path) };
  } catch (error) {
    const code = errno(error);
    const details = { [role]: path, errno: code };
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      const names = role === 'kernel' ? `, or an image: ${catalog.map((e) => e.name).join(', ')}` : '';
      const message = `${role} '${path}' does not exist, expected a file${names}`;
      throw new ConfigError(`${role.toUpperCase()}_NOT_FOUND`, message, details);
    }
    if (code === 'EISDIR' || code === 'EACCES' || code === 'EPERM') {
      const message = `${role} '${path}' cannot be read (${code}), expected a readable file`;
      throw new ConfigError(`${role.toUpperCase()}_NOT_READABLE`, message, details);
    }
    throw new HostError('FILE_READ', `${role} '${path}' cannot be read (${code || error})`, details, { cause: error });
  }
}

/** Reads an image by name (fetched when it is not in the cache) or a file by path; a name wins over a file. */
export async function readGuestFileOrImage(
  nameOrPath: string,
  role: GuestFileRole,
  options: EnsureOptions = {},
): Promise<GuestFile> {
  const known = catalog.some((e) => e.name === nameOrPath);
  return readGuestFile(known ? (await ensureImage(nameOrPath, options)).path : nameOrPath, role);
}
