// Random bytes as code, in every mode and privilege, over random page tables and descriptor tables: whatever happens, the
// processor ends in a VM exit or at its budget, nothing throws, and the state it leaves passes the checks of VM entry.
// PCANEL_DEEP=1 runs many more cases; PCANEL_SEED=n repeats one run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type CpuState,
  checkGuestState,
  flatProtectedState,
  longModeState,
  realModeState,
  type Vcpu,
  type VmExit,
} from '../../src/vmx/index.js';
import { plainControls } from '../../src/vmx/testing.js';
import { softwareEngine } from '../support/engine.js';

const CASES = process.env.PCANEL_DEEP === '1' ? 100_000 : 4_000;
const SEED = Number(process.env.PCANEL_SEED ?? 0x5eed);
const MEMORY_BYTES = 2 << 20;
const CODE = 0x8000;
const CODE_BYTES = 0x2000;
const PAGE_TABLES = 0x10000;
const GDT = 0x5000;
const IDT = 0x6000;
const TSS = 0x4000;
const BUDGET = 1500;
const MOST_EXITS = 60;

/** Numbers that depend on the seed alone (mulberry32). */
class Random {
  constructor(private state: number) {}
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }
  below(n: number): number {
    return this.next() % n;
  }
  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
  quad(): bigint {
    return (BigInt(this.next()) << 32n) | BigInt(this.next());
  }
  /** A register's value: an address in memory, a border case, or anything. */
  value(): bigint {
    const kind = this.below(6);
    if (kind < 3) return BigInt(this.below(MEMORY_BYTES));
    if (kind === 3)
      return this.pick([
        0n,
        1n,
        0xffn,
        0x7fffn,
        0xffffn,
        0x7fffffffn,
        0x80000000n,
        0xffffffffn,
        0xffff_ffff_ffff_ffffn,
        0x7fff_ffff_ffffn,
        0xffff_8000_0000_0000n,
      ]);
    return kind === 4 ? BigInt(this.below(64)) : this.quad();
  }
}

/** Openings that random bytes alone seldom hit: system, string, x87, SSE and segment instructions, prefixes. */
const OPENINGS: readonly (readonly number[])[] = [
  [0x0f],
  [0x0f, 0x01],
  [0x0f, 0x00],
  [0x0f, 0xae],
  [0x0f, 0xc7],
  [0x0f, 0x20],
  [0x0f, 0x22],
  [0x0f, 0x23],
  [0x0f, 0x38],
  [0x0f, 0x3a],
  [0x66, 0x0f],
  [0xf3, 0x0f],
  [0xf2, 0x0f],
  [0x66, 0x0f, 0x38],
  [0x66, 0x0f, 0x3a],
  [0x0f, 0x05],
  [0x0f, 0x34],
  [0x0f, 0x30],
  [0x0f, 0x32],
  [0xf3, 0xa4],
  [0xf3, 0xab],
  [0xf2, 0xae],
  [0xf3, 0x6c],
  [0xf3, 0x6e],
  [0xd8],
  [0xd9],
  [0xda],
  [0xdb],
  [0xdc],
  [0xdd],
  [0xde],
  [0xdf],
  [0x8e],
  [0x8c],
  [0xcf],
  [0xcb],
  [0xca],
  [0xea],
  [0x9a],
  [0xff],
  [0xcd],
  [0xcc],
  [0xce],
  [0xf1],
  [0x9c],
  [0x9d],
  [0xfa],
  [0xfb],
  [0xc8],
  [0xc9],
  [0xf0],
  [0x66],
  [0x67],
  [0x2e],
  [0x36],
  [0x64],
  [0x65],
  [0x48],
  [0x4c],
  [0x41],
  [0xe8],
  [0xe9],
  [0xeb],
  [0x74],
  [0xe2],
  [0xc3],
  [0xc2],
];

function writeCode(memory: { writeBytes(gpa: number, data: Uint8Array): void }, random: Random): void {
  const code = new Uint8Array(CODE_BYTES);
  for (let at = 0; at < CODE_BYTES; ) {
    if (random.chance(2)) for (const b of random.pick(OPENINGS)) if (at < CODE_BYTES) code[at++] = b;
    for (let n = random.below(5); n >= 0 && at < CODE_BYTES; n--) code[at++] = random.below(256);
  }
  memory.writeBytes(CODE, code);
}

interface Words {
  writeU32(gpa: number, value: number): void;
}
const write64 = (memory: Words, at: number, value: bigint): void => {
  memory.writeU32(at, Number(value & 0xffff_ffffn));
  memory.writeU32(at + 4, Number(value >> 32n));
};
/** Rights of a page: mostly all, sometimes not present, read-only, supervisor, reserved bits, out of memory. */
function pageEntry(random: Random, page: number, wide: boolean): bigint {
  let entry = BigInt(page << 12) | 7n;
  if (page < 0x20 && !random.chance(30)) return entry; // code, stack and tables
  if (random.chance(12)) entry &= ~(1n << BigInt(random.below(3)));
  if (random.chance(40)) entry ^= 1n << BigInt(random.below(wide ? 64 : 32));
  if (random.chance(60)) entry = (entry & 0xfffn) | 0xfee0_0000n;
  return entry;
}
function writeTables(memory: Words, random: Random, ia32e: boolean, pae: boolean): void {
  if (ia32e || pae) {
    // PML4 at +0, PDPT at +1000, PD at +2000, PT at +3000
    write64(memory, PAGE_TABLES, BigInt(PAGE_TABLES + 0x1000) | 7n);
    for (let i = 0; i < 4; i++)
      write64(memory, PAGE_TABLES + 0x1000 + 8 * i, BigInt(PAGE_TABLES + 0x2000) | (ia32e ? 7n : 1n));
    write64(memory, PAGE_TABLES + 0x2000, BigInt(PAGE_TABLES + 0x3000) | 7n);
    for (let i = 1; i < 512; i++) write64(memory, PAGE_TABLES + 0x2000 + 8 * i, random.chance(3) ? 0xe7n : 0n);
    for (let i = 0; i < 512; i++) write64(memory, PAGE_TABLES + 0x3000 + 8 * i, pageEntry(random, i, true));
  } else {
    memory.writeU32(PAGE_TABLES, (PAGE_TABLES + 0x3000) | 7);
    for (let i = 1; i < 1024; i++) memory.writeU32(PAGE_TABLES + 4 * i, random.chance(3) ? 0xe7 : 0);
    for (let i = 0; i < 1024; i++)
      memory.writeU32(PAGE_TABLES + 0x3000 + 4 * i, Number(pageEntry(random, i & 511, false)));
  }
  // descriptors: usable ones below, then anything
  const usable = [
    0n,
    0x00cf9b000000ffffn,
    0x00cf93000000ffffn,
    0x00cffb000000ffffn,
    0x00cff3000000ffffn,
    0x00af9b000000ffffn,
    0x00affb000000ffffn,
    0x008f9b000000ffffn,
    0x00009f000000ffffn,
    0x0000890040000067n,
  ];
  for (let i = 0; i < 64; i++)
    write64(
      memory,
      GDT + 8 * i,
      usable[i] ?? (random.chance(2) ? random.quad() : random.pick(usable) ^ (1n << BigInt(random.below(64)))),
    );
  const gate = ia32e ? 16 : 8;
  for (let v = 0; v < 256; v++) {
    const at = IDT + v * gate;
    if (at + gate > IDT + 0x1000) break;
    const target = BigInt(CODE + random.below(CODE_BYTES));
    const type = random.pick([0x8e, 0x8f, 0xee, 0xef, 0xee, 0x8e, random.chance(3) ? random.below(256) : 0xee]);
    const selector = BigInt(ia32e ? 0x28 : random.pick([0x08, 0x08, 0x18, 0x48]));
    write64(memory, at, (target & 0xffffn) | (selector << 16n) | (BigInt(type) << 40n) | ((target >> 16n) << 48n));
    if (ia32e) write64(memory, at + 8, 0n);
  }
  for (let i = 0; i < 0x100; i += 4)
    memory.writeU32(TSS + i, random.chance(4) ? random.next() : random.below(MEMORY_BYTES));
  for (const [at, value] of [
    [4, 0x9000],
    [8, 0x10],
    [12, 0x9000],
    [0x1c, PAGE_TABLES],
    [100, 0x68_0000],
  ] as const)
    memory.writeU32(TSS + at, value);
}

const MODES = ['real', 'v86', 'protected16', 'protected32', 'paged', 'pae', 'compatibility', 'long'] as const;

function randomState(random: Random, mode: (typeof MODES)[number]): CpuState {
  const entry = CODE + random.below(64);
  const ia32e = mode === 'long' || mode === 'compatibility';
  const state =
    mode === 'real'
      ? realModeState(0, entry)
      : ia32e
        ? longModeState(BigInt(entry), PAGE_TABLES, 0x9000n)
        : flatProtectedState(entry, 0x9000);
  for (let i = 0; i < 16; i++)
    if (i !== 4 || random.chance(8)) state.gpr[i] = ia32e ? random.value() : random.value() & 0xffff_ffffn;
  const s = state.segments;
  const user = mode !== 'real' && random.chance(2);
  if (mode === 'v86') {
    state.rflags |= 0x2_0000n;
    for (const n of ['cs', 'ss', 'ds', 'es', 'fs', 'gs'] as const) {
      const selector = n === 'cs' ? 0 : random.below(0x1000);
      s[n] = { selector, base: BigInt(selector) << 4n, limit: 0xffff, accessRights: 0xf3 };
    }
  } else if (mode !== 'real') {
    const level = user ? 3 : 0;
    const code = mode === 'long' ? 0xa09b : mode === 'protected16' ? 0x809b : 0xc09b;
    const selector = mode === 'long' ? (user ? 0x33 : 0x28) : user ? 0x1b : 8;
    s.cs = { ...s.cs, selector, base: 0n, limit: 0xffff_ffff, accessRights: code | (level << 5) };
    for (const n of ['ss', 'ds', 'es', 'fs', 'gs'] as const) {
      const flat = mode === 'long' || n === 'ss' || random.chance(2);
      const big = mode === 'protected16' ? 0x8000 : 0xc000;
      s[n] = {
        selector: user ? 0x23 : 0x10,
        base: flat ? 0n : BigInt(random.below(0x1000)),
        limit: flat ? 0xffff_ffff : 0xfffff | (random.below(4) << 20) | 0xfff,
        accessRights: big | 0x93 | (level << 5),
      };
    }
  }
  state.gdtr = { base: BigInt(GDT), limit: 0x1ff };
  state.idtr = {
    base: mode === 'real' ? 0n : BigInt(IDT),
    limit: random.chance(8) ? random.below(0x400) : mode === 'real' ? 0x3ff : 0xfff,
  };
  if (mode !== 'real')
    s.tr = { selector: 0x48, base: BigInt(TSS), limit: random.chance(8) ? 0x67 : 0xff, accessRights: 0x8b };
  state.rflags |=
    BigInt(
      random.below(2) * 0x200 +
        random.below(4) * 0x1000 +
        (random.chance(10) ? 0x100 : 0) +
        (random.chance(6) ? 0x40000 : 0),
    ) & (ia32e || mode !== 'real' ? ~0n : ~0x4_0000n);
  if (mode === 'paged' || mode === 'pae' || (mode === 'v86' && random.chance(2))) {
    state.cr3 = BigInt(mode === 'pae' ? PAGE_TABLES + 0x1000 : PAGE_TABLES);
    state.cr0 |= 0x8000_0000n;
    if (mode === 'pae') state.cr4 |= 0x20n;
    state.cr4 |= 0x10n;
  }
  for (const bit of [0n, 1n, 3n, 7n, 9n, 10n, 11n, 18n, 20n, 21n]) if (random.chance(2)) state.cr4 |= 1n << bit;
  for (const bit of [1n, 2n, 3n, 5n, 16n, 18n]) if (random.chance(3)) state.cr0 |= 1n << bit;
  if (random.chance(6)) {
    for (let i = 0; i < 4; i++) state.dr[i] = BigInt(CODE + random.below(CODE_BYTES));
    state.dr[5] = 0x400n | (random.quad() & 0xffff_00ffn);
  }
  if (ia32e || random.chance(3)) state.efer |= 1n | (random.chance(2) ? 0x800n : 0n);
  state.lstar = BigInt(CODE + random.below(CODE_BYTES));
  state.star = 0x0013_0008_0000_0000n;
  state.sysenterCs = random.pick([0, 8]);
  state.sysenterEip = BigInt(CODE + random.below(CODE_BYTES));
  state.sysenterEsp = 0x9000n;
  return state;
}

const ENDS = new Set<VmExit['name']>(['hlt', 'tripleFault', 'preemptionTimer']);
/** Answers an exit as some monitor might; true: the case is over. */
function answer(exit: VmExit, vcpu: Vcpu, random: Random): boolean {
  if (ENDS.has(exit.name)) return true;
  switch (exit.name) {
    case 'ioInstruction':
      if (exit.isIn) vcpu.completeRead(random.quad());
      else vcpu.completeWrite();
      return false;
    case 'eptViolation':
      if (exit.isWrite) vcpu.completeWrite();
      else vcpu.completeRead(random.quad());
      return false;
    case 'rdmsr':
    case 'wrmsr':
      if (random.chance(2)) vcpu.failInstruction(13, 0);
      else if (exit.name === 'rdmsr') vcpu.completeRead(random.quad());
      else vcpu.completeWrite();
      return false;
    default:
      assert.notEqual(
        exit.name,
        'internalError',
        JSON.stringify(exit, (_, v) => (typeof v === 'bigint' ? v.toString(16) : v)),
      );
      assert.notEqual(exit.name, 'entryFailureGuestState', JSON.stringify(exit));
      vcpu.skipInstruction();
      return false;
  }
}

test(`${CASES} streams of random bytes end in a defined state (seed ${SEED})`, async () => {
  const engine = await softwareEngine();
  const vm = await engine.createVm({
    memoryBytes: MEMORY_BYTES,
    vcpus: 1,
    time: 'virtual',
    tscHz: 1e9,
    nowNs: () => 0,
  });
  const [vcpu] = vm.vcpus;
  assert.ok(vcpu);
  Object.assign(vcpu.controls, {
    ...plainControls(),
    ioBitmap: vcpu.controls.ioBitmap.fill(0xff),
    msrBitmap: vcpu.controls.msrBitmap,
  });
  vcpu.applyControls();
  const ended = new Map<string, number>();
  let instructions = 0;
  for (let n = 0; n < CASES; n++) {
    const random = new Random(SEED + n * 7919);
    const mode = random.pick(MODES);
    const what = `case ${n} of seed ${SEED}, ${mode}`;
    writeCode(vm.memory, random);
    writeTables(vm.memory, random, mode === 'long' || mode === 'compatibility', mode === 'pae');
    const state = randomState(random, mode);
    const bad = checkGuestState(state, vcpu.controls);
    assert.deepEqual(bad, [], `${what}: the start is no guest state`);
    vcpu.writeState(state);
    let last = '';
    try {
      for (let i = 0; i < MOST_EXITS; i++) {
        const before = vcpu.counters.instructions;
        const exit: VmExit = vcpu.enter(BUDGET);
        const ran = vcpu.counters.instructions - before;
        assert.ok(ran >= 0 && ran <= BUDGET + 1, `${ran} instructions`);
        instructions += ran;
        last = exit.name;
        if (exit.name !== 'tripleFault') {
          const left = checkGuestState(vcpu.readState(), vcpu.controls);
          assert.deepEqual(left, [], 'the state that it leaves');
        }
        if (answer(exit, vcpu, random)) break;
        if (random.chance(10) && vcpu.interruptible())
          vcpu.inject({ type: 'externalInterrupt', vector: 32 + random.below(224) });
      }
    } catch (error) {
      throw new Error(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`, {
        cause: error,
      });
    }
    ended.set(last, (ended.get(last) ?? 0) + 1);
  }
  vm.close();
  // the sample has to get somewhere
  assert.ok((ended.get('tripleFault') ?? 0) < CASES * 0.7, JSON.stringify([...ended]));
  assert.ok(instructions > CASES * 5, `${instructions} instructions`);
});
