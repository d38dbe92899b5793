// All physical CPUs in one worker without shared memory: the page's and the worker's side, joined by a fake Worker.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeEngine, tinyMultiboot } from '../../machine/testing.js';
import type { VmExit } from '../../vmx/index.js';
import { FakeVcpu } from '../../vmx/testing.js';
import { type Domain, type DomainConfig, Pcanel } from '../index.js';
import { runPcpuWorker, singleWorkerPcpus, type WorkerScope } from './index.js';

const COM1 = 0x3f8;
const port = (at: number, isIn: boolean, value: number): VmExit => ({
  name: 'ioInstruction',
  port: at,
  sizeBytes: 1,
  isIn,
  isString: false,
  isRep: false,
  value,
});

/** Sends `total` bytes 0, 1, 2, ... and then echoes what it is sent. */
class Talker extends FakeVcpu {
  #sent = 0;
  #answer = 0;
  #at = 0;
  constructor(readonly total: number) {
    super();
  }
  override completeRead(value: bigint): void {
    this.#answer = Number(value);
  }
  override enter(budget: number): VmExit {
    const ticks = Math.min(1000, budget);
    this.tsc += BigInt(ticks);
    this.counters.instructions += ticks;
    if (ticks < 1000) return { name: 'preemptionTimer', qualification: 0n };
    if (this.#sent < this.total) return port(COM1, false, this.#sent++ & 0xff);
    // line status, then the byte, then its echo
    if (this.#at === 2) {
      this.#at = 0;
      return port(COM1, false, this.#answer);
    }
    if (this.#at === 1 && (this.#answer & 1) !== 0) {
      this.#at = 2;
      return port(COM1, true, 0);
    }
    this.#at = 1;
    return port(COM1 + 5, true, 0);
  }
}

/** Node hands out up to a thousand messages of a port before it looks at timers; a browser takes turns, as this does. */
class FairChannel {
  readonly port1: { onmessage: (() => void) | null } = { onmessage: null };
  readonly port2 = { postMessage: (): void => void setImmediate(() => this.port1.onmessage?.()) };
}
globalThis.MessageChannel = FairChannel as unknown as typeof MessageChannel;

/** A Worker whose program runs here; messages are copied, as between threads. */
function fakeWorker(total: number): Worker {
  const later = (deliver: () => void): void => void setTimeout(deliver, 0);
  const scope: WorkerScope = {
    onmessage: null,
    postMessage: (message) => {
      const data: unknown = structuredClone(message);
      later(() => worker.onmessage?.({ data }));
    },
    close: () => undefined,
  };
  const worker = {
    onmessage: null as ((event: { data: unknown }) => void) | null,
    onerror: null,
    postMessage: (message: unknown) => {
      const data = structuredClone(message) as never;
      later(() => scope.onmessage?.({ data } as MessageEvent<never>));
    },
    // a thread that is ended does nothing more: here it has to be told
    terminate: () => scope.onmessage?.({ data: { kind: 'close' } } as MessageEvent<never>),
  };
  runPcpuWorker(scope, (setup, shared) => {
    assert.deepEqual([setup, shared], ['setup', false]);
    return { software: async () => fakeEngine(() => new Talker(total)) };
  });
  return worker as unknown as Worker;
}

async function talker(total: number): Promise<{ pcanel: Pcanel; domain: Domain; got: number[] }> {
  const pcanel = new Pcanel({ spawn: singleWorkerPcpus({ worker: () => fakeWorker(total), setup: 'setup' }) });
  const config: DomainConfig = {
    name: 'talker',
    memoryBytes: 1 << 21,
    time: 'virtual',
    boot: { kind: 'multiboot', kernel: tinyMultiboot() },
  };
  const domain = await pcanel.createDomain(config);
  const got: number[] = [];
  domain.onOutput((bytes) => void got.push(...bytes));
  return { pcanel, domain, got };
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((done) => setTimeout(done, 2));
}

test('output arrives whole and in order, and input reaches the guest', async () => {
  const total = 100_000;
  const { pcanel, domain, got } = await talker(total);
  await pcanel.start();
  await until(() => got.length >= total);
  assert.deepEqual(
    got.findIndex((b, i) => b !== (i & 0xff)),
    -1,
  );
  assert.equal(domain.write(Uint8Array.from({ length: 3000 }, () => 0x55)), true);
  await until(() => got.length >= total + 3000);
  assert.ok(got.slice(total).every((b) => b === 0x55));
  await pcanel.close();
});

test('a reader that holds back stops the guest; the guest goes on when it reads again', async () => {
  const total = 200_000;
  const { pcanel, domain, got } = await talker(total);
  domain.holdOutput(true);
  await pcanel.start();
  let instructions = -1;
  for (;;) {
    const now = (await domain.stat()).machine.instructions;
    if (now === instructions && now > 0) break;
    instructions = now;
    await new Promise((done) => setTimeout(done, 50));
  }
  assert.equal(got.length, 0);
  assert.ok((await domain.stat()).machine.consoleBytesOut < total);
  domain.holdOutput(false);
  await until(() => got.length >= total);
  await pcanel.close();
});

test('a worker that fails takes its domains along and says why', async () => {
  const worker = fakeWorker(1);
  const pcanel = new Pcanel({ spawn: singleWorkerPcpus({ worker: () => worker, setup: 'setup' }) });
  const config = { name: 'talker', memoryBytes: 1 << 21, time: 'virtual' } as const;
  const domain = await pcanel.createDomain({ ...config, boot: { kind: 'multiboot', kernel: tinyMultiboot() } });
  worker.onerror?.({ message: 'out of memory', preventDefault: () => undefined } as ErrorEvent);
  assert.equal(domain.state, 'stopped');
  assert.deepEqual(domain.outcome, { kind: 'error', code: 'PCPU_CRASHED', message: 'cpu 0 failed: out of memory' });
  await assert.rejects(domain.start(), /cpu 0 failed: out of memory/);
  await pcanel.close();
});
