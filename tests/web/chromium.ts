// Chromium for tests: the one that is installed, else Debian's package: installed when root, else unpacked into the cache
// with what it depends on. Sources: apt-get(8), apt.conf(5), dpkg-deb(1); Playwright API, "BrowserType.launch".

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { cacheFolder } from '../../src/apps/testing.js';

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'];
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const FETCH_MS = 600_000;

interface Program {
  readonly path: string;
  readonly libraries?: string;
}

const installed = (): Program | null => {
  const named = process.env.PCANEL_CHROMIUM;
  if (named) return { path: named };
  const folders = (process.env.PATH ?? '').split(delimiter);
  for (const name of NAMES) for (const f of folders) if (existsSync(join(f, name))) return { path: join(f, name) };
  return null;
};

function apt(args: readonly string[]): Promise<string | null> {
  return new Promise((resolve) => {
    const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
    const child = spawn('apt-get', ['-q', ...args], { env, stdio: ['ignore', 'ignore', 'pipe'], timeout: FETCH_MS });
    let errors = '';
    child.stderr.on('data', (text: Buffer) => {
      errors = (errors + text.toString()).slice(-2000);
    });
    child.on('error', (error) => resolve(`apt-get: ${error.message}`));
    child.on('close', (code) => {
      const line = errors.trim().split('\n').at(-1) ?? '';
      resolve(code === 0 ? null : `apt-get ${args.at(-1)}: ${line || `exit code ${code}`}`);
    });
  });
}

/** Downloads the package with all it needs that this system has not installed, and unpacks it. */
async function unpack(folder: string): Promise<string | null> {
  const state = join(folder, 'state');
  const archives = join(folder, 'archives');
  mkdirSync(join(archives, 'partial'), { recursive: true });
  mkdirSync(join(state, 'lists', 'partial'), { recursive: true });
  const options = [
    `Dir::State=${state}`,
    'Dir::State::status=/var/lib/dpkg/status',
    `Dir::Cache=${folder}`,
    `Dir::Cache::archives=${archives}`,
    'APT::Sandbox::User=',
    'Debug::NoLocking=1',
    'Acquire::Languages=none',
  ].flatMap((o) => ['-o', o]);
  const failure =
    (await apt([...options, 'update'])) ??
    (await apt([...options, '-y', '--no-install-recommends', '--download-only', 'install', 'chromium']));
  if (failure !== null) return failure;
  const staging = join(folder, `root-${process.pid}`);
  for (const deb of readdirSync(archives).filter((f) => f.endsWith('.deb'))) {
    const done = spawnSync('dpkg-deb', ['-x', join(archives, deb), staging], { encoding: 'utf8' });
    if (done.status !== 0) return `dpkg-deb -x ${deb}: ${done.stderr.trim()}`;
  }
  rmSync(join(folder, 'root'), { recursive: true, force: true });
  renameSync(staging, join(folder, 'root'));
  rmSync(archives, { recursive: true, force: true });
  return null;
}

/** The program, or why it cannot be had. */
async function find(): Promise<Program | string> {
  const present = installed();
  if (present !== null) return present;
  if (process.platform !== 'linux') return `no chromium on ${process.platform}: set PCANEL_CHROMIUM`;
  if (process.getuid?.() === 0) {
    const words = ['-y', '--no-install-recommends', 'install', 'chromium'];
    if ((await apt(words)) === null) return installed() ?? 'apt-get installed chromium, but no program is there';
    return (await apt(['update'])) ?? (await apt(words)) ?? installed() ?? 'apt-get installed no program';
  }
  const folder = join(cacheFolder(), 'chromium');
  const root = join(folder, 'root');
  // the file of /usr/bin is a script that looks for the rest under /usr
  const path = join(root, 'usr/lib/chromium/chromium');
  if (!existsSync(path)) {
    const failure = await unpack(folder);
    if (failure !== null) return failure;
  }
  const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  return { path, libraries: [`usr/lib/${triplet}`, `lib/${triplet}`].map((f) => join(root, f)).join(delimiter) };
}

/** A browser, or the reason (one line) why there is none: then the test is skipped with it. */
export async function launchChromium(): Promise<Browser | string> {
  const program = await find();
  if (typeof program === 'string') return `no Chromium: ${program}`;
  const env = { ...process.env, ...(program.libraries && { LD_LIBRARY_PATH: program.libraries }) };
  try {
    return await chromium.launch({ executablePath: program.path, args: FLAGS, env: env as Record<string, string> });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return `Chromium at '${program.path}' does not start: ${text.split('\n').slice(0, 2).join(' ')}`;
  }
}
