// Builds the multiboot image of tests/guest/multiboot-kit with gcc, which checks what it is given and what the board does.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repository } from './guests.js';

export interface KitOptions {
  readonly bits: 32 | 64;
  /** Physical address that the image is linked to; 1 MiB by default. */
  readonly base?: number;
  /** Flags of the multiboot 1 header. */
  readonly flags?: number;
  readonly multiboot2?: boolean;
  /** The loadable bytes alone, without ELF headers. */
  readonly raw?: boolean;
}

const FLAGS =
  '-ffreestanding -nostdlib -static -fno-pic -no-pie -O1 -fno-stack-protector -mgeneral-regs-only -Werror -Wall -Wl,--build-id=none -Wl,-z,max-page-size=4096';

function run(command: string, args: readonly string[]): void {
  const r = spawnSync(command, args, { encoding: 'utf8' });
  if (r.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${r.error?.message ?? r.stderr}`);
}

/** The image's bytes; throws where there is no gcc. */
export function buildKit(o: KitOptions): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'pcanel-kit-'));
  try {
    const source = join(repository, 'tests/guest/multiboot-kit');
    const elf = join(folder, 'kit.elf');
    const words = [...FLAGS.split(' '), `-m${o.bits}`, '-mno-red-zone'];
    if (o.flags !== undefined) words.push(`-DHEADER_FLAGS=${o.flags}`);
    if (o.multiboot2) words.push('-DMULTIBOOT2');
    words.push(`-Wl,--defsym=BASE=${o.base ?? 0x100000}`, '-Wl,-T', join(source, 'kit.ld'));
    run('gcc', [...words, join(source, 'start.S'), join(source, 'kit.c'), '-o', elf]);
    if (!o.raw) return readFileSync(elf);
    const raw = join(folder, 'kit.bin');
    run('objcopy', ['-O', 'binary', elf, raw]);
    return readFileSync(raw);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
