// Plain entries: what the schema would make of them, and what is for the schema.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainEntry } from './domain-entry.js';
import { domainSchema } from './domain-file.js';

test('a plain entry is what the schema makes of it', () => {
  const entries = [
    { name: 'guest', kernel: 'vmlinuz' },
    { name: 'guest', kernel: 'vmlinuz', initrd: 'busybox', cmdline: 'quiet', memory: '1G', time: 'real' as const },
    {
      name: 'g-1',
      multiboot: 'mbchk',
      exitDevice: 'none' as const,
      onReset: 'stop' as const,
      engine: 'software' as const,
    },
    { name: 'g', image: 'linux-cloud-amd64', cpus: 4, cpu: 1, display: 'vga' as const, testDevice: 'none' as const },
  ];
  for (const entry of entries) assert.deepEqual(plainEntry(entry), domainSchema.parse(entry));
});

test('the schema is asked about names that are none and about everything else', () => {
  assert.equal(plainEntry({ name: '-x', kernel: 'k' }), null);
  assert.equal(plainEntry({ name: 'a'.repeat(33), kernel: 'k' }), null);
  const plain =
    'name image kernel multiboot initrd cmdline memory time engine cpus cpu display testDevice exitDevice onReset';
  for (const key of Object.keys(domainSchema.shape).filter((k) => !plain.split(' ').includes(k)))
    assert.equal(plainEntry({ name: 'guest', [key]: 'x' }), null, key);
  assert.equal(plainEntry({ name: 'guest', cpus: 1.5 }), null);
  assert.equal(plainEntry({ name: 'guest', cpu: 0.5 }), null);
  assert.equal(plainEntry({ name: 'guest', kernle: 'k' }), null);
});
