// Random sequences of instructions: fused pairs, blocks, branches inside, stores into code. The interpreter and the JIT run
// them at full speed, the reference evaluator step by step; state, exits and instruction counts are compared at the end.
// PCANEL_DEEP=1 runs more, PCANEL_SEED chooses others.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ALL_INSTRUCTIONS, Decoded, Decoder, type Form } from '../../src/isa/index.js';
import { encode, Random, sizePrefixes } from './encode.js';
import {
  CODE,
  codeBitsOf,
  DATA,
  DATA_END,
  differences,
  Guest,
  imageOf,
  type Mode,
  modeState,
  randomize,
  SEGMENTED_BASE,
} from './machine.js';

const { env } = process;
const SEQUENCES = Number(env.PCANEL_SAMPLES ?? (env.PCANEL_DEEP ? 6000 : 300));
const SEED = Number(env.PCANEL_SEED ?? 1);
const SHOW = Number(env.PCANEL_SHOW ?? 6);
const SEQUENCE_MODES: readonly Mode[] = ['long0', 'long3', 'flat0', 'segmented16', 'real'];

const decoder = new Decoder(ALL_INSTRUCTIONS);
const reference = await Guest.create('reference');
const subjects = {
  interpreter: await Guest.create('off'),
  JIT: await Guest.create('forced'),
  'JIT now and then': await Guest.create('mixed'),
};

/** They leave the sequence or change what the rest of it means. */
const LEAVES =
  /^(jmp_far|call_far|ret_far|ret|iret|int|int1|int3|into|hlt|mov_to_cr|lmsw|mov_to_dr|sys.*|swapgs|lgdt|lidt|lldt|ltr|mov_to_sreg|pop_sreg|l[defgs]s|popf|mwait|monitor|xsetbv|clts|sti|vmcall|cpuid|pause|wbinvd|invd|bound)$/;
const BRANCHES = /^(j(?!mp$|mp_)|loop|jrcxz)/;
const COMMON =
  /^(mov|add|sub|cmp|test|and|or|xor|inc|dec|shl|shr|sar|adc|sbb|lea|push|pop|imul|cmov.*|set.*|movzx|movsx|xchg|bt)$/;

interface Pools {
  readonly all: Form[];
  readonly common: Form[];
  readonly branches: Form[];
  readonly compares: Form[];
}
const pools = new Map<16 | 32 | 64, Pools>();
for (const codeBits of [16, 32, 64] as const) {
  const usable = decoder.forms.filter(
    (f) => f.long === (codeBits === 64) && sizePrefixes(f, codeBits).length > 0 && !LEAVES.test(f.instruction.name),
  );
  const branches = usable.filter((f) => BRANCHES.test(f.instruction.name) && f.operands[0]?.kind === 'rel');
  const rest = usable.filter((f) => f.operands[0]?.kind !== 'rel' && !/^(jmp|call)$/.test(f.instruction.name));
  pools.set(codeBits, {
    all: rest,
    common: rest.filter((f) => COMMON.test(f.instruction.name)),
    branches,
    compares: rest.filter((f) => /^(cmp|test)$/.test(f.instruction.name)),
  });
}

/** Assembles a sequence; branches go to starts of its instructions. Returns the bytes, and their text. */
function assemble(
  r: Random,
  mode: Mode,
  rip: bigint,
  registers: Map<number, bigint>,
): { bytes: number[]; text: string[] } {
  const codeBits = codeBitsOf(mode);
  const flat = codeBits === 64 || mode.startsWith('flat');
  const { all, common, branches, compares } = pools.get(codeBits) as Pools;
  const decoded = new Decoded();
  const bytes: number[] = [];
  const text: string[] = [];
  const starts: number[] = [];
  const holes: { at: number; size: number; end: number }[] = [];
  const count = 5 + r.below(16);
  let fuse = false;
  for (let n = 0; n < count; ) {
    const kind = r.below(10);
    let pool = kind < 5 ? common : kind < 7 ? all : kind < 8 ? compares : branches;
    if (fuse) pool = branches;
    const form = r.pick(pool);
    const branch = pool === branches;
    const memory = (size: number): bigint => {
      // some stores hit the sequence itself
      if (r.chance(6)) return BigInt(CODE + r.below(80)) - (flat ? 0n : SEGMENTED_BASE);
      const at = DATA + r.below(DATA_END - DATA - 0x2100 - size);
      return BigInt(r.chance(50) ? at & ~15 : at) - (flat ? 0n : SEGMENTED_BASE);
    };
    const encoded = encode(
      form,
      r,
      { codeBits, rip: rip + BigInt(bytes.length), target: memory, branch: () => 0, plain: r.chance(80) },
      decoder,
      decoded,
    );
    if (encoded === null) continue;
    // Later instructions keep the address registers of earlier ones where they can.
    for (const [register, v] of encoded.registers) if (!registers.has(register)) registers.set(register, v);
    starts.push(bytes.length);
    bytes.push(...encoded.bytes);
    text.push(`${form.instruction.name}: ${[...encoded.bytes].map((b) => b.toString(16).padStart(2, '0')).join(' ')}`);
    if (branch) {
      const short = form.row.encoding.operands.some((o) => o.method === 'J' && o.type === 'b');
      const size = short ? 1 : form.opBits === 16 ? 2 : 4;
      holes.push({ at: bytes.length - size, size, end: bytes.length });
    }
    fuse = pool === compares && r.chance(80);
    n++;
  }
  starts.push(bytes.length);
  for (const { at, size, end } of holes) {
    const displacement = r.pick(starts) - end;
    if (size === 1 && (displacement < -128 || displacement > 127)) continue;
    for (let i = 0; i < size; i++) bytes[at + i] = (displacement >> (8 * i)) & 0xff;
  }
  return { bytes, text };
}

describe('interpreter, JIT and reference evaluator agree on sequences', () => {
  for (const mode of SEQUENCE_MODES) {
    test(mode, () => {
      const failures: string[] = [];
      let instructions = 0;
      for (let n = 0; n < SEQUENCES; n++) {
        const r = new Random(SEED * 1_000_003 + n * 17 + mode.length * 7919 + mode.charCodeAt(0));
        const flat = mode.startsWith('long') || mode.startsWith('flat');
        const state = modeState(mode);
        randomize(state, r, mode);
        const start = CODE + (r.chance(85) ? r.below(64) : 0xfd0 + r.below(48));
        state.rip = BigInt(start) - (flat ? 0n : SEGMENTED_BASE);
        const registers = new Map<number, bigint>();
        const { bytes, text } = assemble(r, mode, state.rip, registers);
        for (const [register, v] of registers) if (register !== 4) state.gpr[register] = v;
        if (r.chance(70)) state.gpr[1] = BigInt(r.below(12));
        const image = imageOf(mode);
        image.set(bytes, start);
        const bitmap = r.chance(85) ? 0xffff_ffff : 0;
        const budget = r.chance(60) ? 400 : 1 + r.below(120);
        let found: string[] = [];
        try {
          reference.load(image, state, bitmap);
          const b = reference.run(budget, 24);
          instructions += b.instructions;
          for (const [how, subject] of Object.entries(subjects)) {
            subject.load(image, state, bitmap);
            found = differences(subject.run(budget, 24), b);
            if (found.length === 0) continue;
            found.unshift(how);
            break;
          }
        } catch (error) {
          found = [`thrown: ${(error as Error).stack?.split('\n').slice(0, 6).join(' | ')}`];
        }
        if (found.length > 0)
          failures.push(
            `sequence ${n}, budget ${budget}:\n    ${text.join('\n    ')}\n   found\n    ${found.slice(0, 12).join('\n    ')}`,
          );
      }
      assert.equal(
        failures.length,
        0,
        `${failures.length} of ${SEQUENCES} sequences differ (interpreter or JIT / evaluator):\n${failures.slice(0, SHOW).join('\n')}`,
      );
      if (env.PCANEL_STATS) process.stderr.write(`${mode}: ${instructions} instructions\n`);
      assert.ok(instructions > SEQUENCES * 3, `only ${instructions} instructions ran`);
    });
  }
});
