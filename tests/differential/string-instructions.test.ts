// A string instruction without a repeat prefix does what the same one with REP and a count of one does, but for rCX and RIP:
// the one is declared like any other instruction, the other a procedure. Intel SDM Vol. 2 "REP/REPE/REPZ/REPNE/REPNZ".
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Random } from './encode.js';
import {
  ABSENT_PAGE,
  CODE,
  codeBitsOf,
  DATA,
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
