// Debian's other kernels, and the cloud kernel on lesser hardware: each to a shell that answers, and powered off.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { buildInitramfs, ensureImage } from '../../src/apps/testing.js';
import { guest, MIB, QUIET } from '../support/guests.js';

interface Flavour {
  readonly title: string;
  readonly kernel: string;
  readonly busybox: string;
  readonly cmdline?: string;
  /** `uname -a`, and lines that /proc must and must not have. */
  readonly uname: RegExp;
  readonly check?: readonly (readonly [string, RegExp])[];
  readonly end?: 'halted';
}
const CLOUD = {
  kernel: 'linux-cloud-amd64',
  busybox: 'busybox-amd64',
  uname: /cloud-amd64 .* x86_64 GNU\/Linux/,
} as const;
const FLAVOURS: readonly Flavour[] = [
  {
    title: 'the 32-bit kernel of the i386 installer',
    kernel: 'linux-i386',
    busybox: 'busybox-i386',
    uname: /-686 #1 SMP .* i686 GNU\/Linux/,
    check: [['grep -c "^flags.* vme .*pse36" /proc/cpuinfo', /^1\r?\n/]],
  },
  {
    title: 'the PREEMPT_RT kernel',
    kernel: 'linux-rt-amd64',
    busybox: 'busybox-amd64',
    uname: /-rt-amd64 #1 SMP PREEMPT_RT .* x86_64 GNU\/Linux/,
    check: [['cat /sys/kernel/realtime', /^1\r?\n/]],
  },
  {
    title: 'the cloud kernel with the 8259 pair and the 8254 alone',
    ...CLOUD,
    cmdline: 'noapic nolapic',
    check: [['grep timer /proc/interrupts', /XT-PIC +timer/]],
  },
  {
    title: 'the cloud kernel without ACPI and SMP',
    ...CLOUD,
    cmdline: 'nosmp acpi=off',
    check: [['ls /sys/firmware/acpi 2>/dev/null | wc -l', /^0\r?\n/]],
    end: 'halted',
  },
  {
    title: 'the cloud kernel without XSAVE',
    ...CLOUD,
    cmdline: 'noxsave',
    check: [['grep -c "^flags.* xsave " /proc/cpuinfo || true', /^0\r?\n/]],
  },
];

for (const f of FLAVOURS) {
  let skip: string | false = false;
  const paths = await Promise.all([ensureImage(f.kernel), ensureImage(f.busybox)]).catch((error: Error) => {
    skip = error.message;
    return null;
  });
  test(`Linux boots: ${f.title}`, { skip }, async () => {
    assert.ok(paths);
    const g = await guest({
      name: 'linux',
      memoryBytes: 256 * MIB,
      boot: {
        kind: 'linux',
        kernel: { name: f.kernel, data: readFileSync(paths[0].path) },
        initrd: { name: 'initramfs', data: buildInitramfs(readFileSync(paths[1].path)) },
        cmdline: `${QUIET} ${f.cmdline ?? ''}`,
      },
    });
    g.until(/pcanel: linux is up/);
    assert.match(g.command('uname -a'), f.uname);
    assert.equal(g.command('nproc; grep -c ^processor /proc/cpuinfo'), '1\n1\n');
    for (const [command, expected] of f.check ?? []) assert.match(g.command(command), expected);
    assert.doesNotMatch(g.command('dmesg'), /\bBUG\b|Oops|Call Trace|general protection|invalid opcode/);
    g.until(/# (?:.\[6n)?$/);
    g.type('poweroff\n');
    g.untilEnd();
    assert.equal(g.machine.outcome?.kind, f.end ?? 'powerOff');
    g.machine.close();
  });
}
