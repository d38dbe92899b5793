// Regions kept between runs: a later run takes them after a few rounds, computes what it would compute without, and never runs
// one that was made from other code.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type CodePlace, keepsMachineCode, keptRegions, spawnTranslator } from '../../src/apps/testing.js';
import { type ToTranslator, TranslationService, type TranslatorLink } from '../../src/processor/index.js';
import { type KeptModule, Pack, packOf } from '../../src/processor/testing.js';
import { finish, type HotGuest, type HotProgram, hotGuest, settle } from '../support/hot-guest.js';

const LOOPS = 12;
/** Where a loop's number of rounds is. */
const TIMES = 0x8000;
/** mov ecx,[TIMES]; loop: add rax,n; xor rbx,rax; lea rdx,[rdx+rax]; rol rbx,5; add rdx,tail; dec rcx; jnz loop */
const loop = (n: number, tail: number): string =>
  `8b0c25${word(TIMES)} 4883c0${hex(n)} 4831c3 488d1402 48c1c305 4881c2${word(tail)} 48ffc9 75e5`.replaceAll(' ', '');
const LOOP_BYTES = 34;
const hex = (byte: number): string => byte.toString(16).padStart(2, '0');
const word = (n: number): string => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(n);
  return bytes.toString('hex');
};
/** dec esi; jnz to the first loop; hlt. */
const again = (loops: number): string => `ffce 0f85${word(-(loops * LOOP_BYTES + 8))} f4`.replaceAll(' ', '');
/** mov esi,12, then loops one after the other; `odd`: one of them ends in another way, behind its first 16 bytes. */
const program = (odd: number | null = null, loops = LOOPS): HotProgram => ({
  code: `be0c000000${Array.from({ length: loops }, (_, n) => loop(n % 100, n === odd ? 77 : 5)).join('')}${again(loops)}`,
  rounds: 0,
});
async function guest(what: HotProgram, service: TranslationService | null, times = 5000): Promise<HotGuest> {
  const g = await hotGuest(what, service);
  g.vm.memory.writeU64(TIMES, BigInt(times));
  return g;
}

const serviceOf = (place: CodePlace, worksAhead = false): TranslationService =>
  new TranslationService({
    spawn: () => spawnTranslator(undefined, place, true),
    kept: () => keptRegions(place),
    worksAhead,
  });
/** Runs the program with what is kept at the service's place; what it translates is kept there. */
async function run(service: TranslationService, what: HotProgram) {
  const g = await guest(what, service);
  const state = await finish(g, () => settle(g));
  const statistics = g.vcpu.jitStatistics();
  await service.settled();
  const plain = await guest(what, null);
  assert.deepEqual(state, await finish(plain));
  assert.equal(g.vcpu.counters.instructions, plain.vcpu.counters.instructions);
  assert.ok(statistics !== null && statistics.stale === 0);
  return statistics;
}
function newPlace(t: TestContext): CodePlace {
  const folder = mkdtempSync(join(tmpdir(), 'pcanel-kept-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return { folder, prefix: 'test' };
}

test('a later run takes the regions of an earlier one, soon', async (t) => {
  const place = newPlace(t);
  const first = await run(serviceOf(place), program());
  assert.equal(first.stored, 0);
  assert.ok(first.compiled >= LOOPS);
  assert.equal(readdirSync(place.folder).length, 1);
  const second = await run(serviceOf(place), program());
  assert.equal(second.compiled, 0);
  assert.ok(second.stored > 0 && second.stored + second.reused >= LOOPS);
});

test('the vCPU takes them itself and tells the thread that keeps them', async (t) => {
  const place = newPlace(t);
  await run(serviceOf(place), program());
  const heard: ToTranslator[] = [];
  const link: TranslatorLink = {
    post: (message) => heard.push(message),
    receive: () => undefined,
    ended: false,
    close: async () => {},
    kill: () => {},
  };
  const service = new TranslationService({ spawn: () => link, kept: () => keptRegions(place) });
  const g = await guest(program(), service, 300);
  while (g.vcpu.enter(1000).name !== 'hlt');
  const { stored = 0, reused = 0, waiting } = g.vcpu.jitStatistics() ?? {};
  assert.ok(stored > 0 && stored + reused >= LOOPS && waiting === 0, `${stored} taken, ${reused} found`);
  g.vm.close();
  const [last] = heard.slice(-1);
  assert.ok(last?.kind === 'used' && last.modules.length > 0);
  assert.ok(!heard.some(({ kind }) => kind === 'translate'));
});

test('so does the next domain of the same process', async (t) => {
  const service = serviceOf(newPlace(t));
  await run(service, program());
  const second = await run(service, program());
  assert.ok(second.stored > 0 && second.compiled === 0);
});

test('a region is not run for code that only begins like its own', async (t) => {
  const place = newPlace(t);
  await run(serviceOf(place), program());
  const other = await run(serviceOf(place), program(4));
  assert.ok(other.compiled >= 1, 'what has the loop that differs was translated');
});

test('a damaged pack is as good as none', async (t) => {
  const place = newPlace(t);
  await run(serviceOf(place), program());
  const file = join(place.folder, readdirSync(place.folder)[0] as string);
  const bytes = readFileSync(file);
  bytes.fill(0xff, 8208);
  writeFileSync(file, bytes);
  const { stored, compiled } = await run(serviceOf(place), program());
  assert.deepEqual([stored, compiled >= LOOPS], [0, true]);
});

/** The pack at a place, and its modules. */
function packAt({ folder }: CodePlace) {
  const [name] = readdirSync(folder) as [string];
  const bytes = readFileSync(join(folder, name));
  const read = (offset: number, sizeBytes: number): Uint8Array =>
    Uint8Array.from(bytes.subarray(offset, offset + sizeBytes));
  const pack = Pack.open({ name, read, close: () => {} });
  assert.ok(pack !== null);
  const modules = (pack.modules() ?? []).map((module): KeptModule => {
    const [parts, contents] = [pack.code(module), pack.contents(module)];
    assert.ok(parts !== null && contents !== null);
    return { regions: module.regions, unused: module.unused, contents, ...parts };
  });
  return { file: join(folder, name), modules };
}
const isDeep = ({ regions }: KeptModule): boolean => regions.every(({ deep }) => deep);

test('modules that a run had no time to compile are finished by the next, which takes others meanwhile', async (t) => {
  if (!keepsMachineCode()) return t.skip('V8 does not give machine code to scripts here');
  const place = newPlace(t);
  const long = async (n: number): Promise<void> => {
    const service = serviceOf(place, true);
    const g = await guest(program(), service);
    while (g.vcpu.enter(100_000).name !== 'hlt') await settle(g);
    await delay(500 * (n + 1)); // longer where the host is busy
    g.vm.close();
    await service.settled();
  };
  for (let n = 0; n < 10 && (n === 0 || packAt(place).modules.every(({ code }) => code.length === 0)); n++)
    await long(n);
  // the same once more, better, as they are when a run ends before they are compiled
  const { file, modules } = packAt(place);
  const better = modules.map((module): KeptModule => {
    return { ...module, regions: module.regions.map((r) => ({ ...r, deep: true })), code: new Uint8Array(0) };
  });
  writeFileSync(file, Buffer.concat(packOf([...modules, ...better])));
  const finished = (): KeptModule[] =>
    packAt(place).modules.filter((module) => isDeep(module) && module.code.length > 0);
  for (let n = 0; n < 10 && finished().length === 0; n++) await long(n);
  assert.ok(finished().length > 0);
  assert.equal(packAt(place).modules.filter(isDeep).length, better.length, 'none of them was made once more');
});

test('of code that is not hot regions are made when there is time, for later runs', async (t) => {
  const place = newPlace(t);
  const large = program(null, 300);
  for (let n = 0; n < 10 && readdirSync(place.folder).length === 0; n++) {
    const service = serviceOf(place, true);
    const { vm, vcpu } = await guest(large, service, 12); // times 12: less than half of 500 entries
    while (vcpu.enter(1000).name !== 'hlt');
    for (let looks = 0; looks < 100; looks++) vcpu.enter(1000); // it halts again, and blocks are noted
    await delay(500 * (n + 1)); // longer where the host is busy
    assert.equal(vcpu.jitStatistics()?.compiled, 0);
    vm.close();
    await service.settled();
  }
  const [later, without] = [await run(serviceOf(place), large), await run(serviceOf(newPlace(t)), large)];
  assert.ok(later.stored > 0, 'regions were kept');
  assert.ok(later.compiled < without.compiled, `${later.compiled} translated, ${without.compiled} without`);
});

test('a block that is noted first is hot as soon as any other', async (t) => {
  /** Instructions until a block is asked for. */
  const untilHot = async (worksAhead: boolean): Promise<number> => {
    const service = serviceOf(newPlace(t), worksAhead);
    const { vm, vcpu } = await guest(program(), service);
    while (vcpu.jitStatistics()?.waiting === 0) assert.equal(vcpu.enter(100).name, 'preemptionTimer');
    const { instructions } = vcpu.counters;
    vm.close();
    await service.settled();
    return instructions;
  };
  const [noted, plain] = [await untilHot(true), await untilHot(false)];
  assert.ok(plain > 2000 && Math.abs(noted - plain) <= 700, `${noted} and ${plain} instructions`);
});
