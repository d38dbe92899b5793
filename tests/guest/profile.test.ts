// Profiles of whole guests: the real-time kernel by its ELF symbols, Linux by the table in its own memory. A profile in
// virtual time changes nothing that the guest does.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { buildInitramfs } from '../../src/apps/testing.js';
import { foldProfile, parseSymbols, topFunctions } from '../../src/domains/index.js';
import type { Machine, ProfileBatch } from '../../src/machine/index.js';
import { type Guest, guest, linuxFiles, MIB, PROMPT, QUIET, repository, rtosFile } from '../support/guests.js';

const linux = await linuxFiles();
const rtos = await rtosFile();

/** Boots the real-time kernel and runs its floating-point test. */
async function runRtos(profiled: boolean): Promise<Guest> {
  assert.ok(rtos.value);
  const g = await guest({ name: 'rtos', memoryBytes: 16 * MIB, boot: { kind: 'multiboot', kernel: rtos.value } });
  if (profiled) g.machine.profile({ everyTicks: 20_000 });
  g.until(/rtos> /);
  g.type('fp\n');
  g.until(/fp: PASS/);
  g.until(/rtos> /);
  return g;
}
const taken = (machine: Machine): ProfileBatch => {
  const batch = machine.readProfile();
  assert.ok(batch);
  return batch;
};
const facts = ({ machine, text }: Guest): unknown => {
  const s = machine.stats();
  const exits = Object.fromEntries(s.exits.filter((e) => e.name !== 'preemptionTimer').map((e) => [e.name, e.count]));
  return { text, exits, instructions: s.instructions, clockNs: s.clockNs, interrupts: s.interrupts, rip: s.rip };
};

test('the real-time kernel takes the same way with and without a profile', { skip: rtos.skip }, async () => {
  const plain = await runRtos(false);
  const profiled = await runRtos(true);
  assert.equal(plain.machine.readProfile(), null);
  assert.deepEqual(facts(profiled), facts(plain));
  assert.ok(taken(profiled.machine).total > 100);
  plain.machine.close();
  profiled.machine.close();
});

test('every sample of the real-time kernel is in a function of its ELF file, and the busy ones are found', {
  skip: rtos.skip,
}, async () => {
  const { machine } = await runRtos(true);
  const batch = taken(machine);
  const path = `${repository}guests/rtos/build/rtos.elf`;
  const symbols = [parseSymbols(new Uint8Array(readFileSync(path)), path)];
  const lines = foldProfile(batch, { name: 'rtos', symbols });
  assert.equal(
    lines.reduce((sum, l) => sum + Number(l.slice(l.lastIndexOf(' '))), 0),
    batch.total,
  );
  const unnamed = lines.filter((l) => l.includes('['));
  assert.deepEqual(unnamed, []);
  const top = topFunctions(batch, { name: 'rtos', symbols }).slice(0, 3);
  assert.ok(
    top.some((f) => f.name === 'clockCalibrate'), // it counts the 8254's ticks in a loop
    JSON.stringify(top),
  );
  machine.close();
});

test('Linux is profiled by the names in its own memory, which are those of /proc/kallsyms', {
  skip: linux.skip,
}, async () => {
  assert.ok(linux.value);
  const { kernel, busybox } = linux.value;
  const initrd = { name: 'initramfs', data: buildInitramfs(busybox) };
  const g = await guest({
    name: 'linux',
    memoryBytes: 128 * MIB,
    boot: { kind: 'linux', kernel, initrd, cmdline: QUIET },
  });
  g.machine.profile({ everyTicks: 200_000, stack: 'scan' });
  const listed = g.command("cat /proc/kallsyms | grep -E ' [tT] (schedule|vfs_read|do_sys_openat2|kernel_init)$'");
  g.until(PROMPT);
  const batch = taken(g.machine);
  const high = (address: string): boolean => BigInt(address) >= 0xffff_ffff_8000_0000n;
  const inKernel = batch.samples.filter((s) => s.cpl === 0 && high(s.frames[0] as string));
  const count = (samples: typeof inKernel): number => samples.reduce((sum, s) => sum + s.count, 0);
  const named = inKernel.filter((s) => batch.names[s.frames[0] as string] !== undefined);
  assert.ok(count(inKernel) > 500, `${count(inKernel)} samples in the kernel`);
  assert.ok(count(named) > count(inKernel) * 0.99, `${count(named)} of ${count(inKernel)} have names`);
  const symbols = listed.trim().split('\n');
  assert.equal(symbols.length, 4, listed);
  const tables = [parseSymbols(new TextEncoder().encode(listed), '/proc/kallsyms')];
  // Every address that one of the four covers by the guest's own list has the same name in the profile.
  const ends = new Set(symbols.map((line) => line.split(' ')[2]));
  const seen = Object.entries(batch.names).filter(([, name]) => ends.has(name));
  assert.ok(seen.length > 0, 'none of the four was found');
  for (const [address, name] of seen) assert.equal(tables[0]?.nameOf(BigInt(address) - 1n), name);
  const lines = foldProfile(batch, { name: 'linux' });
  assert.ok(lines.some((l) => /^linux;kernel;(.*;)?ret_from_fork(_asm)?;/.test(l) || /;kernel_init;/.test(l)));
  assert.ok(lines.some((l) => /^linux;user 0x[0-9a-f]+;/.test(l)));
  g.machine.close();
});
