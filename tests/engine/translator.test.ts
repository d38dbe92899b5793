// Regions made on another thread: the same results as without, whatever becomes of that thread and of the code meanwhile.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { spawnTranslator } from '../../src/apps/testing.js';
import {
  type FromTranslator,
  type ToTranslator,
  TranslationService,
  type TranslatorLink,
} from '../../src/processor/index.js';
import {
  at,
  BLOCK_HASH_ENTRIES,
  type CodeStore,
  optionsOf,
  type SoftwareVcpu,
  StateView,
  Translator,
} from '../../src/processor/testing.js';
import { CODE, finish, type HotGuest, type HotProgram, hotGuest } from '../support/hot-guest.js';

/** lea rax,[rax+3]; xor rbx,rax; rol rbx,5; jc +3; inc rdx; dec rcx; jnz start; hlt */
const LOOP = '488d4003 4831c3 48c1c305 7203 48ffc2 48ffc9 75ec f4'.replaceAll(' ', '');
const PROGRAM: HotProgram = { code: LOOP, rounds: 2_000_000 };
const guest = (service: TranslationService | null, shared = true): Promise<HotGuest> =>
  hotGuest(PROGRAM, service, shared);
const expected = await (async () => {
  const plain = await guest(null);
  return { state: await finish(plain), instructions: plain.vcpu.counters.instructions };
})();
async function check(
  g: HotGuest,
  between?: () => unknown,
): Promise<NonNullable<ReturnType<SoftwareVcpu['jitStatistics']>>> {
  assert.deepEqual(await finish(g, between), expected.state);
  assert.equal(g.vcpu.counters.instructions, expected.instructions);
  const statistics = g.vcpu.jitStatistics();
  assert.ok(statistics !== null);
  return statistics;
}

/** Waits for the first region: the guest goes on slowly. */
async function untilInstalled({ vcpu }: HotGuest): Promise<void> {
  for (let n = 0; n < 3000; n++) {
    const { regions, waiting } = vcpu.jitStatistics() ?? { regions: 0, waiting: 0 };
    if (regions > 0 || waiting === 0) return;
    await delay(10);
    vcpu.enter(1_000);
  }
  assert.fail('no region was installed in 30 s');
}
/** A translator on the caller's thread that works when it is told to. */
class Held implements TranslatorLink {
  readonly translator: Translator;
  readonly heard: ToTranslator[] = [];
  readonly answers: FromTranslator[] = [];
  ended = false;
  closed = false;
  constructor(store: CodeStore | null = null) {
    this.translator = new Translator((answer) => this.answers.push(answer), store);
  }
  post(message: ToTranslator): void {
    this.heard.push(message);
    this.translator.hear(message);
  }
  receive(): FromTranslator | undefined {
    return this.answers.shift();
  }
  async close(): Promise<void> {
    this.kill();
  }
  kill(): void {
    this.closed = true;
  }
  get requests(): number {
    return this.heard.reduce((n, m) => n + (m.kind === 'translate' ? m.requests.length : 0), 0);
  }
}
/** Runs until the loop's block has been asked for. */
function runUntilAsked({ vcpu }: HotGuest, link: Held): void {
  for (let n = 0; link.requests === 0; n++) {
    assert.ok(n < 100, 'nothing was asked for');
    assert.equal(vcpu.enter(5_000).name, 'preemptionTimer');
  }
}

describe('translation on another thread', () => {
  it('gives what interpretation gives, and runs in regions', async () => {
    const service = new TranslationService({ spawn: () => spawnTranslator() });
    const g = await guest(service);
    const statistics = await check(g, () => untilInstalled(g));
    assert.ok(statistics.compiled > 0 && statistics.retired > expected.instructions / 10);
    assert.ok(statistics.workerTranslateMs > 0 && statistics.workerCompileMs > 0);
  });

  it('asks for a block once, and urges when it becomes hot again', async () => {
    const link = new Held();
    const g = await guest(new TranslationService({ spawn: () => link }));
    const statistics = await check(g);
    assert.equal(statistics.retired, 0);
    const asked = link.heard.flatMap((m) => (m.kind === 'translate' ? m.requests.map((r) => r.hot.key) : []));
    assert.equal(new Set(asked).size, asked.length);
    const hurried = link.heard.flatMap((m) => (m.kind === 'hurry' ? m.ids : []));
    assert.ok(hurried.length > 0);
    assert.deepEqual(link.heard.at(-1), { kind: 'detach', client: 1 });
    assert.ok(link.closed);
  });

  it('takes urgent requests first', async () => {
    const link = new Held();
    const g = await guest(new TranslationService({ spawn: () => link }));
    runUntilAsked(g, link);
    const [first] = link.heard.flatMap((m) => (m.kind === 'translate' ? m.requests : []));
    assert.ok(first !== undefined);
    // the same code twice
    link.translator.hear({ kind: 'translate', client: 1, requests: [{ ...first, id: 1000 }] });
    link.translator.hear({ kind: 'hurry', client: 1, ids: [1000] });
    link.translator.work();
    assert.equal(link.answers[0]?.regions[0]?.id, 1000);
    await check(g);
  });

  it('answers with a region that replaces another one when it is optimized, other requests first', async () => {
    let steps = 3;
    const compiling = {
      next: () => (--steps > 0 ? { done: false, value: undefined } : { done: true, value: undefined }),
    };
    const link = new Held({ add: () => {}, compiling: () => compiling } as unknown as CodeStore);
    const g = await guest(new TranslationService({ spawn: () => link }));
    runUntilAsked(g, link);
    const asked = link.heard.find((m) => m.kind === 'translate');
    assert.ok(asked?.kind === 'translate');
    const [request] = asked.requests;
    assert.ok(request !== undefined);
    const { translator, answers } = link;
    while (translator.work());
    const ask = (id: number, again: number): void =>
      translator.hear({ ...asked, requests: [{ ...request, id, again }] });
    const ids = (): number[] => answers.flatMap(({ regions }) => regions.map(({ id }) => id));
    assert.deepEqual(ids(), [request.id]);
    ask(1001, 1);
    while (!translator.work() || steps === 3);
    assert.deepEqual([ids(), steps], [[request.id], 2]);
    ask(1002, 0);
    translator.work();
    assert.deepEqual([ids(), steps], [[request.id, 1002], 2]);
    while (translator.work());
    assert.deepEqual(ids(), [request.id, 1002, 1001]);
    // what was asked for last serves what runs now
    for (const id of [1003, 1004]) {
      ask(id, 1);
      translator.work();
    }
    while (translator.work());
    assert.deepEqual(ids().slice(-2), [1004, 1003]);
    await check(g);
  });
  it('does not install a region whose code was overwritten meanwhile', async () => {
    const link = new Held();
    const g = await guest(new TranslationService({ spawn: () => link }));
    runUntilAsked(g, link);
    const original = g.vm.memory.readBytes(CODE, 8);
    // lea rax,[rax+4]: translated like this, and put back before the region arrives
    const bytes = new Uint8Array(optionsOf(g.vcpu).memory.buffer);
    const host = Number(((link.heard[1] as ToTranslator & { kind: 'translate' }).requests[0]?.hot.key ?? 0n) >> 8n);
    bytes[(host & ~4095) + 3] = 4;
    assert.ok(link.translator.work());
    bytes[(host & ~4095) + 3] = original[3] as number;
    assert.equal(link.answers[0]?.regions.length, 1);
    const statistics = await check(g, () => link.translator.work());
    assert.ok(statistics.stale > 0);
    assert.ok(statistics.retired > 0, 'it was translated later');
  });

  it('translates again when the block was decoded anew meanwhile', async () => {
    const link = new Held();
    const g = await guest(new TranslationService({ spawn: () => link }));
    runUntilAsked(g, link);
    // the code is written again as it is: its block is dropped, its bytes are what was translated
    g.vm.memory.loadBytes(CODE, g.vm.memory.readBytes(CODE, 8));
    assert.ok(link.translator.work());
    const statistics = await check(g, () => link.translator.work());
    assert.ok(statistics.retired > 0);
  });

  it('survives chains of blocks that are torn while they are read', async () => {
    const link = new Held();
    const g = await guest(new TranslationService({ spawn: () => link }));
    runUntilAsked(g, link);
    const { memory, area } = optionsOf(g.vcpu);
    const state = new StateView(memory.buffer, area);
    const table = new Uint32Array(memory.buffer, state.u32(at('blockHash')), BLOCK_HASH_ENTRIES);
    const saved = table.slice();
    const arena = state.u32(at('arena'));
    const first = new Uint32Array(memory.buffer, arena, 8).slice();
    // a block that follows itself, and addresses that are none
    new Uint32Array(memory.buffer, arena, 8).set([0, arena, 0xffff_ffff, 0xffff_ffff]);
    table.forEach((_, n) => {
      table[n] = n % 2 === 0 ? arena : 0xffff_fff0 - n;
    });
    while (link.translator.work());
    assert.ok(link.answers.length > 0);
    table.set(saved);
    new Uint32Array(memory.buffer, arena, 8).set(first);
    await check(g, () => link.translator.work());
  });

  it('replaces a translator that was killed', async () => {
    const links: TranslatorLink[] = [];
    const spawn = (): TranslatorLink => {
      const link = spawnTranslator();
      // the first one dies before it can answer
      if (links.push(link) === 1) link.close();
      return link;
    };
    const g = await guest(new TranslationService({ spawn }));
    const statistics = await check(g, () => untilInstalled(g));
    assert.equal(links.length, 2);
    assert.ok(statistics.retired > 0 && statistics.workerTranslateMs > 0);
    assert.equal(statistics.waiting, 0);
  });

  it('translates on its own thread when translators die again and again, or cannot be started', async () => {
    let spawned = 0;
    const dead = (): TranslatorLink => {
      spawned++;
      const link = new Held();
      link.ended = true;
      return link;
    };
    const failing = (): TranslatorLink => {
      throw new Error('no threads here');
    };
    for (const spawn of [dead, failing]) {
      const statistics = await check(await guest(new TranslationService({ spawn, restarts: 1 })));
      assert.ok(statistics.retired > 0 && statistics.translateMs > 0);
      assert.equal(statistics.workerTranslateMs, 0);
    }
    assert.equal(spawned, 2);
  });

  it('counts a translator as dead that does not answer', async () => {
    const service = new TranslationService({ spawn: () => new Held(), restarts: 0, patienceMs: 1 });
    const g = await guest(service);
    const statistics = await check(g, async () => {
      for (let n = 0; service.alive && n < 300; n++) g.vcpu.enter(1);
      await delay(2);
    });
    assert.equal(service.alive, false);
    assert.ok(statistics.retired > 0);
  });

  it('lets go of a domain that nobody closed', async () => {
    const link = new Held();
    const service = new TranslationService({ spawn: () => link });
    await (async () => runUntilAsked(await guest(service), link))();
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    for (let n = 0; n < 100 && !link.closed; n++) {
      gc();
      await delay(10);
    }
    assert.ok(link.closed);
  });

  it('is not used where memory is not shared', async () => {
    const service = new TranslationService({ spawn: () => assert.fail('a translator was started') });
    const statistics = await check(await guest(service, false));
    assert.ok(statistics.retired > 0 && statistics.translateMs > 0);
  });
});
