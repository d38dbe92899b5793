// Domains whose processors run on two physical CPUs at once: a guest that hammers shared memory with results that only
// atomic operations give, and the life of such a domain. Source: docs/decisions/0007-parallel-vcpus.md.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Domain, type DomainConfig, type DomainOutcome, Pcanel } from '../../src/domains/index.js';
import { nodePcpus } from '../../src/domains/node/index.js';
import { gcc, inlineHost, MIB, repository, threadHost } from '../support/guests.js';

const { skip } = await gcc();
const folder = mkdtempSync(join(tmpdir(), 'pcanel-parallel-'));
after(() => rmSync(folder, { recursive: true }));

/** The guest of tests/guest/parallel, compiled once. */
function image(): Uint8Array {
  const out = join(folder, 'guest.elf');
  const sources = ['boot.S', 'guest.c'].map((f) => `${repository}tests/guest/parallel/${f}`);
  const flags =
    '-m64 -O2 -ffreestanding -mno-red-zone -mgeneral-regs-only -mcx16 -fno-pic -no-pie -fno-stack-protector ' +
    '-mcmodel=kernel -nostdlib -static -Wl,-Ttext=0x100000,-z,noseparate-code,-z,max-page-size=4096,--build-id=none';
  const made = spawnSync('gcc', [...flags.split(' '), '-o', out, ...sources], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  return readFileSync(out);
}
/** Far more than it takes on a busy computer: a lost message would wait for ever. */
const TIMEOUT_MS = 300_000;
const data = skip === false ? image() : new Uint8Array();

const config = (cpus: number, letter = '', extra: Partial<DomainConfig> = {}): DomainConfig => ({
  name: 'guest',
  memoryBytes: 64 * MIB,
  cpus,
  pcpus: [0, 1],
  time: 'real',
  boot: { kind: 'multiboot', kernel: { name: 'guest', data }, cmdline: `${cpus}${letter}` },
  ...extra,
});

interface Run {
  readonly domain: Domain;
  readonly text: () => string;
  /** Resolves when the domain has sent `what`, or has ended. */
  until(what: RegExp): Promise<void>;
  readonly ended: Promise<DomainOutcome | null>;
}
async function begin(pcanel: Pcanel, c: DomainConfig): Promise<Run> {
  const domain = await pcanel.createDomain(c);
  let text = '';
  const waiting = new Set<() => void>();
  domain.onOutput((bytes) => {
    text += String.fromCharCode(...bytes);
    for (const look of waiting) look();
  });
  const ended = new Promise<DomainOutcome | null>((resolve) => {
    domain.onState((state, outcome) => {
      if (state === 'stopped') resolve(outcome);
      for (const look of waiting) look();
    });
  });
  await domain.start();
  return {
    domain,
    text: () => text,
    until: (what) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!what.test(text) && domain.state !== 'stopped') return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    ended,
  };
}
/** Runs `work` with a host of threads, and ends it. */
async function on(pcanel: Pcanel, work: (pcanel: Pcanel) => Promise<void>): Promise<void> {
  try {
    await work(pcanel);
  } finally {
    await pcanel.close();
  }
}

for (const cpus of [2, 4]) {
  test(
    `${cpus} processors on two physical CPUs lose nothing of what they do to one memory`,
    { skip, timeout: TIMEOUT_MS },
    () =>
      on(threadHost(), async (pcanel) => {
        const run = await begin(pcanel, config(cpus));
        const outcome = await run.ended;
        assert.match(run.text(), new RegExp(`processors ${cpus}\\n`));
        assert.doesNotMatch(run.text(), /WRONG/);
        assert.match(run.text(), /failures ok 0\n$/);
        assert.deepEqual(outcome, { kind: 'exit', status: 1 });
        const { machine } = await run.domain.stat();
        const { interrupts } = machine;
        assert.ok(interrupts >= 400, `${interrupts} interrupts: those of both physical CPUs`);
        assert.ok(machine.exits.some((e) => e.name === 'cpuid' && e.count >= 200 * (cpus - 1)));
      }),
  );
}

test('the interleaved processors of one physical CPU pass the same', { skip, timeout: TIMEOUT_MS }, () =>
  on(threadHost(), async (pcanel) => {
    const { pcpus: _, ...interleaved } = config(2, '', { time: 'virtual' });
    const run = await begin(pcanel, interleaved);
    assert.deepEqual(await run.ended, { kind: 'exit', status: 1 }, run.text());
  }),
);

test('a processor elsewhere may end the domain in every way', { skip, timeout: TIMEOUT_MS }, () =>
  on(threadHost(), async (pcanel) => {
    const end = async (letter: string, extra: Partial<DomainConfig> = {}): Promise<DomainOutcome | null> => {
      const run = await begin(pcanel, config(2, letter, extra));
      const outcome = await run.ended;
      assert.match(run.text(), /processor 1 ends it/);
      await pcanel.destroy(run.domain);
      return outcome;
    };
    assert.deepEqual(await end('e'), { kind: 'exit', status: 15 });
    assert.deepEqual(await end('p'), { kind: 'powerOff' });
    assert.equal((await end('t'))?.kind, 'tripleFault');
    assert.equal((await end('r', { onReset: 'stop' }))?.kind, 'reset');
  }),
);

for (const [letter, extra] of [
  ['r', { onReset: 'reset' }],
  ['t', { onTripleFault: 'reset' }],
] as const) {
  test(`a reset (${letter}) by a processor elsewhere starts all of them anew`, { skip, timeout: TIMEOUT_MS }, () =>
    on(threadHost(), async (pcanel) => {
      const run = await begin(pcanel, config(2, letter, extra));
      await run.until(/(start\nprocessors 2\nprocessor 1 ends it\n){3}/);
      await run.domain.stop();
      assert.deepEqual(await run.ended, { kind: 'stopped', by: 'user' });
      const { machine } = await run.domain.stat();
      assert.ok(machine.resets >= 2, `${machine.resets} resets`);
    }),
  );
}

test(
  'pause stops all processors, resume lets all go on, reset starts anew, stop ends',
  { skip, timeout: TIMEOUT_MS },
  () =>
    on(threadHost(), async (pcanel) => {
      const run = await begin(pcanel, config(2, 'b'));
      const { domain } = run;
      await run.until(/processors 2\n/);
      const instructions = async (): Promise<number> => (await domain.stat()).machine.instructions;
      const grows = async (): Promise<void> => {
        const before = await instructions();
        while ((await instructions()) < before + 10_000_000);
      };
      await grows();
      await domain.pause();
      const paused = await domain.stat();
      await new Promise((resolve) => setTimeout(resolve, 50));
      const later = await domain.stat();
      assert.equal(later.machine.instructions, paused.machine.instructions);
      assert.equal(later.machine.clockNs, paused.machine.clockNs);
      await domain.resume();
      await grows();
      await domain.reset();
      await run.until(/(start\nprocessors 2\n){2}/);
      await grows();
      await domain.stop();
      assert.deepEqual(await run.ended, { kind: 'stopped', by: 'user' });
      const stopped = await instructions();
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(await instructions(), stopped);
    }),
);

const failing = (worker: string): Pcanel =>
  new Pcanel({ spawn: nodePcpus({ worker: new URL(`../support/${worker}.js`, import.meta.url) }) });

test('a vCPU elsewhere that throws ends its domain with an error', { skip, timeout: TIMEOUT_MS }, () =>
  on(failing('throwing-worker'), async (pcanel) => {
    const run = await begin(pcanel, config(2));
    const outcome = await run.ended;
    assert.deepEqual(outcome, { kind: 'error', code: 'MACHINE_BUG', message: 'this vCPU has had enough' });
  }),
);

test(
  'a physical CPU that goes away ends the domains that have processors there, no others',
  { skip, timeout: TIMEOUT_MS },
  () =>
    on(failing('exiting-worker'), async (pcanel) => {
      const { pcpus: _, ...alone } = config(1, 'b', { name: 'other' });
      const other = await begin(pcanel, alone);
      const run = await begin(pcanel, config(2));
      const outcome = await run.ended;
      assert.equal(outcome?.kind, 'error');
      assert.equal(outcome?.kind === 'error' && outcome.code, 'PCPU_CRASHED');
      assert.equal(other.domain.state, 'running');
      assert.equal((await other.domain.stat()).state, 'running');
    }),
);

test('what does not go together with several physical CPUs is refused by name', async () => {
  const refused = async (pcanel: Pcanel, extra: Partial<DomainConfig>, why: RegExp): Promise<void> => {
    await assert.rejects(pcanel.createDomain(config(2, '', extra)), (error: Error) => {
      assert.equal(error.name, 'ConfigError');
      assert.match(error.message, why);
      return true;
    });
  };
  await on(threadHost(), async (pcanel) => {
    await refused(pcanel, { time: 'virtual' }, /pcpus \[0, 1\] and time 'virtual', expected time 'real'/);
    await refused(pcanel, { cpus: 1 }, /pcpus \[0, 1\] for 1 processors, expected at most 1/);
    await refused(pcanel, { pcpus: [2, 2] }, /pcpus \[2, 2\], expected different ones/);
    await refused(pcanel, { cpu: 1 }, /pcpus \[0, 1\] and cpu 1, expected one of them/);
    await refused(pcanel, { realtime: { priority: 1, periodUs: 1000 } }, /pcpus \[0, 1\] and 'realtime'/);
    await refused(pcanel, { policy: { rules: [] } }, /pcpus \[0, 1\] and a 'policy'/);
  });
  await on(inlineHost(), (pcanel) => refused(pcanel, {}, /several 'pcpus', expected one/));
});
