// The conformance suite's own parts: machine code agrees with iced-x86's reading of it, and a wrong engine is caught.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Decoder, DecoderOptions } from 'iced-x86';
import { GuestMemory } from '../memory/index.js';
import type { Engine, EngineVmOptions } from './index.js';
import {
  CONFORMANCE_GUESTS,
  conformance,
  describeExit,
  FakeVcpu,
  machineCode,
  runConformanceGuest,
  type ScriptedExit,
} from './testing.js';

const BITS = { real: 16, flat32: 32, long: 64 } as const;

test('every line of machine code is one instruction that iced-x86 knows', () => {
  for (const guest of CONFORMANCE_GUESTS) {
    for (const lines of [guest.code, ...Object.values(guest.handlers ?? {})]) {
      for (const line of lines) {
        const bytes = machineCode([line]);
        const decoder = new Decoder(BITS[guest.mode], bytes, DecoderOptions.None);
        const instruction = decoder.decode();
        assert.equal(instruction.isInvalid, false, `${guest.name}: ${line}`);
        assert.equal(instruction.length, bytes.length, `${guest.name}: ${line}`);
        instruction.free();
        decoder.free();
      }
    }
  }
});

test('guest names are unique', () => {
  assert.equal(new Set(CONFORMANCE_GUESTS.map((g) => g.name)).size, CONFORMANCE_GUESTS.length);
});

const scripted = (script: ScriptedExit[]): Engine => ({
  name: 'software',
  probe: async () => ({ usable: true, checks: [] }),
  createVm: async (options: EngineVmOptions) => {
    const sizeBytes = options.memoryBytes;
    const memory = new GuestMemory(new ArrayBuffer(sizeBytes), [
      { gpa: 0, sizeBytes, bufferOffset: 0, readOnly: false },
    ]);
    return { memory, vcpus: [new FakeVcpu(script)], close: () => {} };
  },
});
const out = (port: number, sizeBytes: number, value: number): ScriptedExit => ({
  exit: { name: 'ioInstruction', port, sizeBytes, isIn: false, isString: false, isRep: false, value },
});
const hlt: ScriptedExit = { exit: { name: 'hlt', qualification: 0n } };

test('the runner records exits up to HLT', async () => {
  const guest = CONFORMANCE_GUESTS.find((g) => g.name === 'OUT of 1, 2 and 4 bytes');
  assert.ok(guest);
  const engine = scripted([out(0xe9, 1, 0x41), out(0x1f0, 2, 0x1234), out(0x1f0, 4, 0x89abcdef), hlt]);
  assert.deepEqual(await runConformanceGuest(engine, guest), guest.expected);
});

test('an engine that answers wrongly fails every test but the unsupported', async () => {
  const results = new Map<string, string>();
  const pending: Promise<void>[] = [];
  conformance(
    scripted([]),
    (name, body) => {
      const skip = (reason: string): void => {
        results.set(name, `skipped: ${reason}`);
      };
      pending.push(
        (async () => {
          try {
            await body({ skip });
            if (!results.has(name)) results.set(name, 'passed');
          } catch {
            results.set(name, 'failed');
          }
        })(),
      );
    },
    { unsupported: { 'OUT of 1, 2 and 4 bytes': 'for this test' } },
  );
  await Promise.all(pending);
  assert.equal(results.get('software: OUT of 1, 2 and 4 bytes'), 'skipped: for this test');
  const passed = [...results].filter(([, r]) => r === 'passed').map(([n]) => n);
  // The scripted processor keeps states and registers rightly.
  assert.deepEqual(passed, [
    'software: a CpuState that is written is read back unchanged',
    'software: single registers agree with the whole state',
  ]);
});

test('describeExit tells everything of an exit', () => {
  assert.equal(
    describeExit({ name: 'eptViolation', gpa: 0xfee00020, sizeBytes: 4, isWrite: true, value: 0x10n }),
    'mmio write fee00020 4 10',
  );
  assert.equal(
    describeExit({ name: 'exceptionOrNmi', vector: 14, errorCode: 6, hasErrorCode: true, address: 0x1000n }),
    'exception 14 error 6 address 1000',
  );
});
