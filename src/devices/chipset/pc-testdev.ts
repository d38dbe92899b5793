// The test device that x86 system tests steer the board with: ports that keep what is written, memory that does, and one
// port per ISA interrupt. Source: QEMU's documentation of "pc-testdev".

import type { AccessSize } from '../device.js';
import { allOnes, device } from '../device.js';

const IRQ_PORTS = 24;
const ISA_IRQS = 16;
const MEMORY_BYTES = 0x10000;

const reset = () => ({
  /** What the four data ports keep, little-endian. */
  data: 0,
  /** Levels of the interrupt ports, one bit each. */
  levels: 0,
  /** Bytes of the memory range up to the last that was written. */
  memory: [] as number[],
});
/** State of the test device. */
export type PcTestdevState = ReturnType<typeof reset>;
type S = PcTestdevState;

/** Where a PC has it. */
export const PC_TESTDEV = {
  DATA_PORT: 0xe0,
  FLUSH_PORT: 0xe4,
  DATA_BYTE_PORT: 0xe8,
  IRQ_PORT: 0x2000,
  MEMORY_GPA: 0xff00_0000,
} as const;

/** ISA interrupts that the device can raise. */
export const PC_TESTDEV_IRQS: readonly number[] = Array.from({ length: ISA_IRQS }, (_, i) => i).filter((i) => i !== 2);

const data = {
  read: (s: S, offset: number, size: AccessSize): number => ((s.data >>> (8 * offset)) & allOnes(size)) >>> 0,
  write: (s: S, offset: number, size: AccessSize, value: number): void => {
    const mask = (allOnes(size) << (8 * offset)) >>> 0;
    s.data = ((s.data & ~mask) | ((value << (8 * offset)) & mask)) >>> 0;
  },
};

/**
 * Regions `data` and `dataByte` (four ports each, the same register), `flush` (four ports, writes are taken and change
 * nothing), `irq` (24 ports: a byte other than zero raises that ISA interrupt), `memory` (64 KiB). Lines `irq0`..`irq15`.
 */
export const pcTestdev = device<PcTestdevState>({
  name: 'pc-testdev',
  version: 1,
  state: reset,
  regions: {
    data: { space: 'pio', sizeBytes: 4 },
    flush: { space: 'pio', sizeBytes: 4 },
    dataByte: { space: 'pio', sizeBytes: 4 },
    irq: { space: 'pio', sizeBytes: IRQ_PORTS },
    memory: { space: 'mmio', sizeBytes: MEMORY_BYTES },
  },
  lines: Object.fromEntries(PC_TESTDEV_IRQS.map((n) => [`irq${n}`, (s: S) => ((s.levels >>> n) & 1) !== 0])),
  handlers: {
    data,
    dataByte: data,
    flush: { read: (_s, _offset, size) => allOnes(size), write: () => {} },
    irq: {
      read: (s, offset) => (s.levels >>> offset) & 1,
      write: (s, offset, _size, value) => {
        const bit = 1 << offset;
        s.levels = (value & 0xff) === 0 ? s.levels & ~bit : s.levels | bit;
      },
    },
    memory: {
      read: (s, offset, size) => {
        let value = 0;
        for (let i = 0; i < size; i++) value += (s.memory[offset + i] ?? 0) * 2 ** (8 * i);
        return value;
      },
      write: (s, offset, size, value) => {
        while (s.memory.length < offset) s.memory.push(0);
        for (let i = 0; i < size; i++) s.memory[offset + i] = (value >>> (8 * i)) & 0xff;
      },
    },
  },
});
