// Loaders and firmware tables: how guests and what they are told about the board come into memory.
export * from './acpi-tables.js';
export * from './cpio.js';
export * from './e820.js';
export * from './elf.js';
export * from './entry-state.js';
export * from './flat.js';
export * from './linux-boot.js';
export * from './mptable.js';
export * from './multiboot.js';
export type { MultibootModule } from './multiboot-image.js';
export * from './multiboot2.js';
