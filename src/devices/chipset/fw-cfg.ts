// The firmware configuration device: items that the firmware reads by number, and a directory of files by name.
// Source: QEMU documentation, "QEMU Firmware Configuration (fw_cfg) Device".

import { ConfigError } from '../../base/index.js';
import type { Ctx } from '../device.js';
import { device } from '../device.js';

/** Numbers of the items that are no files. */
export const FwCfgKey = {
  SIGNATURE: 0x00,
  ID: 0x01,
  RAM_SIZE: 0x03,
  NO_GRAPHIC: 0x04,
  CPUS: 0x05,
  MACHINE_ID: 0x06,
  NUMA: 0x0d,
  BOOT_MENU: 0x0e,
  MAX_CPUS: 0x0f,
  FILE_DIRECTORY: 0x19,
  FILE_FIRST: 0x20,
  IRQ0_OVERRIDE: 0x8002,
} as const;
const ID_TRADITIONAL = 1;
const ID_DMA = 2;
const NAME_BYTES = 56;
const ENTRY_BYTES = 64;

/** The items of one board. Wiring, not state: made anew from the machine's configuration. */
export class FwCfgItems {
  readonly #items = new Map<number, Uint8Array>();
  readonly #files: { readonly name: string; readonly key: number; readonly sizeBytes: number }[] = [];

  constructor() {
    this.add(FwCfgKey.SIGNATURE, Uint8Array.of(0x51, 0x45, 0x4d, 0x55)); // "QEMU"
    this.addNumber(FwCfgKey.ID, ID_TRADITIONAL | ID_DMA, 4);
    this.#directory();
  }

  add(key: number, data: Uint8Array): void {
    this.#items.set(key, data);
  }
  /** A little-endian number. */
  addNumber(key: number, value: number, sizeBytes: 2 | 4 | 8): void {
    this.add(key, littleEndian(value, sizeBytes));
  }
  addFile(name: string, data: Uint8Array): void {
    if (name.length === 0 || name.length >= NAME_BYTES || this.#files.some((f) => f.name === name)) {
      throw new ConfigError(
        'FW_CFG_FILE',
        `firmware file '${name}', expected a new name of 1 to ${NAME_BYTES - 1} characters`,
      );
    }
    const key = FwCfgKey.FILE_FIRST + this.#files.length;
    this.#files.push({ name, key, sizeBytes: data.length });
    this.add(key, data);
    this.#directory();
  }
  /** Names of the files, in order. */
  files(): string[] {
    return this.#files.map((f) => f.name);
  }
  get(key: number): Uint8Array | undefined {
    return this.#items.get(key);
  }

  #directory(): void {
    const out = new Uint8Array(4 + this.#files.length * ENTRY_BYTES);
    const view = new DataView(out.buffer);
    view.setUint32(0, this.#files.length);
    this.#files.forEach((f, i) => {
      const at = 4 + i * ENTRY_BYTES;
      view.setUint32(at, f.sizeBytes);
      view.setUint16(at + 4, f.key);
      for (let c = 0; c < f.name.length; c++) out[at + 8 + c] = f.name.charCodeAt(c);
    });
    this.add(FwCfgKey.FILE_DIRECTORY, out);
  }
}

function littleEndian(value: number, sizeBytes: number): Uint8Array {
  return Uint8Array.from({ length: sizeBytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) % 256);
}

/** Guest memory as devices that master the bus reach it. */
export interface DmaMemory {
  readBytes(gpa: number, sizeBytes: number): Uint8Array;
  writeBytes(gpa: number, data: Uint8Array): void;
}

export interface FwCfgPorts {
  readonly items: Pick<FwCfgItems, 'get'>;
  readonly memory: DmaMemory;
}

const reset = () => ({ key: 0, offset: 0, dmaHigh: 0 });
export type FwCfgState = ReturnType<typeof reset>;

const DMA_SIGNATURE_HIGH = 0x51454d55; // "QEMU"
const DMA_SIGNATURE_LOW = 0x20434647; // " CFG"
const DMA_ERROR = 0x01;
const DMA_READ = 0x02;
const DMA_SKIP = 0x04;
const DMA_SELECT = 0x08;
const DMA_WRITE = 0x10;
const CHUNK_BYTES = 0x10000;

function select(s: FwCfgState, key: number): void {
  s.key = key & 0xffff;
  s.offset = 0;
}

function readByte(s: FwCfgState, ctx: Ctx<FwCfgPorts>): number {
  return ctx.items.get(s.key)?.[s.offset++] ?? 0;
}

/** Carries out the transfer described at `gpa`: control, length and address, big-endian. */
function transfer(s: FwCfgState, gpa: number, ctx: Ctx<FwCfgPorts>): void {
  const head = ctx.memory.readBytes(gpa, 16);
  const view = new DataView(head.buffer, head.byteOffset, 16);
  const control = view.getUint32(0);
  const length = view.getUint32(4);
  let to = view.getUint32(8) * 2 ** 32 + view.getUint32(12);
  if (control & DMA_SELECT) select(s, control >>> 16);
  let failed = false;
  if (control & DMA_READ) {
    const item = ctx.items.get(s.key);
    for (let left = length; left > 0; ) {
      const n = Math.min(left, CHUNK_BYTES);
      const data = new Uint8Array(n); // bytes past the item's end are zero
      if (item !== undefined && s.offset < item.length) data.set(item.subarray(s.offset, s.offset + n));
      ctx.memory.writeBytes(to, data);
      to += n;
      left -= n;
      s.offset += n;
    }
  } else if (control & DMA_WRITE) {
    failed = true; // no item of ours takes writes
  } else if (control & DMA_SKIP) s.offset += length;
  const status = new Uint8Array(4);
  if (failed) status[3] = DMA_ERROR;
  ctx.memory.writeBytes(gpa, status);
}

const swap32 = (v: number): number =>
  (((v & 0xff) << 24) | ((v & 0xff00) << 8) | ((v >>> 8) & 0xff00) | (v >>> 24)) >>> 0;

/** Selector at 0x510, data at 0x511, DMA address (big-endian) at 0x514. Region `regs` (12 ports). */
export const fwCfg = device<FwCfgState, FwCfgPorts>({
  name: 'fw-cfg',
  version: 1,
  state: reset,
  regions: { regs: { space: 'pio', sizeBytes: 12 } },
  handlers: {
    regs: {
      read(s, offset, size, ctx) {
        if (offset === 1) return readByte(s, ctx);
        if (offset === 4 && size === 4) return swap32(DMA_SIGNATURE_HIGH);
        if (offset === 8 && size === 4) return swap32(DMA_SIGNATURE_LOW);
        return 0;
      },
      write(s, offset, size, value, ctx) {
        if (offset === 0 && size === 2) select(s, value);
        else if (offset === 4 && size === 4) s.dmaHigh = swap32(value);
        else if (offset === 8 && size === 4) {
          const gpa = s.dmaHigh * 2 ** 32 + swap32(value);
          s.dmaHigh = 0;
          transfer(s, gpa, ctx);
        }
      },
    },
  },
});
