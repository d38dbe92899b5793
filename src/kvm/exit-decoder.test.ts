// kvm_run to single accesses: blocks of string I/O, unaligned MMIO, and what an internal error says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Run } from './abi.js';
import { type CodeBytes, describeInternalError, PendingAccess } from './exit-decoder.js';

const DATA = 2048;
const code =
  (bytes: number[], before: number[] = [], is64 = false) =>
  (): CodeBytes => ({
    bytes: Uint8Array.from(bytes),
    before: Uint8Array.from(before),
    is64,
  });
const run = (): DataView => new DataView(new ArrayBuffer(4096));
function io(v: DataView, isIn: boolean, size: number, port: number, count: number): void {
  v.setUint8(Run.ioDirection, isIn ? 0 : 1);
  v.setUint8(Run.ioSize, size);
  v.setUint16(Run.ioPort, port, true);
  v.setUint32(Run.ioCount, count, true);
  v.setBigUint64(Run.ioDataOffset, BigInt(DATA), true);
}

test('a block of INSW becomes one access after the other, each with its place for the data', () => {
  const v = run();
  io(v, true, 2, 0x1f0, 3);
  const access = new PendingAccess(v, code([0xf3, 0x66, 0x6d]));
  const first = access.beginIo();
  assert.deepEqual(
    [first.port, first.sizeBytes, first.isIn, first.isString, first.isRep],
    [0x1f0, 2, true, true, true],
  );
  for (const [value, more] of [
    [0x1111n, true],
    [0x2222n, true],
    [0x3333n, false],
  ] as const) {
    access.supply(value);
    access.next();
    assert.equal(access.more, more);
    assert.equal(access.answered, !more);
    if (more) access.show();
  }
  assert.deepEqual(
    [0, 2, 4].map((i) => v.getUint16(DATA + i, true)),
    [0x1111, 0x2222, 0x3333],
  );
});

test('OUT tells its data by size', () => {
  const v = run();
  v.setUint32(DATA, 0x89abcdef, true);
  for (const [size, value] of [
    [1, 0xef],
    [2, 0xcdef],
    [4, 0x89abcdef],
  ] as const) {
    io(v, false, size, 0x80, 1);
    assert.equal(new PendingAccess(v, code([0xef])).beginIo().value, value);
  }
});

test('string instructions are told from others by their bytes', () => {
  const of = (bytes: number[], before: number[] = [], is64 = false): [boolean, boolean] => {
    const v = run();
    io(v, false, 1, 0x80, 1);
    const exit = new PendingAccess(v, code(bytes, before, is64)).beginIo();
    return [exit.isString, exit.isRep];
  };
  assert.deepEqual(of([0xee]), [false, false], 'OUT DX, AL');
  assert.deepEqual(of([0x6e]), [true, false], 'OUTSB');
  assert.deepEqual(of([0x66, 0xf3, 0x6f]), [true, true], 'REP OUTSW');
  assert.deepEqual(of([0xf3, 0x48, 0x6f], [], true), [true, true], 'with REX');
  assert.deepEqual(of([0x90], [0xfd, 0x6e]), [true, false], 'behind OUTSB');
  assert.deepEqual(of([0x90], [0xe6, 0x6e]), [false, false], 'behind OUT 6EH, AL');
});

test('an MMIO access that crosses eight bytes is split at the boundary', () => {
  const v = run();
  const begin = (gpa: number, length: number, isWrite: boolean): [number, number, bigint][] => {
    v.setBigUint64(Run.mmioAddress, BigInt(gpa), true);
    v.setBigUint64(Run.mmioData, 0x8877_6655_4433_2211n, true);
    v.setUint32(Run.mmioLength, length, true);
    v.setUint8(Run.mmioIsWrite, isWrite ? 1 : 0);
    const access = new PendingAccess(v, code([]));
    const seen: [number, number, bigint][] = [];
    for (let exit = access.beginMmio(); ; exit = access.show() as typeof exit) {
      seen.push([exit.gpa, exit.sizeBytes, exit.value]);
      access.next();
      if (!access.more) return seen;
    }
  };
  assert.deepEqual(begin(0xd000_0004, 8, true), [
    [0xd000_0004, 4, 0x4433_2211n],
    [0xd000_0008, 4, 0x8877_6655n],
  ]);
  assert.deepEqual(begin(0xd000_0005, 4, true), [
    [0xd000_0005, 2, 0x2211n],
    [0xd000_0007, 1, 0x33n],
    [0xd000_0008, 1, 0x44n],
  ]);
  assert.deepEqual(begin(0xd000_0000, 8, false), [[0xd000_0000, 8, 0n]]);
});

test('a refused MSR access is answered with an error', () => {
  const v = run();
  v.setUint32(Run.msrIndex, 0x1b, true);
  v.setBigUint64(Run.msrData, 0xfee0_0900n, true);
  const access = new PendingAccess(v, code([]));
  assert.deepEqual({ ...access.beginMsr(true) }, { name: 'wrmsr', index: 0x1b, value: 0xfee0_0900n });
  access.refuseMsr();
  assert.equal(v.getUint8(Run.msrError), 1);
  assert.equal(access.answered, true);
});

test('an internal error names the instruction: as KVM tells it, else as it lies in memory', () => {
  const v = run();
  v.setUint32(Run.suberror, 1, true);
  const memory = (): Uint8Array => Uint8Array.of(0xdb, 0xe3);
  assert.equal(
    describeInternalError(v, 0x1000n, memory),
    'KVM cannot emulate the instruction db e3 at 0x1000 (KVM_EXIT_INTERNAL_ERROR, suberror 1)',
  );
  v.setUint32(Run.emulationDataWords, 4, true);
  v.setUint32(Run.emulationFlags, 1, true);
  v.setUint8(Run.emulationSize, 3);
  [0x0f, 0x58, 0xc1].forEach((b, i) => {
    v.setUint8(Run.emulationBytes + i, b);
  });
  assert.match(describeInternalError(v, 0x1000n, memory), /the instruction 0f 58 c1 at 0x1000/);
  v.setUint32(Run.suberror, 3, true);
  assert.equal(
    describeInternalError(v, 0x1000n, memory),
    'KVM met an exit while it delivered an event at 0x1000 (KVM_EXIT_INTERNAL_ERROR, suberror 3)',
  );
});
