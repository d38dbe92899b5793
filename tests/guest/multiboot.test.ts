// Multiboot images built from source, which check what a loader owes them and what the board does: command line, modules,
// memory map, cleared memory, configuration device, ACPI tables, test device, processors that start.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gcc, guest, MIB } from '../support/guests.js';
import { buildKit, type KitOptions } from '../support/multiboot-kit.js';

const { skip } = await gcc();
const MODULE = 'TEST_DEVICE=1\nNR_CPUS=3';

interface Case {
  readonly title: string;
  readonly kit: KitOptions;
  readonly cpus: number;
  readonly mib?: number;
}
const CASES: readonly Case[] = [
  { title: 'ELF32 at 1 MiB', kit: { bits: 32, flags: 3 }, cpus: 1 },
  { title: 'ELF64 at 1 MiB, 3 processors', kit: { bits: 64 }, cpus: 3 },
  { title: 'ELF64 at 16 MiB, 16 processors', kit: { bits: 64, base: 16 * MIB, flags: 7 }, cpus: 16 },
  { title: 'a raw image with address fields', kit: { bits: 32, flags: 0x10003, raw: true }, cpus: 2 },
  { title: 'an ELF64 image with address fields', kit: { bits: 64, flags: 0x10000, base: 2 * MIB, raw: true }, cpus: 1 },
  { title: 'ELF32 at the end of memory', kit: { bits: 32, base: 60 * MIB }, cpus: 1, mib: 64 },
  { title: 'multiboot 2, ELF32', kit: { bits: 32, multiboot2: true }, cpus: 2 },
  { title: 'multiboot 2, ELF64 at 8 MiB', kit: { bits: 64, multiboot2: true, base: 8 * MIB }, cpus: 1, mib: 512 },
];

for (const { title, kit, cpus, mib = 256 } of CASES) {
  test(`a multiboot image finds what it expects: ${title}`, { skip }, async () => {
    const cmdline = `smp=${cpus} mib=${mib} modules=2 'two words'`;
    const module = { name: 'environment', data: new TextEncoder().encode(MODULE) };
    const big = { name: 'big', data: new Uint8Array(5 * MIB).fill(0x5a) };
    const g = await guest({
      name: 'kit',
      memoryBytes: mib * MIB,
      cpus,
      boot: {
        kind: 'multiboot',
        kernel: { name: 'some/where/kit.elf', data: buildKit(kit) },
        cmdline,
        modules: [{ ...module, cmdline: 'environment a b' }, big],
      },
    });
    g.untilEnd();
    assert.doesNotMatch(g.text, /^FAIL/m);
    assert.deepEqual(g.machine.outcome, { kind: 'exit', status: 1 }, g.text);
    const line = kit.multiboot2 ? cmdline : `kit.elf ${cmdline}`;
    assert.ok(g.text.includes(`\ncmdline=${line}\n`) || g.text.startsWith(`cmdline=${line}\n`), g.text);
    assert.ok(g.text.includes(`\nmodule=environment a b|${MODULE}\n`), g.text);
    assert.equal(g.text.split('\nok ').length - 1, kit.multiboot2 ? 26 : 28, g.text);
    g.machine.close();
  });
}
