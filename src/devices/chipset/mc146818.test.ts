// RTC: time in both formats, UIP, interrupts, setting the clock, CMOS.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bench } from '../testing.js';
import { cmosMemorySize, mc146818 } from './mc146818.js';

const START = Date.UTC(2026, 11, 31, 23, 59, 58); // a Thursday
function rtc(unixMs = START) {
  const b = bench(mc146818, {});
  b.device.inputs.setWallClock(unixMs);
  return {
    ...b,
    get: (i: number) => {
      b.write('regs', 0, i);
      return b.read('regs', 1);
    },
    put: (i: number, v: number) => {
      b.write('regs', 0, i);
      b.write('regs', 1, v);
    },
    irq: () => b.device.line('irq'),
  };
}
const clock = (r: ReturnType<typeof rtc>): number[] => [0x32, 9, 8, 7, 6, 4, 2, 0].map((i) => r.get(i));

test('the clock runs in BCD and rolls over into the new year', () => {
  const r = rtc();
  assert.deepEqual(clock(r), [0x20, 0x26, 0x12, 0x31, 5, 0x23, 0x59, 0x58]);
  r.run(2e9);
  assert.deepEqual(clock(r), [0x20, 0x27, 0x01, 0x01, 6, 0x00, 0x00, 0x00]);
});

test('binary and 12-hour formats', () => {
  const r = rtc();
  r.put(11, 0x04);
  assert.deepEqual(clock(r), [20, 26, 12, 31, 5, 0x80 | 11, 59, 58]);
  r.put(11, 0x00);
  assert.equal(r.get(4), 0x91);
  r.run(2e9);
  assert.equal(r.get(4), 0x12, 'midnight is 12 AM');
});

test('a leap day is kept', () => {
  const r = rtc(Date.UTC(2028, 1, 28, 23, 59, 59));
  r.run(1e9);
  assert.deepEqual([r.get(8), r.get(7)], [0x02, 0x29]);
});

test('UIP shows before each update and falls with it', () => {
  const r = rtc();
  r.run(1e9 - 3_000_000);
  assert.equal(r.get(10) & 0x80, 0);
  r.run(1_000_000);
  assert.equal(r.get(10) & 0x80, 0x80);
  assert.equal(r.get(0), 0x58);
  r.run(2_000_000);
  assert.equal(r.get(10) & 0x80, 0);
  assert.equal(r.get(0), 0x59);
});

test('the guest sets the clock with SET', () => {
  const r = rtc();
  r.put(11, 0x82);
  r.run(10e9);
  assert.equal(r.get(0), 0x58, 'updates are stopped');
  for (const [i, v] of [
    [0x32, 0x20],
    [9, 0x30],
    [8, 0x06],
    [7, 0x15],
    [4, 0x12],
    [2, 0x34],
    [0, 0x56],
  ] as const) {
    r.put(i, v);
  }
  r.put(11, 0x02);
  r.run(1e9);
  assert.deepEqual(clock(r), [0x20, 0x30, 0x06, 0x15, 7, 0x12, 0x34, 0x57]);
});

test('after a divider reset the first update comes half a second later', () => {
  const r = rtc();
  r.run(300e6);
  r.put(11, 0x82);
  r.put(10, 0x76);
  r.put(0, 0x10);
  r.put(11, 0x02);
  r.put(10, 0x26);
  r.run(499e6);
  assert.equal(r.get(0), 0x10);
  r.run(2e6);
  assert.equal(r.get(0), 0x11);
});

test('one field may be written while the clock runs', () => {
  const r = rtc();
  r.put(2, 0x10);
  assert.deepEqual([r.get(4), r.get(2), r.get(0)], [0x23, 0x10, 0x58]);
});

test('the update interrupt comes once a second and is cleared by register C', () => {
  const r = rtc();
  r.put(11, 0x12);
  r.run(999_999_999);
  assert.equal(r.irq(), false);
  r.run(1);
  assert.equal(r.irq(), true);
  assert.equal(r.get(12), 0xd0, 'the periodic flag is set too');
  assert.equal(r.irq(), false);
  assert.equal(r.get(12), 0);
});

test('the alarm matches with don’t-care fields', () => {
  const r = rtc();
  r.put(1, 0x05);
  r.put(3, 0xff);
  r.put(5, 0xc0);
  r.put(11, 0x22);
  r.run(6.9e9);
  assert.equal(r.irq(), false);
  r.run(0.1e9);
  assert.equal(r.irq(), true);
  assert.equal(r.get(12) & 0xa0, 0xa0);
});

test('an alarm that never matches leaves no deadline', () => {
  const r = rtc();
  r.put(5, 0x30);
  r.put(11, 0x22);
  assert.equal(r.device.deadlineNs, Number.POSITIVE_INFINITY);
});

test('the periodic interrupt keeps its rate', () => {
  const r = rtc();
  r.put(11, 0x42); // rate 6: 1024 Hz
  let seen = 0;
  for (let ms = 0; ms < 1000; ms++) {
    r.run(1e6);
    if (r.get(12) & 0x40) seen++;
  }
  assert.equal(seen, 1000);
  r.put(10, 0x2f); // 2 Hz
  r.get(12);
  r.run(499_999_999);
  assert.equal(r.irq(), false);
  r.run(1);
  assert.equal(r.irq(), true);
});

test('flags are set without their interrupts enabled', () => {
  const r = rtc();
  r.get(12);
  r.run(1e9);
  assert.equal(r.get(12) & 0xd0, 0x50);
});

test('CMOS bytes are kept over reset, interrupt enables are not', () => {
  const r = rtc();
  for (const [i, v] of cmosMemorySize(128 * 2 ** 20)) r.device.inputs.setCmos(i, v);
  assert.equal(r.get(0x34) | (r.get(0x35) << 8), (112 * 2 ** 20) / 65536);
  assert.equal(r.get(0x17) | (r.get(0x18) << 8), 0xffff);
  r.put(0x40, 0x77);
  r.put(11, 0x12);
  r.device.reset();
  assert.equal(r.get(0x40), 0x77);
  assert.equal(r.get(11), 0x02);
  assert.equal(r.get(13), 0x80);
  assert.equal(r.get(9), 0x26);
});
