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
    // Firmware tells by these that the board is a virtual one of the QEMU kind, with fw_cfg and the like.
    subsystemVendorId: 0x1af4,
    subsystemId: 0x1100,
    // PAM0..PAM6 and SMRAM; the board maps shadow memory by them, see `shadowChanged`.
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
  /** A write to the PAM or SMRAM registers: the board maps the memory from 0xa0000 to 0xfffff anew. */
  readonly shadowChanged?: () => void;
}

const PAM0 = 0x59;
const PAM6 = 0x5f;
const SMRAM = 0x72;

/** Inputs to the bridges: none. */
// biome-ignore lint/complexity/noBannedTypes: the bridges take no inputs
export type PciHostBridgeInputs = {};
export interface PciHostBridgeQueries {
  /**
   * Shadow memory control of [gpa, gpa + sizeBytes) at 0xc0000..0xfffff: 13 areas in order. `read` and `write` tell
   * whether such accesses go to RAM; else they go to the ROMs on the bus.
   */
  shadow(): readonly ShadowArea[];
}
export interface ShadowArea {
  readonly gpa: number;
  readonly sizeBytes: number;
  readonly read: boolean;
  readonly write: boolean;
}

/** PAM0 high nibble: 0xf0000, 64 KiB; then 16 KiB per nibble from 0xc0000. */
function shadowAreas(pam: readonly number[]): ShadowArea[] {
  const area = (gpa: number, sizeBytes: number, bits: number): ShadowArea => ({
    gpa,
    sizeBytes,
    read: (bits & 1) !== 0,
    write: (bits & 2) !== 0,
  });
  const areas: ShadowArea[] = [];
  for (let i = 0; i < 12; i++) {
    const register = pam[1 + (i >> 1)] ?? 0;
    areas.push(area(0xc0000 + i * 0x4000, 0x4000, i % 2 === 0 ? register : register >> 4));
  }
  areas.push(area(0xf0000, 0x10000, (pam[0] ?? 0) >> 4));
  return areas;
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
  if (bdf === HOST_BRIDGE) {
    writeConfig(s.bridge, register, size, value);
    if ((register + size > PAM0 && register <= PAM6) || (register <= SMRAM && register + size > SMRAM))
      ctx.shadowChanged?.();
  } else if (bdf === ISA_BRIDGE) writeConfig(s.isa, register, size, value);
  else ctx.functions.get(bdf)?.writeConfig(register, size, value);
}

/** Host bridge 00:00.0 and ISA bridge 00:01.0. Region `regs` (0xcf8, 8 ports); line `reset` (port 0xcf9). */
export const pciHostBridge = device<PciHostBridgeState, PciHostBridgePorts, PciHostBridgeInputs, PciHostBridgeQueries>({
  name: 'pci-host-bridge',
  version: 1,
  state: reset,
  regions: { regs: { space: 'pio', sizeBytes: 8 } },
  lines: { reset: (s) => s.resetRequested },
  queries: { shadow: (s) => shadowAreas(s.bridge.bytes.slice(PAM0, PAM6 + 1)) },
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
