// Kernels of other systems by multiboot: GNU Mach to its banner and its normal end without a bootstrap module, and GRUB
// Invaders, which paints VGA text memory and times itself by the display's retrace.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ensureImage } from '../../src/apps/testing.js';
import { screenLines } from '../../src/machine/index.js';
import { guest, MIB } from '../support/guests.js';

/** The 32-bit kernel has drivers that wait for seconds for hardware that is not there, by the 8254: a slow processor waits less. */
const MACH_TSC_HZ = 20_000_000;

for (const [title, name] of [
  ['64-bit', 'gnumach'],
  ['32-bit', 'gnumach-i386'],
] as const) {
  let noMach: string | false = false;
  const mach = await ensureImage(name).catch((error: Error) => {
    noMach = error.message;
    return null;
  });
  test(`GNU Mach, ${title}, starts and finds no bootstrap module`, { skip: noMach }, async () => {
    assert.ok(mach);
    const g = await guest({
      name: 'mach',
      memoryBytes: 64 * MIB,
      tscHz: MACH_TSC_HZ,
      boot: { kind: 'multiboot', kernel: { name: 'gnumach', data: readFileSync(mach.path) }, cmdline: 'console=com0' },
    });
    g.until(/GNU Mach 1\.\d+/);
    g.until(/biosmem: physical memory map:/);
    g.until(/0*100000:0*4000000, available/);
    g.until(/RTC time is 2026-01-01 00:0\d:\d\d/, 600);
    g.until(/panic .*bootstrap_create: No bootstrap code loaded with the kernel!/);
    g.machine.close();
  });
}

/** A file of a Debian package, or null. */
function packaged(name: string, path: string): Uint8Array | null {
  const folder = mkdtempSync(join(tmpdir(), 'pcanel-'));
  try {
    const installed = `/${path}`;
    if (existsSync(installed)) return readFileSync(installed);
    if (spawnSync('apt-get', ['download', name], { cwd: folder }).status !== 0) return null;
    const file = readdirSync(folder).find((f) => f.endsWith('.deb'));
    if (file === undefined || spawnSync('dpkg-deb', ['-x', file, 'x'], { cwd: folder }).status !== 0) return null;
    return readFileSync(join(folder, 'x', path));
  } catch {
    return null;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
const invaders = packaged('grub-invaders', 'boot/invaders.exec');

test('GRUB Invaders shows its fleet, which marches', {
  skip: invaders === null && 'grub-invaders cannot be had from apt',
}, async () => {
  assert.ok(invaders);
  const g = await guest({
    name: 'invaders',
    memoryBytes: 16 * MIB,
    boot: { kind: 'multiboot', kernel: { name: 'invaders', data: invaders } },
    display: 'vga',
  });
  /** Column of the first ship, or -1. */
  const fleet = (): number =>
    screenLines(g.machine)
      .find((l) => l.includes('-*-'))
      ?.indexOf('-*-') ?? -1;
  const seen = new Set<number>();
  let ships = 0;
  for (let i = 0; i < 15 && seen.size < 2; i++) {
    g.step();
    const column = fleet();
    if (column >= 0) seen.add(column);
    ships = Math.max(ships, screenLines(g.machine).join().split('-*-').length - 1);
  }
  assert.ok(ships >= 20, `${ships} ships`);
  assert.ok(seen.size >= 2, `the fleet was seen at columns ${[...seen]}`);
  g.machine.close();
});
