// Which files a definition that came over the network may name: those of the images folder, whatever links say.

import { readdir, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { ConfigError } from '../../base/index.js';
import type { DomainEntry } from '../cli/domain-file.js';
import { BUSYBOX } from '../cli/resolve.js';
import { catalogEntry } from '../images/index.js';
import type { Definition } from './definition.js';

const refuse = (field: string, file: string, why: string): never => {
  throw new ConfigError('FILE_FORBIDDEN', `'${field}' names '${file}', ${why}`, { field, file });
};

/** A name that cannot leave its folder, as far as text tells. */
function checkName(field: string, file: string, folder: string | null): void {
  if (folder === null) refuse(field, file, "expected a catalogue image: this server has no images folder ('--images')");
  const parts = file.split(/[\\/]/);
  const bad = file.includes('\0') || isAbsolute(file) || /^[A-Za-z]:/.test(file) || file.startsWith('\\');
  if (bad || parts.includes('..')) refuse(field, file, 'expected a file inside the images folder');
}

type FileUse = (field: string, file: string) => Promise<string>;

/** The definition with every file name replaced by what `use` makes of it. */
async function mapFiles(d: Definition, use: FileUse): Promise<Definition> {
  const out = { ...d };
  for (const key of ['kernel', 'multiboot', 'bios', 'cdrom'] as const) {
    if (d[key] !== undefined) out[key] = await use(key, d[key]);
  }
  for (const key of ['disk', 'floppy'] as const) {
    const value = d[key];
    if (typeof value === 'string') out[key] = await use(key, value);
    else if (value !== undefined) out[key] = await Promise.all(value.map((f) => use(key, f)));
  }
  if (d.initrd !== undefined && d.initrd !== BUSYBOX) out.initrd = await use('initrd', d.initrd);
  if (d.modules !== undefined) {
    out.modules = await Promise.all(
      d.modules.map(async (m) =>
        typeof m === 'string' ? await use('modules', m) : { ...m, file: await use('modules', m.file) },
      ),
    );
  }
  return out;
}

/** Refuses names that are not inside the images folder; says nothing on whether the files exist. */
export async function checkFiles(d: Definition, folder: string | null): Promise<void> {
  if (d.image !== undefined) catalogEntry(d.image);
  await mapFiles(d, async (field, file) => {
    checkName(field, file, folder);
    return file;
  });
}

/** The definition with full paths; links that leave the folder are refused. */
export async function confineFiles(d: Definition, folder: string | null): Promise<DomainEntry> {
  return mapFiles(d, async (field, file) => {
    checkName(field, file, folder);
    const root = await realpath(resolve(folder ?? ''));
    const full = await realpath(join(root, file)).catch(() => null);
    if (full === null) return refuse(field, file, 'which does not exist in the images folder');
    if (!full.startsWith(root + sep)) return refuse(field, file, 'expected a file inside the images folder');
    if (!(await stat(full)).isFile()) return refuse(field, file, 'expected a file');
    return full;
  });
}

/** Files of the images folder, at most `max`, by name. */
export async function listFolder(folder: string, max = 1000): Promise<{ name: string; sizeBytes: number }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const out = [];
  for (const e of entries.filter((e) => e.isFile()).slice(0, max)) {
    const full = join(e.parentPath ?? e.path, e.name);
    const size = await stat(full).then(
      (s) => s.size,
      () => null,
    );
    if (size !== null) out.push({ name: relative(folder, full).split(sep).join('/'), sizeBytes: size });
  }
  return out.sort((a, b) => (a.name < b.name ? -1 : 1));
}
