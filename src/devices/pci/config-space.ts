// Configuration space of one PCI function: 256 bytes with a write mask. Source: PCI Local Bus Specification 3.0,
// "Configuration Space Organization", "Base Addresses".

import { ConfigError, hex } from '../../base/index.js';
import type { AccessSize } from '../device.js';

/** What identifies a function; addresses of its windows are set later by the guest. */
export interface PciIdentity {
  readonly vendorId: number;
  readonly deviceId: number;
  /** Class, subclass, programming interface. */
  readonly classCode: number;
  readonly revision?: number;
  readonly subsystemVendorId?: number;
  readonly subsystemId?: number;
  readonly multiFunction?: boolean;
  /** Interrupt pin, 1 (INTA) to 4; 0 for none. */
  readonly interruptPin?: number;
  /** Windows by base address register: size in bytes, a power of two. */
  readonly bars?: readonly (PciBar | null)[];
  /** Bytes outside the header: offset, value, bits the guest may write. */
  readonly extra?: readonly (readonly [offset: number, value: number, writable: number])[];
}
export interface PciBar {
  readonly space: 'pio' | 'mmio';
  readonly sizeBytes: number;
}

/** Plain state of a configuration space. */
export interface PciConfig {
  bytes: number[];
  writable: number[];
}

const COMMAND_WRITABLE = 0x0547;
const HEADER_BAR0 = 0x10;

/** A configuration space with the standard header (type 0). */
export function pciConfig(id: PciIdentity): PciConfig {
  const config: PciConfig = {
    bytes: Array.from({ length: 256 }, () => 0),
    writable: Array.from({ length: 256 }, () => 0),
  };
  const put = (offset: number, size: number, value: number, writable = 0): void => {
    for (let i = 0; i < size; i++) {
      config.bytes[offset + i] = (value >>> (8 * i)) & 0xff;
      config.writable[offset + i] = (writable >>> (8 * i)) & 0xff;
    }
  };
  put(0x00, 2, id.vendorId);
  put(0x02, 2, id.deviceId);
  put(0x04, 2, 0, COMMAND_WRITABLE);
  put(0x08, 1, id.revision ?? 0);
  put(0x09, 3, id.classCode);
  put(0x0c, 1, 0, 0xff); // cache line size
  put(0x0d, 1, 0, 0xff); // latency timer
  put(0x0e, 1, id.multiFunction ? 0x80 : 0);
  put(0x2c, 2, id.subsystemVendorId ?? 0);
  put(0x2e, 2, id.subsystemId ?? 0);
  put(0x3c, 1, 0, 0xff); // interrupt line
  put(0x3d, 1, id.interruptPin ?? 0);
  for (const [i, bar] of (id.bars ?? []).entries()) {
    if (bar === null) continue;
    const size = bar.sizeBytes;
    if (size < (bar.space === 'pio' ? 4 : 16) || (size & (size - 1)) !== 0) {
      throw new ConfigError(
        'PCI_BAR',
        `base address register ${i} has ${size} bytes, expected a power of two from 16 on`,
      );
    }
    put(HEADER_BAR0 + 4 * i, 4, bar.space === 'pio' ? 1 : 0, -size & (bar.space === 'pio' ? ~3 : ~15));
  }
  for (const [offset, value, writable] of id.extra ?? []) put(offset, 1, value, writable);
  return config;
}

/** Reads 1, 2 or 4 bytes of a configuration space. */
export function readConfig(config: PciConfig, register: number, size: AccessSize): number {
  let value = 0;
  for (let i = 0; i < size; i++) value += (config.bytes[register + i] ?? 0xff) * 2 ** (8 * i);
  return value;
}

/** Writes 1, 2 or 4 bytes; read-only bits keep their values. */
export function writeConfig(config: PciConfig, register: number, size: AccessSize, value: number): void {
  for (let i = 0; i < size; i++) {
    const mask = config.writable[register + i] ?? 0;
    const old = config.bytes[register + i] ?? 0;
    config.bytes[register + i] = (old & ~mask) | ((value >>> (8 * i)) & mask);
  }
}

const COMMAND = 0x04;
const COMMAND_IO = 1;
const COMMAND_MEMORY = 2;
const BAR_COUNT = 6;

/** Addresses that the function decodes now, by base address register; null: absent, disabled or not yet set. */
export function decodedWindows(config: PciConfig): (number | null)[] {
  const command = config.bytes[COMMAND] ?? 0;
  return Array.from({ length: BAR_COUNT }, (_, i) => {
    const at = HEADER_BAR0 + 4 * i;
    const mask = readConfig({ bytes: config.writable, writable: [] }, at, 4);
    if (mask === 0) return null;
    const value = readConfig(config, at, 4);
    const isIo = (value & 1) !== 0;
    if ((command & (isIo ? COMMAND_IO : COMMAND_MEMORY)) === 0) return null;
    const base = (value & mask) >>> 0;
    return base === 0 || base === mask ? null : base;
  });
}

/** What a device with a configuration space offers to its place on the bus. */
export interface PciDeviceInputs {
  configRead(register: number, size: AccessSize): number;
  configWrite(register: number, size: AccessSize, value: number): void;
}

/** A device's place on the PCI bus: hands configuration accesses on and follows its windows. Wiring, not state. */
export class PciPlace implements PciFunction {
  #mapped: (number | null)[] = Array.from({ length: BAR_COUNT }, () => null);
  /** `config` gives the live configuration space; `map` moves window `bar` to `base`, or away when null. */
  constructor(
    readonly inputs: PciDeviceInputs,
    readonly config: () => PciConfig,
    readonly map: (bar: number, base: number | null, before: number | null) => void = () => {},
  ) {}
  readConfig(register: number, size: AccessSize): number {
    return this.inputs.configRead(register, size);
  }
  writeConfig(register: number, size: AccessSize, value: number): void {
    this.inputs.configWrite(register, size, value);
    this.sync();
  }
  /** Brings the windows to what the configuration space says: after a write, a reset or a load. */
  sync(): void {
    const now = decodedWindows(this.config());
    const before = this.#mapped;
    this.#mapped = now;
    for (let bar = 0; bar < BAR_COUNT; bar++) {
      const from = before[bar] ?? null;
      const to = now[bar] ?? null;
      if (from !== to) this.map(bar, to, from);
    }
  }
}

/** A function's side of the bus, as a device offers it. */
export interface PciFunction {
  readConfig(register: number, size: AccessSize): number;
  writeConfig(register: number, size: AccessSize, value: number): void;
}

/** Device and function number as configuration mechanism #1 packs them. */
export const pciAddress = (device: number, fn = 0, bus = 0): number => (bus << 8) | (device << 3) | fn;

/** The functions present on a board, by address. Wiring, not state. */
export class PciFunctions {
  readonly #functions = new Map<number, PciFunction>();

  add(address: number, fn: PciFunction): void {
    if (this.#functions.has(address)) {
      throw new ConfigError('PCI_ADDRESS', `PCI address ${hex(address, 4)} is taken, expected a free one`);
    }
    this.#functions.set(address, fn);
  }
  get(address: number): PciFunction | undefined {
    return this.#functions.get(address);
  }
}
