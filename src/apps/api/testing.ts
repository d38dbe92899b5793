// Whole systems as test fixtures (`import { bootLinux } from 'pcanel/testing'`), for node:test, Vitest and anything else.

import { ConfigError, GuestError } from '../../base/index.js';
import type { CpioEntry } from '../../machine/index.js';
import { busyboxInitramfs, ensureImage, UP_BANNER } from '../images/index.js';
import { Pcanel, type VmOptions } from './host.js';
import type { Vm } from './vm.js';

/** A file for the guest: its content, or content with a mode (0o755 by default). */
export type GuestFileContent = string | Uint8Array | { readonly data: string | Uint8Array; readonly mode?: number };

export interface BootLinuxOptions {
  /** Files by their path in the guest. */
  readonly files?: Readonly<Record<string, GuestFileContent>>;
  /** Shell commands that run once before the shell. */
  readonly init?: string;
  /** Words added to the kernel's command line. */
  readonly cmdline?: string;
  /** A named kernel image; `linux-cloud-amd64` by default. */
  readonly image?: string;
  /** A kernel of your own (bzImage). */
  readonly kernel?: string | Uint8Array;
  /** RAM; 256M by default. */
  readonly memory?: string | number;
  /** Processors of the guest. */
  readonly cpus?: number;
  /** `virtual` (default): the same run every time, and sleeping costs no time. */
  readonly time?: 'virtual' | 'real';
  readonly engine?: 'auto' | 'software' | 'kvm';
  /** Name and host name; `linux` by default. */
  readonly name?: string;
  /** Anything else that a domain file may say. */
  readonly more?: Partial<VmOptions>;
  /** Host milliseconds until it must be up; 120000 by default. */
  readonly timeoutMs?: number;
  readonly progress?: (line: string) => void;
}

export interface RunOptions {
  /** Host milliseconds; 60000 by default. */
  readonly timeoutMs?: number;
}
/** What a command has done. */
export interface RunResult {
  /** Standard output and standard error. */
  readonly output: string;
  readonly exitCode: number;
}

const BOOT_MS = 120_000;
const RUN_MS = 60_000;
/** A line that is longer does not fit into the terminal's buffer (N_TTY_BUF_SIZE of Linux). */
const MAX_COMMAND = 3500;

/** A Linux guest with a root shell. `await using linux = await bootLinux()` ends it at the end of its block. */
export class Linux implements AsyncDisposable {
  /** The machine underneath: console, memory, statistics, VM exits. */
  readonly vm: Vm;
  readonly #host: Pcanel;
  #runs = 0;
  /** Commands are typed one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  /** Use `bootLinux`. */
  constructor(host: Pcanel, vm: Vm) {
    this.#host = host;
    this.vm = vm;
  }

  /** Runs a shell command and waits for its end; a status other than 0 is no error. Throws GuestError on time-out. */
  run(command: string, options: RunOptions = {}): Promise<RunResult> {
    const next = this.#turn.then(() => this.#run(command, options));
    this.#turn = next.catch(() => {});
    return next;
  }

  /** Output of a command that must succeed. Throws GuestError COMMAND_FAILED when its status is not 0. */
  async output(command: string, options: RunOptions = {}): Promise<string> {
    const { output, exitCode } = await this.run(command, options);
    if (exitCode === 0) return output;
    const message = `'${command}' ended with ${exitCode}, expected 0; it printed: '${output.trim().slice(-500)}'`;
    throw new GuestError('COMMAND_FAILED', message, { command, exitCode });
  }

  /** Content of a file of the guest. */
  async readFile(path: string, options: RunOptions = {}): Promise<Uint8Array> {
    const text = await this.output(`base64 '${path.replaceAll("'", "'\\''")}'`, options);
    return Uint8Array.from(Buffer.from(text, 'base64'));
  }

  /** Shuts the guest down and waits for its power-off. */
  async poweroff(options: RunOptions = {}): Promise<void> {
    this.vm.console.write('poweroff\n');
    await this.vm.wait({ timeoutMs: options.timeoutMs ?? RUN_MS });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host.close();
  }

  async #run(command: string, { timeoutMs = RUN_MS }: RunOptions): Promise<RunResult> {
    if (command.length > MAX_COMMAND) {
      const message = `a command has ${command.length} characters, expected at most ${MAX_COMMAND}: put a script into 'files'`;
      throw new ConfigError('COMMAND_LENGTH', message);
    }
    const mark = `pcanel-${++this.#runs}`;
    const { console } = this.vm;
    // The shell does not echo, so the mark comes from `echo` only; the quotes keep it out of what a trace would show.
    console.write(`{ ${command}\n}; echo "<${mark}":$?">"\n`);
    const end = await console.expect(new RegExp(`([\\s\\S]*?)<${mark}:(\\d+)>\\n`), { timeoutMs });
    return { output: end[1] ?? '', exitCode: Number(end[2]) };
  }
}

const entryOf = ([path, content]: readonly [string, GuestFileContent]): CpioEntry[] => {
  const given = typeof content === 'string' || content instanceof Uint8Array ? { data: content } : content;
  const parts = path.split('/').filter((p) => p !== '');
  const folders = parts.slice(0, -1).map((_, i): CpioEntry => {
    return { type: 'directory', path: parts.slice(0, i + 1).join('/') };
  });
  return [
    ...folders,
    {
      type: 'file',
      path: parts.join('/'),
      mode: ('mode' in given ? given.mode : undefined) ?? 0o755,
      data: given.data,
    },
  ];
};

/** Folders that the default RAM disk has. */
const PRESENT = [
  'bin',
  'dev',
  'etc',
  'etc/init.d',
  'proc',
  'root',
  'sbin',
  'sys',
  'tmp',
  'usr',
  'usr/bin',
  'usr/sbin',
  'var',
];

/** Boots Debian's kernel with BusyBox and your files to a root shell. */
export async function bootLinux(options: BootLinuxOptions = {}): Promise<Linux> {
  const { name = 'linux', image = 'linux-cloud-amd64', time = 'virtual', timeoutMs = BOOT_MS } = options;
  const progress = options.progress ?? (() => {});
  const all = Object.entries(options.files ?? {}).flatMap(entryOf);
  const extraFiles = all.filter(
    (e, i) => e.type !== 'directory' || (!PRESENT.includes(e.path) && all.findIndex((o) => o.path === e.path) === i),
  );
  const initrd = await busyboxInitramfs({
    extraFiles,
    hostname: name,
    busybox: image === 'linux-i386' ? 'busybox-i386' : 'busybox-amd64',
    progress,
    ...(options.init !== undefined && { init: options.init }),
  });
  const host = new Pcanel({ progress });
  try {
    const words = ['console=ttyS0', 'quiet', 'cryptomgr.notests', options.cmdline ?? ''];
    const vm = await host.define({
      name,
      initrd,
      time,
      memory: options.memory ?? '256M',
      cmdline: words.filter((w) => w !== '').join(' '),
      ...(options.kernel === undefined ? { image } : { kernel: options.kernel }),
      ...(options.cpus !== undefined && { cpus: options.cpus }),
      ...(options.engine !== undefined && { engine: options.engine }),
      ...options.more,
    });
    await vm.start();
    await vm.console.expect(UP_BANNER, { timeoutMs });
    await vm.console.expect(/:\S*# /, { timeoutMs });
    vm.console.write('stty -echo -onlcr; dmesg -n 1; PS1= PS2=; echo ready$((1 + 1))\n');
    await vm.console.expect(/ready2\n/, { timeoutMs });
    return new Linux(host, vm);
  } catch (error) {
    await host.close();
    throw error;
  }
}

/** Why `bootLinux` cannot work here (no images and no apt-get to fetch them); false when it can. For `skip`. */
export async function linuxUnavailable(image = 'linux-cloud-amd64'): Promise<string | false> {
  try {
    await ensureImage(image);
    await ensureImage(image === 'linux-i386' ? 'busybox-i386' : 'busybox-amd64');
    return false;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** One machine with a host of its own, started. `await using vm = await boot({ ... })`. */
export async function boot(options: VmOptions): Promise<Vm> {
  const host = new Pcanel();
  try {
    const vm = await host.define(options);
    await vm.start();
    vm.onRemove(() => host.close());
    return vm;
  } catch (error) {
    await host.close();
    throw error;
  }
}
