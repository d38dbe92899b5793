// SeaBIOS on several processors: it starts the others by INIT and start-up IPIs and counts them.
// Source: SDM 3A "MP Initialization Protocol Algorithm"; what SeaBIOS writes to its debug port.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createSoftwareEngine, ensureImage } from '../../src/apps/testing.js';
import { createMachine } from '../../src/machine/index.js';
import { MIB } from '../support/guests.js';

const found = await ensureImage('seabios').then(
  (image) => ({ bios: { name: 'seabios', data: readFileSync(image.path) }, skip: false as const }),
  (error: unknown) => ({ bios: null, skip: String(error) }),
);

test('SeaBIOS starts every processor once', { skip: found.skip }, async () => {
  assert.ok(found.bios);
  let debug = '';
  const machine = await createMachine(
    {
      name: 'firmware',
      memoryBytes: 32 * MIB,
      cpus: 4,
      time: 'virtual',
      display: 'none',
      boot: { kind: 'firmware', bios: found.bios },
    },
    {
      engine: await createSoftwareEngine(),
      nowNs: () => performance.now() * 1e6,
      wallClockMs: Date.UTC(2026, 0, 1),
      console: { write: () => {} },
      firmwareDebug: {
        write: (byte) => {
          debug += String.fromCharCode(byte);
        },
      },
    },
  );
  for (let now = 0; !/All threads complete/.test(debug); ) {
    assert.ok(now < 20e9 && machine.outcome === null, debug);
    const r = machine.step(now, 10e6);
    now = r.state === 'halted' ? Math.max(now + r.usedNs, r.nextDeadlineNs ?? 0) : now + r.usedNs;
  }
  assert.match(debug, /Found 4 cpu\(s\) max supported 4 cpu\(s\)/);
  const ids = [...debug.matchAll(/handle_smp: apic_id=0x(\d)/g)].map((m) => Number(m[1]));
  assert.deepEqual(ids.sort(), [1, 2, 3]);
  machine.close();
});
