// The record of single exits: what it takes, what it says of them, what it loses.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VmExit } from '../vmx/index.js';
import { FakeVcpu } from '../vmx/testing.js';
import { allTracers, ExitTrace, type ExitTraceOptions } from './exit-trace.js';

const io = (port: number, isIn: boolean, value = 0): VmExit => ({
  name: 'ioInstruction',
  port,
  sizeBytes: 1,
  isIn,
  isString: false,
  isRep: false,
  value,
});

function bench(options: ExitTraceOptions = {}) {
  const clock = { hostNs: 0, domainNs: 500 };
  const trace = new ExitTrace(
    () => clock.hostNs,
    () => clock.domainNs,
    options,
  );
  const vcpu = new FakeVcpu();
  const put = (exit: VmExit, handle: () => bigint | null = () => null): void => {
    const done = trace.begin(exit, vcpu);
    done?.(handle());
  };
  return { clock, trace, vcpu, put };
}

test('a record has RIP, qualification, data, cost and what handling changed', () => {
  const { clock, trace, vcpu, put } = bench();
  const s = vcpu.readState();
  s.rip = 0x1000n;
  vcpu.writeState(s);
  put({ name: 'cpuid', leaf: 1, subleaf: 0 }, () => {
    const after = vcpu.readState();
    after.rip = 0x1002n;
    after.gpr[0] = 0x55n;
    after.segments.cs.selector = 8;
    vcpu.writeState(after);
    clock.hostNs += 250;
    return null;
  });
  put(io(0x3fd, true), () => 0x60n);
  const { records, next, lost } = trace.read();
  const [first, second] = records;
  assert.deepEqual([records.length, next, lost], [2, 2, 0]);
  assert.deepEqual(
    [first?.sequence, first?.timeNs, first?.reason, first?.rip, first?.costNs, first?.detail],
    [0, 500, 10, '0x1000', 250, 'leaf 0x1, subleaf 0x0'],
  );
  assert.deepEqual(
    first?.changes.map((c) => [c.field, c.after]),
    [
      ['GUEST_RIP', '0x1002'],
      ['RAX', '0x55'],
      ['GUEST_CS_SELECTOR', '0x8'],
    ],
  );
  assert.equal(second?.detail, 'in 0x3fd, 1 byte = 0x60');
  assert.equal(second?.qualification, '0x3fd0008');
});

test('a filter takes names, addresses and RIPs together', () => {
  const { trace, vcpu, put } = bench({ filter: { names: ['ioInstruction', 'cpuid'], address: [0x60, 5] } });
  put(io(0x60, true));
  put(io(0x65, true));
  put(io(0x64, false, 0xfe));
  put({ name: 'hlt', qualification: 0n });
  put({ name: 'cpuid', leaf: 0x61, subleaf: 0 });
  assert.deepEqual(
    trace.read().records.map((r) => r.detail),
    ['in 0x60, 1 byte', 'out 0x64, 1 byte = 0xfe', 'leaf 0x61, subleaf 0x0'],
  );
  const rip = vcpu.readRip();
  trace.configure({ filter: { rip: [`0x${(rip + 1n).toString(16)}`, '0xffffffffffffffff'] } });
  put(io(0x60, true));
  assert.equal(trace.read(3).records.length, 0);
});

test('beyond the rate exits are counted, not recorded; time refills it', () => {
  const { clock, trace, put } = bench({ maxPerSecond: 10 });
  for (let i = 0; i < 25; i++) put(io(i, true));
  assert.deepEqual([trace.read().records.length, trace.read().skipped, trace.read().matched], [10, 15, 25]);
  clock.hostNs += 500_000_000;
  for (let i = 0; i < 25; i++) put(io(i, true));
  assert.equal(trace.read().next, 15);
});

test('a reader that comes late is told what it lost', () => {
  const { trace, put } = bench({ keep: 8, maxPerSecond: 100_000 });
  for (let i = 0; i < 20; i++) put(io(i, true));
  const late = trace.read(2);
  assert.deepEqual([late.records[0]?.sequence, late.records.length, late.next, late.lost], [12, 8, 20, 10]);
  assert.deepEqual([trace.read(20).records.length, trace.read(20).lost], [0, 0]);
  const part = trace.read(12, 3);
  assert.deepEqual([part.records.length, part.next], [3, 15]);
});

test('several traces record the same exit, each by its own filter', () => {
  const a = bench({ filter: { names: ['hlt'] } });
  const b = bench();
  const both = allTracers([a.trace, b.trace]);
  both?.begin({ name: 'hlt', qualification: 0n }, a.vcpu)?.(null);
  both?.begin(io(1, true), a.vcpu)?.(null);
  assert.deepEqual([a.trace.read().next, b.trace.read().next], [1, 2]);
  assert.equal(allTracers([]), null);
});
