// Regions of a kernel that lies elsewhere in a later run (KASLR): they are taken when all words that follow the code's address
// have moved by the same distance, and compute what that code computes.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { keptRegions, spawnTranslator } from '../../src/apps/testing.js';
import { TranslationService } from '../../src/processor/index.js';
import { word } from '../support/assembler.js';
import { CODE, finish, type HotGuest, type HotProgram, hotGuest, settle } from '../support/hot-guest.js';

/** Linux's image begins in this gigabyte, at a multiple of 2 MiB. */
const IMAGE = 0xffff_ffff_8000_0000n;
const STEP = 0x20_0000;
/** Variables of the image, and one of a CPU that stays where it is. */
const VARIABLES = 0x8000;
const PER_CPU = 0x9000n;
const LOOPS = 12;

const toHex = (bytes: readonly number[]): string => Buffer.from(bytes.map((b) => b & 0xff)).toString('hex');

/** A kernel `steps` times 2 MiB into its gigabyte; `odd`: one of its words has stayed. */
function kernel(steps: number, odd = false): HotProgram {
  const bytes: number[] = [];
  const base = steps * STEP - 0x8000_0000;
  const image = (offset: number): number[] => word(base + offset);
  const rip = IMAGE + BigInt(steps * STEP + CODE);
  /** The last word of an instruction: a variable of this CPU, from RIP. */
  const perCpu = (): number[] => word(Number(BigInt.asIntN(32, PER_CPU - (rip + BigInt(bytes.length + 8)))));
  bytes.push(0x41, 0xb8, ...word(12)); // mov r8d,12
  const again = bytes.length;
  for (let n = 0; n < LOOPS; n++) {
    bytes.push(0xb9, ...word(4000)); // mov ecx,4000
    const loop = bytes.length;
    bytes.push(0x48, 0x8b, 0x1c, 0x25, ...image(VARIABLES + 8 * n)); // mov rbx,[variable n]
    bytes.push(0x48, 0x05, ...image(0x1234 + n)); // add rax,image + n
    bytes.push(0x48, 0x01, 0xd8); // add rax,rbx
    bytes.push(0x65, 0x48, 0x03, 0x05, ...perCpu()); // add rax,gs:[per-CPU variable]
    bytes.push(0x48, 0xc7, 0xc2, ...(odd && n === 5 ? word(0x4000 - 0x7fe0_0000) : image(0x4000))); // mov rdx,image + 0x4000
    bytes.push(0x48, 0x31, 0xd0); // xor rax,rdx
    bytes.push(0x48, 0x81, 0x3c, 0x25, ...image(VARIABLES + 8 * n), ...image(0x77)); // cmp qword [variable n],image + 0x77
    bytes.push(0x48, 0x83, 0xd6, 0x00); // adc rsi,0
    bytes.push(0x48, 0xff, 0xc9, 0x75, loop - (bytes.length + 5)); // dec rcx; jnz loop
  }
  bytes.push(0x49, 0xff, 0xc8, 0x0f, 0x85, ...word(again - (bytes.length + 9)), 0xf4); // dec r8; jnz again; hlt
  return { code: toHex(bytes), rounds: 0, rip };
}
/** The same of 32 bits, `steps` times 16 MiB into the direct map of memory; it only computes with its addresses. */
function kernel32(steps: number): HotProgram {
  const bytes: number[] = [];
  const image = (offset: number): number[] => word((steps << 24) - 0x4000_0000 + offset);
  bytes.push(0xbf, ...word(12)); // mov edi,12
  const again = bytes.length;
  for (let n = 0; n < LOOPS; n++) {
    bytes.push(0xb9, ...word(4000)); // mov ecx,4000
    const loop = bytes.length;
    bytes.push(0x05, ...image(0x1234 + n)); // add eax,image + n
    bytes.push(0xba, ...image(0x4000)); // mov edx,image + 0x4000
    bytes.push(0x31, 0xd0); // xor eax,edx
    bytes.push(0x8d, 0x9e, ...image(0x60 + n)); // lea ebx,[esi+image + n]
    bytes.push(0x01, 0xd8); // add eax,ebx
    bytes.push(0x81, 0xfb, ...image(0x77)); // cmp ebx,image + 0x77
    bytes.push(0x83, 0xd6, 0x00); // adc esi,0
    bytes.push(0x49, 0x75, loop - (bytes.length + 3)); // dec ecx; jnz loop
  }
  bytes.push(0x4f, 0x0f, 0x85, ...word(again - (bytes.length + 7)), 0xf4); // dec edi; jnz again; hlt
  return { code: toHex(bytes), rounds: 0, is32: true };
}

async function guest(what: HotProgram, service: TranslationService | null): Promise<HotGuest> {
  const g = await hotGuest(what, service);
  const { memory } = g.vm;
  // the image's gigabyte: its first 64 MiB are the same 2 MiB of memory again and again
  memory.writeU64(0x1000 + 511 * 8, 0x2003n);
  memory.writeU64(0x2000 + 510 * 8, 0x4003n);
  for (let n = 0; n < 32; n++) memory.writeU64(0x4000 + n * 8, 0x83n);
  for (let n = 0; n < LOOPS; n++) memory.writeU64(VARIABLES + 8 * n, IMAGE + BigInt(0x9_0000 * n + 3));
  memory.writeU64(Number(PER_CPU), 0x1234_5678_9abcn);
  return g;
}
async function run(folder: string, what: HotProgram) {
  const place = { folder, prefix: 'moved' };
  const service = new TranslationService({
    spawn: () => spawnTranslator(undefined, place),
    kept: () => keptRegions(place),
  });
  const g = await guest(what, service);
  const state = await finish(g, () => settle(g));
  const statistics = g.vcpu.jitStatistics();
  await service.settled();
  assert.deepEqual(state, await finish(await guest(what, null)), 'as without translation');
  assert.ok(statistics !== null);
  return statistics;
}
function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'pcanel-moved-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

for (const [name, make] of [
  ['64', kernel],
  ['32', kernel32],
] as const) {
  test(`regions serve where the kernel lies now: ${name} bits`, async (t) => {
    const folder = newFolder(t);
    const first = await run(folder, make(1));
    assert.ok(first.compiled >= LOOPS && first.stored === 0);
    for (const steps of [9, 2, 31, 1]) {
      const { compiled, stored, reused, retired } = await run(folder, make(steps));
      assert.equal(compiled, 0, `${steps} steps`);
      assert.ok(stored > 0 && stored + reused >= LOOPS, `${steps} steps: ${stored} found, ${reused} of them again`);
      assert.ok(retired > 100_000);
    }
  });
}

test('a region one of whose words has not moved is made anew', async (t) => {
  const folder = newFolder(t);
  await run(folder, kernel(1));
  const { compiled, stored, reused } = await run(folder, kernel(4, true));
  assert.equal(compiled, 1);
  assert.ok(stored > 0 && stored + reused >= LOOPS - 1, `${stored} found, ${reused} of them again`);
});
