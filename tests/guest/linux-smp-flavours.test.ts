// Debian's 686 and PREEMPT_RT kernels on two and four processors: each to its shell, the processors counted there by two
// ways, and powered off. (On one: linux-flavours.test.ts; the cloud kernel: linux.test.ts, linux-smp.test.ts.) Source: Linux Documentation/filesystems/proc.rst, "cpuinfo".
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { buildInitramfs, ensureImage } from '../../src/apps/testing.js';
import { guest, MIB, PROMPT, QUIET } from '../support/guests.js';

const KERNELS = [
  { kernel: 'linux-i386', busybox: 'busybox-i386', uname: /-686 #1 SMP .* i686 GNU\/Linux/ },
  { kernel: 'linux-rt-amd64', busybox: 'busybox-amd64', uname: /-rt-amd64 #1 SMP PREEMPT_RT .* x86_64 GNU\/Linux/ },
] as const;
/** What no kernel says that finds its processors and clocks as it should. */
const COMPLAINTS = /\bBUG\b|WARNING:|Oops|Call Trace|general protection|invalid opcode|unstable|TSC warp|stall/;

for (const { kernel, busybox, uname } of KERNELS) {
  let skip: string | false = false;
  const paths = await Promise.all([ensureImage(kernel), ensureImage(busybox)]).catch((error: Error) => {
    skip = error.message;
    return null;
  });
  for (const cpus of [2, 4]) {
    test(`${kernel} on ${cpus} processors, to its shell and powered off`, { skip }, async () => {
      assert.ok(paths);
      const g = await guest({
        name: 'linux',
        memoryBytes: 256 * MIB,
        cpus,
        boot: {
          kind: 'linux',
          kernel: { name: kernel, data: readFileSync(paths[0].path) },
          initrd: { name: 'initramfs', data: buildInitramfs(readFileSync(paths[1].path)) },
          cmdline: QUIET,
        },
      });
      g.until(/pcanel: linux is up/);
      assert.match(g.command('uname -a'), uname);
      assert.equal(g.command('nproc'), `${cpus}\n`);
      const ids = [...g.command('cat /proc/cpuinfo').matchAll(/^processor\s*: (\d+)$/gm)].map((m) => Number(m[1]));
      assert.deepEqual(
        ids,
        Array.from({ length: cpus }, (_, i) => i),
      );
      assert.doesNotMatch(g.command('dmesg'), COMPLAINTS);
      g.until(PROMPT);
      g.type('poweroff\n');
      g.untilEnd();
      assert.deepEqual(g.machine.outcome, { kind: 'powerOff' });
      g.machine.close();
    });
  }
}
