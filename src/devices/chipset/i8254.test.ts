// 8254: modes, latches, BCD, channel 0's edges in time, channel 2 through port 0x61.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bench, lineRecorder } from '../testing.js';
import { tickClock } from '../tick-clock.js';
import { i8254, PIT_HZ } from './i8254.js';

const clock = tickClock(PIT_HZ);
function pit() {
  const b = bench(i8254, {});
  const irq0 = lineRecorder();
  b.device.connect('irq0', irq0);
  return {
    ...b,
    irq0,
    control: (v: number) => b.write('regs', 3, v),
    count: (channel: number, v: number) => {
      b.write('regs', channel, v & 0xff);
      b.write('regs', channel, v >> 8);
    },
    readCount: (channel: number) => b.read('regs', channel) | (b.read('regs', channel) << 8),
    /** Goes to the beginning of tick `n` of the crystal. */
    toTick: (n: number) => b.run(clock.ns(n) - b.clock.now),
    out2: () => (b.read('port61', 0) & 0x20) !== 0,
  };
}

test('mode 2 gives one rising edge per period, exactly in time', () => {
  const p = pit();
  p.control(0x34);
  p.count(0, 1193);
  const edgesBefore = p.irq0.edges();
  p.run(1e9);
  // The count starts on tick 1; the last whole period ends before tick 1193182.
  assert.equal(p.irq0.edges() - edgesBefore, Math.floor((1_193_182 - 1) / 1193));
  assert.equal(p.device.deadlineNs, clock.ns(1 + 1193 * (Math.floor((1_193_182 - 1) / 1193) + 1)));
});

test('a late host gets one edge per period missed', () => {
  const p = pit();
  p.control(0x34);
  p.count(0, 11932);
  const before = p.irq0.edges();
  p.clock.now = 1e9;
  p.device.runUntil(1e9);
  assert.equal(p.irq0.edges() - before, Math.floor((1_193_182 - 1) / 11932));
  assert.equal(p.device.queries.dropped(), 0);
});

test('mode 2 counts down from N to 1 and reloads', () => {
  const p = pit();
  p.control(0x34);
  p.count(0, 5);
  p.toTick(1);
  assert.equal(p.readCount(0), 5);
  p.toTick(5);
  assert.equal(p.readCount(0), 1);
  p.toTick(6);
  assert.equal(p.readCount(0), 5);
});

test('mode 0 raises OUT once when the count is over', () => {
  const p = pit();
  p.control(0x30);
  assert.equal(p.device.line('irq0'), false);
  p.count(0, 100);
  p.toTick(100);
  assert.equal(p.device.line('irq0'), false);
  p.toTick(101);
  assert.equal(p.device.line('irq0'), true);
  p.toTick(100_000);
  assert.equal(p.irq0.edges(), 1);
  assert.equal(p.device.deadlineNs, Number.POSITIVE_INFINITY);
});

test('mode 0 rewritten by its interrupt handler works as a one-shot timer', () => {
  const p = pit();
  p.control(0x30);
  p.count(0, 100);
  p.toTick(101);
  p.count(0, 50);
  assert.equal(p.device.line('irq0'), false);
  p.toTick(101 + 51);
  assert.equal(p.irq0.edges(), 2);
});

test('mode 4 strobes once', () => {
  const p = pit();
  p.control(0x38);
  p.count(0, 100);
  assert.equal(p.device.line('irq0'), true);
  const before = p.irq0.edges();
  p.toTick(1000);
  assert.equal(p.irq0.edges() - before, 1);
});

test('mode 3 counts by two, high half first', () => {
  const p = pit();
  p.control(0xb6);
  p.write('port61', 0, 1);
  p.count(2, 7); // odd: high for 4, low for 3
  const levels: boolean[] = [];
  for (let t = 1; t <= 8; t++) {
    p.toTick(t);
    levels.push(p.out2());
  }
  assert.deepEqual(levels, [true, true, true, true, false, false, false, true]);
  p.toTick(15);
  assert.equal(p.readCount(2), 6);
  p.toTick(16);
  assert.equal(p.readCount(2), 4);
});

test('a new count of mode 2 takes over at the end of the period', () => {
  const p = pit();
  p.control(0x34);
  p.count(0, 100);
  p.toTick(50);
  p.count(0, 10);
  const before = p.irq0.edges();
  p.toTick(100);
  assert.equal(p.irq0.edges() - before, 0);
  p.toTick(101);
  assert.equal(p.irq0.edges() - before, 1);
  p.toTick(121);
  assert.equal(p.irq0.edges() - before, 3);
});

test('channel 2 in mode 0 with the gate of port 0x61, as kernels calibrate with', () => {
  const p = pit();
  p.write('port61', 0, 0x00);
  p.control(0xb0);
  p.count(2, 1000);
  p.toTick(5000);
  assert.equal(p.out2(), false, 'nothing counts while the gate is low');
  p.write('port61', 0, 0x01);
  p.toTick(5999);
  assert.equal(p.out2(), false);
  p.toTick(6001);
  assert.equal(p.out2(), true);
});

test('mode 1 is a one-shot triggered by the gate', () => {
  const p = pit();
  p.control(0xb2);
  p.count(2, 10);
  p.toTick(100);
  assert.equal(p.out2(), true);
  p.write('port61', 0, 1);
  p.toTick(105);
  assert.equal(p.out2(), false);
  p.toTick(111);
  assert.equal(p.out2(), true);
});

test('mode 5 strobes after the gate rises', () => {
  const p = pit();
  p.control(0xba);
  p.count(2, 10);
  p.toTick(10);
  p.write('port61', 0, 1);
  p.toTick(20);
  assert.equal(p.out2(), true);
  p.toTick(21);
  assert.equal(p.out2(), false);
  p.toTick(22);
  assert.equal(p.out2(), true);
});

test('a latched count stays until it is read', () => {
  const p = pit();
  p.control(0x34);
  p.count(0, 1000);
  p.toTick(101);
  p.control(0x00);
  p.toTick(201);
  assert.equal(p.readCount(0), 900);
  assert.equal(p.readCount(0), 800);
});

test('read-back latches status before count', () => {
  const p = pit();
  p.control(0x34);
  assert.equal(p.read('regs', 0) >= 0, true);
  p.read('regs', 0);
  p.control(0xe2);
  assert.equal(p.read('regs', 0), 0x80 | 0x40 | 0x34, 'OUT high, null count, both bytes, mode 2');
  p.count(0, 500);
  p.toTick(11);
  p.control(0xc2);
  assert.equal(p.read('regs', 0), 0x80 | 0x34);
  assert.equal(p.readCount(0), 490);
});

test('BCD counts are decimal', () => {
  const p = pit();
  p.control(0x35);
  p.count(0, 0x1000);
  p.toTick(2);
  assert.equal(p.readCount(0), 0x0999);
});

test('one-byte access modes', () => {
  const p = pit();
  p.control(0x14);
  p.write('regs', 0, 200);
  p.toTick(1);
  assert.equal(p.read('regs', 0), 200);
  p.control(0x24);
  p.write('regs', 0, 2);
  p.toTick(2 + 1);
  assert.equal(p.read('regs', 0), 1, '511 after one tick: high byte 1');
});

test('the refresh bit of port 0x61 toggles', () => {
  const p = pit();
  const first = p.read('port61', 0) & 0x10;
  p.run(15_085);
  assert.notEqual(p.read('port61', 0) & 0x10, first);
});
