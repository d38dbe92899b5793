// PCI: configuration mechanism #1, bridges, absent functions, write masks, reset control.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../../base/index.js';
import { bench } from '../testing.js';
import { PciFunctions, pciAddress, pciConfig, readConfig, writeConfig } from './config-space.js';
import { pciHostBridge } from './host-bridge.js';

function bridge() {
  const functions = new PciFunctions();
  const b = bench(pciHostBridge, { functions });
  const select = (bdf: number, register: number) => b.write('regs', 0, (0x80000000 | (bdf << 8) | register) >>> 0, 4);
  return {
    ...b,
    functions,
    get: (bdf: number, register: number) => {
      select(bdf, register);
      return b.read('regs', 4, 4);
    },
    select,
  };
}

test('the address register reads back, the enable bit is needed', () => {
  const p = bridge();
  p.write('regs', 0, 0x80000000, 4);
  assert.equal(p.read('regs', 0, 4), 0x80000000, 'the probe for mechanism #1');
  assert.equal(p.read('regs', 4, 4), 0x12378086);
  p.write('regs', 0, 0, 4);
  assert.equal(p.read('regs', 4, 4), 0xffffffff);
});

test('host bridge and ISA bridge answer, the rest reads ones', () => {
  const p = bridge();
  assert.equal(p.get(0, 8) >>> 16, 0x0600);
  assert.equal(p.get(pciAddress(1), 0), 0x70008086);
  assert.equal(p.get(pciAddress(2), 0), 0xffffffff);
  assert.equal(p.get(pciAddress(0, 0, 1), 0), 0xffffffff);
  p.select(pciAddress(1), 0x08);
  assert.equal(p.read('regs', 6, 2), 0x0601);
  assert.equal(p.read('regs', 7, 1), 0x06);
});

test('identity is read only, the command register is not', () => {
  const p = bridge();
  p.select(0, 0);
  p.write('regs', 4, 0, 4);
  assert.equal(p.get(0, 0), 0x12378086);
  p.select(0, 4);
  p.write('regs', 4, 0xffff, 2);
  assert.equal(p.get(0, 4) & 0xffff, 0x0547);
});

test('a registered function answers; its windows are sized by writing ones', () => {
  const p = bridge();
  const config = pciConfig({
    vendorId: 0x1af4,
    deviceId: 0x1042,
    classCode: 0x018000,
    interruptPin: 1,
    bars: [
      { space: 'mmio', sizeBytes: 0x4000 },
      { space: 'pio', sizeBytes: 0x20 },
    ],
  });
  const fn = {
    readConfig: (r: number, size: 1 | 2 | 4) => readConfig(config, r, size),
    writeConfig: (r: number, size: 1 | 2 | 4, v: number) => writeConfig(config, r, size, v),
  };
  p.functions.add(pciAddress(3), fn);
  assert.throws(() => p.functions.add(pciAddress(3), fn), ConfigError);
  assert.equal(p.get(pciAddress(3), 0), 0x10421af4);
  p.select(pciAddress(3), 0x10);
  p.write('regs', 4, 0xffffffff, 4);
  assert.equal(p.read('regs', 4, 4), 0xffffc000);
  p.select(pciAddress(3), 0x14);
  p.write('regs', 4, 0xffffffff, 4);
  assert.equal(p.read('regs', 4, 4), 0xffffffe1);
  assert.throws(
    () => pciConfig({ vendorId: 1, deviceId: 1, classCode: 0, bars: [{ space: 'mmio', sizeBytes: 100 }] }),
    ConfigError,
  );
});

test('port 0xcf9 resets on the rising edge of RST_CPU', () => {
  const p = bridge();
  p.write('regs', 1, 0x02, 1);
  assert.equal(p.device.line('reset'), false);
  assert.equal(p.read('regs', 1, 1), 0x02);
  p.write('regs', 1, 0x06, 1);
  assert.equal(p.device.line('reset'), true);
});
