// The time-stamp counter in real time: what the monitor writes and reads is what the guest reads, to the tick.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flatProtectedState } from '../../src/vmx/index.js';
import { plainControls } from '../../src/vmx/testing.js';
import { softwareEngine } from '../support/engine.js';

const CODE = 0x1000;

test('a counter that was written does not step back while the host clock stands still', async () => {
  for (const tscHz of [1e9, 2.4e9, 3_333_333_333]) {
    for (const now of [0.75, 1.79541746865525e18, 7.3e12]) {
      const engine = await softwareEngine();
      const nowNs = (): number => now;
      const vm = await engine.createVm({ memoryBytes: 1 << 20, vcpus: 1, time: 'real', tscHz, nowNs });
      vm.memory.loadBytes(CODE, Uint8Array.of(0x0f, 0x31, 0xf4)); // rdtsc; hlt
      const [vcpu] = vm.vcpus;
      assert.ok(vcpu !== undefined);
      Object.assign(vcpu.controls, plainControls());
      vcpu.writeState(flatProtectedState(CODE, 0x2000));
      vcpu.writeTsc(0x5_0000_0000n);
      assert.equal(vcpu.readTsc(), 0x5_0000_0000n);
      assert.equal(vcpu.enter(100_000).name, 'hlt');
      const { gpr } = vcpu.readState();
      assert.deepEqual([gpr[0], gpr[2]], [0n, 5n], `${tscHz} Hz at ${now} ns`);
      vm.close();
    }
  }
});
