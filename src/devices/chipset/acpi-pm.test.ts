// ACPI fixed hardware: timer, enabling, power button, sleep, reset.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bench } from '../testing.js';
import { ACPI_DISABLE, ACPI_ENABLE, ACPI_RESET_VALUE, ACPI_S5_SLP_TYP, acpiPm, PM_TIMER_HZ } from './acpi-pm.js';

test('the PM timer counts 3.579545 MHz and wraps at 32 bits', () => {
  const b = bench(acpiPm, {});
  b.run(1e9);
  assert.equal(b.read('timer', 0, 4), PM_TIMER_HZ);
  b.run(1200e9 - 1e9);
  assert.equal(b.read('timer', 0, 4), (1200 * PM_TIMER_HZ) % 2 ** 32);
});

test('SCI needs ACPI mode, status and enable', () => {
  const b = bench(acpiPm, {});
  b.write('pm1Event', 2, 0x0100, 2);
  b.device.inputs.pressPowerButton();
  assert.equal(b.device.line('sci'), false);
  b.write('smi', 0, ACPI_ENABLE);
  assert.equal(b.read('pm1Control', 0, 2) & 1, 1);
  assert.equal(b.device.line('sci'), true);
  b.write('pm1Event', 0, 0x0100, 2);
  assert.equal(b.device.line('sci'), false);
  b.write('pm1Control', 0, 0, 2);
  assert.equal(b.read('pm1Control', 0, 2) & 1, 1, 'SCI_EN is not the guest’s to write');
  b.write('smi', 0, ACPI_DISABLE);
  assert.equal(b.read('pm1Control', 0, 2) & 1, 0);
});

test('a byte write clears only status bits of its byte', () => {
  const b = bench(acpiPm, {});
  b.device.inputs.pressPowerButton();
  b.write('pm1Event', 0, 0xff);
  assert.equal(b.read('pm1Event', 0, 2), 0x0100);
  b.write('pm1Event', 1, 0x01);
  assert.equal(b.read('pm1Event', 0, 2), 0);
});

test('general-purpose events interrupt and are cleared by writing ones', () => {
  const b = bench(acpiPm, {});
  b.write('smi', 0, ACPI_ENABLE);
  b.write('gpe0', 2, 0x0004, 2);
  b.device.inputs.raiseGpe(2);
  assert.equal(b.device.line('sci'), true);
  b.write('gpe0', 0, 0x04);
  assert.equal(b.device.line('sci'), false);
});

test('the timer’s top bit raises TMR_STS when enabled', () => {
  const b = bench(acpiPm, {});
  b.write('smi', 0, ACPI_ENABLE);
  b.write('pm1Event', 2, 0x0001, 2);
  b.run(599e9);
  assert.equal(b.device.line('sci'), false);
  b.run(2e9);
  assert.equal(b.device.line('sci'), true);
});

test('SLP_EN with the S5 type powers off, with another it only sleeps', () => {
  const b = bench(acpiPm, {});
  b.write('pm1Control', 0, (ACPI_S5_SLP_TYP << 10) | 1, 2);
  assert.equal(b.device.line('sleep'), false);
  b.write('pm1Control', 0, (1 << 10) | 0x2000, 2);
  assert.equal(b.device.queries.sleepType(), 1);
  assert.equal(b.device.line('sleep'), false);
  b.write('pm1Control', 0, (ACPI_S5_SLP_TYP << 10) | 0x2000, 2);
  assert.equal(b.device.line('sleep'), true);
  b.device.reset();
  assert.equal(b.device.line('sleep'), false);
});

test('the reset register resets by its value only', () => {
  const b = bench(acpiPm, {});
  b.write('reset', 0, 1);
  assert.equal(b.device.line('reset'), false);
  b.write('reset', 0, ACPI_RESET_VALUE);
  assert.equal(b.device.line('reset'), true);
});
