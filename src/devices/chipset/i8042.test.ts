// 8042: the probes of Linux's i8042 driver, A20 and reset, keyboard and mouse.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bench, lineRecorder } from '../testing.js';
import { i8042 } from './i8042.js';
import { typeText } from './scan-codes.js';

function kbc() {
  const b = bench(i8042, {});
  const status = () => b.read('command', 0);
  const take = (): number[] => {
    const out: number[] = [];
    for (let i = 0; i < 50; i++) {
      if (status() & 1) out.push(b.read('data', 0));
      b.run(100_000);
    }
    return out;
  };
  return {
    ...b,
    status,
    take,
    command: (v: number) => b.write('command', 0, v),
    data: (v: number) => b.write('data', 0, v),
    read: () => b.read('data', 0),
  };
}

test('self test and interface tests answer at once', () => {
  const k = kbc();
  k.command(0xaa);
  assert.equal(k.status() & 0x21, 0x01);
  assert.equal(k.read(), 0x55);
  k.command(0xab);
  assert.equal(k.read(), 0x00);
  k.command(0xa9);
  assert.equal(k.read(), 0x00);
  assert.equal(k.status() & 0x01, 0);
});

test('the command byte is read and written', () => {
  const k = kbc();
  k.command(0x20);
  assert.equal(k.read(), 0x45);
  k.command(0x60);
  k.data(0x74);
  k.command(0x20);
  assert.equal(k.read(), 0x74);
});

test('the auxiliary loopback shows the byte as from the mouse and raises IRQ 12', () => {
  const k = kbc();
  k.command(0x60);
  k.data(0x47);
  k.command(0xd3);
  k.data(0x5a);
  assert.equal(k.status() & 0x21, 0x21);
  assert.equal(k.device.line('mouse'), true);
  assert.equal(k.device.line('keyboard'), false);
  assert.equal(k.read(), 0x5a);
  assert.equal(k.device.line('mouse'), false);
});

test('disabling and enabling the auxiliary interface shows in the command byte', () => {
  const k = kbc();
  k.command(0xa7);
  k.command(0x20);
  assert.equal(k.read() & 0x20, 0x20);
  k.command(0xa8);
  k.command(0x20);
  assert.equal(k.read() & 0x20, 0);
});

test('A20 follows the output port, its commands and port 0x92', () => {
  const k = kbc();
  const a20 = lineRecorder();
  k.device.connect('a20', a20);
  k.command(0xdd);
  k.command(0xdf);
  k.command(0xd1);
  k.data(0xcd);
  k.write('fastA20', 0, 0x02);
  assert.deepEqual(a20.seen, [true, false, true, false, true]);
  k.command(0xd0);
  assert.equal(k.read() & 0x03, 0x03);
});

test('reset by pulse, by the output port and by port 0x92', () => {
  const pulse = kbc();
  pulse.command(0xfe);
  assert.equal(pulse.device.line('reset'), true);
  const port = kbc();
  port.command(0xd1);
  port.data(0xce);
  assert.equal(port.device.line('reset'), true);
  const fast = kbc();
  fast.write('fastA20', 0, 0x03);
  assert.equal(fast.device.line('reset'), true);
  const none = kbc();
  none.command(0xff);
  assert.equal(none.device.line('reset'), false);
});

test('keys arrive translated to set 1, one interrupt edge per byte', () => {
  const k = kbc();
  const irq = lineRecorder();
  k.device.connect('keyboard', irq);
  k.device.inputs.key([0x1c, 0xf0, 0x1c, 0xe0, 0x75]);
  assert.deepEqual(k.take(), [0x1e, 0x9e, 0xe0, 0x48]);
  assert.equal(irq.edges(), 4);
});

test('without translation keys arrive in set 2', () => {
  const k = kbc();
  k.command(0x60);
  k.data(0x05);
  k.device.inputs.key([0x1c, 0xf0, 0x1c]);
  assert.deepEqual(k.take(), [0x1c, 0xf0, 0x1c]);
});

test('the keyboard answers reset, identify and LEDs', () => {
  const k = kbc();
  k.data(0xff);
  assert.deepEqual(k.take(), [0xfa, 0xaa]);
  k.data(0xf2);
  assert.deepEqual(k.take(), [0xfa, 0xab, 0x41], 'translated identity');
  k.data(0xed);
  assert.deepEqual(k.take(), [0xfa]);
  k.data(0x07);
  assert.deepEqual(k.take(), [0xfa]);
  assert.equal(k.device.state.keyboard.leds, 7);
});

test('a disabled keyboard interface holds its bytes', () => {
  const k = kbc();
  k.command(0xad);
  k.device.inputs.key([0x1c]);
  assert.deepEqual(k.take(), []);
  k.command(0xae);
  assert.deepEqual(k.take(), [0x1e]);
});

test('the mouse answers reset and identify and reports movement when enabled', () => {
  const k = kbc();
  const toMouse = (v: number) => {
    k.command(0xd4);
    k.data(v);
    return k.take();
  };
  assert.deepEqual(toMouse(0xff), [0xfa, 0xaa, 0x00]);
  assert.deepEqual(toMouse(0xf2), [0xfa, 0x00]);
  k.device.inputs.move(1, 1);
  assert.deepEqual(k.take(), []);
  toMouse(0xf6);
  assert.deepEqual(toMouse(0xf4), [0xfa]);
  k.device.inputs.move(-2, 3);
  assert.deepEqual(k.take(), [0x18, 0xfe, 0x03]);
  k.device.inputs.buttons(1);
  assert.deepEqual(k.take(), [0x09, 0, 0]);
  assert.deepEqual(toMouse(0xe9), [0xfa, 0x21, 0x02, 100]);
});

test('typed text becomes make and break codes', () => {
  assert.deepEqual(typeText('aB'), [0x1c, 0xf0, 0x1c, 0x12, 0x32, 0xf0, 0x32, 0xf0, 0x12]);
});
