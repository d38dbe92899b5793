// The programs of bench/guest inside a Linux guest and natively on this computer: every checksum must be equal.
// 64-bit ones, and 32-bit ones in compatibility mode under the same 64-bit kernel.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildInitramfs } from '../../src/apps/testing.js';
import type { CpioEntry } from '../../src/machine/index.js';
import { gcc, guest, linuxFiles, MIB, PROMPT, QUIET, repository } from '../support/guests.js';

/** Divides the programs' work: at 1 they run for seconds on hardware. */
const DIVISOR = 20;
const folder = join(repository, 'bench/build/guest');

const compiler = await gcc();
const files = await linuxFiles();
const host = process.platform === 'linux' && process.arch === 'x64' ? false : 'needs Linux on x86-64 to compare with';
const make = (width: string): string | false => {
  const r = spawnSync('make', ['-s', '-C', join(repository, 'bench/guest'), `OUT=${folder}`, width], {
    encoding: 'utf8',
  });
  if (r.error) return "no 'make' found: apt-get install make";
  return r.status === 0 ? false : `${width}-bit programs do not compile here: ${r.stderr.trim().split('\n').at(-1)}`;
};
const unusable = host || compiler.skip || files.skip;
const skip64 = unusable || make('64');
const skip32 = unusable || make('32');

interface Result {
  readonly seconds: number;
  readonly sum: string;
}
function results(text: string): Map<string, Result> {
  const found = [...text.matchAll(/^BENCH (\S+) ([\d.]+) s sum=([0-9a-f]{16})\r?$/gm)];
  return new Map(found.map(([, name, seconds, sum]) => [name ?? '', { seconds: Number(seconds), sum: sum ?? '' }]));
}

function natively(width: string, busybox: Uint8Array): Map<string, Result> {
  const work = mkdtempSync(join(tmpdir(), 'pcanel-programs-'));
  try {
    const BB = join(work, 'busybox');
    writeFileSync(BB, busybox);
    chmodSync(BB, 0o755);
    const env = { ...process.env, BB, BTMP: work, TRUE_BIN: join(folder, width, 'true_s') };
    const bench = join(folder, width, 'bench');
    const names = spawnSync(bench, [], { encoding: 'utf8', env }).stdout.trim().split('\n');
    const text = names.map((n) => spawnSync(bench, [n, String(DIVISOR)], { encoding: 'utf8', env }).stdout);
    return results(text.join(''));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function inGuest(width: string, busybox: Uint8Array): Promise<Map<string, Result>> {
  assert.ok(files.value);
  const program = (path: string, name: string): CpioEntry => ({
    type: 'file',
    path,
    mode: 0o755,
    data: readFileSync(join(folder, width, name)),
  });
  const run = `#!/bin/sh\nfor b in $(/bin/bench); do /bin/bench $b ${DIVISOR} || echo "FAIL $b $?"; done\n`;
  const extraFiles: CpioEntry[] = [
    program('bin/bench', 'bench'),
    program('bin/true_s', 'true_s'),
    { type: 'file', path: 'bin/programs', mode: 0o755, data: run },
  ];
  const g = await guest({
    name: 'linux',
    memoryBytes: 256 * MIB,
    boot: {
      kind: 'linux',
      kernel: files.value.kernel,
      initrd: { name: 'initramfs', data: buildInitramfs(busybox, { extraFiles }) },
      cmdline: QUIET,
    },
  });
  const text = g.command('programs');
  assert.doesNotMatch(text, /FAIL|Segmentation|Illegal/);
  g.until(PROMPT);
  g.type('poweroff\n');
  g.untilEnd();
  g.machine.close();
  return results(text);
}

async function compare(width: '64' | '32'): Promise<void> {
  assert.ok(files.value);
  const native = natively(width, files.value.busybox);
  assert.ok(native.size >= 27, `only ${native.size} programs ran natively`);
  const made = await inGuest(width, files.value.busybox);
  const rows = [...native].map(([name, n]) => {
    const g = made.get(name);
    const verdict = g?.sum === n.sum ? 'equal' : 'DIFFERENT';
    // The guest's seconds are virtual: instructions at one per nanosecond.
    return `${name.padEnd(12)} ${n.sum}  ${(g?.sum ?? 'missing').padEnd(16)}  ${(g?.seconds ?? 0).toFixed(4).padStart(8)}  ${verdict}`;
  });
  console.log(`${width}-bit      native            guest             Ginstr.\n${rows.join('\n')}`);
  const sums = (all: Map<string, Result>): Record<string, string> =>
    Object.fromEntries([...all].map(([name, r]) => [name, r.sum]));
  assert.deepEqual(sums(made), sums(native));
}

test('64-bit programs compute in a guest what they compute on the host', { skip: skip64 }, () => compare('64'));
test('32-bit programs compute in a 64-bit guest what they compute on the host', { skip: skip32 }, () => compare('32'));
