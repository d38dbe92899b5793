// Debian's amd64 kernel on several processors in virtual time: started by INIT and start-up IPIs through its real-mode
// trampoline, to the shell and power-off, twice the same. Source: SDM 3A "MP Initialization Protocol"; Linux
// Documentation/filesystems/proc.rst, "interrupts".

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildInitramfs } from '../../src/apps/testing.js';
import { type Guest, guest, linuxFiles, MIB, PROMPT, QUIET } from '../support/guests.js';

const { value: files, skip } = await linuxFiles();

/** The board has no memory-mapped configuration space: nothing about processors. */
const HARMLESS = /fail to add MMCONFIG information/;

const boot = (cpus: number, cmdline = QUIET): Promise<Guest> => {
  assert.ok(files);
  const initrd = { name: 'initramfs', data: buildInitramfs(files.busybox) };
  return guest({
    name: 'linux',
    memoryBytes: 256 * MIB,
    cpus,
    boot: { kind: 'linux', kernel: files.kernel, initrd, cmdline },
  });
};
const powerOff = (g: Guest): void => {
  g.until(PROMPT);
  g.type('poweroff\n');
  g.untilEnd();
  assert.deepEqual(g.machine.outcome, { kind: 'powerOff' });
};

/** A row of /proc/interrupts: its counts by processor. */
const row = (text: string, name: string, cpus: number): number[] => {
  const line = text.split('\n').find((l) => l.trim().startsWith(`${name}:`));
  assert.ok(line, `no row ${name} in\n${text}`);
  return line
    .trim()
    .split(/\s+/)
    .slice(1, 1 + cpus)
    .map(Number);
};

for (const cpus of [2, 4]) {
  const all = Array.from({ length: cpus }, (_, i) => i);

  test(`Linux on ${cpus} processors uses each, keeps its clocks together and complains of nothing`, {
    skip,
  }, async () => {
    const g = await boot(cpus);
    g.until(/pcanel: linux is up/);
    assert.equal(g.command('nproc'), `${cpus}\n`);

    const cpuinfo = g.command('cat /proc/cpuinfo');
    const numbers = (key: string): number[] =>
      [...cpuinfo.matchAll(new RegExp(`^${key}\\s*: (\\d+)$`, 'gm'))].map((m) => Number(m[1]));
    assert.deepEqual(numbers('processor'), all);
    assert.deepEqual(numbers('initial apicid'), all);
    assert.deepEqual(numbers('core id'), all);
    assert.deepEqual(new Set(numbers('siblings')), new Set([cpus]));

    // Each processor runs a program of its own: field 39 of stat is the processor.
    const each = `for i in ${all.join(' ')}; do taskset -c $i cut -d' ' -f39 /proc/self/stat; done`;
    assert.equal(g.command(each), all.map((i) => `${i}\n`).join(''));
    // Work in the background is spread over all of them.
    g.command('w() { n=0; while [ $n -lt 3000 ]; do n=$((n+1)); done; sed p /proc/self/stat; }');
    const spread = g.command(`for i in ${all.join(' ')}; do w & done; wait`);
    const where = [...spread.matchAll(/^\d+ \(sed\) .*$/gm)].map(([l]) => l.split(' ')[38]);
    assert.equal(where.length, 2 * cpus, spread);
    assert.ok(new Set(where).size > 1, `all on one of them: ${where}`);

    const interrupts = g.command('cat /proc/interrupts');
    for (const name of ['LOC', 'CAL']) {
      assert.ok(
        row(interrupts, name, cpus).every((n) => n > 0),
        `${name} in\n${interrupts}`,
      );
    }
    assert.ok(
      row(interrupts, 'RES', cpus).some((n) => n > 0),
      interrupts,
    );
    assert.deepEqual(row(interrupts, 'ERR', 1), [0]);

    const clock = '/sys/devices/system/clocksource/clocksource0';
    assert.equal(g.command(`cat ${clock}/current_clocksource`), 'tsc\n');
    const log = g.command('dmesg -r').split('\n');
    assert.ok(log.some((l) => l.includes(`smp: Brought up 1 node, ${cpus} CPUs`)));
    assert.deepEqual(
      log.filter((l) => /^<[0-4]>/.test(l) && !HARMLESS.test(l)),
      [],
    );
    assert.deepEqual(
      log.filter((l) => /unstable|skew|TSC warp|[Uu]nexpected|BUG|WARNING|Firmware Bug|Call Trace|stall/.test(l)),
      [],
    );
    powerOff(g);
    assert.equal(g.machine.stats().unclaimed, 0);
    g.machine.close();
  });
}

test('a processor can be taken offline and started again', { skip }, async () => {
  const g = await boot(2);
  g.until(/pcanel: linux is up/);
  const online = '/sys/devices/system/cpu/cpu1/online';
  assert.equal(g.command(`echo 0 > ${online}; nproc; echo 1 > ${online}; nproc`), '1\n2\n');
  assert.equal(g.command("taskset -c 1 cut -d' ' -f39 /proc/self/stat"), '1\n');
  g.machine.close();
});

test('two runs on two processors are equal to the last exit', { skip }, async () => {
  const run = async (): Promise<unknown> => {
    const g = await boot(2);
    g.until(/pcanel: linux is up/);
    g.command('cat /proc/interrupts; (cat /proc/cpuinfo | wc) & wait');
    powerOff(g);
    const { exits, instructions, clockNs, interrupts, runs, rip } = g.machine.stats();
    g.machine.close();
    return { exits: exits.map((e) => [e.name, e.count]), instructions, clockNs, interrupts, runs, rip, text: g.text };
  };
  const first = await run();
  assert.deepEqual(await run(), first);
});
