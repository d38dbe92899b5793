// 16550A: interrupts, FIFO, timeout, loopback, back pressure, and the probes of Linux's 8250 driver.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bench, recorder } from '../testing.js';
import { UART_QUEUE_BYTES, uart16550 } from './uart16550.js';

const RBR = 0;
const IER = 1;
const IIR = 2;
const FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

function uart() {
  const sent = recorder<number>();
  let room = 0;
  const b = bench(uart16550, { tx: sent, rxRoom: () => void room++ });
  return {
    ...b,
    sent,
    roomCalls: () => room,
    get: (r: number) => b.read('regs', r),
    put: (r: number, v: number) => b.write('regs', r, v),
    intr: () => b.device.line('intr'),
    receive: (...bytes: number[]) => b.device.inputs.receive(bytes),
  };
}

test('transmitted bytes go to the port', () => {
  const u = uart();
  u.put(RBR, 0x41);
  u.put(RBR, 0x42);
  assert.deepEqual(u.sent.seen, [0x41, 0x42]);
  assert.equal(u.get(LSR), 0x60);
});

test('DLAB selects the divisor', () => {
  const u = uart();
  u.put(LCR, 0x83);
  u.put(0, 0x01);
  u.put(1, 0x00);
  assert.equal(u.device.queries.baud(), 115200);
  u.put(LCR, 0x03);
  assert.deepEqual(u.sent.seen, []);
});

test('received data raises INTR only with the interrupt enabled and OUT2 set; reading lowers it', () => {
  const u = uart();
  u.put(IER, 0x01);
  u.receive(0x61);
  assert.equal(u.intr(), false);
  u.put(MCR, 0x08);
  assert.equal(u.intr(), true);
  assert.equal(u.get(IIR), 0x04);
  assert.equal(u.get(RBR), 0x61);
  assert.equal(u.intr(), false);
  assert.equal(u.get(IIR), 0x01);
});

test('reading IIR lowers INTR when THRE was the cause; enabling it again raises it', () => {
  const u = uart();
  u.put(MCR, 0x08);
  u.put(IER, 0x02);
  assert.equal(u.intr(), true);
  assert.equal(u.get(IIR), 0x02);
  assert.equal(u.intr(), false);
  u.put(IER, 0x00);
  u.put(IER, 0x02);
  assert.equal(u.get(IIR), 0x02, 'Linux tests for chips that lose this one');
  u.put(RBR, 1);
  assert.equal(u.intr(), true);
});

test('the FIFO interrupts at its trigger level, and after four character times below it', () => {
  const u = uart();
  u.put(MCR, 0x08);
  u.put(FCR, 0x81); // trigger at 8
  u.put(IER, 0x01);
  u.receive(1, 2, 3);
  assert.equal(u.intr(), false);
  u.run(5_000_000); // 4 characters at 9600 take 4.17 ms
  assert.equal(u.get(IIR), 0xcc);
  u.get(RBR);
  assert.equal(u.intr(), false);
  u.receive(4, 5, 6, 7, 8, 9);
  assert.equal(u.get(IIR), 0xc4);
});

test('more than a FIFO waits on the line, and beyond the queue nothing is taken', () => {
  const u = uart();
  u.put(FCR, 0x01);
  const many = Array.from({ length: 2000 }, (_, i) => i & 0xff);
  const taken = u.device.inputs.receive(many);
  assert.equal(taken, UART_QUEUE_BYTES);
  assert.equal(u.device.queries.room(), 16, 'sixteen moved on into the FIFO');
  assert.equal(u.device.inputs.receive(many.slice(taken)), 16);
  assert.equal(u.receive(1), 0);
  for (let i = 0; i < taken + 16; i++) assert.equal(u.get(RBR), i & 0xff);
  assert.equal(u.get(LSR) & 0x03, 0, 'no overrun');
  assert.equal(u.roomCalls(), 1);
});

test('loopback: bytes return, modem lines follow MCR, nothing leaves', () => {
  const u = uart();
  u.put(MCR, 0x1a); // LOOP, OUT2, RTS
  assert.equal(u.get(MSR) & 0xf0, 0x90, 'the probe of 8250 drivers');
  u.put(RBR, 0x5a);
  assert.equal(u.get(RBR), 0x5a);
  assert.deepEqual(u.sent.seen, []);
});

test('an overrun in loopback sets OE once', () => {
  const u = uart();
  u.put(MCR, 0x10);
  u.put(RBR, 1);
  u.put(RBR, 2);
  assert.equal(u.get(LSR) & 0x02, 0x02);
  assert.equal(u.get(LSR) & 0x02, 0);
  assert.equal(u.get(RBR), 2);
});

test('a break shows in LSR with the null byte it brings', () => {
  const u = uart();
  u.put(MCR, 0x08);
  u.put(IER, 0x04);
  u.device.inputs.receiveBreak();
  assert.equal(u.get(IIR), 0x06);
  assert.equal(u.get(LSR) & 0x11, 0x11);
  assert.equal(u.intr(), false);
  assert.equal(u.get(RBR), 0);
});

test('modem changes set delta bits and interrupt; reading MSR clears them', () => {
  const u = uart();
  u.put(MCR, 0x08);
  u.put(IER, 0x08);
  u.device.inputs.modem(0xa0); // CTS falls
  assert.equal(u.get(IIR), 0x00);
  assert.equal(u.get(MSR), 0xa1);
  assert.equal(u.intr(), false);
  u.device.inputs.modem(0xe0);
  assert.equal(u.get(MSR), 0xe0, 'RI rising sets nothing');
  u.device.inputs.modem(0xa0);
  assert.equal(u.get(MSR), 0xa4);
});

test('the autoconfiguration of 8250 drivers finds a 16550A', () => {
  const u = uart();
  u.put(IER, 0x00);
  assert.equal(u.get(IER), 0x00);
  u.put(IER, 0xff);
  assert.equal(u.get(IER), 0x0f);
  u.put(IER, 0x00);
  u.put(SCR, 0xa5);
  assert.equal(u.get(SCR), 0xa5);
  u.put(LCR, 0xbf);
  u.put(2, 0x00);
  u.put(LCR, 0x00);
  u.put(FCR, 0x01);
  assert.equal(u.get(IIR) >> 6, 3);
  u.put(LCR, 0x80);
  u.put(FCR, 0x21);
  assert.equal((u.get(IIR) >> 5) & 1, 0, 'no 64-byte FIFO');
  u.put(FCR, 0x00);
  assert.equal(u.get(IIR) >> 6, 0);
});

test('clearing the receive FIFO drops its bytes', () => {
  const u = uart();
  u.put(FCR, 0x01);
  u.receive(1, 2, 3);
  u.put(FCR, 0x03);
  assert.equal(u.get(LSR) & 1, 0);
});

test('a guest listens when it takes receive interrupts or keeps looking for a byte, not while it sets the port up', () => {
  const u = uart();
  const listens = () => u.device.queries.listens();
  assert.equal(listens(), false);
  u.put(IER, 1);
  assert.equal(listens(), true);
  u.put(IER, 2);
  assert.equal(listens(), false);
  for (let i = 0; i < 20; i++) {
    u.get(LSR); // waits for room before each byte, as a polled transmitter does
    u.put(RBR, 0x41);
  }
  assert.equal(listens(), false);
  for (let i = 0; i < 8; i++) u.get(LSR);
  assert.equal(listens(), true);
  u.put(FCR, 7);
  assert.equal(listens(), false);
});
