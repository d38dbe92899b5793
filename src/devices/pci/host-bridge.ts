// The PCI host bridge (82441FX) with configuration mechanism #1 and the ISA bridge (82371SB) with the reset control
// register. Source: PCI Local Bus Specification 3.0, "Configuration Mechanism #1"; Intel 82441FX and 82371SB data sheets.

import type { AccessSize, Ctx } from '../device.js';
import { allOnes, device } from '../device.js';
import type { PciFunctions } from './config-space.js';
import { pciConfig, readConfig, writeConfig } from './config-space.js';

const ADDRESS_ENABLE = 0x8000_0000;
const ADDRESS_WRITABLE = 0x80ff_fffc;
/** Offsets from port 0xcf8. */
const RESET_CONTROL = 1;
const DATA = 4;
const RESET_CPU = 0x04;

const bridgeConfig = () =>
  pciConfig({
    vendorId: 0x8086,
    deviceId: 0x1237,
    classCode: 0x060000,
    revision: 2,
    // PAM0..PAM6 and SMRAM: stored; the board maps shadow memory as it likes.
    extra: [0x59, 0x5a, 0x5b, 0x5c, 0x5d, 0x5e, 0x5f, 0x72].map((at) => [at, 0, 0xff] as const),
  });
const isaConfig = () =>
  pciConfig({
    vendorId: 0x8086,
    deviceId: 0x7000,
    classCode: 0x060100,
    multiFunction: true,
    // PIRQ routing: not routed after reset.
    extra: [0x60, 0x61, 0x62, 0x63].map((at) => [at, 0x80, 0x8f] as const),
  });

const reset = () => ({
  address: 0,
  resetControl: 0,
  resetRequested: false,
  bridge: bridgeConfig(),
  isa: isaConfig(),
});
/** State of both bridges. */
export type PciHostBridgeState = ReturnType<typeof reset>;

/** The functions behind the bridge, beside 00:00.0 and 00:01.0 which are its own. */
export interface PciHostBridgePorts {
  readonly functions: Pick<PciFunctions, 'get'>;
}

const HOST_BRIDGE = 0x0000;
const ISA_BRIDGE = 0x0008;

function readData(s: PciHostBridgeState, offset: number, size: AccessSize, ctx: Ctx<PciHostBridgePorts>): number {
  if (s.address < ADDRESS_ENABLE) return allOnes(size);
  const bdf = (s.address >>> 8) & 0xffff;
  const register = (s.address & 0xfc) + offset;
  if (bdf === HOST_BRIDGE) return readConfig(s.bridge, register, size);
  if (bdf === ISA_BRIDGE) return readConfig(s.isa, register, size);
  return ctx.functions.get(bdf)?.readConfig(register, size) ?? allOnes(size);
}

function writeData(
  s: PciHostBridgeState,
  offset: number,
  size: AccessSize,
  value: number,
  ctx: Ctx<PciHostBridgePorts>,
): void {
  if (s.address < ADDRESS_ENABLE) return;
  const bdf = (s.address >>> 8) & 0xffff;
  const register = (s.address & 0xfc) + offset;
  if (bdf === HOST_BRIDGE) writeConfig(s.bridge, register, size, value);
  else if (bdf === ISA_BRIDGE) writeConfig(s.isa, register, size, value);
  else ctx.functions.get(bdf)?.writeConfig(register, size, value);
}

/** Host bridge 00:00.0 and ISA bridge 00:01.0. Region `regs` (0xcf8, 8 ports); line `reset` (port 0xcf9). */
export const pciHostBridge = device<PciHostBridgeState, PciHostBridgePorts>({
  name: 'pci-host-bridge',
  version: 1,
  state: reset,
  regions: { regs: { space: 'pio', sizeBytes: 8 } },
  lines: { reset: (s) => s.resetRequested },
  handlers: {
    regs: {
      read(s, offset, size, ctx) {
        if (offset >= DATA) return readData(s, offset - DATA, Math.min(size, 8 - offset) as AccessSize, ctx);
        if (offset === 0 && size === 4) return s.address;
        if (offset === RESET_CONTROL && size === 1) return s.resetControl;
        return allOnes(size); // CONFIG_ADDRESS is a double word
      },
      write(s, offset, size, value, ctx) {
        if (offset >= DATA) writeData(s, offset - DATA, size, value, ctx);
        else if (offset === 0 && size === 4) s.address = (value & ADDRESS_WRITABLE) >>> 0;
        else if (offset === RESET_CONTROL && size === 1) {
          // A rising edge of RST_CPU resets; bit 1 chooses hard or soft, which is the same here.
          if (value & ~s.resetControl & RESET_CPU) s.resetRequested = true;
          s.resetControl = value & 0x0e & ~RESET_CPU;
        }
      },
    },
  },
});
