// From a domain's entry to its configuration: reads files, fetches images, builds the initial RAM disk.

import { access, constants, open, readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigError } from '../../base/index.js';
import type { DomainConfig, MediaFile, MediaFiles, PolicyConfig, PolicyRule, ScriptStep } from '../../domains/index.js';
import { type BootSource, kernelKind, machineBoard, type NamedBytes } from '../../machine/index.js';
import { busyboxInitramfs, ensureImage } from '../images/index.js';
import { hasMedia } from './domain-entry.js';
import type { DomainEntry, PolicyRuleEntry } from './domain-file.js';
import { parseSize } from './values.js';

/** `cryptomgr.notests` leaves the kernel's tests of its own ciphers out, which take as long as the rest of the boot. */
export const DEFAULT_LINUX_CMDLINE = 'console=ttyS0 cryptomgr.notests';
/** The word that stands for the default initial RAM disk. */
export const BUSYBOX = 'busybox';

export interface ResolveOptions {
  /** Folder that relative paths start from. */
  readonly folder: string;
  readonly progress: (line: string) => void;
  /** Contents that stand for files, by the name that the entry has for them. */
  readonly contents?: ReadonlyMap<string, Uint8Array>;
}

const errno = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown error';

const RTOS = /guests[\\/]rtos[\\/]build[\\/]rtos\.elf$/;

/** A whole file in shared memory: the thread of the physical CPU gets it without a copy. */
async function readShared(path: string): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const data = new Uint8Array(new SharedArrayBuffer(size));
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(data, at, size - at, at);
      if (bytesRead === 0) return data.subarray(0, at);
      at += bytesRead;
    }
    // what has no size may have content all the same
    return size > 0 ? data : await file.readFile();
  } finally {
    await file.close();
  }
}

/** Reads a file that the user named; `what` says what it was to be. */
export async function readInput(
  path: string,
  what: string,
  { folder, contents }: Pick<ResolveOptions, 'folder' | 'contents'>,
): Promise<NamedBytes> {
  const given = contents?.get(path);
  if (given !== undefined) return { name: path, data: given };
  const full = resolve(folder, path);
  try {
    return { name: path, data: await readShared(full) };
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
  present.catch(() => shared.delete(key)); // the next one tries again
  return present;
}

async function initrdOf(entry: DomainEntry, options: ResolveOptions): Promise<NamedBytes | null> {
  const { initrd } = entry;
  if (initrd === undefined) return null;
  if (initrd !== BUSYBOX) return readInput(initrd, 'an initial RAM disk', options);
  const { progress } = options;
  const busybox = entry.image === 'linux-i386' ? 'busybox-i386' : 'busybox-amd64';
  const data = await once(`${busybox} ${entry.name}`, () =>
    busyboxInitramfs({ progress, hostname: entry.name, busybox }),
  );
  return { name: 'busybox initial RAM disk', data };
}

/** A medium that must be there, of whole sectors; the thread of the physical CPU opens it. */
async function mediumOf(
  path: string,
  what: string,
  sectorBytes: number,
  options: ResolveOptions,
  write: boolean,
): Promise<MediaFile> {
  const full = resolve(options.folder, path);
  let size: number;
  try {
    const s = await stat(full);
    if (s.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    size = s.size;
    await access(full, write ? constants.R_OK | constants.W_OK : constants.R_OK);
  } catch (cause) {
    const code = errno(cause);
    const why =
      code === 'ENOENT'
        ? 'does not exist'
        : code === 'EISDIR'
          ? 'is a folder'
          : `cannot be ${write ? 'written' : 'read'} (${code})`;
    throw new ConfigError('FILE_MISSING', `'${path}' ${why}, expected ${what}`, { file: full, errno: code }, { cause });
  }
  if (size === 0 || size % sectorBytes !== 0) {
    const message = `${what} '${path}' has ${size} bytes, expected a positive multiple of ${sectorBytes}`;
    throw new ConfigError('MEDIA_SIZE', message, { file: full, sizeBytes: size });
  }
  return { path: full, readOnly: !write };
}
const listOf = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value;

const SECTOR_BYTES = 512;
const CD_SECTOR_BYTES = 2048;

async function mediaOf(entry: DomainEntry, options: ResolveOptions): Promise<MediaFiles | null> {
  if (!hasMedia(entry)) return null;
  const disks = [];
  for (const f of listOf(entry.disk)) disks.push(await mediumOf(f, 'hard disk image', SECTOR_BYTES, options, true));
  const floppies = [];
  for (const f of listOf(entry.floppy))
    floppies.push(await mediumOf(f, 'floppy disk image', SECTOR_BYTES, options, true));
  const cdrom =
    entry.cdrom === undefined ? null : await mediumOf(entry.cdrom, 'CD-ROM image', CD_SECTOR_BYTES, options, false);
  return { disks, floppies, ...(cdrom && { cdrom }) };
}

const isFirmware = (entry: DomainEntry): boolean =>
  entry.image === undefined && entry.kernel === undefined && entry.multiboot === undefined;

/** Named images are fetched; SeaBIOS shows its screen on COM1 too, for that is where the keys come from. */
async function firmwareOf(entry: DomainEntry, options: ResolveOptions): Promise<BootSource> {
  const named = async (name: string): Promise<NamedBytes> => {
    const image = await once(`image ${name}`, () => ensureImage(name, { progress: options.progress }));
    return { name, data: await readFile(image.path) };
  };
  const order = entry.boot !== undefined ? { bootOrder: entry.boot } : {};
  const kind = 'firmware';
  if (entry.bios !== undefined) {
    const bios = await readInput(entry.bios, 'a firmware image', options);
    // Firmware of another make needs no video BIOS: without the named one there is just no picture.
    const vgaBios = entry.display === 'none' ? null : await named('vgabios').catch(() => null);
    return { kind, bios, ...(vgaBios && { vgaBios }), serialConsole: true, ...order };
  }
  const bios = await named('seabios');
  if (entry.display === 'none') return { kind, bios, serialConsole: true, ...order };
  return { kind, bios, vgaBios: await named('vgabios'), serialConsole: true, ...order };
}

async function kernelOf(entry: DomainEntry, options: ResolveOptions): Promise<NamedBytes> {
  if (entry.kernel !== undefined) return readInput(entry.kernel, 'a Linux bzImage or a multiboot image', options);
  if (entry.multiboot !== undefined) return readInput(entry.multiboot, 'a multiboot image', options);
  const name = entry.image ?? '';
  const image = await once(`image ${name}`, () => ensureImage(name, { progress: options.progress }));
  if (image.kind !== 'linux' && image.kind !== 'multiboot') {
    throw new ConfigError('IMAGE_KIND', `image '${name}' is a ${image.kind}, expected a kernel`, { image: name });
  }
  return { name, data: await readShared(image.path) };
}

async function bootOf(entry: DomainEntry, options: ResolveOptions): Promise<BootSource> {
  if (isFirmware(entry)) return firmwareOf(entry, options);
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
      const data = await readInput(file, 'a multiboot module', options);
      return { ...data, ...(words !== undefined && { cmdline: words }) };
    }),
  );
  const first = await initrdOf(entry, options);
  if (first !== null) modules.unshift(first);
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

const fakeOf = (r: PolicyRuleEntry): PolicyRule['verdict'] => {
  if (r.kind !== 'cpuid') return { fake: BigInt(r.value ?? 0) };
  const { eax, ebx, ecx, edx } = r;
  const given = Object.entries({ eax, ebx, ecx, edx }).filter(([, v]) => v !== undefined);
  return { fakeCpuid: Object.fromEntries(given) };
};

/** The access policy of an entry; module files are relative to the domain file. */
export function policyOf(entry: Pick<DomainEntry, 'policy' | 'policyModule'>, folder: string): PolicyConfig | null {
  const { policy, policyModule: m } = entry;
  if (policy === undefined && m === undefined) return null;
  const rules = (policy ?? []).map(
    (r): PolicyRule => ({
      kind: r.kind,
      range: [Number(r.from), r.count],
      ...(r.access !== undefined && { access: r.access }),
      verdict: r.do === 'observe' ? 'allow' : r.do === 'deny' ? 'deny' : fakeOf(r),
    }),
  );
  if (m === undefined) return { rules };
  const given: Exclude<typeof m, string> = typeof m === 'string' ? { file: m } : m;
  return {
    rules,
    module: {
      url: pathToFileURL(resolve(folder, given.file)).href,
      ...(given.export !== undefined && { exportName: given.export }),
      ...(given.argument !== undefined && { argument: given.argument }),
    },
  };
}

/** Firmware waits in loops; hardware and several physical CPUs have no other time. */
const alwaysReal = (entry: DomainEntry): boolean =>
  isFirmware(entry) || entry.engine === 'kvm' || (entry.pcpus?.length ?? 0) > 1;

/** Gathers everything a domain needs. */
export async function resolveDomain(entry: DomainEntry, options: ResolveOptions): Promise<DomainConfig> {
  const { realtime: r } = entry;
  const media = await mediaOf(entry, options);
  const policy = policyOf(entry, options.folder);
  return {
    name: entry.name,
    memoryBytes: parseSize(entry.memory, `memory of '${entry.name}'`),
    boot: await bootOf(entry, options),
    time: entry.time ?? (alwaysReal(entry) ? 'real' : 'virtual'),
    ...(media && { media }),
    ...(policy && { policy }),
    ...(entry.display !== undefined && { display: entry.display }),
    ...(entry.testDevice !== undefined && { testDevice: entry.testDevice }),
    engine: entry.engine,
    ...(entry.selfTest !== undefined && { selfTest: entry.selfTest }),
    ...(entry.interruptChip !== undefined && { interruptChip: entry.interruptChip }),
    cpus: entry.cpus,
    ...(entry.pcpus === undefined ? { cpu: entry.cpu } : { pcpus: entry.pcpus }),
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
  const { data } = await readInput(path, 'a domain file (YAML)', { folder: process.cwd() });
  return { text: Buffer.from(data).toString(), folder: dirname(resolve(path)) };
}
