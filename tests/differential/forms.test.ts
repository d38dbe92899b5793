// Every operand form of every declared instruction: interpreter and JIT against reference evaluator, all state compared.
// PCANEL_DEEP=1 compares 2,000 states of each form, PCANEL_SEED and PCANEL_ONLY (name part) choose cases, PCANEL_TRACE=1
// lists the steps.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ALL_INSTRUCTIONS, Decoded, Decoder, type Form } from '../../src/isa/index.js';
import { tally } from '../support/tally.js';
import { type Encoded, encode, Random, sizePrefixes } from './encode.js';
import {
  CODE,
  codeBitsOf,
  DATA,
  DATA_END,
  differences,
  Guest,
  imageOf,
  MODES,
  type Mode,
  modeState,
  randomize,
  SEGMENTED_BASE,
} from './machine.js';

const { env } = process;
/** Random states of a form in all modes together, at least one in each. */
const STATES = Number(env.PCANEL_STATES ?? (env.PCANEL_DEEP ? 2000 : 1));
const SEED = Number(env.PCANEL_SEED ?? 1);
const ONLY = env.PCANEL_ONLY;

const decoder = new Decoder(ALL_INSTRUCTIONS);
const reference = await Guest.create('reference');
const subjects = {
  interpreter: await Guest.create('off'),
  JIT: await Guest.create('forced'),
};

const describeForm = (form: Form): string =>
  `${form.instruction.name} '${form.row.encoding.opcode}' ${form.opBits}-bit${form.mem ? ' memory' : ''}`;

/** Effective addresses of memory operands: mostly data, sometimes page borders, other pages, MMIO. */
function target(r: Random, mode: Mode, bytes: number): bigint {
  const flat = mode.startsWith('long') || mode.startsWith('flat');
  const base = flat ? 0n : SEGMENTED_BASE;
  let linear: number;
  const kind = r.below(20);
  if (kind === 0) linear = r.pick([0xd000, 0xe000, 0xf000, 0x10000, 0x11000, 0x12000]) - r.below(bytes + 1);
  else if (kind === 1) linear = 0x10000 + r.below(0x200) * 8;
  else if (kind === 2) linear = 0xe000 + r.below(0x1000);
  else if (kind === 3 && flat) linear = 0x30000 + r.below(0x1000);
  else linear = DATA + r.below(DATA_END - DATA - 0x2000 - bytes);
  if (r.chance(70)) linear = Math.floor(linear / 16) * 16;
  return BigInt(linear) - base;
}

interface Failure {
  readonly what: string;
  readonly bytes: string;
  readonly found: readonly string[];
}
export function runCase(form: Form, mode: Mode, r: Random, decoded: Decoded): Failure | null | 'none' {
  const state = modeState(mode);
  randomize(state, r, mode);
  const flat = mode.startsWith('long') || mode.startsWith('flat');
  const start = r.chance(90) ? CODE : CODE + 0xff0 + r.below(16);
  state.rip = BigInt(start) - (flat ? 0n : SEGMENTED_BASE);
  const encoded: Encoded | null = encode(
    form,
    r,
    {
      codeBits: codeBitsOf(mode),
      rip: state.rip,
      target: (bytes) => target(r, mode, bytes),
      branch: () => r.below(60) - 30,
    },
    decoder,
    decoded,
  );
  if (encoded === null) return 'none';
  for (const [n, v] of encoded.registers) {
    const keep = codeBitsOf(mode) === 16 ? (state.gpr[n] as bigint) & 0xffff0000n : 0n;
    if (n !== 4 || r.chance(50)) state.gpr[n] = v | (decoded.addrBits === 16 ? keep : 0n);
  }
  if (form.rep) {
    state.gpr[1] =
      ((state.gpr[1] as bigint) & (decoded.addrBits === 64 ? 0n : decoded.addrBits === 32 ? 0n : 0xffff0000n)) |
      BigInt(r.below(20));
    for (const n of [6, 7])
      if (r.chance(90)) state.gpr[n] = BigInt(DATA + 0x100 + r.below(0x1800)) - (flat ? 0n : SEGMENTED_BASE);
  }
  if (form.instruction.name.startsWith('maskmov') && r.chance(90))
    state.gpr[7] = BigInt(DATA + 0x100 + r.below(0x1800)) - (flat ? 0n : SEGMENTED_BASE);
  const image = imageOf(mode);
  image.set(encoded.bytes, start);
  // The memory operand holds something interesting.
  if (encoded.address >= 0n) {
    const at = Number(encoded.address) + (flat ? 0 : Number(SEGMENTED_BASE));
    if (at >= DATA && at < DATA_END - 16)
      for (let i = 0; i < 16; i += 8) new DataView(image.buffer).setBigUint64(at + i, r.interesting(), true);
  }
  const bitmap = r.chance(70) ? 0xffff_ffff : 0;
  const budget = r.chance(70) ? 100 : 1 + r.below(2);
  reference.load(image, state, bitmap);
  const hex = [...encoded.bytes].map((b) => b.toString(16).padStart(2, '0')).join(' ');
  const what = `${describeForm(form)} in ${mode}`;
  const trace: string[] = [];
  if (env.PCANEL_TRACE !== undefined && reference.evaluator !== null)
    reference.evaluator.onStep = ({ rip, bytes, form: f }) => {
      trace.push(`${rip.toString(16)}: ${Buffer.from(bytes).toString('hex')} ${f?.instruction.name ?? 'undefined'}`);
    };
  try {
    const b = reference.run(budget);
    for (const [how, subject] of Object.entries(subjects)) {
      subject.load(image, state, bitmap);
      const a = subject.run(budget);
      const found = differences(a, b);
      if (found.length > 0)
        return {
          what: `${what}, ${how}`,
          bytes: hex,
          found: [...found, ...(trace.length > 0 ? [...a.exits, ...trace] : [])],
        };
    }
    return null;
  } catch (error) {
    return {
      what,
      bytes: hex,
      found: [`thrown: ${(error as Error).stack?.split('\n').slice(0, 6).join(' | ')}`, ...trace],
    };
  }
}

/** Modes in which a form can be encoded. */
const modesOf = (form: Form): readonly Mode[] =>
  MODES.filter((mode) => {
    const codeBits = codeBitsOf(mode);
    return form.long === (codeBits === 64) && sizePrefixes(form, codeBits).length > 0;
  });
/** A number of its own for each form, stable when others are added. */
const hash = (text: string): number => {
  let h = 0x811c9dc5;
  for (const c of text) h = Math.imul(h ^ c.charCodeAt(0), 0x01000193) >>> 0;
  return h;
};

describe('interpreter, JIT and reference evaluator agree', () => {
  for (const mode of MODES) {
    test(mode, (t) => {
      const failures: Failure[] = [];
      const missing: string[] = [];
      const decoded = new Decoded();
      let cases = 0;
      let forms = 0;
      for (const form of decoder.forms) {
        const modes = modesOf(form);
        if (!modes.includes(mode)) continue;
        const name = describeForm(form);
        if (ONLY !== undefined && !name.includes(ONLY)) continue;
        const r = new Random(hash(`${name} ${mode} ${SEED}`));
        let failed = 0;
        forms++;
        for (let n = 0; n * modes.length < STATES; n++) {
          const failure = runCase(form, mode, r, decoded);
          cases++;
          if (failure === 'none') missing.push(name);
          else if (failure !== null && failed++ < 2) failures.push(failure);
        }
      }
      tally(t, cases, forms, 'the evaluator');
      const shown = failures
        .slice(0, Number(env.PCANEL_SHOW ?? 15))
        .map((f) => `${f.what}: ${f.bytes}\n    ${f.found.join('\n    ')}`);
      assert.equal(missing.length, 0, `no encoding found for ${[...new Set(missing)].slice(0, 20).join(', ')}`);
      assert.equal(
        failures.length,
        0,
        `${failures.length} of ${cases} cases differ (interpreter or JIT / evaluator):\n  ${shown.join('\n  ')}`,
      );
    });
  }
});
