// The engine conformance suite on the software engine: virtual and real time, shared and unshared memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conformance, DIRTY_LOG } from '../../src/vmx/testing.js';
import { softwareEngine } from '../support/engine.js';

const engine = await softwareEngine();
const unsupported = { [DIRTY_LOG]: 'the software engine logs the writes of devices and loaders only' };
conformance(engine, test, { time: 'virtual', unsupported });
conformance(engine, test, { time: 'real', unsupported });

test('without SharedArrayBuffer a domain has unshared memory and behaves the same', async (t) => {
  const unshared = await softwareEngine({ shared: false });
  const vm = await unshared.createVm({
    memoryBytes: 1 << 20,
    vcpus: 1,
    time: 'virtual',
    tscHz: 1e9,
    nowNs: () => performance.now() * 1e6,
  });
  const buffer: unknown = vm.vcpus[0]?.kickWord?.buffer;
  assert.ok(buffer instanceof ArrayBuffer);
  const given: Promise<void>[] = [];
  conformance(unshared, (name, body) => void given.push(t.test(name, body)), { time: 'virtual', unsupported });
  await Promise.all(given);
});
