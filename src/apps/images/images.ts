// Named guest images: fetched once as Debian packages, kept in the cache, never half-written.

import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { HostError } from '../../base/index.js';
import { Apt, extract, type Progress } from './apt.js';
import { newStaging, publish, requireSpace, storageError, withLock } from './cache.js';
import { cacheFolder } from './cache-folder.js';
import { type CatalogEntry, catalog, catalogEntry } from './catalog.js';

const MANIFEST = 'image.json';
/** Room for package lists and apt's own caches, beside package and image. */
const APT_WORKING_BYTES = 32 << 20;

/** An image of the catalog and whether it is in the cache. */
export interface ImageInfo {
  readonly name: string;
  readonly description: string;
  readonly kind: CatalogEntry['kind'];
  readonly package: string;
  readonly cached: boolean;
}

/** An image in the cache. */
export interface Image {
  readonly name: string;
  readonly kind: CatalogEntry['kind'];
  /** Absolute path of the file. */
  readonly path: string;
  /** Package file that it came from, with its version. */
  readonly source: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface EnsureOptions {
  /** Takes one line of text per step. */
  readonly progress?: Progress;
  /** Cache folder; PCANEL_CACHE or ~/.cache/pcanel by default. */
  readonly folder?: string;
  /** Fetches again even if the image is in the cache. */
  readonly refresh?: boolean;
}

const imageFolder = (folder: string, name: string): string => join(folder, 'images', name);

/** The catalog, with what is in the cache. */
export async function listImages(folder = cacheFolder()): Promise<ImageInfo[]> {
  return Promise.all(
    catalog.map(async (e) => ({
      name: e.name,
      description: e.description,
      kind: e.kind,
      package: e.packages[0] ?? '',
      cached: (await cachedImage(e.name, folder)) !== null,
    })),
  );
}

/** The image of the cache, or null; a damaged entry counts as none. */
export async function cachedImage(name: string, folder = cacheFolder()): Promise<Image | null> {
  const entry = catalogEntry(name);
  const home = imageFolder(folder, name);
  try {
    const manifest: unknown = JSON.parse(await readFile(join(home, MANIFEST), 'utf8'));
    if (typeof manifest !== 'object' || manifest === null) return null;
    const { file, source, sizeBytes, sha256 } = manifest as Record<string, unknown>;
    if (typeof file !== 'string' || typeof source !== 'string' || typeof sha256 !== 'string') return null;
    const path = join(home, basename(file));
    if ((await stat(path)).size !== sizeBytes) return null;
    return { name, kind: entry.kind, path, source, sizeBytes: sizeBytes as number, sha256 };
  } catch {
    return null; // not there or not readable: fetched again
  }
}

/** The image, fetched if it is not in the cache yet. */
export async function ensureImage(name: string, options: EnsureOptions = {}): Promise<Image> {
  const entry = catalogEntry(name);
  const folder = options.folder ?? cacheFolder();
  const progress = options.progress ?? (() => {});
  const present = options.refresh ? null : await cachedImage(name, folder);
  if (present) return present;
  const need = { bytes: entry.aboutBytes * 3 + APT_WORKING_BYTES };
  try {
    await mkdir(join(folder, 'images'), { recursive: true });
    const waiting = (): void => progress(`${name}: waiting for another fetch into '${folder}'`);
    return await withLock(folder, waiting, async () => {
      const meanwhile = options.refresh ? null : await cachedImage(name, folder);
      return meanwhile ?? (await fetch(entry, folder, progress, need));
    });
  } catch (error) {
    throw storageError(error, folder, need.bytes);
  }
}

async function fetch(entry: CatalogEntry, folder: string, progress: Progress, need: { bytes: number }): Promise<Image> {
  const { name } = entry;
  const staging = await newStaging(folder);
  try {
    const apt = new Apt(join(folder, 'apt'), entry.architecture, (line) => progress(`${name}: ${line}`));
    const found = await apt.find(entry.packages, entry.dependencyPrefix);
    need.bytes = found.sizeBytes + 2 * entry.aboutBytes;
    await requireSpace(folder, need.bytes);
    progress(`${name}: fetching package ${found.packageName} (${(found.sizeBytes / 1e6).toFixed(1)} MB)`);
    const deb = await apt.download(found, staging);
    progress(`${name}: extracting ${entry.file}`);
    const unpacked = join(staging, 'unpacked');
    await mkdir(unpacked);
    await extract(deb, unpacked, entry.file);
    const files = await allFiles(unpacked);
    const source = files[0];
    if (source === undefined || files.length !== 1) {
      const names = files.map((f) => relative(unpacked, f)).join(', ') || 'none';
      const message = `package '${basename(deb)}' holds ${files.length} files '${entry.file}' (${names}), expected one`;
      throw new HostError('IMAGE_PACKAGE', message, { image: name });
    }
    const ready = join(staging, 'ready');
    await mkdir(ready);
    const file = entry.gunzip ? basename(source, '.gz') : basename(source);
    if (entry.gunzip) await writeFile(join(ready, file), gunzipSync(await readFile(source)));
    else await copyFile(source, join(ready, file));
    await chmod(join(ready, file), 0o644);
    const data = await readFile(join(ready, file));
    const sha256 = createHash('sha256').update(data).digest('hex');
    const manifest = { name, file, source: basename(deb), sizeBytes: data.length, sha256 };
    await writeFile(join(ready, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`);
    const home = imageFolder(folder, name);
    await mkdir(dirname(home), { recursive: true });
    await publish(ready, home);
    progress(`${name}: ready (${manifest.source})`);
    return { name, kind: entry.kind, path: join(home, file), source: manifest.source, sizeBytes: data.length, sha256 };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function allFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath ?? e.path, e.name))
    .sort();
}
