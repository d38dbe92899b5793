// Local APIC: priorities, EOI, timer in three modes, IPIs, LINT pins, errors, x2APIC.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bench } from '../testing.js';
import { ApicBus } from './apic-message.js';
import { APIC_BASE_ENABLE, APIC_BASE_X2APIC, localApic } from './local-apic.js';

const ID = 0x20;
const TPR = 0x80;
const PPR = 0xa0;
const EOI = 0xb0;
const LDR = 0xd0;
const DFR = 0xe0;
const SVR = 0xf0;
const ESR = 0x280;
const ICR_LOW = 0x300;
const ICR_HIGH = 0x310;
const LVT_TIMER = 0x320;
const LVT_LINT0 = 0x350;
const LVT_ERROR = 0x370;
const INITIAL = 0x380;
const CURRENT = 0x390;
const DIVIDE = 0x3e0;

function apic(id = 0, bus?: ApicBus) {
  const eois: number[] = [];
  const ipis: number[][] = [];
  const b = bench(localApic(id), {
    ipi: (...a: number[]) => {
      ipis.push(a);
      bus?.ipi(a[0]!, a[1]!, a[2]!);
    },
    eoi: (v) => void eois.push(v),
  });
  bus?.add(b.device);
  const put = (r: number, v: number) => b.write('regs', r, v, 4);
  put(SVR, 0x1ff);
  return {
    ...b,
    eois,
    ipis,
    put,
    get: (r: number) => b.read('regs', r, 4),
    fixed: (vector: number, level = false) => b.device.inputs.accept(vector | (level ? 0x8000 : 0)),
    pending: () => b.device.queries.pendingVector(),
    ack: () => b.device.inputs.acknowledge(),
  };
}

test('the highest vector is taken first; its class holds back equal and lower ones until EOI', () => {
  const a = apic();
  a.fixed(0x31);
  a.fixed(0x45);
  assert.equal(a.device.line('intr'), true);
  assert.equal(a.ack(), 0x45);
  a.fixed(0x4f);
  assert.equal(a.pending(), -1, 'same class');
  assert.equal(a.get(PPR), 0x40);
  a.put(EOI, 0);
  assert.equal(a.ack(), 0x4f);
  a.put(EOI, 0);
  assert.equal(a.ack(), 0x31);
});

test('TPR holds back its class and lower ones', () => {
  const a = apic();
  a.put(TPR, 0x50);
  a.fixed(0x55);
  assert.equal(a.device.line('intr'), false);
  a.device.inputs.setCr8(4);
  assert.equal(a.get(TPR), 0x40);
  assert.equal(a.pending(), 0x55);
});

test('EOI of a level interrupt is broadcast, of an edge is not', () => {
  const a = apic();
  a.fixed(0x60);
  a.ack();
  a.put(EOI, 0);
  a.fixed(0x61, true);
  a.ack();
  a.put(EOI, 0);
  assert.deepEqual(a.eois, [0x61]);
});

test('an interrupt that is gone at INTA gives the spurious vector', () => {
  const a = apic();
  a.fixed(0x40);
  a.put(TPR, 0xf0);
  assert.equal(a.ack(), 0xff);
});

test('a software-disabled APIC takes no fixed interrupts and masks its LVT', () => {
  const a = apic();
  a.put(LVT_TIMER, 0x30);
  a.put(SVR, 0xff);
  assert.equal(a.get(LVT_TIMER), 0x10030);
  a.fixed(0x40);
  a.put(SVR, 0x1ff);
  assert.equal(a.pending(), -1);
});

test('the one-shot timer counts the bus clock through its divider', () => {
  const a = apic();
  a.put(LVT_TIMER, 0x30);
  a.put(DIVIDE, 0x03); // by 16
  a.put(INITIAL, 1000);
  a.run(8000);
  assert.equal(a.get(CURRENT), 500);
  assert.equal(a.pending(), -1);
  a.run(8000);
  assert.equal(a.ack(), 0x30);
  assert.equal(a.get(CURRENT), 0);
  assert.equal(a.device.deadlineNs, Number.POSITIVE_INFINITY);
});

test('the periodic timer goes on, and stops with an initial count of zero', () => {
  const a = apic();
  a.put(LVT_TIMER, 0x20030);
  a.put(DIVIDE, 0x0b); // by 1
  a.put(INITIAL, 1000);
  for (let i = 0; i < 3; i++) {
    a.run(1000);
    assert.equal(a.ack(), 0x30);
    a.put(EOI, 0);
  }
  a.run(250);
  assert.equal(a.get(CURRENT), 750);
  a.put(INITIAL, 0);
  a.run(5000);
  assert.equal(a.pending(), -1);
});

test('a masked timer counts without interrupting, as calibration needs', () => {
  const a = apic();
  a.put(LVT_TIMER, 0x10030);
  a.put(DIVIDE, 0x03);
  a.put(INITIAL, 0xffffffff);
  assert.equal(a.device.deadlineNs, Number.POSITIVE_INFINITY);
  a.clock.advance(160_000);
  assert.equal(a.get(CURRENT), 0xffffffff - 10_000);
});

test('a periodic timer that the host runs late keeps its phase and counts what merged', () => {
  const a = apic();
  a.put(LVT_TIMER, 0x20030);
  a.put(DIVIDE, 0x0b);
  a.put(INITIAL, 1000);
  a.clock.advance(4500);
  a.device.runUntil(a.clock.now);
  assert.equal(a.device.deadlineNs, 5000);
  assert.equal(a.device.state.timerMerged, 3);
});

test('TSC-deadline mode fires at the time given and clears the register', () => {
  const a = apic();
  a.put(LVT_TIMER, 0x40031);
  a.device.inputs.setTscDeadline(0x1_0000_0005n, 700);
  assert.equal(a.device.queries.tscDeadline(), 0x1_0000_0005n);
  a.put(INITIAL, 5);
  assert.equal(a.get(CURRENT), 0);
  a.run(699);
  assert.equal(a.pending(), -1);
  a.run(1);
  assert.equal(a.ack(), 0x31);
  assert.equal(a.device.queries.tscDeadline(), 0n);
  a.device.inputs.setTscDeadline(9n, 900);
  a.put(LVT_TIMER, 0x31);
  assert.equal(a.device.deadlineNs, Number.POSITIVE_INFINITY, 'leaving the mode disarms');
});

test('IPIs reach by physical ID, logical ID and shorthand', () => {
  const bus = new ApicBus();
  const a = [apic(0, bus), apic(1, bus), apic(2, bus)];
  const pending = () => a.map((x) => x.pending());
  a[0]!.put(ICR_HIGH, 0x02000000);
  a[0]!.put(ICR_LOW, 0x4041);
  assert.deepEqual(pending(), [-1, -1, 0x41]);
  a.forEach((x, i) => {
    x.put(DFR, 0xffffffff);
    x.put(LDR, 1 << (24 + i));
  });
  a[0]!.put(ICR_HIGH, 0x06000000);
  a[0]!.put(ICR_LOW, 0x4842);
  assert.deepEqual(pending(), [-1, 0x42, 0x42]);
  a[1]!.put(ICR_LOW, 0xc4043); // all but self
  assert.deepEqual(pending(), [0x43, 0x42, 0x43]);
  a[1]!.put(ICR_LOW, 0x44044); // self
  assert.deepEqual(pending(), [0x43, 0x44, 0x43]);
});

test('cluster mode matches cluster and member', () => {
  const a = apic(3);
  a.put(DFR, 0x0fffffff);
  a.put(LDR, 0x24000000);
  assert.equal(a.device.queries.matches(0x24, true), true);
  assert.equal(a.device.queries.matches(0x2c, true), true);
  assert.equal(a.device.queries.matches(0x14, true), false);
  assert.equal(a.device.queries.matches(0x22, true), false);
});

test('INIT and start-up IPIs are signals for the processor', () => {
  const bus = new ApicBus();
  const a = apic(0, bus);
  const b = apic(1, bus);
  a.put(ICR_HIGH, 0x01000000);
  a.put(ICR_LOW, 0xc500); // INIT, level assert
  a.put(ICR_LOW, 0x8500); // INIT level de-assert
  a.put(ICR_LOW, 0x0609);
  assert.equal(b.device.state.sipi, 9);
  assert.equal(b.device.inputs.takeInit(), true);
  assert.equal(b.get(SVR), 0xff, 'INIT resets the register file');
  assert.equal(b.get(ID), 0x01000000);
  assert.equal(b.device.inputs.takeInit(), false);
  a.put(ICR_LOW, 0x0400);
  assert.equal(b.device.inputs.takeNmi(), true);
});

test('LINT0 passes ExtINT while unmasked, as the bootstrap processor starts', () => {
  const a = apic();
  a.device.inputs.lint(0, true);
  assert.equal(a.device.queries.extIntPending(), true);
  a.put(LVT_LINT0, 0x10700);
  assert.equal(a.device.queries.extIntPending(), false);
  a.device.inputs.setBase(0xfee00000);
  assert.equal(a.device.queries.extIntPending(), true, 'a disabled APIC lets INTR through');
});

test('LINT0 as a fixed interrupt makes one request per edge', () => {
  const a = apic();
  a.put(LVT_LINT0, 0x0033);
  a.device.inputs.lint(0, true);
  assert.equal(a.ack(), 0x33);
  a.put(EOI, 0);
  assert.equal(a.pending(), -1);
});

test('errors are latched by writing ESR and interrupt through their LVT entry', () => {
  const a = apic();
  a.put(LVT_ERROR, 0xfe);
  a.put(ICR_LOW, 0x4005); // vector 5 cannot be sent
  assert.equal(a.get(ESR), 0);
  a.put(ESR, 0);
  assert.equal(a.get(ESR), 0x20);
  assert.equal(a.ack(), 0xfe);
  a.put(ESR, 0);
  assert.equal(a.get(ESR), 0);
});

test('x2APIC mode: 32-bit ID, derived logical ID, one-write ICR, self IPI', () => {
  const a = apic(0x25);
  a.device.inputs.setBase(0xfee00000 | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
  assert.equal(a.device.inputs.readRegister(0x02), 0x25);
  assert.equal(a.device.inputs.readRegister(0x0d), 0x00020020);
  assert.equal(a.device.queries.matches(0x00020020, true), true);
  a.device.inputs.writeIcr(0x4041, 0x12345);
  assert.deepEqual(a.ipis, [[0x25, 0x4041, 0x12345]]);
  a.device.inputs.writeRegister(0x3f, 0x77);
  assert.deepEqual(a.ipis[1], [0x25, 0x40077, 0]);
});
