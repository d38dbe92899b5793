// Pairs of instructions that one handler of the interpreter runs (src/processor/fused-pairs.ts): every one of them, with
// operands that fault in either half, that lie on a device, or that are the code of the second half, and with budgets that
// end between the halves. Against the reference evaluator, which runs instructions one by one.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ALL_INSTRUCTIONS, Decoded, Decoder, type Form } from '../../src/isa/index.js';
import { isFusedPair } from '../../src/processor/testing.js';
import { type Encoded, encode, Random, sizePrefixes } from './encode.js';
import {
  ABSENT_PAGE,
  CODE,
  codeBitsOf,
  DATA,
  differences,
  Guest,
  imageOf,
  MMIO_PAGE,
  type Mode,
  modeState,
  READ_ONLY_PAGE,
  randomize,
  STACK_END,
} from './machine.js';

const { env } = process;
const SAMPLES = Number(env.PCANEL_SAMPLES ?? (env.PCANEL_DEEP ? 200 : 12));
const SEED = Number(env.PCANEL_SEED ?? 1);
const RSP = 4;
const NOP = 0x90;

const decoder = new Decoder(ALL_INSTRUCTIONS);
const reference = await Guest.create('reference');
const interpreter = await Guest.create('off');

/** Pairs of forms that a mode can encode. */
function pairsOf(codeBits: 16 | 32 | 64): [Form, Form][] {
  const usable = decoder.forms.filter(
    (f) => f.instruction.hot === true && f.long === (codeBits === 64) && sizePrefixes(f, codeBits).length > 0,
  );
  return usable.flatMap((first) =>
    usable.filter((second) => isFusedPair(first, second)).map((second): [Form, Form] => [first, second]),
  );
}

/** What a case is about: where memory operands and the stack are. */
const PLACES = ['data', 'data', 'absent', 'read-only', 'device', 'page border', 'code'] as const;

describe('fused pairs agree with the reference evaluator', () => {
  for (const mode of ['long0', 'long3', 'flat0'] satisfies Mode[]) {
    test(mode, () => {
      const codeBits = codeBitsOf(mode);
      const pairs = pairsOf(codeBits);
      assert.ok(pairs.length > 100, `${pairs.length} pairs`);
      const failures: string[] = [];
      const seen = { faults: 0, devices: 0, overwritten: 0, cut: 0 };
      for (const [number, [first, second]] of pairs.entries())
        for (let n = 0; n < SAMPLES; n++) {
          const r = new Random(SEED * 1_000_003 + number * 613 + n * 17 + mode.length * 7919);
          const state = modeState(mode);
          randomize(state, r, mode);
          const place = r.pick(PLACES);
          const start = CODE + r.below(64);
          const target = (size: number): bigint => {
            if (r.chance(40)) return BigInt(DATA + r.below(0x1000));
            switch (place) {
              case 'absent':
                return BigInt(ABSENT_PAGE + r.below(0x800));
              case 'read-only':
                return BigInt(READ_ONLY_PAGE + r.below(0x800));
              case 'device':
                return BigInt(MMIO_PAGE + r.below(0x100) * 8);
              case 'page border':
                return BigInt(r.pick([READ_ONLY_PAGE, ABSENT_PAGE, MMIO_PAGE]) - r.below(size + 1));
              case 'code':
                return BigInt(start + r.below(24) - 4);
              default:
                return BigInt(DATA + r.below(0x1000));
            }
          };
          const decoded = new Decoded();
          const encodeAt = (form: Form, rip: number): Encoded | null =>
            encode(
              form,
              r,
              { codeBits, rip: BigInt(rip), target, branch: () => r.below(8), plain: r.chance(70) },
              decoder,
              decoded,
            );
          const a = encodeAt(first, start);
          const b = a === null ? null : encodeAt(second, start + a.bytes.length);
          if (a === null || b === null) continue;
          state.rip = BigInt(start);
          state.gpr[RSP] = r.chance(50) ? BigInt(STACK_END - 0x100) : target(8);
          for (const encoded of [b, a])
            for (const [register, v] of encoded.registers) if (register !== RSP) state.gpr[register] = v;
          const image = imageOf(mode);
          image.set([...a.bytes, ...b.bytes, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP], start);
          const budget = r.chance(40) ? 1 : r.chance(50) ? 2 : 100;
          reference.load(image, state, 0xffff_ffff);
          const expected = reference.run(budget, 6);
          interpreter.load(image, state, 0xffff_ffff);
          const found = differences(interpreter.run(budget, 6), expected);
          const exits = expected.exits.join();
          if (exits.includes('exceptionOrNmi')) seen.faults++;
          if (exits.includes('eptViolation')) seen.devices++;
          if (expected.instructions === 1) seen.cut++;
          if (Buffer.compare(expected.ram.subarray(start, start + 16), image.subarray(start, start + 16)) !== 0)
            seen.overwritten++;
          if (found.length > 0)
            failures.push(
              `${first.instruction.name} ${Buffer.from(a.bytes).toString('hex')} + ${second.instruction.name} ${Buffer.from(b.bytes).toString('hex')}, ${place}, budget ${budget}: ${found.slice(0, 6).join('; ')}`,
            );
        }
      assert.equal(failures.length, 0, `${failures.length} differ:\n${failures.slice(0, 8).join('\n')}`);
      // without paging nothing is absent
      if (mode === 'flat0') seen.faults = seen.devices;
      for (const [what, cases] of Object.entries(seen)) assert.ok(cases > 50, `${what}: ${cases} cases`);
    });
  }
});
