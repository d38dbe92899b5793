// The programs that run the same guest: how each is had on this computer, and how it is started.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureImage } from '../../src/apps/testing.js';
import { type Guest, repository } from './guest.js';
import type { Command } from './run.js';

/** What a peer is once it can be started. */
export interface ReadyPeer {
  /** Column title. */
  readonly label: string;
  readonly version: string;
  command(guest: Guest): Command;
}
export interface Peer {
  readonly name: string;
  readonly bits: readonly string[];
  /** Installs what is missing; throws the reason why the peer cannot be had. */
  prepare(folder: string): Promise<ReadyPeer>;
}

const says = (file: string, args: readonly string[]): string | null => {
  const r = spawnSync(file, args, { encoding: 'utf8' });
  return r.error || r.status !== 0 ? null : r.stdout.trim();
};

/** A program of a Debian package: there already, or installed by root with apt-get. */
function debianProgram(program: string, packageName: string): void {
  const present = (): boolean => !spawnSync(program, ['--help'], { stdio: 'ignore' }).error;
  if (present()) return;
  if (process.getuid?.() !== 0) throw new Error(`no '${program}' found (apt-get install ${packageName}, as root)`);
  process.stderr.write(`bench: apt-get install ${packageName}\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const install = ['install', '-y', '-q', '--no-install-recommends', packageName];
  let r = spawnSync('apt-get', install, { encoding: 'utf8', env });
  if (!r.error && r.status !== 0) {
    spawnSync('apt-get', ['update', '-q'], { stdio: 'ignore', env });
    r = spawnSync('apt-get', install, { encoding: 'utf8', env });
  }
  if (r.error) throw new Error(`no '${program}' found and no apt-get to install ${packageName} with`);
  if (!present()) throw new Error(`apt-get install ${packageName}: ${r.stderr.trim().split('\n').at(-1)}`);
}

const qemu: Peer = {
  name: 'qemu',
  bits: ['32', '64'],
  async prepare() {
    debianProgram('qemu-system-x86_64', 'qemu-system-x86');
    const version = says('qemu-system-x86_64', ['--version'])?.split('\n')[0] ?? '';
    return {
      label: 'QEMU',
      version: `${version}, -accel tcg,thread=single`,
      command: (g) => ({
        file: g.bits === '64' ? 'qemu-system-x86_64' : 'qemu-system-i386',
        args: [
          ...['-accel', 'tcg,thread=single', '-m', String(g.memoryMib), '-nodefaults', '-no-user-config'],
          ...['-display', 'none', '-serial', 'stdio', '-no-reboot'],
          ...['-kernel', g.kernel, '-initrd', g.initrd, '-append', g.cmdline],
        ],
      }),
    };
  },
};

/** Pcanel as a user runs it, with the clock of `time`. */
export const pcanel = (time: 'real' | 'virtual'): Peer => ({
  name: `pcanel-${time}`,
  bits: ['32', '64'],
  async prepare() {
    return {
      label: `Pcanel ${time}`,
      version: `pcanel run --time ${time}, Node.js ${process.version}`,
      command: (g) => ({
        file: process.execPath,
        args: [
          ...[join(repository, 'bin/pcanel.js'), 'run', '--time', time, '--plain', '--memory', `${g.memoryMib}M`],
          ...['--kernel', g.kernel, '--initrd', g.initrd, '--cmdline', g.cmdline],
        ],
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
export const PEERS: readonly Peer[] = [qemu, v86];
