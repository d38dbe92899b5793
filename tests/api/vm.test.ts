// The library: machines, consoles, memory, VM exits, screens, with the real-time kernel as guest.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError, type ExitRecord, GuestError, Pcanel, type VmEvent } from '../../src/apps/index.js';
import { noRtos, RTOS, withRtos } from './rtos.js';

const skip = noRtos;

test('a console is written to, waited on and iterated over', { skip }, async () => {
  await withRtos(async (vm) => {
    const lines: string[] = [];
    const reading = (async () => {
      for await (const line of vm.console.lines()) lines.push(line);
    })();
    vm.console.write('tick\r');
    const [, ticks] = await vm.console.expect(/tick: (\d+)\n/);
    assert.ok(Number(ticks) > 0);
    await vm.type('version\n');
    await vm.console.expect(/Pcanel RTOS \d/);
    await vm.stop();
    await reading;
    assert.ok(lines.some((l) => l === `tick: ${ticks}`));
    assert.ok(vm.console.text.includes(`tick: ${ticks}\n`));
    assert.ok(!vm.console.text.includes('\r\n'));
  });
});

test('two that wait are served in order, and neither sees the match of the other', { skip }, async () => {
  await withRtos(async (vm) => {
    vm.console.write('tick\rtick\r');
    const [first, second] = await Promise.all([vm.console.expect(/tick: (\d+)\n/), vm.console.expect(/tick: (\d+)\n/)]);
    assert.ok(first.index >= 0 && Number(second[1]) >= Number(first[1]));
    assert.equal((vm.console.text.match(/tick: \d+\n/g) ?? []).length, 2);
  });
});

test('waiting in vain, for a guest that ends, or until told to stop, is an error that says so', { skip }, async () => {
  await withRtos(async (vm) => {
    const late = await vm.console.expect(/never/, { timeoutMs: 20 }).catch((e: unknown) => e);
    assert.ok(late instanceof GuestError);
    assert.deepEqual([late.code, late.details.domain], ['EXPECT_TIMEOUT', 'rt']);
    assert.match(late.message, /\/never\/ within 20 ms; last output: 'rtos>'/);
    await assert.rejects(vm.console.expect('x', { signal: AbortSignal.abort() }), { code: 'EXPECT_ABORTED' });
    const waiting = vm.console.expect('never');
    vm.console.write('poweroff\r');
    await assert.rejects(waiting, { code: 'EXPECT_ENDED' });
    assert.deepEqual(await vm.wait({ timeoutMs: 10_000 }), { kind: 'exit', status: 1 });
    await assert.rejects(vm.console.expect('never'), { code: 'EXPECT_ENDED' });
  });
});

test('pause, resume, reset, stop and events', { skip }, async () => {
  await withRtos(async (vm) => {
    const events: VmEvent[] = [];
    vm.onEvent((e) => events.push(e));
    await vm.pause();
    const { machine } = await vm.stat();
    assert.equal((await vm.stat()).machine.instructions, machine.instructions);
    await vm.resume();
    await vm.reset();
    await vm.console.expect('rtos> ');
    assert.equal((await vm.stat()).machine.resets, 1);
    await assert.rejects(vm.wait({ timeoutMs: 10 }), { code: 'VM_WAIT' });
    await vm.stop();
    assert.deepEqual(vm.outcome, { kind: 'stopped', by: 'user' });
    const states = events.flatMap((e) => (e.type === 'state' ? [e.state] : []));
    assert.deepEqual(states, ['paused', 'running', 'running', 'stopped']);
  });
});

test('memory is read and written; what is not memory is refused', { skip }, async () => {
  await withRtos(async (vm) => {
    const magic = await vm.memory.read(0x100000, 8192);
    // The multiboot header of the image: magic 0x1BADB002, little endian.
    assert.ok(Buffer.from(magic).includes(Buffer.from([0x02, 0xb0, 0xad, 0x1b])));
    await vm.memory.write(0xf00000, Uint8Array.of(1, 2, 3));
    assert.deepEqual([...(await vm.memory.read(0xf00001, 2))], [2, 3]);
    for (const gpa of [0x1000000, -1, 0.5, Number.NaN]) {
      await assert.rejects(vm.memory.read(gpa, 1), { code: 'MEMORY_RANGE' });
    }
    await assert.rejects(vm.memory.read(0x100000, 0x2000000), { code: 'MEMORY_RANGE' });
  });
});

test('an observer of VM exits gets those of its filter, with data and changes', { skip }, async () => {
  await withRtos(async (vm) => {
    const exits: ExitRecord[] = [];
    await vm.onExit((e) => exits.push(e), { address: [0xf4, 1] });
    const halts: ExitRecord[] = [];
    const stop = await vm.onExit((e) => halts.push(e), { names: ['hlt'] });
    vm.console.write('tick\r');
    await vm.console.expect(/tick: \d+\n/);
    await stop();
    const { length } = halts;
    assert.ok(length > 0);
    assert.deepEqual(
      halts[0]?.changes.map((c) => c.field),
      ['GUEST_RIP'],
    );
    vm.console.write('poweroff\r');
    await vm.wait({ timeoutMs: 10_000 });
    for (let i = 0; i < 100 && exits.length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(
      exits.map((e) => [e.name, e.reason, e.detail, e.qualification]),
      [['ioInstruction', 30, 'out 0xf4, 1 byte = 0x0', '0xf40000']],
    );
    assert.equal(halts.length, length);
  });
});

test('exits can be iterated over', { skip }, async () => {
  await withRtos(async (vm) => {
    const seen: string[] = [];
    for await (const exit of vm.exits({ names: ['ioInstruction'], maxPerSecond: 1000 })) {
      seen.push(exit.detail);
      if (seen.length === 5) break;
    }
    assert.equal(seen.length, 5);
    assert.ok(seen.every((d) => /^(in|out) 0x[0-9a-f]+, 1 byte/.test(d)));
  });
});

test('a screen is a PNG file and dots; keys and mouse go to the 8042', { skip }, async () => {
  await withRtos(
    async (vm) => {
      const png = await vm.screenshot();
      assert.deepEqual([...png.subarray(0, 4)], [0x89, 0x50, 0x4e, 0x47]);
      const { width, height, rgba } = await vm.screen();
      assert.equal(rgba?.length, width * height * 4);
      await vm.type('Hello\n', { via: 'keyboard' });
      await vm.press('ControlLeft', 'KeyC');
      await vm.mouse(3, -3, 1);
      await assert.rejects(vm.press('NoSuchKey'), { code: 'KEY' });
    },
    { display: 'vga' },
  );
  await withRtos(async (vm) => {
    await assert.rejects(vm.screenshot(), { code: 'NO_DISPLAY' });
  });
});

test('a host starts machines together, gives statistics and a timeline, and ends them', { skip }, async () => {
  const host = new Pcanel();
  const two = [];
  for (const name of ['a', 'b']) {
    two.push(await host.define({ name, multiboot: RTOS, cmdline: 'quiet', memory: '16M' }));
  }
  const timeline = await host.define({ name: 'c', multiboot: RTOS, memory: '16M' }).then(() => host.traceCpu(0));
  await host.start(two);
  await Promise.all(two.map((vm) => vm.console.expect('rtos> ')));
  const { slices } = await timeline.read();
  assert.deepEqual([...new Set(slices.map((s) => s.domain))].sort(), ['a', 'b']);
  await timeline.close();
  await assert.rejects(host.traceCpu(7), { code: 'CPU_UNKNOWN' });
  const [cpu] = await host.stat();
  assert.deepEqual(
    cpu?.domains.map((d) => d.state),
    ['running', 'running', 'created'],
  );
  await two[0]?.remove();
  assert.equal(host.vm('a'), undefined);
  assert.equal(host.vms.length, 2);
  await host.close();
  await assert.rejects(host.define({ name: 'd', multiboot: RTOS }), { code: 'HOST_CLOSED' });
});

test('definitions that make no sense are ConfigErrors that name the value', { skip }, async () => {
  await using host = new Pcanel();
  const bad = async (options: object, code: string, text: RegExp): Promise<void> => {
    const error = await host.define(options as never).catch((e: unknown) => e);
    assert.ok(error instanceof ConfigError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, text);
  };
  await bad({ name: 'x' }, 'CONFIG_BOOT', /none of 'image'/);
  await bad({ name: 'x', multiboot: RTOS, memory: '16Q' }, 'SIZE', /16Q/);
  await bad({ name: 'x', multiboot: RTOS, momory: '16M' }, 'CONFIG_KEY', /'momory', did you mean 'memory'/);
  await bad({ name: 'x', multiboot: RTOS, cpus: 99 }, 'CONFIG_VALUE', /cpus .*99/);
  await bad({ name: 'x', multiboot: '/no/such/file' }, 'FILE_MISSING', /no\/such\/file/);
  await bad({ name: 'x', image: 'no-such-image' }, 'IMAGE_UNKNOWN', /no-such-image/);
  await bad({ name: 'x', multiboot: new Uint8Array(8), memory: '16M' }, 'KERNEL_FORMAT', /./);
  await host.define({ name: 'x', multiboot: RTOS, memory: '16M' });
  await bad({ name: 'x', multiboot: RTOS, memory: '16M' }, 'DOMAIN_EXISTS', /'x'/);
});
