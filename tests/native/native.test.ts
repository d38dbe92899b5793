// User-mode instructions on the host processor against the interpreter: registers, flags, x87, MMX, SSE, memory and faults.
// Undefined flags are masked. PCANEL_DEEP=1 compares 2,000 states of each form; PCANEL_SEED and PCANEL_ONLY
// (name part) choose cases.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ALL_INSTRUCTIONS, Decoded, Decoder, type Form } from '../../src/isa/index.js';
import { encode, Random, sizePrefixes } from '../differential/encode.js';
import { Guest, imageOf, type Mode, modeState, type RunResult, randomF80, randomXmm } from '../differential/machine.js';
import { tally } from '../support/tally.js';
import {
  CODE,
  compileRunner,
  DATA,
  DATA_BYTES,
  type Fpu,
  type HostCase,
  type HostResult,
  hashOf,
  hostFlags,
  layOut,
  removeRunner,
  runOnHost,
  STACK,
  STACK_BYTES,
  TAKEN,
} from './host.js';

const { env } = process;
const STATES = Number(env.PCANEL_STATES ?? (env.PCANEL_DEEP ? 2000 : 3));
/** Cases that one process of the runner takes. */
const CASES_PER_RUN = 4000;
const SEED = Number(env.PCANEL_SEED ?? 1);
const ONLY = env.PCANEL_ONLY;
const SHOW = Number(env.PCANEL_SHOW ?? 15);

const decoder = new Decoder(ALL_INSTRUCTIONS);
const guest = await Guest.create('off');

/** Privileged, dangerous to run here, dependent on the system, or different by vendor (approximations, transcendentals). */
const SKIPPED = new RegExp(
  `^(${[
    'in|out|ins|insb|outs|outsb|hlt|cli|sti|clts|invlpg|invpcid|invd|wbinvd|rdmsr|wrmsr|lmsw|vmcall|swapgs',
    'mov_(from|to)_(cr|dr|sreg)|push_sreg|pop_sreg|l[defgs]s|[ls][gil]dt|ltr|str|smsw|lar|lsl|verr|verw|[rw][dr][fg]sbase',
    'cpuid|rdtscp?|rdpmc|rdrand|rdseed|xgetbv|xsetbv|monitor|mwait|pause|clac|stac',
    'sys.*|int|int1|int3|into|iret|popf|pushf|jmp_far|call_far|ret_far|ret',
    'xsave.*|xrstor|fxsave|fxrstor|fnsave|fnstenv|frstor|fldenv',
    'rcpps|rcpss|rsqrtps|rsqrtss|fsin|fcos|fsincos|fptan|fpatan|f2xm1|fyl2x|fyl2xp1',
  ].join('|')})$`,
);
const host = hostFlags();
/** Names of /proc/cpuinfo that differ from ours. */
const FLAG_NAMES: Record<string, string> = { sse3: 'pni', cmpxchg16b: 'cx16', sha: 'sha_ni' };
const hostHas = (form: Form): boolean => {
  const { feature } = form.row.encoding;
  return feature === undefined || host.has(FLAG_NAMES[feature] ?? feature);
};
const isBranch = (form: Form): boolean => form.operands[0]?.kind === 'rel';
const usable = (form: Form): boolean =>
  !SKIPPED.test(form.instruction.name) &&
  // counts above 16 are undefined
  !(/^sh[lr]d$/.test(form.instruction.name) && form.opBits === 16) &&
  hostHas(form) &&
  (isBranch(form) || !/^(jmp|call)$/.test(form.instruction.name));

interface Case extends HostCase {
  readonly form: Form;
}
const STATUS: Record<string, bigint> = { c: 1n, p: 4n, a: 16n, z: 64n, s: 128n, o: 2048n };

function makeCase(form: Form, r: Random, bits: 32 | 64, decoded: Decoded): Case | null {
  const target = (bytes: number): bigint => {
    const at = r.chance(5) ? DATA + DATA_BYTES - r.below(bytes + 1) : DATA + 64 + r.below(DATA_BYTES - 256);
    return BigInt(r.chance(75) ? at & ~15 : at);
  };
  const encoded = encode(
    form,
    r,
    { codeBits: bits, rip: BigInt(CODE), target, branch: () => 0, plain: true },
    decoder,
    decoded,
  );
  if (encoded === null) return null;
  const code = encoded.bytes;
  if (isBranch(form)) {
    if (form.opBits === 16) return null;
    const short = form.row.encoding.operands.some((o) => o.method === 'J' && o.type === 'b');
    const size = short ? 1 : 4;
    new DataView(code.buffer).setInt8(code.length - size, TAKEN - CODE - code.length);
    if (!short) code.fill(0, code.length - 3);
  }
  const gpr = Array.from({ length: 16 }, (_, n) => {
    const v = r.chance(20) ? BigInt(DATA + r.below(DATA_BYTES - 64)) : r.interesting();
    return n >= 8 && bits === 32 ? 0n : BigInt.asUintN(bits, v);
  });
  gpr[4] = BigInt(STACK + STACK_BYTES / 2 + r.below(64) * 8);
  if (form.rep) {
    gpr[1] = BigInt(r.below(20));
    gpr[6] = BigInt(DATA + 0x400 + r.below(0x1000));
    gpr[7] = BigInt(DATA + 0x400 + r.below(0x1000));
  }
  if (form.instruction.name.startsWith('maskmov')) gpr[7] = BigInt(DATA + 0x400 + r.below(0x1000));
  if (form.instruction.name === 'xlat') gpr[3] = BigInt(DATA + r.below(0x1000));
  if (form.instruction.name === 'leave') gpr[5] = BigInt(STACK + STACK_BYTES / 2 + r.below(64) * 8);
  if (/^(loop|jrcxz)/.test(form.instruction.name) && r.chance(50)) gpr[1] = BigInt(r.below(3));
  if (/^bt[src]?$/.test(form.instruction.name) && form.mem && form.operands[1]?.kind === 'gpr') {
    // a bit offset in a register reaches far: it must stay in the data area
    const offset = decoded.operands[1]?.register ?? 0;
    if (encoded.registers.has(offset)) return null;
    gpr[offset] = BigInt.asUintN(bits, BigInt(r.below(1024) - 512));
  }
  for (const [n, v] of encoded.registers) gpr[n] = v;
  const patchBytes = new Uint8Array(32);
  const view = new DataView(patchBytes.buffer);
  if (r.chance(40)) {
    const f80 = randomF80(r);
    view.setBigUint64(0, BigInt.asUintN(64, f80), true);
    view.setUint16(8, Number(f80 >> 64n), true);
  } else {
    const x = r.chance(60) ? randomXmm(r) : r.interesting() | (r.interesting() << 64n);
    view.setBigUint64(0, BigInt.asUintN(64, x), true);
    view.setBigUint64(8, x >> 64n, true);
  }
  const offset = encoded.address >= 0n ? Number(encoded.address) - DATA : -1;
  const fpu: Fpu = {
    fcw: (r.chance(85) ? 0x7f : 0x40 | r.below(64)) | (r.pick([0, 2, 3, 3, 3]) << 8) | (r.below(4) << 10),
    fsw: (r.below(8) << 11) | (r.chance(30) ? r.u32() & 0x4700 : 0),
    tags: r.chance(60) ? 0xff : r.chance(50) ? 0 : r.below(256),
    mxcsr:
      (r.chance(85) ? 0x1f80 : r.below(64) << 7) |
      (r.below(4) << 13) |
      (r.chance(10) ? 0x8000 : 0) |
      (r.chance(10) ? 0x40 : 0),
    registers: Array.from({ length: 8 }, () => randomF80(r)),
    xmm: Array.from({ length: 16 }, (_, n) => (n >= 8 && bits === 32 ? 0n : randomXmm(r))),
  };
  return {
    form,
    gpr,
    flags: (BigInt(r.u32()) & 0x8d5n) | 0x202n | (r.chance(20) ? 0x400n : 0n),
    code,
    patch: offset >= 0 && offset + 32 <= DATA_BYTES ? offset : 0xffff_ffff,
    patchBytes,
    fpu,
  };
}

function runGuest(c: Case, mode: Mode): RunResult {
  const state = modeState(mode);
  state.rip = BigInt(CODE);
  c.gpr.forEach((v, n) => {
    state.gpr[n] = v;
  });
  state.rflags = c.flags;
  const { fpu } = state;
  fpu.fcw = c.fpu.fcw;
  fpu.fsw = c.fpu.fsw;
  fpu.ftw = 0;
  for (let n = 0; n < 8; n++) if (((c.fpu.tags >> n) & 1) === 0) fpu.ftw |= 3 << (2 * n);
  fpu.mxcsr = c.fpu.mxcsr;
  fpu.registers = [...c.fpu.registers];
  fpu.xmm = [...c.fpu.xmm];
  const image = imageOf(mode);
  layOut(image, c);
  guest.load(image, state, 0xffff_ffff);
  return guest.run(1, 1);
}

const PAGE_FAULT = 14;
const isMapped = (address: number): boolean =>
  (address >= CODE && address < CODE + 0x1000) ||
  (address >= DATA && address < DATA + DATA_BYTES) ||
  (address >= STACK && address < STACK + STACK_BYTES);
/** Condition codes of the status word that the SDM leaves undefined, or where AMD keeps C1 and Intel clears it. */
const UNDEFINED_CONDITIONS: readonly (readonly [RegExp, number])[] = [
  [/^ffreep?$/, 0x4700],
  [/^fu?comip?$/, 0x200],
];
const hex = (v: bigint | number): string => `0x${v.toString(16)}`;
function compare(c: Case, a: RunResult, b: HostResult, bits: 32 | 64): string[] {
  const found: string[] = [];
  const check = (what: string, x: bigint | number, y: bigint | number): void => {
    if (x !== y) found.push(`${what} ${hex(x)} / ${hex(y)}`);
  };
  const exit = JSON.parse(a.exits[0] ?? '{}') as { name?: string; vector?: number };
  const vector = exit.name === 'exceptionOrNmi' ? (exit.vector as number) : exit.name === 'preemptionTimer' ? -1 : -2;
  // The guest has more memory than the runner maps.
  if (b.trap === PAGE_FAULT && !isMapped(Number(b.address))) return [];
  // AMD processors take SHA operands at any address; the SDM's type 4 exceptions want them aligned.
  const misaligned = c.form.mem && c.patch % 16 !== 0;
  if (c.form.row.encoding.feature === 'sha' && misaligned && vector === 13 && b.trap === -1) return [];
  // Bit 17 of MXCSR is reserved on Intel processors and the misaligned mode of AMD's.
  const mxcsr = new DataView(c.patchBytes.buffer).getUint32(0, true);
  if (c.form.instruction.name === 'ldmxcsr' && vector === 13 && b.trap === -1 && (mxcsr & ~0xffff) === 0x2_0000)
    return [];
  // SDM Vol. 3A "Limit Checking": with a limit of FFFFFFFFH an access across 4 GiB may or may not fault. Ours wraps.
  if (bits === 32 && c.form.instruction.name === 'enter' && b.trap === 12) return [];
  check('exception', vector, b.trap);
  if (vector !== b.trap) return found;
  for (let n = 0; n < bits / 4 && n < 16; n++) check(`gpr.${n}`, a.state.gpr[n] as bigint, b.gpr[n] as bigint);
  check('rip', a.state.rip, b.rip);
  let mask = 0xcd5n;
  for (const name of c.form.instruction.undefinedFlags ?? []) mask &= ~(STATUS[name] as bigint);
  check('flags', a.state.rflags & mask, b.flags & mask);
  const { fpu } = a.state;
  check('fcw', fpu.fcw, b.fpu.fcw);
  const conditions = UNDEFINED_CONDITIONS.find(([names]) => names.test(c.form.instruction.name))?.[1] ?? 0;
  check('fsw', fpu.fsw & ~conditions, b.fpu.fsw & ~conditions);
  check('mxcsr', fpu.mxcsr, b.fpu.mxcsr);
  let tags = 0;
  for (let n = 0; n < 8; n++) if (((fpu.ftw >> (2 * n)) & 3) !== 3) tags |= 1 << n;
  check('tags', tags, b.fpu.tags);
  for (let n = 0; n < 8; n++) check(`R${n}`, fpu.registers[n] as bigint, b.fpu.registers[n] as bigint);
  for (let n = 0; n < (bits === 64 ? 16 : 8); n++) check(`xmm${n}`, fpu.xmm[n] as bigint, b.fpu.xmm[n] as bigint);
  if (hashOf(a.ram) !== b.hash) {
    const from = c.patch >= 16 && c.patch + 48 <= DATA_BYTES ? c.patch - 16 : 0;
    const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
    found.push(`memory ${text(a.ram.slice(DATA + from + 16, DATA + from + 48))} / ${text(b.window.slice(16, 48))}`);
  }
  return found;
}

describe('the interpreter does what the host processor does', () => {
  for (const bits of [64, 32] as const) {
    const runner = compileRunner(bits);
    const skip = typeof runner === 'string' ? runner : false;
    test(`${bits}-bit mode`, { skip }, (t) => {
      if (typeof runner === 'string') return;
      const mode: Mode = bits === 64 ? 'long3' : 'flat3';
      const decoded = new Decoded();
      const failures = new Map<string, string[]>();
      let cases: Case[] = [];
      let forms = 0;
      let compared = 0;
      const compareAll = (): void => {
        const results = runOnHost(runner.file, cases);
        cases.forEach((c, n) => {
          const found = compare(c, runGuest(c, mode), results[n] as HostResult, bits);
          if (found.length === 0) return;
          const bytes = Buffer.from(c.code).toString('hex');
          const list = failures.get(c.form.instruction.name) ?? [];
          failures.set(c.form.instruction.name, list);
          list.push(
            `${c.form.instruction.name} '${c.form.row.encoding.opcode}' ${c.form.opBits}-bit${c.form.mem ? ' memory' : ''}: ${bytes}\n      ${found.join('\n      ')}`,
          );
        });
        compared += cases.length;
        cases = [];
      };
      for (const form of decoder.forms) {
        if (form.long !== (bits === 64) || sizePrefixes(form, bits).length === 0 || !usable(form)) continue;
        const name = `${form.instruction.name} '${form.row.encoding.opcode}' ${form.opBits} ${form.mem}`;
        if (ONLY !== undefined && !name.includes(ONLY)) continue;
        let h = SEED;
        for (const ch of name) h = Math.imul(h ^ ch.charCodeAt(0), 0x01000193) >>> 0;
        const r = new Random(h);
        // Some random operands make no case (two addresses in one register): others take their place.
        let made = 0;
        for (let n = 0; made < STATES && n < 3 * STATES; n++) {
          const c = makeCase(form, r, bits, decoded);
          if (c === null) continue;
          made++;
          cases.push(c);
          if (cases.length === CASES_PER_RUN) compareAll();
        }
        if (made > 0) forms++;
      }
      compareAll();
      removeRunner(runner.file);
      tally(t, compared, forms, 'the host processor');
      assert.ok(compared > 0, 'no cases');
      const all = [...failures.values()];
      const count = all.reduce((sum, l) => sum + l.length, 0);
      const shown = all.slice(0, SHOW).map((l) => `(${l.length}) ${l[0]}`);
      assert.equal(
        count,
        0,
        `${count} of ${compared} cases differ (interpreter / host), names: ${[...failures.keys()].join(' ')}\n  ${shown.join('\n  ')}`,
      );
    });
  }
});
