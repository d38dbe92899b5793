// The programs that run the same guest: how each is had on this computer, and how it is started.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureImage, ensureProgram } from '../../src/apps/testing.js';
import { bochs } from './bochs.js';
import { type Guest, repository } from './guest.js';
import type { Command } from './run.js';

/** What a peer is once it can be started. */
export interface ReadyPeer {
  /** Column title. */
  readonly label: string;
  readonly version: string;
  command(guest: Guest): Command | Promise<Command>;
}
export interface Peer {
  readonly name: string;
  readonly bits: readonly string[];
  /** Boots at most this often: slow, and nothing in it varies. */
  readonly boots?: number;
  /** Boots once before what is measured: later runs find what an earlier one has kept. */
  readonly warmsUp?: boolean;
  /** Fetches what is missing; throws the reason why the peer cannot be had. */
  prepare(folder: string): Promise<ReadyPeer>;
}

const says = (file: string, args: readonly string[], env: Readonly<Record<string, string>>): string | null => {
  const r = spawnSync(file, args, { encoding: 'utf8', env: { ...process.env, ...env } });
  return r.error || r.status !== 0 ? null : r.stdout.trim();
};

const qemu: Peer = {
  name: 'qemu',
  bits: ['32', '64'],
  async prepare() {
    const progress = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
    const packages = ['qemu-system-x86', 'qemu-system-data', 'seabios'];
    const program = await ensureProgram('qemu-system-x86_64', packages, { progress });
    const data =
      program.root === null ? [] : ['qemu', 'seabios'].map((f) => join(program.root as string, 'usr/share', f));
    const version = says(program.path, ['--version'], program.env);
    if (version === null) throw new Error(`'${program.path}' does not start`);
    return {
      label: 'QEMU',
      version: `${version.split('\n')[0]}, -accel tcg,thread=single`,
      command: (g) => ({
        file: g.bits === '64' ? program.path : program.path.replace(/x86_64$/, 'i386'),
        args: [
          ...['-accel', 'tcg,thread=single', '-m', String(g.memoryMib), '-nodefaults', '-no-user-config'],
          ...data.flatMap((folder) => ['-L', folder]),
          ...['-display', 'none', '-serial', 'stdio', '-no-reboot'],
          ...['-kernel', g.kernel, '-initrd', g.initrd, '-append', g.cmdline],
        ],
        env: program.env,
      }),
    };
  },
};

/** How Pcanel is run: with its real or virtual clock; in virtual time with nothing of an earlier run. */
export const PCANEL_RUNS = ['real', 'virtual', 'first'] as const;
export type PcanelRun = (typeof PCANEL_RUNS)[number];
/** Folders for compiled code that go away with this process. */
function codeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pcanel-bench-code-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Pcanel as a user runs it. */
export const pcanel = (run: PcanelRun): Peer => ({
  name: `pcanel-${run}`,
  bits: ['32', '64'],
  warmsUp: run !== 'first',
  async prepare() {
    const time = run === 'first' ? 'virtual' : run;
    const kept = codeFolder();
    const code = run === 'first' ? 'nothing kept from earlier runs' : 'the same guest ran before';
    return {
      label: run === 'first' ? 'Pcanel first run' : `Pcanel ${run}`,
      version: `pcanel run --time ${time}, ${code}, Node.js ${process.version}`,
      command: (g) => ({
        file: process.execPath,
        args: [
          ...[join(repository, 'bin/pcanel.js'), 'run', '--time', time, '--plain', '--memory', `${g.memoryMib}M`],
          ...['--kernel', g.kernel, '--initrd', g.initrd, '--cmdline', g.cmdline],
        ],
        env: { PCANEL_CODE_CACHE: run === 'first' ? codeFolder() : kept },
      }),
    };
  },
});

const V86_VERSION = '0.5.462';
const v86: Peer = {
  name: 'v86',
  bits: ['32'],
  async prepare(folder) {
    const prefix = join(folder, `v86-${V86_VERSION}`);
    const home = join(prefix, 'node_modules/v86');
    if (!existsSync(join(home, 'build/libv86.mjs'))) {
      process.stderr.write(`bench: npm install v86@${V86_VERSION}\n`);
      mkdirSync(prefix, { recursive: true });
      const args = ['install', '--prefix', prefix, '--no-audit', '--no-fund', '--ignore-scripts', `v86@${V86_VERSION}`];
      const r = spawnSync('npm', args, { encoding: 'utf8' });
      if (r.error) throw new Error(`no 'npm' found to install v86@${V86_VERSION} with`);
      if (r.status !== 0) throw new Error(`npm install v86@${V86_VERSION}: ${r.stderr.trim().split('\n').at(-1)}`);
    }
    const bios = await ensureImage('seabios-128k');
    const vgaBios = await ensureImage('vgabios');
    return {
      label: 'v86',
      version: `v86 ${V86_VERSION} in Node.js ${process.version}`,
      command: (g) => ({
        file: process.execPath,
        args: [
          ...[fileURLToPath(new URL('./v86-guest.js', import.meta.url)), home, bios.path, vgaBios.path],
          ...[g.kernel, g.initrd, String(g.memoryMib), g.cmdline],
        ],
      }),
    };
  },
};

/** Programs of others, by the name that `--only` takes. */
export const PEERS: readonly Peer[] = [qemu, v86, bochs];
