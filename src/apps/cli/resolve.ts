// From a domain's entry to its configuration: reads files, fetches images, builds the initial RAM disk.

import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { ConfigError } from '../../base/index.js';
import type { DomainConfig, ScriptStep } from '../../domains/index.js';
import { type BootSource, kernelKind, machineBoard, type NamedBytes } from '../../machine/index.js';
import { busyboxInitramfs, ensureImage } from '../images/index.js';
import type { DomainEntry } from './domain-file.js';
import { parseSize } from './values.js';

/** `cryptomgr.notests` leaves the kernel's tests of its own ciphers out, which take as long as the rest of the boot. */
export const DEFAULT_LINUX_CMDLINE = 'console=ttyS0 cryptomgr.notests';
/** The word that stands for the default initial RAM disk. */
export const BUSYBOX = 'busybox';

export interface ResolveOptions {
  /** Folder that relative paths start from. */
  readonly folder: string;
  readonly progress: (line: string) => void;
}

const errno = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown error';

const RTOS = /guests[\\/]rtos[\\/]build[\\/]rtos\.elf$/;

/** Reads a file that the user named; `what` says what it was to be. */
export async function readInput(path: string, what: string, folder: string): Promise<NamedBytes> {
  const full = resolve(folder, path);
  try {
    return { name: path, data: await readFile(full) };
  } catch (cause) {
    const code = errno(cause);
    const why = code === 'ENOENT' ? 'does not exist' : code === 'EISDIR' ? 'is a folder' : `cannot be read (${code})`;
    const help = RTOS.test(full) ? ": build it with 'npm run build' (needs gcc and make)" : `, expected ${what}`;
    throw new ConfigError('FILE_MISSING', `'${path}' ${why}${help}`, { file: full, errno: code }, { cause });
  }
}

/** Runs `work` at most once per key, so that two domains share one fetch. */
const shared = new Map<string, Promise<unknown>>();
function once<T>(key: string, work: () => Promise<T>): Promise<T> {
  const present = (shared.get(key) as Promise<T> | undefined) ?? work();
  shared.set(key, present);
  return present;
}

async function initrdOf(entry: DomainEntry, options: ResolveOptions): Promise<NamedBytes | null> {
  const { initrd } = entry;
  if (initrd === undefined) return null;
  if (initrd !== BUSYBOX) return readInput(initrd, 'an initial RAM disk', options.folder);
  const { progress } = options;
  const busybox = entry.image === 'linux-i386' ? 'busybox-i386' : 'busybox-amd64';
  const data = await once(`${busybox} ${entry.name}`, () =>
    busyboxInitramfs({ progress, hostname: entry.name, busybox }),
  );
  return { name: 'busybox initial RAM disk', data };
}

async function kernelOf(entry: DomainEntry, options: ResolveOptions): Promise<NamedBytes> {
  if (entry.kernel !== undefined)
    return readInput(entry.kernel, 'a Linux bzImage or a multiboot image', options.folder);
  if (entry.multiboot !== undefined) return readInput(entry.multiboot, 'a multiboot image', options.folder);
  const name = entry.image ?? '';
  const image = await once(`image ${name}`, () => ensureImage(name, { progress: options.progress }));
  if (image.kind === 'program' || image.kind === 'firmware') {
    throw new ConfigError('IMAGE_KIND', `image '${name}' is a ${image.kind}, expected a kernel`, { image: name });
  }
  return { name, data: await readFile(image.path) };
}

async function bootOf(entry: DomainEntry, options: ResolveOptions): Promise<BootSource> {
  const kernel = await kernelOf(entry, options);
  const kind = entry.multiboot !== undefined ? 'multiboot' : kernelKind(kernel);
  const { cmdline } = entry;
  if (kind === 'linux') {
    if (entry.modules !== undefined) {
      throw new ConfigError(
        'CONFIG_BOOT',
        `domain '${entry.name}': 'modules' go with multiboot images, expected 'initrd'`,
      );
    }
    const initrd = await initrdOf(entry, options);
    return { kind, kernel, cmdline: cmdline ?? DEFAULT_LINUX_CMDLINE, ...(initrd && { initrd }) };
  }
  const modules = await Promise.all(
    (entry.modules ?? []).map(async (m) => {
      const { file, cmdline: words } = typeof m === 'string' ? { file: m, cmdline: undefined } : m;
      const data = await readInput(file, 'a multiboot module', options.folder);
      return { ...data, ...(words !== undefined && { cmdline: words }) };
    }),
  );
  return { kind, kernel, modules, ...(cmdline !== undefined && { cmdline }) };
}

const scriptOf = (steps: NonNullable<DomainEntry['script']>): ScriptStep[] =>
  steps.map((s) => ({
    ...(s.expect !== undefined && { expect: s.expect }),
    ...(s.send !== undefined && { send: s.send }),
    ...(s.delay !== undefined && { delayS: s.delay }),
    ...(s.timeout !== undefined && { timeoutS: s.timeout }),
    ...(s.stop !== undefined && { stop: s.stop }),
    ...(s.ended !== undefined && { ended: s.ended }),
  }));

/** Gathers everything a domain needs. */
export async function resolveDomain(entry: DomainEntry, options: ResolveOptions): Promise<DomainConfig> {
  const { realtime: r } = entry;
  return {
    name: entry.name,
    memoryBytes: parseSize(entry.memory, `memory of '${entry.name}'`),
    boot: await bootOf(entry, options),
    time: entry.time,
    engine: entry.engine,
    cpus: entry.cpus,
    cpu: entry.cpu,
    onReset: entry.onReset,
    onTripleFault: entry.onTripleFault,
    debugExitPort: entry.exitDevice === 'none' ? null : machineBoard.debugExitPort,
    ...(entry.cpuModel !== undefined && { cpuModel: entry.cpuModel }),
    ...(r !== undefined && {
      realtime: {
        priority: r.priority,
        periodUs: r.periodUs,
        ...(r.budgetUs !== undefined && { budgetUs: r.budgetUs }),
      },
    }),
    ...(entry.weight !== undefined && { weight: entry.weight }),
    ...(entry.script !== undefined && { script: scriptOf(entry.script) }),
    ...(entry.limit !== undefined && { limitS: entry.limit }),
    ...(entry.wallClock !== undefined && { wallClockMs: Date.parse(entry.wallClock) }),
  };
}

/** Reads the text of a domain file. */
export async function readDomainFile(path: string): Promise<{ readonly text: string; readonly folder: string }> {
  const { data } = await readInput(path, 'a domain file (YAML)', process.cwd());
  return { text: new TextDecoder().decode(data), folder: dirname(resolve(path)) };
}
