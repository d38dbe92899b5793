// The guest images that can be had by name: which Debian package each comes from and which file of it.
// Source: Debian package archive; names as in `apt-cache show`.

import { ConfigError } from '../../base/index.js';

export interface CatalogEntry {
  readonly name: string;
  readonly description: string;
  /** How the machine loads it. */
  readonly kind: 'linux' | 'multiboot' | 'firmware' | 'program' | 'cdrom' | 'floppy';
  /** Package names to try in order. */
  readonly packages: readonly string[];
  /** The package is empty; the file is in the dependency whose name starts with this. */
  readonly dependencyPrefix?: string;
  readonly architecture: 'amd64' | 'i386' | 'all';
  /** The file inside the package; '*' stands for any run of characters but '/'. */
  readonly file: string;
  /** The file is compressed with gzip and is kept unpacked. */
  readonly gunzip?: boolean;
  /** Bytes of the unpacked file, roughly: for the check of free space. */
  readonly aboutBytes: number;
}

const MIB = 1 << 20;

export const catalog: readonly CatalogEntry[] = [
  {
    name: 'linux-cloud-amd64',
    description: 'Debian Linux kernel for virtual machines, 64-bit',
    kind: 'linux',
    packages: ['linux-image-cloud-amd64'],
    dependencyPrefix: 'linux-image-',
    architecture: 'amd64',
    file: 'boot/vmlinuz-*',
    aboutBytes: 14 * MIB,
  },
  {
    name: 'linux-rt-amd64',
    description: 'Debian Linux kernel with PREEMPT_RT, 64-bit',
    kind: 'linux',
    packages: ['linux-image-rt-amd64'],
    dependencyPrefix: 'linux-image-',
    architecture: 'amd64',
    file: 'boot/vmlinuz-*',
    aboutBytes: 9 * MIB,
  },
  {
    name: 'linux-i386',
    description: 'Debian Linux kernel of the i386 installer, 32-bit',
    kind: 'linux',
    packages: ['debian-installer-12-netboot-i386', 'debian-installer-13-netboot-i386'],
    architecture: 'all',
    file: 'usr/lib/debian-installer/images/*/i386/text/debian-installer/i386/linux',
    aboutBytes: 6 * MIB,
  },
  {
    name: 'busybox-amd64',
    description: 'BusyBox, statically linked, 64-bit',
    kind: 'program',
    packages: ['busybox-static'],
    architecture: 'amd64',
    file: '*/busybox',
    aboutBytes: 2 * MIB,
  },
  {
    name: 'busybox-i386',
    description: 'BusyBox, statically linked, 32-bit',
    kind: 'program',
    packages: ['busybox-static'],
    architecture: 'i386',
    file: '*/busybox',
    aboutBytes: 2 * MIB,
  },
  {
    name: 'memtest86+',
    description: 'Memtest86+, 64-bit, boots by the Linux protocol',
    kind: 'linux',
    packages: ['memtest86+'],
    architecture: 'amd64',
    file: 'boot/memtest86+x64.bin',
    aboutBytes: MIB,
  },
  {
    name: 'memtest86+ia32',
    description: 'Memtest86+, 32-bit, boots by the Linux protocol',
    kind: 'linux',
    packages: ['memtest86+'],
    architecture: 'amd64',
    file: 'boot/memtest86+ia32.bin',
    aboutBytes: MIB,
  },
  {
    name: 'gnumach',
    description: 'GNU Mach microkernel, 64-bit ELF with a multiboot header',
    kind: 'multiboot',
    packages: ['gnumach-image-1.8-486', 'gnumach-image-1.8-up'],
    architecture: 'amd64',
    file: 'boot/gnumach-*.gz',
    gunzip: true,
    aboutBytes: 2 * MIB,
  },
  {
    name: 'gnumach-i386',
    description: 'GNU Mach microkernel, 32-bit multiboot image',
    kind: 'multiboot',
    packages: ['gnumach-image-1.8-486', 'gnumach-image-1.8-up'],
    architecture: 'i386',
    file: 'boot/gnumach-*.gz',
    gunzip: true,
    aboutBytes: 2 * MIB,
  },
  {
    name: 'installer-i386',
    description: "Initial RAM disk of the i386 installer, for its kernel 'linux-i386'",
    kind: 'program',
    packages: ['debian-installer-12-netboot-i386', 'debian-installer-13-netboot-i386'],
    architecture: 'all',
    file: 'usr/lib/debian-installer/images/*/i386/text/debian-installer/i386/initrd.gz',
    aboutBytes: 40 * MIB,
  },
  {
    name: 'seabios',
    description: 'SeaBIOS firmware, 256 KiB',
    kind: 'firmware',
    packages: ['seabios'],
    architecture: 'all',
    file: 'usr/share/seabios/bios-256k.bin',
    aboutBytes: MIB,
  },
  {
    name: 'seabios-128k',
    description: 'SeaBIOS firmware, 128 KiB',
    kind: 'firmware',
    packages: ['seabios'],
    architecture: 'all',
    file: 'usr/share/seabios/bios.bin',
    aboutBytes: MIB,
  },
  {
    name: 'vgabios',
    description: 'SeaVGABIOS for the display adapter, run by SeaBIOS',
    kind: 'firmware',
    packages: ['seabios'],
    architecture: 'all',
    file: 'usr/share/seabios/vgabios-stdvga.bin',
    aboutBytes: MIB,
  },
  {
    name: 'u-boot',
    description: 'U-Boot for virtual PCs, 32-bit, in place of SeaBIOS',
    kind: 'firmware',
    packages: ['u-boot-qemu'],
    architecture: 'all',
    file: 'usr/lib/u-boot/qemu-x86/u-boot.rom',
    aboutBytes: MIB,
  },
  {
    name: 'grub-cdrom',
    description: 'GRUB rescue CD-ROM',
    kind: 'cdrom',
    packages: ['grub-rescue-pc'],
    architecture: 'amd64',
    file: 'usr/lib/grub-rescue/grub-rescue-cdrom.iso',
    aboutBytes: 5 * MIB,
  },
  {
    name: 'grub-floppy',
    description: 'GRUB rescue floppy disk',
    kind: 'floppy',
    packages: ['grub-rescue-pc'],
    architecture: 'amd64',
    file: 'usr/lib/grub-rescue/grub-rescue-floppy.img',
    aboutBytes: 2 * MIB,
  },
  {
    name: 'memtest86+cdrom',
    description: 'Memtest86+ CD-ROM, 64-bit',
    kind: 'cdrom',
    packages: ['memtest86+'],
    architecture: 'amd64',
    file: 'usr/lib/memtest86+/memtest86+x64.iso',
    aboutBytes: 7 * MIB,
  },
  {
    name: 'memtest86+cdrom32',
    description: 'Memtest86+ CD-ROM, 32-bit',
    kind: 'cdrom',
    packages: ['memtest86+'],
    architecture: 'amd64',
    file: 'usr/lib/memtest86+/memtest86+ia32.iso',
    aboutBytes: 7 * MIB,
  },
  {
    name: 'isolinux',
    description: 'ISOLINUX, the CD-ROM boot loader, for images made of it',
    kind: 'program',
    packages: ['isolinux'],
    architecture: 'all',
    file: 'usr/lib/ISOLINUX/isolinux.bin',
    aboutBytes: MIB,
  },
  {
    name: 'ldlinux',
    description: 'The core module of SYSLINUX',
    kind: 'program',
    packages: ['syslinux-common'],
    architecture: 'all',
    file: 'usr/lib/syslinux/modules/bios/ldlinux.c32',
    aboutBytes: MIB,
  },
  {
    name: 'menu.c32',
    description: 'The menu of SYSLINUX',
    kind: 'program',
    packages: ['syslinux-common'],
    architecture: 'all',
    file: 'usr/lib/syslinux/modules/bios/menu.c32',
    aboutBytes: MIB,
  },
  {
    name: 'libutil.c32',
    description: 'A library module of SYSLINUX, for its menu',
    kind: 'program',
    packages: ['syslinux-common'],
    architecture: 'all',
    file: 'usr/lib/syslinux/modules/bios/libutil.c32',
    aboutBytes: MIB,
  },
];

/** The entry of `name`, or a ConfigError that lists the known ones. */
export function catalogEntry(name: string): CatalogEntry {
  const entry = catalog.find((e) => e.name === name);
  if (entry) return entry;
  const known = catalog.map((e) => e.name).join(', ');
  throw new ConfigError('IMAGE_UNKNOWN', `no image is named '${name}', expected one of: ${known}`, { image: name });
}
