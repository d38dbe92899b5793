// Initial RAM file systems: a writer and a reader of cpio archives in the "new ASCII" format.
// Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst; cpio(5) "New ASCII Format".

import { ConfigError } from '../../base/index.js';
import { ByteWriter, fromUtf8, latin1, utf8 } from './bytes.js';

const MAGIC = '070701';
const HEADER_BYTES = 110;
const TRAILER = 'TRAILER!!!';
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const S_IFMT = 0o170000;

/** One file of an archive. Paths have no leading slash. */
export type CpioEntry =
  | { readonly type: 'file'; readonly path: string; readonly data: Uint8Array | string; readonly mode?: number }
  | { readonly type: 'directory'; readonly path: string; readonly mode?: number }
  | { readonly type: 'symlink'; readonly path: string; readonly target: string }
  | {
      readonly type: 'char' | 'block';
      readonly path: string;
      readonly major: number;
      readonly minor: number;
      readonly mode?: number;
    };

const hex8 = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');
const normal = (path: string): string => path.replace(/^\.?\/+/, '').replace(/\/+$/, '');

/** Builds an archive; directories that entries need and do not bring are added, owned by root, with mode 0755. */
export function buildCpio(entries: readonly CpioEntry[]): Uint8Array {
  const out = new ByteWriter();
  const seen = new Set<string>();
  let inode = 1;
  const put = (
    path: string,
    mode: number,
    data: Uint8Array,
    device: readonly [major: number, minor: number] = [0, 0],
    links = 1,
  ): void => {
    const name = utf8(path);
    // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    const fields = [inode++, mode, 0, 0, links, 0, data.length, 0, 0, device[0], device[1], name.length + 1, 0];
    out.bytes(latin1(MAGIC + fields.map(hex8).join('')));
    out.bytes(name).u8(0).align(4).bytes(data).align(4);
  };
  const directory = (path: string, mode: number): void => {
    if (path === '' || seen.has(path)) return;
    parents(path);
    seen.add(path);
    put(path, S_IFDIR | mode, new Uint8Array(), [0, 0], 2);
  };
  const parents = (path: string): void => {
    const slash = path.lastIndexOf('/');
    if (slash > 0) directory(path.slice(0, slash), 0o755);
  };
  for (const entry of entries) {
    const path = normal(entry.path);
    if (entry.type === 'directory') {
      directory(path, entry.mode ?? 0o755);
      continue;
    }
    if (path === '' || path === TRAILER) {
      throw new ConfigError('CPIO_PATH', `'${entry.path}' is no name for a file in an archive`, { path: entry.path });
    }
    if (seen.has(path)) {
      throw new ConfigError('CPIO_PATH', `'${path}' is twice in the archive, expected once`, { path });
    }
    parents(path);
    seen.add(path);
    if (entry.type === 'file') {
      const data = typeof entry.data === 'string' ? utf8(entry.data) : entry.data;
      put(path, S_IFREG | (entry.mode ?? 0o644), data);
    } else if (entry.type === 'symlink') {
      put(path, S_IFLNK | 0o777, utf8(entry.target));
    } else {
      const type = entry.type === 'char' ? S_IFCHR : S_IFBLK;
      put(path, type | (entry.mode ?? 0o600), new Uint8Array(), [entry.major, entry.minor]);
    }
  }
  inode = 0;
  put(TRAILER, 0, new Uint8Array());
  return out.align(512).done();
}

/** Reads an uncompressed archive. */
export function parseCpio(archive: Uint8Array): CpioEntry[] {
  const entries: CpioEntry[] = [];
  const corrupt = (at: number, why: string): ConfigError =>
    new ConfigError('CPIO_FORMAT', `cpio archive is corrupt at offset ${at}: ${why}`, { offset: at });
  for (let at = 0; at < archive.length; ) {
    const header = fromUtf8(archive.subarray(at, at + HEADER_BYTES));
    if (header.length < HEADER_BYTES || !header.startsWith(MAGIC)) {
      throw corrupt(at, `header starts with '${header.slice(0, 6)}', expected '${MAGIC}'`);
    }
    const field = (i: number): number => Number.parseInt(header.slice(6 + i * 8, 14 + i * 8), 16);
    const [mode, size, major, minor, nameBytes] = [field(1), field(6), field(9), field(10), field(11)];
    if (![mode, size, nameBytes].every(Number.isSafeInteger)) throw corrupt(at, 'a field is no hexadecimal number');
    const path = fromUtf8(archive.subarray(at + HEADER_BYTES, at + HEADER_BYTES + nameBytes - 1));
    const dataAt = Math.ceil((at + HEADER_BYTES + nameBytes) / 4) * 4;
    if (dataAt + size > archive.length) throw corrupt(at, `'${path}' has ${size} bytes, the archive ends before`);
    if (path === TRAILER) return entries;
    const data = archive.slice(dataAt, dataAt + size);
    const permissions = mode & 0o7777;
    const type = mode & S_IFMT;
    if (type === S_IFDIR) entries.push({ type: 'directory', path, mode: permissions });
    else if (type === S_IFREG) entries.push({ type: 'file', path, data, mode: permissions });
    else if (type === S_IFLNK) entries.push({ type: 'symlink', path, target: fromUtf8(data) });
    else if (type === S_IFCHR) entries.push({ type: 'char', path, major, minor, mode: permissions });
    else if (type === S_IFBLK) entries.push({ type: 'block', path, major, minor, mode: permissions });
    else throw corrupt(at, `'${path}' has mode ${mode.toString(8)}, which is no known file type`);
    at = Math.ceil((dataAt + size) / 4) * 4;
  }
  throw corrupt(archive.length, `it ends without '${TRAILER}'`);
}
