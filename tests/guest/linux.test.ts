// Debian's amd64 kernel with BusyBox in virtual time: from the 64-bit and the 32-bit entry to the shell and power-off.
// Source: Linux Documentation/arch/x86/boot.rst; /proc and dmesg as the kernel documents them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildInitramfs } from '../../src/apps/testing.js';
import { guest, linuxFiles, MIB, PROMPT, QUIET } from '../support/guests.js';

const { value: files, skip } = await linuxFiles();

/** Kernel messages of level warning and worse that say nothing about the processor or timers, each with its reason. */
const HARMLESS: readonly (readonly [RegExp, string])[] = [
  [
    /acpi PNP0A03:00: fail to add MMCONFIG information/,
    'the board has no memory-mapped configuration space: PCI is configured by ports CF8h and CFCh, as on the 440FX',
  ],
];

test('Linux boots by its 64-bit entry to a shell that works, complains of nothing and powers off', {
  skip,
}, async () => {
  assert.ok(files);
  const initrd = { name: 'initramfs', data: buildInitramfs(files.busybox) };
  const g = await guest({
    name: 'linux',
    memoryBytes: 256 * MIB,
    boot: { kind: 'linux', kernel: files.kernel, initrd, cmdline: QUIET },
  });
  g.until(/pcanel: linux is up/);

  assert.match(g.command('uname -a'), /^Linux pcanel \d+\.\d+\.\d+\S* #1 SMP .*Debian.* x86_64 GNU\/Linux\n$/);

  const cpuinfo = g.command('cat /proc/cpuinfo');
  assert.match(cpuinfo, /^vendor_id\t: GenuineIntel$/m);
  assert.match(cpuinfo, /^model name\t: Pcanel/m);
  assert.match(cpuinfo, /^flags\t+: .*\bfpu\b.*\btsc\b.*\bapic\b.*\bnx\b.*\blm\b.*\btsc_known_freq\b/m);
  assert.equal(cpuinfo.match(/^processor\t/gm)?.length, 1);

  const clock = '/sys/devices/system/clocksource/clocksource0';
  assert.equal(g.command(`cat ${clock}/current_clocksource`), 'tsc\n');

  const log = g.command('dmesg -r').split('\n');
  assert.ok(log.length > 100, `dmesg has ${log.length} lines`);
  // <N>: facility 0 is the kernel's; levels 0 (emergency) to 4 (warning).
  const warnings = log.filter((line) => /^<[0-4]>/.test(line));
  for (const [pattern, reason] of HARMLESS) {
    assert.ok(reason.length > 0, `${pattern} needs a reason`);
  }
  assert.deepEqual(
    warnings.filter((line) => !HARMLESS.some(([pattern]) => pattern.test(line))),
    [],
  );
  // And what the kernel would say with a lesser level.
  assert.deepEqual(
    log.filter((l) =>
      /unstable|skew|[Uu]nexpected|BUG|WARNING|Firmware Bug|Call Trace|Fast TSC calibration failed/.test(l),
    ),
    [],
  );

  g.until(PROMPT);
  g.type('poweroff\n');
  g.untilEnd();
  assert.deepEqual(g.machine.outcome, { kind: 'powerOff' });
  assert.equal(g.machine.stats().unclaimed, 0);
  g.machine.close();
});

test('Linux boots by its 32-bit protected-mode entry', { skip }, async () => {
  assert.ok(files);
  const initrd = { name: 'initramfs', data: buildInitramfs(files.busybox) };
  const g = await guest({
    name: 'linux',
    memoryBytes: 256 * MIB,
    boot: { kind: 'linux', kernel: files.kernel, initrd, cmdline: QUIET, entry: 'protected32' },
  });
  assert.equal(g.machine.vcpu.readState().efer, 0n);
  g.until(/pcanel: linux is up/);
  assert.equal(g.command('echo $((6 * 7))'), '42\n');
  assert.match(g.command('uname -m'), /^x86_64\n$/);
  g.machine.close();
});
