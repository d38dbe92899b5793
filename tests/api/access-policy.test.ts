// Access policies: tables, functions on the caller's thread, modules on the guest's.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type GuestAccess, Pcanel, type PolicyConfig } from '../../src/apps/index.js';
import { repository } from '../support/guests.js';
import { noRtos, RTOS, withRtos } from './rtos.js';

const skip = noRtos;
/** By writing here the kernel powers off; where nothing happens it says so. */
const EXIT_PORT = 0xf4;
const module = pathToFileURL(`${repository}tests/api/policy-module.mjs`).href;

test('a table denies a port: the guest cannot power off', { skip }, async () => {
  const access: PolicyConfig = { rules: [{ kind: 'port', range: [EXIT_PORT, 1], verdict: 'deny' }] };
  await withRtos(
    async (vm) => {
      vm.console.write('poweroff\r');
      await vm.console.expect('System halted.');
      assert.equal((await vm.wait({ timeoutMs: 10_000 })).kind, 'halted');
      const [denied] = await vm.accesses();
      assert.deepEqual(
        [denied?.kind, denied?.address, denied?.isWrite, denied?.value, denied?.verdict],
        ['port', EXIT_PORT, true, '0x0', 'deny'],
      );
    },
    { access },
  );
});

test("a domain file's policy fakes CPUID: the guest finds no SSE", { skip }, async () => {
  const fpu = async (options: object): Promise<string> => {
    let found = '';
    await withRtos(
      async (vm) => {
        found = /fpu: .*/.exec(vm.console.text)?.[0] ?? '';
      },
      { cmdline: '', ...options },
    );
    return found;
  };
  assert.match(await fpu({}), /SSE/);
  // Leaf 1, EDX: x87, TSC, MSR, no FXSR, no SSE.
  assert.doesNotMatch(await fpu({ policy: [{ kind: 'cpuid', from: 1, do: 'fake', edx: 0x31 }] }), /SSE/);
});

test('functions decide and observe on an inline host', { skip }, async () => {
  const told: string[] = [];
  const decided: bigint[] = [];
  const access: PolicyConfig = {
    rules: [
      {
        kind: 'port',
        range: [EXIT_PORT, 1],
        verdict: (a: Readonly<GuestAccess>) => {
          decided.push(a.value);
          return 'deny';
        },
      },
    ],
    observe: (a, verdict) => told.push(`${a.kind} ${a.address} ${String(verdict)}`),
  };
  await withRtos(
    async (vm) => {
      vm.console.write('poweroff\r');
      await vm.console.expect('System halted.');
    },
    { access },
    { inline: true },
  );
  assert.deepEqual([decided, told], [[0n], [`port ${EXIT_PORT} deny`]]);
});

test('a module decides on the thread of the guest', { skip }, async () => {
  const access: PolicyConfig = { module: { url: module, argument: { port: EXIT_PORT } } };
  await withRtos(
    async (vm) => {
      vm.console.write('poweroff\r');
      await vm.console.expect('System halted.');
      await vm.wait({ timeoutMs: 10_000 });
      await vm.reset();
      await vm.console.expect('rtos> ');
      vm.console.write('poweroff\r');
      assert.deepEqual(await vm.wait({ timeoutMs: 10_000 }), { kind: 'exit', status: 1 });
      assert.deepEqual(
        (await vm.accesses()).map((a) => a.verdict),
        ['deny', 'allow'],
      );
    },
    { access },
  );
});

test('policies that cannot be had are refused', { skip }, async () => {
  await using host = new Pcanel();
  const define = (access: PolicyConfig): Promise<unknown> =>
    host.define({ name: 'p', multiboot: RTOS, memory: '16M', access });
  await assert.rejects(define({ module: { url: 'file:///no/such/module.mjs' } }), { code: 'POLICY_MODULE' });
  await assert.rejects(define({ module: { url: module, exportName: 'notAFunction' } }), { code: 'POLICY_MODULE' });
  await assert.rejects(define({ module: { url: module } }), { code: 'POLICY_MODULE', message: /failed: / });
  await assert.rejects(define({ rules: [{ kind: 'port', range: [0, 0], verdict: 'deny' }] }), { code: 'POLICY_RULE' });
  await assert.rejects(define({ rules: [{ kind: 'port', range: [0, 1], verdict: () => 'deny' }] }), {
    code: 'POLICY_FUNCTION',
  });
  await host.define({ name: 'p', multiboot: RTOS, memory: '16M' }); // nothing of the failures is left
});
