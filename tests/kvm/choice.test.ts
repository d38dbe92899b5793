// Which engine a domain gets: named, or `auto`, by what the probe of engine kvm says. The engines here are stand-ins.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type DomainConfig, inlinePcpus, Pcanel } from '../../src/domains/index.js';
import type { Engine, EngineCheck } from '../../src/vmx/index.js';
import { softwareEngine } from '../support/engine.js';

const software = await softwareEngine();
/** Calls itself kvm, works as the software engine does. */
const standIn = (checks: readonly EngineCheck[]): Engine => ({
  name: 'kvm',
  probe: async () => ({ usable: checks.every((c) => c.ok), checks }),
  createVm: (options) => software.createVm(options),
});
const GOOD: EngineCheck = { name: 'device', ok: true, detail: '' };
const NO_DEVICE: EngineCheck = { name: 'device', ok: false, detail: 'is away' };
const SLOW: EngineCheck = { name: 'speed at CPL 0', ok: false, detail: 'slow', selfTest: true };

async function engineOf(checks: readonly EngineCheck[], more: Partial<DomainConfig>): Promise<string> {
  const spawn = inlinePcpus({
    engines: { software: async () => software, kvm: async () => standIn(checks) },
    nowNs: () => performance.now() * 1e6,
    wallClockMs: () => 0,
    delay: async () => void (await setImmediate()),
  });
  const pcanel = new Pcanel({ spawn });
  try {
    const kernel = { name: 'hlt', data: Uint8Array.of(0xf4) };
    const boot = { kind: 'flat', kernel, gpa: 0x10_0000, mode: 'protected32' } as const;
    return (await pcanel.createDomain({ name: 'd', memoryBytes: 4 << 20, boot, time: 'real', ...more })).engine;
  } finally {
    await pcanel.close();
  }
}

test('auto takes kvm for real time where every check passes', async () => {
  assert.equal(await engineOf([GOOD], { engine: 'auto' }), 'kvm');
  assert.equal(await engineOf([GOOD], {}), 'kvm');
});

test('auto takes software where the device or one trial fails, and for virtual time', async () => {
  assert.equal(await engineOf([NO_DEVICE], { engine: 'auto' }), 'software');
  assert.equal(await engineOf([GOOD, SLOW], { engine: 'auto' }), 'software');
  assert.equal(await engineOf([GOOD, SLOW], { engine: 'auto', selfTest: false }), 'software');
  assert.equal(await engineOf([GOOD], { engine: 'auto', time: 'virtual' }), 'software');
});

test('kvm by name is refused with the failed check; selfTest: false passes over trials only', async () => {
  await assert.rejects(engineOf([GOOD, SLOW], { engine: 'kvm' }), {
    code: 'ENGINE_UNUSABLE',
    message: /^engine 'kvm' cannot be used: speed at CPL 0: slow; 'selfTest: false'/,
  });
  assert.equal(await engineOf([GOOD, SLOW], { engine: 'kvm', selfTest: false }), 'kvm');
  await assert.rejects(engineOf([NO_DEVICE, SLOW], { engine: 'kvm', selfTest: false }), {
    message: "engine 'kvm' cannot be used: device: is away",
  });
});
