// The framework: rows, banks, widths, lines, deadlines, unclaimed offsets; bus and device set.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError, SnapshotError } from '../base/index.js';
import { Bus, DeviceSet, device, InterruptLines, tickClock } from './index.js';
import { bench, FakeClock, lineRecorder } from './testing.js';

const reset = () => ({ bank: 0, a: 1, b: 2, wide: 0x11223344, status: 0xffff, due: 0, fired: 0 });
type State = ReturnType<typeof reset>;
// biome-ignore lint/complexity/noBannedTypes: no ports
const sample = device<State, {}, { arm(at: number): void }>({
  name: 'sample',
  version: 2,
  state: reset,
  migrate: (old, version) => {
    assert.equal(version, 1);
    return { ...(old as object), fired: 7 };
  },
  regions: { regs: { space: 'pio', sizeBytes: 12 } },
  lines: { odd: (s) => (s.a & 1) === 1 },
  deadline: (s) => (s.due === 0 ? null : s.due),
  elapse: (s) => {
    s.due = 0;
    s.fired++;
  },
  inputs: {
    arm: (s, _ctx, at) => {
      s.due = at;
    },
  },
  registers: {
    regs: [
      { at: 0, name: 'B', when: (s) => s.bank === 1, field: 'b' },
      { at: 0, name: 'A', field: 'a' },
      { at: 1, name: 'BANK', field: 'bank' },
      { at: 4, name: 'WIDE', size: 4, field: 'wide' },
      {
        at: 8,
        name: 'STATUS',
        size: 2,
        partial: 'zero',
        read: (s) => s.status,
        write: (s, v) => {
          s.status &= ~v;
        },
      },
    ],
  },
});

test('the first row whose bank is selected answers', () => {
  const b = bench(sample, {});
  assert.equal(b.read('regs', 0), 1);
  b.write('regs', 1, 1);
  assert.equal(b.read('regs', 0), 2);
});

test('a narrow write changes only its bytes of a wide register', () => {
  const b = bench(sample, {});
  b.write('regs', 5, 0xaa);
  assert.equal(b.read('regs', 4, 4), 0x1122aa44);
  b.write('regs', 6, 0xbbcc, 2);
  assert.equal(b.read('regs', 4, 4), 0xbbccaa44);
  assert.equal(b.read('regs', 6, 2), 0xbbcc);
});

test('a narrow write to a write-one-to-clear register clears nothing else', () => {
  const b = bench(sample, {});
  b.write('regs', 9, 0x01);
  assert.equal(b.read('regs', 8, 2), 0xfeff);
});

test('a wide access to byte registers is split, low address first', () => {
  const b = bench(sample, {});
  assert.equal(b.read('regs', 0, 2), 0x0001);
  b.write('regs', 0, 0x0105, 2);
  assert.equal(b.device.state.a, 5);
  assert.equal(b.device.state.bank, 1);
});

test('an unclaimed offset reads ones, is counted each time and logged once', () => {
  const b = bench(sample, {});
  assert.equal(b.read('regs', 2), 0xff);
  assert.equal(b.read('regs', 2), 0xff);
  b.write('regs', 3, 0);
  assert.equal(b.device.unclaimed, 3);
  assert.deepEqual(b.log, [
    'sample: read of unclaimed offset 0x2 of regs',
    'sample: write to unclaimed offset 0x3 of regs',
  ]);
});

test('a line follows the state and is reported on change only', () => {
  const b = bench(sample, {});
  const odd = lineRecorder();
  b.device.connect('odd', odd);
  b.write('regs', 0, 3);
  b.write('regs', 0, 4);
  b.write('regs', 0, 6);
  b.device.reset();
  assert.deepEqual(odd.seen, [true, false, true]);
});

test('an access after a deadline sees its event', () => {
  const b = bench(sample, {});
  b.device.inputs.arm(100);
  b.clock.now = 100;
  b.read('regs', 0);
  assert.equal(b.device.state.fired, 1);
  assert.equal(b.device.deadlineNs, Number.POSITIVE_INFINITY);
});

test('an older version is migrated', () => {
  const b = bench(sample, {});
  const { fired: _, ...old } = reset();
  b.device.load({ device: 'sample', version: 1, state: old });
  assert.equal(b.device.state.fired, 7);
});

test('a bus answers ones where nothing is, and routes to the range that claims', () => {
  const log: string[] = [];
  const bus = new Bus('pio', (t) => void log.push(t));
  const writes: number[][] = [];
  bus.add(0x10, 4, { name: 'x', read: (o) => o, write: (o, size, v) => void writes.push([o, size, v]) });
  bus.add(0x14, 4, { name: 'y', read: (o) => 0x40 + o, write: () => {} });
  assert.equal(bus.read(0x13, 1), 3);
  assert.equal(bus.read(0x14, 1), 0x40);
  assert.equal(bus.read(0x0f, 4), 0x020100ff, 'a straddling access takes each byte from its owner');
  assert.equal(bus.read(0x13, 2), 0x4003);
  assert.equal(bus.read(0x100, 4), 0xffffffff);
  bus.write(0x11, 2, 0xbeef);
  assert.deepEqual(writes, [[1, 2, 0xbeef]]);
  assert.equal(bus.unclaimed, 2);
  bus.read(0x100, 1);
  assert.deepEqual(log, ['pio read of unclaimed address 0xf', 'pio read of unclaimed address 0x100']);
});

test('overlapping or outside ranges are a configuration error', () => {
  const bus = new Bus('pio', () => {});
  const target = { name: 'x', read: () => 0, write: () => {} };
  bus.add(0x10, 4, target);
  assert.throws(() => bus.add(0x13, 1, target), ConfigError);
  assert.throws(() => bus.add(0xffff, 2, target), ConfigError);
  bus.remove(0x10);
  bus.add(0x13, 1, target);
});

test('64-bit accesses are two of 32 bits', () => {
  const bus = new Bus('mmio', () => {});
  const writes: number[][] = [];
  bus.add(0xfee00000, 16, { name: 'x', read: (o) => 0x80000000 + o, write: (o, s, v) => void writes.push([o, s, v]) });
  assert.equal(bus.read64(0xfee00000), 0x8000000480000000n);
  bus.write64(0xfee00008, 0x1122334455667788n);
  assert.deepEqual(writes, [
    [8, 4, 0x55667788],
    [12, 4, 0x11223344],
  ]);
});

test('a set runs deadlines earliest first and tells the next', () => {
  const clock = new FakeClock();
  const set = new DeviceSet(clock);
  const one = set.place(sample, { regs: 0x100 }, {}, 'one');
  const two = set.place(sample, { regs: 0x200 }, {}, 'two');
  assert.equal(set.nextDeadlineNs(), null);
  one.inputs.arm(300);
  two.inputs.arm(200);
  assert.equal(set.nextDeadlineNs(), 200);
  set.runDeadlines(250);
  assert.deepEqual([one.state.fired, two.state.fired], [0, 1]);
  assert.equal(set.nextDeadlineNs(), 300);
  assert.throws(() => set.place(sample, { regs: 0x300 }, {}, 'one'), ConfigError);
  assert.throws(() => set.place(sample, { nothing: 0x300 }, {}, 'three'), ConfigError);
  assert.throws(() => set.place(sample, { none: () => {} }, {}, 'four'), ConfigError);
});

test('a set restores saved devices and refuses another set', () => {
  const set = new DeviceSet(new FakeClock());
  const one = set.place(sample, { regs: 0x100 }, {}, 'one');
  one.state.b = 9;
  const saved = set.save();
  set.reset();
  assert.equal(one.state.b, 2);
  set.load(saved);
  assert.equal(one.state.b, 9);
  assert.throws(() => set.load({}), SnapshotError);
  assert.throws(() => set.load({ ...saved, other: saved.one! }), SnapshotError);
});

test('an interrupt line is high while any source is', () => {
  const lines = new InterruptLines();
  const pin = lineRecorder();
  lines.connect(5, pin);
  const a = lines.irq(5);
  const b = lines.gsi(5);
  a(true);
  b(true);
  a(false);
  assert.deepEqual(pin.seen, [true]);
  b(false);
  assert.deepEqual(pin.seen, [true, false]);
  assert.throws(() => lines.irq(2), ConfigError);
  assert.throws(() => lines.gsi(24), ConfigError);
});

test('tick clocks are exact and inverse to each other over long uptimes', () => {
  const pit = tickClock(1_193_182);
  assert.equal(pit.ticks(1e9), 1_193_182);
  assert.equal(pit.ns(1_193_182), 1e9);
  const month = 30 * 86_400 * 1e9;
  assert.equal(pit.ticks(month), 30 * 86_400 * 1_193_182);
  const tick = 30 * 86_400 * 1_193_182 + 12_345;
  assert.equal(pit.ticks(pit.ns(tick)), tick);
  assert.equal(pit.ticks(pit.ns(tick) - 1), tick - 1);
});
