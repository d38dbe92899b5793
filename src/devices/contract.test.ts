// The device contract (STYLE B.6) over every device of the room.
import { test } from 'node:test';
import {
  acpiPm,
  debugExit,
  i8042,
  i8254,
  i8259,
  ioApic,
  localApic,
  mc146818,
  PciFunctions,
  pciHostBridge,
  pcTestdev,
  postPort,
  uart16550,
} from './index.js';
import type { ContractCase } from './testing.js';
import { deviceContract } from './testing.js';

const run = (cases: readonly ContractCase[]): void => {
  for (const c of cases) test(c.name, c.run);
};

run(
  deviceContract(
    i8259,
    () => ({}),
    (b) => {
      b.write('master', 0, 0x11);
      b.write('master', 1, 0x20);
      b.write('master', 1, 0x04);
      b.write('master', 1, 0x01);
      b.device.inputs.pin(3, true);
    },
  ),
);
run(
  deviceContract(
    i8254,
    () => ({}),
    (b) => {
      b.write('regs', 3, 0x34);
      b.write('regs', 0, 0xa9);
      b.write('regs', 0, 0x04);
      b.run(2_500_000);
    },
  ),
);
run(
  deviceContract(
    uart16550,
    () => ({ tx: () => {} }),
    (b) => {
      b.write('regs', 4, 0x08);
      b.write('regs', 1, 0x01);
      b.write('regs', 2, 0xc1);
      b.device.inputs.receive([1, 2, 3]);
    },
  ),
);
run(
  deviceContract(
    mc146818,
    () => ({}),
    (b) => {
      b.device.inputs.setWallClock(Date.UTC(2026, 0, 2));
      b.write('regs', 0, 0x0b);
      b.write('regs', 1, 0x52);
    },
  ),
);
run(
  deviceContract(
    i8042,
    () => ({}),
    (b) => {
      b.device.inputs.key([0x1c, 0xf0, 0x1c]);
    },
  ),
);
run(
  deviceContract(
    acpiPm,
    () => ({}),
    (b) => {
      b.write('smi', 0, 0xf1);
      b.write('pm1Event', 2, 0x101, 2);
      b.device.inputs.pressPowerButton();
    },
  ),
);
run(
  deviceContract(
    localApic(0),
    () => ({ ipi: () => {}, eoi: () => {} }),
    (b) => {
      b.write('regs', 0xf0, 0x1ff, 4);
      b.write('regs', 0x320, 0x20030, 4);
      b.write('regs', 0x380, 1000, 4);
      b.run(2500);
    },
  ),
);
run(
  deviceContract(
    ioApic,
    () => ({ deliver: () => {} }),
    (b) => {
      b.write('regs', 0, 0x14, 4);
      b.write('regs', 0x10, 0x8031, 4);
      b.device.inputs.pin(2, true);
    },
  ),
);
run(
  deviceContract(
    debugExit,
    () => ({}),
    (b) => b.write('regs', 0, 3, 4),
  ),
);
run(
  deviceContract(
    postPort,
    () => ({}),
    (b) => b.write('post', 0, 0x55),
  ),
);
run(
  deviceContract(
    pciHostBridge,
    () => ({ functions: new PciFunctions() }),
    (b) => b.write('regs', 0, 0x80000800, 4),
  ),
);
run(
  deviceContract(
    pcTestdev,
    () => ({}),
    (b) => {
      b.write('data', 1, 0x1234, 2);
      b.write('irq', 14, 1);
      b.write('memory', 0x8000, 0x12345678, 4);
    },
  ),
);
