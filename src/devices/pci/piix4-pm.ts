// The power management function of the PIIX4: its configuration space. The registers behind it are `acpi-pm.ts`, which
// this board keeps at the address that firmware programs. Source: Intel 82371AB (PIIX4) data sheet, "Power Management".

import { device } from '../device.js';
import type { PciDeviceInputs } from './config-space.js';
import { pciConfig, readConfig, writeConfig } from './config-space.js';

const reset = () => ({
  config: pciConfig({
    vendorId: 0x8086,
    deviceId: 0x7113,
    classCode: 0x068000,
    revision: 3,
    subsystemVendorId: 0x1af4,
    subsystemId: 0x1100,
    interruptPin: 1,
    extra: [
      // PMBASE, with the I/O space indicator
      [0x40, 0x01, 0xc0],
      [0x41, 0, 0xff],
      [0x42, 0, 0],
      [0x43, 0, 0],
      [0x58, 0, 0xff],
      [0x59, 0, 0xff],
      [0x5a, 0, 0xff],
      // DEVACTB: APMC_EN reads as set, so that firmware does not set up system management mode, which is not there
      [0x5b, 0x02, 0],
      [0x5f, 0x90, 0],
      [0x63, 0x60, 0],
      [0x67, 0x98, 0],
      [0x80, 0, 0x01],
      [0x90, 0x01, 0xf0],
      [0x91, 0, 0xff],
      [0xd2, 0, 0xff],
    ],
  }),
});

/** Function 3 of the south bridge. Inputs `configRead`, `configWrite`; no regions. */
// biome-ignore lint/complexity/noBannedTypes: no ports
export const piix4Pm = device<ReturnType<typeof reset>, {}, PciDeviceInputs>({
  name: 'piix4-pm',
  version: 1,
  state: reset,
  regions: {},
  inputs: {
    configRead: (s, _ctx, register, size) => readConfig(s.config, register, size),
    configWrite: (s, _ctx, register, size, value) => writeConfig(s.config, register, size, value),
  },
});
