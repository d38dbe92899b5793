// The default initial RAM disk of a Linux guest: BusyBox as init, a shell on the console, poweroff that works.
// Source: BusyBox examples/inittab (fields id:runlevels:action:process); Linux Documentation/admin-guide/initrd.rst.

import { readFile } from 'node:fs/promises';
import { buildCpio, type CpioEntry } from '../../machine/index.js';
import { type EnsureOptions, ensureImage } from './images.js';

/** What the guest prints when it has mounted its file systems and is about to start the shell. */
export const UP_BANNER = 'pcanel: linux is up';

export interface InitramfsOptions {
  /** More files; they may also replace the default ones. */
  readonly extraFiles?: readonly CpioEntry[];
  /** Shell commands run once, after the mounts and the banner, before the shell. */
  readonly init?: string;
  /** Device name of the terminal that the shell runs on. */
  readonly console?: string;
  /** Host name of the guest. */
  readonly hostname?: string;
}

/** A shell that comes back when it exits; the leading '-' makes it a login shell that owns its terminal. */
const inittab = (console: string): string => `::sysinit:/etc/init.d/rcS
${console}::respawn:-/bin/sh
::ctrlaltdel:/sbin/reboot
::shutdown:/bin/umount -a -r 2>/dev/null
::restart:/sbin/init
`;

const rcS = (init: string): string => `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mkdir -p /dev/pts
/bin/busybox mount -t devpts devpts /dev/pts
/bin/busybox mount -t tmpfs tmpfs /tmp
/bin/busybox --install -s
hostname -F /etc/hostname
ip link set lo up
echo '${UP_BANNER}'
${init}
`;

const PROFILE = `export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root PS1='\\h:\\w\\$ '
`;

/** Builds the archive from the bytes of a static BusyBox. */
export function buildInitramfs(busybox: Uint8Array, options: InitramfsOptions = {}): Uint8Array {
  const console = options.console ?? 'ttyS0';
  const link = (path: string): CpioEntry => ({ type: 'symlink', path, target: '/bin/busybox' });
  const defaults: CpioEntry[] = [
    ...['dev', 'etc', 'proc', 'root', 'sys', 'usr/bin', 'usr/sbin', 'var'].map(
      (path): CpioEntry => ({ type: 'directory', path }),
    ),
    { type: 'directory', path: 'tmp', mode: 0o1777 },
    { type: 'char', path: 'dev/console', major: 5, minor: 1 },
    { type: 'char', path: 'dev/null', major: 1, minor: 3, mode: 0o666 },
    { type: 'file', path: 'bin/busybox', mode: 0o755, data: busybox },
    ...['init', 'bin/sh', 'sbin/init', 'sbin/reboot', 'sbin/poweroff', 'bin/umount'].map(link),
    { type: 'file', path: 'etc/inittab', data: inittab(console) },
    { type: 'file', path: 'etc/init.d/rcS', mode: 0o755, data: rcS(options.init ?? '') },
    { type: 'file', path: 'etc/hostname', data: `${options.hostname ?? 'pcanel'}\n` },
    { type: 'file', path: 'etc/passwd', data: 'root::0:0:root:/root:/bin/sh\n' },
    { type: 'file', path: 'etc/group', data: 'root:x:0:\n' },
    { type: 'file', path: 'etc/profile', data: PROFILE },
  ];
  const extra = options.extraFiles ?? [];
  const plain = (path: string): string => path.replace(/^\.?\/+/, '').replace(/\/+$/, '');
  const replaced = new Set(extra.map((e) => plain(e.path)));
  return buildCpio([...defaults.filter((e) => e.type === 'directory' || !replaced.has(plain(e.path))), ...extra]);
}

/** The default initial RAM disk, with BusyBox from the image catalog (`busybox-amd64` unless named otherwise). */
export async function busyboxInitramfs(
  options: InitramfsOptions & EnsureOptions & { readonly busybox?: 'busybox-amd64' | 'busybox-i386' } = {},
): Promise<Uint8Array> {
  const image = await ensureImage(options.busybox ?? 'busybox-amd64', options);
  return buildInitramfs(await readFile(image.path), options);
}
