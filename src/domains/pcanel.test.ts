// The manager over inline physical CPUs and a scripted engine: lifecycle, consoles, scripts, isolation.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { fakeEngine, tinyMultiboot } from '../machine/testing.js';
import type { VmExit } from '../vmx/index.js';
import { FakeVcpu } from '../vmx/testing.js';
import { type Domain, type DomainConfig, inlinePcpus, Pcanel } from './index.js';

const MIB = 1 << 20;
const out = (byte: number): VmExit => ({
  name: 'ioInstruction',
  port: 0x3f8,
  sizeBytes: 1,
  isIn: false,
  isString: false,
  isRep: false,
  value: byte,
});
const inFrom = (port: number): VmExit => ({
  name: 'ioInstruction',
  port,
  sizeBytes: 1,
  isIn: true,
  isString: false,
  isRep: false,
  value: 0,
});

/** What a fake guest does next, given the data of its last read. */
type Guest = Generator<VmExit, void, number>;

/** A vCPU whose program is a generator of exits; 1000 ticks between two of them. */
class GuestVcpu extends FakeVcpu {
  #last = 0;
  readonly #guest: Guest;
  #begun = false;
  constructor(guest: Guest) {
    super();
    this.#guest = guest;
  }
  override completeRead(value: bigint): void {
    this.#last = Number(value);
  }
  override enter(budget: number): VmExit {
    const ticks = Math.min(1000, budget);
    this.tsc += BigInt(ticks);
    this.counters.instructions += ticks;
    if (ticks < 1000) return { name: 'preemptionTimer', qualification: 0n };
    const next = this.#begun ? this.#guest.next(this.#last) : this.#guest.next();
    this.#begun = true;
    return next.done ? { name: 'preemptionTimer', qualification: 0n } : next.value;
  }
}

function* say(text: string): Guest {
  for (const c of text) yield out(c.charCodeAt(0));
}
/** Prompts, echoes lines in capitals. */
function* shell(): Guest {
  yield* say('$ ');
  for (;;) {
    const status: number = yield inFrom(0x3fd);
    if ((status & 1) === 0) continue;
    const c: number = yield inFrom(0x3f8);
    if (c === 10) yield* say('\n$ ');
    else yield* say(String.fromCharCode(c).toUpperCase());
  }
}
function* babble(): Guest {
  for (;;) yield* say('0123456789abcdef');
}
function* faulty(): Guest {
  yield* say('x');
  yield { name: 'tripleFault', qualification: 0n };
}
function* thrower(): Guest {
  yield* say('y');
  throw new Error('engine trap');
}
const guests: Record<string, () => Guest> = { shell, babble, faulty, thrower };

function host(t: TestContext): {
  pcanel: Pcanel;
  run: (config: Partial<DomainConfig> & { name: string }) => Promise<Domain>;
} {
  const engine = fakeEngine((o) => new GuestVcpu((guests[kinds.get(o.memoryBytes) ?? 'shell'] ?? shell)()));
  const kinds = new Map<number, string>();
  const pcanel = new Pcanel({
    spawn: inlinePcpus({
      engines: { software: async () => engine },
      nowNs: () => performance.now() * 1e6,
      wallClockMs: () => 0,
      delay: async (ms) => void (await (ms > 0 ? setTimeout(ms) : setImmediate())),
    }),
  });
  t.after(() => pcanel.close()); // a failed test must not leave its loop running
  let size = 4;
  return {
    pcanel,
    run: (config) => {
      const memoryBytes = size++ * MIB; // tells the fake engine which guest this is
      kinds.set(memoryBytes, config.name.split('-')[0] ?? '');
      return pcanel.createDomain({
        memoryBytes,
        time: 'virtual',
        boot: { kind: 'multiboot', kernel: tinyMultiboot() },
        ...config,
      });
    },
  };
}
const stopped = (d: Domain): Promise<void> =>
  new Promise((resolve) => {
    if (d.state === 'stopped') resolve();
    d.onState((state) => state === 'stopped' && resolve());
  });
const collect = (d: Domain): { text: string } => {
  const seen = { text: '' };
  d.onOutput((bytes) => {
    seen.text += String.fromCharCode(...bytes);
  });
  return seen;
};

test('a script types into a guest and stops the domain', async (t) => {
  const { pcanel, run } = host(t);
  const d = await run({
    name: 'shell',
    script: [
      { expect: '\\$ $', send: 'abc\n' },
      { expect: 'ABC\\n\\$ ', stop: true },
    ],
  });
  const seen = collect(d);
  await pcanel.start();
  await stopped(d);
  assert.deepEqual(d.outcome, { kind: 'stopped', by: 'script' });
  assert.equal(d.scriptDone, true);
  assert.match(seen.text, /^\$ ABC\n\$ /);
  await pcanel.close();
});

test('a scripted run gives the same exits and bytes twice', async (t) => {
  const once = async (): Promise<unknown[]> => {
    const { pcanel, run } = host(t);
    const d = await run({
      name: 'shell',
      script: [
        { expect: '\\$ ', delayS: 0.01, send: 'q\n' },
        { expect: 'Q\\n\\$ ', stop: true },
      ],
    });
    await run({ name: 'babble' });
    const seen = collect(d);
    await pcanel.start();
    await stopped(d);
    const { machine } = await d.stat();
    await pcanel.close();
    return [seen.text, machine.instructions, machine.clockNs, machine.exits.map((e) => [e.name, e.count])];
  };
  assert.deepEqual(await once(), await once());
});

test('a script that waits in vain fails the domain', async (t) => {
  const { pcanel, run } = host(t);
  const d = await run({ name: 'shell', script: [{ expect: 'never', timeoutS: 0.01 }] });
  await pcanel.start();
  await stopped(d);
  assert.ok(d.outcome?.kind === 'scriptFailed');
  assert.match(d.outcome.message, /'never'/);
  await pcanel.close();
});

test('a triple fault and an engine that throws stop only their own domains', async (t) => {
  const { pcanel, run } = host(t);
  const bad = await run({ name: 'faulty' });
  const worse = await run({ name: 'thrower' });
  const good = await run({
    name: 'shell',
    script: [
      { expect: '\\$ ', delayS: 0.02, send: 'z' },
      { expect: 'Z', stop: true },
    ],
  });
  await pcanel.start();
  await Promise.all([stopped(bad), stopped(worse), stopped(good)]);
  assert.equal(bad.outcome?.kind, 'tripleFault');
  assert.equal(worse.outcome?.kind, 'error');
  assert.deepEqual(good.outcome, { kind: 'stopped', by: 'script' });
  await pcanel.close();
});

test('input from the manager reaches the guest; pause, resume, reset and stop work', async (t) => {
  const { pcanel, run } = host(t);
  const d = await run({ name: 'shell' });
  const seen = collect(d);
  const says = async (text: RegExp): Promise<void> => {
    for (let i = 0; i < 2000 && !text.test(seen.text); i++) await setImmediate();
    assert.match(seen.text, text);
  };
  await pcanel.start();
  d.write([0x68, 0x69, 10]);
  await says(/HI\n\$ /);
  await d.pause();
  assert.equal(d.state, 'paused');
  const { machine } = await d.stat();
  await setTimeout(5);
  assert.equal((await d.stat()).machine.instructions, machine.instructions);
  await d.resume();
  assert.equal(d.state, 'running');
  await d.stop();
  assert.deepEqual(d.outcome, { kind: 'stopped', by: 'user' });
  await d.reset();
  assert.deepEqual([d.state, d.outcome], ['running', null]);
  await pcanel.close();
});

test('a guest that floods its console loses no byte and is held back', async (t) => {
  const { pcanel, run } = host(t);
  const d = await run({ name: 'babble', limitS: 1 });
  const seen = collect(d);
  await pcanel.start();
  await stopped(d);
  assert.equal(d.outcome?.kind, 'error');
  const { consoleBytesOut } = (await d.stat()).machine;
  assert.ok(consoleBytesOut > 300_000);
  assert.equal(seen.text.length, consoleBytesOut);
  assert.ok(seen.text.startsWith('0123456789abcdef0123'));
  await pcanel.close();
});

test('a name twice, a bad name, mixed time and an overbooked cpu are refused', async (t) => {
  const { pcanel, run } = host(t);
  await run({ name: 'a', realtime: { priority: 1, periodUs: 1000, budgetUs: 900 } });
  await assert.rejects(run({ name: 'a' }), { code: 'DOMAIN_EXISTS' });
  await assert.rejects(run({ name: 'no spaces' }), { code: 'DOMAIN_NAME' });
  await assert.rejects(run({ name: 'b', time: 'real' }), { code: 'DOMAIN_TIME' });
  await assert.rejects(run({ name: 'c', realtime: { priority: 2, periodUs: 1000, budgetUs: 200 } }), {
    code: 'ADMISSION',
  });
  await assert.rejects(run({ name: 'd', script: [{ expect: '(' }] }), { code: 'SCRIPT_EXPECT' });
  await assert.rejects(run({ name: 'e', engine: 'kvm' }), { code: 'ENGINE_MISSING' });
  assert.equal(pcanel.domains.length, 1);
  await pcanel.close();
});
