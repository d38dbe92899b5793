// Integer instructions on the host processor: the same instruction on the same random registers, flags and memory, run by
// native-runner.c and by the test machine of testing.ts. Undefined flags are left out. Needs gcc on x86-64 (and its 32-bit
// libraries for the instructions that 64-bit mode lacks); skipped with the reason printed where they are missing.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Decoded, Decoder, disassemble, INTEGER_INSTRUCTIONS, parseOpcode, type Row } from './index.js';
import { ARITHMETIC_PROCEDURES, Fault, TestMachine } from './testing.js';

const WINDOW = 0x10000000n;
const WINDOW_BYTES = 512;
const CODE = 0x10010000n;
const IN_BYTES = 24 + 136 + WINDOW_BYTES;
const OUT_BYTES = 8 + 136 + WINDOW_BYTES;
const SIGFPE = 8;
const STATUS = { c: 1n, p: 4n, a: 16n, z: 64n, s: 128n, o: 2048n } as const;
const ALL_STATUS = 0x8d5n;
const ROUNDS = Number(process.env.PCANEL_NATIVE_ROUNDS ?? 24);

/** What needs privileges, a procedure that is not here, or leaves the instruction stream. */
const EXCLUDED =
  /^(j|call|ret|loop|int|iret|bound|enter|pushf|popf|push_sreg|pop_sreg|mov_|l[defgs]s$|[sl][gi]dt|sldt|str|lldt|ltr|ver|lar|lsl|arpl|rd|wr|swapgs|sys|lmsw|smsw|clts|inv|hlt|cpuid|x[gs]etbv|wbinvd|monitor|mwait|vmcall|fx|xsave|xrstor|ud|cli|sti|clac|stac|cmpxchg8b|cmpxchg16b|pause|in|out|cl[cd]$|fwait|clflush|movs|cmps|stos|lods|scas|sidt)/;
const INCLUDED = /^(inc|clc|cld|movsx|movsxd)$/;
const chosen = (row: Row): boolean =>
  INCLUDED.test(row.instruction.name) || !EXCLUDED.test(row.instruction.name) || row.instruction.name === 'mov';

function random(seed: number): { below(n: number): number; word(): bigint } {
  let x = seed;
  const step = (): number => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
  return {
    below: (n) => step() % n,
    word: () => (BigInt(step()) << 32n) | BigInt(step()),
  };
}
type Random = ReturnType<typeof random>;
const CORNERS = [0n, 1n, 2n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fffffffn, 0x80000000n, 0xffffffffn];
function registerValue(r: Random, bits: 32 | 64): bigint {
  const v = r.below(3) === 0 ? (CORNERS[r.below(CORNERS.length)] as bigint) : r.word() >> BigInt(r.below(64));
  return BigInt.asUintN(bits, r.below(4) === 0 ? -v : v);
}

interface Case {
  readonly text: string;
  readonly code: Uint8Array;
  readonly row: Row;
  readonly gpr: readonly bigint[];
  readonly flags: bigint;
  readonly memory: Uint8Array;
  readonly machine: TestMachine;
  readonly fault: number | undefined;
  /** The result is undefined by the manual. */
  readonly open: boolean;
}

function makeCode(row: Row, bits: 32 | 64, r: Random): Uint8Array {
  const p = parseOpcode(row.encoding, row.instruction.name);
  const b: number[] = [];
  if (r.below(3) === 0) b.push(0x66);
  if (row.instruction.name === 'lea' && r.below(4) === 0) b.push(0x67);
  if (p.prefix > 0) b.push([0, 0x66, 0xf3, 0xf2][p.prefix] as number);
  if (bits === 64 && r.below(2) === 0) b.push(0x40 + r.below(16));
  if (p.map > 0) b.push(0x0f);
  if (p.map > 1) b.push(p.map === 2 ? 0x38 : 0x3a);
  b.push(p.opcode + (p.opcodeRegister ? r.below(8) : 0));
  if (p.modrm) {
    const digit = p.digit >= 0 ? p.digit : r.below(8);
    // Memory operands are [rDI + disp8]: the middle of the window. LEA touches none: any address.
    if (row.instruction.name === 'lea') b.push((r.below(3) << 6) | r.below(64));
    else if (p.mod !== 'reg' && (p.mod === 'mem' || r.below(2) === 0)) b.push(0x47 | (digit << 3), r.below(32));
    else b.push(0xc0 | (digit << 3) | r.below(8));
  }
  while (b.length < 15) b.push(r.below(256));
  return Uint8Array.from(b);
}

function makeCase(row: Row, bits: 32 | 64, decoder: Decoder, out: Decoded, r: Random): Case | undefined {
  const code = makeCode(row, bits, r);
  if (row.encoding.operands.some((o) => o.method === 'O')) return undefined; // absolute addresses
  const length = decoder.decode(code, 0, 15, { codeBits: bits }, out);
  if (out.form?.row !== row) return undefined;
  const name = row.instruction.name;
  const machine = new TestMachine();
  machine.rip = CODE;
  machine.procedures = { ...ARITHMETIC_PROCEDURES };
  const count = bits === 64 ? 16 : 8;
  for (let n = 0; n < count; n++) machine.gpr[n] = registerValue(r, bits);
  machine.gpr[4] = WINDOW + 256n;
  machine.gpr[7] = WINDOW + 256n;
  if (name === 'leave') machine.gpr[5] = WINDOW + BigInt(r.below(400));
  if (name === 'xlat') machine.gpr[3] = WINDOW + 64n;
  if ((out.rex & 1) !== 0) machine.gpr[15] = WINDOW + 256n;
  // Bit offsets reach beyond the operand: keep them inside the window.
  if (/^bt[rsc]?$/.test(name) && out.hasMem) machine.gpr[out.reg] = BigInt.asUintN(bits, BigInt(r.below(1600) - 800));
  if (out.hasMem && (out.base === 7 || out.base === 15)) machine.gpr[out.base] = WINDOW + 256n;
  if (/^i?div$/.test(name) && r.below(3) > 0) machine.gpr[2] = BigInt(r.below(4));
  machine.eflags = r.word() & ALL_STATUS;
  const memory = Uint8Array.from({ length: WINDOW_BYTES }, () => r.below(256));
  memory.forEach((byte, i) => {
    machine.memory.set(WINDOW + BigInt(i), byte);
  });
  machine.admits = (address) => address >= WINDOW && address < WINDOW + BigInt(WINDOW_BYTES);
  const gpr = [...machine.gpr];
  const flags = machine.eflags;
  const opened = out.operands[out.operandCount - 1];
  let open = false;
  if (/^sh[lr]d$/.test(name) && out.opBits === 16) {
    const n = Number(opened?.kind === 1 ? (gpr[1] as bigint) & 31n : BigInt((opened?.immLo ?? 0) & 31));
    open = n > 16;
  }
  if (name === 'bswap' && out.opBits === 16) open = true;
  let fault: number | undefined;
  try {
    machine.run(out, 32);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (error.vector === 14) return undefined; // outside the window: not a test of semantics
    fault = error.vector;
  }
  if (bits === 32)
    machine.gpr.forEach((v, n) => {
      machine.gpr[n] = v & 0xffffffffn;
    });
  return {
    text: `${disassemble(out)} [${[...code.subarray(0, length)].map((v) => v.toString(16).padStart(2, '0')).join(' ')}]`,
    code: code.subarray(0, length),
    row,
    gpr,
    flags,
    memory,
    machine,
    fault,
    open,
  };
}

function differs(c: Case, view: DataView, base: number, memory: Uint8Array): string | undefined {
  const signal = view.getUint32(base, true);
  if (c.fault !== undefined || signal !== 0) {
    return c.fault === 0 && signal === SIGFPE ? undefined : `signal ${signal}, fault ${c.fault}`;
  }
  for (let n = 0; n < 16; n++) {
    const host = view.getBigUint64(base + 8 + 8 * n, true);
    if (host !== c.machine.gpr[n])
      return `register ${n}: host ${host.toString(16)}, ours ${c.machine.gpr[n]?.toString(16)}`;
  }
  let defined = ALL_STATUS;
  for (const f of c.row.instruction.undefinedFlags ?? []) defined &= ~STATUS[f];
  const host = view.getBigUint64(base + 136, true) & defined;
  const ours = c.machine.eflags & defined;
  if (host !== ours) return `flags: host ${host.toString(16)}, ours ${ours.toString(16)}`;
  for (let i = 0; i < WINDOW_BYTES; i++) {
    const v = c.machine.memory.get(WINDOW + BigInt(i)) ?? 0;
    if (v !== memory[i]) return `memory ${i}: host ${memory[i]?.toString(16)}, ours ${v.toString(16)}`;
  }
  return undefined;
}

for (const bits of [64, 32] as const) {
  test(`integer instructions agree with the host processor (${bits}-bit)`, (t) => {
    if (process.arch !== 'x64') return t.skip(`the host is ${process.arch}, not x86-64`);
    const folder = mkdtempSync(join(tmpdir(), 'pcanel-isa-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const runner = join(folder, 'runner');
    const built = spawnSync(
      'gcc',
      [`-m${bits}`, '-O1', '-no-pie', '-fno-pie', '-o', runner, 'src/isa/native-runner.c'],
      { encoding: 'utf8' },
    );
    if (built.error) return t.skip("no 'gcc' found");
    if (built.status !== 0) return t.skip(`gcc -m${bits} cannot build: ${built.stderr.trim().split('\n').pop()}`);
    const decoder = new Decoder(INTEGER_INSTRUCTIONS);
    const out = new Decoded();
    const r = random(4711 + bits);
    const cases: Case[] = [];
    const reached = new Set<string>();
    for (const row of decoder.rows.filter(chosen)) {
      for (let n = 0; n < ROUNDS; n++) {
        const c = makeCase(row, bits, decoder, out, r);
        if (c === undefined) continue;
        cases.push(c);
        reached.add(row.instruction.name);
      }
    }
    const input = Buffer.alloc(cases.length * IN_BYTES);
    cases.forEach((c, i) => {
      const at = i * IN_BYTES;
      input.set(c.code, at);
      input.writeUInt32LE(c.code.length, at + 16);
      c.gpr.forEach((v, n) => {
        input.writeBigUInt64LE(v, at + 24 + 8 * n);
      });
      input.writeBigUInt64LE(c.flags | 0x202n, at + 152);
      input.set(c.memory, at + 160);
    });
    const run = spawnSync(runner, { input, maxBuffer: 1 << 30 });
    assert.equal(run.status, 0, `runner ended with ${run.signal ?? run.status}`);
    assert.equal(run.stdout.length, cases.length * OUT_BYTES);
    const view = new DataView(run.stdout.buffer, run.stdout.byteOffset, run.stdout.length);
    const wrong: string[] = [];
    cases.forEach((c, i) => {
      if (c.open) return;
      const at = i * OUT_BYTES;
      const difference = differs(c, view, at, run.stdout.subarray(at + 144, at + OUT_BYTES));
      if (difference !== undefined) {
        wrong.push(
          `${c.text}: ${difference} (flags ${c.flags.toString(16)}, rax ${c.gpr[0]?.toString(16)}, rcx ${c.gpr[1]?.toString(16)})`,
        );
      }
    });
    t.diagnostic(`${cases.length} cases of ${reached.size} instructions`);
    assert.deepEqual(wrong.slice(0, 40), []);
    assert.ok(reached.size > 90, `only ${reached.size} instructions reached`);
  });
}
