// I/O APIC: edges, levels with remote IRR, masks, register window.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bench } from '../testing.js';
import { ioApic } from './io-apic.js';

function io() {
  const sent: number[][] = [];
  const b = bench(ioApic, { deliver: (m: number, d: number) => void sent.push([m, d]) });
  const put = (r: number, v: number) => {
    b.write('regs', 0x00, r, 4);
    b.write('regs', 0x10, v, 4);
  };
  const get = (r: number) => {
    b.write('regs', 0x00, r, 4);
    return b.read('regs', 0x10, 4);
  };
  const entry = (pin: number, low: number, destination = 0) => {
    put(0x11 + 2 * pin, (destination << 24) >>> 0);
    put(0x10 + 2 * pin, low);
  };
  return { ...b, sent, put, get, entry, pin: (n: number, level: boolean) => b.device.inputs.pin(n, level) };
}

test('version register tells 24 entries, all masked after reset', () => {
  const a = io();
  assert.equal(a.get(1), 0x00170020);
  assert.equal(a.get(0x10 + 2 * 23), 0x10000);
  a.put(0, 0x0f000000);
  assert.equal(a.get(0), 0x0f000000);
});

test('each edge of an open input sends one message', () => {
  const a = io();
  a.entry(4, 0x0931, 0x03);
  a.pin(4, true);
  a.pin(4, true);
  a.pin(4, false);
  a.pin(4, true);
  assert.deepEqual(a.sent, [
    [0x0931, 3],
    [0x0931, 3],
  ]);
});

test('an edge on a masked input is lost', () => {
  const a = io();
  a.pin(4, true);
  a.entry(4, 0x31);
  assert.deepEqual(a.sent, []);
});

test('a level is sent once until EOI, then again while it is held', () => {
  const a = io();
  a.entry(9, 0x8039);
  a.pin(9, true);
  assert.equal(a.get(0x10 + 18) & 0x4000, 0x4000);
  a.device.inputs.eoi(0x40);
  assert.equal(a.sent.length, 1);
  a.device.inputs.eoi(0x39);
  assert.equal(a.sent.length, 2);
  a.pin(9, false);
  a.write('regs', 0x40, 0x39, 4);
  assert.equal(a.sent.length, 2);
  assert.equal(a.get(0x10 + 18) & 0x4000, 0);
});

test('unmasking a level input that is high sends it', () => {
  const a = io();
  a.entry(9, 0x18039);
  a.pin(9, true);
  assert.equal(a.sent.length, 0);
  a.entry(9, 0x8039);
  assert.deepEqual(a.sent, [[0x8039, 0]]);
});

test('NMI and ExtINT entries carry their mode', () => {
  const a = io();
  a.entry(0, 0x0700);
  a.entry(2, 0x0400);
  a.pin(0, true);
  a.pin(2, true);
  assert.deepEqual(a.sent, [
    [0x0700, 0],
    [0x0400, 0],
  ]);
});
