// Tells kernel images apart by their contents.

import { ConfigError } from '../../base/index.js';
import { isElf } from './elf.js';
import { isBzImage } from './linux-boot.js';
import { findMultibootHeader } from './multiboot.js';

/** Which loader takes the image: a Linux kernel goes first, since some are ELF or carry a multiboot header besides. */
export function kernelKind(file: Uint8Array, name = 'kernel'): 'linux' | 'multiboot' {
  if (isBzImage(file)) return 'linux';
  if (findMultibootHeader(file)) return 'multiboot';
  const found = file.length === 0 ? 'is empty' : isElf(file) ? 'is an ELF image without a multiboot header' : '';
  const why = found || `starts with ${[...file.subarray(0, 4)].map((b) => b.toString(16).padStart(2, '0')).join(' ')}`;
  const message = `'${name}' is no kernel that can be booted (it ${why}), expected a Linux bzImage or a multiboot image`;
  throw new ConfigError('KERNEL_FORMAT', message, { kernel: name, sizeBytes: file.length });
}
