// Every form of every declaration executed on a Sem that checks the rules of the vocabulary: widths, procedure arguments,
// nothing that may fault after the first write; and facts about the list as a whole.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALL_INSTRUCTIONS, Decoded, Decoder, disassemble, type Form, parseOpcode } from './index.js';
import { ARITHMETIC_PROCEDURES, Fault, Misuse, TestMachine } from './testing.js';

const decoder = new Decoder(ALL_INSTRUCTIONS);

/** Bytes that decode to some form of the row, for each mode, prefix and ModRM shape. */
function* variants(): Generator<{ readonly bytes: Uint8Array; readonly bits: 16 | 32 | 64 }> {
  for (const row of decoder.rows) {
    const p = parseOpcode(row.encoding, row.instruction.name);
    for (const bits of [16, 32, 64] as const) {
      for (const prefix of bits === 64 ? [[], [0x66], [0x48], [0x67]] : [[], [0x66], [0x67]]) {
        for (const repeat of row.encoding.rep ? [[], [0xf3], [0xf2]] : [[]]) {
          for (const shape of p.modrm ? [0x00, 0xc0, 0x20, 0xe0] : [0]) {
            const digit = p.digit >= 0 ? p.digit << 3 : shape & 0x38;
            const legacy = prefix.filter((b) => b !== 0x48);
            const rex = prefix.filter((b) => b === 0x48);
            const b = [...legacy, ...repeat];
            if (p.prefix > 0) b.push([0, 0x66, 0xf3, 0xf2][p.prefix] as number);
            b.push(...rex);
            if (p.map > 0) b.push(0x0f);
            if (p.map > 1) b.push(p.map === 2 ? 0x38 : 0x3a);
            b.push(p.opcode + (p.opcodeRegister ? 1 : 0));
            if (p.modrm) b.push(p.low >= 0 ? p.low : (shape & 0xc0) | digit | 1);
            while (b.length < 15) b.push(1);
            yield { bytes: Uint8Array.from(b), bits };
          }
        }
      }
    }
  }
}

test('every form executes within the rules of Sem', () => {
  const out = new Decoded();
  const seen = new Set<Form>();
  const wrong: string[] = [];
  for (const { bytes, bits } of variants()) {
    decoder.decode(bytes, 0, 15, { codeBits: bits }, out);
    if (out.form === undefined) continue;
    seen.add(out.form);
    for (const value of [0n, 0x8000_0000_8000_8081n]) {
      const m = new TestMachine();
      m.gpr.fill(value);
      m.eflags = value & 0x8d5n;
      try {
        m.run(out, bits === 16 ? 16 : 32);
      } catch (error) {
        if (error instanceof Fault) continue;
        if (!(error instanceof Misuse)) throw error;
        wrong.push(`${bits}-bit ${disassemble(out)} (${out.form.row.encoding.opcode}): ${error.message}`);
      }
    }
  }
  const missed = decoder.forms
    .filter((f) => !seen.has(f))
    .map((f) => `${f.instruction.name} ${f.row.encoding.opcode} ${f.opBits} ${f.long}`);
  assert.deepEqual(wrong.slice(0, 40), []);
  assert.deepEqual(missed.slice(0, 40), []);
});

test('a fault in a read-modify-write leaves registers, flags and memory alone', () => {
  const out = new Decoded();
  for (const { bytes, bits } of variants()) {
    decoder.decode(bytes, 0, 15, { codeBits: bits }, out);
    if (out.form === undefined || !out.hasMem) continue;
    const m = new TestMachine();
    m.procedures = { ...ARITHMETIC_PROCEDURES };
    for (let n = 0; n < 16; n++) m.gpr[n] = 0x1000n * BigInt(n + 1);
    m.admits = () => false;
    const before = [...m.gpr];
    try {
      m.run(out, bits === 16 ? 16 : 32);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      assert.deepEqual(m.gpr, before, disassemble(out));
      assert.equal(m.memory.size, 0);
    }
  }
});

test('every instruction names its manual section', () => {
  for (const i of ALL_INSTRUCTIONS) assert.match(i.sdm, /^(SDM [123][A-D]?|Intel|AMD)/, i.name);
});
