// The engine conformance suite on KVM, and the exit streams of both engines side by side.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONFORMANCE_GUESTS, conformance, runConformanceGuest } from '../../src/vmx/testing.js';
import { softwareEngine } from '../support/engine.js';
import { kvmEngine, kvmMissing, unsupportedGuests } from './host.js';

const missing = await kvmMissing();
const unsupported = unsupportedGuests();

if (missing !== null) test('KVM conformance', (t) => t.skip(missing));
else {
  const kvm = kvmEngine();
  const software = await softwareEngine();
  conformance(kvm, test, { time: 'real', unsupported });

  for (const guest of CONFORMANCE_GUESTS) {
    if (guest.virtualTime) continue;
    test(`same exits on both engines: ${guest.name}`, async (t) => {
      const reason = unsupported[guest.name];
      if (reason !== undefined) return t.skip(reason);
      const [hardware, ours] = await Promise.all([
        runConformanceGuest(kvm, guest, 'real'),
        runConformanceGuest(software, guest, 'real'),
      ]);
      assert.deepEqual(hardware, ours);
    });
  }
}
