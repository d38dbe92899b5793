// The whole chip set: interrupts through both controllers, virtual wire, requests, save and load.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../../base/index.js';
import { FakeClock, recorder } from '../testing.js';
import { ACPI_S5_SLP_TYP } from './acpi-pm.js';
import { APIC_BASE_ENABLE } from './local-apic.js';
import { PC, PcChipset } from './pc-chipset.js';

function pc(options: { apic?: boolean; cpus?: number } = {}) {
  const clock = new FakeClock();
  const sent = recorder<number>();
  const log: string[] = [];
  const chips = new PcChipset({
    clock,
    log: (t) => void log.push(t),
    memoryBytes: 64 * 2 ** 20,
    wallClockMs: 0,
    com: [{ tx: sent }],
    debugExitPort: 0xf4,
    ...options,
  });
  const out = (port: number, v: number, size: 1 | 2 | 4 = 1) => chips.set.pio.write(port, size, v);
  const lapic = (r: number, v: number) => chips.set.mmio.write(PC.LOCAL_APIC_GPA + r, 4, v);
  const redirect = (pin: number, low: number) => {
    chips.set.mmio.write(PC.IO_APIC_GPA, 4, 0x11 + 2 * pin);
    chips.set.mmio.write(PC.IO_APIC_GPA + 0x10, 4, 0);
    chips.set.mmio.write(PC.IO_APIC_GPA, 4, 0x10 + 2 * pin);
    chips.set.mmio.write(PC.IO_APIC_GPA + 0x10, 4, low);
  };
  const initPic = (masterMask = 0) => {
    for (const [base, vector, cascade, mask] of [
      [0x20, 0x20, 4, masterMask],
      [0xa0, 0x28, 2, 0],
    ] as const) {
      out(base, 0x11);
      for (const v of [vector, cascade, 1, mask]) out(base + 1, v);
    }
  };
  const startPit = () => {
    out(0x43, 0x34);
    out(0x40, 0xa9);
    out(0x40, 0x04); // 1193: 1 kHz
  };
  const runTo = (ns: number) => {
    clock.now = ns;
    chips.runDeadlines(ns);
  };
  return { chips, clock, sent, log, out, lapic, redirect, initPic, startPit, runTo };
}

test('without APICs the timer reaches the processor through the 8259 pair', () => {
  const p = pc({ apic: false });
  p.initPic();
  p.startPit();
  assert.equal(p.chips.pendingInterrupt(), true, 'programming mode 2 lifts OUT');
  assert.equal(p.chips.acknowledgeInterrupt(), 0x20);
  p.out(0x20, 0x20);
  assert.equal(p.chips.pendingInterrupt(), false);
  p.runTo(p.chips.nextDeadlineNs()!);
  assert.equal(p.chips.acknowledgeInterrupt(), 0x20);
});

test('with the local APIC untouched, LINT0 is the virtual wire of the 8259 pair', () => {
  const p = pc();
  p.initPic();
  p.startPit();
  assert.equal(p.chips.pendingInterrupt(), true);
  assert.equal(p.chips.acknowledgeInterrupt(), 0x20);
});

test('IRQ 0 reaches I/O APIC input 2 as check_timer wants', () => {
  const p = pc();
  p.initPic(0xff);
  p.lapic(0xf0, 0x1ff);
  p.lapic(0x350, 0x10700);
  p.redirect(2, 0x30);
  p.startPit();
  for (let tick = 1; tick <= 10; tick++) {
    p.runTo(tick * 1_000_000);
    assert.equal(p.chips.pendingInterrupt(), true, `tick ${tick}`);
    assert.equal(p.chips.acknowledgeInterrupt(), 0x30);
    p.lapic(0xb0, 0);
  }
});

test('ExtINT through I/O APIC input 0 takes its vector from the 8259 pair', () => {
  const p = pc();
  p.initPic();
  p.lapic(0xf0, 0x1ff);
  p.lapic(0x350, 0x10700);
  p.redirect(0, 0x700);
  p.startPit();
  assert.equal(p.chips.pendingInterrupt(), true);
  assert.equal(p.chips.acknowledgeInterrupt(), 0x20);
  assert.equal(p.chips.pendingInterrupt(), false);
});

test('the SCI is a level that comes again until its cause is gone', () => {
  const p = pc();
  p.lapic(0xf0, 0x1ff);
  p.redirect(9, 0x8039);
  p.out(PC.SMI_COMMAND_PORT, 0xf1);
  p.out(PC.PM1_EVENT_PORT + 2, 0x100, 2);
  p.chips.acpi.inputs.pressPowerButton();
  assert.equal(p.chips.acknowledgeInterrupt(), 0x39);
  p.lapic(0xb0, 0);
  assert.equal(p.chips.acknowledgeInterrupt(), 0x39);
  p.out(PC.PM1_EVENT_PORT, 0x100, 2);
  p.lapic(0xb0, 0);
  assert.equal(p.chips.pendingInterrupt(), false);
});

test('COM1 transmits and interrupts on IRQ 4', () => {
  const p = pc({ apic: false });
  p.initPic();
  p.out(0x3fc, 0x08);
  p.out(0x3f9, 0x01);
  p.out(0x3f8, 0x41);
  assert.deepEqual(p.sent.seen, [0x41]);
  p.chips.com[0]!.inputs.receive([0x62]);
  assert.equal(p.chips.acknowledgeInterrupt(), 0x24);
  assert.equal(p.chips.set.pio.read(0x3f8, 1), 0x62);
});

test('power off, reset and exit become requests; reset clears them', () => {
  const off = pc();
  off.out(PC.PM1_CONTROL_PORT, (ACPI_S5_SLP_TYP << 10) | 0x2000, 2);
  assert.deepEqual(off.chips.request, { kind: 'powerOff' });
  const reset = pc();
  reset.out(0x64, 0xfe);
  assert.deepEqual(reset.chips.request, { kind: 'reset', by: 'keyboard controller' });
  reset.chips.reset();
  assert.equal(reset.chips.request, null);
  reset.out(0xcf9, 0x02);
  reset.out(0xcf9, 0x06);
  assert.deepEqual(reset.chips.request, { kind: 'reset', by: 'port 0xcf9' });
  const exit = pc();
  exit.out(0xf4, 0x10, 4);
  assert.deepEqual(exit.chips.request, { kind: 'exit', status: 0x21 });
});

test('a processor sees its own local APIC', () => {
  const p = pc({ cpus: 2 });
  p.chips.selectCpu(1);
  assert.equal(p.chips.set.mmio.read(PC.LOCAL_APIC_GPA + 0x20, 4), 0x01000000);
  p.chips.selectCpu(0);
  p.lapic(0xf0, 0x1ff);
  p.lapic(0x310, 0x01000000);
  p.lapic(0x300, 0x4500);
  p.lapic(0x300, 0x4608);
  assert.equal(p.chips.pendingSignal(1), 'init');
  p.chips.localApics[1]!.inputs.takeInit();
  assert.equal(p.chips.pendingSignal(1), null, 'INIT discards a SIPI that came with it');
  p.lapic(0x300, 0x4608);
  assert.equal(p.chips.pendingSignal(1), 'sipi');
  assert.equal(p.chips.localApics[1]!.inputs.takeSipi(), 8);
});

test('a saved board goes on as the first one does', () => {
  const a = pc();
  a.initPic();
  a.startPit();
  a.out(0x3fc, 0x08);
  a.out(0x3f9, 0x01);
  a.runTo(2_500_000);
  const saved = JSON.parse(JSON.stringify(a.chips.save()));
  const b = pc();
  b.clock.now = a.clock.now;
  b.chips.load(saved);
  assert.deepEqual(b.chips.save(), saved);
  for (const p of [a, b]) {
    p.chips.com[0]!.inputs.receive([1]);
    p.runTo(4_000_000);
  }
  assert.deepEqual(b.chips.save(), a.chips.save());
  assert.equal(b.chips.nextDeadlineNs(), a.chips.nextDeadlineNs());
});

test('a board of impossible shape is refused', () => {
  assert.throws(() => pc({ cpus: 0 }), ConfigError);
  assert.throws(() => pc({ cpus: 2, apic: false }), ConfigError);
});

test('a moved APIC page is where it was after load', () => {
  const a = pc();
  a.chips.localApics[0]!.inputs.setBase(0xfed00000 | APIC_BASE_ENABLE);
  a.chips.moveLocalApicPage(0xfed00000, true);
  const b = pc();
  b.chips.load(a.chips.save());
  assert.equal(b.chips.set.mmio.read(0xfed00030, 4), 0x00050014);
  assert.equal(b.chips.set.mmio.claims(PC.LOCAL_APIC_GPA), false);
  b.chips.reset();
  assert.equal(b.chips.set.mmio.claims(PC.LOCAL_APIC_GPA), true);
});

/** Park and Miller's minimal standard generator. */
function random(seed: number): (below: number) => number {
  let x = seed;
  return (below) => {
    x = (x * 48_271) % 0x7fff_ffff;
    return x % below;
  };
}

test('random accesses at random times never throw, hang or leave plain numbers', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const next = random(seed * 7919);
    const p = pc({ cpus: 1 + (seed % 2) });
    const ranges = [
      ...p.chips.set.pio.ranges().map((r) => ({ ...r, bus: p.chips.set.pio })),
      ...p.chips.set.mmio.ranges().map((r) => ({ ...r, bus: p.chips.set.mmio })),
    ];
    for (let n = 0; n < 5000; n++) {
      const r = ranges[next(ranges.length)]!;
      const size = ([1, 2, 4] as const)[next(3)]!;
      const address = r.start + next(r.sizeBytes);
      if (next(2) === 0) r.bus.write(address, size, (next(0x10000) * 0x10000 + next(0x10000)) % 2 ** (8 * size));
      else {
        const v = r.bus.read(address, size);
        assert.ok(Number.isInteger(v) && v >= 0 && v < 2 ** (8 * size), `seed ${seed}: ${address} reads ${v}`);
      }
      if (next(4) === 0) p.runTo(p.clock.now + next(3) * next(1_000_000));
      if (p.chips.pendingInterrupt()) {
        const vector = p.chips.acknowledgeInterrupt();
        assert.ok(vector >= 0 && vector <= 255, `seed ${seed}: vector ${vector}`);
      }
    }
    const saved = p.chips.save();
    const other = pc({ cpus: 1 + (seed % 2) });
    other.clock.now = p.clock.now;
    other.chips.load(JSON.parse(JSON.stringify(saved)));
    assert.deepEqual(other.chips.save(), saved, `seed ${seed}`);
    const end = p.clock.now + 10_000_000;
    for (const q of [p, other]) q.runTo(end);
    assert.deepEqual(other.chips.save(), p.chips.save(), `seed ${seed} after 10 ms more`);
  }
});
