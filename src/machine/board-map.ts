// The board's addresses: ports, MMIO ranges, interrupt numbers and the layout of the address space, in one place.
// Sources: IBM PC/AT Technical Reference "I/O Address Map"; Intel 82371AB (PIIX4) and I/O APIC data sheets; ACPI 6.4.

/** A device at ports [port, port + sizeBytes) with one ISA interrupt. */
export interface PortDevice {
  readonly port: number;
  readonly sizeBytes: number;
  readonly irq: number;
}

/** Where everything sits. Tables given to guests and the board's wiring are both made from it. */
export interface BoardMap {
  /** COM1..COM4 (those that exist), in order. */
  readonly uarts: readonly PortDevice[];
  readonly pic: { readonly master: number; readonly slave: number; readonly elcr: number; readonly cascadeIrq: number };
  readonly pit: { readonly port: number; readonly irq: number; readonly speakerPort: number };
  readonly rtc: { readonly port: number; readonly irq: number; readonly centuryRegister: number };
  readonly i8042: {
    readonly dataPort: number;
    readonly commandPort: number;
    readonly keyboardIrq: number;
    readonly mouseIrq: number;
  };
  readonly acpi: {
    /** PM1a_EVT_BLK (4 bytes), PM1a_CNT_BLK (2), PM_TMR_BLK (4), GPE0_BLK (4). */
    readonly pm1EventPort: number;
    readonly pm1ControlPort: number;
    readonly pmTimerPort: number;
    readonly gpe0Port: number;
    readonly sciIrq: number;
    /** Writing enableValue to the SMI command port sets SCI_EN, disableValue clears it. */
    readonly smiCommandPort: number;
    readonly enableValue: number;
    readonly disableValue: number;
    /** SLP_TYPa of S5 (soft off). */
    readonly sleepTypeS5: number;
  };
  readonly reset: { readonly port: number; readonly value: number };
  readonly debugExitPort: number;
  readonly pci: {
    readonly configAddressPort: number;
    readonly configDataPort: number;
    /** GSI of INTA#..INTD# of device 0; device n is rotated by n. All below 16: the same in PIC and APIC mode. */
    readonly interruptGsis: readonly [number, number, number, number];
    /** First device number, on bus 0, that is an ISA bridge. */
    readonly isaBridgeDevice: number;
  };
  readonly localApicGpa: number;
  readonly ioApic: { readonly gpa: number; readonly id: number; readonly gsiBase: number; readonly pins: number };
  /** GSI of ISA interrupt 0 (the 8254) on the I/O APIC. */
  readonly timerGsi: number;
  readonly vga: { readonly gpa: number; readonly sizeBytes: number; readonly present: boolean };
  /** RAM never reaches into [pciHole.gpa, pciHole.gpa + pciHole.sizeBytes); more RAM continues above it. */
  readonly pciHole: { readonly gpa: number; readonly sizeBytes: number };
  /** Part of the PCI hole that PCI devices may decode. */
  readonly pciWindow: { readonly gpa: number; readonly sizeBytes: number };
  /** Firmware tables: [0xe0000, 0x100000). */
  readonly firmware: {
    readonly acpiGpa: number;
    readonly acpiSizeBytes: number;
    readonly mpTableGpa: number;
    readonly mpTableSizeBytes: number;
  };
}

/** The PC board of this package. */
export const pcBoard: BoardMap = {
  uarts: [
    { port: 0x3f8, sizeBytes: 8, irq: 4 },
    { port: 0x2f8, sizeBytes: 8, irq: 3 },
    { port: 0x3e8, sizeBytes: 8, irq: 4 },
    { port: 0x2e8, sizeBytes: 8, irq: 3 },
  ],
  pic: { master: 0x20, slave: 0xa0, elcr: 0x4d0, cascadeIrq: 2 },
  pit: { port: 0x40, irq: 0, speakerPort: 0x61 },
  rtc: { port: 0x70, irq: 8, centuryRegister: 0x32 },
  i8042: { dataPort: 0x60, commandPort: 0x64, keyboardIrq: 1, mouseIrq: 12 },
  acpi: {
    pm1EventPort: 0x600,
    pm1ControlPort: 0x604,
    pmTimerPort: 0x608,
    gpe0Port: 0x620,
    sciIrq: 9,
    smiCommandPort: 0xb2,
    enableValue: 0xf1,
    disableValue: 0xf0,
    sleepTypeS5: 0,
  },
  reset: { port: 0xcf9, value: 0x06 },
  debugExitPort: 0xf4,
  pci: { configAddressPort: 0xcf8, configDataPort: 0xcfc, interruptGsis: [10, 11, 10, 11], isaBridgeDevice: 1 },
  localApicGpa: 0xfee00000,
  ioApic: { gpa: 0xfec00000, id: 0, gsiBase: 0, pins: 24 },
  timerGsi: 2,
  vga: { gpa: 0xa0000, sizeBytes: 0x20000, present: false },
  pciHole: { gpa: 0xc0000000, sizeBytes: 0x40000000 },
  pciWindow: { gpa: 0xc0000000, sizeBytes: 0x3ec00000 },
  firmware: { acpiGpa: 0xe0000, acpiSizeBytes: 0x10000, mpTableGpa: 0xf0000, mpTableSizeBytes: 0x1000 },
};
