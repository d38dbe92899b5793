// What the monitor needs from the rest of the machine, as interfaces defined here, where they are consumed.

/** Port and memory-mapped I/O. `mmio` accesses of 8 bytes are split by the monitor, low half first. */
export interface IoBus {
  read(space: 'pio' | 'mmio', address: number, sizeBytes: 1 | 2 | 4): number;
  write(space: 'pio' | 'mmio', address: number, sizeBytes: 1 | 2 | 4, value: number): void;
}

/** The interrupt pins of one processor: the local APIC, or an 8259 behind it. */
export interface InterruptSource {
  /** An external interrupt can be taken now (its priority allows it). */
  pending(): boolean;
  /** Takes it and tells its vector. */
  acknowledge(): number;
  /** An NMI waits. Absent: this board has none. */
  nmiPending?(): boolean;
  /** Takes the NMI. */
  acknowledgeNmi?(): void;
}

/** The local APIC as MSRs and CR8 reach it. */
export interface LocalApicPort {
  /** IA32_APIC_BASE. */
  base(): bigint;
  /** False: the write is refused (#GP). */
  setBase(value: bigint): boolean;
  /** Task priority as CR8, 0..15. */
  cr8(): number;
  setCr8(value: number): void;
  tscDeadline(): bigint;
  /** `value` in ticks of the guest's TSC; zero disarms. */
  setTscDeadline(value: bigint): void;
  /** x2APIC register by number (MSR - 800H); null: not in x2APIC mode or no such register (#GP). */
  readX2apic(register: number): bigint | null;
  writeX2apic(register: number, value: bigint): boolean;
}
