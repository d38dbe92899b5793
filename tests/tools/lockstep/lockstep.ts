// Runs one guest in the software engine and in QEMU, instruction by instruction, and reports the first whose registers
// differ. Usage and limits: docs/debugging.md. Source of what may differ: Intel SDM Vol. 2, "Flags Affected" (undefined flags).
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { GPR_NAMES } from '../../../src/arch/index.js';
import { ALL_INSTRUCTIONS, Decoded, Decoder, disassemble } from '../../../src/isa/index.js';
import { type BootSource, createMachine } from '../../../src/machine/index.js';
import type { CpuState, Vcpu, VmExit } from '../../../src/vmx/index.js';
import { softwareEngine } from '../../support/engine.js';
import { GdbRemote } from './gdb-remote.js';

const SELECTORS = ['cs', 'ss', 'ds', 'es', 'fs', 'gs'] as const;
const CF = 1n;
const PF = 4n;
const AF = 0x10n;
const ZF = 0x40n;
const SF = 0x80n;
const OF = 0x800n;
const STATUS = CF | PF | AF | ZF | SF | OF;
/** Flags that an instruction leaves undefined. */
const UNDEFINED: readonly (readonly [RegExp, bigint])[] = [
  [/^(and|or|xor|test)$/, AF],
  [/^(shl|shr|sal|sar|shld|shrd)$/, AF | OF | CF],
  [/^(rol|ror|rcl|rcr)$/, OF],
  [/^(mul|imul)$/, PF | AF | ZF | SF],
  [/^(div|idiv)$/, STATUS],
  [/^(bsf|bsr)$/, STATUS & ~ZF],
  [/^(bt|bts|btr|btc)$/, PF | AF | SF | OF],
  [/^(aam|aad)$/, CF | AF | OF],
  [/^(aaa|aas)$/, PF | ZF | SF | OF],
  [/^(daa|das)$/, OF],
];
/** Registers that QEMU decides: values of devices, clocks, identification. */
const FOLLOWED = /^(in|cpuid|rdtsc|rdtscp|rdmsr|rdrand|rdseed|rdpmc|xgetbv)$/;

const { values: options } = parseArgs({
  options: {
    multiboot: { type: 'string' },
    linux: { type: 'string' },
    initrd: { type: 'string' },
    flat: { type: 'string' },
    gpa: { type: 'string', default: '0x100000' },
    mode: { type: 'string', default: 'protected32' },
    cmdline: { type: 'string', default: '' },
    memory: { type: 'string', default: '32' },
    cpu: { type: 'string', default: 'Nehalem' },
    steps: { type: 'string', default: '100000' },
    from: { type: 'string' },
    port: { type: 'string', default: '7790' },
  },
});
const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

function bootSource(): BootSource {
  const named = (path: string): { name: string; data: Uint8Array } => ({ name: path, data: readFileSync(path) });
  const { multiboot, linux, initrd, flat, cmdline, mode } = options;
  if (multiboot !== undefined) return { kind: 'multiboot', kernel: named(multiboot), cmdline };
  if (linux !== undefined)
    return { kind: 'linux', kernel: named(linux), cmdline, ...(initrd !== undefined && { initrd: named(initrd) }) };
  if (flat !== undefined) {
    if (mode !== 'real' && mode !== 'protected32' && mode !== 'long')
      throw new Error(`mode ${mode}, expected real, protected32 or long`);
    return { kind: 'flat', kernel: named(flat), gpa: Number(options.gpa), mode };
  }
  throw new Error('no guest: expected --multiboot FILE, --linux FILE or --flat FILE');
}

/** Real-mode code that brings a processor from reset into the mode of `s`; ends in a jump to itself at `end`. */
function trampoline(s: CpuState, at: number): { code: Uint8Array; end: bigint } {
  const code: number[] = [];
  const u16 = (v: number): number[] => [v & 0xff, v >> 8];
  const u32 = (v: bigint): number[] => [0, 8, 16, 24].map((n) => Number((v >> BigInt(n)) & 0xffn));
  const data = 0x80;
  const moveEax = (v: bigint): number[] => [0x66, 0xb8, ...u32(v)];
  code.push(0xfa, 0x2e, 0x66, 0x0f, 0x01, 0x16, ...u16(at + data), 0x2e, 0x66, 0x0f, 0x01, 0x1e, ...u16(at + data + 8));
  const ia32e = (s.efer & 0x400n) !== 0n;
  if (s.cr4 !== 0n) code.push(...moveEax(s.cr4), 0x0f, 0x22, 0xe0);
  if (s.cr3 !== 0n) code.push(...moveEax(s.cr3), 0x0f, 0x22, 0xd8);
  if (s.efer !== 0n)
    code.push(...moveEax(s.efer & ~0x400n), 0x66, 0x31, 0xd2, 0x66, 0xb9, ...u32(0xc0000080n), 0x0f, 0x30);
  if ((s.cr0 & 1n) !== 0n) {
    code.push(...moveEax(s.cr0), 0x0f, 0x22, 0xc0);
    code.push(0x66, 0xea, ...u32(BigInt(at + code.length + 8)), ...u16(s.segments.cs.selector));
    // 32-bit or 64-bit code from here
    for (const [n, modrm] of [
      ['ds', 0xd8],
      ['es', 0xc0],
      ['ss', 0xd0],
      ['fs', 0xe0],
      ['gs', 0xe8],
    ] as const) {
      const { selector, accessRights } = s.segments[n];
      code.push(0xb8, ...u32(BigInt(accessRights & 0x10000 ? 0 : selector)));
      if (n !== 'ss' || selector !== 0 || ia32e) code.push(0x8e, modrm);
    }
  }
  const end = BigInt(at + code.length);
  code.push(0xeb, 0xfe);
  if (code.length > data) throw new Error('trampoline too long');
  while (code.length < data) code.push(0);
  code.push(...u16(s.gdtr.limit), ...u32(s.gdtr.base), 0, 0, ...u16(s.idtr.limit), ...u32(s.idtr.base));
  return { code: Uint8Array.from(code), end };
}

const machine = await createMachine(
  { name: 'lockstep', memoryBytes: Number(options.memory) * 2 ** 20, boot: bootSource(), time: 'virtual' },
  { engine: await softwareEngine(), nowNs: () => 0, wallClockMs: 0, console: { write: () => {} } },
);
const { vcpu, vm } = machine;
vcpu.controls.ioBitmap.fill(0xff);
vcpu.applyControls();
const start = vcpu.readState();
const memoryBytes = vm.memory.slots.reduce((sum, s) => Math.max(sum, s.gpa + s.sizeBytes), 0);
const qemu = await GdbRemote.start({ cpu: options.cpu, memoryBytes, port: Number(options.port) });

/** Memory and state into QEMU. */
async function load(): Promise<void> {
  const zero = new Uint8Array(4096);
  for (const slot of vm.memory.slots)
    for (let at = 0; at < slot.sizeBytes; at += 4096) {
      const page = vm.memory.readBytes(slot.gpa + at, 4096);
      if (Buffer.compare(page, zero) !== 0) await qemu.writeMemory(slot.gpa + at, page);
    }
  const AT = 0x6000;
  const saved = vm.memory.readBytes(AT, 0x100);
  const { code, end } = trampoline(start, AT);
  await qemu.writeMemory(AT, code);
  await qemu.writeRegisters(
    new Map([
      ['cs', 0n],
      ['rip', BigInt(AT)],
    ]),
  );
  for (let n = 0; ; n++) {
    if (n > 100) throw new Error('QEMU did not reach the mode of the guest');
    await qemu.step();
    const now = await qemu.readRegisters();
    if (now.get('rip') === end) break;
  }
  await qemu.writeMemory(AT, saved);
  await qemu.writeRegisters(
    new Map([
      ...GPR_NAMES.map((name, i) => [name, start.gpr[i] as bigint] as const),
      ['rip', start.rip],
      ['eflags', start.rflags],
    ]),
  );
}

const decoder = new Decoder(ALL_INSTRUCTIONS);
const decoded = new Decoded();
/** Name, text and kind of the instruction at the state's RIP; read through the engine's own page tables when they map it. */
function instructionAt(
  s: CpuState,
  bytes: Uint8Array,
): { name: string; text: string; repeats: boolean; length: number } {
  const access = s.segments.cs.accessRights;
  const codeBits = (s.efer & 0x400n) !== 0n && access & 0x2000 ? 64 : access & 0x4000 ? 32 : 16;
  const length = decoder.decode(bytes, 0, bytes.length, { codeBits }, decoded);
  if (length === 0 || decoded.form === undefined)
    return { name: '(bad)', text: `(bad) ${Buffer.from(bytes).toString('hex')}`, repeats: false, length: 0 };
  const { name } = decoded.form.instruction;
  const repeats = decoded.rep !== 0 && /^(movs|stos|lods|cmps|scas|ins|outs)/.test(name);
  return { name, text: disassemble(decoded, s.rip), repeats, length };
}
async function codeBytes(s: CpuState): Promise<Uint8Array> {
  const linear = s.rip + (s.efer & 0x400n && s.segments.cs.accessRights & 0x2000 ? 0n : s.segments.cs.base);
  const answer = await qemu.request(`m${linear.toString(16)},f`);
  return /^E/.test(answer) ? new Uint8Array(15) : Uint8Array.from(Buffer.from(answer, 'hex'));
}

/** Reads of absent hardware answer as QEMU's do; true: the guest has stopped. */
function answer(exit: VmExit, v: Vcpu): boolean {
  switch (exit.name) {
    case 'hlt':
    case 'tripleFault':
      return true;
    case 'ioInstruction':
      if (exit.isIn) v.completeRead(0n);
      else v.completeWrite();
      return false;
    case 'eptViolation':
      if (exit.isWrite) v.completeWrite();
      else v.completeRead(0n);
      return false;
    case 'rdmsr':
      v.completeRead(0n);
      return false;
    case 'wrmsr':
      v.completeWrite();
      return false;
    case 'preemptionTimer':
      return false;
    default:
      v.skipInstruction();
      return false;
  }
}
/** One instruction of ours, a repeated one to its end; false: the guest has stopped. */
function stepOurs(repeats: boolean): boolean {
  const rip = vcpu.readRip();
  for (let n = 0; n < 1_000_000; n++) {
    const before = vcpu.counters.instructions;
    const exit = vcpu.enter(1);
    if (answer(exit, vcpu)) return false;
    if (vcpu.counters.instructions !== before && (!repeats || vcpu.readRip() !== rip)) return true;
    if (vcpu.counters.instructions === before && vcpu.readRip() !== rip) return true; // a fault was delivered
  }
  throw new Error('no progress');
}
/** QEMU steps a repeated instruction by its iterations: a long one runs to a breakpoint behind it. */
async function stepQemu(repeats: boolean, before: CpuState, length: number): Promise<Map<string, bigint>> {
  if (repeats && (before.gpr[1] as bigint) > 16n) {
    const base = before.efer & 0x400n && before.segments.cs.accessRights & 0x2000 ? 0n : before.segments.cs.base;
    await qemu.runTo(base + before.rip + BigInt(length));
    return qemu.readRegisters();
  }
  for (;;) {
    await qemu.step();
    const now = await qemu.readRegisters();
    if (!repeats || now.get('rip') !== before.rip) return now;
  }
}

/** Differences of two states, flags of `ignored` aside: "name ours QEMU". */
function differences(s: CpuState, q: ReadonlyMap<string, bigint>, ignored: bigint): string[] {
  const list: string[] = [];
  const compare = (name: string, ours: bigint, mask = ~0n): void => {
    const theirs = q.get(name);
    if (theirs !== undefined && (ours & mask) !== (theirs & mask))
      list.push(`${name} ${ours.toString(16)} QEMU ${theirs.toString(16)}`);
  };
  compare('rip', s.rip);
  const wide = (s.efer & 0x400n) !== 0n && (s.segments.cs.accessRights & 0x2000) !== 0;
  GPR_NAMES.forEach((name, i) => {
    if (wide || i < 8) compare(name, s.gpr[i] as bigint, wide ? ~0n : 0xffff_ffffn);
  });
  compare('eflags', s.rflags, ~(ignored | 0x1_0000n));
  for (const name of SELECTORS) compare(name, BigInt(s.segments[name].selector));
  compare('fs_base', s.segments.fs.base);
  compare('gs_base', s.segments.gs.base);
  compare('cr0', s.cr0, ~0x10n);
  compare('cr2', s.cr2);
  compare('cr3', s.cr3);
  compare('cr4', s.cr4);
  compare('efer', s.efer);
  s.fpu.xmm.forEach((v, i) => {
    if (wide || i < 8) compare(`xmm${i}`, v);
  });
  return list;
}

try {
  await load();
  if (options.from !== undefined) {
    const address = BigInt(options.from);
    await qemu.runTo(address);
    while (vcpu.readRip() !== address) if (!stepOurs(false)) throw new Error('the guest stopped before the address');
  }
  let state = vcpu.readState();
  const first = differences(state, await qemu.readRegisters(), 0n);
  if (first.length > 0) say(`at the start: ${first.join(', ')}`);
  const most = Number(options.steps);
  const trail: string[] = [];
  let same = true;
  let n = 0;
  for (; n < most && same; n++) {
    const i = instructionAt(state, await codeBytes(state));
    trail.push(`${state.rip.toString(16)} ${i.text}`);
    if (trail.length > 8) trail.shift();
    const going = stepOurs(i.repeats);
    if (!going) {
      say(`the guest stops after ${n} instructions at ${trail.at(-1)}`);
      break;
    }
    const q = await stepQemu(i.repeats, state, i.length);
    state = vcpu.readState();
    if (FOLLOWED.test(i.name)) {
      for (const r of [0, 1, 2, 3]) vcpu.writeGpr(r, q.get(GPR_NAMES[r] as string) as bigint);
      state = vcpu.readState();
    }
    const ignored = UNDEFINED.find(([name]) => name.test(i.name))?.[1] ?? 0n;
    const found = differences(state, q, ignored);
    if (found.length > 0) {
      same = false;
      say(`instruction ${n} differs:`);
      for (const line of trail) say(`  ${line}`);
      for (const d of found) say(`  * ${d}`);
    } else if (ignored !== 0n && ((state.rflags ^ (q.get('eflags') as bigint)) & ignored) !== 0n) {
      // go on with the same undefined flags
      await qemu.writeRegisters(new Map([['eflags', state.rflags]]));
    }
  }
  if (same) say(`${n} instructions, no difference`);
  process.exitCode = same ? 0 : 1;
} finally {
  qemu.close();
  machine.close();
}
