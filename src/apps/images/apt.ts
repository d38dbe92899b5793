// Debian packages by name without touching the system: apt-get with private state, and files out of a .deb.
// Sources: apt-get(8), apt.conf(5), dpkg-deb(1).

import { type SpawnOptions, spawn } from 'node:child_process';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, HostError } from '../../base/index.js';

const LISTS_MAX_AGE_MS = 24 * 3600 * 1000;
const SYSTEM_LISTS = '/var/lib/apt/lists';
const SYSTEM_STATUS = '/var/lib/dpkg/status';
const TAIL_CHARS = 4000;

export type Progress = (line: string) => void;

interface Output {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A missing program: the user can still bring files. */
const noTool = (tool: string): ConfigError =>
  new ConfigError(
    'IMAGE_NO_APT',
    `'${tool}' was not found: named images are fetched as Debian packages and need apt; give the files instead, with --kernel FILE and --initrd FILE`,
    { tool },
  );

function run(command: string, args: readonly string[], options: SpawnOptions = {}): Promise<Output> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options, env });
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-TAIL_CHARS);
    });
    child.on('error', (error: NodeJS.ErrnoException) => reject(error.code === 'ENOENT' ? noTool(command) : error));
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

const lastLine = (text: string): string => {
  const lines = text.trim().split('\n');
  return (lines.findLast((l) => l.startsWith('E:')) ?? lines.at(-1) ?? '').slice(0, 300);
};
/** A failed command as an error whose message carries the command's own words. */
const failed = (what: string, output: Output): HostError => {
  const reason = lastLine(output.stderr) || lastLine(output.stdout) || `exit code ${output.code}`;
  return new HostError('IMAGE_FETCH', `${what}: ${reason}`, { exitCode: output.code });
};

/** A package as apt would download it. */
export interface PackageFile {
  readonly packageName: string;
  readonly sizeBytes: number;
}

/** apt with its state in a folder of ours; the system's sources and keys are used, nothing of the system is changed. */
export class Apt {
  #lists: string;

  constructor(
    private readonly folder: string,
    private readonly architecture: string,
    private readonly progress: Progress,
  ) {
    this.#lists = SYSTEM_LISTS;
  }

  /** Finds the first of `packages` (and its dependency with `prefix`); updates private lists when the system's do not do. */
  async find(packages: readonly string[], prefix: string | undefined): Promise<PackageFile> {
    await this.#prepare();
    // Another architecture's packages are in the system's lists only by chance.
    const systemLists = this.architecture !== 'i386' && (await hasLists(SYSTEM_LISTS));
    this.#lists = systemLists ? SYSTEM_LISTS : this.#privateLists;
    if (!systemLists) await this.#update(false);
    for (const packageName of packages) {
      const found = await this.#resolve(packageName, prefix);
      if (found) return found;
    }
    this.#lists = this.#privateLists;
    await this.#update(true);
    for (const packageName of packages) {
      const found = await this.#resolve(packageName, prefix);
      if (found) return found;
    }
    const message = `apt knows no package '${packages.join("' or '")}' (${this.architecture}), expected Debian's package sources; give the file instead, with --kernel FILE`;
    throw new ConfigError('IMAGE_NO_PACKAGE', message, { package: packages.join(' ') });
  }

  /** Downloads into `folder` (apt checks the signatures and sums); returns the path of the .deb. */
  async download(file: PackageFile, folder: string): Promise<string> {
    const download = (): Promise<Output> => run('apt-get', this.#args('download', file.packageName), { cwd: folder });
    let result = await download();
    if (result.code !== 0 && this.#lists === SYSTEM_LISTS && !/no space left/i.test(result.stderr)) {
      // The system's lists may name a version that the archive no longer has.
      this.#lists = this.#privateLists;
      await this.#update(true);
      result = await download();
    }
    if (result.code !== 0) throw failed(`cannot fetch package '${file.packageName}'`, result);
    const deb = (await readdir(folder)).find((name) => name.endsWith('.deb'));
    if (!deb) throw failed(`apt-get left no package file for '${file.packageName}'`, result);
    return join(folder, deb);
  }

  /**
   * Downloads `packages`, and those that they need and this system has not installed, into `folder` as .deb files.
   * Which are installed is read from the system's own status; nothing of it is changed.
   */
  async downloadAll(packages: readonly string[], folder: string): Promise<void> {
    await this.#prepare();
    await mkdir(join(folder, 'partial'), { recursive: true });
    const options = [
      `Dir::State::status=${SYSTEM_STATUS}`,
      `Dir::Cache::archives=${folder}`,
      'Debug::NoLocking=1',
      'APT::Install-Recommends=false',
    ].flatMap((o) => ['-o', o]);
    const install = ['-y', '--reinstall', '--download-only', 'install', ...packages];
    const download = (): Promise<Output> => run('apt-get', this.#args(...options, ...install));
    this.#lists = (await hasLists(SYSTEM_LISTS)) ? SYSTEM_LISTS : this.#privateLists;
    if (this.#lists !== SYSTEM_LISTS) await this.#update(false);
    let result = await download();
    if (result.code !== 0 && !/no space left/i.test(result.stderr)) {
      this.#lists = this.#privateLists;
      await this.#update(true);
      result = await download();
    }
    if (result.code !== 0) throw failed(`cannot fetch packages '${packages.join("', '")}'`, result);
  }

  get #privateLists(): string {
    return join(this.folder, `lists-${this.architecture}`);
  }

  async #prepare(): Promise<void> {
    await mkdir(join(this.#privateLists, 'partial'), { recursive: true });
    await mkdir(join(this.folder, 'cache', 'archives', 'partial'), { recursive: true });
    await mkdir(join(this.folder, 'state'), { recursive: true });
    await writeFile(join(this.folder, 'state', 'status'), '');
  }

  #args(...words: string[]): string[] {
    const o = (name: string, value: string): string[] => ['-o', `${name}=${value}`];
    return [
      '-q',
      ...o('Dir::State', join(this.folder, 'state')),
      ...o('Dir::State::status', join(this.folder, 'state', 'status')),
      ...o('Dir::State::lists', this.#lists),
      ...o('Dir::Cache', join(this.folder, 'cache')),
      ...o('APT::Sandbox::User', ''),
      ...o('Acquire::Retries', '3'),
      ...o('Acquire::http::Timeout', '30'),
      ...o('Acquire::Languages', 'none'),
      ...(this.architecture === 'all'
        ? []
        : [...o('APT::Architecture', this.architecture), ...o('APT::Architectures', this.architecture)]),
      ...words,
    ];
  }

  async #update(force: boolean): Promise<void> {
    // The lists' own times are the archive's, so the time of our update is kept apart.
    const stamp = join(this.folder, `updated-${this.architecture}`);
    const updated = await stat(stamp).then(
      (s) => s.mtimeMs,
      () => 0,
    );
    if (!force && Date.now() - updated < LISTS_MAX_AGE_MS && (await hasLists(this.#privateLists))) return;
    this.progress(`apt-get update (private package lists for ${this.architecture})`);
    const result = await run('apt-get', this.#args('update'));
    if (!(await hasLists(this.#privateLists))) throw failed('cannot update the package lists', result);
    // One broken source among several is not the end: the package may be in another.
    if (result.code !== 0) this.progress(failed('apt-get update', result).message);
    else await writeFile(stamp, '');
  }

  async #resolve(packageName: string, prefix: string | undefined): Promise<PackageFile | null> {
    let name = packageName;
    if (prefix !== undefined) {
      const depends = await run('apt-cache', this.#args('depends', '--important', packageName));
      const match = depends.stdout.match(/Depends: (\S+)/g)?.map((line) => line.slice('Depends: '.length));
      const dependency = match?.find((d) => d.startsWith(prefix));
      if (!dependency) return null;
      name = dependency.replace(/:.*$/, '');
    }
    const show = await run('apt-cache', this.#args('show', '--no-all-versions', name));
    const size = /^Size: (\d+)$/m.exec(show.stdout);
    return size ? { packageName: name, sizeBytes: Number(size[1]) } : null;
  }
}

async function hasLists(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch(() => []);
  return names.some((name) => name.includes('_Packages'));
}

/** Unpacks a whole .deb into `folder`. */
export async function unpack(deb: string, folder: string): Promise<void> {
  const result = await run('dpkg-deb', ['-x', deb, folder]);
  if (result.code !== 0) throw failed(`cannot unpack '${deb}'`, result);
}

/** Extracts the members of a .deb that match `pattern` into `folder`, without their directories' rights. */
export function extract(deb: string, folder: string, pattern: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const unpack = spawn('dpkg-deb', ['--fsys-tarfile', deb], { stdio: ['ignore', 'pipe', 'pipe'] });
    const select = ['--wildcards', '--no-wildcards-match-slash', '--no-same-owner', `./${pattern}`];
    const tar = spawn('tar', ['-x', '-C', folder, ...select], { stdio: ['pipe', 'ignore', 'pipe'] });
    unpack.on('error', (error: NodeJS.ErrnoException) => reject(error.code === 'ENOENT' ? noTool('dpkg-deb') : error));
    tar.on('error', (error: NodeJS.ErrnoException) => reject(error.code === 'ENOENT' ? noTool('tar') : error));
    unpack.stdout.pipe(tar.stdin);
    tar.stdin.on('error', () => {}); // tar ended early; its exit code says why
    let stderr = '';
    const take = (text: Buffer): void => {
      stderr += text.toString();
    };
    unpack.stderr.on('data', take);
    tar.stderr.on('data', take);
    tar.on('close', (code) => {
      if (code === 0) resolve();
      else reject(failed(`cannot extract '${pattern}' from '${deb}'`, { code, stdout: '', stderr }));
    });
  });
}
