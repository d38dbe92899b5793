// 8259 pair: initialization, priorities, EOI modes, triggers, poll, spurious interrupts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bench } from '../testing.js';
import { i8259 } from './i8259.js';

/** Vectors 0x20.. and 0x28.., all inputs open, as a PC's firmware or an RTOS sets them. */
function pair(icw4 = 0x01) {
  const b = bench(i8259, {});
  for (const [chip, base, cascade] of [
    ['master', 0x20, 0x04],
    ['slave', 0x28, 0x02],
  ] as const) {
    b.write(chip, 0, 0x11);
    b.write(chip, 1, base);
    b.write(chip, 1, cascade);
    b.write(chip, 1, icw4);
    b.write(chip, 1, 0x00);
  }
  const pin = (n: number, level: boolean) => b.device.inputs.pin(n, level);
  return {
    ...b,
    pin,
    pulse: (n: number) => {
      pin(n, true);
      pin(n, false);
    },
    intr: () => b.device.line('intr'),
    ack: () => b.device.inputs.acknowledge(),
  };
}

test('an edge raises INTR and is acknowledged with its vector', () => {
  const p = pair();
  p.pulse(1);
  assert.equal(p.intr(), true);
  assert.equal(p.ack(), 0x21);
  assert.equal(p.intr(), false);
});

test('an interrupt in service holds back lower ones until EOI, not higher ones', () => {
  const p = pair();
  p.pulse(3);
  assert.equal(p.ack(), 0x23);
  p.pulse(4);
  assert.equal(p.intr(), false);
  p.pulse(1);
  assert.equal(p.ack(), 0x21);
  p.write('master', 0, 0x20);
  assert.equal(p.intr(), false, 'IRQ 3 is still in service');
  p.write('master', 0, 0x63);
  assert.equal(p.ack(), 0x24);
});

test('the slave answers through the cascade and needs both EOIs', () => {
  const p = pair();
  p.pulse(8);
  assert.equal(p.ack(), 0x28);
  p.pulse(9);
  assert.equal(p.intr(), false);
  p.write('slave', 0, 0x20);
  assert.equal(p.intr(), false, 'the cascade is in service in the master');
  p.write('master', 0, 0x62);
  assert.equal(p.ack(), 0x29);
});

test('special fully nested mode lets the slave interrupt itself with a higher input', () => {
  const p = pair(0x11);
  p.pulse(10);
  assert.equal(p.ack(), 0x2a);
  p.pulse(9);
  assert.equal(p.ack(), 0x29);
});

test('a masked input waits in IRR', () => {
  const p = pair();
  p.write('master', 1, 0x02);
  p.pulse(1);
  assert.equal(p.intr(), false);
  assert.equal(p.read('master', 0), 0x02);
  assert.equal(p.read('master', 1), 0x02);
  p.write('master', 1, 0x00);
  assert.equal(p.ack(), 0x21);
  p.write('master', 0, 0x0b);
  assert.equal(p.read('master', 0), 0x02, 'OCW3 selects ISR');
});

test('a held edge does not repeat, a level does', () => {
  const p = pair();
  p.write('elcr', 1, 0x02); // IRQ 9 level triggered
  p.pin(5, true);
  p.pin(9, true);
  assert.equal(p.ack(), 0x29, 'the cascade goes before IRQ 5');
  p.write('slave', 0, 0x20);
  p.write('master', 0, 0x20);
  assert.equal(p.ack(), 0x29);
  p.pin(9, false);
  p.write('slave', 0, 0x20);
  p.write('master', 0, 0x20);
  assert.equal(p.ack(), 0x25);
  p.write('master', 0, 0x20);
  assert.equal(p.intr(), false);
});

test('ELCR keeps the bits of IRQ 0, 1, 2, 8 and 13 clear', () => {
  const p = pair();
  p.write('elcr', 0, 0xff);
  p.write('elcr', 1, 0xff);
  assert.equal(p.read('elcr', 0, 2), 0xdef8);
});

test('a level that goes away before INTA gives the spurious vectors', () => {
  const p = pair();
  p.write('elcr', 0, 0x20);
  p.write('elcr', 1, 0x02);
  p.pin(5, true);
  p.pin(5, false);
  assert.equal(p.intr(), false);
  assert.equal(p.ack(), 0x27);
  p.write('master', 0, 0x0b);
  assert.equal(p.read('master', 0), 0, 'a spurious interrupt is not in service');
});

test('automatic EOI leaves nothing in service', () => {
  const p = pair(0x03);
  p.pulse(0);
  assert.equal(p.ack(), 0x20);
  p.pulse(1);
  assert.equal(p.ack(), 0x21);
});

test('rotation on EOI makes the served input the lowest', () => {
  const p = pair();
  p.pulse(0);
  p.ack();
  p.write('master', 0, 0xa0);
  p.pulse(0);
  p.pulse(1);
  assert.equal(p.ack(), 0x21);
});

test('set priority makes the next input the highest', () => {
  const p = pair();
  p.write('master', 0, 0xc4);
  p.pulse(1);
  p.pulse(5);
  assert.equal(p.ack(), 0x25);
});

test('rotation in automatic EOI mode', () => {
  const p = pair(0x03);
  p.write('master', 0, 0x80);
  p.pulse(0);
  assert.equal(p.ack(), 0x20);
  p.pulse(0);
  p.pulse(6);
  assert.equal(p.ack(), 0x26);
});

test('special mask mode lets lower inputs through while the masked one is in service', () => {
  const p = pair();
  p.pulse(1);
  assert.equal(p.ack(), 0x21);
  p.write('master', 1, 0x02);
  p.pulse(6);
  assert.equal(p.intr(), false);
  p.write('master', 0, 0x68);
  assert.equal(p.ack(), 0x26);
  p.write('master', 0, 0x20);
  p.write('master', 0, 0x48);
  p.write('master', 0, 0x0b);
  assert.equal(p.read('master', 0), 0x02, 'a non-specific EOI spared the masked one');
});

test('poll reads the highest request and takes it', () => {
  const p = pair();
  p.pulse(4);
  p.write('master', 0, 0x0c);
  assert.equal(p.read('master', 0), 0x84);
  assert.equal(p.intr(), false);
  p.write('master', 0, 0x0c);
  assert.equal(p.read('master', 0), 0x00);
});

test('initialization forgets requests and masks', () => {
  const p = pair();
  p.write('master', 1, 0xff);
  p.pulse(3);
  p.write('master', 0, 0x11);
  p.write('master', 1, 0x60);
  p.write('master', 1, 0x04);
  p.write('master', 1, 0x01);
  assert.equal(p.intr(), false);
  assert.equal(p.read('master', 1), 0);
  p.pulse(3);
  assert.equal(p.ack(), 0x63);
});
