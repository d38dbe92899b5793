// Bochs as a peer: Debian's build, without a window, on a CD-ROM made here because it cannot load a kernel by itself.
// Sources: bochsrc(5) of Bochs 2.7; ISOLINUX documentation, "isolinux.cfg"; xorrisofs(1).
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureImage, ensureProgram, type Program } from '../../src/apps/testing.js';
import type { Guest } from './guest.js';
import type { Peer } from './peers.js';
import type { Command } from './run.js';

/** Emulated instructions per guest second: near what it reaches, so that timer interrupts come as often as elsewhere. */
const IPS = 50_000_000;
/** The file descriptor on which the guest's COM1 leaves. */
const SERIAL_FD = 4;

/** The boot loader's configuration: the kernel at once, without a prompt. */
export const isolinuxConfig = (cmdline: string): string =>
  ['DEFAULT guest', 'PROMPT 0', 'LABEL guest', 'KERNEL kernel', 'INITRD initrd', `APPEND ${cmdline}`, ''].join('\n');

export interface BochsFiles {
  readonly bios: string;
  readonly vgaBios: string;
  readonly cdrom: string;
  readonly log: string;
}
/** Bochs' configuration: a 64-bit processor model, one CD-ROM drive, COM1 to a file descriptor; runs unattended. */
export const bochsrc = (files: BochsFiles, memoryMib: number): string =>
  [
    'config_interface: textconfig',
    'display_library: term',
    `memory: guest=${memoryMib}, host=${memoryMib}`,
    `romimage: file="${files.bios}"`,
    `vgaromimage: file="${files.vgaBios}"`,
    `cpu: model=corei7_sandy_bridge_2600k, count=1, ips=${IPS}`,
    'clock: sync=none, time0=local',
    'ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14',
    `ata0-master: type=cdrom, path="${files.cdrom}", status=inserted`,
    'boot: cdrom',
    `com1: enabled=1, mode=file, dev=/dev/fd/${SERIAL_FD}`,
    `log: ${files.log}`,
    'panic: action=fatal',
    'error: action=ignore',
    'info: action=ignore',
    'debug: action=ignore',
    '',
  ].join('\n');

/** Writes a CD-ROM that boots the guest's kernel. */
async function makeCdrom(xorriso: Program, guest: Guest, folder: string): Promise<string> {
  const root = join(folder, 'cd');
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  copyFileSync((await ensureImage('isolinux')).path, join(root, 'isolinux.bin'));
  copyFileSync((await ensureImage('ldlinux')).path, join(root, 'ldlinux.c32'));
  copyFileSync(guest.kernel, join(root, 'kernel'));
  copyFileSync(guest.initrd, join(root, 'initrd'));
  writeFileSync(join(root, 'isolinux.cfg'), isolinuxConfig(guest.cmdline));
  const iso = join(folder, `guest-${guest.bits}.iso`);
  const boot = ['-b', 'isolinux.bin', '-c', 'boot.cat', '-no-emul-boot', '-boot-load-size', '4', '-boot-info-table'];
  const args = ['-as', 'mkisofs', '-quiet', '-o', iso, ...boot, root];
  const made = spawnSync(xorriso.path, args, { encoding: 'utf8', env: { ...process.env, ...xorriso.env } });
  if (made.status !== 0) throw new Error(`xorriso cannot write '${iso}': ${made.stderr.trim().split('\n').at(-1)}`);
  return iso;
}

export const bochs: Peer = {
  name: 'bochs',
  bits: ['32', '64'],
  boots: 1,
  async prepare(home) {
    const progress = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
    const program = await ensureProgram('bochs-bin', ['bochs', 'bochs-term', 'bochsbios', 'vgabios'], { progress });
    const xorriso = await ensureProgram('xorriso', ['xorriso'], { progress });
    const root = program.root ?? '/';
    const share = join(root, 'usr/share/bochs');
    const plugins = join(root, 'usr/lib/x86_64-linux-gnu/bochs/plugins');
    const bios = join(share, 'BIOS-bochs-latest');
    const vgaBios = join(root, 'usr/share/vgabios/vgabios.bin');
    for (const file of [bios, vgaBios, join(plugins, 'libbx_term_gui.so')])
      if (!existsSync(file)) throw new Error(`no '${file}': apt-get install bochs-term bochsbios vgabios`);
    const env = { ...program.env, BXSHARE: share, LTDL_LIBRARY_PATH: plugins, TERM: 'dumb' };
    const help = spawnSync(program.path, ['--help'], { encoding: 'utf8', env: { ...process.env, ...env } });
    const version = /Bochs x86 Emulator (\S+)/.exec(`${help.stdout}${help.stderr}`)?.[1];
    if (version === undefined) throw new Error(`'${program.path}' does not start: ${help.stderr.trim().slice(-200)}`);
    return {
      label: 'Bochs',
      version: `Bochs ${version} (Debian's build), interpreter, boots from a CD-ROM, one boot`,
      async command(guest): Promise<Command> {
        const folder = join(home, 'bochs');
        const cdrom = await makeCdrom(xorriso, guest, folder);
        const rc = join(folder, 'bochsrc');
        writeFileSync(rc, bochsrc({ bios, vgaBios, cdrom, log: join(folder, 'bochs.log') }, guest.memoryMib));
        // Debian's build has the debugger: its first command lets the guest run.
        const debuggerRc = join(folder, 'debugger');
        writeFileSync(debuggerRc, 'continue\n');
        // COM1 is opened by name, which works for a pipe but not for the socket that Node gives a child.
        const script = `exec "$0" -q -f "$1" -rc "$2" ${SERIAL_FD}> >(exec cat) >/dev/null </dev/null`;
        return { file: 'bash', args: ['-c', script, program.path, rc, debuggerRc], env };
      },
    };
  },
};
