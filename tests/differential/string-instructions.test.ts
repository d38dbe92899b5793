// A string instruction without a repeat prefix is declared like any other instruction, one with REP is a procedure that works
// on runs of a page: with a count of one they do the same, but for rCX and RIP, and so do a repeated one and a loop of plain
// ones. Intel SDM Vol. 2 "REP/REPE/REPZ/REPNE/REPNZ".
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Random } from './encode.js';
import {
  ABSENT_PAGE,
  CODE,
  codeBitsOf,
  DATA,
  DATA_END,
  differences,
  Guest,
  imageOf,
  MMIO_PAGE,
  MODES,
  type Mode,
  modeState,
  READ_ONLY_PAGE,
  type RunResult,
  randomize,
  SEGMENTED_BASE,
} from './machine.js';

const SAMPLES = Number(process.env.PCANEL_SAMPLES ?? 400);
const OPCODES = [0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf];
const [RCX, RSI, RDI] = [1, 6, 7];
const DIRECTION_FLAG = 0x400n;
const REP = 0xf3;
const HLT = 0xf4;

const guests = { interpreter: await Guest.create('off'), JIT: await Guest.create('forced') };

function instruction(r: Random, mode: Mode): number[] {
  const bytes: number[] = [];
  if (r.chance(30)) bytes.push(0x66);
  if (r.chance(20)) bytes.push(0x67);
  if (r.chance(30)) bytes.push(r.pick([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]));
  if (codeBitsOf(mode) === 64 && r.chance(40)) bytes.push(0x40 + r.below(16));
  return [...bytes, r.pick(OPCODES)];
}
/** Linear address of an element: mostly of plain data, at borders of pages too, else one that faults or is a device's. */
function place(r: Random, mode: Mode): bigint {
  if (mode.startsWith('long') && r.chance(20))
    return BigInt(r.pick([READ_ONLY_PAGE, ABSENT_PAGE, MMIO_PAGE]) - r.below(8));
  return BigInt(r.chance(30) ? DATA + 0x1000 - r.below(9) : DATA + r.below(0x1f00));
}
/** RIP in a result: the instruction completed. */
const GONE_ON = 1n;
/** A result without what the prefix and its count change. */
const plain = ({ state, exits, ...rest }: RunResult, from: number): RunResult => ({
  ...rest,
  exits: exits.map((exit) => exit.replace(/"(instructionLength|guestRip|rip)":("[^"]*"|\d+),?/g, '')),
  state: {
    ...state,
    rip: state.rip === BigInt(from) ? 0n : GONE_ON,
    gpr: state.gpr.map((v, n) => (n === RCX ? 0n : v)),
  },
});

describe('string instructions without REP do what those with a count of one do', () => {
  for (const mode of MODES) {
    test(mode, () => {
      let completed = 0;
      let stopped = 0;
      for (let n = 0; n < SAMPLES; n++) {
        const r = new Random(n * 7_919 + mode.length * 101 + mode.charCodeAt(0));
        const base = mode.startsWith('long') || mode.startsWith('flat') ? 0n : SEGMENTED_BASE;
        const state = modeState(mode);
        randomize(state, r, mode);
        state.rflags = r.chance(50) ? state.rflags | DIRECTION_FLAG : state.rflags & ~DIRECTION_FLAG;
        state.gpr[RCX] = 1n;
        state.gpr[RSI] = place(r, mode) - base;
        state.gpr[RDI] = place(r, mode) - base;
        const bytes = instruction(r, mode);
        const image = imageOf(mode);
        image.set([REP, ...bytes, HLT], CODE);
        const text = bytes.map((b) => b.toString(16)).join(' ');
        const plainRip = CODE + 1 - Number(base);
        for (const [how, guest] of Object.entries(guests)) {
          const run = (rip: number): RunResult => {
            state.rip = BigInt(rip);
            guest.load(image, state, 0xffff_ffff);
            const result = plain(guest.run(8), rip);
            return { ...result, ram: result.ram.slice() };
          };
          const once = run(plainRip);
          const repeated = run(plainRip - 1);
          assert.deepEqual(differences(once, repeated), [], `${how}, sample ${n}: ${text}`);
          if (once.state.rip === GONE_ON) completed++;
          else stopped++;
        }
      }
      assert.ok(completed > SAMPLES, `only ${completed} completed`);
      if (mode.startsWith('long')) assert.ok(stopped > SAMPLES / 20, `only ${stopped} faulted`);
    });
  }
});

/** MOVS and STOS, bytes and more. */
const FILLING = [0xa4, 0xa5, 0xaa, 0xab];
const LOOP = 0xe2;
/** Of the repeated instruction, and of the loop. */
const REPEATED = CODE;
const LOOPED = CODE + 0x20;

/** Offset of the first of `bytes` that are moved or filled upwards or downwards: they overlap often, and may wrap around. */
function start(r: Random, mode: Mode, bytes: number, down: boolean): bigint {
  const base = mode.startsWith('long') || mode.startsWith('flat') ? 0 : Number(SEGMENTED_BASE);
  if (codeBitsOf(mode) === 16 && r.chance(10)) return BigInt(down ? r.below(64) : 0x1_0000 - r.below(64));
  // more often than that at a border of pages
  if (down && r.chance(20)) return BigInt(DATA_END - 0x1000 * r.below(3) - 1 - r.below(8) - base);
  const lowest = DATA + r.below(DATA_END - DATA - bytes);
  return BigInt((down ? lowest + bytes - 8 : lowest) - base);
}

describe('repeated string instructions do what a loop of plain ones does', () => {
  for (const mode of MODES) {
    test(mode, () => {
      let completed = 0;
      for (let n = 0; n < SAMPLES; n++) {
        const r = new Random(n * 6_007 + mode.length * 103 + mode.charCodeAt(0));
        const state = modeState(mode);
        randomize(state, r, mode);
        const down = r.chance(60);
        state.rflags = down ? state.rflags | DIRECTION_FLAG : state.rflags & ~DIRECTION_FLAG;
        const count = 1 + r.below(r.pick([8, 300, 1100]));
        state.gpr[RCX] = BigInt(count);
        state.gpr[RSI] = start(r, mode, count * 8 + 8, down);
        // often so near that one element's copy is the next one's source
        const near = r.chance(30) ? state.gpr[RSI] + BigInt(r.below(40) - 20) : start(r, mode, count * 8 + 8, down);
        state.gpr[RDI] = BigInt.asUintN(codeBitsOf(mode) === 16 ? 16 : 32, near);
        if (mode === 'segmented32' && r.chance(20)) {
          // expand-down: what is above the limit is the segment
          const limit = Number(state.gpr[RDI]) - r.below(count * 4);
          state.segments.es = { ...state.segments.es, limit, accessRights: 0x4097 };
        }
        const prefixes = r.chance(30) ? [0x66] : codeBitsOf(mode) === 64 && r.chance(40) ? [0x48] : [];
        const bytes = [...prefixes, r.pick(FILLING)];
        const image = imageOf(mode);
        image.set([REP, ...bytes, HLT], REPEATED);
        image.set([...bytes, LOOP, 0xfe - bytes.length, HLT], LOOPED);
        for (const [how, guest] of Object.entries(guests)) {
          const run = (at: number): RunResult => {
            const from = at - Number(codeBitsOf(mode) === 64 || mode.startsWith('flat') ? 0n : SEGMENTED_BASE);
            state.rip = BigInt(from);
            guest.load(image, state, 0xffff_ffff);
            const result = guest.run(10_000);
            const gone = plain(result, from);
            const gpr = gone.state.gpr.with(RCX, result.state.gpr[RCX] as bigint);
            return { ...gone, instructions: 0, state: { ...gone.state, gpr }, ram: result.ram.slice() };
          };
          const looped = run(LOOPED);
          const text = `${down ? 'std' : 'cld'} ${bytes.map((b) => b.toString(16)).join(' ')}, ${count} times`;
          assert.deepEqual(differences(run(REPEATED), looped), [], `${how}, sample ${n}: ${text}`);
          if (looped.state.rip === GONE_ON) completed++;
        }
      }
      assert.ok(completed > SAMPLES / 2, `only ${completed} completed`);
    });
  }
});
