// The Debian installer (i386, text): its kernel and its whole initial RAM disk, to the first question on the serial line
// and, with a display, on the text screen.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ensureImage } from '../../src/apps/testing.js';
import { guest, MIB } from '../support/guests.js';

let skip: string | false = false;
const paths = await Promise.all([ensureImage('linux-i386'), ensureImage('installer-i386')]).catch((error: Error) => {
  skip = error.message;
  return null;
});

test('the Debian installer asks for the language', { skip }, async () => {
  assert.ok(paths);
  const g = await guest({
    name: 'installer',
    memoryBytes: 512 * MIB,
    boot: {
      kind: 'linux',
      kernel: { name: 'linux-i386', data: readFileSync(paths[0].path) },
      initrd: { name: 'installer-i386', data: readFileSync(paths[1].path) },
      cmdline: 'console=ttyS0 cryptomgr.notests quiet',
    },
  });
  g.until(/Select a language/, 300);
  g.until(/Choose the language to be used for the installation process/, 300);
  g.until(/English/, 300);
  g.machine.close();
});
